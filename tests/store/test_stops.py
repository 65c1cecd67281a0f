"""StopTransaction: the matching transaction, which is billed once."""

import pytest

from levity_trio.events import EnergyUnbilled, MessageSetAside, StopConflicted, TransactionStopped
from tests.store.books import UNSET_CLOCK, Books, Station, meter_value

HOUR = 60
DAY = 24 * HOUR
NO_IDS = [-1, 0, 17, 2**31 - 1, 2**53, -(2**53)]


def open_ones(books: Books) -> set[int]:
    return {
        transaction for (transaction,) in books.rows("SELECT id FROM tx WHERE status = 'Active'")
    }


def test_a_stop_closes_and_bills(books: Books, station: Station) -> None:
    transaction = station.start(1000)
    books.wait(HOUR)
    assert station.stop(transaction, 8000, tag="TAG", reason="EVDisconnected") == "Accepted"
    assert station.bill(transaction) == (7000, "register", "certain")
    assert books.row(
        "SELECT status, stop_time, meter_stop, stop_reason, stop_id_tag, stopped_by, review FROM tx"
    ) == (
        *("Completed", "2026-03-01T13:00:00.000Z", 8000, "EVDisconnected", "TAG", "charger", None),
    )
    assert books.row(
        "SELECT who, reason, timestamp, received_at FROM tx_event WHERE kind = 'stop'"
    ) == (*("charger", "EVDisconnected", "2026-03-01T13:00:00.000Z", "2026-03-01T13:00:00.250Z"),)
    (fact,) = books.recorded(TransactionStopped)
    assert (fact.transaction, fact.connector, fact.energy_wh, fact.review) == (
        transaction,
        1,
        7000,
        None,
    )
    assert books.value("SELECT last_tx_stop_at FROM cp") == "2026-03-01T13:00:00.000Z"


def test_no_verdict_without_a_tag(station: Station) -> None:
    assert station.stop(station.start(), tag=None) is None


def test_a_second_stop_with_the_same_values_changes_nothing(books: Books, station: Station) -> None:
    transaction, sent = station.start(1000), station.clock()
    station.stop(transaction, 5000, at=sent, tag="TAG")
    before = books.rows("SELECT * FROM tx")
    books.wait(3 * DAY)
    station.connect()
    station.stop(transaction, 5000, at=sent, tag="TAG")
    assert books.rows("SELECT * FROM tx") == before
    assert len(books.recorded(TransactionStopped)) == 1
    assert books.row("SELECT count, last_received_at FROM tx_event WHERE kind = 'stop'") == (
        2,
        books.at,
    )


@pytest.mark.parametrize(
    "other", [{"meter": 9000}, {"at": "2026-03-01T12:30:00Z"}, {"reason": "Reboot"}, {"tag": "GAT"}]
)
def test_a_second_stop_with_other_values_is_kept_and_flagged(
    books: Books, station: Station, other: dict[str, str]
) -> None:
    transaction, sent = station.start(1000, at=station.clock(HOUR)), station.clock()
    station.stop(transaction, 5000, at=sent, tag="TAG")
    again = {"meter": 5000, "at": sent, "tag": "TAG"} | other
    station.stop(transaction, **again)  # type: ignore[arg-type]
    station.stop(transaction, **again)  # type: ignore[arg-type]
    assert station.bill(transaction) == (4000, "register", "certain")
    assert station.review(transaction) == "a second stop came with other values"
    assert books.row("SELECT count FROM tx_event WHERE kind = 'conflicting stop'") == (2,)
    assert len(books.recorded(StopConflicted)) == 1
    assert len(books.recorded(TransactionStopped)) == 1


def test_meter_stop_below_meter_start_closes_and_is_flagged(station: Station) -> None:
    transaction = station.start(5000)
    station.stop(transaction, 4000)
    assert station.bill(transaction) == (0, "segments", "doubtful")
    assert "the stop register is below the start register" in station.review(transaction)


def test_a_stop_before_its_start_in_time_is_billed_and_flagged(station: Station) -> None:
    transaction = station.start(1000)
    station.stop(transaction, 5000, at=station.clock(minutes_ago=HOUR))
    assert station.bill(transaction) == (4000, "register", "doubtful")
    assert station.review(transaction) == "stop is earlier than start"


def test_a_clock_put_right_on_the_way_costs_nothing(books: Books, station: Station) -> None:
    """It was two hours ahead at the start."""
    station.behind = -2 * HOUR
    transaction = station.start(1000)
    for wh in (6000, 11_000):
        books.wait(30)
        station.tell(station.register(wh), transaction=transaction)
    station.behind = 0
    for wh in (16_000, 21_000):
        books.wait(30)
        station.tell(station.register(wh), transaction=transaction)
    station.stop(transaction, 22_000)
    assert station.bill(transaction) == (21_000, "register", "certain")


def test_local_time_called_utc_told_after_being_offline(station: Station) -> None:
    """All sent within a second, two hours ahead: its own clock shows that delivery took 90
    minutes."""
    station.behind = -2 * HOUR
    data = [station.register(1000, 95), station.register(31_000, 5)]
    transaction = station.start(1000, at=station.clock(95))
    station.stop(transaction, 31_000, at=station.clock(5), data=data)
    assert station.bill(transaction) == (30_000, "register", "certain")


def test_no_clock_at_all_told_after_being_offline(station: Station) -> None:
    data = [meter_value("1970-01-01T00:10:00Z", 0), meter_value("1970-01-01T03:09:00Z", 29_000)]
    transaction = station.start(0, at="1970-01-01T00:10:00Z")
    station.stop(transaction, 30_000, at="1970-01-01T03:10:00Z", data=data)
    assert station.bill(transaction) == (30_000, "register", "certain")


def test_a_clock_that_stands_still_told_after_being_offline(books: Books, station: Station) -> None:
    """Start and stop arrived within a minute, both with 1970: only earlier messages bound the
    duration."""
    station.stop(station.start(1000, at=UNSET_CLOCK), 5000, at=UNSET_CLOCK)
    books.wait(DAY)
    station.connect()
    transaction = station.start(5000, at=UNSET_CLOCK)
    books.wait(1)
    station.stop(transaction, 45_000, at=UNSET_CLOCK)
    assert station.bill(transaction) == (40_000, "register", "doubtful")
    assert "clock stood still" in station.review(transaction)


def test_a_car_that_stays_for_a_season(books: Books, station: Station) -> None:
    """However long a session lasts, its two registers are as good as those of any other."""
    transaction = station.start(1000)
    books.wait(90 * DAY)
    station.stop(transaction, 61_000)
    assert station.bill(transaction) == (60_000, "register", "certain")


@pytest.mark.parametrize("sent", [UNSET_CLOCK, "2021-01-01T00:00:00Z"])
def test_decades_between_two_clocks_are_no_time_to_deliver(
    books: Books, station: Station, sent: str
) -> None:
    transaction = station.start(0, at=sent)
    books.wait(1)
    station.stop(transaction, 900_000_000)
    assert station.bill(transaction)[0] == 0
    assert "at most" in station.review(transaction)


def test_negative_registers_are_none(station: Station) -> None:
    transaction = station.start(-10_000)
    station.stop(transaction, 0)
    assert station.bill(transaction) == (0, "segments", "doubtful")


def test_lifetime_in_transaction_data_and_session_in_meter_values(
    books: Books, station: Station
) -> None:
    """Grizzl-E: neither is mixed with the other."""
    transaction = station.start(100_000)
    began = station.clock()
    for wh in (0, 2000, 4000, 6000):
        books.wait(15)
        station.tell(station.register(wh), transaction=transaction)
    books.wait(5)
    data = [meter_value(began, 100_000), meter_value(station.clock(), 107_000)]
    station.stop(transaction, 107_000, data=data)
    assert station.bill(transaction) == (7000, "register", "certain")


def test_power_of_another_transaction_is_no_evidence(books: Books, station: Station) -> None:
    power = {"value": "7000", "measurand": "Power.Active.Import", "unit": "W"}
    first, second = station.start(1000), station.start(50, connector=2)
    for _ in range(6):
        books.wait(10)
        station.tell(meter_value(station.clock(), power), transaction=second, connector=2)
    station.stop(first, 1000)
    station.stop(second, 57, tag="TAG")
    assert station.bill(first) == (0, "register", "certain")
    assert "in kWh but sent as Wh" in station.review(second)


# The charger's own stop prevails


def test_a_late_stop_wins_over_a_close_by_the_system(books: Books, station: Station) -> None:
    transaction = station.start(1000)
    books.wait(HOUR)
    station.orphan(transaction, 3000)
    books.wait(10)
    station.stop(transaction, 8000, at=station.clock(minutes_ago=20))
    assert station.bill(transaction) == (7000, "register", "certain")
    assert books.row("SELECT stopped_by, stop_reason, meter_stop FROM tx") == (
        "charger",
        "Local",
        8000,
    )
    station.stop(transaction, 9000)  # its own stop
    assert station.bill(transaction) == (7000, "register", "certain")
    assert station.review(transaction) == "a second stop came with other values"


@pytest.mark.parametrize("no_id", [-1, 0])
def test_a_late_stop_without_an_id_wins_too(books: Books, station: Station, no_id: int) -> None:
    transaction, sent = station.start(1000), station.clock(minutes_ago=-90)
    books.wait(HOUR)
    station.orphan(transaction, 3000)
    books.wait(DAY)
    station.stop(no_id, 8000, at=sent)
    station.stop(no_id, 8000, at=sent)
    assert station.bill(transaction) == (7000, "register", "doubtful")
    assert "the stop names no session" in station.review(transaction)
    assert books.count("set_aside") == 0


# Without a usable id


@pytest.mark.parametrize("no_id", NO_IDS)
def test_without_a_usable_id_the_only_one_that_fits_is_closed(
    books: Books, station: Station, no_id: int
) -> None:
    transaction, sent = station.start(1000), station.clock(minutes_ago=-30)
    books.wait(HOUR)
    for _ in range(3):
        station.stop(no_id, 8000, at=sent, tag="TAG")
        books.wait(1)
    assert station.bill(transaction) == (7000, "register", "doubtful")
    assert len(books.recorded(TransactionStopped)) == 1
    assert books.count("set_aside") == 0
    station.stop(transaction, 9000, at=sent, tag="TAG")  # its own: the other waits again
    assert station.bill(transaction)[0] == 8000
    assert books.value("SELECT reason FROM set_aside") == (
        f"it was joined to session {transaction}, whose own stop came later"
    )


def test_the_id_of_another_charger_closes_nothing_of_it(books: Books, station: Station) -> None:
    stranger = Station(books, "CP-2")
    theirs = stranger.start(1000)
    books.wait(HOUR)
    assert station.stop(theirs, 8000, tag="TAG") == "Accepted"
    assert open_ones(books) == {theirs}
    assert books.row("SELECT cp_id, action, reason, tx_id, count FROM set_aside") == (
        *("CP-1", "StopTransaction", "no session of this charger fits this stop", None, 1),
    )
    ours = station.start(1000)
    books.wait(HOUR)
    station.stop(theirs, 9000, tag="TAG")
    assert open_ones(books) == {theirs}
    assert station.bill(ours)[0] == 8000


def test_what_fits_no_transaction_is_set_aside_once(books: Books, station: Station) -> None:
    sent = station.clock()
    for _ in range(3):
        station.stop(-1, 8000, at=sent)
    assert books.row("SELECT action, message_id, count FROM set_aside") == (
        "StopTransaction",
        '"1"',
        3,
    )
    assert len(books.recorded(MessageSetAside)) == 1


@pytest.mark.parametrize(
    ("stop", "why"),
    [
        ({"at": "2026-03-01T11:00:00Z"}, "earlier than the start"),
        ({"meter": 900}, "below meterStart"),
        ({"meter": 1900}, "below the newest reading"),
        ({"meter": 1_000_000_000}, "more than can have been delivered"),
        ({"tag": "GAT"}, "another tag"),
    ],
)
def test_a_stop_without_an_id_must_fit(
    books: Books, station: Station, stop: dict[str, str], why: str
) -> None:
    transaction = station.start(1000)
    books.wait(HOUR)
    station.tell(station.register(2000), transaction=transaction)
    station.stop(-1, **stop)  # type: ignore[arg-type]
    assert open_ones(books) == {transaction}, why
    assert books.count("set_aside") == 1


def test_where_two_fit_neither_is_closed(books: Books, station: Station) -> None:
    both = {station.start(1000), station.start(2000, connector=2)}
    books.wait(HOUR)
    station.stop(-1, 8000)
    assert open_ones(books) == both
    assert books.count("set_aside") == 1


def test_where_two_fit_the_power_that_was_told_decides(books: Books, station: Station) -> None:
    """The neighbour's battery is full: its register cannot have come that far."""
    charging, full = station.start(1000), station.start(500, connector=2)
    books.wait(HOUR)
    for transaction, connector, register, watts in ((charging, 1, 8000, 7000), (full, 2, 2500, 0)):
        power = {"value": str(watts), "measurand": "Power.Active.Import", "unit": "W"}
        reading = meter_value(station.clock(), register, power)
        station.tell(reading, transaction=transaction, connector=connector)
    books.wait(10)
    station.stop(-1, 9100)
    assert open_ones(books) == {full}
    assert station.bill(charging) == (8100, "register", "doubtful")


def test_a_repeat_does_not_close_the_neighbour(books: Books, station: Station) -> None:
    first, second = station.start(1000), station.start(7000, connector=2)
    books.wait(HOUR)
    for sent in ("2026-03-01T12:50:00Z", UNSET_CLOCK):
        for _ in range(2):
            station.stop(-1, 5000, at=sent)
    assert open_ones(books) == {second}
    assert station.bill(first)[0] == 4000


@pytest.mark.sqlite
@pytest.mark.parametrize(("sent", "asks"), [("2026-03-01T12:50:00Z", 0), (UNSET_CLOCK, 1)])
def test_only_a_repeat_without_a_time_asks_what_began_since(
    books: Books, station: Station, sent: str, asks: int
) -> None:
    """A clock that returned to 1970 tells the time of an earlier stop once more; no other does."""
    station.start(1000)
    books.wait(HOUR)
    station.stop(-1, 5000, at=sent)
    statements: list[str] = []
    books.connection.set_trace_callback(statements.append)
    station.stop(-1, 5000, at=sent)
    books.connection.set_trace_callback(None)
    assert sum("created_at > '" in statement for statement in statements) == asks


def test_on_one_connector_the_newest_is_meant(books: Books, station: Station) -> None:
    """The older one's stop was lost; on its connector another has begun since."""
    older = station.start(1000)
    books.wait(HOUR)
    newer = station.start(5000)
    books.wait(HOUR)
    station.stop(-1, 9000)
    assert open_ones(books) == {older}
    assert station.bill(newer)[0] == 4000


def test_an_open_one_comes_before_one_that_the_system_closed(
    books: Books, station: Station
) -> None:
    orphan = station.start(1000, connector=2)
    books.wait(HOUR)
    station.orphan(orphan, 1500, connector=2)
    transaction = station.start(1000)
    books.wait(HOUR)
    station.stop(-1, 5000)
    assert station.bill(transaction)[0] == 4000
    assert books.value("SELECT stopped_by FROM tx WHERE id = ?", orphan) == "system"


def test_1970_and_no_id_each_time(books: Books, station: Station) -> None:
    """The stop of the second transaction is not a repetition of the first, although the two are
    equal."""
    for _ in range(3):
        transaction = station.start(0, at=UNSET_CLOCK)
        books.wait(HOUR)
        station.stop(-1, 7000, at=UNSET_CLOCK)
        station.stop(-1, 7000, at=UNSET_CLOCK)
        assert station.bill(transaction) == (7000, "register", "doubtful")
        books.wait(HOUR)
    assert len(books.recorded(TransactionStopped)) == 3


# A start without a usable register


def test_a_start_of_zero_goes_on_where_the_register_stood(books: Books, station: Station) -> None:
    """Some chargers send 0 occasionally, for which no half megawatt-hour is billed."""
    first = station.start(490_000)
    books.wait(60)
    station.stop(first, 500_000)
    second = station.start(0)
    books.wait(12 * 60)
    station.stop(second, 510_000)
    assert station.bill(second) == (10_000, "register", "doubtful")
    assert (
        station.review(second) == "start register is 0 Wh, the previous session ended at 500000 Wh"
    )


def test_who_counts_each_transaction_from_zero_is_billed_so(books: Books, station: Station) -> None:
    for meter_stop in (9000, 12_000):
        transaction = station.start(0)
        books.wait(60)
        station.stop(transaction, meter_stop)
        assert station.bill(transaction) == (meter_stop, "register", "certain")


def test_a_new_meter_is_believed_where_its_readings_begin_with_it(
    books: Books, station: Station
) -> None:
    first = station.start(5000)
    books.wait(60)
    station.stop(first, 9000)
    second = station.start(0)
    for wh in (3000, 6000):
        books.wait(30)
        station.tell(station.register(wh), transaction=second)
    station.stop(second, 10_000)
    assert station.bill(second) == (10_000, "register", "certain")


def test_a_stop_without_an_id_closes_nobody_it_cannot_have_been(
    books: Books, station: Station
) -> None:
    """Of a start that was lost, on another connector: the one that runs stood at 2750 Wh a minute
    ago, at 7 kW."""
    running = station.start(1000)
    books.wait(15)
    power = {"value": "7000", "unit": "W", "measurand": "Power.Active.Import"}
    station.tell(meter_value(station.clock(), 2750, power), transaction=running)
    books.wait(1)
    station.stop(-1, 9000)
    assert books.value("SELECT status FROM tx") == "Active"
    assert books.count("set_aside") == 1


def test_a_stop_below_its_start_is_no_place_to_go_on_from(books: Books, station: Station) -> None:
    transaction = station.start(500_000)
    books.wait(15)
    station.tell(station.register(503_000), transaction=transaction)
    station.stop(transaction, 0)
    assert station.bill(transaction)[0] == 3000
    books.wait(60)
    station.start(505_000)
    assert [fact.energy_wh for fact in books.recorded(EnergyUnbilled)] == [2000]


def test_a_late_stop_of_long_ago_is_not_the_last_one(books: Books, station: Station) -> None:
    older = station.start(1000)
    books.wait(60)
    station.stop(station.start(9000, connector=2), 9500)
    station.stop(older, 2000, at=station.clock(minutes_ago=30))
    assert books.value("SELECT last_tx_stop_at FROM cp") == "2026-03-01T13:00:00.000Z"
