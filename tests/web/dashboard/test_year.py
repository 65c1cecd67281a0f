"""The page of a year of bills: what books need, in the language of who reads it."""

from __future__ import annotations

from random import Random
from typing import Any

from levity_trio.locale import speaking
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.dashboard.pages.bills import PAGES
from tests.store.bills import charge
from tests.web.api.conftest import Site
from tests.web.api.test_years import Owner, play
from tests.web.dashboard.opening import Opening

BILLS, THIS_YEAR, YEAR = (
    next(page for page in PAGES if page.path == path)
    for path in ("/bills", "/bills/year", "/bills/year/{year}")
)


async def test_a_year_in_two_languages(site: Site) -> None:
    owner = Owner(site)
    play(owner, Random(3))
    operator = Opening(site, Role.OPERATOR)
    assert "/bills/year" in (await operator.open(BILLS)).links
    now = (await operator.open(THIS_YEAR)).words
    assert "Bills of 2027" in now
    year = await owner.year()
    whole, (anna, ben) = year["periods"][-1], year["households"]
    shown = await operator.open(YEAR, year=2026)
    assert "counts on the day of its invoice" in shown.words
    assert "April 2026 energy of March 2026" in shown.words
    assert "/get/admin/years/2026?format=csv&by=invoice" in shown.links
    for name, row in (("All of 2026", whole), ("Anna", anna), ("Ben", ben)):
        assert _row(name, row) in shown.words
    for tax in whole["taxes"]:
        amounts = " ".join(f"{tax[name] / 100:.2f}" for name in ("net", "tax", "gross"))
        assert f"All of 2026 · {tax['rate']} % {amounts}" in shown.words

    energy = (await owner.year(by="energy"))["periods"][-1]
    with speaking("de"):
        words = (await operator.open(YEAR, "?by=energy", year=2026)).words
    assert "Eine Abrechnung zählt in dem Monat, in dem geladen wurde." in words
    assert _row("2026 gesamt", energy).replace(".", ",") in words
    assert "4. Quartal" in words
    assert "energy" not in words


def _row(name: str, row: Any) -> str:
    """Return what the page says of a row."""
    names = ("net", "tax", "gross", "paid", "corrected", "open")
    amounts = [f"{row[one] / 100:.2f}".replace("-", "\N{MINUS SIGN}") for one in names]
    return " ".join((name, f"{row['energy_wh'] / 1000:.1f}", *amounts))


async def test_a_year_without_tax_or_without_bills(site: Site) -> None:
    owner = Owner(site)
    operator = Opening(site, Role.OPERATOR)
    assert "Nothing was billed" in (await operator.open(YEAR, year=2025)).words
    owner.is_no_business()
    charge(owner.station, 40_000, "Other")
    owner.close(3)
    words = (await operator.open(YEAR, year=2026)).words
    assert "All of 2026 40.0 12.00" in words
    assert "Tax " not in words
    assert "Net" not in words
