"""Texts in the language of a request, with a made-up one."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from levity_trio.locale import _, _n, language, languages, speaking
from levity_trio.locale.texts import said
from levity_trio.told import Told
from tests.tools.catalogue import invent, update


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the catalogue of a made-up language, as people write one."""
    made = tmp_path_factory.mktemp("locale")
    invent("fr", made)
    return made


def test_english_needs_no_catalogue() -> None:
    assert (language(), languages()[0]) == ("en", "en")
    assert _("%(count)s sessions", count=2) == "2 sessions"
    assert _("at 80 %") == "at 80 %"
    assert [
        _n("%(num)s day of %(all)s", "%(num)s days of %(all)s", days, all=3) for days in (1, 2)
    ] == [
        "1 day of 3",
        "2 days of 3",
    ]


def test_a_language_is_that_of_its_block_alone(folder: Path) -> None:
    with speaking("fr", folder):
        assert (language(), _("Log in"), _("no such text")) == ("fr", "«Log in»", "no such text")
        assert _n("%(num)s session", "%(num)s sessions", 1) == "«1 session»"
        with speaking("en", folder):
            assert _("Log in") == "Log in"
        assert _("Stop %(who)s's session", who="Ada") == "«Stop Ada's session»"
    assert (language(), _("Log in")) == ("en", "Log in")
    assert languages(folder) == ("en", "fr")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (Told("give a whole number"), "«give a whole number»"),
        (Told("give {1} or more", 5), "«give 5 or more»"),
        (
            Told("session {1} is of {2}, the message is of {3}", 7, "Not ours.", "Log in"),
            "«session 7 is of Not ours., the message is of Log in»",
        ),
        (
            Told("give {1} or more", Told("give a whole number")),
            "«give «give a whole number» or more»",
        ),
        *(("Log in", "Log in"), ("2026-10-01", "2026-10-01"), ("", ""), (Told("{1}", ""), "")),
    ],
)
def test_a_template_is_translated_where_it_is_shown_and_no_value(
    folder: Path, text: str, expected: str
) -> None:
    """What has no template is a name, or what somebody wrote."""
    with speaking("fr", folder):
        assert said(text) == expected


async def test_threads_and_tasks_speak_the_language_in_which_they_began(folder: Path) -> None:
    heard: list[str] = []

    async def hear() -> None:
        heard.append(_("Log in"))

    async with trio.open_nursery() as tasks:
        with speaking("fr", folder):
            tasks.start_soon(hear)
            assert await trio.to_thread.run_sync(_, "Log in") == "«Log in»"
    assert heard == ["«Log in»"]


def test_a_catalogue_is_written_again_with_its_translations(tmp_path: Path) -> None:
    invent("fr", tmp_path)
    path = tmp_path / "fr" / "LC_MESSAGES" / "levity_trio.po"
    text = path.read_text(encoding="utf-8")
    assert 'msgid "Log in"\nmsgstr "«Log in»"' in text
    update("fr", tmp_path)
    assert 'msgid "Log in"\nmsgstr "«Log in»"' in path.read_text(encoding="utf-8")
