"""Keeps the tags in memory: loads them before the first charger connects, and applies imports.

An import is staged, accepted and applied in parts, each followed by a rest as long as it took, so that no charger waits
for 100,000 rows. A task applies what was accepted, whether its asker stays or not; what it leaves, the next start does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import trio

from levity_trio.access.tags import Index, Unknown
from levity_trio.clock import Clock
from levity_trio.config import ConfigError
from levity_trio.log.output import get_logger
from levity_trio.store.engine.database import parts
from levity_trio.store.engine.retrying import surviving
from levity_trio.store.engine.writer import Writer
from levity_trio.store.reads import Reader
from levity_trio.store.reads.belongings import owned_tags_after
from levity_trio.store.reads.places import load_places
from levity_trio.store.reads.tags import KeyedTag, tags_after
from levity_trio.store.reads.wallets import limits_reached, spent_accounts, tags_owned_after
from levity_trio.store.writes import limits, ownership, tags
from levity_trio.store.writes.ownership import SameTag
from levity_trio.store.writes.tags import Change, TagInUse
from levity_trio.wire.times import stamp

PART_ROWS: Final = 100
ROWS_AT_ONCE: Final = 1000
LINES: Final = 1000
RETRY_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 5.0
log = get_logger("system")


@dataclass(slots=True)
class Report:
    """What an import does: how many tags it adds, changes and leaves the same, and the first LINES of these in order.

    `is_withdrawn` is whether a tag may no longer charge.
    """

    counts: Counter[str] = field(default_factory=Counter)
    results: list[str] = field(default_factory=list)
    is_withdrawn: bool = False
    done: trio.Event = field(default_factory=trio.Event)


class TagImports:
    """Imports of tags, one after the other."""

    def __init__(self, writer: Writer, index: Index, clock: Clock) -> None:
        self._writer = writer
        self._index = index
        self._clock = clock
        self._server = writer.sharing.server
        self._accepted = trio.Event()
        self._turn = trio.Lock()
        self._report = Report()
        self._report.done.set()

    async def read_again(self, reader: Reader) -> None:
        """Read all tags after each import, until cancelled: another server may have made it."""
        known = 0
        while True:
            await trio.sleep(RETRY_SECONDS)
            if (imports := self._index.imports) != known:
                with surviving("imported tags could not be read"):
                    await _read(reader, self._index)
                    known = imports

    async def run(self, fields: Sequence[str], rows: Sequence[Sequence[object]], by: str) -> Report:
        """Import tags; the rows have values for these fields of TagData. Raises StoreUnavailable."""
        async with self._turn:
            await self._report.done.wait()  # of one whose asker left
            number = await self._stage(fields, rows, by)
            self._report = report = Report()
            try:
                with trio.CancelScope(shield=True):  # short: it ends with the writer's own deadline
                    await self._writer.run(tags.accept, self._server, number, len(rows), by)
            finally:
                self._accepted.set()
            await report.done.wait()
            return report

    async def _stage(self, fields: Sequence[str], rows: Sequence[Sequence[object]], by: str) -> int:
        number = await self._writer.run(tags.begin_import, self._server, by)
        for part in parts(rows, PART_ROWS):
            began = trio.current_time()
            await self._writer.run(tags.stage, self._server, number, fields, part, by)
            await trio.sleep(trio.current_time() - began)
        return number

    async def apply(self) -> None:
        """Apply accepted imports, until cancelled."""
        while True:
            await self._accepted.wait()
            self._accepted = trio.Event()
            await self._apply_all()
            self._report.done.set()

    async def apply_those_of_others(self) -> None:
        """Apply what was taken over from servers that are gone, until cancelled."""
        while True:
            await trio.sleep(LOOK_SECONDS)
            async with self._turn:
                await self._report.done.wait()
                await self._apply_all()

    async def _apply_all(self) -> None:
        is_all = False
        while not is_all:
            pause = RETRY_SECONDS
            with surviving("accepted tags could not be imported"):
                began, at = trio.current_time(), stamp(self._clock())
                changes = await self._writer.run(tags.apply_part, self._server, self._index.policy, at)
                self._follow(changes or ())
                is_all, pause = changes is None, trio.current_time() - began
            await trio.sleep(pause)

    def _follow(self, changes: Iterable[Change | None]) -> None:
        report, policy, at = self._report, self._index.policy, stamp(self._clock())
        for change in changes:
            report.counts["failed" if change is None else change.word] += 1
            if len(report.results) < LINES:
                report.results.append("failed" if change is None else change.word)
            if change is None:
                continue
            key = policy.key(change.after.id_tag)
            before = None if change.before is None else change.before.tag
            self._index.put(key, change.after.tag)
            report.is_withdrawn = report.is_withdrawn or policy.is_withdrawn(key, before, change.after.tag, at)


@asynccontextmanager
async def open_tags(writer: Writer, reader: Reader, index: Index, clock: Clock) -> AsyncIterator[TagImports]:
    """Finish what an earlier run began to import, bring all tags into memory, and apply imports while the block runs.

    Raises ConfigError if --tag-strip makes two tags the same one.
    """
    if index.policy.unknown is Unknown.ACCEPT and not index.policy.has_authorizer:
        log.warning("every tag may charge that is not blocked or expired; see --unknown-tags")
    server = writer.sharing.server
    await writer.run(tags.take_over, "", server)  # of a file, before it was moved
    while await writer.run(tags.apply_part, server, index.policy, stamp(clock())) is not None:
        pass
    await _load(writer, reader, index)
    await _rekey_owned(writer, reader, index)
    await _load_owned(reader, index, stamp(clock()))
    imports = TagImports(writer, index, clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(imports.apply)
        if not writer.sharing.is_alone:
            nursery.start_soon(imports.read_again, reader)
            nursery.start_soon(imports.apply_those_of_others)
        yield imports
        nursery.cancel_scope.cancel()


async def _load(writer: Writer, reader: Reader, index: Index) -> None:
    if changed := await _read(reader, index):
        try:
            await writer.run(tags.rekey, index.policy, changed)
        except TagInUse as same:
            raise ConfigError(
                f"--tag-strip makes {same.args[0]!r} the same as another tag; remove one of them first"
                " (levity-trio card remove), or choose another expression"
            ) from None


async def _read(reader: Reader, index: Index) -> list[tuple[int, str, str]]:
    """Bring all tags into memory; return those that are stored with another normal form: id, ours, and the tag.

    Tags change meanwhile, here and at other servers. A page has what was in memory before it was asked for, or what is
    newer; what comes into memory while it is read may be newer than the page, so it stays. If an import was newer
    still, its TagsImported is yet to come, and then all is read again.
    """
    changed: list[tuple[int, str, str]] = []
    last = 0
    while rows := await _read_page(reader, index, last):
        changed += [(row.id, key, row.id_tag) for key, row in rows if key != row.key]
        last = rows[-1][1].id
    return changed


async def _read_page(reader: Reader, index: Index, last: int) -> list[tuple[str, KeyedTag]]:
    with index.noting() as newer:
        found = await reader.run(partial(tags_after, last=last, most=ROWS_AT_ONCE))
    rows = [(index.policy.key(row.id_tag), row) for row in found]
    for key, row in rows:
        if key not in newer:
            index.put(key, row.tag)
    return rows


async def _load_owned(reader: Reader, index: Index, at: str) -> None:
    """Bring into memory whose tags are, which may not charge now, and who may charge where."""
    last = 0
    with index.loading():
        index.wallets.load((), await reader.run(spent_accounts), await reader.run(partial(limits_reached, at=at)))
        while owned := await reader.run(partial(tags_owned_after, last=last, most=ROWS_AT_ONCE)):
            index.wallets.load(owned, ())
            last = owned[-1].id
        index.places.load(*await reader.run(load_places))


async def _rekey_owned(writer: Writer, reader: Reader, index: Index) -> None:
    """Bring the normal forms of tags that belong to accounts up to date. Raises ConfigError."""
    changed: list[tuple[int, str, str]] = []
    last = 0
    while rows := await reader.run(partial(owned_tags_after, last=last, most=ROWS_AT_ONCE)):
        last = rows[-1].id
        keyed = [(row.id, index.policy.key(row.id_tag), row) for row in rows]
        changed += [(number, key, row.id_tag) for number, key, row in keyed if key != row.key]
    await writer.run(limits.rekey, index.policy)
    if not changed:
        return
    try:
        await writer.run(ownership.rekey, changed)
    except SameTag as same:
        raise ConfigError(
            f"--tag-strip makes {same.args[0]!r} the same as another tag of an account at the same time; take one of"
            " them first (levity-trio household take), or choose another expression"
        ) from None
