"""A receiver that stands still for as long as one likes, while chargers talk: what they and the
audit made of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.integration.fleet import Account, Fleet, Waits
from tests.integration.receiver import Receiver
from tests.integration.serving import PROGRAM, Serving, serving
from tests.tools.benchmarks.process import Server

BEAT_SECONDS = 0.1
"""Each charger sends a message so often: a hundred times as often as a busy one, and yet less than
the server can."""
PART_SECONDS = 10.0
CAUGHT_UP_SECONDS = 600.0


class Stall(NamedTuple):
    """What became of it. `missing` rows of the log never came; `repeated` ones came twice, as they
    may."""

    before: Waits
    stalled: Waits
    after: Waits
    grown_mib: float
    caught_up_seconds: float
    rows: int
    missing: int
    repeated: int
    faults: dict[str, int]


def stall(database: Path, receiver: Receiver, fleet: Sequence[Account], seconds: float) -> Stall:
    """Let these chargers talk, the receiver standing still for so long; then wait until it has
    all."""
    endpoint = f"127.0.0.1:{receiver.port}"
    with serving(database, "--fluentd-endpoint", endpoint, program=PROGRAM) as server:
        process = Server(server.process.pid, server.port)
        with Fleet(server.port, BEAT_SECONDS) as load:
            load.join(fleet)
            before, mib = load.measure(min(seconds, PART_SECONDS)), process.resident_mib()
            receiver.stall()
            stalled, grown_mib = load.measure(seconds), process.resident_mib() - mib
            receiver.go_on()
            began = time.perf_counter()
            assert load.run(CAUGHT_UP_SECONDS, _has_caught_up(server)), "the audit did not catch up"
            caught_up_seconds = time.perf_counter() - began
            after, faults = load.measure(min(seconds, PART_SECONDS)), dict(load.faults)
        receiver.wait_for(server)
        logged, told = {row[0] for row in server.query("SELECT id FROM log")}, receiver.ids()
    missing, repeated = len(logged - set(told)), len(told) - len(set(told))
    return Stall(
        before, stalled, after, grown_mib, caught_up_seconds, len(logged), missing, repeated, faults
    )


def _has_caught_up(server: Serving) -> Callable[[], bool]:
    """A look, once a second, whether all that was said before it now is with the receiver."""
    ((newest,),), looked_at = server.query("SELECT max(id) FROM log"), [0.0]

    def has_caught_up() -> bool:
        if time.perf_counter() - looked_at[0] < 1:
            return False
        looked_at[0] = time.perf_counter()
        return bool(server.query("SELECT log_id FROM audit_cursor")[0][0] >= newest)

    return has_caught_up
