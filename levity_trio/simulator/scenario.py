"""Scenarios: small TOML files that describe what happens to a simulated fleet, read before anything
is opened.

A scenario describes how visitors and networks behave on average; plan.py draws the moments from it.
Only `title` and `hours` are required; without `sessions-per-day` there are no visitors. All
mistakes are reported at once, one line each with the file, the key and what to give.
scenarios/day.toml documents every key.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, field, fields
from enum import StrEnum
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from levity_trio.config import ConfigError
from levity_trio.records import record
from levity_trio.simulator.charger.configuration import NOT_SUPPORTED, REJECTED, Configuration
from levity_trio.simulator.charger.state import DC
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
