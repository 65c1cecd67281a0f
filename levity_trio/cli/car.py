"""`levity-trio car`: the cars of households."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from levity_trio.billing.ledger import typed_amount
from levity_trio.cli.declaring import WIDE, Named, argument, changes, limit, option, options_of
from levity_trio.cli.operator import Operator, api_group, command
from levity_trio.cli.terminal import show_below, show_record
from levity_trio.nouns import Car

COLUMNS: Final = ("id", "name", "plate", "battery_kwh")
NO_CAR: Final = 'no car yet; add one: levity-trio car add "Anna\'s car"'
PERIODS: Final = ("account", "since", "until", "given_by", "reason")


@api_group
def car() -> None:
    """Keep the cars of households.

    Examples:
      levity-trio car add "Anna's car" --plate "B-XY 123" --battery 58
      levity-trio household give 7 --car "Anna's car"
      levity-trio household give 7 --card 04A1B2C3 --car "Anna's car"
      levity-trio car list
      levity-trio car change "Anna's car" --plate "B-XY 124"
      levity-trio car remove "Anna's car"

    A car is named by its number or its name.
    """


_CAR: Final = argument("CAR", "number", type=Named("vehicles"))
_PLATE: Final = options_of(Car)
_BATTERY: Final = option("--battery KWH", "The capacity of its battery.")


@car.api_command
@option("--search TEXT", "Only with this in the name or the plate.")
@limit()
def list_(operator: Operator, search: str | None, limit: int) -> None:
    """List cars."""
    operator.show_page(COLUMNS, operator.get("vehicles", search=search, limit=limit), empty=NO_CAR)


@car.api_command
@_CAR
@WIDE
def show(operator: Operator, number: int) -> None:
    """Show a car, and whose it is and was.

    Examples:
      levity-trio car show "Anna's car"
    """
    _say(operator, operator.get("vehicles", number))


@command("add", group=car, epilog=car.epilog)
@argument("NAME")
@_PLATE
@_BATTERY
def add(operator: Operator, **fields: Any) -> None:
    """Add a car."""
    _say(operator, operator.post("vehicles", body=_body(**fields)))


@car.api_command
@_CAR
@option("--name", "Its new name.")
@_PLATE
@_BATTERY
def change(operator: Operator, number: int, **fields: Any) -> None:
    """Change a car; what is not given stays.

    An empty text empties the field.
    """
    _say(operator, operator.patch("vehicles", number, body=_body(**fields)))


@car.api_command
@argument("CAR", "named")
def remove(operator: Operator, named: str) -> None:
    """Remove a car, which then belongs to nobody."""
    operator.delete("vehicles", operator.number("vehicles", named))
    operator.tell({"removed": named}, f"{named} is removed")


def _body(battery: str | None, **fields: Any) -> dict[str, Any]:
    """Return the fields that were given, for a body."""
    try:
        return changes(
            {**fields, "battery_kwh": float(typed_amount(battery)) if battery else battery}
        )
    except ValueError as wrong:
        raise click.BadParameter(str(wrong), param_hint="--battery") from None


def _say(operator: Operator, vehicle: Mapping[str, Any]) -> None:
    if not operator.is_told(vehicle):
        show_record(vehicle, *COLUMNS, "removed_at")
        show_below(PERIODS, vehicle["periods"])
