"""Facts as they are stored: the name of their class, and their fields in JSON."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

import orjson

from levity_trio import events
from levity_trio.events import Fact
from levity_trio.records import for_operators

_CLASSES: Final[dict[str, Any]] = {
    name: found
    for name, found in vars(events).items()
    if isinstance(found, type) and issubclass(found, Fact)
}
_FIELDS: Final = {
    name: frozenset(field.name for field in fields(found)) for name, found in _CLASSES.items()
}
_MARKED: Final = {name: frozenset(for_operators(found)) for name, found in _CLASSES.items()}
HIDDEN: Final = frozenset[str]().union(*_MARKED.values())
"""What is for operators in any fact. It is so in one of another version of this program, too, that
has a field more."""


def anonymous(kind: str, data: str | bytes) -> bytes:
    """Return a stored fact without people, the reasons of their decisions, households and cards."""
    shown = _FIELDS.get(kind, frozenset()) - _MARKED.get(kind, HIDDEN)
    fields = orjson.loads(data)
    return orjson.dumps(
        {name: value for name, value in fields.items() if name in shown or name not in HIDDEN}
    )


def read_fact(kind: str, data: str) -> Fact | None:
    """Return a stored fact; None if a newer version of this program stored it, and this one does
    not know it."""
    kind_of_fact = _CLASSES.get(kind)
    if kind_of_fact is None:
        return None
    known = _FIELDS[kind]
    fields = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in orjson.loads(data).items()
        if name in known
    }
    try:
        fact: Fact = kind_of_fact(**fields)
        return fact
    except TypeError:  # a field is missing
        return None
