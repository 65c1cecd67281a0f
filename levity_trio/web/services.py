"""Opens what people and their programs use: the API with the dashboard, the event feed, webhooks,
messages to people, files of chargers.

It is imported when a server starts, not with the server's root: its libraries and endpoints are a
third of all modules.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

import trio

from levity_trio.backends.copies import Copies, open_copies
from levity_trio.backends.parts import CopyParts
from levity_trio.charger.central import Central
from levity_trio.charger.commands import Chargers
from levity_trio.config import ServerConfig
from levity_trio.notify.delivery import Around, LinkAddresses, Messages, open_messages
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.reads.reader import Reader
from levity_trio.store.reads.transactions.costs import rule_of
from levity_trio.store.upkeep.following import open_tags
from levity_trio.web.api.engine.endpoints import ApiParts
from levity_trio.web.api.listeners import ApiListeners, listen_for_api, local_socket, open_api
from levity_trio.web.drivers_address import addresses_to_send
from levity_trio.web.feed import Feed, open_feed
from levity_trio.web.files.listener import FileListeners, listen_for_files, open_files
from levity_trio.web.files.shelf import Shelf
from levity_trio.web.in_process import ApiOfPlugins, ApiOpening
from levity_trio.web.logins.browsers import Logins, Tokens
from levity_trio.web.webhooks.delivery import DeliveryParts, Webhooks, open_webhooks
from levity_trio.wire.times import stamp

__all__ = ["ApiOfPlugins", "Listeners", "api_of", "listen", "local_socket", "open_web"]


class Listeners(NamedTuple):
    """The listeners of the API and of files."""

    api: ApiListeners
    files: FileListeners

    def in_config(self, config: ServerConfig) -> ServerConfig:
        """Return a configuration with the ports that were selected where it says 0."""
        return self.api.in_config(config)


async def listen(config: ServerConfig) -> Listeners:
    """Open the listeners that have a port. Raises EnvironmentProblem."""
    return Listeners(await listen_for_api(config), await listen_for_files(config))


@asynccontextmanager
async def open_web(
    central: Central,
    reader: Reader,
    key: SecretKey,
    listeners: Listeners,
    local: trio.SocketListener | None,
    opening: ApiOpening,
) -> AsyncIterator[None]:
    """Serve all this while the block runs; `local` is the local socket, if there is one. `opening`
    lets plug-ins in."""
    config, writer, clock, hooks = central.config, central.writer, central.clock, central.hooks
    api_listeners = listeners.api._replace(local=local)
    copies = CopyParts(
        reader=reader, writer=writer, clock=clock, key=key, card_key=central.tags.policy.key
    )
    deliveries = DeliveryParts(reader, writer, clock, config.check_interval_seconds, key)
    async with (
        open_tags(writer, reader, central.tags, clock) as read_imported,
        open_feed(reader, hooks) as feed,
        open_webhooks(deliveries, hooks) as webhooks,
        open_copies(copies, hooks) as backends,
        open_messages(around_of(central, reader, key), hooks) as messages,
        open_files(
            config, writer, reader, clock, lambda: central.clock_trusted, listeners.files
        ) as shelf,
        open_api(
            api_of(central, reader, read_imported, feed, webhooks, backends, messages, shelf, key),
            api_listeners,
            opening,
        ),
    ):
        yield


def around_of(central: Central, reader: Reader, key: SecretKey) -> Around:
    """Return what messages to people work with."""
    return Around(
        live=central.live,
        reader=reader,
        writer=central.writer,
        clock=central.clock,
        key=key,
        rule=rule_of(central.config, central.policy),
        addresses=LinkAddresses(*addresses_to_send(central.config)),
        is_clock_trusted=lambda: central.clock_trusted,
    )


def api_of(
    central: Central,
    reader: Reader,
    read_imported: Callable[[], Awaitable[None]],
    feed: Feed,
    webhooks: Webhooks,
    backends: Copies,
    messages: Messages,
    shelf: Shelf,
    key: SecretKey,
) -> ApiParts:
    """Return what the endpoints of the API work with."""
    tokens = Tokens()
    return ApiParts(
        live=central.live,
        clock=central.clock,
        writer=central.writer,
        reader=reader,
        chargers=Chargers(central),
        load=central.load,
        tokens=tokens,
        logins=Logins(tokens, central.writer, central.clock),
        id_tags=central.tags,
        is_clock_trusted=lambda: central.clock_trusted,
        publish=central.hooks.observe,
        read_imported=read_imported,
        streams=trio.CapacityLimiter(central.config.api_max_streams),
        feed=feed,
        webhooks=webhooks,
        backends=backends,
        messages=messages,
        key=key,
        shelf=shelf,
        plugins=central.hooks.plugins,
        begun_at=stamp(central.clock()),
    )
