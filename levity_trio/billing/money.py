"""Money: currencies, rounding, tax, and the foot of a statement.

Amounts are whole minor units; what is computed on the way is exact.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from levity_trio.billing.statement import Currency, Line, Position, TaxSum
from levity_trio.told import Amount

PRICE_DECIMALS: Final = 6
_DIGITS: Final = Context(prec=60)
_CODES: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN "
        "BZD CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS "
        "GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR "
        "LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD "
        "PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN "
        "SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR "
        "ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
}
CURRENCIES: Final = {
    code: Currency(code=code, exponent=exponent)
    for exponent, codes in _CODES.items()
    for code in codes.split()
}
"""ISO 4217 without units of account, precious metals and the two currencies of four decimals."""


def typed_number(text: str) -> Decimal | None:
    """Return a number as a person types it, with comma or point before its decimals; None if it is
    none.

    A comma or point always begins the decimals, so 1.234 is a little more than one. A text with
    two of them is no number.
    """
    found = _TYPED.fullmatch(text.strip())
    return None if found is None else Decimal(found[0].replace(",", "."))


_TYPED: Final = re.compile(r"[+-]?(?:[0-9]{1,15}(?:[.,][0-9]{0,9})?|[.,][0-9]{1,9})")


def half_up(exact: Fraction) -> int:
    """Round to a whole number, a half away from zero: a credit is as large as the debit that it
    takes back."""
    # Python's round() rounds a half to the even number.
    whole = int(abs(exact) + Fraction(1, 2))
    return whole if exact >= 0 else -whole


def minor_units(exact: Fraction | Decimal, currency: Currency) -> int:
    """Round an amount in units of a currency (euros, for instance) to minor units (cents)."""
    return half_up(Fraction(exact) * 10**currency.exponent)


def decimal_of(exact: Fraction, places: int) -> Decimal:
    """Return a number exactly, or rounded to so many decimals where it has more."""
    value = _DIGITS.divide(Decimal(exact.numerator), Decimal(exact.denominator))
    rounded = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, _DIGITS)
    shortest = rounded.normalize(_DIGITS)
    # A number without decimals would be written with an exponent.
    return shortest if shortest % 1 else rounded.quantize(Decimal(1))


def units(amount: int, currency: Currency) -> Decimal:
    """Return minor units as units of the currency, exactly."""
    return Decimal(amount).scaleb(-currency.exponent)


def written(amount: int, currency: Currency) -> str:
    """Return an amount for people, with point and code."""
    return f"{units(amount, currency):f} {currency.code}"


def told_amount(amount: int, currency: Currency) -> Amount:
    """Return an amount for a field of a translated text, which writes it in its own language."""
    return Amount(units(amount, currency), currency.code)


def signed(amount: int, currency: Currency) -> str:
    """Return a difference for people: with its sign, also where it is more."""
    return f"{'+' if amount > 0 else ''}{written(amount, currency)}"


def tax_sums(lines: Iterable[Line], *, are_gross: bool) -> tuple[TaxSum, ...]:
    """Return the sums by tax rate, the lowest first. Tax is computed once for each rate, on the sum
    of its lines."""
    by_rate: dict[Decimal, int] = defaultdict(int)
    for line in lines:
        by_rate[line.tax_rate] += line.amount
    sums = []
    for rate, amount in sorted(by_rate.items()):
        # A gross sum has its tax in it already: 19 of 119, not of 100.
        percent = Fraction(rate)
        tax = half_up(amount * percent / (100 + percent if are_gross else 100))
        net = amount - tax if are_gross else amount
        sums.append(TaxSum(rate=rate, net=net, tax=tax, gross=net + tax))
    return tuple(sums)


def with_tax(net: int, rate: Decimal) -> int:
    """Return a net sum with its tax, in minor units; the rate is in percent."""
    return net + half_up(Fraction(rate) * net / 100)


class Foot(NamedTuple):
    """The sums of a statement, in minor units. A total of 0 leaves nothing to carry."""

    taxes: tuple[TaxSum, ...]
    total: int
    is_carried: bool


def taxes_of(
    positions: Iterable[Position], *, is_prepaid: bool, are_gross: bool
) -> tuple[TaxSum, ...]:
    """Return the sums by tax rate of what a statement asks for, or of what a credit paid."""
    of_kind = [one for one in positions if one.is_prepaid == is_prepaid]
    return tax_sums([line for one in of_kind for line in one.lines], are_gross=are_gross)


def foot(
    positions: Iterable[Position], *, are_gross: bool, carried_in: int = 0, carry_below: int = 0
) -> Foot:
    """Return the foot of a statement. Prepaid positions ask for nothing.

    A negative total is a credit, and is carried (or paid out); so is a total below `carry_below`.
    """
    # A wallet was charged for these when they ended.
    taxes = taxes_of(positions, is_prepaid=False, are_gross=are_gross)
    total = sum(tax.gross for tax in taxes) + carried_in
    return Foot(taxes, total, is_carried=total < 0 or 0 < total < carry_below)
