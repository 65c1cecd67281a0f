"""MQTT: what chargers do, for Home Assistant and whoever else subscribes; meters and commands the
other way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from levity_trio.plugins.base import Plugin, Site


@asynccontextmanager
async def open_mqtt(site: Site) -> AsyncIterator[Plugin | None]:
    """Open the plug-in if `--mqtt` is set."""
    if site.config.mqtt is None:
        yield None
        return
    from levity_trio.plugins.mqtt.broker import Broker  # noqa: PLC0415 - paho takes 2 MB, loaded only if used
    from levity_trio.plugins.mqtt.plugin import Mqtt  # noqa: PLC0415 - see above

    plugin = Mqtt(site, Broker.of(site.config))
    async with trio.open_nursery() as running:
        running.start_soon(plugin.run)
        yield plugin
        await plugin.leave_nothing()
        running.cancel_scope.cancel()
