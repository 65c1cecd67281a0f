# ruff: noqa: E501 - a text is a line
"""The sentences that databases of before schema 091 have, as texts. Only that step of the schema uses them.

They are compared with the templates of that time, once. What fits none stays as it stands: somebody wrote it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any, Final, NamedTuple

from levity_trio.store.engine.database import DatabaseConnection, marks
from levity_trio.told import (
    N_,
    Amount,
    Bare,
    Day,
    Figure,
    Moment,
    Quantity,
    Told,
    Value,
    beside,
    joined,
    stored,
    stored_in,
)

AT_ONCE: Final = 1000
"""Rows that are read at once."""


class _SentenceColumn(NamedTuple):
    """A column of sentences, the key of its table, where their texts go, and what is stored there; None: nothing."""

    table: str
    key: Sequence[str]
    name: str
    to: str
    kept: Callable[[str], str | None]


def convert(connection: DatabaseConnection) -> None:
    """Store the sentences of a database as texts, in the transaction that has begun."""
    for column in _COLUMNS:
        change = f"UPDATE {column.table} SET {column.to} = ? WHERE {' AND '.join(f'{name} = ?' for name in column.key)}"  # noqa: S608
        for key, sentence in _rows(connection, column):
            if (kept := column.kept(sentence)) is not None:
                connection.execute(change, (kept, *key))


def _rows(
    connection: DatabaseConnection, column: _SentenceColumn
) -> Iterator[tuple[Sequence[Any], str]]:
    key = ", ".join(column.key)
    after: tuple[Any, ...] = ()
    while True:
        later = f"AND ({key}) > ({marks(after)})" if after else ""
        wanted = f"SELECT {key}, {column.name} FROM {column.table} WHERE {column.name} IS NOT NULL {later} ORDER BY {key}"  # noqa: S608
        found = connection.execute(f"{wanted} LIMIT {AT_ONCE}", after).fetchall()
        for *of_row, sentence in found:
            yield of_row, sentence
        if len(found) < AT_ONCE:
            return
        after = tuple(found[-1][:-1])


def _in_place(sentence: str) -> str:
    return stored(of_before(sentence))


def _beside(sentence: str) -> str | None:
    return beside(of_before(sentence))


def _steps(steps: str) -> str:
    return stored_in([one | {"words": of_before(one["words"])} for one in json.loads(steps)])


def _figures(figures: str) -> str:
    """Return the figures of candidates as they are stored: pairs, because a name is a text."""
    return stored_in([[of_before(name), wh] for name, wh in json.loads(figures).items()])


def _evidence(evidence: str) -> str:
    return stored_in([of_before(str(one)) for one in json.loads(evidence)])


_ID: Final = ("id",)
_COLUMNS: Final = (
    _SentenceColumn("review", _ID, "words", "told", _in_place),
    _SentenceColumn("review", _ID, "evidence", "evidence_told", _evidence),
    _SentenceColumn("review", _ID, "figures", "figures_told", _figures),
    _SentenceColumn("tx_event", _ID, "reason", "told", _beside),
    _SentenceColumn("set_aside", _ID, "reason", "told", _beside),
    _SentenceColumn("position", _ID, "reason", "told", _beside),
    _SentenceColumn("command", _ID, "outcome_words", "outcome_words", _in_place),
    _SentenceColumn("load_trial", _ID, "steps", "steps", _steps),
    _SentenceColumn("turned_away", ("subject",), "reason", "reason", _in_place),
    _SentenceColumn("message", _ID, "problem", "problem", _in_place),
    _SentenceColumn("recipient", _ID, "mail_problem", "mail_problem", _in_place),
    _SentenceColumn("webhook_waiting", ("webhook_id", "cp_id"), "problem", "problem", _in_place),
    _SentenceColumn("webhook_given_up", _ID, "problem", "problem", _in_place),
    _SentenceColumn("local_list_kept", ("cp_id",), "problem", "problem", _in_place),
    _SentenceColumn("cause", _ID, "words", "words", _in_place),
    _SentenceColumn("securing", _ID, "problem", "problem", _in_place),
    _SentenceColumn("mqtt", _ID, "problem", "problem", _in_place),
)


def of_before(sentence: str) -> str:
    """Return a sentence as a text, as it stands if it was none of the program. Several may stand there: a; b."""
    parts, found = sentence.split("; "), list[str]()
    while parts:
        heads = ((count, _text_of("; ".join(parts[:count]))) for count in range(len(parts), 0, -1))
        count, text = next(
            ((count, text) for count, text in heads if text is not None), (1, parts[0])
        )
        found.append(text)
        del parts[:count]
    if not any(isinstance(one, Told) for one in found):
        return sentence
    return found[0] if len(found) == 1 else joined("; ", found)


def _text_of(sentence: str) -> Told | None:
    for one in _patterns():
        gaps = _gaps(sentence, one.around)
        if gaps is None:
            continue
        try:
            return Told(
                one.text, *(_KINDS[kind](gap) for kind, gap in zip(one.kinds, gaps, strict=True))
            )
        except (ArithmeticError, ValueError):  # the gap has no such value: it is another text
            continue
    return None


class _Pattern(NamedTuple):
    """What stood around the gaps of a text, of which kinds their values are, and its template of now."""

    around: Sequence[str]
    kinds: Sequence[str]
    text: str


def _gaps(sentence: str, around: Sequence[str]) -> Sequence[str] | None:
    """Return what stands in the gaps of a text, None if it is another one. It takes linear time."""
    if len(around) == 1:
        return () if sentence == around[0] else None
    first, *between, last = around
    at, end, gaps = len(first), len(sentence) - len(last), list[str]()
    if at > end or not sentence.startswith(first) or not sentence.endswith(last):
        return None
    for part in between:
        begin = sentence.find(part, at, end)
        if begin < 0:
            return None
        gaps.append(sentence[at:begin])
        at = begin + len(part)
    gaps.append(sentence[at:end])
    return gaps if all(gaps) else None


@cache
def _patterns() -> Sequence[_Pattern]:
    """Return all templates, the most particular ones first."""
    texts = dict(zip(_SAME, _SAME, strict=True)) | _OTHERS
    found = [
        _Pattern(_GAP.split(old)[::3], _GAP.split(old)[2::3], text) for old, text in texts.items()
    ]
    return sorted(found, key=lambda one: -sum(map(len, one.around)))


_GAP: Final = re.compile(r"\{(\d)(?::(\w+))?\}")
_NUMBER: Final = re.compile(r"0|-?[1-9]\d{0,14}")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_QUANTITY: Final = re.compile(r"(-?\d{1,15}) (Wh|W|s)")
_AMOUNT: Final = re.compile(r"(-?\d{1,15}(?:\.\d{1,6})?) ([A-Z]{3})")


def _name(gap: str) -> Value:
    """A name, a count or a time."""
    if _TIME.fullmatch(gap):
        return Moment(gap)
    return int(gap) if _NUMBER.fullmatch(gap) else gap


def _text(gap: str) -> Value:
    """Another text of the program, a quantity or an amount."""
    if found := _AMOUNT.fullmatch(gap):
        return Amount(Decimal(found[1]), found[2])
    if found := _QUANTITY.fullmatch(gap):
        return Quantity(int(found[1]), found[2])
    return of_before(gap)


def _figure(gap: str) -> Value:
    value = Figure(float(gap), len(gap.partition(".")[2]))
    return value if str(value) == gap else gap


_KINDS: Final[dict[str | None, Callable[[str], Value]]] = {
    None: _name,
    "t": _text,
    "f": _figure,
    "d": lambda gap: Day(date.fromisoformat(gap)),
    "Wh": lambda gap: Quantity(int(gap), "Wh"),
    "W": lambda gap: Quantity(int(gap), "W"),
    "s": lambda gap: Quantity(int(gap), "s"),
    "bare": lambda gap: Bare(int(gap), "Wh"),
    "min": lambda gap: Told("{1} minute", int(gap), many="{1} minutes"),
}


# Texts that are the same now, with the kinds of their values: {1:t} is another text, {1:Wh} a quantity
_SAME: Final = N_(
    (
        "its registers are always old",
        "as reported",
        "by the other stop",
        "what flowed after the last reading until the stop is not known",
        "as those before",
        "the register would run backwards",
        "it would overlap a neighbour",
        "the energy fits no battery",
        "less likely",
        N_("impossible"),
        "outlying readings left out: {1}",
        "the register made an implausible step",
        N_("unknown"),
        "start is",
        "stop is",
        "readings are",
        "start and stop are",
        "the readings are those of another counter",
        "the readings contradict start, stop and power",
        "the register continued at 0 after {1}",
        "the register was reset to 0",
        "the meter was swapped",
        "Transaction.Begin or Transaction.End is wrong",
        "the power is that of one of {1} phases",
        "nothing was sent",
        "state of charge from {1} to {2} %",
        "all other readings",
        "energy after the last reading is unknown",
        "its readings after a boot do not name it",
        "the stop has no register",
        "closed by the system",
        "no stop",
        "start time",
        "stop time",
        "Available",
        "readings, but none of the register",
        "no readings",
        "after the start",
        "before the stop",
        "all other steps and powers",
        "Transaction.Begin {1}, End {2}",
        "another meter's serial number in a boot",
        "the register was higher since, and nothing shows a reset",
        "from the next register",
        "between the neighbours",
        "the registers are in kWh but sent as Wh",
        "the registers are in Wh but sent as kWh",
        "sent as {1} and {2}",
        "whole Wh by the specification",
        "without what the other one charged",
        "with what is missing",
        "more energy than possible in the time",
        "the register rose faster than the power allows",
        "the register rose far faster at one end than otherwise",
        "faster than this charger, or any AC charger, is known to deliver",
        "it goes on from registers whose scale is in doubt, and has neither readings nor power",
        "its registers are outside both neighbours: the register was not reset",
        "the power is in kW but sent as W",
        "start or stop differs from Transaction.Begin or Transaction.End",
        "the register rose by less than the intervals add up to",
        "the register does not rise as the power implies",
        "the register stood still while power was reported",
        "the register rose far faster than the power allows",
        "the register does not agree with many reports of power",
        "stop is earlier than start",
        "the charger's clock stood still: the duration is unknown",
        "the connector was available before the end",
        "a register is not a number",
        "a register in Wh has a fraction",
        "its connector is available",
        "no sign of it in a week",
        N_("certain"),
        N_("doubtful"),
        "later facts",
        "judged again",
        "it could not be judged again after later facts",
        "{1} judgements in a row changed figures around it, so it was not judged again",
        "a second stop came with other values",
        "started with {1}",
        "stopped with {1}",
        "its own stop came",
        "its start never came",
        "kept raw in set_aside",
        "readings with its transactionId arrived later",
        "is being judged again",
        "its figure is doubtful",
        "nothing here, because it ended before this system began to bill",
        "it lasted from {1} to {2}, so a clock was wrong: correct its times",
        "its course was corrected",
        "it belongs to nobody",
        "the charger booted",
        "in force, by the charger's answer",
        "the charger reports {1}",
        "unlocked, by the charger's answer",
        "the connector reports Available",
        "connector {1} reports Reserved",
        "no longer Reserved",
        "list version {1}, by the charger's answer",
        "the charger has list version {1}",
        "file {1} came, {2} bytes",
        "Uploaded was reported, but no file came",
        "booted with firmware {1}",
        "Installed was reported, but it booted with firmware {1}",
        "Installed was reported, but no boot with another firmware",
        "it could not be judged; the log of the server tells why",
        "command {1} replaced it",
        "not seen",
        "not possible",
        "no car is charging: plug one in, and start it",
        "no report of its current came",
        "it takes neither Absolute nor Relative profiles",
        "it does not say from when it counts Relative profiles",
        "it takes no default profile",
        "it did not boot",
        "no car is charging any more: plug it in again, and start it",
        "its register is not known",
        "it did not return",
        "it returned, and did not tell its register",
        "no car was plugged in and started while the link was cut",
        "way {1}, level {2}",
        "it presents no password",
        "its Authorization header is not HTTP Basic",
        "its Authorization header is not Base64",
        "the user in its Authorization header is not its identity",
        "the limit on chargers is reached (--max-chargers)",
        "{1} newcomers are waiting; adopt, refuse or forget some",
        "set AuthorizationKey at the charger itself, or ask its maker whether it knows security profile 1",
        "set CpoName at the charger itself, or ask its maker whether it knows security profile 3",
        "look at its certificates (GetInstalledCertificateIds): its store may be full",
        "ask its maker whether it knows security profile 3",
        "look at its security events: it may miss what the profile needs",
        "the connection ended {1} times",
        "the charger answered with the error {1}",
        "an operator cancelled it",
        "the charger did not answer",
        "the charger refused the certificate; look at its security events",
        "its signature is wrong: the charger did not prove that it has the key",
        "its RSA key has {1} bits; {2} to {3} are accepted",
        "its key is on the curve {1}; P-256 is the least",
        "its key is of the kind {1}; only RSA and EC are accepted",
        "it has {1} common names (CN) instead of one",
        "its CN has {1} characters; {2} are allowed",
        "its CN {1} is a name or an address of this server",
        "its CN {1} does not contain the serial number {2}",
        N_("missing"),
        "{1}: {2} is no version",
        "it accepted list version {1} and has {2}",
        "The last backup is old",
        "No backup is known; make one with: levity-trio backup FILE",
        "Nothing can be stored at present; look at the disk and at the log",
        "{1} does not obey its limit, so others may get less current",
        "More is drawn than the grid operator allows",
        "{1} is above its limit on {2}",
        "The meter {1} is silent, so cars may get less than there is",
        "The meter {1} shows nothing of what cars draw more, so cars may get less than there is",
        "The meter {1} shows more than can flow there, so cars may get less than there is",
        "The meter {1} has shown the same for an hour: look whether it measures",
        "the start has no readable register",
        "the stop has no readable register",
        "obeyed: {1}, the limit is {2}",
        "not obeyed: {1}, the limit is {2}",
        "the charger answered without a status",
    )
)


# Texts that have a unit in the gap now, or other words
_OTHERS: Final = N_(
    {
        "the next transaction begins at the stop of transaction {1} on connector {2}": "the next session begins at the stop of session {1} on connector {2}",
        "the next transaction began at {1:Wh} Wh": "the next session began at {1}",
        "a part of the previous transaction may be in this one": "a part of the previous session may be in this one",
        "meterStart {1:Wh} Wh": "start register {1}",
        "meterStop {1:Wh} Wh": "stop register {1}",
        "{1:bare} to {2:Wh} Wh": "{1} to {2}",
        "the registers of the transactions before and after": "the registers of the sessions before and after",
        "the stop names transaction {1}, where it is {2:t}": "the stop names session {1}, where it is {2}",
        "the stop names no transaction of this charger, and fits only this one by time and register": "the stop names no session of this charger, and fits only this one by time and register",
        "the stop names transaction {1}, but has the tag of transaction {2}, which it fits, too": "the stop names session {1}, but has the card of session {2}, which it fits, too",
        "its Transaction.Begin is {1:Wh} Wh": "its Transaction.Begin is {1}",
        "its readings name transaction {1}": "its readings name session {1}",
        "the register was at {1:Wh} Wh and rose more slowly": "the register was at {1} and rose more slowly",
        "{1} transactions of this charger considered": "{1} sessions of this charger considered",
        "the transaction began after this stop": "the session began after this stop",
        "the register was at {1:Wh} Wh": "the register was at {1}",
        "the register was at {1:Wh} Wh, too far from {2:Wh} Wh": "the register was at {1}, too far from {2}",
        "that transaction was stopped before": "that session was stopped before",
        "transactionId {1}, of the tag {2}": "transactionId {1}, of the card {2}",
        "tag {1}": "card {1}",
        "the readings count from 0 in each transaction": "the readings count from 0 in each session",
        "{1:t}, and so does meterStop": "{1}, and so does the stop register",
        "the previous transaction ended at {1:Wh} Wh, without readings": "the previous session ended at {1}, without readings",
        "the last reading is {1:Wh} Wh, the next transaction began at {2:Wh} Wh": "the last reading is {1}, the next session began at {2}",
        "the {1:t} in another unit than the rest": "the {1} in another unit than the rest",
        "meterStart is {1:t}, Transaction.Begin is {2:Wh} Wh": "start register is {1}, Transaction.Begin is {2}",
        "meterStop is {1:t}, Transaction.End is {2:Wh} Wh": "stop register is {1}, Transaction.End is {2}",
        "{1:t}, and meterStop is {2:Wh} Wh": "{1}, and the stop register is {2}",
        "meterStart is {1:t}, the previous transaction ended at {2:Wh} Wh": "start register is {1}, the previous session ended at {2}",
        "meterStart is {1:t}, the first reading is {2:Wh} Wh": "start register is {1}, the first reading is {2}",
        "meterStop is {1:t}, the last reading is {2:Wh} Wh": "stop register is {1}, the last reading is {2}",
        "meterStop is {1:t}, the next transaction began at {2:Wh} Wh": "stop register is {1}, the next session began at {2}",
        "{1:t}; at most {2:Wh} Wh": "{1}; at most {2}",
        "meterStart is {1:Wh} Wh, the first reading is {2:Wh} Wh": "start register is {1}, the first reading is {2}",
        "meterStop is {1:Wh} Wh, the last reading is {2:Wh} Wh": "stop register is {1}, the last reading is {2}",
        "meterStop is below meterStart": "the stop register is below the start register",
        "at most {1:W} W": "at most {1}",
        "{1:Wh} Wh in {2:s} s": "{1} in {2}",
        "{1:Wh} Wh after the start": "{1} after the start",
        "then {1:Wh} Wh": "then {1}",
        "at most {1:Wh} Wh by power": "at most {1} by power",
        "{1:Wh} Wh by power": "{1} by power",
        "{1:Wh} Wh at the end": "{1} at the end",
        "{1:t}, at most {2:Wh} Wh at an AC charger": "{1}, at most {2} at an AC charger",
        "no meterStop": "no stop register",
        "{1:Wh} Wh after that": "{1} after that",
        "{1:t}, at most {2:Wh} Wh": "{1}, at most {2}",
        "{1:Wh} Wh in {2:s} s {3:t}": "{1} in {2} {3}",
        "{1:Wh} Wh in the last {2:s} s": "{1} in the last {2}",
        "up to {1:W} W reported since": "up to {1} reported since",
        "{1:bare} to {2:Wh} Wh by {3} reports of power": "{1} to {2} by {3} reports of power",
        "{1:Wh} Wh in {2:t}": "{1} in {2}",
        "at least {1:Wh} Wh by power": "at least {1} by power",
        "the previous transaction ended at {1:Wh} Wh, this one at {2:Wh} Wh": "the previous session ended at {1}, this one at {2}",
        "by power, so did those of an earlier transaction": "by power, so did those of an earlier session",
        "{1:Wh} Wh from the last register of one to the first of the other": "{1} from the last register of one to the first of the other",
        "its start came before: {1:Wh} Wh also belong to an earlier transaction": "its start came before: {1} also belong to an earlier session",
        "up to {1:Wh} Wh may also belong to the previous transaction, whose end is unknown": "up to {1} may also belong to the previous session, whose end is unknown",
        "{1:Wh} Wh before, {2:Wh} Wh after": "{1} before, {2} after",
        "last reading {1:Wh} Wh": "last reading {1}",
        "{1:bare} to {2:Wh} Wh in the next transaction": "{1} to {2} in the next session",
        "meterStart {1:Wh} Wh; others lay within the transaction before": "start register {1}; others lay within the session before",
        "{1:Wh} Wh last known there": "{1} last known there",
        "{1:Wh} Wh in the transaction next to it": "{1} in the session next to it",
        "the register is wrong by a factor of {1:f}": "the register is wrong by a factor of {1}",
        "its register also counted transaction {1} on connector {2}": "its register also counted session {1} on connector {2}",
        "{1:bare} to {2:Wh} Wh while both ran": "{1} to {2} while both ran",
        "the registers of transaction {1}": "the registers of session {1}",
        "the stop repeats an old register: the next transaction begins higher": "the stop repeats an old register: the next session begins higher",
        "the start was read late: the previous transaction ended lower": "the start was read late: the previous session ended lower",
        "{1:Wh} Wh in the transaction beside it": "{1} in the session beside it",
        "{1:Wh} Wh within {2:s} s between the two": "{1} within {2} between the two",
        "{1:Wh} Wh without it": "{1} without it",
        "meterStart is not above that of the previous transaction": "the start register is not above that of the previous session",
        "the register was below its last reading in the next transaction": "the register was below its last reading in the next session",
        "a transaction began on its connector at {1:Wh} Wh": "a session began on its connector at {1}",
        "a transaction whose start was lost began on its connector at {1}": "a session whose start was lost began on its connector at {1}",
        "later facts tell {1:Wh} Wh; the figure was settled by a person and stays": "later facts tell {1}; the figure was settled by a person and stays",
        "{1:Wh} Wh, {2:t}, before; {3:Wh} Wh, {4:t}, now": "{1}, {2}, before; {3}, {4}, now",
        "{1:Wh} Wh by later facts": "{1} by later facts",
        "{1:Wh} Wh, judged at {2}": "{1}, judged at {2}",
        "{1:t}; the server's log says why": "{1}; the server's log says why",
        "{1} had closed it at {2:Wh} Wh; its charger's own stop came later": "{1} had closed it at {2}; its charger's own stop came later",
        "it was joined to transaction {1}, whose own stop came later": "it was joined to session {1}, whose own stop came later",
        "no transaction of this charger fits this stop": "no session of this charger fits this stop",
        "it was stopped with a tag that is not of the group of its own": "it was stopped with a card that is not of the group of its own",
        "its stop names transaction {1}, which this server never gave out: another server's?": "its stop names session {1}, which this server never gave out: another server's?",
        "no such transaction here": "no such session here",
        "its start could not be read: {1:t}": "its start could not be read: {1}",
        "waits for review: {1:t}": "waits for review: {1}",
        "less than {1:Wh} Wh": "less than {1}",
        "no tariff is assigned on {1:d}": "no tariff is assigned on {1}",
        "the tariff {1} holds from {2:d}, not yet on {3:d}": "the tariff {1} holds from {2}, not yet on {3}",
        "its energy was corrected from {1:bare} to {2:Wh} Wh": "its energy was corrected from {1} to {2}",
        "it belongs to another account": "it belongs to another household",
        "transaction {1} began on connector {2}": "session {1} began on connector {2}",
        "transaction {1} began": "session {1} began",
        "transaction {1} ended": "session {1} ended",
        "transaction {1} still draws {2}": "session {1} still draws {2}",
        "connector {1} reports {2:t}": "connector {1} reports {2}",
        "a limit of {1:f} A: {2:t}": "a limit of {1} A: {2}",
        "it drew {1:f} A": "it drew {1} A",
        "{1:t} within {2:s} s": "{1} within {2}",
        "from {1:f} to {2:f} A at a limit of {3:f} A, by {4}": "from {1} to {2} A at a limit of {3} A, by {4}",
        "the second period came {1:s} s beside its time": "the second period came {1} beside its time",
        "after {1:s} s": "after {1}",
        "it cannot be paused: {1:t}": "it cannot be paused: {1}",
        "paused, then {1:f} A": "paused, then {1} A",
        "{1:f} A at a limit of {2:f} A": "{1} A at a limit of {2} A",
        "it did not charge at {1:f} A": "it did not charge at {1} A",
        "Reset: {1:t}": "Reset: {1}",
        "it drew {1:f} A, and its default is {2:f} A": "it drew {1} A, and its default is {2} A",
        "{1:f} A at most": "{1} A at most",
        "it drew {1:f} A meanwhile, and {2:f} A were allowed": "it drew {1} A meanwhile, and {2} A were allowed",
        "{1:f} A on average, then {2:f} A": "{1} A on average, then {2} A",
        "it took {1:Wh} Wh in {2:s} s, and {3:Wh} Wh were allowed": "it took {1} in {2}, and {3} were allowed",
        "{1:Wh} Wh in {2:s} s, then {3:f} A": "{1} in {2}, then {3} A",
        "{1:t}; {2} new identities came from its network today": "{1}; {2} new identities came from its network today",
        "{1:t}; {2:t}, then begin again": "{1}; {2}, then begin again",
        "the charger answered {1:t}": "the charger answered {1}",
        "its request was refused: {1:t}": "its request was refused: {1}",
        "{1:t}; if the name is right, let it through with `levity-trio certificate allow`": "{1}; if the name is right, let it through with `levity-trio certificate allow`",
        "its O is {1:t} instead of {2}; set CpoName first": "its O is {1} instead of {2}; set CpoName first",
        "Only {1:f} MB are free on the disk of the database": "Only {1} MB are free on the disk of the database",
        "its register also counted transaction {1} on connector {2} of {3}": "its register also counted session {1} on connector {2} of {3}",
        "its charger's clock was behind, or it was set meanwhile: by the corrected times {1:t}, by those sent {2:t}": "its charger's clock was behind, or it was set meanwhile: by the corrected times {1}, by those sent {2}",
        "{1:t} (from {2} to {3})": "{1} (from {2} to {3})",
        "{1:Wh} Wh": "{1}",
        "{1:W} W": "{1}",
        "each reading is {1:min} minutes old when it comes": "each reading is {1} old when it comes",
        "the power is too low by a factor of {1:f}": "the power is too low by a factor of {1}",
        "the power is too high by a factor of {1:f}": "the power is too high by a factor of {1}",
        "the transaction has no readable register": "the session has no readable register",
        "the start and stop has no readable register": "neither the start nor the stop has a readable register",
        "at most {1:Wh} Wh in {2:min} minutes": "at most {1} in {2}",
        "{1:Wh} Wh in {2:min} minutes": "{1} in {2}",
        "{1:W} W, as an AC charger can deliver": "{1}, as an AC charger can deliver",
        "{1:W} W, as this charger is known to deliver": "{1}, as this charger is known to deliver",
        "{1:Wh} Wh also belong to the previous transaction": "{1} also belong to the previous session",
        "the registers of the previous transaction": "the registers of the previous session",
        "{1:Wh} Wh also belong to the next transaction": "{1} also belong to the next session",
        "the registers of the next transaction": "the registers of the next session",
        "{1:Wh} Wh for {2:min} minutes": "{1} for {2}",
        "{1:Wh} Wh by the pace beside it": "{1} by the pace beside it",
        "received within {1:min} minutes": "received within {1}",
        "its connector is available, and nothing of it came in {1:min} minutes of connection": "its connector is available, and nothing of it came in {1} of connection",
        "no sign of it in {1:min} minutes of connection": "no sign of it in {1} of connection",
        "{1}, connector {2}, was told to be in service, and reports {3:t}": "{1}, connector {2}, was told to be in service, and reports {3}",
        "{1}, connector {2}, was told to be out of service, and reports {3:t}": "{1}, connector {2}, was told to be out of service, and reports {3}",
    }
)
