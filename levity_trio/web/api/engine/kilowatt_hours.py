"""How the dataclasses of the store are shown: each figure in Wh has the same in kWh beside it.

The type for OpenAPI and the value come from the same fields, so that the two cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from levity_trio.store.reads import pages

WH, KWH = "wh", "kwh"
PLAIN = frozenset({str, int, float, bool, type(None)})
"""Nearly all values; the others are looked at more closely, which takes longer."""


T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], omit_defaults=True):
    """A page of a list. Beyond 10,000 rows, `total_at_least` is known instead of `total`; go on
    with `next_cursor`."""

    data: list[T]
    page: int
    limit: int
    total: int | None = None
    total_at_least: int | None = None
    next_cursor: str | None = None


@cache
def answer(kind: type) -> type[msgspec.Struct]:
    """Return the type of what `show` makes of a dataclass."""
    hints = get_type_hints(kind)
    shown: list[tuple[str, Any]] = []
    for field in fields(kind):
        shown.append((field.name, shown_type(hints[field.name])))
        if (beside := _in_kwh(field.name)) is not None:
            shown.append((beside, float | None))
    return msgspec.defstruct(
        kind.__name__, shown, kw_only=True, namespace={"__doc__": kind.__doc__}
    )


def shown_type(hint: Any) -> Any:
    """Return the type of what `show` makes of a value of a type."""
    if is_dataclass(hint) and isinstance(hint, type):
        return answer(hint)
    parts = tuple(part if part is Ellipsis else shown_type(part) for part in get_args(hint))
    origin: Any = get_origin(hint)
    if origin in (Union, UnionType):
        return Union[parts]  # noqa: UP007 - of types that are known only now
    if origin is pages.ListPage:
        origin = Page
    # What is inside others, such as a mapping, is shown as it is.
    is_struct = isinstance(origin, type) and issubclass(origin, msgspec.Struct)
    return origin[parts] if is_struct or origin in (list, tuple) else hint


def _in_kwh(name: str) -> str | None:
    """Return the name of a figure in kWh for that of one in Wh."""
    return name[: -len(WH)] + KWH if name == WH or name.endswith(f"_{WH}") else None


def show(value: Any) -> Any:
    """Return a dataclass, a list or a page of them, as plain values."""
    if type(value) in PLAIN:
        return value
    if isinstance(value, pages.ListPage):
        return Page(**_fields(value))
    if is_dataclass(value):
        return _fields(value)
    if isinstance(value, list | tuple):
        return [show(part) for part in value]
    return dict(value) if isinstance(value, Mapping) else value


def _fields(row: Any) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for field in fields(row):
        value = show(getattr(row, field.name))
        shown[field.name] = value
        if (beside := _in_kwh(field.name)) is not None:
            shown[beside] = None if value is None else value / 1000
    return shown


def extended(kind: type[T], row: object, **more: object) -> T:
    """Return a dataclass of a kind with the fields of a row that it has, too, and more, which come
    before those of the row."""
    names = [field.name for field in fields(kind) if hasattr(row, field.name)]  # type: ignore[arg-type]
    return kind(**{name: getattr(row, name) for name in names} | more)
