"""Chargers that are away, and which of them went away together: one dead switch is one cause, not
twenty."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from levity_trio.told import Told, Value, joined

TOGETHER: Final = timedelta(minutes=2)
"""Chargers that went away within so long of one another have one cause."""
SEVERAL: Final = 3
"""Chargers that go away together have one cause if they are so many; two may be a coincidence."""
LONGEST_LIST: Final = 6
"""Runs of names that are named; of more, the number is told."""
_NUMBERED: Final = re.compile(r"(.*?)(\d{1,9})", re.DOTALL)


def together(since: Mapping[str, str], several: int = SEVERAL) -> Iterator[list[str]]:
    """Yield the chargers that went away together, in the order of the times since when they are
    away.

    Fewer than `several` are told one by one.
    """
    groups: list[list[str]] = []
    before = datetime.min.replace(tzinfo=UTC)
    for charger in sorted(since, key=lambda charger: (since[charger], charger)):
        at = datetime.fromisoformat(since[charger])
        if at - before > TOGETHER:
            groups.append([])
        groups[-1].append(charger)
        before = at
    for group in groups:
        yield from [group] if len(group) >= several else ([one] for one in group)


def counted(since: Mapping[str, str]) -> dict[str, int]:
    """Return, for each charger that is away, how many went away together, itself included; 1 is one
    alone."""
    return {charger: len(group) for group in together(since) for charger in group}


def listed(names: Iterable[str]) -> Told:
    """Return names in their order, runs of numbers as one: Space 1–12, Space 14, Guest."""
    runs: list[tuple[str, str]] = []
    for name in sorted(names, key=_order):
        if runs and _follows(runs[-1][1], name):
            runs[-1] = runs[-1][0], name
        else:
            runs.append((name, name))
    words: list[Value] = [
        first if first == last else f"{first}–{_split(last)[1]}" for first, last in runs
    ]
    words[LONGEST_LIST:] = (
        [Told("{1} more", len(words) - LONGEST_LIST)] if len(words) > LONGEST_LIST else []
    )
    return joined(", ", words)


def _split(name: str) -> tuple[str, str]:
    """Return a name without the number at its end, and that."""
    found = _NUMBERED.fullmatch(name)
    return (found[1], found[2]) if found else (name, "")


def _order(name: str) -> tuple[str, int, str]:
    words, number = _split(name)
    return words, int(number or -1), name


def _follows(before: str, after: str) -> bool:
    """Whether a name is the next one: the same words, and the next number."""
    (words, number), (others, following) = _split(before), _split(after)
    return (
        words == others
        and number != ""
        and following in (str(int(number) + 1), f"{int(number) + 1:0{len(number)}}")
    )
