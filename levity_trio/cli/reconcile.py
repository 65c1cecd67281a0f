"""`levity-trio reconcile`: whether the energy of a month adds up."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Final

from levity_trio.cli.declaring import WIDE, argument
from levity_trio.cli.operator import Operator, command
from levity_trio.cli.terminal import figure, fill, local_minute, say, show_below, show_table

SUMS: Final = ("kWh", "of_these_doubtful", "transactions", "")
CHARGERS: Final = (
    "charger",
    "difference",
    "adds_up",
    "registers",
    "accounted_for",
    "between",
    "last_register_at",
)
DIFFERENCES: Final = ("charger", "transaction", "figure_kWh", "register_minus_figure_kWh", "reason")
HIDING: Final = ("charger", "transaction", "ended", "hides_transactions", "hides_kWh")
REMARKS: Final = ("charger", "connector", "register", "times", "from_wh", "to_wh", "since", "until")
METERS: Final = (
    "meter",
    "kWh",
    "chargers_kWh",
    "difference",
    "allowed",
    "differs",
    "at_least",
    "at_most",
    "since",
    "until",
)


@command("reconcile")
@argument("MONTH")
@WIDE
def reconcile(operator: Operator, month: str) -> int:
    """Reconcile a month: registers, sessions, and the house's meters.

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
    reconciled = operator.get("reconciliations", month)
    if not operator.is_told(reconciled):
        _say(reconciled)
    return 0 if reconciled["is_explained"] else 1


def _say(month: Mapping[str, Any]) -> None:
    over = "" if month["over"] else ", which is not over yet"
    say(
        f"{month['month']}{over}: {local_minute(month['since'])} to "
        f"{local_minute(month['until'])}\n"
    )
    show_table(SUMS, _lines(month["site"]))
    show_below(CHARGERS, map(_charger, month["chargers"]))
    differences, hiding, remarks = (
        _of_chargers(month, name) for name in ("differences", "hiding", "remarks")
    )
    for difference in differences:
        difference["register_minus_figure_kWh"] = _kwh(difference["wh"])
        difference["figure_kWh"] = _kwh(difference["figure_wh"])
        difference["reason"] = difference["reason"] or "NONE: this should not be"
    show_below(DIFFERENCES, differences, "figures that are not what the register rose by")
    for late in hiding:
        late["hides_transactions"], late["hides_kWh"] = late["transactions"], _kwh(late["wh"])
    title = "sessions that ended after later ones began, whose energy they hide"
    show_below(HIDING, hiding, title)
    steps = [{**remark, "register": remark["ground"]} for remark in remarks]
    show_below(REMARKS, steps, "steps of registers between sessions")
    for meter in month["meters"]:
        _say_meter(meter)
    say(f"\n{_verdict(month)}")


def _of_chargers(month: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the records of all chargers that have this name, each with its charger."""
    return [
        {**record, "charger": charger["charger"]}
        for charger in month["chargers"]
        for record in charger[name]
    ]


def _verdict(month: Mapping[str, Any]) -> str:
    site = month["site"]
    if month["adds_up"]:
        return "it adds up"
    if month["is_explained"]:
        return (
            f"it does not quite add up: {_kwh(site['explained_wh'])} kWh differ, whose reasons "
            "are above"
        )
    where = "missing" if site["difference_wh"] < 0 else "in another month"
    words = f", {_kwh(site['hidden_wh'])} kWh are {where}" if site["hidden_wh"] else ""
    return f"it does not add up{words}; check {_what(month)}"


def _what(month: Mapping[str, Any]) -> str:
    """Return what is to be looked at where something does not add up."""
    bare = [
        record["transaction"]
        for record in _of_chargers(month, "differences")
        if not record["reason"]
    ]
    told = [f"session {number}: levity-trio explain {number}" for number in bare[:1]]
    late = [record["transaction"] for record in _of_chargers(month, "hiding")]
    told += [f"the end of session {number}: levity-trio explain {number}" for number in late[:1]]
    for meter in month["meters"]:
        if meter["differs"]:
            show = shlex.join(("levity-trio", "meter", "show", meter["name"]))
            told.append(f"the readings of {meter['name']}, its --class and --charger: {show}")
    return "; ".join(told) or "the chargers that do not add up, above"


def _lines(sums: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the lines of an addition, from the registers to the difference."""
    between = f"between {_kwh(sums['least_wh'])} and {_kwh(sums['most_wh'])}"
    yield {"kWh": _kwh(sums["register_wh"]), "": f"by the chargers' registers, {between}"}
    for line in sums["states"]:
        if count := line["transactions"]:
            doubtful = _kwh(line["doubtful_wh"]) if line["doubtful_transactions"] else None
            figures = {
                "kWh": _kwh(line["wh"]),
                "of_these_doubtful": doubtful,
                "transactions": count,
            }
            yield {**figures, "": line["state"]}
    yield {"kWh": _kwh(-sums["before_wh"]), "": "of these, before the month"}
    yield {"kWh": _kwh(sums["later_wh"]), "": "in the month, of sessions that ended after it"}
    doubtful = _kwh(sums["between_doubtful_wh"]) if sums["between_doubtful_wh"] else None
    yield {
        "kWh": _kwh(sums["between_wh"]),
        "of_these_doubtful": doubtful,
        "": "unbilled, between sessions",
    }
    yield {"kWh": _kwh(sums["accounted_wh"]), "": "accounted for"}
    yield {"kWh": _kwh(sums["difference_wh"]), "": "difference"}


def _charger(charger: Mapping[str, Any]) -> dict[str, Any]:
    sums = charger["sums"]
    names = {
        "registers": "register",
        "accounted_for": "accounted",
        "between": "between",
        "difference": "difference",
    }
    return {
        **{column: _kwh(sums[f"{name}_wh"]) for column, name in names.items()},
        **charger,
        "adds_up": sums["adds_up"],
    }


def _say_meter(meter: Mapping[str, Any]) -> None:
    say("")
    if meter["meter_wh"] is None:
        say(fill(f"{meter['name']}: no two readings around the month"))
    else:
        names = {
            "kWh": "meter",
            "chargers_kWh": "chargers",
            "at_least": "least",
            "at_most": "most",
            "allowed": "allowed",
            "difference": "difference",
        }
        energies = {column: _kwh(meter[f"{name}_wh"]) for column, name in names.items()}
        show_table(METERS, [{**meter, **energies, "meter": meter["name"]}])
    for remark in meter["remarks"]:
        say(f"  reading {remark['reading']} of {local_minute(remark['at'])}: {remark['words']}")
    if meter["differs"] and meter["differs_since"]:
        since, until = local_minute(meter["differs_since"]), local_minute(meter["differs_until"])
        say(f"  they differ since a time between {since} and {until}")


def _kwh(wh: int) -> str:
    return figure(wh / 1000, 3)
