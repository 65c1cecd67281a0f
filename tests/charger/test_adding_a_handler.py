"""The instructions for adding a handler, followed literally."""

import inspect
import re

import pytest

from levity_trio.charger import session
from levity_trio.charger.central import Central
from levity_trio.charger.handlers import HANDLERS, station
from levity_trio.events import DataTransferred
from levity_trio.manual import FOLDER
from tests.charger.parts import InlineWriter
from tests.charger.peers import open_charger

PAGE = (FOLDER.parents[1] / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")


def printed() -> str:
    match = re.search(r"```python\n(async def data_transfer.*?)```", PAGE, re.DOTALL)
    assert match is not None
    return match[1]


def test_it_changes_the_code_as_it_is() -> None:
    """The printed function differs from the present one only where it says so."""
    left_out = set(inspect.getsource(station.data_transfer).splitlines()) - set(
        printed().splitlines()
    )
    assert [line.split()[0] for line in sorted(left_out)] == ['"""§4.3:', "return"]


async def test_a_handler_as_printed(
    central: Central, writer: InlineWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = dict(vars(station))
    exec(printed(), names)  # noqa: S102 - it is our own manual
    monkeypatch.setattr(session, "HANDLERS", {**HANDLERS, "DataTransfer": names["data_transfer"]})
    async with open_charger(central) as charger:
        assert await charger.call("DataTransfer", {"vendorId": "org.example"}) == {
            "status": "Accepted"
        }
        assert await charger.call("DataTransfer", {"vendorId": "com.stranger"}) == {
            "status": "UnknownVendorId"
        }
    assert [fact.vendor_id for fact in writer.recorded(DataTransferred)] == [
        "org.example",
        "com.stranger",
    ]
