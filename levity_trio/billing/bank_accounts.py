"""Bank accounts: an IBAN where the text is meant as one (ISO 13616), any other text as it is."""

from __future__ import annotations

import re
from typing import Final

from levity_trio.told import Told

_IBAN: Final = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", re.ASCII)
_MEANT: Final = re.compile(r"[A-Z]{2}\d{2}", re.ASCII)


def is_iban(account: str) -> bool:
    """Whether a text without spaces is an IBAN whose check digits fit (mod 97)."""
    if not _IBAN.fullmatch(account):
        return False
    digits = "".join(str(int(sign, 36)) for sign in account[4:] + account[:4])
    return int(digits) % 97 == 1


def fault(account: str) -> str | None:
    """Return what is wrong with a text that begins like an IBAN: two letters and two digits."""
    text = compact(account)
    if not _MEANT.match(text) or is_iban(text):
        return None
    if not _IBAN.fullmatch(text):
        return Told(
            "an IBAN has 15 to 34 letters and digits and nothing else; this one has {1} characters",
            len(text),
        )
    return Told(
        "the check digits of this IBAN do not fit: a character is wrong, missing or too many"
    )


def grouped(account: str) -> str:
    """Return an IBAN in groups of four, any other account as it is."""
    text = compact(account)
    if not is_iban(text):
        return account
    return " ".join(text[begin : begin + 4] for begin in range(0, len(text), 4))


def compact(account: str) -> str:
    """Return an account without spaces and in capitals."""
    return "".join(account.split()).upper()
