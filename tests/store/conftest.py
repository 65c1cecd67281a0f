"""The books of a site, and one charger of it."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.store.books import Books, Station, in_memory


@pytest.fixture
def books() -> Iterator[Books]:
    with closing(in_memory()) as connection:
        yield Books(connection)


@pytest.fixture
def station(books: Books) -> Station:
    return Station(books)
