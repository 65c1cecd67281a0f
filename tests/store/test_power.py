"""The power of the site by the quarter of an hour: messages that are late, repeated, or from a
wrong clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import orjson
import pytest

from levity_trio.charging.quarters import SECONDS
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.now import energy_now
from levity_trio.store.reads.transactions.power import A_DAY, DayPower, power_of_day
from levity_trio.store.upkeep.derived import Metering
from levity_trio.store.upkeep.pruning import POWER_KEPT
from levity_trio.store.writes.load.load import delete_energy_before
from levity_trio.wire.times import stamp
from tests.charger.parts import InlineWriter
from tests.store.books import NOON, Books, Station
from tests.store.deciding import Operator
from tests.store.reading import reading
from tests.store.telling import charge

T = TypeVar("T")
QUARTER = 15
DAY = timedelta(days=1)


class Inline:
    """Reads of a test's books."""

    def __init__(self, books: Books) -> None:
        self.books = books

    async def run(self, read: Callable[[Database], T]) -> T:
        with reading(self.books) as db:
            return read(db)


class Kept:
    """The task that keeps the table, look by look; a new one is a server that was started again."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.restart()

    def restart(self) -> None:
        parts: tuple[Any, Any] = InlineWriter(self.books.connection), Inline(self.books)
        self._metering = Metering(*parts)

    async def look(self) -> None:
        await self._metering.look()

    def rows(self) -> list[tuple[int, int, int, list[int | None]]]:
        found = self.books.rows("SELECT tx_id, day, since, wh FROM power ORDER BY tx_id, day")
        return [(number, day, since, orjson.loads(wh)) for number, day, since, wh in found]

    def sums(self) -> dict[int, int]:
        """What is known of each transaction, in Wh."""
        sums: dict[int, int] = {}
        for number, _, _, wh in self.rows():
            sums[number] = sums.get(number, 0) + sum(one or 0 for one in wh)
        return sums

    def day(self, at: datetime | None = None) -> DayPower:
        begin = (at or self.books.now).replace(hour=0, minute=0, second=0, microsecond=0)
        times = [stamp(one) for one in (begin - DAY, begin, begin + DAY)]
        with reading(self.books) as db:
            return power_of_day(db, f"{begin:%Y-%m-%d}", "UTC", times, self.books.at)


@pytest.fixture
def kept(books: Books) -> Kept:
    return Kept(books)


async def test_a_session_while_it_runs_and_after_it(
    books: Books, station: Station, kept: Kept
) -> None:
    transaction, register = station.start(1000), 1000
    looks = []
    for _ in range(4):
        register = charge(station, transaction, register, minutes=QUARTER)
        await kept.look()
        looks.append(kept.rows())
    assert [wh for _, _, _, wh in looks[-1]] == [[1800, 1800, 1800, 1800, 0]]
    assert [sum(one or 0 for one in rows[0][-1]) for rows in looks] == [1800, 3600, 5400, 7200]
    station.stop(transaction, register)
    await kept.look()
    assert (
        kept.sums()
        == {transaction: books.value("SELECT energy_delivered FROM tx")}
        == {transaction: 7200}
    )


@pytest.mark.logs_errors
async def test_a_session_that_cannot_be_computed_holds_up_no_other(
    books: Books, station: Station, kept: Kept, log_lines: list[Any]
) -> None:
    sessions = []
    for number in range(3):
        transaction = station.start(1000 * number)
        station.stop(transaction, charge(station, transaction, 1000 * number))
        sessions.append(transaction)
    books.connection.execute(
        "UPDATE tx SET start_time = '2026-02-30T12:00:00.000Z' WHERE id = ?", (sessions[0],)
    )
    for _ in range(3):
        await kept.look()
        kept.restart()
    assert kept.sums().keys() == {*sessions[1:]}
    assert [line["transactions"] for line in log_lines if "transactions" in line] == [[sessions[0]]]


def since_midnight(books: Books, *so_far_wh: int) -> int:
    with reading(books) as db:
        return energy_now(db, books.now, ZoneInfo("UTC"), so_far_wh).day_wh


async def test_today_has_what_flowed_since_midnight(
    books: Books, station: Station, kept: Kept
) -> None:
    """Of a session with 7.2 kW from 22:30 on, and of one that told its two registers only: nobody
    knows when in two hours it flowed, but all of it today."""
    books.now = NOON.replace(hour=22, minute=30)
    transaction = station.start(1000)
    register = charge(station, transaction, 1000, minutes=185)
    await kept.look()
    assert (
        since_midnight(books, register - 1000)
        == sum(one.energy_wh for one in kept.day().chargers)
        == 11_400
    )
    station.stop(transaction, register)
    books.wait(5)
    silent = station.start(register)
    books.wait(120)
    station.stop(silent, register + 5000)
    await kept.look()
    assert since_midnight(books) == 16_400
    books.now = books.now.replace(hour=0, minute=20) + DAY
    assert since_midnight(books) == 0


@pytest.mark.parametrize("is_register", [True, False], ids=["register", "energy"])
async def test_what_a_person_read_flowed_after_the_last_reading(
    books: Books, station: Station, kept: Kept, is_register: bool
) -> None:
    """7.2 kW for an hour, then nothing; three hours later the display showed 20 kWh more."""
    transaction = station.start(1000)
    charge(station, transaction, 1000)
    station.lose()
    books.wait(240)
    anna, ended = Operator(books), stamp(NOON + timedelta(hours=4))
    anna.close(transaction, ended, 28_200 if is_register else None)
    if not is_register:
        anna.correct(transaction, figure_wh=27_200)
    await kept.look()
    ((*_, wh),) = kept.rows()
    assert wh == [1800, 1800, 1800, 1800, *[None] * 13]


async def test_what_was_known_after_a_kill_is_what_was_known_before(
    station: Station, kept: Kept
) -> None:
    transaction = station.start(1000)
    register = charge(station, transaction, 1000, minutes=40)
    await kept.look()
    register = charge(station, transaction, register, minutes=40)
    kept.restart()
    await kept.look()
    once = kept.rows()
    kept.restart()
    await kept.look()
    assert kept.rows() == once
    assert kept.sums() == {transaction: register - 1000}


async def test_a_repeated_message_counts_once(station: Station, kept: Kept) -> None:
    transaction = station.start(1000)
    register = charge(station, transaction, 1000)
    again = station.register(register)
    for _ in range(3):
        station.tell(again, transaction=transaction)
    station.stop(transaction, register)
    station.stop(transaction, register)
    await kept.look()
    assert kept.sums() == {transaction: register - 1000}


async def test_a_queue_that_comes_late_fills_the_gap(
    books: Books, station: Station, kept: Kept
) -> None:
    transaction = station.start(1000)
    register = charge(station, transaction, 1000, minutes=30)
    waiting = []
    for _ in range(24):
        books.wait(5)
        register += 600
        waiting.append(station.register(register))
    await kept.look()
    assert kept.day().gaps[0].charger == "CP-1"
    station.tell(*waiting, transaction=transaction)
    await kept.look()
    assert kept.day().gaps == []
    assert kept.sums() == {transaction: register - 1000}


async def test_a_reading_that_comes_after_the_stop_is_in_it(
    books: Books, station: Station, kept: Kept
) -> None:
    transaction = station.start(1000)
    books.wait(45)
    late = station.register(8000)
    books.wait(45)
    station.stop(transaction, 9000)
    await kept.look()
    assert kept.sums() == {transaction: 0}, "nobody knows when"
    station.tell(late, transaction=transaction)
    await kept.look()
    assert kept.sums() == {transaction: 8000}
    ((_, _, _, wh),) = kept.rows()
    assert sum(one or 0 for one in wh[:3]) == pytest.approx(7000, abs=1)


async def test_a_corrected_figure_is_the_sum_again(
    books: Books, station: Station, kept: Kept
) -> None:
    transaction = station.start(1000)
    station.stop(transaction, charge(station, transaction, 1000))
    await kept.look()
    books.connection.execute("UPDATE tx SET energy_delivered = 720 WHERE id = ?", (transaction,))
    await kept.look()
    assert kept.sums() == {transaction: 720}


async def test_a_session_is_where_our_clock_was(books: Books, kept: Kept) -> None:
    station = Station(books, behind=26 * 60)
    transaction = station.start(1000)
    station.stop(transaction, charge(station, transaction, 1000))
    await kept.look()
    times = [day * A_DAY + since for _, day, since, _ in kept.rows()]
    assert times == [
        int(datetime.fromisoformat(books.value("SELECT start_time FROM tx")).timestamp()) // SECONDS
    ]


async def test_a_day_of_two_chargers(books: Books, station: Station, kept: Kept) -> None:
    other = Station(books, "CP-2")
    one, two = station.start(1000), other.start(500, tag="B")
    charge(station, one, 1000, minutes=30)
    other.tell(other.register(3500), transaction=two)
    books.wait(1)
    await kept.look()
    day = kept.day()
    assert [(power.charger, power.energy_wh) for power in day.chargers] == [
        ("CP-1", 3600),
        ("CP-2", 3000),
    ]
    assert sum(one or 0 for one in day.quarters) == 6600
    assert len(day.quarters) == 50, "it ends with the last quarter of which both have told"
    assert day.before == [None] * A_DAY, "there was no charger"


async def test_a_silent_charger_is_a_gap_and_the_others_go_on(
    books: Books, station: Station, kept: Kept
) -> None:
    other = Station(books, "CP-2")
    charge(station, station.start(1000), 1000, minutes=30)
    transaction = other.start(500, tag="B")
    charge(other, transaction, 500, minutes=60)
    await kept.look()
    day = kept.day()
    assert [(gap.charger, gap.until) for gap in day.gaps] == [
        ("CP-1", stamp(NOON.replace(minute=30, microsecond=0) + timedelta(hours=1)))
    ]
    assert day.quarters[-1] is not None


async def test_two_years_are_kept(books: Books, station: Station, kept: Kept) -> None:
    transaction = station.start(1000)
    station.stop(transaction, charge(station, transaction, 1000))
    await kept.look()
    for days, left in ((0, 1), (2, 0)):
        before = int((NOON + days * DAY).timestamp()) // 86_400
        assert books.run(delete_energy_before, before, 1.0) == (1 - left, True)
        assert books.count("power") == left
    assert POWER_KEPT > 2 * 365 * DAY
