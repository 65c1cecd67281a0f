"""What a session that starts now would be charged by, tax included."""

from datetime import datetime
from decimal import Decimal

import pytest

from levity_trio.billing.examples import BLOCKING, DAY_AND_NIGHT, FLAT, NET, SEASON_AND_WEEKEND
from levity_trio.billing.quoting import PriceAhead, Quote, quote
from levity_trio.billing.tariff import NoVersion, Versions
from levity_trio.billing.tariff_file import parse
from tests.billing.cases import BERLIN


def quoted(at: str, *tomls: str) -> Quote:
    versions = Versions([parse(toml) for toml in tomls])
    return quote(versions, datetime.fromisoformat(at).replace(tzinfo=BERLIN), BERLIN)


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


def test_a_negative_price_is_told() -> None:
    summer = SEASON_AND_WEEKEND.replace("2026-10-01", "2026-01-01")
    assert quoted("2026-06-02T12:00", summer).energy[0] == PriceAhead(
        datetime(2026, 6, 2, 12, tzinfo=BERLIN), Decimal("-0.01"), "summer noon"
    )


def test_before_the_first_version_nothing_holds() -> None:
    with pytest.raises(NoVersion):
        quoted("2026-09-30T20:00", FLAT)
