"""Values of readings that are no numbers, or of an impossible size: they show nothing, and cost
nothing else."""

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.telling import HOUR, assert_figure, charge, settle, watts

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores


@pytest.mark.parametrize(
    "value", ["undefined", "Error", "1e99999999", "0e99999999", "NaN", "", "1e"]
)
@pytest.mark.parametrize("measurand", ["Power.Active.Import", "Energy.Active.Import.Register"])
def test_a_garbled_reading_costs_no_transaction(
    books: Books, station: Station, value: str, measurand: str
) -> None:
    transaction = station.start(1000)
    books.wait(HOUR // 2)
    garbled = {"value": value, "measurand": measurand}
    station.tell({"timestamp": station.clock(), "sampledValue": [garbled]}, transaction=transaction)
    station.tell(meter_value(station.clock(), 2000, watts(2000)), transaction=transaction)
    books.wait(HOUR // 2)
    station.stop(transaction, 3000)
    settle(books)
    assert_figure(station, transaction, 2000)


def test_a_charger_with_decimal_commas_is_billed_by_all_its_registers(
    books: Books, station: Station
) -> None:
    """Nothing is in doubt: a comma tells the same as a point."""
    transaction = station.start("1000,0")
    charge(station, transaction, 1000, told=lambda wh: f"{wh},0", tells_power=False)
    station.stop(transaction, "8200,0")
    assert station.bill(transaction) == (7200, "register", "certain")
    assert books.value("SELECT count(*) FROM meter_val WHERE wh IS NULL") == 0
