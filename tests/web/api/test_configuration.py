"""Templates, readings and differences over the API, without chargers: what may be kept, by whom,
and what is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from levity_trio.operations.configuration import OPTIONAL, REQUIRED
from levity_trio.store.engine.faults import StoreUnavailable
from levity_trio.store.writes.chargers.configuration import NewReading, add_reading
from levity_trio.web.api.chargers import chargers, configuration, operations
from levity_trio.web.api.engine.endpoints import Endpoint, Role
from levity_trio.web.api.engine.problems import Problem
from tests.sizes import is_chosen
from tests.store.books import Station
from tests.web.api.conftest import Site

PATH = "/api/admin/configuration-templates"
GARAGE = {
    "entries": {"LightIntensity": "20", "ResetRetries": "3"},
    "chargers": ["CP-1", "CP-2", "CP-1"],
}


def endpoint(method: str, path: str) -> Endpoint:
    every: list[Endpoint] = [*configuration.ENDPOINTS, *chargers.ENDPOINTS]
    (found,) = [one for one in every if (one.method, one.path) == (method, path)]
    return found


async def put(site: Site, body: object, role: Role = Role.OPERATOR, name: str = "garage") -> Any:
    return await site.call(endpoint("PUT", f"{PATH}/{{name}}"), body=body, role=role, name=name)


def tell(station: Station, **values: str) -> None:
    for key, value in values.items():
        station.books.connection.execute(
            (
                "INSERT INTO configuration (cp_id, session_id, key, value, readonly, read_at) "
                "VALUES (?, ?, ?, ?, 0, ?)"
            ),
            (station.name, station.session, key, value, station.books.at),
        )


async def test_a_template_from_its_making_to_its_end(site: Site, station: Station) -> None:
    made = await put(site, GARAGE)
    assert (made["chargers"], made["entries"], made["created_by"]) == (
        ["CP-1", "CP-2"],
        GARAGE["entries"],
        "anna",
    )
    assert await site.call(endpoint("GET", f"{PATH}/{{name}}"), name="garage") == made
    assert (await site.call(endpoint("GET", PATH)))["data"] == [made]
    assert (await site.call(endpoint("GET", PATH), role=Role.VIEWER))["data"] == [
        made | {"created_by": None}
    ]
    nameless = await site.call(endpoint("GET", f"{PATH}/{{name}}"), name="garage", role=Role.VIEWER)
    assert nameless["created_by"] is None
    tell(station, LightIntensity="50", resetretries="3")
    found = await site.call(endpoint("GET", f"{PATH}/{{name}}/report"), name="garage")
    assert found["counts"] == {"differs": 1, "not known": 1}
    assert found["chargers"][0]["keys"][0] == {
        "key": "LightIntensity",
        "standing": "differs",
        "wanted": "20",
        "has": "50",
        "read_at": site.books.at,
    }
    only = {"charger": "CP-2"}
    found = await site.call(endpoint("GET", f"{PATH}/{{name}}/report"), name="garage", query=only)
    assert [one["charger"] for one in found["chargers"]] == ["CP-2"]
    assert endpoint("DELETE", f"{PATH}/{{name}}").role is Role.ADMIN
    await site.call(endpoint("DELETE", f"{PATH}/{{name}}"), name="garage")
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/report"), ("POST", "/apply")):
        with pytest.raises(Problem) as refused:
            await site.call(
                endpoint(method, f"{PATH}/{{name}}{path}"), name="garage", body={"all": True}
            )
        assert refused.value.code == "not_found"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"entries": {}, "model": "M"}, "entries"),
        ({"entries": {"K": "1"}}, "chargers"),
        ({"entries": {"K": "1"}, "model": "M", "chargers": ["CP-1"]}, "chargers"),
        ({"entries": {"K": "1", "k": "2"}, "model": "M"}, "entries.k"),
        ({"entries": {"K" * 51: "1"}, "model": "M"}, "key"),
        ({"entries": {"K": "1" * 501}, "model": "M"}, "value"),
        ({"entries": {"AuthorizationKey": "00" * 16}, "model": "M"}, "entries.AuthorizationKey"),
        ({"entries": {"WifiPassword": "x"}, "model": "M"}, "entries.WifiPassword"),
        (
            {"entries": {"BackendUrl": "wss://anna:secret@example.com"}, "model": "M"},
            "entries.BackendUrl",
        ),
    ],
)
async def test_what_a_template_may_not_be(site: Site, body: dict[str, Any], field: str) -> None:
    with pytest.raises(Problem) as refused:
        await put(site, body, Role.ADMIN)
    assert (refused.value.code, refused.value.members["field"]) == ("invalid", field)
    assert site.books.count("configuration_template") == 0


async def test_viewers_read_the_keys_of_the_standard_only(site: Site, station: Station) -> None:
    """Which key is shown to whom, in everything that shows one: as reported, changed, compared, and
    in a template."""
    standard = {key: f"of-{key}" for key in (*REQUIRED, *OPTIONAL)}
    own = {key: f"OWN-{key}" for key in ("G_Server", "ocpp_url", "MaxEnergyOnInvalidIds", "Volume")}
    secret = {
        key: f"SECRET-{key}" for key in ("AuthorizationKey", "G_CardPin", "apnInfo", "AdminPass")
    }
    tell(station, **dict.fromkeys((*standard, *own, *secret), "before"))
    since = site.books.at
    site.books.wait(1)
    # secrets as a row of an earlier version may hold them
    tell(station, **standard, **own, **secret)
    await put(site, {"entries": standard | own, "chargers": ["CP-1"]}, Role.ADMIN)
    masked = dict.fromkeys(secret, "***")
    for role, of_own in (
        (Role.VIEWER, dict.fromkeys(own, "***")),
        (Role.OPERATOR, own),
        (Role.ADMIN, own),
    ):
        seen = standard | of_own | masked
        path = "/api/admin/chargers/{id}/configuration"
        listed = (await site.call(endpoint("GET", path), id="CP-1", role=role))["data"]
        assert {one["key"]: one["value"] for one in listed} == seen
        listed = (await site.call(endpoint("GET", "/api/admin/configuration"), role=role))["data"]
        assert {one["key"]: one["value"] for one in listed} == seen
        query = {"from": since}
        changed = (
            await site.call(endpoint("GET", f"{path}/changes"), id="CP-1", query=query, role=role)
        )["data"]
        assert {one["key"]: one["after"]["value"] for one in changed} == seen
        query = {"other": "CP-9"}
        differing = (
            await site.call(
                endpoint("GET", f"{path}/differences"), id="CP-1", query=query, role=role
            )
        )["data"]
        assert {one["key"]: one["one"]["value"] for one in differing} == seen
        for key, value in seen.items():
            if key in standard and not is_chosen(key, 8):
                continue
            past = (
                await site.call(
                    endpoint("GET", f"{path}/history"), id="CP-1", query={"key": key}, role=role
                )
            )["data"]
            assert past[0]["value"] == value
        of_template = standard | of_own
        (template,) = (await site.call(endpoint("GET", PATH), role=role))["data"]
        assert template["entries"] == of_template
        template = await site.call(endpoint("GET", f"{PATH}/{{name}}"), name="garage", role=role)
        assert template["entries"] == of_template
        report = await site.call(
            endpoint("GET", f"{PATH}/{{name}}/report"), name="garage", role=role
        )
        keys = report["chargers"][0]["keys"]
        assert (
            {one["key"]: one["wanted"] for one in keys}
            == {one["key"]: one["has"] for one in keys}
            == of_template
        )


async def test_names(site: Site) -> None:
    for name in ("..", "a b", "x" * 65, "ä"):
        with pytest.raises(Problem) as refused:
            await put(site, GARAGE, name=name)
        assert refused.value.members["field"] == "name"


async def test_security_keys_are_an_admins(site: Site) -> None:
    security = {"entries": {"SecurityProfile": "1"}, "chargers": ["CP-1"]}
    for asked, role in ((GARAGE, Role.VIEWER), (security, Role.OPERATOR)):
        with pytest.raises(Problem) as refused:
            await put(site, asked, role)
        assert refused.value.code == "forbidden"
    await put(site, security, Role.ADMIN)
    with pytest.raises(Problem) as refused:
        await site.call(
            endpoint("POST", f"{PATH}/{{name}}/apply"),
            name="garage",
            body={"all": True},
            role=Role.OPERATOR,
        )
    assert refused.value.code == "forbidden"


@pytest.mark.parametrize("body", [{}, {"all": True, "chargers": ["CP-1"]}, {"chargers": ["CP-9"]}])
async def test_only_its_own_chargers_are_brought_into_line(
    site: Site, body: dict[str, Any]
) -> None:
    await put(site, GARAGE)
    with pytest.raises(Problem) as refused:
        await site.call(endpoint("POST", f"{PATH}/{{name}}/apply"), name="garage", body=body)
    assert refused.value.code in ("invalid", "conflict")
    assert refused.value.members["field"] == "chargers"


async def test_what_changed_between_the_last_two_readings(site: Site, station: Station) -> None:
    changes = endpoint("GET", "/api/admin/chargers/{id}/configuration/changes")
    for value in ("1", "2", "3"):
        if value == "2":
            with pytest.raises(Problem, match="was not read twice"):
                await site.call(changes, id="CP-1")
        site.books.wait(1)
        tell(station, K=value)
        at = site.books.at
        new = NewReading(
            charger="CP-1",
            asked_by="anna",
            began_at=at,
            ended_at=at,
            keys=1,
            unknown_keys=0,
            unanswered=[],
            commands=[1],
        )
        site.books.run(add_reading, new)
    (change,) = (await site.call(changes, id="CP-1"))["data"]
    assert (change["before"]["value"], change["after"]["value"]) == ("2", "3")
    readings = endpoint("GET", "/api/admin/chargers/{id}/configuration/readings")
    listed = await site.call(readings, id="CP-1")
    assert [(one["id"], one["asked_by"]) for one in listed["data"]] == [
        (3, "anna"),
        (2, "anna"),
        (1, "anna"),
    ]
    listed = await site.call(readings, id="CP-1", role=Role.VIEWER)
    assert {one["asked_by"] for one in listed["data"]} == {None}


async def test_limits_in_force(site: Site, station: Station) -> None:
    station.status("Charging")
    content = {
        "chargingProfileId": 5,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}],
        },
    }
    add = site.books.connection.execute
    add(
        "INSERT INTO command (cp_id, action, payload, state, requested_at) "
        "VALUES ('CP-1', 'x', '{}', 'sent', '')"
    )
    add(
        "INSERT INTO charging_profile (cp_id, conn_id, profile_id, purpose, stack_level, profile, "
        "command_id, created_at) "
        "VALUES ('CP-1', 0, 5, 'TxDefaultProfile', 0, ?, 1, ?)",
        (json.dumps(content), site.books.at),
    )
    found = await site.call(endpoint("GET", "/api/admin/chargers/{id}/profiles/limits"), id="CP-1")
    assert [one["in_force"] for one in found["data"]] == [
        None,
        {"limit": 16, "unit": "A", "phases": 3, "profile": 5, "purpose": "TxDefaultProfile"},
    ]


class Unstorable:
    """The façade of chargers while nothing can be stored."""

    def is_connected(self, charger: str) -> bool:
        return charger == "CP-1"

    async def submit(self, *_: object, **__: object) -> int:
        raise StoreUnavailable


async def test_while_nothing_can_be_stored_a_report_says_so(site: Site, station: Station) -> None:
    parts: Any = site.api
    parts.chargers = Unstorable()
    (run,) = [one for one in operations.ENDPOINTS if one.path == "/api/admin/bulk"]
    told = await site.call(run, body={"action": "ClearCache", "chargers": ["CP-1", "CP-2"]})
    assert told["counts"] == {"not_storable": 2}
    await put(site, GARAGE)
    tell(station, LightIntensity="50", ResetRetries="3")
    done = await site.call(
        endpoint("POST", f"{PATH}/{{name}}/apply"), name="garage", body={"all": True}
    )
    assert done["counts"] == {"not storable": 1, "same": 1, "never read": 2}
