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
from dataclasses import field
from enum import StrEnum
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

from levity_trio.config import ConfigError
from levity_trio.records import record
from levity_trio.simulator.charger.configuration import NOT_SUPPORTED, REJECTED, Configuration
from levity_trio.simulator.charger.spec import DC
from levity_trio.simulator.feeder import HOUSE, FeederSpec
from levity_trio.simulator.model.states import ERROR_CODES
from levity_trio.simulator.model.vehicle import FOLLOW_SECONDS, LEAST_AC_A, SLOWEST_SECONDS, Vehicle
from levity_trio.simulator.quirks import QUIRKS

Range = tuple[float, float]
T = TypeVar("T")
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


class Keys:
    """The keys of one table. Each key is read once; `end` reports the keys that were not read as
    unknown.

    A key without a default is required. A wrong value adds a line to `faults`, which a table shares
    with its subtables, and a substitute is returned so that the rest can be read too. `file` and
    `path` locate the table in messages.
    """

    def __init__(
        self,
        table: Mapping[str, object],
        file: str,
        path: str = "",
        faults: list[str] | None = None,
    ) -> None:
        self.faults: list[str] = [] if faults is None else faults
        self._left = dict(table)
        self._known: dict[str, None] = {}
        self._file = file
        self._path = path

    def number(self, key: str, low: float, high: float, default: float | None = None) -> float:
        give = f"give a number from {low:g} to {high:g}"
        return self._read(
            key, default, give, lambda value: _is_number(value) and low <= value <= high, high
        )

    def whole(self, key: str, low: int, high: int, default: int | None = None) -> int:
        give = f"give a whole number from {low} to {high}"
        return self._read(
            key,
            default,
            give,
            lambda value: isinstance(value, int) and _is_number(value) and low <= value <= high,
            high,
        )

    def flag(self, key: str) -> bool:
        return self._read(
            key, False, "give true or false", lambda value: isinstance(value, bool), False
        )

    def range(self, key: str, low: float, high: float, default: Range | None = None) -> Range:
        """Read two numbers, the minimum and the maximum."""
        give = (
            f"give two numbers from {low:g} to {high:g}, the smaller first, such as [{low:g}, "
            f"{high:g}]"
        )

        def is_range(values: Any) -> bool:
            return (
                _are_numbers(values) and len(values) == 2 and low <= values[0] <= values[1] <= high
            )

        least, most = self._read(key, default, give, is_range, (low, high))
        return least, most

    def weights(self, key: str, count: int, default: Sequence[float]) -> tuple[float, ...]:
        give = f"give {count} numbers from 0 to {_MOST_WEIGHT}, at least one of them above 0"

        def are_weights(values: Any) -> bool:
            is_list = _are_numbers(values) and len(values) == count
            return (
                is_list and all(0 <= value <= _MOST_WEIGHT for value in values) and sum(values) > 0
            )

        return tuple(self._read(key, default, give, are_weights, default))

    def text(self, key: str, longest: int) -> str:
        give = f"give a text of 1 to {longest} characters on one line"
        return self._read(key, None, give, lambda value: _is_text(value, longest), "")

    def texts(self, key: str, longest: int, default: Sequence[str]) -> tuple[str, ...]:
        give = f"give a list of texts, each of 1 to {longest} characters on one line"
        return self._listed(key, default, give, lambda value: _is_text(value, longest), give)

    def words(self, key: str, known: Sequence[str]) -> tuple[str, ...]:
        """Read a list of known words; all of them if the key is missing."""
        some = f"some of {', '.join(known)}"
        return self._listed(key, known, f"give a list, {some}", known.__contains__, f"give {some}")

    def table(self, key: str) -> Keys | None:
        """Read a subtable; None if there is none."""
        if self.peek(key) is None:
            return None
        nothing: dict[str, object] | None = None
        table = self._read(
            key, None, f"give a table [{key}]", lambda value: isinstance(value, dict), nothing
        )
        return None if table is None else self._below(key, table)

    def tables(self, key: str) -> list[Keys]:
        """Read all tables `[[key]]`."""
        give = f"give one or more tables [[{key}]]"

        def are_tables(values: Any) -> bool:
            return isinstance(values, list) and all(isinstance(value, dict) for value in values)

        tables: list[Any] = self._read(key, [], give, are_tables, [])
        return [self._below(f"{key}[{number}]", table) for number, table in enumerate(tables, 1)]

    def peek(self, key: str) -> object:
        """Return a key's value without marking the key as read; None if it is missing."""
        self._known[key] = None
        return self._left.get(key)

    def names(self) -> list[str]:
        """The keys that were not read yet."""
        return list(self._left)

    def end(self) -> None:
        """Add a fault for every key that was not read."""
        for key in self._left:
            self.faults.append(
                f"{self._place(repr(key))} is not known; give some of {', '.join(self._known)}"
            )

    def refuse(self, key: str, value: object, give: str) -> None:
        """Add a fault; `give` says what to give instead."""
        shown = repr(value)
        shown = shown if len(shown) <= _SHOWN_CHARACTERS else shown[:_SHOWN_CHARACTERS] + "…"
        self.faults.append(f"{self._place(key)} = {shown}: {give}")

    def _read(
        self, key: str, default: object, give: str, is_fit: Callable[[Any], bool], instead: T
    ) -> T:
        """Return the value or the default if `is_fit` accepts it; else add a fault and return
        `instead`."""
        self._known[key] = None
        value: Any = self._left.pop(key, default)
        if value is None:
            self.faults.append(f"{self._place(key)} is missing: {give}")
            return instead
        if not is_fit(value):
            self.refuse(key, value, give)
            return instead
        fit: T = value
        return fit

    def _listed(
        self,
        key: str,
        default: Sequence[str],
        give: str,
        is_fit: Callable[[Any], bool],
        give_each: str,
    ) -> tuple[str, ...]:
        values: Sequence[Any] = self._read(key, default, give, _is_list, default)
        for value in values:
            if not is_fit(value):
                self.refuse(key, value, give_each)
        return tuple(values)

    def _below(self, key: str, table: dict[str, object]) -> Keys:
        return Keys(table, self._file, f"{self._path}{key}.", self.faults)

    def _place(self, key: str) -> str:
        return f"{self._file}: {self._path}{key}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value)


def _are_numbers(values: Any) -> bool:
    return _is_list(values) and all(map(_is_number, values))


def _is_text(value: object, longest: int) -> bool:
    return (
        isinstance(value, str)
        and 0 < len(value.strip()) <= len(value) <= longest
        and value.isprintable()
    )


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
        return power_type != DC or self.dc_kw > 0

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
    keys = Keys(table, file)
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
    dc_share = keys.number("dc-share", 0, 1, 0.0)
    if dc_share and not any(kind.fits(DC) for kind in vehicles):
        keys.refuse("dc-share", dc_share, "give 0, or a vehicle with dc-kw above 0")
    deals_each_quirk = keys.peek("quirks") == EACH
    return Scenario(
        title=keys.text("title", 70),
        hours=keys.number("hours", 0.5, 8784),
        first_hour=keys.whole("first-hour", 0, 23, 0),
        chargers=keys.whole("chargers", 1, 100_000, 20),
        sessions_per_day=keys.number("sessions-per-day", 0, 200, 0.0),
        arrivals=keys.weights("arrivals", 24, ANY_TIME),
        stay_hours=_stay_hours(keys),
        tags=keys.texts("tags", 20, TAGS),
        vehicles=vehicles,
        dc_share=dc_share,
        deals_each_quirk=deals_each_quirk,
        quirks=_quirks(keys),
        mishaps=tuple(found for kind in Kind if (found := _mishaps(keys, kind))),
        configuration=_configuration(keys),
        feeder=_feeder(keys),
    )


def _feeder(keys: Keys) -> FeederSpec | None:
    if (table := keys.table("feeder")) is None:
        return None
    feeder = FeederSpec(
        amperes=table.number("amperes", 6, 10_000),
        house=table.weights("house", 24, HOUSE),
        steps_per_day=table.number("ovens-per-day", 0, 100, 3.0),
        noise=table.number("noise", 0, 100, 0.75),
        meter_port=table.whole("meter-port", 0, 65535, 0),
    )
    table.end()
    return feeder


def _stay_hours(keys: Keys) -> Range:
    """Read the stay in hours; a file may give it in minutes."""
    stay = keys.peek("stay-hours")
    hours = keys.range("stay-hours", SHORTEST_STAY_HOURS, LONGEST_STAY_HOURS, DEFAULT_STAY_HOURS)
    if keys.peek("stay-minutes") is None:
        return hours
    if stay is not None:
        keys.refuse("stay-hours", stay, "give either stay-hours or stay-minutes")
    least, most = keys.range("stay-minutes", SHORTEST_STAY_MINUTES, LONGEST_STAY_HOURS * 60)
    return least / 60, most / 60


def _vehicle(keys: Keys) -> VehicleKind:
    vehicle = VehicleKind(
        name=keys.text("name", 50),
        share=keys.number("share", 0.001, 1000, 1.0),
        battery_kwh=keys.number("battery-kwh", 1, 1000, 60.0),
        ac_kw=keys.number("ac-kw", 1.4, 43, 11.0),
        ac_phases=keys.whole("ac-phases", 1, 3, 3),
        dc_kw=_dc_kw(keys),
        soc=keys.range("soc", 0, 1, (0.2, 0.6)),
        ac_tapers=keys.flag("ac-tapers"),
        most_pauses=keys.whole("most-pauses", 0, 1000, 0),
        follow_seconds=keys.number("follow-seconds", 0, SLOWEST_SECONDS, FOLLOW_SECONDS),
        least_a=keys.number("least-amperes", LEAST_AC_A, 32, LEAST_AC_A),
    )
    keys.end()
    return vehicle


def _dc_kw(keys: Keys) -> float:
    kw = keys.number("dc-kw", 0, 1000, 0.0)
    if 0 < kw < LEAST_DC_KW:
        keys.refuse("dc-kw", kw, f"give {LEAST_DC_KW:g} to 1000, or 0 for no DC inlet")
    return kw


def _quirks(keys: Keys) -> Mapping[str, float]:
    shares: dict[str, float] = {}
    if keys.peek("quirks") == EACH:
        keys.text("quirks", len(EACH))
    elif (table := keys.table("quirks")) is not None:
        shares = {name: table.number(name, 0, 1) for name in QUIRKS if table.peek(name) is not None}
        table.end()
    return MappingProxyType(shares)


def _mishaps(keys: Keys, kind: Kind) -> Mishaps | None:
    if (table := keys.table(kind)) is None:
        return None
    mishaps = Mishaps(
        kind=kind,
        per_day=table.number("per-day", 0, 100),
        minutes=table.range("minutes", 0.1, _DAY_MINUTES),
        error_codes=table.words("error-codes", ERROR_CODES) if kind is Kind.FAULT else (),
    )
    table.end()
    return mishaps


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
