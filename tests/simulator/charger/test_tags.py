"""Tags: the local list (§3.5.2, §5.15), the cache (§3.5.1) and groups (§3.10)."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.simulator.charger.configuration import Configuration
from levity_trio.simulator.charger.tags import MAX_CACHE, Tags

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PAST, FUTURE = "2026-03-01T11:59:59Z", "2026-03-01T12:00:01Z"
Entry = dict[str, Any]


@dataclass
class Kept:
    """The part of a charger's memory that holds tags."""

    local_list_version: int = 0
    local_list: dict[str, dict[str, Any]] = field(default_factory=dict)
    cache: dict[str, dict[str, Any]] = field(default_factory=dict)


def tags(kept: Kept | None = None, **settings: str) -> Tags:
    return Tags(kept or Kept(), Configuration({}, 1, settings))


def entry(tag: str, status: str | None = "Accepted", **more: str) -> Entry:
    return (
        {"idTag": tag}
        if status is None
        else {"idTag": tag, "idTagInfo": {"status": status, **more}}
    )


def listed(*entries: Entry, version: int = 5, **settings: str) -> Tags:
    filled = tags(None, **settings)
    assert filled.update(version, "Full", entries) == "Accepted"
    return filled


# The status of a tag


@pytest.mark.parametrize(
    ("status", "expiry", "decision"),
    [
        ("Accepted", None, "Accepted"),
        ("Accepted", FUTURE, "Accepted"),
        ("Accepted", PAST, "Expired"),
        ("Accepted", "2026-03-01T12:00:00Z", "Expired"),
        ("ConcurrentTx", PAST, "Expired"),
        ("Blocked", PAST, "Blocked"),
        ("Invalid", None, "Invalid"),
        ("Expired", FUTURE, "Expired"),
    ],
)
@pytest.mark.parametrize("place", ["list", "cache"])
def test_a_tag_is_decided_by_its_status_and_expiry(
    status: str, expiry: str | None, decision: str, place: str
) -> None:
    known = tags()
    info = {"status": status} | ({"expiryDate": expiry} if expiry else {})
    if place == "list":
        known.update(1, "Full", [{"idTag": "Card", "idTagInfo": info}])
    else:
        known.learn("Card", info)
    assert known.decide("cARD", NOON) == decision
    assert known.decide("other", NOON) is None


def test_the_list_goes_before_the_cache() -> None:
    known = tags()
    known.learn("A", {"status": "Accepted"})
    known.update(1, "Full", [entry("a", "Blocked")])
    assert known.decide("A", NOON) == "Blocked"


def test_a_tag_of_the_list_is_never_in_the_cache() -> None:
    kept = Kept()
    known = tags(kept)
    known.learn("A", {"status": "Accepted"})
    known.learn("B", {"status": "Accepted"})
    known.update(1, "Full", [entry("a", "Blocked")])
    known.learn("A", {"status": "Accepted"})
    assert kept.cache == {"b": {"status": "Accepted"}}
    known.update(2, "Differential", [entry("A", None)])
    assert known.decide("A", NOON) is None


def test_switched_off_neither_decides() -> None:
    kept = Kept(
        5,
        {"a": {"status": "Accepted", "parentIdTag": "P"}},
        {"b": {"status": "Blocked", "parentIdTag": "P"}},
    )
    off = tags(kept, LocalAuthListEnabled="false")
    assert (off.decide("A", NOON), off.decide("B", NOON), off.parent("A")) == (
        None,
        "Blocked",
        None,
    )
    off = tags(kept, AuthorizationCacheEnabled="false")
    assert (off.decide("A", NOON), off.decide("B", NOON), off.parent("B")) == (
        "Accepted",
        None,
        None,
    )
    off.learn("C", {"status": "Accepted"})
    assert kept.cache.keys() == {"b"}


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("A", "a", True),
        ("A", "B", True),  # parents p and P
        ("B", "A", True),
        ("A", "C", False),  # another parent
        ("D", "E", False),  # neither has a parent
        ("A", "unknown", False),
        ("unknown", "UNKNOWN", True),
        ("P", "A", False),  # a parent is not a tag
    ],
)
def test_groups(one: str, other: str, is_same: bool) -> None:
    known = listed(
        entry("A", parentIdTag="p"),
        entry("C", parentIdTag="Q"),
        entry("D"),
        entry("E", parentIdTag=""),
    )
    known.learn("B", {"status": "Blocked", "parentIdTag": "P"})
    assert known.is_same_group(one, other) is is_same


# The cache


def test_the_latest_answer_counts() -> None:
    known = tags()
    known.learn("A", {"status": "Accepted", "parentIdTag": "P"})
    known.learn("a", {"status": "Invalid"})
    assert (known.decide("A", NOON), known.parent("A")) == ("Invalid", None)


@pytest.mark.parametrize(
    ("setting", "answer", "left"), [("true", "Accepted", 0), ("false", "Rejected", 1)]
)
def test_clear_cache(setting: str, answer: str, left: int) -> None:
    kept = Kept(cache={"a": {"status": "Accepted"}})
    assert tags(kept, AuthorizationCacheEnabled=setting).clear_cache() == answer
    assert len(kept.cache) == left


def test_a_full_cache_loses_what_is_not_valid() -> None:
    kept = Kept()
    known = tags(kept)
    for number in range(MAX_CACHE):
        known.learn(f"T{number}", {"status": "Blocked" if number in (7, 9) else "Accepted"})
    known.learn("new", {"status": "Accepted"})
    assert (len(kept.cache), known.decide("T7", NOON), known.decide("T0", NOON)) == (
        MAX_CACHE - 1,
        None,
        "Accepted",
    )


def test_a_full_cache_loses_the_oldest() -> None:
    kept = Kept()
    known = tags(kept)
    for number in range(MAX_CACHE):
        known.learn(f"T{number}", {"status": "Accepted"})
    # already cached: it needs no room and becomes the newest
    known.learn("T1", {"status": "Accepted"})
    assert known.decide("T0", NOON) == "Accepted"
    known.learn("new", {"status": "Accepted"})
    known.learn("newer", {"status": "Accepted"})
    assert len(kept.cache) == MAX_CACHE
    assert [known.decide(tag, NOON) for tag in ("T0", "T2", "T1", "new")] == [
        None,
        None,
        "Accepted",
        "Accepted",
    ]


# The list


@pytest.mark.parametrize(
    ("version", "kind", "entries", "answer", "left", "version_after"),
    [
        pytest.param(9, "Full", [entry("C")], "Accepted", "c", 9, id="full"),
        pytest.param(2, "Full", [entry("C")], "Accepted", "c", 2, id="full, lower version"),
        pytest.param(9, "Full", [], "Accepted", "", 0, id="full, emptied"),
        pytest.param(9, "Full", None, "Accepted", "", 0, id="full, no list"),
        pytest.param(0, "Full", [], "Accepted", "", 0, id="full, emptied with version 0"),
        pytest.param(0, "Full", [entry("C")], "Failed", "ab", 5, id="full, version 0 means empty"),
        pytest.param(
            9, "Full", [entry("C", None)], "Failed", "ab", 5, id="full, without idTagInfo"
        ),
        pytest.param(9, "Full", [entry("C"), entry("c")], "Failed", "ab", 5, id="full, duplicate"),
        pytest.param(6, "Differential", [entry("C")], "Accepted", "abc", 6, id="add"),
        pytest.param(60, "Differential", [entry("C")], "Accepted", "abc", 60, id="add, with a gap"),
        pytest.param(6, "Differential", [entry("A", None)], "Accepted", "b", 6, id="delete"),
        pytest.param(
            6,
            "Differential",
            [entry("X", None)],
            "Accepted",
            "ab",
            6,
            id="delete what is not there",
        ),
        pytest.param(
            6,
            "Differential",
            [entry("A", None), entry("b", None)],
            "Accepted",
            "",
            0,
            id="delete all",
        ),
        pytest.param(6, "Differential", [], "Accepted", "ab", 6, id="nothing"),
        pytest.param(
            6, "Differential", [entry("C"), entry("c", None)], "Failed", "ab", 5, id="duplicate"
        ),
        pytest.param(
            5, "Differential", [entry("C")], "VersionMismatch", "ab", 5, id="same version"
        ),
        pytest.param(-1, "Differential", [], "VersionMismatch", "ab", 5, id="lower version"),
    ],
)
def test_updates(
    version: int, kind: str, entries: list[Entry] | None, answer: str, left: str, version_after: int
) -> None:
    kept = Kept()
    known = tags(kept)
    known.update(5, "Full", [entry("A"), entry("b")])
    assert known.update(version, kind, entries) == answer
    assert ("".join(sorted(kept.local_list)), known.version) == (left, version_after)


def test_an_update_replaces_the_whole_entry() -> None:
    known = listed(entry("A", parentIdTag="P", expiryDate=PAST))
    known.update(6, "Differential", [entry("a", "Blocked")])
    assert (known.decide("A", NOON), known.parent("A")) == ("Blocked", None)


def test_after_an_emptied_list_any_version_will_do() -> None:
    known = listed(entry("A"), version=50)
    known.update(51, "Full", [])
    assert (known.version, known.update(1, "Differential", [entry("B")]), known.version) == (
        0,
        "Accepted",
        1,
    )


def test_what_is_sent_is_bounded() -> None:
    known = listed(entry("A"), SendLocalListMaxLength="2", LocalAuthListMaxLength="3")
    three = [entry(tag) for tag in "BCD"]
    assert known.update(6, "Differential", three) == "Failed"
    assert known.update(6, "Full", three) == "Failed"
    assert known.update(6, "Differential", three[:2]) == "Accepted"
    assert known.update(7, "Differential", three[2:]) == "Failed"  # four in the list
    assert known.update(7, "Differential", [entry("A", None), entry("D")]) == "Accepted"
    assert (known.version, known.decide("D", NOON)) == (7, "Accepted")


def test_a_list_that_is_switched_off_is_not_supported() -> None:
    kept = Kept(5, {"a": {"status": "Accepted"}})
    off = tags(kept, LocalAuthListEnabled="false")
    assert (off.version, off.update(6, "Full", [entry("B")])) == (-1, "NotSupported")
    assert (kept.local_list_version, list(kept.local_list)) == (5, ["a"])


def test_the_memory_shares_nothing_with_the_message() -> None:
    kept = Kept()
    sent = [entry("A")]
    tags(kept).update(1, "Full", sent)
    sent[0]["idTagInfo"]["status"] = "Blocked"
    assert kept.local_list == {"a": {"status": "Accepted"}}


# Hypothesis: the model is a list of pairs, without dicts

names = st.sampled_from(["A", "a", "B", "b", "C", "D", "e"])
entries = st.lists(
    st.builds(entry, names, st.sampled_from(["Accepted", "Blocked", None])), max_size=5
)
updates = st.tuples(
    st.integers(-1, 12), st.sampled_from(["Full", "Differential"]), st.none() | entries
)

Model = tuple[int, list[tuple[str, str]]]


def expected(model: Model, version: int, kind: str, sent: list[Entry]) -> tuple[str, Model]:
    present, pairs = model
    upper = [one["idTag"].upper() for one in sent]
    if kind == "Differential" and version <= present:
        return "VersionMismatch", model
    if len(sent) > 4 or any(upper.count(tag) > 1 for tag in upper):
        return "Failed", model
    if kind == "Full" and any("idTagInfo" not in one for one in sent):
        return "Failed", model
    after = [] if kind == "Full" else [pair for pair in pairs if pair[0] not in upper]
    after += [
        (tag, one["idTagInfo"]["status"])
        for tag, one in zip(upper, sent, strict=True)
        if "idTagInfo" in one
    ]
    if len(after) > 3 or (after and version <= 0):
        return "Failed", model
    return "Accepted", (version if after else 0, after)


@given(st.lists(updates, max_size=8))
def test_after_any_updates_list_and_version_are_as_a_simple_model_says(
    sequence: list[tuple[int, str, list[Entry] | None]],
) -> None:
    kept = Kept()
    known = tags(kept, SendLocalListMaxLength="4", LocalAuthListMaxLength="3")
    model: Model = (0, [])
    for version, kind, sent in sequence:
        answer, model = expected(model, version, kind, sent or [])
        assert known.update(version, kind, sent) == answer
        assert known.version == kept.local_list_version == model[0]
        assert sorted(
            (tag.upper(), info["status"]) for tag, info in kept.local_list.items()
        ) == sorted(model[1])


@given(
    st.lists(
        st.tuples(names, st.sampled_from(["Accepted", "Blocked"]), st.integers(0, 2)), max_size=12
    )
)
def test_the_cache_has_the_last_answer_of_each_tag(learned: list[tuple[str, str, int]]) -> None:
    known = tags()
    for tag, status, days in learned:
        expiry = (NOON + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        known.learn(tag, {"status": status, "expiryDate": expiry})
    for name in "ABCDE":
        answers = [
            "Expired" if status == "Accepted" and not days else status
            for tag, status, days in learned
            if tag.upper() == name
        ]
        assert known.decide(name, NOON) == (answers[-1] if answers else None)
