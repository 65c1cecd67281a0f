"""The progress of a long command: a bar on stderr if that is a terminal, else a line on stdout now and then."""

from __future__ import annotations

import json
import sys
import time
from typing import Any, Final, Self

import click

from levity_trio.cli.tables import say
from levity_trio.output import is_terminal, readable

LINE_SECONDS: Final = 10.0
"""Time between two lines where no terminal shows a bar."""
BAR_SECONDS: Final = 0.1
BAR_WIDTH: Final = 24


def overwrite(line: str) -> None:
    """Show a line on stderr, in place of the previous one."""
    click.echo(f"\r\x1b[2K{readable(line, sys.stderr)}", nl=False, err=True)


def rest(done: float, total: float, seconds: float) -> tuple[float, float]:
    """Return how much is done per second, and how many seconds are left."""
    rate = done / seconds if seconds else 0.0
    return rate, max(0.0, total - done) / rate if rate else 0.0


class LongProgress:
    """Shows how far a command is, and how long the rest will take."""

    def __init__(self, *, is_json: bool) -> None:
        self.is_json = is_json
        self._is_bar = not is_json and is_terminal(sys.stderr)
        self._began = time.monotonic()
        self._shown = self._began

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_bar:
            overwrite("")

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._shown < (BAR_SECONDS if self._is_bar else LINE_SECONDS):
            return
        self._shown = now
        rate, left = rest(done, total, now - self._began)
        if self.is_json:
            say(json.dumps({"kind": "progress"} | self.record(done, total, rate, left)))
            return
        line = self.line(done, total, rate, left)
        if self._is_bar:
            overwrite(f"{_bar(done, total)} {line}")
        else:
            say(line)  # not on stderr: cron would mail it

    def line(self, done: int, total: int, rate: float, left: float) -> str:
        """Return the progress for people."""
        raise NotImplementedError

    def record(self, done: int, total: int, rate: float, left: float) -> dict[str, Any]:
        """Return the progress for programs."""
        raise NotImplementedError


class ByteProgress(LongProgress):
    """Shows how many bytes are copied."""

    def line(self, done: int, total: int, rate: float, left: float) -> str:
        return f"{done / 1e6:,.0f} of {total / 1e6:,.0f} MB, {rate / 1e6:,.1f} MB/s, {left:,.0f} s left"

    def record(self, done: int, total: int, rate: float, left: float) -> dict[str, Any]:
        return {
            "bytes": done,
            "total_bytes": total,
            "bytes_per_second": round(rate),
            "seconds_left": round(left, 1),
        }


class StepProgress(LongProgress):
    """Shows how much of some work is done, in steps that mean nothing by themselves."""

    def line(self, done: int, total: int, rate: float, left: float) -> str:
        del rate
        return f"{100 * done // total} %, {left:,.0f} s left"

    def record(self, done: int, total: int, rate: float, left: float) -> dict[str, Any]:
        del rate
        return {"percent": 100 * done // total, "seconds_left": round(left, 1)}


class CountProgress:
    """Shows how many of some things are done, on a terminal; the last line is wiped away."""

    def __init__(self, things: str, *, is_json: bool) -> None:
        self._things = things
        self._is_bar = not is_json and is_terminal(sys.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_bar:
            overwrite("")

    def __call__(self, done: int, total: int) -> None:
        if self._is_bar:
            overwrite(f"{_bar(done, total)} {done:,} of {total:,} {self._things}")


def _bar(done: int, total: int) -> str:
    filled = BAR_WIDTH * done // total if total else BAR_WIDTH
    return f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}]"
