"""Compare one true transaction with one booked transaction: each difference is a fault.

Times are compared with a tolerance of twice `slack_seconds` plus one second. Times are sent in whole seconds. A charger
does not correct its clock if it is within `slack_seconds` of the received currentTime, which can be that old (much at a
high --speed). The server's measurement of the clock has the same error once more.

- If a clock was ahead and its message was sent at once, the database must have the true time. If the message waited for
  a connection, nobody knows how far the clock was ahead: any time from the true one to the reported one is accepted.
- A clock that was behind looks like a message that waited: any time from the reported one to the receipt is accepted.
  If the clock was never set (before 2021), any time from the start of the run to the receipt is accepted.
- Nobody knows whether a clock that was ahead was corrected before a message was queued: if it was ever ahead before,
  the database may have the reported time less the difference, which may have been last seen days before. Every message
  that arrives more than a minute late looks queued, however large the tolerance is.
- If no start (or no stop) arrived, its time is not compared. Nor is the time of a stop whose register is not a number.

Energy that is fully proved must be exact. If some of it is lost, the database may have any value from the proved to the
true energy, under review; where two cars share a meter, up to the rise of that meter. A fault of energy says if none of
the transaction's own messages refutes another: then the loss can be seen only from neighbouring transactions, or not at
all. No review is required for contradictory registers if the same connector contradicted itself in five other
transactions: the server may have learned the charger's habit, and judges those before it again. If the charger holds
back a reading that it will send later, neither energy nor reviews are compared, because the booked energy is not final.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from levity_trio.simulator.ledger import KEPT_BACK, START, STOP, Entry, Ledger, Moment, Sent
from levity_trio.simulator.provable import Proof
from levity_trio.store.reads.books import BookedTransaction
from levity_trio.wire.times import FIRST_BELIEVABLE, parse_time

UNSEEN = " (none of its own messages refutes another)"
"""Added to a fault of energy that only neighbouring transactions, or nothing at all, can show."""
_LATE: Final = timedelta(seconds=60)
"""A message that arrives so long after its own time may have been queued; one that is earlier was sent at once."""


class Kind(StrEnum):
    """Kinds of faults in the database."""

    MISSING = "transaction missing"
    INVENTED = "transaction invented"
    IDENTITY = "wrong connector, tag or register"
    TIME = "wrong time"
    OPEN = "still open"
    SILENT = "energy silently wrong"
    FLAGGED = "energy wrong under review, though the messages show it"
    BEYOND = "energy under review beyond what flowed, or below what is proved"
    UNREVIEWED = "review missing"
    NEEDLESS = "review needless"
    THROWN_AWAY = "message refused until it was thrown away"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault in the database, with a line for people."""

    kind: Kind
    charger: str
    line: str


@dataclass(frozen=True, slots=True)
class Case:
    """One transaction with all that is needed to judge it.

    `is_honest`: it and its neighbours are honest. `is_followed`: its connector sent the start of a later transaction.
    `is_habit`: its connector contradicted itself so often that the server may know the habit. `ahead`: the most that
    its charger's clock was ahead by then.
    """

    entry: Entry
    proof: Proof
    is_honest: bool
    ledger: Ledger
    is_followed: bool = False
    is_habit: bool = False
    ahead: timedelta = timedelta()


def differences(case: Case, booking: BookedTransaction) -> Iterator[Fault]:
    """The faults of a transaction that the database has."""
    yield from _of_identity(case, booking)
    yield from _of_times(case, booking)
    if not case.entry.is_ended or KEPT_BACK in case.entry.lies:
        return
    if booking.is_open:
        if case.entry.message(STOP) is not None or case.is_followed:
            yield fault(case.entry, Kind.OPEN, f"{case.proof.proved_wh} Wh", "it still open", booking)
        return
    yield from _of_energy(case, booking)
    yield from _of_reviews(case, booking)


def missing(case: Case, is_set_aside: bool) -> Iterator[Fault]:
    """The fault of a transaction that the database lacks; none if the messages sent could not show any energy."""
    entry, proof = case.entry, case.proof
    if not (entry.is_ended and any(one.is_evidence for one in entry.sent)):
        return
    has_stop = entry.message(STOP) is not None  # readings alone open no transaction
    if entry.message(START) is not None or (has_stop and proof.proved_wh > 0):
        yield fault(entry, Kind.MISSING, f"{proof.proved_wh} Wh", "no transaction of its own")
    elif has_stop and not is_set_aside:
        yield fault(entry, Kind.MISSING, "a message set aside", "none")


def thrown_away(entry: Entry) -> Iterator[Fault]:
    """Messages that the server refused or left unanswered until the charger gave up (OCPP 1.6 §3.7.1)."""
    for action in entry.thrown_away:
        yield fault(entry, Kind.THROWN_AWAY, f"a response to its {action}", "none; the charger threw it away")


def tolerance(ledger: Ledger) -> timedelta:
    """The greatest error of a time that counts as correct."""
    return timedelta(seconds=2 * ledger.slack_seconds + 1)


def is_on_time(entry: Entry, ledger: Ledger) -> bool:
    """Whether all times that the charger reported are correct."""
    return all(
        _is_correct(ledger, moment.at, moment.time)
        for sent in entry.sent
        for moment in sent.moments
        if moment.time is not None
    )


def fault(entry: Entry, kind: Kind, expected: str, found: str, booking: BookedTransaction | None = None) -> Fault:
    """Make a fault whose line identifies the transaction."""
    transaction = booking.id if booking else entry.transaction_id
    name = "a transaction whose id it never received" if transaction is None else f"transaction {transaction}"
    began = f"connector {entry.connector}, {entry.id_tag!r}, begun {entry.began_at} at {entry.meter_start} Wh"
    line = f"{entry.charger}: {name} ({began}): expected {expected}, found {found}"
    return Fault(kind, entry.charger, line)


# Connector, tag, and registers


def _of_identity(case: Case, booking: BookedTransaction) -> Iterator[Fault]:
    entry = case.entry
    for field, sent, booked in _sent_and_booked(entry, booking):
        if sent is not None and sent != booked:
            yield fault(entry, Kind.IDENTITY, f"{field} {sent!r}", repr(booked), booking)


def _sent_and_booked(entry: Entry, booking: BookedTransaction) -> Iterator[tuple[str, object, object]]:
    start, stop = entry.message(START), entry.message(STOP)
    if start is not None:
        yield "connector", start.connector, booking.connector
        yield "tag", start.id_tag, booking.id_tag
        yield "meter_start", _own_register(start), booking.meter_start
    if stop is not None and not booking.is_open and not _is_set_aside(stop, booking):
        yield "meter_stop", _own_register(stop), booking.meter_stop


def _is_set_aside(stop: Sent, booking: BookedTransaction) -> bool:
    """Whether a stop without an id was not joined: it may fit two connectors. Nothing but its register is then left
    out of the comparison; its energy and its time are compared all the same."""
    return stop.transaction_id in (None, 0, -1) and booking.stopped_by == "system"


def _own_register(sent: Sent) -> int | None:
    """The register of a start or a stop, if it is a whole number."""
    text = sent.moments[-1].register
    return int(text) if text is not None and text.isdecimal() else None


# Times


def _of_times(case: Case, booking: BookedTransaction) -> Iterator[Fault]:
    for action, name, booked in ((START, "start", booking.start_time), (STOP, "stop", booking.stop_time)):
        sent = case.entry.message(action)
        if sent is None or (action == STOP and (booking.is_open or not _is_number(sent))):
            continue
        window = _window(case, sent)
        moment = parse_time(booked) if booked else None
        if window is not None and (moment is None or not window[0] <= moment <= window[1]):
            reported = sent.moments[-1].time
            expected = f"its {name} from {window[0]:%F %T} to {window[1]:%F %T} (reported {reported})"
            yield fault(case.entry, Kind.TIME, expected, str(booked), booking)


def _is_number(sent: Sent) -> bool:
    return (sent.moments[-1].register or "").lstrip("-").isdecimal()


def _window(case: Case, sent: Sent) -> tuple[datetime, datetime] | None:
    """The range of times accepted for a start or a stop; None if the true time is unknown."""
    ledger = case.ledger
    moment, slack = sent.moments[-1], tolerance(ledger)
    true, zero = ledger.wall(moment.at), ledger.zero
    if true is None or zero is None:
        return None
    received = max(true, ledger.wall(sent.answered or sent.left or moment.at) or true)
    reported = parse_time(moment.time or "")
    if reported is None or reported < FIRST_BELIEVABLE:
        return zero - slack, received + slack
    if reported < true - slack:
        return reported - slack, received + slack
    looks_queued = received > min(true, reported) + min(slack, _LATE)
    first = true - slack - (case.ahead if looks_queued else timedelta())
    return first, (max(true, reported) if received > true + slack else true) + slack


def ahead(ledger: Ledger, moment: Moment) -> timedelta:
    """How far the charger's clock was ahead at a reported moment."""
    true, reported = ledger.wall(moment.at), parse_time(moment.time or "")
    return timedelta() if true is None or reported is None else max(timedelta(), reported - true)


def _is_correct(ledger: Ledger, at: float, time: str | None) -> bool:
    true, reported = ledger.wall(at), parse_time(time or "")
    return true is None or (reported is not None and abs(reported - true) <= tolerance(ledger))


# Energy and reviews


def _of_energy(case: Case, booking: BookedTransaction) -> Iterator[Fault]:
    entry, proof, found = case.entry, case.proof, booking.energy_wh
    if found == entry.energy_wh:
        return
    most_wh = entry.energy_wh if proof.most_wh is None else proof.most_wh
    is_within = found is not None and proof.least_wh <= found <= most_wh
    if is_within and (booking.reviews or proof.is_hidden):
        return
    is_range = proof.lost or proof.most_wh is not None
    expected = f"{proof.least_wh} to {most_wh} Wh, for review" if is_range else f"{entry.energy_wh} Wh"
    under_review = Kind.BEYOND if is_range else Kind.FLAGGED
    unseen = UNSEEN if proof.lost and not (proof.is_contradicted or proof.is_refuted) else ""
    yield fault(entry, under_review if booking.reviews else Kind.SILENT, expected, f"{found} Wh{unseen}", booking)


def _of_reviews(case: Case, booking: BookedTransaction) -> Iterator[Fault]:
    entry, proof = case.entry, case.proof
    if booking.reviews:
        if case.is_honest:
            found = "; ".join(booking.reviews)
            yield fault(entry, Kind.NEEDLESS, "no review, since nothing is wrong or lost", found, booking)
    elif booking.energy_wh == entry.energy_wh and not case.is_habit and (why := _why_reviewed(entry, proof)):
        yield fault(entry, Kind.UNREVIEWED, f"a review, since {why}", "none", booking)


def _why_reviewed(entry: Entry, proof: Proof) -> str:
    if proof.lost:
        return f"only {proof.proved_wh} of {entry.energy_wh} Wh can be proved ({proof.lost[0].why})"
    return "its registers contradict each other" if proof.is_contradicted else ""
