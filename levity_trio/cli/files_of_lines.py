"""Files of many lines that an operator imports and exports: the wrong lines, and what became of the others."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from levity_trio.cli.operator import Operator, RefusedByApi
from levity_trio.cli.tables import say, show_table, warn
from levity_trio.client import Refusal
from levity_trio.config import EnvironmentProblem
from levity_trio.refusals import Typed, plain_words

PATIENCE_SECONDS: Final = 1800.0
"""For 200,000 lines on a slow disk."""
NO_CHOICES: Final[Mapping[str, Sequence[str]]] = {}
FILE: Final = click.argument(
    "path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
)


def send_file(operator: Operator, resource: str, path: Path, choices: Mapping[str, Sequence[str]] = NO_CHOICES) -> Any:
    """Import a file (`-` is stdin); return what became of it. Shows the wrong lines. Raises RefusedByApi.

    `choices` are the values of columns that have only some.
    """
    try:
        content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as problem:
        raise EnvironmentProblem(f"{path} cannot be read: {problem.strerror}") from None
    try:
        answer = operator.api.send(
            *("POST", "admin", resource), body=content, media_type="text/csv", patience=PATIENCE_SECONDS
        )
    except Refusal as refusal:
        _show_faults(operator, refusal, choices)
        raise RefusedByApi(refusal) from None
    return json.loads(answer)


def show_results(operator: Operator, done: Any, results: list[Any], words: str) -> None:
    """Show what became of the lines of a file; those that changed nothing only count."""
    if operator.is_json:
        operator.record(done)
        return
    if news := [line for line in results if line["result"] != "same"]:
        show_table(("line", "result"), news)
    say(f"{words}: {done['added']} added, {done['changed']} changed, {done['same']} the same")


def show_file(operator: Operator, resource: str) -> None:
    """Output a file. Raises RefusedByApi."""
    try:
        say(operator.api.send("GET", "admin", resource, patience=PATIENCE_SECONDS), ends_line=False)
    except Refusal as refusal:
        raise RefusedByApi(refusal) from None


def _show_faults(operator: Operator, refusal: Refusal, choices: Mapping[str, Sequence[str]]) -> None:
    lines = refusal.document.get("lines", [])
    if operator.is_json:
        operator.record(refusal.document)
    for one in [] if operator.is_json else lines:
        where = f" {one['field']}:" if one["field"] else ""
        words = plain_words(one["detail"], Typed(choices=choices.get(one["field"], ())))
        warn(f"line {one['line']}:{where} {words}")
