"""The way of one message, in files and functions: `python -m tests.tools.ways`; `--list` names
them.

A charger charges twice, honestly: each session has a start, ten readings a quarter of an hour
apart, and a stop. Its card is a household's, whose tariff has a night window. The writer has its
own thread and a file, as in the server. Messages of the second session are traced, from the first
call of the handler, which counts, to the end of the COMMIT, in all threads. Statements of SQL are
counted with BEGIN and COMMIT, and the session is booked, as in the server.

Counted is each function of the package that runs meanwhile, once. A lambda, a generator expression
or a comprehension belongs to the function in which it stands. What dataclasses and named tuples
make by themselves has no file and does not count. A refutation counts as one function of the
table's file, together with everything that runs only while it is asked: whoever reads the table
sees its question. The figures with each of these functions follow in brackets.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from types import CodeType, FrameType
from typing import Final, NamedTuple

import trio
from trio._core._thread_cache import THREAD_CACHE
from trio_websocket import open_websocket

from levity_trio.access.tags import Policy
from levity_trio.billing.assignments import Scope, TariffTarget
from levity_trio.billing.ownership import Thing, TimeSpan, What
from levity_trio.billing.tariff_file import parse
from levity_trio.charger.central import Central
from levity_trio.charger.connection import serve_connection
from levity_trio.charger.handlers import HANDLERS
from levity_trio.charging.refute.table import Refutation
from levity_trio.config import ServerConfig
from levity_trio.plugins.base import Hooks
from levity_trio.store.billing.booking import Book
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.engine.file_store import FileConnection, FileStore
from levity_trio.store.engine.writer import open_writer
from levity_trio.store.reads.transactions.costs import policy_of, rule_of
from levity_trio.store.writes.chargers import sessions
from levity_trio.store.writes.money import ledger, tariffs
from levity_trio.store.writes.people import accounts, ownership
from levity_trio.store.writes.people.accounts import AccountData
from levity_trio.store.writes.people.ownership import NamedThing, Said
from levity_trio.wire.times import stamp
from tests.charger.peers import Charger
from tests.store.template import new_database

PACKAGE: Final = f"{Path(__file__).parents[2] / 'levity_trio'}/"
ACTIONS: Final = ("StopTransaction", "MeterValues", "StartTransaction")
READINGS, MINUTES_APART, WATTS = 10, 15, 7_200
TAG: Final = "TAG"
TARIFF: Final = """
name = "Day and night"
valid_from = 2026-01-01
currency = "EUR"
prices = "gross"
tax = 19

[energy]
price = 0.40

[[window]]
name = "night"
price = 0.20
times = "22:00-06:00"
"""
LONGEST_SECONDS: Final = 60
_ASK: Final[CodeType] = Refutation.__call__.__code__
_COMMIT: Final[CodeType] = FileConnection.commit.__code__


class Function(NamedTuple):
    """A function of the package: its file below the package, and its name there."""

    file: str
    name: str


class Figures(NamedTuple):
    """How long a way is."""

    files: int
    functions: int


def _figures(functions: Collection[Function]) -> Figures:
    return Figures(len({function.file for function in functions}), len(functions))


class Way:
    """What ran while a message was handled, in the order of the first calls."""

    def __init__(self, action: str) -> None:
        self.functions: dict[Function, None] = {}
        """The functions that count."""
        self.everything: dict[Function, None] = {}
        """The same with what runs only while a refutation is asked."""
        self._begin: CodeType = HANDLERS[action].__code__
        self.statements = 0
        """The statements of SQL."""
        self.is_awaited = self._is_open = False
        self._asking: list[Refutation] = []
        """The refutations that are being asked, by the writer's thread; the innermost is the last
        one."""

    @property
    def figures(self) -> Figures:
        """The numbers of files and of functions that count."""
        return _figures(self.functions)

    def __str__(self) -> str:
        counted, everything = _figures(self.functions), _figures(self.everything)
        words = f"{counted.files} files, {counted.functions} functions"
        return (
            words
            if counted == everything
            else f"{words} ({everything.files} and {everything.functions} in all)"
        )

    def note(self, frame: FrameType, event: str, called: object) -> None:
        """Note a call or a return of any function; `called` is one written in C."""
        code = frame.f_code
        if event == "c_call":
            self.statements += (
                self._is_open and getattr(called, "__qualname__", "") == "FileConnection.execute"
            )
        elif event == "call" and self.is_awaited:
            self._is_open = self._is_open or code is self._begin
            if self._is_open and code.co_filename.startswith(PACKAGE):
                self._add(frame)
        elif event == "return" and self._is_open:
            if code is _ASK:
                self._asking.pop()
            elif code is _COMMIT:
                self.is_awaited = self._is_open = False

    def _add(self, frame: FrameType) -> None:
        code = frame.f_code
        function = Function(
            code.co_filename.removeprefix(PACKAGE), code.co_qualname.split(".<locals>.<")[0]
        )
        self.everything[function] = None
        if not self._asking:
            self.functions[function] = None
        if code is _ASK:
            self._asking.append(frame.f_locals["self"])
            self.functions[Function("charging/refute/table.py", self._asking[-1].question)] = None


class Site:
    """A server with one charger, which charges at a steady power, and the present time."""

    def __init__(self) -> None:
        self.now, self.wh = datetime(2026, 3, 1, 12, tzinfo=UTC), 1_000_000

    @asynccontextmanager
    async def open_charger(self, folder: Path) -> AsyncIterator[Charger]:
        """Start the server on a new file, and connect a charger."""
        hooks, at = Hooks(), stamp(self.now)
        with new_database(folder / "levity.db") as connection:
            config, store = ServerConfig(database=folder / "levity.db"), FileStore(connection)
            store.keep_book(Book(rule_of(config, policy_of(config))))
            async with open_writer(store, hooks.observe, LONGEST_SECONDS) as writer:
                run = await writer.run(sessions.start_run, "levity", "test", at, True)
                await writer.run(_begin_billing, at)
                central = Central(config, writer, lambda: self.now, set(), set(), True, hooks, run)
                central.ready.set()
                async with trio.open_nursery() as nursery:
                    serve = partial(
                        trio.serve_tcp, partial(serve_connection, central), 0, host="127.0.0.1"
                    )
                    (listener,) = await nursery.start(serve)
                    port = listener.socket.getsockname()[1]
                    async with open_websocket(
                        "127.0.0.1", port, "/CP-1", use_ssl=False, subprotocols=["ocpp1.6"]
                    ) as ws:
                        yield Charger(ws)
                    nursery.cancel_scope.cancel()

    async def charge(self, charger: Charger) -> None:
        """Charge once: a start, the readings, and a stop."""
        start = {"connectorId": 1, "idTag": TAG, "meterStart": self.wh, "timestamp": self._at()}
        transaction = (await charger.call("StartTransaction", start))["transactionId"]
        for _ in range(READINGS):
            self.now += timedelta(minutes=MINUTES_APART)
            self.wh += WATTS * MINUTES_APART // 60
            samples = [
                {"value": str(self.wh), "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
                {"value": str(WATTS), "measurand": "Power.Active.Import", "unit": "W"},
            ]
            values = {"timestamp": self._at(), "sampledValue": samples}
            await charger.call(
                "MeterValues",
                {"connectorId": 1, "transactionId": transaction, "meterValue": [values]},
            )
        stop = {
            "transactionId": transaction,
            "idTag": TAG,
            "meterStop": self.wh,
            "timestamp": self._at(),
        }
        await charger.call("StopTransaction", stop | {"reason": "Local"})
        self.now += timedelta(minutes=MINUTES_APART)

    def _at(self) -> str:
        """Return the time of the charger's clock, in whole seconds; its message is received a
        moment later."""
        at = self.now.replace(microsecond=0)
        self.now = at + timedelta(seconds=1.3)
        return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _begin_billing(db: UnitOfWork, at: str) -> None:
    """Add a household with the card, and a tariff for all."""
    said, since = Said(at, "owner", None), "2026-01-01T00:00:00.000Z"
    account = accounts.add(
        db, AccountData(name="Anna", address="Street 1", since=since), at, "owner"
    )
    card = NamedThing(Thing(What.TAG, Policy().key(TAG)), TAG)
    ownership.give(db, account, card, TimeSpan(since, None), said)
    tariff = tariffs.add(db, tariffs.GivenVersion(TARIFF, parse(TARIFF)), None, said).id
    tariffs.assign(
        db,
        tariffs.Assigning(TariffTarget(Scope.SITE, ""), tariff, date(2026, 1, 1), since),
        None,
        said,
    )
    ledger.begin_billing(db, date(2026, 3, 1), at, "owner")


async def _charge(ways: Sequence[Way], folder: Path) -> None:
    site = Site()
    with trio.fail_after(LONGEST_SECONDS):
        async with site.open_charger(folder) as charger:
            await site.charge(charger)
            for way in ways:
                way.is_awaited = True
            await site.charge(charger)


def trace() -> dict[str, Way]:
    """Return the ways of the three messages."""
    ways = {action: Way(action) for action in ACTIONS}

    def note(frame: FrameType, event: str, argument: object) -> None:
        for way in ways.values():
            way.note(frame, event, argument)

    with tempfile.TemporaryDirectory() as folder:
        threading.setprofile(note)  # for the writer's thread, which begins later:
        # an idle one, of what this process did before, would not be traced
        THREAD_CACHE._idle_workers.clear()
        sys.setprofile(note)
        try:
            trio.run(_charge, list(ways.values()), Path(folder))
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
    return ways


def main() -> None:
    """Print the figures, and with `--list` the functions."""
    parser = argparse.ArgumentParser(
        description="count the files and the functions on the way of a message"
    )
    parser.add_argument(
        "--list", action="store_true", help="name the functions in the order of their first calls"
    )
    is_list = parser.parse_args().list
    ways = trace()
    for action, way in ways.items():
        print(f"{action}: {way}")
        for function in way.functions if is_list else ():
            print(f"  {function.file}: {function.name}")
    stop, start = (ways[action].statements for action in ("StopTransaction", "StartTransaction"))
    print(f"SQL statements of an honest stop / of a start after it: {stop} / {start}")


if __name__ == "__main__":
    main()
