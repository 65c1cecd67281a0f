"""Who bills, as it stands on statements."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from levity_trio.billing.statement import Owner, Party
from levity_trio.store.engine.database import Rows

_OF_OWNER: Final = (
    "bank_account",
    "bank_name",
    "tax_number",
    "vat_number",
    "tax_kind",
    "tax_note",
    "number_prefix",
    "payment_days",
    "logo",
)
_COLUMNS: Final = ", ".join(("id", "template", "name", "address", "contact", *_OF_OWNER))
NOBODY: Final = Owner(party=Party(name="", address=()))
"""Stands on a draft as long as nobody said who bills."""


class Biller(NamedTuple):
    """A row of `biller`. `template` is the text of a TOML file, None for that of this program."""

    id: int
    owner: Owner
    template: str | None


def biller_of(rows: Rows, number: int) -> Biller:
    """Return one, as a closing names it."""
    return _biller(rows(f"SELECT {_COLUMNS} FROM biller WHERE id = ?", (number,))[0])  # noqa: S608 - our own names


def newest_biller(rows: Rows) -> Biller | None:
    """Return who bills now; None until somebody said it."""
    found = rows(f"SELECT {_COLUMNS} FROM biller ORDER BY id DESC LIMIT 1", ())  # noqa: S608 - our own names
    return _biller(found[0]) if found else None


def _biller(row: tuple[Any, ...]) -> Biller:
    number, template, name, address, contact, *rest = row
    party = Party(name=name, address=address_lines(address), contact=contact)
    return Biller(number, Owner(party=party, **dict(zip(_OF_OWNER, rest, strict=True))), template)


def address_lines(address: str | None) -> tuple[str, ...]:
    """Return the lines of an address as a person wrote it, without empty ones."""
    return tuple(line.strip() for line in (address or "").splitlines() if line.strip())
