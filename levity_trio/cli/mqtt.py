"""`levity-trio mqtt`: the broker of --mqtt, and the facts that it gets again."""

from __future__ import annotations

from typing import Final

from levity_trio.cli.declaring import Group, option
from levity_trio.cli.operator import Operator, command

PRUNED: Final = "Older facts since then are kept no longer (--event-days)."
EXAMPLES: Final = """\
\b
Examples:
  levity-trio mqtt status
  levity-trio mqtt replay --since 2026-03-01T12:00

While the broker is away, facts wait in the database. A broker that was killed
may have forgotten what it had acknowledged just before: replay that.
"""

mqtt = Group("mqtt", help="The broker of --mqtt, and the facts that it gets.", epilog=EXAMPLES)


@command("status", group=mqtt)
def show(operator: Operator) -> None:
    """Show whether the broker is connected, and how many facts wait."""
    operator.record(operator.get("mqtt"))


@command("replay", group=mqtt)
@option("--since TIME", "The time of the first fact that is sent again.", required=True)
def replay(operator: Operator, since: str) -> None:
    """Send the facts since a time again, in their order."""
    done = operator.post("mqtt", "replay", body={"since": operator.instant(since, "--since")})
    words = (
        "1 fact is sent again." if done["facts"] == 1 else f"{done['facts']} facts are sent again."
    )
    operator.tell(done, f"{words} {PRUNED}" if done["is_pruned"] else words)
