"""The makes of chargers, and what is known of a charger by what it tells of itself.

Each make is a file of `chargers/`, and `just manual` writes the pages from them. `told` of a make,
or of one of its entries, has what chargers send as chargePointVendor, or as `VENDOR / MODEL`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Final

from levity_trio.manual import FOLDER, ManualPage, anchor, find

CHARGERS: Final = "chargers"
PAGES: Final = ("a-c", "d-f", "g-h", "i-l", "m-r", "s-u", "v-z")
"""The pages, by the first letters of the files."""
_WORD: Final = re.compile(r"[a-z0-9+]+")


def makes() -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """Return what is known of each make, by the topics of the pages."""
    found: dict[str, list[Mapping[str, Any]]] = {f"{CHARGERS}/{name}": [] for name in PAGES}
    for file in sorted((FOLDER / CHARGERS).glob("*.toml")):
        (name,) = [one for one in PAGES if one[0] <= file.stem[0] <= one[-1]]
        found[f"{CHARGERS}/{name}"].append(tomllib.loads(file.read_text(encoding="utf-8")))
    return found


def heading(make: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    """Return the heading below which an entry stands: its models, or only its make."""
    models = ", ".join(name for name, *_sources in entry["models"])
    return f"{make['make']} {models}" if len(make["entry"]) > 1 else str(make["make"])


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
    best = [place for place in fitting if fitting[place] == max(fitting.values())]
    return best[0] if len(best) == 1 else None


def section(place: str) -> ManualPage:
    """Return what a page says of the make at a place, as `entry` gives it."""
    topic, _mark, wanted = place.partition("#")
    page = find(topic)
    parts = dict(zip(page.sections.values(), page.text.split("\n## ")[1:], strict=True))
    return replace(page, text=f"## {parts[wanted]}")


@cache
def _places() -> Sequence[tuple[str, str]]:
    """Return each place of a page with each name that leads there."""
    return [(f"{topic}#{anchor(title)}", told) for topic, title, told in _names()]


def _names() -> Iterator[tuple[str, str, str]]:
    for topic, found in makes().items():
        for make in found:
            yield from ((topic, make["make"], told) for told in make["told"])
            for one in make["entry"]:
                yield from ((topic, heading(make, one), told) for told in one.get("told", ()))


def _begins(text: str | None, name: str, before: str = "") -> bool:
    """Whether words at the beginning of a text, or behind `before` there, are a name. Nothing is
    only the beginning of nothing."""
    words = _WORD.findall((text or "").casefold())
    beginnings = {"".join(words[:count]) for count in range(min(1, len(words)), len(words) + 1)}
    return not beginnings.isdisjoint({_joined(name), _joined(before + name)})


def _joined(name: str) -> str:
    return "".join(_WORD.findall(name.casefold()))
