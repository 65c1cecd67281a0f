"""Limits of a month in kWh and money: counted, warned of at four fifths, reached, and over with the
month."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

import pytest

from levity_trio.access.tags import Index
from levity_trio.billing.months import MonthLimit, UsedInMonth
from levity_trio.events import MonthLimitLifted, MonthLimitNear, MonthLimitReached
from levity_trio.store.lookups.places import UsageLimit
from levity_trio.store.reads.money import months
from levity_trio.store.reads.money.wallets import limits_reached, owned_tags, spent_accounts
from levity_trio.store.writes.people import tags
from levity_trio.store.writes.people.tags import TagData, TheMonth
from tests.store.bills import FLAT, Biller
from tests.store.books import Books, Station
from tests.store.list_keeping import Keeping
from tests.store.owning import House
from tests.store.reading import reading
from tests.store.test_imported import import_one

ANNA, BEN = 1, 2
PRICE: Final = 30
"""Cents a kWh."""
CARD, OTHER = "Anna's", "Anna's second"


class Month(House):
    """A house where a kWh costs 30 cents, and the task that counts the month, look by look."""

    def __init__(self, books: Books) -> None:
        super().__init__(books)
        for account, card in ((ANNA, CARD), (ANNA, OTHER), (BEN, "Ben's")):
            books.run(tags.add, books.policy, TagData(id_tag=card), books.at, "cleo")
            self.give(account, card)
        self.biller = Biller(self, date(2026, 1, 1))
        self.station = Station(books)
        self.station.boot()
        self.register = 1000

    def limit(self, wanted: UsageLimit, account: int | None = ANNA, card: str = "") -> None:
        if account is not None and not card:
            self.books.run(tags.limit_account, account, wanted, self.books.at, "cleo")
        else:
            self.books.run(tags.limit_tag, self.books.policy, card, wanted, self.books.at, "cleo")
        self.count()

    def month(self) -> TheMonth:
        return TheMonth.at(self.books.now, self.biller.terms.rule.zone)

    def count(self) -> None:
        """Count all of the month, and what is open."""
        with reading(self.books) as db:
            numbers = [*months.ended_since(db, self.month().since), *months.open_now(db)]
        with reading(self.books) as db:
            found = months.counted(db, numbers, self.biller.terms.rule)
        self.books.run(tags.count_use, found, self.month(), self.books.at)

    def charge(self, kwh: float, card: str = CARD, minutes: int = 60) -> int:
        transaction = self.station.start(self.register, 1, card)
        self.books.wait(minutes)
        self.register += round(1000 * kwh)
        self.station.stop(transaction, self.register)
        self.books.wait(1)
        self.count()
        return transaction

    def start(self, card: str = CARD) -> str:
        """The verdict on a start, as the database and as a memory say; it is stopped again."""
        followed, begun = Index(self.books.policy), Index(self.books.policy)
        for fact in self.books.facts:
            followed.observe(fact)
        with reading(self.books) as db:
            begun.wallets.load(
                owned_tags(db), spent_accounts(db), limits_reached(db, self.books.at)
            )
        key = self.books.policy.key(card)
        reasons = {index.wallets.withhold(key, self.books.at) for index in (followed, begun)}
        started = self.station.start_with_verdict(self.register, 2, card, None)
        self.books.wait(1)
        self.station.stop(started.transaction, self.register)
        self.books.wait(1)
        assert reasons == {started.verdict.reason}
        return str(started.verdict.status)

    def turns(self) -> list[tuple[str, str, str]]:
        kinds = (MonthLimitNear, MonthLimitReached, MonthLimitLifted)
        return [
            (type(one).__name__[10:], one.key, one.month)
            for one in self.books.facts
            if isinstance(one, kinds)
        ]

    def standing(self) -> tuple[int, int]:
        ((wh, amount),) = self.books.rows("SELECT wh, amount FROM month_standing")
        return wh, amount

    def to_stop(self) -> list[int]:
        with reading(self.books) as db:
            found = months.to_stop(db, self.books.at, "")
        return [number for number, _ in found]


@pytest.fixture
def house(books: Books) -> Month:
    books.now = books.now.replace(microsecond=0)
    return Month(books)


def test_four_fifths_and_all() -> None:
    limit = MonthLimit(100, None)
    assert [limit.is_near(UsedInMonth(wh, 9**9)) for wh in (79, 80)] == [False, True]
    assert [limit.is_reached(UsedInMonth(wh, 9**9)) for wh in (99, 100)] == [False, True]
    assert MonthLimit(100, 50).is_reached(UsedInMonth(0, 50))
    assert not MonthLimit(None, None).is_near(UsedInMonth(9**9, 9**9))


def test_a_household_is_warned_and_then_starts_nothing_new(house: Month) -> None:
    house.charge(3)
    house.limit(UsageLimit(month_wh=10_000))
    assert (house.standing(), house.turns()) == ((3000, 90), [])
    house.charge(4.9)
    assert house.turns() == []
    house.charge(0.1, OTHER)
    assert house.turns() == [("Near", "1", "2026-03")]
    assert [house.start(card) for card in (CARD, OTHER, "Ben's")] == ["Accepted"] * 3
    house.charge(2)
    assert house.turns()[1:] == [("Reached", "1", "2026-03")]
    assert [house.start(card) for card in (CARD, OTHER, "Ben's")] == [
        "Blocked",
        "Blocked",
        "Accepted",
    ]
    assert (
        house.books.value("SELECT verdict_reason FROM tx WHERE verdict = 'Blocked' LIMIT 1")
        == "month"
    )
    house.count()
    assert len(house.turns()) == 2  # each once
    house.limit(UsageLimit(month_wh=20_000))
    assert house.turns()[2:] == [("Lifted", "1", "2026-03")]
    assert house.start() == "Accepted"
    house.limit(UsageLimit(month_wh=5_000))
    assert house.start() == "Blocked"
    house.limit(UsageLimit())
    assert house.start() == "Accepted"
    assert house.books.count("month_standing") == 0


def test_a_limit_in_money_is_what_sessions_cost(house: Month) -> None:
    house.limit(UsageLimit(month_amount=10 * PRICE))
    house.charge(8)
    assert house.turns() == [("Near", "1", "2026-03")]
    house.charge(2)
    assert house.turns()[1:] == [("Reached", "1", "2026-03")]
    assert house.standing() == (10_000, 300)


def test_tax_on_net_prices_is_rounded_once_for_the_month(house: Month) -> None:
    """As on a statement: of 19 sessions with 0.33 EUR each, 19 % of 6.27 EUR are 1.19; 19 times
    0.06 would be 1.14."""
    net = FLAT.replace('"gross"', '"net"').replace('"Flat"', '"Net"')
    house.biller.assign(house.biller.add(net), date(2026, 1, 1))
    house.limit(UsageLimit(month_amount=746))
    for _ in range(19):
        assert house.turns()[1:] == []
        house.charge(1.1)
    assert house.standing() == (20_900, 746)
    assert [turn for turn, *_ in house.turns()] == ["Near", "Reached"]


def test_what_was_imported_counts_for_no_limit(house: Month) -> None:
    """It is billed elsewhere. It may last to the year 9999, and each of its days would be
    priced."""
    import_one(house.books, id_tag=CARD)
    house.limit(UsageLimit(month_wh=5000))
    house.charge(3)
    assert house.standing() == (3000, 90)


def test_a_card_has_a_limit_of_its_own(house: Month) -> None:
    house.limit(UsageLimit(month_wh=5000), card=CARD)
    house.charge(5)
    house.charge(5, OTHER)
    assert house.turns() == [("Reached", CARD.lower(), "2026-03")]
    assert [house.start(card) for card in (CARD, OTHER)] == ["Blocked", "Accepted"]


def test_one_that_charges_counts_and_goes_on(house: Month) -> None:
    """It may be asked to stop; its own stop is stored as ever."""
    house.limit(UsageLimit(month_wh=5000))
    transaction = house.station.start(house.register, 1, CARD)
    house.books.wait(60)
    house.station.tell(house.station.register(house.register + 4500), transaction=transaction)
    house.count()
    assert house.turns() == [("Near", "1", "2026-03")]
    house.station.tell(house.station.register(house.register + 5500), transaction=transaction)
    house.count()
    assert house.start() == "Blocked"
    assert house.to_stop() == [transaction]
    message, _ = house.books.run(tags.stop_used, transaction, house.books.now)
    assert message is not None
    assert message.payload == {"transactionId": transaction}
    assert house.books.run(tags.stop_used, transaction, house.books.now) == (None, None)
    house.station.stop(transaction, house.register + 6000)
    house.books.wait(2)
    house.books.settle()  # so much at once: its price is compared first
    house.count()
    assert (house.standing()[0], house.to_stop()) == (6000, [])


def test_a_repeated_start_keeps_its_first_answer_after_the_limit(house: Month) -> None:
    at = house.station.clock()
    first = house.station.start_with_verdict(house.register, 1, CARD, at)
    house.limit(UsageLimit(month_wh=100))
    house.books.wait(60)
    house.station.tell(house.station.register(house.register + 4500), transaction=first.transaction)
    house.count()
    assert house.station.start_with_verdict(house.register, 1, CARD, at) == first


@pytest.mark.parametrize(
    ("last", "over"),
    [
        # summer time began in this month
        (
            "2026-03-31T21:00:00+00:00",
            "2026-03-31T22:00:00.000Z",
        ),
        ("2026-10-31T22:00:00+00:00", "2026-10-31T23:00:00.000Z"),  # and ended in this one
    ],
)
def test_the_month_is_over_at_the_sites_midnight(house: Month, last: str, over: str) -> None:
    """Without any act of ours; a session across it counts in the month in which it ends."""
    house.books.now = datetime.fromisoformat(last) - timedelta(hours=2)
    house.limit(UsageLimit(month_wh=5000))
    house.charge(5)
    keeping = Keeping(house.station)
    keeping.settle()
    assert keeping.memory.local_list[CARD.lower()]["status"] == "Blocked"
    assert house.start() == "Blocked"
    assert house.books.value("SELECT until FROM month_standing") == over
    assert keeping.next_turn() == over
    assert house.books.at < over
    house.books.now = datetime.fromisoformat(over)
    assert house.start() == "Accepted"  # nobody has counted yet
    keeping.settle()
    assert {info["status"] for info in keeping.memory.local_list.values()} == {"Accepted"}
    house.count()
    assert house.standing() == (0, 0)
    assert [one[0] for one in house.turns()] == ["Reached"]


def test_a_session_across_the_end_of_a_month_counts_in_the_next(house: Month) -> None:
    house.books.now = datetime.fromisoformat("2026-03-31T21:30:00+00:00")
    house.limit(UsageLimit(month_wh=50_000))
    transaction = house.station.start(house.register, 1, CARD)
    house.books.wait(15)
    house.station.tell(house.station.register(house.register + 2000), transaction=transaction)
    house.count()
    assert house.standing()[0] == 2000
    house.books.wait(60)
    house.station.stop(transaction, house.register + 6000)
    house.count()
    assert house.month().name == "2026-04"
    assert house.standing()[0] == 6000


def test_one_in_doubt_counts_as_far_as_it_was_seen(house: Month) -> None:
    house.limit(UsageLimit(month_wh=50_000))
    transaction = house.station.start(house.register, 1, CARD)
    house.books.wait(30)
    house.station.tell(house.station.register(house.register + 2000), transaction=transaction)
    house.count()
    house.books.wait(30)
    house.station.stop(transaction, house.register + 9_000_000)
    house.count()
    assert house.station.review(transaction)
    assert house.standing()[0] == 2000
