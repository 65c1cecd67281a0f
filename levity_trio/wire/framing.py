"""The framing of received WebSocket bytes (RFC 6455 §5.2), where the library's own parser does not
suffice.

The library decodes text frames strictly: one byte of Latin-1 ends the connection before we see the
message. So text frames are passed to it as binary ones, which it does not decode, and
`frames.decoded` decodes them. The library also counts only the payload of a message, although an
empty fragment uses memory too, and it reports neither pings nor close frames. Its parser takes a
tenth of the time that a message costs, so `whole_message` reads the usual one: a single frame that
arrived whole, and alone.

Nothing is validated here; the library rejects what breaks the protocol.
"""

from typing import Final

from levity_trio.wire.large import LARGE_BYTES

MOST_FRAGMENTS: Final = 100_000
"""Each takes some memory besides its payload. A message of LARGEST_BYTES in fragments of 125 bytes
has fewer."""
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
FINAL: Final = 0x80
_OPCODE: Final = 0x0F
_MASKED: Final = 0x80
_SIZE: Final = 0x7F
_MEDIUM: Final = 126
_LONGER_SIZES: Final = {_MEDIUM: 2, 127: 8}
"""The bytes of the extended payload length."""
_MASK_BYTES: Final = 4
_LONGEST_HEAD: Final = 14
_LEAST_BYTES: Final = 7
"""The bytes of a masked frame with a payload of one byte."""
_LONGEST_WHOLE: Final = 8 * 1024
"""A longer message is read by the library."""


class Framing:
    """The frames of one peer, received in pieces of any size.

    `message_bytes` is the size of the message that is arriving, as far as it was announced, with
    the headers of its fragments. `is_too_large` is true once that exceeded `most_bytes`, or the
    message has more than MOST_FRAGMENTS. `has_closed` is true once a close frame has begun. `begun`
    lists the messages that began in the last bytes followed, each as its offset and its size,
    LARGE_BYTES at most if it is not known yet. `is_within_message` is true while a message is
    incomplete.
    """

    __slots__ = (
        "_begins_frame",
        "_ends_message",
        "_fragments",
        "_head",
        "_left",
        "_text_as_binary",
        "begun",
        "has_closed",
        "is_too_large",
        "is_within_message",
        "message_bytes",
        "most_bytes",
    )

    def __init__(self, most_bytes: int, *, text_as_binary: bool) -> None:
        self.most_bytes = most_bytes
        self._text_as_binary = text_as_binary
        self._head = b""
        """The header of the current frame, while it is incomplete."""
        self._left = 0
        """The remaining payload bytes of the current frame."""
        self._fragments = 0
        self.message_bytes = 0
        self._ends_message = False
        self._begins_frame = True
        """Whether the last bytes followed began between two messages, with a frame."""
        self.begun: list[tuple[int, int]] = []
        self.is_within_message = False
        self.is_too_large = False
        self.has_closed = False

    def follow(self, data: bytearray) -> None:
        """Follow the next bytes. Turns text frames that begin in them into binary ones, in
        place."""
        at = 0
        self.begun = []
        self._begins_frame = not (self._head or self._left or self.is_within_message)
        while at < len(data):
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
            else:
                at = self._follow_head(data, at)
            if self._ends_message and not self._left and not self._head:
                self.message_bytes = self._fragments = 0
                self._ends_message = self.is_within_message = False

    def whole_message(self, data: bytearray) -> bytes | None:
        """Return the message that the bytes followed last are; None if they are anything but a
        single frame of one.

        A frame of text is none, unless it was turned into a binary one: the library decodes it.
        """
        if not self._begins_frame or len(data) < _LEAST_BYTES:
            return None
        if data[0] != FINAL | BINARY or not data[1] & _MASKED:
            return None
        size, start = data[1] & _SIZE, 2
        if size == _MEDIUM:
            size, start = int.from_bytes(data[2:4]), 4
        at = start + _MASK_BYTES
        # A short size must be written short; what is written otherwise, the library may reject.
        least = _MEDIUM if start > 2 else 1
        if len(data) != at + size or not least <= size <= _LONGEST_WHOLE:
            return None
        # As two integers, the whole payload is unmasked at once.
        mask = bytes(data[start:at]) * (size // _MASK_BYTES + 1)
        return (int.from_bytes(data[at:]) ^ int.from_bytes(mask[:size])).to_bytes(size)

    def _follow_head(self, data: bytearray, at: int) -> int:
        """Follow the header of a frame, which may have begun in earlier bytes; return the position
        after what was followed."""
        if not self._head and self._text_as_binary and data[at] & _OPCODE == TEXT:
            data[at] ^= TEXT ^ BINARY
        known = len(self._head)
        head = self._head + bytes(data[at : at + _LONGEST_HEAD - known])
        # Its first two bytes tell its size.
        size = 2
        if len(head) >= size:
            mask = _MASK_BYTES if head[1] & _MASKED else 0
            size += _LONGER_SIZES.get(head[1] & _SIZE, 0) + mask
        if len(head) < size:
            self._head = head
            return len(data)

        self._head = b""
        after = at + size - known
        opcode, self._left = head[0] & _OPCODE, head[1] & _SIZE
        if self._left in _LONGER_SIZES:
            self._left = int.from_bytes(head[2 : 2 + _LONGER_SIZES[self._left]])
        is_final = bool(head[0] & FINAL)
        # Control frames may stand between the fragments of a message, and are no part of it.
        if opcode >= CLOSE:
            self._ends_message = False
            self.has_closed |= opcode == CLOSE
            return after
        self._ends_message = is_final
        if opcode:
            # How large a message in fragments is, only its last one tells.
            announced = self._left if is_final else min(self.most_bytes, LARGE_BYTES)
            self.begun.append((at, announced))
        self.is_within_message = True
        self._fragments += 1
        self.message_bytes += self._left if opcode else self._left + size
        is_too_large = self.message_bytes > self.most_bytes or self._fragments > MOST_FRAGMENTS
        self.is_too_large |= is_too_large
        return after


def text_frame(text: str) -> bytes:
    """Return the frame of a text as a server sends it: whole, and not masked."""
    data = text.encode()
    size = len(data)
    for short, places in _LONGER_SIZES.items():
        if size >= _MEDIUM and size < 1 << 8 * places:
            return bytes((FINAL | TEXT, short)) + size.to_bytes(places) + data
    return bytes((FINAL | TEXT, size)) + data
