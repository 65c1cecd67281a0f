"""The history in a database of Levity, part by part: rows for an import, and what is odd about
them.

Nothing is guessed silently: each row is imported, or told as left out; what was understood
otherwise than it stands there is told, too.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, NamedTuple

from levity_trio.records import record
from levity_trio.store.reads.levity.old_file import (
    FIRST,
    is_identity,
    number_text,
    payload_of,
    text_of,
    time_of,
    whole,
)
from levity_trio.store.reads.levity.rows import ChargerRow, ErrorRow, ReadingRow, TransactionRow
from levity_trio.told import Bare, Moment, Quantity, Told, joined, stored

PART_ROWS: Final = 500
TABLES: Final = {
    "chargers": "cp",
    "transactions": "tx",
    "readings": "meter_val",
    "errors": "cp_err",
}
"""The table of each kind of rows."""


class Odd(NamedTuple):
    """Something odd about a row. `is_left_out`: the row was not imported."""

    table: str
    id: int | str
    charger: str | None
    code: str
    words: str
    is_left_out: bool = False


@record(kw_only=False)
class HistoryPart:
    """Some rows of one kind, `read` from the old database, and what was odd about them."""

    kind: str
    read: int
    rows: Sequence[Any]
    odd: Sequence[Odd]


@dataclass(slots=True)
class _OldRow:
    """A row of an old table while it is understood; columns that an older Levity lacks are None."""

    table: str
    values: Mapping[str, Any]
    odd: list[Odd] = field(default_factory=list)

    def note(self, code: str, words: str, *, is_left_out: bool = False) -> None:
        charger = self.values.get("id" if self.table == "cp" else "cp_id")
        self.odd.append(
            Odd(self.table, self.values["id"], text_of(charger), code, words, is_left_out)
        )

    def text(self, name: str) -> str | None:
        return text_of(self.values.get(name))

    def time(self, name: str, instead: str | None) -> str | None:
        """Return a time, else the one `instead` of it."""
        stored = self.values.get(name)
        moment = time_of(stored)
        if moment is None:
            self.note(
                "bad_time", f"{name} is no time: {stored!r}; {instead or 'nothing'} stands for it"
            )
        elif moment < FIRST:
            self.note("early_time", f"{name} is before 2021: {stored}")
        return moment or instead

    def number(self, name: str) -> int | None:
        stored = self.values.get(name)
        figure = whole(stored)
        if stored is not None and figure is None:
            self.note("bad_number", f"{name} is no number: {stored!r}")
        return figure


class LevityHistory:
    """The history in an open database. Its parts are read once, in the order of the methods."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: set[str] = set()
        self._left_out: set[object] = set()
        self._numbers: dict[object, tuple[object, int]] = {}
        self._listed: set[tuple[object, int]] = set()
        self._transactions: dict[int, tuple[str, int | None]] = {}
        tables = {
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        }
        self.totals = {
            kind: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
            if table in tables
            else 0
            for kind, table in TABLES.items()
        }
        self.connectors: int = connection.execute("SELECT count(*) FROM cp_conn").fetchone()[0]

    # Chargers and connectors

    def chargers(self) -> Iterator[HistoryPart]:
        """Yield the chargers, those that only other rows name, and what is odd about connectors."""
        self._known = {row[0] for row in self._connection.execute("SELECT id FROM cp")}
        for rows in self._slices("cp"):
            found = [(row, charger) for row in rows if (charger := self._charger(row)) is not None]
            yield HistoryPart(
                "chargers", len(rows), [charger for _, charger in found], _odd_of(rows)
            )
        unnamed = [row for name in self._unnamed() for row in [_OldRow("cp", {"id": name})]]
        added = [charger for row in unnamed if (charger := self._stranger(row)) is not None]
        yield HistoryPart("chargers", 0, added, _odd_of(unnamed))
        yield HistoryPart("chargers", 0, [], _odd_of(self._read_connectors()))

    def _charger(self, row: _OldRow) -> ChargerRow | None:
        name = row.values["id"]
        if not is_identity(name):
            self._left_out.add(name)
            row.note("bad_identity", f"no charger can have the identity {name!r}", is_left_out=True)
            return None
        return ChargerRow(name, *(row.text(column) for column in ChargerRow._fields[1:]))

    def _unnamed(self) -> list[object]:
        """Return the chargers of rows whose charger is not in cp: Levity does not enforce its
        foreign keys."""
        every = [f"SELECT cp_id FROM {table}" for kind, table in TABLES.items() if self._has(kind)]  # noqa: S608 - ours
        found = {
            name
            for (name,) in self._connection.execute(" UNION ".join(every or ["SELECT 1 WHERE 0"]))
        }
        return sorted(found - self._known, key=str)

    def _has(self, kind: str) -> bool:
        return kind != "chargers" and self.totals[kind] > 0

    def _stranger(self, row: _OldRow) -> ChargerRow | None:
        added = self._charger(row)
        if added is not None:
            row.note(
                "unknown_charger",
                "it has history, but is not in cp; it is added with its identity only",
            )
        return added

    def _read_connectors(self) -> list[_OldRow]:
        rows = [row for slice_of in self._slices("cp_conn") for row in slice_of]
        for row in rows:
            number = whole(row.values["conn_id"])
            if number is None or number < 0:
                row.note(
                    "bad_connector",
                    f"conn_id is no connector: {row.values['conn_id']!r}",
                    is_left_out=True,
                )
            else:
                self._numbers[row.values["id"]] = row.values["cp_id"], number
                self._listed.add((row.values["cp_id"], number))
        return rows

    # Transactions

    def transactions(self) -> Iterator[HistoryPart]:
        """Yield the transactions. Their ids here are told by `told`."""
        registers = registers_of(self._connection)
        for rows in self._slices("tx"):
            found = [one for row in rows if (one := self._transaction(row, registers)) is not None]
            yield HistoryPart("transactions", len(rows), found, _odd_of(rows))

    def told(self, rows: Sequence[TransactionRow], ids: Sequence[int]) -> None:
        """Note the ids here of imported transactions, for their readings."""
        for row, number in zip(rows, ids, strict=True):
            self._transactions[row.imported_id] = row.charger, number

    def _transaction(self, row: _OldRow, registers: Registers) -> TransactionRow | None:
        if self._note_bad_identity(row):
            return None
        received_at = row.time("created_at", None)
        start_time = row.time("start_time", received_at)
        if start_time is None:
            row.note(
                "no_time",
                "it has neither a start nor a time at which it was stored",
                is_left_out=True,
            )
            return None
        doubts = registers.doubts(row.values)
        last_at = registers.last_at(row.values["id"])
        stop_time = self._stop_time(row, doubts, start_time, last_at)
        energy_wh = _energy(row, doubts)
        for code, words in doubts:
            row.note(code, words)
        for words in registers.overlaps_in_time(row.values["id"]):
            row.note("overlap_in_time", words)
        return TransactionRow(
            charger=row.values["cp_id"],
            imported_id=row.values["id"],
            connector=self._connector_of(row),
            id_tag=row.text("id_tag"),
            start_time=start_time,
            stop_time=stop_time,
            meter_start=row.number("meter_start"),
            meter_stop=row.number("meter_stop"),
            energy_wh=energy_wh,
            stop_reason=row.text("stop_reason"),
            received_at=received_at or start_time,
            stop_received_at=time_of(row.values.get("updated_at")) or received_at or stop_time,
            last_reading_at=last_at,
            payload=payload_of(dict(row.values)),
            doubts=[words for _, words in doubts],
            told=stored(joined("; ", (words for _, words in doubts))) if doubts else None,
        )

    def _stop_time(
        self, row: _OldRow, doubts: list[tuple[str, str]], start_time: str, last_at: str | None
    ) -> str:
        instead = max(start_time, last_at or "")
        if row.values.get("stop_time") is None:
            doubts.append(
                (
                    "open",
                    Told(
                        (
                            "it never ended in Levity; {1}, its last reading or start, stands for "
                            "its end"
                        ),
                        Moment(instead),
                    ),
                )
            )
            return instead
        stopped = row.time("stop_time", instead) or instead
        if stopped < start_time:
            doubts.append(
                ("ends_before_start", Told("it ended at {1}, before its start", Moment(stopped)))
            )
        return stopped

    def _connector_of(self, row: _OldRow) -> int | None:
        charger, number = self._numbers.get(row.values["cp_conn_id"], (None, None))
        if number is not None and charger == row.values["cp_id"]:
            return number
        row.note(
            "unknown_connector",
            f"its connector {row.values['cp_conn_id']!r} is none of its charger's in cp_conn",
        )
        return None

    # Readings and errors

    def readings(self) -> Iterator[HistoryPart]:
        """Yield the readings, once all transactions were told."""
        for rows in self._slices("meter_val"):
            found = [one for row in rows if (one := self._reading(row)) is not None]
            yield HistoryPart("readings", len(rows), found, _odd_of(rows))

    def _reading(self, row: _OldRow) -> ReadingRow | None:
        values = row.values
        if self._note_bad_identity(row):
            return None
        received_at = time_of(values.get("created_at"))
        timestamp, value = row.time("timestamp", received_at), self._value(row)
        connector = self._connector(row)
        if timestamp is None or value is None or connector is None:
            row.note("unusable", "it has no time, no value or no connector", is_left_out=True)
            return None
        return ReadingRow(
            values["cp_id"],
            values["id"],
            self._transaction_of(row),
            connector,
            received_at or timestamp,
            timestamp,
            text_of(values["timestamp"]),
            *(
                row.text("measurand") or "Energy.Active.Import.Register",
                value,
                row.text("unit") or "",
            ),
            *(row.text(name) or "" for name in ("context", "location", "phase", "format")),
        )

    def _value(self, row: _OldRow) -> str | None:
        """Return a value as Levity keeps it; one that is no number stays as it is."""
        value = row.values["value"]
        if isinstance(value, int | float):
            return number_text(value)
        if value is not None:
            row.note("text_value", f"its value is no number: {value!r}; it is kept as it is")
        return text_of(value)

    def _transaction_of(self, row: _OldRow) -> int | None:
        """Return the id here of the transaction of a reading."""
        old = row.values["tx_id"]
        if old is None:
            return None
        charger, number = self._transactions.get(old, (None, None))
        if number is None:
            row.note("orphan", f"there is no transaction {old!r}; it is kept without one")
        elif charger != row.values["cp_id"]:
            row.note("orphan", f"transaction {old} is of charger {charger}; it is kept without one")
            return None
        return number

    def _connector(self, row: _OldRow) -> int | None:
        """Return a connector as Levity writes it in readings and errors: its number, not the id of
        its row in cp_conn that the schema promises."""
        stored = row.values["cp_conn_id"]
        number = whole(stored)
        if number is None or number < 0:
            row.note("unknown_connector", f"its connector is no number: {stored!r}")
            return None
        if number == 0 or (row.values["cp_id"], number) in self._listed:
            return number
        charger, listed = self._numbers.get(number, (None, None))
        if listed is not None and charger == row.values["cp_id"]:
            row.note(
                "connector_by_row",
                f"connector {number} is none of its charger's; row {number} of cp_conn is {listed}",
            )
            return listed
        row.note(
            "unknown_connector",
            f"connector {number} is none of its charger's in cp_conn; it is kept as it is",
        )
        return number

    def errors(self) -> Iterator[HistoryPart]:
        """Yield the errors."""
        if not self.totals["errors"]:
            return
        for rows in self._slices("cp_err"):
            found = [one for row in rows if (one := self._error(row)) is not None]
            yield HistoryPart("errors", len(rows), found, _odd_of(rows))

    def _error(self, row: _OldRow) -> ErrorRow | None:
        if self._note_bad_identity(row):
            return None
        received_at = time_of(row.values.get("created_at"))
        timestamp = row.time("timestamp", received_at)
        if timestamp is None:
            row.note("no_time", "it has no time", is_left_out=True)
            return None
        if row.values.get("resolved_at") is None:
            row.note("unresolved", "it was never resolved in Levity; it ends with the import")
        connector = None if row.values.get("cp_conn_id") is None else self._connector(row)
        return ErrorRow(
            charger=row.values["cp_id"],
            imported_id=row.values["id"],
            connector=connector,
            error_code=row.text("error_code") or "",
            vendor_error_code=row.text("vendor_error_code"),
            error_description=row.text("error_description"),
            vendor_error_info=row.text("vendor_error_info"),
            timestamp=timestamp,
            resolved_at=None
            if row.values.get("resolved_at") is None
            else row.time("resolved_at", None),
            received_at=received_at or timestamp,
        )

    # All

    def _note_bad_identity(self, row: _OldRow) -> bool:
        """Note a row that is left out with its charger; return whether it is."""
        if row.values["cp_id"] not in self._left_out:
            return False
        row.note(
            "bad_identity",
            f"no charger can have the identity {row.values['cp_id']!r}",
            is_left_out=True,
        )
        return True

    def _slices(self, table: str) -> Iterator[list[_OldRow]]:
        cursor = self._connection.execute(f"SELECT * FROM {table} ORDER BY rowid")  # noqa: S608 - our own names
        names = [column for column, *_ in cursor.description]
        while found := cursor.fetchmany(PART_ROWS):
            yield [_OldRow(table, dict(zip(names, values, strict=True))) for values in found]


_NOTHING: Final = Quantity(0, "Wh")


def _wh(value: int) -> Quantity:
    return Quantity(value, "Wh")


def _energy(row: _OldRow, doubts: list[tuple[str, str]]) -> int:
    """Return the energy as Levity says, in Wh; 0 where that can be none."""
    stored = row.values.get("energy_delivered")
    energy = whole(stored)
    if energy is None:
        doubts.append(
            (
                "no_energy",
                Told("its energy is no number: {1}; {2} stand for it", repr(stored), _NOTHING),
            )
        )
    elif energy < 0:
        doubts.append(
            (
                "negative_energy",
                Told("its energy is negative, {1}; {2} stand for it", _wh(energy), _NOTHING),
            )
        )
    return max(0, energy or 0)


def _odd_of(rows: Iterable[_OldRow]) -> list[Odd]:
    return [odd for row in rows for odd in row.odd]


RESOLUTION_WH: Final = 100
"""The coarsest register of a usual charger: tenths of a kWh."""
_READINGS: Final = """
SELECT tx_id, max(timestamp), min(wh), max(wh) FROM (
    SELECT tx_id, timestamp, CASE WHEN measurand = 'Energy.Active.Import.Register'
        AND unit IN ('Wh', 'kWh')
        AND coalesce(phase, '') = '' AND location = 'Outlet'
            AND typeof(value) IN ('integer', 'real')
        THEN value * CASE unit WHEN 'kWh' THEN 1000 ELSE 1 END END AS wh
    FROM meter_val WHERE tx_id IS NOT NULL) GROUP BY tx_id"""


class RegisterSpan(NamedTuple):
    """The time when a transaction was read last, and the registers around it, in Wh."""

    last_at: str | None
    least_wh: int | None
    most_wh: int | None


class _One(NamedTuple):
    """A transaction among those of its connector. Registers in Wh."""

    start_time: str
    id: int
    stop_time: str | None
    begin: int | None
    end: int | None


class Registers:
    """The registers of all transactions."""

    def __init__(
        self,
        spans: Mapping[int, RegisterSpan],
        overlaps: Mapping[int, list[str]],
        late: Mapping[int, list[str]],
    ) -> None:
        self._spans = spans
        self._overlaps = overlaps
        self._late = late

    def last_at(self, transaction: int) -> str | None:
        """Return when a transaction was read last."""
        return self._spans[transaction].last_at if transaction in self._spans else None

    def overlaps_in_time(self, transaction: int) -> list[str]:
        """Return which later transaction began before the end of this one. That contradicts no
        register."""
        return self._late.get(transaction, [])

    def doubts(self, row: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return what the registers say against the energy of a row of tx, each with its code."""
        begin, end, energy = (
            whole(row.get(name)) for name in ("meter_start", "meter_stop", "energy_delivered")
        )
        doubts: list[tuple[str, str]] = [
            ("overlap", words) for words in self._overlaps.get(row["id"], ())
        ]
        if begin is not None and end is not None and energy is not None and energy != end - begin:
            words = Told(
                "its energy is {1}, but its registers are {2} and {3}",
                _wh(energy),
                Bare(begin, "Wh"),
                _wh(end),
            )
            doubts.append(("registers", words))
        span = self._spans.get(row["id"])
        if span is None or span.least_wh is None or span.most_wh is None or begin is None:
            return doubts
        # Some chargers count from 0 in the readings of each session.
        base = begin if span.most_wh >= begin else 0
        if base and span.least_wh < begin - RESOLUTION_WH:
            words = Told(
                "its register began at {1}, but a reading is {2}", _wh(begin), _wh(span.least_wh)
            )
            doubts.append(("readings", words))
        shown = span.most_wh - base
        if energy is not None and shown > energy + RESOLUTION_WH:
            words = Told("its energy is {1}, but its readings show {2}", _wh(energy), _wh(shown))
            doubts.append(("readings", words))
        return doubts


def registers_of(connection: sqlite3.Connection) -> Registers:
    """Read the registers of all transactions."""
    overlaps, late = defaultdict[int, list[str]](list), defaultdict[int, list[str]](list)
    for ones in _by_connector(connection).values():
        for before, after in pairwise(sorted(ones)):
            if (before.stop_time or before.start_time) > after.start_time:
                words = Told(
                    "it ended at {1}, after transaction {2} had begun",
                    before.stop_time or "",
                    after.id,
                )
                late[before.id].append(words)
            if (
                None not in (before.begin, before.end, after.begin)
                and before.begin < after.begin < before.end  # type: ignore[operator]
            ):
                told = Told(
                    "transaction {1} begins at {2}, within {3} to {4} of transaction {5}",
                    *(
                        after.id,
                        _wh(after.begin or 0),
                        Bare(before.begin or 0, "Wh"),
                        _wh(before.end or 0),
                        before.id,
                    ),
                )
                overlaps[before.id].append(told)
                overlaps[after.id].append(told)
    spans = {
        number: RegisterSpan(time_of(last_at), whole(least), whole(most))
        for number, last_at, least, most in connection.execute(_READINGS)
    }
    return Registers(spans, overlaps, late)


def _by_connector(connection: sqlite3.Connection) -> Mapping[object, list[_One]]:
    transactions = defaultdict[object, list[_One]](list)
    columns = "id, cp_id, cp_conn_id, start_time, created_at, stop_time, meter_start, meter_stop"
    for number, charger, connector, start, created, stop, begin, end in connection.execute(
        f"SELECT {columns} FROM tx"  # noqa: S608
    ):
        started = time_of(start) or time_of(created)
        if started is not None:
            transactions[charger, connector].append(
                _One(started, number, time_of(stop), whole(begin), whole(end))
            )
    return transactions
