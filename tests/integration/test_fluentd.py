"""The audit and a receiver that is not ours, the FluentServer of npm: killed, revived, stalled, and the server too."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.charger import Charger, NoWebSocket
from tests.integration.fleet import Fleet, accounts
from tests.integration.serving import Serving, environment, serving

PACKAGE = "@fluent-org/logger@1.0.10"
SCRIPT = Path(__file__).with_name("fluent_server.js")
INSTALL_SECONDS = 120
TRUSTED = Path("/etc/ssl/certs/ca-certificates.crt")
"""Whom the machine trusts; node has a list of its own, without a company's proxy."""
CAUGHT_UP_SECONDS = 60
LOG = "SELECT id, cp_id, direction, frame FROM log ORDER BY id"
TAKES, TAKES_NOT = "Fluentd takes the audit", "Fluentd does not take the audit, which waits in the frame log"

pytestmark = pytest.mark.skipif(
    not (shutil.which("node") and shutil.which("npm")),
    reason="the receiver is an npm package; .ci/run installs node, npm",
)


class Receiver:
    """The receiver's process; the next one listens where the first did, and adds to the same records."""

    def __init__(self, folder: Path, modules: Path) -> None:
        self._modules = modules
        self._port_file, self._records = folder / "port", folder / "records"
        self.port = 0
        self.start()

    def start(self) -> None:
        self._port_file.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            ["node", SCRIPT, str(self.port), self._port_file, self._records],
            env={**environment(), "NODE_PATH": str(self._modules)},
        )
        wait_until(lambda: self._port_file.exists() and self._port_file.read_text() != "")
        self.port = int(self._port_file.read_text())

    def stall(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def told(self) -> list[dict[str, Any]]:
        """All that it has taken, in the order in which it came; who was killed leaves half a line at most."""
        lines = self._records.read_text().splitlines()
        return [json.loads(line) for line in lines]

    def ids(self) -> list[int]:
        return [told["record"]["id"] for told in self.told()]

    def wait_for(self, server: Serving) -> None:
        """Until it has all that the log holds."""
        wait_until(lambda: set(self.ids()) >= {row[0] for row in server.query("SELECT id FROM log")})


def wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + CAUGHT_UP_SECONDS
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("npm")
    command = ("npm", "install", "--no-audit", "--no-fund", "--prefix", folder, PACKAGE)
    trusting = {**os.environ, **({"NODE_EXTRA_CA_CERTS": str(TRUSTED)} if TRUSTED.exists() else {})}
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=INSTALL_SECONDS, env=trusting)
    if ended.returncode:
        pytest.skip(f"npm cannot install the receiver; a machine with its registry can: {ended.stderr[-300:]}")
    return folder / "node_modules"


@pytest.fixture
def receiver(tmp_path: Path, modules: Path) -> Iterator[Receiver]:
    receiver = Receiver(tmp_path, modules)
    yield receiver
    receiver.kill()


@contextmanager
def audited(tmp_path: Path, receiver: Receiver) -> Iterator[Serving]:
    with serving(tmp_path / "levity.db", "--fluentd-endpoint", f"127.0.0.1:{receiver.port}") as server:
        yield server


def first_told(receiver: Receiver) -> list[dict[str, Any]]:
    """Its records without those that came again."""
    by_id: dict[int, dict[str, Any]] = {}
    for told in receiver.told():
        by_id.setdefault(told["record"]["id"], told["record"])
    return list(by_id.values())


def assert_whole(receiver: Receiver, server: Serving) -> None:
    """Each row of the log was told, as it stands there, and in its order; so the order of each charger holds too."""
    logged, told = server.query(LOG), first_told(receiver)
    assert [record["id"] for record in told] == [row[0] for row in logged]
    for record, (_, charger, direction, frame) in zip(told, logged, strict=True):
        assert record["cp"] == charger
        assert direction in (record.get("dir"), record.get("event"))
        if record["type"] == "ocpp":
            assert record["msg"] == json.loads(frame)


def test_a_conversation_arrives_with_levitys_tags_and_shapes(tmp_path: Path, receiver: Receiver) -> None:
    with audited(tmp_path, receiver) as server:
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
            charger.send_text('[2,"made-up","FlyToTheMoon",{}]')
            charger.receive()
            transaction = charger.start("TAG")
            charger.call("StopTransaction", transactionId=transaction, meterStop=2000, timestamp="2026-03-01T12:00:00Z")
            charger.close()
        server.wait_line("disconnected")
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
    assert (first["type"], first["event"], first["cp"], first["remote_addr"]) == ("ws", "connect", "CP-1", "127.0.0.1")
    assert boot["msg"][2:] == [
        "BootNotification",
        {"chargePointVendor": "Integration", "chargePointModel": "Real Socket"},
    ]
    assert boot["message_id"] == answer["message_id"] == boot["msg"][1]
    assert [(told["action"], told["dir"]) for told in (boot, answer)] == [
        ("BootNotification", "recv"),
        ("BootNotification", "send"),
    ]
    assert (last["event"], last["code"], refused["event"], refused["status"]) == ("disconnect", 1000, "refuse", 426)
    assert abs(receiver.told()[0]["seconds"] - time.time()) < CAUGHT_UP_SECONDS


def test_nothing_is_missing_whatever_becomes_of_the_receiver(tmp_path: Path, receiver: Receiver) -> None:
    """Killed, away, back, stalled, stalled and killed: chargers are answered all the time."""
    with audited(tmp_path, receiver) as server:
        with Fleet(server.port) as load:
            load.join(accounts(5))
            for happen in (
                receiver.kill,
                receiver.start,
                receiver.stall,
                receiver.go_on,
                receiver.stall,
                receiver.kill,
            ):
                assert load.measure(0.5).answers_per_second
                happen()
                if happen == receiver.start:
                    wait_until(lambda: len(server.find(TAKES)) == 2)
            assert load.measure(0.5).answers_per_second
        receiver.start()
        receiver.wait_for(server)
        assert_whole(receiver, server)
        assert len(server.find(TAKES)) == len(server.find(TAKES_NOT)) + 1 == 3


def test_a_server_that_was_killed_goes_on_where_it_was(tmp_path: Path, receiver: Receiver) -> None:
    fleet = accounts(5)
    with audited(tmp_path, receiver) as server, Fleet(server.port) as load:
        load.join(fleet)
        load.measure(7)  # the cursor is written once in five seconds
        server.kill()
    with audited(tmp_path, receiver) as server:
        receiver.wait_for(server)
        assert_whole(receiver, server)
        ((cursor,),) = server.query("SELECT log_id FROM audit_cursor")
        assert cursor > 0
    with audited(tmp_path, receiver) as server:
        wait_until(lambda: server.query("SELECT count(*) FROM run WHERE ended_at IS NOT NULL") == [(1,)])
        told = len(receiver.ids())
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
        wait_until(lambda: len(receiver.ids()) >= told + 4)
        assert len(receiver.ids()) == told + 4  # and nothing of what was told before the orderly end
        assert server.query("SELECT lost FROM audit_cursor") == [(0,)]


@pytest.mark.parametrize("endpoint", ["127.0.0.1:1", "nowhere.invalid:24224", f"{'.' * 300}:24224"])
def test_a_wrong_endpoint_costs_a_line_in_the_log(tmp_path: Path, endpoint: str) -> None:
    with serving(tmp_path / "levity.db", "--fluentd-endpoint", endpoint) as server:
        server.wait_line(TAKES_NOT)
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
