"""The ledger file: it is read back unchanged, people can read it, and a foreign file is refused in
one line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from levity_trio.config import ConfigError, EnvironmentProblem
from levity_trio.simulator.ledger import Ledger, check_writable, read_ledger, write_ledger
from tests.simulator.quirks.driven import an_hour


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


def ledger() -> Ledger:
    """The ledger of one transaction with readings, of a charger that sends some messages twice."""
    driven = an_hour("repeats-stop", "kwh-as-wh")
    zero = datetime(2026, 6, 1, 8, tzinfo=UTC)
    return Ledger(
        chargers=["CP-1"], entries=driven.charger.ledger, zero=zero, slack_seconds=15, transaction=3
    )


def test_it_is_read_back_as_it_was(path: Path) -> None:
    kept = ledger()
    write_ledger(path, kept)
    assert read_ledger(path) == kept


def test_each_line_is_one_thing_that_a_person_can_read(path: Path) -> None:
    write_ledger(path, ledger())
    head, entry = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    assert (head["format"], head["version"], head["zero"]) == (
        "levity-trio ledger",
        1,
        "2026-06-01T08:00:00Z",
    )
    actions = [one["action"] for one in entry["sent"]]
    assert (actions[0], actions[1], actions[-1]) == (
        "StartTransaction",
        "MeterValues",
        "StopTransaction",
    )
    first = entry["sent"][1]["moments"][0]
    assert (first["register"], first["unit"], first["power_w"]) == ("5000.122", "Wh", "7360.0")
    assert first["delivered_wh"] == 122


def test_it_is_written_over_what_was_there(path: Path) -> None:
    path.write_text("something much longer than a ledger\n" * 1000)
    check_writable(path)
    assert path.stat().st_size > 10_000
    write_ledger(path, Ledger(chargers=[], entries=[]))
    assert read_ledger(path) == Ledger(chargers=[], entries=[])


FOREIGN = [
    pytest.param("", "", id="empty"),
    pytest.param("hello", "", id="no JSON"),
    pytest.param("[1]", "", id="a list"),
    pytest.param("{}", ": 'format' is missing", id="another JSON"),
    pytest.param('{"format": "x"}', ": its format is 'x'", id="another format"),
    pytest.param(
        '{"format": "levity-trio ledger", "version": 2}',
        ": its version is 2, and this program reads version 1",
        id="a later version",
    ),
    pytest.param(
        '{"format":"levity-trio '
        'ledger","version":1,"zero":null,"slack_seconds":1,"transaction":0,"set_aside_at":"",'
        '"chargers":[]}\n{"charger":"CP-1"}',
        ": 'connector' is missing",
        id="a line that is cut",
    ),
]


@pytest.mark.parametrize(("text", "why"), FOREIGN)
def test_another_file_is_told_in_one_plain_line(path: Path, text: str, why: str) -> None:
    path.write_text(text)
    with pytest.raises(ConfigError) as no:
        read_ledger(path)
    assert str(no.value) == f"{path} is not a ledger{why}; give a file that simulate --ledger wrote"


def test_a_file_that_is_not_there(path: Path) -> None:
    with pytest.raises(
        ConfigError,
        match=r"run\.jsonl: No such file or directory; give a file that simulate --ledger",
    ):
        read_ledger(path)


def test_a_place_that_cannot_be_written_is_told_before_a_long_day(tmp_path: Path) -> None:
    place = tmp_path / "nowhere" / "run.jsonl"
    for write in (check_writable, lambda path: write_ledger(path, ledger())):
        with pytest.raises(
            EnvironmentProblem, match=r"--ledger .*run\.jsonl cannot be written: No such file"
        ):
            write(place)
