"""Output for people: aligned columns, with control characters escaped."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import click

from levity_trio.cli.site_times import local
from levity_trio.output import is_terminal, output_errors, readable

KWH: Final = ("kwh", "energy_kwh")
_TIMES: Final = ("_at", "_time", "since", "until", "_after")
"""How the names of fields with a time end; or they are `at`."""
_STAMP: Final = re.compile(r"(?<!--since )(?<!--until )\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
"""A time as the database has it; in a command that is proposed it stays exact."""
_FIGURE: Final = re.compile(r"-?[\d,]+\.\d+( [A-Z]{3})?|-?[\d,]+ [A-Z]{3}|-", re.ASCII)
"""A text that is a number: kWh, an amount with its currency, or unknown."""


def say(text: str | bytes, *, ends_line: bool = True) -> None:
    """Write to stdout. Raises the same as `output_errors`."""
    if isinstance(text, bytes) and is_terminal(sys.stdout):
        text = text.decode(errors="replace")
    with output_errors(sys.stdout):
        click.echo(readable(text, sys.stdout) if isinstance(text, str) else text, nl=ends_line)


def warn(text: str) -> None:
    """Write a line to stderr."""
    click.echo(readable(text, sys.stderr), err=True)


def show_table(columns: Sequence[str], records: Iterable[Mapping[str, Any]]) -> None:
    """Show one line per record under the names of the columns that have something, or "none". Numbers stand right."""
    every = list(records)
    if not every:
        say("none")
        return
    shown = [column for column in columns if any(one.get(column) not in (None, "", []) for one in every)]
    parts = [_column(name, [one.get(name) for one in every]) for name in shown or columns]
    for line in zip(*parts, strict=True):
        say("  ".join(line).rstrip())


def _column(name: str, values: Sequence[object]) -> list[str]:
    """Return the lines of a column, all of one width."""
    texts = [_in_column(name, value) for value in values]
    lines = [name.replace("_", " "), *texts]
    width = max(map(len, lines))
    is_figure = all(map(_is_number, values)) or (
        not name.endswith("version") and all(_FIGURE.fullmatch(text) for text in texts)
    )
    return [line.rjust(width) if is_figure else line.ljust(width) for line in lines]


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _in_column(name: str, value: object) -> str:
    """Return a value of a field: times by the clock of the site, energy in Wh, power in 10 W."""
    if isinstance(value, int | float) and name in KWH:
        return f"{value:.3f}"
    if isinstance(value, str) and (name == "at" or name.endswith(_TIMES)) and _STAMP.fullmatch(value):
        return local_minute(value)
    return f"{value:.2f}" if isinstance(value, int | float) and name == "kw" else cell(value)


def show_below(columns: Sequence[str], records: Iterable[Mapping[str, Any]]) -> None:
    """Show a table after an empty line, as the next part of something; without records, nothing."""
    if rows := list(records):
        say("")
        show_table(columns, rows)


def show_record(record: Mapping[str, Any]) -> None:
    """Show one line per field."""
    width = max(map(len, record), default=0)
    for name, value in record.items():
        say(f"{name.replace('_', ' ').ljust(width)}  {_in_column(name, value)}".rstrip())


def counted(number: int, noun: str) -> str:
    """Return how many there are of something whose plural ends in s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def local_minute(text: str) -> str:
    """Return a time in the time zone of the site, to the minute."""
    return local(text).strftime("%Y-%m-%d %H:%M")


def local_words(text: str) -> str:
    """Return a text of the server with the times in it by the clock of the site."""
    return _STAMP.sub(lambda found: local_minute(found[0]), text)


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
