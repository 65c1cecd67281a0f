"""Deliveries over time: each fact at least once, those of a charger in order, over failures,
restarts and removals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, cast

import pytest
import trio

from levity_trio.config.settings import DatabaseAddress
from levity_trio.events import ChargerConnected, ErrorOpened, Fact, WebhookGivenUp
from levity_trio.plugins.base import Hooks
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.engine.writer import DEFAULT_LIMITS, Writer
from levity_trio.store.reads.reader import Reader
from levity_trio.store.reads.site.receivers import WebhookRow, webhooks
from levity_trio.store.writes.site import receivers as writes
from levity_trio.store.writes.site.receivers import NewWebhook
from levity_trio.told import of_stored
from levity_trio.web.webhooks import request
from levity_trio.web.webhooks.delivery import NOT_SIGNABLE, DeliveryParts, Webhooks, open_webhooks
from levity_trio.web.webhooks.request import new_secret
from levity_trio.wire.secrets import masked_url
from tests.charger import parts
from tests.charger.parts import InlineWriter
from tests.store.books import Books, Station
from tests.store.reading import view
from tests.web.stores import Stored
from tests.web.webhooks.receivers import ACCEPTED, Receiver, receiving

HOUR = timedelta(hours=1)
KEY, OTHER_KEY = SecretKey("A" * 43 + "="), SecretKey("B" * 43 + "=")
DAY = timedelta(days=1)
BROKEN = b"HTTP/1.1 503 Broken\r\n\r\n"


class Site:
    """A database, facts, and the deliveries over runs of the server."""

    def __init__(self, books: Books, address: DatabaseAddress) -> None:
        self.books = books
        self.writer = InlineWriter(books.connection)
        self.reader = Reader(address)
        self.hooks = Hooks()
        self.writer.publish = self.hooks.observe
        Station(books, "CP-1")
        Station(books, "CP-2")

    @asynccontextmanager
    async def running(self, key: SecretKey = KEY) -> AsyncIterator[Webhooks]:
        """Deliver; the clock is that of the books, and waiting facts are looked at often."""
        given = DeliveryParts(
            self.reader, cast(Writer, self.writer), lambda: self.books.now, 0.01, key
        )
        async with open_webhooks(given, self.hooks) as running:
            yield running

    def fact(self, charger: str | None = "CP-1") -> int:
        """Commit a fact and return its id."""
        fact = ChargerConnected(
            charger=charger, at=self.books.at, session=1, remote_address="", is_new=False
        )
        self.record(fact)
        return int(self.books.value("SELECT max(id) FROM event"))

    def record(self, fact: Fact) -> None:
        self.writer.run_now(_record, fact)
        self.hooks.observe(fact)

    def listed(self) -> WebhookRow:
        return webhooks(view(self.books.connection))[0]

    def waiting(self) -> list[tuple[Any, ...]]:
        return self.books.rows(
            "SELECT cp_id, position, attempts FROM webhook_waiting ORDER BY cp_id"
        )


def _record(db: UnitOfWork, fact: Fact) -> None:
    db.record(fact)


@pytest.fixture
def site(stored: Stored) -> Site:
    return Site(Books(stored.connection), stored.address)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


def add(
    site: Site, url: str, kinds: tuple[str, ...] | None = None, charger: str | None = None
) -> writes.StoredWebhook:
    new = NewWebhook("home", url, masked_url(url), new_secret(), kinds, charger)
    added = site.writer.run_now(writes.add_webhook, new, site.books.at, "anna", KEY)
    assert added is not None
    return added


async def eventually(is_so: Callable[[], object]) -> None:
    with trio.fail_after(60):
        while not is_so():  # noqa: ASYNC110 - of a database
            await trio.sleep(0.01)


async def test_the_facts_from_now_on_in_order(site: Site, receiver: Receiver) -> None:
    site.fact()
    add(site, receiver.url)
    async with site.running():
        sent = [site.fact("CP-1"), site.fact("CP-2"), site.fact(None)]
        await receiver.until(3)
    assert receiver.numbers() == sent
    assert [one.id for one in receiver.delivered] == [str(number) for number in sent]
    assert receiver.delivered[0].body["data"]["charger"] == "CP-1"
    assert receiver.delivered[0].body["data"]["at"] == site.books.at
    assert site.listed().delivered_at == site.books.at


async def test_a_key_in_its_address_is_stored_sealed_only(site: Site, receiver: Receiver) -> None:
    add(site, receiver.url)
    address, secret = site.books.rows("SELECT url, secret FROM webhook")[0]
    assert address == site.listed().url == receiver.url.replace("of-the-house", "***")
    assert "of-the-house" not in secret


async def test_facts_of_the_time_in_which_no_server_ran(site: Site, receiver: Receiver) -> None:
    add(site, receiver.url)
    async with site.running():
        first = site.fact()
        await receiver.until(1)
        await eventually(lambda: site.books.value("SELECT position FROM webhook") == first)
    missed = site.fact()
    async with site.running():
        await receiver.until(2)
    assert receiver.numbers()[-1] == missed


@pytest.mark.logs_errors
async def test_a_fact_that_cannot_be_sent_holds_up_no_other_charger(
    site: Site, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw: here, the first fact of a charger is none that can be signed."""
    signed = request.headers_of

    def headers_of(message: request.WebhookMessage, secret: str) -> Mapping[str, str]:
        if b"CP-1" in message.body:
            raise KeyError(secret)
        return signed(message, secret)

    monkeypatch.setattr(request, "headers_of", headers_of)
    add(site, receiver.url)
    async with site.running():
        first, other = site.fact("CP-1"), site.fact("CP-2")
        await receiver.until(1)
        assert receiver.numbers() == [other]
        assert site.waiting() == [("CP-1", first - 1, 1)]
        assert (
            of_stored(str(site.books.value("SELECT problem FROM webhook_waiting")))
            == "it cannot be sent (KeyError)"
        )
        monkeypatch.undo()
        site.books.now += HOUR
        await receiver.until(2)


async def test_only_what_is_wanted(site: Site, receiver: Receiver) -> None:
    add(site, receiver.url, kinds=("ErrorOpened",), charger="CP-1")
    async with site.running():
        site.fact("CP-1")
        for charger in ("CP-2", "CP-1"):
            opened = ErrorOpened(
                charger=charger,
                at=site.books.at,
                connector=1,
                error_code="X",
                vendor_error_code=None,
                is_warning=False,
            )
            site.record(opened)
        last = site.fact("CP-1")
        await eventually(lambda: site.books.value("SELECT position FROM webhook") == last)
    assert [(one.body["kind"], one.body["data"]["charger"]) for one in receiver.delivered] == [
        ("ErrorOpened", "CP-1")
    ]


async def test_a_receiver_that_is_down_for_an_hour(site: Site, receiver: Receiver) -> None:
    """Each fact arrives, in the order of its charger, also over a restart in that hour."""
    receiver.respond = lambda _: BROKEN
    added = add(site, receiver.url)
    async with site.running():
        sent = [site.fact(charger) for charger in ("CP-1", "CP-2", "CP-1", None)]
        await receiver.until(3)
        await eventually(lambda: [attempts for *_, attempts in site.waiting()] == [1, 1, 1])
        await eventually(lambda: site.books.value("SELECT position FROM webhook") == sent[-1])
        assert site.listed().failing == 3
        assert site.listed().problem == "status 503"
    receiver.respond = lambda _: ACCEPTED
    site.books.now += HOUR
    async with site.running():
        receiver.secret = None  # its clock is the machine's, ours an hour ahead
        sent.append(site.fact("CP-1"))
        await eventually(lambda: not site.waiting() and len(receiver.delivered) >= 8)
    again = receiver.delivered[3:]
    assert sorted(one.body["id"] for one in again) == sent
    of_one = [one.body["id"] for one in again if one.body["data"]["charger"] == "CP-1"]
    assert of_one == [sent[0], sent[2], sent[4]]
    assert {one.attempt for one in again if one.body["id"] in (sent[0], sent[1], sent[3])} == {2}
    assert added.id == site.listed().id
    assert (site.listed().failing, site.listed().problem, site.listed().given_up) == (0, None, 0)


async def test_a_fact_that_is_refused_holds_back_its_charger_only(
    site: Site, receiver: Receiver
) -> None:
    add(site, receiver.url)
    async with site.running():
        refused = site.fact("CP-1")
        receiver.respond = lambda body: BROKEN if body["id"] == refused else ACCEPTED
        later, other = site.fact("CP-1"), site.fact("CP-2")
        await receiver.until(2)
        await eventually(lambda: site.waiting() == [("CP-1", refused - 1, 1)])
        assert receiver.numbers() == [refused, other]
        receiver.respond = lambda _: ACCEPTED
        site.books.now += HOUR
        await receiver.until(4)
        assert receiver.numbers()[2:] == [refused, later]


async def test_pauses_grow_up_to_an_hour(site: Site, receiver: Receiver) -> None:
    receiver.respond = lambda _: BROKEN
    add(site, receiver.url)
    async with site.running():
        site.fact()
        for attempts in range(1, 14):
            await receiver.until(attempts)
            await eventually(partial(_has_failed, site, attempts))
            ((next_at,),) = site.books.rows("SELECT next_at FROM webhook_waiting")
            pause = _seconds(next_at, site.books.at)
            assert (
                pause
                == [10, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600][attempts - 1]
            )
            site.books.now += timedelta(seconds=pause)


def _has_failed(site: Site, attempts: int) -> bool:
    return bool(site.waiting()) and site.waiting()[0][2] == attempts


def _seconds(later: str, earlier: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


async def test_given_up_after_three_days_and_on_with_what_is_younger(
    site: Site, receiver: Receiver
) -> None:
    receiver.respond = lambda _: BROKEN
    add(site, receiver.url)
    async with site.running():
        first, second = site.fact(), site.fact()
        await eventually(site.waiting)
        site.books.now += 2 * DAY
        await receiver.until(2)
        young = site.fact()
        site.books.now += DAY + HOUR
        await eventually(lambda: site.books.count("webhook_given_up"))
        receiver.respond = lambda _: ACCEPTED
        site.books.now += HOUR
        await eventually(lambda: not site.waiting())
    row = site.books.row(
        "SELECT cp_id, first_event, last_event, facts, problem FROM webhook_given_up"
    )
    assert row[:4] == ("CP-1", first, second, 2)
    assert of_stored(row[4]) == "status 503"
    assert site.listed().given_up == 2
    (given_up,) = [fact for fact in site.writer.facts if isinstance(fact, WebhookGivenUp)]
    assert (given_up.webhook, given_up.charger, given_up.facts) == ("home", "CP-1", 2)
    assert receiver.numbers()[-1] == young
    assert "WebhookGivenUp" not in receiver.kinds()


async def test_after_a_success_the_three_days_begin_anew(site: Site, receiver: Receiver) -> None:
    receiver.respond = lambda _: BROKEN
    add(site, receiver.url)
    async with site.running():
        first, second = site.fact(), site.fact()
        await eventually(site.waiting)
        receiver.respond = lambda body: ACCEPTED if body["id"] == first else BROKEN
        site.books.now += 4 * DAY
        await eventually(lambda: site.waiting() == [("CP-1", first, 1)])
    assert not site.books.count("webhook_given_up")
    assert receiver.numbers()[-1] == second


async def test_a_removed_webhook_gets_nothing_more(site: Site, receiver: Receiver) -> None:
    receiver.respond = lambda _: BROKEN
    added = add(site, receiver.url)
    async with site.running() as running:
        site.fact()
        await eventually(site.waiting)
        assert site.writer.run_now(writes.remove_webhook, added.id, site.books.at, "anna")
        running.note_change()
        site.books.now += HOUR
        site.fact()
        await trio.sleep(0.1)
    assert (len(receiver.delivered), site.waiting()) == (1, [])
    assert site.books.value("SELECT secret FROM webhook") == ""
    assert not site.writer.run_now(writes.remove_webhook, added.id, site.books.at, "anna")
    async with site.running():
        site.fact()
    assert len(receiver.delivered) == 1


async def test_progress_that_cannot_be_stored_is_not_lost_in_this_run(
    site: Site, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk: what was delivered is not sent again and again."""
    monkeypatch.setattr(parts, "DEFAULT_LIMITS", replace(DEFAULT_LIMITS, commit_seconds=0.01))
    add(site, receiver.url)
    async with site.running():
        site.fact()
        site.writer.is_unavailable = True
        await receiver.until(1)
        await trio.sleep(0.1)
        site.writer.is_unavailable = False
        site.fact()
        await receiver.until(2)
    assert len(receiver.numbers()) == len(set(receiver.numbers()))


async def test_two_of_one_name_are_refused(site: Site, receiver: Receiver) -> None:
    add(site, receiver.url)
    again = NewWebhook("home", receiver.url, masked_url(receiver.url), "", None, None)
    assert site.writer.run_now(writes.add_webhook, again, site.books.at, "anna", KEY) is None


async def test_a_webhook_whose_secret_is_unknown_waits_until_it_is_added_again(
    site: Site, receiver: Receiver
) -> None:
    """Nothing that it waits for is lost."""
    add(site, receiver.url)
    async with site.running(OTHER_KEY) as running:
        sent = [site.fact("CP-1")]
        await eventually(site.waiting)
        assert site.listed().problem == NOT_SIGNABLE
        for wrong in (
            NewWebhook("home", "http://192.0.2.1/", "http://192.0.2.1/", new_secret(), None, None),
            NewWebhook(
                "home",
                receiver.url,
                masked_url(receiver.url),
                new_secret(),
                ("TransactionStarted",),
                None,
            ),
        ):
            assert (
                site.writer.run_now(writes.add_webhook, wrong, site.books.at, "anna", OTHER_KEY)
                is None
            )
        new = NewWebhook("home", receiver.url, masked_url(receiver.url), new_secret(), None, None)
        again = site.writer.run_now(writes.add_webhook, new, site.books.at, "anna", OTHER_KEY)
        assert again is not None
        assert (again.id, again.secret) == (1, new.secret)
        site.books.wait(3600)
        running.note_change()
        sent.append(site.fact("CP-1"))
        await receiver.until(2)
        assert receiver.numbers() == sent
    assert site.writer.run_now(writes.add_webhook, new, site.books.at, "anna", OTHER_KEY) is None
