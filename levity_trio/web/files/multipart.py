"""The file in a POST of multipart/form-data; all other parts are skipped."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

MULTIPART: Final = b"multipart/form-data"
DISPOSITION: Final = b"content-disposition"


class NotMultipart(Exception):
    """The body is no multipart/form-data with a file; the text says why."""


def boundary_of(content_type: str) -> bytes | None:
    """Return the boundary of a multipart body, None of any other body. Raises NotMultipart."""
    kind, options = parse_options_header(content_type)
    if kind != MULTIPART:
        return None
    if not options.get(b"boundary"):
        raise NotMultipart("multipart/form-data without a boundary")
    return options[b"boundary"]


async def file_in(
    parts: AsyncGenerator[bytes, None], boundary: bytes
) -> AsyncGenerator[bytes, None]:
    """Yield the content of the first part that is a file. Raises NotMultipart, if need be at the
    end."""
    reading = _PartReading(boundary)
    async for data in parts:
        if content := reading.feed(data):
            yield content
    if not reading.is_over:
        raise NotMultipart("the body ends inside a part")
    if not reading.has_file:
        raise NotMultipart("no part of the body is a file")


class _PartReading:
    def __init__(self, boundary: bytes) -> None:
        self.is_over = self.has_file = False
        self._is_in_file = False
        self._headers: dict[bytes, bytes] = {}
        self._name = self._value = b""
        self._content = bytearray()
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._add_name,
                    "on_header_value": self._add_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._decide,
                    "on_part_data": self._add_content,
                    "on_part_end": self._end,
                    "on_end": self._finish,
                },
            )
        except FormParserError as error:
            raise NotMultipart(str(error)) from None

    def feed(self, data: bytes) -> bytes:
        """Return the content of the file in this piece of the body. Raises NotMultipart."""
        self._content.clear()
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise NotMultipart(str(error)) from None
        return bytes(self._content)

    def _begin(self) -> None:
        self._headers = {}

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _decide(self) -> None:
        _, options = parse_options_header(self._headers.get(DISPOSITION, b""))
        self._is_in_file = not self.has_file and b"filename" in options
        self.has_file |= self._is_in_file

    def _add_content(self, data: bytes, start: int, end: int) -> None:
        if self._is_in_file:
            self._content += data[start:end]

    def _end(self) -> None:
        self._is_in_file = False

    def _finish(self) -> None:
        self.is_over = True
