"""One kept case, and the files of them.

A file has a line of JSON for each case, in an order that depends on nothing but the cases. A case
is kept by the names of its fields, without those at their defaults: a field with another name is an
error, one that is new has its default.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from decimal import Decimal
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, Final, NamedTuple, get_args, get_origin, get_type_hints

from levity_trio.charging.energy import CERTAIN, Judgement, judge
from levity_trio.charging.sent.evidence import Case

FOLDER: Final = Path(__file__).parents[2] / "corpus"
PLAIN: Final = (int, float, bool, str)
ORDER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


class Said(NamedTuple):
    """What the rules say."""

    wh: int
    confidence: str
    codes: tuple[str, ...] = ()

    @classmethod
    def of(cls, judgement: Judgement) -> Said:
        codes = sorted(doubt.code.value for doubt in judgement.doubts)
        return cls(judgement.wh, judgement.confidence, tuple(codes))

    @property
    def is_certain(self) -> bool:
        return self.confidence == CERTAIN


class Truth(NamedTuple):
    """What is true of a session, in Wh."""

    is_lie: bool
    """Something told of it, or of a session next to it, is wrong or was lost."""
    wh: float | None = None
    """The energy delivered, if its source knows it."""
    tolerance: float = 0
    """How far a certain figure may be from it."""
    least: float | None = None
    most: float | None = None
    """The range of the right proposals."""
    must_doubt: bool = False
    """A lie of which nothing but that is known: no figure of it may be certain."""

    def with_first(self, said: Said) -> Truth:
        """Return it with what the rules said at first, in place of what its source does not
        tell."""
        known, within = (said.wh, 0.0) if self.wh is None else (self.wh, self.tolerance)
        return self._replace(
            least=known - within if self.least is None else self.least,
            most=known + within if self.most is None else self.most,
            must_doubt=self.wh is None and self.is_lie and not said.is_certain,
        )


@dataclass(frozen=True)
class Kept:
    """A case with its source in a line, what is true of it, and what the rules said when it was
    kept."""

    source: str
    truth: Truth
    said: Said
    case: Case

    def is_silently_wrong(self, said: Said) -> bool:
        """Whether a figure is certain that is wrong, or that nobody can know."""
        is_off = self.truth.wh is not None and abs(said.wh - self.truth.wh) > self.truth.tolerance
        is_unknown = self.truth.must_doubt or (self.truth.wh is None and not self.is_right(said))
        return said.is_certain and (is_off or is_unknown)

    def is_right(self, said: Said) -> bool:
        """Whether a proposal is right."""
        return (
            (self.truth.least or 0)
            <= said.wh
            <= (said.wh if self.truth.most is None else self.truth.most)
        )

    def is_lost(self, said: Said) -> bool:
        """Whether nothing is proposed, though energy flowed that can be proved."""
        return not said.is_certain and said.wh == 0 and not self.is_right(said)


# As JSON


class _Field(NamedTuple):
    kind: Any
    default: Any


@cache
def _fields(kind: type) -> Mapping[str, _Field] | None:
    """Return the fields of a dataclass or a NamedTuple with their defaults; None for anything
    else."""
    if is_dataclass(kind):
        factories = {one.name: one.default_factory for one in fields(kind)}
        defaults = {one.name: one.default for one in fields(kind)}
        defaults |= {name: make() for name, make in factories.items() if make is not MISSING}
    elif hasattr(kind, "_field_defaults"):
        defaults = {name: kind._field_defaults.get(name, MISSING) for name in kind._fields}  # type: ignore[attr-defined]
    else:
        return None
    hints = get_type_hints(kind)
    return {name: _Field(hints[name], default) for name, default in defaults.items()}


def to_json(value: Any) -> Any:
    """Return a value as JSON has it."""
    if (known := _fields(value.__class__)) is not None:
        told = ((name, getattr(value, name), one.default) for name, one in known.items())
        return {
            name: to_json(found) for name, found, default in told if not _is_default(found, default)
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return {to_json(key): to_json(found) for key, found in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [to_json(one) for one in value]
    return value


def _is_default(found: Any, default: Any) -> bool:
    is_empty = isinstance(default, Sequence | Mapping) and not default and not found
    return bool(is_empty or (type(found) is type(default) and found == default))


def from_json(kind: Any, told: Any) -> Any:
    """Return what `to_json` was given. Raises KeyError for the name of a field that is none,
    TypeError without one that has no default."""
    if told is None or kind in PLAIN:
        return told
    origin, inner = (
        get_origin(kind),
        [one for one in get_args(kind) if one not in (NoneType, Ellipsis)],
    )
    if origin is None:
        known = _fields(kind)
        return (
            kind(told)
            if known is None
            else kind(**{one: from_json(known[one].kind, told[one]) for one in told})
        )
    if issubclass(origin, Mapping):
        return {from_json(inner[0], key): from_json(inner[1], one) for key, one in told.items()}
    if issubclass(origin, Sequence):
        made = told if inner[0] in PLAIN else [from_json(inner[0], one) for one in told]
        return tuple(made) if origin is tuple else made
    return from_json(inner[0], told)  # it, or None


# Files


def path_of(name: str) -> Path:
    return FOLDER / f"{name}.jsonl.xz"


def names() -> list[str]:
    """Return the names of the kept files."""
    return sorted(path.name.removesuffix(".jsonl.xz") for path in FOLDER.glob("*.jsonl.xz"))


def lines(name: str) -> list[str]:
    return lzma.decompress(path_of(name).read_bytes()).decode().splitlines()


def read(line: str) -> Kept:
    found: Kept = from_json(Kept, json.loads(line))
    return found


def load(name: str) -> Iterator[Kept]:
    yield from map(read, lines(name))


def save(name: str, found: Iterable[tuple[str, Truth, Case]]) -> int:
    """Keep cases in a file, those that are equal once; return their number. What the rules say is
    that of a case which went through JSON, as whoever reads it gets it."""
    unique = dict[str, str]()
    for source, truth, case in found:
        told = ORDER.encode([to_json(truth), to_json(_numbered(case))])
        unique[told] = min(source, unique.get(told, source))
    kept = sorted((source, told) for told, source in unique.items())
    store(name, (_judged(source, *json.loads(told)) for source, told in kept))
    return len(kept)


def _numbered(case: Case) -> Case:
    """Return it with transactions beside it that are numbered from 1: a new database begins with
    any number."""
    ids = sorted(one.id for one in case.beside)
    return replace(case, beside=[one._replace(id=ids.index(one.id) + 1) for one in case.beside])


def _judged(source: str, truth: Any, case: Any) -> Kept:
    again: Case = from_json(Case, case)
    said = Said.of(judge(again))
    known: Truth = from_json(Truth, truth)
    return Kept(source, known.with_first(said), said, again)


def store(name: str, kept: Iterable[Kept]) -> None:
    text = "".join(f"{ORDER.encode(to_json(one))}\n" for one in kept)
    path_of(name).write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
