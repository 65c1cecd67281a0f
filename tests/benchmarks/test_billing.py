"""`just bench-bill`, a hundredth of it. It asserts no time."""

from tests.benchmarks.told import told_by

ROWS = (
    "a bare read",
    "preview of a month",
    "close of a month",
    "close a month",
    "of it the write",
    "preview and close",
    "closing write",
    "before",
)
ANSWERS = ("during preview and close", "during the close")


def test_every_figure_is_measured() -> None:
    ended = told_by("tests.tools.benchmarks.billing", "--small")
    assert "Traceback" not in ended.stderr, ended.stderr[-3000:]
    lines = ended.stdout.splitlines()
    assert all(any(words in line for line in lines) for words in (*ROWS, *ANSWERS)), ended.stdout
