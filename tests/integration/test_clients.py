"""Clients that others wrote, against the spawned server: the `ocpp` package's, `ocpp-rpc` of Node,
wscat's lines."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.websocket import upgrade_request

from .charger import Charger
from .serving import ROOT, Serving, environment, serving

CLIENT_SECONDS = 60
INSTALL_SECONDS = 180
OCPP_RPC = "ocpp-rpc@2"

# As the README of Levity prints it, with the one line that it lacks: without `start` nobody reads
# the answer, and `call` waits in vain for 30 s, whatever the server.
LEVITY_CLIENT = """
import asyncio
from ocpp.v16 import call
from ocpp.v16 import ChargePoint as cp
import websockets

async def test_client():
    async with websockets.connect(
        'ws://localhost:9000/ws/TEST_CP_001',
        subprotocols=['ocpp1.6']
    ) as ws:
        charge_point = cp('TEST_CP_001', ws)
        asyncio.create_task(charge_point.start())

        request = call.BootNotification(
            charge_point_vendor="TestVendor",
            charge_point_model="TestModel"
        )

        response = await charge_point.call(request)
        print(response)

asyncio.run(test_client())
"""

NODE_CLIENT = """
const { RPCClient } = require('ocpp-rpc');

async function main() {
  const client = new RPCClient({
    endpoint: process.argv[2], identity: 'NODE 1', protocols: ['ocpp1.6'], strictMode: true, reconnect: false,
  });
  await client.connect();
  const boot = await client.call('BootNotification', { chargePointVendor: 'ocpp-rpc', chargePointModel: 'Node' });
  const heartbeat = await client.call('Heartbeat', {});
  const start = await client.call('StartTransaction',
    { connectorId: 1, idTag: 'NODE', meterStart: 1000, timestamp: new Date().toISOString() });
  const values = await client.call('MeterValues', { connectorId: 1, transactionId: start.transactionId, meterValue: [
    { timestamp: new Date().toISOString(), sampledValue: [{ value: '1.5', unit: 'kWh' }] }] });
  const stop = await client.call('StopTransaction', { transactionId: start.transactionId, idTag: 'NODE',
    meterStop: 2000, timestamp: new Date().toISOString(), reason: 'EVDisconnected' });
  await client.close({ code: 1000 });
  console.log(JSON.stringify({ protocol: client.protocol, boot, heartbeat, start, values, stop }));
}
main().catch((error) => { console.error(error); process.exit(1); });
"""  # noqa: E501


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "levity.db") as running:
        yield running


def run(*command: str, folder: Path = ROOT, seconds: float = CLIENT_SECONDS) -> str:
    """Run a program that must succeed; gives what it printed."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout


def test_the_example_client_says_that_no_server_answers() -> None:
    command = [sys.executable, "tests/tools/example_client.py", "ws://127.0.0.1:1/ws/CP001"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert (
        done.stderr == "no server answers at ws://127.0.0.1:1/ws/CP001; start levity-trio serve\n"
    )


def test_the_example_client(server: Serving) -> None:
    printed = run(
        sys.executable, "tests/tools/example_client.py", f"ws://localhost:{server.port}/ws/CP001"
    )
    assert "BootNotification(current_time=" in printed
    assert "StartTransaction(transaction_id=" in printed
    assert server.query("SELECT status, energy_delivered, confidence FROM tx") == [
        ("Completed", 1200, "certain")
    ]
    assert server.query("SELECT value, measurand FROM meter_val ORDER BY id") == [
        (value, "Energy.Active.Import.Register") for value in ("1400", "1800")
    ]
    assert server.query("SELECT id, vendor, model FROM cp") == [("CP001", "Example", "One")]


def test_the_client_in_levity_s_readme(server: Serving) -> None:
    printed = run(sys.executable, "-c", LEVITY_CLIENT.replace("9000", str(server.port)))
    assert "interval=60, status='Accepted')" in printed
    assert server.query("SELECT id, vendor, model FROM cp") == [
        ("TEST_CP_001", "TestVendor", "TestModel")
    ]


@pytest.mark.parametrize("offer", [b"Sec-WebSocket-Protocol: ocpp1.6\r\n", b""])
def test_the_lines_typed_into_wscat(offer: bytes, server: Serving) -> None:
    head = upgrade_request("/ws/TEST_CP_001", server.port)
    head = head.replace(b"Sec-WebSocket-Protocol: ocpp1.6\r\n", offer)
    with Charger(server.port, "TEST_CP_001", head) as charger:
        charger.send_text(
            '[2, "12345", "BootNotification", {"chargePointVendor": "TestVendor", '
            '"chargePointModel": "TestModel"}]'
        )
        kind, message_id, told = charger.receive()
    assert (kind, message_id, told["interval"], told["status"]) == (3, "12345", 60, "Accepted")


@pytest.fixture(scope="module")
def node_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `ocpp-rpc` from npm and the client above."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node or npm is not installed")
    folder = tmp_path_factory.mktemp("node")
    (folder / "package.json").write_text('{"private": true}')
    (folder / "client.js").write_text(NODE_CLIENT)
    flags = ("--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--prefer-offline")
    run("npm", "install", *flags, OCPP_RPC, folder=folder, seconds=INSTALL_SECONDS)
    return folder


def test_ocpp_rpc_of_node(server: Serving, node_client: Path) -> None:
    """Its strict mode holds each answer against the schemas of OCPP 1.6."""
    printed = run("node", "client.js", f"ws://localhost:{server.port}/ws", folder=node_client)
    told = json.loads(printed)
    assert told["protocol"] == "ocpp1.6"
    assert (told["boot"]["status"], told["boot"]["interval"]) == ("Accepted", 60)
    assert told["heartbeat"]["currentTime"].endswith("Z")
    assert told["values"] == {}
    assert told["stop"] == {"idTagInfo": {"status": "Accepted"}}
    assert server.query("SELECT id, cp_id, energy_delivered, stop_reason FROM tx") == [
        (told["start"]["transactionId"], "NODE 1", 1000, "EVDisconnected")
    ]
    assert server.query("SELECT value, unit, wh FROM meter_val") == [("1.5", "kWh", 1500)]
    assert server.wait_line("ChargerDisconnected")["code"] == 1000
