"""The electricity of a company car as a sheet, for the employer who pays for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from levity_trio.billing.car_sheet import CarCost, CarSheet, PriceWay
from levity_trio.documents.paper import CarPaper
from levity_trio.documents.sheet import LabelledValues, Sheet, Table
from levity_trio.documents.statement_sheet import Positions, statement_sheet
from levity_trio.documents.template import DocumentTemplate, of_program, tidy
from levity_trio.locale import N_, _

LINE: Final = "_" * 30
_WAYS: Final = N_(
    {
        PriceWay.FLAT: "Flat price of %(year)s for each kWh",
        PriceWay.BILL: "What the household's statements ask for, tax included",
        PriceWay.CONTRACT: "What the household pays its supplier, tax included",
    }
)


def car_sheet(paper: CarPaper) -> Sheet:
    """Return what stands on the paper, in the language that is spoken."""
    sheet, template = paper.sheet, of_program(paper.language)
    statement = sheet.statement
    energy = template.say("kwh", number=template.kilowatt_hours(statement.energy_wh))
    label, figure, remark = _("Energy"), energy, _("No price has been chosen yet.")

    pairs = [(_("Car"), tidy(sheet.car))]
    if sheet.plate:
        pairs.append((_("Number plate"), tidy(sheet.plate)))
    for place, meter in sheet.meters:
        proved = _("calibrated") if meter == "calibrated" else meter
        pairs.append((_("Meter"), f"{tidy(place)}: {proved}"))
    positions = Positions(statement, template)
    blocks: list[Table | LabelledValues] = [positions.metered(_("Sessions"))]
    if sheet.price is not None and sheet.cost is not None:
        pairs.append((_("Price"), _(_WAYS[sheet.price.way], year=statement.month.year)))
        label, remark = _("Amount"), energy
        figure = template.money(sheet.cost.amount, statement.currency)
        blocks.append(_costs(sheet, sheet.cost, energy, template))
    if statement.held_back:
        blocks.append(positions.held_back())
    blocks.insert(0, LabelledValues(title=_("Car and price"), pairs=tuple(pairs)))
    signature = ((_("Place and date"), LINE), (_("Signature"), LINE))
    blocks.append(LabelledValues(title=_("I confirm these figures"), pairs=signature))

    month = template.day(statement.month, "month")
    mark = _("Draft: the month is not closed") if sheet.is_draft else None
    return replace(
        statement_sheet(statement, template),
        mark=mark,
        title=_("Electricity of a company car, %(month)s", month=month),
        sender=template.in_window(statement.owner.party),
        sender_line="",
        recipient=(),
        facts=(),
        label=label,
        figure=figure,
        remark=remark,
        blocks=tuple(blocks),
        small=(template.say("zone", zone=statement.zone),),
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
    pairs = [(words, template.money(cost.energy, currency))]
    if cost.base_share:
        all_energy = template.kilowatt_hours(cost.of_wh)
        fee = template.money(cost.base_fee, currency)
        share = N_("Share of the base fee: %(energy)s of %(all)s kWh, of %(fee)s")
        words = _(share, energy=energy, all=all_energy, fee=fee)
        pairs.append((words, template.money(cost.base_share, currency)))
    amount = template.money(cost.amount, currency)
    pairs.append((_("Amount"), amount))
    return LabelledValues(title=_("Costs"), pairs=tuple(pairs), is_number=True)
