"""Files between an operator and the server: lines that are imported, with what became of each, and
downloads."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import click

from levity_trio.cli.declaring import argument
from levity_trio.cli.operator import Operator, RefusedByApi
from levity_trio.cli.terminal import ProgressLine, say, show_table, warn
from levity_trio.config import EnvironmentProblem
from levity_trio.locale.formats import printed
from levity_trio.writing import created

PATIENCE_SECONDS: Final = 1800.0
"""200,000 lines take long on a slow disk."""
FILE: Final = argument(
    "FILE", "path", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
)


def send_file(
    operator: Operator, *resource: object, path: Path, query: Mapping[str, object] | None = None
) -> Any:
    """Import a file (`-` is stdin); return what became of it. Shows the wrong lines. Raises
    RefusedByApi."""
    content = sys.stdin.buffer.read() if str(path) == "-" else read_file(path)
    try:
        answer = operator.send(
            "POST",
            *resource,
            query=query,
            body=content,
            media_type="text/csv",
            patience=PATIENCE_SECONDS,
        )
    except RefusedByApi as refused:
        if not operator.is_told(refused.document):
            for fault in refused.document.get("lines", []):
                where = f" {fault['field']}:" if fault["field"] else ""
                warn(f"line {fault['line']}:{where} {fault['detail']}")
        raise
    return json.loads(answer)


def read_file(path: Path) -> bytes:
    """Return the content of a file. Raises EnvironmentProblem."""
    try:
        return path.read_bytes()
    except OSError as problem:
        raise EnvironmentProblem(f"{path} cannot be read: {problem.strerror}") from None


def show_results(operator: Operator, done: Any, results: list[Any], words: str) -> None:
    """Show what became of the lines of a file; those that changed nothing only count."""
    if operator.is_told(done):
        return
    if news := [line for line in results if line["result"] != "same"]:
        show_table(("line", "result"), news)
    say(f"{words}: {done['added']} added, {done['changed']} changed, {done['same']} the same")


def show_file(operator: Operator, resource: str) -> None:
    """Output a file. Raises RefusedByApi."""
    say(operator.send("GET", resource, patience=PATIENCE_SECONDS), ends_line=False)


class _Download:
    """A file that shows on a terminal how much of it has come."""

    def __init__(self, file: BinaryIO, progress: ProgressLine) -> None:
        self._file, self._progress = file, progress
        self._bytes = 0

    def write(self, part: bytes) -> int:
        self._bytes += len(part)
        self._progress.overwrite(f"{printed(self._bytes / 1e6, 1)} MB")
        return self._file.write(part)


def download(
    operator: Operator,
    *path: object,
    target: Path,
    patience: float,
    another: str,
    is_shown: bool = False,
) -> None:
    """Write what the API has at a path into a new file, or leave no file. `is_shown` says how much
    of it has come.

    Raises RefusedByApi, EnvironmentProblem.
    """
    try:
        with created(target) as file, ProgressLine(is_hidden=not is_shown) as progress:
            try:
                operator.fetch(
                    *path, into=cast("BinaryIO", _Download(file, progress)), patience=patience
                )
            except BaseException:
                target.unlink()
                raise
    except FileExistsError:
        raise EnvironmentProblem(f"{target} exists; give another {another}") from None
    except OSError as problem:
        raise EnvironmentProblem(f"{target} cannot be written: {problem.strerror}") from None
