"""Checks a copy, or a database on PostgreSQL: whether it is whole, what this program wrote, and
plausible.

CHECKS lists what is checked. Statements are the same for both stores; `Examined` has what is not.

The numbers of statements after a restore: those of the lost time are on paper, and are never
given out again.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from fractions import Fraction
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import orjson

from levity_trio.billing.money import CURRENCIES, minor_units, tax_sums
from levity_trio.billing.statement import Line
from levity_trio.config import EnvironmentProblem
from levity_trio.config.settings import DatabaseAddress
from levity_trio.store.billing.booking import compared, rule_of_book
from levity_trio.store.billing.numbering import NEWEST_WITH
from levity_trio.store.billing.rows import lines_of, taxes_text
from levity_trio.store.billing.sealing import differing, newest_of
from levity_trio.store.billing.statements import (
    BEGINNING,
    FIGURES,
    POSITIONS,
    Figures,
    PositionRow,
    content_of,
    party_digest,
    seal_of,
)
from levity_trio.store.engine.database import Database, DatabaseConnection, rows_of
from levity_trio.store.engine.faults import advice
from levity_trio.store.engine.file_store import FileDatabase
from levity_trio.store.engine.opening import of_postgresql
from levity_trio.store.engine.schema import FOLDER, model, newest_version, tokens
from levity_trio.store.keeping.copies import Content, content, open_copy
from levity_trio.store.reads.transactions.explain import is_contradicted

_LAST: Final = (
    "SELECT next_number - 1, coalesce((SELECT printed_number FROM statement "
    "WHERE number IS NOT NULL ORDER BY number DESC LIMIT 1), '') FROM billing"
)


class LastNumber(NamedTuple):
    """The number of the last statement, and as it is printed; an empty text if there is none."""

    number: int
    printed: str


class Numbers(NamedTuple):
    """The last number that a copy has given out, and the last one that was given out at all."""

    held: int
    last: LastNumber


def last_number(db: Database) -> LastNumber | None:
    """Return the number of the last statement; None if billing has not begun."""
    found = db.execute(_LAST).fetchall()
    return LastNumber(*found[0]) if found else None


def lost_statements(copy: Database, told: str | None, known: LastNumber) -> Numbers | None:
    """Return the numbers of a copy whose owner names the last one, as it is printed; None if
    billing has not begun in it.

    `known` is the last one of the database that it replaces. Raises EnvironmentProblem.
    """
    held = last_number(copy)
    if held is None:
        if told is not None:
            raise EnvironmentProblem(
                "billing has not begun in the backup; restore it without --last-statement"
            )
        return None
    known = max(held, known)
    shown = known.printed or str(known.number)
    if told is None:
        raise EnvironmentProblem(
            "numbers of statements are never used twice, and some may have been closed after the "
            "backup: give the highest one that was closed or printed; the highest that is known "
            f"here is --last-statement {shown}"
        )
    last = LastNumber(_number_of(copy, told, known, held.number), told)
    if last.number < known.number:
        raise EnvironmentProblem(
            f"statement {shown} is known here; give --last-statement {shown} or more"
        )
    return Numbers(held.number, last)


def _number_of(copy: Database, told: str, known: LastNumber, held: int) -> int:
    """Return which number a printed one is. Those that begin as it does follow each other without a
    gap; if none is known, they are taken for the next."""
    prefix, digits = _parted(told)
    if not digits.isdecimal():
        raise EnvironmentProblem(f"{told} is no number of a statement, such as 214 or 2026-214")
    if not prefix:
        return int(digits)
    found = copy.execute(NEWEST_WITH, (prefix,)).fetchall()
    for number, printed in [known, *found]:
        begins, count = _parted(printed)
        if begins == prefix:
            return int(number) + int(digits) - int(count)
    return held + int(digits)


def _parted(printed: str) -> tuple[str, str]:
    prefix = printed.rstrip("0123456789")
    return prefix, printed.removeprefix(prefix)


def skip_statements(connection: DatabaseConnection, numbers: Numbers, at: str) -> None:
    """Let the numbers of statements go on behind the last one, and say which are missing."""
    last = numbers.last
    if last.number > numbers.held:
        connection.execute("UPDATE billing SET next_number = ?", (last.number + 1,))
        connection.execute(
            "INSERT INTO lost_statements (first, last, restored_at, printed) VALUES (?, ?, ?, ?)",
            (numbers.held + 1, last.number, at, last.printed),
        )


_STATEMENTS: Final = (
    "SELECT id, number, content, party_digest, previous_digest, digest, party, "  # noqa: S608 - our own names
    f"{', '.join(FIGURES)} "
    "FROM statement LEFT "
    "JOIN statement_party ON statement_id = statement.id "
    "WHERE number IS NOT NULL ORDER BY number"
)
_EVIDENCE: Final = (
    "SELECT number, evidence, evidence_until, removed_at, keep_years "
    "FROM statement LEFT JOIN statement_party ON statement_id = statement.id "
    "LEFT JOIN personal_deletion ON personal_deletion.account_id = statement.account_id "
    "WHERE number IS NOT NULL ORDER BY number"
)
_SIGNED: Final = (
    "SELECT number, evidence_until, tx_id, signed, energy_wh FROM statement "
    "CROSS JOIN position ON statement_id = statement.id "
    "WHERE number IS NOT NULL AND kind = 'session' "
    "AND length(signed) = 64 ORDER BY number, position.id"
)
_SHEET: Final = "SELECT sheet FROM statement_party WHERE statement_id = ?"
_SUPPLEMENTS: Final = (
    "SELECT account_id, month, party_digest, previous_digest, digest, party, sheet "
    "FROM supplement ORDER BY id"
)
_CLOSINGS: Final = (
    "SELECT closing.month, closing.statements, closing.previous_digest, closing.digest, "
    "count(statement.id), (SELECT digest FROM statement WHERE closing_id = closing.id "
    "ORDER BY number DESC LIMIT 1) "
    "FROM closing LEFT JOIN statement ON closing_id = closing.id "
    "GROUP BY closing.id ORDER BY closing.id"
)
_LEDGER: Final = (
    "SELECT account.id, (SELECT coalesce(sum(charged), 0) FROM statement "
    "WHERE account_id = account.id AND number IS NOT NULL), (SELECT coalesce(sum(amount), 0) "
    "FROM ledger WHERE account_id = account.id AND (kind = 'statement' OR (kind = 'charge' "
    "AND EXISTS (SELECT 1 FROM position JOIN statement ON statement.id = position.statement_id "
    "WHERE position.tx_id = ledger.tx_id AND position.account_id = ledger.account_id "
    "AND number IS NOT NULL AND position.kind IN ('session', 'free'))))) "
    "FROM account"
)


class StatementEvidence(NamedTuple):
    """What of the evidence of a statement is not as it was sealed, as `sealing.differing` says it.
    Its names were removed at a time after so many years of keeping."""

    statement: int
    differing: Sequence[tuple[int, str]]
    names_removed_at: str | None
    keep_years: int | None


def evidence(db: Database) -> Iterator[StatementEvidence]:
    """Yield what has become of the evidence of each statement."""
    rows = rows_of(db)
    for number, digest, until, removed_at, years in rows(_EVIDENCE, ()):
        found = differing(rows, digest, until)
        yield StatementEvidence(number, found, removed_at, years if removed_at else None)


def contradicted(db: Database) -> Iterator[str]:
    """Where a statement says that energy is signed and checked, it is."""
    rows = rows_of(db)
    for number, until, transaction, fingerprint, wh in rows(_SIGNED, ()):
        newest = newest_of(until).meter_val
        if is_contradicted(rows, transaction, fingerprint, wh, newest):
            yield (
                f"statement {number}: the meter did not sign the energy of session {transaction} "
                "that is billed"
            )


def sealed(db: Database) -> Iterator[str]:
    """Each statement is as it was when it was closed, and follows the one before."""
    before, expected = BEGINNING, 1
    lost = dict(db.execute("SELECT first, last FROM lost_statements").fetchall())
    for statement, number, kept, of_party, previous, digest, party, *figures in db.execute(
        _STATEMENTS
    ):
        positions = db.execute(POSITIONS, (statement,)).fetchall()
        is_content = kept == content_of(figures, positions)
        if not is_content or seal_of(number, kept, of_party, previous) != digest:
            yield f"statement {number} was changed after it was closed"
        if party is not None:
            yield from _changed_texts(db, statement, number, of_party, party)
        while expected in lost:
            expected = lost[expected] + 1
        if number != expected:
            yield f"there is no statement {expected}"
        elif previous != before:
            yield f"statement {number} does not follow the one before: one of them was made later"
        before, expected = digest, number + 1
    yield from _closings(db)
    yield from _supplements(db)


def _changed_texts(
    db: Database, statement: int, number: int, of_party: str, party: str
) -> Iterator[str]:
    """The names on a statement, and what it says, are as they were when it was closed."""
    if party_digest(party) != of_party:
        yield f"the names on statement {number} were changed after it was closed"
        return
    ((sheet,),) = db.execute(_SHEET, (statement,)).fetchall()
    if not _is_sheet(party, sheet):
        yield f"what statement {number} says was changed after it was closed"


def _is_sheet(party: str, sheet: str) -> bool:
    names = orjson.loads(party)
    return bool(party_digest(f"{names['salt']}{sheet}") == names["sheet"])


def _supplements(db: Database) -> Iterator[str]:
    """What was added to papers is as it was then, and none is missing between two others."""
    before = BEGINNING
    for account, month, of_party, previous, digest, party, sheet in db.execute(_SUPPLEMENTS):
        is_own = seal_of(account, month, of_party, previous) == digest and previous == before
        has_names = party is None or (party_digest(party) == of_party and _is_sheet(party, sheet))
        if not is_own or not has_names:
            yield f"what was added to the papers of {month} of account {account} was changed"
        before = digest


def _closings(db: Database) -> Iterator[str]:
    before = BEGINNING
    for month, told, previous, digest, count, last in db.execute(_CLOSINGS):
        if told != count or digest != (last or previous) or previous != before:
            yield f"the closing of {month} was changed: it has {count} statements, and had {told}"
        before = digest


def sums(db: Database) -> Iterator[str]:
    """Lines, positions, taxes and totals of each statement add up, and its ledger has the same."""
    for statement, number, _, _, _, _, _, *values in db.execute(_STATEMENTS):
        figures = Figures(*values)
        positions = [PositionRow(*row) for row in db.execute(POSITIONS, (statement,))]
        yield from (f"statement {number}: {words}" for words in _wrong_sums(figures, positions))
    for account, charged, entered in db.execute(_LEDGER):
        if charged + entered:
            yield (
                f"account {account}: its statements ask for {charged}, and its ledger has "
                f"{-entered} of them"
            )


def _is_sum(line: Line, currency: str) -> bool:
    exact = sum((one.cost for one in line.quarters), Fraction())
    is_all = line.quantity == sum(one.wh for one in line.quarters)
    return is_all and line.amount == minor_units(exact, CURRENCIES[currency])


def _wrong_sums(figures: Figures, positions: list[PositionRow]) -> Iterator[str]:
    is_gross = figures.prices == "gross"
    by_way: dict[int, list[Line]] = {0: [], 1: []}
    for one in positions:
        lines = lines_of(one.lines)
        by_way[one.is_prepaid] += lines
        if one.amount != sum(line.amount for line in lines):
            yield "a position is not the sum of its lines"
        if any(line.quarters and not _is_sum(line, figures.currency) for line in lines):
            yield "a line is not the sum of its quarters of an hour"
    claimed, prepaid = (tax_sums(by_way[way], are_gross=is_gross) for way in (0, 1))
    if taxes_text(claimed) != figures.taxes:
        yield f"its taxes are not those of its lines: {orjson.loads(figures.taxes)}"
    total = sum(tax.gross for tax in claimed)
    if figures.total != total + figures.carried_in:
        yield (
            f"its total is {figures.total}; lines and what was carried come to "
            f"{total + figures.carried_in}"
        )
    if figures.charged != total + sum(tax.gross for tax in prepaid):
        yield "the ledger was asked for another sum"


GUARD: Final = re.compile(
    r"BEFORE INSERT ON (\w+)\s+WHEN\s(.*?)\sBEGIN\s+SELECT RAISE\(ABORT,\s+'([^']*)'\)", re.DOTALL
)


class CheckSubject(NamedTuple):
    """What a check looks at: a database, and an empty one of its version in memory. `newest` is the
    newest version that is known. `evidence` is filled by the check of this name."""

    examined: Examined
    model: sqlite3.Connection
    newest: int
    evidence: list[StatementEvidence]

    @property
    def db(self) -> Database:
        return self.examined.db


class Check(NamedTuple):
    """One kind of problem. `find` yields a line for each, and may raise sqlite3.Error where a page
    is damaged."""

    name: str
    find: Callable[[CheckSubject], Iterable[str]]


class CheckProblem(NamedTuple):
    """A problem, and the name of the check that found it."""

    check: str
    text: str


class CheckReport(NamedTuple):
    """What was found. `content` is None if the database is too damaged to be read. `unchecked`:
    what no check asked for, and which tool does.
    """

    content: Content | None
    checks: Sequence[str]
    problems: Sequence[CheckProblem]
    unchecked: Sequence[str]
    evidence: Sequence[StatementEvidence]


def check(
    address: DatabaseAddress, told: Callable[[str], None], folder: Path = FOLDER
) -> CheckReport:
    """Check a file that nobody writes to, or a database on PostgreSQL at one moment, without
    changing anything. `told` is called with the name of each check.

    Raises:
        EnvironmentProblem: it cannot be checked: the file is in use or incomplete, it is not a
        database of ours.
    """
    try:
        with (
            _opened(address, folder) as examined,
            closing(model(examined.db.version(), folder)) as empty,
        ):
            subject = CheckSubject(examined, empty, newest_version(folder), [])
            problems = []
            for one in CHECKS:
                told(one.name)
                problems += [CheckProblem(one.name, text) for text in _found(one, subject)]
            return CheckReport(
                _content(subject),
                [one.name for one in CHECKS],
                problems,
                examined.unchecked,
                subject.evidence,
            )
    except sqlite3.Error as error:
        raise EnvironmentProblem(f"cannot check {address}: {error}{advice(error)}") from error


def _opened(address: DatabaseAddress, folder: Path) -> AbstractContextManager[Examined]:
    if isinstance(address, Path):
        return _opened_file(address, folder)
    opened: AbstractContextManager[Examined] = of_postgresql("checking").open_examined(
        address, folder
    )
    return opened


@contextmanager
def _opened_file(path: Path, folder: Path) -> Iterator[Examined]:
    with open_copy(path, folder) as connection:
        before = path.stat().st_mtime_ns
        try:
            yield ExaminedFile(connection)
        finally:
            if path.stat().st_mtime_ns != before:  # what was read is of no one moment
                raise EnvironmentProblem(
                    f"{path} was written to meanwhile, for example by a server that migrates it; "
                    "stop that, or make a copy with backup first"
                )


def _found(check: Check, subject: CheckSubject) -> list[str]:
    lines: list[str] = []
    try:
        lines.extend(
            " ".join(text.split()) for text in islice(check.find(subject), MOST_PROBLEMS + 1)
        )
    except sqlite3.DatabaseError as error:
        subject.examined.recover(error)
        lines.append(f"cannot be read: {error}")
    return lines if len(lines) <= MOST_PROBLEMS else [*lines[:MOST_PROBLEMS], "and more"]


def _content(subject: CheckSubject) -> Content | None:
    try:
        return content(subject.db)
    except sqlite3.DatabaseError as error:
        subject.examined.recover(error)
        return None


def _integrity(subject: CheckSubject) -> Iterable[str]:
    return subject.examined.integrity()


def _references(subject: CheckSubject) -> Iterator[str]:
    """What a row refers to exists, also where the database has lost the constraint."""
    tables = (
        "SELECT name FROM sqlite_schema "
        "WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' "
        "ORDER BY 1"
    )
    keys = 'SELECT "from", "table", "to" FROM pragma_foreign_key_list(?) ORDER BY id'
    for (table,) in subject.model.execute(tables).fetchall():
        for column, parent, key in subject.model.execute(keys, (table,)).fetchall():
            lost = (
                f"SELECT * FROM {table} AS child "  # noqa: S608 - ours
                f"WHERE child.{column} IS NOT NULL AND NOT EXISTS (SELECT 1 "
                f"FROM {parent} AS parent WHERE parent.{key} = child.{column}) "
                f"LIMIT {MOST_PROBLEMS + 1}"
            )
            for number, *_ in subject.db.execute(lost):
                yield f"row {number} of {table} refers to a row of {parent} that is missing"


def _schema(subject: CheckSubject) -> Iterator[str]:
    """Compare with what this version creates: an added trigger can change bills."""
    version = subject.db.version()
    if version > subject.newest:
        yield f"schema {version} is of no version of this program"
        return
    expected, stored = subject.examined.definitions(subject.model)
    for name, definition in expected.items():
        if name not in stored:
            yield f"schema {version} is incomplete: {name} is missing"
        elif stored[name] != definition:
            yield f"{name} is not as schema {version} defines it"
    for name in sorted(stored.keys() - expected.keys()):
        yield f"{name} is not in schema {version}; somebody added it"


def check_schema(examined: Examined, name: object, folder: Path = FOLDER) -> None:
    """Refuse a database with another schema than that of its version. Raises EnvironmentProblem,
    sqlite3.Error."""
    with closing(model(examined.db.version(), folder)) as empty:
        subject = CheckSubject(examined, empty, newest_version(folder), [])
        problem = next(iter(_schema(subject)), None)
    if problem is not None:
        raise EnvironmentProblem(
            f"{name} was changed by another program: {problem}. Give another backup, or undo it "
            "in a copy of this one; levity-trio check lists all"
        )


def _guarded(subject: CheckSubject) -> Iterator[str]:
    """Ask all rows what the triggers of their schema ask of a new one, such as a figure where it is
    completed.

    A trigger that looks at other rows is left out: it would find the row itself.
    """
    triggers = subject.model.execute(
        "SELECT sql FROM sqlite_schema WHERE type = 'trigger'"
    ).fetchall()
    for table, condition, text in (
        found.groups() for (sql,) in triggers if (found := GUARD.search(sql))
    ):
        if "SELECT" not in condition:
            impossible = f"SELECT * FROM {table} AS NEW WHERE {condition} LIMIT {MOST_PROBLEMS + 1}"  # noqa: S608 - ours
            for key, *_ in subject.db.execute(impossible):
                yield f"row {key} of {table}: {text}"


def _ids(subject: CheckSubject) -> Iterator[str]:
    """An id that was given out is never given out again."""
    for table, last, given in subject.examined.ids():
        if last > given:
            yield f"{table} would use ids up to {last} again"


def _tariffs(subject: CheckSubject) -> Iterator[str]:
    """The texts of tariffs are those that were given."""
    for number, toml, digest in subject.db.execute("SELECT id, toml, digest FROM tariff_version"):
        if sha256(toml.encode()).hexdigest() != digest:
            yield f"row {number} of tariff_version: the text is not the one that was added"


def _evidence(subject: CheckSubject) -> Iterator[str]:
    """What is stored of the sessions of a closed statement is as it was then."""
    subject.evidence.extend(evidence(subject.db))
    for one in subject.evidence:
        for session, part in one.differing or ():
            of_session = f" of session {session}" if session else ""
            yield f"statement {one.statement}: the {part}{of_session} changed since it was closed"
    if not any(one.differing for one in subject.evidence):
        yield from contradicted(subject.db)


def _booked(subject: CheckSubject) -> Iterator[str]:
    """The book says what it would say if all were booked anew."""
    rows = rows_of(subject.db)
    for number, account in rows("SELECT tx_id, account_id FROM to_book WHERE step = 2", ()):
        of = f"session {number}" if account is None else f"the sum of household {account}"
        yield f"{of} could not be booked"
    rule, after = rule_of_book(rows), 0
    while rule is not None:
        differing, after = compared(rows, rule, after)
        yield from (
            f"session {number} is booked otherwise than by what is stored of it"
            for number in differing
        )
        if not after:
            return


CHECKS: Final = (
    Check("integrity", _integrity),
    Check("references", _references),
    Check("schema", _schema),
    Check("transactions", _guarded),
    Check("ids", _ids),
    Check("tariffs", _tariffs),
    Check("seals", lambda subject: sealed(subject.db)),
    Check("evidence", _evidence),
    Check("sums", lambda subject: sums(subject.db)),
    Check("book", _booked),
)
"""Everything that a database is checked for, in this order."""


MOST_PROBLEMS: Final = 10
"""The problems of one check that are told; the rest is only counted."""


class GivenIds(NamedTuple):
    """The highest id in a table, and the highest one that its counter has given out."""

    table: str
    last: int
    given: int


class Definitions(NamedTuple):
    """The objects of a schema by their names, as a model of SQLite has them, and as the database
    has them."""

    expected: Mapping[str, object]
    found: Mapping[str, object]


class Examined(Protocol):
    """A database that is checked. All its reads are of one moment."""

    @property
    def db(self) -> Database: ...

    @property
    def unchecked(self) -> Sequence[str]:
        """What was not checked, and which tool does it; complete after the checks."""

    def recover(self, error: sqlite3.DatabaseError) -> None:
        """Let the next check go on after an error. Raises it again if the reads have failed, and
        not what was read."""

    def integrity(self) -> Iterable[str]:
        """Yield what cannot be read, and indexes that differ from their tables."""

    def definitions(self, model: sqlite3.Connection) -> Definitions:
        """Return what is expected by an empty database in memory, and what is there."""

    def ids(self) -> Iterator[GivenIds]:
        """Yield the tables whose ids are counted."""


def numbered(connection: sqlite3.Connection) -> set[str]:
    """Return the tables whose ids are never used twice."""
    tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'"
    return {name for (name,) in connection.execute(tables).fetchall()}


LITESTREAMS: Final = frozenset({"_litestream_lock", "_litestream_seq"})
"""The tables that Litestream adds to a database that it copies."""


class ExaminedFile:
    """A file that nobody writes to."""

    unchecked: Sequence[str] = ()

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.db = FileDatabase(connection)

    def recover(self, error: sqlite3.DatabaseError) -> None:
        """Do nothing: the file itself is what cannot be read, and that has no effect on the next
        read."""

    def integrity(self) -> Iterator[str]:
        """Every page and index, and the types and CHECK constraints of every row."""
        for (text,) in self._connection.execute(f"PRAGMA integrity_check({MOST_PROBLEMS + 1})"):
            if text != "ok":
                yield text

    def definitions(self, model: sqlite3.Connection) -> Definitions:
        return Definitions(_objects(model), _objects(self._connection))

    def ids(self) -> Iterator[GivenIds]:
        sequences = dict(
            self._connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
        )
        for table in sorted(numbered(self._connection)):
            highest = f"SELECT coalesce(max(rowid), 0) FROM {table}"  # noqa: S608 - a table of this file
            ((last,),) = self._connection.execute(highest).fetchall()
            yield GivenIds(table, last, sequences.get(table, 0))


def _objects(connection: sqlite3.Connection) -> Mapping[str, object]:
    """Return the definition of each object, which has all constraints of a table, without
    Litestream's notes to itself."""
    named = (
        "SELECT type, name, sql FROM sqlite_schema "
        "WHERE name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name"
    )
    return {
        f"{kind} {name}": tokens(str(definition))
        for kind, name, definition in connection.execute(named).fetchall()
        if name not in LITESTREAMS
    }
