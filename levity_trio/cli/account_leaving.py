"""`levity-trio account export-all` and `delete-personal`: what happens when somebody moves out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import click

from levity_trio.cli.confirming import confirm
from levity_trio.cli.files_of_lines import PATIENCE_SECONDS
from levity_trio.cli.named import number_of
from levity_trio.cli.operator import Operator, RefusedByApi, command
from levity_trio.cli.progress import overwrite
from levity_trio.client import Refusal
from levity_trio.config import EnvironmentProblem
from levity_trio.output import is_terminal
from levity_trio.writing import created

ACCOUNTS: Final = ("admin", "accounts")
EXPORT_EXAMPLES: Final = """\
\b
Examples:
  levity-trio account export-all "Flat 3, Anna" -o anna.zip
  levity-trio account export-all 7

The file has the account and what belonged to it (account.json), its ledger,
transactions, readings and the decisions about them as CSV, and each closed
statement as HTML, CSV and JSON.
"""
DELETE_EXAMPLES: Final = """\
\b
Examples:
  levity-trio account close "Flat 3, Anna" --until 2026-10-31
  levity-trio bill close 2026-10 --account "Flat 3, Anna"
  levity-trio account export-all "Flat 3, Anna" -o anna.zip
  levity-trio account delete-personal "Flat 3, Anna" --reason "moved out"

Refused while the account is open, something still belongs to it, a transaction
of it is open, it owes or is owed money, or something of it is not billed. Names
stay on closed statements until their month is --keep-years past.
"""


class _Download:
    """A file that shows on a terminal how much of it has come."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._is_shown = is_terminal(sys.stderr)
        self._bytes = 0

    def write(self, part: bytes) -> int:
        self._bytes += len(part)
        if self._is_shown:
            overwrite(f"{self._bytes / 1e6:,.1f} MB")
        return self._file.write(part)

    def end(self) -> None:
        if self._is_shown:
            overwrite("")


@command("export-all", epilog=EXPORT_EXAMPLES)
@click.argument("named", metavar="ACCOUNT")
@click.option("-o", "--output", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
              help="Where it goes, by default account-NUMBER.zip.")  # fmt: skip
def export_all(operator: Operator, named: str, output: Path | None) -> None:
    """Download everything about an account as one ZIP file."""
    number = number_of(operator, "accounts", named)
    target = output or Path(f"account-{number}.zip")
    try:
        with created(target) as file:
            _fetch(operator, number, target, file)
    except FileExistsError:
        raise EnvironmentProblem(f"{target} exists; give another file") from None
    except OSError as problem:
        raise EnvironmentProblem(f"{target} cannot be written: {problem.strerror}") from None
    done = {"account": int(number), "path": str(target), "size_bytes": target.stat().st_size}
    operator.tell(done, f"everything about account {number} is now in {target}")


def _fetch(operator: Operator, number: str, target: Path, file: BinaryIO) -> None:
    """Download, or leave no file."""
    download = _Download(file)
    try:
        into = cast("BinaryIO", download)
        operator.api.fetch(*ACCOUNTS, number, "everything", into=into, patience=PATIENCE_SECONDS)
    except Refusal as refusal:
        target.unlink()
        raise RefusedByApi(refusal) from None
    except BaseException:
        target.unlink()
        raise
    finally:
        download.end()


@command("delete-personal", epilog=DELETE_EXAMPLES)
@click.argument("named", metavar="ACCOUNT")
@click.option("--reason", required=True, help="Why; it stays, so write no name.")
@click.option("--keep-years", type=click.IntRange(0, 100), default=10, show_default=True,
              help="How long closed statements keep names.")  # fmt: skip
@click.option("--force", is_flag=True, help="Although something of it is not billed.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete_personal(operator: Operator, named: str, reason: str, *, keep_years: int, force: bool, yes: bool) -> None:
    """Delete what is personal of an account that was closed (admin)."""
    number = number_of(operator, "accounts", named)
    if not yes:
        confirm(f"Delete names and address of account {number} for good?")
    query: dict[str, Any] = {"reason": reason, "keep_years": keep_years, "force": str(force).lower()}
    done = operator.ask("DELETE", *ACCOUNTS, number, "personal", query=query, patience=PATIENCE_SECONDS)
    words = f"what was personal of account {number} is deleted"
    if done["named_statements"]:
        words += f"; closed statements that keep names for {done['keep_years']} years: {done['named_statements']}"
    operator.tell(done, words)


COMMANDS: Final = (export_all, delete_personal)
