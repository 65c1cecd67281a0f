"""Honest sessions are not flagged, and each figure is exact.

`honest(count, seed)` is for benches: `python -m tests.store.stories honest 5000 1` prints the same.
"""

from random import Random

import pytest

from tests.sizes import size
from tests.store.books import Books, Station, meter_value
from tests.store.honest_stories import KINDS, honest
from tests.store.lies import LIES, Report, liar_story
from tests.store.stories import Curve, Session, Story, Verdict, Voice, play, tell
from tests.store.telling import HOUR, assert_figure, charge, charge_state, settle, watts

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores

SESSIONS = size(300, 50)
SHARE_FLAGGED = 0.01
SUN: Curve = (
    (7, 1400),
    (4, 5200),
    (9, 0),
    (5, 7360),
    (12, 2300),
    (6, 6100),
    (8, 0),
    (30, 7360),
    (40, 3680),
)
STEADY: Curve = ((3 * HOUR, 7360),)
PAUSED: Curve = ((40, 7360), (50, 0), (35, 7360), (120, 0), (20, 7360))
HELD_BACK: Curve = ((130, 0), (45, 4140), (70, 0), (30, 11_040), (25, 0), (20, 6900), (300, 0))
"""What load management lets a car have: it waits, gets its least current, is paused, and at last
gets nothing more."""
FULL: Curve = ((90, 11_040), (10, 6000), (10, 2500), (10, 800), (400, 0))
DC: Curve = ((12, 150_000), (4, 110_000), (4, 70_000), (6, 40_000))


def played(books: Books, curve: Curve, voice: Voice, meter: float = 123_456.7) -> None:
    """A session of this curve and voice is exact and certain."""
    session = Session(1, 1, "TAG", 1, meter, curve, voice)
    (outcome,) = play(Story([session], tell(session)), books, "CP-1").outcomes()
    assert (outcome.wh, outcome.review) == (session.figure, None)


def test_honest_sessions_by_chance() -> None:
    report = honest(SESSIONS, 1)
    assert not report.not_exact, str(report)
    assert len(report.flagged) < SHARE_FLAGGED * report.sessions, str(report)


@pytest.mark.parametrize("kind", sorted(set(KINDS)))
def test_honest_sessions_of_a_kind(kind: str) -> None:
    report = honest(SESSIONS // 5, 2, (kind,))
    assert not report.not_exact, str(report)
    assert not report.flagged, str(report)


@pytest.mark.parametrize("curve", [STEADY, SUN, PAUSED, HELD_BACK, FULL])
@pytest.mark.parametrize("every", [None, 400, 60, 15, 5, 1])
@pytest.mark.parametrize("power", ["", "W", "A"])
def test_each_curve_with_readings_of_each_pace(
    books: Books, curve: Curve, every: float | None, power: str
) -> None:
    played(books, curve, Voice(every=every, power=power))


@pytest.mark.parametrize("curve", [STEADY, SUN, PAUSED])
@pytest.mark.parametrize("decimals", [0, 1, 2, 3])
@pytest.mark.parametrize("rounds", [True, False])
def test_registers_in_kwh(books: Books, curve: Curve, decimals: int, rounds: bool) -> None:
    played(books, curve, Voice(every=5, unit="kWh", decimals=decimals, rounds=rounds))


@pytest.mark.parametrize("coarse", [10, 100, 1000])
@pytest.mark.parametrize("every", [60, 5, 1])
def test_coarse_registers(books: Books, coarse: int, every: float) -> None:
    """All its values are multiples: five different values show it."""
    played(books, ((10 * HOUR, 7360),), Voice(every=every, coarse=coarse))


@pytest.mark.parametrize("curve", [STEADY, SUN, PAUSED, FULL])
@pytest.mark.parametrize("meter", [0, 350.5, 5000, 4_000_000])
@pytest.mark.parametrize("unit", ["Wh", "kWh"])
def test_readings_per_session(books: Books, curve: Curve, meter: float, unit: str) -> None:
    """Grizzl-E, young and old: on a young one the session's count overtakes the register of its
    life."""
    played(books, curve, Voice(every=5, unit=unit, decimals=2, per_session=True), meter)


@pytest.mark.parametrize("every", [1, 0.5])
@pytest.mark.parametrize("battery_wh", [0, 80_000])
def test_fast_charging(books: Books, every: float, battery_wh: int) -> None:
    played(books, DC, Voice(every=every, battery_wh=battery_wh))


def test_fast_charging_without_power(books: Books, station: Station) -> None:
    """Many readings that rise at one rate, and a state of charge: 110 kW are honest."""
    transaction, wh = station.start(1000), 1000
    for minute in range(1, 16):
        books.wait(1)
        wh += 1833
        station.tell(
            meter_value(station.clock(), wh, charge_state(20 + 2 * minute)), transaction=transaction
        )
    station.stop(transaction, wh)
    assert_figure(station, transaction, 15 * 1833, flagged=False)


@pytest.mark.parametrize("every", [5, 15, 60])
def test_power_of_moments_that_say_little(books: Books, station: Station, every: int) -> None:
    """Hours of sun, and a cloud at each reading: the register rises smoothly, above what any sample
    says.

    A doubt, at most, and never a lower figure.
    """
    transaction, wh = station.start(1000), 1000
    for _ in range(360 // every):
        books.wait(every)
        wh += 100 * every
        station.tell(meter_value(station.clock(), wh, watts(4000)), transaction=transaction)
    station.stop(transaction, wh)
    assert_figure(station, transaction, 36_000)


def test_hours_offline_with_all_in_memory(books: Books, station: Station) -> None:
    transaction = station.start(1000)
    wh = charge(station, transaction, 1000)
    station.lose()
    books.wait(8 * HOUR)
    station.connect()
    for minute in range(15, 8 * HOUR + 1, 15):
        wh += 1800 if minute <= 2 * HOUR else 0
        station.tell(station.register(wh, 8 * HOUR - minute), transaction=transaction)
    station.stop(transaction, wh)
    assert_figure(station, transaction, 21_600, flagged=False)


def test_hours_offline_without_memory(books: Books, station: Station) -> None:
    """The readings of eight hours are lost, the stop is not."""
    transaction = station.start(1000)
    wh = charge(station, transaction, 1000)
    station.lose()
    books.wait(8 * HOUR)
    station.connect()
    station.stop(transaction, wh + 8 * 7200)
    assert_figure(station, transaction, 9 * 7200, flagged=False)


def test_start_and_stop_both_from_memory(books: Books, station: Station) -> None:
    books.wait(8 * HOUR)
    transaction = station.start(1000, at=station.clock(5 * HOUR))
    for minutes in (240, 180, 120):
        station.tell(
            station.register(1000 + 120 * (300 - minutes), minutes), transaction=transaction
        )
    station.stop(transaction, 22_600, at=station.clock(2 * HOUR))
    assert_figure(station, transaction, 21_600, flagged=False)


@pytest.mark.parametrize("name", sorted(name for name, one in LIES.items() if one.honest))
def test_what_only_looks_like_a_lie(books: Books, name: str) -> None:
    report, chance = Report(), Random(name)
    for number in range(20):
        books.wait(HOUR)
        story, lied = liar_story([name], chance)
        report.add(play(story, books, f"CP-{number}"), lied, [name])
    assert report.table[name].total() == report.table[name][Verdict.RIGHT], str(report)


# Other readings beside the billed register


OFFERED = {"value": "22000", "measurand": "Power.Offered", "unit": "W"}
EXPORT = {"value": "777777", "measurand": "Energy.Active.Export.Register", "unit": "Wh"}
REACTIVE = {"value": "5", "measurand": "Energy.Reactive.Import.Register", "unit": "varh"}
SIGNED = {"value": "AP;0;3;ABCDEF", "format": "SignedData"}
TEMPERATURE = {"value": "900000", "measurand": "Temperature", "unit": "Celsius"}
BODY = {"value": "12", "location": "Body"}


@pytest.mark.parametrize("sample", [OFFERED, EXPORT, REACTIVE, SIGNED, TEMPERATURE, BODY])
@pytest.mark.parametrize("is_first", [True, False])
def test_other_samples_move_nothing(
    books: Books, station: Station, sample: dict[str, str], is_first: bool
) -> None:
    transaction, wh = station.start(1000), 1000
    for _ in range(12):
        books.wait(5)
        wh += 300
        samples = [{"value": str(wh)}, watts(3600), sample]
        station.tell(
            meter_value(station.clock(), *(samples[::-1] if is_first else samples)),
            transaction=transaction,
        )
    station.stop(transaction, wh)
    assert_figure(station, transaction, 3600, flagged=False)


def test_power_of_each_phase(books: Books, station: Station) -> None:
    transaction, wh = station.start(1000), 1000
    for _ in range(HOUR):
        books.wait(1)
        wh += 180
        phases = [watts(3600) | {"phase": phase} for phase in ("L1", "L2", "L3")]
        station.tell(meter_value(station.clock(), wh, *phases), transaction=transaction)
    station.stop(transaction, wh)
    assert_figure(station, transaction, 10_800, flagged=False)


def test_the_meter_of_the_whole_charger(station: Station) -> None:
    """Clock-aligned, of connector 0 and without an id: no register of this session."""
    transaction, wh = station.start(1000), 1000
    for minute in range(5, HOUR + 1, 5):
        wh = charge(station, transaction, wh, 5)
        station.tell(station.register(88_000_000 + 500 * minute), transaction=None, connector=0)
    station.stop(transaction, wh)
    assert_figure(station, transaction, 7200, flagged=False)


def test_readings_of_an_idle_connector(books: Books, station: Station) -> None:
    """Clock-aligned, before and after each session; it takes 2 Wh of its own each time."""
    wh, found = 1000, []
    for _ in range(3):
        for _ in range(4):
            books.wait(15)
            wh += 2
            station.tell(meter_value(station.clock(), wh, watts(0)), transaction=None)
        found.append(station.start(wh))
        wh = charge(station, found[-1], wh)
        station.stop(found[-1], wh)
    books.wait(15)
    station.tell(meter_value(station.clock(), wh + 2, watts(0)), transaction=None)
    settle(books)
    for transaction in found:
        assert_figure(station, transaction, 7200, flagged=False)


def test_available_of_each_connector_after_a_boot(books: Books, station: Station) -> None:
    """Some report so while the car charges on."""
    transaction = station.start(1000)
    wh = charge(station, transaction, 1000)
    station.boot()
    station.status("Available")
    books.wait(1)
    station.status("Charging")
    station.stop(transaction, charge(station, transaction, wh + 120))
    assert_figure(station, transaction, 14_520, flagged=False)


def test_a_cable_that_is_out_long_before_its_stop_arrives(books: Books, station: Station) -> None:
    transaction = station.start(1000)
    wh, ended = charge(station, transaction, 1000), station.clock()
    books.wait(1)
    station.status("Available")
    books.wait(3 * HOUR)
    station.stop(transaction, wh, at=ended)
    assert_figure(station, transaction, 7200, flagged=False)
