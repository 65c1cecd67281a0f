"""What people see and answer at a terminal: aligned columns, times of the site, progress, a
question.

Control characters are escaped. The server says the time zone of the site with each response; people
read and type times in it.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from decimal import Decimal
from email.message import Message
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

import click
from click.core import ParameterSource

from levity_trio.billing.money import units
from levity_trio.billing.statement import Currency
from levity_trio.config import ConfigError, time_zones
from levity_trio.locale.formats import short_day, typed
from levity_trio.output import is_terminal, output_errors, readable
from levity_trio.wire.times import in_zone

SHARED: Final = ("is_json", "api", "ca")
"""The options that all commands have."""
WIDE: Final = "levity_trio.wide"
"""Says in the context of a command that all columns are wanted."""
USUAL_WIDTH: Final = 80
PROGRAM: Final = "levity-trio "
SHORTEST: Final = 16
"""Texts are cut to so many characters before a column is left out."""
MIDDLE: Final = 8
NO_FILTERS: Final = {*SHARED, "wide", "limit", "is_newcomers", "by"}
NOTHING_FITS: Final = "nothing fits; leave out an option to see more"
PEOPLES_WORDS: Final[Mapping[str, str]] = {
    "parent_id_tag": "group",
    "max_transactions": "at once",
    **dict.fromkeys(("id_tag", "tag"), "card"),
    "tags": "cards",
    "account": "household",
    "accounts": "households",
    **dict.fromkeys(("open_transaction", "transaction"), "session"),
    "transactions": "sessions",
    "vehicle": "car",
    **{name: name.removesuffix("_time") for name in ("start_time", "stop_time")},
    "energy_kwh": "kWh",
    "kwh": "kWh",
    "kw": "kW",
}
"""Words in the names of the API's fields, and what people call them."""
_LONGEST_FIRST: Final = "|".join(sorted(PEOPLES_WORDS, key=len, reverse=True))
_API_WORD: Final = re.compile(
    rf"(?<![A-Za-z])(?<!bank_)({_LONGEST_FIRST})(?![A-Za-z])",
    re.ASCII,
)
KWH: Final = ("kwh", "energy_kwh")
LINE_SECONDS: Final = 10.0
"""Time between two lines where no terminal shows a bar."""
BAR_SECONDS: Final = 0.1
BAR_WIDTH: Final = 24
ZONE_HEADER: Final = "Time-Zone"
_ZONE: Final[ContextVar[ZoneInfo | None]] = ContextVar("zone", default=None)
_TIMES: Final = ("_at", "_time", "since", "until", "_after")
"""The names of fields with a time end like this, or are `at`."""
_STAMP: Final = re.compile(
    r"(?<!--since )(?<!--until )\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII
)
"""A time as the database has it; in a command that is proposed it stays exact."""
_FIGURE: Final = re.compile(r"-?[\d.,]+[.,]\d+( [A-Z]{3})?|-?[\d.,]+ [A-Z]{3}|-", re.ASCII)
"""A text that is a number: kWh, an amount with its currency, or unknown."""


def say(text: str | bytes, *, ends_line: bool = True) -> None:
    """Write to stdout. Raises the same as `output_errors`."""
    if isinstance(text, bytes) and is_terminal(sys.stdout):
        text = text.decode(errors="replace")
    with output_errors(sys.stdout):
        click.echo(readable(text, sys.stdout) if isinstance(text, str) else text, nl=ends_line)


def say_json(record: object) -> None:
    """Write a record as one line of JSON."""
    say(json.dumps(record, ensure_ascii=False))


def warn(text: str) -> None:
    """Write a line to stderr."""
    click.echo(readable(text, sys.stderr), err=True)


def confirm(question: str) -> None:
    """Ask before what cannot be undone. Raises Abort if the answer is no, ConfigError if there is
    no terminal."""
    check_terminal()
    click.confirm(question, abort=True, err=True)


def check_terminal() -> None:
    """Raise ConfigError if nobody can be asked."""
    if not is_terminal(sys.stdin):
        raise ConfigError("this was not confirmed, because there is no terminal to ask; give --yes")


def width() -> int:
    """Return how many columns a line may have: those of this terminal, and 80 where there is
    none."""
    return shutil.get_terminal_size((USUAL_WIDTH, 24)).columns


def is_wide() -> bool:
    """Return whether this command was asked for all columns (--wide)."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(WIDE))


def show_table(
    columns: Sequence[str], records: Iterable[Mapping[str, Any]], empty: str = "none"
) -> None:
    """Show one line per record under the names of the columns that have something, or `empty`.
    Numbers stand right.

    The most important columns come first: where a line has not room for all, times are shortened,
    texts are cut, and the last columns are left out. A command with --wide shows everything then;
    one without it does always.
    """
    records = list(records)
    if not records:
        say("\n".join(map(fill, empty.splitlines())))
        return
    shown = [
        name
        for name in columns
        if any(record.get(name) not in (None, "", []) for record in records)
    ]
    parts = [_Column(name, [record.get(name) for record in records]) for name in shown or columns]
    context = click.get_current_context(silent=True)
    can_be_wide = context is not None and WIDE in context.meta
    left_out = _fit(parts, width()) if can_be_wide and not is_wide() else []
    say(
        "\n".join(
            "  ".join(line).rstrip() for line in zip(*(part.lines() for part in parts), strict=True)
        )
    )
    is_cut = any(part.is_cut for part in parts)
    if left_out or is_cut:
        say(f"--wide shows also: {', '.join(left_out)}" if left_out else "--wide shows it whole")


class _Column:
    """A column of a table: its head, the texts below it, and how wide it may be."""

    def __init__(self, name: str, values: Sequence[object]) -> None:
        self.name, self._values = name, values
        self.head = heading(name)
        self.texts = [_in_column(name, value) for value in values]
        self.is_figure = all(value is None or _is_number(value) for value in values) or (
            not name.endswith("version") and all(_FIGURE.fullmatch(text) for text in self.texts)
        )
        self.is_time = any(_is_time(name, value) for value in values)
        self.most: int | None = None

    @property
    def width(self) -> int:
        return max(map(len, (self.head, *self.texts)))

    @property
    def least(self) -> int:
        """How narrow it may become before it is left out."""
        return (
            self.width
            if self.is_figure or self.is_time
            else max(len(self.head), min(self.width, SHORTEST))
        )

    @property
    def is_cut(self) -> bool:
        return self.most is not None and self.most < self.width

    def shorten(self) -> None:
        """Write times as people say them now."""
        if self.is_time:
            self.texts = [
                _short(value) if _is_time(self.name, value) else text
                for value, text in zip(self._values, self.texts, strict=True)
            ]

    def lines(self) -> list[str]:
        """Return its lines, all of one width."""
        texts = [
            self.head,
            *(text if self.most is None else _cut(text, self.most) for text in self.texts),
        ]
        width = max(map(len, texts))
        return [text.rjust(width) if self.is_figure else text.ljust(width) for text in texts]


def _fit(parts: list[_Column], room: int) -> list[str]:
    """Make the lines of these columns fit; remove those for which there is no room, and return
    their heads."""
    left_out: list[str] = []
    if _total(part.width for part in parts) <= room:
        return left_out
    for part in parts:
        part.shorten()
    while len(parts) > 1 and _total(part.least for part in parts) > room:
        left_out.insert(0, parts.pop().head)
    most = max(part.width for part in parts)
    while most > 1 and _total(max(part.least, min(part.width, most)) for part in parts) > room:
        most -= 1
    for part in parts:
        part.most = max(part.least, most)
    if len(parts) == 1:
        parts[0].most = room
    return left_out


def _total(widths: Iterable[int]) -> int:
    each = list(widths)
    return sum(each) + len("  ") * (len(each) - 1)


def _cut(text: str, most: int) -> str:
    """Return a text of at most so many characters: the begin of words, or both ends of an
    identity."""
    if len(text) <= most:
        return text
    end = 0 if " " in text or most < MIDDLE else (most - 1) // 2
    return f"{text[: most - 1 - end]}…{text[len(text) - end :]}"


def heading(name: str) -> str:
    """Return the name of a field of the API in words of people."""
    return _API_WORD.sub(lambda word: PEOPLES_WORDS[word[0]], name).replace("_", " ")


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


def _in_column(name: str, value: object) -> str:
    """Return a value of a field: times by the clock of the site, energy in Wh, power in 10 W."""
    if isinstance(value, int | float) and name in KWH:
        return figure(value, 3)
    if _is_time(name, value):
        return local_minute(str(value))
    return figure(value, 2) if isinstance(value, int | float) and name == "kw" else cell(value)


def _is_time(name: str, value: object) -> bool:
    return (
        isinstance(value, str)
        and (name == "at" or name.endswith(_TIMES))
        and bool(_STAMP.fullmatch(value))
    )


def _short(stamp: object) -> str:
    """Return a time of the database by the clock of the site: today, in this year, or in another
    one."""
    at, now = (
        in_zone(moment, zone())
        for moment in (datetime.fromisoformat(str(stamp)), datetime.now(UTC))
    )
    if at.date() == now.date():
        return f"{at:%H:%M}"
    is_day = at.year != now.year or (at.hour, at.minute) == (0, 0)
    day = short_day(at.date(), has_year=is_day)
    return day if is_day else f"{day} {at:%H:%M}"


def show_below(
    columns: Sequence[str], records: Iterable[Mapping[str, Any]], title: str = ""
) -> None:
    """Show a table after an empty line (and its title), as the next part of something; without
    records, nothing."""
    if rows := list(records):
        say(f"\n{title}:" if title else "")
        show_table(columns, rows)


def show_record(record: Mapping[str, Any], *names: str) -> None:
    """Show one line per field: of all, or of those that are named."""
    shown = {heading(name): _in_column(name, record[name]) for name in names or record}
    margin = max(map(len, shown), default=0) + len("  ")
    for head, text in shown.items():
        say(fill(text, f"{head:{margin}}", " " * margin))


def fill(text: str, before: str = "", further: str = "") -> str:
    """Return a text in lines that fit, after what stands before it. A command in it stays whole, to
    be copied."""
    if is_wide() or PROGRAM in text or len(before) + len(text) <= width():
        return f"{before}{text}".rstrip()
    lines = textwrap.wrap(
        f"{before}{text}",
        width(),
        subsequent_indent=further,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )
    return "\n".join(lines)


def show_words(rows: Iterable[tuple[str, str]]) -> None:
    """Show names, each with its text beside it in as many lines as it needs."""
    formatter = click.HelpFormatter(width=width())
    formatter.write_dl(list(rows))
    say(textwrap.dedent(formatter.getvalue()), ends_line=False)


def counted(number: int, noun: str) -> str:
    """Return how many there are of something whose plural ends in s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def figure(value: float, digits: int) -> str:
    """Return a number of a table, with nothing between thousands."""
    return typed(Decimal(f"{value:.{digits}f}"))


def money(minor: int, currency: Currency) -> str:
    """Return an amount in minor units with its currency."""
    return f"{typed(units(minor, currency))} {currency.code}"


def cell(value: object) -> str:
    """Return a value as printable text on one line."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return " ".join(f"{name}={cell(part)}" for name, part in value.items()) or "-"
    if isinstance(value, list):
        return " ".join(map(cell, value)) or "-"
    text = typed(Decimal(f"{value:.12g}")) if isinstance(value, float) else str(value)
    return text if text.isprintable() else repr(text)[1:-1]


def none_yet(words: str) -> str:
    """Return what to say of an empty list: these words, unless somebody asked for a part of it
    only."""
    context = click.get_current_context()
    names = {
        option.name for option in context.command.params if isinstance(option, click.Option)
    } - NO_FILTERS
    is_part = any(
        context.get_parameter_source(str(name)) is ParameterSource.COMMANDLINE for name in names
    )
    return NOTHING_FITS if is_part else words


class Output:
    """What a command has to say: text for people, or JSON for programs."""

    def __init__(self, *, is_json: bool) -> None:
        self.is_json = is_json

    def is_told(self, record: object) -> bool:
        """With --json, output a record. Return whether it was, so that there is nothing left to
        show."""
        if self.is_json:
            say(json.dumps(record))
        return self.is_json

    def tell(self, record: object, words: str) -> None:
        """Output these words, or with --json the record."""
        if not self.is_told(record):
            say(words)

    def record(self, record: Mapping[str, Any]) -> None:
        """Show one record field by field."""
        if not self.is_told(record):
            show_record(record)

    def table(
        self,
        columns: Sequence[str],
        records: Sequence[Mapping[str, Any]],
        whole: object = None,
        empty: str = "none",
    ) -> None:
        """Show records as a table; with --json show them, or `whole` if given. `empty` says what to
        do without any."""
        if self.is_told(records if whole is None else whole):
            return
        show_table(columns, records, empty)
        if isinstance(whole, Mapping) and whole.get("next_cursor"):
            say(f"only the first {len(records)} are shown; --limit NUMBER shows more")


# Times of the site


def forget() -> None:
    """Go by the time zone of this machine until a server has said its own."""
    _ZONE.set(None)


def hear(headers: Message) -> None:
    """Note the time zone that a response names. One that this machine does not know is passed
    over."""
    try:
        _ZONE.set(time_zones.named(headers.get(ZONE_HEADER, "")))
    except time_zones.UnknownZone:
        return


def zone() -> ZoneInfo | None:
    """Return the time zone of the site; None, which is that of this machine, while no server has
    said one."""
    return _ZONE.get()


def local_second(text: str) -> str:
    """Return a time in the time zone of the site."""
    return in_zone(datetime.fromisoformat(text), zone()).strftime("%Y-%m-%d %H:%M:%S")


def local_minute(text: str) -> str:
    """Return a time in the time zone of the site, to the minute."""
    return local_second(text)[:-3]


def local_words(text: str) -> str:
    """Return a text of the server with the times in it by the clock of the site."""
    return _STAMP.sub(lambda stamp: local_minute(stamp[0]), text)


def instant(text: str) -> datetime:
    """Return a time as it was typed; one without an offset, or a day, is in the time zone of the
    site.

    Raises ValueError.
    """
    typed = datetime.fromisoformat(text)
    return typed if typed.tzinfo is not None else in_zone(typed.replace(tzinfo=zone()), zone())


# Progress


class ProgressLine:
    """A line on stderr, each in place of the previous one and wiped away at the end; shown on a
    terminal only."""

    def __init__(self, *, is_hidden: bool = False) -> None:
        self.is_shown = not is_hidden and is_terminal(sys.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.overwrite("")

    def overwrite(self, line: str) -> None:
        if self.is_shown:
            click.echo(f"\r\x1b[2K{readable(line, sys.stderr)}", nl=False, err=True)


class CountProgress(ProgressLine):
    """Shows how many of some things are done."""

    def __init__(self, things: str, *, is_json: bool) -> None:
        super().__init__(is_hidden=is_json)
        self._things = things

    def __call__(self, done: int, total: int) -> None:
        self.overwrite(f"{_bar(done, total)} {done:,} of {total:,} {self._things}")


class RateProgress(ProgressLine):
    """Shows how many of some things are done, how fast, and how long the rest takes, beside lines
    on stdout."""

    def __init__(self, things: str, total: int, *, is_json: bool) -> None:
        super().__init__(is_hidden=is_json and is_terminal(sys.stdout))
        self._things, self._total, self._began = things, total, time.monotonic()

    def __call__(self, done: int) -> None:
        rate, left = rest(done, self._total, time.monotonic() - self._began)
        self.overwrite(
            f"{done:,} of {self._total:,} {self._things}, {rate:,.0f} per second, {left:,.0f} s "
            "left"
        )


class LongProgress(ProgressLine):
    """Shows how far a command is, and how long the rest takes: a bar, or without a terminal a line
    now and then."""

    def __init__(self, *, is_json: bool) -> None:
        super().__init__(is_hidden=is_json)
        self.is_json = is_json
        self._began = self._shown = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._shown < (BAR_SECONDS if self.is_shown else LINE_SECONDS):
            return
        self._shown = now
        rate, left = rest(done, total, now - self._began)
        if self.is_json:
            say_json({"kind": "progress"} | self.record(done, total, rate, left))
        elif self.is_shown:
            self.overwrite(f"{_bar(done, total)} {self.line(done, total, rate, left)}")
        else:
            say(self.line(done, total, rate, left))  # not on stderr: cron would mail it

    def line(self, done: int, total: int, rate: float, left: float) -> str:
        """Return the progress for people: in steps that mean nothing by themselves."""
        del rate
        return f"{100 * done // total} %, {left:,.0f} s left"

    def record(self, done: int, total: int, rate: float, left: float) -> dict[str, Any]:
        """Return the progress for programs."""
        del rate
        return {"percent": 100 * done // total, "seconds_left": round(left, 1)}


class ByteProgress(LongProgress):
    """Shows how many bytes are copied."""

    def line(self, done: int, total: int, rate: float, left: float) -> str:
        return (
            f"{done / 1e6:,.0f} of {total / 1e6:,.0f} MB, {rate / 1e6:,.1f} MB/s, {left:,.0f} s "
            "left"
        )

    def record(self, done: int, total: int, rate: float, left: float) -> dict[str, Any]:
        rates = {"bytes_per_second": round(rate), "seconds_left": round(left, 1)}
        return {"bytes": done, "total_bytes": total} | rates


def rest(done: float, total: float, seconds: float) -> tuple[float, float]:
    """Return how much is done per second, and how many seconds are left."""
    rate = done / seconds if seconds else 0.0
    return rate, max(0.0, total - done) / rate if rate else 0.0


def _bar(done: int, total: int) -> str:
    filled = BAR_WIDTH * done // total if total else BAR_WIDTH
    return f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}]"
