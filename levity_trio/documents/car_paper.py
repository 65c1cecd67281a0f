"""The electricity of a company car as a sheet, for the employer who pays for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from levity_trio.billing.car_sheet import CarCost, CarSheet, PriceWay
from levity_trio.billing.money import units
from levity_trio.documents.paper import CarPaper
from levity_trio.documents.sheet import LabelledValues, Sheet, Table
from levity_trio.documents.statement_sheet import Positions, amounts
from levity_trio.documents.template import DocumentTemplate, of_program, tidy
from levity_trio.locale import N_, _

LINE: Final = "_" * 30
_WAYS: Final = N_(
    {
        PriceWay.FLAT: "Flat price of %(year)s for each kWh",
        PriceWay.BILL: "What the household's statements ask for in all",
        PriceWay.CONTRACT: "What the household pays its supplier, tax included",
    }
)


def car_sheet(paper: CarPaper) -> Sheet:
    """Return what stands on the paper, in the language that is spoken."""
    sheet, template = paper.sheet, of_program(paper.language)
    statement = sheet.statement
    facts = {_("Car"): tidy(sheet.car)}
    if sheet.plate:
        facts[_("Number plate")] = tidy(sheet.plate)
    for place, meter in sheet.meters:
        label_of_meter = _("Meter of %(place)s", place=tidy(place))
        facts[label_of_meter] = meter
        if meter == "calibrated":
            facts[label_of_meter] = _("calibrated")
    if sheet.price is not None:
        year = statement.month.year
        facts[_("Price")] = _(_WAYS[sheet.price.way], year=year)
    if sheet.papers:
        facts[_("Statements")] = ", ".join(map(tidy, sheet.papers))

    positions = Positions(statement, template)
    blocks: list[Table | LabelledValues] = [_values(_("Car and price"), facts)]
    blocks.append(positions.metered(_("Sessions")))
    kilowatt_hours = template.kilowatt_hours(statement.energy_wh)
    energy = template.say("kwh", number=kilowatt_hours)
    label, figure = _("Energy"), energy
    remark = _("No price has been chosen yet.")
    if sheet.cost is not None:
        label = _("Amount, tax included")
        figure = template.money(sheet.cost.amount, statement.currency)
        remark = energy
        blocks.append(_costs(sheet, sheet.cost, energy, template))
    if not statement.positions:
        remark = _("No charging of this car ended in this month.")
    if statement.held_back:
        blocks.append(positions.held_back())
    signature = {_("Place and date"): LINE, _("Signature"): LINE}
    blocks.append(_values(_("I confirm these figures"), signature))

    month = template.day(statement.month, "month")
    title = _("Electricity of a company car, %(month)s", month=month)
    mark = None
    if sheet.is_draft:
        mark = _("Draft: the month is not closed")
    sender = template.in_window(statement.owner.party)
    zone = template.say("zone", zone=statement.zone)
    return Sheet(
        **template.of_sheet,
        mark=mark,
        title=title,
        sender=sender,
        label=label,
        figure=figure,
        remark=remark,
        blocks=tuple(blocks),
        small=(zone,),
    )


def _costs(
    sheet: CarSheet, cost: CarCost, energy: str, template: DocumentTemplate
) -> LabelledValues:
    """Return what the electricity costs, with its share of a base fee."""
    currency, price = sheet.statement.currency, sheet.price
    words = _("Electricity, %(energy)s", energy=energy)
    if price is not None and price.price is not None:
        kilowatt_hour = template.unit_price(price.price, currency)
        words = f"{words} × {kilowatt_hour}"
    elif sheet.statement.energy_wh:
        price_of_wh = units(cost.energy, currency) / sheet.statement.energy_wh
        mean = template.mean_price(price_of_wh * 1000)
        mean_price = template.say("mean_price", price=mean)
        words = f"{words} × {mean_price}"
    parts = {words: cost.energy}
    if cost.base_share:
        shared, all_energy = map(template.kilowatt_hours, (cost.share_wh, cost.of_wh))
        fee = template.money(cost.base_fee, currency)
        share = N_("Share of the base fee: %(energy)s of %(all)s kWh, of %(fee)s")
        words = _(share, energy=shared, all=all_energy, fee=fee)
        parts[words] = cost.base_share
    parts[_("Amount, tax included")] = cost.amount
    return amounts(_("Costs"), parts.items(), currency, template)


def _values(title: str, values: Mapping[str, str]) -> LabelledValues:
    return LabelledValues(title=title, pairs=tuple(values.items()))
