"""One transaction as it was against one transaction as it was booked: each way in which they differ is a fault.

Times are compared with a tolerance. A time is told in whole seconds; a charger leaves its clock alone where it is
nearer to the told time than `slack_seconds` (a told time is that old at most, which at a high --speed is much); and
what a server measures of a clock goes over the same line once more. So all together are twice the slack and a second.

- A clock that was ahead is corrected where its message was sent at once: the books must have the true time. Where it
  waited for a connection, nobody knows by how much it was ahead: any time from the true one to the told one will do.
- A clock that was behind cannot be told from a message that waited: any time from the told one to the receipt will do.
  Where it was not set at all (before 2021), any time of the run up to the receipt.
- Nobody knows either whether a clock that was ahead was set before a message that waits was told: where it was ahead
  within a day before, the books may have the told time less that.
- Where no start (or no stop) arrived, its time is not compared; nor that of a stop whose register is no number.

Energy must be exact, where all of it is proved. Where some is lost for everybody, the books may have anything from what
is proved to what truly flowed, under review. Where none of its own messages refutes another, a line of wrong energy
says so: that something is lost could be seen from the transactions beside it only, or by nobody. A review of registers
that contradict each other is not missed where the same connector did so in five other transactions, before it and right
after it: a server may have learned what its charger always does, and judges it again with the next one. Where its
charger keeps a reading back that it will tell later, neither energy nor reviews are compared: what the books have is
not the last word.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from levity_trio.simulator.ledger import KEPT_BACK, START, STOP, Entry, Ledger, Moment, Sent
from levity_trio.simulator.provable import Proof
from levity_trio.store.reads.books import BookedTransaction
from levity_trio.wire.times import FIRST_BELIEVABLE, parse_time

UNSEEN = " (none of its own messages refutes another)"
"""Added to wrong energy that only the neighbours, or nobody, could know to be wrong."""


class Kind(StrEnum):
    """What is wrong in the books."""

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
    """One thing that is wrong, as a line for people."""

    kind: Kind
    charger: str
    line: str


@dataclass(frozen=True, slots=True)
class Case:
    """One transaction with all that is needed to judge it.

    `is_honest` where its neighbours are honest too; `is_followed` where its connector told the start of a later one;
    `is_habit` where its connector contradicted itself often before, so that its charger may be known for it. `ahead` is
    how far its charger's clock was ahead around it.
    """

    entry: Entry
    proof: Proof
    is_honest: bool
    ledger: Ledger
    is_followed: bool = False
    is_habit: bool = False
    ahead: timedelta = timedelta()


def differences(case: Case, booking: BookedTransaction) -> Iterator[Fault]:
    """Everything in which the books are wrong about a transaction that they have."""
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
    """What is wrong where the books have no such transaction: nothing, where nobody could know of any energy."""
    entry, proof = case.entry, case.proof
    if not (entry.is_ended and any(one.is_evidence for one in entry.sent)):
        return
    has_stop = entry.message(STOP) is not None  # readings alone open no transaction
    if entry.message(START) is not None or (has_stop and proof.proved_wh > 0):
        yield fault(entry, Kind.MISSING, f"{proof.proved_wh} Wh", "no transaction of its own")
    elif has_stop and not is_set_aside:
        yield fault(entry, Kind.MISSING, "a message set aside", "none")


def thrown_away(entry: Entry) -> Iterator[Fault]:
    """What the server refused, or left without an answer, until its charger gave up (OCPP 1.6 §3.7.1)."""
    for action in entry.thrown_away:
        yield fault(entry, Kind.THROWN_AWAY, f"an answer to its {action}", "none; the charger threw it away")


def tolerance(ledger: Ledger) -> timedelta:
    """How far a time may be off that everybody means to be right."""
    return timedelta(seconds=2 * ledger.slack_seconds + 1)


def is_on_time(entry: Entry, ledger: Ledger) -> bool:
    """Whether the charger told all times as they were."""
    return all(
        _is_told_right(ledger, moment.at, moment.time)
        for sent in entry.sent
        for moment in sent.moments
        if moment.time is not None
    )


def fault(entry: Entry, kind: Kind, expected: str, found: str, booking: BookedTransaction | None = None) -> Fault:
    """A fault of one transaction, with all that finds it."""
    transaction = booking.id if booking else entry.transaction_id
    name = "a transaction it was told no id of" if transaction is None else f"transaction {transaction}"
    began = f"connector {entry.connector}, {entry.id_tag!r}, begun {entry.began_at} at {entry.meter_start} Wh"
    line = f"{entry.charger}: {name} ({began}): expected {expected}, found {found}"
    return Fault(kind, entry.charger, line)


# Who, where, and the registers as they were told


def _of_identity(case: Case, booking: BookedTransaction) -> Iterator[Fault]:
    entry = case.entry
    for what, told, kept in _told_and_kept(entry, booking):
        if told is not None and told != kept:
            yield fault(entry, Kind.IDENTITY, f"{what} {told!r}", repr(kept), booking)


def _told_and_kept(entry: Entry, booking: BookedTransaction) -> Iterator[tuple[str, object, object]]:
    start, stop = entry.message(START), entry.message(STOP)
    if start is not None:
        yield "connector", start.connector, booking.connector
        yield "tag", start.id_tag, booking.id_tag
        yield "meter_start", _own_register(start), booking.meter_start
    if stop is not None and not booking.is_open:
        yield "meter_stop", _own_register(stop), booking.meter_stop


def _own_register(sent: Sent) -> int | None:
    """That of a start or a stop, where it is a whole number."""
    told = sent.moments[-1].register
    return int(told) if told is not None and told.isdecimal() else None


# When


def _of_times(case: Case, booking: BookedTransaction) -> Iterator[Fault]:
    for action, what, kept in ((START, "start", booking.start_time), (STOP, "stop", booking.stop_time)):
        sent = case.entry.message(action)
        if sent is None or (action == STOP and (booking.is_open or not _is_number(sent))):
            continue
        window = _window(case, sent)
        moment = parse_time(kept) if kept else None
        if window is not None and (moment is None or not window[0] <= moment <= window[1]):
            told = sent.moments[-1].time
            expected = f"its {what} from {window[0]:%F %T} to {window[1]:%F %T} (told {told})"
            yield fault(case.entry, Kind.TIME, expected, str(kept), booking)


def _is_number(sent: Sent) -> bool:
    return (sent.moments[-1].register or "").lstrip("-").isdecimal()


def _window(case: Case, sent: Sent) -> tuple[datetime, datetime] | None:
    """From when to when a start or a stop may be in the books; None where nobody knows the true time."""
    ledger = case.ledger
    moment, slack = sent.moments[-1], tolerance(ledger)
    true, zero = ledger.wall(moment.at), ledger.zero
    if true is None or zero is None:
        return None
    received = max(true, ledger.wall(sent.answered or sent.left or moment.at) or true)
    told = parse_time(moment.time or "")
    if told is None or told < FIRST_BELIEVABLE:
        return zero - slack, received + slack
    if told < true - slack:
        return told - slack, received + slack
    is_queued = received > true + slack
    return true - slack - (case.ahead if is_queued else timedelta()), (max(true, told) if is_queued else true) + slack


def ahead(ledger: Ledger, moment: Moment) -> timedelta:
    """How far a clock was ahead when it told a moment."""
    true, told = ledger.wall(moment.at), parse_time(moment.time or "")
    return timedelta() if true is None or told is None else max(timedelta(), told - true)


def _is_told_right(ledger: Ledger, at: float, time: str | None) -> bool:
    true, told = ledger.wall(at), parse_time(time or "")
    return true is None or (told is not None and abs(told - true) <= tolerance(ledger))


# How much


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
            yield fault(entry, Kind.NEEDLESS, "no review: nothing lied and nothing was lost", found, booking)
    elif booking.energy_wh == entry.energy_wh and not case.is_habit and (why := _why_reviewed(entry, proof)):
        yield fault(entry, Kind.UNREVIEWED, f"a review, since {why}", "none", booking)


def _why_reviewed(entry: Entry, proof: Proof) -> str:
    if proof.lost:
        return f"only {proof.proved_wh} of {entry.energy_wh} Wh can be proved ({proof.lost[0].why})"
    return "its registers contradict each other" if proof.is_contradicted else ""
