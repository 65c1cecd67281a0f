"""Delivers messages: each at least once, over restarts, by mail and by push in lanes of their own.

A message is claimed in one commit and noted as sent in another. A server that dies between the
answer of the mail server and that commit sends it again, with the same Message-ID, and says that it
is perhaps the second time. Where a server does not take messages, its lane pauses, longer and
longer; what waited for days is given up. What makes one message impossible ends that message, and
is told at its recipient; it keeps no other from leaving.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from email.errors import MessageError
from functools import partial
from math import inf
from typing import Final

import trio

from levity_trio.clock import Clock
from levity_trio.config import ServerConfig
from levity_trio.documents import DocumentProblem
from levity_trio.events import Event, MessageTried
from levity_trio.log.output import get_logger
from levity_trio.notify.letter import Attachment, Letter, Notice, Unsent
from levity_trio.notify.rounds import MAIL, URGENT
from levity_trio.notify.sending import push, send_mail
from levity_trio.notify.statements import attached
from levity_trio.records import record
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.engine.faults import DatabaseDamaged, StoreUnavailable, Unreadable
from levity_trio.store.engine.retrying import persist, surviving
from levity_trio.store.engine.writer import Writer
from levity_trio.store.reads.people.messages import DueMessages, due
from levity_trio.store.reads.reader import Reader
from levity_trio.store.writes.people import messages as writes
from levity_trio.store.writes.people.messages import ClaimedMessage, DeliveryFailure
from levity_trio.told import Told
from levity_trio.wire.times import shifted_stamp, stamp

PAGE: Final = 20
SHORTEST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(minutes=15)
GIVEN_UP_AFTER: Final = timedelta(days=4)
IN_A_ROW: Final = 2
"""So many messages that fail one after another show that the server takes none."""
RETRY_SECONDS: Final = 1.0
GOODBYE_SECONDS: Final = 2.0
"""How long a stop of our server waits for the answer to a message that is being sent, which would
else come twice."""
UNMAKEABLE: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MessageError,
    TypeError,
    ValueError,
)
"""What a message itself raises while it is made, whenever that is tried."""
NO_ADDRESS: Final = Told("there is no address any more")
NO_TOPIC: Final = Told("its topic is unknown here")

log = get_logger("system")


@record
class Parts:
    """What deliveries work with. While messages wait, they are looked at each `look_seconds`."""

    config: ServerConfig
    reader: Reader
    writer: Writer
    clock: Clock
    key: SecretKey
    publish: Callable[[Event], None]
    look_seconds: float


class Lane:
    """The deliveries of one channel, one after another."""

    def __init__(self, parts: Parts, channel: str) -> None:
        self._parts = parts
        self._channel = channel
        self._news = trio.Event()
        self._failing_since: datetime | None = None
        self._rests_until: datetime | None = None
        self._in_a_row = 0
        self._sending, self._until = trio.CancelScope(shield=True), inf
        self._left_out: set[int] = set()
        """Messages of which the database does not store what became of them: a page of it is
        damaged, or it refuses."""

    def __repr__(self) -> str:
        return (
            f"<Lane {self._channel} failing_since={self._failing_since} "
            f"rests_until={self._rests_until}>"
        )

    def wake(self) -> None:
        """Look at once for messages that are due."""
        self._news.set()

    def stop(self) -> None:
        """Let what is being sent end soon."""
        self._until = self._sending.deadline = trio.current_time() + GOODBYE_SECONDS

    async def run(self) -> None:
        """Deliver for as long as the server runs."""
        while True:
            self._news, rest = trio.Event(), RETRY_SECONDS
            with surviving("messages could not be delivered", channel=self._channel):
                rest = await self._deliver()
            with trio.move_on_after(rest):
                await self._news.wait()

    async def _deliver(self) -> float:
        """Deliver what is due, unless the server rests; return for how many seconds there is
        nothing to do."""
        while (left := self._seconds_until(self._rests_until)) == 0.0:
            found = await self._due()
            self._rests_until = None
            for message in found.due:
                await self._send(message)
                if self._rests_until is not None:
                    break
            if not found.due:
                left = (
                    inf
                    if found.next_at is None
                    else self._seconds_until(datetime.fromisoformat(found.next_at))
                )
                return left if left == inf else min(left, self._parts.look_seconds)
        return min(left, self._parts.look_seconds)

    async def _due(self) -> DueMessages:
        at = stamp(self._parts.clock())
        most = PAGE + len(self._left_out)
        found = await self._parts.reader.run(partial(due, channel=self._channel, at=at, limit=most))
        return found._replace(due=[one for one in found.due if one not in self._left_out])

    def _seconds_until(self, moment: datetime | None) -> float:
        return 0.0 if moment is None else max((moment - self._parts.clock()).total_seconds(), 0.0)

    async def _send(self, number: int) -> None:
        self._left_out.add(number)
        try:
            claimed = await self._parts.writer.run(writes.claim, number, stamp(self._parts.clock()))
            if claimed is not None:
                with trio.CancelScope(deadline=self._until, shield=True) as self._sending:
                    await self._deliver_one(claimed)
        except StoreUnavailable as problem:  # of all messages, unless it is a damaged page
            if not isinstance(problem, DatabaseDamaged):
                self._left_out.discard(number)
            raise
        self._left_out.discard(number)

    async def _deliver_one(self, claimed: ClaimedMessage) -> None:
        try:
            to = await self._hand_over(claimed)
        except Unsent as problem:
            await self._fail(claimed, problem)
        except UNMAKEABLE as problem:
            log.exception("a message cannot be made, and is given up", message=claimed.id)
            await self._fail(
                claimed,
                Unsent(Told("it cannot be made ({1})", type(problem).__name__), is_refused=True),
            )
        except (
            DocumentProblem,
            MemoryError,
            OSError,
            RuntimeError,
            Unreadable,
        ) as problem:  # others may be made
            log.warning(
                "a message cannot be made now; it is tried again",
                message=claimed.id,
                reason=str(problem),
            )
            await self._note_failed(
                claimed, Unsent(Told("it cannot be made now: {1}", str(problem)))
            )
        else:
            await self._succeed(claimed, to)

    async def _hand_over(self, message: ClaimedMessage) -> str | None:
        """Send a message; return the address to which it went. Raises Unsent, and whatever making
        it raises."""
        config = self._parts.config
        if self._channel == MAIL:
            if message.mail is None:
                raise Unsent(NO_ADDRESS, is_refused=True)
            await send_mail(await self._letter(message, message.mail), config)
            return message.mail
        topic = None if message.topic is None else self._parts.key.opened(message.topic)
        if topic is None:
            raise Unsent(NO_TOPIC, is_refused=True)
        is_urgent = message.kind in URGENT and message.part == "begin"
        await push(
            Notice(
                topic=topic,
                title=message.subject,
                body=message.body,
                link=message.link,
                is_urgent=is_urgent,
            ),
            config,
        )
        return None

    async def _letter(self, message: ClaimedMessage, to: str) -> Letter:
        attachments: tuple[Attachment, ...] = ()
        if message.statement is not None and message.part == "statement":
            try:
                attachments = (
                    await attached(self._parts.reader, message.statement, self._parts.config.font),
                )
            except LookupError:
                raise Unsent(Told("there is no such statement any more"), is_refused=True) from None
        return Letter(
            message_id=message.message_id,
            to=to,
            subject=message.subject,
            body=message.body,
            link=message.link,
            at=self._parts.clock(),
            attachments=attachments,
        )

    # What became of it

    async def _succeed(self, message: ClaimedMessage, to: str | None) -> None:
        parts, at = self._parts, stamp(self._parts.clock())
        await persist(partial(parts.writer.run, writes.note_sent, message.id, at, to))
        self._in_a_row = 0
        if self._failing_since is not None:
            self._failing_since = None
            log.info("messages are delivered again", channel=self._channel)
            await parts.writer.run(writes.try_soon, self._channel, at)
        self._publish("sent")

    async def _fail(self, message: ClaimedMessage, problem: Unsent) -> None:
        if problem.is_refused:
            log.warning(
                "a message was refused, and is given up",
                message=message.id,
                problem=problem.problem,
            )
            await self._note_failed(message, problem)
            self._in_a_row = 0
            return
        now = self._parts.clock()
        if self._failing_since is None:
            self._failing_since = now
            log.warning(
                "messages cannot be delivered; they are tried again",
                channel=self._channel,
                why=problem.problem,
            )
        await self._note_failed(message, problem)
        self._in_a_row += 1
        if self._in_a_row >= IN_A_ROW or not (await self._due()).due:
            await self._pause(now)

    async def _pause(self, now: datetime) -> None:
        """Let the server rest, and give up what has waited for too long."""
        since = self._failing_since or now
        self._rests_until = now + _pause_after(now - since)
        before = stamp(now - GIVEN_UP_AFTER)
        if now - since >= GIVEN_UP_AFTER:
            given_up = await self._parts.writer.run(
                writes.give_up_old, self._channel, before, stamp(now)
            )
            for _ in range(given_up):
                self._publish("given up")
            if given_up:
                log.error("messages were given up", channel=self._channel, messages=given_up)

    async def _note_failed(self, message: ClaimedMessage, problem: Unsent) -> None:
        now = self._parts.clock()
        failing = timedelta()
        if message.failing_since is not None:
            failing = now - datetime.fromisoformat(message.failing_since)
        is_given_up = problem.is_refused or failing >= GIVEN_UP_AFTER
        failure = DeliveryFailure(
            message=message.id,
            problem=problem.problem,
            next_at=shifted_stamp(stamp(now), _pause_after(failing)),
            is_given_up=is_given_up,
            is_perhaps_sent=problem.is_perhaps_sent,
            refused=message.mail if problem.is_refused and self._channel == MAIL else None,
        )
        await persist(partial(self._parts.writer.run, writes.note_failed, failure, stamp(now)))
        self._publish("refused" if problem.is_refused else "given up" if is_given_up else "failed")

    def _publish(self, outcome: str) -> None:
        self._parts.publish(MessageTried(charger=None, channel=self._channel, outcome=outcome))


def _pause_after(failing: timedelta) -> timedelta:
    return min(max(failing, SHORTEST_PAUSE), LONGEST_PAUSE)
