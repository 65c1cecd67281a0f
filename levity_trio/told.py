"""Texts as data: a text remembers its template and its values, so that each face says it in its
reader's language.

The rooms below the faces make texts: refusals, facts, reviews, what a trial found. As a `str` such
a text is English, which the API, the log and the commands show. `locale.texts.said` translates the
template, and never a value: a charger that is named Free stays Free.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple, Self, TypeAlias, TypeVar, overload

T = TypeVar("T")
GAP: Final = re.compile(r"\{(\d+)\}")
WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class Figure(NamedTuple):
    """A number as a value of a text, with so many decimals; None: as many as it needs."""

    value: float
    digits: int | None = None

    def __str__(self) -> str:
        return f"{self.value:g}" if self.digits is None else f"{self.value:.{self.digits}f}"


class Quantity(NamedTuple):
    """A measured value of a text, in Wh, W, s or another unit. Pages and papers show kWh, kW,
    minutes and hours."""

    value: float
    unit: str

    def __str__(self) -> str:
        return f"{self.value:.3f}".rstrip("0").rstrip(".") + f" {self.unit}"


class Bare(NamedTuple):
    """A measured value whose unit stands behind another one of the same text: 29000 to 20500 Wh."""

    value: float
    unit: str

    def __str__(self) -> str:
        return str(Quantity(self.value, "")).rstrip()


class Amount(NamedTuple):
    """An amount of money as a value of a text, with the code of its currency."""

    amount: Decimal
    currency: str

    def __str__(self) -> str:
        return f"{self.amount:f} {self.currency}"


class Moment(NamedTuple):
    """A time as a value of a text: in UTC, in the format of the database. Pages show the time at
    the site."""

    stamp: str

    def __str__(self) -> str:
        return self.stamp

    @property
    def at(self) -> datetime:
        """The time itself. Raises ValueError if a charger wrote something that only looks like a
        time."""
        found = datetime.fromisoformat(self.stamp)
        return found if found.tzinfo else found.replace(tzinfo=UTC)


class Clock(NamedTuple):
    """A time to the minute as a value of a text; `english` is how that stands in English: 18:04, 3
    Nov 18:04."""

    stamp: str
    english: str

    def __str__(self) -> str:
        return self.english


class Day(NamedTuple):
    """A day as a value of a text."""

    day: date

    def __str__(self) -> str:
        return self.day.isoformat()


class DayOfYear(NamedTuple):
    """A day of each year as a value of a text."""

    month: int
    day: int

    def __str__(self) -> str:
        return f"{self.month:02}-{self.day:02}"


class Weekday(NamedTuple):
    """A day of the week as a value of a text; Monday is 0."""

    number: int

    def __str__(self) -> str:
        return WEEKDAYS[self.number]


class Told(str):
    """A text: its template has {1}, {2} where its values stand. `many` is that for a first value
    other than 1."""

    __slots__ = ("many", "template", "values")
    template: str
    values: Sequence[Value]
    many: str | None

    def __new__(cls, template: str, /, *values: Value, many: str | None = None) -> Self:
        """Make a text. A value that is a `str` is a name, or what somebody wrote; a Told is a text,
        too."""
        form = template if many is None or values[0] == 1 else many
        made = super().__new__(cls, filled(form, [str(value) for value in values]))
        made.template, made.values, made.many = template, values, many
        return made

    def __str__(self) -> str:
        """Return the text itself, so that what formats it elsewhere keeps its template."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _made_again, (self.template, self.values, self.many)


Value: TypeAlias = (
    "str | int | Figure | Quantity | Bare | Amount | Moment | Clock | Day | DayOfYear | Weekday | "
    "Told"
)


def N_(texts: T) -> T:  # noqa: N802 - the name by which catalogues know it
    """Mark a text, or all words in a table of texts: `Told` or `_` gets them where they are
    used."""
    return texts


def filled(template: str, values: Sequence[str]) -> str:
    """Return a template with its values."""
    return GAP.sub(lambda gap: values[int(gap[1]) - 1], template)


def joined(separator: str, texts: Iterable[Value]) -> Told:
    """Return texts as one, with a separator between them, which is the same in all languages."""
    values = tuple(texts)
    return Told(separator.join(f"{{{place}}}" for place in range(1, len(values) + 1)), *values)


def without(prefix: str, text: str) -> str:
    """Return what a text says behind a prefix, where it begins with that."""
    if isinstance(text, Told) and text.template == "{1}: {2}" and f"{text.values[0]}: " == prefix:
        return str(text.values[1])
    return text.removeprefix(prefix) if text.startswith(prefix) else text


def parted(text: str) -> tuple[str, str]:
    """Return what a text is about, "" if it does not begin with that, and what it says."""
    if isinstance(text, Told) and text.template == "{1}: {2}":
        return str(text.values[0]), str(text.values[1])
    place, mark, words = text.partition(": ")
    return (place, words) if mark else ("", text)


def shortened(text: str, most: int) -> str:
    """Return a text with at most so many letters; one that is cut has no template."""
    return text if len(text) <= most else text[:most]


# Stored


@overload
def stored(text: str) -> str: ...


@overload
def stored(text: str | None) -> str | None: ...


def stored(text: str | None) -> str | None:
    """Return a text as it is stored: the JSON of its template and values; one without a template as
    it stands."""
    return None if text is None else stored_in(text)


@overload
def of_stored(kept: str) -> str: ...


@overload
def of_stored(kept: str | None) -> str | None: ...


def of_stored(kept: str | None) -> str | None:
    """Return the text that was stored."""
    if kept is None:
        return None
    found = in_stored(kept)
    assert isinstance(found, str)  # noqa: S101 - `stored` takes nothing else
    return found


def stored_in(value: Any) -> str:
    """Return JSON, with the texts that are in it as they are stored."""
    return json.dumps(_kept_in(value), ensure_ascii=False, separators=(",", ":"))


def in_stored(kept: str) -> Any:
    """Return JSON with the texts that were stored in it."""
    return _read_in(json.loads(kept))


def beside(text: str | None) -> str | None:
    """Return what is stored beside a text that stands as a sentence; None for one without a
    template."""
    return stored(text) if isinstance(text, Told) else None


def with_told(text: str | None, kept: str | None) -> str | None:
    """Return a text that stands as a sentence, with what is stored beside it."""
    return text if kept is None else of_stored(kept)


def _made_again(template: str, values: Sequence[Value], many: str | None) -> Told:
    return Told(template, *values, many=many)


_KINDS: Final[Mapping[str, Callable[..., Value]]] = {
    **{one.__name__: one for one in (Figure, Quantity, Bare, Moment, Clock, DayOfYear, Weekday)},
    Amount.__name__: lambda amount, currency: Amount(Decimal(amount), currency),
    Day.__name__: lambda day: Day(date.fromisoformat(day)),
}
"""How a value that is no text is made of what is stored: its kind, with its fields."""


def _kept_in(value: Any) -> Any:
    match value:
        case dict():
            return {name: _kept_in(one) for name, one in value.items()}
        case list():
            return [*map(_kept_in, value)]
        case _:
            return _kept(value)


def _kept(value: Value) -> Any:
    match value:
        case Told():
            return {
                "text": value.template,
                "many": value.many,
                "values": [*map(_kept, value.values)],
            }
        case tuple():
            return {
                type(value).__name__: [
                    str(one) if isinstance(one, Decimal | date) else one for one in value
                ]
            }
        case _:
            return value


def _read_in(kept: Any) -> Any:
    match kept:
        case {"joined": texts}:
            return joined("; ", map(_read, texts))
        case {"text": _, "many": _, "values": _}:
            return _read(kept)
        case dict():
            return {name: _read_in(one) for name, one in kept.items()}
        case list():
            return [*map(_read_in, kept)]
        case _:
            return kept


def _read(kept: Any) -> Value:
    match kept:
        case {"text": template, "many": many, "values": values}:
            return Told(template, *map(_read, values), many=many)
        case dict():
            ((kind, fields),) = kept.items()
            return _KINDS[kind](*fields)
        case _:
            return kept  # type: ignore[no-any-return]  # a name or a number
