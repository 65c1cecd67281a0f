"""Conversations of a simulated charger with our own server: boot, transactions, silence,
reconnection."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
import trio

from levity_trio.access.tags import Status, Verdict
from levity_trio.charger.central import Central
from levity_trio.clock import SimulatedTime, accelerated
from levity_trio.simulator.charger.station import disconnect
from tests.charger.parts import InlineWriter, configure, make_central, wall_clock
from tests.charger.peers import open_charger, session_of
from tests.simulator.link.living import CAR, CAR_W, TAG, open_living
from tests.simulator.link.scripts import mute

HOUR = 3600
SESSIONS = "SELECT close_code, close_reason FROM session ORDER BY id"
TRANSACTIONS = (
    "SELECT id_tag, status, meter_stop - meter_start, energy_delivered FROM tx ORDER BY id"
)


async def test_a_charger_boots_tells_its_statuses_and_beats(
    central: Central, writer: InlineWriter
) -> None:
    configure(central, heartbeat_interval_seconds=300)
    async with open_living(central, connectors=2, vendor="V", model="M") as living:
        await living.accepted()
        assert writer.row("SELECT vendor, model, is_connected FROM cp") == ("V", "M", 1)
        statuses = writer.rows("SELECT conn_id, status FROM cp_conn ORDER BY conn_id")
        assert statuses == [(1, "Available"), (2, "Available")]
        booted = living.at
        await trio.sleep(1000)
        assert [at for at, _ in living.moments("Heartbeat")] == pytest.approx(
            [300, 600, 900], abs=booted + 1
        )
        assert living.link.problem is None
    tally = living.charger.tally
    assert (tally.answered, tally.sent) == (7, 7)


@pytest.mark.parametrize("speed", [1, 60])
async def test_a_session_is_billed(central: Central, writer: InlineWriter, speed: int) -> None:
    central.clock = accelerated(SimulatedTime(wall_clock(), speed), wall_clock)
    async with open_living(
        central, speed=speed, keys={"MeterValueSampleInterval": "600"}
    ) as living:
        await living.accepted()
        await living.session(HOUR + 60)
        await living.quiet()
    (entry,) = living.charger.ledger
    assert entry.energy_wh == pytest.approx(CAR_W * (HOUR + 60) / HOUR, rel=0.01)
    assert writer.rows(TRANSACTIONS) == [(TAG, "Completed", entry.energy_wh, entry.energy_wh)]
    assert len(living.sent("MeterValues")) == HOUR // 600
    assert [one["status"] for one in living.sent("StatusNotification") if one["connectorId"]] == [
        *("Available", "Preparing", "Charging", "Available"),
    ]


async def test_it_closes_in_order_and_by_cutting_its_power(
    central: Central, writer: InlineWriter
) -> None:
    async with open_living(central) as living:
        await living.accepted()
        began = trio.current_time()
        disconnect(living.charger, "close", living.at)
        await living.until(lambda: not len(central.registry))
        assert trio.current_time() - began < 1  # both sent a close frame
        await living.until(lambda: len(central.registry))
        await trio.sleep(100)  # it sends only heartbeats
        living.charger.power_off(living.at)
        await living.until(lambda: not len(central.registry))
        await trio.sleep(HOUR)
        assert (len(living.wire.dials), living.link.problem) == (2, None)
        living.charger.power_on(living.at)
        await living.accepted()
        living.charger.go_offline(living.at)
        await living.until(lambda: not len(central.registry))
    assert writer.rows(SESSIONS) == [(1000, ""), (1006, ""), (1006, "")]
    assert len(living.sent("BootNotification")) == 2  # the first reconnection was without a reboot


async def test_what_happened_offline_is_told_afterwards(
    central: Central, writer: InlineWriter
) -> None:
    async with open_living(central, keys={"AllowOfflineTxForUnknownId": "true"}) as living:
        await living.accepted()
        living.charger.go_offline(living.at)
        await living.session(HOUR)
        assert writer.rows(TRANSACTIONS) == []
        living.charger.go_online(living.at)
        await living.until(lambda: writer.rows(TRANSACTIONS))
        await living.quiet()
    (entry,) = living.charger.ledger
    assert writer.rows(TRANSACTIONS) == [(TAG, "Completed", entry.energy_wh, entry.energy_wh)]
    assert entry.transaction_id == writer.row("SELECT id FROM tx")[0]


async def test_a_connection_that_ends_while_a_call_is_under_way(
    central: Central, writer: InlineWriter
) -> None:
    """The start was stored but its response lost: it is sent again, counts no attempt, and is
    billed once."""
    async with open_living(central, keys={"TransactionMessageAttempts": "1"}) as living:
        await living.accepted()
        living.charger.plug(1, CAR, living.at)
        living.charger.start(1, TAG, living.at)
        writer.answer_seconds = 20
        await living.until(lambda: writer.rows(TRANSACTIONS))
        session_of(central).end(1011, "an accident")
        writer.answer_seconds = 0
        await living.until(lambda: len(living.sent("StartTransaction")) == 2)
        await living.quiet()
        living.charger.unplug(1, living.at)
        await living.quiet()
    (entry,) = living.charger.ledger
    assert (entry.thrown_away, living.charger.tally.unanswered) == ([], 0)
    assert writer.rows(TRANSACTIONS) == [(TAG, "Completed", entry.energy_wh, entry.energy_wh)]


@dataclass
class SlowAuthorizer:
    """An authorizer outside that accepts every tag after some seconds."""

    seconds: float

    async def ask(self, id_tag: str, charger: str, connector: int | None) -> Verdict:
        del id_tag, charger, connector
        await trio.sleep(self.seconds)
        return Verdict(Status.ACCEPTED)


def ask_outside(central: Central, seconds: float) -> SlowAuthorizer:
    slow = SlowAuthorizer(seconds)
    central.authorizer = slow.ask
    central.tags.policy = replace(central.tags.policy, has_authorizer=True)
    return slow


async def test_a_question_ends_with_its_connection(central: Central, writer: InlineWriter) -> None:
    """The charger's time stops while it waits for an Authorize response; due actions happen
    afterwards."""
    async with open_living(central, keys={"AllowOfflineTxForUnknownId": "true"}) as living:
        await living.accepted()
        charger = living.charger
        slow = ask_outside(central, seconds=20)
        charger.plug(1, CAR, living.at)
        charger.present_tag(1, TAG, living.at)
        charger.agenda.plan(living.at + 5, lambda at: charger.unplug(1, at), is_own=False)
        await living.until(lambda: living.sent("Authorize"))
        await trio.sleep(10)
        assert charger.agenda.is_held == 1
        session_of(central).end(1011, "an accident")
        slow.seconds = 0
        await living.until(lambda: writer.rows(TRANSACTIONS))
        await living.quiet()
    (entry,) = charger.ledger
    assert entry.is_ended
    assert entry.energy_wh == pytest.approx(5 * CAR_W / HOUR, abs=1)


async def test_answers_that_do_not_come_and_late_ones(
    central: Central, writer: InlineWriter
) -> None:
    writer.answer_seconds = 20  # two writes: a session and its boot, or the boot alone
    async with open_living(central) as living:
        await living.until(lambda: living.sent("BootNotification"))
        await trio.sleep(31)
        assert living.charger.tally.unanswered == 1
        await trio.sleep(10)
        assert living.order() == [">BootNotification", "<answer"]  # it came after 40 s, too late
        assert not living.charger.may_send
        writer.answer_seconds = 0
        await living.accepted()
        first, second = (at for at, _ in living.moments("BootNotification"))
        assert second - first == pytest.approx(60, abs=0.1)
    assert living.charger.tally.unanswered == 1


async def test_a_message_of_a_transaction_is_repeated_then_thrown_away(
    central: Central, writer: InlineWriter
) -> None:
    keys = {"TransactionMessageAttempts": "3", "TransactionMessageRetryInterval": "60"}
    async with open_living(central, keys=keys) as living:
        await living.accepted()
        living.charger.plug(1, CAR, living.at)
        living.charger.start(1, TAG, living.at)
        writer.answer_seconds = 35
        await living.until(lambda: living.charger.tally.discarded)
        moments = [at for at, _ in living.moments("StartTransaction")]
    assert [later - earlier for earlier, later in pairwise(moments)] == pytest.approx(
        [90, 150], abs=0.1
    )
    assert len(writer.rows(TRANSACTIONS)) == 1
    assert living.charger.ledger[0].thrown_away


async def test_a_newer_connection_of_the_same_charger_takes_its_place(central: Central) -> None:
    async with open_living(central) as living:
        await living.accepted()
        async with open_charger(central, "/ws/CP-1") as other:
            await other.call("Heartbeat")
            await living.until(lambda: living.link.problem)
            assert living.link.problem is not None
            assert living.link.problem.startswith("closed: 1000 ")
            assert (await other.wait_closed())[0] == 1000  # the simulated charger reconnected
        await living.accepted()
    assert len(living.wire.dials) == 2


async def test_a_server_that_stops_and_one_that_takes_its_place(
    central: Central, writer: InlineWriter
) -> None:
    async with open_living(central) as living:
        await living.accepted()
        living.wire.serve = None
        stopped = trio.current_time()
        central.registry.end_all()
        await living.until(lambda: not living.charger.is_linked)
        assert living.link.problem == "closed: 1001 the server is stopping"
        await living.until(lambda: len(living.wire.dials) == 6)
        waits = [later - earlier for earlier, later in pairwise([stopped, *living.wire.dials[1:]])]
        assert waits == pytest.approx([6, 12, 24, 48, 60], abs=0.1)
        assert living.link.problem == "nobody is there"
        living.wire.to(make_central(writer))
        await living.accepted()
        assert living.link.problem is None
        await trio.sleep(60)  # the connection lasts: the next pause is short again
        dials, began = len(living.wire.dials), trio.current_time()
        disconnect(living.charger, "close", living.at)
        await living.until(lambda: len(living.wire.dials) > dials)
        assert trio.current_time() - began < 10


async def test_silence(central: Central, writer: InlineWriter) -> None:
    """The server disconnects a silent charger, which reconnects later."""
    async with open_living(central, "no-pings") as living:
        await living.accepted()
        living.charger.act_on_connection("freeze", HOUR)
        began = living.at
        await living.until(lambda: writer.rows(SESSIONS) == [(1008, "silent for 180 s")])
        assert living.at - began == pytest.approx(180, abs=60)
        await living.until(lambda: len(living.wire.dials) == 2)
        assert living.at - began == pytest.approx(HOUR, abs=10)
        await living.accepted()
    assert len(living.sent("BootNotification")) == 1


async def test_pings_of_the_charger_find_a_central_system_that_is_gone(central: Central) -> None:
    async with open_living(central, keys={"WebSocketPingInterval": "100"}) as living:
        await living.accepted()
        await trio.sleep(1000)
        assert len(living.wire.dials) == 1
    async with open_living(mute, keys={"WebSocketPingInterval": "100"}) as living:
        await living.until(lambda: living.link.problem)
        assert living.link.problem == "no pong received"
        assert living.at == pytest.approx(30, abs=1)


async def test_pings_of_the_server_and_a_charger_that_cannot_bear_them(
    central: Central, writer: InlineWriter
) -> None:
    configure(central, websocket_ping_seconds=20.0)
    async with open_living(central) as living:
        await trio.sleep(HOUR)
        assert len(living.wire.dials) == 1
    async with open_living(central, "no-pings") as living:
        await living.until(lambda: living.link.problem)
        assert living.link.problem == "closed: 1006"
        await living.until(lambda: len(living.wire.dials) == 3)
        first, second, third = living.wire.dials
        assert (second - first, third - second) == pytest.approx((26, 26), abs=0.5)
    assert writer.rows(SESSIONS)[1] == (1006, "")
