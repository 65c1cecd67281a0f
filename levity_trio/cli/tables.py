"""Output for people: aligned columns, with control characters escaped."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from levity_trio.output import output_errors


def say(text: str | bytes, *, ends_line: bool = True) -> None:
    """Write to stdout. Raises the same as `output_errors`."""
    with output_errors(sys.stdout):
        click.echo(text, nl=ends_line)


def show_table(columns: Sequence[str], records: Iterable[Mapping[str, Any]]) -> None:
    """Show one line per record under the names of the columns, or "none"."""
    rows = [[cell(record.get(column)) for column in columns] for record in records]
    if not rows:
        say("none")
        return
    header = [column.replace("_", " ") for column in columns]
    widths = [max(map(len, lines)) for lines in zip(header, *rows, strict=True)]
    for line in (header, *rows):
        say("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def show_below(columns: Sequence[str], records: Iterable[Mapping[str, Any]]) -> None:
    """Show a table after an empty line, as the next part of something; without records, nothing."""
    if rows := list(records):
        say("")
        show_table(columns, rows)


def show_record(record: Mapping[str, Any]) -> None:
    """Show one line per field."""
    width = max(map(len, record), default=0)
    for name, value in record.items():
        say(f"{name.replace('_', ' ').ljust(width)}  {cell(value)}".rstrip())


def counted(number: int, noun: str) -> str:
    """Return how many there are of something whose plural ends in s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def local_minute(text: str) -> str:
    """Return a time in this machine's time zone, to the minute."""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M")


def cell(value: object) -> str:
    """Return a value as printable text on one line."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return " ".join(f"{name}={cell(one)}" for name, one in value.items()) or "-"
    if isinstance(value, list):
        return " ".join(map(cell, value)) or "-"
    text = f"{value:.12g}" if isinstance(value, float) else str(value)
    return text if text.isprintable() else repr(text)[1:-1]
