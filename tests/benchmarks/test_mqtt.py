"""`just bench-mqtt`, shortened. It asserts no time."""

from tests.benchmarks.told import told_by

FIGURES = (
    "CPU of a call",
    "answers to chargers, p99",
    "answers with a frozen broker",
    "memory",
    "a change is on",
)


def test_every_figure_is_measured() -> None:
    ended = told_by("tests.tools.benchmarks.mqtt", "--small")
    assert "Traceback" not in ended.stderr, ended.stderr[-3000:]
    lines = ended.stdout.splitlines()
    assert all(line.startswith(words) for line, words in zip(lines, FIGURES, strict=True)), (
        ended.stdout
    )
    assert "inf ms" not in ended.stdout, ended.stdout
