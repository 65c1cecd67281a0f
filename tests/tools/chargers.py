"""The pages about makes of chargers, written from the files of `levity_trio/manual/chargers`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import fill
from typing import Any, Final

from levity_trio.manual import CONTENTS, FOLDER
from levity_trio.manual.makes import CHARGERS, heading, makes

INDEX: Final = f"{CHARGERS}/makes"
TITLE: Final = "Chargers by make"
WIDTH: Final = 120
PARTS: Final = {
    "set": ("What you type", "what to type"),
    "odd": ("What looks odd", "what looks odd"),
    "limit": ("Can it be limited?", "whether it can be limited"),
    "firmware": ("Firmware", "which firmware to avoid"),
}
"""The parts of an entry, how a page names them, and what it says where nothing is known."""
NAMED: Final = re.compile(r"\{(\w+):([^}]+)\}")
"""What a text names of the program, such as `{quirk:no-pings}`."""
PLACES: Final = {
    "quirk": "../reference/quirks.md",
    "repair": "../reference/repairs.md",
    "kind": "../reference/kinds.md",
    "setting": "../reference/settings.md",
}
SECTION: Final = re.compile(rf"(?<=^## {TITLE}\n\n).*?(?=\n\n## )", re.MULTILINE | re.DOTALL)
"""The list of all makes in the contents of the manual."""
INTRODUCTION: Final = (
    "What others found with chargers of each make: what to type into which menu, what looks odd, "
    "whether it can be limited, and which firmware to avoid. `SERVER` is the name or the IP "
    "address of the machine with the server, `CP-1` a name that no other charger has. Each "
    "sentence has the number of its source. Nothing here was tried by us unless it says so; "
    "menus and firmware change. A [trial](../tasks/feeder.md#5-try-each-kind-of-charger) shows "
    "what your own charger does."
)
WORKS: Final = (
    "It may work all the same: most chargers that speak OCPP 1.6 over WebSocket (*1.6J*) do. "
    "Enter `ws://SERVER:9000/ws/CP-1` as the central system, or `ws://SERVER:9000/ws` if it adds "
    "its name itself. Leave the password empty at first. *Now* shows who was turned away, and "
    "why. [Your first charger](../start/first-charger.md) tells more."
)
REPORT: Final = (
    "Then tell the project vendor, model and firmware, what you typed where, and what was odd, "
    "so that the next owner finds it here."
)


def pages() -> Mapping[str, str]:
    """Return the text of each page by its topic."""
    return {INDEX: index(), **{topic: page(make) for topic, make in makes().items()}}


def contents() -> str:
    """Return the contents of the manual with a list of all makes."""
    text = (FOLDER / f"{CONTENTS}.md").read_text(encoding="utf-8")
    topics = {INDEX: TITLE, **{topic: make["make"] for topic, make in makes().items()}}
    listed = "\n".join(f"- [{title}]({topic}.md)" for topic, title in topics.items())
    return SECTION.sub(lambda _: listed, text)


def index() -> str:
    listed = (
        f"| [{make['make']}]({topic.removeprefix(f'{CHARGERS}/')}.md) | "
        f"{'; '.join(heading(one['models']) for one in make['entry'])} |"
        for topic, make in makes().items()
    )
    table = "\n".join(("| make | models |", "| --- | --- |", *listed))
    others = f"{filled(WORKS)}\n\n{filled(REPORT)}"
    return "\n\n".join(
        (f"# {TITLE}", filled(INTRODUCTION), table, "## Yours is not here", f"{others}\n")
    )


def page(make: Mapping[str, Any]) -> str:
    sources = list(dict.fromkeys(each for text in statements(make) for each in text[1:]))
    numbers = {source: number for number, source in enumerate(sources, 1)}
    told = " or ".join(f"`{one}`" for one in make["told"])
    words = (
        f"A charger is linked to this page if it names itself {told}. `SERVER` and `CP-1` are "
        f"yours: see [{TITLE}](makes.md). Looked up on {make['looked_up']:%-d %B %Y}."
    )
    parts = [f"# {make['make']}", filled(words)]
    for one in make["entry"]:
        parts += _entry(one, numbers)
    listed = "\n".join(f"{number}. {_source(one)}" for one, number in numbers.items())
    return "\n\n".join((*parts, "## Sources", f"{listed}\n"))


def statements(make: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """Yield each text of a make, with its sources behind it: in the order of the page."""
    for one in make["entry"]:
        yield from one["models"]
        for part in PARTS:
            yield from one.get(part, ())


def _entry(one: Mapping[str, Any], numbers: Mapping[str, int]) -> Iterator[str]:
    yield f"## {heading(one['models'])}"
    for part, (title, _words) in PARTS.items():
        texts = [_text(text, numbers) for text in one.get(part, ())]
        if texts:
            yield f"**{title}**"
            mark = "1. " if part == "set" else "- "
            yield "\n".join(bullet(text, mark) for text in texts)
    told = dict.fromkeys(_numbers(sources, numbers) for _name, *sources in one["models"])
    unknown = [words for part, (_title, words) in PARTS.items() if not one.get(part)]
    not_known = f" Not known: {', '.join(unknown)}." if unknown else ""
    yield filled(f"Named in {', '.join(told)}.{not_known}")


def _text(statement: Sequence[str], numbers: Mapping[str, int]) -> str:
    text, *sources = statement
    return f"{NAMED.sub(_link, text)} ({_numbers(sources, numbers)})"


def _link(named: re.Match[str]) -> str:
    kind, name = named.groups()
    return f"[{name}]({PLACES[kind]})"


def _numbers(sources: Iterable[str], numbers: Mapping[str, int]) -> str:
    return ", ".join(str(numbers[one]) for one in sources)


def _source(source: str) -> str:
    repository, mark, path = source.partition(":")
    if "#" in source or source.startswith("https:") or not mark:
        return f"`{source}`"
    return f"`{repository}`, `{path}`"


def filled(words: str) -> str:
    return fill(words, WIDTH, break_on_hyphens=False, break_long_words=False)


def bullet(text: str, mark: str = "- ") -> str:
    return fill(
        text,
        WIDTH,
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_on_hyphens=False,
        break_long_words=False,
    )
