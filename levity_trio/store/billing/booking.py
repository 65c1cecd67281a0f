"""The book: whose each session is, its state for the bill, and what it costs (schema/bills.sql).

Triggers list what a write concerned, and the last write of each commit books that list. A price
takes up to 4 ms, so a reader computes it, and it is stored if nothing has changed meanwhile. What
closed statements say is copied from there.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from itertools import groupby
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import orjson

from levity_trio.access.tags import Policy
from levity_trio.billing.ownership import BillBy, GivenByHand, OwnerGround, SessionOwner
from levity_trio.billing.statement import Line, PositionKind
from levity_trio.billing.states import BillState
from levity_trio.store.billing.drafting import announced
from levity_trio.store.billing.months import bills_since
from levity_trio.store.billing.pricing import Priced, Pricer, Rule, doubt
from levity_trio.store.billing.rows import lines_of
from levity_trio.store.billing.settling import note_settlement
from levity_trio.store.engine.database import Rows, UnitOfWork, marks, parts
from levity_trio.store.lookups.places import Owners
from levity_trio.wire.times import in_zone

AT_ONCE: Final = 3_000
"""Sessions that one commit books: they take 0.2 s, five times that on a Pi."""
COMPARED_AT_ONCE: Final = 100
LONGEST: Final = timedelta(366)
"""A session that lasts longer has no price here: its days are priced one by one, its clock is
hardly right."""
TO_BOOK: Final = "SELECT revision, tx_id FROM to_book WHERE step = {} ORDER BY revision LIMIT ?"
_FACTS: Final = (
    "SELECT {}tx.id, cp_id, conn_id, id_tag, start_time, CASE status "
    "WHEN 'Active' THEN NULL ELSE stop_time END, status, imported_id, review, judge_after, "
    "confidence, tx_account.account_id, given_by, tx_account.reason, EXISTS (SELECT 1 "
    "FROM position WHERE position.tx_id = tx.id), EXISTS (SELECT 1 FROM ledger "
    "WHERE ledger.tx_id = tx.id AND kind = 'charge'), EXISTS (SELECT 1 FROM booked_cost "
    "WHERE booked_cost.tx_id = tx.id) "
    "FROM {} LEFT JOIN tx_account ON tx_account.tx_id = tx.id "
    "WHERE {}"
)
_LISTED: Final = _FACTS.format(
    "to_book.account_id, ", "to_book LEFT JOIN tx ON tx.id = to_book.tx_id", "step = 0 LIMIT ?"
)
_AMONG: Final = _FACTS.format("", "tx", "tx.id IN ({})")
_BILLED: Final = (
    "SELECT tx_id, position.account_id, kind, is_prepaid, energy_wh, amount, number, currency, "
    "prices, lines "
    "FROM position JOIN statement ON statement.id = statement_id "
    "WHERE tx_id IN ({}) AND number IS NOT NULL AND kind IN ('session', 'free', 'correction') "
    "ORDER BY position.id"
)
_BOOK: Final = (
    "INSERT INTO booked (tx_id, cp_id, started_at, ended_at, month, account_id, ground, "
    "is_outside, key, state, price) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (tx_id) DO UPDATE "
    "SET started_at = excluded.started_at, ended_at = excluded.ended_at, month = excluded.month, "
    "account_id = excluded.account_id, ground = excluded.ground, "
    "is_outside = excluded.is_outside, key = excluded.key, state = excluded.state, "
    "price = excluded.price"
)
_TERMS: Final = (
    "INSERT INTO book (id, terms) VALUES (1, ?) ON CONFLICT (id) "
    "DO UPDATE SET terms = excluded.terms"
)
_COSTS: Final = "tx_id, account_id, statement, currency, prices, tax_rate, amount"
_COST: Final = f"INSERT INTO booked_cost ({_COSTS}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - our own names
_STORED: Final = (
    "SELECT tx_id, cp_id, started_at, ended_at, month, account_id, ground, is_outside, key, "
    "state, price "
    "FROM booked WHERE tx_id IN ({})"
)
_STORED_COSTS: Final = f"SELECT {_COSTS} FROM booked_cost WHERE tx_id IN ({{}})"  # noqa: S608 - our own names
_NEXT: Final = "SELECT id FROM tx WHERE id > ? ORDER BY id LIMIT ?"
_WAITING: Final = "SELECT tx_id FROM to_book WHERE tx_id IN ({})"


class Cost(NamedTuple):
    """A row of booked_cost."""

    transaction: int
    account: int
    statement: int
    currency: str
    prices: str
    tax_rate: str
    amount: int


class Booked(NamedTuple):
    """A row of booked, and what closed statements say of it."""

    transaction: int
    charger: str
    started_at: str
    ended_at: str | None
    month: str | None
    account: int | None
    ground: str
    is_outside: int
    key: str | None
    state: str
    price: str
    costs: Sequence[Cost]
    had_costs: int


class Price(NamedTuple):
    """What a price is, as it stands in the book; `costs` are those of the next statement."""

    kind: str
    costs: Sequence[Cost]


class BookDifference(NamedTuple):
    """A session of which the book says something else than if it were booked anew: its next price
    in the book, and that of now. `is_price` is true if nothing else differs."""

    transaction: int
    before: Price
    after: Price
    is_price: bool


class _Facts(NamedTuple):
    """What decides whose a session is, and its state."""

    id: int
    charger: str
    connector: int | None
    id_tag: str | None
    started_at: str
    ended_at: str | None
    status: str
    imported_id: int | None
    review: str | None
    judge_after: str | None
    confidence: str | None
    given_to: int | None
    given_by: str | None
    given_for: str | None
    is_on_statements: int
    is_charged: int
    has_costs: int

    def month(self, zone: tzinfo) -> str | None:
        """Return the month in which it ended."""
        return (
            None
            if self.ended_at is None
            else f"{in_zone(datetime.fromisoformat(self.ended_at), zone):%Y-%m}"
        )

    @property
    def place(self) -> tuple[str | None, str, int | None]:
        return self.id_tag, self.charger, self.connector

    @property
    def given(self) -> GivenByHand | None:
        return (
            None
            if self.given_to is None
            else GivenByHand(self.given_to, self.given_by or "", self.given_for)
        )


class _Billed(NamedTuple):
    """What closed statements say of a session, corrections included."""

    account: int
    kind: str
    is_prepaid: int
    energy_wh: int
    amount: int
    statement: int
    currency: str
    prices: str
    lines: str


# Whose, and its state


class Book:
    """Books by one rule: the last write of each commit."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def book(self, db: UnitOfWork) -> None:
        """Book what is listed; of more than AT_ONCE, the first. Of listed households, note how
        their statements stand."""
        listed = db.rows(_LISTED, (AT_ONCE,))
        sessions = [_Facts(*row) for account, *row in listed if account is None]
        if sessions:
            _store(db, [*_decided(db.rows, self.rule, sessions)])
        accounts = [account for account, *_ in listed if account is not None]
        for part in parts(accounts):
            db.changed(f"DELETE FROM to_book WHERE account_id IN ({marks(part)})", part)  # noqa: S608
            for account, corrections in announced(db.rows, self.rule, part):
                note_settlement(db, account, corrections)

    def set_aside(self, db: UnitOfWork) -> None:
        """Note that what is listed could not be booked."""
        db.changed("UPDATE to_book SET step = 2 WHERE step = 0")


def book_all(db: UnitOfWork, rule: Rule) -> None:
    """List every session to be booked anew, unless the book was made by this rule."""
    strip = rule.policy.strip
    told = {
        "zone": str(rule.zone),
        "bill_by": str(rule.bill_by),
        "tag_strip": None if strip is None else strip.pattern,
    }
    terms = orjson.dumps(told, option=orjson.OPT_SORT_KEYS).decode()
    if db.row("SELECT terms FROM book") != (terms,):
        db.execute(_TERMS, (terms,))
        list_all(db)


def list_all(db: UnitOfWork) -> None:
    """List every session to be booked anew."""
    db.execute("DELETE FROM to_book WHERE account_id IS NULL")
    db.execute("INSERT INTO to_book (tx_id) SELECT id FROM tx ORDER BY id")


def rule_of_book(rows: Rows) -> Rule | None:
    """Return the rule by which the book was made; None if no server has made it yet."""
    for (text,) in rows("SELECT terms FROM book", ()):
        terms = orjson.loads(text)
        strip = None if terms["tag_strip"] is None else re.compile(terms["tag_strip"])
        return Rule(ZoneInfo(terms["zone"]), Policy(strip=strip), BillBy(terms["bill_by"]))
    return None


def booked(rows: Rows, rule: Rule, transactions: Sequence[int]) -> list[Booked]:
    """Return what the book should say of these transactions, their next prices aside."""
    return [
        one
        for part in parts(transactions)
        for one in _decided(
            rows, rule, [_Facts(*row) for row in rows(_AMONG.format(marks(part)), part)]
        )
    ]


def _decided(rows: Rows, rule: Rule, sessions: Sequence[_Facts]) -> Iterator[Booked]:
    owners = Owners(rows, rule.policy, rule.bill_by)
    charged = [
        (one.id, owners.at(one.id_tag, one.charger, one.connector, one.started_at), one.given)
        for one in sessions
    ]
    owner_of, since = owners.decide_known(charged), bills_since(rows, rule.zone)
    billed: dict[int, list[_Billed]] = defaultdict(list)
    for part in parts([one.id for one in sessions if one.is_on_statements]):
        for number, *row in rows(_BILLED.format(marks(part)), part):
            billed[number].append(_Billed(*row))

    for one, (_, at, _) in zip(sessions, charged, strict=True):
        owner, positions = owner_of[one.id], billed.get(one.id, ())
        state = _state(one, owner, positions, since)
        price = "running" if state is BillState.OPEN else "due"
        if any(position.account == owner.account for position in positions):
            price = "billed"
        elif owner.account is None or state in (BillState.BILLED_ELSEWHERE, BillState.HELD_BACK):
            price = "none"
        yield Booked(
            transaction=one.id,
            charger=one.charger,
            started_at=one.started_at,
            ended_at=one.ended_at,
            month=one.month(rule.zone),
            account=owner.account,
            ground=owner.ground,
            is_outside=int(owner.is_outside),
            key=at.tag,
            state=state,
            price=price,
            costs=[*_costs_of_closed(one.id, positions)],
            had_costs=one.has_costs,
        )


def _state(one: _Facts, owner: SessionOwner, positions: Sequence[_Billed], since: str) -> BillState:
    """Return the state of a session; nobody's even while it waits, because nobody would be
    billed."""
    if one.imported_id is not None or (one.ended_at or "9999") < since:
        return BillState.BILLED_ELSEWHERE
    if one.status == "Active":
        return BillState.OPEN
    stated = _stated(positions)
    if standing := [state for state in stated.values() if state is not None]:
        return standing[-1]
    if owner.account in stated:
        return BillState.FREE
    if one.is_charged:
        return BillState.CHARGED
    if owner.ground is OwnerGround.NOBODY:
        return BillState.NOBODYS
    is_doubtful = doubt(one.review, one.judge_after, one.confidence) is not None
    return BillState.HELD_BACK if is_doubtful else BillState.UNBILLED


def _stated(positions: Sequence[_Billed]) -> Mapping[int, BillState | None]:
    """Return what the closed statements of each account say, the newest last; None if all was taken
    back."""
    by_account: dict[int, list[_Billed]] = {}
    for one in positions:
        if one.kind == PositionKind.CORRECTION:
            by_account.setdefault(one.account, []).append(one)
        else:  # the newest that is no correction is last
            by_account[one.account] = [*by_account.pop(one.account, ()), one]
    return {account: _state_of(every) for account, every in by_account.items()}


def _state_of(positions: Sequence[_Billed]) -> BillState | None:
    is_corrected = any(one.kind == PositionKind.CORRECTION for one in positions)
    amount, is_free = (
        sum(one.amount for one in positions),
        any(one.kind == PositionKind.FREE for one in positions),
    )
    if is_corrected and not amount and not sum(one.energy_wh for one in positions):
        return None
    if not amount and (is_free or is_corrected):
        return BillState.FREE
    return BillState.CHARGED if any(one.is_prepaid for one in positions) else BillState.BILLED


def _store(db: UnitOfWork, booked: Sequence[Booked]) -> None:
    """Write sessions into the book. What is due gets its price in a second step, after the
    commit."""
    for part in parts([one.transaction for one in booked if one.had_costs]):
        db.execute(f"DELETE FROM booked_cost WHERE tx_id IN ({marks(part)})", part)  # noqa: S608 - our own names
    for one in booked:
        db.execute(_BOOK, one[:-2])
        for cost in one.costs:
            db.execute(_COST, cost)
    for part in parts([one.transaction for one in booked if one.price != "due"]):
        db.changed(f"DELETE FROM to_book WHERE tx_id IN ({marks(part)})", part)  # noqa: S608
    for part in parts([one.transaction for one in booked if one.price == "due"]):
        db.changed(f"UPDATE to_book SET step = 1 WHERE tx_id IN ({marks(part)})", part)  # noqa: S608


# What it costs


def prices(
    rows: Rows, rule: Rule, transactions: Sequence[int], now: datetime | None = None
) -> dict[int, Price]:
    """Return what sessions would cost on their next statement; an open one as if it stopped now."""
    priced = Pricer(rows, rule, now=now, longest=LONGEST).price(transactions)
    return {
        number: _priced(priced[number]) if number in priced else Price("unpriced", ())
        for number in transactions
    }


def due(rows: Rows, rule: Rule, numbers: Sequence[int]) -> list[tuple[int, int, Price]]:
    """Return the prices of sessions that are due, each with the revision that it knows."""
    revisions = rows(
        f"SELECT tx_id, revision FROM to_book WHERE tx_id IN ({marks(numbers)})",  # noqa: S608
        numbers,
    )
    found = prices(rows, rule, numbers)
    return [(number, revision, found[number]) for number, revision in revisions]


def store_prices(db: UnitOfWork, found: Sequence[tuple[int, int, Price]]) -> None:
    """Store prices, unless something has changed since they were computed."""
    for number, revision, price in found:
        if db.changed(
            "DELETE FROM to_book WHERE revision = ? AND tx_id = ? AND step = 1", (revision, number)
        ):
            db.execute("UPDATE booked SET price = ? WHERE tx_id = ?", (price.kind, number))
            for cost in price.costs if price.kind == "booked" else ():
                db.execute(_COST, cost)


def _priced(priced: Priced) -> Price:
    position = priced.position
    if (
        priced.account is None
        or priced.versions is None
        or priced.kind not in (PositionKind.SESSION, PositionKind.FREE)
    ):
        return Price("unpriced", ())
    version, stay = next(iter(priced.versions)), priced.evidence.stay
    is_running = priced.is_open or (stay is not None and stay.available_at is None)
    kind = version.currency.code, "gross" if version.are_gross else "net"
    costs = _by_rate((position.transaction or 0, priced.account, 0, *kind), position.lines)
    return Price("running" if is_running else "booked", [*costs])


def _costs_of_closed(transaction: int, positions: Iterable[_Billed]) -> Iterator[Cost]:
    def sheet(one: _Billed) -> tuple[int, int, str, str]:
        return one.account, one.statement, one.currency, one.prices

    for key, every in groupby(sorted(positions, key=sheet), key=sheet):
        yield from _by_rate(
            (transaction, *key), [line for one in every for line in lines_of(one.lines)]
        )


def _by_rate(key: tuple[int, int, int, str, str], lines: Iterable[Line]) -> Iterator[Cost]:
    """Yield the sum of each tax rate; one of 0, if there are no lines."""
    rates: dict[Decimal, int] = defaultdict(int)
    for line in lines:
        rates[line.tax_rate] += line.amount
    for rate, amount in sorted(rates.items()) or [(Decimal(), 0)]:
        yield Cost(*key, f"{rate.normalize():f}", amount)


# Whether it is right


def compared(rows: Rows, rule: Rule, after: int) -> tuple[list[int], int]:
    """Compare the next sessions after an id; return those that differ, and the last one, 0 at the
    end."""
    found = [number for (number,) in rows(_NEXT, (after, COMPARED_AT_ONCE))]
    return (differences(rows, rule, found), found[-1]) if found else ([], 0)


def differences(rows: Rows, rule: Rule, transactions: Sequence[int]) -> list[int]:
    """Return those of a few sessions of which the book says something else than if they were booked
    anew.

    Those that wait to be booked, or for their price, are left out.
    """
    waiting = {number for (number,) in rows(_WAITING.format(marks(transactions)), transactions)}
    settled = [number for number in transactions if number not in waiting]
    return [one.transaction for one in booked_otherwise(rows, rule, settled)] if settled else []


def booked_otherwise(
    rows: Rows, rule: Rule, transactions: Sequence[int]
) -> Iterator[BookDifference]:
    """Yield how the book differs from what it would say if these sessions were booked anew; those
    that wait are not left out."""
    stored = {row[0]: row for row in rows(_STORED.format(marks(transactions)), transactions)}
    closed, next_costs = defaultdict[int, set[Cost]](set), defaultdict[int, set[Cost]](set)
    for row in rows(_STORED_COSTS.format(marks(transactions)), transactions):
        cost = Cost(*row)
        (closed if cost.statement else next_costs)[cost.transaction].add(cost)
    expected = booked(rows, rule, transactions)
    asked = [one.transaction for one in expected if one.price == "due"]
    priced = prices(rows, rule, asked) if asked else {}
    for one in expected:
        number = one.transaction
        *facts, kind = stored.get(number, ("",))
        price = priced.get(number, Price(one.price, ()))
        right = {*price.costs} if price.kind == "booked" else set[Cost]()
        is_price = (*facts,) == one[:10] and closed[number] == {*one.costs}
        if not is_price or kind != price.kind or next_costs[number] != right:
            before = Price(kind, sorted(next_costs[number]))
            yield BookDifference(number, before, price, is_price)
