"""Whoever guesses is slowed and never keeps a user out; a one-time code is used once, and guessed at five times."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest
import trio

from levity_trio.store.writes import users
from levity_trio.web.api.problems import Problem
from levity_trio.web.logins import new_cookie
from levity_trio.web.turns import MOST_OF_ADDRESS, MOST_WAITING, Turns
from tests.web.entering import HOME, STRETCH_SECONDS, House
from tests.web.test_logins import refused

WRONG = "wrong password"


class Flood:
    """Wrong passwords for a user, without pause."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.answers: Counter[str] = Counter()

    async def guess(self, name: str, address: str) -> None:
        while True:
            try:
                await self.house.enter(name, WRONG, address=address, cookie=new_cookie())
            except Problem as problem:
                self.answers[problem.code] += 1
            await trio.sleep(1)


# A flood


@pytest.mark.parametrize("addresses", [[f"198.51.{n // 250}.{n % 250}" for n in range(1000)], [HOME] * 100])
async def test_a_flood_does_not_keep_out_who_is_known(house: House, addresses: list[str]) -> None:
    """Also not from the owner's own address, as behind a proxy."""
    await house.add("anna")
    before = await house.enter("anna")
    house.wait(days=60)  # it has expired
    flood = Flood(house)
    async with trio.open_nursery() as nursery:
        for address in addresses:
            nursery.start_soon(flood.guess, "anna", address)
        await trio.sleep(1)
        for _ in range(5):
            began = trio.current_time()
            before = await house.enter("anna", cookie=before.cookie)
            assert trio.current_time() - began <= 3 * STRETCH_SECONDS  # one at work, one before it, and its own
            await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert flood.answers["too_many_log_ins"] + flood.answers["too_many_failures"] > flood.answers["wrong_password"] > 0


async def test_a_flood_costs_one_password_at_a_time(house: House) -> None:
    await house.add("anna")
    flood = Flood(house)
    with trio.move_on_after(5):
        async with trio.open_nursery() as nursery:
            for number in range(500):
                nursery.start_soon(flood.guess, f"user {number}", f"198.51.{number // 250}.{number % 250}")
    assert len(house.stretched) <= 5 / STRETCH_SECONDS + 1


async def test_who_finds_no_place_is_told_when_to_try_again() -> None:
    turns = Turns(trio.Lock())
    async with turns.known("a"):
        with pytest.raises(Problem) as problem:
            await turns.known("a").__aenter__()
    assert (problem.value.status, problem.value.headers["retry-after"]) == (503, "3")


async def test_the_queue_is_bounded(house: House) -> None:
    await house.add("anna")
    told: list[str] = []

    async def guess(address: str) -> None:
        told.append(await refused(house.enter("anna", WRONG, address=address)))

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(guess, HOME)
    assert told.count("too_many_log_ins") >= 10 - MOST_OF_ADDRESS - 2  # one at work, one before it
    told.clear()
    async with trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(guess, f"198.51.100.{number}")
    assert told.count("too_many_log_ins") in range(100 - MOST_WAITING - 2, 100 - MOST_WAITING + 1)


async def test_who_leaves_the_queue_gives_the_place_back(house: House) -> None:
    await house.add("anna")
    for _ in range(50):
        with trio.move_on_after(STRETCH_SECONDS / 2):
            async with trio.open_nursery() as nursery:
                for _ in range(MOST_OF_ADDRESS):
                    nursery.start_soon(house.enter, "anna")
    await house.enter("anna")


# Slowing


async def test_wrong_passwords_wait_longer_and_longer(house: House) -> None:
    await house.add("anna")
    await house.add("ben")
    waits: list[int] = []
    while len(waits) < 8:
        with pytest.raises(Problem) as problem:
            await house.enter("anna", WRONG)
        if problem.value.code == "too_many_failures":
            waits.append(int(problem.value.headers["retry-after"]))
            await trio.sleep(waits[-1])
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert await refused(house.enter("anna", WRONG)) == "wrong_password"
    assert await refused(house.enter("ANNA")) == "too_many_failures"  # although it is right
    await house.enter("anna", address="203.0.113.2")
    await house.enter("ben")


async def test_who_waits_in_the_queue_is_slowed_by_others_failures(house: House) -> None:
    await house.add("anna")
    for _ in range(4):
        await refused(house.enter("anna", WRONG))
    told: list[str] = []

    async def guess() -> None:
        told.append(await refused(house.enter("anna", WRONG)))

    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(guess)
    assert sorted(told) == ["too_many_failures", "wrong_password"]


async def test_a_known_browser_waits_for_its_own_mistakes(house: House) -> None:
    await house.add("anna")
    mine, other = await house.enter("anna"), await house.enter("anna")
    told = [await refused(house.enter("anna", WRONG, cookie=mine.cookie)) for _ in range(7)]
    assert told[-1] == "too_many_failures"
    await house.enter("anna", cookie=other.cookie)
    await house.enter("anna", cookie=None)


@pytest.mark.parametrize("is_stolen", [True, False])
async def test_a_browser_that_was_shut_out_is_not_known(house: House, is_stolen: bool) -> None:
    """Its log-in was ended by somebody else: it may be in other hands. One that logged out by itself stays known."""
    await house.add("anna")
    entered = await house.enter("anna")
    if is_stolen:
        await house.logins.end(entered.login.id, "anna")
    else:
        await house.logins.leave(entered.login.id)
    for _ in range(6):
        await refused(house.enter("anna", WRONG))
    if is_stolen:
        assert await refused(house.enter("anna", cookie=entered.cookie)) == "too_many_failures"
    else:
        await house.enter("anna", cookie=entered.cookie)


async def test_the_browser_of_another_user_is_not_known(house: House) -> None:
    await house.add("anna")
    await house.add("ben")
    of_ben = await house.enter("ben")
    for _ in range(6):
        await refused(house.enter("anna", WRONG))
    assert await refused(house.enter("anna", cookie=of_ben.cookie)) == "too_many_failures"


# One-time codes


async def test_a_link_is_used_once(house: House) -> None:
    number = await house.add("ben", "viewer", None)
    code = await house.invite(number, "link")
    entered = await house.use(f" {code[:20]}\n{code[20:]} ")
    assert entered.login.user == number
    assert await refused(house.use(code)) == "wrong_code"
    assert code.split("_", 2)[2] not in str(house.books.rows("SELECT * FROM invitation"))


@pytest.mark.parametrize(("kind", "minutes"), [("link", 24 * 60), ("pin", 15)])
async def test_a_code_is_valid_for_a_while(house: House, kind: str, minutes: int) -> None:
    number = await house.add("ben", "viewer", None)
    for late, expected in ((-1, None), (1, "wrong_code")):
        code = await house.invite(number, kind)  # type: ignore[arg-type]  # one of both
        house.wait(minutes=minutes, seconds=late)
        if expected:
            assert await refused(house.use(code)) == expected
        else:
            await house.use(code)


async def test_a_new_code_and_a_new_role_end_the_one_before(house: House) -> None:
    number = await house.add("ben", "viewer", None)
    first, second = [await house.invite(number, "link") for _ in range(2)]
    assert await refused(house.use(first)) == "wrong_code"
    await house.logins.change(users.change, number, {"role": "operator"}, house.admin)
    assert await refused(house.use(second)) == "wrong_code"


async def test_one_of_many_with_the_same_code_gets_in(house: House) -> None:
    number = await house.add("ben", "viewer", None)
    for kind in ("link", "pin"):
        code = await house.invite(number, kind)
        told: list[str] = []

        async def use(address: str, code: str = code, told: list[str] = told) -> None:
            try:
                await house.use(code, address=address)
                told.append("in")
            except Problem as problem:
                told.append(problem.code)

        async with trio.open_nursery() as nursery:
            for address in range(5):
                nursery.start_soon(use, str(address))
        assert told.count("in") == 1


@pytest.mark.parametrize("at_once", [1, 20])
async def test_a_pin_is_guessed_at_five_times(house: House, at_once: int) -> None:
    """Also by many at the same time, and not again after a restart."""
    number = await house.add("ben", "viewer", None)
    code = await house.invite(number, "pin")
    invitation, digits = code.split("-")
    guesses = [f"{invitation}-{(int(digits) + n) % 10**8:08}" for n in range(1, 41)]
    assert len(digits) == 8
    await refused(house.use("7-12345678"))
    house.stretched.clear()

    async def guess(part: int) -> None:
        for place in range(part, len(guesses), at_once):
            assert await refused(house.use(guesses[place], address=f"198.51.100.{place}")) != "changed"

    async with trio.open_nursery() as nursery:
        for part in range(at_once):
            nursery.start_soon(partial(guess, part))
    assert len(house.stretched) <= 5
    assert await refused(house.use(code, address="203.0.113.9")) == "wrong_code"
    house.logins = house.restarted()
    await house.logins.open()
    assert await refused(house.use(code)) == "wrong_code"


async def test_the_fifth_try_of_a_pin_may_be_right(house: House) -> None:
    number = await house.add("ben", "viewer", None)
    code = await house.invite(number, "pin")
    invitation, digits = code.split("-")
    wrong = f"{invitation}-{(int(digits) + 1) % 10**8:08}"
    assert [await refused(house.use(wrong)) for _ in range(4)] == ["wrong_code"] * 4
    assert (await house.use(code)).login.user == number
