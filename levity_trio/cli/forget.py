"""`levity-trio forget`: hides chargers from metrics and alerts until they charge again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date
from typing import Final

import click

from levity_trio.cli.serve import database_options
from levity_trio.cli.tables import cell, say
from levity_trio.config.sources import load

EXAMPLES = """\
\b
Examples:
  levity-trio forget TEST_CP_001 TEST_CP_002
  levity-trio forget --like 'TEST_*'
  levity-trio forget CP-7 --retired 2026-03-01 --db /var/lib/levity/levity.db

For a wrong identity, a network scanner, a trial, or a charger that was removed (--retired, with the day). Metrics and
alerts omit a hidden charger, and it does not count towards --max-chargers. Its transactions, readings and frames stay
in the database and are listed as before. It reappears automatically when it charges again. --like takes a pattern of
the shell (*, ?, [0-9]) and hides only strangers: who never charged and was not adopted. Stop the server first; while it
runs, use the API: POST /api/admin/chargers/forget.

Exit status: 0 when the chargers are hidden, 1 when a server runs on the database, the database cannot be used or a
charger has an open transaction (then none is hidden), 2 for wrong usage or an unknown charger.
"""
NAMED: Final = 10
"""Chargers that the answer names."""


def _read_day(_context: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text.strip()).isoformat()
    except ValueError:
        raise click.BadParameter("give a day such as 2026-03-01") from None


def run_forget(*, chargers: Sequence[str], like: str | None, retired_on: str | None, **given: object) -> int:
    from levity_trio.store.keeping.offline import forget as hide  # noqa: PLC0415 - so that --help answers at once

    if not chargers and not like:
        raise click.UsageError("name chargers, or give --like a pattern")
    config, _ = load({name: value for name, value in given.items() if value is not None}, os.environ)
    hidden = hide(config.database, config.server_name, chargers, like, retired_on)
    if not hidden:
        say("No stranger fits the pattern; nothing is hidden. A charger that charged or was adopted is hidden by name.")
        return 0
    state = f"retired on {retired_on}" if retired_on else "hidden"
    names = ", ".join(map(cell, hidden[:NAMED])) + (f" and {len(hidden) - NAMED} more" if len(hidden) > NAMED else "")
    is_one = len(hidden) == 1
    stays = "Its data stays in the database; it reappears when it charges again."
    stay = "Their data stays in the database; each reappears when it charges again."
    say(f"{names} {'is' if is_one else 'are'} {state}. {stays if is_one else stay}")
    return 0


forget = click.Command(
    "forget",
    params=[
        click.Argument(["chargers"], metavar="[CHARGER]...", nargs=-1),
        click.Option(["--like"], metavar="PATTERN", help="Hide the strangers whose identities fit it."),
        click.Option(
            ["retired_on", "--retired"], metavar="DAY", callback=_read_day, help="Day on which they were removed."
        ),
        *database_options(),
    ],
    callback=run_forget,
    help="Hide chargers from metrics and alerts until they charge again.",
    epilog=EXAMPLES,
)
