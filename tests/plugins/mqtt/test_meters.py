"""Meters by subscription: what load management hears, and which readings of the house's meters are
kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
import trio
from structlog.typing import EventDict

from levity_trio.load.service import LoadManagement, open_load
from levity_trio.plugins.base import Site
from levity_trio.plugins.mqtt import discovery
from levity_trio.plugins.mqtt.broker import Broker, Message
from levity_trio.plugins.mqtt.meters import Meters
from levity_trio.plugins.mqtt.plugin import Mqtt
from levity_trio.plugins.mqtt.states import States
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.reads.now.entities import SeenCharger
from levity_trio.store.writes.load import load as load_writes
from levity_trio.store.writes.money import meters as writes
from levity_trio.store.writes.money.meters import MeterData
from tests.plugins.sites import Served, served
from tests.store.books import Books, Station

VIRTUAL_TIME = True
SINCE: Final = "2026-01-01T00:00:00.000Z"
NOON: Final = datetime(2026, 3, 30, 10, tzinfo=UTC)
"""Of summer time in Berlin."""
FEEDER: Final = (
    '[[circuit]]\nname = "Feeder"\namperes = 40\nmeter = "Main"\n'
    '[[meter]]\nname = "Main"\nkind = "mqtt"\ntopic = "feeder"\npath = "a"\n'
)


class House:
    """A server with meters, and what they publish."""

    def __init__(self, server: Served) -> None:
        self.server = server
        self.now = NOON
        nobody: Any = SimpleNamespace(is_connected=lambda _: False)  # no charger is limited
        parts: tuple[Any, Any] = server.writer, server.reader
        self.load = LoadManagement(*parts, nobody, self.clock)
        config = replace(server.central.config, given_time_zone=ZoneInfo("Europe/Berlin"))
        self.site: Site = replace(server.site, config=config, clock=self.clock, load=self.load)
        self.meters = Meters(self.site)
        server.central.hooks.listen(self.meters.observe)

    def clock(self) -> datetime:
        return self.now

    def add(self, name: str = "House", **more: Any) -> int:
        data = MeterData(name, 1.0, 2.0, None, SINCE, topic="house")._replace(**more)
        number: int = self.server.writer.run_now(writes.add, data, SINCE, "anna")
        return number

    async def tell(self, payload: str, topic: str = "house", *, is_retained: bool = False) -> bool:
        """Publish something, and wait until it is kept."""
        is_taken = self.meters.take(Message(topic, payload.encode(), is_retained))
        await trio.testing.wait_all_tasks_blocked()
        return is_taken

    def kept(self) -> list[tuple[str, str]]:
        rows = self.server.writer.rows("SELECT at, value FROM meter_reading ORDER BY at, id")
        return [(at, value) for at, value in rows]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[House]:
        await self.meters.topics()
        async with open_load(self.load, self.server.central.hooks), trio.open_nursery() as nursery:
            nursery.start_soon(self.meters.run)
            yield self
            nursery.cancel_scope.cancel()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with served(tmp_path) as server:
        yield House(server)


async def test_the_first_reading_of_each_day_is_kept(house: House) -> None:
    house.add(path="x.kwh")
    async with house.running():
        for hours, shown in (
            (0, "100.0"),
            (0, "100.5"),
            (11.9, "101"),
            (12.1, "102.25"),
            (13, "103"),
        ):
            house.now = NOON + timedelta(hours=hours)
            assert await house.tell(f'{{"x": {{"kwh": {shown}}}}}')
    assert house.kept() == [
        ("2026-03-30T10:00:00.000Z", "100.0"),
        ("2026-03-30T22:06:00.000Z", "102.25"),
    ]
    told = house.server.writer.rows(
        "SELECT source, entered_by, unit, wh FROM meter_reading ORDER BY id"
    )
    assert told == [("mqtt", "MQTT", "kWh", 100_000), ("mqtt", "MQTT", "kWh", 102_250)]


@pytest.mark.logs_errors
async def test_a_reading_that_cannot_be_kept_holds_up_no_other_meter(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw: here, a meter disappears from the database, which nothing ever
    deletes."""
    odd = house.add("Odd", topic="odd")
    house.add()
    keep = writes.keep

    def kept(db: UnitOfWork, published: writes.GivenReading, *others: Any) -> None:
        if published.meter == str(odd):
            raise LookupError(odd)
        keep(db, published, *others)

    monkeypatch.setattr(writes, "keep", kept)
    async with house.running():
        for _ in range(2):
            await house.tell("1", "odd")
            await house.tell("7")
            house.now += timedelta(days=1)
    assert [value for _, value in house.kept()] == ["7", "7"]


async def test_at_the_turn_of_a_month_the_last_one_before_is_kept_too(house: House) -> None:
    house.add()
    async with house.running():
        for moment in (
            "30T21:59:58",
            "30T22:00:02",
            "31T05:00:00",
            "31T21:59:58",
            "31T22:00:03",
            "31T22:00:05",
        ):
            house.now = datetime.fromisoformat(f"2026-03-{moment}+00:00")
            await house.tell("5")
    assert [at[5:19] for at, _ in house.kept()] == [
        *("03-30T21:59:58", "03-30T22:00:02", "03-31T21:59:58", "03-31T22:00:03")
    ]


async def test_another_start_on_the_same_day_keeps_nothing_more(house: House) -> None:
    house.add()
    for minutes in range(3):
        house.meters = Meters(house.site)
        async with house.running():
            house.now = NOON + timedelta(minutes=minutes)
            await house.tell("7")
    assert len(house.kept()) == 1


async def test_what_is_retained_or_of_an_unsure_time_is_not_kept(house: House) -> None:
    house.add()
    async with house.running():
        assert await house.tell("7", is_retained=True)
        house.server.is_clock_trusted = False
        assert await house.tell("8")
        assert house.kept() == []
        house.server.is_clock_trusted = True
        assert await house.tell("9")
        assert not await house.tell("9", "another")
    assert [value for _, value in house.kept()] == ["9"]


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        ("48211.300", "48211.300"),
        ("0.12345678", "0.123457"),
        ("1e3", "1000"),
        ("0", "0"),
        ("1e-9", "0.000000"),
    ],
)
async def test_a_register_is_kept_as_it_is_told(house: House, payload: str, value: str) -> None:
    house.add(unit="Wh")
    async with house.running():
        await house.tell(payload)
    assert [value for _, value in house.kept()] == [value]


async def test_what_is_no_register_is_logged_once(house: House, log_lines: list[EventDict]) -> None:
    house.add(path="x")
    async with house.running():
        for payload in ("", "5", '{"x": null}', '{"y": 1}', "[" * 70_000):
            await house.tell(payload)
        assert house.kept() == []
        for payload in ('{"x": "5"}', "", '{"x": "5"}'):
            await house.tell(payload)
    assert len(house.kept()) == 1
    lines = [(line["event"], line.get("reason")) for line in log_lines if line.get("meter")]
    assert (
        lines
        == [
            ("a meter publishes what is of no use", "it is not JSON"),
            ("a meter publishes readings again", None),
        ]
        * 2
    )


async def test_a_refused_reading_is_tried_again_when_its_meter_was_changed(
    house: House, log_lines: list[EventDict]
) -> None:
    number = house.add(digits=3)
    async with house.running():
        for _ in range(5):
            await house.tell("1000")
        assert [line["reason"] for line in log_lines if line.get("meter") == "House"] == [
            "the meter shows 3 digits of kWh, and this has more"
        ]
        await house.site.writer.run(writes.change, number, {"digits": 5}, SINCE, "anna")
        await house.tell("1000")
    assert [value for _, value in house.kept()] == ["1000"]


async def test_while_the_database_is_away_the_newest_is_tried_again(house: House) -> None:
    house.add()
    house.add("Garage")
    async with house.running():
        house.server.writer.is_unavailable = True
        for minute in range(30):
            house.now = NOON + timedelta(minutes=minute)
            house.meters.take(Message("house", b"%d" % minute))
            await trio.sleep(60)
        house.server.writer.is_unavailable = False
        await house.tell("30")
        await trio.sleep(60)
    assert [value for _, value in house.kept()] == ["30", "30"]


async def test_topics_follow_the_meters_and_the_site(house: House) -> None:
    house.add("Garage", topic="garage")
    house.add("By hand", topic=None)
    house.add("Gone", topic="gone", until="2026-02-01T00:00:00.000Z")
    meters, load = house.meters, house.load
    async with house.running():
        assert await meters.topics() == {"garage"}
        with trio.move_on_after(60) as scope:
            await meters.changed()
        assert scope.cancelled_caught
        number = house.add()
        await house.site.writer.run(writes.change, number, {"topic": "feeder"}, SINCE, "anna")
        await meters.changed()
        assert await meters.topics() == {"garage", "feeder"}
        house.server.writer.facts.clear()
        await house.site.writer.run(
            load_writes.set_site, FEEDER.replace("feeder", "a/b"), SINCE, "anna"
        )
        await meters.changed()
        assert await meters.topics() == {"garage", "feeder", "a/b"}
        await house.site.writer.run(load_writes.set_site, FEEDER, SINCE, "anna")
        await meters.changed()
        assert await meters.topics() == {"garage", "feeder"}
        assert await house.tell('{"a": 12.5}', "feeder", is_retained=True)
        await trio.sleep(2)
        assert load.now is None or load.now.meters[0].at is None
        house.now += timedelta(seconds=31)
        assert await house.tell('{"a": 12.5}', "feeder")
        await trio.sleep(2)
        assert load.now is not None
        assert load.now.meters[0].amperes == [12.5, 0.0, 0.0]


# What nobody foresaw


@pytest.mark.logs_errors
async def test_an_error_ends_a_connection_but_neither_the_plug_in_nor_the_next_message(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    mqtt = Mqtt(house.site, Broker.of(replace(house.site.config, mqtt="mqtt://127.0.0.1/levity")))
    begun = []

    async def connect() -> float:
        begun.append(trio.current_time())
        raise KeyError("nobody foresaw this")

    monkeypatch.setattr(mqtt, "_connect", connect)
    with trio.move_on_after(100):
        await mqtt.run()
    assert len(begun) == 4

    monkeypatch.setattr(mqtt._meters, "take", lambda message: 1 // len(message.payload) and True)
    for payload in (b"", b"7"):
        mqtt._take(Message("house", payload))


@pytest.mark.logs_errors
async def test_a_charger_whose_states_cannot_be_told_holds_up_no_other(
    house: House, monkeypatch: pytest.MonkeyPatch, log_lines: list[EventDict]
) -> None:
    connection: Any = house.server.writer._connection
    books = Books(connection)
    for charger in ("CP-1", "CP-2"):
        Station(books, charger).status("Available")
    described = discovery.of_charger

    def of_charger(prefix: str, charger: SeenCharger, **how: bool) -> dict[str, str]:
        if charger.id == "CP-1":
            raise KeyError(charger.id)
        return described(prefix, charger, **how)

    monkeypatch.setattr("levity_trio.plugins.mqtt.states.of_charger", of_charger)
    told = States(house.site, "levity")
    for _ in range(2):
        await told._read_chargers(None)
    assert told._newest["levity/CP-2/1/status"] == "Available"
    assert [line["cp"] for line in log_lines if line["log_level"] == "error"] == ["CP-1"]
