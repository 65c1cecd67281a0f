"""Who paid what: lines of a bank beside what households owe.

The number of a statement, the amount that is open, and who pays are evidence of three kinds. Two of
them that agree, and none that speaks for another household, make a proposal sure; one alone is a
question. Nothing is entered without a person.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from difflib import SequenceMatcher
from typing import Final, NamedTuple
from unicodedata import combining, normalize

from levity_trio.bank import BankLine, payer_of
from levity_trio.bank.table import LETTERS
from levity_trio.records import record

WORDS: Final = ("statement", "abrechnung", "rechnung", "invoice")
"""What people write before the number of a statement, in their own spelling."""
TOP_UPS: Final = ("prepaid", "guthaben")
"""The words before the number of a household that pays in advance, in our references, in all
languages."""
ALIKE: Final = 0.75
SHORTEST_NAME: Final = 3
NO_NAMES: Final = " flat house familie family wohnung whg haus herr frau und and "
"""Parts of what households are called that name nobody."""


@record
class UnpaidStatement:
    """A statement that is not paid: whose it is, its number, also as it is printed, and what is
    open, in minor units."""

    account: int
    number: int
    printed: str
    open: int


class Payment(NamedTuple):
    """What a household paid before, in minor units. `statement` is the number of the one that it
    named."""

    account: int
    amount: int
    paid_on: date | None
    statement: int | None


@dataclass(slots=True)
class Books:
    """Households with their names, what they owe, the oldest first, and what they paid; `known` has
    the households of bank accounts that paid."""

    names: Mapping[int, str]
    open: list[UnpaidStatement] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    known: Mapping[str, int] = field(default_factory=dict)


class Proposal(NamedTuple):
    """The household that a line seems to be of, and the statement that it pays or takes back; None:
    the oldest."""

    account: int
    statement: int | None
    is_sure: bool


class Matching:
    """Proposes lines one after the other: what one pays is not open for the next."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._open = {one.number: one for one in books.open}
        self._printed = {_compact(one.printed): one.number for one in books.open}
        self._prefixes = {printed.rstrip("0123456789") for printed in self._printed}
        self._paid_before = {payment[:3] for payment in books.payments}
        self._owner_of: dict[str, int | None] = {}
        for account, name in books.names.items():
            for word in set(_names(name)):
                # A word that two households share names neither.
                self._owner_of[word] = None if word in self._owner_of else account

    def propose(self, line: BankLine, amount: int) -> Proposal | None:
        """Return whose a line of this amount in minor units seems to be, None without a hint."""
        who = self._who(line)
        if amount < 0:
            return self._taken_back(line, -amount, who) if line.is_return else None
        found = self._paid(line, amount, who)
        if found is None or not found.is_sure:
            return found

        # The same money may have been entered by hand, or from a file of another kind.
        if line.is_return or (found.account, amount, line.day) in self._paid_before:
            return found._replace(is_sure=False)
        for one in self._open.values():
            if one.account == found.account and found.statement in (None, one.number):
                paid = min(amount, one.open)
                self._open[one.number] = replace(one, open=one.open - paid)
                amount -= paid
        return found

    def _who(self, line: BankLine) -> set[int]:
        """Return the households that a line names: by a bank account that is known, else by parts
        of their names that no other has."""
        known = self._books.known.get(payer_of(line.iban) or "")
        if known is not None:
            return {known}
        owners = (self._owner_of.get(word) for word in _words(f"{line.name} {line.text}"))
        return {owner for owner in owners if owner is not None}

    def _paid(self, line: BankLine, amount: int, who: set[int]) -> Proposal | None:
        unpaid = [one for one in self._open.values() if one.open]
        numbers = self._numbers(line.text)
        named = [one for one in unpaid if one.number in numbers]
        if len(named) == 1:
            (one,) = named
            is_equal = one.open == amount and who <= {one.account}
            is_part = amount <= one.open and who == {one.account}
            return Proposal(one.account, one.number, is_equal or is_part)
        topped_up = set(_behind(TOP_UPS, line.text)) & self._books.names.keys()
        if len(topped_up) == 1 and not named:
            (account,) = topped_up
            name = _compact(self._books.names[account])
            is_named = bool(who) or (name != "" and name in _compact(line.text))
            return Proposal(account, None, is_named and who <= {account})

        own = [one for one in unpaid if who == {one.account}]
        equal = [one for one in own or unpaid if one.open == amount]
        if len(who) == 1 and not (own and equal):
            is_all = bool(own) and amount == sum(one.open for one in own)
            (account,) = who
            return Proposal(account, None, is_all and not named)
        if own or len(equal) == 1:
            return Proposal(equal[0].account, equal[0].number, bool(own) and not named)
        return None

    def _numbers(self, text: str) -> set[int]:
        """Return the numbers of statements that a text names: as they are printed, or behind a word
        for a statement that may be misspelt."""
        found = set(_behind((*WORDS, *self._prefixes), text))
        compact = _compact(text)
        for printed, number in self._printed.items():
            has_prefix = printed in compact and printed != str(number)
            # More digits would be another number.
            if has_prefix and re.search(rf"(?<!\d){printed}(?!\d)", compact):
                found.add(number)
        return found

    def _taken_back(self, line: BankLine, amount: int, who: set[int]) -> Proposal | None:
        """Return the payment that a bank took back, as far as one fits."""
        numbers = [number for _letters, number in _numbers(line.text)]
        equal = [one for one in self._books.payments if one.amount == amount]
        fitting = [one for one in equal if one.account in who or one.statement in numbers]
        if not fitting:
            return None
        newest = fitting[-1]
        accounts = {one.account for one in fitting} | who
        return Proposal(newest.account, newest.statement, len(accounts) == 1)


def _folded(text: str) -> str:
    """Return a text as banks may write it: Müller, MUELLER and MULLER are one name, and so are
    François and FRANCOIS."""
    apart = normalize("NFKD", normalize("NFC", text).casefold().translate(LETTERS))
    bare = "".join(letter for letter in apart if not combining(letter))
    return re.sub(r"([aou])e", r"\1", bare)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", _folded(text))


def _names(name: str) -> list[str]:
    words = _words(name)
    return [word for word in words if len(word) >= SHORTEST_NAME and f" {word} " not in NO_NAMES]


def _compact(text: str) -> str:
    return re.sub(r"[\W_]", "", _folded(text))


def _numbers(text: str) -> Iterator[tuple[str, int]]:
    """Yield the numbers of a text with the letters before them, however they are separated."""
    letters = ""
    for part in re.findall(r"\d{1,18}|[^\W\d_]+", _folded(text)):
        if part.isdecimal():
            yield letters, int(part)
            letters = ""
        else:
            letters += part


def _behind(words: Iterable[str], text: str) -> Iterator[int]:
    """Yield the numbers of a text that stand behind one of some words, which may be misspelt."""
    for letters, number in _numbers(text):
        if any(_is_like(letters, word) for word in words):
            yield number


def _is_like(letters: str, word: str) -> bool:
    """Whether letters end with a word, as well as people type."""
    end = letters[-len(word) :]
    return len(word) > 1 and SequenceMatcher(None, word, end, autojunk=False).ratio() >= ALIKE
