"""`levity-trio move`: moves the database of a stopped server between a file and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from levity_trio.billing.money import CURRENCIES
from levity_trio.cli.declaring import JSON_LINES, argument, local_command, read_database
from levity_trio.cli.terminal import LongProgress, cell, money, say, say_json, show_table
from levity_trio.config import SETTINGS, certificates_folder, pages_folder
from levity_trio.config.settings import DatabaseAddress
from levity_trio.locale.formats import printed

if TYPE_CHECKING:
    from levity_trio.store.moving.move import MovePlan, MoveResult


@local_command(short_help="Move the database to PostgreSQL, or back to a file.")
@argument("FROM", "source", callback=read_database)
@argument("TO", "target", callback=read_database)
@JSON_LINES
def move(*, source: DatabaseAddress, target: DatabaseAddress, is_json: bool) -> None:
    """Move the database of a stopped server from a file to PostgreSQL, or back.

    Examples:
      levity-trio move /var/lib/levity/levity.db postgresql:///levity
      levity-trio move postgresql:///levity /var/lib/levity/levity.db
      levity-trio move levity.db postgresql:///levity --json

    FROM and TO are what `serve --db` takes: the path of a file, or the address of a database on
    PostgreSQL. One of them at least is on PostgreSQL; `backup` copies a file to a file.

    Stop the server first. FROM is only read. TO is a new file, or a new database (createdb), with
    room for FROM twice. No server can start on either during the move. Chargers keep what they
    measure, and tell it when the server runs again.

    All rows are copied with their ids. Then both databases are read to the end and compared: the
    rows of each table by their number and SHA-256, the ids that come next, energy and money by
    their sums. Only then can a server start on TO.

    All is one transaction: after a move that was interrupted, in whatever way, TO is empty. Run the
    same command again.

    Start the server on TO only. If FROM were served again too, both would bill the same energy.

    Exit status: 0 when TO is complete and the same, 1 when it is not (it is empty then), 2 for
    wrong usage, 130 for Ctrl-C.
    """
    from levity_trio.store.moving.move import move as move_all  # noqa: PLC0415 - so that --help answers at once

    with _Progress(is_json=is_json) as progress:
        moved = move_all(source, target, progress)
    proof = moved.proof
    if is_json:
        record = {
            "kind": "moved",
            "from": str(source),
            "to": str(target),
            "seconds": round(moved.seconds, 1),
            "rows": moved.plan.rows,
            "tables": [held._asdict() for held in proof.held],
            "transactions": proof.sums.transactions,
            "energy_wh": proof.sums.energy_wh,
            "statements": _sums(proof.sums.statements),
            "ledger": _sums(proof.sums.ledger),
            "texts_with_nul": proof.nuls,
        }
        say_json(record)
        return
    rows = [
        {"table": held.table, "rows": f"{held.rows:,}", "sha256": held.sha256[:16]}
        for held in proof.held
        if held.rows
    ]
    show_table(("table", "rows", "sha256"), rows)
    say(f"{len(proof.held) - len(rows)} more tables are empty.")
    for line in _lines(source, target, moved):
        say(line)


class _Progress(LongProgress):
    """Says at the beginning how much there is, and then how long the rest will take."""

    def begins(self, plan: MovePlan) -> None:
        if self.is_json:
            record = {"rows": plan.rows, "bytes": plan.size, "seconds_left": round(plan.seconds)}
            say_json({"kind": "begin", **record})
            return
        size = f"{plan.rows:,} rows, {printed(plan.size / 1e6, 1)} MB"
        say(f"{size}. Chargers will be without the server for about {_lasting(plan.seconds)}.")


def _lasting(seconds: float) -> str:
    """Return a duration in the largest unit that leaves more than one."""
    if seconds < 120:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _lines(source: DatabaseAddress, target: DatabaseAddress, moved: MoveResult) -> Iterator[str]:
    sums = moved.proof.sums
    yield (
        f"Both have {sums.transactions:,} completed sessions with "
        f"{printed(sums.energy_wh / 1000, 3)} kWh."
    )
    yield f"Closed statements: {_money(sums.statements)}. Ledger: {_money(sums.ledger)}."
    if moved.proof.nuls:
        yield f"A NUL is stored as {chr(0x2400)} in {moved.proof.nuls:,} texts of chargers."
    yield (
        f"Moved in {_lasting(moved.seconds)}: {cell(str(target))} has the same rows as "
        f"{cell(str(source))}."
    )
    yield from _by_hand(source, target)
    yield f"Start the server with --db {cell(str(target))}"
    yield f"Never serve {cell(str(source))} again: two servers would bill the same energy."


def _money(sums: Sequence[tuple[str, int, int]]) -> str:
    return (
        ", ".join(f"{count:,} with {money(total, CURRENCIES[code])}" for code, count, total in sums)
        or "none"
    )


def _by_hand(source: DatabaseAddress, target: DatabaseAddress) -> Iterator[str]:
    """Yield what belongs to the server and is not in its database."""
    (name,) = (setting.default for setting in SETTINGS if setting.attribute == "server_name")
    if isinstance(source, Path):
        files = source.resolve().with_name(f"{source.resolve().name}.files")
        for folder in filter(
            Path.is_dir, (files, certificates_folder(source), pages_folder(source))
        ):
            where = f"to {name}{folder.suffix} in the folder where the server will be started"
            yield f"Copy {cell(str(folder))} {where} ({name} is its --server-name)."
        if (key := source.resolve().with_name(f"{source.resolve().name}.key")).exists():
            yield (
                f"Give each server --secrets-key with a copy of {cell(str(key))}, the key of "
                "secrets."
            )
    elif isinstance(target, Path):
        for suffix in (".files", ".certificates", ".pages"):
            where = (
                "in the folder where the server was started, to "
                f"{cell(str(target.resolve()))}{suffix}"
            )
            yield f"Copy {name}{suffix} ({name} is its --server-name), if it is {where}"
        yield (
            "Copy the file of --secrets-key, if one was given, to "
            f"{cell(str(target.resolve()))}.key"
        )


def _sums(sums: Sequence[tuple[str, int, int]]) -> list[dict[str, Any]]:
    return [{"currency": code, "entries": count, "sum": total} for code, count, total in sums]
