"""A StopTransaction with the readings of a long session: `python -m tests.tools.benchmarks.large`,
or `just bench-large`.

While it arrives and is stored, other chargers send calls: one a Heartbeat, which is answered from
memory, one a StatusNotification, which waits for its commit. Their longest wait, the memory that
the server takes beyond what it had, and the stored rows are measured. The exit status is 1 where a
target is missed.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from levity_trio.store.engine.file_store import open_database
from tests.integration.charger import Charger
from tests.integration.websocket import TEXT, client_frame
from tests.store.books import Books, Station

from .process import Server, machine_cpu_seconds, running
from .report import table

MEGABYTES = (1.1, 2.0, 8.0)
MEGABYTE = 1_000_000
PAUSE_SECONDS, SETTLE_SECONDS, ANSWER_SECONDS = 0.01, 1.0, 300.0
HEARTBEAT_MS, MOST_MIB = 200.0, 60.0
STATUS_MS = {1.1: 500.0, 2.0: 500.0, 8.0: 1500.0}
"""A status waits for the commit of the message, which is one write."""
SECONDS_APART, WH_APART, METER_START = 10, 20, 1_000_000
HEAD = (
    "message",
    "readings",
    "answered after",
    "Wh",
    "longest Heartbeat",
    "longest status",
    "memory",
    "others",
    "",
)


class Line(NamedTuple):
    """What was measured with one message."""

    megabytes: float
    sent: int
    stored: int
    seconds: float
    wh: int
    is_certain: bool
    waits_ms: tuple[float, float]
    """The longest of a Heartbeat and of a StatusNotification."""
    mib: float
    others: float
    """What else ran on this machine, as a share of one core. Where that nears the number of cores,
    all waits grow."""

    @property
    def is_met(self) -> bool:
        is_right = self.stored == self.sent and self.is_certain
        is_in_time = self.waits_ms[0] <= HEARTBEAT_MS and self.waits_ms[1] <= STATUS_MS.get(
            self.megabytes, 1500.0
        )
        return is_right and is_in_time and self.mib <= MOST_MIB

    def cells(self) -> tuple[str, ...]:
        return (
            *(
                f"{self.megabytes:g} MB",
                f"{self.stored:,} of {self.sent:,}",
                f"{self.seconds:.1f} s",
                f"{self.wh:,}",
            ),
            *(f"{wait:.0f} ms" for wait in self.waits_ms),
            *(
                f"{self.mib:.0f} MiB",
                f"{100 * self.others:.0f} %",
                "ok" if self.is_met else "SHORT",
            ),
        )


def data(megabytes: float) -> list[dict[str, Any]]:
    """Readings of register, power and current, of so many megabytes as JSON, up to now."""
    told: list[dict[str, Any]] = []
    count = int(megabytes * MEGABYTE / len(json.dumps(_element(0, datetime.now(UTC)))))
    begun = datetime.now(UTC) - timedelta(seconds=(count + 1) * SECONDS_APART)
    told += (_element(number, begun) for number in range(1, count))
    return told


def _element(number: int, begun: datetime) -> dict[str, Any]:
    at = (begun + timedelta(seconds=number * SECONDS_APART)).strftime("%Y-%m-%dT%H:%M:%SZ")
    common = {"context": "Sample.Periodic", "format": "Raw", "location": "Outlet"}
    return {
        "timestamp": at,
        "sampledValue": [
            {
                "value": str(METER_START + number * WH_APART),
                "measurand": "Energy.Active.Import.Register",
                "unit": "Wh",
            }
            | common,
            {"value": "7200", "measurand": "Power.Active.Import", "unit": "W"} | common,
            {"value": "31.3", "measurand": "Current.Import", "unit": "A", "phase": "L1"} | common,
        ],
    }


@contextmanager
def others(port: int) -> Iterator[list[float]]:
    """Two other chargers, each in a thread; yields the longest wait of each so far, in
    milliseconds."""
    longest, is_over = [0.0, 0.0], threading.Event()

    def call(number: int, action: str, **payload: object) -> None:
        with Charger(port, f"OTHER-{number}") as other:
            other.boot()
            while not is_over.wait(PAUSE_SECONDS):
                began = time.perf_counter()
                other.call(action, **payload)
                longest[number] = max(longest[number], 1000 * (time.perf_counter() - began))

    status = {"connectorId": 1, "status": "Available", "errorCode": "NoError"}
    threads = [
        threading.Thread(target=call, args=(0, "Heartbeat")),
        threading.Thread(target=call, args=(1, "StatusNotification"), kwargs=status),
    ]
    for thread in threads:
        thread.start()
    try:
        yield longest
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


class Session(NamedTuple):
    """A session that began long ago, live, and the readings that its stop will bring."""

    transaction: int
    told: list[dict[str, Any]]


def begin(database: Path, megabytes: float) -> Session:
    """Begin a session in a new database, before a server runs."""
    told = data(megabytes)
    with open_database(database) as connection:
        books = Books(connection)
        books.now = datetime.fromisoformat(told[0]["timestamp"]) - timedelta(seconds=SECONDS_APART)
        return Session(Station(books, "LARGE").start(METER_START), told)


def measure(server: Server, database: Path, megabytes: float, session: Session) -> Line:
    """Send the stop of a session, of this size, and measure."""
    transaction, told = session
    with Charger(server.port, "LARGE") as charger, others(server.port) as longest:
        charger.boot()
        charger.socket.settimeout(ANSWER_SECONDS)
        last = told[-1]["timestamp"]
        stop = {
            "meterStop": METER_START + len(told) * WH_APART,
            "timestamp": last,
            "transactionId": transaction,
        }
        text = json.dumps([2, "large", "StopTransaction", {"transactionData": told} | stop])
        # before it is measured: the others are threads of this process
        whole = client_frame(TEXT, text.encode())
        time.sleep(SETTLE_SECONDS)
        before, longest[:] = server.peak_mib(), (0.0, 0.0)
        began, idle = time.perf_counter(), _elsewhere(server)
        charger.socket.sendall(whole)
        assert charger.receive() == [3, "large", {}]
        seconds = time.perf_counter() - began
        elsewhere = (_elsewhere(server) - idle) / seconds
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        ((stored,),) = connection.execute(
            "SELECT count(*) FROM meter_val WHERE tx_id = ?", (transaction,)
        ).fetchall()
        ((wh, confidence),) = connection.execute(
            "SELECT energy_delivered, confidence FROM tx"
        ).fetchall()
    is_certain = confidence == "certain" and wh == len(told) * WH_APART
    grown = server.peak_mib() - before
    return Line(
        megabytes,
        3 * len(told),
        stored,
        seconds,
        wh,
        is_certain,
        (longest[0], longest[1]),
        grown,
        elsewhere,
    )


def _elsewhere(server: Server) -> float:
    """CPU seconds that neither the server nor this process has used."""
    return machine_cpu_seconds() - server.cpu().total - time.process_time()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table; the exit status is 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--megabytes", type=float, nargs="+", default=MEGABYTES, help="of transactionData"
    )
    chosen = parser.parse_args(arguments)
    lines: list[Line] = []
    with tempfile.TemporaryDirectory() as name:
        for number, megabytes in enumerate(chosen.megabytes):
            database = Path(name) / f"large-{number}.db"
            session = begin(database, megabytes)
            with running("serve", 3, Path(name), database=database) as server:
                lines.append(measure(server, database, megabytes, session))
    print(table(HEAD, [line.cells() for line in lines]))
    statuses = ", ".join(
        f"{limit:g} ms at {megabytes:g} MB" for megabytes, limit in STATUS_MS.items()
    )
    print(f"\nMust reach: a Heartbeat waits <= {HEARTBEAT_MS:g} ms, a status <= {statuses},")
    print(f"memory <= {MOST_MIB:g} MiB more, all readings, certain.")
    return 0 if all(line.is_met for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
