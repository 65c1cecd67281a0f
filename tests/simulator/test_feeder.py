"""The feeder of a simulated block: what it carries, its breaker, and its meter, which the server
can read."""

from __future__ import annotations

import math
import struct
from random import Random

import pytest
import trio

from levity_trio.config import ConfigError
from levity_trio.load.tree import Phases
from levity_trio.outgoing.meters import reader
from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.state import ChargerSpec, Memory
from levity_trio.simulator.feeder import (
    ASKED,
    HOUSE,
    Breaker,
    Feeder,
    FeederSpec,
    answer,
    serve_meters,
)
from levity_trio.simulator.physics import Vehicle
from levity_trio.simulator.scenario import load, read
from levity_trio.wire import modbus
from levity_trio.wire.meters import MeterConfig
from tests.ports import free_port

FLAT = FeederSpec(amperes=32.0, house=[0.0] * 24, steps_per_day=0, noise=0.0)


def charging(number: int, phases: int, amperes: float) -> Charger:
    """A charger that charges a car with so many phases."""
    spec = ChargerSpec(id=f"C{number}", phases=3, max_current_a=32.0)
    charger = Charger(spec, Memory.fresh(spec))
    watts = amperes * 230 * phases
    meter = charger.connectors[1].meter
    meter.plug(
        Vehicle(
            name="Car", battery_wh=80_000, max_ac_w=watts, ac_phases=phases, max_dc_w=0, soc=0.1
        ),
        0.0,
    )
    meter.limit(amperes, 0.0)
    meter.switch(is_on=True, at=0.0)
    return charger


def test_chargers_are_wired_in_turn() -> None:
    feeder = Feeder(FLAT, Random(1), lambda at: at / 3600)
    feeder.look([charging(0, 1, 16), charging(1, 1, 10), charging(2, 1, 6)], 0.0)
    assert feeder.shown == pytest.approx((16, 10, 6))
    feeder.look([charging(0, 3, 16), charging(1, 1, 10)], 1.0)
    assert feeder.shown == pytest.approx((16, 26, 16))


@pytest.mark.parametrize("multiple", [1.2, 1.5, 3.0])
def test_a_breaker_trips_when_the_closed_form_says(multiple: float) -> None:
    seconds = Breaker.SECONDS * math.log(multiple**2 / (multiple**2 - Breaker.TRIPS))
    assert not Breaker().carry(multiple, 0.999 * seconds)
    assert Breaker().carry(multiple, 1.001 * seconds)


def test_it_holds_at_its_limit_and_trips_when_all_draw_their_maximum() -> None:
    held, tripped = (Feeder(FLAT, Random(1), lambda at: at / 3600) for _ in range(2))
    for second in range(120):
        assert not held.look([charging(0, 3, 16), charging(1, 3, 16)], float(second))
    looks = [
        tripped.look([charging(number, 3, 16) for number in range(3)], float(second))
        for second in range(20)
    ]
    assert any(looks)
    assert (held.report().trips, held.report().over_seconds) == (0, 0)
    report = tripped.report()
    assert (report.highest_a, report.over_seconds, report.far_over_seconds) == (48, 19, 19)
    assert report.trips >= 1


def test_a_house_cooks_in_the_evening() -> None:
    feeder = Feeder(FeederSpec(amperes=63.0), Random(1), lambda at: at / 3600 % 24)
    shown = []
    for minute in range(24 * 60):
        feeder.look([], 60.0 * minute)
        shown.append(sum(feeder.shown) / 3)
    assert sum(shown[18 * 60 : 20 * 60]) > 2 * sum(shown[3 * 60 : 5 * 60])


def test_its_panels_give_by_day_what_clouds_leave_and_what_nobody_needs_flows_back() -> None:
    spec = FeederSpec(amperes=32.0, house=[1.0] * 24, steps_per_day=0, noise=0.0, panels=20.0)
    feeders = [Feeder(spec, Random(seed), lambda at: at / 3600 % 24) for seed in (1, 2)]
    sun: list[float] = []
    for quarter in range(3 * 96):
        for feeder in feeders:
            feeder.look([charging(0, 1, 6)], 900.0 * quarter)
        one, two = feeders
        assert one.sun == two.sun, "the clouds do not depend on the house"
        cars = (6.0, 0.0, 0.0)
        house = (1.0, 0.9, 1.1)
        flows = zip(house, cars, one.sun, strict=True)
        assert one.shown == pytest.approx([flat + car - given for flat, car, given in flows])
        sun.append(one.sun[0])
    days = [sun[96 * day : 96 * (day + 1)] for day in range(3)]
    for day in days:
        assert not any(day[:33] + day[67:]), "it is night"
        assert 3.0 < max(day) <= 20_000 / 3 / 230
    assert days[0] != days[1] != days[2]


def test_its_meters_show_currents_without_a_sign_and_power_with_it() -> None:
    def read(unit: int, first: int, count: int) -> bytes:
        asked = modbus.HEAD.pack(7, 0, 6, unit) + ASKED.pack(modbus.INPUT, first, count)
        sent = answer(asked, [(-2.0, 1.0, 0.5), (3.0, 3.0, 3.0)])
        assert modbus.HEAD.unpack(sent[:7]) == (7, 0, len(sent) - 6, unit)
        return sent[7:]

    assert struct.unpack(">BB3f", read(1, 0x06, 6)) == (4, 12, 2.0, 1.0, 0.5)
    assert struct.unpack(">BB3f", read(1, 0x0C, 6)) == (4, 12, -460.0, 230.0, 115.0)
    assert struct.unpack(">BB6f", read(2, 0x06, 12)) == (4, 24, 3.0, 3.0, 3.0, 690.0, 690.0, 690.0)
    for wrong in ((3, 0x06, 6), (0, 0x06, 6), (1, 0x00, 6), (1, 0x0C, 8)):
        assert read(*wrong) == b"\x84\x02"


async def test_the_server_reads_its_meter() -> None:
    shown: Phases = (1.5, 20.25, 0.0)
    port = free_port()
    read = reader(
        MeterConfig(
            name="Main",
            kind="modbus",
            address=f"127.0.0.1:{port}",
            model="SDM630",
            every_seconds=0.05,
        )
    )
    assert read is not None
    found = trio.Event()

    def measured(_name: str, amperes: Phases | None, watts: Phases | None) -> None:
        assert (amperes, watts) == (shown, None)
        found.set()

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_meters, lambda: [shown], "127.0.0.1", port)
            nursery.start_soon(read, measured)
            await found.wait()
            nursery.cancel_scope.cancel()


def test_a_scenario_has_a_feeder() -> None:
    assert load("feeder").feeder == FeederSpec(amperes=32.0, meter_port=5020, house=HOUSE)
    assert load("day").feeder is None
    with pytest.raises(ConfigError, match="amperes"):
        read('title = "A"\nhours = 1\n[feeder]\namperes = 1\n', "a.toml")
