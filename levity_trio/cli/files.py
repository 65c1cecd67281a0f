"""`levity-trio files`: what chargers sent, and the firmware that they fetch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from levity_trio.cli.commands import group_of
from levity_trio.cli.declaring import ANY_FILE, EXISTING_FILE, ID, argument, option
from levity_trio.cli.operator import Operator
from levity_trio.cli.transfers import download
from levity_trio.config import EnvironmentProblem

MEDIA_TYPE: Final = "application/octet-stream"
PATIENCE_SECONDS: Final = 600.0
"""The disk of the server may be slow."""

files = group_of("files")


@files.api_command
@argument("PATH", type=EXISTING_FILE)
@option("--title NAME", "How a location names it; that of the file by default.")
def add(operator: Operator, path: Path, title: str | None) -> None:
    """Add firmware, which the location of UpdateFirmware may then name (admin)."""
    try:
        with path.open("rb") as body:
            answer = operator.send(
                "POST",
                "files",
                body=body,
                media_type=MEDIA_TYPE,
                query={"title": title or path.name},
                headers={"Content-Length": str(path.stat().st_size)},
                patience=PATIENCE_SECONDS,
            )
    except OSError as problem:
        raise EnvironmentProblem(f"{path} cannot be read: {problem.strerror}") from None
    operator.record(json.loads(answer))


@files.api_command
@ID
@argument("[PATH]", type=ANY_FILE)
def get(operator: Operator, number: int, path: Path | None) -> None:
    """Download a file to PATH, by default under its own name; an existing file is not replaced."""
    record = operator.get("files", number)
    target = path or Path(record["title"] or record["name"])
    download(
        operator,
        "files",
        number,
        "content",
        target=target,
        patience=PATIENCE_SECONDS,
        another="path",
    )
    done = {"id": number, "path": str(target), "size_bytes": record["size_bytes"]}
    operator.tell(done, f"file {number} is now {target}")
