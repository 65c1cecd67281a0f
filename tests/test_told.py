"""Texts as data: what English says, what is stored, and that no value is translated."""

from __future__ import annotations

import copy
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.locale import speaking
from levity_trio.locale.texts import Reader, said
from levity_trio.told import (
    Amount,
    Bare,
    Clock,
    Day,
    DayOfYear,
    Figure,
    Moment,
    Quantity,
    Told,
    Value,
    Weekday,
    in_stored,
    joined,
    of_stored,
    stored,
    stored_in,
)
from levity_trio.web.http.texts import as_json, decoded, marking

LEAVES: Final[st.SearchStrategy[Value]] = st.one_of(
    *(
        st.text(),
        st.integers(-(10**9), 10**9),
        st.builds(Figure, st.floats(-1e6, 1e6), st.integers(0, 3)),
    ),
    *(
        st.builds(Quantity, st.integers(-(10**9), 10**9), st.sampled_from(("Wh", "W", "s"))),
        st.builds(Day, st.dates()),
    ),
    *(st.builds(Bare, st.integers(0, 10**6), st.just("Wh")), st.builds(Weekday, st.integers(0, 6))),
    *(
        st.builds(Moment, st.text()),
        st.builds(Clock, st.text(), st.text()),
        st.builds(DayOfYear, st.integers(1, 12), st.integers(1, 31)),
        st.builds(Amount, st.decimals(-1000, 1000, places=2), st.just("EUR")),
    ),
)


def _texts(values: st.SearchStrategy[Value]) -> st.SearchStrategy[Told]:
    return st.lists(values, min_size=1, max_size=3).map(lambda found: joined(", ", found))


TEXTS: Final = st.recursive(
    _texts(LEAVES), lambda inner: _texts(st.one_of(LEAVES, inner)), max_leaves=8
)


def test_a_text_is_english_and_knows_its_template() -> None:
    text = Told("{1} A at a limit of {2} A", Figure(8.4375, 1), 6)
    assert text == "8.4 A at a limit of 6 A"
    assert (text.template, text.values) == ("{1} A at a limit of {2} A", (Figure(8.4375, 1), 6))
    with speaking("de"):
        assert said(text) == "8,4 A bei einer Grenze von 6 A"


@pytest.mark.parametrize(
    ("value", "english", "page", "german"),
    [
        (Quantity(20500, "Wh"), "20500 Wh", "20.5 kWh", "20,5 kWh"),
        (Bare(20500, "Wh"), "20500", "20.5", "20,5"),
        (Quantity(7, "s"), "7 s", "7 s", "7 s"),
        (Quantity(5400, "s"), "5400 s", "90 min", "90 min"),
        (
            Amount(Decimal("0.32"), "EUR"),
            "0.32 EUR",
            "0.32\N{NO-BREAK SPACE}EUR",
            "0,32\N{NO-BREAK SPACE}€",
        ),
        (Moment("2026-11-03T17:04:05Z"), "2026-11-03T17:04:05Z", "18:04:05", "18:04:05"),
        (
            Moment("2025-11-03T17:04:05Z"),
            "2025-11-03T17:04:05Z",
            "3 Nov 2025 18:04:05",
            "3. Nov. 2025 18:04:05",
        ),
        (Clock("2026-11-03T17:04:05Z", "18:04"), "18:04", "18:04", "18:04"),
        (
            Clock("2026-05-04T17:04:05Z", "4 May 19:04"),
            "4 May 19:04",
            "4 May 19:04",
            "4. Mai 19:04",
        ),
        (Moment("0000-13-03T"), *["0000-13-03T"] * 3),
        (DayOfYear(2, 29), "02-29", "29 Feb", "29. Feb."),
        (Weekday(2), "Wed", "Wed", "Mi"),
        (Day(date(2025, 11, 3)), "2025-11-03", "3 Nov 2025", "3. Nov. 2025"),
    ],
)
def test_a_value_is_shown_in_the_units_of_its_reader(
    value: Value, english: str, page: str, german: str
) -> None:
    text, reader = (
        joined("", [value]),
        Reader(ZoneInfo("Europe/Berlin"), datetime(2026, 11, 3, 19, tzinfo=UTC)),
    )
    assert (text, said(text, reader)) == (english, page)
    with speaking("de"):
        assert said(text, reader) == german


@pytest.mark.parametrize("name", ["it drew {1} A", "not at all", "{1}", "{2}", "it did not boot"])
def test_a_name_that_is_a_text_of_the_catalogue_stays(name: str) -> None:
    with speaking("de"):
        assert (
            said(Told("load management does not limit {1}", name))
            == f"das Lastmanagement begrenzt {name} nicht"
        )


@given(TEXTS)
def test_what_is_stored_is_the_text(text: Told) -> None:
    for read in (of_stored(stored(text)), copy.deepcopy(text)):
        assert (read, read.template, read.values) == (text, text.template, text.values)  # type: ignore[attr-defined]


@given(TEXTS)
def test_what_is_stored_beside_a_text_is_not_taken_for_one(text: Told) -> None:
    """JSON may have fields that are called as the kinds of values are."""
    kept = {
        "text": "plain",
        "time": "2026",
        "day": 3,
        "amount": 1.5,
        "cars": [{"says": text, "figure": None}],
    }
    read = in_stored(stored_in(kept))
    assert (read, read["cars"][0]["says"].values) == (kept, text.values)


@given(TEXTS, st.text())
def test_a_page_gets_the_template_and_a_client_english(text: Told, name: str) -> None:
    assert orjson.loads(
        orjson.dumps({"of": [text, name]}, as_json, orjson.OPT_PASSTHROUGH_SUBCLASS)
    ) == {"of": [str.__str__(text), name]}
    with marking() as mark:
        body = orjson.dumps({"of": [text, name]}, as_json, orjson.OPT_PASSTHROUGH_SUBCLASS)
    (told, kept) = decoded(orjson.loads(body), mark)["of"]
    assert (told, told.values, kept) == (text, text.values, name)
