"""The lists of tags, and the tags in memory while imports run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import trio

from levity_trio.access.tags import Index, Policy, Unknown
from levity_trio.events import TagsImported
from levity_trio.store.engine.writer import Writer
from levity_trio.store.reads.pages import WantedPage
from levity_trio.store.reads.people.households import (
    TagFilters,
    asked_tags,
    periods,
    tags,
    tags_in_order,
)
from levity_trio.store.upkeep import following
from levity_trio.store.upkeep.following import open_tags
from levity_trio.store.writes.people import tags as writes
from levity_trio.store.writes.people.tags import TagData
from tests.charger.parts import InlineWriter
from tests.store.books import Books, Station
from tests.store.reading import SlowReader, reading
from tests.store.template import new_database

EXPIRED, LATER = "2026-02-01T00:00:00.000Z", "2027-02-01T00:00:00.000Z"


@pytest.fixture
def neighbours(books: Books) -> Books:
    for data in (
        TagData(id_tag="Card-1", name="Anna", parent_id_tag="Flat-3"),
        TagData(id_tag="card-2", name="Ben", parent_id_tag="flat-3", status="Blocked"),
        TagData(id_tag="Key", name="Cleo", expires_at=EXPIRED),
        TagData(id_tag="Lost", expires_at=LATER),
    ):
        books.run(writes.add, books.policy, data, books.at, "anna")
    books.run(writes.change, books.policy, "lost", {"name": "Dora"}, books.at, "anna")
    return books


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, ["Card-1", "card-2", "Key", "Lost"]),
        ({"status": "Blocked"}, ["card-2"]),
        ({"parent": "FLAT-3"}, ["Card-1", "card-2"]),
        ({"expired": True}, ["Key"]),
        ({"expired": False}, ["Card-1", "card-2", "Lost"]),
        ({"search": "CARD"}, ["Card-1", "card-2"]),
        ({"search": "dora"}, ["Lost"]),
        ({"search": "dora", "sees_names": False}, []),
        ({"search": "%"}, []),
    ],
)
def test_the_list(neighbours: Books, filters: dict[str, Any], found: list[str]) -> None:
    with reading(neighbours) as db:
        page = tags(db, TagFilters(now=neighbours.at, **filters), WantedPage())
    assert [one.id_tag for one in page.data] == found
    assert page.total == len(found)


def test_pages_and_all(neighbours: Books) -> None:
    with reading(neighbours) as db:
        first = tags(db, TagFilters(now=neighbours.at), WantedPage(limit=3))
        rest = tags(
            db, TagFilters(now=neighbours.at), WantedPage(limit=3, cursor=first.next_cursor)
        )
        assert [one.id_tag for one in rest.data] == ["Lost"]
        assert [one.name for one in periods(db, "lost")] == ["Dora", None]
        assert [one.id_tag for one in tags_in_order(db)] == ["Card-1", "card-2", "Key", "Lost"]


def test_who_waits(books: Books, station: Station) -> None:
    for name in ("One", "Two"):
        books.wait(1)
        station.write(writes.ask, name.lower(), name)
    with reading(books) as db:
        assert [one.id_tag for one in asked_tags(db, books.at)] == ["Two", "One"]


# Imports in memory


class Memory:
    """The tags of a site in memory, on a writer without a thread."""

    def __init__(self, books: Books, path: Path) -> None:
        self.books = books
        self.index = Index(Policy(Unknown.REFUSE))
        self.writer = InlineWriter(books.connection)
        self.writer.publish = self.index.observe
        self.reader = SlowReader(path)

    def open(self) -> Any:
        return open_tags(cast(Writer, self.writer), self.reader, self.index, lambda: self.books.now)


@pytest.fixture
def memory(tmp_path: Path) -> Any:
    with new_database(tmp_path / "site.db") as connection:
        yield Memory(Books(connection), tmp_path / "site.db")


async def test_an_import_is_in_memory_once_it_was_read(memory: Memory) -> None:
    rows = [("T1", "Accepted"), ("T2", "Blocked")]
    async with memory.open() as read_imported:
        memory.books.run(
            writes.take, memory.books.policy, ("id_tag", "status"), rows, memory.books.at, "anna"
        )
        memory.index.observe(memory.books.facts[-1])
        assert len(memory.index) == 0
        await read_imported()
        assert [memory.index.judge(name, memory.books.at).status for name in ("T1", "T2")] == [
            "Accepted",
            "Blocked",
        ]
    async with memory.open():
        assert len(memory.index) == 2


# Tags that another server changes


def add(memory: Memory, *names: str) -> None:
    for name in names:
        memory.books.run(
            writes.add, memory.books.policy, TagData(id_tag=name), memory.books.at, "anna"
        )


def change(memory: Memory, name: str, **fields: str) -> None:
    memory.books.run(writes.change, memory.books.policy, name, fields, memory.books.at, "anna")
    memory.index.observe(memory.books.facts[-1])


def remove(memory: Memory, name: str) -> None:
    memory.books.run(writes.remove, memory.books.policy, name, memory.books.at, "anna")
    memory.index.observe(memory.books.facts[-1])


def status(memory: Memory, name: str) -> str:
    return memory.index.judge(name, memory.books.at).status


async def test_a_tag_that_changes_while_a_start_reads(memory: Memory) -> None:
    add(memory, "One", "Two", "Three")

    def meanwhile() -> None:
        change(memory, "One", status="Blocked")
        change(memory, "Two", id_tag="TWO")
        remove(memory, "Three")

    memory.reader.meanwhile = [meanwhile]
    async with memory.open():
        assert [status(memory, name) for name in ("One", "Two", "Three")] == [
            "Blocked",
            "Accepted",
            "Invalid",
        ]
        assert len(memory.index) == 2


async def test_a_tag_that_changes_while_all_are_read_again(
    memory: Memory, monkeypatch: Any
) -> None:
    """Nothing that was blocked or removed may charge again because an older page has it."""
    monkeypatch.setattr(following, "TAGS_SECONDS", 0.01)
    add(memory, "One", "Two")

    def meanwhile() -> None:
        change(memory, "One", status="Blocked")
        remove(memory, "Two")

    async with memory.open():
        add(memory, "Imported")
        memory.reader.meanwhile = [meanwhile]
        memory.index.observe(TagsImported(charger=None, at=memory.books.at, count=1, by="anna"))
        with trio.fail_after(60):
            while status(memory, "Imported") != "Accepted":  # noqa: ASYNC110 - until all are read again
                await trio.sleep(0.001)
        assert [status(memory, name) for name in ("One", "Two")] == ["Blocked", "Invalid"]
