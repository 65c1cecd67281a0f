"""Exception groups: what a nursery raises, without the group."""

from __future__ import annotations

import pytest

from levity_trio.groups import innermost, unwrapped


def test_the_first_leaf() -> None:
    leaf = OSError("disk full")
    assert (
        innermost(ExceptionGroup("outer", [ExceptionGroup("inner", [leaf]), ValueError()])) is leaf
    )
    assert innermost(leaf) is leaf


def test_one_kind_is_raised_without_the_group() -> None:
    leaf = OSError("disk full")
    with pytest.raises(OSError, match="disk full") as raised, unwrapped(OSError, LookupError):
        raise ExceptionGroup("outer", [ExceptionGroup("inner", [leaf]), KeyError("x")])
    assert raised.value is leaf


def test_a_group_with_another_kind_stays() -> None:
    with pytest.raises(ExceptionGroup, match="outer"), unwrapped(OSError):
        raise ExceptionGroup("outer", [OSError(), ValueError()])


def test_what_is_no_group_passes() -> None:
    with pytest.raises(ValueError, match="plain"), unwrapped(OSError):
        raise ValueError("plain")
