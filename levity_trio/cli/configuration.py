"""`levity-trio configuration`: shows the configuration of a charger as it was last read, what
differs, or reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from levity_trio.cli.declaring import WIDE, argument, flag, option, present
from levity_trio.cli.operator import NO_ANSWER, Operator, command
from levity_trio.cli.terminal import counted, local_minute, say

COLUMNS: Final = ("key", "value", "readonly", "read_at", "last_read_at")
LAST: Final = ""
"""--diff without a charger compares the last two readings."""
READ_SECONDS: Final = 3700.0
"""Reading may take many calls, each with a time-out."""


@command("configuration")
@argument("CHARGER")
@option(
    "--diff [CHARGER]",
    "Show what changed between the last two readings, or what differs from another charger.",
    "other",
    flag_value=LAST,
    is_flag=False,
)
@option("--since TIME", "Show only what has changed since then.")
@flag("--read", "Read it from the charger first, in parts if need be.", "is_read")
@WIDE
def configuration(
    operator: Operator, charger: str, other: str | None, since: str | None, *, is_read: bool
) -> int:
    """Show the configuration of a charger, or its differences.

    It is what GetConfiguration last told. --read asks the charger for all its keys; one that does
    not answer that is asked for the keys that it may have, some at a time.

    Examples:
      levity-trio configuration CP-1 --read
      levity-trio configuration CP-1
      levity-trio configuration CP-1 --diff
      levity-trio configuration CP-1 --diff CP-2
      levity-trio configuration CP-1 --since 2026-03-01

    For what several chargers must have, see `levity-trio template`.
    """
    path = ("chargers", charger, "configuration")
    reading = operator.post(*path, "read", patience=READ_SECONDS) if is_read else None
    if other:
        operator.get("chargers", other)  # one that is unknown would only have no values
        page = operator.get(*path, "differences", other=other)
        _show(operator, page, ("one", charger), ("other", other))
    elif since is not None or other is not None:
        begin = None if since is None else operator.instant(since, "--since")
        page = operator.get(*path, "changes", **{"from": begin})
        _show(operator, page, ("before", "before"), ("after", "after"))
    else:
        page = operator.get(*path) | present({"reading": reading})
        times = {entry["last_read_at"] for entry in page["data"]}
        is_one = len(times) == 1 and not operator.is_json  # one time for all is said once
        operator.table(
            COLUMNS[:-1] if is_one else COLUMNS,
            page["data"],
            page,
            "its configuration was not read yet; --read reads it",
        )
        if is_one:
            say(f"\nlast read {local_minute(*times)}; `read at` is when a value was first read")
    if reading is None:
        return 0
    missing = reading["unanswered"]
    if not operator.is_json:
        told = (
            f"read {counted(reading['keys'], 'key')} with "
            f"{counted(len(reading['commands']), 'call')}"
        )
        say(f"{told}; no answer for {', '.join(missing)}" if missing else told)
    return NO_ANSWER if missing or not reading["keys"] else 0


def _show(operator: Operator, page: Mapping[str, Any], *sides: tuple[str, str]) -> None:
    """Show the values of each side: its name in the record, and that of its column."""
    rows = [
        {
            "key": entry["key"],
            **{column: (entry[name] or {"value": None})["value"] for name, column in sides},
        }
        for entry in page["data"]
    ]
    operator.table(("key", *(column for _, column in sides)), rows, page, "nothing differs")
