"""What prepaid accounts are charged: reserved while uncertain, charged once, and given back with
its transaction."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from functools import partial

import pytest

from levity_trio.billing.ledger import LedgerKind, WalletStanding, WalletTerms
from levity_trio.charging.quarters import quarter_of
from levity_trio.locale import speaking
from levity_trio.locale.texts import said
from levity_trio.store.reads.money import wallets as shown
from levity_trio.store.reads.transactions import costs as reads
from levity_trio.store.reads.transactions.bill import bill_of
from levity_trio.store.reads.transactions.costs import ChargesFound, TransactionCharge
from levity_trio.store.writes.money import ledger
from levity_trio.store.writes.money.tariffs import SeriesData, add_prices, set_series
from levity_trio.store.writes.transactions import decisions
from levity_trio.store.writes.transactions.decisions import Decision
from tests.store.bills import Biller
from tests.store.books import Books, Station
from tests.store.reading import reading
from tests.store.wallets import ANNA, BEN, Purses

PRICE = 30
"""Cents a kWh."""


class Charging(Purses):
    """A house where Anna pays 10 EUR in advance, and the task that keeps the wallets, look by
    look."""

    def __init__(self, books: Books) -> None:
        super().__init__(books)
        self.give(ANNA, "Card")
        self.give(BEN, "Other")
        self.biller = Biller(self, date(2026, 3, 1))
        self.enter(LedgerKind.TOP_UP, 1000)
        self.prepay()
        self.revision = 0

    def look(self, most: int = 100) -> int:
        """Settle what has changed and what is present; return how many transactions were priced."""
        priced = 0
        for read in (reads.changed_charges, reads.present_charges):
            after = self.revision if read is reads.changed_charges else 0
            while (found := self.read(read, after, most)).next is not None:
                after = found.next
                used = self.priced(found)
                priced += len(used)
                self.settle(used)
            self.revision = after if read is reads.changed_charges else self.revision
        return priced

    def read(
        self, read: partial[ChargesFound] | object, after: int, most: int = 100
    ) -> ChargesFound:
        assert callable(read)
        with reading(self.books) as db:
            found: ChargesFound = read(db, after, most)
        return found

    def priced(self, found: ChargesFound) -> list[TransactionCharge]:
        with reading(self.books) as db:
            return reads.used_of_wallets(db, found.transactions, self.biller.terms.rule)

    def settle(self, used: list[TransactionCharge]) -> None:
        self.books.run(ledger.settle, used, self.books.at)

    def ledger(self, account: int = ANNA) -> list[tuple[str, int, int | None]]:
        """The entries of an account after its top-up."""
        return self.books.rows(
            (
                "SELECT kind, amount, tx_id FROM ledger "
                "WHERE account_id = ? AND kind <> 'top-up' ORDER BY id"
            ),
            account,
        )

    def reasons(self) -> list[str]:
        """The reasons of Anna's entries after her top-up, in the language of the reader."""
        numbers = self.books.rows(
            "SELECT id FROM ledger WHERE account_id = ? AND kind <> 'top-up' ORDER BY id", ANNA
        )
        with reading(self.books) as db:
            return [said(shown.entry(db, number).reason) for (number,) in numbers]

    @property
    def reserved(self) -> dict[int, int]:
        return dict(self.books.rows("SELECT tx_id, amount FROM wallet_reservation"))


@pytest.fixture
def house(books: Books) -> Charging:
    books.now = books.now.replace(microsecond=0)
    return Charging(books)


@pytest.fixture
def station(house: Charging) -> Station:
    return Station(house.books)


def charge(station: Station, kwh: int = 4, tag: str = "Card", connector: int = 1) -> int:
    """Return a transaction of an hour; the register goes on."""
    of_connector = "SELECT coalesce(max(meter_stop), 1000) FROM tx WHERE conn_id = ?"
    register = station.books.value(of_connector, connector)
    transaction = station.start(register, connector, tag)
    station.books.wait(60)
    station.stop(transaction, register + 1000 * kwh)
    station.books.wait(1)
    return transaction


def closed_sums(house: Charging, account: int) -> Iterator[int]:
    """What the closed statements of an account charged, and what its ledger has of them."""
    of = house.books.value
    yield of(
        (
            "SELECT coalesce(sum(charged), 0) FROM statement "
            "WHERE account_id = ? AND number IS NOT NULL"
        ),
        account,
    )
    yield of(
        "SELECT coalesce(sum(amount), 0) FROM ledger WHERE account_id = ? AND kind = 'statement'",
        account,
    )


def test_what_was_used_is_reserved_and_then_charged(house: Charging, station: Station) -> None:
    transaction = station.start(1000, 1, "Card")
    house.books.wait(30)
    station.tell(station.register(3000), transaction=transaction)
    house.look()
    assert house.reserved == {transaction: 2 * PRICE}
    assert house.standing() == WalletStanding(1000, 60, True, 0)
    house.books.wait(30)
    station.stop(transaction, 5000)
    assert house.ledger() == []
    house.look()
    assert (house.ledger(), house.reserved) == ([("charge", -4 * PRICE, transaction)], {})
    house.look()
    house.revision = 0  # as after a start of the server
    house.look()
    assert house.standing() == WalletStanding(1000 - 120, 0, True, 0)


def test_who_no_longer_pays_in_advance_has_nothing_reserved(
    house: Charging, station: Station
) -> None:
    transaction = station.start(1000, 1, "Card")
    station.tell(station.register(3000), transaction=transaction)
    house.look()
    house.prepay(terms=WalletTerms.POSTPAID)
    assert house.standing() == WalletStanding(1000, 0, False, 0)


def test_overshoot_is_a_negative_balance(house: Charging, station: Station) -> None:
    transaction = station.start(1000, 1, "Card")
    station.tell(station.register(35_000), transaction=transaction)
    house.look()
    assert house.turns() == [("WalletSpent", ANNA)]
    assert house.judge("Card") == "Blocked"
    house.books.wait(60)
    station.stop(transaction, 41_000)
    house.books.wait(2)
    house.books.settle()  # so much at once: its price is compared first
    house.look()
    assert house.standing().balance == 1000 - 40 * PRICE
    house.enter(LedgerKind.TOP_UP, 200)  # exactly at the limit
    assert house.judge("Card") == "Blocked"
    house.enter(LedgerKind.TOP_UP, 1)
    assert house.judge("Card") == "Accepted"


def test_a_register_that_begins_again_at_a_boot_gives_no_credit_anew(
    house: Charging, station: Station
) -> None:
    """What was used before each boot stays reserved, and nothing jumps when the session ends."""
    transaction = station.start(0, 1, "Card")
    used = list[int]()
    for _ in range(3):
        for wh in (0, 1000, 2000):
            station.books.wait(20)
            station.tell(station.register(wh), transaction=transaction)
            house.look()
        used.append(house.reserved[transaction])
        station.boot()
        station.connect()
    assert used == [2 * PRICE, 4 * PRICE, 6 * PRICE]
    assert house.standing().reserved == 6 * PRICE

    station.books.wait(5)
    station.stop(transaction, 2000)
    house.look()
    assert house.reserved == {transaction: 6 * PRICE}  # doubtful: it waits for its review


def test_a_doubtful_figure_waits_for_its_review(house: Charging, station: Station) -> None:
    transaction = station.start(1000, 1, "Card")
    station.tell(station.register(3000), transaction=transaction)
    house.look()
    station.books.wait(10)
    station.orphan(transaction, 4000)
    house.books.settle()
    assert station.review(transaction)
    house.look()
    assert (house.reserved, house.ledger()) == ({transaction: 60}, [])
    house.books.run(decisions.confirm, transaction, Decision("cleo", "seen", house.books.at))
    house.look()
    assert (house.reserved, [one[0] for one in house.ledger()]) == ({}, ["charge"])


def test_it_goes_with_its_transaction(house: Charging, station: Station) -> None:
    """A charge is given back when its transaction is another account's, and is made again when it
    comes back."""
    transaction = charge(station)
    house.look()
    house.prepay(BEN, limit=-500)
    house.give_by_hand(transaction, BEN)
    house.look()
    assert house.standing(ANNA).balance == 1000
    # it ended before Ben paid in advance: it is left to his statement
    assert house.ledger(BEN) == []
    house.take_back(transaction)
    house.look()
    assert house.ledger(ANNA) == [
        ("charge", -120, transaction),
        ("correction", 120, transaction),
    ] + [("correction", -120, transaction)]
    with speaking("de"):
        assert house.reasons() == [
            f"Ladevorgang {transaction}",
            f"Ladevorgang {transaction} gehört jetzt einem anderen Haushalt",
            f"Ladevorgang {transaction} gehört wieder diesem Haushalt",
        ]
    other = charge(station)
    house.look()
    house.give_by_hand(other, BEN)
    house.look()
    house.look()
    assert (house.standing(ANNA).balance, house.standing(BEN).balance) == (880, -120)


def test_what_changes_while_it_is_priced_is_left_for_the_next_look(
    house: Charging, station: Station
) -> None:
    transaction = charge(station)
    used = house.priced(house.read(reads.changed_charges, 0))
    assert [one.amount for one in used] == [120]
    house.give_by_hand(transaction, BEN)
    house.settle(used)
    assert house.ledger() == []
    house.look()
    assert (house.ledger(), house.standing(BEN).balance) == ([], 0)


def test_what_ended_before_is_left_to_the_statement(house: Charging, station: Station) -> None:
    house.prepay(terms=WalletTerms.POSTPAID)
    charge(station)
    house.prepay()
    house.look()
    assert house.ledger() == []
    charge(station)
    house.look()
    house.prepay(limit=5)
    charge(station)
    house.look()
    assert [amount for _, amount, _ in house.ledger()] == [-120, -120]


def test_what_is_free_is_not_charged(house: Charging, station: Station) -> None:
    transaction = station.start(1000, 1, "Card")
    house.look()
    house.books.wait(60)
    station.stop(transaction, 1050)
    house.look()
    assert (house.ledger(), house.reserved) == ([], {})


def test_without_a_price_it_waits_for_a_tariff(house: Charging, station: Station) -> None:
    house.biller.assign(None, date(2026, 1, 1))
    transaction = charge(station)
    house.look()
    assert (house.ledger(), house.reserved) == ([], {transaction: 0})
    house.biller.assign(1, date(2026, 1, 1))
    house.look()
    assert [amount for _, amount, _ in house.ledger()] == [-120]


def test_others_are_not_even_priced(house: Charging, station: Station) -> None:
    charge(station, tag="Other")
    charge(station, tag="Nobody")
    station.start(1000, 2, "Nobody")
    assert house.look() == 0


def test_hundreds_of_sessions_of_one_account(house: Charging, station: Station) -> None:
    made = [charge(station, 1) for _ in range(120)]
    station.start(1000, 2, "Card")
    house.look(most=7)
    assert [transaction for _, _, transaction in house.ledger()] == made
    assert house.standing().balance == 1000 - 120 * PRICE
    assert house.look() == 1  # only the open one


def test_a_session_of_a_spent_account_is_stopped_once_an_hour(
    house: Charging, station: Station
) -> None:
    transaction = station.start(1000, 1, "Card")
    station.tell(station.register(35_000), transaction=transaction)
    assert house.books.run(ledger.stop, transaction, house.books.now) == (None, None)
    house.look()
    assert to_stop(house) == [(transaction, "CP-1")]
    message, _ = house.books.run(ledger.stop, transaction, house.books.now)
    assert message == ("RemoteStopTransaction", {"transactionId": transaction})
    house.books.wait(59)
    assert (house.books.run(ledger.stop, transaction, house.books.now)[0], to_stop(house)) == (
        None,
        [],
    )
    station.tell(station.register(36_000), transaction=transaction)
    house.look()
    house.books.wait(1)
    assert len(to_stop(house)) == 1
    assert house.books.run(ledger.stop, transaction, house.books.now)[0] is not None
    house.books.wait(61)
    house.enter(LedgerKind.TOP_UP, 1000)
    assert (to_stop(house), house.books.run(ledger.stop, transaction, house.books.now)[0]) == (
        [],
        None,
    )
    house.enter(LedgerKind.CHARGEBACK, -1000)
    station.stop(transaction, 37_000)
    assert (to_stop(house), house.books.run(ledger.stop, transaction, house.books.now)[0]) == (
        [],
        None,
    )


def to_stop(house: Charging) -> list[tuple[int, str]]:
    before = house.books.now - ledger.ASK_AGAIN
    with reading(house.books) as db:
        return reads.to_stop_when_spent(
            db, before.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        )


def test_a_statement_that_is_closed_ends_the_wallets_part(
    house: Charging, station: Station
) -> None:
    charged, uncharged = charge(station), 0
    house.look()
    uncharged = charge(station)
    house.books.now += timedelta(days=40)
    house.biller.close("2026-03")
    house.look()
    house.revision = 0
    house.look()
    assert [transaction for _, _, transaction in house.ledger() if transaction] == [charged]
    assert uncharged not in house.reserved
    assert sum(closed_sums(house, ANNA)) == 120  # of the one that the wallet was charged for


def test_a_closing_may_leave_an_account_spent(house: Charging, station: Station) -> None:
    charge(station)
    house.prepay(limit=900)
    house.books.now += timedelta(days=40)
    house.biller.close("2026-03")
    assert (house.standing().balance, house.judge("Card")) == (880, "Blocked")


def test_what_a_closed_statement_held_back_is_charged_after_its_review(
    house: Charging, station: Station
) -> None:
    charge(station, connector=2)
    transaction = station.start(1000, 1, "Card")
    station.tell(station.register(3000), transaction=transaction)
    house.look()
    house.books.wait(10)
    station.orphan(transaction, 4000)
    house.books.now += timedelta(days=40)
    house.books.settle()
    house.biller.close("2026-03")
    assert house.books.rows("SELECT kind FROM position WHERE tx_id = ?", transaction) == [
        ("held back",)
    ]
    house.look()
    assert house.reserved == {transaction: 60}
    house.books.run(decisions.confirm, transaction, Decision("cleo", "seen", house.books.at))
    house.look()
    assert (house.ledger()[-1][0], house.ledger()[-1][2], house.reserved) == (
        "charge",
        transaction,
        {},
    )


def test_what_was_given_back_is_charged_by_the_statement_that_has_it_again(
    house: Charging, station: Station
) -> None:
    """A session that others were billed for comes back to the wallet that was charged for it."""
    transaction = charge(station)
    house.look()
    house.give_by_hand(transaction, BEN)
    house.look()
    house.books.now += timedelta(days=40)
    house.biller.close("2026-03")
    assert (house.standing().balance, house.standing(BEN).balance) == (1000, -120)
    house.give_by_hand(transaction, ANNA)
    house.look()
    house.books.now += timedelta(days=40)
    house.books.settle()
    house.biller.close("2026-04")
    assert (house.standing().balance, house.standing(BEN).balance) == (880, 0)


# A price that is not known yet

MOVING = """
name = "Moving"
valid_from = 2026-01-01
currency = "EUR"
prices = "gross"
tax = 19

[energy]
series = "Market"
markup = 0.12
"""


@pytest.mark.parametrize(
    ("more", "kwh", "words"),
    [
        ("fallback = 0.40\ncap = 0.60\n", 40, None),
        ("cap = 0.60\n", 60, "the most that its tariff asks"),
        ("", 38, "the dearest kWh of the last seven days"),
        (
            "average = true\n",
            38,
            "the dearest kWh of the last seven days",
        ),
    ],
)
@pytest.mark.parametrize("is_open", [True, False])
def test_a_price_that_is_not_known_yet_is_reckoned_with_and_says_so(
    house: Charging, station: Station, more: str, kwh: int, words: str | None, *, is_open: bool
) -> None:
    """Prices of the last days are known: 0.10, and once 0.26, both with tax in them; that of eight
    days ago was dearer."""
    books = house.books
    data = SeriesData(name="Market", currency="EUR", prices="gross")
    books.run(set_series, data, house.said(), None)
    now = quarter_of(books.now.timestamp())
    known = dict.fromkeys(range(now - 8 * 96, now), Decimal("0.10"))
    known |= {now - 6 * 96: Decimal("0.26"), now - 8 * 96: Decimal("0.90")}
    books.run(add_prices, "Market", known, house.said())
    house.biller.assign(house.biller.add(MOVING + more), date(2026, 1, 1), ANNA)
    transaction = station.start(1000, 1, "Card")
    books.wait(30)
    station.tell(station.register(3000), transaction=transaction)
    if not is_open:
        station.stop(transaction, 3000)
    house.look()
    if not is_open and words is None:
        # By its fallback, it has a price.
        assert (house.ledger(), house.reserved) == ([("charge", -80, transaction)], {})
        return
    assert house.reserved == {transaction: 2 * kwh}
    with reading(books) as db:
        bill = bill_of(db, transaction, house.biller.terms.rule)
    if words is not None:
        assert bill.reckoned == words
        assert str(bill.why).endswith(f"; meanwhile the wallet keeps it at {words}")
    # The price comes, and counts.
    books.run(
        add_prices,
        "Market",
        {now: Decimal("0.10"), now + 1: Decimal("0.10"), now + 2: Decimal("0.10")},
        house.said(),
    )
    house.look()
    if "average" not in more:
        assert house.reserved == ({transaction: 44} if is_open else {})
