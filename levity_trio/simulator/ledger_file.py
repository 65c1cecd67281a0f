"""A run's ledger as a file of JSON lines.

The first line has the format, its version, and the values of the whole run. Each other line is one transaction with the
messages sent about it. Moments are in simulated seconds; `zero` is the central system's time at second 0.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final

import orjson

from levity_trio.config import ConfigError, EnvironmentProblem
from levity_trio.simulator.ledger import Entry, Ledger, Moment, Sent
from levity_trio.wire.times import parse_time, wire_time
from levity_trio.writing import DOCUMENT, opened, place, replacing

FORMAT: Final = "levity-trio ledger"
VERSION: Final = 1
_WHOLE_RUN: Final = ("slack_seconds", "transaction", "set_aside_at", "chargers")


def write_ledger(path: Path, ledger: Ledger) -> None:
    """Write the ledger, replacing the file. Blocks. Raises EnvironmentProblem."""
    try:
        with replacing(path, DOCUMENT) as file:
            file.writelines(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in _lines(ledger))
    except OSError as error:
        raise EnvironmentProblem(
            f"--ledger {path} cannot be written: {error.strerror}; make room, or give a file this user can write"
        ) from error


def check_writable(path: Path) -> None:
    """Fail before the run rather than at its end. An existing file stays unchanged. Raises EnvironmentProblem."""
    try:
        os.close(opened(place(path), os.O_WRONLY | os.O_APPEND, DOCUMENT))
    except OSError as error:
        raise EnvironmentProblem(
            f"--ledger {path} cannot be written: {error.strerror}; give a file this user can write"
        ) from error


def read_ledger(path: Path) -> Ledger:
    """Read a file that `write_ledger` wrote. Blocks. Raises ConfigError for any other file."""
    try:
        head, _, lines = path.read_bytes().partition(b"\n")
        return _ledger(orjson.loads(head), [orjson.loads(line) for line in lines.splitlines()])
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; give a file that simulate --ledger wrote") from None
    except (orjson.JSONDecodeError, TypeError, AttributeError):
        raise ConfigError(f"{path} is not a ledger; give a file that simulate --ledger wrote") from None
    except (KeyError, ValueError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error).partition("\n")[0]
        raise ConfigError(f"{path} is not a ledger: {what}; give a file that simulate --ledger wrote") from None


def _lines(ledger: Ledger) -> Iterator[dict[str, Any]]:
    zero = None if ledger.zero is None else wire_time(ledger.zero)
    whole_run = {name: getattr(ledger, name) for name in _WHOLE_RUN}
    yield {"format": FORMAT, "version": VERSION, "zero": zero, **whole_run}
    yield from (asdict(entry) for entry in ledger.entries)


def _ledger(head: dict[str, Any], lines: list[dict[str, Any]]) -> Ledger:
    if head["format"] != FORMAT:
        raise ValueError(f"its format is {head['format']!r}")
    if head["version"] != VERSION:
        raise ValueError(f"its version is {head['version']}, and this program reads version {VERSION}")
    return Ledger(
        zero=None if head["zero"] is None else parse_time(head["zero"]),
        entries=[_entry(line) for line in lines],
        **{name: head[name] for name in _WHOLE_RUN},
    )


def _entry(line: dict[str, Any]) -> Entry:
    return Entry(**{**_known(Entry, line), "sent": [_sent(one) for one in line["sent"]]})


def _sent(line: dict[str, Any]) -> Sent:
    return Sent(**{**_known(Sent, line), "moments": [Moment(**one) for one in line["moments"]]})


def _known(kind: type[Entry | Sent], line: dict[str, Any]) -> dict[str, Any]:
    """Return the values of all fields. Raises KeyError with the name of a missing one."""
    return {field.name: line[field.name] for field in fields(kind)}
