"""`levity-trio backup`: copies the database to a file while the server runs."""

from __future__ import annotations

import glob
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from levity_trio.cli.declaring import JSON_LINES, PATH, Whole, argument, flag, on_database, option
from levity_trio.cli.terminal import ByteProgress, cell, counted, say, say_json, warn
from levity_trio.config import EnvironmentProblem, ServerConfig
from levity_trio.locale.formats import printed

if TYPE_CHECKING:
    from levity_trio.store.keeping.copies import Content

A_DAY: Final = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"


@on_database(short_help="Copy the database to a file while the server runs.")
@argument("FILE", type=PATH)
@option(
    "--keep NUMBER",
    "FILE is a folder, which keeps so many copies, one a day.",
    type=Whole(1, 10_000),
)
@flag("--force", "Replace FILE even if it has other facts.", "is_forced")
@JSON_LINES
def backup(
    config: ServerConfig, *, file: Path, keep: int | None, is_forced: bool, is_json: bool
) -> None:
    """Copy the database to FILE, also while the server runs.

    Examples:
      levity-trio backup /mnt/stick/levity.db
      levity-trio backup /mnt/stick/levity.db --db /var/lib/levity/levity.db
      levity-trio backup today.db --json
      levity-trio backup /mnt/stick --keep 14

    Copies the database as it is now to FILE. The server may run and goes on writing. FILE is
    written under the name FILE.partial, verified, and then renamed, so a FILE that exists is
    complete. An earlier backup of the same database is replaced; any other file only with --force,
    and a file of another program never.

    With --keep, FILE is a folder. The copy is named by the day, and checked as by `levity-trio
    check`. If it is sound, the oldest copies beyond that number are removed; otherwise none is.

    While the server runs, its WAL grows during the copy. The command gives up if it grows by more
    than 256 MB, or if one of the disks has less than 64 MB left.

    The time of the last backup is noted in `<database>.backup`, for the dashboard.

    The files of `<database>.files/`, the key of secrets in `<database>.key` and keys of
    certificates are not in the database: copy them too, the keys to another place.

    A database on PostgreSQL is copied by PostgreSQL's own tools; the refusal shows the command.

    Exit status: 0 when FILE is complete, 1 when it could not be made (an earlier FILE is unchanged)
    or is not sound, 2 for wrong usage.
    """
    from levity_trio.store.keeping.copies import back_up  # noqa: PLC0415 - so that --help answers at once

    dump = shlex.join(["pg_dump", "--format=custom", f"--file={file}", str(config.database)])
    database = config.file(
        f"on PostgreSQL: {dump} (for every moment: pg_basebackup and an archive of the WAL)"
    )
    if keep is not None:
        file = file / f"{database.stem}-{datetime.now(UTC).date()}.db"
    elif file.is_dir():
        raise click.UsageError(f"{file} is a folder; give the name of a file in it, or --keep")
    with ByteProgress(is_json=is_json) as progress:
        held, not_noted = back_up(database, file, progress, is_forced=is_forced)
    if not_noted is not None:
        warn(f"warning: the dashboard will not know of this backup: {not_noted}")
    size = file.stat().st_size
    if is_json:
        say_json({"kind": "backup", "file": str(file.resolve()), "bytes": size} | held._asdict())
    else:
        say(f"{cell(str(file))}: {printed(size / 1e6, 1)} MB, {in_words(held)}.")
    if keep is not None:
        _remove_older(file, f"{glob.escape(database.stem)}-{A_DAY}.db", keep)


def _remove_older(newest: Path, pattern: str, keep: int) -> None:
    """Remove the oldest copies of a folder beyond this number, if the newest one is sound.

    That one is never removed, whatever the clock was set to. Raises EnvironmentProblem.
    """
    from levity_trio.store.keeping.checking import check  # noqa: PLC0415 - as above

    if problems := check(newest, lambda _: None).problems:
        words = f"{newest} has problems: {problems[0].check}: {problems[0].text}"
        raise EnvironmentProblem(
            f"{words}. No earlier copy was removed; levity-trio check lists all problems"
        )
    copies = sorted((copy for copy in newest.parent.glob(pattern) if copy != newest), reverse=True)
    for copy in copies[keep - 1 :]:
        copy.unlink()


def in_words(held: Content) -> str:
    """Return what a database holds, as part of a sentence."""
    if held.until is None:
        return "nothing stored yet"
    is_open = f" ({held.open_transactions:,} open)" if held.open_transactions else ""
    transactions = f"{counted(held.transactions, 'session')}{is_open}"
    return f"until {minute(held.until)}, {transactions}, {printed(held.energy_wh / 1000, 3)} kWh"


def minute(at: str) -> str:
    return f"{at[:16].replace('T', ' ')} UTC"
