"""The owner's covering sheet: all statements of a month in one table, with what they add up to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from msgspec import structs

from levity_trio.billing.statement import Statement, TaxSum, in_groups
from levity_trio.documents.sheet import Column, Facts, Row, Sheet, Table
from levity_trio.documents.statement_sheet import (
    TAX_NAMES,
    Positions,
    closed_at,
    is_asked,
    tax_columns,
    tax_table,
)
from levity_trio.documents.template import Template, tidy


def covering_sheet(statements: Sequence[Statement], template: Template) -> Sheet:
    """Return what stands on the covering sheet of a month's statements, given in the order of their
    numbers.

    Raises ValueError if there are none, or if they are of several months or currencies.
    """
    if len({(statement.month, statement.currency) for statement in statements}) != 1:
        raise ValueError(
            "a covering sheet is of one month and one currency, and of one statement at least"
        )
    first = statements[0]
    days = [closed_at(statement) for statement in statements]
    return Sheet(
        language=template.values["language"],
        paper=template.values["paper"],
        mark=template.say("draft")
        if any(statement.number is None for statement in statements)
        else None,
        title=template.say("cover_title", month=template.day(first.month, "month")),
        sender=template.address(first.owner.party),
        recipient=(),
        logo=first.owner.logo,
        label=template.say("cover_figure"),
        figure=template.money(_asked(statements), first.currency),
        remark="",
        blocks=tuple(_blocks(statements, template)),
        small=(template.say("zone", zone=first.zone),),
        page_words=template.values["words"]["page"],
        made_on=None if None in days else max(filter(None, days)),
    )


def _asked(statements: Sequence[Statement]) -> int:
    return sum(statement.total for statement in statements if is_asked(statement))


def _blocks(statements: Sequence[Statement], template: Template) -> Iterator[Table | Facts]:
    yield Facts(
        title=template.say("sums"), pairs=tuple(_sums(statements, template)), is_number=True
    )
    yield _table(statements, template)
    if taxes := _taxes(statements):
        table = tax_table(taxes, statements[0].currency, template)
        yield structs.replace(table, title=template.say("cover_taxes"))
    yield from _held_back(statements, template)
    if chain := tuple(_chain(statements, template)):
        yield Facts(title=template.say("cover_chain"), pairs=chain)


def _sums(statements: Sequence[Statement], template: Template) -> Iterator[tuple[str, str]]:
    energy = sum(statement.energy_wh for statement in statements)
    held_back = [position for statement in statements for position in statement.held_back]
    carried = [statement.total for statement in statements if statement.is_carried]
    sums = (
        ("cover_figure", _asked(statements)),
        (
            "cover_paid_out",
            sum(min(statement.total, 0) for statement in statements if not statement.is_carried),
        ),
        ("cover_carried_credits", sum(total for total in carried if total < 0)),
        ("cover_carried_debts", sum(total for total in carried if total > 0)),
        ("cover_carried_in", sum(statement.carried_in for statement in statements)),
    )
    yield template.say("cover_count"), str(len(statements))
    yield template.say("energy"), template.say("kwh", number=template.kilowatt_hours(energy))
    for word, minor in sums:
        yield template.say(word), template.money(minor, statements[0].currency)
    kwh = template.kilowatt_hours(sum(position.energy_wh for position in held_back))
    value = template.say(
        "cover_held_back_value", count=len(held_back), energy=template.say("kwh", number=kwh)
    )
    yield template.say("cover_held_back"), value


def _table(statements: Sequence[Statement], template: Template) -> Table:
    currency = statements[0].currency
    return Table(
        title=template.say("cover_statements"),
        columns=(
            Column(head=template.column("number"), share=14),
            Column(head=template.column("name"), share=28),
            Column(head=template.column("energy"), share=11, is_number=True),
            *tax_columns(template, currency, 12),
            Column(head=template.column("carried"), share=11, is_number=True),
            Column(head=template.column("total"), share=12, is_number=True),
        ),
        rows=tuple(_row(statement, template) for statement in statements),
        total=Row(cells=("", template.say("sum"), *_figures(statements, template))),
    )


def _row(statement: Statement, template: Template) -> Row:
    number = tidy(statement.number or "–")
    name = tidy(template.household(statement).name)
    notes = (template.say("cover_carried"),) if statement.is_carried else ()
    return Row(cells=(number, name, *_figures([statement], template)), notes=notes)


def _figures(statements: Sequence[Statement], template: Template) -> tuple[str, ...]:
    taxes = [tax for statement in statements for tax in statement.taxes]
    sums = [sum(getattr(tax, name) for tax in taxes) for name in TAX_NAMES]
    sums += [
        sum(getattr(statement, name) for statement in statements)
        for name in ("carried_in", "total")
    ]
    energy = template.kilowatt_hours(sum(statement.energy_wh for statement in statements))
    return (energy, *(template.amount(minor, statements[0].currency) for minor in sums))


def _taxes(statements: Sequence[Statement]) -> tuple[TaxSum, ...]:
    by_rate: dict[Decimal, TaxSum] = {}
    for tax in (tax for statement in statements for tax in statement.taxes):
        so_far = by_rate.get(tax.rate, TaxSum(rate=tax.rate, net=0, tax=0, gross=0))
        sums = {name: getattr(so_far, name) + getattr(tax, name) for name in TAX_NAMES}
        by_rate[tax.rate] = replace(so_far, **sums)
    return tuple(by_rate[rate] for rate in sorted(by_rate))


def _held_back(statements: Sequence[Statement], template: Template) -> Iterator[Table]:
    """Yield one table of what is held back of all statements; its rows name the household."""
    tables = [Positions(statement, template).held_back() for statement in statements]
    rows = tuple(
        replace(row, notes=(tidy(template.household(statement).name), *row.notes))
        for statement, table in zip(statements, tables, strict=True)
        for row in table.rows
    )
    if rows:
        yield structs.replace(tables[0], rows=rows)


def _chain(statements: Sequence[Statement], template: Template) -> Iterator[tuple[str, str]]:
    """Yield the numbers and the digests, by which this sheet proves the statements."""
    closed = [statement for statement in statements if statement.number]
    if not closed:
        return
    first, last = closed[0], closed[-1]
    numbers = template.say(
        "cover_range", first=tidy(first.number or ""), last=tidy(last.number or "")
    )
    yield template.say("cover_numbers"), numbers
    for word, digest in (
        ("cover_first_previous", first.previous_digest),
        ("cover_last_digest", last.digest),
    ):
        if digest:
            yield template.say(word), in_groups(digest)
