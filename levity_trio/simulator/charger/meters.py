"""What the meters truly counted, and what they show; a register may be reset, leap, or be another meter's."""

from __future__ import annotations

from levity_trio.simulator.charger.connector import Connector
from levity_trio.simulator.charger.state import State
from levity_trio.simulator.model.meter import shown_wh


def registers(charger: State, connector: Connector, at: float) -> tuple[int, int]:
    """The true register and the one that it shows, in whole Wh."""
    true_wh = _true_wh(connector, at)
    shown = true_wh + charger.memory.offsets[connector.number]
    return true_wh, charger.quirks.shown(charger, connector, shown, at)


def reset(charger: State, number: int, at: float) -> None:
    """The register begins again at 0."""
    set_register(charger, number, 0, at)


def set_register(charger: State, number: int, wh: int, at: float) -> None:
    """The register shows this from now on."""
    charger.memory.offsets[number] = wh - _true_wh(charger.connectors[number], at)


def leap(charger: State, number: int, wh: int) -> None:
    """The register leaps by so much, and stays there."""
    charger.memory.offsets[number] += wh


def swap(charger: State, register_wh: int, at: float) -> None:
    """An electrician puts in other meters, which show this."""
    for connector in charger.connectors[1:]:
        set_register(charger, connector.number, register_wh, at)
    charger.memory.meters += 1


def _true_wh(connector: Connector, at: float) -> int:
    connector.meter.advance(at)
    return shown_wh(connector.meter.register_wh)
