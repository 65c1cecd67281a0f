"""`levity-trio backup`, `check` and `restore`, as people and programs see them."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from levity_trio.cli import main, terminal
from levity_trio.config import NOT_ALLOWED, EnvironmentProblem
from levity_trio.store.engine.file_store import open_database
from tests.locked import locked
from tests.store.files import contents
from tests.store.keeping import change, charge, run
from tests.store.later import put_candidate

SITE, BACKUP = Path("levity.db"), Path("backup.db")


@pytest.fixture(autouse=True)
def site() -> None:
    run(SITE, charge)


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def objects(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told(capsys).splitlines()]


def test_a_copy_from_its_making_to_its_restoration(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backup", str(BACKUP)]) == 0
    assert told(capsys).startswith(f"backup.db: {BACKUP.stat().st_size / 1e6:,.1f} MB, until 20")
    assert main(["check", str(BACKUP)]) == 0
    assert told(capsys).startswith("backup.db is sound: until 20")
    run(SITE, charge)
    assert main(["restore", str(BACKUP)]) == 1
    refused = capsys.readouterr()
    assert refused.out == ""
    assert (
        "1 session, new or changed since, with 1.000 kWh would be lost; restore with --force"
        in refused.err
    )
    assert main(["restore", str(BACKUP), "--force"]) == 0
    first, lost, kept, ids = told(capsys).splitlines()
    assert first.startswith("levity.db is restored: until 20")
    assert lost.startswith("Lost: 20")
    assert lost.endswith(" UTC, 1 session, new or changed, 1.000 kWh.")
    assert Path(kept.removeprefix("The replaced database is kept: ")).exists()
    assert ids.startswith("transactionIds go on above ")


@pytest.mark.parametrize(
    "command",
    ["check levity.db", "backup copy.db", "restore levity.db --db new.db", "logs", "recheck"],
)
def test_a_database_of_before_1_0_is_one_line(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    put_candidate(SITE)
    before = contents(Path.cwd())
    assert main(command.split()) == 1
    refused = capsys.readouterr()
    assert refused.out == ""
    assert "levity.db is from before 1.0 (schema 107) and was not touched" in refused.err
    assert refused.err.count("\n") == 1
    assert contents(Path.cwd()) == before


@pytest.mark.parametrize("command", ["backup copy.db", "logs"])
def test_what_belongs_to_another_user_is_told(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with locked(Path.cwd()):
        assert main(command.split()) == 1
        with pytest.raises(EnvironmentProblem, match=NOT_ALLOWED), open_database(SITE):
            pass
    assert NOT_ALLOWED in capsys.readouterr().err


def test_a_folder_keeps_so_many_sound_copies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder := tmp_path / "nightly").mkdir()
    for name in (
        "levity-2001-01-01.db",
        "levity-2001-01-02.db",
        "levity-2999-01-01.db",
        "levity-mine.db",
    ):
        (folder / name).write_text("")
    assert main(["backup", str(folder), "--keep", "2"]) == 0
    made = told(capsys).partition(":")[0]
    assert {path.name for path in folder.iterdir()} == {
        Path(made).name,
        "levity-2999-01-01.db",
        "levity-mine.db",
    }
    change(SITE, "DROP INDEX tx_open")
    assert main(["backup", str(folder), "--keep", "1"]) == 1
    assert "has problems: " in capsys.readouterr().err
    assert len(list(folder.iterdir())) == 3


def test_programs_get_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "LINE_SECONDS", 0)
    assert main(["backup", str(BACKUP), "--json"]) == 0
    *steps, made = objects(capsys)
    assert {step["kind"] for step in steps} == {"progress"}
    assert steps[-1]["bytes"] == steps[-1]["total_bytes"] == made["bytes"] == BACKUP.stat().st_size
    assert (made["kind"], made["file"], made["transactions"]) == (
        "backup",
        str(BACKUP.resolve()),
        1,
    )
    assert main(["check", str(BACKUP), "--json"]) == 0
    (report,) = objects(capsys)
    assert (report["is_sound"], report["problems"], report["energy_wh"]) == (True, [], 1000)
    assert report["until"] == made["until"]
    SITE.unlink()
    assert main(["restore", str(BACKUP), "--json"]) == 0
    restored = objects(capsys)[-1]
    assert (restored["kept"], restored["lost"], restored["file"]) == (
        None,
        None,
        str(SITE.resolve()),
    )


def test_a_mistake_leaves_nothing_behind(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backup", "nowhere/backup.db"]) == 1
    place = Path("nowhere").absolute()
    assert capsys.readouterr().err == (
        f"levity-trio: No such file or directory: {place}; create it, or choose another file\n"
    )
    Path("words.txt").write_text("hello")
    assert main(["restore", "words.txt", "--db", "new.db"]) == 1
    assert not [*Path().glob("new.db*")]


def test_a_file_of_another_user(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_: object, **_more: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    # root, which runs the tests in CI, may read everything
    monkeypatch.setattr(Path, "open", refuse)
    assert main(["check", str(SITE)]) == 1
    told = (
        "levity-trio: levity.db: this user may not do that; use the user that the server runs as\n"
    )
    assert capsys.readouterr().err == told


def test_problems_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backup", str(BACKUP)]) == 0
    change(BACKUP, "PRAGMA journal_mode = DELETE; DROP INDEX tx_open")
    told(capsys)
    assert main(["check", str(BACKUP)]) == 1
    problem, summary = told(capsys).splitlines()
    assert problem.startswith("schema: ")
    assert "index tx_open is missing" in problem
    assert summary.startswith("backup.db has problems: until 20")
    assert main(["check", str(BACKUP), "--json"]) == 1
    (report,) = objects(capsys)
    assert report["problems"] == [{"check": "schema", "text": problem.removeprefix("schema: ")}]


def test_progress_is_lines_without_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "LINE_SECONDS", 0)
    assert main(["backup", str(BACKUP)]) == 0
    shown = capsys.readouterr()
    *lines, _ = shown.out.splitlines()
    assert lines
    assert shown.err == ""
    assert all(line.endswith(" s left") and " MB/s, " in line for line in lines)


def read_now(terminal: int) -> str:
    try:
        return os.read(terminal, 100_000).decode()
    except BlockingIOError:
        return ""


def test_progress_is_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "BAR_SECONDS", 0)
    ours, theirs = os.openpty()
    with open(theirs, "w") as screen:  # noqa: PTH123 - a descriptor
        monkeypatch.setattr(sys, "stderr", screen)
        assert main(["backup", str(BACKUP)]) == 0
        assert main(["check", str(BACKUP)]) == 0
        screen.flush()
        os.set_blocking(ours, False)
        shown = "".join(iter(lambda: read_now(ours), ""))
    os.close(ours)
    assert "[########################] " in shown
    assert "checking integrity…" in shown
    assert shown.endswith("\r\x1b[2K")


@pytest.mark.parametrize("arguments", [["check"], ["backup"], ["restore"], ["backup", "."]])
def test_wrong_usage(arguments: list[str]) -> None:
    assert main(arguments) == 2
