"""The audit and a receiver that is not ours, the FluentServer of npm: killed, revived, stalled, and
the server too."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.charger import Charger, NoWebSocket
from tests.integration.fleet import Fleet, accounts
from tests.integration.npm import NotInstalled, install, is_possible
from tests.integration.receiver import CAUGHT_UP_SECONDS, PACKAGE, Receiver, wait_until
from tests.integration.serving import Serving, serving
from tests.integration.stall import BEAT_SECONDS, stall

LOG = "SELECT id, cp_id, direction, frame FROM log ORDER BY id"
STALL_SECONDS = 5.0
MOST_GROWN_MIB = 24
"""While nothing is taken; what waits in the frame log waits on the disk."""
ACCEPTS, INTERRUPTED = (
    "Fluentd accepts the audit",
    "audit to Fluentd interrupted; frames wait in the frame log",
)

pytestmark = pytest.mark.skipif(
    not is_possible(),
    reason="the receiver is an npm package; .ci/run installs node, npm",
)


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return install(PACKAGE, tmp_path_factory.mktemp("npm"))
    except NotInstalled as problem:
        pytest.skip(f"npm cannot install the receiver; a machine with its registry can: {problem}")


@pytest.fixture
def receiver(tmp_path: Path, modules: Path) -> Iterator[Receiver]:
    receiver = Receiver(tmp_path, modules)
    yield receiver
    receiver.kill()


@contextmanager
def audited(tmp_path: Path, receiver: Receiver) -> Iterator[Serving]:
    with serving(
        tmp_path / "levity.db", "--fluentd-endpoint", f"127.0.0.1:{receiver.port}"
    ) as server:
        yield server


def first_told(receiver: Receiver) -> list[dict[str, Any]]:
    """Its records without those that came again."""
    by_id: dict[int, dict[str, Any]] = {}
    for told in receiver.told():
        by_id.setdefault(told["record"]["id"], told["record"])
    return list(by_id.values())


def assert_whole(receiver: Receiver, server: Serving) -> None:
    """Each row of the log was told, as it stands there, and in its order; so the order of each
    charger holds too."""
    logged, told = server.query(LOG), first_told(receiver)
    assert [record["id"] for record in told] == [row[0] for row in logged]
    for record, (_, charger, direction, frame) in zip(told, logged, strict=True):
        assert record["cp"] == charger
        assert direction in (record.get("dir"), record.get("event"))
        if record["type"] == "ocpp":
            assert record["msg"] == json.loads(frame)


def talk_until(load: Fleet, server: Serving, line: str, times: int) -> None:
    """Let chargers talk until the server has logged something so many times."""
    assert load.run(CAUGHT_UP_SECONDS, lambda: len(server.find(line)) == times)
    assert load.measure(CAUGHT_UP_SECONDS, lambda: bool(load.answer_seconds)).answers_per_second


def test_a_conversation_arrives_with_levitys_tags_and_shapes(
    tmp_path: Path, receiver: Receiver
) -> None:
    with audited(tmp_path, receiver) as server:
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
            charger.send_text('[2,"made-up","FlyToTheMoon",{}]')
            charger.receive()
            transaction = charger.start("TAG")
            charger.call(
                "StopTransaction",
                transactionId=transaction,
                meterStop=2000,
                timestamp="2026-03-01T12:00:00Z",
            )
            charger.close()
        server.wait_line("ChargerDisconnected")
        with pytest.raises(NoWebSocket):
            Charger(server.port, "CP-1", b"GET /ws/ HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: "refuse" in json.dumps(receiver.told()))
        assert_whole(receiver, server)
    assert [told["tag"] for told in receiver.told()] == [
        "ocpp.websocket",
        "ocpp.boot",
        "ocpp.boot.response",
        "ocpp.unknown",
        "ocpp.unknown.error",
        "ocpp.transaction.start",
        "ocpp.transaction.start.response",
        "ocpp.transaction.stop",
        "ocpp.transaction.stop.response",
        "ocpp.websocket",
        "ocpp.websocket",
    ]
    first, boot, answer, *_, last, refused = [told["record"] for told in receiver.told()]
    assert (first["type"], first["event"], first["cp"], first["remote_addr"]) == (
        "ws",
        "connect",
        "CP-1",
        "127.0.0.1",
    )
    assert boot["msg"][2:] == [
        "BootNotification",
        {"chargePointVendor": "Integration", "chargePointModel": "Real Socket"},
    ]
    assert boot["message_id"] == answer["message_id"] == boot["msg"][1]
    assert [(told["action"], told["dir"]) for told in (boot, answer)] == [
        ("BootNotification", "recv"),
        ("BootNotification", "send"),
    ]
    assert (last["event"], last["code"], refused["event"], refused["status"]) == (
        "disconnect",
        1000,
        "refuse",
        426,
    )
    assert abs(receiver.told()[0]["seconds"] - time.time()) < CAUGHT_UP_SECONDS


def test_nothing_is_missing_whatever_becomes_of_the_receiver(
    tmp_path: Path, receiver: Receiver
) -> None:
    """Killed, away, back, stalled, stalled and killed: chargers are answered all the time."""
    with audited(tmp_path, receiver) as server:
        with Fleet(server.port, BEAT_SECONDS) as load:
            load.join(accounts(5))
            talk_until(load, server, ACCEPTS, 1)
            receiver.kill()
            talk_until(load, server, INTERRUPTED, 1)
            receiver.start()
            talk_until(load, server, ACCEPTS, 2)
            for happen in (receiver.stall, receiver.go_on, receiver.stall, receiver.kill):
                happen()
                assert load.measure(
                    CAUGHT_UP_SECONDS, lambda: bool(load.answer_seconds)
                ).answers_per_second
            talk_until(load, server, INTERRUPTED, 2)
        receiver.start()
        receiver.wait_for(server)
        assert_whole(receiver, server)
        wait_until(lambda: len(server.find(ACCEPTS)) == 3)
        assert len(server.find(INTERRUPTED)) == 2


def test_a_long_stall_costs_chargers_nothing(tmp_path: Path, receiver: Receiver) -> None:
    """`just soak` does the same for ten minutes, and prints how long chargers waited."""
    told = stall(tmp_path / "levity.db", receiver, accounts(5), STALL_SECONDS)
    assert told.rows > STALL_SECONDS * 5  # there was something to lose
    assert (told.missing, told.faults) == (0, {})
    # a machine may become busy meanwhile
    assert told.stalled.answers_per_second > told.before.answers_per_second / 5
    assert told.grown_mib < MOST_GROWN_MIB


def test_a_server_that_was_killed_goes_on_where_it_was(tmp_path: Path, receiver: Receiver) -> None:
    fleet = accounts(5)
    with audited(tmp_path, receiver) as server, Fleet(server.port, BEAT_SECONDS) as load:
        load.join(fleet)
        assert load.run(
            CAUGHT_UP_SECONDS,
            lambda: bool(server.query("SELECT 1 FROM audit_cursor WHERE log_id > 0")),
        )
        server.kill()
    with audited(tmp_path, receiver) as server:
        receiver.wait_for(server)
        assert_whole(receiver, server)
        ((cursor,),) = server.query("SELECT log_id FROM audit_cursor")
        assert cursor > 0
    with audited(tmp_path, receiver) as server:
        wait_until(
            lambda: server.query("SELECT count(*) FROM run WHERE ended_at IS NOT NULL") == [(1,)]
        )
        told = len(receiver.ids())
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
        wait_until(lambda: len(receiver.ids()) >= told + 4)
        # and nothing of what was told before the orderly end
        assert len(receiver.ids()) == told + 4
        assert server.query("SELECT lost FROM audit_cursor") == [(0,)]


@pytest.mark.parametrize("endpoint", ["127.0.0.1:1", "nowhere.invalid:24224", f"{'.' * 300}:24224"])
def test_a_wrong_endpoint_costs_a_line_in_the_log(tmp_path: Path, endpoint: str) -> None:
    with serving(tmp_path / "levity.db", "--fluentd-endpoint", endpoint) as server:
        server.wait_line(INTERRUPTED)
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
