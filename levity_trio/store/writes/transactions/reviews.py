"""The rows of `review`: opened with a doubt, and resolved once, by later facts or by a person."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import orjson

from levity_trio.charging.lifecycle import Resolution
from levity_trio.charging.reviews import LASTING, OF_THE_PRICE, Code, Doubt
from levity_trio.store.cases.transaction import SYSTEM, open_reviews, settled_by
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.told import Told, stored, stored_in

_OPEN: Final = """
    INSERT INTO review (
        tx_id, code, words, told, figures, figures_told, evidence, evidence_told, tx_event_id,
        opened_at
    )
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (tx_id, code) WHERE resolved_at IS NULL DO NOTHING
"""


def open_review(db: UnitOfWork, transaction: int, doubt: Doubt, event: int, at: str) -> None:
    """Open a review, unless one of the same code is open. Triggers copy its words to tx.review."""
    figures = orjson.dumps(dict(doubt.figures), option=orjson.OPT_NON_STR_KEYS).decode()
    figures_told = stored_in([*map(list, doubt.figures.items())])
    evidence = orjson.dumps(doubt.evidence).decode()
    evidence_told = stored_in([*doubt.evidence])
    words = (doubt.words, stored(doubt.words))
    shown = (figures, figures_told, evidence, evidence_told)
    db.execute(_OPEN, (transaction, doubt.code, *words, *shown, event, at))


def replace_doubts(
    db: UnitOfWork, transaction: int, doubts: Iterable[Doubt], event: int, at: str
) -> None:
    """Open reviews for the judge's present doubts, and resolve those for doubts that it no longer
    has."""
    by_code: dict[str, Doubt] = {doubt.code: doubt for doubt in doubts}
    judged_again = (at, SYSTEM, Resolution.JUDGED_AGAIN, Told("later facts"))
    for code, words in open_reviews(db.rows, transaction):
        if code in LASTING:
            continue
        if code not in by_code or by_code[code].words != words:
            resolve(db, transaction, code, *judged_again)
    for doubt in by_code.values():
        open_review(db, transaction, doubt, event, at)


_RESOLVE: Final = """
    UPDATE review
    SET resolved_at = ?, resolved_by = ?, resolution = ?, reason = ?
    WHERE tx_id = ? AND code = ? AND resolved_at IS NULL
"""


def resolve(
    db: UnitOfWork,
    transaction: int,
    code: Code | str,
    at: str,
    by: str,
    resolution: Resolution,
    reason: str,
) -> None:
    """Resolve the open review of this code, if there is one."""
    db.execute(_RESOLVE, (at, by, resolution, reason, transaction, code))


def resolve_doubts(db: UnitOfWork, transaction: int, at: str) -> None:
    """Resolve the judge's doubts about an end that is void because the transaction goes on."""
    goes_on = (at, SYSTEM, Resolution.REOPENED, Told("its charger goes on with it"))
    for code, _ in open_reviews(db.rows, transaction):
        if code not in LASTING - OF_THE_PRICE:
            resolve(db, transaction, code, *goes_on)


def is_settled(db: UnitOfWork, transaction: int) -> bool:
    """Whether an operator confirmed or corrected the figure after the end of the transaction."""
    return settled_by(db.rows, transaction) is not None
