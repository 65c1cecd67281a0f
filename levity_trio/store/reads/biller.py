"""Who bills, for the API."""

from __future__ import annotations

from typing import Final

from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.shapes import Shape


@record
class BillerRow:
    """Who bills, as it stands on statements from now on. `logo_bytes` is the size of the logo, null without one."""

    name: str
    address: str | None
    contact: str | None
    bank_account: str | None
    bank_name: str | None
    tax_number: str | None
    payment_days: int
    logo_bytes: int | None
    has_template: bool
    set_at: str
    set_by: str


_BILLER: Final = Shape(BillerRow, logo_bytes="length(logo)", has_template="template IS NOT NULL")


def biller(db: Database) -> BillerRow | None:
    """Return who bills now; None until somebody said it."""
    found = _BILLER.every(db, "FROM biller ORDER BY id DESC LIMIT 1")
    return found[0] if found else None
