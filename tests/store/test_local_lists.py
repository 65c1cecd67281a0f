"""Local lists: what is sent, and that the charger's list becomes the wanted one whatever it
answered before."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from levity_trio.events import LocalListFailing, LocalListPaused, LocalListResumed
from levity_trio.store.writes.chargers import local_lists
from levity_trio.wire.times import stamp
from tests.store.books import Books, Station, in_memory
from tests.store.list_keeping import Keeping
from tests.store.owning import House
from tests.store.test_outcomes import ask


@pytest.fixture
def keeping(station: Station) -> Keeping:
    return Keeping(station)


def some_tags(keeping: Keeping, *names: str, **fields: Any) -> None:
    for name in names:
        keeping.add(name, **fields)


def test_a_list_is_sent_whole_then_as_a_difference(keeping: Keeping) -> None:
    some_tags(keeping, "A", "B", "C", parent_id_tag="FAMILY")
    keeping.settle()
    keeping.remove("b")
    keeping.change("C", status="Blocked")
    keeping.add("D", expires_at=stamp(keeping.books.now + timedelta(days=1)))
    keeping.settle()
    assert keeping.lists() == [("Full", 1, ["A", "B", "C"]), ("Differential", 2, ["-B", "C", "D"])]
    assert keeping.memory.local_list == keeping.expected()
    status = keeping.status()
    assert (status.state, status.version, status.entries, status.behind) == ("up to date", 2, 3, 0)
    keeping.settle()
    assert len(keeping.lists()) == 2


def test_the_cards_of_a_household_are_listed_as_one_group(keeping: Keeping) -> None:
    """From the day on at which they belong to it; a group that the owner set stays."""
    house = House(keeping.books)
    keeping.add("A")
    keeping.add("B", parent_id_tag="FAMILY")
    keeping.settle()
    tomorrow = stamp(keeping.books.now + timedelta(days=1))
    for card in ("A", "B"):
        house.give(1, card, since=tomorrow)
    assert keeping.status().behind == 0
    assert keeping.next_turn() == tomorrow
    keeping.books.wait(24 * 60)
    keeping.settle()
    groups = {tag: one.get("parentIdTag") for tag, one in keeping.memory.local_list.items()}
    assert groups == {"a": "account:1", "b": "FAMILY"}
    house.take(1, "A", since=stamp(keeping.books.now))
    keeping.settle()
    assert "parentIdTag" not in keeping.memory.local_list["a"]


def test_nothing_is_asked_twice(keeping: Keeping) -> None:
    keeping.add("A")
    keeping.settle()
    actions = [action for action, _ in keeping.sent]
    assert actions == [
        "GetConfiguration",
        "GetLocalListVersion",
        "SendLocalList",
        "GetLocalListVersion",
    ]


def test_no_tags_are_an_empty_list(keeping: Keeping) -> None:
    keeping.settle()
    assert keeping.lists() == []
    keeping.memory.local_list_version, keeping.memory.local_list = 7, {"x": {"status": "Accepted"}}
    keeping.books.wait(1)
    keeping.station.boot()
    keeping.settle()
    assert keeping.lists() == [("Full", 8, [])]
    assert keeping.memory.local_list == {}


def test_a_long_list_goes_in_parts_each_with_a_higher_version(keeping: Keeping) -> None:
    some_tags(keeping, *(f"T{number}" for number in range(45)))
    keeping.settle()
    sizes = [(kind, version, len(tags)) for kind, version, tags in keeping.lists()]
    assert sizes == [("Full", 1, 20), ("Differential", 2, 20), ("Differential", 3, 5)]
    assert keeping.memory.local_list == keeping.expected()


def test_a_change_between_the_parts_is_not_lost(keeping: Keeping) -> None:
    some_tags(keeping, *(f"T{number}" for number in range(45)))
    while not keeping.lists():
        keeping.decide()
        taken = keeping.take()
        assert taken is not None
        keeping.answer(taken)
    keeping.remove("T3")
    keeping.change("T40", status="Blocked")
    keeping.settle()
    assert keeping.memory.local_list == keeping.expected()


def test_what_has_no_room_is_left_out_and_told(station: Station) -> None:
    keeping = Keeping(station, LocalAuthListMaxLength="3")
    some_tags(keeping, "OLD", status="Blocked")
    some_tags(keeping, "A", "B", "C")
    keeping.settle()
    assert set(keeping.memory.local_list) == {"a", "b", "c"}  # those that may charge go first
    status = keeping.status()
    assert (status.state, status.entries, status.left_out) == ("too long", 3, 1)
    assert "no room for 1 card;" in status.words
    keeping.remove("A")
    keeping.settle()
    assert set(keeping.memory.local_list) == {"b", "c", "old"}
    keeping.add("D")
    keeping.settle()
    assert set(keeping.memory.local_list) == {"b", "c", "d"}
    assert keeping.lists()[1:] == [
        ("Differential", 2, ["-A", "OLD"]),
        ("Differential", 3, ["-OLD", "D"]),
    ]


def test_a_tag_expires_while_nothing_else_happens(keeping: Keeping) -> None:
    expiry = stamp(keeping.books.now + timedelta(hours=1))
    keeping.add("A", expires_at=expiry)
    keeping.settle()
    assert keeping.next_turn() == expiry
    keeping.books.wait(60)
    assert keeping.status().behind == 1
    keeping.settle()
    assert keeping.memory.local_list["a"]["status"] == "Expired"
    assert keeping.next_turn() is None


@pytest.mark.parametrize("word", ["Failed", "VersionMismatch"])
def test_a_difference_that_is_refused_is_followed_by_a_full_list(
    keeping: Keeping, word: str
) -> None:
    keeping.add("A")
    keeping.settle()
    keeping.add("B")
    keeping.decide()
    taken = keeping.take()
    assert taken is not None
    keeping.answer(taken, word)
    keeping.settle()
    assert keeping.lists()[1:] == [("Differential", 2, ["B"]), ("Full", 3, ["A", "B"])]
    assert keeping.status().failures == 0


@pytest.mark.parametrize(
    ("manner", "again"),
    [("silent, but obeys", []), ("silent", [("Differential", 3, ["B"])])],
    ids=str,
)
def test_after_silence_the_version_tells_whether_the_list_arrived(
    keeping: Keeping, manner: str, again: list[Any]
) -> None:
    keeping.add("A")
    keeping.settle()
    keeping.add("B")
    keeping.decide()
    taken = keeping.take()
    assert taken is not None
    keeping.answer(taken, manner)
    keeping.settle()
    assert keeping.lists()[2:] == again
    assert keeping.memory.local_list == keeping.expected()


def test_another_version_is_repaired(keeping: Keeping) -> None:
    keeping.add("A")
    keeping.settle()
    keeping.memory.local_list_version, keeping.memory.local_list = (
        99,
        {"thief": {"status": "Accepted"}},
    )
    keeping.books.wait(25 * 60)
    keeping.settle()
    assert keeping.lists()[-1] == ("Full", 100, ["A"])
    assert keeping.memory.local_list == keeping.expected()


def test_a_boot_has_the_version_asked_again(keeping: Keeping) -> None:
    keeping.add("A")
    keeping.settle()
    keeping.memory.local_list_version, keeping.memory.local_list = 0, {}
    keeping.books.wait(1)
    keeping.station.boot()
    keeping.books.wait(1)
    keeping.settle()
    assert keeping.memory.local_list == keeping.expected()


def test_one_that_keeps_no_list_is_asked_once_a_day(station: Station) -> None:
    keeping = Keeping(station, LocalAuthListEnabled="false")
    keeping.add("A")
    keeping.settle()
    assert keeping.status().state == "not supported"
    assert keeping.lists() == []
    asked = len(keeping.sent)
    keeping.run()
    assert len(keeping.sent) == asked
    keeping.limits["LocalAuthListEnabled"] = "true"
    ask(station, "ChangeConfiguration", {"key": "LocalAuthListEnabled", "value": "true"})
    keeping.settle()
    assert keeping.memory.local_list == keeping.expected()


def test_one_whose_profiles_lack_it_is_not_asked_for_its_list(station: Station) -> None:
    """At no boot: it would answer with an error, which is a warning in the log."""
    keeping = Keeping(station, SupportedFeatureProfiles="Core, SmartCharging")
    keeping.add("A")
    for _ in range(2):
        keeping.settle()
        keeping.books.wait(24 * 60)
        station.boot()
        keeping.books.wait(1)
    assert [action for action, _ in keeping.sent] == ["GetConfiguration"]
    assert keeping.status().state == "not supported"


def test_one_that_has_a_list_keeps_it_whatever_its_profiles_say(keeping: Keeping) -> None:
    keeping.add("A")
    keeping.settle()
    keeping.books.connection.execute(
        "INSERT INTO configuration (cp_id, session_id, key, value, readonly, read_at) "
        "SELECT cp_id, session_id, key, 'Core', 1, ? FROM configuration "
        "WHERE key = 'SupportedFeatureProfiles'",
        (keeping.books.at,),
    )
    keeping.add("B")
    keeping.settle()
    assert keeping.memory.local_list == keeping.expected()


def test_one_that_fails_for_ever_is_not_hammered(keeping: Keeping) -> None:
    keeping.add("A")
    began = keeping.books.now
    while keeping.books.now < began + timedelta(days=1):
        while (command := keeping.decide()) is not None:
            taken = keeping.take()
            assert taken is not None
            assert taken.id == command
            assert len(keeping.sent) < 100
            keeping.answer(taken, "Failed" if taken.action == "SendLocalList" else "honest")
        assert keeping.again_at is not None
        keeping.books.now = max(keeping.books.now + timedelta(seconds=1), keeping.again_at)
    assert 5 < len(keeping.lists()) < 20
    assert len(keeping.books.recorded(LocalListFailing)) == 1
    status = keeping.status()
    assert (status.state, status.problem) == ("failing", "SendLocalList: Failed")
    keeping.settle()
    assert keeping.status().failures == 0


def test_one_that_tells_no_limits_gets_smaller_parts(station: Station) -> None:
    keeping = Keeping(station, SendLocalListMaxLength="2")
    keeping.is_silent_about_limits = True
    some_tags(keeping, *NAMES)
    keeping.settle()
    assert keeping.memory.local_list == keeping.expected()
    assert keeping.status().failures == 0


def test_a_list_by_hand_stops_the_upkeep_until_it_is_resumed(keeping: Keeping) -> None:
    keeping.add("A")
    keeping.settle()
    by_hand = {"listVersion": 50, "updateType": "Full", "localAuthorizationList": []}
    command = ask(keeping.station, "SendLocalList", by_hand)
    keeping.memory.local_list_version, keeping.memory.local_list = 50, {}
    keeping.add("B")
    keeping.settle()
    status = keeping.status()
    assert (status.state, status.paused_command) == ("paused", command)
    assert keeping.books.recorded(LocalListPaused)[0].command == command
    assert keeping.memory.local_list == {}
    assert keeping.books.run(local_lists.resume, "CP-1", keeping.books.at, "ben")
    keeping.settle()
    assert keeping.lists()[-1] == ("Full", 51, ["A", "B"])
    assert keeping.books.recorded(LocalListResumed)[0].by == "ben"
    assert not keeping.books.run(local_lists.resume, "CP-9", keeping.books.at, "ben")


def test_one_by_hand_that_was_refused_stops_nothing(keeping: Keeping) -> None:
    keeping.add("A")
    keeping.settle()
    by_hand = {"listVersion": 1, "updateType": "Differential", "localAuthorizationList": []}
    ask(keeping.station, "SendLocalList", by_hand, {"status": "VersionMismatch"})
    keeping.settle()
    assert keeping.status().state == "up to date"


def test_one_is_under_way_at_a_time(keeping: Keeping) -> None:
    keeping.add("A")
    first = keeping.decide()
    assert first is not None
    assert [keeping.decide() for _ in range(3)] == [None] * 3
    taken = keeping.take()
    assert taken is not None
    assert keeping.decide() is None
    assert keeping.status().state == "sending"


def test_one_that_is_away_gets_it_after_its_return(keeping: Keeping) -> None:
    keeping.settle()
    keeping.is_open = False
    keeping.add("A")
    assert keeping.decide() is None
    assert keeping.status().state == "waiting"
    keeping.is_open = True
    keeping.settle()
    assert keeping.memory.local_list == keeping.expected()


def test_the_server_keeps_no_copies_of_its_own_lists(keeping: Keeping) -> None:
    some_tags(keeping, *(f"T{number}" for number in range(45)))
    keeping.settle()
    assert keeping.books.rows("SELECT DISTINCT entries FROM local_list WHERE version > 0") == [
        (None,)
    ]


MANNERS = (
    "honest",
    "Failed",
    "VersionMismatch",
    "NotSupported",
    "silent",
    "silent, but obeys",
    "error",
    "garbage",
)
NAMES = ("A", "B", "C", "D", "E", "F")
STEPS = some.one_of(
    some.tuples(
        some.just("add"), some.sampled_from(NAMES), some.sampled_from(["Accepted", "Blocked"])
    ),
    some.tuples(some.just("remove"), some.sampled_from(NAMES)),
    some.tuples(some.just("flip"), some.sampled_from(NAMES)),
    some.tuples(some.just("expire"), some.sampled_from(NAMES), some.integers(0, 3)),
    some.tuples(some.just("answer"), some.sampled_from(MANNERS)),
    some.tuples(some.just("restart"), some.sampled_from(["queued", "sent", "obeyed"])),
    some.tuples(some.just("wait"), some.sampled_from([1, 60, 25 * 60])),
    some.tuples(some.just("away"), some.booleans()),
    some.tuples(some.just("lose"), some.integers(0, 3)),
    some.tuples(some.just("room"), some.integers(0, 6)),
)


class Happening:
    """What may happen to the tags, to the charger and to the server."""

    def __init__(self, keeping: Keeping) -> None:
        self.keeping = keeping

    def happen(self, what: str, *how: Any) -> None:
        if what in ("remove", "flip", "expire") and how[0] not in self.tags():
            return
        getattr(self, what)(*how)

    def tags(self) -> dict[str, str]:
        return dict(
            self.keeping.books.rows("SELECT id_tag, status FROM tag WHERE ended_at IS NULL")
        )

    def add(self, tag: str, status: str) -> None:
        if tag not in self.tags():
            self.keeping.add(tag, status=status)

    def remove(self, tag: str) -> None:
        self.keeping.remove(tag)

    def flip(self, tag: str) -> None:
        self.keeping.change(tag, status="Blocked" if self.tags()[tag] == "Accepted" else "Accepted")

    def expire(self, tag: str, half_hours: int) -> None:
        at = self.keeping.books.now + timedelta(minutes=30 * half_hours)
        self.keeping.change(tag, expires_at=stamp(at))

    def answer(self, manner: str) -> None:
        self.keeping.decide()
        if (taken := self.keeping.take()) is not None:
            self.keeping.answer(taken, manner)

    def restart(self, until: str) -> None:
        self.keeping.decide()
        taken = None if until == "queued" else self.keeping.take()
        if taken is not None and until == "obeyed":
            self.keeping.obey(taken)
        self.keeping.restart()

    def wait(self, minutes: int) -> None:
        self.keeping.books.wait(minutes)

    def away(self, is_away: bool) -> None:
        self.keeping.is_open = not is_away

    def lose(self, version: int) -> None:
        """The charger loses its list and has another one, or none."""
        self.keeping.memory.local_list_version, self.keeping.memory.local_list = version, {}
        self.keeping.station.boot()

    def room(self, most: int) -> None:
        self.keeping.tell_limits(most)


@settings(max_examples=60)
@given(some.lists(STEPS, max_size=25))
def test_whatever_happened_an_honest_charger_gets_the_list(steps: list[tuple[Any, ...]]) -> None:
    with closing(in_memory()) as connection:
        keeping = Keeping(
            Station(Books(connection)), LocalAuthListMaxLength="4", SendLocalListMaxLength="2"
        )
        for one in steps:
            Happening(keeping).happen(*one)
        keeping.is_open = True
        # one that said that it keeps no list is asked again within a day
        keeping.books.wait(25 * 60)
        keeping.settle()
        assert keeping.memory.local_list == keeping.expected()
        assert keeping.status().state in ("up to date", "too long")
        versions = [version for _, version, _ in keeping.lists()]
        assert versions == sorted(set(versions))


def test_what_a_household_is_by_phone_is_on_no_list(keeping: Keeping) -> None:
    """Whoever copied it from there could charge with it."""
    some_tags(keeping, "CARD")
    some_tags(keeping, "PHONE", is_phone=True)
    keeping.settle()
    assert keeping.lists() == [("Full", 1, ["CARD"])]
