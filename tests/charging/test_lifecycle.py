"""The life of a transaction: the table is complete and has no forbidden step."""

from collections.abc import Iterator

import pytest

from levity_trio.charging.lifecycle import (
    DECISIONS,
    TABLE,
    Cause,
    Kind,
    State,
    Step,
    rows,
    state_of,
    stopped_by,
)

RUNNING = {State.OPEN, State.SUSPENDED}
RANK = {State.OPEN: 0, State.SUSPENDED: 0, State.CLOSED: 1, State.JOINED: 2, State.STOPPED: 3}
"""Precedence of the ends: none, by the system, by a stop without ID, by the charger's own stop."""
ORDERS_OF = 5
CHANGING = tuple(cause for cause in Cause if cause not in DECISIONS or cause is Cause.OPERATOR)


def after(state: State, causes: tuple[Cause, ...]) -> State:
    """Return the state after these causes in sequence."""
    for cause in causes:
        state = TABLE[state, cause].state
    return state


# The table


def test_it_has_a_step_for_each_state_and_cause() -> None:
    assert set(TABLE) == {(state, cause) for state in State for cause in Cause}
    assert len(TABLE) == 6 * 23


def test_a_step_to_another_state_adds_a_row() -> None:
    silent = {key for key, step in TABLE.items() if step.kind is None}
    assert all(TABLE[state, cause].state is state for state, cause in silent)
    assert {(state, cause) for state, cause, _ in rows()} == set(TABLE) - silent


KIND_OF_STATE = {
    Kind.SUSPEND: {State.SUSPENDED},
    Kind.RESUME: {State.OPEN},
    Kind.REOPEN: {State.OPEN},
    Kind.CLOSE: {State.CLOSED},
    Kind.STOP: {State.STOPPED, State.JOINED},
}


@pytest.mark.parametrize("kind", KIND_OF_STATE)
def test_a_kind_leads_to_its_states_from_others(kind: Kind) -> None:
    steps = {
        (state, cause): step.state for (state, cause), step in TABLE.items() if step.kind is kind
    }
    assert set(steps.values()) == KIND_OF_STATE[kind]
    assert all(state is not to for (state, _), to in steps.items())


@pytest.mark.parametrize("kind", [Kind.REJUDGE, Kind.CONFLICTING_STOP, Kind.CONFIRM, Kind.CORRECT])
def test_other_kinds_leave_it_in_its_state(kind: Kind) -> None:
    states = [state for state, _, added in rows() if added is kind]
    assert states
    assert all(
        TABLE[state, cause].state is state for state, cause, added in rows() if added is kind
    )
    assert not RUNNING & set(states)


@pytest.mark.parametrize("kind", [Kind.ATTACH, Kind.DISMISS, Kind.GIVE, Kind.TAKE_BACK])
def test_what_is_attached_dismissed_or_given_leaves_it_in_its_state(kind: Kind) -> None:
    assert {
        TABLE[state, cause].state is state for state, cause, added in rows() if added is kind
    } == {True}


def test_a_figure_is_settled_only_after_the_end() -> None:
    settling = {state for state, _, kind in rows() if kind in (Kind.CONFIRM, Kind.CORRECT)}
    assert settling == set(State) - RUNNING - {State.IMPORTED}


def test_a_stop_is_attached_only_where_no_stop_came() -> None:
    assert {state for state, cause, _ in rows() if cause is Cause.STOP_ATTACHED} == RUNNING | {
        State.CLOSED
    }


def test_of_what_an_operator_decides_only_closing_changes_the_state() -> None:
    moving = {
        cause
        for state, cause, _ in rows()
        if cause in DECISIONS and TABLE[state, cause].state is not state
    }
    assert moving == {Cause.OPERATOR}


# Forbidden steps


def test_after_its_chargers_own_stop_nothing_changes() -> None:
    assert {TABLE[State.STOPPED, cause].state for cause in Cause} == {State.STOPPED}


def test_a_transaction_stopped_by_its_charger_never_runs_again() -> None:
    assert {TABLE[State.JOINED, cause].state for cause in Cause} == {State.JOINED, State.STOPPED}
    assert {cause for cause in Cause if TABLE[State.JOINED, cause].state is State.STOPPED} == {
        Cause.STOP
    }


def test_only_a_rise_before_the_next_start_reopens_a_closed_transaction() -> None:
    reopening = {
        (state, cause) for state, cause, _ in rows() if TABLE[state, cause].kind is Kind.REOPEN
    }
    assert reopening == {(State.CLOSED, Cause.RISE)}
    assert {cause for cause in Cause if TABLE[State.CLOSED, cause].state in RUNNING} == {Cause.RISE}


def test_its_chargers_own_stop_ends_every_state() -> None:
    assert {TABLE[state, Cause.STOP].state for state in set(State) - {State.IMPORTED}} == {
        State.STOPPED
    }


def test_an_open_transaction_is_closed_only_beside_available_or_by_next_start_or_operator() -> None:
    closing = {cause for cause in Cause if TABLE[State.OPEN, cause].state is State.CLOSED}
    assert closing == {Cause.FREE, Cause.NEXT_START, Cause.OPERATOR}
    assert {
        cause for cause in Cause if TABLE[State.SUSPENDED, cause].state is State.CLOSED
    } == closing | {*(Cause.AVAILABLE, Cause.SILENCE)}


def test_every_order_of_any_five() -> None:
    """All 16⁵ orders of causes that can change a state: the end with the highest precedence stands,
    unless a rise reopened the transaction."""
    orders = list(_orders(State.OPEN, ORDERS_OF))
    assert len(orders) == len(CHANGING) ** ORDERS_OF
    assert {state for state, _ in orders} == set(State) - {State.IMPORTED}
    assert all(rank == RANK[state] for state, rank in orders)


def _orders(state: State, length: int, rank: int = 0) -> Iterator[tuple[State, int]]:
    """Yield the state after each sequence of causes, with the highest rank on the way."""
    if length == 0:
        yield state, rank
        return
    for cause in CHANGING:
        step = TABLE[state, cause]
        highest = 0 if step.kind is Kind.REOPEN else max(rank, RANK[step.state])
        yield from _orders(step.state, length - 1, highest)


@pytest.mark.parametrize("state", State)
def test_a_repeated_cause_changes_nothing_more(state: State) -> None:
    for cause in Cause:
        once = after(state, (cause,))
        if TABLE[state, cause].kind is not Kind.REOPEN:
            assert after(state, (cause, cause)) is once


def test_nothing_changes_an_imported_one() -> None:
    assert {TABLE[State.IMPORTED, cause] for cause in Cause} == {Step(State.IMPORTED, None)}


# The columns in the database


@pytest.mark.parametrize("state", State)
def test_the_columns_give_the_state(state: State) -> None:
    status = "Active" if state in RUNNING else "Completed"
    assert state_of(status, state is State.SUSPENDED, stopped_by(state)) is state
    assert (stopped_by(state) is None) == (state in RUNNING)


def test_no_two_states_have_the_same_columns() -> None:
    assert len(
        {(state in RUNNING, state is State.SUSPENDED, stopped_by(state)) for state in State}
    ) == len(State)


def test_a_completed_transaction_without_stopped_by_was_closed_by_the_system() -> None:
    assert state_of("Completed", False, None) is State.CLOSED
    assert state_of("Completed", True, "charger") is State.STOPPED
