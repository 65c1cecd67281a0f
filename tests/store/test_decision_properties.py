"""No sequence of an operator's decisions and of messages, however late, breaks what holds for every
transaction."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from random import Random
from typing import Any

import orjson
import pytest

from levity_trio.charger.exchange import NotReadAgain
from levity_trio.charging.reviews import LASTING, OF_THE_MATCH
from levity_trio.store.cases.transaction import settled_by
from levity_trio.store.engine.file_store import FileConnection
from levity_trio.store.writes.chargers.sessions import set_aside
from levity_trio.store.writes.transactions.decisions import DecisionRefused
from tests.sizes import size
from tests.store.books import Books, in_memory
from tests.store.deciding import Operator, open_codes
from tests.store.lives import ACTS, PAUSE_MINUTES, Living

LIVES = int(os.environ.get("LIVES", size(100, 20)))
LENGTH = 12
SEED = 10
HARMLESS = LASTING - OF_THE_MATCH
"""Doubts under which a figure may be certain."""
FIGURES = (0, 1, 500, 4000, 90_000)


class Decided:
    """A transaction to which chance happens, and an operator. What must hold is checked after each
    act."""

    def __init__(self, books: Books, chance: Random) -> None:
        self.books = books
        self.chance = chance
        self.living = Living(self.books)
        self.transaction = self.living.transaction
        self.anna = Operator(self.books)
        self.settled: int | None = None
        """The figure that was confirmed or corrected last."""
        self.history: list[tuple[Any, ...]] = []
        self.refusals = self.decisions = 0

    def live(self) -> None:
        for _ in range(LENGTH):
            self.books.wait(self.chance.choice((0, 1, PAUSE_MINUTES)))
            if self.chance.random() < 0.5:
                self.living.do(self.chance.choice(ACTS))
            else:
                self.decide(self.chance.choice(WAYS))
            self.check()
        self.books.wait(PAUSE_MINUTES)
        self.books.settle()
        self.check()

    def decide(self, way: Callable[[Decided], None]) -> None:
        if self.chance.random() < 0.7:
            self.lose_message()
        before = list(self.books.connection.iterdump())
        try:
            way(self)
            self.decisions += 1
        except (DecisionRefused, NotReadAgain):
            self.refusals += 1
            assert list(self.books.connection.iterdump()) == before, (
                "a refused decision changes nothing"
            )

    def lose_message(self) -> None:
        """Set a message aside: of any transaction, with any register."""
        wh, at = (
            self.living.wh + self.chance.choice((-400, 50, 900)),
            self.living.station.clock(self.chance.choice((0, 1))),
        )
        values = [{"timestamp": at, "sampledValue": [{"value": str(wh)}]}]
        stop = {
            "transactionId": self.chance.choice((17, self.transaction)),
            "meterStop": wh,
            "timestamp": at,
        }
        action, payload = self.chance.choice(
            (("StopTransaction", stop), ("MeterValues", {"connectorId": 1, "meterValue": values}))
        )
        message = self.living.station.message(action, **payload)
        self.living.station.write(set_aside, message, "the message could not be handled")

    # What is decided

    def confirm(self) -> None:
        self.settled = self.anna.confirm(self.transaction).energy_delivered

    def correct(self) -> None:
        figure = self.chance.choice(FIGURES)
        self.settled = self.anna.correct(self.transaction, figure_wh=figure).energy_delivered
        assert self.settled == figure

    def close(self) -> None:
        self.anna.close(self.transaction)

    def attach(self) -> None:
        if (message := self.newest("set_aside")) is not None:
            self.anna.attach(message, self.transaction)

    def make(self) -> None:
        (message,) = self.books.row(
            "SELECT max(id) FROM set_aside WHERE action = 'StopTransaction'"
        )
        known: dict[str, Any] = {
            "connector": self.chance.choice((1, 2)),
            "start_time": "2026-03-01T12:00:30.000Z",
        }
        if message is not None:
            self.anna.make(message, **known)

    def dismiss_message(self) -> None:
        if (message := self.newest("set_aside")) is not None:
            self.anna.dismiss(message)

    def dismiss_review(self) -> None:
        if (review := self.newest("review")) is not None:
            self.anna.dismiss_review(review)

    def newest(self, table: str) -> int | None:
        found = self.books.value(f"SELECT max(id) FROM {table}")
        return None if found is None else int(found)

    # What must hold

    def check(self) -> None:
        self._check_history()
        for transaction, status, wh, confidence in self.books.rows(
            "SELECT id, status, energy_delivered, confidence FROM tx"
        ):
            assert (wh is None) == (confidence is None) == (status == "Active"), (
                "one figure, once it has ended"
            )
            assert wh is None or wh >= 0
            self._check_counted(transaction, wh or 0)
            if confidence == "certain":
                codes = set(open_codes(self.books, transaction))
                assert not codes - HARMLESS, "certain only without a doubt"
        if self.settled is not None:
            assert (
                settled_by(lambda sql, values: self.books.rows(sql, *values), self.transaction)
                == "anna"
            )
            assert (
                self.books.value("SELECT energy_delivered FROM tx WHERE id = ?", self.transaction)
                == self.settled
            )

    def _check_history(self) -> None:
        """What happened is never rewritten."""
        history = self.books.rows(
            "SELECT id, tx_id, kind, who, reason, received_at, timestamp, payload, state, cause "
            "FROM tx_event ORDER BY id"
        )
        assert history[: len(self.history)] == self.history
        self.history = history

    def _check_counted(self, transaction: int, wh: int) -> None:
        """The facts of a transaction add up to its figure, so that the counters of energy agree
        with the bills."""
        told = [
            orjson.loads(data)
            for (data,) in self.books.rows(
                "SELECT data FROM event "
                "WHERE CAST(json_extract(data, '$.transaction') AS INTEGER) = ? "
                "AND kind IN ('TransactionStopped', 'TransactionClosed', 'TransactionRejudged', "
                "'TransactionCorrected')",
                transaction,
            )
        ]
        (counted,) = self.books.row("SELECT counted_wh FROM tx WHERE id = ?", transaction)
        assert sum(fact["energy_wh"] - fact["before_wh"] for fact in told) == counted
        if wh:
            assert counted == wh


WAYS = (
    *(Decided.confirm, Decided.correct, Decided.close, Decided.attach),
    *(Decided.make, Decided.dismiss_message, Decided.dismiss_review),
)


@pytest.fixture(scope="module")
def template() -> Iterator[FileConnection]:
    with closing(in_memory()) as connection:
        yield connection


def test_decisions_and_late_messages_in_any_order(template: FileConnection) -> None:
    decisions = refusals = 0
    for seed in range(SEED, SEED + LIVES):
        with closing(
            sqlite3.connect(":memory:", isolation_level=None, factory=FileConnection)
        ) as connection:
            template.backup(connection)
            connection.execute("PRAGMA foreign_keys = ON")
            decided = Decided(Books(connection), Random(seed))
            decided.live()
            decisions, refusals = decisions + decided.decisions, refusals + decided.refusals
    assert min(decisions, refusals) > LIVES
