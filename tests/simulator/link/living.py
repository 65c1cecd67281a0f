"""A simulated charger on its tasks, connected in memory to our own server."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import trio
from trio.testing import memory_stream_pair

from levity_trio.charger.central import Central
from levity_trio.charger.connection import serve_connection
from levity_trio.outgoing.websocket import ServerAddress
from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.state import ChargerSpec, Memory
from levity_trio.simulator.link import Carry, Link, Pace
from levity_trio.simulator.physics import Vehicle
from levity_trio.simulator.quirks import made
from levity_trio.simulator.transfers import carry
from tests.charger.peers import StreamPair, connected

CP = "CP-1"
TAG = "TAG-1"
CAR = Vehicle(name="car", battery_wh=60_000, max_ac_w=7_360, soc=0.5)
CAR_W = 7_360
SERVER = ServerAddress("central", 9000, "/ws/", is_tls=False)
PATIENCE_SECONDS = 3600.0
SERVER_SECONDS = 60.0
"""Time for a server to notice the end of a connection; a scripted server may never end."""
MANY_STEPS = 300_000
"""Maximum number of steps of all tasks. A spinning task exceeds it: virtual time would never
advance."""

Serve = Callable[[trio.abc.Stream], Any]


class Wire:
    """The peer of a link: `serve` gets the other end; None refuses connections."""

    def __init__(self, serve: Serve | None, servers: trio.Nursery, pair: StreamPair) -> None:
        self.serve = serve
        self._pair = pair
        self.dials: list[float] = []
        self._servers = servers

    def to(self, central: Central) -> None:
        """Let this server answer from the next connection on."""

        async def serve(stream: trio.abc.Stream) -> None:
            await serve_connection(central, stream)

        self.serve = serve

    async def dial(self) -> trio.abc.Stream:
        self.dials.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if self.serve is None:
            raise OSError("nobody is there")
        ours, theirs = self._pair()
        self._servers.start_soon(self.serve, ours)
        return theirs


class Living:
    """The charger, its link, and the frames between it and the server."""

    def __init__(self, charger: Charger, pace: Pace, wire: Wire, carry: Carry = carry) -> None:
        self.charger = charger
        self.pace = pace
        self.wire = wire
        self.link = Link(charger, pace, SERVER, wire.dial, carry)
        self.frames: deque[tuple[float, str, str]] = deque()
        charger.frames = self.frames

    @property
    def at(self) -> float:
        return self.pace.now

    def sent(self, action: str) -> list[Any]:
        """Return the payloads of the charger's calls of this action."""
        return [payload for _, payload in self.moments(action)]

    def moments(self, action: str) -> list[tuple[float, Any]]:
        """Return the same with the simulated times of sending."""
        calls = [(at, frame) for at, frame in self._frames("send") if frame[0] == 2]
        return [(at, frame[3]) for at, frame in calls if frame[2] == action]

    def order(self) -> list[str]:
        """The frames on the line, in order: >Action and >answer from the charger, <Action and
        <answer to it."""
        marks = {"send": ">", "recv": "<"}
        frames = [(marks[direction], json.loads(text)) for _, direction, text in self.frames]
        return [mark + (frame[2] if frame[0] == 2 else "answer") for mark, frame in frames]

    async def until(self, is_so: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
        """Wait up to `seconds` of trio's virtual clock for a condition."""
        with trio.fail_after(seconds):
            while not is_so():  # noqa: ASYNC110 - any condition
                await trio.sleep(0.25)

    async def accepted(self) -> None:
        """Wait until the charger is connected and accepted, and has sent all messages."""
        await self.until(lambda: self.charger.may_send)
        await self.quiet()

    async def quiet(self) -> None:
        """Wait until no call is open or queued."""
        await trio.sleep(1)
        await self.until(
            lambda: not self.charger.outbox.is_busy and self.charger.outbox.head is None
        )

    async def session(self, seconds: float) -> None:
        """Simulate a visit to connector 1 of so many simulated seconds."""
        self.charger.plug(1, CAR, self.at)
        self.charger.present_tag(1, TAG, self.at)
        await self.pace.sleep_until(self.at + seconds)
        self.charger.unplug(1, self.at)

    async def call(self, central: Central, request: Any) -> Any:
        """Send a call of the central system and return the response as our server reads it. Raises
        CallFailed."""
        return await connected(central, self.charger.spec.id).call(request)

    def _frames(self, direction: str) -> Iterator[tuple[float, Any]]:
        return ((at, json.loads(text)) for at, kind, text in self.frames if kind == direction)


def make_charger(
    *quirks: str, name: str = CP, keys: dict[str, str] | None = None, **plate: Any
) -> Charger:
    """Make a charger without power; `keys` are its configuration, as set by an installer."""
    spec = ChargerSpec(id=name, quirks=quirks, **plate)
    charger = Charger(spec, Memory.fresh(spec), made(quirks, "seed"))
    for key, value in (keys or {}).items():
        assert charger.configuration.change(key, value) in ("Accepted", "RebootRequired"), key
    return charger


@asynccontextmanager
async def open_living(
    serve: Central | Serve | None,
    *quirks: str,
    speed: float = 1.0,
    keys: dict[str, str] | None = None,
    pair: StreamPair = memory_stream_pair,
    carry: Carry = carry,
    steps: int = MANY_STEPS,
    **plate: Any,
) -> AsyncIterator[Living]:
    """Run a charger with power on its tasks; on exit they end, and the server soon drops it."""
    async with trio.open_nursery() as servers:
        wire = Wire(None if isinstance(serve, Central) else serve, servers, pair)
        if isinstance(serve, Central):
            wire.to(serve)
        living = Living(make_charger(*quirks, keys=keys, **plate), Pace(speed), wire, carry)
        async with trio.open_nursery() as tasks:
            with nobody_spins(steps):
                tasks.start_soon(living.link.run)
                living.charger.power_on(0.0)
                yield living
            tasks.cancel_scope.cancel()
        servers.cancel_scope.deadline = trio.current_time() + SERVER_SECONDS


@contextmanager
def nobody_spins(steps: int = MANY_STEPS) -> Iterator[None]:
    """Fail if the tasks take too many steps: one of them is spinning."""
    counter = _StepCounter(steps)
    trio.lowlevel.add_instrument(counter)
    try:
        with counter.scope:
            yield
    finally:
        trio.lowlevel.remove_instrument(counter)
    assert counter.steps <= steps, "somebody spins"


class _StepCounter(trio.abc.Instrument):
    def __init__(self, most: int) -> None:
        self.steps = 0
        self.scope = trio.CancelScope()
        self._most = most

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        del task
        self.steps += 1
        if self.steps > self._most:
            self.scope.cancel()
