"""Documents from a process of their own: the same bytes, clear failures, what a font lacks; the server stays small."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from fontTools import subset
from fontTools.ttLib import TTFont

from levity_trio.documents import DocumentProblem, printing
from levity_trio.documents.printing import Form, Paper, documents, missing_characters
from levity_trio.documents.template import ENGLISH_TEXT
from tests.documents import statements as forms
from tests.documents.reading import pdf_text
from tests.house import is_within
from tests.test_house import every_import

ROOM = "levity_trio.documents"
HEAVY = ("jinja2", "segno", "fpdf", "fontTools", "PIL", "uharfbuzz", "pymupdf_fonts")
ONE = Paper((forms.one_line(),))


async def pdfs(papers: Sequence[Paper], font: Path | None = None) -> list[bytes]:
    return await documents(papers, Form.PDF, font)


async def test_many_papers_in_one_process_and_always_the_same_bytes() -> None:
    papers = [ONE, Paper((forms.draft(),)), Paper((forms.one_line(), forms.credit()), is_cover=True)]
    first = await pdfs(papers)
    assert [file[:5] for file in first] == [b"%PDF-"] * 3
    assert await pdfs(papers) == first
    assert await pdfs([]) == []
    assert await pdfs(papers[::-1]) == first[::-1]


async def test_what_the_font_lacks_is_told_and_printed_by_its_code_point() -> None:
    name = "Łukasz Ωμέγα שלום مرحبا 王 😀\u200f"
    paper = Paper((replace(forms.one_line(), to=replace(forms.ANNA, name=name)),))
    assert await missing_characters(paper) == {"王": name, "😀": name}
    assert await missing_characters(ONE, ["a", "b王", "王"]) == {"王": "b王"}
    words = ENGLISH_TEXT.replace("Correction of line", "訂正 of line")  # of which this paper has none
    assert [*await missing_characters(Paper((forms.one_line(),), (words,)))] == ["訂", "正"]
    (file,) = await pdfs([paper])
    text = pdf_text(file)
    assert "Łukasz Ωμέγα" in text
    assert "[U+738B] [U+1F600]" in text
    assert "?" not in text.replace("about a line?", "")


async def test_the_owners_font(tmp_path: Path) -> None:
    """Its own file lacks most letters; a file that is no font is named."""
    font = tmp_path / "house.ttf"
    font.write_bytes(whole := small_font())
    missing = await missing_characters(ONE, font=font)
    assert "ä" in missing
    assert "A" not in missing
    (file,) = await pdfs([ONE], font)
    assert "Anna Sch[U+00E4]fer" in pdf_text(file)
    for name, content in (("a.ttf", b"no font"), ("a.woff", b""), ("b.ttf", whole[:500])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DocumentProblem, match=name):
            await pdfs([ONE], tmp_path / name)
    with pytest.raises(DocumentProblem, match=r"absent\.ttf"):
        await missing_characters(ONE, font=tmp_path / "absent.ttf")


async def test_a_problem_in_the_process_is_raised_here() -> None:
    made = forms.one_line()
    paper = Paper((replace(made, owner=replace(made.owner, logo=forms.LOGO[:40])),))
    with pytest.raises(DocumentProblem, match="the logo cannot be read"):
        await pdfs([paper])


async def test_a_process_that_is_killed_or_slow_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "python"
    for script, words in (
        ("kill -9 $$", "died with <Signals.SIGKILL: 9>"),
        ("echo out of memory >&2; exit 1", "the process of documents failed: out of memory"),
        ("exit 0", "ended without an answer"),
        ("exec sleep 100", "took more than"),
    ):
        fake.write_text(f"#!/bin/sh\n{script}\n")
        fake.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(fake))
        monkeypatch.setattr(printing, "DEADLINE_SECONDS", 0.2 if "sleep" in script else 60)
        monkeypatch.setattr(printing, "SECONDS_A_PAPER", 0)
        with pytest.raises(DocumentProblem, match=words):
            await pdfs([ONE])


def test_only_the_process_of_its_own_loads_what_is_heavy() -> None:
    heavy = [f"{ROOM}.pdf", f"{ROOM}.codes_pdf", f"{ROOM}.fonts"]
    importers = {one.importer for one in every_import() if is_within(one.imported, heavy)}
    assert importers == {f"{ROOM}.making", f"{ROOM}.pdf", f"{ROOM}.codes_pdf"}
    assert loaded("levity_trio.server", f"{ROOM}.printing", f"{ROOM}.template", f"{ROOM}.json_file") == []
    assert loaded(f"{ROOM}.__main__") == ["jinja2", "segno"]


def loaded(*modules: str) -> list[str]:
    """Which of HEAVY a process has that imports these modules."""
    code = f"import sys, {', '.join(modules)}; print(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("form", Form)
async def test_each_form_has_the_words_of_the_template(form: Form) -> None:
    german = ENGLISH_TEXT.replace('title = "Statement for {month}"', 'title = "Abrechnung {month}"')
    german = german.replace('separator = ","', 'separator = ";"')
    (file,) = await documents([Paper((forms.one_line(),), (german,))], form)
    text = pdf_text(file) if form is Form.PDF else file.decode()
    words = {Form.CSV: "row;statement;", Form.JSON: '"number":"2026-0007"'}
    assert words.get(form, "Abrechnung October 2026") in text


async def test_a_template_that_is_outdated_gives_way_to_the_next() -> None:
    old, new = ENGLISH_TEXT.replace('draft = "Draft, not a bill"', ""), ENGLISH_TEXT.replace("How to pay", "Bezahlen")
    (file,) = await documents([Paper((forms.one_line(),), (old, new))], Form.HTML)
    assert b"Bezahlen" in file
    with pytest.raises(DocumentProblem, match=r"words\.draft is missing"):
        await documents([Paper((forms.one_line(),), (old, old))], Form.HTML)


def small_font() -> bytes:
    """A font of plain letters, figures and signs only."""
    font = TTFont(io.BytesIO(import_module("pymupdf_fonts.FiraGO_Regular").fontbuffer), recalcTimestamp=False)
    subsetter = subset.Subsetter()
    subsetter.populate(unicodes=[*range(32, 127), 0xA0, 0xB7, 0x2013, 0x2212])
    subsetter.subset(font)
    file = io.BytesIO()
    font.save(file)
    return file.getvalue()
