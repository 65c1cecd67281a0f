"""What is sent to a person, by mail or as a push message."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from levity_trio.records import record
from levity_trio.told import shortened

LONGEST_PROBLEM: Final = 200


@record
class Attachment:
    """A file that goes with a mail."""

    name: str
    media_type: str
    content: bytes


@record
class Letter:
    """A mail to one person. `message_id` is the same whenever it is sent again; our domain is added
    to it."""

    message_id: str
    to: str
    subject: str
    body: str
    link: str | None
    at: datetime
    attachments: Sequence[Attachment] = ()


@record
class Notice:
    """A push message. Whoever knows the topic can read it."""

    topic: str
    title: str
    body: str
    link: str | None
    is_urgent: bool = False


class Unsent(Exception):
    """A message was not taken; `problem` says why.

    `is_refused`: it never will be, whenever it is tried. `is_perhaps_sent`: the message was under
    way when the connection ended, so that the same may arrive twice if it is sent again.
    """

    def __init__(
        self, problem: str, *, is_refused: bool = False, is_perhaps_sent: bool = False
    ) -> None:
        super().__init__(problem[:LONGEST_PROBLEM])
        self.problem = shortened(problem, LONGEST_PROBLEM)
        self.is_refused = is_refused
        self.is_perhaps_sent = is_perhaps_sent
