"""`just bench-dashboard`, shortened. It asserts no time."""

from tests.benchmarks.told import told_by

PAGES = ("first page", "a bare route", "CPU of Now", "the frame")
READERS = (
    "answers to",
    "patches",
    "they take",
    "cut off",
    "memory",
    "mails wait",
    "in shadow",
    "with limits",
)


def test_every_figure_is_measured() -> None:
    ended = told_by("tests.tools.benchmarks.dashboard", "--small")
    assert "Traceback" not in ended.stderr, ended.stderr[-3000:]
    lines = ended.stdout.splitlines()
    assert all(any(words in line for line in lines) for words in PAGES + READERS), ended.stdout
