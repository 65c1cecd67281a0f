"""How texts cross from the API to the pages of the same process: with their templates, which a
client does not see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from secrets import token_hex
from typing import Any, Final

from levity_trio.told import Told, of_stored, stored

MARK_BYTES: Final = 12
_mark: ContextVar[str] = ContextVar("mark", default="")


@contextmanager
def marking() -> Iterator[str]:
    """Let what is as_json inside the block have its texts as data, each behind a mark that nobody
    can know before."""
    mark = token_hex(MARK_BYTES)
    before = _mark.set(mark)
    try:
        yield mark
    finally:
        _mark.reset(before)


def as_json(value: object) -> str:
    """Return a text for an encoder of JSON: plain English, or as data. Raises TypeError for what is
    no text."""
    if not isinstance(value, Told):
        raise TypeError(f"{type(value).__name__} is not for JSON")
    mark = _mark.get()
    return f"{mark}{stored(value)}" if mark else str.__str__(value)


def decoded(content: Any, mark: str) -> Any:
    """Return JSON with its marked texts as they were."""
    match content:
        case str():
            return of_stored(content.removeprefix(mark)) if content.startswith(mark) else content
        case list():
            return [decoded(part, mark) for part in content]
        case dict():
            return {name: decoded(part, mark) for name, part in content.items()}
        case _:
            return content
