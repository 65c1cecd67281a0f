"""What `levity-trio serve` must reach, held against what was measured."""

from __future__ import annotations

import statistics
from typing import NamedTuple

from .plan import Results, Row
from .process import Kind
from .runs import Run, Storm

CHARGERS = 20
CPU_RATIOS: dict[Kind, float] = {"serve": 2.5, "metrics": 3.0, "audit": 3.5}
MEMORIES_MB: dict[Kind, float] = {"serve": 50, "metrics": 60, "audit": 60}
WITH: dict[Kind, str] = {
    "serve": "",
    "metrics": ", with metrics",
    "audit": ", with metrics and audit",
}
DURABLE_RATIO = 2.0
"""CPU of a durable call against one of the durable echo."""
CPU_US, ECHO_US = 130, 53
P99_MS = 10
CONNECTION_KB = 40
POSTGRESQL_RATIOS = {20: 1.8, 2000: 1.5}
"""CPU per call on PostgreSQL against SQLite, by number of chargers."""
STORM_SECONDS = 1.5  # "about 1 s"


class Target(NamedTuple):
    """One line of the table."""

    what: str
    at_least: str
    measured: str
    reached: bool


def targets(results: Results) -> list[Target]:
    """Those that these results can tell about: nothing without serve, no ratio without the echo."""
    found: list[Target] = []
    for number, row in enumerate(results.rows):
        if row.chargers == CHARGERS:
            for kind in (kind for kind in CPU_RATIOS if kind in row.runs):
                found += [*_beside_the_echo(row, kind), *_by_itself(row.runs[kind])]
        if row.chargers in POSTGRESQL_RATIOS and {"serve", "postgresql"} <= row.runs.keys():
            found.append(_on_postgresql(row))
        if number and row.chargers > CHARGERS and "serve" in row.runs:
            found.append(_slope(results, number))
    if storm := results.storms.get("serve"):
        found.append(_storm(storm))
    return found


def _on_postgresql(row: Row) -> Target:
    sqlite, other = (row.runs[kind].mixed.cpu_us_per_call for kind in ("serve", "postgresql"))
    ratio, limit = other / sqlite, POSTGRESQL_RATIOS[row.chargers]
    what = f"CPU per call of {row.chargers:,} on PostgreSQL against SQLite"
    return Target(
        what, f"<= {limit} x", f"{ratio:.2f} x ({other:.0f} beside {sqlite:.0f} us)", ratio <= limit
    )


def _beside_the_echo(row: Row, kind: Kind) -> list[Target]:
    ratios = row.ratios.get(kind, [])
    if not ratios:
        return []
    against = _ratio(f"CPU per call against the echo{WITH[kind]}", CPU_RATIOS[kind], ratios)
    if kind != "serve":
        return [against]
    durable = _ratio(
        "CPU per durable call against the durable echo", DURABLE_RATIO, row.durable_ratios[kind]
    )
    return [against, durable, _scaled(row, statistics.median(ratios))]


def _ratio(what: str, limit: float, ratios: list[float]) -> Target:
    ratio = statistics.median(ratios)
    rounds = f"{ratio:.2f} x ({min(ratios):.2f} to {max(ratios):.2f} in {len(ratios)} rounds)"
    return Target(what, f"<= {limit} x", rounds, ratio <= limit)


def _scaled(row: Row, ratio: float) -> Target:
    scaled = ratio * ECHO_US
    serve, echo = (row.runs[kind].mixed.cpu_us_per_call for kind in ("serve", "echo"))
    measured = f"{scaled:.0f} us so scaled ({serve:.0f} beside {echo:.0f})"
    return Target(
        "CPU per call", f"<= {CPU_US} us beside an echo of {ECHO_US}", measured, scaled <= CPU_US
    )


def _by_itself(run: Run) -> list[Target]:
    faults, memory, limit = run.faults.total, run.loaded_mib, MEMORIES_MB[run.kind]
    p99_ms = max(run.mixed.p99_ms, run.plain.p99_ms)
    start = f"{CHARGERS} chargers starting at once{WITH[run.kind]}"
    return [
        Target(start, "every call answered, no CALLERROR", f"{faults} faults", not faults),
        Target(
            f"p99 of answers, all durable{WITH[run.kind]}",
            f"< {P99_MS} ms",
            f"{p99_ms:.1f} ms",
            p99_ms < P99_MS,
        ),
        Target(
            f"memory, {CHARGERS} chargers{WITH[run.kind]}",
            f"<= {limit} MB",
            f"{memory:.1f} MB",
            memory <= limit,
        ),
    ]


def _slope(results: Results, number: int) -> Target:
    slope = results.kib_per_connection("serve", number)
    what = (
        f"memory, each connection from {results.rows[number - 1].chargers} to "
        f"{results.rows[number].chargers}"
    )
    return Target(what, f"<= {CONNECTION_KB} KB", f"{slope:.1f} KB", slope <= CONNECTION_KB)


def _storm(storm: Storm) -> Target:
    whole = storm.accepted == storm.answered == storm.chargers and not storm.faults.total
    return Target(
        f"{storm.chargers} chargers reconnecting and booting at once",
        "all accepted, none lost, about 1 s",
        f"{storm.accepted} accepted, {storm.answered} answered, {storm.again_seconds:.2f} s",
        whole and storm.again_seconds <= STORM_SECONDS,
    )
