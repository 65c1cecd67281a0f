"""Who waits, and what ends that: the rule from one quarter of an hour to the next."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from levity_trio.load.rule import Allocation, Bound, Car, Measured, decide
from levity_trio.load.tree import Circuit, Socket, Tree

NOW = 1_767_225_600.0
QUARTER, HOUR = 900, 3600
TREE = Tree(
    [Circuit(name="F", amperes=13)],
    [Socket(charger=name, circuit="F", rotation="RST", safe=0) for name in "ABCD"],
)
CARS = [
    Car(charger=name, since=NOW + number, session=number + 1, lines=3)
    for number, name in enumerate("ABCD")
]


def minutes_charged(changed: dict[int, set[str]]) -> Counter[str]:
    """Let four cars wait for room for two, for four hours of low and dear quarters by turns. Return
    for how many minutes each charged. `changed` says which are away in a minute."""
    decision, charged = Allocation(at=NOW), Counter[str]()
    for minute in range(240):
        is_dear = minute // 15 % 2 == 0
        away = changed.get(minute, set())
        cars = [replace(car, is_dear=is_dear) for car in CARS if car.charger not in away]
        decision = decide(TREE, cars, Measured(), NOW + 60 * minute, decision)
        charged.update(place[0] for place, limit in decision.limits.items() if limit.amperes)
    return charged


def test_who_waits_for_a_lower_price_keeps_his_place_in_the_queue() -> None:
    charged = minutes_charged({})
    assert set(charged) == {*"ABCD"}
    assert max(charged.values()) - min(charged.values()) <= 15


def test_who_is_away_when_low_hours_begin_keeps_his_place_in_the_queue() -> None:
    away = {minute: {"D"} for minute in range(240) if minute % 30 in range(10, 17)}
    charged = minutes_charged(away)
    assert min(charged.values()) >= 20


def test_another_car_at_the_same_connector_begins_at_the_end() -> None:
    decision = decide(TREE, CARS, Measured(), NOW, Allocation(at=NOW))
    dear = [replace(car, is_dear=True) for car in CARS]
    for session, waits in ((4, NOW), (9, None)):
        cars = [*dear[:3], replace(dear[3], session=session)]
        later = decide(TREE, cars, Measured(), NOW + 60, decision)
        assert later.standings["D", 1].waits == waits


def test_among_those_who_wait_for_as_long_the_one_who_charged_least_comes_first() -> None:
    first = decide(TREE, CARS[:2], Measured(), NOW, Allocation(at=NOW))
    dear = decide(TREE, [replace(car, is_dear=True) for car in CARS], Measured(), NOW + 60, first)
    low = decide(TREE, CARS, Measured(), NOW + 120, dear)
    assert {place[0] for place, limit in low.limits.items() if limit.amperes} == {"C", "D"}


@pytest.mark.parametrize(
    ("wishes", "waits"),
    [
        ({}, True),
        ({"boost": True}, False),
        ({"departure": NOW + 10 * HOUR, "wanted_wh": 10_000}, True),
        ({"departure": NOW + 2 * HOUR, "wanted_wh": 40_000}, False),
        ({"departure": NOW + 2 * HOUR}, True),
        ({"departure": NOW + HOUR / 2}, False),
    ],
)
def test_what_ends_the_wait_for_a_lower_price(wishes: dict[str, object], *, waits: bool) -> None:
    car = replace(CARS[0], is_dear=True, **wishes)  # type: ignore[arg-type]
    limit = decide(TREE, [car], Measured(), NOW, Allocation(at=NOW)).limits["A", 1]
    assert (limit.bound is Bound.PRICE) is waits
    assert (limit.amperes == 0) is waits


def test_two_connectors_with_one_limit_charge_by_turns() -> None:
    tree = Tree(
        [Circuit(name="F", amperes=40)],
        [Socket(charger="A", connector=number, circuit="F", safe=0) for number in (1, 2)],
    )
    cars = [Car(charger="A", connector=number, since=NOW, alone=True) for number in (1, 2)]
    decision, turns = Allocation(at=NOW), set()
    for quarter in range(4):
        decision = decide(tree, cars, Measured(), NOW + 10 + quarter * QUARTER, decision)
        charging = [place for place, limit in decision.limits.items() if limit.amperes]
        assert len(charging) == 1
        assert decision.limits[charging[0]].amperes == 32
        turns.add((quarter % 2, *charging))
    assert len(turns) == 2


def test_what_a_car_needs_to_begin_it_gets_at_once() -> None:
    car = Car(charger="A", since=NOW, most=7, lines=3)
    decision = decide(TREE, [car], Measured(), NOW, Allocation(at=NOW))
    later = decide(TREE, [replace(car, most=None, least=8)], Measured(), NOW + 60, decision)
    assert later.limits["A", 1].amperes >= 8


def test_a_limit_by_hand_below_what_a_car_needs_holds_all_the_same() -> None:
    car = Car(charger="A", since=NOW, least=10, by_hand=7)
    assert decide(TREE, [car], Measured(), NOW, Allocation(at=NOW)).limits["A", 1].amperes == 7


def test_what_only_one_witness_says_takes_nothing_from_a_car() -> None:
    car = Car(charger="A", since=NOW, lines=3)
    decision = decide(TREE, [car], Measured(), NOW, Allocation(at=NOW))
    for draws_less, needs in ((False, 13), (True, 6)):
        cars = [replace(car, drawn=2.0, draws_less=draws_less), replace(CARS[1], since=NOW + 9)]
        later = decide(TREE, cars, Measured(), NOW + QUARTER / 2, decision)
        assert (later.limits["B", 1].amperes > 6) is draws_less, needs
