"""`levity-trio simulator …`: what people do with the chargers of a running `levity-trio simulate --control`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

import click

from levity_trio.cli.tables import say, show_record, show_table
from levity_trio.config import EnvironmentProblem
from levity_trio.simulator.park import DEFAULT_URL
from levity_trio.simulator.park.client import Api, Refusal

EXAMPLES = """\
\b
Examples:
  levity-trio simulator add CP-1 --vendor Grizzl-E --model Smart
  levity-trio simulator vehicles add Compact --battery-wh 40000 --soc 0.2
  levity-trio simulator plug CP-1 --vehicle Compact
  levity-trio simulator tag CP-1 04A2B3C4
  levity-trio simulator chargers CP-1
  levity-trio simulator log CP-1
  levity-trio simulator meter CP-1 --wh 250000
  levity-trio simulator answer CP-1 RemoteStartTransaction Rejected
  levity-trio simulator send CP-1 StatusNotification
  levity-trio simulator send CP-1 DataTransfer '{"vendorId": "org.example"}'
  levity-trio simulator template chargers > chargers.csv
  levity-trio simulator import chargers chargers.csv

Each command asks the HTTP API of a running simulator (--api, LEVITY_SIMULATOR_API; http://127.0.0.1:9100 if
neither is given). That API asks nobody who they are, and listens on this machine only unless told otherwise.
Exit status: 0 done, 1 refused or no simulator there, 2 wrong usage.
"""

CHARGER_COLUMNS = ("id", "vendor", "model", "power_type", "location", "auto_connect", "state", "statuses", "quirks")
CONNECTOR_COLUMNS = (
    *("number", "status", "error_code", "is_plugged", "soc", "power_w", "register_wh", "id_tag", "transaction_id"),
)
LOCATION_COLUMNS = ("name", "address")
VEHICLE_COLUMNS = ("name", "battery_wh", "max_ac_w", "ac_phases", "max_dc_w", "soc")

Fields = dict[str, Any]
Command = Callable[..., None]
Parameter = Callable[[Command], Command]


class Talk:
    """The API, and how its answers are shown."""

    def __init__(self, url: str, is_json: bool) -> None:
        self.api = Api(url)
        self._is_json = is_json

    def table(self, columns: tuple[str, ...], records: list[Fields]) -> None:
        if self._is_json:
            say(json.dumps(records))
        else:
            show_table(columns, records)

    def record(self, record: Fields | None, said: str = "") -> None:
        """One thing; or, for people, `said` about it."""
        if self._is_json:
            say(json.dumps(record))
        elif said:
            say(said)
        elif record is not None:
            show_record(record)

    def charger(self, record: Fields) -> None:
        """A charger, its connectors in a table of their own."""
        if self._is_json:
            say(json.dumps(record))
            return
        connectors = record.pop("connector", [])
        show_record(record)
        if connectors:
            say("")
            show_table(CONNECTOR_COLUMNS, connectors)

    def act(self, charger: str, action: str, given: Mapping[str, object]) -> None:
        """Something done at a charger, and what became of its connectors."""
        said = {name: value for name, value in given.items() if value is not None}
        record = self.api.ask("POST", "chargers", charger, action, given=said)
        self.record(record, f"{charger} {record['state']}: {' '.join(record['statuses']) or 'no power'}")


@click.group("simulator", epilog=EXAMPLES, invoke_without_command=True)
@click.pass_context
def simulator(context: click.Context) -> None:
    """See and control the chargers of a running simulator."""
    if context.invoked_subcommand is None:
        say(context.get_help())


def command(name: str, group: click.Group = simulator) -> Callable[[Command], click.Command]:
    """A command that talks to the API: `function(talk, …)`, with the options that all of them have."""

    def decorate(function: Command) -> click.Command:
        def run(api: str, is_json: bool, **given: Any) -> None:
            function(Talk(api, is_json), **given)

        run.__doc__ = function.__doc__
        run.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]  # click's own way
        for option in (_API, _JSON):
            option(run)
        return group.command(name)(run)

    return decorate


_API = click.option(
    "--api",
    metavar="URL",
    default=DEFAULT_URL,
    envvar="LEVITY_SIMULATOR_API",
    show_default=True,
    help="Where the simulator's API listens.",
)
_JSON = click.option("--json", "is_json", is_flag=True, help="Answer in JSON, for programs.")
_CHARGER = click.argument("charger", metavar="CHARGER")
_CONNECTOR = click.option("--connector", "-c", type=int, help="Number of the connector, where there are several.")


def _options(*options: Parameter) -> Parameter:
    def decorate(function: Command) -> Command:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


_CHARGER_FIELDS = _options(
    click.option("--vendor", help="As BootNotification tells it."),
    click.option("--model", help="The same."),
    click.option("--serial-number", help="The same."),
    click.option("--firmware-version", help="The same."),
    click.option("--connectors", type=int, help="How many."),
    click.option("--power-type", help="AC or DC."),
    click.option("--phases", type=int, help="1 or 3, for AC."),
    click.option("--max-current-a", type=float, help="A per phase, for AC."),
    click.option("--max-power-w", type=float, help="W, for DC."),
    click.option("--register-wh", type=int, help="What its meters show on the first day."),
    click.option("--security-profile", type=int, help="0 to 3 (OCPP security whitepaper)."),
    click.option("--password", help="For security profiles 1 and 2."),
    click.option("--quirk", "quirks", multiple=True, help="How it misbehaves; again for another."),
    click.option("--location", help="Where it stands."),
    click.option("--auto-connect/--no-auto-connect", default=None, help="Whether it connects by itself."),
)
_VEHICLE_FIELDS = _options(
    click.option("--battery-wh", type=float, help="What its battery holds."),
    click.option("--max-ac-w", type=float, help="The most that it takes from AC; 0 for no such inlet."),
    click.option("--ac-phases", type=int, help="Phases of its onboard charger."),
    click.option("--max-dc-w", type=float, help="The most that it takes from DC; 0 for no such inlet."),
    click.option("--soc", type=float, help="State of charge on arrival, 0 to 1."),
)


def _given(fields: Mapping[str, Any]) -> Fields:
    return {name: value for name, value in fields.items() if value is not None and value != ()}


@command("chargers")
@click.argument("charger", required=False, metavar="[CHARGER]")
def chargers(talk: Talk, charger: str | None) -> None:
    """List the chargers, or show one with its connectors."""
    if charger is None:
        talk.table(CHARGER_COLUMNS, talk.api.ask("GET", "chargers"))
    else:
        talk.charger(talk.api.ask("GET", "chargers", charger))


@command("add")
@_CHARGER
@_CHARGER_FIELDS
def add(talk: Talk, charger: str, **fields: Any) -> None:
    """Add a charger; it connects at once unless told otherwise."""
    record = talk.api.ask("POST", "chargers", given={"id": charger, **_given(fields)})
    talk.record(record, f"added {charger}")


@command("change")
@_CHARGER
@_CHARGER_FIELDS
def change(talk: Talk, charger: str, **fields: Any) -> None:
    """Change a charger; disconnect it first, except for location and auto-connect."""
    talk.record(talk.api.ask("PATCH", "chargers", charger, given=_given(fields)), f"changed {charger}")


@command("remove")
@_CHARGER
def remove(talk: Talk, charger: str) -> None:
    """Remove a charger and all that it remembers."""
    talk.record(talk.api.ask("DELETE", "chargers", charger), f"removed {charger}")


_TAG = click.argument("tag")
_VEHICLE = click.option("--vehicle", help="Name of a vehicle of `simulator vehicles`; any, if none is given.")
_DEEDS: Mapping[str, tuple[str, Sequence[Parameter]]] = {
    "connect": ("Give a charger power, so that it connects.", ()),
    "disconnect": ("Cut a charger's power.", ()),
    "plug": (
        "Plug a vehicle in.",
        (
            click.option("--vehicle", help="Name of a vehicle of `simulator vehicles`; any, if none is given."),
            _CONNECTOR,
        ),
    ),
    "unplug": ("Take the cable out.", (_CONNECTOR,)),
    "tag": ("Hold a tag to the reader: it begins a session, or ends the one it began.", (_TAG, _CONNECTOR)),
    "start": ("Begin a transaction without asking anybody; a vehicle must be plugged in.", (_TAG, _CONNECTOR)),
    "stop": ("End the transaction, as a button on the charger would.", (_CONNECTOR,)),
    "meter": (
        "Set what the register of a connector shows; what was truly charged stays what it was.",
        (click.option("--wh", type=int, required=True, help="What it shows, in Wh."), _CONNECTOR),
    ),
    "fault": (
        "Let a connector fail (connector 0: the whole charger), by an error code of OCPP 1.6 §7.6.",
        (click.argument("error_code", required=False, metavar="[ERROR_CODE]"), _CONNECTOR),
    ),
    "clear-fault": ("Mend what `fault` broke.", (_CONNECTOR,)),
    "status": (
        "Bring a connector into a status, if OCPP 1.6 §4.9 knows that move.",
        (click.argument("status"), _CONNECTOR),
    ),
    "offline": ("Cut a charger's network; it goes on charging, and remembers what it has to tell.", ()),
    "online": ("Give it its network back.", ()),
    "answer": (
        (
            "Answer calls of ACTION with STATUS, or an error code such as NotSupported, without obeying them."
            "\n\nWithout STATUS the charger answers by itself again, as it does after it was disconnected."
        ),
        (click.argument("action"), click.argument("status", required=False, metavar="[STATUS]")),
    ),
}
"""What is done at a charger: the name that the API has for it, the help, what can be said with it."""


def _add_deed(action: str, text: str, parameters: Sequence[Parameter]) -> None:
    @_options(_CHARGER, *parameters)
    def run(talk: Talk, charger: str, **given: Any) -> None:
        talk.act(charger, action, given)

    run.__doc__ = text
    command(action)(run)


for _name, (_text, _parameters) in _DEEDS.items():
    _add_deed(_name, _text, _parameters)


@command("send")
@_CHARGER
@click.argument("action")
@click.argument("payload", required=False, metavar="[PAYLOAD]")
@click.option("--connector", "-c", type=int, help="Of whose status or meter it tells, without PAYLOAD  [default: 1].")
def send(talk: Talk, charger: str, action: str, payload: str | None, connector: int | None) -> None:
    """Send a message, and print what the central system answers.

    PAYLOAD, a JSON object, is sent as it is. Without it the charger sends what it would say itself: a BootNotification,
    a Heartbeat, a StatusNotification or MeterValues. What is answered changes nothing at the charger.
    """
    said = _given({"action": action, "payload": None if payload is None else _json(payload), "connector": connector})
    answer = talk.api.ask("POST", "chargers", charger, "send", given=said)
    talk.record(answer, json.dumps(answer["payload"]))


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as problem:
        raise click.BadParameter(f"it is no JSON: {problem}", param_hint="PAYLOAD") from None


@command("configuration")
@_CHARGER
@click.argument("key", required=False, metavar="[KEY]")
@click.argument("value", required=False, metavar="[VALUE]")
def configuration(talk: Talk, charger: str, key: str | None, value: str | None) -> None:
    """Show the configuration, one key of it, or change that key."""
    path = ("chargers", charger, "configuration")
    if key is None:
        talk.table(("key", "value", "readonly"), talk.api.ask("GET", *path))
    elif value is None:
        talk.record(talk.api.ask("GET", *path, key))
    else:
        talk.record(talk.api.ask("PUT", *path, key, given={"value": value}))


@command("log")
@_CHARGER
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="How many frames.")
def show_log(talk: Talk, charger: str, limit: int) -> None:
    """Show the last OCPP frames of a charger; times are simulated seconds."""
    frames = talk.api.ask("GET", "chargers", charger, "log", query={"limit": limit})
    talk.table(("at", "direction", "text"), [frame | {"at": round(frame["at"], 3)} for frame in frames])


def _add_records(what: str, columns: tuple[str, ...], fields: Callable[[Command], Command]) -> None:
    """The commands for locations and vehicles: list (which is what happens without one), add, change, remove."""
    path = f"{what}s"

    @simulator.group(path, help=f"List, add, change and remove {path}.", invoke_without_command=True)
    @click.pass_context
    def group(context: click.Context) -> None:
        if context.invoked_subcommand is None:
            with show.make_context("list", [], parent=context) as listing:
                show.invoke(listing)

    @command("list", group)
    def show(talk: Talk) -> None:
        talk.table(columns, talk.api.ask("GET", path))

    @command("add", group)
    @_options(click.argument("name"), fields)
    def add_record(talk: Talk, name: str, **given: Any) -> None:
        talk.record(talk.api.ask("POST", path, given={"name": name, **_given(given)}), f"added {name}")

    @command("change", group)
    @_options(click.argument("name"), fields)
    def change_record(talk: Talk, name: str, **given: Any) -> None:
        talk.record(talk.api.ask("PATCH", path, name, given=_given(given)), f"changed {name}")

    @command("remove", group)
    @click.argument("name")
    def remove_record(talk: Talk, name: str) -> None:
        talk.record(talk.api.ask("DELETE", path, name), f"removed {name}")


_add_records("location", LOCATION_COLUMNS, click.option("--address", help="For people to find it."))
_add_records("vehicle", VEHICLE_COLUMNS, _VEHICLE_FIELDS)
_KIND = click.argument("kind", type=click.Choice(["chargers", "vehicles"]))


@command("import")
@_KIND
@click.argument("file", type=click.File("rb"))
def import_file(talk: Talk, kind: str, file: BinaryIO) -> None:
    """Add all chargers or vehicles of a CSV or JSON file (`-`: what is piped in), or none if a line is wrong."""
    body = file.read()
    is_json = file.name.endswith(".json") or body.lstrip().startswith(b"[")
    media_type = "application/json" if is_json else "text/csv"
    try:
        answer = json.loads(talk.api.send("POST", "import", kind, body=body, media_type=media_type))
    except Refusal as refusal:
        for one in refusal.faults:
            column = f" {one['column']}:" if one["column"] else ""
            click.echo(f"line {one['line']}:{column} {one['text']}", err=True)
        raise EnvironmentProblem(f"{file.name}: {refusal}") from None
    talk.record(answer, f"imported {len(answer['imported'])} {kind}")


@command("template")
@_KIND
def template(talk: Talk, kind: str) -> None:
    """Print a CSV file with all columns and an example, to be filled in and imported."""
    say(talk.api.send("GET", "templates", kind), ends_line=False)
