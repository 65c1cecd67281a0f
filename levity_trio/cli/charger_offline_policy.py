"""`levity-trio charger offline-policy`: who can charge at a charger without us; changes the keys that decide it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from levity_trio.cli.operator import REJECTED, Operator, command
from levity_trio.cli.tables import say, show_table
from levity_trio.cli.template import OF_RESULT

ADMIN: Final = "admin"
CHANGE_SECONDS: Final = 600.0
SWITCHES: Final = {"true": True, "false": False}
EXAMPLES: Final = """\
\b
Examples:
  levity-trio charger offline-policy CP-1 --read
  levity-trio charger offline-policy CP-1 LocalAuthListEnabled=true
  levity-trio charger offline-policy CP-1 AllowOfflineTxForUnknownId=false \\
      StopTransactionOnInvalidId=true

\b
The keys: LocalAuthorizeOffline, LocalPreAuthorize,
AllowOfflineTxForUnknownId, StopTransactionOnInvalidId,
AuthorizationCacheEnabled, LocalAuthListEnabled.
"""


@command("offline-policy", epilog=EXAMPLES)
@click.argument("charger")
@click.argument("changes", nargs=-1, metavar="[KEY=true|false]...")
@click.option("--read", "is_read", is_flag=True, help="Ask the charger for the keys first.")
def offline_policy(operator: Operator, charger: str, changes: Sequence[str], *, is_read: bool) -> int:
    """Show who can charge at a charger while we are away, or change it.

    It follows from six keys of the charger's configuration, as last read.
    Given keys are changed one after the other and read back.
    """
    body, path = dict(map(_change, changes)), (ADMIN, "chargers", charger, "offline-policy")
    if body or is_read:
        found = operator.ask("POST", *path, query={"read": is_read}, given=body, patience=CHANGE_SECONDS)
    else:
        found = operator.ask("GET", *path)
    if operator.is_json:
        operator.record(found)
    else:
        _show(found)
    return max((OF_RESULT.get(one["result"], REJECTED) for one in found["changes"]), default=0)


def _show(found: Mapping[str, Any]) -> None:
    if found["changes"]:
        show_table(("key", "wanted", "result", "has", "detail"), found["changes"])
        say("")
    show_table(("key", "value", "read_at"), found["keys"])
    say("")
    show_table(("tags", "may_charge", "why"), found["who"])
    for note in found["notes"]:
        say(f"\n{note}")


def _change(text: str) -> tuple[str, bool]:
    key, _, word = text.partition("=")
    if word.casefold() not in SWITCHES:
        raise click.UsageError(f"{text}: give KEY=true or KEY=false")
    return key, SWITCHES[word.casefold()]
