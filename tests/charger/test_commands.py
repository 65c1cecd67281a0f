"""Commands live on after whoever asked has left: queued for a charger that is away, sent in order,
ended for sure."""

import json
from functools import partial

import pytest
import trio
import trio.testing

from levity_trio.charger.central import Central
from levity_trio.charger.commands import Chargers, UnknownCharger, keep_deadlines
from levity_trio.events import CallFailed, StatusChanged
from levity_trio.store.writes.chargers import commands, sessions
from levity_trio.wire.errors import ChargerGone, NotConnected
from levity_trio.wire.times import stamp
from tests.charger.parts import InlineWriter, wall_clock
from tests.charger.peers import open_charger

ACCEPTED = {"status": "Accepted"}
ROWS = "SELECT action, state, error_code FROM command ORDER BY id"
SECRET = {"key": "AuthorizationKey", "value": "0123456789abcdef"}


async def meet(central: Central) -> None:
    """The charger connects, says something and leaves, so that it is known."""
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")


async def ask(chargers: Chargers, action: str = "Reset", seconds: float | None = None) -> int:
    return await chargers.submit("CP-1", action, {}, asked_by="anna", deadline_seconds=seconds)


async def test_whoever_asked_may_leave(central: Central, writer: InlineWriter) -> None:
    chargers = Chargers(central)
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        async with trio.open_nursery() as asking:
            asking.start_soon(ask, chargers)
            asking.cancel_scope.cancel()
        question = await charger.receive()
        await charger.send(json.dumps([3, question[1], ACCEPTED]))
        await trio.testing.wait_all_tasks_blocked()
        assert writer.rows("SELECT state, asked_by FROM command") == [("accepted", "anna")]


async def test_any_number_may_wait_and_also_later(central: Central) -> None:
    chargers, states = Chargers(central), []

    async def wait(command: int) -> None:
        states.append((await chargers.wait(command)).state)

    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        command = await ask(chargers)
        async with trio.open_nursery() as waiting:
            for _ in range(3):
                waiting.start_soon(wait, command)
            question = await charger.receive()
            await charger.send(json.dumps([3, question[1], {"status": "Rejected"}]))
        await wait(command)
    assert states == ["rejected"] * 4
    with pytest.raises(LookupError):
        await chargers.wait(99)


async def test_nothing_is_stored_for_a_charger_that_is_away_or_unknown(
    central: Central, writer: InlineWriter
) -> None:
    chargers = Chargers(central)
    with pytest.raises(UnknownCharger):
        await ask(chargers, seconds=60)
    await meet(central)
    with pytest.raises(NotConnected, match="CP-1 is not connected"):
        await ask(chargers)
    assert writer.rows(ROWS) == []


async def test_a_command_waits_for_its_charger_and_goes_out_in_order(
    central: Central, writer: InlineWriter
) -> None:
    await meet(central)
    chargers = Chargers(central)
    asked = [await ask(chargers, action, 3600) for action in ("Reset", "ClearCache")]
    assert writer.rows(ROWS) == [("Reset", "queued", None), ("ClearCache", "queued", None)]
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        for action in ("Reset", "ClearCache"):
            question = await charger.receive()
            assert question[2] == action
            await charger.send(json.dumps([3, question[1], ACCEPTED]))
        assert [(await chargers.wait(command)).state for command in asked] == [
            "accepted",
            "accepted",
        ]


async def test_a_deadline_ends_the_wait(central: Central, writer: InlineWriter) -> None:
    await meet(central)
    chargers = Chargers(central)
    async with trio.open_nursery() as tasks:
        tasks.start_soon(keep_deadlines, central, 1.0)
        command = await ask(chargers, seconds=60)
        began = trio.current_time()
        assert (await chargers.wait(command)).state == "expired"
        assert 60 <= trio.current_time() - began <= 62
        tasks.cancel_scope.cancel()
    assert [fact.state for fact in writer.recorded(CallFailed)] == ["expired"]


async def test_nothing_is_written_before_a_deadline_has_passed(
    central: Central, writer: InlineWriter
) -> None:
    """The file would change for as long as a command waits for a charger that is away."""
    await meet(central)
    async with trio.open_nursery() as tasks:
        tasks.start_soon(keep_deadlines, central, 1.0)
        await ask(Chargers(central), seconds=60)
        before = writer.statistics()
        await trio.sleep(50)
        assert writer.statistics() == before
        tasks.cancel_scope.cancel()


async def test_a_queued_command_can_be_cancelled(central: Central) -> None:
    await meet(central)
    chargers = Chargers(central)
    command = await ask(chargers, seconds=60)
    async with trio.open_nursery() as tasks:
        tasks.start_soon(chargers.cancel, command)
        assert (await chargers.wait(command)).state == "cancelled"
    assert not await chargers.cancel(command)


async def test_a_secret_is_sent_whole_and_stored_masked(
    central: Central, writer: InlineWriter
) -> None:
    await meet(central)
    chargers = Chargers(central)
    await chargers.submit(
        "CP-1", "ChangeConfiguration", SECRET, asked_by="anna", deadline_seconds=60
    )
    assert writer.row("SELECT payload, is_masked FROM command") == (
        '{"key":"AuthorizationKey","value":"***"}',
        1,
    )
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        assert (await charger.receive())[3] == SECRET


async def test_a_restart_sends_what_waited_but_no_secret(
    central: Central, writer: InlineWriter
) -> None:
    await meet(central)
    chargers = Chargers(central)
    await chargers.submit(
        "CP-1", "ChangeConfiguration", SECRET, asked_by="anna", deadline_seconds=3600
    )
    await ask(chargers, "ClearCache", 3600)
    run = writer.run_now(sessions.start_run, "levity", "test", stamp(wall_clock()), True)
    again = Central(
        central.config, central.writer, wall_clock, {"CP-1"}, set(), clock_trusted=True, run=run
    )
    again.ready.set()
    again.pending.load(writer.run_now(commands.unfinished))
    async with open_charger(again) as charger:
        await charger.call("Heartbeat")
        assert (await charger.receive())[2:] == ["ClearCache", {}]
    assert writer.rows(ROWS)[0] == ("ChangeConfiguration", "expired", "secret_not_kept")


async def test_a_response_right_before_the_charger_leaves_is_kept(
    central: Central, writer: InlineWriter
) -> None:
    """Many chargers accept a Reset and drop the connection at once."""
    chargers = Chargers(central)
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        command = await ask(chargers)
        question = await charger.receive()
        await charger.send(json.dumps([3, question[1], ACCEPTED]))
        await charger.websocket.aclose()
        assert (await chargers.wait(command)).state == "accepted"
    assert writer.rows(ROWS) == [("Reset", "accepted", None)]


async def test_a_replaced_connection_leaves_its_queue_to_the_newer_one(central: Central) -> None:
    chargers = Chargers(central)
    async with open_charger(central) as first:
        await first.call("Heartbeat")
        sent, queued = await ask(chargers, "Reset"), await ask(chargers, "ClearCache")
        await first.receive()
        async with open_charger(central) as second:
            await second.call("Heartbeat")
            question = await second.receive()
            assert question[2] == "ClearCache"
            await second.send(json.dumps([3, question[1], ACCEPTED]))
            assert (await chargers.wait(queued)).state == "accepted"
            assert (await chargers.wait(sent)).state == "gone"


async def test_facts_are_told_as_they_are_committed(central: Central) -> None:
    chargers = Chargers(central)
    async with chargers.events() as facts, open_charger(central) as charger:
        status = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
        await charger.call("StatusNotification", status)
        kinds: list[type] = []
        while not kinds or kinds[-1] is not StatusChanged:
            kinds.append(type(await facts.receive()))


async def leave_unanswered(central: Central) -> str:
    """Send a Reset to the charger, which leaves without a response. Return the id of the CALL."""
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        command = await ask(Chargers(central))
        question = await charger.receive()
        await charger.websocket.aclose()
        assert (await Chargers(central).wait(command)).state == "gone"
    return str(question[1])


@pytest.mark.parametrize(
    ("response", "found"),
    [
        ([3, "{}", ACCEPTED], ("accepted", 1, None)),
        ([3, "{}", {"status": "Rejected"}], ("rejected", 1, None)),
        ([4, "{}", "NotSupported", "", {}], ("error", 1, "NotSupported")),
    ],
)
@pytest.mark.parametrize("says_something", [True, False])
async def test_a_response_after_the_charger_has_come_back_is_written_to_its_command(
    central: Central,
    writer: InlineWriter,
    response: list[object],
    found: tuple[object, ...],
    says_something: bool,
) -> None:
    message_id = await leave_unanswered(central)
    async with open_charger(central) as charger:
        if says_something:
            await charger.call("Heartbeat")
        await charger.send(json.dumps(response).replace("{}", message_id, 1))
        await trio.testing.wait_all_tasks_blocked()
        assert writer.row("SELECT state, is_late, error_code FROM command") == found
        command = await ask(Chargers(central), "ClearCache")
        question = await charger.receive()
        await charger.send(json.dumps([3, question[1], ACCEPTED]))
        assert (await Chargers(central).wait(command)).state == "accepted"


async def test_a_response_is_written_to_its_command_although_the_charger_leaves_right_after_it(
    central: Central, writer: InlineWriter
) -> None:
    message_id = await leave_unanswered(central)
    writer.answer_seconds = 1
    async with open_charger(central) as charger:
        await charger.send(json.dumps([3, message_id, ACCEPTED]))
    assert writer.row("SELECT state, is_late FROM command") == ("accepted", 1)


async def test_responses_to_nothing_wait_for_the_database_like_calls(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        writer.answer_seconds, before = 1, writer.statistics().writes
        for number in range(10):
            await charger.send(json.dumps([3, f"{number}", ACCEPTED]))
        await trio.testing.wait_all_tasks_blocked()
        assert writer.statistics().writes == before + 1
        writer.answer_seconds = 0


async def test_a_response_after_a_restart_of_the_server_is_written_to_its_command(
    central: Central, writer: InlineWriter
) -> None:
    """kill -9 while the charger thinks: what it answers counts all the same."""
    await meet(central)
    change = {"key": "HeartbeatInterval", "value": "77"}
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        await Chargers(central).submit("CP-1", "ChangeConfiguration", change, asked_by="anna")
        message_id = (await charger.receive())[1]
        run = writer.run_now(sessions.start_run, "levity", "test", stamp(wall_clock()), True)
        again = Central(
            central.config, central.writer, wall_clock, {"CP-1"}, set(), clock_trusted=True, run=run
        )
        again.ready.set()
        async with open_charger(again) as back:
            await back.send(json.dumps([3, message_id, ACCEPTED]))
            await trio.testing.wait_all_tasks_blocked()
    assert writer.row("SELECT state, is_late FROM command") == ("accepted", 1)
    assert writer.row("SELECT heartbeat_interval FROM cp") == (77,)


async def test_only_the_charger_that_was_asked_may_answer_and_only_once(
    central: Central, writer: InlineWriter
) -> None:
    message_id = await leave_unanswered(central)
    async with open_charger(central, "/ws/CP-2") as other:
        await other.call("Heartbeat")
        await other.send(json.dumps([3, message_id, ACCEPTED]))
        await trio.testing.wait_all_tasks_blocked()
    assert writer.row("SELECT state FROM command") == ("gone",)
    async with open_charger(central) as charger:
        for status in ("Rejected", "Accepted"):
            await charger.send(json.dumps([3, message_id, {"status": status}]))
            await trio.testing.wait_all_tasks_blocked()
    assert writer.row("SELECT state FROM command") == ("rejected",)


async def test_a_response_to_nothing_makes_no_charger_known(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central) as charger:
        await charger.send(json.dumps([3, "0123456789abcdef", ACCEPTED]))
        await trio.testing.wait_all_tasks_blocked()
    assert writer.rows("SELECT id FROM cp") == []


LIMIT = {"connectorId": 1, "csChargingProfiles": {}}


async def test_a_limit_goes_before_all_that_wait_and_is_no_row(
    central: Central, writer: InlineWriter
) -> None:
    chargers, told = Chargers(central), []

    async def limit() -> None:
        told.append(await chargers.ask("CP-1", "SetChargingProfile", LIMIT, seconds=30))

    async with open_charger(central) as charger, trio.open_nursery() as asking:
        await charger.call("Heartbeat")
        first, _ = await ask(chargers), await ask(chargers, "ClearCache")
        in_flight = await charger.receive()
        asking.start_soon(limit)
        await trio.testing.wait_all_tasks_blocked()
        await charger.send(json.dumps([3, in_flight[1], ACCEPTED]))
        question = await charger.receive()
        assert question[2:] == ["SetChargingProfile", LIMIT]
        await charger.send(json.dumps([3, question[1], {"status": "Rejected"}]))
        last = await charger.receive()
        assert last[2] == "ClearCache"
        await charger.send(json.dumps([3, last[1], ACCEPTED]))
        assert (await chargers.wait(first)).state == "accepted"
    assert [one.state for one in told] == ["rejected"]
    assert [action for action, *_ in writer.rows(ROWS)] == ["Reset", "ClearCache"]


async def test_a_limit_waits_for_no_database(central: Central, writer: InlineWriter) -> None:
    async with open_charger(central) as charger, trio.open_nursery() as asking:
        await charger.call("Heartbeat")
        writer.is_unavailable = True
        asking.start_soon(
            partial(Chargers(central).ask, "CP-1", "SetChargingProfile", LIMIT, seconds=30)
        )
        assert (await charger.receive())[2] == "SetChargingProfile"
        asking.cancel_scope.cancel()
        writer.is_unavailable = False


async def test_a_charger_that_answers_a_limit_first_has_its_row_with_its_first_call(
    central: Central, writer: InlineWriter
) -> None:
    """It says nothing after it has connected again, so the limit waits for ten seconds only."""
    async with open_charger(central) as charger, trio.open_nursery() as asking:
        asking.start_soon(
            partial(Chargers(central).ask, "CP-1", "SetChargingProfile", LIMIT, seconds=30)
        )
        question = await charger.receive()
        await charger.send(json.dumps([3, question[1], ACCEPTED]))
        await trio.testing.wait_all_tasks_blocked()
        assert writer.rows("SELECT id FROM session") == []
        assert "currentTime" in await charger.call("Heartbeat")
    assert len(writer.rows("SELECT id FROM session")) == 1


async def test_a_limit_that_is_not_answered(central: Central) -> None:
    chargers = Chargers(central)
    with pytest.raises(NotConnected):
        await chargers.ask("CP-1", "SetChargingProfile", LIMIT, seconds=30)
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        assert (
            await chargers.ask("CP-1", "SetChargingProfile", LIMIT, seconds=5)
        ).state == "timed out"
    ended = []

    async def ask_in_vain() -> None:
        try:
            await chargers.ask("CP-1", "SetChargingProfile", LIMIT, seconds=500)
        except ChargerGone:
            ended.append(trio.current_time())

    async with trio.open_nursery() as asking, open_charger(central) as charger:
        await charger.call("Heartbeat")
        asking.start_soon(ask_in_vain)
        assert (await charger.receive())[2] == "SetChargingProfile"
        left = trio.current_time()
    assert [at - left < 60 for at in ended] == [True]
