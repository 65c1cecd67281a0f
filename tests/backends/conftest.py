"""Copies in memory and in virtual time: minutes of silence take milliseconds.

A copy reads and writes real books, on a connection without a thread, and dials a backend through
streams in memory. What the books run is run on PostgreSQL too.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.backends.site import Backend, Site, dialling
from tests.charger.conftest import pytest_itemcollected
from tests.store.books import Books
from tests.store.conftest import books as _books  # noqa: F401 - used by `site`

__all__ = ["pytest_itemcollected"]


@pytest.fixture
def backend() -> Iterator[Backend]:
    """A backend, which accepts all. Each address leads to it."""
    with dialling(Backend()) as there:
        yield there


@pytest.fixture
def site(_books: Books, backend: Backend) -> Site:  # noqa: F811 - a fixture
    """A site with one charger, CP-1, of which the backend is told from now on."""
    return Site(_books, backend)
