"""What a closing needs of a draft. It is read before the closing's write, so that no charger waits for it.

It holds as long as the draft has the same revision: the write checks that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from levity_trio.store.billing.rows import names_text
from levity_trio.store.billing.statements import names_now, party_digest
from levity_trio.store.connectors import Rows

_REVISION: Final = "SELECT revision FROM draft WHERE id = ? AND ready_at IS NOT NULL"
_UNPRICED: Final = (
    "SELECT count(*) FROM statement CROSS JOIN position ON statement_id = statement.id"
    " WHERE draft_id = ? AND position.kind = 'unpriced'"
)
_TO_CLOSE: Final = (
    "SELECT id, account_id, charged, currency, content FROM statement WHERE draft_id = ? AND number IS NULL"
    " AND EXISTS (SELECT 1 FROM position WHERE statement_id = statement.id"
    " AND kind IN ('session', 'free', 'base fee', 'correction')) ORDER BY account_id, id"
)
_CHARGED: Final = (
    "SELECT coalesce(sum(ledger.amount), 0) FROM position CROSS JOIN ledger ON ledger.tx_id = position.tx_id"
    " AND ledger.account_id = position.account_id WHERE position.statement_id = ?"
    " AND position.kind IN ('session', 'free') AND ledger.kind = 'charge'"
)


class Closable(NamedTuple):
    """A statement that gets a number: what the ledger gets for it, and its names."""

    id: int
    account: int
    amount: int
    currency: str
    content: str
    party: str
    party_digest: str


class Closables(NamedTuple):
    """The statements of a draft that get numbers, in their order; revision is None if there is no such draft."""

    draft: int
    revision: int | None
    unpriced: int
    statements: Sequence[Closable]


def closables(rows: Rows, draft: int, salt: bytes) -> Closables:
    """Return what is to be closed. `salt` makes the digests of names unguessable: bytes that nobody else has."""
    revision = next((found for (found,) in rows(_REVISION, (draft,))), None)
    ((unpriced,),) = rows(_UNPRICED, (draft,))
    return Closables(draft, revision, unpriced, list(_closables(rows, draft, salt)))


def _closables(rows: Rows, draft: int, salt: bytes) -> Iterator[Closable]:
    for statement, account, charged, currency, content in rows(_TO_CLOSE, (draft,)):
        own_salt = hashlib.sha256(salt + str(statement).encode()).hexdigest()
        party = names_text(names_now(rows, statement, account), own_salt)
        ((paid,),) = rows(_CHARGED, (statement,))
        yield Closable(statement, account, -charged - paid, currency, content, party, party_digest(party))
