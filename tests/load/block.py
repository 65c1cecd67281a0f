"""A block in memory and in virtual time: our server with load management, simulated chargers, a
house and its meter."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import trio

from levity_trio.charger.central import Central
from levity_trio.charger.commands import Chargers
from levity_trio.load.service import open_load
from levity_trio.load.tree import LETTERS, NOTHING, Phases
from levity_trio.simulator.physics import Vehicle
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.reader import Reader
from levity_trio.store.writes.load import load
from levity_trio.wire.times import stamp
from tests.charger.parts import InlineWriter, configure
from tests.load.steered import SteeredLoad
from tests.simulator.link.living import Living, open_living
from tests.store.reading import reading

T = TypeVar("T")
THREE = Vehicle(name="three", battery_wh=60_000, max_ac_w=11_040, ac_phases=3, soc=0.2)
"""16 A on three lines."""
ONE = Vehicle(name="one", battery_wh=60_000, max_ac_w=7_360, ac_phases=1, soc=0.2)
"""32 A on one line."""
MODEL = {"vendor": "Levity", "model": "Simulated", "firmware": "1.0.0"}
STEPS = 50_000_000
METER = '[[meter]]\nname = "Main"\nstale_seconds = 30\n'


def site(amperes: float, chargers: int, *, safe: int = 0, options: str = "", most: int = 32) -> str:
    """The document of one feeder with a meter, whose chargers are wired in turn."""
    places = [
        (
            f'[[charger]]\nid = "CP-{n}"\nrotation = "{("RST", "STR", "TRS")[n % 3]}"\nsafe = '
            f"{safe}\nmost = {most}\n"
        )
        for n in range(chargers)
    ]
    feeder = f'[[circuit]]\nname = "Feeder"\namperes = {amperes}\nmeter = "Main"\n'
    return feeder + METER + "".join(places) + options


@dataclass
class _Connected:
    connection: Any


class InlineReader:
    """Reads on the connection of an inline writer, in place of a Reader."""

    def __init__(self, writer: InlineWriter) -> None:
        self._writer = writer

    async def run(self, read: Callable[[Database], T]) -> T:
        await trio.lowlevel.checkpoint()
        with reading(cast(Any, _Connected(self._writer._connection))) as db:
            return read(db)


@dataclass
class Moment:
    """What was drawn at the feeder in a second."""

    at: float
    drawn: Phases

    @property
    def highest(self) -> float:
        return max(self.drawn)


@dataclass
class Block:
    """The chargers are CP-0, CP-1 and so on. `house` says what others draw now."""

    central: Central
    writer: InlineWriter
    chargers: list[Living]
    nursery: trio.Nursery
    house: Callable[[], Phases] = lambda: NOTHING
    moments: list[Moment] = field(default_factory=list)
    load: SteeredLoad = field(init=False)
    is_metered: bool = True
    _serving: trio.CancelScope | None = None

    # The server

    async def serve(self) -> None:
        """Begin load management; again after a death, with the database alone."""
        serves = trio.Event()
        self.nursery.start_soon(self._serve, serves)
        await serves.wait()

    async def _serve(self, serves: trio.Event) -> None:
        central = self.central
        with trio.CancelScope() as self._serving:
            parts = (
                cast(Any, self.writer),
                cast(Reader, InlineReader(self.writer)),
                Chargers(central),
            )
            self.load = SteeredLoad(*parts, central.clock)
            central.load = self.load
            async with open_load(self.load, central.hooks):
                serves.set()
                await trio.sleep_forever()

    def kill(self) -> None:
        """End load management without a word. The chargers' links are cut with `cut`."""
        assert self._serving is not None
        self._serving.cancel()

    async def manage(self, toml: str) -> None:
        """Enter a site, and limit its chargers; wait until they are prepared."""
        self.writer.run_now(load.set_site, toml, stamp(self.central.clock()), "anna")
        await trio.sleep(3)
        await self.load.manage([one.charger.spec.id for one in self.chargers], by="anna")
        await trio.sleep(5)

    async def limit(self, number: int, amperes: int) -> None:
        await self.load.limit_by_hand((f"CP-{number}", 1), amperes, reason="", by="anna")

    def learn(self, **facts: Any) -> None:
        """Let a trial have shown something of all chargers."""
        self.writer.run_now(load.learn_of_firmware, "CP-0", facts, stamp(self.central.clock()))

    # The chargers

    def arrive(self, number: int, vehicle: Vehicle = THREE) -> None:
        living = self.chargers[number]
        living.charger.plug(1, vehicle, living.at)
        living.charger.present_tag(1, "TAG-1", living.at)

    def leave(self, number: int) -> None:
        self.chargers[number].charger.unplug(1, self.chargers[number].at)

    def cut(self, number: int, seconds: float) -> None:
        self.chargers[number].charger.act_on_connection("drop", seconds)

    def current(self, number: int) -> float:
        """The highest current of a charger's lines."""
        return max(self.chargers[number].charger.connectors[1].meter.snapshot().currents)

    def limits(self) -> dict[str, int]:
        now = self.load.now
        return {} if now is None else {one.charger: one.limit_a for one in now.cars}

    # The feeder

    def drawn(self) -> Phases:
        total = list(self.house())
        for number, living in enumerate(self.chargers):
            rotation = ("RST", "STR", "TRS")[number % 3]
            for connector in living.charger.connectors[1:]:
                for letter, amperes in zip(
                    rotation, connector.meter.snapshot().currents, strict=False
                ):
                    total[LETTERS.index(letter)] += amperes
        return total[0], total[1], total[2]

    async def watch(self) -> None:
        """Look at the feeder each second, and let its meter tell."""
        for second in itertools.count():
            drawn = self.drawn()
            self.moments.append(Moment(trio.current_time(), drawn))
            if self.is_metered and second % 2 == 0:
                self.load.measured("Main", drawn)
            await trio.sleep(1)

    def over(self, amperes: float, since: float = 0.0) -> list[Moment]:
        """The moments above a current."""
        return [one for one in self.moments if one.at >= since and one.highest > amperes + 0.01]


@asynccontextmanager
async def open_block(
    central: Central,
    writer: InlineWriter,
    chargers: int,
    quirks: Mapping[int, Sequence[str]] | None = None,
    **plate: Any,
) -> AsyncIterator[Block]:
    """Run a block until it is left."""
    configure(central, heartbeat_interval_seconds=86_400)
    async with AsyncExitStack() as stack:
        livings = [
            await stack.enter_async_context(
                open_living(
                    central,
                    *(quirks or {}).get(n, ()),
                    name=f"CP-{n}",
                    steps=STEPS,
                    **{"phases": 3, **plate},
                )
            )
            for n in range(chargers)
        ]
        nursery = await stack.enter_async_context(trio.open_nursery())
        block = Block(central, writer, livings, nursery)
        for living in livings:
            await living.accepted()
        await block.serve()
        nursery.start_soon(block.watch)
        yield block
        nursery.cancel_scope.cancel()
