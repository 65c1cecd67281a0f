"""A statement as JSON. The names below are stable, whatever the code calls things.

Amounts are whole minor units (`currency.exponent` says how many decimals), energy is in Wh, prices
and rates are texts with decimals, times are UTC.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import msgspec

from levity_trio.billing.pricing import ByQuarter, summary
from levity_trio.billing.statement import (
    Currency,
    LineKind,
    MeasuringMethod,
    MoneyEntry,
    OpenBefore,
    Party,
    Split,
    Statement,
    TaxSum,
)


class OwnerDocument(msgspec.Struct, frozen=True):
    """Who bills. The logo stands on HTML and PDF only."""

    party: Party
    bank_account: str | None
    bank_name: str | None
    tax_number: str | None
    vat_number: str | None
    tax_kind: str | None
    tax_note: str | None
    number_prefix: str | None
    payment_days: int


class LineDocument(msgspec.Struct, frozen=True):
    """One amount. With `is_mean`, the price is a mean: what each quarter of an hour costs was
    summed and rounded once, and `quarters.csv` has each; else the amount is quantity × price.
    `times` are when the minutes of a fee for blocking begin and end, by turns."""

    kind: LineKind
    tariff: str
    version: date
    window: str | None
    quantity: int
    of_days: int | None
    price: Decimal
    amount: int
    tax_rate: Decimal
    is_mean: bool = False
    times: tuple[datetime, ...] = ()


class PositionDocument(msgspec.Struct, frozen=True):
    """A charging session or a base fee. A prepaid one asks for nothing.

    `begin_wh` and `end_wh` are the meter's registers, if they are known; their difference is the
    energy if it was `measured` by `register`, but for a correction: that has the registers of the
    new figure. `signed` is the fingerprint of the key by which signed values prove the energy,
    after "told " if only the charger told that key.
    """

    id: int
    transaction: int | None
    charger: str | None
    connector: int | None
    space: str | None
    tag: str | None
    vehicle: str | None
    started_at: datetime | None
    ended_at: datetime | None
    energy_wh: int
    split: Split | None
    lines: tuple[LineDocument, ...]
    amount: int
    corrects: int | None
    corrected_statement: str | None
    corrected_number: str | None
    reason: str | None
    is_prepaid: bool
    begin_wh: int | None = None
    end_wh: int | None = None
    meter_serial: str | None = None
    charger_serial: str | None = None
    measured: MeasuringMethod | None = None
    signed: str | None = None
    by_quarter: ByQuarter | None = None


class BeforeDocument(msgspec.Struct, frozen=True):
    """How the account stood before this statement. `credit` is what was left over, negative what
    was owed beside statements; `set_off` is what this statement gives back and pays earlier ones
    with; `follows` is the last bill that it corrects or completes."""

    open: tuple[OpenBefore, ...]
    moved: tuple[MoneyEntry, ...]
    credit: int
    set_off: tuple[OpenBefore, ...] = ()
    follows: str | None = None


class StatementDocument(msgspec.Struct, frozen=True):
    """A whole statement; a draft has no number, digest and days. `printed_number` stands on the
    paper; by `number` it is looked up. `evidence` is a digest over what is stored of its
    sessions. `prepaid_taxes` are the sums of the positions that ask for nothing."""

    number: str | None
    printed_number: str | None
    account: int
    month: date
    first_day: date
    last_day: date
    zone: str
    currency: Currency
    prices_are_gross: bool
    is_untaxed: bool
    to: Party | None
    owner: OwnerDocument
    positions: tuple[PositionDocument, ...]
    taxes: tuple[TaxSum, ...]
    carried_in: int
    total: int
    is_carried: bool
    energy_wh: int
    held_back: tuple[PositionDocument, ...]
    closed_on: date | None
    due_on: date | None
    digest: str | None
    previous_digest: str | None
    before: BeforeDocument | None
    to_pay_in_all: int
    evidence: str | None = None
    prepaid_taxes: tuple[TaxSum, ...] = ()


def document_of(statement: Statement) -> StatementDocument:
    """Return a statement as its document."""
    document = msgspec.convert(statement, StatementDocument, from_attributes=True)
    positions: list[PositionDocument] = []
    for shown, position in zip(document.positions, statement.positions, strict=True):
        by_quarter = summary(position.lines)
        positions.append(msgspec.structs.replace(shown, by_quarter=by_quarter))
    return msgspec.structs.replace(document, positions=tuple(positions))


def statement_of(content: object) -> StatementDocument:
    """Return the statement of a file that was parsed."""
    return msgspec.convert(content, StatementDocument)


def json_bytes(statement: Statement) -> bytes:
    """Return the file."""
    # gets texts with values (levity_trio.told)
    return msgspec.json.encode(document_of(statement), enc_hook=str.__str__)


def json_schema() -> dict[str, object]:
    """Return the JSON schema of the file."""
    return msgspec.json.schema(StatementDocument)
