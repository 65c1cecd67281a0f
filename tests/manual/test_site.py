"""The manual as a static site: its links, its search, and what it says of the repository."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urldefrag

import pytest

from levity_trio import manual
from tests.tools import site

REPOSITORY = "https://code.example/house/levity-trio"
MOST_BYTES = 1_010_000
"""Of all but the pictures."""


class Tag(NamedTuple):
    name: str
    attributes: Mapping[str, str]


class Tags(HTMLParser):
    """Gathers the tags of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.all: list[Tag] = []
        self.html = path.read_text(encoding="utf-8")
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append(Tag(tag, {name: value or "" for name, value in attrs}))

    def of(self, name: str, attribute: str) -> list[str]:
        return [
            one.attributes[attribute]
            for one in self.all
            if attribute in one.attributes and one.name == name
        ]

    @property
    def ids(self) -> list[str]:
        return [one.attributes["id"] for one in self.all if "id" in one.attributes]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    site.build(folder, REPOSITORY)
    return folder


@pytest.fixture(scope="module")
def pages(built: Path) -> Mapping[Path, Tags]:
    return {path: Tags(path) for path in sorted(built.rglob("*.html"))}


def test_each_page_of_the_manual_is_there(built: Path, pages: Mapping[Path, Tags]) -> None:
    assert not [topic for topic in manual.topics() if built / f"{topic}.html" not in pages]
    german = {path.name for path in manual.FOLDER.rglob("*.de.md")}
    found = {path.relative_to(built / "de") for path in pages if (built / "de") in path.parents}
    assert len(found) == len(german) + 1, "those in German, and what lists them"


def test_no_link_is_dead(built: Path, pages: Mapping[Path, Tags]) -> None:
    dead: list[str] = []
    for path, page in pages.items():
        for href in [*page.of("a", "href"), *page.of("link", "href"), *page.of("form", "action")]:
            place, anchor = urldefrag(href)
            if place.startswith(("https://", "http://127.0.0.1")) and href in page.of("a", "href"):
                continue
            target = Path(os.path.normpath(path.parent / place)) if place else path
            is_there = target.is_file() and built in target.parents
            if not is_there or (anchor and anchor not in pages[target].ids):
                dead.append(f"{path.relative_to(built)}: {href}")
    assert not dead


def test_nothing_comes_from_another_host(built: Path, pages: Mapping[Path, Tags]) -> None:
    for path, page in pages.items():
        loaded = [*page.of("img", "src"), *page.of("source", "srcset")]
        loaded += [*page.of("script", "src"), *page.of("link", "href")]
        assert loaded
        assert all((path.parent / one).resolve().is_file() for one in loaded), path
    sheet = (built / "assets" / "site.css").read_text(encoding="utf-8")
    assert "url(" not in sheet
    assert "@import" not in sheet


def test_each_source_is_a_link(built: Path) -> None:
    for page in (built / "chargers").glob("?-?.html"):
        listed = page.read_text().partition('id="sources"')[2].partition("</ol>")[0]
        sources = re.findall("<li>(.*?)</li>", listed)
        assert sources
        named = re.compile(r"<code>[\w.-]+/[\w.-]+: ?[\w.-]+</code>")  # a file of a repository
        assert all(one.startswith('<a href="https://') or named.match(one) for one in sources)


def test_anchors_and_titles_are_unique(pages: Mapping[Path, Tags]) -> None:
    titles = [re.findall("<title>(.*?)</title>", page.html)[0] for page in pages.values()]
    assert len(set(titles)) == len(titles)
    assert not [path for path, page in pages.items() if len(set(page.ids)) < len(page.ids)]


def test_a_page_leads_to_itself_in_german(built: Path, pages: Mapping[Path, Tags]) -> None:
    for name in ("drivers/what-i-pay", "drivers/charge-and-stop", "drivers/card-log-in-trouble"):
        english = pages[built / f"{name}.html"]
        german = pages[built / "de" / f"{name}.html"]
        assert f'<link rel="alternate" hreflang="de" href="../de/{name}.html">' in english.html
        assert f'<link rel="alternate" hreflang="en" href="../../{name}.html">' in german.html
        assert '<html lang="de"' in german.html
        assert "Zum Inhalt" in german.html
        assert not re.findall(r"Skip to|Search|For drivers|Source", german.html)
    assert not re.findall("hreflang", pages[built / "tasks" / "cards.html"].html)


def test_it_is_small(built: Path) -> None:
    files = [path for path in built.rglob("*") if path.is_file()]
    others = [path for path in files if path.parent.name != site.PICTURES]
    assert len(files) > len(others), "README has pictures"
    assert sum(path.stat().st_size for path in others) <= MOST_BYTES


def test_the_front_page_says_what_readme_says(built: Path, pages: Mapping[Path, Tags]) -> None:
    front = pages[built / "index.html"]
    headings = re.findall(r"^## (.+)$", (site.ROOT / "README.md").read_text(), re.MULTILINE)
    shown = [site.plain(one) for one in re.findall(r"<h2 [^>]*>(.*?)</h2>", front.html)]
    assert shown == [one.replace("`", "") for one in headings]
    assert not re.findall("&lt;(?:a|br|details|div|img|p|picture|video)\\b", front.html)
    assert all(one.attributes["alt"] for one in front.all if one.name == "img")
    assert f'href="{REPOSITORY}/blob/HEAD/LICENSE"' in front.html
    assert f'href="{REPOSITORY}/blob/HEAD/.github/CONTRIBUTING.md"' in front.html


def test_without_an_address_files_are_only_named() -> None:
    told = site.front(None).html
    assert "see LICENSE" in told
    assert "blob/HEAD" not in told
    assert not re.findall(site.OF_THIS_PAGE, told)


def test_two_builds_are_equal(built: Path, tmp_path: Path) -> None:
    """The second one is the command's, with other hashes."""
    command = [
        sys.executable,
        "-m",
        "tests.tools.site",
        "--repository",
        f"{REPOSITORY}/",
        str(tmp_path),
    ]
    told = subprocess.run(command, cwd=site.ROOT, check=True, capture_output=True, text=True)
    assert re.match(r"\d+ pages, \d+ kB without pictures: ", told.stdout)
    first, second = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}
        for folder in (built, tmp_path)
    )
    assert first.keys() == second.keys()
    assert not [path for path in first if first[path] != second[path]]


def test_what_is_no_site_stays(tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    with pytest.raises(SystemExit):
        site.main([str(tmp_path)])
    assert [*tmp_path.iterdir()] == [mine]


def test_badges_stay_at_the_host_and_its_pages_are_linked() -> None:
    badge = '<a href="repository:/../../actions/ci.yml"><img src="../../ci/badge.svg" alt="CI"></a>'
    assert site.without_badges(f"<p>{badge}\n{badge}</p>\n<p>Text</p>") == "<p>Text</p>"
    assert site.at_host("../../issues/new/choose") == "issues/new/choose"


def test_a_link_to_nothing_fails() -> None:
    with pytest.raises(site.DeadLink):
        site.at_host("levity_trio/gone.md")


def test_a_word_without_its_translation_fails() -> None:
    with pytest.raises(site.Untranslated):
        site.said("Nobody has translated this", "de")


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://code.example/house/levity-trio.git\n", "https://code.example/house/levity-trio"),
        ("https://me:secret@code.example/house/it", "https://code.example/house/it"),
        ("git@code.example:house/it.git", "https://code.example/house/it"),
        ("ssh://git@code.example:2222/house/it.git/", "https://code.example/house/it"),
        ("/srv/git/it.git", None),
        ("../it.bundle", None),
        ("", None),
    ],
)
def test_the_address_of_a_remote(remote: str, address: str | None) -> None:
    assert site.web_address(remote) == address
