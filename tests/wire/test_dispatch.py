import pytest

from levity_trio.wire.dispatch import (
    LATE_REMEMBERED,
    CallsUnderWay,
    OpenCall,
    Stray,
    new_message_id,
)
from levity_trio.wire.frames import CallError, CallResult


def begin(calls: CallsUnderWay, action: str) -> str:
    message_id = new_message_id()
    calls.begin(OpenCall(message_id, action))
    return message_id


def test_an_answer_settles_its_call_once() -> None:
    calls = CallsUnderWay()
    message_id = begin(calls, "Reset")
    assert calls.current == OpenCall(message_id, "Reset")
    assert calls.settle(CallResult(message_id, {})) is None
    assert calls.current is None
    assert calls.settle(CallResult(message_id, {})) is Stray.UNEXPECTED


def test_a_refusal_settles_it_too() -> None:
    calls = CallsUnderWay()
    message_id = begin(calls, "Reset")
    answer = CallError(message_id, "NotSupported", "", {})
    assert calls.settle(answer) is None


def test_one_call_at_a_time() -> None:
    calls = CallsUnderWay()
    begin(calls, "Reset")
    with pytest.raises(RuntimeError, match="Reset is still under way"):
        begin(calls, "ClearCache")


def test_a_late_answer_never_reaches_the_next_call() -> None:
    calls = CallsUnderWay()
    first = begin(calls, "Reset")
    assert calls.expire() == OpenCall(first, "Reset")
    second = begin(calls, "ClearCache")
    assert calls.settle(CallResult(first, {})) is Stray.LATE
    assert calls.current == OpenCall(second, "ClearCache")
    assert calls.settle(CallResult(first, {})) is Stray.UNEXPECTED
    assert calls.settle(CallResult(second, {})) is None


def test_an_answer_to_nothing() -> None:
    calls = CallsUnderWay()
    assert calls.settle(CallResult("1", {})) is Stray.UNEXPECTED
    assert calls.expire() is None


def test_late_calls_are_remembered_within_a_bound_the_newest_kept() -> None:
    calls = CallsUnderWay()
    ids = []
    for _ in range(LATE_REMEMBERED + 1):
        ids.append(begin(calls, "Reset"))
        calls.expire()
    assert calls.settle(CallResult(ids[0], {})) is Stray.UNEXPECTED
    assert all(calls.settle(CallResult(late, {})) is Stray.LATE for late in ids[1:])


def test_ids_are_short_and_not_repeated() -> None:
    ids = {new_message_id() for _ in range(400)}
    assert len(ids) == 400
    assert max(map(len, ids)) <= 36  # OCPP-J 1.6 §4.1.4


def test_its_state_can_be_seen() -> None:
    calls = CallsUnderWay()
    begin(calls, "Reset")
    assert "Reset" in repr(calls)
