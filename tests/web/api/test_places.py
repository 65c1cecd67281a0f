"""The places of requests: few at work, those that wait for a charger beside them, and readers in
turns."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from levity_trio.web.api.engine.endpoints import RECORDED, Refusals, RequestPlaces
from levity_trio.web.api.engine.problems import Problem
from tests.charger.conftest import run_in_virtual_time


class Crowd:
    """Requests that hold a place until they are released, and how many have one at once."""

    def __init__(self) -> None:
        self.inside = self.most = 0
        self.release = trio.Event()

    async def work(self, places: RequestPlaces) -> None:
        async with places.work():
            await self._stay()

    async def wait(self, places: RequestPlaces) -> None:
        async with places.work(), places.wait():
            await self.release.wait()

    async def _stay(self) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        await self.release.wait()
        self.inside -= 1


async def test_so_many_are_at_work_at_once() -> None:
    places, crowd = RequestPlaces(at_work=2), Crowd()
    async with trio.open_nursery() as requests:
        for _ in range(5):
            requests.start_soon(crowd.work, places)
        await wait_all_tasks_blocked()
        assert crowd.inside == 2
        crowd.release.set()
    assert (crowd.inside, crowd.most) == (0, 2)


async def test_those_that_wait_for_a_charger_leave_their_place_to_others() -> None:
    places, crowd, worker = RequestPlaces(at_work=1, waiting=3), Crowd(), Crowd()
    async with trio.open_nursery() as requests:
        for _ in range(3):
            requests.start_soon(crowd.wait, places)
        await wait_all_tasks_blocked()
        requests.start_soon(worker.work, places)
        await wait_all_tasks_blocked()
        assert worker.inside == 1
        worker.release.set()
        await wait_all_tasks_blocked()
        with pytest.raises(Problem) as refused:
            async with places.work(), places.wait():
                pass
        assert (refused.value.status, refused.value.code) == (503, "too_many_waiting")
        crowd.release.set()
    async with places.work():  # each has come back for its place and left it
        pass


@pytest.mark.trio(run=run_in_virtual_time)
async def test_readers_take_turns_and_rest_as_long_as_they_took() -> None:
    places, began = RequestPlaces(), trio.current_time()
    times: list[float] = []

    async def read() -> None:
        async with places.read():
            times.append(trio.current_time() - began)
            await trio.sleep(3)

    async with trio.open_nursery() as requests:
        for _ in range(3):
            requests.start_soon(read)
    assert times == [0, 6, 12]
    async with places.work():
        assert trio.current_time() - began == 15  # a change does not rest


async def test_readers_that_wait_for_their_turn_hold_no_place() -> None:
    places, crowd, release = RequestPlaces(at_work=2), Crowd(), trio.Event()

    async def read() -> None:
        async with places.read():
            await release.wait()

    async with trio.open_nursery() as requests:
        for _ in range(5):
            requests.start_soon(read)
        await wait_all_tasks_blocked()
        requests.start_soon(crowd.work, places)
        await wait_all_tasks_blocked()
        assert crowd.inside == 1
        crowd.release.set()
        release.set()


@pytest.mark.trio(run=run_in_virtual_time)
async def test_a_flood_of_refusals_of_one_address_is_recorded_in_part() -> None:
    refusals = Refusals()
    assert [refusals.count_attempt("a") for _ in range(RECORDED + 2)] == [True] * RECORDED + [
        False
    ] * 2
    assert refusals.count_attempt("b")
    await trio.sleep(61)
    assert refusals.count_attempt("a")
