"""A session whose message a backend does not take waits, alone: it is told again with growing
pauses, set aside after a day, and told from where it was when the owner wants that."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

import pytest
import trio

from levity_trio.store.writes.people.accounts import ChangeRefused
from levity_trio.store.writes.site import receivers
from tests.backends.site import OF_SESSIONS, SILENCE, Failure, Site, Told

START, READINGS, STOP = OF_SESSIONS
REFUSED: Final = Failure("no such connector", "PropertyConstraintViolation")


def begin(site: Site, wh: int, connector: int = 1) -> int:
    number = site.charger.start(wh, connector=connector)
    site.books.wait(1)
    return number


def read(site: Site, number: int, wh: int) -> None:
    site.charger.tell(site.charger.register(wh), transaction=number)
    site.books.wait(1)


def end(site: Site, number: int, wh: int) -> None:
    site.charger.stop(number, wh)
    site.books.wait(1)


def session(site: Site, wh: int) -> int:
    """One session of 200 Wh with a reading."""
    number = begin(site, wh)
    read(site, number, wh + 100)
    end(site, number, wh + 200)
    return number


def failing(site: Site, action: str, failure: object, wh: int | None = None) -> list[float]:
    """Have the backend fail at a message, or only at the start or stop with this register; return
    the list of the times at which it does."""
    times: list[float] = []
    honest = site.backend._answer

    def answer(payload: dict[str, Any]) -> object:
        if wh is not None and wh not in (payload.get("meterStart"), payload.get("meterStop")):
            del site.backend.answers[action]
            try:
                return honest(action, payload)
            finally:
                site.backend.answers[action] = answer
        times.append(trio.current_time())
        if isinstance(failure, Failure):
            raise failure
        return failure

    site.backend.answers[action] = answer
    return times


def told(site: Site) -> list[Told]:
    """What was told of sessions, without what was refused or told again."""
    found: list[Told] = []
    for action, payload in site.backend.told:
        if action in OF_SESSIONS and (action, payload) not in found:
            found.append((action, payload))
    return found


def registers(site: Site, action: str, name: str) -> list[int]:
    return [payload[name] for payload in site.backend.of(action)]


def waiting(site: Site) -> list[tuple[Any, ...]]:
    return site.rows("tx_id, next_at IS NULL", "backend_waiting")


async def pass_a_day(site: Site) -> None:
    """Let a day pass in steps, without its silence."""
    for _ in range(30):
        site.books.wait(61)
        await trio.sleep(35)


@pytest.mark.parametrize("action", [START, READINGS, STOP])
@pytest.mark.parametrize("code", ["InternalError", "GenericError"])
async def test_it_is_tried_again_with_growing_pauses(site: Site, action: str, code: str) -> None:
    times = failing(site, action, Failure("not now", code))
    session(site, 1000)
    async with site.copying():
        await trio.sleep(600)
        pauses = [after - before for before, after in pairwise(times)]
        assert 60 <= pauses[0] < 95
        assert pauses == sorted(pauses)
        assert 120 <= pauses[2] < 360
        assert len(times) in (4, 5)
        del site.backend.answers[action]
        await trio.sleep(600)
    assert [one for one, _ in told(site)] == [START, READINGS, STOP]
    assert site.backend.actions.count(action) == len(times) + 1
    assert waiting(site) == site.rows("id", "backend_refused") == []
    assert site.rows("told", "backend_cp") == [(3,)]


async def test_a_pause_is_an_hour_at_most(site: Site) -> None:
    times = failing(site, START, Failure("not now"))
    begin(site, 1000)
    async with site.copying():
        await trio.sleep(5 * 3600)
    assert 3600 <= times[-1] - times[-2] < 3640
    assert 3600 <= times[-2] - times[-3] < 3640


async def test_only_its_session_waits(site: Site) -> None:
    failing(site, START, Failure("not now"), wh=1000)
    first = begin(site, 1000)
    read(site, first, 1100)
    site.charger.status("Charging")
    read(site, first, 1200)
    second = begin(site, 5000, connector=2)
    read(site, first, 1300)
    end(site, second, 5100)
    async with site.copying():
        await trio.sleep(50)
        assert registers(site, STOP, "meterStop") == [5100]
        assert "Charging" in [one["status"] for one in site.backend.of("StatusNotification")]
        assert site.backend.of(READINGS) == []
        end(site, first, 1400)
        del site.backend.answers[START]
        await trio.sleep(100)
    assert registers(site, STOP, "meterStop") == [5100, 1400]
    values = [one["meterValue"][0]["sampledValue"][0]["value"] for one in site.backend.of(READINGS)]
    assert values == ["1100", "1200", "1300"]
    assert waiting(site) == []


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_all_is_told_once_and_in_order_after_hours(site: Site, is_restarted: bool) -> None:
    times = failing(site, START, Failure("not now"))
    async with site.copying():
        for number in range(4):
            session(site, 1000 * number)
            await trio.sleep(1200)
        if not is_restarted:
            # The newest begins while the backend is back, and the others still wait.
            del site.backend.answers[START]
            session(site, 9000)
            await trio.sleep(40)
    if is_restarted:
        assert len(waiting(site)) == 4
        del site.backend.answers[START]
        session(site, 9000)
        await site.tell()
    starts = registers(site, START, "meterStart")[len(times) :]
    assert starts == [0, 1000, 2000, 3000, 9000]
    assert registers(site, STOP, "meterStop") == [200, 1200, 2200, 3200, 9200]
    assert len(site.backend.of(READINGS)) == 5
    assert [one for one, _ in told(site)][-3:] == [START, READINGS, STOP]
    assert waiting(site) == []


async def test_what_goes_on_while_it_is_caught_up_is_told_once(site: Site) -> None:
    failing(site, START, Failure("not now"))
    number = begin(site, 1000)
    async with site.copying():
        for wh in range(1100, 1500, 100):
            read(site, number, wh)
            await trio.sleep(40)
        del site.backend.answers[START]
        site.backend.answers[READINGS] = read_on(site, number)
        await trio.sleep(400)
        end(site, number, 3000)
        await trio.sleep(40)
    values = [one["meterValue"][0]["sampledValue"][0]["value"] for one in site.backend.of(READINGS)]
    assert values == ["1100", "1200", "1300", "1400", "2000", "2100", "2200"]
    assert site.backend.actions[-1] == STOP


def read_on(site: Site, number: int) -> Callable[[dict[str, Any]], object]:
    """Answer readings, and send another one during each of the first answers."""
    more = [2200, 2100, 2000]

    def answer(_: dict[str, Any]) -> object:
        if more:
            read(site, number, more.pop())
        return {}

    return answer


async def test_after_a_day_it_is_set_aside_and_told_when_the_owner_wants_it(site: Site) -> None:
    times = failing(site, READINGS, Failure("no disk"))
    number = session(site, 1000)
    async with site.copying():
        await trio.sleep(5)
        await pass_a_day(site)
        assert waiting(site) == [(number, 1)]
        before = len(times)
        assert 24 <= before <= 40
        assert site.rows("kind, action, answer, tx_id", "backend_refused") == [
            ("refused", READINGS, "InternalError: no disk", number)
        ]
        assert site.rows("refused", "backend_cp") == [(1,)]
        del site.backend.answers[READINGS]
        session(site, 5000)
        await trio.sleep(100)
        assert registers(site, STOP, "meterStop") == [5200]

        site.books.run(receivers.tell_again, site.number, number, site.books.at)
        await trio.sleep(100)
    assert registers(site, STOP, "meterStop") == [5200, 1200]
    assert len(site.backend.of(READINGS)) == before + 2
    assert waiting(site) == []
    with pytest.raises(ChangeRefused, match="no session that waits"):
        site.books.run(receivers.tell_again, site.number, None, site.books.at)


async def test_a_day_is_one_in_which_the_backend_answers(site: Site) -> None:
    failing(site, START, Failure("not now"))
    number = begin(site, 1000)
    async with site.copying():
        await trio.sleep(100)
        site.backend.is_away = True
        site.backend.leave()
        await trio.sleep(10)
        site.books.wait(3 * 24 * 60)
        site.backend.is_away = False
        await trio.sleep(200)
    assert waiting(site) == [(number, 0)]


@pytest.mark.parametrize("action", [START, STOP])
async def test_another_error_sets_it_aside_at_once(site: Site, action: str) -> None:
    failing(site, action, REFUSED, wh=1000 if action == START else 1200)
    numbers = [session(site, 1000), session(site, 5000)]
    await site.tell()
    assert site.backend.actions.count(action) == 2
    assert registers(site, STOP, "meterStop")[-1] == 5200
    assert waiting(site) == [(numbers[0], 1)]
    ((answer, payload),) = site.rows("answer, payload", "backend_refused")
    assert answer == f"PropertyConstraintViolation: {REFUSED}"
    # The card is not kept, nor what it is called there.
    assert "idTag" not in json.loads(payload)
    del site.backend.answers[action]
    await site.tell(2 * 3600)
    assert site.backend.actions.count(action) == 2
    site.books.run(receivers.tell_again, site.number, numbers[0], site.books.at)
    await site.tell()
    assert registers(site, START, "meterStart").count(1000) == 1 + (action == START)
    assert registers(site, STOP, "meterStop").count(1200) == 1 + (action == STOP)
    assert len(site.backend.of(READINGS)) == 2


async def test_a_refused_reading_does_not_keep_its_session(site: Site) -> None:
    failing(site, READINGS, REFUSED)
    session(site, 1000)
    await site.tell()
    assert site.backend.actions.count(READINGS) == 1
    assert registers(site, STOP, "meterStop") == [1200]
    assert waiting(site) == []
    assert site.rows("kind, action", "backend_refused") == [("refused", READINGS)]


async def test_what_left_the_log_meanwhile_is_made(site: Site) -> None:
    failing(site, START, REFUSED)
    number = session(site, 1000)
    await site.tell()
    session(site, 5000)
    site.books.run(receivers.tell_again, site.number, None, site.books.at)
    site.books.connection.execute("DELETE FROM log")
    del site.backend.answers[START]
    await site.tell()
    assert registers(site, STOP, "meterStop") == [1200, 5200]
    values = [one["meterValue"][0]["sampledValue"][0]["value"] for one in site.backend.of(READINGS)]
    assert values == ["1100", "5100"]
    assert number


@pytest.mark.parametrize("action", [START, READINGS, STOP])
async def test_an_answer_that_is_cut_off_again_and_again_holds_only_its_session(
    site: Site, action: str
) -> None:
    times = failing(site, action, SILENCE)
    session(site, 1000)
    async with site.copying():
        # It is told at once on the next connections, and then with pauses.
        await trio.sleep(130)
        assert len(times) == 3
        assert len(waiting(site)) == 1
        site.charger.status("Faulted")
        await trio.sleep(80)
        assert "Faulted" in [one["status"] for one in site.backend.of("StatusNotification")]
        del site.backend.answers[action]
        await trio.sleep(400)
    assert [one for one, _ in told(site)] == [START, READINGS, STOP]
    assert waiting(site) == site.rows("id", "backend_refused") == []


async def test_a_start_that_is_cut_off_keeps_its_place(site: Site) -> None:
    site.backend.leaves = [(1, False), (2, False)]
    for wh in (1000, 5000):
        session(site, wh)
    async with site.copying():
        await trio.sleep(100)
    assert [one for one, _ in told(site)] == 2 * [START, READINGS, STOP]
    assert registers(site, START, "meterStart")[:2] == [1000, 1000]


async def test_what_others_lack_is_told_after_a_break_in_catching_up(site: Site) -> None:
    failing(site, START, Failure("not now"))
    number = begin(site, 1000)
    await site.tell()
    for status in ("Preparing", "Charging"):
        site.charger.status(status)
        site.books.wait(1)
    read(site, number, 1100)
    read(site, number, 1200)
    site.books.wait(5)
    del site.backend.answers[START]
    site.backend.leaves = [(2, True)]
    async with site.copying():
        await trio.sleep(3)
    assert site.backend.actions[-1] == READINGS
    await site.tell()
    statuses = [one["status"] for one in site.backend.of("StatusNotification")]
    assert statuses[-2:] == ["Preparing", "Charging"]
    values = [one["meterValue"][0]["sampledValue"][0]["value"] for one in site.backend.of(READINGS)]
    assert values == ["1100", "1200"]
