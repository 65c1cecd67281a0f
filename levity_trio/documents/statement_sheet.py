"""A statement as a sheet: who, which month, the total large; lines; tax by rate; how to pay; number
and digest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from levity_trio.billing import bank_accounts
from levity_trio.billing.money import units
from levity_trio.billing.statement import (
    Currency,
    Line,
    LineKind,
    Position,
    Split,
    Statement,
    TaxSum,
    in_groups,
)
from levity_trio.documents.sheet import Column, Facts, Row, Sheet, Table
from levity_trio.documents.template import Template, price_decimals, tidy, window_name
from levity_trio.locale.texts import said
from levity_trio.wire.times import in_zone

_KINDS: Final = {
    LineKind.ENERGY: "energy",
    LineKind.SESSION: "session",
    LineKind.BLOCKING: "blocking",
    LineKind.BASE: "base",
    LineKind.MINIMUM: "minimum",
    LineKind.MAXIMUM: "maximum",
}
TAX_NAMES: Final = ("net", "tax", "gross")
_SOLE: Final = (LineKind.SESSION, LineKind.MINIMUM, LineKind.MAXIMUM)
"""These kinds have no quantity."""
LONGEST_REFERENCE: Final = 140
LONGEST_NAME: Final = 70
LONGEST_NAME_BYTES: Final = 140
"""The whole code holds 331 bytes."""
LONGEST_REMITTANCE_BYTES: Final = 140
HIGHEST_CENTS: Final = 99_999_999_999
_SPLITS: Final = {
    Split.REGISTER: "windows_register",
    Split.POWER: "windows_power",
    Split.EVENLY: "windows_evenly",
}


def statement_sheet(statement: Statement, template: Template) -> Sheet:
    """Return what stands on a statement."""
    owner = statement.owner
    tax_number = (
        (template.say("tax_number", number=tidy(owner.tax_number)),) if owner.tax_number else ()
    )
    return Sheet(
        language=template.values["language"],
        paper=template.values["paper"],
        mark=template.say("draft") if statement.number is None else None,
        title=template.say("title", month=template.day(statement.month, "month")),
        sender=(*template.address(owner.party), *tax_number),
        recipient=template.address(template.household(statement)),
        logo=owner.logo,
        label=template.say("total"),
        figure=template.money(abs(statement.total), statement.currency),
        remark=_what_to_do(statement, template),
        blocks=tuple(_blocks(statement, template)),
        small=tuple(_small(statement, template)),
        page_words=template.values["words"]["page"],
        made_on=closed_at(statement),
        reference=payment_reference(statement, template) if is_asked(statement) else "",
        csv=(template.values["csv"]["separator"], template.values["csv"]["decimal"]),
    )


def closed_at(statement: Statement) -> datetime | None:
    """Return the beginning of the day on which a statement was closed, None for a draft."""
    day = statement.closed_on
    return None if day is None else datetime.combine(day, time(), ZoneInfo(statement.zone))


def is_asked(statement: Statement) -> bool:
    """Whether the household is asked to pay now; a draft asks for nothing."""
    return statement.number is not None and statement.total > 0 and not statement.is_carried


def tax_table(taxes: tuple[TaxSum, ...], currency: Currency, template: Template) -> Table:
    """Return net, tax and gross by rate; summed where there are several rates."""

    def row(head: str, *taxes: TaxSum) -> Row:
        sums = (sum(getattr(tax, name) for tax in taxes) for name in TAX_NAMES)
        return Row(cells=(head, *(template.amount(minor, currency) for minor in sums)))

    rows = tuple(row(template.percent(tax.rate), tax) for tax in taxes)
    return Table(
        title=template.say("tax"),
        columns=(
            Column(head=template.column("rate"), share=28),
            *tax_columns(template, currency, 24),
        ),
        rows=rows,
        total=row(template.say("sum"), *taxes) if len(rows) > 1 else None,
    )


def tax_columns(template: Template, currency: Currency, share: int) -> tuple[Column, ...]:
    """Return the columns of net, tax and gross."""
    heads = (template.column(name, currency=template.symbol(currency)) for name in TAX_NAMES)
    return tuple(Column(head=head, share=share, is_number=True) for head in heads)


def _what_to_do(statement: Statement, template: Template) -> str:
    """Return what the household does about the total. The figure shows the size of a credit, these
    words that it is."""
    if statement.total < 0:
        return template.say("credit_carried" if statement.is_carried else "credit")
    if statement.total == 0:
        return template.say("nothing")
    if statement.is_carried:
        return template.say("carried_on")
    days = statement.owner.payment_days
    if statement.closed_on is None:
        return template.say("to_pay_within", days=days)
    return template.say("to_pay_by", date=template.day(statement.closed_on + timedelta(days)))


def _blocks(statement: Statement, template: Template) -> Iterator[Table | Facts]:
    positions = Positions(statement, template)
    yield positions.table()
    if statement.taxes:
        yield tax_table(statement.taxes, statement.currency, template)
    if statement.carried_in:
        yield _sums(statement, template)
    if statement.held_back:
        yield positions.held_back()
    if is_asked(statement):
        yield _payment(statement, template)


def _sums(statement: Statement, template: Template) -> Facts:
    """Return what is new and what was carried in. Without that the total stands at the head and
    beneath the lines."""
    gross = sum(tax.gross for tax in statement.taxes)
    sums = (("gross_sum", gross), ("carried_in", statement.carried_in), ("total", statement.total))
    pairs = tuple(
        (template.say(word), template.money(minor, statement.currency)) for word, minor in sums
    )
    return Facts(title=template.say("sums"), pairs=pairs, is_number=True)


def _payment(statement: Statement, template: Template) -> Facts:
    owner, reference = statement.owner, payment_reference(statement, template)
    pairs = (
        ("payee", owner.party.name),
        ("account", bank_accounts.grouped(owner.bank_account or "")),
        ("bank", owner.bank_name),
        ("reference", reference),
    )
    code = payment_code(statement, reference)
    return Facts(
        title=template.say("pay"),
        pairs=tuple((template.say(word), tidy(value)) for word, value in pairs if value),
        code=code,
        code_label=template.say("code") if code else "",
    )


def payment_reference(statement: Statement, template: Template) -> str:
    """Return what a household writes on its payment: the statement's number, by which it is found,
    and who pays.

    Banks take LONGEST_REFERENCE characters.
    """
    name = tidy(template.household(statement).name)
    number = tidy(statement.number or "")
    return tidy(template.say("payment_reference", number=number, household=name))[
        :LONGEST_REFERENCE
    ].strip()


def payment_code(statement: Statement, reference: str) -> str:
    """Return what the QR code of a payment says: EPC069-12 ("GiroCode"), which banking apps in the
    SEPA area read.

    There is one where it can be right only: a closed statement in EUR that asks for money, and an
    IBAN whose check digits fit. Other accounts and currencies are paid by hand: then it is empty.

    A reference that is too long is cut: it begins with the statement's number.
    """
    owner, reference = statement.owner, _cut(reference, LONGEST_REMITTANCE_BYTES)
    name, iban = (
        tidy(owner.party.name)[:LONGEST_NAME].strip(),
        bank_accounts.compact(owner.bank_account or ""),
    )
    is_due = (
        statement.number is not None
        and not statement.is_carried
        and 0 < statement.total <= HIGHEST_CENTS
    )
    if not (
        is_due
        and statement.currency.code == "EUR"
        and bank_accounts.is_iban(iban)
        and _fits(name, reference)
    ):
        return ""
    amount = f"EUR{units(statement.total, statement.currency)}".rstrip("0").rstrip(".")
    return f"BCD\n002\n1\nSCT\n\n{name}\n{iban}\n{amount}\n\n\n{reference}"


def _cut(text: str, most: int) -> str:
    """Return a text of so many bytes at most."""
    return text.encode()[:most].decode(errors="ignore").strip()


def _fits(name: str, reference: str) -> bool:
    lengths = (
        (len(name.encode()), LONGEST_NAME_BYTES),
        (len(reference.encode()), LONGEST_REMITTANCE_BYTES),
    )
    return all(0 < length <= longest for length, longest in lengths)


def _small(statement: Statement, template: Template) -> Iterator[str]:
    yield template.say("prices_gross" if statement.prices_are_gross else "prices_net")
    for tariff, version in _tariffs(statement):
        yield template.say("tariff", tariff=tidy(tariff), date=template.day(version))
    if statement.number is None or statement.closed_on is None:
        yield template.say("open", zone=statement.zone)
    else:
        closed = {"number": tidy(statement.number), "date": template.day(statement.closed_on)}
        yield template.say("closed", **closed, zone=statement.zone)
    for word, digest in (
        ("digest", statement.digest),
        ("previous_digest", statement.previous_digest),
    ):
        if digest:
            yield template.say(word, digest=in_groups(digest))
    if contact := tidy(statement.owner.party.contact or statement.owner.party.name):
        yield template.say("ask", contact=contact)


def _tariffs(statement: Statement) -> list[tuple[str, date]]:
    """Return the tariffs by which a statement was computed: name and the day of the version."""
    return sorted(
        {(line.tariff, line.version) for position in statement.positions for line in position.lines}
    )


def place(template: Template, position: Position, only_card: str | None) -> str:
    """Return where somebody charged, and with which car (or else card), unless it is the only
    one."""
    where = position.space
    if not where and position.charger:
        where = position.charger
        if position.connector:
            where = template.say("connector", charger=where, connector=position.connector)
    card = None if position.card == only_card else position.card
    return " · ".join(tidy(part) for part in (where, card) if part)


class Positions:
    """The positions of a statement as the rows of a table: what was charged, and how each amount
    came about."""

    def __init__(self, statement: Statement, template: Template) -> None:
        self._statement, self._template, self._only_card = statement, template, statement.only_card
        self._zone = ZoneInfo(statement.zone)
        lines = [line for position in statement.positions for line in position.lines]
        self._has_tariffs = len(_tariffs(statement)) > 1
        self._has_rates = len({line.tax_rate for line in lines}) > 1
        self._places = price_decimals((line.price for line in lines), statement.currency)

    def table(self) -> Table:
        """Return all positions and their sum."""
        statement, template = self._statement, self._template
        code = template.symbol(statement.currency)
        total = sum(
            0 if position.is_prepaid else position.amount for position in statement.positions
        )
        energy = template.kilowatt_hours(statement.energy_wh)
        sums = (template.say("sum"), "", energy, "", template.amount(total, statement.currency))
        return Table(
            title=" · ".join(filter(None, (template.say("lines"), tidy(self._only_card or "")))),
            columns=(
                *self._columns(),
                Column(head=template.column("price"), share=13, is_number=True),
                Column(head=template.column("amount", currency=code), share=13, is_number=True),
            ),
            rows=tuple(map(self._row, statement.positions))
            or (Row(cells=("",) * 7, notes=(template.say("no_lines"),)),),
            is_sessions=True,
            total=Row(cells=("", "", *sums)),
        )

    def held_back(self) -> Table:
        """Return the charging sessions that wait for a review."""
        rows = tuple(
            Row(cells=self._cells(position), notes=tuple(self._reason(position)))
            for position in self._statement.held_back
        )
        title = self._template.say("held_back")
        return Table(title=title, columns=self._columns(), rows=rows, is_sessions=True)

    def _columns(self) -> tuple[Column, ...]:
        shares = {"line": 8, "date": 10, "place": 25, "times": 21, "energy": 11}
        return tuple(
            Column(head=self._template.column(name), share=share, is_number=name == "energy")
            for name, share in shares.items()
        )

    def _cells(self, position: Position) -> tuple[str, ...]:
        template, start, lines = self._template, position.started_at, position.lines
        return (
            str(position.id),
            template.day(in_zone(start, self._zone).date(), "short") if start else "",
            place(template, position, self._only_card)
            or (template.say(_KINDS[lines[0].kind]) if lines else ""),
            template.span(start, position.ended_at, self._zone) if start else "",
            template.kilowatt_hours(position.energy_wh) if start or position.energy_wh else "",
        )

    def _row(self, position: Position) -> Row:
        template, lines = self._template, position.lines
        has_one_price = [(line.kind, line.quantity) for line in lines] == [
            (LineKind.ENERGY, position.energy_wh)
        ]
        is_plain = has_one_price and not (self._has_tariffs or self._has_rates)
        window = _window(lines[0]) if is_plain else ""
        price = (
            " ".join(filter(None, (window, template.price(lines[0].price, self._places))))
            if has_one_price
            else ""
        )
        amount = template.amount(
            0 if position.is_prepaid else position.amount, self._statement.currency
        )
        return Row(
            cells=(*self._cells(position), price, amount),
            notes=tuple(self._notes(position, is_plain)),
        )

    def _notes(self, position: Position, is_plain: bool) -> Iterator[str]:
        """Yield what the columns do not say. In a plain row kWh × price = amount says everything,
        also in a window."""
        template = self._template
        if position.corrects is not None:
            number = tidy(position.corrected_statement or "–")
            yield template.say("correction", line=position.corrects, statement=number)
        yield from self._reason(position)
        how = [] if is_plain else list(map(self._line, position.lines))
        if (
            position.split in _SPLITS
            and sum(line.kind is LineKind.ENERGY for line in position.lines) > 1
        ):
            how.append(template.say(_SPLITS[position.split]))
        if how:
            yield "; ".join(how)
        if position.is_prepaid:
            yield template.say(
                "from_wallet", amount=template.money(position.amount, self._statement.currency)
            )

    def _reason(self, position: Position) -> Iterator[str]:
        if position.reason:
            yield self._template.say("reason", reason=tidy(said(position.reason)))

    def _line(self, line: Line) -> str:
        template = self._template
        what, total = self._what(line), template.amount(line.amount, self._statement.currency)
        if line.kind in _SOLE:
            return template.say("sole", what=what, amount=total)
        if line.kind is LineKind.ENERGY:
            quantity = template.say("kwh", number=template.kilowatt_hours(line.quantity))
        elif line.kind is LineKind.BLOCKING:
            quantity = template.say("minutes", number=line.quantity)
        else:
            quantity = template.say("days", number=line.quantity, days=line.of_days)
        price = template.price(line.price, self._places)
        return template.say("product", what=what, quantity=quantity, price=price, amount=total)

    def _what(self, line: Line) -> str:
        template = self._template
        what = template.say(_KINDS[line.kind])
        if window := _window(line):
            what = window if line.kind is LineKind.ENERGY else f"{what} · {window}"
        if self._has_tariffs:
            what = template.say(
                "of_tariff", what=what, tariff=tidy(line.tariff), date=template.day(line.version)
            )
        if self._has_rates:
            what = template.say("with_rate", what=what, rate=template.percent(line.tax_rate))
        return what


def _window(line: Line) -> str:
    """Return what the price of a line is called; empty if it has no name."""
    return tidy(window_name(line.window)) if line.window else ""
