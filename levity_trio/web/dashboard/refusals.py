"""What the API refuses to somebody who reads a page, in the words of pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

from levity_trio.locale.texts import said
from levity_trio.store.reads.pages import NoPage
from levity_trio.told import without
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.dashboard.fields import label_of
from levity_trio.web.dashboard.words import sentence
from levity_trio.web.in_process import Reply

WHOLE_BODY: Final = "body"
"""The field of a problem that is about no field alone."""


class ApiRefused(Exception):
    """The API refused a request: its problem document."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        super().__init__(str(document.get("detail", "")))
        self.status = status
        self.document = document

    @property
    def code(self) -> str:
        return str(self.document.get("code", ""))

    @property
    def field(self) -> str:
        """The field that the problem is about, "" if it is about none."""
        return str(self.document.get("field", ""))

    @property
    def told(self) -> str:
        """What the API says about it, without the name of the field."""
        return without(f"{self.field}: ", self.document.get("detail", ""))

    @property
    def words(self) -> str:
        """What to do about it, in plain words, without the name of the field."""
        return said(self.told)

    @property
    def labelled(self) -> str:
        """What to do about it, with the field in words."""
        return (
            self.words
            if self.field in ("", WHOLE_BODY)
            else f"{label_of(self.field)}: {self.words}"
        )

    @property
    def sentence(self) -> str:
        """What to do about it, with the field in words, as a sentence."""
        return sentence(self.labelled)


@contextmanager
def refusals() -> Iterator[None]:
    """Report a Problem, as the API does. Raises ApiRefused."""
    try:
        yield
    except Problem as problem:
        document = {"code": problem.code, "detail": problem.detail, **problem.members}
        raise ApiRefused(problem.status, document) from None
    except NoPage as error:
        document = {"code": "not_found", "detail": str(error), "field": error.field}
        raise ApiRefused(HTTPStatus.NOT_FOUND, document) from None


def answered(reply: Reply) -> Any:
    """Return the JSON of a reply, None if it is empty. Raises ApiRefused."""
    if reply.status >= HTTPStatus.BAD_REQUEST:
        raise ApiRefused(reply.status, reply.content or {})
    return reply.content
