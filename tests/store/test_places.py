"""Who may charge where, case by case: in StartTransaction, in Authorize, and in the local list."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial

import pytest

from levity_trio.access.places import ACCOUNT, TAG
from levity_trio.access.tags import Index, Policy, Unknown
from levity_trio.billing.ownership import Thing, What
from levity_trio.events import LimitChanged, StartRefused, TagChanged
from levity_trio.store.lookups.places import UsageLimit, refusal
from levity_trio.store.reads.money.wallets import limits_reached, owned_tags, spent_accounts
from levity_trio.store.reads.people.driving import load_places
from levity_trio.store.writes.people import tags
from levity_trio.store.writes.people.accounts import ChangeRefused, RefusalCode
from levity_trio.store.writes.people.tags import TagData
from tests.store.books import Books, Station
from tests.store.list_keeping import Keeping
from tests.store.owning import SPACE, House
from tests.store.reading import reading

ANNA, BEN = 1, 2
FIRST, SECOND = SPACE._replace(connector=1), SPACE._replace(connector=2)
ALL = ("Anna's", "Ben's", "Owner's", "Guest's")


class Yard(House):
    """A house with a card for each household, one of the owner, which belongs to nobody, and one
    that nobody added."""

    def __init__(self, books: Books) -> None:
        super().__init__(books)
        self.station = Station(books)
        self.station.boot()
        self.keeping = Keeping(self.station)
        self.index = Index(books.policy)
        for account, card in ((ANNA, ALL[0]), (BEN, ALL[1]), (None, ALL[2])):
            self.books.run(tags.add, books.policy, TagData(id_tag=card), books.at, "cleo")
            if account is not None:
                self.give(account, card)
        for connector in (1, 2):
            self.station.status("Available", connector=connector)

    def limit(self, wanted: UsageLimit, account: int | None = None, card: str = "") -> bool:
        if account is not None:
            return self.books.run(tags.limit_account, account, wanted, self.books.at, "cleo")
        return self.books.run(
            tags.limit_tag, self.books.policy, card, wanted, self.books.at, "cleo"
        )

    def starts(self, connector: int) -> list[str]:
        """The cards that may start at a connector."""
        return [card for card in ALL if self.start(card, connector) == "Accepted"]

    def start(self, card: str, connector: int = 1) -> str:
        started = self.station.start_with_verdict(1000, connector, card, None)
        self.books.wait(1)
        self.station.stop(started.transaction, 1000)
        self.books.wait(1)
        return started.verdict.status

    def authorizes(self) -> list[str]:
        """The cards that an Authorize admits, by a memory that followed all facts, by one that
        begins now, and as the database says."""
        policy, at = self.books.policy, self.books.at
        followed, begun = Index(policy), Index(policy)
        for fact in self.books.facts:
            followed.observe(fact)
            if isinstance(fact, TagChanged):
                begun.put(policy.key(fact.id_tag), followed.find(policy.key(fact.id_tag)))
        with reading(self.books) as db:
            begun.wallets.load(owned_tags(db), spent_accounts(db), limits_reached(db, at))
        with reading(self.books) as db:
            begun.places.load(*load_places(db))
        found = [
            [card for card in ALL if index.refusal(policy.key(card), "CP-1", None, at) is None]
            for index in (followed, begun)
        ]
        read = [
            self.books.run(
                lambda db, key: refusal(db.rows, policy, key, "CP-1", None, at), policy.key(card)
            )
            for card in ALL
        ]
        stored = [card for card, reason in zip(ALL, read, strict=True) if reason is None]
        assert found == [stored, stored]
        return stored

    def listed(self) -> dict[str, str]:
        """The local list of the charger, after it was brought up to date."""
        self.keeping.settle()
        return {tag: info["status"] for tag, info in self.keeping.memory.local_list.items()}


@pytest.fixture
def yard(books: Books) -> Yard:
    books.now = books.now.replace(microsecond=0)
    return Yard(books)


def test_a_space_is_for_everybody_until_it_is_said_to_be_its_households(yard: Yard) -> None:
    yard.give(ANNA, SPACE)
    assert yard.starts(1) == yard.authorizes() == [*ALL]
    assert set(yard.listed().values()) == {"Accepted"}
    yard.give(ANNA, SPACE, yard.books.at, exclusive=True)
    assert yard.starts(1) == yard.starts(2) == yard.authorizes() == ["Anna's", "Owner's"]
    assert yard.listed() == {"anna's": "Accepted", "ben's": "Invalid", "owner's": "Accepted"}
    assert yard.keeping.lists()[-1][0] == "Differential"
    yard.give(ANNA, SPACE, yard.books.at, exclusive=False)  # undone
    assert yard.starts(1) == yard.authorizes() == [*ALL]
    assert set(yard.listed().values()) == {"Accepted"}
    assert yard.keeping.lists()[-1] == ("Differential", 3, ["Ben's"])


def test_two_spaces_at_one_charger_admit_the_cards_of_both(yard: Yard) -> None:
    yard.give(ANNA, FIRST, exclusive=True)
    assert (yard.starts(1), yard.starts(2)) == (["Anna's", "Owner's"], [*ALL])
    assert yard.authorizes() == [*ALL]  # at the other connector all may
    assert set(yard.listed().values()) == {"Accepted"}
    yard.give(BEN, SECOND, exclusive=True)
    assert (yard.starts(1), yard.starts(2)) == (["Anna's", "Owner's"], ["Ben's", "Owner's"])
    assert yard.authorizes() == ["Anna's", "Ben's", "Owner's"]
    assert set(yard.listed().values()) == {"Accepted"}


def test_a_single_space_goes_before_its_charger(yard: Yard) -> None:
    yard.give(ANNA, SPACE, exclusive=True)
    yard.give(BEN, SECOND, exclusive=False)
    assert (yard.starts(1), yard.starts(2), yard.authorizes()) == (
        ["Anna's", "Owner's"],
        [*ALL],
        [*ALL],
    )


def test_a_connector_that_tells_of_itself_later_is_for_everybody(yard: Yard) -> None:
    yard.give(ANNA, FIRST, exclusive=True)
    yard.give(ANNA, SECOND, exclusive=True)
    assert yard.authorizes() == ["Anna's", "Owner's"]
    yard.station.status("Available", connector=3)
    assert yard.authorizes() == [*ALL]


def test_a_household_moves_out(yard: Yard) -> None:
    """Its card, given back or not, opens nothing of others; its space is everybody's until it is
    given again."""
    yard.give(ANNA, FIRST, exclusive=True)
    yard.give(BEN, SECOND, exclusive=True)
    yard.books.wait(1)
    yard.take(ANNA, "Anna's", yard.books.at)
    assert yard.authorizes() == ["Ben's", "Owner's"]
    assert yard.listed()["anna's"] == "Invalid"
    assert yard.starts(1) == ["Owner's"]
    yard.take(ANNA, FIRST, yard.books.at)
    assert (yard.starts(1), yard.authorizes()) == ([*ALL], [*ALL])
    assert yard.starts(2) == ["Ben's", "Owner's"]
    yard.give(BEN, FIRST, yard.books.at, exclusive=True)
    assert yard.starts(1) == yard.authorizes() == ["Ben's", "Owner's"]


def test_a_period_that_begins_and_ends_later(yard: Yard) -> None:
    yard.give(ANNA, SPACE, "2026-03-01T13:00:00.000Z", "2026-03-01T15:00:00.000Z", exclusive=True)
    assert yard.listed()["ben's"] == "Accepted"
    assert yard.keeping.next_turn() == "2026-03-01T13:00:00.000Z"
    yard.books.wait(70)
    assert yard.start("Ben's") == "Invalid"
    assert yard.listed()["ben's"] == "Invalid"
    assert yard.keeping.next_turn() == "2026-03-01T15:00:00.000Z"
    yard.books.wait(120)
    assert yard.start("Ben's") == "Accepted"
    assert yard.listed()["ben's"] == "Accepted"


def test_a_card_that_is_handed_out_early_opens_nothing_of_others(yard: Yard) -> None:
    """It waits for its household to move in, and is no card of the owner until then."""
    yard.give(ANNA, SPACE, exclusive=True)
    yard.books.run(tags.add, yard.books.policy, TagData(id_tag="Guest's"), yard.books.at, "cleo")
    assert yard.starts(1) == yard.authorizes() == ["Anna's", "Owner's", "Guest's"]
    yard.give(BEN, "Guest's", "2026-03-01T13:00:00.000Z")
    assert yard.starts(1) == yard.authorizes() == ["Anna's", "Owner's"]
    assert yard.listed()["guest's"] == "Invalid"
    yard.give(ANNA, "Ben's", "2026-03-01T13:00:00.000Z")
    yard.books.wait(70)
    assert yard.starts(1) == yard.authorizes() == ["Anna's", "Ben's", "Owner's"]


def test_a_group_opens_no_space(yard: Yard) -> None:
    """Cards of one group may end each other's sessions; whose a space is goes by the household."""
    for card in ("Anna's", "Ben's"):
        yard.books.run(
            tags.change, yard.books.policy, card, {"parent_id_tag": "Both"}, yard.books.at, "cleo"
        )
    yard.give(ANNA, SPACE, exclusive=True)
    assert yard.starts(1) == yard.authorizes() == ["Anna's", "Owner's"]
    assert yard.listed()["ben's"] == "Invalid"
    started = yard.station.start_with_verdict(1000, 1, "Anna's", None)
    assert yard.station.stop(started.transaction, 2000, tag="Ben's") == "Accepted"


def test_a_charger_that_names_no_connector_or_another_one_admits_no_more(yard: Yard) -> None:
    yard.give(ANNA, SPACE, exclusive=True)
    assert [yard.starts(number) for number in (1, 7)] == [["Anna's", "Owner's"]] * 2
    assert yard.start("bEN'S ") == "Invalid"


def test_a_repeated_start_gets_its_first_answer(yard: Yard) -> None:
    """A refused start is stored with a real id, keeps its verdict, may be stopped, and a running
    one is left alone."""
    at = yard.station.clock()
    first = yard.station.start_with_verdict(1000, 1, "Ben's", at)
    yard.give(ANNA, SPACE, yard.books.at, exclusive=True)
    assert yard.station.start_with_verdict(1000, 1, "Ben's", at) == first
    assert yard.station.stop(first.transaction, 2000, tag="Ben's") == "Accepted"
    yard.books.wait(5)
    at = yard.station.clock()
    refused = yard.station.start_with_verdict(2000, 1, "Ben's", at)
    assert (refused.verdict.status, refused.verdict.reason) == ("Invalid", "space")
    yard.give(ANNA, SPACE, yard.books.at, exclusive=False)
    assert yard.station.start_with_verdict(2000, 1, "Ben's", at) == refused
    (fact,) = yard.books.recorded(StartRefused)
    assert (fact.transaction, fact.verdict, fact.reason) == (
        refused.transaction,
        "Invalid",
        "space",
    )
    told = "SELECT verdict, verdict_reason, status FROM tx ORDER BY id DESC LIMIT 1"
    assert yard.books.row(told) == ("Invalid", "space", "Active")


def test_a_card_at_certain_chargers_only(yard: Yard) -> None:
    assert yard.limit(UsageLimit(("CP-1",)), card="Ben's")
    assert yard.starts(1) == yard.authorizes() == [*ALL]
    Station(yard.books, "CP-2")
    assert yard.limit(UsageLimit(("CP-2",)), card="BEN'S ")
    assert yard.authorizes() == yard.starts(1) == ["Anna's", "Owner's", "Guest's"]
    assert yard.listed()["ben's"] == "Invalid"
    assert not yard.limit(UsageLimit(("CP-2",)), card="Ben's")
    assert yard.books.row(
        "SELECT verdict_reason FROM tx WHERE id_tag = 'Ben''s' ORDER BY id DESC LIMIT 1"
    ) == ("chargers",)
    yard.limit(UsageLimit(), card="Ben's")
    assert yard.authorizes() == [*ALL]
    assert yard.listed()["ben's"] == "Accepted"
    assert len(yard.books.recorded(LimitChanged)) == 3
    assert yard.books.count("usage_limit") == 3  # what held before is kept


def test_a_household_at_certain_chargers_only(yard: Yard) -> None:
    Station(yard.books, "CP-2")
    yard.limit(UsageLimit(("CP-2",)), ANNA)
    assert yard.authorizes() == yard.starts(1) == ["Ben's", "Owner's", "Guest's"]
    assert yard.listed()["anna's"] == "Invalid"


def test_a_card_that_works_everywhere(yard: Yard) -> None:
    """The owner's card may belong to a household, too, if it is marked."""
    yard.give(ANNA, SPACE, exclusive=True)
    yard.limit(UsageLimit(is_everywhere=True), card="Ben's")
    assert yard.authorizes() == yard.starts(1) == ["Anna's", "Ben's", "Owner's"]
    yard.limit(UsageLimit(), card="Ben's")
    assert yard.authorizes() == ["Anna's", "Owner's"]


@pytest.mark.parametrize(
    ("wanted", "code", "field"),
    [
        (UsageLimit(()), RefusalCode.INVALID, "chargers"),
        (UsageLimit(("CP-1",), is_everywhere=True), RefusalCode.INVALID, "everywhere"),
        (UsageLimit(("CP-9",)), RefusalCode.NOT_FOUND, "chargers"),
    ],
)
def test_a_limit_that_makes_no_sense(
    yard: Yard, wanted: UsageLimit, code: RefusalCode, field: str
) -> None:
    with pytest.raises(ChangeRefused) as caught:
        yard.limit(wanted, card="Ben's")
    assert (caught.value.code, caught.value.field) == (code, field)
    with pytest.raises(ChangeRefused):
        yard.limit(UsageLimit(), account=9)


def test_what_refuses_a_card_anyway_goes_first(yard: Yard) -> None:
    yard.give(ANNA, SPACE, exclusive=True)
    yard.books.run(
        tags.change, yard.books.policy, "Ben's", {"status": "Blocked"}, yard.books.at, "cleo"
    )
    assert yard.start("Ben's") == "Blocked"
    assert yard.listed()["ben's"] == "Blocked"
    yard.books.policy = Policy(Unknown.REFUSE)
    assert yard.start("Guest's") == "Invalid"
    assert yard.books.row("SELECT verdict_reason FROM tx ORDER BY id DESC LIMIT 1") == (None,)


def test_the_outside_authorizer_is_not_asked_where_a_card_may_not_charge(yard: Yard) -> None:
    yard.books.policy = Policy(Unknown.REFUSE, has_authorizer=True)
    asked = yard.station.start_with_verdict(1000, 1, "Guest's", None)
    assert asked.is_asked
    yard.station.stop(asked.transaction, 1000)
    yard.books.wait(1)
    yard.give(ANNA, SPACE, exclusive=True)
    refused = yard.station.start_with_verdict(1000, 1, "Guest's", None)
    assert (refused.is_asked, refused.verdict.status) == (False, "Invalid")


def test_our_own_tag_works_everywhere(yard: Yard) -> None:
    yard.books.policy = replace(yard.books.policy, own="Auto")
    yard.give(ANNA, SPACE, exclusive=True)
    assert yard.start("auto") == "Accepted"


def test_the_last_refused_cards_of_a_charger_are_kept(yard: Yard) -> None:
    yard.give(ANNA, FIRST, exclusive=True)
    assert [yard.start(card) for card in ("Ben's", "Ben's", "Guest's")] == ["Invalid"] * 3
    kept = "SELECT id_tag, conn_id, reason, count FROM refused_card ORDER BY key"
    assert yard.books.rows(kept) == [("Ben's", 1, "space", 2), ("Guest's", 1, "space", 1)]
    told = yard.books.policy.judge("x", None, yard.books.at).refused(None)
    for number in range(30):
        key = f"card {number}"
        shown = told._replace(status="Invalid", reason="space")
        yard.station.write(partial(tags.present_tag, is_asked=False), key, key.upper(), shown)
        yard.books.wait(1)
    assert yard.books.count("refused_card") == tags.REFUSED_OF_CHARGER


def test_limits_follow_the_normal_form(yard: Yard) -> None:
    Station(yard.books, "CP-2")
    yard.limit(UsageLimit(("CP-2",)), card="Ben's-1")
    yard.books.policy = Policy(strip=re.compile(r"(?:-\d)\Z"))
    yard.books.run(tags.rekey_limits, yard.books.policy)
    assert yard.start("Ben's") == "Invalid"


def test_what_a_space_is_explains_a_verdict_of_the_past(yard: Yard) -> None:
    """Each change is a period or a row of its own."""
    yard.give(ANNA, SPACE, exclusive=True)
    yard.books.wait(10)
    yard.give(ANNA, SPACE, yard.books.at, exclusive=False)
    periods = "SELECT is_exclusive, until IS NULL FROM ownership WHERE what = 'space' ORDER BY id"
    assert yard.books.rows(periods) == [(1, 0), (0, 1)]
    assert (TAG, ACCOUNT) == ("tag", "account")
    assert Thing(What.SPACE, "CP-1") == SPACE
