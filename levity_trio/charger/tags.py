"""Brings the tags into memory, before the first charger connects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from levity_trio.access.tags import Index, Unknown
from levity_trio.charger.central import Central
from levity_trio.config import ConfigError
from levity_trio.log_output import get_logger
from levity_trio.store.reads import Reader
from levity_trio.store.reads.tags import KeyedTag, tags_after
from levity_trio.store.writes import tags
from levity_trio.wire.times import stamp

ROWS_AT_ONCE: Final = 1000
log = get_logger("system")


async def load_tags(central: Central, reader: Reader) -> None:
    """Finish what an earlier run began to import, and bring all tags into memory.

    Raises ConfigError if --tag-strip makes two tags the same one.
    """
    if central.policy.unknown is Unknown.ACCEPT and not central.policy.has_authorizer:
        log.warning("every tag may charge that is not blocked or expired; see --unknown-tags")
    await central.writer.run(tags.discard_unaccepted)
    while await central.writer.run(tags.apply_part, central.policy, stamp(central.clock())) is not None:
        pass
    changed: list[tuple[int, str]] = []
    last = 0
    while rows := await reader.run(partial(tags_after, last=last, most=ROWS_AT_ONCE)):
        changed += _put(central.tags, rows)
        last = rows[-1].id
    if changed:
        await central.writer.run(tags.rekey, central.policy, changed)


def _put(index: Index, rows: Sequence[KeyedTag]) -> Iterator[tuple[int, str]]:
    """Keep tags in memory; yield the ids and normal forms of those that are stored with another one."""
    for row in rows:
        key = index.policy.key(row.id_tag)
        if index.find(key) is not None:
            raise ConfigError(
                f"--tag-strip makes {row.id_tag!r} the same as another tag; remove one of them first"
                " (levity-trio tag remove), or choose another expression"
            )
        index.put(key, row.tag)
        if key != row.key:
            yield row.id, key
