"""The tags that operators added, as they are now and as they were, how each is used, and those that
wait for an operator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Final

from levity_trio.access.tags import LookAlikes, Policy, Tag
from levity_trio.nouns import Card
from levity_trio.records import ForOperators, noun, record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.pages import (
    Branch,
    ListKeys,
    ListPage,
    Row,
    Shape,
    Sort,
    WantedPage,
    WhereCondition,
    given,
    read_page,
    sort_by,
)
from levity_trio.store.reads.people.accounts import forms_as_sent


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
