"""Texts with figures, as people read them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from levity_trio.charging.sent.figures import METHODS
from levity_trio.store.reads.bill.shape import Bill
from levity_trio.told import Told
from levity_trio.web.dashboard import saying
from levity_trio.web.dashboard.saying import grounds, measured, told
from tests.web.dashboard.opening import BERLIN

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("60000 Wh in 900 s ↔ at most 7200 W", "60 kWh in 15 min ↔ at most 7.2 kW"),
        ("1000 to 5250 Wh", "1 to 5.25 kWh"),
        ("0 Wh in the last 90 s", "0 kWh in the last 90 s"),
        ("1234567 Wh in 12000 s", "1\u202f234.567 kWh in 3:20 h"),
        ("its energy is negative, -120 Wh", "its energy is negative, -0.12 kWh"),
        ("meterStart is 5000 Wh, the first reading is 7 Wh", "start register is 5 kWh, the first reading is 0.007 kWh"),
        ("start by CP-1; meterStart 225785", "start by CP-1; start register 225.785 kWh"),
        ("no meterStop", "no stop register"),
        ("; its time 2026-11-22T09:13:20Z", "; its time 22 Nov 10:13:20"),
        ("at 2026-11-24T09:13:20.123Z", "at 10:13:20"),
        ("at 2026-11-22T09:13:20+02:00", "at 22 Nov 08:13:20"),
        ("it is transaction 7 of account 3", "it is session 7 of household 3"),
    ],
)
def test_figures_are_in_the_units_of_people(words: str, said: str) -> None:
    assert told(words, NOW, BERLIN) == said


@pytest.mark.parametrize(
    "words",
    [
        "12 kWh",
        "1e+06 W",
        "CP-7 Wh",
        "v1.2.3 Wh",
        "7 Whatever",
        "at 2026-13-45T09:13:20Z",
        "230 V",
        "by 5 s-curves of A7 s",
    ],
)
def test_what_is_no_figure_stays(words: str) -> None:
    assert told(words, NOW, BERLIN) == words


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [(4103619.0, "Wh", "4\u202f103.619 kWh"), (7.2, "kW", "7.2 kW"), (100.0, "", "100"), (None, "Wh", "–")],
)
def test_a_value_has_the_unit_of_people(value: float | None, unit: str, shown: str) -> None:
    assert measured(value, unit) == shown


def test_each_way_to_find_a_figure_has_words() -> None:
    assert {*METHODS} < {*saying.METHODS}
    assert saying.method("a new one") == "a new one"


def test_a_ground_names_the_household_and_the_tag_as_it_was_sent() -> None:
    what = Told("household {1}", 5), Told("the card {1}", "04c0ffee"), "3 Nov 2026"
    claimed = Told("{1}: {2} belonged to it since {3}", *what)
    told_by_api = Told("{1}, given by {2}: {3}", claimed, "cleo", "from account 51")
    nothing: dict[str, Any] = dict.fromkeys(Bill.__dataclass_fields__)
    bill = Bill(**{**nothing, "account": 5, "account_name": r"Flat \1", "grounds": (told_by_api,)})
    assert grounds(bill, "04C0FFEE") == [
        r"Flat \1: the card 04C0FFEE belonged to it since 3 Nov 2026, given by cleo: from account 51"
    ]
    assert grounds(replace(bill, account_name=None), None)[0].startswith("household 5: the card 04c0ffee ")
    assert grounds(None, "04C0FFEE") == ()
