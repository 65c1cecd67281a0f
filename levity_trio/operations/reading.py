"""How to read the whole configuration of a charger.

Asked for all keys, real chargers answer with some of them only, with none, or not at all. They are
then asked for the keys that they may have, some at a time, and for fewer at a time where that fails
(§5.8, §9.1).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from levity_trio.operations.configuration import OPTIONAL, REQUIRED, unknown_in, values_in
from levity_trio.records import record

MAX_KEYS: Final = "getconfigurationmaxkeys"
LONGEST_NUMBER: Final = 4
"""Digits of GetConfigurationMaxKeys; a longer number is no limit."""
USUAL_PART: Final = 10
"""The keys of one call where nothing is known of the charger."""
MOST_CALLS: Final = 100
MOST_MISSES: Final = 5
"""Single keys without an answer, one after the other: the charger does not answer."""


@record
class Before:
    """What is known of a charger before a reading: keys that it reported or was sent, and those
    that it denied."""

    seen: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    most: int | None = None
    """GetConfigurationMaxKeys."""


@dataclass(slots=True)
class KeysReading:
    """One reading: which keys to ask for next, and what was answered so far. Keys are found by
    their lower case."""

    before: Before
    known: dict[str, str] = field(default_factory=dict, init=False)
    unknown: dict[str, str] = field(default_factory=dict, init=False)
    unanswered: dict[str, str] = field(default_factory=dict, init=False)
    _left: dict[str, str] = field(default_factory=dict, init=False)
    _asked: list[str] = field(default_factory=list, init=False)
    _calls: int = field(default=0, init=False)
    _misses: int = field(default=0, init=False)
    _size: int = field(default=USUAL_PART, init=False)
    _most: int = field(default=USUAL_PART, init=False)

    def next_keys(self) -> list[str] | None:
        """Return the keys to ask for next; empty for all keys, None at the end."""
        if self._calls == MOST_CALLS or self._misses == MOST_MISSES:
            self.stop()
        if self._calls and not self._left:
            return None
        self._calls += 1
        self._asked = list(self._left.values())[: self._size]
        return self._asked

    def take(self, response: object) -> None:
        """Note a response, None for an error."""
        before = len(self.known) + len(self.unknown)
        values = [*values_in(response)]
        self._note(self.known, [value.key for value in values])
        self._note(self.unknown, unknown_in(response))
        if self._asked:
            answered = len(self.known) + len(self.unknown)
            self._adapt(answered - before)
            return
        most: int | None = None
        for value in values:
            if value.key.casefold() == MAX_KEYS:
                most = limit(value.value)
                break
        # What it answered at once it can answer again.
        self._divide(most or self.before.most or len(values) or USUAL_PART)

    def miss(self) -> None:
        """Note that no response came in time: the next call asks for one key. If this one did, the
        reading ends."""
        if not self._asked:
            self._divide(self.before.most or USUAL_PART)
        elif len(self._asked) == 1:
            self.stop()
        else:
            self._size = 1

    def stop(self) -> None:
        """End the reading; what was not answered yet will not be."""
        self.unanswered |= self._left
        self._left = {}

    def _note(self, problems: dict[str, str], keys: Iterable[str]) -> None:
        for key in keys:
            folded = key.casefold()
            self._left.pop(folded, None)
            if folded not in self.known and folded not in self.unknown:
                problems[folded] = key

    def _divide(self, most: int) -> None:
        """Ask for all keys that are left, if the call for all lacked some that the charger must
        have."""
        self._size = self._most = most
        seen, denied = _folded(self.before.seen), _folded(self.before.unknown)
        expected = (seen.keys() | _folded(REQUIRED).keys()) - denied.keys()
        if expected <= self.known.keys():
            return
        every = _folded((*REQUIRED, *OPTIONAL)) | denied | seen
        for folded in self.known:
            every.pop(folded, None)
        self._left = every

    def _adapt(self, answered: int) -> None:
        """Ask for fewer keys at once where some were not answered, and for more again where all
        were."""
        asked = len(self._asked)
        self._misses = 0 if answered else self._misses + (asked == 1)
        if answered >= asked:
            self._size = min(self._most, self._size * 2)
        elif answered:
            self._size = self._most = answered
        elif asked > 1:
            self._size = asked // 2
        else:
            (key,) = self._asked
            self.unanswered[key.casefold()] = self._left.pop(key.casefold())


def _folded(keys: Iterable[str]) -> dict[str, str]:
    return {key.casefold(): key for key in keys}


def limit(text: str | None) -> int | None:
    """Return the number that GetConfigurationMaxKeys says, None where it says none."""
    if text is None or not text.isascii() or not text.isdecimal() or len(text) > LONGEST_NUMBER:
        return None
    # 0 is no limit, either.
    return int(text) or None
