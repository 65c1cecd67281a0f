"""Files that chargers sent or fetch, and what a secret URL is for."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final, NamedTuple

from levity_trio.operations.transfers import is_url_valid
from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.pages import Branch, ListKeys, ListPage, WantedPage, given, read_page
from levity_trio.store.reads.shapes import Shape


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
    return read_page(
        db,
        ListKeys([Branch("file", given(("cp_id = ?", charger)))]),
        wanted,
        _SHAPE.by_id(db, "file"),
    )


def file(db: Database, number: int) -> StoredFile | None:
    """Return a file, also one that was deleted."""
    found = _SHAPE.every(db, "FROM file WHERE id = ?", (number,))
    return found[0] if found else None


def firmware(db: Database, title: str) -> StoredFile | None:
    """Return the firmware of this title."""
    found = _SHAPE.every(
        db, "FROM file WHERE title = ? AND title IS NOT NULL AND deleted_at IS NULL", (title,)
    )
    return found[0] if found else None


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
    if not is_url_valid(state, outcome, _moment(since), wanted_at and _moment(wanted_at), now):
        return None
    if number is not None:
        wanted = file(db, number)
        return (
            Url(charger, command, action, wanted.name, 0, wanted.title)
            if wanted and not wanted.deleted_at
            else None
        )
    came = db.execute("SELECT count(*) FROM file WHERE command_id = ?", (command,)).fetchall()[0][0]
    return Url(charger, command, action, None, came)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
