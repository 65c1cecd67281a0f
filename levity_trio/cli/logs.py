"""`levity-trio logs`: shows the stored OCPP frames, with or without a running server."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from levity_trio.cli.declaring import ANY_FILE, JSON_LINES, argument, flag, on_database, option
from levity_trio.cli.terminal import cell, say
from levity_trio.config import ServerConfig
from levity_trio.output import is_terminal

if TYPE_CHECKING:
    from levity_trio.store.reads.site.frames import FrameReading, LoggedFrame

LAST_FRAMES: Final = 100
SHARED_TIME: Final = timedelta(days=1)
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
  levity-trio logs CP-1 --since 2d --until 1d
  levity-trio logs CP-1 --since 2h --share report.zip

Without --since the output begins with the last {LAST_FRAMES} frames. Each line has time (UTC),
charger, direction ({ARROWS["recv"]} received, {ARROWS["send"]} sent, {ARROWS["connect"]} connected,
{ARROWS["disconnect"]} disconnected, {ARROWS["refuse"]} handshake refused), action, message id and
payload.
A CALLRESULT begins with =, a CALLERROR with !. On a terminal, lines are truncated to its width.
Passwords and other secrets are stored masked (***).

--share writes a file that strangers may read, such as those who mend this program: the frames of
the last day, or of --since and --until, what is known of the charger, versions and settings. Each
card, name, serial number, address and word that is not known to be harmless has an alias there,
such as <card-1>, the same for the same. It shows what would be in FILE, and asks.

Exit status: 0 at the end or when --follow is interrupted, 1 when the database does not exist or
cannot be read, 2 for wrong usage or an unknown charger.
"""


def _read_since(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> datetime | timedelta | None:
    if text is None:
        return None
    if match := DURATION.fullmatch(text.strip()):
        return timedelta(**{UNITS[match[2]]: int(match[1])})
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise click.BadParameter(
            "give 30s, 45m, 2h, 7d or 1w, or a time such as 2026-01-01T12:00"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@on_database(epilog=EXAMPLES)
@argument("[CHARGER]")
@option("--action ACTION", "Only calls with this action, and the responses to them.")
@option("--since WHEN", "Start time, or a duration before now (2h, 7d).", callback=_read_since)
@option("--until WHEN", "End time, like --since.", callback=_read_since)
@flag("--follow -f", "Show new frames as they come, until Ctrl-C.", "is_follow")
@option(
    "--share FILE",
    "Write them to FILE for others: a zip without personal data.",
    "file",
    type=ANY_FILE,
)
@flag("--yes", "Do not ask before FILE is written.", "is_agreed")
@JSON_LINES
def logs(
    config: ServerConfig,
    *,
    charger: str | None,
    action: str | None,
    since: datetime | timedelta | None,
    until: datetime | timedelta | None,
    is_follow: bool,
    file: Path | None,
    is_agreed: bool,
    is_json: bool,
) -> None:
    """Show the stored frames of all chargers, or of one."""
    from levity_trio.store.reads.site.frames import FrameFilter, FrameReading  # noqa: PLC0415 - so that --help answers at once

    reading = FrameReading(config.database, FrameFilter(charger, action))
    if until is not None:
        reading.stop_at(until)
    if file is not None:
        from levity_trio.cli.sharing import share  # noqa: PLC0415 - as above

        if charger is None:
            raise click.UsageError("--share needs a CHARGER")
        reading.go_back_to(since or SHARED_TIME)
        share(config, charger, list(chain(*_pages(reading, False))), file, is_agreed)
        return
    if since is None:
        reading.go_back(LAST_FRAMES)
    else:
        reading.go_back_to(since)
    line = _json_line if is_json else Lines().line
    is_empty = True
    try:
        for frames in _pages(reading, is_follow):
            say("\n".join(map(line, frames)))
            is_empty = False
    except KeyboardInterrupt:
        if not is_follow:
            raise
    if is_empty and charger is not None and not reading.is_known(charger):
        raise click.BadParameter(
            f"no charger {cell(charger)} is in {config.database}", param_hint="'CHARGER'"
        )
    if is_empty and not is_json:
        say("none")


def _pages(reading: FrameReading, is_follow: bool) -> Iterator[list[LoggedFrame]]:
    while True:
        frames = reading.next()
        if frames:
            yield frames
        elif frames is None and not is_follow:
            return
        elif frames is None:
            time.sleep(FOLLOW_SECONDS)


def _json_line(frame: LoggedFrame) -> str:
    """Return a frame as one JSON object. `frame` in it is JSON if it could be parsed, otherwise
    text."""
    record = {
        "id": frame.id,
        "at": frame.at,
        "charger": frame.charger or None,
        "session": frame.session,
        "direction": frame.direction,
        "message_id": _plain(frame.message_id),
        "action": frame.action,
        "frame": _parsed(frame.frame),
    }
    return json.dumps(record, ensure_ascii=False)


class Lines:
    """Formats frames as lines for people. A column is as wide as its widest value so far."""

    def __init__(self) -> None:
        self._widths = [0, len("StatusNotification"), 0]
        self._width = shutil.get_terminal_size().columns if is_terminal(sys.stdout) else None

    def line(self, frame: LoggedFrame) -> str:
        texts = [
            cell(text or "-") for text in (frame.charger, frame.action, _plain(frame.message_id))
        ]
        self._widths = [
            max(width, len(text)) for width, text in zip(self._widths, texts, strict=True)
        ]
        charger, action, message_id = (
            text.ljust(width) for text, width in zip(texts, self._widths, strict=True)
        )
        arrow = ARROWS.get(frame.direction, "?")
        line = (
            f"{frame.at}  {charger}  {arrow}  {action}  {message_id}  {cell(_payload(frame.frame))}"
        )
        return (
            line
            if self._width is None or len(line) <= self._width
            else line[: self._width - 1] + "…"
        )


def _payload(frame: str) -> str:
    """Return a frame without message type, message id and action."""
    match _parsed(frame):
        case [2 | "2", _, _, payload, *_]:
            return _shown(payload)
        case [3 | "3", _, payload, *_]:
            return f"= {_shown(payload)}"
        case [4 | "4", _, *elements]:
            parts = [part if isinstance(part, str) else _shown(part) for part in elements]
            return f"! {' '.join(parts)}"
        case {**record}:
            return " ".join(f"{name}={_shown(value)}" for name, value in record.items())
    return frame


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _plain(message_id: str | None) -> str | None:
    """Return a message id as text. The ids of chargers are stored as JSON."""
    if message_id is None or not message_id.startswith('"'):
        return message_id
    parsed = _parsed(message_id)
    return parsed if isinstance(parsed, str) else message_id
