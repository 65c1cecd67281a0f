"""Verify the central system's database against the ledger: every Wh of the chargers, and none
invented.

Each ledger entry is matched by the transactionId in the server's response. If the charger never
received it, the entry is matched by its start, and without a start by its stop. A transaction of
these chargers that matches no entry is invented. Each difference within a matched pair is a fault;
provable.py determines what can be proved. All functions here block.

Times are compared with a tolerance of twice `slack_seconds` plus one second. Times are sent in
whole seconds. A charger does not correct its clock if it is within `slack_seconds` of the received
currentTime, which can be that old (much at a high --speed). The server's measurement of the clock
has the same error once more.

- If a clock was ahead and its message was sent at once, the database must have the true time. If
  the message waited for a connection, nobody knows how far the clock was ahead: any time from the
  true one to the reported one is accepted.
- A clock that was behind looks like a message that waited: any time from the reported one to the
  receipt is accepted. If the clock was never set (before 2021), any time from the start of the run
  to the receipt is accepted.
- Nobody knows whether a clock that was ahead was corrected before a message was queued: if it was
  ever ahead before, the database may have the reported time less the difference, which may have
  been last seen days before. Every message that arrives more than a minute late looks queued,
  however large the tolerance is.
- If no start (or no stop) arrived, its time is not compared. Nor is the time of a stop whose
  register is not a number.

Energy that is fully proved must be exact. If some of it is lost, the database may have any value
from the proved to the true energy, under review; where two cars share a meter, up to the rise of
that meter. A fault of energy says if none of the transaction's own messages refutes another: then
the loss can be seen only from neighbouring transactions, or not at all. No review is required for
contradictory registers if the same connector contradicted itself in five other transactions: the
server may have learned the charger's habit, and judges those before it again. If the charger holds
back a reading that it will send later, neither energy nor reviews are compared, because the booked
energy is not final.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from itertools import groupby, pairwise
from typing import Any, Final, NamedTuple

from levity_trio.config import EnvironmentProblem
from levity_trio.config.settings import DatabaseAddress
from levity_trio.records import record
from levity_trio.simulator.ledger import KEPT_BACK, START, STOP, Entry, Ledger, Moment, Sent
from levity_trio.simulator.provable import (
    Loss,
    Proof,
    is_overlapping,
    prove,
    without_overlaps,
    without_start,
)
from levity_trio.store.reads.reader import look
from levity_trio.store.reads.transactions.books import (
    BookedTransaction,
    LifecycleRow,
    Mark,
    booked_since,
    mark,
)
from levity_trio.wire.times import FIRST_BELIEVABLE, parse_time

UNSEEN = " (none of its own messages refutes another)"
"""Added to a fault of energy that only neighbouring transactions, or nothing at all, can show."""
_LATE: Final = timedelta(seconds=60)
"""A message that arrives so long after its own time may have been queued; one that is earlier was
sent at once."""
__all__ = ["LifecycleRow", "Mark", "Verdict", "baseline", "verify"]
_SHOW_A_HABIT: Final = 5
"""Number of transactions after which the central system knows a charger's habit, as its
documentation says."""


class Kind(StrEnum):
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


@record(kw_only=False)
class Fault:
    """One fault in the database, with a line for people."""

    kind: Kind
    charger: str
    line: str


@record(kw_only=False)
class Case:
    """One transaction with all that is needed to judge it.

    `is_honest`: it and its neighbours are honest. `is_followed`: its connector sent the start of a
    later transaction. `is_habit`: its connector contradicted itself so often that the server may
    know the habit. `ahead`: the most that its charger's clock was ahead by then.
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
            yield fault(
                case.entry, Kind.OPEN, f"{case.proof.proved_wh} Wh", "it still open", booking
            )
        return
    yield from _of_energy(case, booking)
    yield from _of_reviews(case, booking)


def missing(case: Case, is_set_aside: bool) -> Iterator[Fault]:
    """The fault of a transaction that the database lacks; none if the messages sent could not show
    any energy."""
    entry, proof = case.entry, case.proof
    if not (entry.is_ended and any(one.is_evidence for one in entry.sent)):
        return
    has_stop = entry.message(STOP) is not None  # readings alone open no transaction
    if entry.message(START) is not None or (has_stop and proof.proved_wh > 0):
        yield fault(entry, Kind.MISSING, f"{proof.proved_wh} Wh", "no transaction of its own")
    elif has_stop and not is_set_aside:
        yield fault(entry, Kind.MISSING, "a message set aside", "none")


def tolerance(ledger: Ledger) -> timedelta:
    """The greatest error of a time that counts as correct."""
    return timedelta(seconds=2 * ledger.slack_seconds + 1)


def is_on_time(entry: Entry, ledger: Ledger) -> bool:
    """Whether all times that the charger reported are correct."""
    for moment in entry.moments:
        true, reported = ledger.wall(moment.at), parse_time(moment.time or "")
        if moment.time is None or true is None:
            continue
        if reported is None or abs(reported - true) > tolerance(ledger):
            return False
    return True


def fault(
    entry: Entry, kind: Kind, expected: str, actual: str, booking: BookedTransaction | None = None
) -> Fault:
    """Make a fault whose line identifies the transaction."""
    transaction = booking.id if booking else entry.transaction_id
    name = (
        "a transaction whose id it never received"
        if transaction is None
        else f"transaction {transaction}"
    )
    began = (
        f"connector {entry.connector}, {entry.id_tag!r}, begun {entry.began_at} at "
        f"{entry.meter_start} Wh"
    )
    line = f"{entry.charger}: {name} ({began}): expected {expected}, found {actual}"
    return Fault(kind, entry.charger, line)


# Connector, tag, and registers


def _of_identity(case: Case, booking: BookedTransaction) -> Iterator[Fault]:
    entry = case.entry
    start, stop = entry.message(START), entry.message(STOP)
    fields: list[tuple[str, object, object]] = []
    if start is not None:
        fields += [
            ("connector", start.connector, booking.connector),
            ("tag", start.id_tag, booking.id_tag),
            ("meter_start", _own_register(start), booking.meter_start),
        ]
    # A stop without an id may fit two connectors, and is not joined. Only its register is then left
    # out of the comparison; its energy and its time are compared all the same.
    if stop is not None and not booking.is_open:
        is_set_aside = stop.transaction_id in (None, 0, -1) and booking.stopped_by == "system"
        fields += [] if is_set_aside else [("meter_stop", _own_register(stop), booking.meter_stop)]
    for field, sent, booked in fields:
        if sent is not None and sent != booked:
            yield fault(entry, Kind.IDENTITY, f"{field} {sent!r}", repr(booked), booking)


def _own_register(sent: Sent) -> int | None:
    """The register of a start or a stop, if it is a whole number."""
    text = sent.moments[-1].register
    return int(text) if text is not None and text.isdecimal() else None


# Times


def _of_times(case: Case, booking: BookedTransaction) -> Iterator[Fault]:
    for action, name, booked in (
        (START, "start", booking.start_time),
        (STOP, "stop", booking.stop_time),
    ):
        sent = case.entry.message(action)
        if sent is None or (action == STOP and (booking.is_open or not _is_number(sent))):
            continue
        window = _window(case, sent)
        moment = parse_time(booked) if booked else None
        if window is not None and (moment is None or not window[0] <= moment <= window[1]):
            reported = sent.moments[-1].time
            expected = (
                f"its {name} from {window[0]:%F %T} to {window[1]:%F %T} (reported {reported})"
            )
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


# Energy and reviews


def _of_energy(case: Case, booking: BookedTransaction) -> Iterator[Fault]:
    entry, proof, booked_wh = case.entry, case.proof, booking.energy_wh
    if booked_wh == entry.energy_wh:
        return
    most_wh = entry.energy_wh if proof.most_wh is None else proof.most_wh
    is_within = booked_wh is not None and proof.least_wh <= booked_wh <= most_wh
    if is_within and (booking.reviews or proof.is_hidden):
        return
    is_range = proof.lost or proof.most_wh is not None
    expected = (
        f"{proof.least_wh} to {most_wh} Wh, for review" if is_range else f"{entry.energy_wh} Wh"
    )
    under_review = Kind.BEYOND if is_range else Kind.FLAGGED
    unseen = UNSEEN if proof.lost and not (proof.is_contradicted or proof.is_refuted) else ""
    yield fault(
        entry,
        under_review if booking.reviews else Kind.SILENT,
        expected,
        f"{booked_wh} Wh{unseen}",
        booking,
    )


def _of_reviews(case: Case, booking: BookedTransaction) -> Iterator[Fault]:
    entry, proof = case.entry, case.proof
    if booking.reviews:
        if case.is_honest:
            found = "; ".join(booking.reviews)
            yield fault(
                entry, Kind.NEEDLESS, "no review, since nothing is wrong or lost", found, booking
            )
        return
    why = "its registers contradict each other"
    if proof.lost:
        why = f"only {proof.proved_wh} of {entry.energy_wh} Wh can be proved ({proof.lost[0].why})"
    is_suspect = proof.lost or proof.is_contradicted
    if is_suspect and booking.energy_wh == entry.energy_wh and not case.is_habit:
        yield fault(entry, Kind.UNREVIEWED, f"a review, since {why}", "none", booking)


class Unprovable(NamedTuple):
    """True energy of one class of loss that cannot be proved: its transactions and its amount."""

    why: str
    transactions: int
    wh: int


@record(kw_only=False)
class Verdict:
    """The content of the database about the chargers since the mark, and its faults.

    `transactions`, `energy_wh`, `reviews` (transactions under review) and `set_aside` (messages)
    are the database's. `beyond_wh` is what they have beyond the true energy where two cars share a
    meter. `life` counts how often its transactions took each transition of the life cycle.
    """

    transactions: int = 0
    energy_wh: int = 0
    reviews: int = 0
    set_aside: int = 0
    beyond_wh: int = 0
    unprovable: tuple[Unprovable, ...] = ()
    faults: tuple[Fault, ...] = ()
    life: tuple[LifecycleRow, ...] = ()

    @property
    def is_clean(self) -> bool:
        return not self.faults

    @property
    def unprovable_wh(self) -> int:
        return sum(one.wh for one in self.unprovable)

    @property
    def kinds(self) -> dict[str, int]:
        return dict(Counter(fault.kind.value for fault in self.faults).most_common())

    def as_dict(self) -> dict[str, Any]:
        return {
            "is_clean": self.is_clean,
            "transactions": self.transactions,
            "energy_wh": self.energy_wh,
            "reviews": self.reviews,
            "set_aside": self.set_aside,
            "beyond_wh": self.beyond_wh,
            "unprovable_wh": self.unprovable_wh,
            "unprovable": [one._asdict() for one in self.unprovable],
            "fault_kinds": self.kinds,
            "faults": [asdict(fault) for fault in self.faults],
            "life_cycle": [row._asdict() for row in self.life],
        }


def baseline(path: DatabaseAddress) -> Mark:
    """Return the state of the database before a simulation.

    Raises:
        EnvironmentProblem: the file is missing, or is not a levity-trio database.
    """
    try:
        return look(path, mark)
    except EnvironmentProblem as problem:
        raise EnvironmentProblem(str(problem).replace("--db", "--verify")) from problem


def verify(path: DatabaseAddress, ledger: Ledger) -> Verdict:
    """Compare the database since the ledger's mark with the ledger.

    Raises:
        EnvironmentProblem: the file is not a levity-trio database.
    """
    since = Mark(ledger.transaction, ledger.set_aside_at)
    booked = look(path, partial(booked_since, since=since))
    ours = set(ledger.chargers) | {entry.charger for entry in ledger.entries}
    transactions = [booking for booking in booked.transactions if booking.charger in ours]
    set_aside = [charger for charger in booked.set_aside if charger in ours]
    cases = _cases(ledger)
    matched, invented = _matched(cases, transactions)
    losses: dict[Loss, list[int]] = defaultdict(list)
    for case in cases:
        for lost in case.proof.lost if case.entry.is_ended else ():
            losses[lost.why].append(lost.wh)
    return Verdict(
        transactions=len(transactions),
        energy_wh=sum(booking.energy_wh or 0 for booking in transactions),
        reviews=sum(bool(booking.reviews) for booking in transactions),
        set_aside=len(set_aside),
        beyond_wh=sum(
            max(0, (booking.energy_wh or 0) - case.entry.energy_wh)
            for case, booking in matched
            if booking is not None and case.proof.most_wh is not None
        ),
        unprovable=tuple(
            Unprovable(why.value, len(wh), sum(wh)) for why, wh in sorted(losses.items())
        ),
        faults=tuple(_faults(matched, invented, frozenset(set_aside))),
        life=booked.life,
    )


# Honesty and habits


def _cases(ledger: Ledger) -> list[Case]:
    """Every entry with its proof. If a neighbour on the connector is not honest, both may be under
    review."""
    proofs = [prove(entry) for entry in ledger.entries]
    alone = [
        proof.is_honest
        and entry.is_ended
        and not entry.lies
        and is_on_time(entry, ledger)
        and _has_its_id(entry)
        for entry, proof in zip(ledger.entries, proofs, strict=True)
    ]
    pairs = list(_neighbours(ledger.entries))
    for place, shared in _shared(ledger.entries, pairs, proofs):
        proofs[place] = replace(proofs[place], least_wh=proofs[place].least_wh - shared)
    doubtful = {place for pair in pairs for place in pair if not all(alone[one] for one in pair)}
    followed = {
        first for first, second in pairs if ledger.entries[second].message(START) is not None
    }
    contradicted = Counter(
        entry.place
        for entry, proof in zip(ledger.entries, proofs, strict=True)
        if proof.is_contradicted
    )
    clocks = _clocks(ledger)
    ends = [entry.began if entry.ended is None else entry.ended for entry in ledger.entries]
    return [
        Case(
            entry=entry,
            proof=proofs[place],
            is_honest=alone[place] and place not in doubtful,
            ledger=ledger,
            is_followed=place in followed,
            # Those after it count, too: a judgement that changes with the habit lets the server
            # judge its neighbours again.
            is_habit=contradicted[entry.place] - proofs[place].is_contradicted >= _SHOW_A_HABIT,
            ahead=max(
                (by for at, by in clocks[entry.charger] if at <= ends[place]), default=timedelta()
            ),
        )
        for place, entry in enumerate(ledger.entries)
    ]


def _shared(
    entries: Sequence[Entry], pairs: Iterable[tuple[int, int]], proofs: Sequence[Proof]
) -> Iterator[tuple[int, int]]:
    """Yield each index with the energy that may also be a neighbour's, in Wh, less what was yielded
    for it before."""
    overlapping = set[tuple[str, int]]()
    for place, other in pairs:
        first, second = entries[place], entries[other]
        for one in (place, other):
            yield one, without_overlaps(first, second, proofs[one].least_wh)
        if first.place in overlapping:
            yield other, without_start(first, second, proofs[other].least_wh)
        if is_overlapping(first, second):
            overlapping.add(first.place)


def _clocks(ledger: Ledger) -> dict[str, list[tuple[float, timedelta]]]:
    """By charger: when it reported a time that was ahead, and by how much."""
    clocks: dict[str, list[tuple[float, timedelta]]] = defaultdict(list)
    for entry in ledger.entries:
        reported = ((moment.at, ahead(ledger, moment)) for moment in entry.moments)
        clocks[entry.charger] += [(at, by) for at, by in reported if by > tolerance(ledger)]
    return clocks


def _neighbours(entries: Sequence[Entry]) -> Iterator[tuple[int, int]]:
    """The indexes of each pair of consecutive entries on a connector."""
    in_order = sorted(
        range(len(entries)), key=lambda index: (entries[index].place, entries[index].began)
    )
    for _, of_connector in groupby(in_order, key=lambda index: entries[index].place):
        yield from pairwise(of_connector)


def _has_its_id(entry: Entry) -> bool:
    """Whether all its messages carried the server's transactionId."""
    named = {one.transaction_id for one in entry.sent if one.action != START}
    return entry.transaction_id is not None and named <= {entry.transaction_id}


# Matching entries and transactions


def _matched(
    cases: Sequence[Case], transactions: Sequence[BookedTransaction]
) -> tuple[list[tuple[Case, BookedTransaction | None]], Collection[BookedTransaction]]:
    """Return each case with its transaction, and the transactions that match none."""

    def certainty(case: Case) -> tuple[bool, bool]:
        """Cases with an id come first, then those with a start, so that a lost start takes no
        match."""
        has_id = case.entry.transaction_id is not None
        return not has_id, not has_id and case.entry.message(START) is None

    unexplained = {booking.id: booking for booking in transactions}
    matched = [(case, _take(case.entry, unexplained)) for case in sorted(cases, key=certainty)]
    return matched, unexplained.values()


def _faults(
    matched: Iterable[tuple[Case, BookedTransaction | None]],
    invented: Iterable[BookedTransaction],
    set_aside: frozenset[str],
) -> Iterator[Fault]:
    for case, booking in matched:
        # refused or unanswered until the charger gave up (OCPP 1.6 §3.7.1)
        for action in case.entry.thrown_away:
            yield fault(
                case.entry,
                Kind.THROWN_AWAY,
                f"a response to its {action}",
                "none; the charger threw it away",
            )
        if booking is None:
            yield from missing(case, case.entry.charger in set_aside)
        else:
            yield from differences(case, booking)
    for booking in invented:
        found = f"{booking.energy_wh} Wh on connector {booking.connector} for {booking.id_tag!r}"
        line = f"{booking.charger}: transaction {booking.id}: expected none, found {found}"
        yield Fault(Kind.INVENTED, booking.charger, line)


def _take(entry: Entry, unexplained: dict[int, BookedTransaction]) -> BookedTransaction | None:
    """Remove and return the transaction that matches an entry. Equal starts match in the order in
    which they began."""
    if entry.transaction_id is not None:
        named = unexplained.get(entry.transaction_id)
        return unexplained.pop(named.id) if named and named.charger == entry.charger else None
    fits = _fits_start if entry.message(START) is not None else _fits_stop
    fitting = [
        booking
        for booking in unexplained.values()
        if booking.charger == entry.charger and fits(entry, booking)
    ]
    return unexplained.pop(fitting[0].id) if fitting else None


def _fits_start(entry: Entry, booking: BookedTransaction) -> bool:
    start = entry.message(START)
    sent = None if start is None else (start.connector, start.id_tag, start.moments[-1].register)
    return sent == (booking.connector, booking.id_tag, str(booking.meter_start))


def _fits_stop(entry: Entry, booking: BookedTransaction) -> bool:
    """Whether the booking is the transaction of an entry whose start never arrived."""
    stop = entry.message(STOP)
    if stop is None or stop.moments[-1].register != str(booking.meter_stop):
        return False
    return booking.told_id in (None, stop.transaction_id)
