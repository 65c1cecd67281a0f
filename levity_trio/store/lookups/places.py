"""Why a card may not charge here or now, as stored: whose a place is, limits of a place and a
month, and how accounts stand.

Only reads, so the writer and read-only connections share it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, NamedTuple

import orjson

from levity_trio.access import places
from levity_trio.access.places import ACCOUNT, ANYWHERE, TAG, Card, Limit, Reason, Space
from levity_trio.access.tags import Policy
from levity_trio.access.wallets import GROUP
from levity_trio.billing.ledger import WalletStanding
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

NEWEST: Final = "usage_limit.id IN (SELECT max(id) FROM usage_limit GROUP BY what, key)"
IS_OF_PLACE: Final = "(chargers IS NOT NULL OR is_everywhere = 1)"
_ANY: Final = (
    "SELECT 1 FROM ownership INDEXED BY ownership_exclusive "
    "WHERE is_exclusive = 1 AND voided_at IS NULL UNION ALL "
    "SELECT 1 FROM usage_limit LIMIT 1"
)
_SPACES: Final = (
    "SELECT id, key, conn_id, account_id, since, until, is_exclusive "
    "FROM ownership WHERE what = 'space' AND voided_at IS NULL"
)
_SPACES_OF: Final = f"{_SPACES} AND key = ? AND since <= ? AND coalesce(until, '9999') > ?"
_CONNECTORS: Final = "SELECT cp_id, conn_id FROM cp_conn WHERE conn_id > 0"
_LIMIT: Final = (
    "SELECT chargers, is_everywhere, month_wh, month_amount "
    "FROM usage_limit WHERE what = ? AND key = ? "
    "ORDER BY id DESC LIMIT 1"
)
_LIMITS: Final = (
    f"SELECT what, key, chargers, is_everywhere FROM usage_limit WHERE {NEWEST} AND {IS_OF_PLACE}"  # noqa: S608 - ours
)
_IS_OWNED: Final = (
    "ownership.what = 'tag' AND voided_at IS NULL AND ownership.since <= ?1 AND "
    "coalesce(ownership.until, '9999') > ?1"
)
_OF_SPENT: Final = (
    "FROM wallet INDEXED BY wallet_spent CROSS JOIN ownership USING (account_id)"
    f" WHERE wallet.spent_since IS NOT NULL AND {_IS_OWNED}"
)
_REACHED: Final = "FROM month_standing INDEXED BY month_standing_reached"
_IS_REACHED: Final = "reached_at IS NOT NULL AND month_standing.until > ?1"
_OF_TAG: Final = f"{_REACHED} WHERE month_standing.what = 'tag' AND {_IS_REACHED}"
_OF_ACCOUNT: Final = (
    f"{_REACHED} CROSS JOIN ownership ON ownership.account_id = CAST(month_standing.key AS INTEGER)"
    f" WHERE month_standing.what = 'account' AND {_IS_REACHED} AND {_IS_OWNED}"
)
PARENT: Final = (
    f"coalesce(tag.parent_id_tag, (SELECT '{GROUP}' || account_id FROM ownership WHERE "  # noqa: S608
    f"ownership.key = tag.key AND {_IS_OWNED}))"
)
"""The group of a tag as chargers are told it, by the time, the first parameter."""
WITHHELD_KEYS: Final = (
    f"SELECT ownership.key {_OF_SPENT} UNION ALL SELECT month_standing.key {_OF_TAG}"
    f" UNION ALL SELECT ownership.key {_OF_ACCOUNT}"
)
"""The normal forms of the tags that may not charge at a time, the only parameter: they belong to a
spent account, or a limit of the month is reached."""
WITHHELD: Final = (
    "SELECT reason "  # noqa: S608 - ours
    f"FROM (SELECT 1 AS place, 'month' AS reason {_OF_TAG} AND month_standing.key = ?2 UNION ALL "
    f"SELECT 2, 'spent' {_OF_SPENT} AND ownership.key = ?2 UNION ALL "
    f"SELECT 3, 'month' {_OF_ACCOUNT} AND ownership.key = ?2) AS one "
    "ORDER BY place LIMIT 1"
)
"""The Reason why a tag may charge nowhere at a time; no row if it may. Parameters: the time, and
its normal form."""
_ANY_WITHHELD: Final = (
    "SELECT 1 FROM wallet INDEXED BY wallet_spent WHERE spent_since IS NOT NULL UNION ALL"  # noqa: S608
    f" SELECT 1 {_REACHED} WHERE reached_at IS NOT NULL LIMIT 1"
)
_HAS_REACHED: Final = f"SELECT 1 {_REACHED} WHERE what = ?2 AND key = ?3 AND {_IS_REACHED}"
NAMED: Final = (
    "SELECT space.name, cp_id, conn_id FROM space JOIN cp ON cp.id = cp_id WHERE hidden_at IS NULL "
    "UNION SELECT name, id, 0 FROM cp WHERE hidden_at IS NULL AND name IS NOT NULL "
    "UNION SELECT id, id, 0 FROM cp WHERE hidden_at IS NULL"
)
"""What spaces and chargers are called, identities too, with charger and connector, 0 for all."""
_IS_KNOWN: Final = "SELECT 1 FROM tag WHERE key = ? AND ended_at IS NULL"


class UsageLimit(NamedTuple):
    """What holds for a card or a household: where it may charge, and how much in a month (None:
    without a limit)."""

    chargers: tuple[str, ...] | None = None
    is_everywhere: bool = False
    month_wh: int | None = None
    month_amount: int | None = None

    @property
    def of_place(self) -> Limit:
        """The places where it may charge."""
        return Limit(
            None if self.chargers is None else frozenset(self.chargers), self.is_everywhere
        )


def usage_limit(rows: Rows, what: str, key: str) -> UsageLimit:
    """Return what holds for a tag, by its normal form, or for an account."""
    found = rows(_LIMIT, (what, key))
    return _usage_limit(*found[0]) if found else UsageLimit()


def _usage_limit(chargers: str | None, is_everywhere: int, *month: int | None) -> UsageLimit:
    return UsageLimit(
        None if chargers is None else tuple(orjson.loads(chargers)), bool(is_everywhere), *month
    )


def folded(name: str) -> str:
    """Return a name as it is compared with what people type."""
    return " ".join(name.split()).casefold()


def called(rows: Rows, text: str) -> list[str]:
    """Return the charger that has this identity, else those of this name, or with a space of this
    name."""
    if rows("SELECT 1 FROM cp WHERE id = ?", (text,)):
        return [text]
    named, wanted = rows(NAMED, ()), folded(text)
    return sorted({charger for name, charger, _connector in named if folded(name) == wanted})


def spaces(rows: Rows) -> Iterator[Space]:
    """Yield all spaces that belong to somebody, did or will."""
    return map(_space, rows(_SPACES, ()))


def _space(row: tuple[Any, ...]) -> Space:
    number, charger, connector, account, since, until, is_exclusive = row
    return Space(number, charger, connector, account, since, until, bool(is_exclusive))


def connectors(rows: Rows) -> list[tuple[str, int]]:
    """Return the connectors that are known, with their chargers."""
    return [(charger, connector) for charger, connector in rows(_CONNECTORS, ())]


def limits(rows: Rows) -> dict[tuple[str, str], Limit]:
    """Return the tags and accounts that may not charge like all others."""
    return {(what, key): _usage_limit(*limit).of_place for what, key, *limit in rows(_LIMITS, ())}


def admitted(rows: Rows, charger: str, connector: int | None, at: str) -> frozenset[int] | None:
    """Return the accounts whose cards may charge at a place, None if all may."""
    found = [_space(row) for row in rows(_SPACES_OF, (charger, at, at))]
    if not any(one.is_exclusive for one in found):
        return None
    known = [
        number
        for (number,) in rows(
            "SELECT conn_id FROM cp_conn WHERE cp_id = ? AND conn_id > 0", (charger,)
        )
    ]
    return places.admitted(found, known, connector)


def admitted_then(
    rows: Rows, charger: str, connector: int, account: int, at: str
) -> frozenset[int] | None:
    """Return the same, if this connector (0: the charger) was for this account only."""
    found = [_space(row) for row in rows(_SPACES_OF, (charger, at, at))]
    others = [one for one in found if one.connector != connector]
    only = Space(0, charger, connector, account, at, None, is_exclusive=True)
    known = [
        number
        for (number,) in rows(
            "SELECT conn_id FROM cp_conn WHERE cp_id = ? AND conn_id > 0", (charger,)
        )
    ]
    return places.admitted([*others, only], known, connector or None)


def card(rows: Rows, key: str, at: str) -> Card:
    """Return a tag, by its normal form, as it is presented."""
    periods = periods_of(rows, Thing(What.TAG, key))
    account = next((one.account for one in periods if one.span.covers(at)), None)
    return places.card(
        account,
        usage_limit(rows, TAG, key).of_place,
        ANYWHERE if account is None else usage_limit(rows, ACCOUNT, str(account)).of_place,
        is_known=bool(rows(_IS_KNOWN, (key,))),
        is_given=bool(periods),
    )


def refusal(
    rows: Rows, policy: Policy, key: str, charger: str, connector: int | None, at: str
) -> Reason | None:
    """Return why a tag, by its normal form, may not charge at a connector, or (None) anywhere at a
    charger."""
    if policy.is_own(key) or not rows(_ANY, ()):
        return None
    return places.refusal(card(rows, key, at), charger, admitted(rows, charger, connector, at))


def withheld(rows: Rows, policy: Policy, charged: ChargedSession) -> Reason | None:
    """Return why a start is Blocked: its tag belongs to a spent account, the account that would pay
    for it is spent, or a limit of the month of one of them is reached."""
    if not rows(_ANY_WITHHELD, ()):
        return None
    if charged.tag and (found := rows(WITHHELD, (charged.start, charged.tag))):
        return Reason(found[0][0])
    bill_by = BillBy.CONNECTOR if policy.bills_connector_first else BillBy.TAG
    account = decide(
        charged, None, bill_by, lambda thing: periods_of(rows, thing), lambda _: TimeSpan("")
    ).account
    if account is None:
        return None
    if is_spent(rows, account):
        return Reason.SPENT
    return Reason.MONTH if rows(_HAS_REACHED, (charged.start, ACCOUNT, str(account))) else None


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


_STANDING: Final = (
    "SELECT (SELECT coalesce(sum(amount), 0) FROM ledger WHERE account_id = ?1),"
    " (SELECT coalesce(sum(amount), 0) FROM wallet_reservation WHERE account_id = ?1),"
    " (SELECT prepaid_since IS NOT NULL FROM wallet WHERE account_id = ?1),"
    " (SELECT limit_amount FROM wallet WHERE account_id = ?1)"
)
_CURRENCY: Final = (
    "SELECT currency FROM ledger "
    "WHERE id = (SELECT min(id) FROM ledger) UNION ALL "
    "SELECT currency FROM tariff "
    "WHERE EXISTS (SELECT 1 FROM tariff_version WHERE tariff_id = tariff.id "
    "AND withdrawn_at IS NULL)"
)
_CLOSED: Final = (
    "SELECT 1 FROM position JOIN statement ON statement.id = statement_id"
    " WHERE tx_id = ? AND number IS NOT NULL AND kind <> 'held back' LIMIT 1"
)


def name_of(rows: Rows, account: int) -> str:
    """Return what people call an account; its number if it is not known."""
    found = rows("SELECT name FROM account WHERE id = ?", (account,))
    return str(found[0][0] if found else account)


def standing_of(rows: Rows, account: int) -> WalletStanding:
    """Return how an account stands; one without terms is postpaid."""
    ((balance, reserved, is_prepaid, limit),) = rows(_STANDING, (account,))
    return WalletStanding(balance, reserved, bool(is_prepaid), limit or 0)


def is_prepaid(rows: Rows, account: int) -> bool:
    """Whether an account pays before it charges."""
    return bool(
        rows("SELECT 1 FROM wallet WHERE account_id = ? AND prepaid_since IS NOT NULL", (account,))
    )


def currency_of(rows: Rows) -> str | None:
    """Return the currency of the site: that of its ledger, else of its tariffs; None without
    any."""
    found = rows(_CURRENCY, ())
    return found[0][0] if found else None


def is_on_closed_statement(rows: Rows, transaction: int) -> bool:
    """Whether a closed statement bills a transaction; then wallets leave it alone."""
    return bool(rows(_CLOSED, (transaction,)))


def is_spent(rows: Rows, account: int) -> bool:
    """Whether an account is prepaid and has nothing left."""
    return bool(
        rows("SELECT 1 FROM wallet WHERE account_id = ? AND spent_since IS NOT NULL", (account,))
    )
