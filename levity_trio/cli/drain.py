"""`levity-trio drain`: empties a server before it is stopped."""

from __future__ import annotations

import time
from typing import Final

import click

from levity_trio.cli.declaring import option
from levity_trio.cli.operator import Operator, command
from levity_trio.cli.terminal import ProgressLine

LOOK_SECONDS: Final = 0.5
PATIENCE_SECONDS: Final = 30.0


@command("drain")
@option(
    "--seconds",
    "Over how many seconds the chargers are told.",
    type=click.FloatRange(0, 3600),
    default=60.0,
)
def drain(operator: Operator, seconds: float) -> int:
    """Have the chargers of a server connect to other ones.

    A server without others, on SQLite, is not drained: stop it instead. The exit status is 1 if
    some are left.

    Examples:
      levity-trio drain && sudo systemctl stop levity-trio
      levity-trio drain --seconds 10

    For one of several servers behind a proxy. Its chargers are told one after the
    other to connect again (close code 1012), and no new ones are admitted;
    /healthz answers 503, so that the proxy sends them to the other servers. Open
    transactions go on there. The server itself goes on until it is stopped, and
    can only be started anew.
    """
    state = operator.post("drain", body={"seconds": seconds})
    until = time.monotonic() + seconds + PATIENCE_SECONDS
    with ProgressLine(is_hidden=operator.is_json) as progress:
        while state["chargers"] and time.monotonic() < until:
            progress.overwrite(f"{state['chargers']} chargers are still connected")
            time.sleep(LOOK_SECONDS)
            state = operator.get("drain")
    words = "No charger is connected any more; stop the server now."
    if state["chargers"]:
        words = (
            f"{state['chargers']} chargers are still connected; they are told to leave when the "
            "server stops."
        )
    operator.tell(state, words)
    return 1 if state["chargers"] else 0
