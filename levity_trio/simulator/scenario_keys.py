"""One table of a scenario file, read key by key: what is wrong is one line naming file, key and what to give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NoReturn, TypeGuard

from levity_trio.config import ConfigError

Range = tuple[float, float]
_SHOWN_CHARACTERS: Final = 60
_MOST_WEIGHT: Final = 1_000_000


class Keys:
    """The keys of one table. Each is taken once, and what nobody took was not known: see `end`.

    A key without default must be there. `where` is the file, and the path of the table in it. All of it raises
    ConfigError.
    """

    def __init__(self, table: Mapping[str, object], file: str, path: str = "") -> None:
        self._left = dict(table)
        self._known: dict[str, None] = {}
        self._file = file
        self._path = path

    def number(self, key: str, low: float, high: float, default: float | None = None) -> float:
        give = f"give a number from {low:g} to {high:g}"
        value = self._take(key, default, give)
        return value if _is_number(value) and low <= value <= high else self.refuse(key, value, give)

    def whole(self, key: str, low: int, high: int, default: int | None = None) -> int:
        give = f"give a whole number from {low} to {high}"
        value = self._take(key, default, give)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.refuse(key, value, give)
        return value

    def range(self, key: str, low: float, high: float, default: Range | None = None) -> Range:
        """Two numbers, the least and the most."""
        give = f"give two numbers from {low:g} to {high:g}, the smaller first, such as [{low:g}, {high:g}]"
        values = self._numbers(key, default, give)
        if len(values) != 2 or not low <= values[0] <= values[1] <= high:
            self.refuse(key, list(values), give)
        return values[0], values[1]

    def weights(self, key: str, count: int, default: Sequence[float]) -> tuple[float, ...]:
        give = f"give {count} numbers from 0 to {_MOST_WEIGHT}, at least one of them above 0"
        values = self._numbers(key, default, give)
        is_fit = len(values) == count and all(0 <= value <= _MOST_WEIGHT for value in values) and sum(values) > 0
        return tuple(values) if is_fit else self.refuse(key, list(values), give)

    def text(self, key: str, longest: int) -> str:
        give = f"give a text of 1 to {longest} characters in one line"
        value = self._take(key, None, give)
        return value if _is_text(value, longest) else self.refuse(key, value, give)

    def texts(self, key: str, longest: int, default: Sequence[str] = ()) -> tuple[str, ...]:
        give = f"give a list of texts, each of 1 to {longest} characters in one line"
        values = self._take(key, default, give)
        if not isinstance(values, Sequence) or isinstance(values, str) or not values:
            return self.refuse(key, values, give)
        return tuple(value if _is_text(value, longest) else self.refuse(key, value, give) for value in values)

    def words(self, key: str, known: Sequence[str]) -> tuple[str, ...]:
        """Some of the known words; all of them if the key is not there."""
        values = self.texts(key, 50, known)
        for value in values:
            if value not in known:
                self.refuse(key, value, f"give some of {', '.join(known)}")
        return values

    def table(self, key: str) -> Keys | None:
        """A table below this one; None where there is none."""
        if self.peek(key) is None:
            return None
        value = self._take(key, None, "")
        return self._below(key, value) if isinstance(value, dict) else self.refuse(key, value, f"give a table [{key}]")

    def tables(self, key: str) -> list[Keys]:
        """All tables `[[key]]`; empty where there is none."""
        give = f"give one or more tables [[{key}]]"
        values = self._take(key, [], give)
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            return self.refuse(key, values, give)
        return [self._below(f"{key}[{number}]", value) for number, value in enumerate(values, 1)]

    def peek(self, key: str) -> object:
        """The value of a key that is not taken by it; None where there is none."""
        self._known[key] = None
        return self._left.get(key)

    def names(self) -> list[str]:
        """The keys that nobody took yet."""
        return list(self._left)

    def end(self) -> None:
        """Every key was taken; what is left is a mistake."""
        for key in self._left:
            raise ConfigError(f"{self._place(repr(key))} is not known; give some of {', '.join(self._known)}")

    def refuse(self, key: str, value: object, give: str) -> NoReturn:
        shown = repr(value)
        shown = shown if len(shown) <= _SHOWN_CHARACTERS else shown[:_SHOWN_CHARACTERS] + "…"
        raise ConfigError(f"{self._place(key)} = {shown}: {give}")

    def _take(self, key: str, default: object, give: str) -> object:
        self._known[key] = None
        if key not in self._left and default is None:
            raise ConfigError(f"{self._place(key)} is missing: {give}")
        return self._left.pop(key, default)

    def _numbers(self, key: str, default: Sequence[float] | None, give: str) -> list[float]:
        values = self._take(key, default, give)
        if not isinstance(values, Sequence) or isinstance(values, str) or not values:
            return self.refuse(key, values, give)
        return [value if _is_number(value) else self.refuse(key, list(values), give) for value in values]

    def _below(self, key: str, table: dict[str, object]) -> Keys:
        return Keys(table, self._file, f"{self._path}{key}.")

    def _place(self, key: str) -> str:
        return f"{self._file}: {self._path}{key}"


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: object, longest: int) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value.strip()) <= len(value) <= longest and value.isprintable()
