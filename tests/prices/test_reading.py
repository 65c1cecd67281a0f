"""Documents of prices: the public sources, what people have in tables, and what no bill may rest
on."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from levity_trio.charging.quarters import quarter_of
from levity_trio.prices.reading import (
    PRESETS,
    PriceSource,
    PricesRefused,
    ReadingTerms,
    holes,
    read,
)

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 30, 14, tzinfo=UTC)
TERMS = ReadingTerms("EUR", BERLIN, NOW)
DAY = date(2026, 12, 1)
MIDNIGHT = int(datetime(2026, 12, 1, tzinfo=BERLIN).timestamp())
FIRST = quarter_of(MIDNIGHT)
ROWS = PriceSource(list="rows", unit="EUR/kWh")


def of_rows(*rows: tuple[Any, Any]) -> dict[int, str]:
    """Return what is read of times and prices in JSON, which may be no JSON for the price."""
    listed = ", ".join(f'{{"time": {json.dumps(time)}, "price": {price}}}' for time, price in rows)
    return texts(read(f'{{"rows": [{listed}]}}'.encode(), ROWS, TERMS))


def of_csv(text: str, **changes: Any) -> dict[int, str]:
    source = replace(PriceSource(form="csv", unit="ct/kWh"), **changes)
    return texts(read(text.encode(), source, TERMS))


def texts(found: dict[int, Decimal]) -> dict[int, str]:
    """Return the prices as they are stored, by their quarters of the first of December."""
    return {quarter - FIRST: f"{price:f}" for quarter, price in sorted(found.items())}


# The public sources


def test_energy_charts_has_two_lists_beside_each_other() -> None:
    preset = PRESETS["energy-charts"]
    assert preset.address(DAY, BERLIN) == (
        "https://api.energy-charts.info/price?bzn=DE-LU&start=2026-12-01&end=2026-12-01"
    )
    document = (
        f'{{"license_info": "CC BY 4.0", "unix_seconds": [{MIDNIGHT}, {MIDNIGHT + 900},'
        f' {MIDNIGHT + 1800}], "price": [95.4, -0.01, null], "unit": "EUR / MWh",'
        ' "deprecated": false}'
    )
    assert texts(read(document.encode(), preset, TERMS)) == {0: "0.0954", 1: "-0.00001"}


def test_awattar_has_hours_in_milliseconds() -> None:
    preset = PRESETS["awattar"]
    assert preset.address(DAY, BERLIN) == (
        f"https://api.awattar.de/v1/marketdata?start={MIDNIGHT}000&end={MIDNIGHT + 86400}000"
    )
    hours = [
        {"start_timestamp": (MIDNIGHT + 3600 * hour) * 1000, "marketprice": price,
         "end_timestamp": (MIDNIGHT + 3600 * hour + 3600) * 1000, "unit": "Eur/MWh"}
        for hour, price in enumerate((42.09, -5.12))
    ]  # fmt: skip
    document = json.dumps({"object": "list", "data": hours, "url": "/at/v1/marketdata"})
    assert texts(read(document.encode(), preset, TERMS)) == (
        dict.fromkeys(range(4), "0.04209") | dict.fromkeys(range(4, 8), "-0.00512")
    )


def test_smard_has_files_of_weeks_with_what_is_not_known_yet() -> None:
    preset = PRESETS["smard"]
    monday = MIDNIGHT - 86400
    assert preset.address(DAY, BERLIN).endswith(f"/4169_DE_quarterhour_{monday}000.json")
    document = (
        f'{{"meta_data": {{"version": 1}}, "series": [[{MIDNIGHT}000, 84.5],'
        f" [{MIDNIGHT + 900}000, 0], [{MIDNIGHT + 1800}000, null]]}}"
    )
    assert texts(read(document.encode(), preset, TERMS)) == {0: "0.0845", 1: "0"}


def test_the_day_of_a_source_is_that_of_the_site_when_its_clock_is_put_back() -> None:
    source = PriceSource(url="http://a/{start_ms}-{end_ms}")
    start, end = source.address(date(2026, 10, 25), BERLIN).removeprefix("http://a/").split("-")
    assert int(end) - int(start) == 25 * 3600 * 1000


# Times


def test_times_are_seconds_milliseconds_or_those_of_a_calendar() -> None:
    assert of_rows(
        (MIDNIGHT, 1), ((MIDNIGHT + 900) * 1000, 2), ("2026-12-01T00:30:00+01:00", 3),
        ("2026-11-30T23:45Z", 4), ("2026-12-01 01:00", 5), ("01.12.2026 01:15", 6),
    ) == {0: "1", 1: "2", 2: "3", 3: "4", 4: "5", 5: "6"}  # fmt: skip


@pytest.mark.parametrize("is_reversed", [False, True])
def test_the_doubled_hour_counts_in_order(*, is_reversed: bool) -> None:
    night = datetime(2026, 10, 25, tzinfo=BERLIN).astimezone(UTC)
    quarters = [night + timedelta(minutes=15 * place) for place in range(100)]
    rows = [
        (f"{moment.astimezone(BERLIN):%Y-%m-%d %H:%M}", place)
        for place, moment in enumerate(quarters)
    ]
    first = quarter_of(night.timestamp()) - FIRST
    expected = {first + place: str(place) for place in range(100)}
    assert of_rows(*(reversed(rows) if is_reversed else rows)) == expected


def test_the_hour_that_a_clock_skips_is_left_out() -> None:
    hours = of_csv("time;price\n" + "".join(f"2026-03-29 0{hour}:00;{hour}\n" for hour in range(5)))
    assert sorted(set(hours.values())) == ["0", "0.01", "0.03", "0.04"]
    assert len(hours) == 16
    assert max(hours) - min(hours) == 15


def test_an_hour_of_a_table_is_four_quarters_and_a_gap_stays_a_gap() -> None:
    found = of_csv("time,price\n2026-12-01 00:00,1\n2026-12-01 01:00,2\n2026-12-01 05:00,3\n")
    assert [*found] == [*range(8), *range(20, 24)]


def rows_at(*minutes: int) -> dict[int, str]:
    """Return what is read of rows so many minutes after midnight, priced in this order."""
    return of_rows(*((MIDNIGHT + 60 * minute, place) for place, minute in enumerate(minutes)))


def test_hours_may_become_quarters_within_a_file_and_half_hours_hold_for_two() -> None:
    # As the market did on the first of October of 2025.
    assert rows_at(0, 60, 120, 135, 150) == (
        dict.fromkeys(range(4), "0") | dict.fromkeys(range(4, 8), "1") | {8: "2", 9: "3", 10: "4"}
    )
    assert rows_at(0, 15, 30, 90, 150) == (
        {0: "0", 1: "1"} | dict.fromkeys(range(2, 6), "2") | dict.fromkeys(range(6, 10), "3")
        | dict.fromkeys(range(10, 14), "4")
    )  # fmt: skip
    assert rows_at(0, 30) == {0: "0", 1: "0", 2: "1", 3: "1"}


def test_a_row_that_is_missing_within_a_stretch_is_a_hole_and_is_named() -> None:
    assert [*rows_at(0, 15, 30, 90, 105, 120)] == [0, 1, 2, 6, 7, 8]
    assert [*rows_at(0, 60, 180, 240)] == [*range(8), *range(12, 20)]
    # A row without a price tells the distance of the others, too.
    assert [*of_rows((MIDNIGHT, 1), (MIDNIGHT + 900, "null"), (MIDNIGHT + 1800, 2))] == [0, 2]
    found = [*range(FIRST, FIRST + 8), *range(FIRST + 12, FIRST + 20)]
    assert (
        holes(found) == "it has no prices from 2026-12-01T01:00:00.000Z to 2026-12-01T02:00:00.000Z"
    )
    assert holes([*found, FIRST + 23]) == (
        "it has no prices in 2 stretches, the first from 2026-12-01T01:00:00.000Z"
        " to 2026-12-01T02:00:00.000Z"
    )
    assert holes(range(5)) is None


@pytest.mark.parametrize(
    ("minutes", "quarters"),
    [
        ([0], range(4)),
        ([0, 60, 75, 90], range(7)),
        ([0, 15, 30, 90], range(10)),
        ([0, 300], [*range(4), *range(20, 24)]),
    ],
)
def test_a_row_that_stands_alone_asks_or_takes_the_step_of_its_source(
    minutes: list[int], quarters: Sequence[int]
) -> None:
    with pytest.raises(PricesRefused, match="stands alone: say for how many minutes it holds"):
        rows_at(*minutes)
    rows = ", ".join(f'{{"time": {MIDNIGHT + 60 * one}, "price": 1}}' for one in minutes)
    found = texts(read(f'{{"rows": [{rows}]}}'.encode(), replace(ROWS, minutes=60), TERMS))
    assert [*found] == [*quarters]


def test_the_day_may_stand_in_an_address_in_parts() -> None:
    source = PriceSource(url="http://a/{year}/{month}/{day}.csv?to={until}")
    assert source.address(DAY, BERLIN) == "http://a/2026/12/01.csv?to=2026-12-01"
    assert source.address(DAY, BERLIN, date(2026, 12, 9)).endswith("?to=2026-12-09")
    with pytest.raises(PricesRefused, match=r"\{hour\} in the address is not known"):
        PriceSource(url="http://a/{hour}").check("EUR")


@pytest.mark.parametrize(
    ("written", "price"),
    [
        ('"0.30"', "0.30"), ('"2.325,83"', "2325.83"), ('"2,325.83"', "2325.83"),
        ('"-1.234.567,5"', None), ('"12,5"', "12.5"), ('"1 234,5"', "1234.5"), ('"€ 5"', None),
        ('"1,234"', "1.234"), ('"1.234"', "1.234"),
    ],
)  # fmt: skip
def test_a_number_of_a_text_is_read_or_refused_with_what_was_found(
    written: str, price: str | None
) -> None:
    source = replace(ROWS, unit="EUR/MWh")
    first, second = (f'{{"time": {MIDNIGHT + place}, "price": ' for place in (0, 900))
    rows = f'{{"rows": [{first}{written}}}, {second}1}}]}}'
    if price is None:
        with pytest.raises(PricesRefused, match=re.escape(json.loads(written)[:8])):
            read(rows.encode(), source, TERMS)
        return
    found = read(rows.encode(), source, TERMS)
    assert found[FIRST] == Decimal(price) / 1000


# Tables


@pytest.mark.parametrize(
    "text",
    [
        "time,price\n2026-12-01 00:00,8.45\n2026-12-01 00:15,-1\n",
        'time,price\n2026-12-01 00:00,"8,45"\n2026-12-01 00:15,"-1,00"\n',
        "\ufeffPrice;Area;Time\r\n8,45;DE;01.12.2026 00:00\r\n\r\n-1;DE;01.12.2026 00:15\r\n",
        "time\tprice\n2026-12-01T00:00\t8.45\n2026-12-01T00:15\t-1\n2026-12-01T00:30\t-\n",
    ],
)
def test_tables_as_programs_write_them(text: str) -> None:
    assert {place: Decimal(price) for place, price in of_csv(text).items()} == {
        0: Decimal("0.0845"),
        1: Decimal("-0.01"),
    }


def test_units() -> None:
    document = f'[{{"time": {MIDNIGHT}, "price": 123.456789}}]'.encode()
    for unit, price in {
        "EUR/MWh": "0.123456789", "eur / mwh": "0.123456789", "ct/kWh": "1.23456789",
    }.items():  # fmt: skip
        assert texts(read(document, PriceSource(unit=unit, minutes=15), TERMS)) == {0: price}
    for unit in ("SEK/kWh", "EUR", "EUR/Wh", "", "ct"):
        with pytest.raises(PricesRefused, match="give the unit as EUR/MWh, EUR/kWh or ct/kWh"):
            read(document, PriceSource(unit=unit), TERMS)


# What is refused


@pytest.mark.parametrize(
    ("price", "words"),
    [
        ("1e308", r"a price of 1E\+308 is beyond belief"),
        ("1e999999999", "is beyond belief"),
        ("1e99999999999999999999", "it is not JSON"),
        ("1e-999999", "is beyond belief"),
        ("100.01", "is beyond belief"),
        ("-101", "is beyond belief"),
        ("9" * 5000, "it is not JSON"),
        ("0." + "1" * 50, "is no price"),
        ("NaN", "nan is no price"),
        ("-Infinity", "-inf is no price"),
        ("true", "True is no price"),
        ("[1]", r"\[1\] is no price"),
        ("{}", "{} is no price"),
        ("1}, {", "it has nothing at time"),
    ],
)
def test_what_is_no_price_is_refused(price: str, words: str) -> None:
    with pytest.raises(PricesRefused, match=words):
        of_rows((MIDNIGHT, price), (MIDNIGHT + 900, "0.3"))


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (True, "True is no time"),
        (1.5, "is no time"),
        (None, "None is no time"),
        ("today", "'today' is no time"),
        ([], r"\[\] is no time"),
        (10**300, "the time .* is beyond belief"),
        (0, "the time 1970-01-01T00:00:00.000Z is beyond belief"),
        ("0001-01-01T00:00:00+14:00", "is beyond belief"),
        ("9999-12-31T23:45", "is beyond belief"),
        ("2030-01-01T00:00", "is beyond belief"),
        (MIDNIGHT + 60, "not those of hours or quarters"),
        (MIDNIGHT + 86400, "for how many minutes it holds"),
    ],
)
def test_what_is_no_time_is_refused(time: Any, words: str) -> None:
    with pytest.raises(PricesRefused, match=words):
        of_rows((MIDNIGHT, 1), (time, 2))


def test_two_answers_for_a_quarter_are_refused_and_the_same_one_twice_is_one() -> None:
    twice = of_rows((MIDNIGHT, "0.30"), (MIDNIGHT, "0.3"), (MIDNIGHT + 900, 1))
    assert twice == {0: "0.3", 1: "1"}
    with pytest.raises(PricesRefused, match=r"two prices for 2026-11-30T23:00:00.000Z: 0.3 and 3"):
        of_rows((MIDNIGHT, "0.3"), (MIDNIGHT * 1000, "3"))
    with pytest.raises(PricesRefused, match="it has two prices for"):
        of_rows(*[("2026-10-25 02:00", price) for price in range(3)])


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("", "it is not JSON"),
        ("<!DOCTYPE html><html>", "it is not JSON: '<!DOCTYPE html>"),
        ("\xff\xfe", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("[]", "it has nothing at rows"),
        ("7", "it has nothing at rows"),
        ("null", "it has nothing at rows"),
        ('{"rows": []}', "it has no prices"),
        ('{"rows": 7}', "it has nothing at time"),
        ('{"rows": "text"}', "it has nothing at time"),
        ('{"rows": [7]}', "it has nothing at time"),
        ('{"rows": {"time": [1, 2], "price": [1]}}', "time and price are not two lists"),
        ('{"rows": {"time": "12", "price": "12"}}', "time and price are not two lists"),
        ('{"rows": {"time": [], "price": []}}', "it has no prices"),
    ],
)
def test_other_documents_are_refused(document: str, words: str) -> None:
    with pytest.raises(PricesRefused, match=words):
        read(document.encode("latin-1"), ROWS, TERMS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it has no column time"),
        ("<!DOCTYPE html><html>", "it has no column time, only '<!doctype html>"),
        ("time;euro\n", "it has no column price, only 'time, euro'"),
        ("time;price\n", "it has no prices"),
        ("time;price\n2026-12-01 00:00\n", "it has a line that is too short"),
        ("time;price\n2026-12-01 00:00;1.23,5\n", "'1.23,5' is no price"),
        ("time;price\n2026-12-01 00:00;1e2\n", "'1e2' is no price"),
        ("time;price\n" + "1" * 200_000, "it is not CSV"),
    ],
)
def test_other_tables_are_refused(text: str, words: str) -> None:
    with pytest.raises(PricesRefused, match=words):
        of_csv(text)
