"""What became of deliveries to webhooks."""

from __future__ import annotations

from levity_trio.events.fact import Fact
from levity_trio.records import record


@record
class WebhookGivenUp(Fact):
    """Facts of a charger were never delivered to a webhook, because its receiver failed for three days.

    `first` and `last` are the ids of the first and last of these `facts`; `charger` is None for facts of no charger.
    """

    webhook: str
    first: int
    last: int
    facts: int
    problem: str
