"""What is missing before a month can be closed, and how much each weighs."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from levity_trio.billing.months import Month
from levity_trio.billing.statement import in_groups
from levity_trio.documents.making import sheet_of
from levity_trio.documents.sheet import LabelledValues
from levity_trio.notify.delivery import as_paper, supplements
from levity_trio.store.billing.drafting import Terms
from levity_trio.store.billing.months import Refused
from levity_trio.store.billing.statements import supplement
from levity_trio.store.engine.database import rows_of
from levity_trio.store.keeping.checking import sealed
from levity_trio.store.reads.money.months import (
    MissingPiece,
    Weight,
    lacks_of_closed,
    lacks_of_sender,
    missing_of,
)
from levity_trio.store.writes.money import ledger
from levity_trio.store.writes.money.ledger import Supplement
from tests.store.bills import (
    BERLIN,
    FLAT,
    Biller,
    charge,
    correct,
    house_of_two,
    month_is_over,
    rule_of,
)
from tests.store.books import Books, Station
from tests.store.reading import reading
from tests.store.test_kept_sheets import paper

OVER = datetime(2026, 4, 2, 9, tzinfo=UTC)


def missing(books: Books, month: str = "2026-03") -> dict[str, MissingPiece]:
    with reading(books) as db:
        found = missing_of(db, Month.parse(month), Terms(rule_of(books), 0), books.now)
        assert found is not None
        return {str(one.code): one for one in found}


def weights(books: Books, month: str = "2026-03") -> dict[str, str]:
    return {code: one.weight for code, one in missing(books, month).items()}


def bill_by(books: Books, **fields: str | None) -> None:
    """Let somebody bill of whom nothing is missing, but for these fields."""
    sender: dict[str, str | None] = {"name": "Owner", "address": "Weg 1", "bank_account": "DE02"}
    sender |= {"tax_kind": "taxed", "tax_number": "30/1", "set_at": "", "set_by": "cleo"}
    sender |= fields
    marks = ", ".join("?" for _ in sender)
    books.connection.execute(
        f"INSERT INTO biller (payment_days, {', '.join(sender)}) VALUES (14, {marks})",
        [*sender.values()],
    )


def test_nothing_is_missing_of_a_month_that_is_ready(books: Books, station: Station) -> None:
    biller = Biller(house_of_two(books))
    bill_by(books)
    charge(station)
    books.now = OVER
    assert missing(books) == {}
    biller.close("2026-03")
    assert missing(books) == {}


def test_a_running_month_and_one_that_comes_later_wait(books: Books) -> None:
    Biller(house_of_two(books))
    running = missing(books)["not_over"]
    assert (running.weight, running.at) == ("blocks", "2026-03-31T22:00:00.000Z")
    books.now = datetime(2026, 5, 2, 9, tzinfo=UTC)
    assert missing(books, "2026-04")["earlier_month"].month == "2026-03"


def test_who_bills_and_where_to_pay(books: Books) -> None:
    biller = Biller(house_of_two(books), has_begun=True)
    books.run(ledger.begin_billing, date(2026, 3, 1), books.at, "cleo")
    books.now = OVER
    assert weights(books) == {"no_biller": "blocks", "no_tariff": "blocks"}
    biller.add(FLAT)
    books.connection.execute(
        "INSERT INTO biller (name, payment_days, set_at, set_by) VALUES ('Owner', 14, '', '')"
    )
    assert weights(books) == dict.fromkeys(
        ("no_tax_kind", "no_sender_address", "no_bank_account"), "paper"
    )


def test_sessions_in_doubt_and_of_nobody_come_later(books: Books, station: Station) -> None:
    Biller(house_of_two(books))
    charge(station, 3000, "Nobody")
    doubtful = charge(Station(books, "CP-2"), 500_000)
    books.now = OVER
    found = missing(books)
    assert (found["doubtful"].weight, found["doubtful"].count) == ("later", 1)
    assert (found["nobodys"].weight, found["nobodys"].count, found["nobodys"].energy_wh) == (
        "later",
        1,
        3000,
    )
    correct(books, doubtful, 4000)
    assert "doubtful" not in missing(books)


def test_a_session_without_a_tariff_blocks(books: Books, station: Station) -> None:
    biller = Biller(house_of_two(books))
    biller.assign(None, date(2026, 2, 1))
    charge(station)
    books.now = OVER
    assert (missing(books)["unpriced"].weight, missing(books)["unpriced"].energy_wh) == (
        "blocks",
        4000,
    )


def test_a_charger_that_went_away_before_the_end_may_have_sessions(
    books: Books, station: Station
) -> None:
    Biller(house_of_two(books))
    charge(station)
    station.lose()
    away = books.at
    books.now = OVER
    (thing,) = missing(books)["away"].things
    assert (thing.id, thing.since) == ("CP-1", away)
    station.connect()
    station.lose()
    assert "away" not in missing(books)


def test_neighbours_who_share_costs_need_no_address(books: Books, station: Station) -> None:
    biller = Biller(house_of_two(books))
    free = FLAT.replace("Flat", "Free").replace("19", "0").replace("0.30", "3.00")
    biller.assign(biller.add(free), date(2026, 1, 1))
    correct(books, charge(station), 400_000)
    books.connection.execute("UPDATE account SET address = NULL")
    bill_by(books, tax_kind="no business", address=None, tax_number=None)
    books.now = OVER
    assert missing(books) == {}


def test_above_250_euros_a_bill_needs_both_numbers_and_names(
    books: Books, station: Station
) -> None:
    biller = Biller(house_of_two(books))
    dear = FLAT.replace("Flat", "Dear").replace("0.30", "3.00")
    biller.assign(biller.add(dear), date(2026, 1, 1))
    transaction = charge(station, 4000)
    books.connection.execute("UPDATE account SET address = NULL")
    bill_by(books, tax_number=None)
    books.now = OVER
    # 250.00 EUR
    correct(books, transaction, 83_333)
    assert missing(books) == {}
    correct(books, transaction, 83_337)
    assert [*missing(books)] == ["no_tax_number", "no_address"]
    assert [one.name for one in missing(books)["no_address"].things] == ["Anna"]
    bill_by(books, tax_number=None, vat_number="DE123456789")
    assert [*missing(books)] == ["no_address"]


@pytest.mark.parametrize("kind", ["exempt", "small business", "no business"])
def test_a_tariff_with_tax_of_a_sender_without_is_named(
    books: Books, station: Station, kind: str
) -> None:
    biller = Biller(house_of_two(books))
    biller.add(FLAT.replace('"Flat"', '"Unused"'))
    bill_by(books, tax_kind=kind, tax_note="why")
    charge(station, 4000)
    books.now = OVER
    books.settle()
    with pytest.raises(Refused, match="who shows tax owes it"):
        biller.close("2026-03")
    found = missing(books)["tax_unwanted"]
    assert found.weight == Weight.BLOCKS
    assert [one.name for one in found.things] == ["Flat"]
    assert "who shows tax owes it" in found.words
    # From April on it has none, but this is March.
    april = FLAT.replace("2026-01-01", "2026-04-01").replace("tax = 19", "tax = 0")
    biller.add(april)
    assert "tax_unwanted" in missing(books)
    with reading(books) as db:
        assert lacks_of_sender(db, date(2026, 3, 31))
        assert not lacks_of_sender(db, date(2026, 4, 1))


def test_what_began_before_a_month_without_tax_has_the_tax_of_then(
    books: Books, station: Station
) -> None:
    biller = Biller(house_of_two(books))
    books.now = datetime(2026, 3, 31, 21, 30, tzinfo=UTC)
    charge(station, 4000)
    month_is_over(books, 3)
    biller.close("2026-03")
    biller.add(FLAT.replace("2026-01-01", "2026-04-01").replace("tax = 19", "tax = 0"))
    bill_by(books, tax_kind="small business")
    charge(station, 4000)
    month_is_over(books, 4)
    biller.close("2026-04")
    assert [tax.rate for tax in biller.statement(1).taxes] == [0, 19]
    assert any("§ 19 UStG" in words for words in sheet_of(paper(books, 1)).small)


def test_a_taxed_sender_without_any_rate_is_told(books: Books) -> None:
    biller = Biller(house_of_two(books))
    bill_by(books)
    biller.assign(biller.add(FLAT.replace("Flat", "Free").replace("19", "0")), date(2026, 1, 1))
    books.now = OVER
    assert [one.name for one in missing(books)["no_tax_rate"].things] == ["Free"]


def test_what_the_papers_lack(books: Books) -> None:
    Biller(house_of_two(books))
    books.connection.execute(
        "INSERT INTO meter (name, class_percent, chargers_percent, since, created_at, created_by, "
        "updated_at) "
        "VALUES ('Yard', 1, 1, '2026-01-01T00:00:00.000Z', '', 'cleo', '')"
    )
    assert "unread_meter" not in missing(books)
    books.now = OVER
    assert [one.name for one in missing(books)["unread_meter"].things] == ["Yard"]
    books.connection.execute(
        "INSERT INTO meter_reading (meter_id, at, value, unit, wh, source, entered_at, entered_by)"
        " VALUES (1, '2026-04-01T08:00:00.000Z', '1', 'kWh', 1000, 'hand', '', 'cleo')"
    )
    assert "unread_meter" not in missing(books)


def test_what_papers_lack_is_said_for_as_long_as_they_last(books: Books, station: Station) -> None:
    biller = Biller(house_of_two(books))
    bill_by(books, address=None, tax_number=None)
    books.connection.execute("UPDATE account SET address = NULL")
    dear = FLAT.replace("Flat", "Dear").replace("0.30", "3.00")
    biller.assign(biller.add(dear), date(2026, 1, 1))
    correct(books, charge(station, 4000), 83_337)
    charge(station, 4000, "Ben")
    books.now = OVER
    assert "no_sender_address" in missing(books)
    biller.close("2026-03")
    bill_by(books)  # what is entered later stands on later papers only
    lacking = {
        "no_sender_address": ["Anna", "Ben"],
        "no_tax_number": ["Anna"],
        "no_address": ["Anna"],
    }
    assert lacks(books) == lacking

    # Until it is added to these; what is still not known is still lacking.
    assert [one.account for one in add_to_papers(books)] == [1, 2]
    assert lacks(books) == {"no_address": ["Anna"]}
    assert add_to_papers(books) == []
    books.connection.execute("UPDATE account SET address = 'Weg 2\n10115 Berlin' WHERE id = 1")
    assert [one.account for one in add_to_papers(books)] == [1]
    assert lacks(books) == {}
    with reading(books) as db:
        assert [*sealed(db)] == []
        newest = supplement(rows_of(db), 1)
        assert newest is not None
        assert newest.statement.digest != paper(books, 1).first.digest
    sheet = sheet_of(as_paper(newest))
    assert sheet.title == "Supplement to no. 1"
    (about, added) = sheet.blocks
    assert isinstance(about, LabelledValues)
    assert isinstance(added, LabelledValues)
    assert about.pairs == (("Statement 1", "of 2 April 2026"),)
    assert added.pairs == (
        ("Sender", "Owner · Weg 1"),
        ("Sender", "Tax number: 30/1"),
        ("Recipient", "Anna · Weg 2 · 10115 Berlin"),
    )
    assert any(in_groups(newest.statement.digest or "") in line for line in sheet.small)
    books.connection.execute("DROP TRIGGER supplement_names_go")
    books.connection.execute("UPDATE supplement SET sheet = '{}' WHERE id = 2")
    with reading(books) as db:
        assert [*sealed(db)] == ["what was added to the papers of 2026-03 of account 2 was changed"]


def test_a_supplement_says_only_what_the_papers_lacked(books: Books, station: Station) -> None:
    biller = Biller(house_of_two(books))
    bill_by(books, address=None, name="Verein")
    charge(station, 4000)
    books.now = OVER
    biller.close("2026-03")
    bill_by(books, name="Verein", address="Weg 1")
    (one,) = add_to_papers(books)
    assert "30/1" in one.sheet  # it stands in the head, as on each paper
    with reading(books) as db:
        added = supplement(rows_of(db), 1)
    assert added is not None
    values = sheet_of(as_paper(added)).blocks[1]
    assert isinstance(values, LabelledValues)
    assert values.pairs == (("Sender", "Verein · Weg 1"),)
    # It goes with the names of its statements.
    gone = "UPDATE statement_party SET party = NULL, removed_at = '2036', removed_by = 'cleo'"
    books.connection.execute(gone)
    assert books.rows("SELECT party, sheet FROM supplement") == [(None, None)]
    with reading(books) as db:
        assert [*sealed(db)] == []
        assert supplement(rows_of(db), 1) is None


def test_a_supplement_names_all_that_the_papers_lacked(books: Books, station: Station) -> None:
    """Also what a small bill may lack, and how to pay, once there is a reason for a supplement."""
    biller = Biller(house_of_two(books))
    bill_by(books, address=None, name="Verein", bank_account=None, tax_number=None)
    books.connection.execute("UPDATE account SET address = NULL")
    charge(station, 4000)
    books.now = OVER
    biller.close("2026-03")
    books.connection.execute("UPDATE account SET address = 'Weg 2' WHERE id = 1")
    bill_by(books, name="Verein", bank_account="DE75512108001245126199", tax_number="30/9")
    add_to_papers(books)
    assert lacks(books) == {}
    with reading(books) as db:
        added = supplement(rows_of(db), 1)
    assert added is not None
    values = sheet_of(as_paper(added)).blocks[1]
    assert isinstance(values, LabelledValues)
    assert values.pairs == (
        ("Sender", "Verein · Weg 1"),
        ("Sender", "Tax number: 30/9"),
        ("Account", "DE75 5121 0800 1245 1261 99"),
        ("Recipient", "Anna · Weg 2"),
    )


def lacks(books: Books) -> dict[str, list[str]]:
    with reading(books) as db:
        found = lacks_of_closed(db, "2026-03")
    return {str(one.code): [thing.name for thing in one.things] for one in found}


def add_to_papers(books: Books) -> list[Supplement]:
    with reading(books) as db:
        made = supplements(db, "2026-03", books.at, BERLIN, "salt")
    for one in made:
        books.run(ledger.supplement, one, books.at, "cleo")
    return made
