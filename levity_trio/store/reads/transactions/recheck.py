"""Judges every completed transaction by today's rules and reports each stored figure that differs,
and its times if what is known of its charger's clock by now gives others.

A difference has two kinds of causes. "Rules": today's rules give another figure for the evidence of
that time. "Facts" and "habits": today's rules give the stored figure for the evidence of that time,
but another for today's evidence.

The evidence of that time is reconstructed from the facts. How often a habit had been shown by then
is not stored, so a habit counts from its first transaction on. A figure that today's rules give
without any habit is therefore never attributed to the rules.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from levity_trio.charging.energy import CERTAIN, DOUBTFUL, Judgement, judge
from levity_trio.charging.reviews import LASTING, OF_THE_MATCH, Code
from levity_trio.charging.sent.evidence import Case
from levity_trio.config import EnvironmentProblem
from levity_trio.config.settings import DatabaseAddress
from levity_trio.store.cases.case import NO_HABITS, case_of, clock_words, dated, judge_ended
from levity_trio.store.cases.neighbours import ChargerHistory
from levity_trio.store.cases.transaction import (
    COLUMNS,
    LAST_TIME,
    StoredTransaction,
    open_reviews,
    overruled,
    settled_by,
)
from levity_trio.store.engine.database import Database, Rows, rows_of
from levity_trio.store.engine.schema import FOLDER, newest_version
from levity_trio.store.reads.reader import look

PAGE_ROWS: Final = 500
PAGE_SECONDS: Final = 0.5
"""A page takes so long: then it ends with the transaction being judged, because an open read
prevents a reset of the WAL."""
COMPLETED: Final = (
    "status = 'Completed' AND (CAST(?1 AS TEXT) IS NULL OR cp_id = ?1) AND imported_id IS NULL"
)
PAGE: Final = f"SELECT {COLUMNS} FROM tx WHERE id > ?2 AND {COMPLETED} ORDER BY id LIMIT ?3"  # noqa: S608 - our own names


class DifferenceCause(StrEnum):
    """Why a figure would differ today."""

    RULES = "rules"
    FACTS = "facts"
    HABITS = "habits"


class JudgedFigure(NamedTuple):
    """The energy that a transaction delivered. `reviews` are the codes of the doubts, `words` their
    texts."""

    wh: int
    confidence: str
    method: str | None
    reviews: tuple[str, ...]
    words: str


class RecheckDifference(NamedTuple):
    """A transaction whose stored figure differs from that of today's rules. `rules` is the version
    that stored it.

    `settled_by` is the person who confirmed or corrected the figure; then only its Wh are compared.
    """

    transaction: int
    charger: str
    connector: int | None
    start_time: str
    rules: int | None
    judged_at: str | None
    settled_by: str | None
    stored: JudgedFigure
    then: JudgedFigure
    now: JudgedFigure
    causes: tuple[DifferenceCause, ...]


class RecheckBatch(NamedTuple):
    """The result of one read: the number of transactions judged, their stored Wh, and the
    differences."""

    transactions: int
    stored_wh: int
    differences: list[RecheckDifference]


class Rechecking:
    """The completed transactions of one file, or of one charger in it.

    Raises EnvironmentProblem if the file is missing, is not ours, is of another version, or cannot
    be read.
    """

    def __init__(
        self, address: DatabaseAddress, charger: str | None, folder: Path = FOLDER
    ) -> None:
        self._address = address
        self._charger = charger
        if look(address, lambda db: db.version(), folder) < newest_version(folder):
            raise EnvironmentProblem(
                f"{address} is from an older version of levity-trio; start this version's server "
                "on it once, or on a copy"
            )
        count, known = f"SELECT count(*) FROM tx WHERE {COMPLETED}", "SELECT 1 FROM cp WHERE id = ?"  # noqa: S608
        self.total: int = look(address, lambda db: db.execute(count, (charger,)).fetchall()[0][0])
        """The number of transactions at the beginning."""
        self.is_known = charger is None or look(
            address, lambda db: bool(db.execute(known, (charger,)).fetchall())
        )
        """Whether the charger is known, if one was given."""

    def pages(
        self, most_rows: int = PAGE_ROWS, seconds: float = PAGE_SECONDS
    ) -> Iterator[RecheckBatch]:
        """Judge the transactions page by page; each page is a read of its own."""
        after = 0
        while (
            found := look(self._address, partial(_page, after, self._charger, most_rows, seconds))
        ) is not None:
            page, after = found
            yield page


def _page(
    after: int, charger: str | None, most_rows: int, seconds: float, db: Database
) -> tuple[RecheckBatch, int] | None:
    """Return the page after this id, and its last id; None at the end."""
    ends = time.monotonic() + seconds
    rows = rows_of(db)
    count, stored_wh, differences = 0, 0, list[RecheckDifference]()
    for row in rows(PAGE, (charger, after, most_rows)):
        tx = StoredTransaction(*row)
        count, after, stored_wh = count + 1, tx.id, stored_wh + (tx.energy_delivered or 0)
        if (difference := compare(rows, tx)) is not None:
            differences.append(difference)
        if time.monotonic() > ends:
            break
    return (RecheckBatch(count, stored_wh, differences), after) if count else None


class _Reviews(NamedTuple):
    """The reviews of a transaction: open codes and texts, and who settled its figure."""

    codes: frozenset[str]
    words: str
    settled_by: str | None
    overruled: frozenset[int]
    """The figures in Wh that an operator replaced."""
    is_match_doubted: bool


def compare(rows: Rows, tx: StoredTransaction) -> RecheckDifference | None:
    """Judge a transaction by today's rules; return None if the result equals what is stored."""
    reviews = _reviews(rows, tx)
    stored = JudgedFigure(
        tx.energy_delivered or 0,
        tx.confidence or "",
        tx.energy_method,
        tuple(sorted(reviews.codes)),
        reviews.words,
    )
    case, judgement, clock = judge_ended(ChargerHistory(rows, tx.charger), tx)
    now = _figure(judgement, reviews)
    times = dated(tx, clock, is_settled=reviews.settled_by is not None)
    if times is tx and _is_same(stored, now, reviews):
        return None
    case_then = case_of(ChargerHistory(rows, tx.charger, tx.judged_at or LAST_TIME), tx)
    then = _then(case_then, stored, reviews)
    causes = [] if _is_same(stored, then, reviews) else [DifferenceCause.RULES]
    if not _is_same(then, now, reviews):
        causes.append(_later(case, case_then, then, reviews))
    if times is not tx:
        causes = [*dict.fromkeys([*causes, DifferenceCause.FACTS])]
        now = now._replace(words="; ".join(filter(None, (now.words, clock_words(times)))))
    row = (
        tx.id,
        tx.charger,
        tx.connector,
        tx.start_time,
        tx.rules,
        tx.judged_at,
        reviews.settled_by,
    )
    return RecheckDifference(*row, stored, then, now, tuple(causes))


def _then(case: Case, stored: JudgedFigure, reviews: _Reviews) -> JudgedFigure:
    """Judge by the evidence of that time; without habits, if only that gives the stored figure."""
    then = _figure(judge(case), reviews)
    without = _figure(judge(replace(case, **NO_HABITS._asdict())), reviews)
    return without if _is_same(stored, without, reviews) else then


def _later(case: Case, case_then: Case, then: JudgedFigure, reviews: _Reviews) -> DifferenceCause:
    """Return whether habits or facts cause the difference between then and now."""
    as_they_were = replace(case, **{name: getattr(case_then, name) for name in NO_HABITS._fields})
    olds = (
        _figure(judge(old), reviews) for old in (as_they_were, replace(case, **NO_HABITS._asdict()))
    )
    return (
        DifferenceCause.HABITS
        if any(_is_same(then, old, reviews) for old in olds)
        else DifferenceCause.FACTS
    )


def _is_same(stored: JudgedFigure, other: JudgedFigure, reviews: _Reviews) -> bool:
    """Compare figures: only Wh if an operator settled the stored one, and not those that the
    operator replaced."""
    if reviews.settled_by is not None:
        return stored.wh == other.wh or other.wh in reviews.overruled
    is_as_certain = stored.confidence == other.confidence
    return stored.wh == other.wh and is_as_certain and stored.reviews == other.reviews


def _figure(judgement: Judgement, reviews: _Reviews) -> JudgedFigure:
    is_certain = judgement.confidence == CERTAIN and not reviews.is_match_doubted
    codes = tuple(sorted({str(doubt.code) for doubt in judgement.doubts}))
    words = "; ".join(doubt.words for doubt in judgement.doubts)
    return JudgedFigure(
        judgement.wh, CERTAIN if is_certain else DOUBTFUL, judgement.method, codes, words
    )


def _reviews(rows: Rows, tx: StoredTransaction) -> _Reviews:
    codes: dict[str, str] = dict(open_reviews(rows, tx.id))
    return _Reviews(
        frozenset(codes) - LASTING - {Code.JUDGING_STOPPED},
        "; ".join(codes.values()),
        settled_by(rows, tx.id),
        frozenset(overruled(rows, tx.id)),
        bool(codes.keys() & (OF_THE_MATCH | {Code.JUDGING_STOPPED})),
    )
