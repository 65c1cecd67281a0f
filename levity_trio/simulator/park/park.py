"""The running park: the contents of its file, and its connected chargers.

A charger is *connected* while the fleet runs it; disconnecting it cuts its power. An action of a
person at a connected charger goes onto its agenda, so that it happens in the order of simulated
time, however busy the charger is. A charger that waits for the response to an Authorize request
stops its own time until then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import trio

from levity_trio.config import EnvironmentProblem
from levity_trio.log.output import get_logger
from levity_trio.records import record
from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.state import ChargerSpec, Impossible, Memory, Then
from levity_trio.simulator.fleet import Fleet
from levity_trio.simulator.park.registry import (
    Placement,
    Registry,
    StoredCharger,
    owned,
    read_registry,
    write,
    written,
)
from levity_trio.wire.frames import Response

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
