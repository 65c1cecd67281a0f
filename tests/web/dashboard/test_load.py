"""What people see of load: the feeder and the cars on Now, the own car on a driver's page, and a
day."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from levity_trio.charging.quarters import quarter_of
from levity_trio.events import LimitIgnored
from levity_trio.locale import speaking
from levity_trio.store.reads.load.leases import StoredLease
from levity_trio.store.reads.load.load import orders
from levity_trio.store.writes.load import load as writes
from levity_trio.store.writes.load.load import keep_lease
from levity_trio.told import Figure, Told, stored_in
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.load import feeder as feeder_api
from levity_trio.web.api.load import load as load_api
from levity_trio.web.dashboard.pages import charger, driver, load, now
from tests.integration.browsing import Page as Shown
from tests.store import loads
from tests.store.books import Station
from tests.store.owning import House
from tests.store.reading import reading
from tests.store.telling import charge
from tests.web.api.conftest import Site
from tests.web.api.driving import Yard
from tests.web.dashboard.opening import Opening, attributes

(NOW,) = now.PAGES
PREVIEW = next(one for one in feeder_api.ENDPOINTS if one.path.endswith("/preview"))
FORGET = next(one for one in load_api.ENDPOINTS if one.path.endswith("/forget"))
CHARGERS = next(
    one for one in load_api.ENDPOINTS if (one.method, one.path) == ("GET", "/api/load/chargers")
)
FEEDER, TRY, WHY, DAY = load.PAGES
CHARGE, CHARGER, SESSION = (driver.PAGES[place] for place in (0, 1, 4))
SHADOW = "shadow: nothing is sent to the chargers"
LINES = [
    loads.line(0, house=8.6, cars=48.0),
    loads.line(1, house=4.0, cars=16.0),
    loads.line(2, house=2.0, cars=68.0),
]
FEEDER_METER = {
    "name": "House",
    "circuit": "Feeder",
    "at": None,
    "amperes": None,
    "is_stale": False,
}


async def feeder(site: Site) -> Shown:
    return (await Opening(site).parts(NOW))["feeder"]


class TestTheFeeder:
    async def test_without_load_management_there_is_nothing_of_it(
        self, site: Site, station: Station
    ) -> None:
        station.status("Charging")
        assert (await feeder(site)).html == ""
        assert "Feeder" not in (await Opening(site).open(NOW)).html

    async def test_each_phase_is_a_bar_with_its_figures_and_the_limit_has_its_name(
        self, site: Site
    ) -> None:
        loads.decide(site.books, loads.waiting(), lines=LINES, meters=[FEEDER_METER])
        shown = await feeder(site)
        assert f"Feeder The day 1 car would wait · {SHADOW} Feeder 63 A" in shown.words
        assert "L1 house 9 A cars 48 A free 6 A L2 house 4 A cars 16 A free 43 A" in shown.words
        assert attributes(shown, "rect", "width")[:4] == ["10", "53", "4", "18"]
        assert "/load/day" in shown.links

    async def test_a_phase_above_its_limit_says_by_how_much(self, site: Site) -> None:
        loads.decide(site.books, lines=LINES)
        shown = await feeder(site)
        assert "cars 68 A ✕ 7 A over" in shown.words
        assert attributes(shown, "rect", "width")[-1] == "8"

    async def test_what_nobody_measures_is_a_reserve_and_a_silent_meter_makes_it_old(
        self, site: Site
    ) -> None:
        loads.decide(site.books, lines=LINES)
        assert "reserve 9 A" in (await feeder(site)).words
        silent = loads.silent_meter("House", "2026-03-01T11:36:00.000Z", [25.9, 25.7, 24.3])
        loads.decide(site.books, lines=LINES, meters=[silent])
        shown = await feeder(site)
        assert "house old" in attributes(shown, "span", "class")
        assert "so cars may get less than there is. Last: 26, 26, 24 A, 12:36" in shown.words
        assert "L1 reserve 9 A cars 48 A free 6 A" in shown.words
        assert (await Opening(site).parts(NOW))["attention"].links == ["/load"]

    async def test_what_is_kept_for_a_silent_meter_is_never_drawn_as_above_the_limit(
        self, site: Site
    ) -> None:
        """82 A of 63, of which nobody has measured 78."""
        lines = [loads.line(0, house=78.0, cars=4.0), loads.line(1), loads.line(2)]
        loads.decide(site.books, lines=lines, meters=[loads.silent_meter("House")])
        shown = await feeder(site)
        assert (
            "so cars may get less than there is. Feeder 63 A L1 reserve 78 A cars 4 A free 0 A"
            in shown.words
        )
        assert attributes(shown, "rect", "width")[:2] == ["66", "4"]

    async def test_a_house_that_nobody_has_ever_measured_is_no_house_of_nothing(
        self, site: Site
    ) -> None:
        lines = [loads.line(phase, house=0.0) for phase in range(3)]
        loads.decide(site.books, lines=lines, meters=[loads.silent_meter("House")])
        assert "L1 house – cars 32 A free 31 A" in (await feeder(site)).words

    async def test_what_is_kept_is_not_free(self, site: Site) -> None:
        kept = loads.line(0, house=8.0, cars=6.0) | {"free_a": 1.2}
        loads.decide(site.books, lines=[kept, *LINES[1:]], meters=[FEEDER_METER])
        assert "L1 house 8 A cars 6 A kept 48 A free 1 A" in (await feeder(site)).words

    async def test_another_circuit_is_shown_while_it_keeps_a_car_from_more(
        self, site: Site
    ) -> None:
        lines = [*LINES, loads.line(0, "Garage", 25.0)]
        for circuit, names in (("Garage", ["feeder-1", "feeder-2"]), ("Feeder", ["feeder-1"])):
            loads.decide(site.books, loads.car(circuit=circuit), lines=lines)
            assert attributes(await feeder(site), "h2", "id") == names

    async def test_it_says_that_it_is_the_grid_operator_who_limits(self, site: Site) -> None:
        """What he leaves is then neither free nor kept."""
        says = "The grid operator allows the chargers 8.4 kW, of which 8.3 kW are drawn."
        loads.decide(site.books, lines=LINES, grid_kw=8.4, grid_says=says)
        words = (await feeder(site)).words
        assert f"{says} Feeder 63 A" in words
        assert "L1 reserve 9 A cars 48 A L2" in words

    async def test_it_is_told_live_and_changes_with_any_fact(
        self, site: Site, station: Station
    ) -> None:
        station.status("Charging")
        loads.decide(site.books, lines=LINES)
        assert "cars 48 A" in (await Opening(site).parts(NOW, ["CP-1"]))["feeder"].words

    async def test_switched_on_it_speaks_of_what_is(self, site: Site) -> None:
        loads.decide(site.books, loads.waiting(), loads.waiting("CP-2"), is_shadow=False)
        words = (await feeder(site)).words
        assert "2 cars wait" in words
        assert SHADOW not in words

    async def test_a_phase_costs_few_bytes(self, site: Site) -> None:
        loads.decide(site.books, lines=LINES)
        assert len((await feeder(site)).html) < 3 * 600 + 700


class TestACar:
    @pytest.mark.parametrize(
        ("is_shadow", "words"),
        [
            (True, ("would get 8 A of 16: Feeder L2", "would wait, about 20 min, fourth of 6")),
            (False, ("gets 8 A of 16: Feeder L2", "waits, about 20 min, fourth of 6")),
        ],
    )
    async def test_its_card_says_what_it_gets_and_why(
        self, site: Site, station: Station, is_shadow: bool, words: tuple[str, str]
    ) -> None:
        station.status("Charging")
        Station(site.books, "CP-2").status("SuspendedEVSE")
        loads.decide(site.books, loads.car(), loads.waiting("CP-2"), is_shadow=is_shadow)
        shown = await Opening(site).parts(NOW)
        for name, expected in zip(("CP-1", "CP-2"), words, strict=True):
            assert f" {expected}" in shown[f"charger-{name}"].words

    async def test_where_nothing_is_short_nothing_is_said(
        self, site: Site, station: Station
    ) -> None:
        station.status("Charging")
        loads.decide(site.books, loads.car(limit_a=16, bound="most", circuit="", phase=""))
        assert "get" not in (await Opening(site).parts(NOW))["charger-CP-1"].words


class TestADriver:
    """In shadow nothing is sent to chargers, so words about waiting would mislead."""

    async def words(
        self, yard: Yard, car: dict[str, object], *, is_shadow: bool, word: str = "current"
    ) -> str:
        await yard.add_tag("ANNA")
        async with yard.charger() as plug:
            number = await plug.begin("ANNA")
            loads.decide(yard.books, car | {"transaction_id": number}, is_shadow=is_shadow)
            yard.books.run(writes.begin_span, number, "waited", yard.books.at)
            page = Opening(yard, yard.anna.caller)
            shown = [
                await page.open(CHARGE),
                await page.open(CHARGER, charger="CP-1"),
                await page.open(SESSION, id=number),
            ]
            (is_told,) = {word in one.words for one in shown}
            return shown[0].words if is_told else ""

    async def test_is_told_that_waiting_costs_nothing(self, yard: Yard) -> None:
        words = await self.words(yard, loads.waiting(), is_shadow=False)
        assert (
            "Your car waits for current, about 20 min, fourth of 6. Waiting costs nothing." in words
        )

    async def test_is_told_of_chargers_that_are_away(self, yard: Yard) -> None:
        words = await self.words(yard, loads.waiting() | KEPT, is_shadow=False)
        assert (
            "Your car waits for current, because 27 A are kept for chargers that are away. Waiting"
            in words
        )

    async def test_is_told_why_his_car_gets_less(self, yard: Yard) -> None:
        words = await self.words(yard, loads.car(), is_shadow=False)
        assert "Your car gets 8 A of 16, because others need current, too." in words

    async def test_is_told_in_german_too(self, yard: Yard) -> None:
        with speaking("de"):
            words = await self.words(yard, loads.waiting(), is_shadow=False, word="Strom")
        assert (
            "Ihr Auto wartet auf Strom, etwa 20 min, viertes von 6. Warten kostet nichts." in words
        )

    @pytest.mark.parametrize("car", [loads.waiting(), loads.car()])
    async def test_is_told_nothing_in_shadow(self, yard: Yard, car: dict[str, object]) -> None:
        assert "current" not in await self.words(yard, car, is_shadow=True)

    async def test_is_told_nothing_where_nothing_is_short(self, yard: Yard) -> None:
        assert "current" not in await self.words(
            yard, loads.car(bound="most", limit_a=16), is_shadow=False
        )


class TestADay:
    @pytest.fixture
    def number(self, site: Site, station: Station) -> int:
        House(site.books).give(1, "TAG")
        number = station.start(1000)
        depart = ("2026-03-02T06:00:00.000Z", 9000)
        site.books.run(writes.depart, ("CP-1", 1), number, depart, site.books.at, "anna")
        for at, bound in (("12:00", "waits"), ("12:15", "circuit"), ("12:30", "most")):
            loads.quarter(site.books, f"2026-03-01T{at}:00Z", ("CP-1", number, bound))
        return number

    async def test_it_has_a_picture_and_a_table_for_each_phase(
        self, site: Site, number: int
    ) -> None:
        shown = await Opening(site).open(DAY)
        assert attributes(shown, "svg", "aria-label")[:1] == ["Current at Feeder, L1, in A"]
        assert len(attributes(shown, "svg", "data-points")) == 3
        assert shown.words.count("Feeder 63 A") == 3
        assert "13:00 9.0 32.0 9.0 32.0 9.0 32.0" in shown.words, "the site is an hour ahead"

    async def test_a_house_that_was_not_measured_is_a_gap_and_no_house_of_nothing(
        self, site: Site
    ) -> None:
        loads.quarter(site.books, "2026-03-01T12:00:00Z")
        loads.quarter(site.books, "2026-03-01T12:15:00Z", house=None)
        shown = await Opening(site).open(DAY)
        assert attributes(shown, "svg", "data-points")[0] == "[[43650,41.0]]"
        assert shown.html.count("<title>House: not known</title>") == 3

    async def test_where_nobody_measures_the_house_only_cars_are_shown(self, site: Site) -> None:
        loads.quarter(site.books, "2026-03-01T12:00:00Z", house=None)
        shown = await Opening(site).open(DAY)
        assert attributes(shown, "svg", "data-points")[0] == "[[43650,32.0]]"
        assert "House: not known" not in shown.html
        assert '<li class="c7">' not in shown.html

    async def test_it_says_who_waited_was_bound_wanted_and_got(
        self, site: Site, number: int
    ) -> None:
        shown = await Opening(site).open(DAY)
        assert "CP-1 Anna 15 Feeder 15 min 9.0 0.0" in shown.words
        assert f"/sessions/{number}" in shown.links
        assert "In shadow nothing is sent" in shown.words
        assert "Anna" not in (await Opening(site, Role.VIEWER).open(DAY)).html

    @pytest.mark.usefixtures("number")
    async def test_it_leads_to_the_days_beside_it_but_not_to_the_future(self, site: Site) -> None:
        today = await Opening(site).open(DAY)
        assert "?day=2026-02-28" in today.html
        assert "?day=2026-03-02" not in today.html
        before = await Opening(site).open(DAY, "/load/day?day=2026-02-28")
        assert "?day=2026-03-01" in before.html
        assert "Nothing was measured on this day." in before.words

    async def test_what_is_no_day_is_said_at_today(self, site: Site) -> None:
        shown = await Opening(site).open(DAY, "/load/day?day=2026-02-30")
        assert "alert" in attributes(shown, "p", "role")
        assert "The feeder on Sun 1 Mar" in shown.words

    @pytest.mark.parametrize(
        ("seconds", "words"), [(420, "✕ Above the limit for 7 minutes"), (12, "")]
    )
    async def test_a_limit_that_was_exceeded_is_said_at_its_phase(
        self, site: Site, seconds: int, words: str
    ) -> None:
        """Twelve seconds in a day are not a minute, after which it is told."""
        loads.quarter(site.books, "2026-03-01T12:00:00Z", over_seconds=seconds)
        shown = (await Opening(site).open(DAY)).words
        assert shown.count("Above the limit") == (3 if words else 0)
        assert words in shown


async def test_a_car_leads_to_why_it_gets_what_it_gets(site: Site, station: Station) -> None:
    station.status("Charging")
    loads.decide(site.books, loads.car(), loads.waiting("CP-2"))
    assert "/load/why/CP-1" in (await Opening(site).parts(NOW))["charger-CP-1"].links
    shown = await Opening(site).open(WHY, charger="CP-1")
    assert "This car would get 8 A of 16: Feeder L2." in shown.words
    assert "Now 9.0 32.0 63.0 At worst 9.0 32.0 71.2" in shown.words
    assert "CP-2: would wait, about 20 min, fourth of 6" in shown.words
    assert "No car is plugged in here." in (await Opening(site).open(WHY, charger="CP-9")).words


SITE = '[[circuit]]\nname = "Feeder"\namperes = 63\nmeter = "House"\n[[meter]]\nname = "House"\n'


KEPT = {"kept_a": 27, "kept_for": ["CP-8", "CP-9"], "waits_about_seconds": None}


class TestWhatIsKeptForThoseThatAreAway:
    """Two chargers lost their power at 12:40 here, and one car goes without because of them."""

    @pytest.fixture(autouse=True)
    def away(self, site: Site, station: Station) -> None:
        station.status("Charging")
        site.books.run(writes.set_site, SITE, site.books.at, "Cleo")
        for name in ("CP-8", "CP-9"):
            gone = Station(site.books, name)
            gone.status("Available")
            gone.lose()
        site.books.run(writes.manage, ["CP-1", "CP-8", "CP-9"], site.books.at, "Cleo")
        kept = [
            {
                "charger": name,
                "amperes": amperes,
                "since": "2026-03-01T11:40:00.000Z",
                "is_managed": True,
            }
            for name, amperes in (("CP-8", 11), ("CP-9", 16))
        ]
        loads.decide(site.books, loads.waiting() | KEPT, is_shadow=False, kept=kept)

    async def test_the_feeder_says_so_with_a_button_that_takes_one_out(self, site: Site) -> None:
        shown = await Opening(site).open(FEEDER)
        assert "16 A are kept for CP-9, which is away since 12:40 . Gone for good?" in shown.words
        assert shown.html.count("/do/post/admin/load/chargers/release") == 3, (
            "one each, and one for all"
        )
        assert "Gone for good?" not in (await Opening(site, Role.OPERATOR).open(FEEDER)).words

    async def test_who_asks_why_a_car_waits_reads_it_and_can_take_one_out(self, site: Site) -> None:
        shown = await Opening(site).open(WHY, charger="CP-1")
        assert "This car waits, because 27 A are kept for chargers that are away." in shown.words
        assert "11 A are kept for CP-8, which is away since 12:40 . Gone for good?" in shown.words
        assert "by the clock" not in shown.words, "nothing changes by the clock"

    async def test_now_says_so_once_and_leads_there(self, site: Site) -> None:
        shown = await Opening(site).parts(NOW)
        assert "27 A are kept for CP-8–9, away since" in shown["attention"].words
        assert "Gone for good? Take them out." in shown["attention"].words
        assert (
            "waits, because 27 A are kept for chargers that are away" in shown["charger-CP-1"].words
        )
        with speaking("de"):
            words = (await Opening(site).parts(NOW))["attention"].words
        assert "27 A werden für CP-8–9 freigehalten, seit" in words
        assert "Für immer weg? Nehmen Sie sie heraus." in words

    async def test_where_no_car_goes_without_now_says_nothing(self, site: Site) -> None:
        kept = [{"charger": "CP-9", "amperes": 16, "since": None, "is_managed": True}]
        loads.decide(site.books, loads.car(bound="most"), is_shadow=False, kept=kept)
        assert "are kept for" not in (await Opening(site).parts(NOW))["attention"].words
        assert "16 A are kept for CP-9, which is away." in (await Opening(site).open(FEEDER)).words


class TestWhoIsNotLimitedBesideOthers:
    @pytest.mark.parametrize(
        ("why", "words"),
        [
            ("new", "CP-1 is being prepared for limits, so 20 A are kept for it"),
            ("untold", "CP-1 is not limited, so 20 A are kept for it"),
        ],
    )
    async def test_now_says_what_is_kept_for_it(
        self, site: Site, station: Station, why: str, words: str
    ) -> None:
        station.status("Charging")
        fixed = loads.car(bound="fixed", why_fixed=why, limit_a=20)
        loads.decide(site.books, fixed, is_shadow=False)
        assert words in (await Opening(site).parts(NOW))["attention"].words

    async def test_in_shadow_nobody_is_limited(self, site: Site, station: Station) -> None:
        station.status("Charging")
        loads.decide(site.books, loads.car(bound="fixed", why_fixed="untold"), is_shadow=True)
        assert "is not limited" not in (await Opening(site).parts(NOW))["attention"].words


class TestABarThatIsFarOver:
    async def test_its_limit_moves_so_that_more_of_it_is_seen(self, site: Site) -> None:
        """82 A of 63 do not fit beyond seven eighths: then the limit is at a quarter, and 19 A are
        6 of 80."""
        over = [loads.line(0, house=4.0, cars=78.0), loads.line(1), loads.line(2)]
        loads.decide(site.books, loads.waiting(), lines=over, meters=[FEEDER_METER])
        shown = await feeder(site)
        assert 'class="feeder far"' in shown.html
        assert '<rect class="over" x="20" width="6"' in shown.html

    @pytest.mark.parametrize(("cars", "words"), [(63.8, "free 0 A"), (64.0, "✕ 2 A over")])
    async def test_the_margin_of_an_alarm_is_nothing_over(
        self, site: Site, cars: float, words: str
    ) -> None:
        """Meters and cars differ by 3 %, which are 1.9 A of 63."""
        over = [loads.line(0, house=1.0, cars=cars), loads.line(1), loads.line(2)]
        loads.decide(site.books, loads.waiting(), lines=over, meters=[FEEDER_METER])
        assert f"house 1 A cars 64 A {words}" in (await feeder(site)).words


class TestTheSite:
    async def test_three_things_are_asked_and_a_feeder_that_fits_can_be_entered(
        self, site: Site, station: Station
    ) -> None:
        station.status("Available")
        asked = await Opening(site).open(FEEDER)
        for question in (
            "Limit of the feeder",
            "What else hangs on it",
            "What one charger can draw",
        ):
            assert question in asked.words
        assert attributes(asked, "option", "selected") == [], (
            "nobody says for the owner that nothing else hangs on it"
        )
        assert "Enter this feeder" not in asked.words
        fitting = await Opening(site).open(FEEDER, "?amperes=35,5&house=none&most=16")
        assert "This fits" in fitting.words
        assert "amperes = 35.5\n\n[options]\nmost = 16" in fitting.html
        assert "Feeder 35.5 nothing else" in fitting.words

    async def test_a_house_without_a_meter_is_kept_its_highest_evening(
        self, site: Site, station: Station
    ) -> None:
        station.status("Available")
        shown = await Opening(site).open(FEEDER, "?amperes=40&house=kept&kept=14,5&most=32")
        assert "Feeder 40 14.5 A reserved" in shown.words
        assert "reserve = 14.5" in shown.html
        assert "14,5" in attributes(shown, "input", "value"), "what was typed is still there"

    async def test_a_house_with_a_meter_is_measured(self, site: Site, station: Station) -> None:
        station.status("Available")
        form = "?amperes=40&most=16"
        modbus = await Opening(site).open(FEEDER, f"{form}&house=EM340&address=10.0.0.8")
        assert "Feeder 40 measured by House" in modbus.words
        assert 'kind = "modbus"\naddress = "10.0.0.8"\nmodel = "EM340"' in modbus.html.replace(
            "&#34;", '"'
        )
        http = await Opening(site).open(FEEDER, f"{form}&house=shelly3em&address=http://10.0.0.9/")
        assert 'url = "http://10.0.0.9/status"' in http.html.replace("&#34;", '"')

    @pytest.mark.parametrize(
        ("typed", "words"),
        [
            ("house=unknown&most=16", "find out first"),
            ("most=16", "find out first"),
            ("house=kept&most=16", "find out first"),
            ("house=EM340&most=16", "Address: give that of its meter"),
            ("house=none", "What one charger can draw (A per phase): give 6 or more"),
            ("house=none&most=10.5", "whole number"),
            ("house=none&most=x", "Give a number of amperes."),
        ],
    )
    async def test_what_is_not_known_is_refused_and_it_says_how_to_find_out(
        self, site: Site, station: Station, typed: str, words: str
    ) -> None:
        station.status("Available")
        shown = await Opening(site).open(FEEDER, f"?amperes=40&{typed}")
        assert words in shown.words
        assert "Enter this feeder" not in shown.words

    async def test_it_is_asked_in_german_too(self, site: Site, station: Station) -> None:
        station.status("Available")
        with speaking("de"):
            shown = await Opening(site).open(FEEDER, "?amperes=40&house=unknown&most=16")
        assert "Was sonst daran hängt" in shown.words
        assert "fragen Sie Ihre Elektrikerin" in shown.words
        with speaking("de"):
            small = await Opening(site).open(FEEDER, "?amperes=16&house=kept&kept=12&most=16")
        assert "1 × 6 A sind 6 A; 16 A ohne 12 A für andere Verbraucher sind 4 A." in small.words

    async def test_what_is_refused_comes_with_sites_that_fit(
        self, site: Site, station: Station
    ) -> None:
        station.status("Available")
        shown = await Opening(site).open(FEEDER, "?amperes=5&house=none&most=16")
        assert "Feeder (L1): 1 × 6 A are 6 A; the limit is 5 A." in shown.words
        assert (
            "1 charger gives nothing then Without in an outage: CP-1 Enter the feeder like this"
            in shown.words
        )

    async def test_circuits_meters_and_what_is_unknown(self, site: Site, station: Station) -> None:
        station.status("Available")
        site.books.run(writes.set_site, SITE, site.books.at, "Cleo")
        loads.decide(site.books, meters=[FEEDER_METER])
        shown = await Opening(site).open(FEEDER)
        assert "Feeder 63 measured by House" in shown.words
        assert "House Feeder – never" in shown.words
        assert "CP-1 Feeder unknown 6–32 6" in shown.words
        assert "costs up to 32 A" in shown.words
        viewed = await Opening(site, Role.OPERATOR).open(FEEDER)
        assert "Enter this site" not in viewed.words


class Limits:
    """A site whose charger is limited."""

    def __init__(self, site: Site, station: Station) -> None:
        station.boot(vendor="Levity", model="Home", firmware_version="1")
        station.status("Charging")
        self.site, self.books = site, site.books
        self.books.run(writes.set_site, SITE, self.books.at, "Cleo")
        self.books.run(writes.manage, ["CP-1"], self.books.at, "Cleo")

    def lease(
        self, writes: int = 12, ends_at: str | None = "2026-03-01T12:30:00.000Z", amperes: int = 10
    ) -> None:
        at = self.books.at
        day = int(self.books.now.timestamp() // 86_400)
        lease = StoredLease(
            charger="CP-1",
            connector=1,
            transaction=None,
            amperes=amperes,
            ends_at=ends_at,
            safe_a=6,
            sent_at=at,
            day=day,
            reasons={"lease": writes},
        )
        self.books.run(keep_lease, lease)

    def ignore(self) -> None:
        at = self.books.at
        fact = LimitIgnored(charger="CP-1", at=at, connector=1, limit=6, drawn=16.0, way=1)
        self.books.run(writes.note_ignored, fact, 2, None)

    async def feeder(self, who: Role = Role.ADMIN) -> Shown:
        parts = await Opening(self.site, who).parts(FEEDER)
        return Shown(200, FEEDER.path, {}, parts["limits"].html + parts["chargers"].html)

    async def charger(self) -> Shown:
        return (await Opening(self.site).parts(charger.PAGES[0], id="CP-1"))["state"]

    async def trial(self, who: Role = Role.ADMIN) -> Shown:
        return (await Opening(self.site, who).parts(TRY, charger="CP-1"))["trial"]


@pytest.fixture
def limits(site: Site, station: Station) -> Limits:
    return Limits(site, station)


class TestWhatIsLimited:
    async def test_before_it_says_so_and_the_button_says_what_happens(
        self, site: Site, station: Station
    ) -> None:
        station.status("Available")
        Station(site.books, "CP-2").status("Available")
        site.books.run(writes.set_site, SITE, site.books.at, "Cleo")
        shown = await Opening(site).open(FEEDER)
        assert "Nothing is limited yet" in shown.words
        assert "Begin to limit" in shown.words
        assert "Charging profiles from elsewhere are removed." in shown.words
        assert "Set default profiles, and remove others, at 2 chargers" in shown.words
        assert "/do/post/admin/load/chargers" in shown.html
        assert "Begin to limit" not in (await Opening(site, Role.OPERATOR).open(FEEDER)).words

    async def test_a_charger_says_how_its_limits_reach_it_and_what_holds(
        self, limits: Limits
    ) -> None:
        limits.lease()
        words = (await limits.feeder()).words
        assert "All chargers are limited." in words
        assert (
            "10 A until 13:30 , then 6 A has passed no trial: its maximum is kept for it "
            "while it is away"
        ) in words
        assert "Try again" not in words
        assert "/load/try/CP-1" in (await limits.feeder()).links

    async def test_a_limit_without_an_end_has_none(self, limits: Limits) -> None:
        limits.lease(ends_at=None)
        assert "until 13:30" not in (await limits.feeder()).words

    async def test_one_that_has_passed_says_so_alone(self, limits: Limits) -> None:
        limits.books.run(writes.learn_of_firmware, "CP-1", {"passed": True}, limits.books.at)
        words = (await limits.feeder()).words
        assert "its firmware has passed the trial" in words
        assert "Trust" not in (await limits.trial()).words

    async def test_one_that_takes_no_limits_says_what_becomes_of_it(self, limits: Limits) -> None:
        limits.books.run(writes.note_prepared, "CP-1", limits.books.at, (None, "1"), (1, None))
        limits.books.run(writes.learn_of_firmware, "CP-1", {"way": 5}, limits.books.at)
        for shown in (await limits.feeder(), await limits.charger(), await limits.trial()):
            assert "It cannot be limited: its maximum is kept for it" in shown.words

    async def test_one_that_is_trusted_wants_a_look(self, limits: Limits) -> None:
        assert "Trust it without a trial" in (await limits.trial()).words
        limits.books.run(writes.trust_charger, "CP-1", "Cleo")
        shown = await limits.feeder()
        assert "▲ trusted by Cleo" in shown.words
        assert "Trust no longer" in (await limits.trial()).words
        assert "state look" in attributes(shown, "span", "class")

    async def test_one_that_does_not_obey_says_since_when_and_what_it_costs(
        self, limits: Limits
    ) -> None:
        limits.ignore()
        fixed = loads.car(bound="fixed", why_fixed="ignores", limit_a=16, is_managed=True)
        loads.decide(limits.books, fixed, is_shadow=False)
        words = (await limits.feeder()).words
        assert "does not obey since" in words
        assert "which costs the others 16 A. Since then it has obeyed 0 of 3 limits." in words
        assert "Try again" in (await limits.feeder(Role.OPERATOR)).words
        assert "Limit no longer" in (await limits.trial()).words
        assert "Limit no longer" not in (await limits.trial(Role.OPERATOR)).words
        assert "Limited by its default profile alone." in (await limits.charger()).words

    async def test_one_that_is_let_go_is_listed_until_it_has_left(
        self, limits: Limits, station: Station
    ) -> None:
        limits.books.run(writes.let_go, ["CP-1"], limits.books.at, "Cleo")
        assert "is being let go" in (await limits.feeder()).words
        assert "Nothing is limited yet" in (await limits.feeder()).words
        station.lose()
        assert "still limited by us It is away." in (await limits.feeder()).words
        assert "ClearChargingProfile {}" in (await limits.feeder()).words

    async def test_one_that_the_site_does_not_know_is_listed_too(self, limits: Limits) -> None:
        Station(limits.books, "CP-2").boot()
        limits.books.run(writes.manage, ["CP-2"], limits.books.at, "Cleo")
        assert "CP-2: has passed no trial" in (await limits.feeder()).words

    @pytest.mark.parametrize(("writes", "is_said"), [(89, False), (90, True)])
    async def test_a_day_that_is_used_up_says_why_there_is_no_more(
        self, limits: Limits, writes: int, is_said: bool
    ) -> None:
        limits.lease(writes)
        words = f"{writes} of 100 limits of a day were sent: flash memory wears out."
        for shown in (await limits.feeder(), await limits.charger()):
            assert (words in shown.words) is is_said
            assert ("but gets no more until 2 Mar 01:00" in shown.words) is is_said

    async def test_a_car_that_is_held_back_waits_on_the_page_of_the_charger(
        self, limits: Limits, station: Station
    ) -> None:
        station.status("SuspendedEVSE")
        assert "Paused by charger" in (await limits.charger()).words
        limits.lease(amperes=0)
        assert "Waits for current" in (await limits.charger()).words

    async def test_the_page_of_the_charger_has_it_in_a_line(self, limits: Limits) -> None:
        limits.lease()
        shown = await limits.charger()
        assert "has passed no trial: its maximum is kept for it while it is away" in shown.words
        assert (
            "Limited by a profile for each session, over a default: 10 A until 13:30 , then 6 A."
            in shown.words
        )
        assert "/load/try/CP-1" in shown.links


LIMITED = Told(
    "from {1} to {2} A at a limit of {3} A, by {4}",
    Figure(16, 0),
    Figure(6.1, 1),
    6,
    Told("way {1}, level {2}", 1, 8),
)
STEPS = stored_in(
    [
        {"step": "limit", "is_passed": True, "words": LIMITED},
        {"step": "waits", "is_passed": None, "words": ""},
    ]
)


class TestATrial:
    """`limits.books` has begun one; what its steps find is tested elsewhere."""

    def begin(self, limits: Limits) -> int:
        limits.books.run(writes.note_prepared, "CP-1", limits.books.at, (None, "1"), (1, None))
        return limits.books.run(writes.begin_trial, "CP-1", 1, limits.books.at, "Cleo")

    async def test_it_says_what_to_do_before_and_begins_with_a_car_that_charges(
        self, limits: Limits, station: Station
    ) -> None:
        before = await limits.trial()
        assert "No car charges here yet: plug in your car, and start it." in before.words
        assert "It takes about fifteen minutes." in before.words
        station.start(1000)
        shown = await limits.trial()
        assert "/do/post/admin/load/trials" in shown.html
        assert "Begin the trial" in shown.words
        assert "Begin the trial" not in (await limits.trial(Role.OPERATOR)).words
        station.lose()
        assert "The charger is away." in (await limits.trial()).words

    async def test_one_that_is_not_limited_can_be_limited_first(
        self, site: Site, station: Station
    ) -> None:
        station.status("Charging")
        station.start(1000)
        shown = (await Opening(site).parts(TRY, charger="CP-1"))["trial"]
        assert "This charger is not limited yet." in shown.words
        assert "Begin the trial" not in shown.words
        assert "/do/post/admin/load/chargers" in shown.html

    async def test_it_says_what_to_do_now_and_what_steps_found(
        self, limits: Limits, station: Station
    ) -> None:
        number = self.begin(limits)
        limits.books.run(writes.keep_trial, number, STEPS)
        station.lose()
        shown = await limits.trial()
        assert "Step 2 of 7" in shown.words
        assert (
            "While the link is cut: unplug the car, plug it in again and start it." in shown.words
        )
        assert "The link is cut." in shown.words
        assert (
            "A limit is seen on the current. Yes: from 16 to 6.1 A at a limit of 6 A, by way "
            "1, level 8"
        ) in shown.words
        assert attributes(shown, "li", "aria-current") == ["step"]
        assert "/do/delete/admin/load/trials/CP-1" in shown.html
        assert "Cancel" not in (await limits.trial(Role.OPERATOR)).words

    @pytest.mark.parametrize(
        ("result", "words"),
        [
            ("passed", "Passed All chargers with this firmware obey, also while they are away."),
            ("failed", "Failed Its maximum is kept for it while it is away."),
            ("cancelled", "Cancelled"),
        ],
    )
    async def test_at_the_end_it_says_what_that_means(
        self, limits: Limits, result: str, words: str
    ) -> None:
        number = self.begin(limits)
        limits.books.run(writes.end_trial, number, STEPS, result, limits.books.at, {})
        shown = await limits.trial()
        assert words in shown.words
        assert "begun by Cleo" in shown.words
        assert "Once more" in shown.words

    async def test_it_speaks_german(self, limits: Limits) -> None:
        number = self.begin(limits)
        limits.books.run(writes.keep_trial, number, STEPS)
        with speaking("de"):
            words = (await limits.trial()).words
        assert "Solange die Verbindung getrennt ist" in words
        assert "bei einer Grenze von 6 A" in words


class TestWhatIsRemembered:
    """At noon a meter showed 97 A, twice; CP-1 has a firmware that passed its trial, and a car that
    was seen thrice."""

    @pytest.fixture(autouse=True)
    def seen(self, limits: Limits) -> None:
        books = limits.books
        loads.quarter(books, "2026-03-01T11:15:00Z", house=41.0)
        loads.quarter(books, "2026-03-01T11:30:00Z", house=97.0)
        books.run(writes.note_learned, "lines", ("CP-1", 1), "CARD", "3", books.at)
        books.run(writes.note_learned, "rotation", ("CP-1", 1), "", "STR", books.at)
        books.run(
            writes.learn_of_firmware, "CP-1", {"passed": True, "waits": False, "way": 2}, books.at
        )

    async def test_the_feeder_says_so_with_a_word_on_what_forgetting_does(self, site: Site) -> None:
        shown = await Opening(site).open(FEEDER)
        assert "Feeder : other load of up to 97 A in the last seven days, 12:30" in shown.words
        assert (
            "Forget it if the meter was wrong: the house is then known only from now on."
            in shown.words
        )
        assert (
            "CP-1 : on how many lines cars charge; that it seems to be wired as STR; how it "
            "takes limits;"
        ) in shown.words
        assert "that it has passed its trial; that by its default nobody waits" in shown.words
        assert "All chargers with its firmware must pass their trial again" in shown.words
        assert shown.html.count("/do/post/admin/load/forget") == 2
        assert (
            "/do/post/admin/load/forget"
            not in (await Opening(site, Role.OPERATOR).open(FEEDER)).html
        )

    async def test_it_is_said_in_german_too(self, site: Site) -> None:
        with speaking("de"):
            words = (await Opening(site).open(FEEDER)).words
        assert "Feeder : andere Last von bis zu 97 A in den letzten sieben Tagen, 12:30" in words
        assert (
            "auf wie vielen Leitern Autos laden; dass sie als STR verdrahtet scheint; wie sie "
            "Grenzen annimmt"
        ) in words

    async def test_a_site_can_be_entered_again_when_it_is_forgotten(self, site: Site) -> None:
        refused = await site.call(PREVIEW, body={"toml": SITE})
        assert "63 A less 97 A for other consumers" in refused["problems"][0]["text"]
        assert "levity-trio load forget --circuit Feeder." in refused["problems"][0]["advice"][-1]
        told = await site.call(FORGET, body={"circuit": "Feeder"})
        assert [one["charger"] for one in told["data"]] == ["CP-1"]
        assert (await site.call(PREVIEW, body={"toml": SITE}))["problems"] == []
        assert "97" in str((await site.call(load_api.ENDPOINTS[1]))["lines"]), (
            "the day stays as it was"
        )

    async def test_a_charger_is_prepared_anew_when_what_it_has_shown_is_forgotten(
        self, site: Site
    ) -> None:
        site.books.run(writes.note_prepared, "CP-1", site.books.at, (None, "1"), (1, None))
        told = await site.call(FORGET, body={"charger": "CP-1"})
        assert [one["circuit"] for one in told["data"]] == ["Feeder"]
        (one,) = (await site.call(CHARGERS))["data"]
        assert (one["has_passed"], one["way"]) == (False, 1)
        assert site.books.rows("SELECT prepared_at FROM load_charger") == [(None,)]

    @pytest.mark.parametrize(
        ("body", "code"), [({}, "invalid"), ({"charger": "CP-9"}, "not_found")]
    )
    async def test_what_is_not_named_is_not_forgotten(
        self, site: Site, body: dict[str, str], code: str
    ) -> None:
        with pytest.raises(Problem) as refused:
            await site.call(FORGET, body=body)
        assert refused.value.code == code


class TestOrdersOfTheGridOperator:
    async def orders(self, site: Site) -> Shown:
        return await Opening(site).open(FEEDER)

    async def test_without_one_nothing_is_said(self, site: Site) -> None:
        assert "Orders of the grid operator" not in (await self.orders(site)).words

    async def test_each_is_listed_with_how_it_was_kept_the_newest_first(self, site: Site) -> None:
        site.books.run(writes.set_site, SITE, site.books.at, "anna")
        for number, kilowatts in enumerate((12.6, 8.4, None), 1):
            site.books.run(writes.add_order, None, kilowatts, "relay", site.books.at)
            if number == 2:
                with reading(site.books) as db:
                    (_, order) = orders(db, "")
                site.books.run(
                    writes.keep_order, replace(order, held_after_seconds=11, highest=8.3)
                )
            site.books.wait(10)
        shown = await self.orders(site)
        kept = "13:20 all of it – 13:10 8.4 kW chargers 11 s 8.3 kW 13:00 12.6 kW chargers"
        assert kept in shown.words.replace("Held after ", "").replace("Highest minute ", "")
        assert "not held" in shown.words
        assert any("grid-orders?format=csv" in link for link in shown.links)
        assert "What do yours limit?" not in shown.words

    async def test_those_of_before_ask_once_what_they_limit(self, site: Site) -> None:
        site.books.run(writes.set_site, SITE, site.books.at, "anna")
        old = (
            "INSERT INTO load_order (source, amperes, at, last_at, count) "
            "VALUES ('grid', 20, ?, ?, 1)"
        )
        site.books.run(lambda db: db.execute(old, (site.books.at, site.books.at)))
        asked = await self.orders(site)
        assert "20 A house and chargers" in asked.words
        assert "What do yours limit? Only the chargers House and chargers" in asked.words
        assert "[grid]\nof = &#34;chargers&#34;" in asked.html
        site.books.run(
            writes.set_site, f'{SITE}\n[grid]\nof = "connection"\n', site.books.at, "anna"
        )
        assert "What do yours limit?" not in (await self.orders(site)).words


SUN = {
    "circuit": "Feeder",
    "grid_w": 1800,
    "panels_w": 6000,
    "battery_w": None,
    "house_w": 1000,
    "cars_w": 6800,
    "share": 0.74,
}


class TestTheSun:
    async def shown(self, site: Site, **given: Any) -> Shown:
        loads.decide(site.books, lines=LINES, sun={**SUN, **given})
        return (await Opening(site).parts(NOW))["sun"]

    async def test_without_panels_there_is_nothing_of_it(self, site: Site) -> None:
        loads.decide(site.books, lines=LINES)
        assert (await Opening(site).parts(NOW))["sun"].html == ""

    async def test_the_share_of_the_cars_is_said_and_drawn(self, site: Site) -> None:
        shown = await self.shown(site)
        assert "74 % of what the cars draw is own sun." in shown.words
        assert "sun into cars 5.0 kW grid into cars 1.8 kW house 1.0 kW" in shown.words
        assert "The panels give 6.0 kW; 1.8 kW come from the grid." in shown.words
        widths = [float(width) for width in attributes(shown, "rect", "width")]
        assert widths == pytest.approx([64.5, 22.7, 12.8], abs=0.1)

    async def test_what_goes_into_the_grid_and_the_battery_is_said(self, site: Site) -> None:
        shown = await self.shown(site, grid_w=-500, battery_w=-700, cars_w=0, share=None)
        assert "No car draws power." in shown.words
        assert "0.5 kW go into the grid; 0.7 kW into the battery." in shown.words

    async def test_what_nobody_knows_is_no_0(self, site: Site) -> None:
        shown = await self.shown(site, grid_w=None, house_w=None, cars_w=None, share=None)
        assert "How much of it the cars draw is not known now." in shown.words
        assert "rect" not in shown.html

    async def test_the_day_is_a_picture_by_the_quarter(self, site: Site, station: Station) -> None:
        number = station.start(1000)
        end = charge(station, number, 1000, 60, 4000)
        station.stop(number, end)
        loads.decide(site.books, lines=LINES, sun=SUN)
        first = quarter_of(site.books.now.timestamp()) - 4
        site.books.connection.execute(
            "INSERT INTO load_site (id, toml, set_at, set_by) VALUES (7, '', '', 'cleo')"
        )
        site.books.connection.execute("INSERT INTO sun_charger VALUES (7, 'CP-1')")
        site.books.connection.execute(
            "INSERT INTO power VALUES (?, ?, ?, '[1000, 1000, 1000, 1000]')",
            (number, first // 96, first % 96),
        )
        for one in range(first, first + 4):
            site.books.connection.execute(
                "INSERT INTO sun_quarter (quarter, site_id, seconds, import_wh, export_wh, "
                "generation_wh) VALUES (?, 7, 900, 750, 0, 250)",
                (one,),
            )
        shown = await Opening(site).open(NOW)
        assert "Today 25 % of what the cars took was own sun: 1.0 of 4.0 kWh" in shown.words
        assert "13:00 4.0 1.0" in shown.words
