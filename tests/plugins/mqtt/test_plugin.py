"""The plug-in in a spawned server, with chargers on real sockets, a real broker, and a client that
listens there."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import trio

from levity_trio.cli import main
from levity_trio.client import Api, Sought
from levity_trio.told import of_stored
from tests.integration.charger import Charger, now
from tests.integration.foreign import api_of
from tests.integration.serving import Serving, serving
from tests.plugins.mqtt.clients import Heard, listener
from tests.plugins.mqtt.mosquitto import Mosquitto, running

CONNECTED: Final = "connected to the MQTT broker"
OUT: Final = "the MQTT broker is not connected; it is tried again"
AGAIN: Final = "connected to the MQTT broker again"
DISCOVERY: Final = "homeassistant/device/levity_CP-1/config"


@pytest.fixture
def server(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Serving]:
    with serving(tmp_path / "levity.db", "--mqtt", mosquitto.url) as server:
        server.wait_line(CONNECTED)
        yield server


def readings(
    transaction: int, wh: int, watts: float, amperes: tuple[float, float, float]
) -> dict[str, Any]:
    """A MeterValues of three phases."""
    values: list[dict[str, Any]] = [
        {"value": str(wh), "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
        {"value": str(watts), "measurand": "Power.Active.Import", "unit": "W"},
    ]
    values += [
        {"value": str(one), "measurand": "Current.Import", "unit": "A", "phase": f"L{phase}"}
        for phase, one in enumerate(amperes, 1)
    ]
    meter_value = [{"timestamp": now(), "sampledValue": values}]
    return {"connectorId": 1, "transactionId": transaction, "meterValue": meter_value}


def status(charger: Charger, word: str, error: str = "NoError", connector: int = 1) -> None:
    charger.call("StatusNotification", connectorId=connector, errorCode=error, status=word)


async def test_a_session_is_shown(server: Serving, mosquitto: Mosquitto) -> None:
    async with listener(mosquitto, "levity/#", DISCOVERY) as heard:
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
            status(charger, "Available")
            await heard.shows(
                {"status": "online", "CP-1/link": "online", "CP-1/1/status": "Available"}
            )
            await heard.shows({"CP-1/1/power": "0", "CP-1/1/error": "NoError", "CP-1/energy": "0"})
            transaction = charger.start("TAG-1", meter_start=5000)
            status(charger, "Charging")
            charger.call("MeterValues", **readings(transaction, 5250, 7360.4, (10.666, 10.7, 10.6)))
            await heard.shows(
                {
                    "CP-1/1/status": "Charging",
                    "CP-1/1/power": "7360",
                    "CP-1/1/session_energy": "250",
                }
            )
            await heard.shows(
                {
                    "CP-1/1/current/L1": "10.67",
                    "CP-1/1/current/L2": "10.7",
                    "CP-1/1/current": "10.7",
                }
            )
            await heard.shows(
                {
                    "CP-1/energy": "250",
                    "site/power": "7360",
                    "site/energy": "250",
                    "site/charging": "1",
                }
            )
            charger.call(
                "StopTransaction", transactionId=transaction, meterStop=5300, timestamp=now()
            )
            status(charger, "Faulted", "GroundFailure")
            await heard.shows(
                {"CP-1/1/power": "0", "CP-1/1/session_energy": "0", "CP-1/energy": "300"}
            )
            await heard.shows(
                {"CP-1/1/error": "GroundFailure", "site/charging": "0", "site/attention": "1"}
            )
        await heard.shows({"CP-1/link": "offline"})
        assert heard.payloads("CP-1/1/user") == [""]
        found = json.loads([one.payload for one in heard.messages if one.topic == DISCOVERY][-1])
        assert found["components"]["1_power"]["state_topic"] == "levity/CP-1/1/power"
        server.kill()
        await heard.shows({"status": "offline"})


async def test_who_looks_after_a_start_sees_whether_the_broker_is_connected(
    server: Serving,
) -> None:
    with Charger(server.port, "CP-1") as charger:
        charger.boot()  # its commit has what was noted before
        assert server.query("SELECT is_connected, problem FROM mqtt") == [(1, None)]


async def test_all_is_retained_and_the_same_after_a_restart(
    server: Serving, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        status(charger, "Available")
        async with listener(mosquitto, "levity/#") as heard:
            await heard.shows({"CP-1/1/status": "Available", "CP-1/link": "online"})
            first = {topic: payload for topic, payload in heard.newest.items() if topic != "events"}
    server.stop()
    with serving(tmp_path / "levity.db", "--mqtt", mosquitto.url) as again:
        again.wait_line(CONNECTED)
        async with listener(mosquitto, "levity/#") as heard:
            await heard.shows({**first, "CP-1/link": "offline"})
    async with listener(mosquitto, "levity/#") as heard:  # nobody sends any more
        await heard.shows({**first, "CP-1/link": "offline", "status": "offline"})
        assert all(one.is_retained for one in heard.messages if one.topic.startswith("levity/CP-1"))


async def test_all_is_sent_again_when_home_assistant_starts(
    server: Serving, mosquitto: Mosquitto
) -> None:
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        status(charger, "Available")
        async with listener(mosquitto, "levity/CP-1/#", DISCOVERY) as heard:
            await heard.shows({"CP-1/1/status": "Available"})
            before = set(heard.newest)
            heard.messages.clear()
            await heard.tell("homeassistant/status", b"offline")
            await heard.tell("homeassistant/status", b"online")
            await heard.wait(lambda: before <= set(heard.newest))


async def test_of_many_readings_the_newest_is_sent_last(
    server: Serving, mosquitto: Mosquitto
) -> None:
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        status(charger, "Available")
        transaction = charger.start("TAG-1")
        async with listener(mosquitto, "levity/CP-1/#") as heard:
            for number in range(300):
                charger.call(
                    "MeterValues", **readings(transaction, 1000 + number, 1000 + number, (1, 2, 3))
                )
                await trio.lowlevel.checkpoint()
            await heard.shows({"CP-1/1/session_energy": "299"})
            assert len(heard.payloads("CP-1/1/session_energy")) < 100


async def test_names_only_where_they_are_asked_for(tmp_path: Path, mosquitto: Mosquitto) -> None:
    flags = ("--mqtt", mosquitto.url, "--mqtt-names")
    with serving(tmp_path / "levity.db", *flags) as server, Charger(server.port, "CP-1") as charger:
        charger.boot()
        status(charger, "Available")
        Api(f"unix:{server.database}.sock", Sought(name="", hint="")).ask(
            "POST", "admin", "id-tags", given={"id_tag": "TAG-1", "name": "Anna"}
        )
        charger.start("TAG-1")
        async with listener(mosquitto, "levity/#") as heard:
            await heard.shows({"CP-1/1/user": "Anna"})
    async with listener(mosquitto, "levity/#") as heard:
        await heard.shows({"CP-1/1/user": "Anna"})
        with serving(tmp_path / "levity.db", "--mqtt", mosquitto.url):
            await heard.shows({"CP-1/1/user": ""})  # the broker forgets it


async def test_a_broker_that_comes_back(server: Serving, mosquitto: Mosquitto) -> None:
    """One line begins the outage, one ends it, and chargers notice nothing."""
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        mosquitto.kill()
        server.wait_line(OUT)
        status(charger, "Available")
        transaction = charger.start("TAG-1")
        charger.call("MeterValues", **readings(transaction, 1200, 3000, (13, 0, 0)))
        mosquitto.start()
        async with listener(mosquitto, "levity/#") as heard:
            await heard.shows(
                {"status": "online", "CP-1/1/status": "Available", "CP-1/1/power": "3000"}
            )
            await heard.shows({"CP-1/1/session_energy": "200"})
        await trio.to_thread.run_sync(server.wait_line, AGAIN)
    assert len(server.find(OUT)) == 1


async def test_a_broker_that_is_away_from_the_start(tmp_path: Path, mosquitto: Mosquitto) -> None:
    mosquitto.kill()
    with serving(tmp_path / "levity.db", "--mqtt", mosquitto.url) as server:
        assert "cannot be reached: Connection refused" in server.wait_line(OUT)["reason"]
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
            charger.start("TAG-1")
        mosquitto.start()
        async with listener(mosquitto, "levity/#") as heard:
            await heard.shows({"status": "online", "CP-1/link": "offline"})


async def test_a_frozen_broker_delays_nothing_of_chargers(
    server: Serving, mosquitto: Mosquitto
) -> None:
    mosquitto.send(signal.SIGSTOP)
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        transaction = charger.start("TAG-1")
        for number in range(50):
            charger.call("MeterValues", **readings(transaction, 1000 + number, 1000, (1, 2, 3)))
        mosquitto.send(signal.SIGCONT)
        async with listener(mosquitto, "levity/#") as heard:
            await heard.shows({"CP-1/1/session_energy": "49"})


async def test_a_broker_that_refuses_us(tmp_path: Path) -> None:
    """The line says what is wrong, and never the password."""
    with running(Mosquitto(tmp_path / "m", users={"levity": "right"})) as mosquitto:
        url = mosquitto.url.replace("//", "//levity@")
        (tmp_path / "password").write_text("wrong")
        flags = ("--mqtt", url, "--mqtt-password-file", str(tmp_path / "password"))
        with serving(tmp_path / "levity.db", *flags) as server:
            line = server.wait_line(OUT)
            assert line["reason"] == "the broker says: Not authorized"
            with Charger(server.port, "CP-1") as charger:
                charger.boot()
            with trio.fail_after(60):
                while [of_stored(kept) for (kept,) in server.query("SELECT problem FROM mqtt")] != [  # noqa: ASYNC110
                    line["reason"]
                ]:
                    await trio.sleep(0.05)


async def test_a_broker_that_takes_only_small_messages(tmp_path: Path) -> None:
    """What is too large for it is left out, and one line says so."""
    small = Mosquitto(tmp_path / "m", settings="max_packet_size 500")
    with running(small), serving(tmp_path / "levity.db", "--mqtt", small.url) as server:
        for identity in ("CP-1", "CP-2"):
            with Charger(server.port, identity) as charger:
                charger.boot()
                status(charger, "Available")
                async with listener(small, "levity/#", "homeassistant/#") as heard:
                    await heard.shows({f"{identity}/1/status": "Available"})
                    assert not [
                        one for one in heard.messages if one.topic.startswith("homeassistant")
                    ]
        assert (
            len(server.find("the MQTT broker takes only smaller states; allow it larger packets"))
            == 1
        )


async def test_a_hidden_charger_is_withdrawn(server: Serving, mosquitto: Mosquitto) -> None:
    async with listener(mosquitto, "levity/#", DISCOVERY) as heard:
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
            status(charger, "Available")
            await heard.shows({"CP-1/1/status": "Available"})
        Api(f"unix:{server.database}.sock", Sought(name="", hint="")).ask(
            "DELETE", "admin", "chargers", "CP-1"
        )
        await heard.shows({"CP-1/1/status": "", "CP-1/link": ""})
        assert [one.payload for one in heard.messages if one.topic == DISCOVERY][-1] == b""


async def test_a_command_reaches_its_charger(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """tests/plugins/mqtt/test_commands.py has all others."""
    flags = ("--mqtt", mosquitto.url, "--mqtt-commands", "home")
    with serving(tmp_path / "levity.db", *flags) as server, Charger(server.port, "CP-1") as charger:
        charger.boot()
        status(charger, "Available")
        Api(f"unix:{server.database}.sock", Sought(name="", hint="")).ask(
            "POST", "admin", "tokens", given={"name": "home", "role": "operator"}
        )
        async with listener(mosquitto, "levity/CP-1/1/answer/+") as heard:
            await trio.to_thread.run_sync(server.wait_line, CONNECTED)
            await heard.tell("levity/CP-1/1/command/unlock", b"")
            _, number, action, _ = await trio.to_thread.run_sync(charger.receive)
            assert action == "UnlockConnector"
            charger.send_text(json.dumps([3, number, {"status": "Unlocked"}]))
            await heard.until(1)
            assert json.loads(heard.newest["CP-1/1/answer/unlock"])["ok"] is True


@pytest.mark.parametrize("users", [None, {"levity": "right"}])
async def test_a_warning_of_a_broker_that_takes_commands_from_anybody(
    tmp_path: Path, users: dict[str, str] | None
) -> None:
    warning = "the MQTT broker takes commands from anybody; give it users and an access list"
    with running(Mosquitto(tmp_path / "m", users=users)) as mosquitto:
        url = mosquitto.url.replace("//", "//levity@")
        (tmp_path / "password").write_text("right")
        flags = (
            "--mqtt",
            url,
            "--mqtt-password-file",
            str(tmp_path / "password"),
            "--mqtt-commands",
            "home",
        )
        with serving(tmp_path / "levity.db", *flags) as server:
            server.wait_line(CONNECTED)
            if users is None:
                await trio.to_thread.run_sync(server.wait_line, warning)
            else:
                with trio.fail_after(60):
                    while "not authorised" not in mosquitto.log.read_text():  # noqa: ASYNC110
                        await trio.sleep(0.05)
                await trio.sleep(0.2)
                assert not server.find(warning)


async def test_what_the_broker_retains_of_a_charger_that_was_hidden_meanwhile_is_cleared(
    server: Serving, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """Once: Home Assistant warns of each withdrawal of what it does not know."""
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        status(charger, "Available")
        status(charger, "Available", connector=2)
        async with listener(mosquitto, "levity/#") as heard:
            await heard.shows({"CP-1/2/status": "Available", "site/charging": "0"})
    server.stop()
    assert main(["forget", "CP-1", "--db", str(server.database)]) == 0
    async with listener(mosquitto, "levity/#", DISCOVERY) as heard:
        with serving(tmp_path / "levity.db", "--mqtt", mosquitto.url):
            await heard.shows(
                {"CP-1/link": "", "CP-1/1/status": "", "CP-1/2/current/L1": "", DISCOVERY: ""}
            )
            heard.messages.clear()
            await heard.tell("homeassistant/status", b"online")
            await heard.shows({"site/charging": "0"})
            assert DISCOVERY not in heard.newest
    async with listener(mosquitto, "levity/#", DISCOVERY) as heard:
        await heard.shows({"site/charging": "0"})
        assert not [topic for topic in heard.newest if "CP-1" in topic]


def test_it_costs_nothing_without_a_broker(tmp_path: Path) -> None:
    with serving(tmp_path / "levity.db") as server:
        modules = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "paho" not in modules


async def test_home_assistant_reads_the_language_of_the_owner_and_what_there_is(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """Names are in the language of the first admin; a limit and a boost are offered once there is a
    feeder."""
    with serving(tmp_path / "levity.db") as server, Charger(server.port, "CP-1") as charger:
        charger.boot()
        status(charger, "Available")
        given = {
            "name": "cleo",
            "role": "admin",
            "password": "a long enough password",
            "language": "de",
        }
        api_of(server).ask("POST", "admin", "users", given=given)
        api_of(server).ask("POST", "admin", "tokens", given={"name": "home", "role": "operator"})
    for has_feeder in (False, True):
        with serving(
            tmp_path / "levity.db", "--mqtt", mosquitto.url, "--mqtt-commands", "home"
        ) as server:
            server.wait_line(CONNECTED)
            async with listener(mosquitto, "levity/CP-1/#", DISCOVERY) as heard:

                def offers_a_boost(heard: Heard = heard) -> bool:
                    told = json.loads(
                        heard.newest.get(DISCOVERY, '{"components": {"1_boost": {}}}')
                    )
                    return "command_topic" in told["components"]["1_boost"]

                await heard.shows({"CP-1/link": "offline"})
                await heard.wait(
                    lambda: DISCOVERY in heard.newest and offers_a_boost() is has_feeder  # noqa: B023 - here
                )
                assert (
                    json.loads(heard.newest[DISCOVERY])["components"]["energy"]["name"] == "Energie"
                )
            api_of(server).ask(
                "PUT",
                "admin",
                "load",
                "site",
                given={"feeder": {"amperes": 63, "house": "none", "most": 16}},
            )
