"""What became of deliveries to webhooks."""

from __future__ import annotations

from dataclasses import dataclass

from levity_trio.events.fact import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookGivenUp(Fact):
    """Facts of a charger were never delivered to a webhook, because its receiver failed for three days.

    `first` and `last` are the ids of the first and last of these `facts`; `charger` is None for facts of no charger.
    """

    webhook: str
    first: int
    last: int
    facts: int
    problem: str
