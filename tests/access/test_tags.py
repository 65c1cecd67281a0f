"""Who may charge: the policy against a model of ten lines, the normal form of tags, groups, and the
index."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from levity_trio.access.tags import (
    Index,
    LookAlikes,
    Policy,
    Status,
    Tag,
    Unknown,
    Verdict,
    concurrent,
    printed,
)
from levity_trio.events import TagChanged
from levity_trio.wire.times import stamp

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TIMES = [stamp(NOW + timedelta(seconds=seconds)) for seconds in (-86_400, -1, 0, 1, 86_400)]
AT = stamp(NOW)
LETTERS = "aB-19 é"

tags = st.builds(
    Tag,
    st.sampled_from(["Accepted", "Blocked"]),
    st.none() | st.sampled_from(TIMES),
    st.none() | st.text(LETTERS, min_size=1, max_size=3),
    st.none() | st.integers(1, 3),
)
policies = st.builds(
    Policy,
    st.sampled_from(Unknown),
    st.none() | st.just(re.compile(r"(?:-[0-9]+)\Z")),
    st.none() | st.just("anonymous"),
)


def expected(policy: Policy, id_tag: str, tag: Tag | None, running: int) -> str:
    """The policy, in as few words as possible."""
    if tag is None:
        return "Accepted" if policy.unknown == "accept" or id_tag == policy.own else "Invalid"
    if tag.status == "Blocked":
        return "Blocked"
    if tag.expires_at and tag.expires_at <= AT:
        return "Expired"
    return "ConcurrentTx" if tag.most and running >= tag.most else "Accepted"


@given(
    policies,
    st.text(LETTERS, max_size=4) | st.just("anonymous"),
    st.none() | tags,
    st.integers(0, 4),
)
@example(Policy(), "A", Tag("Accepted", AT, None, None), 0)
def test_the_policy(policy: Policy, id_tag: str, tag: Tag | None, running: int) -> None:
    shown = policy.judge(policy.key(id_tag), tag, AT)
    assert concurrent(shown, tag, running).status == expected(policy, id_tag, tag, running)
    assert shown.status == expected(policy, id_tag, tag, 0)  # never ConcurrentTx for an Authorize
    assert (shown.expiry, shown.parent) == (
        (None, None) if tag is None else (tag.expires_at, tag.parent)
    )


# The normal form


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ABC", "abc"),
        (" ABC\t", "ABC"),
        ("ABC-2", "abc"),
        ("ABC -2", "abc"),
        ("É1", "É1"),
        ("A" * 25, "a" * 25),
    ],
)
def test_two_tags_are_the_same(one: str, other: str) -> None:
    policy = Policy(strip=re.compile(r"(?:-[0-9]+)\Z"))
    assert policy.key(one) == policy.key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("É1", "é1"),
        ("K1", "\N{KELVIN SIGN}1"),
        ("ABC", "AB C"),
        ("ABC-2", "ABC-2x"),
        ("AB-1-2", "AB"),
        ("", "0"),
    ],
)
def test_two_tags_are_not_the_same(one: str, other: str) -> None:
    """Only ASCII letters lose their case: other alphabets have letters that fall together."""
    policy = Policy(strip=re.compile(r"(?:-[0-9]+)\Z"))
    assert policy.key(one) != policy.key(other)


@given(st.text(LETTERS, max_size=6))
def test_a_pattern_for_everything_does_not_make_all_tags_one(id_tag: str) -> None:
    assert Policy(strip=re.compile(r"(?:.*)\Z")).key(id_tag) == Policy().key(id_tag)


@given(st.text(LETTERS, max_size=6))
def test_the_normal_form_of_a_normal_form_is_itself(id_tag: str) -> None:
    key = Policy().key(id_tag)
    assert Policy().key(key) == key


# Groups


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        (("A", "family"), ("B", "FAMILY "), True),
        (("A", "B"), ("B", None), True),
        (("A", None), ("B", None), False),
        (("A", "family"), ("B", "others"), False),
        (("A", "family", None), ("B", None), False),
    ],
)
def test_a_group(
    one: tuple[str | None, ...], other: tuple[str | None, ...], together: bool
) -> None:
    assert Policy().are_together(one, other) is together
    assert Policy().are_together(other, one) is together


# What takes a tag away


@pytest.mark.parametrize(
    ("unknown", "before", "after", "is_withdrawn"),
    [
        (Unknown.ACCEPT, Tag("Accepted", None, None, None), Tag("Blocked", None, None, None), True),
        (
            Unknown.ACCEPT,
            Tag("Accepted", None, None, None),
            Tag("Accepted", TIMES[0], None, None),
            True,
        ),
        (Unknown.ACCEPT, Tag("Accepted", None, None, None), None, False),
        (Unknown.REFUSE, Tag("Accepted", None, None, None), None, True),
        (Unknown.ACCEPT, None, Tag("Blocked", None, None, None), True),
        (Unknown.REFUSE, None, Tag("Blocked", None, None, None), False),
        (
            Unknown.REFUSE,
            Tag("Blocked", None, None, None),
            Tag("Accepted", None, None, None),
            False,
        ),
    ],
)
def test_a_tag_is_withdrawn(
    unknown: Unknown, before: Tag | None, after: Tag | None, is_withdrawn: bool
) -> None:
    assert Policy(unknown).is_withdrawn("a", before, after, AT) is is_withdrawn


# In memory


@given(st.dictionaries(st.text(max_size=5), tags))
def test_the_index_finds_what_was_put(known: dict[str, Tag]) -> None:
    index = Index(Policy(Unknown.REFUSE))
    for key, tag in known.items():
        index.put(key, tag)
    assert {key: index.find(key) for key in known} == known
    assert len(index) == len(known)
    for key in known:
        index.put(key, None)
        assert index.find(key) is None


def test_the_index_follows_facts() -> None:
    index = Index(Policy(Unknown.REFUSE))
    for change, status, verdict in (
        ("added", "Accepted", Verdict(Status.ACCEPTED, None, "family")),
        ("blocked", "Blocked", Verdict(Status.BLOCKED, None, "family")),
        ("removed", "Blocked", Verdict(Status.INVALID)),
    ):
        index.observe(
            TagChanged(
                charger=None,
                at=AT,
                id_tag="Card",
                change=change,
                status=status,
                expires_at=None,
                parent_id_tag="family",
                max_transactions=None,
                by="anna",
            )
        )
        assert index.policy.judge("card", index.find("card"), AT) == verdict


# As printed, and as other readers read it


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("04 A2 B3 C9", "04A2B3C9"),
        ("04:a2:b3:c9:d1:5e:80", "04A2B3C9D15E80"),
        ("04-a2-b3-c9", "04A2B3C9"),
        ("04A2B3C9", "04A2B3C9"),
        ("04A1B2C3-12", "04A1B2C3-12"),
        ("04 A2:B3 C9", "04 A2:B3 C9"),
        ("Flat 3", "Flat 3"),
        ("12-34-56", "12-34-56"),
    ],
)
def test_a_card_is_taken_as_it_is_printed(text: str, sent: str) -> None:
    assert printed(text) == sent


def test_a_card_that_is_known_with_signs_stays_so() -> None:
    index = Index(Policy())
    index.put("04:a2:b3:c9", Tag("Accepted", None, None, None))
    assert index.entered("04:A2:B3:C9") == "04:A2:B3:C9"
    assert index.entered("04:A2:B3:CA") == "04A2B3CA"


CARD = "04a2b3c9d15e80"


@pytest.mark.parametrize(
    ("read", "how"),
    [
        ("805ed1c9b3a204", "backwards"),
        ("000004a2b3c9d15e80", "otherwise"),
        ("4a2b3c9d15e80", "otherwise"),
        ("04a2b3c9d15e800000", "otherwise"),
        ("04a2b3c9d15e", "short"),
        ("a2b3c9d15e80", "short"),
        ("04a2b3c9", "short"),
        ("c9b3a204", "short"),
        ("c9d15e80", "short"),
        (str(0x04A2B3C9D15E80), "otherwise"),
        (str(0x805ED1C9B3A204), "backwards"),
        (CARD, None),
        ("04a2b3c9d15e81", None),
        ("04a2b3", None),
        ("b3c9d15e", None),
        ("flat 3", None),
        ("00000000", None),
    ],
)
def test_what_another_reader_makes_of_a_card(read: str, how: str | None) -> None:
    found = LookAlikes([CARD, "0badc0de", "00000000", "anna"]).of(read)
    assert found == ({} if how is None else {CARD: how})


def test_a_longer_reading_of_a_short_card() -> None:
    assert LookAlikes(["04a2b3c9"]).of(CARD) == {"04a2b3c9": "short"}
    assert LookAlikes(["04a2b3c9"]).of("04a2b3") == {"04a2b3c9": "short"}
    assert [*LookAlikes(["04a2b3c9", CARD]).of("04a2b3c9d1")] == ["04a2b3c9"]


@given(st.binary(min_size=4, max_size=7), st.lists(st.binary(min_size=4, max_size=7), max_size=20))
def test_a_card_read_backwards_is_found_among_others(card: bytes, others: list[bytes]) -> None:
    found = LookAlikes([card.hex(), *(one.hex() for one in others)]).of(card[::-1].hex())
    is_found = card != card[::-1] and len(card.strip(b"\0")) >= 3
    assert not is_found or card.hex() in found
