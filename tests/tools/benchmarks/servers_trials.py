"""What becomes of chargers when one of several servers is killed, and at an upgrade."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from levity_trio.store.postgresql.connection import open_reader
from tests import postgresql
from tests.integration.fleet import accounts

from .cluster import NAMES, Cluster, Member, cluster
from .commanding import Commands
from .kept import Kept, compare
from .paced import PacedFleet, milliseconds
from .process import BenchError

DIAL_SECONDS: Final = 2.0
"""Within which a charger dials again."""
WAIT_SECONDS: Final = 120.0
SETTLE_SECONDS: Final = 2.0
"""Until a proxy has seen that a server is well."""
ERRORS_SHOWN: Final = 5
PER_PROXY: Final = 5000
_LEASED: Final = "SELECT name FROM levity.server WHERE isfinite(until)"
_WITH_DUTIES: Final = "SELECT name FROM levity.server WHERE has_duties"


@dataclass(frozen=True)
class Size:
    """How large a trial is."""

    chargers: int
    every: float
    """Seconds between two calls of a charger."""
    seconds: float
    """How long it is looked at before and after."""
    joining: float
    """How many connect in a second, the first time."""

    @property
    def ramp(self) -> float:
        """Over how many seconds they connect for the first time."""
        return self.chargers / self.joining


@dataclass(frozen=True)
class Trial:
    """What is the same in all of them."""

    chargers: int
    is_proxied: bool
    kept: Kept
    left_away: int
    """Chargers that were not answered in the end."""
    faults: dict[str, int]
    samples: list[str]
    endings: dict[str, int]
    complaints: list[str]
    """What the servers logged as a warning, or worse."""


@dataclass(frozen=True)
class Killed:
    """One of three servers was killed."""

    trial: Trial
    victims: int
    back: list[float]
    """Seconds until each was answered again, in order."""
    lease_seconds: float
    """Until another server had ended its lease."""
    p99_ms: dict[str, float]
    """Of the others: before, until the lease was ended, and after."""


@dataclass(frozen=True)
class Upgraded:
    """Three servers were drained, stopped and started anew, one after the other."""

    trial: Trial
    drained: dict[str, tuple[float, int]]
    """The seconds of each drain, and its exit status: 1 if chargers were left."""
    stopped: dict[str, tuple[float, int]]
    """The seconds of each stop, and the exit status of the server."""
    moves: int
    back: list[float]
    commanded: Counter[str]
    p99_ms: float


@contextmanager
def scene(
    site: postgresql.Server, folder: Path, names: Sequence[str], size: Size
) -> Iterator[tuple[Cluster, PacedFleet]]:
    """Servers, and chargers that have not come yet."""
    proxies = -(-size.chargers // PER_PROXY)
    with (
        cluster(site, folder, names, size.chargers, proxies) as servers,
        PacedFleet(
            servers.ports, accounts(size.chargers, "PACED"), size.every, DIAL_SECONDS
        ) as fleet,
    ):
        try:
            yield servers, fleet
        except BenchError as error:
            errors = [line for line in _complaints(servers) if "[error" in line]
            raise BenchError("\n".join([str(error), *errors[:ERRORS_SHOWN]])) from error


def _complaints(servers: Cluster) -> list[str]:
    return [line for member in servers.members for line in member.complaints()]


def trial(servers: Cluster, fleet: PacedFleet) -> Trial:
    """Look what has become of all."""
    return Trial(
        chargers=len(fleet.callers),
        is_proxied=bool(servers.proxies),
        kept=compare([caller.account for caller in fleet.callers.values()], servers.address),
        left_away=fleet.away,
        faults=dict(fleet.faults),
        samples=fleet.samples,
        endings=dict(fleet.endings),
        complaints=_complaints(servers),
    )


def kill_one(site: postgresql.Server, folder: Path, size: Size) -> Killed:
    """Kill the one of three servers that has the duties of the site; its chargers dial again."""
    with scene(site, folder, NAMES, size) as (servers, fleet):
        fleet.join(size.ramp)
        fleet.run(size.every)
        fleet.forget()
        fleet.run(size.seconds)
        victim = _with_duties(servers)
        killed_at = time.perf_counter()
        victim.kill()
        fleet.run(DIAL_SECONDS)
        fleet.run(WAIT_SECONDS, lambda: not fleet.away)
        ended_at = _until_ended(servers, victim, fleet)
        fleet.run(size.seconds)
        return Killed(
            trial=trial(servers, fleet),
            victims=len(moved(fleet)),
            back=fleet.aways,
            lease_seconds=ended_at - killed_at,
            p99_ms=_waits_of_others(fleet, killed_at, ended_at),
        )


def moved(fleet: PacedFleet) -> set[str]:
    """Return the chargers that lost their connection in this measurement."""
    return {
        identity for identity, caller in fleet.callers.items() if caller.aways or caller.left_at
    }


def _with_duties(servers: Cluster) -> Member:
    holders = _names(servers, _WITH_DUTIES)
    return next(member for member in servers.members if not holders or member.name in holders)


def _until_ended(servers: Cluster, victim: Member, fleet: PacedFleet) -> float:
    """Wait until its lease is ended, and what follows from it is done."""
    until = time.perf_counter() + WAIT_SECONDS
    while victim.name in _names(servers, _LEASED):
        if time.perf_counter() > until:
            raise BenchError("the lease of a killed server was not ended")
        fleet.run(1)
    ended_at = time.perf_counter()
    fleet.run(SETTLE_SECONDS)
    return ended_at


def _names(servers: Cluster, query: str) -> set[str]:
    with closing(open_reader(servers.address).conn) as connection:
        return {name for (name,) in connection.execute(query).fetchall()}


def _waits_of_others(fleet: PacedFleet, killed_at: float, ended_at: float) -> dict[str, float]:
    left = moved(fleet)
    others = [answer for answer in fleet.answers if answer.identity not in left]
    return {
        "before": milliseconds((one for one in others if one.at < killed_at), 0.99),
        "during": milliseconds((one for one in others if killed_at <= one.at < ended_at), 0.99),
        "after": milliseconds((one for one in others if one.at >= ended_at), 0.99),
    }


def upgrade(site: postgresql.Server, folder: Path, size: Size) -> Upgraded:
    """Drain, stop and start each of three servers, while their chargers charge."""
    drained, stopped = {}, {}
    with scene(site, folder, NAMES, size) as (servers, fleet):
        fleet.join(size.ramp)
        fleet.run(size.every)
        fleet.forget()
        with Commands(servers.members, fleet.callers) as commands:
            for member in servers.members:
                drained[member.name], stopped[member.name] = _renew(member, fleet, size)
            fleet.run(WAIT_SECONDS, lambda: not fleet.away)
            commands.enough()
            fleet.run(WAIT_SECONDS, lambda: not commands.is_busy)
        fleet.run(max(SETTLE_SECONDS, size.every))
        return Upgraded(
            trial=trial(servers, fleet),
            drained=drained,
            stopped=stopped,
            moves=len(fleet.aways),
            back=fleet.aways,
            commanded=commands.outcomes,
            p99_ms=milliseconds(iter(fleet.answers), 0.99),
        )


def _renew(
    member: Member, fleet: PacedFleet, size: Size
) -> tuple[tuple[float, int], tuple[float, int]]:
    """Return how long the drain and the stop took, each with the exit status."""
    began = time.perf_counter()
    draining = member.drain(size.seconds)
    fleet.run(size.seconds + WAIT_SECONDS, lambda: draining.poll() is not None)
    drained = (time.perf_counter() - began, draining.wait())
    began = time.perf_counter()
    process = member.terminate()
    fleet.run(WAIT_SECONDS, lambda: process.poll() is not None)
    stopped = (time.perf_counter() - began, process.wait())
    member.start()
    if not fleet.run(WAIT_SECONDS, member.is_well):
        raise BenchError(f"{member.name} did not start again")
    fleet.run(SETTLE_SECONDS)
    return drained, stopped
