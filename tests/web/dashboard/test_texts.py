"""Everything that people read on a page goes through `_`: what bypasses it is found, in templates
and in modules.

Words that are no text of ours stand in the lists of exceptions, each for its reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Final

import pytest
from jinja2 import nodes

from levity_trio.billing.states import BillState
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.dashboard.templating import Templates
from levity_trio.web.dashboard.words import WORDS_OF_API
from tests.tools.catalogue import PACKAGE_FOLDER, looks_like_words, texts_of
from tests.web.dashboard.opening import BERLIN

DASHBOARD: Final = PACKAGE_FOLDER / "web" / "dashboard"
MODULES: Final = sorted(DASHBOARD.rglob("*.py"))
ENVIRONMENT: Final = Templates(base="", zone=BERLIN).environment
UNITS: Final = frozenset(("kWh", "kW", "PDF", "CSV", "min", "OCPP", "TOML", "s"))
COMMANDS: Final = re.compile(r"<(code|pre)[^>]*>.*?</\1>", re.DOTALL)
"""What is typed or sent is the same in every language."""
TAGS: Final = re.compile(r"<(?:[^<>\"]|\"[^\"]*\")*>")
ATTRIBUTES: Final = re.compile(r"[\w-]+=\"[^\"]*\"?")
"""Those that a macro puts into an element of another template."""
SHOWN: Final = re.compile(
    r"\b(?:aria-label|title|alt|placeholder|data-head|data-label)=\"([^\"]*)\""
)
"""The attributes that are read to people, or shown by a style sheet."""
OF_OTHERS: Final = frozenset(
    ("MeterValues", "Power.Active.Import", "5.00", "iPhone, iPad", "Android", "Mac", "Windows")
)
"""Examples of what is typed."""
STATES: Final = frozenset(
    (
        "Accepted",
        "Blocked",
        "Active",
        "Completed",
        "Available",
        "Unknown",
        "Faulted",
        "Preparing",
        "Unavailable",
    )
)
"""Words of OCPP and of the API that are compared or sent, not shown."""
NO_TEXT: Final = STATES | {
    *(
        "Wh",
        "Soft",
        "Operative",
        "StartTransaction",
        "StopTransaction",
        "MeterValues",
        "NoError",
        "Local",
    ),
    *(
        "button strong",
        "button end",
        "band shade-{}",
        "yes or no",
        "timed out",
        "not seen",
        "held back",
        "ready to close",
        "all others",
    ),
    *("blocking fee", "base fee", "id tags"),  # as the API names them
    " If left out: ",  # where the API's explanation of a field is cut
    "The bill",  # a line of the API's explanation, at which it is cut
    # in the API's words, which are replaced by the name of the tag
    *(
        "the card {}",
        "household {}",
    ),
    *("public, max-age=31536000, immutable", "public, max-age=3600"),
    *(
        "text/css; charset=utf-8",
        "text/javascript; charset=utf-8",
        "{}={}; Path={}; Max-Age={}; HttpOnly; SameSite=Lax{}",
    ),
}


def bypassing_markup(source: str) -> list[str]:
    """Return the words in the HTML of a template, outside of its trans blocks."""
    html, is_text = "", False
    for _line, kind, piece in ENVIRONMENT.lex(source):
        if kind == "name" and piece in ("trans", "endtrans"):
            is_text = piece == "trans"
        elif kind == "data" and not is_text:
            html += piece
        elif kind == "variable_begin":
            html += "0"
    between = ATTRIBUTES.sub("\n", TAGS.sub("\n", COMMANDS.sub("\n", html)))
    texts = [
        unescape(text).strip()
        for text in (*SHOWN.findall(html), *re.split(r"\s{2,}|\n|0", between))
    ]
    return [
        one
        for one in texts
        if one not in OF_OTHERS and set(re.findall(r"[A-Za-z]{2,}", one)) - UNITS
    ]


def bypassing_expressions(source: str) -> Iterator[str]:
    """Yield the words in a template's expressions that `_` does not get; the second argument of a
    state is one."""
    tree = ENVIRONMENT.parse(source)
    marked = {
        id(one)
        for call in tree.find_all(nodes.Call)
        if _is_mark(call)
        for one in call.find_all(nodes.Const)
    }
    compared = {
        id(one)
        for test in tree.find_all((nodes.Compare, nodes.Getattr))
        for one in test.find_all(nodes.Const)
    }
    keys = {id(pair.key) for pair in tree.find_all(nodes.Pair)}
    states = {
        id(call.args[1])
        for call in tree.find_all(nodes.Call)
        if _name(call) == "state" and len(call.args) > 1
    }
    for const in tree.find_all(nodes.Const):
        is_open = id(const) not in marked | compared | keys and const.value not in NO_TEXT
        if (
            isinstance(const.value, str)
            and is_open
            and (looks_like_words(const.value) or id(const) in states)
        ):
            yield const.value


def _name(call: nodes.Call) -> str:
    return (
        call.node.attr if isinstance(call.node, nodes.Getattr) else getattr(call.node, "name", "")
    )


def _is_mark(call: nodes.Call) -> bool:
    return _name(call) in ("_", "_n", "_p", "gettext")


@pytest.mark.parametrize("name", ENVIRONMENT.list_templates())
def test_every_text_of_a_template_is_translated(name: str) -> None:
    source = (DASHBOARD / "templates" / name).read_text(encoding="utf-8")
    assert not [*bypassing_markup(source), *bypassing_expressions(source)], (
        "it must go through trans or _"
    )


@pytest.mark.parametrize("name", ENVIRONMENT.list_templates())
def test_no_address_in_an_expression_is_escaped_twice(name: str) -> None:
    """What follows `&amp;` there was lost: the household to which a mail address is added."""
    assert ENVIRONMENT.loader is not None
    source, _, _ = ENVIRONMENT.loader.get_source(ENVIRONMENT, name)
    texts = [str(const.value) for const in ENVIRONMENT.parse(source).find_all(nodes.Const)]
    assert [text for text in texts if "&amp;" in text and text[0] in "?&"] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(DASHBOARD)))
def test_every_text_of_a_module_is_translated(path: object) -> None:
    source = (DASHBOARD / str(path)).read_text(encoding="utf-8")
    found = [
        (one.line, *one.words)
        for one in texts_of(source)
        if not one.is_marked and not {*one.words} & NO_TEXT
    ]
    assert not found, "it must go through _, or N_ where a table has it"


@pytest.mark.parametrize(
    "source",
    [
        "<p>Hello</p>",
        '<td data-head="State">{{ state }}</td>',
        "<p>{{ count }} of them</p>",
        '{{ ui.empty("Nothing is here.") }}',
        '{{ ui.state("good", "works") }}',
        "{% if one %}<p>{% trans %}Yes.{% endtrans %} No.</p>{% endif %}",
    ],
)
def test_a_text_of_a_template_that_bypasses_is_found(source: str) -> None:
    assert [*bypassing_markup(source), *bypassing_expressions(source)]


@pytest.mark.parametrize(
    "source",
    [
        'return "Nothing was done"',
        'note(f"Sent to {name}")',
        'TITLES = {"POST": "Add a household"}',
        '_("Sent: %(title)s", title=f"Sent to {name}")',
    ],
)
def test_a_text_of_a_module_that_bypasses_is_found(source: str) -> None:
    assert [one.words for one in texts_of(source) if not one.is_marked]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('_("queued")', ("queued",)),
        ('_n("%(num)s day", "%(num)s days", 2)', ("%(num)s day", "%(num)s days")),
        ('N_({"Preparing": State("busy", "Cable in")})', ("Cable in",)),
        ('log.info("a page failed", name=name)', None),
        ('"""A docstring of a module."""', None),
    ],
)
def test_marked_texts_are_found_and_nothing_else(
    source: str, words: tuple[str, ...] | None
) -> None:
    found = [*texts_of(source)]
    assert [(one.words, one.is_marked) for one in found] == (
        [] if words is None else [(words, True)]
    )


def test_words_of_the_api_that_are_shown_are_marked() -> None:
    assert {*WORDS_OF_API} == {*(role.word for role in Role), *BillState}
