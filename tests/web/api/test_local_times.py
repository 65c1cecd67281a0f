"""Times of operators in the time zone of the site."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest

from levity_trio.web.api.engine.lists import (
    GivenTime,
    begins_at,
    local_day,
    local_moment,
    midnight,
)
from levity_trio.web.api.engine.problems import Problem

BERLIN, LORD_HOWE = ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Lord_Howe")


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("2026-03-15", BERLIN, "2026-03-14T23:00:00.000Z"),
        ("2026-03-30", BERLIN, "2026-03-29T22:00:00.000Z"),
        ("2026-03-15T12:00", BERLIN, "2026-03-15T11:00:00.000Z"),
        ("2026-03-15T12:00:00.5Z", BERLIN, "2026-03-15T12:00:00.500Z"),
        ("2026-03-15 12:00+05:30", BERLIN, "2026-03-15T06:30:00.000Z"),
        ("2026-03-29T02:30", BERLIN, "2026-03-29T01:30:00.000Z"),  # left out
        ("2026-10-25T02:30", BERLIN, "2026-10-25T00:30:00.000Z"),  # twice
        ("2026-04-05", LORD_HOWE, "2026-04-04T13:00:00.000Z"),
        ("2026-04-06", LORD_HOWE, "2026-04-05T13:30:00.000Z"),
    ],
)
def test_a_time_or_a_day(text: str, zone: ZoneInfo, moment: str) -> None:
    assert local_moment(text, "since", zone) == moment


def test_the_example_in_its_description_is_one() -> None:
    _, described = get_args(GivenTime)
    example = described.description.removeprefix("A time such as ").partition(",")[0]
    assert local_moment(example, "since", BERLIN) == "2026-03-15T11:00:00.000Z"
    assert "T12:00" in described.description


@pytest.mark.parametrize(
    "text", ["", "soon", "2026-02-30", "2026-W09-1", "9999-12-31", "1999-12-31", "٢٠٢٦-01-01"]
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(Problem, match="since: give a time such as"):
        local_moment(text, "since", BERLIN)
    assert local_moment(None, "since", BERLIN) is None


def test_the_beginning_of_today() -> None:
    late = datetime(2026, 6, 30, 22, 30, tzinfo=UTC)
    servers: list[Any] = [
        SimpleNamespace(now=lambda: late, config=SimpleNamespace(time_zone=zone))
        for zone in (BERLIN, LORD_HOWE)
    ]
    assert tuple(map(midnight, servers)) == (
        "2026-06-30T22:00:00.000Z",
        "2026-06-30T13:30:00.000Z",
    )


def test_a_day_begins_at_its_midnight_or_after_the_gap() -> None:
    """Samoa left out a day."""
    apia = ZoneInfo("Pacific/Apia")
    assert begins_at(date(2026, 10, 25), BERLIN) == "2026-10-24T22:00:00.000Z"
    assert (
        begins_at(date(2011, 12, 30), apia)
        == begins_at(date(2011, 12, 31), apia)
        == "2011-12-30T10:00:00.000Z"
    )


def test_a_day_alone() -> None:
    assert local_day("2026-10-01", "since") == date(2026, 10, 1)
    for text in (
        "",
        "2026-10",
        "20261001",
        "2026-W40-4",
        "2026-10-01T00:00",
        "2026-02-30",
        "1999-12-31",
        "٢٠٢٦-01-01",
    ):
        with pytest.raises(Problem, match="since: give a day such as"):
            local_day(text, "since")
