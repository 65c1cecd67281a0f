"""`levity-trio charger secure`: raises a charger's security profile, and shows where that stands."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Final

import click

from levity_trio.cli.operator import REJECTED, Operator, command
from levity_trio.cli.tables import cell, say, show_table

PATH: Final = "security-profile"
COLUMNS: Final = ("step", "state", "words", "command")
LOOK_SECONDS: Final = 0.5
EXAMPLES: Final = """\
\b
Examples:
  levity-trio charger secure CP-1 --profile 2
  levity-trio charger secure CP-1
  levity-trio charger secure CP-1 --profile 2 \\
      --address wss://levity.local:9443/ws/

1 is a password, 2 TLS and a password, 3 TLS and a client certificate. 2 and 3
need --tls-port and `levity-trio certificate`.

The steps go to the charger one after the other: password, root certificate,
client certificate, then SecurityProfile. Its old door stays open until it
connects with the new profile; from then on the new profile is required. Begin
again at any time: what failed is sent anew. The profile that a charger has
already gives it a new password or certificate.

A lower profile is not sent to the charger, which would refuse it: it only lets
the charger connect with it, for example after a factory reset.
"""


@command("secure", epilog=EXAMPLES)
@click.argument("charger")
@click.option("--profile", type=click.IntRange(0, 3), metavar="N", help="The profile it shall have.")
@click.option("--address", metavar="URL", help="Our address for the charger's own setting, where that is known.")
@click.option("--cancel", is_flag=True, help="Go no further; what was sent stays.")
@click.option("--wait", type=float, default=60.0, show_default=True, metavar="SECONDS", help="Watch it so long.")
def secure(operator: Operator, charger: str, **given: Any) -> int:
    """Raise a charger's security profile; without --profile show where it stands."""
    if given["profile"] is not None and _lower(operator, charger, given["profile"]):
        return 0
    found = _ask(operator, charger, given)
    until = time.monotonic() + given["wait"]
    while found["state"] == "under way" and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
        found = operator.ask("GET", "admin", "chargers", charger, PATH)
    _show(operator, found)
    return REJECTED if found["state"] == "failed" else 0


def _lower(operator: Operator, charger: str, profile: int) -> bool:
    """Lower what is required of a charger; return False if the profile is not lower than that."""
    path = ("admin", "chargers", charger, "security")
    if profile >= operator.ask("GET", *path)["profile"]:
        return False
    lowered = operator.ask("PUT", *path, given={"profile": profile})
    operator.tell(lowered, f"{cell(charger)} may connect with security profile {profile} again; nothing was sent to it")
    return True


def _ask(operator: Operator, charger: str, given: Mapping[str, Any]) -> Any:
    path = ("admin", "chargers", charger, PATH)
    if given["cancel"]:
        return operator.ask("DELETE", *path)
    if given["profile"] is None:
        return operator.ask("GET", *path)
    wanted = {"profile": given["profile"], "address": given["address"]}
    return operator.ask("POST", *path, given={name: value for name, value in wanted.items() if value is not None})


def _show(operator: Operator, found: Mapping[str, Any]) -> None:
    if operator.is_json:
        say(json.dumps(found))
        return
    say(f"{cell(found['charger'])}: security profile {found['profile']}: {found['state']}")
    show_table(COLUMNS, found["steps"])
