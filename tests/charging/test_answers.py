"""The answers that an operator is offered are those that the life cycle accepts."""

from __future__ import annotations

import pytest

from levity_trio.charging.lifecycle import Answer, State, about_message, about_transaction, takes
from levity_trio.charging.reviews import Code

RUNNING = (State.OPEN, State.SUSPENDED)


@pytest.mark.parametrize("state", [one for one in State if one is not State.IMPORTED])
def test_what_runs_is_closed_and_what_has_ended_is_confirmed_or_corrected(state: State) -> None:
    expected = (Answer.CLOSE,) if state in RUNNING else (Answer.CONFIRM, Answer.CORRECT)
    assert about_transaction(state, {Code.START_UNREADABLE}) == expected
    assert about_transaction(state, {Code.START_UNREADABLE, Code.SECOND_STOP}) == (
        *expected,
        Answer.DISMISS,
    )


@pytest.mark.parametrize(
    ("action", "has_transaction", "expected"),
    [
        ("StopTransaction", False, (Answer.ATTACH, Answer.MAKE, Answer.DISMISS)),
        ("StopTransaction", True, (Answer.ATTACH, Answer.DISMISS)),
        ("MeterValues", False, (Answer.ATTACH, Answer.DISMISS)),
        ("StartTransaction", True, (Answer.DISMISS,)),
    ],
)
def test_a_message_is_attached_or_dismissed(
    action: str, has_transaction: bool, expected: tuple[Answer, ...]
) -> None:
    assert about_message(action, has_transaction=has_transaction) == expected


@pytest.mark.parametrize("state", [one for one in State if one is not State.IMPORTED])
def test_a_stop_fits_what_has_no_stop_yet(state: State) -> None:
    assert takes("StopTransaction", state) == (state not in (State.STOPPED, State.JOINED))
    assert takes("MeterValues", state)
    assert not takes("StartTransaction", state)
