"""The reconciliation of a month: whether the energy of the registers is that of the transactions, and of the house."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from levity_trio.billing.ownership import Span
from levity_trio.store.reads.reconciliation import Reconciliation, reconciliation
from levity_trio.web.api.billing import month_of, rule
from levity_trio.web.api.endpoints import Asked, Endpoint, Role
from levity_trio.web.api.meters import TAG
from levity_trio.web.api.shown import show, shown_as
from levity_trio.wire.times import stamp


async def get_reconciliation(asked: Asked) -> Any:
    month, zone = month_of(asked), asked.api.config.time_zone
    span = Span(stamp(month.since(zone)), stamp(month.until(zone)))
    read = partial(reconciliation, month=str(month), span=span, now=asked.api.stamp(), rule=rule(asked))
    return show(await asked.api.reader.run(read))


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/api/admin/reconciliations/{month}",
        role=Role.OPERATOR,
        tag=TAG,
        summary="Reconcile a month: the registers' energy with that of transactions and of the house's meters.",
        handle=get_reconciliation,
        answer=shown_as(Reconciliation),
        problems=("invalid",),
    ),
)
