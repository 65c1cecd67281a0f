"""`levity-trio logs`, on a database written by the server's own code."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlite_utils

from levity_trio.cli.logs import ARROWS
from levity_trio.store.reads.site.frames import FrameFilter, FrameReading, Piece
from tests.cli.conftest import Run, Type
from tests.store.files import make, make_ours

COMMAND = "logs"
NOW = datetime.now(UTC).replace(microsecond=0)
CALL = '[2,"1","StatusNotification",{"connectorId":1,"status":"Available"}]'


@pytest.fixture(autouse=True)
def from_now_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ages count from the beginning of each test: earlier tests may have run for minutes."""
    monkeypatch.setattr(sys.modules[__name__], "NOW", datetime.now(UTC).replace(microsecond=0))


def fill(folder: Path, *rows: tuple[str, float, str, str | None, str | None, str]) -> None:
    """Store rows of charger, age in minutes, direction, message id, action, frame."""
    path = folder / "site.db"
    if not path.exists():
        make_ours(path)
    with closing(sqlite_utils.Database(path).conn) as connection:
        for charger, ago, *rest in rows:
            at = f"{NOW - timedelta(minutes=ago):%Y-%m-%dT%H:%M:%S}.000Z"
            connection.execute(
                (
                    "INSERT INTO log (cp_id, at, direction, message_id, action, frame) "
                    "VALUES (?, ?, ?, ?, ?, ?)"
                ),
                (charger, at, *rest),
            )
        connection.commit()


def call(charger: str, ago: float, frame: str = CALL) -> tuple[str, float, str, str, str, str]:
    return (charger, ago, "recv", '"1"', "StatusNotification", frame)


def test_lines_for_people(tmp_path: Path, typed: Type) -> None:
    fill(
        tmp_path,
        ("CP-1", 5, "connect", None, None, '{"remote_address":"10.0.0.1","subprotocol":null}'),
        call("CP-1", 4),
        ("CP-1", 4, "send", '"1"', "StatusNotification", '[3,"1",{}]'),
        ("CP-1", 3, "recv", "abc-1", "Reset", '[4,"abc-1","NotSupported","no reset",{}]'),
        ("", 2, "refuse", None, None, '{"status":404,"reason":"The path names no charger."}'),
        ("CP-1", 1, "recv", None, None, "AT\x1b[31m"),
    )
    ran = typed()
    assert (ran.status, ran.err) == (0, "")
    assert [line.split(maxsplit=5)[1:] for line in ran.out] == [
        ["CP-1", ARROWS["connect"], "-", "-", 'remote_address="10.0.0.1" subprotocol=null'],
        [
            "CP-1",
            ARROWS["recv"],
            "StatusNotification",
            "1",
            '{"connectorId":1,"status":"Available"}',
        ],
        ["CP-1", ARROWS["send"], "StatusNotification", "1", "= {}"],
        ["CP-1", ARROWS["recv"], "Reset", "abc-1", "! NotSupported no reset {}"],
        ["-", ARROWS["refuse"], "-", "-", 'status=404 reason="The path names no charger."'],
        ["CP-1", ARROWS["recv"], "-", "-", "AT\\x1b[31m"],
    ]
    assert ran.out[0].startswith(f"{NOW - timedelta(minutes=5):%Y-%m-%dT%H:%M}")


def test_json_lines_for_programs(tmp_path: Path, typed: Type) -> None:
    fill(tmp_path, call("CP-1", 1), ("", 0, "recv", None, None, "AT+CSQ"))
    told = [json.loads(line) for line in typed("--json").out]
    common = {"session": None, "direction": "recv"}
    assert [frame | {"at": None} for frame in told] == [
        {
            "id": 1,
            "charger": "CP-1",
            "message_id": "1",
            "action": "StatusNotification",
            "frame": json.loads(CALL),
        }
        | {"at": None}
        | common,
        {
            "id": 2,
            "charger": None,
            "message_id": None,
            "action": None,
            "frame": "AT+CSQ",
            "at": None,
        }
        | common,
    ]


def ids(ran: Run) -> list[int]:
    assert ran.status == 0, ran.err
    return [json.loads(line)["id"] for line in ran.out]


def test_one_charger_one_action_some_time(tmp_path: Path, typed: Type) -> None:
    fill(
        tmp_path,
        call("CP-1", 300),
        call("CP-2", 200),
        call("CP-1", 100),
        ("CP-2", 1, "recv", "2", "Heartbeat", "[]"),
    )
    assert ids(typed("--json")) == [1, 2, 3, 4]
    assert ids(typed("CP-1", "--json")) == [1, 3]
    assert ids(typed("--action", "heartbeat", "--json")) == [4]
    assert ids(typed("--since", "4h", "--json")) == [2, 3, 4]
    assert ids(typed("CP-2", "--since", "30m", "--json")) == [4]
    assert ids(typed("--since", f"{NOW - timedelta(minutes=100):%Y-%m-%dT%H:%M:%S}", "--json")) == [
        3,
        4,
    ]
    assert ids(
        typed("--since", f"{NOW - timedelta(minutes=100):%Y-%m-%dT%H:%M:%S}+00:00", "--json")
    ) == [3, 4]
    assert ids(typed("--since", "2020-01-01", "--json")) == [1, 2, 3, 4]
    assert ids(typed("--until", "150m", "--json")) == [1, 2]
    assert ids(typed("--since", "4h", "--until", "30m", "--json")) == [2, 3]


def test_an_empty_result_is_reported(tmp_path: Path, typed: Type) -> None:
    fill(tmp_path, call("CP-1", 1), call("A SCANNER", 1))
    with closing(sqlite_utils.Database(tmp_path / "site.db").conn) as connection:
        connection.execute(
            "INSERT INTO cp (id, created_at, updated_at) VALUES ('CP-1', '2026', '2026')"
        )
        connection.commit()
    assert typed("CP-1", "--action", "Reset") == Run(0, ["none"], "")
    assert typed("A SCANNER").status == 0
    for flags in ((), ("--json",), ("--since", "1h")):
        ran = typed("NOPE", *flags)
        assert (ran.status, ran.out) == (2, [])
        assert ran.err.endswith(
            f"no charger NOPE is in {tmp_path / 'site.db'}. See levity-trio logs --help.\n"
        )


def test_what_is_far_back_is_found_piece_by_piece(tmp_path: Path) -> None:
    """A number asks for that many last frames, a duration for all frames since then."""

    def found(since: int | timedelta, charger: str | None = None) -> list[int]:
        small = Piece(rows=7, characters=3 * len(CALL))
        reading = FrameReading(tmp_path / "site.db", FrameFilter(charger, None), small)
        if isinstance(since, int):
            reading.go_back(since)
        else:
            reading.go_back_to(since)
        return [frame.id for frames in iter(reading.next, None) for frame in frames]

    week = timedelta(weeks=1)
    fill(tmp_path, *(call(f"CP-{number % 3}", 100 - number) for number in range(60)))
    assert found(10) == list(range(51, 61))
    assert found(10, "CP-1") == list(range(32, 61, 3))
    assert found(week) == list(range(1, 61))
    assert len(found(timedelta(minutes=75))) in (34, 35)
    with closing(sqlite_utils.Database(tmp_path / "site.db").conn) as connection:
        connection.execute("DELETE FROM log WHERE id <= 40")
        connection.commit()
    assert found(week) == list(range(41, 61))
    assert found(10, "CP-1") == list(range(41, 61, 3))


def test_following_shows_what_comes_until_it_is_interrupted(
    tmp_path: Path, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, call("CP-1", 1))
    waits = iter([[call("CP-2", 0), call("CP-1", 0)], []])

    def wait(_seconds: float) -> None:
        if (coming := next(waits, None)) is None:
            raise KeyboardInterrupt
        fill(tmp_path, *coming)

    monkeypatch.setattr(time, "sleep", wait)
    assert ids(typed("CP-1", "--follow", "--json")) == [1, 3]


def test_an_interrupt_without_follow_is_status_130(
    tmp_path: Path, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, call("CP-1", 1))

    def interrupt(_reading: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(FrameReading, "next", interrupt)
    assert typed().status == 130
    assert typed("--follow").status == 0


def test_on_a_terminal_a_line_fits(
    tmp_path: Path, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, call("CP-1", 1))
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((60, 24)))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    (line,) = typed().out
    assert len(line) == 60
    assert line.endswith("…")


def test_a_simulated_databases_clock_counts(tmp_path: Path, typed: Type) -> None:
    fill(tmp_path, call("CP-1", -10 * 24 * 60))
    with closing(sqlite_utils.Database(tmp_path / "site.db").conn) as connection:
        begun = f"{NOW - timedelta(days=1):%Y-%m-%dT%H:%M:%S}.000Z"
        connection.execute(
            "INSERT INTO simulated_time (id, begun_at, speed) VALUES (1, ?, 12)", (begun,)
        )
        connection.commit()
    assert ids(typed("--since", "2d", "--json")) == [1]
    assert ids(typed("--since", "2h", "--json")) == []


@pytest.mark.parametrize("since", ["yesterday", "2x", "", "-2h", "2026-13-01", "99999999h"])
def test_a_time_that_cannot_be_read_is_wrong_usage(typed: Type, since: str) -> None:
    ran = typed("--since", since)
    assert ran.status == 2
    assert "give 30s, 45m, 2h, 7d or 1w, or a time such as 2026-01-01T12:00" in ran.err


def test_an_error_is_one_line(tmp_path: Path, typed: Type) -> None:
    ran = typed()
    assert (ran.status, ran.err) == (
        1,
        (
            f"levity-trio: there is no database {tmp_path / 'site.db'}; choose the database of "
            "the server with --db\n"
        ),
    )
    make(tmp_path / "site.db")
    ran = typed()
    assert ran.status == 1
    assert "belongs to another program" in ran.err
    assert typed("--db", "/nowhere/x.db").status == 2
