"""Values of readings that are no numbers, or of an impossible size: they show nothing, and cost nothing else."""

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.telling import HOUR, assert_figure, settle, watts

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores


@pytest.mark.parametrize("value", ["undefined", "Error", "1e99999999", "0e99999999", "NaN", "", "1e"])
@pytest.mark.parametrize("measurand", ["Power.Active.Import", "Energy.Active.Import.Register"])
def test_a_garbled_reading_costs_no_transaction(books: Books, station: Station, value: str, measurand: str) -> None:
    transaction = station.start(1000)
    books.wait(HOUR // 2)
    garbled = {"value": value, "measurand": measurand}
    station.tell({"timestamp": station.clock(), "sampledValue": [garbled]}, transaction=transaction)
    station.tell(meter_value(station.clock(), 2000, watts(2000)), transaction=transaction)
    books.wait(HOUR // 2)
    station.stop(transaction, 3000)
    settle(books)
    assert_figure(station, transaction, 2000)
