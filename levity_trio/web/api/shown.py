"""How the dataclasses of the store are shown: each figure in Wh has the same in kWh beside it.

The type for OpenAPI and the value come from the same fields, so that the two cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache, partial
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec

WH, KWH = "wh", "kwh"
PLAIN = frozenset({str, int, float, bool, type(None)})
"""Nearly all values; the others are looked at more closely, which takes longer."""


class Later(NamedTuple):
    """A type that is made when the documentation is asked for: all of them at the start would take a megabyte."""

    make: Callable[[], Any]


def shown_as(kind: type) -> Later:
    """Return the type of what `show` makes of a dataclass."""
    return Later(partial(answer, kind))


def list_of(kind: type) -> Later:
    """Return the type of a list of them."""
    return Later(lambda: list[answer(kind)])  # type: ignore[misc]  # made of the fields of another type


@cache
def answer(kind: type) -> type[msgspec.Struct]:
    """Return the type of what `show` makes of a dataclass."""
    hints = get_type_hints(kind)
    given: list[tuple[str, Any]] = []
    for field in fields(kind):
        given.append((field.name, _shown_type(hints[field.name])))
        if (beside := _in_kwh(field.name)) is not None:
            given.append((beside, float | None))
    return msgspec.defstruct(kind.__name__, given, kw_only=True, namespace={"__doc__": kind.__doc__})


def _shown_type(hint: Any) -> Any:
    if is_dataclass(hint) and isinstance(hint, type):
        return answer(hint)
    parts = tuple(_shown_type(part) if part is not Ellipsis else part for part in get_args(hint))
    origin: Any = get_origin(hint)
    if origin in (Union, UnionType):
        return Union[parts]  # noqa: UP007 - of types that are known only now
    return origin[parts] if origin in (list, tuple) else hint


def _in_kwh(name: str) -> str | None:
    """Return the name of a figure in kWh for that of one in Wh."""
    return name[: -len(WH)] + KWH if name == WH or name.endswith(f"_{WH}") else None


def show(value: Any) -> Any:
    """Return a dataclass, or a list of them, as plain values."""
    if type(value) in PLAIN:
        return value
    if is_dataclass(value):
        return _fields(value)
    if isinstance(value, list | tuple):
        return [show(one) for one in value]
    return dict(value) if isinstance(value, Mapping) else value


def _fields(row: Any) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for field in fields(row):
        value = shown[field.name] = show(getattr(row, field.name))
        if (beside := _in_kwh(field.name)) is not None:
            shown[beside] = None if value is None else value / 1000
    return shown
