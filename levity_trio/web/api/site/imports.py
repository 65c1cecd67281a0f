"""Imports the history of another system while chargers are served: part by part, each in one short
write."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Final

import msgspec
import trio

from levity_trio.store.reads.levity.rows import KINDS, ImportedRows
from levity_trio.store.writes.site.imports import ImpossibleRow, take
from levity_trio.web.api.engine.endpoints import Endpoints, Request, Role, StreamedBody, Upload
from levity_trio.web.api.engine.problems import invalid, of_upload

ENDPOINTS: Final = Endpoints("imports")
PATH: Final = "/api/admin/imports/levity"
LINES: Final = "application/x-ndjson"
LONGEST_LINE: Final = 8 * 1024 * 1024
MOST_ROWS: Final = 1000
REST: Final = 0.25
"""The chargers have, after each part, this share of the time that it took. Their writes wait for
one part at most."""
TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
TIMES: Final = (
    "timestamp",
    "start_time",
    "stop_time",
    "received_at",
    "stop_received_at",
    "resolved_at",
    "last_reading_at",
)


class ImportReport(msgspec.Struct):
    """What became of the rows: how many were added, were changed there since, or were known. `ids`
    are the ids here of imported transactions, in the order of their rows."""

    added: int = 0
    changed: int = 0
    known: int = 0
    ids: list[int] = msgspec.field(default_factory=list[int])

    def add(self, part: ImportedRows) -> None:
        """Add what became of a part."""
        self.added += part.added
        self.changed += part.changed
        self.known += part.known
        self.ids += part.ids


async def _lines(body: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield the lines of a body as they arrive. Raises Problem for one that is too long."""
    rest = b""
    async for part in body:
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            yield line
        if len(rest) > LONGEST_LINE:
            raise invalid("body", f"a line has more than {LONGEST_LINE} bytes; divide it")
    yield rest


async def _import(request: Request, kind: str, line: bytes) -> ImportedRows:
    if not line.strip():
        return ImportedRows(0, 0, 0)
    row_type = KINDS[kind]
    try:
        rows: list[Any] = msgspec.json.decode(line, type=list[row_type])  # type: ignore[valid-type]  # of this kind
    except (msgspec.DecodeError, RecursionError) as error:
        raise invalid("body", f"each line is a list of rows of {kind}: {error}") from None
    if len(rows) > MOST_ROWS:
        raise invalid("body", f"a line has {len(rows)} rows; give at most {MOST_ROWS}")
    for name in TIMES:
        if name in row_type._fields:
            times = (getattr(row, name) for row in rows)
            if not all(time is None or TIME.fullmatch(time) for time in times):
                raise invalid(name, "give a time such as 2026-03-01T12:00:00.000Z")
    try:
        return await request.commit(take, kind, rows, request.api.stamp())
    except ImpossibleRow as error:
        raise invalid("body", f"a row cannot be stored: {error}") from None


def _declare(kind: str) -> None:
    summary = (
        f"Import {kind} of Levity: each line is a list of rows, and each row a list of its fields"
    )

    @ENDPOINTS.post(f"{PATH}/{kind}", Role.ADMIN, summary=summary, body=StreamedBody(LINES))
    async def import_rows(request: Upload) -> ImportReport:
        """Import the parts of a body, one line each. What came before a faulty line stays: it may
        be imported again."""
        report = ImportReport()
        async with request.api.places.wait(), aclosing(_lines(request.body)) as lines:
            with of_upload():
                async for line in lines:
                    began = trio.current_time()
                    report.add(await _import(request, kind, line))
                    await trio.sleep(REST * (trio.current_time() - began))
        return report


for _kind in KINDS:
    _declare(_kind)
