"""Commands: a message on CHARGER/CONNECTOR/command/NAME becomes a request of the API, and is
answered on CHARGER/CONNECTOR/answer/NAME.

The request is one of the token of --mqtt-commands, so its role, what it may force, and its record
are those of the API. Nothing waits for a charger but a task of its own. What arrives faster than it
can be handed in is refused: an old command must not move a contactor.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

import orjson
import trio

from levity_trio.config import ServerConfig
from levity_trio.log.output import get_logger
from levity_trio.plugins.base import Site
from levity_trio.plugins.mqtt.broker import Link, Message
from levity_trio.plugins.mqtt.discovery import unescaped
from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.engine.faults import StoreUnavailable, Unreadable
from levity_trio.store.reads.chargers.configuration import situation
from levity_trio.store.reads.people.households import is_of_household
from levity_trio.store.reads.transactions.costs import policy_of
from levity_trio.wire.texts import cut
from levity_trio.wire.times import parse_time, stamp

SUBSCRIPTION: Final = "+/+/command/+"
"""Below the prefix."""
MOST_BYTES: Final = 4096
MOST_WAITING: Final = 32
FRESH: Final = timedelta(seconds=30)
"""How old a command may be, and how far in the future."""
HAND_IN_SECONDS: Final = 10.0
CHARGER_SECONDS: Final = 60.0
"""How long the answer waits for that of the charger."""
LOG_SECONDS: Final = 1.0
PRESSED: Final = "PRESS"
"""What a button of Home Assistant sends if nobody chose another payload: nothing."""
REASON: Final = "by MQTT"
BOOST_MINUTES: Final = 60
FIRST_PROBLEM: Final = 400
MANY_DIGITS: Final = 10
OPERATORS: Final = ("operator", "admin")

log = get_logger("system")


class Refused(Exception):
    """A command that is not handed in, or that the API refuses: why, and what to do."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


class Request(NamedTuple):
    """A request of the API."""

    method: str
    path: str
    body: Mapping[str, Any]
    query: Mapping[str, Any] = {}


@record
class Asked:
    """A command that arrived, and what its payload gives. `place` is its charger and connector in
    topics."""

    place: str
    name: str
    charger: str
    connector: int
    given: Mapping[str, Any]
    at: datetime

    def call(self, operation: str, **body: Any) -> Request:
        """Return the request of an operation of the charger."""
        path = f"/api/admin/chargers/{self.charger}/{operation}"
        return Request("POST", path, body, {"force": self.given.get("force")})

    @property
    def tag(self) -> Any:
        """The tag that is given."""
        return self.given.get("id_tag") or self.given.get("value")

    @property
    def of_load(self) -> Mapping[str, Any]:
        """What a request of load management says of any connector."""
        reason = self.given.get("reason", REASON)
        return {"charger": self.charger, "connector": self.connector, "reason": reason}


class Known(NamedTuple):
    """What is known where a command is for: the connectors, the open transaction, the tag of
    automatic starts, and whether the tag that the command gives is of a household."""

    connectors: Sequence[int]
    transaction: int | None
    own_tag: str
    is_of_household: bool


@record
class Command:
    """What a command does, and the request that it becomes. `value` says what its payload is, "" if
    it has none.

    `fields` are those of a JSON object beside `at` and `value`.
    """

    meaning: str
    value: str
    fields: Sequence[str]
    request: Callable[[Asked, Known], Request]
    is_of_whole: bool = False
    """Whether it may be for connector 0, the whole charger."""


def _start(asked: Asked, known: Known) -> Request:
    return asked.call("remote-start", connectorId=asked.connector, idTag=asked.tag or known.own_tag)


def _stop(asked: Asked, known: Known) -> Request:
    if known.transaction is None:
        raise Refused(
            "conflict", f"no session is open at connector {asked.connector} of {asked.charger}"
        )
    return asked.call("remote-stop", transactionId=known.transaction)


def _limit(asked: Asked, _known: Known) -> Request:
    if "value" not in asked.given:
        raise Refused("invalid", "give the amperes, or null to lift the limit")
    return Request(
        "PUT", "/api/admin/load/limits", {**asked.of_load, "amperes": _number(asked.given["value"])}
    )


def _availability(asked: Asked, _known: Known) -> Request:
    wanted = str(asked.given.get("value", "")).casefold()
    if wanted not in AVAILABILITIES:
        raise Refused("invalid", "give ON to put the connector into service, or OFF to take it out")
    return asked.call(
        "change-availability", connectorId=asked.connector, type=AVAILABILITIES[wanted]
    )


def _unlock(asked: Asked, _known: Known) -> Request:
    return asked.call("unlock-connector", connectorId=asked.connector)


def _boost(asked: Asked, _known: Known) -> Request:
    minutes = asked.given.get("minutes", asked.given.get("value", BOOST_MINUTES))
    return Request("POST", "/api/admin/load/boosts", {**asked.of_load, "minutes": _number(minutes)})


def _number(value: Any) -> Any:
    """Return what a text says in JSON: a number, or null. The API refuses what is none."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


AVAILABILITIES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("on", "operative"), "Operative"),
    **dict.fromkeys(("off", "inoperative"), "Inoperative"),
}
COMMANDS: Final[Mapping[str, Command]] = {
    "start": Command(
        meaning="Start a session",
        value=(
            "The tag, the same as `id_tag`; without one, that of `--auto-start-id-tag`. One of a "
            "household needs `--mqtt-names`"
        ),
        fields=("id_tag",),
        request=_start,
    ),
    "stop": Command(
        meaning="Stop the session of the connector", value="", fields=(), request=_stop
    ),
    "limit": Command(
        meaning="Limit the connector by hand, as load management does: the lower limit counts",
        value="Amperes per phase, a whole number; `null` lifts the limit",
        fields=("reason",),
        request=_limit,
    ),
    "availability": Command(
        meaning="Put the connector into service, or take it out; connector 0 is the whole charger",
        value="`ON` or `OFF`",
        fields=(),
        request=_availability,
        is_of_whole=True,
    ),
    "unlock": Command(
        meaning=(
            "Release the cable; during a session only with `force`, for which the token needs the "
            "role admin"
        ),
        value="",
        fields=("force",),
        request=_unlock,
    ),
    "boost": Command(
        meaning="Give the car its maximum for a while, before all others",
        value="Minutes, the same as `minutes`; 60 without",
        fields=("minutes", "reason"),
        request=_boost,
    ),
}
"""The commands by their names in topics."""
_SAID: Final[Mapping[str, str]] = {
    "accepted": "the charger accepted it",
    "rejected": "the charger rejected it ({answer}); see whether its state allows it",
    "error": "the charger answered with an error: {error_code} {error_description}",
    "timed out": (
        "the charger did not answer in time; see whether it is connected, then send it again"
    ),
    "gone": (
        "the charger's connection ended before its answer; send it again when the charger is back"
    ),
    "cancelled": "somebody cancelled it",
}
_OF_PROBLEMS: Final = {
    "not_connected": (
        "the charger is not connected, so nothing was sent; send it again when it is back"
    ),
}
"""Words for problems of the API that name what only its clients can do."""
_UNSAID: Final = (
    "it is {state}, and nothing more is known yet; see command {id} on the page of {charger}"
)


class Commands:
    """Takes commands, hands them in as requests of a token, given by its name, and publishes the
    answers."""

    def __init__(self, site: Site, prefix: str, token: str) -> None:
        self._site = site
        self._prefix = prefix
        self._ours = re.compile(rf"{re.escape(prefix)}/([^/]*/[^/]*)/command/([^/]*)", re.DOTALL)
        self._token = token
        self._is_token_checked = False
        self._told: dict[str, tuple[float, int]] = {}
        """When a refusal of a code may be logged again, and how many were not, by code."""
        self._hand_in, self._waiting = trio.open_memory_channel[Asked](MOST_WAITING)
        self._send, self._answers = trio.open_memory_channel[Message](MOST_WAITING)

    def take(self, message: Message) -> None:
        """Take a message. It never blocks: a command for which there is no room is refused. What is
        on no topic of commands is ignored, such as the last message of a meter to which we listen
        no longer."""
        found = self._ours.fullmatch(message.topic)
        if found is None:
            return
        place, name = found.groups()
        try:
            self._hand_in.send_nowait(self._read(message, place, name))
        except Refused as refused:
            self._refuse(place, name, refused)
        except trio.WouldBlock:
            words = f"{MOST_WAITING} commands wait already; send it again in a moment"
            self._refuse(place, name, Refused("busy", words))

    async def run(self, link: Link) -> None:
        """Hand in what was taken and publish answers over a connection, until that ends. Raises
        Broken."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._check_token)
            nursery.start_soon(self._publish, link)
            async for asked in self._waiting:
                try:
                    await self._do(asked, nursery)
                except Refused as refused:
                    self._refuse(asked.place, asked.name, refused)

    # What arrives

    def _read(self, message: Message, place: str, name: str) -> Asked:
        """Return the command of a message. Raises Refused."""
        if message.is_retained:
            raise Refused(
                "retained",
                "the command is retained, so it may be old; publish commands without retain",
            )
        command = COMMANDS.get(name)
        if command is None:
            raise Refused(
                "unknown", f"there is no command {cut(name)}; there are {', '.join(COMMANDS)}"
            )
        level, _, number = place.partition("/")
        charger = unescaped(level)
        if charger not in self._site.chargers.known():
            raise Refused("not_found", f"there is no charger {cut(charger)}")
        if not (number.isascii() and number.isdecimal() and len(number) < MANY_DIGITS):
            raise Refused("not_found", f"there is no connector {cut(number)}; give its number")
        if int(number) == 0 and not command.is_of_whole:
            raise Refused(
                "invalid", f"connector 0 is the whole charger; {name} is for one connector"
            )
        given = _given(message.payload)
        _check_fields(name, command, given)
        asked = Asked(
            place=place,
            name=name,
            charger=charger,
            connector=int(number),
            given=given,
            at=_moment(given["at"]) if "at" in given else self._site.clock(),
        )
        self._check_age(asked)
        return asked

    def _check_age(self, asked: Asked) -> None:
        """Refuse a command that is old. Raises Refused."""
        age = self._site.clock() - asked.at
        if age > FRESH:
            raise Refused(
                "too_old",
                f"the command is {_seconds(age)} s old; after {_seconds(FRESH)} s none is sent",
            )
        if age < -FRESH:
            words = (
                f"the command is from {_seconds(-age)} s in the future: the clock of who sent it, "
                "or ours, is wrong"
            )
            raise Refused("clocks_differ", words)

    # The way to the API

    async def _check_token(self) -> None:
        """Say once in the log if the token is missing, or may not send commands: tokens come and
        go."""
        if self._is_token_checked:
            return
        reply = await self._site.api.ask(self._token, "GET", "/api/me")
        self._is_token_checked = True
        if reply.status >= FIRST_PROBLEM:
            log.warning("MQTT commands are refused for now", reason=reply.content["detail"])
        elif (role := reply.content["role"]) not in OPERATORS:
            log.warning(
                "MQTT commands are refused: their token needs the role operator",
                token=self._token,
                role=role,
            )

    async def _do(self, asked: Asked, nursery: trio.Nursery) -> None:
        """Hand a command in, and have its answer published. Raises Refused."""
        self._check_age(asked)
        with trio.move_on_after(HAND_IN_SECONDS):
            told = await self._ask(await self._request(asked))
            if "warnings" in told:  # a command for the charger
                nursery.start_soon(self._follow, asked, told)
            else:
                done = {
                    "ok": True,
                    "state": "done",
                    "words": "load management knows it from now on",
                }
                await self._answer(asked.place, asked.name, done)
            return
        raise Refused(
            "busy",
            "the server is too busy; see whether the command was done before you send it again",
        )

    async def _request(self, asked: Asked) -> Request:
        """Return the request that a command becomes. Raises Refused."""
        config = self._site.config
        read = partial(_known, asked=asked, config=config, now=self._site.clock())
        try:
            known = await self._site.reader.run(read)
        except Unreadable:
            raise Refused(
                "not_readable", "the database cannot be read at present; send it again"
            ) from None
        if asked.connector and known.connectors and asked.connector not in known.connectors:
            has = ", ".join(map(str, known.connectors))
            raise Refused(
                "not_found", f"{asked.charger} has no connector {asked.connector}; it has {has}"
            )
        if known.is_of_household and not config.mqtt_names:
            raise Refused(
                "forbidden",
                "the card is a household's; give one of nobody, or start us with --mqtt-names",
            )
        return COMMANDS[asked.name].request(asked, known)

    async def _ask(self, request: Request) -> Any:
        """Return what the API answers. Raises Refused."""
        method, path, body, query = request
        headers = {"prefer": "respond-async"}
        reply = await self._site.api.ask(
            self._token, method, path, body=body, query=query, headers=headers
        )
        if reply.status >= FIRST_PROBLEM:
            code = str(reply.content.get("code", reply.status))
            raise Refused(code, _OF_PROBLEMS.get(code, str(reply.content["detail"])))
        return reply.content

    async def _follow(self, asked: Asked, sent: Mapping[str, Any]) -> None:
        """Wait for the charger, and answer what became of a command."""
        number, now = sent["id"], sent
        # Refused: the token was revoked meanwhile
        with suppress(StoreUnavailable, LookupError, Refused):
            with trio.move_on_after(CHARGER_SECONDS):
                await self._site.chargers.wait(number)
            now = await self._ask(Request("GET", f"/api/admin/commands/{number}", {}))
        state = now["state"]
        words = _SAID.get(state, _UNSAID).format_map({**now, "answer": _status_of(now["answer"])})
        said = {"ok": state == "accepted", "state": state, "command": number}
        await self._answer(
            asked.place, asked.name, {**said, "words": "; ".join((words, *sent["warnings"]))}
        )

    # Answers

    def _refuse(self, place: str, name: str, refused: Refused) -> None:
        """Answer and log a refusal; of a flood, only some."""
        told = {"ok": False, "state": "refused", "words": str(refused), "code": refused.code}
        with suppress(trio.WouldBlock):  # who floods us reads no answers
            self._send.send_nowait(self._message(place, name, told))
        now = trio.current_time()
        again_at, unsaid = self._told.get(refused.code, (-math.inf, 0))
        if now < again_at:
            self._told[refused.code] = again_at, unsaid + 1
            return
        self._told[refused.code] = now + LOG_SECONDS, 0
        log.warning(
            "MQTT command refused",
            at=cut(place),
            command=cut(name),
            reason=str(refused),
            not_logged=unsaid,
        )

    async def _answer(self, place: str, name: str, told: Mapping[str, Any]) -> None:
        await self._send.send(self._message(place, name, told))

    def _message(self, place: str, name: str, told: Mapping[str, Any]) -> Message:
        whole = {
            "ok": False,
            "at": stamp(self._site.clock()),
            "state": None,
            "command": None,
            "code": None,
            **told,
        }
        return Message(topic=f"{self._prefix}/{place}/answer/{name}", payload=orjson.dumps(whole))

    async def _publish(self, link: Link) -> None:
        async for message in self._answers:
            await link.publish([message])


def _known(db: Database, *, asked: Asked, config: ServerConfig, now: datetime) -> Known:
    found = situation(db, asked.charger, now, is_connected=True)
    transaction = found.transaction_on(asked.connector)
    given = asked.tag if asked.name == "start" and isinstance(asked.tag, str) else ""
    return Known(
        connectors=[one.number for one in found.connectors],
        transaction=None if transaction is None else transaction.id,
        own_tag=config.auto_start_id_tag,
        is_of_household=is_of_household(db, policy_of(config).key(given), stamp(now)),
    )


def _given(payload: bytes) -> dict[str, Any]:
    """Return what a payload gives: a JSON object, or a plain value. Raises Refused."""
    if len(payload) > MOST_BYTES:
        raise Refused(
            "too_large", f"the payload has {len(payload)} bytes; give at most {MOST_BYTES}"
        )
    try:
        text = payload.decode().strip()
        found = (
            orjson.loads(text)
            if text.startswith("{")
            else {}
            if text in ("", PRESSED)
            else {"value": text}
        )
    except (UnicodeDecodeError, orjson.JSONDecodeError) as error:
        raise Refused(
            "invalid", f"the payload is neither a value nor a JSON object: {error}"
        ) from None
    return dict(found)


def _check_fields(name: str, command: Command, given: Mapping[str, Any]) -> None:
    known = ["at", *(["value"] if command.value else []), *command.fields]
    for field in given:
        if field not in known:
            raise Refused("invalid", f"{name} takes no {cut(field)}; it takes {', '.join(known)}")


def _moment(text: Any) -> datetime:
    found = parse_time(text) if isinstance(text, str) else None
    if found is None:
        raise Refused("invalid", "at: give a time such as 2026-03-01T12:00:00Z")
    return found


def _seconds(age: timedelta) -> int:
    return round(age.total_seconds())


def _status_of(answer: Any) -> str:
    return str(answer.get("status", "")) if isinstance(answer, dict) else ""
