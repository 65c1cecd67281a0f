"""The upkeep of a local list against the list of our simulator, write by write.

It does what the server's task and the charger's session do, without tasks and sockets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import orjson

from levity_trio.access.local_lists import ASK, ASKER, READ, SEND
from levity_trio.simulator.charger.configuration import Configuration
from levity_trio.simulator.charger.tags import Tags
from levity_trio.store.reads.chargers.configuration import LocalListStatus, next_turn, statuses
from levity_trio.store.writes.chargers import commands, local_lists, sessions
from levity_trio.store.writes.chargers.commands import (
    CommandDraft,
    CommandEnd,
    TakenCommand,
    state_for,
)
from levity_trio.store.writes.people import tags
from levity_trio.store.writes.people.tags import TagData
from tests.store.books import SERVER, Station
from tests.store.reading import view

MOST_STEPS: Final = 2000
LIMITS: Final = {
    "LocalAuthListEnabled": "true",
    "LocalAuthListMaxLength": "1000",
    "SendLocalListMaxLength": "20",
    "SupportedFeatureProfiles": "Core,LocalAuthListManagement",
}


@dataclass
class Memory:
    """What the simulator's list keeps."""

    local_list_version: int = 0
    local_list: dict[str, dict[str, Any]] = field(default_factory=dict)
    cache: dict[str, dict[str, Any]] = field(default_factory=dict)


class Keeping:
    """A site whose one charger has a local list."""

    def __init__(self, station: Station, **limits: str) -> None:
        self.books = station.books
        self.station = station
        self.memory = Memory()
        self.limits = LIMITS | limits
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.again_at: datetime | None = None
        self.is_open = True
        self.is_silent_about_limits = False

    @property
    def charger(self) -> Tags:
        return Tags(self.memory, Configuration({}, 1, self.limits))

    # Tags

    def add(self, id_tag: str, **fields: Any) -> None:
        self.books.run(
            tags.add, self.books.policy, TagData(id_tag=id_tag, **fields), self.books.at, "anna"
        )

    def change(self, id_tag: str, **fields: Any) -> None:
        self.books.run(tags.change, self.books.policy, id_tag, fields, self.books.at, "anna")

    def remove(self, id_tag: str) -> None:
        self.books.run(tags.remove, self.books.policy, id_tag, self.books.at, "anna")

    def next_turn(self) -> str | None:
        at: str | None = self._read(partial(next_turn, at=self.books.at))
        return at

    def status(self) -> LocalListStatus:
        lines = [self.station.name] if self.is_open else []
        found: LocalListStatus
        (found,) = self._read(
            partial(
                statuses,
                charger=self.station.name,
                policy=self.books.policy,
                now=self.books.now,
                open_lines=lines,
                is_on=True,
            )
        )
        return found

    def _read(self, read: Any) -> Any:
        return read(view(self.books.connection))

    def expected(self) -> dict[str, dict[str, Any]]:
        """The list as it should be, straight from the tags."""
        found = self.books.rows(
            "SELECT lower(id_tag), status, expires_at, parent_id_tag "
            "FROM tag WHERE ended_at IS NULL "
            "ORDER BY status <> 'Accepted' OR coalesce(expires_at <= ?, false), (SELECT min(id) "
            "FROM tag AS first WHERE first.key = tag.key) "
            "LIMIT ?",
            self.books.at,
            int(self.limits["LocalAuthListMaxLength"]),
        )
        return {tag: self._info(*info) for tag, *info in found}

    def _info(self, status: str, expires_at: str | None, parent: str | None) -> dict[str, Any]:
        is_expired = status == "Accepted" and expires_at is not None and expires_at <= self.books.at
        info = {"status": "Expired" if is_expired else status}
        info |= {} if expires_at is None else {"expiryDate": f"{expires_at[:19]}Z"}
        return info | ({} if parent is None else {"parentIdTag": parent})

    # Messages

    def decide(self) -> int | None:
        """Look at the charger; return the command that is stored, if any."""
        number = next(self.books.numbers)
        draft = CommandDraft(
            self.station.name, f"d{number}", self.books.at, ASKER, self.books.server
        )
        decide = partial(
            local_lists.decide,
            policy=self.books.policy,
            charger=self.station.name,
            now=self.books.now,
            is_open=self.is_open,
        )
        command, self.again_at = self.books.run(commands.queue_decided, draft, decide)
        return command

    def take(self) -> TakenCommand | None:
        taken = self.station.write(commands.take)
        if taken is not None:
            self.sent.append((taken.action, orjson.loads(taken.payload)))
        return taken

    def answer(self, taken: TakenCommand, manner: str = "honest") -> None:
        """The charger answers: honestly, with a status, with a CALLERROR, or not, having obeyed or
        not."""
        payload = orjson.loads(taken.payload)
        told = (
            self._obey(taken.action, payload)
            if manner in ("honest", "silent, but obeys")
            else {"status": manner}
        )
        if manner.startswith("silent"):
            end = CommandEnd(taken.id, taken.action, "timed out")
        elif manner == "error":
            end = CommandEnd(taken.id, taken.action, "error", error_code="InternalError")
        else:
            text = orjson.dumps(told).decode()
            end = CommandEnd(taken.id, taken.action, state_for(taken.action, told), payload=text)
        self.station.write(commands.settle, end)

    def obey(self, taken: TakenCommand) -> None:
        """Do what is asked; nobody hears the answer."""
        self._obey(taken.action, orjson.loads(taken.payload))

    def tell_limits(self, most: int) -> None:
        """Have room for so many tags from now on, and tell it. A list that is longer is lost."""
        self.limits["LocalAuthListMaxLength"] = str(most)
        if len(self.memory.local_list) > most:
            self.memory.local_list_version, self.memory.local_list = 0, {}
        self.books.connection.execute(
            (
                "INSERT INTO configuration (cp_id, session_id, key, value, readonly, read_at) "
                "VALUES (?, ?, ?, ?, 1, ?)"
            ),
            (
                self.station.name,
                self.station.session,
                "LocalAuthListMaxLength",
                str(most),
                self.books.at,
            ),
        )

    def _obey(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        if action == SEND:
            entries = payload["localAuthorizationList"]
            return {
                "status": self.charger.update(
                    payload["listVersion"], payload["updateType"], entries
                )
            }
        if action == ASK:
            return {"listVersion": self.charger.version}
        assert action == READ
        if self.is_silent_about_limits:
            return {"configurationKey": []}
        return {
            "configurationKey": [{"key": key, "value": self.limits[key]} for key in payload["key"]]
        }

    def restart(self) -> None:
        """Kill the server, start it, and let the charger come back."""
        self.books.server = self.books.run(sessions.start_run, SERVER, "1.0", self.books.at, True)
        self.station.connect()

    def run(self, manner: str = "honest") -> None:
        """Go on until nothing is to be sent now."""
        for _ in range(MOST_STEPS):
            if self.decide() is None and self._rests():
                return
            if (taken := self.take()) is not None:
                self.books.now += timedelta(milliseconds=20)
                self.answer(taken, manner)
        raise AssertionError(f"it never ends: {self.sent[-6:]}")

    def _rests(self) -> bool:
        return self.again_at is None or self.again_at > self.books.now

    def settle(self) -> None:
        """Let the charger be honest, for as long as it takes: the pauses after failures pass."""
        for _ in range(MOST_STEPS):
            self.run()
            if self.status().state not in ("failing", "sending", "waiting"):
                return
            assert self.again_at is not None
            self.books.now = max(self.again_at, self.books.now)
        raise AssertionError(f"it never arrives: {self.status()}")

    def lists(self) -> list[tuple[str, int, list[str]]]:
        """The lists that were sent: their kinds, versions and tags, those to be deleted with a
        minus."""
        return [
            (
                payload["updateType"],
                payload["listVersion"],
                [
                    ("" if "idTagInfo" in one else "-") + one["idTag"]
                    for one in payload["localAuthorizationList"]
                ],
            )
            for action, payload in self.sent
            if action == SEND
        ]
