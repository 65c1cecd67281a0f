"""Orphaned transactions: open transactions whose stop does not come are closed by the system.

The store itself suspends and resumes transactions; it does so without this plugin, too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

import trio

from levity_trio.charging.sent.readings import Moment
from levity_trio.plugins.base import Plugin, Site
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.engine.writer import surviving
from levity_trio.store.writes.origin import Opening, Origin
from levity_trio.store.writes.transactions import stops
from levity_trio.wire.payloads import call
from levity_trio.wire.times import STATUS_AHEAD, TRANSACTION_AHEAD, judge_time, stamp

AVAILABLE: Final = "Available"


class OrphanedTransactions(Plugin):
    """Close orphaned transactions in the write of the message that implies their end: a start, or
    status Available."""

    name: ClassVar[str] = "orphaned-transactions"
    amends: ClassVar[frozenset[type[Any]]] = frozenset(
        {call.StartTransaction, call.StatusNotification}
    )

    def amend(self, request: Any, db: UnitOfWork, origin: Origin) -> None:
        if isinstance(request, call.StartTransaction):
            moment = _understand(request.timestamp, origin, TRANSACTION_AHEAD)
            opening = Opening(request.connector_id, request.id_tag, request.meter_start, moment)
            stops.close_before_start(db, origin, opening)
        elif isinstance(request, call.StatusNotification) and request.status == AVAILABLE:
            stops.close_available(
                db, origin, request.connector_id, _since(request.timestamp, origin)
            )


@asynccontextmanager
async def open_orphaned_transactions(site: Site) -> AsyncIterator[Plugin | None]:
    """Open the plugin, unless `--disable-orphan-closing` is set."""
    if not site.config.orphans:
        yield None
        return
    async with trio.open_nursery() as tasks:
        tasks.start_soon(_close_silent_regularly, site)
        yield OrphanedTransactions()
        tasks.cancel_scope.cancel()


async def _close_silent_regularly(site: Site) -> None:
    """Close transactions of all chargers that were silent too long; skipped while the clock is not
    trusted."""
    await site.writer.sharing.duties.wait()
    silent_seconds, pause = site.config.orphan_minutes * 60, site.config.check_interval_seconds
    while True:
        await trio.sleep(pause)
        if site.is_clock_trusted():
            with surviving("silent transactions could not be closed"):
                await site.writer.run(stops.close_silent, stamp(site.clock()), silent_seconds)


def _understand(sent: str | None, origin: Origin, ahead: timedelta) -> Moment:
    time = judge_time(sent, datetime.fromisoformat(origin.received_at), ahead)
    return Moment(stamp(time.meaning), time.sent, time.is_believable, time.skew_seconds)


def _since(sent: str | None, origin: Origin) -> Moment:
    """Return when a status began; without a timestamp, that is its time of receipt (OCPP 1.6
    §6.47)."""
    return (
        _understand(sent, origin, STATUS_AHEAD) if sent else Moment(origin.received_at, None, True)
    )
