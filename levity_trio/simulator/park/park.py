"""The park: what people defined (locations, vehicles, chargers with their memories), the file that
keeps it, and the chargers of it that are connected.

A charger is *connected* while the fleet runs it; disconnecting it cuts its power. An action of a
person at a connected charger goes onto its agenda, so that it happens in the order of simulated
time, however busy the charger is. A charger that waits for the response to an Authorize request
stops its own time until then.

The file is read once and replaced atomically. Chargers and vehicles come from it, from single
requests, and from CSV or a JSON list, of which all is imported, or nothing, with every mistake and
its line. Every mistake in what people give is reported with its field. Forms check types only; a
dataclass checks its values itself (ValueError, `field: what to give`).
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import cache, partial
from pathlib import Path
from types import NoneType
from typing import Any, Final, NamedTuple, TypeVar, get_args, get_type_hints

import orjson
import trio

from levity_trio.config import ConfigError, EnvironmentProblem
from levity_trio.log.output import get_logger
from levity_trio.records import record
from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.state import ChargerSpec, Impossible, Memory, Then
from levity_trio.simulator.fleet import Fleet
from levity_trio.simulator.physics import Vehicle
from levity_trio.simulator.quirks import QUIRKS
from levity_trio.wire.frames import Response
from levity_trio.writing import opened, replace

KEPT_FRAMES: Final = 500
"""Frames kept in the OCPP log of each charger."""

log = get_logger("system")
Make = Callable[[ChargerSpec, Memory], Charger]
Action = Callable[[Charger, float], object]
"""An action of a person at a charger, called with the charger and the moment."""
SendCall = Callable[[Charger, Then, float], None]
"""A call that the charger is to send, called with the charger, the callback for the response, and
the moment."""


@record
class Limits:
    """Intervals and time-outs, in seconds of real time."""

    save_seconds: float = 5.0
    """Interval of saving changed memories of chargers. Changes made through the API are saved at
    once."""
    last_save_seconds: float = 5.0
    patience_seconds: float = 10.0
    """Time-out for a busy charger."""
    answer_seconds: float = 15.0
    """Time-out for the central system's response."""


DEFAULT_LIMITS: Final = Limits()


class Unknown(LookupError):
    """The name is unknown."""


class Park:
    """The park's operations. `now` returns simulated seconds."""

    def __init__(
        self,
        registry: Registry,
        fleet: Fleet,
        now: Callable[[], float],
        make: Make,
        path: Path,
        limits: Limits,
    ) -> None:
        self.registry = registry
        self.now = now
        self._fleet = fleet
        self._make = make
        self._path = path
        self._limits = limits
        self._written = b""
        self._writing = trio.Lock()

    def known(self) -> dict[str, StoredCharger]:
        """Return all chargers by identifier: the park's own, and those of a running scenario."""
        brought = {
            name: StoredCharger(one.spec, Placement(location="", auto_connect=False), one.memory)
            for name, one in self._fleet.chargers.items()
            if name not in self.registry.chargers
        }
        return self.registry.chargers | brought

    def find(self, name: str) -> StoredCharger:
        """Raises Unknown."""
        known = self.known()
        if name not in known:
            raise Unknown(f"there is no charger {name}; add it, or list what there is")
        return known[name]

    def own(self, name: str) -> StoredCharger:
        """Return a charger of the park's own, which can be changed. Raises Unknown, Impossible."""
        stored = self.find(name)
        if name not in self.registry.chargers:
            raise Impossible(f"{name} belongs to the running scenario; add a charger of your own")
        return stored

    def running(self, name: str) -> Charger | None:
        return self._fleet.chargers.get(name)

    def _connected(self, stored: StoredCharger) -> Charger:
        charger = self.running(stored.spec.id)
        if charger is None:
            raise Impossible(f"{stored.spec.id} is not connected; connect it first")
        return charger

    def connect(self, stored: StoredCharger) -> None:
        """Raises Impossible if it is connected already."""
        if stored.spec.id in self._fleet.chargers:
            raise Impossible(f"{stored.spec.id} is connected already")
        charger = self._make(stored.spec, stored.memory)
        charger.frames = deque(maxlen=KEPT_FRAMES)
        self._fleet.add(charger)

    def disconnect(self, stored: StoredCharger) -> None:
        """Raises Impossible if it is not connected."""
        charger = self._connected(stored)
        self._fleet.remove(stored.spec.id)
        _remember(charger)

    def forget(self, stored: StoredCharger) -> None:
        """Remove a charger; disconnect it first if necessary."""
        if self.running(stored.spec.id) is not None:
            self.disconnect(stored)
        del self.registry.chargers[stored.spec.id]

    def connect_all(self, names: Iterable[str]) -> None:
        """Connect those of these chargers that have `auto_connect`."""
        for name in names:
            stored = self.registry.chargers[name]
            if stored.placement.auto_connect:
                self.connect(stored)

    async def perform(self, stored: StoredCharger, action: Action) -> object:
        """Schedule an action at a connected charger, wait until it is done, and return its result.

        Raises Impossible if the charger is not connected or too busy, and the ValueError that
        `action` raises.
        """
        charger = self._connected(stored)
        done, results, refusals = trio.Event(), list[object](), list[ValueError]()

        def do(at: float) -> None:
            try:
                results.append(action(charger, at))
            # Impossible, IllegalMove: raised to the caller, not in the charger's task
            except ValueError as refusal:
                refusals.append(refusal)
            done.set()

        entry = charger.agenda.plan(self.now(), do, is_own=False)
        charger.on_change()
        with trio.move_on_after(self._limits.patience_seconds):
            await done.wait()
        if not done.is_set():
            entry.cancel()
            raise Impossible(
                f"{stored.spec.id} is busy: it is waiting for the central system; try again"
            )
        for refusal in refusals:
            raise refusal
        return results[0]

    async def send_call(self, stored: StoredCharger, send: SendCall) -> Response | None:
        """Let a connected charger send a call, and return the response; None if it did not arrive
        in time.

        Raises like `perform`.
        """
        answers, answered = list[Response | None](), trio.Event()

        def then(answer: Response | None, _at: float) -> None:
            answers.append(answer)
            answered.set()

        await self.perform(stored, lambda charger, at: send(charger, then, at))
        with trio.move_on_after(self._limits.answer_seconds):
            await answered.wait()
        return answers[0] if answers else None

    async def save(self) -> None:
        """Write the file if its content changed. Raises EnvironmentProblem; the change stays in
        effect."""
        async with self._writing:
            for charger in self._fleet.chargers.values():
                _remember(charger)
            content = written(self.registry)
            if content != self._written:
                await trio.to_thread.run_sync(write, self._path, content)
                self._written = content


def _remember(charger: Charger) -> None:
    """Copy the meters' registers, which change by themselves, to the charger's memory."""
    charger.memory.registers[:] = [connector.meter.register_wh for connector in charger.connectors]


@asynccontextmanager
async def open_park(
    path: Path, fleet: Fleet, now: Callable[[], float], make: Make, limits: Limits = DEFAULT_LIMITS
) -> AsyncIterator[Park]:
    """Open the park of this file and connect its chargers with `auto_connect`. On exit cut their
    power and save.

    Raises:
        ConfigError: the file is not a simulator state file.
        EnvironmentProblem: the file cannot be written, or another simulator has locked it.
    """
    with owned(path):
        park = Park(
            await trio.to_thread.run_sync(read_registry, path), fleet, now, make, path, limits
        )
        await park.save()
        park.connect_all(park.registry.chargers)

        async def keep_saving() -> None:
            while True:
                await trio.sleep(limits.save_seconds)
                await _save_or_tell(park)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_saving)
            try:
                yield park
            finally:
                nursery.cancel_scope.cancel()
                for name in set(fleet.chargers) & set(park.registry.chargers):
                    park.disconnect(park.registry.chargers[name])
                with trio.CancelScope(
                    shield=True, deadline=trio.current_time() + limits.last_save_seconds
                ):
                    await _save_or_tell(park)


async def _save_or_tell(park: Park) -> None:
    try:
        await park.save()
    except EnvironmentProblem as problem:
        log.error("simulator state not saved", problem=str(problem))


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
        return plain(self.spec) | plain(self.placement)


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
            "locations": [plain(location) for location in self.locations.values()],
            "vehicles": [plain(vehicle) for vehicle in self.vehicles.values()],
            "chargers": [
                {
                    "spec": plain(charger.spec),
                    **plain(charger.placement),
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
            registry.locations[location["name"]] = read_form(Location, location)
        for vehicle in stored["vehicles"]:
            registry.vehicles[vehicle["name"]] = read_form(Vehicle, vehicle)
        for charger in stored["chargers"]:
            spec = read_form(ChargerSpec, charger["spec"])
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


CSV, JSON = "text/csv", "application/json"
CHARGERS, VEHICLES = "chargers", "vehicles"
KINDS: Final[Mapping[str, tuple[Any, ...]]] = {CHARGERS: CHARGER_KINDS, VEHICLES: (Vehicle,)}


class Fault(NamedTuple):
    """An error in a file: the line, the column or field (empty if unknown), and what to give."""

    line: int
    column: str
    text: str

    def __str__(self) -> str:
        return (
            f"line {self.line}: {self.column}: {self.text}"
            if self.column
            else f"line {self.line}: {self.text}"
        )


class Faulty(ValueError):
    """Nothing was imported; `faults` has every reason."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults


Line = tuple[int, Callable[[], list[Any]]]
"""A line, and what builds its objects or raises Invalid."""


def import_chargers(registry: Registry, content: bytes, media_type: str) -> list[str]:
    """Add chargers and return their identifiers. Raises Faulty, and then adds none."""
    rows = _made(content, media_type, CHARGERS, registry.chargers, registry.check)
    return [registry.add_charger(*made).spec.id for made in rows]


def import_vehicles(registry: Registry, content: bytes, media_type: str) -> list[str]:
    """Add vehicles and return their names. Raises Faulty, and then adds none."""
    rows = _made(content, media_type, VEHICLES, registry.vehicles, lambda _: None)
    vehicles = {vehicle.name: vehicle for (vehicle,) in rows}
    registry.vehicles.update(vehicles)
    return list(vehicles)


def template(kind: str) -> str:
    """Return a CSV table with all columns and one row of examples."""
    examples: Mapping[str, tuple[Any, ...]] = {
        CHARGERS: (
            ChargerSpec(
                id="CP-1",
                vendor="Grizzl-E",
                model="Smart",
                serial_number="GRS-0001",
                register_wh=1200,
            ),
            Placement(location=DEFAULT_LOCATION),
        ),
        VEHICLES: (Vehicle(name="Compact"),),
    }
    cells = {name: _cell(value) for one in examples[kind] for name, value in plain(one).items()}
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([cells.keys(), cells.values()])
    return table.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join(value)
    return f"{value:g}" if isinstance(value, float) else str("" if value is None else value)


def _made(
    content: bytes,
    media_type: str,
    kind: str,
    known: Mapping[str, object],
    check: Callable[..., None],
) -> list[list[Any]]:
    """Build the objects of each line. Their first field is their name, which must be new. `check`
    raises Invalid for objects that do not fit. Raises Faulty."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Faulty([Fault(line, "", "is not UTF-8; save the file as UTF-8")]) from None
    rows: list[list[Any]] = []
    faults: list[Fault] = []
    lines: dict[str, int] = {}
    for line, make in (_table if media_type == CSV else _list)(text, KINDS[kind]):
        try:
            made = make()
            column, name = next(iter(plain(made[0]).items()))
            clash = "exists already" if name in known else ""
            if name in lines:
                clash = f"is on line {lines[name]} already"
            lines.setdefault(name, line)
            if clash:
                faults.append(Fault(line, column, f"{name} {clash}; give another"))
                continue
            check(*made)
            rows.append(made)
        except Invalid as invalid:
            faults += [Fault(line, *problem) for problem in invalid.problems]
    if not rows and not faults:
        faults.append(Fault(1, "", f"has no {kind}; give at least one"))
    if faults:
        raise Faulty(faults)
    return rows


def _table(text: str, kinds: tuple[Any, ...]) -> Iterator[Line]:
    first = text.partition("\n")[0]
    # Spreadsheets in countries with decimal commas separate cells with semicolons.
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=";" if ";" in first else ",", strict=True
    )
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        _check_header(header, kinds)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(header):
                text = f"has {len(cells)} cells for {len(header)} columns; quote commas"
                yield reader.line_num, partial(_refuse, text)
            else:
                row = dict(zip(header, cells, strict=False))
                yield reader.line_num, partial(read_cells, kinds, row)
    except csv.Error as error:
        raise Faulty(
            [Fault(reader.line_num, "", f"is not CSV: {error}; correct the quotes")]
        ) from None


def _check_header(header: list[str], kinds: tuple[Any, ...]) -> None:
    known = names(kinds)
    strange = [name for name in header if name not in known]
    faults = [
        Fault(1, name or "(empty)", f"is not a column; give some of {', '.join(known)}")
        for name in strange
    ]
    faults += [Fault(1, name, "occurs twice; keep one") for name in known if header.count(name) > 1]
    faults += [Fault(1, known[0], "is missing; add this column")] if known[0] not in header else []
    if faults:
        raise Faulty(faults)


def _list(text: str, kinds: tuple[Any, ...]) -> Iterator[Line]:
    for line, element in _elements(text):
        if isinstance(element, dict):
            yield line, partial(read_all, kinds, element)
        else:
            yield line, partial(_refuse, "is not a JSON object; give one in braces for each")


def _refuse(text: str) -> list[Any]:
    raise Invalid([Problem("", text)])


def _elements(text: str) -> Iterator[tuple[int, object]]:
    """The elements of a JSON list, each with the line on which it begins."""
    try:
        whole = json.loads(text)
    except json.JSONDecodeError as error:
        column = f"column {error.colno}"
        raise Faulty(
            [Fault(error.lineno, column, f"is not JSON: {error.msg}; correct it")]
        ) from None
    except (ValueError, RecursionError) as error:  # a number too long, brackets too deep
        raise Faulty([Fault(1, "", f"is JSON that cannot be read: {error}")]) from None
    if not isinstance(whole, list):
        raise Faulty([Fault(1, "", "is not a JSON list; give the objects in brackets")])
    decoder, position, line = json.JSONDecoder(), text.index("[") + 1, 1
    counted = 0
    for _ in whole:
        while text[position] in " \t\r\n,":
            position += 1
        line, counted = line + text.count("\n", counted, position), position
        element, position = decoder.raw_decode(text, position)
        yield line, element


Kinds = Sequence[Any]
"""Dataclasses whose fields are texts, numbers, booleans, tuples of texts or JSON objects."""

LARGEST: Final = 2**53
"""Integers up to here are exact in every JSON implementation."""
_YES: Final = ("true", "yes", "1")
_NO: Final = ("false", "no", "0")


class Problem(NamedTuple):
    """An error of one field: what is wrong, and what to give instead."""

    field: str
    text: str

    def __str__(self) -> str:
        return f"{self.field}: {self.text}"


class Invalid(ValueError):
    """Invalid input; `problems` has every reason."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


def read_form(kind: type[T], content: Mapping[str, object]) -> T:
    """Build a dataclass from a JSON object. Raises Invalid."""
    (made,) = read_all([kind], content)
    return made  # type: ignore[no-any-return]  # it is of the given kind


def read_all(kinds: Kinds, content: Mapping[str, object]) -> list[Any]:
    """Build one object of each kind from one flat JSON object with the fields of all. Raises
    Invalid."""
    hints = _hints(*kinds)
    problems = [
        Problem(name, f"is not known; give some of {', '.join(hints)}")
        for name in content
        if name not in hints
    ]
    made = [_make(kind, content, problems) for kind in kinds]
    if problems:
        raise Invalid(problems)
    return made


def read_cells(kinds: Kinds, cells: Mapping[str, str]) -> list[Any]:
    """Build one object of each kind from the cells of one row. An empty cell means the default.
    Raises Invalid."""
    hints = _hints(*kinds)
    texts = {name: text.strip() for name, text in cells.items() if text.strip()}
    return read_all(
        kinds, {name: _of_cell(hints.get(name, str), text) for name, text in texts.items()}
    )


def plain(value: Any) -> dict[str, Any]:
    """Return a flat dataclass as a JSON object."""
    return {
        name: list(part) if isinstance(part, tuple) else part
        for name, part in asdict(value).items()
    }


def names(kinds: Kinds) -> list[str]:
    """Return the names of the fields of these kinds, in order."""
    return list(_hints(*kinds))


@cache
def _hints(*kinds: Any) -> dict[str, Any]:
    """Return the types of all fields of these kinds, by name."""
    hints: dict[str, Any] = {}
    for kind in kinds:
        types = get_type_hints(kind)
        hints |= {one.name: types[one.name] for one in fields(kind)}
    return hints


def _make(kind: Any, content: Mapping[str, object], problems: list[Problem]) -> Any:
    hints, values, before = _hints(kind), {}, len(problems)
    for one in fields(kind):
        if one.name in content:
            values[one.name], text = _read(hints[one.name], content[one.name])
            problems += [Problem(one.name, text)] if text else []
        elif one.default is MISSING and one.default_factory is MISSING:
            problems.append(Problem(one.name, "is missing; give a value"))
    if len(problems) > before:
        return None
    try:
        return kind(**values)
    except ValueError as error:
        name, _, text = str(error).partition(": ")
        problems.append(Problem(name, text))
        return None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()


def _is_number(value: object) -> bool:
    is_number = type(value) in (int, float)
    return is_number and abs(value) <= LARGEST  # type: ignore[arg-type]  # see is_number; false for NaN


_FITS: Final[Mapping[Any, tuple[Callable[[Any], bool], str]]] = {
    str: (_is_text, "give a text on one line"),
    int: (lambda value: type(value) is int and _is_number(value), "give a whole number"),
    float: (_is_number, "give a number"),
    bool: (lambda value: isinstance(value, bool), "give true or false"),
    tuple[str, ...]: (
        lambda texts: isinstance(texts, list | tuple) and all(map(_is_text, texts)),
        "give a list of texts",
    ),
    dict[str, Any]: (lambda value: isinstance(value, dict), "give a JSON object"),
}
"""By the type of a field: which values fit, and what to give instead."""


def _read(hint: Any, content: object) -> tuple[Any, str]:
    """Return the value of a field, and what to give instead if it does not fit."""
    is_optional = NoneType in get_args(hint)
    if is_optional and content is None:
        return None, ""
    kind = get_args(hint)[0] if is_optional else hint
    is_fit, text = _FITS[kind]
    if not is_fit(content):
        return content, text
    return kind(content) if kind in (float, tuple[str, ...]) else content, ""


def _of_cell(hint: Any, text: str) -> object:
    """Convert a cell to a JSON value. A text that cannot be converted stays a text, which the
    reader then refuses."""
    if hint in (int, int | None, float):
        try:
            return float(text) if hint is float else int(text)
        except ValueError:
            return text
    if hint is bool:
        return True if text.lower() in _YES else False if text.lower() in _NO else text
    return text.split() if hint == tuple[str, ...] else text
