"""Names from right to left, and those that override directions: in text, in attributes, in fields and in evidence."""

from __future__ import annotations

import pytest

from levity_trio.web.dashboard.pages.now import PAGES as OF_NOW
from levity_trio.web.dashboard.templating import _environment
from tests.store.books import Station
from tests.web.api.conftest import Site
from tests.web.dashboard.opening import Opening

(NOW,) = OF_NOW
HEBREW, TURNED = "שרה", "A\u202eannA"


def rendered(template: str, name: str) -> str:
    return _environment().from_string(template).render(name=name, is_used=True)


@pytest.mark.parametrize(
    ("template", "html"),
    [
        ("<p>{{ name }} 7.2 kW</p>", f"<p><bdi>{HEBREW}</bdi> 7.2 kW</p>"),
        ('<p{% if is_used %} class="{{ name }}"{% endif %}>{{ name }}', f'<p class="{HEBREW}"><bdi>{HEBREW}</bdi>'),
        ('<input value="{{ name }}">', f'<input value="{HEBREW}">'),
        ("<title>{{ name }}</title>{{ name }}", f"<title>{HEBREW}</title><bdi>{HEBREW}</bdi>"),
        ("<option>{{ name }}</option>", f"<option>{HEBREW}</option>"),
        ("<textarea>{{ name }}</textarea>", f"<textarea>{HEBREW}</textarea>"),
        ("{% macro m(x) %}<b>{{ x }}</b>{% endmacro %}{{ m(name) }}", f"<b><bdi>{HEBREW}</bdi></b>"),
        ("<p>{{ name if is_used else 'x' }}</p>", f"<p><bdi>{HEBREW}</bdi></p>"),
        ("<p>{{ [name, name] | join(' ') }}</p>", f"<p><bdi>{HEBREW} {HEBREW}</bdi></p>"),
    ],
)
def test_a_name_from_the_right_is_isolated_in_text(template: str, html: str) -> None:
    assert rendered(template, HEBREW) == html


def test_an_override_is_shown_instead_of_obeyed() -> None:
    assert rendered("<p>{{ name }} is faulted</p>", TURNED) == "<p>A\ufffdannA is faulted</p>"


def test_fields_and_evidence_keep_it() -> None:
    template = '<input value="{{ name }}"><pre>{{ name }}</pre>'
    assert rendered(template, TURNED) == f'<input value="{TURNED}"><pre>{TURNED}</pre>'


def test_markup_in_such_a_name_stays_text() -> None:
    assert rendered("<p>{{ name }}</p>", f"{HEBREW}<b>") == f"<p><bdi>{HEBREW}&lt;b&gt;</bdi></p>"


@pytest.mark.parametrize("name", ["Zoë", "CP-1", "東京"])
def test_other_names_are_left_alone(name: str) -> None:
    assert rendered("<p>{{ name }}</p>", name) == f"<p>{name}</p>"


async def test_what_wants_a_look_stays_readable(site: Site, station: Station) -> None:
    site.books.connection.execute("UPDATE cp SET name = ?", (TURNED,))
    station.status("Faulted", error="GroundFailure")
    words = (await Opening(site).open(NOW)).words
    assert "A\ufffdannA is faulted: GroundFailure" in words
    assert "\u202e" not in words
