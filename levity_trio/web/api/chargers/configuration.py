"""The configuration of chargers: as it was reported, what changed in it, and readings of the
whole."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Final

from msgspec import Meta

from levity_trio.operations import OPERATIONS
from levity_trio.operations.answers import status_of
from levity_trio.operations.configuration import is_standard, unknown_in, values_in
from levity_trio.operations.reading import USUAL_PART, KeysReading
from levity_trio.records import record
from levity_trio.store.reads.chargers import configuration as stored
from levity_trio.store.reads.chargers.configuration import (
    ALWAYS,
    Change,
    ConfigurationReading,
    Entry,
)
from levity_trio.store.reads.pages import ListPage, WantedPage
from levity_trio.store.writes.chargers.configuration import NewReading, add_reading
from levity_trio.told import Told
from levity_trio.web.api.chargers.chargers import (
    CHARGER,
    TAG,
    PagedWhose,
    Whose,
    both,
    known_charger,
    whose,
)
from levity_trio.web.api.chargers.operations import (
    PreparedOperation,
    Sender,
    WaitQuery,
    prepare,
    submit,
)
from levity_trio.web.api.engine.endpoints import ClientInput, Endpoints, Request, Role, TypedRequest
from levity_trio.web.api.engine.lists import (
    Before,
    moment,
    page,
    time_field,
    wanted,
    whole,
)
from levity_trio.web.api.engine.problems import Problem
from levity_trio.wire.secrets import MASK, is_secret_key

ENDPOINTS: Final = Endpoints(TAG)

READ: Final = "GetConfiguration"
OF_TWO: Final = "The earlier of two times; without it, between the last two readings."
LAST_TWO: Final = WantedPage(limit=2)


class ConfigurationQuery(Whose):
    at: Annotated[str, time_field("As known at this time.")] | None = None


class ChangesQuery(ClientInput, rename={"since": "from", "until": "to"}):
    since: Annotated[str, time_field(OF_TWO)] | None = None
    until: Before = None


class KeyHistoryQuery(ClientInput):
    key: str


class DifferencesQuery(ClientInput):
    other: Annotated[str, Meta(description="Another charger.")]


@record
class Difference:
    """A key for which two chargers have different values; None: it was never read there."""

    key: str
    one: Entry | None
    other: Entry | None


# As it was reported


def seen(request: Request, key: str, value: str | None) -> str | None:
    """Return the value of a key as the caller may see it: a viewer sees no values of a charger's
    own keys.

    A secret is masked at every caller, because it may have been stored before its name was known
    for one.
    """
    if value is None:
        return None
    is_shown = is_standard(key) or request.sees_all
    return value if is_shown and not is_secret_key(key) else MASK


def _seen(request: Request, entry: Entry) -> Entry:
    return replace(entry, value=seen(request, entry.key, entry.value))


@both(ENDPOINTS, "configuration", "the configuration")
async def list_configuration(request: TypedRequest[ConfigurationQuery, None]) -> ListPage[Entry]:
    charger, at = await whose(request), moment(request.query.at, "at") or ALWAYS
    entries = await request.read(lambda db: stored.of_all(db, charger, at))
    return whole([_seen(request, entry) for entry in entries])


@both(ENDPOINTS, "configuration/readings", "the readings, newest first,")
async def list_readings(request: TypedRequest[PagedWhose, None]) -> ListPage[ConfigurationReading]:
    charger, query = await whose(request), request.query
    return await page(request, stored.readings, charger=charger, wanted=wanted(query))


@ENDPOINTS.get(f"{CHARGER}/configuration/changes", Role.VIEWER, "not_found", "invalid")
async def list_changes(request: TypedRequest[ChangesQuery, None]) -> ListPage[Change]:
    """List what changed between two readings."""
    charger, query = await known_charger(request), request.query
    since, until = moment(query.since, "from"), moment(query.until, "to") or ALWAYS
    if since is None:
        readings = await request.read(lambda db: stored.readings(db, charger, LAST_TWO).data)
        if len(readings) < LAST_TWO.limit:
            words = Told(
                "{1} was not read twice yet as a whole, which a GetConfiguration alone is not; "
                "read it again (levity-trio configuration {2} --read), or give the time since when "
                "(--since)",
                *(charger, shlex.quote(charger)),
            )
            raise Problem(HTTPStatus.NOT_FOUND, "not_found", words, field="from")
        later, earlier = readings
        since, until = earlier.ended_at, later.ended_at
    changes = await request.read(lambda db: stored.changes(db, charger, since, until))
    shown: list[Change] = []
    for change in changes:
        before = change.before and _seen(request, change.before)
        after = change.after and _seen(request, change.after)
        shown.append(replace(change, before=before, after=after))
    return whole(shown)


@ENDPOINTS.get(f"{CHARGER}/configuration/history", Role.VIEWER, "not_found", "invalid")
async def list_history(request: TypedRequest[KeyHistoryQuery, None]) -> ListPage[Entry]:
    """List the values of one key, newest first."""
    charger = await known_charger(request)
    key = request.query.key
    entries = await request.read(lambda db: stored.history(db, charger, key))
    return whole([_seen(request, entry) for entry in entries])


@ENDPOINTS.get(f"{CHARGER}/configuration/differences", Role.VIEWER, "not_found", "invalid")
async def list_differences(request: TypedRequest[DifferencesQuery, None]) -> ListPage[Difference]:
    """Compare with another charger."""
    charger, other = await known_charger(request), request.query.other
    rows = await request.read(lambda db: stored.differences(db, charger, other))
    differences: list[Difference] = []
    for key, own, others in rows:
        own_entry = own and _seen(request, own)
        others_entry = others and _seen(request, others)
        differences.append(Difference(key=key, one=own_entry, other=others_entry))
    return whole(differences)


# Readings


@ENDPOINTS.post(
    f"{CHARGER}/configuration/read",
    *(
        Role.OPERATOR,
        "not_found",
        "not_connected",
        "not_registered",
        "queue_full",
        "too_many_waiting",
    ),
)
async def read_all(request: TypedRequest[WaitQuery, None]) -> ConfigurationReading:
    """Read the whole configuration, in parts if the charger does not tell it at once."""
    api, charger = request.api, await known_charger(request)
    reading = KeysReading(await request.read(stored.before_reading, charger=charger))
    began_at = api.stamp()
    async with api.places.wait():
        commands = await _ask_all(request, charger, reading)
    new = NewReading(
        charger=charger,
        asked_by=request.caller.name,
        began_at=began_at,
        ended_at=api.stamp(),
        keys=len(reading.known),
        unknown_keys=len(reading.unknown),
        unanswered=sorted(reading.unanswered.values()),
        commands=commands,
    )
    number = await api.writer.run(add_reading, new)
    return await request.find(stored.reading, Told("reading {1}", number), number=number)


async def _ask_all(request: Sender, charger: str, reading: KeysReading) -> list[int]:
    """Ask for the keys that a reading needs; return the commands. Raises Problem if nothing could
    be sent."""
    commands: list[int] = []
    while (keys := reading.next_keys()) is not None:
        try:
            command = await ask_for(request, charger, keys)
        except Problem:
            if not commands:
                raise
            reading.stop()
            continue
        commands.append(command)
        result = await request.api.chargers.wait(command)
        if result.state == "timed out":
            reading.miss()
        elif result.state in ("accepted", "rejected", "error"):
            reading.take(result.answer)
        else:
            reading.stop()
    return commands


async def ask_for(request: Sender, charger: str, keys: Sequence[str]) -> int:
    """Ask a charger for some keys, for all if none are given; return the command. Raises
    Problem."""
    payload = {"key": list(keys)} if keys else {}
    return await submit(request, PreparedOperation(charger, READ, payload, payload))


# Changes of keys, one after the other, and what the charger says of them afterwards

CHANGE: Final = OPERATIONS["ChangeConfiguration"]
WORDS: Final = {"RebootRequired": "reboot required", "NotSupported": "not supported"}
"""The statuses of ChangeConfiguration that say more than the state of its command (§5.3)."""
CHANGED: Final = ("accepted", "reboot required")


@record
class KeyResult:
    """What came of one key: the charger's answer, or why nothing was sent. `has` is its value
    afterwards, as read."""

    key: str
    result: str
    wanted: str
    had: str | None
    has: str | None = None
    command: int | None = None
    detail: str | None = None


async def change_key(request: Sender, charger: str, key: KeyResult) -> KeyResult:
    """Send one key and return what came of it."""
    try:
        payload = {"key": key.key, "value": key.wanted}
        order = await prepare(request, charger, CHANGE, payload)
        command = await submit(request, order)
    except Problem as problem:
        words = problem.code.replace("_", " ")
        return replace(key, result=words, detail=problem.detail)
    done = await request.api.chargers.wait(command)
    words = WORDS.get(status_of(done.answer) or "", done.state)
    return replace(key, result=words, command=command, detail=done.error_description)


async def read_back(request: Sender, charger: str, results: Sequence[KeyResult]) -> list[KeyResult]:
    """Ask for the keys that the charger accepted; return the results with the values that it then
    tells."""
    changed = [
        result.key for result in results if result.command is not None and result.result in CHANGED
    ]
    if not changed:
        return list(results)
    # If the charger has left, what it has stays as it was last read.
    with suppress(Problem):
        await read_keys(request, charger, changed)
    now = await request.read(stored.has, charger=charger)
    read_results: list[KeyResult] = []
    for result in results:
        known = now.get(result.key.casefold())
        read_results.append(result if known is None else replace(result, has=known.value))
    return read_results


async def read_keys(request: Sender, charger: str, keys: Sequence[str]) -> None:
    """Ask for some keys, as many at a time as the charger answers for. Raises Problem."""
    before = await request.read(stored.before_reading, charger=charger)
    most = before.most or USUAL_PART
    left = {key.casefold(): key for key in keys}
    while left:
        part = list(left.values())[:most]
        command = await ask_for(request, charger, part)
        answer = (await request.api.chargers.wait(command)).answer
        named = [*(value.key for value in values_in(answer)), *unknown_in(answer)]
        answered = left.keys() & {key.casefold() for key in named}
        # A charger that says nothing of the part is not asked for it again.
        for key in answered or {key.casefold() for key in part}:
            del left[key]
