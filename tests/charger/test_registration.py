"""Who is served, who waits and who is refused: each mode of registration, and what a person decides
meanwhile."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from levity_trio.access.registration import (
    FORBIDDEN,
    NEWCOMERS,
    WAIT_SECONDS,
    Decision,
    Mode,
    Status,
)
from levity_trio.access.tags import Policy, Unknown
from levity_trio.charger.central import Central
from levity_trio.charger.commands import Chargers, RegistrationResult, keep_deadlines
from levity_trio.charger.connection import begin_registration
from levity_trio.config import ConfigError
from levity_trio.events import ChargerAdopted, ChargerRefused, NewcomerWaiting
from levity_trio.operations import OPERATIONS
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.writes.chargers import registration
from levity_trio.store.writes.chargers.commands import follow_all
from levity_trio.store.writes.chargers.hiding import UnknownIdentity, hide
from levity_trio.store.writes.chargers.registration import DecidedBy
from levity_trio.wire.errors import NotRegistered
from levity_trio.wire.payloads import CHARGER_ACTIONS
from levity_trio.wire.times import stamp
from tests.charger.parts import InlineWriter, configure, wall_clock
from tests.charger.peers import Charger, open_charger, open_raw, upgrade
from tests.charger.test_admission import START, UNREADABLE, answer_to

BOOT = {"chargePointVendor": "V", "chargePointModel": "M"}
ANNA = DecidedBy("2026-03-01T12:00:00.000Z", "anna", "installed today")
AWAY = 3600.0
STOP = {"transactionId": 7, "meterStop": 10, "timestamp": "2026-03-01T13:00:00Z", "idTag": "TAG-1"}
REGISTER = {"timestamp": "2026-03-01T12:30:00Z", "sampledValue": [{"value": "5"}]}


def set_mode(central: Central, mode: Mode) -> None:
    configure(central, registration=mode.value)
    central.registrations.mode = mode


async def decide(central: Central, charger: str, decision: Decision) -> RegistrationResult:
    chargers = Chargers(central)
    return await (chargers.adopt if decision is Decision.ADOPTED else chargers.refuse)(
        charger, ANNA
    )


async def status_after_boot(charger: Charger) -> str:
    return str((await charger.call("BootNotification", BOOT))["status"])


async def meet(central: Central, name: str = "CP-1") -> None:
    """A charger connects, boots and leaves."""
    async with open_charger(central, f"/ws/{name}") as charger:
        await charger.call("BootNotification", BOOT)


async def accept(charger: Charger, action: str) -> dict[str, Any]:
    """Accept the next call of the server, which must be this one; return its payload."""
    asked = await charger.receive()
    assert asked[2] == action
    await charger.send(json.dumps([3, asked[1], {"status": "Accepted"}]))
    payload: dict[str, Any] = asked[3]
    return payload


# Each mode, for each decision


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("decision", Decision)
async def test_the_answer_to_a_boot(
    central: Central, writer: InlineWriter, mode: Mode, decision: Decision
) -> None:
    await meet(central)
    if decision is not Decision.NEWCOMER:
        await decide(central, "CP-1", decision)
    set_mode(central, mode)
    if mode is Mode.CLOSED and decision is not Decision.ADOPTED:
        assert await answer_to(central, "CP-1") == "404"
        return
    expected = {Decision.ADOPTED: "Accepted", Decision.REFUSED: "Rejected"}.get(
        decision, "Pending" if mode is Mode.ASK else "Accepted"
    )
    async with open_charger(central) as charger:
        answer = await charger.call("BootNotification", BOOT)
        assert answer["status"] == expected
        assert answer["interval"] == WAIT_SECONDS.get(
            Status(expected), central.config.heartbeat_interval_seconds
        )
    assert writer.rows("SELECT answer FROM boot ORDER BY id DESC LIMIT 1") == [(expected,)]


@pytest.mark.parametrize("lines", [(), ("Authorization: Basic Q1AtMTpzZWNyZXQ=",)])
async def test_closed_answers_all_strangers_alike_and_keeps_nothing(
    central: Central, writer: InlineWriter, lines: tuple[str, ...]
) -> None:
    await meet(central, "SEEN")
    set_mode(central, Mode.CLOSED)
    heads = []
    for name in ("SEEN", "UNSEEN"):
        async with open_raw(central) as peer:
            await peer.send(upgrade(f"/ws/{name}", *lines))
            heads.append(await peer.read_head())
    assert heads[0] == heads[1]
    assert heads[0].startswith("HTTP/1.1 401 " if lines else "HTTP/1.1 404 ")
    assert ("www-authenticate" in heads[0].lower()) == bool(lines)
    assert writer.rows("SELECT id FROM cp") == [("SEEN",)]
    assert writer.row("SELECT count(*) FROM session") == (1,)


async def test_a_charger_that_was_created_connects_to_a_closed_server(
    central: Central, writer: InlineWriter
) -> None:
    set_mode(central, Mode.CLOSED)
    configure(central, max_chargers=1)
    await meet_created(central, writer, "A")
    await meet_created(central, writer, "B")
    assert [(fact.charger, fact.by) for fact in writer.recorded(ChargerAdopted)] == [
        ("A", "anna"),
        ("B", "anna"),
    ]


async def meet_created(central: Central, writer: InlineWriter, name: str) -> None:
    await writer.run(
        registration.add_charger, name, registration.ChargerData(None, None), ANNA.at, "anna"
    )
    async with open_charger(central, f"/ws/{name}") as charger:
        assert await status_after_boot(charger) == "Accepted"


# Waiting


async def test_a_newcomer_waits_once_however_often_it_connects(
    central: Central, writer: InlineWriter
) -> None:
    set_mode(central, Mode.ASK)
    await meet(central)
    await meet(central)
    (fact,) = writer.recorded(NewcomerWaiting)
    assert (fact.charger, fact.remote_address, fact.resembles) == ("CP-1", "memory", None)
    await meet(central, "cp-1")
    assert writer.recorded(NewcomerWaiting)[1].resembles == "CP-1"


async def test_the_state_outlives_a_connection_without_a_boot(central: Central) -> None:
    set_mode(central, Mode.ASK)
    await meet(central)
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        with pytest.raises(NotRegistered):
            await Chargers(central).submit("CP-1", "RemoteStopTransaction", {}, asked_by="anna")


def fill(db: UnitOfWork, names: Sequence[str], label: str | None) -> None:
    """Store newcomers that came long ago."""
    at = "2026-01-01T00:00:00.000Z"
    for name in names:
        values = (name, label, at, at)
        db.execute("INSERT INTO cp (id, name, created_at, updated_at) VALUES (?, ?, ?, ?)", values)


async def filled(
    central: Central, writer: InlineWriter, count: int, *, may_make_room: bool = True
) -> None:
    """Store newcomers; those that make no room have a name and count as having charged."""
    names = [f"OLD-{number:02}" for number in range(count)]
    await writer.run(fill, names, None if may_make_room else "named")
    central.known.update(names)
    central.has_charged.update(() if may_make_room else names)


async def test_newcomers_have_a_room_of_their_own(central: Central, writer: InlineWriter) -> None:
    set_mode(central, Mode.ASK)
    configure(central, max_chargers=1)
    await filled(central, writer, NEWCOMERS, may_make_room=False)
    assert await answer_to(central, "ONE-MORE") == "404"
    assert await answer_to(central, "OLD-00") == "101"
    await writer.run(hide, "OLD-00", ANNA.at)
    async with open_charger(central, "/ws/ONE-MORE") as charger:
        await charge_twice(charger)
    assert await answer_to(central, "TOO-MANY") == "404"
    await decide(central, "OLD-01", Decision.REFUSED)
    async with open_charger(central, "/ws/A") as first, open_charger(central, "/ws/B") as second:
        assert await status_after_boot(first) == "Pending"
        await charge_twice(first)
        await second.send_call("Heartbeat", {})
        assert await second.wait_closed() == (
            1008,
            f"{NEWCOMERS} newcomers are waiting; adopt, refuse or forget some",
        )


async def charge_twice(charger: Charger) -> None:
    for meter in (100, 200):
        began = await charger.call("StartTransaction", {**START, "meterStart": meter})
        stop = {
            "transactionId": began["transactionId"],
            "meterStop": meter + 50,
            "timestamp": START["timestamp"],
        }
        await charger.call("StopTransaction", stop)


@pytest.mark.parametrize("mode", [Mode.OPEN, Mode.ASK])
async def test_false_identities_that_begin_a_session_keep_no_new_charger_out(
    central: Central, writer: InlineWriter, mode: Mode
) -> None:
    set_mode(central, mode)
    configure(central, max_chargers=NEWCOMERS)
    for number in range(NEWCOMERS):
        async with open_charger(central, f"/ws/FALSE-{number}") as charger:
            await charger.call("StartTransaction", START)
    async with open_charger(central, "/ws/NEXT") as charger:
        assert await status_after_boot(charger) == ("Accepted" if mode is Mode.OPEN else "Pending")
    visible = {name for (name,) in writer.rows("SELECT id FROM cp WHERE hidden_at IS NULL")}
    assert central.known == visible
    assert len(visible) == NEWCOMERS


@pytest.mark.parametrize("mode", [Mode.OPEN, Mode.ASK])
async def test_false_identities_keep_no_new_charger_out(
    central: Central, writer: InlineWriter, mode: Mode
) -> None:
    set_mode(central, mode)
    configure(central, max_chargers=NEWCOMERS)
    await filled(central, writer, NEWCOMERS - 1)
    async with open_charger(central, "/ws/WAITS") as waiting:
        assert await status_after_boot(waiting) == ("Accepted" if mode is Mode.OPEN else "Pending")
        for name in ("FALSE-1", "FALSE-2", "NEXT"):
            await meet(central, name)
        visible = {name for (name,) in writer.rows("SELECT id FROM cp WHERE hidden_at IS NULL")}
        old = {f"OLD-{number:02}" for number in range(3, NEWCOMERS - 1)}
        assert central.known == visible == {"WAITS", "FALSE-1", "FALSE-2", "NEXT"} | old
        await decide(central, "WAITS", Decision.ADOPTED)
        if mode is Mode.ASK:
            await accept(waiting, "TriggerMessage")
        assert await status_after_boot(waiting) == "Accepted"


# What they bring is kept


TIMES = {"timestamp": "2026-03-01T12:00:00Z"}
MESSAGES: dict[str, list[dict[str, Any]]] = {
    "Authorize": [{"idTag": "TAG-1"}],
    "BootNotification": [BOOT],
    "DataTransfer": [{"vendorId": "V"}],
    "DiagnosticsStatusNotification": [{"status": "Idle"}],
    "FirmwareStatusNotification": [{"status": "Idle"}],
    "Heartbeat": [{}],
    "LogStatusNotification": [{"status": "Idle"}],
    "MeterValues": [{"connectorId": 1, "meterValue": [REGISTER]}, {}],
    "SecurityEventNotification": [{"type": "X"} | TIMES],
    "SignCertificate": [{"csr": "X"}],
    "SignedFirmwareStatusNotification": [{"status": "Idle", "requestId": 1}],
    "StartTransaction": [START, UNREADABLE, {"connectorId": 1}],
    "StatusNotification": [{"connectorId": 1, "errorCode": "NoError", "status": "Charging"}],
    "StopTransaction": [STOP, {"transactionId": 7}],
}
"""Each message of a charger; of those that affect a bill also one that cannot be read."""
EACH = [(action, payload) for action, payloads in MESSAGES.items() for payload in payloads]


@pytest.mark.parametrize("decision", Decision)
@pytest.mark.parametrize(("action", "payload"), EACH)
async def test_every_message_is_answered_and_only_a_registered_charger_charges(
    central: Central, writer: InlineWriter, decision: Decision, action: str, payload: dict[str, Any]
) -> None:
    await meet(central)
    if decision is not Decision.NEWCOMER:
        await decide(central, "CP-1", decision)
    set_mode(central, Mode.ASK)
    async with open_charger(central) as charger:
        answer = await charger.call(action, payload)
    if "idTagInfo" in answer:
        assert answer["idTagInfo"]["status"] == (
            "Accepted" if decision is Decision.ADOPTED else "Invalid"
        )
    if action == "StartTransaction":
        stored = (answer["transactionId"], answer["idTagInfo"]["status"])
        assert writer.row("SELECT id, verdict FROM tx") == stored
    assert writer.row("SELECT count(*) FROM log WHERE action = ?", action)[0] >= 1


def test_every_message_is_looked_at() -> None:
    assert MESSAGES.keys() == CHARGER_ACTIONS


async def test_no_stranger_makes_an_operator_look_at_tags(
    central: Central, writer: InlineWriter
) -> None:
    """Nor is the outside authorizer asked for it."""
    set_mode(central, Mode.ASK)
    central.tags.policy = Policy(Unknown.ASK, has_authorizer=True)
    async with open_charger(central) as charger:
        assert await charger.call("Authorize", {"idTag": "TAG-1"}) == {
            "idTagInfo": {"status": "Invalid"}
        }
        await charger.call("StartTransaction", START)
    assert writer.rows("SELECT * FROM asked_tag") == []
    assert writer.row("SELECT is_asked FROM tx") == (0,)


async def test_what_is_brought_is_kept_with_its_energy(
    central: Central, writer: InlineWriter
) -> None:
    set_mode(central, Mode.ASK)
    async with open_charger(central) as charger:
        await charger.call("MeterValues", {"connectorId": 1, "meterValue": [REGISTER]})
        started = await charger.call("StartTransaction", START)
        stop = STOP | {"transactionId": started["transactionId"]}
        assert await charger.call("StopTransaction", stop) == {"idTagInfo": {"status": "Invalid"}}
    assert writer.row("SELECT count(*) FROM meter_val WHERE wh = 5") == (1,)
    assert writer.row("SELECT status, energy_delivered, verdict FROM tx") == (
        "Completed",
        10,
        "Invalid",
    )


# Decisions


async def test_adopting_asks_a_waiting_charger_to_boot(
    central: Central, writer: InlineWriter
) -> None:
    set_mode(central, Mode.ASK)
    async with open_charger(central) as charger:
        assert await status_after_boot(charger) == "Pending"
        change = await decide(central, "CP-1", Decision.ADOPTED)
        assert await accept(charger, "TriggerMessage") == {"requestedMessage": "BootNotification"}
        assert await status_after_boot(charger) == "Accepted"
        assert await decide(central, "CP-1", Decision.ADOPTED) == RegistrationResult(False, None)
    assert change.is_changed
    assert writer.row("SELECT id, asked_by, state FROM command") == (
        change.boot,
        "anna",
        "accepted",
    )
    told = "SELECT decision, decided_by, reason FROM registration"
    assert writer.row(told) == ("adopted", "anna", "installed today")
    assert writer.row("SELECT registration, waiting_since FROM cp") == ("adopted", None)


async def test_one_that_knows_no_trigger_is_served_at_its_next_boot(central: Central) -> None:
    set_mode(central, Mode.ASK)
    async with open_charger(central) as charger:
        interval = (await charger.call("BootNotification", BOOT))["interval"]
        await decide(central, "CP-1", Decision.ADOPTED)
        asked = await charger.receive()
        await charger.send(json.dumps([4, asked[1], "NotImplemented", "", {}]))
        await trio.sleep(interval)
        assert await status_after_boot(charger) == "Accepted"


async def test_one_that_is_served_already_is_not_asked_to_boot(
    central: Central, writer: InlineWriter
) -> None:
    """A boot suspends its transaction."""
    async with open_charger(central) as charger:
        await charger.call("BootNotification", BOOT)
        assert await decide(central, "CP-1", Decision.ADOPTED) == RegistrationResult(True, None)
        await charger.call("Heartbeat")
    assert writer.rows("SELECT * FROM command") == []


async def test_adopt_after_refuse_and_a_hidden_one_is_shown(
    central: Central, writer: InlineWriter
) -> None:
    set_mode(central, Mode.ASK)
    await meet(central)
    await decide(central, "CP-1", Decision.REFUSED)
    await writer.run(hide, "CP-1", ANNA.at, None)
    await decide(central, "CP-1", Decision.ADOPTED)
    assert writer.row("SELECT registration, hidden_at FROM cp") == ("adopted", None)
    async with open_charger(central) as charger:
        assert await status_after_boot(charger) == "Accepted"
    assert len(writer.recorded(ChargerRefused)) == len(writer.recorded(ChargerAdopted)) == 1


@pytest.mark.parametrize("mode", [Mode.ASK, Mode.CLOSED])
async def test_refusing_a_connected_charger(central: Central, mode: Mode) -> None:
    await meet(central)
    await decide(central, "CP-1", Decision.ADOPTED)
    set_mode(central, mode)
    async with open_charger(central) as charger:
        assert await status_after_boot(charger) == "Accepted"
        await decide(central, "CP-1", Decision.REFUSED)
        if mode is Mode.CLOSED:
            assert await charger.wait_closed() == (1008, "this charger is refused")
        else:
            assert await status_after_boot(charger) == "Rejected"


@pytest.mark.parametrize("mode", Mode)
async def test_a_connected_charger_that_another_server_refused(
    central: Central, mode: Mode
) -> None:
    await meet(central)
    await decide(central, "CP-1", Decision.ADOPTED)
    await meet(central, "CP-2")
    await decide(central, "CP-2", Decision.ADOPTED)
    set_mode(central, mode)
    async with open_charger(central) as charger, open_charger(central, "/ws/CP-2") as other:
        await status_after_boot(charger)
        central.hooks.learn(ChargerRefused(charger="CP-1", at=ANNA.at, by="anna", reason="no"))
        if mode is Mode.CLOSED:
            assert await charger.wait_closed_silently() == (1008, "this charger is refused")
        else:
            assert await status_after_boot(charger) == "Rejected"
        await other.call("Heartbeat")


@pytest.mark.parametrize("decision", [Decision.ADOPTED, Decision.REFUSED])
async def test_nobody_decides_about_a_charger_that_there_is_not(
    central: Central, decision: Decision
) -> None:
    with pytest.raises(UnknownIdentity):
        await decide(central, "CP-1", decision)


# What may be asked


@pytest.mark.parametrize("action", [*OPERATIONS, "Unknown"])
async def test_what_a_waiting_charger_may_be_asked(
    central: Central, writer: InlineWriter, action: str
) -> None:
    set_mode(central, Mode.ASK)
    await meet(central)
    chargers = Chargers(central)
    if action in FORBIDDEN:
        with pytest.raises(NotRegistered, match="it waits to be adopted"):
            await chargers.submit("CP-1", action, {}, asked_by="anna", deadline_seconds=AWAY)
        return
    await chargers.submit("CP-1", action, {}, asked_by="anna", deadline_seconds=AWAY)
    assert writer.row("SELECT action, state FROM command") == (action, "queued")


@pytest.mark.parametrize("action", [*OPERATIONS, "Unknown"])
async def test_a_refused_charger_may_be_asked_nothing(
    central: Central, writer: InlineWriter, action: str
) -> None:
    await meet(central)
    await decide(central, "CP-1", Decision.REFUSED)
    with pytest.raises(NotRegistered, match="it is refused"):
        await Chargers(central).submit("CP-1", action, {}, asked_by="anna", deadline_seconds=AWAY)
    assert writer.rows("SELECT * FROM command") == []


async def test_what_waits_for_a_charger_that_is_refused_is_cancelled(
    central: Central, writer: InlineWriter
) -> None:
    await meet(central)
    chargers = Chargers(central)
    command = await chargers.submit("CP-1", "Reset", {}, asked_by="anna", deadline_seconds=AWAY)
    await decide(central, "CP-1", Decision.REFUSED)
    assert (await chargers.wait(command)).state == "cancelled"
    assert writer.row("SELECT state, error_code FROM command") == ("cancelled", "not_registered")


async def test_what_waited_over_a_switch_is_sent_only_as_far_as_it_may(
    central: Central, writer: InlineWriter
) -> None:
    await meet(central)
    for action in ("RemoteStartTransaction", "ClearCache"):
        await Chargers(central).submit("CP-1", action, {}, asked_by="anna", deadline_seconds=AWAY)
    set_mode(central, Mode.ASK)
    async with open_charger(central) as charger:
        assert await status_after_boot(charger) == "Pending"
        await accept(charger, "ClearCache")
        await wait_all_tasks_blocked()
    states = writer.rows("SELECT state, error_code FROM command ORDER BY id")
    assert states == [("cancelled", "not_registered"), ("accepted", None)]


async def test_what_is_sent_to_all_is_not_for_strangers(central: Central) -> None:
    """It may hold a secret."""
    for name in ("ADOPTED", "REFUSED"):
        await meet(central, name)
    await decide(central, "ADOPTED", Decision.ADOPTED)
    await decide(central, "REFUSED", Decision.REFUSED)
    set_mode(central, Mode.ASK)
    await meet(central, "WAITS")
    assert Chargers(central).known() == ["ADOPTED"]


# A switch locks nobody out


async def charge(central: Central, name: str = "CP-1") -> None:
    async with open_charger(central, f"/ws/{name}") as charger:
        await charger.call("StartTransaction", START)


@pytest.mark.parametrize("mode", [Mode.ASK, Mode.CLOSED])
async def test_a_switch_that_would_lock_out_is_refused(central: Central, mode: Mode) -> None:
    await charge(central)
    await meet(central, "NEVER-CHARGED")
    set_mode(central, mode)
    with pytest.raises(
        ConfigError, match=f"--registration {mode} .* CP-1. Start once with --adopt-existing, or"
    ):
        await begin_registration(central)
    await decide(central, "CP-1", Decision.ADOPTED)
    await begin_registration(central)


async def test_adopting_existing_chargers_at_the_start(
    central: Central, writer: InlineWriter
) -> None:
    await charge(central, "A")
    await charge(central, "B")
    await meet(central, "NEVER-CHARGED")
    await decide(central, "B", Decision.REFUSED)
    set_mode(central, Mode.CLOSED)
    configure(central, adopt_existing=True)
    await begin_registration(central)
    decided = dict(writer.rows("SELECT id, registration FROM cp"))
    assert decided == {"A": "adopted", "B": "refused", "NEVER-CHARGED": "newcomer"}
    assert writer.recorded(ChargerAdopted)[0].by == "--adopt-existing"


async def test_what_a_waiting_stranger_brings_neither_stops_a_start_nor_lets_it_in(
    central: Central, writer: InlineWriter
) -> None:
    set_mode(central, Mode.ASK)
    await charge(central, "STRANGER")
    await begin_registration(central)
    configure(central, adopt_existing=True)
    await begin_registration(central)
    assert writer.row("SELECT registration FROM cp") == ("newcomer",)
    set_mode(central, Mode.OPEN)
    await begin_registration(central)  # from now on it is served
    set_mode(central, Mode.CLOSED)
    configure(central, adopt_existing=False)
    with pytest.raises(ConfigError, match="STRANGER"):
        await begin_registration(central)


async def test_many_are_named_and_the_others_counted(central: Central) -> None:
    for number in range(12):
        await charge(central, f"CP-{number:02}")
    set_mode(central, Mode.CLOSED)
    with pytest.raises(ConfigError, match=r"CP-00, .*CP-09 and 2 more\. "):
        await begin_registration(central)


async def test_adopt_all_is_for_those_with_a_transaction(
    central: Central, writer: InlineWriter
) -> None:
    set_mode(central, Mode.ASK)
    await meet(central, "NEVER-CHARGED")
    await charge(central, "REFUSED")
    await decide(central, "REFUSED", Decision.REFUSED)
    async with open_charger(central, "/ws/A") as charger:
        await charger.call("StartTransaction", START)
        assert await Chargers(central).adopt_all(ANNA) == ["A"]
        await accept(charger, "TriggerMessage")
    told = "SELECT cp_id, decision FROM registration ORDER BY id"
    assert writer.rows(told) == [("REFUSED", "refused"), ("A", "adopted")]
    assert await writer.run(registration.locked_out, "2026") == []


# A boot that does not come


async def test_a_charger_whose_boot_nobody_saw_is_asked_for_it_once(
    central: Central, writer: InlineWriter
) -> None:
    """Only a boot tells vendor, model and firmware. One that was asked for is no restart: the car
    goes on charging."""
    async with trio.open_nursery() as tasks:
        tasks.start_soon(keep_deadlines, central, 1.0)
        async with open_charger(central) as charger:
            await charger.call("StartTransaction", START)
            with trio.move_on_after(58) as early:
                await charger.receive()
            assert early.cancelled_caught
            with trio.fail_after(5):
                assert await accept(charger, "TriggerMessage") == {
                    "requestedMessage": "BootNotification"
                }
            await charger.call("BootNotification", BOOT)
            assert writer.row("SELECT suspended_at FROM tx") == (None,)
            writer.run_now(follow_all, stamp(wall_clock()))
            await charger.call("BootNotification", BOOT)
            # it was asked for no more
            assert writer.row("SELECT suspended_at IS NOT NULL FROM tx") == (1,)
        async with open_charger(central) as charger:
            await charger.call("Heartbeat")
            await trio.sleep(300)
        tasks.cancel_scope.cancel()
    assert writer.rows("SELECT asked_by, outcome FROM command") == [("system", "fulfilled")]


@pytest.mark.parametrize("boots", [False, True])
async def test_one_that_refuses_to_boot_or_boots_by_itself_is_left_alone(
    central: Central, writer: InlineWriter, boots: bool
) -> None:
    async with trio.open_nursery() as tasks:
        tasks.start_soon(keep_deadlines, central, 1.0)
        async with open_charger(central) as charger:
            await charger.call("Heartbeat")
            if boots:
                await trio.sleep(50)
                await charger.call("BootNotification", BOOT)
            else:
                await charger.send(
                    json.dumps([4, (await charger.receive())[1], "NotSupported", "", {}])
                )
            await trio.sleep(300)
        async with open_charger(central) as charger:
            await charger.call("Heartbeat")
            await trio.sleep(300)
        tasks.cancel_scope.cancel()
    assert writer.rows("SELECT state FROM command") == ([] if boots else [("error",)])


async def test_a_refused_charger_is_not_asked_to_boot(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
    await decide(central, "CP-1", Decision.REFUSED)
    async with trio.open_nursery() as tasks:
        tasks.start_soon(keep_deadlines, central, 1.0)
        async with open_charger(central) as charger:
            await charger.call("Heartbeat")
            await trio.sleep(300)
        tasks.cancel_scope.cancel()
    assert writer.rows("SELECT id FROM command") == []
