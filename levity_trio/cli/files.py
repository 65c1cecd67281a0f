"""`levity-trio files`: what chargers sent, and the firmware that they fetch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import BinaryIO, Final

import click

from levity_trio.cli.examples import an_example
from levity_trio.cli.named import check_charger
from levity_trio.cli.operator import Operator, RefusedByApi, command
from levity_trio.client import Refusal
from levity_trio.config import EnvironmentProblem
from levity_trio.writing import created

ADMIN: Final = "admin"
COLUMNS: Final = ("id", "kind", "charger", "command", "title", "size_bytes", "state", "created_at")
MEDIA_TYPE: Final = "application/octet-stream"
PATIENCE_SECONDS: Final = 600.0
"""For a slow disk of the server."""
EXAMPLES: Final = """\
\b
Examples:
  levity-trio call CP-1 GetDiagnostics
  levity-trio files list
  levity-trio files get 3 diagnostics.zip
  levity-trio files add grizzl-5.6.bin
  levity-trio call CP-1 UpdateFirmware location=grizzl-5.6.bin \\
      retrieveDate=2030-01-31T22:00:00Z

The server must run with --files-port, so that chargers reach it.
"""

files = click.Group("files", help="List, add, get and remove the files that chargers send or fetch.", epilog=EXAMPLES)


@command("list", group=files)
@click.option("--charger", metavar="ID", help="Only those of this charger.")
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="How many, the newest.")
def show_all(operator: Operator, charger: str | None, limit: int) -> None:
    """List files, the newest first."""
    query = {"limit": limit} | ({"charger": charger} if charger else {})
    check_charger(operator, charger)
    page = operator.ask("GET", ADMIN, "files", query=query)
    operator.table(COLUMNS, page["data"], page)


@command("add", group=files)
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--title", metavar="NAME", help="How a location names it; that of the file by default.")
def add(operator: Operator, path: Path, title: str | None) -> None:
    """Add firmware, which the location of UpdateFirmware may then name (admin)."""
    headers = {"Content-Length": str(path.stat().st_size)}
    query = {"title": title or path.name}
    try:
        with path.open("rb") as body:
            answer = operator.api.send(
                *("POST", ADMIN, "files"),
                body=body,
                media_type=MEDIA_TYPE,
                query=query,
                headers=headers,
                patience=PATIENCE_SECONDS,
            )
    except Refusal as refusal:
        raise RefusedByApi(refusal) from None
    except OSError as problem:
        raise EnvironmentProblem(f"{path} cannot be read: {problem.strerror}") from None
    operator.record(json.loads(answer))


@command("get", group=files)
@click.argument("number", type=int, metavar="ID")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path), required=False)
def get(operator: Operator, number: int, path: Path | None) -> None:
    """Download a file to PATH, by default under its own name; an existing file is not replaced."""
    found = operator.ask("GET", ADMIN, "files", str(number))
    target = path or Path(found["title"] or found["name"])
    try:
        with created(target) as into:
            _fetch(operator, number, target, into)
    except FileExistsError:
        raise EnvironmentProblem(f"{target} exists; give another path") from None
    except OSError as problem:
        raise EnvironmentProblem(f"{target} cannot be written: {problem.strerror}") from None
    done = {"id": number, "path": str(target), "size_bytes": found["size_bytes"]}
    operator.tell(done, f"file {number} is now {target}")


def _fetch(operator: Operator, number: int, target: Path, into: BinaryIO) -> None:
    """Download, or leave no file."""
    try:
        operator.api.fetch(ADMIN, "files", str(number), "content", into=into, patience=PATIENCE_SECONDS)
    except Refusal as refusal:
        target.unlink()
        raise RefusedByApi(refusal) from None
    except EnvironmentProblem:
        target.unlink()
        raise


@command("remove", group=files, epilog=an_example("files remove 7"))
@click.argument("number", type=int, metavar="ID")
def remove(operator: Operator, number: int) -> None:
    """Delete a file (admin); the list still shows that there was one."""
    operator.ask("DELETE", ADMIN, "files", str(number))
    operator.tell({"removed": number}, f"file {number} is removed")
