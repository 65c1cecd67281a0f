"""Numbers, days and money by the language of the request: pages, papers and scripts write them
alike."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from levity_trio.locale import speaking
from levity_trio.locale.formats import (
    number,
    of_environment,
    printed,
    short_day,
    short_month,
    typed,
)
from levity_trio.web.dashboard import money, shapes

DAY = date(2026, 11, 27)
AT = datetime(2026, 11, 27, 17, 4, 5, tzinfo=UTC)
NEXT_DAY, NEXT_YEAR = datetime(2026, 11, 28, 9, tzinfo=UTC), datetime(2027, 3, 1, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("write", "english", "german"),
    [
        (lambda: number(1234.56, 1), "1\u202f234.6", "1.234,6"),
        (lambda: number(-0.5, 2), "-0.50", "-0,50"),
        (lambda: typed(Decimal("1234.50")), "1234.50", "1234,50"),
        (lambda: printed(1234.5, 3), "1,234.500", "1.234,500"),
        (lambda: short_day(DAY), "27 Nov", "27. Nov."),
        (
            lambda: short_day(DAY, has_weekday=True, has_year=True),
            "Fri 27 Nov 2026",
            "Fr, 27. Nov. 2026",
        ),
        (lambda: short_month(DAY), "Nov 2026", "Nov. 2026"),
        (lambda: money.money(123_456, "EUR"), "1\u202f234.56\u00a0EUR", "1.234,56\u00a0€"),
        (lambda: money.money(-5, "CHF"), "−0.05\u00a0CHF", "−0,05\u00a0CHF"),
        (lambda: money.typed(500, "EUR"), "5.00", "5,00"),
        (lambda: money.percent("7.50"), "7.5 %", "7,5 %"),
        (lambda: money.day("2026-03-01"), "1 March 2026", "1. März 2026"),
        (lambda: money.month("2026-03"), "March 2026", "März 2026"),
        (lambda: shapes.when(AT, AT, BERLIN), "18:04", "18:04"),
        (lambda: shapes.when(AT, NEXT_DAY, BERLIN), "Fri 18:04", "Fr 18:04"),
        (lambda: shapes.when(AT, NEXT_YEAR, BERLIN), "27 Nov 2026", "27. Nov. 2026"),
        (lambda: shapes.clock(AT, NEXT_YEAR, BERLIN), "27 Nov 18:04:05", "27. Nov. 18:04:05"),
        (
            lambda: shapes.whole_time(AT, BERLIN),
            "Fri 27 Nov 2026, 18:04:05 CET",
            "Fr, 27. Nov. 2026, 18:04:05 MEZ",
        ),
        (lambda: shapes.size(3_400_000), "3.4 MB", "3,4 MB"),
        (lambda: shapes.kwh(12_345_678, 3), "12\u202f345.678", "12.345,678"),
        (lambda: shapes.typed_kwh(13_275), "13.275", "13,275"),
    ],
)
def test_each_language_writes_in_its_own_way(
    write: Callable[[], str], english: str, german: str
) -> None:
    assert write() == english
    with speaking("de"):
        assert write() == german


def test_what_is_shown_to_be_typed_is_read_as_it_is_shown() -> None:
    for name in ("en", "de"):
        with speaking(name):
            assert shapes.wh_of(shapes.typed_kwh(13_275)) == 13_275
            assert money.minor_of(money.typed(1050, "EUR"), "EUR") == 1050


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"LANG": "de_AT.UTF-8"}, "de"),
        ({"LANG": "de_DE", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_NUMERIC": "de_DE@euro"}, "de"),
        ({"LANG": "fr_FR"}, "en"),
        ({"LANG": "", "LC_ALL": ""}, "en"),
        ({}, "en"),
    ],
)
def test_commands_write_numbers_as_the_environment_says(given: dict[str, str], name: str) -> None:
    assert of_environment(given) == name
