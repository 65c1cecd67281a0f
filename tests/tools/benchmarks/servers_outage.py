"""What becomes of chargers when the database of three servers is killed, crashes, and is started
anew."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Final, NamedTuple

from levity_trio.store.postgresql.connection import Row, connect, open_reader
from tests import postgresql

from .cluster import NAMES, Cluster
from .commanding import Commands
from .paced import PacedFleet
from .process import BenchError
from .servers_trials import SETTLE_SECONDS, WAIT_SECONDS, Size, Trial, moved, scene, trial

PAUSE_SECONDS: Final = 0.01
_WHERE: Final = """
SELECT cp.id, run.server FROM cp JOIN session ON session.id = cp.session_id
    JOIN run ON run.id = session.run_id"""
_SERVING: Final = "SELECT name FROM levity.server WHERE until >= clock_timestamp()"


class End(NamedTuple):
    """How the database ends, and how long it is away."""

    what: str
    do: Callable[[postgresql.Server], None]
    seconds: float


ENDS: Final = (
    End("kill -9 of all its processes", postgresql.Server.kill, 4),
    End("stop -m immediate, longer than a lease", lambda site: site.stop("immediate"), 20),
    End("restart, -m fast", postgresql.Server.stop, 0),
)


class Span(NamedTuple):
    """When the database began to end, and when it took connections again."""

    ended_at: float
    accepted_at: float


@dataclass(frozen=True)
class Outage:
    """One end of the database, and what followed."""

    what: str
    away_seconds: float
    """From the beginning of its end until it took connections again. All that follow count from
    then."""
    recovered: dict[str, float]
    """Until each server that has chargers had answered a call, which is then stored; inf: not at
    all."""
    serving: set[str]
    """The servers that hold a lease in the end."""
    left: int
    """Chargers that lost their connection."""
    last_back: float
    """Until the last of these was answered again."""


@dataclass(frozen=True)
class Outages:
    """All of them, one after the other."""

    trial: Trial
    outages: list[Outage]
    commanded: Counter[str]


def end_database(
    site: postgresql.Server, folder: Path, size: Size, ends: Sequence[End] = ENDS
) -> Outages:
    """End the database of three servers in each of these ways, and start it again, under load."""
    with scene(site, folder, NAMES, size) as (servers, fleet):
        fleet.join(size.ramp)
        with Commands(servers.members, fleet.callers) as commands:
            outages = [_outage(servers, fleet, size, end) for end in ends]
            commands.enough()
            fleet.run(WAIT_SECONDS, lambda: not commands.is_busy)
        fleet.run(max(SETTLE_SECONDS, size.every))
        return Outages(trial(servers, fleet), outages, commands.outcomes)


def _outage(servers: Cluster, fleet: PacedFleet, size: Size, end: End) -> Outage:
    fleet.run(size.seconds)
    fleet.forget()
    with ThreadPoolExecutor(1) as thread:
        interruption = thread.submit(_interrupt, servers.site, end)
        fleet.run(WAIT_SECONDS, interruption.done)
        span = interruption.result()
    fleet.run(WAIT_SECONDS, lambda: not fleet.away)
    # each has called, and whoever was refused for that dials again
    fleet.run(size.every + SETTLE_SECONDS)
    fleet.run(WAIT_SECONDS, lambda: not fleet.away)
    left = moved(fleet)
    return Outage(
        what=end.what,
        away_seconds=span.accepted_at - span.ended_at,
        recovered=_recovered(servers, fleet, span.accepted_at),
        serving={name for (name,) in _rows(servers, _SERVING)},
        left=len(left),
        last_back=fleet.last_back_at - span.accepted_at if left else 0.0,
    )


def _interrupt(site: postgresql.Server, end: End) -> Span:
    ended_at = time.perf_counter()
    end.do(site)
    time.sleep(end.seconds)
    with ThreadPoolExecutor(1) as thread:
        starting = thread.submit(site.start)
        accepted_at = _until_accepting(site)
        starting.result()
    return Span(ended_at, accepted_at)


def _until_accepting(site: postgresql.Server) -> float:
    until = time.perf_counter() + WAIT_SECONDS
    while True:
        try:
            connect(site.address("postgres")).finish()
        except sqlite3.Error as error:
            if time.perf_counter() > until:
                raise BenchError("the database does not come back") from error
            time.sleep(PAUSE_SECONDS)
        else:
            return time.perf_counter()


def _recovered(servers: Cluster, fleet: PacedFleet, accepted_at: float) -> dict[str, float]:
    where: dict[str, str] = dict(_rows(servers, _WHERE))
    recovered = dict.fromkeys(sorted(set(where.values())), inf)
    for answer in fleet.answers:
        if answer.at > accepted_at:
            name = where[answer.identity]
            recovered[name] = min(recovered[name], answer.at - accepted_at)
    return recovered


def _rows(servers: Cluster, query: str) -> list[Row]:
    with closing(open_reader(servers.address).conn) as connection:
        return connection.execute(query).fetchall()
