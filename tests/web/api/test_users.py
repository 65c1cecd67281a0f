"""Users over the API: who manages whom, what is recorded, and what a driver may."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import trio
from starlette.datastructures import Headers

from levity_trio.access import user_passwords
from levity_trio.records import personal_in
from levity_trio.store.writes.people import accounts, households
from levity_trio.store.writes.people.accounts import AccountData
from levity_trio.web.api.engine.endpoints import Caller, Endpoint, Role, TypedRequest
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.engine.serving import LOCAL_SOCKET, caller_of, is_admitted
from levity_trio.web.api.listeners import ENDPOINTS
from levity_trio.web.api.people.users import LOGINS, USER, USERS
from levity_trio.web.api.site import receivers
from levity_trio.web.feed import EventFrame
from levity_trio.web.logins.browsers import Login, Logins, Tokens, Visit
from tests.documents.reading import pdf_text, squashed
from tests.web.api.conftest import Site

PASSWORD = "correct horse"  # noqa: S105
BY_NAME = {(one.method, one.path): one for one in ENDPOINTS}
ADD, CHANGE, REMOVE = BY_NAME["POST", USERS], BY_NAME["PATCH", USER], BY_NAME["DELETE", USER]
INVITE, LETTER = BY_NAME["POST", f"{USER}/invitations"], BY_NAME["POST", f"{USER}/letter"]


@pytest.fixture
def users(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site with two accounts, whose passwords take no processor."""
    monkeypatch.setattr(user_passwords, "SCRYPT_N", 2)
    parts: Any = site.api
    vars(parts.config).update(drivers_url=None, drivers_port=None, api=False, api_tls_cert=None)
    parts.tokens = Tokens()
    parts.logins = Logins(parts.tokens, parts.writer, parts.clock)
    for name in ("Flat 1", "Flat 2"):
        site.books.run(
            accounts.add, AccountData(name=name, since="2026-01-01"), site.books.at, "root"
        )
    return site


async def refused(site: Site, endpoint: Endpoint, **given: Any) -> tuple[int, str]:
    with pytest.raises(Problem) as problem:
        await site.call(endpoint, **given)
    return problem.value.status, problem.value.code


def test_a_driver_may_only_what_is_below_me() -> None:
    of_drivers = {one.path for one in ENDPOINTS if one.role <= Role.DRIVER}
    assert {"/api/me"} <= of_drivers
    assert all(path.startswith("/api/me") for path in of_drivers)


async def test_users_come_and_go(users: Site) -> None:
    added = await users.call(ADD, body={"name": "Anna", "role": "admin", "password": PASSWORD})
    assert added == {"id": 1, "name": "Anna", "role": "admin", "account": None, "invitation": None}
    ben = await users.call(
        ADD, body={"name": "Ben", "role": "driver", "account": 1, "invite": "pin"}
    )
    assert (ben["account"], ben["invitation"]["kind"], len(ben["invitation"]["code"])) == (
        1,
        "pin",
        len("1-12345678"),
    )
    shown = await users.call(BY_NAME["GET", USERS])
    assert [(one["name"], one["has_password"], bool(one["invited_until"])) for one in shown] == [
        ("Ben", False, True),
        ("Anna", True, False),
    ]
    changed = await users.call(CHANGE, id="2", body={"role": "viewer", "password": PASSWORD})
    assert (changed["role"], changed["account"], changed["has_password"]) == ("viewer", None, True)
    await users.call(REMOVE, id="2")
    assert users.books.rows("SELECT name, digest FROM user WHERE removed_at IS NOT NULL") == [
        ("Ben", None)
    ]
    again = await users.call(ADD, body={"name": "ben", "role": "viewer"})
    assert (again["id"], again["invitation"]["kind"]) == (3, "link")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": "ANNA", "role": "viewer", "password": PASSWORD}, "in_use"),
        ({"name": "ben", "role": "driver", "password": PASSWORD}, "conflict"),
        ({"name": "ben", "role": "viewer", "account": 1, "password": PASSWORD}, "conflict"),
        ({"name": "ben", "role": "driver", "account": 7, "password": PASSWORD}, "not_found"),
        ({"name": "ben", "role": "viewer", "password": "short"}, "invalid"),
        ({"name": "7", "role": "viewer", "password": PASSWORD}, "invalid"),
        ({"name": " ben", "role": "viewer", "password": PASSWORD}, "invalid"),
    ],
)
async def test_what_is_no_user(users: Site, body: Any, code: str) -> None:
    await users.call(ADD, body={"name": "anna", "role": "admin", "password": PASSWORD})
    assert (await refused(users, ADD, body=body))[1] == code
    assert users.books.count("user") == 1


async def test_an_operator_manages_drivers_and_nobody_else(users: Site) -> None:
    """Else an operator could invite himself as an admin."""
    operator = partial(users.call, role=Role.OPERATOR)
    may_not = partial(refused, users, role=Role.OPERATOR)
    await users.call(ADD, body={"name": "anna", "role": "admin", "password": PASSWORD})
    await operator(ADD, body={"name": "ben", "role": "driver", "account": 1, "invite": "pin"})
    assert (await operator(INVITE, id="2", body={"kind": "link"}))["code"].startswith("invite_2_")
    assert (await operator(CHANGE, id="2", body={"account": 2}))["account"] == 2
    forbidden = (403, "forbidden")
    assert await may_not(ADD, body={"name": "eve", "role": "admin", "invite": "link"}) == forbidden
    assert await may_not(CHANGE, id="2", body={"role": "operator"}) == forbidden
    assert await may_not(CHANGE, id="1", body={"password": "another password"}) == forbidden
    assert await may_not(INVITE, id="1", body={}) == forbidden
    assert await may_not(REMOVE, id="1") == forbidden
    await operator(REMOVE, id="2")
    assert await may_not(REMOVE, id="2") == (404, "not_found")


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [(REMOVE, None), (CHANGE, {"role": "viewer"}), (CHANGE, {"password": None})],
)
async def test_the_last_admin_stays(users: Site, endpoint: Endpoint, body: Any) -> None:
    """Somebody who was only invited may never come."""
    await users.call(ADD, body={"name": "anna", "role": "admin", "password": PASSWORD})
    await users.call(ADD, body={"name": "ben", "role": "admin", "invite": "link"})
    assert await refused(users, endpoint, id="1", body=body) == (409, "conflict")
    await users.call(BY_NAME["POST", "/api/admin/tokens"], body={"name": "root", "role": "admin"})
    if endpoint is CHANGE:
        await users.call(CHANGE, id="1", body=body)
    else:
        await users.call(REMOVE, id="1")


def test_records_have_no_passwords_and_no_names() -> None:
    for method, path in (("POST", USERS), ("PATCH", USER), ("POST", "/api/me/password")):
        endpoint = BY_NAME[method, path]
        body: Any = endpoint.body
        secret = {
            name for name in body.kind.__struct_fields__ if "password" in name or name == "name"
        }
        assert secret <= personal_in(body.kind)


# Me


async def logged_in(site: Site, name: str) -> Login:
    return (await site.api.logins.enter(name, PASSWORD, Visit("a", None, "b"))).login


async def as_(site: Site, login: Login, endpoint: Endpoint, body: Any = None) -> Any:
    return await endpoint.handle(
        TypedRequest(site.api, caller_of(login, "a"), {}, None, body, Headers())
    )


async def test_a_driver_is_recorded_by_a_number_and_sees_the_name(users: Site) -> None:
    await users.call(
        ADD, body={"name": "Ben", "role": "driver", "account": 2, "password": PASSWORD}
    )
    await users.call(ADD, body={"name": "Anna", "role": "admin", "password": PASSWORD})
    ben, anna = await logged_in(users, "ben"), await logged_in(users, "anna")
    assert caller_of(ben, "a") == Caller("driver 1", Role.DRIVER, "a", None, ben.id, 2)
    assert caller_of(anna, "a").name == "Anna"
    me = await as_(users, ben, BY_NAME["GET", "/api/me"])
    assert (me.name, me.role, me.login, me.account) == ("Ben", "driver", ben.id, 2)


async def test_the_own_password(users: Site) -> None:
    await users.call(ADD, body={"name": "anna", "role": "admin", "password": PASSWORD})
    login = await logged_in(users, "anna")
    change: Any = BY_NAME["POST", "/api/me/password"]
    body = change.body.read(b'{"old_password": "correct horse", "new_password": "battery staple"}')
    await as_(users, login, change, body)
    with pytest.raises(Problem, match="old password is wrong"):
        await as_(users, login, change, body)
    # the local admin
    assert await refused(users, change, body={"new_password": PASSWORD}) == (
        409,
        "conflict",
    )


async def test_log_ins_are_listed_and_ended(users: Site) -> None:
    await users.call(ADD, body={"name": "anna", "role": "admin", "password": PASSWORD})
    first, second = [await logged_in(users, "anna") for _ in range(2)]
    await users.call(BY_NAME["DELETE", f"{LOGINS}/{{id}}"], id=str(first.id))
    assert await refused(users, BY_NAME["DELETE", f"{LOGINS}/{{id}}"], id=str(first.id)) == (
        404,
        "not_found",
    )
    listed = BY_NAME["GET", LOGINS]
    assert [one["id"] for one in await users.call(listed)] == [second.id]
    ended = (await users.call(listed, query={"ended": "true"}))[1]
    assert (ended["name"], ended["address"], ended["ended_by"]) == ("anna", "a", "anna")


class Feeding:
    """A feed with nothing in its past."""

    def __init__(self, frames: trio.MemoryReceiveChannel[EventFrame]) -> None:
        self.joined = SimpleNamespace(position=0, frames=frames)

    async def join(self) -> Any:
        return self.joined

    async def past(self, _begin: int, _end: int) -> AsyncIterator[EventFrame]:
        nothing: list[EventFrame] = []
        for frame in nothing:
            yield frame

    def leave(self, joined: Any) -> None:
        assert joined is self.joined


async def test_an_event_stream_ends_with_its_log_in(users: Site) -> None:
    await users.call(ADD, body={"name": "anna", "role": "admin", "password": PASSWORD})
    login = await logged_in(users, "anna")
    sender, frames = trio.open_memory_channel[EventFrame](2)
    asked = TypedRequest(
        users.api, caller_of(login, "a"), {}, receivers.EventsQuery(), None, Headers()
    )
    users.api.feed = Feeding(frames)  # type: ignore[misc, assignment]  # its interface
    stream = receivers._frames(asked, None)
    assert await anext(stream) == receivers.COMMENT
    frame: Any = SimpleNamespace(kind="x", charger=None, whole=b"seen", anonymous=b"")
    for _ in range(2):
        sender.send_nowait(frame)
    assert await anext(stream) == b"seen"
    await users.api.logins.end(login.id, "root")
    assert [part async for part in stream] == []


async def test_whoever_may_less_now_is_no_longer_admitted(users: Site) -> None:
    await users.call(ADD, body={"name": "anna", "role": "admin", "password": PASSWORD})
    await users.call(ADD, body={"name": "bert", "role": "operator", "password": PASSWORD})
    caller = caller_of(await logged_in(users, "bert"), "a")
    assert is_admitted(users.api, caller)
    number = users.books.value("SELECT id FROM \"user\" WHERE name = 'bert'")
    await users.call(BY_NAME["PATCH", f"{USERS}/{{id}}"], body={"role": "viewer"}, id=str(number))
    assert not is_admitted(users.api, caller)


async def test_a_driver_who_moves_to_another_household_logs_in_anew(users: Site) -> None:
    """His browsers show what was the old household's, which is not for the new one's eyes."""
    await users.call(
        ADD, body={"name": "ben", "role": "driver", "account": 1, "password": PASSWORD}
    )
    before = await logged_in(users, "ben")
    await users.call(CHANGE, id="1", body={"account": 1, "language": "de"})
    assert users.api.logins.get(before.id) is not None
    await users.call(CHANGE, id="1", body={"account": 2})
    assert users.api.logins.get(before.id) is None
    assert not is_admitted(users.api, caller_of(before, "a"))
    assert (await logged_in(users, "ben")).account == 2


async def test_a_stream_of_another_household_is_not_let_on(users: Site) -> None:
    """A log-in that is valid says whose stream it may have: that of its present household."""
    await users.call(
        ADD, body={"name": "ben", "role": "driver", "account": 2, "password": PASSWORD}
    )
    caller = caller_of(await logged_in(users, "ben"), "a")
    assert is_admitted(users.api, caller)
    assert not is_admitted(users.api, replace(caller, account=1))


async def test_nobody_stays_local_admin_beside_the_first_user(users: Site) -> None:
    local = Caller("local admin", Role.ADMIN, "127.0.0.1")
    assert is_admitted(users.api, local)
    await users.call(ADD, body={"name": "anna", "role": "admin", "password": PASSWORD})
    assert not is_admitted(users.api, local)
    assert is_admitted(users.api, replace(local, address=LOCAL_SOCKET))


# Moving out


async def test_a_driver_is_forgotten_with_the_account(users: Site) -> None:
    await users.call(
        ADD,
        body={"name": "Ben Unverwechselbar", "role": "driver", "account": 2, "password": PASSWORD},
    )
    login = await logged_in(users, "ben unverwechselbar")
    users.books.run(accounts.change, 2, {"until": users.books.at}, users.books.at, "root")
    users.books.wait(1)
    await users.api.logins.change(_forget, users.books.at)
    assert not users.api.logins.get(login.id)
    assert users.books.rows("SELECT name, removed_at IS NOT NULL FROM user") == [("user 1", 1)]
    assert users.books.rows("SELECT * FROM login") == []


def _forget(db: Any, at: str) -> None:
    households.delete_personal(db, 2, households.Deletion(10, "moved out", at, "root"))


async def test_a_letter_is_printed_with_a_code_that_works_and_with_no_other(users: Site) -> None:
    config: Any = users.api.config
    vars(config).update(
        drivers_url="https://charge.example", public_url=None, dashboard=True, font=None
    )
    added = await users.call(
        ADD, body={"name": "ben", "role": "driver", "account": 1, "invite": "letter"}
    )
    for body in ({"code": "invite_1_"}, {"code": f"{added['invitation']['code'][:-1]}-"}):
        assert await refused(users, LETTER, body=body, id=str(added["id"])) == (409, "conflict")
    assert LETTER.body is not None
    given, sent = (
        {"id": str(added["id"])},
        LETTER.body.read(msgspec.json.encode({"code": added["invitation"]["code"]})),
    )
    asked = TypedRequest(
        users.api, Caller("anna", Role.OPERATOR, "127.0.0.1", token=1), given, None, sent, Headers()
    )
    told: list[Any] = []

    async def send(message: Any) -> None:
        told.append(message)

    await (await LETTER.handle(asked))({"type": "http"}, trio.sleep_forever, send)
    headers = Headers(raw=told[0]["headers"])
    assert headers["content-disposition"] == 'attachment; filename="Flat 1 letter.pdf"'
    text = squashed(pdf_text(told[1]["body"]))
    assert squashed(added["invitation"]["code"]) in text
    assert "https://charge.example/welcome" in text
    await users.call(INVITE, body={"kind": "link"}, id=str(added["id"]))
    replaced = {"code": added["invitation"]["code"]}
    assert await refused(users, LETTER, body=replaced, id=str(added["id"])) == (409, "conflict")
