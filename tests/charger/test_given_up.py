"""Commands whose asker was told that nothing was done, and secrets that nobody knows any more:
neither is sent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from levity_trio.charger.central import REMEMBERED, Central, Pending, learn
from levity_trio.charger.commands import Chargers
from levity_trio.store.engine.database import News, UnitOfWork
from levity_trio.store.engine.faults import StoreUnavailable
from levity_trio.store.writes.chargers import commands
from levity_trio.store.writes.chargers.commands import CallMessage, NewCommand, Repeatable
from levity_trio.wire.times import stamp
from tests.charger.parts import InlineWriter, wall_clock
from tests.charger.peers import Charger, open_charger

ACCEPTED = {"status": "Accepted"}
ROWS = "SELECT action, state, error_code FROM command ORDER BY id"
UPLOAD = {"location": "ftp://anna:secret@host/x"}
PASSWORD = {"key": "AuthorizationKey", "value": "0123456789abcdef"}
SECRETS = [("GetDiagnostics", UPLOAD), ("ChangeConfiguration", PASSWORD)]


@asynccontextmanager
async def spoken(central: Central) -> AsyncIterator[Charger]:
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        yield charger


async def next_call(central: Central, charger: Charger) -> list[Any]:
    """Ask for a further command; return the first CALL that the charger gets, which it accepts."""
    await Chargers(central).submit("CP-1", "ClearCache", {}, asked_by="anna")
    called = await charger.receive()
    await charger.send(json.dumps([3, called[1], ACCEPTED]))
    await trio.sleep(1)
    return called[2:]


async def ask_in_vain(
    central: Central, writer: InlineWriter, action: str, payload: dict[str, Any]
) -> None:
    """Ask while commits take so long that the asker is told that nothing was done; the command is
    stored."""
    writer.is_slow = True
    with pytest.raises(StoreUnavailable):
        await Chargers(central).submit("CP-1", action, payload, asked_by="anna")
    writer.is_slow = False


def learn_queued(central: Central, writer: InlineWriter) -> None:
    """Read the queued commands as news, also our own, as each batch beside another server does."""
    learn(central, News((), writer.run_now(commands.unfinished)))


@pytest.mark.parametrize(("action", "payload"), [*SECRETS, ("Reset", {"type": "Soft"})])
async def test_what_was_said_not_to_be_done_is_not_sent(
    central: Central, writer: InlineWriter, action: str, payload: dict[str, Any]
) -> None:
    async with spoken(central) as charger:
        await ask_in_vain(central, writer, action, payload)
        learn_queued(central, writer)
        assert await next_call(central, charger) == ["ClearCache", {}]
    assert writer.rows(ROWS) == [
        (action, "cancelled", "given_up"),
        ("ClearCache", "accepted", None),
    ]


@pytest.mark.parametrize(
    ("action", "payload"), [("Reset", {"type": "Soft"}), ("RemoteStopTransaction", {})]
)
async def test_it_is_not_sent_either_when_it_cannot_be_cancelled(
    central: Central, writer: InlineWriter, action: str, payload: dict[str, Any]
) -> None:
    """Its row is taken then, but nothing leaves."""
    async with spoken(central) as charger:
        writer.is_full = True
        await ask_in_vain(central, writer, action, payload)
        learn_queued(central, writer)
        assert central.pending.count("CP-1") == 0
        assert await next_call(central, charger) == ["ClearCache", {}]
    assert writer.rows(ROWS) == [(action, "gone", "given_up"), ("ClearCache", "accepted", None)]


async def test_a_decided_command_that_was_said_not_to_be_stored(
    central: Central, writer: InlineWriter
) -> None:
    def decide(db: UnitOfWork) -> tuple[CallMessage, int]:
        return CallMessage("Reset", {"type": "Soft"}), len(db.facts)

    async with spoken(central) as charger:
        writer.is_slow = True
        with pytest.raises(StoreUnavailable):
            await Chargers(central).submit_decided("CP-1", decide, asked_by="anna")
        writer.is_slow = False
        learn_queued(central, writer)
        assert await next_call(central, charger) == ["ClearCache", {}]
    assert writer.rows(ROWS)[0] == ("Reset", "cancelled", "given_up")


async def test_its_idempotency_key_may_be_used_again(
    central: Central, writer: InlineWriter
) -> None:
    """Whoever was told that nothing was done asks again."""
    chargers, key = Chargers(central), Repeatable("key", "digest")

    async def ask() -> None:
        with pytest.raises(StoreUnavailable):
            await chargers.submit("CP-1", "Reset", {}, asked_by="anna", repeatable=key)

    async with spoken(central) as charger:
        writer.answer_seconds = 1  # that the key was not used is found in time
        async with trio.open_nursery() as asking:
            asking.start_soon(ask)
            await trio.sleep(0.5)
            writer.is_slow = True
        writer.is_slow = False
        command = await chargers.submit("CP-1", "Reset", {}, asked_by="anna", repeatable=key)
        assert (await charger.receive())[2] == "Reset"
        assert (
            await chargers.submit("CP-1", "Reset", {}, asked_by="anna", repeatable=key) == command
        )
    assert [state for _, state, _ in writer.rows(ROWS)] == ["cancelled", "gone"]


@pytest.mark.parametrize(("action", "payload"), SECRETS)
async def test_no_mask_is_sent_for_a_secret_that_nobody_knows(
    central: Central, writer: InlineWriter, action: str, payload: dict[str, Any]
) -> None:
    async with spoken(central) as charger:
        masked = (
            payload | {"location": "ftp://***@host/x"}
            if action == "GetDiagnostics"
            else payload | {"value": "***"}
        )
        new = NewCommand(
            charger="CP-1",
            action=action,
            payload=json.dumps(masked),
            message_id="17",
            requested_at=stamp(wall_clock()),
            asked_by="anna",
            run=central.run,
            timeout_seconds=None,
            deadline_at=None,
            is_masked=True,
        )
        writer.run_now(commands.queue, new)
        learn_queued(central, writer)
        assert await next_call(central, charger) == ["ClearCache", {}]
        assert central.pending.count("CP-1") == 0
    assert writer.rows(ROWS)[0] == (action, "expired", "secret_not_kept")
    assert writer.rows("SELECT * FROM credential") == []


async def test_a_command_counts_once_however_often_it_is_learned(
    central: Central, writer: InlineWriter
) -> None:
    """At its start a server learns what is queued, and reads it too."""
    async with spoken(central):
        pass
    chargers = Chargers(central)
    command = await chargers.submit(
        "CP-1", "ChangeConfiguration", PASSWORD, asked_by="anna", deadline_seconds=60
    )
    learn_queued(central, writer)
    central.pending.load(writer.run_now(commands.unfinished))
    assert central.pending.count("CP-1") == 1
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        called = await charger.receive()
        assert called[3] == PASSWORD
        await charger.send(json.dumps([3, called[1], ACCEPTED]))
        assert (await chargers.wait(command)).state == "accepted"
        assert central.pending.count("CP-1") == 0


def test_not_all_that_was_given_up_is_remembered_for_ever() -> None:
    pending = Pending()
    for number in range(REMEMBERED + 1):
        pending.give_up(str(number))
    assert [pending.is_given_up(str(number)) for number in (0, 1, REMEMBERED)] == [
        False,
        True,
        True,
    ]
