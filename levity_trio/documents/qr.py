"""QR codes. That of a payment is EPC069-12 ("GiroCode"), which banking apps in the SEPA area read.

There is one where it can be right only: a closed statement in EUR that asks for money, and an IBAN whose check digits
fit. Other accounts and currencies are paid by hand.
"""

from __future__ import annotations

from io import StringIO
from typing import Final

from segno import QRCode, make_qr
from segno.helpers import make_epc_qr

from levity_trio.billing.bank_accounts import compact, is_iban
from levity_trio.billing.money import units
from levity_trio.billing.statement import Statement
from levity_trio.documents.sheet import tidy

LONGEST_NAME: Final = 70
LONGEST_NAME_BYTES: Final = 140
"""The whole code holds 331 bytes."""
LONGEST_REMITTANCE_BYTES: Final = 140
HIGHEST_CENTS: Final = 99_999_999_999


def payment_code(statement: Statement, reference: str) -> tuple[str, ...]:
    """Return the rows of dark ("1") and light ("0") modules, without the quiet zone; empty without a code.

    A reference that is too long is cut: it begins with the statement's number.
    """
    owner, reference = statement.owner, _cut(reference, LONGEST_REMITTANCE_BYTES)
    name, iban = tidy(owner.party.name)[:LONGEST_NAME].strip(), compact(owner.bank_account or "")
    is_due = statement.number is not None and not statement.is_carried and 0 < statement.total <= HIGHEST_CENTS
    if not (is_due and statement.currency.code == "EUR" and is_iban(iban) and _fits(name, reference)):
        return ()
    amount = units(statement.total, statement.currency)
    code = make_epc_qr(name=name, iban=iban, amount=amount, text=reference, encoding="utf-8")
    return _rows(code)


def text_code(text: str) -> tuple[str, ...]:
    """Return the code of any text, as that of a payment is returned."""
    return _rows(make_qr(text))


def terminal_code(text: str) -> str:
    """Return the code of any text for a terminal: two rows in a line, and light where the terminal is dark."""
    written = StringIO()
    make_qr(text).terminal(written, compact=True)
    return written.getvalue()


def _cut(text: str, most: int) -> str:
    """Return a text of so many bytes at most."""
    return text.encode()[:most].decode(errors="ignore").strip()


def _rows(code: QRCode) -> tuple[str, ...]:
    return tuple("".join("1" if module & 1 else "0" for module in row) for row in code.matrix)


def _fits(name: str, reference: str) -> bool:
    lengths = (len(name.encode()), LONGEST_NAME_BYTES), (len(reference.encode()), LONGEST_REMITTANCE_BYTES)
    return all(0 < length <= longest for length, longest in lengths)
