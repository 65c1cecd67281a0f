"""One sheet, four documents: HTML and PDF say the same words in the same order; who, how much, and
why."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial

import pytest

from levity_trio.billing.statement import (
    AccountBefore,
    LineKind,
    MeasuringMethod,
    MoneyEntry,
    OpenBefore,
    Party,
    Split,
    Statement,
)
from levity_trio.documents import DocumentProblem
from levity_trio.documents.covering_sheet import covering_sheet
from levity_trio.documents.fonts import open_fonts
from levity_trio.documents.html import html
from levity_trio.documents.pdf import pdf
from levity_trio.documents.sheet import LabelledValues, Sheet, Table
from levity_trio.documents.statement_sheet import Positions, statement_sheet
from levity_trio.documents.template import ENGLISH, of_program
from levity_trio.locale import speaking
from tests.documents import statements as forms
from tests.documents.reading import html_texts, parsed, pdf_text, squashed

ONE_PAGE: list[Callable[[], Statement]] = [
    *(forms.one_line, forms.correction, forms.credit),
    partial(forms.statement, [], carried_in=294),  # who moved out without charging again
]


def sheet_of(statement: Statement) -> Sheet:
    return statement_sheet(statement, ENGLISH)


def printed(sheet: Sheet) -> str:
    with open_fonts(None) as fonts:
        return pdf_text(pdf(sheet, fonts))


def table_of(sheet: Sheet, title: str) -> Table:
    (table,) = [
        block
        for block in sheet.blocks
        if isinstance(block, Table) and block.title.startswith(title)
    ]
    return table


def facts_of(sheet: Sheet, title: str) -> dict[str, str]:
    found = [
        dict(block.pairs)
        for block in sheet.blocks
        if isinstance(block, LabelledValues) and block.title == title
    ]
    return found[0] if found else {}


@pytest.mark.parametrize("form", ONE_PAGE)
def test_html_and_pdf_say_the_same(form: Callable[[], Statement]) -> None:
    sheet = sheet_of(form())
    assert html_texts(html(sheet)) == list(sheet.texts())
    assert squashed(printed(sheet)) == squashed("".join(sheet.texts()) + "Page 1 of 1")


def test_the_only_card_is_named_once_and_12_lines_fit_on_a_page() -> None:
    made = forms.statement(
        [forms.position(number, forms.line(quantity=12_345)) for number in range(1, 13)]
    )
    sheet = sheet_of(made)
    assert squashed("Page 1 of 1") in squashed(printed(sheet))
    windows = [("day", "night")[number % 2] for number in range(12)]
    sold = [
        forms.position(number, forms.line(quantity=12_345, window=one))
        for number, one in enumerate(windows, 1)
    ]
    assert squashed("Page 1 of 1") in squashed(printed(sheet_of(forms.statement(sold))))
    assert sum("Zoe" in text for text in sheet.texts()) == 1
    assert {row.cells[2] for row in table_of(sheet, "Charging and fees · Zoe").rows} == {"Space 4"}
    other = replace(made.positions[0], vehicle=None)
    several = table_of(
        sheet_of(replace(made, positions=(other, *made.positions[1:]))), "Charging and fees"
    )
    assert [row.cells[2] for row in several.rows[:2]] == ["Space 4 · 04A2B1C9", "Space 4 · Zoe"]
    assert several.title == "Charging and fees"


def test_a_clerk_understands_the_reference() -> None:
    made = forms.one_line()
    assert (
        facts_of(sheet_of(made), "How to pay")["Reference"] == "Statement 2026-0007, Anna Schäfer"
    )
    nameless = facts_of(sheet_of(replace(made, to=None)), "How to pay")
    assert nameless["Reference"] == "Statement 2026-0007, Account 7"


def test_currencies_without_decimals_and_with_three() -> None:
    for currency, price, total in (
        (forms.JPY, "38.5", "6,332 JPY"),
        (forms.KWD, "0.0275", "4.523 KWD"),
    ):
        sheet = sheet_of(forms.in_currency(currency, price))
        assert sheet.figure == total.replace(" ", "\N{NO-BREAK SPACE}")
        assert squashed(total) in squashed(printed(sheet))


def test_a_long_statement_repeats_its_heads_and_counts_its_pages() -> None:
    sheet = sheet_of(forms.with_windows(300))
    pages = printed(sheet).split("\f")[:-1]
    heads = "No. Date Where From – to kWh Per kWh Amount (EUR)"
    assert all(heads in page for page in pages[:-1])
    assert all(page.startswith("Statement for October 2026 · Anna Schäfer\n") for page in pages[1:])
    assert [page.strip().splitlines()[-1] for page in pages] == [
        f"Page {number} of {len(pages)}" for number in range(1, len(pages) + 1)
    ]
    rows = [row for row in table_of(sheet, "Charging and fees").rows if row.cells[3]]
    text = "\n".join(pages)
    positions = [text.index(f"\n{' '.join(cell for cell in row.cells if cell)}\n") for row in rows]
    assert len(positions) == 299
    assert positions == sorted(positions)
    assert html_texts(html(sheet)) == list(sheet.texts())


def test_a_draft_is_marked_on_every_page_and_asks_for_nothing() -> None:
    sheet = sheet_of(forms.draft())
    pages = printed(sheet).split("\f")[:-1]
    assert len(pages) == 2
    assert all(page.startswith("Draft, not a bill\n") for page in pages)
    (mark,) = [
        attributes
        for _, attributes in parsed(html(sheet)).tags
        if attributes.get("class") == "mark"
    ]
    assert mark["data-mark"] == "Draft, not a bill"  # CSS prints it on each page
    assert not facts_of(sheet, "How to pay")
    assert (sheet.remark, sheet.reference) == ("To pay within 14 days after closing", "")


def test_a_session_that_charged_in_one_of_several_windows_says_so() -> None:
    night = forms.position(1, forms.line(quantity=4_000, window="Night"))
    divided = replace(night, split=Split.REGISTER, begin_wh=1_000, end_wh=5_000)
    (row,) = table_of(sheet_of(forms.statement([divided])), "Charging and fees").rows
    (note,) = row.notes
    assert note.endswith("5.000 kWh; all kWh at one price")


def test_whom_to_ask_is_named_by_the_contact_or_by_the_name() -> None:
    one = forms.one_line()
    without = replace(one, owner=replace(one.owner, party=replace(one.owner.party, contact=None)))
    asked = [text for each in (one, without) for text in sheet_of(each).small if "question" in text]
    words = "A question about a line? Ask {}, with the number of the line and of the statement."
    assert asked == [words.format("strom@bauhof12.example"), words.format("Bauhof 12 eG")]


def test_windows_stand_beneath_with_their_arithmetic() -> None:
    sheet = sheet_of(forms.with_windows(8))
    first, *_, seventh, fee = table_of(sheet, "Charging and fees").rows
    assert first.cells == ("1", "1 Oct", "Space 4", "18:04 – 21:21", "11.168", "", "2.87")
    assert "; ".join(first.notes).split("; ") == [
        "Day, tax 19 %: 2.137 kWh × 0.3850 = 0.82",
        "Night, tax 19 %: 9.031 kWh × 0.2275 = 2.05",
        "divided by the meter's readings",
    ]
    assert "Blocking fee, tax 19 %: 45 min × 0.0200 = 0.90" in seventh.notes[0]
    assert fee.cells == ("8", "", "Base fee", "", "", "", "4.50")
    assert fee.notes == ("Base fee, tax 7 %: 31 of 31 days × 4.5000 = 4.50",)
    (waiting,) = table_of(sheet, "Held back: waits for a review, is billed later").rows
    assert waiting.cells == ("99", "15 Oct", "Space 4", "18:04 – 21:21", "7.250")
    assert waiting.notes == ("Reason: the meter ran backwards",)
    assert facts_of(sheet, "In total")["Carried in"] == "−2.50\N{NO-BREAK SPACE}EUR"


def test_a_correction_names_statement_and_line_and_the_wallet_is_not_asked() -> None:
    table = table_of(sheet_of(forms.correction()), "Charging and fees")
    _, prepaid, credit = table.rows
    assert credit.notes == (
        "Correction of line 9 on statement 2026-0003",
        "Reason: Meter 4 ran fast, see the electrician's letter",
    )
    assert prepaid.cells[-1] == "0.00"
    assert prepaid.notes == ("Charged to your prepaid account: 1.75\N{NO-BREAK SPACE}EUR",)
    assert table.total is not None
    assert table.total.cells[-1] == "2.95"


def test_a_figure_that_the_columns_do_not_explain_is_explained_beneath() -> None:
    """The energy of a line may be less than that of its session (below it, a minimum, a second
    tariff)."""
    other = replace(forms.line(quantity=4_000), tariff="Old")
    sheet = sheet_of(
        forms.statement([forms.position(1, forms.line(quantity=5_000)), forms.position(2, other)])
    )
    notes = [row.notes for row in table_of(sheet, "Charging and fees").rows]
    assert notes[1] == ("Energy (tariff Old of 1 January 2026): 4.000 kWh × 0.35 = 1.40",)
    partly = forms.position(1, forms.line(quantity=4_000), energy_wh=5_000)
    in_window = forms.position(2, forms.line(quantity=4_000, window="Night"))
    rows = table_of(sheet_of(forms.statement([partly, in_window])), "Charging and fees").rows
    assert [row.notes for row in rows] == [("Energy: 4.000 kWh × 0.35 = 1.40",), ()]
    assert [row.cells[5] for row in rows] == ["", "Night 0.35"]
    minimum = forms.position(
        1, forms.line(quantity=500), forms.line(LineKind.MINIMUM, price="0.82")
    )
    row = table_of(
        sheet_of(forms.statement([replace(minimum, split=Split.WHOLE)])), "Charging and fees"
    ).rows[0]
    assert row.notes == ("Energy: 0.500 kWh × 0.35 = 0.18; Up to the minimum price: 0.82",)


@pytest.mark.parametrize(
    ("total", "is_carried", "figure", "remark", "asks"),
    [
        (397, False, "3.97 EUR", "Please pay by 17 November 2026", True),
        (397, True, "3.97 EUR", "Nothing to pay now: this is added to the next statement", False),
        (0, False, "0.00 EUR", "Nothing to pay", False),
        (-5, False, "0.05 EUR", "Your credit: we pay it to you", False),
        (-5, True, "0.05 EUR", "Your credit: it is taken off the next statement", False),
    ],
)
def test_what_to_do_about_the_total(
    total: int, is_carried: bool, figure: str, remark: str, asks: bool
) -> None:
    made = replace(forms.one_line(), total=total, is_carried=is_carried)
    sheet = sheet_of(made)
    assert (sheet.figure.replace("\N{NO-BREAK SPACE}", " "), sheet.remark) == (figure, remark)
    assert bool(facts_of(sheet, "How to pay")) == asks


def test_what_was_carried_in_is_added_up_and_nothing_else_is_repeated() -> None:
    sheet = sheet_of(replace(forms.one_line(), carried_in=-97, total=300))
    assert facts_of(sheet, "In total") == {
        "Gross": "3.97\u00a0EUR",
        "Carried in": "−0.97\u00a0EUR",
        "Total": "3.00\u00a0EUR",
    }
    assert not [block for block in sheet_of(forms.one_line()).blocks if block.title == "In total"]


def test_a_digest_can_be_read_and_copied() -> None:
    digest = "1081ce438a2e14c787c8866362099a7995d16ec2102f99b90ddeb3b7bea02da7"
    with open_fonts(None) as fonts:
        file = pdf(sheet_of(replace(forms.one_line(), digest=digest)), fonts)
    text = subprocess.run(
        ["pdftotext", "-layout", "-", "-"], input=file, capture_output=True, check=True
    ).stdout.decode()
    assert "Digest: 1081ce43 8a2e14c7 87c88663 62099a79 95d16ec2 102f99b9 0ddeb3b7 bea02da7" in text


def test_after_the_names_were_removed_the_account_stands_for_them() -> None:
    made = replace(forms.one_line(), to=None)
    assert sheet_of(made).recipient == ("Account 7",)
    assert "Account 7" in covering_sheet([made], ENGLISH).texts()


def test_without_a_biller_a_draft_names_nobody() -> None:
    nobody = replace(forms.OWNER, party=Party(name="", address=()), tax_number=None)
    sheet = sheet_of(replace(forms.draft(), owner=nobody))
    assert (sheet.sender, [text for text in sheet.small if "question" in text]) == ((), [])


def test_a_month_without_charging() -> None:
    sheet = sheet_of(forms.statement([]))
    assert "No charging in this month" in html_texts(html(sheet))
    assert squashed(printed(sheet)) == squashed("".join(sheet.texts()) + "Page 1 of 1")


def test_nothing_is_loaded_and_nothing_runs() -> None:
    page = html(
        sheet_of(
            forms.with_names('"><script src=//evil.example></script><img src=x onerror=alert(1)>')
        )
    )
    tags = parsed(page).tags
    names = {tag for tag, _ in tags}
    assert not names & {"script", "img", "link", "iframe", "a"}
    assert not [
        name
        for _, attributes in tags
        for name in attributes
        if name.startswith("on") or name == "src"
    ]
    assert "default-src 'none'" in page


def test_a_logo() -> None:
    with pytest.raises(DocumentProblem, match="neither a PNG nor a JPEG"):
        html(sheet_of(with_logo(b"<svg/>")))
    with pytest.raises(DocumentProblem, match="may have 1000000"):
        html(sheet_of(with_logo(bytes(1_000_001))))
    for logo, words in (
        (forms.LOGO[:40], "the logo cannot be read"),
        (forms.png(2001, 2000), "2001 × 2000 pixels"),
        (forms.png(60_000, 60_000), "the logo cannot be read"),
    ):
        with pytest.raises(DocumentProblem, match=words):
            printed(sheet_of(with_logo(logo)))
    sheet = sheet_of(with_logo(forms.LOGO))
    assert 'src="data:image/png;base64,' in html(sheet)
    assert squashed(printed(sheet)) == squashed("".join(sheet.texts()) + "Page 1 of 1")


def with_logo(logo: bytes) -> Statement:
    made = forms.one_line()
    return replace(made, owner=replace(made.owner, logo=logo))


def test_the_covering_sheet_adds_up() -> None:
    carried = replace(forms.credit(), printed_number="2026-0010", is_carried=True)
    several = [
        forms.with_windows(8),
        replace(forms.correction(), printed_number="2026-0009"),
        carried,
    ]
    sheet = covering_sheet(several, ENGLISH)
    assert html_texts(html(sheet)) == list(sheet.texts())
    assert squashed(printed(sheet)) == squashed("".join(sheet.texts()) + "Page 1 of 1")
    table = table_of(sheet, "All statements")
    assert table.total is not None
    for column in range(2, 8):
        rows = [Decimal(row.cells[column].replace("−", "-")) for row in table.rows]
        assert sum(rows) == Decimal(table.total.cells[column].replace("−", "-"))
    taxes = table_of(sheet, "Sums by tax rate").total
    assert taxes is not None
    assert taxes.cells[1:] == table.total.cells[3:6]
    sums = {
        name: value.replace("\N{NO-BREAK SPACE}", " ")
        for name, value in facts_of(sheet, "In total").items()
    }
    asked = sum(one.total for one in several[:2])
    assert (sheet.label, sheet.figure.replace("\N{NO-BREAK SPACE}", " ")) == (
        "Asked for this month",
        f"{asked / 100:.2f} EUR",
    )
    assert "Asked for this month" not in sums
    assert sums["Of it corrections of earlier months"] == "2 (−23.000 kWh)"
    assert sheet.facts[0][0] == "Date"
    assert sums["Carried on: credits"] == "−7.00 EUR"
    assert sums["Sessions held back for a review"] == "1 (7.250 kWh)"
    proof = facts_of(sheet, "Proof")
    assert proof["Numbers"] == "2026-0007 to 2026-0010"
    assert proof["Digest of the last"].replace(" ", "") == forms.DIGEST


def test_a_covering_sheet_is_of_one_month_and_currency() -> None:
    for several in ([], [forms.one_line(), forms.in_currency(forms.JPY, "38")]):
        with pytest.raises(ValueError, match="one month and one currency"):
            covering_sheet(several, ENGLISH)
    assert covering_sheet([forms.one_line(), forms.draft()], ENGLISH).mark == "Draft, not a bill"


@pytest.mark.parametrize("language", ["en", "de"])
def test_all_digests_stand_on_one_line(language: str) -> None:
    made = replace(forms.one_line(), evidence=forms.DIGEST)
    with speaking(language), open_fonts(None) as fonts:
        file = pdf(statement_sheet(made, of_program(language)), fonts)
    text = subprocess.run(
        ["pdftotext", "-layout", "-", "-"], input=file, capture_output=True, check=True
    ).stdout.decode()
    (line,) = [line for line in text.splitlines() if "3f2a91c0 7be84d15" in line]
    assert forms.DIGEST[::-1][:8] in line
    assert line.rstrip().endswith(f"{forms.DIGEST[:8]}…")


CLOCKS = "Where a price depends on the time"


def test_where_a_price_depends_on_the_time_the_paper_says_that_clocks_are_not_calibrated() -> None:
    moving = forms.moving(datetime(2026, 10, 1, 16, 15, tzinfo=UTC), (5_000, "0.30"))
    for line in (moving, forms.line(quantity=5_000, window="Night")):
        sheet = sheet_of(forms.statement([forms.position(1, line)]))
        assert any(one.startswith(CLOCKS) for one in sheet.small)
    assert not any(one.startswith(CLOCKS) for one in sheet_of(forms.one_line()).small)


def test_a_line_that_readings_divide_says_the_register_at_each_seam() -> None:
    (made,) = forms.with_windows(2).positions[:1]
    seam = made.started_at + timedelta(hours=1) if made.started_at else None
    assert seam is not None
    made = replace(made, seams=((seam, 2_137),), begin_wh=1_000_500, end_wh=1_011_668)
    known = replace(made, measured=MeasuringMethod.REGISTER)
    for one, words in (
        (known, "divided by the meter's readings: 19:04 at 1,002.637 kWh"),
        (replace(known, corrects=1), "divided by the meter's readings"),
        (replace(made, measured=MeasuringMethod.COUNT), "divided by the meter's readings"),
    ):
        row = table_of(sheet_of(forms.statement([one])), "Charging").rows[0]
        assert row.notes[-1].endswith(words)


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_line_with_a_payment_and_an_open_sum_stands_on_one_page(language: str) -> None:
    paid = MoneyEntry(day=date(2026, 10, 15), kind="payment", amount=1500, statement="2026-2")
    before = open_since_september(paid)
    made = replace(forms.one_line(), before=before, evidence=forms.DIGEST)
    template = of_program(language)
    with speaking(language):
        pages = printed(statement_sheet(made, template)).split("\f")[:-1]
    assert len(pages) == 1
    assert forms.DIGEST[:8] in pages[0]


def open_since_september(*moved: MoneyEntry) -> AccountBefore:
    """A statement of September of which 41.20 is open."""
    one = OpenBefore(
        number=6,
        month=date(2026, 9, 1),
        due_on=date(2026, 10, 20),
        amount=4120,
        printed_number="2026-6",
    )
    return AccountBefore(open=(one,), moved=moved, credit=0, newest=3)


def sums_of(sheet: Sheet, title: str) -> list[tuple[str, str]]:
    """Return the rows of a table of sums, of which the last adds up the others."""
    pairs = [
        (label, value.removesuffix("\N{NO-BREAK SPACE}EUR"))
        for label, value in facts_of(sheet, title).items()
    ]
    *parts, whole = (Decimal(value.replace("−", "-")) for _, value in pairs)
    assert sum(parts) == whole
    return pairs


def test_a_demand_for_two_statements_says_by_when_each_is_due() -> None:
    made = replace(forms.one_line(), before=open_since_september())
    draft = replace(made, number=None, closed_on=None)
    for one, remark in (
        (made, "Please pay by 17 November 2026"),
        (draft, "To pay within 14 days after closing"),
    ):
        sheet = sheet_of(one)
        assert sheet.figure == "45.17\N{NO-BREAK SPACE}EUR"
        assert sheet.remark == f"{remark}; what is open from before is due as listed below"
        # A single day beside this figure would be wrong for a part of it.
        assert "To be paid by" not in dict(sheet.facts)
        assert sums_of(sheet, "With what is open from before")[1] == (
            "Still open: statement 2026-6 of September 2026, due on 20 October 2026",
            "41.20",
        )


def test_where_only_earlier_statements_are_open_they_say_when_they_are_due() -> None:
    prepaid = replace(forms.position(3, forms.line(quantity=5_000)), is_prepaid=True)
    made = replace(forms.statement([prepaid]), before=open_since_september())
    assert (sheet_of(made).label, sheet_of(made).remark) == ("To pay in all", "Due as listed below")


PAPERS_OF_CREDITS = [
    (5000, "−50.00", "In your favour after the last statement", "In your favour", "−18.25"),
    (2500, "−25.00", "In your favour after the last statement", "Still open from before", "6.75"),
    (-100, "1.00", "To be paid after the last statement", "Still open from before", "32.75"),
]


@pytest.mark.parametrize(("credit", "then", "label", "left_label", "left"), PAPERS_OF_CREDITS)
def test_a_paper_lists_what_a_credit_paid_until_then_and_what_it_pays_now(
    credit: int, then: str, label: str, left_label: str, left: str
) -> None:
    charged = MoneyEntry(day=date(2026, 10, 30), kind="charge", amount=-1175, statement=None)
    taken = MoneyEntry(day=date(2026, 10, 31), kind="statement", amount=-2000, statement=None)
    before = AccountBefore(open=(), moved=(charged, taken), credit=credit - 3175, newest=3)
    prepaid = replace(forms.position(3, forms.line(quantity=5_000)), is_prepaid=True)
    made = replace(forms.statement([prepaid]), before=before)
    sheet = sheet_of(made)
    assert sums_of(sheet, "Since the last statement") == [
        (label, then),
        ("Paid from your credit until 30 October 2026", "11.75"),
        ("Paid from your credit for the lines of this statement", "20.00"),
        (left_label, left),
    ]
    assert sums_of(sheet, "With what is open from before")[0] == ("This statement", "0.00")
    assert sums_of(sheet, "With what is open from before")[-1][1] == left


def test_a_company_cars_sheet_cites_no_statement_that_the_employer_does_not_have() -> None:
    corrected = replace(forms.correction().positions[-1], lines=(), reason=None)
    table = Positions(forms.statement([corrected]), ENGLISH).metered("Sessions")
    assert table.rows[0].notes == ("Correction of an earlier month",)


def test_a_small_sum_is_said_to_be_added_to_the_next_paper_though_an_older_one_is_open() -> None:
    due = date(2026, 10, 17)
    old = OpenBefore(
        number=3, month=date(2026, 9, 1), due_on=due, amount=500, printed_number="2026-3"
    )
    before = AccountBefore(open=(old,), moved=(), credit=0, newest=3)
    sheet = sheet_of(replace(forms.one_line(), before=before, is_carried=True))
    assert sheet.figure == "5.00\u00a0EUR"
    words = "Due as listed below; 3.97\u00a0EUR of this statement is added to the next one"
    assert sheet.remark == words


def test_what_was_paid_too_much_adds_up_and_asks_for_nothing() -> None:
    before = AccountBefore(open=(), moved=(), credit=1_000, newest=3)
    made = replace(forms.one_line(), before=before)
    sheet = statement_sheet(made, ENGLISH)
    (sums,) = [one for one in sheet.blocks if one.title == "With what is open from before"]
    assert isinstance(sums, LabelledValues)
    assert [(label, value.replace("\xa0", " ")) for label, value in sums.pairs] == [
        ("This statement", "3.97 EUR"),
        ("In your favour", "−10.00 EUR"),
        ("Left in your favour", "−6.03 EUR"),
    ]
    assert not any("2026" in value for label, value in sheet.facts if "paid" in label)


def test_the_limit_of_a_fee_is_named_in_the_papers_language() -> None:
    limit = forms.line(LineKind.MAXIMUM, 1, "-2.10", window=LineKind.BLOCKING)
    made = forms.statement([forms.position(3, forms.line(LineKind.BLOCKING, 162, "0.05"), limit)])
    texts = " ".join(statement_sheet(made, of_program("de")).texts())
    assert "Bis zum Höchstpreis · Blockiergebühr" in texts


def test_a_fee_for_blocking_can_be_computed_from_the_paper() -> None:
    """It counts to the second, not in free hours, and goes on over midnight."""
    ends = ("01T18:51:30", "01T20:00:00", "02T05:00:00", "02T05:00:45")
    times = tuple(datetime.fromisoformat(f"2026-10-{at}+00:00") for at in ends)
    fee = replace(forms.line(LineKind.BLOCKING, 70, "0.05"), times=times)
    made = forms.statement([forms.position(1, fee)])
    words = " ".join(statement_sheet(made, ENGLISH).texts())
    stretches = "20:51:30 – 22:00, 2 Oct 07:00 – 2 Oct 07:00:45"
    assert f"Blocking fee: 70 min ({stretches}) × 0.05 = 3.50" in words
    seconds = sum((end - begin).total_seconds() for begin, end in (times[:2], times[2:]))
    assert -(-seconds // 60) == 70


@pytest.mark.parametrize(("language", "words"), [("en", "Own sun: "), ("de", "Eigener Sonnen")])
def test_a_paper_with_own_sun_says_how_it_is_measured(language: str, words: str) -> None:
    start = datetime(2026, 10, 1, 16, 15, tzinfo=UTC)
    sun, grid = (forms.moving(start, (5_000, "0.20"), window=name) for name in ("sun", "grid"))
    for lines, times in (((sun, grid), 1), ((grid,), 0)):
        made = forms.statement([forms.position(1, *lines)])
        with speaking(language):
            sheet = statement_sheet(made, of_program(language))
        assert sum(one.startswith(words) for one in sheet.small) == times


def test_what_a_credit_paid_is_shown_with_its_tax() -> None:
    made = forms.correction()
    table = table_of(statement_sheet(made, ENGLISH), "Charged to prepaid accounts, with its tax")
    assert [row.cells for row in table.rows] == [("19 %", "1.47", "0.28", "1.75")]
    (prepaid,) = [one for one in made.positions if one.is_prepaid]
    assert prepaid.amount == 175
    cover = table_of(
        covering_sheet([made, made], ENGLISH), "Charged to prepaid accounts, with its tax"
    )
    assert [row.cells for row in cover.rows] == [("19 %", "2.94", "0.56", "3.50")]
    titles = [one.title for one in statement_sheet(forms.one_line(), ENGLISH).blocks]
    assert "Charged to prepaid accounts, with its tax" not in titles
