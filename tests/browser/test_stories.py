"""Every story, in one browser."""

from __future__ import annotations

import pytest

from tests.browser.player import Player, stories


@pytest.mark.parametrize("story", stories())
def test_story(browser: Player, story: str) -> None:
    browser.play(story)
