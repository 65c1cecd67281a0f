"""`levity-trio simulate`: simulates a fleet of chargers, driven by a scenario or by commands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

import click

from levity_trio.cli.declaring import (
    ANY_FILE,
    Whole,
    flag,
    local_command,
    option,
    read_database,
    together,
)
from levity_trio.cli.terminal import say
from levity_trio.cli.verify import VERBOSE
from levity_trio.config import ConfigError
from levity_trio.config.settings import DatabaseAddress

if TYPE_CHECKING:
    from levity_trio.simulator.run import Control
    from levity_trio.simulator.scenario import Plan, Scenario

URL = "ws://localhost:9000/ws/"
CONTROL_PORT = 9100
STATE = "simulator.json"
PASSWORD = re.compile(r"(?:[0-9A-Fa-f]{2}){16,20}")

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
At --speed 1 it works with any central system:
  levity-trio simulate --url ws://central.example/ocpp/ --scenario minutes

\b
With a password, and over TLS:
  levity-trio simulate --password 00112233445566778899aabbccddeeff
  levity-trio simulate --url wss://central.example:9443/ws/ --ca root.pem

\b
At another --speed, the server needs the same speed and a database of its own:
  levity-trio serve --db trial.db --clock-speed 60

Exit status: 0 at the end of the scenario, 1 when the database does not agree (--verify) or for a
failure of the environment, 2 for wrong usage, 130 when it was interrupted.
"""


def _list_quirks(context: click.Context, _option: click.Parameter, is_wanted: bool) -> None:
    if is_wanted:
        from levity_trio.simulator.quirks import QUIRKS  # noqa: PLC0415 - so that --help and a wrong flag answer at once

        formatter = context.make_formatter()
        pairs = (
            ((name, quirk.does), ("", f"seen in: {quirk.seen_in}"))
            for name, quirk in QUIRKS.items()
        )
        formatter.write_dl([row for pair in pairs for row in pair])
        say(formatter.getvalue(), ends_line=False)
        context.exit()


def _list_scenarios(context: click.Context, _option: click.Parameter, is_wanted: bool) -> None:
    if is_wanted:
        from levity_trio.simulator.scenario import shipped  # noqa: PLC0415 - see above

        for name, title in shipped().items():
            say(f"{name:10} {title}")
        context.exit()


def _real(_context: click.Context, _option: click.Parameter, speed: float) -> float:
    if isnan(speed):  # passes click's range check
        raise click.BadParameter("nan is not a number.")
    return speed


_OPTIONS = together(
    option("--url", "URL of the central system.", default=URL),
    option("--scenario NAME|FILE", "Built-in scenario or TOML file  [default: day]."),
    option(
        "--chargers",
        "Number of chargers  [default: that of the scenario].",
        type=Whole(1, 100_000),
    ),
    option(
        "--speed",
        "Speed relative to real time; 60 simulates an hour per minute. The server needs the "
        "same --clock-speed.",
        type=click.FloatRange(0.1, 100_000),
        callback=_real,
        default=1.0,
    ),
    option("--seed", "Random seed; the same seed gives the same run.", type=int, default=1),
    option("--quirk NAME", "Quirk of every charger; can be repeated.", "quirks", multiple=True),
    option(
        "--password HEX",
        "Password of every charger of the scenario, 16 to 20 bytes: security profile 1, with "
        "wss:// 2.",
    ),
    option(
        "--ca FILE",
        "Authority of the central system's certificate (PEM).",
        "authority",
        type=ANY_FILE,
    ),
    option(
        "--client-cert FILE",
        "Client certificate and key (PEM), security profile 3; {id} in it stands for the "
        "charger's identifier.",
        "certificate",
    ),
    option(
        "--verify DATABASE",
        "Database of the central system, to be compared with the simulation at its end.",
        callback=read_database,
    ),
    option(
        "--ledger FILE",
        "File that records the true course of the simulation, for `levity-trio verify`.",
        type=ANY_FILE,
    ),
    VERBOSE,
    flag("--json", "Output the summary as JSON.", "is_json"),
    flag(
        "--list-quirks",
        "List the quirks, and the real chargers that have them.",
        is_eager=True,
        expose_value=False,
        callback=_list_quirks,
    ),
    flag(
        "--list-scenarios",
        "List the built-in scenarios.",
        is_eager=True,
        expose_value=False,
        callback=_list_scenarios,
    ),
    option(
        "--control [HOST:]PORT",
        "Serve the HTTP API of `levity-trio simulator`. Without --scenario, run only the "
        "chargers added there.",
    ),
    option(
        "--state FILE",
        f"File that keeps the chargers added there  [default: {STATE}].",
        type=ANY_FILE,
    ),
)


@local_command(epilog=EXAMPLES, short_help="Simulate chargers and check the database.")
@_OPTIONS
def simulate(
    *,
    url: str,
    scenario: str | None,
    chargers: int | None,
    speed: float,
    seed: int,
    quirks: Sequence[str],
    verify: DatabaseAddress | None,
    ledger: Path | None,
    is_json: bool,
    is_verbose: bool,
    control: str | None,
    state: Path | None,
    password: str | None,
    authority: Path | None,
    certificate: str | None,
) -> int:
    """Simulate chargers that boot, charge and misbehave, and compare the database with what they
    did."""
    from levity_trio.outgoing.websocket import parse_address  # noqa: PLC0415 - see above
    from levity_trio.simulator.run import Order, run  # noqa: PLC0415
    from levity_trio.simulator.scenario import load  # noqa: PLC0415
    from levity_trio.simulator.trust import Trust  # noqa: PLC0415

    controlled = _control(control, state)
    is_planned = scenario is not None or chargers is not None or controlled is None
    if not is_planned:
        for flag, value in {"--quirk": quirks, "--verify": verify, "--ledger": ledger}.items():
            if value:
                raise ConfigError(
                    f"{flag} applies to the chargers of a scenario only; give --scenario or "
                    "--chargers with --control"
                )
    try:
        server = parse_address(url)
    except ValueError as problem:
        named = "--url" if "@" in url else f"--url {url}"  # what stands before it may be a password
        raise ConfigError(f"{named}: {problem}") from None
    profile = _profile(password, certificate, is_tls=server.is_tls)
    chosen = load("day" if scenario is None else scenario) if is_planned else None
    order = Order(
        server=server,
        plan=None
        if chosen is None
        else _plan(chosen, chargers, seed, quirks, security=(profile, password)),
        configuration={} if chosen is None else chosen.configuration,
        first_hour=0 if chosen is None else chosen.first_hour,
        speed=speed,
        seed=seed,
        database=verify,
        control=controlled,
        ledger=ledger,
        trust=Trust(authority, certificate),
        feeder=None if chosen is None else chosen.feeder,
    )
    return run(order, is_json=is_json, is_verbose=is_verbose)


def _profile(password: str | None, certificate: str | None, *, is_tls: bool) -> int:
    """Return the security profile that these options amount to."""
    if password is not None and PASSWORD.fullmatch(password) is None:
        raise ConfigError("--password: give 16 to 20 bytes, as 32 to 40 hexadecimal digits")
    if certificate is not None:
        return 3
    return 0 if password is None else 2 if is_tls else 1


def _plan(
    scenario: Scenario,
    chargers: int | None,
    seed: int,
    quirks: Sequence[str],
    security: tuple[int, str | None],
) -> Plan:
    from levity_trio.simulator.quirks import QUIRKS  # noqa: PLC0415
    from levity_trio.simulator.scenario import fleet, plan  # noqa: PLC0415 - see above

    if unknown := [name for name in quirks if name not in QUIRKS]:
        raise click.UsageError(f"--quirk {unknown[0]} is unknown; see --list-quirks.")
    profile, password = security
    specs = tuple(
        replace(
            spec,
            quirks=tuple(dict.fromkeys([*spec.quirks, *quirks])),
            security_profile=profile,
            password=password,
        )
        for spec in fleet(scenario, chargers or scenario.chargers, seed)
    )
    return plan(scenario, specs, seed)


def _control(text: str | None, state: Path | None) -> Control | None:
    if text is None:
        if state is not None:
            raise ConfigError(f"--state {state}: give --control too; the file is for its chargers")
        return None
    from levity_trio.simulator.run import Control  # noqa: PLC0415 - see above

    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not int(port) < 2**16:
        raise ConfigError(f"--control {text}: give a port, or host:port, such as {CONTROL_PORT}")
    return Control(state=state or Path(STATE), host=host or "127.0.0.1", port=int(port))
