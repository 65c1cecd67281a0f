"""The results as tables for people."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import pairwise

from .machine import Machine
from .plan import Results, Row
from .process import Kind
from .runs import Faults, Run
from .targets import targets

NOTES = """\
Closed loop: each charger sends its next call as soon as it has the answer; p50 is about chargers / (calls/s).
us/call: user + system time of the server process over the steady phase, without start and ramp; of that
"system". no HB: the same without the Heartbeats (one call in ten). x echo: the median of the rounds' ratios;
x durable: the same against the echo that stores each frame before it answers.
start/stop: of a start or a stop, on average, from transactions of three readings one after the other.
core: the share of one core that the server used. RSS 0: memory after the start; RSS: with all talking at
once; KB/conn: what each charger more than in the row before takes (first row: than none), in a transaction, waiting.
The load generator runs on the same machine: gen core is its share of one, gen us its cost per call. Where
that nears 100 %, or server and generator together want all cores, p99 is the generator's as well. others:
what else ran here, as a share of a core; more than a few per cent, and the run should be repeated."""  # noqa: E501

STEADY_HEAD = (
    *(
        "server",
        "chargers",
        "us/call",
        "x echo",
        "system",
        "no HB",
        "x echo",
        "x durable",
        "start/stop",
        "calls/s",
    ),
    *(
        "p50 ms",
        "p99 ms",
        "core",
        "RSS 0 MB",
        "RSS MB",
        "KB/conn",
        "gen core",
        "gen us",
        "others",
        "faults",
    ),
)
GROWTH_HEAD = ("growth", "from", "to", "us/call", "no HB", "calls/s", "p50", "p99", "RSS")
STORM_HEAD = (
    *("at once", "chargers", "accepted", "answered", "new: s", "known: s"),
    *("p99 of boot ms", "CPU ms/charger", "faults"),
)
TARGET_HEAD = ("must reach", "at least", "measured", "")


def report(machine: Machine, results: Results) -> str:
    """Everything, as text."""
    parts = [machine.line()]
    if results.rows:
        parts += [_steady_table(results), NOTES]
    if len(results.rows) > 1:
        parts.append(_growth_table(results))
    if results.storms:
        parts.append(_storm_table(results))
    if reached := targets(results):
        lines = [[*target[:-1], "ok" if target.reached else "SHORT"] for target in reached]
        parts.append(table(TARGET_HEAD, lines, left=len(TARGET_HEAD)))
    return "\n\n".join([*parts, *_fault_lines(results)])


def table(head: Sequence[str], lines: Sequence[Sequence[str]], left: int = 1) -> str:
    """Columns as wide as their widest cell; the first `left` of them left-aligned, the others
    right."""
    widths = [max(len(line[column]) for line in (head, *lines)) for column in range(len(head))]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in (head, rule, *lines)
    )


def _steady_table(results: Results) -> str:
    lines = [
        _steady_line(row, run, results.kib_per_connection(run.kind, number))
        for number, row in enumerate(results.rows)
        for run in row.runs.values()
    ]
    return table(STEADY_HEAD, lines)


def _steady_line(row: Row, run: Run, kib_per_connection: float) -> list[str]:
    mixed = run.mixed
    return [
        run.kind,
        str(run.chargers),
        f"{mixed.cpu_us_per_call:.1f}",
        _median_times(row.ratios.get(run.kind, [])),
        f"{mixed.system_us_per_call:.1f}",
        f"{run.plain.cpu_us_per_call:.1f}",
        _median_times(row.plain_ratios.get(run.kind, [])),
        _median_times(row.durable_ratios.get(run.kind, [])),
        f"{run.start_stop_us:.1f}",
        f"{mixed.calls_per_second:.0f}",
        f"{mixed.p50_ms:.2f}",
        f"{mixed.p99_ms:.2f}",
        f"{mixed.server_core_share:.0%}",
        f"{run.idle_mib:.1f}",
        f"{run.loaded_mib:.1f}",
        f"{kib_per_connection:.1f}",
        f"{mixed.generator_core_share:.0%}",
        f"{mixed.generator_us_per_call:.1f}",
        f"{mixed.others_core_share:.0%}",
        str(run.faults.total),
    ]


def _growth_table(results: Results) -> str:
    """From each number of chargers to the next: by how much each figure is multiplied."""
    lines = [
        [kind, str(less.chargers), str(more.chargers), *_growth(less.runs[kind], more.runs[kind])]
        for kind in results.rows[0].runs
        for less, more in pairwise(results.rows)
    ]
    return table(GROWTH_HEAD, lines)


def _growth(less: Run, more: Run) -> list[str]:
    return [
        _times(after / before) for before, after in zip(_growing(less), _growing(more), strict=True)
    ]


def _growing(run: Run) -> tuple[float, ...]:
    mixed, plain_cpu = run.mixed, run.plain.cpu_us_per_call
    return (
        *(mixed.cpu_us_per_call, plain_cpu, mixed.calls_per_second, mixed.p50_ms, mixed.p99_ms),
        run.loaded_mib,
    )


def _storm_table(results: Results) -> str:
    lines = [
        [
            kind,
            str(storm.chargers),
            str(storm.accepted),
            str(storm.answered),
            f"{storm.first_seconds:.2f}",
            f"{storm.again_seconds:.2f}",
            f"{storm.again_p99_ms:.1f}",
            f"{storm.cpu_ms_per_charger:.2f}",
            str(storm.faults.total),
        ]
        for kind, storm in results.storms.items()
    ]
    return table(STORM_HEAD, lines)


def _fault_lines(results: Results) -> list[str]:
    runs = [run for row in results.rows for run in row.runs.values()]
    return [
        *(
            _told(run.kind, f"{run.chargers} chargers", run.faults)
            for run in runs
            if run.faults.total
        ),
        *(
            _told(storm.kind, f"{storm.chargers} at once", storm.faults)
            for storm in results.storms.values()
            if storm.faults.total
        ),
    ]


def _told(kind: Kind, load: str, faults: Faults) -> str:
    counts = ", ".join(f"{count} x {fault}" for fault, count in faults.counts.items())
    return "\n  ".join([f"FAULTS, {kind}, {load}: {counts}", *faults.samples])


def _median_times(factors: list[float]) -> str:
    return _times(statistics.median(factors)) if factors else ""


def _times(factor: float) -> str:
    return f"{factor:.2f}"
