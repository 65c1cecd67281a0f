"""`levity-trio chargers`: lists the chargers, or shows one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from levity_trio.cli.operator import Operator, command
from levity_trio.cli.tables import show_below, show_record
from levity_trio.operations.limits import shown

ADMIN: Final = "admin"
COLUMNS: Final = (*("id", "name", "registration", "status", "connected", "last_seen_at", "model", "firmware_version"),)
NEWCOMERS: Final = (
    *("id", "waiting_since", "connected", "remote_address", "vendor", "model", "serial_number", "has_charged"),
    "resembles",
)
CONNECTORS: Final = (
    "connector",
    "status",
    "status_at",
    "told_to_be",
    "error_code",
    "open_transaction",
    "type",
    "max_a",
    "max_w",
)
LIMITS: Final = ("connector", "limit", "until", "set_by", "profile", "reported", "reported_at")
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
@click.option("--limit", type=click.IntRange(1, 500), default=500, show_default=True, help="How many.")
@click.option("--newcomers", "is_newcomers", is_flag=True, help="Those that nobody adopted or refused.")
def chargers(operator: Operator, charger: str | None, limit: int, is_newcomers: bool) -> None:
    """List the chargers, or show one with its connectors and the limits of its charging profiles."""
    if charger is not None and is_newcomers:
        raise click.UsageError("give the identity of a charger, or --newcomers")
    if charger is None:
        what, columns = ("newcomers", NEWCOMERS) if is_newcomers else ("chargers", COLUMNS)
        page = operator.ask("GET", ADMIN, what, query={"limit": limit})
        rows = [one | {"connected": one["is_connected"]} for one in page["data"]]
        operator.table(columns, rows, page)
        return
    found = operator.ask("GET", ADMIN, "chargers", charger)
    limits = operator.ask("GET", ADMIN, "chargers", charger, "profiles", "limits")["data"]
    if operator.is_json:
        operator.record(found | {"limits": limits})
        return
    connectors = found.pop("connectors", [])
    show_record({name: value for name, value in found.items() if value is not None})
    show_below(CONNECTORS, connectors)
    show_below(LIMITS, [_limit(one) for one in limits if one["in_force"] or one["reported"]])


def _limit(one: Mapping[str, Any]) -> dict[str, object]:
    """Return what a connector should obey now, and what the charger last reported that it does."""
    limit, reported = one["in_force"] or {}, one["reported"] or {}
    return {
        "connector": one["connector"],
        "limit": _figure(limit),
        "until": one["until"],
        "set_by": limit.get("purpose"),
        "profile": limit.get("profile"),
        "reported": _figure(reported),
        "reported_at": reported.get("at"),
    }


def _figure(limit: Mapping[str, Any]) -> str | None:
    return None if limit.get("limit") is None else shown(limit["limit"], limit["unit"])
