"""The readings in a payload: those of MeterValues, and those that go with a stop (transactionData)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from levity_trio.simulator.charger.mail import Payload
from levity_trio.simulator.ledger import is_register

Sample = dict[str, Any]

PLACES: Final[Mapping[str, str]] = {"MeterValues": "meterValue", "StopTransaction": "transactionData"}
"""Where an action carries its readings."""


def with_values(action: str, payload: Payload, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Payload:
    """A copy in which each meterValue is what `change` makes of it; the payload itself where it has none."""
    place = PLACES.get(action)
    if place not in payload:
        return payload
    return {**payload, place: [change(value) for value in payload[place]]}


def with_samples(action: str, payload: Payload, change: Callable[[str, Sample], Sample]) -> Payload:
    """The same for each sampledValue; `change` is told the time of its meterValue too."""

    def changed(value: dict[str, Any]) -> dict[str, Any]:
        timestamp = value["timestamp"]
        return {**value, "sampledValue": [change(timestamp, sample) for sample in value["sampledValue"]]}

    return with_values(action, payload, changed)


def with_registers(action: str, payload: Payload, change: Callable[[str, int], int]) -> Payload:
    """The same for each reading of the energy register: `change` is told its time and Wh, and gives other Wh."""

    def changed(timestamp: str, sample: Sample) -> Sample:
        if not is_register(sample):
            return sample
        return {**sample, "value": str(change(timestamp, int(sample["value"])))}

    return with_samples(action, payload, changed)
