"""The makes of chargers, and what is known of a charger by what it tells of itself.

Each make is a file of `chargers/`: its page is made from it by `just manual`. `told` of a make, or
of one of its entries, has what chargers send as chargePointVendor, or as `VENDOR / MODEL`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from levity_trio.manual import FOLDER, anchor

CHARGERS: Final = "chargers"
_WORD: Final = re.compile(r"[a-z0-9+]+")


@cache
def makes() -> Mapping[str, Mapping[str, Any]]:
    """Return what is known of each make, by the topic of its page."""
    files = sorted((FOLDER / CHARGERS).glob("*.toml"))
    return {
        f"{CHARGERS}/{one.stem}": tomllib.loads(one.read_text(encoding="utf-8")) for one in files
    }


def heading(models: Sequence[Sequence[str]]) -> str:
    """Return the heading of an entry: its models, whose sources come after their names."""
    return ", ".join(name for name, *_sources in models)


def entry(vendor: str | None, model: str | None) -> str | None:
    """Return topic and anchor of what is known of a charger, None if it fits no make, or several.

    Case, spaces and signs do not matter. A name that is told may go on behind that of the make, and
    the one that agrees in most letters counts.
    """
    fitting: dict[str, int] = {}
    for place, told in _places():
        made_by, _slash, named = told.partition("/")
        is_vendor = _begins(vendor, made_by) or (not vendor and _begins(model, made_by))
        if is_vendor and (not named or _begins(model, named, made_by)):
            fitting[place] = max(fitting.get(place, 0), len(_joined(told)))
    best = {place for place in fitting if fitting[place] == max(fitting.values())}
    topics = {place.partition("#")[0] for place in best}
    return best.pop() if len(best) == 1 else topics.pop() if len(topics) == 1 else None


@cache
def _places() -> Sequence[tuple[str, str]]:
    """Return each place of a page with each name that leads there."""
    found: list[tuple[str, str]] = []
    for topic, make in makes().items():
        found += [(topic, told) for told in make["told"]]
        for one in make["entry"]:
            place = f"{topic}#{anchor(heading(one['models']))}"
            found += [(place, told) for told in one.get("told", ())]
    return found


def _begins(text: str | None, name: str, before: str = "") -> bool:
    """Whether words at the beginning of a text, or behind `before` there, are a name. Nothing is
    only the beginning of nothing."""
    words = _WORD.findall((text or "").casefold())
    beginnings = {"".join(words[:count]) for count in range(min(1, len(words)), len(words) + 1)}
    return not beginnings.isdisjoint({_joined(name), _joined(before + name)})


def _joined(name: str) -> str:
    return "".join(_WORD.findall(name.casefold()))
