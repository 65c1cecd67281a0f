"""Delivers messages: each at least once, over restarts, by mail and by push in lanes of their own.

A message is claimed in one commit and noted as sent in another. A server that dies between the
answer of the mail server and that commit sends it again, with the same Message-ID, and says that it
is perhaps the second time. Where a server does not take messages, its lane pauses, longer and
longer; what waited for days is given up. What makes one message impossible ends that message, and
is told at its recipient; it keeps no other from leaving.

What tells people is opened here: the looks at what there is to tell, and the lanes.

Looks at what there is to tell, after facts and as time passes, at the server that has the duties
of the site.

What a look makes and how far it has come are one write: nothing is lost at kill -9, and nothing is
made twice.

Statements by mail: those of a closed month, to the households that have an address.

Tells a service outside every minute that this server is healthy, so that somebody notices when
it is not.

Healthy means that a write was committed just now and the event loop answers. Otherwise nothing is
requested, and the service raises its alarm.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from email.errors import MessageError
from functools import partial
from math import inf
from pathlib import Path
from secrets import token_hex
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import trio

from levity_trio.clock import Clock
from levity_trio.config import ServerConfig
from levity_trio.documents import DocumentProblem, printing
from levity_trio.documents.paper import DocumentForm, Paper, name_of
from levity_trio.documents.sheet import kept
from levity_trio.events import (
    AvailabilityDiffers,
    ChargerConnected,
    ChargerDisconnected,
    Event,
    MessageTried,
    StatusChanged,
)
from levity_trio.log.output import get_logger
from levity_trio.notify.kinds import KINDS, MessageKind
from levity_trio.notify.letter import Attachment, Letter, Notice, Unsent
from levity_trio.notify.overdue import NotReminded, ReminderOrder, is_paid, overdue
from levity_trio.notify.reading import MOST_FACTS, TOLD, ClosedOne, find, recipients_of
from levity_trio.notify.rounds import (
    MAIL,
    PUSH,
    SUPPLEMENT,
    Ways,
    messages_of,
    reminder_mail,
    statement_mail,
)
from levity_trio.notify.sending import push, send_mail
from levity_trio.outgoing.request import Unanswered, get, leading_to
from levity_trio.plugins.base import Hooks
from levity_trio.records import record
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.billing.rows import Names, names_text
from levity_trio.store.billing.settling import local_day
from levity_trio.store.billing.statements import Printed, closed, party_digest, supplement
from levity_trio.store.engine.database import Database, UnitOfWork, marks, parts, rows_of
from levity_trio.store.engine.faults import DatabaseDamaged, StoreUnavailable, Unreadable
from levity_trio.store.engine.writer import Writer, persist, surviving
from levity_trio.store.reads.money.months import additions
from levity_trio.store.reads.now.attention import MachineState
from levity_trio.store.reads.people.messages import DueMessages, due
from levity_trio.store.reads.reader import Reader
from levity_trio.store.upkeep.following import LiveConfig
from levity_trio.store.writes.money.ledger import Supplement
from levity_trio.store.writes.people import messages
from levity_trio.store.writes.people import messages as writes
from levity_trio.store.writes.people.messages import (
    ClaimedMessage,
    DeliveryFailure,
    NewMessage,
    Round,
    add,
    stand_for_households,
    store_round,
)
from levity_trio.told import Told, joined
from levity_trio.wire.times import in_zone, shifted_stamp, stamp

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
            lost = await writer.run(writes.lost_topics, around.key)
            for number in lost:
                await writer.run(writes.set_topic, number, new_topic(), around.key)
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


PAGE: Final = 20
SHORTEST_PAUSE: Final = timedelta(seconds=10)
LONGEST_PAUSE: Final = timedelta(minutes=15)
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


def channels_of(config: ServerConfig) -> list[str]:
    """Return the channels by which messages leave."""
    servers = {MAIL: config.mail, PUSH: config.ntfy}
    return [channel for channel, server in servers.items() if server is not None]


@record
class LaneParts:
    """What deliveries work with. While messages wait, they are looked at each `look_seconds`."""

    live: LiveConfig
    reader: Reader
    writer: Writer
    clock: Clock
    key: SecretKey
    publish: Callable[[Event], None]
    look_seconds: float


class Lane:
    """The deliveries of one channel, one after another."""

    def __init__(self, parts: LaneParts, channel: str) -> None:
        self._parts = parts
        self._channel = channel
        self._news = trio.Event()
        self._is_set = True
        self._failing_since: datetime | None = None
        self._rests_until: datetime | None = None
        self._in_a_row = 0
        self._sending = trio.CancelScope(shield=True)
        self._until = inf
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

    async def begin_again(self) -> None:
        """Try at once again what failed: settings have changed."""
        self._rests_until = self._failing_since = None
        now = stamp(self._parts.clock())
        await self._parts.writer.run(writes.try_soon, self._channel, now)
        self._news.set()

    def stop(self) -> None:
        """Let what is being sent end soon."""
        self._until = self._sending.deadline = trio.current_time() + GOODBYE_SECONDS

    async def run(self) -> None:
        """Deliver for as long as the server runs."""
        while True:
            self._news = trio.Event()
            rest = RETRY_SECONDS
            with surviving("messages could not be delivered", channel=self._channel):
                rest = await self._look()
            with trio.move_on_after(rest):
                await self._news.wait()

    async def _look(self) -> float:
        """Deliver, if the channel is set; return for how many seconds there is nothing to do."""
        was_set = self._is_set
        self._is_set = self._channel in channels_of(self._parts.live.now)
        # What waits for a way that was not set must not come out of the blue after a year.
        if not (was_set and self._is_set):
            now = self._parts.clock()
            before = stamp(now - GIVEN_UP_AFTER)
            await self._parts.writer.run(writes.give_up_old, self._channel, before, stamp(now))
        return await self._deliver() if self._is_set else inf

    async def _deliver(self) -> float:
        """Deliver what is due, unless the server that takes messages is left to rest; return for
        how many seconds there is nothing to do."""
        longest = self._parts.look_seconds
        while True:
            rest = self._seconds_until(self._rests_until)
            if rest:
                return min(rest, longest)
            page = await self._due()
            self._rests_until = None
            for message in page.due:
                await self._send(message)
                if self._rests_until is not None:
                    break
            if page.due:
                continue
            if page.next_at is None:
                return inf
            next_at = datetime.fromisoformat(page.next_at)
            return min(self._seconds_until(next_at), longest)

    async def _due(self) -> DueMessages:
        at = stamp(self._parts.clock())
        most = PAGE + len(self._left_out)
        read = partial(due, channel=self._channel, at=at, limit=most)
        page = await self._parts.reader.run(read)
        numbers = [number for number in page.due if number not in self._left_out]
        return page._replace(due=numbers)

    def _seconds_until(self, moment: datetime | None) -> float:
        if moment is None:
            return 0.0
        left = moment - self._parts.clock()
        return max(left.total_seconds(), 0.0)

    async def _send(self, number: int) -> None:
        """Send a message, and store what became of it."""
        # Left out until its outcome is stored: else an error would send it again and again, and
        # those behind it never.
        self._left_out.add(number)
        try:
            now = stamp(self._parts.clock())
            claimed = await self._parts.writer.run(writes.claim, number, now)
            if claimed is not None:
                with trio.CancelScope(deadline=self._until, shield=True) as self._sending:
                    await self._deliver_one(claimed)
        except StoreUnavailable as problem:
            # This is a fault of all messages, unless it is a damaged page.
            if not isinstance(problem, DatabaseDamaged):
                self._left_out.discard(number)
            raise
        self._left_out.discard(number)

    async def _deliver_one(self, claimed: ClaimedMessage) -> None:
        writer = self._parts.writer
        try:
            to = await self._hand_over(claimed)
        except Unsent as problem:
            await self._fail(claimed, problem)
            return
        except UNMAKEABLE as problem:
            log.exception("a message cannot be made, and is given up", message=claimed.id)
            why = Told("it cannot be made ({1})", type(problem).__name__)
            await self._fail(claimed, Unsent(why, is_refused=True))
            return
        except (DocumentProblem, MemoryError, OSError, RuntimeError, Unreadable) as problem:
            # This says nothing about the server that takes messages, so the lane does not rest:
            # it goes on with the next message.
            reason = str(problem)
            log.warning(
                "a message cannot be made now; it is tried again",
                message=claimed.id,
                reason=reason,
            )
            await self._note_failed(claimed, Unsent(Told("it cannot be made now: {1}", reason)))
            return

        at = stamp(self._parts.clock())
        await persist(partial(writer.run, writes.note_sent, claimed.id, at, to))
        self._in_a_row = 0
        if self._failing_since is not None:
            self._failing_since = None
            log.info("messages are delivered again", channel=self._channel)
            await writer.run(writes.try_soon, self._channel, at)
        self._publish("sent")

    async def _hand_over(self, message: ClaimedMessage) -> str | None:
        """Send a message; return the address to which it went. Raises Unsent, and whatever making
        it raises."""
        parts = self._parts
        if self._channel != MAIL:
            topic = None if message.topic is None else parts.key.opened(message.topic)
            if topic is None:
                raise Unsent(NO_TOPIC, is_refused=True)
            notice = Notice(
                topic=topic,
                title=message.subject,
                body=message.body,
                link=message.link,
                is_urgent=message.part == "begin" and KINDS[message.kind].how.is_urgent,
            )
            await push(notice, parts.live.now)
            return None

        if message.mail is None:
            raise Unsent(NO_ADDRESS, is_refused=True)
        paid = partial(is_paid, statement_id=message.statement)
        if message.kind == MessageKind.REMINDER and await parts.reader.run(paid):
            raise Unsent(Told("it was paid meanwhile"), is_refused=True)
        attachments: list[Attachment] = []
        if message.statement is not None and message.part in ("statement", SUPPLEMENT):
            try:
                pdf = await attached(
                    parts.reader, message.statement, parts.live.now.font, message.part
                )
            except LookupError:
                raise Unsent(Told("there is no such statement any more"), is_refused=True) from None
            attachments.append(pdf)
        letter = Letter(
            message_id=message.message_id,
            to=message.mail,
            subject=message.subject,
            body=message.body,
            link=message.link,
            at=parts.clock(),
            attachments=attachments,
        )
        await send_mail(letter, parts.live.now)
        return message.mail

    async def _fail(self, message: ClaimedMessage, problem: Unsent) -> None:
        """Store that a message was not taken. If the server takes none, let it rest, and give up
        what has waited for too long."""
        why = problem.problem
        if problem.is_refused:
            log.warning("a message was refused, and is given up", message=message.id, problem=why)
            await self._note_failed(message, problem)
            self._in_a_row = 0
            return
        now = self._parts.clock()
        if self._failing_since is None:
            self._failing_since = now
            log.warning(
                "messages cannot be delivered; they are tried again",
                channel=self._channel,
                why=why,
            )
        since = self._failing_since
        await self._note_failed(message, problem)

        # One message may fail for a reason of its own, while others wait that do not.
        self._in_a_row += 1
        if self._in_a_row < IN_A_ROW and (await self._due()).due:
            return
        self._rests_until = now + _pause_after(now - since)
        if now - since < GIVEN_UP_AFTER:
            return
        before = stamp(now - GIVEN_UP_AFTER)
        writer = self._parts.writer
        given_up = await writer.run(writes.give_up_old, self._channel, before, stamp(now))
        for _ in range(given_up):
            self._publish("given up")
        if given_up:
            log.error("messages were given up", channel=self._channel, messages=given_up)

    async def _note_failed(self, message: ClaimedMessage, problem: Unsent) -> None:
        now = self._parts.clock()
        failing = timedelta()
        if message.failing_since is not None:
            failing = now - datetime.fromisoformat(message.failing_since)
        refused: str | None = None
        if problem.is_refused:
            outcome = "refused"
            refused = message.mail if self._channel == MAIL else None
        elif failing >= GIVEN_UP_AFTER:
            outcome = "given up"
        else:
            outcome = "failed"
        failure = DeliveryFailure(
            message=message.id,
            problem=problem.problem,
            next_at=shifted_stamp(stamp(now), _pause_after(failing)),
            is_given_up=outcome != "failed",
            is_perhaps_sent=problem.is_perhaps_sent,
            refused=refused,
        )
        writer = self._parts.writer
        await persist(partial(writer.run, writes.note_failed, failure, stamp(now)))
        self._publish(outcome)

    def _publish(self, outcome: str) -> None:
        self._parts.publish(MessageTried(charger=None, channel=self._channel, outcome=outcome))


def _pause_after(failing: timedelta) -> timedelta:
    """Return how long to wait before the next try: as long as it has failed, within limits."""
    return min(max(failing, SHORTEST_PAUSE), LONGEST_PAUSE)


_CLOSED: Final = """
    SELECT id, number, account_id, month, digest, language
    FROM statement
    WHERE month = ?
        AND number IS NOT NULL
        AND (CAST(?2 AS INTEGER) IS NULL OR account_id = ?2)
    ORDER BY number
"""
_SUPPLEMENTS: Final = """
    SELECT max(statement.id), max(number), supplement.account_id, supplement.month,
        supplement.digest, max(language), made_at
    FROM supplement
    JOIN statement ON statement.account_id = supplement.account_id
        AND statement.month = supplement.month AND number IS NOT NULL
    WHERE supplement.month = ? AND sheet IS NOT NULL
        AND (CAST(?2 AS INTEGER) IS NULL OR supplement.account_id = ?2)
    GROUP BY supplement.id
    ORDER BY supplement.id
"""
_EARLIER: Final = """
    SELECT
        count(*),
        count(CASE WHEN sent_at IS NULL AND given_up_at IS NULL THEN 1 END),
        count(sent_at)
    FROM message
    WHERE statement_id = ? AND recipient_id = ? AND kind = 'statement' AND part = ?
        AND created_at >= ?
"""


class Mailed(NamedTuple):
    """What was handed in to be mailed: how many mails; how many wait already or were sent; and the
    accounts of statements that have no address."""

    mails: int
    earlier: int
    without_address: Sequence[int]


@record(kw_only=False)
class MailingOrder:
    """The statements that are mailed: of a month, or of one account in it. What was sent is only
    sent `again` if that is wanted."""

    month: str
    by: str
    account: int | None = None
    again: bool = False


async def mail_statements(
    reader: Reader, writer: Writer, clock: Clock, ways: Ways, order: MailingOrder
) -> Mailed:
    """Hand in the statements of a closed month, and what was added to them, to be mailed. The same
    twice in a row makes no second mail."""
    at = stamp(clock())
    await writer.run(stand_for_households, at, order.by)
    plan = partial(_planned, order=order, ways=ways, at=at)
    mails, earlier, without_address = await reader.run(plan)

    def store(db: UnitOfWork) -> int:
        return sum(add(db, mail, at) for mail in mails)

    # Another server may have made the same mails meanwhile.
    made = await writer.run(store)
    return Mailed(made, earlier + len(mails) - made, without_address)


def _planned(
    db: Database, order: MailingOrder, ways: Ways, at: str
) -> tuple[list[NewMessage], int, list[int]]:
    """Return the mails to be made, how many there were before, and the accounts without an
    address."""
    drivers = [
        person for person in recipients_of(db) if person.is_driver and person.mail is not None
    ]
    mails: list[NewMessage] = []
    without_address: list[int] = []
    earlier = 0
    of_month = (order.month, order.account)
    papers = [(ClosedOne(*row), "statement", "") for row in db.execute(_CLOSED, of_month)]
    for *row, made_at in db.execute(_SUPPLEMENTS, of_month):
        papers.append((ClosedOne(*row), SUPPLEMENT, made_at))
    for statement, part, since in papers:
        all_of_it = [person for person in drivers if person.account == statement.account]
        chosen = [person for person in all_of_it if not person.is_household]
        recipients = chosen or all_of_it
        if not recipients and part != SUPPLEMENT:
            without_address.append(statement.account)
        for recipient in recipients:
            known = (statement.id, recipient.id, part, since)
            copies, waiting, sent = db.execute(_EARLIER, known).fetchone()
            if waiting or (sent and not order.again):
                earlier += 1
                continue
            mails.append(statement_mail(recipient, statement, ways, at, order.by, copies, part))
    return mails, earlier, without_address


async def mail_reminder(
    reader: Reader, writer: Writer, clock: Clock, ways: Ways, order: ReminderOrder
) -> int:
    """Hand in the reminder of a statement to each mail address of its household; return how many
    there are. Raises NotReminded."""
    now = clock()
    await writer.run(stand_for_households, stamp(now), order.by)

    def plan(db: Database) -> list[NewMessage]:
        one = overdue(db, order, in_zone(now, ways.zone).date())
        account = one.standing.account
        drivers = [person for person in recipients_of(db) if person.is_driver]
        addressed = [person for person in drivers if person.account == account and person.mail]
        if not addressed:
            raise NotReminded(Told("this household has no mail address"))
        return [reminder_mail(person, one, ways, stamp(now), order.by) for person in addressed]

    mails = await reader.run(plan)
    return await writer.run(lambda db: sum(add(db, mail, stamp(now)) for mail in mails))


async def attached(reader: Reader, statement: int, font: Path | None, part: str) -> Attachment:
    """Return a closed statement as a PDF, or what was added to it. Raises LookupError,
    DocumentProblem."""

    read = supplement if part == SUPPLEMENT else closed
    one = await reader.run(lambda db: read(rows_of(db), statement))
    if one is None:
        raise LookupError(f"nothing was added to the statement with the id {statement}")
    paper = as_paper(one)
    (content,) = await printing.documents([paper], DocumentForm.PDF, font)
    name = f"{name_of(paper.first)}.pdf"
    return Attachment(name=name, media_type="application/pdf", content=content)


def as_paper(one: Printed) -> Paper:
    """Return a statement to be printed."""
    return Paper((one.statement,), one.templates, language=one.language, sheet=one.sheet)


def supplements(db: Database, month: str, at: str, zone: ZoneInfo, salt: str) -> list[Supplement]:
    """Return what can be added to the papers of a closed month, as it is stored. Raises
    DocumentProblem."""
    from levity_trio.documents.making import supplement_of  # noqa: PLC0415 - as below

    made: list[Supplement] = []
    for one in additions(db, month):
        first = one.statements[0]
        statements = tuple(each.statement for each in one.statements)
        paper = Paper(statements, first.templates, language=first.language)
        owner, day = one.biller.owner, local_day(at, zone)
        sheet = kept(supplement_of(paper, owner, one.to, day))
        party = names_text(Names(party=one.to), salt, party_digest(salt + sheet))
        made.append(Supplement(one.account, month, one.biller.id, party, sheet))
    return made


def sheet_text(one: Printed) -> str:
    """Return what a statement says, as it is kept. Raises DocumentProblem."""
    from levity_trio.documents.making import sheet_of  # noqa: PLC0415 - takes memory, and is seldom needed

    return kept(sheet_of(as_paper(one)))


PAUSE_SECONDS: Final = 10.0
"""At least so long between two looks: facts come in bursts."""
FAR: Final = 500
"""The cursor moves on after so many facts of which nothing is told."""
_NEWS: Final = (*TOLD, ChargerConnected, ChargerDisconnected, StatusChanged, AvailabilityDiffers)
_KNOWN: Final = "SELECT message_id FROM message WHERE message_id IN ({})"


@record(kw_only=False)
class Looks:
    """What looks are made with. `machine` reads what the server knows beside its database;
    `look_seconds` apart, what only time changes is looked at."""

    reader: Reader
    writer: Writer
    clock: Clock
    rule: Rule
    ways: Callable[[], Ways]
    machine: Callable[[Database], MachineState]
    look_seconds: float


class Telling:
    """The looks. `told` is called after messages were made."""

    def __init__(self, looks: Looks, told: Callable[[], None]) -> None:
        self._looks = looks
        self._told = told
        self._news = trio.Event()

    def observe(self, event: Event) -> None:
        """Look soon after a fact that may be told."""
        if isinstance(event, _NEWS):
            self._news.set()

    async def run(self) -> None:
        """Look for as long as the server runs."""
        await self._looks.writer.sharing.duties.wait()
        while True:
            self._news = trio.Event()
            with surviving("what there is to tell could not be looked at"):
                await self.look()
            await trio.sleep(min(PAUSE_SECONDS, self._looks.look_seconds))
            with trio.move_on_after(self._looks.look_seconds):
                await self._news.wait()

    async def look(self) -> None:
        """Look at all new facts. Raises StoreUnavailable, Unreadable."""
        has_more = True
        while has_more:
            made, has_more = await self._looks.reader.run(self._read)
            if made is None or not await self._looks.writer.run(store_round, made):
                return
            if made.messages:
                self._told()

    def _read(self, db: Database) -> tuple[Round | None, bool]:
        """Return what is to be stored, None if nothing is, and whether there are more facts than
        that."""
        looks = self._looks
        now = looks.clock()
        found = find(db, now, looks.rule, looks.machine(db))
        made = messages_of(found, looks.ways(), now)
        has_more = len(found.facts) >= MOST_FACTS
        if made.causes or found.facts or made.digest_on != found.cursor.digest_on:
            return made, has_more
        if found.upto - found.cursor.position >= FAR:
            return made, has_more

        # Without news, only a message that was never made is a reason to write.
        return made if _unknown(db, made) else None, has_more


def _unknown(db: Database, made: Round) -> bool:
    """Whether any message of a round is new."""
    numbers = [message.message_id for message in made.messages]
    stored: set[str] = set()
    for part in parts(numbers):
        rows = db.execute(_KNOWN.format(marks(part)), part).fetchall()
        stored.update(number for (number,) in rows)
    return not stored.issuperset(numbers)


EVERY_SECONDS: Final = 60.0
PING_SECONDS: Final = 10.0


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
