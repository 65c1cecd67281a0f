"""Chargers as a read has seen them."""

from __future__ import annotations

from typing import Any

from levity_trio.store.reads.now.entities import SeenCharger, SeenConnector, SeenSession


def session(**given: Any) -> SeenSession:
    """Return a session that draws 16 A on three phases, unless told otherwise."""
    told = {
        "transaction": 7,
        "energy_wh": 4200,
        "power_w": 11_040.4,
        "offered_a": 16.0,
        "is_suspended": False,
    }
    phases = {"phases_a": {"L1": 16.0, "L2": 15.98, "L3": 16.004}}
    return SeenSession(**{**told, **phases, "who": "Anna", **given})


def connector(number: int = 1, **given: Any) -> SeenConnector:
    """Return a connector that nobody uses, unless told otherwise."""
    told = {"status": "Available", "error": None, "is_in_service": True, "session": None}
    return SeenConnector(connector=number, **{**told, **given})


def charger(identity: str = "CP-1", *connectors: SeenConnector, **given: Any) -> SeenCharger:
    """Return a charger that is connected, with these connectors or one."""
    told = {
        "name": "Space 7",
        "vendor": "United Chargers",
        "model": "Grizzl-E",
        "firmware": "5.6",
        "is_connected": True,
    }
    return SeenCharger(
        id=identity,
        connectors=connectors or (connector(),),
        **{**told, "energy_wh": 12_000, **given},
    )
