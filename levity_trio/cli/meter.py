"""`levity-trio meter`: the meters of the house, and their readings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from levity_trio.cli.declaring import Named, Number, argument, changes, limit, option, together
from levity_trio.cli.operator import Operator, api_group, command
from levity_trio.cli.terminal import counted, show_below, show_record
from levity_trio.cli.transfers import FILE, send_file, show_results

COLUMNS: Final = (
    "id",
    "name",
    "class_percent",
    "chargers_percent",
    "digits",
    "since",
    "until",
    "chargers",
)
BY_MQTT: Final = ("topic", "path", "unit")
READINGS: Final = ("id", "at", "value", "unit", "voided_by", "void_reason", "source", "entered_by")
NO_METER: Final = 'no meter yet; add one: levity-trio meter add "Main meter" --class 1'


@api_group
def meter() -> None:
    """Keep the meters of the house, and their readings.

    Examples:
      levity-trio meter add "Main meter" --class 1 --digits 6 --since 2026-10-01
      levity-trio meter add Garage --class 2 --charger CP-1 --charger CP-2
      levity-trio meter change Garage --mqtt tele/p1/SENSOR --path p1.kWh
      levity-trio meter read "Main meter" 48211.3 --at 2026-11-01
      levity-trio meter show "Main meter"
      levity-trio meter change "Main meter" --until 2027-01-31
      levity-trio meter void "Main meter" 7 --reason "digits swapped"
      levity-trio meter import readings.csv

    A meter is named by its number or its name. Times are in the time zone of the
    site. A file has the columns meter, at, value and, unless it is kWh, unit.
    `levity-trio reconcile` compares the meters with the chargers.
    """


_METER: Final = argument("METER", "number", type=Named("meters"))
_FIELDS: Final = together(
    option("--class PERCENT", "Its class: B is 1, A is 2.", "class_percent", type=Number()),
    option("--chargers-class PERCENT", "Of its chargers.", "chargers_percent", type=Number()),
    option("--digits N", "It shows N digits of kWh, then goes on at 0."),
    option("--since TIME", "Since when it is in use."),
    option("--until TIME", "Until when it is in use."),
    option("--charger ID", "It measures this; may be repeated.", "chargers", multiple=True),
    option("--mqtt TOPIC", "It publishes on this topic what it shows.", "topic"),
    option("--path a.b", "Where the JSON it publishes has that."),
    option("--unit", "Of what it publishes; kWh, if not given.", type=click.Choice(["kWh", "Wh"])),
)


@meter.api_command
@limit()
def list_(operator: Operator, limit: int) -> None:
    """List the meters of the house.

    Examples:
      levity-trio meter list
    """
    operator.show_page(COLUMNS, operator.get("meters", limit=limit), empty=NO_METER)


@meter.api_command
@_METER
@limit("How many readings.")
def show(operator: Operator, number: int, limit: int) -> None:
    """Show a meter and its readings, the newest first."""
    record = operator.get("meters", number)
    readings = operator.get("meters", number, "readings", limit=limit)["data"]
    if not operator.is_told(record | {"readings": readings}):
        _say(operator, record)
        show_below(READINGS, readings)


@command("add", group=meter, epilog=meter.epilog)
@argument("NAME")
@_FIELDS
def add(operator: Operator, **fields: Any) -> None:
    """Add a meter, of the whole site or of some chargers.

    The class is the greatest error of the meter in per cent; that of the
    chargers' own meters is 2 unless it is given.
    """
    if fields["class_percent"] is None:
        raise click.UsageError("give --class, such as --class 1 for class B")
    _say(operator, operator.post("meters", body=_body(fields)))


@meter.api_command
@_METER
@option("--name", "Its new name.")
@_FIELDS
def change(operator: Operator, number: int, **fields: Any) -> None:
    """Change a meter; what is not given stays.

    An empty text empties the field. A meter that was replaced is given --until,
    and its successor is added.
    """
    _say(operator, operator.patch("meters", number, body=_body(fields)))


@command("read", group=meter, epilog=meter.epilog)
@_METER
@argument("VALUE", type=Number())
@option("--unit", "Its unit.", type=click.Choice(["kWh", "Wh"]), default="kWh")
@option("--at TIME", "When it was read; now, if not given.")
def read(operator: Operator, number: int, **fields: Any) -> None:
    """Enter what a meter shows. The same again changes nothing."""
    body = changes({**fields, "value": f"{fields['value']:f}"})
    reading = operator.post("meters", number, "readings", body=body)
    words = (
        f"reading {reading['id']}: {reading['value']} {reading['unit']} at {reading['at']} "
        f"({reading['result']})"
    )
    for other in reading["contradicts"]:
        words += f"\nit contradicts reading {other}: if one of them is wrong, void it"
    operator.tell(reading, words)


@meter.api_command
@_METER
@argument("READING", type=click.IntRange(1))
@option("--reason", "Why it is wrong.", required=True)
def void(operator: Operator, number: int, reading: int, reason: str) -> None:
    """Void a reading that is wrong; it stays on record."""
    path = ("meters", number, "readings", reading)
    operator.tell(
        operator.post(*path, "void", body={"reason": reason}), f"reading {reading} is void"
    )


@command("import", group=meter, epilog=meter.epilog)
@FILE
def import_(operator: Operator, path: Path) -> None:
    """Import readings as CSV: all lines or none."""
    done = send_file(operator, "meter-reading-import", path)
    show_results(operator, done, done["results"], counted(done["lines"], "line"))


def _body(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that were given, for a body; an empty text empties one."""
    percents = {
        name: float(fields[name])
        for name in ("class_percent", "chargers_percent")
        if fields[name] is not None
    }
    body = changes({**fields, **percents, "chargers": fields["chargers"] or None})
    if "chargers" in body:
        body["chargers"] = list(filter(None, body["chargers"]))
    if str(body.get("digits")).isdecimal():
        body["digits"] = int(body["digits"])
    return body


def _say(operator: Operator, meter: Mapping[str, Any]) -> None:
    if not operator.is_told(meter):
        by_mqtt = BY_MQTT if meter["topic"] else ()
        show_record(
            {**meter, "chargers": meter["chargers"] or "the whole site"}, *COLUMNS, *by_mqtt
        )
