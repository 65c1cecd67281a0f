"""`levity-trio reconcile`: whether the energy of a month adds up."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from levity_trio.cli.operator import Operator, command
from levity_trio.cli.tables import local_minute, say, show_below, show_table

EXAMPLES: Final = """\
\b
Examples:
  levity-trio reconcile 2026-10
  levity-trio reconcile 2026-10 --json

The registers are those of the chargers, each as last read before the beginning
and the end of the month. A transaction is billed whole in the month in which it
ended; what of it flowed in another month is a line of its own.

Exit status: 1 also when something does not add up: a figure that is not what
the register rose by, without a reason, or a meter of the house that differs
from the chargers by more than the classes allow, or a session that ended after
later ones began and hides their energy. Differences with a reason do not count.
"""
SUMS: Final = ("kWh", "of_these_doubtful", "transactions", "")
CHARGERS: Final = ("charger", "registers", "accounted_for", "between", "difference", "adds_up", "last_register_at")
DIFFERENCES: Final = ("charger", "transaction", "register_minus_figure_kWh", "figure_kWh", "reason")
HIDING: Final = ("charger", "transaction", "ended", "hides_transactions", "hides_kWh")
REMARKS: Final = ("charger", "connector", "register", "times", "from_wh", "to_wh", "since", "until")
METERS: Final = (
    "meter",
    "kWh",
    "chargers_kWh",
    "at_least",
    "at_most",
    "difference",
    "allowed",
    "differs",
    "since",
    "until",
)


def run_reconcile(operator: Operator, month: str) -> int:
    """Reconcile a month: registers, transactions, and the house's meters."""
    found = operator.ask("GET", "admin", "reconciliations", month)
    if operator.is_json:
        operator.record(found)
    else:
        _say(found)
    return 0 if found["is_explained"] else 1


reconcile = command("reconcile", epilog=EXAMPLES)(click.argument("month")(run_reconcile))


def _say(found: Mapping[str, Any]) -> None:
    over = "" if found["over"] else ", which is not over yet"
    say(f"{found['month']}{over}: {local_minute(found['since'])} to {local_minute(found['until'])}\n")
    show_table(SUMS, _lines(found["site"]))
    show_below(CHARGERS, map(_charger, found["chargers"]))
    _say_more("figures that are not what the register rose by", DIFFERENCES, _differences(found["chargers"]))
    _say_more("sessions that ended after later ones began, whose energy they hide", HIDING, _hiding(found["chargers"]))
    _say_more("steps of registers between transactions", REMARKS, _remarks(found["chargers"]))
    for one in found["meters"]:
        _say_meter(one)
    say(f"\n{_verdict(found)}")


def _verdict(found: Mapping[str, Any]) -> str:
    if found["adds_up"]:
        return "it adds up"
    if found["is_explained"]:
        return f"it does not quite add up: {_kwh(found['site']['explained_wh'])} kWh differ, whose reasons are above"
    hidden, is_less = found["site"]["hidden_wh"], found["site"]["difference_wh"] < 0
    words = f", {_kwh(hidden)} kWh are {'missing' if is_less else 'in another month'}" if hidden else ""
    return f"it does not add up{words}; check {_what(found)}"


def _what(found: Mapping[str, Any]) -> str:
    """Return what is to be looked at where something does not add up."""
    bare = [one["transaction"] for charger in found["chargers"] for one in charger["differences"] if not one["reason"]]
    told = [f"transaction {number}: levity-trio explain {number}" for number in bare[:1]]
    late = [one["transaction"] for charger in found["chargers"] for one in charger["hiding"]]
    told += [f"the end of transaction {number}: levity-trio explain {number}" for number in late[:1]]
    for one in found["meters"]:
        if one["differs"]:
            show = shlex.join(("levity-trio", "meter", "show", one["name"]))
            told.append(f"the readings of {one['name']}, its --class and --charger: {show}")
    return "; ".join(told) or "the chargers that do not add up, above"


def _lines(sums: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the lines of an addition, from the registers to the difference."""
    exact = _kwh(sums["register_wh"]), f"between {_kwh(sums['least_wh'])} and {_kwh(sums['most_wh'])}"
    yield {"kWh": exact[0], "": f"by the chargers' registers, {exact[1]}"}
    for line in sums["states"]:
        if line["transactions"]:
            doubtful = _kwh(line["doubtful_wh"]) if line["doubtful_transactions"] else None
            yield {
                "kWh": _kwh(line["wh"]),
                "of_these_doubtful": doubtful,
                "transactions": line["transactions"],
                "": line["state"],
            }
    yield {"kWh": _kwh(-sums["before_wh"]), "": "of these, before the month"}
    yield {"kWh": _kwh(sums["later_wh"]), "": "in the month, of transactions that ended after it"}
    doubtful = _kwh(sums["between_doubtful_wh"]) if sums["between_doubtful_wh"] else None
    yield {"kWh": _kwh(sums["between_wh"]), "of_these_doubtful": doubtful, "": "unbilled, between transactions"}
    yield {"kWh": _kwh(sums["accounted_wh"]), "": "accounted for"}
    yield {"kWh": _kwh(sums["difference_wh"]), "": "difference"}


def _charger(one: Mapping[str, Any]) -> dict[str, Any]:
    sums = one["sums"]
    return {
        "charger": one["charger"],
        "registers": _kwh(sums["register_wh"]),
        "accounted_for": _kwh(sums["accounted_wh"]),
        "between": _kwh(sums["between_wh"]),
        "difference": _kwh(sums["difference_wh"]),
        "adds_up": sums["adds_up"],
        "last_register_at": one["last_register_at"],
    }


def _differences(chargers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "charger": charger["charger"],
            "transaction": one["transaction"],
            "register_minus_figure_kWh": _kwh(one["wh"]),
            "figure_kWh": _kwh(one["figure_wh"]),
            "reason": one["reason"] or "NONE: this should not be",
        }
        for charger in chargers
        for one in charger["differences"]
    ]


def _hiding(chargers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "charger": charger["charger"],
            "transaction": one["transaction"],
            "ended": one["ended"],
            "hides_transactions": one["transactions"],
            "hides_kWh": _kwh(one["wh"]),
        }
        for charger in chargers
        for one in charger["hiding"]
    ]


def _remarks(chargers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {**one, "charger": charger["charger"], "register": one["ground"]}
        for charger in chargers
        for one in charger["remarks"]
    ]


def _say_more(title: str, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    if rows:
        say(f"\n{title}:")
        show_table(columns, rows)


def _say_meter(one: Mapping[str, Any]) -> None:
    say("")
    if one["meter_wh"] is None:
        say(f"{one['name']}: no two readings around the month")
    else:
        show_table(METERS, [_meter(one)])
    for remark in one["remarks"]:
        say(f"  reading {remark['reading']} of {local_minute(remark['at'])}: {remark['words']}")
    if one["differs"] and one["differs_since"]:
        since, until = local_minute(one["differs_since"]), local_minute(one["differs_until"])
        say(f"  they differ since a time between {since} and {until}")


def _meter(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "meter": one["name"],
        "kWh": _kwh(one["meter_wh"]),
        "chargers_kWh": _kwh(one["chargers_wh"]),
        "at_least": _kwh(one["least_wh"]),
        "at_most": _kwh(one["most_wh"]),
        "difference": _kwh(one["difference_wh"]),
        "allowed": _kwh(one["allowed_wh"]),
        "differs": one["differs"],
        "since": one["since"],
        "until": one["until"],
    }


def _kwh(wh: int) -> str:
    return f"{wh / 1000:.3f}"
