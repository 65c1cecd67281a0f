"""Commands over a real broker: what a charger is asked for, who is recorded, and what is refused
and why."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import pytest
import trio
from jinja2 import Environment
from structlog.typing import EventDict
from trio.testing import MockClock

from levity_trio.charger.commands import Chargers
from levity_trio.plugins.base import Load, Site
from levity_trio.plugins.mqtt import commands as module
from levity_trio.plugins.mqtt import discovery
from levity_trio.plugins.mqtt.broker import Link, Message, open_link
from levity_trio.plugins.mqtt.commands import (
    COMMANDS,
    LOG_SECONDS,
    MOST_BYTES,
    MOST_WAITING,
    SUBSCRIPTION,
    Commands,
)
from levity_trio.plugins.mqtt.discovery import escaped
from levity_trio.store.writes.load import load
from levity_trio.store.writes.people.users import StoredToken
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.in_process import ApiOfPlugins, Question
from levity_trio.wire.times import stamp
from tests.load.block import site as a_feeder
from tests.plugins.mqtt.clients import Heard, at
from tests.plugins.mqtt.mosquitto import Mosquitto
from tests.plugins.sites import Answering, connected
from tests.web.both.server import Server, open_server
from tests.web.stores import Stored, in_file

NOW: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECONDS: Final = 30
ROLES: Final = ("viewer", "operator", "admin")
AUDIT: Final = (
    "SELECT who, role, address, method, path, status, code FROM operator_action"
    " WHERE address LIKE 'plug-in%' ORDER BY id"
)
MADE: Final = {"vendor": "V", "model": "M"}
BOOT: Final = {"chargePointVendor": "V", "chargePointModel": "M"}
AVAILABLE: Final = {"status": "Available", "errorCode": "NoError"}


@dataclass
class House:
    """A server, its charger CP-1 with two connectors, and a client of the broker that sends
    commands."""

    server: Server
    site: Site
    charger: Answering
    client: Link
    heard: Heard

    async def send(
        self, topic: str, payload: object = "", *, is_retained: bool = False
    ) -> dict[str, Any]:
        """Publish a command, and return its answer."""
        heard = len(self.heard.messages)
        text = payload if isinstance(payload, str | bytes) else json.dumps(payload)
        sent = text.encode() if isinstance(text, str) else text
        await self.client.publish(
            [Message(topic=f"levity/{topic}", payload=sent, is_retained=is_retained)]
        )
        answer = (await self.heard.until(heard + 1))[heard]
        assert not answer.is_retained
        assert answer.topic == f"levity/{topic.replace('/command/', '/answer/')}"
        found: dict[str, Any] = json.loads(answer.payload)
        assert found["at"] == stamp(self.server.books.now)
        return found

    async def refused(self, topic: str, payload: object = "", **more: Any) -> tuple[str, str]:
        """Return the code and the words of a command that is not sent to the charger."""
        asked = len(self.calls)
        answer = await self.send(topic, payload, **more)
        assert (answer["ok"], answer["state"], answer["command"]) == (False, "refused", None)
        assert len(self.calls) == asked
        return answer["code"], answer["words"]

    @property
    def calls(self) -> list[tuple[str, Any]]:
        """What the charger was asked for."""
        return [(frame[2], frame[3]) for frame in self.charger.frames if frame[0] == 2]

    @property
    def audit(self) -> list[tuple[Any, ...]]:
        return [*self.server.books.rows(AUDIT)]


Open = Callable[..., Any]


@pytest.fixture
def house(tmp_path: Path, mosquitto: Mosquitto) -> Open:
    @asynccontextmanager
    async def open_house(role: str, **settings: Any) -> AsyncIterator[House]:
        with in_file(tmp_path) as stored, trio.fail_after(SECONDS):
            async with open_adopting(stored) as server, connected(server.central) as charger:
                await charger.call("BootNotification", **BOOT)
                for number in (1, 2):
                    await charger.call("StatusNotification", connectorId=number, **AVAILABLE)
                server.api.tokens.load(
                    [StoredToken(n, one, one, "", "", 0, None) for n, one in enumerate(ROLES, 1)]
                )
                site = _site(server)
                site = replace(site, config=replace(site.config, **settings))
                commands = Commands(site, "levity", role)
                async with (
                    open_link(at(mosquitto), commands.take) as link,
                    open_link(at(mosquitto, prefix="client"), heard := Heard()) as client,
                    trio.open_nursery() as nursery,
                ):
                    nursery.start_soon(commands.run, link)
                    assert await link.subscribe([f"levity/{SUBSCRIPTION}"]) == []
                    assert await client.subscribe(["levity/+/+/answer/#"]) == []
                    yield House(server, site, charger, client, heard)
                    nursery.cancel_scope.cancel()

    return open_house


@asynccontextmanager
async def open_adopting(stored: Stored) -> AsyncIterator[Server]:
    """A server that knows its chargers before they connect."""
    async with open_server(stored, NOW) as server:
        for charger in ("CP-1", "A+B"):
            body = json.dumps({"id": charger, **MADE}).encode()
            reply = await server.ask(
                Role.ADMIN, Question(method="POST", path="/api/admin/chargers", body=body)
            )
            assert reply.status == 201, reply.body
        server.books.now = NOW
        yield server


def _site(server: Server) -> Site:
    central, inside = server.central, ApiOfPlugins()
    inside.opening.finish(server.app, server.api)
    return Site(
        config=central.config,
        clock=central.clock,
        writer=central.writer,
        reader=server.api.reader,
        publish=central.hooks.observe,
        chargers=Chargers(central),
        load=cast(Load, central.load),
        api=inside.of("mqtt"),
        is_clock_trusted=lambda: True,
        pages={},
    )


@pytest.mark.parametrize("with_names", [False, True])
async def test_a_card_of_a_household_starts_only_with_names(house: Open, with_names: bool) -> None:
    """Without them nobody at the broker need know one. A card of nobody, such as the caretaker's,
    starts."""
    async with house("operator", mqtt_names=with_names) as found:
        account = {"name": "Flat 3", "since": "2026-01-01"}
        for path, body in (("", account), ("/1/give", {"tag": "04CAFE01", "since": "2026-01-01"})):
            question = Question(
                method="POST", path=f"/api/admin/accounts{path}", body=json.dumps(body).encode()
            )
            assert (await found.server.ask(Role.ADMIN, question)).status in (200, 201)
        found.server.books.now = NOW
        if with_names:
            assert (await found.send("CP-1/1/command/start", "04cafe01"))["ok"]
        else:
            code, words = await found.refused("CP-1/1/command/start", "04cafe01")
            assert code == "forbidden"
            assert (
                words
                == "the card is a household's; give one of nobody, or start us with --mqtt-names"
            )
        assert (await found.send("CP-1/1/command/start", {"id_tag": "04BEEF"}))["ok"]


async def test_start_and_stop(house: Open) -> None:
    async with house("operator") as found:
        answer = await found.send("CP-1/1/command/start", "TAG-1")
        assert (answer["ok"], answer["state"], answer["code"]) == (True, "accepted", None)
        assert answer["words"].startswith("the charger accepted it")
        assert found.calls == [("RemoteStartTransaction", {"connectorId": 1, "idTag": "TAG-1"})]
        assert found.audit == [
            (
                "operator",
                "operator",
                "plug-in mqtt",
                "POST",
                "/api/admin/chargers/CP-1/remote-start",
                202,
                None,
            )
        ]
        code, words = await found.refused("CP-1/1/command/stop")
        assert (code, words) == ("conflict", "no session is open at connector 1 of CP-1")
        started = await found.charger.call(
            "StartTransaction",
            connectorId=1,
            idTag="TAG-1",
            meterStart=0,
            timestamp="2026-03-01T12:00:00Z",
        )
        assert (await found.refused("CP-1/2/command/stop"))[0] == "conflict"
        assert (await found.send("CP-1/1/command/stop"))["ok"]
        assert found.calls[1:] == [
            ("RemoteStopTransaction", {"transactionId": started["transactionId"]})
        ]


@pytest.mark.parametrize(
    ("payload", "tag"),
    [
        ("", "anonymous"),
        ("PRESS", "anonymous"),
        ({"id_tag": "TAG-2"}, "TAG-2"),
        ({"value": "TAG-3", "at": "2026-03-01T13:00:00+01:00"}, "TAG-3"),
        ("12345678", "12345678"),
        ("1E5", "1E5"),
    ],
)
async def test_the_tag_of_a_start(house: Open, payload: object, tag: str) -> None:
    async with house("operator") as found:
        assert (await found.send("CP-1/2/command/start", payload))["ok"]
        assert found.calls == [("RemoteStartTransaction", {"connectorId": 2, "idTag": tag})]


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        ("ON", "Operative"),
        ("off", "Inoperative"),
        ({"value": "Inoperative"}, "Inoperative"),
        ("operative", "Operative"),
    ],
)
@pytest.mark.parametrize("connector", [0, 2])
async def test_availability(house: Open, payload: object, wanted: str, connector: int) -> None:
    async with house("operator") as found:
        assert (await found.send(f"CP-1/{connector}/command/availability", payload))["ok"]
        assert found.calls == [("ChangeAvailability", {"connectorId": connector, "type": wanted})]


async def test_unlock_in_a_session_needs_force_and_that_an_admin(house: Open) -> None:
    async with house("operator") as found:
        found.charger.says = "Unlocked"
        assert (await found.send("CP-1/1/command/unlock", "PRESS"))["ok"]
        assert found.calls == [("UnlockConnector", {"connectorId": 1})]
        await found.charger.call(
            "StartTransaction",
            connectorId=1,
            idTag="TAG-1",
            meterStart=0,
            timestamp="2026-03-01T12:00:00Z",
        )
        code, words = await found.refused("CP-1/1/command/unlock")
        assert code == "needs_force"
        assert words.endswith("stop it first, or send it with force")
        assert await found.refused("CP-1/1/command/unlock", {"force": True}) == (
            "forbidden",
            "this operation needs a token with the role admin",
        )
        assert found.audit[-1][-2:] == (403, "forbidden")


async def test_an_admin_may_force(house: Open) -> None:
    async with house("admin") as found:
        await found.charger.call(
            "StartTransaction",
            connectorId=1,
            idTag="TAG-1",
            meterStart=0,
            timestamp="2026-03-01T12:00:00Z",
        )
        found.charger.says = "UnlockFailed"
        answer = await found.send("CP-1/1/command/unlock", {"force": True})
        assert (answer["ok"], answer["state"]) == (False, "rejected")
        assert answer["words"].startswith(
            "the charger rejected it (UnlockFailed); see whether its state allows it"
        )
        assert isinstance(answer["command"], int)
        assert found.calls == [("UnlockConnector", {"connectorId": 1})]


async def test_limit_and_boost_are_those_of_load_management(house: Open) -> None:
    async with house("operator") as found:
        code, words = await found.refused("CP-1/1/command/limit", "16")
        assert (code, words) == (
            "conflict",
            (
                "nothing is managed: enter the feeder first, on the page Feeder or with "
                "levity-trio load site FILE"
            ),
        )
        await found.site.writer.run(
            load.set_site, a_feeder(63, 1).replace("CP-0", "CP-1"), stamp(NOW), "anna"
        )

        async def limits() -> list[tuple[Any, ...]]:
            wishes = (
                await found.site.api.ask("operator", "GET", "/api/admin/load/wishes")
            ).content["data"]
            return [
                (one["kind"], one["connector"], one["amperes"], one["reason"], one["made_by"])
                for one in wishes
            ]

        answer = await found.send(
            "CP-1/1/command/limit", {"value": 16.0, "reason": "a loose terminal"}
        )
        assert (answer["ok"], answer["state"], answer["command"]) == (True, "done", None)
        assert await limits() == [("hand", 1, 16, "a loose terminal", "operator")]
        assert found.audit[-1][2:6] == ("plug-in mqtt", "PUT", "/api/admin/load/limits", 200)
        assert (await found.send("CP-1/1/command/limit", "10"))["ok"]
        assert await limits() == [("hand", 1, 10, "by MQTT", "operator")]
        for wrong in ("nan", "16.5", "-1", "much", {"value": True}):
            assert (await found.refused("CP-1/1/command/limit", wrong))[0] == "invalid"
        assert (await found.refused("CP-1/1/command/limit"))[
            1
        ] == "give the amperes, or null to lift the limit"
        assert len(await limits()) == 1
        assert (await found.send("CP-1/1/command/limit", "null"))["ok"]
        assert await limits() == []
        assert (await found.send("CP-1/2/command/boost"))["ok"]
        assert (await found.refused("CP-1/2/command/boost", {"minutes": 0}))[0] == "invalid"
        assert [one[:2] for one in await limits()] == [("boost", 2)]
        assert found.calls == []


async def test_a_viewer_may_send_nothing(house: Open, log_lines: list[EventDict]) -> None:
    async with house("viewer") as found:
        words = "this needs the role operator; yours is viewer"
        for name in ("start", "unlock"):
            assert await found.refused(f"CP-1/1/command/{name}") == ("forbidden", words)
        assert [(row[0], *row[-2:]) for row in found.audit] == [("viewer", 403, "forbidden")] * 2
    told = [line for line in log_lines if line["event"].startswith("MQTT commands are refused")]
    assert [(line["token"], line["role"]) for line in told] == [("viewer", "viewer")]


async def test_a_missing_token_is_told_at_the_start_and_with_each_command(
    house: Open, log_lines: list[EventDict]
) -> None:
    words = (
        "no token in use is named home; make it with levity-trio token create home --role operator"
    )
    async with house("home") as found:
        assert await found.refused("CP-1/1/command/start") == ("wrong_token", words)
        found.server.api.tokens.load([StoredToken(7, "home", "operator", "", "", 0, None)])
        assert (await found.send("CP-1/1/command/start"))["ok"]
    told = [line for line in log_lines if line["event"] == "MQTT commands are refused for now"]
    assert [line["reason"] for line in told] == [words]


@pytest.mark.parametrize(
    ("topic", "payload", "code", "words"),
    [
        (
            "CP-1/1/command/reset",
            "",
            "unknown",
            f"there is no command reset; there are {', '.join(COMMANDS)}",
        ),
        ("CP-9/1/command/start", "", "not_found", "there is no charger CP-9"),
        ("CP-1/3/command/start", "", "not_found", "CP-1 has no connector 3; it has 1, 2"),
        ("CP-1/one/command/start", "", "not_found", "there is no connector one; give its number"),
        (
            "CP-1/0/command/start",
            "",
            "invalid",
            "connector 0 is the whole charger; start is for one connector",
        ),
        (
            "CP-1/1/command/start",
            "x" * (MOST_BYTES + 1),
            "too_large",
            f"{MOST_BYTES + 1} bytes; give at most",
        ),
        (
            "CP-1/1/command/start",
            b"\xff",
            "invalid",
            "the payload is neither a value nor a JSON object",
        ),
        (
            "CP-1/1/command/start",
            "{",
            "invalid",
            "the payload is neither a value nor a JSON object",
        ),
        ("CP-1/1/command/start", {"id_tag": 5}, "invalid", "idTag: "),
        ("CP-1/1/command/unlock", {"force": "yes"}, "invalid", "force: "),
        ("CP-1/1/command/unlock", "1", "invalid", "unlock takes no value; it takes at, force"),
        (
            "CP-1/1/command/limit",
            {"ampere": 16},
            "invalid",
            "limit takes no ampere; it takes at, value, reason",
        ),
        (
            "CP-1/1/command/availability",
            "",
            "invalid",
            "give ON to put the connector into service, or OFF",
        ),
        ("CP-1/1/command/stop", {"at": "yesterday"}, "invalid", "at: give a time such as"),
    ],
)
async def test_what_cannot_be_understood(
    house: Open, topic: str, payload: object, code: str, words: str, log_lines: list[EventDict]
) -> None:
    async with house("operator") as found:
        told = await found.refused(topic, payload)
    assert told[0] == code
    assert words in told[1]
    (line,) = [line for line in log_lines if line["event"] == "MQTT command refused"]
    assert f"{line['at']}/command/{line['command']}" == topic
    assert line["reason"] == told[1]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-30, None),
        (30, None),
        (-31, ("too_old", "the command is 31 s old; after 30 s none is sent")),
        (-3600, ("too_old", "the command is 3600 s old; after 30 s none is sent")),
        (
            31,
            (
                "clocks_differ",
                "is from 31 s in the future: the clock of who sent it, or ours, is wrong",
            ),
        ),
    ],
)
async def test_the_age_of_a_command(
    house: Open, seconds: int, told: tuple[str, str] | None
) -> None:
    async with house("operator") as found:
        payload = {"at": (NOW + timedelta(seconds=seconds)).isoformat()}
        if told is None:
            assert (await found.send("CP-1/1/command/start", payload))["ok"]
            return
        code, words = await found.refused("CP-1/1/command/start", payload)
        assert (code, told[1] in words) == (told[0], True)


async def test_a_retained_command_is_not_sent(house: Open, mosquitto: Mosquitto) -> None:
    """It arrives as retained at who subscribes later: after each reconnect."""
    async with house("operator") as found:
        kept = Message(topic="levity/CP-1/1/command/unlock", is_retained=True, payload=b"PRESS")
        await found.client.deliver([kept])
        await found.heard.until(1)  # while we are subscribed, it is as any other
        again = Commands(found.site, "levity", "operator")
        async with (
            open_link(at(mosquitto, prefix="again"), again.take) as link,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(again.run, link)
            await link.subscribe([f"levity/{SUBSCRIPTION}"])
            answer = json.loads((await found.heard.until(2))[1].payload)
            nursery.cancel_scope.cancel()
        assert (answer["ok"], answer["code"]) == (False, "retained")
        assert "publish commands without retain" in answer["words"]
        assert len(found.calls) == 1


async def test_a_command_that_waited_too_long_is_not_sent(
    house: Open, mosquitto: Mosquitto
) -> None:
    """It was taken before the connection broke; the next one came late."""
    async with house("operator") as found:
        late = Commands(found.site, "levity", "operator")
        late.take(Message(topic="levity/CP-1/1/command/unlock"))
        found.server.books.now += timedelta(seconds=31)
        async with (
            open_link(at(mosquitto, prefix="late"), late.take) as link,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(late.run, link)
            answer = json.loads((await found.heard.until(1))[0].payload)
            nursery.cancel_scope.cancel()
        assert (answer["code"], found.calls) == ("too_old", [])


async def test_a_charger_that_does_not_answer(house: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHARGER_SECONDS", 0.1)
    async with house("operator") as found:
        found.charger.says = None
        answer = await found.send("CP-1/1/command/start")
        assert (answer["ok"], answer["state"]) == (False, "sent")
        number = answer["command"]
        words = (
            f"it is sent, and nothing more is known yet; see command {number} on the page of CP-1"
        )
        assert answer["words"].startswith(words)


async def test_a_charger_that_is_away(house: Open) -> None:
    async with house("operator") as found:
        code, words = await found.refused(f"{escaped('A+B')}/1/command/start")
        assert code == "not_connected"
        assert (
            words
            == "the charger is not connected, so nothing was sent; send it again when it is back"
        )


@pytest.mark.parametrize("one", discovery.COMMANDS, ids=lambda one: one.key)
async def test_what_home_assistant_sends_is_understood(house: Open, one: discovery.Command) -> None:
    utcnow = partial(datetime, 2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
    value = {"number": 16.0, "switch": "ON"}.get(one.component)
    sent = (
        Environment(autoescape=False)  # noqa: S701
        .from_string(one.fields["command_template"])
        .render(utcnow=utcnow, value=value)
    )
    async with house("operator") as found:
        await found.site.writer.run(
            load.set_site, a_feeder(63, 1).replace("CP-0", "CP-1"), stamp(NOW), "anna"
        )
        answer = await found.send(f"CP-1/1/command/{one.command}", sent)
    assert answer["ok"] or answer["words"].startswith("no session is open")


async def test_a_silent_charger_delays_no_other(house: Open) -> None:
    async with house("operator") as found, connected(found.server.central, "/ocpp/A+B") as other:
        await other.call("BootNotification", **BOOT)
        found.charger.says = None
        await found.client.publish([Message(topic="levity/CP-1/1/command/start")])
        answer = await found.send(f"{escaped('A+B')}/1/command/start")
        assert answer["ok"]
        assert found.calls == [("RemoteStartTransaction", {"connectorId": 1, "idTag": "anonymous"})]


def test_a_flood_is_refused_and_fills_no_log(log_lines: list[EventDict]) -> None:
    async def main() -> None:
        commands = Commands(_idle_site(), "levity", "operator")
        for _ in range(1000):
            commands.take(Message(topic="levity/CP-1/1/command/start"))
            commands.take(Message(topic="levity/CP-1/1/command/dance"))
        now = trio.current_time()
        await trio.sleep_until(now + LOG_SECONDS)
        commands.take(Message(topic="levity/CP-1/1/command/start"))

    trio.run(main, clock=MockClock(autojump_threshold=0))
    told = [(line["command"], line["not_logged"]) for line in log_lines]
    assert told == [("dance", 0), ("start", 0), ("start", 1000 - MOST_WAITING - 1)]
    assert (
        log_lines[1]["reason"] == f"{MOST_WAITING} commands wait already; send it again in a moment"
    )


@pytest.mark.parametrize(
    "topic", ["meter", "levity/meter", "levity/CP-1/1/command", "other/CP-1/1/command/start"]
)
async def test_what_is_no_command_is_not_answered(topic: str, log_lines: list[EventDict]) -> None:
    Commands(_idle_site(), "levity", "operator").take(Message(topic=topic))
    assert not log_lines


def _idle_site() -> Site:
    parts: Mapping[str, Any] = dict.fromkeys(Site.__dataclass_fields__)

    class Known:
        def known(self) -> set[str]:
            return {"CP-1"}

    return Site(**{**parts, "clock": lambda: NOW, "chargers": Known()})
