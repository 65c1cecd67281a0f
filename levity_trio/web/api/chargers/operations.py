"""Operations of chargers: one route for each declaration of levity_trio.operations, any raw call,
and the older route.

An operation that was sent answers 200 with its command, whatever the charger said: a refusal, an
error and silence are states of it. With `errors=http` (the default on the routes that other systems
had before) they become 502 and 504.

Files: what chargers sent, and the firmware that they fetch.

Diagnostics and logs may hold secrets of a charger, so only operators, who can ask for them, may
read them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar

import msgspec
import orjson
import trio
from msgspec import Meta
from starlette.responses import Response

from levity_trio.access.places import Reason
from levity_trio.authority import AuthorityProblem, folder
from levity_trio.charger.commands import UnknownCharger
from levity_trio.config import certificates_folder
from levity_trio.operations import (
    OPERATIONS,
    FieldProblem,
    Operation,
    OperationRole,
    check,
    find,
    spelt,
)
from levity_trio.operations.judges import FIRMWARE_AT, wanted_at
from levity_trio.operations.operation import (
    Allotted,
    Payload,
    filled,
    left_out,
    only_transaction,
    role_for,
    transactions_in_the_way,
)
from levity_trio.records import record, whole_text
from levity_trio.store.beside.file_folder import DiskRefuses, Written
from levity_trio.store.engine.database import Database
from levity_trio.store.engine.faults import StoreUnavailable
from levity_trio.store.reads.chargers import chargers
from levity_trio.store.reads.chargers import configuration as stored
from levity_trio.store.reads.chargers.chargers import Command, of_model
from levity_trio.store.reads.chargers.configuration import (
    StoredFile,
    firmware,
    next_number,
    situation,
)
from levity_trio.store.reads.pages import ListPage
from levity_trio.store.writes.chargers import files as writes
from levity_trio.store.writes.chargers.commands import FINAL, KeyReused, Repeatable
from levity_trio.store.writes.chargers.files import NewFile, NewUrl
from levity_trio.told import Told, joined
from levity_trio.web.api.chargers.chargers import PagedWhose, both, whose
from levity_trio.web.api.engine.endpoints import (
    ABSENT,
    CREATED,
    IDENTITIES,
    ApiAnswer,
    ApiParts,
    ClientInput,
    Components,
    Endpoints,
    Fields,
    Request,
    Role,
    Schema,
    StreamedBody,
    StructBody,
    TypedRequest,
    Values,
    read_json,
)
from levity_trio.web.api.engine.kilowatt_hours import extended, show
from levity_trio.web.api.engine.lists import OfCharger, Paged, page, wanted
from levity_trio.web.api.engine.problems import (
    Json,
    Problem,
    busy,
    conflict,
    invalid,
    not_found,
    not_storable,
    of_upload,
)
from levity_trio.web.drivers_address import is_local
from levity_trio.web.files.shelf import MEDIA_TYPE, NoPlace, SecretUrl, file_name, file_response
from levity_trio.wire.errors import CallQueueFull, ChargerGone, NotConnected, NotRegistered
from levity_trio.wire.proxy_header import peer_of
from levity_trio.wire.texts import digest
from levity_trio.wire.times import stamp

ENDPOINTS: Final = Endpoints("operations")

OLDER: Final = ("remote-start", "remote-stop", "change-availability")
"""The routes of the CSMS that this server replaces; its clients expect an error as an HTTP
status."""
T = TypeVar("T")
S = TypeVar("S", bound=ClientInput)
LONGEST_KEY: Final = 200
RESPOND_ASYNC: Final = "respond-async"
Timeout = Annotated[float, Meta(gt=0, le=3600, description="Seconds to wait for the response.")]
Deadline = Annotated[
    float, Meta(gt=0, le=7 * 24 * 3600, description="Seconds to wait for an absent charger.")
]


PROBLEMS: Final = (
    *("not_found", "not_connected", "not_registered", "queue_full", "too_many_waiting"),
    *("charger_error", "no_answer"),
)


class WaitQuery(ClientInput):
    """How long a charger is waited for."""

    timeout: Timeout | None = None
    deadline: Deadline | None = None


class OperationQuery(WaitQuery):
    """How an operation is sent.

    + force: Send it although a session is open (admin).
    + errors: http: 502 and 504 for errors.
    """

    force: bool = False
    errors: Literal["http", "state"] | None = None


Sender = TypedRequest[WaitQuery, object]
"""A request that sends operations."""


Operator = TypedRequest[OperationQuery, object]
"""A request that sends an operation."""


class RawCall(ClientInput):
    """Any CALL; the payload is sent as it is.

    - payload: The fields of the message, as OCPP names them.
    """

    action: Annotated[str, Meta(min_length=1, max_length=50)]
    payload: Values = {}  # noqa: RUF012 - msgspec copies it


@record(kw_only=False)
class OperationBody:
    """The body of an operation: the payload of its CALL."""

    operation: Operation
    media_type: str = "application/json"

    def read(self, raw: bytes) -> Payload:
        """Return the payload. Raises Problem."""
        return checked(self.operation, read_json(raw))

    def schema(self, components: Components) -> Schema:  # noqa: ARG002 - a Body
        """Return the schema of the payload."""
        return _payload_of(self.operation)


class ActionBody(StructBody[S]):
    """A body with an action and its payload, whose schema depends on the action.

    `has_others` is whether other actions than those of the declarations are sent, unchecked.
    """

    def __init__(
        self, kind: type[S], ways: Sequence[Fields] = ({},), *, has_others: bool = False
    ) -> None:
        super().__init__(kind, partial(_ways_of, ways, has_others))


def _ways_of(ways: Sequence[Fields], has_others: bool) -> list[Fields]:
    actions: list[Fields] = []
    for operation in OPERATIONS.values():
        action = {"const": operation.action}
        actions.append({"action": action, "payload": _payload_of(operation)})
    if has_others:
        actions.append(_OTHER)
    combined: list[Fields] = []
    for way in ways:
        combined += [{**action, **way} for action in actions]
    return combined


def _payload_of(operation: Operation) -> Schema:
    described = {"title": f"{operation.action}Payload", "description": operation.summary}
    return {**described, **operation.payload.json_schema()}


_OTHER: Final[Fields] = {
    "action": {"type": "string", "minLength": 1, "maxLength": 50, "not": {"enum": [*OPERATIONS]}},
    "payload": {"type": "object"},
}


def checked(operation: Operation, values: Json) -> Payload:
    """Return the payload that values make. Raises Problem."""
    try:
        return check(operation, values)
    except FieldProblem as problem:
        raise invalid(problem.field or "body", problem.words) from None


@record
class SentCommand(Command):
    """A command, and why the charger may not do what it was asked."""

    warnings: list[str]


@record(kw_only=False)
class PreparedOperation:
    """An operation for one charger, ready to be sent."""

    charger: str
    action: str
    payload: Payload
    body: Payload
    """The payload as asked for, without numbers that the server allots. It tells whether a request
    is repeated."""
    warnings: tuple[str, ...] = ()
    url: NewUrl | None = None


async def prepare(
    request: Sender, charger: str, operation: Operation, payload: Payload
) -> PreparedOperation:
    """Fill in what was left out, and look at what is in the way. Raises Problem."""
    check_role(request, role_for(operation, payload))
    api, body = request.api, payload
    is_connected = api.chargers.is_connected(charger)
    known = await request.read(situation, charger=charger, now=api.now(), is_connected=is_connected)
    # A charger may say by which protocols it transfers files.
    protocols = known.words("SupportedFileTransferProtocols")
    payload, url = await located(request, operation, payload, charger, protocols)
    for path, allotted in left_out(operation, payload):
        if allotted is Allotted.TRANSACTION:
            try:
                number = only_transaction(known)
            except FieldProblem as problem:
                raise conflict(str(problem), field=problem.field) from None
        else:
            number = await request.read(next_number, charger=charger, allotted=allotted)
        payload = filled(payload, path, number)

    in_the_way = transactions_in_the_way(operation, payload, known)
    if in_the_way:
        _check_force(request, operation, [transaction.id for transaction in in_the_way])
    warnings = [*operation.warn(payload, known)]
    refused_tag = _warning_of_tag(request, payload, charger)
    if refused_tag is not None:
        warnings.append(refused_tag)
    return PreparedOperation(charger, operation.action, payload, body, tuple(warnings), url)


def _warning_of_tag(request: Request, payload: Payload, charger: str) -> Told | None:
    """Return a warning if the tag of a start or a reservation is refused, here or at all; it is
    sent all the same."""
    id_tag = payload.get("idTag")
    if id_tag is None:
        return None
    tags, at = request.api.id_tags, request.api.stamp()
    verdict = tags.judge(id_tag, at)
    reason = verdict.reason
    if not reason:
        connector = payload.get("connectorId") or None
        reason = tags.refusal(tags.policy.key(id_tag), charger, connector, at)
    if reason is not None:
        return Told("the card {1} will be refused here: {2}", id_tag, _REASONS[Reason(reason)])
    if verdict.is_accepted:
        return None
    return Told(
        "the card {1} is {2} here, as the charger is told when it asks; add or unblock it first",
        *(id_tag, Told(verdict.status)),
    )


_REASONS: Final[Mapping[str, str]] = {
    Reason.SPACE: Told("the space is for another household only"),
    Reason.CHARGERS: Told("the card, or its household, may charge at other chargers only"),
    Reason.SPENT: Told("its household has nothing left of what it paid in advance"),
    Reason.MONTH: Told("the card, or its household, has used what it may in this month"),
}
"""Why a card that may charge may not do so here or now."""


def check_role(request: Request, role: OperationRole) -> None:
    """Raise Problem if the caller may not send this."""
    if role is OperationRole.ADMIN and request.caller.role < Role.ADMIN:
        words = Told("this operation needs a token with the role admin")
        raise Problem(HTTPStatus.FORBIDDEN, "forbidden", words)


def _check_force(request: Sender, operation: Operation, transactions: list[int]) -> None:
    query = request.query
    if not (isinstance(query, OperationQuery) and query.force):
        ids = ", ".join(map(str, transactions))
        words = Told(
            "{1} would interrupt session {2}; stop it first, or send it with force",
            *(operation.action, ids),
        )
        raise Problem(HTTPStatus.CONFLICT, "needs_force", words, transactions=transactions)
    check_role(request, OperationRole.ADMIN)


def _repeatable(request: Request, order: PreparedOperation) -> Repeatable | None:
    """Return the key that the client gave to its request, and what it asks for. Raises Problem."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 0 < len(key) <= LONGEST_KEY:
        raise invalid("Idempotency-Key", Told("give 1 to {1} characters", LONGEST_KEY))
    content = orjson.dumps([order.action, order.body]).decode()
    return Repeatable(key, digest(content))


async def repeated(
    request: Request, charger: str, operation: Operation, payload: Payload
) -> int | None:
    """Return the command of an earlier request with the same key, for those who look at more than
    `order` does before they send. Raises Problem."""
    order = PreparedOperation(charger, operation.action, payload, payload)
    repeatable = _repeatable(request, order)
    if repeatable is None:
        return None
    try:
        return await request.api.chargers.repeated(charger, request.caller.name, repeatable)
    except KeyReused:
        raise _reused() from None


def _reused() -> Problem:
    return invalid("Idempotency-Key", Told("it was used for another command; choose a new one"))


async def submit(
    request: Sender, order: PreparedOperation, repeatable: Repeatable | None = None
) -> int:
    """Submit one of the operations of a request and return the id of its command. Raises
    Problem."""
    try:
        return await request.api.chargers.submit(
            order.charger,
            order.action,
            order.payload,
            asked_by=request.caller.name,
            timeout_seconds=request.query.timeout,
            deadline_seconds=request.query.deadline,
            repeatable=repeatable,
            url=order.url,
        )
    except StoreUnavailable:
        raise not_storable() from None
    except UnknownCharger:
        raise not_found(Told("charger {1}", order.charger)) from None
    except NotConnected as error:
        words = Told("{1}; nothing was sent. Give a deadline to let it wait", str(error))
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
        words = Told("{1}: {2}; nothing was sent", order.charger, str(error))
        raise Problem(HTTPStatus.CONFLICT, "not_connected", words) from None


class Sending(NamedTuple):
    """A command that was stored, and what to say about it."""

    command: int
    warnings: tuple[str, ...]


async def order(request: Sender, charger: str, operation: Operation, payload: Payload) -> Sending:
    """Prepare an operation and submit it. Numbers are allotted one after the other, so that none is
    given twice."""
    turn = request.api.allotting if left_out(operation, payload) else nullcontext()
    async with turn:
        prepared = await prepare(request, charger, operation, payload)
        return await _sent(request, prepared)


async def _sent(request: Sender, prepared: PreparedOperation) -> Sending:
    command = await submit(request, prepared, _repeatable(request, prepared))
    return Sending(command, prepared.warnings)


async def respond(request: Operator, sending: Sending, *, errors: str) -> ApiAnswer[SentCommand]:
    """Wait for the end of a command, unless the client does not, and return it."""
    number, warnings = sending
    if not is_waiting(request):
        command = await show_command(request, number, warnings)
        return accepted(command, f"/api/admin/commands/{number}")
    async with request.api.places.wait():
        result = await request.api.chargers.wait(number)
    command = await show_command(request, number, warnings, result.stored)
    is_answered = command.state in ("accepted", "rejected")
    if is_answered or (request.query.errors or errors) != "http":
        return ApiAnswer(command)

    if command.state == "error":
        error = f"{command.error_code} {command.error_description or ''}".strip()
        words = Told("the charger answered with an error: {1}", error)
        raise Problem(HTTPStatus.BAD_GATEWAY, "charger_error", words, command=show(command))
    words = Told("command {1}: the charger gave no answer: {2}", command.id, Told(command.state))
    raise Problem(HTTPStatus.GATEWAY_TIMEOUT, "no_answer", words, command=show(command))


def is_waiting(request: Request) -> bool:
    """Whether the client waits for the charger."""
    return RESPOND_ASYNC not in request.headers.get("prefer", "").casefold()


def accepted(command: T, location: str) -> ApiAnswer[T]:
    """Return the answer to a client that does not wait: the command so far, and where to look for
    it later."""
    headers = {"location": location, "preference-applied": RESPOND_ASYNC}
    return ApiAnswer(command, HTTPStatus.ACCEPTED, headers)


async def show_command(
    request: Request,
    command: int,
    warnings: tuple[str, ...] = (),
    stored_one: Command | None = None,
) -> SentCommand:
    """Return a command as the API shows it; it is read, unless its row is given."""
    row = stored_one or await request.read(chargers.command, number=command)
    # It was committed, so a reader sees it.
    if row is None:
        words = Told("command {1} cannot be read; look for it in a moment", command)
        raise busy("not_readable", words, 1)
    return extended(SentCommand, row, warnings=list(warnings))


def _declare(operation: Operation) -> None:
    role = Role.OPERATOR if operation.role is OperationRole.OPERATOR else Role.ADMIN
    needs_force = ("needs_force",) if operation.needs_force_under_transaction else ()
    errors = "http" if operation.path in OLDER else "state"

    @ENDPOINTS.post(
        f"/api/admin/chargers/{{id}}/{operation.path}",
        *(role, *PROBLEMS, "conflict", *needs_force),
        summary=f"{operation.action}: {operation.summary}",
        body=OperationBody(operation),
    )
    async def operate(request: TypedRequest[OperationQuery, Payload]) -> ApiAnswer[SentCommand]:
        sending = await order(request, request.path["id"], operation, request.body)
        return await respond(request, sending, errors=errors)


for _operation in OPERATIONS.values():
    _declare(_operation)


@ENDPOINTS.post("/api/admin/chargers/{id}/raw", Role.ADMIN, *PROBLEMS)
async def _raw(request: TypedRequest[OperationQuery, RawCall]) -> ApiAnswer[SentCommand]:
    """Send any CALL; its payload is not checked"""
    return await respond(request, await _send_raw(request), errors="state")


async def _send_raw(request: TypedRequest[OperationQuery, RawCall]) -> Sending:
    action, payload = spelt(request.body.action), request.body.payload
    return await _sent(request, PreparedOperation(request.path["id"], action, payload, payload))


@ENDPOINTS.post(
    "/api/charge-points/{id}/request",
    *(Role.OPERATOR, *PROBLEMS, "conflict", "needs_force"),
    group="older",
    body=ActionBody(RawCall, has_others=True),
)
async def _older(request: TypedRequest[OperationQuery, RawCall]) -> ApiAnswer[SentCommand]:
    """Send any operation by its action and payload

    The CSMS took any command here. An operation is checked, and others need an admin.
    """
    body = request.body
    operation = OPERATIONS.get(spelt(body.action))
    if operation is None:
        check_role(request, OperationRole.ADMIN)
        sending = await _send_raw(request)
    else:
        payload = checked(operation, body.payload)
        sending = await order(request, request.path["id"], operation, payload)
    return await respond(request, sending, errors="http")


@ENDPOINTS.delete(
    "/api/admin/commands/{id}", Role.OPERATOR, "not_found", "wrong_state", group="commands"
)
async def _cancel(request: Request) -> SentCommand:
    """Cancel a command that is still queued"""
    number = request.number()
    if await request.api.chargers.cancel(number):
        return await show_command(request, number)
    state = (await get_command(request)).state
    words = Told("command {1} is {2}; only a queued one can be cancelled", number, Told(state))
    is_final = state in FINAL
    raise Problem(HTTPStatus.CONFLICT, "wrong_state", words, state=state, is_final=is_final)


# Many chargers


Count = Annotated[int, Meta(ge=1, le=100)]


class BulkBody(ClientInput):
    """An operation for the chargers in a list, of a model, or all that are known: exactly one of
    them is given.

    - payload: The fields of the message, as OCPP names them.
    - chargers: These chargers, by their identities.
    - model (--model MODEL): All chargers of a model.
    - all (--all): All known chargers.
    + at_once: How many chargers are asked at the same time.
    """

    action: Annotated[str, Meta(min_length=1, max_length=50)]
    payload: Values = {}  # noqa: RUF012 - msgspec copies it
    chargers: Annotated[list[str], Meta(min_length=1, max_length=10_000)] | None = None
    model: str | None = None
    all: bool = False
    at_once: Count = 5


WAYS: Final[Sequence[Fields]] = (
    {"chargers": IDENTITIES, "model": ABSENT, "all": {"const": False}},
    {"chargers": ABSENT, "model": {"type": "string"}, "all": {"const": False}},
    {"chargers": ABSENT, "model": ABSENT, "all": {"const": True}},
)
"""Exactly one of them says for which chargers."""


class BulkResult(msgspec.Struct):
    """What one charger said: its command, or the problem because of which nothing was sent."""

    charger: str
    command: Any = None
    problem: Any = None


class BulkReport(msgspec.Struct):
    """The results in the order of the chargers, and how many there are of each state or code of a
    problem."""

    action: str
    counts: dict[str, int]
    results: list[BulkResult]


@ENDPOINTS.post(
    "/api/admin/bulk", Role.OPERATOR, "too_many_waiting", body=ActionBody(BulkBody, WAYS)
)
async def _send_to_many(request: TypedRequest[OperationQuery, BulkBody]) -> BulkReport:
    """Send one operation to many chargers; the answer reports what each of them said"""
    body = request.body
    try:
        operation = find(body.action)
    except FieldProblem as problem:
        raise invalid("action", problem.words) from None
    payload = checked(operation, body.payload)

    ways = (body.chargers is not None, body.model is not None, body.all)
    if ways.count(True) != 1:
        raise invalid("chargers", Told("choose one: some chargers, a model or all"))
    if body.chargers is not None:
        chargers = list(dict.fromkeys(body.chargers))
    elif body.model is not None:
        chargers = await request.read(of_model, model=body.model)
    else:
        chargers = sorted(request.api.chargers.known())

    ask = partial(_ask_charger, request, operation, payload)
    results = await of_each(request, chargers, body.at_once, ask)
    counts: Counter[str] = Counter()
    for result in results:
        was_sent = result.problem is None
        counts[result.command["state"] if was_sent else result.problem["code"]] += 1
    return BulkReport(action=operation.action, counts=dict(counts), results=results)


async def of_each(
    request: Request, chargers: Sequence[str], at_once: int, ask: Callable[[str], Awaitable[T]]
) -> list[T]:
    """Ask some chargers at a time; return the results in the order of the chargers. Raises
    Problem."""
    results: dict[str, T] = {}
    turns = trio.Semaphore(at_once)

    async def ask_one(charger: str) -> None:
        try:
            results[charger] = await ask(charger)
        finally:
            turns.release()

    async with request.api.places.wait(), trio.open_nursery() as tasks:
        for charger in chargers:
            await turns.acquire()
            tasks.start_soon(ask_one, charger)
    return [results[charger] for charger in chargers]


async def _ask_charger(
    request: Sender, operation: Operation, payload: Payload, charger: str
) -> BulkResult:
    try:
        number, warnings = await order(request, charger, operation, payload)
        await request.api.chargers.wait(number)
        command = await show_command(request, number, warnings)
    except Problem as problem:
        refusal = {"code": problem.code, "detail": problem.detail, "status": problem.status}
        return BulkResult(charger=charger, problem=refusal)
    return BulkResult(charger=charger, command=show(command))


# Commands: what was asked of chargers, what they answered, and what came of it


@both(ENDPOINTS, "commands", "the commands, newest first,", Role.OPERATOR)
async def list_commands(request: TypedRequest[PagedWhose, None]) -> ListPage[Command]:
    charger = await whose(request)
    read = partial(chargers.commands, charger=charger, wanted=wanted(request.query))
    return await page(request, read)


@ENDPOINTS.get("/api/admin/commands/{id}", Role.OPERATOR, "not_found", group="commands")
async def get_command(request: Request) -> Command:
    """Show a command: its state, its answer, and its outcome so far."""
    number = request.number()
    read = partial(chargers.command, number=number)
    return await request.find(read, Told("command {1}", number))


# What is ours in operations: URLs where a charger sends its files or fetches firmware, and our root


async def located(
    request: Request,
    operation: Operation,
    payload: Payload,
    charger: str,
    protocols: frozenset[str],
) -> tuple[Payload, NewUrl | None]:
    """Put a URL of ours where a location was left out, or is the name of a firmware file; return
    both. Raises Problem.

    Any other location is passed on unchanged. A certificate that was left out is our root.
    `protocols` are those by which the charger says that it transfers files (none: unknown).
    """
    for path, allotted in left_out(operation, payload):
        if allotted is Allotted.UPLOAD:
            url = await _new_url(request, charger, protocols, path)
            return filled(payload, path, url.text), NewUrl(url.digest, None, None)
        if allotted is Allotted.ROOT:
            return filled(payload, path, await root_pem(request.api)), None
    if operation.action not in FIRMWARE_AT:
        return payload, None

    path = FIRMWARE_AT[operation.action]
    location: Any = payload
    for name in path:
        location = location[name]
    file = await request.read(firmware, title=str(location))
    if file is None:
        return payload, None
    url = await _new_url(request, charger, protocols, path)
    at = wanted_at(payload)
    url_row = NewUrl(url.digest, file.id, None if at is None else stamp(at))
    return filled(payload, path, url.of(file.title or file.name)), url_row


async def root_pem(api: ApiParts) -> str:
    """Return the root of our certificate authority, in PEM. Raises Problem."""
    path = certificates_folder(api.config.beside) / folder.ROOT
    try:
        return (await trio.to_thread.run_sync(folder.read, path)).decode()
    except AuthorityProblem as problem:
        raise conflict(str(problem), field="certificate") from None


async def _new_url(
    request: Request, charger: str, protocols: frozenset[str], path: tuple[str, ...]
) -> SecretUrl:
    url = request.api.shelf.new_url(protocols)
    if url is None:
        words = Told(
            "this server takes and gives no files; give the URL of another server, or start this "
            "one with --files-port"
        )
    elif is_local(url.text) and await request.read(_is_elsewhere, charger=charger):
        words = Told(
            "only programs on this machine reach {1}; say with --files-url where chargers reach "
            "this server",
            url.base,
        )
    else:
        return url
    field = ".".join(path)
    raise conflict(joined(": ", (field, words)), field=field)


_ADDRESS: Final = """
    SELECT remote_address
    FROM cp JOIN session ON session.id = cp.session_id
    WHERE cp.id = ?
"""


def _is_elsewhere(db: Database, charger: str) -> bool:
    """Whether a charger connected last from another machine."""
    row = db.execute(_ADDRESS, (charger,)).fetchone()
    peer = None if row is None else peer_of(row[0])
    return peer is not None and not peer.is_loopback


FILE_ENDPOINTS: Final = Endpoints("files", ENDPOINTS)
FILES: Final = "/api/admin/files"
FILE: Final = f"{FILES}/{{id}}"
FIRMWARE: Final = "firmware"
TITLE: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""No title is a URL, so a location cannot be taken for one."""
PLACE_SECONDS: Final = 30


class FilesQuery(Paged):
    charger: OfCharger = None


class NewFirmware(ClientInput):
    """The name by which the location of an update names the firmware.

    - title (--title NAME): How a location names it.
    """

    title: Annotated[
        str,
        whole_text(
            pattern=TITLE,
            words=Told("use A-Z, a-z, 0-9, . _ and -, first a letter or a digit"),
            max_length=100,
            examples=["grizzl-5.6.bin"],
        ),
    ]


@FILE_ENDPOINTS.get(FILES, Role.VIEWER)
async def list_files(request: TypedRequest[FilesQuery, None]) -> ListPage[StoredFile]:
    """List files, the newest first"""
    query = request.query
    return await page(request, stored.files, charger=query.charger, wanted=wanted(query))


@FILE_ENDPOINTS.post(
    FILES,
    Role.ADMIN,
    *("conflict", "not_stored", "too_large", "too_slow", "busy", "unfinished"),
    body=StreamedBody(),
    status=CREATED,
)
async def add_firmware(
    request: TypedRequest[NewFirmware, AsyncGenerator[bytes, None]],
) -> StoredFile:
    """Add firmware, which the location of UpdateFirmware may then name"""
    api, title = request.api, request.query.title
    if await request.read(stored.firmware, title=title) is not None:
        raise _taken(title)
    name = file_name(api.now(), FIRMWARE, title)

    async def store(written: Written) -> int:
        new = NewFile(
            kind=FIRMWARE,
            name=name,
            title=title,
            size_bytes=written.size_bytes,
            sha256=written.sha256,
            created_at=api.stamp(),
        )
        number = await api.writer.run(writes.add, new)
        # Somebody may have taken the name while the file arrived.
        if number is None:
            raise _taken(title)
        return number

    try:
        async with api.places.wait(), api.shelf.place():
            with of_upload():
                number = await api.shelf.folder.keep(name, request.body, store)
    except DiskRefuses as error:
        raise Problem(HTTPStatus.INSUFFICIENT_STORAGE, "not_stored", str(error)) from None
    except NoPlace as error:
        raise busy("busy", str(error), PLACE_SECONDS) from None
    return await _shown(request, number)


@FILE_ENDPOINTS.get(FILE, Role.VIEWER, "not_found")
async def get_file(request: Request) -> StoredFile:
    """Show a file, also one that was deleted"""
    return await _shown(request, request.number())


@FILE_ENDPOINTS.get(f"{FILE}/content", Role.OPERATOR, "not_found", media_type=MEDIA_TYPE)
async def get_content(request: Request) -> Response:
    """Download a file, or a range of it"""
    file = await _shown(request, request.number())
    response = None
    if file.deleted_at is None:
        response = await file_response(request.api.shelf, file.name, called=file.title or file.name)
    if response is None:
        words = Told("the content of file {1} is deleted", file.id)
        raise Problem(HTTPStatus.NOT_FOUND, "not_found", words)
    return response


async def _shown(request: Request, number: int) -> StoredFile:
    return await request.find(stored.file, Told("file {1}", number), number=number)


@FILE_ENDPOINTS.delete(FILE, Role.ADMIN, "not_found")
async def delete_file(request: Request) -> None:
    """Delete a file; its row stays"""
    number = request.number()
    name = await request.write(writes.delete, number)
    if name is None:
        raise not_found(Told("file {1}", number))
    await request.api.shelf.folder.remove([name])


def _taken(title: str) -> Problem:
    words = Told(
        "there is firmware of the name {1}; delete it first, or choose another name", title
    )
    return conflict(words)
