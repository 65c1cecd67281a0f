"""The sun of the house: what its meters count by the quarter of an hour, and that panels make no
room for cars."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction

import pytest
import trio

from levity_trio.billing.sun import BATTERY, CIRCUIT, PANELS, SunMeasured, SunSums
from levity_trio.charging.quarters import SECONDS
from levity_trio.config.tables import DocumentRefused
from levity_trio.load.document import parse, written
from levity_trio.load.measurements import signed
from levity_trio.load.tree import Phases
from levity_trio.wire.meters import MeterConfig
from tests.load.test_shadow import MINUTE, Served, draw, plug_in
from tests.store.books import NOON, Books, in_memory

VIRTUAL_TIME = True
QUARTER = int(NOON.timestamp()) // SECONDS
BEGIN = float(QUARTER * SECONDS)
METERS = {CIRCUIT: MeterConfig(name="Main"), PANELS: MeterConfig(name="PV")}
SITE = (
    '[[circuit]]\nname = "Feeder"\namperes = 63\nmeter = "Main"\npanels = "PV"\n{}'
    '[[meter]]\nname = "Main"\n[[meter]]\nname = "PV"\n'
)


@pytest.fixture
def books() -> Iterator[Books]:
    with closing(in_memory()) as connection:
        yield Books(connection)


# What is counted


def shows(sums: SunSums, at: float, grid: float, panels: float, battery: float = 0.0) -> None:
    for what, watts in ((CIRCUIT, grid), (PANELS, panels), (BATTERY, battery)):
        if what in sums.meters:
            sums.take(what, watts, at)


def kept(sums: SunSums, at: float = BEGIN + 10 * SECONDS) -> dict[int, SunMeasured]:
    return {quarter - QUARTER: measured for quarter, measured in sums.to_keep(at)}


def test_a_quarter_is_the_mean_of_neighbouring_readings() -> None:
    sums, exact = SunSums(METERS), Fraction()
    for second in range(0, SECONDS + 1, 5):
        shows(sums, BEGIN + second, -2.0 * second, 3.0 * second)
        exact += Fraction(3 * second + 3 * max(0, second - 5), 2) * 5 * (second > 0)
    whole = SunMeasured(900, 0, round(exact / 3600 * 2 / 3), round(exact / 3600))
    assert kept(sums) == {0: whole}


def test_import_export_and_a_battery_are_counted_by_themselves() -> None:
    sums = SunSums(METERS | {BATTERY: MeterConfig(name="Battery")})
    for second in range(0, SECONDS + 1, 10):
        early = second < 450
        shows(sums, BEGIN + second, 1800 if early else -900, -40, 600 if early else -300)
    (measured,) = kept(sums).values()
    assert measured.generation_wh == 0  # panels take some W at night
    assert measured.seconds == 900
    assert measured.import_wh == pytest.approx(225, abs=4)
    assert measured.export_wh == pytest.approx(112, abs=4)
    assert measured.discharge_wh == pytest.approx(75, abs=2)
    assert measured.charge_wh == pytest.approx(38, abs=2)


def test_meters_at_their_own_pace_and_over_the_end_of_a_quarter() -> None:
    sums = SunSums(METERS)
    for second in range(2 * SECONDS + 30):
        if second % 7 == 0:
            sums.take(CIRCUIT, 3600.0, BEGIN + second)
        if second % 11 == 3:
            sums.take(PANELS, 7200.0, BEGIN + second)
    found = kept(sums)
    assert found[0] == SunMeasured(897, 897, 0, 2 * 897)
    assert found[1] == SunMeasured(900, 900, 0, 1800)


def test_what_one_meter_did_not_measure_nobody_did() -> None:
    sums = SunSums(METERS)
    for second in range(0, SECONDS + 1, 5):
        sums.take(CIRCUIT, 3600.0, BEGIN + second)
        if not 300 < second < 400:  # longer than a meter may be silent
            sums.take(PANELS, 3600.0, BEGIN + second)
    assert kept(sums) == {0: SunMeasured(800, 800, 0, 800)}


def test_a_short_silence_is_bridged() -> None:
    sums = SunSums(METERS)
    for second in (0, 30, 60, 90, 121, 151):
        shows(sums, BEGIN + second, 3600.0, 3600.0)
    assert kept(sums) == {0: SunMeasured(120, 120, 0, 120)}


def test_a_silent_meter_lets_nothing_pile_up() -> None:
    sums = SunSums(METERS)
    sums.take(PANELS, 1.0, BEGIN)
    for second in range(100_000):
        sums.take(CIRCUIT, 1.0, BEGIN + second)
    assert max(len(shown.readings) for shown in sums._shown.values()) < 40


@pytest.mark.parametrize("back", [1, 4, 20, 400, 899, 900, 1300, 5000])
def test_no_moment_counts_twice(back: int) -> None:
    """The clock is set back, and the same times come again."""
    sums, clock = SunSums(METERS), 0
    found: dict[int, list[SunMeasured]] = {}
    for _ in range(3 * SECONDS):
        clock += 1
        if _ == 2 * SECONDS:
            clock -= back
            if back > 5:
                sums.leapt()
        shows(sums, BEGIN + clock, 3600.0, 3600.0)
        for quarter, measured in sums.to_keep(BEGIN + clock):
            found.setdefault(quarter, []).append(measured)
    for rows in found.values():
        for row in rows:
            assert row.seconds <= 900
            assert row.import_wh == row.generation_wh == row.seconds


def test_a_leap_ahead_is_not_measured() -> None:
    sums = SunSums({what: MeterConfig(name=what, stale_seconds=3600) for what in METERS})
    for second in range(100):
        shows(sums, BEGIN + second, 3600.0, 0.0)
    sums.leapt()
    for second in range(400, 500):
        shows(sums, BEGIN + second, 3600.0, 0.0)
    assert kept(sums) == {0: SunMeasured(198, 198, 0, 0)}


def test_a_restart_goes_on_from_what_was_kept() -> None:
    sums = SunSums(METERS, (QUARTER, SunMeasured(300, 300, 0, 600)))
    assert kept(sums, BEGIN) == {}
    for second in range(400, 501):
        shows(sums, BEGIN + second, 3600.0, 7200.0)
    assert kept(sums) == {0: SunMeasured(400, 400, 0, 800)}
    assert kept(sums, BEGIN + 11 * SECONDS) == {}


# The document


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ('battery = "B"\n', "measured by B, which there is not"),
        ('battery = "PV"\n', "the meter PV measures two things"),
        ('[[circuit]]\nname = "Row"\nparent = "Feeder"\namperes = 9\nmeter = "PV"\n', "two things"),
        (
            (
                '[[circuit]]\nname = "Row"\nparent = "Feeder"\namperes = 9\nmeter = "A"\n'
                'panels = "B"\n'
                '[[meter]]\nname = "A"\n[[meter]]\nname = "B"\n'
            ),
            "only one circuit may have panels, not Feeder, Row",
        ),
        (
            'battery = "B"\n[[meter]]\nname = "B"\nkind = "mqtt"\ntopic = "x"\n',
            "the meter B shows currents, which do not say",
        ),
        (
            'battery = "B"\n[[meter]]\nname = "B"\nkind = "http"\nurl = "http://b"\npath = "x"\n',
            "the meter B shows currents, which do not say",
        ),
    ],
)
def test_what_no_panels_can_be(more: str, why: str) -> None:
    with pytest.raises(DocumentRefused, match=why):
        parse(SITE.format(more))


def test_a_battery_comes_with_panels() -> None:
    with pytest.raises(DocumentRefused, match="Feeder: give meter, that of the grid's point, and"):
        parse(SITE.replace("panels", "battery").format(""))


def test_panels_and_a_battery_are_written_as_they_were_read() -> None:
    battery = '[[meter]]\nname = "B"\nkind = "mqtt"\ntopic = "x"\nshows = "kW"\ninverted = true\n'
    site = parse(SITE.format(f'battery = "B"\n{battery}'))
    assert parse(written(site)) == site
    (circuit,) = site.circuits
    assert (circuit.meter, circuit.panels, circuit.battery) == ("Main", "PV", "B")
    assert [meter.inverted for meter in site.meters] == [True, False, False]


# Decisions

EVEN = (1.0, 1.0, 1.0)


def times(amperes: float, phases: Phases = EVEN) -> Phases:
    one, two, three = (amperes * phase for phase in phases)
    return one, two, three


def test_a_current_has_the_sign_of_its_power() -> None:
    assert signed((10, 10, 10), (2300, -2300, 0)) == (10, -10, 10)
    assert signed((10, 10, -10), (-230, -0.0, 2300)) == (-1, 10, 10)
    assert signed((5, 5, 5), (-2300, -2300, -2300)) == (-5, -5, -5)


def show(server: Served, name: str, amperes: float, *, has_sign: bool = False) -> None:
    """Let a meter show currents, most of which have no sign, and powers."""
    watts = times(230 * amperes)
    server.shadow.measured(name, times(amperes if has_sign else abs(amperes)), watts)


async def granted(
    server: Served,
    house: float,
    panels: float | None = None,
    battery: float | None = None,
    *,
    seconds: int = 300,
    silent_after: int = 1000,
) -> int:
    """Let three cars draw what they may get beside a house, the panels and a battery; return what
    they may get together in the end, and never more than that."""
    stations = plug_in(server, "CP-1", "CP-2", "CP-3")
    most = [0]
    for second in range(seconds):
        limits = server.limits() if second > 5 else {}
        drawn = [min(16, limits.get(station.name, 0)) for station in stations]
        for station, amperes in zip(stations, drawn, strict=True):
            draw(station, amperes, amperes, amperes)
        total = house + sum(drawn)
        show(server, "Main", total - (panels or 0) - (battery or 0))
        if panels is not None and second < silent_after:
            show(server, "PV", panels)
        if battery is not None:
            show(server, "B", battery)
        await trio.sleep(1)
        most.append(sum(server.limits().values()))
    assert max(most[60:]) <= most[-1]
    return most[-1]


PLAIN = SITE.replace('panels = "PV"\n', "")
BATTERY_TOO = 'battery = "B"\n[[meter]]\nname = "B"\n'


async def test_without_panels(books: Books) -> None:
    async with Served(books).running() as server:
        server.set_site(PLAIN.format(""))
        await trio.sleep(2)
        assert await granted(server, 40) == 23


@pytest.mark.parametrize(
    ("house", "panels", "battery"),
    [
        (40, 30, None),  # the grid's meter shows 10 A
        (40, 60, None),  # and here an export of 20 A
        (40, 0, None),
        (40.2, -0.2, None),  # at night, panels take a little
        (0, 20, None),
        (40, 0, 30),  # a battery gives
        (30, 10, -10),  # a battery takes as others do
        (58, 30, None),
    ],
)
async def test_panels_make_no_room(
    books: Books, house: float, panels: float, battery: float | None
) -> None:
    async with Served(books).running() as server:
        server.set_site(SITE.format("" if battery is None else BATTERY_TOO))
        await trio.sleep(2)
        with_panels = await granted(server, house, panels, battery)
    with closing(in_memory()) as connection:
        async with Served(Books(connection)).running() as plain:
            plain.set_site(PLAIN.format(""))
            await trio.sleep(2)
            drawn = house - min(0, panels) - min(0, battery or 0)
            assert with_panels == await granted(plain, drawn)


async def test_silent_panels_count_with_what_they_showed_last(books: Books) -> None:
    async with Served(books).running() as server:
        server.set_site(SITE.format(""))
        await trio.sleep(2)
        assert await granted(server, 40, 30, silent_after=60) == 23
        silent = [one.says for one in server.now.meters if one.is_stale]
        assert silent == ["The meter PV is silent: until it shows something, no sun is counted"]
        assert server.now.sun is not None
        assert server.now.sun.panels_w is None


@pytest.mark.parametrize(
    ("grid", "panels", "is_wrong"),
    [
        (-20, 0, True),  # by night: the house draws 20 A
        (-20, -30, True),  # by day: the meter of the panels counts the other way
        (-20, 20, False),
        (-20, 17, False),
        (20, 0, False),
    ],
)
async def test_a_meter_that_counts_the_other_way_makes_no_room(
    books: Books, grid: float, panels: float, is_wrong: bool
) -> None:
    async with Served(books).running() as server:
        server.set_site(SITE.format(""))
        plug_in(server, "CP-1")
        await trio.sleep(2)
        for _ in range(100):
            show(server, "Main", grid)
            show(server, "PV", panels)
            await trio.sleep(1)
        why = {meter.name: meter.why for meter in server.now.meters}
        assert why == {"Main": "exports" if is_wrong else "", "PV": ""}
        assert (server.car("CP-1").bound == "safe") is is_wrong
        assert server.now.sun is not None
        assert (server.now.sun.share is None) or not is_wrong


@pytest.mark.parametrize("watts", [1e9, float("nan"), float("inf"), -1e9])
async def test_a_meter_that_lies_changes_nothing(books: Books, watts: float) -> None:
    async with Served(books).running() as server:
        server.set_site(SITE.format(""))
        await trio.sleep(2)
        for second in range(100):
            server.shadow.measured("Main", times(10), times(2300))
            server.shadow.measured("PV", times(5), times(1150 if second < 50 else watts))
            await trio.sleep(1)
        sun = server.now.sun
        assert sun is not None
        assert (sun.grid_w, sun.panels_w) == (6900, None)
    ((seconds, generation),) = books.rows("SELECT seconds, generation_wh FROM sun_quarter")
    assert 45 <= seconds <= 50
    assert generation == round(3450 * seconds / 3600)


# What is stored


async def test_it_is_stored_each_minute_and_goes_on_after_a_kill(books: Books) -> None:
    server = Served(books)
    async with server.running():
        server.set_site(SITE.format(""))
        plug_in(server, "CP-1")
        await trio.sleep(2)
        await _shine(server, 130)
    before = books.rows("SELECT seconds FROM sun_quarter")
    assert 110 <= before[0][0] <= 130
    again = server.restart()
    async with again.running():
        await trio.sleep(1)
        await _shine(again, 15 * 60)
    rows = books.rows(
        "SELECT quarter, seconds, import_wh, export_wh, generation_wh FROM sun_quarter ORDER BY 1"
    )
    assert [row[0] - QUARTER for row in rows] == [0, 1]
    _, seconds, imported, exported, generated = rows[0]
    assert 900 - 130 <= seconds <= 900
    assert (imported, exported) == (0, pytest.approx(seconds * 3000 / 3600, abs=3))
    assert generated == pytest.approx(seconds * 6000 / 3600, abs=5)
    assert books.rows("SELECT site_id, cp_id FROM sun_charger") == [(1, "CP-1")]


async def _shine(server: Served, seconds: int) -> None:
    for _ in range(seconds):
        server.shadow.measured("Main", None, times(-1000))
        server.shadow.measured("PV", None, times(2000))
        await trio.sleep(1)


async def test_people_see_the_powers(books: Books) -> None:
    async with Served(books).running() as server:
        server.set_site(SITE.format(""))
        (station,) = plug_in(server, "CP-1")
        await trio.sleep(MINUTE / 2)
        draw(station, 4, 4, 4)
        await _shine(server, 20)
        sun = server.now.sun
        assert sun is not None
        assert (sun.grid_w, sun.panels_w, sun.battery_w) == (-3000, 6000, None)
        assert (sun.cars_w, sun.house_w, sun.share) == (2760, 240, 1.0)
