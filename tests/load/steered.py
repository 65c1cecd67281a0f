"""Load management with what people and the grid operator want of it, which the API writes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from levity_trio.load.service import LoadManagement
from levity_trio.store.writes.load import load
from levity_trio.wire.times import shifted, stamp


class SteeredLoad(LoadManagement):
    """The same, in the words of the API."""

    async def manage(self, chargers: Sequence[str], *, by: str) -> list[str]:
        return await self._writer.run(load.manage, chargers, self._at(), by)

    async def let_go(self, chargers: Sequence[str], *, by: str) -> list[str]:
        return await self._writer.run(load.let_go, chargers, self._at(), by)

    async def trust(self, charger: str, by: str | None) -> None:
        await self._writer.run(load.trust_charger, charger, by)
        self.read_again()

    async def try_again(self, charger: str) -> None:
        await self._writer.run(load.try_charger_again, charger, self._at(), "anna")
        self.read_again()

    async def limit_by_hand(
        self, place: tuple[str, int], amperes: int | None, *, reason: str, by: str
    ) -> None:
        await self._writer.run(load.limit_by_hand, place, amperes, reason, self._at(), by)
        self.read_again()

    async def boost(self, place: tuple[str, int], minutes: float, *, reason: str, by: str) -> None:
        until = stamp(shifted(self._clock(), timedelta(minutes=minutes)))
        await self._writer.run(load.boost, place, until, reason, self._at(), by)
        self.read_again()

    async def depart(
        self, place: tuple[str, int], transaction: int, at: str, wanted_wh: int | None, *, by: str
    ) -> None:
        await self._writer.run(load.depart, place, transaction, (at, wanted_wh), self._at(), by)
        self.read_again()

    async def wait_for_price(
        self, transaction: int, wish: tuple[str, str] | None, *, by: str
    ) -> None:
        await self._writer.run(load.wait_for_price, transaction, wish, self._at(), by)
        self.read_again()

    async def grid_limit(
        self, amperes: float | None, *, kilowatts: float | None = None, source: str
    ) -> None:
        await self._writer.run(load.add_order, amperes, kilowatts, source, self._at())
