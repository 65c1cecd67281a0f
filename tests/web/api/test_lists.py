"""The routes that read and list: what they show, to whom, and their errors."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from starlette.datastructures import QueryParams

from levity_trio.store.engine.frame_log import store_frames
from levity_trio.store.reads.pages import cursor_of
from levity_trio.store.writes.chargers.registration import DecidedBy, adopt
from levity_trio.store.writes.chargers.sessions import set_aside
from levity_trio.store.writes.transactions.decisions import Correction, Decision, correct
from levity_trio.web.api.chargers import chargers, configuration, operations
from levity_trio.web.api.engine.endpoints import Endpoint, Role, read_query
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.site import logs
from levity_trio.web.api.transactions import transactions
from tests.store.books import Station
from tests.web.api.conftest import Site

EVERY: list[Endpoint] = [
    *transactions.ENDPOINTS,
    *(
        one
        for one in chargers.ENDPOINTS
        if not re.search("/(refuse|adopt|addresses|codes|meter-keys)", one.path)
    ),
    *configuration.ENDPOINTS,
    *logs.ENDPOINTS,
    *(one for one in operations.ENDPOINTS if one.method == "GET"),
]
CHARGER = "/api/admin/chargers/{id}"


def endpoint(method: str, path: str) -> Endpoint:
    (found,) = [one for one in EVERY if (one.method, one.path) == (method, path)]
    return found


def get(path: str) -> Endpoint:
    return endpoint("GET", path)


def charge(station: Station, start: int = 1000, stop: int = 6000, tag: str = "TAG") -> int:
    number = station.start(start, tag=tag)
    station.books.wait(30)
    station.tell(station.register(start + 2500), transaction=number)
    station.books.wait(30)
    station.stop(number, stop)
    return number


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/admin/transactions", "connector"),
        (f"{CHARGER}/meter-values", "connector"),
        (f"{CHARGER}/statuses", "connector"),
        ("/api/admin/chargers", "station"),
    ],
)
async def test_a_number_that_no_database_holds_is_refused(
    site: Site, station: Station, path: str, name: str
) -> None:
    with pytest.raises(Problem) as told:
        await site.call(get(path), id=station.name, query={name: str(2**63)})
    assert told.value.status == 422
    assert told.value.detail.startswith(f"{name}: ")


@pytest.mark.parametrize(
    "since", ["0001-01-01", "0001-01-01T00:00:00.000001Z", "9999-12-31T23:59:59.999999Z"]
)
async def test_the_uptime_since_any_day(site: Site, station: Station, since: str) -> None:
    (shown,) = (await site.call(get("/api/admin/uptime"), query={"from": since}))["data"]
    assert shown["charger"] == station.name


# Transactions


async def test_transactions_by_filters(site: Site, station: Station) -> None:
    first, second = charge(station), charge(station, 6000, 9000, tag="BEN")
    listing = get("/api/admin/transactions")
    found = await site.call(listing)
    assert [one["id"] for one in found["data"]] == [second, first]
    assert (found["total"], found["page"], found["limit"]) == (2, 1, 50)
    shown = found["data"][1]
    assert (
        shown["meter_start_wh"],
        shown["meter_start_kwh"],
        shown["energy_wh"],
        shown["energy_kwh"],
    ) == (*(1000, 1.0, 5000, 5.0),)
    assert shown["start_time"] == "2026-03-01T12:00:00.000Z"
    for query, ids in (
        ({"tag": "BEN"}, [second]),
        ({"charger": "CP-1", "connector": "1", "status": "Completed"}, [second, first]),
        ({"from": "2026-03-01T13:00:00+00:00", "to": "2026-03-02"}, [second]),
        ({"to": "2026-03-01"}, []),
        ({"review": "true"}, []),
        ({"bill": "nobody's"}, [second, first]),
        ({"bill": "nobody's", "tag": "BEN", "limit": "1"}, [second]),
        ({"bill": "to be billed"}, []),
        ({"sort": "oldest", "limit": "1"}, [first]),
    ):
        found = await site.call(listing, query=query)
        assert [one["id"] for one in found["data"]] == ids, query
    rest = await site.call(
        listing,
        query={
            "limit": "1",
            "cursor": (await site.call(listing, query={"limit": "1"}))["next_cursor"],
        },
    )
    assert [one["id"] for one in rest["data"]] == [first]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        pytest.param({"from": "yesterday"}, 422, id="no time"),
        pytest.param({"cursor": "x"}, 404, id="no cursor"),
        pytest.param({"cursor": cursor_of((2**64 - 1, 1))}, 404, id="no number of SQLite"),
    ],
)
async def test_a_query_that_cannot_be_answered(
    site: Site, query: dict[str, str], status: int
) -> None:
    with pytest.raises(Problem) as raised:
        await site.call(get("/api/admin/transactions"), query=query)
    assert raised.value.status == status


@pytest.mark.parametrize(
    "query",
    [
        {"page": "0"},
        {"limit": "501"},
        {"status": "Odd"},
        {"connector": "-1"},
        {"colour": "red"},
        {"bill": "paid"},
    ],
)
def test_a_query_that_is_none(query: dict[str, str]) -> None:
    with pytest.raises(Problem):
        read_query(transactions.TransactionsQuery, QueryParams(query))


async def test_one_transaction_with_its_parts(site: Site, station: Station) -> None:
    number = str(charge(station))
    path = "/api/admin/transactions/{id}"
    one = await site.call(get(path), id=number)
    assert (one["state"], one["bill"]) == ("stopped", "nobody's")
    readings = await site.call(get(f"{path}/meter-values"), id=number)
    assert [(one["wh"], one["kwh"], one["value"]) for one in readings["data"]] == [
        (3500, 3.5, "3500")
    ]
    assert not (
        await site.call(get(f"{path}/meter-values"), id=number, query={"measurand": "Voltage"})
    )["data"]
    events = await site.call(get(f"{path}/events"), id=number)
    assert [one["payload"]["timestamp"] for one in events["data"]] == [
        "2026-03-01T12:00:00Z",
        "2026-03-01T13:00:00Z",
    ]
    told = await site.call(get(f"{path}/explain"), id=number)
    assert told["today"]["is_as_stored"]
    assert (told["bill"]["state"], told["bill"]["account"], told["bill"]["price"]) == (
        "nobody's",
        None,
        None,
    )
    assert "  It belongs to nobody." in told["lines"]
    assert f"Session {number} of CP-1, connector 1, card TAG: stopped" in told["lines"]
    for part in ("", "/meter-values", "/events", "/explain"):
        for unknown in ("7", "x", "９", "9" * 30):
            with pytest.raises(Problem, match=r"no session|a whole number"):
                await site.call(get(f"{path}{part}"), id=unknown)


async def test_a_viewer_sees_no_frame(site: Site, station: Station) -> None:
    number = str(charge(station))
    path = "/api/admin/transactions/{id}"
    events = await site.call(get(f"{path}/events"), role=Role.VIEWER, id=number)
    assert [one["payload"] for one in events["data"]] == [None, None]
    told = await site.call(get(f"{path}/explain"), role=Role.VIEWER, id=number)
    assert {step["frame"] for step in told["steps"]} == {None}
    assert {step["details"].get("payload") for step in told["steps"]} == {None}
    links = await site.call(get(f"{CHARGER}/links"), role=Role.VIEWER, id="CP-1")
    assert [one["remote_address"] for one in links["data"]] == [None]
    assert [
        one["remote_address"]
        for one in (await site.call(get(f"{CHARGER}/links"), id="CP-1"))["data"]
    ] == ["10.0.0.1"]
    assert {
        one.path: one.role for one in EVERY if one.role is not Role.VIEWER and one.method == "GET"
    } == {
        "/api/logs": Role.OPERATOR,
        "/api/admin/set-aside": Role.OPERATOR,
        f"{CHARGER}/set-aside": Role.OPERATOR,
        "/api/admin/commands": Role.OPERATOR,
        "/api/admin/commands/{id}": Role.OPERATOR,
        "/api/admin/files/{id}/content": Role.OPERATOR,
        "/api/admin/review": Role.OPERATOR,
        "/api/admin/review/groups": Role.OPERATOR,
        "/api/admin/review/groups/{charger}/{cause}": Role.OPERATOR,
        f"{CHARGER}/commands": Role.OPERATOR,
        f"{path}/signed": Role.OPERATOR,
    }


async def test_a_viewer_sees_neither_names_nor_reasons_of_operators_nor_where_stations_are(
    site: Site, station: Station
) -> None:
    number = str(charge(station))
    decision = Decision("anna", "she read the meter", station.books.at)
    station.books.run(correct, int(number), Correction(figure_wh=4000), decision)
    path = "/api/admin/transactions/{id}"
    for role, is_seen in ((Role.VIEWER, False), (Role.OPERATOR, True)):
        for part in ("events", "explain"):
            told = str(await site.call(get(f"{path}/{part}"), role=role, id=number))
            assert ("anna" in told, "read the meter" in told) == (is_seen, is_seen)
    told = await site.call(get(f"{path}/events"), role=Role.VIEWER, id=number)
    assert [one["who"] for one in told["data"]] == ["charger", "charger", "an operator"]
    position = {"address": "Main St 1", "latitude": 1.5, "longitude": 2.5}
    created = await site.call(
        endpoint("POST", "/api/admin/stations"), body={"name": "Garage", **position}
    )
    assert created["address"] == "Main St 1"
    listed = await site.call(get("/api/admin/stations"), role=Role.VIEWER)
    (shown,) = listed["data"]
    assert shown == await site.call(
        get("/api/admin/stations/{id}"), role=Role.VIEWER, id=str(created["id"])
    )
    assert {name: shown[name] for name in ("name", *position)} == {
        "name": "Garage",
        **dict.fromkeys(position),
    }


# Chargers


async def test_a_charger_is_added_changed_retired_and_forgotten(site: Site) -> None:
    create, replace = endpoint("POST", "/api/admin/chargers"), endpoint("PUT", CHARGER)
    found = await site.call(create, body={"id": "CP 7%", "name": "Anna's"})
    assert (found["id"], found["name"], found["is_connected"]) == ("CP 7%", "Anna's", False)
    garage = await site.call(endpoint("POST", "/api/admin/stations"), body={"name": "Garage"})
    found = await site.call(replace, id="CP 7%", body={"name": "Ben's", "station": garage["id"]})
    assert (found["name"], found["station_id"]) == ("Ben's", garage["id"])
    for body, code in (
        ({"id": "CP 7%"}, "conflict"),
        ({"id": "a/b"}, "invalid"),
        ({"id": ""}, "invalid"),
        ({"id": "x" * 49}, "invalid"),
        ({"id": "CP-8", "station": 99}, "conflict"),
    ):
        with pytest.raises(Problem) as raised:
            await site.call(create, body=body)
        assert raised.value.code == code
    await site.call(endpoint("DELETE", CHARGER), id="CP 7%")
    assert site.books.row("SELECT retired_on FROM cp") == ("2026-03-01",)
    assert not (await site.call(get("/api/admin/chargers")))["data"]
    assert len((await site.call(get("/api/admin/chargers"), query={"hidden": "true"}))["data"]) == 1
    await site.call(create, body={"id": "CP 7%"})
    await site.call(endpoint("POST", f"{CHARGER}/forget"), id="CP 7%")
    assert site.books.row("SELECT retired_on, hidden_at FROM cp") == (None, site.books.at)


async def test_a_charger_that_charges_is_not_hidden(site: Site, station: Station) -> None:
    station.start()
    for path in (endpoint("DELETE", CHARGER), endpoint("POST", f"{CHARGER}/forget")):
        with pytest.raises(Problem, match="has an open session") as raised:
            await site.call(path, id="CP-1")
        assert (raised.value.status, raised.value.code) == (409, "conflict")


async def test_who_only_began_a_session_is_forgotten_by_force(site: Site) -> None:
    forget = endpoint("POST", "/api/admin/chargers/forget")
    Station(site.books, "SCAN-1").start(1000)
    assert (await site.call(forget, body={"like": "SCAN-*"}))["forgotten"] == []
    assert (await site.call(forget, body={"like": "SCAN-*", "force": True}))["forgotten"] == [
        "SCAN-1"
    ]


async def test_several_are_forgotten_at_once_or_none(site: Site, station: Station) -> None:
    """A pattern never takes one that has charged or was adopted."""
    forget = endpoint("POST", "/api/admin/chargers/forget")
    station.stop(station.start(1000), meter=2000)
    for name in ("CP-2", "CP-3", "OLD", "TEST_1", "test_2"):
        Station(site.books, name)
    site.books.run(adopt, "CP-2", DecidedBy(site.books.at, "anna", "ours"))
    body: dict[str, Any]
    for body, code in (
        ({}, "invalid"),
        ({"like": ""}, "invalid"),
        ({"chargers": ["OLD", "NOBODY"]}, "not_found"),
        ({"chargers": [], "like": None}, "invalid"),
    ):
        with pytest.raises(Problem) as raised:
            await site.call(forget, body=body)
        assert raised.value.code == code
    assert site.books.value("SELECT count(*) FROM cp WHERE hidden_at IS NOT NULL") == 0
    for body, forgotten in (
        ({"like": "NOTHING-*"}, []),
        ({"chargers": ["OLD", "OLD"], "like": "CP-[0-9]"}, ["OLD", "CP-3"]),
        ({"like": "*"}, ["TEST_1", "test_2"]),
        ({"chargers": ["CP-1", "CP-2"]}, ["CP-1", "CP-2"]),
    ):
        assert (await site.call(forget, body=body))["forgotten"] == forgotten
    station.start(9000)
    with pytest.raises(Problem, match="CP-1 has an open session"):
        await site.call(forget, body={"chargers": ["OLD", "CP-1"]})


async def test_what_a_person_says_about_a_connector(site: Site, station: Station) -> None:
    station.status("Available")
    describe = endpoint("PUT", f"{CHARGER}/connectors/{{connector}}")
    found = await site.call(
        describe, id="CP-1", connector="1", body={"type": "Type2", "max_kw": 7.4}
    )
    assert (found["status"], found["type"], found["max_w"], found["said_by"]) == (
        "Available",
        "Type2",
        7400,
        "anna",
    )
    assert (await site.call(get("/api/admin/connectors")))["data"] == [found]
    for connector in ("0", "x", "1000"):
        with pytest.raises(Problem, match="no connector"):
            await site.call(describe, id="CP-1", connector=connector, body={})


@pytest.mark.parametrize("one", EVERY, ids=lambda one: f"{one.method} {one.path}")
async def test_an_unknown_charger(site: Site, one: Endpoint) -> None:
    if not one.path.startswith(CHARGER):
        return
    needed: dict[str, Any] = (
        {"from": "2026-03-01"} if one.path.endswith("changes") else {"key": "K", "other": "CP-2"}
    )
    names = (
        {field.encode_name for field in msgspec.structs.fields(one.query)} if one.query else set()
    )
    query = {name: value for name, value in needed.items() if name in names}
    with pytest.raises(Problem, match="no charger CP-9") as raised:
        await site.call(one, id="CP-9", connector="1", query=query, body={})
    assert (raised.value.status, raised.value.code) == (404, "not_found")


async def test_facts_of_one_charger_and_of_all(site: Site, station: Station) -> None:
    station.boot()
    station.status("Faulted", error="GroundFailure")
    station.write(
        set_aside, station.message("StopTransaction", transactionId=7), "no transaction fits"
    )
    other = Station(site.books, "CP-2")
    other.boot()
    for name, of_one, of_all in (
        ("boots", 1, 2),
        ("statuses", 1, 1),
        ("faults", 1, 1),
        ("set-aside", 1, 1),
        ("links", 1, 2),
        ("uptime", 1, 2),
        ("repairs", 0, 0),
        ("habits", 0, 0),
        ("connectors", 1, 1),
        ("configuration", 0, 0),
    ):
        for found, count in (
            (await site.call(get(f"{CHARGER}/{name}"), id="CP-1"), of_one),
            (await site.call(get(f"/api/admin/{name}"), query={"charger": "CP-1"}), of_one),
            (await site.call(get(f"/api/admin/{name}")), of_all),
        ):
            assert len(found["data"]) == found["total"] == count, name


@pytest.mark.usefixtures("station")
async def test_configuration_changes_history_and_differences(site: Site) -> None:
    for value in ("60", "900"):
        site.books.connection.execute(
            "INSERT INTO configuration (cp_id, session_id, key, value, readonly, read_at)"
            " VALUES ('CP-1', 1, 'K', ?, 0, ?)",
            (value, site.books.at),
        )
        site.books.wait(1)
    Station(site.books, "CP-2")
    path = f"{CHARGER}/configuration"
    changed = await site.call(
        get(f"{path}/changes"), id="CP-1", query={"from": "2026-03-01T12:00:30Z"}
    )
    assert [(one["before"]["value"], one["after"]["value"]) for one in changed["data"]] == [
        ("60", "900")
    ]
    kept = await site.call(get(f"{path}/history"), id="CP-1", query={"key": "K"})
    assert [one["value"] for one in kept["data"]] == ["900", "60"]
    differing = await site.call(get(f"{path}/differences"), id="CP-1", query={"other": "CP-2"})
    assert [(one["key"], one["one"]["value"], one["other"]) for one in differing["data"]] == [
        ("K", "900", None)
    ]
    then = await site.call(get(path), id="CP-1", query={"at": "2026-03-01T12:00:30Z"})
    assert [one["value"] for one in then["data"]] == ["60"]


@pytest.mark.usefixtures("station")
async def test_connected_chargers_as_in_the_csms(site: Site) -> None:
    Station(site.books, "CP-2").lose()
    found = await site.call(get("/api/charge-points"))
    assert found == [{"charge_point_id": "CP-1", "connected": True, "last_seen": site.books.at}]


async def test_readings_of_a_charger(site: Site, station: Station) -> None:
    charge(station)
    found = await site.call(
        get(f"{CHARGER}/meter-values"), id="CP-1", query={"connector": "1", "from": "2026-03-01"}
    )
    assert [one["wh"] for one in found["data"]] == [3500]


# Stations


async def test_a_station_over_the_api(site: Site) -> None:
    create, path = endpoint("POST", "/api/admin/stations"), "/api/admin/stations/{id}"
    found = await site.call(create, body={"name": "Garage", "latitude": 47.37, "longitude": 8.54})
    number = str(found["id"])
    assert await site.call(get(path), id=number) == found
    changed = await site.call(endpoint("PUT", path), id=number, body={"name": "Basement"})
    assert (changed["name"], changed["latitude"]) == ("Basement", None)
    assert (await site.call(get("/api/admin/stations")))["data"] == [changed]
    await site.call(endpoint("DELETE", path), id=number)
    for method in ("GET", "PUT", "DELETE"):
        with pytest.raises(Problem, match="no station") as raised:
            await site.call(endpoint(method, path), id=number, body={"name": "x"})
        assert raised.value.status == 404


# The log


async def test_frames_with_the_names_of_the_csms(site: Site) -> None:
    site.books.run(
        store_frames,
        [("CP-1", None, site.books.at, "recv", '"1"', "Heartbeat", '[2,"1","Heartbeat",{}]')],
    )
    found = await site.call(get("/api/logs"))
    assert found["data"] == [
        {
            "id": 1,
            "charge_point_id": "CP-1",
            "direction": "IN",
            "message_type": "Heartbeat",
            "payload": '[2,"1","Heartbeat",{}]',
            "timestamp": site.books.at,
            "correlation_id": '"1"',
            "session": None,
        }
    ]
    assert found["total"] == 1
    of_today = await site.call(get("/api/logs"), query={"charger": "CP-1"})
    assert of_today["data"] == found["data"]
    site.books.wait(25 * 60)
    assert not (await site.call(get("/api/logs"), query={"charger": "CP-1"}))["data"]
    found = await site.call(get("/api/logs"), query={"charger": "CP-1", "from": "2026-03-01"})
    assert (len(found["data"]), found["total_at_least"]) == (1, 1)


# Commands


@pytest.mark.usefixtures("station")
async def test_commands_of_one_charger_and_of_all(site: Site) -> None:
    site.books.connection.execute(
        (
            "INSERT INTO command (cp_id, action, payload, state, requested_at) "
            "VALUES ('CP-1', 'Reset', '{}', 'queued', ?)"
        ),
        (site.books.at,),
    )
    (found,) = (await site.call(get("/api/admin/commands")))["data"]
    assert (found["action"], found["state"], found["payload"]) == ("Reset", "queued", {})
    assert (await site.call(get(f"{CHARGER}/commands"), id="CP-1"))["data"] == [found]
    assert await site.call(get("/api/admin/commands/{id}"), id="1") == found
    with pytest.raises(Problem, match="no command 2"):
        await site.call(get("/api/admin/commands/{id}"), id="2")
