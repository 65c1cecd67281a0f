"""Who may write to a database: one server, for a while after each of its commits, or one command while none runs."""

from __future__ import annotations

from typing import Final

from levity_trio.store.connection import InUse
from levity_trio.store.postgresql.connection import PostgresqlConnection

LEASE_SECONDS: Final = 15.0
"""How long after its last commit a server still counts as running."""
_ALONE: Final = "LOCK TABLE levity.server IN SHARE ROW EXCLUSIVE MODE"
_OTHER: Final = "SELECT name FROM levity.server WHERE until >= clock_timestamp() ORDER BY name LIMIT 1"


def keep_alone(connection: PostgresqlConnection) -> None:
    """Keep servers from starting, and from writing, until the end of this transaction. Raises InUse: one runs."""
    connection.execute(_ALONE)
    for (server,) in connection.execute(_OTHER).fetchall():
        raise InUse(
            f"the server {server} runs on this database, or was killed less than {LEASE_SECONDS:g} s ago; stop it or"
            " wait: only one at a time can use it"
        )
