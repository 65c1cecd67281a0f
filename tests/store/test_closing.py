"""Statements: what they bill, what they hold back, how they are closed, and what a later correction
does."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import partial

import pytest

from levity_trio.billing.ledger import WalletTerms
from levity_trio.billing.months import Month
from levity_trio.billing.statement import Split
from levity_trio.store.billing.months import Code, Refused
from levity_trio.store.billing.numbering import closable
from levity_trio.store.billing.statements import printed
from levity_trio.store.engine.database import rows_of
from levity_trio.store.reads.money import months
from levity_trio.store.reads.money.months import WantedMonth, drafted
from levity_trio.store.writes.money import ledger
from levity_trio.store.writes.people import accounts
from levity_trio.store.writes.transactions import decisions
from levity_trio.store.writes.transactions.decisions import Decision
from tests.store.bills import (
    ANNA,
    BEN,
    FLAT,
    HOUR,
    Biller,
    Line,
    charge,
    correct,
    house_of_two,
    month_is_over,
    pay,
    rule_of,
)
from tests.store.books import Books, Station, meter_value
from tests.store.owning import House
from tests.store.reading import reading


@pytest.fixture
def house(books: Books) -> House:
    return house_of_two(books)


@pytest.fixture
def biller(house: House) -> Biller:
    return Biller(house)


def test_each_household_gets_a_statement(biller: Biller, station: Station) -> None:
    first, second, third = charge(station), charge(station, 6000, "Ben"), charge(station, 1234)
    month_is_over(biller.books, 3)
    closed = biller.close("2026-03")
    assert (closed.statements, closed.first, closed.last) == (2, "1", "2")
    assert biller.lines(ANNA, "2026-03") == [
        Line("session", first, 4000, 120),
        Line("session", third, 1234, 37),
    ]
    assert biller.lines(BEN, "2026-03") == [Line("session", second, 6000, 180)]
    assert (biller.balance(ANNA), biller.balance(BEN)) == (-157, -180)
    assert biller.books.count("bill_work") == 2  # that their ledgers grew
    statement = biller.statement(1)
    assert statement.to is not None
    assert (statement.number, statement.total, statement.to.name) == ("1", 157, "Anna")


# What waits, and what turns up later


def test_a_doubtful_session_is_held_back_until_somebody_decides(
    biller: Biller, station: Station
) -> None:
    charge(station)
    doubtful = station.start(5000, 1, "Card")
    biller.books.wait(HOUR)
    station.stop(doubtful, 1_000_000)  # 995 kWh in an hour
    month_is_over(biller.books, 3)
    assert biller.preview("2026-03").sums.held_back == 1
    biller.close("2026-03")
    assert [line.kind for line in biller.lines(ANNA, "2026-03")] == ["session", "held back"]
    correct(biller.books, doubtful, 2000)
    month_is_over(biller.books, 4)
    biller.close("2026-04")
    assert biller.lines(ANNA, "2026-04") == [Line("session", doubtful, 2000, 60)]


def test_what_only_waits_takes_no_number(biller: Biller, station: Station) -> None:
    doubtful = station.start(5000, 1, "Card")
    biller.books.wait(HOUR)
    station.stop(doubtful, 1_000_000)
    month_is_over(biller.books, 3)
    assert biller.close("2026-03").statements == 0
    assert biller.books.count("statement") == biller.books.count("position") == 0
    decision = Decision("cleo", "it was a lorry", biller.books.at)
    biller.books.run(decisions.confirm, doubtful, decision)
    month_is_over(biller.books, 4)
    assert biller.close("2026-04").first == "1"


def test_a_correction_is_billed_on_the_next_statement(biller: Biller, station: Station) -> None:
    transaction = charge(station, 4000)
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    before = (
        biller.books.rows("SELECT * FROM statement"),
        biller.books.rows("SELECT * FROM position"),
    )
    correct(biller.books, transaction, 3000)
    charge(station, 10_000)
    month_is_over(biller.books, 4)
    biller.close("2026-04")
    assert [line for line in biller.lines(ANNA, "2026-04") if line.kind == "correction"] == [
        Line("correction", transaction, -1000, -30)
    ]
    assert biller.balance(ANNA) == -(90 + 300)
    after = (
        biller.books.rows("SELECT * FROM statement"),
        biller.books.rows("SELECT * FROM position"),
    )
    assert all(row in new for old, new in zip(before, after, strict=True) for row in old)
    month_is_over(biller.books, 5)
    assert biller.close("2026-05").statements == 0


def test_a_figure_that_is_judged_again_and_stays_is_billed_once(
    biller: Biller, station: Station
) -> None:
    transaction = charge(station)
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    biller.books.run(
        decisions.confirm, transaction, Decision("cleo", "as it says", biller.books.at)
    )
    month_is_over(biller.books, 4)
    assert biller.close("2026-04").statements == 0


def test_a_billed_session_that_is_doubtful_again_stays_as_billed(
    biller: Biller, station: Station
) -> None:
    transaction = charge(station)
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    biller.books.connection.execute(
        (
            "INSERT INTO review (tx_id, code, words, figures, evidence, opened_at) "
            "VALUES (?, 'x', 'odd', '{}', '[]', '')"
        ),
        (transaction,),
    )
    month_is_over(biller.books, 4)
    assert biller.close("2026-04").statements == 0
    assert biller.balance(ANNA) == -120


def test_a_tag_that_was_entered_wrongly_moves_the_money(biller: Biller, station: Station) -> None:
    transaction = charge(station)
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    biller.house.give(BEN, "Card", since="2026-03-01T00:00:00.000Z", reason="cards were mixed up")
    month_is_over(biller.books, 4)
    biller.close("2026-04")
    assert biller.lines(ANNA, "2026-04") == [Line("correction", transaction, -4000, -120)]
    assert biller.lines(BEN, "2026-04") == [Line("session", transaction, 4000, 120)]
    assert (biller.balance(ANNA), biller.balance(BEN)) == (0, -120)


def test_a_tag_that_changes_hands_changes_no_earlier_bill(biller: Biller, station: Station) -> None:
    first = charge(station)
    biller.house.give(BEN, "Card", since="2026-03-20T00:00:00.000Z")
    biller.books.now = datetime(2026, 3, 21, 9, tzinfo=UTC)
    second = charge(station)
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    assert biller.lines(ANNA, "2026-03") == [Line("session", first, 4000, 120)]
    assert biller.lines(BEN, "2026-03") == [Line("session", second, 4000, 120)]


def test_what_is_nobodys_is_billed_when_somebody_gives_it(biller: Biller, station: Station) -> None:
    transaction = charge(station, tag="Stranger")
    month_is_over(biller.books, 3)
    sums = biller.preview("2026-03").sums
    assert (sums.nobody, sums.nobody_wh, sums.statements) == (1, 4000, 0)
    biller.close("2026-03")
    biller.house.give_by_hand(transaction, ANNA)
    month_is_over(biller.books, 4)
    biller.close("2026-04")
    assert biller.lines(ANNA, "2026-04") == [Line("session", transaction, 4000, 120)]


def test_what_is_taken_back_is_credited(biller: Biller, station: Station) -> None:
    transaction = charge(station, tag="Stranger")
    biller.house.give_by_hand(transaction, ANNA)
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    biller.house.take_back(transaction)
    month_is_over(biller.books, 4)
    biller.close("2026-04")
    assert biller.lines(ANNA, "2026-04") == [Line("correction", transaction, -4000, -120)]


def test_very_little_energy_is_free(biller: Biller, station: Station) -> None:
    transaction = charge(station, 99)
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    assert biller.lines(ANNA, "2026-03") == [Line("free", transaction, 99, 0)]
    assert biller.balance(ANNA) == 0


def test_a_session_belongs_to_the_month_in_which_it_ended(biller: Biller, station: Station) -> None:
    biller.books.now = datetime(2026, 3, 31, 21, 30, tzinfo=UTC)  # 23:30 in Berlin
    transaction = charge(station)
    month_is_over(biller.books, 3)
    assert biller.close("2026-03").statements == 0
    month_is_over(biller.books, 4)
    biller.close("2026-04")
    assert biller.lines(ANNA, "2026-04") == [Line("session", transaction, 4000, 120)]


def test_what_ended_before_billing_began_is_billed_elsewhere(
    house: House, station: Station
) -> None:
    charge(station)
    biller = Biller(house, date(2026, 3, 15))
    month_is_over(biller.books, 3)
    assert biller.close("2026-03").statements == 0
    assert biller.books.count("bill_work") == 0


# Base fees, and what is carried


BASE = """
name = "Base"
valid_from = 2026-01-01
currency = "EUR"
prices = "gross"
tax = 19
base_fee = 6.20

[energy]
price = 0.30
"""


def test_a_base_fee_is_by_days(biller: Biller) -> None:
    biller.assign(biller.add(BASE), date(2026, 1, 1), ANNA)
    carl = biller.house.add("Carl", since="2026-03-21T23:00:00.000Z")  # the 22nd in Berlin
    biller.assign(2, date(2026, 1, 1), carl)
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    assert biller.lines(ANNA, "2026-03") == [Line("base fee", None, 0, 620)]
    assert biller.lines(carl, "2026-03") == [Line("base fee", None, 0, 200)]
    assert biller.lines(BEN, "2026-03") == []


def test_a_base_fee_is_corrected_when_the_account_was_open_for_other_days(biller: Biller) -> None:
    biller.assign(biller.add(BASE), date(2026, 1, 1), ANNA)
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    biller.books.wait(HOUR)
    since = {"since": "2026-03-21T23:00:00.000Z"}
    biller.books.run(accounts.change, ANNA, since, biller.books.at, "cleo")
    month_is_over(biller.books, 4)
    biller.close("2026-04")
    assert sorted(biller.lines(ANNA, "2026-04")) == [
        Line("base fee", None, 0, 620),
        Line("correction", None, 0, -420),
    ]


def test_small_sums_and_credits_are_carried_until_they_count(
    biller: Biller, station: Station
) -> None:
    biller.carry_below = 200
    transaction = charge(station)
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    assert biller.statement(1).is_carried
    charge(station)
    month_is_over(biller.books, 4)
    biller.close("2026-04")
    second = biller.statement(2)
    assert (second.carried_in, second.total, second.is_carried) == (120, 240, False)
    pay(biller, 240)
    correct(biller.books, transaction, 1000)
    month_is_over(biller.books, 5)
    biller.close("2026-05")
    assert (biller.statement(3).total, biller.statement(3).is_carried) == (-90, True)
    charge(station, 10_000)
    month_is_over(biller.books, 6)
    biller.close("2026-06")
    assert (biller.statement(4).carried_in, biller.statement(4).total) == (-90, 210)


def test_a_credit_that_was_paid_out_is_not_carried(biller: Biller, station: Station) -> None:
    transaction = charge(station)
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    pay(biller, 120)
    correct(biller.books, transaction, 1000)
    month_is_over(biller.books, 4)
    biller.close("2026-04")
    biller.books.connection.execute(
        "INSERT INTO ledger (account_id, kind, amount, currency, statement_id, reason, "
        "entered_at, entered_by) "
        "SELECT account_id, 'refund', -90, 'EUR', id, 'paid out', '2026-05-02T10:00:00.000Z', "
        "'cleo' FROM statement WHERE number = 2"
    )
    charge(station, 10_000)
    month_is_over(biller.books, 5)
    biller.close("2026-05")
    assert (biller.statement(3).carried_in, biller.statement(3).total) == (0, 300)


# Order, and what may not happen


def refused(biller: Biller, month: str) -> Code:
    with pytest.raises(Refused) as caught:
        biller.close(month)
    return caught.value.code


def test_months_come_in_order_and_when_they_are_over(biller: Biller, station: Station) -> None:
    charge(station)
    assert refused(biller, "2026-03") == Code.NOT_OVER
    month_is_over(biller.books, 4)
    assert refused(biller, "2026-04") == Code.CONFLICT
    biller.close("2026-03")
    assert refused(biller, "2026-03") == Code.CONFLICT
    biller.close("2026-04")


def test_a_session_without_a_tariff_stops_the_closing(biller: Biller, station: Station) -> None:
    biller.assign(None, date(2026, 3, 1))
    charge(station)
    month_is_over(biller.books, 3)
    assert biller.preview("2026-03").sums.unpriced == 1
    assert refused(biller, "2026-03") == Code.NO_TARIFF
    biller.assign(1, date(2026, 3, 1))
    assert biller.close("2026-03").statements == 1


@pytest.mark.parametrize(
    "what", ["figure", "ledger", "tariff", "biller", "number", "another closing"]
)
def test_what_something_changed_of_since_it_was_computed_is_not_closed(
    biller: Biller, station: Station, what: str
) -> None:
    """It is computed again."""
    transaction, books = charge(station), biller.books
    month_is_over(books, 3)
    computed = biller.closable("2026-03")
    if what == "figure":
        correct(books, transaction, 3000)
    elif what == "ledger":
        books.connection.execute(
            "INSERT INTO ledger (account_id, kind, amount, currency, reason, entered_at, "
            "entered_by) "
            f"VALUES ({ANNA}, 'payment', 5, 'EUR', '', '2026-04-02T10:00:00.000Z', '')"
        )
    elif what == "tariff":
        biller.add(FLAT.replace("Flat", "Other"))
    elif what == "biller":
        books.connection.execute(
            "INSERT INTO biller (name, payment_days, set_at, set_by) VALUES ('', 1, '', '')"
        )
    elif what == "number":
        books.connection.execute("UPDATE billing SET next_number = 7")
    else:
        biller.close("2026-03")
    before = books.count("statement")
    assert books.run(ledger.close_month, computed) is None
    assert books.count("statement") == before
    if what != "another closing":
        assert biller.close("2026-03").first == ("7" if what == "number" else "1")
        assert biller.lines(ANNA, "2026-03")[0].wh == (3000 if what == "figure" else 4000)


def test_what_changes_of_a_later_month_does_not_matter(biller: Biller, station: Station) -> None:
    charge(station)
    month_is_over(biller.books, 3)
    computed = biller.closable("2026-03")
    correct(biller.books, charge(station), 3000)
    assert biller.books.run(ledger.close_month, computed) is not None


def test_only_what_was_shown_is_closed(biller: Biller, station: Station) -> None:
    charge(station)
    month_is_over(biller.books, 3)
    for statements, charged in ((2, 120), (1, 121)):
        order = biller.order._replace(statements=statements, charged=charged)
        with reading(biller.books) as db, pytest.raises(Refused) as caught:
            closable(rows_of(db), Month.parse("2026-03"), None, biller.terms, order)
        assert caught.value.code == Code.CHANGED


def test_a_preview_has_an_own_number_for_each_statement_of_a_household(
    biller: Biller, station: Station
) -> None:
    """It stays the same while those of others come and go."""
    biller.assign(biller.add(NET), date(2026, 3, 10), BEN)
    charge(station, tag="Ben")
    biller.books.now = datetime(2026, 3, 12, 9, tzinfo=UTC)
    charge(station, tag="Ben")
    before = [(one.id, one.name) for one in biller.preview("2026-03").data]
    assert [name for _, name in before] == ["Ben", "Ben"]
    charge(station)
    after = biller.preview("2026-03").data
    assert [(one.id, one.name) for one in after[1:]] == before
    with reading(biller.books) as db:
        (found,) = drafted(db, Month.parse("2026-03"), None, biller.terms, before[1][0])
    assert (found.statement.account, found.statement.prices_are_gross) == (BEN, False)


# Moving out


def test_who_moves_out_is_billed_at_once_and_later_for_what_turns_up(
    biller: Biller, station: Station
) -> None:
    biller.assign(biller.add(BASE), date(2026, 1, 1), ANNA)
    first, of_ben = charge(station), charge(station, 6000, "Ben")
    biller.books.now = datetime(2026, 3, 16, 9, tzinfo=UTC)
    biller.books.settle()
    biller.books.connection.execute(
        "UPDATE account SET until = '2026-03-15T23:00:00.000Z' WHERE id = ?", (ANNA,)
    )
    biller.carry_below = 100_000
    biller.close("2026-03", ANNA)
    assert biller.lines(ANNA, "2026-03") == [
        Line("session", first, 4000, 120),
        Line("base fee", None, 0, 300),
    ]
    assert not biller.statement(1).is_carried
    late = charge(station, 2000)
    month_is_over(biller.books, 3)
    biller.carry_below = 0
    assert biller.close("2026-03").statements == 2
    assert biller.lines(ANNA, "2026-03")[2:] == [Line("session", late, 2000, 60)]
    assert biller.lines(BEN, "2026-03") == [Line("session", of_ben, 6000, 180)]


def test_what_the_last_bill_holds_back_is_no_reason_for_another_one(
    biller: Biller, station: Station
) -> None:
    """It comes when somebody has decided about it."""
    charge(station)
    doubtful = station.start(5000, 1, "Card")
    biller.books.wait(HOUR)
    station.stop(doubtful, 1_000_000)
    of_ben = charge(station, 6000, "Ben")
    biller.books.now = datetime(2026, 3, 16, 9, tzinfo=UTC)
    biller.books.settle()
    moves_out(biller, "2026-03-15T23:00:00.000Z")
    biller.close("2026-03", ANNA)
    assert [line.kind for line in biller.lines(ANNA, "2026-03")] == ["session", "held back"]
    month_is_over(biller.books, 3)
    with reading(biller.books) as db:
        drafts = drafted(db, Month.parse("2026-03"), None, biller.terms)
    assert [one.statement.account for one in drafts] == [BEN]
    assert biller.close("2026-03").statements == 1
    assert [line.tx for line in biller.lines(BEN, "2026-03")] == [of_ben]


def moves_out(biller: Biller, until: str) -> None:
    biller.books.run(accounts.change, ANNA, {"until": until}, biller.books.at, "cleo")


@pytest.mark.parametrize("day", ["2026-03-20", "2026-03-31"])
def test_the_last_statement_of_a_household_carries_nothing_on(
    biller: Biller, station: Station, day: str
) -> None:
    """It moves out within the month, or with it; there is no next statement."""
    charge(station, 7000)
    charge(station, 7000, "Ben")
    moves_out(biller, f"{day}T22:00:00.000Z")
    month_is_over(biller.books, 3)
    biller.carry_below = 300
    biller.close("2026-03")
    assert [(biller.statement(one).total, biller.statement(one).is_carried) for one in (1, 2)] == [
        *((210, False), (210, True))
    ]


@pytest.mark.parametrize("account", [None, ANNA], ids=["month", "move-out"])
def test_what_was_carried_is_asked_for_when_a_household_moves_out(
    biller: Biller, station: Station, account: int | None
) -> None:
    """Though it did not charge any more. It is asked for once, and what turns up later is asked
    for, too."""
    transaction = charge(station, 7000)
    month_is_over(biller.books, 3)
    biller.carry_below = 300
    biller.close("2026-03")
    moves_out(biller, "2026-04-09T22:00:00.000Z")
    month_is_over(biller.books, 4)
    biller.close("2026-04", account)
    last = biller.statement(2)
    assert (last.account, last.carried_in, last.total, last.is_carried, last.positions) == (
        ANNA,
        210,
        210,
        False,
        (),
    )
    assert (last.month, biller.balance(ANNA)) == (date(2026, 4, 1), -210)
    if account is not None:
        assert biller.close("2026-04").statements == 0
    correct(biller.books, transaction, 8000)
    month_is_over(biller.books, 5)
    biller.close("2026-05")
    assert (
        biller.statement(3).carried_in,
        biller.statement(3).total,
        biller.statement(3).is_carried,
    ) == (0, 30, False)


def test_an_account_that_does_not_end_is_not_closed_early(biller: Biller) -> None:
    with pytest.raises(Refused, match="does not end within 2026-03"):
        biller.close("2026-03", ANNA)


# Wallets


def test_what_the_wallet_was_charged_for_is_listed_and_not_asked_for(
    biller: Biller, station: Station
) -> None:
    charged, other = charge(station), charge(station, 2000)
    biller.books.connection.execute(
        "INSERT INTO ledger (account_id, kind, amount, currency, tx_id, reason, entered_at, "
        "entered_by) "
        "VALUES (?, 'charge', -120, 'EUR', ?, '', ?, 'system')",
        (ANNA, charged, biller.books.at),
    )
    month_is_over(biller.books, 3)
    sums = biller.preview("2026-03").sums
    # No credit covers what the wallet was charged for: that is asked for, too.
    assert (sums.charged, sums.from_wallets, sums.to_pay) == (180, 120, 180)
    biller.close("2026-03")
    with reading(biller.books) as db:
        month = months.month(
            db, WantedMonth(Month.parse("2026-03"), rule_of(biller.books), biller.books.now)
        )
    assert month is not None
    assert (month.amount, month.from_wallets) == (180, 120)
    statement = biller.statement(1)
    assert [(one.transaction, one.is_prepaid) for one in statement.positions] == [
        (charged, True),
        (other, False),
    ]
    assert (statement.total, statement.carried_in) == (180, 120)
    assert biller.books.rows("SELECT kind, amount FROM ledger ORDER BY id") == [
        ("charge", -120),
        ("statement", -60),
    ]
    correct(biller.books, charged, 1000)
    month_is_over(biller.books, 4)
    biller.close("2026-04")
    assert (biller.statement(2).total, biller.balance(ANNA)) == (0, -90)


# Prices


NET = """
name = "Net"
valid_from = 2026-01-01
currency = "EUR"
prices = "net"
tax = 19

[[window]]
name = "night"
price = 0.20
times = "22:00-06:00"

[energy]
name = "day"
price = 0.30
"""


def test_net_and_gross_prices_stand_on_statements_of_their_own(
    biller: Biller, station: Station
) -> None:
    biller.assign(biller.add(NET), date(2026, 3, 10), ANNA)
    charge(station, 10_000)
    biller.books.now = datetime(2026, 3, 12, 9, tzinfo=UTC)
    charge(station, 10_000)
    month_is_over(biller.books, 3)
    assert biller.close("2026-03").statements == 2
    assert [(one.prices_are_gross, one.total) for one in map(biller.statement, (1, 2))] == [
        (True, 300),
        (False, 357),
    ]


def test_energy_is_divided_where_a_window_ends(biller: Biller, station: Station) -> None:
    biller.assign(biller.add(NET), date(2026, 1, 1), ANNA)
    biller.books.now = datetime(2026, 3, 12, 20, 30, tzinfo=UTC)  # 21:30 in Berlin
    begin = 1000
    transaction = station.start(begin, 1, "Card")
    for number in range(1, 5):
        biller.books.wait(15)
        station.tell(
            meter_value(station.clock(), begin + number * number * 100), transaction=transaction
        )
    station.stop(transaction, begin + 1600)
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    (position,) = biller.statement(1).positions
    assert [(line.window, line.quantity) for line in position.lines] == [
        ("day", 400),
        ("night", 1200),
    ]
    assert position.split == Split.REGISTER


def test_a_prepaid_account_is_asked_for_nothing(biller: Biller, station: Station) -> None:
    terms = ledger.NewTerms(WalletTerms.PREPAID, 0, "as agreed", biller.books.at, "cleo")
    biller.books.run(ledger.set_terms, ANNA, terms)
    pay(biller, 120)
    charge(station)
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    assert biller.statement(1).total == 0
    assert biller.statement(1).standing == -biller.balance(ANNA) == 0
    before = biller.statement(1).before
    assert before is not None
    assert [(one.kind, one.amount) for one in before.moved] == [
        ("payment", 120),
        ("statement", -120),
    ]
    assert biller.books.value("SELECT spent_since IS NOT NULL FROM wallet")


def test_a_session_that_is_given_to_one_and_then_to_another_is_the_last_ones(
    biller: Biller, station: Station
) -> None:
    transaction = charge(station, tag="Stranger")
    biller.house.give_by_hand(transaction, ANNA)
    biller.house.give_by_hand(transaction, BEN)
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    assert (biller.balance(ANNA), biller.balance(BEN)) == (0, -120)


def test_a_closed_statement_keeps_the_language_with_which_it_was_closed(
    biller: Biller, station: Station
) -> None:
    charge(station)
    month_is_over(biller.books, 3)
    speak = partial(accounts.change, at=biller.books.at, by="cleo")
    biller.books.run(speak, ANNA, {"language": "de"})
    biller.close("2026-03")
    biller.books.run(speak, ANNA, {"language": "en"})
    assert language_of(biller, 1) == "de"


def test_who_closes_says_the_language_of_households_that_said_none(
    biller: Biller, station: Station
) -> None:
    charge(station)
    charge(station, tag="Ben")
    month_is_over(biller.books, 3)
    speak = partial(accounts.change, at=biller.books.at, by="cleo")
    biller.books.run(speak, BEN, {"language": "en"})
    biller.language = "de"
    biller.close("2026-03")
    assert [language_of(biller, number) for number in (1, 2)] == ["de", "en"]


def language_of(biller: Biller, statement_id: int) -> str | None:
    with reading(biller.books) as db:
        return next(printed(rows_of(db), (statement_id,))).language
