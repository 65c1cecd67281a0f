"""Read one table of a scenario file key by key. Each mistake is one line with the file, the key and what to give."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

Range = tuple[float, float]
T = TypeVar("T")
_SHOWN_CHARACTERS: Final = 60
_MOST_WEIGHT: Final = 1_000_000


class Keys:
    """The keys of one table. Each key is read once; `end` reports the keys that were not read as unknown.

    A key without a default is required. A wrong value adds a line to `faults`, which a table shares with its subtables,
    and a substitute is returned so that the rest can be read too. `file` and `path` locate the table in messages.
    """

    def __init__(self, table: Mapping[str, object], file: str, path: str = "", faults: list[str] | None = None) -> None:
        self.faults: list[str] = [] if faults is None else faults
        self._left = dict(table)
        self._known: dict[str, None] = {}
        self._file = file
        self._path = path

    def number(self, key: str, low: float, high: float, default: float | None = None) -> float:
        give = f"give a number from {low:g} to {high:g}"
        return self._read(key, default, give, lambda value: _is_number(value) and low <= value <= high, high)

    def whole(self, key: str, low: int, high: int, default: int | None = None) -> int:
        give = f"give a whole number from {low} to {high}"
        return self._read(key, default, give, lambda value: _is_whole(value) and low <= value <= high, high)

    def range(self, key: str, low: float, high: float, default: Range | None = None) -> Range:
        """Read two numbers, the minimum and the maximum."""
        give = f"give two numbers from {low:g} to {high:g}, the smaller first, such as [{low:g}, {high:g}]"

        def is_range(values: Any) -> bool:
            return _are_numbers(values) and len(values) == 2 and low <= values[0] <= values[1] <= high

        least, most = self._read(key, default, give, is_range, (low, high))
        return least, most

    def weights(self, key: str, count: int, default: Sequence[float]) -> tuple[float, ...]:
        give = f"give {count} numbers from 0 to {_MOST_WEIGHT}, at least one of them above 0"

        def are_weights(values: Any) -> bool:
            is_list = _are_numbers(values) and len(values) == count
            return is_list and all(0 <= value <= _MOST_WEIGHT for value in values) and sum(values) > 0

        return tuple(self._read(key, default, give, are_weights, default))

    def text(self, key: str, longest: int) -> str:
        give = f"give a text of 1 to {longest} characters on one line"
        return self._read(key, None, give, lambda value: _is_text(value, longest), "")

    def texts(self, key: str, longest: int, default: Sequence[str]) -> tuple[str, ...]:
        give = f"give a list of texts, each of 1 to {longest} characters on one line"
        values: Sequence[Any] = self._read(key, default, give, _is_list, default)
        for value in values:
            if not _is_text(value, longest):
                self.refuse(key, value, give)
        return tuple(values)

    def words(self, key: str, known: Sequence[str]) -> tuple[str, ...]:
        """Read a list of known words; all of them if the key is missing."""
        give = f"give a list, some of {', '.join(known)}"
        values: Sequence[Any] = self._read(key, known, give, _is_list, known)
        for value in values:
            if value not in known:
                self.refuse(key, value, f"give some of {', '.join(known)}")
        return tuple(values)

    def table(self, key: str) -> Keys | None:
        """Read a subtable; None if there is none."""
        if self.peek(key) is None:
            return None
        nothing: dict[str, object] | None = None
        table = self._read(key, None, f"give a table [{key}]", lambda value: isinstance(value, dict), nothing)
        return None if table is None else self._below(key, table)

    def tables(self, key: str) -> list[Keys]:
        """Read all tables `[[key]]`."""
        give = f"give one or more tables [[{key}]]"
        tables: list[Any] = self._read(key, [], give, _are_tables, [])
        return [self._below(f"{key}[{number}]", table) for number, table in enumerate(tables, 1)]

    def peek(self, key: str) -> object:
        """Return a key's value without marking the key as read; None if it is missing."""
        self._known[key] = None
        return self._left.get(key)

    def names(self) -> list[str]:
        """The keys that were not read yet."""
        return list(self._left)

    def end(self) -> None:
        """Add a fault for every key that was not read."""
        for key in self._left:
            self.faults.append(f"{self._place(repr(key))} is not known; give some of {', '.join(self._known)}")

    def refuse(self, key: str, value: object, give: str) -> None:
        """Add a fault; `give` says what to give instead."""
        shown = repr(value)
        shown = shown if len(shown) <= _SHOWN_CHARACTERS else shown[:_SHOWN_CHARACTERS] + "…"
        self.faults.append(f"{self._place(key)} = {shown}: {give}")

    def _read(self, key: str, default: object, give: str, is_fit: Callable[[Any], bool], instead: T) -> T:
        """Return the value or the default if `is_fit` accepts it; else add a fault and return `instead`."""
        self._known[key] = None
        value: Any = self._left.pop(key, default)
        if value is None:
            self.faults.append(f"{self._place(key)} is missing: {give}")
            return instead
        if not is_fit(value):
            self.refuse(key, value, give)
            return instead
        fit: T = value
        return fit

    def _below(self, key: str, table: dict[str, object]) -> Keys:
        return Keys(table, self._file, f"{self._path}{key}.", self.faults)

    def _place(self, key: str) -> str:
        return f"{self._file}: {self._path}{key}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value)


def _are_numbers(values: Any) -> bool:
    return _is_list(values) and all(map(_is_number, values))


def _are_tables(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(value, dict) for value in values)


def _is_text(value: object, longest: int) -> bool:
    return isinstance(value, str) and 0 < len(value.strip()) <= len(value) <= longest and value.isprintable()
