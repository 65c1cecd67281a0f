"""Chargers that keep account: what each was answered, and so what must be in the database whatever
happens.

A charger works through its script (start, a few readings, stop, again and again). The message that
got no answer is repeated byte for byte on the next connection, as the queue of a real charger does
(OCPP 1.6 §3.7), and so is the last start, which must bring the same transactionId for ever.
"""

from __future__ import annotations

import json
import random
import sqlite3
import time
from array import array
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from tests.tools.benchmarks.conversation import Conversation, boot_call
from tests.tools.benchmarks.load import Connection, Load

MOST_READINGS = 8
WH_PER_READING = 2
BEFORE_SECONDS = 0.3
HISTORY = timedelta(days=2)
"""The scripts' clock starts so far back: a second a message, and never in the future."""


class Start(NamedTuple):
    """An answered StartTransaction."""

    timestamp: str
    meter_start: int
    transaction: int


class Reading(NamedTuple):
    """An answered MeterValues of one value."""

    transaction: int
    timestamp: str
    value: str


class Stop(NamedTuple):
    """An answered StopTransaction."""

    transaction: int
    timestamp: str
    meter_stop: int


@dataclass
class Account:
    """One charger: what it was answered, and where it stands in its script."""

    identity: str
    starts: list[Start] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._clock = datetime.now(UTC).replace(microsecond=0) - HISTORY
        self._script = self._work()
        self._said = next(self._script)
        self._last_start: bytes | None = None

    def talk(self) -> Conversation:
        """One connection: boot, what is to be repeated, and on through the script without end."""
        yield boot_call(self.identity)
        if self._last_start is not None:
            answer = yield self._last_start
            if (repeated := json.loads(answer)["transactionId"]) != self.starts[-1].transaction:
                self.contradictions.append(f"{self.starts[-1]} was repeated and is {repeated}")
        while True:
            answer = yield self._said
            self._said = self._script.send(answer)

    @property
    def answered(self) -> int:
        """How many messages of transactions were answered."""
        return len(self.starts) + len(self.readings) + len(self.stops)

    def _work(self) -> Generator[bytes, bytes, None]:
        register = 1_000_000
        while True:
            transaction = yield from self._start(register)
            for _ in range(random.randint(1, MOST_READINGS)):
                register += WH_PER_READING
                yield from self._read(transaction, register)
            yield from self._stop(transaction, register)

    def _start(self, register: int) -> Generator[bytes, bytes, int]:
        timestamp = self._time()
        request = {
            "connectorId": 1,
            "idTag": "FLEET",
            "meterStart": register,
            "timestamp": timestamp,
        }
        body = _body("StartTransaction", request)
        answer = yield body
        transaction: int = json.loads(answer)["transactionId"]
        self.starts.append(Start(timestamp, register, transaction))
        self._last_start = body
        return transaction

    def _read(self, transaction: int, register: int) -> Generator[bytes, bytes, None]:
        timestamp, value = self._time(), str(register)
        sample = {"timestamp": timestamp, "sampledValue": [{"value": value}]}
        request = {"connectorId": 1, "transactionId": transaction, "meterValue": [sample]}
        yield _body("MeterValues", request)
        self.readings.append(Reading(transaction, timestamp, value))

    def _stop(self, transaction: int, register: int) -> Generator[bytes, bytes, None]:
        timestamp = self._time()
        request = {"transactionId": transaction, "meterStop": register, "timestamp": timestamp}
        yield _body("StopTransaction", request)
        self.stops.append(Stop(transaction, timestamp, register))

    def _time(self) -> str:
        self._clock += timedelta(seconds=1)
        return self._clock.strftime("%Y-%m-%dT%H:%M:%SZ")


def _body(action: str, payload: dict[str, Any]) -> bytes:
    return f'"{action}",{json.dumps(payload, separators=(",", ":"))}'.encode()


def accounts(count: int, prefix: str = "FLEET") -> list[Account]:
    """So many chargers, none of which has spoken yet."""
    return [Account(f"{prefix}-{number:03d}") for number in range(count)]


def answered(fleet: Iterable[Account]) -> int:
    """How many messages of transactions they were answered, all together."""
    return sum(account.answered for account in fleet)


@dataclass(frozen=True)
class Waits:
    """How long chargers waited for their answers, in order, and how many answers came a second."""

    seconds: list[float]
    answers_per_second: float

    @property
    def p99_milliseconds(self) -> float:
        return 1000 * self.seconds[int(len(self.seconds) * 0.99)]

    def __str__(self) -> str:
        worst = 1000 * self.seconds[-1]
        return (
            f"p99 {self.p99_milliseconds:.1f} ms, worst {worst:.1f} ms, "
            f"{self.answers_per_second:.0f} answers/s"
        )


class Fleet(Load):
    """The load generator, remembering how each connection ended (`closed with 1001`).

    With `beat_seconds` each charger says something once in that time; without, as soon as it was
    answered.
    """

    def __init__(self, port: int, beat_seconds: float | None = None) -> None:
        super().__init__(port)
        self.endings: dict[str, str] = {}
        self._beat_seconds = beat_seconds

    def join(self, fleet: Iterable[Account]) -> None:
        """Connect these chargers and let them talk, until all are in."""
        before, faults = self.upgraded, self.faults.total()
        talks = [(account.identity, self._timed(account.talk())) for account in fleet]
        self.connect(talks)
        self.run(60, lambda: self.upgraded - before == len(talks) or self.faults.total() > faults)
        assert self.upgraded - before == len(talks), (self.faults, self.samples)

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """As Load.run; on the beat, if there is one."""
        if self._beat_seconds is None:
            return super().run(seconds, until)
        deadline = time.perf_counter() + seconds
        while (left := deadline - time.perf_counter()) > 0:
            self.release()
            if super().run(min(left, self._beat_seconds), until):
                return True
        return False

    def run_out(self, seconds: float = 60) -> bool:
        """Read what still comes, until every connection has ended."""
        return self.run(seconds, lambda: not self.unfinished)

    def measure(self, seconds: float, until: Callable[[], bool] | None = None) -> Waits:
        """Let them talk that long, or until the condition holds, and look how long they had to wait
        meanwhile.

        Who still waits in the end counts with what he has waited: a server that answers nobody
        would shine else.
        """
        self.run(BEFORE_SECONDS)  # what waited only for us, while the test did other things
        self.answer_seconds = array("d")
        began = time.perf_counter()
        self.run(seconds, until)
        ended = time.perf_counter()
        waiting = [
            ended - max(began, connection.sent_at)
            for connection in self._unfinished - self._waiting
        ]
        return Waits(
            sorted([*self.answer_seconds, *waiting]), len(self.answer_seconds) / (ended - began)
        )

    def _timed(self, talk: Conversation) -> Conversation:
        return talk if self._beat_seconds is None else _on_the_beat(talk)

    def _fault(self, kind: str, connection: Connection, sample: str | bytes) -> None:
        self.endings[connection.identity] = str(sample)
        super()._fault(kind, connection, sample)


def _on_the_beat(talk: Conversation) -> Conversation:
    """Wait for the next beat behind each answer."""
    said = next(talk)
    while True:
        answer = yield said
        yield None
        said = talk.send(answer)


def missing(fleet: Iterable[Account], database: Path) -> list[str]:
    """What the chargers were answered and the database does not hold, exactly once and as they said
    it."""
    with closing(sqlite3.connect(database)) as connection:
        integrity = connection.execute("PRAGMA integrity_check").fetchall()
        foreign_keys = connection.execute("PRAGMA foreign_key_check").fetchall()
        lost = [f"{row}" for row in (*integrity, *foreign_keys) if row != ("ok",)]
        for account in fleet:
            lost += _missing_of(account, connection)
    return lost


def _missing_of(account: Account, connection: sqlite3.Connection) -> list[str]:
    transactions = connection.execute(
        (
            "SELECT sent_start_time, meter_start, id, sent_stop_time, meter_stop "
            "FROM tx WHERE cp_id = ? AND conn_id = 1"
        ),
        (account.identity,),
    ).fetchall()
    readings = connection.execute(
        "SELECT tx_id, sent_timestamp, value FROM meter_val WHERE cp_id = ?", (account.identity,)
    ).fetchall()
    started, stopped = [row[:3] for row in transactions], {row[2:] for row in transactions}
    lost = [f"{account.identity}: {start}" for start in account.starts if start not in set(started)]
    lost += [f"{account.identity}: {stop}" for stop in account.stops if stop not in stopped]
    lost += [f"{account.identity}: {reading}" for reading in set(account.readings) - set(readings)]
    if len(readings) > len(set(readings)):
        lost.append(f"{account.identity}: a repeated reading made a second row")
    if len(started) > len({row[:2] for row in started}):
        lost.append(f"{account.identity}: a repeated start opened a second transaction")
    return lost + account.contradictions
