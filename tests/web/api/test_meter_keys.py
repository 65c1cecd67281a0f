"""The keys of meters, by the API: entered as labels and files give them, told by the charger, and
removed; and what they prove, for owners and drivers."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from levity_trio.signed.keys import parse_key
from levity_trio.store.reads.transactions.meter_keys import lacks_key
from levity_trio.store.writes.chargers import configuration
from levity_trio.web.api.chargers import chargers
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.transactions import transactions
from tests.store.books import Station
from tests.store.reading import view
from tests.store.signing_meters import SigningMeter, charge, look
from tests.web.api.conftest import Site
from tests.web.api.driving import Yard

LIST, ADD, END = [one for one in chargers.ENDPOINTS if "meter-keys" in one.path]
EXPLAIN, FILE = (
    next(one for one in transactions.ENDPOINTS if one.path.endswith(end))
    for end in ("/explain", "/signed")
)
NO_KEY: Final = "there is no public key of a meter in it"


@pytest.fixture
def meter() -> SigningMeter:
    return SigningMeter()


async def listed(site: Site, role: Role = Role.ADMIN) -> list[dict[str, Any]]:
    return list((await site.call(LIST, id="CP-1", role=role))["data"])


async def enter(site: Site, key: str, **given: Any) -> dict[str, Any]:
    made = await site.call(ADD, id="CP-1", body={"key": key, **given}, role=Role.OPERATOR)
    look(site.books)
    return dict(made)


async def signed(site: Site, number: int) -> dict[str, Any]:
    explained = await site.call(EXPLAIN, id=str(number), query={"weighed": "false"})
    return dict(explained["signed"])


def tell(station: Station, **settings: str) -> None:
    """Let the charger tell its settings."""
    keys = [{"key": key, "readonly": True, "value": value} for key, value in settings.items()]
    station.write(configuration.keep, 0, {"configurationKey": keys})


@pytest.mark.usefixtures("station")
async def test_a_key_in_any_form_is_one_row(site: Site, meter: SigningMeter) -> None:
    der = meter.public()
    forms = [
        meter.public(Encoding.PEM).decode(),
        der.hex(),
        der.hex().upper(),
        b64encode(der).decode(),
        re.sub("(..)", r"\1 ", der.hex()),
        f"https://label.example/k?id=7&key={der.hex()}",
        parse_key(der).point.hex(),
    ]
    made = [await enter(site, form) for form in forms]
    assert {one["id"] for one in made} == {1}
    (only,) = await listed(site)
    assert only == made[0]
    assert only["key"] == der.hex()
    assert (only["connector"], only["added_by"], only["is_told"]) == (0, "anna", False)
    assert (await enter(site, forms[0], connector=2))["id"] == 2
    assert [one["connector"] for one in await listed(site)] == [0, 2]


@pytest.mark.parametrize("text", ["no key at all", "ab" * 91, "-----BEGIN PUBLIC KEY-----"])
@pytest.mark.usefixtures("station")
async def test_what_is_no_key_is_refused_at_its_field(site: Site, text: str) -> None:
    with pytest.raises(Problem, match=NO_KEY) as refused:
        await enter(site, text)
    assert (refused.value.status, refused.value.members["field"]) == (422, "key")
    assert site.books.count("meter_key") == 0


@pytest.mark.usefixtures("station")
async def test_a_key_with_a_typo_is_on_no_curve(site: Site) -> None:
    for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP256K1(), ec.BrainpoolP256R1()):
        der = bytearray(SigningMeter(curve).public())
        der[-1] ^= 1
        with pytest.raises(Problem, match=NO_KEY):
            await enter(site, der.hex())
    assert site.books.count("meter_key") == 0


@pytest.mark.parametrize("text", ["", " \n ", "A" * 10_001, "A" * 1_000_000])
@pytest.mark.usefixtures("station")
async def test_no_text_and_a_very_long_one(site: Site, text: str) -> None:
    with pytest.raises(Problem) as refused:
        await enter(site, text)
    assert refused.value.status in (413, 422)
    assert text[:50].strip() not in str(refused.value) or not text.strip()


@pytest.mark.usefixtures("station")
async def test_a_private_key_is_stored_nowhere(site: Site, meter: SigningMeter) -> None:
    for form in meter.private():
        texts = [form.decode()] if form.isascii() else [form.hex(), b64encode(form).decode()]
        for text in texts:
            with pytest.raises(Problem) as refused:
                await enter(site, text)
            assert refused.value.status == 422
            assert text.split("\n")[1 if "\n" in text else 0] not in str(refused.value)
            if "PRIVATE" in text:
                assert "private key" in str(refused.value)
    assert site.books.count("meter_key") == 0


@pytest.mark.usefixtures("station")
async def test_both_keys_in_one_file(site: Site, meter: SigningMeter) -> None:
    both = meter.private()[0].decode() + meter.public(Encoding.PEM).decode()
    with pytest.raises(Problem, match="private key"):
        await enter(site, both)


@pytest.mark.usefixtures("station")
async def test_an_unknown_charger_and_an_unknown_key(site: Site, meter: SigningMeter) -> None:
    key = meter.public().hex()
    for endpoint, given in ((LIST, None), (ADD, {"key": key}), (END, None)):
        with pytest.raises(Problem, match="there is no charger CP-9") as refused:
            await site.call(
                endpoint, id="CP-9", body=given, **({"key": "1"} if endpoint is END else {})
            )
        assert refused.value.status == 404
    Station(site.books, "CP-2")
    number = (await enter(site, key))["id"]
    for charger, which in (("CP-1", "7"), ("CP-2", str(number))):
        with pytest.raises(Problem, match=f"there is no key {which} of the meters of {charger}"):
            await site.call(END, id=charger, key=which)
    await site.call(END, id="CP-1", key=str(number))
    with pytest.raises(Problem, match="there is no key 1"):
        await site.call(END, id="CP-1", key=str(number))
    assert await listed(site) == []
    assert (await enter(site, key))["id"] != number, "it is entered anew"


@pytest.mark.usefixtures("station")
async def test_who_may(site: Site, meter: SigningMeter) -> None:
    await enter(site, meter.public().hex())
    (seen,) = await listed(site, Role.VIEWER)
    assert seen["fingerprint"] == parse_key(meter.public()).fingerprint
    assert seen["added_by"] is None
    for endpoint, path, given in (
        (ADD, {}, {"key": meter.public().hex()}),
        (END, {"key": "1"}, None),
        (FILE, {}, None),
    ):
        with pytest.raises(Problem) as refused:
            await site.call(endpoint, id="CP-1", body=given, role=Role.VIEWER, **path)
        assert refused.value.status == 403


async def test_sessions_are_checked_again_with_a_key(
    site: Site, station: Station, meter: SigningMeter
) -> None:
    number = charge(station, meter)
    found = await signed(site, number)
    assert (found["state"], found["key"], found["has_file"]) == ("unproven", None, True)
    assert found["words"] == "the public key of its meter is not known"
    assert lacks_key(view(site.books.connection), "CP-1")

    key = await enter(site, meter.public().hex())
    found = await signed(site, number)
    assert (found["state"], found["energy_wh"]) == ("proven", 6000)
    assert (found["key"], found["is_key_told"]) == (key["fingerprint"], False)
    assert found["is_timed"]
    assert not lacks_key(view(site.books.connection), "CP-1")

    other = charge(station, meter, signed_wh=3000)
    found = await signed(site, other)
    assert (found["state"], found["words"]) == ("doubtful", "its meter signed 3000 Wh")


async def test_a_wrong_key_that_is_removed_contradicts_nothing_any_more(
    site: Site, station: Station, meter: SigningMeter
) -> None:
    number = charge(station, meter)
    wrong = await enter(site, SigningMeter().public().hex())
    assert (await signed(site, number))["state"] == "doubtful"
    site.books.wait(2)
    site.books.settle()
    assert "signature is wrong" in station.review(number)
    await site.call(END, id="CP-1", key=str(wrong["id"]))
    look(site.books)
    assert (await signed(site, number))["state"] == "unproven"
    site.books.wait(2)
    site.books.settle()
    assert station.review(number) == ""


async def test_the_key_of_a_meter_that_was_exchanged_still_proves_its_past(
    site: Site, station: Station, meter: SigningMeter
) -> None:
    key = await enter(site, meter.public().hex())
    before = charge(station, meter)
    await site.call(END, id="CP-1", key=str(key["id"]))
    look(site.books)
    assert (await signed(site, before))["state"] == "proven"
    site.books.wait(5)
    assert (await signed(site, charge(station, meter)))["state"] == "unproven"


async def test_keys_that_the_charger_tells_are_marked(
    site: Site, station: Station, meter: SigningMeter
) -> None:
    other, der = SigningMeter(), meter.public().hex()
    tell(station, MeterPublicKey1=other.public().hex(), MeterPublicKey2="", HeartbeatInterval="1")
    site.books.wait(5)
    tell(station, MeterPublicKey1=der, MeterPublicKey2="none yet")
    site.books.wait(5)
    tell(station, MeterPublicKey1=der)
    number = charge(station, meter)
    known = await listed(site)
    assert [(one["id"], one["connector"], one["key"]) for one in known] == [
        (None, 1, der),
        (None, 1, other.public().hex()),
    ]
    assert {(one["is_told"], one["added_by"]) for one in known} == {(True, None)}
    found = await signed(site, number)
    assert (found["state"], found["is_key_told"]) == ("proven", True)
    lines = (await site.call(EXPLAIN, id=str(number)))["lines"]
    assert any(line.endswith(", told by the charger") for line in lines)

    await enter(site, der, connector=1)
    assert [one["is_told"] for one in await listed(site)] == [False, True, True]
    assert not (await signed(site, number))["is_key_told"]


async def test_what_cannot_be_read_has_no_file(site: Site, station: Station) -> None:
    number = charge(station, "nobody reads this")
    found = await signed(site, number)
    assert (found["state"], found["has_file"]) == ("unproven", False)
    assert not lacks_key(view(site.books.connection), "CP-1"), "no key would help"
    with pytest.raises(Problem, match=f"there is no file with signed values of session {number}"):
        await site.call(FILE, id=str(number))


async def test_a_session_without_signed_values(site: Site, station: Station) -> None:
    number = station.start()
    site.books.wait(60)
    station.stop(number)
    look(site.books)
    explained = await site.call(EXPLAIN, id=str(number))
    assert explained["signed"] is None
    assert "signed" not in "\n".join(explained["lines"])


async def test_the_file_is_named_after_its_session(
    site: Site, station: Station, meter: SigningMeter
) -> None:
    number = charge(station, meter)
    await enter(site, meter.public().hex())
    reply = await site.ask(FILE, id=str(number), role=Role.OPERATOR)
    assert reply.headers["content-type"] == "application/xml"
    assert reply.headers["content-disposition"] == (
        f'attachment; filename="session-{number}-signed.xml"'
    )
    assert reply.body.startswith(b"<?xml")
    assert meter.public().hex() in reply.body.decode()
    lines = (await site.call(EXPLAIN, id=str(number)))["lines"]
    (told,) = (line for line in lines if "signed values" in line)
    assert told.startswith("  signed values: proven, its meter signed this energy; key ")


async def test_a_driver_downloads_what_the_meter_signed_of_his_own_session(
    yard: Yard, meter: SigningMeter
) -> None:
    plug = Station(yard.books)
    yard.house.give(1, "ANNA")
    yard.house.give(2, "BEN")
    own, bens = charge(plug, meter, "ANNA"), charge(plug, meter, "BEN")
    found = (await yard.anna.get(f"/transactions/{own}"))["signed"]
    assert (found["state"], found["energy_wh"]) == ("unproven", None)
    reply = await yard.anna.ask("GET", f"/transactions/{own}/signed")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/xml")
    assert "OCMF|" in reply.body.decode()
    expected = (404, "not_found", f"there is no file with signed values of session {bens}")
    for number in (bens, 999):
        refused = await yard.anna.refused("GET", f"/transactions/{number}/signed")
        assert refused == (
            *expected[:2],
            f"there is no file with signed values of session {number}",
        )
