"""The tags that operators added, each kept for the time in which it was valid, and those that wait for an operator.

An import is staged in parts and then applied part by part, so that no charger waits for 100,000 rows. Its last part has
it accepted: before that nothing of it counts, afterwards all of it, also after a crash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import orjson

from levity_trio.access.tags import REMOVED, Policy, Status, Tag
from levity_trio.events import TagChanged, TagsImported
from levity_trio.log.output import get_logger
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.writes.origin import Origin

IMPORTING_SECONDS: Final = 5.0
log = get_logger("system")
_NO_TAGS: Final = "[[]]"
"""The rows of the first and of the last part of an import."""
ASKED_OF_CHARGER: Final = 20
"""Unknown tags that are listed for each charger; a further one replaces the one that was presented longest ago."""
_OF_NOW: Final = (
    "SELECT id_tag, name, status, expires_at, parent_id_tag, max_transactions, notes FROM tag"
    " WHERE key = ? AND ended_at IS NULL"
)
_ACCEPTED: Final = "SELECT import FROM tag_import_part WHERE server = ?1 AND tags IS NOT NULL"


class UnknownTag(Exception):
    """Nobody added this tag, or it was removed."""


class TagInUse(Exception):
    """A tag with this normal form was added before; the argument is how it is written."""


class TagData(NamedTuple):
    """A tag as an operator gives it. Times are in the database's format."""

    id_tag: str
    name: str | None = None
    status: str = Status.ACCEPTED
    expires_at: str | None = None
    parent_id_tag: str | None = None
    max_transactions: int | None = None
    notes: str | None = None

    @property
    def tag(self) -> Tag:
        """What the policy knows of it."""
        return Tag(self.status, self.expires_at, self.parent_id_tag, self.max_transactions)


class Change(NamedTuple):
    """A tag before and after a change; `before` is None if it is new."""

    before: TagData | None
    after: TagData

    @property
    def word(self) -> str:
        """What it is called in a report."""
        return "added" if self.before is None else "same" if self.before == self.after else "changed"


def add(db: UnitOfWork, policy: Policy, data: TagData, at: str, by: str) -> Change:
    """Add a tag, which then waits for no operator any longer. Raises TagInUse."""
    key = policy.key(data.id_tag)
    if (known := find(db, key)) is not None:
        raise TagInUse(known.id_tag)
    _put(db, key, None, data, at, by)
    _record(db, data, "added", at, by)
    return Change(None, data)


def admit(db: UnitOfWork, policy: Policy, id_tag: str, until: str | None, at: str, by: str) -> None:
    """Add a tag that was given to an account, if nobody added it: whoever gives a card means that it may charge.

    One that was blocked stays so. Unknown tags that are an outside authorizer's matter stay that, too. A tag that was
    given for a time before now is not admitted.
    """
    is_over = until is not None and until <= at
    if not is_over and not policy.has_authorizer and find(db, policy.key(id_tag)) is None:
        add(db, policy, TagData(id_tag), at, by)


def change(db: UnitOfWork, policy: Policy, id_tag: str, fields: Mapping[str, Any], at: str, by: str) -> Change:
    """Change fields of a tag, named as in TagData. Raises UnknownTag."""
    key = policy.key(id_tag)
    before = _known(db, key, id_tag)
    after = before._replace(**fields)
    if after != before:
        _put(db, key, before, after, at, by)
        _record(db, after, _words(before, after), at, by)
    return Change(before, after)


def _words(before: TagData, after: TagData) -> str:
    if before.status == after.status:
        return "changed"
    return "blocked" if after.status == Status.BLOCKED else "unblocked"


def remove(db: UnitOfWork, policy: Policy, id_tag: str, at: str, by: str) -> TagData:
    """Remove a tag and return it; its periods stay. Raises UnknownTag."""
    key = policy.key(id_tag)
    before = _known(db, key, id_tag)
    _end(db, key, at, by)
    _record(db, before, REMOVED, at, by)
    return before


def find(db: UnitOfWork, key: str) -> TagData | None:
    """Return the tag with this normal form as it is now."""
    row = db.row(_OF_NOW, (key,))
    return None if row is None else TagData(*row)


def _known(db: UnitOfWork, key: str, id_tag: str) -> TagData:
    tag = find(db, key)
    if tag is None:
        raise UnknownTag(id_tag)
    return tag


def _put(db: UnitOfWork, key: str, before: TagData | None, after: TagData, at: str, by: str) -> None:
    """End what held until now, if anything, and store what holds from now on."""
    if before is None:
        db.execute("DELETE FROM asked_tag WHERE key = ?", (key,))
    else:
        _end(db, key, at, by)
    db.execute(
        "INSERT INTO tag (key, id_tag, name, status, expires_at, parent_id_tag, max_transactions, notes, created_at,"
        " created_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (key, *after, at, by),
    )


def _end(db: UnitOfWork, key: str, at: str, by: str) -> None:
    db.execute("UPDATE tag SET ended_at = ?, ended_by = ? WHERE key = ? AND ended_at IS NULL", (at, by, key))


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
        "INSERT INTO asked_tag (key, id_tag, cp_id, first_at, last_at, count) VALUES (?1, ?2, ?3, ?4, ?4, 1)"
        " ON CONFLICT (key) DO UPDATE SET id_tag = ?2, cp_id = ?3, last_at = ?4, count = asked_tag.count + 1",
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


def begin_import(db: UnitOfWork, server: str, by: str) -> int:
    """Begin an import of this server; return its number."""
    discard_unaccepted(db, server)
    insert = "INSERT INTO tag_import_part (server, by, rows) VALUES (?, ?, ?) RETURNING id"
    number = db.insert(insert, (server, by, _NO_TAGS))
    db.execute("UPDATE tag_import_part SET import = id WHERE id = ?", (number,))
    return number


def stage(
    db: UnitOfWork, server: str, number: int, fields: Sequence[str], rows: Sequence[Sequence[object]], by: str
) -> None:
    """Store a part of an import: the names of fields of TagData, and their values for each tag."""
    _stage(db, server, number, by, orjson.dumps([fields, *rows]).decode(), None)


def accept(db: UnitOfWork, server: str, number: int, tags: int, by: str) -> None:
    """Have an import of so many tags applied."""
    _stage(db, server, number, by, _NO_TAGS, tags)


def _stage(db: UnitOfWork, server: str, number: int, by: str, rows: str, tags: int | None) -> None:
    insert = "INSERT INTO tag_import_part (server, import, by, rows, tags) VALUES (?, ?, ?, ?, ?)"
    db.execute(insert, (server, number, by, rows, tags))


def discard_unaccepted(db: UnitOfWork, server: str) -> None:
    """Delete what this server staged and did not accept, because of a fault or a crash."""
    db.execute(f"DELETE FROM tag_import_part WHERE server = ?1 AND import NOT IN ({_ACCEPTED})", (server,))  # noqa: S608 - ours


def take_over(db: UnitOfWork, gone: str, server: str) -> None:
    """Let a server apply the accepted imports of one that is gone."""
    discard_unaccepted(db, gone)
    db.execute("UPDATE tag_import_part SET server = ? WHERE server = ?", (server, gone))


def apply_part(db: UnitOfWork, server: str, policy: Policy, at: str) -> list[Change | None] | None:
    """Apply the next part of this server's accepted imports, in the order in which they were accepted; None if there is
    none. Tags that are the same stay. For a tag that cannot be stored, which nobody foresaw, there is None."""
    part = db.row(
        "SELECT id, by, rows, tags FROM tag_import_part"  # noqa: S608 - our own words
        f" WHERE server = ?1 AND import = ({_ACCEPTED} ORDER BY id LIMIT 1) ORDER BY id LIMIT 1",
        (server,),
    )
    if part is None:
        return None
    number, by, rows, tags = part
    fields, *values = orjson.loads(rows)
    changes: list[Change | None] = []
    for row in values:
        put = partial(_import, db, policy, dict(zip(fields, row, strict=True)), at, by, changes)
        if (error := db.attempt(put, IMPORTING_SECONDS)) is not None:
            log.error("an imported tag cannot be stored, and is left out", by=by, exc_info=error)
            changes.append(None)
    db.execute("DELETE FROM tag_import_part WHERE id = ?", (number,))
    if tags is not None:
        db.record(TagsImported(charger=None, at=at, count=tags, by=by))
    return changes


def _import(
    db: UnitOfWork, policy: Policy, fields: Mapping[str, Any], at: str, by: str, changes: list[Change | None]
) -> None:
    key = policy.key(fields["id_tag"])
    before = find(db, key)
    after = TagData(**fields) if before is None else before._replace(**fields)
    if after != before:
        _put(db, key, before, after, at, by)
    changes.append(Change(before, after))


# After a start


def rekey(db: UnitOfWork, policy: Policy, keys: Sequence[tuple[int, str, str]]) -> None:
    """Store normal forms by the id of their row, each with the tag, after --tag-strip has changed. Raises TagInUse.

    Rows that another server has ended meanwhile stay; the tag has a later one.
    """
    of_now = [row for row in keys if _is_set_aside(db, row[0])]  # no two may have the same one, not even meanwhile
    for number, key, id_tag in of_now:
        if find(db, key) is not None:
            raise TagInUse(id_tag)
        db.execute("UPDATE tag SET key = ? WHERE id = ?", (key, number))
    for key, id_tag in db.rows("SELECT key, id_tag FROM asked_tag"):
        if key != policy.key(id_tag):
            db.execute("DELETE FROM asked_tag WHERE key = ?", (key,))


def _is_set_aside(db: UnitOfWork, number: int) -> bool:
    return db.changed("UPDATE tag SET key = ? WHERE id = ? AND ended_at IS NULL", (f"\n{number}", number)) > 0
