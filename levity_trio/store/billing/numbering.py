"""What a closing would store: the statements of a month with their numbers, names, sheets and
seals.

All of it is read and computed before the closing's write, so that no charger waits for it. The
write checks that its grounds still hold.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Final, NamedTuple

from levity_trio.billing.money import CURRENCIES, told_amount
from levity_trio.billing.months import Month
from levity_trio.billing.statement import YEAR, PositionKind
from levity_trio.store.billing.biller import newest_biller
from levity_trio.store.billing.drafting import (
    Draft,
    Drafted,
    Grounds,
    Plan,
    Terms,
    bill_currency,
    draft,
    grounds,
)
from levity_trio.store.billing.months import Code, Refused
from levity_trio.store.billing.rows import names_text
from levity_trio.store.billing.sealing import newest_ids, with_evidence
from levity_trio.store.billing.settling import local_day
from levity_trio.store.billing.statements import (
    Printed,
    as_closed,
    content_of,
    names_now,
    not_closed,
    party_digest,
    seal_of,
)
from levity_trio.store.engine.database import Rows
from levity_trio.store.lookups.places import name_of
from levity_trio.told import Told, with_told

NEWEST_WITH: Final = (
    "SELECT number, printed_number FROM statement WHERE printed_number > ?1 "
    "AND printed_number < ?1 || ':' AND rtrim(printed_number, '0123456789') = ?1 UNION ALL "
    "SELECT last, printed FROM lost_statements WHERE rtrim(printed, '0123456789') = ?1 "
    "ORDER BY 1 DESC LIMIT 1"
)
"""The statement with the highest number that begins so; a digit comes before the colon."""


class Order(NamedTuple):
    """Who closes and when. `sheet_of` makes what a statement says. `salt` makes the digests of
    that, and of names, unguessable: bytes that nobody else has. `language` is that of statements to
    households of which none is known.

    With `statements` and `charged` only a month is closed that comes to this, and with `shown` one
    whose households come to these totals.
    """

    by: str
    at: str
    sheet_of: Callable[[Printed], str]
    salt: bytes
    language: str | None = None
    statements: int | None = None
    charged: int | None = None
    shown: Mapping[int, int] | None = None


class Numbered(NamedTuple):
    """A statement with its number, names, sheet and seal."""

    rows: Drafted
    content: str
    number: int
    printed_number: str
    language: str | None
    party: str
    sheet: str
    party_digest: str
    previous_digest: str
    digest: str


class Closable(NamedTuple):
    """What is to be stored, and on which grounds."""

    plan: Plan
    grounds: Grounds
    order: Order
    statements: Sequence[Numbered]


def closable(rows: Rows, month: Month, account: int | None, terms: Terms, order: Order) -> Closable:
    """Return what the closing of a month would store, for all accounts or for one that moves out.
    Raises Refused."""
    found, begins = draft(rows, month, account, terms), grounds(rows, terms)
    if order.at < found.plan.until:
        raise Refused(Code.NOT_OVER, Told("{1} is not over", str(month)))
    unpriced = [
        with_told(position.reason, position.told)
        for one in found.statements
        for position in one.positions
        if position.kind == PositionKind.UNPRICED
    ]
    if unpriced:
        words = Told(
            "{1} session has no price: {2}. See the preview, and assign a tariff or enter prices",
            *(len(unpriced), unpriced[0] or ""),
            many="{1} sessions have no price: {2}. "
            "See the preview, and assign a tariff or enter prices",
        )
        raise Refused(Code.NO_TARIFF, words)
    biller = newest_biller(rows)
    if biller is None:
        raise Refused(
            Code.NO_BILLER,
            Told("the bills have no sender; enter it with levity-trio bill owner set"),
        )
    if found.has_unwanted_tax(biller.owner):
        words = Told(
            "the sender charges no tax, but the tariffs have some, and who shows tax owes it: set "
            "it to 0 in the tariffs, or change how the sender is taxed"
        )
        raise Refused(Code.TAX_UNWANTED, words)
    if order.shown is not None:
        _check_shown(rows, found, order.shown)
    billed = [one for one in found.statements if one.gets_number]
    charged = sum(one.figures.charged for one in billed)
    if order.statements not in (None, len(billed)) or order.charged not in (None, charged):
        words = Told(
            "the month comes to something else now; look at its preview, and close it again"
        )
        raise Refused(Code.CHANGED, words)

    newest = newest_ids(rows)
    billed = [
        one._replace(figures=with_evidence(rows, one.figures, one.positions, newest))
        for one in billed
    ]
    statements, previous = list[Numbered](), begins.newest_digest
    said = not_closed(rows, (one[2:] for one in billed))
    day = local_day(order.at, terms.rule.zone)
    prefix, before = _series(rows, biller.owner.number_prefix or "", day, begins.next_number)
    for number, (one, printed) in enumerate(zip(billed, said, strict=True), begins.next_number):
        closed = as_closed(printed, number, f"{prefix}{number - before}", previous, day)
        statements.append(_numbered(rows, one, closed, order))
        previous = statements[-1].digest
    return Closable(found.plan, begins, order, statements)


def _series(rows: Rows, prefix: str, day: date, next_number: int) -> tuple[str, int]:
    """Return what the printed numbers of a day begin with, and how many statements there were
    before the one that is number 1. A prefix never ends in a digit, so no two numbers are equal."""
    if YEAR not in prefix:
        return prefix, 0
    prefix = prefix.replace(YEAR, str(day.year))
    for number, printed in rows(NEWEST_WITH, (prefix,)):
        return prefix, number - int(printed.removeprefix(prefix))
    return prefix, next_number - 1


def _check_shown(rows: Rows, found: Draft, shown: Mapping[int, int]) -> None:
    """Check that each household comes to what was shown. Raises Refused for the first that does
    not."""
    totals = Counter[int]()
    for one in found.statements:
        totals[one.figures.account_id] += one.figures.total
    currency = CURRENCIES[bill_currency(rows)]
    for account in sorted(totals.keys() | shown.keys()):
        now, then = totals[account], shown.get(account, 0)
        if now != then:
            words = Told(
                "{1} comes to {2} now, and the preview showed {3}; look at it, and close it again",
                *(name_of(rows, account), told_amount(now, currency), told_amount(then, currency)),
            )
            raise Refused(Code.CHANGED, words)


def _numbered(rows: Rows, one: Drafted, said: Printed, order: Order) -> Numbered:
    number, previous = int(said.statement.number or 0), said.statement.previous_digest or ""
    salt = hashlib.sha256(order.salt + str(number).encode()).hexdigest()
    language = said.language or order.language
    sheet = order.sheet_of(said._replace(language=language))
    names, _ = names_now(rows, one.figures, one.positions)
    party = names_text(names, salt, party_digest(salt + sheet))
    content, of_names = content_of(one.figures, one.positions), party_digest(party)
    return Numbered(
        rows=one,
        content=content,
        number=number,
        printed_number=said.statement.printed_number or "",
        language=language,
        party=party,
        sheet=sheet,
        party_digest=of_names,
        previous_digest=previous,
        digest=seal_of(number, content, of_names, previous),
    )
