"""Each alert that `levity-trio deploy` writes, judged by `promtool test rules` on what a real
server's /metrics said.

Each is made to fire, and each stays silent where nothing is wrong. What the owner must hear of
within a minute fires in the scrapes of that minute.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from levity_trio.deploy.files import texts, write
from levity_trio.deploy.installation import Installation, values

from .scraping import (
    SCRAPE_SECONDS,
    Held,
    Scrape,
    Timeline,
    any_fired,
    ever_fired,
    firing,
    words_of,
)
from .story import ONE, TWO, Story

pytestmark = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="promtool is in Debian's package prometheus; .ci/run installs it",
)

MINUTE, HOUR, DAY = 60, 3600, 86_400
LITESTREAM = {"job": "litestream", "instance": "127.0.0.1:9465"}
SOON = 50
"""What is left of a minute when a scrape may be 10 s late."""
RULES, DEAD_MAN = "levity-alerts.yml", "levity-dead-man.yml"

Course = Callable[[Story], Timeline]


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rules")
    place = Installation(program=("/opt/levity-trio",), site="pi", version="1")
    write(folder, texts(values({}, {}, place)), may_replace=False)
    return folder / RULES


def then(*course: tuple[str, int]) -> Course:
    """What was scraped after these, each held so many seconds; `nothing`: the server does not
    answer."""
    return lambda story: [
        Held(None if name == "nothing" else story[name], seconds) for name, seconds in course
    ]


def with_change(
    name: str, number: float, seconds: int, before: str = "calm", **labels: str
) -> Course:
    """Something that no test can do to a real machine: the number that the server told, but
    another."""
    return lambda story: [
        Held(story[before], 5 * MINUTE),
        Held(story[before].changed(name, lambda _: number, **labels), seconds),
    ]


def heard_each(seconds: int, *, answers_pings: bool) -> Course:
    """A charger whose last byte is never older than that, for an hour; the story is too short for a
    ping."""
    return lambda story: (
        [Held(_just_heard(story["calm"], answers_pings), seconds)] * (HOUR // seconds)
    )


def _just_heard(told: Scrape, answers_pings: bool) -> Scrape:
    heard = told.changed("ocpp_cp_link_age_seconds", lambda _: 0.5)
    return heard.changed("ocpp_cp_answers_pings", lambda _: int(answers_pings))


def restarting(starts: int) -> Course:
    """It starts anew each three minutes."""
    return lambda story: [
        Held(_started_later(story["calm"], 3 * MINUTE * later), 3 * MINUTE)
        for later in range(starts)
    ]


def _started_later(told: Scrape, seconds: int) -> Scrape:
    return told.changed("process_start_time_seconds", lambda began: began + seconds)


def with_litestream(
    seconds: int, *, answers: bool = True, uploads: bool = True, talks: bool = True
) -> Course:
    """Litestream was there for an hour; then so long as it says."""

    def course(story: Story) -> Timeline:
        calm = story["calm"]
        before = [Held(_copied(calm, minute, minute, minute), MINUTE) for minute in range(60)]
        later = range(60, 60 + seconds // MINUTE)
        return [
            *before,
            *(
                Held(_copied(calm, m if talks else 59, m if uploads else 59, m, answers), MINUTE)
                for m in later
            ),
        ]

    return course


def _copied(calm: Scrape, commits: int, uploads: int, at: int, answers: bool = True) -> Scrape:
    told = calm.changed("ocpp_commit_seconds_count", lambda before: before + 10 * commits)
    told = told.beside("up", float(answers), **LITESTREAM)
    if not answers:
        return told
    told = told.beside("litestream_db_size", 1e6 + at, db="/var/lib/levity/levity.db", **LITESTREAM)
    return told.beside(
        "litestream_replica_operation_total",
        uploads,
        operation="PUT",
        replica_type="s3",
        **LITESTREAM,
    )


def dark(*gone: tuple[str, float], seconds: int = SOON) -> Course:
    """Two chargers, online; then as it says of each: 0 is not connected, else the seconds since its
    last byte."""

    def course(story: Story) -> Timeline:
        online = _just_heard(story["two online"], answers_pings=True)
        told = online
        for charger, silent in gone:
            told = _gone(told, charger, silent)
        return [*[Held(online, 20)] * 15, Held(told, seconds)]

    return course


def away(together: Mapping[str, int], *, silent: int = 0, seconds: int = SOON) -> Course:
    """Chargers beside those of the story that are away, each with how many; others that are
    silent."""

    def course(story: Story) -> Timeline:
        calm = told = _just_heard(story["two online"], answers_pings=True)
        for charger, number in together.items():
            told = told.beside("ocpp_cp_connected", 0, cp_id=charger)
            told = told.beside("ocpp_cp_away_together", number, cp_id=charger)
        for number in range(silent):
            charger = f"SILENT-{number}"
            told = told.beside("ocpp_cp_connected", 1, cp_id=charger).beside(
                "ocpp_cp_link_age_seconds", 40, cp_id=charger
            )
            told = told.beside("ocpp_cp_answers_pings", 1, cp_id=charger)
        return [*[Held(calm, 20)] * 15, Held(told, seconds)]

    return course


SWITCH = {"S-1": 3, "S-2": 3, "S-3": 3}


def _gone(told: Scrape, charger: str, silent: float) -> Scrape:
    name = "ocpp_cp_link_age_seconds" if silent else "ocpp_cp_connected"
    return told.changed(name, lambda _: silent, cp_id=charger)


def expiring(days: int) -> Course:
    """A charger's certificate lasts so many days yet."""

    def course(story: Story) -> Timeline:
        calm = story["calm"]
        return [
            Held(
                calm.beside("ocpp_cp_certificate_expires_ts", calm.at + days * DAY, cp_id=ONE), HOUR
            )
        ]

    return course


def over_limit(seconds: int) -> Course:
    """A circuit is above its limit for so long."""

    def course(story: Story) -> Timeline:
        times = [0] * 30 + [*range(0, seconds + 1, 10)]
        labels = {"circuit": "Feeder", "phase": "L1"}
        return [
            Held(story["calm"].beside("ocpp_load_over_limit_seconds_total", one, **labels), 10)
            for one in times
        ]

    return course


def with_meter(silent: int, seconds: int) -> Course:
    """A meter of a circuit is silent, or is not."""
    return lambda story: [
        Held(story["calm"].beside("ocpp_load_meter_silent", silent, meter="Main"), seconds)
    ]


def with_prices(missing: int, seconds: int) -> Course:
    """A series of prices has none, or has them."""
    return lambda story: [
        Held(story["calm"].beside("ocpp_prices_missing", missing, series="Day-ahead"), seconds)
    ]


def copied(seconds: int, **told: float) -> Course:
    """A charger is told to a backend, of which the server tells this."""

    def course(story: Story) -> Timeline:
        found = story["calm"]
        for name, number in told.items():
            labels = {"backend": "Employer"}
            if name == "behind_seconds":
                labels["cp_id"] = ONE
            found = found.beside(f"ocpp_backend_{name}", number, **labels)
        return [Held(found, seconds)]

    return course


def certified(days: int) -> Course:
    """Our certificate at a backend lasts so many days yet."""
    return lambda story: copied(HOUR, certificate_expires_ts=story["calm"].at + days * DAY)(story)


def limited(
    *,
    connected: int = 1,
    trusted: int = 1,
    disobeys: int = 0,
    writes: int = 40,
    seconds: int = 2 * HOUR,
) -> Course:
    """Load management limits a charger, which may be away, untrusted or disobedient, or was sent a
    lot today."""

    def course(story: Story) -> Timeline:
        told = story["calm"].changed("ocpp_cp_connected", lambda _: connected, cp_id=ONE)
        told = told.changed("ocpp_load_writes_a_day", lambda _: 100)
        told = told.beside("ocpp_load_limited", 1, cp_id=ONE).beside(
            "ocpp_load_trusted", trusted, cp_id=ONE
        )
        told = told.beside("ocpp_load_disobeys", disobeys, cp_id=ONE)
        return [
            Held(
                told.beside("ocpp_load_writes_today", writes, cp_id=ONE, connector_id="1"), seconds
            )
        ]

    return course


def once_more(counter: str) -> Course:
    """Something that has been counted happens again."""

    def course(story: Story) -> Timeline:
        told = story["later"]
        return [Held(told, 5 * MINUTE), Held(told.changed(counter, lambda count: count + 1), SOON)]

    return course


def after(first: Course, second: Course) -> Course:
    return lambda story: [*first(story), *second(story)]


FIRES: dict[str, Course] = {
    "LevityChargerBooted": then(("calm", HOUR), ("boot loop", HOUR)),
    "LevityChargerDisconnected": then(("calm", HOUR), ("identity shared", HOUR)),
    "LevityChargerError": once_more("ocpp_cp_errors_total"),
    "LevityNoHeartbeat": then(("calm", DAY + HOUR)),
    "LevityNoTransaction": then(("calm", 14 * DAY + HOUR)),
    "LevityDisconnectedWhileCharging": then(("calm", 5 * MINUTE), ("left while charging", SOON)),
    "LevityCommandTimedOut": then(("commands failed at first", MINUTE), ("later", SOON)),
    "LevityCommandRejected": then(("commands failed at first", MINUTE), ("later", SOON)),
    "LevityChargerSilent": heard_each(SOON, answers_pings=True),
    "LevityChargerOffline": then(("two online", 5 * MINUTE), ("later", SOON)),
    "LevityChargerFaulted": then(("calm", 5 * MINUTE), ("faulted", SOON)),
    "LevityChargerBootLoop": then(("calm", 5 * MINUTE), ("boot loop", SOON)),
    "LevityEnergyJump": then(("unbilled", 5 * MINUTE), ("jumped", SOON)),
    "LevityEnergyUnbilled": then(("calm", HOUR), ("unbilled", SOON)),
    "LevityIdentityShared": then(("later", 5 * MINUTE), ("identity shared", SOON)),
    "LevityAvailabilityDiffers": with_change("ocpp_connector_availability_differs", 1, 11 * MINUTE),
    "LevityMessagesRefused": then(("at the limit", 5 * MINUTE), ("above the limit", SOON)),
    "LevitySecurityEvent": then(("opened at first", MINUTE), ("later", SOON)),
    "LevityCertificateExpires": expiring(29),
    "LevityChargerClockWrong": then(("calm", 5 * MINUTE), ("clock wrong", 20 * MINUTE)),
    "LevityCommandFailed": then(("commands failed at first", MINUTE), ("later", SOON)),
    "LevityAutoStartFails": then(("commands failed at first", MINUTE), ("later", SOON)),
    "LevitySetAsideWaits": then(("later", DAY + HOUR)),
    "LevityReviewWaits": then(("later", DAY + HOUR)),
    "LevityNewcomerWaits": with_change("ocpp_newcomers_waiting", 1, 10 * MINUTE),
    "LevityServerDown": then(("calm", 5 * MINUTE), ("nothing", SOON)),
    "LevityServerRestarts": restarting(4),
    "LevityWriterFailing": then(("calm", 5 * MINUTE), ("failing", SOON)),
    "LevityDatabaseDamaged": with_change("ocpp_database_damaged", 1, SOON),
    "LevityNotBooked": with_change("ocpp_sessions_not_booked", 3, SOON),
    "LevityDiskLow": with_change("ocpp_disk_free_bytes", 4e8, SOON),
    "LevityFrameLogPaused": with_change("ocpp_frame_log_paused", 1, SOON),
    "LevityFrameLogDropped": with_change("ocpp_frame_log_dropped_total", 5, SOON),
    "LevityWalGrows": with_change("ocpp_database_wal_bytes", 3e8, 15 * MINUTE),
    "LevityLoopLags": with_change("ocpp_loop_lag_seconds", 0.8, 5 * MINUTE),
    "LevityClockNotTrusted": then(("troubled", 10 * MINUTE)),
    "LevityAuditDisconnected": then(("troubled", 20 * MINUTE)),
    "LevityAuditLags": with_change("ocpp_audit_lag_frames", 20_000, 15 * MINUTE, before="troubled"),
    "LevityAuditLost": with_change("ocpp_audit_lost_frames_total", 3, SOON, before="troubled"),
    "LevityCircuitExceeded": over_limit(seconds=80),
    "LevityLoadMeterSilent": with_meter(silent=1, seconds=2 * MINUTE),
    "LevityPricesMissing": with_prices(missing=1, seconds=2 * MINUTE),
    "LevityLoadLimitIgnored": limited(disobeys=1, seconds=SOON),
    "LevityLoadAwayKept": limited(connected=0, trusted=0),
    "LevityLoadWritesUsedUp": limited(writes=100, seconds=SOON),
    "LevityMqttDisconnected": then(("troubled", 20 * MINUTE)),
    "LevityBackendBehind": copied(SOON, behind_seconds=1801),
    "LevityBackendRefuses": after(copied(HOUR, refused_total=0), copied(SOON, refused_total=2)),
    "LevityBackendCertificateExpires": certified(29),
    "LevityWebhookGivenUp": with_change("ocpp_webhook_given_up_total", 3, SOON),
    "LevityMessagesFail": with_change(
        "ocpp_messages_to_people_total", 5, SOON, channel="mail", outcome="failed"
    ),
    "LevityPluginFails": then(("troubled at first", 5 * MINUTE), ("troubled", SOON)),
    "LevityChargersAway": away(SWITCH),
    "LevitySiteDark": dark((ONE, 0), (TWO, 36)),
    "LevityWrongSubprotocol": then(("commands failed at first", MINUTE), ("later", SOON)),
    "LevityBackupDown": with_litestream(HOUR, answers=False),
    "LevityBackupStands": with_litestream(HOUR, uploads=False),
}

ORDINARY = then(("calm", HOUR), ("calm later", HOUR))
STEADY = then(("later", HOUR))
"""What has happened once, and never again."""
STAYS_SILENT: dict[str, Course] = {
    "LevityChargerError": STEADY,
    "LevityCommandTimedOut": STEADY,
    "LevityCommandRejected": STEADY,
    "LevityCommandFailed": STEADY,
    "LevityMessagesRefused": then(("at the limit", HOUR)),
    "LevitySecurityEvent": with_change("ocpp_security_events_total", 3, HOUR, before="secure"),
    "LevityAutoStartFails": STEADY,
    "LevityAuditLost": then(("troubled", HOUR)),
    "LevityPluginFails": then(("troubled", HOUR)),
    "LevityEnergyUnbilled": with_change("ocpp_energy_unbilled_wh_total", 60, HOUR),
    "LevityServerRestarts": restarting(3),
    "LevityChargerSilent": heard_each(20, answers_pings=True),
    "LevityChargerOffline": then(
        ("later", 10), ("two online", 5 * MINUTE), ("later", 20), ("two online", MINUTE)
    ),
    "LevityChargerFaulted": then(("calm", MINUTE), ("mended", 5 * MINUTE)),
    "LevityChargerBootLoop": then(("calm", 10 * MINUTE), ("booted once more", 10 * MINUTE)),
    "LevityNoHeartbeat": then(("calm", DAY - HOUR), ("calm later", HOUR)),
    "LevityNoTransaction": then(("calm", 13 * DAY), ("calm later", DAY)),
    "LevitySetAsideWaits": then(("later", DAY - HOUR)),
    "LevityReviewWaits": then(("later", DAY - HOUR)),
    "LevityAvailabilityDiffers": after(
        with_change("ocpp_connector_availability_differs", 1, 9 * MINUTE), ORDINARY
    ),
    "LevityNewcomerWaits": after(with_change("ocpp_newcomers_waiting", 1, 2 * MINUTE), ORDINARY),
    "LevityServerDown": then(("calm", MINUTE), ("nothing", 10), ("calm", MINUTE)),
    "LevityWriterFailing": then(("calm", MINUTE), ("working again", 5 * MINUTE)),
    "LevityDiskLow": with_change("ocpp_disk_free_bytes", 6e8, HOUR),
    "LevityWalGrows": with_change("ocpp_database_wal_bytes", 3e8, 5 * MINUTE),
    "LevityLoopLags": after(with_change("ocpp_loop_lag_seconds", 0.8, 20), ORDINARY),
    "LevityClockNotTrusted": then(("troubled", 2 * MINUTE), ("calm", 5 * MINUTE)),
    "LevityCertificateExpires": expiring(31),
    "LevityChargerClockWrong": then(("clock wrong", 10 * MINUTE), ("calm", HOUR)),
    "LevityAuditDisconnected": then(("troubled", 10 * MINUTE), ("calm", HOUR)),
    "LevityMqttDisconnected": then(("troubled", 5 * MINUTE), ("calm", HOUR)),
    "LevityBackendBehind": copied(HOUR, behind_seconds=1799),
    "LevityBackendRefuses": copied(HOUR, refused_total=2),
    "LevityBackendCertificateExpires": certified(31),
    "LevityAuditLags": after(
        with_change("ocpp_audit_lag_frames", 20_000, 5 * MINUTE, before="troubled"),
        with_change("ocpp_audit_lag_frames", 5_000, HOUR, before="troubled"),
    ),
    "LevityEnergyJump": then(("calm", 5 * MINUTE), ("calm later", 5 * MINUTE)),
    "LevityCircuitExceeded": over_limit(seconds=30),
    "LevityLoadMeterSilent": with_meter(silent=0, seconds=HOUR),
    "LevityPricesMissing": with_prices(missing=0, seconds=HOUR),
    "LevityLoadLimitIgnored": limited(connected=0, trusted=0, writes=100),
    "LevityLoadAwayKept": after(
        limited(connected=0, trusted=0, seconds=HOUR), limited(connected=0)
    ),
    "LevityLoadWritesUsedUp": limited(writes=99),
    "LevityChargersAway": away({"S-1": 1, "S-2": 1, "S-3": 1}, silent=2),
    "LevitySiteDark": dark((ONE, 36), (TWO, 10), seconds=20),
    "LevityWrongSubprotocol": then(("later", HOUR)),
    "LevityBackupDown": with_litestream(HOUR),
    "LevityBackupStands": after(
        with_litestream(HOUR), with_litestream(HOUR, talks=False, uploads=False)
    ),
}
"""Where the ordinary day is not near enough to the limit."""
COARSE = {"LevityNoHeartbeat", "LevityNoTransaction", "LevitySetAsideWaits", "LevityReviewWaits"}


def step(alert: str) -> int:
    """Days are looked at each five minutes."""
    return 5 * MINUTE if alert in COARSE else SCRAPE_SECONDS


@pytest.mark.parametrize("alert", FIRES)
def test_it_fires(alert: str, story: Story, rules: Path) -> None:
    assert not firing(rules, FIRES[alert](story), alert, step=step(alert))


@pytest.mark.parametrize("alert", FIRES)
def test_it_stays_silent(alert: str, story: Story, rules: Path) -> None:
    course = STAYS_SILENT.get(alert, ORDINARY)
    assert not ever_fired(rules, course(story), alert, step=step(alert))


def test_every_alert_is_tried(rules: Path) -> None:
    assert set(re.findall(r"- alert: (\w+)", rules.read_text())) == set(FIRES)
    assert set(STAYS_SILENT) <= set(FIRES)


def test_levity_s_own_eight_are_unchanged(rules: Path) -> None:
    own = rules.read_text().partition("- name: levity-trio-chargers")[0]
    assert re.findall(r"expr: (.*)", own) == [
        "increase(ocpp_cp_boots_total[1d]) > 1",
        "increase(ocpp_cp_disconnects_total[1d]) > 1",
        "increase(ocpp_cp_errors_total[5m]) > 0",
        "(time() - ocpp_cp_last_heartbeat_ts) > 86400",
        "(time() - ocpp_cp_last_tx_ts) > 1209600",
        "increase(ocpp_cp_reconnect_during_tx_total[5m]) > 0",
        'increase(ocpp_central_call_errors_total{error_type="timeout"}[5m]) > 0',
        "increase(ocpp_central_call_rejected_total[5m]) > 0",
    ]


def test_an_ordinary_hour_is_quiet(story: Story, rules: Path) -> None:
    hour = then(("calm", HOUR // 2), ("calm later", HOUR // 2))(story)
    assert not any_fired(rules, hour)
    assert any_fired(rules, [*hour, Held(story["faulted"], MINUTE)])


def test_what_was_refused_and_what_was_not_answered_are_told_apart(
    story: Story, rules: Path
) -> None:
    course = then(("commands failed at first", MINUTE), ("later", SOON))(story)
    assert not firing(rules, course, "LevityCommandFailed", error_type="NotSupported")
    assert firing(rules, course, "LevityCommandFailed", error_type="timeout")
    assert not firing(rules, course, "LevityCommandTimedOut", error_type="timeout")


def test_one_that_answers_no_pings_is_not_called_silent(story: Story, rules: Path) -> None:
    course = heard_each(5 * MINUTE, answers_pings=False)
    assert not ever_fired(rules, course(story), "LevityChargerSilent")


def test_only_the_charger_that_left_is_told_of(story: Story, rules: Path) -> None:
    course = then(("two online", 5 * MINUTE), ("later", SOON))(story)
    assert not firing(rules, course, "LevityChargerOffline", cp_id=TWO)
    assert firing(rules, course, "LevityChargerOffline", cp_id=ONE)


def test_one_dead_switch_is_one_alert(story: Story, rules: Path) -> None:
    course = away(SWITCH | {"ALONE": 1})(story)
    assert not firing(rules, course, "LevityChargersAway")
    assert not firing(rules, course, "LevityChargerOffline", cp_id="ALONE")
    assert firing(rules, course, "LevityChargerOffline", cp_id="S-1")


def test_several_that_are_silent_are_one_alert(story: Story, rules: Path) -> None:
    several = away({}, silent=3)(story)
    assert not firing(rules, several, "LevityChargersAway")
    assert not ever_fired(rules, several, "LevityChargerSilent")
    assert not firing(
        rules, away({}, silent=2, seconds=20)(story), "LevityChargerSilent", cp_id="SILENT-1"
    )


def test_after_a_restart_chargers_have_two_minutes_to_come_back(story: Story, rules: Path) -> None:
    born = story["calm"].changed("process_start_time_seconds", lambda _: story["calm"].at)
    gone = born.changed("ocpp_cp_connected", lambda _: 0)
    assert not ever_fired(rules, [Held(gone, 110), Held(born, MINUTE)], "LevityChargerOffline")
    assert not firing(rules, [Held(gone, 3 * MINUTE)], "LevityChargerOffline")


def test_the_receiving_side_misses_what_does_not_arrive(story: Story, rules: Path) -> None:
    dead_man = rules.with_name(DEAD_MAN)
    calm = [Held(story["calm"], HOUR)]
    assert not ever_fired(dead_man, calm, "LevityNothingArrives")
    # that it is down, arrives
    assert not ever_fired(dead_man, [*calm, Held(None, HOUR)], "LevityNothingArrives")
    assert not firing(
        dead_man, [*calm, Held(None, 3 * MINUTE, arrives=False)], "LevityNothingArrives"
    )


def test_chargers_that_come_back_one_by_one_are_not_told_of(story: Story, rules: Path) -> None:
    """As long as one of them is away the whole site was, for three minutes."""
    *_, one_back = dark((ONE, 0), seconds=20)(story)
    course = dark((ONE, 0), (TWO, 0))(story)
    assert not firing(rules, [*course, *[one_back] * 6], "LevitySiteDark")
    assert firing(rules, [*course, *[one_back] * 12], "LevitySiteDark")


def test_who_never_used_litestream_hears_nothing_of_it(story: Story, rules: Path) -> None:
    never = [Held(story["calm"].beside("up", 0, **LITESTREAM), HOUR)]
    assert not ever_fired(rules, never, "LevityBackupDown")
    assert not ever_fired(rules, never, "LevityBackupStands")


def test_a_charger_alone_is_no_site(story: Story, rules: Path) -> None:
    gone = story["calm"].changed("ocpp_cp_connected", lambda _: 0)
    assert not ever_fired(
        rules, [Held(story["calm"], 5 * MINUTE), Held(gone, 5 * MINUTE)], "LevitySiteDark"
    )


OPEN = ("ocpp_tx_info", "transaction")
NAMES = {
    "LevityDisconnectedWhileCharging": (
        ("calm", "left while charging", SOON),
        OPEN,
        "Transaction {} on connector 1",
    ),
    "LevityChargerFaulted": (
        ("jumped", "faulted while charging", SOON),
        OPEN,
        "Transaction {} on connector 1",
    ),
    "LevityEnergyJump": (
        ("unbilled", "jumped", SOON),
        OPEN,
        "Transaction {} on connector 1, tag TAG.",
    ),
    "LevityEnergyUnbilled": (
        ("calm", "unbilled", SOON),
        OPEN,
        "Transaction {} on connector 1, tag TAG.",
    ),
    "LevityReviewWaits": (
        ("later", "later", DAY + HOUR),
        ("ocpp_review_opened_ts", "transaction"),
        "CP-1: transaction {} has been waiting for review (",
    ),
    "LevitySetAsideWaits": (
        ("later", "later", DAY + HOUR),
        ("ocpp_set_aside_received_ts", "set_aside"),
        "`levity-trio review` shows message {} and",
    ),
}
"""What happens before and at last, for how long; the label that names it; how the alert does."""


@pytest.mark.parametrize("alert", NAMES)
def test_an_alert_names_its_transaction(alert: str, story: Story, rules: Path) -> None:
    (before, last, seconds), (metric, label), words = NAMES[alert]
    named = {dict(labels)[label] for told, labels in story[last].samples if told == metric}
    told = words_of(rules, then((before, HOUR), (last, seconds))(story), alert, step=step(alert))
    assert named
    assert all(words.format(one) in told for one in named), told
    assert "CP-1" in told


@pytest.mark.parametrize(
    ("alert", "counter", "words"),
    [
        ("LevityAuditLost", "ocpp_audit_lost_frames_total", "1 frames were pruned"),
        ("LevityWebhookGivenUp", "ocpp_webhook_given_up_total", "1 facts were never delivered"),
    ],
)
def test_what_is_counted_is_told_as_a_whole_number(
    alert: str, counter: str, words: str, story: Story, rules: Path
) -> None:
    """Of one more after others, increase() makes 1.003, because it extrapolates to the whole
    hour."""
    before, after = (
        story["troubled"].changed(counter, lambda _, count=count: count)  # type: ignore[misc]
        for count in (7, 8)
    )
    assert f'"{words}' in words_of(
        rules, [Held(before, HOUR), Held(after, 4 * MINUTE)], alert, step=17
    )


def test_promtool_accepts_all_rules(rules: Path) -> None:
    told = subprocess.run(
        ["promtool", "check", "rules", rules, rules.with_name(DEAD_MAN)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert f"{len(FIRES)} rules found" in told.stdout
