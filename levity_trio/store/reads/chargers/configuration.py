"""What is kept at a charger, as far as we know: its configuration, local list, reservations,
charging profiles and files.

The configuration is the one that the charger reported: now, at an earlier time, and what changed in
between; with its readings, and with templates and how far chargers are from them. Local lists are
shown as they are kept, and version by version. Limits are those that a charger should obey now.
Files were sent or are fetched by it, each by a secret URL.

`situation` gathers what an operation must know of its charger before it is asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson

from levity_trio.access.local_lists import ASKER, Known, Line, State, changes, plan
from levity_trio.access.tags import Policy
from levity_trio.operations.configuration import (
    MAX_KEYS,
    Before,
    ComparedKey,
    Has,
    compare,
    limit,
    together,
)
from levity_trio.operations.judges import is_url_valid
from levity_trio.operations.limits import Charging, LimitInForce, Rules, limit_reported
from levity_trio.operations.operation import (
    Allotted,
    KnownConnector,
    OpenTransaction,
    ReservationInForce,
    Situation,
)
from levity_trio.records import ForOperators, copied, record
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.lookups import local_lists as stored
from levity_trio.store.lookups.local_lists import Lists
from levity_trio.store.reads.chargers.chargers import of_model
from levity_trio.store.reads.pages import ListPage, Shape, WantedPage
from levity_trio.told import Told
from levity_trio.wire.charging_profiles import Installed
from levity_trio.wire.texts import stored_object
from levity_trio.wire.times import parse_time, stamp


@record
class Entry:
    """The value of a key, when it was first read and when last. `is_known`: whether the charger
    knows the key."""

    charger: str
    key: str
    value: str | None
    readonly: bool
    read_at: str
    last_read_at: str
    is_known: bool


@record
class Change:
    """A key whose value differs between two times. None: it had not been read, or the charger did
    not know it."""

    key: str
    before: Entry | None
    after: Entry | None


@record
class ConfigurationReading:
    """A reading of the whole configuration. `keys` is how many were reported, `unknown_keys` how
    many were denied.

    `unanswered` are the keys for which there was no answer, `commands` what the reading is made of.
    """

    id: int
    charger: str
    asked_by: ForOperators[str | None]
    began_at: str
    ended_at: str
    keys: int
    unknown_keys: int
    unanswered: Any
    commands: Any


_ENTRY: Final = Shape(Entry, last_read_at="coalesce(last_read_at, read_at)")
_READING: Final = Shape(ConfigurationReading)
_KEYS: Final = (
    "WITH RECURSIVE each (name) AS (SELECT min(key) FROM configuration WHERE cp_id = ?1 UNION ALL"
    " SELECT (SELECT min(key) FROM configuration WHERE cp_id = ?1 AND key > each.name) FROM each"
    " WHERE each.name IS NOT NULL)"
)
"""The keys of a charger, with one index look-up for each."""
_AT: Final = (
    "FROM each "
    "JOIN configuration ON configuration.id = (SELECT max(id) FROM configuration AS earlier "
    "WHERE earlier.cp_id = ?1 AND earlier.key = each.name AND earlier.read_at <= ?2) "
    "WHERE each.name IS NOT NULL ORDER BY key"
)
_HISTORY: Final = "FROM configuration WHERE cp_id = ? AND key = ? ORDER BY id DESC"
_CHANGED: Final = (
    "SELECT DISTINCT json_extract(payload, '$.key') FROM command "
    "WHERE cp_id = ? AND action = 'ChangeConfiguration' AND state = 'accepted' "
    "AND json_valid(payload)"
)
_WANTED: Final = (
    "SELECT json_each.key "
    "FROM configuration_template AS template, json_each(template.entries) "
    "WHERE ended_at IS NULL AND (EXISTS (SELECT 1 FROM json_each(template.chargers) "
    "WHERE value = ?1) OR model = (SELECT model FROM cp WHERE id = ?1) COLLATE NOCASE)"
)
WRITE_ONLY: Final = "authorizationkey"
ALWAYS: Final = "9999"
"""Sorts after every time."""


def configuration(db: Database, charger: str, at: str = ALWAYS) -> list[Entry]:
    """Return the configuration of a charger as known at a time, by key."""
    return [entry for entry in _with_denied(db, charger, at) if entry.is_known]


def _with_denied(db: Database, charger: str, at: str = ALWAYS) -> list[Entry]:
    """Return the configuration with the keys that the charger does not know."""
    found = db.execute(f"{_KEYS} SELECT {_ENTRY.columns} {_AT}", (charger, at)).fetchall()
    return [_ENTRY.read(row) for row in found]


def of_all(db: Database, charger: str | None, at: str = ALWAYS) -> list[Entry]:
    """Return the configuration of a charger, or of all visible ones, by charger and key."""
    if charger is not None:
        return configuration(db, charger, at)
    every = db.execute(
        "SELECT id FROM cp WHERE id NOT IN (SELECT id FROM hidden_cp) ORDER BY id"
    ).fetchall()
    return [entry for (one,) in every for entry in configuration(db, one, at)]


def history(db: Database, charger: str, key: str) -> list[Entry]:
    """Return the values of one key, the newest first."""
    return _ENTRY.every(db, _HISTORY, (charger, key))


def setting_changes(db: Database, charger: str, since: str, until: str = ALWAYS) -> list[Change]:
    """Return the keys whose value differs between two times, by key."""
    found = _differing(configuration(db, charger, since), configuration(db, charger, until))
    return [Change(key=key, before=before, after=after) for key, before, after in found]


def differences(
    db: Database, this: str, other: str
) -> list[tuple[str, Entry | None, Entry | None]]:
    """Return the keys of which two chargers have different values, or only one has any, by key."""
    return [*_differing(configuration(db, this), configuration(db, other))]


def _differing(
    one: Sequence[Entry], other: Sequence[Entry]
) -> Iterator[tuple[str, Entry | None, Entry | None]]:
    """Yield the keys with another value, or of which the charger says something else."""
    ours, theirs = ({entry.key: entry for entry in entries} for entries in (one, other))
    for key in sorted(ours.keys() | theirs.keys()):
        pair = ours.get(key), theirs.get(key)
        first, second = (entry and (entry.value, entry.readonly) for entry in pair)
        if first != second:
            yield key, *pair


# Readings


def before_reading(db: Database, charger: str) -> Before:
    """Return what is known of the keys of a charger: those that it reported or accepted, and those
    that it denied.

    What a template wants is asked for too, so that the report does not say "never read" after a
    reading.
    """
    entries = _with_denied(db, charger)
    reported = [entry.key for entry in entries if entry.is_known]
    ours = [
        str(key) for sql in (_CHANGED, _WANTED) for (key,) in db.execute(sql, (charger,)).fetchall()
    ]
    most = next((entry.value for entry in entries if entry.key.casefold() == MAX_KEYS), None)
    return Before(
        seen=tuple(key for key in (*ours, *reported) if key.casefold() != WRITE_ONLY),
        unknown=tuple(entry.key for entry in entries if not entry.is_known),
        most=limit(most),
    )


def readings(
    db: Database, charger: str | None, wanted: WantedPage
) -> ListPage[ConfigurationReading]:
    """Return a page of readings, the newest first. Raises NoPage."""
    return _READING.page(db, "configuration_reading", charger, wanted)


def reading(db: Database, number: int) -> ConfigurationReading:
    """Return a reading that was stored."""
    return _READING.every(db, "FROM configuration_reading WHERE id = ?", (number,))[0]


def has(db: Database, charger: str) -> dict[str, Has]:
    """Return what a charger reported of each key, by its lower case. Of two spellings, one that it
    knows is chosen."""
    entries = sorted(
        _with_denied(db, charger), key=lambda entry: (entry.is_known, entry.last_read_at)
    )
    return {
        entry.key.casefold(): Has(
            entry.key, entry.value, entry.readonly, entry.is_known, entry.last_read_at
        )
        for entry in entries
    }


# Templates


@record
class Template:
    """The values that keys must have, at the chargers that are named or at all of a model."""

    name: str
    model: str | None
    chargers: Any
    entries: Any
    created_at: str
    created_by: ForOperators[str | None]


@record
class ChargerStanding:
    """One charger beside a template: same, differs, or not known; and each key of the template."""

    charger: str
    standing: str
    keys: list[ComparedKey]


_TEMPLATE: Final = Shape(Template)
_OF_NOW: Final = "FROM configuration_template WHERE ended_at IS NULL"


def templates(db: Database) -> list[Template]:
    """Return the templates, by name."""
    return _TEMPLATE.every(db, f"{_OF_NOW} ORDER BY name")


def template(db: Database, name: str) -> Template | None:
    """Return a template, None if there is none of this name."""
    return _TEMPLATE.one(db, f"{_OF_NOW} AND name = ?", (name,))


def chargers_of(db: Database, template: Template) -> list[str]:
    """Return the chargers of a template."""
    return of_model(db, template.model) if template.model is not None else list(template.chargers)


def standings(
    db: Database, template: Template, chargers: list[str] | None = None
) -> list[ChargerStanding]:
    """Compare chargers with a template; without them, all of the template."""
    found: list[ChargerStanding] = []
    for one in chargers_of(db, template) if chargers is None else chargers:
        keys = compare(template.entries, has(db, one))
        found.append(ChargerStanding(charger=one, standing=together(keys), keys=keys))
    return found


OFF: Final = "off"
_EXCLUSIVE: Final = (
    "FROM ownership INDEXED BY ownership_exclusive WHERE is_exclusive = 1 AND voided_at IS NULL"
)
_OF_TAGS: Final = "FROM ownership WHERE what = 'tag' AND voided_at IS NULL"
_TURNS: Final = (
    "SELECT min(at) FROM (SELECT min(expires_at) AS at FROM tag INDEXED BY tag_key"  # noqa: S608 - our own words
    " WHERE ended_at IS NULL AND status = 'Accepted' AND expires_at > ?1"
    " UNION ALL SELECT min(until) FROM month_standing WHERE reached_at IS NOT NULL AND until > ?1"
    f" UNION ALL SELECT min(since) {_EXCLUSIVE} AND since > ?1"
    f" UNION ALL SELECT min(until) {_EXCLUSIVE} AND until > ?1"
    f" UNION ALL SELECT min(since) {_OF_TAGS} AND since > ?1"
    f" UNION ALL SELECT min(until) {_OF_TAGS} AND until > ?1) AS turns"
)
_UNDER_WAY: Final = (
    "SELECT 1 FROM command "
    "WHERE cp_id = ? AND state = 'queued' AND (asked_by = ? OR action = 'SendLocalList') "
    "UNION ALL SELECT 1 FROM command "
    "WHERE cp_id = ? AND state = 'sent' AND (asked_by = ? OR action = 'SendLocalList')"
)
_PAUSED: Final = (
    "SELECT paused_at, paused_by, paused_command_id FROM local_list_kept WHERE cp_id = ?"
)


@record
class LocalListStatus:
    """The local list of a charger, as it is kept.

    `state` is up to date, sending, waiting (for the charger), too long (`left_out` tags have no
    room), paused (a list was sent by hand), not supported, failing, or off. `version` is that of
    its list as far as it is known, `entries` is how many tags it should have, `behind` how many of
    them it may not have as they should be.
    """

    charger: str
    state: str
    words: str
    version: int | None
    entries: int
    left_out: int
    behind: int
    told_at: str | None
    failures: int
    failing_since: str | None
    retry_at: str | None
    problem: str | None
    paused_at: str | None
    paused_by: ForOperators[str | None]
    paused_command: int | None


@record
class LeftOutTag:
    """A tag for which a charger's list has no room."""

    id_tag: str
    status: str


def next_turn(db: Database, at: str) -> str | None:
    """Return when time alone changes the lists: a tag expires, or comes to or from an account."""
    ((turn,),) = db.execute(_TURNS, (at,)).fetchall()
    return None if turn is None else str(turn)


def statuses(
    db: Database,
    charger: str | None,
    policy: Policy,
    now: datetime,
    open_lines: Collection[str],
    *,
    is_on: bool,
) -> list[LocalListStatus]:
    """Return how the local lists are, of one charger or of all visible ones."""
    every = "SELECT id FROM cp WHERE id NOT IN (SELECT id FROM hidden_cp) ORDER BY id"
    chargers = [one for (one,) in db.execute(every).fetchall()] if charger is None else [charger]
    rows = rows_of(db)
    lists, found = Lists(rows, policy, stamp(now)), list[LocalListStatus]()
    for one in chargers:
        known, limits = stored.known(rows, one) or Known(), stored.limits(rows, one)
        want = lists.of(one, limits.in_all)
        line = Line(
            is_open=one in open_lines,
            is_busy=bool(rows(_UNDER_WAY, (one, ASKER, one, ASKER))),
            has_told_limits=limits.are_told,
            lacks_profile=limits.lacks_profile,
            booted_at=stored.booted_at(rows, one),
        )
        state = plan(known, want, line, now).state.value if is_on else OFF
        paused_at, paused_by, paused_command = next(iter(rows(_PAUSED, (one,))), [None] * 3)
        times = known.told_at, known.failing_since, known.retry_at if known.failures else None
        told_at, failing_since, retry_at = (at and stamp(at) for at in times)
        status = copied(
            LocalListStatus,
            known,
            charger=one,
            state=state,
            words=_words(state, known, len(want.left_out)),
            entries=len(want.content),
            left_out=len(want.left_out),
            behind=len(changes(known.content or {}, want.content)),
            told_at=told_at,
            failing_since=failing_since,
            retry_at=retry_at,
            paused_at=paused_at,
            paused_by=paused_by,
            paused_command=paused_command,
        )
        found.append(status)
    return found


_WORDS: Final = {
    State.UP_TO_DATE: Told("the charger has the list"),
    State.SENDING: Told("the list is on its way"),
    State.WAITING: Told("the list is sent when the charger is connected and adopted"),
    State.PAUSED: Told("a list was sent by hand; the list is kept again after `local-list resume`"),
    State.NOT_SUPPORTED: Told(
        "the charger keeps no list: without us it knows only the cards of its cache"
    ),
    OFF: Told("local lists are not kept (--local-list off)"),
}


def _words(state: str, known: Known, left_out: int) -> str:
    if state == State.FAILING:
        return Told("the charger does not take the list: {1}", known.problem or "")
    if state == State.TOO_LONG:
        return Told(
            "the charger has no room for {1} card; without us it is unknown to it",
            left_out,
            many="the charger has no room for {1} cards; without us they are unknown to it",
        )
    return _WORDS[state]


def left_out(db: Database, charger: str, policy: Policy, at: str) -> list[LeftOutTag]:
    """Return the tags for which a charger has no room."""
    rows = rows_of(db)
    want = Lists(rows, policy, at).of(charger, stored.limits(rows, charger).in_all)
    return [
        LeftOutTag(id_tag=one["idTag"], status=one["idTagInfo"]["status"]) for one in want.left_out
    ]


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


@record
class StoredFile:
    """A file: `kind` is diagnostics, log or firmware, `state` stored or deleted, `name` that of the
    file on disk.

    A charger sent it for a command; what an operator calls firmware is its `title`.
    """

    id: int
    kind: str
    state: str
    title: str | None
    charger: str | None
    command: int | None
    name: str
    size_bytes: int
    sha256: str
    created_at: str
    deleted_at: str | None


_SHAPE: Final = Shape(
    StoredFile,
    command="command_id",
    state="CASE WHEN deleted_at IS NULL THEN 'stored' ELSE 'deleted' END",
)


class Url(NamedTuple):
    """What a valid URL is for: to fetch the file of this name, or to send one for this command."""

    charger: str
    command: int
    action: str
    name: str | None
    files: int
    """How many files came over it."""
    title: str | None = None
    """What an operator calls the file to be fetched."""


def files(db: Database, charger: str | None, wanted: WantedPage) -> ListPage[StoredFile]:
    """Return a page of files, the newest first. Raises NoPage."""
    return _SHAPE.page(db, "file", charger, wanted)


def file(db: Database, number: int) -> StoredFile | None:
    """Return a file, also one that was deleted."""
    return _SHAPE.one(db, "FROM file WHERE id = ?", (number,))


def firmware(db: Database, title: str) -> StoredFile | None:
    """Return the firmware of this title."""
    return _SHAPE.one(
        db, "FROM file WHERE title = ? AND title IS NOT NULL AND deleted_at IS NULL", (title,)
    )


def known(db: Database, names: Collection[str]) -> dict[str, bool]:
    """Return which of these names have a row, and whether the file is not deleted."""
    seen = "SELECT deleted_at IS NULL FROM file WHERE name = ?"
    return {name: bool(row[0]) for name in names for row in db.execute(seen, (name,)).fetchall()}


def url(db: Database, digest: str, now: datetime) -> Url | None:
    """Return what a URL is for, None if there is none or it is no longer valid."""
    rows = db.execute(
        "SELECT cp_id, command.id, action, state, outcome, coalesce(sent_at, requested_at), "
        "wanted_at, file_id "
        "FROM file_url "
        "JOIN command ON command.id = file_url.command_id "
        "WHERE digest = ?",
        (digest,),
    ).fetchall()
    if not rows:
        return None
    charger, command, action, state, outcome, since, wanted_at, number = rows[0]
    asked, moment = (charger, command, action), datetime.fromisoformat
    if not is_url_valid(state, outcome, moment(since), wanted_at and moment(wanted_at), now):
        return None
    if number is None:
        ((came,),) = db.execute("SELECT count(*) FROM file WHERE command_id = ?", (command,))
        return Url(*asked, None, came)
    wanted = file(db, number)
    is_there = wanted is not None and not wanted.deleted_at
    return Url(*asked, wanted.name, 0, wanted.title) if wanted and is_there else None


_KNOWN_CONNECTORS: Final = (
    "SELECT conn_id, status, (SELECT type FROM connector_data AS said "
    "WHERE said.cp_id = cp_conn.cp_id AND said.conn_id = cp_conn.conn_id ORDER BY said.id DESC "
    "LIMIT 1) "
    "FROM cp_conn WHERE cp_id = ? AND conn_id > 0 "
    "ORDER BY conn_id"
)
_CONFIGURATION: Final = (
    "SELECT key, value, readonly FROM configuration "
    "WHERE id IN (SELECT max(id) FROM configuration WHERE cp_id = ? GROUP BY key) AND is_known = 1"
)
_OPEN: Final = (
    "SELECT id, conn_id, id_tag FROM tx INDEXED BY tx_open WHERE cp_id = ? AND status = 'Active'"
)
_LIST_VERSION: Final = "SELECT version FROM local_list WHERE cp_id = ? ORDER BY id DESC LIMIT 1"
_MANAGED: Final = "SELECT 1 FROM load_charger WHERE cp_id = ?"
_SENT: Final = "SELECT payload FROM command WHERE cp_id = ? AND action = ? AND json_valid(payload)"
_NUMBER_IN: Final[Mapping[Allotted, tuple[tuple[str, ...], str]]] = {
    Allotted.RESERVATION: (("ReserveNow",), "json_extract(payload, '$.reservationId')"),
    Allotted.PROFILE: (
        ("SetChargingProfile", "RemoteStartTransaction"),
        (
            "coalesce(json_extract(payload, '$.csChargingProfiles.chargingProfileId'),"
            " json_extract(payload, '$.chargingProfile.chargingProfileId'))"
        ),
    ),
    Allotted.REQUEST: (
        ("GetLog", "SignedUpdateFirmware"),
        "json_extract(payload, '$.requestId')",
    ),
    Allotted.LIST_VERSION: (("SendLocalList",), "json_extract(payload, '$.listVersion')"),
}
"""The places where each number was used before: the actions, and the place in their payloads."""


def situation(db: Database, charger: str, now: datetime, *, is_connected: bool) -> Situation:
    """Read the situation of a charger, from one snapshot."""
    rows, of_it = rows_of(db), (charger,)
    configuration, versions = rows(_CONFIGURATION, of_it), rows(_LIST_VERSION, of_it)
    ((firmware, transfers),) = rows(
        "SELECT max(firmware_version), max(transfers) FROM cp WHERE id = ?", of_it
    )
    return Situation(
        now=now,
        is_connected=is_connected,
        firmware=firmware,
        connectors=tuple(KnownConnector(*row) for row in rows(_KNOWN_CONNECTORS, of_it)),
        transactions=tuple(OpenTransaction(*row) for row in rows(_OPEN, of_it)),
        reservations=tuple(reservations_in_force(db, charger, now)),
        configuration={"SupportedFileTransferProtocols": transfers}
        | {key: value for key, value, _ in configuration},
        read_only=frozenset(key for key, _, readonly in configuration if readonly),
        list_version=versions[0][0] if versions else None,
        is_managed=bool(rows(_MANAGED, of_it)),
    )


def reservations_in_force(db: Database, charger: str, now: datetime) -> list[ReservationInForce]:
    """Return the reservations of a charger that are in force."""
    rows = db.execute(
        "SELECT reservation_id, conn_id, id_tag, parent_id_tag FROM reservation"
        " WHERE cp_id = ? AND ended_at IS NULL AND expires_at > ?",
        (charger, stamp(now)),
    )
    # all tags are examined
    of_group = "SELECT id_tag FROM tag WHERE ended_at IS NULL AND lower(parent_id_tag) = lower(?)"
    found: list[ReservationInForce] = []
    for number, connector, id_tag, parent in rows.fetchall():
        group = [] if parent is None else db.execute(of_group, (parent,)).fetchall()
        members = tuple(member for (member,) in group)
        found.append(ReservationInForce(number, connector, id_tag, parent, members))
    return found


def next_number(db: Database, charger: str, allotted: Allotted) -> int:
    """Return a number that was not used before: one above the highest."""
    actions, value = _NUMBER_IN[allotted]
    highest = f"SELECT max(CAST({value} AS INTEGER)) FROM ({_SENT})"  # noqa: S608 - ours
    found = [rows_of(db)(highest, (charger, action))[0][0] or 0 for action in actions]
    return int(max(found)) + 1
