"""Code is understood at the first reading: what tests can measure of that (tests/tools/density.py).

The limits stand in tests/bounds.py.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.bounds import OF_PACKAGE, OF_ROOMS, SEVERAL_MEANINGS, Most
from tests.tools.density import ROOT, Density, SourceFile, read, several_meanings
from tests.tools.house import PACKAGE


@cache
def files() -> tuple[SourceFile, ...]:
    return tuple(read(ROOT / PACKAGE))


@pytest.mark.parametrize("room", ["", *OF_ROOMS])
def test_a_statement_says_one_thing(room: str) -> None:
    """A reader holds one thing at a time, and a debugger can stop there."""
    density, most = _of_room(room)
    figures = f"{density.tokens_a_statement:.2f} tokens a statement, one in ten {density.packed}"
    is_plain = density.tokens_a_statement <= most.tokens and density.packed <= most.packed
    assert is_plain, (
        f"{figures}: give parts of packed statements a name of their own; they are listed by"
        f" `just density --packed {PACKAGE}/{room}`"
    )


@pytest.mark.parametrize("room", ["", *OF_ROOMS])
def test_a_function_holds_a_whole_decision(room: str) -> None:
    """Each jump costs a reader more than five lines."""
    density, most = _of_room(room)
    assert density.once_in_thousand <= most.once_called, (
        "a helper that is called once stays where it is needed, unless it is a thing with a name of"
        f" its own; they are listed by `just density --once {PACKAGE}/{room}`"
    )


def test_one_name_means_one_thing() -> None:
    several = [*several_meanings(files())]
    assert len(several) <= SEVERAL_MEANINGS, (
        f"{len(several)} type names have several meanings: give a new class the name of its trade;"
        f" `just density --names` says where they are: {several}"
    )


def test_a_docstring_is_a_sentence_that_stands_alone() -> None:
    found = [f"{file.path}:{line} {text}" for file in files() for line, text in file.mid_thought()]
    assert not found, (
        "begin with what it does or is, not with a word that joins it to its neighbour"
    )


def _of_room(room: str) -> tuple[Density, Most]:
    place = ROOT / PACKAGE / room
    found = [file for file in files() if file.path.is_relative_to(place)]
    assert found, f"{room} is gone: take it out of OF_ROOMS"
    return Density(found), OF_ROOMS.get(room, OF_PACKAGE)


CODE: Final = '''
"""Of which the words say all."""

class _Kind:
    """That which has gone before."""

def told(values):
    """Return what is told."""
    return [_one(value) for value in values]

def _one(value):
    """Return a text."""
    return str(value)

def _kept():
    if _kept:
        return [told(()), _kept()]
'''


def test_what_is_dense_and_chopped_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(CODE)
    (file,) = read(tmp_path)
    assert [line for line, _ in file.mid_thought()] == [2, 5]
    assert [(one.name, one.caller) for one in file.once_called()] == [("_one", "told")]
    assert [len(one.words) for one in file.statements] == [3, 6, 11, 6, 5, 5, 3, 12]
