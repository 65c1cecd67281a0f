"""Several servers on one database of PostgreSQL: what they cost, and what chargers see when one of
them ends.

python -m tests.tools.benchmarks.servers (or `just bench-servers`), or only some parts: cost, kill,
outage, upgrade. PostgreSQL is the bench's own, over a Unix socket, with synchronous_commit on.
Chargers come through HAProxy, but in `cost`; where it is not installed they dial the servers in
turn. The exit status is 1 where something was lost, doubled or closed, or a goal is missed.
"""

from __future__ import annotations

import argparse
import gc
import re
import resource
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from tests import postgresql

from .cluster import NAMES
from .machine import describe
from .process import BenchError, Server
from .profiler import Profiler
from .report import table
from .servers_cost import Costs, Phase, Round, all_faults, compare_costs
from .servers_outage import Outage, Outages, end_database
from .servers_trials import Killed, Size, Trial, Upgraded, kill_one, upgrade

PARTS: Final = ("cost", "kill", "outage", "upgrade")
CHARGERS: Final = {"cost": 200, "kill": 3000, "outage": 3000, "upgrade": 3000}
EVERY: Final = {"kill": 10.0, "outage": 10.0, "upgrade": 10.0}
RATE, SECONDS, ROUNDS, JOINING = 200.0, 20.0, 3, 60.0
COST_TARGET, BACK_TARGET, RECOVERED_TARGET = 1.10, 15.0, 5.0
COMPLAINTS_SHOWN: Final = 10
_WHO: Final = re.compile(r" (cp|remote_address|request|server)=.*")
_NUMBER: Final = re.compile(r"\d+(\.\d+)?")
HEAD: Final = ("what", "measured", "goal", "")
COST_HEAD: Final = (
    *(
        "load",
        "servers",
        "calls/s",
        "servers us/call",
        "database us/call",
        "calls/batch",
        "p50 ms",
        "p99 ms",
        "gen core",
    ),
    *("others", "faults"),
)
LOADS: Final = ("same rate", "saturated")
COST_NOTES: Final = """\
us/call: user + system time of all servers, and of all processes of PostgreSQL, for a call; each call is a message of a
transaction, and durable. The medians of the rounds. The load generator runs on the same machine: gen core is its share
of a core, others what all else used; with few cores, saturation shows the machine rather than the servers."""  # noqa: E501


class Line(NamedTuple):
    """One line of a table. `is_missed`: the goal is."""

    what: str
    measured: str
    goal: str = ""
    is_missed: bool = False


@dataclass(frozen=True)
class Part:
    """What one part tells."""

    text: str
    is_missed: bool


def cost_part(costs: Costs) -> Part:
    """The tables of `cost`."""
    ratio = costs.ratio(_paced, _server_us)
    lines = [
        Line(
            "servers' CPU of a call, two to one",
            f"{ratio:.2f} x",
            f"<= {COST_TARGET} x",
            ratio > COST_TARGET,
        ),
        Line("  at the same rate for each server", f"{costs.ratio(_alike, _server_us):.2f} x"),
        Line("  at saturation", f"{costs.ratio(_saturated, _server_us):.2f} x"),
        Line("database's CPU of a call, two to one", f"{costs.ratio(_paced, _database_us):.2f} x"),
        Line(
            "throughput at saturation, two to one",
            f"{costs.ratio(_saturated, _calls_per_second):.2f} x",
        ),
    ]
    rows = [
        [name, str(servers), *_figures(costs.median(servers, phase)), str(all_faults(rounds))]
        for name, phase in zip(LOADS, (_paced, _saturated), strict=True)
        for servers, rounds in costs.rounds.items()
    ]
    faults = [str(one.faults) for rounds in costs.rounds.values() for one in rounds if one.faults]
    complaints = [
        line for rounds in costs.rounds.values() for one in rounds for line in one.complaints
    ]
    tables = [table(COST_HEAD, rows), COST_NOTES, _lines(lines)]
    text = "\n\n".join([*tables, *faults, *_complaints(complaints)])
    return Part(text, any(line.is_missed for line in lines) or bool(faults))


def _paced(one: Round) -> Phase:
    return one.paced


def _alike(one: Round) -> Phase:
    return one.alike


def _saturated(one: Round) -> Phase:
    return one.saturated


def _server_us(phase: Phase) -> float:
    return phase.server_us


def _database_us(phase: Phase) -> float:
    return phase.database_us


def _calls_per_second(phase: Phase) -> float:
    return phase.calls_per_second


def _figures(phase: Phase) -> list[str]:
    return [
        *(
            f"{phase.calls_per_second:.0f}",
            f"{phase.server_us:.0f}",
            f"{phase.database_us:.0f}",
            f"{phase.batch_calls:.1f}",
        ),
        *(
            f"{phase.p50_ms:.2f}",
            f"{phase.p99_ms:.2f}",
            f"{phase.generator_core:.0%}",
            f"{phase.others_core:.0%}",
        ),
    ]


def kill_part(killed: Killed) -> Part:
    """The table of `kill`."""
    slowest = killed.back[-1] if killed.back else 0.0
    middle = statistics.median(killed.back) if killed.back else 0.0
    return _part(
        killed.trial,
        [
            Line(
                "kill -9 of the server with the duties, of three: chargers that lost it",
                str(killed.victims),
            ),
            Line("until they were answered again, median", f"{middle:.1f} s"),
            Line("  the last", f"{slowest:.1f} s", f"< {BACK_TARGET:g} s", slowest >= BACK_TARGET),
            Line("until its lease was ended", f"{killed.lease_seconds:.1f} s"),
            *(
                Line(f"p99 of the others {when}", f"{value:.1f} ms")
                for when, value in killed.p99_ms.items()
            ),
        ],
    )


def outage_part(found: Outages) -> Part:
    """The table of `outage`."""
    lines = [line for outage in found.outages for line in _outage_lines(outage)]
    return _part(found.trial, [*lines, Line("commands meanwhile", _named(found.commanded, "{}"))])


def _outage_lines(outage: Outage) -> list[Line]:
    slowest, away = max(outage.recovered.values()), len(NAMES) - len(outage.serving)
    return [
        Line(f"database: {outage.what}", f"away for {outage.away_seconds:.1f} s"),
        Line(
            "  from its return to the first stored call",
            _named(outage.recovered, "{:.2f} s"),
            f"< {RECOVERED_TARGET:g} s",
            slowest >= RECOVERED_TARGET,
        ),
        _none("  servers that do not serve afterwards", away),
        Line("  chargers that lost their connection", str(outage.left)),
        Line("  from its return until the last of them was answered", f"{outage.last_back:.1f} s"),
    ]


def upgrade_part(upgraded: Upgraded) -> Part:
    """The table of `upgrade`."""
    slowest = upgraded.back[-1] if upgraded.back else 0.0
    steps = [
        Line(f"{what} of {name}", f"{seconds:.1f} s, status {status}", "status 0", bool(status))
        for what, all_of_them in (("drain", upgraded.drained), ("stop", upgraded.stopped))
        for name, (seconds, status) in all_of_them.items()
    ]
    return _part(
        upgraded.trial,
        [
            *steps,
            Line("moves of a charger to another server", str(upgraded.moves)),
            Line("until it was answered there, the last", f"{slowest:.1f} s"),
            Line("p99 of all answers", f"{upgraded.p99_ms:.1f} ms"),
            Line("commands meanwhile", _named(upgraded.commanded, "{}")),
        ],
    )


def _part(trial: Trial, own: Sequence[Line]) -> Part:
    kept = trial.kept
    way = "through HAProxy" if trial.is_proxied else "dialling the servers in turn"
    lines = [
        Line("chargers", f"{trial.chargers}, {way}"),
        *own,
        _none("chargers that did not come back", trial.left_away),
        _none(f"lost of {kept.answered} acknowledged messages", kept.lost),
        _none("doubled", kept.doubled),
        _none("transactions closed without a stop", kept.closed),
        _none("suspended", kept.suspended),
        _none(
            f"commands without an end ({_named(kept.commands, '{}') or 'none'})", kept.without_end
        ),
        _none("faults", sum(trial.faults.values())),
        Line("ends of connections, and vain attempts", _named(trial.endings, "{}") or "none"),
    ]
    notes = [*kept.samples, *trial.samples]
    text = "\n\n".join(
        [_lines(lines), *(["\n".join(notes)] if notes else []), *_complaints(trial.complaints)]
    )
    return Part(text, any(line.is_missed for line in lines))


def _none(what: str, count: int) -> Line:
    return Line(what, str(count), "0", count > 0)


def _lines(lines: Sequence[Line]) -> str:
    cells = [
        [line.what, line.measured, line.goal, "MISSED" if line.is_missed else ""] for line in lines
    ]
    return table(HEAD, cells, left=len(HEAD))


def _named(values: Mapping[str, float], form: str) -> str:
    return ", ".join(f"{name} {form.format(value)}" for name, value in values.items())


def _complaints(lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    kinds = Counter(
        _NUMBER.sub("N", _WHO.sub("", line.partition(" ")[2])).strip() for line in lines
    )
    shown = [f"{count} x {kind}" for kind, count in kinds.most_common(COMPLAINTS_SHOWN)]
    return ["\n  ".join([f"{len(lines)} lines of the servers' logs:", *shown])]


def _measured(chosen: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Part]]:
    """Each part as soon as it is measured."""
    trials: dict[str, Callable[[postgresql.Server, Path, Size], Part]] = {
        "kill": lambda *scene: kill_part(kill_one(*scene)),
        "outage": lambda *scene: outage_part(end_database(*scene)),
        "upgrade": lambda *scene: upgrade_part(upgrade(*scene)),
    }
    profiler = Profiler.of(chosen.seconds) if chosen.profile else None
    steady: Callable[[Server], None] | None = profiler.attach if profiler else None
    with postgresql.running(chosen.directory) as site:
        for name in chosen.parts or PARTS:
            chargers = chosen.chargers or CHARGERS[name]
            print(f"{name}, {chargers} chargers", file=sys.stderr, flush=True)
            if name == "cost":
                costs = compare_costs(
                    site, folder, chargers, chosen.rate, chosen.seconds, chosen.rounds, steady
                )
                yield name, cost_part(costs)
            else:
                size = Size(chargers, chosen.every or EVERY[name], chosen.seconds, chosen.joining)
                yield name, trials[name](site, folder / name, size)
        if profiler:
            yield "profile", Part(profiler.report(), is_missed=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.tools.benchmarks.servers", description=__doc__
    )
    add = parser.add_argument
    add(
        "parts",
        nargs="*",
        choices=(*PARTS, []),
        metavar="PART",
        help=f"of {', '.join(PARTS)}; all unless told",
    )
    add("--chargers", type=int, metavar="N", help=f"in each part; {CHARGERS} unless told")
    add(
        "--every",
        type=float,
        metavar="SECONDS",
        help=f"between two calls of a charger; {EVERY} unless told",
    )
    add(
        "--joining",
        type=float,
        default=JOINING,
        help=f"chargers a second, the first time; {JOINING:g} unless told",
    )
    add(
        "--rate",
        type=float,
        default=RATE,
        help=f"of cost: calls a second of all chargers; {RATE:g} unless told",
    )
    add(
        "--seconds",
        type=float,
        default=SECONDS,
        help=f"of each phase, and of a drain; {SECONDS:g} unless told",
    )
    add("--rounds", type=int, default=ROUNDS, help=f"of cost; {ROUNDS} unless told")
    add("--profile", action="store_true", help="of cost: py-spy on the servers")
    add(
        "--directory",
        type=Path,
        help="where PostgreSQL's data go; in memory, if there is room, unless told",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Measure, print tables; the exit status is 1 where a goal is missed, or something could not be
    measured."""
    chosen = _parser().parse_args(arguments)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # a socket a charger, here and in the servers
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.disable()  # the generator makes no cycles, and must not pause
    is_missed = False
    with tempfile.TemporaryDirectory(prefix="levity-bench-") as name:
        print(describe(Path(name)).line())
        try:
            for title, part in _measured(chosen, Path(name)):
                print(f"\n{title}\n\n{part.text}", flush=True)
                is_missed = is_missed or part.is_missed
        except BenchError as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
    return int(is_missed)


if __name__ == "__main__":
    sys.exit(main())
