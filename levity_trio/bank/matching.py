"""Who paid what: lines of a bank beside what households owe.

A proposal is sure if the sum is exactly what one statement has open, or what a paper asked for in
all, and if the number of that paper, the payer's account or a name says whose it is, and nothing
speaks for another household. All else is a question. Nothing is entered without a person.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from types import MappingProxyType
from typing import Final, NamedTuple

from levity_trio.bank import BankLine, payer_of
from levity_trio.bank.marks import folded
from levity_trio.records import record

WORDS: Final = ("statement", "abrechnung", "rechnung", "invoice")
"""What people write before the number of a statement, in their own spelling."""
TOP_UPS: Final = ("prepaid", "guthaben")
"""The words before the number of a household that pays in advance, in our references, in all
languages."""
ALIKE: Final = 0.75
SHORTEST_NAME: Final = 3
MOST_NUMBERS: Final = 20
"""Numbers of one text that may be those of papers."""
MOST_FEE: Final = 20_00
"""What a bank asks for a return, at most, in minor units."""
NO_NAMES: Final = "flat house familie family wohnung whg haus herr frau und and"
"""Parts of what households are called that name nobody."""


@record(kw_only=False)
class UnpaidStatement:
    """A statement that is not paid: whose it is, its number as it is printed, and what is open, in
    minor units."""

    account: int
    number: str
    open: int


class BookedSum(NamedTuple):
    """What a household owes or paid, in minor units, negative if it was taken back. `to` is
    `statement:` or `account:` with its number: one statement, or whichever is the oldest."""

    account: int
    to: str
    amount: int
    paid_on: str | None = None


class _PaidSubject(NamedTuple):
    """What a line may be about: a sum, and the number of the paper that asked for it."""

    sum: BookedSum
    number: str | None


class Books(NamedTuple):
    """Households with their names, what they owe and what they paid, the oldest first; `known` has
    the households of bank accounts that paid."""

    names: Mapping[int, str]
    open: Sequence[UnpaidStatement] = ()
    payments: Sequence[BookedSum] = ()
    known: Mapping[str, Collection[int]] = MappingProxyType({})


class Proposal(NamedTuple):
    """The household that a line seems to be of, and what it pays or takes back. One that seems
    entered has the day, amount and household of an earlier entry. `fee` is what a return is larger
    than its payment."""

    account: int
    to: str
    is_sure: bool
    seems_entered: bool = False
    fee: int = 0


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
        self._household_of = {one.number: one.account for one in books.open}
        for payment in books.payments:
            kind, _colon, number = payment.to.partition(":")
            if kind == "statement":
                self._household_of[number] = payment.account
        # Each year may have a statement with the same number behind its prefix.
        self._numbered: dict[int, set[str]] = defaultdict(set)
        self._called: dict[tuple[str, int], str] = {}
        for number in self._household_of:
            prefix = number.rstrip("0123456789")
            count = int(number.removeprefix(prefix))
            self._numbered[count].add(number)
            self._called[_bare(folded(prefix)), count] = number
        bare = sorted({prefix for prefix, _ in self._called if prefix})
        prefixes = "|".join(r"[\W_]*+".join(prefix) for prefix in bare) or "(?!)"
        # The year of a date is no prefix.
        self._prefixed = re.compile(rf"(?<!\w)(?<!\d\.)({prefixes})[\W_]*+(\d{{1,18}}+)(?![./-]\d)")
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
        in_advance = _behind(TOP_UPS, line.text, self._books.names)
        named: set[str] = set()
        for count in _behind(WORDS, line.text, self._numbered):
            named |= self._numbered[count]
        for prefix, digits in self._prefixed.findall(folded(line.text)):
            number = self._called.get((_bare(prefix), int(digits)))
            named |= {number} if number else set()
        spoken_for = {self._household_of[number] for number in named} | in_advance
        # An account may have paid for several households: then a number says for which.
        if not (spoken_for & who and payer_of(line.iban) in self._books.known):
            spoken_for |= who

        whole = abs(amount)
        payer = min(who) if len(who) == 1 else None
        by_evidence: dict[tuple[int, bool, bool], list[BookedSum]] = defaultdict(list)
        for one, number in self._subjects(who | in_advance, is_return=amount < 0):
            is_named = number in named
            if one.to.startswith("account:"):
                is_named = is_named or one.account in in_advance
            is_his = one.account == payer
            pieces = is_named + is_his + (one.amount == whole)
            if pieces:
                by_evidence[pieces, is_named, is_his].append(one)
        (pieces, is_named, is_his), best = max(by_evidence.items(), default=((0, False, False), []))
        if len({one.account for one in best}) != 1:
            return None
        found = best[0]
        is_exact = found.amount == whole
        # Somebody who pays in advance chooses the sum.
        is_free = found.account in in_advance and is_his and not named
        is_his_own = is_named or (is_his and not named)
        is_certain = (
            ((is_exact and is_his_own) or is_free)
            and spoken_for == {found.account}
            and line.is_return == (amount < 0)
        )
        fee = whole - found.amount if amount < 0 and 0 < whole - found.amount <= MOST_FEE else 0
        return Proposal(found.account, found.to, is_certain and not line.doubt, fee=fee)

    def _subjects(self, households: Collection[int], *, is_return: bool) -> Iterator[_PaidSubject]:
        """Yield what a line may be about: open statements, and what each of them asked for in all;
        or payments, the newest first."""
        if is_return:
            for one in reversed(self._books.payments):
                kind, _colon, number = one.to.partition(":")
                yield _PaidSubject(one, number if kind == "statement" else None)
            return
        in_all: Counter[int] = Counter()
        newest: dict[int, str] = {}
        for one, statement in zip(self._open, self._books.open, strict=True):
            if not one.amount:
                continue
            yield _PaidSubject(one, statement.number)
            in_all[one.account] += one.amount
            newest[one.account] = statement.number
            if in_all[one.account] != one.amount:
                whole = BookedSum(one.account, f"account:{one.account}", in_all[one.account])
                yield _PaidSubject(whole, statement.number)
        for account in households:
            whole = BookedSum(account, f"account:{account}", in_all[account])
            yield _PaidSubject(whole, newest.get(account))

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
        if known:
            return {*known}
        owners = (self._owner_of.get(part) for part in _names(f"{line.name} {line.text}"))
        return {owner for owner in owners if owner is not None}


def _bare(text: str) -> str:
    return re.sub(r"[\W_]", "", text)


def _names(text: str) -> set[str]:
    """Return the parts of a text by which a household may be known: words, and a word with the
    number behind it, such as that of a flat."""
    parts = re.findall(r"[^\W\d_]+|\d+", folded(text))
    words = {part for part in parts if part.isalpha() and len(part) >= SHORTEST_NAME}
    numbered = {
        f"{word}{number}" for word, number in pairwise(parts) if word.isalpha() and number.isdigit()
    }
    return words - {*NO_NAMES.split()} | numbered


def _behind(words: Iterable[str], text: str, known: Collection[int]) -> set[int]:
    """Return the known numbers of a text that stand behind one of some words, which may be
    misspelt."""
    found: set[int] = set()
    before, end, tried = folded(text), 0, 0
    for number in re.finditer(r"\d{1,18}", before):
        letters = _bare(before[end : number.start()])
        end = number.end()
        if int(number[0]) not in known or tried > MOST_NUMBERS:
            continue
        tried += 1
        for word in words:
            alike = SequenceMatcher(None, word, letters[-len(word) :], autojunk=False)
            if alike.quick_ratio() >= ALIKE and alike.ratio() >= ALIKE:
                found.add(int(number[0]))
    return found
