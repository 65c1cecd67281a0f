"""What drivers reported and what was answered; and which chargers that are away would still admit a
lost card."""

from __future__ import annotations

from typing import Final

from levity_trio.access.local_lists import folded
from levity_trio.access.tags import Status
from levity_trio.records import Personal, copied, record
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.lookups import local_lists as stored
from levity_trio.store.reads.chargers.chargers import SERVED
from levity_trio.store.reads.pages import WhereCondition, given, where
from levity_trio.store.reads.shapes import Shape

MOST: Final = 500


@record
class DriverReport:
    """What a driver reported about a session, a statement (or a session or another `line` on it), a
    charger or a lost card.

    Without `answered_at` it waits. What was written is null after the household's personal data
    were deleted.
    """

    id: int
    account: int
    household: str
    about: str
    transaction: int | None
    statement: int | None
    printed_number: str | None
    """That of the statement, as it stands on the paper."""
    charger: str | None
    charger_name: str | None
    id_tag: str | None
    line: int | None
    words: Personal[str | None]
    written_at: str
    written_by: Personal[str | None]
    answer: Personal[str | None]
    answered_at: str | None
    answered_by: str | None


@record
class WaitingReport(DriverReport):
    """A report. `still_listed` are the chargers that are away and still have a lost card in their
    list."""

    still_listed: tuple[str, ...]


_NUMBER: Final = "(SELECT printed_number FROM statement WHERE number = report.statement_number)"
_SHAPE: Final = Shape(
    DriverReport,
    id="report.id",
    account="report.account_id",
    household="account.name",
    statement="report.statement_number",
    printed_number=_NUMBER,
    charger="report.cp_id",
    charger_name="cp.name",
)
_FROM: Final = (
    "FROM report JOIN account ON account.id = report.account_id "
    "LEFT JOIN cp ON cp.id = report.cp_id"
)


@record(kw_only=False)
class ReportFilters:
    """A filter of reports; None means all."""

    account: int | None = None
    transaction: int | None = None
    statement: int | None = None
    charger: str | None = None
    id_tag: str | None = None
    number: int | None = None
    is_waiting: bool | None = None


def reports(db: Database, wanted: ReportFilters) -> list[DriverReport]:
    """Return reports, the newest first."""
    conditions = given(
        ("report.account_id = ?", wanted.account),
        ("report.tx_id = ?", wanted.transaction),
        ("report.statement_number = ?", wanted.statement),
        ("report.cp_id = ?", wanted.charger),
        ("lower(report.id_tag) = lower(?)", wanted.id_tag),
        ("report.id = ?", wanted.number),
    )
    if wanted.is_waiting is not None:
        negated = "" if wanted.is_waiting else "NOT "
        conditions.append(WhereCondition(f"answered_at IS {negated}NULL"))
    clause, values = where(conditions)
    # an index has those that wait
    order = "written_at DESC, report.id DESC" if wanted.is_waiting else "report.id DESC"
    return _SHAPE.every(db, f"{_FROM}{clause} ORDER BY {order} LIMIT {MOST}", values)


def waiting_reports(db: Database, wanted: ReportFilters) -> list[WaitingReport]:
    """Return the same with the chargers that may still accept a lost card."""
    found: list[WaitingReport] = []
    for one in reports(db, wanted):
        is_lost = one.id_tag is not None and one.answered_at is None
        listed = still_listed(db, one.id_tag or "") if is_lost else []
        found.append(copied(WaitingReport, one, still_listed=tuple(listed)))
    return found


_AWAY: Final = (
    f"SELECT id, coalesce(name, id) FROM cp WHERE is_connected = 0 AND {SERVED} ORDER BY id"  # noqa: S608 - ours
)


def still_listed(db: Database, id_tag: str) -> list[str]:
    """Return the names of the chargers that are away and still have a card in their list as one
    that may charge."""
    rows, names = rows_of(db), list[str]()
    for charger, name in rows(_AWAY, ()):
        known = stored.known(rows, charger)
        contents = [] if known is None else [known.content, known.sent and known.sent.content]
        found = [(one or {}).get(folded(id_tag)) for one in contents]
        if any(one is not None and one["idTagInfo"]["status"] == Status.ACCEPTED for one in found):
            names.append(name)
    return names
