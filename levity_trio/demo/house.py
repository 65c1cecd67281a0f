"""The house: its households with their cars, and its chargers. The history was made with the same
ones."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from levity_trio.simulator.charger.state import ChargerSpec
from levity_trio.simulator.feeder import HOUSE, ROTATIONS, FeederSpec
from levity_trio.simulator.physics import Vehicle
from levity_trio.told import Figure, Quantity, Told

NAME: Final = "Bauhof 12"
TIME_ZONE: Final = "Europe/Berlin"
SPEED: Final = 30
"""How fast the demo's clock runs: a day takes 48 minutes."""
SPACES: Final = 20
FAULTED: Final = "SPACE-17"
FAULT: Final = "GroundFailure"
UNTRIED: Final = "SPACE-20"
"""Its firmware is older, and no trial has shown that it obeys limits."""
FIRMWARE, OLDER = "2.4.1", "2.3.0"
TRIED: Final = {
    "limit": Told(
        "from {1} to {2} A at a limit of {3} A, by {4}",
        16,
        Figure(6, 1),
        6,
        Told("way {1}, level {2}", 1, 8),
    ),
    "ends": Told("after {1} s", 121),
    "zero": Told("paused, then {1} A", Figure(10, 1)),
    "least": Told("{1} A at a limit of {2} A", Figure(6, 1), 6),
    "reset": Told("{1} A at most", Figure(6, 1)),
    "link": Told("{1} A on average, then {2} A", Figure(8.7, 1), Figure(6, 1)),
    "waits": Told("{1} in {2}, then {3} A", Quantity(61, "Wh"), Quantity(184, "s"), Figure(6, 1)),
}
"""What each step of the trial found that the others have passed."""
FACTS: Final = {"way": 1, "level": 8, "zero": True, "least": 6, "waits": True, "passed": True}
OWNER: Final = "Clara Berg"
"""The owner, who runs the site."""


class Household(NamedTuple):
    """A household: its tag, its own space, and its car (battery in Wh, power in W)."""

    name: str
    tag: str
    space: int
    car: str
    battery_wh: int
    watts: int
    phases: int

    def arrives(self, soc: float) -> Vehicle:
        """Return its car with this state of charge, from 0 to 1."""
        return Vehicle(
            name=self.car,
            battery_wh=self.battery_wh,
            max_ac_w=self.watts,
            ac_phases=self.phases,
            max_dc_w=0,
            soc=soc,
        )


HOUSEHOLDS: Final = (
    Household("Anna Becker", "04A2B3C4", 1, "Hatchback", 58_000, 11_000, 3),
    Household("Jonas and Mira Weber", "04F1D022", 2, "Estate", 77_000, 11_000, 3),
    Household("Öztürk family", "049E7710", 3, "Van", 90_000, 11_000, 3),
    Household("Lena Schäfer", "0411AA58", 4, "Small car", 24_000, 3_600, 1),
    Household("Peter Nowak", "04C04F6E", 5, "Hatchback", 40_000, 6_600, 2),
    Household("Ines Hoffmann", "0477E3B1", 6, "Saloon", 82_000, 11_000, 3),
    Household("Tom Lindqvist", "04DD0912", 7, "Hatchback", 52_000, 7_200, 2),
    Household("Ruth Steiner", "0455BC07", 8, "Small car", 36_000, 6_600, 2),
    Household("Samuel and Ada Okafor", "04E81A93", 9, "Estate", 64_000, 11_000, 3),
    Household("Paul Dubois", "0430C7F5", 10, "Plug-in hybrid", 13_000, 3_600, 1),
    Household("Maria Rossi", "049B62D8", 11, "Hatchback", 45_000, 7_200, 2),
    Household("Krüger family", "0468F41C", 12, "Van", 77_000, 11_000, 3),
)
NEIGHBOUR: Final = HOUSEHOLDS[0]
"""The demo opens the page of this household."""
BY_QUARTER: Final = (NEIGHBOUR, HOUSEHOLDS[1], HOUSEHOLDS[5], HOUSEHOLDS[10])
"""They pay by the quarter of an hour, and less for sun from the roof."""
SIGNING: Final = NEIGHBOUR.space
"""The space whose meter signs what it measures."""
LABELLED: Final = 14
"""The space whose label the demo shows: a shared one, which is mostly free."""
SHARED: Final = tuple(range(len(HOUSEHOLDS) + 1, SPACES + 1))
"""The spaces that belong to no household."""


def charger_id(space: int) -> str:
    return f"SPACE-{space:02}"


CHARGERS: Final = tuple(map(charger_id, range(1, SPACES + 1)))


FEEDER: Final = FeederSpec(
    amperes=25.0,
    house=[0.6 * amperes for amperes in HOUSE],
    steps_per_day=0.0,
    noise=0.3,
    panels=16.0,
)
"""Of the whole block: too small for all cars at once. Twelve households cook beside them, and
nobody turns an oven on: at the demo's speed, a car that gives way to it would be seen above the
limit."""
PANELS: Final = "Roof"
WAIT_SECONDS: Final = 1800
METER_STALE_SECONDS: Final = 600
"""Of the demo's clock, which runs fast."""


def safe_limit(charger: str) -> int:
    """Return what a charger gives in an outage of the server, in A: one car on each phase has
    something."""
    return 6 if charger in CHARGERS[: len(ROTATIONS)] else 0


def default_profile(charger: str) -> dict[str, Any]:
    """Return the charging profile that load management has left in a charger: who starts without it
    waits."""
    periods = [(0, 0.0), (WAIT_SECONDS, float(safe_limit(charger)))]
    return {
        "chargingProfileId": 9_900_001,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [
                {"startPeriod": at, "limit": amperes} for at, amperes in periods
            ],
        },
    }


def feeder_document(meter_port: int | None = None) -> str:
    """Return the site of load management: the feeder with its meter and that of the panels, the
    chargers as they are wired. Without a port, its meters tell by themselves."""
    circuit = f'[[circuit]]\nname = "Feeder"\namperes = {FEEDER.amperes:g}\nmeter = "House"\n'
    lines = [f'{circuit}panels = "{PANELS}"\n']
    for unit, name in enumerate(("House", PANELS), 1):
        meter = f'[[meter]]\nname = "{name}"\nstale_seconds = {METER_STALE_SECONDS}\n'
        if meter_port is not None:
            meter += f'kind = "modbus"\naddress = "127.0.0.1:{meter_port}"\nunit = {unit}\n'
            meter += 'model = "SDM630"\nevery_seconds = 0.5\n'
        lines.append(meter)
    for number, charger in enumerate(CHARGERS):
        rotation = ROTATIONS[number % len(ROTATIONS)]
        wired = (
            f'rotation = "{rotation}"\nmost = 16\nsafe = {safe_limit(charger)}\nsafe_lines = 1\n'
        )
        lines.append(f'[[charger]]\nid = "{charger}"\n{wired}')
    return "\n".join(lines)


def plate(charger: str, register_wh: int) -> ChargerSpec:
    """Return the specification of a charger whose meter shows this."""
    return ChargerSpec(
        id=charger,
        vendor="Levity",
        model="Simulated 11",
        serial_number=f"L11-{CHARGERS.index(charger) + 4701}",
        firmware_version=OLDER if charger == UNTRIED else FIRMWARE,
        phases=3,
        max_current_a=16.0,
        register_wh=register_wh,
        signing_seed=NAME if charger == charger_id(SIGNING) else "",
    )


def configuration(reading_seconds: int) -> dict[str, str]:
    """Return the OCPP configuration of the chargers, which send a reading so often."""
    return {
        "MeterValueSampleInterval": str(reading_seconds),
        "MeterValuesSampledData": (
            "Energy.Active.Import.Register,Power.Active.Import,Current.Import"
        ),
        "ConnectionTimeOut": "180",
    }
