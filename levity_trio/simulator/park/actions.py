"""What people do at a charger, by the names used in the API and on the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from levity_trio.records import record
from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.state import ChargerSpec
from levity_trio.simulator.park.park import (
    Action,
    Invalid,
    Problem,
    Registry,
    SendCall,
    plain,
    read_form,
)
from levity_trio.simulator.physics import ERROR_CODES, Status, Vehicle

LONGEST_TAG: Final = 20  # IdToken, OCPP 1.6 §7.28
LONGEST_ACTION: Final = 50
ANY_VEHICLE: Final = Vehicle(name="any vehicle")


@record
class ConnectorForm:
    """A connector; optional if the charger has only one."""

    connector: int | None = None


@record
class Plug(ConnectorForm):
    """The name of a vehicle of the park; None for a default vehicle."""

    vehicle: str | None = None


@record
class WithTag(ConnectorForm):
    tag: str

    def __post_init__(self) -> None:
        if not 0 < len(self.tag) <= LONGEST_TAG:
            raise ValueError(f"tag: give 1 to {LONGEST_TAG} characters")


@record
class Failure(ConnectorForm):
    error_code: str = "OtherError"

    def __post_init__(self) -> None:
        if self.error_code not in ERROR_CODES:
            raise ValueError(f"error_code: give one of {', '.join(ERROR_CODES)}")


@record
class Bring(ConnectorForm):
    status: str

    def __post_init__(self) -> None:
        if self.status not in list(Status):
            raise ValueError(f"status: give one of {', '.join(Status)}")


@record
class Register(ConnectorForm):
    wh: int

    def __post_init__(self) -> None:
        if self.wh < 0:
            raise ValueError("wh: give 0 or more")


@record
class Forced:
    """The status with which to answer calls of an action from now on; None restores normal
    responses."""

    action: str
    status: str | None = None


@record
class Demand:
    """A call to send. Without a payload the charger composes one for this connector."""

    action: str
    payload: dict[str, Any] | None = None
    connector: int = 1

    def __post_init__(self) -> None:
        if not 0 < len(self.action) <= LONGEST_ACTION:
            raise ValueError(f"action: give 1 to {LONGEST_ACTION} characters")


@record
class ChargerForm:
    """The whole charger; no fields."""


class Kind(NamedTuple):
    """An action's form, its lowest connector, and the method of a charger: it gets the values of
    the form, in their order, and the moment."""

    form: type[Any]
    least: int
    deed: Callable[..., object]


ACTIONS: Final[Mapping[str, Kind]] = {
    "plug": Kind(Plug, 1, Charger.plug),
    "unplug": Kind(ConnectorForm, 1, Charger.unplug),
    "tag": Kind(WithTag, 1, Charger.present_tag),
    "start": Kind(WithTag, 1, Charger.start),
    "stop": Kind(ConnectorForm, 1, Charger.stop),
    "fault": Kind(Failure, 0, Charger.fault),
    "clear-fault": Kind(ConnectorForm, 0, Charger.clear_fault),
    "status": Kind(Bring, 0, Charger.set_status),
    "meter": Kind(Register, 1, Charger.set_register),
    "answer": Kind(Forced, 0, Charger.force_answer),
    "offline": Kind(ChargerForm, 0, Charger.go_offline),
    "online": Kind(ChargerForm, 0, Charger.go_online),
}


def action(
    name: str, registry: Registry, spec: ChargerSpec, content: Mapping[str, object]
) -> Action:
    """Return the action of that name. Raises Invalid, or KeyError for a name that is not in
    ACTIONS."""
    kind = ACTIONS[name]
    values = plain(read_form(kind.form, content))
    if "connector" in values:
        if values["connector"] is None and spec.connectors == 1:
            values["connector"] = 1
        number = values["connector"]
        if number is None or not kind.least <= number <= spec.connectors:
            raise Invalid([Problem("connector", f"give {kind.least} to {spec.connectors}")])
    if "vehicle" in values:
        values["vehicle"] = _vehicle(registry, values["vehicle"])
    return lambda charger, at: kind.deed(charger, *values.values(), at)


def _vehicle(registry: Registry, name: str | None) -> Vehicle:
    vehicle = ANY_VEHICLE if name is None else registry.vehicles.get(name)
    if vehicle is None:
        known = ", ".join(registry.vehicles) or "none, add one first"
        raise Invalid([Problem("vehicle", f"{name} is not known; known vehicles: {known}")])
    return vehicle


def demand(content: Mapping[str, object]) -> SendCall:
    """Return the request to send a message. Raises Invalid."""
    form = read_form(Demand, content)
    return lambda charger, then, at: charger.send(
        form.action, form.payload, form.connector, then, at
    )
