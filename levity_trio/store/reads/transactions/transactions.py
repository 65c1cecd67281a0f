"""Transactions for people: lists by any filters, one transaction, its events, and its readings as
sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple, TypeVar

from levity_trio.billing.states import BillState
from levity_trio.charging.lifecycle import state_of
from levity_trio.records import record
from levity_trio.store.cases.so_far import energies_so_far
from levity_trio.store.cases.transaction import NO_PERSONS, find_transaction, span
from levity_trio.store.engine.database import Database, Rows, marks, parts, rows_of
from levity_trio.store.lookups.connectors import connectors
from levity_trio.store.reads.pages import (
    Branch,
    ListKeys,
    ListPage,
    Shape,
    WantedPage,
    WhereCondition,
    given,
    read_page,
    where,
)
from levity_trio.store.reads.transactions.open import RunningTransaction, open_transactions
from levity_trio.told import Told

ACTIVE: Final = "Active"
COMPLETED: Final = "Completed"
_OPEN: Final = "SELECT tx_id FROM booked{} AND is_open = 1"


@record
class TransactionFilters:
    """A filter of transactions; None means all. Times in the database's format: started since, and
    before, ended since, and before.

    `review` is whether a person should look at it, `bill` its state for the bill, `account` whose
    it is.
    """

    charger: str | None = None
    connector: int | None = None
    status: str | None = None
    tag: str | None = None
    since: str | None = None
    before: str | None = None
    ended_since: str | None = None
    ended_before: str | None = None
    review: bool | None = None
    bill: BillState | None = None
    account: int | None = None
    is_unowned: bool = False
    """Only transactions of nobody, without imported ones."""

    @property
    def time(self) -> str:
        """The time by which these are listed: that of the end if it is asked for."""
        return (
            "started_at" if self.ended_since is None and self.ended_before is None else "ended_at"
        )

    def where(self) -> tuple[str, tuple[object, ...]]:
        """Return the WHERE clause of these in the book, and its values."""
        conditions = given(
            ("cp_id = ?", self.charger),
            ("conn_id = ?", self.connector),
            ("id_tag = ?", self.tag),
            ("started_at >= ?", self.since),
            ("started_at < ?", self.before),
            ("ended_at >= ?", self.ended_since),
            ("ended_at < ?", self.ended_before),
            ("booked.account_id = ?", self.account),
            ("state = ?", self.bill),
        )
        if self.review is not None:
            conditions.append(WhereCondition(f"is_in_review = {int(self.review)}"))
        if self.status is not None:
            conditions.append(WhereCondition(f"is_open = {int(self.status == ACTIVE)}"))
        if self.is_unowned:
            conditions.append(WhereCondition("booked.account_id IS NULL AND is_imported = 0"))
        return where(conditions or [WhereCondition("true")])


class OpenTransactions(NamedTuple):
    """How many transactions are open, and what they have delivered so far, in Wh."""

    sessions: int
    wh: int


def open_among(rows: Rows, filters: TransactionFilters) -> OpenTransactions:
    """Return what is open of the transactions that a filter lets pass."""
    clause, values = filters.where()
    numbers = [number for (number,) in rows(_OPEN.format(clause), values)]
    so_far = energies_so_far(rows, numbers) if numbers else {}
    return OpenTransactions(len(numbers), sum(so_far.values()))


@record
class Transaction:
    """A transaction as it is known now. Registers and energy in Wh.

    `verdict_reason` is why a card that may charge might not here or then: space, chargers, spent or
    month. `state` is one of levity_trio.charging.lifecycle. `energy_wh` is the judged figure of an
    ended transaction; `energy_so_far_wh` and `power_w` are those of an open one. `imported_id` is
    the id of an imported one in the system that it comes from.
    """

    id: int
    charger: str
    connector: int | None
    id_tag: str | None
    verdict: str
    verdict_reason: str | None
    status: str
    state: str
    start_time: str
    stop_time: str | None
    sent_start_time: str | None
    sent_stop_time: str | None
    meter_start_wh: int | None
    meter_stop_wh: int | None
    energy_wh: int | None
    energy_so_far_wh: int | None
    power_w: float | None
    energy_method: str | None
    confidence: str | None
    review: str | None
    stop_reason: str | None
    stop_id_tag: str | None
    stopped_by: str | None
    suspended_at: str | None
    reservation_id: int | None
    unbilled_wh: int | None
    last_reading_at: str | None
    last_register_wh: int | None
    billed_from_wh: int | None
    billed_until_wh: int | None
    rules: int | None
    judged_at: str | None
    told_id: int | None
    imported_id: int | None
    created_at: str
    updated_at: str


SHAPE: Final = {
    "meter_start_wh": "meter_start",
    "meter_stop_wh": "meter_stop",
    "energy_wh": "energy_delivered",
    "energy_so_far_wh": "NULL",
    "power_w": "NULL",
    "state": "CASE WHEN suspended_at IS NULL THEN '' ELSE 'suspended' END",
}
_SHAPE: Final = Shape(Transaction, **SHAPE).beside(review="review_told")


def transaction(db: Database, number: int) -> Transaction | None:
    """Return one transaction."""
    found = transaction_rows(db, (number,))
    return found[0] if found else None


def transaction_rows(db: Database, numbers: Sequence[int]) -> list[Transaction]:
    """Return the transactions with these ids in their order, within a read that has begun."""
    return with_present(
        db, numbers, lambda some: _SHAPE.every(db, f"FROM tx WHERE id IN ({marks(some)})", some)
    )


S = TypeVar("S", bound=Transaction)


def with_present(
    db: Database, numbers: Sequence[int], read: Callable[[Sequence[int]], Iterable[S]]
) -> list[S]:
    """Read transactions and return them in the order of their ids, with their states, and with what
    is known of open ones only."""
    by_id = {one.id: one for some in parts(numbers) for one in read(some)}
    transactions = [by_id[number] for number in numbers if number in by_id]
    opened = [one.id for one in transactions if one.status == ACTIVE]
    charging = {one.id: one for one in open_transactions(db, opened)} if opened else {}
    return [_with_state(one, charging.get(one.id)) for one in transactions]


def _with_state(transaction: S, now: RunningTransaction | None) -> S:
    state = state_of(transaction.status, bool(transaction.state), transaction.stopped_by)
    if now is None:
        return replace(transaction, state=state)
    return replace(transaction, state=state, energy_so_far_wh=now.energy_wh, power_w=now.power_w)


# Events


@record
class TransactionEvent:
    """What happened to a transaction: who, why, when by our clock, by the charger's and as sent,
    and the payload."""

    id: int
    kind: str
    who: str
    reason: str | None
    state: str | None
    cause: str | None
    received_at: str
    timestamp: str
    sent_timestamp: str | None
    session: int | None
    message_id: str | None
    payload: Any
    count: int
    last_received_at: str


_EVENTS: Final = Shape(TransactionEvent).beside(reason="told")


OPERATOR: Final = Told("an operator")


def anonymous_event(event: TransactionEvent) -> TransactionEvent:
    """Return an event without its frame, and without the name and reason of an operator."""
    frameless = replace(event, payload=None, message_id=None)
    return frameless if event.who in NO_PERSONS else replace(frameless, who=OPERATOR, reason=None)


def events_of(db: Database, number: int) -> list[TransactionEvent]:
    """Return the events of a transaction, in order of receipt."""
    return _EVENTS.every(db, "FROM tx_event WHERE tx_id = ? ORDER BY id", (number,))


@record
class Reading:
    """One sampled value: as sent, and in Wh if it is the billed register.

    A charger under load management reports often. Its equal readings are two: the first, and the
    last, which stands for `run_count` of them since `run_since`, with values from `run_low` to
    `run_high`.
    """

    id: int
    transaction: int | None
    charger: str
    connector: int
    timestamp: str
    sent_timestamp: str | None
    received_at: str
    measurand: str
    value: str
    unit: str
    context: str
    location: str
    phase: str
    format: str
    source: str
    wh: int | None
    run_since: str | None
    run_low: str | None
    run_high: str | None
    run_count: int | None


_READING: Final = Shape(Reading)
_ORDER: Final = ("timestamp", "id")


def of_transaction(
    db: Database, number: int, measurand: str | None, wanted: WantedPage
) -> ListPage[Reading] | None:
    """Return a page of the readings of a transaction, the oldest first; None if it does not exist.
    Raises NoPage."""
    tx = find_transaction(rows_of(db), number)
    if tx is None:
        return None
    of_it = "cp_id = ? AND conn_id = ? AND timestamp BETWEEN ? AND ? AND tx_id = ?"
    conditions = [
        WhereCondition(of_it, (tx.charger, tx.connector or 0, *span(tx), tx.id)),
        *given(("measurand = ?", measurand)),
    ]
    listing = ListKeys([Branch("meter_val", conditions)], _ORDER, is_newest_first=False)
    return read_page(db, listing, wanted, _READING.by_id(db, "meter_val"))


def of_charger(
    db: Database,
    charger: str,
    connector: int | None,
    since: str | None,
    before: str | None,
    wanted: WantedPage,
) -> ListPage[Reading]:
    """Return a page of the readings of a charger, the newest first. Raises NoPage."""
    numbers = connectors(rows_of(db), charger, "meter_val") if connector is None else [connector]
    within = given(("timestamp >= ?", since), ("timestamp < ?", before))
    of_each = [
        [WhereCondition("cp_id = ? AND conn_id = ?", (charger, number)), *within]
        for number in numbers
    ]
    branches = [Branch("meter_val", conditions) for conditions in of_each]
    return read_page(db, ListKeys(branches, _ORDER), wanted, _READING.by_id(db, "meter_val"))
