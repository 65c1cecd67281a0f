"""Who may charge: the policy against a model of ten lines, the normal form of tags, groups, and the
index."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from levity_trio.access.tags import Index, Policy, Status, Tag, Unknown, Verdict, concurrent
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
    """The policy as rules.md says it, in as few words as possible."""
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
