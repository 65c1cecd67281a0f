"""The rules by which outcomes are followed, one for each kind of operation (rules.md, Messages and
Operators)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from levity_trio.operations import limits
from levity_trio.operations.answers import succeeded
from levity_trio.operations.outcomes import (
    TRANSFER,
    USUAL,
    Outcome,
    OutcomeRule,
    SentCommand,
    contradicted,
    fulfilled,
)
from levity_trio.operations.seen import (
    Booted,
    ListVersion,
    MessageSeen,
    ReadingSeen,
    Seen,
    StatusSeen,
    TransactionBegan,
    TransactionEnded,
)
from levity_trio.told import Told
from levity_trio.wire.charging_profiles import PHASES
from levity_trio.wire.words import of_ocpp

REBOOT: Final = timedelta(minutes=10)
SCHEDULED: Final = timedelta(days=7)
"""How long a change of availability may wait for the end of a transaction."""
STILL_CHARGING_AMPERES: Final = 1.0
RAMP: Final = timedelta(seconds=30)
"""How long a car may draw current after its charger agreed to stop."""
TOLERANCE: Final = 1.10


def _is_agreed(sent: SentCommand) -> bool:
    return sent.answer is not None and succeeded(sent.action, sent.answer)


# Remote start and stop


def _until_connected(sent: SentCommand) -> datetime:
    return sent.since + (sent.connection_timeout or USUAL)


def _started(sent: SentCommand, facts: Sequence[Seen], is_over: bool) -> Outcome | None:  # noqa: ARG001 - a Judge
    tag, connector = str(sent.payload["idTag"]).casefold(), sent.payload.get("connectorId")
    for fact in facts:
        if (
            not isinstance(fact, TransactionBegan)
            or fact.is_old
            or (fact.id_tag or "").casefold() != tag
        ):
            continue
        if connector in (None, fact.connector):
            words = Told("session {1} began", fact.transaction)
            if fact.connector is not None:
                words = Told("session {1} began on connector {2}", fact.transaction, fact.connector)
            return fulfilled(words, fact.at, fact.transaction)
    return None


def _stopped(sent: SentCommand, facts: Sequence[Seen], is_over: bool) -> Outcome | None:
    transaction = sent.payload["transactionId"]
    for fact in facts:
        if isinstance(fact, TransactionEnded) and fact.transaction == transaction:
            return fulfilled(Told("session {1} ended", transaction), fact.at, transaction)
    return _still_charging(sent, facts, transaction) if is_over else None


def _still_charging(sent: SentCommand, facts: Sequence[Seen], transaction: int) -> Outcome | None:
    """A contradiction if the last reading shows that the car went on charging."""
    own = [
        fact for fact in facts if isinstance(fact, ReadingSeen) and fact.transaction == transaction
    ]
    late = limits.together(fact for fact in own if fact.at >= sent.since + RAMP)
    amperes = limits.draw(late[-1], "A") if late else None
    if amperes is None or amperes <= STILL_CHARGING_AMPERES:
        return None
    return contradicted(
        Told("session {1} still draws {2}", transaction, limits.shown(amperes, "A")),
        late[-1][0].at,
        transaction,
    )


REMOTE_START: Final = OutcomeRule(
    words=(
        "the session that begins with its card (and connector, if named) within "
        "ConnectionTimeOut, else 120 s"
    ),
    judge=_started,
    reads=(TransactionBegan,),
    until=_until_connected,
)
REMOTE_STOP: Final = OutcomeRule(
    words=(
        "the session's StopTransaction within 120 s; contradicted if it still draws more than 1 A"
    ),
    judge=_stopped,
    reads=(TransactionEnded, ReadingSeen),
)


# Boot


def _booted(sent: SentCommand, facts: Sequence[Seen], is_over: bool) -> Outcome | None:  # noqa: ARG001 - a Judge
    boot = next((fact for fact in facts if isinstance(fact, Booted)), None)
    return fulfilled(Told("the charger booted"), boot.at) if boot else None


RESET: Final = OutcomeRule(
    words="the next BootNotification within 10 minutes",
    judge=_booted,
    reads=(Booted,),
    until=lambda sent: sent.since + REBOOT,
)


def _configured(sent: SentCommand, facts: Sequence[Seen], is_over: bool) -> Outcome | None:
    if sent.status == "RebootRequired":
        return _booted(sent, [fact for fact in facts if fact.at >= sent.since], is_over)
    return (
        fulfilled(Told("in force, by the charger's answer"), sent.answered_at)
        if _is_agreed(sent)
        else None
    )


CHANGE_CONFIGURATION: Final = OutcomeRule(
    words="the answer; after RebootRequired the next BootNotification, however late",
    judge=_configured,
    reads=(Booted,),
    until=lambda sent: None if sent.status == "RebootRequired" else sent.since + USUAL,
)


# Status


def _last_statuses(sent: SentCommand, facts: Sequence[Seen]) -> dict[int, StatusSeen]:
    """Return the last status of each connector, as known at the sending or reported since."""
    known = {
        number: StatusSeen(sent.since, number, status) for number, status in sent.statuses.items()
    }
    return known | {fact.connector: fact for fact in facts if isinstance(fact, StatusSeen)}


def _concerned(sent: SentCommand, facts: Sequence[Seen]) -> list[StatusSeen]:
    """Return the last statuses of the connector in question. Connector 0 means all others, as far
    as they are known."""
    number, last = sent.payload.get("connectorId", sent.connector), _last_statuses(sent, facts)
    others = [status for connector, status in last.items() if connector > 0] if number == 0 else []
    return others or ([last[number]] if number in last else [])


def _changed(sent: SentCommand, facts: Sequence[Seen], is_over: bool) -> Outcome | None:
    wants_out = sent.payload["type"] == "Inoperative"
    statuses = _concerned(sent, facts)
    against = [one for one in statuses if (one.status == "Unavailable") != wants_out]
    if statuses and not against and (_is_agreed(sent) or any(one in facts for one in statuses)):
        return fulfilled(
            Told("the charger reports {1}", of_ocpp(statuses[0].status)),
            max(one.at for one in statuses),
        )
    reported = [one for one in against if one in facts]
    if not is_over or not reported:
        return None
    return contradicted(
        Told("connector {1} reports {2}", reported[0].connector, of_ocpp(reported[0].status)),
        reported[0].at,
    )


CHANGE_AVAILABILITY: Final = OutcomeRule(
    words=(
        "status Unavailable, or another than that, on the connectors: within 120 s, if Scheduled "
        "within 7 days"
    ),
    judge=_changed,
    reads=(StatusSeen,),
    until=lambda sent: sent.since + (SCHEDULED if sent.status == "Scheduled" else USUAL),
)


def _unlocked(sent: SentCommand, facts: Sequence[Seen], is_over: bool) -> Outcome | None:  # noqa: ARG001 - a Judge
    if sent.status == "Unlocked":
        return fulfilled(Told("unlocked, by the charger's answer"), sent.answered_at)
    wanted = sent.payload["connectorId"]
    for fact in facts:
        if isinstance(fact, StatusSeen) and (fact.connector, fact.status) == (wanted, "Available"):
            return fulfilled(Told("the connector reports Available"), fact.at)
    return None


UNLOCK: Final = OutcomeRule(
    words="the answer Unlocked; without an answer the connector's status Available within 120 s",
    judge=_unlocked,
    reads=(StatusSeen,),
)


def _reserved(sent: SentCommand, facts: Sequence[Seen], is_over: bool) -> Outcome | None:  # noqa: ARG001 - a Judge
    wanted = sent.payload["connectorId"]
    for fact in facts:
        if (
            isinstance(fact, StatusSeen)
            and fact.status == "Reserved"
            and wanted in (0, fact.connector)
        ):
            return fulfilled(Told("connector {1} reports Reserved", fact.connector), fact.at)
    return None


RESERVE: Final = OutcomeRule(
    words="status Reserved of the connector within 120 s", judge=_reserved, reads=(StatusSeen,)
)


def _unreserved(sent: SentCommand, facts: Sequence[Seen], is_over: bool) -> Outcome | None:
    statuses = _concerned(sent, facts)
    held = [one for one in statuses if one.status == "Reserved"]
    if statuses and not held and (_is_agreed(sent) or statuses[0] in facts):
        return fulfilled(Told("no longer Reserved"), statuses[0].at)
    reported = [one for one in held if one in facts]
    return contradicted(Told("still Reserved"), reported[0].at) if is_over and reported else None


CANCEL_RESERVATION: Final = OutcomeRule(
    words="another status than Reserved of its connector within 120 s",
    judge=_unreserved,
    reads=(StatusSeen,),
)


# Messages and lists

TRIGGERED: Final[Mapping[str, tuple[str, ...]]] = {
    "SignChargePointCertificate": ("SignCertificate",),
    # A signed status without a request (Idle) is stored like an unsigned one.
    "FirmwareStatusNotification": (
        "SignedFirmwareStatusNotification",
        "FirmwareStatusNotification",
    ),
}
"""The messages that follow an ExtendedTriggerMessage, where their names differ."""


def _triggered(
    names: Mapping[str, tuple[str, ...]],
) -> Callable[[SentCommand, Sequence[Seen], bool], Outcome | None]:
    def judge(sent: SentCommand, facts: Sequence[Seen], is_over: bool) -> Outcome | None:  # noqa: ARG001 - a Judge
        requested, connector = sent.payload["requestedMessage"], sent.payload.get("connectorId")
        for fact in facts:
            if not isinstance(fact, MessageSeen) or fact.action not in names.get(
                requested, (requested,)
            ):
                continue
            if connector is None or fact.connector in (None, connector):
                return fulfilled(Told("{1} arrived", fact.action), fact.at)
        return None

    return judge


TRIGGER: Final = OutcomeRule(
    words="the message that was asked for, of the connector if named, within 120 s",
    judge=_triggered({}),
    reads=(MessageSeen,),
)
EXTENDED_TRIGGER: Final = OutcomeRule(
    words="the same; SignCertificate, SignedFirmwareStatusNotification for those",
    judge=_triggered(TRIGGERED),
    reads=(MessageSeen,),
)


def _listed(sent: SentCommand, facts: Sequence[Seen], is_over: bool) -> Outcome | None:
    version = sent.payload["listVersion"]
    if _is_agreed(sent):
        return fulfilled(
            Told("list version {1}, by the charger's answer", version), sent.answered_at
        )
    versions = [fact for fact in facts if isinstance(fact, ListVersion)]
    if held := next((fact for fact in versions if fact.version == version), None):
        return fulfilled(Told("the charger has list version {1}", version), held.at)
    return (
        contradicted(
            Told("the charger has list version {1}", versions[-1].version), versions[-1].at
        )
        if (is_over and versions)
        else None
    )


SEND_LOCAL_LIST: Final = OutcomeRule(
    words="the answer; without one the version that the charger next reports, within 24 hours",
    judge=_listed,
    reads=(ListVersion,),
    until=lambda sent: sent.since + TRANSFER,
)


# Charging profiles


def _obeyed(sent: SentCommand, facts: Sequence[Seen], is_over: bool) -> Outcome | None:
    """Compare readings with the limit in force at their time, until one obeys it."""
    profile, connector = sent.payload["csChargingProfiles"], sent.payload["connectorId"]
    unit, above = profile["chargingSchedule"]["chargingRateUnit"], None
    readings = (
        fact for fact in facts if isinstance(fact, ReadingSeen) and connector in (0, fact.connector)
    )
    for view in _views(limits.together(readings), connector, is_over):
        compared = _compare(profile, view, sent.transaction_began_at)
        if compared is None:
            continue
        drawn, limit = compared
        figures = limits.shown(drawn, unit), limits.shown(limit, unit)
        if drawn <= limit * TOLERANCE:
            return fulfilled(Told("obeyed: {1}, the limit is {2}", *figures), view[-1][0].at)
        above = contradicted(Told("not obeyed: {1}, the limit is {2}", *figures), view[-1][0].at)
    return above if is_over else None


def _views(
    groups: Sequence[Sequence[ReadingSeen]], connector: int, is_over: bool
) -> list[list[Sequence[ReadingSeen]]]:
    """Return what is compared with the limit: each reading; for connector 0, at the end, the last
    of each connector."""
    if connector != 0:
        return [[group] for group in groups]
    last = {group[0].connector: group for group in groups}
    return [sorted(last.values(), key=lambda group: group[0].at)] if last and is_over else []


def _compare(
    profile: Mapping[str, Any], view: Sequence[Sequence[ReadingSeen]], began_at: datetime | None
) -> tuple[float, float] | None:
    """Return what is drawn and the limit, None where one of them is unknown.

    A ChargePointMaxProfile limits the sum of the connectors, any other each of them.
    """
    period = limits.period_at(profile, view[-1][0].at, began_at)
    if period is None:
        return None
    unit, phases = (
        profile["chargingSchedule"]["chargingRateUnit"],
        period.get("numberPhases", PHASES),
    )
    draws = [drawn for group in view if (drawn := limits.draw(group, unit, phases)) is not None]
    drawn = (
        sum(draws)
        if profile["chargingProfilePurpose"] == "ChargePointMaxProfile"
        else max(draws, default=0)
    )
    return (drawn, period["limit"]) if draws else None


SET_CHARGING_PROFILE: Final = OutcomeRule(
    words="current or power at most the limit + 10 % within 120 s: obeyed, not obeyed, not seen",
    judge=_obeyed,
    reads=(ReadingSeen,),
)
