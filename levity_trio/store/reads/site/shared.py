"""What others may be told about a charger, and the names that they must not read there."""

from __future__ import annotations

from typing import Any, Final

from levity_trio.store.engine.database import Database

NAMES: Final = """
SELECT kind, name FROM (
SELECT 'charger' AS kind, id AS name FROM cp UNION ALL SELECT 'host', dialled FROM cp
UNION ALL SELECT 'card', id_tag FROM tag UNION ALL SELECT 'card', parent_id_tag FROM tag
UNION ALL SELECT 'card', id_tag FROM asked_tag UNION ALL SELECT 'card', id_tag FROM refused_card
UNION ALL SELECT DISTINCT 'card', id_tag FROM tx WHERE cp_id = ?1
UNION ALL SELECT DISTINCT 'card', stop_id_tag FROM tx WHERE cp_id = ?1
UNION ALL SELECT DISTINCT 'serial', serial_number FROM boot WHERE cp_id = ?1
UNION ALL SELECT DISTINCT 'serial', charge_box_serial_number FROM boot WHERE cp_id = ?1
UNION ALL SELECT DISTINCT 'serial', meter_serial_number FROM boot WHERE cp_id = ?1
UNION ALL SELECT DISTINCT 'phone', iccid FROM boot WHERE cp_id = ?1
UNION ALL SELECT DISTINCT 'phone', imsi FROM boot WHERE cp_id = ?1
UNION ALL SELECT DISTINCT 'host', remote_address FROM session WHERE cp_id = ?1
UNION ALL SELECT 'car', plate FROM vehicle UNION ALL SELECT 'car', name FROM vehicle
UNION ALL SELECT 'name', name FROM tag UNION ALL SELECT 'name', name FROM cp
UNION ALL SELECT 'name', name FROM space UNION ALL SELECT 'name', name FROM own_name
UNION ALL SELECT 'name', name FROM account UNION ALL SELECT 'place', address FROM account
UNION ALL SELECT 'phone', contact FROM account UNION ALL SELECT 'host', mail FROM account
UNION ALL SELECT 'name', name FROM "user"
UNION ALL SELECT 'name', name FROM recipient UNION ALL SELECT 'host', mail FROM recipient
UNION ALL SELECT 'name', name FROM biller UNION ALL SELECT 'place', address FROM biller
UNION ALL SELECT 'place', name FROM station UNION ALL SELECT 'place', address FROM station
) AS names WHERE name IS NOT NULL
"""
FACTS: Final = {
    "charger": """
        SELECT vendor AS chargepointvendor, model AS chargepointmodel,
        vendor || ' / ' || model AS levity_words, firmware_version AS firmwareversion,
        meter_type AS metertype, status, error_code, registration, heartbeat_interval,
        kept_interval, clock_skew_seconds, is_connected, last_seen_at, last_boot_at
        FROM cp WHERE id = ?
    """,
    "connectors": """
        SELECT conn_id AS connector, status, error_code, status_at FROM cp_conn
        WHERE cp_id = ? ORDER BY conn_id
    """,
    "configuration": """
        SELECT key, value FROM configuration WHERE id IN (SELECT max(id) FROM configuration
        WHERE cp_id = ? GROUP BY key) AND is_known = 1 ORDER BY key
    """,
    "set_in_browser": """
        SELECT name AS key, CASE WHEN substr(value, 1, 7) = 'sealed:' THEN '***' ELSE value END
        AS value FROM own_setting WHERE ? <> '' ORDER BY name
    """,
    "repairs": """
        SELECT kind AS levity_kind, firmware AS firmwareversion, count, first_at, last_at,
        sample FROM repair WHERE cp_id = ? ORDER BY kind, firmware
    """,
    "odd": """
        SELECT '`' || kind || '`: ' || sum(count) || ' repaired with firmware ' || firmware
        || '.' AS levity_words FROM repair WHERE cp_id = ? GROUP BY kind, firmware ORDER BY 1
    """,
    "habits": """
        SELECT '`' || kind || '` in ' || transactions || ' sessions with firmware ' || firmware
        || coalesce(', up to ' || value || ' W', '') || CASE WHEN revoked_at IS NULL
        THEN '.' ELSE ', until it was revoked.' END AS levity_words FROM habit
        WHERE cp_id = ? AND transactions > 0 ORDER BY id
    """,
    "trial": """
        SELECT result, ended_at, steps FROM load_trial WHERE cp_id = ? ORDER BY id DESC LIMIT 1
    """,
    "limit": """
        SELECT '`' || what || '`: ' || load_model.value || ' with firmware ' || firmware || '.'
        AS levity_words FROM load_model JOIN cp ON (cp.vendor, cp.model) = (load_model.vendor,
        load_model.model) WHERE cp.id = ? ORDER BY firmware, what
    """,
}
"""What is told of one charger, by what it is called. Sentences are `levity_words`."""


def shared(db: Database, charger: str) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    """Return the names of people, cards and things, each behind its kind; and what is told of a
    charger without its sessions, in which all numbers are texts."""
    facts: dict[str, Any] = {"schema": str(db.version())}
    for about, sql in FACTS.items():
        rows = db.query(sql, (charger,))
        facts[about] = [{name: str(value) for name, value in row.items()} for row in rows]
    return db.execute(NAMES, (charger,)).fetchall(), facts
