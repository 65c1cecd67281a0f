"""The specifications of a scenario's chargers, including their quirks.

A property of a share of the fleet (DC, a quirk) is assigned by the charger's index, everything else by the charger's
own random generator. So adding a charger changes nothing for the others. The exception is `quirks = "each"`, which
depends on the size of a fleet that has fewer chargers than there are quirks.
"""

from __future__ import annotations

from typing import Final

from levity_trio.simulator.charger.spec import AC, DC, ChargerSpec
from levity_trio.simulator.dice import dice_of, is_dealt
from levity_trio.simulator.quirks import QUIRKS
from levity_trio.simulator.scenario import Scenario

_OLDEST_REGISTER_WH: Final = 9_000_000
GRIZZLE: Final = "grizzl-e"
SHARED: Final = "shared-meter"
"""Needs a charger with two connectors."""
_MODELS: Final = {
    AC: (
        {"model": "Home 7", "phases": 1, "max_current_a": 32.0},
        {"model": "Home 11", "phases": 3, "max_current_a": 16.0},
        {"model": "Duo 22", "phases": 3, "max_current_a": 32.0, "connectors": 2},
    ),
    DC: (
        {"model": "Fast 50", "phases": 3, "max_power_w": 50_000.0},
        {"model": "Fast 150", "phases": 3, "max_power_w": 150_000.0, "connectors": 2},
    ),
}


def plate(scenario: Scenario, index: int, chargers: int, seed: int) -> ChargerSpec:
    """Return the specification of the charger at this index (from 0) of a fleet of `chargers`."""
    identity = f"SIM-{index + 1:03}"
    dice = dice_of(seed, identity, "spec")
    quirks = _quirks_of(scenario, index, chargers, seed)
    power_type = DC if is_dealt(index, scenario.dc_share, dice_of(seed, DC).random()) else AC
    kind = {"vendor": "Levity", "power_type": power_type, **dice.choice(_MODELS[power_type])}
    if SHARED in quirks:
        kind = {"vendor": "Levity", "power_type": power_type, **_MODELS[power_type][-1]}
    if GRIZZLE in quirks:
        kind = {"vendor": "United Chargers", "model": "Grizzl-E Smart", "max_current_a": 40.0}
    return ChargerSpec(
        id=identity,
        serial_number=f"{dice.randrange(10**10):010}",
        register_wh=dice.randrange(_OLDEST_REGISTER_WH),
        quirks=quirks,
        **kind,  # type: ignore[arg-type]  # each has the type of its field, which a dict cannot express
    )


def _quirks_of(scenario: Scenario, index: int, chargers: int, seed: int) -> tuple[str, ...]:
    if scenario.deals_each_quirk:
        names = list(QUIRKS)
        return tuple(names[index % len(names) :: chargers])
    shares = scenario.quirks.items()
    return tuple(name for name, share in shares if is_dealt(index, share, dice_of(seed, "quirks", name).random()))
