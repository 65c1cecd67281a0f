"""Commands for chargers, asked for at any of several servers, in a thread beside the load."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Collection, Sequence
from types import TracebackType
from typing import Final, Self

from levity_trio.client import Api, Refusal, Sought
from levity_trio.config import EnvironmentProblem

from .cluster import Member

PAUSE_SECONDS: Final = 0.1
PATIENCE_SECONDS: Final = 60.0
NOBODY: Final = "no server"


def _api(member: Member) -> Api:
    return Api(member.api, Sought("server", "start it"))


class Commands:
    """One after the other, to a charger and at a server that are chosen by chance, until enough."""

    def __init__(self, members: Sequence[Member], chargers: Collection[str]) -> None:
        self._members, self._chargers = members, sorted(chargers)
        self.outcomes: Counter[str] = Counter()
        """By the state in the answer, or the code of the refusal."""
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._ask_all)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.enough()
        self._thread.join()

    @property
    def is_busy(self) -> bool:
        """Whether one is under way."""
        return self._thread.is_alive()

    def enough(self) -> None:
        """Ask for no more."""
        self._is_over.set()

    def _ask_all(self) -> None:
        while True:
            self.outcomes[
                self._ask(random.choice(self._members), random.choice(self._chargers))
            ] += 1
            if self._is_over.wait(PAUSE_SECONDS):
                return

    def _ask(self, member: Member, charger: str) -> str:
        asked = ("POST", "admin", "chargers", charger, "trigger-message")
        try:
            given = {"requestedMessage": "Heartbeat"}
            return str(_api(member).ask(*asked, given=given, patience=PATIENCE_SECONDS)["state"])
        except Refusal as refusal:
            return refusal.code
        except EnvironmentProblem:
            return NOBODY
