"""Cuts a large StopTransaction or MeterValues, so that it is read without parsing the whole.

A message is one list of readings (`transactionData`, `meterValue`) with a few fields around it. The
text is cut at the elements of that list, byte for byte as sent. What the message says is read from
a frame with the elements at both ends of the list; all elements are read from frames whose other
fields say nothing. No element is lost or told twice.

The text need not be JSON. An element without its end (a lost quotation mark, a bracket too few) is
a part of its own, up to where the next one begins; `lenient` reads what it can of it. The work is
bounded by the size of the message, whatever the text is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Final

import orjson

from levity_trio.wire.secrets import TRIMMED

LARGE_BYTES: Final = 512 * 1024
"""A larger message is never parsed as a whole if it can be cut."""
LARGEST_BYTES: Final = 8 * 1024 * 1024
"""The largest message of a charger that has charged here."""
PART_BYTES: Final = 32 * 1024
"""The elements of a part, unless a single one is larger: some 300 samples."""
PART_ELEMENTS: Final = 250
"""Empty elements cost most to read. Elements of one time, such as those of single phases, stay
together up to twice of both."""
MOST_ELEMENTS: Final = 250_000
"""The smallest element with a reading has 66 bytes."""
MOST_PARTS: Final = 10_000
"""Whole elements make 1,300 at most. Each damaged one is a part."""
LONGEST_ELEMENT: Final = 128 * 1024
LONGEST_AROUND: Final = 16 * 1024
"""Characters before the list, and after it."""
DEEPEST: Final = 32
"""Levels of lists and objects in an element; real ones have three."""

_LISTS: Final = {b"StopTransaction": "transactionData", b"MeterValues": "meterValue"}
_STRING: Final = rb'"(?:[^"\\]++|\\.)*+"'
_HEAD = re.compile(
    rb'[\s\0]*+(?:\xef\xbb\xbf)?+[\s\0]*+\[\s*+"?+2"?+\s*+,\s*+(?:'
    + _STRING
    + rb'|[^\s",\[\]{}]++)\s*+,'
    rb'\s*+"(StopTransaction|MeterValues)"\s*+,\s*+\{',
    re.DOTALL,
)
_NAME = re.compile(rb"[\s,]*+(" + _STRING + rb")\s*+:\s*+", re.DOTALL)
_SCALAR = re.compile(_STRING + rb'|[^\s",\[\]{}][^",\[\]{}]*+', re.DOTALL)
_UP_TO_BRACKET = re.compile(rb'[^"\[\]{}]*+(?:' + _STRING + rb'[^"\[\]{}]*+)*+', re.DOTALL)
_NEXT_ELEMENT = re.compile(rb'\{\s*+"(?:timestamp|sampledValue)"\s*+:')
_TIME = re.compile(rb'"timestamp"\s*+:\s*+(' + _STRING + rb")", re.DOTALL)
_END = re.compile(
    rb"\](?:\s*+,\s*+"
    + _STRING
    + rb"\s*+:\s*+(?:"
    + _STRING
    + rb'|[^\s",\[\]{}]++))*+\s*+\}\s*+\][\s\0]*+\Z',
    re.DOTALL,
)
_FRAMES: Final = {
    b"StopTransaction": (
        b'[2,"","StopTransaction",{"meterStop":0,"timestamp":"2000-01-01T00:00:00Z",'
        b'"transactionId":1,"transactionData":['
    ),
    b"MeterValues": b'[2,"","MeterValues",{"connectorId":1,"meterValue":[',
}
"""What stands before the elements of a part."""
_CLOSES: Final = {ord("["): ord("]"), ord("{"): ord("}")}
_COMMAS: Final = b" \t\r\n,"


class NotCuttable(Exception):
    """The message is no StopTransaction and no MeterValues, or most of it is not in the elements of
    its list."""


class Parts:
    """A large message and the parts of its list. First iterate over `find`."""

    __slots__ = ("_action", "_after", "_before", "_damaged", "_spans", "_text")

    def __init__(self, text: str | bytes) -> None:
        self._text = text.encode("utf-8", "replace") if isinstance(text, str) else text
        self._action = b""
        self._spans: list[tuple[int, int]] = []
        self._damaged = set[tuple[int, int]]()
        self._before = self._after = 0

    def __repr__(self) -> str:
        return f"<Parts {len(self._spans)} of {len(self._text)} bytes>"

    def __iter__(self) -> Iterator[str]:
        """Yield a frame for each part, with its elements and with fields that say nothing."""
        for span in self._spans:
            yield (_FRAMES[self._action] + self._elements(span) + b"]}]").decode()

    def ends(self) -> str:
        """Return the message with the elements of its first part and of its last one, of those that
        are whole."""
        whole = [span for span in self._spans if span not in self._damaged]
        elements = b",".join(map(self._elements, whole[:1] + whole[1:][-1:]))
        return (self._text[: self._before] + elements + self._text[self._after :]).decode()

    def pieces(self) -> Iterator[str]:
        """Yield the text of the message, cut where its parts begin."""
        places = [0, *(first for first, _ in self._spans), self._after, len(self._text)]
        for first, last in pairwise(places):
            yield self._text[first:last].decode()

    def _elements(self, span: tuple[int, int]) -> bytes:
        return self._text[slice(*span)].strip(_COMMAS)

    def find(self) -> Iterator[None]:
        """Find the parts; yields after each, so that others are served meanwhile.

        Raises NotCuttable.
        """
        self._before = begun = at = self._list_begin()
        count, total, last = 0, 0, (at, at)
        while (element := self._next_element(at)) is not None:
            start, at, is_whole = element
            fullness = max(count / PART_ELEMENTS, (at - begun) / PART_BYTES)
            is_full = fullness > 1 and not self._is_of_one_time(last, (start, at))
            # A damaged element is a part of its own.
            if count and (not is_whole or fullness > 2 or is_full):
                self._spans.append((begun, start))
                begun, count = start, 0
                yield
            count, total, last = count + 1, total + 1, (start, at)
            if total > MOST_ELEMENTS or len(self._spans) > MOST_PARTS:
                raise NotCuttable
            if not is_whole:
                self._spans.append((begun, at))
                self._damaged.add((begun, at))
                begun, count = at, 0
                yield
        self._after = self._list_end(at, last[0])
        if count or not self._spans:
            self._spans.append((begun, self._after))
            # The last element has no end.
            if self._after < at:
                self._damaged.add((begun, self._after))

    def _is_of_one_time(self, *elements: tuple[int, int]) -> bool:
        first, second = (_TIME.search(self._text, *span) for span in elements)
        return first is not None and second is not None and first[1] == second[1]

    def _list_begin(self) -> int:
        """Return the position after the bracket that opens the list of readings."""
        head = _HEAD.match(self._text, 0, LONGEST_AROUND)
        if head is None:
            raise NotCuttable
        self._action = head[1]
        wanted, at = _LISTS[head[1]], head.end()
        while (member := _NAME.match(self._text, at, LONGEST_AROUND)) is not None:
            at = member.end()
            is_list = self._text[at : at + 1] == b"["
            # A name may be written with escapes.
            with suppress(orjson.JSONDecodeError):
                if is_list and orjson.loads(member[1]) == wanted:
                    return at + 1

            # Another member: go on behind its value.
            if is_list or self._text[at : at + 1] == b"{":
                end = self._container_end(at, LONGEST_AROUND)
            else:
                scalar = _SCALAR.match(self._text, at, LONGEST_AROUND)
                end = scalar.end() if scalar else None
            if end is None:
                break
            at = end
        raise NotCuttable

    def _next_element(self, at: int) -> tuple[int, int, bool] | None:
        """Return begin and end of the next element, and whether its end was found; None at the end
        of the list."""
        start, most = at, at + LONGEST_ELEMENT
        while (start := self._bracket(start, most)) < len(self._text):
            mark = self._text[start : start + 1]
            if mark == b"]":
                return None
            if start >= most:
                raise NotCuttable
            if mark in (b"{", b"["):
                end = self._container_end(start, start + LONGEST_ELEMENT)
                if end is not None:
                    return start, end, True
                # Without its end, it reaches to where the next one begins, or the list ends.
                most = start + 2 * LONGEST_ELEMENT
                after = _NEXT_ELEMENT.search(self._text, start + 1, most)
                if after is None:
                    if len(self._text) - start > LONGEST_ELEMENT:
                        raise NotCuttable
                    least = max(start + 1, len(self._text) - LONGEST_AROUND)
                    after = _END.search(self._text, least)
                return start, after.start() if after else len(self._text), False
            # A quotation mark or a bracket too many.
            start += 1
        return None

    def _bracket(self, at: int, most: int) -> int:
        """Return the position of the next bracket outside of a string, or of a quotation mark
        without another."""
        found = _UP_TO_BRACKET.match(self._text, at, most)
        return found.end() if found else at

    def _container_end(self, at: int, most: int) -> int | None:
        """Return the position after a list or an object; None if its end is not found, or another
        element in it."""
        closing = bytearray()
        while (at := self._bracket(at, most)) < min(most, len(self._text)):
            mark = self._text[at]
            if mark in _CLOSES:
                if len(closing) > DEEPEST:
                    return None
                # Another element begins in it: its own end is lost.
                if closing[:1] == b"}" and _NEXT_ELEMENT.match(self._text, at):
                    return None
                closing.append(_CLOSES[mark])
            elif not closing or mark != closing.pop():
                return None
            at += 1
            if not closing:
                return at
        return None

    def _list_end(self, at: int, last: int) -> int:
        """Return the position of the bracket that closes the list; it may have closed the last
        element instead."""
        end = self._bracket(at, at + LONGEST_ELEMENT)
        if len(self._text) - end > LONGEST_AROUND:
            raise NotCuttable
        around = self._text[: self._before] + self._text[end:]
        with suppress(orjson.JSONDecodeError):
            orjson.loads(around.strip(TRIMMED.encode()))
            return end
        closing = _END.search(self._text, max(last + 1, len(self._text) - LONGEST_AROUND))
        return closing.start() if closing else end


def parts_of(frame: str) -> Parts | None:
    """Return the parts of a frame that was taken, None if it is an ordinary one."""
    if len(frame) <= LARGE_BYTES:
        return None
    parts = Parts(frame)
    try:
        for _ in parts.find():
            pass
    except NotCuttable:
        return None
    return parts
