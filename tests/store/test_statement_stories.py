"""Months of a house in which everything happens that can change a bill, against a model of ten
lines."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from levity_trio.billing.ownership import OwnerGround
from levity_trio.store.billing.pricing import Pricer
from levity_trio.store.engine.database import rows_of
from levity_trio.store.engine.file_store import FileConnection
from levity_trio.store.writes.transactions import decisions
from levity_trio.store.writes.transactions.decisions import Decision
from tests.sizes import size
from tests.store.bills import Biller
from tests.store.books import Books, Station, in_memory
from tests.store.owning import House
from tests.store.reading import reading

TAGS: Final = ("Card", "Ben", "Stranger")
Event = tuple[str, int, int]
EVENTS: Final = st.lists(
    st.tuples(
        st.sampled_from(
            ("charge", "charge", "charge", "correct", "give", "take back", "mix up", "close")
        ),
        st.integers(0, 20),
        st.integers(50, 40_000),
    ),
    max_size=25,
)


class Year:
    """A house that lives through events, one each day."""

    def __init__(self, connection: FileConnection | None = None) -> None:
        self.books = Books(connection or in_memory())
        self.books.now = datetime(2026, 3, 2, 9, tzinfo=UTC)
        self.house = House(self.books)
        self.house.give(1, "Card")
        self.house.give(2, "Ben")
        self.biller = Biller(self.house)
        self.station = Station(self.books)
        self.register = 1000
        self.made: list[int] = []
        self.month = 3

    def live(self, event: Event) -> None:
        what, which, wh = event
        {
            "charge": lambda: self.charge(TAGS[which % 3], wh),
            "correct": lambda: self.correct(which, wh),
            "give": lambda: self.give(which, 1 + wh % 2),
            "take back": lambda: self.take_back(which),
            "mix up": lambda: self.mix_up(TAGS[which % 3], 1 + wh % 2),
            "close": self.close,
        }[what]()
        self.books.wait(60 * 24 if self.books.now.day < 25 else 1)

    def charge(self, tag: str, wh: int) -> None:
        number = self.station.start(self.register, 1, tag)
        self.books.wait(240)
        self.register += wh
        self.station.stop(number, self.register)
        self.made.append(number)

    def correct(self, which: int, wh: int) -> None:
        if self.made:
            decision = Decision("cleo", "read again", self.books.at)
            correction = decisions.Correction(figure_wh=wh)
            self.books.run(
                decisions.correct, self.made[which % len(self.made)], correction, decision
            )

    def give(self, which: int, account: int) -> None:
        if self.made:
            self.house.give_by_hand(self.made[which % len(self.made)], account)

    def take_back(self, which: int) -> None:
        given = self.books.rows("SELECT tx_id FROM tx_account ORDER BY tx_id")
        if given:
            self.house.take_back(given[which % len(given)][0])

    def mix_up(self, tag: str, account: int) -> None:
        self.house.give(
            account, tag, since="2026-03-05T00:00:00.000Z", reason="cards were mixed up"
        )

    def close(self) -> None:
        self.books.now = datetime(2026, self.month + 1, 1, 9, tzinfo=UTC)
        self.books.settle()
        self.biller.close(f"2026-{self.month:02}")
        self.month += 1


@settings(max_examples=size(60, 12), deadline=None)
@given(EVENTS)
def test_all_statements_together_ask_for_what_is_right_in_the_end(events: list[Event]) -> None:
    year = Year()
    for event in events:
        if year.month < 11:
            year.live(event)
    year.close()
    waiting = {
        number for (number,) in year.books.rows("SELECT id FROM tx WHERE review IS NOT NULL")
    }
    with reading(year.books) as db:
        priced = Pricer(rows_of(db), year.biller.terms.rule).price(year.made)
    asked: Counter[int | None] = Counter()
    for number, one in priced.items():
        wh = one.position.energy_wh
        right = 0 if wh < 100 or one.owner.ground is OwnerGround.NOBODY else (wh * 30 + 500) // 1000
        billed = year.books.rows(
            (
                "SELECT account_id, sum(amount) FROM position "
                "WHERE tx_id = ? GROUP BY 1 HAVING sum(amount) <> 0"
            ),
            number,
        )
        if number not in waiting:
            assert billed == ([(one.account, right)] if right else []), (number, one)
        asked.update(dict(billed))
    for account in (1, 2):
        assert year.biller.balance(account) == -asked[account]
    numbers = [
        number for (number,) in year.books.rows("SELECT number FROM statement ORDER BY number")
    ]
    assert numbers == list(range(1, len(numbers) + 1))
