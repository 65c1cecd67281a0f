"""What stands as JSON in the rows of statements: lines, taxes, and names. Here alone it is written
and read.

The texts are sealed by digests, so the same values always give the same text. Amounts are minor
units; prices and rates are texts with the decimals that they were given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from datetime import date, datetime
from fractions import Fraction
from typing import Any, Final

import msgspec
import orjson

from levity_trio.billing.statement import (
    AccountBefore,
    Line,
    Party,
    Position,
    QuarterCost,
    Split,
    TaxSum,
)
from levity_trio.records import names_of as fields_of
from levity_trio.records import record
from levity_trio.told import of_stored, stored
from levity_trio.wire.times import stamp

_OF_LINE: Final = fields_of(Line)
_MARKS: Final = {1: "is_divided", 2: "is_fallback", 4: "is_unmeasured"}
"""How the marks of a quarter are stored: as the sum of these."""
_OF_TAX: Final = fields_of(TaxSum)


@record
class Names:
    """The names on a statement: of the household, and of the places and vehicles of its charging
    sessions."""

    party: Party
    spaces: Mapping[tuple[str, int], str] = field(default_factory=dict)
    """By charger and connector; connector 0 is the charger as a whole."""
    vehicles: Mapping[int, str] = field(default_factory=dict)
    reasons: Mapping[int, str] = field(default_factory=dict)
    """What the owner decided about charging sessions, and wrote about it; it may name people."""
    left_on: date | None = None
    """The last day of a household that moved out in the month."""

    def space(self, charger: str | None, connector: int | None) -> str | None:
        """Return the name of a connector, or else that of its charger."""
        if charger is None:
            return None
        return self.spaces.get((charger, connector or 0)) or self.spaces.get((charger, 0))


def line_row(line: Line) -> list[Any]:
    """Return a line as a row: its fields, in their order; what is empty at the end is left out."""
    return [
        *(line.kind.value, line.tariff, line.version.isoformat(), line.window),
        *(line.quantity, line.of_days, f"{line.price:f}", line.amount, f"{line.tax_rate:f}"),
        *([[_quarter_row(one) for one in line.quarters]] if line.quarters else ()),
        *([[], [*map(stamp, line.times)]] if line.times else ()),
    ]


def _quarter_row(one: QuarterCost) -> list[Any]:
    marks = sum(bit for bit, name in _MARKS.items() if getattr(one, name))
    return [one.quarter, one.wh, str(one.price), *([marks] if marks else ())]


def _quarter_of(quarter: int, wh: int, price: str, marks: int = 0) -> QuarterCost:
    told = {name: bool(marks & bit) for bit, name in _MARKS.items()}
    return QuarterCost(quarter=quarter, wh=wh, price=Fraction(price), **told)


def line_of(row: Sequence[Any]) -> Line:
    """Return the line of a row."""
    told = dict(zip(_OF_LINE, row, strict=False))
    quarters = told.pop("quarters", ())
    line = msgspec.convert(told, Line)
    return replace(line, quarters=tuple(_quarter_of(*one) for one in quarters))


def lines_text(lines: Iterable[Line]) -> str:
    """Return lines as the text of `position.lines`."""
    return _text([line_row(line) for line in lines])


def lines_of(text: str) -> tuple[Line, ...]:
    """Return the lines of a text of `position.lines`."""
    return tuple(map(line_of, orjson.loads(text)))


def split_text(position: Position) -> str | None:
    """Return by what a position was divided, and where, as the text of `position.split`."""
    if position.split is None:
        return None
    seams = [f"{stamp(at)}={wh}" for at, wh in position.seams]
    return " ".join((position.split, *seams))


def split_of(text: str) -> dict[str, Any]:
    """Return the fields of a position that a text of `position.split` has."""
    split, *told = text.split(" ")
    seams = [(datetime.fromisoformat(at), int(wh)) for at, wh in (one.split("=") for one in told)]
    return {"split": Split(split), "seams": tuple(seams)}


def taxes_text(taxes: Iterable[TaxSum]) -> str:
    """Return sums by tax rate as the text of `statement.taxes`."""
    return _text([[f"{tax.rate:f}", tax.net, tax.tax, tax.gross] for tax in taxes])


def taxes_of(text: str) -> tuple[TaxSum, ...]:
    """Return the sums of a text of `statement.taxes`."""
    rows = [dict(zip(_OF_TAX, row, strict=True)) for row in orjson.loads(text)]
    return msgspec.convert(rows, tuple[TaxSum, ...])


def before_text(before: AccountBefore) -> str:
    """Return how an account stood as the text of `statement.before`."""
    return msgspec.json.encode(before, order="sorted").decode()


def before_of(text: str) -> AccountBefore:
    """Return how an account stood by a text of `statement.before`."""
    return msgspec.json.decode(text, type=AccountBefore)


def names_text(names: Names, salt: str, sheet: str) -> str:
    """Return names as the text of `statement_party.party`. Without salt, names could be guessed
    from its digest.

    The digest of the statement's sheet, with that salt, is in the text, and sealed with it.
    """
    party = names.party
    return _text(
        {
            "salt": salt,
            "name": party.name,
            "address": party.address,
            "contact": party.contact,
            "spaces": {
                f"{charger}/{connector}": name
                for (charger, connector), name in names.spaces.items()
            },
            "vehicles": {str(vehicle): name for vehicle, name in names.vehicles.items()},
            "reasons": {str(one): stored(text) for one, text in names.reasons.items()},
            **({} if names.left_on is None else {"left_on": names.left_on.isoformat()}),
            "sheet": sheet,
        }
    )


def names_of(text: str) -> Names:
    """Return the names of a text of `statement_party.party`."""
    row = orjson.loads(text)
    left_on = row.get("left_on")
    return Names(
        party=Party(name=row["name"], address=tuple(row["address"]), contact=row["contact"]),
        spaces={_connector(key): name for key, name in row["spaces"].items()},
        vehicles={int(vehicle): name for vehicle, name in row["vehicles"].items()},
        reasons={int(one): of_stored(text) for one, text in row["reasons"].items()},
        left_on=date.fromisoformat(left_on) if left_on else None,
    )


def _connector(key: str) -> tuple[str, int]:
    charger, _, connector = key.rpartition("/")
    return charger, int(connector)


def _text(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
