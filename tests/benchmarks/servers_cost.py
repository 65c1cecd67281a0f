"""What a call costs with two servers on one database, beside one: at the same rate, and at saturation."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from tests import postgresql
from tests.integration.fleet import accounts

from .cluster import NAMES, Cluster, cluster
from .paced import PacedFleet, milliseconds
from .process import BenchError, Server, machine_cpu_seconds

DIAL_SECONDS: Final = 1.0
WARM_UP_SECONDS: Final = 2.0
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
        return Phase(*(statistics.median(getattr(one, field.name) for one in phases) for field in fields(Phase)))

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
    found: dict[int, list[Round]] = {kind: [] for kind in KINDS}
    for number in range(rounds):
        for kind in KINDS if number % 2 == 0 else KINDS[::-1]:
            with cluster(site, folder / f"cost-{number}-{kind}", NAMES[:kind], chargers) as servers:
                found[kind].append(_round(servers, chargers, rate, seconds, steady))
    return Costs(found)


def _round(
    servers: Cluster, chargers: int, rate: float, seconds: float, steady: Callable[[Server], None] | None
) -> Round:
    with PacedFleet(servers.ports, accounts(chargers, "COST"), chargers / rate, DIAL_SECONDS) as fleet:
        fleet.join(1)
        fleet.run(fleet.every + min(WARM_UP_SECONDS, seconds))
        for member in servers.members if steady else ():
            assert steady
            steady(member.server)
        paced = _phase(servers, fleet, seconds)
        pause, fleet.every = fleet.every, 0
        fleet.run(pause + min(WARM_UP_SECONDS, seconds))
        saturated = _phase(servers, fleet, seconds)
        complaints = [line for member in servers.members for line in member.complaints()]
        return Round(paced, saturated, dict(fleet.faults + fleet.endings), complaints)


def _phase(servers: Cluster, fleet: PacedFleet, seconds: float) -> Phase:
    fleet.forget()
    before = list(_clocks(servers))
    fleet.run(seconds)
    elapsed, machine, generator, server, database, batches = (
        after - since for after, since in zip(_clocks(servers), before, strict=True)
    )
    calls = len(fleet.answers)
    if not calls:
        raise BenchError(f"no answer in {seconds} s: {fleet.samples}")
    return Phase(
        calls=calls,
        calls_per_second=calls / elapsed,
        server_us=server / calls * _MICROSECONDS,
        database_us=database / calls * _MICROSECONDS,
        batch_calls=calls / max(1, batches),
        p50_ms=milliseconds(iter(fleet.answers), 0.5),
        p99_ms=milliseconds(iter(fleet.answers), 0.99),
        generator_core=generator / elapsed,
        others_core=max(0.0, machine - generator - server - database) / elapsed,
    )


def _clocks(servers: Cluster) -> Iterator[float]:
    yield time.perf_counter()
    yield machine_cpu_seconds()
    yield time.process_time()
    yield servers.cpu_seconds()
    yield servers.database_seconds()
    yield servers.batches()


def all_faults(rounds: Sequence[Round]) -> int:
    """Return how many things went wrong."""
    return sum(sum(one.faults.values()) for one in rounds)
