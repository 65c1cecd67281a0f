"""`levity-trio wallet`: what accounts have and owe, what they pay, and whether they pay before they charge."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import click

from levity_trio.billing.ledger import exact_minor_units, typed_amount
from levity_trio.billing.money import CURRENCIES, written
from levity_trio.billing.statement import Currency
from levity_trio.cli.examples import an_example
from levity_trio.cli.named import number_of
from levity_trio.cli.operator import Operator, command
from levity_trio.cli.tables import say, show_below, show_record
from levity_trio.config import ConfigError

WALLETS: Final = ("admin", "wallets")
SERVICES: Final = ("admin", "payment-services")
AMOUNTS: Final = ("balance", "reserved", "available", "limit")
COLUMNS: Final = ("account", "name", "terms", "balance", "reserved", "available", "limit", "spent_since")
ENTRIES: Final = ("id", "entered_at", "kind", "amount", "transaction", "statement", "entered_by", "reason")
RESERVATIONS: Final = ("transaction", "amount", "reserved_at", "stop_asked_at")
SERVICE_COLUMNS: Final = ("id", "name", "added_at", "added_by", "revoked_at")
EXAMPLES: Final = """\
\b
Examples:
  levity-trio wallet list --spent
  levity-trio wallet show "Flat 3, Anna"
  levity-trio wallet pay 7 84.20 --reason "statement 12, by bank"
  levity-trio wallet prepaid 7 --limit 5.00 --reason "as agreed"
  levity-trio wallet top-up 7 50.00 --reason "in cash"
  levity-trio wallet refund 7 12.50 --reason "moved out"
  levity-trio wallet postpaid 7 --reason "as agreed"
  levity-trio wallet service add shop
  levity-trio wallet service revoke 1

An account is named by its number or its name. Amounts are in units of the
currency, with a point: 12.50. Positive is in the account's favour.
"""
ENTRY_EXAMPLES: Final = """\
\b
Examples:
  levity-trio wallet {name} 7 12.50 --reason "why"
  levity-trio wallet {name} "Flat 3" 12.50 --reason "why" --id 21-7

With --id, a repeat enters nothing again.
"""

wallet = click.Group("wallet", help="Keep what accounts pay and owe, before and after.", epilog=EXAMPLES)
service = click.Group("service", help="Let payment services outside top wallets up.", epilog=EXAMPLES)
wallet.add_command(service)
_ACCOUNT: Final = click.argument("named", metavar="ACCOUNT")
_REASON: Final = click.option("--reason", required=True, help="Why, for those who ask later.")
_LIMIT: Final = click.option("--limit", "limit", default="0", show_default=True, help="Spent at or below this amount.")
_CURRENCY: Final = click.option("--currency", metavar="CODE", help="ISO 4217; needed for the first entry of a site.")


@command("list", group=wallet)
@click.option("--prepaid/--postpaid", "prepaid", default=None, help="Only those that are prepaid, or are not.")
@click.option("--spent/--covered", "spent", default=None, help="Only those that are spent, or are not.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="How many.")
def show_all(operator: Operator, limit: int, **filters: bool | None) -> None:
    """List the wallets of all accounts."""
    query = {name: str(value).lower() for name, value in filters.items() if value is not None}
    page = operator.ask("GET", *WALLETS, query={**query, "limit": limit})
    operator.table(COLUMNS, [_in_units(one) for one in page["data"]], page)
    if not operator.is_json and page.get("next_cursor"):
        say("… there are more; narrow the list")


@command("show", group=wallet)
@_ACCOUNT
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="How many entries.")
def show(operator: Operator, named: str, limit: int) -> None:
    """Show a wallet, its newest entries, and what is reserved."""
    number = number_of(operator, "accounts", named)
    found = operator.ask("GET", *WALLETS, number)
    page = operator.ask("GET", *WALLETS, number, "entries", query={"limit": limit})
    if operator.is_json:
        operator.record({**found, "entries": page["data"]})
        return
    show_record({name: _in_units(found)[name] for name in COLUMNS})
    show_below(ENTRIES, [_in_units(one) for one in page["data"]])
    currency = {"currency": found["currency"]}
    show_below(RESERVATIONS, [_in_units({**one, **currency}) for one in found["reservations"]])


def _entering(name: str, path: str, words: str) -> None:
    """Add the command that enters something by hand."""

    @command(name, group=wallet, epilog=ENTRY_EXAMPLES.format(name=name))
    @_ACCOUNT
    @click.argument("amount")
    @_REASON
    @_CURRENCY
    @click.option("--id", "key", metavar="TEXT", help="Your own id of this: a repeat enters nothing again.")
    def enter(operator: Operator, named: str, amount: str, reason: str, currency: str | None, key: str | None) -> None:
        _enter(operator, (named, path), amount, {"reason": reason, "currency": currency}, key)

    enter.help = words


_entering("pay", "payment", "Enter a payment of what an account owes.")
_entering("top-up", "top-up", "Enter money that an account pays in advance.")
_entering("chargeback", "chargeback", "Enter money that a bank took back.")


@command("refund", group=wallet, epilog=ENTRY_EXAMPLES.format(name="refund"))
@_ACCOUNT
@click.argument("amount")
@_REASON
@_CURRENCY
@click.option(
    "--statement",
    type=click.IntRange(1),
    metavar="NUMBER",
    help="Of the credit that the statement with this number carried on.",
)
@click.option("--id", "key", metavar="TEXT", help="Your own id of this: a repeat enters nothing again.")
def refund(operator: Operator, named: str, amount: str, key: str | None, **given: Any) -> None:
    """Enter money that was paid out to an account."""
    _enter(operator, (named, "refund"), amount, given, key)


@command(
    "correct",
    group=wallet,
    epilog='\b\nExample:\n  levity-trio wallet correct --reason "typed twice" 7 -- -12.50\n',
)
@_ACCOUNT
@click.argument("amount")
@_REASON
@_CURRENCY
@click.option("--id", "key", metavar="TEXT", help="Your own id of this: a repeat enters nothing again.")
def correct(operator: Operator, named: str, amount: str, key: str | None, **given: Any) -> None:
    """Correct the balance of an account; a negative amount stands after --."""
    _enter(operator, (named, "correction"), amount, given, key)


@command("prepaid", group=wallet)
@_ACCOUNT
@_LIMIT
@_REASON
def prepaid(operator: Operator, named: str, limit: str, reason: str) -> None:
    """Make an account pay before it charges, or change its limit.

    While what it has available is at or below the limit, its tags are Blocked.
    """
    _set_terms(operator, named, {"terms": "prepaid", "reason": reason}, limit)


@command("postpaid", group=wallet)
@_ACCOUNT
@_REASON
def postpaid(operator: Operator, named: str, reason: str) -> None:
    """Bill an account afterwards."""
    _set_terms(operator, named, {"terms": "postpaid", "reason": reason}, "0")


@command("add", group=service, epilog="\b\nExample:\n  levity-trio wallet service add shop\n")
@click.argument("name")
def add_service(operator: Operator, name: str) -> None:
    """Add a payment service and show its secret, once."""
    added = operator.ask("POST", *SERVICES, given={"name": name})
    words = f"{added['secret']}\nThis is the secret of payment service {added['id']} ({name}). It is not shown again."
    operator.tell(added, f"{words}\nIts webhook is /api/payments/{name}.")


@command("list", group=service, epilog=an_example("wallet service list"))
def list_services(operator: Operator) -> None:
    """List the payment services."""
    operator.table(SERVICE_COLUMNS, operator.ask("GET", *SERVICES))


@command("revoke", group=service)
@click.argument("number", type=click.IntRange(1), metavar="ID")
def revoke_service(operator: Operator, number: int) -> None:
    """Revoke a payment service; its requests are refused from then on."""
    operator.ask("DELETE", *SERVICES, str(number))
    operator.tell({"revoked": number}, f"payment service {number} is revoked")


def _enter(operator: Operator, to: tuple[str, str], amount: str, given: Mapping[str, Any], key: str | None) -> None:
    typed, number = _typed(amount), number_of(operator, "accounts", to[0])
    currency = _currency(operator, number, given["currency"])
    body = {name: value for name, value in given.items() if value is not None}
    body |= {"amount": _minor(typed, currency), "currency": currency.code}
    headers = {} if key is None else {"Idempotency-Key": key}
    entered = operator.ask("POST", *WALLETS, number, to[1], given=body, headers=headers)
    found = operator.ask("GET", *WALLETS, number)
    words = f"{entered['kind']} {written(entered['amount'], currency)} of account {number} is entry {entered['id']}"
    operator.tell(entered, f"{words}; its balance is {written(found['balance'], currency)}")


def _set_terms(operator: Operator, named: str, body: Mapping[str, Any], limit: str) -> None:
    typed, number = _typed(limit), number_of(operator, "accounts", named)
    amount = _minor(typed, _currency(operator, number, None)) if typed else 0
    found = operator.ask("POST", *WALLETS, number, "terms", given={**body, "limit": amount})
    if operator.is_json:
        operator.record(found)
    else:
        show_record({name: _in_units(found)[name] for name in COLUMNS})


def _currency(operator: Operator, account: str, given: str | None) -> Currency:
    """Return the currency that was given, or that of the site. Raises ConfigError."""
    code = given.upper() if given else operator.ask("GET", *WALLETS, account)["currency"]
    if code is None:
        raise ConfigError("this site has no currency yet; give --currency, such as EUR")
    if code not in CURRENCIES:
        raise ConfigError(f"{code} is no currency (ISO 4217)")
    return CURRENCIES[code]


def _typed(amount: str) -> Decimal:
    try:
        return typed_amount(amount)
    except ValueError as wrong:
        raise ConfigError(str(wrong)) from None


def _minor(amount: Decimal, currency: Currency) -> int:
    try:
        return exact_minor_units(amount, currency)
    except ValueError as wrong:
        raise ConfigError(str(wrong)) from None


def _in_units(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with its amounts as people write them."""
    currency = CURRENCIES.get(one["currency"] or "")
    if currency is None:
        return dict(one)
    names = (*AMOUNTS, "amount")
    return {name: written(value, currency) if name in names else value for name, value in one.items()}
