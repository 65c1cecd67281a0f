"""Our CALLs to a charger: one in flight, in order, matched by id; they time out and fail with the
session."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from levity_trio.charger.central import Central
from levity_trio.charger.commands import ConnectedCharger
from levity_trio.charger.exchange import Exchange
from levity_trio.charger.handlers import HANDLERS
from levity_trio.events import CallFailed as CallFailedFact
from levity_trio.store.writes.chargers.commands import QUEUED_COMMANDS
from levity_trio.wire.errors import (
    CallFailed,
    CallQueueFull,
    CallRefused,
    CallTimedOut,
    ChargerGone,
    NotConnected,
)
from levity_trio.wire.payloads import call, call_result
from tests.charger.parts import InlineWriter, configure
from tests.charger.peers import Charger, connected, open_charger, session_of

AT_ONCE = 0.001
RESPONSE_TIMEOUT = 30
COMMANDS = "SELECT action, state, is_late, answer, error_code FROM command ORDER BY id"
ACCEPTED = {"status": "Accepted"}


class Asked:
    """Concurrent CALLs with their outcomes, in the order in which they ended."""

    def __init__(self, charger: ConnectedCharger, nursery: trio.Nursery) -> None:
        self._charger = charger
        self._start: Callable[..., None] = nursery.start_soon
        self.ended: list[tuple[object, object]] = []

    async def ask(self, request: Any, timeout_seconds: float | None = None) -> None:
        """Begin a CALL; return when it is sent or queued."""
        self._start(self._call, request, timeout_seconds)
        await trio.testing.wait_all_tasks_blocked()

    def outcomes(self) -> list[object]:
        return [outcome for _, outcome in self.ended]

    async def _call(self, request: Any, timeout_seconds: float | None) -> None:
        try:
            outcome = await self._charger.call(request, timeout_seconds)
        except CallFailed as failed:
            outcome = failed
        self.ended.append((request, outcome))


@asynccontextmanager
async def open_asked(central: Central) -> AsyncIterator[tuple[Charger, Asked]]:
    """A charger that has sent its first message, and CALLs to it."""
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        async with trio.open_nursery() as nursery:
            yield charger, Asked(connected(central), nursery)


def reset(kind: str = "Soft") -> call.Reset:
    return call.Reset(type=kind)


async def answer(charger: Charger, question: list[Any], payload: dict[str, Any]) -> None:
    await charger.send(json.dumps([3, question[1], payload]))
    await trio.testing.wait_all_tasks_blocked()


async def nothing_comes(charger: Charger, seconds: float = AT_ONCE) -> bool:
    with trio.move_on_after(seconds):
        await charger.receive()
        return False
    return True


async def test_a_call_is_stored_sent_and_answered(central: Central, writer: InlineWriter) -> None:
    async with open_asked(central) as (charger, asked):
        await asked.ask(call.GetConfiguration(key=["HeartbeatInterval"]))
        question = await charger.receive()
        assert question[0] == 2
        assert question[2:] == ["GetConfiguration", {"key": ["HeartbeatInterval"]}]
        assert writer.rows(COMMANDS) == [("GetConfiguration", "sent", 0, None, None)]
        entry = {"key": "HeartbeatInterval", "readonly": False, "value": "300"}
        await answer(charger, question, {"configurationKey": [entry]})
    assert asked.outcomes() == [
        call_result.GetConfiguration(configuration_key=[entry], unknown_key=None)
    ]
    assert writer.rows("SELECT state, message_id, session_id FROM command") == [
        ("accepted", question[1], 1)
    ]
    assert writer.rows("SELECT key, value FROM configuration") == [("HeartbeatInterval", "300")]
    assert writer.row("SELECT heartbeat_interval FROM cp") == (300,)


async def test_one_call_is_in_flight_and_the_others_keep_their_order(central: Central) -> None:
    requests = [reset("Soft"), call.ClearCache(), reset("Hard"), call.GetLocalListVersion()]
    answers: list[dict[str, Any]] = [ACCEPTED, ACCEPTED, {"status": "Rejected"}, {"listVersion": 7}]
    async with open_asked(central) as (charger, asked):
        for request in requests:
            await asked.ask(request)
        for request, payload in zip(requests, answers, strict=True):
            question = await charger.receive()
            assert question[2] == type(request).__name__
            assert await nothing_comes(charger)
            await answer(charger, question, payload)
    assert [request for request, _ in asked.ended] == requests
    assert asked.outcomes() == [
        call_result.Reset(status="Accepted"),
        call_result.ClearCache(status="Accepted"),
        call_result.Reset(status="Rejected"),
        call_result.GetLocalListVersion(list_version=7),
    ]


async def test_an_answer_is_matched_by_its_id_only(central: Central) -> None:
    async with open_asked(central) as (charger, asked):
        await asked.ask(reset())
        question = await charger.receive()
        await answer(charger, [2, "another"], ACCEPTED)
        await answer(charger, [2, ""], ACCEPTED)
        assert asked.ended == []
        await answer(charger, question, {"status": "Rejected"})
    assert asked.outcomes() == [call_result.Reset(status="Rejected")]


async def test_a_callerror_is_told_apart_from_rejected(
    central: Central, writer: InlineWriter
) -> None:
    async with open_asked(central) as (charger, asked):
        await asked.ask(reset())
        question = await charger.receive()
        await charger.send(json.dumps([4, question[1], "NotSupported", "no reset here", {}]))
    (refused,) = asked.outcomes()
    assert isinstance(refused, CallRefused)
    assert (refused.code, refused.description) == ("NotSupported", "no reset here")
    assert writer.rows(COMMANDS) == [("Reset", "error", 0, None, "NotSupported")]
    assert [fact.state for fact in writer.recorded(CallFailedFact)] == ["error"]


async def test_a_result_that_is_no_object_ends_its_command_at_once(
    central: Central, writer: InlineWriter
) -> None:
    async with open_asked(central) as (charger, asked):
        await asked.ask(reset())
        question = await charger.receive()
        await charger.send(json.dumps([3, question[1], "Accepted"]))
    (refused,) = asked.outcomes()
    assert isinstance(refused, CallRefused)
    assert refused.description == 'the payload of its result is no object: "Accepted"'
    assert writer.rows(COMMANDS) == [("Reset", "error", 0, None, "FormationViolation")]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    "cut", ['{"status":"Acce', '{"configurationKey":[', "", '{"status" "Accepted"}]', "[{]}]"]
)
async def test_a_result_that_is_cut_off_ends_its_command_at_once(
    central: Central, writer: InlineWriter, cut: str, strict: bool
) -> None:
    """The charger may have obeyed, so what comes of it is followed; the next command does not
    wait."""
    configure(central, strict=strict)
    async with open_asked(central) as (charger, asked):
        await asked.ask(reset())
        await asked.ask(call.ClearCache())
        question = await charger.receive()
        with trio.fail_after(RESPONSE_TIMEOUT / 2):
            await charger.send(f'[3,"{question[1]}",{cut}')
            assert (await charger.receive())[2] == "ClearCache"
    (refused, _) = asked.outcomes()
    assert isinstance(refused, CallRefused)
    assert refused.description == "the answer cannot be read: its text is cut off or broken"
    assert writer.rows("SELECT state, outcome FROM command ORDER BY id")[0] == ("error", "pending")
    assert writer.rows("SELECT sum(count) FROM repair WHERE kind = 'frame: damaged JSON'") == [(1,)]


async def test_an_error_that_is_cut_off_is_an_error(central: Central, writer: InlineWriter) -> None:
    async with open_asked(central) as (charger, asked):
        await asked.ask(reset())
        question = await charger.receive()
        await charger.send(f'[4,"{question[1]}","NotSup')
    assert writer.rows("SELECT state, error_code, outcome FROM command") == [
        ("error", "GenericError", None)
    ]


async def test_an_answer_that_cannot_be_read_is_stored_and_counts_as_refused(
    central: Central, writer: InlineWriter
) -> None:
    async with open_asked(central) as (charger, asked):
        await asked.ask(call.GetLocalListVersion())
        await answer(charger, await charger.receive(), {"listVersion": "many"})
    (refused,) = asked.outcomes()
    assert isinstance(refused, CallRefused)
    assert writer.rows("SELECT state, answer FROM command") == [
        ("accepted", '{"listVersion":"many"}')
    ]


async def test_the_timeout_counts_from_sending(central: Central, writer: InlineWriter) -> None:
    async with open_asked(central) as (charger, asked):
        began = trio.current_time()
        await asked.ask(reset())
        await asked.ask(call.ClearCache())
        await charger.receive()
        await charger.receive()  # sent after the first timed out
        assert trio.current_time() - began == RESPONSE_TIMEOUT
        assert isinstance(asked.outcomes()[0], CallTimedOut)
        await trio.sleep(RESPONSE_TIMEOUT - 1)
        assert len(asked.ended) == 1
        await trio.sleep(1 + AT_ONCE)
        assert isinstance(asked.outcomes()[1], CallTimedOut)
    assert writer.rows(COMMANDS) == [
        ("Reset", "timed out", 0, None, None),
        ("ClearCache", "timed out", 0, None, None),
    ]


async def test_a_slow_store_takes_nothing_off_the_timeout(
    central: Central, writer: InlineWriter
) -> None:
    async with open_asked(central) as (charger, asked):
        writer.answer_seconds = 8
        await asked.ask(reset(), 5)
        question = await charger.receive()
        await trio.sleep(4)
        await answer(charger, question, ACCEPTED)
        await trio.sleep(10)
        writer.answer_seconds = 0
    assert asked.outcomes() == [call_result.Reset(status="Accepted")]


async def test_a_call_may_bring_its_own_timeout(central: Central) -> None:
    async with open_asked(central) as (charger, asked):
        await asked.ask(reset(), 90)
        question = await charger.receive()
        await trio.sleep(89)
        await answer(charger, question, ACCEPTED)
    assert asked.outcomes() == [call_result.Reset(status="Accepted")]


async def test_a_late_answer_is_written_to_its_command_and_reaches_no_other(
    central: Central, writer: InlineWriter
) -> None:
    async with open_asked(central) as (charger, asked):
        await asked.ask(call.RemoteStartTransaction(id_tag="TAG-1"))
        await asked.ask(call.RemoteStopTransaction(transaction_id=5))
        late = await charger.receive()
        await trio.sleep(RESPONSE_TIMEOUT + 5)
        question = await charger.receive()
        await answer(charger, late, ACCEPTED)
        assert [type(outcome) for outcome in asked.outcomes()] == [CallTimedOut]
        assert writer.rows(COMMANDS)[1] == ("RemoteStopTransaction", "sent", 0, None, None)
        await answer(charger, question, {"status": "Rejected"})
        await answer(charger, late, {"status": "Rejected"})  # sent twice: the first counts
    assert asked.outcomes()[1] == call_result.RemoteStopTransaction(status="Rejected")
    assert writer.rows(COMMANDS) == [
        ("RemoteStartTransaction", "accepted", 1, '{"status":"Accepted"}', None),
        ("RemoteStopTransaction", "rejected", 0, '{"status":"Rejected"}', None),
    ]


async def test_a_late_callerror_is_written_too(central: Central, writer: InlineWriter) -> None:
    async with open_asked(central) as (charger, asked):
        await asked.ask(reset())
        question = await charger.receive()
        await trio.sleep(RESPONSE_TIMEOUT + 1)
        await charger.send(json.dumps([4, question[1], "InternalError", "", {}]))
    assert isinstance(asked.outcomes()[0], CallTimedOut)
    assert writer.rows(COMMANDS) == [("Reset", "error", 1, None, "InternalError")]


@pytest.mark.parametrize("by_us", [False, True])
async def test_the_end_of_the_session_fails_all_calls_at_once(
    central: Central, writer: InlineWriter, by_us: bool
) -> None:
    async with open_asked(central) as (charger, asked):
        for _ in range(3):
            await asked.ask(reset())
        await charger.receive()
        ended = trio.current_time()
        if by_us:
            session_of(central).end(1000, "enough")
        await charger.websocket.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert [type(outcome) for outcome in asked.outcomes()] == [ChargerGone] * 3
        assert trio.current_time() == ended
    assert writer.rows(COMMANDS) == [("Reset", "gone", 0, None, None)] * 3
    with pytest.raises(NotConnected):
        await asked._charger.call(reset())


async def test_calls_wait_for_the_first_message(central: Central) -> None:
    async with open_charger(central) as charger, trio.open_nursery() as nursery:
        asked = Asked(connected(central), nursery)
        requests = [reset("Soft"), call.ClearCache(), reset("Hard")]
        for request in requests:
            await asked.ask(request)
        assert await nothing_comes(charger, 9)
        await charger.call("Heartbeat")
        for request in requests:
            question = await charger.receive()
            assert question[2] == type(request).__name__
            await answer(charger, question, ACCEPTED)
        assert [request for request, _ in asked.ended] == requests


async def test_calls_wait_ten_seconds_at_most(central: Central, writer: InlineWriter) -> None:
    async with open_charger(central) as charger, trio.open_nursery() as nursery:
        asked = Asked(connected(central), nursery)
        began = trio.current_time()
        await asked.ask(reset())
        await asked.ask(call.ClearCache())
        await answer(charger, await charger.receive(), ACCEPTED)
        await answer(charger, await charger.receive(), ACCEPTED)
        assert trio.current_time() - began == 10
    assert len(asked.outcomes()) == 2
    assert writer.row("SELECT count(*) FROM session") == (1,)  # our CALL also begins the session


async def test_calls_that_wait_for_the_first_message_fail_with_the_session(
    central: Central,
) -> None:
    async with open_charger(central) as charger, trio.open_nursery() as nursery:
        asked = Asked(connected(central), nursery)
        await asked.ask(reset())
        await asked.ask(reset())
        await charger.websocket.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert [type(outcome) for outcome in asked.outcomes()] == [ChargerGone] * 2


@pytest.mark.parametrize("has_spoken", [False, True])
async def test_the_queue_is_bounded(central: Central, has_spoken: bool) -> None:
    async with open_charger(central) as charger, trio.open_nursery() as nursery:
        if has_spoken:
            await charger.call("Heartbeat")
        asked = Asked(connected(central), nursery)
        for _ in range(1 + QUEUED_COMMANDS):
            await asked.ask(reset())
        assert asked.ended == []
        with pytest.raises(CallQueueFull):
            await connected(central).call(reset())
        session_of(central).end(1000, "enough")


async def test_our_own_mistake_is_no_callers_secret(central: Central) -> None:
    async with open_asked(central) as (charger, asked):
        with pytest.raises(ValueError, match="Reset"):
            await asked._charger.call(reset("Perhaps"))
        assert await nothing_comes(charger)


async def test_a_peer_that_vanishes_while_its_call_is_being_stored(
    central: Central, writer: InlineWriter
) -> None:
    configure(central, response_timeout_seconds=5)
    async with open_asked(central) as (charger, asked):
        writer.answer_seconds = 3
        await asked.ask(reset())
        await charger.websocket.aclose()
        await trio.sleep(20)
        writer.answer_seconds = 0
    assert [type(outcome) for outcome in asked.outcomes()] == [ChargerGone]
    assert writer.rows(COMMANDS) == [("Reset", "gone", 0, None, None)]


async def test_a_call_to_a_charger_for_whom_there_is_no_room_ends_its_session(
    central: Central,
) -> None:
    configure(central, max_chargers=1)
    async with (
        open_charger(central, "/ws/CP-1") as silent,
        open_charger(central, "/ws/CP-2") as charger,
    ):
        start = {
            "connectorId": 1,
            "idTag": "TAG-1",
            "meterStart": 0,
            "timestamp": "2026-03-01T12:00:00Z",
        }
        began = await charger.call("StartTransaction", start)
        stop = {
            "transactionId": began["transactionId"],
            "meterStop": 500,
            "timestamp": "2026-03-01T12:30:00Z",
        }
        await charger.call("StopTransaction", stop)  # who has charged makes no room
        with pytest.raises(ChargerGone):
            await connected(central).call(reset())
        assert (await silent.wait_closed())[0] == 1008
        await charger.call("Heartbeat")


async def test_a_cancelled_caller_leaves_the_next_call_alone(
    central: Central, writer: InlineWriter
) -> None:
    async with open_asked(central) as (charger, asked):
        with trio.move_on_after(3):
            await asked._charger.call(reset())
        first = await charger.receive()
        await asked.ask(call.ClearCache())
        second = await charger.receive()
        await answer(charger, first, {"status": "Rejected"})
        await answer(charger, second, ACCEPTED)
    assert asked.outcomes() == [call_result.ClearCache(status="Accepted")]
    assert writer.rows(COMMANDS) == [
        ("Reset", "rejected", 1, '{"status":"Rejected"}', None),
        ("ClearCache", "accepted", 0, '{"status":"Accepted"}', None),
    ]


async def test_a_handler_may_call_the_charger(
    central: Central, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def authorize(exchange: Exchange, request: call.Authorize) -> call_result.Authorize:
        assert request.id_tag == "TAG-1"
        cleared = await connected(exchange.central, exchange.charger).call(call.ClearCache())
        return call_result.Authorize(id_tag_info={"status": cleared.status})

    monkeypatch.setitem(HANDLERS, "Authorize", authorize)
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        asked_for = await charger.send_call("Authorize", {"idTag": "TAG-1"})
        await answer(charger, await charger.receive(), ACCEPTED)
        assert await charger.receive() == [3, asked_for, {"idTagInfo": ACCEPTED}]
