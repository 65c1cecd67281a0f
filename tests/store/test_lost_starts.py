"""Lost starts: the charger's own number for a transaction, in its readings and its stop, shows to
which transaction they belong."""

from datetime import timedelta
from functools import partial

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.telling import (
    HOUR,
    WATTS,
    assert_doubtful,
    assert_figure,
    assert_open,
    assert_time,
    bill_of,
    charge,
    close_silent,
    others,
    session,
    settle,
    watts,
)

OWN = -72
QUARTER = 15


def start_named(station: Station, wh: int) -> tuple[int, int]:
    """Play a transaction whose readings name it and whose stop is lost; return its id and the
    register at its end."""
    transaction = station.start(wh, tag="FIRST")
    return transaction, charge(station, transaction, wh)


def test_the_next_one_whose_start_was_lost_is_not_the_one_before(
    books: Books, station: Station
) -> None:
    """Neither by its readings nor by its stop, though its register goes on where that of the one
    before ended."""
    first, wh = start_named(station, 1000)
    books.wait(QUARTER)
    end = charge(station, OWN, wh)
    station.stop(OWN, end, tag="SECOND")
    books.wait(QUARTER)
    assert_open(station, first)
    (other,) = others(books, first)
    assert other == (other[0], 6_600, True)
    close_silent(station)
    settle(books)
    assert bill_of(station, first)[:2] == ("Completed", 7_200)
    assert books.value("SELECT id_tag FROM tx WHERE id = ?", other[0]) == "SECOND"


def test_readings_of_another_name_are_no_sign_of_what_is_suspended(
    books: Books, station: Station
) -> None:
    first, wh = start_named(station, 1000)
    station.boot()
    charge(station, OWN, wh)
    assert books.value("SELECT suspended_at FROM tx WHERE id = ?", first) is not None
    assert (
        books.value("SELECT count(*) FROM meter_val WHERE told_id = ? AND tx_id IS NULL", OWN) == 24
    )


def boot_and_plug_in(station: Station) -> None:
    station.books.wait(QUARTER)
    station.boot()
    station.status("Preparing")
    station.books.wait(1)
    station.status("Charging")


def test_a_car_plugged_in_after_a_boot_begins_a_transaction_of_its_own(
    books: Books, station: Station
) -> None:
    """The transaction before never sent a reading, so nothing but the boot and the idle connector
    ended it."""
    first = station.start(1000, tag="FIRST")
    boot_and_plug_in(station)
    end = charge(station, OWN, 4000)
    station.stop(OWN, end, tag="FIRST")
    assert [one[1:] for one in others(books, first)] == [(6_600, True)]
    assert books.value("SELECT count(*) FROM meter_val WHERE tx_id = ?", first) == 0


def test_a_start_may_have_waited_until_after_the_boot(books: Books, station: Station) -> None:
    """Its car was gone by then: another one was plugged in."""
    first = start_after_a_boot(station, "Preparing")
    end = charge(station, OWN, 4000)
    station.stop(OWN, end, tag="FIRST")
    assert [one[1:] for one in others(books, first)] == [(6_600, True)]
    assert books.value("SELECT count(*) FROM meter_val WHERE tx_id = ?", first) == 0


def test_available_after_a_boot_ends_nothing_whose_start_waited(
    books: Books, station: Station
) -> None:
    """Some chargers report it for each connector after each boot."""
    first = start_after_a_boot(station, "Available")
    end = charge(station, None, 1000)
    station.stop(-1, end, tag="FIRST")
    assert_figure(station, first, 7200)
    assert others(books, first) == []


def start_after_a_boot(station: Station, status: str) -> int:
    """Boot, send a start of an hour ago, and a status before the car charges."""
    began = station.clock()
    station.books.wait(HOUR)
    station.boot()
    station.books.wait(0.3)
    transaction = station.start(1000, tag="FIRST", at=began)
    station.books.wait(0.3)
    station.status(status)
    station.books.wait(0.1)
    station.status("Charging")
    return transaction


def test_a_stop_of_another_name_after_a_boot_and_an_idle_connector_waits(
    books: Books, station: Station
) -> None:
    first = station.start(1000, tag="FIRST")
    boot_and_plug_in(station)
    books.wait(HOUR)
    station.stop(OWN, 9000, tag="FIRST")
    assert_open(station, first)
    assert books.count("set_aside") == 1


@pytest.mark.parametrize("name", [None, -1, OWN, "its own"])
def test_an_idle_connector_after_a_boot_ends_nothing_that_goes_on(
    books: Books, station: Station, name: int | str | None
) -> None:
    """Some chargers report so before they resume: the names of the readings are the same as before,
    or none."""
    first = station.start(1000, tag="FIRST")
    told = first if name == "its own" else name
    wh = charge(station, told, 1000)  # type: ignore[arg-type]
    boot_and_plug_in(station)
    wh = charge(station, told, wh)  # type: ignore[arg-type]
    station.stop(-1 if told is None else told, wh, tag="FIRST")  # type: ignore[arg-type]
    assert_figure(station, first, 14_400)
    assert others(books, first) == []


@pytest.mark.parametrize(("name", "is_flagged"), [(None, True), (OWN, True), ("its own", False)])
def test_readings_after_a_boot_that_do_not_name_it_leave_a_doubt(
    books: Books, station: Station, name: int | str | None, is_flagged: bool
) -> None:
    """They may belong to one whose start and stop were lost, although the next start agrees with
    them."""
    first = station.start(1000, tag="FIRST")
    station.boot()
    wh = charge(station, first if name == "its own" else name, 1000)  # type: ignore[arg-type]
    close_silent(station)
    books.wait(QUARTER)
    station.start(wh, tag="THIRD")
    settle(books)
    assert_figure(station, first, 7200, is_flagged)


def test_readings_that_never_name_it_need_a_boot_for_a_doubt(
    books: Books, station: Station
) -> None:
    first = station.start(1000)
    wh = charge(station, None, 1000)
    close_silent(station)
    books.wait(QUARTER)
    station.start(wh)
    settle(books)
    assert_figure(station, first, 7200, flagged=False)


def test_one_name_before_and_after_a_boot_leaves_no_doubt(books: Books, station: Station) -> None:
    first = station.start(1000)
    wh = charge(station, OWN, 1000)
    station.boot()
    wh = charge(station, OWN, wh)
    close_silent(station)
    books.wait(QUARTER)
    station.start(wh)
    settle(books)
    assert_figure(station, first, 14_400, flagged=False)


@pytest.mark.parametrize(("minutes", "is_flagged"), [(QUARTER, True), (0.5, False)])
def test_an_id_that_goes_on_after_its_connector_was_available(
    books: Books, station: Station, minutes: float, is_flagged: bool
) -> None:
    """The next car's start was lost, and its charger goes on with the id of the one before; or a
    plug lost contact."""
    transaction = station.start(1000)
    station.status("Charging")
    wh = charge(station, transaction, 1000)
    station.status("Available")
    books.wait(minutes)
    station.status("Charging")
    wh = charge(station, transaction, wh)
    station.stop(transaction, wh)
    assert_figure(station, transaction, 14_400, is_flagged)


def test_two_lost_starts_are_two(books: Books, station: Station) -> None:
    """Without a reading of another transaction between them; the second one's stop comes first."""
    one = charge(station, OWN, 1000)
    stopped = station.clock()
    books.wait(QUARTER)
    two = charge(station, OWN - 1, one)
    station.stop(OWN - 1, two, tag="SECOND")
    station.stop(OWN, one, at=stopped, tag="FIRST")
    found = books.rows("SELECT id_tag, energy_delivered FROM tx ORDER BY own_start_time")
    assert found == [("FIRST", 6_600), ("SECOND", 6_600)]


@pytest.mark.parametrize("is_before", [False, True])
def test_a_stop_that_waits_for_the_reading_that_shows_its_energy(
    books: Books, station: Station, is_before: bool
) -> None:
    """An offline charger sends its messages in any order. The stop's register is older than the
    last reading."""
    books.wait(QUARTER)
    began = books.now
    station.tell(station.register(2000), transaction=OWN)
    books.wait(QUARTER)
    last = station.register(4000)
    stop = partial(station.stop, OWN, 2000, at=station.clock(), tag="FIRST")
    if not is_before:
        stop()
    books.wait(QUARTER)
    station.tell(last, transaction=OWN)
    if is_before:
        stop()
    (made,) = others(books)
    assert made[1:] == (2000, True)
    assert books.row("SELECT id_tag, told_id FROM tx") == ("FIRST", OWN)
    assert_time(books, made[0], "start_time", began)
    resolved = books.rows("SELECT looked_by, resolution, tx_id FROM set_aside")
    assert resolved == ([] if is_before else [("system", "made", made[0])])
    station.tell(station.register(6000), transaction=OWN - 1)
    stop()
    assert books.count("tx") == 1


@pytest.mark.parametrize(
    ("name", "other_name", "stopped"),
    [(OWN, OWN - 1, 2000), (-1, -1, 2000), (OWN, OWN, "2,0")],
    ids=["another name", "no name", "unreadable"],
)
def test_a_stop_waits_on_for_readings_of_its_own_name(
    books: Books, station: Station, name: int, other_name: int, stopped: int | str
) -> None:
    station.stop(name, stopped)
    station.tell(station.register(2000, minutes_ago=30), transaction=other_name)
    station.tell(station.register(4000, minutes_ago=10), transaction=other_name)
    assert books.count("tx") == 0
    assert books.value("SELECT looked_at FROM set_aside") is None


def test_a_lost_start_without_energy_stops_no_other(books: Books, station: Station) -> None:
    first, wh = start_named(station, 1000)
    charge(station, OWN, wh, power=0)
    station.stop(OWN, wh, tag="FIRST")
    assert_open(station, first)
    assert books.count("set_aside") == 1


@pytest.mark.parametrize("placeholder", [None, 0, -1])
def test_no_name_tells_nothing_apart(station: Station, placeholder: int | None) -> None:
    """Many chargers send 0 or -1 for every transaction, and some for one that began while they were
    offline."""
    transaction, wh = start_named(station, 1000)
    wh = charge(station, placeholder, wh)
    station.stop(transaction, wh)
    assert_figure(station, transaction, 14_400, flagged=False)


def test_a_charger_that_never_learned_the_id_has_one_name_for_it(
    books: Books, station: Station
) -> None:
    """The answer to its start was lost."""
    transaction = station.start(1000)
    wh = charge(station, OWN, 1000)
    station.stop(OWN, wh)
    assert_figure(station, transaction, 7_200)
    assert others(books, transaction) == []


def test_an_id_of_another_connector_is_no_name(station: Station) -> None:
    """The id is a mistake, not another transaction."""
    here, there = station.start(1000, connector=1), station.start(9000, connector=2)
    wh = charge(station, here, 1000)
    wh = charge(station, there, wh)
    station.stop(here, wh)
    assert_figure(station, here, 14_400, flagged=False)


def test_what_came_before_a_late_start_has_one_name(books: Books, station: Station) -> None:
    """Of two lost starts and one that only comes late, only the readings of the first name are its
    own."""
    begun = station.clock()
    wh = charge(station, OWN, 1000)
    end = charge(station, OWN - 1, wh)
    transaction = station.start(1000, at=begun)
    station.stop(OWN - 1, end, tag="SECOND")
    close_silent(station)
    assert_doubtful(station, transaction, 7_200, 7_200)
    assert [one[1:] for one in others(books, transaction)] == [(6_600, True)]


def test_a_reading_without_its_own_time_is_put_into_no_late_start(
    books: Books, station: Station
) -> None:
    """Its time is that of its receipt, when it had long been told: it is of the transaction
    before."""
    began = station.clock()
    books.wait(QUARTER)
    station.tell(
        {"timestamp": "1970-01-01T00:10:00Z", "sampledValue": [{"value": "900"}]}, transaction=OWN
    )
    transaction = station.start(1000, at=began)
    assert session(station, 8200) == 15_400
    assert (
        books.value("SELECT count(*) FROM meter_val WHERE wh = 900 AND tx_id = ?", transaction) == 0
    )


# A stop with its own id, which seems impossible there


def test_a_start_without_a_clock_began_at_any_time_before_it_was_received(
    books: Books, station: Station
) -> None:
    """It waited for a connection, and the clock was set before the stop: that is earlier than the
    start's receipt."""
    before = station.start(1000, at=station.clock(HOUR))
    station.tell(station.register(2000, minutes_ago=50), transaction=before)
    transaction = station.start(2000, at="1970-01-01T00:11:09Z")
    for told in ("1970-01-01T00:26:09Z", "1970-01-01T00:41:09Z"):
        books.wait(QUARTER)
        station.tell(meter_value(told, 4750, watts(11_000)), transaction=transaction)
    station.tell(meter_value(station.clock(40), 7500, watts(11_000)), transaction=transaction)
    station.stop(transaction, 7600, at=station.clock(35))
    assert books.value("SELECT meter_stop FROM tx WHERE id = ?", transaction) == 7600
    assert "stop_elsewhere" not in [code for (code,) in books.rows("SELECT code FROM review")]
    assert_open(station, before)


def test_connectors_of_one_meter_are_told_apart_by_their_ids_only(
    books: Books, station: Station
) -> None:
    """The other began a moment ago, while this one's car was full: their register rises, and this
    one's stop is far above its last reading."""
    transaction = station.start(1000, connector=2)
    wh = charge(station, transaction, 1000, connector=2)
    wh = charge(station, transaction, wh, power=0, connector=2)
    other = station.start(wh, connector=1)
    books.wait(QUARTER)
    wh += 20_000
    station.tell(meter_value(station.clock(), wh, watts(0)), transaction=transaction, connector=2)
    books.wait(4)
    station.stop(transaction, wh + 9_000)
    assert books.value("SELECT meter_stop FROM tx WHERE id = ?", transaction) == wh + 9_000
    assert_open(station, other)


def test_what_lost_its_stop_ended_when_the_next_one_began_whose_start_was_lost(
    books: Books, station: Station
) -> None:
    first, wh = start_named(station, 100_000)
    books.wait(2 * HOUR)
    began = books.now + timedelta(minutes=5)
    station.stop(OWN, charge(station, OWN, wh), tag="SECOND")
    books.wait(9 * HOUR)
    close_silent(station)
    assert_time(books, first, "stop_time", began)
    assert_figure(station, first, wh - 100_000)


@pytest.mark.parametrize("stray", [-600, 90_000])
def test_single_wrong_readings_do_not_hide_what_flowed_before_them(
    books: Books, station: Station, stray: int
) -> None:
    """Its start was never sent; every fourth reading is wrong."""
    session(station, 6_933_562 - 7200)
    books.wait(QUARTER)
    lies = iter(range(1, 100))
    end = charge(
        station, OWN, 6_933_562, told=lambda wh: wh + 5 * stray // 4 if next(lies) % 4 == 0 else wh
    )
    station.stop(OWN, end, tag="SECOND")
    settle(books)
    ((other, _, _),) = [one for one in others(books, 0) if one[2]]
    assert_doubtful(station, other, 4_350, 7_200)


def test_a_stop_without_a_start_belongs_to_no_time_before_the_last_stop(
    books: Books, station: Station
) -> None:
    """The register was told between transactions only. What rose before that stop was billed
    already."""
    wh, known = 1000, list[int]()
    for tag in ("FIRST", "SECOND"):
        station.tell(meter_value(station.clock(), wh))
        books.wait(QUARTER)
        known.append(station.start(wh, tag=tag))
        books.wait(HOUR)
        station.stop(known[-1], wh := wh + 3600)
        books.wait(QUARTER)
    station.tell(meter_value(station.clock(), wh))
    books.wait(HOUR)
    station.stop(OWN, wh + 7200, tag="THIRD")
    settle(books)
    assert [(one[1], one[2]) for one in others(books, *known)] == [(7200, True)]
    for transaction in known:
        assert_figure(station, transaction, 3600, flagged=False)


def test_what_follows_a_stop_belongs_to_no_older_transaction_that_is_still_open(
    books: Books, station: Station
) -> None:
    """The stop repeats an old register; the reading taken with it arrives after it."""
    first, wh = start_named(station, 1000)
    books.wait(QUARTER)
    end = charge(station, OWN, wh)
    books.wait(QUARTER)
    station.stop(OWN, end, tag="SECOND")
    taken = meter_value(station.clock(), end + WATTS // 4, watts(WATTS))
    books.wait(0.1)
    station.tell(taken, transaction=OWN)
    settle(books)
    assert_open(station, first)
    (other,) = others(books, first)
    assert other == (other[0], 6_600 + WATTS // 4, True)
