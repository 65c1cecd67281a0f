"""The rules of ledgers: what can be entered, and when an account that pays before it charges is
spent.

Amounts are minor units, positive in the account's favour. A balance is the sum of all entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from levity_trio.billing.money import minor_units, told_amount, typed_number
from levity_trio.billing.statement import Currency
from levity_trio.told import Told

LARGEST: Final = 10**12
"""The largest amount of an entry. Millions of such entries have a sum below 2**63."""


class LedgerKind(StrEnum):
    """What an entry is."""

    STATEMENT = "statement"
    """What a closed statement asks for (negative), or gives back, beyond what wallets were
    charged."""
    PAYMENT = "payment"
    TOP_UP = "top-up"
    """Money paid in advance."""
    CHARGE = "charge"
    """What a wallet was charged for a transaction."""
    REFUND = "refund"
    """Money paid out to the account."""
    CHARGEBACK = "chargeback"
    """Money that a bank took back from us."""
    CORRECTION = "correction"


class EntrySource(StrEnum):
    """How an entry came into the ledger."""

    HAND = "hand"
    BANK_FILE = "bank file"


class WalletTerms(StrEnum):
    """When an account pays."""

    PREPAID = "prepaid"
    POSTPAID = "postpaid"


_SIGNS: Final[Mapping[LedgerKind, tuple[int, ...]]] = {
    LedgerKind.STATEMENT: (-1, 0, 1),
    LedgerKind.PAYMENT: (1,),
    LedgerKind.TOP_UP: (1,),
    LedgerKind.CHARGE: (-1,),
    LedgerKind.REFUND: (-1,),
    LedgerKind.CHARGEBACK: (-1,),
    LedgerKind.CORRECTION: (-1, 1),
}
PAID_OUT: Final = (LedgerKind.REFUND, LedgerKind.CHARGEBACK)
"""People give these kinds as positive amounts, although they take from the balance."""


def objection(kind: LedgerKind, amount: int, currency: Currency) -> str | None:
    """Return why an amount cannot be entered as this kind, None if it can."""
    if abs(amount) > LARGEST:
        return Told("it is beyond {1}", told_amount(LARGEST, currency))
    sign = (amount > 0) - (amount < 0)
    if sign in _SIGNS[kind]:
        return None
    if not sign:
        return Told("it is 0, which changes nothing")
    what = Told(kind.value)
    return (
        Told("a {1} is never positive", what) if sign > 0 else Told("a {1} is never negative", what)
    )


def refund_objection(amount: int, in_favour: int, currency: Currency) -> str | None:
    """Return why an amount (negative) cannot be paid out of what is in an account's favour, None if
    it can."""
    if -amount <= in_favour:
        return None
    if in_favour <= 0:
        return Told("nothing is in its favour")
    return Told("only {1} is in its favour", told_amount(in_favour, currency))


def suggested_top_up(lacking: int, used: int, currency: Currency) -> int:
    """Return what an account that pays in advance best pays: what it lacks, and what a month of it
    costs, at least 20 units of the currency, in whole tens."""
    ten = minor_units(Decimal(10), currency)
    wanted = max(0, lacking) + max(used, 2 * ten)
    return -(-wanted // ten) * ten


def typed_amount(text: str) -> Decimal:
    """Return a number that a person typed, with comma or point before its decimals. Raises
    ValueError."""
    number = typed_number(text)
    if number is None:
        raise ValueError(
            Told("{1}: write a number as in 12.50 or 12,50, with nothing between thousands", text)
        )
    return number


def exact_minor_units(amount: Decimal, currency: Currency) -> int:
    """Return an amount in units of a currency in minor units.

    Raises ValueError if it has more decimals, also of 0: 1.000 may be a thousand.
    """
    if len(f"{amount:f}".partition(".")[2]) > currency.exponent:
        raise ValueError(
            Told("{1}: {2} has {3} decimals", f"{amount:f}", currency.code, currency.exponent)
        )
    return minor_units(amount, currency)


class WalletStanding(NamedTuple):
    """The balance of an account, what its charging has used and was not charged for yet, and its
    terms."""

    balance: int
    reserved: int
    is_prepaid: bool
    limit: int

    @property
    def available(self) -> int:
        """What it can still use."""
        return self.balance - self.reserved

    @property
    def is_spent(self) -> bool:
        """Whether it may not charge until it pays."""
        return self.is_prepaid and self.available <= self.limit
