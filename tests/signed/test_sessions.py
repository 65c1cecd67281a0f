"""What the records of a session prove by the published format: which readings, pages, units,
registers and times do, and which do not."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from levity_trio.charging.tolerances import SIGNED_WH
from levity_trio.signed.checking import KnownKey, SignedFinding, SignedState, check
from tests.signed.meters import (
    CURVES,
    END,
    SESSION,
    START,
    Meter,
    Raw,
    begin,
    end,
    found,
    reading,
    tm,
)

PROVEN, DOUBTFUL, UNPROVEN = SignedState


def of_one(begun: dict[str, object], ended: dict[str, object], **fields: object) -> SignedFinding:
    """Check one record with two readings."""
    meter = Meter()
    return found(meter, meter.record(begun, ended, **fields))


@pytest.mark.parametrize("curve", CURVES)
def test_each_curve_of_the_format_is_checked(curve: str) -> None:
    meter = Meter(curve)
    finding = found(meter, meter.record(begin(), end()))
    assert (finding.state, finding.wh, finding.digit_wh) == (PROVEN, 7350, 10)
    assert (finding.first_page, finding.last_page) == (120, 120)
    assert finding.is_timed


def test_two_records_with_a_reading_each() -> None:
    meter = Meter()
    finding = found(meter, meter.record(begin()), meter.record(end()))
    assert (finding.state, finding.wh) == (PROVEN, 7350)
    assert (finding.first_page, finding.last_page) == (120, 121)


def test_readings_between_begin_and_end_change_nothing() -> None:
    between = [reading("C", START + timedelta(minutes=15 * n), 100 + n) for n in range(1, 7)]
    meter = Meter()
    assert found(meter, meter.record(begin(), *between, end())).wh == 7350
    assert found(meter, meter.record(begin(), *between, end())).state is PROVEN


def test_interim_records_with_all_pages_between() -> None:
    meter = Meter()
    interim = [reading("C", START + timedelta(minutes=15 * n), 100 + n) for n in range(1, 7)]
    records = [meter.record(one) for one in (begin(), *interim, end())]
    finding = found(meter, *records)
    assert (finding.state, finding.wh) == (PROVEN, 7350)
    assert (finding.first_page, finding.last_page) == (120, 127)
    assert found(meter, *records[::-1]).state is PROVEN, "in whatever order they came"
    assert found(meter, *records, *records).state is PROVEN, "sent twice"


def test_a_page_that_is_left_out_between() -> None:
    meter = Meter()
    interim = [reading("C", START + timedelta(minutes=15 * n), 100 + n) for n in range(1, 7)]
    records = [meter.record(one) for one in (begin(), *interim, end())]
    for left_out in range(1, len(records) - 1):
        finding = found(meter, *records[:left_out], *records[left_out + 1 :])
        assert finding.state is UNPROVEN, left_out
        assert finding.told


def test_only_a_begin_or_only_an_end() -> None:
    meter = Meter()
    first, last = meter.record(begin()), meter.record(end())
    assert found(meter, first).state is UNPROVEN
    assert found(meter, last).state is UNPROVEN
    assert found(meter).state is UNPROVEN


@pytest.mark.parametrize(
    "page", ["F120", "T", "120", "", "T-1", "T1.5", "X1", 120, None, "T" + "9" * 400]
)
def test_a_page_that_is_none_of_a_transaction(page: object) -> None:
    assert of_one(begin(), end(), PG=page).state is not DOUBTFUL
    meter = Meter()
    pair = meter.record(begin(), PG=page), meter.record(end(), PG=page)
    assert found(meter, *pair).state is UNPROVEN


@pytest.mark.parametrize(("first", "last"), [(120, 120), (121, 120), (120, 122), (120, 9)])
def test_pages_of_two_records_that_do_not_follow_each_other(first: int, last: int) -> None:
    meter = Meter()
    records = meter.record(begin(), PG=f"T{first}"), meter.record(end(), PG=f"T{last}")
    assert found(meter, *records).state is not PROVEN


@pytest.mark.parametrize(
    ("where", "state"),
    [
        *(("begin", state) for state in (*"NTDRMXIOSEFg", "", "GG", None, 1)),
        *(("end", state) for state in (*"NTDRMXIOSEFg", "", "GG", 1)),
    ],
)
def test_a_meter_that_was_not_in_order(where: str, state: object) -> None:
    begun = begin(ST=state) if where == "begin" else begin()
    ended = end(ST=state) if where == "end" else end(ST="G")
    finding = of_one(begun, ended)
    assert finding.state is not PROVEN
    assert finding.wh is None


@pytest.mark.parametrize("flags", ["E", "t", "Et", "tE", "x", 1, ["E"], True])
@pytest.mark.parametrize("where", ["begin", "end"])
def test_errors_that_the_meter_tells(flags: object, where: str) -> None:
    begun = begin(EF=flags) if where == "begin" else begin()
    ended = end(EF=flags) if where == "end" else end(EF="")
    assert of_one(begun, ended).state is not PROVEN
    meter = Meter()
    assert found(meter, meter.record(begun), meter.record(ended)).state is not PROVEN


def test_what_is_a_doubt_and_what_only_proves_nothing() -> None:
    """A meter that says that its energy is wrong contradicts the figure; one that says nothing, or
    that only its time is wrong, does not."""
    assert of_one(begin(EF="E"), end(EF="")).state is DOUBTFUL
    assert of_one(begin(), end(ST="M")).state is DOUBTFUL
    assert of_one(begin(), end(TX="X")).state is UNPROVEN
    assert of_one(begin(EF="t"), end(EF="t")).state is UNPROVEN
    assert of_one(begin(ST=None), end(ST=None)).state is UNPROVEN


def test_errors_that_are_told_between() -> None:
    """After an exception, energy is no longer usable (table 7, X)."""
    meter = Meter()
    for broken in ({"TX": "X"}, {"EF": "E"}, {"ST": "F"}):
        between = {**reading("C", START + timedelta(hours=1), 103), **broken}
        ended = end(EF="", ST="G")
        assert found(meter, meter.record(begin(), between, ended)).state is not PROVEN, broken
        records = [meter.record(one) for one in (begin(), between, ended)]
        assert found(meter, *records).state is not PROVEN, broken


@pytest.mark.parametrize("why", ["E", "L", "R", "A", "P"])
def test_each_way_to_end_is_an_end(why: str) -> None:
    assert of_one(begin(), end(TX=why)).state is PROVEN


@pytest.mark.parametrize("why", ["X", "C", "S", "T", "B", "", "Z", "e"])
def test_what_is_no_end_is_none(why: str) -> None:
    assert of_one(begin(), end(TX=why)).state is not PROVEN


def test_a_begin_that_follows_an_end_is_none_of_the_same_session() -> None:
    meter = Meter()
    finding = found(meter, meter.record(reading("E", START, 100), reading("B", END, Raw("107.35"))))
    assert finding.state is not PROVEN


def test_records_of_two_meters() -> None:
    meter = Meter()
    other = meter.record(end(), MS="1TST0000000002")
    assert found(meter, meter.record(begin(), PG="T119"), other).state is not PROVEN


def test_records_of_two_gateways() -> None:
    meter = Meter()
    first = meter.record(begin(), MS=None, GS="G-1")
    assert found(meter, first, meter.record(end(), MS=None, GS="G-2")).state is not PROVEN


@pytest.mark.parametrize("fields", [{"ID": "01020304"}, {"IT": "EMAID"}])
def test_records_that_speak_of_two_cards(fields: dict[str, object]) -> None:
    meter = Meter()
    assert found(meter, meter.record(begin()), meter.record(end(), **fields)).state is not PROVEN


def test_records_of_one_session_signed_with_two_keys() -> None:
    meter, other = Meter(), Meter(page=121)
    assert found(meter, meter.record(begin()), other.record(end())).state is not PROVEN


@pytest.mark.parametrize(
    "register",
    [
        *("1-b:1.8.0", "1-b:1.8.e", "1-0:1.8.0*198", "1-0:1.8.0*255", "01-00:01.08.00.FF"),
        *("01-00:01.08.00*FF", "01-0B:01.08.00*FF", "1-0:98.8.0.FF", "01-00:98.08.00.FF", "1-b"),
        *("01-00:B0.08.00*FF", "01-00:B1.08.00*FF", "01-00:B2.08.00*FF", "01-00:B3.08.00*FF"),
    ],
)
def test_registers_of_energy_that_a_car_takes(register: str) -> None:
    assert of_one(begin(RI=register), end(RI=register)).state is PROVEN


@pytest.mark.parametrize(
    "register",
    [
        *("1-b:2.8.0", "1-0:2.8.0", "1-0:2.8.0*255", "01-00:02.08.00.FF", "1-0:2.8.0.FF", "2.8.0"),
        *("01-00:C0.08.00*FF", "01-00:C1.08.00*FF", "01-00:C2.08.00*FF", "01-00:C3.08.00*FF"),
        *("01-00:c1.08.00*ff", "01-0B:C3.08.00*FF"),
    ],
)
def test_energy_that_a_car_gives_never_counts(register: str) -> None:
    finding = of_one(begin(RI=register), end(RI=register))
    assert finding.state is UNPROVEN
    assert finding.wh is None


def test_readings_of_two_registers_are_no_difference() -> None:
    finding = of_one(begin(RI="01-00:B0.08.00*FF"), end(RI="01-00:B1.08.00*FF"))
    assert finding.state is not PROVEN


def test_a_pair_of_each_register_as_in_the_example_of_the_format() -> None:
    """Figure 1: the mains register rises by more than that at the device. Each proves its own."""
    meter = Meter()
    device, session = {"RI": "01-00:B1.08.00*FF"}, {"RI": "01-00:B3.08.00*FF"}
    record = meter.record(
        *(begin(Raw("2935.600")), end(Raw("2965.100"), CL=0.5)),
        *(begin(Raw("2905.600"), **device), end(Raw("2934.600"), **device)),
        *(begin(Raw("0.000"), **session), end(Raw("29.000"), **session)),
    )
    for wh in (29500, 29000):
        finding = found(meter, record, session=SESSION._replace(wh=wh))
        assert (finding.state, finding.wh) == (PROVEN, wh)
    assert found(meter, record, session=SESSION._replace(wh=28500)).state is DOUBTFUL


def test_export_beside_import_counts_nothing() -> None:
    meter = Meter()
    given = {"RI": "1-0:2.8.0"}
    record = meter.record(begin(), begin(4, **given), end(RI="01-00:01.08.00*FF"), end(9, **given))
    assert found(meter, record).state is PROVEN
    assert found(meter, record, session=SESSION._replace(wh=5000)).state is DOUBTFUL


def test_what_is_no_energy_counts_nothing() -> None:
    seconds = {"RI": "01-00:00.08.06.FF", "RU": "sec"}
    meter = Meter()
    assert found(meter, meter.record(begin(0, **seconds), end(7350, **seconds))).state is UNPROVEN
    finding = found(meter, meter.record(begin(), end(), end(7200, **seconds)))
    assert finding.state is PROVEN


@pytest.mark.parametrize("unit", ["mOhm", "uOhm", "sec", "kwh", "KWH", "MWh", "", None, 1])
def test_a_unit_that_is_none_of_energy(unit: object) -> None:
    assert of_one(begin(RU=unit), end(RU=unit)).state is UNPROVEN


@pytest.mark.parametrize(
    ("unit", "first", "last", "wh", "digit"),
    [
        ("kWh", "100", "107", 7000, 1000),
        ("kWh", "100.0", "107.3", 7300, 100),
        ("kWh", "100.00", "107.35", 7350, 10),
        ("kWh", "100.000", "107.354", 7354, 1),
        ("kWh", "62500.2031", "62507.5571", 7354, 1),
        ("kWh", "3.51824", "10.87224", 7354, 1),
        ("Wh", "2851485", "2858839", 7354, 1),
        ("Wh", "2851485.12", "2858839.12", 7354, 1),
    ],
)
def test_a_figure_is_proven_to_the_last_digit(
    unit: str, first: str, last: str, wh: int, digit: int
) -> None:
    for quoted in (False, True):
        made = str if quoted else Raw
        rv = [made(first), made(last)]
        meter = Meter()
        record = meter.record(begin(rv[0], RU=unit), end(rv[1], RU=unit))
        finding = found(meter, record, session=SESSION._replace(wh=wh))
        assert (finding.state, finding.wh) == (PROVEN, wh), (quoted, finding.told)
        assert finding.digit_wh == digit, quoted
        for off, state in (
            # What is within the last digit may be another figure.
            (digit, UNPROVEN if digit > 1 else PROVEN),
            (-digit, UNPROVEN if digit > 1 else PROVEN),
            (digit + 1, UNPROVEN if digit < SIGNED_WH else DOUBTFUL),
            (-max(digit, SIGNED_WH) - 1, DOUBTFUL),
        ):
            other = found(meter, record, session=SESSION._replace(wh=wh + off))
            assert other.state is state, (quoted, off)
            assert other.wh == wh


def test_a_figure_in_whole_wh_of_a_meter_that_is_finer() -> None:
    """A charger rounds or cuts off each of its two registers. That is no lie."""
    for first, last in (
        ("259.6", "359.4"),
        ("259.4", "359.6"),
        ("0.999", "99.001"),
        ("0.5", "100.5"),
    ):
        difference = Decimal(last) - Decimal(first)
        meter = Meter()
        record = meter.record(begin(Raw(first), RU="Wh"), end(Raw(last), RU="Wh"))
        for rounded in (round, int):
            wh = rounded(float(last)) - rounded(float(first))
            finding = found(meter, record, session=SESSION._replace(wh=wh))
            assert finding.state is PROVEN, (difference, wh)


@pytest.mark.parametrize(
    ("unit", "first", "last"),
    [
        ("kWh", "0", "7.354"),
        ("kWh", "100.1", "107.454"),
        ("Wh", "1.6e7", "1.6007354e7"),
        ("kWh", "100.646", "108"),
    ],
)
def test_zeros_that_a_meter_leaves_out_make_its_last_digit_no_coarser(
    unit: str, first: str, last: str
) -> None:
    meter = Meter()
    record = meter.record(begin(Raw(first), RU=unit), end(Raw(last), RU=unit))
    finding = found(meter, record, session=SESSION._replace(wh=7354))
    assert (finding.state, finding.wh, finding.digit_wh) == (PROVEN, 7354, 1)
    for off, state in ((3, UNPROVEN), (-3, UNPROVEN), (500, DOUBTFUL), (-900, DOUBTFUL)):
        other = found(meter, record, session=SESSION._replace(wh=7354 + off))
        assert other.state is state, off


def test_a_register_that_goes_back_is_never_proven_however_coarse_it_is() -> None:
    finding = of_one(begin(Raw("1e12")), end())
    assert finding.state is not PROVEN


def test_a_value_as_text_with_blanks() -> None:
    finding = of_one(begin("      100.000"), end("      107.350"))
    assert (finding.state, finding.wh, finding.digit_wh) == (PROVEN, 7350, 1)


def test_a_register_that_goes_back_proves_nothing() -> None:
    meter = Meter()
    record = meter.record(begin(Raw("107.35")), end(Raw("100.00")))
    for wh in (7350, 0):
        assert found(meter, record, session=SESSION._replace(wh=wh)).state is not PROVEN


def test_a_session_without_energy_may_be_proven() -> None:
    meter = Meter()
    record = meter.record(begin(Raw("1234.56")), end(Raw("1234.56")))
    finding = found(meter, record, session=SESSION._replace(wh=0))
    assert (finding.state, finding.wh) == (PROVEN, 0)


def test_fields_that_are_left_out_are_as_in_the_reading_before() -> None:
    left_out: dict[str, Any] = {"RI": None, "RU": None, "RT": None, "EF": None, "ST": None}
    assert of_one(begin(), end(**left_out)).state is PROVEN
    assert of_one(begin(), end(**left_out, TM=None)).state is not DOUBTFUL
    assert of_one(begin(EF="E"), end(**left_out)).state is not PROVEN, "errors are inherited, too"
    assert of_one(begin(ST="T"), end(**left_out)).state is not PROVEN
    assert of_one(begin(), end(EF=None)).state is PROVEN
    meter = Meter()
    first, last = meter.record(begin()), meter.record(end(**left_out))
    assert found(meter, first, last).state is not PROVEN, "not from one record to the next"


def test_readings_without_a_value_between() -> None:
    """RV, RI, RU may be left out where only an error is told; a tariff's change has no error."""
    change = {"TM": tm(START + timedelta(hours=1)), "TX": "T", "ST": "G"}
    assert of_one(begin(), end()).state is PROVEN
    meter = Meter()
    assert found(meter, meter.record(begin(), change, end())).state is PROVEN


@pytest.mark.parametrize(
    ("clock", "is_timed"), [("S", True), ("R", True), ("U", False), ("I", False)]
)
def test_only_some_clocks_prove_a_time(clock: str, is_timed: bool) -> None:
    finding = of_one(begin(TM=tm(START, clock)), end(TM=tm(END, clock)))
    assert (finding.state, finding.is_timed) == (PROVEN, is_timed)
    assert of_one(begin(TM=tm(START, clock)), end(TM=tm(END, "U"))).is_timed is False
    assert of_one(begin(TM=tm(START, "U")), end(TM=tm(END, clock))).is_timed is False


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2026-03-01T13:00:00,000", "2026-03-01T15:00:00,000"),
        ("2026-03-01T13:00:00,000+0100", "2026-03-01T15:00:00,000+0100"),
        ("2026-03-01T13:00:00 S", "2026-03-01T15:00:00 S"),
        ("1970-01-01T00:00:07,000+0000 U", "1970-01-01T02:00:07,000+0000 U"),
        ("2026-02-30T13:00:00,000+0100 S", "2026-02-30T15:00:00,000+0100 S"),
        ("", ""),
        ("S", "S"),
    ],
)
def test_times_that_say_nothing_prove_no_time_and_no_lie(first: str, last: str) -> None:
    finding = of_one(begin(TM=first), end(TM=last))
    assert finding.state is not DOUBTFUL
    assert not finding.is_timed


@pytest.mark.parametrize("zone", ["+0100", "+01:00", "+00:00", "+0000", "Z", "-0500", "+0545"])
def test_a_time_may_be_of_any_zone(zone: str) -> None:
    at = {"Z": "+0000"}.get(zone, zone)
    offset = datetime.strptime(at, "%z").tzinfo
    first, last = (
        f"{one.astimezone(offset):%Y-%m-%dT%H:%M:%S},000{zone} S" for one in (START, END)
    )
    finding = of_one(begin(TM=first), end(TM=last))
    assert (finding.state, finding.is_timed) == (PROVEN, True)


@pytest.mark.parametrize("days", [-365, -30, -1, 1, 2, 400])
@pytest.mark.parametrize("clock", ["S", "R"])
def test_records_of_another_day_do_not_prove_a_session(days: int, clock: str) -> None:
    """The meter's clock is good, so these are records of another session with the same energy."""
    off = timedelta(days=days)
    finding = of_one(begin(TM=tm(START + off, clock)), end(TM=tm(END + off, clock)))
    assert finding.state is not PROVEN
    assert not finding.is_timed


def test_records_that_begin_or_end_at_another_time() -> None:
    hours = timedelta(hours=5)
    assert not of_one(begin(TM=tm(START - hours)), end()).is_timed
    assert not of_one(begin(), end(TM=tm(END + hours))).is_timed


def test_records_of_the_session_before_beside_its_own() -> None:
    """A charger that sends its last record again, or too late, is honest."""
    meter = Meter()
    day = timedelta(days=1)
    earlier = meter.record(
        reading("B", START - day, Raw("90.00")), reading("E", END - day, Raw("100.00"))
    )
    own = meter.record(begin(), end())
    finding = found(meter, earlier, own)
    assert finding.state is not DOUBTFUL
    assert found(meter, own).state is PROVEN


def test_the_key_is_told_by_the_charger() -> None:
    meter = Meter()
    finding = found(meter, meter.record(begin(), end()), is_owners=False)
    assert (finding.state, finding.is_owners) == (PROVEN, False)


def test_secp192k1_is_neither_valid_nor_invalid() -> None:
    meter = Meter()
    payload = meter.payload(begin(), end())
    record = meter.signed(payload, SA="ECDSA-secp192k1-SHA256")
    finding = found(meter, record)
    assert finding.state is UNPROVEN
    assert "secp192k1" in finding.told


@pytest.mark.parametrize(
    "algorithm",
    ["ECDSA-secp521r1-SHA512", "RSA-2048-SHA256", "ECDSA-secp256r1-SHA1", "", "x", 5, "ED25519"],
)
def test_algorithms_that_the_format_does_not_name(algorithm: object) -> None:
    meter = Meter()
    finding = found(meter, meter.signed(meter.payload(begin(), end()), SA=algorithm))
    assert finding.state is UNPROVEN or algorithm == ""


def test_the_curve_of_the_record_is_another_than_that_of_the_key() -> None:
    meter = Meter("secp256k1")
    finding = found(meter, meter.signed(meter.payload(begin(), end()), SA="ECDSA-secp256r1-SHA256"))
    assert finding.state is not PROVEN


def test_records_of_one_session_signed_with_two_known_keys() -> None:
    meter, other = Meter(), Meter(page=121)
    records = [meter.record(begin()), other.record(end())]
    finding = check(records, [KnownKey(meter.key, True), KnownKey(other.key, True)], SESSION)
    assert finding.state is not PROVEN
