"""Messages to people: who is told what, what was sent, and a test of each way out.

A topic of push is shown once, in the answer to the request that makes it. Who loses it makes a new
one.

Mail, push, sign of life and the nightly backup, as they are set in the browser.

What a flag, a variable or the file of settings gives is only changed there. Passwords go in and
never come out; `/api/system` shows what is in force.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Annotated, Final, Literal, NamedTuple, TypeVar
from urllib.parse import quote, unquote, urlsplit

import msgspec
import trio
from msgspec import Meta

from levity_trio.config import SETTINGS, ServerConfig
from levity_trio.config.settings import Unusable, sender_parts
from levity_trio.config.sources import WAYS
from levity_trio.locale import N_, _, speaking
from levity_trio.notify.delivery import MailingOrder, new_topic, ping
from levity_trio.notify.kinds import DRIVER, OF_DRIVER, OF_SITE, kinds_for
from levity_trio.notify.letter import Letter, Notice, Unsent
from levity_trio.notify.overdue import NotReminded, ReminderOrder
from levity_trio.notify.sending import push, send_mail, sender_of
from levity_trio.nouns import Recipient
from levity_trio.outgoing.request import Unanswered
from levity_trio.records import Personal, copied, names_of, record, whole_text
from levity_trio.store.reads.people import messages as stored
from levity_trio.store.reads.people.messages import MessageRow, RecipientRow
from levity_trio.store.reads.site.database import own_settings
from levity_trio.store.upkeep.nightly import NotBackedUp, back_up, check_folder
from levity_trio.store.writes.people import messages as writes
from levity_trio.store.writes.people.messages import By, RecipientData
from levity_trio.told import Figure, Told
from levity_trio.web.api.drivers.driving import ME, account_of
from levity_trio.web.api.drivers.driving import TAG as OF_DRIVERS
from levity_trio.web.api.engine.endpoints import (
    CREATED,
    ClientInput,
    Endpoints,
    Request,
    Role,
    TypedRequest,
)
from levity_trio.web.api.engine.lists import Limit, OfAccount
from levity_trio.web.api.engine.problems import conflict, invalid, not_found, refusal
from levity_trio.web.api.money.billing import CLOSING, month_of
from levity_trio.web.api.people.accounts import Id, Language, MailAddress, find_account
from levity_trio.web.api.site.system import BelowQuery

ENDPOINTS: Final = Endpoints("messages")
MESSAGES, RECIPIENTS = "/api/admin/messages", "/api/admin/recipients"
RECIPIENT: Final = f"{RECIPIENTS}/{{id}}"
OWN: Final = f"{ME}/recipient"
TEST_BYTES: Final = 16
TEST_TITLE: Final = N_("Test of messages")
TEST_TEXT: Final = N_("This is a test. Messages of the chargers reach you here.")
NO_MAIL: Final = Told("no mail server is set: an admin sets it under Messages and backup")
NO_PUSH: Final = Told("no ntfy server is set: an admin sets it under Messages and backup")
FEW: Final = 20
MAIL, PUSH, PING = "mail", "push", "ping"
BACKUP: Final = "backup"
TEST: Final = f"{MESSAGES}/test"
T = TypeVar("T")

LocalTimeOfDay = Annotated[
    str,
    whole_text(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", words=Told("give a time such as 22:30")),
]
Kind = Annotated[str, Meta(extra_json_schema={"enum": [*OF_SITE, *OF_DRIVER]})]
DriversKind = Annotated[str, Meta(extra_json_schema={"enum": [*OF_DRIVER]})]
QUIET: Final = (
    "local time; nothing but faults, exceeded limits and a full disk comes between these two"
)
QuietFrom = Annotated[LocalTimeOfDay, Meta(description=f"Quiet from this {QUIET}.")] | None
QuietUntil = Annotated[LocalTimeOfDay, Meta(description="Quiet until this local time.")] | None


class OwnRecipientBody(ClientInput, kw_only=True):
    """What you want to be told, and where. What is left out is off: without an address there is no
    mail.

    - mail: The address to which mails go.
    - kinds: Of what you want to be told.
    """

    mail: MailAddress | None = None
    kinds: tuple[DriversKind, ...] = ()
    quiet_from: QuietFrom = None
    quiet_until: QuietUntil = None


class RecipientChangeBody(Recipient, ClientInput):
    """A recipient as it is to be. What is left out is off: without an address there is no mail."""

    language: Language | None = None
    mail: MailAddress | None = None
    kinds: tuple[Kind, ...] = ()
    quiet_from: QuietFrom = None
    quiet_until: QuietUntil = None


class NewRecipientBody(RecipientChangeBody):
    """A recipient to be added: an owner, a caretaker, or with `account` somebody of a household.

    - who: An owner, a caretaker, or somebody of a household.
    - account: The household, by its number.
    """

    who: Literal["owner", "caretaker", "driver"] = "owner"
    account: Id | None = None


class MadeTopic(msgspec.Struct):
    """A new topic, which is shown only now, and replaces the one before. `code` are the rows of the
    QR code of `url`.

    `app` opens it in the app of ntfy.
    """

    recipient: int
    topic: str
    url: str
    app: str
    code: tuple[str, ...]


class TestBody(ClientInput, kw_only=True):
    """The way that is tried; `backup` makes a copy. A mail goes to the address that is given, else
    to the sender's own mailbox.

    - way: Which one.
    - to (--to ADDRESS): Mail the test to this address, not to the sender's own mailbox.
    """

    way: Literal["mail", "push", "ping", "backup"]
    to: MailAddress | None = None


class StatementMailBody(ClientInput, kw_only=True):
    """Only the statement of this account, if one is given. What was mailed is mailed `again` only
    if that is wanted.

    - again: Also what was mailed already.
    """

    account: Id | None = None
    again: bool = False


class ReminderBody(ClientInput, kw_only=True):
    """A second reminder is mailed only if that is wanted.

    - again: Also if one was mailed already.
    """

    again: bool = False


class ReminderMails(msgspec.Struct):
    """How many mails of a reminder were handed over."""

    statement: int
    mails: int


class StatementMails(msgspec.Struct):
    """How many mails were handed over, how many wait or were sent already, and the accounts without
    an address."""

    month: str
    mails: int
    earlier: int
    without_address: list[int]


class MessageTest(msgspec.Struct):
    """A test, where it went, and what came of it."""

    way: str
    to: str
    words: str


class SentTests(msgspec.Struct):
    """The tests that were sent to somebody."""

    tests: list[MessageTest]


class MessageWays(msgspec.Struct, kw_only=True):
    """What the settings allow: mail, push, signs of life, and nightly copies. `sender` has the
    mailbox to which mails bounce."""

    mail: bool
    push: bool
    ping: bool
    backup: bool
    sender: str | None


@record
class OwnRecipient:
    """What you are told, and where. `mail_problem` is why the mail server refused the address.

    `can_mail` and `can_push` are what this site can do.
    """

    can_mail: bool
    can_push: bool
    mail: str | None = None
    mail_problem: str | None = None
    has_push: bool = False
    must_scan: bool = False
    kinds: tuple[str, ...] = tuple(OF_DRIVER)
    quiet_from: str | None = None
    quiet_until: str | None = None
    gets_statements: bool = False


@record
class OwnMessage:
    """What was sent to your household: at `sent_at` to `sent_to` (null for push). Else it was given
    up, or waits."""

    id: int
    channel: str
    kind: str
    subject: str | None
    sent_to: str | None
    created_at: str
    sent_at: str | None
    perhaps_twice: bool
    problem: str | None
    given_up_at: str | None


class NewestQuery(ClientInput):
    limit: Limit = FEW


# Who is told what


@ENDPOINTS.get(f"{MESSAGES}/ways", Role.OPERATOR)
async def get_ways(request: Request) -> MessageWays:
    """Show by which ways messages can leave, and in whose mailbox bounces arrive"""
    return ways_of(request.api.config)


def ways_of(config: ServerConfig) -> MessageWays:
    """Return by which ways messages can leave."""
    sender = sender_of(config)
    return MessageWays(
        mail=config.mail is not None,
        push=config.ntfy is not None,
        ping=config.ping_url is not None,
        backup=config.backup_folder is not None,
        sender=sender and sender[1],
    )


class RecipientsQuery(ClientInput):
    account: OfAccount = None


@ENDPOINTS.get(RECIPIENTS, Role.OPERATOR)
async def list_recipients(request: TypedRequest[RecipientsQuery, None]) -> list[RecipientRow]:
    """List who is told what, in the order in which they were added"""
    return await request.read(stored.recipients, account=request.query.account)


@ENDPOINTS.post(RECIPIENTS, Role.OPERATOR, "not_found", status=CREATED)
async def add_recipient(request: TypedRequest[None, NewRecipientBody]) -> RecipientRow:
    """Tell somebody by mail; push begins with a topic. The same again adds nobody"""
    body, account = request.body, request.body.account
    if (body.who == DRIVER) != (account is not None):
        raise invalid("account", Told("give the household of a driver, and none of others"))
    if account is not None:
        await find_account(request, account)
    data = _data(body, who=body.who, account=account)
    number = await request.commit(writes.add_recipient_once, data, request.api.key, _by(request))
    return await _recipient(request, number)


@ENDPOINTS.get(RECIPIENT, Role.OPERATOR, "not_found")
async def get_recipient(request: Request) -> RecipientRow:
    """Show a recipient"""
    return await _recipient(request, request.number())


@ENDPOINTS.put(RECIPIENT, Role.OPERATOR, "not_found")
async def change_recipient(request: TypedRequest[None, RecipientChangeBody]) -> RecipientRow:
    """Change what somebody is told, and where"""
    recipient = await _recipient(request, request.number())
    data = _data(request.body, who=recipient.who)
    if not await request.commit(writes.change_recipient, recipient.id, data):
        raise not_found(Told("recipient {1}", recipient.id))
    return await _recipient(request, recipient.id)


@ENDPOINTS.delete(RECIPIENT, Role.OPERATOR, "not_found")
async def remove_recipient(request: Request) -> None:
    """Tell somebody nothing more; what still waits is not sent"""
    if not await request.commit(writes.end_recipient, request.number(), _by(request)):
        raise not_found(Told("recipient {1}", request.number()))


@ENDPOINTS.post(f"{RECIPIENT}/topic", Role.OPERATOR, "not_found", "conflict", status=CREATED)
async def make_topic(request: Request) -> MadeTopic:
    """Make a new topic of push for somebody; it is shown only in this answer, and replaces the one
    before"""
    recipient = await _recipient(request, request.number())
    return await _topic(request, recipient.id)


@ENDPOINTS.delete(f"{RECIPIENT}/topic", Role.OPERATOR, "not_found")
async def end_topic(request: Request) -> None:
    """Send somebody no more push messages"""
    recipient = await _recipient(request, request.number())
    await request.commit(writes.set_topic, recipient.id, None, request.api.key)


@ENDPOINTS.post(
    f"{RECIPIENT}/test", Role.OPERATOR, "not_found", "conflict", "unsent", "too_many_waiting"
)
async def test_recipient(request: Request) -> SentTests:
    """Send somebody a test by each way that is set for them"""
    recipient = await _recipient(request, request.number())
    tests: list[MessageTest] = []
    with speaking(recipient.language or "en"):
        if recipient.mail is not None:
            tests.append(await _mail(request, recipient.mail))
        if recipient.has_push:
            # A topic is stored with a key that this server may lack.
            topic = await request.read(stored.topic, number=recipient.id, key=request.api.key)
            if topic is None:
                raise conflict(Told("the topic is unknown here; make a new one"))
            tests.append(await _push(request, topic))
    if not tests:
        raise conflict(Told("neither an address nor a topic is set"))
    return SentTests(tests)


async def _recipient(request: Request, number: int) -> RecipientRow:
    what = Told("recipient {1}", number)
    recipient = await request.find(stored.recipient, what, number=number)
    if recipient.ended_at is not None:
        raise not_found(what)
    return recipient


def _data(body: RecipientChangeBody, who: str, account: int | None = None) -> RecipientData:
    """Return a recipient as it is stored. Raises Problem."""
    _check(body, who)
    is_driver = who == DRIVER
    if body.gets_statements and (not is_driver or body.mail is None):
        raise invalid("gets_statements", Told("give the mail address of a household for it"))
    name = (body.name or "").strip() or None
    with_names = body.with_names and not is_driver
    return copied(
        RecipientData, body, who=who, user=None, account=account, name=name, with_names=with_names
    )


def _check(body: OwnRecipientBody | RecipientChangeBody, who: str) -> None:
    known = kinds_for(who)
    for kind in body.kinds:
        if kind not in known:
            raise invalid("kinds", Told("give some of {1}, not {2}", ", ".join(known), kind))
    if (body.quiet_from is None) != (body.quiet_until is None):
        missing = "quiet_from" if body.quiet_from is None else "quiet_until"
        raise invalid(missing, Told("give both times, or none"))


def _by(request: Request) -> By:
    return By(request.api.stamp(), request.caller.name)


async def _topic(request: Request, number: int) -> MadeTopic:
    api, topic = request.api, new_topic()
    if api.config.ntfy is None:
        raise conflict(NO_PUSH)
    await api.writer.run(writes.show_topic, number, topic, api.key, api.stamp())
    from levity_trio.documents.qr import text_code  # noqa: PLC0415 - its library takes memory, and is needed only here

    server = urlsplit(api.config.ntfy)
    host = server.netloc.rpartition("@")[2] + server.path.rstrip("/")
    url = f"{server.scheme}://{host}/{topic}"
    app = f"ntfy://{host}/{topic}"
    if server.scheme == "http":
        app += "?secure=false"
    return MadeTopic(number, topic, url, app, text_code(url))


# What was sent


@ENDPOINTS.get(MESSAGES, Role.OPERATOR)
async def list_messages(request: TypedRequest[BelowQuery, None]) -> list[MessageRow]:
    """List what was sent, to whom and when, and what still waits, the newest first"""
    query = request.query
    return await request.read(stored.messages, before=query.before, limit=query.limit)


@ENDPOINTS.post(TEST, Role.ADMIN, "conflict", "unsent", "too_many_waiting")
async def test_way(request: TypedRequest[None, TestBody]) -> MessageTest:
    """Try a way out now: a mail, a push message to nobody, a sign of life, or a backup"""
    body, config = request.body, request.api.config
    if body.way == MAIL:
        sender = sender_of(config)
        return await _mail(request, body.to or (sender[1] if sender else ""))
    if body.way == PUSH:
        return await _push(request, new_topic())
    if body.way == BACKUP:
        made = await _send(request, partial(back_up, config))
        file, size = made["file"], Figure(made["bytes"] / 1e6, 1)
        words = Told("A copy of {1} MB was written to {2}, and checked: it is sound", size, file)
        return MessageTest(BACKUP, file, words)
    if config.ping_url is None:
        raise conflict(Told("no URL is set: an admin sets it under Messages and backup"))
    host = urlsplit(config.ping_url).hostname or ""
    status = await _send(request, partial(ping, config.ping_url))
    return MessageTest(PING, host, Told("{1} answered: {2}", host, str(status)))


@ENDPOINTS.post(f"{CLOSING}/mail", Role.OPERATOR, "conflict")
async def mail_month(request: TypedRequest[None, StatementMailBody]) -> StatementMails:
    """Mail the statements of a closed month to the households that have an address"""
    api, body, month = request.api, request.body, str(month_of(request))
    if api.config.mail is None:
        raise conflict(NO_MAIL)
    order = MailingOrder(month, request.caller.name, body.account, body.again)
    mailed = await api.messages.mail_statements(order)
    if not (mailed.mails or mailed.earlier or mailed.without_address):
        raise conflict(Told("there is no closed statement of {1}", month))
    return StatementMails(month, mailed.mails, mailed.earlier, [*mailed.without_address])


@ENDPOINTS.post("/api/admin/statements/{id}/reminder", Role.OPERATOR, "conflict")
async def mail_reminder(request: TypedRequest[None, ReminderBody]) -> ReminderMails:
    """Mail a reminder of a statement that is overdue, to the addresses of its household"""
    api, number = request.api, request.number()
    if api.config.mail is None:
        raise conflict(NO_MAIL)
    order = ReminderOrder(number, request.caller.name, request.body.again)
    try:
        return ReminderMails(number, await api.messages.mail_reminder(order))
    except NotReminded as why:
        raise conflict(why.args[0]) from None


@ENDPOINTS.get("/api/admin/statements/{id}/messages", Role.OPERATOR)
async def list_of_statement(request: Request) -> list[MessageRow]:
    """List what was sent of a closed statement, to whom and when, the newest first"""
    return await request.read(stored.messages_of_statement, number=request.number())


async def _mail(request: Request, to: str) -> MessageTest:
    if request.api.config.mail is None:
        raise conflict(NO_MAIL)
    letter = Letter(
        message_id=f"test-{token_hex(TEST_BYTES)}",
        to=to,
        subject=_(TEST_TITLE),
        body=_(TEST_TEXT),
        link=request.api.config.public_url,
        at=request.api.now(),
    )
    answer = await _send(request, partial(send_mail, letter, request.api.config))
    return MessageTest(MAIL, to, Told("A mail to {1} was handed over. Answer: {2}", to, answer))


async def _push(request: Request, topic: str) -> MessageTest:
    config = request.api.config
    if config.ntfy is None:
        raise conflict(NO_PUSH)
    notice = Notice(topic=topic, title=_(TEST_TITLE), body=_(TEST_TEXT), link=config.public_url)
    status = await _send(request, partial(push, notice, config))
    host = urlsplit(config.ntfy).hostname or ""
    words = Told("A push message was handed over. {1} answered: {2}", host, str(status))
    return MessageTest(PUSH, host, words)


async def _send(request: Request, message: Callable[[], Awaitable[T]]) -> T:
    async with request.api.places.wait():
        try:
            return await message()
        except Unsent as problem:
            words = problem.problem
        except (NotBackedUp, Unanswered) as problem:
            words = problem.args[0]
    raise refusal("unsent", words)


# Of drivers


@ENDPOINTS.get(OWN, Role.DRIVER, "conflict", group=OF_DRIVERS)
async def get_own(request: Request) -> OwnRecipient:
    """Show what you are told, and where"""
    account, user, config = account_of(request), _user(request), request.api.config
    ways = OwnRecipient(can_mail=config.mail is not None, can_push=config.ntfy is not None)
    for recipient in await request.read(stored.recipients, account=account):
        if recipient.user == user:
            fields = {name: getattr(recipient, name) for name in names_of(OwnRecipient)[2:]}
            return replace(ways, **fields | {"kinds": tuple(recipient.kinds)})
    return ways


@ENDPOINTS.put(OWN, Role.DRIVER, "conflict", group=OF_DRIVERS)
async def keep_own(request: TypedRequest[None, OwnRecipientBody]) -> OwnRecipient:
    """Say what you want to be told, and where"""
    body = request.body
    _check(body, DRIVER)
    await _keep(request, body)
    return await get_own(request)


async def _keep(request: Request, body: OwnRecipientBody) -> int:
    api, account = request.api, account_of(request)
    data = RecipientData(
        who=DRIVER,
        user=_user(request),
        account=account,
        name=request.caller.name,
        **body.given(),
    )
    return await api.writer.run(writes.keep_own_recipient, data, api.key, _by(request))


@ENDPOINTS.post(f"{OWN}/topic", Role.DRIVER, "conflict", group=OF_DRIVERS, status=CREATED)
async def make_own_topic(request: Request) -> MadeTopic:
    """Make a new topic of push for yourself; it is shown only in this answer, and replaces the one
    before"""
    if request.api.config.ntfy is None:
        raise conflict(Told("push messages are not set up here"))
    number = await request.commit(writes.own_recipient, account_of(request), _user(request))
    if number is None:
        number = await _keep(request, OwnRecipientBody(kinds=tuple(OF_DRIVER)))
    return await _topic(request, number)


@ENDPOINTS.delete(f"{OWN}/topic", Role.DRIVER, "conflict", group=OF_DRIVERS)
async def end_own_topic(request: Request) -> None:
    """End your push messages"""
    number = await request.commit(writes.own_recipient, account_of(request), _user(request))
    if number is not None:
        await request.commit(writes.set_topic, number, None, request.api.key)


@ENDPOINTS.get(f"{ME}/messages", Role.DRIVER, "conflict", group=OF_DRIVERS)
async def list_own(request: TypedRequest[NewestQuery, None]) -> list[OwnMessage]:
    """List what was sent to your household, the newest first"""
    account, limit = account_of(request), request.query.limit
    rows = await request.read(stored.messages_of_account, account=account, limit=limit)
    return [copied(OwnMessage, row) for row in rows]


def _user(request: Request) -> int | None:
    """Return the user who asks, None for one without a log-in."""
    if request.caller.login is None:
        return None
    login = request.api.logins.get(request.caller.login)
    return None if login is None else login.user


OWN_SETTINGS: Final = "/api/admin/own-settings"
_KINDS: Final = {setting.name: setting.kind for setting in SETTINGS}

Line = Annotated[Personal[str], Meta(max_length=100)]


class PushServerBody(ClientInput, kw_only=True):
    """The server of ntfy. Without a password, that of before stays if server and user do.

    - server: Where it is, such as https://ntfy.sh.
    - user: The name of its account, if it has one.
    + password: It stays if you leave this empty.
    """

    server: Line = "https://ntfy.sh"
    user: Line | None = None
    password: Annotated[str, Meta(max_length=100)] | None = None


class MailServerBody(PushServerBody, kw_only=True):
    """The mail server. Without a password, that of before stays if server and user do.

    - encryption: TLS from the begin, STARTTLS, or none.
    + server: Such as smtp.example.org:465.
    + sender: Such as Bauhof 12 <haus@example.org>.
    """

    server: Annotated[Personal[str], Meta(max_length=100)]
    encryption: Literal["smtps", "smtp"] = "smtps"
    sender: Annotated[Personal[str], Meta(max_length=100)] | None = None


class PingUrlBody(ClientInput):
    """The URL that is requested each minute.

    - url: It is requested each minute; without one, nothing is.
    """

    url: Annotated[Personal[str], Meta(max_length=200)]


class BackupFolderBody(ClientInput):
    """The folder that gets a copy each night, and how many it keeps.

    - folder: Where it is, on the machine of the server.
    - keep: How many it keeps.
    """

    folder: Annotated[str, Meta(max_length=200)]
    keep: Annotated[int, Meta(ge=1, le=10_000)] = 14


class KnownServer(NamedTuple):
    """The parts of a URL: scheme, server with port and path, user and password."""

    scheme: str
    server: str
    user: str
    password: str


def known_server(url: str | None) -> KnownServer:
    """Return the parts of a URL, empty without one."""
    parts = urlsplit(url or "")
    server = (url or "").partition("://")[2].rpartition("@")[2]
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return KnownServer(parts.scheme, server, user, password)


@ENDPOINTS.put(f"{OWN_SETTINGS}/mail", Role.ADMIN, "conflict")
async def set_mail(request: TypedRequest[None, MailServerBody]) -> None:
    """Set through which server mail goes out"""
    body = request.body
    if sender_parts(body.sender or body.user or "") is None:
        raise invalid("sender", Told("give the address from which mails come"))
    url = _url(body, body.encryption, body.server, request.api.config.mail)
    words = Told("give the name of a mail server, such as smtp.example.org or smtp.example.org:465")
    _check_setting("mail", url, words, "server")
    await _keep_setting(request, "mail", url, body.sender or None)


@ENDPOINTS.put(f"{OWN_SETTINGS}/push", Role.ADMIN, "conflict")
async def set_push(request: TypedRequest[None, PushServerBody]) -> None:
    """Set through which server of ntfy push messages go out"""
    scheme, _, server = request.body.server.rpartition("://")
    url = _url(request.body, scheme or "https", server, request.api.config.ntfy)
    words = Told("give the address of a server of ntfy, such as https://ntfy.sh")
    _check_setting("ntfy", url, words, "server")
    await _keep_setting(request, "push", url)


@ENDPOINTS.put(f"{OWN_SETTINGS}/ping", Role.ADMIN, "conflict")
async def set_ping(request: TypedRequest[None, PingUrlBody]) -> None:
    """Set which URL gets a sign of life each minute"""
    words = Told("give the whole address that the service shows, such as https://hc-ping.com/…")
    _check_setting("ping-url", request.body.url, words, "url")
    await _keep_setting(request, "ping", request.body.url)


@ENDPOINTS.put(f"{OWN_SETTINGS}/backup", Role.ADMIN, "conflict")
async def set_backup(request: TypedRequest[None, BackupFolderBody]) -> None:
    """Set the folder that gets a copy each night; it must be there and take files"""
    folder = request.body.folder
    if not isinstance(request.api.config.database, Path):
        raise conflict(Told("a database on PostgreSQL is copied by its own tools"))
    _check_setting(
        "backup-folder", folder, Told("give the whole path, such as /mnt/stick"), "folder"
    )
    try:
        await trio.to_thread.run_sync(check_folder, Path(folder))
    except NotBackedUp as problem:
        raise invalid("folder", problem.args[0]) from None
    await _keep_setting(request, "backup", folder, str(request.body.keep))


@ENDPOINTS.delete(f"{OWN_SETTINGS}/{{way}}", Role.ADMIN, "conflict", "not_found")
async def remove_way(request: Request) -> None:
    """Set mail, push, ping or backup no more"""
    way = request.path["way"]
    if way not in WAYS:
        raise not_found(Told("way {1}", way))
    await _keep_setting(request, way)


def _url(body: PushServerBody, scheme: str, server: str, before: str | None) -> str:
    """Return the URL of a server with its user and password; the one of before stays only for the
    same user of the same server."""
    known, user, password = known_server(before), body.user or "", body.password
    if (known.server, known.user) == (server, user):
        password = password or known.password
    who = quote(user, safe="")
    if password:
        who += f":{quote(password, safe='')}"
    return f"{scheme}://{who}@{server}" if who else f"{scheme}://{server}"


def _check_setting(name: str, text: str, words: Told, field: str) -> None:
    try:
        _KINDS[name].read(text)
    except Unusable:
        raise invalid(field, words) from None


async def _keep_setting(request: Request, way: str, *values: str | None) -> None:
    """Store the settings of a way, which hold at once; those without a value are set no more."""
    api, names = request.api, WAYS[way]
    for row in api.config.in_force:
        if row.name == names[0] and row.source:
            raise conflict(Told("this is given by {1}: change it there", row.source))
    kept = dict.fromkeys(names) | dict(zip(names, values, strict=False))
    await request.commit(writes.keep_settings, kept, api.key)
    api.live.take(await request.read(own_settings, key=api.key))
