"""The letter with which a driver logs in first: what stands on it, in the language of its
household."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from levity_trio.documents.paper import DocumentForm, LogInLetter
from levity_trio.documents.printing import documents
from tests.documents.reading import pdf_text, squashed

CODE: Final = "invite_12_abcdefghijklmnopqrstuv"
PAGE: Final = "https://charge.example/welcome"
LETTER: Final = LogInLetter(
    household="Flat 9, Dora",
    address="Bauhof 12\n10115 Berlin",
    site="Bauhof 12",
    user="dora",
    code=CODE,
    page=PAGE,
    url=f"{PAGE}#{CODE}",
    until="Tue 3 Nov 2026",
)


async def written(letter: LogInLetter) -> str:
    (file,) = await documents([letter], DocumentForm.PDF)
    return squashed(pdf_text(file))


async def test_a_letter_says_to_whom_where_and_until_when() -> None:
    text = await written(LETTER)
    assert text.startswith(
        squashed("Flat 9, Dora Bauhof 12 10115 Berlin Your log-in for charging at Bauhof 12")
    )
    assert squashed(f"enter the address {PAGE} and there the code {CODE}") in text
    assert (
        squashed(
            "works once, until Tue 3 Nov 2026. Then choose a password. Your name for the log-in "
            "is dora."
        )
        in text
    )


async def test_it_is_in_the_language_of_its_household_and_names_stay_names() -> None:
    text = await written(replace(LETTER, language="de", household="Ümit <b>\nYıldız", address=""))
    assert text.startswith(squashed("Ümit <b> Yıldız"))
    assert squashed("With your phone") not in text
