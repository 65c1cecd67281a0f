"""`levity-trio mqtt`: the broker of --mqtt, and the facts that it gets again."""

from __future__ import annotations

from typing import Final

from levity_trio.cli.declaring import option
from levity_trio.cli.operator import Operator, api_group

PRUNED: Final = "Older facts since then are kept no longer (--event-days)."


@api_group
def mqtt() -> None:
    """The broker of --mqtt, and the facts that it gets.

    Examples:
      levity-trio mqtt status
      levity-trio mqtt replay --since 2026-03-01T12:00

    While the broker is away, facts wait in the database. A broker that was killed
    may have forgotten what it had acknowledged just before: replay that.
    """


@mqtt.api_command
def status(operator: Operator) -> None:
    """Show whether the broker is connected, and how many facts wait."""
    operator.record(operator.get("mqtt"))


@mqtt.api_command
@option("--since TIME", "The time of the first fact that is sent again.", required=True)
def replay(operator: Operator, since: str) -> None:
    """Send the facts since a time again, in their order."""
    done = operator.post("mqtt", "replay", body={"since": operator.instant(since, "--since")})
    words = (
        "1 fact is sent again." if done["facts"] == 1 else f"{done['facts']} facts are sent again."
    )
    operator.tell(done, f"{words} {PRUNED}" if done["is_pruned"] else words)
