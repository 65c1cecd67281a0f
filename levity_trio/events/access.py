"""Who may charge: what operators decided about tags, and who charged all the same."""

from __future__ import annotations

from levity_trio.events.fact import Fact
from levity_trio.records import record


@record
class TagChanged(Fact):
    """An operator, `by`, added, changed or removed a tag; the other fields are what holds from now on.

    `change` is added, changed, blocked, unblocked or removed. The name of a tag is never part of a fact.
    """

    id_tag: str
    change: str
    status: str
    expires_at: str | None
    parent_id_tag: str | None
    max_transactions: int | None
    by: str


@record
class TagsImported(Fact):
    """An import is complete: `count` tags of a file that `by` sent were added or changed."""

    count: int
    by: str


@record
class StartRefused(Fact):
    """A transaction began with a tag that may not charge. It is stored with its energy; the charger was told."""

    transaction: int
    connector: int | None
    id_tag: str | None
    verdict: str
