"""Statements from their rows, closed ones and drafts. A draft has the names of now; a closed one has those of its day.

On a statement, lines are numbered from 1: those that ask, in the order of their rows, then what is held back. So a
`Position` here has the number of its line where the database has the id of a row (`line_of_position`).

A seal is a digest over a statement and the seal before, so that changed rows are found by comparing paper. A content is
a digest over the figures and positions of a statement; its seal adds the number, the digest of its names, and the seal
before. All are SHA-256 over JSON with sorted keys, in hexadecimal digits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import cache, partial
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import orjson

from levity_trio.billing.money import CURRENCIES
from levity_trio.billing.positions import Kind
from levity_trio.billing.statement import NO_DIGEST, Owner, Party, Position, Split, Statement
from levity_trio.store.billing.biller import NOBODY, address_lines, biller_of, newest_biller
from levity_trio.store.billing.rows import Names, lines_of, names_of, taxes_of
from levity_trio.store.connectors import Rows
from levity_trio.wire.times import in_zone

UNASKED: Final = (Kind.HELD_BACK, Kind.UNPRICED)
"""They have no lines."""
_STATEMENT: Final = (
    "SELECT statement.account_id, statement.month, zone, currency, prices, taxes, carried_in, total, is_carried,"
    " number, statement.previous_digest, statement.digest, closed_at, biller_id, party,"
    " CASE WHEN number IS NULL THEN account.language ELSE statement.language END, sheet"
    " FROM statement JOIN account ON account.id = statement.account_id"
    " LEFT JOIN closing ON closing.id = closing_id LEFT JOIN statement_party ON statement_id = statement.id"
    " WHERE statement.id = ?"
)
_POSITIONS: Final = (
    "SELECT kind, tx_id, corrects, reason, cp_id, conn_id, id_tag, vehicle_id, started_at, ended_at, energy_wh, split,"
    " is_prepaid, lines FROM position WHERE statement_id = ? ORDER BY kind IN ('held back', 'unpriced'), id"
)
_LINE: Final = (
    "SELECT statement_id, number, (SELECT count(*) FROM position AS other WHERE other.statement_id = one.statement_id"
    " AND (other.kind IN ('held back', 'unpriced'), other.id) <= (one.kind IN ('held back', 'unpriced'), one.id))"
    " FROM position AS one JOIN statement ON statement.id = statement_id WHERE one.id = ?"
)
_ACCOUNT: Final = "SELECT name, address, contact FROM account WHERE id = ?"
_SPACES: Final = (
    "SELECT DISTINCT space.cp_id, space.conn_id, name FROM position CROSS JOIN space"
    " ON space.cp_id = position.cp_id AND space.conn_id IN (position.conn_id, 0) WHERE statement_id = ?"
)
_VEHICLES: Final = (
    "SELECT DISTINCT vehicle.id, name FROM position CROSS JOIN vehicle ON vehicle.id = vehicle_id"
    " WHERE statement_id = ?"
)


class Printed(NamedTuple):
    """A statement, its templates, its language, and what it said when it was closed.

    The templates are the biller's of its closing, and the newest; None is the one of this program. The language is that
    of the household, as it was at the closing; None: that of the template; "": it was closed before papers had one. The
    sheet is None for a draft, after the names were removed, and until it is made of what was closed before sheets were.
    """

    statement: Statement
    templates: tuple[str | None, ...]
    language: str | None = None
    sheet: str | None = None


class LineNumber(NamedTuple):
    """Where a position stands: the statement (its number is None for a draft), and the number of the line on it."""

    statement_id: int
    number: int | None
    line: int


class _Row(NamedTuple):
    account: int
    month: str
    zone: str
    currency: str
    prices: str
    taxes: str
    carried_in: int
    total: int
    is_carried: int
    number: int | None
    previous_digest: str | None
    digest: str | None
    closed_at: str | None
    biller_id: int | None
    party: str | None
    language: str | None
    sheet: str | None


def statement(rows: Rows, statement_id: int) -> Statement:
    """Return a statement by the id of its row. Raises LookupError if there is none."""
    return next(printed(rows, (statement_id,))).statement


def printed(rows: Rows, statement_ids: Iterable[int]) -> Iterator[Printed]:
    """Yield statements with their templates; who bills is read once. Raises LookupError for an unknown id."""

    newest = newest_biller(rows)
    billers = cache(partial(biller_of, rows))
    for statement_id in statement_ids:
        statements = rows(_STATEMENT, (statement_id,))
        if not statements:
            raise LookupError(f"there is no statement with the id {statement_id}")
        row = _Row(*statements[0])
        biller = billers(row.biller_id) if row.biller_id else newest
        templates = tuple(dict.fromkeys(one.template for one in (biller, newest) if one is not None)) or (None,)
        statement = _statement(rows, statement_id, row, biller.owner if biller else NOBODY)
        yield Printed(statement, templates, row.language, row.sheet)


def closed_draft(rows: Rows, statement_id: int, number: int, previous: str, at: str) -> Printed:
    """Return a statement of a draft as it is when it is closed, but for its digest, which covers what it says."""
    (draft,) = printed(rows, (statement_id,))
    one = replace(draft.statement, number=str(number), closed_on=_local_day(at, draft.statement.zone))
    return draft._replace(statement=replace(one, digest=NO_DIGEST, previous_digest=previous))


def names_now(rows: Rows, statement_id: int, account: int) -> Names:
    """Return the names that a statement of this account would have if it were closed now."""
    ((name, address, contact),) = rows(_ACCOUNT, (account,))
    return Names(
        party=Party(name=name, address=address_lines(address), contact=contact),
        spaces={(charger, connector): space for charger, connector, space in rows(_SPACES, (statement_id,))},
        vehicles=dict(rows(_VEHICLES, (statement_id,))),
    )


def line_of_position(rows: Rows, position_id: int) -> LineNumber:
    """Return by which number people find a position."""
    return LineNumber(*rows(_LINE, (position_id,))[0])


def _statement(rows: Rows, statement_id: int, row: _Row, owner: Owner) -> Statement:
    names = _names(rows, statement_id, row)
    kinds, positions = _positions(rows, statement_id, names)
    shown = list(zip(kinds, positions, strict=True))
    return Statement(
        account=row.account,
        month=date.fromisoformat(f"{row.month}-01"),
        zone=row.zone,
        currency=CURRENCIES[row.currency],
        prices_are_gross=row.prices == "gross",
        to=names.party if names else None,
        owner=owner,
        positions=tuple(one for kind, one in shown if kind not in UNASKED),
        taxes=taxes_of(row.taxes),
        carried_in=row.carried_in,
        total=row.total,
        is_carried=bool(row.is_carried),
        held_back=tuple(one for kind, one in shown if kind in UNASKED),
        number=None if row.number is None else str(row.number),
        closed_on=_local_day(row.closed_at, row.zone),
        digest=row.digest,
        previous_digest=row.previous_digest,
    )


def _names(rows: Rows, statement_id: int, row: _Row) -> Names | None:
    """Return the names on a statement; None after they were removed."""
    if row.number is None:
        return names_now(rows, statement_id, row.account)
    return names_of(row.party) if row.party else None


def _positions(rows: Rows, statement_id: int, names: Names | None) -> tuple[Sequence[str], Sequence[Position]]:
    found = rows(_POSITIONS, (statement_id,))
    positions = [_position(rows, line, row[1:], names) for line, row in enumerate(found, 1)]
    return [row[0] for row in found], positions


def _position(rows: Rows, line: int, row: Sequence[Any], names: Names | None) -> Position:
    (tx, corrects, reason, charger, connector, tag, vehicle, started, ended, energy_wh, split, is_prepaid, lines) = row
    corrected = line_of_position(rows, corrects) if corrects else None
    return Position(
        id=line,
        transaction=tx,
        charger=charger,
        connector=connector,
        space=names.space(charger, connector) if names else None,
        tag=tag,
        vehicle=names.vehicles.get(vehicle) if names else None,
        started_at=_moment(started),
        ended_at=_moment(ended),
        energy_wh=energy_wh,
        split=Split(split) if split else None,
        lines=lines_of(lines),
        corrects=corrected.line if corrected else None,
        corrected_statement=str(corrected.number) if corrected else None,
        reason=reason,
        is_prepaid=bool(is_prepaid),
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _local_day(text: str | None, zone: str) -> date | None:
    moment = _moment(text)
    return in_zone(moment, ZoneInfo(zone)).date() if moment else None


BEGINNING: Final = ""
"""What stands before the first statement."""
FIGURES: Final = ("account_id", "month", "zone", "currency", "prices", "taxes", "charged", "carried_in", "total") + (
    "is_carried",
)
"""The columns of a statement that its content covers."""
OF_POSITION: Final = (
    *("kind", "tx_id", "month", "corrects", "reason", "cp_id", "conn_id", "id_tag", "vehicle_id", "started_at"),
    *("ended_at", "energy_wh", "split", "is_prepaid", "lines", "amount"),
)
"""The columns of a position that the content of its statement covers, in the order of the rows."""


def content_of(figures: Sequence[Any], positions: Iterable[Sequence[Any]]) -> str:
    """Return the digest over the FIGURES of a statement and OF_POSITION of each of its positions."""
    return _digest({"figures": list(figures), "positions": [list(row) for row in positions]})


def seal_of(number: int, content: str, party_digest: str, previous: str) -> str:
    """Return the seal of a statement."""
    return _digest({"number": number, "content": content, "party": party_digest, "previous": previous})


def party_digest(party: str) -> str:
    """Return the digest over a text of `statement_party`. It has salt: else names could be guessed."""
    return hashlib.sha256(party.encode()).hexdigest()


def _digest(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()
