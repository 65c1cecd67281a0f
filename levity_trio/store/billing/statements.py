"""Statements from their rows. A closed one has the names of its day; one that is not closed has
those of now.

On a statement, lines are numbered from 1: those that ask, in the order of their rows, then what is
held back. So a `Position` here has the number of its line where the database has the id of a row
(`line_of_position`).

A seal is a digest over a statement and the seal before, so that changed rows are found by comparing
paper. A content is a digest over the figures and positions of a statement; its seal adds the
number, the digest of its names, and the seal before. All are SHA-256 over JSON with sorted keys, in
hexadecimal digits.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cache, partial
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import orjson

from levity_trio.billing.describing import tax_of_series, words
from levity_trio.billing.money import CURRENCIES, tax_sums
from levity_trio.billing.statement import (
    NO_DIGEST,
    MeasuringMethod,
    Owner,
    Party,
    Position,
    PositionKind,
    Statement,
)
from levity_trio.charging.lifecycle import Kind
from levity_trio.store.billing.biller import NOBODY, Biller, address_lines, biller_of, newest_biller
from levity_trio.store.billing.quarters import corrected_since
from levity_trio.store.billing.rows import Names, before_of, lines_of, names_of, split_of, taxes_of
from levity_trio.store.billing.tariffs import parsed
from levity_trio.store.engine.database import Rows, marks
from levity_trio.told import N_, Told, joined, with_told
from levity_trio.wire.times import in_zone

BEGINNING: Final = ""
"""What stands before the first statement."""


class Figures(NamedTuple):
    """The columns of a statement that its content covers."""

    account_id: int
    month: str
    zone: str
    currency: str
    prices: str
    taxes: str
    charged: int
    carried_in: int
    total: int
    is_carried: int
    before: str | None = None
    """How the account stood."""
    evidence: str | None = None
    evidence_until: str | None = None


class PositionRow(NamedTuple):
    """The columns of a position that the content of its statement covers, in the order of the
    rows."""

    kind: str
    tx_id: int | None
    month: str | None
    corrects: int | None
    reason: str | None
    cp_id: str | None
    conn_id: int | None
    id_tag: str | None
    vehicle_id: int | None
    started_at: str | None
    ended_at: str | None
    energy_wh: int
    split: str | None
    is_prepaid: int
    lines: str
    amount: int
    told: str | None
    """The reason as a text."""
    begin_wh: int | None = None
    end_wh: int | None = None
    meter_serial: str | None = None
    charger_serial: str | None = None
    measured: str | None = None
    signed: str | None = None


FIGURES: Final = Figures._fields
OF_POSITION: Final = PositionRow._fields
UNASKED: Final = (PositionKind.HELD_BACK, PositionKind.UNPRICED)
"""They have no lines."""


def earlier_of(positions: Iterable[PositionRow], since: str) -> int:
    """Return what positions ask for of sessions that ended before a time, in Wh."""
    asked = (one for one in positions if one.kind not in UNASKED)
    return sum(one.energy_wh for one in asked if (one.ended_at or since) < since)


_STATEMENT: Final = (
    "SELECT number, printed_number, statement.previous_digest, statement.digest, closed_at, "  # noqa: S608
    f"biller_id, party, language, sheet, {', '.join(f'statement.{name}' for name in FIGURES)} "
    "FROM statement JOIN closing ON closing.id = closing_id LEFT "
    "JOIN statement_party ON statement_id = statement.id "
    "WHERE statement.id = ?"
)
POSITIONS: Final = (
    f"SELECT {', '.join(OF_POSITION)} FROM position WHERE statement_id = ? ORDER BY id"  # noqa: S608
)
_LINE: Final = (
    "SELECT statement_id, number, printed_number, (SELECT count(*) FROM position AS other "
    "WHERE other.statement_id = one.statement_id "
    "AND (other.kind IN ('held back', 'unpriced'), other.id) <= (one.kind IN ('held back', "
    "'unpriced'), one.id)) "
    "FROM position AS one "
    "JOIN statement ON statement.id = statement_id "
    "WHERE one.id = ?"
)
_ACCOUNT: Final = "SELECT name, address, contact, language, until FROM account WHERE id = ?"
_SPACES: Final = "SELECT cp_id, conn_id, name FROM space WHERE cp_id IN ({})"
_VEHICLES: Final = "SELECT id, name FROM vehicle WHERE id IN ({})"
_CHARGERS: Final = (
    "SELECT id, coalesce(name, id), (SELECT count(*) FROM cp_conn WHERE cp_id = cp.id "
    "AND conn_id > 0) FROM cp WHERE id IN ({})"
)
_REASONS: Final = (
    "SELECT tx_id, kind, reason, received_at FROM tx_event JOIN tx ON tx.id = tx_id "
    "WHERE tx_id IN ({}) AND reason <> '' AND who NOT IN ('charger', 'system') "
    "AND (kind <> 'close' OR stopped_by = 'system') "
    "ORDER BY tx_event.id"
)
"""What a person decided."""
_DECIDED: Final = N_(
    {
        Kind.CONFIRM: "confirmed: {1}",
        Kind.CORRECT: "corrected: {1}",
        Kind.CLOSE: "closed by hand: {1}",
        Kind.ATTACH: "a message of the charger was added: {1}",
        Kind.START: "made of a message of the charger: {1}",
        Kind.DISMISS: "confirmed: {1}",
    }
)
"""The decisions whose reason the household may read, as their forms say."""
_TARIFF: Final = (
    "SELECT toml FROM tariff_version JOIN tariff ON tariff.id = tariff_id "
    "WHERE name = ? AND since = ? ORDER BY tariff_version.id DESC LIMIT 1"
)
_SERIES: Final = "SELECT prices FROM series WHERE name = ?"
_CLOSED_AT: Final = (
    "SELECT closed_at FROM position JOIN statement ON statement.id = statement_id "
    "JOIN closing ON closing.id = closing_id WHERE position.id = ?"
)


_SUPPLEMENT: Final = (
    "SELECT sheet, digest, biller_id FROM supplement WHERE sheet IS NOT NULL AND id = ("
    "SELECT max(one.id) FROM statement JOIN closing ON closing.id = closing_id "
    "JOIN supplement AS one ON one.account_id = statement.account_id "
    "AND one.month = statement.month AND made_at >= closed_at WHERE statement.id = ?)"
)


class Printed(NamedTuple):
    """A statement, its templates, its language, and what it said when it was closed.

    The templates are the biller's of its closing, and the newest; None is the one of this program.
    The language is that of the household, as it was at the closing; None: that of the template. The
    sheet is None if it is not closed, and after the names were removed.
    """

    statement: Statement
    templates: tuple[str | None, ...]
    language: str | None = None
    sheet: str | None = None


class LineNumber(NamedTuple):
    """Where a position stands: the closed statement, its number, also as printed, and the number of
    the line on it."""

    statement_id: int
    number: int
    printed: str
    line: int


def statement(rows: Rows, statement_id: int) -> Statement:
    """Return a closed statement by the id of its row. Raises LookupError if there is none."""
    return closed(rows, statement_id).statement


def closed(rows: Rows, statement_id: int) -> Printed:
    """Return the same to be printed."""
    return next(printed(rows, (statement_id,)))


def printed(rows: Rows, statement_ids: Iterable[int]) -> Iterator[Printed]:
    """Yield closed statements with their templates; who bills is read once. Raises LookupError for
    an unknown id."""

    newest = newest_biller(rows)
    billers = cache(partial(biller_of, rows))
    for statement_id in statement_ids:
        found = rows(_STATEMENT, (statement_id,))
        if not found:
            raise LookupError(f"there is no statement with the id {statement_id}")
        number, name, previous_digest, digest, closed_at, *more = found[0]
        biller_id, party, language, sheet, *values = more
        figures, positions = (
            Figures(*values),
            [PositionRow(*row) for row in rows(POSITIONS, (statement_id,))],
        )
        biller = billers(biller_id)
        names = names_of(party) if party else None
        one = statement_of(rows, figures, positions, names, _owner(biller))
        day = _local_day(closed_at, figures.zone)
        closed = replace(one, number=str(number), printed_number=name, closed_on=day)
        sealed = replace(closed, digest=digest, previous_digest=previous_digest)
        yield Printed(sealed, _templates(biller, newest), language, sheet)


def supplement(rows: Rows, statement_id: int) -> Printed | None:
    """Return what was added to a closed statement, as a paper beside it; None if nothing was."""
    for sheet, digest, biller in rows(_SUPPLEMENT, (statement_id,)):
        one = closed(rows, statement_id)
        number = f"{one.statement.printed_number} supplement"
        owner = biller_of(rows, biller).owner
        added = replace(one.statement, printed_number=number, digest=digest, owner=owner)
        return one._replace(statement=added, sheet=sheet)
    return None


def not_closed(
    rows: Rows, statements: Iterable[tuple[Figures, Sequence[PositionRow]]]
) -> Iterator[Printed]:
    """Yield statements that are not closed, with the names of now."""
    newest = newest_biller(rows)
    for figures, positions in statements:
        names, language = names_now(rows, figures, positions)
        one = statement_of(rows, figures, positions, names, _owner(newest))
        yield Printed(one, _templates(newest), language)


def as_closed(one: Printed, number: int, name: str, previous: str, day: date) -> Printed:
    """Return a statement as it is when it is closed on a day, with the printed number `name`, but
    for its digest, which covers what it says."""
    closed = replace(one.statement, number=str(number), printed_number=name, closed_on=day)
    return one._replace(statement=replace(closed, digest=NO_DIGEST, previous_digest=previous))


def names_now(
    rows: Rows, figures: Figures, positions: Sequence[PositionRow]
) -> tuple[Names, str | None]:
    """Return the names that a statement with these figures would have if it were closed now, and
    its language."""
    ((name, address, contact, language, until),) = rows(_ACCOUNT, (figures.account_id,))
    left_on = _local_day(until, figures.zone, timedelta(microseconds=1))
    if left_on is not None and f"{left_on:%Y-%m}" > figures.month:
        left_on = None
    places = {(one.cp_id, connector) for one in positions for connector in (one.conn_id, 0)}
    chargers = {one.cp_id for one in positions if one.cp_id is not None}
    vehicles = {one.vehicle_id for one in positions if one.vehicle_id is not None}
    spaces = {
        (charger, connector): space
        for charger, connector, space in rows(
            _SPACES.format(marks(chargers) or "NULL"), [*chargers]
        )
        if (charger, connector) in places
    }
    for charger, called, known in rows(_CHARGERS.format(marks(chargers) or "NULL"), [*chargers]):
        used = [connector for at, connector in places if at == charger and connector]
        if known <= 1 and max(used, default=1) == 1:
            spaces.setdefault((charger, 0), called)
        elif called != charger and (charger, 0) not in spaces:
            for connector in used:
                spaces.setdefault((charger, connector), f"{called} · {connector}")
    names = Names(
        party=Party(name=name, address=address_lines(address), contact=contact),
        spaces=spaces,
        vehicles=dict(rows(_VEHICLES.format(marks(vehicles) or "NULL"), [*vehicles])),
        reasons=_reasons(rows, positions, ZoneInfo(figures.zone)),
        left_on=left_on,
    )
    return names, language


def _reasons(rows: Rows, positions: Sequence[PositionRow], zone: ZoneInfo) -> dict[int, str]:
    """Return what a person decided about sessions, and why, the newest of each kind; of a
    correction, only what he did since the statement that it corrects. Its prices are those of that
    statement; else it is told who corrected them after the end of the session."""
    asked = {one.tx_id: one for one in positions if one.tx_id and one.kind not in UNASKED}
    reasons: dict[int, dict[str, str]] = defaultdict(dict)
    for number, kind, reason, at in rows(_REASONS.format(marks(asked) or "NULL"), [*asked]):
        corrected = asked[number].corrects
        if kind not in _DECIDED:
            continue
        if corrected is None:
            reasons[number][kind] = Told(_DECIDED[kind], reason)
        elif at >= rows(_CLOSED_AT, (corrected,))[0][0]:
            reasons[number][kind] = reason
    for number, one in asked.items():
        if one.corrects is None and one.ended_at is not None:
            for done in corrected_since(rows, zone, lines_of(one.lines), one.ended_at):
                told = Told("{1} corrected prices after the session: {2}", done.by, done.reason)
                reasons[number][str(told)] = told
    return {number: joined("; ", of_kinds.values()) for number, of_kinds in reasons.items()}


def line_of_position(rows: Rows, position_id: int) -> LineNumber:
    """Return by which number people find a position."""
    return LineNumber(*rows(_LINE, (position_id,))[0])


def _owner(biller: Biller | None) -> Owner:
    return biller.owner if biller else NOBODY


def _templates(*billers: Biller | None) -> tuple[str | None, ...]:
    return tuple(dict.fromkeys(one.template for one in billers if one is not None)) or (None,)


def statement_of(
    rows: Rows,
    figures: Figures,
    positions: Sequence[PositionRow],
    names: Names | None,
    owner: Owner,
) -> Statement:
    """Return a statement without what its closing says. The names are None after they were
    removed."""
    in_order = sorted(positions, key=lambda one: one.kind in UNASKED)
    shown = [
        (one.kind in UNASKED, _position(rows, line, one, names))
        for line, one in enumerate(in_order, 1)
    ]
    prepaid = [line for _, one in shown if one.is_prepaid for line in one.lines]
    are_gross = figures.prices == "gross"
    return Statement(
        account=figures.account_id,
        month=date.fromisoformat(f"{figures.month}-01"),
        zone=figures.zone,
        currency=CURRENCIES[figures.currency],
        prices_are_gross=are_gross,
        to=names.party if names else None,
        owner=owner,
        positions=tuple(one for is_unasked, one in shown if not is_unasked),
        taxes=taxes_of(figures.taxes),
        carried_in=figures.carried_in,
        total=figures.total,
        is_carried=bool(figures.is_carried),
        held_back=tuple(one for is_unasked, one in shown if is_unasked),
        left_on=names.left_on if names else None,
        before=None if figures.before is None else before_of(figures.before),
        evidence=figures.evidence,
        tariffs=tuple(_tariffs(rows, [one for _, one in shown])),
        prepaid_taxes=tax_sums(prepaid, are_gross=are_gross),
    )


def _tariffs(rows: Rows, positions: Iterable[Position]) -> Iterator[tuple[str, date, str]]:
    """Yield the tariffs by which positions were computed, with their prices in words."""
    used = {(line.tariff, line.version) for one in positions for line in one.lines}
    for name, since in sorted(used):
        for (text,) in rows(_TARIFF, (name, since.isoformat())):
            tariff = parsed(text)
            moving = {one.moving.series for one in tariff.windows if one.moving is not None}
            # The paper says elsewhere what the first two and the last say.
            _name, _kind, *told, _rates = words(tariff)
            for series in sorted(moving):
                for (prices,) in rows(_SERIES, (series,)):
                    told.append(tax_of_series(tariff, series, are_gross=prices == "gross"))
            yield name, since, joined(" ", told)


def _position(rows: Rows, line: int, row: PositionRow, names: Names | None) -> Position:
    corrected = line_of_position(rows, row.corrects) if row.corrects else None
    return Position(
        id=line,
        transaction=row.tx_id,
        charger=row.cp_id,
        connector=row.conn_id,
        space=names.space(row.cp_id, row.conn_id) if names else None,
        tag=row.id_tag,
        vehicle=names.vehicles.get(row.vehicle_id)
        if names and row.vehicle_id is not None
        else None,
        started_at=_moment(row.started_at),
        ended_at=_moment(row.ended_at),
        energy_wh=row.energy_wh,
        **(split_of(row.split) if row.split else {"split": None}),
        lines=lines_of(row.lines),
        corrects=corrected.line if corrected else None,
        corrected_statement=str(corrected.number) if corrected else None,
        corrected_number=corrected.printed if corrected else None,
        reason=_reason(row, names),
        is_prepaid=bool(row.is_prepaid),
        begin_wh=row.begin_wh,
        end_wh=row.end_wh,
        meter_serial=row.meter_serial,
        charger_serial=row.charger_serial,
        measured=MeasuringMethod(row.measured) if row.measured else None,
        signed=row.signed,
    )


def _reason(row: PositionRow, names: Names | None) -> str | None:
    """Return why a line is as it is: in the words of the program, and of the owner."""
    owners = names.reasons.get(row.tx_id) if names and row.tx_id else None
    told = [one for one in (with_told(row.reason, row.told), owners) if one]
    return joined(": ", told) if len(told) > 1 else next(iter(told), None)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _local_day(text: str | None, zone: str, before: timedelta = timedelta()) -> date | None:
    moment = _moment(text)
    return in_zone(moment - before, ZoneInfo(zone)).date() if moment else None


def content_of(figures: Sequence[Any], positions: Iterable[Sequence[Any]]) -> str:
    """Return the digest over the FIGURES of a statement and OF_POSITION of each of its
    positions."""
    return _digest({"figures": list(figures), "positions": [list(row) for row in positions]})


def seal_of(number: int, content: str, party_digest: str, previous: str) -> str:
    """Return the seal of a statement."""
    return _digest(
        {"number": number, "content": content, "party": party_digest, "previous": previous}
    )


def party_digest(party: str) -> str:
    """Return the digest over a text of `statement_party`. It has salt: else names could be
    guessed."""
    return hashlib.sha256(party.encode()).hexdigest()


def _digest(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()
