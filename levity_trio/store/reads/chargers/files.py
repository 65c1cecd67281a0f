"""Files that chargers sent or fetch, and what a secret URL is for."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final, NamedTuple

from levity_trio.operations.judges import is_url_valid
from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.pages import ListPage, Shape, WantedPage


@record
class StoredFile:
    """A file: `kind` is diagnostics, log or firmware, `state` stored or deleted, `name` that of the
    file on disk.

    A charger sent it for a command; what an operator calls firmware is its `title`.
    """

    id: int
    kind: str
    state: str
    title: str | None
    charger: str | None
    command: int | None
    name: str
    size_bytes: int
    sha256: str
    created_at: str
    deleted_at: str | None


_SHAPE: Final = Shape(
    StoredFile,
    command="command_id",
    state="CASE WHEN deleted_at IS NULL THEN 'stored' ELSE 'deleted' END",
)


class Url(NamedTuple):
    """What a valid URL is for: to fetch the file of this name, or to send one for this command."""

    charger: str
    command: int
    action: str
    name: str | None
    files: int
    """How many files came over it."""
    title: str | None = None
    """What an operator calls the file to be fetched."""


def files(db: Database, charger: str | None, wanted: WantedPage) -> ListPage[StoredFile]:
    """Return a page of files, the newest first. Raises NoPage."""
    return _SHAPE.page(db, "file", charger, wanted)


def file(db: Database, number: int) -> StoredFile | None:
    """Return a file, also one that was deleted."""
    return _SHAPE.one(db, "FROM file WHERE id = ?", (number,))


def firmware(db: Database, title: str) -> StoredFile | None:
    """Return the firmware of this title."""
    return _SHAPE.one(
        db, "FROM file WHERE title = ? AND title IS NOT NULL AND deleted_at IS NULL", (title,)
    )


def known(db: Database, names: Collection[str]) -> dict[str, bool]:
    """Return which of these names have a row, and whether the file is not deleted."""
    seen = "SELECT deleted_at IS NULL FROM file WHERE name = ?"
    return {name: bool(row[0]) for name in names for row in db.execute(seen, (name,)).fetchall()}


def url(db: Database, digest: str, now: datetime) -> Url | None:
    """Return what a URL is for, None if there is none or it is no longer valid."""
    rows = db.execute(
        "SELECT cp_id, command.id, action, state, outcome, coalesce(sent_at, requested_at), "
        "wanted_at, file_id "
        "FROM file_url "
        "JOIN command ON command.id = file_url.command_id "
        "WHERE digest = ?",
        (digest,),
    ).fetchall()
    if not rows:
        return None
    charger, command, action, state, outcome, since, wanted_at, number = rows[0]
    asked, moment = (charger, command, action), datetime.fromisoformat
    if not is_url_valid(state, outcome, moment(since), wanted_at and moment(wanted_at), now):
        return None
    if number is None:
        ((came,),) = db.execute("SELECT count(*) FROM file WHERE command_id = ?", (command,))
        return Url(*asked, None, came)
    wanted = file(db, number)
    is_there = wanted is not None and not wanted.deleted_at
    return Url(*asked, wanted.name, 0, wanted.title) if wanted and is_there else None
