"""What a text finds: chargers, households, cards, cars, charging sessions and statements.

It is compared without case, accents and all that is neither letter nor digit, so 04 a1:b2 finds
04A1B2, and Muller or Mueller finds Müller. Who is found brings the newest sessions and statements
along.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any, Final, NamedTuple, TypeVar
from unicodedata import normalize

from levity_trio.billing.months import beginning
from levity_trio.records import in_order, record
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.chargers.chargers import SERVED, Charger, chargers_among
from levity_trio.store.reads.money.statements import ClosedStatement, closed_among
from levity_trio.store.reads.people.households import Account, forms_as_sent, household
from levity_trio.store.reads.transactions.costs import BilledTransaction, billed_rows
from levity_trio.wire.times import in_zone, stamp

T = TypeVar("T")
LOOKED_AT: Final = 20_000
"""Cards that are compared; of more, the first ones by their normal form."""
BROUGHT_ALONG: Final = 3
"""Households and cards whose sessions and statements are found, too."""
_SHARP: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
_MONTH: Final = re.compile(r"\d{4}-\d\d")
_NUMBER: Final = re.compile(
    (
        r"(?:(?:statement|abrechnung|session|ladevorgang|no|nr)?\.?\s*)#?(?P<number>\d{1,"
        r"18})(?:\s*,.*)?"
    ),
    re.IGNORECASE,
)
"""The number of a statement, as people type it or as a bank shows its reference: 7, Statement 7,
Nr. 7, Statement 7, Flat 1."""
_PRINTED: Final = re.compile(
    r"(?:(?:statement|abrechnung) )?(?P<whole>\S*\D\d{1,18})(?:,.*)?", re.IGNORECASE
)
"""The same as it stands on a paper with a prefix: 2026-7, Statement 2026-7, Flat 1."""
_CHARGERS: Final = (
    "SELECT id, name, serial_number, vendor, model, (SELECT group_concat(name, ' ') FROM space "  # noqa: S608 - ours
    "WHERE cp_id = cp.id) "
    f"FROM cp WHERE {SERVED}"
)
_HOUSEHOLDS: Final = (
    "SELECT id, name, CASE WHEN contact IS NULL OR contact = mail THEN mail "
    "ELSE coalesce(mail || ', ', '') || contact END FROM account WHERE undone_at IS NULL"
)
_CARDS: Final = (
    "SELECT key, id_tag, name, status, expires_at "
    "FROM tag INDEXED BY tag_key WHERE ended_at IS NULL AND is_phone = 0 "
    "ORDER BY key LIMIT ?"
)
_NOBODYS: Final = (None, None, None)
_OWNED: Final = (
    "SELECT ownership.key, id_tag, account_id, account.name "
    "FROM ownership JOIN account ON account.id = account_id "
    "WHERE what = 'tag' AND voided_at IS NULL AND ownership.since <= ?1 "
    "AND coalesce(ownership.until, '9999') > ?1"
)
_CARS: Final = (
    "SELECT vehicle.id, vehicle.name, plate, account.id, account.name "
    "FROM vehicle LEFT "
    "JOIN ownership ON what = 'vehicle' AND ownership.key = CAST(vehicle.id AS TEXT) "
    "AND voided_at IS NULL AND ownership.since <= ?1 AND coalesce(ownership.until, '9999') > ?1 "
    "LEFT JOIN account ON account.id = account_id "
    "WHERE removed_at IS NULL"
)
_SENT: Final = (
    "SELECT DISTINCT id_tag FROM tx INDEXED BY tx_by_folded_tag "
    "WHERE folded_tag >= ? AND folded_tag < ? LIMIT ?"
)
_OF_TAG: Final = (
    "SELECT id, start_time FROM tx INDEXED BY tx_by_tag "
    "WHERE id_tag = ? ORDER BY start_time DESC LIMIT ?"
)
_OF_DAY: Final = (
    "SELECT id, start_time FROM tx INDEXED BY tx_by_time WHERE start_time >= ? AND start_time < ?"
    " ORDER BY start_time DESC LIMIT ?"
)
_OF_HOUSEHOLD: Final = (
    "SELECT tx_id, started_at FROM booked WHERE account_id = ? "
    "ORDER BY started_at DESC, tx_id DESC LIMIT ?"
)
_NUMBERED: Final = (
    "SELECT number FROM statement WHERE number = ?2 OR printed_number IN (?1, "
    "rtrim((SELECT printed_number FROM statement WHERE number IS NOT NULL "
    "ORDER BY number DESC LIMIT 1), '0123456789') || ?1)"
)
"""The one with this number, also without what the newest numbers begin with."""
_OF_ACCOUNT: Final = (
    "SELECT number FROM statement "
    "WHERE account_id = ? AND number IS NOT NULL "
    "ORDER BY number DESC LIMIT ?"
)
_OF_MONTH: Final = (
    "SELECT number FROM statement WHERE month = ? AND number IS NOT NULL ORDER BY number LIMIT ?"
)


@record(kw_only=False)
class CardMatch:
    """A card that was found. `status` is null for one of a household that nobody added."""

    id_tag: str
    name: str | None
    status: str | None
    expires_at: str | None
    account: int | None
    account_name: str | None


@record(kw_only=False)
class CarMatch:
    """A car that was found, and whose it is now."""

    id: int
    name: str
    plate: str | None
    account: int | None
    account_name: str | None


@record
class SearchResult:
    """What a text finds, of each kind the best first, of transactions and statements the newest.
    `more` names the kinds of which there is more."""

    chargers: list[Charger]
    households: list[Account]
    cards: list[CardMatch]
    cars: list[CarMatch]
    transactions: list[BilledTransaction]
    statements: list[ClosedStatement]
    more: list[str]


class Searched(NamedTuple):
    """What is looked for: a text, so many of each kind, and by what rule and now transactions have
    owners. `day` is the one that the text is."""

    text: str
    most: int
    rule: Rule
    now: datetime
    day: date | None = None


def search(db: Database, wanted: Searched) -> SearchResult:
    """Return what a text finds."""
    looking, most, at = _SearchText(wanted.text), wanted.most + 1, stamp(wanted.now)
    chargers = looking.best(db.execute(_CHARGERS).fetchall(), lambda row: row)
    households = looking.best(db.execute(_HOUSEHOLDS).fetchall(), lambda row: row[1:])
    cards = looking.best(_cards(db, at), lambda card: (card.id_tag, card.name, card.account_name))
    cars = looking.best(
        [CarMatch(*row) for row in db.execute(_CARS, (at,)).fetchall()],
        lambda car: (car.name, car.plate, car.account_name),
    )
    accounts = [row[0] for row in households[:BROUGHT_ALONG]]
    tags = [card.id_tag for card in cards[:BROUGHT_ALONG] if looking.is_in(card.id_tag, card.name)]
    transactions = _transactions(db, looking, wanted, accounts, tags)
    statements = _statements(db, looking, wanted, accounts, most)
    found: dict[str, list[Any]] = {
        "chargers": chargers,
        "households": households,
        "cards": cards,
        "cars": cars,
        "transactions": transactions,
        "statements": statements,
    }
    more = [kind for kind, some in found.items() if len(some) > wanted.most]
    shown = {kind: some[: wanted.most] for kind, some in found.items()}
    shown["chargers"] = chargers_among(db, [row[0] for row in shown["chargers"]])
    shown["households"] = [household(db, row[0]) for row in shown["households"]]
    return SearchResult(**shown, more=more)


# How texts are compared


def folded(text: str) -> frozenset[str]:
    """Return the forms in which a text is compared: letters and digits, ä as a and as ae."""
    lower = normalize("NFC", text).casefold()
    return frozenset(
        "".join(sign for sign in normalize("NFKD", form) if sign.isalnum())
        for form in (lower, lower.translate(_SHARP))
    )


class _SearchText:
    """What is looked for: the text as a whole, or each of its words."""

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        self._whole = folded(text) - {""}
        self._words = [forms for word in text.split() if (forms := folded(word) - {""})]

    @property
    def number(self) -> int | None:
        """The number of a session or a statement that the text is."""
        found = _NUMBER.fullmatch(self.text)
        return None if found is None else int(found["number"])

    @property
    def plain(self) -> str:
        return min(self._whole, default="")

    def is_in(self, *fields: str | None) -> bool:
        return self._rank(fields) is not None

    def best(self, rows: Iterable[T], fields: Callable[[T], Sequence[str | None]]) -> list[T]:
        """Return the rows that have the text in a field, the best first, else in the order of their
        first field."""
        ranks = [(self._rank(fields(row)), row) for row in rows]
        fitting = [
            (rank, in_order(fields(row)[0] or ""), row) for rank, row in ranks if rank is not None
        ]
        return [row for *_, row in sorted(fitting, key=lambda one: one[:2])]

    def _rank(self, fields: Sequence[str | None]) -> int | None:
        """Return how well fields fit: one is the text, one begins with it, one has it, or they have
        all its words."""
        forms = [form for text in fields if text for form in folded(text)]
        if not self._whole:
            return None
        if not self._whole.isdisjoint(forms):
            return 0
        if any(form.startswith(one) for form in forms for one in self._whole):
            return 1
        if any(one in form for form in forms for one in self._whole):
            return 2
        has_all = all(any(one in form for form in forms for one in word) for word in self._words)
        return 3 if has_all else None


# What is found


def _cards(db: Database, at: str) -> list[CardMatch]:
    """Return the cards that were added, and those of households that were not."""
    owned = {key: row for key, *row in db.execute(_OWNED, (at,)).fetchall()}
    cards = {
        key: CardMatch(id_tag, name, status, expires_at, *owned.get(key, _NOBODYS)[1:])
        for key, id_tag, name, status, expires_at in db.execute(_CARDS, (LOOKED_AT,)).fetchall()
    }
    unlisted = {
        key: CardMatch(id_tag, None, None, None, *whose) for key, (id_tag, *whose) in owned.items()
    }
    return [*(unlisted | cards).values()]


def _transactions(
    db: Database,
    looking: _SearchText,
    wanted: Searched,
    accounts: Sequence[int],
    tags: Sequence[str],
) -> list[BilledTransaction]:
    """Return the session with this number, else the newest ones of this day, of these households
    and cards."""
    if looking.number is not None and (found := billed_rows(db, (looking.number,))):
        return found
    most = wanted.most + 1
    starts: dict[int, str] = {}
    if wanted.day is not None:
        days = wanted.day, wanted.day + timedelta(days=1)
        first, end = (stamp(beginning(day, wanted.rule.zone)) for day in days)
        starts.update(db.execute(_OF_DAY, (first, end, most)).fetchall())
    policy, sent = wanted.rule.policy, list[str]()
    for tag in tags:
        sent += forms_as_sent(db, policy.key(tag), policy)
    if len(looking.plain) >= LEAST:
        text = looking.text.lower()
        begin_so = db.execute(_SENT, (text, f"{text}\U0010ffff", BROUGHT_ALONG)).fetchall()
        sent += [tag for (tag,) in begin_so]
    for tag in dict.fromkeys(sent):
        starts.update(db.execute(_OF_TAG, (tag, most)).fetchall())
    for number in accounts:
        starts.update(db.execute(_OF_HOUSEHOLD, (number, most)).fetchall())
    numbers = sorted(starts, key=lambda number: (starts[number], number), reverse=True)[:most]
    return billed_rows(db, numbers)


LEAST: Final = 3
"""Characters of a tag that was never added."""


def _statements(
    db: Database, looking: _SearchText, wanted: Searched, accounts: Sequence[int], most: int
) -> list[ClosedStatement]:
    """Return the statements with this number, those of this month, and the newest ones of these
    households."""
    today = in_zone(wanted.now, wanted.rule.zone).date().isoformat()
    printed = _PRINTED.fullmatch(looking.text)
    whole = str(looking.number) if printed is None else printed["whole"]
    numbers = [number for (number,) in db.execute(_NUMBERED, (whole, looking.number)).fetchall()]
    if _MONTH.fullmatch(looking.text):
        numbers += [number for (number,) in db.execute(_OF_MONTH, (looking.text, most)).fetchall()]
    for one in accounts:
        numbers += [number for (number,) in db.execute(_OF_ACCOUNT, (one, most)).fetchall()]
    return [*islice(closed_among(db, [*dict.fromkeys(numbers)], today), most)]
