"""Files of banks: the movements of an account, as lines. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from hashlib import sha256
from types import MappingProxyType
from typing import Final, NamedTuple

SAMPLE: Final = 5
PAYER_DIGITS: Final = 8
"""Digits of the digest of a payer's account: enough to know him again among some hundred, too few
to find out his account."""


class BankFileProblem(ValueError):
    """A file that is no list of movements; the text says what it is instead, and what to do."""


class BankLine(NamedTuple):
    """A booked movement. `amount` is in units of the currency, negative if the account paid.

    `name` and `iban` are those of the other side, `account` is the own one. `reference` is the
    bank's own. A return is money that a bank took back.
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


Columns = Mapping[str, str]
"""The names of columns by what they are."""


class BankTable(NamedTuple):
    """A file of columns: their names, which is what, and the numbered rows. Without columns for day
    and amount, somebody must choose them."""

    head: Sequence[str] = ()
    columns: Columns = MappingProxyType({})
    rows: Sequence[tuple[int, Sequence[str]]] = ()

    @property
    def is_readable(self) -> bool:
        """Whether it has a day and an amount."""
        return {"day", "amount"} <= {*self.columns} and {*self.columns.values()} <= {*self.head}

    @property
    def sample(self) -> Sequence[Sequence[str]]:
        """The first rows."""
        return [row for _number, row in self.rows[:SAMPLE]]


class BankFile(NamedTuple):
    """What was read. `pending` movements are not booked yet; `unread` are the numbers of lines that
    have a day or an amount, and not both."""

    lines: Sequence[BankLine]
    pending: int = 0
    unread: tuple[int, ...] = ()
    table: BankTable = BankTable()


def digest_of(head: Sequence[str]) -> str:
    """Return by what files with these names of columns are known again."""
    return sha256("\n".join(head).encode()).hexdigest()


def keys(lines: Iterable[BankLine]) -> list[str]:
    """Return by what each line is known again in another file of its bank.

    Two payments can be equal in all: the second one of a day is a line of its own. Banks wrap texts
    differently, so white space says nothing.
    """
    seen: Counter[str] = Counter()
    found: list[str] = []
    for line in lines:
        texts = (line.account, line.name, line.iban, line.text, line.reference)
        amount = f"{line.amount.normalize():f}"
        same = "\n".join([str(line.day), amount, *("".join(text.split()) for text in texts)])
        seen[same] += 1
        found.append(sha256(f"{same}\n{seen[same]}".encode()).hexdigest())
    return found


def payer_of(iban: str) -> str | None:
    """Return by what the account of a payer is known again, None without one."""
    compact = "".join(iban.split()).upper()
    return sha256(compact.encode()).hexdigest()[:PAYER_DIGITS] if compact else None
