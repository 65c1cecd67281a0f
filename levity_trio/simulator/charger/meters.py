"""True and reported registers. A reported register may be reset, jump, or belong to a replaced meter."""

from __future__ import annotations

from levity_trio.simulator.charger.connector import Connector
from levity_trio.simulator.charger.state import State
from levity_trio.simulator.model.meter import shown_wh


def registers(charger: State, connector: Connector, at: float) -> tuple[int, int]:
    """Return the true and the reported register, in whole Wh."""
    true_wh = _true_wh(connector, at)
    shown = true_wh + charger.memory.offsets[connector.number]
    return true_wh, charger.quirks.shown(charger, connector, shown, at)


def reset(charger: State, number: int, at: float) -> None:
    set_register(charger, number, 0, at)


def set_register(charger: State, number: int, wh: int, at: float) -> None:
    """Set the reported register, whatever a quirk adds to it: connectors with one meter then still report one."""
    _, shown_wh = registers(charger, charger.connectors[number], at)
    charger.memory.offsets[number] += wh - shown_wh


def leap(charger: State, number: int, wh: int) -> None:
    """Raise the reported register for good."""
    charger.memory.offsets[number] += wh


def swap(charger: State, register_wh: int, at: float) -> None:
    """Replace all meters by others with this register."""
    for connector in charger.connectors[1:]:
        set_register(charger, connector.number, register_wh, at)
    charger.memory.meters += 1


def _true_wh(connector: Connector, at: float) -> int:
    connector.meter.advance(at)
    return shown_wh(connector.meter.register_wh)
