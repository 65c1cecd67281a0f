"""What the server knows of a charger when an operation is asked for. Warnings depend on it;
refusals hardly do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import NamedTuple

from levity_trio.operations.fields import FieldProblem
from levity_trio.records import record
from levity_trio.told import Told
from levity_trio.wire import configuration


class KnownConnector(NamedTuple):
    """A connector with its last status. `current_type` is AC or DC, None if the operator has not
    told it."""

    number: int
    status: str
    current_type: str | None = None


class OpenTransaction(NamedTuple):
    """A transaction that has not ended; its connector and tag may be unknown."""

    id: int
    connector: int | None
    id_tag: str | None


class ReservationInForce(NamedTuple):
    """A reservation that is in force. `members` are the tags of its group."""

    id: int
    connector: int
    id_tag: str
    parent_id_tag: str | None = None
    members: tuple[str, ...] = ()


@record
class Situation:
    """A charger at one moment.

    `connectors` does not contain connector 0. `configuration` has the values as last read,
    `read_only` the keys that the charger says are read-only. `list_version` is that of the local
    list, None if it is unknown. `is_managed`: load management limits it.
    """

    now: datetime
    is_connected: bool = True
    firmware: str | None = None
    connectors: tuple[KnownConnector, ...] = ()
    transactions: tuple[OpenTransaction, ...] = ()
    reservations: tuple[ReservationInForce, ...] = ()
    configuration: Mapping[str, str | None] = field(default_factory=dict)
    read_only: frozenset[str] = frozenset()
    list_version: int | None = None
    is_managed: bool = False

    def connector(self, number: int) -> KnownConnector | None:
        """Return a known connector."""
        return next(
            (connector for connector in self.connectors if connector.number == number), None
        )

    def transaction_on(self, connector: int) -> OpenTransaction | None:
        """Return the open transaction of a connector."""
        return next(
            (open_one for open_one in self.transactions if open_one.connector == connector), None
        )

    def number(self, key: str) -> int | None:
        """Return a configuration value that is a whole number, None if it is unknown or something
        else."""
        return configuration.number(self.configuration, key)

    def words(self, key: str) -> frozenset[str]:
        """Return the words of a configuration value that is a list with commas; empty if it is
        unknown."""
        return frozenset(configuration.words(self.configuration, key))

    def is_false(self, key: str) -> bool:
        """Whether a configuration value is known to be false."""
        return (self.configuration.get(key) or "").strip().casefold() == "false"


def only_transaction(situation: Situation) -> int:
    """Return the id of the only open transaction. Raises FieldProblem if there is none, or more
    than one."""
    open_ones = situation.transactions
    if len(open_ones) == 1:
        return open_ones[0].id
    ids = ", ".join(str(one.id) for one in open_ones)
    words = Told("is missing, and no session is open: give its id")
    if open_ones:
        words = Told("is missing, and {1} sessions are open: give one of {2}", len(open_ones), ids)
    raise FieldProblem("transactionId", words)
