"""The owners of transactions, by the stored periods. It only reads, so the writer and read-only
connections share it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from levity_trio.access.tags import Policy
from levity_trio.billing.ownership import (
    BillBy,
    ChargedSession,
    GivenByHand,
    OwnershipPeriod,
    SessionOwner,
    Thing,
    TimeSpan,
    What,
    decide,
    grounds,
)
from levity_trio.store.engine.database import Rows, marks, parts
from levity_trio.told import Moment, Value

_PERIODS: Final = (
    "SELECT account_id, since, until, vehicle_id, id, given_by, reason, is_exclusive FROM ownership"
    " WHERE what = ? AND key = ? AND conn_id = ? AND voided_at IS NULL ORDER BY since"
)
_PERIODS_OF_KEYS: Final = (
    "SELECT what, key, conn_id, account_id, ownership.since, ownership.until, vehicle_id, "
    "ownership.id, given_by, reason, is_exclusive, account.since, account.until "
    "FROM ownership JOIN account ON account.id = account_id "
    "WHERE voided_at IS NULL AND what IN ('tag', 'space') AND key IN ({}) "
    "ORDER BY ownership.since, ownership.id"
)
_OPEN: Final = "SELECT since, until FROM account WHERE id = ?"
_CHARGED: Final = (
    "SELECT id, id_tag, cp_id, conn_id, start_time, account_id, given_by, tx_account.reason"
    " FROM tx LEFT JOIN tx_account ON tx_id = tx.id WHERE id IN ({})"
)


def periods_of(rows: Rows, thing: Thing) -> list[OwnershipPeriod]:
    """Return the periods of a thing that were not voided, the oldest first."""
    found = rows(_PERIODS, thing)
    return [
        OwnershipPeriod(
            account, TimeSpan(since, until), vehicle, number, given_by, reason, bool(is_exclusive)
        )
        for account, since, until, vehicle, number, given_by, reason, is_exclusive in found
    ]


class DecidedOwner(NamedTuple):
    """The owner of a transaction, and why it is the owner's."""

    owner: SessionOwner
    grounds: tuple[str, ...]


class Owners:
    """Decides whose transactions are, within one read; what it looked up is kept."""

    def __init__(self, rows: Rows, policy: Policy, bill_by: BillBy) -> None:
        self._rows = rows
        self._policy = policy
        self._bill_by = bill_by
        self._periods: dict[Thing, list[OwnershipPeriod]] = defaultdict(list)
        self._known: set[str] = set()
        """The keys of tags and chargers whose periods were looked up."""
        self._open: dict[int, TimeSpan] = {}

    def account(
        self, id_tag: str | None, charger: str, connector: int | None, start: str
    ) -> int | None:
        """Return the account of a transaction that was not given by hand."""
        return self._owner(self.at(id_tag, charger, connector, start), None).account

    def at(
        self, id_tag: str | None, charger: str, connector: int | None, start: str
    ) -> ChargedSession:
        """Return what decides whose a transaction is."""
        return ChargedSession(
            self._policy.key(id_tag) if id_tag else None, charger, connector, start
        )

    def decide(self, transactions: Sequence[int]) -> dict[int, SessionOwner]:
        """Return whose these transactions are, by their ids."""
        return self.decide_known([*self._charged(transactions)])

    def decide_known(
        self, transactions: Sequence[tuple[int, ChargedSession, GivenByHand | None]]
    ) -> dict[int, SessionOwner]:
        """Return whose transactions are, by their ids, of which is known what decides that."""
        self._look_up(
            {key for _, charged, _ in transactions for key in (charged.tag, charged.charger) if key}
        )
        return {number: self._owner(charged, given) for number, charged, given in transactions}

    def explain(
        self, transaction: int, *, shown: Callable[[str], Value] = Moment
    ) -> DecidedOwner | None:
        """Return whose a transaction is, and why; None if there is no such transaction. `shown`
        writes times."""
        for _, charged, given in self._charged((transaction,)):
            owner = self._owner(charged, given)
            return DecidedOwner(owner, tuple(grounds(charged, owner, self._bill_by, shown)))
        return None

    def _charged(
        self, transactions: Sequence[int]
    ) -> Iterator[tuple[int, ChargedSession, GivenByHand | None]]:
        for part in parts(transactions):
            rows = self._rows(_CHARGED.format(marks(part)), part)
            for number, tag, charger, connector, start, account, *by_hand in rows:
                charged = self.at(tag, charger, connector, start)
                yield number, charged, None if account is None else GivenByHand(account, *by_hand)

    def _owner(self, charged: ChargedSession, given: GivenByHand | None) -> SessionOwner:
        return decide(charged, given, self._bill_by, self._periods_of, self._open_of)

    def _periods_of(self, thing: Thing) -> list[OwnershipPeriod]:
        if thing.key not in self._known:
            self._look_up({thing.key})
        return self._periods[thing]

    def _look_up(self, keys: AbstractSet[str]) -> None:
        """Look up in one read what belongs to somebody, and when the accounts are open."""
        for part in parts(sorted(keys - self._known)):
            for what, key, connector, *row in self._rows(
                _PERIODS_OF_KEYS.format(marks(part)), part
            ):
                (
                    account,
                    since,
                    until,
                    vehicle,
                    number,
                    given_by,
                    reason,
                    is_exclusive,
                    opened,
                    closed,
                ) = row
                period = OwnershipPeriod(
                    account,
                    TimeSpan(since, until),
                    vehicle,
                    number,
                    given_by,
                    reason,
                    bool(is_exclusive),
                )
                self._periods[Thing(What(what), key, connector)].append(period)
                self._open[account] = TimeSpan(opened, closed)
        self._known |= keys

    def _open_of(self, account: int) -> TimeSpan:
        if account not in self._open:
            ((since, until),) = self._rows(_OPEN, (account,))
            self._open[account] = TimeSpan(since, until)
        return self._open[account]
