"""The interpretation of a charger's times (rules.md, Time)."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.charging.moments import FIRST_BELIEVABLE, STATUS_AHEAD, TRANSACTION_AHEAD, understand
from levity_trio.store.writes.origin import minutes_before
from levity_trio.wire.times import stamp
from tests.store.books import NOON, UNSET_CLOCK

NOW = stamp(NOON)


@pytest.mark.parametrize(
    ("sent", "meaning", "skew"),
    [
        ("2026-03-01T11:00:00Z", "2026-03-01T11:00:00.000Z", -3600),
        ("2026-03-01T13:00:00.123456+02", "2026-03-01T11:00:00.123Z", -3600),
        ("2026-03-01T11:00:00", "2026-03-01T11:00:00.000Z", -3600),
        ("2026-03-01T14:00:00Z", "2026-03-01T14:00:00.000Z", 7200),
        ("2021-01-01T00:00:00Z", "2021-01-01T00:00:00.000Z", None),
    ],
)
def test_a_believable_time_is_kept(sent: str, meaning: str, skew: int | None) -> None:
    moment = understand(sent, NOON)
    assert (moment.understood, moment.sent, moment.is_believable) == (meaning, sent, True)
    assert skew is None or moment.skew_seconds == skew


@pytest.mark.parametrize("sent", [UNSET_CLOCK, "2020-12-31T23:59:59Z", "2026-03-02T12:00:01Z", "2199-12-31T00:00:00Z"])
def test_an_unbelievable_time_is_replaced_by_the_receipt(sent: str) -> None:
    moment = understand(sent, NOON)
    assert (moment.understood, moment.sent, moment.is_believable) == (NOW, sent, False)
    assert moment.skew_seconds is not None


@pytest.mark.parametrize("sent", [None, "", "yesterday", "9999-01-01T00:00:00Z", "0001-01-01T00:00:00Z"])
def test_an_unreadable_time_has_no_skew(sent: str | None) -> None:
    assert understand(sent, NOON) == (NOW, sent, False, None)


def test_a_status_is_believable_up_to_five_minutes_ahead() -> None:
    within, beyond = (stamp(NOON + STATUS_AHEAD + timedelta(seconds=seconds)) for seconds in (0, 1))
    assert understand(within, NOON, STATUS_AHEAD).is_believable
    assert not understand(beyond, NOON, STATUS_AHEAD).is_believable
    assert understand(beyond, NOON).is_believable


@given(st.datetimes().map(lambda moment: moment.isoformat() + "Z") | st.text())
def test_any_text_gives_a_time_in_range(sent: str) -> None:
    moment = understand(sent, NOON)
    assert stamp(FIRST_BELIEVABLE) <= moment.understood <= stamp(NOON + TRANSACTION_AHEAD)
    assert moment.is_believable or moment.understood == NOW


def test_minutes_before() -> None:
    assert minutes_before("2026-03-01T00:05:00.250Z", 10) == "2026-02-28T23:55:00.250Z"
