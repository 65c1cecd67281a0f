"""Deliveries over time: over failures, restarts and refusals, by servers that answer, refuse, or
are silent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.errors import CharsetError
from email.message import EmailMessage
from email.policy import default
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from levity_trio.billing.ownership import BillBy
from levity_trio.config import ServerConfig
from levity_trio.events import Event, HouseholdReported, MessageTried
from levity_trio.notify import delivery, mail
from levity_trio.notify.delivery import (
    GIVEN_UP_AFTER,
    Around,
    LinkAddresses,
    Mailed,
    MailingOrder,
    Messages,
    open_messages,
)
from levity_trio.plugins.base import Hooks
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.writer import Writer
from levity_trio.store.reads.reader import Reader
from levity_trio.store.upkeep.following import LiveConfig
from levity_trio.store.writes.people import messages as writes
from levity_trio.store.writes.people.messages import By, RecipientData
from levity_trio.told import of_stored
from tests.charger.parts import InlineWriter
from tests.documents import statements as forms
from tests.notify.mail_server import serving_mail
from tests.notify.ntfy import serving_ntfy
from tests.notify.site import KEY
from tests.store.books import Books
from tests.store.nows import BERLIN
from tests.store.papers import Papers
from tests.web.stores import Stored, in_file

TOPIC = "0123456789abcdef0123456789abcdef"
WAITING = "SELECT count(*) FROM message WHERE sent_at IS NULL AND given_up_at IS NULL"


class Site:
    """A database and what tells people, over runs of the server. Mails go to `mail`, push messages
    to `ntfy`."""

    def __init__(self, stored: Stored, folder: Path) -> None:
        self.books = Books(stored.connection)
        self.writer = InlineWriter(stored.connection)
        self.hooks = Hooks()
        self.writer.publish = self.hooks.observe
        self.tried: list[tuple[str, str]] = []
        self.folder = folder
        self.config = ServerConfig(
            mail=f"folder:{folder}",
            mail_from="haus@example.org",
            given_time_zone=BERLIN,
            clock_speed=3000,
        )
        self.reader = Reader(stored.address)
        self.reports = 0

    @asynccontextmanager
    async def running(self, key: SecretKey = KEY) -> AsyncIterator[Messages]:
        around = Around(
            live=LiveConfig(self.config),
            reader=self.reader,
            writer=cast(Writer, self.writer),
            clock=lambda: self.books.now,
            key=key,
            rule=Rule(BERLIN, self.books.policy, BillBy.TAG),
            addresses=LinkAddresses(None, None),
            is_clock_trusted=lambda: True,
        )
        with self.hooks.listening(self._note):
            async with open_messages(around, self.hooks) as opened:
                yield opened

    def _note(self, event: Event) -> None:
        if isinstance(event, MessageTried):
            self.tried.append((event.channel, event.outcome))

    def add(self, topic: str | None = None, **data: Any) -> int:
        given = RecipientData(**{"who": "owner", "kinds": ["report"], **data})
        return self.books.run(writes.add_recipient, given, topic, KEY, By(self.books.at, "anna"))

    def report(self) -> None:
        """Let something happen that each owner is told."""
        self.reports += 1
        fact = HouseholdReported(
            charger=None,
            at=self.books.at,
            report=self.reports,
            account=1,
            about="card",
            transaction=None,
            id_tag="ANNA",
        )
        self.books.run(lambda db: db.record(fact))
        self.hooks.observe(fact)

    def mails(self) -> list[EmailMessage]:
        paths = sorted(self.folder.iterdir())
        return [message_from_bytes(path.read_bytes(), policy=default) for path in paths]

    def value(self, sql: str) -> Any:
        return self.books.value(sql)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "mails"
    folder.mkdir()
    with in_file(tmp_path) as stored:
        site = Site(stored, folder)
        yield site
        site.reader.close()


def is_sent(site: Site, messages: int) -> bool:
    return bool(site.value("SELECT count(*) FROM message WHERE sent_at IS NOT NULL") == messages)


def is_tried(site: Site, before: int) -> bool:
    return len(site.tried) > before


async def eventually(is_so: Callable[[], object]) -> None:
    with trio.fail_after(60):
        while not is_so():  # noqa: ASYNC110 - of a database
            await trio.sleep(0.01)


async def test_each_is_told_once_by_each_way(site: Site) -> None:
    async with serving_ntfy() as ntfy:
        site.config = replace(site.config, ntfy=ntfy.url)
        site.add(TOPIC, mail="owner@example.org")
        site.add(mail="caretaker@example.org", who="caretaker")
        for made in (3, 6):
            async with site.running():
                await eventually(lambda: site.value("SELECT count(*) FROM message_cursor"))
                site.report()
                await eventually(partial(is_sent, site, made))
        assert [one["topic"] for one in ntfy.published] == [TOPIC] * 2
    assert (
        sorted(mail["To"] for mail in site.mails())
        == ["caretaker@example.org"] * 2 + ["owner@example.org"] * 2
    )
    assert {mail["Subject"] for mail in site.mails()} == {
        "A household lost a card, which is blocked now"
    }
    assert site.value("SELECT count(*) FROM message WHERE perhaps_twice = 1") == 0
    assert len(site.tried) == 6


async def test_what_was_being_sent_when_the_server_died_is_sent_again_and_says_so(
    site: Site,
) -> None:
    site.add(mail="owner@example.org")
    async with site.running():
        await eventually(lambda: site.value("SELECT count(*) FROM message_cursor"))
        site.config = replace(site.config, mail=None)
    site.report()
    site.config = replace(site.config, mail=f"folder:{site.folder}")
    async with site.running():
        await eventually(lambda: len(site.mails()) == 1 and site.value(WAITING) == 0)
    identity = site.mails()[0]["Message-ID"]
    forget = "UPDATE message SET sent_at = NULL, sending_since = '2026'"
    site.books.connection.execute("DROP TRIGGER message_is_sent_once")  # as if the commit was lost
    site.books.connection.execute(forget)
    (path,) = site.folder.iterdir()
    path.unlink()
    async with site.running():
        await eventually(lambda: site.value(WAITING) == 0)
    assert [mail["Message-ID"] for mail in site.mails()] == [identity]
    assert site.value("SELECT perhaps_twice FROM message") == 1


async def test_a_stop_waits_for_the_answer_to_what_is_being_sent(site: Site) -> None:
    async with serving_mail("--host", "127.0.0.1", "--slow", "0.3") as server:
        site.config = replace(
            site.config, mail=f"smtp://haus%40example.org@127.0.0.1:{server.port}"
        )
        site.add(mail="owner@example.org")
        async with site.running():
            await eventually(lambda: site.value("SELECT count(*) FROM message_cursor"))
            site.report()
            await server.taken()
    assert site.books.rows("SELECT sent_to, perhaps_twice, sending_since FROM message") == [
        ("owner@example.org", 0, None)
    ]


class Answering(InlineWriter):
    """Its answer is there already when its caller is cancelled."""

    async def run(self, write: Any, *args: Any) -> Any:  # type: ignore[override]  # whatever is written
        with trio.CancelScope(shield=True):
            return await super().run(write, *args)


async def test_a_stop_waits_no_longer_for_what_was_claimed_just_then(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "GOODBYE_SECONDS", 0.1)
    site.writer = Answering(site.books.connection)
    site.writer.publish, site.writer.answer_seconds = site.hooks.observe, 0.2
    async with serving_mail("--host", "127.0.0.1", "--silent") as server:
        site.config = replace(
            site.config, mail=f"smtp://haus%40example.org@127.0.0.1:{server.port}"
        )
        site.add(mail="owner@example.org")
        with trio.fail_after(mail.STEP_SECONDS - 1):
            async with site.running():
                await eventually(lambda: site.value("SELECT count(*) FROM message_cursor"))
                site.report()
                await eventually(lambda: site.value("SELECT count(sending_since) FROM message"))
    assert site.value(WAITING) == 1


async def test_an_address_that_is_refused_is_shown_and_others_go_on(site: Site) -> None:
    async with serving_mail("--host", "127.0.0.1", "--refuse", "gone@example.org") as server:
        site.config = replace(
            site.config, mail=f"smtp://haus%40example.org@127.0.0.1:{server.port}"
        )
        gone, there = site.add(mail="gone@example.org"), site.add(mail="there@example.org")
        async with site.running():
            await eventually(lambda: site.value("SELECT count(*) FROM message_cursor"))
            site.report()
            await eventually(
                lambda: site.value("SELECT count(*) FROM message") == 2 and site.value(WAITING) == 0
            )
            problem = site.value(
                "SELECT mail_problem FROM recipient WHERE mail = 'gone@example.org'"
            )
            assert of_stored(problem) == "gone@example.org was refused: 550 5.1.1 no such user here"
            data = RecipientData(who="owner", kinds=["report"], mail="back@example.org")
            site.books.run(writes.change_recipient, gone, data)
            site.report()
            await eventually(
                lambda: site.value("SELECT count(*) FROM message") == 4 and site.value(WAITING) == 0
            )
    found = site.books.rows(
        "SELECT recipient_id, sent_to, given_up_at IS NOT NULL FROM message ORDER BY id"
    )
    assert found == [(gone, None, 1), (there, "there@example.org", 0)] + [
        (gone, "back@example.org", 0),
        (there, "there@example.org", 0),
    ]
    assert site.value(f"SELECT mail_problem FROM recipient WHERE id = {gone}") is None
    assert ("mail", "refused") in site.tried


async def told_all(
    site: Site, words: Sequence[str], recipients: int
) -> dict[str, tuple[str | None, str | None]]:
    """Report twice; return the problem of each recipient, and why the first message was given
    up."""
    async with serving_mail("--host", "127.0.0.1", *words) as server:
        site.config = replace(
            site.config, mail=f"smtp://haus%40example.org@127.0.0.1:{server.port}"
        )
        async with site.running():
            await eventually(lambda: site.value("SELECT count(*) FROM message_cursor"))
            for made in (1, 2):
                site.report()
                await eventually(
                    lambda made=made: (
                        site.value("SELECT count(*) FROM message") == made * recipients  # type: ignore[misc]
                        and site.value(WAITING) == 0
                    )
                )
    rows = (
        "SELECT mail, mail_problem, problem FROM recipient "
        "JOIN message ON recipient_id = recipient.id"
    )
    return {
        mail: (of_stored(problem), of_stored(why))
        for mail, problem, why in site.books.rows(f"{rows} ORDER BY message.id DESC")
    }


@pytest.mark.parametrize(
    "mail", ["flat..seven@example.org", "flat7.@example.org", "=?b?flat?=@example.org"]
)
async def test_an_address_that_is_none_holds_up_nobody(site: Site, mail: str) -> None:
    """The library of mail raises for these."""
    for one in (mail, "there@example.org"):
        site.add(mail=one)
    problem = f"{mail} is not a mail address"
    assert await told_all(site, (), 2) == {
        mail: (problem, problem),
        "there@example.org": (None, None),
    }
    assert site.value("SELECT count(*) FROM message WHERE sent_at IS NOT NULL") == 2


async def test_a_mail_that_is_refused_as_a_whole_is_told_at_its_recipient(site: Site) -> None:
    for one in ("suspicious@example.org", "there@example.org"):
        site.add(mail=one)
    problem = "the mail server refuses the message: 554 5.7.1 this looks like spam"
    told = await told_all(site, ("--unwanted", "suspicious@example.org"), 2)
    assert told == {"suspicious@example.org": (problem, problem), "there@example.org": (None, None)}
    assert site.value("SELECT max(attempts) FROM message") == 1


@pytest.mark.logs_errors
async def test_what_raises_while_one_message_is_made_ends_that_one(
    site: Site, monkeypatch: pytest.MonkeyPatch, log_lines: list[Any]
) -> None:
    """What nobody foresaw: here, the library of mail raises for a part of one text."""
    made = EmailMessage.set_content

    def set_content(self: EmailMessage, content: str) -> None:
        if str(self["To"]).startswith("odd"):
            raise CharsetError(content)
        made(self, content)

    monkeypatch.setattr(EmailMessage, "set_content", set_content)
    for one in ("odd@example.org", "there@example.org"):
        site.add(mail=one)
    problem = "it cannot be made (CharsetError)"
    told = await told_all(site, (), 2)
    assert told == {"odd@example.org": (problem, problem), "there@example.org": (None, None)}
    errors = [
        line for line in log_lines if line["event"] == "a message cannot be made, and is given up"
    ]
    assert len(errors) == 2


async def test_statements_that_cannot_be_made_now_hold_up_no_other_message(site: Site) -> None:
    papers = Papers(site.books.connection)
    one = forms.one_line()
    assert one.to is not None
    accounts = [papers.account(replace(one.to, name=f"Flat {number}")) for number in range(3)]
    papers.close(
        papers.draft(*((number, replace(one, account=number)) for number in accounts)),
        papers.biller(one.owner),
    )
    for number in accounts:
        site.add(who="driver", account=number, mail=f"flat{number}@example.org", kinds=[])
    site.add(mail="owner@example.org")
    font = site.folder.parent / "missing.ttf"
    site.config = replace(site.config, font=font)
    async with site.running() as messages:
        await messages.mail_statements(MailingOrder(month=f"{one.month:%Y-%m}", by="anna"))
        await eventually(lambda: site.tried.count(("mail", "failed")) == 3)
        site.report()
        await eventually(partial(is_sent, site, 1))
        assert site.value(f"{WAITING} AND problem LIKE '%it cannot be made now: the font %'") == 3
        site.config = replace(site.config, font=None)
    async with site.running():
        site.books.now += timedelta(minutes=16)
        await eventually(partial(is_sent, site, 4))


async def test_a_push_message_that_is_refused_for_good_holds_up_nobody(site: Site) -> None:
    async with serving_ntfy() as ntfy:
        site.config = replace(site.config, ntfy=ntfy.url)
        ntfy.unfit = "odd"
        for topic in ("odd", TOPIC):
            site.add(topic)
        async with site.running():
            await eventually(lambda: site.value("SELECT count(*) FROM message_cursor"))
            site.report()
            await eventually(
                lambda: site.value("SELECT count(*) FROM message") == 2 and site.value(WAITING) == 0
            )
    told = site.books.rows("SELECT attempts, problem, sent_at IS NOT NULL FROM message ORDER BY id")
    assert [(attempts, of_stored(problem), is_sent) for attempts, problem, is_sent in told] == [
        (1, "ntfy at 127.0.0.1 answers 400: invalid topic", 0),
        (1, None, 1),
    ]
    assert site.value("SELECT count(mail_problem) FROM recipient") == 0


async def test_a_server_that_takes_nothing_is_one_line_and_all_arrives_when_it_does(
    site: Site, log_lines: list[Any]
) -> None:
    for number in range(6):
        site.add(mail=f"{number}@example.org")
    site.config = replace(site.config, mail=f"folder:{site.folder / 'missing'}")
    async with site.running():
        await eventually(lambda: site.value("SELECT count(*) FROM message_cursor"))
        site.report()
        await eventually(lambda: len(site.tried) == 2)
        for hours in (1, 5, 18):
            before = len(site.tried)
            site.books.now += timedelta(hours=hours)
            await eventually(partial(is_tried, site, before))
        assert site.value(WAITING) == 6
        (site.folder / "missing").mkdir()
        site.books.now += timedelta(minutes=16)
        await eventually(lambda: site.value(WAITING) == 0)
    texts = [line["event"] for line in log_lines if line.get("channel") == "mail"]
    assert texts == [
        "messages cannot be delivered; they are tried again",
        "messages are delivered again",
    ]
    assert (
        site.value("SELECT count(*) FROM message WHERE given_up_at IS NULL AND problem IS NULL")
        == 6
    )


@pytest.mark.logs_errors
async def test_after_days_it_is_given_up(site: Site) -> None:
    site.add(mail="a@example.org")
    site.add(mail="b@example.org")
    site.config = replace(site.config, mail=f"folder:{site.folder / 'missing'}")
    async with site.running():
        await eventually(lambda: site.value("SELECT count(*) FROM message_cursor"))
        site.report()
        await eventually(lambda: len(site.tried) == 2)
        site.books.now += GIVEN_UP_AFTER - timedelta(hours=1)
        await eventually(lambda: len(site.tried) >= 3)
        assert site.value(WAITING) == 2
        site.books.now += timedelta(hours=2)
        await eventually(lambda: site.value(WAITING) == 0)
    assert site.tried.count(("mail", "given up")) == 2


async def test_a_mail_server_that_never_answers_holds_nothing_else(site: Site) -> None:
    async with serving_mail("--host", "127.0.0.1", "--silent") as server, serving_ntfy() as ntfy:
        to = f"smtp://haus%40example.org@127.0.0.1:{server.port}"
        site.config = replace(site.config, mail=to, ntfy=ntfy.url)
        site.add(TOPIC, mail="owner@example.org")
        async with site.running():
            await eventually(lambda: site.value("SELECT count(*) FROM message_cursor"))
            site.report()
            await server.taken()  # it has the mail, and does not answer
            for _ in range(5):
                site.report()
            await eventually(lambda: len(ntfy.published) == 6)
            assert site.value(f"{WAITING} AND channel = 'mail'") == 6


async def test_topics_of_another_key_are_new_and_must_be_scanned(
    site: Site, log_lines: list[Any]
) -> None:
    number = site.add(TOPIC)
    site.books.run(writes.note_shown, number, site.books.at)
    other = SecretKey("B" * 43 + "=")
    async with site.running(other):
        await eventually(lambda: site.value("SELECT count(*) FROM message_cursor"))
    opened = other.opened(site.value("SELECT topic FROM recipient"))
    assert opened is not None
    assert opened != TOPIC
    assert site.value("SELECT topic_shown_at FROM recipient") is None
    assert [line["recipients"] for line in log_lines if "recipients" in line] == [[number]]
    async with site.running(other):
        await eventually(lambda: True)
    assert other.opened(site.value("SELECT topic FROM recipient")) == opened


async def test_statements_of_a_closed_month(site: Site) -> None:
    papers = Papers(site.books.connection)
    one = forms.one_line()
    assert one.to is not None
    with_mail, without = papers.account(one.to), papers.account(replace(one.to, name="Flat 9"))
    draft = papers.draft(
        (with_mail, replace(one, account=with_mail)), (without, replace(one, account=without))
    )
    papers.close(draft, papers.biller(one.owner))
    site.add(who="driver", account=with_mail, mail="flat@example.org", kinds=[], language="de")
    order = MailingOrder(month=f"{one.month:%Y-%m}", by="anna")
    async with site.running() as messages:
        for expected in ((1, 0), (0, 1), (0, 1)):
            assert await messages.mail_statements(order) == Mailed(*expected, [without])
        await eventually(lambda: site.value(WAITING) == 0)
        again = replace(order, again=True, account=with_mail)
        assert await messages.mail_statements(again) == Mailed(1, 0, [])
    mail = site.mails()[0]
    (attachment,) = mail.iter_attachments()
    assert (attachment.get_content_type(), attachment.get_content()[:5]) == (
        "application/pdf",
        b"%PDF-",
    )
    assert str(attachment.get_filename()).endswith("statement 1.pdf")
    found = site.books.rows("SELECT statement_id, sent_to, created_by FROM message ORDER BY id")
    assert found[0] == (1, "flat@example.org", "anna")
    assert len(found) == 2


async def test_a_second_claim_finds_nothing(site: Site) -> None:
    site.add(mail="owner@example.org")
    async with site.running():
        await eventually(lambda: site.value("SELECT count(*) FROM message_cursor"))
        site.report()
        await eventually(lambda: len(site.mails()) == 1 and site.value(WAITING) == 0)
    assert site.books.run(writes.claim, 1, site.books.at) is None
