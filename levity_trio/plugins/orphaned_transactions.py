"""OrphanedTransaction: what its charger tells no more of is closed by the system (rules.md, Transactions).

Suspension and resumption are the store's own and go on without this plugin.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

import trio

from levity_trio.charging.moments import Moment
from levity_trio.plugins.base import Plugin, Site
from levity_trio.store.faults import StoreUnavailable
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.transactions import closing
from levity_trio.store.writes.transactions.requests import Opening
from levity_trio.wire.payloads import call
from levity_trio.wire.times import STATUS_AHEAD, TRANSACTION_AHEAD, judge_time, stamp

AVAILABLE: Final = "Available"


class OrphanedTransactions(Plugin):
    """Closes in the transaction of the message that tells of the end: a new start, an available connector."""

    name: ClassVar[str] = "orphaned-transactions"
    amends: ClassVar[frozenset[type[Any]]] = frozenset({call.StartTransaction, call.StatusNotification})

    def amend(self, request: Any, db: UnitOfWork, origin: Origin) -> None:
        """Close what this message ends."""
        if isinstance(request, call.StartTransaction):
            moment = _understand(request.timestamp, origin, TRANSACTION_AHEAD)
            opening = Opening(request.connector_id, request.id_tag, request.meter_start, moment)
            closing.close_before_start(db, origin, opening)
        elif isinstance(request, call.StatusNotification) and request.status == AVAILABLE:
            closing.close_available(db, origin, request.connector_id, _since(request.timestamp, origin))


@asynccontextmanager
async def open_orphaned_transactions(site: Site) -> AsyncIterator[Plugin | None]:
    """Unless it is switched off (`--disable-orphan-closing`)."""
    if not site.config.orphans:
        yield None
        return
    async with trio.open_nursery() as tasks:
        tasks.start_soon(_look_now_and_then, site)
        yield OrphanedTransactions()
        tasks.cancel_scope.cancel()


async def _look_now_and_then(site: Site) -> None:
    """One look for all chargers. Without a clock that can be trusted nobody knows how long anything was silent."""
    silent_seconds, pause = site.config.orphan_minutes * 60, site.config.look_seconds
    while True:
        await trio.sleep(pause)
        if site.is_clock_trusted():
            with suppress(StoreUnavailable):  # the next look finds it again
                await site.writer.run(closing.close_silent, stamp(site.clock()), silent_seconds)


def _understand(sent: str | None, origin: Origin, ahead: timedelta) -> Moment:
    told = judge_time(sent, datetime.fromisoformat(origin.received_at), ahead)
    return Moment(stamp(told.meaning), told.sent, told.is_believable, told.skew_seconds)


def _since(sent: str | None, origin: Origin) -> Moment:
    """Since when a status holds; one without a time is of its receipt (§6.47)."""
    return _understand(sent, origin, STATUS_AHEAD) if sent else Moment(origin.received_at, None, True)
