"""The options of limits, for cards and households: at which chargers they may charge, and how much
in a month."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from levity_trio.billing.ledger import exact_minor_units, typed_amount
from levity_trio.billing.money import CURRENCIES
from levity_trio.billing.statement import Currency
from levity_trio.cli.declaring import flag, option, present, together
from levity_trio.cli.operator import Operator
from levity_trio.cli.terminal import money, say
from levity_trio.config import ConfigError

NAMES: Final = ("only_at", "anywhere", "month_kwh", "month_amount")
LIMITS: Final = together(
    option("--only-at ID", "A charger where it may charge, and at no other.", multiple=True),
    flag("--anywhere", "Wherever everybody may again."),
    option("--month-kwh KWH", 'How many kWh it may charge in a month; "" for any.'),
    option("--month-amount AMOUNT", 'What it may cost in a month; "" for any.'),
)
EVERYWHERE: Final = option(
    "--everywhere/--not-everywhere", "Also at spaces that are for one household only.", default=None
)


def of_card(operator: Operator, fields: dict[str, Any]) -> bool:
    """Change the limits of a card; return whether nothing else is given."""
    return _first(operator, fields, "id-tag-limits", fields["card"])


def of_household(operator: Operator, fields: dict[str, Any]) -> bool:
    """Change the limits of a household; return whether nothing else is given."""
    return _first(operator, fields, "accounts", fields["household"], "limits")


def _first(operator: Operator, fields: dict[str, Any], *path: object) -> bool:
    given = take_limits(fields)
    if given:
        set_limits(operator, *path, given=given)
    return bool(given) and len(present(fields)) == 1


def take_limits(fields: dict[str, Any]) -> dict[str, Any]:
    """Take the options of limits out of the fields of a command; return those that were given."""
    taken = {name: fields.pop(name, None) for name in (*NAMES, "everywhere")}
    if not taken["anywhere"]:
        del taken["anywhere"]
    return present(taken)


def set_limits(operator: Operator, *path: object, given: Mapping[str, Any]) -> None:
    """Change the limits at a path of the API, those that were given; the rest stays. Raises
    ConfigError."""
    before = operator.get(*path)
    currency = CURRENCIES[before["currency"] or "EUR"]
    body = {
        name: before[name] for name in ("chargers", "everywhere", "month_wh", "month_amount")
    } | _place(given)
    for name, typed in (("month_wh", "month_kwh"), ("month_amount", "month_amount")):
        if typed in given:
            body[name] = _number(typed, given[typed], currency)
    after = operator.put(*path, body={name: value for name, value in body.items() if value})
    if not operator.is_json:
        say(_words(after, currency))


def _place(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was given about where it may charge."""
    if given.get("only_at"):
        return {"chargers": list(given["only_at"]), "everywhere": False}
    if given.get("anywhere"):
        return {"chargers": None, "everywhere": given.get("everywhere", False)}
    if given.get("everywhere"):
        return {"chargers": None, "everywhere": True}
    return {"everywhere": False} if "everywhere" in given else {}


def _number(option: str, typed: str, currency: Currency) -> int | None:
    """Return Wh, or minor units; None for no limit. Raises ConfigError."""
    try:
        if not typed:
            return None
        amount = typed_amount(typed)
        return (
            int(amount.scaleb(3)) if option == "month_kwh" else exact_minor_units(amount, currency)
        )
    except ValueError as wrong:
        raise ConfigError(f"--{option.replace('_', '-')}: {wrong}") from None


def _words(limits: Mapping[str, Any], currency: Currency) -> str:
    where = (
        f"only at {', '.join(limits['chargers'])}"
        if limits["chargers"]
        else "wherever everybody may"
    )
    parts = ["everywhere" if limits["everywhere"] else where]
    if limits["month_wh"] is not None:
        parts.append(f"{limits['month_kwh']:g} kWh a month")
    if limits["month_amount"] is not None:
        parts.append(f"{money(limits['month_amount'], currency)} a month")
    return f"may charge {', '.join(parts)}"
