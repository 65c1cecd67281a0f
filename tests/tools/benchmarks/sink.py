"""A receiver of the forward protocol that takes all and keeps nothing: what the audit of the bench
is sent to."""

from __future__ import annotations

import sys
from contextlib import suppress

import msgpack
import trio


async def take(stream: trio.SocketStream) -> None:
    """Acknowledge each chunk as soon as it is there, until the sender leaves, as politely as it
    likes."""
    messages = msgpack.Unpacker(max_buffer_size=0)
    with suppress(trio.BrokenResourceError):
        async for data in stream:
            messages.feed(data)
            for message in messages:
                option = message[-1]
                if isinstance(option, dict) and "chunk" in option:
                    await stream.send_all(msgpack.packb({"ack": option["chunk"]}))


if __name__ == "__main__":
    trio.run(trio.serve_tcp, take, int(sys.argv[1]))
