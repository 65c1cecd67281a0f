"""Bank accounts: what is meant as an IBAN must be one."""

from __future__ import annotations

import pytest

from levity_trio.billing.bank_accounts import fault, grouped, is_iban

IBAN = "DE02120300000000202051"


@pytest.mark.parametrize(
    "account",
    [IBAN, "de02 1203 0000 0000 2020 51", "GB33 BUKB 2020 1555 5555 55", "12-34-56 789", ""],
)
def test_an_account_is_right(account: str) -> None:
    assert fault(account) is None


@pytest.mark.parametrize(
    ("account", "words"),
    [
        ("DE02 1203 0000 0000 2020 15", "check digits"),
        ("DE02 1203 0000 0000 2020 5", "check digits"),
        ("DE02 1203", "15 to 34 letters and digits and nothing else; this one has 8"),
        ("DE02-1203-0000-0000-2020-51", "nothing else"),
        ("DE0212030000000020205١", "nothing else"),
    ],
)
def test_an_iban_with_a_fault_is_told(account: str, words: str) -> None:
    assert words in (fault(account) or "")


def test_only_an_iban_is_shown_in_groups() -> None:
    assert grouped(IBAN) == "DE02 1203 0000 0000 2020 51"
    assert grouped("12-34-56 789") == "12-34-56 789"
    assert not is_iban("DE00")
