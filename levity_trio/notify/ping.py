"""Tells a service outside every minute that this server is healthy, so that somebody notices when
it is not.

Healthy means that a write was committed just now and the event loop answers. Otherwise nothing is
requested, and the service raises its alarm.
"""

from __future__ import annotations

from math import inf
from typing import Final

import trio

from levity_trio.log.output import get_logger
from levity_trio.outgoing.request import Unanswered, get, leading_to
from levity_trio.store.engine.faults import DatabaseDamaged, StoreUnavailable
from levity_trio.store.engine.writer import Writer
from levity_trio.store.upkeep.live_config import LiveConfig
from levity_trio.told import Told, joined

EVERY_SECONDS: Final = 60.0
PING_SECONDS: Final = 10.0

log = get_logger("system")


async def keep_pinging(live: LiveConfig, writer: Writer) -> None:
    """Request the URL that is set every minute while the server is healthy. A URL that cannot be
    reached is logged once."""
    is_reached = True
    due = trio.current_time()
    while True:
        changed, url = live.changed, live.now.ping_url
        if url is not None and await _is_healthy(writer):
            problem = None
            try:
                await ping(url)
            except Unanswered as unanswered:
                problem = str(unanswered)
            if problem is not None and is_reached:
                log.warning("the URL of --ping-url cannot be reached", problem=problem)
            elif problem is None and not is_reached:
                log.info("the URL of --ping-url is reached again")
            is_reached = problem is None
        due = max(due + EVERY_SECONDS, trio.current_time())
        with trio.move_on_at(inf if url is None else due):
            await changed.wait()


async def _is_healthy(writer: Writer) -> bool:
    if writer.is_damaged or not writer.sharing.may_answer:
        return False
    try:
        await writer.prove()
    except (StoreUnavailable, DatabaseDamaged):
        return False
    return True


async def ping(url: str) -> int:
    """Request a URL once and return the status of the answer. Raises Unanswered, also for an answer
    that is no success."""
    to = leading_to(url)
    try:
        response = await get(to, PING_SECONDS)
    except Unanswered as problem:
        raise Unanswered(joined(": ", (to.host, problem.args[0]))) from None
    if not 200 <= response.status < 300:
        raise Unanswered(Told("{1} answers {2}", to.host, str(response.status)))
    return response.status
