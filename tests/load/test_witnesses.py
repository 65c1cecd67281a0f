"""What status, current or power, and register of a connector say together."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from levity_trio.charging.sent.evidence import timestamp_of
from levity_trio.load.measurements import Between, Witnesses, watts_between
from levity_trio.load.tree import Socket
from levity_trio.store.reads.load.load import ConnectorReading, PluggedIn

NOW = 1_767_225_600.0
EVERY = 20
"""Seconds from one reading to the next."""
SOCKET = Socket(charger="CP-1", circuit="F", most=16, rotation="RST")
Lines = tuple[float | None, float | None, float | None]
Told = (
    tuple[Lines | None, float | None, float | None]
    | tuple[Lines | None, float | None, float | None, bool]
)


def car(
    at: float, told: Told | None, wh: float | None, status: str = "Charging", since: float = NOW
) -> PluggedIn:
    reading = None if told is None else ConnectorReading(timestamp_of(at), *told)
    energy = None if wh is None else round(wh)
    changed = timestamp_of(since)
    return PluggedIn("CP-1", 1, True, status, changed, changed, 7, "TAG", energy, reading)


def heard(
    told: Told | None, watts: float | None, minutes: float, status: str = "Charging"
) -> Witnesses:
    """Let a charger tell the same for so long, while its register rises by so many W."""
    record = Witnesses(SOCKET, car(NOW, None, None), at=NOW, drew_at=NOW)
    hear(record, told, watts, range(0, int(minutes * 60), EVERY), status)
    return record


def hear(
    record: Witnesses,
    told: Told | None,
    watts: float | None,
    seconds: Iterable[int],
    status: str = "Charging",
    since: float = NOW,
) -> None:
    begun = record.wh or 0
    first = None
    for second in seconds:
        first = second if first is None else first
        wh = None if watts is None else begun + watts * (second - first) / 3600
        follows_at = since + 5 if since > NOW else 0.0
        record.hear(car(NOW + second, told, wh, status, since), follows_at, NOW + second)
        record.count_lines(None)


ONE, THREE = 16 * 230, 3 * 16 * 230
L1_ONLY: Told = ((16.0, None, None), None, None)
ZEROS: Told = ((16.0, 0.0, 0.0), None, None)
ALL: Told = ((16.0, 16.0, 16.0), None, None)
SUM: Told = (None, 48.0, None)
EACH: Told = (None, 16.0, None)


@pytest.mark.parametrize(
    ("told", "watts", "minutes", "lines"),
    [
        pytest.param(L1_ONLY, None, 30, None, id="what is not told is not zero"),
        pytest.param(L1_ONLY, THREE, 5, 3, id="the register rises as three lines make it"),
        pytest.param(L1_ONLY, ONE, 5, 1, id="or as one line does"),
        pytest.param(ZEROS, ONE, 1, None, id="one line needs a second witness"),
        pytest.param((*ZEROS, True), None, 1, 1, id="which is that the others have no voltage"),
        pytest.param((*L1_ONLY, True), None, 1, 1, id="also if no current is told of them"),
        pytest.param((*ZEROS, True), THREE, 30, 3, id="unless the register shows three"),
        pytest.param((*ALL, True), None, 5, 3, id="but not if they carry one"),
        pytest.param(ZEROS, ONE, 5, 1, id="which the register is"),
        pytest.param(ZEROS, 1.5 * ONE, 30, None, id="or is not"),
        pytest.param(ZEROS, THREE, 30, 3, id="or it shows three"),
        pytest.param(ZEROS, None, 4, None, id="while others say nothing"),
        pytest.param(ZEROS, None, 6, 1, id="it takes five minutes"),
        pytest.param(ALL, None, 1, 3, id="all wired lines take nothing from a car"),
        pytest.param(((0.0, 0.0, 0.0), None, None), None, 30, None, id="zeros have no number"),
        pytest.param(EACH, THREE, 30, None, id="of each line"),
        pytest.param(EACH, ONE, 30, None, id="or of all"),
    ],
)
def test_on_how_many_lines_a_car_charges(
    told: Told, watts: float | None, minutes: float, lines: int | None
) -> None:
    record = heard(told, watts, minutes)
    assert record.lines == lines
    assert len([amperes for amperes in record.drawn_between(None)[1] if amperes]) == (
        lines or 3
    ) or (told[0] == (0.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ("limits", "sums", "lines", "probe"),
    [
        pytest.param((7, 6), (21, 18), 3, 6, id="on three lines"),
        pytest.param((7, 6), (7, 6), None, None, id="of each line, or on one"),
        pytest.param((11, 10), (32, 32), None, 10, id="on one line, and a limit is ignored"),
        pytest.param((6, 7), (18, 21), 3, None, id="less than the least is not told"),
    ],
)
def test_a_sum_of_currents_shows_its_lines_by_two_limits(
    limits: tuple[float, float], sums: tuple[float, float], lines: int | None, probe: int | None
) -> None:
    record, probes = Witnesses(SOCKET, car(NOW, None, None), at=NOW, drew_at=NOW), []
    for second, step in ((0, 0), (EVERY, 1), (400, 1)):
        limit, amperes = limits[step], sums[step]
        told = None, float(amperes), None
        record.hear(car(NOW + second, told, None), 0.0, NOW + second)
        record.count_lines(limit)
        probes.append(record.probe)
    assert record.lines == lines
    assert probes == [probe, None, None]


def test_a_register_of_100_wh_speaks_against_one_line_before_it_was_compared() -> None:
    record = Witnesses(SOCKET, car(NOW, None, None), at=NOW, drew_at=NOW)
    for second in range(0, 700, EVERY):
        wh = 3 * 6 * 230 * second / 3600 // 100 * 100
        record.hear(car(NOW + second, ((6.0, 0.0, 0.0), None, None), wh), 0.0, NOW + second)
        record.count_lines(None)
        assert record.lines != 1 or second < 400


def test_a_current_without_a_phase_is_booked_on_one_line_and_accuses_as_if_it_were_on_all() -> None:
    assert heard(SUM, None, 1).drawn == Between(16, 16, NOW + 40)
    assert heard((None, 24.0, None), None, 1).drawn == Between(8, 12, NOW + 40)


@pytest.mark.parametrize(
    ("told", "odd", "most"),
    [
        ((None, 9000.0, None), "impossible", None),
        (((9000.0, 9000.0, 9000.0), None, None), "impossible", None),
        (((39.8, 0.0, 0.0), None, None), "entered", 39.8),
        (((17.0, 17.0, 17.0), None, None), "", 17.0),
    ],
)
def test_what_is_impossible_is_missing_and_what_is_not_is_booked(
    told: Told, odd: str, most: float | None
) -> None:
    record = heard(told, None, 1)
    assert record.odd == odd
    assert (record.drawn and record.drawn.most) == most


def test_readings_that_stick_while_the_register_stands_accuse_nobody() -> None:
    record = heard(ALL, THREE, 10)
    hear(record, ALL, 0.0, range(600, 800, EVERY), "SuspendedEVSE", NOW + 590)
    assert record.differs
    assert record.drawn is not None
    assert (record.drawn.least, record.drawn.most) == (0, 16)
    assert record.is_idle


def test_a_power_without_its_unit_is_no_reason_to_take_anything() -> None:
    """9.9 W, while 10 kW flow."""
    record = Witnesses(SOCKET, car(NOW, None, None), at=NOW, drew_at=NOW)
    for second in range(0, 300, EVERY):
        wh = THREE * second / 3600
        record.hear(car(NOW + second, (None, None, 9.9), wh), 0.0, NOW + second)
        assert not record.draws_less(16)
    assert record.odd == "differ"
    assert record.drawn is not None
    assert record.drawn.least < 1
    assert record.drawn.most > 15


@pytest.mark.parametrize(("watts", "minutes", "is_sure"), [(1380 * 3, 3, True), (None, 4, False)])
def test_that_a_car_draws_less_needs_two_or_five_minutes(
    watts: float | None, minutes: float, *, is_sure: bool
) -> None:
    record = heard(((6.0, 6.0, 6.0), None, None), watts, minutes)
    record.draws_less(16)
    assert record.draws_less(16) is is_sure
    hear(record, ((6.0, 6.0, 6.0), None, None), watts, range(240, 600, EVERY))
    assert record.draws_less(16)


NOTHING: Told = ((0.0, 0.0, 0.0), None, None)


def offered(status: str = "SuspendedEV", *, may_divide: bool = False) -> Witnesses:
    record = Witnesses(SOCKET, car(NOW, None, None, status), at=NOW, drew_at=NOW, may_since=NOW)
    for second in (20, 40, 60):
        record.hear(car(NOW + second, NOTHING, 0, status), 0.0, NOW + second)
        record.offer_more(6, may_divide=may_divide)
    return record


@pytest.mark.parametrize("status", ["SuspendedEV", "SuspendedEVSE", "Charging"])
def test_a_car_that_does_not_begin_is_offered_more_whatever_its_status(status: str) -> None:
    record = offered(status)
    assert record.needs == 8
    record.may_since = NOW + 62
    record.hear(car(NOW + 122, NOTHING, 0, status), 0.0, NOW + 122)
    record.offer_more(8, may_divide=False)
    assert record.needs == 10
    record.may_since = NOW + 125
    for second in range(140, 420, EVERY):
        record.hear(car(NOW + second, NOTHING, 0, status), 0.0, NOW + second)
        record.offer_more(10, may_divide=False)
        record.look_whether_full(10)
        assert not record.is_full or (status == "SuspendedEV" and second >= 305)
    record.hear(car(NOW + 430, NOTHING, 0, status), 0.0, NOW + 430)
    record.look_whether_full(10)
    assert record.is_full
    # It draws, so it is not full, and goes on with less than it needs to begin.
    record.hear(car(NOW + 440, ALL, 0, "Charging"), 0.0, NOW + 440)
    assert not record.is_full
    assert (record.needs, record.begins) == (6, 10)


def test_watts_for_one_line_that_are_divided_are_told_for_all() -> None:
    assert offered("SuspendedEVSE", may_divide=True).per_ampere == 3
    assert offered("SuspendedEV", may_divide=True).per_ampere == 1


def test_a_car_that_pauses_by_itself_is_not_full_for_five_minutes() -> None:
    record = heard(ALL, THREE, 3)
    record.may_since = NOW
    hear(record, NOTHING, 0.0, range(180, 460, EVERY), "SuspendedEV", NOW + 170)
    record.look_whether_full(16)
    assert record.is_idle
    assert not record.is_full
    hear(record, NOTHING, 0.0, range(460, 500, EVERY), "SuspendedEV", NOW + 170)
    record.look_whether_full(16)
    assert record.is_full
    # It stays full while it may not draw.
    record.may_since = None
    hear(record, NOTHING, 0.0, range(500, 700, EVERY), "SuspendedEVSE", NOW + 500)
    record.look_whether_full(0)
    assert record.is_full


def test_who_needed_long_to_begin_is_offered_more_later() -> None:
    record = heard((None, 0.0, None), None, 5, "SuspendedEVSE")
    record.may_since, record.wakes = NOW, 90.0
    begins = []
    for second in (59, 140, 160):
        record.at = NOW + second
        record.offer_more(6, may_divide=False)
        begins.append(record.begins)
    assert begins == [0, 0, 8]


@pytest.mark.parametrize("lines", [(None, 8.0, None), (0.0, 8.0, 0.0), (8.0, None, None)])
def test_one_that_is_wired_to_one_line_may_name_any(lines: Lines) -> None:
    reading = ConnectorReading(timestamp_of(NOW), lines, None, None)
    assert watts_between(reading, 1) == (1840, 1840)


@pytest.mark.parametrize("leap", [3600, -3600])
def test_a_clock_that_is_set_while_a_charger_is_away_sets_no_register_against_its_current(
    leap: int,
) -> None:
    record = heard(ALL, THREE, 3)
    away = record.car._replace(is_connected=False)
    record.leapt(leap)
    record.hear(away, 0.0, NOW + 180 + leap)
    energy = record.wh or 0
    for second in range(200, 800, EVERY):
        wh = energy + THREE * (second - 160) / 3600
        record.hear(car(NOW + second + leap, ALL, wh), 0.0, NOW + second + leap)
        assert not record.differs


def test_what_one_draws_that_is_away_nobody_knows() -> None:
    """Its register may have said what it drew for a while, and that is not what it draws."""
    record = heard(ALL, THREE, 5)
    limit = Between(16, 16, NOW)
    assert record.drawn_between(limit) == ((16, 16, 16), (16, 16, 16))
    record.car = record.car._replace(is_connected=False)
    assert record.drawn_between(limit) == ((0, 0, 0), (16, 16, 16))
    record.car = record.car._replace(status="SuspendedEV", changed_at=timestamp_of(NOW + 400))
    assert record.drawn_between(limit) == ((0, 0, 0), (16, 16, 16))


def test_one_whose_witnesses_differed_is_seen_to_pause_by_what_it_tells_later() -> None:
    """Its register stands still from then on, so it says nothing new."""
    record = heard((None, None, 11.0), THREE, 6)
    assert record.differs
    hear(record, (None, None, 0.0), 0.0, range(360, 420, EVERY), "SuspendedEVSE", NOW + 350)
    assert record.drawn == Between(0, 0, NOW + 400)
    # Its status is stuck, and its power shows that.
    hear(record, (None, None, 500.0), 0.0, range(420, 440, EVERY), "SuspendedEVSE", NOW + 350)
    assert record.drawn is not None
    assert record.drawn.most > 1
