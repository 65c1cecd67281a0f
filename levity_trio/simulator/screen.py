"""The fleet as a live table in a terminal; without a terminal, one line for every tenth of the run.

Reading the chargers does not change them. In particular it does not advance a meter, because the
meter would then be ahead of the charger. So power, energy and state of charge are as of the last
moment at which the charger itself computed them. A thread does the drawing: a terminal stopped with
Ctrl-S must not stop the fleet.
"""

from __future__ import annotations

import errno
import heapq
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import trio
from rich import console as rich_console
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from levity_trio.output import output_errors
from levity_trio.records import record
from levity_trio.simulator.charger.state import DC, State
from levity_trio.simulator.physics import Status

_DAY_SECONDS: Final = 86_400
REFRESH_SECONDS: Final = 0.25
STEPS: Final = 10
"""Number of progress lines of a whole run without a terminal."""
_WIDE_COLUMNS: Final = 120
_LINES_AROUND: Final = 4
"""The table's head, the totals, the time, and the cursor's line."""
_MESSAGES_WIDTH: Final = 5
_ERRORS_WIDTH: Final = 4
_ECHO_WIDTH: Final = 4
"""Columns left free after the cursor: a ^C that the terminal echoes must not wrap to a line that is
never erased."""
_STATUSES: Final = {
    Status.AVAILABLE: ("free", "dim"),
    Status.PREPARING: ("prep", "cyan"),
    Status.CHARGING: ("chrg", "green"),
    Status.SUSPENDED_EV: ("s-ev", "yellow"),
    Status.SUSPENDED_EVSE: ("s-se", "yellow"),
    Status.FINISHING: ("fini", "cyan"),
    Status.RESERVED: ("rsvd", "blue"),
    Status.UNAVAILABLE: ("unav", "red"),
    Status.FAULTED: ("FLT!", "bold red"),
}
"""The abbreviation of a status in a narrow terminal, and its colour."""
_PHASES: Final = {
    "off": "off",
    "offline": "away",
    "connecting": "down",
    "booting": "boot",
    "accepted": "up",
}
_LINKS: Final = {"up": "green", "boot": "cyan", "off": "dim"}


@record
class Row:
    """One charger. Power in W, energy in Wh, state of charge from 0 to 1."""

    id: str
    model: str = ""
    link: str = "down"
    """up, boot (connected, not accepted yet), down, away (set offline), off (without power)."""
    statuses: tuple[Status, ...] = ()
    """One for each connector, preceded by the charger's own if that is not Available."""
    tag: str = ""
    power_w: float = 0.0
    session_wh: int = 0
    """Energy of the running transactions."""
    delivered_wh: int = 0
    """Energy of all transactions since the simulation began."""
    soc: float | None = None
    """Of the fullest vehicle; None if the charger cannot know it (AC)."""
    messages: int = 0
    errors: int = 0
    quirks: tuple[str, ...] = ()


@record
class View:
    """The fleet at one moment, in simulated seconds. `seconds` is the run's length, None for a run
    without an end."""

    rows: Sequence[Row]
    at: float
    seconds: float | None = None
    first_hour: int = 0

    @property
    def share(self) -> float:
        """The progress of the run, from 0 to 1; 0 for a run without an end."""
        return _share(self.at, self.seconds)

    @property
    def time(self) -> str:
        """The simulated day and time of day."""
        day, second = divmod(int(self.at) + self.first_hour * 3600, _DAY_SECONDS)
        return f"day {day + 1}, {second // 3600:02}:{second % 3600 // 60:02}"


@record
class Scene:
    """The source of views: the simulated time, the current rows, and the run's length as in View.

    `rows` is called only for a view that will be shown: it takes 25 ms for 5,000 chargers.
    """

    now: Callable[[], float]
    rows: Callable[[], Sequence[Row]]
    seconds: float | None = None
    first_hour: int = 0

    @property
    def share(self) -> float:
        """The progress of the run, from 0 to 1; 0 for a run without an end."""
        return _share(self.now(), self.seconds)

    def view(self) -> View:
        return View(
            rows=self.rows(), at=self.now(), seconds=self.seconds, first_hour=self.first_hour
        )


def row_of(charger: State) -> Row:
    """Return a charger's row without changing the charger."""
    connectors, tally = charger.connectors, charger.tally
    tags = []
    for connector in connectors:
        if connector.transaction:
            tags.append(connector.transaction.id_tag)
        elif connector.tag:
            tags.append(connector.tag[0])
    known = [soc for connector in connectors if (soc := connector.meter.soc) is not None]
    return Row(
        id=charger.spec.id,
        model=charger.spec.model,
        link=_PHASES[charger.phase],
        statuses=tuple(
            connector.status
            for connector in connectors
            if connector.number or connector.status is not Status.AVAILABLE
        ),
        tag=" ".join(tags),
        power_w=sum(connector.meter.power_w for connector in connectors),
        session_wh=sum(connector.session_wh for connector in connectors),
        delivered_wh=delivered_wh(charger),
        soc=max(known, default=None) if charger.spec.power_type == DC else None,
        messages=tally.sent + charger.served,
        errors=tally.refused + tally.unanswered + tally.unreadable,
        quirks=charger.spec.quirks,
    )


def delivered_wh(charger: State) -> int:
    """Return the true energy of all the charger's transactions, in whole Wh."""
    ended = sum(entry.energy_wh for entry in charger.ledger if entry.is_ended)
    return ended + sum(connector.session_wh for connector in charger.connectors)


def _share(at: float, seconds: float | None) -> float:
    return min(1.0, at / seconds) if seconds else 0.0


class Column(NamedTuple):
    """One column of the table: its head, and its width in a terminal of 80 columns and in a wide
    one."""

    head: str
    width: int | None = None
    wide: int | None = None
    is_number: bool = False


COLUMNS: Final = (
    Column("charger", 8, 20),
    Column("model", 8, 14),
    Column("link", 4, 4),
    Column("status", 9, 24),
    Column("tag", 8, 20),
    Column("kW", 5, 6, is_number=True),
    Column("kWh", 5, 7, is_number=True),
    Column("%", 3, 3, is_number=True),
    Column("msgs", _MESSAGES_WIDTH, _MESSAGES_WIDTH, is_number=True),
    Column("err", _ERRORS_WIDTH, _ERRORS_WIDTH, is_number=True),
    Column("quirks"),  # what is left
)


class Console(rich_console.Console):
    """The console for people. Names are printed verbatim, including brackets and colons."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def on_broken_pipe(self) -> None:
        """Raise instead of ending the program as Rich does; see `output_errors`."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


@asynccontextmanager
async def open_screen(console: Console, scene: Scene) -> AsyncIterator[None]:
    """Show the scene four times a second while open; the live table is erased on exit."""
    with _painter(console) as painter:

        async def repaint() -> None:
            while True:
                if painter.is_due(scene.share):
                    await trio.to_thread.run_sync(painter.paint, scene.view())
                await trio.sleep(REFRESH_SECONDS)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(repaint)
            yield
            nursery.cancel_scope.cancel()
        if painter.is_due(scene.share):
            painter.paint(scene.view())


def picture(view: View, width: int, height: int) -> RenderableType:
    """Render the table for a terminal of that size; if it has too few lines, the busiest chargers
    only."""
    lines = max(1, height - _LINES_AROUND)
    rows = view.rows if len(view.rows) <= lines else _busiest(view.rows, max(1, lines - 1))
    is_wide = width >= _WIDE_COLUMNS
    table = plain_table(expand=True)
    for column in COLUMNS:
        table.add_column(
            column.head,
            width=column.wide if is_wide else column.width,
            ratio=1 if column.width is None else None,
            justify="right" if column.is_number else "left",
            no_wrap=True,
        )
    for row in rows:
        table.add_row(*_cells(row, is_wide=is_wide))
    hidden = len(view.rows) - len(rows)
    more = [Text(f"… and {hidden} more, less busy", style="dim")] if hidden else []
    return Group(
        table, *more, Text(totals(view), no_wrap=True, overflow="ellipsis"), _time(view, width)
    )


def plain_table(**options: Any) -> Table:
    """Return a table without lines."""
    return Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold", **options)


def totals(view: View) -> str:
    """Summarise all chargers in one line."""
    rows = view.rows
    linked = sum(row.link == "up" for row in rows)
    charging = sum(Status.CHARGING in row.statuses for row in rows)
    power_kw = sum(row.power_w for row in rows) / 1000
    delivered_kwh = sum(row.delivered_wh for row in rows) / 1000
    messages, errors = sum(row.messages for row in rows), sum(row.errors for row in rows)
    name = "charger" if len(rows) == 1 else "chargers"
    return (
        f"{len(rows)} {name}, {linked} up, {charging} charging  {power_kw:.1f} kW  "
        f"{delivered_kwh:.1f} kWh  {messages} messages, {errors} errors"
    )


@contextmanager
def _painter(console: Console) -> Iterator[_Painter]:
    if not console.is_terminal or console.is_dumb_terminal:
        yield _Painter(console, None)
        return
    with Live(
        console=console, auto_refresh=False, transient=True, vertical_overflow="crop"
    ) as live:
        yield _Painter(console, live)


@dataclass
class _Painter:
    """Shows the fleet: in a live table, or without one in a line for each tenth of a run, and
    nothing for a run without an end."""

    console: Console
    live: Live | None
    printed: int = 0

    def is_due(self, share: float) -> bool:
        """Whether there is something to paint at this share of the run, from 0 to 1."""
        return self.live is not None or int(share * STEPS) > self.printed

    def paint(self, view: View) -> None:
        """Show the view. May block. Raises like `output_errors`."""
        console = self.console
        with output_errors(console.file):
            if self.live is not None:
                self.live.update(picture(view, console.width, console.height), refresh=True)
                return
            self.printed = int(view.share * STEPS)
            percent = self.printed * 100 // STEPS
            console.print(f"{percent:3} %  {view.time}  {totals(view)}", soft_wrap=True)


def _busiest(rows: Sequence[Row], count: int) -> list[Row]:
    """Choose `count` rows, kept in their order: first those in a session, then those with most
    errors and messages."""

    def business(place: int) -> tuple[bool, int, int]:
        row = rows[place]
        return bool(row.tag) or row.power_w > 0, row.errors, row.messages

    busy = heapq.nlargest(count, range(len(rows)), key=business)
    return [rows[place] for place in sorted(busy)]


def _cells(row: Row, *, is_wide: bool) -> list[RenderableType]:
    statuses = []
    for status in row.statuses:
        word, style = _STATUSES[status]
        statuses.append(Text(status.value if is_wide else word, style=style))
    return [
        row.id,
        row.model,
        Text(row.link, style=_LINKS.get(row.link, "yellow")),
        Text(" ").join(statuses),
        row.tag,
        _kilo(row.power_w),
        _kilo(row.session_wh),
        "" if row.soc is None else f"{row.soc:.0%}".removesuffix("%"),
        _count(row.messages, _MESSAGES_WIDTH),
        Text(_count(row.errors, _ERRORS_WIDTH), style="red" if row.errors else "dim"),
        Text(" ".join(row.quirks), style="magenta"),
    ]


def _kilo(figure: float) -> str:
    """Format in thousands with up to five characters; empty for 0."""
    thousands = figure / 1000
    return "" if figure == 0 else f"{thousands:.1f}" if thousands < 999.95 else f"{thousands:.0f}"


def _count(number: int, width: int) -> str:
    """Format the number in full, in thousands or in millions; a truncated number would be a wrong
    one."""
    forms = (str(number), f"{number // 1000}k", f"{number // 1_000_000}M")
    return next((form for form in forms if len(form) <= width), "many")


def _time(view: View, width: int) -> RenderableType:
    if view.seconds is None:
        return Text(f"{view.time}; Ctrl-C to stop")
    line = Table.grid(padding=(0, 1, 0, 0))
    line.width = max(1, width - _ECHO_WIDTH)
    line.add_column(no_wrap=True)
    line.add_column(ratio=1)
    line.add_column(no_wrap=True, justify="right")
    line.add_row(view.time, ProgressBar(total=1.0, completed=view.share), f"{view.share:.0%}")
    return line
