"""The two ways by which messages leave: mail, and push messages over ntfy, as the settings say."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import orjson
import trio

from levity_trio.config import ServerConfig
from levity_trio.config.settings import FOLDER_OF_MAIL, sender_parts
from levity_trio.notify.letter import Letter, Notice, Unsent
from levity_trio.outgoing.request import Unanswered, leading_to, post, proof_in
from levity_trio.told import Told

PUSH_SECONDS: Final = 10.0
PUSH_BYTES: Final = 4000
"""ntfy makes a file of a text that is longer than 4,096 bytes."""
PROBLEM_BYTES: Final = 1000
UNFIT: Final = (400, 413)
"""What is wrong with the message itself: its form, its size."""
URGENT: Final = 4
"""Of ntfy's priorities: a long vibration."""


def sender_of(settings: ServerConfig) -> tuple[str, str] | None:
    """Return the name and the address from which mails come, and to which they bounce; None if none
    is set."""
    if settings.mail is None:
        return None
    if settings.mail_from is not None:
        return sender_parts(settings.mail_from)
    if settings.mail.startswith(FOLDER_OF_MAIL):
        return "", "levity-trio@localhost"
    user = unquote(urlsplit(settings.mail).username or "")
    return sender_parts(user)


async def send_mail(letter: Letter, settings: ServerConfig) -> str:
    """Send a mail. It is sent when this returns what the server answered, or the folder that has
    it. Raises Unsent."""
    if settings.mail is None:
        raise Unsent(Told("no mail server is set (--mail)"))
    sender = sender_of(settings)
    if sender is None:
        raise Unsent(Told("give the sender of mails with --mail-from"))
    from levity_trio.notify import mail  # noqa: PLC0415 - its libraries are a megabyte, and a site may have none

    if settings.mail.startswith(FOLDER_OF_MAIL):
        folder = settings.mail.removeprefix(FOLDER_OF_MAIL)
        await mail.put(letter, sender, Path(folder))
        return folder
    return await mail.send(letter, sender, settings)


async def push(notice: Notice, settings: ServerConfig) -> int:
    """Publish a push message as JSON, as ntfy documents it; return the status of its answer. Raises
    Unsent."""
    if settings.ntfy is None:
        raise Unsent(Told("no ntfy server is set (--ntfy)"))
    text = notice.body.encode()[:PUSH_BYTES].decode(errors="ignore")
    content: dict[str, object] = {
        "topic": notice.topic,
        "title": notice.title,
        "message": text,
    }
    if notice.link:
        content["click"] = notice.link
    if notice.is_urgent:
        content["priority"] = URGENT
    to = leading_to(settings.ntfy)
    proof = await _proof(settings)
    body = orjson.dumps(content)
    try:
        response = await post(to, proof, body, PUSH_SECONDS, most_bytes=PROBLEM_BYTES)
    except Unanswered as problem:
        raise Unsent(Told("ntfy at {1}: {2}", to.host, str(problem))) from None
    if 200 <= response.status < 300:
        return response.status

    # ntfy says in its answer what is wrong.
    answer = f"{response.status}"
    with suppress(orjson.JSONDecodeError, LookupError, TypeError):
        error = orjson.loads(response.body)["error"]
        if isinstance(error, str):
            answer = f"{answer}: {error}"
    refusal = Told("ntfy at {1} answers {2}", to.host, answer)
    raise Unsent(refusal, is_refused=response.status in UNFIT)


async def _proof(settings: ServerConfig) -> Mapping[str, str]:
    """Return the header that shows who publishes. Raises Unsent."""
    if settings.ntfy_token_file is None:
        return proof_in(settings.ntfy or "")
    file = str(settings.ntfy_token_file)
    try:
        text = await trio.to_thread.run_sync(settings.ntfy_token_file.read_text, "utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Unsent(Told("cannot read the token in {1}: {2}", file, str(error))) from None
    token = text.strip()
    if not token.isascii() or not token.isprintable():
        raise Unsent(Told("the token in {1} is none: give it alone, on one line", file))
    return {"authorization": f"Bearer {token}"}
