"""`levity-trio meter`: the meters of the house, and their readings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from levity_trio.cli.examples import an_example
from levity_trio.cli.files_of_lines import FILE, send_file, show_results
from levity_trio.cli.named import number_of
from levity_trio.cli.operator import Operator, command
from levity_trio.cli.tables import counted, show_below, show_record

METERS: Final = ("admin", "meters")
COLUMNS: Final = ("id", "name", "class_percent", "chargers_percent", "digits", "since", "until", "chargers")
READINGS: Final = ("id", "at", "value", "unit", "source", "entered_by", "voided_by", "void_reason")
EXAMPLES: Final = """\
\b
Examples:
  levity-trio meter add "Main meter" --class 1 --digits 6 --since 2026-10-01
  levity-trio meter add Garage --class 2 --charger CP-1 --charger CP-2
  levity-trio meter read "Main meter" 48211.3 --at 2026-11-01
  levity-trio meter show "Main meter"
  levity-trio meter change "Main meter" --until 2027-01-31
  levity-trio meter void "Main meter" 7 --reason "digits swapped"
  levity-trio meter import readings.csv

A meter is named by its number or its name. Times are in the time zone of the
site. A file has the columns meter, at, value and, unless it is kWh, unit.
`levity-trio reconcile` compares the meters with the chargers.
"""

meter = click.Group("meter", help="Keep the meters of the house, and their readings.", epilog=EXAMPLES)
_METER: Final = click.argument("named", metavar="METER")
_NOT_GIVEN: Final = ((), None)


def _fields(function: Any) -> Any:
    """Add the options of a meter's fields."""
    for option in (
        click.option("--charger", "chargers", multiple=True, metavar="ID", help="It measures this; may be repeated."),
        click.option("--until", metavar="TIME", help="Until when it is in use."),
        click.option("--since", metavar="TIME", help="Since when it is in use."),
        click.option("--digits", metavar="N", help="It shows N digits of kWh, then goes on at 0."),
        click.option("--chargers-class", "chargers_percent", type=float, metavar="PERCENT", help="Of its chargers."),
        click.option("--class", "class_percent", type=float, metavar="PERCENT", help="Its class: B is 1, A is 2."),
    ):
        function = option(function)
    return function


@command("list", group=meter, epilog=an_example("meter list"))
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="How many.")
def show_all(operator: Operator, limit: int) -> None:
    """List the meters of the house."""
    page = operator.ask("GET", *METERS, query={"limit": limit})
    operator.table(COLUMNS, page["data"], page)


@command("show", group=meter)
@_METER
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="How many readings.")
def show(operator: Operator, named: str, limit: int) -> None:
    """Show a meter and its readings, the newest first."""
    number = number_of(operator, "meters", named)
    found = operator.ask("GET", *METERS, number)
    readings = operator.ask("GET", *METERS, number, "readings", query={"limit": limit})["data"]
    if operator.is_json:
        operator.record(found | {"readings": readings})
        return
    _say(operator, found)
    show_below(READINGS, readings)


@command("add", group=meter, epilog=EXAMPLES)
@click.argument("name")
@_fields
def add(operator: Operator, **given: Any) -> None:
    """Add a meter, of the whole site or of some chargers.

    The class is the greatest error of the meter in per cent; that of the
    chargers' own meters is 2 unless it is given.
    """
    if given["class_percent"] is None:
        raise click.UsageError("give --class, such as --class 1 for class B")
    _say(operator, operator.ask("POST", *METERS, given=_given(given)))


@command("change", group=meter)
@_METER
@click.option("--name", help="Its new name.")
@_fields
def change(operator: Operator, named: str, **given: Any) -> None:
    """Change a meter; what is not given stays.

    An empty text empties the field. A meter that was replaced is given --until,
    and its successor is added.
    """
    _say(operator, operator.ask("PATCH", *METERS, number_of(operator, "meters", named), given=_given(given)))


@command("read", group=meter, epilog=EXAMPLES)
@_METER
@click.argument("value")
@click.option("--unit", type=click.Choice(["kWh", "Wh"]), default="kWh", show_default=True, help="Its unit.")
@click.option("--at", metavar="TIME", help="When it was read; now, if not given.")
def read(operator: Operator, named: str, **given: Any) -> None:
    """Enter what a meter shows. The same again changes nothing."""
    number = number_of(operator, "meters", named)
    found = operator.ask("POST", *METERS, number, "readings", given=_given(given))
    words = f"reading {found['id']}: {found['value']} {found['unit']} at {found['at']} ({found['result']})"
    for other in found["contradicts"]:
        words += f"\nit contradicts reading {other}: if one of them is wrong, void it"
    operator.tell(found, words)


@command("void", group=meter)
@_METER
@click.argument("reading", type=click.IntRange(1))
@click.option("--reason", required=True, help="Why it is wrong.")
def void(operator: Operator, named: str, reading: int, reason: str) -> None:
    """Void a reading that is wrong; it stays on record."""
    number = number_of(operator, "meters", named)
    found = operator.ask("POST", *METERS, number, "readings", str(reading), "void", given={"reason": reason})
    operator.tell(found, f"reading {reading} is void")


@command("import", group=meter, epilog=EXAMPLES)
@FILE
def import_(operator: Operator, path: Path) -> None:
    """Import readings as CSV: all lines or none."""
    done = send_file(operator, "meter-reading-import", path)
    show_results(operator, done, done["results"], counted(done["lines"], "line"))


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that were given, for a body; an empty text empties one."""
    given = {name: value for name, value in fields.items() if value not in _NOT_GIVEN}
    if "chargers" in given:
        given["chargers"] = [charger for charger in given["chargers"] if charger]
    if "digits" in given and given["digits"].isdecimal():
        given["digits"] = int(given["digits"])
    return {name: None if value == "" else value for name, value in given.items()}


def _say(operator: Operator, found: Mapping[str, Any]) -> None:
    if operator.is_json:
        operator.record(found)
        return
    show_record({name: found[name] for name in COLUMNS} | {"chargers": found["chargers"] or "the whole site"})
