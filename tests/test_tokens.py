"""What counts as size."""

from __future__ import annotations

from tests.tools.tokens import Size, report, size_of


def test_only_what_python_reads_counts() -> None:
    text = (
        '"""Docstring."""\nLIMIT = 3  # why\n"""What it limits."""\n\n\ndef f() -> str:\n    '
        'return "text"\n'
    )
    assert size_of("a.py", text) == Size(7, 3 + 7 + 2)


def test_words_and_signs_of_other_files_count() -> None:
    assert size_of("a.html", "<p>{{ name }}</p>\n") == Size(1, 12)


def test_a_report_tells_what_changed() -> None:
    now, before = {"Python": Size(90, 190), "data": Size(5, 5)}, {"Python": Size(100, 200)}
    lines = report(now, before)
    assert lines[0].endswith("-10 lines, -10 tokens (-5.0%)")
    assert lines[1].endswith("5 tokens")
    assert lines[2].endswith("-5 lines, -5 tokens (-2.5%)")
