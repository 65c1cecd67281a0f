"""Central systems that are not ours as backend, the `ocpp` package's and that of npm's ocpp-rpc:
they validate all that they are told, and have the energy of the registers here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.integration import backend_hasty
from tests.integration.backend_given import give_backend, wait_until_told
from tests.integration.npm import NotInstalled, install, is_possible
from tests.integration.serving import ROOT, serving
from tests.integration.simulating import RUN_SECONDS, simulate
from tests.sizes import size

HOURS: Final = int(os.environ.get("BACKEND_HOURS", size(720, 8)))
SPEED: Final = 2000
CHARGERS: Final = size(20, 5)
SCENARIO: Final = f"""
title = "Honest chargers"
hours = {HOURS}
first-hour = 10
chargers = {CHARGERS}
sessions-per-day = {9 if HOURS < 24 else 2}
stay-hours = [1, 3]

[configuration]
MeterValueSampleInterval = 300
"""


PACKAGE: Final = "ocpp-rpc@2.2.1"
Books = dict[str, Any]


@contextmanager
def of_python(folder: Path, books: Books) -> Iterator[int]:
    """The `ocpp` package's. Yields its port; its books are filled at its end."""
    file = folder / "books.json"
    program = [sys.executable, str(ROOT / "tests/integration/ocpp_central.py"), str(SPEED)]
    with subprocess.Popen([*program, str(file)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()
    books |= json.loads(file.read_text())
    # It asks each charger a few things, and validates the answers.
    assert set(books["answers"]) == {"GetConfiguration", "GetLocalListVersion", "TriggerMessage"}
    books["registers"] = [
        (one["charger"], one["meter_start"], one["meter_stop"]) for one in books["transactions"]
    ]


@contextmanager
def of_node(folder: Path, books: Books) -> Iterator[int]:
    """That of ocpp-rpc, in its strict mode."""
    if not is_possible():
        pytest.skip("the central system is an npm package; .ci/run installs node, npm")
    try:
        install(PACKAGE, folder)
    except NotInstalled as problem:
        pytest.skip(f"npm cannot install it; a machine with its registry can: {problem}")
    script = folder / "central.js"
    shutil.copy(Path(__file__).with_name("ocpp_rpc_central.js"), script)
    with subprocess.Popen(["node", str(script)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()
        books |= json.loads(process.stdout.readline())
    assert books["faults"] == []
    books["registers"] = [
        (one["charger"], one["meterStart"], one["meterStop"]) for one in books["transactions"]
    ]


Opened = Callable[[Path, Books], AbstractContextManager[int]]


@pytest.mark.parametrize("opened", [of_python, of_node])
@pytest.mark.parametrize("is_repaired", [False, True])
def test_it_accepts_all_and_has_the_energy(
    opened: Opened, is_repaired: bool, tmp_path: Path
) -> None:
    database, scenario = tmp_path / "levity.db", tmp_path / "month.toml"
    scenario.write_text(SCENARIO)
    chargers = [f"SIM-{number:03}" for number in range(1, CHARGERS + 1)]
    flags = ("--clock-speed", str(SPEED), "--heartbeat-interval", "900")
    books: Books = {}
    with opened(tmp_path, books) as port:
        with serving(database, *flags):
            pass
        give_backend(database, port, chargers, path="ocpp/", is_repaired=int(is_repaired))
        with serving(database, *flags, module=backend_hasty.MODULE) as server:
            ended = simulate(
                *(f"ws://127.0.0.1:{server.port}/ws/", "--scenario", str(scenario)),
                *("--speed", str(SPEED)),
                folder=tmp_path,
                seconds=HOURS * 3600 / SPEED + RUN_SECONDS,
            )
            wait_until_told(database, 300)
            assert server.query("SELECT * FROM backend_refused") == []
            registers = server.query(
                "SELECT cp_id, meter_start, meter_stop FROM tx ORDER BY 1, 2, 3"
            )
            ((readings,),) = server.query(
                "SELECT count(*) FROM log WHERE action = 'MeterValues' AND direction = 'recv'"
            )
    assert sorted(books["registers"]) == registers
    energy = sum(stop - start for _, start, stop in registers)
    assert energy == ended.total["energy_wh"] > 0
    assert books["readings"] == readings > 0
    print(f"\n{HOURS} hours: {len(registers)} sessions, {energy} Wh, {readings} readings")
