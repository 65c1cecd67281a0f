"""What happens in a run: scenarios, small TOML files that are read before anything is opened, and
the plan that is drawn from one of them and a seed: chargers, visits and incidents.

A scenario describes how visitors and networks behave on average. Only `title` and `hours` are
required; without `sessions-per-day` there are no visitors. All mistakes are reported at once, one
line each with the file, the key and what to give. scenarios/day.toml documents every key.

All is drawn before the first connection. A property of a share of the fleet (DC, a quirk) is
assigned by the charger's index. Everything else comes from the charger's own generators, seeded
with the seed and the charger's identifier. So adding a charger changes nothing for the others, and
a run can be repeated exactly. The exception is `quirks = "each"`, which depends on the size of a
fleet that has fewer chargers than there are quirks.

The agenda of a charger runs its visits and incidents in the order of their simulated times,
whatever else it does.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, field, fields
from enum import StrEnum
from functools import partial
from importlib.resources import files
from importlib.resources.abc import Traversable
from math import ceil, exp, floor
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from levity_trio.config import ConfigError
from levity_trio.records import record
from levity_trio.simulator.charger import connectors
from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.configuration import NOT_SUPPORTED, REJECTED, Configuration
from levity_trio.simulator.charger.state import AC, DC, ChargerSpec, Impossible
from levity_trio.simulator.feeder import FeederSpec
from levity_trio.simulator.physics import (
    ERROR_CODES,
    FOLLOW_SECONDS,
    LEAST_AC_A,
    SLOWEST_SECONDS,
    Vehicle,
)
from levity_trio.simulator.quirks import QUIRKS

Range = tuple[float, float]
_SHOWN_CHARACTERS: Final = 60
_MOST_WEIGHT: Final = 1_000_000
SHORTEST_STAY_HOURS: Final = 0.1
SHORTEST_STAY_MINUTES: Final = 2
"""Enough time to plug in, present the tag twice and leave."""
LONGEST_STAY_HOURS: Final = 72
LEAST_DC_KW: Final = 0.1
EACH: Final = "each"
_SECONDS_PER_HOUR: Final = 3600
_MOST_BYTES: Final = 1024 * 1024
_DAY_MINUTES: Final = 24 * 60
ANY_TIME: Final = (1.0,) * 24
DEFAULT_STAY_HOURS: Final[Range] = (1.0, 4.0)
TAGS: Final = tuple(f"LEVITY-{number:02}" for number in range(1, 31))


class Check(NamedTuple):
    """The values that fit a key, and what to give instead; if it is a list, the same for each
    item."""

    give: str
    fits: Callable[[Any], bool]
    each: Check | None = None


def number(low: float, high: float) -> Check:
    return Check(
        f"give a number from {low:g} to {high:g}",
        lambda value: _is_number(value) and low <= value <= high,
    )


def whole(low: int, high: int) -> Check:
    return Check(
        f"give a whole number from {low} to {high}",
        lambda value: type(value) is int and low <= value <= high,
    )


def span(low: float, high: float) -> Check:
    """Two numbers, the minimum and the maximum."""
    return Check(
        f"give two numbers from {low:g} to {high:g}, the smaller first, such as [{low:g}, "
        f"{high:g}]",
        lambda values: (
            _are_numbers(values) and len(values) == 2 and low <= values[0] <= values[1] <= high
        ),
    )


def weights(count: int) -> Check:
    return Check(
        f"give {count} numbers from 0 to {_MOST_WEIGHT}, at least one of them above 0",
        lambda values: (
            _are_numbers(values)
            and len(values) == count
            and all(0 <= value <= _MOST_WEIGHT for value in values)
            and sum(values) > 0
        ),
    )


def text_of(longest: int, what: str = "text") -> Check:
    def fits(value: object) -> bool:
        if not isinstance(value, str) or not value.isprintable():
            return False
        return 0 < len(value.strip()) <= len(value) <= longest

    return Check(f"give a {what} of 1 to {longest} characters on one line", fits)


def texts(longest: int) -> Check:
    each = text_of(longest, "list of texts, each")
    return Check(each.give, _is_list, each)


def words(known: Sequence[str]) -> Check:
    some = f"some of {', '.join(known)}"
    return Check(f"give a list, {some}", _is_list, Check(f"give {some}", known.__contains__))


FLAG: Final = Check("give true or false", lambda value: isinstance(value, bool))


class Keys:
    """The keys of one table. Each key is read once; `end` reports the keys that were not read as
    unknown.

    A key without a default is required. A wrong value adds a line to `faults`, which a table shares
    with its subtables, and None is returned so that the rest can be read too. `place` locates the
    table in messages.
    """

    def __init__(self, table: Mapping[str, object], place: str, faults: list[str]) -> None:
        self.faults = faults
        self._left = dict(table)
        self._known: dict[str, None] = {}
        self._place = place

    def fill(self, kind: Any, checks: Mapping[str, Check]) -> dict[str, Any]:
        """Read these fields of a record, whose defaults hold for missing keys."""
        defaults = {one.name: one.default for one in fields(kind) if one.default is not MISSING}
        return {
            name: self.read(name.replace("_", "-"), check, defaults.get(name))
            for name, check in checks.items()
        }

    def read(self, key: str, check: Check, default: object = None) -> Any:
        """Return the value or the default; None, with a fault, if it does not fit."""
        value: Any = self._left.get(key, default)
        self.peek(key)
        self._left.pop(key, None)
        if value is None:
            self.faults.append(f"{self._place}{key} is missing: {check.give}")
            return None
        if not check.fits(value):
            self.refuse(key, value, check.give)
            return None
        if check.each is not None:
            for item in value:
                if not check.each.fits(item):
                    self.refuse(key, item, check.each.give)
        return tuple(value) if isinstance(value, list) else value

    def table(self, key: str) -> Keys | None:
        """Read a subtable; None if there is none."""
        if self.peek(key) is None:
            return None
        is_table = Check(f"give a table [{key}]", lambda value: isinstance(value, dict))
        table = self.read(key, is_table)
        return None if table is None else self._below(key, table)

    def tables(self, key: str) -> list[Keys]:
        """Read all tables `[[key]]`."""

        def are_tables(values: Any) -> bool:
            return isinstance(values, list) and all(isinstance(value, dict) for value in values)

        tables = self.read(key, Check(f"give one or more tables [[{key}]]", are_tables), [])
        return [self._below(f"{key}[{at}]", table) for at, table in enumerate(tables or (), 1)]

    def peek(self, key: str) -> object:
        """Return a key's value without marking the key as read; None if it is missing."""
        self._known[key] = None
        return self._left.get(key)

    def names(self) -> list[str]:
        """The keys that were not read yet."""
        return list(self._left)

    def end(self) -> None:
        """Add a fault for every key that was not read."""
        known = ", ".join(self._known)
        for key in self._left:
            self.faults.append(f"{self._place}{key!r} is not known; give some of {known}")

    def refuse(self, key: str, value: object, give: str) -> None:
        """Add a fault; `give` says what to give instead."""
        shown = repr(value)
        shown = shown if len(shown) <= _SHOWN_CHARACTERS else shown[:_SHOWN_CHARACTERS] + "…"
        self.faults.append(f"{self._place}{key} = {shown}: {give}")

    def _below(self, key: str, table: dict[str, object]) -> Keys:
        return Keys(table, f"{self._place}{key}.", self.faults)


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value)


def _are_numbers(values: Any) -> bool:
    return _is_list(values) and all(map(_is_number, values))


class Kind(StrEnum):
    """Incidents: what may go wrong besides quirks. The values are the names of their tables."""

    FAULT = "faults"
    OUTAGE = "outages"
    POWER_CUT = "power-cuts"
    BROWNOUT = "brownouts"
    DEATH = "deaths"
    METER_SWAP = "meter-swaps"


@record
class VehicleKind:
    """One kind of vehicle. 0 kW means no such inlet.

    `share` is its weight in the mix, `soc` the range of its state of charge on arrival, from 0 to
    1. With AC it may taper, too, and ask for no more once it was paused `most_pauses` times (0: it
    always asks). It follows a changed limit after `follow_seconds`.
    """

    name: str
    share: float = 1.0
    battery_kwh: float = 60.0
    ac_kw: float = 11.0
    ac_phases: int = 3
    dc_kw: float = 100.0
    soc: Range = (0.2, 0.6)
    ac_tapers: bool = False
    most_pauses: int = 0
    follow_seconds: float = FOLLOW_SECONDS
    least_a: float = LEAST_AC_A
    """With AC, per phase."""

    def fits(self, power_type: str) -> bool:
        return power_type != DC or self.dc_kw != 0

    def arriving(self, soc: float) -> Vehicle:
        """Return a vehicle of this kind with that state of charge (0 to 1)."""
        return Vehicle(
            name=self.name,
            battery_wh=self.battery_kwh * 1000,
            max_ac_w=self.ac_kw * 1000,
            ac_phases=self.ac_phases,
            max_dc_w=self.dc_kw * 1000,
            soc=soc,
            ac_tapers=self.ac_tapers,
            most_pauses=self.most_pauses,
            follow_seconds=self.follow_seconds,
            least_ac_a=self.least_a,
        )


@record
class Mishaps:
    """How often one kind of incident happens to a charger, and how long it lasts. Only faults have
    error codes."""

    kind: Kind
    per_day: float
    minutes: Range
    error_codes: tuple[str, ...] = ()


VEHICLES: Final = (
    VehicleKind(name="Compact", dc_kw=80.0),
    VehicleKind(name="Sedan", battery_kwh=77.0, dc_kw=150.0),
)


@record
class Scenario:
    """The contents of a scenario file. `first_hour` is the hour of day at which it begins."""

    title: str
    hours: float
    first_hour: int = 0
    chargers: int = 20
    sessions_per_day: float = 0.0
    """Average for each charger."""
    arrivals: tuple[float, ...] = ANY_TIME
    """The weight of each hour of the day, from midnight on."""
    stay_hours: Range = DEFAULT_STAY_HOURS
    tags: tuple[str, ...] = TAGS
    vehicles: tuple[VehicleKind, ...] = VEHICLES
    dc_share: float = 0.0
    signing_share: float = 0.0
    """The share of the chargers whose meters sign."""
    deals_each_quirk: bool = False
    """Quirks are assigned round robin, so that each of them occurs."""
    quirks: Mapping[str, float] = field(default_factory=dict)
    """By quirk: the share of the chargers that have it."""
    mishaps: tuple[Mishaps, ...] = ()
    configuration: Mapping[str, str] = field(default_factory=dict)
    """OCPP configuration keys of all chargers that differ from the simulator's defaults."""
    feeder: FeederSpec | None = None

    @property
    def seconds(self) -> float:
        return self.hours * _SECONDS_PER_HOUR


def shipped() -> dict[str, str]:
    """Return the titles of the scenarios in the package, by name."""
    return {name: load(name).title for name in _shipped_files()}


def load(name_or_path: str) -> Scenario:
    """Load the shipped scenario of that name, or a TOML file. Raises ConfigError."""
    files_by_name = _shipped_files()
    if name_or_path in files_by_name:
        return read(files_by_name[name_or_path].read_text(encoding="utf-8"), f"{name_or_path}.toml")
    shown = name_or_path if name_or_path.isprintable() and name_or_path else repr(name_or_path)
    try:
        text = _text(Path(name_or_path))
    except (OSError, ValueError) as problem:  # missing, not UTF-8, too large, a NUL in the path
        reason = (
            problem.strerror
            if isinstance(problem, OSError)
            else "not a UTF-8 text of at most 1 MiB"
        )
        raise ConfigError(
            f"scenario {shown}: {reason}; give one of {', '.join(files_by_name)}, or the path of "
            "a TOML file"
        ) from None
    return read(text, shown)


def read(text: str, file: str) -> Scenario:
    """Parse a scenario. `file` names it in the messages of ConfigError, which reports all
    mistakes."""
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as problem:
        raise ConfigError(f"{file} is not TOML: {problem}; correct that line") from None
    keys = Keys(table, f"{file}: ", [])
    scenario = _scenario(keys)
    keys.end()
    if keys.faults:
        raise ConfigError(*keys.faults)
    return scenario


def _shipped_files() -> dict[str, Traversable]:
    folder = files("levity_trio.simulator") / "scenarios"
    return {
        file.name.removesuffix(".toml"): file
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
    }


def _text(path: Path) -> str:
    """Raises OSError, or ValueError if the file is not UTF-8 or is too large."""
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"{path} is too large")
    return content.decode("utf-8-sig")


def _scenario(keys: Keys) -> Scenario:
    vehicles = tuple(_vehicle(one) for one in keys.tables("vehicles")) or VEHICLES
    deals_each_quirk = keys.peek("quirks") == EACH
    values = keys.fill(
        Scenario,
        {
            "title": text_of(70),
            "hours": number(0.5, 8784),
            "first_hour": whole(0, 23),
            "chargers": whole(1, 100_000),
            "sessions_per_day": number(0, 200),
            "arrivals": weights(24),
            "tags": texts(20),
            "dc_share": number(0, 1),
            "signing_share": number(0, 1),
        },
    )
    if values["dc_share"] and not any(kind.fits(DC) for kind in vehicles):
        keys.refuse("dc-share", values["dc_share"], "give 0, or a vehicle with dc-kw above 0")
    return Scenario(
        **values,
        stay_hours=_stay_hours(keys),
        vehicles=vehicles,
        deals_each_quirk=deals_each_quirk,
        quirks=_quirks(keys),
        mishaps=tuple(found for kind in Kind if (found := _mishaps(keys, kind))),
        configuration=_configuration(keys),
        feeder=_feeder(keys),
    )


def _feeder(keys: Keys) -> FeederSpec | None:
    if (table := keys.table("feeder")) is None:
        return None
    checks = {
        "amperes": number(6, 10_000),
        "house": weights(24),
        "noise": number(0, 100),
        "panels": number(0, 1000),
        "meter_port": whole(0, 65535),
    }
    ovens = table.read("ovens-per-day", number(0, 100), 3.0)
    feeder = FeederSpec(**table.fill(FeederSpec, checks), steps_per_day=ovens)
    table.end()
    return feeder


def _stay_hours(keys: Keys) -> Range:
    """Read the stay in hours; a file may give it in minutes."""
    stay = keys.peek("stay-hours")
    stays = span(SHORTEST_STAY_HOURS, LONGEST_STAY_HOURS)
    hours: Range = keys.read("stay-hours", stays, DEFAULT_STAY_HOURS)
    if keys.peek("stay-minutes") is None:
        return hours
    if stay is not None:
        keys.refuse("stay-hours", stay, "give either stay-hours or stay-minutes")
    minutes = keys.read("stay-minutes", span(SHORTEST_STAY_MINUTES, LONGEST_STAY_HOURS * 60))
    return (minutes[0] / 60, minutes[1] / 60) if minutes else hours


def _vehicle(keys: Keys) -> VehicleKind:
    values = keys.fill(
        VehicleKind,
        {
            "name": text_of(50),
            "share": number(0.001, 1000),
            "battery_kwh": number(1, 1000),
            "ac_kw": number(1.4, 43),
            "ac_phases": whole(1, 3),
            "soc": span(0, 1),
            "ac_tapers": FLAG,
            "most_pauses": whole(0, 1000),
            "follow_seconds": number(0, SLOWEST_SECONDS),
        },
    )
    # None is an inlet that is told wrong.
    dc_kw = keys.read("dc-kw", number(0, 1000), 0.0)
    if dc_kw and dc_kw < LEAST_DC_KW:
        keys.refuse("dc-kw", dc_kw, f"give {LEAST_DC_KW:g} to 1000, or 0 for no DC inlet")
    least_a = keys.read("least-amperes", number(LEAST_AC_A, 32), LEAST_AC_A)
    keys.end()
    return VehicleKind(**values, dc_kw=dc_kw, least_a=least_a)


def _quirks(keys: Keys) -> Mapping[str, float]:
    shares: dict[str, float] = {}
    if keys.peek("quirks") == EACH:
        keys.read("quirks", text_of(len(EACH)))
    elif (table := keys.table("quirks")) is not None:
        shares = {
            name: table.read(name, number(0, 1)) for name in QUIRKS if table.peek(name) is not None
        }
        table.end()
    return MappingProxyType(shares)


def _mishaps(keys: Keys, kind: Kind) -> Mishaps | None:
    if (table := keys.table(kind)) is None:
        return None
    checks = {"per_day": number(0, 100), "minutes": span(0.1, _DAY_MINUTES)}
    values = table.fill(Mishaps, checks)
    if kind is Kind.FAULT:
        values["error_codes"] = table.read("error-codes", words(ERROR_CODES), ERROR_CODES)
    table.end()
    return Mishaps(kind=kind, **values)


def _configuration(keys: Keys) -> Mapping[str, str]:
    """Return the keys and values as a simulated charger stores them; it also validates them."""
    kept: dict[str, str] = {}
    if (table := keys.table("configuration")) is not None:
        charger = Configuration(kept, connectors=1)
        for key in table.names():
            value = table.peek(key)
            answer = charger.change(key, str(value))
            if answer == NOT_SUPPORTED:
                table.refuse(key, value, "give a configuration key of OCPP 1.6 (§9)")
            if answer == REJECTED:
                table.refuse(key, value, "give a value that the key accepts (OCPP 1.6 §9)")
    return MappingProxyType(kept)


HOUR: Final = 3600
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
LAST_QUIET_SECONDS: Final = 600
"""Nothing happens at the very end, so that messages queued during an outage still reach the central
system."""
_HOURS_PER_DAY: Final = 24
_TAG_FIRST_SHARE: Final = 0.3
_ENDS_BY_TAG_SHARE: Final = 0.6
_BETWEEN_SECONDS: Final = (3, 40)
"""Between plug and tag; shorter than a charger's ConnectionTimeOut."""
_FAREWELL_SECONDS: Final = 30
_CHANGING_SECONDS: Final = (60, 600)
_NOTICED_SHARE: Final = 0.5
_OLDEST_SWAPPED_WH: Final = 9_000_000
NOTICED_SECONDS: Final = 60.0


def dice_of(seed: int, *what: str) -> Random:
    """Return a generator for this purpose, independent of the generators for other purposes."""
    return Random(":".join((str(seed), *what)))  # noqa: S311 - people and weather are no secrets


def is_dealt(index: int, share: float, offset: float) -> bool:
    """Whether the charger at `index` belongs to the `share`, which is spread evenly from `offset`
    (0 to 1) on."""
    return floor((index + 1) * share + offset) > floor(index * share + offset)


def moments(rates: Sequence[float], end: float, dice: Random) -> Iterator[float]:
    """Yield the events of a Poisson process before `end`, in order, in whole seconds.

    `rates` are the mean numbers of events in each hour.
    """
    for hour, rate in enumerate(rates):
        thrown = sorted(
            float(hour * HOUR + dice.randrange(HOUR)) for _ in range(_count(rate, dice))
        )
        yield from (moment for moment in thrown if moment < end)


def _count(mean: float, dice: Random) -> int:
    """Draw a Poisson number by Knuth's algorithm; exp(-mean) must not underflow (means up to a few
    hundred)."""
    least = exp(-mean)
    count, product = 0, dice.random()
    while product > least:
        count, product = count + 1, product * dice.random()
    return count


def plate(scenario: Scenario, index: int, chargers: int, seed: int) -> ChargerSpec:
    """Return the specification of the charger at this index (from 0) of a fleet of `chargers`."""
    identity = f"SIM-{index + 1:03}"
    dice = dice_of(seed, identity, "spec")
    if scenario.deals_each_quirk:
        names = list(QUIRKS)
        quirks = tuple(names[index % len(names) :: chargers])
    else:
        shares = scenario.quirks.items()
        quirks = tuple(
            name
            for name, share in shares
            if is_dealt(index, share, dice_of(seed, "quirks", name).random())
        )
    power_type = DC if is_dealt(index, scenario.dc_share, dice_of(seed, DC).random()) else AC
    signs = is_dealt(index, scenario.signing_share, dice_of(seed, "signing").random())
    model = dice.choice(_MODELS[power_type])
    if SHARED in quirks:
        model = _MODELS[power_type][-1]
    kind = {"vendor": "Levity", "power_type": power_type, **model}
    if GRIZZLE in quirks:
        kind = {"vendor": "United Chargers", "model": "Grizzl-E Smart", "max_current_a": 40.0}
    return ChargerSpec(
        id=identity,
        serial_number=f"{dice.randrange(10**10):010}",
        register_wh=dice.randrange(_OLDEST_REGISTER_WH),
        signing_seed=str(seed) if signs else "",
        quirks=quirks,
        **kind,  # type: ignore[arg-type]  # each has the type of its field, which a dict cannot express
    )


class Order(StrEnum):
    """The visitor's first action."""

    PLUG_FIRST = "plug first"
    TAG_FIRST = "tag first"


class Ending(StrEnum):
    """The visitor's last action at the charger."""

    TAG = "tag"
    UNPLUG = "unplug"


@record
class Visit:
    """One vehicle on one connector. `at` is the visitor's first action, in simulated seconds from
    the start."""

    at: float
    connector: int
    vehicle: Vehicle
    id_tag: str
    order: Order
    between_seconds: float
    """Between plug and tag, in either order."""
    stay_seconds: float
    """From `at` until the vehicle is unplugged."""
    ending: Ending

    @property
    def plug_at(self) -> float:
        return self.at if self.order is Order.PLUG_FIRST else self.at + self.between_seconds

    @property
    def tag_at(self) -> float:
        return self.at if self.order is Order.TAG_FIRST else self.at + self.between_seconds

    @property
    def stop_tag_at(self) -> float | None:
        """When the tag is presented again to stop; None if the visitor just unplugs."""
        return self.unplug_at - _FAREWELL_SECONDS if self.ending is Ending.TAG else None

    @property
    def unplug_at(self) -> float:
        return self.at + self.stay_seconds


@record
class Incident:
    """Something that goes wrong from `at` on for `seconds`, both in simulated seconds.

    `connector` and `error_code` belong to faults. `is_noticed` belongs to deaths: visitors who were
    charging present their tags again when the power is back. `register_wh` belongs to meter swaps:
    it is the new meters' first register.
    """

    at: float
    kind: Kind
    seconds: float
    connector: int = 0
    error_code: str = ""
    is_noticed: bool = False
    register_wh: int = 0


@record(kw_only=False)
class ChargerPlan:
    """One charger with its visits and incidents, each in order of time."""

    spec: ChargerSpec
    visits: tuple[Visit, ...]
    incidents: tuple[Incident, ...]


@record(kw_only=False)
class Plan:
    """A whole run; `seconds` is its simulated length."""

    seconds: float
    chargers: tuple[ChargerPlan, ...]

    @property
    def visits(self) -> int:
        return sum(len(charger.visits) for charger in self.chargers)


def fleet(scenario: Scenario, chargers: int, seed: int) -> tuple[ChargerSpec, ...]:
    """Return the specifications of the chargers SIM-001, SIM-002, …"""
    return tuple(plate(scenario, index, chargers, seed) for index in range(chargers))


def plan(scenario: Scenario, specs: Sequence[ChargerSpec], seed: int) -> Plan:
    plans = []
    for spec in specs:
        visits = _visits(scenario, spec, dice_of(seed, spec.id, "visits"))
        incidents: list[Incident] = []
        for mishaps in scenario.mishaps:
            dice = dice_of(seed, spec.id, mishaps.kind)
            incidents += _incidents(scenario, mishaps, spec, dice)
        incidents.sort(key=lambda incident: incident.at)
        plans.append(ChargerPlan(spec, tuple(visits), tuple(incidents)))
    return Plan(scenario.seconds, tuple(plans))


def _visits(scenario: Scenario, spec: ChargerSpec, dice: Random) -> list[Visit]:
    """Draw visits, in order of time. A visitor who finds all connectors in use waits for the first
    free one."""
    free_at = [0.0] * spec.connectors
    visits: list[Visit] = []
    per_weight = scenario.sessions_per_day / sum(scenario.arrivals)
    hours = (
        scenario.arrivals[(scenario.first_hour + hour) % _HOURS_PER_DAY]
        for hour in range(ceil(scenario.hours))
    )
    for moment in moments([weight * per_weight for weight in hours], _end(scenario), dice):
        connector = min(range(spec.connectors), key=free_at.__getitem__)
        visit = _visit(scenario, spec, dice, connector + 1, max(moment, free_at[connector]))
        if visit is not None:
            visits.append(visit)
            free_at[connector] = visit.unplug_at + dice.randint(*_CHANGING_SECONDS)
    return sorted(visits, key=lambda visit: visit.at)


def _visit(
    scenario: Scenario, spec: ChargerSpec, dice: Random, connector: int, at: float
) -> Visit | None:
    """Draw a visit from `at` on, shortened to the scenario's end.

    None if less than the shortest stay is left, or no vehicle has a fitting inlet.
    """
    least, most = (round(hours * HOUR) for hours in scenario.stay_hours)
    left = floor(_end(scenario) - at)
    kinds = [kind for kind in scenario.vehicles if kind.fits(spec.power_type)]
    if left < least or not kinds:
        return None
    (kind,) = dice.choices(kinds, [kind.share for kind in kinds])
    return Visit(
        at=at,
        connector=connector,
        vehicle=kind.arriving(round(dice.uniform(*kind.soc), 3)),
        id_tag=dice.choice(scenario.tags),
        order=Order.TAG_FIRST if dice.random() < _TAG_FIRST_SHARE else Order.PLUG_FIRST,
        between_seconds=dice.randint(*_BETWEEN_SECONDS),
        stay_seconds=min(dice.randint(least, most), left),
        ending=Ending.TAG if dice.random() < _ENDS_BY_TAG_SHARE else Ending.UNPLUG,
    )


def _incidents(
    scenario: Scenario, mishaps: Mishaps, spec: ChargerSpec, dice: Random
) -> Iterator[Incident]:
    """Draw incidents of one kind that do not overlap."""
    over_at = 0.0
    rates = [mishaps.per_day / _HOURS_PER_DAY] * ceil(scenario.hours)
    for moment in moments(rates, _end(scenario), dice):
        seconds = round(dice.uniform(*mishaps.minutes) * 60)
        details: dict[str, Any] = {}
        if mishaps.kind is Kind.FAULT:
            details["connector"] = dice.randint(1, spec.connectors)
            details["error_code"] = dice.choice(mishaps.error_codes)
        elif mishaps.kind is Kind.DEATH:
            details["is_noticed"] = dice.random() < _NOTICED_SHARE
        elif mishaps.kind is Kind.METER_SWAP:
            details["register_wh"] = dice.choice((0, dice.randrange(_OLDEST_SWAPPED_WH)))
        if over_at < moment <= _end(scenario) - seconds:
            yield Incident(at=moment, kind=mishaps.kind, seconds=seconds, **details)
            over_at = moment + seconds


def _end(scenario: Scenario) -> float:
    return scenario.seconds - LAST_QUIET_SECONDS


def schedule(charger: Charger, plan: ChargerPlan) -> None:
    """Put all visits and incidents of a plan on the charger's agenda."""
    for visit in plan.visits:
        _schedule_visit(charger, visit)
    for incident in plan.incidents:
        over_at = incident.at + incident.seconds
        charger.agenda.plan(incident.at, partial(_begin, charger, incident), is_own=False)
        charger.agenda.plan(over_at, partial(_finish, charger, incident), is_own=False)


def _attempt(deed: Callable[..., None], *details: object) -> None:
    """Do what a visitor does. One who finds the charger faulted, without power or in use drives
    on."""
    with suppress(Impossible):
        deed(*details)


def _schedule_visit(charger: Charger, visit: Visit) -> None:
    plan, number = partial(charger.agenda.plan, is_own=False), visit.connector
    show_tag = partial(_attempt, charger.present_tag, number, visit.id_tag)

    def show_again(at: float) -> None:
        if charger.connectors[number].transaction is not None:  # else a power cut ended it already
            show_tag(at)

    plan(visit.plug_at, partial(_attempt, charger.plug, number, visit.vehicle))
    plan(visit.tag_at, show_tag)
    if visit.stop_tag_at is not None:
        plan(visit.stop_tag_at, show_again)
    plan(visit.unplug_at, partial(_attempt, charger.unplug, number))


def _die(charger: Charger, incident: Incident, at: float) -> None:
    """Cut the power and lose the transactions. Visitors who notice present their tags again after
    it returns."""
    charging = [
        (connector, transaction.id_tag)
        for connector in charger.connectors
        if (transaction := connector.transaction) is not None
    ]
    charger.fail(at, keeps_sessions=False)

    def show_again(at: float) -> None:
        for connector, tag in charging:
            if connector.transaction is None and connector.meter.is_plugged:
                _attempt(charger.present_tag, connector.number, tag, at)

    if incident.is_noticed:
        noticed_at = incident.at + incident.seconds + NOTICED_SECONDS
        charger.agenda.plan(noticed_at, show_again, is_own=False)


def _begin(charger: Charger, incident: Incident, at: float) -> None:
    match incident.kind:
        case Kind.FAULT:
            charger.fault(incident.connector, incident.error_code, at)
        case Kind.OUTAGE:
            charger.go_offline(at)
        case Kind.BROWNOUT:
            charger.fail(at, keeps_sessions=True)
        case Kind.DEATH:
            _die(charger, incident, at)
        case Kind.POWER_CUT | Kind.METER_SWAP:
            charger.power_off(at)


def _finish(charger: Charger, incident: Incident, at: float) -> None:
    if incident.kind is Kind.FAULT:
        charger.clear_fault(incident.connector, at)
    elif incident.kind is Kind.OUTAGE:
        charger.go_online(at)
    else:
        if incident.kind is Kind.METER_SWAP:
            connectors.swap(charger, incident.register_wh, at)
        charger.power_on(at)
