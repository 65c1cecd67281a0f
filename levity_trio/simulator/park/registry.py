"""The park's data: locations, vehicles, and chargers with their memories; and the file that keeps
them.

The file is read once and replaced atomically.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson

from levity_trio.config import ConfigError, EnvironmentProblem
from levity_trio.records import record
from levity_trio.simulator.charger.state import ChargerSpec, Memory
from levity_trio.simulator.park import forms
from levity_trio.simulator.park.forms import Invalid, Problem
from levity_trio.simulator.physics import Vehicle
from levity_trio.simulator.quirks import QUIRKS
from levity_trio.writing import opened, replace

T = TypeVar("T")

DEFAULT_LOCATION: Final = "Garage"
VERSION: Final = 1


@record
class Location:
    """Where chargers stand. Raises ValueError whose message says what to give."""

    name: str
    address: str = ""

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("name: give at least one visible character")


@record
class Placement:
    """Where a charger stands, and whether it connects by itself when it is added and at each
    start."""

    location: str = DEFAULT_LOCATION
    auto_connect: bool = True


@dataclass(slots=True)
class StoredCharger:
    spec: ChargerSpec
    placement: Placement
    memory: Memory

    def plain(self) -> dict[str, Any]:
        """Return its flat JSON object."""
        return forms.plain(self.spec) | forms.plain(self.placement)


CHARGER_KINDS: Final = (ChargerSpec, Placement)
"""A charger's flat JSON object, or CSV row, has the fields of these."""


class NameInUse(ValueError):
    """The name exists already, or is still in use."""


@dataclass(slots=True)
class Registry:
    """All records by name; changed by its own methods only."""

    locations: dict[str, Location] = field(default_factory=dict)
    vehicles: dict[str, Vehicle] = field(default_factory=dict)
    chargers: dict[str, StoredCharger] = field(default_factory=dict)

    def seed(self) -> None:
        """Add a default location if there is none, for chargers that name none."""
        if not self.locations:
            self.locations[DEFAULT_LOCATION] = Location(name=DEFAULT_LOCATION)

    def check(self, spec: ChargerSpec, placement: Placement) -> None:
        """Raises Invalid if a charger names an unknown location or quirk."""
        problems = []
        if placement.location not in self.locations:
            text = f"is not known; give one of {', '.join(self.locations) or 'none yet'}"
            problems.append(Problem("location", text))
        if unknown := [name for name in spec.quirks if name not in QUIRKS]:
            text = f"{unknown[0]} is not known; give some of {', '.join(QUIRKS)}"
            problems.append(Problem("quirks", text))
        if problems:
            raise Invalid(problems)

    def add_charger(self, spec: ChargerSpec, placement: Placement) -> StoredCharger:
        """Raises Invalid, or NameInUse."""
        self.check(spec, placement)
        if spec.id in self.chargers:
            raise NameInUse(
                f"charger {spec.id} exists already; give another id, or change that one"
            )
        stored = self.chargers[spec.id] = StoredCharger(spec, placement, Memory.fresh(spec))
        return stored

    def change_charger(
        self, stored: StoredCharger, spec: ChargerSpec, placement: Placement
    ) -> None:
        """Change a charger's specification, keeping as much of its memory as still fits. Raises
        Invalid."""
        self.check(spec, placement)
        memory, fresh = stored.memory, Memory.fresh(spec)
        if spec.register_wh != stored.spec.register_wh:  # the meters were replaced
            memory.registers, memory.offsets = fresh.registers, fresh.offsets
        memory.registers = _fitted(memory.registers, fresh.registers)
        memory.offsets = _fitted(memory.offsets, fresh.offsets)
        memory.is_operative = _fitted(memory.is_operative, fresh.is_operative)
        if spec.firmware_version != stored.spec.firmware_version:
            memory.firmware_version = spec.firmware_version
        stored.spec, stored.placement = spec, placement

    def remove_location(self, name: str) -> None:
        """Raises NameInUse if chargers stand there."""
        standing = [one.spec.id for one in self.chargers.values() if one.placement.location == name]
        if standing:
            raise NameInUse(
                f"location {name} is in use by {', '.join(standing[:5])}; move or remove them first"
            )
        del self.locations[name]

    def to_json(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "locations": [forms.plain(location) for location in self.locations.values()],
            "vehicles": [forms.plain(vehicle) for vehicle in self.vehicles.values()],
            "chargers": [
                {
                    "spec": forms.plain(charger.spec),
                    **forms.plain(charger.placement),
                    "memory": charger.memory.to_json(),
                }
                for charger in self.chargers.values()
            ],
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Registry:
        """Raises Invalid, KeyError, TypeError or ValueError if to_json did not write it."""
        if stored["version"] != VERSION:
            raise ValueError(
                f"its version is {stored['version']}, and this program reads version {VERSION}"
            )
        registry = cls()
        for location in stored["locations"]:
            registry.locations[location["name"]] = forms.read(Location, location)
        for vehicle in stored["vehicles"]:
            registry.vehicles[vehicle["name"]] = forms.read(Vehicle, vehicle)
        for charger in stored["chargers"]:
            spec = forms.read(ChargerSpec, charger["spec"])
            placement = Placement(
                location=charger["location"], auto_connect=charger["auto_connect"]
            )
            registry.check(spec, placement)
            registry.chargers[spec.id] = StoredCharger(
                spec, placement, _memory(spec, charger["memory"])
            )
        return registry


def _memory(spec: ChargerSpec, stored: dict[str, Any]) -> Memory:
    """Raises ValueError, and what Memory.from_json raises."""
    memory, fresh = Memory.from_json(stored), Memory.fresh(spec)
    for one in fields(Memory):
        if not _is_like(getattr(memory, one.name), getattr(fresh, one.name)):
            raise ValueError(f"field {one.name} of charger {spec.id} has the wrong type or length")
    return memory


def _is_like(own: object, fresh: object) -> bool:
    """Whether both have the same type; lists by connector are compared item by item."""
    if isinstance(fresh, float):
        return isinstance(own, float | int)  # JSON edited by hand may have 1 for 1.0
    if type(own) is not type(fresh):
        return False
    if isinstance(own, list) and isinstance(fresh, list) and fresh:
        return len(own) == len(fresh) and all(map(_is_like, own, fresh))
    return True


def _fitted(own: list[T], fresh: list[T]) -> list[T]:
    """Return one value for each connector, a fresh one for each new connector."""
    return (own + fresh[len(own) :])[: len(fresh)]


@contextmanager
def owned(path: Path) -> Iterator[None]:
    """Lock the file for this process while the block runs: two processes would overwrite each
    other's changes.

    Raises EnvironmentProblem if another process holds the lock, or the lock file cannot be opened.
    """
    lock = Path(f"{path.resolve()}.lock")
    is_new = not lock.exists()
    try:
        descriptor = opened(lock, os.O_RDWR)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        _take(descriptor, path)
        yield
    except ConfigError:  # not a file of this program
        if is_new:
            lock.unlink()
        raise
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        text = f"another simulator runs on {path}; stop it, or choose another file with --state"
        raise EnvironmentProblem(text) from error


def read_registry(path: Path) -> Registry:
    """Read the file, and add a default location if it has none. A missing file is an empty park.

    Raises ConfigError for a file that this program did not write.
    """
    try:
        registry = Registry.from_json(orjson.loads(path.read_bytes()))
    except FileNotFoundError:
        registry = Registry()
    except OSError as error:
        raise ConfigError(
            f"--state {path}: {error.strerror}; give a file this user can read and write"
        ) from None
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        text = (
            f"--state {path} is not a simulator state file: {what}; correct it, move it away, or "
            "give another"
        )
        raise ConfigError(text) from None
    registry.seed()
    return registry


def written(registry: Registry) -> bytes:
    return orjson.dumps(registry.to_json(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def write(path: Path, content: bytes) -> None:
    """Replace the file atomically. Only its owner can read it, because it holds passwords.

    Blocks. Raises EnvironmentProblem.
    """
    try:
        replace(path, content)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"--state {path} cannot be written: {error.strerror}; make room, or give a file this user "
        "can write"
    )
