"""A tariff in one line, and one that is made of a price."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis.strategies import characters, text

from levity_trio.billing.describing import examples, in_short, is_by_clock, tax_of_series, words
from levity_trio.billing.examples import EXAMPLES
from levity_trio.billing.plain_tariff import PlainTariff
from levity_trio.billing.tariff_file import parse
from levity_trio.locale import speaking
from levity_trio.locale.texts import said

NAMES = text(characters(blacklist_categories=["Cs"]), max_size=30)
SINCE = date(2026, 3, 1)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("flat", "0.32 EUR per kWh"),
        ("day-night", "0.34 EUR per kWh; 22:00-06:00: 0.22 EUR"),
        ("blocking", "0.32 EUR per kWh; 0.50 EUR a session; 0.05 EUR a minute of blocking"),
        ("base-fee", "0.29 EUR per kWh; 4.90 EUR a month"),
        (
            "moving",
            (
                "price series Day-ahead × 1.05 + 0.12 EUR, at least 0.05 EUR, at most 0.60 EUR; "
                "0.35 EUR where the series has no price; 0.18 EUR per kWh of own sun"
            ),
        ),
    ],
)
def test_a_tariff_in_one_line(kind: str, words: str) -> None:
    assert in_short(parse(EXAMPLES[kind])) == words


def test_times_weekdays_and_seasons_of_one_price_stay_together() -> None:
    first, noon, weekend = in_short(parse(EXAMPLES["season"])).split("; ")
    assert first == "0.33 EUR per kWh"
    assert noon == "11:00-15:00, Mon, Tue, Wed, Thu, Fri, 04-01 to 09-30: -0.01 EUR"
    assert weekend == "Sat, Sun: 0.25 EUR"


@pytest.mark.parametrize(
    ("kind", "german"),
    [
        ("flat", "0,32 € je kWh"),
        ("day-night", "0,34 € je kWh; 22:00-06:00: 0,22 €"),
        (
            "season",
            (
                "0,33 € je kWh; 11:00-15:00, Mo, Di, Mi, Do, Fr, 1. Apr. bis 30. Sept.: -0,01 €; "
                "Sa, So: 0,25 €"
            ),
        ),
        ("base-fee", "0,29 € je kWh; 4,90 € je Monat"),
        (
            "moving",
            (
                "Preisreihe Day-ahead × 1,05 + 0,12 €, mindestens 0,05 €, höchstens 0,60 €; "
                "0,35 €, wo die Reihe keinen Preis hat; 0,18 € je kWh eigener Sonnenstrom"
            ),
        ),
    ],
)
def test_a_tariff_in_one_line_of_german(kind: str, german: str) -> None:
    with speaking("de"):
        assert said(in_short(parse(EXAMPLES[kind]))).replace("\N{NO-BREAK SPACE}", " ") == german


def test_a_tariff_in_german_has_the_names_that_somebody_chose() -> None:
    with speaking("de"):
        first, _prices, price, *_more, tax = map(
            said, words(parse(one_price("at all times", "7.5", "0.32")))
        )
    assert first.startswith("at all times, ab 1. ")
    assert price == "Energie: 0,32\N{NO-BREAK SPACE}€ je kWh, zu allen Zeiten."
    assert tax == (
        "Steuer: Energie 7,5 %, Gebühr je Ladevorgang 7,5 %, Blockiergebühr 7,5 %, "
        "Grundgebühr 7,5 %."
    )


def test_a_price_that_moves_is_said_as_it_is() -> None:
    """What changes nothing is not said; the mean of a month follows no clock."""
    text = EXAMPLES["moving"].replace("average = false", "average = true")
    text = "\n".join(
        line for line in text.splitlines() if line[:5] not in ("facto", "floor", "cap =", "fallb")
    ).replace("0.12", "-0.12")
    said_in_short, *_others = in_short(parse(text)).split("; ")
    assert said_in_short == "the month's mean of price series Day-ahead - 0.12 EUR"
    assert not is_by_clock(parse(text))
    assert is_by_clock(parse(EXAMPLES["moving"]))
    assert not is_by_clock(parse(EXAMPLES["day-night"]))


def test_examples_of_a_moving_price_name_the_price_of_the_series() -> None:
    shown = list(examples(parse(EXAMPLES["moving"])))
    assert shown[:2] == ["10 kWh of own sun: 1.80 EUR", "While Day-ahead is at 0.10 EUR a kWh:"]
    assert shown[2].endswith("energy: 2.25 EUR")
    assert shown[-1] == "  total 2.25 EUR"


def one_price(name: str, tax: str, price: str) -> str:
    return PlainTariff(
        name=name, since=str(SINCE), currency="EUR", prices="gross", tax=tax, price=price
    ).toml


def test_a_price_is_a_tariff() -> None:
    tariff = parse(one_price("Flat", "19", "0.32"))
    assert (tariff.name, tariff.since, in_short(tariff)) == ("Flat", SINCE, "0.32 EUR per kWh")


@given(NAMES, NAMES)
def test_no_name_and_no_price_says_anything_else(name: str, price: str) -> None:
    made = tomllib.loads(one_price(name, "0", price))
    given_texts = {"name": name, "currency": "EUR", "prices": "gross", "tax": "0"}
    assert made == given_texts | {"valid_from": SINCE, "energy": {"price": price}}


@pytest.mark.parametrize(
    ("are_gross", "has_tax", "words"),
    [
        (True, False, "Day-ahead is without tax: 19 % is added before factor and markup."),
        (True, True, "Day-ahead has tax in it."),
        (False, False, "Day-ahead is without tax."),
        (False, True, "Day-ahead has tax in it: 19 % is taken out before factor and markup."),
    ],
)
def test_a_reader_can_compute_a_quarter(are_gross: bool, has_tax: bool, words: str) -> None:
    moving = parse(EXAMPLES["moving"])
    tariff = replace(moving, are_gross=are_gross)
    assert tax_of_series(tariff, "Day-ahead", are_gross=has_tax) == words
