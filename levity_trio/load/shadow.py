"""Load management in shadow: it measures and decides, shows what it would do, and sends nothing to a charger."""

from __future__ import annotations

from datetime import timedelta

from levity_trio.clock import Clock
from levity_trio.store.engine.writer import Writer
from levity_trio.store.writes import load
from levity_trio.wire.times import shifted, stamp


class Shadow:
    """Load management of a server; what plug-ins and the API reach of it is `levity_trio.plugins.base.Load`."""

    def __init__(self, writer: Writer, clock: Clock) -> None:
        self._writer = writer
        self._clock = clock
        self._shown: dict[str, tuple[str, tuple[float, float, float]]] = {}
        """When each meter of the site last showed which currents."""

    def measured(self, meter: str, amperes: tuple[float, float, float]) -> bool:
        if meter in self._shown:
            self._shown[meter] = self._at(), amperes
        return meter in self._shown

    async def limit_by_hand(self, place: tuple[str, int], amperes: int | None, *, reason: str, by: str) -> None:
        await self._writer.run(load.limit_by_hand, place, amperes, reason, self._at(), by)

    async def boost(self, place: tuple[str, int], minutes: float, *, reason: str, by: str) -> None:
        until = stamp(shifted(self._clock(), timedelta(minutes=minutes)))
        await self._writer.run(load.boost, place, until, reason, self._at(), by)

    async def depart(
        self, place: tuple[str, int], transaction: int, at: str, wanted_wh: int | None, *, by: str
    ) -> None:
        await self._writer.run(load.depart, place, transaction, (at, wanted_wh), self._at(), by)

    async def grid_limit(self, amperes: float | None, *, source: str) -> None:
        await self._writer.run(load.add_order, amperes, source, self._at())

    def _at(self) -> str:
        return stamp(self._clock())
