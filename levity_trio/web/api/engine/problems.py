"""The problems that the API reports: each has a code for programs and words that tell a person what
to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final, TypeAlias

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from levity_trio.documents import DocumentProblem
from levity_trio.store.beside.secret_key import NoKey
from levity_trio.store.billing.months import Refused
from levity_trio.store.engine.faults import StoreUnavailable, Unreadable
from levity_trio.store.writes.people.accounts import ChangeRefused
from levity_trio.store.writes.people.users import NotAllowed
from levity_trio.told import Told, joined
from levity_trio.web.http.problems import BodyRefused, problem

Json: TypeAlias = "Mapping[str, Json] | Sequence[Json] | str | float | bool | None"
OF_CODE: Final[Mapping[str, int]] = {
    "token_needed": 401,
    "forbidden": 403,
    "not_readable": 503,
    "not_storable": 503,
    "not_found": 404,
    "not_connected": 409,
    "not_registered": 409,
    "needs_force": 409,
    "needs_reason": 409,
    "changed": 409,
    "in_use": 409,
    "conflict": 409,
    "corrects_statements": 409,
    "not_made": 409,
    "invalid": 422,
    "not_json": 400,
    "queue_full": 429,
    "too_many_reports": 429,
    "too_many_waiting": 503,
    "too_many_streams": 503,
    "charger_error": 502,
    "unsent": 502,
    "no_answer": 504,
    "not_stored": 507,
    "wrong_state": 409,
    "already_decided": 409,
    **dict.fromkeys(("not_begun", "not_over", "no_tariff", "no_biller"), 409),
    "unreadable": 422,
    "too_large": 413,
    "too_slow": 408,
    "unfinished": 400,
    "busy": 503,
    "wrong_password": 403,
    "too_many_failures": 429,
    "too_many_log_ins": 503,
}
"""The HTTP status of each code of a problem."""


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


def refusal(code: str, words: str, **members: Json) -> Problem:
    """Return the problem of a code, with the status that this code has."""
    return Problem(OF_CODE[code], code, words, **members)


def not_found(what: str) -> Problem:
    """Return the problem for something that does not exist."""
    return refusal("not_found", Told("there is no {1}", what))


def invalid(field: str, words: str, **members: Json) -> Problem:
    """Return the problem for a field of a request that cannot be used."""
    return refusal("invalid", joined(": ", (field, words)), field=field, **members)


def conflict(words: str, **members: Json) -> Problem:
    """Return the problem for what the present state of something does not allow."""
    return refusal("conflict", words, **members)


def busy(code: str, detail: str, seconds: int) -> Problem:
    """Return a problem that may be gone after some seconds."""
    passing = refusal(code, detail)
    passing.headers["retry-after"] = str(seconds)
    return passing


def not_storable() -> Problem:
    """Return the problem while the database cannot be written."""
    words = Told("nothing can be stored at present, and nothing was done; see the server's log")
    return busy("not_storable", words, 10)


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
        raise refusal("unfinished", words) from None


_NO_KEY: Final = Told(
    "this server has no key for secrets; start all servers of the database with the same "
    "--secrets-key FILE"
)
REFUSALS: Final = (
    *(Problem, ChangeRefused, Refused, NotAllowed, NoKey, DocumentProblem),
    *(StoreUnavailable, Unreadable),
)
"""Errors that are problems of requests, wherever they are raised."""


def problem_of(error: Exception) -> Problem:
    """Return the problem that one of the refusals is."""
    match error:
        case Problem():
            return error
        case ChangeRefused() if error.field:
            words = joined(": ", (error.field, error.words))
            return refusal(error.code, words, field=error.field)
        case ChangeRefused():
            return refusal(error.code, error.words)
        case Refused():
            return Problem(HTTPStatus.CONFLICT, error.code, error.words)
        case NotAllowed():
            return refusal("forbidden", str(error))
        case NoKey():
            return conflict(_NO_KEY)
        case DocumentProblem():
            return refusal("not_made", str(error))
        case StoreUnavailable():
            return not_storable()
        case _:
            words = Told("the database cannot be read at present; try again")
            return busy("not_readable", words, 1)


async def answer_refusal(_request: Request, error: Exception) -> Response:
    """Return the response to an error that is a problem."""
    return problem_of(error).response()
