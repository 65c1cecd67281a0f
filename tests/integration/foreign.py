"""The `ocpp` package's charge point as a process, and requests to the API of a spawned server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from levity_trio.client import Api, Sought
from tests.integration.serving import Serving, environment

PROGRAM = Path(__file__).with_name("ocpp_charge_point.py")


@contextmanager
def foreign_charger(server: Serving, identity: str, answers: Mapping[str, Any] | None = None) -> Iterator[None]:
    """A charge point that is not ours, booted; it ends with the block."""
    url = f"ws://127.0.0.1:{server.port}/ocpp"
    command = [sys.executable, str(PROGRAM), url, identity, json.dumps(answers or {})]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if "booted" in line:
                    break
            yield
        finally:
            process.kill()


def api_of(server: Serving) -> Api:
    """The API over the local socket, on which whoever asks is admin."""
    return Api(f"unix:{server.database}.sock", Sought("server", "start it"))


def operate(server: Serving, charger: str, path: str, payload: Mapping[str, Any], **query: object) -> dict[str, Any]:
    """Send an operation and return its command."""
    done: dict[str, Any] = api_of(server).ask(
        "POST", "admin", "chargers", charger, path, given=payload, query=query, patience=60
    )
    return done
