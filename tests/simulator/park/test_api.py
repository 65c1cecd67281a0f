"""The API with real chargers: create, change, command, refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from levity_trio.signed.keys import parse_key
from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.state import ChargerSpec
from levity_trio.simulator.park.api import ACTIONS
from levity_trio.simulator.park.park import DEFAULT_LOCATION, Limits, template
from levity_trio.simulator.physics import Status
from tests.simulator.park.parks import Asker, running_park

CP_1, CP_2 = "/api/chargers/CP-1", "/api/chargers/CP-2"


def fields(problem: dict[str, Any]) -> list[str]:
    return [one["field"] for one in problem["problems"]]


async def test_chargers_are_listed_without_their_passwords(api: Asker) -> None:
    given = {
        "id": "CP-3",
        "security_profile": 1,
        "password": "secret-enough-for-1",
        "quirks": ["grizzl-e"],
    }
    await api.done("POST", "/api/chargers", given)
    listed = await api.ask("GET", "/api/chargers")
    assert [one["id"] for one in listed.json()] == ["CP-1", "CP-2", "CP-3"]
    assert listed.json()[2]["quirks"] == ["grizzl-e"]
    assert b"secret-enough" not in listed.body


async def test_a_charger_is_shown_with_its_connectors(api: Asker) -> None:
    shown = await api.done("GET", CP_1)
    assert shown["location"] == DEFAULT_LOCATION
    assert [one["number"] for one in shown["connector"]] == [0, 1]
    assert shown["connector"][1]["status"] == Status.AVAILABLE
    assert "connector" not in await api.done("GET", CP_2)


async def test_a_charger_that_cannot_be(api: Asker) -> None:
    wrong = {"id": "CP/3", "phases": "3", "colour": "red"}
    assert fields(await api.refused(422, "POST", "/api/chargers", wrong)) == ["colour", "phases"]
    assert fields(await api.refused(422, "POST", "/api/chargers", {"id": "CP/3"})) == ["id"]
    nowhere = {"id": "CP-3", "location": "Nowhere", "quirks": ["never-heard-of"]}
    assert fields(await api.refused(422, "POST", "/api/chargers", nowhere)) == [
        "location",
        "quirks",
    ]
    assert len(await api.done("GET", "/api/chargers")) == 2


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b'{"id": "A"} {}', b"[" * 100_000])
async def test_a_body_that_is_no_object(api: Asker, body: bytes) -> None:
    assert fields(await api.refused(422, "POST", "/api/chargers", body)) == ["body"]


async def test_an_id_is_given_once(api: Asker) -> None:
    assert (
        "exists already"
        in (await api.refused(409, "POST", "/api/chargers", {"id": "CP-1"}))["detail"]
    )


async def test_what_a_charger_is_changes_while_it_is_disconnected(api: Asker) -> None:
    assert "disconnect it" in (await api.refused(409, "PATCH", CP_1, {"connectors": 3}))["detail"]
    await api.done("POST", f"{CP_1}/disconnect")
    await api.done("PATCH", CP_1, {"connectors": 3, "register_wh": 500, "firmware_version": "2.0"})
    shown = await api.done("POST", f"{CP_1}/connect")
    assert [one["register_wh"] for one in shown["connector"]] == [500] * 4
    assert shown["firmware_version"] == "2.0"


async def test_more_connectors_keep_what_the_others_showed(api: Asker) -> None:
    api.park.find("CP-2").memory.registers[:] = [0.0, 11.0, 22.0]
    await api.done("PATCH", CP_2, {"connectors": 3})
    assert api.park.find("CP-2").memory.registers == [0.0, 11.0, 22.0, 0.0]
    await api.done("PATCH", CP_2, {"connectors": 1})
    assert api.park.find("CP-2").memory.registers == [0.0, 11.0]


async def test_where_a_charger_stands_changes_at_any_time(api: Asker) -> None:
    await api.done("POST", "/api/locations", {"name": "Yard"})
    shown = await api.done("PATCH", CP_1, {"location": "Yard", "auto_connect": False})
    assert (shown["location"], shown["auto_connect"], shown["state"]) == (
        "Yard",
        False,
        "connecting",
    )
    assert fields(await api.refused(422, "PATCH", CP_1, {"id": "CP-9"})) == ["id"]


async def test_a_removed_charger_is_gone(api: Asker) -> None:
    await api.done("DELETE", CP_1)
    assert api.park.running("CP-1") is None
    assert "CP-1" in (await api.refused(404, "GET", CP_1))["detail"]
    await api.refused(404, "DELETE", CP_1)


async def test_connect_and_disconnect_once(api: Asker) -> None:
    assert (await api.done("POST", f"{CP_2}/connect"))["state"] == "connecting"
    assert "already" in (await api.refused(409, "POST", f"{CP_2}/connect"))["detail"]
    assert (await api.done("POST", f"{CP_2}/disconnect"))["state"] == "disconnected"
    assert "connect it first" in (await api.refused(409, "POST", f"{CP_2}/disconnect"))["detail"]


async def test_a_session_from_plug_to_unplug(api: Asker) -> None:
    await api.done("POST", "/api/vehicles", {"name": "Compact", "soc": 0.5})
    plugged = await api.done("POST", f"{CP_1}/plug", {"vehicle": "Compact"})
    assert plugged["connector"][1]["soc"] == 0.5
    charging = (await api.done("POST", f"{CP_1}/start", {"tag": "ABC"}))["connector"][1]
    assert (charging["status"], charging["id_tag"], charging["power_w"]) == (
        "Charging",
        "ABC",
        7360,
    )
    assert charging["transaction_id"] == -1
    assert (await api.done("POST", f"{CP_1}/stop"))["statuses"] == ["Finishing"]
    assert (await api.done("POST", f"{CP_1}/unplug"))["statuses"] == ["Available"]


async def test_faults_come_and_go(api: Asker) -> None:
    faulted = await api.done("POST", f"{CP_1}/fault", {"error_code": "GroundFailure"})
    assert faulted["connector"][1]["error_code"] == "GroundFailure"
    assert faulted["statuses"] == ["Faulted"]
    assert (await api.done("POST", f"{CP_1}/clear-fault"))["statuses"] == ["Available"]
    whole = await api.done("POST", f"{CP_1}/fault", {"connector": 0})
    assert whole["connector"][0]["status"] == "Faulted"


async def test_a_status_that_4_9_does_not_allow(api: Asker) -> None:
    assert (await api.done("POST", f"{CP_1}/status", {"status": "Unavailable"}))["statuses"] == [
        "Unavailable"
    ]
    assert (
        "4.9"
        in (await api.refused(409, "POST", f"{CP_1}/status", {"status": "Finishing"}))["detail"]
    )


async def test_offline_and_online(api: Asker) -> None:
    assert (await api.done("POST", f"{CP_1}/offline"))["state"] == "offline"
    assert (await api.done("POST", f"{CP_1}/online"))["state"] == "connecting"


async def test_what_cannot_be_done_now(api: Asker) -> None:
    assert "nothing is plugged" in (await api.refused(409, "POST", f"{CP_1}/unplug"))["detail"]
    assert (
        "not connected"
        in (await api.refused(409, "POST", f"{CP_2}/unplug", {"connector": 1}))["detail"]
    )
    assert "no action" in (await api.refused(404, "POST", f"{CP_1}/kick"))["detail"]


@pytest.mark.parametrize(
    ("where", "given", "field"),
    [
        (f"{CP_1}/plug", {"connector": 2}, "connector"),
        (f"{CP_1}/plug", {"connector": 0}, "connector"),
        (f"{CP_1}/plug", {"connector": "1"}, "connector"),
        (f"{CP_1}/plug", {"vehicle": "Nobody's"}, "vehicle"),
        (f"{CP_1}/plug", {"car": "Compact"}, "car"),
        (f"{CP_1}/tag", {}, "tag"),
        (f"{CP_1}/tag", {"tag": ""}, "tag"),
        (f"{CP_1}/start", {"tag": "x" * 21}, "tag"),
        (f"{CP_1}/fault", {"error_code": "NoError"}, "error_code"),
        (f"{CP_1}/status", {"status": "available"}, "status"),
        (f"{CP_1}/offline", {"connector": 1}, "connector"),
        (f"{CP_2}/unplug", {}, "connector"),
    ],
)
async def test_an_action_said_wrongly(
    api: Asker, where: str, given: dict[str, object], field: str
) -> None:
    assert fields(await api.refused(422, "POST", where, given)) == [field]


@pytest.mark.parametrize("action", ACTIONS)
async def test_every_action_needs_a_charger(api: Asker, action: str) -> None:
    await api.refused(404, "POST", f"/api/chargers/CP-9/{action}")


async def test_a_charger_that_waits_for_the_central_system_keeps_people_waiting(path: Path) -> None:
    async with running_park(path, Limits(patience_seconds=0.05)) as api:
        await api.done("POST", "/api/chargers", {"id": "CP-1"})
        charger = api.park.running("CP-1")
        assert charger is not None
        charger.agenda.hold()
        assert "busy" in (await api.refused(409, "POST", f"{CP_1}/plug"))["detail"]
        assert (await api.done("GET", CP_1))["statuses"] == ["Available"]
        charger.agenda.release()
        charger.advance(api.park.now())  # an act that timed out is not done later
        assert not charger.connectors[1].meter.is_plugged


async def test_to_look_at_a_waiting_charger_does_not_move_its_time(api: Asker) -> None:
    charger = api.park.running("CP-1")
    assert charger is not None
    charger.agenda.hold()
    charger.agenda.plan(api.park.now(), charger.connectors[1].meter.advance)
    await api.done("GET", CP_1)
    charger.agenda.release()
    charger.advance(api.park.now())  # a meter that was advanced would refuse


async def test_configuration(api: Asker) -> None:
    keys = await api.done("GET", f"{CP_1}/configuration")
    assert {"key": "NumberOfConnectors", "readonly": True, "value": "1"} in keys
    for charger in (CP_1, CP_2):  # connected or not
        changed = await api.done(
            "PUT", f"{charger}/configuration/heartbeatinterval", {"value": "33"}
        )
        assert changed == {
            "key": "HeartbeatInterval",
            "readonly": False,
            "value": "33",
            "status": "Accepted",
        }
    assert (await api.done("GET", f"{CP_2}/configuration/HeartbeatInterval"))["value"] == "33"


async def test_the_key_of_a_meter_that_signs_is_told(api: Asker) -> None:
    key = f"{CP_2}/configuration/MeterPublicKey1"
    await api.refused(404, "GET", key)
    await api.done("PATCH", CP_2, {"signing_seed": "mine"})
    told = await api.done("GET", key)
    assert told["readonly"]
    assert parse_key(told["value"]).curve == "secp256r1"


async def test_configuration_that_is_refused(api: Asker) -> None:
    for charger in (CP_1, CP_2):
        await api.refused(404, "GET", f"{charger}/configuration/NoSuchKey")
        await api.refused(404, "PUT", f"{charger}/configuration/NoSuchKey", {"value": "1"})
        for value in (60, None, "soon"):
            path = f"{charger}/configuration/HeartbeatInterval"
            assert fields(await api.refused(422, "PUT", path, {"value": value})) == ["value"]


async def test_the_log_shows_the_newest_frames(api: Asker) -> None:
    charger = api.park.running("CP-1")
    assert charger is not None
    assert charger.frames is not None
    charger.frames.extend((float(number), "send", f"[2,{number}]") for number in range(600))
    frames = await api.done("GET", f"{CP_1}/log?limit=2")
    assert frames == [
        {"at": 598.0, "direction": "send", "text": "[2,598]"},
        {"at": 599.0, "direction": "send", "text": "[2,599]"},
    ]
    assert len(await api.done("GET", f"{CP_1}/log")) == 50
    assert len(await api.done("GET", f"{CP_1}/log?limit=500")) == len(charger.frames) == 500
    assert await api.done("GET", f"{CP_2}/log") == []
    for limit in ("0", "x", "9" * 50, "-1"):
        assert fields(await api.refused(422, "GET", f"{CP_1}/log?limit={limit}")) == ["limit"]


async def test_chargers_of_a_scenario_are_seen_and_used_but_not_kept(api: Asker) -> None:
    fleet = api.park._fleet  # the fleet to which a scenario adds its chargers
    fleet.add(Charger(ChargerSpec(id="SCENARIO-1")))
    assert [one["id"] for one in await api.done("GET", "/api/chargers")][-1] == "SCENARIO-1"
    await api.done("POST", "/api/chargers/SCENARIO-1/plug")
    assert "scenario" in (await api.refused(409, "DELETE", "/api/chargers/SCENARIO-1"))["detail"]
    assert (
        "scenario"
        in (await api.refused(409, "PATCH", "/api/chargers/SCENARIO-1", {"location": "A"}))[
            "detail"
        ]
    )


@pytest.mark.parametrize(
    ("where", "more"),
    [("/api/vehicles", {"soc": 0.25}), ("/api/locations", {"address": "Back street 1"})],
)
async def test_records_come_and_go(api: Asker, where: str, more: dict[str, object]) -> None:
    made = await api.done("POST", where, {"name": "A/B c"})
    await api.refused(409, "POST", where, {"name": "A/B c"})
    assert await api.done("PATCH", f"{where}/A/B c", more) == made | more
    assert made | more in await api.done("GET", where)
    assert await api.done("GET", f"{where}/A/B c") == made | more
    assert fields(await api.refused(422, "PATCH", f"{where}/A/B c", {"name": "D"})) == ["name"]
    assert fields(await api.refused(422, "POST", where, {"name": " "})) == ["name"]
    await api.done("DELETE", f"{where}/A/B c")
    await api.refused(404, "GET", f"{where}/A/B c")
    await api.refused(404, "PATCH", f"{where}/A/B c", more)


async def test_a_location_in_use_stays(api: Asker) -> None:
    problem = await api.refused(409, "DELETE", f"/api/locations/{DEFAULT_LOCATION}")
    assert "in use by CP-1, CP-2" in problem["detail"]


async def test_an_import_connects_what_connects_by_itself(api: Asker) -> None:
    table = b"id,auto_connect\nCP-8,true\nCP-9,false\n"
    reply = await api.ask("POST", "/api/import/chargers", table, "text/csv; charset=utf-8")
    assert (reply.status, reply.json()) == (201, {"imported": ["CP-8", "CP-9"]})
    states = {one["id"]: one["state"] for one in await api.done("GET", "/api/chargers")}
    assert (states["CP-8"], states["CP-9"]) == ("connecting", "disconnected")


async def test_a_faulty_import_tells_its_lines(api: Asker) -> None:
    reply = await api.ask("POST", "/api/import/vehicles", b"name,soc\nA,2\nB,x\n", "text/csv")
    assert reply.status == 422
    assert [(one["line"], one["column"]) for one in reply.json()["faults"]] == [
        (2, "soc"),
        (3, "soc"),
    ]
    assert await api.done("GET", "/api/vehicles") == []


async def test_imports_that_are_none(api: Asker) -> None:
    assert (await api.ask("POST", "/api/import/chargers", b"id\nA\n", "text/plain")).status == 415
    await api.refused(404, "POST", "/api/import/tariffs", [])


async def test_templates(api: Asker) -> None:
    reply = await api.ask("GET", "/api/templates/chargers.csv")
    assert reply.media_type.startswith("text/csv")
    assert reply.body.decode() == template("chargers")
    await api.refused(404, "GET", "/api/templates/tariffs")


async def test_another_host_is_refused(api: Asker) -> None:
    for host in ("evil.example", "evil.example:9100", "localhost.evil.example", "192.0.2.1", ""):
        reply = await api.ask("POST", f"{CP_1}/disconnect", host=host)
        assert (reply.status, reply.media_type) == (421, "application/problem+json"), host
    for host in ("localhost", "127.0.0.1:9100", "[::1]", "LocalHost:1"):
        assert (await api.ask("GET", CP_1, host=host)).status == 200, host
    assert (await api.done("GET", CP_1))["connector"]


async def test_a_web_page_is_refused(api: Asker) -> None:
    reply = await api.ask("POST", f"{CP_1}/disconnect", origin="http://localhost:8080")
    assert (reply.status, reply.media_type) == (403, "application/problem+json")
    assert (await api.done("GET", CP_1))["connector"]
