"""What changes the wallets of accounts. Facts have the numbers of accounts and entries, never names or amounts."""

from __future__ import annotations

from levity_trio.events.fact import Fact
from levity_trio.records import record


@record
class WalletEntered(Fact):
    """Something was entered in the ledger of an account: `kind` is payment, top-up, charge, statement and so on.

    `transaction` is the one that a charge is for.
    """

    entry: int
    account: int
    kind: str
    transaction: int | None
    by: str


@record
class WalletTermsChanged(Fact):
    """An operator made an account prepaid or postpaid (`terms`), or changed the limit at which it is spent."""

    account: int
    terms: str
    by: str


@record
class WalletSpent(Fact):
    """What a prepaid account has available reached its limit: its tags are Blocked."""

    account: int


@record
class WalletCovered(Fact):
    """An account that was spent may charge again: it has more available than its limit, or is postpaid."""

    account: int
