"""A third-party plug-in that asks the API in the name of a token, on a server without a port of the
API."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.foreign import api_of, foreign_charger, with_plugin
from tests.integration.receiver import wait_until
from tests.integration.serving import Serving, serving

ASKER = '''
import json, pathlib
from contextlib import asynccontextmanager
import trio
from levity_trio.plugins.base import Plugin

@asynccontextmanager
async def open_asker(site):
    """Asks the API whatever arrives at a socket."""
    async def answer(stream):
        async with stream:
            token, *rest = json.loads(await stream.receive_some(100_000))
            method, path, more = rest
            reply = await site.api.ask(token, method, path, **more)
            await stream.send_all(json.dumps([reply.status, reply.content]).encode())

    listening = trio.socket.socket(trio.socket.AF_UNIX)
    await listening.bind("asker.sock")
    listening.listen()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, answer, [trio.SocketListener(listening)])
        nursery.start_soon(ask_at_once, site)
        yield Plugin()
        nursery.cancel_scope.cancel()

async def ask_at_once(site):
    reply = await site.api.ask("nobody", "GET", "/api/me")  # the API is not open yet
    pathlib.Path("at_once.json").write_text(json.dumps([reply.status, reply.content]))
'''
Ask = Callable[..., tuple[int, Any]]
SECONDS = 60


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("asked")
    program = with_plugin(folder, "asker", ASKER)
    flags = ("--no-api", "--plugins", "asker")
    with (
        serving(folder / "site.db", *flags, program=program) as running,
        foreign_charger(running, "CP-1"),
    ):
        for role in ("viewer", "operator", "admin"):
            api_of(running).ask(
                "POST", "admin", "tokens", given={"name": f"its {role}", "role": role}
            )
        yield running


@pytest.fixture
def ask(server: Serving) -> Ask:
    def send(token: str, method: str, path: str, **more: Any) -> tuple[int, Any]:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(SECONDS)
            asking.connect(str(server.database.parent / "asker.sock"))
            asking.sendall(json.dumps([token, method, path, more]).encode())
            with asking.makefile("rb") as answer:
                status, content = json.loads(answer.read())
        return status, content

    return send


def audited(server: Serving, **fields: object) -> dict[str, Any]:
    """Return the newest row of the audit with these fields. A row is committed soon, not before the
    answer."""

    def find() -> list[dict[str, Any]]:
        return [
            row
            for row in api_of(server).ask("GET", "admin", "audit")
            if fields.items() <= row.items()
        ]

    wait_until(lambda: bool(find()))
    return find()[0]


def test_a_question_before_the_api_opens_waits_for_it(server: Serving) -> None:
    status, problem = json.loads((server.database.parent / "at_once.json").read_text())
    assert (status, problem["code"]) == (401, "wrong_token")
    assert problem["detail"] == (
        "no token in use is named nobody; make it with levity-trio token create nobody --role "
        "operator"
    )
    assert audited(server, path="/api/me", status=401)["address"] == "plug-in asker"


def test_what_it_changes_is_recorded_with_the_name_of_the_token(server: Serving, ask: Ask) -> None:
    assert ask("its operator", "GET", "/api/me") == (
        200,
        {
            "name": "its operator",
            "role": "operator",
            "login": None,
            "account": None,
            "household": None,
        },
    )
    path = "/api/admin/chargers/CP-1/change-availability"
    status, command = ask(
        "its operator", "POST", path, body={"connectorId": 1, "type": "Inoperative"}
    )
    assert (status, command["state"], command["asked_by"]) == (200, "accepted", "its operator")
    row = audited(server, path=path, status=200)
    who = {"who": "its operator", "role": "operator", "address": "plug-in asker"}
    assert who.items() <= row.items()
    assert (row["method"], row["code"]) == ("POST", None)
    assert json.loads(row["body"]) == {"connectorId": 1, "type": "Inoperative"}
    status, command = ask(
        "its operator",
        "POST",
        path,
        body={"connectorId": 1, "type": "Operative"},
        headers={"prefer": "respond-async"},
    )
    assert status == 202
    assert command["state"] in ("queued", "sent")


def test_it_may_what_the_role_of_the_token_may(server: Serving, ask: Ask) -> None:
    status, problem = ask("its viewer", "POST", "/api/admin/chargers/CP-1/clear-cache")
    assert (status, problem["code"]) == (403, "forbidden")
    assert problem["detail"] == "this needs the role operator; yours is viewer"
    status, problem = ask(
        "its operator", "POST", "/api/admin/chargers/CP-1/raw", body={"action": "Reset"}
    )
    assert (status, problem["code"]) == (403, "forbidden")
    assert audited(server, who="its operator", status=403)["path"].endswith("/raw")
    assert audited(server, who="its viewer", status=403)["path"].endswith("/clear-cache")
    status, found = ask("its admin", "GET", "/api/admin/audit", query={"limit": 1})
    assert (status, len(found)) == (200, 1)


def test_a_token_that_is_revoked_opens_nothing(server: Serving, ask: Ask) -> None:
    api = api_of(server)
    made = api.ask("POST", "admin", "tokens", given={"name": "for a day", "role": "admin"})
    assert ask("for a day", "GET", "/api/me")[0] == 200
    api.ask("DELETE", "admin", "tokens", str(made["id"]))
    status, problem = ask("for a day", "GET", "/api/me")
    assert (status, problem["code"]) == (401, "wrong_token")
    assert "token create 'for a day'" in problem["detail"]
    api.ask("POST", "admin", "tokens", given={"name": "for a day", "role": "viewer"})
    assert ask("for a day", "GET", "/api/me")[1]["role"] == "viewer"


def test_what_is_wrong_is_told_as_by_http(ask: Ask) -> None:
    status, problem = ask("its admin", "POST", "/api/admin/chargers/NOBODY/clear-cache")
    assert (status, problem["code"]) == (404, "not_found")
    status, problem = ask("its admin", "GET", "/api/nothing")
    assert (status, problem["detail"]) == (404, "there is nothing at /api/nothing")
    status, problem = ask("its admin", "GET", "/api/me", query={"token": "x"})
    assert (status, problem["code"]) == (400, "token_in_url")
