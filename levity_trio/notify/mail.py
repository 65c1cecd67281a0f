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
_OWN_NAME: Final = "[127.0.0.1]"
"""Looking the name of this machine up may take long."""
OK = 250
WILL_RELAY = 251
PERMANENT = 500
_PLACES: Final = trio.lowlevel.RunVar[trio.CapacityLimiter]("mail")
Sender = tuple[str, str]
"""The name and the address."""


async def send(letter: Letter, sender: Sender, settings: ServerConfig) -> str:
    """Hand a mail to the server of the settings; return its answer. Raises Unsent."""
    # A limiter belongs to one run of trio.
    try:
        places = _PLACES.get()
    except LookupError:
        places = trio.CapacityLimiter(AT_ONCE)
        _PLACES.set(places)
    conversation = _Conversation(settings)
    work = partial(conversation.run, sender[1], letter.to, _message(letter, sender))
    with trio.move_on_after(MAIL_SECONDS):
        try:
            await trio.to_thread.run_sync(work, limiter=places, abandon_on_cancel=True)
        finally:
            conversation.cut()
    return conversation.answer()


def _message(letter: Letter, sender: Sender) -> bytes:
    """Return a mail as it is sent. Raises Unsent for an address that is none."""
    if not MAIL_ADDRESS.fullmatch(letter.to):
        raise Unsent(Told("{1} is not a mail address", letter.to), is_refused=True)
    message = EmailMessage(policy=SMTP)
    name, address = sender
    domain = address.rpartition("@")[2]
    message["From"] = Address(name, addr_spec=address)
    message["To"] = Address(addr_spec=letter.to)
    message["Subject"] = " ".join(letter.subject.split())
    message["Date"] = format_datetime(letter.at)
    message["Message-ID"] = f"<{letter.message_id}@{domain}>"
    # So that nobody's "out of office" answers.
    message["Auto-Submitted"] = "auto-generated"
    body = f"{letter.body}\n"
    if letter.link:
        body = f"{body}\n{letter.link}\n"
    message.set_content(body)
    for attachment in letter.attachments:
        kind, _, form = attachment.media_type.partition("/")
        message.add_attachment(attachment.content, kind, form, filename=attachment.name)
    return message.as_bytes()


async def put(letter: Letter, sender: Sender, folder: Path) -> None:
    """Write a mail into a folder. Raises Unsent."""
    # The name is the same when it is sent again.
    digest = sha256(letter.message_id.encode()).hexdigest()[:12]
    path = folder / f"{letter.at:%Y%m%dT%H%M%S}-{digest}.eml"
    content = _message(letter, sender)
    try:
        await trio.to_thread.run_sync(replace, path, content)
    except OSError as error:
        words = error.strerror or str(error)
        raise Unsent(Told("cannot write to {1}: {2}", str(folder), words)) from None


class _Conversation:
    """One conversation with a mail server, in a thread; `cut` ends it from outside."""

    def __init__(self, settings: ServerConfig) -> None:
        self._url = urlsplit(settings.mail or "")
        self._password_file = settings.mail_password_file
        self._ca = settings.mail_ca
        self._smtp: smtplib.SMTP | None = None
        self._is_cut = False
        self._is_under_way = False
        self._answer: str | None = None
        self._problem: Unsent | None = None

    def cut(self) -> None:
        """End the connection, if it is still open; no message is begun any more."""
        self._is_cut = True
        # Its thread may close it at any moment.
        open_socket = None if self._smtp is None else self._smtp.sock
        if open_socket is not None:
            with suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)

    def answer(self) -> str:
        """Return how the server took the message. Raises Unsent if it did not."""
        if self._answer is not None:
            return self._answer
        if self._problem is not None:
            raise self._problem
        late = Told("no answer within {1}", Quantity(MAIL_SECONDS, "s"))
        raise Unsent(late, is_perhaps_sent=self._is_under_way)

    def run(self, sender: str, to: str, message: bytes) -> None:
        """Hand a message over; `answer` tells what came of it."""
        try:
            smtp = self._open()
            if not self._is_cut:
                self._hand_over(smtp, sender, to, message)
        except Unsent as problem:
            self._problem = problem
        except (OSError, ValueError, smtplib.SMTPException) as error:
            words = _words(error, self._host)
            self._problem = Unsent(words, is_perhaps_sent=self._is_under_way)
        finally:
            if self._smtp is not None:
                self._smtp.close()

    @property
    def _host(self) -> str:
        return self._url.hostname or ""

    def _open(self) -> smtplib.SMTP:
        """Connect to the server, encrypted if it is another machine, and log in if a user is
        set."""
        port = self._url.port or MAIL_PORTS[self._url.scheme]
        if self._url.scheme == "smtps":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host, port, _OWN_NAME, timeout=STEP_SECONDS, context=self._trust()
            )
            self._smtp = smtp
        else:
            smtp = smtplib.SMTP(self._host, port, _OWN_NAME, timeout=STEP_SECONDS)
            self._smtp = smtp
            smtp.ehlo_or_helo_if_needed()
            # Nothing goes through a network in clear text: there, a server that does not offer it
            # is refused.
            if self._host not in OWN_MACHINE or smtp.has_extn("starttls"):
                smtp.starttls(context=self._trust())

        if not self._url.username:
            return smtp
        password = unquote(self._url.password or "")
        if self._password_file is not None:
            file = str(self._password_file)
            try:
                password = self._password_file.read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                why = Told("cannot read the password in {1}: {2}", file, str(error))
                raise Unsent(why) from None
        if not password.isascii():
            raise Unsent(
                Told(
                    "the password of the mail server has letters that cannot be sent: choose one "
                    "of ASCII"
                )
            )
        if password:
            smtp.login(unquote(self._url.username), password)
        return smtp

    def _trust(self) -> ssl.SSLContext:
        """Return what the certificate is checked with. Raises Unsent if --mail-ca cannot be
        read."""
        if self._ca is not None:
            try:
                return ssl.create_default_context(cafile=self._ca)
            except OSError as error:
                file = str(self._ca)
                why = Told("cannot read the certificates in {1}: {2}", file, str(error))
                raise Unsent(why) from None
        if self._host not in OWN_MACHINE:
            return trust()
        unchecked = ssl.create_default_context()
        unchecked.check_hostname = False
        unchecked.verify_mode = ssl.CERT_NONE
        return unchecked

    def _hand_over(self, smtp: smtplib.SMTP, sender: str, to: str, message: bytes) -> None:
        """Hand a message over. It is the server's from its answer on."""
        smtp.ehlo_or_helo_if_needed()
        code, words = smtp.mail(sender)
        if code != OK:
            # This is a fault of the settings, not of this message.
            answer = _said(code, words)
            raise Unsent(Told("the mail server refuses the sender {1}: {2}", sender, answer))
        code, words = smtp.rcpt(to)
        if code not in (OK, WILL_RELAY):
            refusal = Told("{1} was refused: {2}", to, _said(code, words))
            raise Unsent(refusal, is_refused=code >= PERMANENT)

        if self._is_cut:
            return
        self._is_under_way = True
        result: str | bytes
        try:
            code, result = smtp.data(message)
        except smtplib.SMTPDataError as error:
            # It does not even want to see the message.
            code, result = error.smtp_code, error.smtp_error
        if code != OK:
            refusal = Told("the mail server refuses the message: {1}", _said(code, result))
            raise Unsent(refusal, is_refused=code >= PERMANENT)
        self._is_under_way = False
        self._answer = _said(code, result)
        # The answer to this changes nothing.
        with suppress(OSError, smtplib.SMTPException):
            smtp.putcmd("quit")


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
        return Told(
            "the certificate of {1} is not trusted here ({2}); give its authority with --mail-ca",
            host,
            error.verify_message,
        )
    if isinstance(error, socket.gaierror):
        return Told("the name {1} has no address (DNS: {2})", host, error.strerror or "")
    # smtplib makes a closed connection of a timeout, and keeps only its words.
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return Told("the mail server {1} does not answer", host)
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return Told("the mail server {1} closed the connection", host)
    return f"{host}: {getattr(error, 'strerror', None) or error}"
