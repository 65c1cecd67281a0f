"""The state of each transaction for its bill. Only reads, so the writer and read-only connections share it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from levity_trio.billing.ownership import Ground, Owner
from levity_trio.billing.states import BillState
from levity_trio.charging.energy import CERTAIN
from levity_trio.store.connectors import Rows
from levity_trio.store.ownership import Owners
from levity_trio.store.settled import settled_by

AT_ONCE: Final = 500
_FACTS: Final = (
    "SELECT id, status = 'Active', imported_id IS NOT NULL, confidence, review IS NOT NULL FROM tx WHERE id IN ({})"
)


def states(rows: Rows, transactions: Sequence[int], owners: Owners) -> Mapping[int, BillState]:
    """Return the states of these transactions, by their ids."""
    slices = (transactions[place : place + AT_ONCE] for place in range(0, len(transactions), AT_ONCE))
    return {number: state for some in slices for number, state in _states(rows, some, owners)}


def _states(rows: Rows, some: Sequence[int], owners: Owners) -> Iterator[tuple[int, BillState]]:
    decided = owners.decide(some)
    for number, is_open, is_imported, confidence, is_reviewed in rows(_FACTS.format(", ".join("?" * len(some))), some):
        if is_imported:
            yield number, BillState.BILLED_ELSEWHERE
        elif is_open:
            yield number, BillState.OPEN
        else:
            waits = bool(is_reviewed) or (confidence != CERTAIN and settled_by(rows, number) is None)
            yield number, _of_ended(decided[number], waits=waits)


def _of_ended(owner: Owner, *, waits: bool) -> BillState:
    """Return the state of an ended transaction: nobody's even while it waits, because nobody would be billed."""
    if owner.ground is Ground.NOBODY:
        return BillState.NOBODYS
    return BillState.HELD_BACK if waits else BillState.UNBILLED
