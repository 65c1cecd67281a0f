"""Load management in shadow: from messages of chargers and meters to decisions, and over
restarts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final, TypeVar

import orjson
import pytest
import trio
from structlog.typing import EventDict

from levity_trio.events import BoostStarted, LoadExceeded, LoadExceedEnded, MeterBack, MeterSilent
from levity_trio.load.measurements import Witnesses, drawn, house_between, lines_used
from levity_trio.load.service import open_load
from levity_trio.load.tree import NOTHING, Phases, Socket
from levity_trio.plugins.base import Hooks
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.load import load as reads
from levity_trio.store.reads.load.load import ConnectorReading, LoadCar, LoadNow, PluggedIn
from levity_trio.store.writes.load import load
from levity_trio.wire.times import stamp
from tests.charger.parts import InlineWriter
from tests.load.steered import SteeredLoad
from tests.store.books import NOON, Books, Station, in_memory
from tests.store.reading import reading

VIRTUAL_TIME = True
T = TypeVar("T")
MINUTE = 60.0
FEEDER = '[[circuit]]\nname = "Feeder"\namperes = {}\nreserve = 0\n'
METERED = (
    '[[circuit]]\nname = "Feeder"\namperes = 40\nmeter = "Main"\n[[meter]]\nname = '
    '"Main"\nstale_seconds = 30\n'
)


class Served:
    """A server with load management; a restart keeps only its database."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.began = trio.current_time()
        self.reads = 0
        self.is_unreadable = False
        self.writer = InlineWriter(books.connection)
        self.hooks = Hooks()
        self.writer.publish = self.hooks.observe
        parts: tuple[Any, Any] = self.writer, self
        nobody: Any = SimpleNamespace(is_connected=lambda _: False)  # no charger is limited
        self.shadow = SteeredLoad(*parts, nobody, self.clock)

    def clock(self) -> datetime:
        return NOON + timedelta(seconds=trio.current_time() - self.began)

    async def run(self, read: Callable[[Database], T]) -> T:
        """Read, in place of a Reader."""
        self.reads += 1
        await trio.lowlevel.checkpoint()
        if self.is_unreadable:
            raise OSError("the disk is gone")
        with reading(self.books) as db:
            return read(db)

    def tell(self, say: Callable[..., object], *values: Any) -> None:
        """Let a charger say something now."""
        self.books.now = self.clock()
        self.books.facts.clear()
        say(*values)
        for fact in self.books.facts:
            self.hooks.observe(fact)

    def set_site(self, toml: str) -> None:
        self.tell(self.books.run, load.set_site, toml, self.books.at, "anna")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Served]:
        """Run until the block is left; then the server is killed."""
        async with open_load(self.shadow, self.hooks):
            yield self

    def restart(self) -> Served:
        again = Served(self.books)
        again.began = self.began
        return again

    @property
    def now(self) -> LoadNow:
        assert self.shadow.now is not None
        return self.shadow.now

    def car(self, charger: str) -> LoadCar:
        (found,) = (one for one in self.now.cars if one.charger == charger)
        return found

    def limits(self) -> dict[str, int]:
        return {one.charger: one.limit_a for one in self.now.cars}

    async def measure(self, seconds: float, *amperes: float) -> None:
        """Let the meter show these currents every second for so long."""
        one, two, three = amperes
        for _ in range(int(seconds)):
            self.shadow.measured("Main", (one, two, three))
            await trio.sleep(1)


@pytest.fixture
def books() -> Iterator[Books]:
    with closing(in_memory()) as connection:
        yield Books(connection)


def plug_in(server: Served, *chargers: str) -> list[Station]:
    stations = []
    for charger in chargers:
        station = Station(server.books, charger)
        server.tell(station.start)
        server.tell(station.status, "Charging")
        stations.append(station)
    return stations


def draw(station: Station, *amperes: float) -> None:
    samples = [
        {"value": str(one), "measurand": "Current.Import", "unit": "A", "phase": f"L{line}"}
        for line, one in enumerate(amperes, 1)
    ]
    station.tell({"timestamp": station.clock(), "sampledValue": samples})


async def test_without_a_site_nothing_runs(books: Books) -> None:
    async with Served(books).running() as server:
        plug_in(server, "CP-1")
        await trio.sleep(20 * MINUTE)
        assert server.reads == 1
        assert not server.shadow.measured("Main", (1, 2, 3))
    assert books.count("load_state") == 0


async def test_cars_share_the_feeder_and_people_see_it(books: Books) -> None:
    async with Served(books).running() as server:
        server.set_site(FEEDER.format(21))
        plug_in(server, "CP-1", "CP-2")
        await trio.sleep(2)
        assert server.limits() == {"CP-1": 11, "CP-2": 10}
        await trio.sleep(10)
        with reading(books) as db:
            kept = reads.load_now(db)
        assert kept is not None
        assert kept.is_shadow
        assert [one.says for one in kept.cars] == [
            "would get 11 A of 32: Feeder L1",
            "would get 10 A of 32: Feeder L1",
        ]
        assert {line.phase: line.permitted_a for line in kept.lines} == {
            "L1": 21,
            "L2": 21,
            "L3": 21,
        }
        server.set_site("")
        await trio.sleep(2)
        assert server.shadow.now is None
    assert books.rows("SELECT count(*) FROM command") == [(0,)]


async def test_it_decides_at_once_and_once_a_second(books: Books) -> None:
    async with Served(books).running() as server:
        server.set_site(FEEDER.format(32))
        (station,) = plug_in(server, "CP-1")
        await trio.sleep(1.5)
        before = server.reads
        for _ in range(50):
            server.tell(station.status, "SuspendedEV")
            server.tell(station.status, "Charging")
            await trio.sleep(0.1)
        assert server.reads - before <= 6
        server.tell(station.status, "SuspendedEV")
        await trio.sleep(1.1)
        assert server.car("CP-1").drawn_a == 0
        before = server.reads
        await trio.sleep(MINUTE)
        assert server.reads - before <= 7
        assert server.car("CP-1").bound != "full"  # it may pause by itself
        await trio.sleep(5 * MINUTE)
        assert server.car("CP-1").bound == "full"


async def test_a_restart_keeps_turns_and_queue(books: Books) -> None:
    server = Served(books)
    async with server.running():
        server.set_site(FEEDER.format(12))
        for charger in ("CP-1", "CP-2", "CP-3", "CP-4"):
            plug_in(server, charger)
            await trio.sleep(30)
        await trio.sleep(5 * MINUTE)
        before, waits = server.limits(), server.car("CP-4")
    again = server.restart()
    async with again.running():
        await trio.sleep(3)
        assert again.limits() == before == {"CP-1": 6, "CP-2": 6, "CP-3": 0, "CP-4": 0}
        assert (waits.place_in_queue, waits.waiting) == (2, 2)
        assert again.car("CP-4").says.endswith("second of 2")
        since = dict(books.rows("SELECT tx.cp_id, tx.start_time FROM tx"))
        standings = {
            place: one
            for place, _, one in orjson.loads(books.value("SELECT standings FROM load_state"))
        }
        assert standings["CP-3"]["waits"] == pytest.approx(
            datetime.fromisoformat(since["CP-3"]).timestamp(), abs=2
        )
        # Beyond the quarter: both turns began soon enough to end there.
        await trio.sleep(9 * MINUTE)
        assert again.limits() == {"CP-1": 0, "CP-2": 0, "CP-3": 6, "CP-4": 6}


async def test_a_silent_meter_is_told_once_and_its_highest_counts(books: Books) -> None:
    server = Served(books)
    async with server.running():
        server.set_site(METERED)
        await trio.sleep(2)
        await server.measure(20, 20, 3, 3)
        plug_in(server, "CP-1")
        await server.measure(22 * MINUTE, 10, 3, 3)
        assert server.car("CP-1").limit_a == 25  # 1.13 × 40 A less the 20 A that were
        await trio.sleep(45)
        assert [one.is_stale for one in server.now.meters] == [True]
        assert server.car("CP-1").limit_a == 20
    assert [fact.meter for fact in server.writer.recorded(MeterSilent)] == ["Main"]
    again = server.restart()
    async with again.running():
        await trio.sleep(MINUTE)
        assert again.writer.recorded(MeterSilent) == []
        await again.measure(3, 10, 3, 3)
        assert [fact.meter for fact in again.writer.recorded(MeterBack)] == ["Main"]
        await trio.sleep(65 * MINUTE)
        assert (again.car("CP-1").bound, again.car("CP-1").limit_a) == ("safe", 6)


async def test_what_cars_draw_is_not_the_house(books: Books) -> None:
    async with Served(books).running() as server:
        server.set_site(METERED + '[[charger]]\nid = "CP-1"\nrotation = "STR"\n')
        await trio.sleep(2)
        await server.measure(5, 3, 4, 3)
        (station,) = plug_in(server, "CP-1")
        for _ in range(6):  # it begins to charge long before it is read
            await server.measure(10, 3, 20, 3)
            assert [line.house_a for line in server.now.lines] == [3, 4, 3]
        server.tell(draw, station, 16, 0, 0)
        await server.measure(12, 3, 20, 3)
        assert [line.house_a for line in server.now.lines] == [3, 4, 3]
        await server.measure(2, 3, 30, 3)
        assert [line.house_a for line in server.now.lines] == [3, 14, 3]
        for told in range(30):
            server.tell(draw, station, 16, 0, 0)
            await server.measure(11, 3, 20, 3)
            # Its register says nothing, so for five minutes it may be on other lines, too.
            if told < 20:
                assert [line.cars_a for line in server.now.lines] == [16, 16, 16]
        assert [(line.house_a, line.cars_a) for line in server.now.lines] == [
            (3, 0),
            (4, 16),
            (3, 0),
        ]


@pytest.mark.parametrize("every", [1, 30])
async def test_a_car_that_ends_is_no_house_until_the_meter_is_read(
    books: Books, every: int
) -> None:
    async with Served(books).running() as server:
        server.set_site(METERED)
        await trio.sleep(2)
        await server.measure(5, 4, 4, 4)
        (station,) = plug_in(server, "CP-1")
        for _ in range(6):
            server.tell(draw, station, 16, 0, 0)
            server.shadow.measured("Main", (20, 4, 4))
            await trio.sleep(every)
        server.tell(station.status, "SuspendedEV")
        await trio.sleep(every)
        server.shadow.measured("Main", (20, 4, 4))  # it was read a moment before
        await trio.sleep(every)
        for _ in range(20):
            server.shadow.measured("Main", (4, 4, 4))
            await trio.sleep(every)
        assert [(line.house_a, line.outage_a) for line in server.now.lines] == [(4, 4)] * 3


async def test_a_car_that_charges_when_the_meter_comes_is_no_house_for_a_week(books: Books) -> None:
    async with Served(books).running() as server:
        (station,) = plug_in(server, "CP-1")
        server.set_site(METERED + '[[charger]]\nid = "CP-1"\nrotation = "RST"\n')
        await trio.sleep(2)
        await server.measure(20, 20, 20, 20)
        assert [line.house_a for line in server.now.lines] == [20, 20, 20]
        server.tell(draw, station, 16, 16, 16)
        await server.measure(12, 20, 20, 20)
        assert [(line.house_a, line.outage_a) for line in server.now.lines] == [(4, 4)] * 3
        for _ in range(16 * 6):
            server.tell(draw, station, 16, 16, 16)
            await server.measure(10, 20, 20, 20)
        with reading(books) as db:  # from where a restart learns what the house draws
            assert {quarter.other_highest for quarter in reads.load_history(db, 0, 2**31)} == {4}


@pytest.mark.parametrize(
    ("total", "most", "before", "house"),
    [
        (20.0, 0.0, 4.0, 20.0),  # the house itself
        (20.0, 32.0, 4.0, 4.0),  # perhaps a car
        (40.0, 32.0, 4.0, 8.0),  # more than the car can be
        (2.0, 32.0, 4.0, 2.0),
        (20.0, 32.0, None, 20.0),
    ],
)
def test_what_of_a_meter_is_the_house(
    total: float, most: float, before: float | None, house: float
) -> None:
    known = None if before is None else (before, 0.0, 0.0)
    assert house_between((total, 0, 0), NOTHING, (most, 0, 0), known)[0] == house


async def test_an_exceeded_limit_is_told_after_a_minute_and_its_end(books: Books) -> None:
    async with Served(books).running() as server:
        server.set_site(METERED)
        await trio.sleep(2)
        await server.measure(50, 45, 3, 3)
        await server.measure(2, 39, 3, 3)
        await server.measure(59, 45, 3, 3)
        assert server.writer.recorded(LoadExceeded) == []
        await server.measure(20, 47, 3, 3)
        (begun,) = server.writer.recorded(LoadExceeded)
        assert (begun.circuit, begun.phase, begun.limit) == ("Feeder", "L1", 40)
        assert [(one.circuit, one.phase) for one in server.now.over] == [("Feeder", "L1")]
        await server.measure(30, 39, 3, 3)
        assert server.writer.recorded(LoadExceedEnded) == []
        await server.measure(40, 39, 3, 3)
        (ended,) = server.writer.recorded(LoadExceedEnded)
        assert ended.amperes == 47
        assert abs(ended.seconds - 79) <= 3
        assert server.now.over == []


async def test_quarters_of_an_hour_are_kept(books: Books) -> None:
    async with Served(books).running() as server:
        server.set_site(METERED)
        (station,) = plug_in(server, "CP-1")
        await trio.sleep(1)
        for _ in range(16 * 6):
            server.tell(draw, station, 9, 9, 9)
            await server.measure(10, 30, 15, 12)
        with reading(books) as db:
            day = reads.load_day(
                db, "2026-03-01", "UTC", "2026-03-01T12:00:00.000Z", "2026-03-01T13:00:00.000Z"
            )
    assert [line.phase for line in day.lines] == ["L1", "L2", "L3"]
    assert [line.house_a[0] for line in day.lines] == pytest.approx([21, 6, 3], abs=1)
    assert [line.cars_a[0] for line in day.lines] == pytest.approx([9, 9, 9], abs=1)
    assert [line.house_a[1:] for line in day.lines] == [[None] * 3] * 3
    (car,) = day.cars
    assert (car.drawn_a[0], car.transaction is not None) == (9, True)
    assert car.limit_a[0] is not None


async def test_a_grid_operator_limits_all_and_his_silence_too(books: Books) -> None:
    async with Served(books).running() as server:
        server.set_site(
            FEEDER.format(32) + "[grid]\nfailsafe_amperes = 8\nheartbeat_seconds = 120\n"
        )
        plug_in(server, "CP-1")
        await trio.sleep(2)
        assert (server.now.grid_a, server.limits()) == (8, {"CP-1": 8})
        await server.shadow.grid_limit(20, source="grid")
        await trio.sleep(100)
        assert server.now.grid_a == 20
        await server.shadow.grid_limit(20, source="grid")
        await trio.sleep(100)
        assert server.now.grid_a == 20
        await trio.sleep(40)
        assert server.now.grid_a == 8
    assert books.rows("SELECT amperes, count FROM load_order") == [(20, 2)]


@pytest.mark.parametrize("status", ["Charging", "SuspendedEV"])
async def test_a_charger_that_is_away_is_booked_with_its_maximum(books: Books, status: str) -> None:
    """A car that was full before may begin again, and nobody would see it."""
    async with Served(books).running() as server:
        server.set_site(FEEDER.format(40))
        first, _ = plug_in(server, "CP-1", "CP-2")
        server.tell(first.status, status)
        server.tell(first.lose)
        await trio.sleep(2)
        assert (server.car("CP-1").says, server.limits()["CP-1"]) == (
            "is away, so 32 A are kept for it",
            32,
        )
        assert server.limits()["CP-2"] == 8


async def test_people_limit_and_boost(books: Books) -> None:
    async with Served(books).running() as server:
        server.set_site(FEEDER.format(32))
        plug_in(server, "CP-1", "CP-2")
        await server.shadow.limit_by_hand(("CP-1", 1), 7, reason="warm plug", by="anna")
        await trio.sleep(2)
        assert (server.car("CP-1").limit_a, server.car("CP-1").bound) == (7, "hand")
        await server.shadow.limit_by_hand(("CP-1", 1), None, reason="", by="anna")
        await server.shadow.boost(("CP-1", 1), 10, reason="airport", by="anna")
        await trio.sleep(2)
        assert server.limits() == {"CP-1": 26, "CP-2": 6}
        await trio.sleep(16 * MINUTE)
        assert server.limits() == {"CP-1": 16, "CP-2": 16}
    assert len(server.writer.recorded(BoostStarted)) == 1
    ended = books.rows("SELECT kind, ended_by FROM load_wish ORDER BY id")
    assert ended == [("hand", "anna"), ("boost", "load management")]


async def test_what_fails_is_logged_once_and_tried_again(
    books: Books, log_lines: list[EventDict]
) -> None:
    async with Served(books).running() as server:
        server.set_site(FEEDER.format(32))
        await trio.sleep(2)
        server.is_unreadable = True
        plug_in(server, "CP-1")
        await trio.sleep(5 * MINUTE)
        assert server.now.cars == []
        failures = [line for line in log_lines if "load management cannot read" in line["event"]]
        assert len(failures) == 1
        server.is_unreadable = False
        await trio.sleep(11)
        assert server.limits() == {"CP-1": 32}


@pytest.mark.parametrize(
    ("options", "nights", "second"),
    [
        ("", 0, "CP-2"),
        ("[options]\ndriver_wishes = true\n", 9, "CP-3"),
        ("[options]\ndriver_wishes = true\n", 10, "CP-2"),
    ],
)
async def test_what_drivers_enter_counts_where_the_owner_allows_it(
    books: Books, options: str, nights: int, second: str
) -> None:
    async with Served(books).running() as server:
        driver = Station(books, "CP-3")
        for _ in range(nights):
            books.run(
                load.depart,
                ("CP-3", 1),
                transaction := driver.start(0, tag="BEN"),
                ("2026", 20_000),
                "",
                "ben",
            )
            books.wait(60)
            driver.stop(transaction, 13_000)
        server.began -= 3600 * nights
        server.set_site(FEEDER.format(7) + options)
        plug_in(server, "CP-1")
        plug_in(server, "CP-2")
        await trio.sleep(1)
        server.tell(driver.start, 13_000, 1, "BEN")
        (number,) = books.row("SELECT max(id) FROM tx WHERE cp_id = 'CP-3'")
        await server.shadow.depart(
            ("CP-3", 1), number, stamp(server.clock() + timedelta(hours=1)), 20_000, by="ben"
        )
        await trio.sleep(2)
        assert [charger for charger, limit in server.limits().items() if limit] == ["CP-1"]
        await trio.sleep(16 * MINUTE)
        assert [charger for charger, limit in server.limits().items() if limit] == [second]


async def test_another_site_goes_on_from_the_same_turns(books: Books) -> None:
    async with Served(books).running() as server:
        server.set_site(FEEDER.format(7))
        plug_in(server, "CP-1", "CP-2")
        await trio.sleep(4 * MINUTE)
        server.set_site(FEEDER.format(8))
        await trio.sleep(2)
        assert server.limits() == {"CP-1": 7, "CP-2": 0}
        await trio.sleep(20)
        standings = {
            place: one
            for place, _, one in orjson.loads(books.value("SELECT standings FROM load_state"))
        }
        assert server.clock().timestamp() - standings["CP-2"]["waits"] > 4 * MINUTE


async def test_what_cannot_be_written_waits(books: Books) -> None:
    async with Served(books).running() as server:
        server.began -= 14 * MINUTE  # so that a quarter ends meanwhile
        server.set_site(METERED)
        await trio.sleep(2)
        server.writer.is_full = True
        await server.measure(70, 45, 3, 3)
        assert [(one.circuit, one.phase) for one in server.now.over] == [("Feeder", "L1")]
        assert server.writer.recorded(LoadExceeded) == []
        server.writer.is_full = False
        await server.measure(2, 45, 3, 3)
        assert len(server.writer.recorded(LoadExceeded)) == 1
    assert books.count("load_quarter") == 3


@pytest.mark.logs_errors
async def test_a_meter_that_cannot_be_read_at_all_ends_nothing(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(_measured: object) -> None:
        await trio.sleep(3)
        raise KeyError("model")

    monkeypatch.setattr("levity_trio.load.site.reader", lambda _meter, **_: failing)
    async with Served(books).running() as server:
        server.set_site(METERED)
        plug_in(server, "CP-1")
        await trio.sleep(2 * MINUTE)
        assert [one.is_stale for one in server.now.meters] == [True]
        assert (server.car("CP-1").bound, server.car("CP-1").limit_a) == ("safe", 6)


async def test_a_server_without_the_duties_decides_nothing(books: Books) -> None:
    server = Served(books)
    server.writer.sharing.duties = trio.Event()
    async with server.running():
        server.set_site(METERED)
        plug_in(server, "CP-1")
        await trio.sleep(MINUTE)
        assert (server.reads, server.shadow.measured("Main", (1, 1, 1))) == (0, False)
        server.writer.sharing.duties.set()
        await trio.sleep(2)
        assert server.shadow.measured("Main", (1, 1, 1))


LATER: Final = "2026-03-01T12:00:20.000Z"


@pytest.mark.parametrize(
    ("rotation", "lines", "told", "least", "most"),
    [
        ("STR", None, ConnectorReading(LATER, (10, 5, 0), None, None), (0, 10, 5), (10, 10, 10)),
        ("STR", 2, ConnectorReading(LATER, (10, 5, 0), None, None), (0, 10, 5), (0, 10, 5)),
        ("", None, ConnectorReading(LATER, (10, 9, 9.5), None, None), (9, 9, 9), (10, 10, 10)),
        (
            "RST",
            None,
            ConnectorReading(LATER, (10, 9, 9.5), None, None),
            (10, 9, 9.5),
            (10, 9, 9.5),
        ),
        ("", None, ConnectorReading(LATER, (10, 0, 0), None, None), (0, 0, 0), (10, 10, 10)),
        ("TRS", 1, ConnectorReading(LATER, None, None, 2300.0), (0, 0, 10), (0, 0, 10)),
        ("", 3, ConnectorReading(LATER, None, 7.0, 4830.0), (7, 7, 7), (7, 7, 7)),
        ("RST", None, ConnectorReading(LATER, None, None, 2300.0), (0, 0, 0), (10, 10, 10)),
        (
            "RST",
            1,
            ConnectorReading("2026-03-01T12:00:10.000Z", (9, 0, 0), None, None),
            (0, 0, 0),
            (32, 0, 0),
        ),
        ("RST", None, None, (0, 0, 0), (32, 32, 32)),
    ],
)
def test_between_what_and_what_a_car_draws(
    rotation: str, lines: int | None, told: ConnectorReading | None, least: Phases, most: Phases
) -> None:
    car = PluggedIn("CP-1", 1, True, "Charging", "", "2026-03-01T12:00:00.000Z", 1, "A", None, told)
    socket = Socket(charger="CP-1", circuit="Feeder", rotation=rotation)
    taught = {} if lines is None else {"lines": lines}
    found = Witnesses(socket, car, taught).drawn_between(None)
    assert [*found[0], *found[1]] == pytest.approx([*least, *most])


@pytest.mark.parametrize(
    ("told", "lines", "highest"),
    [
        (ConnectorReading(LATER, (10, 0.4, 0), None, None), 1, 10),
        (ConnectorReading(LATER, (0.2, 0.4, 0), None, None), None, 0.4),
        (ConnectorReading(LATER, None, 15.9, 10971.0), 3, 15.9),
        (ConnectorReading(LATER, None, 16.2, 3500.0), None, 16.2),  # or the sum of three lines
        (ConnectorReading(LATER, None, 207.0, 20700.0), None, 30),  # direct current
        (ConnectorReading(LATER, None, 0.5, 115.0), None, 0.5),
        (ConnectorReading(LATER, None, None, 2300.0), None, 10),
        (ConnectorReading(LATER, None, None, 20700.0), 3, 30),
        (ConnectorReading(LATER, None, None, 13800.0), None, 30),
        (ConnectorReading(LATER, (16, None, None), None, None), None, 16),
        (ConnectorReading(LATER, (16, None, None), None, 10971.0), 3, 16),
    ],
)
def test_on_how_many_lines_a_car_charges(
    told: ConnectorReading, lines: int | None, highest: float
) -> None:
    car = PluggedIn("CP-1", 1, True, "Charging", LATER, LATER, 1, "A", None, told)
    assert lines_used(told, 32) == lines
    shown = drawn(car, Socket(charger="CP-1", circuit="Feeder"), None)
    assert shown is not None
    assert shown.most == pytest.approx(highest)


@pytest.mark.parametrize(("amperes", "is_told"), [((7, 0.5, 3), True), ((0, 0, 0), False)])
async def test_a_meter_that_shows_the_same_for_an_hour_is_told_and_believed(
    books: Books, log_lines: list[EventDict], amperes: Phases, is_told: bool
) -> None:
    server = Served(books)
    async with server.running():
        server.set_site(METERED)
        plug_in(server, "CP-1")
        await server.measure(55 * MINUTE, *amperes)
        assert [one.says for one in server.now.meters] == [""]
    again = server.restart()
    async with again.running():
        await again.measure(10 * MINUTE, *amperes)
        (meter,) = again.now.meters
        assert meter.says.startswith("The meter Main has shown the same for an hour") is is_told
        assert not meter.is_stale
        await again.measure(3, 9, 9, 9)
        assert [one.says for one in again.now.meters] == [""]
    assert books.rows("SELECT 1 FROM event WHERE kind LIKE 'Meter%'") == []
    assert sum("shown the same" in line["event"] for line in log_lines) == int(is_told)


@pytest.mark.parametrize("status", ["SuspendedEV", "SuspendedEVSE"])
async def test_a_reading_of_the_same_moment_counts_no_less_than_a_status(
    books: Books, status: str
) -> None:
    async with Served(books).running() as server:
        server.set_site(METERED)
        (station,) = plug_in(server, "CP-1")
        await server.measure(20, 14, 3, 3)
        server.tell(station.status, status, 1, "NoError", None)  # without a time of its own
        server.tell(draw, station, 11, 0, 0)
        await server.measure(12, 14, 3, 3)
        assert server.car("CP-1").drawn_a == 11


async def test_a_clock_that_leaps_back_stops_nothing(books: Books) -> None:
    async with Served(books).running() as server:
        server.set_site(METERED)
        (station,) = plug_in(server, "CP-1")
        await trio.sleep(20 * MINUTE)
        await server.measure(12, 45, 3, 3)
        server.began += 3600
        await server.measure(3, 45, 3, 3)
        assert 10 < server.shadow.over_seconds["Feeder", "L1"] < 20
        reads_before = server.reads
        server.tell(station.status, "SuspendedEV")
        await trio.sleep(MINUTE)
        assert server.reads > reads_before + 4
        await trio.sleep(5 * MINUTE)
        assert server.car("CP-1").bound == "full"


async def test_a_clock_that_leaps_forward_makes_no_meter_silent(books: Books) -> None:
    async with Served(books).running() as server:
        server.set_site(METERED)
        plug_in(server, "CP-1")
        await server.measure(20, 45, 3, 3)
        server.began -= 7200
        await trio.sleep(12)
        await server.measure(20, 45, 3, 3)
        assert server.writer.recorded(MeterSilent) == []
        assert server.writer.recorded(LoadExceeded) == []
        await server.measure(30, 45, 3, 3)
        assert len(server.writer.recorded(LoadExceeded)) == 1


async def test_a_meter_that_dies_when_our_clock_leaps_back_is_silent_in_time(books: Books) -> None:
    async with Served(books).running() as server:
        server.set_site(METERED)
        plug_in(server, "CP-1")
        await server.measure(20, 4, 3, 3)
        server.began += 7200
        await trio.sleep(45)
        assert [fact.meter for fact in server.writer.recorded(MeterSilent)] == ["Main"]


async def test_turns_go_on_when_our_clock_leaps_back(books: Books) -> None:
    async with Served(books).running() as server:
        server.set_site(FEEDER.format(7))
        plug_in(server, "CP-1")
        await trio.sleep(2)
        plug_in(server, "CP-2")
        await trio.sleep(4 * MINUTE)
        assert server.limits() == {"CP-1": 7, "CP-2": 0}
        server.began += 7200
        charging = set()
        for _ in range(31):
            await trio.sleep(MINUTE)
            charging |= {charger for charger, limit in server.limits().items() if limit}
        assert charging == {"CP-1", "CP-2"}


async def test_a_meter_by_mqtt_is_heard_and_its_topics_are_known(books: Books) -> None:
    published = METERED.replace(
        'name = "Main"\nstale', 'name = "Main"\nkind = "mqtt"\ntopic = ["a/1", "a/2"]\nstale'
    )
    async with Served(books).running() as server:
        load = server.shadow
        assert load.topics == frozenset()
        server.set_site(published)
        assert await load.topics_other_than(frozenset()) == load.topics == {"a/1", "a/2"}
        plug_in(server, "CP-1")
        for payload in (b"38", b"1", b"nonsense"):
            load.heard("a/1", payload)
        load.heard("a/2", b"0")  # makes nonsense complete
        await trio.sleep(2)
        assert server.now.meters[0].at is None
        for _ in range(20):
            load.heard("a/1", b"38.5")
            load.heard("a/2", b"-2")
            load.heard("a/3", b"99")
            await trio.sleep(1)
        (meter,) = server.now.meters
        assert (meter.amperes, meter.is_stale) == ([38.5, -2.0, 0.0], False)
        for _ in range(50):
            load.heard("a/1", b"38.5")
            await trio.sleep(1)
        assert server.now.meters[0].is_stale
        server.set_site(FEEDER.format(40))
        assert await load.topics_other_than(load.topics) == frozenset()
