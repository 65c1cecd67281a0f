"""Runs the tasks that issue certificates and raise security profiles, for as long as the server runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from levity_trio.charger.central import Central
from levity_trio.charger.securing import Securing
from levity_trio.charger.signing import Signing


@asynccontextmanager
async def open_security(central: Central) -> AsyncIterator[None]:
    """Run both tasks until the block is left."""
    signing, securing = Signing(central), Securing(central)
    with central.hooks.listening(signing.observe), central.hooks.listening(securing.observe):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(signing.run)
            nursery.start_soon(securing.run)
            yield
            nursery.cancel_scope.cancel()
