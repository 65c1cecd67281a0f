"""What pages read: typed records of one snapshot of the database, masked before a page sees
them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from levity_trio.store.engine.database import Database
from levity_trio.store.reads.reader import Reader
from levity_trio.web.masks import masked

T = TypeVar("T")
P = ParamSpec("P")


class Look:
    """A snapshot of the database as somebody may see it. Each read of the store is called through
    it, and what that returns has passed the mask: no page gets the database itself."""

    def __init__(self, db: Database, *, sees_all: bool) -> None:
        self.__db = db
        self._sees_all = sees_all

    def __call__(
        self, read: Callable[Concatenate[Database, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what a read of the store returns, masked."""
        records = read(self.__db, *args, **kwargs)
        return records if self._sees_all else masked(records)


class Snapshots:
    """The database, for pages."""

    def __init__(self, reader: Reader) -> None:
        self.__reader = reader

    async def look(self, read: Callable[[Look], T], *, sees_all: bool) -> T:
        """Return what a function reads from one snapshot. Raises Unreadable."""
        # All that one function reads has one snapshot, so that parts of a page fit together.
        return await self.__reader.run(lambda db: read(Look(db, sees_all=sees_all)))
