"""Whoever guesses is slowed and never keeps a user out; a one-time code is used once, and guessed
at five times."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest
import trio
import trio.testing

from levity_trio.charger.doors import MOST_OF_ADDRESS, MOST_WAITING, TooManyWait, Turns
from levity_trio.store.writes.people import accounts, users
from levity_trio.store.writes.people.accounts import AccountData
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.logins.browsers import new_cookie
from levity_trio.web.logins.invitations import Kind
from tests.web.entering import HOME, PASSWORD, STRETCH_SECONDS, House
from tests.web.test_logins import refused

WRONG = "wrong password"
GUESSES = 65
"""Of one address and name in an hour."""


class Flood:
    """Wrong passwords for a user."""

    def __init__(self, house: House, pause: float = 1) -> None:
        self.house, self.pause = house, pause
        self.answers: Counter[str] = Counter()

    async def guess(self, name: str, address: str) -> None:
        while True:
            try:
                await self.house.enter(name, WRONG, address=address, cookie=new_cookie())
            except Problem as problem:
                self.answers[problem.code] += 1
            await trio.sleep(self.pause)


# A flood


@pytest.mark.parametrize(
    "addresses", [[f"198.51.{n // 250}.{n % 250}" for n in range(1000)], [HOME] * 100]
)
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
            # one at work, one before it, and its own
            assert trio.current_time() - began <= 3 * STRETCH_SECONDS
            await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert (
        flood.answers["too_many_log_ins"] + flood.answers["too_many_failures"]
        > flood.answers["wrong_password"]
        > 0
    )


async def test_a_flood_costs_one_password_at_a_time(house: House) -> None:
    await house.add("anna")
    flood = Flood(house)
    with trio.move_on_after(5):
        async with trio.open_nursery() as nursery:
            for number in range(500):
                nursery.start_soon(
                    flood.guess, f"user {number}", f"198.51.{number // 250}.{number % 250}"
                )
    assert len(house.stretched) <= 5 / STRETCH_SECONDS + 1


async def test_who_finds_no_place_is_told_when_to_try_again(house: House) -> None:
    await house.add("anna")
    problems: list[Problem] = []

    async def guess(address: str) -> None:
        with pytest.raises(Problem) as problem:
            await house.enter("anna", WRONG, address=address)
        problems.append(problem.value)

    async with trio.open_nursery() as nursery:
        for number in range(MOST_WAITING + 3):
            nursery.start_soon(guess, f"198.51.100.{number}")
    told = [problem for problem in problems if problem.code == "too_many_log_ins"]
    assert told
    assert {(problem.status, problem.headers["retry-after"]) for problem in told} == {(503, "3")}


@pytest.mark.parametrize("at_once", [1, 20])
async def test_how_often_one_address_guesses_in_an_hour(house: House, at_once: int) -> None:
    await house.add("anna")
    flood = Flood(house, pause=7 * at_once)
    with trio.move_on_after(3600):
        async with trio.open_nursery() as nursery:
            for _ in range(at_once):
                nursery.start_soon(flood.guess, "anna", HOME)
    assert 20 <= len(house.stretched) == flood.answers["wrong_password"] <= GUESSES


async def test_at_most_ten_passwords_are_compared_or_wait_for_it(house: House) -> None:
    await house.add("anna")
    turns = [house.logins._door.turns, house.logins._drivers_door.turns]

    async def guess(number: int) -> None:
        await refused(
            house.enter("anna", WRONG, address=f"198.51.100.{number}", for_drivers=number % 2 == 0)
        )

    async with trio.open_nursery() as nursery:
        for number in range(200):
            nursery.start_soon(guess, number)
        await trio.testing.wait_all_tasks_blocked()
        assert 8 <= sum(len(one._queue) + one._of_strangers.locked() for one in turns) <= 10


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


async def test_few_addresses_do_not_fill_the_queue_for_others(house: House) -> None:
    """One that has nobody in the queue displaces the second of another; when each has one, it is
    full."""
    await house.add("anna")
    told: list[str] = []

    async def guess(address: str) -> None:
        told.append(await refused(house.enter("anna", WRONG, address=address)))

    async with trio.open_nursery() as nursery:
        for address in range(MOST_WAITING // MOST_OF_ADDRESS + 1):  # one is at work
            for _ in range(MOST_OF_ADDRESS):
                nursery.start_soon(guess, f"198.51.100.{address}")
                # the first is at work, not in the queue
                await trio.testing.wait_all_tasks_blocked()
        assert told == ["too_many_log_ins"]
        await house.enter("anna")
        assert told.count("too_many_log_ins") == 2
    assert len(told) == MOST_WAITING + MOST_OF_ADDRESS
    assert told.count("wrong_password") > MOST_WAITING // MOST_OF_ADDRESS


async def test_who_is_displaced_leaves_no_trace() -> None:
    turns, released = Turns(trio.Lock()), trio.Event()
    served: list[str] = []

    async def wait(address: str) -> None:
        try:
            async with turns.stranger(address):
                served.append(address)
                await released.wait()
        except TooManyWait:
            served.append("displaced")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, "at work")
        await trio.testing.wait_all_tasks_blocked()
        for address in range(MOST_WAITING // MOST_OF_ADDRESS):
            for _ in range(MOST_OF_ADDRESS):
                nursery.start_soon(wait, str(address))
        await trio.testing.wait_all_tasks_blocked()
        for stranger in range(MOST_WAITING):
            nursery.start_soon(wait, f"stranger {stranger}")
        await trio.testing.wait_all_tasks_blocked()
        # each address keeps one, and the other places have strangers
        assert served.count("displaced") == MOST_WAITING
        released.set()
    assert {str(address) for address in range(MOST_WAITING // MOST_OF_ADDRESS)} <= set(served)
    assert (
        len([one for one in served if one.startswith("stranger")])
        == MOST_WAITING // MOST_OF_ADDRESS
    )


async def test_the_drivers_door_has_failures_and_a_queue_of_its_own(house: House) -> None:
    await house.add("anna")
    flat = house.books.run(
        accounts.add, AccountData(name="Flat 1", since="2026-01-01"), house.books.at, "root"
    )
    await house.add("ben", "driver", account=flat)
    told: list[str] = []

    async def guess(name: str, address: str) -> None:
        told.append(await refused(house.enter(name, WRONG, address=address, for_drivers=True)))

    for _ in range(10):
        await guess("anna", HOME)
    assert set(told) == {"wrong_password", "too_many_failures"}
    await house.enter("anna")
    told.clear()
    async with trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(guess, "ben", f"198.51.100.{number}")
        await trio.sleep(STRETCH_SECONDS / 2)
        await house.enter("anna", address="203.0.113.7")
        assert len(told) < 100
    assert told.count("too_many_log_ins") >= 100 - MOST_WAITING - 2


async def test_at_the_drivers_door_a_right_password_of_somebody_else_is_wrong(house: House) -> None:
    """It takes as long, and says the same; a browser that is known elsewhere is a stranger
    there."""
    await house.add("anna")
    known = (await house.enter("anna")).cookie
    for password in (PASSWORD, WRONG):
        began = trio.current_time()
        problem = await refused(house.enter("anna", password, cookie=known, for_drivers=True))
        assert (problem, trio.current_time() - began) == ("wrong_password", STRETCH_SECONDS)


@pytest.mark.parametrize("kind", ["link", "pin"])
async def test_a_code_of_somebody_else_opens_nothing_at_the_drivers_door(
    house: House, kind: Kind
) -> None:
    """Nor is it used up there."""
    code = await house.invite(await house.add("anna", "admin", None), kind)
    for place in range(8):
        assert (
            await refused(house.use(code, address=f"198.51.100.{place}", for_drivers=True))
            == "wrong_code"
        )
    await house.use(code)


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
    """Its log-in was ended by somebody else: it may be in other hands. One that logged out by
    itself stays known."""
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
            assert (
                await refused(house.use(guesses[place], address=f"198.51.100.{place}")) != "changed"
            )

    async with trio.open_nursery() as nursery:
        for part in range(at_once):
            nursery.start_soon(partial(guess, part))
    assert len(house.stretched) <= 5
    assert await refused(house.use(code, address="203.0.113.9")) == "wrong_code"
    house.logins = house.restarted()
    await house.logins.open()
    assert await refused(house.use(code)) == "wrong_code"


async def test_who_finds_no_place_uses_up_no_pin(house: House) -> None:
    """A try that the queue refuses is none."""
    await house.add("anna")
    code = await house.invite(await house.add("ben", "viewer", None), "pin")
    wrong = code[:-1] + str((int(code[-1]) + 1) % 10)
    told: Counter[str] = Counter()

    async def guess(address: str) -> None:
        told[await refused(house.enter("anna", WRONG, address=address))] += 1

    async with trio.open_nursery() as nursery:
        for number in range(MOST_WAITING + 1):
            nursery.start_soon(guess, f"198.51.100.{number}")
            await trio.testing.wait_all_tasks_blocked()  # the first is at work, not in the queue
        for number in range(10):
            assert (
                await refused(house.use(wrong, address=f"203.0.113.{number + 20}"))
                == "too_many_log_ins"
            )
    assert told == {"wrong_password": MOST_WAITING + 1}
    await house.use(code)


@pytest.mark.parametrize(("tries", "is_used_up"), [(4, False), (5, True)])
async def test_a_pin_that_was_used_up_is_told(house: House, tries: int, is_used_up: bool) -> None:
    number = await house.add("ben", "viewer", None)
    code = await house.invite(number, "pin")
    wrong = code[:-1] + str((int(code[-1]) + 1) % 10)
    for place in range(tries):
        await refused(house.use(wrong, address=f"198.51.100.{place}"))
    assert (await house.stored(number)).is_used_up is is_used_up
    await house.invite(number, "pin")
    assert not (await house.stored(number)).is_used_up


async def test_the_fifth_try_of_a_pin_may_be_right(house: House) -> None:
    number = await house.add("ben", "viewer", None)
    code = await house.invite(number, "pin")
    invitation, digits = code.split("-")
    wrong = f"{invitation}-{(int(digits) + 1) % 10**8:08}"
    assert [await refused(house.use(wrong)) for _ in range(4)] == ["wrong_code"] * 4
    assert (await house.use(code)).login.user == number
