"""Chargers that answer our server's calls late, wrongly or not at all: the outcome, and that the
server carries on."""

from __future__ import annotations

import pytest
import trio

from levity_trio.charger.central import Central
from levity_trio.simulator.charger.station import disconnect
from levity_trio.wire.errors import CallFailed, CallRefused, CallTimedOut
from levity_trio.wire.frames import Fault
from levity_trio.wire.payloads import call
from tests.charger.parts import InlineWriter
from tests.simulator.link.living import Living, open_living

ASKED = 24
COMMANDS = "SELECT state, is_late, answer FROM command ORDER BY id"
ACCEPTED = '{"status":"Accepted"}'


async def outcomes(living: Living, central: Central) -> list[object]:
    """Return the outcomes of consecutive calls: the status received, or the error."""
    found: list[object] = []
    for interval in range(1, ASKED + 1):
        try:
            answer = await living.call(
                central, call.ChangeConfiguration("ConnectionTimeOut", str(interval))
            )
            found.append(answer.status)
        except CallFailed as failed:
            found.append(type(failed))
        # it obeys, whatever it responds
        assert living.charger.configuration.integer("ConnectionTimeOut") == interval
    return found


async def test_one_that_answers_every_second_call(central: Central, writer: InlineWriter) -> None:
    async with open_living(central, "never-answers") as living:
        await living.accepted()
        found = await outcomes(living, central)
        assert len(living.wire.dials) == 1
    assert set(found) == {"Accepted", CallTimedOut}
    assert 6 < found.count(CallTimedOut) < ASKED - 6
    expected = {"Accepted": ("accepted", 0, ACCEPTED), CallTimedOut: ("timed out", 0, None)}
    assert writer.rows(COMMANDS) == [expected[one] for one in found]


async def test_one_that_answers_late(central: Central, writer: InlineWriter) -> None:
    async with open_living(central, "answers-late") as living:
        await living.accepted()
        with pytest.raises(CallTimedOut, match="no answer within 30 s"):
            await living.call(central, call.ClearCache())
        assert writer.rows(COMMANDS) == [("timed out", 0, None)]
        await living.until(lambda: writer.rows(COMMANDS) == [("accepted", 1, ACCEPTED)])
        assert 35 <= living.at <= 70
        assert len(living.wire.dials) == 1


async def test_late_answers_of_a_connection_that_has_gone_are_not_sent_on_the_next(
    central: Central, writer: InlineWriter
) -> None:
    async with open_living(central, "answers-late") as living:
        await living.accepted()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_fails, living, central)
            await trio.sleep(1)
            disconnect(living.charger, "close", living.at)
        await living.accepted()
        await trio.sleep(100)
        assert living.charger.is_linked
    assert writer.rows(COMMANDS) == [("gone", 0, None)]


async def test_one_that_answers_garbage(central: Central, writer: InlineWriter) -> None:
    async with open_living(central, "answers-garbage") as living:
        await living.accepted()
        found = await outcomes(living, central)
        await trio.sleep(10 * 3600)  # it also sends unsolicited garbage
        assert len(living.wire.dials) == 1
        assert living.charger.may_send
        assert (await _an_answer(living, central)) is not None
    assert set(found) == {"Accepted", "1", CallTimedOut, CallRefused}  # the numbers were repaired
    kinds = {kind for (kind,) in writer.rows("SELECT kind FROM repair")}
    faults = ("unexpected answer", Fault.NOT_JSON, Fault.UNKNOWN_TYPE)
    assert {f"frame: {fault}" for fault in faults} <= kinds


async def _an_answer(living: Living, central: Central) -> object:
    for _ in range(ASKED):
        try:
            return await living.call(central, call.ClearCache())
        except CallFailed:
            continue
    return None


async def _fails(living: Living, central: Central) -> None:
    with pytest.raises(CallFailed):
        await living.call(central, call.ClearCache())
