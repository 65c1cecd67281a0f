"""Meters by subscription at a real mosquitto."""

from __future__ import annotations

import trio
import trio.testing

from levity_trio.plugins.mqtt.broker import Message, open_link
from levity_trio.store.writes.load import load as load_writes
from tests.plugins.mqtt.clients import WAIT_SECONDS, at
from tests.plugins.mqtt.mosquitto import Mosquitto
from tests.plugins.mqtt.test_meters import FEEDER, SINCE, House, house

__all__ = ["house"]


async def test_a_broker_hands_on_what_meters_publish(house: House, mosquitto: Mosquitto) -> None:
    """Its meters were retained before we came; what they publish from then on counts, retained or
    not."""
    house.add()
    await house.site.writer.run(load_writes.set_site, FEEDER, SINCE, "anna")
    last = trio.Event()

    def take(message: Message) -> None:
        house.meters.take(message)
        if message.payload == b"3":
            last.set()

    with trio.fail_after(WAIT_SECONDS):
        async with (
            house.running(),
            open_link(at(mosquitto, prefix="meter"), lambda _: None) as meter,
        ):
            await meter.publish(
                [
                    Message("house", b"1", is_retained=True),
                    Message("feeder", b"4", is_retained=True),
                ]
            )
            await house.load.topics_other_than(frozenset())
            async with open_link(at(mosquitto), take) as link:
                assert await link.subscribe(await house.meters.topics()) == []
                await meter.publish(
                    [Message("house", b"2", is_retained=True), Message("feeder", b'{"a": 9}')]
                )
                await meter.publish([Message("house", b"3")])
                await last.wait()
                while (  # noqa: ASYNC110
                    not house.kept()
                    or house.load.now is None
                    or house.load.now.meters[0].at is None
                ):
                    await trio.sleep(0.01)
    assert [value for _, value in house.kept()] == ["2"]
    assert house.load.now.meters[0].amperes == [9.0, 0.0, 0.0]
