import pytest

from levity_trio.wire.dispatch import LATE_REMEMBERED, CallsUnderWay, Late, Matched, OpenCall, Unexpected
from levity_trio.wire.frames import CallError, CallResult


def test_an_answer_settles_its_call_once() -> None:
    calls = CallsUnderWay()
    message_id = calls.begin("Reset")
    assert calls.current == OpenCall(message_id, "Reset")
    assert calls.settle(CallResult(message_id, {})) == Matched(OpenCall(message_id, "Reset"))
    assert calls.current is None
    assert calls.settle(CallResult(message_id, {})) == Unexpected()


def test_a_refusal_settles_it_too() -> None:
    calls = CallsUnderWay()
    message_id = calls.begin("Reset")
    answer = CallError(message_id, "NotSupported", "", {})
    assert calls.settle(answer) == Matched(OpenCall(message_id, "Reset"))


def test_one_call_at_a_time() -> None:
    calls = CallsUnderWay()
    calls.begin("Reset")
    with pytest.raises(RuntimeError, match="Reset is still under way"):
        calls.begin("ClearCache")


def test_a_late_answer_never_reaches_the_next_call() -> None:
    calls = CallsUnderWay()
    first = calls.begin("Reset")
    assert calls.expire() == OpenCall(first, "Reset")
    second = calls.begin("ClearCache")
    assert calls.settle(CallResult(first, {})) == Late(OpenCall(first, "Reset"))
    assert calls.current == OpenCall(second, "ClearCache")
    assert calls.settle(CallResult(first, {})) == Unexpected()
    assert calls.settle(CallResult(second, {})) == Matched(OpenCall(second, "ClearCache"))


def test_an_answer_to_nothing() -> None:
    calls = CallsUnderWay()
    assert calls.settle(CallResult("1", {})) == Unexpected()
    assert calls.expire() is None


def test_late_calls_are_remembered_within_a_bound_the_newest_kept() -> None:
    calls = CallsUnderWay()
    ids = []
    for _ in range(LATE_REMEMBERED + 1):
        ids.append(calls.begin("Reset"))
        calls.expire()
    assert calls.settle(CallResult(ids[0], {})) == Unexpected()
    assert all(isinstance(calls.settle(CallResult(late, {})), Late) for late in ids[1:])


def test_ids_are_short_and_not_repeated_on_another_connection() -> None:
    ids = set()
    for _ in range(20):
        calls = CallsUnderWay()
        for _ in range(20):
            ids.add(calls.begin("Reset"))
            calls.expire()
    assert len(ids) == 400
    assert max(map(len, ids)) <= 36  # OCPP-J 1.6 §4.1.4


def test_its_state_can_be_seen() -> None:
    calls = CallsUnderWay()
    calls.begin("Reset")
    assert "Reset" in repr(calls)


def test_a_late_answer_finds_what_its_call_belongs_to() -> None:
    calls = CallsUnderWay()
    first = calls.begin("Reset")
    calls.belongs_to(7)
    calls.expire()
    calls.begin("ClearCache")
    assert calls.settle(CallResult(first, {})) == Late(OpenCall(first, "Reset", 7))
