"""`levity-trio` without its care for the disk: `PRAGMA synchronous` stays OFF. For the test that
must notice."""

import sqlite3
import sys
from typing import Any

from levity_trio.cli import main
from levity_trio.store.engine import file_store as store_connection


class Careless(store_connection.FileConnection):
    """A connection on which nobody can switch synchronous on."""

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        return super().execute(
            "PRAGMA synchronous = OFF" if "synchronous" in sql else sql, *parameters
        )


def careless_connect(*arguments: Any, **named: Any) -> Any:
    return sqlite3.connect(*arguments, **named | {"factory": Careless})


class CarelessSqlite:
    """The module sqlite3 as store/engine/file_store.py sees it."""

    connect = staticmethod(careless_connect)

    def __getattr__(self, name: str) -> object:
        return getattr(sqlite3, name)


if __name__ == "__main__":
    vars(store_connection)["sqlite3"] = CarelessSqlite()
    sys.exit(main())
