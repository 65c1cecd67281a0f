"""Framing: for pieces of any size, text frames become binary and message sizes are counted."""

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

from levity_trio.wire.framing import BINARY, CLOSE, TEXT, Framing, text_frame

CONTINUATION, PING = 0, 9
SIZES = st.sampled_from([0, 1, 125, 126, 127, 300, 65_535, 65_536])


def frame(opcode: int, size: int, *, is_final: bool = True, is_masked: bool = True) -> bytes:
    """A frame whose bytes all look like the header of a text frame."""
    mask = 0x80 if is_masked else 0
    if size < 126:
        sizes = bytes([mask | size])
    elif size < 1 << 16:
        sizes = bytes([mask | 126]) + size.to_bytes(2, "big")
    else:
        sizes = bytes([mask | 127]) + size.to_bytes(8, "big")
    return (
        bytes([(0x80 if is_final else 0) | opcode])
        + sizes
        + (b"mask" if is_masked else b"")
        + size * b"\x81"
    )


FRAMES = st.lists(
    st.tuples(
        st.sampled_from([CONTINUATION, TEXT, BINARY, PING]), SIZES, st.booleans(), st.booleans()
    ),
    max_size=6,
)


@given(FRAMES, st.lists(st.integers(1, 100_000)))
def test_text_becomes_binary_and_all_else_stays(
    told: list[tuple[int, int, bool, bool]], cuts: list[int]
) -> None:
    def sent(text: int) -> bytes:
        return b"".join(
            frame(text if opcode == TEXT else opcode, size, is_final=final, is_masked=masked)
            for opcode, size, final, masked in told
        )

    framing, left, passed = Framing(1, text_as_binary=True), sent(TEXT), b""
    for cut in [*cuts, len(left)]:
        piece, left = bytearray(left[:cut]), left[cut:]
        framing.follow(piece)
        passed += piece
    assert passed == sent(BINARY)
    assert not framing.has_closed


def test_text_stays_where_the_library_is_to_judge_it() -> None:
    data = bytearray(frame(TEXT, 10))
    Framing(1, text_as_binary=False).follow(data)
    assert data == frame(TEXT, 10)


def test_a_close_frame_is_seen_byte_by_byte() -> None:
    framing = Framing(1, text_as_binary=True)
    seen = []
    for byte in frame(PING, 3) + frame(CLOSE, 2):
        framing.follow(bytearray([byte]))
        seen.append(framing.has_closed)
    assert seen == [False] * 14 + [True] * 3  # with the whole header


def follow(most_bytes: int, *frames: bytes) -> bool:
    """Whether these bytes contain a message that is too large."""
    framing = Framing(most_bytes, text_as_binary=True)
    for byte in b"".join(frames):
        framing.follow(bytearray([byte]))
    return framing.is_too_large


def test_a_message_may_be_as_large_as_that_and_no_larger() -> None:
    assert not follow(300, frame(TEXT, 300), frame(BINARY, 300), frame(TEXT, 300))
    assert follow(299, frame(TEXT, 300))


def test_one_that_is_too_large_is_known_by_its_head() -> None:
    assert follow(300, frame(TEXT, 65_536)[:14])


def test_the_heads_of_fragments_count_too() -> None:
    empty = frame(CONTINUATION, 0, is_final=False)
    parts = frame(TEXT, 10, is_final=False), *[empty] * 10, frame(CONTINUATION, 10)
    assert not follow(20 + 11 * 6, *parts)
    assert follow(20 + 11 * 6 - 1, *parts)


def test_control_frames_do_not() -> None:
    pings = [frame(PING, 125)] * 10
    assert not follow(20, frame(TEXT, 10, is_final=False), *pings, frame(CONTINUATION, 4), *pings)


def unmasked(data: bytearray, header: int) -> bytes:
    return bytes(byte ^ b"mask"[place % 4] for place, byte in enumerate(data[header + 4 :]))


@given(
    st.lists(st.tuples(st.sampled_from([TEXT, BINARY, PING]), SIZES, st.booleans()), max_size=6),
    st.data(),
)
def test_a_message_is_read_whole_if_it_arrived_whole_and_alone(
    told: list[tuple[int, int, bool]], data: st.DataObject
) -> None:
    frames = [frame(opcode, size, is_masked=is_masked) for opcode, size, is_masked in told]
    ends = [*accumulate(map(len, frames))]
    cuts = sorted(
        {
            *data.draw(st.lists(st.sampled_from([0, *ends, *(end + 1 for end in ends)]))),
            ends[-1] if ends else 0,
        }
    )
    framing, sent = Framing(1, text_as_binary=True), b"".join(frames)
    for first, last in pairwise([0, *cuts]):
        piece = bytearray(sent[first:last])
        framing.follow(piece)
        is_frame = last in ends and first == last - len(frames[ends.index(last)])
        opcode, size, is_masked = told[ends.index(last)] if is_frame else (PING, 0, False)
        is_whole = is_masked and opcode != PING and 0 < size < 65_535
        assert framing.whole_message(piece) == (
            unmasked(piece, 2 if size < 126 else 4) if is_whole else None
        )


@pytest.mark.parametrize(
    "pieces",
    [
        [frame(TEXT, 3, is_final=False), frame(CONTINUATION, 3), frame(CONTINUATION, 3)],
        [frame(TEXT, 3, is_final=False), frame(TEXT, 3)],
        [bytes([0x82, 0x80 | 126, 0, 5]) + b"mask" + b"short"],
        [bytes([0xC2]) + frame(TEXT, 3)[1:]],
        [b""],
    ],
)
def test_the_library_reads_all_else(pieces: list[bytes]) -> None:
    framing = Framing(1, text_as_binary=True)
    for piece in map(bytearray, pieces):
        framing.follow(piece)
        assert framing.whole_message(piece) is None


def test_the_library_decodes_text_that_stays_text() -> None:
    framing, data = Framing(1, text_as_binary=False), bytearray(frame(TEXT, 10))
    framing.follow(data)
    assert framing.whole_message(data) is None


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_a_text_is_framed_as_the_library_frames_it(size: int) -> None:
    text = "\u00e4" * (size // 2) + "a" * (size % 2)
    assert text_frame(text) == Connection(ConnectionType.SERVER).send(TextMessage(text))
