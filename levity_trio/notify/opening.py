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
from levity_trio.notify.delivery import Lane, LaneParts, channels_of
from levity_trio.notify.overdue import ReminderOrder
from levity_trio.notify.rounds import MAIL, PUSH, Ways
from levity_trio.notify.statements import (
    Mailed,
    MailingOrder,
    mail_reminder,
    mail_statements,
)
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
from levity_trio.store.upkeep.live_config import LiveConfig
from levity_trio.store.writes.people import messages, recipients
from levity_trio.wire.times import stamp

TOPIC_BYTES: Final = 16
log = get_logger("system")


class LinkAddresses(NamedTuple):
    """Where links of messages lead: the pages of owners and those of drivers, None where nobody
    else reaches them."""

    owners: str | None
    drivers: str | None


@record
class Around:
    """What messages work with. `rule` is by what sessions are billed."""

    live: LiveConfig
    reader: Reader
    writer: Writer
    clock: Clock
    key: SecretKey
    rule: Rule
    addresses: LinkAddresses
    is_clock_trusted: Callable[[], bool]

    @property
    def config(self) -> ServerConfig:
        """The configuration as it is now."""
        return self.live.now


class Messages:
    """What the rest of the server asks of messages."""

    def __init__(self, around: Around, lanes: Sequence[Lane]) -> None:
        self._around = around
        self._lanes = lanes

    def wake(self) -> None:
        """Send at once what is due."""
        for lane in self._lanes:
            lane.wake()

    async def mail_statements(self, order: MailingOrder) -> Mailed:
        """Mail the statements of a closed month."""
        around, ways = self._around, ways_of(self._around)
        mailed = await mail_statements(around.reader, around.writer, around.clock, ways, order)
        self.wake()
        return mailed

    async def mail_reminder(self, order: ReminderOrder) -> int:
        """Mail the reminder of a statement. Raises NotReminded."""
        around, ways = self._around, ways_of(self._around)
        mailed = await mail_reminder(around.reader, around.writer, around.clock, ways, order)
        self.wake()
        return mailed


def new_topic() -> str:
    """Return a topic that nobody guesses: 128 random bits."""
    return token_hex(TOPIC_BYTES)


def ways_of(around: Around) -> Ways:
    """Return by which ways messages leave."""
    config = around.config
    owners, drivers = around.addresses
    return Ways(
        channels=channels_of(config),
        zone=config.time_zone,
        owners_url=owners,
        drivers_url=drivers,
    )


@asynccontextmanager
async def open_messages(around: Around, hooks: Hooks) -> AsyncIterator[Messages]:
    """Tell people, at the server that has the duties of the site, while the block runs."""
    look_seconds = around.config.check_interval_seconds
    begun_at = stamp(around.clock())

    def machine(db: Database) -> MachineState:
        is_trusted = around.is_clock_trusted()
        seen = MachineState.seen_by(
            around.writer, db, around.config, begun_at, is_clock_trusted=is_trusted
        )
        return seen._replace(backup_problem=around.live.backup_problem)

    parts = LaneParts(
        live=around.live,
        reader=around.reader,
        writer=around.writer,
        clock=around.clock,
        key=around.key,
        publish=hooks.observe,
        look_seconds=look_seconds,
    )
    lanes = tuple(Lane(parts, channel) for channel in (MAIL, PUSH))
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
    writer = around.writer
    await writer.sharing.duties.wait()
    with surviving("topics and messages of an earlier run could not be looked at"):
        # After a restore, topics are encrypted by another key: phones scan new ones.
        if around.key.digest is not None:
            lost = await writer.run(recipients.lost_topics, around.key)
            for number in lost:
                await writer.run(recipients.set_topic, number, new_topic(), around.key)
            if lost:
                log.warning(
                    "topics of push messages are unknown here and were replaced; scan the new ones",
                    recipients=lost,
                )
        await writer.run(messages.begin_again)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(telling.run)
        for lane in lanes:
            nursery.start_soon(lane.run)
        nursery.start_soon(_follow_changes, around.live, lanes)


async def _follow_changes(live: LiveConfig, lanes: Sequence[Lane]) -> None:
    changed = live.changed
    while True:
        await changed.wait()
        changed = live.changed
        for lane in lanes:
            with surviving("messages could not be tried again"):
                await lane.begin_again()
