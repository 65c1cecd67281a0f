"""All that is known of one transaction, in order: what happened, what its figure is based on, and
what speaks against.

Everything is read from one snapshot. The candidates are those of today's rules and facts; the
stored figure may be older.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Final

from levity_trio.charging.energy import Judgement
from levity_trio.charging.explain import Interpretation, weigh
from levity_trio.charging.lifecycle import State
from levity_trio.charging.refute.shared import counted
from levity_trio.charging.sent.evidence import Case
from levity_trio.records import record
from levity_trio.signed.checking import OTHER_FORMAT
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.cases.case import case_of
from levity_trio.store.cases.neighbours import BeforeAndAfter, ChargerHistory
from levity_trio.store.cases.settled import SYSTEM
from levity_trio.store.cases.transaction import (
    StoredTransaction,
    by_our_clock,
    find_transaction,
    span,
)
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.reads.pages import Shape
from levity_trio.store.reads.transactions.bill.reading import bill_of
from levity_trio.store.reads.transactions.bill.shape import Bill
from levity_trio.store.reads.transactions.review_queue import Review, anonymous_review, reviews_of
from levity_trio.store.reads.transactions.steps import Step, steps_of
from levity_trio.store.reads.transactions.transactions import ACTIVE, Transaction, transaction_rows


@record
class ReadingSummary:
    """The readings of one kind: how many, since when, until when, and the smallest and the largest
    value as sent.

    `first_wh` and `last_wh` are the billed register in Wh, in order of time.
    """

    source: str
    measurand: str
    phase: str
    unit: str
    context: str
    count: int
    first_at: str
    last_at: str
    least: float | None
    most: float | None
    first_wh: int | None
    last_wh: int | None


@record
class Neighbour:
    """The previous or next transaction on the connector. `gap_wh` is the energy between the two;
    negative: overlap."""

    id: int
    status: str
    begin_wh: int | None
    end_wh: int | None
    gap_wh: int | None


@record
class ParallelTransaction:
    """A transaction on another connector, perhaps of another charger, that ran at the same time and
    tells the same register: both are one meter.

    While both ran, it rose `from_wh` to `until_wh`. Of that, its car drew `most_wh` at most; 0:
    next to nothing.
    """

    id: int
    charger: str
    connector: int
    begin_wh: int
    end_wh: int | None
    from_wh: int
    until_wh: int
    most_wh: int


@record
class TodaysFigure:
    """What today's rules give for today's facts."""

    wh: int
    method: str
    confidence: str
    doubts: tuple[str, ...]
    is_as_stored: bool


@record
class SignedValues:
    """What a meter signed of a session. `state` is proven (its energy), doubtful (they contradict
    it, or a signature is wrong) or unproven (they cannot be checked, or do not suffice); `words` is
    why.

    `energy_wh` is the signed difference. `key` is the fingerprint of the key that fits, null if
    none does; its owner entered it, unless `is_key_told` by the charger. `is_timed` is whether the
    times are proven, too, `has_file` whether there is a file for the transparency software.
    """

    state: str
    words: str
    energy_wh: int | None
    key: str | None
    is_key_told: bool
    is_timed: bool
    has_file: bool


_SIGNED: Final = Shape(
    SignedValues,
    words="told",
    energy_wh="wh",
    is_key_told="key IS NOT NULL AND is_owners = 0",
    has_file=f"(SELECT told NOT LIKE '%{OTHER_FORMAT}%')",
).with_texts("words")


def signed_values(db: Database, number: int) -> SignedValues | None:
    """Return what a meter signed of a session; None: nothing, or it has not ended."""
    found = _SIGNED.every(db, "FROM signed_check WHERE tx_id = ?", (number,))
    return found[0] if found else None


@record
class ExplainedTransaction:
    """What is known of a transaction. An open one has no candidates yet, an imported one has none
    and no neighbours.

    `settled_by` is who settled its figure. `bill` is whose it is, what it costs, and on which
    statement it stands; viewers do not see it. `signed` is null unless its meter signs.
    """

    transaction: Transaction
    settled_by: str | None
    today: TodaysFigure | None
    candidates: tuple[Interpretation, ...]
    readings: tuple[ReadingSummary, ...]
    before: Neighbour | None
    after: Neighbour | None
    beside: tuple[ParallelTransaction, ...]
    reviews: tuple[Review, ...]
    steps: tuple[Step, ...]
    signed: SignedValues | None
    bill: Bill | None


_SAMPLED: Final = Shape(
    ReadingSummary,
    count="CAST(sum(coalesce(run_count, 1)) AS INTEGER)",
    first_at="min(timestamp)",
    last_at="max(timestamp)",
    least="min(CAST(coalesce(run_low, value) AS REAL))",
    most="max(CAST(coalesce(run_high, value) AS REAL))",
    first_wh="NULL",
    last_wh="NULL",
)
_GROUPS: Final = (
    "FROM meter_val "
    "WHERE cp_id = ? AND conn_id = ? AND timestamp BETWEEN ? AND ? AND tx_id = ? "
    "AND format <> 'SignedData' GROUP BY source, measurand, phase, unit, context "
    "ORDER BY source, measurand, phase, unit, context"
)
_REGISTER: Final = (
    "SELECT wh FROM meter_val "
    "WHERE cp_id = ?1 AND conn_id = ?2 AND timestamp BETWEEN ?3 AND ?4 AND tx_id = ?5 "
    "AND wh IS NOT NULL AND source = ?6 AND measurand = ?7 AND phase = ?8 AND unit = ?9 "
    "AND context = ?10 "
    "ORDER BY timestamp {0}, id {0} LIMIT 1"
)


def explain(
    db: Database,
    number: int,
    rule: Rule,
    *,
    now: datetime | None = None,
    is_anonymous: bool = False,
    is_weighed: bool = True,
) -> ExplainedTransaction | None:
    """Return all that is known of a transaction; None if it does not exist. An open one costs what
    it would cost `now`.

    If `is_anonymous`, without frames, remote starts, names of accounts, and the names and reasons
    of operators. Unless `is_weighed`, without all that needs every reading: candidates, what
    today's rules give, and kinds of readings.
    """
    tx = find_transaction(rows_of(db), number)
    if tx is None:
        return None
    (shown,) = transaction_rows(db, (number,))
    reviews = tuple(
        map(anonymous_review, reviews_of(db, number)) if is_anonymous else reviews_of(db, number)
    )
    is_judged = shown.state != State.IMPORTED
    is_figured = is_weighed and is_judged and tx.status != ACTIVE
    course = ChargerHistory(rows_of(db), tx.charger)
    around = course.around(tx) if is_judged else BeforeAndAfter((), ())
    case = case_of(course, tx) if is_figured else None
    judgement, weighed = (None, []) if case is None else weigh(case)
    return ExplainedTransaction(
        transaction=shown,
        settled_by=next(
            (one.resolved_by for one in reversed(reviews) if one.resolved_by not in (None, SYSTEM)),
            None,
        ),
        today=None if judgement is None else _today(judgement, tx),
        candidates=tuple(weighed),
        readings=tuple(_sampled(db, tx)) if is_weighed else (),
        before=next((_neighbour(one, one.end, tx.meter_start) for one in around.before), None),
        after=next(
            (_neighbour(one, tx.billed_until or tx.meter_stop, one.begin) for one in around.after),
            None,
        ),
        beside=()
        if case is None or judgement is None
        else tuple(_beside(tx.charger, case, judgement)),
        reviews=reviews,
        steps=tuple(steps_of(db, tx, reviews, is_anonymous=is_anonymous)),
        signed=signed_values(db, number),
        bill=None if is_anonymous else bill_of(db, number, rule, now),
    )


def _today(judgement: Judgement, tx: StoredTransaction) -> TodaysFigure:
    return TodaysFigure(
        wh=judgement.wh,
        method=judgement.method,
        confidence=judgement.confidence,
        doubts=tuple(doubt.words for doubt in judgement.doubts),
        is_as_stored=judgement.wh == tx.energy_delivered,
    )


def _beside(charger: str, case: Case, judgement: Judgement) -> Iterator[ParallelTransaction]:
    for found in counted(case, judgement.billed_from, judgement.billed_until):
        beside, common = (
            found.other,
            {"from_wh": found.begin, "until_wh": found.end, "most_wh": found.most},
        )
        charging_there = beside.charger or charger
        yield ParallelTransaction(
            id=beside.id,
            charger=charging_there,
            connector=beside.connector,
            begin_wh=beside.begin,
            end_wh=beside.end,
            **common,
        )


def _sampled(db: Database, tx: StoredTransaction) -> list[ReadingSummary]:
    of_it = (tx.charger, tx.connector or 0, *span(tx), tx.id)
    found = [_with_register(db, of_it, one) for one in _SAMPLED.every(db, _GROUPS, of_it)]
    ours = partial(by_our_clock, tx)
    return [replace(one, first_at=ours(one.first_at), last_at=ours(one.last_at)) for one in found]


def _with_register(
    db: Database, of_it: tuple[object, ...], summary: ReadingSummary
) -> ReadingSummary:
    kind = (summary.source, summary.measurand, summary.phase, summary.unit, summary.context)
    first, last = (
        next(
            chain.from_iterable(db.execute(_REGISTER.format(order), (*of_it, *kind)).fetchall()),
            None,
        )
        for order in ("ASC", "DESC")
    )
    return replace(summary, first_wh=first, last_wh=last)


def _neighbour(one: StoredTransaction, ended: int | None, begun: int | None) -> Neighbour:
    gap = None if ended is None or begun is None else begun - ended
    return Neighbour(id=one.id, status=one.status, begin_wh=one.begin, end_wh=one.end, gap_wh=gap)
