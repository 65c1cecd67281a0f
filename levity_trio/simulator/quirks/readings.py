"""Changes to the readings in a payload: those of MeterValues, and the transactionData of StopTransaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from levity_trio.simulator.charger.outbox import Payload
from levity_trio.simulator.ledger import is_register

Sample = dict[str, Any]

PLACES: Final[Mapping[str, str]] = {"MeterValues": "meterValue", "StopTransaction": "transactionData"}
"""The field with the readings, by action."""


def with_values(action: str, payload: Payload, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Payload:
    """Return a copy with `change` applied to each meterValue; the payload itself if it has none."""
    place = PLACES.get(action)
    if place not in payload:
        return payload
    return {**payload, place: [change(value) for value in payload[place]]}


def with_samples(action: str, payload: Payload, change: Callable[[str, Sample], Sample]) -> Payload:
    """The same for each sampledValue; `change` also gets the timestamp of its meterValue."""

    def changed(value: dict[str, Any]) -> dict[str, Any]:
        timestamp = value["timestamp"]
        return {**value, "sampledValue": [change(timestamp, sample) for sample in value["sampledValue"]]}

    return with_values(action, payload, changed)


def with_registers(action: str, payload: Payload, change: Callable[[str, int], int]) -> Payload:
    """The same for each reading of the energy register; `change` gets its timestamp and Wh, and returns Wh."""

    def changed(timestamp: str, sample: Sample) -> Sample:
        if not is_register(sample):
            return sample
        return {**sample, "value": str(change(timestamp, int(sample["value"])))}

    return with_samples(action, payload, changed)
