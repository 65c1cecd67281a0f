"""The owner's covering sheet: all statements of a month in one table, with what they add up to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from levity_trio.billing.statement import Statement, TaxSum, in_groups
from levity_trio.documents import formats, positions
from levity_trio.documents.sheet import Column, Facts, Row, Sheet, Table, tidy
from levity_trio.documents.statement_sheet import closed_at, is_asked, tax_table
from levity_trio.documents.template import Template


def covering_sheet(statements: Sequence[Statement], template: Template) -> Sheet:
    """Return what stands on the covering sheet of a month's statements, given in the order of their numbers.

    Raises ValueError if there are none, or if they are of several months or currencies.
    """
    if len({(one.month, one.currency) for one in statements}) != 1:
        raise ValueError("a covering sheet is of one month and one currency, and of one statement at least")
    first = statements[0]
    asked = sum(one.total for one in statements if is_asked(one))
    return Sheet(
        language=template.values["language"],
        paper=template.values["paper"],
        mark=template.say("draft") if any(one.number is None for one in statements) else None,
        title=template.say("cover_title", month=formats.day(template, first.month, "month")),
        sender=formats.address(template, first.owner.party),
        recipient=(),
        logo=first.owner.logo,
        label=template.say("cover_figure"),
        figure=formats.money(template, asked, first.currency),
        remark="",
        blocks=tuple(_blocks(statements, template)),
        small=(template.say("zone", zone=first.zone),),
        page_words=template.values["words"]["page"],
        made_on=None if None in (days := [closed_at(one) for one in statements]) else max(filter(None, days)),
    )


def _blocks(statements: Sequence[Statement], template: Template) -> Iterator[Table | Facts]:
    yield Facts(title=template.say("sums"), pairs=tuple(_sums(statements, template)), is_number=True)
    yield _table(statements, template)
    taxes = _taxes(statements)
    if taxes:
        yield replace(tax_table(taxes, statements[0].currency, template), title=template.say("cover_taxes"))
    yield from _held_back(statements, template)
    if chain := tuple(_chain(statements, template)):
        yield Facts(title=template.say("cover_chain"), pairs=chain)


def _sums(statements: Sequence[Statement], template: Template) -> Iterator[tuple[str, str]]:
    energy = sum(one.energy_wh for one in statements)
    held_back = [position for one in statements for position in one.held_back]
    kwh = formats.kilowatt_hours(template, sum(position.energy_wh for position in held_back))
    carried = [one.total for one in statements if one.is_carried]
    sums = (
        ("cover_figure", sum(one.total for one in statements if is_asked(one))),
        ("cover_paid_out", sum(one.total for one in statements if one.total < 0 and not one.is_carried)),
        ("cover_carried_credits", sum(total for total in carried if total < 0)),
        ("cover_carried_debts", sum(total for total in carried if total > 0)),
        ("cover_carried_in", sum(one.carried_in for one in statements)),
    )
    yield template.say("cover_count"), str(len(statements))
    yield template.say("energy"), template.say("kwh", number=formats.kilowatt_hours(template, energy))
    for word, minor in sums:
        yield template.say(word), formats.money(template, minor, statements[0].currency)
    energy_back = template.say("kwh", number=kwh)
    value = template.say("cover_held_back_value", count=len(held_back), energy=energy_back)
    yield template.say("cover_held_back"), value


def _table(statements: Sequence[Statement], template: Template) -> Table:
    code = formats.symbol(template, statements[0].currency)
    whole = ("", template.say("sum"), *_figures(statements, template))
    return Table(
        title=template.say("cover_statements"),
        columns=(
            Column(head=template.column("number"), share=14),
            Column(head=template.column("name"), share=28),
            Column(head=template.column("energy"), share=11, is_number=True),
            *(
                Column(head=template.column(name, currency=code), share=12, is_number=True)
                for name in ("net", "tax", "gross")
            ),
            Column(head=template.column("carried"), share=11, is_number=True),
            Column(head=template.column("total"), share=12, is_number=True),
        ),
        rows=tuple(_row(one, template) for one in statements),
        total=Row(cells=whole),
    )


def _row(statement: Statement, template: Template) -> Row:
    number = tidy(statement.number or "–")
    name = tidy(formats.household(template, statement).name)
    notes = (template.say("cover_carried"),) if statement.is_carried else ()
    return Row(cells=(number, name, *_figures([statement], template)), notes=notes)


def _figures(statements: Sequence[Statement], template: Template) -> tuple[str, ...]:
    taxes = [tax for one in statements for tax in one.taxes]
    sums = (
        sum(tax.net for tax in taxes),
        sum(tax.tax for tax in taxes),
        sum(tax.gross for tax in taxes),
        sum(one.carried_in for one in statements),
        sum(one.total for one in statements),
    )
    energy = formats.kilowatt_hours(template, sum(one.energy_wh for one in statements))
    return (energy, *(formats.amount(template, one, statements[0].currency) for one in sums))


def _taxes(statements: Sequence[Statement]) -> tuple[TaxSum, ...]:
    by_rate: dict[Decimal, list[TaxSum]] = {}
    for statement in statements:
        for tax in statement.taxes:
            by_rate.setdefault(tax.rate, []).append(tax)
    return tuple(
        TaxSum(
            rate=rate,
            net=sum(tax.net for tax in taxes),
            tax=sum(tax.tax for tax in taxes),
            gross=sum(tax.gross for tax in taxes),
        )
        for rate, taxes in sorted(by_rate.items())
    )


def _held_back(statements: Sequence[Statement], template: Template) -> Iterator[Table]:
    """One table of all: its rows name the household."""
    tables = [(one, positions.held_back(one, template)) for one in statements if one.held_back]
    if tables:
        rows = [
            replace(row, notes=(tidy(formats.household(template, statement).name), *row.notes))
            for statement, table in tables
            for row in table.rows
        ]
        yield replace(tables[0][1], rows=tuple(rows))


def _chain(statements: Sequence[Statement], template: Template) -> Iterator[tuple[str, str]]:
    """The numbers and the digests, by which this sheet proves the statements."""
    closed = [one for one in statements if one.number]
    if not closed:
        return
    first, last = closed[0], closed[-1]
    numbers = template.say("cover_range", first=tidy(first.number or ""), last=tidy(last.number or ""))
    yield template.say("cover_numbers"), numbers
    for word, digest in (("cover_first_previous", first.previous_digest), ("cover_last_digest", last.digest)):
        if digest:
            yield template.say(word), in_groups(digest)
