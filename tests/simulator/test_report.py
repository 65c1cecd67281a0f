"""The summary: what it counts, and how it is printed."""

import json
from dataclasses import replace
from io import StringIO

from rich.console import Console

from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.connectors import begin
from levity_trio.simulator.charger.state import ChargerSpec
from levity_trio.simulator.ledger import Entry
from levity_trio.simulator.physics import Vehicle
from levity_trio.simulator.report import MOST_LINES, Account, Report, report, show
from levity_trio.simulator.verification import Fault, Kind, LifecycleRow, Unprovable, Verdict

LOST = Unprovable("start lost", 2, 7)
CLEAN = Verdict(transactions=3, energy_wh=12_345, reviews=1, set_aside=2, unprovable=(LOST,))


def charger(identity: str = "CP-1", energies: tuple[int, ...] = (), **tally: int) -> Charger:
    """Make a charger with ended transactions of these energies."""
    one = Charger(ChargerSpec(id=identity))
    one.ledger.extend(
        Entry(
            charger=identity,
            connector=1,
            id_tag="T",
            began_at="",
            meter_start=0,
            energy_wh=energy_wh,
            ended=1.0,
        )
        for energy_wh in energies
    )
    for name, count in tally.items():
        setattr(one.tally, name, count)
    return one


def told(one: Report, width: int = 80, *, is_verbose: bool = False) -> str:
    console = Console(file=StringIO(), width=width, color_system=None)
    with console.capture() as captured:
        show(console, one, is_verbose=is_verbose)
    return captured.get()


def test_the_accounts_add_up() -> None:
    chargers = [
        charger(
            "A", (100, 20), sent=10, answered=4, refused=3, unanswered=2, unreadable=1, discarded=5
        ),
        charger("B", (1,), sent=1, answered=1),
    ]
    whole = report(chargers)
    assert whole.accounts["A"] == Account(
        sent=10,
        answered=4,
        refused=3,
        unanswered=2,
        unreadable=1,
        discarded=5,
        sessions=2,
        energy_wh=120,
    )
    assert whole.total == Account(
        sent=11,
        answered=5,
        refused=3,
        unanswered=2,
        unreadable=1,
        discarded=5,
        sessions=3,
        energy_wh=121,
    )


def test_nobody_is_nothing() -> None:
    assert report([]).total == Account()


def test_a_session_that_was_cut_off_counts_what_flowed() -> None:
    one = charger(energies=(100,))
    one.power_on(0.0)
    one.plug(1, Vehicle(name="Van", max_ac_w=3_600), 0.0)
    begin(one, one.connectors[1], "T", None, 0.0)
    one.connectors[1].meter.advance(3600)
    account = report([one]).accounts["CP-1"]
    assert (account.sessions, account.energy_wh) == (2, 3_700)


def test_programs_get_plain_data() -> None:
    data = report([charger("A", (100,), sent=1)], CLEAN).as_dict()
    assert json.loads(json.dumps(data)) == {
        "chargers": {"A": data["total"]},
        "total": {
            "sent": 1,
            "answered": 0,
            "refused": 0,
            "unanswered": 0,
            "unreadable": 0,
            "discarded": 0,
            "sessions": 1,
            "energy_wh": 100,
        },
        "verification": {
            "is_clean": True,
            "transactions": 3,
            "energy_wh": 12_345,
            "reviews": 1,
            "set_aside": 2,
            "beyond_wh": 0,
            "unprovable_wh": 7,
            "unprovable": [{"why": "start lost", "transactions": 2, "wh": 7}],
            "fault_kinds": {},
            "faults": [],
            "life_cycle": [],
        },
    }


def test_without_a_database_nothing_is_said_of_one() -> None:
    whole = report([charger()])
    assert "verification" not in whole.as_dict()
    assert "database" not in told(whole)


def test_people_get_a_table_of_80_columns() -> None:
    numbers = dict.fromkeys(("sent", "answered"), 99_999)
    text = told(report([charger(f"SIM-{number:04}", (10**8,), **numbers) for number in range(20)]))
    lines = text.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert "…" not in text
    assert lines[0].split()[:4] == ["charger", "sent", "answered", "refused"]
    assert lines[1].split() == ["SIM-0000", "99999", "99999", "0", "0", "0", "0", "1", "100000.000"]
    assert lines[-1].split()[:4] == ["20", "in", "all", "1999980"]
    assert lines[-1].split()[-1] == "2000000.000"


def test_a_large_fleet_shows_those_in_trouble() -> None:
    chargers = [charger(f"SIM-{number:04}", sent=1) for number in range(5_000)]
    chargers[4_321].tally.discarded = 1
    text = told(report(chargers))
    assert text.count("SIM-") == MOST_LINES
    assert "SIM-4321" in text
    assert "… and 4950 more chargers" in text
    assert "5000 in all" in text


def test_a_database_that_agrees_is_one_line() -> None:
    (line,) = [
        line
        for line in told(report([charger()], CLEAN), width=200).splitlines()
        if "database" in line
    ]
    assert line.startswith(
        "The database agrees: 3 transactions, 12.345 kWh (1 for review, 2 messages set aside, 7 Wh"
    )


def test_what_two_cars_on_one_meter_have_beyond_what_flowed_is_told() -> None:
    text = told(report([charger()], replace(CLEAN, beyond_wh=8_774)), width=200)
    assert "cannot be proved, 8.774 kWh more than flowed, where two cars share a meter)" in text


def test_a_database_that_does_not_is_told_line_by_line() -> None:
    faults = tuple(
        Fault(Kind.SILENT, "SIM-001", f"SIM-001: transaction {number}: [expected] 1 Wh, found 2 Wh")
        for number in range(MOST_LINES + 2)
    )
    verdict = Verdict(transactions=1, energy_wh=1, faults=faults)
    lines = told(report([charger()], verdict), width=40).splitlines()
    assert lines[-1].startswith("The database does not agree. It has 1 transactions, 0.001 kWh")
    # in full, and not parsed as markup
    assert f"  [energy silently wrong] {faults[0].line}" in lines
    assert not any(faults[MOST_LINES].line in line for line in lines)
    assert "  … and 2 more; --json lists all" in lines
    assert ["energy", "silently", "wrong", str(MOST_LINES + 2)] in [line.split() for line in lines]


def test_what_nobody_could_prove_is_told_by_class() -> None:
    lines = told(report([charger()], CLEAN)).splitlines()
    assert ["start", "lost", "2", "0.007"] in [line.split() for line in lines]


def test_the_rows_of_the_life_cycle_are_told_taken_or_not() -> None:
    life = (
        LifecycleRow("open", "boot", "suspend", 3),
        LifecycleRow("suspended", "silence", "close", 0),
        LifecycleRow("open", "stop", "stop", 40),
        LifecycleRow("open", "operator", "close", 0, is_in_reach=False),
        LifecycleRow("", "", "start", 43),
    )
    summary = report([charger()], replace(CLEAN, life=life))
    brief = [line for line in told(summary).splitlines() if "occur" in line or "->" in line]
    assert brief == [
        "2 of 4 steps of the life cycle of a transaction occurred (--verbose lists them)"
    ]
    lines = told(summary, width=200, is_verbose=True).splitlines()
    assert lines[-1].startswith("The database agrees: ")
    begin = lines.index("2 of 4 steps of the life cycle of a transaction occurred")
    assert lines[begin : begin + 5] == [
        "2 of 4 steps of the life cycle of a transaction occurred",
        "      40  open + stop -> stop",
        "       3  open + boot -> suspend",
        "  did not occur: suspended + silence -> close",
        "  nothing simulated causes it: open + operator -> close",
    ]


def test_a_database_of_another_server_is_guessed() -> None:
    other = Verdict(faults=(Fault(Kind.MISSING, "CP-1", "no"),))
    assert "is it the database of that server?" in told(report([charger()], other))
    assert "that server?" not in told(report([charger()], replace(other, transactions=1)))
