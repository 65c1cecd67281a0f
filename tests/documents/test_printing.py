"""Documents from a process of their own: the same bytes, clear failures, what a font lacks; the
server stays small."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from importlib import import_module
from pathlib import Path

import pytest
from fontTools import subset
from fontTools.ttLib import TTFont

from levity_trio.documents import DocumentProblem, NotInstalled, printing
from levity_trio.documents.making import PACKAGES, open_maker
from levity_trio.documents.paper import CodeSheet, DocumentForm, Label, Paper
from levity_trio.documents.printing import documents, missing_characters
from levity_trio.documents.template import ENGLISH_TEXT
from tests.documents import statements as forms
from tests.documents.reading import pdf_fields, pdf_structure, pdf_text, squashed
from tests.packages import ROOT
from tests.test_house import every_import
from tests.tools.house import is_within

ROOM = "levity_trio.documents"
NAMES_OF_MODULES = {
    "fonttools": "fontTools",
    "fpdf2": "fpdf",
    "pillow": "PIL",
    "pymupdf-fonts": "pymupdf_fonts",
}
HEAVY = ("jinja2", "segno", "fpdf", "fontTools", "PIL", "uharfbuzz", "pymupdf_fonts")
ONE = Paper((forms.one_line(),))


async def pdfs(papers: Sequence[Paper], font: Path | None = None) -> list[bytes]:
    return await documents(papers, DocumentForm.PDF, font)


async def test_many_papers_in_one_process_and_always_the_same_bytes() -> None:
    papers = [
        ONE,
        Paper((forms.with_windows(),)),
        Paper((forms.one_line(), forms.credit()), is_cover=True),
    ]
    first = await pdfs(papers)
    assert [file[:5] for file in first] == [b"%PDF-"] * 3
    assert await pdfs(papers) == first
    assert await pdfs([]) == []
    assert await pdfs(papers[::-1]) == first[::-1]


async def test_a_file_says_what_it_is_and_of_which_day() -> None:
    """A closed one is of the day of closing, where the site is; what is printed before, of the
    moment."""
    later = replace(forms.credit(), closed_on=date(2026, 7, 9))
    words = ENGLISH_TEXT.replace('language = "en"', 'language = "de"')
    codes = CodeSheet(
        (
            Label(
                site="Bauhof 12",
                charger="Space 4",
                connector="",
                url="https://charge.example/d/at/1",
            ),
        )
    )
    earliest = datetime.now(UTC)
    papers: list[Paper | CodeSheet] = [
        ONE,
        Paper((later,), (words,)),
        Paper((forms.one_line(), later), is_cover=True),
    ]
    papers += [Paper((forms.draft(),)), codes]
    told = [pdf_fields(file) for file in await documents(papers, DocumentForm.PDF)]
    statement, titles = (
        "Statement for October 2026",
        ["Covering sheet for October 2026", "Codes for chargers"],
    )
    assert [one["Title"] for one in told] == [statement, statement, titles[0], statement, titles[1]]
    assert [one["Lang"] for one in told] == ["en", "de", "en", "en", "en"]
    assert {one["Tagged"] for one in told} == {"yes"}
    assert [one["CreationDate"] for one in told[:2]] == [
        "20261103000000+01'00'",
        "20260709000000+02'00'",
    ]
    assert told[2]["CreationDate"] == told[0]["CreationDate"]
    for one in told[3:]:
        assert one["CreationDate"][:14] >= earliest.strftime("%Y%m%d%H%M%S")
    assert told[0]["Alt"] == "Pay with your bank's app"
    assert told[4]["Alt"] == "https://charge.example/d/at/1"


async def test_a_screen_reader_reads_headings_and_cells_one_by_one() -> None:
    """A text over several lines is one element; what stands on every page is none."""
    long = " ".join(["Hinter den sieben Bergen"] * 8)
    statement = forms.with_windows()
    first = replace(statement.positions[0], space=long)
    (file,) = await pdfs(
        [Paper((replace(statement, positions=(first, *statement.positions[1:])),))]
    )
    read = pdf_structure(file)
    assert [text for kind, text in read if kind == "H1"] == ["Statement for October 2026"]
    assert [text for kind, text in read if kind == "H2"][:2] == ["Charging and fees · Zoe", "Tax"]
    assert ("P", "Amount (EUR)") in read
    (where,) = [text for kind, text in read if kind == "P" and text.startswith("Hinter")]
    assert squashed(where).startswith(squashed(long))
    start = read.index(("P", where))
    assert [text for _, text in read[start - 2 : start + 2]] == [
        "1",
        "1 Oct",
        where,
        "18:04 – 21:21",
    ]
    assert not [text for _, text in read if "Page 2" in text]
    assert "Page 2" in pdf_text(file)


async def test_what_the_font_lacks_is_told_and_printed_by_its_code_point() -> None:
    name = "Łukasz Ωμέγα שלום مرحبا 王 😀\u200f"
    paper = Paper((replace(forms.one_line(), to=replace(forms.ANNA, name=name)),))
    assert await missing_characters(paper) == {"王": name, "😀": name}
    assert await missing_characters(ONE, ["a", "b王", "王"]) == {"王": "b王"}
    # of which this paper has none
    words = ENGLISH_TEXT.replace("Correction of line", "訂正 of line")
    assert [*await missing_characters(Paper((forms.one_line(),), (words,)))] == ["訂", "正"]
    (file,) = await pdfs([paper])
    text = pdf_text(file)
    assert "Łukasz Ωμέγα" in text
    assert "[U+738B][U+1F600]" in squashed(text)
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
    heavy = [f"{ROOM}.{name}" for name in ("pdf", "codes_pdf", "letter_pdf", "fonts")]
    importers = {one.importer for one in every_import() if is_within(one.imported, heavy)}
    assert importers == {f"{ROOM}.{name}" for name in ("making", "pdf", "codes_pdf", "letter_pdf")}
    assert (
        loaded("levity_trio.server", f"{ROOM}.printing", f"{ROOM}.template", f"{ROOM}.json_file")
        == []
    )
    assert loaded(f"{ROOM}.__main__") == ["jinja2", "segno"]


@pytest.mark.filterwarnings("ignore:Pillow could not be imported")  # says fpdf2, too
@pytest.mark.parametrize("absent", PACKAGES)
def test_only_pdfs_and_logos_need_the_extra(absent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    again = (*(f"{ROOM}.{name}" for name in ("fonts", "pdf", "codes_pdf")), f"{absent}.")
    for name in [name for name in sys.modules if name.startswith(again)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, absent, None)  # it cannot be imported
    for task in ("pdf", "missing", "logo"):
        with pytest.raises(NotInstalled, match=r"pip install '\.\[pdf\]'"), open_maker(task, None):
            pass
    for task in ("html", "csv", "json"):
        with open_maker(task, None) as make:
            assert make(ONE)


def test_the_extra_is_what_documents_need_and_all_instructions_install_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra, *others = (
        {re.split(r"[^\w-]", line)[0] for line in lines}
        for lines in (project["optional-dependencies"]["pdf"], project["dependencies"])
    )
    assert {NAMES_OF_MODULES.get(name, name) for name in extra} == set(PACKAGES)
    assert not extra.intersection(*others)
    shipped = ROOT / "levity_trio"
    texts = [
        ROOT / "README.md",
        *(path for path in shipped.glob("deploy/templates/**/*") if path.is_file()),
        *shipped.glob("manual/*/*.md"),
    ]
    wanted = re.compile(r"pip install (?:-\S+ )*'?(?:\.|\S*/source)(?![/\w])(\S*)")
    commands = [words for text in texts for words in wanted.findall(text.read_text())]
    assert len(commands) > 4
    assert all("pdf" in words or "dev" in words for words in commands), commands


def loaded(*modules: str) -> list[str]:
    """Which of HEAVY a process has that imports these modules."""
    code = (
        f"import sys, {', '.join(modules)}; print(*[name for name in {HEAVY} if name in "
        "sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("form", DocumentForm)
async def test_each_form_has_the_words_of_the_template(form: DocumentForm) -> None:
    german = ENGLISH_TEXT.replace('title = "Statement for {month}"', 'title = "Abrechnung {month}"')
    german = german.replace('separator = ","', 'separator = ";"')
    (file,) = await documents([Paper((forms.one_line(),), (german,))], form)
    text = pdf_text(file) if form is DocumentForm.PDF else file.decode()
    words = {
        DocumentForm.CSV: "row;statement;",
        DocumentForm.JSON: '"number":"2026-0007"',
        DocumentForm.QUARTERS: "statement;position;",
    }
    assert words.get(form, "Abrechnung October 2026") in text


@pytest.mark.parametrize("form", [DocumentForm.HTML, DocumentForm.PDF])
async def test_a_paper_is_in_the_language_of_its_household(form: DocumentForm) -> None:
    """The words of the program, unless the owner has some of his own in this language."""
    english, german = ENGLISH_TEXT, ENGLISH_TEXT.replace('language = "en"', 'language = "de-CH"')
    own = german.replace('title = "Statement for {month}"', 'title = "Quittung {month}"')
    papers = [
        Paper((forms.one_line(),), (template,), language="de") for template in (None, english, own)
    ]
    files = await documents(papers, form)
    plain, others, quittung = [
        pdf_text(file) if form is DocumentForm.PDF else file.decode() for file in files
    ]
    for text in (plain, others):
        assert "Abrechnung für Oktober 2026" in text
        assert "14. Nov" in text or "Bitte zahlen Sie bis zum" in text
        assert "\N{EURO SIGN}" in text
    assert "Quittung October 2026" in quittung


async def test_usual_names_of_prices_are_translated() -> None:
    lines = [forms.line(quantity=4_000, window=name) for name in ("night", "Tag")]
    made = forms.statement([forms.position(1, *lines)])
    (file,) = await documents([Paper((made,), language="de")], DocumentForm.HTML)
    assert all(words in file.decode() for words in ("Nacht: 4,000 kWh", "Tag: 4,000 kWh"))
    only = forms.statement([forms.position(1, forms.line(quantity=4_000, window="night"))])
    (file,) = await documents([Paper((only,), language="de")], DocumentForm.HTML)
    assert "Nacht 0,3" in file.decode(), "a session within one window says so beside its price"


async def test_a_template_that_is_outdated_gives_way_to_the_next() -> None:
    old, new = (
        ENGLISH_TEXT.replace('energy = "kWh"', ""),
        ENGLISH_TEXT.replace("How to pay", "Bezahlen"),
    )
    (file,) = await documents([Paper((forms.one_line(),), (old, new))], DocumentForm.HTML)
    assert b"Bezahlen" in file
    with pytest.raises(DocumentProblem, match=r"columns\.energy is missing"):
        await documents([Paper((forms.one_line(),), (old, old))], DocumentForm.HTML)


def small_font() -> bytes:
    """A font of plain letters, figures and signs only."""
    font = TTFont(
        io.BytesIO(import_module("pymupdf_fonts.FiraGO_Regular").fontbuffer), recalcTimestamp=False
    )
    subsetter = subset.Subsetter()
    subsetter.populate(unicodes=[*range(32, 127), 0xA0, 0xB7, 0x2013, 0x2212])
    subsetter.subset(font)
    file = io.BytesIO()
    font.save(file)
    return file.getvalue()
