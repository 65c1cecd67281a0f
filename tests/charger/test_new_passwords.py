"""A password that is sent to its charger: which of the old and the new one opens the door, whatever
it answers."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from levity_trio.charger.central import Central
from levity_trio.charger.commands import ROTATE, Chargers
from tests.charger.doors import PASSWORD, basic, give, make_known, status, use
from tests.charger.parts import InlineWriter
from tests.charger.peers import Charger, open_charger

NEW = bytes(range(0x40, 0x54))


@asynccontextmanager
async def asked(
    central: Central, writer: InlineWriter, value: str = NEW.hex()
) -> AsyncIterator[tuple[Charger, list[Any]]]:
    """A charger that uses its password, and is just asked to take a new one; yields the CALL
    too."""
    await make_known(central, "CP-1")
    await give(writer, "CP-1")
    header = (b"Authorization", basic("CP-1", PASSWORD).partition(": ")[2].encode())
    async with open_charger(central, "/ws/CP-1", headers=[header]) as charger:
        await charger.call("Heartbeat")
        payload = {"key": "AuthorizationKey", "value": value}
        await Chargers(central).submit(
            "CP-1", "ChangeConfiguration", payload, asked_by="anna", timeout_seconds=5
        )
        yield charger, await charger.receive()


async def opens(central: Central) -> list[bool]:
    """Whether the old and the new password open the door; neither is used, because who has proved
    itself is then held off."""
    central.held_off["CP-1"] = math.inf
    found = [await status(central, "CP-1", basic("CP-1", one)) == 503 for one in (PASSWORD, NEW)]
    del central.held_off["CP-1"]
    return found


async def answer(charger: Charger, call: list[Any], content: dict[str, Any] | list[Any]) -> None:
    frame = [3, call[1], content] if isinstance(content, dict) else [4, call[1], *content]
    await charger.send(json.dumps(frame))
    await trio.sleep(1)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"status": "Accepted"}, [False, True]),
        ({"status": "accepted"}, [False, True]),
        ({"status": "Rejected"}, [True, False]),
        ({"status": "NotSupported"}, [True, False]),
        ({"status": "RebootRequired"}, [True, True]),
        (["NotImplemented", "", {}], [True, False]),
        (["InternalError", "", {}], [True, True]),
    ],
)
async def test_what_opens_the_door_after_an_answer(
    central: Central, writer: InlineWriter, said: Any, expected: list[bool]
) -> None:
    async with asked(central, writer) as (charger, call):
        await answer(charger, call, said)
    assert await opens(central) == expected
    assert NEW.hex() not in json.dumps(writer.rows("SELECT * FROM command"))


async def test_after_silence_the_one_that_is_used_decides(
    central: Central, writer: InlineWriter
) -> None:
    async with asked(central, writer):
        await trio.sleep(10)
    assert await opens(central) == [True, True]
    await use(central, "CP-1", basic("CP-1", NEW))
    assert await opens(central) == [False, True]


async def test_after_silence_the_old_one_may_decide_too(
    central: Central, writer: InlineWriter
) -> None:
    async with asked(central, writer):
        await trio.sleep(10)
    await use(central, "CP-1", basic("CP-1", PASSWORD))
    assert await opens(central) == [True, False]


async def test_before_its_reboot_a_charger_may_come_back_with_the_old_one(
    central: Central, writer: InlineWriter
) -> None:
    async with asked(central, writer) as (charger, call):
        await answer(charger, call, {"status": "RebootRequired"})
    await use(central, "CP-1", basic("CP-1", PASSWORD))
    assert await opens(central) == [True, True]
    await use(central, "CP-1", basic("CP-1", NEW))
    assert await opens(central) == [False, True]


async def test_a_late_answer_counts(central: Central, writer: InlineWriter) -> None:
    async with asked(central, writer) as (charger, call):
        await trio.sleep(10)
        await answer(charger, call, {"status": "Accepted"})
    assert await opens(central) == [False, True]


async def test_a_password_is_made_when_its_call_leaves(
    central: Central, writer: InlineWriter
) -> None:
    async with asked(central, writer, ROTATE["value"]) as (charger, call):
        made = bytes.fromhex(call[3]["value"])
        assert len(made) == 20
        await answer(charger, call, {"status": "Accepted"})
    assert await opens(central) == [False, False]
    assert await status(central, "CP-1", basic("CP-1", made)) == 101
    # so that it may wait, and survives a restart
    assert writer.row("SELECT is_masked FROM command") == (0,)
    everything = str(
        [
            writer.rows(f"SELECT * FROM {table}")
            for table in ("command", "credential", "event", "log")
        ]
    )
    assert made.hex() not in everything


async def test_other_keys_move_no_password(central: Central, writer: InlineWriter) -> None:
    await make_known(central, "CP-1")
    async with open_charger(central, "/ws/CP-1") as charger:
        await charger.call("Heartbeat")
        for payload in (
            {"key": "Password", "value": "x" * 20},
            {"key": "AuthorizationKey"},
            {"key": 1, "value": "x"},
        ):
            await Chargers(central).submit("CP-1", "ChangeConfiguration", payload, asked_by="anna")
            await answer(charger, await charger.receive(), {"status": "Accepted"})
    assert writer.rows("SELECT * FROM credential") == []


async def test_an_answer_over_the_next_connection_counts_too(
    central: Central, writer: InlineWriter
) -> None:
    """The charger comes back with the old password, which ends the new one, and then says that it
    took the new one."""
    async with asked(central, writer) as (charger, call):
        await charger.websocket.aclose()
    header = (b"Authorization", basic("CP-1", PASSWORD).partition(": ")[2].encode())
    async with open_charger(central, "/ws/CP-1", headers=[header]) as charger:
        await charger.call("Heartbeat")
        assert writer.rows("SELECT ended_at IS NULL FROM credential ORDER BY id") == [(1,), (0,)]
        await answer(charger, call, {"status": "Accepted"})
    assert await opens(central) == [True, True]
    await use(central, "CP-1", basic("CP-1", NEW))
    assert await opens(central) == [False, True]
