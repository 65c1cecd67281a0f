"""What wants a look, the worst first, then in the order of the chargers: each with words for
people, and since when."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from levity_trio.access.places import Reason
from levity_trio.access.tags import Policy
from levity_trio.access.turned_away import OUTLASTING, TOLD_FOR, advice
from levity_trio.billing.money import CURRENCIES, units
from levity_trio.config import ServerConfig
from levity_trio.listening.own_addresses import is_of_this_machine
from levity_trio.records import record
from levity_trio.store.beside.backup_note import LastBackup, last_backup, saved_by
from levity_trio.store.cases.case import length
from levity_trio.store.engine.database import Database, DatabaseSpace, rows_of
from levity_trio.store.engine.writer import Sharing
from levity_trio.store.lookups import places
from levity_trio.store.lookups.connectors import differing
from levity_trio.store.reads.chargers.chargers import (
    FAULTED,
    KnownCharger,
    OpenFault,
    Place,
    StatusNow,
    holds_since,
    meter_pairs,
    new_serials,
)
from levity_trio.store.reads.load.load import LoadNow, problems
from levity_trio.store.reads.money.tariffs import series
from levity_trio.store.reads.now import copies
from levity_trio.store.reads.now.present import CERTIFICATES, listed, together, waiting
from levity_trio.store.reads.people.driving import ReportFilters, reports, still_listed, tags_of
from levity_trio.store.reads.site import receivers as mqtt
from levity_trio.store.reads.transactions.transactions import RunningTransaction
from levity_trio.told import N_, Amount, Clock, Day, Figure, Told, joined, of_stored
from levity_trio.wire.times import in_zone, stamp
from levity_trio.wire.words import of_ocpp

LITTLE_BYTES: Final = 500_000_000
"""Free space that wants a look; with less than 200 MB, no more frames are stored
(store/upkeep/pruning.py)."""
RETURN_SECONDS: Final = 120
"""The time that chargers get to come back after a start of the server."""
MINUTE, HOUR, DAY = 60, 3600, 86_400
SKEW_SECONDS: Final = 300
"""A charger's clock may be wrong by so much."""
CERTIFICATE_DAYS: Final = 30
BACKUP_DAYS: Final = 3
"""The age at which a backup is old: those of a night and of the night after it were not made."""
UNSAVED_DAYS: Final = 7
"""The age at which a database without a backup wants one."""
UNREACHABLE_MINUTES: Final = 10
"""The broker of MQTT may be away for so long: it is started anew, or its machine is."""
GIVEN_UP_DAYS: Final = 7
"""Facts that were given up want a look for so long."""


class AttentionKind(StrEnum):
    """What wants a look, the worst first."""

    STORAGE = "storage"
    DISK = "disk"
    CLOCK = "clock"
    ADDRESS = "address"
    EXCEEDED = "exceeded"
    FAULTED = "faulted"
    OFFLINE = "offline"
    """Up to here, something is broken."""
    TURNED_AWAY = "turned_away"
    SILENT = "silent"
    ODD = "odd"
    IGNORED = "ignored"
    TOLD = "told"
    KEPT = "kept"
    UNLIMITED = "unlimited"
    METER = "meter"
    PRICES = "prices"
    AVAILABILITY = "availability"
    CERTIFICATE = "certificate"
    CHARGER_CLOCK = "charger_clock"
    BACKUP = "backup"
    SETTING = "setting"
    LOST_CARD = "lost_card"
    WALLET = "wallet"
    REPORT = "report"
    REVIEW = "review"
    SET_ASIDE = "set_aside"
    NEWCOMER = "newcomer"
    REFUSED = "refused"
    OVERDUE = "overdue"
    LIMIT = "limit"
    TAGS = "tags"
    MQTT = "mqtt"
    BACKEND = "backend"
    WEBHOOK = "webhook"


BROKEN_LEVEL: Final = "broken"


@record
class Attention:
    """Something that wants a look. `level` is broken or look; `count` is of how many the words
    tell.

    `chargers` are all that it is about, `charger` the only one. `advice` is what to do, where the
    words do not show it.
    """

    kind: str
    level: str
    charger: str | None
    chargers: list[str]
    connector: int | None
    transaction: int | None
    since: str | None
    count: int
    words: str
    advice: str | None = None


_REMINDER_AFTER: Final = "SELECT reminder_after FROM biller ORDER BY id DESC LIMIT 1"
_OVERDUE: Final = (
    "SELECT count(*), sum(asked - paid), max(currency) "
    "FROM settlement INDEXED BY settlement_open "
    "JOIN statement ON statement.id = settlement.statement_id "
    "WHERE paid < asked AND due_on < ?"
)
_GIVEN_UP: Final = (
    "SELECT name, sum(facts), min(at) FROM webhook_given_up JOIN webhook ON webhook.id = webhook_id"
    " WHERE at >= ? AND removed_at IS NULL GROUP BY webhook_id, name ORDER BY name"
)


_OLD_RUN: Final = "SELECT 1 FROM run WHERE id = (SELECT min(id) FROM run) AND started_at <= ?"


class Storing(Protocol):
    """What a writer tells of itself."""

    @property
    def is_failing(self) -> bool: ...

    @property
    def is_damaged(self) -> bool: ...

    @property
    def sharing(self) -> Sharing: ...


class MachineState(NamedTuple):
    """What the server knows beside its database: whether it can store, whether its clock is right,
    its disk, and when the database was last backed up, or why a copy that is due could not be made.
    `is_saved_elsewhere`: by another program, which is watched elsewhere too. `lost_settings` were
    made in the browser, and the key of their secrets is missing. `has_mqtt`: a broker of MQTT is
    set. `has_address` is whether an address is one of this machine, `address` returns its present
    one, if it can be told.
    """

    begun_at: str
    can_store: bool
    is_damaged: bool
    is_clock_trusted: bool
    space: DatabaseSpace
    backup: LastBackup | None
    is_saved_elsewhere: bool
    backup_problem: str | None = None
    lost_settings: Sequence[str] = ()
    has_mqtt: bool = False
    has_address: Callable[[str], bool] = lambda _address: True
    address: Callable[[], str | None] = lambda: None

    @classmethod
    def seen_by(
        cls,
        writer: Storing,
        db: Database,
        config: ServerConfig,
        begun_at: str,
        *,
        is_clock_trusted: bool,
    ) -> MachineState:
        """Return what the server with this writer and database knows, but for its present address.
        One of several servers does not know the addresses of the others' machines."""
        return cls(
            begun_at=begun_at,
            can_store=not writer.is_failing,
            is_damaged=writer.is_damaged,
            is_clock_trusted=is_clock_trusted,
            space=db.space(),
            backup=last_backup(config.database),
            is_saved_elsewhere=saved_by(config.database) is not None,
            lost_settings=[row.name for row in config.in_force if row.is_lost],
            has_mqtt=config.mqtt is not None,
            has_address=is_of_this_machine if writer.sharing.is_alone else lambda _address: True,
        )


class ServedChargers(NamedTuple):
    """The chargers that are served, the statuses of their connectors, and their open errors and
    silent sessions."""

    served: Sequence[KnownCharger]
    statuses: Mapping[Place, StatusNow]
    faults: Mapping[Place, OpenFault]
    silent: Sequence[RunningTransaction]

    @property
    def names(self) -> dict[str, str]:
        """What people call them."""
        return {one.id: one.name or one.id for one in self.served}


_RANKS: Final = {kind.value: rank for rank, kind in enumerate(AttentionKind)}


def attention(
    db: Database,
    now: datetime,
    zone: tzinfo,
    machine: MachineState,
    chargers: ServedChargers,
    *,
    sees_all: bool,
    policy: Policy = Policy(),  # noqa: B008 - immutable
    load: LoadNow | None = None,
) -> list[Attention]:
    """Return what wants a look. Money and addresses are for operators. Times in words are those of
    the zone. `load` is what load management last decided."""
    names, local = chargers.names, in_zone(now, zone)
    turned_away = [*_turned_away(db, now, names, sees_all=sees_all)]
    at_the_door = {one.charger for one in turned_away if one.level == BROKEN_LEVEL}
    found = [
        *(*_of_machine(machine), *_of_backup(db, now, machine)),
        *(*_of_chargers(chargers, names), *_availability(db, names)),
        *(*_certificates(db, now, names), *_odd(db, now, names)),
        *(*_waiting(db, sees_all=sees_all), *turned_away),
        *(_entry(AttentionKind(one.kind), one.words, one.since) for one in problems(load)),
        *([] if load is None else _of_load(load, local, chargers, names)),
        *_refused_cards(db, now, policy, names, sees_all=sees_all),
        *(_entry(AttentionKind.PRICES, one.words, one.since) for one in series(db) if one.missing),
    ]
    if machine.begun_at <= stamp(now - timedelta(seconds=RETURN_SECONDS)):
        found += [*_away(local, chargers, at_the_door), *_lost_addresses(machine, chargers)]
        for problem in copies.problems(db, now, names) if sees_all else ():
            words, since, count = problem.words, problem.since, problem.count
            found.append(_entry(AttentionKind.BACKEND, words, since, count))
    if sees_all:
        found += [*_webhooks(db, now), *_reports(db, stamp(now)), *_limits(db, now)]
        found += _overdue(db, local.date())
        found += _mqtt(db, now) if machine.has_mqtt else []
    return sorted(
        found,
        key=lambda one: (_RANKS[one.kind], one.charger is None, one.charger or "", one.since or ""),
    )


def _entry(
    kind: AttentionKind,
    words: str,
    since: str | None = None,
    count: int = 1,
    *,
    charger: str | None = None,
    connector: int | None = None,
    transaction: int | None = None,
    chargers: Sequence[str] = (),
    level: str = "",
    advice: str | None = None,
) -> Attention:
    return Attention(
        kind=kind.value,
        level=level or (BROKEN_LEVEL if _RANKS[kind] <= _RANKS["offline"] else "look"),
        charger=charger,
        chargers=[*chargers] if charger is None else [charger],
        connector=connector,
        transaction=transaction,
        since=since,
        count=count,
        words=words,
        advice=advice,
    )


_COUNTED: Final = {
    AttentionKind.STORAGE: Told(
        "{1} session is not booked rightly; look at the log",
        1,
        many="{1} sessions are not booked rightly; look at the log",
    ),
    AttentionKind.WALLET: Told(
        "{1} prepaid household has nothing left",
        1,
        many="{1} prepaid households have nothing left",
    ),
    AttentionKind.REVIEW: Told("{1} session is doubtful", 1, many="{1} sessions are doubtful"),
    AttentionKind.SET_ASIDE: Told(
        "{1} message could not be linked to a session",
        1,
        many="{1} messages could not be linked to a session",
    ),
    AttentionKind.NEWCOMER: Told(
        "{1} new charger waits to be adopted or refused",
        1,
        many="{1} new chargers wait to be adopted or refused",
    ),
    AttentionKind.TAGS: Told(
        "{1} unknown card was refused", 1, many="{1} unknown cards were refused"
    ),
    AttentionKind.REPORT: Told(
        "{1} message from a household waits for an answer",
        1,
        many="{1} messages from households wait for an answer",
    ),
}


def _counted(kind: AttentionKind, count: int, since: str | None = None) -> list[Attention]:
    """Return how many there are of a kind that is told at once, nothing if there are none."""
    known = _COUNTED[kind]
    words = Told(known.template, count, many=known.many)
    return [_entry(kind, words, since, count)] if count else []


def _of_machine(machine: MachineState) -> Iterator[Attention]:
    if not machine.can_store:
        yield _entry(
            AttentionKind.STORAGE,
            Told("Nothing can be stored at present; look at the disk and at the log"),
        )
    if machine.is_damaged:
        yield _entry(AttentionKind.STORAGE, Told("The database is damaged; restore it from a copy"))
    if machine.space.disk_free is not None and machine.space.disk_free < LITTLE_BYTES:
        free = Figure(machine.space.disk_free / 1e6, 0)
        yield _entry(
            AttentionKind.DISK, Told("Only {1} MB are free on the disk of the database", free)
        )
    if not machine.is_clock_trusted:
        yield _entry(
            AttentionKind.CLOCK, Told("The clock of this server is not trusted; times may be wrong")
        )
    if machine.lost_settings:
        names = ", ".join(machine.lost_settings)
        words = Told(
            "The key of secrets is missing, so this is off until it is set again: {1}", names
        )
        yield _entry(AttentionKind.SETTING, words)


def _of_backup(db: Database, now: datetime, machine: MachineState) -> Iterator[Attention]:
    if machine.backup_problem is not None:
        words = Told("The nightly copy could not be made: {1}", machine.backup_problem)
        since = None if machine.backup is None else machine.backup.at
        yield _entry(AttentionKind.BACKUP, words, since)
    elif machine.is_saved_elsewhere:
        return
    if machine.backup is not None:
        if machine.backup.at <= stamp(now - timedelta(days=BACKUP_DAYS)):
            yield _entry(AttentionKind.BACKUP, Told("The last backup is old"), machine.backup.at)
    elif db.execute(_OLD_RUN, (stamp(now - timedelta(days=UNSAVED_DAYS)),)).fetchone():
        yield _entry(
            AttentionKind.BACKUP, Told("No backup is known; make one with: levity-trio backup FILE")
        )


def _of_chargers(chargers: ServedChargers, names: Mapping[str, str]) -> Iterator[Attention]:
    yield from _faults(chargers, names)
    for session in chargers.silent:
        charger, connector = session.charger, session.connector
        words = Told("{1} tells nothing of its session", names.get(charger, charger))
        since = session.read_at or session.started_at
        yield _entry(
            AttentionKind.SILENT,
            words,
            since,
            charger=charger,
            connector=connector,
            transaction=session.id,
        )
    for served in chargers.served:
        skew = served.clock_skew_seconds or 0
        if abs(skew) > SKEW_SECONDS:
            template = N_("The clock of {1} is {2} behind")
            if skew > 0:
                template = N_("The clock of {1} is {2} ahead")
            words = Told(template, names[served.id], length(abs(skew)))
            yield _entry(AttentionKind.CHARGER_CLOCK, words, charger=served.id)


def _of_load(
    load: LoadNow, now: datetime, chargers: ServedChargers, names: Mapping[str, str]
) -> Iterator[Attention]:
    """Yield the chargers that are away and for which cars go without, once for those that went away
    together, and those that charge unlimited beside others that are limited."""
    missed = {charger for one in load.cars for charger in one.kept_for}
    kept = {one.charger: one.amperes for one in load.kept if one.charger in missed}
    since = {one.id: one.since for one in chargers.served if one.id in kept and one.since}
    for group in together(since, 1):
        first, who = since[group[0]], listed(names[charger] for charger in group)
        amperes = sum(kept[charger] for charger in group)
        words = Told("{1} A are kept for {2}, away since {3}", amperes, who, _clock(first, now))
        advice = Told("Gone for good? Take it out")
        if len(group) > 1:
            advice = Told("Gone for good? Take them out")
        yield _entry(AttentionKind.KEPT, words, first, len(group), chargers=group, advice=advice)
    for car in load.cars:
        name, is_used_up = names.get(car.charger, car.charger), car.no_more_until is not None
        if is_used_up or car.why_fixed == "restarts":
            template = N_("{1} restarts when it is told its limit, so it is told none for a day")
            if is_used_up:
                template = N_(
                    "{1} was told so many limits today that it gets no more until midnight"
                )
            yield _entry(AttentionKind.TOLD, Told(template, name), charger=car.charger)
        template = N_("{1} is being prepared for limits, so {2} A are kept for it")
        if car.why_fixed == "untold" and not load.is_shadow:
            template = N_("{1} is not limited, so {2} A are kept for it")
        elif car.why_fixed != "new":
            continue
        charger, connector = car.charger, car.connector
        words = Told(template, name, car.limit_a)
        yield _entry(
            AttentionKind.UNLIMITED, words, car.since, charger=charger, connector=connector
        )


def _away(
    now: datetime, chargers: ServedChargers, at_the_door: Collection[str | None]
) -> Iterator[Attention]:
    """Yield the chargers that are away, once for those that went away together."""
    away, names, every = dict[str, str](), chargers.names, len(chargers.served)
    for one in chargers.served:
        if not one.is_connected and one.since is not None and one.id not in at_the_door:
            away[one.id] = one.since
    for group in together(away):
        since, first, count = away[group[0]], group[0], len(group)
        if count == 1:
            words = Told("{1} is away", names[first])
            yield _entry(AttentionKind.OFFLINE, words, since, charger=first)
            continue
        words = Told(
            "{1} of {2} chargers have been away since {3}: {4}. Probably the network there",
            *(count, every, _clock(since, now), listed(names[charger] for charger in group)),
        )
        if count == every:
            words = Told(
                "All {1} chargers have been away since {2}. Probably the network there",
                *(count, _clock(since, now)),
            )
        yield _entry(AttentionKind.OFFLINE, words, since, count, chargers=group)


_NEW_ADDRESS: Final = Told(
    "Let the router give this machine its old address again; or enter the new one in the "
    "chargers, in --public-url and in --drivers-url, and print the labels again"
)


def _lost_addresses(machine: MachineState, chargers: ServedChargers) -> Iterator[Attention]:
    """Yield the addresses that this machine no longer has, though chargers or labels were given
    them."""
    dialled = Counter(one.dialled for one in chargers.served)
    labels: Counter[str | None] = Counter()
    for one in chargers.served:
        labels[one.labelled] += one.labels
    for address in sorted({*filter(None, dialled), *filter(None, labels)}):
        if machine.has_address(address):
            continue
        count, own = dialled[address] + labels[address], machine.address()
        lost = Told("This machine is no longer {1}", address)
        if own:
            lost = Told("This machine is no longer {1}, it is {2} now", address, own)
        parts = (
            [Told("{1} charger", dialled[address], many="{1} chargers")] if dialled[address] else []
        )
        parts += [Told("{1} label", labels[address], many="{1} labels")] if labels[address] else []
        which = Told("{1} and {2}", *parts) if len(parts) > 1 else parts[0]
        template = N_("{1}. {2} still have the old address")
        if count == 1:
            template = N_("{1}. {2} still has the old address")
        words = Told(template, lost, which)
        yield _entry(AttentionKind.ADDRESS, words, count=count, advice=_NEW_ADDRESS)


def _clock(at: str, now: datetime) -> Clock:
    """Return a time to the minute, in the zone of `now`."""
    local = in_zone(datetime.fromisoformat(at), now.tzinfo)
    return Clock(
        at, f"{local:%H:%M}" if local.date() == now.date() else f"{local.day} {local:%b %H:%M}"
    )


_TURNED_AWAY: Final = (
    "SELECT identity, remote_address, kind, reason, first_at, last_at, last_connect_at, "
    "is_connected, registration "
    "FROM turned_away LEFT JOIN cp ON cp.id = identity "
    "WHERE last_at >= ? ORDER BY last_at DESC, subject"
)
_LAST_FROM: Final = (
    "SELECT cp.id FROM cp JOIN session ON session.id = cp.session_id WHERE remote_address = ?"
)


def _turned_away(
    db: Database, now: datetime, names: Mapping[str, str], *, sees_all: bool
) -> Iterator[Attention]:
    """Yield who is turned away, at the door or after it has connected; one that is away because of
    it is broken."""
    for (
        identity,
        address,
        kind,
        reason,
        first_at,
        last_at,
        connected_at,
        is_connected,
        registration,
    ) in db.execute(_TURNED_AWAY, (stamp(now - TOLD_FOR),)).fetchall():
        is_at_the_door = kind not in OUTLASTING
        if registration == "refused" or (is_at_the_door and (connected_at or "") >= last_at):
            continue
        who = names.get(identity, identity)
        if identity is None:
            # that of the charger that connected from there last, if only one
            last = db.execute(_LAST_FROM, (address,)).fetchall()
            perhaps = [names[one] for (one,) in last if one in names]
            who = Told("Something")
            if len(perhaps) == 1:
                who = Told("Something, perhaps {1},", *perhaps)
        if is_at_the_door and is_connected:
            who = Told("Another client that calls itself {1}", who)
        if sees_all:
            who = Told("{1} at {2}", who, address)
        charger = identity if identity in names else None
        is_broken = charger is not None and is_at_the_door and not is_connected
        template = N_("{1} is turned away: {2}") if is_at_the_door else N_("{1} is cut off: {2}")
        yield _entry(
            AttentionKind.TURNED_AWAY,
            Told(template, who, of_stored(reason)),
            first_at,
            charger=charger,
            level=BROKEN_LEVEL if is_broken else "look",
            advice=advice(kind),
        )


_WANTED: Final = N_(
    {
        "Operative": "{1}, connector {2}, was told to be in service, and reports {3}",
        "Inoperative": "{1}, connector {2}, was told to be out of service, and reports {3}",
    }
)


def _availability(db: Database, names: Mapping[str, str]) -> Iterator[Attention]:
    """Yield the connectors that are in service and were told not to be, or the other way round."""
    for one in differing(rows_of(db)):
        charger, connector = one.charger, one.connector
        if charger in names:
            words = Told(_WANTED[one.wanted], names[charger], connector, of_ocpp(one.status))
            yield _entry(
                AttentionKind.AVAILABILITY, words, one.since, charger=charger, connector=connector
            )


def _faults(chargers: ServedChargers, names: Mapping[str, str]) -> Iterator[Attention]:
    """Yield the connectors that are faulted; of one with several connectors, the words say
    which."""
    places = Counter(charger for charger, connector in chargers.statuses if connector != 0)
    for (charger, connector), (status, status_at) in chargers.statuses.items():
        if status == FAULTED:
            where = names[charger]
            if connector and places[charger] > 1:
                where = Told("{1}, connector {2},", where, connector)
            fault = chargers.faults.get((charger, connector))
            words = Told("{1} is faulted", where)
            if fault is not None:
                cause = of_ocpp(fault.error_code)
                words = Told(
                    "{1} is faulted: {2}",
                    where,
                    joined("", (cause, " (", fault.info, ")")) if fault.info else cause,
                )
            since = holds_since(status, status_at, fault)
            yield _entry(AttentionKind.FAULTED, words, since, charger=charger, connector=connector)


def _waiting(db: Database, *, sees_all: bool) -> list[Attention]:
    """Return what waits for a person."""
    items = waiting(db)
    ((tags, since),) = db.execute("SELECT count(*), min(first_at) FROM asked_tag").fetchall()
    return [
        *_counted(AttentionKind.STORAGE, items.not_booked),
        *_counted(AttentionKind.WALLET, items.spent if sees_all else 0, items.spent_since),
        *_counted(AttentionKind.REVIEW, items.reviews, items.reviews_since),
        *_counted(AttentionKind.SET_ASIDE, items.set_aside, items.set_aside_since),
        *_counted(AttentionKind.NEWCOMER, items.newcomers, items.newcomers_since),
        *_counted(AttentionKind.TAGS, tags, since),
    ]


def _reports(db: Database, at: str) -> Iterator[Attention]:
    """Yield what households reported and nobody answered: each lost card, and how many other
    reports there are."""
    waiting = [*reversed(reports(db, ReportFilters(is_waiting=True)))]
    for lost in (one for one in waiting if one.id_tag is not None):
        template = N_("{1} lost the card {2}, which is blocked")
        if all(card.is_lost for card in tags_of(db, lost.account, at)):
            template = N_("{1} lost the card {2}, which is blocked, and needs another one")
        words = Told(template, lost.household, str(lost.id_tag))
        names = still_listed(db, str(lost.id_tag))
        away = Told("Away, and may still let it charge: {1}", listed(names)) if names else None
        yield _entry(AttentionKind.LOST_CARD, words, lost.written_at, advice=away)
    others = [one.written_at for one in waiting if one.id_tag is None]
    yield from _counted(AttentionKind.REPORT, len(others), min(others, default=None))


_REFUSED: Final = (
    "SELECT cp_id, conn_id, key, id_tag, first_at, (SELECT name FROM tag "
    "WHERE tag.key = refused_card.key AND ended_at IS NULL) "
    "FROM refused_card WHERE last_at >= ? "
    "ORDER BY cp_id, first_at, key"
)
_NAME: Final = "SELECT name FROM account WHERE id = ?"
_ELSEWHERE: Final = N_(
    (
        "{1} may charge at other chargers only, and was refused at {2}",
        "{1} may charge at other chargers only, and were refused at {2}",
    )
)
_EXCLUSIVE: Final = N_(
    ("{1} is for {2} only: {3} was refused", "{1} is for {2} only: {3} were refused")
)
"""The words for one refused card, and for several."""
_SPACE_NAME: Final = (
    "SELECT name FROM space WHERE cp_id = ? AND conn_id IN (?, 0) ORDER BY conn_id DESC LIMIT 1"
)


def _refused_cards(
    db: Database, now: datetime, policy: Policy, names: Mapping[str, str], *, sees_all: bool
) -> Iterator[Attention]:
    """Yield the cards that were refused in the last day because of whose space it is, or where they
    may charge, unless they may charge there by now; once for each place and reason."""
    rows, at = rows_of(db), stamp(now)
    groups: dict[tuple[str, int, Reason], list[tuple[str, str]]] = defaultdict(list)
    for charger, connector, key, id_tag, since, name in rows(
        _REFUSED, (stamp(now - timedelta(seconds=DAY)),)
    ):
        reason = places.refusal(rows, policy, key, charger, connector or None, at)
        if reason is not None and charger in names:
            account = places.card(rows, key, at).account
            who = rows(_NAME, (account,))[0][0] if account is not None else name or id_tag
            groups[charger, connector, reason].append((since, who))
    for (charger, connector, reason), refused in groups.items():
        space = next(iter(rows(_SPACE_NAME, (charger, connector))), (names[charger],))[0]
        who = listed(dict.fromkeys(who for _, who in refused))
        if not sees_all:
            who = Told("{1} card", len(refused), many="{1} cards")
        if reason is Reason.CHARGERS:
            words = Told(_ELSEWHERE[len(refused) > 1], who, space)
        else:
            accounts = places.admitted(rows, charger, connector or None, at) or ()
            owners = listed(rows(_NAME, (one,))[0][0] for one in sorted(accounts))
            words = Told(
                _EXCLUSIVE[len(refused) > 1],
                space,
                owners if sees_all else Told("its household"),
                who,
            )
        since, count, place = min(refused)[0], len(refused), connector or None
        yield _entry(AttentionKind.REFUSED, words, since, count, charger=charger, connector=place)


_LIMITS: Final = (
    "SELECT coalesce(account.name, tag.name, month_standing.key), warned_at, reached_at "
    "FROM month_standing LEFT "
    "JOIN account ON what = 'account' AND account.id = CAST(month_standing.key AS INTEGER) "
    "LEFT "
    "JOIN tag ON what = 'tag' AND tag.key = month_standing.key AND ended_at IS NULL "
    "WHERE warned_at IS NOT NULL AND month_standing.until > ? "
    "ORDER BY reached_at IS NULL, warned_at, month_standing.key"
)


def _limits(db: Database, now: datetime) -> Iterator[Attention]:
    """Yield the households and cards that have nearly used what they may in this month, or all of
    it."""
    for name, warned_at, reached_at in db.execute(_LIMITS, (stamp(now),)).fetchall():
        words = Told("{1} has used four fifths of what it may in this month", name)
        if reached_at is not None:
            words = Told("{1} has used what it may in this month, and starts nothing more", name)
        yield _entry(AttentionKind.LIMIT, words, reached_at or warned_at)


def _overdue(db: Database, today: date) -> Iterator[Attention]:
    """Yield the statements that are overdue for so long that the owner wants to be told."""
    days = db.execute(_REMINDER_AFTER).fetchone()
    before = today - timedelta(days[0] if days else 0)
    count, total, currency = db.execute(_OVERDUE, (before.isoformat(),)).fetchone()
    if count:
        words = Told(
            "{1} statement is overdue: {2}",
            *(count, Amount(units(total, CURRENCIES[currency]), currency)),
            many="{1} statements are overdue: {2}",
        )
        yield _entry(AttentionKind.OVERDUE, words, count=count)


def _certificates(db: Database, now: datetime, names: Mapping[str, str]) -> Iterator[Attention]:
    """Yield the chargers whose last certificate is over or soon will be."""
    soon, at = stamp(now + timedelta(days=CERTIFICATE_DAYS)), stamp(now)
    for charger, until in db.execute(CERTIFICATES).fetchall():
        if until < soon and charger in names:
            template = N_("The certificate of {1} expired on {2}")
            if until >= at:
                template = N_("The certificate of {1} expires on {2}")
            words = Told(template, names[charger], Day(date.fromisoformat(until[:10])))
            yield _entry(AttentionKind.CERTIFICATE, words, charger=charger)


_IGNORED: Final = (
    "SELECT cp_id, disobeys_since FROM load_charger "
    "WHERE state = 'managed' AND disobeys_since IS NOT NULL "
    "ORDER BY cp_id"
)


_ODD: Final = (
    "SELECT cp_id, cause, figure, earlier, since FROM oddity "
    "WHERE cause = 'measures_nothing' OR last_at >= ? "
    "ORDER BY cp_id, conn_id, cause"
)


def _odd(db: Database, now: datetime, names: Mapping[str, str]) -> Iterator[Attention]:
    """Yield what was odd about chargers in the last week, and which do not obey the limits of load
    management."""
    shown = (stamp(now - timedelta(days=GIVEN_UP_DAYS)),)
    for charger, cause, figure, earlier, since in db.execute(_ODD, shown).fetchall():
        if charger in names:
            words = odd_words(cause, names[charger], figure, earlier)
            yield _entry(AttentionKind.ODD, words, since, charger=charger)
    for charger, *serials, at in new_serials(db):
        if charger in names:
            words = Told(
                "{1} has a new serial number: {2} before, {3} now. Is it another charger?",
                *(names[charger], *serials),
            )
            yield _entry(AttentionKind.ODD, words, at, charger=charger)
    for charger, other, at in meter_pairs(db):
        if charger in names and other in names:
            pair = names[charger], names[other]
            words = Told("{1} and {2} show the same register. Do these two share a meter?", *pair)
            yield _entry(AttentionKind.ODD, words, at, charger=charger)
    for charger, since in db.execute(_IGNORED).fetchall():
        if charger in names:
            words = Told(
                "{1} does not obey its limit, so others may get less current", names[charger]
            )
            yield _entry(AttentionKind.IGNORED, words, since, charger=charger)


def odd_words(cause: str, where: str, figure: int, earlier: int) -> Told:
    """Return what is odd about a charger."""
    if cause == "comes_and_goes":
        return Told(
            "{1} connected more than {2} times in a day; look at its network and its power supply",
            where,
            figure,
        )
    if cause == "measures_nothing":
        return Told(
            (
                "{1} charged in {2} sessions and measured nothing; look at its meter with a test "
                "charge"
            ),
            where,
            figure,
        )
    if cause == "new_serial":
        return Told("{1} has a new serial number; say whether it is another charger", where)
    return Told(
        (
            "{1} has another meter: between two sessions its register went from {2} to {3} kWh, "
            "more than can have flowed"
        ),
        *(where, earlier // 1000, figure // 1000),
    )


def _webhooks(db: Database, now: datetime) -> Iterator[Attention]:
    """Yield the webhooks for which facts were given up in the last week."""
    since = stamp(now - timedelta(days=GIVEN_UP_DAYS))
    for name, facts, at in db.execute(_GIVEN_UP, (since,)).fetchall():
        words = Told(
            "{1} fact was never delivered to the webhook {2}",
            *(facts, name),
            many="{1} facts were never delivered to the webhook {2}",
        )
        yield _entry(AttentionKind.WEBHOOK, words, at, facts)


def _mqtt(db: Database, now: datetime) -> Iterator[Attention]:
    """Yield the broker of MQTT if it was not connected, or has taken no fact that waits, for ten
    minutes."""
    found, limit = mqtt.state(db), stamp(now - timedelta(minutes=UNREACHABLE_MINUTES))
    if found is None:
        return
    waits = found.waiting, found.broker
    if not found.is_connected and found.since <= limit:
        words = Told(
            "the MQTT broker {2} cannot be reached; {1} fact waits for it",
            *waits,
            many="the MQTT broker {2} cannot be reached; {1} facts wait for it",
        )
        yield _entry(AttentionKind.MQTT, words, found.since, found.waiting)
    elif found.waiting_since is not None and max(found.waiting_since, found.moved_at) <= limit:
        words = Told(
            "the MQTT broker {2} takes no facts; {1} fact waits for it",
            *waits,
            many="the MQTT broker {2} takes no facts; {1} facts wait for it",
        )
        yield _entry(AttentionKind.MQTT, words, found.moved_at, found.waiting)
