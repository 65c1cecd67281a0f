"""Dates transactions by our clock if that of their charger was behind (rules.md, Time).

If it is not known whether the clock was behind, or it was set during the transaction, the times as sent may be right
all the same. Then a person decides, unless both give one price.
"""

from __future__ import annotations

from datetime import timedelta

from levity_trio.charging.reviews import Code, Doubt
from levity_trio.charging.sent.evidence import seconds
from levity_trio.charging.sent.readings import Moment
from levity_trio.charging.tolerances import LATE_SECONDS, REJUDGE_SECONDS, SAME_BEHIND_SECONDS, SPAN_SECONDS
from levity_trio.store.billing.pricing import Pricer, Rule
from levity_trio.store.clocks import Dating, dating
from levity_trio.store.connectors import connectors
from levity_trio.store.settled import OPEN_REVIEWS, SYSTEM
from levity_trio.store.transaction import Known
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.transactions.reviews import is_known, open_review, resolve
from levity_trio.store.writes.transactions.states import open_ones
from levity_trio.wire.times import shifted_stamp

NEWEST = 10
"""So many transactions of a connector are looked at again, if their charger's clock turns out to be behind."""
_DATE = (
    "UPDATE tx SET start_time = ?, stop_time = ?, start_behind_seconds = ?, stop_behind_seconds = ?,"
    " is_clock_unsure = ? WHERE id = ?"
)
DUE = "judge_after = coalesce(judge_after, ?1), judge_steps = CASE WHEN judge_after IS NULL THEN 0 ELSE judge_steps END"
"""Has a transaction judged again by a fact of its own: no judgement of a neighbour led there."""
_ASK = f"UPDATE tx SET {DUE} WHERE id = ?2"  # noqa: S608 - our own names
_ASKED = "UPDATE tx SET judge_after = NULL WHERE id = ?"
_LOOK_AGAIN = (
    f"UPDATE tx SET {DUE} WHERE id IN (SELECT id FROM tx WHERE cp_id = ?2"  # noqa: S608 - our own names
    " AND conn_id = ?3 ORDER BY created_at DESC, id DESC LIMIT ?4) AND status = 'Completed' AND judged_at IS NOT NULL"
    " AND (is_clock_unsure = 1"
    " OR (start_behind_seconds = 0 AND abs(start_skew_seconds + ?5) <= ?6 AND own_start_time <= ?7)"
    " OR (stop_behind_seconds = 0 AND abs(stop_skew_seconds + ?5) <= ?6 AND own_stop_time <= ?7))"
)


def date(db: UnitOfWork, tx: Known, found: Dating, *, is_settled: bool = False) -> Known:
    """Correct the times of a transaction by what is known of its charger's clock; return it as stored.

    An open one only if that is sure. Corrections that differ by no more than the way of a message are one. A person who
    settled a transaction went by its times then: if they change, that person decides again, unless both give one price.
    """
    if tx.stop_time is None and not found.is_sure:
        return tx
    dated = _dated(tx, found)
    behind = ((tx.start_behind, dated.start_behind), (tx.stop_behind, dated.stop_behind))
    is_same = all(bool(old) is bool(new) and abs(old - new) <= SAME_BEHIND_SECONDS for old, new in behind)
    if is_same and (is_settled or tx.is_clock_unsure == dated.is_clock_unsure):
        return tx
    if is_settled:
        dated = dated._replace(is_clock_unsure=int(bool(dated.start_behind or dated.stop_behind)))
    values = (dated.start_time, dated.stop_time, dated.start_behind, dated.stop_behind, dated.is_clock_unsure)
    db.execute(_DATE, (*values, tx.id))
    return dated


def _dated(tx: Known, found: Dating) -> Known:
    """Return a transaction with corrected times. Times that were interpreted otherwise stay."""
    start = _later(tx.start_time, -tx.start_behind)
    start_behind = int(found.start.seconds) if start == tx.own_start_time else 0
    dated = tx._replace(start_time=_later(start, start_behind), start_behind=start_behind, is_clock_unsure=0)
    if tx.stop_time is None:
        return dated
    stop = _later(tx.stop_time, -tx.stop_behind)
    stop_behind = _stop_behind(dated, stop, found)
    is_unsure = not found.is_sure and bool(start_behind or stop_behind)
    return dated._replace(stop_time=_later(stop, stop_behind), stop_behind=stop_behind, is_clock_unsure=int(is_unsure))


def _stop_behind(dated: Known, stop: str, found: Dating) -> int:
    """Return by how much the time of an end is behind; one that the system set is not before the last sign."""
    if dated.stopped_by != SYSTEM:
        return int(found.stop.seconds) if stop == dated.own_stop_time else 0
    if not dated.start_behind:
        return 0
    last = _later(dated.last_reading_at or dated.own_start_time, dated.start_behind)
    return max(0, round(seconds(max(last, dated.start_time)) - seconds(stop)))


def _later(at: str, by: float) -> str:
    return shifted_stamp(at, timedelta(seconds=by)) if by else at


def look_again(db: UnitOfWork, origin: Origin, moment: Moment, ending: int = 0) -> None:
    """Have the last transactions of a charger judged again if a message, which is no reading, is as late as theirs:
    together they may show that the clock is behind. Those that are open are dated at once, but for the one that the
    message is `ending`: that is dated when it is judged."""
    skew = moment.skew_seconds
    if skew is None or skew >= -LATE_SECONDS or not moment.is_believable:
        return
    for one in open_ones(db, origin.charger):
        is_as_late = one.start_skew is not None and abs(one.start_skew - skew) <= SAME_BEHIND_SECONDS
        if is_as_late and not one.start_behind and one.id != ending:
            date(db, one, dating(db.rows, one))
    due = _later(origin.received_at, REJUDGE_SECONDS)
    long_before = _later(moment.understood, -SPAN_SECONDS)
    for connector in connectors(db.rows, origin.charger, "tx"):
        db.execute(_LOOK_AGAIN, (due, origin.charger, connector, NEWEST, -skew, SAME_BEHIND_SECONDS, long_before))


def ask_later(db: UnitOfWork, tx: Known, at: str) -> None:
    """Have the prices of a transaction compared, if its times are not sure: whoever does so knows by what is billed.
    If they are, resolve what was asked about them."""
    if tx.is_clock_unsure:
        db.execute(_ASK, (at, tx.id))
    elif tx.review is not None:
        resolve(db, tx.id, Code.CLOCK_UNSURE, at, SYSTEM, "judged again", "later facts")


def ask(db: UnitOfWork, tx: Known, at: str, rule: Rule) -> None:
    """Open a review if the price of a transaction, whose times are not sure, depends on them; resolve it if not."""
    prices = Pricer(db.rows, rule).by_both_times(tx.id)
    doubt = None if prices is None else Doubt(Code.CLOCK_UNSURE, prices.words, (prices.corrected, prices.sent))
    for code, words in db.rows(OPEN_REVIEWS, (tx.id,)):
        if code == Code.CLOCK_UNSURE and (doubt is None or doubt.words != words):
            resolve(db, tx.id, Code.CLOCK_UNSURE, at, SYSTEM, "judged again", "later facts")
    if doubt is not None and not is_known(db, tx.id, doubt):
        ((event,),) = db.rows("SELECT max(id) FROM tx_event WHERE tx_id = ?", (tx.id,))
        open_review(db, tx.id, doubt, event, at)
    db.execute(_ASKED, (tx.id,))
