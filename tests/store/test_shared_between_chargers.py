"""Two chargers that read one meter, because its address was entered twice: no kilowatt-hour is
billed to both.

They have one if both tell its serial number, or if starts are where the other one stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC

import pytest

from levity_trio.store.reads.transactions.explain import lines
from levity_trio.store.writes.transactions import decisions
from levity_trio.store.writes.transactions.decisions import Decision, DecisionRefused
from tests.store.books import Books, Station, meter_value
from tests.store.deciding import open_codes
from tests.store.telling import WATTS, assert_figure, bill_of, settle, watts
from tests.store.test_explain import explained

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores

BEGIN = 1_000_000
SERIAL = "EM340-7781"


class Site:
    """Chargers with one meter, or each with its own (`apart`: by how many Wh one is above the
    previous one)."""

    def __init__(
        self,
        *stations: Station,
        begin: int = BEGIN,
        apart: int | None = None,
        power: bool = False,
        serial: str = SERIAL,
    ) -> None:
        """`serial` is the number that each charger tells of its meter, if any."""
        if serial:
            for station in stations:
                station.boot(meter_serial_number=serial)
        self.books = stations[0].books
        self.stations = stations
        self.is_shared, self.power = apart is None, power
        self.wh = [begin + number * (apart or 0) for number in range(len(stations))]
        self.ids: dict[int, int] = {}

    def start(self, number: int) -> int:
        self.ids[number] = self.stations[number].start(self.wh[number])
        return self.ids[number]

    def stop(self, number: int) -> None:
        self.stations[number].stop(self.ids.pop(number), self.wh[number])

    def charge(self, minutes: int, *drawing: int, every: int = 5) -> None:
        for _ in range(minutes // every if every else 1):
            self.books.wait(every or minutes)
            for car in drawing:
                for number in range(len(self.wh)) if self.is_shared else (car,):
                    self.wh[number] += WATTS * (every or minutes) // 60
            for number, transaction in self.ids.items() if every else ():
                told = (watts(WATTS if number in drawing else 0),) if self.power else ()
                station = self.stations[number]
                station.tell(
                    meter_value(station.clock(), self.wh[number], *told), transaction=transaction
                )

    def charge_both(self, every: int = 5) -> tuple[int, int]:
        """Each charges for 60 minutes, 30 of them at once."""
        one = self.start(0)
        self.charge(30, 0, every=every)
        other = self.start(1)
        self.charge(30, 0, 1, every=every)
        self.stop(0)
        self.charge(30, 1, every=every)
        self.stop(1)
        settle(self.books)
        return one, other


def shared(books: Books, *transactions: int) -> list[bool]:
    return ["shared_register" in open_codes(books, number) for number in transactions]


def ahead(books: Books) -> Station:
    return Station(books, "CP-2", behind=-60)


def late(books: Books) -> Station:
    """Its clock is a minute and a half behind."""
    return Station(books, "CP-2", behind=1.5)


@pytest.mark.parametrize("every", [0, 1, 5, 15], ids="every {} minutes".format)
@pytest.mark.parametrize(
    "other", [lambda books: Station(books, "CP-2"), ahead, late], ids=["right", "ahead", "late"]
)
@pytest.mark.parametrize("power", [False, True], ids=["no power", "power"])
def test_what_both_counted_is_doubtful(
    books: Books, station: Station, other: Callable[[Books], Station], power: bool, every: int
) -> None:
    """With and without readings; also if the second charger's clock is wrong."""
    transactions = Site(station, other(books), power=power).charge_both(every)
    assert shared(books, *transactions) == [True, True]
    assert sum(bill_of(station, number)[1] for number in transactions) <= 3 * WATTS // 2 + WATTS


def test_three_chargers_with_one_meter(books: Books, station: Station) -> None:
    """They tell no serial number, but each evening the first one starts where the last one
    stopped."""
    site = Site(station, Station(books, "CP-2"), Station(books, "CP-3"), serial="")
    evenings = []
    for order in ((0, 1, 2), (1, 0, 2)) * 4:
        for place, number in enumerate(order, 1):
            site.start(number)
            site.charge(20, *order[:place])
        evenings.append(tuple(site.ids.values()))
        for place, number in enumerate(order, 1):
            site.stop(number)
            site.charge(15, *order[place:])
        books.wait(900)
    settle(books)
    assert shared(books, *evenings[4]) == [True] * 3


def test_a_low_register_is_shown_by_starts_where_the_other_one_stopped(
    books: Books, station: Station
) -> None:
    """Start and stop alone, of meters that are new, show nothing the first time."""
    site = Site(station, Station(books, "CP-2"), begin=2000, serial="")
    first = site.charge_both(every=0)
    assert shared(books, *first) == [False, False]
    later: list[int] = []
    for _ in range(2):
        books.wait(600)
        later += site.charge_both(every=0)
    assert shared(books, *later[2:]) == [True, True]


def test_it_is_judged_when_the_second_one_is_told_late(books: Books, station: Station) -> None:
    """The other charger was away, and sends its transaction after the first one ended."""
    site = Site(station, Station(books, "CP-2"))
    one = site.start(0)
    begun, begin = site.stations[1].clock(), site.wh[1] + 50
    site.charge(60, 0, 1)
    ended, end = site.stations[1].clock(), site.wh[1] - 50
    site.stop(0)
    settle(books)
    assert shared(books, one) == [False]
    other = site.stations[1].start(begin, at=begun)
    site.stations[1].stop(other, end, at=ended)
    settle(books)
    assert shared(books, one, other) == [True, True]


def test_only_what_flowed_at_once_is_doubtful(books: Books, station: Station) -> None:
    """One after the other, each counts its own car."""
    site = Site(station, Station(books, "CP-2"))
    ids = []
    for number in (0, 1, 0, 1):
        ids.append(site.start(number))
        site.charge(60, number)
        site.stop(number)
        books.wait(10)
    settle(books)
    for transaction in ids:
        assert_figure(station, transaction, WATTS, flagged=False)


@pytest.mark.parametrize("begin", [200, 20_000, BEGIN])
@pytest.mark.parametrize("apart", [20, 300, 5000])
def test_meters_of_their_own_are_not_doubted(
    books: Books, station: Station, begin: int, apart: int
) -> None:
    """Two new chargers with cars of the same power. Each begins where it stopped before, as after a
    test. What each charger of their model tells as a serial number is none."""
    site = Site(station, Station(books, "CP-2"), begin=begin, apart=apart, serial="0000")
    for number in (0, 1):
        site.start(number)
        site.charge(60, number)
        site.stop(number)
    for _ in range(3):
        books.wait(600)
        for transaction in site.charge_both():
            assert_figure(station, transaction, WATTS, flagged=False)


@pytest.mark.parametrize("has_readings", [False, True])
@pytest.mark.parametrize(("lead", "later"), [(260, 4), (900, 12)])
def test_meters_that_were_bought_on_one_day_rise_side_by_side(
    books: Books, station: Station, has_readings: bool, lead: int, later: int
) -> None:
    """The first evening, when no earlier one shows that each has its own: one car comes a few
    minutes after the other, and charges about as fast."""
    site = Site(station, Station(books, "CP-2"), begin=612_000, apart=lead, serial="")
    one = site.start(0)
    site.charge(later, 0, every=0)
    other = site.start(1)
    for _ in range(6):
        for number, minutes in ((0, 14 - later), (1, later)):
            site.charge(minutes, 0, 1, every=0)
            if has_readings:
                reader = site.stations[number]
                reader.tell(reader.register(site.wh[number]), transaction=site.ids[number])
        site.charge(1, 0, 1, every=0)
    site.stop(0)
    site.charge(later, 1, every=0)
    site.stop(1)
    settle(books)
    for transaction in (one, other):
        assert_figure(station, transaction, (90 + later) * WATTS // 60, flagged=False)


def test_one_number_of_more_than_two_chargers_is_none_of_a_meter(
    books: Books, station: Station
) -> None:
    Station(books, "CP-3").boot(meter_serial_number=SERIAL)
    for transaction in Site(
        station, Station(books, "CP-2"), begin=612_000, apart=300
    ).charge_both():
        assert_figure(station, transaction, WATTS, flagged=False)


def test_power_that_each_tells_for_itself_shows_two_meters(books: Books, station: Station) -> None:
    """Though both tell one serial number: together the cars drew more than it rose by."""
    for transaction in Site(
        station, Station(books, "CP-2"), begin=612_000, apart=300, power=True
    ).charge_both():
        assert_figure(station, transaction, WATTS, flagged=False)


def test_it_says_which_charger_and_both_are_not_confirmed_to_more_than_the_meter_rose_by(
    books: Books, station: Station
) -> None:
    one, other = Site(station, Station(books, "CP-2")).charge_both()
    assert f"also counted session {other} on connector 1 of CP-2" in station.review(one)
    assert any(
        f"  beside: {one} on connector 1 of CP-1" in line
        for line in lines(explained(books, other), UTC)
    )
    for number, wh in ((one, 2 * WATTS), (other, WATTS)):
        books.connection.execute("UPDATE tx SET energy_delivered = ? WHERE id = ?", (wh, number))
    books.run(decisions.confirm, one, Decision("cleo", "looked at both", books.at))
    with pytest.raises(DecisionRefused, match=f"for it and for {one}"):
        books.run(decisions.confirm, other, Decision("cleo", "looked at both", books.at))
