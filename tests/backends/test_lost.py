"""What no longer exists as a frame is told from what is stored: each once, and counted as that."""

from __future__ import annotations

import pytest
import trio

from levity_trio.store.reads.site import receivers
from tests.backends.site import FIRST_NUMBER, Site, Told
from tests.backends.test_messages import SAMPLE
from tests.store.books import meter_value
from tests.store.test_imported import import_one


def registers(told: list[Told]) -> list[str]:
    """Return the registers of readings, in the order in which they were told."""
    readings = [payload["meterValue"] for action, payload in told if action == "MeterValues"]
    return [value["sampledValue"][0]["value"] for values in readings for value in values]


def read(site: Site, number: int, *wh: int, minutes: float = 5) -> None:
    for register in wh:
        site.books.wait(minutes)
        site.charger.tell(site.charger.register(register), transaction=number)


def prune(site: Site) -> None:
    """Delete all frames, as retention does."""
    site.books.connection.execute("DELETE FROM log")


async def test_a_session_without_frames_is_made_of_what_is_stored(site: Site) -> None:
    site.charger.is_logged = False  # a full disk
    number = site.charger.start(1000)
    sent_at = site.charger.clock(-5)
    read(site, number, 1100, 1200)
    site.books.wait(5)
    site.charger.stop(number, 1300)
    told = await site.facts()
    assert [action for action, _ in told] == [
        *("StartTransaction", "MeterValues", "MeterValues", "StopTransaction")
    ]
    assert told[1][1] == {
        "connectorId": 1,
        "transactionId": FIRST_NUMBER,
        "meterValue": [
            {
                "timestamp": sent_at,
                "sampledValue": [
                    {
                        "value": "1100",
                        "context": "Sample.Periodic",
                        "measurand": "Energy.Active.Import.Register",
                        "unit": "Wh",
                        "location": "Outlet",
                        "format": "Raw",
                    }
                ],
            }
        ],
    }
    # Starts and stops are evidence, which stays.
    assert site.rows("told, made", "backend_cp") == [(4, 2)]
    assert await site.facts() == []


async def test_signed_values_pass_byte_by_byte_without_their_frames(site: Site) -> None:
    site.set(with_signed=1)
    site.charger.is_logged = False
    number = site.charger.start(1000)
    site.books.wait(5)
    site.charger.tell(meter_value(site.charger.clock(), 1100, SAMPLE), transaction=number)
    site.books.wait(5)
    site.charger.stop(number, 1200, data=[meter_value(site.charger.clock(), SAMPLE)])
    _, readings, stop = [payload for _, payload in await site.facts()]
    signed = readings["meterValue"][0]["sampledValue"][1]
    assert signed.items() >= SAMPLE.items()
    assert stop["transactionData"][0]["sampledValue"] == [SAMPLE]


async def test_what_was_told_before_its_frames_were_deleted_is_not_told_again(site: Site) -> None:
    number = site.charger.start(1000)
    read(site, number, 1100, 1200, 1300)
    before = await site.facts()
    read(site, number, 1400, 1500)
    prune(site)
    site.books.wait(5)
    site.charger.stop(number, 1600)
    after = await site.facts()
    assert registers(before) == ["1100", "1200", "1300"]
    assert registers(after) == ["1400", "1500"]
    assert [action for action, _ in after][-1] == "StopTransaction"


async def test_frames_of_a_full_disk_between_others(site: Site) -> None:
    number = site.charger.start(1000)
    read(site, number, 1100)
    site.charger.is_logged = False
    read(site, number, 1200)
    site.charger.is_logged = True
    read(site, number, 1300)
    before = await site.facts()
    site.books.wait(5)
    site.charger.stop(number, 1400)
    after = await site.facts()
    assert registers(before) == ["1100", "1300"]
    assert registers(after) == ["1200"]


async def test_readings_that_say_the_same_hide_no_lost_one(site: Site) -> None:
    """They are one row, which goes on with each of them."""
    number = site.charger.start(1000)
    read(site, number, *[1000] * 10, minutes=0.5)
    before = await site.facts()
    assert registers(before) == ["1000"] * 10
    site.charger.is_logged = False
    read(site, number, 1100, 1200)
    site.charger.is_logged = True
    site.books.wait(5)
    site.charger.stop(number, 1300)
    assert registers(await site.facts()) == ["1100", "1200"]


async def test_lost_readings_are_told_once_wherever_the_backend_leaves(site: Site) -> None:
    site.charger.is_logged = False
    number = site.charger.start(1000)
    read(site, number, 1100, 1200, 1300)
    site.books.wait(5)
    site.charger.stop(number, 1400)
    for messages, is_answered in ((2, True), (1, True), (1, False)):
        site.backend.leaves = [(messages, is_answered)]
        async with site.copying():
            await trio.sleep(2)
        site.backend.leaves = []
    await site.facts()
    heard: list[str] = []
    was_cut = False
    for one in site.backend.history:
        if one is not None and one[0] == "MeterValues":
            (register,) = registers([one])
            assert not heard or register > heard[-1] or (register == heard[-1] and was_cut)
            heard.append(register)
        was_cut = one is None or (was_cut and one[0] in ("BootNotification", "StatusNotification"))
    assert dict.fromkeys(heard) == dict.fromkeys(["1100", "1200", "1300"])
    assert len(site.backend.of("StopTransaction")) == 1


async def test_readings_beyond_those_of_others_come_before_their_stop(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receivers, "LOG_ROWS_AT_ONCE", 5)
    number = site.charger.start(1000)
    await site.facts()
    others = type(site.charger)(site.books, "CP-2")
    site.books.wait(1)
    for _ in range(20):
        others.tell(others.register(5000))
    read(site, number, 1100)
    site.books.wait(1)
    site.charger.stop(number, 1200)
    told = await site.facts()
    assert [action for action, _ in told] == ["MeterValues", "StopTransaction"]


@pytest.mark.parametrize("minutes", [0.1, 45])
async def test_a_clock_of_ours_that_is_set_back_loses_no_reading(
    site: Site, minutes: float
) -> None:
    number = site.charger.start(1000)
    site.books.wait(-minutes)
    site.charger.tell(site.charger.register(1100, -minutes), transaction=number)
    site.books.wait(minutes + 5)
    site.charger.stop(number, 1200)
    told = await site.facts()
    assert [action for action, _ in told] == ["StartTransaction", "MeterValues", "StopTransaction"]


# Where it begins


async def test_a_backend_begins_with_what_comes(site: Site) -> None:
    """A session that goes on then is not told, nor is what it still says."""
    older = site.charger.start(1000)
    read(site, older, 1100)
    site.books.wait(5)
    site.start_over()
    site.books.wait(5)
    read(site, older, 1200)
    site.charger.stop(older, 1300)
    site.books.wait(5)
    newer = site.charger.start(2000)
    read(site, newer, 2100)
    told = await site.facts()
    assert [action for action, _ in told] == ["StartTransaction", "MeterValues"]
    assert registers(told) == ["2100"]


async def test_a_backend_can_begin_at_a_date(site: Site) -> None:
    older = site.charger.start(1000)
    site.books.wait(5)
    site.charger.stop(older, 1300)
    site.books.wait(5)
    begins_at = site.books.at
    number = site.charger.start(2000)
    read(site, number, 2100)
    site.charger.status("Charging")
    site.books.wait(60)
    site.start_over(begins_at)
    site.books.wait(60)
    site.charger.stop(number, 2200)
    told = await site.facts()
    assert [action for action, _ in told] == ["StartTransaction", "MeterValues", "StopTransaction"]
    assert told[0][1]["meterStart"] == 2000


async def test_imported_history_is_not_told(site: Site) -> None:
    import_one(site.books)
    site.start_over("2026-01-01T00:00:00.000Z")
    assert site.books.count("tx") == 1
    assert await site.facts() == []


async def test_repeated_starts_and_stops_are_told_once(site: Site) -> None:
    at = site.charger.clock()
    number = site.charger.start(1000, at=at)
    site.books.wait(1)
    assert site.charger.start(1000, at=at) == number
    before = await site.facts()
    site.books.wait(1)
    assert site.charger.start(1000, at=at) == number
    stopped_at = site.charger.clock()
    for _ in range(3):
        site.books.wait(1)
        site.charger.stop(number, 2000, at=stopped_at)
    after = await site.facts()
    site.books.wait(1)
    site.charger.stop(number, 2000, at=stopped_at)
    assert await site.facts() == []
    assert [action for action, _ in [*before, *after]] == ["StartTransaction", "StopTransaction"]


async def test_more_than_a_page_of_everything(site: Site) -> None:
    """More frames and sessions than one read returns, with those of another charger in between."""
    others = type(site.charger)(site.books, "CP-2")
    for session in range(receivers.SESSIONS_AT_ONCE + 5):
        number = site.charger.start(10_000 * (session + 1))
        for reading in range(10):
            site.books.wait(1)
            wh = 10_000 * (session + 1) + reading + 1
            site.charger.tell(site.charger.register(wh), transaction=number)
            others.tell(others.register(wh))
        site.books.wait(1)
        site.charger.stop(number, 10_000 * (session + 1) + 100)
        site.books.wait(1)
    told = await site.facts(600)
    one = ["StartTransaction", *["MeterValues"] * 10, "StopTransaction"]
    assert [action for action, _ in told] == one * (receivers.SESSIONS_AT_ONCE + 5)
    assert len(told) > receivers.FRAMES_AT_ONCE
    assert registers(told) == sorted(registers(told), key=int)
    for first in range(0, len(told), len(one)):
        numbers = {payload["transactionId"] for _, payload in told[first + 1 : first + len(one)]}
        assert len(numbers) == 1


async def test_more_sessions_than_a_page(site: Site) -> None:
    """Their readings, which would all be in one page, wait for their starts."""
    sessions = receivers.SESSIONS_AT_ONCE + 5
    for session in range(sessions):
        number = site.charger.start(1000 * (session + 1))
        read(site, number, 1000 * (session + 1) + 1)
        site.books.wait(1)
        site.charger.stop(number, 1000 * (session + 1) + 2)
        site.books.wait(1)
    actions = [action for action, _ in await site.facts(600)]
    assert actions == ["StartTransaction", "MeterValues", "StopTransaction"] * sessions


async def test_a_session_ends_before_the_next_one_that_begins_at_the_same_time(site: Site) -> None:
    number = site.charger.start(1000)
    site.books.wait(5)
    site.charger.stop(number, 2000)
    site.charger.start(2000)
    actions = [action for action, _ in await site.facts()]
    assert actions == ["StartTransaction", "StopTransaction", "StartTransaction"]


async def test_frames_that_are_left_and_frames_that_are_not(site: Site) -> None:
    """Retention ended in the middle of a session while its backend was away."""
    number = site.charger.start(1000)
    read(site, number, 1100, 1200)
    prune(site)
    read(site, number, 1300, 1400)
    site.books.wait(5)
    site.charger.stop(number, 1500)
    told = await site.facts()
    assert sorted(registers(told)) == ["1100", "1200", "1300", "1400"]
    assert site.rows("told, made", "backend_cp") == [(6, 2)]
    assert await site.facts() == []
