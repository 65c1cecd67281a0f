"""Asks a server outside about tags that nobody added (--authorizer).

It gets a POST of `{"idTag", "charger", "connector"}` and answers 2xx with an idTagInfo (§7.27):
`status`, and perhaps `expiryDate` and `parentIdTag`. Whatever else comes counts as no answer, and
--authorizer-away decides.
"""

from __future__ import annotations

from typing import Any, Final

import orjson
import trio

from levity_trio.access.tags import LONGEST_TAG, Status, Verdict
from levity_trio.log.output import get_logger
from levity_trio.outgoing.request import Unanswered, leading_to, post, proof_in
from levity_trio.wire.times import parse_time, stamp

AT_ONCE: Final = 20
MOST_BYTES: Final = 4096
STATUSES: Final = (Status.ACCEPTED, Status.BLOCKED, Status.EXPIRED, Status.INVALID)

log = get_logger("system")


class Authorizer:
    """The server outside. It is asked once for each tag that is presented; nothing is
    remembered."""

    def __init__(self, url: str, seconds: float) -> None:
        self._to = leading_to(url)
        self._headers = proof_in(url)
        self._seconds = seconds
        self._places = trio.Semaphore(AT_ONCE)
        self._failures = 0

    async def ask(self, id_tag: str, charger: str, connector: int | None) -> Verdict | None:
        """Return the verdict on a tag, None if there is no usable answer in time.

        The 1st, 2nd, 4th, 8th, … failure in a row is logged, and the first answer after some.
        """
        question = orjson.dumps({"idTag": id_tag, "charger": charger, "connector": connector})
        verdict, problem = None, f"no answer within {self._seconds:g} s"
        with trio.move_on_after(self._seconds):
            async with self._places:
                try:
                    response = await post(
                        self._to, self._headers, question, self._seconds, most_bytes=MOST_BYTES
                    )
                except Unanswered as error:
                    problem = str(error)
                else:
                    problem = f"status {response.status}, or no idTagInfo"
                    if 200 <= response.status < 300:
                        verdict = read_verdict(response.body)

        if verdict is None:
            self._failures += 1
            if self._failures.bit_count() == 1:
                log.warning(
                    "the authorizer gives no usable answer", reason=problem, failures=self._failures
                )
        elif self._failures:
            log.warning("the authorizer answers again", failures=self._failures)
            self._failures = 0
        return verdict


def read_verdict(body: bytes) -> Verdict | None:
    """Return the verdict in an answer, None if it has none."""
    try:
        answer: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(answer, dict) or answer.get("status") not in STATUSES:
        return None
    expiry, parent = answer.get("expiryDate"), answer.get("parentIdTag")
    moment = parse_time(expiry) if isinstance(expiry, str) else None
    expires_at = None if moment is None else stamp(moment)
    is_parent = isinstance(parent, str) and 0 < len(parent) <= LONGEST_TAG
    return Verdict(answer["status"], expires_at, parent if is_parent else None)
