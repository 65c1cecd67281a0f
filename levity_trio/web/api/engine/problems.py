"""The problems that the API reports: each has a code for programs and words that tell a person what
to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import TypeAlias

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from levity_trio.store.beside.secret_key import NoKey
from levity_trio.store.engine.faults import StoreUnavailable, Unreadable
from levity_trio.told import Told, joined
from levity_trio.web.http.problems import BodyRefused, problem

Json: TypeAlias = "Mapping[str, Json] | Sequence[Json] | str | float | bool | None"


class Problem(Exception):
    """A request that is refused. `members` are added to the problem document."""

    def __init__(self, status: int, code: str, detail: str, **members: Json) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.members = members
        self.headers: dict[str, str] = {}

    def response(self) -> Response:
        """Return the problem document."""
        extra = {"code": self.code, **self.members}
        return problem(self.status, self.detail, headers=self.headers, extra=extra)


def not_found(what: str) -> Problem:
    """Return the problem for something that does not exist."""
    return Problem(HTTPStatus.NOT_FOUND, "not_found", Told("there is no {1}", what))


def invalid(field: str, words: str) -> Problem:
    """Return the problem for a field of a request that cannot be used."""
    detail = joined(": ", (field, words))
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", detail, field=field)


def conflict(words: str, **members: Json) -> Problem:
    """Return the problem for what the present state of something does not allow."""
    return Problem(HTTPStatus.CONFLICT, "conflict", words, **members)


def busy(code: str, detail: str, seconds: int) -> Problem:
    """Return a problem that may be gone after some seconds."""
    passing = Problem(HTTPStatus.SERVICE_UNAVAILABLE, code, detail)
    passing.headers["retry-after"] = str(seconds)
    return passing


def not_storable() -> Problem:
    """Return the problem while the database cannot be written."""
    words = Told("nothing can be stored at present, and nothing was done; see the server's log")
    return busy("not_storable", words, 10)


@contextmanager
def needing_key() -> Iterator[None]:
    """Report that this server can keep no secret. Raises Problem."""
    try:
        yield
    except NoKey:
        words = Told(
            "this server has no key for secrets; start all servers of the database with the same "
            "--secrets-key FILE"
        )
        raise conflict(words) from None


@contextmanager
def of_upload() -> Iterator[None]:
    """Report a body that is too large, too slow, or not complete. Raises Problem."""
    try:
        yield
    except BodyRefused as error:
        code = "too_large" if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else "too_slow"
        raise Problem(error.status, code, str(error)) from None
    except ClientDisconnect:
        words = Told("the client left inside the file")
        raise Problem(HTTPStatus.BAD_REQUEST, "unfinished", words) from None


async def of_problem(_request: Request, error: Exception) -> Response:
    """Return the response to a Problem that a route raised."""
    assert isinstance(error, Problem)  # noqa: S101 - the handler is registered for Problem
    return error.response()


async def of_store(_request: Request, error: Exception) -> Response:
    """Return the response while the database cannot be written or read."""
    assert isinstance(error, StoreUnavailable | Unreadable)  # noqa: S101 - the handler is registered for both
    problem = not_storable()
    if isinstance(error, Unreadable):
        words = Told("the database cannot be read at present; try again")
        problem = busy("not_readable", words, 1)
    return problem.response()
