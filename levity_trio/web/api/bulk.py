"""One operation for many chargers, some at once, with one report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Annotated, Any, Final, TypeVar

import msgspec
import trio

from levity_trio.operations import FieldProblem, Operation, find
from levity_trio.store.reads.chargers import of_model
from levity_trio.web.api.endpoints import ABSENT, IDENTITIES, Asked, Endpoint, Fields, Role
from levity_trio.web.api.operations import (
    ActionBody,
    OperationQuery,
    checked,
    order,
    show_command,
)
from levity_trio.web.api.problems import Problem, invalid

T = TypeVar("T")
Count = Annotated[int, msgspec.Meta(ge=1, le=100)]


class BulkBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An operation for the chargers in a list, of a model, or all that are known: exactly one of them is given."""

    action: Annotated[str, msgspec.Meta(min_length=1, max_length=50)]
    payload: dict[str, Any] = {}
    chargers: Annotated[list[str], msgspec.Meta(min_length=1, max_length=10_000)] | None = None
    model: str | None = None
    all: bool = False
    at_once: Annotated[Count, msgspec.Meta(description="How many chargers are asked at the same time.")] = 5


WAYS: Final[Sequence[Fields]] = (
    {"chargers": IDENTITIES, "model": ABSENT, "all": {"const": False}},
    {"chargers": ABSENT, "model": {"type": "string"}, "all": {"const": False}},
    {"chargers": ABSENT, "model": ABSENT, "all": {"const": True}},
)
"""Exactly one of them says for which chargers."""


class BulkResult(msgspec.Struct, kw_only=True):
    """What one charger said: its command, or the problem because of which nothing was sent."""

    charger: str
    command: Any = None
    problem: Any = None


class BulkReport(msgspec.Struct, kw_only=True):
    """The results in the order of the chargers, and how many there are of each state or code of a problem."""

    action: str
    counts: dict[str, int]
    results: list[BulkResult]


async def _run(asked: Asked) -> BulkReport:
    body: BulkBody = asked.body
    try:
        operation = find(body.action)
    except FieldProblem as problem:
        raise invalid("action", problem.words) from None
    payload = checked(operation, body.payload)
    chargers = await _chosen(asked, body)
    results = await of_each(asked, chargers, body.at_once, partial(_ask, asked, operation, payload))
    states = (result.command["state"] if result.problem is None else result.problem["code"] for result in results)
    return BulkReport(action=operation.action, counts=dict(Counter(states)), results=results)


async def of_each(asked: Asked, chargers: Sequence[str], at_once: int, ask: Callable[[str], Awaitable[T]]) -> list[T]:
    """Ask some chargers at a time; return the results in the order of the chargers. Raises Problem."""
    results: dict[str, T] = {}
    turns = trio.Semaphore(at_once)

    async def ask_one(charger: str) -> None:
        try:
            results[charger] = await ask(charger)
        finally:
            turns.release()

    async with asked.api.places.wait(), trio.open_nursery() as tasks:
        for charger in chargers:
            await turns.acquire()
            tasks.start_soon(ask_one, charger)
    return [results[charger] for charger in chargers]


async def _chosen(asked: Asked, body: BulkBody) -> list[str]:
    ways = [body.chargers is not None, body.model is not None, body.all]
    if sum(ways) != 1:
        raise invalid("chargers", "give exactly one of chargers, model and all")
    if body.chargers is not None:
        return list(dict.fromkeys(body.chargers))
    if body.model is not None:
        return await asked.api.reader.run(partial(of_model, model=body.model))
    return sorted(asked.api.chargers.known())


async def _ask(asked: Asked, operation: Operation, payload: dict[str, Any], charger: str) -> BulkResult:
    try:
        command, warnings = await order(asked, charger, operation, payload)
        await asked.api.chargers.wait(command)
        return BulkResult(charger=charger, command=await show_command(asked, command, warnings))
    except Problem as problem:
        told = {"code": problem.code, "detail": problem.detail, "status": problem.status}
        return BulkResult(charger=charger, problem=told)


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/api/admin/bulk",
        role=Role.OPERATOR,
        tag="operations",
        summary="Send one operation to many chargers; the answer reports what each of them said",
        handle=_run,
        query=OperationQuery,
        body=ActionBody(BulkBody, WAYS),
        answer=BulkReport,
        problems=("too_many_waiting",),
    ),
)
