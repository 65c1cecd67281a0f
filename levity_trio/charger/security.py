"""Runs the tasks that issue certificates and raise security profiles."""

from __future__ import annotations

import trio

from levity_trio.charger.central import Central
from levity_trio.charger.securing import Securing
from levity_trio.charger.signing import Signing


async def keep_security(central: Central) -> None:
    """Run both tasks until the server stops. What they have not done by then is stored, and the next run does it."""
    await central.writer.sharing.duties.wait()
    signing, securing = Signing(central), Securing(central)
    with central.hooks.listening(signing.observe), central.hooks.listening(securing.observe):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(signing.run)
            nursery.start_soon(securing.run)
