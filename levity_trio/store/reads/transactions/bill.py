"""The bill of one transaction: whose it is, what it costs and why, what statements and the wallet
say; why it is not billed, and what to do about it.

What is on closed statements comes from their rows; `price` is that of today's facts, and `pending`
is what comes next. Amounts are minor units of the currency, positive where the account owes; prices
and tax rates are texts.

Its household reads nothing of others, and what was decided or changed after its end (`own_bill`).
`bill_lines` tells a bill in plain English, in local times, so that it can be handed to the
neighbour.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import orjson

from levity_trio.billing.describing import arithmetic, kilowatt_hours
from levity_trio.billing.money import CURRENCIES, tax_sums, written
from levity_trio.billing.months import Month
from levity_trio.billing.pricing import Crossing, Stretch, summary
from levity_trio.billing.statement import (
    Currency,
    Line,
    MeasuringMethod,
    PositionKind,
    QuarterCost,
    Split,
    TaxSum,
    in_groups,
)
from levity_trio.billing.states import BillState
from levity_trio.billing.tariff import Versions
from levity_trio.charging.lifecycle import Kind
from levity_trio.charging.quarters import SECONDS
from levity_trio.records import copied, record
from levity_trio.store.billing.booking import booked
from levity_trio.store.billing.months import Begun, begun
from levity_trio.store.billing.pricing import Priced, Rule
from levity_trio.store.billing.quarters import CorrectedPrices, corrected_since, known_then
from levity_trio.store.billing.reasoning import Blocked, Piece, Reasoned, reasoned
from levity_trio.store.billing.registers import registers_of
from levity_trio.store.billing.rows import lines_of
from levity_trio.store.billing.statements import line_of_position
from levity_trio.store.cases.transaction import NO_PERSONS
from levity_trio.store.engine.database import Database, Rows, rows_of
from levity_trio.store.lookups.places import Owners
from levity_trio.store.reads.transactions.costs import gross_of
from levity_trio.store.reads.transactions.transactions import ACTIVE
from levity_trio.told import Clock, Day, Told, with_told
from levity_trio.wire.times import from_seconds, in_zone, shifted, stamp


@record
class BillQuarter:
    """What a line asks for in a quarter of an hour from `since` on: Wh × `price`, which is rounded
    to ten decimals here.

    `is_divided`: no readings show how much flowed in it; `is_fallback`: the price series had none
    for it, or its time is not sure; `is_unmeasured`: grid and panels were not measured for all of
    it, and what was not counts as grid.
    """

    since: str
    wh: int
    price: str
    is_divided: bool
    is_fallback: bool
    is_unmeasured: bool


@record
class BillLine:
    """A line, and its arithmetic in words. `quantity` is in Wh for energy, in begun minutes for
    blocking, else 1. With `is_mean`, what each of its `quarters` costs was summed, and `price` is
    their mean. The window of the own sun is `sun`, that of the rest then `grid`."""

    kind: str
    tariff: str
    version: str
    window: str | None
    quantity: int
    price: str
    amount: int
    tax_rate: str
    words: str
    is_mean: bool
    quarters: tuple[BillQuarter, ...]


@record
class BillSeam:
    """Where one price ended and another began: what had flowed until then, and the readings around
    it."""

    at: str
    ends: str | None
    begins: str | None
    version: str
    until_wh: int
    before_at: str
    before_wh: int
    after_at: str
    after_wh: int


@record
class BillStretch:
    """A stretch of time that does not count."""

    since: str
    until: str


@record
class BillBlocking:
    """What a fee for blocking counts: begun minutes from `since` to `until`, without what is
    `excused`, without the time in which load management `held` the car back and the free minutes
    after it, and without the `free` hours of the tariff. All are null or empty if the end of the
    charging is not known: then there is no fee. `waits_for_cable` is whether the tariff counts
    until the cable is out, which was not seen yet."""

    grace_minutes: int
    charging_ended_at: str | None
    since: str | None
    until: str | None
    excused: tuple[BillStretch, ...]
    held: tuple[BillStretch, ...]
    free: tuple[BillStretch, ...]
    minutes: int
    waits_for_cable: bool


@record
class BillQuarters:
    """The dearest and the cheapest quarter of an hour, null if the price did not move: when it
    began, and the price of a kWh in it. In how many quarters the energy was `divided`, as no
    readings show it; had the `fallback` price; and counts as grid as far as sun was
    `unmeasured`."""

    dearest_at: str | None
    dearest_price: str | None
    cheapest_at: str | None
    cheapest_price: str | None
    divided: int
    fallback: int
    unmeasured: int


@record
class BillTax:
    """What lines come to at one tax rate in percent; net + tax = gross."""

    rate: str
    net: int
    tax: int
    gross: int


@record
class BillPrice:
    """What the transaction costs by today's facts and tariffs; an open one by what it has used so
    far.

    `split` is by what its energy was divided; `free` is why it costs nothing. `prices` are gross or
    net; `taxes` are of its own lines, while a statement computes tax on the sum of all its lines.
    """

    energy_wh: int
    amount: int
    currency: str
    prices: str
    split: str | None
    free: str | None
    seams: tuple[BillSeam, ...]
    blocking: BillBlocking | None
    lines: tuple[BillLine, ...]
    taxes: tuple[BillTax, ...]
    quarters: BillQuarters | None


@record
class BillTariff:
    """The assignment by which a tariff holds: for whom (`scope`, `key`), since which local day, and
    who entered it."""

    tariff: str
    scope: str
    key: str
    since: str
    at: str
    by: str
    reason: str | None


@record
class BillPosition:
    """A line of a closed statement, as it is stored. A correction names the statement that it
    corrects. Both numbers are there as printed, too."""

    statement: int
    printed_number: str
    line: int
    month: str
    account: int
    kind: str
    reason: str | None
    corrects: int | None
    corrected_number: str | None
    prepaid: bool
    energy_wh: int
    amount: int
    currency: str
    prices: str
    lines: tuple[BillLine, ...]
    quarters: BillQuarters | None
    closed_at: str
    digest: str


@record
class BillCharge:
    """What a wallet was charged."""

    account: int
    amount: int
    currency: str
    at: str


@record
class BillAdjustment:
    """What the next statement of an account adds (negative: gives back), because something changed
    since.

    If no statement has it yet, but a wallet was charged, it is what the wallet pays or gets back
    then.
    """

    account: int
    energy_wh: int
    amount: int


@record
class Bill:
    """The bill of a transaction. `state` is exactly one of levity_trio.billing.states; `zone` is
    that of all local days and of the times in `grounds`. `billed_wh` and `billed_amount` are what
    all statements together come to, null if none has it. `why` and `advice` are about one that is
    not billed; `reserved` is what is kept of a wallet until it is charged. While its price is not
    known, `reckoned` says by which that is."""

    state: str
    why: str | None
    advice: str | None
    zone: str
    account: int | None
    account_name: str | None
    grounds: tuple[str, ...]
    tariff: BillTariff | None
    price: BillPrice | None
    positions: tuple[BillPosition, ...]
    billed_wh: int | None
    billed_amount: int | None
    charges: tuple[BillCharge, ...]
    reserved: int | None
    reckoned: str | None
    pending: tuple[BillAdjustment, ...]
    corrected_prices: tuple[CorrectedPrices, ...]


_DAY: Final = timedelta(days=1)


def local(text: str, zone: tzinfo) -> str:
    """Return a time of the database in local time; around a change of the clock with the name of
    the zone."""
    moment = datetime.fromisoformat(text)
    return _written(moment, zone, ":%S" if moment.second else "")


def local_value(text: str, zone: tzinfo) -> Clock:
    """Return the same as a value of a text."""
    return Clock(text, local(text, zone))


def to_the_minute(text: str, zone: tzinfo) -> str:
    """Return the same without its seconds."""
    return _written(datetime.fromisoformat(text), zone, "")


def _written(moment: datetime, zone: tzinfo, seconds: str) -> str:
    moment = in_zone(moment, UTC)  # so that a day is 24 hours
    before, after = (in_zone(shifted(moment, step), zone).utcoffset() for step in (-_DAY, _DAY))
    return in_zone(moment, zone).strftime(
        f"%Y-%m-%d %H:%M{seconds}" + (" %Z" if before != after else "")
    )


_POSITIONS: Final = (
    "SELECT position.id, statement.month, position.account_id, kind, reason, told, corrects, "
    "is_prepaid, energy_wh, amount, currency, prices, lines, closed_at, statement.digest "
    "FROM position JOIN statement ON statement.id = statement_id "
    "JOIN closing ON closing.id = closing_id "
    "WHERE tx_id = ? AND number IS NOT NULL ORDER BY position.id"
)
_BILLED: Final = (
    "SELECT position.account_id, sum(energy_wh), sum(amount) "
    "FROM position JOIN statement ON statement.id = statement_id "
    "WHERE tx_id = ? AND number IS NOT NULL AND kind <> 'held back' "
    "GROUP BY position.account_id ORDER BY 1"
)
_CHARGES: Final = (
    "SELECT account_id, -amount, currency, entered_at "
    "FROM ledger WHERE tx_id = ? AND kind = 'charge' ORDER BY id"
)
_RESERVED: Final = "SELECT amount FROM wallet_reservation WHERE tx_id = ?"
QUARTER_DECIMALS: Final = 10
_ACCOUNT: Final = "SELECT name FROM account WHERE id = ?"
_TARIFF: Final = "SELECT name FROM tariff WHERE id = ?"


def bill_of(db: Database, number: int, rule: Rule, now: datetime | None = None) -> Bill:
    """Return the bill of a transaction, an open one as if it stopped now, within a read that has
    begun. Raises LookupError if there is none."""
    rows = rows_of(db)
    owners = Owners(rows, rule.policy, rule.bill_by)
    # also of one that is not booked
    state = next((BillState(one.state) for one in booked(rows, rule, (number,))), None)
    reasons = None if state is BillState.BILLED_ELSEWHERE else reasoned(rows, number, rule, now)
    shown = partial(local_value, zone=rule.zone)
    decided = owners.explain(number, shown=shown)
    if decided is None or state is None:
        raise LookupError(number)
    account, on_statements = (
        decided.owner.account,
        {one: (wh, amount) for one, wh, amount in rows(_BILLED, (number,))},
    )
    charges = tuple(_charge(*row) for row in rows(_CHARGES, (number,)))
    told = advice(rows, number, state, None if reasons is None else reasons.priced, rule)
    reserved = next((amount for (amount,) in rows(_RESERVED, (number,))), None)
    why, reckoned = told.why, None
    if reserved is not None and reasons is not None and reasons.priced.reckoned is not None:
        reckoned = reasons.priced.reckoned.words
        why = Told("{1}; meanwhile the wallet keeps it at {2}", why or "", reckoned or "")
    return Bill(
        state=state.value,
        why=why,
        advice=told.todo,
        zone=str(rule.zone),
        account=account,
        account_name=None if account is None else rows(_ACCOUNT, (account,))[0][0],
        grounds=decided.grounds,
        tariff=None if reasons is None else _tariff(rows, reasons),
        price=None if reasons is None else _price(reasons),
        positions=tuple(_positions(rows, number)),
        billed_wh=sum(wh for wh, _ in on_statements.values()) if on_statements else None,
        billed_amount=sum(amount for _, amount in on_statements.values())
        if on_statements
        else None,
        charges=charges,
        reserved=reserved,
        reckoned=reckoned,
        pending=() if reasons is None else tuple(_pending(on_statements, charges, reasons.priced)),
        corrected_prices=() if reasons is None else _corrected(rows, reasons.priced, rule),
    )


def _charge(account: int, amount: int, currency: str, at: str) -> BillCharge:
    return BillCharge(account=account, amount=amount, currency=currency, at=at)


# Tariff and price


def _tariff(rows: Rows, reasons: Reasoned) -> BillTariff | None:
    assignment = reasons.assignment
    if assignment is None or assignment.tariff is None:
        return None
    ((name,),) = rows(_TARIFF, (assignment.tariff,))
    return BillTariff(
        tariff=name,
        scope=assignment.target.scope.value,
        key=assignment.target.key,
        since=assignment.since.isoformat(),
        at=assignment.at,
        by=assignment.by,
        reason=assignment.reason,
    )


def _price(reasons: Reasoned) -> BillPrice | None:
    priced = reasons.priced
    if priced.versions is None:
        return None
    position, currency, prices = priced.position, *kind_of(priced.versions)
    return BillPrice(
        energy_wh=position.energy_wh,
        amount=position.amount,
        currency=currency.code,
        prices=prices,
        split=None if position.split is None else position.split.value,
        free=priced.words if priced.kind is PositionKind.FREE else None,
        seams=tuple(_seams(reasons)) if position.split is not Split.WHOLE else (),
        blocking=None if reasons.blocked is None else _blocking(reasons.blocked),
        lines=_lines(position.lines, currency),
        taxes=tuple(map(_tax, tax_sums(position.lines, are_gross=prices == "gross"))),
        quarters=_quarters(position.lines),
    )


def _corrected(rows: Rows, priced: Priced, rule: Rule) -> tuple[CorrectedPrices, ...]:
    """Return which prices of a session were corrected after its end."""
    position = priced.position
    if position.transaction is None or position.ended_at is None or priced.is_open:
        return ()
    batch = known_then(rows, position.transaction)
    return corrected_since(rows, rule.zone, position.lines, stamp(position.ended_at), batch)


def _tax(one: TaxSum) -> BillTax:
    return BillTax(rate=f"{one.rate:f}", net=one.net, tax=one.tax, gross=one.gross)


def kind_of(versions: Versions) -> tuple[Currency, str]:
    version = next(iter(versions))
    return version.currency, "gross" if version.are_gross else "net"


def _seams(reasons: Reasoned) -> Iterator[BillSeam]:
    for before, after, crossing in zip(
        reasons.pieces, reasons.pieces[1:], reasons.crossings, strict=False
    ):
        yield _seam(before, after, crossing)


def _seam(before: Piece, after: Piece, crossing: Crossing) -> BillSeam:
    version, window = after.holds
    return BillSeam(
        at=stamp(crossing.at),
        ends=before.holds[1].name,
        begins=window.name,
        version=version.since.isoformat(),
        until_wh=crossing.wh,
        before_at=stamp(crossing.before.at),
        before_wh=crossing.before.wh,
        after_at=stamp(crossing.after.at),
        after_wh=crossing.after.wh,
    )


def _blocking(blocked: Blocked) -> BillBlocking:
    stay, counted = blocked.stay, blocked.counted
    return BillBlocking(
        grace_minutes=blocked.terms.grace_minutes,
        charging_ended_at=None if stay is None else stamp(stay.last_energy_at),
        since=None if counted is None else stamp(counted.since),
        until=None if counted is None else stamp(max(counted.since, counted.until)),
        excused=() if counted is None else _stretches(counted.excused),
        held=() if counted is None else _stretches(counted.held),
        free=() if counted is None else _stretches(counted.free),
        minutes=0 if counted is None else counted.minutes,
        waits_for_cable=blocked.terms.is_until_available
        and stay is not None
        and stay.available_at is None,
    )


def _stretches(found: Iterable[Stretch]) -> tuple[BillStretch, ...]:
    return tuple(BillStretch(since=stamp(since), until=stamp(until)) for since, until in found)


def _lines(lines: Iterable[Line], currency: Currency) -> tuple[BillLine, ...]:
    return tuple(_line(line, currency) for line in lines)


def _line(line: Line, currency: Currency) -> BillLine:
    return BillLine(
        kind=line.kind.value,
        tariff=line.tariff,
        version=line.version.isoformat(),
        window=line.window,
        quantity=line.quantity,
        price=f"{line.price:f}",
        amount=line.amount,
        tax_rate=f"{line.tax_rate:f}",
        words=arithmetic(line, currency),
        is_mean=line.is_mean,
        quarters=tuple(map(_quarter, line.quarters)),
    )


def _quarter(one: QuarterCost) -> BillQuarter:
    exact = Decimal(one.price.numerator) / one.price.denominator
    return BillQuarter(
        since=stamp(from_seconds(one.quarter * SECONDS)),
        wh=one.wh,
        price=f"{round(exact, QUARTER_DECIMALS).normalize():f}",
        is_divided=one.is_divided,
        is_fallback=one.is_fallback,
        is_unmeasured=one.is_unmeasured,
    )


def _quarters(lines: Iterable[Line]) -> BillQuarters | None:
    told = summary(lines)
    if told is None:
        return None
    dearest, cheapest = told.dearest, told.cheapest
    return copied(
        BillQuarters,
        told,
        dearest_at=None if dearest is None else stamp(dearest.at),
        dearest_price=None if dearest is None else f"{dearest.price:f}",
        cheapest_at=None if cheapest is None else stamp(cheapest.at),
        cheapest_price=None if cheapest is None else f"{cheapest.price:f}",
    )


# Statements


def _positions(rows: Rows, number: int) -> Iterator[BillPosition]:
    for found, *of_position in rows(_POSITIONS, (number,)):
        yield _position(rows, found, *of_position)


def _position(rows: Rows, number: int, *of_position: Any) -> BillPosition:
    (
        month,
        account,
        kind,
        reason,
        told,
        corrects,
        prepaid,
        energy_wh,
        amount,
        currency,
        prices,
        lines,
        *seal,
    ) = of_position
    place = line_of_position(rows, number)
    corrected = None if corrects is None else line_of_position(rows, corrects)
    closed_at, digest = seal
    of_lines = lines_of(lines)
    return BillPosition(
        statement=place.number or 0,
        printed_number=place.printed,
        line=place.line,
        month=month,
        account=account,
        kind=kind,
        reason=with_told(reason, told),
        corrects=None if corrected is None else corrected.number,
        corrected_number=None if corrected is None else corrected.printed,
        prepaid=bool(prepaid),
        energy_wh=energy_wh,
        amount=amount,
        currency=currency,
        prices=prices,
        lines=_lines(of_lines, CURRENCIES[currency]),
        quarters=_quarters(of_lines),
        closed_at=closed_at,
        digest=digest,
    )


def _pending(
    known: Mapping[int, tuple[int, int]], charges: Sequence[BillCharge], priced: Priced
) -> Iterator[BillAdjustment]:
    """Yield what the next statements change: they take back what is another's now, and ask for
    today's price."""
    if priced.is_open:
        return
    if not known:
        yield from _pending_of_wallets(charges, priced)
        return
    right = dict.fromkeys(known, (0, 0))
    if priced.account is not None:
        position, is_priced = (
            priced.position,
            priced.kind in (PositionKind.SESSION, PositionKind.FREE),
        )
        now = (
            (position.energy_wh, position.amount)
            if is_priced
            else known.get(priced.account, (0, 0))
        )
        right[priced.account] = now
    for account, (energy_wh, amount) in right.items():
        before_wh, before = known.get(account, (0, 0))
        if (energy_wh, amount) != (before_wh, before):
            yield BillAdjustment(
                account=account, energy_wh=energy_wh - before_wh, amount=amount - before
            )


def _pending_of_wallets(charges: Sequence[BillCharge], priced: Priced) -> Iterator[BillAdjustment]:
    """Yield what wallets were charged too much or too little; taxes are in it."""
    if priced.waits or priced.kind is PositionKind.UNPRICED:
        return
    gross = gross_of(priced) or 0
    for charge in charges:
        amount = (gross if charge.account == priced.account else 0) - charge.amount
        if amount:
            yield BillAdjustment(account=charge.account, energy_wh=0, amount=amount)


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


_ENDED: Final = (
    "SELECT imported_id IS NOT NULL, stop_time, judge_after IS NOT NULL AND review IS NULL "
    "FROM tx WHERE id = ?"
)
_FREE: Final = (
    "SELECT reason, told FROM position "
    "JOIN statement ON statement.id = statement_id "
    "WHERE tx_id = ? AND number IS NOT NULL AND kind IN ('free', 'correction') "
    "ORDER BY position.id DESC LIMIT 1"
)


class Advice(NamedTuple):
    """Why a transaction is not billed, and what to do; both are None for one that is."""

    why: str | None = None
    todo: str | None = None


class _EndedRow(NamedTuple):
    is_imported: bool
    stop_time: str
    is_judged_again: bool


def advice(rows: Rows, number: int, state: BillState, priced: Priced | None, rule: Rule) -> Advice:
    """Return why a transaction in this state is not billed, and what to do."""
    ended, known = _EndedRow(*rows(_ENDED, (number,))[0]), begun(rows)
    match state:
        case BillState.BILLED_ELSEWHERE:
            return _elsewhere(ended, known)
        case BillState.OPEN:
            return Advice(
                Told("it has not ended"),
                Told("nothing; it is billed for the month in which it ends"),
            )
        case BillState.NOBODYS:
            give = f'levity-trio household give HOUSEHOLD --session {number} --reason "..."'
            return Advice(
                Told("nobody is known who would pay for it"),
                Told("give it to a household: {1}", give),
            )
        case BillState.FREE:
            return Advice(with_told(*rows(_FREE, (number,))[0]))
        case BillState.HELD_BACK:
            return _held_back(number, ended, priced)
        case BillState.UNBILLED:
            return _unbilled(number, ended, known, priced, rule)
    return Advice()


def _elsewhere(ended: _EndedRow, known: Begun | None) -> Advice:
    if ended.is_imported or known is None:
        return Advice(Told("it was imported; the system from which it comes has billed it"))
    return Advice(
        Told("it ended before {1}, and this system bills what ends from that day on", Day(known.on))
    )


def _held_back(number: int, ended: _EndedRow, priced: Priced | None) -> Advice:
    if ended.is_judged_again:
        return Advice(
            Told("late messages may still change its figure"),
            Told("nothing; it is judged again by itself"),
        )
    words = (
        Told("its figure is not certain")
        if priced is None or priced.words is None
        else priced.words
    )
    confirm, correct = (
        f'levity-trio review confirm {number} --reason "..."',
        f"levity-trio correct {number} --help",
    )
    return Advice(
        words, Told("look at the doubts above, and decide: {1}, or {2}", confirm, correct)
    )


def _unbilled(
    number: int, ended: _EndedRow, known: Begun | None, priced: Priced | None, rule: Rule
) -> Advice:
    if known is None:
        begin = Told("say from which day on it does: levity-trio bill begin DATE")
        return Advice(Told("this system does not bill yet"), begin)
    # its figure is certain, its times are not
    if priced is not None and priced.kind is PositionKind.HELD_BACK:
        return Advice(priced.words, f"levity-trio correct {number} --help")
    if priced is not None and priced.kind is PositionKind.UNPRICED:
        return Advice(
            priced.words,
            Told(
                "assign a tariff that holds on that day, or enter its prices: "
                "levity-trio tariff assign --help, levity-trio series add --help"
            ),
        )
    month = Month.of(in_zone(datetime.fromisoformat(ended.stop_time), rule.zone).date())
    if month < known.open_month:
        why = Told(
            "{1} was closed without it, because it was not certain then, or nobody's", str(month)
        )
        return Advice(why, Told("nothing; it comes on the statement of {1}", str(known.open_month)))
    todo = Told(
        "wait until {1} is over; then levity-trio bill preview {1}, and bill close {1}", str(month)
    )
    return Advice(Told("{1} is not closed yet", str(month)), todo)


_STATES: Final = {
    BillState.BILLED: "It is billed",
    BillState.CHARGED: "It is charged to the wallet",
    BillState.UNBILLED: "It is still to be billed",
    BillState.HELD_BACK: "It is held back",
    BillState.FREE: "It is free",
    BillState.NOBODYS: "It belongs to nobody",
    BillState.BILLED_ELSEWHERE: "It is not billed here",
    BillState.OPEN: "It is still open",
}
_SPLITS: Final = {
    Split.REGISTER: "The readings of the meter show how much flowed before and after.",
    Split.POWER: (
        "No reading near the change fits the figure; the reported power shows how much flowed when."
    ),
    Split.EVENLY: "No reading near the change fits the figure, so it is divided evenly in between.",
}
_FOR: Final = {"account": "household", "charger": "the charger", "site": "everybody"}


def bill_lines(bill: Bill) -> Iterator[str]:
    """Yield the lines."""
    zone = ZoneInfo(bill.zone)
    yield from _headline(bill)
    yield from _whose(bill)
    if bill.tariff is not None:
        yield _tariff_words(bill.tariff)
    for one in bill.positions:
        yield from _position_words(one, zone)
    if bill.price is not None:
        yield from _price_words(bill, bill.price)
    for done in bill.corrected_prices:
        at = local(done.at, zone)
        yield f"After the session, {done.by} corrected prices of it at {at}: {done.reason}"
    yield from _wallet(bill)
    yield from _next(bill)
    yield f"Times are those of {bill.zone}."


def _headline(bill: Bill) -> Iterator[str]:
    comes_to = ""
    if bill.billed_amount is not None and bill.state != BillState.FREE:
        total = written(bill.billed_amount, CURRENCIES[bill.positions[-1].currency])
        comes_to = f": {total} for {kilowatt_hours(bill.billed_wh or 0)}"
    yield f"{_STATES[BillState(bill.state)]}{comes_to}."
    if bill.why is not None:
        yield f"Why: {bill.why}."
    if bill.advice is not None:
        yield f"What to do: {bill.advice}."


def _whose(bill: Bill) -> Iterator[str]:
    if bill.account is not None:
        name = f" ({bill.account_name})" if bill.account_name else ""
        yield f"It belongs to household {bill.account}{name}:"
    yield from (
        f"  {ground.removeprefix(f'household {bill.account}: ')}" for ground in bill.grounds
    )


def _tariff_words(tariff: BillTariff) -> str:
    because = f": {tariff.reason}" if tariff.reason else ""
    for_whom = f"{_FOR[tariff.scope]} {tariff.key}".rstrip()
    return (
        f"The tariff is {tariff.tariff}. It holds for {for_whom} since {tariff.since}, set by "
        f"{tariff.by}{because}."
    )


# Statements


def _position_words(position: BillPosition, zone: ZoneInfo) -> Iterator[str]:
    where = (
        f"Statement {position.printed_number} of {position.month} to household "
        f"{position.account}, "
        f"line {position.line}"
    )
    because = f": {position.reason}" if position.reason else ""
    match position.kind:
        case "held back" | "unpriced":
            yield f"{where}, lists it as held back{because}."
            return
        case "correction":
            does = "gives back a part of" if position.amount < 0 else "corrects"
            yield f"{where}, {does} statement {position.corrected_number}{because}."
        case "free":
            yield f"{where}: {kilowatt_hours(position.energy_wh)}, free{because}."
        case _:
            yield f"{where}:"
    yield from _sum(position, zone)
    if position.prepaid:
        yield "  The wallet pays it, so the statement asks for nothing."
    yield f"  Digest of the statement: {in_groups(position.digest)}"


def _sum(priced: BillPosition | BillPrice, zone: ZoneInfo) -> Iterator[str]:
    """Yield the lines of a price, what they come to, and whether tax is in it."""
    tariffs = sorted({(line.tariff, line.version) for line in priced.lines})
    yield from (f"  by the tariff {tariff}, version of {version}" for tariff, version in tariffs)
    yield from (f"  {line.words}" for line in priced.lines)
    if priced.lines:
        rates = " and ".join(sorted({line.tax_rate for line in priced.lines}))
        tax = (
            f"with {rates} % tax in it"
            if priced.prices == "gross"
            else f"to which {rates} % tax is added"
        )
        yield f"  together {written(priced.amount, CURRENCIES[priced.currency])}, {tax}"
    if priced.quarters is not None:
        yield from _quarter_words(priced.quarters, priced.currency, zone)


def _quarter_words(quarters: BillQuarters, code: str, zone: ZoneInfo) -> Iterator[str]:
    yield "  Each quarter of an hour has its price; what they cost is summed and rounded once."
    for which, at, price in (
        ("dearest", quarters.dearest_at, quarters.dearest_price),
        ("cheapest", quarters.cheapest_at, quarters.cheapest_price),
    ):
        if at is not None:
            yield f"  the {which} quarter of an hour: {local(at, zone)}, {price} {code} a kWh"
    marks = {
        "no readings show how much flowed in single ones, so it is divided": quarters.divided,
        "fallback price, as the series had none or the times are in doubt": quarters.fallback,
        "sun was not measured all the time, so the rest counts as grid": quarters.unmeasured,
    }
    for words, count in marks.items():
        if count:
            yield f"  quarters of an hour: {count}: {words}"


# The price of today


def _price_words(bill: Bill, price: BillPrice) -> Iterator[str]:
    zone = ZoneInfo(bill.zone)
    if bill.billed_amount is None or bill.pending:
        yield from _today(bill, price)
    yield from chain.from_iterable(_seam_words(seam, zone) for seam in price.seams)
    if price.seams and price.split is not None:
        yield _SPLITS[Split(price.split)]
    if price.blocking is not None:
        yield from _blocking_words(price.blocking, zone)


def _today(bill: Bill, price: BillPrice) -> Iterator[str]:
    begins = (
        "So far it costs" if bill.state == BillState.OPEN else "By what is known today it costs"
    )
    if price.free is not None:
        yield f"{begins} nothing: {kilowatt_hours(price.energy_wh)} is {price.free}."
        return
    yield f"{begins}:"
    yield from _sum(price, ZoneInfo(bill.zone))


def _seam_words(seam: BillSeam, zone: ZoneInfo) -> Iterator[str]:
    names = f"from {seam.ends or 'one price'} to {seam.begins or 'another'}"
    yield (
        f"The price changed {names} at {local(seam.at, zone)}. Until then "
        f"{kilowatt_hours(seam.until_wh)} had flowed:"
    )
    yield f"  {kilowatt_hours(seam.before_wh)} until {local(seam.before_at, zone)}"
    yield f"  {kilowatt_hours(seam.after_wh)} until {local(seam.after_at, zone)}"


def _blocking_words(blocking: BillBlocking, zone: ZoneInfo) -> Iterator[str]:
    if blocking.charging_ended_at is None or blocking.since is None or blocking.until is None:
        yield "It is not known when the charging ended, so staying after it costs nothing."
        return
    ended = local(blocking.charging_ended_at, zone)
    yield f"Charging ended at {ended}. Staying for {blocking.grace_minutes} more minutes is free."
    if blocking.until <= blocking.since:
        yield "The car did not stay longer."
        return
    span = f"from {local(blocking.since, zone)} to {local(blocking.until, zone)}"
    yield f"Then {blocking.minutes} minutes are counted, {span}."
    yield from _uncounted("the car could not help it, or it is in doubt", blocking.excused, zone)
    yield from _uncounted(
        "load management held the car back; then the free minutes began anew", blocking.held, zone
    )
    yield from _uncounted("staying is free at this time", blocking.free, zone)


def _uncounted(because: str, stretches: Iterable[BillStretch], zone: ZoneInfo) -> Iterator[str]:
    for one in stretches:
        yield f"  not counted from {local(one.since, zone)} to {local(one.until, zone)}: {because}"


# Wallet, and what comes next


def _wallet(bill: Bill) -> Iterator[str]:
    for charge in bill.charges:
        amount, at = (
            written(charge.amount, CURRENCIES[charge.currency]),
            local(charge.at, ZoneInfo(bill.zone)),
        )
        yield f"The wallet of household {charge.account} was charged {amount} at {at}."
    if bill.reserved is not None and bill.price is not None:
        reserved = written(bill.reserved, CURRENCIES[bill.price.currency])
        yield f"{reserved} of the wallet are kept for it, until it is certain what it costs."


def _next(bill: Bill) -> Iterator[str]:
    if bill.billed_amount is not None and bill.price is None:
        yield (
            "Its figure or its price is not certain at the moment. If it changes, the next "
            "statement corrects it."
        )
    if bill.pending:
        what = "charged" if bill.billed_amount is None else "billed"
        yield f"This is not what was {what}. The next statements correct it:"
    for pending in bill.pending:
        price = bill.price or bill.positions[-1]
        does = "pays" if pending.amount >= 0 else "gets back"
        tax = ", and tax" if bill.billed_amount is not None and price.prices == "net" else ""
        yield (
            f"  household {pending.account} {does} "
            f"{written(abs(pending.amount), CURRENCIES[price.currency])}{tax}"
        )
