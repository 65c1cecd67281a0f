"""Mails to a real mail server, and push messages to a receiver with ntfy's format."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.config import ServerConfig
from levity_trio.config.settings import MAIL_ADDRESS
from levity_trio.notify import mail
from levity_trio.notify.letter import Attachment, Letter, Notice, Unsent
from levity_trio.notify.sending import push, send_mail
from tests.notify.keys import Pair, make_pair
from tests.notify.mail_server import PASSWORD, USER, MailServer, serving_mail
from tests.notify.ntfy import serving_ntfy

PAPER = Attachment(name="Rechnung 12.pdf", media_type="application/pdf", content=b"%PDF-1.7")
LETTER = Letter(
    message_id="3f2a",
    to="anna@example.org",
    subject="Stellplatz 4: gestört",
    body="Der Lader ist seit 18:04 gestört.",
    link="https://example.org/chargers/CP-4",
    at=datetime(2026, 11, 3, 18, 5, tzinfo=UTC),
    attachments=[PAPER],
)
NOTICE = Notice(
    topic="lt_topic",
    title="Space 4: faulted",
    body="Since 18:04.",
    link="https://example.org/",
    is_urgent=True,
)


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    pair = make_pair(tmp_path)
    monkeypatch.setattr(mail, "trust", pair.trusting)
    return pair


def to_server(
    server: MailServer, scheme: str = "smtps", user: str = USER, **more: Any
) -> ServerConfig:
    return ServerConfig(
        mail=f"{scheme}://{quote(user, safe='')}@127.0.0.2:{server.port}",
        mail_from=f"Bauhof 12 <{USER}>",
        **more,
    )


async def unsent(letter: Letter, settings: ServerConfig) -> Unsent:
    with pytest.raises(Unsent) as caught:
        await send_mail(letter, settings)
    return caught.value


@pytest.mark.parametrize(("scheme", "words"), [("smtps", ["--at-once"]), ("smtp", [])])
async def test_a_mail_arrives_with_its_file(
    pair: Pair, tmp_path: Path, scheme: str, words: Sequence[str]
) -> None:
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n", encoding="utf-8")
    async with serving_mail("--cert", pair.cert, "--key", pair.key, *words) as server:
        await send_mail(LETTER, to_server(server, scheme, mail_password_file=secret))
        taken = await server.taken()
    assert (taken["from"], taken["to"]) == (USER, ["anna@example.org"])
    assert taken["headers"]["from"] == f"Bauhof 12 <{USER}>"
    assert taken["headers"]["subject"] == LETTER.subject
    assert taken["headers"]["message-id"] == "<3f2a@example.org>"
    assert taken["headers"]["date"] == "Tue, 03 Nov 2026 18:05:00 +0000"
    assert taken["headers"]["auto-submitted"] == "auto-generated"
    assert taken["body"].replace("\r", "") == f"{LETTER.body}\n\n{LETTER.link}\n"
    assert taken["attachments"] == [["Rechnung 12.pdf", "application/pdf"]]


async def test_a_password_in_the_url_and_a_wrong_one(pair: Pair) -> None:
    async with serving_mail("--cert", pair.cert, "--key", pair.key, "--at-once") as server:
        right, wrong = (
            f"smtps://{quote(USER, safe='')}:{quote(one, safe='')}@127.0.0.2:{server.port}"
            for one in (PASSWORD, "x")
        )
        # the user is an address, so that is the sender
        await send_mail(LETTER, ServerConfig(mail=right))
        assert (await server.taken())["from"] == USER
        problem = await unsent(LETTER, ServerConfig(mail=wrong))
    assert "does not accept the user or the password: 535" in problem.problem
    assert (problem.is_refused, problem.is_perhaps_sent) == (False, False)


async def test_what_the_server_refuses() -> None:
    async with serving_mail("--refuse", "anna@example.org") as server:
        settings = ServerConfig(mail=f"smtp://127.0.0.2:{server.port}", mail_from=USER)
        # nothing goes through a network in clear text
        assert "STARTTLS" in (await unsent(LETTER, settings)).problem
        mail_at_home = replace(settings, mail=f"smtp://127.0.0.2:{server.port}")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(mail, "OWN_MACHINE", ("127.0.0.2",))
            problem = await unsent(LETTER, mail_at_home)
            assert problem.is_refused
            assert problem.problem == "anna@example.org was refused: 550 5.1.1 no such user here"
            assert not (
                await unsent(replace(LETTER, to="later@example.org"), mail_at_home)
            ).is_refused
            assert (await unsent(replace(LETTER, to="müller@example.org"), mail_at_home)).is_refused
            await send_mail(
                replace(LETTER, to="bob@example.org", subject="a\r\nBcc: x@example.org"),
                mail_at_home,
            )
            assert (await server.taken())["headers"]["subject"] == "a Bcc: x@example.org"


@given(
    address=st.from_regex(r"[a1.=?_-]{1,9}@[a1.-]{1,7}", fullmatch=True).filter(
        MAIL_ADDRESS.fullmatch
    )
)
def test_the_library_of_mail_takes_each_address_that_is_taken(address: str) -> None:
    made = mail._message(replace(LETTER, to=address), ("Bauhof 12", address))
    found = message_from_bytes(made, policy=default)
    assert [one.addr_spec for one in (*found["To"].addresses, *found["From"].addresses)] == [
        address
    ] * 2


@pytest.mark.parametrize(
    "address", [".flat@example.org", "flat@-example.org", "flat@example..org", "flat@example.org\n"]
)
async def test_what_is_no_address_is_not_sent(address: str, tmp_path: Path) -> None:
    problem = await unsent(replace(LETTER, to=address), ServerConfig(mail=f"folder:{tmp_path}"))
    assert problem.is_refused
    assert problem.problem == f"{address} is not a mail address"


async def test_a_certificate_that_nobody_trusts(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "trust", ssl.create_default_context)
    async with serving_mail("--cert", pair.cert, "--key", pair.key, "--at-once") as server:
        assert "is not trusted" in (await unsent(LETTER, to_server(server))).problem


@pytest.mark.parametrize(("scheme", "words"), [("smtps", ["--at-once"]), ("smtp", [])])
async def test_a_server_on_this_machine_that_demands_tls_and_has_a_certificate_of_its_own(
    tmp_path: Path, scheme: str, words: Sequence[str]
) -> None:
    """As Debian's Postfix and Proton's bridge do. The certificate, of another address, is checked
    if asked for."""
    pair = make_pair(tmp_path)
    user = f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}"
    async with serving_mail(
        "--cert", pair.cert, "--key", pair.key, "--host", "127.0.0.1", *words
    ) as server:
        settings = ServerConfig(mail=f"{scheme}://{user}@127.0.0.1:{server.port}")
        await send_mail(LETTER, settings)
        assert (await server.taken())["to"] == ["anna@example.org"]
        problem = await unsent(LETTER, replace(settings, mail_ca=pair.cert))
    assert problem.problem.endswith("'127.0.0.1'.); give its authority with --mail-ca")


async def test_the_authority_of_a_mail_server(tmp_path: Path) -> None:
    pair = make_pair(tmp_path)
    async with serving_mail("--cert", pair.cert, "--key", pair.key) as server:
        user = f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}"
        settings = ServerConfig(mail=f"smtp://{user}@127.0.0.2:{server.port}", mail_ca=pair.cert)
        await send_mail(LETTER, settings)
        assert (await server.taken())["to"] == ["anna@example.org"]
        for unread in (tmp_path / "missing.pem", pair.key):
            problem = await unsent(LETTER, replace(settings, mail_ca=unread))
            assert problem.problem.startswith(f"cannot read the certificates in {unread}")
            assert not problem.is_refused


async def test_a_server_that_takes_it_and_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "OWN_MACHINE", ("127.0.0.2",))
    monkeypatch.setattr(mail, "STEP_SECONDS", 0.5)
    async with serving_mail("--silent") as server:
        problem = await unsent(
            LETTER, ServerConfig(mail=f"smtp://127.0.0.2:{server.port}", mail_from=USER)
        )
        assert (await server.taken())["headers"]["message-id"] == "<3f2a@example.org>"
    assert problem.is_perhaps_sent
    assert problem.problem == "the mail server 127.0.0.2 does not answer"


async def test_the_connection_is_cut_after_the_longest_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And when the server stops: the thread ends, too, so that its place is free again."""
    monkeypatch.setattr(mail, "OWN_MACHINE", ("127.0.0.2",))
    monkeypatch.setattr(mail, "MAIL_SECONDS", 1.0)
    monkeypatch.setattr(mail, "STEP_SECONDS", 600.0)
    async with serving_mail("--silent") as server:
        settings = ServerConfig(mail=f"smtp://127.0.0.2:{server.port}", mail_from=USER)
        problem = await unsent(LETTER, settings)
        assert problem.is_perhaps_sent
        with trio.move_on_after(0.5):
            await send_mail(LETTER, settings)
        with trio.fail_after(60):
            while mail._PLACES.get().borrowed_tokens:  # noqa: ASYNC110 - until the threads have ended
                await trio.sleep(0.01)


def test_a_connection_that_its_thread_closes_while_it_is_cut() -> None:
    ours, theirs = socket.socketpair()

    class Closing(smtplib.SMTP):
        looks = iter([ours])

        @property
        def sock(self) -> socket.socket | None:  # type: ignore[override]  # an attribute, which close() sets to None
            return next(self.looks, None)

    conversation = mail._Conversation(ServerConfig(mail="smtp://127.0.0.2"))
    conversation._smtp = Closing()
    conversation.cut()
    with ours, theirs:
        assert theirs.recv(1) == b""


async def test_nobody_is_there() -> None:
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.2"))[0]
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    problem = await unsent(LETTER, ServerConfig(mail=f"smtps://127.0.0.2:{port}", mail_from=USER))
    assert problem.problem == "127.0.0.2: Connection refused"
    assert "no mail server is set" in (await unsent(LETTER, ServerConfig())).problem
    assert "--mail-from" in (await unsent(LETTER, ServerConfig(mail="smtps://127.0.0.2"))).problem


async def test_a_folder_in_place_of_a_server(tmp_path: Path) -> None:
    settings = ServerConfig(mail=f"folder:{tmp_path}")
    for _ in range(2):  # the same again is the same file
        await send_mail(LETTER, settings)
    (found,) = [*tmp_path.iterdir()]  # noqa: ASYNC240 - for a moment
    assert found.name.startswith("20261103T180500-")
    assert b"Message-ID: <3f2a@localhost>" in found.read_bytes()
    tmp_path.joinpath("no").write_text("")
    assert (
        "cannot write"
        in (await unsent(LETTER, ServerConfig(mail=f"folder:{tmp_path / 'no'}"))).problem
    )


async def test_a_push_message(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("tk_1234\n")
    async with serving_ntfy() as ntfy:
        settings = ServerConfig(ntfy=ntfy.url, ntfy_token_file=secret)
        await push(NOTICE, settings)
        await push(replace(NOTICE, body="ä" * 5000, link=None, is_urgent=False), settings)
    first, second = ntfy.published
    assert first == {
        "topic": "lt_topic",
        "title": "Space 4: faulted",
        "message": "Since 18:04.",
        "click": "https://example.org/",
        "priority": 4,
    }
    assert second == {"topic": "lt_topic", "title": "Space 4: faulted", "message": "ä" * 2000}
    assert {one["authorization"] for one in ntfy.headers} == {"Bearer tk_1234"}


async def test_a_token_that_no_header_may_have(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("tk_1\ntk_2\n")
    with pytest.raises(Unsent, match="is none: give it alone, on one line") as caught:
        await push(NOTICE, ServerConfig(ntfy="http://127.0.0.1:1", ntfy_token_file=secret))
    assert not caught.value.is_refused


async def test_what_ntfy_refuses() -> None:
    async with serving_ntfy(token="tk_1") as ntfy:  # noqa: S106
        with pytest.raises(Unsent, match=r"ntfy at 127\.0\.0\.1 answers 403: forbidden") as caught:
            await push(NOTICE, ServerConfig(ntfy=ntfy.url))
    assert not caught.value.is_refused
    with pytest.raises(Unsent, match="failed"):
        await push(NOTICE, ServerConfig(ntfy=ntfy.url))
    with pytest.raises(Unsent, match="no ntfy server"):
        await push(NOTICE, ServerConfig())
