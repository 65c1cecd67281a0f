"""Local lists are kept at charge points that are not ours: the OCPP 1.6 test cases TC_042 and
TC_043, kill -9, and a list by hand.

The cases follow juherr/open-ocpp-tck (tck/specs/authlist-reservation.ts), with the server as the
one who decides what to send.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from levity_trio.cli import main
from levity_trio.store.engine.file_store import open_database
from levity_trio.store.writes.people import tags
from levity_trio.store.writes.people.tags import TagData
from tests.integration.foreign import api_of, foreign_charger, operate
from tests.integration.forking import run_forked
from tests.integration.serving import Serving, environment, serving
from tests.integration.simulating import controlled
from tests.store.books import Books

SECONDS = 60.0
ON = ("--no-api", "--local-list", "on")
LIMITS = {
    "LocalAuthListEnabled": "true",
    "LocalAuthListMaxLength": "10",
    "SendLocalListMaxLength": "2",
}
HAD = {"status": "Accepted"}
KEEPING: Mapping[str, Any] = {"configuration": {"values": LIMITS}, "local_list": {}}


def put_tags(
    database: Path, *added: str, blocked: str | None = None, removed: str | None = None
) -> None:
    """Change the tags while no server runs."""
    with open_database(database) as connection:
        books = Books(connection)
        for tag in added:
            books.run(
                tags.add, books.policy, TagData(id_tag=tag, parent_id_tag="HOUSE"), books.at, "anna"
            )
        if blocked is not None:
            books.run(tags.change, books.policy, blocked, {"status": "Blocked"}, books.at, "anna")
        if removed is not None:
            books.run(tags.remove, books.policy, removed, books.at, "anna")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "site.db"
    put_tags(path, "A", "B", "C")
    return path


def shell(server: Serving, *arguments: str) -> int:
    """The command line, as a client of this server."""
    return main([*arguments, "--api", f"unix:{server.database}.sock"])


def status(server: Serving, charger: str = "FC-1") -> dict[str, Any]:
    page = api_of(server).ask("GET", "admin", "local-lists", "status")
    found: dict[str, Any] = next(
        (one for one in page["data"] if one["charger"] == charger), {"state": None}
    )
    return found


def wait_state(server: Serving, state: str, charger: str = "FC-1") -> dict[str, Any]:
    until = time.monotonic() + SECONDS
    while (found := status(server, charger))["state"] != state or not found.get("told_at"):
        assert time.monotonic() < until, found
        time.sleep(0.05)
    return found


def sent(server: Serving, charger: str = "FC-1") -> list[tuple[str, int, list[str], str]]:
    """The lists that were sent: kind, version, tags (with a minus: to be deleted), and what came of
    them."""
    rows = server.query(
        "SELECT payload, coalesce(json_extract(answer, '$.status'), state) FROM command"
        " WHERE cp_id = ? AND action = 'SendLocalList' ORDER BY id",
        charger,
    )
    return [
        (
            payload["updateType"],
            payload["listVersion"],
            [
                ("" if "idTagInfo" in one else "-") + one["idTag"]
                for one in payload["localAuthorizationList"]
            ],
            answer,
        )
        for payload, answer in ((json.loads(text), answer) for text, answer in rows)
    ]


def test_tc_042_1_no_list_is_supported(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (
        serving(database, *ON) as server,
        foreign_charger(server, "FC-1", {"GetLocalListVersion": {"list_version": -1}}),
    ):
        wait_state(server, "not supported")
        assert sent(server) == []
        assert shell(server, "local-list", "status", "--wide") == 0
        assert "without us it knows only the cards of its cache" in capsys.readouterr().out


def test_tc_042_2_an_empty_list_is_version_0(tmp_path: Path) -> None:
    with serving(tmp_path / "site.db", *ON) as server, foreign_charger(server, "FC-1", KEEPING):
        assert wait_state(server, "up to date")["version"] == 0
        assert sent(server) == []


def test_tc_043_1_not_supported(database: Path) -> None:
    refusing = {**KEEPING, "local_list": {"statuses": ["NotSupported"]}}
    with serving(database, *ON) as server, foreign_charger(server, "FC-1", refusing):
        assert wait_state(server, "not supported")["problem"] == "SendLocalList: NotSupported"
        assert len(sent(server)) == 1


def test_tc_043_3_failed_and_tried_again_later(database: Path) -> None:
    refusing = {**KEEPING, "local_list": {"statuses": ["Failed"] * 9}}
    with serving(database, *ON) as server, foreign_charger(server, "FC-1", refusing):
        found = wait_state(server, "failing")
        assert found["words"] == "the charger does not take the list: SendLocalList: Failed"
        assert found["retry_at"] is not None
        assert [(kind, answer) for kind, _, _, answer in sent(server)] == [("Full", "Failed")] * 2
        server.wait_line("LocalListFailing", charger="FC-1")


def test_tc_043_4_full_in_parts(database: Path) -> None:
    with serving(database, *ON) as server, foreign_charger(server, "FC-1", KEEPING):
        assert wait_state(server, "up to date")["version"] == 2
        assert sent(server) == [
            ("Full", 1, ["A", "B"], "Accepted"),
            ("Differential", 2, ["C"], "Accepted"),
        ]
        ((payload,),) = server.query(
            "SELECT payload FROM command WHERE action = 'SendLocalList' ORDER BY id LIMIT 1"
        )
        first = json.loads(payload)["localAuthorizationList"][0]
        assert first == {"idTag": "A", "idTagInfo": {"status": "Accepted", "parentIdTag": "HOUSE"}}


def test_tc_043_5_a_difference_after_a_restart(database: Path) -> None:
    """The difference holds only what changed. The charger kept its list, and the server what it
    knows of it."""
    with serving(database, *ON) as server, foreign_charger(server, "FC-1", KEEPING):
        wait_state(server, "up to date")
    put_tags(database, "D", blocked="B", removed="A")
    kept = {**KEEPING, "local_list": {"version": 2, "entries": dict.fromkeys("ABC", HAD)}}
    with serving(database, *ON) as server, foreign_charger(server, "FC-1", kept):
        assert wait_version(server, 4)["state"] == "up to date"
        assert [one[:3] for one in sent(server)[2:]] == [
            ("Differential", 3, ["-A", "B"]),
            ("Differential", 4, ["D"]),
        ]


def wait_version(server: Serving, version: int) -> dict[str, Any]:
    until = time.monotonic() + SECONDS
    while (found := status(server)).get("version") != version or found["state"] != "up to date":
        assert time.monotonic() < until, found
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("word", ["VersionMismatch", "Failed"])
def test_a_difference_that_is_refused_is_followed_by_a_full_list(database: Path, word: str) -> None:
    refusing = {**KEEPING, "local_list": {"statuses": ["Accepted", word]}}
    with serving(database, *ON) as server, foreign_charger(server, "FC-1", refusing):
        wait_state(server, "up to date")
        kinds = [(kind, answer) for kind, _, _, answer in sent(server)]
        assert kinds[:3] == [("Full", "Accepted"), ("Differential", word), ("Full", "Accepted")]
        versions = [version for _, version, _, _ in sent(server)]
        assert versions == sorted(set(versions))


@pytest.mark.parametrize("has_arrived", [False, True])
def test_kill_9_under_a_list_that_nobody_answered(database: Path, has_arrived: bool) -> None:
    """The charger is asked for its version: that tells whether the list arrived."""
    with (
        serving(database, *ON) as server,
        foreign_charger(server, "FC-1", {**KEEPING, "SendLocalList": "never"}),
    ):
        until = time.monotonic() + SECONDS
        while not sent(server):
            assert time.monotonic() < until
            time.sleep(0.05)
        server.kill()
    came_back = {
        **KEEPING,
        "local_list": {"version": 1, "entries": dict.fromkeys("AB", HAD)} if has_arrived else {},
    }
    with serving(database, *ON) as server, foreign_charger(server, "FC-1", came_back):
        assert wait_state(server, "up to date")["version"] == (2 if has_arrived else 4)
        again = [tags for _, _, tags, _ in sent(server)[1:]]
        assert again == ([["C"]] if has_arrived else [["A"], ["B"], ["C"]])


def test_a_list_by_hand_pauses_until_resumed(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_hand = {
        "updateType": "Full",
        "localAuthorizationList": [{"idTag": "X", "idTagInfo": {"status": "Accepted"}}],
    }
    with serving(database, *ON) as server, foreign_charger(server, "FC-1", KEEPING):
        wait_state(server, "up to date")
        operate(server, "FC-1", "send-local-list", by_hand)
        assert wait_state(server, "paused")["paused_by"] == "local admin"
        assert shell(server, "local-list", "resume", "FC-1", "--json") == 0
        assert json.loads(capsys.readouterr().out)["paused_at"] is None
        wait_state(server, "up to date")
        assert [kind for kind, *_ in sent(server)[3:]] == ["Full", "Differential"]


def test_what_has_no_room_is_shown(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = {**KEEPING, "configuration": {"values": LIMITS | {"LocalAuthListMaxLength": "2"}}}
    with serving(database, *ON) as server, foreign_charger(server, "FC-1", small):
        assert wait_state(server, "too long")["left_out"] == 1
        assert shell(server, "local-list", "status", "FC-1", "--json") == 0
        assert json.loads(capsys.readouterr().out)["tags_left_out"] == [
            {"id_tag": "C", "status": "Accepted"}
        ]


def test_our_simulator_gets_what_people_change_as_one_list(tmp_path: Path) -> None:
    """Tags that are added, imported and blocked within five seconds are one list; a later change is
    a difference."""
    table = tmp_path / "tags.csv"
    table.write_text(
        "id_tag,parent_id_tag\n" + "".join(f"T{number},HOUSE\n" for number in range(8))
    )
    with serving(tmp_path / "site.db", *ON) as server, controlled(server.port, tmp_path) as control:
        settings = {**environment(), "LEVITY_SIMULATOR_API": control}
        run_forked(("simulator", "add", "SIM-1"), tmp_path, settings, 60).check_returncode()
        assert wait_state(server, "up to date", "SIM-1")["entries"] == 0
        for words in (("add", "A"), ("add", "B"), ("import", str(table)), ("block", "A")):
            assert shell(server, "card", *words) == 0
        wait_entries(server, 10)
        ((kind, _, tags, answer),) = sent(server, "SIM-1")
        assert (kind, len(tags), answer) == ("Full", 10, "Accepted")
        ((payload,),) = server.query("SELECT payload FROM command WHERE action = 'SendLocalList'")
        entries = {
            one["idTag"]: one["idTagInfo"] for one in json.loads(payload)["localAuthorizationList"]
        }
        assert (entries["A"], entries["T3"]["parentIdTag"]) == ({"status": "Blocked"}, "HOUSE")
        assert shell(server, "card", "remove", "B") == 0
        wait_entries(server, 9)
        assert sent(server, "SIM-1")[-1][::2] == ("Differential", ["-B"])


def wait_entries(server: Serving, entries: int) -> None:
    until = time.monotonic() + SECONDS
    while (found := status(server, "SIM-1"))["entries"] != entries or found[
        "state"
    ] != "up to date":
        assert time.monotonic() < until, found
        time.sleep(0.05)


def test_a_newcomer_is_told_no_tags_until_it_is_adopted(database: Path) -> None:
    with (
        serving(database, *ON, "--registration", "ask") as server,
        foreign_charger(server, "FC-1", KEEPING),
    ):
        assert shell(server, "call", "FC-1", "ClearCache") == 0
        assert status(server)["state"] == "waiting"
        assert server.query("SELECT DISTINCT action FROM command") == [("ClearCache",)]
        assert shell(server, "charger", "adopt", "FC-1") == 0
        wait_state(server, "up to date")
        assert [kind for kind, *_ in sent(server)] == ["Full", "Differential"]
