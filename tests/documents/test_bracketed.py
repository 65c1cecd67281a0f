"""Papers with a catalogue that brackets each text: they have no other words of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from levity_trio.billing.statement import Party, Position, Statement
from levity_trio.documents import making, template
from levity_trio.documents.html import codes_html, html
from levity_trio.documents.paper import CodeSheet, Label, Paper
from levity_trio.locale import formats, speaking
from tests.documents import statements as forms
from tests.tools.catalogue import invent
from tests.web.both.test_bracketed import BRACKETED, UNITS, in_brackets, outside

NAMES: Final = re.compile(
    r"Bauhof 12 eG|Bauhof "
    r"12|strom@bauhof12\.example|DE\w+|Beispielbank|Berlin|EUR|Europe/Berlin|\b[0-9a-f]{8}\b"
)
LATIN: Final = re.compile(r"[A-Za-z]{2,}")
STYLE: Final = re.compile(r"<!DOCTYPE[^>]*>|<style>.*?</style>", re.DOTALL)


@pytest.fixture
def catalogues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    invent(BRACKETED, tmp_path)
    monkeypatch.setitem(formats.FORMATS, BRACKETED, in_brackets(formats.ENGLISH))
    monkeypatch.setattr(template, "speaking", partial(speaking, folder=tmp_path))
    template.of_program.cache_clear()
    yield tmp_path
    template.of_program.cache_clear()


def unknown(page: str) -> list[str]:
    texts = (line for text in outside(STYLE.sub("", page)) for line in text.split("\n"))
    return [line.strip() for line in texts if {*LATIN.findall(NAMES.sub(" ", line))} - UNITS]


def spelt(one: Position) -> Position:
    """A position whose names have other letters."""
    charger, reason = one.charger and "7", one.reason and "опечатка"
    space, vehicle = one.space and "Место 4", one.vehicle and "Зоя"
    return replace(one, space=space, vehicle=vehicle, tag=None, charger=charger, reason=reason)


def named(one: Statement) -> Statement:
    to, held_back = Party(name="Анна", address=("Дом 3",)), tuple(map(spelt, one.held_back))
    return replace(one, to=to, positions=tuple(map(spelt, one.positions)), held_back=held_back)


@pytest.mark.parametrize("make", [forms.one_line, forms.with_windows, forms.credit, forms.draft])
@pytest.mark.parametrize("is_cover", [False, True])
@pytest.mark.usefixtures("catalogues")
def test_all_words_of_a_paper_are_in_brackets(make: object, is_cover: bool) -> None:
    assert callable(make)
    paper = Paper((named(make()),), is_cover=is_cover, language=BRACKETED)
    page = re.sub(r"House|high|low|day|night|cheap", "Тариф", html(making.sheet_of(paper)))
    assert unknown(page) == []


def test_all_words_of_codes_are_in_brackets(catalogues: Path) -> None:
    label = Label(site="Дом", charger="Место 4", connector="", url="http://192.0.2.1/7")
    with speaking(BRACKETED, catalogues):
        page = codes_html(CodeSheet((label,), BRACKETED))
    assert unknown(page.replace("http://", "")) == []
