"""A site's books: a database, a clock that a test advances, and chargers that write to the
database.

A charger's messages are processed as in the handlers: times and readings are parsed, and one write
commits.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar, TypeVarTuple, cast
from zoneinfo import ZoneInfo

import orjson

from levity_trio.access.registration import Mode
from levity_trio.access.tags import Policy
from levity_trio.billing.ownership import BillBy
from levity_trio.charger.exchange import sent_number
from levity_trio.charging.sent import readings
from levity_trio.charging.sent.readings import understand
from levity_trio.events import Fact
from levity_trio.store.billing.booking import Book, book_all
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.database import UnitOfWork, commit
from levity_trio.store.engine.file_store import FileConnection
from levity_trio.store.writes.chargers import chargers, sessions
from levity_trio.store.writes.origin import Message, Origin, Start, Started, Stop
from levity_trio.store.writes.transactions import decisions, judging, starts, stops
from levity_trio.store.writes.transactions.starts import start_unreadable, stop_unreadable
from levity_trio.wire.errors import Refused
from levity_trio.wire.payloads import read_request
from levity_trio.wire.times import STATUS_AHEAD, stamp
from tests.store.template import Reused

F = TypeVar("F", bound=Fact)
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

NOON = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
MAX_CHARGERS = 100
SERVER = "levity"
UNSET_CLOCK = "1970-01-01T00:00:00Z"


def in_memory() -> FileConnection:
    """Return a new database with the server's schema, which ends when it is closed."""
    return Reused.new()


class Books:
    """The database, the published facts, and the present time."""

    def __init__(self, connection: FileConnection) -> None:
        self.connection = connection
        self.now = NOON
        self.policy, self.bill_by = Policy(), BillBy.TAG
        connection.book = Book(self.rule)
        self.facts: list[Fact] = []
        self.numbers = count(1)
        self.server = self.run(sessions.start_run, SERVER, "1.0", self.at, True)

    @property
    def at(self) -> str:
        """The present time in the database's format."""
        return stamp(self.now)

    @property
    def rule(self) -> Rule:
        """By what transactions are billed."""
        return Rule(ZoneInfo("Europe/Berlin"), self.policy, self.bill_by)

    def book_anew(self) -> None:
        """Book all by the present settings, as a server does that starts with others."""
        self.connection.book = Book(self.rule)
        self.run(book_all, self.rule)

    def run(self, write: Callable[[UnitOfWork, *Ts], T], *args: *Ts) -> T:
        """Commit one write."""
        (result,) = commit(self.connection, [lambda db: write(db, *args)])
        self.facts += result.facts
        return cast(T, result.unwrap())

    def wait(self, minutes: float) -> None:
        self.now += timedelta(minutes=minutes)

    def settle(self) -> None:
        """Judge the transactions that are due again."""
        self.run(judging.judge_due, self.at, self.rule)

    def row(self, sql: str, *parameters: object) -> tuple[Any, ...]:
        """Return the only row."""
        (found,) = self.rows(sql, *parameters)
        return found

    def value(self, sql: str, *parameters: object) -> Any:
        """Return the only value."""
        (found,) = self.row(sql, *parameters)
        return found

    def count(self, table: str) -> int:
        return int(self.value(f"SELECT count(*) FROM {table}"))

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, parameters).fetchall()

    def recorded(self, kind: type[F]) -> list[F]:
        """Return the published facts of one class."""
        return [fact for fact in self.facts if isinstance(fact, kind)]


class Station:
    """One charger. It sends times of its own clock, which is `behind` by this many minutes, unless
    given as text."""

    def __init__(self, books: Books, name: str = "CP-1", behind: float = 0) -> None:
        self.books = books
        self.name = name
        self.behind = behind
        self.messages = 0
        self.connect()

    def connect(
        self, address: str = "10.0.0.1", max_chargers: int = MAX_CHARGERS, mode: Mode = Mode.OPEN
    ) -> sessions.BegunSession | None:
        at = self.books.at
        number = next(self.books.numbers)
        connection = sessions.NewConnection(
            self.name, self.books.server, number, address, "/ws", None, True, at, at
        )
        begun = self.books.run(sessions.begin, connection, max_chargers, mode)
        if begun is not None:
            self.session = begun.session
        return begun

    def lose(self, is_current: bool = True, reason: str = "gone", code: int = 1006) -> None:
        run, number = self.books.row(
            "SELECT run_id, connection FROM session WHERE id = ?", self.session
        )
        ending = sessions.ConnectionEnd(self.name, run, number, self.books.at, code, reason)
        self.books.run(sessions.end, ending, is_current)

    @property
    def origin(self) -> Origin:
        return Origin(self.name, self.session, self.books.at)

    def clock(self, minutes_ago: float = 0) -> str:
        """Return the time of its clock, now or some minutes ago."""
        time = self.books.now - timedelta(minutes=self.behind + minutes_ago)
        return time.strftime("%Y-%m-%dT%H:%M:%SZ")

    def write(self, write: Callable[[UnitOfWork, Origin, *Ts], T], *args: *Ts) -> T:
        return self.books.run(write, self.origin, *args)

    def message(self, action: str, **payload: object) -> Message:
        self.messages += 1
        told = orjson.dumps(payload).decode()
        return Message(
            action, told, f'"{self.messages}"', f'[2,"{self.messages}","{action}",{told}]'
        )

    def start(
        self, meter: float | str = 1000, connector: int = 1, tag: str = "TAG", at: str | None = None
    ) -> int:
        return self.start_with_verdict(meter, connector, tag, at).transaction

    def start_with_verdict(
        self, meter: float | str, connector: int, tag: str, at: str | None
    ) -> Started:
        sent = self.clock() if at is None else at
        payload = {"connectorId": connector, "idTag": tag, "meterStart": meter, "timestamp": sent}
        message = self.message("StartTransaction", **payload)
        try:
            read = read_request("StartTransaction", payload, strict=False).message
        except Refused as refused:
            return self.write(start_unreadable, message, refused.description, self.books.policy)
        moment = understand(sent, self.books.now)
        start = Start(
            connector,
            tag,
            read.meter_start,
            moment,
            None,
            message,
            sent_number(payload, "meterStart"),
        )
        return self.write(starts.start, start, self.books.policy)

    def stop(
        self,
        transaction: int,
        meter: float | str = 5000,
        at: str | None = None,
        tag: str | None = None,
        reason: str = "Local",
        data: Iterable[dict[str, Any]] = (),
    ) -> str | None:
        sent = self.clock() if at is None else at
        data = list(data)
        payload = {
            "transactionId": transaction,
            "meterStop": meter,
            "timestamp": sent,
            "idTag": tag,
            "reason": reason,
        }
        message = self.message(
            "StopTransaction", **payload, **({"transactionData": data} if data else {})
        )
        try:
            read = read_request("StopTransaction", payload, strict=False).message
        except Refused as refused:
            self.write(stop_unreadable, message, refused.description)
            return None
        moment = understand(sent, self.books.now)
        told = sent_number(payload, "meterStop")
        stop = Stop(read.transaction_id, tag, read.meter_stop, moment, reason, message, told)
        verdict = self.write(
            stops.stop, stop, readings.read(data, self.books.now), self.books.policy
        )
        return None if verdict is None else verdict.status

    def tell(
        self, *values: dict[str, Any], transaction: int | None = None, connector: int = 1
    ) -> None:
        """A MeterValues."""
        self.write(
            decisions.store_readings,
            connector,
            [readings.read(values, self.books.now)],
            transaction,
        )

    def register(self, wh: int, minutes_ago: float = 0) -> dict[str, Any]:
        """A meterValue of the billed register."""
        return meter_value(self.clock(minutes_ago), wh)

    def status(
        self,
        status: str,
        connector: int = 1,
        error: str = "NoError",
        at: str | None = "now",
        vendor: str | None = None,
    ) -> None:
        sent = self.clock() if at == "now" else at
        moment = understand(sent, self.books.now, STATUS_AHEAD)
        self.write(
            chargers.status,
            chargers.ReportedStatus(connector, status, error, None, None, vendor, moment),
        )

    def boot(self, **told: str) -> None:
        known = {"vendor": "United Chargers", "model": "Grizzl-E"} | told
        identification = chargers.Identification(
            **{name: known.get(name) for name in chargers.IDENTIFICATION}
        )
        self.write(
            chargers.boot, identification, self.message("BootNotification", **known), "Accepted", 60
        )

    def orphan(self, transaction: int, meter: int, connector: int = 1) -> None:
        """Send a last reading and a boot, and let the system close what is suspended."""
        self.tell(self.register(meter), transaction=transaction, connector=connector)
        self.boot()
        self.books.run(stops.close_silent, self.books.at, 0.0)

    def bill(self, transaction: int) -> tuple[Any, ...]:
        """Return Wh, method and confidence of a transaction."""
        return self.books.row(
            "SELECT energy_delivered, energy_method, confidence FROM tx WHERE id = ?", transaction
        )

    def review(self, transaction: int) -> str:
        return str(
            self.books.value("SELECT coalesce(review, '') FROM tx WHERE id = ?", transaction)
        )


def meter_value(timestamp: str, *samples: int | str | dict[str, str]) -> dict[str, Any]:
    """Return a meterValue; numbers are readings of the billed register in Wh."""
    given = [sample if isinstance(sample, dict) else {"value": str(sample)} for sample in samples]
    return {"timestamp": timestamp, "sampledValue": given}
