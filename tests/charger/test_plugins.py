"""Plugins with whole sessions: what they observe and may do, and that their failures affect no
charger."""

from __future__ import annotations

from typing import Any, cast

import pytest
import trio

from levity_trio.charger.central import Central
from levity_trio.events import (
    BatchCommitted,
    CallEnded,
    Event,
    Fact,
    MalformedFrame,
    MessageHandled,
    PluginFailed,
    TransactionStarted,
)
from levity_trio.plugins.base import ConnectedCharger, Hooks, Limits, Plugin
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.writes.origin import Origin
from levity_trio.wire.payloads import call
from tests.charger.parts import InlineWriter
from tests.charger.peers import open_charger

START = {"connectorId": 1, "idTag": "TAG", "meterStart": 1000, "timestamp": "2026-03-01T12:00:00Z"}
FOR_EVER = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
READS = f"{FOR_EVER} SELECT max(i) FROM n"
WRITES = f"{FOR_EVER} INSERT INTO repair SELECT 'CP-1', '', i, 1, '', '', '' FROM n"


ALL_SLOW = Limits(slow_seconds=-1.0)


def limit(central: Central, limits: Limits) -> None:
    """Give a server other hooks, which no plugin has joined."""
    central.hooks = Hooks(limits)
    cast(InlineWriter, central.writer).publish = central.hooks.observe


class Watcher(Plugin):
    name = "watcher"

    def __init__(self) -> None:
        self.seen: list[Event] = []

    def observe(self, event: Event) -> None:
        self.seen.append(event)

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.seen if isinstance(event, kind)]


class Broken(Plugin):
    """Fails in every hook."""

    name = "broken"
    amends = frozenset({call.StartTransaction})

    def observe(self, event: Event) -> None:
        raise ZeroDivisionError

    def amend(self, request: Any, db: UnitOfWork, origin: Origin) -> None:
        db.execute("UPDATE tx SET id_tag = 'NOT MINE'")
        db.record(
            TransactionStarted(
                charger="X", at="", transaction=0, connector=0, id_tag="", meter_start_wh=0
            )
        )
        raise KeyError

    async def accompany(
        self, charger: ConnectedCharger, facts: trio.MemoryReceiveChannel[Fact]
    ) -> None:
        raise LookupError


class Naming(Plugin):
    """Amends what stores nothing itself."""

    name = "naming"
    amends = frozenset({call.Heartbeat, call.Authorize})

    def amend(self, request: Any, db: UnitOfWork, origin: Origin) -> None:
        db.execute("UPDATE cp SET name = coalesce(name, '') || ?", (type(request).__name__[0],))


class Amender(Plugin):
    """Runs an endless statement before the handler's own write."""

    name = "amender"
    amends = frozenset({call.StartTransaction})

    def __init__(self, sql: str) -> None:
        self._sql = sql
        self.calls = 0

    def amend(self, request: Any, db: UnitOfWork, origin: Origin) -> None:
        self.calls += 1
        db.execute("UPDATE cp SET name = 'half done'")
        db.rows(self._sql)


@pytest.fixture
def watcher(central: Central) -> Watcher:
    watcher = Watcher()
    central.hooks.join(watcher)
    return watcher


async def test_every_message_is_seen_with_what_it_meant(central: Central, watcher: Watcher) -> None:
    async with open_charger(central) as charger:
        await charger.call("StartTransaction", START)
        await charger.refused("Nonsense" * 10, {})
        await charger.send("AT+CSQ")
        await charger.call(
            "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Occupied"}
        )
    started, refused, mended = watcher.of(MessageHandled)
    assert (started.charger, started.action, started.code, started.repairs) == (
        "CP-1",
        "StartTransaction",
        None,
        (),
    )
    assert isinstance(started.request, call.StartTransaction)
    assert (refused.action, refused.code, refused.request) == ("unknown", "NotImplemented", None)
    assert mended.repairs
    assert [event.kind for event in watcher.of(MalformedFrame)] == ["not JSON"]
    (fact,) = watcher.of(TransactionStarted)
    # the fact with its commit, then the response
    assert watcher.seen.index(fact) < watcher.seen.index(started)


@pytest.mark.logs_errors
async def test_one_that_fails_everywhere_costs_nothing(
    central: Central, writer: InlineWriter, watcher: Watcher
) -> None:
    central.hooks.join(Broken())
    async with open_charger(central) as charger:
        started = await charger.call("StartTransaction", START)
        assert started["idTagInfo"] == {"status": "Accepted"}
    assert writer.row("SELECT id, id_tag FROM tx") == (started["transactionId"], "TAG")
    assert len(writer.recorded(TransactionStarted)) == 1
    assert {failure.hook for failure in watcher.of(PluginFailed)} == {
        "observe",
        "amend",
        "accompany",
    }
    broken, other = central.hooks.plugins()
    assert (broken.name, broken.state, broken.failures) == (
        "broken",
        "running",
        len(watcher.of(PluginFailed)),
    )
    assert (other.name, other.state, other.failures) == ("watcher", "running", 0)
    central.hooks.leave(watcher)
    assert [one.state for one in central.hooks.plugins()] == ["running", "ended"]


async def test_a_message_without_a_row_is_amended_once(
    central: Central, writer: InlineWriter
) -> None:
    central.hooks.join(Naming())
    async with open_charger(central) as charger:
        await charger.call("Heartbeat", {})
        await charger.call("Authorize", {"idTag": "TAG"})
    assert writer.row("SELECT name FROM cp") == ("HA",)


@pytest.mark.logs_errors
async def test_two_that_fail_at_each_others_failures(
    central: Central, writer: InlineWriter
) -> None:
    class AlsoBroken(Broken):
        name = "also broken"

    central.hooks.join(Broken())
    central.hooks.join(AlsoBroken())
    async with open_charger(central) as charger:
        started = await charger.call("StartTransaction", START)
    assert writer.row("SELECT id, id_tag FROM tx") == (started["transactionId"], "TAG")


@pytest.mark.logs_errors
@pytest.mark.parametrize("sql", [READS, pytest.param(WRITES, marks=pytest.mark.sqlite)])
async def test_one_that_amends_for_ever_is_interrupted(
    central: Central, writer: InlineWriter, watcher: Watcher, sql: str
) -> None:
    """Interrupting a read stops only the read; for a write SQLite rolls back the batch, which then
    runs again."""
    limit(central, Limits(amend_seconds=0.05))
    central.hooks.join(watcher)
    central.hooks.join(amender := Amender(sql))
    async with open_charger(central) as charger:
        started = await charger.call("StartTransaction", START)
    assert writer.row("SELECT id FROM tx") == (started["transactionId"],)
    assert writer.row("SELECT name FROM cp") == (None,)
    assert writer.rows("SELECT * FROM repair") == []
    assert [failure.hook for failure in watcher.of(PluginFailed)] == ["amend"]
    assert amender.calls == 1


class Caller(Plugin):
    """Calls its charger for each fact."""

    name = "caller"

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.has_ended = False

    async def accompany(
        self, charger: ConnectedCharger, facts: trio.MemoryReceiveChannel[Fact]
    ) -> None:
        try:
            async for fact in facts:
                self.facts.append(fact)
                if isinstance(fact, TransactionStarted):
                    await charger.call(call.UnlockConnector(connector_id=1))
        finally:
            self.has_ended = True


@pytest.mark.logs_errors
async def test_one_that_commits_by_itself_costs_only_itself(
    central: Central, writer: InlineWriter, watcher: Watcher
) -> None:
    amender = Amender("COMMIT")
    central.hooks.join(amender)
    async with open_charger(central) as charger:
        for number in range(2):
            await charger.call("StartTransaction", START | {"connectorId": number + 1})
    assert writer.rows("SELECT conn_id FROM tx ORDER BY id") == [(1,), (2,)]
    assert amender.calls == 2
    assert len(watcher.of(PluginFailed)) == 2


async def test_a_plugin_accompanies_a_connected_charger(central: Central, watcher: Watcher) -> None:
    central.hooks.join(caller := Caller())
    async with open_charger(central) as charger, open_charger(central, "/ocpp/CP-2") as other:
        await other.call("Heartbeat")
        await charger.call("StartTransaction", START)
        _, message_id, action, _ = await charger.receive()
        assert action == "UnlockConnector"
        await charger.send(f'[3,"{message_id}",{{"status":"UnlockFailed"}}]')
        await trio.sleep(1)
        assert not caller.has_ended
    assert {fact.charger for fact in caller.facts} == {"CP-1", "CP-2"}
    (ended,) = watcher.of(CallEnded)
    assert (ended.action, ended.state, ended.status, ended.late) == (
        "UnlockConnector",
        "rejected",
        "UnlockFailed",
        False,
    )
    await trio.sleep(1)
    assert caller.has_ended


class Slow(Plugin):
    name = "slow"

    def __init__(self) -> None:
        self.calls = 0

    def observe(self, event: Event) -> None:
        self.calls += 1


@pytest.mark.logs_errors
async def test_one_that_blocks_the_loop_is_asked_no_more(
    central: Central,
) -> None:
    limit(central, ALL_SLOW)
    central.hooks.join(slow := Slow())
    async with open_charger(central) as charger:
        for _ in range(2 * ALL_SLOW.slow_times):
            await charger.call("Heartbeat")
    assert slow.calls == ALL_SLOW.slow_times


async def test_one_that_is_slow_now_and_then_goes_on() -> None:
    hooks = Hooks(ALL_SLOW)
    hooks.join(slow := Slow())
    for _ in range(5 * ALL_SLOW.slow_times):
        hooks.observe(MalformedFrame(charger=None, kind="x"))
        await trio.sleep(ALL_SLOW.slow_within_seconds / (ALL_SLOW.slow_times - 1))
    assert slow.calls == 5 * ALL_SLOW.slow_times


@pytest.mark.logs_errors
async def test_one_that_blocks_the_loop_while_it_tells_of_something() -> None:
    """It observes its own events too; the nested call is the last one that it gets."""
    hooks = Hooks(ALL_SLOW)

    class Teller(Plugin):
        name = "teller"

        def observe(self, event: Event) -> None:
            if not isinstance(event, PluginFailed):
                hooks.observe(PluginFailed(charger=None, plugin="x", hook="y"))

    hooks.join(Teller())
    # so that the last is a nested one
    hooks.observe(PluginFailed(charger=None, plugin="x", hook="y"))
    for _ in range(ALL_SLOW.slow_times):
        hooks.observe(MalformedFrame(charger=None, kind="x"))
    assert not hooks.is_observed


def test_one_that_names_what_it_observes_gets_that_only() -> None:
    """Without one that observes all, no call pays for an observation."""
    hooks, seen = Hooks(), list[Event]()

    class Choosy(Plugin):
        name = "choosy"
        observes = (BatchCommitted,)

        def observe(self, event: Event) -> None:
            seen.append(event)

    hooks.join(Choosy())
    assert not hooks.is_observed
    committed = BatchCommitted(charger=None, seconds=0.1, writes=1)
    for event in (
        committed,
        MalformedFrame(charger=None, kind="x"),
        PluginFailed(charger=None, plugin="x", hook="y"),
    ):
        hooks.observe(event)
    assert seen == [committed]
