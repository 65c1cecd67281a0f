"""All that is asked and stored of messages, on PostgreSQL and SQLite at once, and without reading
whole tables."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from levity_trio.events import HouseholdReported, MonthLimitNear, OutcomeKnown
from levity_trio.notify.delivery import MailingOrder, _planned, _unknown
from levity_trio.notify.kinds import OF_DRIVER
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.reads.people import messages as reads
from levity_trio.store.writes.people import messages
from levity_trio.store.writes.people.messages import By, DeliveryFailure, RecipientData
from tests.both_stores import both_in_memory
from tests.notify.site import KEY, WAYS, Site
from tests.store.bills import Biller
from tests.store.conftest import flat_statements as _flat_statements  # noqa: F401 - used by itself
from tests.store.owning import House
from tests.store.reading import reading

ANNA = 1


@pytest.fixture
def site() -> Iterator[Site]:
    with both_in_memory() as connection:
        yield Site(3, connection)


def test_what_is_told(site: Site) -> None:
    House(site.books).give(ANNA, "TAG")
    driver = site.add(
        "0123", who="driver", account=ANNA, mail="anna@example.org", kinds=[*OF_DRIVER]
    )
    first, second, third = site.stations
    third.lose()
    second.status("Faulted", error="GroundFailure")
    transaction = first.start(1000)
    site.wait(20, every=5)
    first.tell(first.register(9000), transaction=transaction)
    first.status("SuspendedEV")
    for fact in (
        HouseholdReported(
            charger=None,
            at=site.books.at,
            report=1,
            account=ANNA,
            about="card",
            transaction=None,
            id_tag="ANNA",
        ),
        MonthLimitNear(
            charger=None, at=site.books.at, what="tag", key="tag", month="2026-03", until="2026-04"
        ),
        OutcomeKnown(
            charger="CP-01",
            at=site.books.at,
            command=1,
            action="Reset",
            outcome="not seen",
            words="no boot followed",
            transaction=None,
        ),
    ):
        site.books.run(UnitOfWork.record, fact)
    site.wait(20, every=5)
    first.stop(transaction, 500, reason="EVDisconnected")
    third.connect()
    site.wait(24 * 60, every=120)
    parts = [(kind, part) for kind, part, _ in site.told()]
    assert sorted(parts) == sorted(
        [
            *(
                ("fault", "begin"),
                ("away", "begin"),
                ("away", "end"),
                ("report", "note"),
                ("command", "note"),
            ),
            ("doubt", "digest"),
        ]
    )
    assert [kind for kind, _, _ in site.told(driver)] == ["limit", "full", "unplugged"]
    with reading(site.books) as db:
        assert not _unknown(db, site.found())


def test_how_it_gets_out(site: Site) -> None:
    books = site.books
    site.stations[0].status("Faulted", error="GroundFailure")
    site.wait(3)
    with reading(books) as db:
        (number,), later = reads.due(db, "mail", books.at, 10)
    assert later is None
    claimed = books.run(messages.claim, number, books.at)
    assert claimed is not None
    assert claimed.mail == "owner@example.org"
    assert books.run(messages.begin_again) == 1
    failure = DeliveryFailure(
        message=number, problem="451", next_at="2026-03-02", refused="owner@example.org"
    )
    books.run(messages.note_failed, failure, books.at)
    with reading(books) as db:
        assert reads.due(db, "mail", books.at, 10) == reads.DueMessages([], "2026-03-02")
        (row,) = reads.messages(db, None, 10)
        assert (row.problem, row.perhaps_twice, row.failing_since) == ("451", True, books.at)
        (owner,) = reads.recipients(db)
        assert (owner.mail_problem, owner.mail_problem_at) == ("451", books.at)
    books.run(messages.try_soon, "mail", books.at)
    assert books.run(messages.claim, number, books.at) is not None
    books.run(messages.note_sent, number, books.at, "owner@example.org")
    assert books.run(messages.claim, number, books.at) is None
    assert books.run(messages.give_up_old, "mail", "9999", books.at) == 0
    site.stations[0].status("Available")
    site.wait(10)
    assert books.run(messages.give_up_old, "mail", "9999", books.at) == 1
    with reading(books) as db:
        assert reads.recipient(db, site.owner) == reads.recipients(db)[0]
        assert reads.recipients(db)[0].mail_problem is None


def test_statements_and_recipients(site: Site) -> None:
    books, house = site.books, House(site.books)
    house.give(ANNA, "TAG")
    flat = site.add(
        "0123",
        who="driver",
        account=ANNA,
        mail="anna@example.org",
        kinds=["statement"],
        gets_statements=True,
    )
    biller = Biller(house)
    transaction = site.stations[0].start(1000)
    site.wait(60, every=30)
    site.stations[0].stop(transaction, 9000)
    books.now = datetime(2026, 4, 2, 8, 0, tzinfo=UTC)
    biller.close("2026-03")
    site.look()
    with reading(books) as db:
        assert _planned(
            db, MailingOrder(month="2026-03", by="anna", again=True), WAYS, books.at
        ) == (
            [],
            1,
            [],
        )
        (row,) = reads.messages_of_account(db, ANNA, 10)
        assert reads.messages_of_statement(db, row.statement or 0) == [row]
        assert reads.topic(db, flat, KEY) == "0123"
    by = By(books.at, "anna")
    books.run(messages.note_shown, flat, books.at)
    assert books.run(messages.lost_topics, KEY) == []
    assert books.run(messages.set_topic, flat, "4567", KEY)
    data = RecipientData(
        who="driver", account=ANNA, mail="b@example.org", quiet_from="22:00", quiet_until="06:00"
    )
    assert books.run(messages.change_recipient, flat, data)
    books.now += timedelta(hours=1)
    assert books.run(messages.end_recipient, flat, by)
    books.run(messages.forget_recipients, ANNA, by)
    with reading(books) as db:
        assert reads.recipients(db, ANNA) == []
