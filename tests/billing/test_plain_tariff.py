"""Tariffs that a form can say: the form writes TOML, and finds itself again in what was read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from levity_trio.billing.describing import in_short
from levity_trio.billing.examples import EXAMPLES
from levity_trio.billing.plain_tariff import PlainTariff, plain_tariff
from levity_trio.billing.tariff_file import TariffFaults, parse

FLAT = PlainTariff(
    name='Our "own" price',
    since="2026-12-01",
    currency="EUR",
    prices="gross",
    tax="19",
    price="0.3200",
)
NIGHT = replace(
    FLAT,
    price_name="day",
    night_price="0.24",
    night_from="22:00",
    night_until="06:00",
    night_name="Nacht",
)
WEEKEND = replace(FLAT, price_name="other times", weekend_price="0.20", weekend_name="weekend")
BOTH = replace(NIGHT, weekend_price="0.20", weekend_name="weekend")
FEES = replace(
    BOTH, session_fee="0.5", base_fee="4.90", minimum="1", maximum="25.00", free_below_wh=0
)
BLOCKING = replace(
    FEES,
    blocking_price="0.05",
    blocking_after_minutes=30,
    blocking_maximum="6.00",
    blocking_free_from="22:00",
    blocking_free_until="07:00",
    blocking_until_free=True,
)
MOVING = replace(FLAT, price=None, series='Day "ahead"')
SUN = replace(
    replace(BOTH, price=None, series="Day-ahead"),
    factor="1.05",
    markup="-0.12",
    floor="-0.05",
    cap="0.60",
    fallback="0.35",
    sun_price="0.18",
)
AVERAGE = replace(MOVING, markup="0.12", average=True)


@pytest.mark.parametrize(
    "plain", [FLAT, NIGHT, WEEKEND, BOTH, FEES, BLOCKING, MOVING, SUN, AVERAGE]
)
def test_a_form_finds_itself_again(plain: PlainTariff) -> None:
    assert plain_tariff(parse(plain.toml)) == plain


def test_the_weekend_goes_before_the_night() -> None:
    night = "22:00-06:00, Mon, Tue, Wed, Thu, Fri: 0.24 EUR"
    assert in_short(parse(BOTH.toml)) == f"0.3200 EUR per kWh; {night}; Sat, Sun: 0.20 EUR"


def test_which_examples_a_form_can_say() -> None:
    """A tax rate of its own for a fee, or a season, needs TOML."""
    said = {name for name, text in EXAMPLES.items() if plain_tariff(parse(text)) is not None}
    assert said == EXAMPLES.keys() - {"season", "net"}


@pytest.mark.parametrize(
    "toml",
    [
        NIGHT.toml.replace('times = "22:00-06:00"', 'times = ["22:00-06:00", "12:00-14:00"]'),
        NIGHT.toml.replace(
            "[energy]", '[[window]]\nname = "noon"\nprice = 0.1\ntimes = "12:00-13:00"\n\n[energy]'
        ),
        NIGHT.toml.replace(
            'times = "22:00-06:00"', 'times = "22:00-06:00"\nseason = "10-01 to 03-31"'
        ),
        NIGHT.toml.replace('times = "22:00-06:00"', 'times = "22:00-06:00"\nweekdays = "Mon-Fri"'),
        NIGHT.toml.replace('price = "0.24"', 'series = "Night"'),
    ],
)
def test_other_windows_need_toml(toml: str) -> None:
    assert plain_tariff(parse(toml)) is None


def test_windows_may_stand_in_any_order() -> None:
    head, night, weekend, rest = BOTH.toml.split("\n\n")
    assert plain_tariff(parse(f"{head}\n\n{weekend}\n\n{night}\n\n{rest}")) == BOTH


@pytest.mark.parametrize(
    ("plain", "field"),
    [
        (replace(BLOCKING, price="cheap"), "price"),
        (replace(BLOCKING, night_price="cheap"), "night_price"),
        (replace(BLOCKING, night_from="25:00"), "night_from"),
        (replace(BLOCKING, weekend_price="cheap"), "weekend_price"),
        (replace(BLOCKING, blocking_price="cheap"), "blocking_price"),
        (replace(BLOCKING, blocking_free_until=None), "blocking_free_from"),
        (replace(BLOCKING, maximum="0.10"), "maximum"),
        (replace(SUN, factor="-1"), "factor"),
        (replace(SUN, markup="much"), "markup"),
        (replace(SUN, cap="-0.10"), "cap"),
        (replace(SUN, fallback="0.1234567"), "fallback"),
        (replace(SUN, sun_price="free"), "sun_price"),
        (replace(SUN, price="0.30"), "price"),
        (replace(FLAT, price=None), "price"),
    ],
)
def test_a_fault_is_that_of_a_field(plain: PlainTariff, field: str) -> None:
    with pytest.raises(TariffFaults) as raised:
        parse(plain.toml)
    (fault,) = raised.value.args
    assert plain.places[fault.partition(":")[0]] == field
