"""A simulation from its first connection to its summary.

signals
└─ fleet      one task per charger; at the end all lose power
   ├─ park    the chargers of --state and the HTTP API over them (only with --control)
   ├─ screen  the live table
   └─ time    waits for the plan's end and the last response; compares the clocks; reports why
              chargers are not connected
"""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

import trio

from levity_trio.config import ConfigError, EnvironmentProblem, LogConfig
from levity_trio.config.settings import DatabaseAddress
from levity_trio.groups import unwrapped
from levity_trio.listening.addresses import Flags, listen
from levity_trio.log.output import STDOUT, get_logger, open_log
from levity_trio.outgoing.websocket import ServerAddress
from levity_trio.output import hold_standard_streams, output_errors, print_line
from levity_trio.records import record
from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.state import ChargerSpec, Memory, meter_keys
from levity_trio.simulator.feeder import Feeder, FeederSpec, serve_meters, watch
from levity_trio.simulator.fleet import NOTHING_GIVEN, Fleet, open_fleet, raise_file_limit
from levity_trio.simulator.ledger import Ledger, check_writable, write_ledger
from levity_trio.simulator.link import Pace
from levity_trio.simulator.quirks import made
from levity_trio.simulator.report import Console, Report, Scene, open_screen, report, row_of, show
from levity_trio.simulator.scenario import Plan, schedule
from levity_trio.simulator.trust import Trust
from levity_trio.simulator.verification import Mark, baseline, verify

SETTLING_SECONDS: Final = 120.0
"""Real time for sending queued messages after the plan's end."""
CHECK_INTERVAL_SECONDS: Final = 0.25
STALE_SECONDS: Final = 0.25
"""Greatest age, in real time, at which a received currentTime is used as the central system's
time."""
COMPARED_SECONDS: Final = 3.0
"""Real time over which the speeds of the clocks are compared."""
APART: Final = 0.2
"""Greatest difference of the speeds, as a fraction."""

DISAGREEMENT: Final = 1
INTERRUPTED: Final = 130
STDERR: Final = 2
CONTROL_FLAGS: Final = Flags("--control", "--control")

log = get_logger("system")


@record
class Control:
    """The park's file, and the address at which its HTTP API listens."""

    state: Path
    host: str
    port: int


@record
class Order:
    """What to simulate: a plan, a park, or both, at `speed` simulated seconds for each real
    second."""

    server: ServerAddress
    plan: Plan | None
    configuration: Mapping[str, str]
    first_hour: int
    speed: float
    seed: int
    database: DatabaseAddress | None
    control: Control | None
    ledger: Path | None = None
    """File to which the run's ledger is written."""
    trust: Trust = NOTHING_GIVEN
    feeder: FeederSpec | None = None

    @property
    def slack_seconds(self) -> float:
        """Greatest age of a currentTime, and so the greatest error of a charger's clock, in
        simulated seconds."""
        return max(1.0, STALE_SECONDS * self.speed)


@record(kw_only=False)
class Outcome:
    """The result of a run. `is_whole` means that it reached the plan's end.

    `problem` is why the database could not be verified.
    """

    report: Report
    is_whole: bool
    problem: EnvironmentProblem | None = None


async def simulate(
    order: Order, console: Console, check_interval_seconds: float = CHECK_INTERVAL_SECONDS
) -> Outcome:
    """Simulate until the plan is over, or until SIGINT or SIGTERM.

    Raises:
        EnvironmentProblem: the clocks disagree, the file is not a levity-trio database, the API
        cannot listen. ConfigError: the file of the park cannot be read.
    """
    if order.ledger is not None:
        await trio.to_thread.run_sync(check_writable, order.ledger)
    since = (
        Mark()
        if order.database is None
        else await trio.to_thread.run_sync(baseline, order.database)
    )
    pace, over = Pace(order.speed), trio.Event()
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with (
            open_fleet(pace, order.server, order.trust) as fleet,
            trio.open_nursery() as watching,
        ):
            watching.start_soon(_end_on_signal, signals, watching.cancel_scope)
            watching.start_soon(_compare_clocks, fleet)
            watching.start_soon(
                _report_problems, fleet, order.server.url, console, check_interval_seconds
            )
            chargers = planned = _arrive(order, fleet)
            feeder = _hang(order, fleet, watching)
            scene = Scene(
                now=lambda: fleet.pace.now,
                rows=lambda: [row_of(charger) for charger in fleet.chargers.values()],
                seconds=order.plan.seconds if order.plan else None,
                first_hour=order.first_hour,
            )
            async with _open_control(order, fleet), open_screen(console, scene):
                try:
                    await _wait_for_end(order, fleet)
                    over.set()
                    if order.control is not None:  # then only a signal ends the run
                        await trio.sleep_forever()
                finally:
                    chargers = list(fleet.chargers.values())  # before the park removes its own
            watching.cancel_scope.cancel()
    ledger, verdict = _ledger(order, planned, since), None
    try:
        if order.ledger is not None:
            await trio.to_thread.run_sync(write_ledger, order.ledger, ledger)
        if order.database is not None and over.is_set():
            verdict = await trio.to_thread.run_sync(verify, order.database, ledger)
    except EnvironmentProblem as problem:
        return Outcome(report(chargers), over.is_set(), problem)
    told = None if feeder is None else feeder.report()
    return Outcome(report(chargers, verdict, told), over.is_set())


def _ledger(order: Order, chargers: Sequence[Charger], since: Mark) -> Ledger:
    return Ledger(
        chargers=[charger.spec.id for charger in chargers],
        entries=[entry for charger in chargers for entry in charger.ledger],
        zero=max(filter(None, (charger.clock.zero for charger in chargers)), default=None),
        slack_seconds=order.slack_seconds,
        transaction=since.transaction,
        set_aside_at=since.set_aside_at,
    )


def make(order: Order, spec: ChargerSpec, memory: Memory | None = None) -> Charger:
    """Make a charger with its quirks and the run's clock slack. Public keys of its meters are
    told."""
    for key in meter_keys(spec).values():
        log.info("meter signs", charger=spec.id, key=key.name, public_key=key.default)
    quirks = made(spec.quirks, f"{order.seed}:{spec.id}")
    return Charger(spec, memory, quirks, clock_slack_seconds=order.slack_seconds)


def _arrive(order: Order, fleet: Fleet) -> list[Charger]:
    """Add the plan's chargers to the fleet, with their visits and incidents scheduled."""
    chargers = []
    for plan in order.plan.chargers if order.plan else ():
        memory = Memory.fresh(plan.spec)
        memory.configuration.update(order.configuration)
        charger = make(order, plan.spec, memory)
        schedule(charger, plan)
        fleet.add(charger)
        chargers.append(charger)
    return chargers


def _hang(order: Order, fleet: Fleet, watching: trio.Nursery) -> Feeder | None:
    """Hang the chargers of a plan at the feeder of its scenario, whose meter is served."""
    if (spec := order.feeder) is None:
        return None
    chance = Random(f"{order.seed}:feeder")  # noqa: S311 - no secret
    feeder = Feeder(spec, chance, lambda at: (order.first_hour + at / 3600) % 24)
    watching.start_soon(watch, feeder, fleet.chargers, lambda: fleet.pace.now, order.speed)
    if spec.meter_port:
        watching.start_soon(
            serve_meters, lambda: (feeder.shown, feeder.sun), "127.0.0.1", spec.meter_port
        )
    return feeder


@asynccontextmanager
async def _open_control(order: Order, fleet: Fleet) -> AsyncIterator[None]:
    """Open the park and its API if --control is given. Their libraries are imported only then, to
    save memory."""
    if order.control is None:
        yield
        return
    from levity_trio.simulator.park.api import park_application  # noqa: PLC0415 - see above
    from levity_trio.simulator.park.park import open_park  # noqa: PLC0415
    from levity_trio.web.http.server import open_http  # noqa: PLC0415

    control = order.control
    async with open_park(
        control.state, fleet, lambda: fleet.pace.now, partial(make, order)
    ) as park:
        listeners = await listen(control.host, control.port, CONTROL_FLAGS)
        async with open_http(park_application(park, control.host), listeners) as port:
            log.info(
                "control API listening", host=control.host, port=port, state=str(control.state)
            )
            yield


async def _wait_for_end(order: Order, fleet: Fleet) -> None:
    """Wait for the plan's end, then up to SETTLING_SECONDS for the last response; for ever without
    a plan."""
    if order.plan is None:
        await trio.sleep_forever()
    else:
        await fleet.pace.sleep_until(order.plan.seconds)
        with trio.move_on_after(SETTLING_SECONDS):
            while not all(charger.outbox.is_done for charger in fleet.chargers.values()):  # noqa: ASYNC110 - polls thousands of outboxes rarely
                await trio.sleep(CHECK_INTERVAL_SECONDS)


async def _end_on_signal(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    async for _ in signals:
        break
    for number in (signal.SIGINT, signal.SIGTERM):  # a second signal ends the process at once
        signal.signal(number, signal.SIG_DFL)
    scope.cancel()


async def _compare_clocks(fleet: Fleet) -> None:
    """Stop the run if the central system's clock has another speed: every time in the database
    would be wrong."""
    over_seconds = max(60.0, COMPARED_SECONDS * fleet.pace.speed)
    while True:
        await trio.sleep(CHECK_INTERVAL_SECONDS)
        paces = (charger.clock.pace(over_seconds) for charger in list(fleet.chargers.values()))
        ratio = next((pace for pace in paces if pace is not None), None)
        if ratio is not None and abs(ratio - 1) > APART:
            theirs, ours = ratio * fleet.pace.speed, fleet.pace.speed
            raise EnvironmentProblem(
                f"the central system's clock runs at {theirs:.3g} x, this simulation at "
                f"{ours:.3g} x: start it with --clock-speed {ours:g} on a new database, or give "
                "--speed what it has as --clock-speed"
            )


async def _report_problems(
    fleet: Fleet, url: str, console: Console, check_interval_seconds: float
) -> None:
    """Print each reason why chargers are not connected once: thousands have the same."""
    reported: set[str] = set()
    while True:
        await trio.sleep(check_interval_seconds)
        problems = {link.problem for link in fleet.links.values() if link.problem is not None}
        for problem in sorted(problems - reported):
            line = (
                f"a charger is not connected: {problem}; retrying (is a server running at {url}? "
                "see --url)"
            )
            await trio.to_thread.run_sync(_print, console, line)
        reported |= problems


def _print(console: Console, line: str) -> None:
    with output_errors(console.file):
        console.print(line, soft_wrap=True)


def run(order: Order, *, is_json: bool, is_verbose: bool = False) -> int:
    """Simulate and print the summary. Return the exit status: 1 if the database does not agree, 130
    if interrupted.

    Raises EnvironmentProblem and ConfigError, like `simulate`, and SystemExit if the reader of the
    output has left.
    """
    hold_standard_streams()
    raise_file_limit(len(order.plan.chargers) if order.plan else 0)
    screen = Console(stderr=is_json)
    logged = open_log(LogConfig(level="INFO"), descriptor=STDERR if is_json else STDOUT)
    with logged, unwrapped(EnvironmentProblem, ConfigError, SystemExit):
        outcome = trio.run(simulate, order, screen)
    if is_json:
        print_line(json.dumps(outcome.report.as_dict(), indent=2))
    else:
        with output_errors(screen.file):
            show(screen, outcome.report, is_verbose=is_verbose)
    if outcome.problem is not None:
        raise outcome.problem
    if order.plan is not None and not outcome.is_whole:
        not_compared = "; the database was not compared" if order.database else ""
        _print(screen, f"Stopped before the end of the plan{not_compared}.")
        return INTERRUPTED
    verdict = outcome.report.verdict
    return 0 if verdict is None or verdict.is_clean else DISAGREEMENT
