"""One conversation with a mail server, by `smtplib` in a thread.

Who waits for it is released after a minute at the latest, whatever the server does: its connection
is cut then, which ends the thread.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import trio

from levity_trio.config import ServerConfig
from levity_trio.config.settings import MAIL_ADDRESS, MAIL_PORTS
from levity_trio.notify.letter import Letter, Unsent
from levity_trio.outgoing.request import trust
from levity_trio.told import Quantity, Told
from levity_trio.writing import replace

AT_ONCE: Final = 2
STEP_SECONDS: Final = 20.0
"""How long the mail server may be silent."""
MAIL_SECONDS: Final = 60.0
OWN_MACHINE: Final = ("localhost", "127.0.0.1", "::1")
OK, WILL_RELAY, PERMANENT = 250, 251, 500
_PLACES: Final = trio.lowlevel.RunVar[trio.CapacityLimiter]("mail")
Sender = tuple[str, str]
"""The name and the address."""


async def send(letter: Letter, sender: Sender, settings: ServerConfig) -> None:
    """Hand a mail to the server of the settings. Raises Unsent."""
    conversation = _Conversation(settings)
    work = partial(conversation.run, sender[1], letter.to, _message(letter, sender))
    with trio.move_on_after(MAIL_SECONDS):
        try:
            await trio.to_thread.run_sync(work, limiter=_places(), abandon_on_cancel=True)
        finally:
            conversation.cut()
    conversation.check()


def _places() -> trio.CapacityLimiter:
    try:
        return _PLACES.get()
    except LookupError:
        _PLACES.set(trio.CapacityLimiter(AT_ONCE))
        return _PLACES.get()


def _message(letter: Letter, sender: Sender) -> bytes:
    """Return a mail as it is sent. Raises Unsent for an address that is none, as older versions
    took some."""
    if not MAIL_ADDRESS.fullmatch(letter.to):
        raise Unsent(Told("{1} is not a mail address", letter.to), is_refused=True)
    message, (name, address) = EmailMessage(policy=SMTP), sender
    message["From"] = Address(name, addr_spec=address)
    message["To"] = Address(addr_spec=letter.to)
    message["Subject"] = " ".join(letter.subject.split())
    message["Date"] = format_datetime(letter.at)
    message["Message-ID"] = f"<{letter.message_id}@{address.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # so that nobody's "out of office" answers
    message.set_content(f"{letter.body}\n\n{letter.link}\n" if letter.link else f"{letter.body}\n")
    for one in letter.attachments:
        kind, _, form = one.media_type.partition("/")
        message.add_attachment(one.content, kind, form, filename=one.name)
    return message.as_bytes()


async def put(letter: Letter, sender: Sender, folder: Path) -> None:
    """Write a mail into a folder. Raises Unsent."""
    digest = sha256(letter.message_id.encode()).hexdigest()[:12]
    path = folder / f"{letter.at:%Y%m%dT%H%M%S}-{digest}.eml"  # the same when it is sent again
    try:
        await trio.to_thread.run_sync(replace, path, _message(letter, sender))
    except OSError as error:
        raise Unsent(
            Told("cannot write to {1}: {2}", str(folder), error.strerror or str(error))
        ) from None


class _Conversation:
    """One conversation with a mail server, in a thread; `cut` ends it from outside."""

    def __init__(self, settings: ServerConfig) -> None:
        self._url = urlsplit(settings.mail or "")
        self._password_file = settings.mail_password_file
        self._ca = settings.mail_ca
        self._smtp: smtplib.SMTP | None = None
        self._is_cut = self._is_under_way = self._is_taken = False
        self._problem: Unsent | None = None

    def cut(self) -> None:
        """End the connection, if it is still open; no message is begun any more."""
        self._is_cut = True
        # its thread may close it at any moment
        open_socket = None if self._smtp is None else self._smtp.sock
        if open_socket is not None:
            with suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)

    def check(self) -> None:
        """Raise Unsent unless the server has taken the message."""
        if not self._is_taken:
            late = Unsent(
                Told("no answer within {1}", Quantity(MAIL_SECONDS, "s")),
                is_perhaps_sent=self._is_under_way,
            )
            raise self._problem or late

    def run(self, sender: str, to: str, message: bytes) -> None:
        """Hand a message over; `check` tells what came of it."""
        try:
            self._open()
            self._log_in()
            self._hand_over(sender, to, message)
        except Unsent as problem:
            self._problem = problem
        except (OSError, ValueError, smtplib.SMTPException) as error:
            self._problem = Unsent(_words(error, self._host), is_perhaps_sent=self._is_under_way)
        finally:
            if self._smtp is not None:
                self._smtp.close()

    @property
    def _host(self) -> str:
        return self._url.hostname or ""

    def _open(self) -> None:
        # looking it up may take long
        port, own_name = (
            self._url.port or MAIL_PORTS[self._url.scheme],
            "[127.0.0.1]",
        )
        if self._url.scheme == "smtps":
            self._smtp = smtplib.SMTP_SSL(
                self._host, port, own_name, timeout=STEP_SECONDS, context=self._trust()
            )
            return
        self._smtp = smtplib.SMTP(self._host, port, own_name, timeout=STEP_SECONDS)
        self._smtp.ehlo_or_helo_if_needed()
        # Nothing goes through a network in clear text: there, a server that does not offer it is
        # refused.
        if self._host not in OWN_MACHINE or self._smtp.has_extn("starttls"):
            self._smtp.starttls(context=self._trust())

    def _trust(self) -> ssl.SSLContext:
        """Return what the certificate is checked with. Raises Unsent if --mail-ca cannot be
        read."""
        if self._ca is not None:
            try:
                return ssl.create_default_context(cafile=self._ca)
            except OSError as error:
                raise Unsent(
                    Told("cannot read the certificates in {1}: {2}", str(self._ca), str(error))
                ) from None
        if self._host not in OWN_MACHINE:
            return trust()
        unchecked = ssl.create_default_context()
        unchecked.check_hostname = False
        unchecked.verify_mode = ssl.CERT_NONE
        return unchecked

    def _log_in(self) -> None:
        if self._smtp is None or not self._url.username:
            return
        password = unquote(self._url.password or "")
        if self._password_file is not None:
            try:
                password = self._password_file.read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                raise Unsent(
                    Told(
                        "cannot read the password in {1}: {2}", str(self._password_file), str(error)
                    )
                ) from None
        if not password.isascii():
            raise Unsent(
                Told(
                    "the password of the mail server has letters that cannot be sent: choose one "
                    "of ASCII"
                )
            )
        if password:
            self._smtp.login(unquote(self._url.username), password)

    def _hand_over(self, sender: str, to: str, message: bytes) -> None:
        smtp = self._smtp
        if smtp is None or self._is_cut:
            return
        smtp.ehlo_or_helo_if_needed()
        code, words = smtp.mail(sender)
        if code != OK:  # a fault of the settings, not of this message
            raise Unsent(
                Told("the mail server refuses the sender {1}: {2}", sender, _said(code, words))
            )
        code, words = smtp.rcpt(to)
        if code not in (OK, WILL_RELAY):
            raise Unsent(
                Told("{1} was refused: {2}", to, _said(code, words)), is_refused=code >= PERMANENT
            )
        if self._is_cut:
            return
        self._is_under_way = True
        answer: tuple[int, bytes | str]
        try:
            answer = smtp.data(message)
        except smtplib.SMTPDataError as error:  # it does not even want to see it
            answer = error.smtp_code, error.smtp_error
        if answer[0] != OK:
            refusal = Told("the mail server refuses the message: {1}", _said(*answer))
            raise Unsent(refusal, is_refused=answer[0] >= PERMANENT)
        self._is_under_way = False
        self._is_taken = True
        with suppress(OSError, smtplib.SMTPException):
            smtp.putcmd("quit")  # its answer changes nothing


def _said(code: int, words: bytes | str) -> str:
    text = words.decode(errors="replace") if isinstance(words, bytes) else words
    return f"{code} {' '.join(text.split())}"


def _words(error: Exception, host: str) -> str:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        answer = _said(error.smtp_code, error.smtp_error)
        return Told("the mail server does not accept the user or the password: {1}", answer)
    if isinstance(error, smtplib.SMTPResponseException):
        return Told("the mail server answers {1}", _said(error.smtp_code, error.smtp_error))
    if isinstance(error, ssl.SSLCertVerificationError):
        words = error.verify_message
        return Told(
            "the certificate of {1} is not trusted here ({2}); give its authority with --mail-ca",
            host,
            words,
        )
    if isinstance(error, socket.gaierror):
        return Told("the name {1} has no address (DNS: {2})", host, error.strerror or "")
    # of which smtplib keeps only the words
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return Told("the mail server {1} does not answer", host)
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return Told("the mail server {1} closed the connection", host)
    return f"{host}: {getattr(error, 'strerror', None) or error}"
