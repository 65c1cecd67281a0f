"""A start that arrives after its own stop, for which a transaction with an unknown start was opened: it is the start of
that one, and no second transaction begins.

A charger may give up a start that gets no answer, send what follows, and try the start again hours later.
"""

from __future__ import annotations

from levity_trio.access.tags import Policy
from levity_trio.charging import tolerances
from levity_trio.charging.lifecycle import Cause, Kind, State
from levity_trio.charging.names import comparable_tag
from levity_trio.charging.reviews import Code, Doubt
from levity_trio.charging.sent.evidence import seconds
from levity_trio.charging.sent.moments import corrected
from levity_trio.store.idle import was_available
from levity_trio.store.settled import SYSTEM
from levity_trio.store.transaction import COLUMNS, Known
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.authorization import Judged, judge_start, record_refusal
from levity_trio.store.writes.effects import Use, use_reservation
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.transactions import history
from levity_trio.store.writes.transactions.history import Entry
from levity_trio.store.writes.transactions.judging import judge_now
from levity_trio.store.writes.transactions.linking import link_earlier
from levity_trio.store.writes.transactions.neighbours import compare_neighbours
from levity_trio.store.writes.transactions.requests import Start, Started
from levity_trio.store.writes.transactions.reviews import open_review, resolve
from levity_trio.store.writes.transactions.states import load, revised_skew, state
from levity_trio.store.writes.transactions.unknown_starts import copy_to_connector

_ON_CONNECTOR = f"SELECT {COLUMNS} FROM tx WHERE cp_id = ? AND conn_id IS ? AND own_start_time"  # noqa: S608 - ours
BEFORE = f"{_ON_CONNECTOR} < ? ORDER BY own_start_time DESC, id DESC LIMIT 1"
SINCE = f"{_ON_CONNECTOR} >= ? ORDER BY own_start_time, id LIMIT 1"
_READ = "FROM meter_val WHERE cp_id = ? AND conn_id = ? AND timestamp BETWEEN ? AND ? AND tx_id = ?"
LOWEST = f"SELECT min(wh) {_READ}"
FIRST = f"SELECT DISTINCT timestamp {_READ} ORDER BY timestamp LIMIT 2"


def find(db: UnitOfWork, origin: Origin, request: Start) -> Known | None:
    """Return the transaction with an unknown start that this start fits by time and register; else None. With another
    tag than its stop, it fits only if the first reading came soon after it.

    It is the next one on the connector, which was not available in between, and the previous one ended before. If only
    transactionData showed its energy, its connector is unknown, too.
    """
    place = (origin.charger, request.connector, request.moment.understood)
    places = [place, (origin.charger, None, request.moment.understood)] if request.moment.is_believable else []
    found = [Known(*row) for each in places for row in db.rows(SINCE, each)]
    fitting = [tx for tx in found if _is_without_start(tx) and _fits(db, origin, request, tx)]
    before = [Known(*row) for row in db.rows(BEFORE, place)] if fitting else []
    is_free = all(one.own_stop_time is not None and one.own_stop_time <= request.moment.understood for one in before)
    return fitting[0] if fitting and is_free else None


def _is_without_start(tx: Known) -> bool:
    return tx.told_id is not None and tx.meter_start is None and state(tx) in (State.STOPPED, State.JOINED)


def _fits(db: UnitOfWork, origin: Origin, request: Start, tx: Known) -> bool:
    if not _is_of_tag(request, tx) and not _goes_on(db, request, tx):
        return False
    rise, began = (_lowest(db, tx) or 0) - request.meter_start, request.moment.understood
    lasted = _apart(began, tx.own_start_time) + tolerances.AHEAD_SECONDS
    if not 0 <= rise <= tolerances.FASTEST_W * lasted / 3600:
        return False
    since = tx._replace(own_start_time=began, created_at=min(began, tx.created_at), last_reading_at=None)
    return not was_available(db.rows, since, tx.own_start_time, origin.received_at)


def _lowest(db: UnitOfWork, tx: Known) -> int | None:
    """Return the lowest register that a transaction is known to have had, in Wh."""
    ((lowest,),) = db.rows(LOWEST, _of_readings(tx))
    return min((wh for wh in (lowest, tx.meter_stop) if wh is not None), default=None)


def _of_readings(tx: Known) -> tuple[str, int, str, str, int]:
    """Return the parameters of _READ."""
    until = max(tx.last_reading_at or "", tx.own_stop_time or "")
    return tx.charger, tx.connector or 0, tx.own_start_time, until, tx.id


def take(db: UnitOfWork, origin: Origin, request: Start, tx: Known, policy: Policy) -> Started:
    """Store a start with the transaction that waited for it, and judge that again."""
    judged = judge_start(db, policy, origin, request.connector, request.id_tag)
    _store(db, origin, request, tx, judged)
    if tx.connector is None:
        copy_to_connector(db, tx, request.connector)
    entry = Entry(Kind.START, "charger", request.moment, "its start came later", request.message)
    added = history.add(db, origin, tx.id, entry)
    if not judged.is_asked:
        record_refusal(db, origin, tx.id, judged.verdict)
    use_reservation(db, origin, Use(tx.id, request.connector, request.id_tag, request.reservation_id))
    resolve(db, tx.id, Code.OTHER_SERVER, origin.received_at, SYSTEM, "answered", "its start came")
    link_earlier(db, origin, tx.id)
    if (doubt := _doubt(db, request, load(db, tx.id))) is not None:
        open_review(db, tx.id, doubt, added.id, origin.received_at)
    judge_now(db, origin.session, origin.received_at, load(db, tx.id), Cause.LATER)
    compare_neighbours(db, origin, tx.id)
    return Started(tx.id, judged.verdict, judged.is_asked)


def _store(db: UnitOfWork, origin: Origin, request: Start, tx: Known, judged: Judged) -> None:
    moment = request.moment
    start_time = corrected(moment, origin.received_at, revised_skew(db, origin, moment))
    skew = round(_apart(tx.created_at, moment.understood))  # as if it had arrived with what followed it
    db.execute(
        "UPDATE tx SET conn_id = ?, start_time = ?, own_start_time = ?, sent_start_time = ?, start_skew_seconds = ?,"
        " id_tag = ?, meter_start = ?, sent_meter_start = ?, reservation_id = ?, verdict = ?, verdict_expiry = ?,"
        " verdict_parent = ?, is_asked = ?, told_id = NULL, start_behind_seconds = 0, updated_at = ? WHERE id = ?",
        (request.connector, start_time, moment.understood, moment.sent, skew, request.id_tag, request.meter_start)
        + (request.sent_meter_start, request.reservation_id, *judged.verdict, judged.is_asked)
        + (origin.received_at, tx.id),
    )


def _doubt(db: UnitOfWork, request: Start, tx: Known) -> Doubt | None:
    """Return the doubt about a start after which no reading came for long: another transaction, of which stop and next
    start were lost, may have ended in between. Or about one with another tag than the stop."""
    began, is_of_tag = request.moment.understood, _is_of_tag(request, tx._replace(id_tag=tx.stop_id_tag))
    if is_of_tag and _goes_on(db, request, tx):
        return None
    first = min((at for (at,) in db.rows(FIRST, _of_readings(tx))), default="?")
    fits = "time, register and tag" if is_of_tag else f"time and register; it was stopped with the tag {tx.stop_id_tag}"
    words = f"its start arrived after its stop, and fits only this one by {fits}"
    evidence = (f"meterStart {request.meter_start} Wh at {began}", f"the first reading at {first}")
    return Doubt(Code.STOP_WITHOUT_ID, words, evidence)


def _is_of_tag(request: Start, tx: Known) -> bool:
    """Whether the tag of a stop is that of the start, or none."""
    return comparable_tag(tx.id_tag) in (None, comparable_tag(request.id_tag))


def _goes_on(db: UnitOfWork, request: Start, tx: Known) -> bool:
    """Whether the first reading came soon after the start, by the usual time between two readings."""
    first = [at for (at,) in db.rows(FIRST, _of_readings(tx))]
    lasted = _apart(request.moment.understood, first[0]) if first else 0.0
    return len(first) == 2 and lasted <= tolerances.USUAL_GAPS * _apart(*first)


def _apart(before: str, after: str) -> float:
    return seconds(after) - seconds(before)
