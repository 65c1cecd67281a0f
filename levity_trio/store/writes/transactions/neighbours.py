"""A transaction and its neighbours: unbilled energy between two on a connector, and judging neighbours again, on other
connectors, too (rules.md, Transactions, Energy)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from levity_trio.charging.lifecycle import Cause, State
from levity_trio.charging.refute.exchanged import is_about
from levity_trio.charging.refute.overlaps import overlap
from levity_trio.charging.reviews import Code
from levity_trio.events import EnergyUnbilled
from levity_trio.store.beside import AROUND, Span, may_share, newest_beside, spans_beside
from levity_trio.store.cases import span_of
from levity_trio.store.transaction import COLUMNS, LAST_TIME, Known
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.transactions.judging import following, judge_again
from levity_trio.store.writes.transactions.reviews import OPEN_REVIEWS
from levity_trio.store.writes.transactions.states import load, state

_NEXT_TO = f"SELECT {COLUMNS} FROM tx WHERE cp_id = ? AND conn_id = ? AND (own_start_time, id)"  # noqa: S608 - ours
BEFORE = f"{_NEXT_TO} < (?, ?) ORDER BY own_start_time DESC, id DESC LIMIT {AROUND}"
AFTER = f"{_NEXT_TO} > (?, ?) ORDER BY own_start_time, id LIMIT 1"


def compare_neighbours(db: UnitOfWork, origin: Origin, transaction: int) -> None:
    """Compare a transaction that began or ended with its neighbours on the connector.

    An offline charger sends late, so those after it may be stored already; unbilled energy that changes is recorded
    again.
    """
    tx = load(db, transaction)
    where = (tx.charger, tx.connector, tx.own_start_time, tx.id)
    earlier = [Known(*row) for row in db.rows(BEFORE, where)]
    before = earlier[:1]
    after = following(db, tx)
    pairs = [*((one, tx) for one in _without_repetition(earlier)), *((tx, one) for one in after[:1])]
    for first, second in pairs:
        _record_unbilled(db, origin, first, second)
    doubted = [one for one in earlier if _is_shared(db, one)] + _passing_over(tx, earlier) + _not_reset(tx, earlier)
    at_once = _judge_beside(db, origin, tx)
    for one in doubted:
        _judge_beside(db, origin, one)
    for one in before:
        _judge_exchanged(db, origin, one, tx)
    if _stops_at_another(tx, at_once) or any(_begins_at_another(db, one, tx) for one in before):
        for one in (tx, *earlier):
            _judge_sharing(db, origin, one)
    arrived = tx.stop_received_at or tx.created_at
    late = [one for one in after if one.judged_at is not None and one.judged_at <= arrived]
    touched = dict.fromkeys((*late, *doubted, *(one for one in (*before, *after) if _is_touched(tx, one))))
    for other in touched:
        judge_again(db, origin, other.id, Cause.LATER)
    if touched and tx.review is not None:  # a neighbour may have another range now
        judge_again(db, origin, tx.id, Cause.LATER)


def _without_repetition(earlier: Sequence[Known]) -> Sequence[Known]:
    """Return the previous transaction; the one before if all of its range was counted before, up to a lower end."""
    place = next((number for number, one in enumerate(earlier) if not _is_counted_before(one)), 0)
    is_lower = all((one.billed_until or 0) < (earlier[place].billed_until or 0) for one in earlier[:place])
    return earlier[place : place + 1] if is_lower else earlier[:1]


def _is_counted_before(tx: Known) -> bool:
    return tx.energy_delivered == 0 and tx.billed_from != tx.billed_until


def _judge_beside(db: UnitOfWork, origin: Origin, tx: Known) -> list[Span]:
    """Judge the transactions on other connectors again that tell the same register, or were held to. Return all that
    ran at once with it."""
    own = span_of(tx)
    at_once = list(chain.from_iterable(spans_beside(db.rows, own, LAST_TIME).values()))
    for span in at_once:
        if may_share(own, span) or _has_review(db, span.id, Code.SHARED_REGISTER):
            judge_again(db, origin, span.id, Cause.LATER)
    return at_once


def _judge_exchanged(db: UnitOfWork, origin: Origin, before: Known, tx: Known) -> None:
    """Judge the transaction on another connector again at whose stop a transaction begins, instead of at that of the
    previous one here: the charger may have confused the ids of the two stops."""
    begin, stop = tx.meter_start, before.meter_stop
    if begin is None or stop is None or is_about(begin, stop):
        return
    for span in chain.from_iterable(spans_beside(db.rows, span_of(before), LAST_TIME).values()):
        if span.charger == tx.charger and span.stop is not None and is_about(begin, span.stop):
            next_there = db.rows(AFTER, (span.charger, span.connector, span.own_began, span.id))
            for one in (before.id, span.id, *(Known(*row).id for row in next_there)):
                judge_again(db, origin, one, Cause.LATER)


def _begins_at_another(db: UnitOfWork, before: Known, tx: Known) -> bool:
    """Whether a transaction begins above the previous stop, where another connector stands: they may have one meter."""
    begin, stop = tx.meter_start, before.meter_stop
    if begin is None or stop is None or begin < stop or is_about(begin, stop):
        return False
    stands = (wh for one in newest_beside(db.rows, span_of(tx)) for wh in (one.begin, one.stop))
    return any(wh is not None and is_about(begin, wh) for wh in stands)


def _stops_at_another(tx: Known, at_once: Sequence[Span]) -> bool:
    """Whether a transaction stops where one on another connector did that ran at once with it."""
    stop = tx.meter_stop if tx.stopped_by != "system" and tx.meter_stop != tx.meter_start else None
    return stop is not None and any(one.stop is not None and is_about(stop, one.stop) for one in at_once)


def _judge_sharing(db: UnitOfWork, origin: Origin, tx: Known) -> None:
    """Judge a transaction again, and those on other connectors beside it whose registers meet its own."""
    own = span_of(tx)
    meeting = [one for spans in spans_beside(db.rows, own, LAST_TIME).values() for one in spans if may_share(own, one)]
    for one in dict.fromkeys((tx.id, *(span.id for span in meeting)) if meeting else ()):
        if not _has_review(db, one, Code.SHARED_REGISTER):
            judge_again(db, origin, one, Cause.LATER)


def _is_touched(tx: Known, other: Known) -> bool:
    """Whether a transaction is new evidence about one next to it, because that is in doubt, the two overlap, the
    register fell from that to this one, or this one begins above its stop, which may be old, wrong or in another unit.
    """
    begin, end = tx.billed_from if tx.billed_from is not None else tx.meter_start, tx.billed_until
    if other.review is not None or (None not in (begin, other.meter_stop) and (begin or 0) > (other.meter_stop or 0)):
        return True
    if other.billed_from is None or other.billed_until is None:
        return False
    if begin:  # at 0, it may count each transaction
        own = (begin, begin if end is None else end)
        if overlap(own, (other.billed_from, other.billed_until), is_at_once=True):  # the judge knows whether they were
            return True
        if begin < other.billed_from and other.own_start_time < tx.own_start_time:
            return True
    return state(other) is State.CLOSED and (other.own_start_time, other.id) < (tx.own_start_time, tx.id)


def _not_reset(tx: Known, earlier: Sequence[Known]) -> list[Known]:
    """Return the previous transaction if it began where the one before ended, and this one begins at 0: these registers
    may count each transaction."""
    if len(earlier) < 2 or tx.meter_start != 0:
        return []
    previous, last = earlier[:2]
    return [previous] if previous.meter_start and previous.meter_start == last.billed_until else []


def _passing_over(tx: Known, earlier: Sequence[Known]) -> list[Known]:
    """Return the previous transaction if it began at or below the start of the one before and went beyond its end, and
    this one goes on from there: its own start may be an old one."""
    if len(earlier) < 2 or tx.meter_start is None:
        return []
    (last, before), begin = earlier[:2], tx.meter_start
    ends = (last.billed_from, before.billed_from, before.billed_until, last.billed_until)
    known = [wh for wh in ends if wh is not None]
    return [last] if len(known) == len(ends) and [*known, begin] == sorted([*known, begin]) else []


def _is_shared(db: UnitOfWork, tx: Known) -> bool:
    """Whether a transaction is under review for a shared register, which later starts on its connector may refute."""
    return tx.review is not None and _has_review(db, tx.id, Code.SHARED_REGISTER)


def _has_review(db: UnitOfWork, transaction: int, code: Code) -> bool:
    return any(found == code for found, _ in db.rows(OPEN_REVIEWS, (transaction,)))


def _record_unbilled(db: UnitOfWork, origin: Origin, before: Known, after: Known) -> None:
    """Record unbilled energy, which left the connector between the two transactions, once the earlier has a figure."""
    begin = after.meter_start if after.billed_from is None else after.billed_from
    if begin is None or before.billed_until is None:
        return
    unbilled = max(0, begin - before.billed_until)
    ((known,),) = db.rows("SELECT coalesce(unbilled_wh, 0) FROM tx WHERE id = ?", (after.id,))
    if unbilled == known:
        return
    db.execute("UPDATE tx SET unbilled_wh = ? WHERE id = ?", (unbilled, after.id))
    fact = EnergyUnbilled(
        charger=origin.charger,
        at=origin.received_at,
        transaction=after.id,
        connector=after.connector,
        energy_wh=unbilled,
        before_wh=known,
    )
    db.record(fact, origin.session)
