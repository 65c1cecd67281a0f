"""`levity-trio wallet`: what households have and owe, what they pay, and whether they pay before
they charge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from levity_trio.billing.ledger import exact_minor_units, typed_amount
from levity_trio.billing.money import CURRENCIES
from levity_trio.billing.statement import Currency
from levity_trio.cli.declaring import (
    HOUSEHOLD,
    Decorator,
    Named,
    argument,
    limit,
    option,
    present,
    together,
)
from levity_trio.cli.operator import Operator, api_group, command
from levity_trio.cli.terminal import money, show_below, show_record
from levity_trio.config import ConfigError

AMOUNTS: Final = ("amount", "balance", "reserved", "available", "limit")
COLUMNS: Final = (
    "account",
    "name",
    "terms",
    "balance",
    "available",
    "spent_since",
    "reserved",
    "limit",
)
NO_WALLET: Final = 'no household yet; add one: levity-trio household add "Flat 3, Anna"'
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
NO_LIMIT: Final = "0"
RESERVATIONS: Final = ("transaction", "amount", "reserved_at", "stop_asked_at")
ENTRY_EXAMPLES: Final = """\
\b
Examples:
  levity-trio wallet {name} 7 12.50 --reason "why"
  levity-trio wallet {name} "Flat 3" 12.50 --reason "why" --id 21-7

With --id, a repeat enters nothing again.
"""


@api_group
def wallet() -> None:
    """Keep what households pay and owe, before and after.

    Examples:
      levity-trio wallet list --spent
      levity-trio wallet show "Flat 3, Anna"
      levity-trio wallet pay 7 84.20 --statement 2026-12 --reason "by bank"
      levity-trio wallet prepaid 7 --limit 5.00 --reason "as agreed"
      levity-trio wallet top-up 7 50.00 --reason "in cash"
      levity-trio wallet refund 7 12.50 --reason "moved out"
      levity-trio wallet postpaid 7 --reason "as agreed"

    A household is named by its number or its name. Amounts are in units of the
    currency, such as 12.50 or 12,50. Positive is in the household's favour.
    """


_REASON: Final = option("--reason", "Why, for those who ask later.", required=True)
_ENTRY: Final = together(
    HOUSEHOLD,
    argument("AMOUNT"),
    _REASON,
    option("--currency CODE", "ISO 4217; needed for the first entry of a site."),
)
_KEY: Final = option("--id TEXT", "Your own id of this: a repeat enters nothing again.", "key")


@wallet.api_command
@option("--prepaid/--postpaid", "Only those that are prepaid, or are not.", "prepaid", default=None)
@option("--spent/--covered", "Only those that are spent, or are not.", "spent", default=None)
@limit()
def list_(operator: Operator, limit: int, **filters: bool | None) -> None:
    """List the wallets of all households."""
    page = operator.get(
        "wallets",
        **{name: str(value).lower() for name, value in present(filters).items()},
        limit=limit,
    )
    operator.show_page(COLUMNS, page, _in_units, narrower="", empty=NO_WALLET)


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
    show_record(_in_units(record), *COLUMNS)
    for entry in entries:
        entry["statement"] = entry["printed_number"]
    show_below(ENTRIES, map(_in_units, entries))
    currency = {"currency": record["currency"]}
    show_below(
        RESERVATIONS, [_in_units({**reserved, **currency}) for reserved in record["reservations"]]
    )


_MOVED: Final = option(
    "--paid-on DAY", "When the money moved, such as 2026-10-01; today if left out."
)


def _entering(name: str, path: str, words: str, *options: Decorator, epilog: str = "") -> None:
    """Add the command that enters something by hand."""

    @command(name, group=wallet, epilog=epilog or ENTRY_EXAMPLES.format(name=name))
    @_ENTRY
    @together(*options)
    @_KEY
    def enter(
        operator: Operator,
        number: int,
        *,
        amount: str,
        currency: str | None,
        key: str | None,
        **more: Any,
    ) -> None:
        minor, unit = _minor_units(operator, number, amount, currency)
        headers = {} if key is None else {"Idempotency-Key": key}
        body = present(more) | {"amount": minor, "currency": unit.code}
        entered = operator.post("wallets", number, path, body=body, headers=headers)
        standing = operator.get("wallets", number)
        entry = f"{entered['kind']} {money(entered['amount'], unit)} of {standing['name']}"
        balance = money(standing["balance"], unit)
        words = f"{entry} is entry {entered['id']}; its balance is {balance}"
        operator.tell(entered, words)

    enter.help = words


def _of_statement(words: str) -> Decorator:
    return option("--statement NUMBER", words, type=Named("statements"))


_SETTLES: Final = _of_statement("The statement that it is for; the oldest ones if left out.")
_entering("pay", "payment", "Enter a payment of what a household owes.", _MOVED, _SETTLES)
_entering("top-up", "top-up", "Enter money that a household pays in advance.", _MOVED)
_entering("chargeback", "chargeback", "Enter money that a bank took back.", _MOVED, _SETTLES)
_CREDIT: Final = _of_statement("Of the credit that the statement with this number carried on.")
_entering("refund", "refund", "Enter money that was paid out to a household.", _MOVED, _CREDIT)
_entering(
    "correct",
    "correction",
    "Correct the balance of a household; a negative amount stands after --.",
    _SETTLES,
    epilog='\b\nExample:\n  levity-trio wallet correct --reason "typed twice" 7 -- -12.50\n',
)


@wallet.api_command
@HOUSEHOLD
@option("--limit", "Spent at or below this amount.", "limit", default=NO_LIMIT)
@_REASON
def prepaid(operator: Operator, number: int, limit: str, reason: str) -> None:
    """Make a household pay before it charges, or change its limit.

    While what it has available is at or below the limit, its cards are Blocked.
    """
    _set_terms(operator, number, "prepaid", reason, limit)


@wallet.api_command
@HOUSEHOLD
@_REASON
def postpaid(operator: Operator, number: int, reason: str) -> None:
    """Bill a household afterwards."""
    _set_terms(operator, number, "postpaid", reason, NO_LIMIT)


def _set_terms(operator: Operator, number: int, terms: str, reason: str, limit: str) -> None:
    # A site without a currency has a limit of nothing.
    minor = 0 if limit == NO_LIMIT else _minor_units(operator, number, limit, None)[0]
    record = operator.post(
        "wallets", number, "terms", body={"terms": terms, "reason": reason, "limit": minor}
    )
    if not operator.is_told(record):
        show_record(_in_units(record), *COLUMNS)


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


def _in_units(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with its amounts as people write them."""
    currency = CURRENCIES.get(record["currency"] or "")
    if currency is None:
        return dict(record)
    return {
        name: money(value, currency) if name in AMOUNTS else value for name, value in record.items()
    }
