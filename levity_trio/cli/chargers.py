"""`levity-trio chargers`: lists the chargers, or shows one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from levity_trio.cli.declaring import limit, present
from levity_trio.cli.operator import Operator, command
from levity_trio.cli.terminal import show_below, show_record
from levity_trio.operations.limits import shown

COLUMNS: Final = ("id", "name", "status", "connected", "last_seen_at", "registration", "model", "firmware_version")
NEWCOMERS: Final = (
    *("id", "waiting_since", "connected", "model", "resembles", "vendor", "remote_address", "serial_number"),
    "has_charged",
)
CONNECTORS: Final = (
    *("connector", "status", "status_at", "told_to_be", "error_code", "open_transaction", "max_a", "type", "max_w"),
)
LIMITS: Final = ("connector", "limit", "until", "set_by", "profile", "reported", "reported_at")
NO_CHARGER: Final = (
    "no charger yet: enter the address of the server in one, ws://HOST:9000/ws/CHARGER-ID (its log line `serving` has"
    " it),\nor register one that is going to connect: levity-trio charger add CHARGER-ID"
)
EXAMPLES: Final = """\
\b
Examples:
  levity-trio chargers
  levity-trio chargers CP-1
  levity-trio chargers --newcomers
  levity-trio chargers --json
"""


@command("chargers", epilog=EXAMPLES)
@click.argument("charger", required=False, metavar="[CHARGER]")
@limit(default=500)
@click.option("--newcomers", "is_newcomers", is_flag=True, help="Those that nobody adopted or refused.")
def chargers(operator: Operator, charger: str | None, limit: int, is_newcomers: bool) -> None:
    """List the chargers, or show one with its connectors and the limits of its charging profiles."""
    if charger is not None and is_newcomers:
        raise click.UsageError("give the identity of a charger, or --newcomers")
    if charger is None:
        what, columns = ("newcomers", NEWCOMERS) if is_newcomers else ("chargers", COLUMNS)
        page = operator.get(what, limit=limit)
        empty = "no charger waits to be adopted or refused" if is_newcomers else NO_CHARGER
        operator.show_page(columns, page, lambda row: {**row, "connected": row["is_connected"]}, empty=empty)
        return
    record = operator.get("chargers", charger)
    limits = operator.get("chargers", charger, "profiles", "limits")["data"]
    if operator.is_told(record | {"limits": limits}):
        return
    connectors = record.pop("connectors", [])
    show_record(present(record))
    show_below(CONNECTORS, connectors)
    show_below(LIMITS, [_limit(known) for known in limits if known["in_force"] or known["reported"]])


def _limit(known: Mapping[str, Any]) -> dict[str, object]:
    """Return what a connector should obey now, and what the charger last reported that it does."""
    in_force, reported = known["in_force"] or {}, known["reported"] or {}
    return {
        "connector": known["connector"],
        "limit": _figure(in_force),
        "until": known["until"],
        "set_by": in_force.get("purpose"),
        "profile": in_force.get("profile"),
        "reported": _figure(reported),
        "reported_at": reported.get("at"),
    }


def _figure(limit: Mapping[str, Any]) -> str | None:
    return None if limit.get("limit") is None else shown(limit["limit"], limit["unit"])
