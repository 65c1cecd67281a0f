"""What counts as size."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.tools import tokens
from tests.tools.tokens import DATA, IMPORTS, PYTHON, SQL, TEMPLATES, Size, report, size_of


def test_only_what_python_reads_counts() -> None:
    text = (
        '"""Docstring."""\nLIMIT = 3  # why\n"""What it limits."""\n\n\ndef f() -> str:\n    '
        'return "text"\n'
    )
    assert size_of("a.py", text) == {PYTHON: Size(7, 3 + 7 + 2), IMPORTS: Size(0, 0)}


def test_import_lines_also_count_by_themselves() -> None:
    text = (
        "import trio\nfrom a import (\n    b,\n    c,\n)\n\n\ndef f():\n    from d import e\n"
        "    yield from e\n"
    )
    assert size_of("a.py", text) == {PYTHON: Size(10, 2 + 9 + 5 + 4 + 3), IMPORTS: Size(6, 15)}


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.html", TEMPLATES), ("a.css", TEMPLATES), ("a.sql", SQL), ("a.toml", DATA)],
)
def test_words_and_signs_of_other_files_count(name: str, kind: str) -> None:
    assert size_of(name, "<p>{{ name }}</p>\n") == {kind: Size(1, 12)}


def test_a_report_tells_what_changed() -> None:
    now = {PYTHON: Size(90, 190), IMPORTS: Size(9, 19), DATA: Size(5, 5)}
    before = {PYTHON: Size(100, 200), IMPORTS: Size(9, 18)}
    lines = report(now, before)
    assert [line[:10].rstrip() for line in lines] == [PYTHON, f"  {IMPORTS}", DATA, "together"]
    assert lines[0].endswith("-10 lines, -10 tokens (-5.0%)")
    assert lines[1].endswith("+0 lines, +1 tokens (+5.6%)")
    assert lines[2].endswith("5 tokens")
    assert lines[3].endswith("-5 lines, -5 tokens (-2.5%)")


def test_what_is_there_counts_and_what_git_ignores_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file counts before it is committed, and not after it was deleted."""

    def git(*words: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    monkeypatch.setattr(tokens, "ROOT", tmp_path)
    (tmp_path / "room").mkdir()
    (tmp_path / ".gitignore").write_text("ignored.sql\n")
    (tmp_path / "room/old.sql").write_text("one two\n")
    (tmp_path / "other.sql").write_text("one two three\n")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "a")
    (tmp_path / "room/old.sql").unlink()
    for name in ("new", "ignored"):
        (tmp_path / f"room/{name}.sql").write_text("one\n")
    assert tokens.sizes(["room"]) == {SQL: Size(1, 1)}
    assert tokens.sizes(["room"], "HEAD") == {SQL: Size(1, 2)}
    assert tokens.sizes(["room", "other.sql"], "HEAD") == {SQL: Size(2, 5)}
