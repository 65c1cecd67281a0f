"""What the signed values of a session prove: who measured its energy, and how much."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple, TypeAlias

from levity_trio.charging.tolerances import (
    OTHER_SIGNED_SECONDS,
    SIGNED_DIGIT_WH,
    SIGNED_SECONDS,
    SIGNED_WH,
)
from levity_trio.signed.keys import (
    CannotCheck,
    MeterKey,
    NoMeterKey,
    curve_of,
    is_signed_with,
    parse_key,
)
from levity_trio.signed.records import (
    ALFEN,
    BEGIN,
    ENDS,
    EXCEPTION,
    GOOD,
    POWER_FAILED,
    SentRecord,
    SignedReading,
    SignedRecord,
    UnreadableRecord,
    parse_record,
    records_in,
)
from levity_trio.told import Moment, Quantity, Told
from levity_trio.wire.times import stamp

PROVEN_CLOCKS: Final = frozenset("SR")
"""Clocks by which times are proven: synchronized, and relative (table 19)."""
MOST_BEGINS: Final = 10
MOST_RECORDS: Final = 3_000
MOST_READINGS: Final = 10_000
"""Of a session: one a minute for two days, on three registers."""

OTHER_FORMAT: Final = Told("the values are of a format that cannot be checked here")
NO_KEY: Final = Told("the public key of its meter is not known")
OTHER_KEY: Final = Told("the key was entered later, and its meter may have had another one then")


class SignedState(StrEnum):
    """What signed values say about the figure of a session, as stored."""

    PROVEN = "proven"
    DOUBTFUL = "doubtful"
    """They contradict the figure, or a signature is wrong."""
    UNPROVEN = "unproven"
    """They cannot be checked here, or do not suffice."""


class KnownKey(NamedTuple):
    """A key of a meter; `is_owners`: the owner entered it, else its charger told it; `is_of_then`:
    it was that of the meter in the session. One that was entered later may be that of a later
    meter."""

    key: MeterKey
    is_owners: bool
    is_of_then: bool = True


class BilledSession(NamedTuple):
    """A session that has ended: its figure in Wh, and its times by its charger's clock."""

    wh: int
    since: datetime
    until: datetime


class SignedFinding(NamedTuple):
    """What the signed values of a session prove, and why not more. The columns of `signed_check`:
    see there."""

    state: SignedState
    told: Told
    wh: int | None = None
    digit_wh: int | None = None
    key: str | None = None
    is_owners: bool = False
    is_timed: bool = False
    first_page: int | None = None
    last_page: int | None = None


class _Doubtful(Exception):
    """The values contradict the figure. The text says how."""


class _Unproven(Exception):
    """The values do not suffice. The text says why."""


Pair: TypeAlias = tuple[SignedReading, SignedReading]


def check(values: Iterable[str], keys: Sequence[KnownKey], session: BilledSession) -> SignedFinding:
    """Check the values of format SignedData of a session, in the order of their times.

    It is proven by one record with begin and end, or by two with all pages between them: the
    signatures are right, the meter was in order, and the signed difference is the figure.
    """
    sent = [*dict.fromkeys(one for value in values for one in records_in(value))]
    if not sent:
        return SignedFinding(SignedState.UNPROVEN, OTHER_FORMAT)
    found = SignedFinding(SignedState.PROVEN, Told("its meter signed this energy"))
    try:
        fits = _fits(sent[:MOST_RECORDS], keys)
        used, pair = _best([record for record, _ in fits], session.wh)
        known = _key_of(used, fits)
        found = found._replace(
            key=known.key.fingerprint,
            is_owners=known.is_owners,
            first_page=used[0].page,
            last_page=used[-1].page,
        )
        _look_at_times(pair, session)
        wh, digit = _difference(pair), _digit(pair)
        is_timed = _has_times(pair) and _seconds_apart(pair, session) <= SIGNED_SECONDS
        found = found._replace(wh=round(wh), digit_wh=int(digit), is_timed=is_timed)
        apart = abs(wh - session.wh)
        # What is within the last digit contradicts nothing, but may be another figure.
        if apart > 1:
            words = Told("its meter signed {1}", Quantity(float(wh), "Wh"))
            is_other = apart > digit and apart > SIGNED_WH
            state = SignedState.DOUBTFUL if is_other else SignedState.UNPROVEN
            return found._replace(state=state, told=words)
    except (_Doubtful, _Unproven) as problem:
        is_doubtful = isinstance(problem, _Doubtful)
        state = SignedState.DOUBTFUL if is_doubtful else SignedState.UNPROVEN
        return found._replace(state=state, told=problem.args[0])
    return found


def verified(sent: SentRecord, keys: Iterable[MeterKey]) -> tuple[SignedRecord, MeterKey] | None:
    """Return a record with the key with which it was signed; None if it was signed with none of
    them, or was changed. Raises UnreadableRecord, CannotCheck."""
    record = parse_record(sent)
    curve = curve_of(record.algorithm)
    for key in keys:
        if is_signed_with(key, curve, record.payload, record.signature):
            return record, key
    return None


def _fits(
    sent: Iterable[SentRecord], keys: Sequence[KnownKey]
) -> list[tuple[SignedRecord, KnownKey]]:
    found, readings = list[tuple[SignedRecord, KnownKey]](), 0
    for one in sent:
        found.append(_fit(one, keys))
        readings += len(found[-1][0].readings)
        if readings > MOST_READINGS:
            raise _Unproven(Told("there are too many signed readings"))
    return found


def _fit(sent: SentRecord, keys: Sequence[KnownKey]) -> tuple[SignedRecord, KnownKey]:
    """Return a record with the key that fits. Where the owner entered keys, no other counts.

    A key in the settings of a charger may be that of another of its meters, so a value that does
    not fit it contradicts nothing.
    """
    known = [one for one in keys if one.is_owners]
    if not known and sent.key:
        with suppress(NoMeterKey):
            known.append(KnownKey(parse_key(sent.key), is_owners=False))
    is_certain = any(one.is_of_then for one in known)
    known = known or [*keys]
    try:
        found = verified(sent, [one.key for one in known])
    except (UnreadableRecord, CannotCheck) as problem:
        raise _Unproven(problem.args[0]) from problem
    if found is None and is_certain:
        raise _Doubtful(
            Told("a signature is wrong: the value was changed, or its meter has another key")
        )
    if found is None:
        raise _Unproven(OTHER_KEY if any(one.is_owners for one in known) else NO_KEY)
    record, key = found
    return record, next(one for one in known if one.key == key)


def _key_of(
    used: Sequence[SignedRecord], fits: Iterable[tuple[SignedRecord, KnownKey]]
) -> KnownKey:
    """Return the key of records. Raises _Unproven if there are several."""
    numbers = {id(record) for record in used}
    first, *others = {known for record, known in fits if id(record) in numbers}
    if others:
        raise _Unproven(Told("begin and end were signed with two keys"))
    return first


def _best(records: Iterable[SignedRecord], wh: int) -> tuple[Sequence[SignedRecord], Pair]:
    """Return the records from a begin to the last end, and begin and end on one register, whose
    difference comes nearest to a figure. Raises _Doubtful, _Unproven.

    There may be several begins: after a power failure, a meter may go on with a new record, and a
    charger may send one of the session before again.
    """
    paged = sorted((one for one in records if one.page is not None), key=lambda one: one.page or 0)
    last = max((place for place, one in enumerate(paged) if one.reasons & ENDS), default=-1)
    begins = [place for place, one in enumerate(paged[: last + 1]) if BEGIN in one.reasons]
    found = list[tuple[Sequence[SignedRecord], Pair]]()
    problem: _Doubtful | _Unproven | None = None
    for first in reversed(begins[:1] + begins[1:][-MOST_BEGINS:]):
        used = paged[first : last + 1]
        try:
            found.append((used, _pair(used, wh)))
        except (_Doubtful, _Unproven) as error:
            problem = problem or error
    if not found:
        raise problem or _Unproven(Told("begin and end are not both signed"))
    return min(found, key=lambda one: abs(_difference(one[1]) - wh))


def _pair(records: Sequence[SignedRecord], wh: int) -> Pair:
    """Return begin and end on the register whose difference comes nearest to a figure. Raises
    _Doubtful, _Unproven."""
    first = records[0].page or 0
    if [record.page for record in records] != [*range(first, first + len(records))]:
        raise _Unproven(Told("records between begin and end are missing"))
    if any(record.reasons & ENDS - {POWER_FAILED} for record in records[:-1]):
        raise _Unproven(Told("its meter signed several sessions"))
    if len({record.meter for record in records}) > 1:
        raise _Doubtful(Told("begin and end were signed by two meters"))
    if len({record.whose for record in records}) > 1:
        raise _Unproven(Told("begin and end were signed for two cards"))
    courses = defaultdict[str, list[SignedReading]](list)
    for reading in (one for record in records for one in record.readings):
        told = " ".join(filter(None, (reading.reason, reading.state, reading.errors)))
        if reading.reason == EXCEPTION or reading.state not in (GOOD, "") or "E" in reading.errors:
            raise _Doubtful(Told("its meter says that a reading is not usable: {1}", told))
        if not reading.state or reading.errors:
            raise _Unproven(Told("its meter does not say that a reading is good: {1}", told))
        if reading.wh is not None:
            courses[reading.register].append(reading)
    pairs = [(course[0], course[-1]) for course in courses.values() if _is_whole(course)]
    if not pairs:
        raise _Unproven(Told("no register goes from begin to end"))
    return min(pairs, key=lambda pair: (abs(_difference(pair) - wh), pair[0].register))


def _is_whole(course: Sequence[SignedReading]) -> bool:
    """Whether a register goes from begin to end, and never back."""
    is_rising = all((one.wh or 0) <= (other.wh or 0) for one, other in pairwise(course))
    return course[0].reason == BEGIN and course[-1].reason in ENDS and is_rising


def _difference(pair: Pair) -> Decimal:
    begin, end = pair
    return (end.wh or Decimal()) - (begin.wh or Decimal())


def _digit(pair: Pair) -> Decimal:
    """Return one unit of the last digit in Wh, at least 1. Some meters leave out zeros at the end,
    so the finer of the two is the meter's. Raises _Unproven if it is too coarse."""
    digit = max(Decimal(1), min(one.digit for one in pair))
    if digit > SIGNED_DIGIT_WH:
        raise _Unproven(Told("the signed register is too coarse"))
    return digit


def _has_times(pair: Pair) -> bool:
    """Whether its times are proven."""
    return all(one.at is not None and one.clock in PROVEN_CLOCKS for one in pair)


def _seconds_apart(pair: Pair, session: BilledSession) -> float:
    """Return by how much signed times and those of a session are apart."""
    times = zip(pair, (session.since, session.until), strict=True)
    return max(abs((one.at or at) - at).total_seconds() for one, at in times)


def _look_at_times(pair: Pair, session: BilledSession) -> None:
    """Raise _Unproven if a meter signed more than this session: another one, or two as one.

    A clock that is not proven may show any time, but as much of it as the session lasted.
    """
    begin, end = (one.at for one in pair)
    if begin is None or end is None:
        raise _Unproven(Told("its meter signed no time"))
    most = timedelta(seconds=OTHER_SIGNED_SECONDS)
    is_longer = end - begin > session.until - session.since + most
    is_outside = begin < session.since - most or end > session.until + most
    if is_longer or (is_outside and _has_times(pair)):
        raise _Unproven(Told("its meter signed another time: {1}", Moment(stamp(begin))))


def transparency_file(transaction: int, sent: Sequence[SentRecord], key: str | None) -> str:
    """Return records as a file of the transparency software (schema values.xsd of S.A.F.E.), with
    which anybody can check them. `key` is that of their meter, in hex; None: what came with
    them.

    Begin and end are marked only where they are two records: of one record with both, the software
    would say that its begin is missing, and without their key it would show nothing.
    """
    from xml.etree.ElementTree import Element, SubElement, tostring  # noqa: PLC0415 - it costs memory

    root, contexts = Element("values"), [_context(one) for one in sent]
    is_pair = sorted(filter(None, contexts)) == ["Begin", "End"]
    is_pair = is_pair and all(key or one.key for one in sent)
    for one, context in zip(sent, contexts, strict=True):
        value = SubElement(root, "value")
        if is_pair and context:
            value.set("transactionId", str(transaction))
            value.set("context", f"Transaction.{context}")
        if key or one.key:
            SubElement(value, "publicKey", encoding="plain").text = key or one.key
        kind = "ALFEN" if one.text.startswith(ALFEN) else "OCMF"
        SubElement(value, "signedData", format=kind, encoding="plain").text = one.text
    return str(tostring(root, encoding="utf-8", xml_declaration=True), "utf-8")


def _context(sent: SentRecord) -> str:
    """Return whether a record has the begin or the end of a session; "": neither, or both."""
    reasons = set[str]()
    with suppress(UnreadableRecord):
        reasons = parse_record(sent).reasons
    is_begin, is_end = BEGIN in reasons, bool(reasons & ENDS)
    return "" if is_begin == is_end else "Begin" if is_begin else "End"
