"""What is to be billed: the transactions and accounts of which something changed since they were billed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

import orjson

from levity_trio.billing.months import Month, beginning
from levity_trio.records import record
from levity_trio.store.billing.months import Begun
from levity_trio.store.billing.pricing import Pricer, Rule
from levity_trio.store.connectors import Rows
from levity_trio.store.engine.database import marks, parts
from levity_trio.wire.times import stamp

_REVISION: Final = "SELECT coalesce(max(revision), 0) FROM bill_work"
_TARIFFS: Final = (
    "SELECT (SELECT coalesce(max(id), 0) FROM tariff_version), (SELECT count(withdrawn_at) FROM tariff_version),"
    " (SELECT coalesce(max(id), 0) FROM tariff_assignment)"
)
_DUE: Final = (
    "SELECT tx_id FROM bill_work CROSS JOIN tx ON tx.id = tx_id WHERE revision <= ?"
    " AND status = 'Completed' AND stop_time >= ? AND stop_time < ? ORDER BY revision"
)
CHANGED: Final = (
    "SELECT tx_id, bill_work.account_id FROM bill_work LEFT JOIN tx ON tx.id = tx_id WHERE revision > ?"
    " AND coalesce(stop_time, '') < ? ORDER BY revision"
)
"""What changed after a revision, of all that ended before a time; also transactions that are open again."""
_ACCOUNTS: Final = "SELECT id FROM account WHERE since < ? AND coalesce(until, '9999') > ? AND undone_at IS NULL"
_CHANGED_ACCOUNTS: Final = (
    "SELECT account_id FROM bill_work WHERE account_id IS NOT NULL AND revision <= ?"
    " AND account_id NOT IN (SELECT id FROM account WHERE undone_at IS NOT NULL)"
)
_BILLED: Final = (
    "SELECT DISTINCT tx_id, position.account_id FROM position JOIN statement ON statement.id = statement_id"
    " WHERE tx_id IN ({}) AND number IS NOT NULL AND kind <> 'held back'"
)
_DRAFTED: Final = (
    "SELECT tx_id, position.account_id FROM position JOIN statement ON statement.id = statement_id"
    " WHERE tx_id IN ({}) AND draft_id = ?"
)


class Terms(NamedTuple):
    """By what statements are made. A draft that was made by others is made anew."""

    rule: Rule
    carry_below: int

    def text(self, rows: Rows) -> str:
        """Return the terms as they are stored, with the tariffs that are known now."""
        (tariffs,) = rows(_TARIFFS, ())
        strip = self.rule.policy.strip
        told = {
            "zone": str(self.rule.zone),
            "bill_by": str(self.rule.bill_by),
            "tag_strip": None if strip is None else strip.pattern,
            "carry_below": self.carry_below,
            "tariffs": tariffs,
        }
        return orjson.dumps(told, option=orjson.OPT_SORT_KEYS).decode()


@record(kw_only=False)
class Plan:
    """The statements of a month that are to be made. `until` is its end, or that of the account that moves out."""

    begun: Begun
    month: Month
    account: int | None
    terms: Terms
    until: str
    revision: int

    @property
    def rule(self) -> Rule:
        return self.terms.rule

    @property
    def since(self) -> str:
        """What ended before is billed elsewhere."""
        return stamp(beginning(self.begun.on, self.rule.zone))


def newest_revision(rows: Rows) -> int:
    ((revision,),) = rows(_REVISION, ())
    return int(revision)


def due(rows: Rows, plan: Plan) -> dict[int, list[int]]:
    """Return the transactions of each account that its statement must look at, in the order of the account's id."""
    ids = [number for (number,) in rows(_DUE, (plan.revision, plan.since, plan.until))]
    accounts: dict[int, list[int]] = defaultdict(list)
    for account in _every_account(rows, plan):
        accounts[account] = []
    for part in parts(ids):
        for transaction, account in _concerned(rows, part, Pricer(rows, plan.rule)):
            accounts[account].append(transaction)
    chosen = sorted(accounts) if plan.account is None else [plan.account]
    return {account: accounts[account] for account in chosen}


def count_accounts(rows: Rows, plan: Plan, draft: int) -> int:
    """Return of how many accounts a ready draft is: those of the month, and others for whom it has a statement."""
    if plan.account is not None:
        return 1
    drafted = rows("SELECT DISTINCT account_id FROM statement WHERE draft_id = ?", (draft,))
    return len({*_every_account(rows, plan), *(account for (account,) in drafted)})


def _every_account(rows: Rows, plan: Plan) -> Iterator[int]:
    since = stamp(plan.month.since(plan.rule.zone))
    opened = rows(_ACCOUNTS, (plan.until, since))
    changed = rows(_CHANGED_ACCOUNTS, (plan.revision,))
    return chain.from_iterable((*opened, *changed))


def _concerned(rows: Rows, transactions: Sequence[int], pricer: Pricer) -> Iterator[tuple[int, int]]:
    """Yield each transaction with the accounts whose it is, and whose it was when it was billed."""
    owned = ((number, owner.account) for number, owner in pricer.owners(transactions).items())
    pairs = {(number, account) for number, account in owned if account is not None}
    pairs |= set(_pairs(rows, _BILLED, transactions))
    return iter(sorted(pairs))


def affected(rows: Rows, plan: Plan, changed: Iterable[tuple[int | None, int | None]], draft: int) -> set[int]:
    """Return the accounts whose statements a change concerns: given are rows of CHANGED."""
    every = list(changed)
    found = {account for _, account in every if account is not None}
    for part in parts([transaction for transaction, _ in every if transaction is not None]):
        found |= {account for _, account in _concerned(rows, part, Pricer(rows, plan.rule))}
        found |= {account for _, account in _pairs(rows, _DRAFTED, part, draft)}
    return found if plan.account is None else found & {plan.account}


def _pairs(rows: Rows, sql: str, transactions: Collection[int], *values: Any) -> list[tuple[int, int]]:
    found: list[Any] = rows(sql.format(marks(transactions)), (*transactions, *values))
    return found
