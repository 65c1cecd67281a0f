"""What lines of a bank's file are compared with: what households owe and paid, which lines were
decided before, and the columns that were chosen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Final

from levity_trio.bank.matching import Books, Payment, UnpaidStatement
from levity_trio.billing.statement import printed_number
from levity_trio.store.engine.database import Database, rows_of

_OPEN: Final = (
    "SELECT statement.account_id, number, number_prefix, asked - paid FROM settlement "
    "JOIN statement ON statement.id = statement_id JOIN closing ON closing.id = closing_id "
    "LEFT JOIN biller ON biller.id = biller_id "
    "WHERE paid < asked ORDER BY number"
)
_PAYMENTS: Final = (
    "SELECT ledger.account_id, amount, paid_on, number FROM ledger "
    "LEFT JOIN statement ON statement.id = statement_id "
    "WHERE kind IN ('payment', 'top-up') ORDER BY ledger.id"
)
_KNOWN: Final = (
    "SELECT payer, account_id FROM bank_line "
    "JOIN ledger ON ledger.id = ledger_id "
    "WHERE payer IS NOT NULL ORDER BY ledger_id"
)


def books(db: Database) -> Books:
    """Return all households, what they owe, and what they paid."""
    rows = rows_of(db)
    found = Books(dict(rows("SELECT id, name FROM account ORDER BY name", ())))
    for account, number, prefix, amount in rows(_OPEN, ()):
        printed = printed_number(prefix, str(number)) or ""
        found.open.append(
            UnpaidStatement(account=account, number=number, printed=printed, open=amount)
        )
    for account, amount, paid_on, number in rows(_PAYMENTS, ()):
        day = None if paid_on is None else date.fromisoformat(paid_on)
        found.payments.append(Payment(account, amount, day, number))
    found.known = dict(rows(_KNOWN, ()))
    return found


def decided_lines(db: Database) -> Mapping[str, bool]:
    """Return the lines that were decided before, and whether each is in the ledger."""
    return dict(rows_of(db)("SELECT digest, ledger_id IS NOT NULL FROM bank_line", ()))


def kept_columns(db: Database) -> Mapping[str, Mapping[str, str]]:
    """Return the columns that were chosen, by what they are, for each digest of a head."""
    rows = rows_of(db)("SELECT head, columns FROM bank_columns", ())
    return {head: json.loads(columns) for head, columns in rows}
