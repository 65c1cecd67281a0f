"""`levity-trio status`: what the chargers do at present."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import click

from levity_trio.cli.operator import Operator, command
from levity_trio.cli.tables import say

ADMIN: Final = "admin"
NONE_OF_THEM: Final = ","
"""Names no charger: no card of one is wanted."""
COLUMNS: Final = ("charger", "connector", "status", "told_to_be", "since", "transaction", "tag", "kwh", "kw", "link")
NO_CHARGER: Final = (
    "no charger yet: enter the address of the server in one, ws://HOST:9000/ws/CHARGER-ID (its log line `serving` has"
    " it),\nor register one that is going to connect: levity-trio charger add CHARGER-ID"
)
EXAMPLES: Final = """\
\b
Examples:
  levity-trio status
  levity-trio status --watch
"""


@command("status", epilog=EXAMPLES)
@click.option("--watch", is_flag=True, help="Show it again and again, until Ctrl-C.")
@click.option(
    "--every", type=click.FloatRange(0.5, 3600), default=5.0, show_default=True, help="Seconds, with --watch."
)
def status(operator: Operator, watch: bool, every: float) -> None:
    """Show what each connector does: its status, who charges, energy and power."""
    while True:
        if watch and not operator.is_json:
            click.clear()
        _show(operator)
        if not watch:
            return
        time.sleep(every)


def _show(operator: Operator) -> None:
    chargers = operator.ask("GET", ADMIN, "chargers", query={"limit": 500})
    active = operator.ask("GET", ADMIN, "transactions", query={"status": "Active", "limit": 500})["data"]
    of_connector = {(one["charger"], one["connector"]): one for one in reversed(active)}
    rows = [
        _row(charger, connector, of_connector.get((charger["id"], connector.get("connector"))))
        for charger in chargers["data"]
        for connector in _connectors(charger, (charger["id"], None) in of_connector)
    ]
    doubtful, newcomers = _waiting(operator), _newcomers(operator)
    turned_away = _turned_away(operator)
    whole = {
        "connectors": rows,
        "waiting_for_a_person": doubtful,
        "newcomers_waiting": newcomers,
        "turned_away": turned_away,
    }
    if rows or operator.is_json:
        operator.table(COLUMNS, rows, whole)
    else:
        say(NO_CHARGER)
    if not operator.is_json and doubtful:
        say(f"\n{doubtful} waiting for a person: levity-trio review")
    if not operator.is_json:
        for one in turned_away:
            say(f"\n{one['words']}.\n  {one['advice']}.")
    if not operator.is_json and newcomers:
        say(f"\n{newcomers} waiting to be adopted or refused: levity-trio chargers --newcomers")


def _turned_away(operator: Operator) -> list[dict[str, Any]]:
    """Return the chargers that are turned away: each in words, since when, and what to do."""
    wants_a_look = operator.ask("GET", "now", query={"charger": NONE_OF_THEM})["attention"]
    names = ("charger", "since", "words", "advice")
    return [{name: one[name] for name in names} for one in wants_a_look if one["kind"] == "turned_away"]


def _newcomers(operator: Operator) -> int:
    """Return how many newcomers wait for a person."""
    found = operator.ask("GET", ADMIN, "newcomers", query={"waiting": "true", "limit": 1})
    waiting: int = found.get("total", found.get("total_at_least"))
    return waiting


def _waiting(operator: Operator) -> int | None:
    """Return how much waits for a person, None for a viewer."""
    if operator.ask("GET", "me")["role"] == "viewer":
        return None
    queue = operator.ask("GET", ADMIN, "review", query={"limit": 1})
    waiting: int = queue.get("total", queue.get("total_at_least"))
    return waiting


def _connectors(charger: Mapping[str, Any], has_unnamed: bool) -> list[Mapping[str, Any]]:
    """Return the connectors of a charger, and one without a number for a transaction whose start named none."""
    known = list(charger["connectors"])
    return [*known, {}] if has_unnamed or not known else known


def _row(
    charger: Mapping[str, Any], connector: Mapping[str, Any], transaction: Mapping[str, Any] | None
) -> dict[str, object]:
    tx = transaction or {}
    power = tx.get("power_w")
    return {
        "charger": charger["name"] or charger["id"],
        "connector": connector.get("connector"),
        "status": connector.get("status", charger["status"]),
        "told_to_be": _told_to_be(connector),
        "since": tx.get("start_time") or connector.get("status_at"),
        "transaction": tx.get("id"),
        "tag": tx.get("id_tag"),
        "kwh": tx.get("energy_so_far_kwh"),
        "kw": None if power is None else round(power / 1000, 2),
        "link": _link(charger),
    }


def _told_to_be(connector: Mapping[str, Any]) -> str | None:
    """Return that a connector was told to be out of use; in use is what all are."""
    told: str | None = connector.get("told_to_be")
    return None if told == "Operative" else told


def _link(charger: Mapping[str, Any]) -> str:
    if charger["registration"] == "refused":
        return "refused"
    if charger["waiting_since"]:
        return "waiting"
    return "connected" if charger["is_connected"] else "away"
