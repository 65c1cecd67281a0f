"""Drains a server before its stop. A proxy learns of it first, from /healthz. Then no new chargers
are admitted, and those that are here are told one after the other to connect again: then other
servers of the site have them."""

from __future__ import annotations

from typing import Final

import trio

from levity_trio.charger.registry import ConnectionRegistry
from levity_trio.charger.websocket import CloseCode
from levity_trio.log.output import get_logger
from levity_trio.store.reads.chargers.chargers import STOPPING

NOTICE_SECONDS: Final = 3.0
"""The time in which a proxy finds out: it asks each second, and believes the second answer."""
REFUSED: Final = "This server is about to stop; connect again."

log = get_logger("system")


class Draining:
    """Whether this server is being drained, and over how many seconds its chargers are told so."""

    def __init__(self) -> None:
        self._asked = trio.Event()
        self._seconds = 0.0
        self.is_closed = False
        """Whether no more chargers are admitted."""

    @property
    def is_asked(self) -> bool:
        return self._asked.is_set()

    def ask(self, seconds: float) -> None:
        """Begin to drain the server. Only the first one who asks says over how many seconds."""
        if not self.is_asked:
            self._seconds = seconds
            self._asked.set()

    async def run(self, registry: ConnectionRegistry) -> None:
        """Wait until somebody asks, then close the connections."""
        await self._asked.wait()
        # The proxy must send no new charger here when the first one is told to come back.
        await trio.sleep(min(NOTICE_SECONDS, self._seconds))
        self.is_closed = True
        sessions = list(registry.sessions())
        log.warning(
            "draining: chargers are told to connect again",
            chargers=len(sessions),
            seconds=self._seconds,
        )
        for session in sessions:
            session.end(CloseCode.SERVICE_RESTART, STOPPING)
            await trio.sleep(self._seconds / len(sessions))
