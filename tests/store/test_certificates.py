"""The rows of certificates: who gets one, when it is renewed, and how a request ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from levity_trio.access.certificates import Requested
from levity_trio.events import CertificateDelivered, CertificateNameAllowed, CertificateRefused
from levity_trio.store.reads.now.present import present
from levity_trio.store.writes.chargers import commands, security
from levity_trio.store.writes.chargers.commands import CommandEnd, NewCommand
from levity_trio.store.writes.chargers.security import (
    DAILY_CERTIFICATES,
    MOST_ATTEMPTS,
    NewCertificate,
)
from levity_trio.wire.times import stamp
from tests.store.books import Books, Station
from tests.store.reading import view

HOUSE = "House"
TRIGGER = '{"requestedMessage":"SignChargePointCertificate"}'


def requested(key: str = "key", name: str = "SN-1") -> Requested:
    return Requested(
        subject=f"CN={name}",
        common_names=[name],
        organizations=[HOUSE],
        key_type="EC",
        key_bits=256,
        curve="secp256r1",
        key_digest=key,
        is_signed=True,
    )


def issued(books: Books, fingerprint: str, days: int = 365) -> NewCertificate:
    begin, end = stamp(books.now), stamp(books.now + timedelta(days=days))
    return NewCertificate(
        serial="1",
        fingerprint=fingerprint,
        subject="",
        pem=f"PEM {fingerprint}",
        not_before=begin,
        not_after=end,
    )


def ask(station: Station, action: str = "ExtendedTriggerMessage", payload: str = TRIGGER) -> int:
    """Send it a command; return its id."""
    new = NewCommand(
        charger=station.name,
        action=action,
        payload=payload,
        message_id=f"m{station.books.count('command')}",
        requested_at=station.books.at,
        asked_by="anna",
        run=1,
        timeout_seconds=None,
        deadline_at=None,
        is_masked=False,
    )
    queued = station.books.run(commands.queue, new)
    assert queued is not None
    station.write(commands.take)
    return queued.id


def request(station: Station, csr: str = "CSR", key: str = "key", name: str = "SN-1") -> str:
    return station.write(security.receive_request, csr, requested(key, name), HOUSE)


def deliver(station: Station, fingerprint: str, state: str = "accepted", days: int = 365) -> None:
    """Issue the open request's certificate, send it, and take the answer."""
    books = station.books
    (work,) = books.run(security.advance_certificates, books.at)
    if work.pem is None:
        books.run(
            security.issue_certificate, work.request, issued(books, fingerprint, days), books.at
        )
    command = ask(station, "CertificateSigned", '{"certificateChain":"PEM"}')
    books.run(security.certificate_sent, work.request, command)
    books.run(security.certificate_sent, work.request, command)  # as after a crash
    status = {"accepted": '{"status":"Accepted"}', "rejected": '{"status":"Rejected"}'}.get(state)
    station.write(commands.settle, CommandEnd(command, "CertificateSigned", state, payload=status))
    books.run(security.advance_certificates, books.at)


@pytest.fixture
def known(station: Station) -> Station:
    """A charger with the serial number SN-1, asked for a request."""
    station.boot(serial_number="SN-1")
    ask(station)
    return station


def results(books: Books) -> list[Any]:
    return [
        result for (result,) in books.rows("SELECT result FROM certificate_request ORDER BY id")
    ]


def reason(books: Books) -> Any:
    return books.value("SELECT reason FROM certificate_request ORDER BY id DESC LIMIT 1")


def test_a_request_is_issued_sent_and_installed(books: Books, known: Station) -> None:
    assert request(known) == "Accepted"
    deliver(known, "a")
    assert results(books) == ["installed"]
    assert books.row("SELECT cp_id, issued_by, revoked_at FROM certificate") == (
        "CP-1",
        "certificate authority",
        None,
    )
    assert books.value("SELECT attempts FROM certificate_request") == 1
    assert not books.run(security.advance_certificates, books.at)


def test_without_a_serial_number_its_identity_counts(books: Books, station: Station) -> None:
    ask(station)
    assert request(station) == "Rejected"
    assert "CP-1" in reason(books)
    assert request(station, name="CP-1") == "Accepted"


@pytest.mark.parametrize("days", [0.9, 1.1])
def test_that_somebody_asked_counts_for_a_day(books: Books, known: Station, days: float) -> None:
    books.wait(days * 24 * 60)
    assert request(known) == ("Accepted" if days < 1 else "Rejected")


def test_a_charger_that_has_proved_itself_may_ask_by_itself(books: Books, station: Station) -> None:
    station.boot(serial_number="SN-1")
    assert request(station) == "Rejected"
    assert books.recorded(CertificateRefused)[0].reason == reason(books) == security.UNASKED
    books.connection.execute("DROP TRIGGER session_origin_stays")
    books.connection.execute("UPDATE session SET profile = 1")
    assert request(station) == "Accepted"


def test_a_refused_charger_gets_none(books: Books, known: Station) -> None:
    books.connection.execute("UPDATE cp SET registration = 'refused'")
    assert request(known) == "Rejected"
    assert "adopt it first" in reason(books)


def test_a_newer_request_replaces_an_open_one(books: Books, known: Station) -> None:
    request(known)
    (work,) = books.run(security.advance_certificates, books.at)
    request(known, "CSR 2", "key 2")
    books.run(security.issue_certificate, work.request, issued(books, "late"), books.at)
    assert results(books) == ["superseded", None]
    assert not books.count("certificate")


def test_the_same_request_gets_the_same_certificate_while_it_is_good(
    books: Books, known: Station
) -> None:
    for days, expected in ((0, 1), (1, 1), (300, 2)):
        books.wait(days * 24 * 60)
        ask(known)
        request(known)
        deliver(known, f"{expected}")
        assert books.count("certificate") == expected
    books.run(security.revoke_certificate, 2, books.at, "anna", "lost")
    request(known)
    deliver(known, "3")
    assert books.count("certificate") == 3


@pytest.mark.parametrize(
    ("state", "times", "expected"),
    [
        ("rejected", 1, "refused"),
        ("error", 1, "refused"),
        ("timed out", 1, None),
        ("timed out", MOST_ATTEMPTS, "undelivered"),
        ("gone", MOST_ATTEMPTS - 1, None),
    ],
)
def test_how_a_request_ends(
    books: Books, known: Station, state: str, times: int, expected: str | None
) -> None:
    request(known)
    for _ in range(times):
        deliver(known, "a", state)
    assert results(books) == [expected]
    assert [fact.result for fact in books.recorded(CertificateDelivered)] == (
        [expected] if expected else []
    )


def test_a_request_of_which_no_certificate_can_be_made_is_given_up(
    books: Books, known: Station
) -> None:
    request(known)
    (work,) = books.run(security.advance_certificates, books.at)
    for _ in range(2):
        books.run(security.give_up_request, work, books.at)
    assert results(books) == ["undelivered"]
    assert not books.run(security.advance_certificates, books.at)


def test_a_flood_of_requests_ends(books: Books, known: Station) -> None:
    answers = [
        request(known, f"CSR {number}", f"key {number}") for number in range(DAILY_CERTIFICATES + 2)
    ]
    assert answers == ["Accepted"] * DAILY_CERTIFICATES + ["Rejected"] * 2
    assert reason(books) == security.TOO_MANY


def test_a_certificate_is_renewed_once_a_day_when_it_nears_its_end(
    books: Books, known: Station
) -> None:
    request(known)
    deliver(known, "a")
    books.wait(240 * 24 * 60)
    assert not books.run(security.due_certificates, books.at)
    books.wait(10 * 24 * 60)
    assert books.run(security.due_certificates, books.at) == ["CP-1"]
    ask(known)
    assert not books.run(security.due_certificates, books.at)
    books.wait(25 * 60)
    assert books.run(security.due_certificates, books.at) == ["CP-1"]
    ask(known)
    request(known, "CSR 2", "key 2")
    deliver(known, "b")
    books.wait(25 * 60)
    assert not books.run(security.due_certificates, books.at)


def test_a_revoked_certificate_is_not_renewed(books: Books, known: Station) -> None:
    request(known)
    deliver(known, "a")
    books.wait(300 * 24 * 60)
    assert books.run(security.revoke_certificate, 1, books.at, "anna", "sold") == "CP-1"
    assert books.run(security.revoke_certificate, 1, books.at, "anna", "sold") is None
    assert books.run(security.revoke_certificate, 2, books.at, "anna", "sold") is None
    assert not books.run(security.due_certificates, books.at)


def test_a_certificate_that_is_revoked_on_its_way_is_not_sent(books: Books, known: Station) -> None:
    request(known)
    (work,) = books.run(security.advance_certificates, books.at)
    books.run(security.issue_certificate, work.request, issued(books, "a"), books.at)
    books.run(security.revoke_certificate, 1, books.at, "anna", "sold")
    assert not books.run(security.advance_certificates, books.at)
    assert results(books) == ["undelivered"]


def test_a_certificate_is_adopted_once(books: Books, known: Station) -> None:
    assert books.run(security.adopt_certificate, "CP-1", issued(books, "a"), books.at, "anna") == 1
    assert (
        books.run(security.adopt_certificate, known.name, issued(books, "a"), books.at, "anna")
        is None
    )


def test_when_the_last_certificate_of_a_charger_that_needs_one_expires(
    books: Books, known: Station
) -> None:
    def expiries() -> dict[str, str]:
        return dict(present(view(books.connection)).certificates)

    for fingerprint, days in (("a", 365), ("b", 300)):
        books.run(
            security.adopt_certificate,
            known.name,
            issued(books, fingerprint, days),
            books.at,
            "anna",
        )
    assert expiries() == {}
    books.connection.execute("INSERT INTO security (cp_id, profile) VALUES ('CP-1', 3)")
    assert expiries() == {"CP-1": stamp(books.now + timedelta(days=365))}
    books.run(security.revoke_certificate, 1, books.at, "anna", "lost")
    assert expiries() == {"CP-1": stamp(books.now + timedelta(days=300))}


class TestNames:
    """Some chargers request a certificate for their identity, and report another serial number."""

    @pytest.fixture
    def refused(self, known: Station) -> Station:
        """A charger whose request was refused because of its name; its number is 1."""
        assert request(known, name="CP-1") == "Rejected"
        return known

    @staticmethod
    def allow(station: Station, seen: Requested) -> str | None:
        books = station.books
        told: str | None = books.run(
            security.allow_name, 1, seen, HOUSE, books.at, "anna", "its maker does so"
        )
        return told

    def test_what_an_operator_lets_through_is_signed_from_then_on(self, refused: Station) -> None:
        assert self.allow(refused, requested(name="CP-1")) is None
        assert request(refused, name="CP-1") == "Accepted"
        assert request(refused, "NEXT", "other key", name="CP-1") == "Accepted"  # its renewal
        assert request(refused, "CSR 3", "key 3", name="SN-1") == "Accepted"  # as before
        (allowed,) = refused.books.recorded(CertificateNameAllowed)
        assert (allowed.charger, allowed.request, allowed.name, allowed.by) == (
            "CP-1",
            1,
            "CP-1",
            "anna",
        )
        assert refused.books.row("SELECT name, allowed_by, reason FROM certificate_name") == (
            *("CP-1", "anna", "its maker does so"),
        )

    @pytest.mark.parametrize("name", ["CP-10", "cp-1", "X-CP-1", "CP-2"])
    def test_no_other_name_is(self, refused: Station, name: str) -> None:
        assert self.allow(refused, requested(name="CP-1")) is None
        assert request(refused, name=name) == "Rejected"

    def test_nor_that_name_of_another_charger(self, refused: Station) -> None:
        other = Station(refused.books, "CP-2")
        other.boot(serial_number="SN-2")
        ask(other)
        assert self.allow(refused, requested(name="CP-1")) is None
        assert request(other, key="key 2", name="CP-1") == "Rejected"

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"organizations": ["Somebody"]}, "its O is"),
            ({"key_type": "RSA", "key_bits": 1024}, "its RSA key has 1024 bits"),
            ({"is_signed": False}, "its signature is wrong"),
            ({"common_names": ["CP-1", "B"]}, "2 common names"),
            ({"common_names": ["SN-1"]}, "no obstacle"),
            ({"common_names": ["CP-2"]}, "the name of another charger, CP-2"),
            ({"common_names": ["SN-2"]}, "the name of another charger, CP-2"),
        ],
        ids=str,
    )
    def test_only_the_name_is_let_through(
        self, refused: Station, changes: dict[str, Any], words: str
    ) -> None:
        Station(refused.books, "CP-2").boot(serial_number="SN-2")
        assert words in (self.allow(refused, replace(requested(name="CP-1"), **changes)) or "")
        assert not refused.books.count("certificate_name")

    @pytest.mark.parametrize(
        ("name", "other"),
        [
            ("SN-2.chargers.example", "CP-2"),
            ("wallbox sn-2", "CP-2"),
            ("A_SN-2_B", "CP-2"),
            ("cp-2.local", "CP-2"),
            ("BOX/2", "CP-2"),
            ("SN-20", None),
            ("XSN-2", None),
            ("CP-21.local", None),
            ("CP-1.1", None),  # a stranger calls itself so, or a part of it
            ("CP-3", "CP-3"),
            ("1", "CP-3"),
        ],
    )
    def test_nor_is_a_name_within_which_another_charger_is_named(
        self, refused: Station, name: str, other: str | None
    ) -> None:
        known = Station(refused.books, "CP-2")
        known.boot(serial_number="SN-2", charge_box_serial_number="BOX/2")
        known.start()
        Station(refused.books, "CP-3").boot(serial_number="1")
        told = self.allow(refused, requested(name=name))
        assert (told is None) == (other is None)
        assert other is None or f"the name of another charger, {other}" in (told or "")

    def test_nobody_who_only_claims_the_identity_gets_one(self, station: Station) -> None:
        station.boot(serial_number="SN-1")
        assert request(station, name="CP-1") == "Rejected"
        assert self.allow(station, requested(name="CP-1")) is None
        assert request(station, name="CP-1") == "Rejected"
        assert "anyone may claim" in station.books.value(
            "SELECT reason FROM certificate_request WHERE id = 2"
        )
