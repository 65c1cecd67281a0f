"""`just bench-api`, shortened. It asserts no time."""

from tests.benchmarks.told import told_by

ROWS = (
    "a bare route",
    "inside the server",
    "over the API",
    "one at a time",
    "at once",
    "the last of",
    "clients",
)


def test_every_figure_is_measured() -> None:
    ended = told_by("tests.tools.benchmarks.api", "--seconds", "0.1", "--operations", "10")
    assert ended.returncode == 0, ended.stderr[-3000:]
    lines = ended.stdout.splitlines()
    assert [len([line for line in lines if words in line]) for words in ROWS] == [1] * len(ROWS)
