"""`levity-trio simulator …`: commands for the chargers of a running `levity-trio simulate
--control`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, BinaryIO, Final

import click

from levity_trio.cli.declaring import (
    JSON,
    WIDE,
    Callback,
    Decorator,
    Group,
    Whole,
    argument,
    examples_of,
    option,
    present,
    together,
)
from levity_trio.cli.operator import CA
from levity_trio.cli.terminal import Output, say, show_below, show_record, warn
from levity_trio.client import Api, Refusal, Sought
from levity_trio.config import EnvironmentProblem
from levity_trio.simulator.park import DEFAULT_URL

CHARGER_COLUMNS = (
    "id",
    "vendor",
    "model",
    "power_type",
    "location",
    "auto_connect",
    "state",
    "statuses",
    "quirks",
)
CONNECTOR_COLUMNS = (
    "number",
    "status",
    "error_code",
    "is_plugged",
    "soc",
    "power_w",
    "register_wh",
    "id_tag",
    "transaction_id",
)
LOCATION_COLUMNS = ("name", "address")
VEHICLE_COLUMNS = ("name", "battery_wh", "max_ac_w", "ac_phases", "max_dc_w", "soc")

SIMULATOR = Sought("simulator", "start `levity-trio simulate --control 9100`, or give --api")
EXAMPLES: Final = """\
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

Each command is a request to the HTTP API of a running simulator (--api or LEVITY_SIMULATOR_API, by
default http://127.0.0.1:9100). That API has no authentication and by default listens on this
machine only.

Exit status: 0 on success, 1 when the simulator refuses or does not run, 2 for wrong usage.
"""
OF_COMMANDS: Final = """\
  levity-trio simulator chargers
  levity-trio simulator change CP-1 --firmware-version 2.0
  levity-trio simulator remove CP-1
  levity-trio simulator connect CP-1
  levity-trio simulator disconnect CP-1
  levity-trio simulator unplug CP-1
  levity-trio simulator start CP-1 04A2B3C4
  levity-trio simulator stop CP-1
  levity-trio simulator fault CP-1 GroundFailure
  levity-trio simulator clear-fault CP-1
  levity-trio simulator status CP-1 Unavailable --connector 1
  levity-trio simulator offline CP-1
  levity-trio simulator online CP-1
  levity-trio simulator configuration CP-1
  levity-trio simulator configuration CP-1 HeartbeatInterval 60
  levity-trio simulator locations list
  levity-trio simulator locations add Garage
  levity-trio simulator locations change Garage --address "Bauhof 12"
  levity-trio simulator locations remove Garage
  levity-trio simulator vehicles list
  levity-trio simulator vehicles change Compact --soc 0.8
  levity-trio simulator vehicles remove Compact
"""
"""These examples are only in the help of their commands."""


class Client(Output):
    """The API of the simulator, and the output of its responses as text or JSON."""

    def __init__(self, url: str, ca: Path | None = None, *, is_json: bool) -> None:
        super().__init__(is_json=is_json)
        self.api = Api(url, SIMULATOR, ca=ca)
        self.ask = self.api.ask


@click.group("simulator", cls=Group, epilog=EXAMPLES, invoke_without_command=True)
@click.pass_context
def simulator(context: click.Context) -> None:
    """Show and control the chargers of a running simulator."""
    if context.invoked_subcommand is None:
        say(context.get_help())


_API = option(
    "--api URL", "URL of the simulator's API.", default=DEFAULT_URL, envvar="LEVITY_SIMULATOR_API"
)


def command(name: str, group: click.Group = simulator) -> Callable[[Callback], click.Command]:
    """Decorate `function(client, …)` as a command with the options that all commands share."""

    def decorate(function: Callback) -> click.Command:
        @JSON
        @_API
        @CA
        @wraps(function)
        def run(api: str, ca: Path | None, is_json: bool, **options: Any) -> None:
            function(Client(api, ca, is_json=is_json), **options)

        words = ("simulator",) if group is simulator else ("simulator", str(group.name))
        return group.command(name, epilog=examples_of(f"{EXAMPLES}{OF_COMMANDS}", *words, name))(
            run
        )

    return decorate


_CHARGER = argument("CHARGER")
_CONNECTOR = option("--connector -c", "Number of the connector, if there are several.", type=int)
_CHARGER_FIELDS = together(
    option("--vendor", "Vendor in its BootNotification."),
    option("--model", "Model in its BootNotification."),
    option("--serial-number", "Serial number in its BootNotification."),
    option("--firmware-version", "Firmware version in its BootNotification."),
    option("--connectors", "Number of connectors.", type=int),
    option("--power-type", "AC or DC."),
    option("--phases", "Number of phases for AC, 1 or 3.", type=int),
    option("--max-current-a", "Maximum current per phase for AC, in A.", type=float),
    option("--max-power-w", "Maximum power for DC, in W.", type=float),
    option("--register-wh", "Initial value of its meter registers, in Wh.", type=int),
    option("--security-profile", "Security profile, 0 to 3 (OCPP security whitepaper).", type=int),
    option("--password", "Password for security profiles 1 and 2."),
    option("--signing-seed", "Text from which its meters' keys are made: they sign (OCMF)."),
    option("--quirk", "Quirk of the charger; can be repeated.", "quirks", multiple=True),
    option("--location", "Name of its location."),
    option("--auto-connect/--no-auto-connect", "Connect automatically.", default=None),
)
_VEHICLE_FIELDS = together(
    option("--battery-wh", "Capacity of its battery, in Wh.", type=float),
    option("--max-ac-w", "Maximum AC power, in W; 0 if it has no AC inlet.", type=float),
    option("--ac-phases", "Number of phases of its onboard charger.", type=int),
    option("--max-dc-w", "Maximum DC power, in W; 0 if it has no DC inlet.", type=float),
    option("--soc", "State of charge on arrival, 0 to 1.", type=float),
)


@command("chargers")
@argument("[CHARGER]")
@WIDE
def chargers(client: Client, charger: str | None) -> None:
    """List the chargers, or show one with its connectors."""
    if charger is None:
        client.table(CHARGER_COLUMNS, client.ask("GET", "chargers"))
    else:
        record = client.ask("GET", "chargers", charger)
        if not client.is_told(record):
            connectors = record.pop("connector", [])
            show_record(record)
            show_below(CONNECTOR_COLUMNS, connectors)


@command("add")
@_CHARGER
@_CHARGER_FIELDS
def add(client: Client, charger: str, **fields: Any) -> None:
    """Add a charger. It connects at once unless --no-auto-connect is given."""
    record = client.ask("POST", "chargers", given={"id": charger, **present(fields)})
    client.tell(record, f"added {charger}")


@command("change")
@_CHARGER
@_CHARGER_FIELDS
def change(client: Client, charger: str, **fields: Any) -> None:
    """Change a charger. It must be disconnected, except to change location or auto-connect."""
    client.tell(
        client.ask("PATCH", "chargers", charger, given=present(fields)), f"changed {charger}"
    )


@command("remove")
@_CHARGER
def remove(client: Client, charger: str) -> None:
    """Remove a charger and its state."""
    client.tell(client.ask("DELETE", "chargers", charger), f"removed {charger}")


_TAG = argument("TAG")
_VEHICLE = option("--vehicle", "Name of a vehicle (`simulator vehicles`); any vehicle by default.")
_ACTIONS: Mapping[str, tuple[str, Sequence[Decorator]]] = {
    "connect": ("Switch on a charger's power, so that it connects.", ()),
    "disconnect": ("Cut a charger's power.", ()),
    "plug": ("Plug in a vehicle.", (_VEHICLE, _CONNECTOR)),
    "unplug": ("Unplug the cable.", (_CONNECTOR,)),
    "tag": (
        (
            "Present a tag to a charger.\n\nThe tag starts a transaction, or stops the "
            "transaction that it started."
        ),
        (_TAG, _CONNECTOR),
    ),
    "start": (
        "Start a transaction without authorization.\n\nA vehicle must be plugged in.",
        (_TAG, _CONNECTOR),
    ),
    "stop": ("Stop the transaction, as a button on the charger does.", (_CONNECTOR,)),
    "meter": (
        "Set the register that a connector reports.\n\nThe true energy does not change.",
        (
            option("--wh", "Value of the register, in Wh.", type=int, required=True),
            _CONNECTOR,
        ),
    ),
    "fault": (
        (
            "Cause a fault of a connector.\n\nConnector 0 is the whole charger. ERROR_CODE is one "
            "of OCPP 1.6 §7.6."
        ),
        (argument("[ERROR_CODE]"), _CONNECTOR),
    ),
    "clear-fault": ("Clear the fault that `fault` caused.", (_CONNECTOR,)),
    "status": (
        "Set the status of a connector.\n\nOCPP 1.6 §4.9 must allow the transition.",
        (argument("STATUS"), _CONNECTOR),
    ),
    "offline": (
        "Cut a charger's network.\n\nThe charger continues to charge and queues its messages.",
        (),
    ),
    "online": ("Restore a charger's network.", ()),
    "answer": (
        (
            "Answer calls of ACTION with STATUS without executing them."
            "\n\nSTATUS can be an error code such as NotSupported. Without STATUS the charger "
            "answers normally again."
            " Disconnecting the charger has the same effect."
        ),
        (argument("ACTION"), argument("[STATUS]")),
    ),
}
"""Actions at a charger, by their name in the API: the help, and the parameters."""


def _add_action(action: str, text: str, parameters: Sequence[Decorator]) -> None:
    @together(_CHARGER, *parameters)
    def run(client: Client, charger: str, **arguments: Any) -> None:
        state = client.ask("POST", "chargers", charger, action, given=present(arguments))
        client.tell(
            state, f"{charger} {state['state']}: {' '.join(state['statuses']) or 'no power'}"
        )

    run.__doc__ = text
    command(action)(run)


for _name, (_text, _parameters) in _ACTIONS.items():
    _add_action(_name, _text, _parameters)


@command("send")
@_CHARGER
@argument("ACTION")
@argument("[PAYLOAD]")
@option("--connector -c", "Connector of the message, without PAYLOAD  [default: 1].", type=int)
def send(
    client: Client, charger: str, action: str, payload: str | None, connector: int | None
) -> None:
    """Send a message and print the response.

    PAYLOAD, a JSON object, is sent unchanged. Without PAYLOAD the charger fills in its present
    state; ACTION is then BootNotification, Heartbeat, StatusNotification or MeterValues. The
    response does not affect the charger.
    """
    try:
        sent = None if payload is None else json.loads(payload)
    except ValueError as problem:
        raise click.BadParameter(f"not valid JSON: {problem}", param_hint="PAYLOAD") from None
    body = present({"action": action, "payload": sent, "connector": connector})
    response = client.ask("POST", "chargers", charger, "send", given=body)
    client.tell(response, json.dumps(response["payload"]))


@command("configuration")
@_CHARGER
@argument("[KEY]")
@argument("[VALUE]")
@WIDE
def configuration(client: Client, charger: str, key: str | None, value: str | None) -> None:
    """Show the configuration or one key of it, or change a key."""
    path = ("chargers", charger, "configuration")
    if key is None:
        client.table(("key", "value", "readonly"), client.ask("GET", *path))
    elif value is None:
        client.record(client.ask("GET", *path, key))
    else:
        client.record(client.ask("PUT", *path, key, given={"value": value}))


@command("log")
@_CHARGER
@option("--limit", "Maximum number of frames.", type=Whole(1, 500), default=50)
@WIDE
def show_log(client: Client, charger: str, limit: int) -> None:
    """Show the last OCPP frames of a charger.

    Times are seconds of the simulation.
    """
    frames = client.ask("GET", "chargers", charger, "log", query={"limit": limit})
    client.table(
        ("at", "direction", "text"), [frame | {"at": round(frame["at"], 3)} for frame in frames]
    )


def _add_records(kind: str, columns: tuple[str, ...], fields: Decorator) -> None:
    """Add the commands list (the default), add, change and remove for locations or vehicles."""
    path = f"{kind}s"

    @simulator.group(
        path, help=f"List, add, change and remove {path}.", invoke_without_command=True
    )
    @click.pass_context
    def group(context: click.Context) -> None:
        if context.invoked_subcommand is None:
            with show.make_context("list", [], parent=context) as listing:
                show.invoke(listing)

    @command("list", group)
    @WIDE
    def show(client: Client) -> None:
        """List all."""
        client.table(columns, client.ask("GET", path))

    @command("add", group)
    @together(argument("NAME"), fields)
    def add_record(client: Client, name: str, **values: Any) -> None:
        """Add one."""
        client.tell(
            client.ask("POST", path, given={"name": name, **present(values)}), f"added {name}"
        )

    @command("change", group)
    @together(argument("NAME"), fields)
    def change_record(client: Client, name: str, **values: Any) -> None:
        """Change one; what is not given stays."""
        client.tell(client.ask("PATCH", path, name, given=present(values)), f"changed {name}")

    @command("remove", group)
    @argument("NAME")
    def remove_record(client: Client, name: str) -> None:
        """Remove one."""
        client.tell(client.ask("DELETE", path, name), f"removed {name}")


_add_records("location", LOCATION_COLUMNS, option("--address", "Postal address."))
_add_records("vehicle", VEHICLE_COLUMNS, _VEHICLE_FIELDS)
_KIND = click.argument("kind", type=click.Choice(["chargers", "vehicles"]))


@command("import")
@_KIND
@argument("FILE", type=click.File("rb"))
def import_file(client: Client, kind: str, file: BinaryIO) -> None:
    """Add chargers or vehicles from a CSV or JSON file.

    `-` is stdin. If a line is wrong, nothing is added.
    """
    body = file.read()
    is_json = file.name.endswith(".json") or body.lstrip().startswith(b"[")
    media_type = "application/json" if is_json else "text/csv"
    try:
        response = json.loads(
            client.api.send("POST", "import", kind, body=body, media_type=media_type)
        )
    except Refusal as refusal:
        for fault in refusal.document.get("faults", []):
            column = f" {fault['column']}:" if fault["column"] else ""
            warn(f"line {fault['line']}:{column} {fault['text']}")
        raise EnvironmentProblem(f"{file.name}: {refusal}") from None
    client.tell(response, f"imported {len(response['imported'])} {kind}")


@command("template")
@_KIND
def template(client: Client, kind: str) -> None:
    """Print a CSV template for import.

    It has all columns and an example.
    """
    say(client.api.send("GET", "templates", kind), ends_line=False)
