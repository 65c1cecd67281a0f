"""Who bills. Each change is a new row, because a closing names the one of its day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Final

from levity_trio.billing.bank_accounts import fault
from levity_trio.events import BillerChanged
from levity_trio.nouns import Biller
from levity_trio.records import noun
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.writes.people.accounts import ChangeRefused, RefusalCode
from levity_trio.store.writes.stored import RecordTable
from levity_trio.told import Told


@noun
class BillerData(Biller):
    """Who bills. `template` is the text of a TOML file, `logo` a PNG or JPEG that somebody has
    looked at."""

    name: str = ""
    logo: bytes | None = None
    template: str | None = None


_BILLER: Final = RecordTable("biller", BillerData)


def change(db: UnitOfWork, fields: Mapping[str, Any], at: str, by: str) -> None:
    """Change fields, named as in BillerData. Raises ChangeRefused."""
    known = _BILLER.every(db, "ORDER BY id DESC LIMIT 1")
    before = known[0] if known else BillerData()
    after = replace(before, **fields)
    changed = tuple(name for name, value in asdict(after).items() if value != getattr(before, name))
    if not changed and known:
        return
    _check(after)
    number = _BILLER.add(db, after, set_at=at, set_by=by)
    db.record(BillerChanged(charger=None, at=at, biller=number, changed=changed, by=by))


def _check(data: BillerData) -> None:
    if not data.name:
        lacking = Told("give a name: the bills have no sender yet")
        raise ChangeRefused(RefusalCode.INVALID, lacking, "name")
    if data.bank_account is not None and (words := fault(data.bank_account)) is not None:
        raise ChangeRefused(RefusalCode.INVALID, words, "bank_account")
    if data.tax_kind == "exempt" and not data.tax_note:
        lacking = Told("write why there is no tax: each statement must say it")
        raise ChangeRefused(RefusalCode.INVALID, lacking, "tax_note")
