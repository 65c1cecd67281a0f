"""Log-ins of browsers: what opens them, for how long, and what ends them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
import trio

from levity_trio.access.admission import network_of
from levity_trio.store.upkeep import pruning
from levity_trio.store.writes.people import users
from levity_trio.store.writes.people.accounts import AccountData
from levity_trio.store.writes.people.accounts import add as add_account
from levity_trio.store.writes.people.users import KEPT
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.logins.browsers import (
    Login,
    Tokens,
    Visit,
    form_value,
    is_form_value,
    new_cookie,
)
from tests.charger.parts import InlineWriter
from tests.web.entering import HOME, PASSWORD, House


async def refused(attempt: object) -> str:
    """The code of the problem with which an attempt ends."""
    with pytest.raises(Problem) as problem:
        await attempt  # type: ignore[misc]  # a coroutine
    return problem.value.code


@pytest.fixture
def files(tmp_path: Path) -> Callable[[], bytes]:
    """Return what reads the files of the database, if it is in files."""
    return lambda: b"".join(file.read_bytes() for file in tmp_path.iterdir())


# Logging in


async def test_a_user_logs_in(house: House, files: Callable[[], bytes]) -> None:
    number = await house.add("Anna")
    entered = await house.enter(" anna ")
    assert (
        entered.login
        == Login(1, number, None, "Anna", "admin")
        == house.logins.find(entered.cookie)
    )
    assert house.logins.get(entered.login.id)
    rows = [
        house.books.rows(f"SELECT * FROM {table}")
        for table in ("user", "login", "event", "operator_action")
    ]
    stored = repr(rows).encode() + files()
    assert PASSWORD.encode() not in stored
    assert entered.cookie.encode() not in stored
    assert house.books.rows("SELECT address, browser FROM login") == [(HOME, "Firefox")]


async def test_nothing_else_is_a_log_in(house: House) -> None:
    await house.add("anna")
    entered = await house.enter("anna")
    for cookie in (
        None,
        "",
        new_cookie(),
        entered.cookie[:-1],
        entered.cookie.upper(),
        "x" * 100_000,
        "ä\ud800",
    ):
        assert house.logins.find(cookie) is None
    assert not house.logins.get(7)


async def test_a_restart_keeps_log_ins(house: House) -> None:
    await house.add("anna")
    entered = await house.enter("anna")
    after = house.restarted()
    assert not after.are_used
    await after.open()
    assert after.are_used
    assert after.find(entered.cookie) == entered.login


async def test_with_drivers_only_nobody_manages(house: House) -> None:
    """The page of the log-in then says how to add somebody who does."""
    flat = AccountData(name="Flat 7", since="2026-01-01")
    account = house.books.run(add_account, flat, house.books.at, "root")
    await house.add("ben", "driver", account=account)
    assert (house.logins.are_used, house.logins.have_managers) == (True, False)
    await house.add("anna", "viewer")
    assert house.logins.have_managers


async def test_an_accent_may_be_typed_in_two_ways(house: House) -> None:
    await house.add("anna", password="caf\u00e9 au lait")  # noqa: S106
    await house.enter("anna", "cafe\u0301 au lait")


async def test_who_is_unknown_waits_as_long_and_learns_nothing(house: House) -> None:
    await house.add("anna")
    await house.add("ben", password=None)
    told = set()
    for name, password in (
        ("anna", "wrong password"),
        ("ben", PASSWORD),
        ("ben", ""),
        ("cleo", PASSWORD),
        ("", ""),
    ):
        before, began = len(house.stretched), trio.current_time()
        with pytest.raises(Problem) as problem:
            await house.enter(name, password)
        told.add(
            (
                problem.value.code,
                problem.value.detail,
                trio.current_time() - began,
                len(house.stretched) - before,
            )
        )
    assert len(told) == 1


async def test_what_was_taken_away_meanwhile_opens_nothing(house: House) -> None:
    number = await house.add("anna", "viewer")
    house.before_answer = lambda: house.books.run(users.remove, number, house.admin)
    assert await refused(house.enter("anna")) == "changed"
    assert house.books.rows("SELECT * FROM login") == []


# The id


async def test_a_planted_id_opens_nothing(house: House) -> None:
    """Session fixation: whoever planted an id in a browser does not know the one after the
    log-in."""
    await house.add("anna")
    planted = new_cookie()
    entered = await house.enter("anna", cookie=planted)
    assert entered.cookie != planted
    assert house.logins.find(planted) is None


async def test_a_log_in_ends_the_one_that_its_browser_had(house: House) -> None:
    await house.add("anna")
    await house.add("ben")
    first = await house.enter("anna")
    other = await house.enter("anna")
    second = await house.enter("ben", cookie=first.cookie)
    assert house.logins.find(first.cookie) is None
    assert [
        found and found.name for found in map(house.logins.find, (other.cookie, second.cookie))
    ] == ["anna", "ben"]


def test_the_value_of_a_form_belongs_to_a_cookie() -> None:
    one, other = new_cookie(), new_cookie()
    assert is_form_value(one, form_value(one))
    assert len({form_value(one)[16:] for _ in range(3)}) == 3, (
        "compressed pages hold no secret that stays the same"
    )
    for wrong in (form_value(other), form_value(one)[:-1], "", one, "ä\ud800"):
        assert not is_form_value(one, wrong)
    assert one not in form_value(one)


# For how long


async def test_a_log_in_lasts_thirty_days_after_its_last_use(house: House) -> None:
    await house.add("anna")
    entered = await house.enter("anna")
    house.wait(days=29)
    assert house.logins.find(entered.cookie)
    house.wait(days=29)
    assert house.logins.get(entered.login.id)  # a stream that is open uses it
    house.wait(days=29)
    after = house.restarted()
    await after.open()
    assert after.find(entered.cookie)
    house.wait(days=30, seconds=1)
    assert after.find(entered.cookie) is None
    assert not after.get(entered.login.id)


async def test_its_use_is_stored_once_an_hour(house: House) -> None:
    await house.add("anna")
    entered = await house.enter("anna")
    noted = []
    for _ in range(60):
        house.wait(minutes=5)
        house.logins.find(entered.cookie)
        noted.append(house.books.value("SELECT last_used_at FROM login"))
    assert len(set(noted)) == 6  # five hours, and the log-in itself


async def test_a_tokens_use_is_stored_once_an_hour(house: House) -> None:
    house.token("prometheus", "viewer")
    stored = []
    for _ in range(59):
        if house.tokens.uses.note(1, house.books.now):
            house.books.run(users.note_token_use, 1, house.books.at)
            stored.append(house.books.at)
            house.tokens.load(
                house.books.run(users.stored_tokens)
            )  # as a server beside others does
        house.wait(minutes=5)
    assert len(stored) == 5
    after = Tokens()
    after.load(house.books.run(users.stored_tokens))
    assert not after.uses.note(1, house.books.now)  # after a start, it is not stored again


async def test_a_use_that_is_not_stored_yet_counts(house: House) -> None:
    await house.add("anna")
    entered = await house.enter("anna")
    before = house.books.run(users.stored_logins)
    house.wait(days=29)
    assert house.logins.find(entered.cookie)
    house.logins.load(before)
    house.wait(days=29)
    assert house.logins.find(entered.cookie)


async def test_the_log_ins_of_a_user_are_bounded_and_old_ones_are_forgotten(house: House) -> None:
    await house.add("anna")
    await house.add("ben")
    kept = await house.enter("ben")
    entered = [await house.enter("anna") for _ in range(KEPT + 3)]
    assert [house.logins.find(one.cookie) is not None for one in entered] == [False] * 3 + [
        True
    ] * KEPT
    assert house.logins.find(kept.cookie)
    writer: Any = InlineWriter(house.books.connection)
    house.wait(days=365)
    assert await pruning.forget_due(writer, lambda: house.books.now, UTC) == 0
    house.wait(days=1)
    assert await pruning.forget_due(writer, lambda: house.books.now, UTC) == KEPT + 1
    assert house.books.rows("SELECT * FROM login") == []


# What ends it


async def test_leaving_and_being_ended(house: House) -> None:
    await house.add("anna")
    left, ended, other = [await house.enter("anna") for _ in range(3)]
    await house.logins.leave(left.login.id)
    assert await house.logins.end(ended.login.id, "root")
    assert not await house.logins.end(ended.login.id, "root")
    assert [house.logins.get(one.login.id) is not None for one in (left, ended, other)] == [
        False,
        False,
        True,
    ]
    ends = house.books.rows("SELECT ended_at IS NULL, ended_by FROM login ORDER BY id")
    assert ends == [(0, None), (0, "root"), (1, None)]


async def test_its_role_is_the_present_one(house: House) -> None:
    number = await house.add("anna", "operator")
    entered = await house.enter("anna")
    await house.logins.change(users.change, number, {"role": "viewer"}, house.admin)
    found = house.logins.find(entered.cookie)
    assert found is not None
    assert found.role == "viewer"
    await house.logins.change(users.remove, number, house.admin)
    assert house.logins.find(entered.cookie) is None
    assert await refused(house.enter("anna")) == "wrong_password"


async def test_a_log_in_with_a_token_ends_with_it(house: House) -> None:
    text = house.token("prometheus", "viewer")
    entered = await house.logins.enter_by_token(f" {text} ", Visit(HOME, None, "x" * 5000))
    assert entered.login == Login(1, None, 1, "prometheus", "viewer")
    assert len(house.books.value("SELECT browser FROM login")) == 200
    for wrong in ("", text[:-1], PASSWORD):
        attempt = house.logins.enter_by_token(wrong, Visit(HOME, None, ""))
        assert await refused(attempt) == "wrong_token"
    # not delayed by wrong ones
    await house.logins.enter_by_token(text, Visit(HOME, None, ""))
    house.books.run(users.revoke_token, 1, house.books.at, "root")
    house.tokens.load(house.books.run(users.stored_tokens))
    assert not house.logins.get(entered.login.id)


# Passwords


async def test_changing_the_own_password(house: House) -> None:
    await house.add("anna")
    mine, other = await house.enter("anna"), await house.enter("anna")
    assert (
        await refused(house.logins.change_password(mine.login, "wrong password", "new password"))
        == "wrong_password"
    )
    assert (
        await refused(house.logins.change_password(mine.login, None, "new password"))
        == "wrong_password"
    )
    await house.logins.change_password(mine.login, PASSWORD, "new password")
    assert [house.logins.get(one.login.id) is not None for one in (mine, other)] == [True, False]
    await house.enter("anna", "new password")
    assert await refused(house.enter("anna")) == "wrong_password"


async def test_who_was_invited_has_no_old_password(house: House) -> None:
    account = house.books.run(
        add_account, AccountData(name="Flat 7", since="2026-01-01"), house.books.at, "root"
    )
    number = await house.add("ben", "driver", None, account)
    entered = await house.use(await house.invite(number, "link"))
    assert entered.login.account == account
    await house.logins.change_password(entered.login, None, PASSWORD)
    assert (await house.enter("ben")).login.role == "driver"
    assert (
        await refused(house.logins.change_password(entered.login, None, "new password"))
        == "wrong_password"
    )


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.1", "203.0.113.1"),
        ("::ffff:203.0.113.1", "203.0.113.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("local socket", "local socket"),
    ],
)
def test_what_counts_as_one_address(address: str, network: str) -> None:
    assert network_of(address) == network
