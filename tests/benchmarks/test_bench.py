"""The bench runs; what it measures with so few chargers and seconds says nothing."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
from contextlib import closing
from functools import partial
from pathlib import Path

import msgpack
import pytest
import trio
import trio.testing

from levity_trio.store.engine.file_store import open_database
from tests.integration.websocket import TEXT, client_frame, take_frame
from tests.tools.benchmarks import durable_echo, judging
from tests.tools.benchmarks.plan import Results, Row
from tests.tools.benchmarks.process import FORKING, PYTHON, ROOT
from tests.tools.benchmarks.report import table
from tests.tools.benchmarks.runs import Faults, Phase, Run
from tests.tools.benchmarks.sink import take
from tests.tools.benchmarks.targets import targets

from .told import told_by

TINY = (
    "--chargers",
    "2",
    "--storm",
    "5",
    "--seconds",
    "0.4",
    "--rounds",
    "1",
    "--watched",
    "--json",
)


def test_all_servers_answer_every_call() -> None:
    told = told_by("tests.tools.benchmarks", *TINY)
    assert told.returncode == 0, told.stderr
    results = json.loads(told.stdout)
    (row,) = results["rows"]
    for kind in ("echo", "durable", "serve", "metrics", "audit"):
        run, storm = row["runs"][kind], results["storms"][kind]
        assert run["faults"]["counts"] == storm["faults"]["counts"] == {}
        assert storm["accepted"] == storm["answered"] == 5
        assert run["mixed"]["calls"] > 0
        assert run["plain"]["cpu_us_per_call"] > 0
    for ratios in (row["ratios"], row["plain_ratios"], row["durable_ratios"]):
        assert ratios.keys() == {"serve", "metrics", "audit"}
        assert min(ratios[kind][0] for kind in ratios) > 0


def test_a_phase_shorter_than_one_commit_waits_for_its_first_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The bench and its servers are spawned, as those who measure spawn them."""
    monkeypatch.delenv(FORKING)
    tiny = ("--chargers", "1", "--storm", "1", "--seconds", "1e-9", "--rounds", "1", "--json")
    command = [*PYTHON, "tests.tools.benchmarks", *tiny]
    printed = subprocess.run(
        command, cwd=ROOT, check=True, stdout=subprocess.PIPE, timeout=120
    ).stdout
    (row,) = json.loads(printed)["rows"]
    assert row["runs"]["serve"]["mixed"]["calls"] > 0
    assert row["ratios"]["serve"][0] > 0
    assert row["durable_ratios"]["serve"][0] > 0


@pytest.mark.parametrize(
    "pragma", ["journal_mode", "synchronous", "wal_autocheckpoint", "fullfsync"]
)
def test_the_durable_echo_is_as_durable_as_the_server(tmp_path: Path, pragma: str) -> None:
    with (
        open_database(tmp_path / "server.db") as server,
        closing(durable_echo.connect(tmp_path / "echo.db")) as echo,
    ):
        of_server, of_echo = (
            database.execute(f"PRAGMA {pragma}").fetchall() for database in (server, echo)
        )
    assert of_server == of_echo


def test_a_durable_call_is_held_against_the_durable_echo() -> None:
    phase = Phase(10, 10.0, 100.0, 10.0, 0.5, 1.0, 2.0, 10.0, 0.1, 0.0)
    run = Run("serve", 20, 1.0, 30.0, 31.0, 32.0, phase, phase, phase, Faults())
    row = Row(
        20,
        {"echo": run, "serve": run},
        {"serve": [2.0]},
        {"serve": [2.0]},
        {"serve": [1.5, 2.5, 1.9]},
    )
    (target,) = (
        target for target in targets(Results([row])) if target.what.endswith("durable echo")
    )
    assert (target.measured, target.reached) == ("1.90 x (1.50 to 2.50 in 3 rounds)", True)


async def test_the_sink_outlives_a_sender_that_leaves_without_a_goodbye(
    nursery: trio.Nursery,
) -> None:
    """So a server does that has not read the last acknowledgement."""
    (listener,) = await nursery.start(partial(trio.serve_tcp, take, 0, host="127.0.0.1"))
    chunk = msgpack.packb(["tag", b"", {"chunk": "1"}])
    for _ in range(2):
        sender = await trio.testing.open_stream_to_socket_listener(listener)
        await sender.send_all(chunk)
        assert msgpack.unpackb(await sender.receive_some()) == {"ack": "1"}
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await sender.aclose()


def test_judging_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert judging.main(["--readings", "10", "--rounds", "1", "--seconds", "0.001"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["honest", "sun"]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535])
def test_frame_goes_there_and_back(size: int) -> None:
    masked = client_frame(TEXT, b"x" * size)
    header = len(masked) - size - 4
    unmasked = bytes((masked[0], masked[1] & 0x7F)) + masked[2:header] + masked[header + 4 :]
    assert take_frame(unmasked + b"next") == ((TEXT, b"x" * size), b"next")
    assert all(take_frame(unmasked[:cut]) is None for cut in (0, 1, len(unmasked) - 1))


def test_table_is_as_wide_as_its_cells() -> None:
    assert table(("name", "n"), [("a", "10")]) == "name   n\n----  --\na     10"


def test_nothing_measured_reaches_nothing() -> None:
    assert targets(Results()) == []
