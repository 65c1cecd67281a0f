"""The manual: pages of Markdown beside this module, readable on a code host, at /help, and by
`levity-trio help`.

A page has a topic, its path without `.md`. README.md lists all pages, in their order, so that a
code host shows it as the first page of the folder. Comments are for those who write the pages, and
nobody else sees them.

Pages are written in English. `TOPIC.de.md` is a page in German, with the same headings in the same
order, so that the anchors of the English page lead to its sections, too.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
CONTENTS: Final = "README"
OF_DRIVERS: Final = "drivers"
"""The folder for those who charge. They see no others."""
WRITTEN: Final = "en"
SECTION: Final = 2
"""The level of headings that divide a page."""
NEAREST: Final = 10
ALIKE: Final = 0.7
LONGEST_LINE: Final = 200
LINK: Final = re.compile(r"\]\(([^)\s#:]*)(#[^)\s]*)?\)")
"""A link to another page, or to a heading: its path and its anchor."""
_COMMENT: Final = re.compile(r"<!--.*?-->\n?", re.DOTALL)
_MARKS: Final = re.compile(r"^[#>\-\s|]+|[`*|]|\]\([^)]*\)|\[")
_WORD: Final = re.compile(r"[^/-]{4,}")
_NOT_IN_ANCHORS: Final = re.compile(r"[^\w\- ]")
_LISTED: Final = re.compile(r"^- \[[^]]*\]\(([^)]+)\.md\)", re.MULTILINE)


class UnknownTopic(LookupError):
    """Raised for a topic that no page has. `nearest` are those that may be meant."""

    def __init__(self, topic: str, nearest: Sequence[str]) -> None:
        super().__init__(topic)
        self.nearest = nearest


@dataclass(frozen=True, slots=True, eq=False)
class ManualPage:
    """A page: its Markdown without comments, its title, and the headings of its sections with their
    anchors."""

    topic: str
    text: str
    title: str
    sections: Mapping[str, str]
    anchors: Sequence[str] = ()
    """Those of all headings, in their order."""

    @property
    def folder(self) -> str:
        """The first part of the topic, "" for a page that is in none."""
        return self.topic.rpartition("/")[0]


@cache
def topics() -> tuple[str, ...]:
    """Return the topics of all pages, in the order of the contents."""
    _, _, sections = _read(CONTENTS).partition("\n## ")
    return tuple(_LISTED.findall(sections))


def find(topic: str, language: str = WRITTEN) -> ManualPage:
    """Return the page with this topic, or the only one of that name in any folder. Raises
    UnknownTopic."""
    wanted = topic.strip("/").removesuffix(".md").lower()
    named = [one for one in topics() if wanted in (one, one.rpartition("/")[2])]
    if wanted not in named and len(named) != 1:
        raise UnknownTopic(topic, named or _nearest(wanted))
    return _page(wanted if wanted in named else named[0], language)


def contents() -> ManualPage:
    """Return the page that lists all others."""
    return _page(CONTENTS)


def pages(language: str = WRITTEN) -> Iterator[ManualPage]:
    """Yield all pages, in the order of the contents; in this language, where a page has it."""
    return (_page(topic, language) for topic in topics())


def search(words: str, language: str = WRITTEN) -> Iterator[tuple[ManualPage, str]]:
    """Yield each page that has all these words, with the line that has most of them; titles go
    first."""
    wanted = words.lower().split()
    fitting = [
        one
        for one in pages(language)
        if wanted and all(word in one.text.lower() for word in wanted)
    ]
    for page in sorted(fitting, key=lambda one: -sum(word in one.title.lower() for word in wanted)):
        told = max(
            page.text.splitlines()[1:],
            key=lambda line: sum(word in line.lower() for word in wanted),
        )
        yield page, _MARKS.sub("", told)[:LONGEST_LINE]


def anchor(heading: str) -> str:
    """Return the anchor of a heading, as code hosts make it."""
    return _NOT_IN_ANCHORS.sub("", heading.lower()).replace(" ", "-")


def linked(topic: str, path: str) -> str:
    """Return the topic to which a link of a page leads: its own for one that is a mere anchor."""
    if not path:
        return topic
    return posixpath.normpath(posixpath.join(posixpath.dirname(topic), path)).removesuffix(".md")


def _nearest(wanted: str) -> list[str]:
    """Return topics with these letters, then those with a word that is spelt alike, then those with
    it in a heading."""
    from difflib import get_close_matches  # noqa: PLC0415 - it takes memory, for an error only

    within = [one for one in topics() if wanted in one]
    words = {word for one in topics() for word in (one.rpartition("/")[2], *_WORD.findall(one))}
    alike = [
        one
        for word in get_close_matches(wanted, words, NEAREST, ALIKE)
        for one in topics()
        if word in one
    ]
    told = [
        one.topic
        for one in pages()
        if any(wanted in each.lower() for each in (one.title, *one.sections))
    ]
    return list(dict.fromkeys([*within, *alike, *told]))[:NEAREST]


@cache
def _page(topic: str, language: str = WRITTEN) -> ManualPage:
    text = written = _text(topic)
    if (FOLDER / f"{topic}.{language}.md").exists():
        text = _text(f"{topic}.{language}")
    headings = list(_headings(text))
    anchors = [anchor(words) for _level, words in _headings(written)]
    title = next((words for level, words in headings if level == 1), topic)
    sections = {
        words: place
        for (level, words), place in zip(headings, anchors, strict=True)
        if level == SECTION
    }
    return ManualPage(topic, text, title, sections, anchors)


def _text(name: str) -> str:
    """Return the text of a file without its comments."""
    return _COMMENT.sub("", _read(name)).lstrip()


def _headings(text: str) -> Iterator[tuple[int, str]]:
    """Yield level and words of each heading outside fenced blocks."""
    is_fenced = False
    for line in text.splitlines():
        is_fenced ^= line.startswith("```")
        if not is_fenced and (found := re.match(r"(#{1,6}) (.+)", line)):
            yield len(found[1]), found[2].replace("`", "").strip()


def _read(topic: str) -> str:
    return (FOLDER / f"{topic}.md").read_text(encoding="utf-8")
