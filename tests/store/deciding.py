"""An operator who decides about the books: anna, and others by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import orjson
import pytest

from levity_trio.charger.exchange import read_again
from levity_trio.store.cases.transaction import StoredTransaction
from levity_trio.store.writes.origin import StopWithData
from levity_trio.store.writes.transactions import decisions
from levity_trio.store.writes.transactions.decisions import (
    Correction,
    Decision,
    DecisionRefused,
    TransactionDetails,
    correct,
)
from tests.store.books import Books


class Operator:
    """A person who decides. `reason` is the same for all decisions, so that a repeated one is
    equal."""

    def __init__(self, books: Books, name: str = "anna") -> None:
        self.books = books
        self.name = name

    def decision(self, reason: str = "she read the meter", seen: int | None = None) -> Decision:
        return Decision(self.name, reason, self.books.at, seen)

    def confirm(self, transaction: int, seen: int | None = None) -> StoredTransaction:
        return self.books.run(decisions.confirm, transaction, self.decision(seen=seen))

    def correct(
        self, transaction: int, seen: int | None = None, **values: Any
    ) -> StoredTransaction:
        return self.books.run(correct, transaction, Correction(**values), self.decision(seen=seen))

    def close(
        self, transaction: int, stop_time: str | None = None, meter_stop: int | None = None
    ) -> StoredTransaction:
        return self.books.run(decisions.close, transaction, self.decision(), stop_time, meter_stop)

    def dismiss_review(self, review: int) -> StoredTransaction:
        return self.books.run(decisions.dismiss_review, review, self.decision())

    def attach(self, message: int, transaction: int, **given: object) -> StoredTransaction:
        told = told_by(self.books, message, given)
        return self.books.run(decisions.attach_message, message, transaction, told, self.decision())

    def make(
        self, message: int, given: Mapping[str, object] | None = None, **known: Any
    ) -> StoredTransaction:
        told = told_by(self.books, message, given or {})
        assert isinstance(told, StopWithData)
        return self.books.run(
            decisions.make_transaction, message, told, TransactionDetails(**known), self.decision()
        )

    def dismiss(self, message: int) -> None:
        self.books.run(decisions.dismiss_message, message, self.decision())


def refused(decide: Callable[..., object], *args: object, **values: object) -> DecisionRefused:
    """Return how a decision is refused."""
    with pytest.raises(DecisionRefused) as caught:
        decide(*args, **values)
    return caught.value


def told_by(books: Books, message: int, given: Mapping[str, object]) -> Any:
    """Read a message that was set aside again, from the frame that was kept."""
    frame, received_at = books.row(
        "SELECT frame, at FROM set_aside "
        "JOIN evidence ON evidence.session_id = set_aside.session_id "
        "AND evidence.message_id = set_aside.message_id AND at = set_aside.received_at "
        "WHERE set_aside.id = ?",
        message,
    )
    return read_again(frame, datetime.fromisoformat(received_at), given)


def told(books: Books, transaction: int) -> list[tuple[str, str, str | None, str | None]]:
    """Return kind, name, reason and cause of the rows of tx_event, in order."""
    return books.rows(
        "SELECT kind, who, reason, cause FROM tx_event WHERE tx_id = ? ORDER BY id", transaction
    )


def decided(books: Books, transaction: int) -> Any:
    """Return what the newest decision about a transaction stored."""
    (newest,) = books.rows(
        "SELECT payload FROM tx_event WHERE tx_id = ? AND who <> 'charger' AND payload IS NOT NULL"
        " ORDER BY id DESC LIMIT 1",
        transaction,
    )
    return orjson.loads(newest[0])


def open_codes(books: Books, transaction: int) -> list[str]:
    rows = books.rows(
        "SELECT code FROM review WHERE tx_id = ? AND resolved_at IS NULL ORDER BY id", transaction
    )
    return [code for (code,) in rows]
