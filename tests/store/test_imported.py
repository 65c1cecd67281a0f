"""Imported history among living chargers: nothing that they send is matched to it, judged by it, or
changes it."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from levity_trio.store.reads.chargers.chargers import uptimes
from levity_trio.store.reads.chargers.security import security
from levity_trio.store.reads.levity.rows import ChargerRow, ErrorRow, ReadingRow, TransactionRow
from levity_trio.store.reads.now.present import present
from levity_trio.store.reads.pages import WantedPage
from levity_trio.store.reads.site.database import beginning
from levity_trio.store.reads.transactions.costs import billed_transactions
from levity_trio.store.reads.transactions.explain import explain, lines
from levity_trio.store.reads.transactions.recheck import Rechecking
from levity_trio.store.reads.transactions.transactions import TransactionFilters
from levity_trio.store.writes.site import imports
from levity_trio.store.writes.transactions import decisions
from levity_trio.store.writes.transactions.decisions import Decision, DecisionRefused
from levity_trio.store.writes.transactions.stops import close_silent
from tests.store.bills import rule_of
from tests.store.books import Books, Station
from tests.store.files import make_ours
from tests.store.levity_file import REGISTER
from tests.store.owning import House
from tests.store.reading import view
from tests.store.template import new_database

REFUSED = "is imported: it is history of another system"
BEGUN, ENDED = "2026-03-01T10:00:00.000Z", "2026-03-01T11:00:00.000Z"
EVERYTHING = (
    "SELECT * FROM tx WHERE imported_id IS NOT NULL",
    "SELECT * FROM meter_val WHERE imported_id IS NOT NULL",
)


def old_transaction(**values: Any) -> TransactionRow:
    row: dict[str, Any] = {
        "charger": "CP-1",
        "imported_id": 17,
        "connector": 1,
        "id_tag": "TAG",
        "start_time": BEGUN,
        "stop_time": ENDED,
        "meter_start": 1000,
        "meter_stop": 5000,
        "energy_wh": 4000,
        "stop_reason": "Local",
        "received_at": BEGUN,
        "stop_received_at": ENDED,
        "last_reading_at": None,
        "payload": {"id": 17},
        "doubts": [],
    }
    return TransactionRow(**{**row, **values})


def old_reading(transaction: int | None, at: str, wh: int, number: int = 1) -> ReadingRow:
    values = (REGISTER, str(wh), "Wh", "Sample.Periodic", "Outlet", "", "Raw")
    return ReadingRow("CP-1", number, transaction, 1, at, at, at, *values)


def import_one(books: Books, **values: Any) -> int:
    """Import a transaction with a reading of it and one that belongs to none; return its id
    here."""
    books.run(imports.take, "chargers", [ChargerRow("CP-1", "Space 7")], books.at)
    found = books.run(imports.take, "transactions", [old_transaction(**values)], books.at)
    (transaction,) = found.ids
    readings = [
        old_reading(transaction, "2026-03-01T10:30:00.000Z", 3000),
        old_reading(None, "2026-03-01T12:00:30.000Z", 9000, 2),
    ]
    books.run(imports.take, "readings", readings, books.at)
    return transaction


@pytest.fixture
def imported(books: Books) -> int:
    return import_one(books)


def snapshot(books: Books) -> list[list[tuple[Any, ...]]]:
    return [books.rows(sql) for sql in EVERYTHING]


def test_a_day_of_its_charger_changes_nothing_of_it(books: Books, imported: int) -> None:
    before = snapshot(books)
    station = Station(books)
    station.boot()
    station.status("Available")
    living = station.start(5000)
    books.wait(1)
    station.tell(station.register(5100), transaction=living)
    station.tell(station.register(5200))
    station.lose()
    books.wait(1)
    station.connect()
    station.status("Available")
    books.wait(30)
    books.run(close_silent, books.at, 60.0)
    station.stop(living, 5300)
    station.start(5300)
    books.settle()
    assert snapshot(books) == before
    assert books.value("SELECT count(*) FROM tx_event WHERE tx_id = ?", imported) == 1


def test_its_id_names_nothing_to_a_charger(books: Books, imported: int) -> None:
    before = snapshot(books)
    station = Station(books)
    station.stop(imported, 5000, at="2026-03-01T11:00:00Z")
    station.tell(station.register(5100), transaction=imported)
    assert snapshot(books) == before
    assert books.value("SELECT count(*) FROM tx_event WHERE tx_id = ?", imported) == 1
    assert books.value("SELECT count(*) FROM set_aside") == 1


def test_its_own_start_sent_again_is_a_new_one(books: Books, imported: int) -> None:
    station = Station(books)
    assert station.start(1000, at="2026-03-01T10:00:00Z") > imported


def test_readings_without_a_transaction_stay_without_one(books: Books) -> None:
    import_one(books)
    station = Station(books)
    station.start(9000, at="2026-03-01T12:00:00Z")
    assert books.value("SELECT tx_id FROM meter_val WHERE imported_id = 2") is None


def test_it_is_no_neighbour(books: Books) -> None:
    """Its register is 1,000 to 9,000 Wh, so a living one within would overlap it."""
    import_one(books, meter_stop=9000, energy_wh=8000)
    station = Station(books)
    living = station.start(4000)
    books.wait(60)
    station.stop(living, 6000)
    assert books.row(
        "SELECT energy_delivered, confidence, unbilled_wh FROM tx WHERE id = ?", living
    ) == (*(2000, "certain", None),)


def test_a_lost_start_is_not_found_from_its_readings(books: Books) -> None:
    import_one(books)
    Station(books).stop(4711, 9500)
    assert books.value("SELECT count(*) FROM tx WHERE imported_id IS NULL") == 0


# Operators


def test_nobody_decides_about_it(books: Books, imported: int) -> None:
    decision = Decision("anna", "seen", books.at)
    correction = decisions.Correction(figure_wh=1)
    with pytest.raises(DecisionRefused, match=REFUSED):
        books.run(decisions.close, imported, decision)
    with pytest.raises(DecisionRefused, match=REFUSED):
        books.run(decisions.confirm, imported, decision)
    with pytest.raises(DecisionRefused, match=REFUSED):
        books.run(decisions.correct, imported, correction, decision)


def test_it_is_never_judged_again(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    make_ours(path)
    with new_database(path) as connection:
        import_one(Books(connection))
    assert [page.transactions for page in Rechecking(path, None).pages()] in ([], [0])


# Reads


def test_lists_and_explanations_show_it_as_imported(books: Books, imported: int) -> None:
    db = view(books.connection)
    (listed,) = billed_transactions(db, TransactionFilters(charger="CP-1"), WantedPage()).data
    assert (listed.id, listed.state, listed.imported_id, listed.energy_wh) == (
        imported,
        "imported",
        17,
        4000,
    )
    told = explain(db, imported, rule_of(books))
    assert told is not None
    assert (told.today, told.candidates, told.before, told.after) == (None, (), None, None)
    assert [step.kind for step in told.steps] == ["import"]
    text = "\n".join(lines(told, UTC))
    assert "imported" in text
    assert "4,000 Wh as Levity said, certain, billed elsewhere" in text
    assert "there session 17, register 1,000 Wh to 5,000 Wh" in text
    assert "2026-03-01 10:30: 3000 Wh" in text


def test_it_is_of_no_present(books: Books) -> None:
    error = ErrorRow("CP-1", 3, 1, "GroundFailure", None, None, None, BEGUN, None, BEGUN)
    import_one(books)
    books.run(imports.take, "errors", [error], books.at)
    db = view(books.connection)
    now = present(db)
    assert (now.transactions, now.connectors) == ([], [])
    assert beginning(db).open_transactions == 0
    assert books.row("SELECT is_connected, session_id, status FROM cp") == (0, None, "Unknown")


def test_its_session_is_no_connection(books: Books) -> None:
    import_one(books)
    db = view(books.connection)
    (one,) = uptimes(db, "CP-1", "2026-01-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z")
    assert one.links == 0
    found = security(db, "CP-1")
    assert found is not None
    assert found.last_use is None


def test_a_charger_that_is_known_here_stays_as_it_is(books: Books) -> None:
    station = Station(books)
    station.boot()
    before = books.row("SELECT * FROM cp")
    import_one(books)
    assert books.row("SELECT * FROM cp") == before


def test_it_is_billed_elsewhere_and_not_listed_as_nobodys(books: Books, imported: int) -> None:
    living = Station(books).start()
    assert House(books).of_nobody() == [living]
    assert imported != living
