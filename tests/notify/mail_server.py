"""A mail server of aiosmtpd, which is not ours, in a process of its own.

    python -m tests.notify.mail_server [--cert PEM --key PEM [--at-once]] [--refuse ADDRESS]
        [--unwanted ADDRESS] [--silent] [--slow SECONDS] [--host ADDRESS] [--port PORT]

It prints its port, then each mail that it took as a line of JSON. With a certificate it offers
STARTTLS, or TLS `--at-once`, and takes mails only from USER with PASSWORD. `--silent`: it takes the
whole mail and never answers. `--unwanted`: it takes the address, and refuses the whole mail.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any, Final

import trio
from aiosmtpd.smtp import SMTP, AuthResult, Envelope

USER: Final = "haus@example.org"
PASSWORD: Final = "p:s/w@or d"  # noqa: S105 - of this server only


class Handler:
    """Takes mails."""

    def __init__(
        self, refused: str, unwanted: str, slow_seconds: float, *, is_silent: bool
    ) -> None:
        self._refused = refused
        self._unwanted = unwanted
        self._slow_seconds = slow_seconds
        self._is_silent = is_silent

    async def handle_RCPT(  # noqa: N802 - as aiosmtpd calls it
        self, _server: SMTP, _session: object, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address == self._refused:
            return "550 5.1.1 no such user here"
        if address.startswith("later"):
            return "451 4.7.1 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: object, envelope: Envelope) -> str:  # noqa: N802
        if self._unwanted in envelope.rcpt_tos:
            return "554 5.7.1 this looks like spam"
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        message = message_from_bytes(content, policy=default)
        body = message.get_body()
        assert body is not None
        taken = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "headers": {name.lower(): str(value) for name, value in message.items()},
            "body": body.get_content(),
            "attachments": [
                [one.get_filename(), one.get_content_type()] for one in message.iter_attachments()
            ],
        }
        print(json.dumps(taken), flush=True)
        await asyncio.sleep(self._slow_seconds)
        if self._is_silent:
            await asyncio.sleep(3600)
        return "250 OK"


def authenticate(
    _server: SMTP, _session: object, _envelope: object, _mechanism: str, data: Any
) -> AuthResult:
    is_right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=is_right, handled=is_right)


async def serve(words: argparse.Namespace) -> None:
    context = None
    if words.cert is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(words.cert, words.key)

    def made() -> SMTP:
        handler = Handler(words.refuse, words.unwanted, words.slow, is_silent=words.silent)
        if context is None:
            return SMTP(handler, hostname="mail.example.org")
        way: dict[str, Any] = (
            {} if words.at_once else {"tls_context": context, "require_starttls": True}
        )
        return SMTP(
            handler,
            hostname="mail.example.org",
            authenticator=authenticate,
            auth_required=True,
            auth_require_tls=not words.at_once,
            **way,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        made, words.host, words.port, ssl=context if words.at_once else None
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class MailServer:
    """The program above, as a test sees it."""

    def __init__(self, process: trio.Process) -> None:
        assert process.stdout is not None
        self._out = process.stdout
        self._received = b""
        self.port = 0

    async def line(self) -> bytes:
        """Return the next line that it prints."""
        with trio.fail_after(30):
            while b"\n" not in self._received:
                self._received += await self._out.receive_some(65536)
        line, _, self._received = self._received.partition(b"\n")
        return line

    async def taken(self) -> dict[str, Any]:
        """Return the next mail that it took."""
        mail: dict[str, Any] = json.loads(await self.line())
        return mail


@asynccontextmanager
async def serving_mail(*words: str | Path) -> AsyncIterator[MailServer]:
    """A mail server on 127.0.0.2, which does not count as this machine, while the block runs."""
    command = [sys.executable, "-m", "tests.notify.mail_server", *map(str, words)]
    async with trio.open_nursery() as nursery:
        run = trio.run_process
        process = await nursery.start(
            lambda task_status: run(
                command, stdout=subprocess.PIPE, check=False, task_status=task_status
            )
        )
        server = MailServer(process)
        server.port = int(await server.line())
        yield server
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--cert", type=Path)
    parser.add_argument("--key", type=Path)
    parser.add_argument("--refuse", default="")
    parser.add_argument("--unwanted", default="")
    parser.add_argument("--at-once", action="store_true")
    parser.add_argument("--silent", action="store_true")
    parser.add_argument("--slow", type=float, default=0.0)
    parser.add_argument("--host", default="127.0.0.2")
    parser.add_argument("--port", type=int, default=0)
    warnings.simplefilter("ignore")  # of passwords without TLS, which it cannot see
    asyncio.run(serve(parser.parse_args()))
