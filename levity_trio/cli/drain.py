"""`levity-trio drain`: empties a server before it is stopped."""

from __future__ import annotations

import sys
import time
from typing import Final

import click

from levity_trio.cli.operator import Operator, command
from levity_trio.cli.progress import overwrite
from levity_trio.cli.tables import say
from levity_trio.output import is_terminal

DRAIN: Final = ("admin", "drain")
LOOK_SECONDS: Final = 0.5
PATIENCE_SECONDS: Final = 30.0
EXAMPLES: Final = """\
\b
Examples:
  levity-trio drain && sudo systemctl stop levity-trio
  levity-trio drain --seconds 10

For one of several servers behind a proxy. Its chargers are told one after the
other to connect again (close code 1012), and no new ones are admitted;
/healthz answers 503, so that the proxy sends them to the other servers. Open
transactions go on there. The server itself goes on until it is stopped, and
can only be started anew.
"""


@command("drain", epilog=EXAMPLES)
@click.option(
    "--seconds",
    type=click.FloatRange(0, 3600),
    default=60.0,
    show_default=True,
    help="Over how many seconds the chargers are told.",
)
def drain(operator: Operator, seconds: float) -> int:
    """Have the chargers of a server connect to other ones.

    A server without others, on SQLite, is not drained: stop it instead. The exit status is 1 if some are left.
    """
    state = operator.ask("POST", *DRAIN, given={"seconds": seconds})
    until = time.monotonic() + seconds + PATIENCE_SECONDS
    while state["chargers"] and time.monotonic() < until:
        _show(operator, f"{state['chargers']} chargers are still connected")
        time.sleep(LOOK_SECONDS)
        state = operator.ask("GET", *DRAIN)
    _show(operator, "")
    if operator.is_json:
        operator.record(state)
    else:
        say(_words(state["chargers"]))
    return 1 if state["chargers"] else 0


def _show(operator: Operator, text: str) -> None:
    if is_terminal(sys.stderr) and not operator.is_json:
        overwrite(text)


def _words(chargers: int) -> str:
    if chargers:
        return f"{chargers} chargers are still connected; they are told to leave when the server stops."
    return "No charger is connected any more; stop the server now."
