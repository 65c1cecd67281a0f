"""What came of a form, kept until the reader's next page shows it."""

from __future__ import annotations

from hashlib import sha256
from typing import Final, NamedTuple

MOST_READERS: Final = 1000
MOST_NOTES: Final = 5


class Note(NamedTuple):
    """A line for the reader. `kind` is done, warning or problem."""

    kind: str
    words: str


class Notes:
    """Notes by reader. They are few and short-lived, so memory is their place."""

    def __init__(self) -> None:
        self._notes: dict[str, list[Note]] = {}

    def leave(self, cookie: str, notes: list[Note]) -> None:
        """Keep notes for a reader."""
        key = _key(cookie)
        self._notes[key] = [*self._notes.pop(key, []), *notes][-MOST_NOTES:]
        if len(self._notes) > MOST_READERS:
            del self._notes[next(iter(self._notes))]

    def take(self, cookie: str) -> list[Note]:
        """Return the notes of a reader, once."""
        return self._notes.pop(_key(cookie), [])


def _key(cookie: str) -> str:
    return sha256(cookie.encode()).hexdigest()
