"""What people see of a simulation: the fleet as a live table while it runs, and a summary at its
end, by charger and in total, also as plain data for programs. Without a terminal, one line is
printed for every tenth of the run.

Reading the chargers does not change them. In particular it does not advance a meter, because the
meter would then be ahead of the charger. So power, energy and state of charge are as of the last
moment at which the charger itself computed them. A thread does the drawing: a terminal stopped with
Ctrl-S must not stop the fleet.
"""

from __future__ import annotations

import errno
import heapq
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, fields
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
from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.state import DC, State, Tally
from levity_trio.simulator.feeder import FeederReport
from levity_trio.simulator.physics import Status
from levity_trio.simulator.verification import Verdict

MOST_LINES: Final = 50
"""Maximum number of chargers and of faults shown to people; programs get all."""
_HEADS: Final = ("sent", "answered", "refused", "no reply", "invalid", "dropped", "sessions", "kWh")


@dataclass(slots=True, kw_only=True)
class Account(Tally):
    """One charger's calls, the responses to them, its transactions, and the energy delivered, in
    Wh."""

    sessions: int = 0
    energy_wh: int = 0

    @property
    def troubles(self) -> tuple[int, ...]:
        return self.refused, self.unanswered, self.unreadable, self.discarded


@record(kw_only=False)
class Report:
    """All accounts by charger, and the verdict on the central system's database if it was
    verified."""

    accounts: dict[str, Account]
    verdict: Verdict | None = None
    feeder: FeederReport | None = None

    @property
    def total(self) -> Account:
        names = [field.name for field in fields(Account)]
        sums = {name: sum(getattr(one, name) for one in self.accounts.values()) for name in names}
        return Account(**sums)

    def as_dict(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "chargers": {identity: asdict(account) for identity, account in self.accounts.items()},
            "total": asdict(self.total),
        }
        if self.verdict is not None:
            document["verification"] = self.verdict.as_dict()
        if self.feeder is not None:
            document["feeder"] = asdict(self.feeder)
        return document


def report(
    chargers: Iterable[Charger], verdict: Verdict | None = None, feeder: FeederReport | None = None
) -> Report:
    accounts = {
        charger.spec.id: Account(
            **asdict(charger.tally), sessions=len(charger.ledger), energy_wh=delivered_wh(charger)
        )
        for charger in chargers
    }
    return Report(accounts, verdict, feeder)


def show(console: rich_console.Console, summary: Report, *, is_verbose: bool = False) -> None:
    console.print(_table(summary))
    hidden = len(summary.accounts) - MOST_LINES
    if hidden > 0:
        console.print(
            f"… and {hidden} more chargers with fewer problems; --json lists all", highlight=False
        )
    if (feeder := summary.feeder) is not None:
        over = f"{feeder.over_seconds} s over it, {feeder.far_over_seconds} s over 1.13 times that"
        trips = f"its breaker tripped {feeder.trips} times" if feeder.trips else "its breaker held"
        console.print(
            f"feeder of {feeder.amperes:g} A: at most {feeder.highest_a:g} A, {over}; {trips}",
            highlight=False,
        )
    if summary.verdict is not None:
        show_verdict(console, summary.verdict, is_verbose=is_verbose)


def show_verdict(
    console: rich_console.Console, verdict: Verdict, *, is_verbose: bool = False
) -> None:
    """Print a verdict for people. What counts most stands last, where a terminal shows it."""
    _print(console, _life(verdict, is_verbose=is_verbose))
    if verdict.unprovable:
        rows = [(one.why, str(one.transactions), kwh(one.wh)) for one in verdict.unprovable]
        console.print(_counts("energy that cannot be proved", ("transactions", "kWh"), rows))
    if verdict.faults:
        found = [(kind, str(count)) for kind, count in verdict.kinds.items()]
        console.print(_counts("faults in the database", ("count",), found))
    _print(console, _judgement(verdict))


def _print(console: rich_console.Console, lines: Iterable[Text]) -> None:
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)


def _counts(head: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = plain_table()
    table.add_column(head, no_wrap=True)
    for other in heads:
        table.add_column(other, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _life(verdict: Verdict, *, is_verbose: bool) -> Iterator[Text]:
    """How many steps of the life cycle occurred and, if that is wanted, which. A row without a
    state is no step."""
    table = [row for row in verdict.life if row.state]
    if not table:
        return
    taken, missed = [row for row in table if row.times], [row for row in table if not row.times]
    hint = "" if is_verbose else " (--verbose lists them)"
    yield Text(
        f"{len(taken)} of {len(table)} steps of the life cycle of a transaction occurred{hint}",
        style="bold",
    )
    if not is_verbose:
        return
    for row in [*sorted(taken, key=lambda row: -row.times), *missed]:
        step = f"{row.state} + {row.cause} -> {row.kind}"
        if row.times:
            yield Text(f"  {row.times:6}  {step}")
        elif row.is_in_reach:
            yield Text(f"  did not occur: {step}", style="yellow")
        else:
            yield Text(f"  nothing simulated causes it: {step}", style="dim")


def _table(summary: Report) -> Table:
    table = plain_table(show_footer=True)
    total = summary.total
    table.add_column("charger", f"{len(summary.accounts)} in all", no_wrap=True)
    for head, cell in zip(_HEADS, _figures(total), strict=True):
        table.add_column(head, cell, justify="right", no_wrap=True)
    # those with the most problems are shown, in their original order
    identities = list(summary.accounts)
    key = [
        (sum(account.troubles), account.sent) for account in summary.accounts.values()
    ].__getitem__
    for place in sorted(heapq.nlargest(MOST_LINES, range(len(identities)), key=key)):
        identity = identities[place]
        table.add_row(identity, *_figures(summary.accounts[identity]))
    return table


def _figures(account: Account) -> list[Text]:
    return [
        Text(str(account.sent)),
        Text(str(account.answered)),
        *(Text(str(trouble), style="red" if trouble else "dim") for trouble in account.troubles),
        Text(str(account.sessions)),
        Text(kwh(account.energy_wh)),
    ]


def _judgement(verdict: Verdict) -> Sequence[Text]:
    booked = f"{verdict.transactions} transactions, {kwh(verdict.energy_wh)} kWh"
    two_cars = f", {kwh(verdict.beyond_wh)} kWh more than flowed, where two cars share a meter"
    details = (
        f"{verdict.reviews} for review, {verdict.set_aside} messages set aside, "
        f"{verdict.unprovable_wh} Wh that cannot be proved{two_cars if verdict.beyond_wh else ''}"
    )
    if verdict.is_clean:
        return [Text(f"The database agrees: {booked} ({details})", style="green")]
    hidden = len(verdict.faults) - MOST_LINES
    is_strange = verdict.transactions == verdict.set_aside == 0
    return [
        *(Text(f"  [{fault.kind}] {fault.line}") for fault in verdict.faults[:MOST_LINES]),
        *([Text(f"  … and {hidden} more; --json lists all")] if hidden > 0 else []),
        *(
            [Text("  it has none of the transactions: is it the database of that server?")]
            if is_strange
            else []
        ),
        Text(
            f"The database does not agree. It has {booked} ({details}) and the faults above.",
            style="bold red",
        ),
    ]


def kwh(wh: int) -> str:
    """Format Wh as kWh with three decimals."""
    return f"{wh / 1000:.3f}"


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
