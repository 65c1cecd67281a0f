"""What is missing before a month can be closed: what blocks, what comes later, and what its papers
would lack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any, Final

from levity_trio.billing.months import Month
from levity_trio.records import in_order, record
from levity_trio.store.billing.months import begun
from levity_trio.store.engine.database import Database, Rows, rows_of
from levity_trio.store.reads.chargers.served import served
from levity_trio.store.reads.money.billing import DraftSums
from levity_trio.store.reads.money.months import DOUBT, BillMonth, MonthState

NAMED: Final = 20
"""Things of a kind that are named; `count` is of all."""


class Weight(StrEnum):
    """What comes of it: the month cannot be closed; it comes on a later statement; or a paper lacks
    something."""

    BLOCKS = "blocks"
    LATER = "later"
    PAPER = "paper"


class Lack(StrEnum):
    """What is missing, in the order in which it is told."""

    NOT_OVER = "not_over"
    EARLIER_MONTH = "earlier_month"
    NO_BILLER = "no_biller"
    NO_TARIFF = "no_tariff"
    UNPRICED = "unpriced"
    DOUBTFUL = "doubtful"
    MESSAGES = "messages"
    NOBODYS = "nobodys"
    AWAY = "away"
    NO_BANK_ACCOUNT = "no_bank_account"
    NO_ADDRESS = "no_address"
    UNREAD_METER = "unread_meter"


@record
class MissingSubject:
    """A charger, household or meter that it is about; `since` is since when it is away."""

    id: str
    name: str
    since: str | None = None


@record
class MissingPiece:
    """Something that is missing: how many there are, of how much energy, and which.

    `month` is the one to close before, `at` when this one is over.
    """

    code: Lack
    weight: Weight
    count: int = 1
    energy_wh: int | None = None
    month: str | None = None
    at: str | None = None
    things: tuple[MissingSubject, ...] = ()


_BILLER: Final = "SELECT bank_account IS NOT NULL FROM biller ORDER BY id DESC LIMIT 1"
_TARIFF: Final = "SELECT 1 FROM tariff_version WHERE withdrawn_at IS NULL LIMIT 1"
_DOUBTFUL: Final = (
    "SELECT count(*), coalesce(sum(energy_delivered), 0) FROM cp "  # noqa: S608
    "CROSS JOIN tx INDEXED BY tx_by_end ON cp_id = cp.id "
    "WHERE stop_time >= ? AND stop_time < ? AND tx.status = 'Completed' AND imported_id IS NULL "
    f"AND {DOUBT}"
)
_MESSAGES: Final = (
    "SELECT count(*) FROM set_aside WHERE looked_at IS NULL AND received_at < ?"
    " AND cp_id NOT IN (SELECT id FROM hidden_cp)"
)
_WITHOUT_ADDRESS: Final = (
    "FROM account WHERE coalesce(address, '') = '' AND since < ? AND coalesce(until, '9999') > ?"
)
_UNREAD: Final = (
    "FROM meter "
    "WHERE since < ? AND coalesce(until, '9999') > ? AND NOT EXISTS (SELECT 1 FROM meter_reading "
    "WHERE meter_id = meter.id AND voided_at IS NULL AND at >= ?)"
)


def missing(db: Database, month: BillMonth, sums: DraftSums | None) -> list[MissingPiece]:
    """Return what is missing before a month can be closed; nothing of one that is closed.

    `sums` is what it would come to, None if it is not its turn, or nothing has a price.
    """
    if month.state is MonthState.CLOSED:
        return []
    rows = rows_of(db)
    lacks = [*_blocking(rows, month, sums), *_later(db, rows, month, sums), *_on_paper(rows, month)]
    return [lack for lack in lacks if lack.count]


def _blocking(rows: Rows, month: BillMonth, sums: DraftSums | None) -> Iterator[MissingPiece]:
    known = begun(rows)
    if month.state is MonthState.RUNNING:
        yield MissingPiece(code=Lack.NOT_OVER, weight=Weight.BLOCKS, at=month.until)
    if known is not None and known.open_month != Month.parse(month.month):
        yield MissingPiece(
            code=Lack.EARLIER_MONTH, weight=Weight.BLOCKS, month=str(known.open_month)
        )
    if not rows(_BILLER, ()):
        yield MissingPiece(code=Lack.NO_BILLER, weight=Weight.BLOCKS)
    if not rows(_TARIFF, ()):
        yield MissingPiece(code=Lack.NO_TARIFF, weight=Weight.BLOCKS)
    if sums is not None:
        yield _counted(Lack.UNPRICED, Weight.BLOCKS, sums.unpriced, sums.unpriced_wh)


def _later(
    db: Database, rows: Rows, month: BillMonth, sums: DraftSums | None
) -> Iterator[MissingPiece]:
    yield _counted(Lack.DOUBTFUL, Weight.LATER, *rows(_DOUBTFUL, (month.since, month.until))[0])
    ((messages,),) = rows(_MESSAGES, (month.until,))
    yield MissingPiece(code=Lack.MESSAGES, weight=Weight.LATER, count=messages)
    if sums is not None:
        yield _counted(Lack.NOBODYS, Weight.LATER, sums.nobody, sums.nobody_wh)
    away = [
        MissingSubject(id=charger.id, name=charger.name or charger.id, since=charger.since)
        for charger in served(db)
        if not charger.is_connected and charger.since is not None and charger.since < month.until
    ]
    yield _of_things(Lack.AWAY, Weight.LATER, away, len(away))


def _on_paper(rows: Rows, month: BillMonth) -> Iterator[MissingPiece]:
    biller = rows(_BILLER, ())
    if biller and not biller[0][0]:
        yield MissingPiece(code=Lack.NO_BANK_ACCOUNT, weight=Weight.PAPER)
    span = (month.until, month.since)
    yield _named(rows, Lack.NO_ADDRESS, _WITHOUT_ADDRESS, span)
    if month.state is not MonthState.RUNNING:
        yield _named(rows, Lack.UNREAD_METER, _UNREAD, (*span, month.until))


def _counted(code: Lack, weight: Weight, count: int, energy_wh: int) -> MissingPiece:
    return MissingPiece(code=code, weight=weight, count=count, energy_wh=energy_wh)


def _named(rows: Rows, code: Lack, among: str, values: Sequence[Any]) -> MissingPiece:
    """Return households or meters, by their names."""
    ((count,),) = rows(f"SELECT count(*) {among}", values)
    found = sorted(rows(f"SELECT id, name {among}", values), key=lambda row: in_order(row[1]))[
        :NAMED
    ]
    return _of_things(
        code, Weight.PAPER, [MissingSubject(id=str(key), name=name) for key, name in found], count
    )


def _of_things(
    code: Lack, weight: Weight, things: Sequence[MissingSubject], count: int
) -> MissingPiece:
    return MissingPiece(code=code, weight=weight, count=count, things=tuple(things[:NAMED]))
