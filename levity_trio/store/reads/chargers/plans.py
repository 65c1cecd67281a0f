"""What operations left at chargers: reservations, profiles and local lists, newest first; and
limits to obey now."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import orjson

from levity_trio.operations.limits import Charging, LimitInForce, Rules, limit_reported
from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.pages import ListPage, Shape, WantedPage
from levity_trio.wire.charging_profiles import Installed
from levity_trio.wire.texts import stored_object
from levity_trio.wire.times import parse_time, stamp


@record
class Reservation:
    """A reservation that a charger accepted.

    `state` is active, or why it ended: used, cancelled, replaced, expired, faulted or unavailable.
    """

    id: int
    charger: str
    reservation: int
    connector: int
    id_tag: str
    parent_id_tag: str | None
    expires_at: str
    state: str
    ended_at: str | None
    transaction: int | None
    command: int
    created_at: str


@record
class ChargingProfile:
    """A charging profile that a charger accepted and should obey while its `state` is active.

    Otherwise `state` is why it ended: replaced, cleared, expired (its validTo), or ended with its
    transaction. Connector 0 is the charger.
    """

    id: int
    charger: str
    connector: int
    profile: int
    purpose: str
    stack_level: int
    transaction: int | None
    content: Any
    state: str
    ended_at: str | None
    command: int
    created_at: str


@record
class LocalList:
    """A version of a charger's local list. `entries` is null where only the version is known, or
    where the list is kept by the server."""

    id: int
    charger: str
    version: int
    entries: Any
    command: int
    created_at: str


TRANSACTION: Final = (
    "coalesce(charging_profile.tx_id, (SELECT outcome_tx_id FROM command"
    " WHERE command.id = charging_profile.command_id AND action = 'RemoteStartTransaction'))"
)
"""The transaction of a profile: the one that it names, or that of the remote start that it came
with."""
_STATE: Final = (
    f"coalesce(end_reason, CASE WHEN EXISTS (SELECT 1 FROM tx WHERE tx.id = {TRANSACTION}"  # noqa: S608 - our own text
    " AND tx.status <> 'Active') THEN 'ended' ELSE 'active' END)"
)
_PROFILE: Final = Shape(
    ChargingProfile,
    profile="profile_id",
    content="profile",
    command="command_id",
    transaction=TRANSACTION,
    state=_STATE,
)
_LIST: Final = Shape(LocalList, command="command_id")


def reservations(
    db: Database, charger: str | None, wanted: WantedPage, now: datetime
) -> ListPage[Reservation]:
    """Return a page of reservations as they are now. Raises NoPage."""
    state = (
        f"coalesce(end_reason, CASE WHEN expires_at <= '{stamp(now)}' THEN 'expired' ELSE "
        "'active' END)"
    )
    shape = Shape(Reservation, reservation="reservation_id", command="command_id", state=state)
    return shape.page(db, "reservation", charger, wanted)


def profiles(
    db: Database, charger: str | None, wanted: WantedPage, now: datetime
) -> ListPage[ChargingProfile]:
    """Return a page of charging profiles as they are now. Raises NoPage."""
    found = _PROFILE.page(db, "charging_profile", charger, wanted)
    shown: list[ChargingProfile] = []
    for profile in found.data:
        until = _time_in(profile.content, "validTo")
        is_over = profile.state == "active" and until is not None and until <= now
        shown.append(replace(profile, state="expired") if is_over else profile)
    return replace(found, data=shown)


def _time_in(content: Any, name: str) -> datetime | None:
    """Return a time that stands in a JSON object, None if it does not."""
    text = content.get(name) if isinstance(content, dict) else None
    return parse_time(text) if isinstance(text, str) else None


def local_lists(db: Database, charger: str | None, wanted: WantedPage) -> ListPage[LocalList]:
    """Return a page of versions of local lists. Raises NoPage."""
    return _LIST.page(db, "local_list", charger, wanted)


_PROFILES: Final = (
    f"SELECT conn_id, profile, created_at, {TRANSACTION} FROM charging_profile"  # noqa: S608 - our own text
    " WHERE cp_id = ? AND ended_at IS NULL ORDER BY id"
)
_CHARGING: Final = (
    "SELECT conn_id, id, start_time FROM tx INDEXED BY tx_open "
    "WHERE cp_id = ? AND status = 'Active' AND conn_id IS NOT NULL "
    "ORDER BY id"
)
_CONNECTORS: Final = "SELECT conn_id FROM cp_conn WHERE cp_id = ? ORDER BY conn_id"
_REPORTED: Final = (
    "SELECT answer, answered_at FROM command "
    "WHERE cp_id = ? AND action = 'GetCompositeSchedule' AND state = 'accepted' "
    "AND json_valid(payload) AND CAST(json_extract(payload, '$.connectorId') AS INTEGER) = ? "
    "ORDER BY id DESC LIMIT 1"
)


@record
class ReportedSchedule:
    """The last composite schedule that the charger reported, and its limit at present, None outside
    of it."""

    at: str
    schedule: Any
    limit: float | None
    unit: str | None


@record
class ConnectorLimit:
    """What a connector should obey now, and until when; connector 0 is the charger as a whole.

    Without an open transaction it is what one that begins now should obey. `in_force` is None if no
    profile sets a limit, `until` if it does not change within a week.
    """

    connector: int
    transaction: int | None
    in_force: LimitInForce | None
    until: str | None
    reported: ReportedSchedule | None


def limits(db: Database, charger: str, now: datetime) -> list[ConnectorLimit]:
    """Return the limits of the charger and of its connectors."""
    moment, of_it = datetime.fromisoformat, (charger,)
    profiles = [
        Installed(connector, orjson.loads(profile), moment(created_at), transaction)
        for connector, profile, created_at, transaction in db.execute(_PROFILES, of_it).fetchall()
    ]
    charging = {
        connector: Charging(number, moment(start))
        for connector, number, start in db.execute(_CHARGING, of_it).fetchall()
    }
    known = {connector for (connector,) in db.execute(_CONNECTORS, of_it).fetchall()}
    found: list[ConnectorLimit] = []
    for connector in sorted({0} | known | charging.keys() | {one.connector for one in profiles}):
        rules = Rules(profiles, connector, now, charging.get(connector))
        until = rules.until()
        shown = ConnectorLimit(
            connector=connector,
            transaction=None if rules.charging is None else rules.charging.id,
            in_force=rules.limit(now),
            until=None if until is None else stamp(until),
            reported=_reported(db, charger, connector, now),
        )
        found.append(shown)
    return found


def _reported(db: Database, charger: str, connector: int, now: datetime) -> ReportedSchedule | None:
    reports = db.execute(_REPORTED, (charger, connector)).fetchall()
    told = stored_object(reports[0][0]) if reports else None
    if told is None or "chargingSchedule" not in told:
        return None
    schedule, at = told["chargingSchedule"], reports[0][1]
    began_at = _time_in(told, "scheduleStart") or datetime.fromisoformat(at)
    unit = schedule.get("chargingRateUnit") if isinstance(schedule, dict) else None
    unit = unit if isinstance(unit, str) else None
    return ReportedSchedule(
        at=at, schedule=schedule, limit=limit_reported(schedule, began_at, now), unit=unit
    )
