"""Passwords of users are stretched as OWASP advises. Other tests let them take no processor."""

from __future__ import annotations

from levity_trio.access.user_passwords import NOBODYS, is_of

STORED = (
    "6dcdef8878598529b4256e683569c1327e33ec09a480ad293108711090d676bf"
    "b870075198470ab55aba41a44e152910379eae0d92d2a9054363f2b51249b264"
)
"""By scrypt with N = 2^13, r = 8 and p = 10: a quarter of a second for each guess."""


def test_what_was_stored_at_this_cost_is_a_password_for_ever() -> None:
    assert is_of(NOBODYS._replace(digest=STORED), "Bauhof 12 im März")
