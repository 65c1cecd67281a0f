"""How the rows of `tx_event` and `set_aside` find the frame of their message in `evidence`."""

from __future__ import annotations


def evidence_of(table: str) -> str:
    """Return SQL that joins `evidence` to the messages of this table."""
    columns = (("session_id", "session_id"), ("message_id", "message_id"), ("at", "received_at"))
    return "evidence ON " + " AND ".join(
        f"evidence.{one} = {table}.{other}" for one, other in columns
    )
