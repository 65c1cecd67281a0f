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
    of_connector = {
        (transaction["charger"], transaction["connector"]): transaction
        for transaction in reversed(active)
    }
    now = _now(operator, [transaction["charger"] for transaction in active])
    households = _households(now)
    rows = [
        _row(
            charger,
            connector,
            of_connector.get((charger["id"], connector.get("connector")), {}),
            households,
        )
        for charger in chargers
        for connector in _connectors(charger, (charger["id"], None) in of_connector)
    ]
    is_viewer = operator.ask("GET", "me")["role"] == "viewer"
    doubtful = None if is_viewer else _count(operator.get("review", limit=1))
    newcomers, turned_away = (
        _count(operator.get("newcomers", waiting="true", limit=1)),
        _turned_away(now),
    )
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


def _now(operator: Operator, charging: Sequence[str]) -> Mapping[str, Any]:
    """Return the site as it is now, with the chargers that charge."""
    query = {"charger": ",".join(charging) or NONE_OF_THEM} if len(charging) <= MOST_NAMED else None
    now: Mapping[str, Any] = operator.ask("GET", "now", query=query)
    return now


def _households(now: Mapping[str, Any]) -> dict[int, str | None]:
    """Return whose each open session is."""
    connectors = (connector for charger in now["chargers"] for connector in charger["connectors"])
    sessions = (connector["transaction"] for connector in connectors if connector["transaction"])
    return {session["id"]: session["who"] for session in sessions}


def _turned_away(now: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the chargers that are turned away: each in words, since when, and what to do."""
    names = ("charger", "since", "words", "advice")
    return [
        {name: look[name] for name in names}
        for look in now["attention"]
        if look["kind"] == "turned_away"
    ]


def _count(page: Mapping[str, Any]) -> Any:
    """Return how many records a list has, or at least has."""
    return page.get("total", page.get("total_at_least"))


def _connectors(charger: Mapping[str, Any], has_unnamed: bool) -> list[Mapping[str, Any]]:
    """Return the connectors of a charger, and one without a number for a transaction whose start
    named none."""
    known = list(charger["connectors"])
    return [*known, {}] if has_unnamed or not known else known


def _row(
    charger: Mapping[str, Any],
    connector: Mapping[str, Any],
    transaction: Mapping[str, Any],
    households: Mapping[int, str | None],
) -> dict[str, object]:
    power, told_to_be = transaction.get("power_w"), connector.get("told_to_be")
    return {
        "charger": charger["name"] or charger["id"],
        "connector": connector.get("connector"),
        "status": connector.get("status", charger["status"]),
        "told_to_be": None if told_to_be == "Operative" else told_to_be,  # in use is what all are
        "since": transaction.get("start_time") or connector.get("status_at"),
        "transaction": transaction.get("id"),
        "tag": transaction.get("id_tag"),
        "household": households.get(transaction["id"]) if transaction else None,
        "kwh": transaction.get("energy_so_far_kwh"),
        "kw": None if power is None else round(power / 1000, 2),
        "link": _link(charger),
    }


def _link(charger: Mapping[str, Any]) -> str:
    if charger["registration"] == "refused":
        return "refused"
    if charger["waiting_since"]:
        return "waiting"
    return "connected" if charger["is_connected"] else "away"
