"""Commands that are data: the files that are made of their table, and what their requests send."""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from click.shell_completion import ShellComplete

from levity_trio.cli import levity_trio, main
from levity_trio.cli.commands import FOLDER
from tests.cli.recording import Sent, recording
from tests.tools.commands import TABLES, files

MOST_BYTES = 30_000


class Prepared:
    """Answers requests with what a test says, one after the other."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.answers: list[tuple[int, Any]] = []

    def __call__(self, sent: Sent) -> tuple[int, bytes]:
        self.sent.append(sent)
        status, answer = self.answers.pop(0)
        return status, json.dumps(answer).encode()

    def answer(self, *answers: Any) -> None:
        self.answers = [(200, answer) for answer in answers]

    def refuse(self, field: str) -> None:
        detail = f"{field}: give a number"
        problem = {"code": "invalid", "field": field, "detail": detail}
        self.answers = [*self.answers, (422, problem)]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Prepared]:
    prepared = Prepared()
    with recording(prepared) as recorder:
        monkeypatch.setenv("LEVITY_API", f"http://127.0.0.1:{recorder.server_port}")
        monkeypatch.setenv("LEVITY_TOKEN", "secret")
        yield prepared


def test_the_files_are_made_of_the_table_and_the_api() -> None:
    made = {path: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    assert made == files(), "run `just manual`"
    assert {path.stem for path in made} == {path.stem for path in TABLES.iterdir()}


def test_the_files_take_little_room_in_a_wheel() -> None:
    packed = [len(zlib.compress(path.read_bytes())) for path in FOLDER.iterdir()]
    assert sum(packed) <= MOST_BYTES


VOID_IT = "it contradicts reading {}: if one of them is wrong, void it\n"
READING: Any = {"id": 7, "value": "48211.3", "unit": "kWh", "at": "now", "result": "added"}
NAMED = {"data": [{"id": 3, "name": "Main meter"}], "next_cursor": None}
NO_CARDS: Any = {"data": [], "next_cursor": None}


@pytest.mark.parametrize(
    ("typed", "answers", "sent", "told"),
    [
        (
            ("meter", "read", "Main meter", "48211,3", "--at", ""),
            (NAMED, READING | {"contradicts": [5, 6]}),
            Sent("POST meters/3/readings", {"value": "48211.3", "unit": "kWh", "at": None}),
            "reading 7: 48211.3 kWh at now (added)\n" + f"{VOID_IT.format(5)}{VOID_IT.format(6)}",
        ),
        (
            ("card", "list", "--expired", "--search", "anna"),
            (NO_CARDS,),
            Sent("GET id-tags?expired=true&search=anna&limit=50", None),
            "nothing fits; leave out an option to see more\n",
        ),
        (
            ("card", "dismiss", "04 A1/B2"),
            (None,),
            Sent("DELETE asked-id-tags/04%20A1%2FB2", None),
            "04 A1/B2 is forgotten\n",
        ),
        (
            ("series", "fetch", "3"),
            ({"added": 96, "same": 0, "words": None, "lacks": "2 quarters are missing"},),
            Sent("POST series/3/fetch", {}),
            "96 added, 0 the same; 2 quarters are missing\n",
        ),
        (
            ("load", "limit", "CP-3", "none"),
            ({},),
            Sent("PUT load/limits", {"charger": "CP-3", "amperes": None, "connector": 1}),
            "CP-3 has no limit by hand any more\n",
        ),
        (
            ("meter", "void", "3", "7", "--reason", "digits swapped", "--json"),
            (READING,),
            Sent("POST meters/3/readings/7/void", {"reason": "digits swapped"}),
            f"{json.dumps(READING)}\n",
        ),
    ],
)
def test_a_command_sends_its_request_and_tells_the_answer(
    typed: tuple[str, ...],
    answers: tuple[Any, ...],
    sent: Sent,
    told: str,
    server: Prepared,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.answer(*answers)
    assert main(typed) == 0
    assert (server.sent[-1].request.partition("?")[0], server.sent[-1].body) == (
        sent.request.partition("?")[0],
        sent.body,
    )
    query = sent.request.partition("?")[2]
    assert set(server.sent[-1].request.partition("?")[2].split("&")) == set(query.split("&"))
    assert capsys.readouterr().out == told


@pytest.mark.parametrize(
    ("typed", "field", "told"),
    [
        (("card", "same", "C3", "04A1"), "id_tag", "KNOWN: give a number"),
        (("card", "change", "04A1", "--most", "3"), "max_transactions", "--most: give a number"),
        (("household", "add", "Flat 3", "--until", "x"), "until", "--until: give a number"),
        (("tariff", "unassign", "--site", "--since", "x"), "tariff", "tariff: give a number"),
        (("car", "change", "9", "--plate", "x"), "vehicle", "CAR: give a number"),
        (("household", "give", "9"), "body", "give a number"),
    ],
)
def test_a_refusal_names_what_was_typed(
    typed: tuple[str, ...],
    field: str,
    told: str,
    server: Prepared,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.refuse(field)
    assert main(typed) == 2
    assert capsys.readouterr().err == f"levity-trio: {told}\n"


def test_what_may_not_be_empty_is_not_sent_empty(
    server: Prepared, capsys: pytest.CaptureFixture[str]
) -> None:
    """A variable of a shell that is empty shall not give the whole charger."""
    assert main(["household", "give", "7", "--charger", "CP-1", "--connector", ""]) == 2
    assert ": give a whole number from 1 on" in capsys.readouterr().err
    assert main(["meter", "change", "3", "--class", ""]) == 2
    assert server.sent == []


def test_the_exit_status_tells_of_a_failure(
    server: Prepared, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answer({"is_delivered": False, "problem": "status 500", "status": None})
    assert main(["webhook", "test", "1"]) == 1
    assert capsys.readouterr().out == "not delivered: status 500\n"


def test_a_file_of_stdin_is_sent(
    server: Prepared, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Stdin:
        class buffer:  # noqa: N801 - as that of a stream
            read = staticmethod(lambda: b"time,price\n")

    monkeypatch.setattr(sys, "stdin", Stdin)
    server.answer({"added": 0, "same": 1, "words": None, "lacks": None})
    assert main(["series", "add", "3", "-", "--unit", "ct/kWh"]) == 0
    assert server.sent == [Sent("POST series/3/import?unit=ct%2FkWh", "time,price\n")]
    assert capsys.readouterr().out == "0 added, 1 the same\n"


@pytest.mark.parametrize(
    ("words", "begin", "resource", "names"),
    [
        (["household", "show"], "fl", "accounts", ["Flat 3, Anna"]),
        (["car", "show"], "", "vehicles", ["Flat 3, Anna", "Garage"]),
        (["charger", "refuse"], "7", "chargers", ["7"]),
        (["events", "--charger"], "", "chargers", ["7", "8"]),
    ],
)
def test_a_shell_completes_names(
    words: list[str], begin: str, resource: str, names: list[str], server: Prepared
) -> None:
    rows = [{"id": 7, "name": "Flat 3, Anna"}, {"id": 8, "name": "Garage"}]
    server.answer({"data": rows, "next_cursor": None})
    shell = ShellComplete(levity_trio, {}, "levity-trio", "_LEVITY_TRIO_COMPLETE")
    assert [one.value for one in shell.get_completions(words, begin)] == names
    assert server.sent[0].request.startswith(f"GET {resource}?")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("household show ", "plain,'Flat 3, Anna'\n"),
        ("household show Fl", "plain,'Flat 3, Anna'\n"),
        ('household show "Fl', "plain,Flat 3, Anna\n"),
    ],
)
def test_bash_gets_names_quoted_and_nothing_without_a_server(
    line: str,
    told: str,
    server: Prepared,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("_LEVITY_TRIO_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", f"levity-trio {line}")
    monkeypatch.setenv("COMP_CWORD", "3")
    server.answer({"data": [{"id": 7, "name": "Flat 3, Anna"}], "next_cursor": None})
    with pytest.raises(SystemExit):
        main([])
    assert capsys.readouterr() == (told, "")
    monkeypatch.setenv("LEVITY_API", "unix:/nowhere")
    with pytest.raises(SystemExit):
        main([])
    assert capsys.readouterr().out.strip() == ""
