"""What other consumers draw: of late, and at this time of the day in the last seven days."""

from levity_trio.load.other_load import HOUR, MINUTE, LoadHistory
from levity_trio.load.tree import Phases

DAY = 24 * HOUR
NOW = 20_000 * DAY + 12 * HOUR


def highest(*seen: tuple[float, float]) -> Phases:
    """The highest at NOW of what was seen so many seconds before."""
    history = LoadHistory()
    for ago, amperes in sorted(seen, reverse=True):
        for second in (1, 0):  # a jump counts for a week when a second reading shows it, too
            history.add("Feeder", (amperes, 0, 0), NOW - ago - second, NOW - ago - second)
    return history.highest("Feeder", NOW)


def test_this_hour_and_its_neighbours_count_for_seven_days() -> None:
    for ago in (0, HOUR, DAY - HOUR, DAY, DAY + HOUR, 6 * DAY, 7 * DAY):
        assert highest((0, 1), (ago, 9)) == (9, 0, 0), ago
    for ago in (2 * HOUR, DAY - 2 * HOUR, DAY + 2 * HOUR, 8 * DAY):
        assert highest((0, 1), (ago, 9)) == (1, 0, 0), ago


def test_a_jump_that_one_reading_shows_counts_at_once_and_is_forgotten() -> None:
    history = LoadHistory()
    for second, amperes in enumerate((4, 4, 60, 4, 4)):
        history.add("Feeder", (amperes, 0, 0), NOW + 10 * second, NOW + 10 * second)
        assert history.other("Feeder", NOW + 10 * second, stale=False, lost=False).now == (
            amperes,
            0,
            0,
        )
    assert history.highest("Feeder", NOW) == (4, 0, 0)


def test_a_jump_is_remembered_once_all_cars_have_told_that_it_is_none_of_theirs() -> None:
    """The meter shows 20 A from the second on. One charger tells in the third what was before, the
    other in the fifth: then it is its car's, or not."""
    for later, remembered in ((4, 4), (20, 20)):
        history = LoadHistory()
        for second in range(10):
            amperes = 4 if second < 2 else 20 if second < 5 else later
            told_at = NOW - 10 if second < 3 else NOW - 3 if second < 5 else NOW + second
            history.add("Feeder", (amperes, 0, 0), NOW + second, told_at)
        assert history.highest("Feeder", NOW) == (remembered, 0, 0)


def test_without_these_hours_all_count() -> None:
    assert highest((5 * HOUR, 9), (7 * HOUR, 3)) == (9, 0, 0)


def test_of_late_is_a_quarter_of_an_hour() -> None:
    history = LoadHistory()
    for minute in range(60):
        at = NOW + minute * MINUTE
        history.add("Feeder", (60 - minute, minute, 0), at, at)
    other = history.other("Feeder", NOW + 59 * MINUTE, stale=False, lost=False)
    assert (other.now, other.recent) == ((1, 59, 0), (16, 59, 0))


def test_a_silent_meter_counts_with_its_highest_and_one_of_which_nothing_is_known_as_lost() -> None:
    history = LoadHistory()
    history.remember("Feeder", (7, 0, 0), NOW - 5 * HOUR)
    history.remember("Feeder", (0, 4, 0), NOW)
    other = history.other("Feeder", NOW, stale=True, lost=False)
    assert (other.now, other.recent, other.highest) == ((7, 4, 0), (7, 4, 0), (7, 4, 0))
    assert not other.lost
    assert history.other("Garage", NOW, stale=True, lost=False).lost


def test_what_only_one_reading_has_shown_is_remembered_for_five_minutes() -> None:
    """It may be what a car drew for a moment. Two readings are remembered for fifteen."""
    history, recent = LoadHistory(), []
    for second in range(0, 19 * MINUTE, 10):
        amperes = {60: 60, 120: 20, 130: 20}.get(second, 4)
        history.add("Feeder", (amperes, 0, 0), NOW + second, NOW + second)
        recent.append(history.other("Feeder", NOW + second, stale=False, lost=False).recent[0])
    of_minutes = recent[5::6]
    assert of_minutes == [4, *[60] * 6, *[20] * 11, 4]
