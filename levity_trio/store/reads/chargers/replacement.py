"""What follows a charger to the one that takes its place."""

from __future__ import annotations

from typing import Final, NamedTuple

from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.told import N_, Told

_MOVES: Final = (
    ("SELECT name FROM cp WHERE id = ?1 AND name IS NOT NULL", N_("the name {1}")),
    ("SELECT name FROM space WHERE cp_id = ?1 ORDER BY conn_id", N_("the space {1}")),
    (
        (
            "SELECT account.name FROM ownership JOIN account ON account.id = account_id "
            "WHERE what = 'space' AND key = ?1 AND voided_at IS NULL "
            "AND coalesce(ownership.until, '9999') > ?2 ORDER BY ownership.id"
        ),
        N_("the household {1}, from now on"),
    ),
    (
        (
            "SELECT name FROM tariff_assignment JOIN tariff ON tariff.id = tariff_id "
            "WHERE scope = 'charger' AND key = ?1 ORDER BY since DESC, "
            "tariff_assignment.id DESC "
            "LIMIT 1"
        ),
        N_("the tariff {1}, from today on"),
    ),
    (
        (
            "SELECT name FROM configuration_template WHERE ended_at IS NULL "
            "AND EXISTS (SELECT 1 FROM json_each(chargers) WHERE value = ?1) ORDER BY name"
        ),
        N_("the template {1}"),
    ),
    (
        (
            "SELECT coalesce(account.name, usage_limit.id_tag) FROM usage_limit LEFT "
            "JOIN account ON what = 'account' AND account.id = CAST(key AS INTEGER) "
            "WHERE usage_limit.id IN (SELECT max(id) FROM usage_limit GROUP BY what, key) "
            "AND EXISTS (SELECT 1 FROM json_each(chargers) WHERE value = ?1) "
            "ORDER BY usage_limit.id"
        ),
        N_("where {1} may charge"),
    ),
    (
        (
            "SELECT name FROM meter JOIN meter_charger ON meter_id = meter.id "
            "WHERE cp_id = ?1 ORDER BY name"
        ),
        N_("the house meter {1}, which keeps the old charger, too"),
    ),
    (
        "SELECT conn_id FROM connector_data WHERE cp_id = ?1 GROUP BY conn_id",
        N_("what is known of connector {1}"),
    ),
    (
        "SELECT 1 FROM load_charger WHERE cp_id = ?1",
        N_("its place in load management, which limits it from now on"),
    ),
)
_OPEN: Final = "SELECT id FROM tx WHERE cp_id = ? AND status = 'Active' ORDER BY id"


@record
class Replacement:
    """What follows a charger (`moves`), and its open sessions, which stay with it like all before
    them."""

    charger: str
    name: str | None
    moves: list[str]
    open_sessions: list[int]


def replacement(db: Database, charger: str, now: str) -> Replacement | None:
    """Return what follows a charger to one that takes its place; None if there is no such one."""
    known = db.execute("SELECT name FROM cp WHERE id = ?", (charger,)).fetchone()
    if known is None:
        return None
    moves: list[str] = []
    for sql, words in _MOVES:
        values = (charger, now) if "?2" in sql else (charger,)
        rows = db.execute(sql, values).fetchall()
        moves += [Told(words, value) for (value,) in rows]
    found = db.execute(_OPEN, (charger,)).fetchall()
    open_sessions = [number for (number,) in found]
    return Replacement(charger=charger, name=known[0], moves=moves, open_sessions=open_sessions)


class NewSerial(NamedTuple):
    """A charger that tells another serial number than before, and nobody has said whether it is
    another charger."""

    charger: str
    earlier: str
    serial: str
    at: str


def new_serials(db: Database, charger: str | None = None) -> list[NewSerial]:
    """Return which chargers may be others than before; those of one, if it is given."""
    sql = (
        "SELECT cp_id, earlier, serial, at FROM serial_change "
        "WHERE answered_at IS NULL AND cp_id = coalesce(?, cp_id) ORDER BY cp_id, id"
    )
    return [NewSerial(*row) for row in db.execute(sql, (charger,)).fetchall()]


def successor(db: Database, charger: str) -> str:
    """Return the charger that is in the place of this one now: its label may still be there."""
    found = db.execute("SELECT replaced_by FROM cp WHERE id = ?", (charger,)).fetchone()
    if found is None or found[0] is None:
        return charger
    return successor(db, found[0])
