"""`just honest`: the houses of an independent generator, of which nothing is for review. Here is a
small one; the command has the full size."""

from __future__ import annotations

from random import Random

import pytest

from tests.store.books import Books
from tests.tools.honest import HEAD, Teller, counted, found_in, main
from tests.tools.honest_houses import VOLTS, House, built, flow

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores

SMALL = House(seed=35, nights=3, feeder=16, chargers=3)


def test_nothing_of_an_honest_house_is_asked_about() -> None:
    found = found_in(SMALL)
    assert found.stories == []
    assert found.counts["sessions"] > SMALL.nights
    assert found.counts[" late"] > 0


def test_what_is_a_lie_is_counted(books: Books) -> None:
    """The register of a charger leaps with each change of the pace."""
    teller = Teller(books, SMALL)
    register = teller.courses[0].wh
    register[:] = [wh + 100_000 * turn for turn, wh in enumerate(register)]
    teller.tell_all()
    found = counted(teller)
    assert found.counts["flagged"] > 0
    assert found.causes.total() + found.counts["wrong"] <= len(found.stories)


@pytest.mark.parametrize("feeder", [16, 25, 32])
def test_cars_share_a_feeder(feeder: int) -> None:
    house = House(seed=1, nights=5, feeder=feeder)
    chargers, stays = built(house, Random(1))
    courses = flow(house, chargers, stays)
    turns = {at for course in courses for at in course.at[1:]}
    drawn_a = [
        sum(
            courses[stay.charger].pace(at) / VOLTS / stay.phases
            for stay in stays
            if stay.come <= at < stay.leave
        )
        for at in turns
    ]
    assert 0.9 * feeder < max(drawn_a) <= feeder


def test_the_command_prints_each_house(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--houses", "1", "--nights", "1"])
    head, house, total, *_ = capsys.readouterr().out.splitlines()
    assert head == HEAD
    assert house.split()[2:6] == total.split()[1:5]
