"""Raises the security profiles of chargers, step by step, as operators asked (whitepaper A05).

A plan and the commands of its steps are stored, and where it stands is read from them. So this task
goes on with the plans of an earlier run, and a step whose connection ended is sent again when the
charger is back.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Final

import trio

from levity_trio.access.securing import Step
from levity_trio.authority import AuthorityProblem
from levity_trio.authority import folder as files
from levity_trio.charger.central import Central
from levity_trio.charger.commands import ROTATE, Chargers, UnknownCharger
from levity_trio.charger.signing import Signing
from levity_trio.config import certificates_folder
from levity_trio.events import Event, Fact, SecuringBegan, SecuringEnded
from levity_trio.log.output import get_logger
from levity_trio.store.engine.faults import DatabaseDamaged, StoreUnavailable
from levity_trio.store.engine.writer import persist
from levity_trio.store.lookups.securing import SecuringPlan
from levity_trio.store.writes.chargers import security
from levity_trio.store.writes.chargers.commands import Repeatable
from levity_trio.wire.errors import CallFailed
from levity_trio.wire.times import stamp

RETRY_SECONDS: Final = 30.0
ANSWER_SECONDS: Final = 60.0
"""A small charger takes its time to store a certificate or a password."""
Payload = Mapping[str, str]

log = get_logger("system")


async def keep_security(central: Central) -> None:
    """Issue certificates and raise security profiles until the server stops. What is not done by
    then is stored, and the next run does it."""
    await central.writer.sharing.duties.wait()
    signing, securing = Signing(central), SecuringTask(central)
    with central.hooks.listening(signing.observe), central.hooks.listening(securing.observe):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(signing.run)
            nursery.start_soon(securing.run)


class SecuringTask:
    """The task that sends the steps of plans."""

    def __init__(self, central: Central) -> None:
        self._central = central
        self._chargers = Chargers(central)
        self._planned: set[str] = set()
        """The chargers with a plan that has not ended."""
        self._changed: set[str] = set()
        self._news = trio.Event()

    def observe(self, event: Event) -> None:
        """Look at a plan again after any fact of its charger."""
        if isinstance(event, Fact) and event.charger is not None:
            if isinstance(event, SecuringBegan):
                self._planned.add(event.charger)
            if isinstance(event, SecuringEnded):
                self._planned.discard(event.charger)
            if event.charger in self._planned:
                self._changed.add(event.charger)
                self._news.set()

    async def run(self) -> None:
        """Look for as long as the server runs."""
        with suppress(DatabaseDamaged):
            read = partial(self._central.writer.run, security.chargers_with_plans)
            self._planned.update(await persist(read))
        self._changed |= self._planned
        while True:
            self._news = trio.Event()
            for charger in sorted(self._changed):
                self._changed.discard(charger)
                try:
                    is_done = await self._look_at(charger)
                except StoreUnavailable:
                    is_done = False
                except Exception:
                    # One plan that nobody foresaw must not stop the server.
                    log.exception("a security profile could not be looked after", cp=charger)
                    is_done = True
                if not is_done:
                    self._changed.add(charger)
            with trio.move_on_after(RETRY_SECONDS if self._changed else float("inf")):
                await self._news.wait()

    async def _look_at(self, charger: str) -> bool:
        """Send the next step of a plan, if there is one; return False if it is to be tried again in
        a while."""
        write, clock = self._central.writer.run, self._central.clock
        due = await write(security.advance_plan, charger, stamp(clock()))
        if due is None or not self._chargers.is_connected(charger):
            return True
        once = f"securing-{due.plan.id}-{due.step.value}-{due.attempt}"
        try:
            action, payload = await self._call(due.plan, due.step)
            command = await self._chargers.submit(
                due.plan.charger,
                action,
                payload,
                asked_by=due.plan.asked_by,
                timeout_seconds=ANSWER_SECONDS,
                repeatable=Repeatable(once, once),
            )
        except (CallFailed, UnknownCharger, AuthorityProblem) as problem:
            log.warning(
                "a step towards a security profile waits",
                cp=charger,
                step=due.step.value,
                reason=str(problem),
            )
            return False
        await write(security.step_tried, due, command, stamp(clock()))
        return True

    async def _call(self, plan: SecuringPlan, step: Step) -> tuple[str, Payload]:
        """Return the CALL of a step."""
        if step is Step.ROOT:
            root = certificates_folder(self._central.config.beside) / files.ROOT
            pem = await trio.to_thread.run_sync(files.read, root)
            kind = "CentralSystemRootCertificate"
            payload: Payload = {"certificateType": kind, "certificate": pem.decode()}
            return "InstallCertificate", payload
        if step is Step.CERTIFICATE:
            return "ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"}
        settings: dict[Step, Payload] = {
            Step.PASSWORD: ROTATE,
            Step.NAME: {"key": "CpoName", "value": plan.organization or ""},
            Step.ADDRESS: {"key": plan.address_key or "", "value": plan.address or ""},
            Step.PROFILE: {"key": "SecurityProfile", "value": str(plan.profile)},
        }
        return "ChangeConfiguration", settings[step]
