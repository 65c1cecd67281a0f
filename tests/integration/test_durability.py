"""No answer to a message of a transaction leaves before the fdatasync of its commit, seen by
strace.

kill -9 cannot tell: the kernel keeps what was written and not synced. A power cut does not.
"""

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from .charger import Charger, meter_values, now
from .serving import PROGRAM, serving
from .trace import COMMAND, Promise, SystemCall, broken, read

CHARGERS = 6
ROUNDS = 3
CALL_RESULT = 3
CARELESS = (sys.executable, "-m", "tests.integration.careless")

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@needs_strace
def test_no_answer_leaves_before_its_commit_is_synced(tmp_path: Path) -> None:
    promises, calls = traced(tmp_path, PROGRAM)
    assert len(promises) == ROUNDS * CHARGERS * 3
    assert [fault for promise in promises if (fault := broken(promise, calls))] == []


@needs_strace
def test_the_trace_shows_a_server_that_does_not_sync(tmp_path: Path) -> None:
    promises, calls = traced(tmp_path, CARELESS)
    assert not [call for call in calls if call.is_on_wal and "sync" in call.name]
    assert all(broken(promise, calls) for promise in promises)


def traced(folder: Path, program: Sequence[str]) -> tuple[list[Promise], list[SystemCall]]:
    """Several chargers charge at once, so that commits hold several messages."""
    trace = folder / "trace.txt"
    program = (*COMMAND, "-o", str(trace), *program)
    with serving(folder / "levity.db", program=program) as server, ExitStack() as stack:
        chargers = [
            stack.enter_context(Charger(server.port, f"CP-{number}")) for number in range(CHARGERS)
        ]
        for charger in chargers:
            charger.boot()
        promises = [promise for number in range(ROUNDS) for promise in charge(chargers, number)]
        server.stop()  # and with it strace, which then has written everything
    return promises, read(trace.read_text(errors="replace").splitlines())


def charge(chargers: Sequence[Charger], number: int) -> Iterator[Promise]:
    """One transaction of each: all send, then all read. The markers are tags and values that come
    once."""
    marks = [f"{number:03d}{place:03d}" for place in range(len(chargers))]
    promises = []
    for charger, mark in zip(chargers, marks, strict=True):
        told = {"connectorId": 1, "idTag": f"START{mark}", "meterStart": 0, "timestamp": now()}
        promises.append(Promise(charger.send("StartTransaction", **told), f"START{mark}"))
    transactions = [charger.receive()[2]["transactionId"] for charger in chargers]
    for charger, mark, transaction in zip(chargers, marks, transactions, strict=True):
        reading = meter_values(transaction, f"1.{mark}77")
        promises.append(Promise(charger.send("MeterValues", **reading), f"1.{mark}77"))
    assert [charger.receive()[2] for charger in chargers] == [{}] * len(chargers)
    for charger, mark, transaction in zip(chargers, marks, transactions, strict=True):
        told = {
            "transactionId": transaction,
            "meterStop": 1,
            "timestamp": now(),
            "idTag": f"STOP{mark}",
        }
        promises.append(Promise(charger.send("StopTransaction", **told), f"STOP{mark}"))
    assert all(charger.receive()[0] == CALL_RESULT for charger in chargers)
    yield from promises
