"""Who bills. Each change is a new row, because a closing names the one of its day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from levity_trio.billing.bank_accounts import fault
from levity_trio.events import BillerChanged
from levity_trio.store.engine.database import marks
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.told import Told

_COLUMNS: Final = "name, address, contact, bank_account, bank_name, tax_number, payment_days, logo, template"


class BillerRefused(Exception):
    """A change that was not made. `field` is the name of what is wrong."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(words)
        self.field = field


class BillerData(NamedTuple):
    """Who bills. `template` is the text of a TOML file, `logo` a PNG or JPEG that somebody has looked at."""

    name: str = ""
    address: str | None = None
    contact: str | None = None
    bank_account: str | None = None
    bank_name: str | None = None
    tax_number: str | None = None
    payment_days: int = 14
    logo: bytes | None = None
    template: str | None = None


def change(db: UnitOfWork, fields: Mapping[str, Any], at: str, by: str) -> None:
    """Change fields, named as in BillerData. Raises BillerRefused."""
    row = db.row(f"SELECT {_COLUMNS} FROM biller ORDER BY id DESC LIMIT 1")  # noqa: S608 - our own names
    before = BillerData() if row is None else BillerData(*row)
    after = before._replace(**fields)
    changed = tuple(name for name in BillerData._fields if getattr(after, name) != getattr(before, name))
    if not changed and row is not None:
        return
    _check(after)
    number = db.insert(
        f"INSERT INTO biller ({_COLUMNS}, set_at, set_by)"  # noqa: S608 - our own names
        f" VALUES ({marks(after)}, ?, ?) RETURNING id",
        (*after, at, by),
    )
    db.record(BillerChanged(charger=None, at=at, biller=number, changed=changed, by=by))


def _check(data: BillerData) -> None:
    if not data.name:
        raise BillerRefused("name", Told("give a name: the bills have no sender yet"))
    if data.bank_account is not None and (words := fault(data.bank_account)) is not None:
        raise BillerRefused("bank_account", words)
