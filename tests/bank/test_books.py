"""What lines of a bank are compared with, as it is read from the database."""

from __future__ import annotations

from contextlib import closing

from levity_trio.store.reads.money import wallets
from tests.store.bills import Biller, charge, house_of_two, month_is_over
from tests.store.books import Books, Station, in_memory
from tests.store.reading import reading


def test_a_statement_is_known_by_the_number_that_was_printed_on_it() -> None:
    """Its prefix is that of the closing, not that of the new year."""
    bill_by = (
        "INSERT INTO biller (name, number_prefix, payment_days, set_at, set_by) "
        "VALUES ('House', ?, 14, '', 'cleo')"
    )
    with closing(in_memory()) as file:
        books = Books(file)
        biller = Biller(house_of_two(books))
        books.connection.execute(bill_by, ("2026-",))
        charge(Station(books))
        month_is_over(books, 3)
        biller.close("2026-03")
        books.connection.execute(bill_by, ("2027-",))
        with reading(books) as db:
            assert [one.number for one in wallets.books(db).open] == ["2026-1"]
