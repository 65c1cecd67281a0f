"""The limit for a TLS handshake: a bare trio server that sends back what it gets.

python -m tests.tools.benchmarks.tls_echo PORT PEM
"""

from __future__ import annotations

import ssl
import sys
from contextlib import suppress

import trio

READ_BYTES = 4096


async def echo(stream: trio.SSLStream[trio.SocketStream]) -> None:
    """Send back what comes, until the peer leaves."""
    with suppress(trio.BrokenResourceError):
        async with stream:
            while data := await stream.receive_some(READ_BYTES):
                await stream.send_all(data)


def context(path: str) -> ssl.SSLContext:
    """TLS without resumption."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.options |= ssl.OP_NO_TICKET
    made.num_tickets = 0
    made.load_cert_chain(path)
    return made


async def main(port: int, path: str) -> None:
    """Serve until killed."""
    await trio.serve_ssl_over_tcp(
        echo, port, context(path), host="127.0.0.1", https_compatible=True
    )


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]), sys.argv[2])
