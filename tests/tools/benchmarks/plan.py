"""The order of the runs, and what is made of them.

The servers take turns, in the other order every other round (echo, durable, serve, serve, durable,
echo, …), so that a machine whose mood changes changes it for all. The ratio is the median of the
rounds' ratios, not one of medians.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .process import BARE, Kind, Server
from .runs import Run, Storm, measure, median_run, storm

KIB_PER_MIB = 1024


@dataclass(frozen=True)
class Row:
    """One number of chargers: the medians of its rounds, by kind of server."""

    chargers: int
    runs: dict[Kind, Run]
    ratios: dict[Kind, list[float]]
    """CPU per call of each server over the echo's, one a round, one call in ten a Heartbeat; empty
    without the echo."""
    plain_ratios: dict[Kind, list[float]]
    """The same without Heartbeats."""
    durable_ratios: dict[Kind, list[float]]
    """The same over the durable echo's: every call without Heartbeats is durable at the server,
    too."""


@dataclass(frozen=True)
class Results:
    """All that was measured."""

    rows: list[Row] = field(default_factory=list)
    storms: dict[Kind, Storm] = field(default_factory=dict)

    def kib_per_connection(self, kind: Kind, number: int) -> float:
        """Memory of each waiting charger that row `number` has more than the row before (the first:
        than none)."""
        run = self.rows[number].runs[kind]
        if number == 0:
            return (run.waiting_mib - run.idle_mib) * KIB_PER_MIB / run.chargers
        before = self.rows[number - 1].runs[kind]
        return (
            (run.waiting_mib - before.waiting_mib) * KIB_PER_MIB / (run.chargers - before.chargers)
        )


@dataclass(frozen=True)
class Plan:
    """What to run."""

    kinds: tuple[Kind, ...]
    chargers: tuple[int, ...]
    storm_chargers: int
    seconds: float
    rounds: int

    def execute(self, directory: Path, steady: Callable[[Server], None] | None = None) -> Results:
        """Run all, telling on stderr how far it is."""
        rows = [self._row(chargers, directory, steady) for chargers in self.chargers]
        storms: dict[Kind, Storm] = {}
        for kind in self.kinds if self.storm_chargers else ():
            _progress(f"{self.storm_chargers} chargers at once, {kind}")
            storms[kind] = storm(kind, self.storm_chargers, directory)
        return Results(rows, storms)

    def _row(self, chargers: int, directory: Path, steady: Callable[[Server], None] | None) -> Row:
        rounds: list[dict[Kind, Run]] = []
        for number, kinds in enumerate(self._turns()):
            rounds.append({})
            for kind in kinds:
                _progress(f"{chargers} chargers, round {number + 1} of {self.rounds}, {kind}")
                rounds[-1][kind] = measure(kind, chargers, self.seconds, directory, steady)
        return Row(
            chargers,
            {kind: median_run([runs[kind] for runs in rounds]) for kind in self.kinds},
            _ratios(rounds, "echo", lambda run: run.mixed.cpu_us_per_call),
            _ratios(rounds, "echo", lambda run: run.plain.cpu_us_per_call),
            _ratios(rounds, "durable", lambda run: run.plain.cpu_us_per_call),
        )

    def _turns(self) -> Iterator[tuple[Kind, ...]]:
        for number in range(self.rounds):
            yield self.kinds if number % 2 == 0 else self.kinds[::-1]


def _ratios(
    rounds: list[dict[Kind, Run]], base: Kind, figure: Callable[[Run], float]
) -> dict[Kind, list[float]]:
    ratios: dict[Kind, list[float]] = {}
    for runs in rounds:
        for kind, run in runs.items():
            if base in runs and kind not in BARE:
                ratios.setdefault(kind, []).append(figure(run) / figure(runs[base]))
    return ratios


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
