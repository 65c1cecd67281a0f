"""What a session that starts now would be charged by, tax included."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest

from levity_trio.billing.examples import BLOCKING, DAY_AND_NIGHT, FLAT, NET, SEASON_AND_WEEKEND
from levity_trio.billing.pricing import quarter
from levity_trio.billing.quoting import (
    PriceAhead,
    Quote,
    cheap_stretches,
    quarter_prices,
    quote,
)
from levity_trio.billing.tariff import NoVersion, Versions
from levity_trio.billing.tariff_file import parse
from tests.billing.cases import BERLIN

MOVING = """
name = "Market"
valid_from = 2026-01-01
currency = "EUR"
prices = "gross"
tax = 20

[energy]
series = "Day-ahead"
"""
FALLBACK = MOVING + "fallback = 0.40\n"
EIGHT = quarter(datetime(2026, 11, 3, 20, tzinfo=BERLIN))
SERIES = {EIGHT: Fraction("0.28"), EIGHT + 1: Fraction("0.28"), EIGHT + 2: Fraction("-0.08")}
"""Prices of three quarters of an hour; the fourth is not known."""


def quoted(at: str, *tomls: str) -> Quote:
    versions = Versions([parse(toml) for toml in tomls])
    now = datetime.fromisoformat(at).replace(tzinfo=BERLIN)
    return quote(versions, now, BERLIN, lambda *_of: SERIES)


def told(found: Quote) -> list[str]:
    """The prices and when each begins, by the clock on the wall."""
    return [
        f"{one.since.astimezone(BERLIN):%d %H:%M} {one.price} {one.window}" for one in found.energy
    ]


def test_one_price_has_no_next_one() -> None:
    found = quoted("2026-11-03T20:00", FLAT)
    assert [(one.price, one.window) for one in found.energy] == [(Decimal("0.32"), None)]
    assert (found.session_fee, found.minimum, found.maximum, found.blocking) == (
        None,
        None,
        None,
        None,
    )


def test_windows_are_told_a_day_ahead() -> None:
    assert told(quoted("2026-11-03T20:00", DAY_AND_NIGHT)) == [
        *("03 20:00 0.34 day", "03 22:00 0.22 night", "04 06:00 0.34 day"),
    ]


def test_on_the_day_of_the_change_of_the_clock() -> None:
    """The night is an hour shorter; the price changes at 06:00 by the clock all the same."""
    day_and_night = DAY_AND_NIGHT.replace("2026-10-01", "2026-01-01")
    assert told(quoted("2026-03-29T00:30", day_and_night))[:2] == [
        "29 00:30 0.22 night",
        "29 06:00 0.34 day",
    ]


def test_the_next_version_is_told_before_it_holds() -> None:
    dearer = FLAT.replace("2026-10-01", "2026-11-04").replace("0.32", "0.36")
    assert told(quoted("2026-11-03T20:00", FLAT, dearer)) == [
        "03 20:00 0.32 None",
        "04 00:00 0.36 None",
    ]


def test_equal_prices_are_one() -> None:
    alike = DAY_AND_NIGHT.replace("0.22", "0.34")
    assert told(quoted("2026-11-03T20:00", alike)) == ["03 20:00 0.34 day"]


def test_tax_is_added_to_net_prices_by_the_rate_of_each() -> None:
    found = quoted("2026-11-03T20:00", NET)
    assert [one.price for one in found.energy] == [Decimal("0.32000052")]
    assert found.session_fee == Decimal("0.4494")


def test_the_fee_for_staying_has_its_tax_too() -> None:
    net = BLOCKING.replace('"gross"', '"net"')
    terms, gross = (
        quoted("2026-11-03T20:00", net).blocking,
        quoted("2026-11-03T20:00", BLOCKING).blocking,
    )
    assert terms is not None
    assert gross is not None
    assert (terms.price, terms.maximum) == (gross.price * Decimal("1.19"), Decimal("7.14"))


def test_each_price_has_the_tax_of_its_own_kind() -> None:
    """Net: 1.00 a kWh, of sun too, at 7 %; 1.00 a session at 19 %; 1.00 a minute of staying and
    10.00 at most at 20 %. A minimum is taxed as energy."""
    toml = """
name = "Net"
valid_from = 2026-01-01
currency = "EUR"
prices = "net"
session_fee = 1.00
minimum = 2.00

[tax]
energy = 7
session_fee = 19
blocking = 20

[energy]
price = 1.00

[sun]
price = 1.00

[blocking]
price = 1.00
maximum = 10.00
"""
    found = quoted("2026-11-03T20:00", toml)
    assert found.blocking is not None
    assert (found.energy[0].price, found.sun) == (Decimal("1.07"), Decimal("1.07"))
    assert (found.session_fee, found.minimum) == (Decimal("1.19"), Decimal("2.14"))
    assert (found.blocking.price, found.blocking.maximum) == (Decimal("1.20"), Decimal("12.00"))


def test_a_version_holds_from_local_midnight() -> None:
    """23:30 of the third in UTC is half past midnight of the fourth in Berlin."""
    dearer = FLAT.replace("2026-10-01", "2026-11-04") + "[blocking]\nprice = 0.10\n"
    now = datetime(2026, 11, 3, 23, 30, tzinfo=UTC)
    found = quote(Versions([parse(FLAT), parse(dearer)]), now, BERLIN, lambda *_of: SERIES)
    assert found.blocking is not None


def test_a_negative_price_is_told() -> None:
    summer = SEASON_AND_WEEKEND.replace("2026-10-01", "2026-01-01")
    assert quoted("2026-06-02T12:00", summer).energy[0] == PriceAhead(
        datetime(2026, 6, 2, 12, tzinfo=BERLIN), Decimal("-0.01"), "summer noon"
    )


def test_before_the_first_version_nothing_holds() -> None:
    with pytest.raises(NoVersion):
        quoted("2026-09-30T20:00", FLAT)


def test_of_prices_that_move_the_next_one_is_told() -> None:
    found = quoted("2026-11-03T20:05", MOVING)
    assert told(found) == ["03 20:05 0.28 None", "03 20:30 -0.08 None"]
    assert found.moves == "quarter"


def test_a_price_that_is_not_known_is_never_0() -> None:
    assert told(quoted("2026-11-03T20:31", MOVING)) == [
        "03 20:31 -0.08 None",
        "03 20:45 None None",
    ]
    assert told(quoted("2026-11-03T22:00", MOVING)) == ["03 22:00 None None"]


def test_a_fallback_is_told_as_one() -> None:
    first, then = quoted("2026-11-03T20:31", FALLBACK).energy
    assert (first.is_fallback, then.is_fallback, then.price) == (False, True, Decimal("0.40"))


def test_an_average_price_and_that_of_sun_are_told() -> None:
    found = quoted("2026-11-03T22:00", MOVING + "average = true\n[sun]\nprice = 0.18\n")
    assert (found.moves, found.sun, found.energy[0].price) == ("month", Decimal("0.18"), None)


def test_each_quarter_of_a_day_has_a_price_or_none() -> None:
    """The dearer half of the day moves, the night does not; in spring a day has 92 quarters."""
    toml = """
name = "Market"
valid_from = 2026-01-01
currency = "EUR"
prices = "gross"
tax = 20

[energy]
series = "Day-ahead"
fallback = 0.50

[[window]]
name = "night"
times = ["22:00-06:00"]
price = 0.20
"""
    versions = Versions([parse(toml)])
    first, after = (quarter(datetime(2026, 3, day, tzinfo=BERLIN)) for day in (29, 30))
    known = {first + 30: Fraction("0.33")}
    found = quarter_prices(versions, range(first, after), BERLIN, lambda *_of: known)
    assert len(found) == 92
    assert [price for price in found if price is not None] == [
        *(Decimal("0.20") for _ in range(20)),
        Decimal("0.33"),
        *(Decimal("0.20") for _ in range(8)),
    ]


@pytest.mark.parametrize(
    ("prices", "cheap"),
    [
        ("30 30 10 12 30 30", [[2, 3]]),
        ("30 10 30 30 10 30", [[1], [4]]),
        ("30 30 30 30 90 90", []),  # a peak makes nothing else cheap
        ("30 29 30 30 30", []),  # that is not worth waiting for
        ("5 5 -20 -19 - 5", [[2, 3]]),
        ("- - -", []),
    ],
)
def test_cheap_is_what_is_nearer_to_the_lowest_than_to_the_usual_price(
    prices: str, cheap: list[list[int]]
) -> None:
    found = cheap_stretches([None if one == "-" else Decimal(one) for one in prices.split()])
    assert found == cheap
