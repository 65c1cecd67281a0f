"""Checks closed statements: that nothing of them was changed, that their sums are right, and that
the ledger agrees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

import orjson

from levity_trio.billing.money import CURRENCIES, minor_units, tax_sums
from levity_trio.billing.statement import Line
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
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.reads.transactions.signed import is_contradicted

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
    for statement, number, content, of_party, previous, digest, party, *figures in db.execute(
        _STATEMENTS
    ):
        positions = db.execute(POSITIONS, (statement,)).fetchall()
        is_content = content == content_of(figures, positions)
        if not is_content or seal_of(number, content, of_party, previous) != digest:
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
