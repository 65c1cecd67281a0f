"""Issues the certificates that chargers requested, sends them, and asks for new ones before the old
expire (A02).

A request was decided on and stored before its answer left. This task goes on from the stored rows,
so what an earlier run accepted is issued and sent by the next one. A certificate travels as a
command like any other, CertificateSigned.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import trio

from levity_trio.authority import AuthorityProblem, NoRequest
from levity_trio.authority.apart import issue_for_charger
from levity_trio.authority.folder import has_root
from levity_trio.charger.central import Central
from levity_trio.charger.commands import Chargers, UnknownCharger
from levity_trio.config import certificates_folder
from levity_trio.events import (
    CallAnswered,
    CallFailed,
    CertificateRequested,
    ChargerConnected,
    Event,
)
from levity_trio.log.output import get_logger
from levity_trio.store.engine.writer import surviving
from levity_trio.store.writes.chargers import security
from levity_trio.store.writes.chargers.commands import Repeatable
from levity_trio.store.writes.chargers.security import (
    AUTHORITY,
    CertificateWork,
    NewCertificate,
)
from levity_trio.wire.errors import CallFailed as CallNotSent
from levity_trio.wire.texts import digest
from levity_trio.wire.times import stamp

ANSWER_SECONDS: Final = 120.0
"""A small charger takes its time to store a certificate."""
DEADLINE_SECONDS: Final = 7 * 86_400.0
RETRY_SECONDS: Final = 60.0
RENEWAL_SECONDS: Final = 3600.0
"""The longest time between two looks for certificates that will expire."""
PAUSE_SECONDS: Final = 0.2
NEWS: Final = (CertificateRequested, ChargerConnected)

log = get_logger("system")


class Signing:
    """The task that issues and sends certificates."""

    def __init__(self, central: Central) -> None:
        self._central = central
        self._chargers = Chargers(central)
        self._folder = certificates_folder(central.config.beside)
        self._news = trio.Event()

    def observe(self, event: Event) -> None:
        """Look again after what may concern a certificate."""
        is_about_it = isinstance(event, NEWS)
        if isinstance(event, CallAnswered | CallFailed):
            is_about_it = is_about_it or event.action == "CertificateSigned"
        if is_about_it:
            self._news.set()

    async def run(self) -> None:
        """Look for as long as the server runs."""
        while True:
            self._news, is_work_left = trio.Event(), True
            with surviving("certificates could not be looked after"):
                is_work_left = await self._look()
            await trio.sleep(PAUSE_SECONDS)
            with trio.move_on_after(RETRY_SECONDS if is_work_left else RENEWAL_SECONDS):
                await self._news.wait()

    async def _look(self) -> bool:
        """Do what there is to do; return whether something is left for a later look."""
        central = self._central
        if not has_root(self._folder):
            return False
        if not central.clock_trusted:
            # A certificate must not be valid at a wrong time.
            return True
        is_work_left = False
        for work in await central.writer.run(security.advance_certificates, self._now()):
            act = self._issue if work.pem is None else self._send
            is_done = False
            with surviving("a certificate could not be issued or sent", cp=work.charger):
                is_done = await act(work)
            if not is_done:
                is_work_left = True

        payload = {"requestedMessage": "SignChargePointCertificate"}
        for charger in await central.writer.run(security.due_certificates, self._now()):
            with surviving("a charger could not be asked to renew its certificate", cp=charger):
                # Who is away is asked when it comes back.
                if not self._chargers.is_connected(charger):
                    continue
                with suppress(CallNotSent, UnknownCharger):
                    await self._chargers.submit(
                        charger, "ExtendedTriggerMessage", payload, asked_by=AUTHORITY
                    )
                    log.info("the charger is asked to renew its certificate", cp=charger)
        return is_work_left

    async def _issue(self, work: CertificateWork) -> bool:
        try:
            issued = await issue_for_charger(self._folder, work.csr, self._central.clock())
        except AuthorityProblem as problem:
            log.error("no certificate can be issued", cp=work.charger, reason=str(problem))
            return False
        except NoRequest as problem:
            log.error("a certificate cannot be issued", cp=work.charger, reason=str(problem))
            await self._central.writer.run(security.give_up_request, work, self._now())
            return True
        made = NewCertificate.of(issued)
        await self._central.writer.run(security.issue_certificate, work.request, made, self._now())
        # It is sent next.
        self._news.set()
        return True

    async def _send(self, work: CertificateWork) -> bool:
        attempt = Repeatable(f"certificate-{work.request}-{work.attempts + 1}", digest(work.csr))
        try:
            command = await self._chargers.submit(
                work.charger,
                "CertificateSigned",
                {"certificateChain": work.pem},
                asked_by=AUTHORITY,
                timeout_seconds=ANSWER_SECONDS,
                deadline_seconds=DEADLINE_SECONDS,
                repeatable=attempt,
            )
        except (CallNotSent, UnknownCharger) as problem:
            log.warning("a certificate cannot be sent yet", cp=work.charger, reason=str(problem))
            return False
        await self._central.writer.run(security.certificate_sent, work.request, command)
        return True

    def _now(self) -> str:
        return stamp(self._central.clock())
