"""The declaration of an operation, and what follows from it for one payload."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

from levity_trio.operations.fields import Allotted, Field, FieldProblem, Object
from levity_trio.operations.outcomes import MAY_HAVE_ARRIVED, OutcomeRule
from levity_trio.operations.situation import OpenTransaction, Situation
from levity_trio.records import record
from levity_trio.told import Told

Payload = Mapping[str, Any]
Warner = Callable[[Payload, Situation], Iterator[str]]

SECURITY_KEYS: Final = frozenset(
    {"authorizationkey", "securityprofile", "cponame", "additionalrootcertificatecheck"}
)
"""Keys of the configuration that only an admin changes (A §4), beside those named like a secret; in
lower case."""
SECRET_WORDS: Final = ("password", "secret", "token", "authorizationkey")


class OperationRole(StrEnum):
    """Who may ask for an operation; an admin may do all that an operator may."""

    OPERATOR = "operator"
    ADMIN = "admin"


class FeatureProfile(StrEnum):
    """The word of SupportedFeatureProfiles (§9.1.26). The security extension has none."""

    CORE = "Core"
    FIRMWARE = "FirmwareManagement"
    LOCAL_LIST = "LocalAuthListManagement"
    RESERVATION = "Reservation"
    SMART_CHARGING = "SmartCharging"
    TRIGGER = "RemoteTrigger"
    SECURITY = "Security"


NO_FIELDS: Final = Object()


def no_warnings(payload: Payload, situation: Situation) -> Iterator[str]:  # noqa: ARG001 - a Warner
    """Most operations need no warning of their own."""
    return iter(())


@record
class Operation:
    """One CALL to a charger. `path` is the end of its HTTP route, `section` where OCPP defines it.

    `stored` says what is kept beside the command, for people; `outcome` is None where the answer
    says it all.
    """

    action: str
    path: str
    section: str
    feature_profile: FeatureProfile
    summary: str
    payload: Object = NO_FIELDS
    role: OperationRole = OperationRole.OPERATOR
    needs_force_under_transaction: bool = False
    warner: Warner = no_warnings
    outcome: OutcomeRule | None = None
    stored: str = ""

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields of the payload."""
        return self.payload.fields

    def warn(self, payload: Payload, situation: Situation) -> list[str]:
        """Return why the charger may not do what is asked for. It is sent all the same."""
        warnings: list[str] = []
        supported = situation.words("SupportedFeatureProfiles")
        profile = self.feature_profile
        # The word of the security extension is in no list.
        if supported and profile is not FeatureProfile.SECURITY and profile not in supported:
            missing = Told("the charger does not list {1} in SupportedFeatureProfiles", profile)
            warnings.append(missing)
        warnings.extend(self.warner(payload, situation))
        return warnings


def check(operation: Operation, values: object) -> dict[str, Any]:
    """Return the payload to be sent, from values as parsed from JSON.

    Values that the server allots may be left out (`left_out`). Raises FieldProblem with the first
    fault.
    """
    return operation.payload.check(values, "")


class LeftOut(NamedTuple):
    """A value that the server has to fill in: the names that lead to it, and which value it is."""

    path: tuple[str, ...]
    allotted: Allotted


def left_out(operation: Operation, payload: Payload) -> list[LeftOut]:
    """Return the values that a checked payload leaves to the server."""
    return [*_left_out(operation.payload, payload, ())]


def as_declared(operation: Operation, values: object) -> dict[str, Any] | None:
    """Return the payload of a command as it is declared; None for one that was sent raw and is
    not."""
    try:
        payload = check(operation, values)
    except FieldProblem:
        return None
    return None if left_out(operation, payload) else payload


def _left_out(kind: Object, payload: Payload, path: tuple[str, ...]) -> Iterator[LeftOut]:
    for field in kind.fields:
        if isinstance(field.kind, Object) and (field.name in payload or field.required):
            yield from _left_out(field.kind, payload.get(field.name, {}), (*path, field.name))
        elif field.allotted and field.name not in payload:
            yield LeftOut((*path, field.name), field.allotted)


def filled(payload: Payload, path: tuple[str, ...], value: object) -> dict[str, Any]:
    """Return a copy of the payload with a value that was left out, or instead of another one."""
    name, *rest = path
    if rest:
        value = filled(payload.get(name, {}), tuple(rest), value)
    return {**payload, name: value}


def transactions_in_the_way(
    operation: Operation, payload: Payload, situation: Situation
) -> list[OpenTransaction]:
    """Return the open transactions because of which the operation is refused without force.

    A connector can be unlocked while another one charges.
    """
    if not operation.needs_force_under_transaction:
        return []
    connector = payload.get("connectorId")
    if connector is None:
        return list(situation.transactions)
    # Where a transaction is, may not be known.
    return [
        transaction
        for transaction in situation.transactions
        if transaction.connector in (None, connector)
    ]


def is_followed(operation: Operation, state: str) -> bool:
    """Whether a command in this state has an outcome to follow: its charger may have obeyed it."""
    return operation.outcome is not None and state in MAY_HAVE_ARRIVED


def role_for(operation: Operation, payload: Payload) -> OperationRole:
    """Return who may send this payload: security keys of a configuration are an admin's."""
    if operation.action == "ChangeConfiguration":
        key = str(payload.get("key", "")).casefold()
        if key.strip() in SECURITY_KEYS or any(word in key for word in SECRET_WORDS):
            return OperationRole.ADMIN
    return operation.role


def example(operation: Operation) -> dict[str, Any]:
    """Return a payload made of the examples of the required fields, and of those optional ones that
    have one."""
    return _example(operation.payload)


def _example(kind: Object) -> dict[str, Any]:
    example: dict[str, Any] = {}
    for field in kind.fields:
        if field.example is not None:
            example[field.name] = field.example
        elif field.required and isinstance(field.kind, Object):
            example[field.name] = _example(field.kind)
    return example
