"""Tells a service outside every minute that this server is healthy, so that somebody notices when
it is not.

Healthy means that a write was committed just now and the event loop answers. Otherwise nothing is
requested, and the service raises its alarm.
"""

from __future__ import annotations

from typing import Final

import trio

from levity_trio.log.output import get_logger
from levity_trio.outgoing.request import Unanswered, get, leading_to
from levity_trio.store.engine.faults import DatabaseDamaged, StoreUnavailable
from levity_trio.store.engine.writer import Writer

EVERY_SECONDS: Final = 60.0
PING_SECONDS: Final = 10.0

log = get_logger("system")


async def keep_pinging(url: str, writer: Writer) -> None:
    """Request the URL every minute while the server is healthy. A URL that cannot be reached is
    logged once."""
    is_reached = True
    due = trio.current_time()
    while True:
        if await _is_healthy(writer):
            problem = await ping(url)
            if problem is not None and is_reached:
                log.warning("the URL of --ping-url cannot be reached", problem=problem)
            elif problem is None and not is_reached:
                log.info("the URL of --ping-url is reached again")
            is_reached = problem is None
        due = max(due + EVERY_SECONDS, trio.current_time())
        await trio.sleep_until(due)


async def _is_healthy(writer: Writer) -> bool:
    if writer.is_damaged or not writer.sharing.may_answer:
        return False
    try:
        await writer.prove()
    except (StoreUnavailable, DatabaseDamaged):
        return False
    return True


async def ping(url: str) -> str | None:
    """Request a URL once; return what is wrong, None if all is well."""
    to = leading_to(url)
    try:
        response = await get(to, PING_SECONDS)
    except Unanswered as problem:
        return f"{to.host}: {problem}"
    return None if 200 <= response.status < 300 else f"{to.host} answers {response.status}"
