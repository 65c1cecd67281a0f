"""What a driver may see of the chargers, and what a household may use there: its tags, its
sessions, its commands.

What belongs to a household is decided as for its bills (billing/ownership.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

import orjson

from levity_trio.billing.ownership import Thing, What
from levity_trio.records import in_order, record
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.database import Database, marks, rows_of
from levity_trio.store.lookups.ownership import Owners, periods_of
from levity_trio.store.reads.chargers import charger_facts
from levity_trio.store.reads.chargers.charger_facts import Command
from levity_trio.store.reads.chargers.chargers import SERVED, connectors_of
from levity_trio.store.reads.chargers.situation import reservations_in_force
from levity_trio.store.reads.money.prices import DriversPrice, Prices
from levity_trio.store.reads.pages import and_all, given
from levity_trio.wire.times import stamp

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
    command = charger_facts.command(db, number)
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
