"""What a call costs with two servers on one database, beside one: at the same rate, at the same
rate for each server, and at saturation.

Both stand side by side and are measured in turns of some seconds, because a machine is not equally
fast for minutes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final, Self

from tests import postgresql
from tests.integration.fleet import accounts

from .cluster import NAMES, Cluster, cluster
from .paced import PacedFleet, milliseconds
from .process import BenchError, Server, machine_cpu_seconds

DIAL_SECONDS: Final = 1.0
WAIT_SECONDS: Final = 30.0
WARM_UP_SECONDS: Final = 1.0
"""At most; a short phase has a shorter one."""
KINDS: Final = (1, 2)
"""How many servers."""
_MICROSECONDS: Final = 1e6


@dataclass(frozen=True)
class Phase:
    """A stretch of load. Each call is an answered message of a transaction, and durable."""

    calls: float
    calls_per_second: float
    server_us: float
    """User and system time of all servers, for a call."""
    database_us: float
    """The same of all processes of PostgreSQL."""
    batch_calls: float
    """How many calls a batch has, the batches that only learn what others stored included."""
    p50_ms: float
    p99_ms: float
    generator_core: float
    others_core: float
    """What all else on this machine used, as a share of a core."""


@dataclass(frozen=True)
class Round:
    """One measurement with one number of servers."""

    paced: Phase
    alike: Phase
    """Each server has as many calls as the one alone."""
    saturated: Phase
    faults: dict[str, int]
    complaints: list[str]


@dataclass(frozen=True)
class Costs:
    """All rounds, by the number of servers."""

    rounds: dict[int, list[Round]]

    def median(self, servers: int, phase: Callable[[Round], Phase]) -> Phase:
        """Return the median of each figure by itself."""
        phases = [phase(one) for one in self.rounds[servers]]
        return Phase(
            *(
                statistics.median(getattr(one, field.name) for one in phases)
                for field in fields(Phase)
            )
        )

    def ratio(self, phase: Callable[[Round], Phase], figure: Callable[[Phase], float]) -> float:
        """Return the median of the rounds' ratios of two servers to one."""
        pairs = zip(self.rounds[1], self.rounds[2], strict=True)
        return statistics.median(figure(phase(two)) / figure(phase(one)) for one, two in pairs)


def compare_costs(
    site: postgresql.Server,
    folder: Path,
    chargers: int,
    rate: float,
    seconds: float,
    rounds: int,
    steady: Callable[[Server], None] | None = None,
) -> Costs:
    """Measure one server and two in turn, in the other order every other round."""
    every = chargers / rate
    with ExitStack() as opened:
        sides = [
            _Side(opened, site, folder / f"cost-{kind}", kind, chargers, every) for kind in KINDS
        ]
        for side in sides:
            side.begin(steady)
        pauses = ([every] * 2, [every / kind for kind in KINDS], [0.0] * 2)
        loads = [_in_turns(sides, of_sides, seconds, rounds) for of_sides in pauses]
        found = {
            side.kind: side.rounds([load[number] for load in loads])
            for number, side in enumerate(sides)
        }
    return Costs(found)


class _Side:
    """So many servers, with chargers of their own."""

    def __init__(
        self,
        opened: ExitStack,
        site: postgresql.Server,
        folder: Path,
        kind: int,
        chargers: int,
        every: float,
    ) -> None:
        self.kind = kind
        self._servers = opened.enter_context(cluster(site, folder, NAMES[:kind], chargers))
        fleet = PacedFleet(
            self._servers.ports, accounts(chargers, f"COST{kind}"), every, DIAL_SECONDS
        )
        self._fleet = opened.enter_context(fleet)
        self._left_at = 0.0

    def begin(self, steady: Callable[[Server], None] | None) -> None:
        """Connect the chargers."""
        self._fleet.join(1)
        self._left_at = time.perf_counter()
        if steady is not None:
            for member in self._servers.members:
                steady(member.server)

    def measure(self, every: float, seconds: float) -> Phase:
        """Let each charger call so often."""
        self._fleet.every = every
        self._fleet.skip(time.perf_counter() - self._left_at)
        self._fleet.run(min(WARM_UP_SECONDS, seconds))
        phase = _phase(self._servers, self._fleet, seconds)
        self._left_at = time.perf_counter()
        return phase

    def rounds(self, loads: Sequence[Sequence[Phase]]) -> list[Round]:
        """Return what was measured, by round; faults and complaints of all rounds are with the
        first."""
        faults = dict(self._fleet.faults + self._fleet.endings)
        complaints = [line for member in self._servers.members for line in member.complaints()]
        paced, alike, saturated = loads
        first, *others = [
            Round(*phases, {}, []) for phases in zip(paced, alike, saturated, strict=True)
        ]
        return [replace(first, faults=faults, complaints=complaints), *others]


def _in_turns(
    sides: Sequence[_Side], pauses: Sequence[float], seconds: float, rounds: int
) -> list[list[Phase]]:
    """Measure all sides with these pauses between two calls of a charger; return the phases of each
    side."""
    found: list[list[Phase]] = [[] for _ in sides]
    for number in range(rounds):
        turns = list(zip(sides, pauses, found, strict=True))
        for side, every, phases in turns if number % 2 == 0 else turns[::-1]:
            phases.append(side.measure(every, seconds))
    return found


def _phase(servers: Cluster, fleet: PacedFleet, seconds: float) -> Phase:
    fleet.forget()
    before = _Counts.of(servers)
    fleet.run(seconds)
    # a short phase on a busy machine waits for its first one
    fleet.run(WAIT_SECONDS, lambda: bool(fleet.answers))
    calls, used = len(fleet.answers), _Counts.of(servers) - before
    if not calls:
        raise BenchError(f"no answer in {seconds} s: {fleet.samples}")
    return Phase(
        calls=calls,
        calls_per_second=calls / used.seconds,
        server_us=used.server / calls * _MICROSECONDS,
        database_us=used.database / calls * _MICROSECONDS,
        batch_calls=calls / max(1, used.batches),
        p50_ms=milliseconds(iter(fleet.answers), 0.5),
        p99_ms=milliseconds(iter(fleet.answers), 0.99),
        generator_core=used.generator / used.seconds,
        others_core=max(0.0, used.machine - used.generator - used.server - used.database)
        / used.seconds,
    )


@dataclass(frozen=True)
class _Counts:
    """What has been used so far."""

    seconds: float
    machine: float
    generator: float
    server: float
    database: float
    batches: float

    @classmethod
    def of(cls, servers: Cluster) -> Self:
        times = (time.perf_counter(), machine_cpu_seconds(), time.process_time())
        used = (servers.cpu_seconds(), servers.database_seconds(), servers.batches())
        return cls(*times, *used)

    def __sub__(self, before: Self) -> Self:
        return type(self)(
            *(getattr(self, one.name) - getattr(before, one.name) for one in fields(self))
        )


def all_faults(rounds: Sequence[Round]) -> int:
    """Return how many things went wrong."""
    return sum(sum(one.faults.values()) for one in rounds)
