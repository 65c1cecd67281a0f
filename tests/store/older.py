"""Databases of earlier versions of the schema, made by its steps as programs of their time did."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, Final

import pytest

from levity_trio.store.engine import schema as of_file
from levity_trio.store.engine.schema import migrations, statements
from levity_trio.store.postgresql import dialect
from levity_trio.store.postgresql import schema as of_postgresql

_REWRITES: Final = re.compile(
    r"\s*(--[^\n]*\s*)*(UPDATE|DELETE|WITH|INSERT INTO \w+ \([\w, \n]+\)\s+(SELECT|WITH))"
)
"""A statement that changes or copies rows, of which a new database has none. PostgreSQL lacks some
of the functions that they use."""


Step = Sequence[str]


def making(version: int) -> Sequence[Step]:
    """Return the statements of each step up to a version, without those that change rows."""
    return [
        [one for one in statements(path.read_text(encoding="utf-8")) if not _REWRITES.match(one)]
        for number, path in migrations()
        if number <= version
    ]


@contextmanager
def program_of(version: int) -> Iterator[None]:
    """Let this program be that of an earlier schema.

    It knows no later step, and makes a new database by the steps, because the pages are of now.
    """
    known = [(number, path) for number, path in migrations() if number <= version]
    steps = making(version)

    def migration(script: Any) -> Iterator[str]:
        """Add the foreign keys of each step at its end: a later step may drop the table."""
        for step in steps if script is steps else [script]:
            yield from dialect.migration(step)

    with pytest.MonkeyPatch.context() as then:
        then.setattr(of_file, "migrations", lambda: known)
        then.setattr(of_file, "creation", lambda: chain.from_iterable(steps))
        then.setattr(of_postgresql, "migrations", lambda: known)
        then.setattr(of_postgresql, "creation", lambda: steps)
        then.setattr(of_postgresql, "migration", migration)
        yield


_CONTACTS: Final = (
    ("Anna", "anna.b+flat@mail.example.org"),
    ("Ben", "0151 2345 or ben@example.org"),
    ("Cleo", "cleo@example"),
    ("Dora", "dora@example.org, dan@example.org"),
    ("Emil", None),
    ("Finn", "finn..x@example.org"),
)
CONTACTS: Final = (
    "INSERT INTO account (name, contact, since, created_at, created_by, updated_at) VALUES "
    + ", ".join(
        f"('{name}', {'NULL' if contact is None else repr(contact)}, '', '', '', '')"
        for name, contact in _CONTACTS
    )
)
"""Adds households of before they had a mail address."""
MAILS: Final = [(name, contact if name == "Anna" else None, contact) for name, contact in _CONTACTS]
"""What these have afterwards: name, mail and contact."""
