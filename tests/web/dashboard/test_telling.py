"""Texts with figures, as people read them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from levity_trio.charging.sent.figures import METHODS
from levity_trio.store.reads.transactions.bill import Bill
from levity_trio.told import Told
from levity_trio.web.dashboard import words
from levity_trio.web.dashboard.words import grounds, measured

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (4103619.0, "Wh", "4\u202f103.619 kWh"),
        (7.2, "kW", "7.2 kW"),
        (100.0, "", "100"),
        (None, "Wh", "–"),
    ],
)
def test_a_value_has_the_unit_of_people(value: float | None, unit: str, shown: str) -> None:
    assert measured(value, unit) == shown


def test_each_way_to_find_a_figure_has_words() -> None:
    assert {*METHODS} < {*words.METHODS}
    assert words.method("a new one") == "a new one"


def test_a_ground_names_the_household_and_the_tag_as_it_was_sent() -> None:
    what = Told("household {1}", 5), Told("the card {1}", "04c0ffee"), "3 Nov 2026"
    claimed = Told("{1}: {2} belonged to it since {3}", *what)
    told_by_api = Told("{1}, given by {2}: {3}", claimed, "cleo", "from account 51")
    nothing: dict[str, Any] = dict.fromkeys(Bill.__dataclass_fields__)
    bill = Bill(**{**nothing, "account": 5, "account_name": r"Flat \1", "grounds": (told_by_api,)})
    assert grounds(bill, "04C0FFEE") == [
        (
            r"Flat \1: the card 04C0FFEE belonged to it since 3 Nov 2026, given by cleo: from "
            r"account 51"
        )
    ]
    assert grounds(replace(bill, account_name=None), None)[0].startswith(
        "household 5: the card 04c0ffee "
    )
    assert grounds(None, "04C0FFEE") == ()
