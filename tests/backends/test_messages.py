"""What a backend is told of sessions: as it was sent, or repaired, without what it must not
know."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import pytest

from levity_trio.store.writes.transactions import stops
from tests.backends.site import FIRST_NUMBER, Site, Wired
from tests.store import telling
from tests.store.books import meter_value
from tests.store.test_orphans import new_start

SIGNED: Final = (
    'OCMF|{"FV":"1.0","GI":"Zähler \\"Süd\\" / 1","PG":"T1","IS":true,"RD":[{"TM":'
    '"2026-03-01T12:00:00,000+0100 S","TX":"B","RV":1234.50,"RI":"01-00:B2.08.00*FF","RU":"kWh"}]}'
    '|{"SD":"30\\/45\\u00fc+==","SE":"base64"}\r\n\t'
)
OWN: Final = -72
"""A number that a charger gave a session whose start was lost."""
SAMPLE: Final = {"value": SIGNED, "format": "SignedData", "context": "Transaction.End"}


def as_ascii(value: object) -> str:
    """Return JSON as some firmwares write it: each character above 127 and each slash escaped."""
    return json.dumps(value).replace("/", "\\/")


def charge(
    charger: Wired, connector: int = 1, tag: str = "TAG", stop_tag: str | None = None
) -> int:
    """A session of ten minutes with a reading, from 1000 to 2000 Wh."""
    number = charger.start(1000, connector, tag)
    charger.books.wait(5)
    charger.tell(charger.register(1500), transaction=number, connector=connector)
    charger.books.wait(5)
    charger.stop(number, 2000, tag=stop_tag)
    return number


def cards(site: Site) -> list[str | None]:
    """Return the cards that the backend was told, None where it was told none."""
    of_cards = ("Authorize", "StartTransaction", "StopTransaction")
    return [payload.get("idTag") for payload in site.backend.of(*of_cards)]


# As it was sent


async def test_a_session_as_it_was_sent(site: Site) -> None:
    charger = site.charger
    number = charger.start(1000, at="2026-03-01T12:00:00+00:00")
    site.books.wait(5)
    reading = charger.register(1500)
    charger.tell(reading, transaction=number)
    site.books.wait(5)
    charger.stop(number, 2000, tag="TAG")
    stopped = charger.clock()

    assert await site.facts() == [
        (
            "StartTransaction",
            {
                "connectorId": 1,
                "idTag": "OTHER",
                "meterStart": 1000,
                "timestamp": "2026-03-01T12:00:00+00:00",
            },
        ),
        (
            "MeterValues",
            {"connectorId": 1, "meterValue": [reading], "transactionId": FIRST_NUMBER},
        ),
        (
            "StopTransaction",
            {
                "transactionId": FIRST_NUMBER,
                "meterStop": 2000,
                "timestamp": stopped,
                "idTag": "OTHER",
                "reason": "Local",
            },
        ),
    ]


async def test_a_reading_at_the_time_of_its_start(site: Site) -> None:
    number = site.charger.start()
    site.charger.tell(site.charger.register(1000), transaction=number)
    site.charger.stop(number)
    actions = [action for action, _ in await site.facts()]
    assert actions == ["StartTransaction", "MeterValues", "StopTransaction"]


async def test_oddities_stay_as_they_were_sent(site: Site) -> None:
    """Backends that want frames as sent get units and times; where signed values may go, also
    whatever a maker added."""
    site.set(with_signed=1)
    charger = site.charger
    number = charger.start(1000, at="2026-03-01 12:00:00")
    site.books.wait(5)
    odd = {"value": "1,5", "unit": "kWH", "measurand": "energy", "x-maker": {"a": [1, None]}}
    charger.tell({"timestamp": "2026-03-01T12:05", "sampledValue": [odd]}, transaction=number)
    start, readings = [payload for _, payload in await site.facts()]
    assert start["timestamp"] == "2026-03-01 12:00:00"
    assert readings["meterValue"] == [{"timestamp": "2026-03-01T12:05", "sampledValue": [odd]}]


@pytest.mark.parametrize("dumps", [Wired.dumps, as_ascii])
async def test_signed_values_pass_byte_by_byte(site: Site, dumps: Any) -> None:
    site.set(with_signed=1)
    site.charger.dumps = dumps
    number = site.charger.start()
    site.books.wait(1)
    site.charger.tell(meter_value(site.charger.clock(), SAMPLE), transaction=number)
    site.books.wait(1)
    site.charger.stop(number, 2000, data=[meter_value(site.charger.clock(), SAMPLE)])
    _, readings, stop = [payload for _, payload in await site.facts()]
    for values in (readings["meterValue"], stop["transactionData"]):
        assert values[0]["sampledValue"] == [SAMPLE]


@pytest.mark.parametrize("is_repaired", [0, 1])
async def test_signed_values_pass_where_the_rest_is_repaired(site: Site, is_repaired: int) -> None:
    site.set(is_repaired=is_repaired, with_cards=1)
    number = site.charger.start()
    site.books.wait(1)
    site.charger.tell(meter_value(site.charger.clock(), 1500, SAMPLE), transaction=number)
    site.books.wait(1)
    site.charger.stop(number, 2000, data=[meter_value(site.charger.clock(), SAMPLE)])
    _, readings, stop = [payload for _, payload in await site.facts()]
    assert readings["meterValue"][0]["sampledValue"][1]["value"] == SIGNED
    assert stop["transactionData"][0]["sampledValue"][0]["value"] == SIGNED


ODD_SIGNED: Final[Sequence[dict[str, Any]]] = (
    SAMPLE,
    {"value": SIGNED, "format": "signeddata"},
    {"value": SIGNED},
    {"value": SIGNED.encode().hex(), "unit": "Wh"},
    {"value": [SIGNED]},
    {"value": "12345678", "format": "SignedData"},
    {"Value": SIGNED},
)
"""What a meter may have signed."""


def read(charger: Wired, number: int, *readings: dict[str, Any]) -> None:
    """Send readings that may be anything."""
    charger.message("MeterValues", connectorId=1, meterValue=[*readings], transactionId=number)


@pytest.mark.parametrize("is_repaired", [0, 1])
async def test_signed_values_go_nowhere_by_themselves(site: Site, is_repaired: int) -> None:
    """Beside them, numbers go as ever, also as text or with a decimal comma."""
    site.set(is_repaired=is_repaired)
    charger = site.charger
    number = charger.start()
    for values in ([{"value": "1500"}, *ODD_SIGNED], [{"value": "1600,5"}], ODD_SIGNED):
        site.books.wait(1)
        read(charger, number, {"timestamp": charger.clock(), "sampledValue": [*values]})
    site.books.wait(1)
    charger.stop(number, 2000, data=[meter_value(charger.clock(), 1900, SAMPLE)])
    told = await site.facts()
    assert [action for action, _ in told] == [
        "StartTransaction",
        *2 * ["MeterValues"],
        "StopTransaction",
    ]
    numbers = [
        [float(sample["value"].replace(",", ".")) for sample in reading["sampledValue"]]
        for _, payload in told
        for reading in (*payload.get("meterValue", ()), *payload.get("transactionData", ()))
    ]
    assert numbers == [[1500], [1600.5], [1900]]
    assert "OCMF" not in str(told)


async def test_nothing_beside_a_value_is_a_way_around(site: Site) -> None:
    """What OCPP does not name may be signed, too, wherever it stands in a reading."""
    number = site.charger.start()
    site.books.wait(1)
    odd = {"value": "1500", "signedMeterValue": {"signedMeterData": SIGNED}}
    readings = [{"timestamp": site.charger.clock(), "sampledValue": [odd, SIGNED], "x": SIGNED}]
    read(site.charger, number, *readings, {"sampledValue": SAMPLE})
    _, told = [payload for _, payload in await site.facts()]
    (reading,) = told["meterValue"]
    assert reading["sampledValue"] == [{"value": "1500"}]
    assert reading.keys() == {"timestamp", "sampledValue"}


# Cards


async def test_a_card_goes_by_its_alias(site: Site) -> None:
    site.call("TAG", "EMPLOYEE-7")
    charge(site.charger, tag=" tag ", stop_tag="TAG")
    await site.facts()
    assert cards(site) == ["EMPLOYEE-7", "EMPLOYEE-7"]


async def test_other_cards_have_one_name(site: Site) -> None:
    site.set(other_cards="GUEST")
    site.call("TAG", "EMPLOYEE-7")
    charge(site.charger, tag="ANOTHER", stop_tag="A THIRD")
    await site.facts()
    assert cards(site) == ["GUEST", "GUEST"]


@pytest.mark.parametrize("is_repaired", [0, 1])
async def test_no_number_of_a_card_goes(site: Site, is_repaired: int) -> None:
    site.set(is_repaired=is_repaired, tells_authorize=1)
    site.charger.authorize("04AABBCCDD")
    site.books.wait(1)
    charge(site.charger, tag="04AABBCCDD", stop_tag="04EEFF0011")
    await site.facts()
    assert cards(site) == ["OTHER"] * 3
    assert "04AA" not in str(site.backend.told)
    assert "04EE" not in str(site.backend.told)


async def test_numbers_of_cards_go_where_that_is_wanted(site: Site) -> None:
    site.set(with_cards=1)
    charge(site.charger, tag="04AABBCCDD", stop_tag="a card with far more than 20 characters")
    await site.facts()
    assert cards(site) == ["04AABBCCDD", "a card with far more"]


async def test_cards_without_an_alias_can_be_left_out(site: Site) -> None:
    site.set(other_cards=None)
    site.call("OURS", "EMPLOYEE-7")
    charge(site.charger, tag="PRIVATE", stop_tag="PRIVATE")
    site.books.wait(5)
    charge(site.charger, tag="OURS", stop_tag="OURS")
    told = await site.facts()
    assert [action for action, _ in told] == ["StartTransaction", "MeterValues", "StopTransaction"]
    assert cards(site) == ["EMPLOYEE-7", "EMPLOYEE-7"]


async def test_a_card_can_be_left_out(site: Site) -> None:
    site.call("PRIVATE", None)
    charge(site.charger, tag="PRIVATE", stop_tag="PRIVATE")
    assert await site.facts() == []
    assert site.rows("their_id, stopped_at IS NOT NULL", "backend_tx") == [(None, 1)]


async def test_readings_of_a_card_that_is_left_out_are_no_ones(site: Site) -> None:
    """Also those that name no session: their connector tells whose they are."""
    site.call("PRIVATE", None)
    number = site.charger.start(1000, tag="PRIVATE")
    site.books.wait(5)
    site.charger.tell(site.charger.register(1500))
    site.charger.tell(site.charger.register(1500), transaction=number)
    site.books.wait(5)
    site.charger.stop(number, 2000)
    assert await site.facts() == []


@pytest.mark.parametrize("connector", [0, 1])
async def test_readings_of_no_session_may_be_those_of_a_card_that_is_left_out(
    site: Site, connector: int
) -> None:
    """After its end, and of the whole charger."""
    site.call("PRIVATE", None)
    number = site.charger.start(1000, tag="PRIVATE")
    site.books.wait(5)
    site.charger.tell(site.charger.register(1500), connector=0)
    site.books.wait(5)
    site.charger.stop(number, 2000)
    site.books.wait(5)
    site.charger.tell(site.charger.register(2000), connector=connector)
    assert await site.facts() == []


async def test_a_card_stays_left_out_where_numbers_may_go(site: Site) -> None:
    site.set(with_cards=1)
    site.call("PRIVATE", None)
    charge(site.charger, tag="PRIVATE", stop_tag="PRIVATE")
    site.books.wait(5)
    charge(site.charger, tag="OURS", stop_tag="PRIVATE")
    await site.facts()
    assert cards(site) == ["OURS", None]


async def test_who_stops_a_session_can_be_left_out(site: Site) -> None:
    """The session is told to its end; only the card is not."""
    site.call("PRIVATE", None)
    charge(site.charger, tag="OURS", stop_tag="PRIVATE")
    told = await site.facts()
    assert told[-1][0] == "StopTransaction"
    assert cards(site) == ["OTHER", None]


async def test_cards_held_up_are_told_where_that_is_wanted(site: Site) -> None:
    site.call("OURS", "EMPLOYEE-7")
    site.call("PRIVATE", None)
    for card in ("OURS", "PRIVATE", "ANOTHER"):
        site.charger.authorize(card)
    assert await site.facts() == []
    site.set(tells_authorize=1)
    for card in ("OURS", "PRIVATE", "ANOTHER"):
        site.charger.authorize(card)
    await site.facts()
    assert cards(site) == ["EMPLOYEE-7", "OTHER"]


# Connectors


async def test_connectors_can_be_left_out(site: Site) -> None:
    site.set_charger(without="[2]")
    for connector in (0, 1, 2):
        site.charger.status("Available", connector)
    charge(site.charger, connector=2)
    site.charger.tell(site.charger.register(2000), connector=2)
    site.books.wait(1)
    charge(site.charger, connector=1)
    told = await site.tell()
    assert [payload["meterStart"] for payload in site.backend.of("StartTransaction")] == [1000]
    assert len(site.backend.of("StopTransaction")) == 1
    assert {payload["connectorId"] for _, payload in told if "connectorId" in payload} == {0, 1}


async def test_a_connector_that_is_written_as_text_can_be_left_out(site: Site) -> None:
    site.set_charger(without="[2]")
    for connector in ("1", "2"):
        fields = {"connectorId": connector, "errorCode": "NoError", "status": "Available"}
        site.charger.message("StatusNotification", **fields)
    told = await site.tell()
    assert [payload["connectorId"] for _, payload in told if "connectorId" in payload] == ["1"]


# Sessions that the server closed


def closed(site: Site, reason: str, register: int | None) -> int:
    """A session whose charger never told its end."""
    charger = site.charger
    number = charger.start(1000)
    site.books.wait(5)
    if register is not None:
        charger.tell(charger.register(register), transaction=number)
    site.books.wait(5)
    if reason == stops.REBOOT:
        charger.boot()
        site.books.wait(1)
        site.books.run(stops.close_silent, site.books.at, 0.0)
    else:
        new_start(charger, 4000)
    assert site.books.value("SELECT stop_reason FROM tx WHERE id = ?", number) == reason
    return number


@pytest.mark.parametrize("is_repaired", [0, 1])
@pytest.mark.parametrize(("reason", "told"), [(stops.REBOOT, "PowerLoss"), (stops.OTHER, "Other")])
async def test_a_session_that_the_server_closed_ends_there(
    site: Site, reason: str, told: str, is_repaired: int
) -> None:
    site.set(is_repaired=is_repaired)
    closed(site, reason, 1500)
    await site.facts()
    (stop,) = site.backend.of("StopTransaction")
    assert stop["meterStop"] == 1500
    assert stop["reason"] == told
    assert stop["transactionId"] == FIRST_NUMBER
    assert "idTag" not in stop
    assert site.rows("is_closed, stopped_at IS NOT NULL", "backend_tx WHERE their_id = 7001") == [
        (1, 1)
    ]


@pytest.mark.parametrize("is_repaired", [0, 1])
async def test_it_ends_at_its_start_if_the_meter_told_nothing_else(
    site: Site, is_repaired: int
) -> None:
    site.set(is_repaired=is_repaired)
    closed(site, stops.REBOOT, None)
    await site.facts()
    (stop,) = site.backend.of("StopTransaction")
    assert stop["meterStop"] == 1000


async def test_judged_energy_is_no_register(site: Site) -> None:
    """The next session began at 4000 Wh. That may be billed; the meter did not tell it then."""
    number = closed(site, stops.OTHER, 1500)
    site.books.settle()
    assert site.books.value("SELECT energy_delivered FROM tx WHERE id = ?", number) is not None
    await site.facts()
    (stop,) = site.backend.of("StopTransaction")
    assert stop["meterStop"] == 1500


async def test_registers_that_count_each_session_do_not_end_before_its_start(site: Site) -> None:
    """A Grizzl-E tells a total at its start and counts from 0 in readings."""
    closed(site, stops.REBOOT, 500)
    await site.facts()
    (stop,) = site.backend.of("StopTransaction")
    assert stop["meterStop"] >= 1000


async def test_its_own_stop_is_kept_when_it_comes_late(site: Site) -> None:
    number = closed(site, stops.REBOOT, 1500)
    await site.facts()
    site.books.wait(60)
    site.charger.stop(number, 2000, at=site.charger.clock(50))
    assert await site.facts() == []
    ((kind, action, session, payload),) = site.rows(
        "kind, action, tx_id, payload", "backend_refused"
    )
    assert (kind, action, session) == ("late", "StopTransaction", number)
    assert json.loads(payload)["meterStop"] == 2000
    assert await site.facts() == []
    assert len(site.rows("id", "backend_refused")) == 1


async def test_what_comes_after_the_servers_end_is_late(site: Site) -> None:
    number = closed(site, stops.REBOOT, 1500)
    await site.facts()
    site.books.wait(60)
    site.charger.tell(site.charger.register(1800, 55), transaction=number)
    await site.facts()
    site.books.wait(1)
    site.charger.stop(number, 2000, at=site.charger.clock(50))
    await site.facts()
    assert site.rows("kind, action", "backend_refused") == [
        ("late", "MeterValues"),
        ("late", "StopTransaction"),
    ]


# What was not told, or cannot be read


async def test_a_start_whose_register_is_unknown_is_told_as_sent(site: Site) -> None:
    site.charger.start("much")
    await site.facts()
    (start,) = site.backend.of("StartTransaction")
    assert (start["meterStart"], start["idTag"]) == ("much", "OTHER")


async def test_a_start_whose_register_is_unknown_has_no_energy(site: Site) -> None:
    """Repaired, it begins where the first register of the session is, not at an invented 0."""
    site.set(is_repaired=1)
    number = site.charger.start("much")
    site.books.wait(5)
    site.charger.stop(number, 2000)
    await site.facts()
    (start,), (stop,) = site.backend.of("StartTransaction"), site.backend.of("StopTransaction")
    assert start["meterStart"] == stop["meterStop"] == 2000


async def test_a_lost_start_is_made_of_its_stop(site: Site) -> None:
    """A charger names a number of its own, in readings and in a stop."""
    wh = telling.charge(site.charger, OWN, 1000, minutes=30)
    site.books.wait(1)
    site.charger.stop(OWN, wh, tag="TAG")
    assert site.books.count("tx") == 1
    *readings, (_, start), (_, stop) = await site.facts()
    assert not [payload for _, payload in readings if "transactionId" in payload]
    assert start["idTag"] == "OTHER"
    assert start["meterStart"] <= stop["meterStop"] == wh
    assert stop["transactionId"] == FIRST_NUMBER
    assert site.rows("told, made", "backend_cp") == [(len(readings) + 2, 1)]


async def test_a_stop_of_no_session_is_not_told(site: Site) -> None:
    site.charger.stop(4711, 2000)
    assert await site.facts() == []
    site.books.wait(1)
    charge(site.charger)
    assert len(await site.facts()) == 3


async def test_readings_of_no_session_name_none(site: Site) -> None:
    """The number of a session that this server does not know is none of the backend's either."""
    reading = site.charger.register(1500)
    site.charger.tell(reading, transaction=4711)
    assert await site.facts() == [("MeterValues", {"connectorId": 1, "meterValue": [reading]})]


async def test_a_main_meter_is_told(site: Site) -> None:
    site.charger.start()
    site.books.wait(1)
    reading = site.charger.register(1500)
    site.charger.tell(reading, connector=0)
    assert (await site.facts())[1:] == [
        ("MeterValues", {"connectorId": 0, "meterValue": [reading]})
    ]


# Repaired


async def test_units_and_times_are_repaired_where_that_is_wanted(site: Site) -> None:
    site.set(is_repaired=1)
    number = site.charger.start(1000)
    site.books.wait(5)
    odd = {"value": "1.5", "unit": "kwh", "measurand": "Energy.Active.Import.Register"}
    sent = site.charger.clock().replace("T", " ").replace("Z", "")
    site.charger.tell({"timestamp": sent, "sampledValue": [odd]}, transaction=number)
    _, (_, readings) = await site.facts()
    (value,) = readings["meterValue"]
    assert value["timestamp"] == "2026-03-01T12:05:00Z"
    assert value["sampledValue"][0]["unit"] == "kWh"


async def test_a_repaired_stop_keeps_the_register_that_its_charger_sent(site: Site) -> None:
    """Its last reading told 1,500 Wh, and the car went on to 2,000 Wh. A reading counts only for a
    session that has no stop of its own."""
    site.set(is_repaired=1)
    charge(site.charger)
    await site.facts()
    (stop,) = site.backend.of("StopTransaction")
    assert stop["meterStop"] == 2000


BEHIND: Final = 7 * 60


@pytest.mark.parametrize("is_repaired", [0, 1])
async def test_times_of_a_wrong_clock_are_corrected_where_that_is_wanted(
    site: Site, is_repaired: int
) -> None:
    site.set(is_repaired=is_repaired)
    site.charger.behind = BEHIND
    for _ in range(3):
        site.charger.status("Available")
        site.books.wait(1)
    charge(site.charger)
    site.books.wait(60)
    site.books.settle()
    ((start_time, _stop_time, own),) = site.books.rows(
        "SELECT start_time, stop_time, own_start_time FROM tx"
    )
    assert start_time > own  # the judge corrected it

    await site.facts()
    (start,), (stop,) = site.backend.of("StartTransaction"), site.backend.of("StopTransaction")
    (readings,) = site.backend.of("MeterValues")
    times = [start["timestamp"], readings["meterValue"][0]["timestamp"], stop["timestamp"]]
    hour = "12" if is_repaired else "05"
    assert times == [f"2026-03-01T{hour}:{minute}:00Z" for minute in ("03", "08", "13")]


async def test_what_a_stop_tells_of_a_wrong_clock_is_corrected_where_that_is_wanted(
    site: Site,
) -> None:
    """Seven hours behind, also in the readings that come with its stop."""
    site.set(is_repaired=1)
    site.charger.behind = BEHIND
    for _ in range(3):
        site.charger.status("Available")
        site.books.wait(1)
    number = site.charger.start(1000)
    site.books.wait(5)
    site.charger.tell(site.charger.register(1500), transaction=number)
    site.books.wait(5)
    site.charger.stop(number, 2000, data=[site.charger.register(2000)])
    site.books.wait(60)
    site.books.settle()
    await site.facts()
    (stop,) = site.backend.of("StopTransaction")
    times = [stop["timestamp"], stop["transactionData"][0]["timestamp"]]
    assert times == ["2026-03-01T12:13:00Z", "2026-03-01T12:13:00Z"]
