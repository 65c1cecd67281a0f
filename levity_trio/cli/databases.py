"""The parameter of commands that is a database: a file, or the address of one on PostgreSQL."""

from __future__ import annotations

from typing import Final, cast

import click

from levity_trio.settings import DATABASE as SETTING
from levity_trio.settings import DatabaseAddress, Unusable


class _Database(click.ParamType[DatabaseAddress]):
    name = "DATABASE"

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> DatabaseAddress:
        """Return the address. A value that is none is an error of usage."""
        try:
            return cast("DatabaseAddress", SETTING.read(value))
        except Unusable as problem:
            self.fail(str(problem), param, context)


DATABASE: Final = _Database()
