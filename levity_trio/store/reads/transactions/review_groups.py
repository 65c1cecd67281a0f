"""Transactions in doubt that wait for one decision: those of one charger with the same doubts. And
what the judge will do with the next one of the kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.reviews import Code
from levity_trio.records import record
from levity_trio.store.cases.case import CEILING, OF_SISTERS
from levity_trio.store.cases.transaction import LAST_TIME
from levity_trio.store.engine.database import Database, marks, parts, rows_of
from levity_trio.store.lookups.connectors import connector_numbers
from levity_trio.store.reads.transactions.billed import billed_rows, whose
from levity_trio.told import in_stored

SEPARATOR: Final = ","
"""Between the codes of a cause."""
MOST_SHOWN: Final = 100
"""Transactions of a group that are shown, and decided in one write."""
_OPEN: Final = (
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
    "WHERE revoked_at IS NULL AND (habit.cp_id = ?1 "
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
    found, opened = _waiting(db)
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
    found, _ = _waiting(db)
    return tuple(number for numbers in found.values() if len(numbers) > 1 for number in numbers)


def _waiting(db: Database) -> tuple[Mapping[_GroupKind, list[int]], Mapping[int, str]]:
    """Return the transactions that wait by their kind, in the order of their starts, and when the
    first doubt of each opened."""
    chargers, codes, opened = dict[int, str](), defaultdict[int, set[str]](set), dict[int, str]()
    for number, charger, code, at in db.execute(_OPEN).fetchall():
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
    return None if codes is None else [*_waiting(db)[0].get(_GroupKind(charger, codes), [])]


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
    numbers = _waiting(db)[0].get(_GroupKind(charger, codes), [])
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
