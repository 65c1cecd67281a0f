"""How tags are used: whose they are now, how chargers send them, and when one was used last."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from levity_trio.access.tags import Policy
from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.owned import forms_as_sent
from levity_trio.store.reads.tags import TagRow

_OWNER: Final = (
    "SELECT account.id, account.name FROM ownership JOIN account ON account.id = account_id WHERE what = 'tag'"
    " AND key = ?1 AND voided_at IS NULL AND ownership.since <= ?2 AND coalesce(ownership.until, '9999') > ?2"
)
_LAST: Final = "SELECT max(start_time) FROM tx INDEXED BY tx_by_tag WHERE id_tag = ?"


@record
class UsedTag(TagRow):
    """A tag with the account that it belongs to now, and the start of its last transaction."""

    account: int | None
    account_name: str | None
    last_used_at: str | None


@record
class Use:
    """How a tag is used. `sent_as` are its forms in transactions: with other letter cases, or before `--tag-strip`."""

    account: int | None
    account_name: str | None
    last_used_at: str | None
    sent_as: tuple[str, ...]


def with_use(db: Database, tag: TagRow, policy: Policy, now: str) -> UsedTag:
    """Return a tag of now with its use."""
    use = use_of(db, policy.key(tag.id_tag), policy, now)
    return UsedTag(**asdict(tag), account=use.account, account_name=use.account_name, last_used_at=use.last_used_at)


def use_of(db: Database, key: str, policy: Policy, now: str) -> Use:
    """Return how the tag with a normal form is used."""
    owner = next(iter(db.execute(_OWNER, (key, now)).fetchall()), (None, None))
    sent_as = tuple(forms_as_sent(db, key, policy))
    starts = [db.execute(_LAST, (form,)).fetchall()[0][0] for form in sent_as]
    return Use(account=owner[0], account_name=owner[1], last_used_at=max(starts, default=None), sent_as=sent_as)
