"""How a charger's security profile is raised: the steps, in the order of the whitepaper's A05, and
where each stands.

The charger keeps its old door until it connects with the new profile, so a step that fails locks
nobody out. Pure: what is known comes as arguments, so that a restarted server goes on from stored
facts.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from levity_trio.records import record
from levity_trio.told import Moment, Told, joined
from levity_trio.wire.words import of_ocpp

MOST_ATTEMPTS: Final = 5
"""How often a step is sent again whose connection ended."""
REBOOT_REQUIRED: Final = "RebootRequired"
UNKNOWN_ACTION: Final = ("NotImplemented", "NotSupported")


class Step(StrEnum):
    """A step towards a security profile."""

    PASSWORD = "password"  # noqa: S105 - the name of a step
    NAME = "operator name"
    ROOT = "root certificate"
    CERTIFICATE = "client certificate"
    ADDRESS = "address"
    PROFILE = "security profile"
    CONNECTION = "connection"


class State(StrEnum):
    """Where a step stands."""

    TO_DO = "to do"
    UNDER_WAY = "under way"
    DONE = "done"
    SKIPPED = "skipped"
    WAITS = "waits"
    FAILED = "failed"


class Standing(NamedTuple):
    """Where a step stands, in words for people, and its last command."""

    step: Step
    state: State
    words: str = ""
    command: int | None = None


@record(kw_only=False)
class Attempt:
    """A command of a step: its state as in the table `command`, the status of its answer, and the
    code of an error."""

    command: int
    state: str
    status: str | None = None
    error_code: str | None = None


class Report(NamedTuple):
    """A security event that the charger reported, and when it arrived (the database's format)."""

    kind: str
    information: str | None
    received_at: str


@record(kw_only=False)
class Request:
    """The charger's last request for a certificate since the profile was asked for; `result` is
    None while open."""

    result: str | None
    reason: str | None = None


def steps(profile: int, present: int, *, has_authority: bool, has_address_key: bool) -> list[Step]:
    """Return the steps from a charger's present profile to another one; the same one renews its
    password or keys."""
    found = [Step.PASSWORD] if profile in (1, 2) else []
    if profile >= 2 and has_authority:
        found += [Step.ROOT] if profile == 2 else [Step.NAME, Step.ROOT, Step.CERTIFICATE]
    if profile > present:
        found += [*([Step.ADDRESS] if has_address_key else ()), Step.PROFILE, Step.CONNECTION]
    return found


ADVICE: Final = {
    Step.PASSWORD: Told(
        "set AuthorizationKey at the charger itself, or ask its maker whether it knows security "
        "profile 1"
    ),
    Step.NAME: Told(
        "set CpoName at the charger itself, or ask its maker whether it knows security profile 3"
    ),
    Step.ROOT: Told("look at its certificates (GetInstalledCertificateIds): its store may be full"),
    Step.CERTIFICATE: Told("ask its maker whether it knows security profile 3"),
    Step.PROFILE: Told("look at its security events: it may miss what the profile needs"),
}


def of_commands(step: Step, attempts: Sequence[Attempt]) -> Standing:
    """Return where a step stands by its commands, the last of which counts; a late answer changes
    its state."""
    if not attempts:
        return Standing(step, State.TO_DO)
    last = attempts[-1]
    if last.state in ("queued", "sent"):
        return Standing(step, State.UNDER_WAY, Told("sent to the charger"), last.command)
    if last.state == "accepted":
        needs_reboot = last.status == REBOOT_REQUIRED
        words = Told("done; the charger uses it after a reboot") if needs_reboot else Told("done")
        return Standing(step, State.DONE, words, last.command)
    if last.state in ("gone", "expired") and len(attempts) < MOST_ATTEMPTS:
        return Standing(
            step, State.TO_DO, Told("the connection ended; it is sent again"), last.command
        )
    if step is Step.ADDRESS:  # a charger that keeps its address finds TLS at the plain port, too
        return Standing(
            step, State.SKIPPED, Told("{1}; it keeps its address", _failure(last)), last.command
        )
    return Standing(
        step,
        State.FAILED,
        Told("{1}; {2}, then begin again", _failure(last), ADVICE[step]),
        last.command,
    )


def _failure(last: Attempt) -> str:
    if last.state == "rejected":
        if not last.status:
            return Told("the charger answered without a status")
        return Told("the charger answered {1}", of_ocpp(last.status))
    if last.state == "error":
        words = Told("the charger answered with the error {1}", last.error_code or "")
        return (
            Told("{1} (it does not know this message)", words)
            if last.error_code in UNKNOWN_ACTION
            else words
        )
    if last.state == "cancelled":
        return Told("an operator cancelled it")
    if last.state == "timed out":
        return Told("the charger did not answer")
    return Told(
        "the connection ended {1} time", MOST_ATTEMPTS, many="the connection ended {1} times"
    )


def of_certificate(attempts: Sequence[Attempt], request: Request | None) -> Standing:
    """Return where the client certificate stands: the charger is asked, it requests one, and it is
    sent."""
    standing = of_commands(Step.CERTIFICATE, attempts)
    step, command = Step.CERTIFICATE, standing.command
    if request is None:
        is_asked = standing.state is State.DONE
        return (
            Standing(step, State.UNDER_WAY, Told("the charger makes its key"), command)
            if is_asked
            else standing
        )
    if request.result in (None, "superseded"):
        return Standing(step, State.UNDER_WAY, Told("the certificate is on its way"), command)
    if request.result == "installed":
        return Standing(step, State.DONE, Told("done"), command)
    words = {
        "rejected": Told("its request was refused: {1}", request.reason or ""),
        "refused": Told("the charger refused the certificate; look at its security events"),
    }
    return Standing(
        step,
        State.FAILED,
        words.get(request.result, Told("the charger did not answer to it")),
        command,
    )


def of_connection(
    charger: str,
    profile: int,
    present: int,
    steps_before: Sequence[Standing],
    came: Sequence[tuple[int]] = (),
) -> Standing:
    """Return whether the charger has come back with its new profile; `came` has the one with which
    it did since it accepted that."""
    if present >= profile:
        return Standing(Step.CONNECTION, State.DONE, Told("done"))
    needs_reboot = any("reboot" in standing.words for standing in steps_before)
    hint = Told("or reboot it")
    if needs_reboot:
        hint = Told("reboot it: levity-trio call {1} Reset type=Soft", shlex.quote(charger))
    for (before,) in came:
        hint = Told("{1}; it came back with profile {2}: look at what it dials", hint, before)
    return Standing(
        Step.CONNECTION,
        State.WAITS,
        Told("waits for its first connection with profile {1}; {2}", profile, hint),
    )


def with_report(standings: Sequence[Standing], report: Report) -> list[Standing]:
    """Return where the steps stand, with what the charger reported last beside the one at which it
    stands still.

    A charger that cannot come back, because it does not trust our certificate for instance, says
    why in this way only.
    """
    said = f"{report.kind} ({report.information})" if report.information else report.kind
    words, still = (
        Told("the charger reported {1} at {2}", said, Moment(report.received_at)),
        next_step(standings),
    )
    is_still = still is not None and still.state in (State.WAITS, State.FAILED)
    return [
        one._replace(words=joined("; ", (one.words, words))) if is_still and one is still else one
        for one in standings
    ]


def next_step(standings: Sequence[Standing]) -> Standing | None:
    """Return the first step that is still to be made; None if there is none."""
    return next((one for one in standings if one.state not in (State.DONE, State.SKIPPED)), None)


def address_key(vendor: str | None, model: str | None) -> str | None:
    """Return the key in which a vendor's charger keeps the address of its central system, if it is
    known."""
    told = f"{vendor or ''} {model or ''}".casefold()
    return next((key for words, key in _ADDRESS_KEYS if any(word in told for word in words)), None)


_ADDRESS_KEYS: Final = ((("grizzl", "united chargers"), "ServerUrl"),)
