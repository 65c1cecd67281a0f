"""Who is told what: recipients are added, changed and ended, and nothing of a topic is readable in
the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, cast

import pytest

from levity_trio.store.beside.secret_key import NoKey, SecretKey, open_key
from levity_trio.store.engine.database import Store, UnitOfWork
from levity_trio.store.engine.opening import open_store
from levity_trio.store.reads.people import messages as reads
from levity_trio.store.reads.reader import look
from levity_trio.store.writes.people import messages as writes
from levity_trio.store.writes.people.messages import By, RecipientData

NOW = "2026-03-01T12:00:00.000Z"
ANNA = By(NOW, "anna")
TOPIC = "0123456789abcdef0123456789abcdef"
DRIVER = RecipientData(who="driver", account=1, mail="ben@example.org", kinds=("full", "statement"))


T = TypeVar("T")


def commit(store: Store, write: Callable[[UnitOfWork], T]) -> T:
    return cast(T, store.commit([write])[0].unwrap())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "site.db", "levity") as store:
        yield store


@pytest.fixture
def key(store: Store, tmp_path: Path) -> SecretKey:
    account = (
        "INSERT INTO account (name, since, created_at, created_by, updated_at) "
        "VALUES ('a', '', '', '', '')"
    )
    commit(store, lambda db: db.execute(account))
    return open_key(store, tmp_path / "site.db.key", is_shared=False)


def added(
    store: Store, key: SecretKey, data: RecipientData = DRIVER, topic: str | None = TOPIC
) -> int:
    return commit(store, lambda db: writes.add_recipient(db, data, topic, key, ANNA))


def read(tmp_path: Path, number: int) -> reads.RecipientRow:
    found = look(tmp_path / "site.db", lambda db: reads.recipient(db, number))
    assert found is not None
    return found


def test_a_topic_is_only_read_with_the_key(store: Store, key: SecretKey, tmp_path: Path) -> None:
    number = added(store, key)
    assert look(tmp_path / "site.db", lambda db: reads.topic(db, number, key)) == TOPIC
    assert look(tmp_path / "site.db", lambda db: reads.topic(db, number, SecretKey(None))) is None
    assert not [
        path
        for path in tmp_path.iterdir()
        if path.is_file() and TOPIC.encode() in path.read_bytes()
    ]
    with pytest.raises(NoKey):
        added(store, SecretKey(None))
    other = SecretKey("A" * 43 + "=")
    assert commit(store, lambda db: writes.lost_topics(db, key)) == []
    assert commit(store, lambda db: writes.lost_topics(db, other)) == [number]


def test_a_new_topic_must_be_scanned(store: Store, key: SecretKey, tmp_path: Path) -> None:
    number = added(store, key)
    assert read(tmp_path, number).must_scan
    commit(store, lambda db: writes.note_shown(db, number, NOW))
    assert not read(tmp_path, number).must_scan
    assert commit(store, lambda db: writes.set_topic(db, number, TOPIC[::-1], key))
    assert read(tmp_path, number).must_scan
    commit(store, lambda db: writes.set_topic(db, number, None, key))
    assert not read(tmp_path, number).has_push


def test_a_change_of_the_address_forgets_its_problem(
    store: Store, key: SecretKey, tmp_path: Path
) -> None:
    number = added(store, key, topic=None)
    refused = "UPDATE recipient SET (mail_problem, mail_problem_at) = ('\"550 no such user\"', ?)"
    commit(store, lambda db: db.execute(refused, (NOW,)))
    assert commit(
        store, lambda db: writes.change_recipient(db, number, replace(DRIVER, away_minutes=30))
    )
    assert read(tmp_path, number).mail_problem == "550 no such user"
    assert commit(
        store,
        lambda db: writes.change_recipient(db, number, replace(DRIVER, mail="ben@example.com")),
    )
    found = read(tmp_path, number)
    assert (found.mail, found.mail_problem, found.kinds) == (
        "ben@example.com",
        None,
        ["full", "statement"],
    )


def test_what_waits_for_one_who_was_removed_is_not_sent(
    store: Store, key: SecretKey, tmp_path: Path
) -> None:
    number = added(store, key)

    def waiting(db: UnitOfWork) -> None:
        db.execute(
            "INSERT INTO message (message_id, recipient_id, channel, part, kind, subject, body, "
            "sent_to, created_at, not_before, next_at) "
            "VALUES ('a', ?, 'mail', 'note', 'full', 's', 'b', 'ben@example.org', '', '', '')",
            (number,),
        )

    commit(store, waiting)
    assert commit(store, lambda db: writes.end_recipient(db, number, ANNA))
    assert not commit(store, lambda db: writes.end_recipient(db, number, ANNA))
    (message,) = look(tmp_path / "site.db", lambda db: reads.messages_of_account(db, 1, 10))
    assert (message.given_up_at, message.problem) == (NOW, writes.ENDED)
    commit(store, lambda db: writes.forget_recipients(db, 1, ANNA))
    found = read(tmp_path, number)
    assert (found.ended_at, found.has_push, found.mail) == (NOW, False, None)
    (message,) = look(tmp_path / "site.db", lambda db: reads.messages_of_account(db, 1, 10))
    assert (message.given_up_at, message.problem) == (NOW, None)
    assert (message.subject, message.body, message.sent_to) == (None, None, None)
    assert look(tmp_path / "site.db", reads.recipients) == []
    assert look(tmp_path / "site.db", lambda db: reads.messages(db, None, 10)) == [message]


def test_mail_goes_to_the_address_of_a_household_or_of_its_recipient(
    store: Store, key: SecretKey, tmp_path: Path
) -> None:
    def with_mail() -> set[int]:
        return look(tmp_path / "site.db", reads.accounts_with_mail)

    assert with_mail() == set()
    number = added(store, key)
    assert with_mail() == {1}
    commit(store, lambda db: writes.end_recipient(db, number, ANNA))
    assert with_mail() == set()
    commit(store, lambda db: db.execute("UPDATE account SET mail = 'a@example.org'"))
    assert with_mail() == {1}
