"""The golden cases: what each car may draw, worked out by hand and by the plain rule before the
rule first ran on them.

A case is read like this. Moments are times of one day, currents are A per phase: one number for all
three, or three. A charger that says nothing else is at the first circuit, gives 16 A at most and 0
A when nobody decides. What a later moment (`then`) does not say has not changed. `before` says
which limits stood; a turn began when the car came, if nothing else is said. A bound is its kind,
the circuit, the phase and the ledger; what is left out may be any. Each answer has its reason in
words. An order of the grid operator is a number of amperes for the connection, or its fields.

A case is never made from the rule's output. A commit that changes one says why the old answer was
wrong.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from levity_trio.load import rule
from levity_trio.load.rule import (
    Allocation,
    Bound,
    Car,
    CarStanding,
    CurrentLimit,
    GridOrder,
    Measured,
    OtherLoad,
)
from levity_trio.load.tree import NAMES, Circuit, Place, Socket, Tree
from tests.load import plain

DAY = 1767225600.0
"""1 January 2026, 0:00 UTC."""
FILES = sorted((Path(__file__).parent / "cases").glob("*.json"))
MOMENTS = {"since", "departure", "turn", "waits", "room", "knocked"}
KINDS = ("now", "recent", "highest")

Case = dict[str, Any]


CASES = [(path.stem, case) for path in FILES for case in json.loads(path.read_text())["cases"]]
each_case = pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{on}: {case['title']}") for on, case in CASES]
)


def moment(text: str) -> float:
    hours, minutes, *seconds = text.split(":")
    return DAY + int(hours) * 3600 + int(minutes) * 60 + sum(map(float, seconds))


def place(name: str) -> Place:
    charger, _, connector = name.partition("/")
    return charger, int(connector or 1)


def named(at: Place) -> str:
    return at[0] if at[1] == 1 else f"{at[0]}/{at[1]}"


def facts(given: Case) -> Case:
    """The fields of one of our records: moments as seconds."""
    return {key: moment(value) if key in MOMENTS else value for key, value in given.items()}


def tree_of(case: Case) -> Tree:
    circuits = [Circuit(name=name, **given) for name, given in case["circuits"].items()]
    wired = {
        name: case.get("chargers", {}).get(name, {})
        for name in [*case.get("chargers", {}), *cars_named(case)]
    }
    usual = {"circuit": circuits[0].name, "most": 16, "safe": 0}
    sockets = [
        Socket(charger=place(name)[0], connector=place(name)[1], **usual | wired[name])
        for name in wired
    ]
    return Tree(circuits, sockets)


def cars_named(case: Case) -> list[str]:
    return [name for part in [case, *case.get("then", [])] for name in part.get("cars", {})]


def car_of(name: str, given: Case) -> Car:
    known = facts({"since" if key == "came" else key: value for key, value in given.items()})
    is_full = known.pop("state", "wants") == "full"
    return Car(charger=place(name)[0], connector=place(name)[1], is_full=is_full, **known)


def other_of(given: Case) -> OtherLoad:
    amperes = {
        kind: tuple(value) if isinstance(value := given[kind], list) else (value,) * 3
        for kind in KINDS
    }
    return OtherLoad(**{**given, **amperes})


def measured_of(case: Case) -> Measured:
    other = {name: other_of(given) for name, given in case.get("other", {}).items()}
    grid = case.get("grid")
    order = grid if isinstance(grid, dict) else {"amperes": grid, "of_connection": True}
    return Measured(other=other, grid=GridOrder(**order))


def before_of(case: Case) -> Allocation:
    given = dict(case.get("before", {}))
    at = moment(given.pop("at", case["at"]))
    standings = {}
    for name, stood in given.items():
        came = moment(case["cars"][name]["came"])
        standings[place(name)] = CarStanding(
            **{"since": came, "turn": came if stood["limit"] else None, **facts(stood)}
        )
    return Allocation(at=at, standings=standings)


def differences(case: Case, decision: Allocation) -> list[str]:
    found = []
    for name, answer in case["answers"].items():
        limit = decision.limits[place(name)]
        if limit.amperes != answer["limit"] or not is_bound(limit, answer.get("bound", "").split()):
            is_said = (
                f"{limit.amperes} A, {limit.bound} {limit.circuit} {NAMES[limit.phase % 3]} "
                f"outage: {limit.outage}"
            )
            found.append(
                f"{case['at']} {name}: {is_said}; {answer['limit']} A, {answer.get('bound', 'any')}"
            )
    queue = [named(waits) for waits in decision.queue]
    if case["queue"] not in (None, queue):
        found.append(f"{case['at']}: queue {queue}; {case['queue']}")
    return found


def is_bound(limit: CurrentLimit, words: list[str]) -> bool:
    said = {
        limit.bound.value,
        *limit.circuit.split(),
        NAMES[limit.phase % 3],
        "outage" if limit.outage else "now",
    }
    return said.issuperset(words)


def run(case: Case, decide: Any) -> list[str]:
    tree, decision, found = tree_of(case), before_of(case), []
    part: Case = {}
    for step in [case, *case.get("then", [])]:
        part = {**part, "answers": {}, "queue": None, **step}
        cars = [car_of(name, given) for name, given in part["cars"].items()]
        first_come = part.get("first_come", False)
        decision = decide(
            tree, cars, measured_of(part), moment(part["at"]), decision, first_come=first_come
        )
        found += differences(part, decision)
    return found


@each_case
def test_rule_gives_what_was_worked_out(case: Case) -> None:
    assert run(case, rule.decide) == []


@each_case
def test_plain_rule_gives_the_same(case: Case) -> None:
    assert run(case, plain.decide) == []


def test_watts_of_a_safe_limit_that_may_be_on_one_line_are_booked() -> None:
    tree = Tree(
        [Circuit(name="F", amperes=40)], [Socket(charger="A", circuit="F", rotation="RST", most=16)]
    )
    measured = Measured(
        other={"F": OtherLoad(now=(9, 9, 9), recent=(9, 9, 9), highest=(9, 9, 9), lost=True)}
    )
    car = Car(charger="A", since=0.0, least=6, per_ampere=3)
    decision = rule.decide(tree, [car], measured, 0.0, Allocation(at=0.0))
    assert decision.limits["A", 1].bound is Bound.SAFE
    assert decision.free[0] == 40 - 9 - 16


@pytest.mark.parametrize(("highest", "limit"), [(0, 14), (10, 11)], ids=["now", "outage"])
def test_what_a_car_draws_above_its_limit_is_no_room_for_others(highest: int, limit: int) -> None:
    """4 A above. Now, 32 A less 4 A are 14 A for each of two. In an outage, 36.16 A less 4 A and
    the 10 A of the house are 22 A, 11 A for each."""
    tree = Tree(
        [Circuit(name="F", amperes=32)],
        [Socket(charger=name, circuit="F", most=32) for name in "AB"],
    )
    house = OtherLoad(now=(0, 0, 0), recent=(0, 0, 0), highest=(highest,) * 3)
    cars = [Car(charger="A", since=0.0, over=4.0), Car(charger="B", since=0.0)]
    measured = Measured(other={"F": house})
    decision = rule.decide(tree, cars, measured, 1000.0, Allocation(at=990.0))
    assert [decision.limits[name, 1].amperes for name in "AB"] == [limit, limit]


@pytest.mark.parametrize(("seconds", "limit"), [(119, 14), (120, 16)])
def test_a_car_that_was_just_raised_may_still_follow(seconds: int, limit: int) -> None:
    """A came long ago, was raised to 16 A of late, and draws 8 A. For two minutes that may be on
    its way to 16 A, so B gets half of 28 A. Then A needs no more, and B gets its maximum."""
    tree = Tree(
        [Circuit(name="F", amperes=28)],
        [Socket(charger=name, circuit="F", most=16) for name in "AB"],
    )
    now = 10_000.0
    raised = CarStanding(limit=16, since=now - seconds, turn=0.0)
    before = Allocation(at=now - 10, standings={("A", 1): raised})
    cars = [Car(charger="A", since=0.0, drawn=8.0), Car(charger="B", since=now)]
    decision = rule.decide(tree, cars, Measured(), now, before)
    assert decision.limits["B", 1].amperes == limit


@pytest.mark.parametrize(
    ("order", "drawn"),
    [
        (GridOrder(amperes=20), 10.0),
        (GridOrder(amperes=20, of_connection=True), 16.0),
        (GridOrder(kilowatts=10), 6.9),
        (GridOrder(kilowatts=10, of_connection=True), 11.04),
    ],
)
def test_what_is_drawn_of_an_order_has_the_house_only_in_one_for_the_connection(
    order: GridOrder, drawn: float
) -> None:
    """A car draws 10 A on each line, and the house 6 A now, 9 A at most of late: 3 × 10 A × 230 V
    are 6.9 kW, 3 × 16 A are 11.04 kW."""
    tree = Tree([Circuit(name="F", amperes=63)], [Socket(charger="A", circuit="F", most=16)])
    house = OtherLoad(now=(6, 6, 6), recent=(9, 9, 9), highest=(9, 9, 9))
    measured = Measured(other={"F": house}, grid=order)
    car = Car(charger="A", since=0.0, drawn=10.0)
    decision = rule.decide(tree, [car], measured, 1000.0, Allocation(at=990.0))
    assert decision.ordered == pytest.approx(drawn)


@each_case
def test_each_answer_has_its_reason(case: Case) -> None:
    answers = [
        answer
        for part in [case, *case.get("then", [])]
        for answer in part.get("answers", {}).values()
    ]
    assert answers
    assert all(answer["why"] for answer in answers)
