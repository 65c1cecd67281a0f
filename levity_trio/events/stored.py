"""Facts as they are stored: the name of their class, and their fields in JSON."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

import orjson

from levity_trio import events
from levity_trio.events import Fact

_CLASSES: Final[dict[str, Any]] = {
    name: found for name, found in vars(events).items() if isinstance(found, type) and issubclass(found, Fact)
}
_FIELDS: Final = {name: frozenset(field.name for field in fields(found)) for name, found in _CLASSES.items()}
OF_PEOPLE: Final = frozenset({"by", "remote_address"})
"""Who did something, and addresses."""
OF_HOUSEHOLDS: Final = frozenset({"account", "id_tag", "parent_id_tag", "key", "data"})
"""A household, and a card; `key` may be either, and in the data of a vendor there may be one."""


def anonymous(data: str | bytes) -> bytes:
    """Return a stored fact without people, the reasons of their decisions, households and cards."""
    fields = orjson.loads(data)
    hidden = OF_PEOPLE | OF_HOUSEHOLDS | ({"reason"} if "by" in fields else set())
    return orjson.dumps({name: value for name, value in fields.items() if name not in hidden})


def read_fact(kind: str, data: str) -> Fact | None:
    """Return a stored fact; None if a newer version of this program stored it, and this one does not know it."""
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
