"""Changes of keys of the configuration of a charger, one after the other, and what it says of them afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from levity_trio.operations import OPERATIONS
from levity_trio.operations.answers import status_of
from levity_trio.operations.configuration import unknown_in, values_in
from levity_trio.operations.reading import USUAL_PART
from levity_trio.store.reads import configuration
from levity_trio.web.api.configuration import ask_for
from levity_trio.web.api.endpoints import Asked
from levity_trio.web.api.operations import prepare, submit
from levity_trio.web.api.problems import Problem

CHANGE: Final = OPERATIONS["ChangeConfiguration"]
WORDS: Final = {"RebootRequired": "reboot required", "NotSupported": "not supported"}
"""The statuses of ChangeConfiguration that say more than the state of its command (§5.3)."""
CHANGED: Final = ("accepted", "reboot required")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyResult:
    """What came of one key: the charger's answer, or why nothing was sent. `has` is its value afterwards, as read."""

    key: str
    result: str
    wanted: str
    had: str | None
    has: str | None = None
    command: int | None = None
    detail: str | None = None


async def change_key(asked: Asked, charger: str, key: KeyResult) -> KeyResult:
    """Send one key and return what came of it."""
    try:
        order = await prepare(asked, charger, CHANGE, {"key": key.key, "value": key.wanted})
        command = await submit(asked, order)
    except Problem as problem:
        return replace(key, result=problem.code.replace("_", " "), detail=problem.detail)
    done = await asked.api.chargers.wait(command)
    words = WORDS.get(status_of(done.answer) or "", done.state)
    return replace(key, result=words, command=command, detail=done.error_description)


async def read_back(asked: Asked, charger: str, results: Sequence[KeyResult]) -> list[KeyResult]:
    """Ask for the keys that the charger accepted; return the results with the values that it then tells."""
    changed = [one.key for one in results if one.command is not None and one.result in CHANGED]
    if not changed:
        return list(results)
    with suppress(Problem):  # it has left; what it has stays as last read
        await read_keys(asked, charger, changed)
    now = await asked.api.reader.run(partial(configuration.has, charger=charger))
    return [replace(one, has=now[one.key.casefold()].value) if one.key.casefold() in now else one for one in results]


async def read_keys(asked: Asked, charger: str, keys: Sequence[str]) -> None:
    """Ask for some keys, as many at a time as the charger answers for. Raises Problem."""
    before = await asked.api.reader.run(partial(configuration.before_reading, charger=charger))
    most, left = before.most or USUAL_PART, {key.casefold(): key for key in keys}
    while left:
        part = list(left.values())[:most]
        answer = (await asked.api.chargers.wait(await ask_for(asked, charger, part))).answer
        told = [*(value.key for value in values_in(answer)), *unknown_in(answer)]
        answered = left.keys() & {key.casefold() for key in told}
        for key in answered or {key.casefold() for key in part}:
            del left[key]
