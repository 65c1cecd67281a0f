"""`levity-trio status`: what the chargers do at present."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from levity_trio.cli.charger import NO_CHARGER
from levity_trio.cli.declaring import WIDE, flag, option
from levity_trio.cli.operator import Operator, command
from levity_trio.cli.terminal import say, show_table

NONE_OF_THEM: Final = ","
"""This names no charger, because no card of a charger is wanted."""
COLUMNS: Final = (
    "charger",
    "connector",
    "status",
    "household",
    "kwh",
    "kw",
    "since",
    "link",
    "tag",
    "transaction",
    "told_to_be",
)
MOST_NAMED: Final = 50
"""Of more chargers, all are asked for instead."""


@command("status")
@flag("--watch", "Show it again and again, until Ctrl-C.")
@option("--every", "Seconds, with --watch.", type=click.FloatRange(0.5, 3600), default=5.0)
@WIDE
def status(operator: Operator, watch: bool, every: float) -> None:
    """Show what each connector does: its status, who charges, energy and power.

    Examples:
      levity-trio status
      levity-trio status --watch
    """
    while True:
        if watch and not operator.is_json:
            click.clear()
        _show(operator)
        if not watch:
            return
        time.sleep(every)


def _show(operator: Operator) -> None:
    chargers = operator.get("chargers", limit=500)["data"]
    active = operator.get("transactions", status="Active", limit=500)["data"]
    charging = [transaction["charger"] for transaction in active]
    query = {"charger": ",".join(charging) or NONE_OF_THEM} if len(charging) <= MOST_NAMED else None
    now = operator.ask("GET", "now", query=query)
    rows = _rows(chargers, active, now)
    turned_away = [
        {name: look[name] for name in ("charger", "since", "words", "advice")}
        for look in now["attention"]
        if look["kind"] == "turned_away"
    ]
    is_viewer = operator.ask("GET", "me")["role"] == "viewer"
    doubtful = None if is_viewer else _count(operator.get("review", limit=1))
    newcomers = _count(operator.get("newcomers", waiting="true", limit=1))
    whole = {
        "connectors": rows,
        "waiting_for_a_person": doubtful,
        "newcomers_waiting": newcomers,
        "turned_away": turned_away,
    }
    if operator.is_told(whole):
        return
    show_table(COLUMNS, rows, NO_CHARGER)
    if doubtful:
        say(f"\n{doubtful} waiting for a person: levity-trio review")
    for charger in turned_away:
        say(f"\n{charger['words']}.\n  {charger['advice']}.")
    if newcomers:
        say(f"\n{newcomers} waiting to be adopted or refused: levity-trio chargers --newcomers")


def _count(page: Mapping[str, Any]) -> Any:
    """Return how many records a list has, or at least has."""
    return page.get("total", page.get("total_at_least"))


def _rows(
    chargers: Sequence[Mapping[str, Any]],
    active: Sequence[Mapping[str, Any]],
    now: Mapping[str, Any],
) -> list[dict[str, object]]:
    """Return a row for each connector, and one without a number for a transaction whose start named
    none."""
    of_connector = {
        (transaction["charger"], transaction["connector"]): transaction
        for transaction in reversed(active)
    }
    households = {
        session["id"]: session["who"]
        for charger in now["chargers"]
        for connector in charger["connectors"]
        if (session := connector["transaction"])
    }
    rows = []
    for charger in chargers:
        connectors = list(charger["connectors"])
        if not connectors or (charger["id"], None) in of_connector:
            connectors.append({})
        for connector in connectors:
            number = connector.get("connector")
            transaction = of_connector.get((charger["id"], number), {})
            household = households.get(transaction.get("id"))
            rows.append({**_row(charger, connector, transaction), "household": household})
    return rows


def _row(
    charger: Mapping[str, Any], connector: Mapping[str, Any], transaction: Mapping[str, Any]
) -> dict[str, object]:
    power, told_to_be = transaction.get("power_w"), connector.get("told_to_be")
    link = "connected" if charger["is_connected"] else "away"
    if charger["waiting_since"]:
        link = "waiting"
    if charger["registration"] == "refused":
        link = "refused"
    return {
        "charger": charger["name"] or charger["id"],
        "connector": connector.get("connector"),
        "status": connector.get("status", charger["status"]),
        "told_to_be": None if told_to_be == "Operative" else told_to_be,  # in use is what all are
        "since": transaction.get("start_time") or connector.get("status_at"),
        "transaction": transaction.get("id"),
        "tag": transaction.get("id_tag"),
        "household": None,
        "kwh": transaction.get("energy_so_far_kwh"),
        "kw": None if power is None else round(power / 1000, 2),
        "link": link,
    }
