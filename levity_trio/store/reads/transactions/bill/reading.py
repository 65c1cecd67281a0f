"""Reads the bill of one transaction: what is on closed statements from their rows, all else from
today's facts; why it is not billed, and what to do about it. Its household reads nothing of others,
and what was decided or changed after its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from operator import attrgetter
from typing import Any, Final, NamedTuple

import orjson

from levity_trio.billing.describing import arithmetic
from levity_trio.billing.money import CURRENCIES, tax_sums
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
from levity_trio.store.reads.transactions.bill.shape import (
    Bill,
    BillAdjustment,
    BillBlocking,
    BillCharge,
    BillLine,
    BillPosition,
    BillPrice,
    BillQuarter,
    BillQuarters,
    BillSeam,
    BillStretch,
    BillTariff,
    BillTax,
    local_value,
)
from levity_trio.store.reads.transactions.charges import gross_of
from levity_trio.store.reads.transactions.transactions import ACTIVE
from levity_trio.told import Day, Told, with_told
from levity_trio.wire.times import from_seconds, in_zone, stamp

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
