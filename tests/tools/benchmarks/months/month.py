"""One simulated month: its plan, its course, and the jury's verdict on the database."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import trio

from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.ledger import Ledger, write_ledger
from levity_trio.simulator.link import Pace
from levity_trio.simulator.report import Account, report
from levity_trio.simulator.scenario import Kind, Scenario, fleet, load, plan
from levity_trio.simulator.verification import Verdict, verify
from levity_trio.store.engine.file_store import FileConnection
from levity_trio.store.reads.transactions.recheck import (
    DifferenceCause,
    RecheckDifference,
    Rechecking,
)

from .books import open_books, save
from .fleet import Network, Switchboard, charger_of, open_links
from .leaping import run
from .server import open_server

SCENARIO: Final = "month"
SERVERS: Final = 3
"""How many servers run, one after the other, on the same database."""
SETTLING_SECONDS: Final = 3600.0
"""Time for sending queued messages after the end of the plan."""
JUDGING_SECONDS: Final = 120.0
"""Time for judging the last transactions again."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to simulate, and where to leave the database and the ledger."""

    seed: int
    folder: Path
    hours: float
    heartbeat_seconds: int
    delay_seconds: float
    quirk: str | None = None
    """The only quirk, of all chargers, which lose nothing but their connections; empty for none at
    all."""
    chargers: int | None = None
    """How many; None for those of the scenario."""
    amperes: float | None = None
    """Of the feeder that load management shares; None: without."""

    @property
    def scenario(self) -> Scenario:
        month = load(SCENARIO)
        found = replace(month, hours=self.hours, chargers=self.chargers or month.chargers)
        if self.quirk is None:
            return found
        outages = tuple(one for one in month.mishaps if one.kind is Kind.OUTAGE)
        return replace(
            found,
            deals_each_quirk=False,
            quirks={self.quirk: 1.0} if self.quirk else {},
            mishaps=outages,
        )

    @property
    def database(self) -> Path:
        return self.folder / f"month-{self.seed}.db"

    @property
    def ledger(self) -> Path:
        return self.folder / f"month-{self.seed}.jsonl"


@dataclass(frozen=True)
class Outcome:
    """What came of a month; `cpu_seconds` include the verdict.

    `differences` are the figures that `recheck` would change because of facts: none is left when
    all is quiet.
    """

    order: Order
    calls: Account
    verdict: Verdict
    differences: list[RecheckDifference]
    cpu_seconds: float

    @property
    def is_clean(self) -> bool:
        return self.verdict.is_clean and not self.differences


def simulate(order: Order) -> Outcome:
    """Simulate a month, leave its database and its ledger, and let the jury compare them."""
    began = time.process_time()
    with open_books() as books:
        chargers, ledger = run(partial(_course, order, books))
        save(books, order.database)
    write_ledger(order.ledger, ledger)
    verdict = verify(order.database, ledger)
    differences = list(differing(order.database))
    return Outcome(order, report(chargers).total, verdict, differences, time.process_time() - began)


def differing(database: Path) -> Iterator[RecheckDifference]:
    """Judge every transaction again; yield each figure that today's facts would change."""
    for page in Rechecking(database, None).pages():
        yield from (one for one in page.differences if DifferenceCause.FACTS in one.causes)


async def _course(order: Order, books: FileConnection) -> tuple[list[Charger], Ledger]:
    scenario = order.scenario
    planned = plan(scenario, fleet(scenario, scenario.chargers, order.seed), order.seed)
    board, pace = Switchboard(), Pace()
    network = Network(board.serve, order.delay_seconds, order.seed)
    chargers = [charger_of(one, dict(scenario.configuration), network) for one in planned.chargers]
    async with open_links(chargers, pace, network):
        for number in range(SERVERS, 0, -1):
            async with open_server(books, order.heartbeat_seconds, amperes=order.amperes) as server:
                board.to = server.serve
                await pace.sleep_until(planned.seconds / number)
                if number == 1:
                    await _settle(chargers)
                board.to = None
    return chargers, _ledger(chargers, network.slack_seconds)


async def _settle(chargers: Iterable[Charger]) -> None:
    with trio.move_on_after(SETTLING_SECONDS):
        while any(  # noqa: ASYNC110
            charger.outbox.head is not None or charger.outbox.is_busy for charger in chargers
        ):
            await trio.sleep(1)
    await trio.sleep(JUDGING_SECONDS)


def _ledger(chargers: list[Charger], slack_seconds: float) -> Ledger:
    return Ledger(
        chargers=[charger.spec.id for charger in chargers],
        entries=[entry for charger in chargers for entry in charger.ledger],
        zero=max(
            (charger.clock.zero for charger in chargers if charger.clock.zero is not None),
            default=None,
        ),
        slack_seconds=slack_seconds,
    )
