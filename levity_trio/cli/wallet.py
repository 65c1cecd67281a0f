"""`levity-trio wallet`: what households have and owe, what they pay, and whether they pay before
they charge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from levity_trio.billing.ledger import exact_minor_units, typed_amount
from levity_trio.billing.money import CURRENCIES
from levity_trio.billing.statement import Currency
from levity_trio.cli.commands import group_of
from levity_trio.cli.declaring import (
    HOUSEHOLD,
    limit,
)
from levity_trio.cli.operator import Operator
from levity_trio.cli.terminal import money, show_below, show_record
from levity_trio.config import ConfigError

AMOUNTS: Final = ("amount", "balance", "owed", "to_come", "reserved", "available", "limit")
COLUMNS: Final = (
    "account",
    "name",
    "terms",
    "balance",
    "owed",
    "available",
    "spent_since",
    "reserved",
    "to_come",
    "limit",
)
ENTRIES: Final = (
    "id",
    "entered_at",
    "kind",
    "amount",
    "reason",
    "paid_on",
    "transaction",
    "statement",
    "entered_by",
    "source",
)
NO_LIMIT: Final = ("limit", "0")
"""The limit that needs no currency."""
RESERVATIONS: Final = ("transaction", "amount", "reserved_at", "stop_asked_at")


wallet = group_of("wallet")


@wallet.api_command
@HOUSEHOLD
@limit("How many entries.", default=20)
def show(operator: Operator, number: int, limit: int) -> None:
    """Show a wallet, its newest entries, and what is reserved."""
    path = ("wallets", number)
    record = operator.get(*path)
    entries = operator.get(*path, "entries", limit=limit)["data"]
    if operator.is_told({**record, "entries": entries}):
        return
    show_record(in_units(record), *COLUMNS)
    for entry in entries:
        entry["statement"] = entry["printed_number"]
    show_below(ENTRIES, map(in_units, entries))
    currency = {"currency": record["currency"]}
    show_below(
        RESERVATIONS, [in_units({**reserved, **currency}) for reserved in record["reservations"]]
    )


def in_minor(operator: Operator, fields: dict[str, Any]) -> bool:
    """Put an amount, or a limit, into minor units of its currency, as the API takes it."""
    name = "amount" if "amount" in fields else "limit"
    if (name, fields[name]) == NO_LIMIT:
        fields[name] = 0
    else:
        typed = fields.get("currency")
        fields[name], unit = _minor_units(operator, fields["household"], fields[name], typed)
        fields["currency"] = unit.code
    if fields.get("key") is not None:
        fields["headers"] = {"Idempotency-Key": fields["key"]}
    return False


def entered(operator: Operator, entry: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Say what was entered, and the balance."""
    unit = CURRENCIES[given["currency"]]
    standing = operator.get("wallets", given["household"])
    what = f"{entry['kind']} {money(entry['amount'], unit)} of {standing['name']}"
    balance = money(standing["balance"], unit)
    operator.tell(entry, f"{what} is entry {entry['id']}; its balance is {balance}")


def told(operator: Operator, record: Mapping[str, Any], _given: object) -> None:
    """Show a wallet."""
    if not operator.is_told(record):
        show_record(in_units(record), *COLUMNS)


def _minor_units(
    operator: Operator, account: int, amount: str, typed: str | None
) -> tuple[int, Currency]:
    """Return an amount in minor units of a currency: that which was given, or that of the site.
    Raises ConfigError."""
    code = typed.upper() if typed else operator.get("wallets", account)["currency"]
    if code is None:
        raise ConfigError("this site has no currency yet; give --currency, such as EUR")
    if code not in CURRENCIES:
        raise ConfigError(f"{code} is no currency (ISO 4217)")
    try:
        return exact_minor_units(typed_amount(amount), CURRENCIES[code]), CURRENCIES[code]
    except ValueError as wrong:
        raise ConfigError(str(wrong)) from None


def in_units(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with its amounts as people write them."""
    currency = CURRENCIES.get(record["currency"] or "")
    if currency is None:
        return dict(record)
    return {
        name: money(value, currency) if name in AMOUNTS else value for name, value in record.items()
    }
