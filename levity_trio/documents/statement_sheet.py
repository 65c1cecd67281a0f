"""A statement as a sheet: who, which month, the total large; lines; tax by rate; how to pay; number and digest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from levity_trio.billing import bank_accounts
from levity_trio.billing.statement import Currency, Statement, TaxSum, in_groups
from levity_trio.documents import formats, positions, qr
from levity_trio.documents.sheet import Column, Facts, Row, Sheet, Table, tidy
from levity_trio.documents.template import Template


def statement_sheet(statement: Statement, template: Template) -> Sheet:
    """Return what stands on a statement."""
    is_draft = statement.number is None
    return Sheet(
        language=template.values["language"],
        paper=template.values["paper"],
        mark=template.say("draft") if is_draft else None,
        title=template.say("title", month=formats.day(template, statement.month, "month")),
        sender=_sender(statement, template),
        recipient=formats.address(template, formats.household(template, statement)),
        logo=statement.owner.logo,
        label=template.say("total"),
        figure=formats.money(template, abs(statement.total), statement.currency),
        remark=_what_to_do(statement, template),
        blocks=tuple(_blocks(statement, template)),
        small=tuple(_small(statement, template)),
        page_words=template.values["words"]["page"],
        made_on=closed_at(statement),
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
    code = formats.symbol(template, currency)

    def row(head: str, sums: tuple[int, int, int]) -> Row:
        return Row(cells=(head, *(formats.amount(template, one, currency) for one in sums)))

    rows = tuple(row(formats.percent(template, one.rate), (one.net, one.tax, one.gross)) for one in taxes)
    whole = sum(one.net for one in taxes), sum(one.tax for one in taxes), sum(one.gross for one in taxes)
    return Table(
        title=template.say("tax"),
        columns=(
            Column(head=template.column("rate"), share=28),
            *(
                Column(head=template.column(name, currency=code), share=24, is_number=True)
                for name in ("net", "tax", "gross")
            ),
        ),
        rows=rows,
        total=row(template.say("sum"), whole) if len(rows) > 1 else None,
    )


def _what_to_do(statement: Statement, template: Template) -> str:
    """What the household does about the total; of a credit the figure shows the size, these words the direction."""
    if statement.total < 0:
        return template.say("credit_carried" if statement.is_carried else "credit")
    if statement.total == 0:
        return template.say("nothing")
    return template.say("carried_on") if statement.is_carried else _when_to_pay(statement, template)


def _when_to_pay(statement: Statement, template: Template) -> str:
    days = statement.owner.payment_days
    if statement.closed_on is None:
        return template.say("to_pay_within", days=days)
    return template.say("to_pay_by", date=formats.day(template, statement.closed_on + timedelta(days)))


def _sender(statement: Statement, template: Template) -> tuple[str, ...]:
    owner = statement.owner
    tax_number = (template.say("tax_number", number=tidy(owner.tax_number)),) if owner.tax_number else ()
    return (*formats.address(template, owner.party), *tax_number)


def _blocks(statement: Statement, template: Template) -> Iterator[Table | Facts]:
    yield positions.table(positions.writing(statement, template))
    if statement.taxes:
        yield tax_table(statement.taxes, statement.currency, template)
    if statement.carried_in:
        yield _sums(statement, template)
    if statement.held_back:
        yield positions.held_back(statement, template)
    if is_asked(statement):
        yield _payment(statement, template)


def _sums(statement: Statement, template: Template) -> Facts:
    """What is new and what was carried in; without that the total stands at the head and beneath the lines."""
    gross = sum(one.gross for one in statement.taxes)
    sums = (("gross_sum", gross), ("carried_in", statement.carried_in), ("total", statement.total))
    pairs = tuple((template.say(word), formats.money(template, minor, statement.currency)) for word, minor in sums)
    return Facts(title=template.say("sums"), pairs=pairs, is_number=True)


def _payment(statement: Statement, template: Template) -> Facts:
    owner = statement.owner
    pairs = (
        ("payee", owner.party.name),
        ("account", bank_accounts.grouped(owner.bank_account or "")),
        ("bank", owner.bank_name),
        ("reference", statement.number),
    )
    code = qr.payment_code(statement)
    return Facts(
        title=template.say("pay"),
        pairs=tuple((template.say(word), tidy(value)) for word, value in pairs if value),
        code=code,
        code_label=template.say("code") if code else "",
    )


def _small(statement: Statement, template: Template) -> Iterator[str]:
    yield template.say("prices_gross" if statement.prices_are_gross else "prices_net")
    for tariff, version in positions.tariffs(statement):
        day = formats.day(template, date.fromisoformat(version))
        yield template.say("tariff", tariff=tidy(tariff), date=day)
    yield _closing(statement, template)
    for word, digest in (("digest", statement.digest), ("previous_digest", statement.previous_digest)):
        if digest:
            yield template.say(word, digest=in_groups(digest))
    if contact := tidy(statement.owner.party.contact or statement.owner.party.name):
        yield template.say("ask", contact=contact)


def _closing(statement: Statement, template: Template) -> str:
    if statement.number is None or statement.closed_on is None:
        return template.say("open", zone=statement.zone)
    date_closed = formats.day(template, statement.closed_on)
    return template.say("closed", number=tidy(statement.number), date=date_closed, zone=statement.zone)
