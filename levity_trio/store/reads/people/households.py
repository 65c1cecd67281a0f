"""Households, and all that is theirs: vehicles, cards, users, transactions, and why a transaction
is whose it is.

What was done to whole households is listed with whether it can be undone, and what moving out would
end. Cards are shown as they are now and as they were, with their use; those that nobody knows, and
those that wait for an operator, have lists of their own. Users stand with their log-ins and tokens,
newest first, and with what was done over the API.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import orjson

from levity_trio.access.tags import LookAlikes, Policy, Tag
from levity_trio.access.user_passwords import MOST_TRIES
from levity_trio.billing.ownership import Thing, What
from levity_trio.nouns import Car, Card, Household
from levity_trio.records import ForOperators, Personal, in_order, noun, record
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.database import Database, Rows, marks, rows_of
from levity_trio.store.lookups.places import Owners, periods_of
from levity_trio.store.reads.money import wallets
from levity_trio.store.reads.pages import (
    Branch,
    ListKeys,
    ListPage,
    Row,
    Shape,
    Sort,
    WantedPage,
    WhereCondition,
    by_name,
    given,
    read_page,
    sort_by,
)
from levity_trio.store.reads.transactions.costs import numbers_of
from levity_trio.store.reads.transactions.transactions import (
    Transaction,
    TransactionFilters,
    transaction_rows,
)
from levity_trio.told import N_, Told
from levity_trio.wire.times import in_zone


@noun
class Account(Household):
    """A household, open from `since` until `until`. `language` is that of its pages and papers.

    One that was entered by mistake was undone at `undone_at`.
    """

    id: int
    since: str
    until: str | None
    created_at: str
    created_by: str
    updated_at: str
    undone_at: str | None


@noun
class Vehicle(Car):
    """A vehicle; `battery_wh` is the capacity of its battery."""

    id: int
    battery_wh: int | None
    created_at: str
    created_by: str
    updated_at: str
    removed_at: str | None


@record
class AccountFilters:
    """A filter of accounts; None means all. `is_open` is whether they are open now; `search` is a
    part of the name."""

    now: str
    name: str | None = None
    search: str | None = None
    is_open: bool | None = None


ACCOUNT_COLUMNS: Final[Mapping[str, str]] = {
    "name": "name",
    "contact": "contact",
    "mail": "mail",
    "since": "since",
    "balance": "(SELECT coalesce(sum(amount), 0) FROM ledger WHERE account_id = account.id)",
}
"""The columns by which accounts can be sorted."""
_ACCOUNT: Final = Shape(Account)
_VEHICLE: Final = Shape(Vehicle)
NOT_UNDONE: Final = WhereCondition("undone_at IS NULL")


def accounts(
    db: Database, filters: AccountFilters, wanted: WantedPage, sort: Sort | None = None
) -> ListPage[Account]:
    """Return a page of accounts, by their names if nothing else is asked for. Raises NoPage."""
    conditions = [
        NOT_UNDONE,
        *given(("name = ?", filters.name), ("instr(lower(name), lower(?)) > 0", filters.search)),
    ]
    if filters.is_open is not None:
        negated = "" if filters.is_open else "NOT "
        is_open = f"{negated}(since <= ? AND coalesce(until, '9999') > ?)"
        conditions.append(WhereCondition(is_open, (filters.now, filters.now)))
    listing = by_name("account", conditions, sort=sort)
    return read_page(db, listing, wanted, _ACCOUNT.by_id(db, "account"))


def names(db: Database) -> dict[int, str]:
    """Return the names of all accounts, in their order."""
    rows = db.execute(f"SELECT id, name FROM account WHERE {NOT_UNDONE.sql} ORDER BY id").fetchall()  # noqa: S608 - ours
    return dict(sorted(rows, key=lambda row: in_order(row[1])))


def household(db: Database, number: int) -> Account | None:
    """Return one account."""
    return _ACCOUNT.one(db, "FROM account WHERE id = ?", (number,))


def to_bill_last(db: Database, open_month: str, at: str) -> list[Account]:
    """Return the accounts that moved out since this month began, and whose last statement may not
    be closed yet; and those of which a closed statement was corrected since."""
    wanted = (
        "FROM account WHERE until <= ? AND undone_at IS NULL AND (substr(until, 1, 7) >= ? "
        "AND NOT EXISTS (SELECT 1 FROM closing WHERE account_id = account.id) "
        "OR EXISTS (SELECT 1 FROM statement JOIN settlement ON statement_id = statement.id "
        "WHERE statement.account_id = account.id AND number IS NOT NULL AND correction <> 0)) "
        "ORDER BY id"
    )
    return _ACCOUNT.every(db, wanted, (at, open_month))


def vehicles(
    db: Database, name: str | None, search: str | None, wanted: WantedPage
) -> ListPage[Vehicle]:
    """Return a page of the vehicles that were not removed, by their names. Raises NoPage."""
    conditions = [WhereCondition("removed_at IS NULL"), *given(("name = ?", name))]
    if search is not None:
        is_found = (
            "(instr(lower(name), lower(?)) > 0 OR instr(lower(coalesce(plate, '')), lower(?)) > 0)"
        )
        conditions.append(WhereCondition(is_found, (search, search)))
    listing = by_name("vehicle INDEXED BY vehicle_name", conditions)
    return read_page(db, listing, wanted, _VEHICLE.by_id(db, "vehicle"))


def vehicle(db: Database, number: int) -> Vehicle | None:
    """Return one vehicle."""
    return _VEHICLE.one(db, "FROM vehicle WHERE id = ?", (number,))


def all_accounts(db: Database) -> list[Account]:
    """Return all accounts, in the order of their numbers."""
    return _ACCOUNT.every(db, "FROM account WHERE undone_at IS NULL ORDER BY id")


def vehicles_of_nobody(db: Database) -> list[Vehicle]:
    """Return the vehicles that never belonged to an account, in the order of their numbers."""
    unowned = (
        "NOT EXISTS (SELECT 1 FROM ownership WHERE what = 'vehicle' AND key = CAST(vehicle.id AS "
        "TEXT)"
    )
    rest = (
        "FROM vehicle "
        f"WHERE removed_at IS NULL AND {unowned} AND conn_id = 0 AND voided_at IS NULL) "
        "ORDER BY id"
    )
    return _VEHICLE.every(db, rest)


@record
class UnlistedTag:
    """A tag that belongs to an account now, and that nobody added to the tags: it has no label,
    nothing blocks it."""

    id_tag: str
    account: int
    account_name: str


@record
class Belonging:
    """A tag, a space or a vehicle (`what`) belongs to an account from `since` until `until`, if
    that is known.

    `connector` null is the whole charger. `vehicle` is a vehicle, or the one that a tag names.
    `name` is that of the space or the vehicle. `exclusive` is whether a space is for its household
    only. A period that was wrong is voided; others say what holds instead.
    """

    id: int
    account: int
    what: str
    tag: str | None
    charger: str | None
    connector: int | None
    vehicle: int | None
    name: str | None
    exclusive: bool
    since: str
    until: str | None
    given_at: str
    given_by: str
    reason: Personal[str | None]
    ended_at: str | None
    ended_by: str | None
    end_reason: Personal[str | None]
    voided_at: str | None
    voided_by: str | None
    void_reason: Personal[str | None]


@record
class Exported(Belonging):
    """What belongs to an account, as a line of a file."""

    account_name: str
    vehicle_name: str | None
    plate: str | None
    battery_wh: int | None


_OF_SPACE: Final = "CASE WHEN what = 'space' THEN {} END"
_EXPRESSIONS: Final = {
    "id": "ownership.id",
    "account": "account_id",
    "tag": "id_tag",
    "charger": _OF_SPACE.format("key"),
    "connector": _OF_SPACE.format("nullif(ownership.conn_id, 0)"),
    "vehicle": "ownership.vehicle_id",
    "name": "CASE what WHEN 'space' THEN space.name WHEN 'vehicle' THEN vehicle.name END",
    "exclusive": "is_exclusive",
    "since": "ownership.since",
    "until": "ownership.until",
}
_FROM: Final = (
    "FROM ownership LEFT "
    "JOIN space ON what = 'space' AND space.cp_id = key AND space.conn_id = ownership.conn_id "
    "LEFT JOIN vehicle ON vehicle.id = ownership.vehicle_id"
)
OWN_REASONS: Final = (N_("moved out"), N_("undone"))
"""Reasons of periods that tasks of households give."""
_BELONGING: Final = Shape(Belonging, **_EXPRESSIONS).with_own(
    OWN_REASONS, "end_reason", "void_reason"
)
_UNLISTED: Final = Shape(UnlistedTag, account="account.id", account_name="account.name")
_EXPORTED: Final = Shape(
    Exported,
    **_EXPRESSIONS,
    account_name="account.name",
    vehicle_name="CASE WHEN removed_at IS NULL THEN vehicle.name END",
    plate="vehicle.plate",
)


_IS_SEEN: Final = (
    "NOT EXISTS (SELECT 1 FROM tag WHERE what = 'tag' AND tag.key = ownership.key "
    "AND (same_as IS NOT NULL OR is_phone = 1))"
)
"""Whether it is something that people know: no phone, and no other reading of a card."""


def belongings_of(db: Database, *accounts: int, which: str = _IS_SEEN) -> list[Belonging]:
    """Return what belongs to these accounts now and did before, the newest first."""
    of_these = f"{_FROM} WHERE account_id IN ({marks(accounts) or 'NULL'}) AND {which}"
    return _BELONGING.every(db, f"{of_these} ORDER BY ownership.id DESC", accounts)


def periods_of_vehicle(db: Database, vehicle: int) -> list[Belonging]:
    """Return whose a vehicle is and was, the newest first."""
    rest = (
        f"{_FROM} WHERE what = 'vehicle' AND key = ? AND ownership.conn_id = 0 AND voided_at IS "
        "NULL"
    )
    return _BELONGING.every(db, f"{rest} ORDER BY ownership.since DESC", (str(vehicle),))


def belongings(db: Database, what: str) -> list[Exported]:
    """Return the periods of tags, spaces or vehicles that were not voided, in the order of their
    rows."""
    joined = f"{_FROM} JOIN account ON account.id = account_id"
    is_kept = f"voided_at IS NULL AND (what <> 'vehicle' OR removed_at IS NULL) AND {_IS_SEEN}"
    return _EXPORTED.every(
        db, f"{joined} WHERE what = ? AND {is_kept} ORDER BY ownership.id", (what,)
    )


def unlisted_tags(db: Database, now: str, most: int) -> list[UnlistedTag]:
    """Return the tags that belong to accounts now and that nobody added, by their normal forms."""
    is_now = (
        "voided_at IS NULL AND ownership.since <= ?1 AND coalesce(ownership.until, '9999') > ?1"
    )
    is_listed = "EXISTS (SELECT 1 FROM tag WHERE tag.key = ownership.key AND ended_at IS NULL)"
    joined = "FROM ownership JOIN account ON account.id = account_id"
    rest = (
        f"{joined} WHERE what = 'tag' AND {is_now} AND NOT {is_listed} ORDER BY ownership.key "
        "LIMIT ?2"
    )
    return _UNLISTED.every(db, rest, (now, most))


HIGHEST_CHARACTER: Final = "\U0010ffff"
_FORMS: Final = (
    "SELECT folded_tag, id_tag "
    "FROM tx INDEXED BY tx_by_folded_tag "
    "WHERE (folded_tag, id_tag) > (?, ?) AND folded_tag <= ? "
    "ORDER BY folded_tag, id_tag LIMIT 1"
)
_GROUNDS: Final = "SELECT tx_id, ground, is_outside FROM booked WHERE tx_id IN ({})"


def is_of_household(db: Database, key: str, at: str) -> bool:
    """Whether a tag, by its normal form, belongs to a household at a time."""
    return any(one.span.covers(at) for one in periods_of(rows_of(db), Thing(What.TAG, key)))


@record
class OwnedTransaction:
    """A transaction of an account. `ground` is hand, tag, connector or charger; `outside` is
    whether the account was not open at its start."""

    ground: str
    outside: bool
    transaction: Transaction


@record
class Ownership:
    """The owner of a transaction (null: nobody), and why."""

    transaction: int
    account: int | None
    ground: str
    outside: bool
    grounds: tuple[str, ...]


def owned(db: Database, number: int, rule: Rule) -> Ownership | None:
    """Return whose a transaction is, and why; None if there is no such transaction."""
    decision = Owners(rows_of(db), rule.policy, rule.bill_by).explain(number)
    if decision is None:
        return None
    owner = decision.owner
    return Ownership(
        transaction=number,
        account=owner.account,
        ground=owner.ground,
        outside=owner.is_outside,
        grounds=decision.grounds,
    )


def transactions_of(
    db: Database, filters: TransactionFilters, wanted: WantedPage
) -> ListPage[OwnedTransaction]:
    """Return a page of the transactions of an account, the newest first, each with its ground.
    Raises NoPage."""
    page = numbers_of(db, filters, wanted)
    among = _GROUNDS.format(marks(page.data) or "NULL")
    grounds = {number: of_it for number, *of_it in rows_of(db)(among, page.data)}
    owned: list[OwnedTransaction] = []
    for one in transaction_rows(db, page.data):
        ground, is_outside = grounds[one.id]
        owned.append(OwnedTransaction(ground=ground, outside=bool(is_outside), transaction=one))
    return page.of_rows(owned)


def unowned(db: Database, filters: TransactionFilters, wanted: WantedPage) -> ListPage[Transaction]:
    """Return a page of the transactions that belong to nobody, the newest first. Raises NoPage.

    Imported ones are billed elsewhere and left out.
    """
    page = numbers_of(db, replace(filters, is_unowned=True), wanted)
    return page.of_rows(transaction_rows(db, page.data))


def forms_as_sent(db: Database, key: str, policy: Policy) -> Iterator[str]:
    """Yield the tags of transactions, as sent, with this normal form. They begin with it, or are
    it. What some chargers read instead of a card is the card."""
    for form in (key, *same_cards(db, key)):
        last: Row | None = (form, "")
        highest = form if policy.strip is None else form + HIGHEST_CHARACTER
        while last is not None:
            last = next(iter(db.execute(_FORMS, (*last, highest)).fetchall()), None)
            if last is not None and policy.key(last[1]) == form:
                yield last[1]


def same_cards(db: Database, key: str) -> list[str]:
    """Return the normal forms of what some chargers read instead of a card."""
    found = db.execute("SELECT key FROM tag WHERE same_as = ? AND ended_at IS NULL", (key,))
    return [form for (form,) in found.fetchall()]


MOST: Final = 20
RECENT_FACTS: Final = 2000
"""Among so many of the newest facts an unknown card is looked for."""
_OPEN: Final = (
    "SELECT tx_id FROM booked "
    "WHERE account_id = ? AND tx_id IN (SELECT id FROM tx WHERE status = 'Active') "
    "ORDER BY started_at DESC, tx_id DESC"
)
_AFTER: Final = "SELECT count(*) FROM booked WHERE account_id = ? AND started_at >= ?"
_TASKS: Final = (
    "FROM household_task JOIN household_task_account ON task_id = id"
    " WHERE account_id = ? ORDER BY id DESC LIMIT ?"
)
_PRESENTED: Final = (
    "SELECT cp_id, at, data FROM (SELECT * FROM event ORDER BY id DESC LIMIT ?) AS newest"
    " WHERE kind IN ('TagPresented', 'TransactionStarted') AND at >= ? ORDER BY id DESC"
)
_IS_KNOWN: Final = (
    "SELECT 1 FROM tag WHERE key = ?1 AND ended_at IS NULL "
    "UNION ALL SELECT 1 FROM ownership "
    "WHERE what = 'tag' AND key = ?1 AND conn_id = 0 AND voided_at IS NULL "
    "AND coalesce(until, '9999') > ?2 "
    "LIMIT 1"
)

_OF_TASK: Final = (
    "FROM household_task JOIN household_task_account ON task_id = household_task.id"
    " JOIN account ON account.id = household_task_account.account_id"
)
_NEW: Final = "WHERE household_task.id = ? AND account.created_at >= done_at LIMIT 1"
"""The condition for households that a task added: others are older than it."""
_BILLED: Final = (
    f"SELECT printed_number, account.name {_OF_TASK} "
    "JOIN statement ON statement.account_id = account.id "
    "JOIN closing ON closing.id = closing_id "
    "WHERE household_task.id = ? AND closed_at > done_at LIMIT 1"
)
_PAID: Final = (
    f"SELECT account.name {_OF_TASK} JOIN ledger ON ledger.account_id = account.id {_NEW}"
)
_BY_HAND: Final = (
    f"SELECT tx_id, account.name {_OF_TASK} "
    f"JOIN tx_account ON tx_account.account_id = account.id {_NEW}"
)
_OBSTACLES: Final = (
    (_BILLED, N_("statement {1} of {2} was closed since, so it is billed")),
    (_PAID, N_("money of {1} was entered since")),
    (_BY_HAND, N_("session {1} was given to {2} by hand since")),
)
"""What is in the way of undoing a task."""


def obstacle(rows: Rows, task: int) -> str | None:
    """Return why a task cannot be undone any longer, None if it can."""
    for sql, words in _OBSTACLES:
        for row in rows(sql, (task,)):
            return Told(words, *row)
    return None


@record
class Task:
    """What was done to households in one go: entered, moved in or moved out. `households` are how
    many it concerned.

    `obstacle` is why it cannot be undone any longer, null if it can; one that was undone has
    `undone_at`.
    """

    id: int
    kind: str
    done_at: str
    done_by: str
    households: int
    obstacle: str | None
    undone_at: str | None
    undone_by: str | None


_TASK: Final = Shape(Task, households="(SELECT count(*) FROM json_each(results))", obstacle="NULL")


@record
class UnknownCard:
    """A card that was presented and that nobody knows: at which charger, and when last.
    `looks_like` as of those that wait for an operator."""

    id_tag: str
    charger: str
    charger_name: str | None
    at: str
    looks_like: Mapping[str, str]


def tasks_of(db: Database, account: int) -> list[Task]:
    """Return what was done to a household, the newest first."""
    return [
        replace(one, obstacle=None if one.undone_at else obstacle(rows_of(db), one.id))
        for one in _TASK.every(db, _TASKS, (account, MOST))
    ]


def unknown_cards(
    db: Database, policy: Policy, since: str, charger: str | None
) -> list[UnknownCard]:
    """Return the cards that were presented since a time and that nobody knows, the last one first,
    each once."""
    found: dict[str, UnknownCard] = {}
    for at_charger, at, data in db.execute(_PRESENTED, (RECENT_FACTS, since)).fetchall():
        id_tag = orjson.loads(data).get("id_tag")
        key = policy.key(id_tag or "")
        is_elsewhere = charger is not None and at_charger != charger
        if not key or key in found or is_elsewhere or policy.is_own(key):
            continue
        if not db.execute(_IS_KNOWN, (key, since)).fetchall():
            names = db.execute("SELECT name FROM cp WHERE id = ?", (at_charger,)).fetchall()
            name = names[0][0] if names else None
            found[key] = UnknownCard(
                id_tag=id_tag, charger=at_charger, charger_name=name, at=at, looks_like={}
            )
    alike = look_alikes(db, [*found])
    return [replace(one, looks_like=alike[key]) for key, one in found.items()]


# Moving out


@record
class Departure:
    """What ends if a household moves out at `until`: what belongs to it then, and the log-ins of
    its drivers.

    `open_sessions` are still running; `sessions_after` of it began after that, and would be
    nobody's. `balance` is what it owes (negative) or has left, `month` the one of its final bill.
    """

    account: int
    name: str
    until: str
    belongings: list[Belonging]
    drivers: list[str]
    open_sessions: list[int]
    sessions_after: int
    balance: int
    currency: str | None
    month: str


def leaving(db: Database, account: int, until: str, zone: ZoneInfo) -> Departure | None:
    """Return what moving out at a time would end, None without such an account."""
    known = household(db, account)
    if known is None:
        return None
    held = [
        one
        for one in belongings_of(db, account)
        if one.voided_at is None and (one.until or "9999") > until
    ]
    ((after,),) = db.execute(_AFTER, (account, until)).fetchall()
    wallet = wallets.wallet(db, account)
    last = in_zone(datetime.fromisoformat(until) - datetime.resolution, zone).date()
    return Departure(
        account=account,
        name=known.name,
        until=until,
        belongings=held,
        drivers=[one.name for one in drivers_of(db, account) if one.removed_at is None],
        open_sessions=[number for (number,) in db.execute(_OPEN, (account,)).fetchall()],
        sessions_after=after,
        balance=0 if wallet is None else -wallet.owed or max(0, wallet.balance + wallet.to_come),
        currency=None if wallet is None else wallet.currency,
        month=f"{last:%Y-%m}",
    )


@noun
class TagRow(Card):
    """A tag, for the time in which it was valid as it stands here: from `created_at` until
    `ended_at`, if it has ended.

    `max_transactions` is how many transactions it may have at once, null for any number. `same_as`
    is the card that a charger reads so.
    """

    created_at: str
    created_by: ForOperators[str | None]
    ended_at: str | None
    ended_by: ForOperators[str | None]
    same_as: ForOperators[str | None]


@record
class AskedTag:
    """An unknown tag that waits for an operator: where it was presented last (`charger`), and whose
    it is now.

    `looks_like` are the known cards that it may be, and how one of the two is read: backwards,
    short (without its first or last bytes), or otherwise.
    """

    id_tag: str
    charger: str
    account: ForOperators[int | None]
    account_name: ForOperators[str | None]
    first_at: str
    last_at: str
    count: int
    looks_like: ForOperators[Mapping[str, str] | None]


@record
class TagFilters:
    """A filter of tags; None means all. `search` is a part of the tag, or of its name for those who
    see names."""

    now: str
    status: str | None = None
    parent: str | None = None
    expired: bool | None = None
    search: str | None = None
    sees_names: bool = True


OF_NOW: Final = "ended_at IS NULL"
OF_CARDS: Final = f"{OF_NOW} AND same_as IS NULL AND is_phone = 0"
"""Each card once, however chargers read it."""
_TAG: Final = Shape(TagRow)
_ASKED: Final = Shape(
    AskedTag,
    account="account.id",
    account_name="account.name",
    id_tag="asked_tag.id_tag",
    looks_like="NULL",
)


def tags_of_now(db: Database) -> list[tuple[str, Tag]]:
    """Return the normal forms of all tags of now, and what the policy knows of each."""
    columns = "key, status, expires_at, parent_id_tag, max_transactions"
    rows = db.execute(f"SELECT {columns} FROM tag INDEXED BY tag_key WHERE {OF_NOW}")  # noqa: S608 - our own words
    return [(key, Tag(*tag)) for key, *tag in rows.fetchall()]


def tags(
    db: Database, filters: TagFilters, wanted: WantedPage, sort: Sort | None = None
) -> ListPage[TagRow]:
    """Return a page of the tags of now, by their normal form if nothing else is asked for. Raises
    NoPage."""
    conditions = [WhereCondition(OF_CARDS)]
    conditions += given(
        ("status = ?", filters.status), ("lower(parent_id_tag) = lower(?)", filters.parent)
    )
    if filters.expired is not None:
        is_then = f"coalesce(expires_at, '9999') {'<=' if filters.expired else '>'} ?"
        conditions.append(WhereCondition(is_then, (filters.now,)))
    if filters.search is not None:
        of_name = " OR instr(lower(name), lower(?)) > 0" if filters.sees_names else ""
        values = (filters.search,) * (2 if filters.sees_names else 1)
        conditions.append(WhereCondition(f"(instr(key, lower(?)) > 0{of_name})", values))
    branch = Branch("tag INDEXED BY tag_key", conditions)
    listing = ListKeys([branch], ("key",), is_newest_first=False, sort=sort)
    of_key = f"FROM tag WHERE key = ? AND {OF_NOW}"
    return read_page(db, listing, wanted, lambda key: _TAG.every(db, of_key, key[-1:])[0])


def sort_of_tags(db: Database, asked: str | None, policy: Policy, now: str) -> Sort | None:
    """Return the order that is asked for by the name of a column: for last_used, each tag is looked
    up."""

    def last_used(keys: Sequence[Row]) -> list[str | None]:
        return [use_of(db, key[-1], policy, now).last_used_at for key in keys]

    if asked is not None and asked.endswith("last_used"):
        return Sort(last_used, is_descending=asked.startswith("-"))
    columns = {
        "id_tag": "key",
        "name": "name",
        "status": (
            f"CASE WHEN status = 'Accepted' AND coalesce(expires_at, '9999') <= '{now}' THEN "
            "'Expired' ELSE status END"
        ),
        "household": (
            "(SELECT account.name FROM ownership JOIN account ON account.id = account_id WHERE "  # noqa: S608 - our own time
            "what = 'tag' AND ownership.key = tag.key AND voided_at IS NULL AND ownership.since "
            f"<= '{now}' AND coalesce(ownership.until, '9999') > '{now}' LIMIT 1)"
        ),
    }
    return sort_by(columns, asked)


def periods(db: Database, key: str) -> list[TagRow]:
    """Return what was valid for a tag and when, the newest first."""
    return _TAG.every(db, "FROM tag WHERE key = ? ORDER BY id DESC", (key,))


def tags_in_order(db: Database) -> list[TagRow]:
    """Return all tags of now, by their normal form."""
    return _TAG.every(db, f"FROM tag INDEXED BY tag_key WHERE {OF_CARDS} ORDER BY key")


def asked_tags(db: Database, now: str) -> list[AskedTag]:
    """Return the unknown tags that wait for an operator, the last one presented first."""
    owner = (
        "LEFT "
        "JOIN ownership ON what = 'tag' AND ownership.key = asked_tag.key AND voided_at IS NULL "
        "AND ownership.since <= ?1 AND coalesce(ownership.until, '9999') > ?1 "
        "LEFT JOIN account ON account.id = account_id"
    )
    rows = f"FROM asked_tag {owner} ORDER BY last_at DESC, asked_tag.key"
    found = db.execute(f"SELECT asked_tag.key, {_ASKED.columns} {rows}", (now,)).fetchall()
    alike = look_alikes(db, [key for key, *_ in found])
    return [replace(_ASKED.read(row), looks_like=alike[key]) for key, *row in found]


def look_alikes(db: Database, keys: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return for each tag, by its normal form, the known cards that it may be, and how it is
    read."""
    if not keys:
        return {}
    cards = dict(db.execute(f"SELECT key, id_tag FROM tag WHERE {OF_CARDS}").fetchall())  # noqa: S608 - our own words
    known = LookAlikes(cards)
    return {key: {cards[other]: how for other, how in known.of(key).items()} for key in keys}


def is_asked(db: Database, key: str) -> bool:
    """Whether an unknown tag waits for an operator."""
    return db.execute("SELECT 1 FROM asked_tag WHERE key = ?", (key,)).fetchone() is not None


_OWNER: Final = (
    "SELECT account.id, account.name FROM ownership "
    "JOIN account ON account.id = account_id "
    "WHERE what = 'tag' AND key = ?1 AND voided_at IS NULL AND ownership.since <= ?2 "
    "AND coalesce(ownership.until, '9999') > ?2"
)
_LAST: Final = "SELECT max(start_time) FROM tx INDEXED BY tx_by_tag WHERE id_tag = ?"


_NAME: Final = (
    f"SELECT coalesce((SELECT name FROM ({_OWNER}) AS owner), name) FROM tag"  # noqa: S608 - our own words
    " WHERE key = ?1 ORDER BY id DESC LIMIT 1"
)


def name_of(db: Database, key: str, now: str) -> str | None:
    """Return whose the tag with a normal form is, else what it is or was called."""
    return next((name for (name,) in db.execute(_NAME, (key, now)).fetchall()), None)


@noun
class UsedTag(TagRow):
    """A tag with the account that it belongs to now, and the start of its last transaction."""

    account: ForOperators[int | None]
    account_name: ForOperators[str | None]
    last_used_at: str | None


@record
class Use:
    """How a tag is used. `sent_as` are its forms in transactions: with other letter cases, or
    before `--tag-strip`."""

    account: int | None
    account_name: str | None
    last_used_at: str | None
    sent_as: tuple[str, ...]


def with_use(db: Database, tag: TagRow, policy: Policy, now: str) -> UsedTag:
    """Return a tag of now with its use."""
    use = use_of(db, policy.key(tag.id_tag), policy, now)
    return UsedTag(
        **asdict(tag),
        account=use.account,
        account_name=use.account_name,
        last_used_at=use.last_used_at,
    )


def use_of(db: Database, key: str, policy: Policy, now: str) -> Use:
    """Return how the tag with a normal form is used."""
    owner = next(iter(db.execute(_OWNER, (key, now)).fetchall()), (None, None))
    sent_as = tuple(forms_as_sent(db, key, policy))
    starts = [db.execute(_LAST, (form,)).fetchall()[0][0] for form in sent_as]
    return Use(
        account=owner[0],
        account_name=owner[1],
        last_used_at=max(starts, default=None),
        sent_as=sent_as,
    )


@record
class UserRow:
    """A user. `account` is a driver's; a code by which the user may log in once is open until
    `invited_until`, unless it `is_used_up`: a PIN that was guessed at as often as it may be tried.
    A driver who moves out may log in until `ends_at`.
    """

    id: int
    name: str
    role: str
    account: int | None
    language: str | None
    has_password: bool
    invited_until: str | None
    is_used_up: bool
    last_used_at: str | None
    added_at: str
    added_by: str
    removed_at: str | None
    removed_by: str | None
    ends_at: str | None


@record
class LoginRow:
    """A browser that logged in, as a user or with a token. `ended_by` is null if the browser itself
    ended it."""

    id: int
    user: int | None
    token: int | None
    name: str
    role: str
    address: str
    browser: str
    made_at: str
    last_used_at: str
    ended_at: str | None
    ended_by: str | None


_CODE: Final = "FROM invitation WHERE user_id = person.id AND used_at IS NULL"
_GUESSED_AT: Final = f"SELECT 1 {_CODE} AND tries >= {MOST_TRIES}"
_USER: Final = Shape(
    UserRow,
    account="account_id",
    has_password="digest IS NOT NULL",  # noqa: S106 - SQL
    invited_until=f"(SELECT expires_at {_CODE})",
    is_used_up=f"EXISTS ({_GUESSED_AT})",
    last_used_at="(SELECT max(last_used_at) FROM login WHERE user_id = person.id)",
)
_LOGIN: Final = Shape(
    LoginRow,
    id="login.id",
    user="user_id",
    token="token_id",  # noqa: S106 - SQL
    name="coalesce(person.name, token.name)",
    role="coalesce(person.role, token.role)",
    last_used_at="login.last_used_at",
)
_LOGINS: Final = (
    "FROM login LEFT "
    'JOIN "user" AS person ON person.id = user_id LEFT '
    "JOIN token ON token.id = token_id"
)


def users(db: Database) -> list[UserRow]:
    """Return all users."""
    return _USER.every(db, 'FROM "user" AS person ORDER BY id DESC')


def user(db: Database, number: int) -> UserRow | None:
    """Return a user, None if there is none."""
    return _USER.one(db, 'FROM "user" AS person WHERE id = ?', (number,))


def drivers_of(db: Database, account: int) -> list[UserRow]:
    """Return the drivers that an account has or had."""
    return _USER.every(
        db, 'FROM "user" AS person WHERE account_id = ? ORDER BY id DESC', (account,)
    )


def logins(db: Database, limit: int, *, is_ended: bool) -> list[LoginRow]:
    """Return log-ins that are open, or with `is_ended` also those that were ended."""
    wanted = f"{_LOGINS} WHERE ? OR ended_at IS NULL ORDER BY login.id DESC LIMIT ?"
    return _LOGIN.every(db, wanted, (is_ended, limit))


def logins_of(db: Database, account: int) -> list[LoginRow]:
    """Return the log-ins of the drivers of an account."""
    return _LOGIN.every(
        db, f"{_LOGINS} WHERE person.account_id = ? ORDER BY login.id DESC", (account,)
    )


@record
class TokenRow:
    """A token, without what would let it be used."""

    id: int
    name: str
    role: str
    created_at: str
    created_by: str
    last_used_at: str | None
    revoked_at: str | None
    revoked_by: str | None


@record
class ActionRow:
    """A change that was asked for, or a refused attempt; `status` is that of the response."""

    id: int
    at: str
    who: str | None
    role: str | None
    address: str
    method: str
    path: str
    body: str | None
    status: int | None
    code: str | None


_TOKEN: Final = Shape(TokenRow)
_ACTION: Final = Shape(ActionRow)


def tokens(db: Database) -> list[TokenRow]:
    """Return all tokens, the newest first."""
    return _TOKEN.every(db, "FROM token ORDER BY id DESC")


def actions(db: Database, before: int | None, limit: int) -> list[ActionRow]:
    """Return the actions with an id below `before`, the newest first."""
    wanted = (
        "FROM operator_action "
        "WHERE CAST(?1 AS INTEGER) IS NULL OR id < ?1 ORDER BY id DESC LIMIT ?2"
    )
    return _ACTION.every(db, wanted, (before, limit))


def language_of_owner(db: Database) -> str | None:
    """Return the language of the first admin who chose one."""
    chosen = "role = 'admin' AND removed_at IS NULL AND language IS NOT NULL"
    rows = db.execute(f'SELECT language FROM "user" WHERE {chosen} ORDER BY id LIMIT 1').fetchall()  # noqa: S608
    return str(rows[0][0]) if rows else None
