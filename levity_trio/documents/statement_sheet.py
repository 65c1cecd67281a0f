"""A statement as a sheet: who, which month, the total large; lines; tax by rate; how to pay; number
and digest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

from msgspec import structs

from levity_trio.billing import bank_accounts
from levity_trio.billing.money import units
from levity_trio.billing.pricing import summary
from levity_trio.billing.statement import (
    NO_DIGEST,
    SUN,
    Currency,
    Line,
    LineKind,
    MeasuringMethod,
    Owner,
    Party,
    Position,
    Statement,
    TaxSum,
    in_groups,
)
from levity_trio.documents.sheet import LabelledValues, Sheet, Table, TableColumn, TableRow
from levity_trio.documents.template import (
    SPLITS,
    DocumentTemplate,
    price_decimals,
    tidy,
    window_name,
)
from levity_trio.locale.texts import Reader, said
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
LONGEST_REMITTANCE_BYTES: Final = 140
LONGEST_CODE_BYTES: Final = 331
HIGHEST_CENTS: Final = 99_999_999_999
_SESSION_SHARES: Final = {"line": 8, "date": 10, "place": 25, "times": 21, "energy": 11}


def statement_sheet(statement: Statement, template: DocumentTemplate) -> Sheet:
    """Return what stands on a statement."""
    owner = statement.owner
    asked = to_pay(statement)
    mark = None
    if statement.number is None:
        mark = template.say("draft")

    positions = Positions(statement, template)
    blocks: list[Table | LabelledValues] = [positions.table()]
    if statement.taxes and not statement.is_untaxed:
        blocks.append(tax_table(statement.taxes, statement.currency, template))
    if statement.prepaid_taxes and not statement.is_untaxed:
        taxes = statement.prepaid_taxes
        blocks.append(tax_table(taxes, statement.currency, template, "tax_of_prepaid"))
    # Without this, the total stands at the head and beneath the lines already.
    if statement.carried_in or statement.set_off:
        blocks.append(_sums(statement, template))
    if statement.held_back:
        blocks.append(positions.held_back())
    blocks += _account(statement, template)

    reference = ""
    # Nobody pays by a draft.
    if statement.number and statement.to_pay_in_all:
        reference = payment_reference(statement, template)
        blocks.append(_payment(statement, template, reference))

    month = template.day(statement.month, "month")
    title = template.say("last_title" if statement.left_on else "title", month=month)
    if statement.follows:
        title = template.say("follow_up", number=tidy(statement.follows))
    household = template.household(statement)
    facts = tuple(_head(statement, template))
    # The figure shows the size of a credit, and the remark that it is one.
    label = "total"
    if asked != statement.total:
        label = "to_pay_in_all" if asked >= 0 else "left_over"
    figure = template.money(abs(asked), statement.currency)
    small = tuple(_small_print(statement, template))
    fields = _of_letter(owner, household, template)
    fields["mark"] = mark
    fields["title"] = title
    fields["facts"] = facts
    fields["label"] = template.say(label)
    fields["figure"] = figure
    fields["remark"] = _what_to_do(statement, asked, template)
    fields["blocks"] = tuple(blocks)
    fields["small"] = small
    fields["made_on"] = closed_at(statement)
    fields["reference"] = reference
    return Sheet(**fields)


def supplement_sheet(
    statements: Sequence[Statement],
    owner: Owner,
    to: Party,
    day: date,
    template: DocumentTemplate,
) -> Sheet:
    """Return what adds to closed statements all that they lacked and is known now: it names each of
    them (§ 31 UStDV, paragraph 5)."""
    numbers: list[str] = []
    about: list[tuple[str, str]] = []
    for one in statements:
        number = tidy(one.printed_number or "–")
        numbers.append(number)
        closed_on = template.day(one.closed_on or day)
        words = template.say("supplement_day", date=closed_on)
        label = template.say("supplement_statement", number=number)
        about.append((label, words))

    closed = [one.owner for one in statements]
    sender, recipient = template.say("supplement_sender"), template.say("supplement_recipient")
    facts: list[tuple[str, str]] = []
    if not all(one.party.address for one in closed):
        facts.append((sender, template.in_one_line(owner.party)))
    if not all(one.tax_number or one.vat_number for one in closed):
        facts += [(sender, number) for number in _tax_numbers(owner, template)]
    if owner.bank_account and not all(one.bank_account for one in closed):
        account = bank_accounts.grouped(owner.bank_account)
        facts.append((template.say("account"), account))
    if to.address and not all(one.to and one.to.address for one in statements):
        facts.append((recipient, template.in_one_line(to)))

    first_block = LabelledValues(title=template.say("supplement_about"), pairs=tuple(about))
    second_block = LabelledValues(title=template.say("supplement_added"), pairs=tuple(facts))
    digest = template.say("digest", digest=in_groups(NO_DIGEST))
    zone = ZoneInfo(statements[0].zone)
    fields = _of_letter(owner, to, template)
    fields["title"] = template.say("supplement", number=", ".join(numbers))
    date_fact = (template.column("date"), template.day(day))
    fields["facts"] = (date_fact,)
    fields["remark"] = template.say("supplement_rest")
    fields["blocks"] = (first_block, second_block)
    fields["small"] = (digest,)
    fields["made_on"] = datetime.combine(day, time(), zone)
    return Sheet(**fields)


def _of_letter(owner: Owner, to: Party, template: DocumentTemplate) -> dict[str, Any]:
    """Return the fields that a sheet has of its template, of who bills, and of whom it goes to."""
    fields = template.of_sheet
    address, tax_numbers = template.address(owner.party), _tax_numbers(owner, template)
    fields["sender"] = (*address, *tax_numbers)
    fields["sender_line"] = template.in_one_line(owner.party)
    fields["recipient"] = template.in_window(to)
    fields["logo"] = owner.logo
    return fields


def _tax_numbers(owner: Owner, template: DocumentTemplate) -> Iterator[str]:
    for word, number in (("tax_number", owner.tax_number), ("vat_number", owner.vat_number)):
        if number:
            yield template.say(word, number=tidy(number))


def closed_at(statement: Statement) -> datetime | None:
    """Return the beginning of the day on which a statement was closed, None for a draft."""
    if statement.closed_on is None:
        return None
    zone = ZoneInfo(statement.zone)
    return datetime.combine(statement.closed_on, time(), zone)


def _head(statement: Statement, template: DocumentTemplate) -> Iterator[tuple[str, str]]:
    """Yield what a bookkeeper looks for first; a draft has no number and no days yet."""
    yield template.column("number"), tidy(statement.printed_number or "–")
    closed_on = statement.closed_on
    yield template.column("date"), template.day(closed_on) if closed_on else "–"
    first, last = statement.period
    month = template.day(last, "month")
    days = template.say("cover_range", first=template.day(first), last=template.day(last))
    if f"{first:%Y-%m}" == f"{last:%Y-%m}":
        days = template.say("days_of_month", first=first.day, last=last.day, month=month)
    yield template.say("period"), days
    # What is open from before has days of its own.
    if statement.due_on is not None and 0 < statement.to_pay_in_all <= statement.total:
        yield template.say("due"), template.day(statement.due_on)


def to_pay(statement: Statement) -> int:
    """Return what stands at the head: what is to be paid with what is open from before, or a total
    that is a credit or is carried on. A last bill also pays out what is left of a credit."""
    if statement.left_on:
        return statement.standing
    if statement.is_asked:
        return statement.to_pay_in_all
    return statement.to_pay_in_all or statement.total


def tax_table(
    taxes: tuple[TaxSum, ...], currency: Currency, template: DocumentTemplate, word: str = "tax"
) -> Table:
    """Return net, tax and gross by rate; summed where there are several rates."""

    def row(head: str, *taxes: TaxSum) -> TableRow:
        cells = [head]
        for name in TAX_NAMES:
            minor = sum(getattr(tax, name) for tax in taxes)
            cells.append(template.amount(minor, currency))
        return TableRow(cells=tuple(cells))

    rate = TableColumn(head=template.column("rate"), share=28)
    columns = (rate, *tax_columns(template, currency, 24))
    rows = tuple(row(template.percent(tax.rate), tax) for tax in taxes)
    total = None
    if len(rows) > 1:
        total = row(template.say("sum"), *taxes)
    return Table(title=template.say(word), columns=columns, rows=rows, total=total)


def tax_columns(
    template: DocumentTemplate, currency: Currency, share: int
) -> tuple[TableColumn, ...]:
    """Return the columns of net, tax and gross."""
    symbol = template.symbol(currency)
    heads = [template.column(name, currency=symbol) for name in TAX_NAMES]
    return tuple(TableColumn(head=head, share=share, is_number=True) for head in heads)


def _what_to_do(statement: Statement, asked: int, template: DocumentTemplate) -> str:
    """Return what the household does about the figure at the head."""
    if asked < 0:
        return template.say("credit_carried" if statement.is_carried else "credit")
    if asked == 0:
        return template.say("nothing")
    if not statement.is_asked and asked != statement.total:
        remark = template.say("only_before")
        if statement.is_carried:
            amount = template.money(statement.total, statement.currency)
            remark = f"{remark}; {template.say('carried_too', amount=amount)}"
        return remark
    if statement.is_carried:
        return template.say("carried_on")
    remark = template.say("to_pay_within", days=statement.owner.payment_days)
    if statement.due_on is not None:
        remark = template.say("to_pay_by", date=template.day(statement.due_on))
    if asked > statement.total:
        remark = f"{remark}; {template.say('due_before')}"
    return remark


def _sums(statement: Statement, template: DocumentTemplate) -> LabelledValues:
    """Return what is new, what was carried in, and what was set off."""
    gross = sum(tax.gross for tax in statement.taxes)
    rows = [(template.say("gross_sum"), gross)] if gross else []
    carried_in = statement.total - gross - sum(one.amount for one in statement.set_off)
    if carried_in:
        word = "beyond_credit" if statement.prepaid_taxes else "carried_in"
        rows.append((template.say(word), carried_in))
    rows += _set_off(statement, template)
    rows.append((template.say("total"), statement.total))
    return amounts(template.say("sums"), rows, statement.currency, template)


def amounts(
    title: str, rows: Iterable[tuple[str, int]], currency: Currency, template: DocumentTemplate
) -> LabelledValues:
    """Return amounts in minor units with what they are."""
    pairs = tuple((words, template.money(minor, currency)) for words, minor in rows)
    return LabelledValues(title=title, pairs=pairs, is_number=True)


def _set_off(statement: Statement, template: DocumentTemplate) -> Iterator[tuple[str, int]]:
    """Yield against which statements a credit is set off."""
    for one in statement.set_off:
        month = template.day(one.month, "month")
        yield template.say("set_off", number=tidy(one.printed_number), month=month), one.amount


def _account(statement: Statement, template: DocumentTemplate) -> Iterator[LabelledValues]:
    """Yield which payments came since the statement before, and what is to be paid with what is
    open from before."""
    before, currency = statement.before, statement.currency
    if before is None:
        return

    total = 0 if statement.is_carried else statement.total
    moved: list[tuple[str, int]] = []
    for entry in before.moved:
        kind = entry.kind.replace("-", "_")
        words = template.say(f"moved_{kind}", date=template.day(entry.day))
        moved.append((words, -entry.amount))
    moved += [(words, -amount) for words, amount in _set_off(statement, template)]
    if moved:
        owed = before.amount
        owed_then = owed - sum(minor for _, minor in moved)
        moved.insert(0, (template.say("owed_then" if owed_then >= 0 else "left_then"), owed_then))
        moved.append((template.say("owed_now" if owed >= 0 else "in_favour"), owed))
        yield amounts(template.say("moved"), moved, currency, template)

    if before.open or before.credit:
        rows = [(template.say("this_statement"), total)]
        for one in before.open:
            month = template.day(one.month, "month")
            due = template.day(one.due_on)
            number = tidy(one.printed_number)
            words = template.say("open_before", number=number, month=month, date=due)
            rows.append((words, one.amount))
        if before.credit:
            words = template.say("in_favour" if before.credit > 0 else "other_debts")
            rows.append((words, -before.credit))
        label = "to_pay_in_all" if statement.standing >= 0 else "left_over"
        rows.append((template.say(label), statement.standing))
        yield amounts(template.say("account_sums"), rows, currency, template)


def _payment(statement: Statement, template: DocumentTemplate, reference: str) -> LabelledValues:
    """Return how to pay, with a code for banking apps where there can be one."""
    owner = statement.owner
    account = bank_accounts.grouped(owner.bank_account or "")
    values = {
        "payee": owner.party.name,
        "account": account,
        "bank": owner.bank_name,
        "reference": reference,
    }
    pairs: list[tuple[str, str]] = []
    for word, value in values.items():
        if value:
            pairs.append((template.say(word), tidy(value)))
    code = payment_code(statement, reference)
    code_label = template.say("code") if code else ""
    title = template.say("pay")
    return LabelledValues(title=title, pairs=tuple(pairs), code=code, code_label=code_label)


def payment_reference(statement: Statement, template: DocumentTemplate) -> str:
    """Return what a household writes on its payment: the statement's number, by which it is found,
    and who pays.

    Banks take LONGEST_REFERENCE characters.
    """
    name = tidy(template.household(statement).name)
    number = tidy(statement.printed_number or "–")
    reference = template.say("payment_reference", number=number, household=name)
    return tidy(reference)[:LONGEST_REFERENCE].strip()


def payment_code(statement: Statement, reference: str) -> str:
    """Return what the QR code of a closed statement that asks for money says, empty without one."""
    asked = statement.to_pay_in_all
    if statement.number is None or not asked:
        return ""
    return transfer_code(statement.owner, statement.currency, asked, reference)


def transfer_code(owner: Owner, currency: Currency, amount: int, reference: str) -> str:
    """Return what the QR code of a payment says: EPC069-12 ("GiroCode"), which banking apps in the
    SEPA area read.

    There is one where it can be right only: an amount in EUR, and an IBAN whose check digits fit.
    Other accounts and currencies are paid by hand: then it is empty.
    """
    account = owner.bank_account or ""
    iban = bank_accounts.compact(account)
    has_iban = bank_accounts.is_iban(iban)
    has_code = has_iban and currency.code == "EUR"
    if not has_code or amount > HIGHEST_CENTS:
        return ""

    name = tidy(owner.party.name)[:LONGEST_NAME].strip()
    euros = f"{units(amount, currency)}"
    written = euros.rstrip("0").rstrip(".")
    code = f"BCD\n002\n1\nSCT\n\n{name}\n{iban}\nEUR{written}\n\n\n"
    # A reference begins with a number, so its end is what can be missed.
    room = min(LONGEST_REMITTANCE_BYTES, LONGEST_CODE_BYTES - len(code.encode()))
    remittance = reference.encode()[:room].decode(errors="ignore").strip()
    if not name or not remittance or len(name.encode()) > LONGEST_NAME_BYTES:
        return ""
    return code + remittance


def _small_print(statement: Statement, template: DocumentTemplate) -> Iterator[str]:
    yield from _declared(statement, template)
    yield from _of_tax(statement, template)
    lines = [*statement.lines]
    if any(line.is_mean for line in lines):
        yield template.say("by_quarter")
    prices = {(name, day): words for name, day, words in statement.tariffs}
    for tariff, version in _tariffs(statement):
        yield template.say("tariff", tariff=tidy(tariff), date=template.day(version))
        words = prices.get((tariff, version))
        if words:
            yield tidy(said(words))
    if any(line.window or line.quarters for line in lines):
        yield template.say("clocks")
    if any(line.window == SUN for line in lines):
        yield template.say("sun")

    if statement.number is None or statement.closed_on is None:
        yield template.say("open", zone=statement.zone)
    else:
        number = tidy(statement.printed_number or "")
        day = template.day(statement.closed_on)
        yield template.say("closed", number=number, date=day, zone=statement.zone)

    yield from _digests(statement, template)
    party = statement.owner.party
    contact = tidy(party.contact or party.name)
    if contact:
        yield template.say("ask", contact=contact)


def _declared(statement: Statement, template: DocumentTemplate) -> Iterator[str]:
    """Yield the declaration that a credit is set off (§ 388 BGB)."""
    parts: list[str] = []
    for words, minor in _set_off(statement, template):
        parts.append(f"{words}: {template.money(minor, statement.currency)}")
    if parts:
        yield template.say("we_set_off", parts="; ".join(parts))


def _digests(statement: Statement, template: DocumentTemplate) -> Iterator[str]:
    """Yield all digests on one line. The first one covers the others, of which a reader only needs
    to see which they are."""
    digests = {"digest": statement.digest, "previous_digest": statement.previous_digest}
    digests["evidence_digest"] = statement.evidence
    on_one_line: list[str] = []
    for word, digest in digests.items():
        if digest:
            short = digest if word == "digest" else digest[:8]
            text = template.say(word, digest=in_groups(short))
            on_one_line.append(text)
    if on_one_line:
        yield "; ".join(on_one_line)


def _of_tax(statement: Statement, template: DocumentTemplate) -> Iterator[str]:
    """Yield whether the tax is in the prices, and why there is none."""
    owner = statement.owner
    if not statement.is_untaxed:
        yield template.say("prices_gross" if statement.prices_are_gross else "prices_net")
    has_untaxed = statement.is_untaxed or any(not tax.rate for tax in statement.taxes)
    if not owner.charges_no_tax or not has_untaxed:
        return
    if owner.tax_note:
        yield tidy(owner.tax_note)
    elif owner.tax_kind == "small business":
        yield template.say("small_business")


def _tariffs(statement: Statement) -> list[tuple[str, date]]:
    """Return the tariffs by which a statement was computed: name and the day of the version."""
    return sorted({(line.tariff, line.version) for line in statement.lines})


class Positions:
    """The positions of a statement as the rows of a table: what was charged, and how each amount
    came about."""

    def __init__(self, statement: Statement, template: DocumentTemplate) -> None:
        self._statement = statement
        self._template = template
        self._only_card = statement.only_card
        self._zone = ZoneInfo(statement.zone)
        meters = {meter_number(one, template) for one in statement.positions if one.measured}
        self._only_meter = meters.pop() if len(meters) == 1 else None
        self._has_tariffs = len(_tariffs(statement)) > 1
        self._has_rates = len({line.tax_rate for line in statement.lines}) > 1
        exact = (line.price for line in statement.lines if not line.is_mean)
        self._places = price_decimals(exact, statement.currency)

    def table(self) -> Table:
        """Return all positions and their sum."""
        statement, template = self._statement, self._template
        title = template.say("lines")
        only_card = tidy(self._only_card or "")
        title = " · ".join(filter(None, (title, only_card, self._only_meter)))

        price = TableColumn(head=template.column("price"), share=13, is_number=True)
        symbol = template.symbol(statement.currency)
        head = template.column("amount", currency=symbol)
        cost = TableColumn(head=head, share=13, is_number=True)
        columns = (*self._columns(), price, cost)

        rows = [self._row(position) for position in statement.positions]
        if not rows:
            empty = ("",) * len(columns)
            words = template.say("no_lines")
            rows = [TableRow(cells=empty, notes=(words,))]

        energy = template.kilowatt_hours(statement.energy_wh)
        asked = sum(_asked_for(position) for position in statement.positions)
        amount = template.amount(asked, statement.currency)
        cells = ("", "", template.say("sum"), "", energy, "", amount)
        total = TableRow(cells=cells)
        return Table(title=title, columns=columns, rows=tuple(rows), is_sessions=True, total=total)

    def held_back(self) -> Table:
        """Return the charging sessions that wait for a review."""
        title = self._template.say("held_back")
        return self._without_amounts(title, self._statement.held_back)

    def metered(self, title: str) -> Table:
        """Return all positions with the registers of their meter, and their energy."""
        template = self._template
        title = " · ".join(filter(None, (title, self._only_meter)))
        table = self._without_amounts(title, self._statement.positions)
        energy = template.kilowatt_hours(self._statement.energy_wh)
        total = TableRow(cells=("", "", template.say("sum"), "", energy))
        return structs.replace(table, total=total)

    def _without_amounts(self, title: str, positions: Sequence[Position]) -> Table:
        rows: list[TableRow] = []
        for position in positions:
            notes = tuple(self._notes(position))
            rows.append(TableRow(cells=self._cells(position), notes=notes))
        return Table(title=title, columns=self._columns(), rows=tuple(rows), is_sessions=True)

    def _columns(self) -> tuple[TableColumn, ...]:
        """Return the columns that say what was charged."""
        columns: list[TableColumn] = []
        for name, share in _SESSION_SHARES.items():
            head = self._template.column(name)
            columns.append(TableColumn(head=head, share=share, is_number=name == "energy"))
        return tuple(columns)

    def _cells(self, position: Position) -> tuple[str, ...]:
        """Return what was charged: number, day, place, times and energy."""
        template = self._template
        start = position.started_at
        day = times = energy = ""
        if start is not None:
            local = in_zone(start, self._zone).date()
            day = template.day(local, "short")
            # The head of a statement says of which year the others are.
            if local.year != self._statement.month.year:
                day = f"{day} {local.year}"
            times = template.span(start, position.ended_at, self._zone)
        if start is not None or position.energy_wh:
            energy = template.kilowatt_hours(position.energy_wh)

        place = position.space
        if not place and position.charger:
            place = position.charger
            if position.connector:
                place = template.say("connector", charger=place, connector=position.connector)
        # The only card of a statement stands in the title of the table.
        card = None if position.card == self._only_card else position.card
        parts = [tidy(part) for part in (place, card) if part]
        where = " · ".join(parts)
        if not where and position.lines:
            where = template.say(_KINDS[position.lines[0].kind])
        return (str(position.id), day, where, times, energy)

    def _row(self, position: Position) -> TableRow:
        """Return what was charged and what it costs, with what the columns do not say."""
        template, lines = self._template, position.lines
        currency = self._statement.currency

        # Where one price holds for all energy, kWh × price = amount says everything, also in a
        # window.
        price = ""
        is_plain = False
        quantities = [(line.kind, line.quantity) for line in lines]
        if quantities == [(LineKind.ENERGY, position.energy_wh)]:
            price = self._price(lines[0])
            if lines[0].is_mean:
                price = template.say("mean_price", price=price)
            is_plain = not self._has_tariffs and not self._has_rates
        window = _window(lines[0]) if is_plain else ""
        if window:
            price = f"{window} {price}"

        notes = [*self._notes(position)]
        start = position.started_at
        how = [] if is_plain else [self._computed(line, start) for line in lines]
        of_energy = [line for line in lines if line.kind is LineKind.ENERGY]
        quarters = summary(lines)
        by_quarter = template.by_quarter(quarters, start, self._zone, position.split)
        if by_quarter:
            how.append(by_quarter)
        elif position.split in SPLITS and quarters is None:
            # A session through several windows may have charged in one of them only.
            if len(of_energy) == 1:
                how.append(template.say("windows_one"))
            else:
                how.append(self._divided(position, SPLITS[position.split]))
        if how and is_plain and notes:
            notes[-1] = "; ".join((notes[-1], *how))
        elif how:
            notes.append("; ".join(how))
        if position.is_prepaid:
            prepaid = template.money(position.amount, currency)
            notes.append(template.say("from_wallet", amount=prepaid))

        amount = template.amount(_asked_for(position), currency)
        return TableRow(cells=(*self._cells(position), price, amount), notes=tuple(notes))

    def _notes(self, position: Position) -> Iterator[str]:
        """Yield what a position corrects and why, the meter's registers, and how the energy was
        measured if it is not their difference."""
        template = self._template
        if position.corrects is not None:
            number = tidy(position.corrected_number or position.corrected_statement or "–")
            # A company car's sheet has no lines: the employer does not have the statement.
            word = "correction" if position.lines else "correction_alone"
            yield template.say(word, line=position.corrects, statement=number)
        if position.reason:
            reason = tidy(said(position.reason, Reader(self._zone)))
            yield template.say("reason", reason=reason)
        energy_wh = None
        if position.corrects is None:
            energy_wh = position.energy_wh
        registers = (position.begin_wh, position.end_wh, position.measured)
        measured = [template.metered(*registers, energy_wh, position.signed)]
        if not self._only_meter:
            measured.append(meter_number(position, template))
        if any(measured):
            yield "; ".join(filter(None, measured))

    def _divided(self, position: Position, word: str) -> str:
        """Return by what a position was divided, with the meter's register at each seam where it
        is known."""
        template = self._template
        seams: list[str] = []
        is_known = position.measured is MeasuringMethod.REGISTER and position.corrects is None
        for at, wh in position.seams if is_known else ():
            moment = template.moment(at, position.started_at, self._zone)
            register = template.kilowatt_hours((position.begin_wh or 0) + wh)
            text = template.say("seam", time=moment, register=register)
            seams.append(text)
        words = template.say(word)
        return f"{words}: {', '.join(seams)}" if seams else words

    def _price(self, line: Line) -> str:
        template = self._template
        if line.is_mean:
            return template.mean_price(line.price)
        return template.price(line.price, self._places)

    def _computed(self, line: Line, start: datetime | None) -> str:
        """Return how the amount of a line was computed. Times say their day where it is not that of
        the start."""
        template = self._template
        what = template.say(_KINDS[line.kind])
        window = _window(line)
        if window == LineKind.BLOCKING:  # the limit of that fee
            of_fee = _KINDS[LineKind.BLOCKING]
            window = template.say(of_fee)
        if window:
            what = window if line.kind is LineKind.ENERGY else f"{what} · {window}"
        if self._has_tariffs:
            tariff, day = tidy(line.tariff), template.day(line.version)
            what = template.say("of_tariff", what=what, tariff=tariff, date=day)
        if self._has_rates:
            what = template.say("with_rate", what=what, rate=template.percent(line.tax_rate))

        amount = template.amount(line.amount, self._statement.currency)
        if line.kind in _SOLE:
            return template.say("sole", what=what, amount=amount)
        if line.kind is LineKind.ENERGY:
            quantity = template.say("kwh", number=template.kilowatt_hours(line.quantity))
        elif line.kind is LineKind.BLOCKING:
            quantity = template.say("minutes", number=line.quantity)
            ends = [template.moment(at, start, self._zone) for at in line.times]
            stretches = map(" – ".join, zip(ends[::2], ends[1::2], strict=True))
            if ends:
                quantity = f"{quantity} ({', '.join(stretches)})"
        else:
            quantity = template.say("days", number=line.quantity, days=line.of_days)
        word, price = "mean" if line.is_mean else "product", self._price(line)
        return template.say(word, what=what, quantity=quantity, price=price, amount=amount)


def _asked_for(position: Position) -> int:
    """Return what a position asks for: what was charged to the wallet is only listed."""
    if position.is_prepaid:
        return 0
    return position.amount


def meter_number(position: Position, template: DocumentTemplate) -> str:
    """Return by which number the meter of a position is known; empty if by none."""
    if position.meter_serial:
        return template.say("meter_number", number=tidy(position.meter_serial))
    if position.charger_serial:
        return template.say("charger_number", number=tidy(position.charger_serial))
    return ""


def _window(line: Line) -> str:
    """Return what the price of a line is called; empty if it has no name."""
    if not line.window:
        return ""
    return tidy(window_name(line.window))
