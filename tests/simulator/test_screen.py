"""The live table: a charger's row, what fits a terminal, and the lines without one."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from io import StringIO
from itertools import pairwise
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from levity_trio.config import EnvironmentProblem
from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.configuration import ACCEPTED
from levity_trio.simulator.charger.connectors import begin
from levity_trio.simulator.charger.state import DC, ChargerSpec
from levity_trio.simulator.ledger import Entry
from levity_trio.simulator.physics import Status, Vehicle
from levity_trio.simulator.report import Console, Row, Scene, View, open_screen, picture, row_of

HOUR = 3600
CHARGING = Row(
    id="SIM-001",
    model="Home 7",
    link="up",
    statuses=(Status.CHARGING, Status.SUSPENDED_EVSE),
    tag="04A1B2C3",
    power_w=7_360,
    session_wh=12_340,
    delivered_wh=50_000,
    soc=0.834,
    messages=1234,
    errors=7,
    quirks=("clock-1970", "never-answers"),
)
QUIET = Row(id="SIM-002", link="up", statuses=(Status.AVAILABLE,))


def drawn(view: View, width: int = 80, height: int = 24) -> list[str]:
    """Return the lines of the picture, without colours."""
    console = Console(file=StringIO(), width=width, height=height, color_system=None)
    with console.capture() as captured:
        console.print(picture(view, width, height))
    return captured.get().splitlines()


def terminal() -> tuple[Console, StringIO]:
    file = StringIO()
    return Console(
        file=file, force_terminal=True, width=80, height=24, legacy_windows=False, _environ={}
    ), file


# Rows


def charger(**plate: object) -> Charger:
    return Charger(ChargerSpec(id="CP-1", model="Duo", **plate))  # type: ignore[arg-type]  # a plate of any fields


def test_a_charger_without_power_is_off() -> None:
    assert row_of(charger(connectors=2, quirks=("no-pings",))) == Row(
        id="CP-1",
        model="Duo",
        link="off",
        statuses=(Status.AVAILABLE, Status.AVAILABLE),
        quirks=("no-pings",),
    )


def test_the_link_is_named_as_it_is() -> None:
    one = charger()
    one.power_on(0.0)
    assert row_of(one).link == "down"
    one.connected(1.0)
    assert row_of(one).link == "boot"
    one.registration = ACCEPTED
    assert row_of(one).link == "up"
    one.go_offline(2.0)
    assert row_of(one).link == "away"


def test_a_session_is_seen() -> None:
    one = charger(connectors=2, register_wh=1_000)
    one.power_on(0.0)
    one.plug(2, Vehicle(name="Van", max_ac_w=3_600), 0.0)
    begin(one, one.connectors[2], "TAG", None, 0.0)
    one.connectors[2].meter.advance(HOUR)
    row = row_of(one)
    assert (row.tag, row.power_w, row.session_wh, row.delivered_wh) == ("TAG", 3_600, 3_600, 3_600)
    assert row.statuses == (Status.AVAILABLE, Status.CHARGING)
    assert row.soc is None  # an AC charger cannot know it


def test_looking_changes_nothing() -> None:
    one = charger(connectors=2)
    one.power_on(0.0)
    one.plug(1, Vehicle(name="Van"), 0.0)
    begin(one, one.connectors[1], "TAG", None, 0.0)
    before = one.connectors[1].meter.snapshot()
    assert row_of(one) == row_of(one)
    assert one.connectors[1].meter.snapshot() == before


def test_a_dc_charger_knows_the_state_of_charge() -> None:
    one = charger(power_type=DC, connectors=2)
    assert row_of(one).soc is None
    one.plug(1, Vehicle(name="Van", soc=0.25), 0.0)
    one.plug(2, Vehicle(name="Van", soc=0.5), 0.0)
    assert row_of(one).soc == 0.5


def test_a_tag_that_waits_for_its_cable_is_seen() -> None:
    one = charger(connectors=2)
    one.connectors[1].tag = ("FIRST", None)
    one.connectors[2].tag = ("SECOND", None)
    assert row_of(one).tag == "FIRST SECOND"


def test_what_was_delivered_is_all_sessions() -> None:
    one = charger()
    for energy_wh in (100, 20):
        one.ledger.append(entry(energy_wh))
    row = row_of(one)
    assert (row.session_wh, row.delivered_wh) == (0, 120)


def entry(energy_wh: int) -> Entry:
    return Entry(
        charger="CP-1",
        connector=1,
        id_tag="T",
        began_at="",
        meter_start=0,
        energy_wh=energy_wh,
        ended=1.0,
    )


def test_messages_go_both_ways_and_errors_are_those_without_use() -> None:
    one = charger()
    tally = one.tally
    tally.sent, one.served, tally.answered = 10, 5, 3
    tally.refused, tally.unanswered, tally.unreadable, tally.discarded = 1, 2, 4, 8
    row = row_of(one)
    assert (row.messages, row.errors) == (15, 7)


def test_the_charger_itself_is_shown_where_it_is_not_available() -> None:
    one = charger()
    one.connectors[0].status = Status.FAULTED
    assert row_of(one).statuses == (Status.FAULTED, Status.AVAILABLE)


# The size of the terminal


def test_a_row_fits_80_columns() -> None:
    lines = drawn(View(rows=[CHARGING, QUIET], at=HOUR))
    assert all(len(line) <= 80 for line in lines)
    head, row = lines[0], lines[1]
    assert head.split() == [
        "charger",
        "model",
        "link",
        "status",
        "tag",
        "kW",
        "kWh",
        "%",
        "msgs",
        "err",
        "quirks",
    ]
    for word in (
        "SIM-001",
        "Home 7",
        "up",
        "chrg s-se",
        "04A1B2C3",
        "7.4",
        "12.3",
        "83",
        "1234",
        "7",
        "clock-1970",
    ):
        assert f" {word} " in f" {row} ".replace("…", " …")


def test_a_wide_terminal_shows_it_in_full() -> None:
    lines = drawn(View(rows=[CHARGING], at=HOUR), width=160)
    assert "Charging SuspendedEVSE" in lines[1]
    assert "clock-1970 never-answers" in lines[1]


def test_the_longest_of_everything_still_fits() -> None:
    row = Row(
        id="X" * 48,
        model="Y" * 20,
        link="away",
        statuses=(Status.SUSPENDED_EVSE,) * 8,
        tag="T" * 20,
        power_w=350_000,
        session_wh=999_999,
        delivered_wh=10**9,
        soc=1.0,
        messages=10**7,
        errors=10**6,
        quirks=("register-runs-back",) * 3,
    )
    lines = drawn(View(rows=[row] * 100, at=10**6, seconds=10**7))
    assert len(lines) <= 23
    assert all(len(line) <= 80 for line in lines)
    for figure in ("350.0", "1000", "100", "10M", "1M"):
        assert f" {figure} " in lines[1]


@pytest.mark.parametrize("height", [1, 5, 6, 10, 24, 60])
def test_no_more_lines_than_the_terminal_has(height: int) -> None:
    rows = [replace(QUIET, id=f"SIM-{number:03}", messages=number) for number in range(1, 41)]
    lines = drawn(View(rows=rows, at=0.0, seconds=HOUR), height=height)
    assert len(lines) <= max(height - 1, 5)
    shown = [line.split()[0] for line in lines if line.startswith("SIM-")]
    hidden = len(rows) - len(shown)
    assert any(f"… and {hidden} more" in line for line in lines) == bool(hidden)


def test_the_busiest_are_shown_in_their_order() -> None:
    rows = [replace(QUIET, id=f"SIM-{number:03}", messages=number) for number in range(1, 41)]
    rows[2] = replace(rows[2], errors=1)
    rows[30] = replace(rows[30], tag="T")
    lines = drawn(View(rows=rows, at=0.0), height=8)
    assert [line.split()[0] for line in lines[1:4]] == ["SIM-003", "SIM-031", "SIM-040"]
    assert lines[4] == "… and 37 more, less busy"


def test_the_totals_are_of_all_chargers() -> None:
    rows = [CHARGING] * 30 + [QUIET] * 10 + [replace(QUIET, link="down")]
    lines = drawn(View(rows=rows, at=0.0))
    expected = "41 chargers, 40 up, 30 charging  220.8 kW  1500.0 kWh  37020 messages, 210 errors"
    assert expected[:79] in " ".join(lines)


def test_a_run_with_an_end_shows_how_far_it_is() -> None:
    (line,) = drawn(View(rows=[QUIET], at=25 * HOUR, seconds=50 * HOUR, first_hour=6))[-1:]
    assert line.startswith("day 2, 07:00 ━")
    assert line.rstrip().endswith("50%")
    assert len(line.rstrip()) <= 76  # room for a terminal's echo of ^C ^C, which must not wrap


def test_names_are_shown_as_they_are() -> None:
    row = replace(QUIET, id="[red]A", model="B[/]", tag=":eyes:")
    assert drawn(View(rows=[row], at=0), width=160)[1].split()[:5] == [
        "[red]A",
        "B[/]",
        "up",
        "Available",
        ":eyes:",
    ]


def test_a_run_without_end_shows_how_it_ends() -> None:
    (line,) = drawn(View(rows=[QUIET], at=61))[-1:]
    assert line == "day 1, 00:01; Ctrl-C to stop"


@pytest.mark.parametrize("status", list(Status))
def test_each_status_has_a_word_and_its_name(status: Status) -> None:
    view = View(rows=[replace(QUIET, statuses=(status,))], at=0)
    narrow, wide = drawn(view)[1], drawn(view, width=160)[1]
    assert status.value in wide
    assert len(narrow.split()) == 5  # identifier, link, status, messages, errors


# The screen


def run_in_virtual_time(test: Callable[[], Awaitable[object]], **options: Any) -> object:
    """A mock clock takes a busy thread for idle, so tests wait for the paint itself, never for a
    time."""
    return trio.run(test, **options | {"clock": MockClock(autojump_threshold=0)})


virtual_time = pytest.mark.trio(run=run_in_virtual_time)


class Walk:
    """Show a run of 100 simulated seconds at `speed`; `end` is set when it is over."""

    def __init__(self, speed: float) -> None:
        self.drawn: list[float] = []
        self.end = trio.Event()
        self._speed = speed
        self._began = trio.current_time()

    def scene(self) -> Scene:
        return Scene(now=self._now, rows=self._rows, seconds=100, first_hour=6)

    def _now(self) -> float:
        at = (trio.current_time() - self._began) * self._speed
        if at >= 100:
            self.end.set()
        return at

    def _rows(self) -> list[Row]:
        self.drawn.append(trio.current_time())
        return [QUIET]


def still(at: float, seconds: float | None) -> Scene:
    return Scene(now=lambda: at, rows=lambda: [QUIET], seconds=seconds)


@virtual_time
async def test_a_terminal_shows_the_table_while_it_runs_and_clears_it() -> None:
    console, file = terminal()
    walk = Walk(200)
    async with open_screen(console, walk.scene()):
        await walk.end.wait()
    text = file.getvalue()
    assert "SIM-002" in text
    # the cursor is hidden and shown again
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
    assert text.endswith("\x1b[2K")  # the table is erased


@virtual_time
async def test_it_is_drawn_four_times_a_second() -> None:
    console, _ = terminal()
    walk = Walk(10)
    async with open_screen(console, walk.scene()):
        await walk.end.wait()
    steps = [later - earlier for earlier, later in pairwise(walk.drawn[:-1])]
    assert steps == [pytest.approx(0.25)] * 40


@virtual_time
async def test_without_terminal_each_tenth_is_a_line() -> None:
    file = StringIO()
    walk = Walk(4)
    async with open_screen(Console(file=file, width=40), walk.scene()):
        await walk.end.wait()
    lines = file.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == [str(percent) for percent in range(10, 101, 10)]
    assert (
        lines[0]
        == " 10 %  day 1, 06:00  1 charger, 1 up, 0 charging  0.0 kW  0.0 kWh  0 messages, 0 errors"
    )
    assert "\x1b" not in file.getvalue()


@virtual_time
async def test_a_fast_run_skips_lines() -> None:
    file = StringIO()
    walk = Walk(220)
    async with open_screen(Console(file=file), walk.scene()):
        await walk.end.wait()
    assert [line.split()[0] for line in file.getvalue().splitlines()] == ["50", "100"]


async def test_the_end_is_told_however_short_the_run_was() -> None:
    file = StringIO()
    at = iter((0.0, 99.0, 130.0, 130.0))
    async with open_screen(
        Console(file=file), Scene(now=at.__next__, rows=lambda: [QUIET], seconds=100)
    ):
        await trio.testing.wait_all_tasks_blocked()
    assert [line.split()[0] for line in file.getvalue().splitlines()] == ["100"]


@virtual_time
async def test_without_terminal_and_end_nothing_is_told() -> None:
    file = StringIO()
    async with open_screen(Console(file=file), still(1e6, None)):
        await trio.sleep(10)
    assert file.getvalue() == ""


class Failing(StringIO):
    """A file that accepts no write."""

    def __init__(self, problem: OSError) -> None:
        super().__init__()
        self._problem = problem

    def write(self, _text: str, /) -> int:
        raise self._problem


@pytest.mark.parametrize(
    ("problem", "raised"),
    [
        (OSError(28, "No space left on device"), EnvironmentProblem),
        (BrokenPipeError(32, "Broken pipe"), SystemExit),
    ],
)
async def test_an_output_that_takes_nothing_ends_it(
    problem: OSError, raised: type[BaseException]
) -> None:
    with pytest.RaisesGroup(raised):
        async with open_screen(Console(file=Failing(problem)), still(50.0, 100)):
            await trio.sleep_forever()


async def test_the_cursor_comes_back_after_an_error() -> None:
    console, file = terminal()
    with pytest.RaisesGroup(ZeroDivisionError):
        async with open_screen(console, still(0.0, None)):
            await trio.lowlevel.checkpoint()
            raise ZeroDivisionError
    assert file.getvalue().count("\x1b[?25h") == 1
