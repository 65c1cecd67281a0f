"""The pages of the manual: their form, their links, and how they are found and rendered."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from levity_trio import manual
from levity_trio.cli.help import rendered
from levity_trio.manual import FOLDER, ManualPage, makes, rendering

PAGES = [*manual.pages()]
GERMAN = [one for one in manual.pages("de") if one.folder == manual.OF_DRIVERS]
LINES = 300
DRIVERS_LINES = 60
WORDS = 19_200
"""Of all pages that are not generated, but for the changelog, which grows with each version."""
GENERATED = ("reference", "chargers")


def anchors(page: ManualPage) -> set[str]:
    return {
        manual.anchor(words.replace("`", ""))
        for words in re.findall(r"^#+ (.+)$", page.text, re.MULTILINE)
    }


class Links(HTMLParser):
    """Gathers the links and the ids of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.hrefs: list[str] = []
        self.ids: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a":
            self.hrefs.append(given["href"] or "")
        if given.get("id"):
            self.ids.append(given["id"] or "")


def test_the_contents_list_each_page_once_by_its_title() -> None:
    found = {str(one.relative_to(FOLDER).with_suffix("")) for one in FOLDER.rglob("*.md")}
    others = {one for one in found if one.endswith(".de")}
    assert sorted(manual.topics()) == sorted(found - others - {manual.CONTENTS})
    assert others == {f"{page.topic}.de" for page in GERMAN}
    listed = dict(
        re.findall(r"^- \[([^]]+)\]\(([^)]+)\.md\)", manual.contents().text, re.MULTILINE)
    )
    assert listed == {page.title: page.topic for page in PAGES}


@pytest.mark.parametrize("page", [*PAGES, *GERMAN], ids=lambda page: page.title)
def test_each_link_leads_to_a_page_or_a_heading(page: ManualPage) -> None:
    shown = Links(rendering.to_html(page, "/help"))
    assert len(set(shown.ids)) == len(shown.ids), "two headings have one anchor"
    for href in shown.hrefs:
        path, _, part = href.partition("#")
        target = manual.find(path.removeprefix("/help/") if path else page.topic)
        assert path in ("", f"/help/{target.topic}"), "it leads out of the manual"
        assert not part or part in anchors(target)
        assert page.folder != manual.OF_DRIVERS or target.folder == manual.OF_DRIVERS


@pytest.mark.parametrize("page", [*PAGES, *GERMAN], ids=lambda page: page.title)
def test_a_page_is_short_and_plain(page: ManualPage) -> None:
    lines = page.text.splitlines()
    assert len(lines) <= (DRIVERS_LINES if page.folder == manual.OF_DRIVERS else LINES)
    assert page.text.startswith("# ")
    words = re.sub(r"^ *```.*?^ *```$|`[^`]*`", "", page.text, flags=re.MULTILINE | re.DOTALL)
    assert not re.findall(r"<[a-z/]|\]\[|^\[.*\]: ", words, re.MULTILINE), (
        "HTML and links by reference are not shown"
    )
    assert "](http" not in page.text, "it leads out of the manual"
    if page.folder not in GENERATED:
        assert not [
            line
            for line in lines
            if len(line) > 120 and not line.startswith(("|", "<!--", "levity-trio", "npx", "30 2"))
        ]


@pytest.mark.parametrize(
    "page", [one for one in PAGES if one.folder == "explanation"], ids=lambda page: page.topic
)
def test_files_that_a_page_names_exist(page: ManualPage) -> None:
    named = re.findall(r"`((?:[a-z_]+/)+(?:[a-z_]+\.py)?|[a-z_]+\.py)`", page.text)
    assert not [
        one
        for one in named
        if not any((place / one).exists() for place in (FOLDER.parent, FOLDER.parents[1]))
    ]


def test_all_that_is_written_by_hand_is_read_in_two_hours() -> None:
    by_hand = [page for page in PAGES if page.folder not in GENERATED and page.topic != "changelog"]
    assert sum(len(page.text.split()) for page in by_hand) <= WORDS


@pytest.mark.parametrize("page", GERMAN, ids=lambda page: page.title)
def test_a_neighbour_reads_the_same_sections_in_german(page: ManualPage) -> None:
    """The ways from pages to a section lead there in both languages."""
    english = manual.find(page.topic)
    assert page.text != english.text
    assert page.title != english.title
    marks = [re.findall(r"^(?:#+ |\||\d\. |- )", one.text, re.MULTILINE) for one in (page, english)]
    assert marks[0] == marks[1]
    assert list(page.sections.values()) == list(english.sections.values())
    shown = [Links(rendering.to_html(one, "/help")) for one in (page, english)]
    assert shown[0].ids == shown[1].ids
    assert shown[0].hrefs == shown[1].hrefs


def test_others_are_read_in_english() -> None:
    assert manual.find("tasks/cards", "de").text == manual.find("tasks/cards").text
    assert [page.topic for page, _line in manual.search("Ladekarte verloren", "de")] == [
        "drivers/card-log-in-trouble"
    ]


def test_a_topic_is_found_by_its_last_part() -> None:
    assert (
        manual.find("what-i-pay").topic
        == manual.find("/drivers/what-i-pay.md").topic
        == "drivers/what-i-pay"
    )


@pytest.mark.parametrize(
    ("typed", "nearest"),
    [
        ("what-i-pai", "drivers/what-i-pay"),
        ("pay", "drivers/what-i-pay"),
        ("nothing happens", "drivers/charge-and-stop"),
    ],
)
def test_the_nearest_topics_are_told(typed: str, nearest: str) -> None:
    with pytest.raises(manual.UnknownTopic) as unknown:
        manual.find(typed)
    assert nearest in unknown.value.nearest


def test_comments_and_html_reach_nobody() -> None:
    page = ManualPage(
        "tasks/a",
        "# A\n\n<b>bold</b> [there](../start/b.md#c) [below](#d)\n\n```text\na  b\n```\n",
        "A",
        {},
    )
    html = rendering.to_html(page, "/base/help")
    assert '<h1 id="a">A</h1>' in html
    assert "&lt;b&gt;" in html
    assert (
        '<pre class="output" tabindex="0" role="region" aria-label="Output: A"><code>a  '
        "b\n</code></pre>"
    ) in html
    assert Links(html).hrefs == ["/base/help/start/b#c", "#d"]
    assert not [one for one in PAGES if "<!--" in one.text]


def test_a_terminal_shows_topics_instead_of_files() -> None:
    coloured = rendered(rendering.to_text(manual.find("drivers/charge-and-stop")), 80)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert shown != coloured
    assert "My card, my log-in (drivers/card-log-in-trouble) says" in " ".join(shown.split())
    assert max(map(len, shown.splitlines())) <= 80


def test_topics_that_the_program_names_exist() -> None:
    """In errors, hints and alerts: `levity-trio help TOPIC`."""
    texts = [
        one.read_text(encoding="utf-8")
        for kind in ("*.py", "*.yml", "*.txt")
        for one in FOLDER.parent.rglob(kind)
    ]
    named = {
        topic for text in texts for topic in re.findall(r"levity-trio help ([a-z][a-z/-]+)", text)
    }
    assert named >= {"back-up-and-restore", "reviews", "all"}
    named -= {"all"}
    assert all(makes.entry(topic, None) or manual.find(topic) for topic in named)
    assert not [text for text in texts if re.search(r"\(README, |the README\b", text)]


@pytest.mark.parametrize("name", ["CONTRIBUTING", "SECURITY"])
def test_what_a_code_host_shows_leads_to_pages_of_the_manual(name: str) -> None:
    place = FOLDER.parents[1] / ".github"
    linked = re.findall(r"\]\(([^)]+)\)", (place / f"{name}.md").read_text(encoding="utf-8"))
    assert linked
    assert not [one for one in linked if not (place / one).exists()]
