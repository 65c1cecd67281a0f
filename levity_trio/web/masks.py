"""What viewers see of what is shown: null where a field is marked for operators, no number of a
card, and nothing that a meter signed, because that has one in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from typing import Any, Final, TypeVar

from levity_trio.records import for_operators, names_of
from levity_trio.told import Told
from levity_trio.wire.numbers import is_signed
from levity_trio.wire.secrets import MASK

T = TypeVar("T")
CARDS: Final = frozenset(
    {"id_tag", "idTag", "parent_id_tag", "parentIdTag", "stop_id_tag", "sample"}
)
"""Fields with the number of a card; the sample of a broken message may be one."""


def masked(content: T) -> T:
    """Return what was read as viewers see it: null for what is marked for operators, and the
    numbers of cards masked, also in sentences beside them."""
    cards: set[str] = set()

    def gather(name: str, text: str) -> str:
        if name in CARDS and text:
            cards.add(re.escape(text))
        return text

    shown: T = _copied(content, gather)
    if not cards:
        return shown
    # A whole word only: a number of a card may be a part of another number.
    card = re.compile(rf'(?<![^" ])(?:{"|".join(cards)})(?![^\s\\",.;:)])')
    without_cards: T = _copied(shown, lambda _, text: _masked_text(text, card))
    return without_cards


def _copied(value: Any, change: Callable[[str, str], str], name: str = "") -> Any:
    """Return a value without what is marked for operators. `change` gets each text and the name of
    its field."""
    if isinstance(value, str):
        return change(name, value)
    if is_dataclass(value) or hasattr(value, "__struct_fields__"):
        hidden = for_operators(value) if is_dataclass(value) else ()
        names = names_of(value) if is_dataclass(value) else value.__struct_fields__
        parts: dict[str, Any] = {}
        for part in names:
            is_hidden = part in hidden
            parts[part] = None if is_hidden else _copied(getattr(value, part), change, part)
        # It is a reading.
        if "format" in parts and is_signed(parts["value"], parts["format"]):
            parts["value"] = MASK
        return value.__class__(**parts)
    if isinstance(value, Mapping):
        return {key: _copied(part, change, key) for key, part in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        named = zip(value._fields, value, strict=True)
        return type(value)(*(_copied(part, change, field) for field, part in named))
    if isinstance(value, list | tuple):
        return type(value)(_copied(part, change) for part in value)
    return value


def _masked_text(text: str, card: re.Pattern[str]) -> str:
    if not isinstance(text, Told):
        return card.sub(MASK, text)
    values = [
        _masked_text(value, card) if isinstance(value, str) else value for value in text.values
    ]
    return Told(text.template, *values, many=text.many)
