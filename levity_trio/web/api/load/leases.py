"""The chargers that load management limits: how, what they were sent, and whether they obey."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final

from msgspec import Meta

from levity_trio.load.document import every_socket, parse
from levity_trio.load.lease import DAY_SECONDS, NO_RAISES, WRITES_A_DAY
from levity_trio.load.profiles import LimitWay, ability
from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.load.leases import (
    LoadTrial,
    managed_chargers,
    newest_trial,
    stored_leases,
)
from levity_trio.store.reads.load.load import highest_other, learned, load_places, newest_site
from levity_trio.store.reads.pages import ListPage
from levity_trio.store.writes.load import load as writes
from levity_trio.told import Figure, Told
from levity_trio.web.api.engine.bodies import ClientInput
from levity_trio.web.api.engine.endpoints import Endpoints, Request, Role, TypedRequest
from levity_trio.web.api.engine.kilowatt_hours import extended
from levity_trio.web.api.engine.lists import whole
from levity_trio.web.api.engine.problems import invalid, not_found
from levity_trio.web.api.load.feeder import Charger, LoadConnectorBody, load_of
from levity_trio.wire.times import from_seconds, stamp

ENDPOINTS: Final = Endpoints("load")
ADMIN: Final = "/api/admin/load"
CHARGERS: Final = f"{ADMIN}/chargers"
Circuit = Annotated[str, Meta(min_length=1, max_length=100)]
WAYS: Final[Mapping[LimitWay, str]] = {
    LimitWay.TRANSACTION: Told("a profile for each session, over a default"),
    LimitWay.DEFAULT: Told("its default profile alone"),
    LimitWay.CHARGER: Told("a profile for the whole charger"),
    LimitWay.KEY: Told("a configuration key"),
    LimitWay.NONE: Told("not at all"),
}


@record
class LimitedLease:
    """What a connector was sent: `amperes` until `ends_at` (null: no end), then `safe_a`.

    It was sent `writes` profiles today, of `most_writes`: flash memory wears out. When nine tenths
    of them are used up, it gets no more until `no_more_until`, else null.
    """

    connector: int
    transaction_id: int | None
    amperes: int
    ends_at: str | None
    safe_a: int
    writes: int
    most_writes: int
    no_more_until: str | None


@record
class LimitedCharger:
    """A charger that load management limits.

    `state` is managed, leaving (what it was sent is being cleared), or limited (the same, but it is
    away: it is still limited by us). `way` is how limits reach it, 1 to 5, `way_words` says that.
    `has_passed`: a trial has shown that chargers with its firmware obey alone; `trusted_by`: a
    person trusts it without. Without either, its maximum is kept for it while it is away. Since
    `disobeys_since` it does not obey; `obeyed` of three limits that end this.
    """

    charger: str
    state: str
    since: str
    by: str
    way: int
    way_words: str
    has_passed: bool
    trusted_by: str | None
    disobeys_since: str | None
    obeyed: int
    leases: list[LimitedLease]


class LimitBody(ClientInput):
    """The chargers that are meant: one, those below a circuit, or all of the site."""

    charger: Charger | None = None
    circuit: Circuit | None = None


class MemoryBody(LimitBody):
    """A circuit, of which the highest other load is forgotten, or a charger, of which all is that
    it has shown."""


class TrustBody(ClientInput):
    """Whether a charger is trusted to obey while it is away, although no trial has shown that."""

    is_trusted: bool = True


@ENDPOINTS.get("/api/load/chargers", Role.VIEWER)
async def list_limited_chargers(request: Request) -> ListPage[LimitedCharger]:
    """List the chargers that load management limits, what they were sent, and whether they obey"""
    now = request.api.now()
    return await request.read(lambda db: whole(limited_chargers(db, now)))


def limited_chargers(db: Database, now: datetime) -> list[LimitedCharger]:
    """Return the chargers that load management limits."""
    site = newest_site(db)
    most = WRITES_A_DAY if site is None else parse(site.toml).options.writes_a_day
    end_of_day = (now.timestamp() // DAY_SECONDS + 1) * DAY_SECONDS
    tomorrow = stamp(from_seconds(end_of_day))
    leases_of: dict[str, list[LimitedLease]] = defaultdict(list)
    for lease in stored_leases(db):
        writes_today = lease.writes_of(now)
        shown_lease = extended(
            LimitedLease,
            lease,
            transaction_id=lease.transaction,
            writes=writes_today,
            most_writes=most,
            no_more_until=tomorrow if writes_today >= NO_RAISES * most else None,
        )
        leases_of[lease.charger].append(shown_lease)
    chargers: list[LimitedCharger] = []
    for name, managed in managed_chargers(db).items():
        way = ability(managed.facts, managed.keys, LimitWay(managed.way)).way
        # What a charger that is away was sent cannot be cleared.
        is_bound = managed.state == "leaving" and not managed.is_connected
        charger = extended(
            LimitedCharger,
            managed,
            state="limited" if is_bound else managed.state,
            way=int(way),
            way_words=WAYS[way],
            has_passed=bool(managed.facts.get("passed")),
            leases=leases_of[name],
        )
        chargers.append(charger)
    return chargers


@ENDPOINTS.post(CHARGERS, Role.ADMIN, "invalid", "not_found", "conflict")
async def limit_chargers(request: TypedRequest[None, LimitBody]) -> ListPage[LimitedCharger]:
    """Begin to limit chargers; until then, all is only shown"""
    load, chargers = await load_of(request), await _meant(request)
    await load.manage(chargers, by=request.caller.name)
    return await list_limited_chargers(request)


@ENDPOINTS.post(f"{CHARGERS}/release", Role.ADMIN, "invalid", "not_found", "conflict")
async def release_chargers(request: TypedRequest[None, LimitBody]) -> ListPage[LimitedCharger]:
    """Clear what chargers were sent, put back their settings, and limit them no longer"""
    load, chargers = await load_of(request), await _meant(request)
    await load.let_go(chargers, by=request.caller.name)
    return await list_limited_chargers(request)


async def _meant(request: TypedRequest[None, LimitBody]) -> list[str]:
    """Return the chargers that are meant. Raises Problem."""
    body = request.body
    if body.charger is not None:
        return [body.charger]
    version, places = await request.read(lambda db: (newest_site(db), load_places(db)))
    if version is None:
        return []
    chargers: set[str] = set()
    # A site may name connectors of chargers that are not served.
    for socket in every_socket(parse(version.toml), places):
        if socket.place in places and body.circuit in (None, socket.circuit):
            chargers.add(socket.charger)
    if not chargers:
        raise not_found(Told("charger at the circuit {1}", body.circuit or ""))
    return sorted(chargers)


@ENDPOINTS.put(f"{CHARGERS}/{{charger}}/trust", Role.ADMIN, "invalid", "not_found", "conflict")
async def trust_charger(request: TypedRequest[None, TrustBody]) -> ListPage[LimitedCharger]:
    """Trust a charger without a trial, or no longer"""
    by = request.caller.name if request.body.is_trusted else None
    load = await load_of(request)
    await load.trust(request.path["charger"], by)
    return await list_limited_chargers(request)


@ENDPOINTS.post(f"{CHARGERS}/{{charger}}/again", Role.OPERATOR, "not_found", "conflict")
async def try_charger_again(request: Request) -> ListPage[LimitedCharger]:
    """Limit a charger that did not obey as if it did, in the first way again"""
    load = await load_of(request)
    await load.try_again(request.path["charger"])
    return await list_limited_chargers(request)


# What is remembered


@record
class LoadMemory:
    """What is remembered of a circuit or of a charger, in `words`; `at` is when its highest other
    load was.

    The highest other load of seven days is kept free at its circuit in case of an outage. What a
    charger has shown is believed of all with its firmware.
    """

    circuit: str | None
    charger: str | None
    words: list[str]
    at: str | None


@ENDPOINTS.get("/api/load/memory", Role.VIEWER)
async def list_load_memory(request: Request) -> ListPage[LoadMemory]:
    """List what load management remembers of circuits and chargers"""
    return whole(await request.read(read_memory, now=request.api.stamp()))


def read_memory(db: Database, now: str) -> list[LoadMemory]:
    """Return what load management remembers."""
    memories: list[LoadMemory] = []
    for circuit, (amperes, at) in highest_other(db, now).items():
        highest = Told("other load of up to {1} A in the last seven days", Figure(max(amperes), 0))
        memories.append(LoadMemory(circuit=circuit, charger=None, words=[highest], at=at))

    facts, managed = learned(db), managed_chargers(db)
    for charger in sorted({*managed, *(fact.charger for fact in facts)}):
        words: list[str] = []
        own = [fact for fact in facts if fact.charger == charger]
        if any(fact.what == "lines" for fact in own):
            words.append(Told("on how many lines cars charge"))
        wiring = [fact.value for fact in own if fact.what == "rotation"]
        words += [Told("that it seems to be wired as {1}", rotation) for rotation in wiring]
        trial = managed[charger].facts if charger in managed else {}
        if trial:
            words.append(Told("how it takes limits"))
            for (what, value), shown in _SHOWN.items():
                if trial.get(what) is value:
                    words.append(shown)
        if words:
            memories.append(LoadMemory(circuit=None, charger=charger, words=words, at=None))
    return memories


_SHOWN: Final = {
    ("passed", True): Told("that it has passed its trial"),
    ("passed", False): Told("that it has failed its trial"),
    ("zero", False): Told("that it cannot be paused"),
    ("waits", False): Told("that by its default nobody waits"),
}


@ENDPOINTS.post(f"{ADMIN}/forget", Role.ADMIN, "invalid", "not_found")
async def forget_load(request: TypedRequest[None, MemoryBody]) -> ListPage[LoadMemory]:
    """Forget the other load that was measured at a circuit, or what a charger and cars there have
    shown; what it was stays in the day, and all is learned anew"""
    body = request.body
    if (body.circuit is None) == (body.charger is None):
        raise invalid("circuit", Told("name a circuit, or a charger"))
    await request.write(writes.forget, body.circuit, body.charger)
    return await list_load_memory(request)


# Trials


class TrialBody(LoadConnectorBody):
    """The connector at which a car stands, ready to charge."""


@ENDPOINTS.post(
    "/api/admin/load/trials", Role.ADMIN, "invalid", "not_found", "conflict", status=201
)
async def begin_load_trial(request: TypedRequest[None, TrialBody]) -> LoadTrial:
    """Try with a car, for fifteen minutes, whether a charger obeys, also without this server"""
    load = await load_of(request)
    await load.begin_trial(request.body.place, by=request.caller.name)
    return await _trial(request, request.body.charger)


@ENDPOINTS.get("/api/load/trials/{charger}", Role.VIEWER, "not_found")
async def get_load_trial(request: Request) -> LoadTrial:
    """Show how far the newest trial of a charger is, and what each step found"""
    return await _trial(request, request.path["charger"])


@ENDPOINTS.delete(
    "/api/admin/load/trials/{charger}", Role.ADMIN, "not_found", "conflict", status=204
)
async def cancel_load_trial(request: Request) -> None:
    """Cancel the trial of a charger"""
    load, charger = await load_of(request), request.path["charger"]
    if not load.cancel_trial(charger):
        raise not_found(Told("trial of {1} that runs", charger))


async def _trial(request: Request, charger: str) -> LoadTrial:
    return await request.find(newest_trial, Told("trial of {1}", charger), charger=charger)
