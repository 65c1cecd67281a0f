from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levity_trio.wire.times import (
    from_seconds,
    in_zone,
    parse_time,
    shifted_stamp,
    stamp,
    wire_time,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T12:00:00Z",
        "2026-03-01t12:00:00z",
        "2026-03-01 12:00:00Z",
        "2026-03-01T12:00:00",
        "2026-03-01T12:00",
        "2026-03-01T12:00:00.000Z",
        "2026-03-01T12:00:00.0000000000000000Z",
        "2026-03-01T12:00:00,0Z",
        "2026-03-01T12:00:00+00:00",
        "2026-03-01T12:00:00-00:00",
        "2026-03-01T14:00:00+02",
        "2026-03-01T14:00:00+0200",
        "2026-03-01T14:00:00+02:00",
        "2026-03-01T06:30:00-05:30",
        "2026-03-01T12:00:00 +00:00",
        "2026-03-02T11:59:00+23:59",
        " 2026-03-01T12:00:00Z\r\n",
    ],
)
def test_spellings_of_one_moment(text: str) -> None:
    moment = parse_time(text)
    assert moment == NOON
    assert moment is not None
    assert moment.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [("12:00:00.5Z", 500_000), ("12:00:00.1234567Z", 123_456), ("12:00:00.9999999", 999_999)],
)
def test_fractions_are_cut_off_and_not_rounded(text: str, microsecond: int) -> None:
    assert parse_time(f"2026-03-01T{text}") == NOON.replace(microsecond=microsecond)


def test_a_leap_second_is_the_next_minute() -> None:
    assert parse_time("2026-12-31T23:59:60Z") == datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["1970-01-01T00:00:00Z", "2024-02-29T00:00:00Z", "9999-12-31T23:59:59Z"]
)
def test_times_that_exist_are_read_however_unlikely(text: str) -> None:
    moment = parse_time(text)
    assert moment is not None
    assert wire_time(moment) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "1700000000",
        "2026-03-01",
        "20260301T120000Z",
        "2026-W09-7T12:00:00Z",
        "2026-03-01x12:00:00Z",
        "2026-02-29T12:00:00Z",
        "2026-02-29T12:00:00.0Z",
        "2026-13-01T12:00:00Z",
        "2026-03-01T24:00:00Z",
        "2026-03-01T12:60:00Z",
        "2026-03-01T12:00:61Z",
        "2026-03-01T12:00:00+24:00",
        "2026-03-01T12:00:00+02:60",
        "2026-03-01T12:00:00 Europe/Berlin",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "9999-12-31T23:59:60Z",
        "٢٠٢٦-03-01T12:00:00Z",
        "\ud800",
        "2026-03-01T12:00:00Z" * 10_000,
        "2026-03-01T12:00:00" + " " * 100_000 + "x",
        " " * 100_000 + "x",
        "2026-03-01T12:00:00." + "0" * 100_000 + "x",
    ],
)
def test_what_is_no_time(text: str) -> None:
    assert parse_time(text) is None


@given(
    st.text()
    | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}([+-][0-9:]{2,6}|Z)?", fullmatch=True)
)
@settings(max_examples=200)
def test_any_text(text: str) -> None:
    moment = parse_time(text)
    assert moment is None or moment.utcoffset() == timedelta(0)


@given(
    st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)),  # noqa: DTZ001
    st.integers(-720, 720),
)
@settings(max_examples=200)
def test_what_we_write_is_read_as_the_same_second(naive: datetime, offset_minutes: int) -> None:
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    text = wire_time(moment)
    assert len(text) == len("2026-03-01T12:00:00Z")
    assert parse_time(text) == moment.replace(microsecond=0)


def test_a_time_without_zone_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="zone"):
        wire_time(datetime(2026, 3, 1))  # noqa: DTZ001


@pytest.mark.parametrize(
    "zone", ["UTC", "Pacific/Kiritimati", "Pacific/Auckland", "America/New_York", "Etc/GMT+12"]
)
def test_every_moment_of_the_calendar_is_shown_in_every_zone(zone: str) -> None:
    day = timedelta(days=1)
    for moment in (
        datetime.min,  # noqa: DTZ901
        datetime.max,  # noqa: DTZ901
        datetime.min + day / 3,  # noqa: DTZ901
        datetime.max - day / 3,  # noqa: DTZ901
        datetime(2026, 3, 1),  # noqa: DTZ001
    ):
        shown = in_zone(moment.replace(tzinfo=UTC), ZoneInfo(zone))
        assert abs(shown.replace(tzinfo=UTC) - moment.replace(tzinfo=UTC)) < day
        assert shown.isoformat()
        assert in_zone(shown, UTC).tzinfo is UTC
    assert in_zone(datetime(2026, 3, 1, tzinfo=UTC), None).tzinfo is not None


def test_no_shift_leaves_the_calendar() -> None:
    first, last = "0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"
    for by in (timedelta(seconds=1), timedelta(days=400), timedelta(days=10**8)):
        assert shifted_stamp(first, -by) == first
        assert shifted_stamp(last, by) == last
    assert shifted_stamp(first, timedelta(seconds=1)) == "0001-01-01T00:00:01.000Z"
    assert [stamp(from_seconds(seconds)) for seconds in (-1e300, 0.25, 1e300)] == [
        first,
        "1970-01-01T00:00:00.250Z",
        last,
    ]
