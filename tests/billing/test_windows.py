"""Windows of local time against a model that asks the local clock minute by minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levity_trio.billing.windows import DAY_MINUTES, HoldingSpan, Recurrence, Season, Times, spans
from tests.billing.cases import BERLIN, ZONES, moments

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
CHANGES = {
    "Europe/Berlin": [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)],
    "America/Vancouver": [
        datetime(2025, 3, 9, 10, tzinfo=UTC),
        datetime(2025, 11, 2, 9, tzinfo=UTC),
    ],
    "Australia/Lord_Howe": [
        datetime(2026, 4, 4, 15, tzinfo=UTC),
        datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
    ],
}

times = st.builds(Times, st.integers(0, DAY_MINUTES - 1), st.integers(1, DAY_MINUTES)).filter(
    lambda one: one[0] != one[1]
)
days = st.tuples(st.integers(1, 12), st.integers(1, 28))
recurrences = st.builds(
    Recurrence,
    st.lists(times, min_size=1, max_size=2).map(tuple),
    st.frozensets(st.integers(0, 6), min_size=1),
    st.none() | st.builds(Season, days, days),
)


def model(when: Recurrence, moment: datetime, zone: ZoneInfo) -> bool:
    """What the clock on the wall says, by walking through each range."""
    local = moment.astimezone(zone)
    minute, day = local.hour * 60 + local.minute, (local.month, local.day)
    in_times = any(
        minute in ([*range(s, u)] if s < u else [*range(s, DAY_MINUTES), *range(u)])
        for s, u in when.times
    )
    in_season = True
    if when.season:
        first, last = when.season
        in_season = first <= day <= last if first <= last else not last < day < first
    return in_times and in_season and local.weekday() in when.weekdays


def found(
    when: Recurrence, since: datetime, until: datetime, zone: ZoneInfo
) -> list[HoldingSpan[bool]]:
    minutes = [minute for one in when.times for minute in one]
    return spans(since, until, zone, minutes, when.holds)


@given(recurrences, moments, st.integers(0, 4 * DAY_MINUTES), st.sampled_from(ZONES))
@settings(deadline=None)
def test_spans_are_what_the_clock_says(
    when: Recurrence, at: datetime, length: int, zone: ZoneInfo
) -> None:
    since = at.replace(second=0, microsecond=0)
    minutes = [since + number * MINUTE for number in range(length)]
    shown = [
        span.holds
        for span in found(when, since, since + length * MINUTE, zone)
        for _ in range(_minutes(span))
    ]
    assert shown == [model(when, minute, zone) for minute in minutes]


def _minutes(span: HoldingSpan[bool]) -> int:
    return (span.until - span.since) // MINUTE


@pytest.mark.parametrize("zone", ZONES, ids=str)
def test_a_year_is_covered_once(zone: ZoneInfo) -> None:
    """Each minute of a year with both clock changes lies in one span, which holds what the clock
    says."""
    night = Recurrence((Times(1 * 60 + 45, 2 * 60 + 15), Times(22 * 60, 24 * 60)))
    since = datetime(2025, 1, 1, tzinfo=UTC)
    until = since + timedelta(days=365)
    year = found(night, since, until, zone)
    assert [span.since for span in year] == [since, *(span.until for span in year[:-1])]
    assert year[-1].until == until
    at = since
    for span in year:
        while at < span.until:
            assert span.holds == model(night, at, zone)
            at += 5 * MINUTE


@pytest.mark.parametrize("zone", ZONES, ids=str)
def test_windows_around_a_clock_change(zone: ZoneInfo) -> None:
    """A window that begins or ends in the hour that is skipped or comes twice, minute by minute."""
    for change in CHANGES[zone.key]:
        assert change.astimezone(zone).utcoffset() != (change - MINUTE).astimezone(zone).utcoffset()
        for begin in range(0, 4 * 60, 15):
            when = Recurrence((Times(begin, begin + 40),))
            since = change - 6 * HOUR
            shown = [
                one.holds
                for one in found(when, since, change + 6 * HOUR, zone)
                for _ in range(_minutes(one))
            ]
            assert shown == [
                model(when, since + number * MINUTE, zone) for number in range(12 * 60)
            ]


def test_days_of_23_and_25_hours() -> None:
    day = Recurrence(weekdays=frozenset({6}))
    lengths = {
        span.until - span.since
        for span in found(
            day, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC), BERLIN
        )
        if span.holds
    }
    assert lengths == {23 * HOUR, 24 * HOUR, 25 * HOUR}


def test_a_moment_is_one_span() -> None:
    at = datetime(2026, 5, 1, 20, tzinfo=UTC)
    assert found(Recurrence((Times(22 * 60, 6 * 60),)), at, at, BERLIN) == [
        HoldingSpan(at, at, True)
    ]


def test_a_night_of_fridays_is_both_ends_of_friday() -> None:
    when = Recurrence((Times(22 * 60, 6 * 60),), frozenset({4}))
    friday = datetime(2026, 10, 2, tzinfo=BERLIN)
    held = [hour for hour in range(-24, 48) if when.holds(friday + timedelta(hours=hour))]
    assert held == [*range(6), 22, 23]
