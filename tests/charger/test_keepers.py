"""The tasks that keep something outlive an error that nobody foresaw, and look at what they have to
keep."""

from collections.abc import Callable
from math import inf
from typing import Any, cast

import pytest
import trio

from levity_trio.charger import local_lists, signing
from levity_trio.charger.central import Central
from levity_trio.charger.commands import Chargers, UnknownCharger, keep_deadlines
from levity_trio.charger.local_lists import open_local_lists
from levity_trio.charger.securing import keep_security
from levity_trio.charger.wallets import open_wallets
from levity_trio.events import MeterBack, SecuringBegan, SecuringEnded
from levity_trio.store.reads.reader import Reader
from levity_trio.store.writes.chargers import local_lists as list_writes
from levity_trio.store.writes.chargers import security
from levity_trio.store.writes.chargers.security import CertificateWork
from tests.charger.parts import InlineWriter, configure
from tests.charger.peers import open_charger


class Failing:
    """A reader whose every read fails."""

    reads = 0

    async def run(self, read: Callable[..., object]) -> object:
        del read
        self.reads += 1
        raise ValueError("nobody foresaw this")


@pytest.mark.logs_errors
@pytest.mark.parametrize("keeper", [open_wallets, open_local_lists])
async def test_it_is_logged_and_looks_again(central: Central, keeper: Any) -> None:
    configure(central, local_list="on")
    reader = Failing()
    async with keeper(central, cast("Reader", reader)):
        await trio.sleep(5 * 60)
    assert reader.reads > 1


@pytest.mark.logs_errors
async def test_a_local_list_that_cannot_be_kept_holds_up_no_other(
    central: Central, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw at the first charger; the others are looked at, also when something is
    new there."""
    central.known |= {"CP-1", "CP-2"}
    decided = []

    def decide(_: object, charger: str, **__: object) -> tuple[None, None]:
        decided.append(charger)
        if charger == "CP-1":
            raise KeyError(charger)
        return None, None

    monkeypatch.setattr(list_writes, "decide", decide)
    lists = local_lists.LocalLists(central, cast("Reader", Failing()))
    lists._renew_at = inf
    lists._due = dict.fromkeys(["CP-1", "CP-2"])
    await lists._look()
    assert [*dict.fromkeys(decided)] == ["CP-1", "CP-2"]
    assert (lists._due, [*lists._again]) == ({}, ["CP-1"])


@pytest.mark.logs_errors
async def test_a_certificate_that_cannot_be_issued_holds_up_no_other(
    central: Central, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def issue(_: object, csr: str, __: object) -> object:
        asked.append(csr)
        raise KeyError(csr)

    work = [
        CertificateWork(number, f"CP-{number}", f"csr {number}", None, None, 0) for number in (1, 2)
    ]
    monkeypatch.setattr(signing, "issue_for_charger", issue)
    monkeypatch.setattr(signing, "has_root", lambda _: True)
    monkeypatch.setattr(security, "advance_certificates", lambda *_: work)
    central.clock_trusted = True
    assert await signing.Signing(central)._look()
    assert asked == ["csr 1", "csr 2"]


@pytest.mark.logs_errors
async def test_a_charger_that_cannot_be_asked_to_boot_ends_nothing(
    central: Central, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = Chargers.ask_to_boot

    async def ask_or_not(self: Chargers, charger: str, asked_by: str) -> int | None:
        if charger == "CP-1":
            raise UnknownCharger(charger)
        return await ask(self, charger, asked_by)

    monkeypatch.setattr(Chargers, "ask_to_boot", ask_or_not)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_deadlines, central, 1.0)
        async with open_charger(central) as odd, open_charger(central, "/ocpp/CP-2") as sound:
            for charger in (odd, sound):
                await charger.call("Heartbeat")
            assert (await sound.receive())[2] == "TriggerMessage"
        nursery.cancel_scope.cancel()


async def test_nothing_is_written_for_a_charger_whose_way_to_a_profile_has_ended(
    central: Central, writer: InlineWriter
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_security, central)
        await trio.sleep(1)
        known: dict[str, Any] = {
            "charger": "CP-1",
            "at": "2026-03-01T12:00:00Z",
            "securing": 1,
            "profile": 2,
        }
        central.hooks.observe(SecuringBegan(**known, by="anna"))
        central.hooks.observe(SecuringEnded(**known, result="cancelled"))
        await trio.sleep(1)
        before = writer.statistics()
        central.hooks.observe(MeterBack(charger="CP-1", at="2026-03-01T12:00:01Z", meter="Main"))
        await trio.sleep(1)
        assert writer.statistics() == before
        nursery.cancel_scope.cancel()
