"""The pages about makes of chargers, written from the files of `levity_trio/manual/chargers`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import fill
from typing import Any, Final

from levity_trio.manual import CONTENTS, FOLDER, anchor
from levity_trio.manual.makes import CHARGERS, heading, makes

INDEX: Final = f"{CHARGERS}/makes"
TITLE: Final = "Chargers by make"
SOURCES: Final = "Sources"
WIDTH: Final = 120
PARTS: Final = {
    "set": ("What you type", "set-up"),
    "odd": ("What looks odd", "oddities"),
    "limit": ("Can it be limited?", "limits"),
    "firmware": ("Firmware", "firmware"),
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
    "sentence has the number of its source; files of evcc are those below "
    "`templates/definition/charger`, those of lbbrhzn/ocpp below `docs`. Nothing was tried by us, "
    "and menus and firmware change. A [trial](../tasks/feeder.md#5-try-each-kind-of-charger) shows "
    "what your own charger does."
)
HEAD: Final = (
    "A number in brackets is that of a source, at the end. `SERVER` and `CP-1` are yours: see "
    "[Chargers by make](makes.md). Another make is on another page. A *measurand* is something "
    "that a charger measures; the *register* is what its meter shows; a *profile* is a limit that "
    "a server gives it, and the *stack level* says which of several counts. "
    "[Words](../explanation/words.md) has more."
)
WORKS: Final = (
    "It may work all the same: most chargers that speak OCPP 1.6 over WebSocket (*1.6J*) do. "
    "Enter `ws://SERVER:9000/ws/CP-1` as the central system, or `ws://SERVER:9000/ws` if it adds "
    "its name itself. Leave the password empty at first. *Now* shows who was turned away, and "
    "why. [Your first charger](../start/first-charger.md) tells more."
)
REPORT: Final = (
    "Then tell the project what you typed where, and what was odd, so that the next owner finds "
    "it here. `levity-trio logs CP-1 --share report.zip` writes the rest: what it sent, and what "
    "your site learned of it, without personal data."
)


def pages() -> Mapping[str, str]:
    """Return the text of each page by its topic."""
    return {INDEX: index(), **{topic: page(topic, found) for topic, found in makes().items()}}


def contents() -> str:
    """Return the contents of the manual with a list of the pages."""
    text = (FOLDER / f"{CONTENTS}.md").read_text(encoding="utf-8")
    topics = {INDEX: TITLE, **{topic: title(topic) for topic in makes()}}
    listed = "\n".join(f"- [{name}]({topic}.md)" for topic, name in topics.items())
    return SECTION.sub(lambda _: listed, text)


def title(topic: str) -> str:
    first, last = topic.rpartition("/")[2].upper().split("-")
    return f"Chargers {first} to {last}"


def index() -> str:
    links = [
        f"[{make['make']}]({topic.removeprefix(f'{CHARGERS}/')}.md#{anchor(make['make'])})"
        for topic, found in makes().items()
        for make in found
    ]
    parts = (f"# {TITLE}", *map(filled, (INTRODUCTION, ", ".join(links))), "## Yours is not here")
    return "\n\n".join((*parts, *map(filled, (WORKS, REPORT))))


def page(topic: str, found: Sequence[Mapping[str, Any]]) -> str:
    told = [text for make in found for text in statements(make)]
    sources = dict.fromkeys(each for text in told for each in text[1:])
    numbers = {source: number for number, source in enumerate(sources, 1)}
    parts = [f"# {title(topic)}", filled(HEAD)]
    for make in found:
        parts += _make(make, numbers)
    listed = "\n".join(f"{number}. {_source(one)}" for one, number in numbers.items())
    months = " and ".join(dict.fromkeys(f"{make['looked_up']:%B %Y}" for make in found))
    return "\n\n".join((*parts, f"## {SOURCES}", f"Looked up in {months}.", listed))


def statements(make: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """Yield each text of a make, with its sources behind it: in the order of the page."""
    for one in make["entry"]:
        yield from one["models"]
        for part in PARTS:
            yield from one.get(part, ())


def _make(make: Mapping[str, Any], numbers: Mapping[str, int]) -> Iterator[str]:
    yield f"## {make['make']}"
    for one in make["entry"]:
        if len(make["entry"]) > 1:
            yield f"### {heading(make, one)}"
        yield from _entry(one, numbers)


def _entry(one: Mapping[str, Any], numbers: Mapping[str, int]) -> Iterator[str]:
    models = [f"{name} ({_numbers(sources, numbers)})" for name, *sources in one["models"]]
    unknown = [words for part, (_title, words) in PARTS.items() if not one.get(part)]
    not_known = f" Not known: {', '.join(unknown)}." if unknown else ""
    yield filled(f"{', '.join(models)}.{not_known}")
    for part, (name, _words) in PARTS.items():
        texts = [_text(text, numbers) for text in one.get(part, ())]
        if texts:
            yield f"*{name}*"
            mark = "1. " if part == "set" else "- "
            yield "\n".join(bullet(text, mark) for text in texts)


def _text(statement: Sequence[str], numbers: Mapping[str, int]) -> str:
    text, *sources = statement
    return f"{NAMED.sub(_link, text)} ({_numbers(sources, numbers)})"


def _link(named: re.Match[str]) -> str:
    kind, name = named.groups()
    return f"[{name}]({PLACES[kind]})"


def _numbers(sources: Iterable[str], numbers: Mapping[str, int]) -> str:
    return ", ".join(str(numbers[one]) for one in sources)


def _source(source: str) -> str:
    """Return a thread or an address as it is, and a file without its folders."""
    repository, _mark, path = source.partition(":")
    is_file = not source.startswith("https:") and "/" in path
    return f"`{repository}: {path.rpartition('/')[2]}`" if is_file else f"`{source}`"


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
