"""The chargers that load management limits: what they were sent, and what is known of how they
obey.

Currents are in A per phase, times are as everywhere in the database.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import field, replace
from datetime import datetime
from typing import Any, Final

import orjson

from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.chargers.chargers import AWAY_SINCE
from levity_trio.store.reads.pages import Shape
from levity_trio.told import Told


@record
class ManagedCharger:
    """A charger that load management limits, or, while `state` is leaving, is about to let go.

    `way` is how a limit reaches it at least, `facts` what trials of its firmware have shown, `keys`
    its configuration, `skew_seconds` how far its clock is ahead. `put_back` is what its keys were
    before. Since `disobeys_since` it does not obey; it has obeyed `obeyed` limits after that.
    `boot` is the number of its last boot, `prepared_boot` that after which it was prepared. Since
    `restarts_since`, less than a day, it is known to restart when it is told.
    """

    charger: str
    state: str
    since: str
    by: str
    way: int
    prepared_at: str | None
    prepared_boot: int | None
    prepared_firmware: str | None
    trusted_by: str | None
    disobeys_since: str | None
    restarts_since: str | None
    obeyed: int
    put_back: Mapping[str, str | None] = field(default_factory=dict)
    is_connected: bool
    boot: int | None
    vendor: str | None
    model: str | None
    firmware: str | None
    skew_seconds: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, str | None] = field(default_factory=dict)
    away_since: str | None = None

    @property
    def is_prepared(self) -> bool:
        """Whether it has our defaults. One that restarts when it is told gets its default once."""
        is_of_boot = self.prepared_boot == self.boot or self.restarts_since is not None
        return self.prepared_at is not None and is_of_boot

    @property
    def is_gone(self) -> bool:
        """Whether a person took it out while it was away, and it has not come back: nothing is kept
        for it."""
        return (
            self.state != "managed"
            and not self.is_connected
            and (self.away_since or "") < self.since
        )

    @property
    def is_trusted(self) -> bool:
        """Whether it is known to obey also while it is away."""
        return self.disobeys_since is None and (
            self.trusted_by is not None or bool(self.facts.get("passed"))
        )


_MANAGED: Final = Shape(
    ManagedCharger,
    prepared_firmware="firmware",
    boot="(SELECT max(id) FROM boot WHERE boot.cp_id = cp.id)",
    firmware="firmware_version",
    skew_seconds="coalesce(clock_skew_seconds, 0)",
    away_since=f"CASE is_connected WHEN 0 THEN ({AWAY_SINCE}) END",
    facts="NULL",
    keys="NULL",
).with_texts("put_back")
_FACTS: Final = "SELECT vendor, model, firmware, what, value FROM load_model"
_KEYS: Final = (
    "SELECT cp_id, key, value FROM configuration WHERE id IN (SELECT max(id) FROM load_charger"
    " CROSS JOIN configuration USING (cp_id) GROUP BY cp_id, key) AND is_known = 1"
)


def managed_chargers(db: Database) -> dict[str, ManagedCharger]:
    """Return the chargers that load management limits or lets go."""
    every = _MANAGED.every(
        db, "FROM load_charger JOIN cp ON cp.id = load_charger.cp_id ORDER BY cp.id"
    )
    if not every:
        return {}
    facts = defaultdict[tuple[str, ...], dict[str, Any]](dict)
    keys = defaultdict[str, dict[str, str | None]](dict)
    for vendor, model, firmware, what, value in db.execute(_FACTS).fetchall():
        facts[vendor, model, firmware][what] = orjson.loads(value)
    for charger, key, value in db.execute(_KEYS).fetchall():
        keys[charger][key] = value
    found: dict[str, ManagedCharger] = {}
    for one in every:
        of_kind = one.vendor or "", one.model or "", one.firmware or ""
        found[one.charger] = replace(one, facts=facts[of_kind], keys=keys[one.charger])
    return found


_NEW: Final = (
    "SELECT cp_id FROM cp_conn "
    "WHERE NOT EXISTS (SELECT 1 FROM command WHERE command.cp_id = cp_conn.cp_id "
    "AND asked_by = 'load management') "
    "GROUP BY cp_id HAVING min(created_at) > ?"
)


def newcomers(
    db: Database, chargers: Collection[str], managed: Mapping[str, ManagedCharger]
) -> list[str]:
    """Return those of some chargers that came after all others were limited. Where one of the
    others is not, or was let go, a person decides about each."""
    others = set(chargers) - managed.keys()
    since = [one.since for one in managed.values() if one.state == "managed"]
    is_let_go = any(one.state != "managed" and one.is_connected for one in managed.values())
    if not others or not since or is_let_go:
        return []
    new = {charger for (charger,) in db.execute(_NEW, (min(since),)).fetchall()}
    return sorted(others) if others <= new else []


def count_limited(db: Database) -> int:
    """Count the chargers that still have what load management set there, but for hidden ones."""
    limited = "SELECT count(*) FROM load_charger WHERE cp_id NOT IN (SELECT id FROM hidden_cp)"
    return int(db.execute(limited).fetchall()[0][0])


@record
class StoredLease:
    """What a connector may draw at most by what it was sent: `amperes` until `ends_at` (null:
    without an end), then `safe_a`. It was sent so many profiles for each of some `reasons` on the
    day of UTC that is numbered `day` from 1970 on."""

    charger: str
    connector: int
    transaction: int | None
    amperes: int
    ends_at: str | None
    safe_a: int
    sent_at: str
    day: int
    reasons: Mapping[str, int]

    def writes_of(self, now: datetime) -> int:
        """Return how many profiles it was sent on the day of a moment."""
        is_today = now.timestamp() // _DAY_SECONDS == self.day
        return sum(self.reasons.values()) if is_today else 0


_DAY_SECONDS: Final = 86_400
_LEASE: Final = Shape(StoredLease).with_texts("reasons")


def stored_leases(db: Database) -> list[StoredLease]:
    """Return all leases."""
    return _LEASE.every(db, "FROM load_lease ORDER BY cp_id, conn_id")


@record
class LoadTrial:
    """A trial of a charger. `steps` are what each step found; `result` is passed, failed or
    cancelled, null while it runs."""

    id: int
    charger: str
    connector: int
    began_at: str
    began_by: str
    steps: Any
    ended_at: str | None
    result: str | None


_TRIAL: Final = Shape(LoadTrial).with_texts("steps")
TRIED: Final[Mapping[str, str]] = {
    "limit": Told("a limit is seen on the current"),
    "ends": Told("the limit after it comes by itself"),
    "zero": Told("0 A pauses, and the next limit is obeyed"),
    "least": Told("the least current at which the car charges"),
    "reset": Told("after a reset, the default holds; start the car again, if it has stopped"),
    "link": Told("the link is cut for three minutes, and the limit ends by itself"),
    "waits": Told(
        "the link is cut: unplug the car, plug it in and start it; it waits for two minutes"
    ),
}
"""The steps of a trial, as the person beside the charger reads them."""


def newest_trial(db: Database, charger: str) -> LoadTrial | None:
    """Return the newest trial of a charger, None if there was none."""
    return _TRIAL.one(db, "FROM load_trial WHERE cp_id = ? ORDER BY id DESC LIMIT 1", (charger,))
