"""What waits for a person: how much of each kind, the queue of transactions and messages, and the
possible answers.

Ended transactions of one charger with the same doubts are a group, which is decided at once. A
group also says what the judge will do with the next transaction of its kind.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any, Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.lifecycle import (
    Answer,
    State,
    about_message,
    about_transaction,
    state_of,
    takes,
)
from levity_trio.charging.reviews import Code
from levity_trio.records import record
from levity_trio.store.cases.case import CEILING, OF_SISTERS
from levity_trio.store.cases.transaction import LAST_TIME, NO_PERSONS
from levity_trio.store.engine.database import Database, marks, parts, rows_of
from levity_trio.store.lookups.connectors import connector_numbers
from levity_trio.store.reads.chargers.chargers import SET_ASIDE_ROW, SetAsideMessage
from levity_trio.store.reads.pages import (
    Branch,
    ListKeys,
    ListPage,
    Row,
    Shape,
    WantedPage,
    WhereCondition,
    given,
    read_page,
)
from levity_trio.store.reads.transactions.costs import billed_rows, whose
from levity_trio.store.reads.transactions.transactions import (
    OPERATOR,
    Transaction,
    transaction_rows,
)
from levity_trio.told import in_stored


@record
class Review:
    """Why a person should look at a transaction: the Wh of each candidate, and the two pieces that
    disagree."""

    id: int
    transaction: int
    code: str
    words: str
    figures: Any
    evidence: Any
    event: int | None
    opened_at: str
    resolved_at: str | None
    resolved_by: str | None
    resolution: str | None
    reason: str | None


@record
class QueueItem:
    """An item of the queue. `kind` is transaction, with its open reviews, or message. `at` is the
    time of either."""

    kind: str
    at: str
    charger: str
    transaction: Transaction | None = None
    reviews: tuple[Review, ...] = ()
    message: SetAsideMessage | None = None


def anonymous_review(review: Review) -> Review:
    """Return a review without the name and reason of the operator who resolved it."""
    if review.resolved_by is None or review.resolved_by in NO_PERSONS:
        return review
    return replace(review, resolved_by=OPERATOR, reason=None)


TRANSACTION: Final = "transaction"
MESSAGE: Final = "message"
_OWN_REASONS: Final = frozenset(("later facts", "its own stop came", "its charger goes on with it"))
"""Why the system resolved a review. A person gives another reason."""
_REVIEW: Final = (
    Shape(Review, event="tx_event_id")
    .beside(words="told", evidence="evidence_told", figures="figures_told")
    .with_own(_OWN_REASONS, "reason")
)
_QUEUED_TRANSACTIONS: Final = (
    f"(SELECT start_time AS at, '{TRANSACTION}' AS kind, id, cp_id FROM tx INDEXED BY tx_doubtful"  # noqa: S608 - ours
    " WHERE review IS NOT NULL)"
)
_QUEUED_MESSAGES: Final = (
    f"(SELECT received_at AS at, '{MESSAGE}' AS kind, id, cp_id FROM set_aside INDEXED BY "  # noqa: S608
    "set_aside_waiting WHERE looked_at IS NULL)"
)
_VISIBLE: Final = WhereCondition("cp_id NOT IN (SELECT id FROM hidden_cp)")


def queue(
    db: Database,
    charger: str | None,
    kind: str | None,
    wanted: WantedPage,
    *,
    is_newest_first: bool = True,
    is_alone: bool = False,
) -> ListPage[QueueItem]:
    """Return a page of the queue; without hidden chargers, unless one is named. `is_alone` leaves
    out the ended transactions that share charger and doubts with another. Raises NoPage."""
    conditions = given(("cp_id = ?", charger)) or [_VISIBLE]
    grouped = in_groups(db) if is_alone else ()
    own = [WhereCondition(f"id NOT IN ({marks(grouped)})", grouped)] if grouped else []
    sources = {TRANSACTION: (_QUEUED_TRANSACTIONS, own), MESSAGE: (_QUEUED_MESSAGES, [])}
    branches = [
        Branch(source, [*conditions, *more])
        for name, (source, more) in sources.items()
        if kind in (None, name)
    ]
    listing = ListKeys(branches, ("at", "kind", "id"), is_newest_first)
    return read_page(db, listing, wanted, lambda key: _waiting(db, key))


def _waiting(db: Database, key: Row) -> QueueItem:
    at, kind, number = key
    if kind == MESSAGE:
        message = SET_ASIDE_ROW.by_id(db, "set_aside")(key)
        return QueueItem(kind=kind, at=at, charger=message.charger, message=message)
    (one,) = transaction_rows(db, (number,))
    reviews = tuple(review for review in reviews_of(db, number) if review.resolved_at is None)
    return QueueItem(kind=kind, at=at, charger=one.charger, transaction=one, reviews=reviews)


def reviews_of(db: Database, number: int) -> list[Review]:
    """Return all reviews of a transaction, in the order in which they were opened."""
    found = _REVIEW.every(db, "FROM review WHERE tx_id = ? ORDER BY id", (number,))
    return [
        replace(one, figures=one.figures if isinstance(one.figures, str) else dict(one.figures))
        for one in found
    ]


NEWEST: Final = 50


@record
class Kind:
    """How many there are. `newest` are the times since when they wait, the newest first, 50 at
    most."""

    count: int
    newest: tuple[str, ...]


@record
class Counts:
    """What waits for a person, without what hidden chargers left."""

    transactions: Kind
    messages: Kind
    reports: Kind
    newcomers: Kind
    asked_tags: Kind


_TIMES_OF_TRANSACTIONS: Final = (
    "SELECT min(opened_at) AS since FROM review INDEXED BY review_open JOIN tx ON tx.id = tx_id"
    " WHERE resolved_at IS NULL AND cp_id NOT IN (SELECT id FROM hidden_cp) GROUP BY tx_id"
)
_TIMES_OF_MESSAGES: Final = (
    "SELECT received_at AS since "
    "FROM set_aside INDEXED BY set_aside_waiting "
    "WHERE looked_at IS NULL AND cp_id NOT IN (SELECT id FROM hidden_cp)"
)
_NEWCOMERS: Final = (
    "SELECT waiting_since AS since FROM cp "
    "WHERE registration = 'newcomer' AND waiting_since IS NOT NULL AND (hidden_at IS NULL "
    "OR is_connected = 1)"
)
_REPORTS: Final = (
    "SELECT written_at AS since FROM report INDEXED BY report_waiting WHERE answered_at IS NULL"
)
_ASKED: Final = "SELECT first_at AS since FROM asked_tag"


def counts(db: Database) -> Counts:
    """Return how much waits."""
    return Counts(
        transactions=_kind(db, _TIMES_OF_TRANSACTIONS),
        messages=_kind(db, _TIMES_OF_MESSAGES),
        reports=_kind(db, _REPORTS),
        newcomers=_kind(db, _NEWCOMERS),
        asked_tags=_kind(db, _ASKED),
    )


def _kind(db: Database, waiting: str) -> Kind:
    rows = db.execute(
        f"SELECT since, count(*) OVER () FROM ({waiting}) ORDER BY since DESC LIMIT {NEWEST}"  # noqa: S608 - our own words
    ).fetchall()
    return Kind(count=rows[0][1] if rows else 0, newest=tuple(since for since, _ in rows))


TRANSACTIONS, REVIEWS, SET_ASIDE = "transactions", "reviews", "set-aside"
_NEWEST_EVENT: Final = "SELECT max(id) FROM tx_event WHERE tx_id = ?"
_FRAME_OF_MESSAGE: Final = """
    SELECT set_aside.id, set_aside.cp_id, received_at, set_aside.action, tx_id, frame
    FROM set_aside
    JOIN evidence ON evidence.session_id = set_aside.session_id
        AND evidence.message_id = set_aside.message_id AND evidence.at = set_aside.received_at
    WHERE set_aside.id = ?
"""
_COLUMNS: Final = (
    "id, conn_id, id_tag, status, suspended_at, stopped_by, start_time, stop_time, meter_start, "
    "last_register_wh, energy_delivered"
)
_OPEN: Final = (
    f"SELECT {_COLUMNS} FROM tx INDEXED BY tx_open WHERE cp_id = ?1 AND status = 'Active'"  # noqa: S608 - ours
)
_NEWEST: Final = (
    f"SELECT {_COLUMNS} FROM tx "  # noqa: S608
    "WHERE id IN (SELECT (SELECT id FROM tx WHERE tx.cp_id = cp_conn.cp_id "
    "AND tx.conn_id = cp_conn.conn_id AND own_start_time <= ?2 "
    "ORDER BY own_start_time DESC, id DESC LIMIT 1) FROM cp_conn WHERE cp_conn.cp_id = ?1)"
)
"""The newest one of each connector that had begun by a time."""


@record(kw_only=False)
class Unlinked:
    """A message that was set aside, with its frame as received."""

    id: int
    charger: str
    received_at: str
    action: str
    transaction: int | None
    frame: str


@record(kw_only=False)
class FittingTransaction:
    """A transaction to which a message can be attached. Times in the database's format, registers
    and energy in Wh."""

    id: int
    connector: int | None
    id_tag: str | None
    state: State
    start_time: str
    stop_time: str | None
    meter_start_wh: int | None
    last_register_wh: int | None
    energy_wh: int | None


@record(kw_only=False)
class OfferedDecision:
    """A decision that is possible: about one of the transactions, reviews or messages
    (set-aside)."""

    answer: str
    subject: str
    id: int


@record
class ReviewItem(QueueItem):
    """An item of the queue: with the newest event of its transaction, by which a decision knows
    what was seen, the possible answers, and the transactions to which its message can be
    attached."""

    event: int | None
    answers: tuple[OfferedDecision, ...]
    fitting: tuple[FittingTransaction, ...]


def to_review(
    db: Database,
    charger: str | None,
    kind: str | None,
    wanted: WantedPage,
    *,
    is_newest_first: bool = True,
    is_alone: bool = False,
) -> ListPage[ReviewItem]:
    """Return a page of the queue. Raises NoPage."""
    found = queue(db, charger, kind, wanted, is_newest_first=is_newest_first, is_alone=is_alone)
    items = [_item(db, one) for one in found.data]
    return ListPage(
        items, found.page, found.limit, found.total, found.total_at_least, found.next_cursor
    )


def _item(db: Database, waiting: QueueItem) -> ReviewItem:
    tx, message = waiting.transaction, waiting.message
    answers, attachable = list[OfferedDecision](), list[FittingTransaction]()
    if tx is not None:
        state = State(tx.state)
        answers += [
            OfferedDecision(one, TRANSACTIONS, tx.id) for one in about_transaction(state, ())
        ]
        dismissible = (
            one for one in waiting.reviews if Answer.DISMISS in about_transaction(state, {one.code})
        )
        answers += [OfferedDecision(Answer.DISMISS, REVIEWS, one.id) for one in dismissible]
    if message is not None:
        possible = about_message(message.action, has_transaction=message.transaction is not None)
        answers += [OfferedDecision(one, SET_ASIDE, message.id) for one in possible]
        if message.transaction is None:
            attachable = fitting(db, message.charger, message.action, message.received_at)
    return ReviewItem(
        kind=waiting.kind,
        at=waiting.at,
        charger=waiting.charger,
        transaction=tx,
        reviews=waiting.reviews,
        message=message,
        event=None if tx is None else db.execute(_NEWEST_EVENT, (tx.id,)).fetchall()[0][0],
        answers=tuple(answers),
        fitting=tuple(attachable),
    )


def message(db: Database, number: int) -> Unlinked | None:
    """Return a message that was set aside."""
    found = db.execute(_FRAME_OF_MESSAGE, (number,)).fetchall()
    return Unlinked(*found[0]) if found else None


def fitting(db: Database, charger: str, action: str, received_at: str) -> list[FittingTransaction]:
    """Return the transactions to which a message of this charger can be attached: what is open, and
    the newest one of each connector; the newest first."""
    rows = db.execute(
        f"{_OPEN} UNION {_NEWEST} ORDER BY start_time DESC, id DESC", (charger, received_at)
    ).fetchall()
    transactions = [
        FittingTransaction(
            number, connector, tag, state_of(status, suspended_at is not None, stopped_by), *rest
        )
        for number, connector, tag, status, suspended_at, stopped_by, *rest in rows
    ]
    return [one for one in transactions if takes(action, one.state)]


SEPARATOR: Final = ","
"""Between the codes of a cause."""
MOST_SHOWN: Final = 100
"""Transactions of a group that are shown, and decided in one write."""
_IN_DOUBT: Final = (
    "SELECT tx_id, cp_id, code, opened_at "
    "FROM review INDEXED BY review_open JOIN tx ON tx.id = tx_id "
    "WHERE resolved_at IS NULL AND status = 'Completed' AND cp_id NOT IN (SELECT id "
    "FROM hidden_cp) "
    "ORDER BY start_time, tx_id"
)
_FIGURES: Final = (
    "SELECT figures_told FROM review WHERE tx_id = ? AND resolved_at IS NULL ORDER BY id"
)
_FIGURES_OF: Final = (
    "SELECT tx_id, figures_told FROM review WHERE tx_id IN ({}) AND resolved_at IS NULL ORDER BY id"
)
_NEWEST_EVENTS: Final = "SELECT tx_id, max(id) FROM tx_event WHERE tx_id IN ({}) GROUP BY tx_id"
_HABITS: Final = (
    "SELECT conn_id, kind, habit.id, transactions, value, asks_since, asks_by "  # noqa: S608 - our own words
    "FROM habit JOIN cp ON cp.id = ?1 "
    "WHERE revoked_at IS NULL AND transactions > 0 AND (habit.cp_id = ?1 "
    "AND firmware = coalesce(cp.firmware_version, '') "
    "AND meter_serial = coalesce(cp.meter_serial_number, '') "
    f"OR habit.id IN (SELECT habit.id{OF_SISTERS})) "
    "ORDER BY CASE habit.cp_id WHEN ?1 THEN 0 ELSE 1 END"
)
"""The habits of a charger, then those that its sisters proved."""
_SAID: Final = (
    "SELECT max_w FROM connector_data WHERE cp_id = ? AND conn_id = ? ORDER BY id DESC LIMIT 1"
)


class Outcome(StrEnum):
    """What becomes of a doubt of the next session, if nothing else speaks against its figure."""

    WAITS = "waits"
    """Nothing is learned: it waits for a person."""
    LEARNS = "learns"
    """It waits, until `needed` sessions have shown the habit and another source confirmed each."""
    CERTAIN = "certain"
    """The habit is known: the figure is certain, and nobody is asked."""
    ASKS = "asks"
    """The habit is known, but a person wants to be asked."""


@record
class NextSession:
    """What the judge will do about a doubt of the next session at a connector. `shown` of the
    `needed` sessions have shown the `habit`; `ceiling_w` is the highest power that nobody is asked
    about."""

    connector: int
    code: str
    outcome: Outcome
    habit: int | None
    shown: int
    needed: int
    ceiling_w: int | None
    asks_by: str | None


@record
class ReviewGroup:
    """Ended transactions of a charger with the same doubts. `cause` names these, `households` whose
    they are, `since` is when the first of them opened."""

    charger: str
    charger_name: str | None
    cause: str
    codes: tuple[str, ...]
    count: int
    transactions: tuple[int, ...]
    households: tuple[str, ...]
    since: str


@record
class GroupedTransaction:
    """A transaction of a group, with the newest event that was seen of it. `energy_wh` is the
    figure that confirming makes certain, `figures` are the others that its doubts name, by their
    words."""

    id: int
    event: int
    connector: int | None
    space: str | None
    account: int | None
    who: str | None
    start_time: str
    stop_time: str | None
    energy_wh: int
    figures: Mapping[str, int]


@record
class GroupPreview:
    """A group with the figure that each of its transactions would get; a page of them, the oldest
    first. `next` is what becomes of the next session of the kind, also when none waits any longer.

    `event` is the newest event of the site: a decision about all of them is about those that have
    no newer one. `totals` is what all would get, in Wh, by the name of the figure that each gets;
    "" is the proposed one, others are those that every transaction has.
    """

    charger: str
    charger_name: str | None
    cause: str
    codes: tuple[str, ...]
    count: int
    page: int
    event: int
    totals: Mapping[str, int]
    data: tuple[GroupedTransaction, ...]
    next: tuple[NextSession, ...]


class _GroupKind(NamedTuple):
    charger: str
    codes: tuple[str, ...]


def groups(db: Database) -> list[ReviewGroup]:
    """Return all groups, those with most transactions first."""
    found, opened = _by_kind(db)
    shown = [number for numbers in found.values() for number in numbers[:MOST_SHOWN]]
    names = {
        number: who
        for number, (account, who) in whose(db, shown).items()
        if account is not None and who
    }
    told = [
        ReviewGroup(
            charger=kind.charger,
            charger_name=_name(db, kind.charger),
            cause=SEPARATOR.join(kind.codes),
            codes=kind.codes,
            count=len(numbers),
            transactions=tuple(numbers[:MOST_SHOWN]),
            households=tuple(sorted({names[one] for one in numbers[:MOST_SHOWN] if one in names})),
            since=min(opened[number] for number in numbers),
        )
        for kind, numbers in found.items()
    ]
    return sorted(told, key=lambda one: (-one.count, one.since, one.charger, one.cause))


def _name(db: Database, charger: str) -> str | None:
    return next(
        (name for (name,) in db.execute("SELECT name FROM cp WHERE id = ?", (charger,)).fetchall()),
        None,
    )


def in_groups(db: Database) -> tuple[int, ...]:
    """Return the ended transactions that share charger and doubts with another."""
    found, _ = _by_kind(db)
    return tuple(number for numbers in found.values() if len(numbers) > 1 for number in numbers)


def _by_kind(db: Database) -> tuple[Mapping[_GroupKind, list[int]], Mapping[int, str]]:
    """Return the transactions that wait by their kind, in the order of their starts, and when the
    first doubt of each opened."""
    chargers, codes, opened = dict[int, str](), defaultdict[int, set[str]](set), dict[int, str]()
    for number, charger, code, at in db.execute(_IN_DOUBT).fetchall():
        chargers[number] = charger
        codes[number].add(code)
        opened[number] = min(at, opened.get(number, at))
    found = defaultdict[_GroupKind, list[int]](list)
    for number, charger in chargers.items():
        found[_GroupKind(charger, tuple(sorted(codes[number])))].append(number)
    return found, opened


class PageOf(NamedTuple):
    """A page of the transactions of a group; the first page is 1."""

    page: int = 1
    limit: int = MOST_SHOWN


def codes_of(cause: str) -> tuple[str, ...] | None:
    """Return the doubts that a cause names, None for one that no doubt has."""
    codes = tuple(sorted({*cause.split(SEPARATOR)}))
    return codes if {*codes} <= {*Code} else None


def members(db: Database, charger: str, cause: str) -> list[int] | None:
    """Return the transactions of a group, the oldest first; None for a cause that no doubt has."""
    codes = codes_of(cause)
    return None if codes is None else [*_by_kind(db)[0].get(_GroupKind(charger, codes), [])]


def grouped(db: Database, numbers: Sequence[int]) -> list[GroupedTransaction]:
    """Return transactions of a group as they are now."""
    return [*_grouped(db, numbers)]


def _totals(db: Database, numbers: Sequence[int]) -> dict[str, int]:
    """Return what transactions would get in sum, by the name of the figure that each gets."""
    figures, proposed = dict[int, dict[str, int]](), dict[int, int]()
    for some in parts(numbers):
        among = marks(some)
        proposed.update(
            db.execute(
                f"SELECT id, coalesce(energy_delivered, 0) FROM tx WHERE id IN ({among})",  # noqa: S608
                some,
            )
        )
        for number, text in db.execute(_FIGURES_OF.format(among), some).fetchall():
            figures.setdefault(number, {}).update(dict(in_stored(text)))
    shared = (
        set.intersection(*(set(figures.get(number, {})) for number in numbers))
        if numbers
        else set[str]()
    )
    totals = {name: sum(figures[number][name] for number in numbers) for name in sorted(shared)}
    return {"": sum(proposed.values()), **totals}


def preview(db: Database, charger: str, cause: str, wanted: PageOf) -> GroupPreview | None:
    """Return a group, None for a cause that no doubt has."""
    codes = codes_of(cause)
    if codes is None:
        return None
    numbers = _by_kind(db)[0].get(_GroupKind(charger, codes), [])
    begin = (wanted.page - 1) * wanted.limit
    data = tuple(_grouped(db, numbers[begin : begin + wanted.limit]))
    ((event,),) = db.execute("SELECT coalesce(max(id), 0) FROM tx_event").fetchall()
    places = sorted({one.connector or 0 for one in data}) or connector_numbers(
        rows_of(db), charger, "tx"
    )
    return GroupPreview(
        charger=charger,
        charger_name=_name(db, charger),
        cause=SEPARATOR.join(codes),
        codes=codes,
        count=len(numbers),
        page=wanted.page,
        event=event,
        totals=_totals(db, numbers),
        data=data,
        next=tuple(_next(db, charger, places, codes)),
    )


def _grouped(db: Database, numbers: Sequence[int]) -> Iterator[GroupedTransaction]:
    if not numbers:
        return
    events = dict(db.execute(_NEWEST_EVENTS.format(marks(numbers)), tuple(numbers)).fetchall())
    known = {one.id: one for one in billed_rows(db, numbers)}
    for one in map(known.__getitem__, numbers):
        told = [dict(in_stored(text)) for (text,) in db.execute(_FIGURES, (one.id,)).fetchall()]
        figures = {words: wh for figures in told for words, wh in figures.items()}
        yield GroupedTransaction(
            id=one.id,
            event=events[one.id],
            connector=one.connector,
            space=one.space,
            account=one.account,
            who=one.who,
            start_time=one.start_time,
            stop_time=one.stop_time,
            energy_wh=one.energy_wh or 0,
            figures=figures,
        )


def _next(
    db: Database, charger: str, places: Sequence[int], codes: Sequence[str]
) -> Iterator[NextSession]:
    known = db.execute(_HABITS, (charger, LAST_TIME)).fetchall()
    habits = {(connector, kind): rest for connector, kind, *rest in known}
    for connector in places:
        said = db.execute(_SAID, (charger, connector)).fetchall()
        _, times, most, *_ = habits.get((connector, CEILING), (None, 0, None))
        ceiling_w = (said[0][0] if said else None) or (most if times >= tolerances.MANY else None)
        for code in codes:
            habit, shown, _, asks_since, asks_by = habits.get(
                (connector, code), (None, 0, None, None, None)
            )
            yield NextSession(
                connector=connector,
                code=code,
                outcome=_outcome(habit, shown, asks_since),
                habit=habit,
                shown=shown,
                needed=tolerances.MANY,
                ceiling_w=ceiling_w if code == Code.TOO_FAST else None,
                asks_by=asks_by,
            )


def _outcome(habit: int | None, shown: int, asks_since: str | None) -> Outcome:
    """As `habits_of` in store/cases/case.py has it."""
    if habit is None:
        return Outcome.WAITS
    if asks_since is not None:
        return Outcome.ASKS
    return Outcome.CERTAIN if shown >= tolerances.MANY else Outcome.LEARNS
