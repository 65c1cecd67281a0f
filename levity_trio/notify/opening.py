"""Opens what tells people: the looks at what there is to tell, and the lanes by which messages get
out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from secrets import token_hex
from typing import Final, NamedTuple

import trio

from levity_trio.clock import Clock
from levity_trio.config import ServerConfig
from levity_trio.log.output import get_logger
from levity_trio.notify.delivery import GIVEN_UP_AFTER, Lane, Parts
from levity_trio.notify.rounds import MAIL, PUSH, Ways
from levity_trio.notify.statements import Mailed, Order, keep_sheets, mail_statements
from levity_trio.notify.telling import Looks, Telling
from levity_trio.plugins.base import Hooks
from levity_trio.records import record
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.database import Database
from levity_trio.store.engine.retrying import surviving
from levity_trio.store.engine.writer import Writer
from levity_trio.store.reads.now.attention import MachineState
from levity_trio.store.reads.reader import Reader
from levity_trio.store.writes.people import messages, recipients
from levity_trio.wire.times import stamp

TOPIC_BYTES: Final = 16
log = get_logger("system")


class Addresses(NamedTuple):
    """Where links of messages lead: the pages of owners and those of drivers, None where nobody
    else reaches them."""

    owners: str | None
    drivers: str | None


@record
class Around:
    """What messages work with. `rule` is by what sessions are billed."""

    config: ServerConfig
    reader: Reader
    writer: Writer
    clock: Clock
    key: SecretKey
    rule: Rule
    addresses: Addresses
    is_clock_trusted: Callable[[], bool]


class NoMailServer(Exception):
    """No mail server is set (--mail)."""


class Messages:
    """What the rest of the server asks of messages."""

    def __init__(self, around: Around, lanes: Sequence[Lane]) -> None:
        self._around = around
        self._lanes = lanes

    def wake(self) -> None:
        """Send at once what is due."""
        for lane in self._lanes:
            lane.wake()

    async def mail_statements(self, order: Order) -> Mailed:
        """Mail the statements of a closed month. Raises NoMailServer."""
        around = self._around
        if around.config.mail is None:
            raise NoMailServer
        mailed = await mail_statements(
            around.reader, around.writer, around.clock, ways_of(around), order
        )
        self.wake()
        return mailed


def new_topic() -> str:
    """Return a topic that nobody guesses: 128 random bits."""
    return token_hex(TOPIC_BYTES)


def ways_of(around: Around) -> Ways:
    """Return by which ways messages leave."""
    config = around.config
    channels = [
        channel for channel, url in ((MAIL, config.mail), (PUSH, config.ntfy)) if url is not None
    ]
    owners, drivers = around.addresses
    return Ways(channels=channels, zone=config.time_zone, owners_url=owners, drivers_url=drivers)


@asynccontextmanager
async def open_messages(around: Around, hooks: Hooks) -> AsyncIterator[Messages]:
    """Tell people, at the server that has the duties of the site, while the block runs."""
    config, look_seconds, begun_at = (
        around.config,
        around.config.check_interval_seconds,
        stamp(around.clock()),
    )

    def machine(db: Database) -> MachineState:
        is_trusted = around.is_clock_trusted()
        return MachineState.seen_by(
            around.writer, db, config, begun_at, is_clock_trusted=is_trusted
        )

    parts = Parts(
        config=config,
        reader=around.reader,
        writer=around.writer,
        clock=around.clock,
        key=around.key,
        publish=hooks.observe,
        look_seconds=look_seconds,
    )
    lanes = tuple(Lane(parts, channel) for channel in ways_of(around).channels)
    opened = Messages(around, lanes)
    looks = Looks(
        reader=around.reader,
        writer=around.writer,
        clock=around.clock,
        rule=around.rule,
        ways=partial(ways_of, around),
        machine=machine,
        look_seconds=look_seconds,
    )
    telling = Telling(looks, opened.wake)
    async with trio.open_nursery() as nursery:
        with hooks.listening(telling.observe):
            nursery.start_soon(_run, around, telling, lanes)
            try:
                yield opened
            finally:
                for lane in lanes:
                    lane.stop()
        nursery.cancel_scope.cancel()


async def _run(around: Around, telling: Telling, lanes: Sequence[Lane]) -> None:
    await around.writer.sharing.duties.wait()
    with surviving("topics and messages of an earlier run could not be looked at"):
        await _renew_topics(around)
        await around.writer.run(messages.begin_again)
        await _give_up_old(around)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_sheets, around.reader, around.writer)
        nursery.start_soon(telling.run)
        for lane in lanes:
            nursery.start_soon(lane.run)


async def _give_up_old(around: Around) -> None:
    """Give up what waits for a way that is set no longer, so that it does not come out of the blue
    after a year."""
    now = around.clock()
    for channel in {MAIL, PUSH} - set(ways_of(around).channels):
        await around.writer.run(
            messages.give_up_old, channel, stamp(now - GIVEN_UP_AFTER), stamp(now)
        )


async def _renew_topics(around: Around) -> None:
    """Replace the topics that were encrypted by another key: after a restore, phones scan new
    ones."""
    if around.key.digest is None:
        return
    lost = await around.writer.run(recipients.lost_topics, around.key)
    for number in lost:
        await around.writer.run(recipients.set_topic, number, new_topic(), around.key)
    if lost:
        log.warning(
            "topics of push messages are unknown here and were replaced; scan the new ones",
            recipients=lost,
        )
