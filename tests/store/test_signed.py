"""What a meter signed, in the books: it settles doubts about the register, and opens one where it
says otherwise. Where it is the figure, `test_signed_figures` shows that."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from levity_trio.store.reads.transactions.explain import MOST_TOLD
from levity_trio.store.writes.chargers import configuration
from levity_trio.store.writes.transactions import stops
from levity_trio.store.writes.transactions.judging import check_signed_again
from tests.signed.meters import Meter
from tests.signed.test_alfen import BEGIN, STOP, data, record
from tests.store.bills import ANNA, Biller, house_of_two, month_is_over
from tests.store.books import Books, Station, meter_value
from tests.store.signing import enter, look, of_meter, signed, state


class Site:
    """A charger with a meter that signs."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.meter = Meter()
        self.station = Station(self.books)
        self.station.boot()
        self.books.wait(10)

    def session(
        self,
        first: float = 1000,
        last: float = 8350,
        power_kw: float | None = None,
        change: Callable[[str], str] = str,
        records: str | None = None,
    ) -> int:
        """Charge for two hours."""
        books, station = self.books, self.station
        begun = of_meter(station, "B", first)
        transaction = station.start(first)
        for quarter in range(1, 8):
            books.wait(15)
            samples: list[int | str | dict[str, str]] = [int(first + (last - first) * quarter / 8)]
            if power_kw is not None:
                measured = {"unit": "kW", "measurand": "Power.Active.Import"}
                samples.append({"value": str(power_kw), **measured})
            station.tell(meter_value(station.clock(), *samples), transaction=transaction)
        books.wait(15)
        record = self.meter.record(begun, of_meter(station, "E", last))
        sent = signed(change(record) if records is None else records)
        station.stop(transaction, last, data=[meter_value(station.clock(), int(last), sent)])
        self.sent = sent["value"]
        look(books)
        return transaction

    def certainty(self, transaction: int) -> tuple[object, object, str]:
        """Return its Wh, its confidence and its doubts."""
        wh, _, confidence = self.station.bill(transaction)
        return wh, confidence, self.station.review(transaction)


@pytest.fixture
def site(books: Books) -> Site:
    return Site(books)


def test_without_a_key_nothing_is_proven_and_nothing_doubted(site: Site) -> None:
    transaction = site.session()
    assert state(site.books, transaction) == ("unproven", None, 0)
    assert site.certainty(transaction) == (7350, "certain", "")


def test_with_the_key_of_its_label_it_is_proven(site: Site) -> None:
    transaction = site.session()
    enter(site.books, site.meter)
    assert state(site.books, transaction) == ("proven", 7350, 1)
    assert site.certainty(transaction) == (7350, "certain", "")
    later = site.session(8350, 9000)
    assert state(site.books, later) == ("proven", 650, 1)


def test_the_key_of_another_connector_says_nothing(site: Site) -> None:
    transaction = site.session()
    enter(site.books, Meter(), connector=2)
    assert state(site.books, transaction) == ("unproven", None, 0)
    enter(site.books, site.meter, connector=1)
    assert state(site.books, transaction) == ("proven", 7350, 1)
    Station(site.books, "CP-2")
    enter(site.books, Meter(), charger="CP-2")
    assert state(site.books, transaction) == ("proven", 7350, 1)


def test_a_session_without_signed_values_has_no_check(site: Site) -> None:
    transaction = site.station.start(1000)
    site.books.wait(60)
    site.station.stop(transaction, 5000)
    look(site.books)
    enter(site.books, site.meter)
    assert state(site.books, transaction) is None


def test_nothing_is_checked_twice(site: Site) -> None:
    site.session()
    assert look(site.books) == 0
    enter(site.books, site.meter)
    assert look(site.books) == 0
    assert site.books.count("signed_check") == 1


def lost_stop(site: Site) -> int:
    """A charger that booted before it told the stop, but had told what its meter signed."""
    books, station, meter = site.books, site.station, site.meter
    begun = meter.record(of_meter(station, "B", 1000))
    transaction = station.start(1000)
    told = signed(begun, "Transaction.Begin")
    station.tell(meter_value(station.clock(), 1000, told), transaction=transaction)
    books.wait(120)
    ended = signed(meter.record(of_meter(station, "E", 8350)))
    station.tell(meter_value(station.clock(), 8350, ended), transaction=transaction)
    books.wait(5)
    station.boot()
    books.run(stops.close_silent, books.at, 0.0)
    look(books)
    return transaction


def test_a_doubt_about_the_register_is_settled(site: Site) -> None:
    transaction = lost_stop(site)
    wh, confidence, review = site.certainty(transaction)
    assert (wh, confidence) == (7350, "doubtful")
    assert "closed by the system" in review
    enter(site.books, site.meter)
    assert state(site.books, transaction) == ("proven", 7350, 1)
    assert site.certainty(transaction) == (7350, "certain", "")


def test_a_key_that_the_charger_told_settles_no_doubt(site: Site) -> None:
    site.meter.record = with_key(site.meter)  # type: ignore[method-assign]
    transaction = lost_stop(site)
    assert state(site.books, transaction) == ("proven", 7350, 0)
    wh, confidence, review = site.certainty(transaction)
    assert (wh, confidence) == (7350, "doubtful")
    assert "closed by the system" in review


def with_key(meter: Meter) -> Callable[..., str]:
    """Return how a meter makes a record with its key beside it."""
    plain = meter.record

    def record(*readings: dict[str, object], **fields: object) -> str:
        told = {"signedMeterData": plain(*readings, **fields), "publicKey": meter.der.hex()}
        return json.dumps(told)

    return record


def test_a_key_that_the_charger_told_does_not_outweigh_that_of_the_label(site: Site) -> None:
    """A forged record with the forger's key beside it."""
    own, site.meter = site.meter, Meter()
    site.meter.record = with_key(site.meter)  # type: ignore[method-assign]
    enter(site.books, own)
    transaction = site.session()
    found = state(site.books, transaction)
    assert found is not None
    assert found[0] != "proven" or found[2] == 0
    assert site.certainty(transaction)[0] == 7350


def test_a_doubt_about_power_stays(site: Site) -> None:
    """A meter that counts wrong signs what it counts."""
    transaction = site.session(1000, 41000, power_kw=3.6)
    before = site.certainty(transaction)
    assert before[1] == "doubtful"
    enter(site.books, site.meter)
    assert state(site.books, transaction) == ("proven", 40000, 1)
    assert site.certainty(transaction) == before


def test_the_doubt_about_energy_of_two_sessions_stays(site: Site) -> None:
    site.session(1000, 8000)
    site.books.wait(20)
    transaction = site.session(5000, 12350)
    wh, confidence, review = site.certainty(transaction)
    assert confidence == "doubtful"
    assert "also belong to the previous session" in review
    enter(site.books, site.meter)
    assert site.certainty(transaction)[:2] == (wh, "doubtful")
    assert "also belong to the previous session" in site.station.review(transaction)


def test_a_changed_record_is_a_doubt_with_evidence_and_the_figure_stays(site: Site) -> None:
    enter(site.books, site.meter)
    transaction = site.session(change=lambda record: record.replace('"8.350"', '"9.350"'))
    assert state(site.books, transaction) == ("doubtful", None, 0)
    wh, confidence, review = site.certainty(transaction)
    assert (wh, confidence) == (7350, "doubtful")
    assert "signature is wrong" in review


def test_a_signed_difference_that_is_another(site: Site) -> None:
    enter(site.books, site.meter)
    meter, station = site.meter, site.station
    records = meter.record(of_meter(station, "B", 1000), of_meter(station, "E", 6000))
    transaction = site.session(records=records)
    found = state(site.books, transaction)
    assert found is not None
    assert (found[0], found[1]) != ("proven", 7350)
    assert site.certainty(transaction)[0] == 7350


def test_records_that_an_earlier_session_has(site: Site) -> None:
    """A charger that sends the record of a session again with the next one of the same energy."""
    enter(site.books, site.meter)
    first = site.session(1000, 8350)
    again = site.session(8350, 15700, records=site.sent)
    assert state(site.books, first) == ("proven", 7350, 1)
    found = state(site.books, again)
    assert found is not None
    assert found[0] != "proven"
    assert site.certainty(first) == (7350, "certain", "")
    assert site.certainty(again)[0] == 7350


def test_the_record_of_a_session_before_that_is_sent_again_doubts_nobody(site: Site) -> None:
    """The meter's clock says that it is of another time."""
    enter(site.books, site.meter)
    site.session(1000, 8350)
    site.books.wait(600)
    again = site.session(8350, 9350, records=site.sent)
    assert state(site.books, again) == ("unproven", None, 1)
    assert site.certainty(again) == (1000, "certain", "")


def test_a_charger_that_tells_another_key_at_each_boot_is_checked_with_few(site: Site) -> None:
    """Each key costs each record a check, and a charger may tell thousands."""
    told = [site.meter, *(Meter() for _ in range(MOST_TOLD - 1))]
    for meter in told:
        tell(site, meter)
    assert state(site.books, site.session(1000, 2000)) == ("proven", 1000, 0)
    tell(site, Meter())
    assert state(site.books, site.session(2000, 3000)) == ("unproven", None, 0)
    tell(site, site.meter)
    assert state(site.books, site.session(3000, 4000)) == ("proven", 1000, 0)


def tell(site: Site, meter: Meter) -> None:
    """Let the charger tell a key of its meter."""
    site.books.wait(5)
    key = {"key": "MeterPublicKey1", "readonly": True, "value": meter.der.hex()}
    site.station.write(configuration.keep, 0, {"configurationKey": [key]})


def test_records_that_another_charger_heard_doubt_nobody(site: Site) -> None:
    """Its session began before, and it tells the key of the other's meter as its own."""
    enter(site.books, site.meter)
    other = Station(site.books, "CP-2")
    earlier = other.start(1000, tag="OTHER")
    honest = site.session(1000, 8350)
    told = json.dumps({"signedMeterData": site.sent, "publicKey": site.meter.der.hex()})
    other.stop(earlier, 8350, data=[meter_value(other.clock(), 8350, signed(told))])
    look(site.books)
    assert state(site.books, earlier) == ("proven", 7350, 0)
    site.books.run(check_signed_again, "CP-1")
    look(site.books)
    assert state(site.books, honest) == ("proven", 7350, 1)
    assert site.certainty(honest) == (7350, "certain", "")


def test_a_month_that_is_closed_before_the_check(books: Books) -> None:
    """The check is done all the same; the next month's statement corrects the figure."""
    site = Site(books)
    house = house_of_two(books)
    house.give(ANNA, "TAG")
    biller = Biller(house)
    enter(books, site.meter)
    site.session(1000, 2000)
    begun = of_meter(site.station, "B", 2000)
    wrong = site.station.start(2000)
    books.wait(60)
    sent = signed(site.meter.record(begun, of_meter(site.station, "E", 3000)))
    site.station.stop(wrong, 9000, data=[meter_value(site.station.clock(), 9000, sent)])
    month_is_over(books, 3)
    biller.close("2026-03")
    assert state(books, wrong) is None
    look(books)
    assert site.certainty(wrong) == (1000, "certain", "")
    month_is_over(books, 4)
    biller.close("2026-04")
    corrections = "SELECT energy_wh FROM position WHERE tx_id = ? AND kind = 'correction'"
    assert books.rows(corrections, wrong) == [(-6000,)]


def test_honest_neighbours_of_a_liar_are_not_doubted(site: Site) -> None:
    enter(site.books, site.meter)
    before = site.session(1000, 2000)
    liar = site.session(2000, 9350, change=lambda record: record.replace('"2.000"', '"1.000"'))
    after = site.session(9350, 10350)
    assert site.certainty(liar)[1] == "doubtful"
    for honest in (before, after):
        assert state(site.books, honest) == ("proven", 1000, 1)
        assert site.certainty(honest) == (1000, "certain", "")


@pytest.mark.parametrize(
    "value", ["", "x", "OCMF|{}|{}", "<signedData>", '{"signedMeterData":"\\ud800"}']
)
def test_what_cannot_be_read_doubts_nobody_and_stops_nothing(site: Site, value: str) -> None:
    enter(site.books, site.meter)
    odd = site.session(1000, 2000, records=value)
    next_one = site.session(2000, 3000)
    assert site.certainty(odd) == (1000, "certain", "")
    assert state(site.books, next_one) == ("proven", 1000, 1)


def test_a_charger_that_was_away_tells_it_later(site: Site) -> None:
    """All messages of a session come three days later, with its own times."""
    enter(site.books, site.meter)
    books, station = site.books, site.station
    begun = of_meter(station, "B", 1000)
    started = station.clock()
    books.wait(120)
    record = site.meter.record(begun, of_meter(station, "E", 8350))
    stopped = station.clock()
    station.lose()
    books.wait(3 * 24 * 60)
    station.connect()
    transaction = station.start(1000, at=started)
    station.stop(transaction, 8350, at=stopped, data=[meter_value(stopped, 8350, signed(record))])
    look(books)
    assert state(books, transaction) == ("proven", 7350, 1)
    assert site.certainty(transaction) == (7350, "certain", "")


def test_a_clock_that_is_behind_doubts_nobody(books: Books) -> None:
    """A charger and its meter without a time server: eight hours behind, clock U."""
    meter = Meter()
    station = Station(books, behind=8 * 60)
    station.boot()
    enter(books, meter)
    begun = of_meter(station, "B", 1000)
    transaction = station.start(1000)
    books.wait(120)
    ended = of_meter(station, "E", 8350)
    for reading in (begun, ended):
        reading["TM"] = str(reading["TM"]).replace(" S", " U")
    sent = signed(meter.record(begun, ended))
    station.stop(transaction, 8350, data=[meter_value(station.clock(), 8350, sent)])
    look(books)
    assert state(books, transaction) == ("proven", 7350, 1)
    assert station.bill(transaction)[2] == "certain"


def test_a_power_failure_within_a_session(site: Site) -> None:
    """The meter ends its record with P; the charger comes back and stops the session."""
    enter(site.books, site.meter)
    books, station = site.books, site.station
    begun = of_meter(station, "B", 1000)
    transaction = station.start(1000)
    books.wait(60)
    station.tell(station.register(4000), transaction=transaction)
    ended = of_meter(station, "P", 4000)
    station.lose()
    books.wait(30)
    station.connect()
    station.boot()
    sent = signed(site.meter.record(begun, ended))
    data = [meter_value(station.clock(), 4000, sent)]
    station.stop(transaction, 4000, reason="PowerLoss", data=data)
    look(books)
    assert state(books, transaction) == ("proven", 3000, 1)
    assert site.certainty(transaction) == (3000, "certain", "")


def test_a_meter_that_begins_a_new_record_after_a_power_failure_doubts_nobody(site: Site) -> None:
    """Two records of one session: what flowed between them is in neither."""
    enter(site.books, site.meter)
    books, station = site.books, site.station
    first = of_meter(station, "B", 1000)
    transaction = station.start(1000)
    books.wait(60)
    cut = of_meter(station, "P", 4000)
    books.wait(30)
    begun = of_meter(station, "B", 4000)
    books.wait(60)
    ended = of_meter(station, "E", 8350)
    records = [site.meter.record(first, cut), site.meter.record(begun, ended)]
    sent = [signed(record) for record in records]
    station.stop(transaction, 8350, data=[meter_value(station.clock(), 8350, *sent)])
    look(books)
    found = state(books, transaction)
    assert found is not None
    assert found[0] != "doubtful"
    assert site.certainty(transaction) == (7350, "certain", "")


def test_a_key_that_is_entered_wrong_and_then_right(site: Site) -> None:
    enter(site.books, Meter())
    transaction = site.session()
    assert site.certainty(transaction)[1] == "doubtful"
    sql = "UPDATE meter_key SET ended_at = ?, ended_by = 'test'"
    site.books.run(lambda db: db.execute(sql, (site.books.at,)))
    enter(site.books, site.meter)
    found = state(site.books, transaction)
    assert found == ("proven", 7350, 1)
    assert site.certainty(transaction) == (7350, "certain", "")


def test_a_key_that_is_entered_after_the_meter_was_replaced_doubts_nobody(site: Site) -> None:
    """Of the sessions of before, nobody knows the key. A later one has that of its meter."""
    before = site.session(1000, 8350)
    site.meter = Meter("secp384r1", "1TST0000000002", 1)
    after = site.session(0, 7350)
    enter(site.books, site.meter)
    assert state(site.books, before) == ("unproven", None, 0)
    assert site.certainty(before) == (7350, "certain", "")
    assert state(site.books, after) == ("proven", 7350, 1)
    forged = Meter()
    site.meter = forged
    assert site.certainty(site.session(7350, 8350))[1] == "doubtful"


def test_a_meter_that_is_replaced(site: Site) -> None:
    """Both keys are entered; each session has that of its meter."""
    first = site.session(1000, 8350)
    old, site.meter = site.meter, Meter("secp384r1", "1TST0000000002", 1)
    second = site.session(0, 7350)
    for meter in (old, site.meter):
        enter(site.books, meter)
    assert state(site.books, first) == ("proven", 7350, 1)
    assert state(site.books, second) == ("proven", 7350, 1)


@pytest.mark.sqlite
def test_alfen_of_a_hostile_charger_stops_nobody(site: Site) -> None:
    """With its own key beside it."""
    meter = Meter("secp192r1")
    now = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    pair = [
        record(BEGIN, data(now, 0, 5), meter=meter),
        record(STOP, data(now, 2**64 - 1, 6), meter=meter),
    ]
    values = [
        signed(json.dumps({"signedMeterData": one, "publicKey": meter.der.hex()})) for one in pair
    ]
    odd = site.station.start(1000)
    site.books.wait(60)
    site.station.stop(odd, 2000, data=[meter_value(site.station.clock(), 2000, *values)])
    look(site.books)
    assert state(site.books, odd) == ("unproven", None, 0)
    honest = site.session(2000, 3000)
    look(site.books)
    assert state(site.books, honest) == ("unproven", None, 0)  # its key is not known


def test_what_was_withheld_of_the_session_before_is_not_of_this_one(site: Site) -> None:
    """With the next one, its charger sends the records of both, whose pages follow: with begin and
    end of the other, its register would be proven."""
    station, meter = site.station, site.meter
    before = station.start(1000)
    records = [meter.record(of_meter(station, "B", 1000))]
    site.books.wait(5)
    records.append(meter.record(of_meter(station, "E", 6000)))
    station.stop(before, 6000)
    site.books.wait(1)
    records.append(meter.record(of_meter(station, "B", 6000)))
    liar = station.start(6000)
    site.books.wait(5)
    records.append(meter.record(of_meter(station, "E", 8000)))
    values = map(signed, records)
    station.stop(liar, 13000, data=[meter_value(station.clock(), 13000, *values)])
    look(site.books)
    enter(site.books, meter)
    look(site.books)
    assert state(site.books, liar) == ("proven", 2000, 1)
    assert site.certainty(liar) == (2000, "certain", "")
