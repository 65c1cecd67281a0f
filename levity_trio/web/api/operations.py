"""Operations of chargers: one route for each declaration of levity_trio.operations, any raw call, and the older route.

An operation that was sent answers 200 with its command, whatever the charger said: a refusal, an error and silence are
states of it. With `errors=http` (the default on the routes that other systems had before) they become 502 and 504.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
import orjson

from levity_trio.charger.facade import UnknownCharger
from levity_trio.operations import OPERATIONS, FieldProblem, Operation, Situation, check, spelt
from levity_trio.operations import Role as OperationRole
from levity_trio.operations.fields import Allotted
from levity_trio.operations.operation import filled, left_out, role_for, transactions_in_the_way
from levity_trio.operations.situation import only_transaction
from levity_trio.store.faults import StoreUnavailable
from levity_trio.store.reads import commands as stored
from levity_trio.store.reads.commands import Command
from levity_trio.store.reads.situation import next_number, situation
from levity_trio.store.writes.commands import FINAL, KeyReused, Repeatable
from levity_trio.store.writes.files import NewUrl
from levity_trio.web.api.endpoints import Answer, Asked, Endpoint, Fields, Role, StructBody, read_json
from levity_trio.web.api.locations import Receiver, located
from levity_trio.web.api.problems import Problem, busy, invalid, not_found, not_storable
from levity_trio.web.api.shown import show, shown_as
from levity_trio.wire.errors import CallQueueFull, ChargerGone, NotConnected, NotRegistered
from levity_trio.wire.texts import digest

OLDER: Final = ("remote-start", "remote-stop", "change-availability")
"""The routes of the CSMS that this server replaces; its clients expect an error as an HTTP status."""
LONGEST_KEY: Final = 200
RESPOND_ASYNC: Final = "respond-async"
Timeout = Annotated[float, msgspec.Meta(gt=0, le=3600, description="Seconds to wait for the response.")]
Deadline = Annotated[float, msgspec.Meta(gt=0, le=7 * 24 * 3600, description="Seconds to wait for an absent charger.")]


class WaitQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How long a charger is waited for."""

    timeout: Timeout | None = None
    deadline: Deadline | None = None


class OperationQuery(WaitQuery, kw_only=True):
    """How an operation is sent."""

    force: Annotated[bool, msgspec.Meta(description="Send it although a transaction is open (admin).")] = False
    errors: Annotated[Literal["http", "state"], msgspec.Meta(description="http: 502 and 504 for errors.")] | None = None


class RawCall(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Any CALL; the payload is sent as it is."""

    action: Annotated[str, msgspec.Meta(min_length=1, max_length=50)]
    payload: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class OperationBody:
    """The body of an operation: the payload of its CALL."""

    operation: Operation
    media_type: str = "application/json"

    def read(self, raw: bytes) -> dict[str, Any]:
        """Return the payload. Raises Problem."""
        return checked(self.operation, read_json(raw))

    def schema(self, components: Callable[[type], Mapping[str, Any]]) -> Mapping[str, Any]:  # noqa: ARG002 - a Body
        """Return the schema of the payload."""
        return _payload_of(self.operation)


class ActionBody(StructBody):
    """A body with an action and its payload, whose schema depends on the action.

    `has_others` is whether other actions than those of the declarations are sent, unchecked.
    """

    def __init__(self, kind: type[msgspec.Struct], ways: Sequence[Fields] = ({},), *, has_others: bool = False) -> None:
        super().__init__(kind, partial(_ways_of, ways, has_others))


def _ways_of(ways: Sequence[Fields], has_others: bool) -> list[Fields]:
    actions = [*map(_fields_of, OPERATIONS.values()), *([_OTHER] if has_others else ())]
    return [{**action, **way} for way in ways for action in actions]


def _fields_of(operation: Operation) -> Fields:
    return {"action": {"const": operation.action}, "payload": _payload_of(operation)}


def _payload_of(operation: Operation) -> dict[str, Any]:
    return {"title": f"{operation.action}Payload", **operation.payload.json_schema()}


_OTHER: Final[Fields] = {
    "action": {"type": "string", "minLength": 1, "maxLength": 50, "not": {"enum": [*OPERATIONS]}},
    "payload": {"type": "object"},
}


def checked(operation: Operation, values: object) -> dict[str, Any]:
    """Return the payload that values make. Raises Problem."""
    try:
        return check(operation, values)
    except FieldProblem as problem:
        raise invalid(problem.field or "body", problem.words) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class SentCommand(Command):
    """A command, and why the charger may not do what it was asked."""

    warnings: list[str]


@dataclass(frozen=True, slots=True)
class Order:
    """An operation for one charger, ready to be sent."""

    charger: str
    action: str
    payload: Mapping[str, Any]
    body: Any
    """As it was asked for, without the numbers that the server allots; it tells whether a request is repeated."""
    warnings: tuple[str, ...] = ()
    url: NewUrl | None = None


async def prepare(asked: Asked, charger: str, operation: Operation, payload: dict[str, Any]) -> Order:
    """Fill in what was left out, and look at what is in the way. Raises Problem."""
    check_role(asked, role_for(operation, payload))
    api, body = asked.api, payload
    is_connected = api.chargers.is_connected(charger)
    known = await api.reader.run(partial(situation, charger=charger, now=api.now(), is_connected=is_connected))
    to = Receiver(charger, known.words("SupportedFileTransferProtocols"))
    payload, url = await located(asked, operation, payload, to)
    for path, allotted in left_out(operation, payload):
        number = await _number(asked, charger, allotted, known)
        payload = filled(payload, path, number)
    if in_the_way := transactions_in_the_way(operation, payload, known):
        _check_force(asked, operation, [one.id for one in in_the_way])
    return Order(
        charger, operation.action, payload, body, (*operation.warn(payload, known), *_of_tag(asked, payload)), url
    )


def _of_tag(asked: Asked, payload: Mapping[str, Any]) -> Sequence[str]:
    """Return a warning if the tag of a start or a reservation is refused; it is sent all the same."""
    id_tag = payload.get("idTag")
    verdict = None if id_tag is None else asked.api.id_tags.judge(id_tag, asked.api.stamp())
    if verdict is None or verdict.is_accepted:
        return ()
    return (f"the tag {id_tag} is {verdict.status} here, as the charger is told when it asks; add or unblock it first",)


async def _number(asked: Asked, charger: str, allotted: Allotted, known: Situation) -> int:
    if allotted is Allotted.TRANSACTION:
        try:
            return only_transaction(known)
        except FieldProblem as problem:
            raise Problem(HTTPStatus.CONFLICT, "conflict", str(problem), field=problem.field) from None
    return await asked.api.reader.run(partial(next_number, charger=charger, allotted=allotted))


def check_role(asked: Asked, role: OperationRole) -> None:
    """Raise Problem if the caller may not send this."""
    if role is OperationRole.ADMIN and asked.caller.role < Role.ADMIN:
        raise Problem(HTTPStatus.FORBIDDEN, "forbidden", "this operation needs a token with the role admin")


def _check_force(asked: Asked, operation: Operation, transactions: list[int]) -> None:
    if not asked.query.force:
        ids = ", ".join(map(str, transactions))
        words = f"{operation.action} would interrupt transaction {ids}; stop it first, or send it with force"
        raise Problem(HTTPStatus.CONFLICT, "needs_force", words, transactions=transactions)
    check_role(asked, OperationRole.ADMIN)


async def send(asked: Asked, order: Order) -> int:
    """Submit an operation and return the id of its command, the same for a repeated request. Raises Problem."""
    return await submit(asked, order, _repeatable(asked, order))


def _repeatable(asked: Asked, order: Order) -> Repeatable | None:
    """Return the key that the client gave to its request, and what it asks for. Raises Problem."""
    key = asked.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= LONGEST_KEY:
        raise invalid("Idempotency-Key", f"give 1 to {LONGEST_KEY} characters")
    return None if key is None else Repeatable(key, _digest(order))


async def repeated(asked: Asked, charger: str, operation: Operation, payload: dict[str, Any]) -> int | None:
    """Return the command of an earlier request with the same key, for those who look at more than `order` does before
    they send. Raises Problem."""
    repeatable = _repeatable(asked, Order(charger, operation.action, payload, payload))
    if repeatable is None:
        return None
    try:
        return await asked.api.chargers.repeated(charger, asked.caller.name, repeatable)
    except KeyReused:
        raise _reused() from None


def _reused() -> Problem:
    return invalid("Idempotency-Key", "it was used for another command; choose a new one")


async def submit(asked: Asked, order: Order, repeatable: Repeatable | None = None) -> int:
    """Submit one of the operations of a request and return the id of its command. Raises Problem."""
    query: WaitQuery = asked.query
    try:
        return await asked.api.chargers.submit(
            order.charger,
            order.action,
            order.payload,
            asked_by=asked.caller.name,
            timeout_seconds=query.timeout,
            deadline_seconds=query.deadline,
            repeatable=repeatable,
            url=order.url,
        )
    except StoreUnavailable:
        raise not_storable() from None
    except UnknownCharger:
        raise not_found(f"charger {order.charger}") from None
    except NotConnected as error:
        words = f"{error}; nothing was sent. Give a deadline to let it wait"
        raise Problem(HTTPStatus.CONFLICT, "not_connected", words) from None
    except NotRegistered as error:
        raise Problem(HTTPStatus.CONFLICT, "not_registered", str(error)) from None
    except KeyReused:
        raise _reused() from None
    except CallQueueFull as error:
        problem = Problem(HTTPStatus.TOO_MANY_REQUESTS, "queue_full", str(error))
        problem.headers["retry-after"] = "5"
        raise problem from None
    except ChargerGone as error:
        raise Problem(HTTPStatus.CONFLICT, "not_connected", f"{order.charger}: {error}; nothing was sent") from None


def _digest(order: Order) -> str:
    return digest(orjson.dumps([order.action, order.body]).decode())


class Sending(NamedTuple):
    """A command that was stored, and what to say about it."""

    command: int
    warnings: tuple[str, ...]


async def order(asked: Asked, charger: str, operation: Operation, payload: dict[str, Any]) -> Sending:
    """Prepare an operation and submit it. Numbers are allotted one after the other, so that none is given twice."""
    async with asked.api.allotting if left_out(operation, payload) else nullcontext():
        prepared = await prepare(asked, charger, operation, payload)
        return Sending(await send(asked, prepared), prepared.warnings)


async def respond(asked: Asked, sending: Sending, *, errors: str) -> Answer:
    """Wait for the end of a command, unless the client does not, and return it."""
    command, warnings = sending
    if not is_waiting(asked):
        return accepted(await show_command(asked, command, warnings), f"/api/admin/commands/{command}")
    async with asked.api.places.wait():
        result = await asked.api.chargers.wait(command)
    shown = await show_command(asked, command, warnings, result.stored)
    _check_state(shown, asked.query.errors or errors)
    return Answer(shown)


def is_waiting(asked: Asked) -> bool:
    """Whether the client waits for the charger."""
    return RESPOND_ASYNC not in asked.headers.get("prefer", "").casefold()


def accepted(shown: Any, location: str) -> Answer:
    """Return the answer to a client that does not wait: the command so far, and where to look for it later."""
    return Answer(shown, HTTPStatus.ACCEPTED, {"location": location, "preference-applied": RESPOND_ASYNC})


async def show_command(
    asked: Asked, command: int, warnings: tuple[str, ...] = (), stored_one: Command | None = None
) -> dict[str, Any]:
    """Return a command as the API shows it; it is read, unless its row is given."""
    found = stored_one or await asked.api.reader.run(partial(stored.command, number=command))
    if found is None:  # it was committed, so a reader sees it
        raise busy("not_readable", f"command {command} cannot be read; look for it in a moment", 1)
    return {**show(found), "warnings": list(warnings)}


def _check_state(shown: Mapping[str, Any], errors: str) -> None:
    if errors != "http" or shown["state"] in ("accepted", "rejected"):
        return
    if shown["state"] == "error":
        words = f"the charger answered with an error: {shown['error_code']} {shown['error_description'] or ''}".strip()
        raise Problem(HTTPStatus.BAD_GATEWAY, "charger_error", words, command=shown)
    words = f"command {shown['id']}: the charger gave no answer: {shown['state']}"
    raise Problem(HTTPStatus.GATEWAY_TIMEOUT, "no_answer", words, command=shown)


async def _operate(operation: Operation, asked: Asked) -> Answer:
    sending = await order(asked, asked.path["id"], operation, asked.body)
    return await respond(asked, sending, errors="http" if operation.path in OLDER else "state")


async def _raw(asked: Asked) -> Answer:
    return await respond(asked, await _send_raw(asked), errors="state")


async def _send_raw(asked: Asked) -> Sending:
    body: RawCall = asked.body
    return Sending(await send(asked, Order(asked.path["id"], spelt(body.action), body.payload, body.payload)), ())


async def _older(asked: Asked) -> Answer:
    """Any command, as the CSMS took it: an operation is checked, and others need an admin."""
    body: RawCall = asked.body
    operation = OPERATIONS.get(spelt(body.action))
    if operation is None:
        check_role(asked, OperationRole.ADMIN)
        return await respond(asked, await _send_raw(asked), errors="http")
    sending = await order(asked, asked.path["id"], operation, checked(operation, body.payload))
    return await respond(asked, sending, errors="http")


async def _cancel(asked: Asked) -> Any:
    command = asked.number()
    if await asked.api.chargers.cancel(command):
        return await show_command(asked, command)
    found = await asked.api.reader.run(partial(stored.command, number=command))
    if found is None:
        raise not_found(f"command {command}")
    words = f"command {command} is {found.state}; only a queued one can be cancelled"
    raise Problem(HTTPStatus.CONFLICT, "wrong_state", words, state=found.state, is_final=found.state in FINAL)


PROBLEMS: Final = (
    *("not_found", "not_connected", "not_registered", "queue_full", "too_many_waiting", "charger_error", "no_answer"),
)


def _endpoint(operation: Operation) -> Endpoint:
    return Endpoint(
        method="POST",
        path=f"/api/admin/chargers/{{id}}/{operation.path}",
        role=Role.OPERATOR if operation.role is OperationRole.OPERATOR else Role.ADMIN,
        tag="operations",
        summary=f"{operation.action}: {operation.summary}",
        handle=partial(_operate, operation),
        query=OperationQuery,
        body=OperationBody(operation),
        answer=shown_as(SentCommand),
        problems=(*PROBLEMS, "conflict", *(("needs_force",) if operation.needs_force_under_transaction else ())),
    )


ENDPOINTS: Final = (
    *(_endpoint(operation) for operation in OPERATIONS.values()),
    Endpoint(
        method="POST",
        path="/api/admin/chargers/{id}/raw",
        role=Role.ADMIN,
        tag="operations",
        summary="Send any CALL; its payload is not checked",
        handle=_raw,
        query=OperationQuery,
        body=StructBody(RawCall),
        answer=shown_as(SentCommand),
        problems=PROBLEMS,
    ),
    Endpoint(
        method="POST",
        path="/api/charge-points/{id}/request",
        role=Role.OPERATOR,
        tag="older",
        summary="Send any operation by its action and payload",
        handle=_older,
        query=OperationQuery,
        body=ActionBody(RawCall, has_others=True),
        answer=shown_as(SentCommand),
        problems=(*PROBLEMS, "conflict", "needs_force"),
    ),
    Endpoint(
        method="DELETE",
        path="/api/admin/commands/{id}",
        role=Role.OPERATOR,
        tag="commands",
        summary="Cancel a command that is still queued",
        handle=_cancel,
        answer=shown_as(SentCommand),
        problems=("not_found", "wrong_state"),
    ),
)
