"""The tags that operators added, each kept for the time in which it was valid, and those that wait
for an operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from levity_trio.access.tags import REMOVED, Policy, Status, Tag
from levity_trio.events import TagChanged, TagsImported
from levity_trio.nouns import Card
from levity_trio.records import noun
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.stored import RecordTable

ASKED_OF_CHARGER: Final = 20
"""Unknown tags that are listed for each charger; a further one replaces the one that was presented
longest ago."""


class UnknownTag(Exception):
    """Nobody added this tag, or it was removed."""


class TagInUse(Exception):
    """A tag with this normal form was added before; the argument is how it is written."""


@noun
class TagData(Card):
    """A tag as an operator gives it. Times are in the database's format. `same_as` is the normal
    form of the card that a charger reads so, `is_phone` whether a household starts so by phone."""

    same_as: str | None = None
    is_phone: bool = False

    @property
    def tag(self) -> Tag:
        """What the policy knows of it."""
        return Tag(self.status, self.expires_at, self.parent_id_tag, self.max_transactions)


TAG: Final = RecordTable("tag", TagData)


class TagChange(NamedTuple):
    """A tag before and after a change; `before` is None if it is new."""

    before: TagData | None
    after: TagData

    @property
    def word(self) -> str:
        """What it is called in a report."""
        return (
            "added" if self.before is None else "same" if self.before == self.after else "changed"
        )


def add(db: UnitOfWork, policy: Policy, data: TagData, at: str, by: str) -> TagChange:
    """Add a tag, which then waits for no operator any longer. Raises TagInUse."""
    key = policy.key(data.id_tag)
    if (known := find(db, key)) is not None:
        raise TagInUse(known.id_tag)
    _put(db, key, None, data, at, by)
    _record(db, data, "added", at, by)
    return TagChange(None, data)


def admit(db: UnitOfWork, policy: Policy, id_tag: str, until: str | None, at: str, by: str) -> None:
    """Add a tag that was given to an account, if nobody added it: whoever gives a card means that
    it may charge.

    One that was blocked stays so. Unknown tags that are an outside authorizer's matter stay that,
    too. A tag that was given for a time before now is not admitted.
    """
    is_over = until is not None and until <= at
    if not is_over and not policy.has_authorizer and find(db, policy.key(id_tag)) is None:
        add(db, policy, TagData(id_tag=id_tag), at, by)


def change(
    db: UnitOfWork, policy: Policy, id_tag: str, fields: Mapping[str, Any], at: str, by: str
) -> TagChange:
    """Change fields of a tag, named as in TagData: of a card, however it is read. Raises
    UnknownTag."""
    key = policy.key(id_tag)
    before = _known(db, key, id_tag)
    if before.same_as is not None:
        key = before.same_as
        before = _known(db, key, id_tag)
    after = replace(before, **fields)
    if after != before:
        _put(db, key, before, after, at, by)
        for form in (after, *other_forms(db, key).values()):
            _record(db, form, _words(before, after), at, by)
    return TagChange(before, after)


def _words(before: TagData, after: TagData) -> str:
    if before.status == after.status:
        return "changed"
    return "blocked" if after.status == Status.BLOCKED else "unblocked"


def remove(db: UnitOfWork, policy: Policy, id_tag: str, at: str, by: str) -> TagData:
    """Remove a tag and return it; its periods stay. Raises UnknownTag."""
    key = policy.key(id_tag)
    before = _known(db, key, id_tag)
    for of_form, form in {key: before, **other_forms(db, key)}.items():
        _end(db, of_form, at, by)
        _record(db, form, REMOVED, at, by)
    return before


def find(db: UnitOfWork, key: str) -> TagData | None:
    """Return the tag with this normal form as it is now."""
    return TAG.find(db, "key = ? AND ended_at IS NULL", (key,))


def other_forms(db: UnitOfWork, key: str) -> dict[str, TagData]:
    """Return the tags that some chargers read instead of a card, by their normal forms."""
    rows = db.rows("SELECT key FROM tag WHERE same_as = ? AND ended_at IS NULL", (key,))
    return {form: _known(db, form, form) for (form,) in rows}


def _known(db: UnitOfWork, key: str, id_tag: str) -> TagData:
    tag = find(db, key)
    if tag is None:
        raise UnknownTag(id_tag)
    return tag


def _put(
    db: UnitOfWork, key: str, before: TagData | None, after: TagData, at: str, by: str
) -> None:
    """End what held until now, if anything, and store what holds from now on, also for what
    chargers read instead of a card."""
    if before is None:
        db.execute("DELETE FROM asked_tag WHERE key = ?", (key,))
    else:
        _end(db, key, at, by)
    TAG.put(db, after, key=key, created_at=at, created_by=by)
    for of_form, form in other_forms(db, key).items():
        _put(db, of_form, form, replace(after, id_tag=form.id_tag, same_as=key), at, by)


def _end(db: UnitOfWork, key: str, at: str, by: str) -> None:
    db.execute(
        "UPDATE tag SET ended_at = ?, ended_by = ? WHERE key = ? AND ended_at IS NULL",
        (at, by, key),
    )


def _record(db: UnitOfWork, data: TagData, change: str, at: str, by: str) -> None:
    fact = TagChanged(
        charger=None,
        at=at,
        id_tag=data.id_tag,
        change=change,
        status=data.status,
        expires_at=data.expires_at,
        parent_id_tag=data.parent_id_tag,
        max_transactions=data.max_transactions,
        by=by,
    )
    db.record(fact)


# Waiting for an operator


def ask(db: UnitOfWork, origin: Origin, key: str, id_tag: str) -> None:
    """List an unknown tag for an operator to add, among the last ones of its charger."""
    db.execute(
        "INSERT INTO asked_tag (key, id_tag, cp_id, first_at, last_at, count) "
        "VALUES (?1, ?2, ?3, ?4, ?4, 1) ON CONFLICT (key) DO UPDATE "
        "SET id_tag = ?2, cp_id = ?3, last_at = ?4, count = asked_tag.count + 1",
        (key, id_tag, origin.charger, origin.received_at),
    )
    db.execute(
        "DELETE FROM asked_tag WHERE key IN"
        " (SELECT key FROM asked_tag WHERE cp_id = ? ORDER BY last_at DESC, key LIMIT -1 OFFSET ?)",
        (origin.charger, ASKED_OF_CHARGER),
    )


def dismiss(db: UnitOfWork, policy: Policy, id_tag: str) -> None:
    """Forget an unknown tag until it is presented again. Raises UnknownTag."""
    if not db.changed("DELETE FROM asked_tag WHERE key = ?", (policy.key(id_tag),)):
        raise UnknownTag(id_tag)


# Import


class ImportedTags(NamedTuple):
    """What an import did with each tag, and whether one may no longer charge."""

    words: list[str]
    is_withdrawn: bool


def take(
    db: UnitOfWork,
    policy: Policy,
    fields: Sequence[str],
    rows: Sequence[Sequence[Any]],
    at: str,
    by: str,
) -> ImportedTags:
    """Import tags: the names of fields of TagData, and their values for each tag. Tags that are the
    same stay."""
    known = {
        policy.key(tag.id_tag): tag
        for tag in TAG.every(db, "INDEXED BY tag_key WHERE ended_at IS NULL")
    }
    words, is_withdrawn = [], False
    for row in rows:
        given = dict(zip(fields, row, strict=True))
        key = policy.key(given["id_tag"])
        before = known.get(key)
        after = TagData(**given) if before is None else replace(before, **given)
        if before is not None and before.same_as is not None:
            after = before  # its card says what holds
        change = TagChange(before, after)
        words.append(change.word)
        if change.after != before:
            _put(db, key, before, change.after, at, by)
            known[key] = change.after
            was = None if before is None else before.tag
            is_withdrawn = is_withdrawn or policy.is_withdrawn(key, was, change.after.tag, at)
    db.record(TagsImported(charger=None, at=at, count=len(rows), by=by))
    return ImportedTags(words, is_withdrawn)


# After a start


def rekey(db: UnitOfWork, policy: Policy) -> None:
    """Store normal forms anew after --tag-strip has changed. Raises TagInUse."""
    tags = db.rows(
        "SELECT id, key, id_tag FROM tag INDEXED BY tag_key WHERE ended_at IS NULL ORDER BY key"
    )
    changed = [
        (policy.key(id_tag), number, id_tag, key)
        for number, key, id_tag in tags
        if policy.key(id_tag) != key
    ]
    for _, number, *_ in changed:  # no two may have the same one, not even meanwhile
        db.execute("UPDATE tag SET key = ? WHERE id = ?", (f"\n{number}", number))
    for key, number, id_tag, before in changed:
        if find(db, key) is not None:
            raise TagInUse(id_tag)
        db.execute("UPDATE tag SET key = ? WHERE id = ?", (key, number))
        same = "UPDATE tag SET same_as = ? WHERE same_as = ? AND ended_at IS NULL"
        db.execute(same, (key, before))
    for key, id_tag in db.rows("SELECT key, id_tag FROM asked_tag"):
        if key != policy.key(id_tag):
            db.execute("DELETE FROM asked_tag WHERE key = ?", (key,))
