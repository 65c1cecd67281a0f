"""The bench: `levity-trio serve` beside a bare echo and a durable one, with 1, 20, 200 and 2,000
chargers.

Everything runs on 127.0.0.1 and ends by itself. Progress goes to stderr, the result to stdout.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from .machine import Machine, describe
from .plan import Plan, Results
from .process import BenchError, Kind
from .profiler import Profiler
from .report import report
from .targets import targets

KINDS: tuple[Kind, ...] = ("echo", "durable", "serve")
WATCHED: tuple[Kind, ...] = (*KINDS, "metrics", "audit")
"""With --watched: what metrics and audit cost, too."""
STORES: tuple[Kind, ...] = (*KINDS, "postgresql")
"""With --postgresql: the same on a PostgreSQL server of the bench's own, over a Unix socket."""
CHARGERS = (1, 20, 200, 2000)
COMPARED_CHARGERS = (20, 2000)
STORM_CHARGERS = 1000
PROFILED_CHARGERS = (20,)
SECONDS, QUICK_SECONDS = 6.0, 1.5
ROUNDS, QUICK_ROUNDS = 3, 1


def main() -> int:
    """Run what the command line says; the exit status is 1 if something could not be measured."""
    arguments = _parser().parse_args()
    plan = _plan(arguments)
    _raise_open_files()
    gc.disable()  # the generator makes no cycles, and must not pause
    with tempfile.TemporaryDirectory(prefix="levity-bench-", dir=arguments.directory) as directory:
        try:
            print("\n\n".join(_measured(plan, arguments, Path(directory))))
        except BenchError as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.benchmarks", description=__doc__)
    add = parser.add_argument
    add(
        "--chargers",
        type=int,
        nargs="+",
        metavar="N",
        help="only these rows, e.g. 20; then no storm",
    )
    add("--storm", type=int, metavar="N", help="N chargers at once; without --chargers only this")
    add("--only", choices=WATCHED, help="one of the servers; then no ratio")
    add(
        "--watched",
        action="store_true",
        help="serve with metrics, and with the audit, too; of 20 unless told",
    )
    add(
        "--postgresql",
        action="store_true",
        help="serve on PostgreSQL, too; of 20 and 2,000 unless told",
    )
    add("--seconds", type=float, help=f"steady phase of each run; {SECONDS:g} unless told")
    add("--rounds", type=int, help=f"how often each server runs for a row; {ROUNDS} unless told")
    add("--quick", action="store_true", help=f"{QUICK_SECONDS:g} s and one round: a rough look")
    add(
        "--profile",
        action="store_true",
        help="py-spy on the steady phase; of serve with 20 unless told",
    )
    add("--json", action="store_true", help="JSON instead of tables")
    add(
        "--directory",
        help="where the databases go; its disk counts (default: the system's temporary one)",
    )
    return parser


def _plan(arguments: argparse.Namespace) -> Plan:
    brief = arguments.quick or arguments.profile
    only: Kind | None = arguments.only or ("serve" if arguments.profile else None)
    return Plan(
        kinds=(only,)
        if only
        else WATCHED
        if arguments.watched
        else STORES
        if arguments.postgresql
        else KINDS,
        chargers=_rows(arguments),
        storm_chargers=_storm_chargers(arguments),
        seconds=arguments.seconds or (QUICK_SECONDS if arguments.quick else SECONDS),
        rounds=arguments.rounds or (QUICK_ROUNDS if brief else ROUNDS),
    )


def _rows(arguments: argparse.Namespace) -> tuple[int, ...]:
    if arguments.chargers:
        return tuple(sorted(set(arguments.chargers)))
    if arguments.profile or arguments.watched:
        return PROFILED_CHARGERS
    if arguments.postgresql:
        return COMPARED_CHARGERS
    return () if arguments.storm else CHARGERS


def _storm_chargers(arguments: argparse.Namespace) -> int:
    if arguments.storm:
        return int(arguments.storm)
    is_one_load = (
        arguments.chargers or arguments.profile or arguments.watched or arguments.postgresql
    )
    return 0 if is_one_load else STORM_CHARGERS


def _raise_open_files() -> None:
    """A socket a charger, here and in the server, which inherits the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _measured(plan: Plan, arguments: argparse.Namespace, directory: Path) -> Iterator[str]:
    """The parts of the output."""
    profiler = Profiler.of(plan.seconds) if arguments.profile else None
    machine = describe(directory)
    results = plan.execute(directory, profiler.attach if profiler else None)
    yield _json(machine, results) if arguments.json else report(machine, results)
    if profiler:
        yield profiler.report()


def _json(machine: Machine, results: Results) -> str:
    everything = {
        "machine": asdict(machine),
        **asdict(results),
        "targets": [target._asdict() for target in targets(results)],
    }
    return json.dumps(everything, indent=2)


if __name__ == "__main__":
    sys.exit(main())
