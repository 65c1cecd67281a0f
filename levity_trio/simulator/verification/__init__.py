"""Verify the central system's database against the ledger: every Wh of the chargers, and none invented.

Each ledger entry is matched by the transactionId in the server's response. If the charger never received it, the entry
is matched by its start, and without a start by its stop. A transaction of these chargers that matches no entry is
invented. comparison.py compares a matched pair; simulator/provable.py determines what can be proved. All functions here
block.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from functools import partial
from itertools import groupby, pairwise
from typing import Any, Final, NamedTuple

from levity_trio.config import EnvironmentProblem
from levity_trio.settings import DatabaseAddress
from levity_trio.simulator.ledger import START, STOP, Entry, Ledger
from levity_trio.simulator.provable import Proof, is_overlapping, prove, without_overlaps, without_start
from levity_trio.simulator.verification.comparison import (
    Case,
    Fault,
    Kind,
    ahead,
    differences,
    is_on_time,
    missing,
    thrown_away,
    tolerance,
)
from levity_trio.store.reads import look
from levity_trio.store.reads.books import BookedTransaction, LifecycleRow, Mark, booked_since, mark

__all__ = ["LifecycleRow", "Mark", "Verdict", "baseline", "verify"]

_SHOW_A_HABIT: Final = 5
"""Number of transactions after which the central system knows a charger's habit, as its documentation says."""


class Unprovable(NamedTuple):
    """True energy of one class of loss that cannot be proved: its transactions and its amount."""

    why: str
    transactions: int
    wh: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The content of the database about the chargers since the mark, and its faults.

    `transactions`, `energy_wh`, `reviews` (transactions under review) and `set_aside` (messages) are the database's.
    `beyond_wh` is what they have beyond the true energy where two cars share a meter.
    `life` counts how often its transactions took each transition of the life cycle.
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
        """Whether the database agrees with the ledger."""
        return not self.faults

    @property
    def unprovable_wh(self) -> int:
        return sum(one.wh for one in self.unprovable)

    @property
    def kinds(self) -> dict[str, int]:
        """The number of faults of each kind."""
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
    return Verdict(
        transactions=len(transactions),
        energy_wh=sum(booking.energy_wh or 0 for booking in transactions),
        reviews=sum(bool(booking.reviews) for booking in transactions),
        set_aside=len(set_aside),
        beyond_wh=sum(_beyond(case, booking) for case, booking in matched),
        unprovable=tuple(_unprovable(case.proof for case in cases if case.entry.is_ended)),
        faults=tuple(_faults(matched, invented, frozenset(set_aside))),
        life=booked.life,
    )


def _unprovable(proofs: Iterable[Proof]) -> Iterator[Unprovable]:
    found = sorted(((lost.why.value, lost.wh) for proof in proofs for lost in proof.lost), key=lambda one: one[0])
    for why, losses in groupby(found, key=lambda one: one[0]):
        wh = [wh for _, wh in losses]
        yield Unprovable(why, len(wh), sum(wh))


# Honesty and habits


def _cases(ledger: Ledger) -> list[Case]:
    """Every entry with its proof. If a neighbour on the connector is not honest, both may be under review."""
    proofs = [prove(entry) for entry in ledger.entries]
    alone = [
        proof.is_honest and entry.is_ended and not entry.lies and is_on_time(entry, ledger) and _has_its_id(entry)
        for entry, proof in zip(ledger.entries, proofs, strict=True)
    ]
    pairs = list(_neighbours(ledger.entries))
    for place, shared in _shared(ledger.entries, pairs, proofs):
        proofs[place] = replace(proofs[place], least_wh=proofs[place].least_wh - shared)
    doubtful = {place for pair in pairs for place in pair if not all(alone[one] for one in pair)}
    followed = {first for first, second in pairs if ledger.entries[second].message(START) is not None}
    habits, clocks = list(_habits(ledger.entries, proofs)), _clocks(ledger)
    return [
        Case(
            entry=entry,
            proof=proofs[place],
            is_honest=alone[place] and place not in doubtful,
            ledger=ledger,
            is_followed=place in followed,
            is_habit=habits[place],
            ahead=_ahead_by(entry, clocks[entry.charger]),
        )
        for place, entry in enumerate(ledger.entries)
    ]


def _shared(
    entries: Sequence[Entry], pairs: Iterable[tuple[int, int]], proofs: Sequence[Proof]
) -> Iterator[tuple[int, int]]:
    """Yield each index with the energy that may also be a neighbour's, in Wh, less what was yielded for it before."""
    overlapping = set[tuple[str, int]]()
    for place, other in pairs:
        first, second = entries[place], entries[other]
        for one in (place, other):
            yield one, without_overlaps(first, second, proofs[one].least_wh)
        connector = (first.charger, first.connector)
        if connector in overlapping:
            yield other, without_start(first, second, proofs[other].least_wh)
        if is_overlapping(first, second):
            overlapping.add(connector)


def _habits(entries: Sequence[Entry], proofs: Sequence[Proof]) -> Iterator[bool]:
    """For each entry: whether its connector contradicted itself often enough to show a habit.

    Those after it count, too: a judgement that changes with the habit lets the server judge its neighbours again.
    """
    contradicted = [proof.is_contradicted for proof in proofs]
    counts = Counter(
        (entry.charger, entry.connector) for entry, is_one in zip(entries, contradicted, strict=True) if is_one
    )
    for entry, is_one in zip(entries, contradicted, strict=True):
        yield counts[entry.charger, entry.connector] - is_one >= _SHOW_A_HABIT


def _clocks(ledger: Ledger) -> dict[str, list[tuple[float, timedelta]]]:
    """By charger: when it reported a time that was ahead, and by how much."""
    clocks: dict[str, list[tuple[float, timedelta]]] = defaultdict(list)
    for entry in ledger.entries:
        moments = (moment for sent in entry.sent for moment in sent.moments)
        reported = ((moment.at, ahead(ledger, moment)) for moment in moments)
        clocks[entry.charger] += [(at, by) for at, by in reported if by > tolerance(ledger)]
    return clocks


def _ahead_by(entry: Entry, clock: Sequence[tuple[float, timedelta]]) -> timedelta:
    """The furthest that a clock was ahead by the end of a transaction."""
    ended = entry.began if entry.ended is None else entry.ended
    return max((by for at, by in clock if at <= ended), default=timedelta())


def _neighbours(entries: Sequence[Entry]) -> Iterator[tuple[int, int]]:
    """The indexes of each pair of consecutive entries on a connector."""

    def connector(place: int) -> tuple[str, int]:
        return entries[place].charger, entries[place].connector

    places = sorted(range(len(entries)), key=lambda place: (*connector(place), entries[place].began))
    for _, of_connector in groupby(places, key=connector):
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
    unexplained = {booking.id: booking for booking in transactions}
    matched = [(case, _take(case.entry, unexplained)) for case in sorted(cases, key=_certainty)]
    return matched, unexplained.values()


def _beyond(case: Case, booking: BookedTransaction | None) -> int:
    """Return what a transaction whose meter counts two cars has beyond what flowed, in Wh."""
    if booking is None or case.proof.most_wh is None:
        return 0
    return max(0, (booking.energy_wh or 0) - case.entry.energy_wh)


def _faults(
    matched: Iterable[tuple[Case, BookedTransaction | None]],
    invented: Iterable[BookedTransaction],
    set_aside: frozenset[str],
) -> Iterator[Fault]:
    for case, booking in matched:
        yield from thrown_away(case.entry)
        if booking is None:
            yield from missing(case, case.entry.charger in set_aside)
        else:
            yield from differences(case, booking)
    for booking in invented:
        found = f"{booking.energy_wh} Wh on connector {booking.connector} for {booking.id_tag!r}"
        line = f"{booking.charger}: transaction {booking.id}: expected none, found {found}"
        yield Fault(Kind.INVENTED, booking.charger, line)


def _certainty(case: Case) -> int:
    """Sort key: match entries by identifier first, then by start, last by stop, so that a lost start takes no match."""
    if case.entry.transaction_id is not None:
        return 0
    return 1 if case.entry.message(START) is not None else 2


def _take(entry: Entry, unexplained: dict[int, BookedTransaction]) -> BookedTransaction | None:
    """Remove and return the transaction that matches an entry. Equal starts match in the order in which they began."""
    if entry.transaction_id is not None:
        named = unexplained.get(entry.transaction_id)
        return unexplained.pop(named.id) if named and named.charger == entry.charger else None
    fits = _fits_start if entry.message(START) is not None else _fits_stop
    fitting = [booking for booking in unexplained.values() if booking.charger == entry.charger and fits(entry, booking)]
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
