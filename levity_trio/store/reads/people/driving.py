"""What a driver may see of the chargers, and what a household may use there: its tags, its
commands, its sessions, open ones live and ended ones as a bill takes them; what drivers reported,
and what was answered.

What belongs to a household is decided as for its bills (billing/ownership.py).

The owners of places, and where cards may charge: for memory, for the pages, and for those who
were refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

import orjson

from levity_trio.access.local_lists import folded
from levity_trio.access.places import Limit, Reason, Space, refusal
from levity_trio.access.tags import Status
from levity_trio.billing.ownership import Thing, What
from levity_trio.billing.states import BillState
from levity_trio.records import Personal, copied, in_order, record
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.database import Database, marks, parts, rows_of
from levity_trio.store.lookups import local_lists as stored
from levity_trio.store.lookups import places as known_places
from levity_trio.store.lookups.places import Owners, currency_of, periods_of
from levity_trio.store.reads.chargers import chargers
from levity_trio.store.reads.chargers.chargers import SERVED, Command, connectors_of
from levity_trio.store.reads.chargers.configuration import reservations_in_force
from levity_trio.store.reads.load.load import says_to_driver
from levity_trio.store.reads.money.tariffs import DriversPrice, Prices
from levity_trio.store.reads.pages import (
    Shape,
    WantedPage,
    WhereCondition,
    and_all,
    cursor_of,
    given,
    where,
)
from levity_trio.store.reads.transactions.bill import OwnBill, own_bill
from levity_trio.store.reads.transactions.costs import (
    BilledTransaction,
    DriversCost,
    billed_rows,
    billed_transaction,
    costs_of,
    numbers_of,
)
from levity_trio.store.reads.transactions.explain import SignedValues, file_of, signed_values
from levity_trio.store.reads.transactions.transactions import (
    ACTIVE,
    COMPLETED,
    Curve,
    TransactionFilters,
    curve,
)
from levity_trio.wire.times import stamp


class Loaded(NamedTuple):
    """What memory takes of it."""

    spaces: list[Space]
    connectors: list[tuple[str, int]]
    limits: Mapping[tuple[str, str], Limit]


def load_places(db: Database) -> Loaded:
    """Return whose places are, which connectors are known, and the limits."""
    rows = rows_of(db)
    return Loaded(
        [*known_places.spaces(rows)], known_places.connectors(rows), known_places.limits(rows)
    )


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
    admitted = known_places.admitted_then(rows, space.charger, space.connector, space.account, now)
    found = list[RefusedCard]()
    for key, forms in lately.items():
        card, (id_tag, _, last_at) = known_places.card(rows, key, now), forms[0]
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


START: Final = "RemoteStartTransaction"
STOP: Final = "RemoteStopTransaction"
STARTING: Final = timedelta(minutes=2)
"""A start to which a charger agreed may for so long still become a transaction that nobody else
should start."""


class PlaceState(StrEnum):
    """Whether a car can charge at a connector."""

    FREE = "free"
    PLUGGED_IN = "plugged_in"
    """A cable is in, and nothing was started."""
    IN_USE = "in_use"
    RESERVED = "reserved"
    """It is reserved for somebody else."""
    BROKEN = "broken"
    AWAY = "away"
    """The charger is not connected, or did not tell."""
    PRIVATE = "private"
    """It is another household's only, and its state tells who is at home."""


_STATES: Final = {
    "Available": PlaceState.FREE,
    "Preparing": PlaceState.PLUGGED_IN,
    "Occupied": PlaceState.PLUGGED_IN,  # OCPP 1.5; only a transaction tells that it is in use
    "Charging": PlaceState.IN_USE,
    "SuspendedEV": PlaceState.IN_USE,
    "SuspendedEVSE": PlaceState.IN_USE,
    "Finishing": PlaceState.IN_USE,
    "Reserved": PlaceState.RESERVED,
    "Unavailable": PlaceState.BROKEN,
    "Faulted": PlaceState.BROKEN,
}


@record
class Place:
    """A connector. `transaction` is the open one of the household there.

    `why_not` is why no card of the household may charge there, null if one may; `reason` is space
    (it is for another household only) or chargers, and `elsewhere` has the chargers where it may,
    by their names.
    """

    id: int
    state: PlaceState
    transaction: int | None
    why_not: str | None = None
    reason: str | None = None
    elsewhere: list[str] = field(default_factory=list)


@record
class PlacesOfCharger:
    """A charger with its connectors. `price` is what a session of the household costs that starts
    there now; null without a tariff."""

    id: str
    name: str | None
    connectors: list[Place]
    price: DriversPrice | None


class HouseholdView(NamedTuple):
    """The household for which is read: its account, None for somebody to whom nothing belongs; and
    by what things belong to it."""

    account: int | None
    rule: Rule


class OwnTag(NamedTuple):
    """A card of a household: its normal form, its text, its name, its parent, what the household
    calls it, and whether the household reported it as lost."""

    key: str
    id_tag: str
    name: str | None
    parent: str | None
    own_name: str | None
    is_lost: bool = False


class OwnVehicle(NamedTuple):
    """A vehicle of a household: its number, what it is called, and what the household calls it."""

    id: int
    name: str
    own_name: str | None


class OpenOne(NamedTuple):
    """An open transaction."""

    id: int
    charger: str
    connector: int | None
    id_tag: str | None
    is_running: bool
    """Whether it counts for a tag that may have only so many (access/tags.py)."""


_TAGS: Final = (
    "SELECT ownership.key, coalesce(tag.id_tag, ownership.id_tag), tag.name, parent_id_tag, "
    "own_name.name, status = 'Blocked' AND EXISTS (SELECT 1 FROM report WHERE about = 'card' "
    "AND report.account_id = ownership.account_id AND report.id_tag = tag.id_tag) "
    "FROM ownership LEFT "
    "JOIN tag ON tag.key = ownership.key AND tag.ended_at IS NULL "
    "LEFT "
    "JOIN own_name ON own_name.account_id = ownership.account_id AND own_name.what = 'tag' "
    "AND own_name.key = ownership.key "
    "WHERE ownership.account_id = ? AND ownership.what = 'tag' AND voided_at IS NULL "
    "AND since <= ? AND coalesce(until, '9999') > ? "
    "AND same_as IS NULL AND coalesce(is_phone, 0) = 0 "
    "ORDER BY ownership.id"
)
_VEHICLES: Final = (
    "SELECT DISTINCT vehicle.id, vehicle.name, own_name.name "
    "FROM ownership JOIN vehicle ON vehicle.id = vehicle_id LEFT "
    "JOIN own_name ON own_name.account_id = ownership.account_id AND own_name.what = 'vehicle' "
    "AND own_name.key = CAST(vehicle.id AS TEXT) "
    "WHERE ownership.account_id = ? AND voided_at IS NULL AND removed_at IS NULL AND since <= ? "
    "AND coalesce(until, '9999') > ? "
    "ORDER BY vehicle.id"
)
_OPEN: Final = (
    "SELECT id, cp_id, conn_id, id_tag, suspended_at IS NULL AND verdict = 'Accepted' "
    "FROM tx INDEXED BY tx_open WHERE status = 'Active' "
    "ORDER BY own_start_time, id"
)
_OWN: Final = "SELECT tx_id FROM booked WHERE account_id = ? AND tx_id IN ({})"
_CHARGERS: Final = f"SELECT id, name, is_connected, status FROM cp WHERE {SERVED}"  # noqa: S608 - our own words


def tags_of(db: Database, account: int, at: str) -> list[OwnTag]:
    """Return the tags that belong to an account at a time, in the order in which they were given to
    it."""
    return [OwnTag(*row) for row in db.execute(_TAGS, (account, at, at)).fetchall()]


def vehicles_of(db: Database, account: int, at: str) -> list[OwnVehicle]:
    """Return the vehicles that belong to an account at a time, also those that only its tags
    name."""
    return [OwnVehicle(*row) for row in db.execute(_VEHICLES, (account, at, at)).fetchall()]


def open_ones(db: Database) -> list[OpenOne]:
    """Return the open transactions of the site; the newest of a connector comes last."""
    return [OpenOne(*row) for row in db.execute(_OPEN).fetchall()]


def own_of(db: Database, household: HouseholdView, numbers: Sequence[int]) -> list[int]:
    """Return those of the transactions that belong to a household, in their order."""
    if not numbers:
        return []
    found = db.execute(_OWN.format(marks(numbers)), (household.account, *numbers)).fetchall()
    own = {number for (number,) in found}
    return [number for number in numbers if number in own]


# Chargers


def places(
    db: Database,
    household: HouseholdView,
    now: datetime,
    charger: str | None = None,
    tag: str | None = None,
) -> list[PlacesOfCharger]:
    """Return the chargers, or one, as a household sees them; with a tag, as one with this tag alone
    would."""
    condition, values = and_all(given(("id = ?", charger)))
    chargers = db.execute(f"{_CHARGERS}{condition} ORDER BY id", values).fetchall()
    every, account = open_ones(db), household.account
    own = {*own_of(db, household, [one.id for one in every])}
    connectors = connectors_of(db, None if charger is None else [charger])
    tags = [] if account is None else tags_of(db, account, stamp(now))
    groups = [(one.id_tag, one.parent) for one in tags if tag in (None, one.key)]
    policy, prices = household.rule.policy, Prices(rows_of(db), household.rule, account, now)

    found: list[PlacesOfCharger] = []
    for number, name, is_connected, charger_status in chargers:
        used = {one.connector: one.id for one in every if one.charger == number and one.connector}
        statuses: dict[int, str | None] = dict.fromkeys(used)
        statuses |= {one.connector: one.status for one in connectors[number]}
        # A reservation of any connector (0) is that of the only one.
        reserved: dict[int, bool] = defaultdict(bool)
        for one in reservations_in_force(db, number, now) if is_connected else ():
            theirs = one.id_tag, one.parent_id_tag
            is_ours = any(policy.are_together(group, theirs) for group in groups)
            reserved[one.connector or int(len(statuses) == 1)] |= is_ours
        shown: list[Place] = []
        for connector, status in sorted(statuses.items()):
            state = PlaceState.AWAY
            if is_connected:
                state = _state(
                    status,
                    is_used=connector in used,
                    is_charger_broken=_STATES.get(charger_status) is PlaceState.BROKEN,
                    is_ours=reserved.get(connector),
                )
            transaction = used.get(connector)
            mine = transaction if transaction in own else None
            shown.append(Place(id=connector, state=state, transaction=mine))
        price = prices.at(number)
        found.append(PlacesOfCharger(id=number, name=name, connectors=shown, price=price))
    return sorted(found, key=lambda one: in_order(one.name or one.id))


def _state(
    status: str | None, *, is_used: bool, is_charger_broken: bool, is_ours: bool | None
) -> PlaceState:
    """Return the state of a connector. `is_ours` is whether it is reserved for the household, None
    if it is not."""
    told = _STATES.get(status or "", PlaceState.AWAY)
    if is_used and told is not PlaceState.BROKEN:
        return PlaceState.IN_USE
    if told in (PlaceState.IN_USE, PlaceState.BROKEN, PlaceState.AWAY):
        return told
    if is_charger_broken:
        return PlaceState.BROKEN
    if is_ours:
        return PlaceState.FREE if told is PlaceState.RESERVED else told
    return PlaceState.RESERVED if is_ours is not None else told


# What is under way


class CommandUnderWay(NamedTuple):
    """A command that its charger has not answered, or a start that may still become a
    transaction."""

    id: int
    asked_by: str | None
    payload: Mapping[str, Any]


_UNDER_WAY: Final = (
    "SELECT id, asked_by, payload FROM command INDEXED BY command_queued"
    " WHERE cp_id = ?1 AND state = 'queued' AND action = ?2"
    " UNION ALL SELECT id, asked_by, payload FROM command INDEXED BY command_sent"
    " WHERE cp_id = ?1 AND state = 'sent' AND action = ?2"
    " UNION ALL SELECT id, asked_by, payload FROM command INDEXED BY command_followed"
    " WHERE cp_id = ?1 AND outcome = 'pending' AND state = 'accepted' AND action = ?2"
    " AND action = 'RemoteStartTransaction' AND answered_at > ?3 ORDER BY id"
)


def under_way(db: Database, charger: str, action: str, now: datetime) -> list[CommandUnderWay]:
    """Return the commands of an action that are under way at a charger, the oldest first."""
    rows = db.execute(_UNDER_WAY, (charger, action, stamp(now - STARTING))).fetchall()
    return [
        CommandUnderWay(number, asked_by, orjson.loads(payload))
        for number, asked_by, payload in rows
    ]


def running(db: Database, rule: Rule, key: str) -> int:
    """Return how many transactions a tag has running, by its normal form."""
    return sum(one.is_running and rule.policy.key(one.id_tag or "") == key for one in open_ones(db))


def would_pay(
    db: Database, household: HouseholdView, id_tag: str, place: tuple[str, int], at: str
) -> bool:
    """Whether a session that a tag begins at a charger and connector would be the household's."""
    owners = Owners(rows_of(db), household.rule.policy, household.rule.bill_by)
    return owners.account(id_tag, *place, at) == household.account


class OwnTransaction(NamedTuple):
    """The place of a transaction of a household."""

    charger: str
    connector: int | None
    is_open: bool


def own_transaction(db: Database, household: HouseholdView, number: int) -> OwnTransaction | None:
    """Return where a transaction takes place, None if it is not the household's."""
    if not own_of(db, household, [number]):
        return None
    (row,) = db.execute(
        "SELECT cp_id, conn_id, status = 'Active' FROM tx WHERE id = ?", (number,)
    ).fetchall()
    return OwnTransaction(*row)


class OwnCommand(NamedTuple):
    """A start or a stop that a driver asked for; `transaction` is the household's that it begins or
    ends, if known."""

    command: Command
    connector: int | None
    transaction: int | None


def own_command(
    db: Database, household: HouseholdView, asked_by: str, number: int
) -> OwnCommand | None:
    """Return a command that somebody asked for and that concerns the household, None for all
    others."""
    command = chargers.command(db, number)
    if command is None or command.asked_by != asked_by or not isinstance(command.payload, dict):
        return None
    if command.action == START:
        key = household.rule.policy.key(str(command.payload.get("idTag")))
        periods = periods_of(rows_of(db), Thing(What.TAG, key))
        at, account = command.requested_at, household.account
        if any(one.account == account and one.span.covers(at) for one in periods):
            begun = command.transaction
            is_own = begun is not None and own_of(db, household, [begun])
            return OwnCommand(
                command, command.payload.get("connectorId"), begun if is_own else None
            )
    stopped = command.payload.get("transactionId")
    if command.action == STOP and isinstance(stopped, int):
        transaction = own_transaction(db, household, stopped)
        if transaction is not None:
            return OwnCommand(command, transaction.connector, stopped)
    return None


class DriversState(StrEnum):
    """How far a session is, for its driver."""

    OPEN = "open"
    ENDED = "ended"
    IN_REVIEW = "in_review"
    """Its figure is not certain, so no bill takes it yet."""
    FREE = "free"
    """A closed statement lists it without a price."""


@record
class DriversTransaction:
    """A session of a household. `energy_wh` is what was delivered so far, or what a bill takes;
    null while in review.

    `power_w` is that of an open one, as of `last_reading_at`. `cost` is null while it is in review,
    or without a tariff; `price` is what a kWh of an open one costs now and next. `refused` is why
    the card might not charge: space, chargers, spent, month, or the verdict; null if it might.
    If `is_corrected`, its energy or price is another one today: energy and cost are still those of
    closed statements, and the next one corrects them. `load` is what load management says
    of an open one, null where nothing is short.
    """

    id: int
    charger: str
    charger_name: str | None
    connector_id: int | None
    begun_at: str
    ended_at: str | None
    energy_wh: int | None
    power_w: float | None
    last_reading_at: str | None
    state: DriversState
    cost: DriversCost | None
    price: DriversPrice | None
    refused: str | None
    is_corrected: bool
    load: str | None


@record
class DriversSession(DriversTransaction):
    """A session of a household, and how its cost comes about. `card` is what the household calls
    its card, else the tag; null if it was started by phone, or with a card of another household.
    `signed` is null unless its meter
    signs."""

    card: str | None
    bill: OwnBill | None
    signed: SignedValues | None


class Some(NamedTuple):
    """Some sessions, the newest first, and the last of them if there may be more."""

    data: list[DriversTransaction]
    next: int | None


_CARD: Final = (
    "SELECT name FROM own_name WHERE account_id = ?1 AND what = 'tag' AND key = ?2 "
    "UNION ALL SELECT NULL FROM tag WHERE key = ?2 AND is_phone = 1 "
    "UNION ALL SELECT NULL FROM ownership WHERE key = ?2 AND what = 'tag' AND account_id <> ?1 "
    "AND voided_at IS NULL AND since <= ?3 AND coalesce(until, '9999') > ?3"
)
_BILLED: Final = (
    "SELECT tx_id, sum(energy_wh) FROM position JOIN statement ON statement.id = statement_id "
    "WHERE tx_id IN ({}) AND position.account_id = ? AND number IS NOT NULL "
    "AND kind IN ('session', 'free', 'correction') GROUP BY tx_id"
)
"""What closed statements of an account say of its sessions, corrections included."""
_MIGHT: Final = ("Accepted", "")
_BILL_STATES: Final[Mapping[str, DriversState]] = {
    BillState.OPEN: DriversState.OPEN,
    BillState.HELD_BACK: DriversState.IN_REVIEW,
    BillState.FREE: DriversState.FREE,
}


def transactions(
    db: Database,
    household: HouseholdView,
    now: datetime,
    limit: int,
    before: int | None = None,
    is_open: bool | None = None,
) -> Some | None:
    """Return the next sessions of a household, before one of its own; None if that is not its own.

    `is_open` is whether only open ones, or only ended ones, are wanted.
    """
    if before is not None and not own_of(db, household, [before]):
        return None
    place = (
        None
        if before is None
        else db.execute("SELECT start_time, id FROM tx WHERE id = ?", (before,)).fetchone()
    )
    status = {None: None, True: ACTIVE, False: COMPLETED}[is_open]
    filters = TransactionFilters(status=status, account=household.account)
    page = numbers_of(db, filters, WantedPage(limit=limit, cursor=place and cursor_of(place)))
    found = billed_rows(db, page.data)
    return Some(_shown(db, household, found, now), found[-1].id if page.next_cursor else None)


def transaction(
    db: Database, household: HouseholdView, number: int, now: datetime, *, is_billed: bool = True
) -> DriversSession | None:
    """Return a session of a household, None for any other. Without its bill it costs less to
    read."""
    found = billed_transaction(db, number)
    if found is None or household.account is None or found.account != household.account:
        return None
    bill = own_bill(db, number, household.account, household.rule, now) if is_billed else None
    (shown,) = _shown(db, household, [found], now, is_billed=is_billed)
    if bill is not None and bill.pending and bill.positions:
        shown = replace(shown, is_corrected=True)
    key = None if found.id_tag is None else household.rule.policy.key(found.id_tag)
    names = rows_of(db)(_CARD, (household.account, key, found.start_time))
    return copied(
        DriversSession,
        shown,
        card=names[0][0] if names else found.id_tag,
        bill=bill,
        signed=signed_values(db, number),
    )


def own_curve(db: Database, household: HouseholdView, number: int) -> Curve | None:
    """Return the curve of a session of a household, None for any other."""
    return curve(db, number) if own_of(db, household, [number]) else None


def own_signed(db: Database, household: HouseholdView, number: int) -> str | None:
    """Return what a meter signed of a session of a household, as a file; None for any other."""
    return file_of(db, number) if own_of(db, household, [number]) else None


def _shown(
    db: Database,
    household: HouseholdView,
    found: Sequence[BilledTransaction],
    now: datetime,
    *,
    is_billed: bool = True,
) -> list[DriversTransaction]:
    """Return sessions, with their costs if they are billed."""
    rows, numbers = rows_of(db), [one.id for one in found]
    costs = costs_of(rows, *household, numbers, now) if is_billed else {}
    prices, load = Prices(rows, household.rule, household.account, now), says_to_driver(db)
    billed_wh: dict[int, int] = {}
    for some in parts(numbers):
        billed_wh |= dict(rows(_BILLED.format(marks(some)), (*some, household.account)))

    shown: list[DriversTransaction] = []
    for one in found:
        state = _BILL_STATES.get(one.bill, DriversState.ENDED)
        is_open = state is DriversState.OPEN
        today = None if state is DriversState.IN_REVIEW else one.energy_wh
        # Its cost is that of closed statements, so its energy is, too.
        of_ended = None if today is None else billed_wh.get(one.id, today)
        might = one.verdict in _MIGHT
        session = copied(
            DriversTransaction,
            one,
            connector_id=one.connector,
            begun_at=one.start_time,
            ended_at=one.stop_time,
            energy_wh=one.energy_so_far_wh if is_open else of_ended,
            state=state,
            cost=costs.get(one.id),
            price=prices.begun(one.charger, one.start_time) if is_open else None,
            refused=None if might else one.verdict_reason or one.verdict.lower(),
            is_corrected=of_ended != today,
            load=load.get(one.id) if is_open else None,
        )
        shown.append(session)
    return shown


MOST: Final = 500


@record
class DriverReport:
    """What a driver reported about a session, a statement (or a session or another `line` on it), a
    charger or a lost card.

    Without `answered_at` it waits. What was written is null after the household's personal data
    were deleted.
    """

    id: int
    account: int
    household: str
    about: str
    transaction: int | None
    statement: int | None
    printed_number: str | None
    """That of the statement, as it stands on the paper."""
    charger: str | None
    charger_name: str | None
    id_tag: str | None
    line: int | None
    words: Personal[str | None]
    written_at: str
    written_by: Personal[str | None]
    answer: Personal[str | None]
    answered_at: str | None
    answered_by: str | None


@record
class WaitingReport(DriverReport):
    """A report. `still_listed` are the chargers that are away and still have a lost card in their
    list."""

    still_listed: tuple[str, ...]


_NUMBER: Final = "(SELECT printed_number FROM statement WHERE number = report.statement_number)"
_SHAPE: Final = Shape(
    DriverReport,
    id="report.id",
    account="report.account_id",
    household="account.name",
    statement="report.statement_number",
    printed_number=_NUMBER,
    charger="report.cp_id",
    charger_name="cp.name",
)
_FROM: Final = (
    "FROM report JOIN account ON account.id = report.account_id "
    "LEFT JOIN cp ON cp.id = report.cp_id"
)


@record(kw_only=False)
class ReportFilters:
    """A filter of reports; None means all."""

    account: int | None = None
    transaction: int | None = None
    statement: int | None = None
    charger: str | None = None
    id_tag: str | None = None
    number: int | None = None
    is_waiting: bool | None = None


def reports(db: Database, wanted: ReportFilters) -> list[DriverReport]:
    """Return reports, the newest first."""
    conditions = given(
        ("report.account_id = ?", wanted.account),
        ("report.tx_id = ?", wanted.transaction),
        ("report.statement_number = ?", wanted.statement),
        ("report.cp_id = ?", wanted.charger),
        ("lower(report.id_tag) = lower(?)", wanted.id_tag),
        ("report.id = ?", wanted.number),
    )
    if wanted.is_waiting is not None:
        negated = "" if wanted.is_waiting else "NOT "
        conditions.append(WhereCondition(f"answered_at IS {negated}NULL"))
    clause, values = where(conditions)
    # an index has those that wait
    order = "written_at DESC, report.id DESC" if wanted.is_waiting else "report.id DESC"
    return _SHAPE.every(db, f"{_FROM}{clause} ORDER BY {order} LIMIT {MOST}", values)


def waiting_reports(db: Database, wanted: ReportFilters) -> list[WaitingReport]:
    """Return the same with the chargers that may still accept a lost card."""
    found: list[WaitingReport] = []
    for one in reports(db, wanted):
        is_lost = one.id_tag is not None and one.answered_at is None
        listed = still_listed(db, one.id_tag or "") if is_lost else []
        found.append(copied(WaitingReport, one, still_listed=tuple(listed)))
    return found


_AWAY: Final = (
    f"SELECT id, coalesce(name, id) FROM cp WHERE is_connected = 0 AND {SERVED} ORDER BY id"  # noqa: S608 - ours
)


def still_listed(db: Database, id_tag: str) -> list[str]:
    """Return the names of the chargers that are away and still have a card in their list as one
    that may charge."""
    rows, names = rows_of(db), list[str]()
    for charger, name in rows(_AWAY, ()):
        known = stored.known(rows, charger)
        contents = [] if known is None else [known.content, known.sent and known.sent.content]
        found = [(one or {}).get(folded(id_tag)) for one in contents]
        if any(one is not None and one["idTagInfo"]["status"] == Status.ACCEPTED for one in found):
            names.append(name)
    return names
