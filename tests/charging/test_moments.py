"""The interpretation of a charger's times."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.charging.sent.readings import understand
from levity_trio.charging.sent.timeline import Behind, Dated, Stretch, behind_of, stretches
from levity_trio.wire.times import (
    FIRST_BELIEVABLE,
    STATUS_AHEAD,
    TRANSACTION_AHEAD,
    minutes_before,
    stamp,
)
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


@pytest.mark.parametrize(
    "sent", [UNSET_CLOCK, "2020-12-31T23:59:59Z", "2026-03-02T12:00:01Z", "2199-12-31T00:00:00Z"]
)
def test_an_unbelievable_time_is_replaced_by_the_receipt(sent: str) -> None:
    moment = understand(sent, NOON)
    assert (moment.understood, moment.sent, moment.is_believable) == (NOW, sent, False)
    assert moment.skew_seconds is not None


@pytest.mark.parametrize(
    "sent", [None, "", "yesterday", "9999-01-01T00:00:00Z", "0001-01-01T00:00:00Z"]
)
def test_an_unreadable_time_has_no_skew(sent: str | None) -> None:
    assert understand(sent, NOON) == (NOW, sent, False, None)


def seconds_late(*late: float, apart: float = 300, readings: int = 0) -> list[Dated]:
    """Return messages that are so late, received at equal distances; the last ones are readings."""
    received = [number * apart for number in range(len(late))]
    first_reading = len(late) - readings
    return [
        Dated(at - one, at, place >= first_reading)
        for place, (at, one) in enumerate(zip(received, late, strict=True))
    ]


@pytest.mark.parametrize(
    ("told", "behind"),
    [
        (seconds_late(3600, 3600.5, 3600.9, apart=301), [3600]),
        (seconds_late(3600, 3605, 3610, apart=305), [3600]),
        (seconds_late(3600, 3605, 3611), []),
        (seconds_late(3600, 3600, 3600, apart=299), []),
        (seconds_late(3600, 3600), []),
        (seconds_late(3600, 3600, 3600, readings=1), [3600]),
        (seconds_late(3600, 3600, 3600, readings=2), []),
        (seconds_late(900, 900, 900, 900, 900, readings=5), []),
        (seconds_late(121, 121, 121), [121]),
        (seconds_late(45, 45, 45), [0]),
        (seconds_late(3600, 3600, 3600, 0, 0), [3600, 0]),
        (seconds_late(0, 3600, 3600, 3600), [0, 3600]),
        (seconds_late(1200, 900, 600, 300, 0), [0]),
    ],
)
def test_what_messages_show_of_their_clock(told: list[Dated], behind: list[float]) -> None:
    assert [one.behind for one in stretches(told)] == behind


def test_what_is_late_by_the_same_by_chance_shows_no_clock() -> None:
    """Between such messages are others of their kind that were less late."""
    assert [one.behind for one in stretches(seconds_late(3600, 0, 3600, 3600))] == [0]
    assert [one.behind for one in stretches(seconds_late(600, 300, 600, 200, 600))] == []
    assert [one.behind for one in stretches(seconds_late(600, 300, 600, 600, 600))] == [600]


def test_a_message_of_another_kind_that_is_less_late_makes_a_clock_unsure() -> None:
    first, status, *rest = seconds_late(3600, 0, 3600, 3600)
    told = [first, status._replace(is_status=True), *rest]
    (right, behind) = sorted(stretches(told), key=lambda one: one.behind)
    assert (right.behind, behind.behind, behind.is_refuted) == (0, 3600, True)


@given(st.lists(st.floats(1, 3600), min_size=1, max_size=200), st.floats(0, 0.9))
def test_a_queue_that_empties_faster_than_it_was_filled_shows_no_clock(
    gaps: list[float], pace: float
) -> None:
    """It is sent at a pace of the gaps in which it was filled, once the connection is back."""
    own = [sum(gaps[:place]) for place in range(len(gaps))]
    back = sum(gaps)
    told = [Dated(at, back + pace * at) for at in own]
    assert not any(one.behind for one in stretches(told))


BEHIND, WAS_RIGHT = Stretch(3600, 0, 9000), Stretch(0, 0, 9000)


@pytest.mark.parametrize(
    ("late", "own", "before", "found"),
    [
        (60, [], [BEHIND], Behind()),
        (3600, [BEHIND], [], Behind(3600)),
        (3659, [BEHIND], [WAS_RIGHT], Behind(3600)),
        (3600, [BEHIND._replace(is_refuted=True)], [], Behind(3600, is_sure=False)),
        (7000, [BEHIND], [BEHIND._replace(behind=3605)], Behind(3605)),
        (7000, [], [BEHIND], Behind(3600, is_sure=False)),
        (7000, [WAS_RIGHT], [BEHIND], Behind(3600, is_sure=False)),
        (7000, [BEHIND], [WAS_RIGHT], Behind(3600, is_sure=False)),
        (7000, [WAS_RIGHT], [WAS_RIGHT], Behind()),
        (7000, [WAS_RIGHT], [], Behind()),
        (7000, [], [], Behind()),
        (1000, [], [BEHIND], Behind()),
    ],
)
def test_the_clock_of_a_message(
    late: float, own: list[Stretch], before: list[Stretch], found: Behind
) -> None:
    """It is received at 8,000 s; one that is less late than a clock was behind is not of that
    clock."""
    assert behind_of(Dated(8000 - late, 8000), own, before) == found


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
