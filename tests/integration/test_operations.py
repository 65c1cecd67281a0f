"""Every operation, from HTTP and from the shell, against a charge point that is not ours, and all
its manners."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from levity_trio.cli import main
from levity_trio.client import Refusal
from levity_trio.operations import OPERATIONS, Operation
from levity_trio.operations.answers import succeeded
from levity_trio.operations.operation import example
from tests.integration.foreign import api_of, foreign_charger, operate
from tests.integration.ocpp_charge_point import ANSWERS
from tests.integration.serving import Serving, serving

FLAGS = ("--no-api",)
CHARGER = "FC-1"
STATES = ("Unlocked", "NotFound", "Accepted")


@pytest.fixture(scope="module")
def agreeing(server: Serving) -> Iterator[Serving]:
    """With a charger that accepts everything."""
    with foreign_charger(server, CHARGER):
        yield server


def expected(operation: Operation, answer: dict[str, Any]) -> str:
    return "accepted" if succeeded(operation.action, answer) else "rejected"


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_an_operation_over_http_and_from_the_shell(
    operation: Operation,
    agreeing: Serving,
    shell: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    payload = example(operation) | (
        {"transactionId": 5} if operation.action == "RemoteStopTransaction" else {}
    )
    state = expected(operation, ANSWERS[operation.action])
    done = operate(agreeing, CHARGER, operation.path, payload, force="true")
    assert (done["action"], done["state"], done["asked_by"]) == (
        operation.action,
        state,
        "local admin",
    )
    ((sent,),) = agreeing.query(f"SELECT payload FROM command WHERE id = {done['id']}")
    assert payload.keys() <= json.loads(sent).keys()

    arguments = [f"{name}:={json.dumps(value)}" for name, value in payload.items()]
    status = shell("call", CHARGER, operation.action, *arguments, "--force", "--json")
    assert status == (0 if state == "accepted" else 3)
    assert json.loads(capsys.readouterr().out)["state"] == state


def statuses() -> Iterator[tuple[str, str]]:
    """Every status that an answer may have."""
    for action in OPERATIONS:
        schema = json.loads(
            files("ocpp.v16").joinpath("schemas", f"{action}Response.json").read_text("utf-8-sig")
        )
        for status in schema["properties"].get("status", {}).get("enum", []):
            yield action, status


def test_every_status_of_every_answer(server: Serving) -> None:
    every: dict[str, list[str]] = {}
    for action, status in statuses():
        every.setdefault(action, []).append(status)
    assert len(every) >= 15
    for turn in range(max(map(len, every.values()))):
        answers = {
            action: {"status": words[turn]} for action, words in every.items() if turn < len(words)
        }
        with foreign_charger(server, f"FC-S{turn}", answers):
            for action, answer in answers.items():
                operation = OPERATIONS[action]
                payload = example(operation) | (
                    {"transactionId": 5} if action == "RemoteStopTransaction" else {}
                )
                done = operate(server, f"FC-S{turn}", operation.path, payload)
                assert done["state"] == expected(operation, answer), (action, answer)


def test_the_manners_of_answering(server: Serving, shell: Callable[..., int]) -> None:
    manners = {
        "Reset": "error",
        "ClearCache": "never",
        "GetLocalListVersion": "late",
        "TriggerMessage": "twice",
    }
    with foreign_charger(server, "FC-2", manners | {"GetConfiguration": "garbage"}):
        assert operate(server, "FC-2", "reset", {"type": "Soft"})["error_code"] == "NotSupported"
        assert operate(server, "FC-2", "clear-cache", {}, timeout=0.3)["state"] == "timed out"
        assert operate(server, "FC-2", "get-configuration", {})["state"] == "error"
        late = operate(server, "FC-2", "get-local-list-version", {}, timeout=0.5)
        assert late["state"] == "timed out"
        trigger = {"requestedMessage": "Heartbeat"}
        assert operate(server, "FC-2", "trigger-message", trigger)["state"] == "accepted"
        for errors, status in (("http", 502), ("state", 200)):
            assert status_of(server, "FC-2", "reset", {"type": "Soft"}, errors) == status
        assert status_of(server, "FC-2", "clear-cache", {}, "http", timeout=0.3) == 504
        assert shell("call", "FC-2", "Reset", "type=Soft") == 4
        assert shell("call", "FC-2", "ClearCache", "--timeout", "0.2") == 5
        wait_for(lambda: command(server, late["id"])["state"] == "accepted")
        assert command(server, late["id"])["is_late"]
        assert command(server, late["id"])["answer"] == {"listVersion": 7}


def status_of(
    server: Serving,
    charger: str,
    path: str,
    payload: dict[str, Any],
    errors: str,
    timeout: float = 30,
) -> int:
    try:
        operate(server, charger, path, payload, errors=errors, timeout=timeout)
    except Refusal as refusal:
        return refusal.status
    return 200


def command(server: Serving, number: int) -> dict[str, Any]:
    found: dict[str, Any] = api_of(server).ask("GET", "admin", "commands", str(number))
    return found


def wait_for(is_so: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_one_that_leaves_in_the_midst(server: Serving, shell: Callable[..., int]) -> None:
    with foreign_charger(server, "FC-3", {"Reset": "leave"}):
        assert operate(server, "FC-3", "reset", {"type": "Hard"})["state"] == "gone"
        wait_for(lambda: not connected(server, "FC-3"))
        with pytest.raises(Refusal) as refused:
            operate(server, "FC-3", "reset", {"type": "Hard"})
        assert (refused.value.status, refused.value.code) == (409, "not_connected")
        assert shell("call", "FC-3", "Reset", "type=Hard") == 6


def connected(server: Serving, charger: str) -> bool:
    return bool(api_of(server).ask("GET", "admin", "chargers", charger)["is_connected"])


def test_what_a_request_may_not_be(agreeing: Serving, shell: Callable[..., int]) -> None:
    for path, payload, status, code in (
        ("reset", {"type": "Sof"}, 422, "invalid"),
        ("reset", {"typ": "Soft"}, 422, "invalid"),
        ("reset", [], 422, "invalid"),
        ("remote-stop", {}, 409, "conflict"),
    ):
        with pytest.raises(Refusal) as refused:
            operate(agreeing, CHARGER, path, payload)  # type: ignore[arg-type]  # a body that is no object
        assert (refused.value.status, refused.value.code) == (status, code)
    for arguments, status in (
        ((CHARGER, "Reset", "type=Sof"), 2),
        ((CHARGER, "Resett"), 2),
        ((CHARGER, "Reset", "soft"), 2),
        (("NOBODY", "Reset", "type=Soft"), 2),
        ((CHARGER,), 2),
    ):
        assert shell("call", *arguments) == status


def test_many_chargers_one_report(
    agreeing: Serving, shell: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with foreign_charger(agreeing, "FC-B", {"ClearCache": {"status": "Rejected"}}):
        assert shell("call", f"{CHARGER},FC-B,NOBODY", "ClearCache", "--json") == 3
    report = json.loads(capsys.readouterr().out)
    assert report["counts"] == {"accepted": 1, "rejected": 1, "not_found": 1}
    assert [result["charger"] for result in report["results"]] == [CHARGER, "FC-B", "NOBODY"]


def test_a_transaction_is_not_interrupted_without_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.integration.charger import Charger  # noqa: PLC0415 - only here

    with (
        serving(tmp_path / "site.db", "--no-api") as server,
        Charger(server.port, "CP-1") as charger,
    ):
        charger.boot()
        transaction = charger.start("TAG", 1000)
        with pytest.raises(Refusal) as refused:
            operate(server, "CP-1", "reset", {"type": "Soft"})
        assert (refused.value.code, refused.value.document["transactions"]) == (
            "needs_force",
            [transaction],
        )
        assert main(["call", "CP-1", "Reset", "type=Soft", "--api", api_of(server).url]) == 2
        assert "; stop it first, or send it with --force\n" in capsys.readouterr().err


def test_a_command_waits_over_a_crash_and_a_repeated_request_is_one(tmp_path: Path) -> None:
    database, key = tmp_path / "site.db", {"Idempotency-Key": "a"}
    with serving(database, "--no-api", may_log_errors=True) as server:
        with foreign_charger(server, CHARGER):
            pass
        wait_for(lambda: not connected(server, CHARGER))
        wait = {"Prefer": "respond-async", **key}
        asked = api_of(server).ask(
            *("POST", "admin", "chargers", CHARGER, "clear-cache"),
            given={},
            query={"deadline": 3600},
            headers=wait,
        )
        assert asked["state"] == "queued"
        server.signal(signal.SIGKILL)
        server.wait()
    with serving(database, "--no-api") as server, foreign_charger(server, CHARGER):
        wait_for(lambda: command(server, asked["id"])["state"] == "accepted")
        again = api_of(server).ask(
            "POST", "admin", "chargers", CHARGER, "clear-cache", given={}, headers=key
        )
        assert again["id"] == asked["id"]
        with pytest.raises(Refusal) as refused:
            api_of(server).ask(
                "POST", "admin", "chargers", CHARGER, "reset", given={"type": "Soft"}, headers=key
            )
        assert refused.value.code == "invalid"
