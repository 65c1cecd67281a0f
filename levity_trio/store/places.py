"""Whose a place is, and where a card may charge, as stored. Only reads, so the writer and readers share it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import orjson

from levity_trio.access import places
from levity_trio.access.places import ACCOUNT, ANYWHERE, TAG, Card, Limit, Reason, Space
from levity_trio.access.tags import Policy
from levity_trio.billing.ownership import Thing, What
from levity_trio.store.connectors import Rows
from levity_trio.store.ownership import periods_of

NEWEST: Final = "usage_limit.id IN (SELECT max(id) FROM usage_limit GROUP BY what, key)"
IS_OF_PLACE: Final = "(chargers IS NOT NULL OR is_everywhere = 1)"
_ANY: Final = (
    "SELECT 1 FROM ownership INDEXED BY ownership_exclusive WHERE is_exclusive = 1 AND voided_at IS NULL"
    " UNION ALL SELECT 1 FROM usage_limit LIMIT 1"
)
_SPACES: Final = (
    "SELECT id, key, conn_id, account_id, since, until, is_exclusive FROM ownership WHERE what = 'space'"
    " AND voided_at IS NULL"
)
_SPACES_OF: Final = f"{_SPACES} AND key = ? AND since <= ? AND coalesce(until, '9999') > ?"
_CONNECTORS: Final = "SELECT cp_id, conn_id FROM cp_conn WHERE conn_id > 0"
_LIMIT: Final = (
    "SELECT chargers, is_everywhere, month_wh, month_amount FROM usage_limit WHERE what = ? AND key = ?"
    " ORDER BY id DESC LIMIT 1"
)
_LIMITS: Final = f"SELECT what, key, chargers, is_everywhere FROM usage_limit WHERE {NEWEST} AND {IS_OF_PLACE}"  # noqa: S608 - ours
_IS_KNOWN: Final = "SELECT 1 FROM tag WHERE key = ? AND ended_at IS NULL"


class UsageLimit(NamedTuple):
    """What holds for a card or a household: where it may charge, and how much in a month (None: without a limit)."""

    chargers: tuple[str, ...] | None = None
    is_everywhere: bool = False
    month_wh: int | None = None
    month_amount: int | None = None

    @property
    def of_place(self) -> Limit:
        """Where it may charge."""
        return Limit(None if self.chargers is None else frozenset(self.chargers), self.is_everywhere)


def usage_limit(rows: Rows, what: str, key: str) -> UsageLimit:
    """Return what holds for a tag, by its normal form, or for an account."""
    found = rows(_LIMIT, (what, key))
    return _usage_limit(*found[0]) if found else UsageLimit()


def _usage_limit(chargers: str | None, is_everywhere: int, *month: int | None) -> UsageLimit:
    return UsageLimit(None if chargers is None else tuple(orjson.loads(chargers)), bool(is_everywhere), *month)


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
    known = [number for (number,) in rows("SELECT conn_id FROM cp_conn WHERE cp_id = ? AND conn_id > 0", (charger,))]
    return places.admitted(found, known, connector)


def card(rows: Rows, key: str, at: str) -> Card:
    """Return a tag, by its normal form, as it is presented."""
    periods = periods_of(rows, Thing(What.TAG, key))
    account = next((one.account for one in periods if one.span.covers(at)), None)
    return places.card(
        account,
        usage_limit(rows, TAG, key).of_place,
        ANYWHERE if account is None else usage_limit(rows, ACCOUNT, str(account)).of_place,
        is_known=bool(rows(_IS_KNOWN, (key,))),
        has_belonged=any(one.span.since <= at for one in periods),
    )


def refusal(rows: Rows, policy: Policy, key: str, charger: str, connector: int | None, at: str) -> Reason | None:
    """Return why a tag, by its normal form, may not charge at a connector, or (None) anywhere at a charger."""
    if policy.is_own(key) or not rows(_ANY, ()):
        return None
    return places.refusal(card(rows, key, at), charger, admitted(rows, charger, connector, at))
