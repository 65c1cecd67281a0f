"""`levity-trio simulate`: a fleet of chargers for a central system, as a plan has it or as people command it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

import click

from levity_trio.cli.tables import say
from levity_trio.config import ConfigError

if TYPE_CHECKING:
    from levity_trio.simulator.plan import Plan
    from levity_trio.simulator.run import Control
    from levity_trio.simulator.scenario import Scenario

URL = "ws://localhost:9000/ws/"
CONTROL_PORT = 9100
STATE = "simulator.json"

EXAMPLES = f"""\
\b
Examples:
  levity-trio simulate
  levity-trio simulate --chargers 20 --speed 60 --verify trial.db
  levity-trio simulate --scenario month --speed 600 --ledger month.jsonl
  levity-trio simulate --scenario liars --quirk reconnect-storm --json
  levity-trio simulate --scenario idle --chargers 5000
  levity-trio simulate --control {CONTROL_PORT}

\b
At --speed 1 any central system will do, also one that is not Levity:
  levity-trio simulate --url ws://central.example/ocpp/ --scenario minutes

\b
With --speed, the central system must run as fast, on its own database:
  levity-trio serve --db trial.db --clock-speed 60

Exit status: 0 at the end of the plan, 1 when the database does not agree (--verify) or the machine refuses, 2 for
wrong usage, 130 when it was stopped before.
"""


def _list_quirks(context: click.Context, _option: click.Parameter, is_wanted: bool) -> None:
    if is_wanted:
        from levity_trio.simulator.quirks import QUIRKS  # noqa: PLC0415 - so that --help and a wrong flag answer at once

        for name, quirk in QUIRKS.items():
            say(f"{name:20} {quirk.does}\n{'':20} seen in: {quirk.seen_in}")
        context.exit()


def _list_scenarios(context: click.Context, _option: click.Parameter, is_wanted: bool) -> None:
    if is_wanted:
        from levity_trio.simulator.scenario import shipped  # noqa: PLC0415 - see above

        for name, title in shipped().items():
            say(f"{name:10} {title}")
        context.exit()


def _real(_context: click.Context, _option: click.Parameter, speed: float) -> float:
    if isnan(speed):  # it is in any range, for click
        raise click.BadParameter("nan is no number.")
    return speed


FILE = click.Path(path_type=Path, dir_okay=False)
WHAT_HAPPENS = (
    click.Option(["--url"], default=URL, show_default=True, help="Where the central system is."),
    click.Option(["--scenario"], metavar="NAME|FILE", help="A shipped scenario, or a TOML file  [default: day]."),
    click.Option(["--chargers"], type=click.IntRange(1, 100_000), help="How many  [default: as the scenario says]."),
    click.Option(
        ["--speed"],
        type=click.FloatRange(0.1, 100_000),
        callback=_real,
        default=1.0,
        show_default=True,
        help="How many times as fast as real time; 60: an hour a minute, on a server of the same --clock-speed.",
    ),
    click.Option(["--seed"], type=int, default=1, show_default=True, help="The same seed, the same run."),
    click.Option(
        ["quirks", "--quirk"], metavar="NAME", multiple=True, help="Let every charger misbehave so; may be repeated."
    ),
)
WHAT_IS_TOLD = (
    click.Option(
        ["--verify"],
        type=FILE,
        metavar="FILE",
        help="Compare with the central system's database at the end of the plan.",
    ),
    click.Option(
        ["--ledger"],
        type=FILE,
        metavar="FILE",
        help="Keep what truly happened in this file, for `levity-trio verify`.",
    ),
    click.Option(["is_json", "--json"], is_flag=True, help="The summary as JSON."),
    click.Option(
        ["--list-quirks"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_list_quirks,
        help="List the ways to misbehave, and which real charger does it.",
    ),
    click.Option(
        ["--list-scenarios"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_list_scenarios,
        help="List the scenarios that are shipped.",
    ),
)
WHO_COMMANDS = (
    click.Option(
        ["--control"],
        metavar="[HOST:]PORT",
        help="Serve the HTTP API of `levity-trio simulator`; without --scenario, its chargers are all there are.",
    ),
    click.Option(["--state"], type=FILE, metavar="FILE", help=f"Keeps what is controlled  [default: {STATE}]."),
)


def run_simulate(
    *,
    url: str,
    scenario: str | None,
    chargers: int | None,
    speed: float,
    seed: int,
    quirks: Sequence[str],
    verify: Path | None,
    ledger: Path | None,
    is_json: bool,
    control: str | None,
    state: Path | None,
) -> int:
    from levity_trio.simulator.door import door  # noqa: PLC0415 - see above
    from levity_trio.simulator.run import Order, run  # noqa: PLC0415
    from levity_trio.simulator.scenario import load  # noqa: PLC0415

    controlled = _control(control, state)
    is_planned = scenario is not None or chargers is not None or controlled is None
    if not is_planned:
        _refuse_without_plan({"--quirk": quirks, "--verify": verify, "--ledger": ledger})
    chosen = load("day" if scenario is None else scenario) if is_planned else None
    try:
        order = Order(
            door=door(url),
            plan=None if chosen is None else _plan(chosen, chargers, seed, quirks),
            configuration={} if chosen is None else chosen.configuration,
            first_hour=0 if chosen is None else chosen.first_hour,
            speed=speed,
            seed=seed,
            database=verify,
            control=controlled,
            ledger=ledger,
        )
    except ValueError as problem:
        raise ConfigError(f"--url {url}: {problem}") from None
    return run(order, is_json=is_json)


def _refuse_without_plan(given: Mapping[str, object]) -> None:
    for flag, value in given.items():
        if value:
            raise ConfigError(
                f"{flag}: it is for the chargers of a plan; give --scenario or --chargers beside --control"
            )


def _plan(scenario: Scenario, chargers: int | None, seed: int, quirks: Sequence[str]) -> Plan:
    from levity_trio.simulator.plan import fleet, plan  # noqa: PLC0415 - see above
    from levity_trio.simulator.quirks import QUIRKS  # noqa: PLC0415

    if unknown := [name for name in quirks if name not in QUIRKS]:
        raise click.UsageError(f"--quirk {unknown[0]} is not known; see --list-quirks.")
    specs = fleet(scenario, chargers or scenario.chargers, seed)
    specs = tuple(replace(spec, quirks=tuple(dict.fromkeys([*spec.quirks, *quirks]))) for spec in specs)
    return plan(scenario, specs, seed)


def _control(text: str | None, state: Path | None) -> Control | None:
    if text is None:
        if state is not None:
            raise ConfigError(f"--state {state}: give --control too, so that its chargers can be commanded")
        return None
    from levity_trio.simulator.run import Control  # noqa: PLC0415 - see above

    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not int(port) < 2**16:
        raise ConfigError(f"--control {text}: give a port, or host:port, such as {CONTROL_PORT}")
    return Control(state=state or Path(STATE), host=host or "127.0.0.1", port=int(port))


simulate = click.Command(
    "simulate",
    params=[*WHAT_HAPPENS, *WHAT_IS_TOLD, *WHO_COMMANDS],
    callback=run_simulate,
    help="Simulate chargers: they boot, charge, misbehave, and are compared with what was billed.",
    short_help="Simulate chargers, and compare what was billed.",
    epilog=EXAMPLES,
)
