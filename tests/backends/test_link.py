"""The connection of a copy to its backend: it registers as the charger, tells one message at a
time, and bears whatever the other side does."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import pytest
import trio
from trio_websocket import ConnectionClosed

from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.writes.site import receivers
from tests.backends.site import FIRST_NUMBER, KEY, SILENCE, Failure, Site

BOOT: Final = "BootNotification"
ACCEPTED: Final = {"status": "Accepted", "currentTime": "2026-03-01T12:00:00Z", "interval": 300}


def answering(*answers: object) -> Callable[[dict[str, Any]], object]:
    """Answer with one after the other, and with the last one from then on."""
    left = list(answers)

    def answer(_: dict[str, Any]) -> object:
        given = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(given, Failure):
            raise given
        return given

    return answer


def boot_answer(status: str, interval: object = 300) -> dict[str, object]:
    return {"status": status, "currentTime": "2026-03-01T12:00:00Z", "interval": interval}


def problem(site: Site) -> str:
    """Return why the backend is not told, as it is stored."""
    return str(site.books.value("SELECT problem FROM backend_cp WHERE backend_id = ?", site.number))


def session(site: Site) -> int:
    """A session of a minute."""
    number = site.charger.start(1000)
    site.books.wait(1)
    site.charger.stop(number, 2000)
    return number


# It registers


async def test_it_registers_as_its_charger(site: Site) -> None:
    site.charger.boot(serial="S-1", firmware="1.2")
    site.charger.boot(firmware="1.3")
    for connector in (0, 1):
        site.charger.status("Available", connector)
        site.charger.status("Preparing", connector)
    site.set_charger(log_id=site.books.value("SELECT max(id) FROM log"))
    fields = {"identity": "Ladesäule 7/1", "password": "gehe:im"}
    site.books.run(receivers.put_backend_charger, site.number, "CP-1", fields, KEY, site.books.at)
    told = await site.tell()
    assert site.backend.paths == ["/ocpp/Lades%C3%A4ule%207%2F1"]
    proof = b64encode("Ladesäule 7/1:gehe:im".encode())
    assert site.backend.headers[0][b"authorization"] == b"Basic " + proof
    assert told[0] == (
        BOOT,
        {"vendor": "United Chargers", "model": "Grizzl-E", "firmware": "1.3"},
    )
    assert [(action, one["connectorId"], one["status"]) for action, one in told[1:]] == [
        ("StatusNotification", 0, "Preparing"),
        ("StatusNotification", 1, "Preparing"),
    ]


async def test_one_that_never_booted_says_what_is_known(site: Site) -> None:
    told = await site.tell()
    (action, payload), *_ = told
    assert action == BOOT
    assert payload.keys() == {"chargePointVendor", "chargePointModel"}
    assert all(payload.values())


async def test_who_was_accepted_does_not_boot_again(site: Site) -> None:
    await site.tell()
    session(site)
    assert [action for action, _ in await site.tell()] == ["StartTransaction", "StopTransaction"]


@pytest.mark.parametrize(
    ("answer", "first", "second"),
    [
        (boot_answer("Pending", 100), 95, 105),
        (boot_answer("Rejected", 100), 95, 105),
        (boot_answer("Pending", 0), 5, 65),
        (boot_answer("Rejected", 1), 5, 15),
        (boot_answer("Perhaps", "soon"), 50, 65),
        ({"status": "Pending"}, 50, 65),
        ({}, 50, 65),
        (Failure("no"), 50, 65),
    ],
)
async def test_who_is_not_accepted_waits_with_all(
    site: Site, answer: object, first: float, second: float
) -> None:
    site.backend.answers[BOOT] = answering(answer, ACCEPTED)
    session(site)
    async with site.copying():
        await trio.sleep(first)
        assert site.backend.actions == [BOOT]
        assert problem(site) != "None"
        await trio.sleep(second - first)
        assert site.backend.actions == [BOOT, BOOT, "StartTransaction", "StopTransaction"]
        assert problem(site) == "None"


async def test_who_is_not_accepted_stays_so_over_a_restart(site: Site) -> None:
    site.backend.answers[BOOT] = answering(boot_answer("Pending", 1000))
    session(site)
    for _ in range(3):
        assert [action for action, _ in await site.tell()] == [BOOT]


async def test_a_later_boot_that_is_not_accepted_holds_back_what_follows(site: Site) -> None:
    await site.tell()
    site.backend.answers[BOOT] = answering(boot_answer("Pending", 100), ACCEPTED)
    site.charger.boot()
    site.books.wait(1)
    session(site)
    async with site.copying():
        await trio.sleep(95)
        assert site.backend.actions[1:] == [BOOT]
        await trio.sleep(10)
        told = [action for action in site.backend.actions[2:] if action != "StatusNotification"]
        assert told == [BOOT, "StartTransaction", "StopTransaction"]


async def test_a_trigger_boots_at_once(site: Site) -> None:
    site.backend.answers[BOOT] = answering(boot_answer("Pending", 3600), ACCEPTED)
    session(site)
    async with site.copying():
        await trio.sleep(5)
        asked = {"requestedMessage": BOOT}
        assert (await site.backend.ask("TriggerMessage", asked))[2] == {"status": "Accepted"}
        await trio.sleep(5)
        assert site.backend.actions == [BOOT, BOOT, "StartTransaction", "StopTransaction"]


async def test_true_is_no_interval(site: Site) -> None:
    site.backend.answers[BOOT] = answering(boot_answer("Accepted", True))
    told = await site.tell(1000)
    assert [action for action, _ in told].count("Heartbeat") == 3


async def test_it_beats_as_often_as_the_backend_said(site: Site) -> None:
    site.backend.answers[BOOT] = answering(boot_answer("Accepted", 100))
    told = await site.tell(1000)
    assert 9 <= [action for action, _ in told].count("Heartbeat") <= 10


# It tells


async def test_what_became_of_a_message_is_stored_before_the_next_one(site: Site) -> None:
    stored: list[tuple[int, list[tuple[Any, ...]]]] = []
    for action in ("StartTransaction", "MeterValues", "StopTransaction"):

        def answer(payload: dict[str, Any]) -> object:
            ((told,),) = site.rows("told", "backend_cp")
            stored.append((told, site.rows("their_id, stopped_at IS NULL", "backend_tx")))
            return {"transactionId": 42} if "meterStart" in payload else {}

        site.backend.answers[action] = answer
    number = site.charger.start(1000)
    for _ in range(2):
        site.books.wait(1)
        site.charger.tell(site.charger.register(1100), transaction=number)
    site.books.wait(1)
    site.charger.stop(number, 2000)
    await site.tell()
    assert stored == [(0, []), (1, [(42, 1)]), (2, [(42, 1)]), (3, [(42, 1)])]
    assert site.rows("their_id, stopped_at IS NULL", "backend_tx") == [(42, 0)]
    assert site.rows("told, made", "backend_cp") == [(4, 0)]


async def test_news_are_told_at_once(site: Site) -> None:
    async with site.copying():
        await trio.sleep(1)
        site.charger.start(1000)
        site.hooks.observe(site.books.facts[-1])
        await trio.sleep(0.1)
        assert site.backend.actions[-1] == "StartTransaction"


async def test_what_nobody_announced_is_found_soon(site: Site) -> None:
    async with site.copying():
        await trio.sleep(1)
        site.charger.start(1000)
        await trio.sleep(35)
        assert site.backend.actions[-1] == "StartTransaction"


async def test_the_newest_statuses_come_first_after_a_long_time(site: Site) -> None:
    await site.tell()
    site.charger.status("Preparing")
    site.books.wait(1)
    session(site)
    site.books.wait(1)
    site.charger.status("Available")
    site.books.wait(600)
    told = await site.tell()
    assert [one.get("status") for _, one in told] == [
        *("Available", "Preparing", None, None, "Available")
    ]


@pytest.mark.parametrize("hours", [0, 24])
async def test_who_is_far_behind_is_told_in_peace(site: Site, hours: float) -> None:
    await site.tell()
    number = site.charger.start(1000)
    for _ in range(50):
        site.charger.tell(site.charger.register(1100), transaction=number)
    site.books.wait(60 * hours)
    async with site.copying():
        await trio.sleep(1)
        readings = len(site.backend.of("MeterValues"))
    assert readings == 50 if not hours else 3 <= readings <= 8


async def test_a_verdict_on_a_card_is_no_refusal(site: Site) -> None:
    invalid = {"status": "Invalid"}
    site.backend.answers["StartTransaction"] = answering(
        {"transactionId": 42, "idTagInfo": invalid}
    )
    site.backend.answers["StopTransaction"] = answering({"idTagInfo": invalid})
    number = session(site)
    await site.tell()
    assert site.backend.of("StopTransaction")[0]["transactionId"] == 42
    assert site.rows("id", "backend_refused") == []
    assert site.books.value("SELECT verdict FROM tx WHERE id = ?", number) == "Accepted"


@pytest.mark.parametrize("their_id", [0, -5, "0"])
async def test_a_number_that_no_session_may_have_is_told_to_the_owner(
    site: Site, their_id: object
) -> None:
    site.backend.answers["StartTransaction"] = answering({"transactionId": their_id})
    session(site)
    await site.tell()
    assert site.backend.of("StopTransaction")[0]["transactionId"] == int(str(their_id))
    assert site.rows("kind, answer", "backend_refused") == [("number", str(their_id))]


async def test_a_number_that_is_used_twice_is_told_to_the_owner(site: Site) -> None:
    site.backend.answers["StartTransaction"] = answering({"transactionId": 42})
    for _ in range(2):
        session(site)
        site.books.wait(1)
    await site.tell()
    assert site.backend.actions.count("StopTransaction") == 2
    assert site.rows("kind, answer", "backend_refused") == [("number", "42")]


async def test_a_number_may_be_text(site: Site) -> None:
    site.backend.answers["StartTransaction"] = answering({"transactionId": "42"})
    session(site)
    await site.tell()
    assert site.backend.of("StopTransaction")[0]["transactionId"] == 42
    assert site.rows("id", "backend_refused") == []


@pytest.mark.parametrize(
    "answer",
    [
        *({}, {"transactionId": None}, {"transactionId": "none"}, {"transactionId": 1.5}),
        *({"transactionId": "--5"}, {"transactionId": 10**30}, {"transactionId": [1]}),
        *({"transactionId": True}, {"transactionId": "²"}, [], None),
    ],
)
async def test_a_session_without_a_number_is_over_there(site: Site, answer: object) -> None:
    site.backend.answers["StartTransaction"] = answering(answer, {"transactionId": 43})
    session(site)
    site.books.wait(1)
    session(site)
    await site.tell()
    assert site.backend.actions.count("StartTransaction") == 2
    assert [one["transactionId"] for one in site.backend.of("StopTransaction")] == [43]
    assert site.rows("kind, action", "backend_refused") == [("number", "StartTransaction")]


# It is refused


async def test_a_refused_status_is_kept_and_not_repeated(site: Site) -> None:
    await site.tell()
    site.backend.answers["StatusNotification"] = answering(Failure("no"))
    site.charger.status("Preparing")
    site.books.wait(1)
    session(site)
    await site.tell()
    assert site.backend.actions.count("StatusNotification") == 1
    assert site.backend.actions.count("StopTransaction") == 1
    assert site.rows("kind, action", "backend_refused") == [("refused", "StatusNotification")]


async def test_a_long_error_is_cut(site: Site) -> None:
    site.backend.answers["StatusNotification"] = answering(Failure("x" * 60_000))
    await site.tell()
    site.charger.status("Preparing")
    await site.tell()
    assert len(site.books.value("SELECT answer FROM backend_refused")) <= 500


# The connection


async def test_a_silent_backend_is_given_up(site: Site) -> None:
    site.backend.answers["StartTransaction"] = answering(SILENCE, {"transactionId": 42})
    session(site)
    async with site.copying():
        await trio.sleep(25)
        assert site.backend.actions[-1] == "StartTransaction"
        await trio.sleep(6)
        assert "30" in problem(site)
        assert site.rows("is_connected", "backend_cp") == [(0,)]
        await trio.sleep(60)
        starts = site.backend.of("StartTransaction")
        assert starts == [starts[0]] * 2
        assert site.backend.actions[-1] == "StopTransaction"
        assert site.rows("is_connected, problem", "backend_cp") == [(1, None)]


async def test_a_frozen_backend_is_found_by_a_ping(site: Site) -> None:
    async with site.copying():
        await trio.sleep(5)
        site.backend.freeze()
        await trio.sleep(100)
        assert len(site.backend.paths) == 2


async def test_an_answer_to_nothing_is_ignored(site: Site) -> None:
    async with site.copying():
        await trio.sleep(5)
        for text in ('[3,"x",{}]', '[4,"x","InternalError","",{}]', "[3,7,{}]", "[9]"):
            await site.backend.send(text)
        site.charger.start(1000)
        await trio.sleep(35)
    assert len(site.backend.paths) == 1
    assert site.backend.actions[-1] == "StartTransaction"
    assert site.rows("their_id", "backend_tx") == [(FIRST_NUMBER,)]


async def test_an_answer_that_comes_twice_counts_once(site: Site) -> None:
    site.backend.repeats_answers = True
    number = site.charger.start(1000)
    site.books.wait(1)
    site.charger.tell(site.charger.register(1100), transaction=number)
    site.books.wait(1)
    site.charger.stop(number, 2000)
    assert [action for action, _ in await site.facts()] == [
        *("StartTransaction", "MeterValues", "StopTransaction")
    ]
    assert len(site.backend.paths) == 1
    assert site.rows("id", "backend_refused") == []


async def test_a_backend_that_asks_now_and_then_is_no_flood(site: Site) -> None:
    async with site.copying():
        await trio.sleep(5)
        for _ in range(500):
            await site.backend.ask("GetConfiguration", {})
            await trio.sleep(1)
        assert len(site.backend.paths) == 1


async def test_a_backend_that_is_away_is_dialled_again(site: Site) -> None:
    site.backend.is_away = True
    session(site)
    async with site.copying():
        await trio.sleep(600)
        assert "nobody listens" in problem(site)
        assert site.rows("is_connected, told", "backend_cp") == [(0, 0)]
        site.backend.is_away = False
        await trio.sleep(70)
        assert site.backend.actions[-1] == "StopTransaction"


async def test_it_says_goodbye(site: Site) -> None:
    await site.tell()
    assert [end[0] for end in site.backend.ends if end is not None] == [1000]


async def test_a_paused_backend_gets_a_goodbye_and_later_all(site: Site) -> None:
    async with site.copying() as copies:
        await trio.sleep(5)
        site.books.run(receivers.pause_backend, site.number, site.books.at)
        copies.note_change()
        await trio.sleep(5)
        assert [end[0] for end in site.backend.ends if end is not None] == [1000]
        assert site.rows("is_connected, problem", "backend_cp") == [(0, None)]
        session(site)
        await trio.sleep(100)
        assert site.backend.actions == [BOOT]
        site.books.run(receivers.pause_backend, site.number, None)
        copies.note_change()
        await trio.sleep(5)
        assert site.backend.actions[-1] == "StopTransaction"
    assert len(site.backend.paths) == 2


async def test_each_backend_has_its_own_numbers(site: Site) -> None:
    site.add("another", "CP-1")
    session(site)
    await site.tell()
    assert site.backend.actions.count("StopTransaction") == 2
    numbers = {one["transactionId"] for one in site.backend.of("StopTransaction")}
    assert numbers == {FIRST_NUMBER, FIRST_NUMBER + 1}
    assert {their for _, their in site.rows("backend_id, their_id", "backend_tx")} == numbers


async def test_a_backend_without_its_secret_is_not_dialled(site: Site) -> None:
    other = SecretKey("B" * 43 + "=")
    fields = {"password": "secret"}
    site.books.run(receivers.put_backend_charger, site.number, "CP-1", fields, other, site.books.at)
    async with site.copying():
        await trio.sleep(100)
        assert "give it again" in problem(site)
    assert site.backend.paths == []


async def test_a_store_that_cannot_be_written_tells_again_later(site: Site) -> None:
    session(site)

    def answer(_: dict[str, Any]) -> object:
        site.writer.is_unavailable = True
        return {"transactionId": 42}

    site.backend.answers["StartTransaction"] = answer
    async with site.copying():
        await trio.sleep(20)
        assert site.backend.actions == [BOOT, "StartTransaction"]
        assert site.books.count("backend_tx") == 0
        del site.backend.answers["StartTransaction"]
        site.writer.is_unavailable = False
        await trio.sleep(100)
    assert site.backend.actions[2:] == ["StartTransaction", "StopTransaction"]


async def flood(site: Site, text: str) -> None:
    """Send a text again and again, until the connection ends."""
    with suppress(ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
        for _ in range(5000):
            await site.backend.send(text)


@pytest.mark.parametrize("text", ["x" * 5000, "x" * 2_000_000])
async def test_a_flood_is_cut_off_and_left_alone(site: Site, text: str) -> None:
    async with site.copying():
        await trio.sleep(5)
        await flood(site, text)
        await trio.sleep(200)
        assert len(site.backend.paths) == 1
        assert problem(site) != "None"
        session(site)
        await trio.sleep(200)
        assert len(site.backend.paths) == 2
        assert site.backend.actions[-1] == "StopTransaction"
