"""`just bench-backends`, shortened. It asserts no time."""

from tests.benchmarks.told import told_by

FIGURES = ("p99, backend there", "p99, backend triggers", "a week", "its CPU", "its memory")


def test_every_figure_is_measured() -> None:
    ended = told_by(
        "tests.tools.benchmarks.backends", "--small", "--kind", "there", "--kind", "triggers"
    )
    assert "Traceback" not in ended.stderr, ended.stderr[-3000:]
    lines = ended.stdout.splitlines()
    assert all(line.startswith(words) for line, words in zip(lines, FIGURES, strict=True)), (
        ended.stdout
    )
