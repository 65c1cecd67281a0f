"""Files that chargers sent or fetch, and the secret URLs for both. The bytes are in the folder
beside the database."""

from __future__ import annotations

from typing import NamedTuple

from levity_trio.events import FileReceived
from levity_trio.records import record
from levity_trio.store.engine.database import UnitOfWork

RETENTION = "retention"


class NewUrl(NamedTuple):
    """A URL to be given to a charger: the digest of its secret, the firmware to be fetched, and
    when it is wanted."""

    digest: str
    file: int | None
    wanted_at: str | None


@record
class NewFile:
    """A file that is on disk. Firmware has a title, everything else a charger and a command."""

    kind: str
    name: str
    title: str | None = None
    charger: str | None = None
    command: int | None = None
    size_bytes: int
    sha256: str
    created_at: str


def offer(db: UnitOfWork, command: int, url: NewUrl) -> None:
    """Store the URL that a command gives to its charger."""
    db.execute(
        "INSERT INTO file_url (command_id, digest, file_id, wanted_at) VALUES (?, ?, ?, ?)",
        (command, *url),
    )


def came(db: UnitOfWork, digest: str, at: str) -> None:
    """Note that a charger came with its URL, the first time."""
    db.execute(
        "UPDATE file_url SET asked_at = ? WHERE digest = ? AND asked_at IS NULL", (at, digest)
    )


def add(db: UnitOfWork, new: NewFile) -> int | None:
    """Store a file and return its id; None if there is firmware of this title."""
    rows = db.rows(
        "INSERT INTO file (kind, name, title, cp_id, command_id, size_bytes, sha256, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id",
        (
            new.kind,
            new.name,
            new.title,
            new.charger,
            new.command,
            new.size_bytes,
            new.sha256,
            new.created_at,
        ),
    )
    if rows and new.command is not None:
        received = FileReceived(
            charger=new.charger,
            at=new.created_at,
            file=rows[0][0],
            command=new.command,
            kind=new.kind,
            size_bytes=new.size_bytes,
        )
        db.record(received)
    return int(rows[0][0]) if rows else None


def delete(db: UnitOfWork, number: int, at: str, by: str) -> str | None:
    """Mark a file as deleted and return its name; None if there is none."""
    marked = (
        "UPDATE file SET deleted_at = ?, deleted_by = ? "
        "WHERE id = ? AND deleted_at IS NULL RETURNING name"
    )
    found = db.rows(marked, (at, by, number))
    return found[0][0] if found else None


def expire(db: UnitOfWork, at: str, before: str) -> list[str]:
    """Mark what chargers sent before this time as deleted, and return the names. Firmware is left
    to its owner."""
    rows = db.rows(
        "UPDATE file SET deleted_at = ?, deleted_by = ? WHERE created_at < ? AND deleted_at IS NULL"
        " AND kind <> 'firmware' RETURNING name",
        (at, RETENTION, before),
    )
    return [name for (name,) in rows]
