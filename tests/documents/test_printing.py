"""PDFs from a process of their own: the same bytes, clear failures, what a font lacks; the server stays small."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from fontTools import subset
from fontTools.ttLib import TTFont

from levity_trio.documents import DocumentProblem, printing
from levity_trio.documents.printing import missing_characters, pdfs
from levity_trio.documents.statement_sheet import statement_sheet
from levity_trio.documents.template import ENGLISH
from tests.documents import statements as forms
from tests.documents.reading import pdf_text
from tests.house import is_within
from tests.test_house import every_import

ROOM = "levity_trio.documents"
HEAVY = ("fpdf", "fontTools", "PIL", "uharfbuzz", "pymupdf_fonts")
ONE = statement_sheet(forms.one_line(), ENGLISH)


async def test_many_sheets_in_one_process_and_always_the_same_bytes() -> None:
    sheets = [ONE, statement_sheet(forms.draft(), ENGLISH)]
    first = await pdfs(sheets)
    assert [file[:5] for file in first] == [b"%PDF-"] * 2
    assert await pdfs(sheets) == first
    assert await pdfs([]) == []
    assert await pdfs(sheets[::-1]) == first[::-1]


async def test_what_the_font_lacks_is_told_and_printed_by_its_code_point() -> None:
    name = "Łukasz Ωμέγα שלום مرحبا 王 😀\u200f"
    sheet = statement_sheet(replace(forms.one_line(), to=replace(forms.ANNA, name=name)), ENGLISH)
    assert await missing_characters([sheet, ONE]) == [{"王": name, "😀": name}, {}]
    (file,) = await pdfs([sheet])
    text = pdf_text(file)
    assert "Łukasz Ωμέγα" in text
    assert "[U+738B] [U+1F600]" in text
    assert "?" not in text.replace("about a line?", "")


async def test_the_owners_font(tmp_path: Path) -> None:
    """Its own file lacks most letters; a file that is no font is named."""
    font = tmp_path / "house.ttf"
    font.write_bytes(small_font())
    missing = await missing_characters([ONE], font)
    assert "ä" in missing[0]
    assert "A" not in missing[0]
    (file,) = await pdfs([ONE], font)
    assert "Anna Sch[U+00E4]fer" in pdf_text(file)
    for name, content in (("a.ttf", b"no font"), ("a.woff", b""), ("b.ttf", small_font()[:500])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DocumentProblem, match=name):
            await pdfs([ONE], tmp_path / name)
    with pytest.raises(DocumentProblem, match=r"absent\.ttf"):
        await missing_characters([ONE], tmp_path / "absent.ttf")


async def test_a_problem_in_the_process_is_raised_here() -> None:
    made = forms.one_line()
    sheet = statement_sheet(replace(made, owner=replace(made.owner, logo=forms.LOGO[:40])), ENGLISH)
    with pytest.raises(DocumentProblem, match="the logo cannot be read"):
        await pdfs([sheet])


async def test_a_process_that_is_killed_or_slow_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "python"
    for script, words in (
        ("kill -9 $$", "died with <Signals.SIGKILL: 9>"),
        ("echo out of memory >&2; exit 1", "the PDF process failed: out of memory"),
        ("exit 0", "ended without an answer"),
        ("exec sleep 100", "took more than"),
    ):
        fake.write_text(f"#!/bin/sh\n{script}\n")
        fake.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(fake))
        monkeypatch.setattr(printing, "DEADLINE_SECONDS", 0.2 if "sleep" in script else 60)
        monkeypatch.setattr(printing, "SECONDS_A_SHEET", 0)
        with pytest.raises(DocumentProblem, match=words):
            await pdfs([ONE])


def test_only_the_process_of_its_own_loads_what_is_heavy() -> None:
    heavy = [f"{ROOM}.pdf", f"{ROOM}.fonts"]
    imports = every_import()
    importers = {one.importer for one in imports if is_within(one.imported, heavy)}
    assert importers == {f"{ROOM}.__main__", f"{ROOM}.pdf"}
    light = sorted({one.importer for one in imports if is_within(one.importer, [ROOM])} - {f"{ROOM}.__main__", *heavy})
    code = (
        f"import sys, levity_trio.server, {', '.join(light)}; print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def small_font() -> bytes:
    """A font of plain letters, figures and signs only."""
    font = TTFont(io.BytesIO(import_module("pymupdf_fonts.FiraGO_Regular").fontbuffer), recalcTimestamp=False)
    subsetter = subset.Subsetter()
    subsetter.populate(unicodes=[*range(32, 127), 0xA0, 0xB7, 0x2013, 0x2212])
    subsetter.subset(font)
    file = io.BytesIO()
    font.save(file)
    return file.getvalue()
