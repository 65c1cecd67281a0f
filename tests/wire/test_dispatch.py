import pytest

from levity_trio.wire.dispatch import (
    LATE_REMEMBERED,
    CallsUnderWay,
    Late,
    Matched,
    OpenCall,
    Unexpected,
    new_message_id,
)
from levity_trio.wire.frames import CallError, CallResult


def begin(calls: CallsUnderWay, action: str, command: int = 1) -> str:
    message_id = new_message_id()
    calls.begin(OpenCall(message_id, action, command))
    return message_id


def test_an_answer_settles_its_call_once() -> None:
    calls = CallsUnderWay()
    message_id = begin(calls, "Reset")
    assert calls.current == OpenCall(message_id, "Reset", 1)
    assert calls.settle(CallResult(message_id, {})) == Matched(OpenCall(message_id, "Reset", 1))
    assert calls.current is None
    assert calls.settle(CallResult(message_id, {})) == Unexpected()


def test_a_refusal_settles_it_too() -> None:
    calls = CallsUnderWay()
    message_id = begin(calls, "Reset")
    answer = CallError(message_id, "NotSupported", "", {})
    assert calls.settle(answer) == Matched(OpenCall(message_id, "Reset", 1))


def test_one_call_at_a_time() -> None:
    calls = CallsUnderWay()
    begin(calls, "Reset")
    with pytest.raises(RuntimeError, match="Reset is still under way"):
        begin(calls, "ClearCache")


def test_a_late_answer_never_reaches_the_next_call() -> None:
    calls = CallsUnderWay()
    first = begin(calls, "Reset")
    assert calls.expire() == OpenCall(first, "Reset", 1)
    second = begin(calls, "ClearCache")
    assert calls.settle(CallResult(first, {})) == Late(OpenCall(first, "Reset", 1))
    assert calls.current == OpenCall(second, "ClearCache", 1)
    assert calls.settle(CallResult(first, {})) == Unexpected()
    assert calls.settle(CallResult(second, {})) == Matched(OpenCall(second, "ClearCache", 1))


def test_an_answer_to_nothing() -> None:
    calls = CallsUnderWay()
    assert calls.settle(CallResult("1", {})) == Unexpected()
    assert calls.expire() is None


def test_late_calls_are_remembered_within_a_bound_the_newest_kept() -> None:
    calls = CallsUnderWay()
    ids = []
    for _ in range(LATE_REMEMBERED + 1):
        ids.append(begin(calls, "Reset"))
        calls.expire()
    assert calls.settle(CallResult(ids[0], {})) == Unexpected()
    assert all(isinstance(calls.settle(CallResult(late, {})), Late) for late in ids[1:])


def test_ids_are_short_and_not_repeated() -> None:
    ids = {new_message_id() for _ in range(400)}
    assert len(ids) == 400
    assert max(map(len, ids)) <= 36  # OCPP-J 1.6 §4.1.4


def test_its_state_can_be_seen() -> None:
    calls = CallsUnderWay()
    begin(calls, "Reset")
    assert "Reset" in repr(calls)


def test_a_late_answer_finds_the_command_of_its_call() -> None:
    calls = CallsUnderWay()
    first = begin(calls, "Reset", 7)
    calls.expire()
    begin(calls, "ClearCache", 8)
    assert calls.settle(CallResult(first, {})) == Late(OpenCall(first, "Reset", 7))
