"""`levity-trio forget`: a charger that nobody wants to see any more, hidden until it charges again."""

from __future__ import annotations

import os
from datetime import date

import click

from levity_trio.cli.serve import options
from levity_trio.cli.tables import cell, say
from levity_trio.config import SETTINGS, load

EXAMPLES = """\
\b
Examples:
  levity-trio forget TEST_CP_001
  levity-trio forget CP-7 --retired 2026-03-01 --db /var/lib/levity/levity.db

For a wrong id, a scanner, a trial, or a charger that was taken down (--retired, with the day). Metrics and alerts leave
it out, and it has no place among known chargers. Nothing is deleted: its transactions, readings and frames stay, and
are listed as before. When it charges again it comes back by itself. Stop the server first.

Exit status: 0 when it is hidden, 1 while a server runs on the database, where that cannot be used, or while the charger
has an open transaction, 2 for wrong usage and for a charger that the database does not know.
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
    hide(config.database, charger, retired_on)
    how = f"retired on {retired_on}" if retired_on else "hidden"
    say(f"{cell(charger)} is {how}. What it did stays; it comes back when it charges again.")
    return 0


forget = click.Command(
    "forget",
    params=[
        click.Argument(["charger"], metavar="CHARGER"),
        click.Option(["retired_on", "--retired"], metavar="DAY", callback=_read_day, help="The day it was taken down."),
        *options(setting for setting in SETTINGS if setting.attribute == "database"),
    ],
    callback=run_forget,
    help="Hide a charger from metrics and alerts. It comes back when it charges.",
    epilog=EXAMPLES,
)
