"""How far the broker of MQTT has come with the facts: the first use, replays, and facts that are
kept no longer."""

from __future__ import annotations

from datetime import timedelta

import pytest

from levity_trio.events import EventsPruned, MqttFactRefused, MqttReplayed
from levity_trio.plugins.mqtt.facts import UNKNOWN
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.reads.site.receivers import (
    BrokerProgress,
    FactsPage,
    MqttState,
    before,
    next_page,
    state,
)
from levity_trio.store.upkeep.pruning import delete_events
from levity_trio.store.writes.site import receivers
from levity_trio.wire.times import stamp
from tests.store.books import Books
from tests.store.reading import view


def tell(books: Books, count: int = 1, minutes: float = 1) -> int:
    """Store facts, each a minute after the one before; return the id of the last one."""

    def record(db: UnitOfWork) -> None:
        db.record(EventsPruned(charger=None, at=books.at, count=1, before=""))

    for _ in range(count):
        books.wait(minutes)
        books.run(record)
    return newest(books)


def newest(books: Books) -> int:
    return int(books.value("SELECT max(id) FROM event"))


def page(books: Books, limit: int = 100, known: BrokerProgress = UNKNOWN) -> FactsPage:
    found = next_page(view(books.connection), known, limit)
    assert found is not None
    return found


def shown(books: Books) -> MqttState:
    found = state(view(books.connection))
    assert found is not None
    return found


def replayed(books: Books, since: str) -> tuple[int | None, bool]:
    """Replay the facts since a time. Return how many come again, and whether older ones are kept no
    longer."""
    position, is_pruned = before(view(books.connection), since)
    return books.run(receivers.replay_mqtt, position, since, books.at, "anna"), is_pruned


def ids(books: Books) -> list[int]:
    return [fact.id for fact in page(books).facts]


def test_the_first_use_begins_after_the_newest_fact(books: Books) -> None:
    assert next_page(view(books.connection), UNKNOWN, 100) is None
    assert state(view(books.connection)) is None
    last = tell(books, 3)
    books.run(receivers.begin_mqtt, books.at)
    assert page(books) == FactsPage(BrokerProgress(last, last), 0, [])
    tell(books, 2)
    books.run(receivers.begin_mqtt, books.at)  # a restart
    assert ids(books) == [last + 1, last + 2]
    assert (shown(books).waiting, shown(books).waiting_since) == (
        2,
        stamp(books.now - timedelta(minutes=1)),
    )


def test_a_page_ends_at_its_limit(books: Books) -> None:
    books.run(receivers.begin_mqtt, books.at)
    tell(books, 5)
    assert len(page(books, 2).facts) == 2


def test_a_page_follows_what_the_broker_has_unless_the_position_was_set_back(books: Books) -> None:
    books.run(receivers.begin_mqtt, books.at)
    first = newest(books)
    last = tell(books, 5)
    known = BrokerProgress(first, first + 3)
    assert [fact.id for fact in page(books, known=known).facts] == [last - 1, last]
    books.run(receivers.replay_mqtt, 0, books.at, books.at, "anna")
    assert page(books, known=known).progress == BrokerProgress(0, 0)


def test_the_position_moves_only_from_where_it_was(books: Books) -> None:
    books.run(receivers.begin_mqtt, books.at)
    first = newest(books)
    last = tell(books, 3)
    assert books.run(receivers.move_mqtt, first, first + 1, books.at)
    assert books.run(receivers.move_mqtt, first, last, books.at) is False
    assert ids(books) == [last - 1, last]


def test_a_replay_wins_over_a_page_on_its_way(books: Books) -> None:
    books.run(receivers.begin_mqtt, books.at)
    first, since = newest(books), stamp(books.now + timedelta(seconds=30))
    last = tell(books, 3)
    assert books.run(receivers.move_mqtt, first, last, books.at)
    later = tell(books, 2)
    again, is_pruned = replayed(books, since)
    assert (again, is_pruned) == (3, False)
    assert books.run(receivers.move_mqtt, last, later, books.at) is False
    assert ids(books)[:5] == list(range(first + 1, later + 1))
    (fact,) = books.recorded(MqttReplayed)
    assert (fact.since, fact.facts, fact.by) == (since, 3, "anna")


def test_a_replay_never_leaves_out_facts_that_wait(books: Books) -> None:
    books.run(receivers.begin_mqtt, books.at)
    first = newest(books)
    tell(books, 3)
    assert replayed(books, books.at) == (0, False)
    assert ids(books)[0] == first + 1


def test_a_replay_begins_with_the_first_fact_of_its_time(books: Books) -> None:
    """Facts are stored in the order of their commits; their times are those of receipt."""
    tell(books)
    for at in ("2026-04-01T12:00:02.000Z", "2026-04-01T12:00:01.000Z", "2026-04-01T12:00:03.000Z"):
        books.run(
            lambda db, at=at: db.record(EventsPruned(charger=None, at=at, count=1, before=""))  # type: ignore[misc]
        )
    last = newest(books)
    assert before(view(books.connection), "2026-04-01T12:00:02.000Z") == (last - 3, False)
    assert before(view(books.connection), "2026-04-01T12:00:02.500Z") == (last - 1, False)
    assert before(view(books.connection), "2026-04-01T12:00:04.000Z") == (last, False)


def test_times_of_a_clock_that_was_not_set_do_not_end_a_replay(books: Books) -> None:
    last = newest(books)
    tell(books, 2)
    unset = EventsPruned(charger=None, at="1970-01-01T00:10:00.000Z", count=1, before="")
    books.run(lambda db: db.record(unset))
    tell(books, 2)
    assert before(view(books.connection), stamp(books.now - timedelta(seconds=230))) == (
        last,
        False,
    )


def test_a_site_that_never_used_it_has_nothing_to_replay(books: Books) -> None:
    tell(books)
    assert replayed(books, books.at)[0] is None
    assert books.count("mqtt") == 0


def test_facts_that_are_kept_no_longer_are_counted(books: Books) -> None:
    books.run(receivers.begin_mqtt, books.at)
    since, first = books.at, newest(books)
    last = tell(books, 5)
    books.run(delete_events, last - 2, 1.0)
    found = page(books)
    assert (found.progress, found.pruned) == (BrokerProgress(first, first), 3)
    assert shown(books).waiting == 2
    assert replayed(books, since) == (0, True)


def test_a_fact_that_is_refused_is_told(books: Books) -> None:
    books.run(receivers.begin_mqtt, books.at)
    tell(books)
    (refused,) = page(books).facts
    books.run(receivers.note_refused_by_broker, refused, books.at, "too large" * 100)
    (fact,) = books.recorded(MqttFactRefused)
    assert (fact.fact, fact.kind, len(fact.problem)) == (refused.id, "EventsPruned", 200)
    books.run(receivers.note_refused_by_broker, page(books).facts[-1], books.at, "too large")
    assert books.recorded(MqttFactRefused) == [fact]  # no end of facts about facts


@pytest.mark.parametrize("is_connected", [True, False])
def test_since_when_it_is_connected_or_not(books: Books, is_connected: bool) -> None:
    books.run(receivers.note_broker_link, not is_connected, books.at, "broker:1883", None)
    books.wait(1)
    since = books.at
    books.run(receivers.note_broker_link, is_connected, since, "broker:1883", "refused" * 100)
    books.wait(1)
    books.run(receivers.note_broker_link, is_connected, books.at, "broker:1883", "another")
    books.run(receivers.note_broker_problem, "not authorized")
    found = shown(books)
    assert (found.is_connected, found.since, found.problem) == (
        is_connected,
        since,
        "not authorized",
    )
    books.run(receivers.note_broker_problem, None)
    assert shown(books).problem is None
