"""Words of programs as people read them: states, who did something, and why a session is whose it
is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from levity_trio.locale import N_, SOURCE, _, language
from levity_trio.locale.texts import in_units, said
from levity_trio.store.lookups.load_spans import PRICE
from levity_trio.store.reads.transactions.bill import Bill
from levity_trio.told import Told, Value
from levity_trio.web.api.engine.serving import LOCAL_ADMIN
from levity_trio.web.dashboard.shapes import UNKNOWN

ROLES: Final = (
    N_("outside"),
    N_("driver"),
    N_("viewer"),
    N_("operator"),
    N_("admin"),
)
BILL_STATES: Final = (
    N_("billed"),
    N_("charged"),
    N_("to be billed"),
    N_("held back"),
    N_("free"),
    N_("nobody's"),
    N_("billed elsewhere"),
    N_("open"),
)
WORDS_OF_API: Final = ROLES + BILL_STATES
"""The roles, and the states of a session's bill: templates translate them, and catalogues find them
here."""
OF_NEWCOMERS: Final = (
    N_("adopted"),
    N_("refused"),
    N_("newcomer"),
    N_("gone"),
    N_("known"),
)
OF_CARDS: Final = (
    N_("Invalid"),
    N_("ConcurrentTx"),
    N_("letter"),
    N_("link"),
    N_("pin"),
)
OF_WALLETS: Final = (
    N_("prepaid"),
    N_("postpaid"),
    N_("statement"),
    N_("payment"),
    N_("top-up"),
    N_("charge"),
    N_("refund"),
    N_("chargeback"),
    N_("correction"),
)
OF_TARIFFS: Final = (
    N_("gross"),
    N_("net"),
    N_("block"),
    N_("end"),
    N_("minimum"),
    N_("maximum"),
    N_("flat"),
    N_("season"),
    N_("blocking"),
    N_("day night"),
    N_("moving"),
    N_("base fee"),
    N_("blocking fee"),
    N_("session fee"),
    N_("Flat 3"),
)
OF_SESSIONS: Final = (
    N_("charger"),
    N_("system"),
    N_("leapt"),
    N_("session"),
    N_("certain"),
    N_("conflict"),
    N_("all of them"),
    N_("counts anew"),
    N_("not known"),
    N_("fell"),
    N_("overlap"),
    N_("certificate"),
    N_("replaced"),
    N_("cancelled"),
)
EXAMPLES: Final = (
    N_("Anna's car"),
    N_("Garage"),
    N_("it has a transaction"),
    N_("A or W."),
)
"""Other words of the API, and its examples: templates translate them."""
OF_PROGRAMS: Final = (
    N_("running"),
    N_("slow"),
    N_("ended"),
    N_("none"),
    N_("not booked"),
)
ORIGINS: Final = (
    N_("default"),
    N_("flag"),
    N_("environment"),
    N_("browser"),
    N_("file"),
)
SETTINGS: Final = (
    N_("API"),
    N_("Access"),
    N_("Backup"),
    N_("Billing"),
    N_("Files"),
    N_("Monitoring"),
    N_("Network"),
    N_("Start and stop"),
    N_("Storage"),
    N_("Transactions"),
)
"""Words of settings, of plug-ins, and of what a program did."""


def after_colon(words: str) -> str:
    """Return the begin of a sentence as it stands after a colon; German begins one there, too."""
    return f"{words[:1].lower()}{words[1:]}" if language() == SOURCE else words


_DRIVER: Final = re.compile(r"driver [0-9]+")
_PROGRAMS: Final = (
    N_("local admin"),
    N_("local socket"),
    N_("system"),
    N_("charger"),
    N_("load management"),
    N_("import"),
    N_("levity"),
    N_("--adopt-existing"),
)
"""What did something instead of a user."""


def person(name: str | None) -> str | None:
    """Return who did something: the name of a user, or what it was instead of one. Facts name no
    driver."""
    if name is not None and _DRIVER.fullmatch(name):
        return _("a driver")
    if isinstance(name, Told):
        return said(name)
    return _(name) if name in _PROGRAMS else name


def owner(name: str) -> str:
    """Return who decided something, for a driver: who is at the server, is the owner for him."""
    return _("The owner") if name == LOCAL_ADMIN else name


def capital(words: str) -> str:
    """Return words with a capital letter at their beginning."""
    return words[:1].upper() + words[1:]


def sentence(words: str) -> str:
    return capital(words).rstrip(".") + "."


# Whose a session is


def grounds(bill: Bill | None, id_tag: str | None) -> Sequence[str]:
    """Return why a session is whose it is, with the name of its household, and its card as the
    charger sent it."""
    if bill is None:
        return ()
    # The API calls a household by its number, and writes cards in lower case.
    names: dict[str, Value] = {}
    if bill.account_name:
        names[f"household {bill.account}"] = bill.account_name
    if id_tag:
        names[f"the card {id_tag}".lower()] = Told("the card {1}", id_tag)
    shown: list[str] = []
    for ground in bill.grounds:
        words = _with_names(ground, names) if isinstance(ground, Told) else ground
        shown.append(said(words))
    return shown


def _with_names(text: Told, names: Mapping[str, Value]) -> Told:
    """Return a text with what people call the things in it."""
    values: list[Value] = []
    for value in text.values:
        if isinstance(value, Told):
            values.append(names.get(value, _with_names(value, names)))
        else:
            values.append(value)
    return Told(text.template, *values, many=text.many)


def measured(value: float | None, unit: str) -> str:
    """Return a value with its unit, energy in kWh and power in kW."""
    if value is None:
        return UNKNOWN
    figure, shown = in_units(value, unit)
    return f"{figure} {shown}".rstrip()


class StateInWords(NamedTuple):
    """A state as a word, of a kind that has a mark and a colour: good, busy, look, broken, away or
    quiet."""

    kind: str
    word: str


_PAUSED: Final = ("SuspendedEV", "SuspendedEVSE")
_NO_STATE: Final = StateInWords("quiet", "–")
STATES: Final[Mapping[str, StateInWords]] = N_(
    {
        "Available": StateInWords("quiet", "Available"),
        "Preparing": StateInWords("busy", "Cable in"),
        "Charging": StateInWords("good", "Charging"),
        "SuspendedEV": StateInWords("busy", "Paused by car"),
        "SuspendedEVSE": StateInWords("busy", "Paused by charger"),
        "Finishing": StateInWords("busy", "Finishing"),
        "Reserved": StateInWords("busy", "Reserved"),
        "Unavailable": StateInWords("away", "Unavailable"),
        "Faulted": StateInWords("broken", "Faulted"),
    }
)
METHODS: Final[Mapping[str, str]] = N_(
    {
        "register": "from the registers at its start and its end",
        "segments": "from its readings, part by part",
        "session readings": "from readings that count from 0",
        "rollover": "from a meter that passed its highest number",
        "scaled": "from readings in another unit",
        "corrected": "as somebody corrected it",
        "imported": "as the earlier system said",
    }
)
"""How the energy of a session was found."""


def state_of(status: str | None, held: str | bool | None = None) -> StateInWords:
    """Return the state that a status means, of a car that is held back or not. One that is none of
    OCPP's is shown as it was sent."""
    # While load management holds a car back, neither the car nor its charger pauses by itself.
    if held and status in _PAUSED:
        by_wish = _("Waits for a lower price")
        return StateInWords("busy", by_wish if held == PRICE else _("Waits for current"))
    if status in (None, "", "Unknown"):
        return _NO_STATE
    if status not in STATES:
        return StateInWords("look", status)
    kind, word = STATES[status]
    return StateInWords(kind, _(word))


def method(name: str | None) -> str:
    """Return how a figure was found."""
    return _(METHODS.get(name or "", name or ""))
