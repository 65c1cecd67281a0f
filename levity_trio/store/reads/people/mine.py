"""The sessions of a household, as its drivers see them: open ones live, ended ones as a bill takes
them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from levity_trio.billing.states import BillState
from levity_trio.records import copied, record
from levity_trio.store.engine.database import Database, marks, parts, rows_of
from levity_trio.store.reads.load.load import says_to_driver
from levity_trio.store.reads.money.prices import DriversPrice, Prices
from levity_trio.store.reads.pages import WantedPage, cursor_of
from levity_trio.store.reads.people.driving import HouseholdView, own_of
from levity_trio.store.reads.transactions.bill.reading import OwnBill, own_bill
from levity_trio.store.reads.transactions.billed import (
    BilledTransaction,
    billed_rows,
    billed_transaction,
    numbers_of,
)
from levity_trio.store.reads.transactions.costs import DriversCost, costs_of
from levity_trio.store.reads.transactions.curve import Curve, curve
from levity_trio.store.reads.transactions.explain import SignedValues, signed_values
from levity_trio.store.reads.transactions.signed import file_of
from levity_trio.store.reads.transactions.transactions import ACTIVE, COMPLETED, TransactionFilters


class DriversState(StrEnum):
    """How far a session is, for its driver."""

    OPEN = "open"
    ENDED = "ended"
    IN_REVIEW = "in_review"
    """Its figure is not certain, so no bill takes it yet."""
    FREE = "free"
    """A closed statement lists it without a price."""


@record
class DriversTransaction:
    """A session of a household. `energy_wh` is what was delivered so far, or what a bill takes;
    null while in review.

    `power_w` is that of an open one, as of `last_reading_at`. `cost` is null while it is in review,
    or without a tariff; `price` is what a kWh of an open one costs now and next. `refused` is why
    the card might not charge: space, chargers, spent, month, or the verdict; null if it might.
    If `is_corrected`, its energy or price is another one today: energy and cost are still those of
    closed statements, and the next one corrects them. `load` is what load management says
    of an open one, null where nothing is short.
    """

    id: int
    charger: str
    charger_name: str | None
    connector_id: int | None
    begun_at: str
    ended_at: str | None
    energy_wh: int | None
    power_w: float | None
    last_reading_at: str | None
    state: DriversState
    cost: DriversCost | None
    price: DriversPrice | None
    refused: str | None
    is_corrected: bool
    load: str | None


@record
class DriversSession(DriversTransaction):
    """A session of a household, and how its cost comes about. `card` is what the household calls
    its card, else the tag; null if it was started by phone. `signed` is null unless its meter
    signs."""

    card: str | None
    bill: OwnBill | None
    signed: SignedValues | None


class Some(NamedTuple):
    """Some sessions, the newest first, and the last of them if there may be more."""

    data: list[DriversTransaction]
    next: int | None


_CARD: Final = (
    "SELECT name FROM own_name WHERE account_id = ?1 AND what = 'tag' AND key = ?2 "
    "UNION ALL SELECT NULL FROM tag WHERE key = ?2 AND is_phone = 1"
)
_BILLED: Final = (
    "SELECT tx_id, sum(energy_wh) FROM position JOIN statement ON statement.id = statement_id "
    "WHERE tx_id IN ({}) AND position.account_id = ? AND number IS NOT NULL "
    "AND kind IN ('session', 'free', 'correction') GROUP BY tx_id"
)
"""What closed statements of an account say of its sessions, corrections included."""
_MIGHT: Final = ("Accepted", "")
_STATES: Final[Mapping[str, DriversState]] = {
    BillState.OPEN: DriversState.OPEN,
    BillState.HELD_BACK: DriversState.IN_REVIEW,
    BillState.FREE: DriversState.FREE,
}


def transactions(
    db: Database,
    household: HouseholdView,
    now: datetime,
    limit: int,
    before: int | None = None,
    is_open: bool | None = None,
) -> Some | None:
    """Return the next sessions of a household, before one of its own; None if that is not its own.

    `is_open` is whether only open ones, or only ended ones, are wanted.
    """
    if before is not None and not own_of(db, household, [before]):
        return None
    place = (
        None
        if before is None
        else db.execute("SELECT start_time, id FROM tx WHERE id = ?", (before,)).fetchone()
    )
    status = {None: None, True: ACTIVE, False: COMPLETED}[is_open]
    filters = TransactionFilters(status=status, account=household.account)
    page = numbers_of(db, filters, WantedPage(limit=limit, cursor=place and cursor_of(place)))
    found = billed_rows(db, page.data)
    return Some(_shown(db, household, found, now), found[-1].id if page.next_cursor else None)


def transaction(
    db: Database, household: HouseholdView, number: int, now: datetime, *, is_billed: bool = True
) -> DriversSession | None:
    """Return a session of a household, None for any other. Without its bill it costs less to
    read."""
    found = billed_transaction(db, number)
    if found is None or household.account is None or found.account != household.account:
        return None
    bill = own_bill(db, number, household.account, household.rule, now) if is_billed else None
    (shown,) = _shown(db, household, [found], now, is_billed=is_billed)
    if bill is not None and bill.pending and bill.positions:
        shown = replace(shown, is_corrected=True)
    key = None if found.id_tag is None else household.rule.policy.key(found.id_tag)
    names = rows_of(db)(_CARD, (household.account, key))
    return copied(
        DriversSession,
        shown,
        card=names[0][0] if names else found.id_tag,
        bill=bill,
        signed=signed_values(db, number),
    )


def own_curve(db: Database, household: HouseholdView, number: int) -> Curve | None:
    """Return the curve of a session of a household, None for any other."""
    return curve(db, number) if own_of(db, household, [number]) else None


def own_signed(db: Database, household: HouseholdView, number: int) -> str | None:
    """Return what a meter signed of a session of a household, as a file; None for any other."""
    return file_of(db, number) if own_of(db, household, [number]) else None


def _shown(
    db: Database,
    household: HouseholdView,
    found: Sequence[BilledTransaction],
    now: datetime,
    *,
    is_billed: bool = True,
) -> list[DriversTransaction]:
    """Return sessions, with their costs if they are billed."""
    rows, numbers = rows_of(db), [one.id for one in found]
    costs = costs_of(rows, *household, numbers, now) if is_billed else {}
    prices, load = Prices(rows, household.rule, household.account, now), says_to_driver(db)
    billed_wh: dict[int, int] = {}
    for some in parts(numbers):
        billed_wh |= dict(rows(_BILLED.format(marks(some)), (*some, household.account)))

    shown: list[DriversTransaction] = []
    for one in found:
        state = _STATES.get(one.bill, DriversState.ENDED)
        is_open = state is DriversState.OPEN
        today = None if state is DriversState.IN_REVIEW else one.energy_wh
        # Its cost is that of closed statements, so its energy is, too.
        of_ended = None if today is None else billed_wh.get(one.id, today)
        might = one.verdict in _MIGHT
        session = copied(
            DriversTransaction,
            one,
            connector_id=one.connector,
            begun_at=one.start_time,
            ended_at=one.stop_time,
            energy_wh=one.energy_so_far_wh if is_open else of_ended,
            state=state,
            cost=costs.get(one.id),
            price=prices.begun(one.charger, one.start_time) if is_open else None,
            refused=None if might else one.verdict_reason or one.verdict.lower(),
            is_corrected=of_ended != today,
            load=load.get(one.id) if is_open else None,
        )
        shown.append(session)
    return shown
