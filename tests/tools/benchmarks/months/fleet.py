"""The chargers of a month, each on its real link, which opens lines in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NamedTuple, cast

import trio
from trio_websocket import HandshakeError

from levity_trio.outgoing.websocket import (
    HANDSHAKE_SECONDS,
    LineStream,
    Opened,
    ServerAddress,
    WebSocketConnection,
)
from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.state import Memory
from levity_trio.simulator.link import Link, Pace
from levity_trio.simulator.quirks import made
from levity_trio.simulator.scenario import ChargerPlan, dice_of, schedule

from .line import ChargerEnd, ServerEnd, line

SERVER = ServerAddress("central", 9000, "/ws/", is_tls=False)
LONGEST_DELAYS = 6.0
"""The longest delay of a response, as a multiple of the mean. A link waits 30 s for a response."""

Serve = Callable[[str, ServerEnd], None]
"""Begins to serve a line of the charger with this identifier."""


class Switchboard:
    """Leads lines to the server that runs at present."""

    def __init__(self) -> None:
        self.to: Serve | None = None

    def serve(self, charger: str, end: ServerEnd) -> None:
        if self.to is None:
            end.answer("no server runs")
        else:
            self.to(charger, end)


class Network(NamedTuple):
    """How chargers reach the server; `delay_seconds` is the mean delay of a response."""

    serve: Serve
    delay_seconds: float
    seed: int

    @property
    def slack_seconds(self) -> float:
        """The greatest age of a currentTime, and so the greatest error of a charger's clock."""
        return max(1.0, LONGEST_DELAYS * self.delay_seconds)

    def delays(self, charger: str) -> Callable[[], float]:
        """Return what draws the delay of each response to a charger."""
        dice, mean = dice_of(self.seed, charger, "delays"), self.delay_seconds
        return lambda: min(dice.expovariate(1 / mean), LONGEST_DELAYS * mean) if mean else 0.0


class LineLink(Link):
    """A link whose connections are lines to a server in the same process."""

    __slots__ = ("_delay", "_network")

    def __init__(self, charger: Charger, pace: Pace, network: Network) -> None:
        super().__init__(charger, pace, SERVER)
        self._network = network
        self._delay = network.delays(charger.spec.id)

    async def _open(self) -> LineStream:
        charger_end, server_end = line(self._delay)
        self._network.serve(self.charger.spec.id, server_end)
        return cast(LineStream, charger_end)

    def _open_websocket(self, stream: LineStream) -> AbstractAsyncContextManager[Opened]:
        return _opened(cast(ChargerEnd, stream))


@asynccontextmanager
async def _opened(end: ChargerEnd) -> AsyncIterator[Opened]:
    """Wait for the server's answer, like `open_websocket`. Raises HandshakeError."""
    with trio.CancelScope() as scope:
        with trio.move_on_after(HANDSHAKE_SECONDS):
            await end.answered.wait()
        if end.refusal is not None or not end.answered.is_set():
            raise HandshakeError(end.refusal or "the handshake was not answered")
        yield cast(WebSocketConnection, end), scope
        end.say_goodbye()


def charger_of(plan: ChargerPlan, configuration: dict[str, str], network: Network) -> Charger:
    """Make a charger with its quirks, and schedule its visits and incidents."""
    memory, spec = Memory.fresh(plan.spec), plan.spec
    memory.configuration.update(configuration)
    quirks = made(spec.quirks, f"{network.seed}:{spec.id}")
    charger = Charger(spec, memory, quirks, clock_slack_seconds=network.slack_seconds)
    schedule(charger, plan)
    return charger


@asynccontextmanager
async def open_links(chargers: list[Charger], pace: Pace, network: Network) -> AsyncIterator[None]:
    """Switch the chargers on, and run their links until the block is left."""
    async with trio.open_nursery() as tasks:
        for charger in chargers:
            link = LineLink(charger, pace, network)
            charger.power_on(pace.now)
            tasks.start_soon(link.run)
        yield
        tasks.cancel_scope.cancel()
