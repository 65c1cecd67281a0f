"""The statuses of a connector, checked against a transcript of the table of OCPP 1.6 edition 2
§4.9."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.simulator.physics import CHARGER_MOVES, MOVES, IllegalMove, Status, check_move

# Rows A to I and columns 1 to 9 of the table are the same nine statuses, in this order.
STATES = [
    *("Available", "Preparing", "Charging", "SuspendedEV", "SuspendedEVSE"),
    *("Finishing", "Reserved", "Unavailable", "Faulted"),
]
TABLE = """
    A2 A3 A4 A5 A7 A8 A9
    B1 B3 B4 B5 B6 B9
    C1 C4 C5 C6 C8 C9
    D1 D3 D5 D6 D8 D9
    E1 E3 E4 E6 E8 E9
    F1 F2 F8 F9
    G1 G2 G8 G9
    H1 H2 H3 H4 H5 H9
    I1 I2 I3 I4 I5 I6 I7 I8
"""
FIELDS = frozenset(TABLE.split())
PAIRS = list(product(Status, Status))
STATUSES = st.sampled_from(list(Status))


def field(present: Status, to: Status) -> str:
    """The table's name of a transition."""
    return f"{'ABCDEFGHI'[STATES.index(present)]}{STATES.index(to) + 1}"


def is_allowed(connector: int, present: Status, to: Status) -> bool:
    try:
        check_move(connector, present, to)
    except IllegalMove:
        return False
    return True


def test_the_states_are_those_of_the_table() -> None:
    assert [status.value for status in Status] == STATES
    assert set(MOVES) == set(Status)


@pytest.mark.parametrize(("present", "to"), PAIRS)
def test_a_connector_moves_as_the_table_says(present: Status, to: Status) -> None:
    assert is_allowed(1, present, to) == (field(present, to) in FIELDS)
    assert (to in MOVES[present]) == (field(present, to) in FIELDS)


@pytest.mark.parametrize(("present", "to"), PAIRS)
def test_the_charger_itself_knows_three_states(present: Status, to: Status) -> None:
    known = ("Available", "Unavailable", "Faulted")
    expected = present in known and to in known and present != to
    assert is_allowed(0, present, to) == expected
    assert (to in CHARGER_MOVES.get(present, ())) == expected


def test_an_illegal_move_is_refused_by_name() -> None:
    with pytest.raises(
        IllegalMove, match=r"^connector 2 cannot go from Preparing to Unavailable .*§4\.9"
    ):
        check_move(2, Status.PREPARING, Status.UNAVAILABLE)
    with pytest.raises(IllegalMove, match=r"^connector 0 cannot go from Available to Charging"):
        check_move(0, Status.AVAILABLE, Status.CHARGING)


def test_nobody_can_alter_the_table() -> None:
    with pytest.raises(TypeError):
        MOVES[Status.RESERVED] = frozenset(Status)  # type: ignore[index]


@given(st.lists(STATUSES))
def test_whatever_is_asked_only_moves_of_the_table_happen(wishes: list[Status]) -> None:
    present, seen = Status.AVAILABLE, set()
    for wish in wishes:
        if is_allowed(1, present, wish):
            seen.add(field(present, wish))
            present = wish
    assert seen <= FIELDS
