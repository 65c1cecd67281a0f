"""`levity-trio forget`: hides chargers from metrics and alerts until they charge again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import click

from levity_trio.cli.declaring import flag, on_database, option
from levity_trio.cli.terminal import cell, say
from levity_trio.config import ServerConfig

NAMED: Final = 10
"""Chargers that the answer names."""


def _read_day(_context: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text.strip()).isoformat()
    except ValueError:
        raise click.BadParameter("give a day such as 2026-03-01") from None


@on_database()
@click.argument("chargers", metavar="[CHARGER]...", nargs=-1)
@option("--like PATTERN", "Hide the strangers whose identities fit it.")
@option("--retired DAY", "Day on which they were removed.", "retired_on", callback=_read_day)
@flag("--force", "Hide them although a session is open.", "is_forced")
def forget(
    config: ServerConfig,
    *,
    chargers: Sequence[str],
    like: str | None,
    retired_on: str | None,
    is_forced: bool,
) -> None:
    """Hide chargers from metrics and alerts until they charge again.

    Examples:
      levity-trio forget TEST_CP_001 TEST_CP_002
      levity-trio forget --like 'TEST_*'
      levity-trio forget --like 'SCAN-*' --force
      levity-trio forget CP-7 --retired 2026-03-01 --db /var/lib/levity/levity.db

    For a wrong identity, a network scanner, a trial, or a charger that was removed (--retired, with
    the day). Metrics and alerts omit a hidden charger, and it does not count towards
    --max-chargers. Its transactions, readings and frames stay in the database and are listed as
    before. It reappears automatically when it charges again. --like takes a pattern of the shell
    (*, ?, [0-9]) and hides only strangers: who was not adopted, and charged nothing, or began one
    session without energy. With --force a session may be open; while that has energy, its charger
    is shown all the same. Stop the server first; while it runs, use the API: POST
    /api/admin/chargers/forget.

    Exit status: 0 when the chargers are hidden, 1 when a server runs on the database, the database
    cannot be used or a charger has an open transaction or is limited by load management (then none
    is hidden), 2 for wrong usage or an unknown charger.
    """
    from levity_trio.store.keeping.offline import forget as hide  # noqa: PLC0415 - so that --help answers at once

    if not chargers and not like:
        raise click.UsageError("name chargers, or give --like a pattern")
    hidden = hide(
        config.database, config.server_name, chargers, like, retired_on, is_forced=is_forced
    )
    if not hidden:
        say(
            "No stranger fits the pattern; nothing is hidden. A charger that charged or was "
            "adopted is hidden by name."
        )
        return
    state = f"retired on {retired_on}" if retired_on else "hidden"
    names = ", ".join(map(cell, hidden[:NAMED])) + (
        f" and {len(hidden) - NAMED} more" if len(hidden) > NAMED else ""
    )
    if len(hidden) == 1:
        say(
            f"{names} is {state}. Its data stays in the database; it reappears when it charges "
            "again."
        )
    else:
        say(
            f"{names} are {state}. Their data stays in the database; each reappears when it "
            "charges again."
        )
