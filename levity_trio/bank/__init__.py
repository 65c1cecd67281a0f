"""Files of banks: the movements of an account, as lines. Pure."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from hashlib import sha256
from types import MappingProxyType
from typing import Final, NamedTuple

from levity_trio.bank.marks import folded, letters_of

MOST_LINES: Final = 5_000
SAMPLE: Final = 5
REFERENCE_DIGITS: Final = 32
PAYER_DIGITS: Final = 8
"""Digits of the digest of a payer's account: enough to know him again among some hundred, too few
to find out his account."""


class BankFileProblem(ValueError):
    """A file that is no list of movements; the text says what it is instead, and what to do."""


class BankLine(NamedTuple):
    """A booked movement. `amount` is in units of the currency, negative if the account paid.

    `name` and `iban` are those of the other side, `account` is the own one. `reference` is the
    bank's own. A return is money that a bank took back, beside its `fee`. `doubt` is what was not
    understood.
    """

    day: date
    amount: Decimal
    currency: str
    name: str
    iban: str
    text: str
    account: str = ""
    reference: str = ""
    is_return: bool = False
    fee: Decimal = Decimal(0)
    doubt: str = ""


Columns = Mapping[str, str]
"""The names of columns by what they are."""


class BankTable(NamedTuple):
    """A file of columns: their names, which is what, and the numbered rows. Without columns for day
    and amount, somebody must choose them. Without names, columns have numbers."""

    head: Sequence[str] = ()
    columns: Columns = MappingProxyType({})
    rows: Sequence[tuple[int, Sequence[str]]] = ()
    is_named: bool = True

    @property
    def is_readable(self) -> bool:
        """Whether it has a day and an amount."""
        return {"day", "amount"} <= {*self.columns} and {*self.columns.values()} <= {*self.head}

    @property
    def sample(self) -> Sequence[Sequence[str]]:
        """The first rows."""
        return [row for _number, row in self.rows[:SAMPLE]]


class BankFile(NamedTuple):
    """What was read. `pending` movements are not booked; `unread` are the numbers of lines that
    have a day or an amount, and not both."""

    lines: Sequence[BankLine]
    pending: int = 0
    unread: tuple[int, ...] = ()
    table: BankTable = BankTable()


def digest_of(head: Sequence[str]) -> str:
    """Return by what files with these names of columns are known again."""
    return sha256("\n".join(head).encode()).hexdigest()


def keys(lines: Sequence[BankLine], decided: Mapping[str, str | None] | None = None) -> list[str]:
    """Return by what each line is known again in another file, also of another kind.

    It is its day, amount, payer and purpose. Payments can be equal in all: the second one of a file
    is the second one that was entered. `decided` has the references of the lines that were decided
    before, by their keys: a line with another reference than an equal one is a payment of its own.
    """
    decided = decided or {}
    of_reference: dict[str, list[str]] = defaultdict(list)
    for key, reference in decided.items():
        of_reference[reference or ""].append(key)
    found: list[str] = []
    for line in lines:
        same_reference = of_reference.get(reference_of(line) or "-", [])
        found.append(same_reference.pop(0) if same_reference else "")

    seen: Counter[str] = Counter()
    by_reference = {*found}
    for place, line in enumerate(lines):
        reference = reference_of(line)
        payer = "".join(line.iban.split()).upper() or letters_of(line.name)
        # Banks wrap texts differently.
        purpose = re.sub(r"[\W_]", "", folded(line.text))
        amount = f"{(line.amount - line.fee).normalize():f}"
        same = "\n".join([str(line.day), amount, payer, purpose])
        while not found[place]:
            seen[same] += 1
            key = sha256(f"{same}\n{seen[same]}".encode()).hexdigest()
            other = decided.get(key)
            if key not in by_reference and not (other and reference and other != reference):
                found[place] = key
    return found


def reference_of(line: BankLine) -> str | None:
    """Return by what the bank's own reference of a movement is known again, None without one."""
    if not re.search("[1-9]", line.reference):
        return None
    told = f"{line.day} {line.amount - line.fee} {line.reference}"
    return sha256(told.encode()).hexdigest()[:REFERENCE_DIGITS]


def payer_of(iban: str) -> str | None:
    """Return by what the account of a payer is known again, None without one."""
    compact = "".join(iban.split()).upper()
    return sha256(compact.encode()).hexdigest()[:PAYER_DIGITS] if compact else None
