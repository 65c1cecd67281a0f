"""`levity-trio vehicle`: the vehicles of households."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from levity_trio.cli.examples import an_example
from levity_trio.cli.named import number_of
from levity_trio.cli.operator import Operator, command
from levity_trio.cli.tables import show_below, show_record

VEHICLES: Final = ("admin", "vehicles")
COLUMNS: Final = ("id", "name", "plate", "battery_kwh")
PERIODS: Final = ("account", "since", "until", "given_by", "reason")
EXAMPLES: Final = """\
\b
Examples:
  levity-trio vehicle add "Anna's car" --plate "B-XY 123" --battery 58
  levity-trio account give 7 --vehicle "Anna's car"
  levity-trio account give 7 --tag 04A1B2C3 --vehicle "Anna's car"
  levity-trio vehicle list
  levity-trio vehicle change "Anna's car" --plate "B-XY 124"
  levity-trio vehicle remove "Anna's car"

A vehicle is named by its number or its name.
"""

vehicle = click.Group("vehicle", help="Keep the vehicles of households.", epilog=EXAMPLES)
_VEHICLE: Final = click.argument("named", metavar="VEHICLE")
_PLATE: Final = click.option("--plate", help="Its number plate.")
_BATTERY: Final = click.option("--battery", metavar="KWH", help="The capacity of its battery.")


@command("list", group=vehicle)
@click.option("--search", metavar="TEXT", help="Only with this in the name or the plate.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="How many.")
def show_all(operator: Operator, search: str | None, limit: int) -> None:
    """List vehicles."""
    query: dict[str, object] = {"limit": limit} | ({} if search is None else {"search": search})
    page = operator.ask("GET", *VEHICLES, query=query)
    operator.table(COLUMNS, page["data"], page)


@command("show", group=vehicle, epilog=an_example('vehicle show "Anna\'s car"'))
@_VEHICLE
def show(operator: Operator, named: str) -> None:
    """Show a vehicle, and whose it is and was."""
    _say(operator, operator.ask("GET", *VEHICLES, number_of(operator, "vehicles", named)))


@command("add", group=vehicle, epilog=EXAMPLES)
@click.argument("name")
@_PLATE
@_BATTERY
def add(operator: Operator, **given: Any) -> None:
    """Add a vehicle."""
    _say(operator, operator.ask("POST", *VEHICLES, given=_given(given)))


@command("change", group=vehicle)
@_VEHICLE
@click.option("--name", help="Its new name.")
@_PLATE
@_BATTERY
def change(operator: Operator, named: str, **given: Any) -> None:
    """Change a vehicle; what is not given stays.

    An empty text empties the field.
    """
    _say(operator, operator.ask("PATCH", *VEHICLES, number_of(operator, "vehicles", named), given=_given(given)))


@command("remove", group=vehicle)
@_VEHICLE
def remove(operator: Operator, named: str) -> None:
    """Remove a vehicle, which then belongs to nobody."""
    operator.ask("DELETE", *VEHICLES, number_of(operator, "vehicles", named))
    operator.tell({"removed": named}, f"{named} is removed")


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that were given, for a body."""
    given = {name: value or None for name, value in fields.items() if value is not None}
    if "battery" in given:
        battery = given.pop("battery")
        try:
            given["battery_kwh"] = None if battery is None else float(battery)
        except ValueError:
            raise click.BadParameter(f"{battery}: give a number such as 58.5", param_hint="--battery") from None
    return given


def _say(operator: Operator, found: Mapping[str, Any]) -> None:
    if operator.is_json:
        operator.record(found)
        return
    show_record({name: found[name] for name in (*COLUMNS, "removed_at")})
    show_below(PERIODS, found["periods"])
