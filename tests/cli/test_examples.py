"""Examples in the help of each command and each group."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from levity_trio.cli import COMMANDS, command_of, main
from levity_trio.cli.declaring import examples_of

COLUMNS = 80
INNER = ("locations", "vehicles")
"""Groups of the simulator, whose commands have the examples."""


def commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name in COMMANDS:
        yield from walk(command_of(name), (name,))


def walk(
    command: click.Command, words: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield words, command
    for name, one in command.commands.items() if isinstance(command, click.Group) else ():
        yield from walk(one, (*words, name))


EVERY = dict(commands())


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_each_help_fits_a_terminal_and_has_examples(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    assert main([*words, "--help"]) == 0
    told = capsys.readouterr().out
    assert not [line for line in told.splitlines() if len(line) > COLUMNS]
    if not isinstance(EVERY[words], click.Group) or words[-1] not in INNER:
        assert "  levity-trio " in told


def test_a_command_has_the_examples_of_its_group_that_are_of_it() -> None:
    epilog = (
        "\b\nExamples:\n  levity-trio a b 1 \\\n      --c\n  levity-trio a bc\n  levity-trio a "
        "b\n\nWords.\n"
    )
    assert (
        examples_of(epilog, "a", "b")
        == "\b\nExamples:\n  levity-trio a b 1 \\\n      --c\n  levity-trio a b\n"
    )
    assert examples_of(epilog, "a", "d") == ""
    assert examples_of(None, "a") == ""
