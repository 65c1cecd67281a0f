"""Who may connect as a charger: no profile goes down, and a stranger with a known identity touches
nothing of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from levity_trio.access import passwords
from levity_trio.access.passwords import GIVEN
from levity_trio.access.registration import Decision, Mode
from levity_trio.charger import doors
from levity_trio.charger.central import Central
from levity_trio.charger.doors import FREE, Failures
from levity_trio.events import CertificateRevoked, PasswordInDigits, ProfileChanged, ReadmissionUsed
from levity_trio.store.writes.chargers import security
from levity_trio.store.writes.chargers.hiding import UnknownIdentity
from levity_trio.wire.times import stamp
from tests.charger.doors import (
    OTHER,
    PASSWORD,
    basic,
    give,
    kinds,
    knock,
    make_known,
    status,
    use,
    watch,
)
from tests.charger.parts import START, InlineWriter, configure
from tests.charger.peers import at, open_charger, open_raw, session_of, upgrade

FORWARDED = (
    ("X-Forwarded-Proto: https", "Forwarded: proto=https"),
    ("X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1"),
    ("X-Client-Cert-Fingerprint: 00", "X-SSL-Client-Verify: SUCCESS"),
)


GUESSES: Final = 65
"""Of one address and identity in an hour."""


async def at_profile_one(central: Central, writer: InlineWriter, charger: str = "CP-1") -> int:
    """Make this a charger that has connected with its password; return the password's id."""
    await make_known(central, charger)
    password = await give(writer, charger)
    await use(central, charger, basic(charger, PASSWORD))
    return password


def profile_of(writer: InlineWriter, charger: str = "CP-1") -> int:
    found = writer.rows("SELECT profile FROM security WHERE cp_id = ?", charger)
    return int(found[0][0]) if found else 0


# Passwords


async def test_until_its_first_use_the_door_stays_open(
    central: Central, writer: InlineWriter
) -> None:
    await make_known(central, "CP-1")
    await give(writer, "CP-1")
    assert await status(central, "CP-1") == 101
    assert await status(central, "CP-1", basic("CP-1", OTHER)) == 101
    assert profile_of(writer) == 0
    await use(central, "CP-1", basic("CP-1", PASSWORD))
    assert profile_of(writer) == 1
    assert writer.rows("SELECT profile, credential_id FROM session ORDER BY id")[-1] == (1, 1)


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (basic("CP-1", OTHER),),
        (basic("CP-2", PASSWORD),),
        (basic("cp-1", PASSWORD),),
        ("Authorization: Basic %%%",),
        ("Authorization: Bearer x",),
        *FORWARDED,
    ],
)
async def test_no_other_proof_and_no_header_opens_the_door(
    central: Central, writer: InlineWriter, lines: tuple[str, ...]
) -> None:
    await at_profile_one(central, writer)
    witness = watch(central)
    head = await knock(central, "CP-1", *lines)
    assert head.startswith("HTTP/1.1 401 ")
    assert 'WWW-Authenticate: Basic realm="OCPP"' in head
    assert kinds(witness) in (["password"], ["profile"])
    assert await status(central, "CP-1", basic("CP-1", PASSWORD)) == 101


async def test_the_digits_of_a_password_are_accepted_and_counted(
    central: Central, writer: InlineWriter
) -> None:
    await at_profile_one(central, writer)
    witness = watch(central)
    await use(central, "CP-1", basic("CP-1", PASSWORD.hex().upper().encode()))
    assert [event.charger for event in witness.of(PasswordInDigits)] == ["CP-1"]


async def test_an_identity_with_colons_has_a_password_too(
    central: Central, writer: InlineWriter
) -> None:
    identity = "AA:BB:CC"
    await make_known(central, identity)
    await give(writer, identity, b":" + PASSWORD[1:])
    await use(central, identity, basic(identity, b":" + PASSWORD[1:]))
    assert profile_of(writer, identity) == 1


async def test_a_given_password_opens_the_door_before_and_after_it_was_verified(
    central: Central, writer: InlineWriter
) -> None:
    await make_known(central, "CP-1")
    await give(writer, "CP-1", b"one that can be guessed", GIVEN)
    for _ in range(2):
        await use(central, "CP-1", basic("CP-1", b"one that can be guessed"))
    assert await status(central, "CP-1", basic("CP-1", OTHER)) == 401
    assert "guessed" not in str(writer.rows("SELECT * FROM credential"))


class Stretching:
    """Compares passwords in virtual time, and counts how many."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float = 0.25) -> None:
        self.count, self._seconds = 0, seconds
        monkeypatch.setattr(doors, "stretch", self.stretch)

    async def stretch(self, function: Callable[..., object], *args: object) -> object:
        self.count += 1
        await trio.sleep(self._seconds)
        return function(*args)


@pytest.fixture
def stretching(monkeypatch: pytest.MonkeyPatch) -> Stretching:
    """Takes the place of that of the conftest: here it takes time."""
    monkeypatch.setattr(passwords, "SCRYPT_N", 2)
    return Stretching(monkeypatch)


@pytest.mark.parametrize("wrong", [OTHER, OTHER.hex().encode(), b"", b"x" * 300])
async def test_a_refusal_tells_by_its_time_neither_identities_nor_passwords(
    central: Central, writer: InlineWriter, stretching: Stretching, wrong: bytes
) -> None:
    await make_known(central, "GIVEN", "VERIFIED", "NEITHER")
    for charger in ("GIVEN", "VERIFIED"):
        await give(writer, charger, PASSWORD, GIVEN)
        await writer.run(security.require_profile, charger, 1, stamp(START), "anna")
    await at_profile_one(central, writer, "MADE")
    await use(central, "VERIFIED", basic("VERIFIED", PASSWORD))
    central.registrations.mode = Mode.CLOSED
    central.decided.update(dict.fromkeys(("GIVEN", "VERIFIED", "MADE"), Decision.ADOPTED))
    told = set()
    for number, charger in enumerate(("GIVEN", "VERIFIED", "MADE", "UNKNOWN", "NEITHER")):
        stretching.count, began = 0, trio.current_time()
        assert (
            await status(central, charger, basic(charger, wrong), pair=at(f"10.0.0.{number}"))
            == 401
        )
        told.add((stretching.count, trio.current_time() - began))
    assert len(told) == 1
    assert min(told) > (0, 0.0)


async def test_few_compare_passwords_at_once_and_the_others_are_no_failures(
    central: Central, writer: InlineWriter, stretching: Stretching
) -> None:
    await make_known(central, "CP-1")
    await give(writer, "CP-1", PASSWORD, GIVEN)
    await writer.run(security.require_profile, "CP-1", 1, stamp(START), "anna")
    told: list[str] = []

    async def guess(number: int) -> None:
        told.append(
            await knock(central, "CP-1", basic("CP-1", OTHER + b"!"), pair=at(f"10.0.1.{number}"))
        )

    async with trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(guess, number)
        await wait_all_tasks_blocked()
        refused = len(told)
        assert refused >= 90  # at once; at most ten compare, or wait for it
        assert stretching.count == 1
    assert Counter(head.split(" ")[1] for head in told) == {"503": refused, "401": 100 - refused}
    assert all("Retry-After: 3" in head for head in told if " 503 " in head)
    assert len(central.failures) == 100 - refused
    await use(central, "CP-1", basic("CP-1", PASSWORD))
    before = stretching.count
    async with trio.open_nursery() as nursery:  # a password that was verified needs no turn
        for number in range(50):
            nursery.start_soon(guess, number)
        await use(central, "CP-1", basic("CP-1", PASSWORD))
    assert stretching.count > before


@pytest.mark.usefixtures("stretching")
async def test_a_charger_finds_a_turn_beside_a_flood_of_one_address(
    central: Central, writer: InlineWriter
) -> None:
    await make_known(central, "CP-1")
    await give(writer, "CP-1", PASSWORD, GIVEN)

    async def guess(number: int) -> None:
        await knock(
            central, f"CP-{number}", basic(f"CP-{number}", OTHER + b"!"), pair=at("10.0.0.9")
        )

    central.registrations.mode = Mode.CLOSED
    central.decided["CP-1"] = Decision.ADOPTED
    async with trio.open_nursery() as nursery:
        for number in range(2, 100):
            nursery.start_soon(guess, number)
        await wait_all_tasks_blocked()
        await use(central, "CP-1", basic("CP-1", PASSWORD))


@pytest.mark.parametrize("at_once", [1, 20])
async def test_how_often_one_address_guesses_in_an_hour(
    central: Central, writer: InlineWriter, stretching: Stretching, at_once: int
) -> None:
    await make_known(central, "CP-1")
    await give(writer, "CP-1", PASSWORD, GIVEN)
    await writer.run(security.require_profile, "CP-1", 1, stamp(START), "anna")

    async def guess() -> None:
        while True:
            await knock(central, "CP-1", basic("CP-1", OTHER + b"!"), pair=at("10.0.0.9"))
            await trio.sleep(7 * at_once)

    with trio.move_on_after(3600):
        async with trio.open_nursery() as nursery:
            for _ in range(at_once):
                nursery.start_soon(guess)
    assert 20 <= stretching.count <= GUESSES


async def test_a_password_opens_only_the_door_of_its_charger(
    central: Central, writer: InlineWriter
) -> None:
    await at_profile_one(central, writer, "CP-1")
    await make_known(central, "CP-2")
    await give(writer, "CP-2", OTHER)
    await use(central, "CP-2", basic("CP-2", OTHER))
    assert await status(central, "CP-1", basic("CP-1", OTHER)) == 401
    assert await status(central, "CP-2", basic("CP-1", PASSWORD)) == 401


async def test_a_dropped_password_ends_its_connection(
    central: Central, writer: InlineWriter
) -> None:
    password = await at_profile_one(central, writer)
    header = (b"Authorization", basic("CP-1", PASSWORD).partition(": ")[2].encode())
    async with open_charger(central, "/ws/CP-1", headers=[header]) as charger:
        await charger.call("Heartbeat")
        await writer.run(security.drop_password, password, stamp(START), "anna")
        assert (await charger.wait_closed())[0] == 1008
    assert await status(central, "CP-1", basic("CP-1", PASSWORD)) == 401


# A stranger with a known identity


async def test_a_refused_handshake_touches_nothing_of_the_charger(
    central: Central, writer: InlineWriter
) -> None:
    await at_profile_one(central, writer)
    header = (b"Authorization", basic("CP-1", PASSWORD).partition(": ")[2].encode())
    async with open_charger(central, "/ws/CP-1", headers=[header]) as charger:
        await charger.call("Heartbeat")
        session = session_of(central)
        before = writer.rows("SELECT * FROM session"), writer.rows("SELECT * FROM cp")
        for lines in ((), (basic("CP-1", OTHER),)):
            assert await status(central, "CP-1", *lines, pair=at("10.0.0.9")) == 401
        assert session_of(central) is session
        assert (writer.rows("SELECT * FROM session"), writer.rows("SELECT * FROM cp")) == before
        await charger.call("Heartbeat")


async def test_a_stranger_takes_no_turn_from_the_charger_that_waits(
    central: Central, writer: InlineWriter
) -> None:
    await at_profile_one(central, writer)
    central.ready = trio.Event()
    async with open_raw(central) as charger:
        await charger.send(upgrade("/ws/CP-1", basic("CP-1", PASSWORD)))
        await wait_all_tasks_blocked()
        # at once, while the charger waits
        assert await status(central, "CP-1", pair=at("10.0.0.9")) == 401
        central.ready.set()
        assert (await charger.read_head()).startswith("HTTP/1.1 101 ")


async def test_a_claim_protects_no_unfinished_handshake(
    central: Central, writer: InlineWriter
) -> None:
    """Only a proven identity is spared when handshakes make room."""
    await at_profile_one(central, writer)
    async with open_raw(central) as stranger:
        await stranger.send(upgrade("/ws/CP-1")[:-2])
        await wait_all_tasks_blocked()
        assert {visitor.charger for visitor in central.registry._visitors} == {None}


async def test_failures_of_a_stranger_slow_nobody_else(
    central: Central, writer: InlineWriter
) -> None:
    """Neither those behind its address, nor the charger whose identity it claims, there and
    elsewhere."""
    await at_profile_one(central, writer, "CP-1")
    await at_profile_one(central, writer, "CP-2")
    attacker = at("10.0.0.9")
    for _ in range(5):
        await knock(central, "CP-1", basic("CP-1", OTHER), pair=attacker)
    assert "Retry-After: " in await knock(central, "CP-1", basic("CP-1", OTHER), pair=attacker)
    assert await status(central, "CP-2", basic("CP-2", PASSWORD), pair=attacker) == 101
    assert await status(central, "CP-1", basic("CP-1", PASSWORD), pair=at("10.0.0.1")) == 101
    assert await status(central, "CP-1", basic("CP-1", PASSWORD), pair=attacker) == 101


async def test_so_many_failures_are_free_and_each_later_one_doubles_the_wait() -> None:
    failures, who, waits = Failures(), ("10.0.0.9", "CP-1"), []
    for _ in range(FREE + 3):
        waits.append(failures.add(who))
        await trio.sleep(waits[-1])
    assert waits == [0.0] * FREE + [1.0, 2.0, 4.0]


async def test_refusals_of_one_that_does_not_wait_are_only_counted(
    central: Central, writer: InlineWriter, log_lines: list[dict[str, object]]
) -> None:
    witness = watch(central)
    for _ in range(50):
        assert await status(central, "", pair=at("10.0.0.9")) == 404
    assert len(kinds(witness)) == 50
    refusals = [line for line in log_lines if line["event"] == "handshake refused"]
    assert len(refusals) == 5
    assert writer.row("SELECT count(*) FROM log WHERE direction = 'refuse'") == (5,)
    await trio.sleep(61)
    assert await status(central, "", pair=at("10.0.0.9")) == 404
    assert len([line for line in log_lines if line["event"] == "handshake refused"]) == 6


async def test_a_refusal_is_logged_with_its_request_but_no_password(
    central: Central, writer: InlineWriter, log_lines: list[dict[str, object]]
) -> None:
    await at_profile_one(central, writer)
    await knock(central, "CP-1", basic("CP-1", b"a wrong password!"))
    (line,) = [line for line in log_lines if line["event"] == "handshake refused"]
    assert "GET /ws/CP-1" in str(line["request"])
    assert line["reason"] == "its password is wrong; security profile 1 is required, 0 was proven"
    assert basic("CP-1", b"a wrong password!").split()[-1] not in str(log_lines) + str(
        writer.rows("SELECT * FROM log")
    )


@pytest.mark.parametrize("scheme", ["Basic:", "Basic :", "Bearer", "Digest", ""])
async def test_the_log_says_that_a_header_is_not_basic(
    central: Central, writer: InlineWriter, log_lines: list[dict[str, object]], scheme: str
) -> None:
    await at_profile_one(central, writer)
    secret = basic("CP-1", PASSWORD).split()[-1]
    assert (await knock(central, "CP-1", f"Authorization: {scheme} {secret}")).startswith(
        "HTTP/1.1 401 "
    )
    (line,) = [line for line in log_lines if line["event"] == "handshake refused"]
    assert str(line["reason"]).startswith("its Authorization header is not HTTP Basic; ")
    assert secret not in str(log_lines) + str(writer.rows("SELECT * FROM log"))


async def test_unknown_and_known_identities_get_the_same_answer_where_registration_is_closed(
    central: Central, writer: InlineWriter
) -> None:
    await at_profile_one(central, writer)
    central.decided["CP-1"] = Decision.ADOPTED
    central.registrations.mode = Mode.CLOSED
    known = await knock(central, "CP-1", basic("CP-1", OTHER))
    unknown = await knock(central, "NOBODY", basic("NOBODY", OTHER))
    assert known == unknown


# Profiles


async def test_a_profile_rises_by_itself_and_never_falls(
    central: Central, writer: InlineWriter
) -> None:
    await at_profile_one(central, writer)
    assert [fact.profile for fact in writer.recorded(ProfileChanged)] == [1]
    await writer.run(security.require_profile, "CP-1", 2, stamp(START), "anna")
    assert await status(central, "CP-1", basic("CP-1", PASSWORD)) == 401
    assert profile_of(writer) == 2
    await writer.run(security.require_profile, "CP-1", 0, stamp(START), "anna")
    assert await status(central, "CP-1") == 101
    assert [(fact.profile, fact.by) for fact in writer.recorded(ProfileChanged)] == [
        (1, None),
        (2, "anna"),
        (0, "anna"),
    ]


async def test_a_profile_that_nothing_proves_is_not_required(
    central: Central, writer: InlineWriter
) -> None:
    await make_known(central, "CP-1")
    with pytest.raises(security.NotProvable):
        await writer.run(security.require_profile, "CP-1", 1, stamp(START), "anna")
    await give(writer, "CP-1")
    with pytest.raises(security.NotProvable):
        await writer.run(security.require_profile, "CP-1", 3, stamp(START), "anna")
    with pytest.raises(UnknownIdentity):
        await writer.run(security.require_profile, "NOBODY", 0, stamp(START), "anna")


# Readmission


async def readmit(writer: InlineWriter, profile: int = 0, minutes: int = 10) -> None:
    until = stamp(START + timedelta(minutes=minutes, seconds=trio.current_time()))
    await writer.run(security.readmit, "CP-1", profile, stamp(START), until, "anna")


async def test_a_readmission_is_for_one_handshake(central: Central, writer: InlineWriter) -> None:
    await at_profile_one(central, writer)
    await readmit(writer)
    assert await status(central, "CP-1", pair=at("10.0.0.9")) == 101
    assert [fact.remote_address for fact in writer.recorded(ReadmissionUsed)] == ["10.0.0.9"]
    assert await status(central, "CP-1") == 401
    assert profile_of(writer) == 1


async def test_a_readmission_expires(central: Central, writer: InlineWriter) -> None:
    await at_profile_one(central, writer)
    await readmit(writer)
    await trio.sleep(601)
    assert await status(central, "CP-1") == 401


async def test_the_right_proof_uses_no_readmission(central: Central, writer: InlineWriter) -> None:
    await at_profile_one(central, writer)
    await readmit(writer)
    await use(central, "CP-1", basic("CP-1", PASSWORD))
    assert await status(central, "CP-1") == 101


async def test_two_handshakes_at_once_share_no_readmission(
    central: Central, writer: InlineWriter
) -> None:
    await at_profile_one(central, writer)
    await readmit(writer)
    writer.answer_seconds = 1.0
    answers: list[int] = []

    async def come() -> None:
        answers.append(await status(central, "CP-1"))

    async with trio.open_nursery() as both:
        both.start_soon(come)
        both.start_soon(come)
    assert sorted(answers) == [101, 401]


async def test_a_readmission_opens_no_lower_profile_than_its_own(
    central: Central, writer: InlineWriter
) -> None:
    await at_profile_one(central, writer)
    await writer.run(security.require_profile, "CP-1", 2, stamp(START), "anna")
    await readmit(writer, profile=1)
    assert await status(central, "CP-1") == 401
    assert await status(central, "CP-1", basic("CP-1", PASSWORD)) == 101
    assert await status(central, "CP-1", basic("CP-1", PASSWORD)) == 401


# Storage


async def test_who_may_connect_is_known_after_a_restart(
    central: Central, writer: InlineWriter
) -> None:
    await at_profile_one(central, writer)
    central.doors._known.clear()
    central.doors._changed.clear()
    central.doors.load(await writer.run(security.read_all_security))
    assert await status(central, "CP-1") == 401
    assert await status(central, "CP-1", basic("CP-1", PASSWORD)) == 101


async def test_while_nothing_can_be_read_a_changed_door_stays_shut(
    central: Central, writer: InlineWriter
) -> None:
    await at_profile_one(central, writer)
    central.doors.observe(
        CertificateRevoked(charger="CP-1", at="", certificate=1, fingerprint="", by="", reason="")
    )
    writer.is_unavailable = True
    assert await status(central, "CP-1", basic("CP-1", PASSWORD)) == 503
    configure(central)
