"""One run of the load against one server, and the numbers it gives.

Each run has a server process and a database of its own, so that memory and CPU belong to it alone.
CPU is counted over the steady phase only: when every charger has started its transaction and the
warm-up is over.
"""

from __future__ import annotations

import statistics
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path

from .conversation import READINGS_OF_SHORT, Conductor, ReadingTimes, boot_only, charge
from .load import Load
from .process import BARE, BenchError, CpuSeconds, Kind, Server, machine_cpu_seconds, running

RAMP_SECONDS = 60
WARM_UP_SECONDS = 1.0  # at most; a short phase has a shorter one
DRAIN_SECONDS = 20
STORM_SECONDS = 60
# for the first answers of a phase: a commit on a shared disk may take longer than a short one
PATIENCE_SECONDS = 20
PAUSE_SECONDS = 1.0  # between a power cut and the return of all
MICROSECONDS = 1e6
MILLISECONDS = 1e3


@dataclass(frozen=True)
class Phase:
    """A stretch of steady load."""

    calls: int
    calls_per_second: float
    cpu_us_per_call: float
    """User and system time of the server process."""
    system_us_per_call: float
    server_core_share: float
    p50_ms: float
    p99_ms: float
    generator_us_per_call: float
    generator_core_share: float
    others_core_share: float
    """What all else on this machine used: above a few hundredths the figures are disturbed."""


@dataclass(frozen=True)
class Faults:
    """What a faultless server leaves empty."""

    counts: dict[str, int] = field(default_factory=dict)
    samples: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many, of any kind."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class Run:
    """One server, one number of chargers."""

    kind: Kind
    chargers: int
    ramp_seconds: float
    """From the first connect until every charger has started its transaction."""
    idle_mib: float
    waiting_mib: float
    """With every charger connected, in a transaction, and silent."""
    loaded_mib: float
    mixed: Phase
    """One call in ten is a Heartbeat."""
    plain: Phase
    """MeterValues only."""
    short: Phase
    """Transactions of three readings: two calls in five are a start or a stop."""
    faults: Faults

    @property
    def start_stop_us(self) -> float:
        """CPU of a start or a stop, on average: what a call of short transactions takes more than a
        reading."""
        calls = READINGS_OF_SHORT + 2
        return (
            calls * self.short.cpu_us_per_call - READINGS_OF_SHORT * self.plain.cpu_us_per_call
        ) / 2


@dataclass(frozen=True)
class Storm:
    """All chargers connect and boot at once: strangers first, then, after a cut, the same again."""

    kind: Kind
    chargers: int
    accepted: int
    answered: int
    first_seconds: float
    again_seconds: float
    """From the first connect to the last answer, of known chargers."""
    again_p99_ms: float
    cpu_ms_per_charger: float
    faults: Faults


def measure(
    kind: Kind,
    chargers: int,
    seconds: float,
    directory: Path,
    steady: Callable[[Server], None] | None = None,
) -> Run:
    """Run that many chargers; `steady` is called when the steady phase begins (a profiler attaches
    there)."""
    conductor = Conductor(ReadingTimes())
    with running(kind, chargers, directory) as server, Load(server.port) as load:
        idle_mib = server.resident_mib()
        began = time.perf_counter()
        load.connect(
            (_identity(number), charge(_identity(number), number, conductor))
            for number in range(chargers)
        )
        load.run(RAMP_SECONDS, until=lambda: load.waiting == load.unfinished)
        ramp_seconds = time.perf_counter() - began
        if not load.waiting:
            raise BenchError(f"{kind}: no charger came as far as its transaction. {load.samples}")
        waiting_mib = server.resident_mib()
        load.release()
        load.run(min(WARM_UP_SECONDS, seconds / 2))
        if steady:
            steady(server)
        mixed = _phase(load, server, seconds)
        loaded_mib = server.resident_mib()
        conductor.heartbeat_every = None
        plain = _phase(load, server, seconds / 2)
        conductor.are_short = True
        load.run(min(WARM_UP_SECONDS, seconds / 2))
        short = _phase(load, server, seconds / 2)
        conductor.stopping = True
        load.run(DRAIN_SECONDS, until=lambda: not load.unfinished)
    faults = _faults(load, conductor if kind not in BARE else None)
    return Run(
        kind, chargers, ramp_seconds, idle_mib, waiting_mib, loaded_mib, mixed, plain, short, faults
    )


def storm(kind: Kind, chargers: int, directory: Path) -> Storm:
    """Let all connect and boot at once, twice, against one server."""
    with running(kind, chargers, directory) as server:
        first_seconds, first = _boot_all(server, chargers)
        time.sleep(PAUSE_SECONDS)
        before = server.cpu().total
        again_seconds, again = _boot_all(server, chargers)
        cpu_seconds = server.cpu().total - before
    return Storm(
        kind,
        chargers,
        accepted=again.upgraded,
        answered=again.finished,
        first_seconds=first_seconds,
        again_seconds=again_seconds,
        again_p99_ms=_percentiles(again.answer_seconds)[1],
        cpu_ms_per_charger=cpu_seconds / chargers * MILLISECONDS,
        faults=_merged([_faults(first), _faults(again)]),
    )


def median_phase(phases: list[Phase]) -> Phase:
    """The median of each figure by itself."""
    medians = {
        figure.name: statistics.median(getattr(phase, figure.name) for phase in phases)
        for figure in fields(Phase)
    }
    return Phase(calls=int(medians.pop("calls")), **medians)


def median_run(runs: list[Run]) -> Run:
    """One run of the medians of several of the same kind and size; the faults of all."""
    return Run(
        kind=runs[0].kind,
        chargers=runs[0].chargers,
        ramp_seconds=statistics.median(run.ramp_seconds for run in runs),
        idle_mib=statistics.median(run.idle_mib for run in runs),
        waiting_mib=statistics.median(run.waiting_mib for run in runs),
        loaded_mib=statistics.median(run.loaded_mib for run in runs),
        mixed=median_phase([run.mixed for run in runs]),
        plain=median_phase([run.plain for run in runs]),
        short=median_phase([run.short for run in runs]),
        faults=_merged([run.faults for run in runs]),
    )


def _phase(load: Load, server: Server, seconds: float) -> Phase:
    load.answer_seconds = array("d")
    before = _clocks(server)
    load.run(seconds)
    # What was answered to calls from before the phase cost nothing in it.
    if not load.run(PATIENCE_SECONDS, until=lambda: len(load.answer_seconds) > load.unfinished):
        raise BenchError(f"hardly an answer in {seconds + PATIENCE_SECONDS} s. {load.samples}")
    elapsed, generator, machine, *server_used = (
        after - since for after, since in zip(_clocks(server), before, strict=True)
    )
    used = CpuSeconds(*server_used)
    calls = len(load.answer_seconds)
    p50_ms, p99_ms = _percentiles(load.answer_seconds)
    return Phase(
        calls=calls,
        calls_per_second=calls / elapsed,
        cpu_us_per_call=used.total / calls * MICROSECONDS,
        system_us_per_call=used.system / calls * MICROSECONDS,
        server_core_share=used.total / elapsed,
        p50_ms=p50_ms,
        p99_ms=p99_ms,
        generator_us_per_call=generator / calls * MICROSECONDS,
        generator_core_share=generator / elapsed,
        others_core_share=max(0.0, machine - generator - used.total) / elapsed,
    )


def _clocks(server: Server) -> tuple[float, ...]:
    """Time, and the processor time of this process, of the machine, of the server (total,
    system)."""
    return time.perf_counter(), time.process_time(), machine_cpu_seconds(), *server.cpu()


def _boot_all(server: Server, chargers: int) -> tuple[float, Load]:
    with Load(server.port) as load:
        began = time.perf_counter()
        load.connect(
            (_identity(number), boot_only(_identity(number))) for number in range(chargers)
        )
        load.run(STORM_SECONDS, until=lambda: not load.unfinished)
        return time.perf_counter() - began, load


def _faults(load: Load, conductor: Conductor | None = None) -> Faults:
    """What went wrong in a load that is over."""
    counts = dict(load.faults)
    if conductor and conductor.without_transaction:
        counts["start without transactionId"] = conductor.without_transaction
    return Faults(counts, list(load.samples))


def _merged(several: list[Faults]) -> Faults:
    counts: dict[str, int] = {}
    for faults in several:
        for kind, count in faults.counts.items():
            counts[kind] = counts.get(kind, 0) + count
    return Faults(counts, [sample for faults in several for sample in faults.samples])


def _identity(number: int) -> str:
    return f"BENCH-{number:05d}"


def _percentiles(seconds: array[float]) -> tuple[float, float]:
    """The 50th and 99th, in milliseconds."""
    ordered = sorted(seconds)
    if not ordered:
        return 0.0, 0.0
    last = len(ordered) - 1
    return ordered[round(last * 0.5)] * MILLISECONDS, ordered[round(last * 0.99)] * MILLISECONDS
