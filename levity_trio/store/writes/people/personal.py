"""Deletes what is personal of an account that has moved out. Its number stays, and stands for it
everywhere.

At once go its name, address, mail, contact and notes; the names of vehicles and spaces that were
only its own; the names and notes that its tags had, also those of its own, and what backends call
those that nobody else has had since; the names of its drivers, who can no longer log in, and where
they did; the addresses of its recipients, and what was sent to them or about its reports; what they
reported, with the answers; by what its bank accounts are known again; and the reasons that were
given for what belonged to it. What stands on closed statements, what was written about entries of
its ledger, and why a figure or a price is what it is, stays for the years of keeping
(`forget_due`).
"""

from __future__ import annotations

from datetime import date
from typing import Final, NamedTuple

from levity_trio.events import AccountChanged, VehicleChanged
from levity_trio.store.cases.transaction import NO_PERSONS, SYSTEM
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.reads.money.wallets import EntryRow, TermsRow
from levity_trio.store.reads.people.households import Belonging
from levity_trio.store.writes.money import ledger
from levity_trio.store.writes.people import accounts, messages, ownership, tags, users
from levity_trio.store.writes.people.accounts import ChangeRefused, RefusalCode
from levity_trio.store.writes.stored import RecordTable
from levity_trio.told import Told

_OF_OTHERS: Final = (
    "EXISTS (SELECT 1 FROM ownership AS other WHERE other.what = ownership.what AND other.key = "
    "ownership.key AND other.conn_id = ownership.conn_id AND other.voided_at IS NULL AND "
    "other.account_id <> ?1)"
)
_OWN_VEHICLES: Final = (
    "SELECT DISTINCT vehicle_id FROM ownership "
    "WHERE account_id = ?1 AND vehicle_id IS NOT NULL AND voided_at IS NULL "
    "AND NOT EXISTS (SELECT 1 FROM ownership AS other WHERE other.what = 'vehicle' "
    "AND other.conn_id = 0 AND other.key = CAST(ownership.vehicle_id AS TEXT) "
    "AND other.voided_at IS NULL AND other.account_id <> ?1)"
)
_OWN_SPACES: Final = (
    "SELECT key, conn_id FROM ownership WHERE account_id = ?1 AND what = 'space'"  # noqa: S608
    f" AND NOT {_OF_OTHERS}"
)
_OTHERS_OF_TAG: Final = (
    "FROM ownership AS other "
    "WHERE other.what = 'tag' AND other.key = ownership.key AND other.conn_id = 0 "
    "AND other.voided_at IS NULL AND other.account_id <> ?1"
)
_NEVER: Final = "9999"
_TAGS: Final = (
    f"SELECT key, coalesce((SELECT max(until) {_OTHERS_OF_TAG} "  # noqa: S608
    f"AND other.until <= ownership.since), ''), coalesce((SELECT min(since) {_OTHERS_OF_TAG} "
    f"AND other.since >= ownership.until), '{_NEVER}') "
    "FROM ownership "
    "WHERE account_id = ?1 AND what = 'tag' AND voided_at IS NULL"
)
"""The tags of an account, each from the end of the owner before to the beginning of the next
one."""
_DUE_NAMES: Final = (
    "SELECT statement_id FROM personal_deletion CROSS "
    "JOIN statement USING (account_id) CROSS "
    "JOIN statement_party ON statement_id = statement.id "
    "WHERE number IS NOT NULL AND party IS NOT NULL "
    "AND date(statement.month || '-01', '+1 month', '+' || keep_years || ' years') <= ? "
    "LIMIT ?"
)
_DUE_TEXTS: Final = (
    "SELECT ledger.id FROM personal_deletion CROSS JOIN ledger USING (account_id)"
    " WHERE kind NOT IN ('statement', 'charge') AND ledger.reason <> ''"
    " AND date(entered_at, '+' || keep_years || ' years') <= ? LIMIT ?"
)
_IS_DUE: Final = "date(deleted_at, '+' || keep_years || ' years') <= ?1"
_DUE: Final = f"account_id IN (SELECT account_id FROM personal_deletion WHERE {_IS_DUE})"  # noqa: S608 - our own words
_OF_SESSIONS: Final = (
    "tx_id IN (SELECT tx_id FROM personal_deletion CROSS JOIN statement USING (account_id) CROSS "  # noqa: S608
    f"JOIN position ON statement_id = statement.id WHERE number IS NOT NULL AND {_IS_DUE} UNION "
    f"SELECT tx_id FROM tx_account WHERE {_DUE})"
)
_DUE_REASONS: Final = {
    "tx_event": f"{_OF_SESSIONS} AND who NOT IN {tuple(sorted(NO_PERSONS))}",
    "review": f"{_OF_SESSIONS} AND resolved_at IS NOT NULL",
    "tx_account": _DUE,
    "tariff_assignment": "scope = 'account' AND EXISTS (SELECT 1 FROM personal_deletion"  # noqa: S608 - our own words
    f" WHERE account_id = CAST(key AS INTEGER) AND {_IS_DUE})",
}
"""Reasons that were given for figures and prices."""
_BELONGING: Final = RecordTable("ownership", Belonging)
_TERMS: Final = RecordTable("wallet_terms", TermsRow)
_ENTRY: Final = RecordTable("ledger", EntryRow)


class Deletion(NamedTuple):
    """Who has it deleted, when and why, and for how many years closed statements keep their
    names."""

    keep_years: int
    reason: str
    at: str
    by: str


def delete(db: UnitOfWork, account: int, told: Deletion) -> None:
    """Delete what is personal of a closed account. Raises ChangeRefused."""
    before = accounts.find(db, account)
    accounts.check_known(db, account)
    if before.until is None or before.until > told.at:
        raise ChangeRefused(
            RefusalCode.CONFLICT,
            Told("household {1} is open; close it first", before.name),
            "until",
        )
    accounts.forget(db, account, told.at, told.by)
    users.forget_drivers(db, account, told.at, told.by)
    _forget_vehicles(db, account, told)
    _forget_texts(db, account, told)
    ownership.forget_own_names(db, account)
    messages.forget_recipients(db, account, messages.By(told.at, told.by))
    ledger.forget(db, account)
    db.execute(
        (
            "INSERT INTO personal_deletion (account_id, keep_years, reason, deleted_at, "
            "deleted_by) "
            "VALUES (?, ?, ?, ?, ?)"
        ),
        (account, *told),
    )
    db.record(
        AccountChanged(
            charger=None,
            at=told.at,
            account=account,
            change="forgotten",
            since=before.since,
            until=before.until,
            by=told.by,
        )
    )


def _forget_vehicles(db: UnitOfWork, account: int, told: Deletion) -> None:
    for (number,) in db.rows(_OWN_VEHICLES, (account,)):
        name = f"vehicle {number}"
        known = ownership.vehicle_named(db, name)
        if known is not None and known != number:
            words = Told("car {1} has the name {2}; rename it first", known, repr(name))
            raise ChangeRefused(RefusalCode.IN_USE, words)
        ownership.VEHICLE.forget(db, "id = ?", (number,), name=name, updated_at=told.at)
        db.record(
            VehicleChanged(charger=None, at=told.at, vehicle=number, change="forgotten", by=told.by)
        )


def _forget_texts(db: UnitOfWork, account: int, told: Deletion) -> None:
    for space in db.rows(_OWN_SPACES, (account,)):
        db.execute("DELETE FROM space WHERE cp_id = ? AND conn_id = ?", space)
    for key, since, until in db.rows(_TAGS, (account,)):
        tags.KEPT_TAG.forget(
            db, "key = ? AND coalesce(ended_at, '9999') > ? AND created_at < ?", (key, since, until)
        )
        if until == _NEVER:
            # A card whose sessions are not told at all stays so.
            aliases = "DELETE FROM backend_card WHERE tag_key = ? AND alias IS NOT NULL"
            db.execute(aliases, (key,))
    _BELONGING.forget(db, "account_id = ?", (account,))
    _TERMS.forget(db, "account_id = ?", (account,))
    messages.forget_reports(db, account, told.at, told.by)


def forget_due(db: UnitOfWork, today: date, at: str, most: int) -> int:
    """Delete names and texts whose years of keeping are over, of some at most so many; return how
    many it deleted."""
    names = db.rows(_DUE_NAMES, (today.isoformat(), most))
    for (statement,) in names:
        forget = (
            "UPDATE statement_party "
            "SET party = NULL, removed_at = ?, removed_by = ? "
            "WHERE statement_id = ?"
        )
        db.execute(forget, (at, SYSTEM, statement))
    texts = db.rows(_DUE_TEXTS, (today.isoformat(), most))
    for (entry,) in texts:
        _ENTRY.forget(db, "id = ?", (entry,))
    reasons = 0
    for table, which in _DUE_REASONS.items():
        emptied = "reason = '', told = NULL" if table == "tx_event" else "reason = ''"
        gone = f"UPDATE {table} SET {emptied} WHERE reason <> '' AND {which}"  # noqa: S608 - our own words
        reasons += db.changed(gone, (today.isoformat(),))
    return len(names) + len(texts) + reasons


def rebuild_indexes(db: UnitOfWork) -> None:
    """Write the indexes of names anew: unused space of their pages may still have a name that was
    moved elsewhere."""
    db.execute("REINDEX account")
    db.execute("REINDEX vehicle")
    db.execute('REINDEX "user"')
