"""Other backends over the API: adding, changing, pausing and removing one, its chargers and cards,
and what cannot be set."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from levity_trio.authority.folder import ROOT, SERVER
from levity_trio.authority.issuing import create_root, create_server_certificates
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.reads.site.receivers import CopiedCharger, Fresh, in_use
from levity_trio.store.writes.people.tags import TagData, add
from levity_trio.store.writes.site.receivers import CopyOutcome, keep_outcome
from levity_trio.web.api.engine.endpoints import Endpoint, Role
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.site import receivers
from tests.store.books import Station
from tests.store.reading import view
from tests.web.api.conftest import Site

URL = "wss://backend.example/ocpp/"


def endpoint(method: str, path: str = "") -> Endpoint:
    (found,) = [
        one
        for one in receivers.ENDPOINTS
        if (one.method, one.path) == (method, f"{receivers.BACKENDS}{path}")
    ]
    return found


LIST, ADD, CHANGE, REMOVE = (
    endpoint("GET"),
    endpoint("POST"),
    endpoint("PUT", "/{id}"),
    endpoint("DELETE", "/{id}"),
)
PAUSE, RESUME = endpoint("POST", "/{id}/pause"), endpoint("POST", "/{id}/resume")
PUT_CHARGER = endpoint("PUT", "/{id}/chargers/{charger}")
END_CHARGER = endpoint("DELETE", "/{id}/chargers/{charger}")
PUT_CARD, REMOVE_CARD = endpoint("PUT", "/{id}/cards"), endpoint("DELETE", "/{id}/cards/{tag}")
REFUSED = endpoint("GET", "/{id}/refused")


@pytest.fixture
def parking(site: Site) -> Site:
    """Two chargers that have sent something."""
    for name in ("CP-1", "CP-2"):
        Station(site.books, name).boot()
    return site


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("authority") / "certificates"
    create_root(made, "Haus am Park", datetime.now(UTC))
    create_server_certificates(made, ["levity.local"], datetime.now(UTC))
    return made


async def add_one(site: Site, name: str = "employer", **fields: Any) -> str:
    body = {"name": name, "url": URL, "chargers": [{"charger": "CP-1"}], **fields}
    return str((await site.call(ADD, body=body))["id"])


async def shown(site: Site, name: str = "employer", role: Role = Role.ADMIN) -> Any:
    found = {row["name"]: row for row in await site.call(LIST, role=role)}
    return found[name]


def copied(site: Site) -> dict[tuple[str, str], CopiedCharger]:
    """What the copy works with, by backend and charger."""
    rows = in_use(view(site.books.connection), site.api.key)
    return {(row.name, row.charger): row for row in rows}


def log_frames(site: Site, frames: int) -> int:
    """Store frames of CP-1; return the number of the newest one."""
    for _ in range(frames):
        site.books.connection.execute(
            "INSERT INTO log (cp_id, session_id, at, direction, frame) "
            "VALUES ('CP-1', 1, ?, 'recv', '[]')",
            (site.books.at,),
        )
    return int(site.books.value("SELECT max(id) FROM log"))


async def test_one_is_added_with_all_that_it_needs(parking: Site, folder: Path) -> None:
    pair, root = (folder / SERVER["ECDSA"]).read_text(), (folder / ROOT).read_text()
    number = await add_one(
        parking,
        chargers=[
            {"charger": "CP-1", "identity": "NL-7", "password": "very secret", "without": [2]},
            {"charger": "CP-2"},
        ],
        root=root,
        certificate=pair,
        is_repaired=True,
        cards=[{"card": "04 A2 B3 C9", "alias": "DRIVER-7"}, {"card": "04BB", "alias": ""}],
    )
    row = await shown(parking)
    assert (str(row["id"]), row["url"], row["added_by"]) == (number, URL, "anna")
    assert (row["has_root"], row["has_certificate"], row["is_repaired"]) == (True, True, True)
    assert row["certificate_ends_at"] > row["added_at"]
    assert (row["with_cards"], row["other_cards"]) == (False, "OTHER")
    first, second = row["chargers"]
    assert (first["identity"], first["has_password"], first["without"]) == ("NL-7", True, [2])
    assert (second["identity"], second["has_password"], second["without"]) == ("CP-2", False, [])
    assert row["cards"] == [
        {"card": "04a2b3c9", "alias": "DRIVER-7"},
        {"card": "04bb", "alias": None},
    ]

    one = copied(parking)["employer", "CP-1"]
    assert (one.password, one.certificate, one.root) == ("very secret", pair, root)
    assert one.aliases == {"04a2b3c9": "DRIVER-7", "04bb": None}
    assert one.has_secrets
    kept = parking.books.rows(
        "SELECT certificate FROM backend UNION SELECT password FROM backend_cp"
    )
    assert all((text or "sealed:").startswith("sealed:") for (text,) in kept)
    (asked,) = parking.books.rows("SELECT body FROM operator_action WHERE method = 'POST'")
    assert not {"very secret", "PRIVATE KEY", "DRIVER-7"} & {*asked[0].split('"')}
    assert "very secret" not in asked[0]
    assert "PRIVATE KEY" not in asked[0]


async def test_a_new_one_is_told_from_now_on_or_from_the_beginning_of_a_day(parking: Site) -> None:
    newest = log_frames(parking, 3)
    parking.api.config.time_zone = ZoneInfo("Europe/Amsterdam")  # type: ignore[misc] # of a test
    await add_one(parking)
    await add_one(parking, "registrar", begins_on="2026-01-01")
    rows = copied(parking)
    assert rows["employer", "CP-1"].begins_at == parking.books.at
    assert rows["registrar", "CP-1"].begins_at == "2025-12-31T23:00:00.000Z"
    positions = dict(parking.books.rows("SELECT backend_id, log_id FROM backend_cp"))
    assert positions == {1: newest, 2: 0}


async def test_a_charger_that_is_added_later_is_told_as_its_backend_began(parking: Site) -> None:
    await add_one(parking)
    await add_one(parking, "registrar", begins_on="2026-01-01")
    parking.books.wait(60)
    newest = log_frames(parking, 2)
    for number in ("1", "2"):
        await parking.call(PUT_CHARGER, id=number, charger="CP-2", body={})
    rows = copied(parking)
    assert rows["employer", "CP-2"].begins_at == parking.books.at
    assert rows["employer", "CP-1"].begins_at < parking.books.at
    assert rows["registrar", "CP-2"].begins_at == "2026-01-01T00:00:00.000Z"
    sql = "SELECT log_id FROM backend_cp WHERE cp_id = 'CP-2' ORDER BY backend_id"
    assert parking.books.rows(sql) == [(newest,), (0,)]


async def test_one_that_comes_back_goes_on_only_where_all_since_a_day_is_wanted(
    parking: Site,
) -> None:
    await add_one(parking, chargers=[{"charger": "CP-1", "password": "secret"}])
    await add_one(parking, "registrar", begins_on="2026-01-01")
    for backend in (1, 2):
        fresh = Fresh(at=parking.books.at, action="StatusNotification", payload={}, log_id=1)
        parking.books.run(keep_outcome, (backend, "CP-1"), fresh, CopyOutcome(), parking.books.at)
        await parking.call(END_CHARGER, id=str(backend), charger="CP-1")
        with pytest.raises(Problem, match="there is no charger CP-1 of which"):
            await parking.call(END_CHARGER, id=str(backend), charger="CP-1")
    assert parking.books.rows("SELECT password FROM backend_cp WHERE password IS NOT NULL") == []
    assert (await shown(parking))["chargers"] == []
    newest = log_frames(parking, 9)
    parking.books.wait(5)
    for number in ("1", "2"):
        await parking.call(PUT_CHARGER, id=number, charger="CP-1", body={"identity": "NL-8"})
    rows = parking.books.rows("SELECT log_id, begins_at FROM backend_cp ORDER BY backend_id")
    assert rows == [(newest, parking.books.at), (1, "2026-01-01T00:00:00.000Z")]
    assert copied(parking)["employer", "CP-1"].identity == "NL-8"


async def test_a_charger_is_named_as_people_call_it(parking: Site) -> None:
    parking.books.connection.execute("UPDATE cp SET name = 'Space 4' WHERE id = 'CP-2'")
    number = await add_one(parking, chargers=[{"charger": "space 4", "identity": "NL-4"}])
    (one,) = (await shown(parking))["chargers"]
    assert (one["charger"], one["identity"]) == ("CP-2", "NL-4")
    await parking.call(END_CHARGER, id=number, charger="Space 4")
    assert (await shown(parking))["chargers"] == []


async def test_what_is_left_out_of_a_change_stays(parking: Site) -> None:
    number = await add_one(parking, chargers=[{"charger": "CP-1", "password": "x", "without": [2]}])
    await parking.call(CHANGE, id=number, body={"other_cards": "", "with_cards": True})
    position = "SELECT log_id, begins_at FROM backend_cp"
    before = parking.books.rows(position)
    log_frames(parking, 2)
    parking.books.wait(5)
    await parking.call(PUT_CHARGER, id=number, charger="CP-1", body={"identity": "NL-7"})
    assert parking.books.rows(position) == before
    row = await shown(parking)
    assert (row["url"], row["with_cards"], row["other_cards"]) == (URL, True, None)
    one = copied(parking)["employer", "CP-1"]
    assert (one.identity, one.password, one.without) == ("NL-7", "x", (2,))
    await parking.call(PUT_CHARGER, id=number, charger="CP-1", body={"password": None})
    assert copied(parking)["employer", "CP-1"].password is None


async def test_a_certificate_goes_and_comes(parking: Site, folder: Path) -> None:
    number = await add_one(parking)
    pair = (folder / SERVER["RSA"]).read_text()
    await parking.call(CHANGE, id=number, body={"certificate": pair})
    assert copied(parking)["employer", "CP-1"].certificate == pair
    await parking.call(CHANGE, id=number, body={"name": "work"})
    assert copied(parking)["work", "CP-1"].certificate == pair
    await parking.call(CHANGE, id=number, body={"certificate": None})
    row = await shown(parking, "work")
    assert (row["has_certificate"], row["certificate_ends_at"]) == (False, None)


async def test_pausing_resuming_and_removing(parking: Site, folder: Path) -> None:
    number = await add_one(
        parking,
        certificate=(folder / SERVER["ECDSA"]).read_text(),
        chargers=[{"charger": "CP-1", "password": "secret"}],
        cards=[{"card": "04AA", "alias": "A"}],
    )
    await parking.call(PAUSE, id=number)
    assert copied(parking) == {}
    assert (await shown(parking))["paused_at"] == parking.books.at
    (one,) = in_use(view(parking.books.connection), parking.api.key, int(number))
    assert one.charger == "CP-1"
    await parking.call(RESUME, id=number)
    assert ("employer", "CP-1") in copied(parking)
    await parking.call(REMOVE, id=number)
    assert await parking.call(LIST) == []
    assert copied(parking) == {}
    assert parking.books.rows("SELECT password FROM backend_cp") == [(None,)]
    assert parking.books.rows("SELECT certificate FROM backend") == [(None,)]
    assert parking.books.count("backend_card") == 0
    gone: tuple[tuple[Endpoint, Any], ...] = (
        (REMOVE, None),
        (PAUSE, None),
        (RESUME, None),
        (CHANGE, {"name": "x"}),
        (PUT_CHARGER, {}),
        (PUT_CARD, {"card": "A", "alias": "B"}),
    )
    for asked, body in gone:
        with pytest.raises(Problem, match=f"there is no backend {number} in use"):
            await parking.call(asked, id=number, charger="CP-1", body=body)
    await add_one(parking)  # its name is free again


async def test_cards_by_any_spelling(parking: Site) -> None:
    number = await add_one(parking)
    tag = TagData(id_tag="04A2B3C9", name="Anna")
    parking.books.run(add, parking.books.policy, tag, parking.books.at, "cleo")
    await parking.call(PUT_CARD, id=number, body={"card": "04:a2:b3:c9", "alias": "DRIVER-7"})
    assert copied(parking)["employer", "CP-1"].aliases == {"04a2b3c9": "DRIVER-7"}
    await parking.call(PUT_CARD, id=number, body={"card": "04a2b3c9", "alias": None})
    assert (await shown(parking))["cards"] == [{"card": "04a2b3c9", "alias": None}]
    await parking.call(REMOVE_CARD, id=number, tag="04 A2 B3 C9")
    assert (await shown(parking))["cards"] == []
    with pytest.raises(Problem, match="there is no alias of the card 04aa"):
        await parking.call(REMOVE_CARD, id=number, tag="04AA")


async def test_what_cannot_be_added(parking: Site, folder: Path) -> None:
    await add_one(parking)
    root, pair = (folder / ROOT).read_text(), (folder / SERVER["RSA"]).read_text()
    other = (folder / SERVER["ECDSA"]).read_text()
    key = other[other.index("-----BEGIN PRIVATE") :] if "-----BEGIN PRIVATE" in other else other
    wrong: tuple[tuple[dict[str, Any], str, str], ...] = (
        ({"url": "https://backend.example/"}, "url", "give an address such as wss:"),
        ({"url": "wss://anna:x@backend.example/"}, "url", "give an address such as wss:"),
        ({"url": "wss://backend.example/?token=x"}, "url", "give an address such as wss:"),
        ({"url": "ws://backend.example:99999/"}, "url", "give an address such as wss:"),
        ({"url": "ws://169.254.169.254/"}, "url", "link-local"),
        ({"url": "ws://[fe80::1]/"}, "url", "link-local"),
        ({"url": "ws://[fd00:ec2::254]/"}, "url", "link-local"),
        ({"url": "ws://127.0.0.1:9000/"}, "url", "this server itself"),
        ({"url": "ws://localhost:9000/ws"}, "url", "this server itself"),
        ({"chargers": []}, "chargers", "this is needed"),
        ({"chargers": [{"charger": "CP-1", "identity": "a/b"}]}, "identity", "no /"),
        ({"chargers": [{"charger": "CP-1", "identity": "x" * 49}]}, "identity", "48 characters"),
        ({"other_cards": "x" * 21}, "other_cards", "20 characters"),
        ({"cards": [{"card": "A", "alias": "x" * 21}]}, "alias", "20 characters"),
        ({"certificate": root}, "certificate", "no private key"),
        ({"certificate": "nonsense"}, "certificate", "no certificate in PEM"),
        ({"certificate": root + key}, "certificate", "belongs to another certificate"),
        ({"root": "nonsense"}, "root", "no certificate in PEM"),
        ({"begins_on": "yesterday"}, "begins_on", "give a day"),
    )
    assert pair != other
    for fields, field, words in wrong:
        with pytest.raises(Problem) as caught:
            await add_one(parking, "other", **fields)
        assert caught.value.status == 422, fields
        assert str(caught.value.members["field"]).endswith(field)
        assert words in caught.value.detail
    with pytest.raises(Problem, match="there is no charger CP-9") as caught:
        await add_one(parking, "other", chargers=[{"charger": "CP-9"}])
    assert caught.value.code == "not_found"
    with pytest.raises(Problem, match="another backend is called employer") as caught:
        await add_one(parking)
    assert (caught.value.code, caught.value.members["field"]) == ("in_use", "name")
    two = [{"charger": "CP-1", "identity": "CP-2"}, {"charger": "CP-2"}]
    with pytest.raises(Problem, match="two chargers would be called CP-2 there") as caught:
        await add_one(parking, "other", chargers=two)
    assert caught.value.code == "in_use"
    assert parking.books.rows("SELECT name FROM backend") == [("employer",)]
    with pytest.raises(Problem, match="there is no charger CP-9"):
        await parking.call(PUT_CHARGER, id="1", charger="CP-9", body={})


async def test_one_can_be_checked_without_adding_it(parking: Site) -> None:
    body = {"name": "employer", "url": URL, "chargers": [{"charger": "CP-1"}]}
    checked = await parking.call(ADD, body=body, query={"check": "true"})
    assert checked == {"id": None, "name": "employer"}
    assert parking.books.count("backend") == 0
    two = [{"charger": "CP-1", "identity": "CP-2"}, {"charger": "CP-2"}]
    with pytest.raises(Problem, match="two chargers would be called CP-2 there"):
        await parking.call(ADD, body=body | {"chargers": two}, query={"check": "true"})


async def test_a_server_without_a_key_takes_one_without_secrets_only(parking: Site) -> None:
    parking.api.key = SecretKey(None)  # type: ignore[misc] # of a test
    await add_one(parking)
    with pytest.raises(Problem, match="no key for secrets"):
        await add_one(parking, "other", chargers=[{"charger": "CP-1", "password": "x"}])
    assert parking.books.rows("SELECT name FROM backend") == [("employer",)]


async def test_what_was_refused_is_listed_the_newest_first(parking: Site) -> None:
    number = await add_one(parking)
    for at in range(3):
        payload = {"connectorId": at}
        fresh = Fresh(at=parking.books.at, action="MeterValues", payload=payload)
        outcome = CopyOutcome(kind="refused", payload=payload, answer="InternalError: no")
        parking.books.run(keep_outcome, (int(number), "CP-1"), fresh, outcome, parking.books.at)
    rows = await parking.call(REFUSED, id=number, query={"limit": "2"})
    assert [row["payload"] for row in rows] == [{"connectorId": 2}, {"connectorId": 1}]
    (last,) = await parking.call(REFUSED, id=number, query={"before": str(rows[-1]["id"])})
    assert last == {
        **last,
        "charger": "CP-1",
        "kind": "refused",
        "action": "MeterValues",
        "payload": {"connectorId": 0},
        "answer": "InternalError: no",
        "transaction": None,
    }
    assert (await shown(parking))["chargers"][0]["refused"] == 3


async def test_operators_look_and_admins_change(parking: Site) -> None:
    number = await add_one(parking, cards=[{"card": "04AA", "alias": "A"}])
    assert (await shown(parking, role=Role.OPERATOR))["cards"]
    for asked in (LIST, REFUSED):
        assert (await parking.ask(asked, id=number, role=Role.VIEWER)).status == 403
    for asked in receivers.ENDPOINTS:
        if asked.method != "GET":
            reply = await parking.ask(
                asked, id=number, charger="CP-1", tag="A", role=Role.OPERATOR, body={}
            )
            assert reply.status == 403, asked.path
    assert orjson.loads(parking.books.value("SELECT without FROM backend_cp")) == []
