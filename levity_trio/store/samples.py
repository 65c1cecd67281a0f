"""The readings of one transaction that the judge uses, in order of receipt."""

from __future__ import annotations

from typing import Final

from levity_trio.charging.sent.evidence import MEASURANDS
from levity_trio.store.among import marks

_OF_TRANSACTION: Final = (
    " FROM meter_val WHERE cp_id = ? AND conn_id = ? AND tx_id = ? AND timestamp BETWEEN ? AND ?"
    f" AND received_at <= ? AND (wh IS NOT NULL OR measurand IN ({marks(MEASURANDS)}))"
)
OF_TRANSACTION: Final = f"{_OF_TRANSACTION} ORDER BY id"
"""Parameters: charger, connector, transaction, first and last time, latest receipt, MEASURANDS."""
COLUMNS: Final = "source, timestamp, measurand, value, unit, phase, context, wh, received_at, location"
"""The columns of a `Row`."""
SAMPLES: Final = f"SELECT {COLUMNS}{OF_TRANSACTION}"
PAGE: Final = f"SELECT {COLUMNS}, id{_OF_TRANSACTION} AND (timestamp > ? OR id > ?) ORDER BY timestamp, id LIMIT ?"
"""The next of the same readings in order of time, each with its id. The first time is that of the last one before; more
parameters: the same again, the id of that one, and how many."""
MARK: Final = f"SELECT count(*), sum(id) FROM (SELECT id{OF_TRANSACTION}) AS found"  # noqa: S608 - our own names
"""How many readings these are, and the sum of their ids: readings never change, so the same ones are the same."""
TIMES: Final = f"SELECT max(timestamp), received_at{_OF_TRANSACTION} AND timestamp <> received_at GROUP BY received_at"
"""When each message with such readings was taken, by a clock that was believed, and when it was received. It is as old
as the newest of its readings; the others waited for it."""
SENT: Final = f"SELECT sent_timestamp{OF_TRANSACTION}"
"""The times of the same readings as the charger sent them."""
