"""Whether the central system's database agrees with what the simulated chargers know: every Wh, and none invented.

Each entry of the ledger is found by the transactionId that the server answered; where the charger never learned it, by
what its start told. What of these chargers is left over then was invented. The functions here block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from levity_trio.config import EnvironmentProblem
from levity_trio.simulator.ledger import Entry
from levity_trio.store.reads import BookedTransaction, Mark, booked_since, look, mark

__all__ = ["Mark", "Verdict", "baseline", "verify"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the database says of the chargers since the mark, and every line in which it is wrong.

    `transactions` and `energy_wh` are the database's; `unprovable_wh` is what flowed and nobody could show.
    """

    transactions: int
    energy_wh: int
    unprovable_wh: int
    reviews: int
    set_aside: int
    faults: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Whether every transaction was found as it was, and none besides."""
        return not self.faults


def baseline(path: Path) -> Mark:
    """How far the books go before a simulation.

    Raises:
        EnvironmentProblem: it is not there, or cannot be read as a database of ours.
    """
    if not path.exists():  # better now than at the end of a long day
        raise EnvironmentProblem(f"--verify {path}: no such file; start the server first, or name its own database")
    try:
        return look(path, mark)
    except EnvironmentProblem as problem:
        raise EnvironmentProblem(str(problem).replace("--db", "--verify")) from problem


def verify(path: Path, entries: Sequence[Entry], since: Mark, chargers: Iterable[str] = ()) -> Verdict:
    """Compare the books since a mark with the ledger; `chargers` are looked at too where they have no entry.

    Raises:
        EnvironmentProblem: the file cannot be read as a database of ours.
    """
    ours = {entry.charger for entry in entries} | set(chargers)
    booked = look(path, partial(booked_since, since=since))
    transactions = [booking for booking in booked.transactions if booking.charger in ours]
    return Verdict(
        transactions=len(transactions),
        energy_wh=sum(booking.energy_wh or 0 for booking in transactions),
        unprovable_wh=sum(entry.energy_wh - entry.provable_wh for entry in entries if entry.is_ended),
        reviews=sum(booking.review is not None for booking in transactions),
        set_aside=sum(charger in ours for charger in booked.set_aside),
        faults=tuple(_faults(entries, transactions)),
    )


def _faults(entries: Sequence[Entry], transactions: Sequence[BookedTransaction]) -> Iterator[str]:
    unexplained = {booking.id: booking for booking in transactions}
    for entry in sorted(entries, key=lambda entry: entry.transaction_id is None):  # first those that an id names
        booking = _take(entry, unexplained)
        if booking is not None:
            yield from _differences(entry, booking)
        elif entry.is_ended:
            yield _line(entry, f"{entry.provable_wh} Wh", "no transaction of its own")
    for booking in unexplained.values():
        found = f"{booking.energy_wh} Wh on connector {booking.connector} for {booking.id_tag!r}"
        yield f"{booking.charger}: transaction {booking.id}: expected none, found {found}"


def _take(entry: Entry, unexplained: dict[int, BookedTransaction]) -> BookedTransaction | None:
    """The transaction of an entry, which explains no other; several with equal starts are in the order they began."""
    if entry.transaction_id is not None:
        named = unexplained.get(entry.transaction_id)
        fitting = [named] if named and named.charger == entry.charger else []
    else:
        start = (entry.charger, entry.connector, entry.id_tag, entry.meter_start)
        fitting = [
            booking
            for booking in unexplained.values()
            if (booking.charger, booking.connector, booking.id_tag, booking.meter_start) == start
        ]
    return unexplained.pop(fitting[0].id) if fitting else None


def _differences(entry: Entry, booking: BookedTransaction) -> Iterator[str]:
    told, kept = ((one.connector, one.id_tag, one.meter_start) for one in (entry, booking))
    if told != kept:
        yield _line(entry, "it so", "connector {}, {!r}, begun at {} Wh".format(*kept), booking)
    if not entry.is_ended:
        return
    expected = f"{entry.provable_wh} Wh"
    if booking.is_open:
        yield _line(entry, expected, "it still open", booking)
    elif booking.energy_wh != entry.provable_wh:
        yield _line(entry, expected, f"{booking.energy_wh} Wh", booking)
    if entry.provable_wh < entry.energy_wh and booking.review is None:
        yield _line(entry, f"a review, since {entry.energy_wh} Wh flowed", "none", booking)


def _line(entry: Entry, expected: str, found: str, booking: BookedTransaction | None = None) -> str:
    transaction = booking.id if booking else entry.transaction_id
    name = "a transaction it was told no id of" if transaction is None else f"transaction {transaction}"
    began = f"connector {entry.connector}, {entry.id_tag!r}, begun {entry.began_at} at {entry.meter_start} Wh"
    why = "; the charger threw its start or stop away" if entry.discarded else ""
    return f"{entry.charger}: {name} ({began}): expected {expected}, found {found}{why}"
