"""`levity-trio vehicle`: the vehicles of households."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from levity_trio.cli.declaring import an_example, changes, limit
from levity_trio.cli.operator import Operator, command
from levity_trio.cli.terminal import show_below, show_record

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
@limit()
def show_all(operator: Operator, search: str | None, limit: int) -> None:
    """List vehicles."""
    operator.show_page(COLUMNS, operator.get("vehicles", search=search, limit=limit))


@command("show", group=vehicle, epilog=an_example('vehicle show "Anna\'s car"'))
@_VEHICLE
def show(operator: Operator, named: str) -> None:
    """Show a vehicle, and whose it is and was."""
    _say(operator, operator.get("vehicles", operator.number("vehicles", named)))


@command("add", group=vehicle, epilog=EXAMPLES)
@click.argument("name")
@_PLATE
@_BATTERY
def add(operator: Operator, **fields: Any) -> None:
    """Add a vehicle."""
    _say(operator, operator.post("vehicles", body=_body(**fields)))


@command("change", group=vehicle)
@_VEHICLE
@click.option("--name", help="Its new name.")
@_PLATE
@_BATTERY
def change(operator: Operator, named: str, **fields: Any) -> None:
    """Change a vehicle; what is not given stays.

    An empty text empties the field.
    """
    _say(operator, operator.patch("vehicles", operator.number("vehicles", named), body=_body(**fields)))


@command("remove", group=vehicle)
@_VEHICLE
def remove(operator: Operator, named: str) -> None:
    """Remove a vehicle, which then belongs to nobody."""
    operator.delete("vehicles", operator.number("vehicles", named))
    operator.tell({"removed": named}, f"{named} is removed")


def _body(battery: str | None, **fields: Any) -> dict[str, Any]:
    """Return the fields that were given, for a body."""
    try:
        return changes({**fields, "battery_kwh": float(battery) if battery else battery})
    except ValueError:
        raise click.BadParameter(f"{battery}: give a number such as 58.5", param_hint="--battery") from None


def _say(operator: Operator, vehicle: Mapping[str, Any]) -> None:
    if not operator.is_told(vehicle):
        show_record(vehicle, *COLUMNS, "removed_at")
        show_below(PERIODS, vehicle["periods"])
