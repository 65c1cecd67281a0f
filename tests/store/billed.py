"""What the bill sees of a transaction in a test's books."""

from datetime import datetime

from levity_trio.billing.pricing import SessionEvidence
from levity_trio.store.billing import evidence
from levity_trio.store.billing.evidence import Billed, Needs
from tests.store.books import Books


def billed_of(books: Books, transaction: int) -> Billed:
    """Return its times and figure."""
    columns = "SELECT start_time, stop_time, energy_delivered FROM tx WHERE id = ?"
    since, until, wh = books.row(columns, transaction)
    return Billed(transaction, datetime.fromisoformat(since), datetime.fromisoformat(until), wh)


def evidence_of(books: Books, transaction: int, needed: Needs) -> SessionEvidence:
    """Return the evidence that its price needs."""
    billed = billed_of(books, transaction)
    return books.run(lambda db: evidence.evidence_of(db.rows, billed, needed))
