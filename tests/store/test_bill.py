"""The bill of one transaction: whose it is and why, the arithmetic of each line, statements, and
what comes next."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from levity_trio.manual import find
from levity_trio.store.billing.pricing import Pricer
from levity_trio.store.engine.database import rows_of
from levity_trio.store.reads.transactions.bill import Bill, BillAdjustment, bill_lines, bill_of
from levity_trio.store.reads.transactions.explain import explain, lines
from levity_trio.store.writes.load import load
from levity_trio.store.writes.transactions import decisions
from levity_trio.store.writes.transactions.decisions import Decision
from tests.store.bills import (
    ANNA,
    BEN,
    FLAT,
    HOUR,
    Biller,
    charge,
    correct,
    house_of_two,
    month_is_over,
)
from tests.store.books import Books, Station, meter_value
from tests.store.owning import House
from tests.store.reading import reading
from tests.store.test_bill_states import charged_to_wallet, close
from tests.store.test_imported import import_one

HOUSE = """
name = "House"
valid_from = 2026-01-01
currency = "EUR"
prices = "gross"
tax = 19
session_fee = 0.50

[[window]]
name = "night"
price = 0.21
times = "22:00-06:00"

[energy]
name = "day"
price = 0.325

[blocking]
price = 0.10
grace_minutes = 30
"""
LIMITS = """
name = "Limits"
valid_from = 2026-01-01
currency = "EUR"
prices = "net"
tax = 19
minimum = 2.00

[energy]
price = 0.3
"""


@pytest.fixture
def house(books: Books) -> House:
    return house_of_two(books)


@pytest.fixture
def biller(house: House) -> Biller:
    return Biller(house)


def bill(biller: Biller, transaction: int) -> Bill:
    with reading(biller.books) as db:
        found = explain(db, transaction, biller.terms.rule)
    assert found is not None
    assert found.bill is not None
    return found.bill


def told(biller: Biller, transaction: int) -> str:
    return "\n".join(bill_lines(bill(biller, transaction)))


def digest(biller: Biller, number: int) -> str:
    (whole,) = biller.books.rows("SELECT digest FROM statement WHERE number = ?", number)[0]
    return " ".join(whole[begin : begin + 8] for begin in range(0, 64, 8))


def test_a_billed_one(biller: Biller, station: Station) -> None:
    transaction = charge(station, 3412)
    close(biller, 3)
    assert told(biller, transaction) == (
        "It is billed: 1.02 EUR for 3.412 kWh.\n"
        "It belongs to household 1 (Anna):\n"
        "  the card card belonged to it since 2026-01-01 01:00, given by cleo\n"
        "The tariff is Flat. It holds for everybody since 2026-01-01, set by cleo.\n"
        "Statement 1 of 2026-03 to household 1, line 1:\n"
        "  by the tariff Flat, version of 2026-01-01\n"
        "  energy: 3.412 kWh × 0.30 EUR = 1.02 EUR\n"
        "  together 1.02 EUR, with 19 % tax in it\n"
        f"  Digest of the statement: {digest(biller, 1)}\n"
        "Times are those of Europe/Berlin."
    )
    found = bill(biller, transaction)
    assert (found.why, found.advice, found.pending) == (None, None, ())
    assert (found.billed_wh, found.billed_amount) == (3412, 102)


def test_the_arithmetic_of_a_billed_one_is_that_of_its_statement(
    biller: Biller, station: Station
) -> None:
    """Its tariff may change for some reason: what is told stays, and today's price is told beside
    it."""
    transaction = charge(station, 3412)
    close(biller, 3)
    biller.books.connection.execute("DROP TRIGGER tariff_version_stays")
    biller.books.connection.execute(
        "UPDATE tariff_version SET toml = replace(toml, '0.30', '0.40')"
    )
    text = told(biller, transaction)
    assert "  energy: 3.412 kWh × 0.30 EUR = 1.02 EUR\n" in text
    assert "  energy: 3.412 kWh × 0.40 EUR = 1.36 EUR\n" in text
    assert "  household 1 pays 0.34 EUR\n" in text


def test_a_corrected_one(biller: Biller, station: Station) -> None:
    transaction = charge(station, 3412)
    close(biller, 3)
    correct(biller.books, transaction, 3000)
    before = told(biller, transaction)
    assert "It is billed: 1.02 EUR for 3.412 kWh.\n" in before
    assert "By what is known today it costs:" in before
    assert "  energy: 3.000 kWh × 0.30 EUR = 0.90 EUR\n" in before
    assert (
        "This is not what was billed. The next statements correct it:\n  household 1 gets "
        "back 0.12 EUR\n"
    ) in before
    assert bill(biller, transaction).pending == (
        BillAdjustment(account=ANNA, energy_wh=-412, amount=-12),
    )
    close(biller, 4)
    after = told(biller, transaction)
    assert "It is billed: 0.90 EUR for 3.000 kWh.\n" in after
    assert (
        "Statement 2 of 2026-04 to household 1, line 1, gives back a part of statement 1: its "
        "energy was corrected from 3412 to 3000 Wh; it cost 1.02 EUR, now it costs 0.90 EUR.\n"
    ) in after
    assert "  energy: -0.412 kWh × 0.30 EUR = -0.12 EUR\n" in after
    assert "not what was billed" not in after
    assert "By what is known today" not in after


def test_one_that_moved_to_another_account(biller: Biller, station: Station) -> None:
    transaction = charge(station)
    close(biller, 3)
    biller.house.give_by_hand(transaction, BEN, "his guest")
    before = told(biller, transaction)
    assert (
        "It belongs to household 2 (Ben):\n  given by cleo: his guest\n  household 1: the card card"
        in before
    )
    assert "  household 1 gets back 1.20 EUR\n  household 2 pays 1.20 EUR\n" in before
    close(biller, 4)
    found = bill(biller, transaction)
    assert [
        (one.statement, one.account, one.kind, one.amount, one.corrects) for one in found.positions
    ] == [
        (1, ANNA, "session", 120, None),
        (2, ANNA, "correction", -120, 1),
        (3, BEN, "session", 120, None),
    ]
    assert (found.billed_amount, found.billed_wh, found.pending) == (120, 4000, ())


def test_one_that_is_given_on_by_hand(biller: Biller, station: Station) -> None:
    transaction = charge(station, tag="Stranger")
    biller.house.give_by_hand(transaction, ANNA)
    close(biller, 3)
    biller.house.give_by_hand(transaction, BEN)
    close(biller, 4)
    found = bill(biller, transaction)
    assert [(one.account, one.kind, one.amount) for one in found.positions] == [
        (ANNA, "session", 120),
        (ANNA, "correction", -120),
        (BEN, "session", 120),
    ]


def test_one_that_became_nobodys_is_given_back(biller: Biller, station: Station) -> None:
    transaction = charge(station, tag="Stranger")
    biller.house.give_by_hand(transaction, ANNA)
    close(biller, 3)
    biller.house.take_back(transaction)
    assert bill(biller, transaction).pending == (
        BillAdjustment(account=ANNA, energy_wh=-4000, amount=-120),
    )


def test_one_that_is_held_back(biller: Biller, station: Station) -> None:
    transaction = station.start(5000, 1, "Card")
    biller.books.wait(HOUR)
    station.stop(transaction, 1_000_000)
    charge(station)
    close(biller, 3)
    found, text = bill(biller, transaction), told(biller, transaction)
    assert (found.state, found.price, found.pending, found.billed_amount) == (
        "held back",
        None,
        (),
        None,
    )
    assert "It is held back.\nWhy: waits for review: the register made an implausible step" in text
    assert f'levity-trio review confirm {transaction} --reason "..."' in text
    assert (
        "Statement 1 of 2026-03 to household 1, line 2, lists it as held back: waits for review"
        in text
    )


def test_one_that_waits_for_late_messages(biller: Biller, station: Station) -> None:
    transaction = charge(station)
    biller.books.run(
        lambda db: db.execute("UPDATE tx SET judge_after = '2026-03-03T00:00:00.000Z'")
    )
    assert "What to do: nothing; it is judged again by itself." in told(biller, transaction)


def test_a_billed_one_that_became_doubtful(biller: Biller, station: Station) -> None:
    transaction = charge(station)
    close(biller, 3)
    biller.books.connection.execute("UPDATE tx SET judge_after = '2026-03-03T00:00:00.000Z'")
    assert "Its figure or its price is not certain at the moment." in told(biller, transaction)


def test_nobodys(biller: Biller, station: Station) -> None:
    transaction = charge(station, tag="Stranger")
    text = told(biller, transaction)
    assert "It belongs to nobody.\n" in text
    assert f'levity-trio household give HOUSEHOLD --session {transaction} --reason "..."' in text
    assert (
        "  nobody's: neither the card stranger nor connector 1 of CP-1 belonged to a household\n"
        in text
    )
    assert "  energy: 4.000 kWh × 0.30 EUR = 1.20 EUR\n" in text


def test_a_free_one(biller: Biller, station: Station) -> None:
    charge(station)
    transaction = charge(station, 50)
    nothing = "By what is known today it costs nothing: 0.050 kWh is less than 100 Wh."
    assert nothing in told(biller, transaction)
    assert biller.preview("2026-03").sums.sessions == 2
    close(biller, 3)
    text = told(biller, transaction)
    assert "It is free.\nWhy: less than 100 Wh.\n" in text
    assert (
        "Statement 1 of 2026-03 to household 1, line 2: 0.050 kWh, free: less than 100 Wh.\n"
        in text
    )


def test_a_prepaid_one(biller: Biller, station: Station) -> None:
    transaction = charge(station)
    charged_to_wallet(biller, transaction, 120)
    biller.books.run(lambda _: None)
    charged = (
        f"The wallet of household 1 was charged 1.20 EUR at {biller.books.now:%Y-%m-%d} 12:00."
    )
    assert "It is charged to the wallet.\n" in told(biller, transaction)
    assert charged in told(biller, transaction)
    close(biller, 3)
    text = told(biller, transaction)
    assert "It is charged to the wallet: 1.20 EUR for 4.000 kWh.\n" in text
    assert "  The wallet pays it, so the statement asks for nothing.\n" in text
    assert charged in text


@pytest.mark.parametrize(("tariff", "now"), [("", 90), (LIMITS, 238)])
def test_a_wallet_that_was_charged_too_much(
    biller: Biller, station: Station, tariff: str, now: int
) -> None:
    """With prices without tax, the wallet pays the tax too: 2.00 EUR and 19 %."""
    transaction = charge(station)
    if tariff:
        biller.assign(biller.add(tariff), date(2026, 3, 1), ANNA)
    charged_to_wallet(biller, transaction, 300)
    biller.books.run(lambda _: None)
    correct(biller.books, transaction, 3000)
    assert bill(biller, transaction).pending == (
        BillAdjustment(account=ANNA, energy_wh=0, amount=now - 300),
    )
    back = f"  household 1 gets back {3 - now / 100:.2f} EUR\n"
    assert f"This is not what was charged. The next statements correct it:\n{back}" in told(
        biller, transaction
    )
    close(biller, 3)
    assert biller.balance(ANNA) == -now
    assert bill(biller, transaction).pending == ()


def test_what_a_wallet_keeps_for_an_open_one(biller: Biller, station: Station) -> None:
    transaction = station.start(1000, 1, "Card")
    biller.books.connection.execute(
        "INSERT INTO wallet_reservation VALUES (?, 1, 42, '', NULL)", (transaction,)
    )
    assert "0.42 EUR of the wallet are kept for it, until it is certain what it costs.\n" in told(
        biller, transaction
    )


def over_a_seam(biller: Biller, station: Station) -> int:
    """Return a session that charges until 22:50, stays until 02:50, and is read every 20
    minutes."""
    biller.assign(biller.add(HOUSE), date(2026, 3, 4), ANNA)
    books = biller.books
    books.now = datetime(2026, 3, 5, 19, 10, tzinfo=UTC)
    transaction = station.start(1000, 1, "Card")
    for minute in [*range(20, 161, 20), *[160] * 12]:
        books.wait(20)
        station.tell(
            meter_value(station.clock(), 1000 + 50 * minute + minute % 7), transaction=transaction
        )
    station.stop(transaction, 9006)
    return transaction


def test_windows_over_a_seam_and_a_stay(biller: Biller, station: Station) -> None:
    transaction = over_a_seam(biller, station)
    text = told(biller, transaction)
    assert "The tariff is House. It holds for household 1 since 2026-03-04, set by cleo.\n" in text
    assert (
        "  energy, day: 5.502 kWh × 0.325 EUR = 1.79 EUR\n"
        "  energy, night: 2.504 kWh × 0.21 EUR = 0.53 EUR\n"
        "  fee for the session: 0.50 EUR\n"
        "  fee for staying after charging: 210 min × 0.10 EUR = 21.00 EUR\n"
        "  together 23.82 EUR, with 19 % tax in it\n"
        "The price changed from day to night at 2026-03-05 22:00. Until then 5.502 kWh had "
        "flowed:\n"
        "  5.002 kWh until 2026-03-05 21:50\n"
        "  6.001 kWh until 2026-03-05 22:10\n"
        "The readings of the meter show how much flowed before and after.\n"
        "Charging ended at 2026-03-05 22:50. Staying for 30 more minutes is free.\n"
        "Then 210 minutes are counted, from 2026-03-05 23:20 to 2026-03-06 02:50.\n"
    ) in text
    close(biller, 3)
    billed = bill(biller, transaction)
    assert billed.price is not None
    assert [line.amount for line in billed.positions[0].lines] == [
        line.amount for line in billed.price.lines
    ]
    assert [line.words for line in billed.positions[0].lines] == [
        line.words for line in billed.price.lines
    ]


def test_the_tariff_is_the_one_that_held_when_the_session_began(
    biller: Biller, station: Station
) -> None:
    """From 23:30 on the fourth to 00:30 on the fifth; the dearer tariff holds from the fifth on.
    4 kWh cost 0.30 each, not 0.60."""
    dearer = FLAT.replace('"Flat"', '"Dearer"').replace("0.30", "0.60")
    biller.assign(biller.add(dearer), date(2026, 3, 5))
    biller.books.now = datetime(2026, 3, 4, 22, 30, tzinfo=UTC)
    transaction = charge(station, 4000)
    found = bill(biller, transaction)
    assert found.price is not None
    assert [line.amount for line in found.price.lines] == [120]


LEAST_SHOWN = 10


def test_the_sample_of_the_readme(biller: Biller, station: Station) -> None:
    transaction = over_a_seam(biller, station)
    close(biller, 3)
    _, _, rest = find("a-neighbour-asks").text.partition("```text\n")
    sample, _, _ = rest.partition("\n```\n")
    # The page leaves out what stands for "…".
    lines = iter(told(biller, transaction).splitlines())
    shown = [line for line in sample.splitlines() if line.strip() != "…"]
    assert [line for line in shown if line not in lines] == []
    assert len(shown) > LEAST_SHOWN


def test_what_of_a_stay_is_excused(biller: Biller, station: Station) -> None:
    biller.assign(biller.add(HOUSE), date(2026, 3, 4), ANNA)
    books = biller.books
    books.now = datetime(2026, 3, 5, 9, tzinfo=UTC)
    transaction = station.start(1000, 1, "Card")
    books.wait(HOUR)
    station.tell(meter_value(station.clock(), 5000), transaction=transaction)
    books.wait(HOUR)
    station.status("Faulted")
    books.wait(20)
    station.status("Finishing")
    books.wait(40)
    station.stop(transaction, 5000)
    excused = (
        "  not counted from 2026-03-05 12:00 to 2026-03-05 12:20: the car could not help it, or "
        "it is in doubt"
    )
    assert excused in told(biller, transaction)


def stayed(biller: Biller, station: Station, why: str = "paused") -> int:
    """Return a session that charges until 11:00 in Berlin, and stays; load management holds it back
    from 12:00 on, or the wish of its driver."""
    biller.assign(biller.add(HOUSE), date(2026, 3, 4), ANNA)
    books = biller.books
    books.now = datetime(2026, 3, 5, 9, tzinfo=UTC)
    transaction = station.start(1000, 1, "Card")
    books.wait(HOUR)
    station.tell(meter_value(station.clock(), 5000), transaction=transaction)
    station.status("SuspendedEV")
    books.wait(HOUR)
    books.run(load.begin_span, transaction, why, books.at)
    return transaction


def test_what_load_management_took_is_told_and_not_counted(
    biller: Biller, station: Station
) -> None:
    """12:00 to 12:20, two minutes to answer, and half an hour of grace."""
    transaction = stayed(biller, station)
    biller.books.wait(20)
    biller.books.run(load.end_span, transaction, biller.books.at)
    biller.books.wait(40)
    station.stop(transaction, 5000)
    text = told(biller, transaction)
    assert (
        "Then 38 minutes are counted, from 2026-03-05 11:30 to 2026-03-05 13:00.\n"
        "  not counted from 2026-03-05 12:00 to 2026-03-05 12:52: load management held the car "
        "back; then the free"
        " minutes began anew\n"
    ) in text


def blocking_of(biller: Biller, transaction: int) -> tuple[int, ...] | None:
    """The minutes that an open session is told to pay if it stopped now; None while its charging
    goes on."""
    with reading(biller.books) as db:
        found = bill_of(db, transaction, biller.terms.rule, biller.books.now)
    assert found.price is not None
    paid = [line.quantity for line in found.price.lines if line.kind == "blocking fee"]
    if found.price.blocking is None:
        assert not paid
        return None
    assert sum(paid) == found.price.blocking.minutes
    return (found.price.blocking.minutes,)


def test_the_fee_of_an_open_one_does_not_grow_while_it_is_held_back(
    biller: Biller, station: Station
) -> None:
    books, transaction = biller.books, stayed(biller, station)
    assert blocking_of(biller, transaction) == (30,)
    books.wait(5 * HOUR)
    assert blocking_of(biller, transaction) == (30,)
    books.run(load.end_span, transaction, books.at)
    books.wait(32)
    assert blocking_of(biller, transaction) == (30,)
    books.wait(10)
    assert blocking_of(biller, transaction) == (40,)


def test_the_fee_counts_the_time_in_which_its_driver_waits_for_a_lower_price(
    biller: Biller, station: Station
) -> None:
    """Its charger says that it pauses the car; and so does the bill when it has stopped."""
    books, transaction = biller.books, stayed(biller, station, "price")
    station.status("SuspendedEVSE")
    station.tell(meter_value(station.clock(), 5000), transaction=transaction)
    assert blocking_of(biller, transaction) == (30,)
    books.wait(2 * HOUR)
    assert blocking_of(biller, transaction) == (30 + 2 * HOUR,)
    station.stop(transaction, 5000)
    assert blocking_of(biller, transaction) == (30 + 2 * HOUR,)
    with reading(books) as db:
        (priced,) = Pricer(rows_of(db), biller.terms.rule).price([transaction]).values()
    assert [line.quantity for line in priced.position.lines] == [4000, 1, 30 + 2 * HOUR]


def test_the_charging_of_an_open_one_has_not_ended_while_it_is_held_back(
    biller: Biller, station: Station
) -> None:
    biller.assign(biller.add(HOUSE), date(2026, 3, 4), ANNA)
    books = biller.books
    books.now = datetime(2026, 3, 5, 9, tzinfo=UTC)
    transaction = station.start(1000, 1, "Card")
    books.wait(HOUR)
    station.tell(meter_value(station.clock(), 5000), transaction=transaction)
    books.run(load.begin_span, transaction, "paused", books.at)
    station.status("SuspendedEV")
    for minutes in (5, HOUR):
        books.wait(minutes)
        assert blocking_of(biller, transaction) is None
    books.run(load.end_span, transaction, books.at)
    books.wait(1)
    assert blocking_of(biller, transaction) is None
    books.wait(2)
    assert blocking_of(biller, transaction) == (0,)


def test_the_smallest_price_and_prices_without_tax(biller: Biller, station: Station) -> None:
    biller.assign(biller.add(LIMITS), date(2026, 3, 1), ANNA)
    transaction = charge(station)
    text = told(biller, transaction)
    assert (
        "  energy: 4.000 kWh × 0.30 EUR = 1.20 EUR\n"
        "  what is missing to the lowest price of a session: 0.80 EUR\n"
        "  together 2.00 EUR, to which 19 % tax is added\n"
    ) in text


def test_before_billing_begins(biller: Biller, station: Station) -> None:
    transaction = charge(station)
    biller.books.connection.execute("DELETE FROM billing")
    assert "What to do: say from which day on it does: levity-trio bill begin DATE." in told(
        biller, transaction
    )


def test_one_that_ended_before_the_first_day(house: House, station: Station) -> None:
    transaction = charge(station)
    biller = Biller(house, date(2026, 4, 1))
    found = bill(biller, transaction)
    assert (found.state, found.price, found.tariff) == ("billed elsewhere", None, None)
    assert (
        found.why == "it ended before 2026-04-01, and this system bills what ends from that day on"
    )


def test_an_imported_one(biller: Biller) -> None:
    found = bill(biller, import_one(biller.books))
    assert (found.state, found.price, found.advice) == ("billed elsewhere", None, None)
    assert found.why == "it was imported; the system from which it comes has billed it"


def test_an_open_one(biller: Biller, station: Station) -> None:
    transaction = station.start(1000, 1, "Card")
    biller.books.wait(10)
    station.tell(meter_value(station.clock(), 2000), transaction=transaction)
    text = told(biller, transaction)
    assert "It is still open.\nWhy: it has not ended.\n" in text
    assert (
        "So far it costs:\n  by the tariff Flat, version of 2026-01-01\n  energy: 1.000 kWh × "
        "0.30 EUR"
    ) in text


def test_one_that_is_still_to_be_billed(biller: Biller, station: Station) -> None:
    transaction = charge(station)
    assert "levity-trio bill preview 2026-03, and bill close 2026-03" in told(biller, transaction)
    biller.assign(None, date(2026, 3, 1))
    assert bill(biller, transaction).why == "no tariff is assigned on 2026-03-02"


def test_one_of_centuries_waits_for_its_times(biller: Biller, station: Station) -> None:
    """Our own clock was far ahead at its stop. It is priced by no window of those days."""
    transaction = station.start(1000, 1, "Card")
    biller.books.now = datetime(2999, 1, 1, tzinfo=UTC)
    station.stop(transaction, 5000)
    month_is_over(biller.books, 3)
    found = bill(biller, transaction)
    assert (found.state, found.price) == ("to be billed", None)
    assert found.why == (
        "it lasted from 2026-03-02T09:00:00.000Z to 2999-01-01T00:00:00.000Z, so a clock was "
        "wrong: correct its times"
    )
    correction = decisions.Correction(figure_wh=4000, stop_time="2026-03-02T10:00:00.000Z")
    biller.books.run(
        decisions.correct, transaction, correction, Decision("cleo", "the clock", biller.books.at)
    )
    close(biller, 3)
    assert biller.lines(ANNA, "2026-03") == [("session", transaction, 4000, 120)]


def test_one_that_came_too_late_for_its_month(biller: Biller, station: Station) -> None:
    transaction = charge(station, tag="Stranger")
    close(biller, 3)
    biller.house.give_by_hand(transaction, ANNA)
    assert bill(biller, transaction).advice == "nothing; it comes on the statement of 2026-04"


def test_a_viewer_sees_no_bill(biller: Biller, station: Station) -> None:
    transaction = charge(station)
    close(biller, 3)
    with reading(biller.books) as db:
        found = explain(db, transaction, biller.terms.rule, is_anonymous=True)
    assert found is not None
    assert found.bill is None
    assert "The bill" not in "\n".join(lines(found, UTC))
