"""The configuration of chargers: as it was reported, what changed in it, and readings of the whole."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec

from levity_trio.operations.configuration import is_standard
from levity_trio.operations.reading import Reading
from levity_trio.store.reads import configuration as stored
from levity_trio.store.reads.configuration import ALWAYS, Change, ConfigurationReading, Entry
from levity_trio.store.reads.pages import Wanted
from levity_trio.store.writes.configuration import NewReading, add_reading
from levity_trio.web.api.charger_facts import PagedWhose, Whose, both, whose
from levity_trio.web.api.chargers import CHARGER, TAG
from levity_trio.web.api.endpoints import Asked, Endpoint, Handler, Role
from levity_trio.web.api.lists import FORMATS, Before, hidden_in, moment, page, page_of, wanted, whole
from levity_trio.web.api.operations import Order, WaitQuery, submit
from levity_trio.web.api.problems import Problem
from levity_trio.web.api.shown import show, shown_as
from levity_trio.wire.secrets import MASK, is_secret_key

READ: Final = "GetConfiguration"
LAST_TWO: Final = Wanted(limit=2)


class ConfigurationQuery(Whose, kw_only=True):
    at: Annotated[str, msgspec.Meta(description="As known at this time.", extra_json_schema=FORMATS)] | None = None


class ChangesQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename={"since": "from", "until": "to"}):
    since: (
        Annotated[
            str,
            msgspec.Meta(
                description="The earlier of two times; without it, between the last two readings.",
                extra_json_schema=FORMATS,
            ),
        ]
        | None
    ) = None
    until: Before = None


class HistoryQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    key: str


class DifferencesQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    other: Annotated[str, msgspec.Meta(description="Another charger.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A key for which two chargers have different values; None: it was never read there."""

    key: str
    one: Entry | None
    other: Entry | None


# As it was reported


def seen(asked: Asked, key: str, value: str | None) -> str | None:
    """Return the value of a key as the caller may see it: of a charger's own keys, a viewer sees none.

    A secret is masked at every caller, because it may have been stored before its name was known for one.
    """
    is_shown = is_standard(key) or asked.sees_all
    return value if value is None or (is_shown and not is_secret_key(key)) else MASK


def _seen(asked: Asked, entry: Entry | None) -> Entry | None:
    return None if entry is None else replace(entry, value=seen(asked, entry.key, entry.value))


async def list_configuration(asked: Asked) -> Any:
    charger, at = await whose(asked), moment(asked.query.at, "at") or ALWAYS
    found = await asked.api.reader.run(lambda db: stored.of_all(db, charger, at))
    return whole([_seen(asked, entry) for entry in found])


async def list_changes(asked: Asked) -> Any:
    charger, query = asked.path["id"], asked.query
    await whose(asked)
    since, until = moment(query.since, "from"), moment(query.until, "to") or ALWAYS
    if since is None:
        since, until = await _last_two(asked, charger)
    found = await asked.api.reader.run(lambda db: stored.changes(db, charger, since, until))
    return whole([replace(one, before=_seen(asked, one.before), after=_seen(asked, one.after)) for one in found])


async def _last_two(asked: Asked, charger: str) -> tuple[str, str]:
    """Return the times of the last two readings. Raises Problem."""
    found = await asked.api.reader.run(lambda db: stored.readings(db, charger, LAST_TWO).data)
    if len(found) < LAST_TWO.limit:
        words = f"{charger} was not read twice yet as a whole, which a GetConfiguration alone is not; read it again"
        words += f" (levity-trio configuration {shlex.quote(charger)} --read), or give the time since when (--since)"
        raise Problem(HTTPStatus.NOT_FOUND, "not_found", words, field="from")
    later, earlier = found
    return earlier.ended_at, later.ended_at


async def list_history(asked: Asked) -> Any:
    charger = asked.path["id"]
    await whose(asked)
    found = await asked.api.reader.run(lambda db: stored.history(db, charger, asked.query.key))
    return whole([_seen(asked, entry) for entry in found])


async def list_differences(asked: Asked) -> Any:
    charger, other = asked.path["id"], asked.query.other
    await whose(asked)
    found = await asked.api.reader.run(lambda db: stored.differences(db, charger, other))
    return whole([Difference(key=key, one=_seen(asked, one), other=_seen(asked, theirs)) for key, one, theirs in found])


# Readings


async def list_readings(asked: Asked) -> Any:
    charger, query = await whose(asked), asked.query
    return await page(asked.api, lambda db: hidden_in(asked, stored.readings(db, charger, wanted(query)), "asked_by"))


async def read_all(asked: Asked) -> Any:
    """Read the whole configuration, by as many commands as the charger needs. Raises Problem."""
    api, charger = asked.api, asked.path["id"]
    await whose(asked)
    reading = Reading(await api.reader.run(partial(stored.before_reading, charger=charger)))
    began_at = api.stamp()
    async with api.places.wait():
        commands = await _ask_all(asked, charger, reading)
    new = NewReading(
        charger=charger,
        asked_by=asked.caller.name,
        began_at=began_at,
        ended_at=api.stamp(),
        keys=len(reading.known),
        unknown_keys=len(reading.unknown),
        unanswered=sorted(reading.unanswered.values()),
        commands=commands,
    )
    number = await api.writer.run(add_reading, new)
    return show(await api.reader.run(partial(stored.reading, number=number)))


async def _ask_all(asked: Asked, charger: str, reading: Reading) -> list[int]:
    """Ask for the keys that a reading needs; return the commands. Raises Problem if nothing could be sent."""
    commands: list[int] = []
    while (keys := reading.next_keys()) is not None:
        try:
            commands.append(await ask_for(asked, charger, keys))
        except Problem:
            if not commands:
                raise
            reading.stop()
        else:
            await _follow(asked, commands[-1], reading)
    return commands


async def ask_for(asked: Asked, charger: str, keys: Sequence[str]) -> int:
    """Ask a charger for some keys, for all if none are given; return the command. Raises Problem."""
    payload = {"key": list(keys)} if keys else {}
    return await submit(asked, Order(charger, READ, payload, payload))


async def _follow(asked: Asked, command: int, reading: Reading) -> None:
    """Wait for a command and note what came of it."""
    result = await asked.api.chargers.wait(command)
    if result.state == "timed out":
        reading.miss()
    elif result.state in ("accepted", "rejected", "error"):
        reading.take(result.answer)
    else:
        reading.stop()


def _of_one(name: str, handle: Handler, query: type[msgspec.Struct], answer: type, summary: str) -> Endpoint:
    return Endpoint(
        method="GET",
        path=f"{CHARGER}/configuration/{name}",
        role=Role.VIEWER,
        tag=TAG,
        summary=summary,
        handle=handle,
        query=query,
        answer=page_of(answer),
        problems=("not_found", "invalid"),
    )


ENDPOINTS: Final = (
    *both("configuration", list_configuration, ConfigurationQuery, Entry, "the configuration"),
    *both("configuration/readings", list_readings, PagedWhose, ConfigurationReading, "the readings, newest first,"),
    _of_one("changes", list_changes, ChangesQuery, Change, "List what changed between two readings."),
    _of_one("history", list_history, HistoryQuery, Entry, "List the values of one key, newest first."),
    _of_one("differences", list_differences, DifferencesQuery, Difference, "Compare with another charger."),
    Endpoint(
        method="POST",
        path=f"{CHARGER}/configuration/read",
        role=Role.OPERATOR,
        tag=TAG,
        summary="Read the whole configuration, in parts if the charger does not tell it at once.",
        handle=read_all,
        query=WaitQuery,
        answer=shown_as(ConfigurationReading),
        problems=("not_found", "not_connected", "not_registered", "queue_full", "too_many_waiting"),
    ),
)
