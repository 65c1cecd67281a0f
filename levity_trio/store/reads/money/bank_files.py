"""What lines of a bank's file are compared with: what households owe and paid, which lines were
decided before, and the columns that were chosen."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Final, NamedTuple

from levity_trio.bank.matching import BookedSum, Books, UnpaidStatement
from levity_trio.store.engine.database import Database, rows_of

_OPEN: Final = (
    "SELECT account_id, printed_number, asked - paid FROM settlement "
    "JOIN statement ON statement.id = statement_id "
    "WHERE paid < asked ORDER BY number"
)
_PAYMENTS: Final = (
    "SELECT ledger.account_id, "
    "coalesce('statement:' || printed_number, 'account:' || ledger.account_id), amount, paid_on "
    "FROM ledger LEFT JOIN statement ON statement.id = statement_id "
    "WHERE kind IN ('payment', 'top-up', 'chargeback') ORDER BY ledger.id"
)
_DECIDED: Final = (
    "SELECT digest, CASE WHEN ledger_id IS NULL THEN 'nobody' ELSE 'entered' END, reference "
    "FROM bank_line ORDER BY decided_at, digest"
)
_KNOWN: Final = (
    "SELECT payer, account_id FROM bank_line "
    "JOIN ledger ON ledger.id = ledger_id "
    "WHERE payer IS NOT NULL"
)


def books(db: Database) -> Books:
    """Return all households, what they owe, and what they paid."""
    rows = rows_of(db)
    unpaid = [UnpaidStatement(*row) for row in rows(_OPEN, ())]
    known: dict[str, set[int]] = defaultdict(set)
    for payer, account in rows(_KNOWN, ()):
        known[payer].add(account)
    return Books(
        names=dict(rows("SELECT id, name FROM account ORDER BY name", ())),
        open=unpaid,
        payments=[BookedSum(*row) for row in rows(_PAYMENTS, ())],
        known=known,
    )


class DecidedBefore(NamedTuple):
    """How a line was decided before, and the bank's own reference."""

    state: str
    reference: str | None


def decided_lines(db: Database) -> Mapping[str, DecidedBefore]:
    """Return how lines were decided before, by their keys."""
    return {key: DecidedBefore(*row) for key, *row in rows_of(db)(_DECIDED, ())}


def kept_columns(db: Database) -> Mapping[str, Mapping[str, str]]:
    """Return the columns that were chosen, by what they are, for each digest of a head."""
    rows = rows_of(db)("SELECT head, columns FROM bank_columns", ())
    return {head: json.loads(columns) for head, columns in rows}
