"""Reads the bill of one transaction: what is on closed statements from their rows, all else from
today's facts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, Final

from levity_trio.billing.blocking import Stretch
from levity_trio.billing.by_quarter import summary
from levity_trio.billing.describing import arithmetic
from levity_trio.billing.money import CURRENCIES, tax_sums
from levity_trio.billing.positions import PositionKind
from levity_trio.billing.splitting import Crossing
from levity_trio.billing.statement import Currency, Line, QuarterCost, Split, TaxSum
from levity_trio.billing.states import BillState
from levity_trio.billing.tariff import Versions
from levity_trio.charging.quarters import SECONDS
from levity_trio.records import copied
from levity_trio.store.billing.booking import booked
from levity_trio.store.billing.pricing import Priced, Rule
from levity_trio.store.billing.quarters import CorrectedPrices, corrected_since, known_then
from levity_trio.store.billing.reasoning import Blocked, Piece, Reasoned, reasoned
from levity_trio.store.billing.rows import lines_of
from levity_trio.store.billing.statements import line_of_position
from levity_trio.store.engine.database import Database, Rows, rows_of
from levity_trio.store.lookups.ownership import Owners
from levity_trio.store.reads.transactions.bill.advice import advice
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
from levity_trio.told import Told, with_told
from levity_trio.wire.times import from_seconds, stamp

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
