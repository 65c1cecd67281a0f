"""What holds for any tree and any cars, and that the plain rule says the same as the rule."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from levity_trio.load import rule
from levity_trio.load.rule import (
    Allocation,
    Bound,
    Car,
    CarStanding,
    CurrentLimit,
    Measured,
    OtherLoad,
    decide,
)
from levity_trio.load.tree import PHASES, ROTATIONS, Circuit, Place, Socket, Tree
from levity_trio.records import record
from tests.load import plain
from tests.sizes import size

NOW = 1767268800.0
"""A full hour."""
NEVER = Allocation(at=NOW - 10)
ALL = {Bound.MOST, Bound.CIRCUIT, Bound.STEADY, Bound.KNOCK, Bound.FULL}
"""Bounds of grants that the rule itself has to fit into the ledgers."""

examples = settings(
    max_examples=size(3000, 40),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@record
class Moment:
    """What a decision is asked at one moment."""

    at: float
    cars: tuple[Car, ...]
    measured: Measured


@st.composite
def trees(draw: st.DrawFn, most_circuits: int = 4) -> Tree:
    count = draw(st.integers(1, most_circuits))
    circuits = [
        Circuit(
            name=f"C{number}",
            amperes=draw(st.integers(6, 70)),
            parent=f"C{draw(st.integers(0, number - 1))}" if number else "",
            reserve=draw(st.none() | st.integers(0, 9)),
            cautious=draw(st.booleans()),
        )
        for number in range(count)
    ]
    sockets = []
    for number in range(draw(st.integers(1, 7))):
        least = draw(st.sampled_from([6, 6, 6, 7, 8]))
        sockets.append(
            Socket(
                charger=f"P{number}",
                circuit=f"C{draw(st.integers(0, count - 1))}",
                rotation=draw(st.sampled_from(["", *ROTATIONS])),
                least=least,
                most=draw(st.integers(least, 32)),
                safe=0,
                priority=draw(st.sampled_from([0, 0, 0, 1])),
            )
        )
    return Tree(circuits, sockets)


@st.composite
def cars_at(draw: st.DrawFn, socket: Socket, *, simple: bool) -> Car:
    """A car that was plugged in before; a simple one only charges."""
    is_full = not simple and draw(st.integers(0, 4)) == 0
    return Car(
        charger=socket.charger,
        since=NOW - draw(st.sampled_from([0, 60, 600, 3600])),
        is_full=is_full,
        lines=draw(st.sampled_from([None, 1, 1, 2, 3])),
        drawn=0.0
        if is_full
        else None
        if simple
        else draw(st.none() | st.integers(0, 64).map(lambda half: half / 2)),
        most=draw(st.none() | st.integers(socket.least, 32)),
        by_hand=draw(st.sampled_from([None, None, None, 0, 5, 8, 13])),
        boost=not simple and draw(st.integers(0, 9)) == 0,
        priority=draw(st.sampled_from([0, 0, 0, 2])),
        fixed=draw(st.sampled_from([None] * 8 + [10.0, 16.0])),
    )


@st.composite
def loads(draw: st.DrawFn, tree: Tree, *, simple: bool) -> Measured:
    other = {}
    for name in tree.circuits:
        if draw(st.booleans()):
            now = draw(st.tuples(*[st.integers(0, 24).map(lambda half: half / 2)] * 3))
            recent = tuple(amperes + draw(st.sampled_from([0, 0, 5])) for amperes in now)
            highest = tuple(amperes + draw(st.sampled_from([0, 0, 3, 12])) for amperes in recent)
            lost = not simple and draw(st.integers(0, 9)) == 0
            other[name] = OtherLoad(now=now, recent=recent, highest=highest, lost=lost)
    amperes = draw(st.sampled_from([None, None, None, 0.0, 8.0, 16.0, 30.0]))
    kilowatts = draw(st.sampled_from([None, None, None, 0.0, 4.2, 8.4, 21.0]))
    return Measured(
        other=other,
        grid=rule.GridOrder(
            amperes=amperes, kilowatts=kilowatts, of_connection=draw(st.booleans())
        ),
    )


@st.composite
def evenings(
    draw: st.DrawFn, *, simple: bool = False, most_moments: int = 3
) -> tuple[Tree, list[Moment]]:
    """A tree, and what happens there: other loads and cars change from one moment to the next."""
    tree = draw(trees())
    moments, at = [], NOW
    for _ in range(draw(st.integers(1, most_moments))):
        cars = [draw(cars_at(socket, simple=simple)) for socket in tree.sockets.values()]
        moments.append(Moment(at=at, cars=tuple(cars), measured=draw(loads(tree, simple=simple))))
        at += draw(st.sampled_from([1, 10, 60, 300, 900, 3600]))
    return tree, moments


def decided(tree: Tree, moments: list[Moment]) -> list[Allocation]:
    decisions = [NEVER]
    for moment in moments:
        decisions.append(rule.decide(tree, moment.cars, moment.measured, moment.at, decisions[-1]))
    return decisions


def beside_one_that_cannot_be_told(*, is_full: bool) -> tuple[Tree, list[Moment]]:
    """16 A are booked on 20 A, and nothing is drawn."""
    sockets = [Socket(charger=name, circuit="Feeder", safe=0) for name in "AB"]
    fixed = Car(charger="A", since=NOW, is_full=is_full, drawn=0.0, fixed=16.0)
    moment = Moment(at=NOW, cars=(fixed, Car(charger="B", since=NOW)), measured=Measured())
    return Tree([Circuit(name="Feeder", amperes=20)], sockets), [moment]


@pytest.mark.parametrize(("is_full", "others"), [(True, 6), (False, 0)])
def test_full_car_that_cannot_be_told_counts_in_an_outage_and_any_other_also_now(
    *, is_full: bool, others: int
) -> None:
    """A car that is full leaves 1.13 × 20 A - 16 A. At a charger that is away, no car is known to
    be full: it leaves 4 A, too little for any car."""
    limits = amperes_of(decided(*beside_one_that_cannot_be_told(is_full=is_full))[-1])
    assert limits == {("A", 1): 16, ("B", 1): others}


@examples
@given(evenings())
@example(beside_one_that_cannot_be_told(is_full=True))
@example(beside_one_that_cannot_be_told(is_full=False))
def test_no_circuit_is_above_its_limit_by_what_the_rule_grants(
    evening: tuple[Tree, list[Moment]],
) -> None:
    tree, moments = evening
    for moment, decision in zip(moments, decided(tree, moments)[1:], strict=True):
        for circuit in tree.circuits.values():
            highest = {name: other.highest for name, other in moment.measured.other.items()}
            reserves = tree.booked_for_others(circuit.name, highest)
            for phase in PHASES:
                here = [car for car in moment.cars if is_on(tree, car, circuit.name, phase)]
                house = flowing(tree, moment.measured, circuit.name, phase)
                now = [booked(car, decision.limits[car.place], outage=False) for car in here]
                outage = [booked(car, decision.limits[car.place], outage=True) for car in here]
                ours = [car for car in here if decision.limits[car.place].bound in ALL]
                if any(booked(car, decision.limits[car.place], outage=False) for car in ours):
                    assert house + sum(now) <= circuit.amperes + 1e-6
                if any(decision.limits[car.place].amperes for car in ours):
                    assert reserves[phase] + sum(outage) <= 1.13 * circuit.amperes + 1e-6


@examples
@given(evenings())
def test_no_more_is_granted_than_the_grid_operator_ordered(
    evening: tuple[Tree, list[Moment]],
) -> None:
    tree, moments = evening
    for moment, decision in zip(moments, decided(tree, moments)[1:], strict=True):
        order, root = moment.measured.grid, tree.root
        house = [
            flowing(tree, moment.measured, root, phase) if order.of_connection else 0.0
            for phase in PHASES
        ]
        permitted = {
            car: booked(car, decision.limits[car.place], outage=True) for car in moment.cars
        }
        ours = [
            car for car in moment.cars if decision.limits[car.place].bound in ALL and permitted[car]
        ]
        if not ours:
            continue
        for phase in PHASES:
            here = [car for car in moment.cars if is_on(tree, car, root, phase)]
            if order.amperes is not None and not {*here}.isdisjoint(ours):
                assert house[phase] + sum(permitted[car] for car in here) <= order.amperes + 1e-6
        if order.kilowatts is not None:
            lines = {
                car: min(car.lines or 3, tree.sockets[car.place].phases) for car in moment.cars
            }
            whole = sum(house) + sum(permitted[car] * lines[car] for car in moment.cars)
            assert whole * 230 <= order.kilowatts * 1000 + 1e-3


def flowing(tree: Tree, measured: Measured, circuit: str, phase: int) -> float:
    if circuit in measured.other:
        return measured.other[circuit].now[phase]
    below = [name for name, found in tree.circuits.items() if found.parent == circuit]
    return max(
        tree.circuits[circuit].reserve or 0.0,
        sum(flowing(tree, measured, name, phase) for name in below),
    )


def is_on(tree: Tree, car: Car, circuit: str, phase: int) -> bool:
    socket = tree.sockets[car.place]
    return circuit in tree.above(socket.circuit) and phase in socket.lines(car.lines)


def booked(car: Car, limit: CurrentLimit, *, outage: bool) -> float:
    """What counts of a car: in an outage all that it may draw, else what it draws. One that cannot
    be told may draw all the time, unless its charger tells that it is full."""
    permitted = limit.amperes if car.fixed is None else car.fixed
    may_begin = car.fixed is not None and not car.is_full
    return permitted if outage or may_begin or car.drawn is None else min(permitted, car.drawn)


@examples
@given(evenings())
def test_limits_are_nothing_or_what_a_car_can_use_and_whoever_waits_is_in_the_queue(
    evening: tuple[Tree, list[Moment]],
) -> None:
    tree, moments = evening
    for moment, decision in zip(moments, decided(tree, moments)[1:], strict=True):
        assert set(decision.limits) == {car.place for car in moment.cars}
        waiting = {place for place, limit in decision.limits.items() if limit.bound is Bound.WAITS}
        assert sorted(decision.queue) == sorted(waiting)
        assert set(decision.waits_about) <= waiting
        assert decision.again > moment.at
        for car in moment.cars:
            socket, amperes = tree.sockets[car.place], decision.limits[car.place].amperes
            if car.fixed is None:
                assert amperes == 0 or socket.least <= amperes <= socket.most
                assert car.by_hand is None or amperes <= car.by_hand
                assert car.most is None or amperes <= car.most
            assert (decision.limits[car.place].bound is Bound.WAITS) <= (amperes == 0)


@examples
@given(evenings(), st.data())
def test_order_of_the_cars_does_not_matter(
    evening: tuple[Tree, list[Moment]], data: st.DataObject
) -> None:
    tree, moments = evening
    *earlier, last = moments
    before = decided(tree, earlier)[-1]
    decision = rule.decide(tree, last.cars, last.measured, last.at, before)
    shuffled = data.draw(st.permutations(last.cars))
    assert rule.decide(tree, shuffled, last.measured, last.at, before) == decision


@examples
@given(evenings())
def test_deciding_twice_at_one_moment_changes_nothing(evening: tuple[Tree, list[Moment]]) -> None:
    """What wanting cars draw is left out: once a limit has changed, it is another. That comes to
    rest, see below."""
    tree, moments = evening
    last = moments[-1]
    cars = [replace(car, drawn=None if not car.is_full else 0.0) for car in last.cars]
    decision = rule.decide(tree, cars, last.measured, last.at, decided(tree, moments[:-1])[-1])
    again = rule.decide(tree, cars, last.measured, last.at, decision)
    assert amperes_of(again) == amperes_of(decision)
    assert again.queue == decision.queue


@examples
@given(evenings(most_moments=1), st.data())
def test_limits_come_to_rest_where_nothing_happens(
    evening: tuple[Tree, list[Moment]], data: st.DataObject
) -> None:
    """Each car draws what it may, but no more than it can take, as real ones do; for an hour
    without turns."""
    tree, (moment,) = evening
    wanting = [car for car in moment.cars if not car.is_full]
    takes = {
        car.place: data.draw(st.none() | st.integers(2, 64).map(lambda half: half / 2))
        for car in wanting
    }
    decision, seen = NEVER, []
    for minute in range(60):
        amperes = amperes_of(decision)
        cars = [
            replace(car, drawn=drawn_of(takes[car.place], amperes.get(car.place, 0)))
            for car in wanting
        ]
        decision = rule.decide(
            tree, cars, moment.measured, NOW + 60 * minute, decision, first_come=True
        )
        seen.append(amperes_of(decision))
    assert all(limits == seen[-1] for limits in seen[30:])


def drawn_of(takes: float | None, permitted: int) -> float | None:
    return None if takes is None else min(takes, permitted)


def amperes_of(decision: Allocation) -> dict[Place, int]:
    return {place: limit.amperes for place, limit in decision.limits.items()}


@examples
@given(evenings(simple=True, most_moments=1))
def test_whoever_wants_less_gets_no_more(evening: tuple[Tree, list[Moment]]) -> None:
    tree, (moment,) = evening
    limits = amperes_of(rule.decide(tree, moment.cars, moment.measured, moment.at, NEVER))
    for less in moment.cars:
        for more in moment.cars:
            one, two = tree.sockets[less.place], tree.sockets[more.place]
            is_same = (one.circuit, one.lines(less.lines), one.least) == (
                two.circuit,
                two.lines(more.lines),
                two.least,
            )
            is_free = (
                less.fixed is None
                and more.fixed is None
                and limits[less.place]
                and limits[more.place]
            )
            if is_same and is_free and wanted(tree, less) <= wanted(tree, more):
                assert limits[less.place] <= limits[more.place] + 1


def wanted(tree: Tree, car: Car) -> int:
    return min(
        amperes
        for amperes in (tree.sockets[car.place].most, car.most, car.by_hand)
        if amperes is not None
    )


@examples
@given(
    st.integers(0, 60),
    st.integers(0, 9),
    st.integers(6, 8),
    st.lists(st.tuples(st.integers(8, 32), st.integers(0, 3)), min_size=2, max_size=9),
    st.data(),
)
def test_taking_a_car_away_lowers_no_other(
    rest: int, house: int, least: int, wishes: list[tuple[int, int]], data: st.DataObject
) -> None:
    """But for the ampere that goes to those who came first. It is so where nobody waits, on one
    circuit. Where a small car leaves and a large one has waited for its place, all share with that
    one. And a three-phase car that leaves may give to a car on L2 what a car on L1 and L2 had."""
    sockets = [
        Socket(charger=f"P{number}", circuit="Feeder", least=least, most=most, safe=0)
        for number, (most, _) in enumerate(wishes)
    ]
    amperes = house + rest + least * len(wishes)
    tree = Tree([Circuit(name="Feeder", amperes=amperes, reserve=house)], sockets)
    cars = [Car(charger=f"P{number}", since=NOW - came) for number, (_, came) in enumerate(wishes)]
    gone = data.draw(st.sampled_from(cars))
    all_of_them = amperes_of(rule.decide(tree, cars, Measured(), NOW, NEVER))
    without = rule.decide(tree, [car for car in cars if car is not gone], Measured(), NOW, NEVER)
    assert all(limit >= all_of_them[place] - 1 for place, limit in amperes_of(without).items())


@examples
@given(evenings(simple=True), st.booleans())
def test_plain_rule_says_the_same_of_any_evening(
    evening: tuple[Tree, list[Moment]], first_come: bool
) -> None:
    tree, moments = evening
    ours = plainly = NEVER
    for moment in moments:
        asked = tree, moment.cars, moment.measured, moment.at
        ours = rule.decide(*asked, ours, first_come=first_come)
        plainly = plain.decide(*asked, plainly, first_come=first_come)
        assert amperes_of(ours) == amperes_of(plainly)
        assert bounds_of(ours) == bounds_of(plainly)
        assert ours.queue == plainly.queue


def bounds_of(decision: Allocation) -> dict[Place, Bound]:
    return {place: limit.bound for place, limit in decision.limits.items()}


def test_watts_that_may_be_on_one_line_are_booked_there_while_a_full_car_is_asked() -> None:
    tree = Tree(
        [Circuit(name="F", amperes=32)],
        [Socket(charger=name, circuit="F", most=32) for name in "AB"],
    )
    full = Car(charger="A", since=0.0, is_full=True, drawn=0.0, per_ampere=3)
    other = Car(charger="B", since=0.0)
    now, before = (
        7200.0,
        Allocation(at=7100.0, standings={("A", 1): CarStanding(limit=0, since=0.0, knocked=100.0)}),
    )
    asked = rule.decide(tree, [full, other], Measured(), now, before)
    assert asked.limits["A", 1].bound is Bound.KNOCK
    assert asked.limits["B", 1].amperes <= 32 - 18


@pytest.mark.parametrize(
    ("first", "first_come", "is_told"),
    [
        (Car(charger="A", since=0.0), False, True),
        (Car(charger="A", since=0.0), True, False),
        (Car(charger="A", since=0.0, boost=True), False, False),
        (Car(charger="A", since=0.0, priority=1), False, False),
    ],
)
def test_no_time_is_told_where_turns_change_nothing(
    first: Car, first_come: bool, is_told: bool
) -> None:
    """9 A are enough for one car, which keeps them for ever if nobody takes turns or it always
    comes first."""
    tree = Tree(
        [Circuit(name="Feeder", amperes=9)],
        [Socket(charger=name, circuit="Feeder", safe=0) for name in "AB"],
    )
    cars = [first, Car(charger="B", since=10.0)]
    decision = Allocation(at=0.0)
    for now in (20.0, 30.0):
        decision = decide(tree, cars, Measured(), now, decision, first_come=first_come)
    assert (decision.limits["A", 1].amperes, decision.queue) == (9, (("B", 1),))
    assert (("B", 1) in decision.waits_about) is is_told
