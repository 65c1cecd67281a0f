"""Trees that are refused, each with its sum and what could be done; and the phases on which a
charger is booked."""

import pytest

from levity_trio.load.tree import LEAST_AMPERES, Circuit, Phases, Socket, Tree, TreeRefused

FEEDER = Circuit(name="Feeder", amperes=63)


def sockets(
    count: int, *, safe: int = LEAST_AMPERES, safe_lines: int = 3, circuit: str = "Feeder"
) -> list[Socket]:
    return [
        Socket(charger=f"P{i:02}", circuit=circuit, safe=safe, safe_lines=safe_lines)
        for i in range(count)
    ]


def refused(
    circuits: list[Circuit], at_them: list[Socket] | None = None, highest: Phases = (0.0, 0.0, 0.0)
) -> str:
    with pytest.raises(TreeRefused) as error:
        Tree(circuits, at_them or [], highest={circuits[0].name: highest} if circuits else {})
    return str(error.value)


def test_safe_limits_and_the_house_exceed_the_feeder() -> None:
    """20 × 6 A are 120 A; 63 A less 9 A are 54 A, for nine cars: eleven have to do without."""
    assert refused([FEEDER], sockets(20), (4.0, 9.0, 5.0)) == (
        "Feeder (L2): 20 × 6 A are 120 A; 63 A less 9 A for other consumers are 54 A. Give a safe "
        "limit of 0 A to 11 of them: these would not charge during an outage. Or let chargers "
        "that can do so fall back to one phase: on one phase each, evenly spread, they need 42 A "
        "per phase, which fits. Their rotations must be known for that. If the meter was wrong, "
        "have that forgotten: levity-trio load forget --circuit Feeder."
    )


@pytest.mark.parametrize(("house", "is_right"), [(9.0, True), (9.1, False)])
def test_safe_limits_and_the_house_fit_to_the_last_ampere(house: float, is_right: bool) -> None:
    at_them = [*sockets(9), *(Socket(charger=f"Q{i}", circuit="Feeder", safe=0) for i in range(11))]
    if is_right:
        assert len(Tree([FEEDER], at_them, highest={"Feeder": (house, 0.0, 0.0)}).sockets) == 20
    else:
        assert "Feeder (L1): 9 × 6 A are 54 A; 63 A less 9.1 A" in refused(
            [FEEDER], at_them, (house, 0.0, 0.0)
        )


def test_a_fall_back_to_one_phase_that_is_still_too_much() -> None:
    """30 cars on one phase each are ten on a phase: 60 A, more than 54 A."""
    text = refused([FEEDER], sockets(30), (9.0, 9.0, 9.0))
    assert "Give a safe limit of 0 A to 21 of them" in text
    assert "they need 60 A per phase, which is still too much for all" in text


def test_a_reserve_counts_instead_of_what_was_measured() -> None:
    feeder = Circuit(name="Feeder", amperes=63, reserve=15)
    assert "63 A less 15 A for other consumers are 48 A" in refused(
        [feeder], sockets(9), (2.0, 2.0, 2.0)
    )
    modest = Circuit(name="Feeder", amperes=63, reserve=9)
    assert Tree([modest], sockets(9), highest={"Feeder": (30.0, 30.0, 30.0)}).root == "Feeder"


def test_a_cautious_circuit_keeps_a_fifth_more() -> None:
    cautious = Circuit(name="Feeder", amperes=63, cautious=True)
    assert "63 A less 12 A for other consumers are 51 A" in refused(
        [cautious], sockets(9), (10.0, 0.0, 0.0)
    )
    assert Tree([cautious], sockets(8), highest={"Feeder": (10.0, 0.0, 0.0)}).root == "Feeder"


def test_others_below_a_circuit_without_a_meter_count_there_too() -> None:
    row = Circuit(name="Row", amperes=40, parent="Feeder", reserve=10)
    assert (
        "Feeder (L1): 9 × 6 A are 54 A; 63 A less 10 A for other consumers are 53 A"
        in refused_in(row)
    )
    measured = Circuit(name="Row", amperes=40, parent="Feeder")
    assert "63 A less 12 A for other consumers are 51 A" in refused_in(
        measured, {"Row": (12.0, 0.0, 0.0)}
    )
    assert Tree([FEEDER, row], sockets(9), highest={"Feeder": (9.0, 9.0, 9.0)}).root == "Feeder"


def refused_in(row: Circuit, highest: dict[str, Phases] | None = None) -> str:
    with pytest.raises(TreeRefused) as error:
        Tree([FEEDER, row], sockets(9), highest=highest)
    return str(error.value)


def test_a_circuit_below_is_checked_by_itself() -> None:
    garage = Circuit(name="Garage", amperes=16, parent="Feeder")
    text = refused([FEEDER, garage], sockets(3, circuit="Garage"))
    assert text.startswith(
        "Garage (L1): 3 × 6 A are 18 A; the limit is 16 A. Give a safe limit of 0 A to 1 of them"
    )
    assert "Feeder" not in text


def test_safe_limits_of_one_phase_are_booked_where_they_lie() -> None:
    """Three chargers that fall back to one phase each, and are wired in turn, need 6 A a phase."""
    turned = [
        Socket(charger=rotation, circuit="Feeder", rotation=rotation, safe_lines=1)
        for rotation in ("RST", "STR", "TRS")
    ]
    small = Circuit(name="Feeder", amperes=6)
    assert Tree([small], turned).sockets.keys() == {("RST", 1), ("STR", 1), ("TRS", 1)}
    unknown = [Socket(charger=str(i), circuit="Feeder", safe_lines=1) for i in range(3)]
    assert "Feeder (L1): 3 × 6 A are 18 A; the limit is 6 A" in refused([small], unknown)


def test_safe_limits_that_differ() -> None:
    differ = [Socket(charger=str(safe), circuit="Feeder", safe=safe) for safe in (6, 10, 16)]
    text = refused([Circuit(name="Feeder", amperes=20)], differ)
    assert (
        "3 safe limits are 32 A; the limit is 20 A. Give a safe limit of 0 A to 1 of them" in text
    )


def test_no_safe_limit_needs_no_room() -> None:
    assert (
        Tree([FEEDER], sockets(20, safe=0), highest={"Feeder": (70.0, 70.0, 70.0)}).root == "Feeder"
    )


@pytest.mark.parametrize(
    ("circuits", "text"),
    [
        ([], "There is no circuit. Give the feeder and its limit in A per phase."),
        ([FEEDER, FEEDER], "Two circuits are named Feeder. Give each its own name."),
        (
            [Circuit(name="Feeder", amperes=0)],
            "Feeder has no limit. Give the limit of its breaker in A per phase.",
        ),
        ([Circuit(name="Feeder", amperes=63, reserve=-1)], "The reserve of Feeder is below 0 A."),
        (
            [FEEDER, Circuit(name="Row", amperes=25, parent="Garage")],
            "Row is under Garage, which there is not. There are: Feeder, Row.",
        ),
        (
            [FEEDER, Circuit(name="Row", amperes=25)],
            (
                "Feeder and Row have no parent. One circuit feeds all the others: give the rest a "
                "parent."
            ),
        ),
        (
            [
                FEEDER,
                Circuit(name="A", amperes=25, parent="B"),
                Circuit(name="B", amperes=25, parent="A"),
            ],
            "A is under B is under A: this is a circle. One of them must be under another circuit.",
        ),
        (
            [Circuit(name="Feeder", amperes=63, parent="Feeder")],
            "Feeder is under Feeder: this is a circle.",
        ),
    ],
)
def test_circuits_that_cannot_be_right(circuits: list[Circuit], text: str) -> None:
    assert text in refused(circuits)


@pytest.mark.parametrize(
    ("at_them", "text"),
    [
        (
            [Socket(charger="A", circuit="Feeder")] * 2,
            "A, connector 1 is named twice. A connector hangs at one circuit.",
        ),
        (
            [Socket(charger="A", circuit="Garage")],
            "A, connector 1 is at Garage, which there is not. There are: Feeder.",
        ),
        (
            [Socket(charger="A", circuit="Feeder", phases=2)],
            "A, connector 1 has 2 phases. A charger has 1 or 3.",
        ),
        (
            [Socket(charger="A", circuit="Feeder", rotation="RSS")],
            "A, connector 1 has the rotation RSS. Give one of RST,",
        ),
        (
            [Socket(charger="A", circuit="Feeder", rotation="S")],
            "A, connector 1 has the rotation S.",
        ),
        (
            [Socket(charger="A", circuit="Feeder", least=5)],
            "a least current of 5 A and a maximum of 32 A.",
        ),
        (
            [Socket(charger="A", circuit="Feeder", least=8, most=7, safe=0)],
            "a least current of 8 A and a maximum of 7 A.",
        ),
        (
            [Socket(charger="A", circuit="Feeder", safe=5)],
            "a safe limit of 5 A. Give 0, or 6 to 32 A.",
        ),
        (
            [Socket(charger="A", circuit="Feeder", least=8, safe=7)],
            "a safe limit of 7 A. Give 0, or 8 to 32 A.",
        ),
        (
            [Socket(charger="A", circuit="Feeder", most=16, safe=20)],
            "a safe limit of 20 A. Give 0, or 6 to 16 A.",
        ),
    ],
)
def test_connectors_that_cannot_be_right(at_them: list[Socket], text: str) -> None:
    assert text in refused([FEEDER], at_them)


def test_a_refusal_names_every_problem_with_its_circuit() -> None:
    wrong = [
        Socket(charger="A", circuit="Feeder", least=5),
        Socket(charger="B", circuit="Feeder", safe=3),
    ]
    with pytest.raises(TreeRefused) as error:
        Tree([FEEDER, Circuit(name="Row", amperes=0, parent="Feeder")], wrong)
    assert [circuit for circuit, _ in error.value.problems] == ["Row", "Feeder", "Feeder"]
    assert len(str(error.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("rotation", "used", "expected"),
    [
        ("RST", 3, (0, 1, 2)),
        ("TSR", 3, (0, 1, 2)),
        ("RST", None, (0, 1, 2)),
        ("RST", 1, (0,)),
        ("STR", 1, (1,)),
        ("TRS", 1, (2,)),
        ("RST", 2, (0, 1)),
        ("RTS", 2, (0, 2)),
        ("TSR", 2, (1, 2)),
        ("", 1, (0, 1, 2)),
        ("", 2, (0, 1, 2)),
    ],
)
def test_lines_of_a_three_phase_charger(
    rotation: str, used: int | None, expected: tuple[int, ...]
) -> None:
    assert Socket(charger="A", circuit="Feeder", rotation=rotation).lines(used) == expected


@pytest.mark.parametrize(
    ("rotation", "expected"), [("R", (0,)), ("T", (2,)), ("STR", (1,)), ("", (0, 1, 2))]
)
def test_lines_of_a_one_phase_charger(rotation: str, expected: tuple[int, ...]) -> None:
    """However many lines a car could use."""
    socket = Socket(charger="A", circuit="Feeder", rotation=rotation, phases=1)
    assert socket.lines() == socket.lines(3) == socket.lines(1) == expected


def test_circuits_are_found_from_the_root_down() -> None:
    tree = Tree(
        [
            Circuit(name="Row", amperes=16, parent="Building"),
            Circuit(name="Building", amperes=40, parent="Feeder"),
            FEEDER,
            Circuit(name="Garage", amperes=25, parent="Feeder"),
        ],
        [
            Socket(charger="B", connector=2, circuit="Row"),
            Socket(charger="B", connector=1, circuit="Building"),
            Socket(charger="A", circuit="Garage"),
        ],
    )
    assert tree.root == "Feeder"
    assert tree.above("Row") == ("Row", "Building", "Feeder")
    assert tree.order == ("Feeder", "Building", "Row", "Garage")
