"""Chargers whose meter signs, and the check of what it signed as the server does it."""

from typing import Any

from levity_trio.store.reads.money import months
from levity_trio.store.reads.transactions.explain import checked, checked_revision
from levity_trio.store.writes.transactions.judging import check_signed_again, keep_signed
from tests.signed.meters import Meter
from tests.store.books import Books, Station
from tests.store.reading import reading

ENTER = (
    "INSERT INTO meter_key (cp_id, conn_id, key, fingerprint, added_at, added_by) "
    "VALUES (?, ?, ?, ?, ?, 'test')"
)


def look(books: Books) -> int:
    """Check the sessions that ended or changed, and judge them again half an hour later. Return
    how many were checked."""
    number = 0
    while True:
        with reading(books) as db:
            done = checked_revision(db)
            changed = months.changed(db, after=done, most=20)
            found = checked(db, [one for one, _ in changed])
        if not changed:
            return number
        number += len(changed)
        books.run(keep_signed, found, changed[-1][1], books.at)
        books.wait(30)
        books.settle()


def enter(books: Books, meter: Meter, charger: str = "CP-1", connector: int = 0) -> None:
    """Enter the key of a meter, as an operator does."""
    row = (charger, connector, meter.key.text, meter.key.fingerprint, books.at)
    books.run(lambda db: db.execute(ENTER, row))
    books.run(check_signed_again, charger)
    look(books)


def of_meter(station: Station, tx: str, wh: float, **fields: object) -> dict[str, Any]:
    """Return a reading of its meter now, at the register of its charger."""
    now = station.clock().replace("Z", ",000+0000 S")
    return {
        "TM": now,
        "TX": tx,
        "RV": f"{wh / 1000:.3f}",
        "RI": "1-b:1.8.0",
        "RU": "kWh",
        "RT": "AC",
        "EF": "",
        "ST": "G",
        **fields,
    }


def signed(record: str, context: str = "Transaction.End") -> dict[str, str]:
    """Return a sampled value of a record."""
    return {"value": record, "format": "SignedData", "context": context}


def state(books: Books, transaction: int) -> tuple[Any, ...] | None:
    """Return what its check found: its state, Wh, and whether the key is the owner's."""
    sql = "SELECT state, wh, is_owners FROM signed_check WHERE tx_id = ?"
    return next(iter(books.rows(sql, transaction)), None)
