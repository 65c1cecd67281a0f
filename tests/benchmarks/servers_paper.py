"""What very many chargers would need, with a call a minute each: by formula, from what a call cost here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, inf
from typing import Final

from .report import table
from .servers_cost import Costs, Phase, Round, Traffic

CALL_SECONDS: Final = 60.0
CHARGERS: Final = (10_000, 100_000)
"""The first call as often as at the same rate, and cost as much; the others as at saturation."""
KIB_PER_CHARGER: Final = 45.0
"""The goal of the part `many`."""
AWAY_MS: Final = 0.2
"""To a database on another machine, and back."""
BUSY: Final = 0.5
"""The share of its core that a server may use."""
STORM_CALLS: Final = 6
"""Of a charger that comes back: boot, the start that it repeats, what was not answered; and the end of its session
before, with the suspension of its transaction, which takes as long as three."""
NOTES: Final = f"""\
Cores: us a call x calls/s. The turn: all batches of all servers run one after the other, so the time for which a
transaction is open x calls/s cannot exceed 100 %; {AWAY_MS:g} ms away, each exchange takes so much longer. A disk that
takes longer to sync adds that to each batch. Servers: each with at most {BUSY:.0%} of a core. Disk, network: bytes a
call x calls/s, without headers of TCP and TLS. A call has one reading at most; one in 6.5 is a start, one a stop.
Memory: {KIB_PER_CHARGER:g} KiB a charger. After an outage of 10 s: {STORM_CALLS} calls of each charger, in turn."""


@dataclass(frozen=True)
class Paper:
    """What one number of chargers would need."""

    chargers: int
    one: Phase
    """With one server, whose transactions wait for nobody."""
    two: Phase
    traffic: Traffic
    idle_mib: float

    @property
    def calls(self) -> float:
        """In a second."""
        return self.chargers / CALL_SECONDS

    @property
    def cores(self) -> float:
        """Of all servers."""
        return self.calls * self.two.server_us / 1e6

    @property
    def servers(self) -> int:
        """At least two: one may be away."""
        return max(2, ceil(self.cores / BUSY))

    @property
    def remote_turn_us(self) -> float:
        """Of a call, where the database is on another machine."""
        return self.one.turn_us + 1000 * AWAY_MS * self.traffic.exchanges

    @property
    def memory_gb(self) -> float:
        """Of all servers."""
        return (self.chargers * KIB_PER_CHARGER / 1024 + self.servers * self.idle_mib) * 2**20 / 1e9

    def cells(self) -> Iterator[str]:
        """What stands in the column of these chargers, in the order of ROWS."""
        yield f"{self.calls:.0f}"
        yield f"{self.cores:.2f}"
        yield str(self.servers)
        yield f"{self.calls * self.two.database_us / 1e6:.2f}"
        yield f"{self.calls * self.one.turn_us / 1e6:.0%}"
        yield f"{self.calls * self.remote_turn_us / 1e6:.0%}"
        yield from (self._gb_a_day(one) for one in (self.two.wal_bytes, self.two.log_bytes, self.two.rest_bytes))
        yield from (f"{self.calls * one * 8 / 1e6:.1f}" for one in (self.two.socket_bytes, self.traffic.passed_bytes))
        yield f"{self.memory_gb:.1f}"
        yield f"{self.chargers * STORM_CALLS * self.one.turn_us / 1e6:.0f}"

    def _gb_a_day(self, call_bytes: float) -> str:
        return f"{self.calls * call_bytes * 86_400 / 1e9:.1f}"


ROWS: Final = (
    *("calls/s", "servers, cores", "servers", "database, cores", "share of the turn"),
    *(f"  with the database {AWAY_MS:g} ms away", "WAL, GB a day", "frame log, GB a day", "the rest, GB a day"),
    *("chargers' network, Mbit/s", "database's network, Mbit/s", "servers' memory, GB"),
    "after an outage, until all are back, s",
)


def papers(costs: Costs) -> list[Paper]:
    """One for each number of chargers."""
    kinds: list[Callable[[Round], Phase]] = [lambda one: one.paced, lambda one: one.saturated]
    idle_mib = max(one.idle_mib for rounds in costs.rounds.values() for one in rounds)
    return [
        Paper(chargers, costs.median(1, kind), costs.median(2, kind), traffic, idle_mib)
        for chargers, kind, traffic in zip(CHARGERS, kinds, costs.traffic, strict=True)
    ]


def paper(costs: Costs) -> str:
    """Return a table, how it was computed, and what breaks first."""
    found = papers(costs)
    head = ("on paper, a call a minute", *(f"{one.chargers:,} chargers" for one in found))
    rows = [list(row) for row in zip(ROWS, *(one.cells() for one in found), strict=True)]
    return "\n\n".join([table(head, rows), NOTES, breaks(found[-1])])


def breaks(most: Paper) -> str:
    """Return what breaks first, and what next, as calls become more."""
    limits = sorted(
        (_chargers(us_per_call), what)
        for what, us_per_call in (
            (f"the turn, with the database {AWAY_MS:g} ms away", most.remote_turn_us),
            ("the turn", most.one.turn_us),
            ("one core of the database, most of it within the turn", most.two.database_us),
            ("one core of the servers; more servers have more", most.two.server_us),
        )
    )
    return "\n".join(
        ["What breaks first, at saturation:", *(f"  {most:,.0f} chargers: {what}" for most, what in limits)]
    )


def _chargers(us_per_call: float) -> float:
    return CALL_SECONDS * 1e6 / us_per_call if us_per_call else inf
