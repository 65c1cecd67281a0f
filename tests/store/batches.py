"""Writes for a batch: one that records a fact, and ones that fail."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from levity_trio.events import CertificateRequested, Fact
from levity_trio.store.engine.database import UnitOfWork, Write

ADD = "INSERT INTO cp (id, created_at, updated_at) VALUES ('CP', '', '')"


def fact(name: str) -> Fact:
    return CertificateRequested(charger=None, at="2026", csr=name)


def keep(name: str, then: Callable[[], None] = lambda: None, *, times: int = 1) -> Write:
    """A write that records a fact; the first `times` that it runs, it calls `then` when that is
    stored."""
    runs = count(1)

    def write(db: UnitOfWork) -> str:
        db.record(fact(name))
        if next(runs) <= times:
            db.rows("SELECT 1")
            then()
        return name

    return write


def fail(error: Exception) -> Write:
    """A write that records a fact, and then raises this."""

    def write(db: UnitOfWork) -> None:
        db.record(fact("never"))
        raise error

    return write


def repeat_a_key(db: UnitOfWork) -> None:
    """Fail at a constraint, after a first statement."""
    for _ in range(2):
        db.changed(ADD)


def repeat_a_key_unseen(db: UnitOfWork) -> None:
    """The same, without waiting for the statements."""
    for _ in range(2):
        db.execute(ADD)
