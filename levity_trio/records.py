"""The decorator of most of our data: an immutable class with slots whose fields are given by name;
the marks of their fields; and their order by the names that people gave them.

It is a struct of msgspec, which has its methods in C, where a frozen dataclass has five of its own
in Python: 690 such classes took 2 MB more and half of what a start costs. The standard library's
functions for dataclasses take it for one.
"""

import re
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, make_dataclass
from functools import cache
from inspect import get_annotations
from typing import (
    Annotated,
    Any,
    Final,
    NamedTuple,
    TypeVar,
    dataclass_transform,
    get_args,
    get_type_hints,
    overload,
)
from unicodedata import combining, normalize

import msgspec
from msgspec import NODEFAULT, Meta, Struct

T = TypeVar("T")
ForOperators = Annotated[T, "for operators"]
"""Marks a field that says who did something, whose something is, or where people live: viewers see
null there."""
PERSONAL: Final = "personal"
Personal = Annotated[T, PERSONAL]
"""Marks what is about people, or a secret: requests are recorded without it, and it goes with a
household."""


def for_operators(row: Any) -> list[str]:
    """Return the fields of a record that viewers do not see."""
    return [part.name for part in fields(row) if str(part.type).startswith("ForOperators[")]


def names_of(kind: Any) -> tuple[str, ...]:
    """Return the names of the fields of a record, in their order."""
    return tuple(part.name for part in fields(kind))


_NAMES: Final = cache(names_of)


def copied(kind: Callable[..., T], row: Any, /, **others: Any) -> T:
    """Return a record of a kind with what a row has under the names of its fields, and with other
    values as given."""
    same = {name: getattr(row, name) for name in _NAMES(kind) if name not in others}
    return kind(**same, **others)


class FieldText(NamedTuple):
    """What is said of a field: its text; its short name, which is its label in forms; the option
    from which it comes; and whether forms show its text, in place of what its type says."""

    text: str = ""
    label: str = ""
    option: str = ""
    is_of_forms: bool = False


NO_TEXT: Final = FieldText()


def texts_of(kind: type) -> dict[str, FieldText]:
    """Return what the docstrings of a class, and of those that it extends, say of fields.

    A docstring ends with one line a field, such as `- max_transactions [At once] (--most NUMBER):
    Text.`, each part of which may be left out. A + marks texts of forms.
    """
    found: dict[str, FieldText] = {}
    for base in reversed(kind.__mro__):
        for mark, name, label, option, text in _FIELD_TEXT.findall(base.__doc__ or ""):
            before = found.get(name, NO_TEXT)
            found[name] = FieldText(
                " ".join(text.split()),
                " ".join(label.split()) or before.label,
                option or before.option,
                mark == "+",
            )
    return found


_FIELD_TEXT: Final = re.compile(
    r"^ *([-+]) (\w+)(?:\s\[([^\]]*)\])?(?:\s+\((--[^)]*|)\))?:?((?:(?!\n *[-+]|\n *\n).)*)",
    re.MULTILINE | re.DOTALL,
)


def personal_in(kind: Any) -> frozenset[str]:
    """Return the fields of a record or another struct that are personal, or have something that
    is."""
    hints = get_type_hints(kind, include_extras=True)
    return frozenset(name for name, hint in hints.items() if _is_personal(hint))


def _is_personal(hint: Any) -> bool:
    if PERSONAL in getattr(hint, "__metadata__", ()) or (
        hasattr(hint, "__struct_fields__") and personal_in(hint)
    ):
        return True
    return any(map(_is_personal, get_args(hint)))


WORDS: Final = "words"
"""The name in `Meta.extra` of what to say about a text that does not fit its pattern."""


def whole_text(*, pattern: str, words: str, **limits: Any) -> Meta:
    """Return the limits of a text that fits a pattern of JSON Schema from its beginning to its end.
    Python's `$` would leave a line feed at the end. `words` say how to write it."""
    return Meta(pattern=pattern.removesuffix("$") + r"\Z", extra={WORDS: words}, **limits)


@overload
def record(cls: type[T], /) -> type[T]: ...


@overload
def record(*, kw_only: bool) -> Callable[[type[T]], type[T]]: ...


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def record(cls: type[Any] | None = None, /, *, kw_only: bool = True) -> Any:
    """Make a class a record. With `kw_only=False` its fields can be given by place, too. What
    extends a record is one.

    With a field that is not compared or shown, or has metadata, it becomes a frozen dataclass.
    """

    def made(plain: type[Any]) -> Any:
        if isinstance(plain, _Kind):
            return plain
        parts = {
            name: part
            for name, part in vars(plain).items()
            if name not in ("__dict__", "__weakref__")
        }
        if any(map(_is_special, parts.values())) or any(map(is_dataclass, plain.__bases__)):
            return dataclass(frozen=True, slots=True, kw_only=kw_only)(plain)
        bases = tuple(base for base in plain.__bases__ if base is not object)
        parts["__qualname__"] = plain.__qualname__
        return _Kind(plain.__name__, (_Record, *bases), parts, kw_only=kw_only)

    return made if cls is None else made(cls)


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
def noun(cls: type[T]) -> type[T]:
    """Make a class a record that bodies of the API extend, too. Mypy does not know that it is
    frozen: those are not."""
    made = record(cls)
    type.__setattr__(made, _IS_NOUN, True)
    return made


def _is_special(part: object) -> bool:
    return isinstance(part, Field) and bool(
        part.metadata or not (part.compare and part.init and part.repr)
    )


_IS_NOUN: Final = "__is_noun__"


class _Fields:
    """The fields of a record, as the standard library and orjson ask for them. Made when they are
    first asked for."""

    def __get__(self, _: object, cls: type[Any]) -> dict[str, Field[Any]]:
        types = {
            name: kind
            for base in reversed(cls.__mro__)
            for name, kind in get_annotations(base).items()
        }
        names, defaults = cls.__struct_fields__, cls.__struct_defaults__
        given = dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))
        found = [(name, types[name], _field(given.get(name, NODEFAULT))) for name in names]
        if getattr(cls, _IS_NOUN, False):
            # which is declared behind the fields of the noun
            found.sort(key=lambda part: part[0] != "id")
        twin: Any = make_dataclass(cls.__name__, found, kw_only=True)
        made: dict[str, Field[Any]] = twin.__dataclass_fields__
        type.__setattr__(cls, "__dataclass_fields__", made)
        return made


def _field(default: Any) -> Any:
    if default is NODEFAULT:
        return field()
    return (
        field(default_factory=default.factory)
        if type(default) is _Factory
        else field(default=default)
    )


_FIELDS: Final = _Fields()


class _Kind(type(Struct)):  # type: ignore[misc] # it has no other name
    """The class of records."""

    def __new__(
        cls,
        name: str,
        bases: tuple[type[Any], ...],
        parts: dict[str, Any],
        *,
        kw_only: bool | None = None,
    ) -> Any:
        if kw_only is None:  # as the record that it extends
            kw_only = not any(getattr(base, "__match_args__", ()) for base in bases)
        for key, part in parts.items():
            if isinstance(part, Field):
                make: Any = part.default_factory
                parts[key] = (
                    part.default if make is MISSING else msgspec.field(default_factory=make)
                )
        parts["__dataclass_fields__"] = _FIELDS
        return super().__new__(cls, name, bases, parts, frozen=True, kw_only=kw_only)


class _Record(Struct, metaclass=_Kind):
    """What each record is."""


_Factory: Final = type(
    msgspec.defstruct(
        "_", [("one", list, msgspec.field(default_factory=list))]
    ).__struct_defaults__[0]
)


def in_order(name: str) -> str:
    """Return the key by which names are in the order of people: Flat 2 before Flat 10, and Ö beside
    O, whatever the case."""
    parts = normalize("NFKD", _NUMBER.sub(_as_counted, name).casefold())
    letters = "".join(part for part in parts if not combining(part))
    return f"{letters}\0{parts}"


_NUMBER: Final = re.compile(r"[0-9]+")


def _as_counted(found: re.Match[str]) -> str:
    """Return a number behind the count of its digits, so that a shorter one comes first."""
    digits = found[0].lstrip("0")
    return f"{len(digits):03}{digits}"
