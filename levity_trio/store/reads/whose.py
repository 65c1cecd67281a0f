"""Whose transactions are, and where they took place, in words of people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.database import Database, marks
from levity_trio.store.ownership import Owners
from levity_trio.store.reads.shapes import rows_of

_ACCOUNTS: Final = "SELECT id, name FROM account WHERE id IN ({})"
_TAG: Final = "SELECT name FROM tag WHERE key = ? AND ended_at IS NULL"
_CHARGER: Final = "SELECT name FROM cp WHERE id = ?"
_SPACE: Final = "SELECT name FROM space WHERE cp_id = ? AND conn_id IN (0, ?) ORDER BY conn_id DESC LIMIT 1"


class Whose:
    """Owners and names within one read; what was looked up is kept."""

    def __init__(self, db: Database, rule: Rule) -> None:
        self._rows = rows_of(db)
        self._policy = rule.policy
        self.owners = Owners(self._rows, rule.policy, rule.bill_by)
        self._names: dict[tuple[object, ...], str | None] = {}

    def accounts(self, transactions: Sequence[int]) -> Mapping[int, int | None]:
        """Return the accounts of transactions, by their ids; None for those of nobody."""
        return {number: owner.account for number, owner in self.owners.decide(transactions).items()}

    def account_names(self, accounts: Iterable[int | None]) -> Mapping[int | None, str]:
        known = tuple({one for one in accounts if one is not None})
        return dict(self._rows(_ACCOUNTS.format(marks(known)), known)) if known else {}

    def tag_name(self, id_tag: str | None) -> str | None:
        return None if id_tag is None else self._name(_TAG, self._policy.key(id_tag))

    def charger_name(self, charger: str) -> str | None:
        return self._name(_CHARGER, charger)

    def space(self, charger: str, connector: int | None) -> str | None:
        """Return the name of a connector's parking space, or of that of its charger as a whole."""
        return self._name(_SPACE, charger, connector or 0)

    def _name(self, sql: str, *values: object) -> str | None:
        key = (sql, *values)
        if key not in self._names:
            self._names[key] = next((name for (name,) in self._rows(sql, values)), None)
        return self._names[key]
