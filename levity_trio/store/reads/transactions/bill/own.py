"""The bill of a session as its household reads it: nothing of others, and what was decided or
changed after its end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Final

import orjson

from levity_trio.billing.statement import MeasuringMethod
from levity_trio.charging.lifecycle import Kind
from levity_trio.records import record
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.billing.registers import registers_of
from levity_trio.store.cases.settled import NO_PERSONS
from levity_trio.store.engine.database import Database, Rows, rows_of
from levity_trio.store.reads.transactions.bill.reading import bill_of
from levity_trio.store.reads.transactions.bill.shape import Bill, BillPosition, BillPrice
from levity_trio.store.reads.transactions.transactions import ACTIVE
from levity_trio.told import with_told
from levity_trio.wire.times import stamp

_METER: Final = "SELECT status, meter_start, last_register_wh, stop_time FROM tx WHERE id = ?"
_DECIDED: Final = (
    "SELECT kind, received_at, who, reason, told, payload FROM tx_event WHERE tx_id = ? AND kind IN"
    " ('confirm', 'correct', 'close', 'attach', 'dismiss', 'give', 'take back', 'rejudge')"
    " ORDER BY id"
)
_VERSION: Final = (
    "SELECT added_at, added_by, tariff_version.reason "
    "FROM tariff_version JOIN tariff ON tariff.id = tariff_id "
    "WHERE name = ? AND since = ? AND withdrawn_at IS NULL AND added_at > ? "
    "ORDER BY tariff_version.id DESC LIMIT 1"
)


_LEFT: Final = (
    "SELECT 1 FROM tx "
    "WHERE id = ?1 AND (coalesce(stop_time, '') < ?2 OR EXISTS (SELECT 1 FROM tx AS next "
    "WHERE next.cp_id = tx.cp_id AND next.conn_id = tx.conn_id "
    "AND next.start_time > tx.start_time))"
)
"""Whether a transaction is open, ended long ago, or was followed by another one at its
connector."""
LONGEST_STAY: Final = timedelta(days=1)


@record
class OwnChange:
    """What was decided about a session, or changed what it costs after its end; `kind` is
    `confirm`, `correct`, `close`, `attach` (what its charger sent), `dismiss`, `give`, `take back`,
    `rejudge` (later messages), `tariff` (its version), `assignment` (its tariff) or `prices` (those
    of its price series).

    `by` is the person who did it, null if nobody did. `energy_wh` is the figure that was decided.
    """

    kind: str
    at: str
    by: str | None
    reason: str | None
    energy_wh: int | None


@record
class OwnBill:
    """How the cost of a session comes about. `state` is one of levity_trio.billing.states.

    `price` is by today's facts; `positions` are its lines on closed statements, and `pending` is
    what the next statement adds to them (negative: gives back). `meter_start_wh` and
    `meter_stop_wh` are the meter's registers, and `measured` is `register` if its energy is their
    difference; null while it is open.
    `charged` is what was taken from the wallet; while the price is not known, `reckoned` says by
    which price it keeps something for the session. Amounts are minor units. `goes_on` is whether
    the fee for staying still grows after the stop, because the cable is in.
    """

    state: str
    meter_start_wh: int | None
    meter_stop_wh: int | None
    measured: MeasuringMethod | None
    tariff: str | None
    price: BillPrice | None
    positions: tuple[BillPosition, ...]
    pending: int
    charged: int | None
    reckoned: str | None
    goes_on: bool
    changes: tuple[OwnChange, ...]


def own_bill(db: Database, number: int, account: int, rule: Rule, now: datetime) -> OwnBill:
    """Return the bill of a session of an account, an open one as if it stopped now, within a read
    that has begun."""
    rows = rows_of(db)
    bill = bill_of(db, number, rule, now)
    ((status, begin, end, stopped_at),) = rows(_METER, (number,))
    measured = None
    if status != ACTIVE:
        begin, end, _, _, measured, _ = registers_of(rows, (number,))[number]
    charges = [one.amount for one in bill.charges if one.account == account]
    later = [] if stopped_at is None else [*_new_tariffs(rows, bill, stopped_at)]
    prices = [
        OwnChange(kind="prices", at=one.at, by=one.by, reason=one.reason, energy_wh=None)
        for one in bill.corrected_prices
    ]
    return OwnBill(
        state=bill.state,
        meter_start_wh=begin,
        meter_stop_wh=end,
        measured=measured,
        tariff=None if bill.tariff is None else bill.tariff.tariff,
        price=bill.price,
        positions=tuple(one for one in bill.positions if one.account == account),
        pending=sum(one.amount for one in bill.pending if one.account == account),
        charged=sum(charges) if charges else None,
        reckoned=bill.reckoned,
        goes_on=_goes_on(rows, number, bill, now),
        changes=tuple(sorted([*_decided(rows, number), *later, *prices], key=attrgetter("at"))),
    )


def _goes_on(rows: Rows, number: int, bill: Bill, now: datetime) -> bool:
    """Whether a car may stay after the stop at a price. A connector that tells nothing for a day is
    no sign of it."""
    blocking = None if bill.price is None else bill.price.blocking
    if blocking is None or not blocking.waits_for_cable:
        return False
    return not rows(_LEFT, (number, stamp(now - LONGEST_STAY)))


def _decided(rows: Rows, number: int) -> Iterator[OwnChange]:
    for kind, at, who, reason, told, payload in rows(_DECIDED, (number,)):
        by = None if who in NO_PERSONS else who
        if by is not None or kind == Kind.REJUDGE:
            energy_wh = _figure(kind, orjson.loads(payload)) if payload else None
            yield OwnChange(
                kind=kind,
                at=at,
                by=by,
                reason=None if by is None else with_told(reason, told),
                energy_wh=energy_wh,
            )


def _figure(kind: str, what: Any) -> int | None:
    """Return the figure that a decision settled, as far as its row says it."""
    figures: Any = what.get("after" if kind == Kind.CORRECT else "before")
    return figures.get("figure_wh") if kind in (Kind.CONFIRM, Kind.CORRECT) else None


def _new_tariffs(rows: Rows, bill: Bill, stopped_at: str) -> Iterator[OwnChange]:
    """Yield what was entered after the end of a session, and says what it costs: its tariff, else a
    version of it."""
    tariff = bill.tariff
    if tariff is not None and tariff.at > stopped_at:
        yield OwnChange(
            kind="assignment", at=tariff.at, by=tariff.by, reason=tariff.reason, energy_wh=None
        )
        return
    lines = () if bill.price is None else bill.price.lines
    for name, since in sorted({(line.tariff, line.version) for line in lines}):
        for at, by, reason in rows(_VERSION, (name, since, stopped_at)):
            yield OwnChange(kind="tariff", at=at, by=by, reason=reason, energy_wh=None)
