"""Who paid what: lines of a bank beside what households owe.

The number of a statement, the amount that is open, and who pays are evidence of three kinds. Two of
them that agree, and none that speaks for another household, make a proposal sure; one alone is a
question. Nothing is entered without a person.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from types import MappingProxyType
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
NO_NAMES: Final = "flat house familie family wohnung whg haus herr frau und and"
"""Parts of what households are called that name nobody."""


@record
class UnpaidStatement:
    """A statement that is not paid: whose it is, its number, also as it is printed, and what is
    open, in minor units."""

    account: int
    number: int
    printed: str
    open: int


class BookedSum(NamedTuple):
    """What a household owes or paid, in minor units, negative if it was taken back. `to` is
    `statement:` or `account:` with its number: one statement, or whichever is the oldest."""

    account: int
    to: str
    amount: int
    paid_on: str | None = None


class Books(NamedTuple):
    """Households with their names, what they owe and what they paid, the oldest first; `prefixes`
    stand before the numbers of statements, `known` has the households of bank accounts that
    paid."""

    names: Mapping[int, str]
    open: Sequence[UnpaidStatement] = ()
    payments: Sequence[BookedSum] = ()
    prefixes: Sequence[str] = ()
    known: Mapping[str, int] = MappingProxyType({})


class Proposal(NamedTuple):
    """The household that a line seems to be of, and what it pays or takes back. One that seems
    entered has the day, amount and household of an earlier entry."""

    account: int
    to: str
    is_sure: bool
    seems_entered: bool = False


class Matching:
    """Proposes lines one after the other: what one pays is not open for the next."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._open = [
            BookedSum(one.account, f"statement:{one.number}", one.open) for one in books.open
        ]
        self._entered: dict[tuple[int, str | None], set[int]] = defaultdict(set)
        for payment in books.payments:
            self._entered[payment.amount, payment.paid_on].add(payment.account)
        bare = filter(None, (_bare(_folded(prefix)) for prefix in books.prefixes))
        prefixes = "|".join(r"[\W_]*".join(prefix) for prefix in bare) or "(?!)"
        # The year of a date is no prefix.
        self._prefixed = re.compile(rf"(?<!\w)(?<!\d\.)(?:{prefixes})[\W_]*(\d{{1,18}})")
        self._owner_of: dict[str, int | None] = {}
        for account, name in books.names.items():
            for part in _names(name):
                # A part that two households share names neither.
                self._owner_of[part] = None if part in self._owner_of else account

    def propose(self, line: BankLine, amount: int) -> Proposal | None:
        """Return whose a line of this amount in minor units seems to be, None without a hint."""
        if amount < 0 and not line.is_return:
            return None
        found = self._best(line, amount)
        # By hand, or from a file of another kind, whose lines have other keys.
        entered = self._entered.get((amount, str(line.day)), set())
        if entered and found is None:
            found = Proposal(min(entered), f"account:{min(entered)}", False)
        if found is not None and found.account in entered:
            return found._replace(is_sure=False, seems_entered=True)
        if found is not None and found.is_sure:
            self._settle(found, amount)
        return found

    def _best(self, line: BankLine, amount: int) -> Proposal | None:
        """Return what most evidence speaks for, None if it speaks for several households."""
        who = self._who(line)
        in_advance = _behind(TOP_UPS, line.text) & self._books.names.keys()
        printed = self._prefixed.findall(_folded(line.text))
        numbers = _behind(WORDS, line.text).union(map(int, printed))
        named = {f"account:{number}" for number in in_advance}
        named |= {f"statement:{number}" for number in numbers}
        if amount < 0:
            subjects = self._books.payments[::-1]
        else:
            subjects = [one for one in self._open if one.amount]
            for account in who | in_advance:
                owed = sum(one.amount for one in self._open if one.account == account)
                subjects.append(BookedSum(account, f"account:{account}", owed))

        whole = abs(amount)
        payer = min(who) if len(who) == 1 else None
        spoken_for = set(who)
        by_evidence: dict[tuple[int, bool, bool], list[BookedSum]] = defaultdict(list)
        for one in subjects:
            is_named, is_his = one.to in named, one.account == payer
            pieces = is_named + is_his + (one.amount == whole)
            if pieces:
                by_evidence[pieces, is_named, is_his].append(one)
            if is_named:
                spoken_for.add(one.account)
        (pieces, *_), best = max(by_evidence.items(), default=((0,), []))
        if len({one.account for one in best}) != 1:
            return None
        is_sure = pieces > 1 and len(spoken_for) == 1 and line.is_return == (amount < 0)
        return Proposal(best[0].account, best[0].to, is_sure)

    def _settle(self, found: Proposal, amount: int) -> None:
        for place, one in enumerate(self._open):
            if one.account == found.account and found.to in (one.to, f"account:{one.account}"):
                paid = min(amount, one.amount)
                self._open[place] = one._replace(amount=one.amount - paid)
                amount -= paid

    def _who(self, line: BankLine) -> set[int]:
        """Return the households that a line names: by a bank account that is known, else by parts
        of their names that no other has."""
        known = self._books.known.get(payer_of(line.iban) or "")
        if known is not None:
            return {known}
        owners = (self._owner_of.get(part) for part in _names(f"{line.name} {line.text}"))
        return {owner for owner in owners if owner is not None}


def _folded(text: str) -> str:
    """Return a text as banks may write it: Müller, MUELLER and MULLER are one name, and so are
    François and FRANCOIS."""
    apart = normalize("NFKD", normalize("NFC", text).casefold().translate(LETTERS))
    bare = "".join(letter for letter in apart if not combining(letter))
    return re.sub(r"([aou])e", r"\1", bare)


def _bare(text: str) -> str:
    return re.sub(r"[\W_]", "", text)


def _names(text: str) -> set[str]:
    """Return the parts of a text by which a household may be known: words, and a word with the
    number behind it, such as that of a flat."""
    folded = _folded(text)
    words = {word for word in re.findall(r"[^\W\d_]+", folded) if len(word) >= SHORTEST_NAME}
    numbered = re.findall(r"[^\W\d_]+[\W_]*\d+", folded)
    return words - {*NO_NAMES.split()} | set(map(_bare, numbered))


def _behind(words: Iterable[str], text: str) -> set[int]:
    """Return the numbers of a text that stand behind one of some words, which may be misspelt."""
    found: set[int] = set()
    for before, number in re.findall(r"(\D*)(\d{1,18})", _folded(text)):
        letters = _bare(before)
        for word in words:
            end = letters[-len(word) :]
            if SequenceMatcher(None, word, end, autojunk=False).ratio() >= ALIKE:
                found.add(int(number))
    return found
