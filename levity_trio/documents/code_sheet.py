"""The codes that are fixed at chargers: a sheet of labels, one for each connector, to be printed and cut.

A code only names a place; what may be done there, the page that it leads to asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WORDS: Final = "Scan to charge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A label: the names of its site and of its charger, which connector ("" where there is one only), and its URL."""

    site: str
    charger: str
    connector: str
    url: str


@dataclass(frozen=True, slots=True)
class CodeSheet:
    """Labels in the order in which they are printed."""

    labels: tuple[Label, ...]
