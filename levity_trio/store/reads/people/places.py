"""The owners of places, and where cards may charge: for memory, for the pages, and for those who
were refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final, NamedTuple

from levity_trio.access.places import Limit, Reason, Space, refusal
from levity_trio.records import copied, record
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.lookups import places as stored
from levity_trio.store.lookups.wallets import currency_of
from levity_trio.store.reads.pages import Shape, and_all, given


class Loaded(NamedTuple):
    """What memory takes of it."""

    spaces: list[Space]
    connectors: list[tuple[str, int]]
    limits: Mapping[tuple[str, str], Limit]


def load_places(db: Database) -> Loaded:
    """Return whose places are, which connectors are known, and the limits."""
    rows = rows_of(db)
    return Loaded([*stored.spaces(rows)], stored.connectors(rows), stored.limits(rows))


@record
class SpaceRow:
    """A space that belongs to a household now (`connector` null: the whole charger), perhaps for it
    only."""

    charger: str
    charger_name: str | None
    connector: int | None
    name: str | None
    account: int
    account_name: str
    since: str
    exclusive: bool


@record
class RefusedCard:
    """A card that charged at a space lately and could not any longer, if that was for its household
    only; `who` has it now, by the name of the household, or that of the card."""

    id_tag: str
    account: int | None
    who: str | None
    transactions: int
    last_at: str


@record
class LimitRow:
    """What holds for a card or a household from `since` on: where it may charge, and how much in a
    month."""

    chargers: list[str] | None = None
    everywhere: bool = False
    month_wh: int | None = None
    month_amount: int | None = None
    since: str | None = None
    set_by: str | None = None


@record
class Limits(LimitRow):
    """What holds now, and how the month stands until `until`: `state` is near from four fifths on,
    or reached.

    Amounts are minor units of `currency`. `history` is what was set, the newest first.
    """

    used_wh: int | None
    used_amount: int | None
    until: str | None
    state: str | None
    currency: str | None
    history: list[LimitRow]


_SPACE: Final = Shape(
    SpaceRow,
    charger="ownership.key",
    charger_name="cp.name",
    connector="nullif(ownership.conn_id, 0)",
    name="space.name",
    account="account_id",
    account_name="account.name",
    since="ownership.since",
    exclusive="is_exclusive",
)
_SPACES: Final = (
    "FROM ownership JOIN account ON account.id = account_id LEFT "
    "JOIN cp ON cp.id = ownership.key LEFT "
    "JOIN space ON space.cp_id = ownership.key AND space.conn_id = ownership.conn_id "
    "WHERE what = 'space' AND voided_at IS NULL AND ownership.since <= ? "
    "AND coalesce(ownership.until, '9999') > ?"
)
_WHO: Final = (
    "SELECT coalesce((SELECT name FROM account WHERE id = ?),"
    " (SELECT name FROM tag WHERE key = ? AND ended_at IS NULL))"
)
_LATELY: Final = (
    "SELECT id_tag, count(*), max(start_time) FROM tx INDEXED BY tx_by_charger WHERE cp_id = ?"
    " AND start_time >= ?{} AND id_tag IS NOT NULL GROUP BY id_tag ORDER BY max(start_time) DESC"
)
_LIMIT: Final = Shape(LimitRow, everywhere="is_everywhere").with_texts("chargers")
_HISTORY: Final = "FROM usage_limit WHERE what = ? AND key = ? ORDER BY id DESC LIMIT 100"
_STANDING: Final = (
    "SELECT wh, amount, until, warned_at, reached_at "
    "FROM month_standing WHERE what = ? AND key = ? AND until > ?"
)


def spaces(
    db: Database, now: str, charger: str | None, account: int | None = None
) -> list[SpaceRow]:
    """Return the spaces that belong to households now, of one charger or of all, of one household
    or of all."""
    wanted, values = and_all(given(("ownership.key = ?", charger), ("account_id = ?", account)))
    return _SPACE.every(
        db, f"{_SPACES}{wanted} ORDER BY ownership.key, ownership.conn_id", (now, now, *values)
    )


class AtSpace(NamedTuple):
    """A space, by its charger and connector (0: the whole charger), and the account whose it is or
    would be."""

    charger: str
    connector: int
    account: int


def refused_then(
    db: Database, rule: Rule, space: AtSpace, now: str, since: str
) -> list[RefusedCard]:
    """Return the cards that charged at a space since a time and would be refused there, if it was
    for its household only; the last one first."""
    rows, policy = rows_of(db), rule.policy
    at_it, values = ("", ()) if not space.connector else (" AND conn_id = ?", (space.connector,))
    lately = defaultdict[str, list[tuple[str, int, str]]](list)
    for id_tag, count, at in rows(_LATELY.format(at_it), (space.charger, since, *values)):
        lately[policy.key(id_tag)].append((id_tag, count, at))
    admitted = stored.admitted_then(rows, space.charger, space.connector, space.account, now)
    found = list[RefusedCard]()
    for key, forms in lately.items():
        card, (id_tag, _, last_at) = stored.card(rows, key, now), forms[0]
        if policy.is_own(key) or refusal(card, space.charger, admitted) is not Reason.SPACE:
            continue
        ((who,),) = rows(_WHO, (card.account, key))
        times = sum(count for _, count, _ in forms)
        found.append(
            RefusedCard(
                id_tag=id_tag, account=card.account, who=who, transactions=times, last_at=last_at
            )
        )
    return found


def limits_of(db: Database, what: str, key: str, now: str) -> Limits:
    """Return what holds for a tag, by its normal form, or for an account."""
    rows = rows_of(db)
    history = _LIMIT.every(db, _HISTORY, (what, key))
    present = history[0] if history else LimitRow()
    has_month = present.month_wh is not None or present.month_amount is not None
    found = rows(_STANDING, (what, key, now)) if has_month else []
    wh, amount, until, warned_at, reached_at = found[0] if found else [None] * 5
    return copied(
        Limits,
        present,
        used_wh=wh,
        used_amount=amount,
        until=until,
        state="reached" if reached_at is not None else "near" if warned_at is not None else None,
        currency=currency_of(rows),
        history=history,
    )
