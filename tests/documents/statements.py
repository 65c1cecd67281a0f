"""Statements as the billing makes them, of each form that a person may get."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Final

from levity_trio.billing.statement import (
    Currency,
    Line,
    LineKind,
    Owner,
    Party,
    Position,
    QuarterCost,
    Split,
    Statement,
    TaxSum,
)

EUR: Final = Currency(code="EUR", exponent=2)
JPY: Final = Currency(code="JPY", exponent=0)
KWD: Final = Currency(code="KWD", exponent=3)
IBAN: Final = "DE02120300000000202051"
DIGEST: Final = "3f2a91c07be84d15a06c2f9e8d713b5540cce1872a9df6b3e4581027c6af93de"
RATE: Final = Decimal(19)
MONTH: Final = date(2026, 10, 1)

OWNER: Final = Owner(
    party=Party(
        name="Bauhof 12 eG", address=("Bauhof 12", "10115 Berlin"), contact="strom@bauhof12.example"
    ),
    bank_account=IBAN,
    bank_name="Beispielbank",
    tax_number="DE123456789",
)
ANNA: Final = Party(name="Anna Schäfer", address=("Bauhof 12, Haus B", "10115 Berlin"))


def rounded(value: Decimal) -> int:
    return int(value.quantize(Decimal(1), ROUND_HALF_UP))


def line(
    kind: LineKind = LineKind.ENERGY,
    quantity: int = 1,
    price: str = "0.35",
    *,
    window: str | None = None,
    of_days: int | None = None,
    rate: Decimal = RATE,
    currency: Currency = EUR,
    tariff: str = "House",
) -> Line:
    """A line whose amount is quantity × price, rounded once."""
    units = Decimal(quantity) / (1000 if kind is LineKind.ENERGY else of_days or 1)
    return Line(
        kind=kind,
        tariff=tariff,
        version=date(2026, 1, 1),
        window=window,
        quantity=quantity,
        of_days=of_days,
        price=Decimal(price),
        amount=rounded(units * Decimal(price) * 10**currency.exponent),
        tax_rate=rate,
    )


def moving(
    start: datetime, *quarters: tuple[int, str], window: str | None = None, **marks: bool
) -> Line:
    """A line by the quarter of an hour from a time on, of Wh and prices; amount and mean as billing
    makes them."""
    first = int(start.timestamp()) // 900
    costs = tuple(
        QuarterCost(quarter=first + number, wh=wh, price=Fraction(price), **marks)
        for number, (wh, price) in enumerate(quarters)
    )
    exact, wh = sum((one.cost for one in costs), Fraction()), sum(one.wh for one in costs)
    mean = exact * 1000 / wh
    return replace(
        line(quantity=wh, window=window),
        price=(Decimal(mean.numerator) / mean.denominator).quantize(Decimal("0.000001")),
        amount=rounded(Decimal((exact * 100).numerator) / (exact * 100).denominator),
        quarters=costs,
    )


def position(number: int, *lines: Line, energy_wh: int | None = None) -> Position:
    """A charging session of the month's day `number`."""
    start = datetime(2026, 10, 1, 16, 4, tzinfo=UTC) + timedelta(days=(number - 1) % 28)
    wh = (
        sum(one.quantity for one in lines if one.kind is LineKind.ENERGY)
        if energy_wh is None
        else energy_wh
    )
    return Position(
        id=number,
        transaction=1000 + number,
        charger="GRIZZL-4",
        connector=1,
        space="Space 4",
        tag="04A2B1C9",
        vehicle="Zoe",
        started_at=start,
        ended_at=start + timedelta(hours=3, minutes=17),
        energy_wh=wh,
        split=Split.WHOLE,
        lines=lines,
    )


def base_fee(number: int, currency: Currency = EUR) -> Position:
    return Position(
        id=number,
        transaction=None,
        charger=None,
        connector=None,
        space=None,
        tag=None,
        vehicle=None,
        started_at=None,
        ended_at=None,
        energy_wh=0,
        split=None,
        lines=(line(LineKind.BASE, 31, "4.50", of_days=31, currency=currency),),
    )


def statement(
    positions: Sequence[Position],
    *,
    currency: Currency = EUR,
    carried_in: int = 0,
    held_back: tuple[Position, ...] = (),
    number: str | None = "2026-0007",
    is_carried: bool = False,
) -> Statement:
    """A closed statement (a draft without a number) whose taxes and total fit its positions; prices
    are gross."""
    lines = [one for each in positions if not each.is_prepaid for one in each.lines]
    prepaid = [one for each in positions if each.is_prepaid for one in each.lines]
    taxes, prepaid_taxes = (
        tuple(_tax(rate, of_kind) for rate in sorted({one.tax_rate for one in of_kind}))
        for of_kind in (lines, prepaid)
    )
    return Statement(
        account=7,
        month=MONTH,
        zone="Europe/Berlin",
        currency=currency,
        prices_are_gross=True,
        to=ANNA,
        owner=OWNER,
        positions=tuple(positions),
        taxes=taxes,
        carried_in=carried_in,
        total=sum(one.gross for one in taxes) + carried_in,
        is_carried=is_carried,
        held_back=held_back,
        number=number,
        printed_number=number,
        closed_on=date(2026, 11, 3) if number else None,
        digest=DIGEST if number else None,
        previous_digest=DIGEST[::-1] if number else None,
        prepaid_taxes=prepaid_taxes,
    )


def _tax(rate: Decimal, lines: Sequence[Line]) -> TaxSum:
    gross = sum(one.amount for one in lines if one.tax_rate == rate)
    net = rounded(Decimal(gross) / (1 + rate / 100))
    return TaxSum(rate=rate, net=net, tax=gross - net, gross=gross)


def one_line() -> Statement:
    return statement([position(17, line(quantity=11_342))])


def with_windows(count: int = 40) -> Statement:
    """Sessions of two windows each, a base fee, several rates, one held back."""
    sessions = [
        replace(
            position(
                number,
                line(quantity=2_000 + 137 * number, price="0.385", window="Day"),
                line(quantity=9_000 + 31 * number, price="0.2275", window="Night"),
                *([line(LineKind.BLOCKING, 45, "0.02")] if number % 7 == 0 else []),
            ),
            split=Split.POWER if number % 5 == 0 else Split.REGISTER,
        )
        for number in range(1, count)
    ]
    waiting = replace(position(99, energy_wh=7_250), reason="the meter ran backwards")
    fees = replace(
        base_fee(count), lines=(line(LineKind.BASE, 31, "4.50", of_days=31, rate=Decimal(7)),)
    )
    return statement([*sessions, fees], carried_in=-250, held_back=(waiting,))


def correction() -> Statement:
    """A session was corrected after its statement was closed; another one was charged to the
    wallet."""
    credit = replace(
        position(22, line(quantity=-3_000), energy_wh=-3_000),
        corrects=9,
        corrected_statement="2026-0003",
        reason="Meter 4 ran fast, see the electrician's letter",
    )
    prepaid = replace(position(21, line(quantity=5_000)), is_prepaid=True)
    fees = position(20, line(quantity=10_000), line(LineKind.SESSION, price="0.50"))
    return statement([fees, prepaid, credit])


def credit() -> Statement:
    return statement(
        [replace(position(5, line(quantity=-20_000)), corrects=1, corrected_statement="2026-0001")]
    )


def draft() -> Statement:
    return statement(
        [position(number, line(quantity=8_000)) for number in range(1, 60)], number=None
    )


def with_names(name: str) -> Statement:
    """A name wherever somebody chooses one."""
    party = Party(name=name, address=(name, name), contact=name)
    lines = tuple(
        replace(line(quantity=1_000, window="Day"), window=name, tariff=name) for _ in range(2)
    )
    named = replace(
        position(1, *lines), space=name, vehicle=name, tag=name, charger=name, reason=name
    )
    owner = replace(OWNER, party=party, bank_name=name, bank_account=name, tax_number=name)
    made = statement(
        [named, replace(named, id=2, space=None, corrects=1, corrected_statement=name)]
    )
    return replace(made, to=party, owner=owner, held_back=(named,), number=name or "7")


def in_currency(currency: Currency, price: str) -> Statement:
    one = position(1, line(quantity=123_456, price=price, currency=currency))
    return statement(
        [one, position(2, line(quantity=41_000, price=price, currency=currency))], currency=currency
    )


def png(width: int = 8, height: int = 8) -> bytes:
    """A head of this size with 8 × 8 grey pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + head
        + chunk(b"IDAT", zlib.compress(bytes([0, *[128] * 8]) * 8))
        + chunk(b"IEND", b"")
    )


LOGO: Final = png()
