"""`levity-trio restore`: puts a backup in the place of the database."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from levity_trio.cli.backup import in_words, minute
from levity_trio.cli.declaring import JSON_LINES, PATH, argument, flag, on_database, option, place
from levity_trio.cli.terminal import ByteProgress, cell, counted, say, say_json
from levity_trio.config import ConfigError, ServerConfig
from levity_trio.config.settings import DatabaseAddress, PostgresqlAddress
from levity_trio.locale.formats import printed

if TYPE_CHECKING:
    from levity_trio.store.keeping.restoring import Restored

EXAMPLES: Final = """\
\b
Examples:
  levity-trio restore /mnt/stick/levity.db
  levity-trio restore /mnt/stick/levity.db --db /var/lib/levity/levity.db
  levity-trio restore /mnt/stick/levity.db --last-statement 214
  levity-trio restore --db postgresql:///levity

Stop the server first. A database that has facts that are not in BACKUP is replaced only with
--force; the refusal says what would be lost. What is replaced is kept beside it as
`<database>.replaced-<time>`.

Chargers may still know transactionIds of the lost time. So transactionIds, the ids of events,
and all other ids except those of frames go on far above: by a million, one for each second
since the backup, and a random part.

Numbers of statements are never used twice. If statements are made here, give the highest number
that was closed, printed or sent, also after the backup: the next closing goes on behind it.

A backup of an older version is migrated at the next start of the server. One whose schema was
changed is refused.

No backup contains the key of secrets, `<database>.key`. Without it, restore names the webhooks and
backends whose secrets are unknown; they are off until each is added again under its name, or the
secrets of a backend are entered again.

On PostgreSQL, pg_restore brings the backup back, into a new database. Then this command,
without BACKUP, lets the ids and the numbers go on; no server starts on that database before.
Say it also after PostgreSQL went back to an earlier moment by its archive of the WAL. Twice
does no harm.

Exit status: 0 when the backup is in place, 1 when it is not (the database is then unchanged), 2
for wrong usage.
"""


@on_database(
    epilog=EXAMPLES,
    short_help="Put a backup in the place of the database.",
    words="SQLite database to replace or to create; or a restored one on PostgreSQL.",
)
@argument("[BACKUP]", type=PATH)
@flag("--force", "Replace a database that has other facts.", "is_forced")
@option(
    "--last-statement NUMBER",
    "The highest number of a statement that was closed, as it is printed.",
)
@JSON_LINES
def restore(
    config: ServerConfig,
    *,
    backup: Path | None,
    is_forced: bool,
    is_json: bool,
    last_statement: str | None,
) -> None:
    """Put BACKUP in the place of the database of a stopped server."""
    from levity_trio.store.keeping import restoring  # noqa: PLC0415 - so that --help answers at once

    database = config.database
    if isinstance(database, PostgresqlAddress):
        if backup is not None:
            bring = shlex.join(
                ["pg_restore", "--single-transaction", f"--dbname={database}", str(backup)]
            )
            then = shlex.join(["levity-trio", "restore", "--db", database])
            raise ConfigError(
                f"on PostgreSQL, into a new database made with createdb: {bring} && {then}"
            )
        restored = restoring.go_on(database, last_statement)
    else:
        if backup is None:
            raise click.UsageError("Missing argument 'BACKUP'")
        with ByteProgress(is_json=is_json) as progress:
            file = config.file("see levity-trio restore --help")
            restored = restoring.restore(
                backup,
                file,
                progress,
                is_forced=is_forced,
                last_statement=last_statement,
                key_file=config.key_file,
            )
    if is_json:
        record = {
            "kind": "restored",
            **place(database),
            **restored.content._asdict(),
            "kept": str(restored.kept) if restored.kept else None,
            "lost": restored.lost._asdict() if restored.lost else None,
            "last_transaction_id": restored.last_transaction_id,
            "last_statement": restored.last_statement,
            "unknown_secrets": list(restored.unknown),
        }
        say_json(record)
    else:
        for line in _lines(database, restored):
            say(line)


def _lines(database: DatabaseAddress, restored: Restored) -> Iterator[str]:
    yield f"{cell(str(database))} is restored: {in_words(restored.content)}."
    yield _lost(restored)
    if restored.kept:
        yield f"The replaced database is kept: {cell(str(restored.kept))}"
    yield f"transactionIds go on above {restored.last_transaction_id}."
    if restored.last_statement is not None:
        yield f"Statements go on behind number {restored.last_statement}."
    if restored.unknown:
        yield (
            "Their secrets need the key of that time, which is not here: "
            f"{cell(', '.join(restored.unknown))}. Put it back before the start, or add each "
            "again under its name; until then only these are off."
        )


def _lost(restored: Restored) -> str:
    if restored.lost is None:
        return "What was stored after that is lost; how much is not known here."
    lost = restored.lost
    since, until = (
        minute(at) if at else "the beginning" for at in (restored.content.until, lost.until)
    )
    if since == until and not (lost.transactions or lost.energy_wh or lost.entries):
        return "No session is lost."
    told = (
        f"{counted(lost.transactions, 'session')}, new or changed, "
        f"{printed(lost.energy_wh / 1000, 3)} kWh"
    )
    return f"Lost: {since} to {until}, {told}{lost.and_entries}."
