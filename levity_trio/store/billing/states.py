"""The state of each transaction for its bill. Only reads, so the writer and read-only connections share it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from levity_trio.billing.ownership import Ground, Owner
from levity_trio.billing.states import BillState
from levity_trio.store.billing.pricing import doubt
from levity_trio.store.connectors import Rows
from levity_trio.store.engine.database import marks, parts
from levity_trio.store.ownership import Owners

_FACTS: Final = (
    "SELECT id, status = 'Active', imported_id IS NOT NULL OR coalesce(stop_time < ?, false), review, judge_after,"
    " confidence FROM tx WHERE id IN ({})"
)
_BILLED: Final = (
    "SELECT tx_id, position.account_id, max(kind = 'free'), max(is_prepaid), sum(kind = 'correction'), sum(energy_wh),"
    " sum(amount) FROM position JOIN statement ON statement.id = statement_id WHERE tx_id IN ({})"
    " AND number IS NOT NULL AND kind IN ('session', 'free', 'correction') GROUP BY tx_id, position.account_id"
    " ORDER BY max(position.id) FILTER (WHERE kind <> 'correction')"
)
_CHARGED: Final = "SELECT tx_id FROM ledger WHERE kind = 'charge' AND tx_id IN ({})"


class Billed(NamedTuple):
    """What the closed statements of one account say of a transaction, all corrections included."""

    account: int
    is_free: bool
    is_prepaid: bool
    corrections: int
    energy_wh: int
    amount: int

    @property
    def is_taken_back(self) -> bool:
        return bool(self.corrections) and not self.energy_wh and not self.amount

    @property
    def state(self) -> BillState:
        if not self.amount and (self.is_free or self.corrections):
            return BillState.FREE
        return BillState.CHARGED if self.is_prepaid else BillState.BILLED


def states(rows: Rows, transactions: Sequence[int], owners: Owners, since: str) -> Mapping[int, BillState]:
    """Return the states of these transactions, by their ids. What ended before `since` is billed elsewhere."""
    return {number: state for some in parts(transactions) for number, state in _states(rows, some, owners, since)}


def billed(rows: Rows, transactions: Sequence[int]) -> Mapping[int, Sequence[Billed]]:
    """Return what closed statements say of transactions; where several accounts had one, the newest is last."""
    statements: dict[int, list[Billed]] = defaultdict(list)
    for number, *one in rows(_BILLED.format(marks(transactions)), transactions):
        statements[number].append(Billed(*one))
    return statements


def _states(rows: Rows, some: Sequence[int], owners: Owners, since: str) -> Iterator[tuple[int, BillState]]:
    on_statements, doubtful = billed(rows, some), dict[int, bool]()
    for number, is_open, is_elsewhere, *certainty in rows(_FACTS.format(marks(some)), (since, *some)):
        if is_elsewhere:
            yield number, BillState.BILLED_ELSEWHERE
        elif is_open:
            yield number, BillState.OPEN
        elif standing := [one for one in on_statements.get(number, ()) if not one.is_taken_back]:
            yield number, standing[-1].state
        else:
            doubtful[number] = doubt(*certainty) is not None
    if doubtful:
        yield from _not_standing(rows, doubtful, owners, on_statements)


def _not_standing(
    rows: Rows, doubtful: Mapping[int, bool], owners: Owners, on_statements: Mapping[int, Sequence[Billed]]
) -> Iterator[tuple[int, BillState]]:
    """Yield the states of ended transactions for which no statement asks: now it matters whose they are."""
    numbers = list(doubtful)
    charged = {number for (number,) in rows(_CHARGED.format(marks(numbers)), numbers)}
    for number, owner in owners.decide(numbers).items():
        if any(one.account == owner.account for one in on_statements.get(number, ())):
            yield number, BillState.FREE
        else:
            yield number, _of_unbilled(owner, number in charged, doubtful[number])


def _of_unbilled(owner: Owner, is_charged: bool, waits: bool) -> BillState:
    """Return the state of what is on no statement: nobody's even while it waits, because nobody would be billed."""
    if is_charged:
        return BillState.CHARGED
    if owner.ground is Ground.NOBODY:
        return BillState.NOBODYS
    return BillState.HELD_BACK if waits else BillState.UNBILLED
