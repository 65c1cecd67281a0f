"""What people do at a charger, by the names used in the API and on the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from levity_trio.records import record
from levity_trio.simulator.charger.spec import ChargerSpec
from levity_trio.simulator.model.states import ERROR_CODES, Status
from levity_trio.simulator.model.vehicle import Vehicle
from levity_trio.simulator.park import forms
from levity_trio.simulator.park.forms import Invalid, Problem
from levity_trio.simulator.park.park import Action, SendCall
from levity_trio.simulator.park.registry import Registry

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
    """An action's form, its lowest connector, and the function that makes the action (of registry,
    form, connector)."""

    form: type[Any]
    least: int
    make: Callable[[Registry, Any, int], Action]


def _plug(registry: Registry, form: Plug, connector: int) -> Action:
    vehicle = ANY_VEHICLE if form.vehicle is None else registry.vehicles.get(form.vehicle)
    if vehicle is None:
        known = ", ".join(registry.vehicles) or "none, add one first"
        raise Invalid([Problem("vehicle", f"{form.vehicle} is not known; known vehicles: {known}")])
    return lambda charger, at: charger.plug(connector, vehicle, at)


ACTIONS: Final[Mapping[str, Kind]] = {
    "plug": Kind(Plug, 1, _plug),
    "unplug": Kind(
        ConnectorForm, 1, lambda _, _form, number: lambda charger, at: charger.unplug(number, at)
    ),
    "tag": Kind(
        WithTag,
        1,
        lambda _, form, number: lambda charger, at: charger.present_tag(number, form.tag, at),
    ),
    "start": Kind(
        WithTag, 1, lambda _, form, number: lambda charger, at: charger.start(number, form.tag, at)
    ),
    "stop": Kind(
        ConnectorForm, 1, lambda _, _form, number: lambda charger, at: charger.stop(number, at)
    ),
    "fault": Kind(
        Failure,
        0,
        lambda _, form, number: lambda charger, at: charger.fault(number, form.error_code, at),
    ),
    "clear-fault": Kind(
        ConnectorForm,
        0,
        lambda _, _form, number: lambda charger, at: charger.clear_fault(number, at),
    ),
    "status": Kind(
        Bring,
        0,
        lambda _, form, number: lambda charger, at: charger.set_status(number, form.status, at),
    ),
    "meter": Kind(
        Register,
        1,
        lambda _, form, number: lambda charger, at: charger.set_register(number, form.wh, at),
    ),
    "answer": Kind(
        Forced,
        0,
        lambda _, form, _number: (
            lambda charger, at: charger.force_answer(form.action, form.status, at)
        ),
    ),
    "offline": Kind(
        ChargerForm, 0, lambda _, _form, _number: lambda charger, at: charger.go_offline(at)
    ),
    "online": Kind(
        ChargerForm, 0, lambda _, _form, _number: lambda charger, at: charger.go_online(at)
    ),
}


def action(
    name: str, registry: Registry, spec: ChargerSpec, content: Mapping[str, object]
) -> Action:
    """Return the action of that name. Raises Invalid, or KeyError for a name that is not in
    ACTIONS."""
    kind = ACTIONS[name]
    form = forms.read(kind.form, content)
    if not isinstance(form, ConnectorForm):
        return kind.make(registry, form, 0)
    number = 1 if form.connector is None and spec.connectors == 1 else form.connector
    if number is None or not kind.least <= number <= spec.connectors:
        raise Invalid([Problem("connector", f"give {kind.least} to {spec.connectors}")])
    return kind.make(registry, form, number)


def demand(content: Mapping[str, object]) -> SendCall:
    """Return the request to send a message. Raises Invalid."""
    form = forms.read(Demand, content)
    return lambda charger, then, at: charger.send(
        form.action, form.payload, form.connector, then, at
    )
