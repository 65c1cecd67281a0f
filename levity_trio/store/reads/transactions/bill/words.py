"""A bill in plain English, line by line, so that it can be handed to the neighbour. Times are
local."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final
from zoneinfo import ZoneInfo

from levity_trio.billing.describing import kilowatt_hours
from levity_trio.billing.money import CURRENCIES, written
from levity_trio.billing.statement import Split, in_groups
from levity_trio.billing.states import BillState
from levity_trio.store.reads.transactions.bill.shape import (
    Bill,
    BillBlocking,
    BillPosition,
    BillPrice,
    BillQuarters,
    BillSeam,
    BillStretch,
    BillTariff,
    local,
)

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
