"""The program has the size that tests/bounds.py says."""

from __future__ import annotations

import pytest

from tests.bounds import SIZE, UNUSED, Bound
from tests.tools.tokens import PYTHON, SQL, TEMPLATES, sizes


def complaint(kind: str, size: int, bound: Bound) -> str | None:
    """Return what is to be done about a size that does not fit its bound; None if it fits."""
    said = f"{kind} has {size:,} tokens, and tests/bounds.py says {bound.tokens:,}"
    if size > bound.tokens:
        return f"{said}: take something away, or write {size:_} there, and why it is worth it"
    if size < bound.tokens - UNUSED:
        return f"{said}: write {size:_} there, and what was taken away"
    return None


def test_the_program_has_the_size_that_was_agreed() -> None:
    """All sizes that do not fit are told at once: a change may be of several kinds."""
    found = sizes()
    assert SIZE.keys() == {PYTHON, TEMPLATES, SQL}
    complaints = [complaint(kind, found[kind].tokens, bound) for kind, bound in SIZE.items()]
    assert not any(complaints), "\n".join(filter(None, complaints))


@pytest.mark.parametrize(
    ("size", "number"), [(1_000, None), (700, None), (1_001, "1_001"), (699, "699")]
)
def test_what_is_too_large_or_too_small_names_the_number_to_write(
    size: int, number: str | None
) -> None:
    told = complaint(PYTHON, size, Bound(1_000, "a reason"))
    assert told is None if number is None else told is not None and f"write {number} " in told
