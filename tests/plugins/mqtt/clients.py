"""Other clients of a broker, which hear what we send."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

import trio

from levity_trio.plugins.mqtt.broker import Broker, Link, Message, open_link
from tests.plugins.mqtt.mosquitto import Mosquitto

WAIT_SECONDS: Final = 60.0


def at(mosquitto: Mosquitto, **more: object) -> Broker:
    known = {
        "host": "localhost",
        "port": mosquitto.port,
        "is_tls": mosquitto.is_tls,
        "prefix": "levity",
    }
    return Broker(**{**known, **more})  # type: ignore[arg-type]


class Heard:
    """What arrived, and a wait for it."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.link: Link | None = None
        self._news = trio.Event()

    def __call__(self, message: Message) -> None:
        self.messages.append(message)
        self._news.set()

    async def tell(self, topic: str, payload: bytes) -> None:
        """Publish a message."""
        assert self.link is not None
        await self.link.deliver([Message(topic=topic, payload=payload)])

    async def until(self, count: int) -> list[Message]:
        """Wait until so many messages have come, and return all."""
        await self.wait(lambda: len(self.messages) >= count)
        return self.messages

    async def wait(self, is_so: Callable[[], bool]) -> None:
        """Wait until something holds of what was heard."""
        with trio.fail_after(WAIT_SECONDS):
            while not is_so():
                self._news = trio.Event()
                await self._news.wait()

    async def shows(self, expected: Mapping[str, str]) -> None:
        """Wait until the newest payloads are these, by topics below levity/."""
        try:
            await self.wait(lambda: expected.items() <= self.newest.items())
        except trio.TooSlowError:
            newest = self.newest
            raise AssertionError({topic: newest.get(topic) for topic in expected}) from None

    @property
    def newest(self) -> dict[str, str]:
        """The newest payload of each topic below levity/."""
        return {one.topic.removeprefix("levity/"): one.payload.decode() for one in self.messages}

    def payloads(self, topic: str) -> list[str]:
        """All payloads of a topic below levity/, in the order in which they came."""
        return [one.payload.decode() for one in self.messages if one.topic == f"levity/{topic}"]


@asynccontextmanager
async def listener(mosquitto: Mosquitto, *topics: str, **more: object) -> AsyncIterator[Heard]:
    """Another client, which has subscribed; it can also send, by `link`."""
    heard = Heard()
    async with open_link(at(mosquitto, prefix="listener", **more), heard) as link:
        heard.link = link
        assert await link.subscribe(topics) == []
        yield heard
