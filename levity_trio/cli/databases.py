"""The parameter of commands that is a database: a file, or the address of one on PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import click

from levity_trio.config.settings import DATABASE, DatabaseAddress, Unusable


def read_database(_context: click.Context, _parameter: click.Parameter, value: str | None) -> DatabaseAddress | None:
    """Return the address that was given, for `callback`. A value that is none is an error of usage."""
    try:
        return None if value is None else cast("DatabaseAddress", DATABASE.read(value))
    except Unusable as problem:
        raise click.BadParameter(str(problem)) from None


def place(database: DatabaseAddress) -> dict[str, str]:
    """Return where a database is, for programs."""
    return {"file": str(database.resolve())} if isinstance(database, Path) else {"database": str(database)}
