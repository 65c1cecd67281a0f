"""What is known of cars and chargers between two decisions."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from levity_trio.charging.sent.evidence import timestamp_of
from levity_trio.load.lease import DAY_SECONDS, DEFAULT, LEASE_SECONDS, Leases, LimitStep, leased
from levity_trio.load.managed_chargers import ManagedChargers
from levity_trio.load.profiles import Ability, LimitWay
from levity_trio.load.rule import Allocation, Bound, CurrentLimit
from levity_trio.load.tree import Circuit, Socket, Tree
from levity_trio.store.reads.load.leases import ManagedCharger
from levity_trio.store.reads.load.load import ConnectorReading, Heard, LoadPresent, PluggedIn
from levity_trio.store.writes.load import load

NOW = 1_767_225_600.0
PLACE = ("CP-1", 1)
CHARGER = ManagedCharger(
    charger="CP-1",
    state="managed",
    since="",
    by="anna",
    way=1,
    prepared_at=timestamp_of(NOW - 60),
    prepared_boot=1,
    prepared_firmware="1",
    trusted_by=None,
    disobeys_since=None,
    restarts_since=None,
    obeyed=0,
    is_connected=True,
    boot=1,
    vendor="v",
    model="m",
    firmware="1",
    skew_seconds=0,
)
TREE = Tree([Circuit(name="F", amperes=40)], [Socket(charger="CP-1", circuit="F", rotation="RST")])


def present(wh: int, transaction: int = 7) -> LoadPresent:
    at_text = timestamp_of(NOW)
    car = PluggedIn("CP-1", 1, True, "Charging", at_text, at_text, transaction, "TAG", wh, None)
    return LoadPresent([car], [PLACE], [], None, [], Counter(), {"CP-1": CHARGER})


def take(holding: ManagedChargers, told: LoadPresent, at: float) -> None:
    holding.take(told, TREE, at)


def test_a_register_shows_what_a_car_draws() -> None:
    """11 kW on three lines are 16 A on each."""
    holding = ManagedChargers(Leases())
    for minute in range(6):
        take(holding, present(round(11_040 * minute / 60)), NOW + minute * 60)
    held = holding.leases.held[PLACE]
    assert held.drawn is not None
    assert abs(held.drawn - 16) < 0.5
    assert held.reports >= 1  # its default allows nothing yet


def test_a_register_that_stands_still_shows_that_a_car_draws_nothing() -> None:
    holding = ManagedChargers(Leases())
    for minute in range(8):
        at = NOW + minute * 60
        (car,) = (told := present(500)).cars
        take(holding, told._replace(cars=[car._replace(heard=Heard(at, 0.0))]), at)
    assert holding.leases.held[PLACE].drawn == 0


def test_a_register_that_is_told_each_quarter_of_an_hour_does_not_stand_still_in_between() -> None:
    holding = ManagedChargers(Leases())
    seldom = {"CP-1": replace(CHARGER, keys={"MeterValueSampleInterval": "900"})}
    for minute in range(60):
        take(holding, present(2760 * (minute // 15))._replace(managed=seldom), NOW + minute * 60)
        assert holding.leases.held[PLACE].drawn in (None, 16.0)
    assert holding.leases.held[PLACE].drawn == 16


def test_a_register_that_rises_by_100_wh_does_not_stand_still_at_6_a_on_one_line() -> None:
    holding = ManagedChargers(Leases())
    for minute in range(60):
        take(holding, present(1380 * minute // 60 // 100 * 100), NOW + minute * 60)
        assert holding.leases.held[PLACE].drawn != 0


def test_the_register_of_a_car_says_nothing_of_the_next_one() -> None:
    holding = ManagedChargers(Leases())
    for minute in range(4):
        take(holding, present(20_000 + 184 * minute), NOW + minute * 60)
    for minute in range(60, 64):
        take(holding, present(92 * (minute - 60), transaction=8), NOW + minute * 60)
    held = holding.leases.held[PLACE]
    assert held.drawn is not None
    assert abs(held.drawn - 8) < 0.5


def test_two_connectors_that_are_told_at_once_are_told_by_nobody_else() -> None:
    tree = Tree(
        [Circuit(name="F", amperes=40)],
        [Socket(charger="CP-1", connector=n, circuit="F") for n in (1, 2)],
    )
    leases = Leases()
    steps = [
        LimitStep(place=place, lease=leased(8, 6, NOW, 7), is_lower=True) for place in tree.sockets
    ]
    for step in steps:
        leases.hold(step.place, leased(16, 6, NOW, 7))
        leases.sending(step, NOW)
    leases.accepted(steps[0], NOW)
    ManagedChargers(leases).told_by_others("CP-1", tree, NOW)
    leases.accepted(steps[1], NOW)
    assert [held.may_still_draw for held in leases.held.values()] == [16, 16]


def test_who_is_away_has_waited_as_long_after_our_clock_was_set_back() -> None:
    holding = ManagedChargers(Leases())
    away = {"CP-1": replace(CHARGER, is_connected=False, trusted_by="anna")}
    nobody = LoadPresent([], [PLACE], [], None, [], Counter(), {"CP-1": CHARGER})
    holding.take(nobody, TREE, NOW)
    holding.take(nobody._replace(managed=away), TREE, NOW)
    holding.leapt(-3600)
    assert holding.booked(TREE, nobody, NOW - 3600 + LEASE_SECONDS) == {PLACE: 6}


@pytest.mark.parametrize("set_back", [0, 3600])
def test_boots_after_our_clock_was_set_back_are_no_answer_to_what_was_sent_before(
    set_back: int,
) -> None:
    holding, told = ManagedChargers(Leases()), present(0)
    holding.take(told, TREE, NOW)
    holding.leases.count(PLACE, "lease", NOW)
    if set_back:
        holding.leapt(-set_back)
    for boot in (2, 3, 4):
        booted = told._replace(managed={"CP-1": replace(CHARGER, boot=boot)})
        holding.take(booted, TREE, NOW - set_back + 10 * boot)
    answers = [args for write, *args in holding.unwritten if write is load.note_restarts]
    assert bool(answers) is (not set_back)


@pytest.mark.parametrize("is_away", [True, False])
def test_a_connector_without_a_car_takes_nothing_as_long_as_its_charger_would_tell_of_one(
    *, is_away: bool
) -> None:
    holding = ManagedChargers(Leases())
    charger = replace(CHARGER, is_connected=not is_away, facts={"waits": False}, trusted_by="anna")
    nobody = LoadPresent([], [PLACE], [], None, [], Counter(), {"CP-1": charger})
    holding.take(nobody, TREE, NOW)
    (booked,) = holding.cars(TREE, nobody, Allocation(at=NOW), NOW).values()
    assert (booked.is_full, booked.fixed) == (not is_away, 6)


def read(lag: float, at: float) -> LoadPresent:
    """A reading that comes so late by its charger's clock."""
    at_text = timestamp_of(NOW)
    told = ConnectorReading(timestamp_of(at), (8.0, 8.0, 8.0), None, None)
    car = PluggedIn(
        "CP-1", 1, True, "Charging", at_text, at_text, 7, "TAG", 0, told, Heard(at, lag)
    )
    return LoadPresent([car], [PLACE], [], None, [], Counter(), {"CP-1": CHARGER})


def skews(lags: list[float]) -> list[int]:
    """How far the clock is taken to be ahead after each of these readings."""
    holding, found = ManagedChargers(Leases()), []
    for index, lag in enumerate(lags, start=1):
        take(holding, read(lag, NOW + 20 * index), NOW + 20 * index)
        found.append(holding.skew("CP-1"))
    return found


def test_a_clock_that_was_set_back_stays_known_when_a_reading_is_late() -> None:
    assert skews([0, 3600, 3600, 3600, 3606, 3650, 3600]) == [0, 0, 0, -3600, -3600, -3600, -3600]


def test_a_queue_that_empties_sets_no_clock_ahead() -> None:
    assert skews([250, 180, 90, 0, 0, 0, 0]) == [0] * 7


def test_a_clock_that_is_put_right_is_right_at_once() -> None:
    assert skews([0, 3600, 3600, 3600, 1]) == [0, 0, 0, -3600, 0]


def test_readings_that_come_by_a_slow_way_set_no_clock_and_accuse_all_the_same() -> None:
    """It draws 8 A while it may draw nothing, for minutes."""
    holding = ManagedChargers(Leases())
    lags = [2, 41, 17, 55, 28, 70, 90, 33, *[60, 20] * 4]
    for index, lag in enumerate(lags, start=1):
        take(holding, read(lag, NOW + 20 * index), NOW + 20 * index)
    assert holding.skew("CP-1") == 0
    assert [fact.drawn for fact, _ in holding.ignoring(NOW + 20 * len(lags))] == [8.0]


def test_a_queue_that_empties_slowly_accuses_nobody() -> None:
    """It tells what was drawn an hour ago."""
    holding = ManagedChargers(Leases())
    for index, lag in enumerate([0, 3600, 3400, 3200, 3000, 2800, 2600, 2400], start=1):
        take(holding, read(lag, NOW + 20 * index), NOW + 20 * index)
    assert [*holding.ignoring(NOW + 300)] == []


def test_a_clock_that_was_set_back_before_a_restart_is_known_after_it() -> None:
    # over one link, and over another since the first readings
    for link, known in (
        (5, -1799),
        (6, 0),
    ):
        lags = [(5, 1), (5, 1), (link, 1800), (link, 1800), (link, 1800)]
        heard = [
            ("CP-1", 0, used, Heard(NOW - 200 + 20 * index, lag))
            for index, (used, lag) in enumerate(lags)
        ]
        holding = ManagedChargers(Leases())
        holding.adopt([], heard, NOW)
        take(holding, read(1800, NOW + 20), NOW + 20)
        assert holding.skew("CP-1") == known


def test_what_a_status_has_told_of_a_clock_is_not_counted_twice_after_a_restart() -> None:
    heard = [
        ("CP-1", -1800, 5, Heard(NOW - 200 + 20 * index, lag))
        for index, lag in enumerate([1, 1800, 1800, 1800])
    ]
    holding = ManagedChargers(Leases())
    holding.adopt([], heard, NOW)
    told = read(1800, NOW + 20)
    take(holding, told._replace(managed={"CP-1": replace(CHARGER, skew_seconds=-1800)}), NOW + 20)
    assert holding.skew("CP-1") == -1800


def raised(amperes: int, safe: int, transaction: int = 7) -> LimitStep:
    lease = leased(amperes, safe, NOW, transaction)
    return LimitStep(place=PLACE, lease=lease, is_lower=False)


def refusing(facts: dict[str, Any], times: int) -> Ability:
    holding = ManagedChargers(Leases())
    told = present(0)
    holding.take(told._replace(managed={"CP-1": replace(CHARGER, facts=facts)}), TREE, NOW)
    for _ in range(times):
        holding.refused(TREE.sockets[PLACE], raised(0, 0), NOW)
    assert holding.leases.floors == {"CP-1": holding.can["CP-1"].floor}
    return holding.can["CP-1"]


def test_a_refusal_leaves_what_a_trial_has_shown() -> None:
    """Offsets from the start of the transaction would let a lease last for hours, where they count
    from receipt."""
    can = refusing({"counts_from": "receipt"}, 1)
    assert (can.counts_from, can.takes_zero) == ("receipt", False)


def test_who_refuses_everything_is_in_no_way_told_after_a_few_times() -> None:
    ways = [refusing({}, times).way for times in range(12)]
    assert ways == [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 5, 5]


def test_a_way_that_is_refused_in_all_its_words_shows_nothing_of_0_a() -> None:
    """Of one without profiles for a transaction, three sessions must not show all with its firmware
    that they pause no car."""
    holding = ManagedChargers(Leases())
    for transaction in (7, 8, 9):
        take(holding, present(1000, transaction), NOW)
        while holding.can["CP-1"].way is LimitWay.TRANSACTION:
            holding.refused(TREE.sockets[PLACE], raised(16, 0, transaction), NOW)
        for _ in range(3):
            holding.accepted(PLACE, transaction, NOW)
    assert [*holding.unwritten] == [(load.learn_of_firmware, "CP-1", {"way": 2}, timestamp_of(NOW))]


def test_a_refusal_that_comes_after_a_charger_was_let_go_is_nothing() -> None:
    ManagedChargers(Leases()).refused(TREE.sockets[PLACE], raised(8, 6), NOW)


def test_each_session_teaches_once() -> None:
    """On how many lines its car charges, and at which current it began."""
    holding = ManagedChargers(Leases())
    for second in range(0, 900, 20):
        # It seems to use another number for a while, and the same again.
        amperes = (0.0,) * 3 if second < 20 else (7.0,) * 3 if second // 300 != 1 else (7.0, 0, 0)
        told = telling(amperes, NOW + second, wh=4830 * second // 3600)
        take(holding, told._replace(managed={"CP-1": CHARGER}), NOW + second)
    lessons = [args[:-1] for _, *args in holding.unwritten]
    assert lessons == [["least", PLACE, "TAG", "6"], ["lines", PLACE, "TAG", "3"]]


@pytest.mark.parametrize("status", ["SuspendedEV", "SuspendedEVSE"])
def test_who_stops_at_less_needs_what_its_car_had(status: str) -> None:
    """Some cars stop, and some chargers withhold what is too little for them."""
    holding = ManagedChargers(Leases())
    for second, amperes in ((0, 9), (20, 9), (60, 6)):
        drawn = (9.0 if amperes == 9 else 0.0,) * 3
        (car,) = (told := telling(drawn, NOW + second)).cars
        if amperes == 6:
            car = car._replace(status=status, changed_at=timestamp_of(NOW + 59))
        holding.leases.hold(PLACE, leased(amperes, 6, NOW, 7))
        holding.leases.held[PLACE].answered = NOW + second - 5
        told = told._replace(cars=[car], managed={"CP-1": CHARGER})
        take(holding, told, NOW + second)
        holding.note_spells(told, decided(Bound.MOST), NOW + second)
    assert holding.witnesses[PLACE].needs == 9


def test_whose_link_is_lost_when_its_turn_comes_keeps_it_for_a_minute() -> None:
    holding = ManagedChargers(Leases())
    away = {"CP-1": replace(CHARGER, is_connected=False, trusted_by="anna")}
    (car,) = (told := present(0)).cars
    take(holding, told, NOW - 100)
    told = told._replace(cars=[car._replace(is_connected=False)], managed=away)
    limits = {PLACE: CurrentLimit(amperes=9, bound=Bound.CIRCUIT)}
    before = Allocation(at=NOW, limits=limits)
    for second, amperes in ((0, 9), (59, 9), (61, 0)):
        take(holding, told, NOW + second)
        (booked,) = holding.cars(TREE, told, before, NOW + second).values()
        assert booked.fixed == amperes


def test_who_ignores_its_limits_is_booked_with_what_it_draws_beyond_what_was_entered() -> None:
    holding = ManagedChargers(Leases())
    told = telling((39.8, 0.0, 0.0), NOW)
    told = told._replace(managed={"CP-1": replace(CHARGER, way=LimitWay.NONE)})
    take(holding, told, NOW)
    (booked,) = holding.cars(TREE, told, decided(Bound.FIXED), NOW).values()
    assert (booked.fixed, booked.over) == (39.8, 0)


@pytest.mark.parametrize(("lag", "is_off"), [(60, False), (3600, True), (-3600, True)])
def test_a_register_says_nothing_while_the_clock_of_its_charger_is_another(
    lag: float, *, is_off: bool
) -> None:
    holding = ManagedChargers(Leases())
    for second, late in ((0, 0.0), (20, lag)):
        (car,) = (told := present(500)).cars
        told = told._replace(cars=[car._replace(heard=Heard(NOW + second, late))])
        take(holding, told, NOW + second)
    assert holding.witnesses[PLACE].is_off is is_off


IN_WATTS = replace(CHARGER, keys={"ChargingScheduleAllowedChargingRateUnit": "Power"})


def telling(
    amperes: tuple[float, float, float], at: float, status: str = "Charging", wh: int = 0
) -> LoadPresent:
    """What a charger tells that takes watts."""
    begun = timestamp_of(NOW)
    told = ConnectorReading(timestamp_of(at), amperes, None, None)
    car = PluggedIn("CP-1", 1, True, status, begun, begun, 7, "TAG", wh, told)
    return LoadPresent([car], [PLACE], [], None, [], Counter(), {"CP-1": IN_WATTS})


def decided(bound: Bound) -> Allocation:
    return Allocation(at=NOW, limits={PLACE: CurrentLimit(amperes=0, bound=bound)})


def dividing(*, is_sum: bool = False) -> ManagedChargers:
    """A charger that gave its car nothing for 6 A on one line. It tells the current of each line,
    or the power of all."""
    holding = ManagedChargers(Leases())
    for second in range(0, 120, 20):
        told = telling((0.0, 0.0, 0.0), NOW + second, "SuspendedEVSE")
        if is_sum:
            power = ConnectorReading(timestamp_of(NOW + second), None, None, 0.0)
            told = told._replace(cars=[told.cars[0]._replace(reading=power)])
        holding.take(told, TREE, NOW + second)
        holding.leases.hold(PLACE, leased(6, 6, NOW, 7))
        holding.note_spells(told, decided(Bound.MOST), NOW + second)
        assert [args[:2] for _, *args in holding.unwritten] == [[7, "waited"]]
        assert holding.lines_told(PLACE) == (1 if second < 60 else None)
    return holding


def test_watts_are_told_for_one_line_until_its_lines_were_seen_or_nothing_was_drawn() -> None:
    holding = dividing()
    assert holding.leases.on_one_line(TREE.sockets[PLACE], 6) == 18
    for second in range(120, 200, 20):
        holding.take(telling((6.0, 6.0, 6.0), NOW + second), TREE, NOW + second)
    assert holding.lines_told(PLACE) == 3
    assert holding.leases.on_one_line(TREE.sockets[PLACE], 6) == 6


def test_where_three_amperes_do_not_fit_two_are_tried_once() -> None:
    holding, told = dividing(), telling((0.0, 0.0, 0.0), NOW + 120, "SuspendedEVSE")
    for bound, factor in ((Bound.CIRCUIT, 3), (Bound.WAITS, 2), (Bound.CIRCUIT, 2)):
        holding.take(told, TREE, NOW + 120)
        (car,) = holding.cars(TREE, told, decided(bound), NOW + 120).values()
        assert car.per_ampere == holding.leases.in_watts[PLACE] == factor
    too_much = telling((18.0, 0.0, 0.0), NOW + 140)
    for bound in (Bound.CIRCUIT, Bound.WAITS):
        holding.take(too_much, TREE, NOW + 140)
        (car,) = holding.cars(TREE, too_much, decided(bound), NOW + 140).values()
        assert car.per_ampere == 3


def test_two_amperes_are_not_tried_where_no_reading_can_show_too_much_on_one_line() -> None:
    holding = dividing(is_sum=True)
    told = telling((0.0, 0.0, 0.0), NOW + 100, "SuspendedEVSE")
    (car,) = holding.cars(TREE, told, decided(Bound.WAITS), NOW + 120).values()
    assert car.per_ampere == 3


@pytest.mark.parametrize(
    ("watts", "seconds", "is_accused"),
    [(5520, 400, True), (5520, 100, False), (0, 400, False)],
)
def test_to_disobey_takes_two_witnesses(watts: int, seconds: int, *, is_accused: bool) -> None:
    """8 A on three lines, while it may draw nothing, and has drawn before."""
    holding, accused = ManagedChargers(Leases()), False
    for second in range(0, seconds, 20):
        wh = 500 + watts * second // 3600
        told = telling((8.0, 8.0, 8.0), NOW + second, wh=wh if second else 499)
        take(holding, told._replace(managed={"CP-1": CHARGER}), NOW + second)
        accused = accused or any(holding.ignoring(NOW + second))
    assert accused is is_accused


def test_two_connectors_of_which_none_draws_beside_the_other_charge_by_turns() -> None:
    tree = Tree(
        [Circuit(name="F", amperes=40)],
        [Socket(charger="CP-1", connector=number, circuit="F") for number in (1, 2)],
    )
    holding, told = ManagedChargers(Leases()), present(0)
    begun = timestamp_of(NOW)
    for second in range(0, 240, 20):
        nothing = ConnectorReading(timestamp_of(NOW + second), (0.0, 0.0, 0.0), None, None)
        cars = [
            PluggedIn("CP-1", n, True, "SuspendedEV", begun, begun, n, "TAG", 0, nothing)
            for n in (1, 2)
        ]
        told = told._replace(cars=cars)
        holding.take(told, tree, NOW + second)
        for number in (1, 2):
            holding.leases.hold(("CP-1", number), leased(16, 6, NOW, number))
        holding.note_spells(told, Allocation(at=NOW), NOW + second)
        assert (holding.by_turns == {"CP-1"}) is (second >= 160)
    assert all(car.alone for car in holding.cars(tree, told, Allocation(at=NOW), NOW).values())
    holding.take(told._replace(cars=told.cars[:1]), tree, NOW + 240)
    assert holding.by_turns == set()


def test_a_charger_that_boots_all_day_without_a_car_has_a_budget_of_defaults() -> None:
    holding = ManagedChargers(Leases(writes_a_day=10))
    nobody = present(0)._replace(cars=[], managed={"CP-1": replace(CHARGER, boot=2)})
    take(holding, nobody, NOW)
    for _ in range(9):
        assert [*holding.unprepared(NOW)]
        holding.leases.count(PLACE, DEFAULT, NOW)
    assert not [*holding.unprepared(NOW)]
    # The car that had a cap yesterday has left.
    holding.leases.caps[PLACE] = 6
    assert [*holding.unprepared(NOW + DAY_SECONDS)]


def test_one_that_has_booted_may_draw_its_maximum_until_a_reading_shows_that_it_obeys() -> None:
    holding, told = ManagedChargers(Leases()), telling((6.0, 6.0, 6.0), NOW)
    holding.leases.hold(PLACE, leased(6, 6, NOW, 7))
    holding.leases.held[PLACE].answered = NOW - 60
    take(holding, told._replace(managed={"CP-1": CHARGER}), NOW)
    holding.sent(PLACE, None)
    booted = told._replace(managed={"CP-1": replace(CHARGER, boot=2)})
    take(holding, booted, NOW + 10)
    limit = holding.accepted_limit(PLACE, NOW + 10)
    assert limit == (6, 32, NOW + 10)
    _, most = holding.witnesses[PLACE].drawn_between(limit)
    assert most == (32, 32, 32)
    holding.sent(PLACE, None)
    later = telling((6.0, 6.0, 6.0), NOW + 20)._replace(managed=booted.managed)
    take(holding, later, NOW + 20)
    assert holding.accepted_limit(PLACE, NOW + 20) == (6, 6, NOW + 10)


def test_one_that_boots_without_being_told_anything_does_not_answer_by_its_boots() -> None:
    """With a bad link, some boot whenever they come back, and are told their limit each time."""
    holding, told = ManagedChargers(Leases()), present(0)
    take(holding, told, NOW)
    for boot, at in ((2, 10), (3, 300), (4, 310), (5, 320), (6, 330)):
        if boot != 3:
            holding.leases.count(PLACE, "lease", NOW + at - 5)
        booted = told._replace(managed={"CP-1": replace(CHARGER, boot=boot)})
        take(holding, booted, NOW + at)
        answers = [args for write, *args in holding.unwritten if write is load.note_restarts]
        assert bool(answers) is (boot == 6)


def test_what_waits_to_be_written_is_kept_for_days() -> None:
    unwritten = ManagedChargers(Leases()).unwritten
    unwritten.later(load.end_trial, 1, "[]", "passed", timestamp_of(NOW), {})
    for quarter in range(7 * 96):
        unwritten.later(load.begin_span, quarter, "", timestamp_of(NOW))
    assert unwritten[0][0] is load.end_trial
