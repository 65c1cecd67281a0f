"""How large the program may be, and how dense and how chopped its code: the numbers of
tests/test_size.py and tests/test_plain.py.

Whoever makes the program larger or smaller writes the new size here, with the reason, so that each
change of size is seen in a diff.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Bound(NamedTuple):
    """So many tokens of a kind there may be, as tests/tools/tokens.py counts them, and why that was
    changed the last time."""

    tokens: int
    reason: str


SIZE: Final[Mapping[str, Bound]] = {
    "Python": Bound(
        1_011_360,
        "Commands are data over the operations of the API. One meter behind two chargers, late"
        " courses, signed figures that count. Three"
        " witnesses at each connector, one budget of writes; sick backends are told later."
        " One sum owed, one figure a month, files of banks and prices that are not guessed, numbers"
        " by the year, supplements, lines that can be computed from the paper. Rooms of one thing"
        " became modules: 18,200 of imports went for it.",
    ),
    "templates": Bound(
        208_422, "What is owed and what papers lack are said; a bill's line fits a finger."
    ),
    "SQL": Bound(39_977, "What an entry has settled, and what was added to papers, are tables."),
}
UNUSED: Final = 300
"""A bound may be so much above the size. Else it would hide later growth."""


class Most(NamedTuple):
    """How dense and how chopped the code of a room may be: tokens a statement in the mean, and what
    one in ten may exceed; helpers that are called once and would fit, in 1,000 statements."""

    tokens: float
    packed: int
    once_called: float


# Such a limit is never raised to make room for dense code. Rooms that were rewritten have limits of
# their own.
OF_PACKAGE: Final = Most(tokens=11.3, packed=22, once_called=12.2)
OF_ROOMS: Final[Mapping[str, Most]] = {
    "billing": Most(tokens=10.5, packed=20, once_called=5),
    "charger": Most(tokens=10.5, packed=20, once_called=5),
    "charging": Most(tokens=11.5, packed=21, once_called=5),
    "documents": Most(tokens=10.5, packed=20, once_called=5),
    "load": Most(tokens=10.5, packed=20, once_called=5),
    "notify": Most(tokens=10.5, packed=20, once_called=5),
}
SEVERAL_MEANINGS: Final = 90
"""So many type names may be defined by several modules."""
