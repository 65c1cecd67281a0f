"""The manual as a static site with search, for people who have not installed anything: `just site`.

All links are relative, so it works below any address, and from a disk. Its first page is README.md.
What lies outside of the manual is a link if the address of the repository is known, else mere text.
"""

from __future__ import annotations

import argparse
import json
import posixpath
import re
import shutil
import subprocess
import sys
import tomllib
import zlib
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from levity_trio import __version__, locale, manual
from levity_trio.manual import ManualPage, rendering

ROOT: Final = Path(__file__).parents[2]
PARTS: Final = Path(__file__).with_name("site_parts")
DASHBOARD: Final = ROOT / "levity_trio" / "web" / "dashboard" / "assets"
OUTPUT: Final = ROOT / "build" / "site"
NAME: Final = "levity-trio"
FRONT: Final = "index.html"
OF_THIS_PAGE: Final = r"the\s+address\s+of\s+this\s+page"
"""What a reader of README.md clones; the page of the site has another address."""
OF_HOST: Final = "../../"
NEWS: Final = "new"
"""The group of pages that are in no folder."""
INDEX: Final = "assets/search.js"
"""A folder that has it is a site, and may be written again."""
LOOKED_UP: Final = ("reference", "chargers")
"""Groups whose pages are not read one after the other."""
UNRESOLVED: Final = "repository:"
MANUAL: Final = "levity_trio/manual"
LONGEST_DESCRIPTION: Final = 155
PICTURES: Final = "pictures"
STILL: Final = ".still.png"
SHOWN: Final = ROOT / "tests" / "screenshots"
PLACES: Final = ("h1", "h2", "h3")
"""Headings that a search leads to."""
INLINE: Final = ("a", "code", "em", "strong")
IN_ENGLISH: Final = (
    "The same pages are in the program: in its dashboard, and with “levity-trio help”."
)
IN_OTHERS: Final = "All pages of the manual that are in German. All others are in English."
OF_SCRIPT: Final = {
    "none": "Nothing found. Try another word.",
    "one": "1 page",
    "many": "{} pages",
    "found": "What is found",
    "places": "On this page",
    "colours": "Colours",
    "themes": "Auto Light Dark",
}
"""What the script says."""
_COMMENT: Final = re.compile(r"<!--.*?-->\n?", re.DOTALL)
_LINK: Final = re.compile(r'<a href="([^"]*)">(.*?)</a>', re.DOTALL)
_THREAD: Final = re.compile(r"<li><code>([\w.-]+/[\w.-]+)#(\d+)</code></li>")
_ADDRESS: Final = re.compile(r"<li><code>(https://[^<]+)</code></li>")
_PICTURE: Final = re.compile(r'<img src="([^"]*)"[^>]*>')
_BADGES: Final = re.compile(
    r'<p>(?:\s*(?:<a [^>]*>)?<img src="(?:\.\./|https?:)[^>]*>(?:</a>)?\s*)+</p>\s*'
)
_SECTION: Final = re.compile(r'<h2 id="([^"]*)">(.*?)</h2>', re.DOTALL)
_LISTED: Final = re.compile(r"^- \[[^]]*\]\(([^)]+)\.md\)", re.MULTILINE)
_TAG: Final = re.compile(r"<[^>]+>")
_EMPTY_HEAD: Final = re.compile(r"<thead>\s*<tr>\s*(?:<th>\s*</th>\s*)+</tr>\s*</thead>\s*")
_BETWEEN_CELLS: Final = re.compile(r">\n(?=</?(?:table|thead|tbody|tr|th|td)\b)")
_REMOTE: Final = re.compile(
    r"(?:https://(?:[^@/]+@)?|ssh://[^@/]+@|[^@/:]+@)([\w.-]+)(?::\d+(?=/))?[:/](.+?)(?:\.git)?/?"
)


class DeadLink(LookupError):
    """Raised for a link to what is not in the repository."""


class Untranslated(LookupError):
    """Raised for a word of the frame that has no translation."""


@dataclass(frozen=True, slots=True, eq=False)
class SitePage:
    """A page of the site. Its HTML is what stands in the frame."""

    path: str
    language: str
    title: str
    html: str
    group: str = ""
    """The first folder of its topic."""
    others: Mapping[str, str] = field(default_factory=dict)
    """Where the page is in other languages."""
    ways: Mapping[str, str] = field(default_factory=dict)
    """Where those who read other languages go from here."""
    template: str = "page.html"

    @property
    def sections(self) -> Mapping[str, str]:
        """The headings of its parts with their anchors."""
        return {plain(heading): anchor for anchor, heading in _SECTION.findall(self.html)}

    @property
    def description(self) -> str:
        """What it begins with."""
        words = plain(self.html.partition("<p>")[2].partition("</p>")[0])
        short = words[:LONGEST_DESCRIPTION].rpartition(" ")[0]
        return words if len(words) <= LONGEST_DESCRIPTION else f"{short} …"


class Group(NamedTuple):
    """Pages of one folder."""

    name: str
    title: str
    path: str
    pages: Sequence[SitePage]


def build(folder: Path, repository: str | None) -> Sequence[SitePage]:
    """Write the site into a folder and return its pages. Raises DeadLink, Untranslated."""
    first = front(repository)
    pages = [first, *_contents(), *_manual(repository)]
    for language in dict.fromkeys(page.language for page in pages):
        _write_pages(folder, [page for page in pages if page.language == language], repository)

    sheets = [DASHBOARD / "base.css", DASHBOARD / "help.css", PARTS / "site.css"]
    _write(folder / "assets/site.css", "\n".join(_text(sheet) for sheet in sheets))
    found = [page for page in pages if page.template == "page.html"]
    _write(folder / "assets/site.js", _script(found))
    _write(folder / "assets/icon.svg", _text(DASHBOARD / "icon.svg"))
    _write(folder / INDEX, _index(found))
    _copy_pictures(first.html, folder)
    return pages


def _write_pages(folder: Path, pages: Sequence[SitePage], repository: str | None) -> None:
    """Write all pages of one language into their frame."""
    language = pages[0].language
    groups = _groups(pages)
    read = [page for group in groups if group.name not in LOOKED_UP for page in group.pages]
    before = {page: earlier for earlier, page in pairwise(read)}
    after = dict(pairwise(read))
    for page in pages:
        values = {
            "page": page,
            "groups": groups,
            "is_among": any(
                page in group.pages[1:] or page in group.pages[:-1] for group in groups
            ),
            "before": before.get(page),
            "after": after.get(page),
            "root": "../" * page.path.count("/"),
            "to": partial(_way, page.path),
            "home": FRONT if language == manual.WRITTEN else contents_path(language),
            "contents": contents_path(language),
            "_": partial(said, language=language),
            "names": written_words()["names"],
            "name": NAME,
            "version": __version__,
            "repository": repository,
        }
        _write(folder / page.path, _templates().get_template(page.template).render(values))


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(PARTS),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )


# Pages


def front(repository: str | None) -> SitePage:
    """Return the page that says what README.md says."""
    text = _COMMENT.sub("", _text(ROOT / "README.md"))
    known = f"<{repository}>" if repository else "the address of the repository"
    text = re.sub(OF_THIS_PAGE, known, text)
    page = ManualPage("README", text, NAME, {})
    html = without_badges(rendering.to_html(page, UNRESOLVED))
    html = _resolved(html, FRONT, manual.WRITTEN, repository)
    html = _PICTURE.sub(_picture, _EMPTY_HEAD.sub("", html)).replace("<th></th>", "<td></td>")
    ways = {language: contents_path(language) for language in _translations()}
    return SitePage(FRONT, manual.WRITTEN, NAME, html, ways=ways)


def without_badges(html: str) -> str:
    """Return HTML without its badges: they say how the repository is now, and come from a host."""
    return _BADGES.sub("", html)


def _contents() -> Iterator[SitePage]:
    """Yield the contents in each language."""
    places = {language: contents_path(language) for language in (manual.WRITTEN, *_translations())}
    for language, path in places.items():
        others = _without(language, places)
        introduction = IN_ENGLISH if language == manual.WRITTEN else IN_OTHERS
        yield SitePage(
            path,
            language,
            said("The manual", language),
            f"<p>{said(introduction, language)}</p>",
            others=others,
            ways=others,
            template="contents.html",
        )


def _manual(repository: str | None) -> Iterator[SitePage]:
    """Yield the pages of the manual, in the order of its contents and in each language."""
    for topic in manual.topics():
        places = paths(topic)
        for language, path in places.items():
            page = manual.find(topic, language)
            html = rendering.to_html(page, f"{UNRESOLVED}/{MANUAL}")
            others = _without(language, places)
            yield SitePage(
                path,
                language,
                page.title,
                _resolved(html, path, language, repository),
                group=_group(topic),
                others=others,
                ways=others,
            )


def paths(topic: str) -> Mapping[str, str]:
    """Return where a page of the manual is, by the languages that it is in."""
    found = {manual.WRITTEN: f"{topic}.html"}
    for language in locale.languages():
        if manual.find(topic, language).text != manual.find(topic).text:
            found[language] = f"{language}/{topic}.html"
    return found


def contents_path(language: str) -> str:
    return "manual.html" if language == manual.WRITTEN else f"{language}/{FRONT}"


@cache
def _translations() -> Sequence[str]:
    """Return the languages that some pages are in, without that of all pages."""
    found = {language for topic in manual.topics() for language in paths(topic)}
    return sorted(found - {manual.WRITTEN})


def _without(language: str, places: Mapping[str, str]) -> Mapping[str, str]:
    return {other: path for other, path in places.items() if other != language}


def _groups(pages: Sequence[SitePage]) -> Sequence[Group]:
    """Return the folders that pages of one language are in, in the order of the contents."""
    language = pages[0].language
    groups: list[Group] = []
    for name in dict.fromkeys(page.group for page in pages if page.group):
        found = [page for page in pages if page.group == name]
        place = found[0].path if len(found) == 1 else f"{contents_path(language)}#{name}"
        groups.append(Group(name, said(_headings()[name], language), place, found))
    return groups


@cache
def _headings() -> Mapping[str, str]:
    """Return the heading of each group in the contents of the manual."""
    headings: dict[str, str] = {}
    for part in re.split(r"^## ", manual.contents().text, flags=re.MULTILINE)[1:]:
        heading = part.partition("\n")[0]
        for topic in _LISTED.findall(part):
            headings.setdefault(_group(topic), heading)
    return headings


def _group(topic: str) -> str:
    folder, in_folder, _name = topic.partition("/")
    return folder if in_folder else NEWS


# Links


def _resolved(html: str, path: str, language: str, repository: str | None) -> str:
    """Return the HTML of a page with links that lead somewhere from its place."""

    def link(found: re.Match[str]) -> str:
        href, words = unescape(found[1]), found[2]
        if not href.startswith(UNRESOLVED):
            return found[0]
        name, mark, anchor = href.removeprefix(f"{UNRESOLVED}/").partition("#")
        name = posixpath.normpath(name)
        places = _places(name)
        if places is not None:
            spoken = language if language in places else manual.WRITTEN
            place = _way(path, places[spoken])
            hint = "" if spoken == language else f' hreflang="{spoken}"'
            return f'<a href="{place}{mark}{anchor}"{hint}>{words}</a>'
        file = at_host(name)
        return f'<a href="{repository}/{file}{mark}{anchor}">{words}</a>' if repository else words

    html = _THREAD.sub(r'<li><a href="https://github.com/\1/issues/\2">\1#\2</a></li>', html)
    html = _ADDRESS.sub(r'<li><a href="\1">\1</a></li>', html)
    return _BETWEEN_CELLS.sub(">", _LINK.sub(link, html))


def _places(name: str) -> Mapping[str, str] | None:
    """Return where a file of the repository is in the site, by language; None if it is not."""
    if name in (MANUAL, f"{MANUAL}/{manual.CONTENTS}"):
        return {one: contents_path(one) for one in (manual.WRITTEN, *_translations())}
    topic = name.removeprefix(f"{MANUAL}/")
    return paths(topic) if topic != name and topic in manual.topics() else None


def at_host(name: str) -> str:
    """Return the path of a file at the host of the repository, or of a page of that host: on such
    hosts the repository itself is two folders above README.md. The name may lack `.md`."""
    if name.startswith(OF_HOST):
        return name.removeprefix(OF_HOST)
    for path in (name, f"{name}.md"):
        if (ROOT / path).is_file():
            return f"blob/HEAD/{path}"
    if not (ROOT / name).is_dir():
        raise DeadLink(name)
    return f"tree/HEAD/{name}"


def _picture(found: re.Match[str]) -> str:
    """Return a picture with its size, so that nothing moves when it arrives, and without moving for
    those who do not want that."""
    name = Path(found[1]).name
    if ROOT / found[1] != SHOWN / name:
        raise DeadLink(found[1])
    with Image.open(SHOWN / name) as picture:
        width, height = picture.size
        moves = getattr(picture, "is_animated", False)
    own = found[0].replace(found[1], f"{PICTURES}/{name}")
    shown = f'{own.rstrip("/> ")} width="{width}" height="{height}">'
    still = f'<source media="(prefers-reduced-motion: reduce)" srcset="{PICTURES}/{name}{STILL}">'
    return f"<picture>{still}{shown}</picture>" if moves else shown


def _copy_pictures(html: str, folder: Path) -> None:
    """Copy the pictures of a page, and write the last frames of those that move."""
    (folder / PICTURES).mkdir(exist_ok=True)
    for path in re.findall(rf'(?:src|srcset)="({PICTURES}/[^"]+)"', html):
        file = SHOWN / Path(path).name.removesuffix(STILL)
        if path.endswith(STILL):
            with Image.open(file) as picture:
                picture.seek(getattr(picture, "n_frames", 1) - 1)
                picture.convert("RGB").save(folder / path, optimize=True)
        else:
            shutil.copyfile(file, folder / path)


def _way(path: str, target: str) -> str:
    """Return the relative link from a page to another place of the site."""
    return posixpath.relpath(target, posixpath.dirname(path) or ".")


def web_address(remote: str) -> str | None:
    """Return where a repository is read, from the address that git fetches it from; None if that is
    no host."""
    found = _REMOTE.fullmatch(remote.strip())
    return f"https://{found[1]}/{found[2]}" if found else None


def _of_checkout() -> str | None:
    if not (ROOT / ".git").exists():
        return None  # an sdist may lie in the checkout of something else
    command = ["git", "-C", str(ROOT), "remote", "get-url", "origin"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    return web_address(told.stdout)


# Search


class Place(NamedTuple):
    """What a search leads to: a heading, and what stands below it."""

    anchor: str
    heading: str
    text: str


class _Reader(HTMLParser):
    """Gathers anchors, headings and texts of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[dict[str, str]] = []
        self._into = "text"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in PLACES or not self.parts:
            anchor = dict(attrs).get("id") or ""
            self.parts.append({"anchor": anchor, "heading": "", "text": ""})
        if tag in PLACES:
            self._into = "heading"

    def handle_endtag(self, tag: str) -> None:
        if tag in PLACES:
            self._into = "text"
        elif tag not in INLINE:
            self.handle_data(" ")

    def handle_data(self, data: str) -> None:
        self.parts[-1][self._into] += data


def searched(page: SitePage) -> Iterator[Place]:
    """Yield the places of a page."""
    reader = _Reader()
    reader.feed(page.html)
    title, *others = reader.parts
    yield Place("", "", " ".join(title["text"].split()))
    for part in others:
        yield Place(part["anchor"], part["heading"], " ".join(part["text"].split()))


def _script(pages: Sequence[SitePage]) -> str:
    """Return the script of all pages, with what it has to know of them."""
    site = {
        "pages": [
            [page.path, page.title, page.language, [*page.others], page.group] for page in pages
        ],
        "names": written_words()["names"],
        "meant": written_words()["meant"],
        "said": {
            language: {name: said(text, language) for name, text in OF_SCRIPT.items()}
            for language in dict.fromkeys(page.language for page in pages)
        },
    }
    return f"const site = {_json(site)};\n{_text(PARTS / 'site.js')}"


def _index(pages: Sequence[SitePage]) -> str:
    """Return the script that a search reads. It is packed: as text it would be a quarter of all."""
    index = [[number, *place] for number, page in enumerate(pages) for place in searched(page)]
    packed = b64encode(zlib.compress(_json(index).encode(), 9)).decode("ascii")
    return f'window.manualIndex="{packed}";\n'


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# Words and files


def said(text: str, language: str) -> str:
    """Return a text of the frame in a language. Raises Untranslated."""
    with locale.speaking(language):
        spoken = written_words().get(language, {}).get(text) or locale._(text)
    if spoken == text and language != manual.WRITTEN:
        raise Untranslated(text)
    return spoken


@cache
def written_words() -> Mapping[str, Mapping[str, str]]:
    """Return what words.toml has."""
    return tomllib.loads(_text(PARTS / "words.toml"))


def plain(html: str) -> str:
    """Return the text of HTML that has no blocks."""
    return " ".join(unescape(_TAG.sub("", html)).split())


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Write the site, and say how large it is."""
    parser = argparse.ArgumentParser(prog="just site", description="Write the manual as a site.")
    parser.add_argument("folder", nargs="?", type=Path, default=OUTPUT)
    parser.add_argument("--repository", help="its address; that of `origin` if left out")
    given = parser.parse_args(arguments)
    folder: Path = given.folder
    if folder.exists() and any(folder.iterdir()) and not (folder / INDEX).exists():
        parser.error(f"{folder} has files, and is no site")
    shutil.rmtree(folder, ignore_errors=True)
    pages = build(folder, (given.repository or "").rstrip("/") or _of_checkout())
    files = [path for path in folder.rglob("*") if path.is_file()]
    kilobytes = sum(path.stat().st_size for path in files if path.parent.name != PICTURES) / 1000
    print(f"{len(pages)} pages, {kilobytes:.0f} kB without pictures: {folder / FRONT}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
