"""A backend that behaves oddly loses nothing, and nobody here notices it."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration import backend_hasty
from tests.integration.backend_central import (
    Answer,
    Central,
    Close,
    Error,
    Payload,
    Raw,
    Told,
    central,
    honest,
)
from tests.integration.backend_given import give_backend, wait_until_told
from tests.integration.charger import Charger, meter_values, now
from tests.integration.forking import run_forked
from tests.integration.serving import Serving, environment, serving


@contextmanager
def copying(
    folder: Path, other: Central, *flags: str, may_log_errors: bool = False, **settings: Any
) -> Iterator[Serving]:
    """A server that has `other` as the backend of CP-1."""
    database = folder / "levity.db"
    if not database.exists():
        give_backend(database, other.port, ["CP-1"], **settings)
    with serving(
        database, *flags, module=backend_hasty.MODULE, may_log_errors=may_log_errors
    ) as server:
        yield server


@contextmanager
def one_charger(
    folder: Path, answer: Answer | None = None
) -> Iterator[tuple[Central, Serving, Charger]]:
    """CP-1 at a server, and the backend that is told of it, which answers so."""
    with (
        central(answer) as other,
        copying(folder, other) as server,
        Charger(server.port, "CP-1") as charger,
    ):
        yield other, server, charger


def charge(charger: Charger, first: int = 1000) -> int:
    """One session of 900 Wh with two readings; gives its number here."""
    number = charger.start("CARD", first, now())
    charger.call("MeterValues", **meter_values(number, str(first + 400)))
    charger.call("MeterValues", **meter_values(number, str(first + 800)))
    charger.call("StopTransaction", transactionId=number, meterStop=first + 900, timestamp=now())
    return number


def differing(**answers: Payload | Exception) -> Any:
    """An honest backend, but for these actions."""
    known = honest()

    def answer(told: Told) -> Payload:
        given = answers.get(told.action)
        if isinstance(given, Exception):
            raise given
        return known(told) if given is None else given

    return answer


def refused(server: Serving) -> list[tuple[Any, ...]]:
    return server.query("SELECT kind, action, answer FROM backend_refused ORDER BY id")


def sessions(other: Central) -> list[str]:
    """The messages of sessions, as they came."""
    names = {"StartTransaction": "start", "MeterValues": "read", "StopTransaction": "stop"}
    return [names[told.action] for told in other.told if told.action in names]


def once(other: Central) -> list[str]:
    """As `sessions`, but of what was told again only the last time."""
    last: dict[str, Told] = {}
    for told in other.told:
        last.pop(str((told.action, told.payload)), None)
        last[str((told.action, told.payload))] = told
    names = {"StartTransaction": "start", "MeterValues": "read", "StopTransaction": "stop"}
    return [names[told.action] for told in last.values() if told.action in names]


def wait_for_more(other: Central, before: int) -> None:
    other.wait(lambda: len(other.told) > before)


ONE_SESSION = ["start", "read", "read", "stop"]


def test_an_honest_one_is_told_all(tmp_path: Path) -> None:
    with central() as other, copying(tmp_path, other) as server:
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
            charger.call("StatusNotification", connectorId=1, errorCode="NoError", status="Faulted")
            charge(charger)
            charge(charger, 2000)
        wait_until_told(server.database)
        assert sessions(other) == 2 * ONE_SESSION
        assert [one["transactionId"] for one in other.of("StopTransaction")] == [1, 2]
        assert refused(server) == []


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
def test_a_boot_that_is_not_accepted_holds_all_back(status: str, tmp_path: Path) -> None:
    held = {"status": status, "currentTime": now(), "interval": 2}
    with one_charger(tmp_path, differing(BootNotification=held)) as (other, server, charger):
        charger.boot()
        charge(charger)
        other.wait(lambda: len(other.told) >= 3)
        assert {told.action for told in other.told} == {"BootNotification"}
        first, second, third = (told.at for told in other.told[:3])
        assert second - first >= 1.9
        assert third - second >= 1.9
        other.answer = honest()
        wait_until_told(server.database)
        assert sessions(other) == ONE_SESSION


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
def test_a_later_boot_that_is_not_accepted_holds_all_back(status: str, tmp_path: Path) -> None:
    """Also one that the charger sent after the copy had registered."""
    held = {"status": status, "currentTime": now(), "interval": 2}
    with one_charger(tmp_path) as (other, server, charger):
        charger.boot()
        charge(charger)
        wait_until_told(server.database)
        other.answer = differing(BootNotification=held)
        before = len(other.told)
        charger.boot()
        charge(charger, 2000)
        other.wait(lambda: len(other.told) >= before + 3)
        assert {told.action for told in other.told[before:]} == {"BootNotification"}
        first, second, third = (told.at for told in other.told[before : before + 3])
        assert second - first >= 1.9
        assert third - second >= 1.9
        other.answer = honest()
        wait_until_told(server.database)
        assert sessions(other) == 2 * ONE_SESSION


INTERVALS = (2**63, 2**64 + 1, -5, 0, 1.5, True, "60", None, [1])


def test_any_interval_is_survived(tmp_path: Path) -> None:
    with one_charger(tmp_path) as (other, server, charger):
        for interval in INTERVALS:
            answer = {"status": "Accepted", "currentTime": now(), "interval": interval}
            other.answer = differing(BootNotification=answer)
            charger.boot()
            wait_until_told(server.database)
        for interval in (-5, 0, "60", None, [1]):
            answer = {"status": "Pending", "currentTime": now(), "interval": interval}
            other.answer = differing(BootNotification=answer)
            before = len(other.told)
            charger.boot()
            wait_for_more(other, before + 1)
            other.answer = honest()
            wait_until_told(server.database)
        charge(charger)
        wait_until_told(server.database)
        assert sessions(other) == ONE_SESSION
        assert not server.find("the copy of a charger failed")


@pytest.mark.parametrize("action", ["StartTransaction", "MeterValues", "StopTransaction"])
def test_an_error_of_the_backend_itself_is_told_again(action: str, tmp_path: Path) -> None:
    answer = differing(**{action: Error("InternalError")})
    with one_charger(tmp_path, answer) as (other, server, charger):
        charger.boot()
        charge(charger)
        other.wait(lambda: len(other.of(action)) >= 3)
        assert refused(server) == []
        other.answer = honest({"other": 1})
        charge(charger, 2000)
        wait_until_told(server.database)
        assert once(other) == 2 * ONE_SESSION
        assert refused(server) == server.query("SELECT * FROM backend_waiting") == []


def test_it_is_told_again_after_a_kill(tmp_path: Path) -> None:
    with central(differing(MeterValues=Error("GenericError"))) as other:
        with copying(tmp_path, other) as server:
            with Charger(server.port, "CP-1") as charger:
                charger.boot()
                charge(charger)
            other.wait(lambda: other.of("MeterValues"))
            server.kill()
        with copying(tmp_path, other) as server:
            other.answer = honest()
            wait_until_told(server.database)
            assert once(other) == ONE_SESSION
            assert refused(server) == []


@pytest.mark.parametrize("action", ["StartTransaction", "StopTransaction"])
def test_a_session_that_is_refused_is_told_when_its_owner_wants_it(
    action: str, tmp_path: Path
) -> None:
    answer = differing(**{action: Error("PropertyConstraintViolation")})
    with one_charger(tmp_path, answer) as (other, server, charger):
        charger.boot()
        number = charge(charger)
        other.wait(lambda: other.of(action))
        other.answer = honest({"other": 1})
        charge(charger, 2000)
        other.wait(lambda: sessions(other)[-4:] == ONE_SESSION)
        assert len(other.of(action)) == 2
        assert refused(server) == [("refused", action, "PropertyConstraintViolation: no")]
        assert server.query("SELECT tx_id, next_at FROM backend_waiting") == [(number, None)]
        api = ("--api", f"unix:{server.database}.sock")
        words = ("backend", "again", "second", str(number), *api)
        assert run_forked(words, tmp_path, environment(), 60).returncode == 0
        wait_until_told(server.database)
        assert sorted(once(other)) == sorted(2 * ONE_SESSION)
        assert len(other.of("MeterValues")) == 4
        again = run_forked(words, tmp_path, environment(), 60)
        assert "no session that waits" in again.stderr


NUMBERS: tuple[object, ...] = (0, -7, 2**40, "17", "-3", 999_999_999_999_999)
NO_NUMBERS: tuple[object, ...] = (
    *("--5", "-", "", "\u00b2", "abc", "1 2", "0x10", "1e3"),
    *(2**64, 2**63, 10**15, 1.5, True, None, {}, [1]),
)


def test_any_number_of_a_session_is_survived(tmp_path: Path) -> None:
    """The session is told on wherever that is a number; and what follows is told anyway."""
    with one_charger(tmp_path) as (other, server, charger):
        charger.boot()
        wait_until_told(server.database)
        for place, number in enumerate([*NUMBERS, *NO_NUMBERS]):
            other.answer = differing(StartTransaction={"transactionId": number})
            other.told.clear()
            charge(charger, 2000 * (place + 1))
            wait_until_told(server.database)
            is_number = number in NUMBERS
            assert sessions(other) == (ONE_SESSION if is_number else ["start"]), number
            if is_number:
                assert other.of("StopTransaction")[0]["transactionId"] == int(str(number))
        other.told.clear()
        other.answer = differing(StartTransaction={"idTagInfo": {"status": "Accepted"}})
        charge(charger, 200_000)
        wait_until_told(server.database)
        assert sessions(other) == ["start"]
        odd = sum(int(str(number)) <= 0 for number in NUMBERS) + len(NO_NUMBERS) + 1
        assert [row[0] for row in refused(server)] == ["number"] * odd
        assert not server.find("the copy of a charger failed")


def test_a_number_that_is_given_twice_is_told_to_the_owner(tmp_path: Path) -> None:
    with one_charger(tmp_path, differing(StartTransaction={"transactionId": 9})) as (
        other,
        server,
        charger,
    ):
        charger.boot()
        charge(charger)
        charge(charger, 2000)
        wait_until_told(server.database)
        assert sessions(other) == 2 * ONE_SESSION
        assert refused(server) == [("number", "StartTransaction", "9")]


def test_a_card_that_is_not_accepted_changes_nothing(tmp_path: Path) -> None:
    with one_charger(tmp_path) as (other, server, charger):
        charger.boot()
        wait_until_told(server.database)
        for place, status in enumerate(("Invalid", "Blocked", "ConcurrentTx", "Nonsense")):
            info = {"idTagInfo": {"status": status}}
            started = info | {"transactionId": 3 + place}
            other.answer = differing(StartTransaction=started, Authorize=info)
            other.told.clear()
            assert charger.call("Authorize", idTag="CARD")["idTagInfo"]["status"] == "Accepted"
            charge(charger, 2000 * (place + 1))
            wait_until_told(server.database)
            assert sessions(other) == ONE_SESSION
            assert charger.call("Authorize", idTag="CARD")["idTagInfo"]["status"] == "Accepted"
        assert refused(server) == []


NO_ANSWERS = (
    *('[3,"another",{"transactionId":77}]', "no JSON", " ", "[]", "{}", '[3,"{id}"'),
    *('[3,"{id}",[]]', '[3,"{id}",null]', '[4,"{id}"]', '[3,"{id}",{}] and more'),
    *('[9,"{id}",{}]', '[3,"{id}",{"transactionId":5}][3,"{id}",{"transactionId":6}]'),
    '[3,"{id}",{"transactionId":8}] '.ljust(60_000),
)


def test_an_answer_that_is_none_is_survived(tmp_path: Path) -> None:
    """The message is told again; only what gives no number is over."""
    with one_charger(tmp_path) as (other, server, charger):
        charger.boot()
        wait_until_told(server.database)
        known = honest({"other": 1})
        for place, text in enumerate(NO_ANSWERS):
            other.answer = differing(StartTransaction=Raw(text))
            before = len(other.told)
            charge(charger, 10_000 * (place + 1))
            wait_for_more(other, before)
            other.answer = known
            charge(charger, 10_000 * (place + 1) + 1000)
            wait_until_told(server.database)
            assert once(other)[-4:] == ONE_SESSION
        assert {kind for kind, *_ in refused(server)} <= {"number"}
        assert not server.find("the copy of a charger failed")


def test_a_connection_that_is_closed_after_each_message_loses_and_repeats_nothing(
    tmp_path: Path,
) -> None:
    known, are_odd = honest(), itertools.cycle((True, False))

    def answer(told: Told) -> Payload:
        if next(are_odd):
            raise Close
        return known(told)

    with one_charger(tmp_path, answer) as (other, server, charger):
        charger.boot()
        charge(charger)
        wait_until_told(server.database)
        assert sorted(sessions(other)) == sorted(2 * ONE_SESSION)
        assert refused(server) == []
        answered = [told for told in other.told if told.is_answered]
        texts = [str(told.payload) for told in answered if told.action != "BootNotification"]
        assert len(texts) == len(set(texts))


LISTING = """
import sys
from levity_trio.cli import main
file = sys.argv.pop(1)
status = main()
open(file, "w").write(" ".join(sys.modules))
sys.exit(status)
"""


@pytest.mark.parametrize("has_one", [False, True])
def test_without_one_nothing_of_it_is_imported(has_one: bool, tmp_path: Path) -> None:
    modules = tmp_path / "modules"
    program = (sys.executable, "-c", LISTING, str(modules))
    with central() as other:
        if has_one:
            give_backend(tmp_path / "levity.db", other.port, ["CP-1"])
        with serving(tmp_path / "levity.db", program=program) as server:
            with Charger(server.port, "CP-1") as charger:
                charger.boot()
                charge(charger)
            if has_one:
                wait_until_told(server.database)
    imported = {name for name in modules.read_text().split() if "backends.link" in name}
    assert imported == ({"levity_trio.backends.link"} if has_one else set())
