"""The readings of one transaction that the judge uses, in order of receipt."""

from __future__ import annotations

from typing import Final

from levity_trio.charging.evidence import MEASURANDS
from levity_trio.store.among import marks

OF_TRANSACTION: Final = (
    " FROM meter_val WHERE cp_id = ? AND conn_id = ? AND tx_id = ? AND timestamp BETWEEN ? AND ?"
    f" AND received_at <= ? AND (wh IS NOT NULL OR measurand IN ({marks(MEASURANDS)})) ORDER BY id"
)
"""Parameters: charger, connector, transaction, first and last time, latest receipt, MEASURANDS."""
COLUMNS: Final = "source, timestamp, measurand, value, unit, phase, context, wh, received_at, location"
"""The columns of a `Row`."""
SAMPLES: Final = f"SELECT {COLUMNS}{OF_TRANSACTION}"
MARK: Final = f"SELECT count(*), sum(id) FROM (SELECT id{OF_TRANSACTION}) AS found"  # noqa: S608 - our own names
"""How many readings these are, and the sum of their ids: readings never change, so the same ones are the same."""
SENT: Final = f"SELECT sent_timestamp{OF_TRANSACTION}"
"""The times of the same readings as the charger sent them."""
