"""What is not ours: the `ocpp` package's charge point as a process, a plug-in, requests to the API
of a server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from levity_trio.client import Api, Sought
from tests.integration.serving import PROGRAM, ROOT, Serving, environment

CHARGE_POINT = Path(__file__).with_name("ocpp_charge_point.py")


@contextmanager
def foreign_charger(
    server: Serving, identity: str, answers: Mapping[str, Any] | None = None
) -> Iterator[None]:
    """A charge point that is not ours, booted; it ends with the block."""
    url = f"ws://127.0.0.1:{server.port}/ocpp"
    command = [sys.executable, str(CHARGE_POINT), url, identity, json.dumps(answers or {})]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if "booted" in line:
                    break
            yield
        finally:
            process.kill()


def with_plugin(folder: Path, name: str, source: str) -> tuple[str, ...]:
    """Install a plug-in there, as pip would; return the program of a server that has it. It opens
    by `open_NAME`."""
    (folder / f"{name}.py").write_text(source)
    installed = folder / f"{name}-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (installed / "entry_points.txt").write_text(
        f"[levity_trio.plugins]\n{name} = {name}:open_{name}\n"
    )
    return "env", f"PYTHONPATH={ROOT}:{folder}", *PROGRAM


def api_of(server: Serving) -> Api:
    """The API over the local socket, on which whoever asks is admin."""
    return Api(f"unix:{server.database}.sock", Sought("server", "start it"))


def operate(
    server: Serving, charger: str, path: str, payload: Mapping[str, Any], **query: object
) -> dict[str, Any]:
    """Send an operation and return its command."""
    done: dict[str, Any] = api_of(server).ask(
        "POST", "admin", "chargers", charger, path, given=payload, query=query, patience=60
    )
    return done
