"""The owner's covering sheet: all statements of a month in one table, with what they add up to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial

from msgspec import structs

from levity_trio.billing.statement import Position, Statement, TaxSum, in_groups
from levity_trio.documents.sheet import LabelledValues, Sheet, Table, TableColumn, TableRow
from levity_trio.documents.statement_sheet import (
    TAX_NAMES,
    Positions,
    closed_at,
    tax_columns,
    tax_table,
)
from levity_trio.documents.template import DocumentTemplate, tidy


def covering_sheet(
    statements: Sequence[Statement], template: DocumentTemplate, *, is_open: bool = False
) -> Sheet:
    """Return what stands on the covering sheet of a month's statements, given in the order of their
    numbers: of those so far, if the month `is_open`.

    Raises ValueError if there are none, or if they are of several months or currencies.
    """
    if len({(statement.month, statement.currency) for statement in statements}) != 1:
        raise ValueError(
            "a covering sheet is of one month and one currency, and of one statement at least"
        )
    first = statements[0]
    currency = first.currency
    statements = _still_waiting(statements)
    asked = sum(statement.total for statement in statements if statement.is_asked)
    figure = template.money(asked, currency)
    month = template.day(first.month, "month")

    blocks = [_sums(statements, template), _table(statements, template)]
    own = [tax for one in statements for tax in one.taxes]
    prepaid = [tax for one in statements for tax in one.prepaid_taxes]
    for word, taxes in (("cover_taxes", own), ("tax_of_prepaid", prepaid)):
        if taxes and _is_taxed(statements):
            blocks.append(tax_table(_by_rate(taxes), currency, template, word))
    blocks.extend(_held_back(statements, template))
    chain = tuple(_chain(statements, template))
    if chain:
        blocks.append(LabelledValues(title=template.say("cover_chain"), pairs=chain))

    mark = None
    if is_open:
        mark = template.say("cover_so_far")
    if any(statement.number is None for statement in statements):
        mark = template.say("draft")
    # A sheet with a draft on it is of no day yet.
    made_on = None
    days = [day for day in map(closed_at, statements) if day is not None]
    if len(days) == len(statements):
        made_on = max(days)
    title = template.say("cover_title", month=month)
    sender = template.address(first.owner.party)
    zone = template.say("zone", zone=first.zone)
    facts: tuple[tuple[str, str], ...] = ()
    if made_on is not None:
        closed_on = template.day(made_on.date())
        facts = ((template.column("date"), closed_on),)
    return Sheet(
        **template.of_sheet,
        mark=mark,
        title=title,
        sender=sender,
        logo=first.owner.logo,
        label=template.say("cover_figure"),
        figure=figure,
        remark="",
        blocks=tuple(blocks),
        small=(zone,),
        made_on=made_on,
        facts=facts,
    )


def _still_waiting(statements: Sequence[Statement]) -> list[Statement]:
    """Return the statements without held-back sessions of which a later statement says more: a last
    bill may have another one in its month."""
    said_later: set[int | None] = set()
    remaining: list[Statement] = []
    for statement in reversed(statements):
        waiting = [one for one in statement.held_back if one.transaction not in said_later]
        shown = replace(statement, held_back=tuple(waiting))
        remaining.append(shown)
        for one in (*statement.positions, *statement.held_back):
            said_later.add(one.transaction)
    return remaining[::-1]


def _is_taxed(statements: Sequence[Statement]) -> bool:
    return not all(statement.is_untaxed for statement in statements)


def _sums(statements: Sequence[Statement], template: DocumentTemplate) -> Table | LabelledValues:
    """Return what all statements add up to."""
    # Of several last bills, the first says what was open. What is paid out is left of a credit that
    # covered something before.
    opened = dict[int, int]()
    for statement in reversed(statements):
        if statement.before is not None:
            still_open = sum(one.amount for one in statement.before.open)
            opened[statement.account] = still_open
    paid_out = in_favour = 0
    for statement in _newest(statements).values():
        paid_out += _paid_out(statement)
        if statement.before is not None:
            credit = max(statement.before.credit, 0)
            in_favour -= credit
    carried = [statement.total for statement in statements if statement.is_carried]
    sums = {"cover_paid_out": paid_out}
    sums["cover_carried_credits"] = sum(min(total, 0) for total in carried)
    sums["cover_carried_debts"] = sum(max(total, 0) for total in carried)
    sums["cover_carried_in"] = sum(statement.carried_in for statement in statements)
    sums["cover_open_before"] = sum(opened.values())
    sums["cover_in_favour"] = in_favour - paid_out

    def kwh(energy_wh: int) -> str:
        return template.say("kwh", number=template.kilowatt_hours(energy_wh))

    def counted(positions: Sequence[Position]) -> str:
        energy_wh = sum(position.energy_wh for position in positions)
        energy, count = kwh(energy_wh), len(positions)
        return template.say("cover_held_back_value", count=count, energy=energy)

    energy_wh = sum(statement.energy_wh for statement in statements)
    count, energy = str(len(statements)), kwh(energy_wh)
    pairs = [(template.say("cover_count"), count)]
    pairs.append((template.say("cover_energy"), energy))
    corrections: list[Position] = []
    held_back: list[Position] = []
    for statement in statements:
        corrections += [one for one in statement.positions if one.corrects is not None]
        held_back += statement.held_back
    if corrections:
        pairs.append((template.say("cover_corrections"), counted(corrections)))
    currency = statements[0].currency
    for word, minor in sums.items():
        label, amount = template.say(word), template.money(minor, currency)
        pairs.append((label, amount))
    waiting = counted(held_back)
    pairs.append((template.say("cover_held_back"), waiting))
    return LabelledValues(title=template.say("sums"), pairs=tuple(pairs), is_number=True)


def _newest(statements: Sequence[Statement]) -> dict[int, Statement]:
    """Return of each account the last statement that says how it stands."""
    return {one.account: one for one in statements if one.before is not None}


def _paid_out(statement: Statement) -> int:
    """Return what of a credit a last bill pays out; negative."""
    return min(statement.standing, 0) if statement.left_on else 0


def _table(statements: Sequence[Statement], template: DocumentTemplate) -> Table | LabelledValues:
    """Return a row for each statement, and their sum."""

    def column(name: str, share: int, *, is_number: bool = False) -> TableColumn:
        return TableColumn(head=template.column(name), share=share, is_number=is_number)

    taxes: tuple[TableColumn, ...] = ()
    if _is_taxed(statements):
        taxes = tax_columns(template, statements[0].currency, 12)
    columns = (
        column("number", 14),
        column("name", 28),
        column("energy", 11, is_number=True),
        *taxes,
        column("carried", 11, is_number=True),
        column("total", 12, is_number=True),
    )
    rows: list[TableRow] = []
    figures = partial(_figures, template=template, is_taxed=bool(taxes))
    newest = _newest(statements)
    for statement in statements:
        number = tidy(statement.printed_number or "–")
        name = tidy(template.household(statement).name)
        cells = (number, name, *figures([statement]))
        notes: list[str] = []
        if statement.is_carried:
            notes.append(template.say("cover_carried"))
        paid_out = _paid_out(statement)
        if paid_out and newest[statement.account] is statement:
            amount = template.money(paid_out, statement.currency)
            words = template.say("cover_paid_out")
            notes.append(f"{words}: {amount}")
        rows.append(TableRow(cells=cells, notes=tuple(notes)))
    total = TableRow(cells=("", template.say("sum"), *figures(statements)))
    title = template.say("cover_statements")
    return Table(title=title, columns=columns, rows=tuple(rows), total=total)


def _figures(
    statements: Sequence[Statement], template: DocumentTemplate, *, is_taxed: bool
) -> Iterator[str]:
    """Yield the cells of numbers of some statements together: energy, tax, carried in, total."""
    energy_wh = sum(statement.energy_wh for statement in statements)
    yield template.kilowatt_hours(energy_wh)
    currency = statements[0].currency
    taxes: list[TaxSum] = []
    for statement in statements:
        taxes.extend(statement.taxes)
    for name in TAX_NAMES if is_taxed else ():
        minor = sum(getattr(tax, name) for tax in taxes)
        yield template.amount(minor, currency)
    carried_in = sum(statement.carried_in for statement in statements)
    yield template.amount(carried_in, currency)
    total = sum(statement.total for statement in statements)
    yield template.amount(total, currency)


def _by_rate(taxes: Sequence[TaxSum]) -> tuple[TaxSum, ...]:
    """Return the sums of each tax rate."""
    by_rate: dict[Decimal, TaxSum] = {}
    for tax in taxes:
        none = TaxSum(rate=tax.rate, net=0, tax=0, gross=0)
        so_far = by_rate.get(tax.rate, none)
        sums = {name: getattr(so_far, name) + getattr(tax, name) for name in TAX_NAMES}
        by_rate[tax.rate] = replace(so_far, **sums)
    return tuple(by_rate[rate] for rate in sorted(by_rate))


def _held_back(statements: Sequence[Statement], template: DocumentTemplate) -> Iterator[Table]:
    """Yield one table of what is held back of all statements; its rows name the household."""
    rows: list[TableRow] = []
    tables = [Positions(statement, template).held_back() for statement in statements]
    for statement, table in zip(statements, tables, strict=True):
        household = tidy(template.household(statement).name)
        rows.extend(replace(row, notes=(household, *row.notes)) for row in table.rows)
    if rows:
        yield structs.replace(tables[0], rows=tuple(rows))


def _chain(
    statements: Sequence[Statement], template: DocumentTemplate
) -> Iterator[tuple[str, str]]:
    """Yield the numbers and the digests, by which this sheet proves the statements."""
    closed = [statement for statement in statements if statement.number]
    if not closed:
        return
    first, last = closed[0], closed[-1]
    first_number, last_number = (tidy(one.printed_number or "") for one in (first, last))
    numbers = template.say("cover_range", first=first_number, last=last_number)
    yield template.say("cover_numbers"), numbers
    # Each digest covers the one before it: these two prove all statements between them.
    if first.previous_digest:
        yield template.say("cover_first_previous"), in_groups(first.previous_digest)
    if last.digest:
        yield template.say("cover_last_digest"), in_groups(last.digest)
