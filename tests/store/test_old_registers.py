"""A meter in a cloud: each register is 15 minutes old, with its right time, and those of start and
stop are, too.

What readings dated inside a session add after its stop counts. Until they have come, or if they
never come, the session waits, and so does the next one, whose start is as old (issue 40).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.test_judged_neighbours import differing, until_quiet

Readings = Literal["with its id", "without an id", "of the next only", "none after the stop"]
START_WH = 1000


class Cloud:
    """A charger whose meter is in a cloud; `age` and `every` in minutes."""

    def __init__(
        self, books: Books, drawn: Sequence[tuple[float, float, float]], age: float, every: float
    ) -> None:
        self.books, self.station, self.begun = books, Station(books), books.now
        self.drawn, self.age, self.every = drawn, age, every

    @property
    def minute(self) -> float:
        return (self.books.now - self.begun).total_seconds() / 60

    def register(self, minute: float) -> int:
        """Return what the meter truly shows at a minute."""
        wh = (
            watts / 60 * max(0.0, min(minute, until) - since) for since, until, watts in self.drawn
        )
        return round(START_WH + sum(wh))

    @property
    def old(self) -> int:
        return self.register(self.minute - self.age)

    def run(self, until: float, transaction: int | None, *, is_silent: bool = False) -> None:
        """Wait, with a reading as often as this charger sends them."""
        while self.minute + self.every < until:
            self.books.wait(self.every)
            if not is_silent:
                reading = self.station.register(self.old, minutes_ago=self.age)
                self.station.tell(reading, transaction=transaction)
        self.books.wait(until - self.minute)


class Told(NamedTuple):
    at_stop: str
    """The confidence of the first figure at its stop."""
    first: tuple[int, str]
    second: tuple[int, str]


def play(
    books: Books,
    readings: Readings,
    gap: float,
    age: float = 15,
    every: float = 5,
    minutes: float = 90,
) -> Told:
    """Two cars, one after the other, at 3,680 W."""
    begun = minutes + gap
    cloud = Cloud(books, [(0, minutes, 3680), (begun, begun + 60, 3680)], age, every)
    station, goes_on = cloud.station, readings in ("with its id", "without an id")
    first = station.start(cloud.old)
    cloud.run(minutes, first)
    station.stop(first, cloud.old)
    at_stop = station.bill(first)[2]
    cloud.run(begun, first if readings == "with its id" else None, is_silent=not goes_on)
    second = station.start(cloud.old)
    cloud.run(begun + 60, second, is_silent=readings == "none after the stop")
    station.stop(second, cloud.old)
    cloud.run(
        cloud.minute + age + 10,
        second if readings == "with its id" else None,
        is_silent=not goes_on,
    )
    until_quiet(books)
    assert differing(books) == []
    bills = [station.bill(one) for one in (first, second)]
    return Told(at_stop, *((wh, confidence) for wh, _, confidence in bills))


@pytest.mark.parametrize("gap", [5, 10, 30])
@pytest.mark.parametrize("readings", ["with its id", "without an id"])
def test_readings_after_the_stop_count(books: Books, readings: Readings, gap: float) -> None:
    assert play(books, readings, gap) == ("doubtful", (5520, "certain"), (3680, "certain"))


def test_another_age_and_interval(books: Books) -> None:
    told = play(books, "with its id", gap=20, age=7, every=2)
    assert told == ("doubtful", (5520, "certain"), (3680, "certain"))


@pytest.mark.parametrize("gap", [5, 30])
def test_the_next_transaction_may_bring_them(books: Books, gap: float) -> None:
    """Its own last ones never come, so it waits."""
    assert play(books, "of the next only", gap) == (
        "doubtful",
        (5520, "certain"),
        (2760, "doubtful"),
    )


@pytest.mark.parametrize("readings", ["with its id", "of the next only"])
def test_both_wait_if_the_next_one_began_before_a_reading_showed_the_end(
    books: Books, readings: Readings
) -> None:
    told = play(books, readings, gap=2)
    assert (told.at_stop, told.first[1], told.second[1]) == ("doubtful", "doubtful", "doubtful")


@pytest.mark.parametrize("gap", [2, 5, 30])
def test_both_wait_if_they_never_come(books: Books, gap: float) -> None:
    told = play(books, "none after the stop", gap)
    assert (told.at_stop, told.first[1], told.second[1]) == ("doubtful", "doubtful", "doubtful")


@pytest.mark.parametrize("late", [0, 40, 200])
def test_what_came_in_time_shows_the_age_though_the_rest_waited(books: Books, late: float) -> None:
    """The second half and the stop arrive at once, when the link is up again: they can only be
    older."""
    cloud = Cloud(books, [(0, 90, 3680)], age=12, every=6)
    station, transaction = cloud.station, cloud.station.start(START_WH)
    cloud.run(45, transaction)
    books.wait(45 + late)
    for minute in range(48, 90, 6):
        own = minute - cloud.age
        station.tell(
            meter_value(station.clock(cloud.minute - own), cloud.register(own)),
            transaction=transaction,
        )
    station.stop(transaction, cloud.register(90 - cloud.age), at=station.clock(cloud.minute - 90))
    assert station.bill(transaction)[2] == "doubtful"


# Honest ones


def honest(
    books: Books, drawn: Sequence[tuple[float, float, float]], *, is_live: bool, age: float = 15
) -> tuple[int, str]:
    cloud = Cloud(books, drawn, age, 5)
    transaction = cloud.station.start(cloud.register(cloud.minute) if is_live else cloud.old)
    cloud.run(90, transaction)
    cloud.station.stop(transaction, cloud.register(cloud.minute) if is_live else cloud.old)
    until_quiet(books)
    wh, _, confidence = cloud.station.bill(transaction)
    return wh, confidence


def test_a_car_that_was_full_before_lacks_nothing(books: Books) -> None:
    assert honest(books, [(0, 60, 3680)], is_live=False) == (3680, "certain")


@pytest.mark.parametrize("age", [3, 15])
def test_a_stop_that_is_live_lacks_nothing(books: Books, age: float) -> None:
    assert honest(books, [(0, 90, 3680)], is_live=True, age=age) == (5520, "certain")


def test_readings_that_are_not_old_are_as_before(books: Books) -> None:
    assert honest(books, [(0, 90, 3680)], is_live=True, age=0) == (5520, "certain")


def test_readings_of_a_queue_are_not_always_old(books: Books) -> None:
    cloud = Cloud(books, [(0, 90, 3680)], 0, 5)
    transaction = cloud.station.start(cloud.register(0))
    books.wait(80)
    for minute in range(5, 80, 5):
        cloud.station.tell(
            cloud.station.register(cloud.register(minute), minutes_ago=80 - minute),
            transaction=transaction,
        )
        books.wait(1 / 60)
    books.wait(10)
    cloud.station.stop(transaction, cloud.register(90))
    assert cloud.station.bill(transaction)[::2] == (5520, "certain")
