"""`levity-trio forget`: hides a charger from metrics and alerts until it charges again."""

from __future__ import annotations

import os
from datetime import date

import click

from levity_trio.cli.serve import database_options
from levity_trio.cli.tables import cell, say
from levity_trio.config_sources import load

EXAMPLES = """\
\b
Examples:
  levity-trio forget TEST_CP_001
  levity-trio forget CP-7 --retired 2026-03-01 --db /var/lib/levity/levity.db

For a wrong identity, a network scanner, a trial, or a charger that was removed (--retired, with the day). Metrics and
alerts omit a hidden charger, and it does not count towards --max-chargers. Its transactions, readings and frames stay
in the database and are listed as before. It reappears automatically when it charges again. Stop the server first.

Exit status: 0 when the charger is hidden, 1 when a server runs on the database, the database cannot be used or the
charger has an open transaction, 2 for wrong usage or an unknown charger.
"""


def _read_day(_context: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text.strip()).isoformat()
    except ValueError:
        raise click.BadParameter("give a day such as 2026-03-01") from None


def run_forget(*, charger: str, retired_on: str | None, **given: object) -> int:
    from levity_trio.store.offline import forget as hide  # noqa: PLC0415 - so that --help answers at once

    config, _ = load({name: value for name, value in given.items() if value is not None}, os.environ)
    hide(config.database, config.server_name, charger, retired_on)
    state = f"retired on {retired_on}" if retired_on else "hidden"
    say(f"{cell(charger)} is {state}. Its data stays in the database; it reappears when it charges again.")
    return 0


forget = click.Command(
    "forget",
    params=[
        click.Argument(["charger"], metavar="CHARGER"),
        click.Option(
            ["retired_on", "--retired"], metavar="DAY", callback=_read_day, help="Day on which it was removed."
        ),
        *database_options(),
    ],
    callback=run_forget,
    help="Hide a charger from metrics and alerts until it charges again.",
    epilog=EXAMPLES,
)
