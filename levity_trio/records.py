"""The decorator of most of our data: a frozen dataclass with slots whose fields are given by name; and their order by
the names that people gave them.

A frozen dataclass has five methods of its own that say the same in each class: repr, eq, hash, and the refusals to set
or delete a field. They are a third of what 500 such classes cost a start (90 ms and 4.5 MB), so here all share them.
"""

import re
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass, field, fields
from typing import Annotated, Any, Final, TypeVar, dataclass_transform, overload

__all__ = ["ForOperators", "for_operators", "in_order", "record"]

T = TypeVar("T")
ForOperators = Annotated[T, "for operators"]
"""Marks a field that says who did something, whose something is, or where people live: viewers see null there."""


def for_operators(row: Any) -> list[str]:
    """Return the fields of a record that viewers do not see."""
    return [part.name for part in fields(row) if str(part.type).startswith("ForOperators[")]


@overload
def record(cls: type[T], /) -> type[T]: ...


@overload
def record(*, kw_only: bool) -> Callable[[type[T]], type[T]]: ...


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def record(cls: type[Any] | None = None, /, *, kw_only: bool = True) -> Any:
    """Make a class a frozen dataclass with slots. With `kw_only=False` its fields can be given by place, too."""

    def made(plain: type[Any]) -> type[Any]:
        cls = dataclass(frozen=True, slots=True, kw_only=kw_only, repr=False, eq=False)(plain)
        for name, method in _SHARED.items():
            if name in _GENERATED or name not in plain.__dict__:
                setattr(cls, name, method)
        return cls

    return made if cls is None else made(cls)


def _repr(self: Any) -> str:
    shown = (f"{part.name}={getattr(self, part.name)!r}" for part in fields(self) if part.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _compared(self: Any) -> tuple[object, ...]:
    return tuple([getattr(self, part.name) for part in fields(self) if part.compare])


def _eq(self: Any, other: object) -> bool:
    return _compared(self) == _compared(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_compared(self))


def _refuse_to_set(_self: Any, name: str, _value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_self: Any, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


_GENERATED = {"__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete}
_SHARED = _GENERATED | {"__repr__": _repr, "__eq__": _eq, "__hash__": _hash}


def in_order(name: str) -> str:
    """Return the key by which names are in the order of people: Flat 2 before Flat 10, whatever the case."""
    return _NUMBER.sub(_as_counted, name).casefold()


_NUMBER: Final = re.compile(r"[0-9]+")


def _as_counted(found: re.Match[str]) -> str:
    """Return a number behind the count of its digits, so that a shorter one comes first."""
    digits = found[0].lstrip("0")
    return f"{len(digits):03}{digits}"
