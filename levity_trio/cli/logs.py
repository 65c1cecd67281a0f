"""`levity-trio logs`: what was said with the chargers, from the database, while a server runs or not."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from levity_trio.cli.serve import options
from levity_trio.cli.tables import cell, say
from levity_trio.config import SETTINGS, load

if TYPE_CHECKING:
    from levity_trio.store.reads import LoggedFrame
    from levity_trio.store.reads.frames import FrameReading

LAST_FRAMES: Final = 100
FOLLOW_SECONDS: Final = 0.5
ARROWS: Final = {"recv": "←", "send": "→", "connect": "+", "disconnect": "-", "refuse": "×"}
UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
DURATION: Final = re.compile(r"(\d{1,6})([smhdw])")

EXAMPLES = f"""\
\b
Examples:
  levity-trio logs
  levity-trio logs CP-1 --since 2h
  levity-trio logs --action StopTransaction --since 2026-01-01
  levity-trio logs CP-1 --follow
  levity-trio logs --since 1d --json | jq 'select(.direction == "refuse")'

Without --since it begins with the last {LAST_FRAMES} frames. One line a frame: time (UTC), charger, direction
({ARROWS["recv"]} came from it, {ARROWS["send"]} went to it, {ARROWS["connect"]} connected, {ARROWS["disconnect"]} \
disconnected, {ARROWS["refuse"]} handshake refused), action, message id, and what was said:
an answer begins with =, a CALLERROR with !. On a terminal a line is cut to its width. Passwords and the like
are not in the log; they were masked (***) before.

Exit status: 0 at the end or when --follow was stopped, 1 when there is no such database, 2 for wrong usage or a
charger that is not known.
"""


def _read_since(_context: click.Context, _option: click.Parameter, text: str | None) -> datetime | timedelta | None:
    if text is None:
        return None
    if match := DURATION.fullmatch(text.strip()):
        return timedelta(**{UNITS[match[2]]: int(match[1])})
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise click.BadParameter("give 30s, 45m, 2h, 7d or 1w, or a time such as 2026-01-01T12:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def run_logs(
    *,
    charger: str | None,
    action: str | None,
    since: datetime | timedelta | None,
    is_follow: bool,
    is_json: bool,
    **given: object,
) -> int:
    from levity_trio.store.reads.frames import FrameReading, Wanted  # noqa: PLC0415 - so that --help answers at once

    config, _ = load({name: value for name, value in given.items() if value is not None}, os.environ)
    reading = FrameReading(config.database, Wanted(charger, action))
    if since is None:
        reading.go_back(LAST_FRAMES)
    else:
        reading.go_back_to(since)
    lines = JsonLines() if is_json else Lines()
    is_empty = True
    try:
        for frames in _pieces(reading, is_follow):
            say("\n".join(lines.line(frame) for frame in frames))
            is_empty = False
    except KeyboardInterrupt:
        if not is_follow:
            raise
    if is_empty and charger is not None and not reading.is_known(charger):
        raise click.BadParameter(f"no charger {cell(charger)} is in {config.database}", param_hint="'CHARGER'")
    if is_empty and not is_json:
        say("none")
    return 0


def _pieces(reading: FrameReading, is_follow: bool) -> Iterator[list[LoggedFrame]]:
    while True:
        frames = reading.next()
        if frames:
            yield frames
        elif frames is None and not is_follow:
            return
        elif frames is None:
            time.sleep(FOLLOW_SECONDS)


class JsonLines:
    """One object a line; `frame` is JSON where the charger's was, else text."""

    def line(self, frame: LoggedFrame) -> str:
        told = {
            "id": frame.id,
            "at": frame.at,
            "charger": frame.charger or None,
            "session": frame.session,
            "direction": frame.direction,
            "message_id": _plain(frame.message_id),
            "action": frame.action,
            "frame": _parsed(frame.frame),
        }
        return json.dumps(told, ensure_ascii=False)


class Lines:
    """Lines for people; a column is as wide as the widest that it had so far."""

    def __init__(self) -> None:
        self._widths = [0, len("StatusNotification"), 0]
        self._width = shutil.get_terminal_size().columns if sys.stdout and sys.stdout.isatty() else None

    def line(self, frame: LoggedFrame) -> str:
        texts = [cell(text or "-") for text in (frame.charger, frame.action, _plain(frame.message_id))]
        self._widths = [max(width, len(text)) for width, text in zip(self._widths, texts, strict=True)]
        charger, action, message_id = (text.ljust(width) for text, width in zip(texts, self._widths, strict=True))
        arrow = ARROWS.get(frame.direction, "?")
        line = f"{frame.at}  {charger}  {arrow}  {action}  {message_id}  {cell(_said(frame.frame))}"
        return line if self._width is None or len(line) <= self._width else line[: self._width - 1] + "…"


def _said(frame: str) -> str:
    """What a frame says, without its head."""
    match _parsed(frame):
        case [2 | "2", _, _, payload, *_]:
            return _shown(payload)
        case [3 | "3", _, payload, *_]:
            return f"= {_shown(payload)}"
        case [4 | "4", _, *words]:
            return f"! {' '.join(word if isinstance(word, str) else _shown(word) for word in words)}"
        case {**told}:
            return " ".join(f"{name}={_shown(value)}" for name, value in told.items())
    return frame


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _plain(message_id: str | None) -> str | None:
    """An id as text: those of chargers are kept as the JSON that they were."""
    if message_id is None or not message_id.startswith('"'):
        return message_id
    told = _parsed(message_id)
    return told if isinstance(told, str) else message_id


logs = click.Command(
    "logs",
    params=[
        click.Argument(["charger"], required=False, metavar="[CHARGER]"),
        click.Option(["--action"], metavar="ACTION", help="Only calls with this action, and their answers."),
        click.Option(["--since"], metavar="WHEN", callback=_read_since, help="From so long ago on, or from a time."),
        click.Option(["is_follow", "--follow", "-f"], is_flag=True, help="Go on as more comes, until Ctrl-C."),
        click.Option(["is_json", "--json"], is_flag=True, help="JSON lines, for programs."),
        *options(setting for setting in SETTINGS if setting.attribute == "database"),
    ],
    callback=run_logs,
    help="Show the frames of all chargers, or of one.",
    epilog=EXAMPLES,
)
