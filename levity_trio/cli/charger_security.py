"""`levity-trio charger security|password|readmit`: who may connect as a charger."""

from __future__ import annotations

import json
import sys
from typing import Any, Final

import click

from levity_trio.cli.operator import Operator, command
from levity_trio.cli.tables import local_minute, say, show_below, show_record

CHARGERS: Final = ("admin", "chargers")
PASSWORDS: Final = ("id", "created_at", "created_by", "confirmed_at")
CERTIFICATES: Final = ("id", "serial", "subject", "not_after", "revoked_at")
ENTER_EXAMPLES: Final = """\
\b
Examples:
  levity-trio charger password CP-1
  levity-trio charger password CP-1 --drop-old
  levity-trio charger password CP-1 --stdin < key

Enter it at the charger as its AuthorizationKey. Until the charger connects
with it, the password before opens its door too. From then on the charger is
never let in without one.
"""
READMIT_EXAMPLES: Final = """\
\b
Examples:
  levity-trio charger readmit CP-1
  levity-trio charger readmit CP-1 --profile 1

For a charger after a factory reset. The next handshake in its name is let in,
whoever sends it; look at its address afterwards (charger security CP-1).
"""
_CHARGER: Final = click.argument("charger")


SECURITY_EXAMPLES: Final = """\
\b
Examples:
  levity-trio charger security CP-1
"""


@command("security", epilog=SECURITY_EXAMPLES)
@_CHARGER
def security(operator: Operator, charger: str) -> None:
    """Show who may connect as a charger, and how it connected last."""
    found: dict[str, Any] = operator.ask("GET", *CHARGERS, charger, "security")
    if operator.is_json:
        operator.record(found)
        return
    last, own, certificates = found.pop("last_use"), found.pop("passwords"), found.pop("certificates")
    shown = {name: value for name, value in found.items() if value is not None}
    show_record(shown | {f"last_{name}": value for name, value in (last or {}).items()})
    for columns, rows in ((PASSWORDS, own), (CERTIFICATES, certificates)):
        show_below(columns, rows)


@command("password", epilog=ENTER_EXAMPLES)
@_CHARGER
@click.option("--drop-old", is_flag=True, help="Let the old password open nothing any more, and end its connection.")
@click.option("--stdin", "is_given", is_flag=True, help="Read the password from stdin: 32 to 40 hexadecimal digits.")
def password(operator: Operator, charger: str, *, drop_old: bool, is_given: bool) -> None:
    """Make a password for a charger and show it, once."""
    given = {"keep_old": not drop_old} | ({"password": sys.stdin.readline().strip()} if is_given else {})
    made = operator.ask("POST", *CHARGERS, charger, "password", given=given)
    if operator.is_json:
        say(json.dumps(made))
    elif is_given:
        say(f"The password of {charger} is stored.")
    else:
        say(f"{made['password']}\nThis is the password of {charger}. It is not shown again.")


@command("readmit", epilog=READMIT_EXAMPLES)
@_CHARGER
@click.option(
    "--profile", type=click.IntRange(0, 2), default=0, show_default=True, help="Security profile it comes back with."
)
def readmit(operator: Operator, charger: str, profile: int) -> None:
    """Let a charger in once below its security profile, within 10 minutes."""
    done = operator.ask("POST", *CHARGERS, charger, "readmit", given={"profile": profile})
    until = local_minute(done["until"])
    operator.tell(done, f"The next handshake of {charger} is let in at profile {profile}, until {until}.")


COMMANDS: Final = (security, password, readmit)
