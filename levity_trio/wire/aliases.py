"""What a site sent and was sent, as strangers may read it: what names somebody or something becomes
an alias, the same for the same.

A word stays only if it is listed as one that names nobody, and a number only if it is short or
counts something. So what nobody thought of is hidden, too. Frames are read as text, because those
that are broken matter most.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

WORDS: Final = Path(__file__).with_name("plain_words.txt").read_text(encoding="ascii").splitlines()
"""Words that name nobody. A property with one of some kind in its name counts something, or has
something personal; one that is listed behind = has what a maker named."""
LISTED: Final = {word: kind for word, _, kind in (line.partition(" ") for line in WORDS)}
PLAIN, COUNT, MADE, OTHER = "", "count", "made", "other"
CARD: Final = "card"
KEPT: Final = ("", "***", "true", "false", "null")
"""What is no name, whatever the property."""
LEAST: Final = 3
"""Characters of the shortest name that is looked for in other properties."""
LEAST_WITHIN: Final = 5
"""Characters of the shortest name that is looked for within other words."""
MOST_DIGITS: Final = 4
_WORD: Final = re.compile(r"L[123]|[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_HEX: Final = re.compile(r"(?:[0-9a-f]{2}){4,10}")
_NUMBER: Final = re.compile(r"[+-]?\d{1,12}(\.\d+)?")
_CODE: Final = re.compile(
    r"[A-Za-z]|SoC|k?Wh?|k?VA|k?varh?|[A-Za-z]?\d{1,3}[A-Za-z]{0,2}|0[xX][0-9A-Fa-f]{1,4}|L\d-(N|L\d)"
    r"|20\d\d-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?(Z|[+-]\d\d:?\d\d)?"
)
"""Errors, amperes, phases and times."""
_ADDRESS: Final = re.compile(r"@|://|::|\d+\.\d+\.\d+\.\d+|([0-9A-Fa-f]{2}[:-]){5}")
_LONG: Final = re.compile(
    rf"\S*(?:{_ADDRESS.pattern})\S*|(?<![0-9A-Fa-f])(?!20[23]\d)(?=\w*\d)[0-9A-Fa-f]{{9,}}"
)
"""What no maker names so: addresses and long numbers, which do not begin with a year."""
_ALIAS: Final = re.compile(rf"<(?:word|number|{'|'.join({*LISTED.values()} - {PLAIN})})-\d+>")
_TOKEN: Final = re.compile(
    r'(?P<quote>\\*")(?P<name>[A-Za-z_-]{1,40})(?P=quote)\s*:\s*'  # a property
    r'(?P<mark>(?P=quote)?)(?P<value>(?<=")[^"\\]*|(?<!")[-+.\w]+)(?P=mark)'
    rf"|{_ALIAS.pattern}"
    r"|\b[0-9A-Fa-f]{2}(?P<sign>[ :.-])[0-9A-Fa-f]{2}(?:(?P=sign)[0-9A-Fa-f]{2}){2,}\b"  # a card
    r"|\b\d{3,4}(?:[ -]\d{3,4}){2,}\b"  # a long number, as printed
    r"|\b\d{1,3}(?:[ ,]{1,2}\d{1,3}){3,}\b"  # its bytes
    r"|0[xX][0-9A-Fa-f]{2}(?:[ ,:;]{1,2}0[xX][0-9A-Fa-f]{2}){3,}"
    r"|\w+:(?:\\?/){2}[^\s\"'\\]+"
    r"|[^\s,;=\"'(){}\[\]<>|/\\]+"
)


class Aliases:
    """The aliases of one file. `known` has the names that are hidden wherever they stand: each form
    of one with its kind and its usual form. `given` has the aliases of each kind."""

    def __init__(self, known: dict[str, tuple[str, str]]) -> None:
        self.known = known
        self.given = defaultdict[str, dict[str, str]](dict)
        self._key = ""

    def learn(self, kind: str, name: str) -> None:
        """Know a name; that of a card also backwards, and as a number."""
        key = _normal(name)
        for form in _forms(key) if kind == CARD else (key,):
            if len(form) >= LEAST and form not in LISTED:
                self.known.setdefault(form, (kind, key))

    def alias(self, kind: str, name: str) -> str:
        """Return the alias of a name; the kind counts if it is not known."""
        key = _normal(name) or name
        kind, key = self.known.get(key, (kind, key))
        given = self.given[kind]
        return given.setdefault(key, f"<{kind}-{len(given) + 1}>")

    def text(self, text: str) -> str:
        """Return a text or a frame."""
        # The values of samples count; those of a configuration are what their keys say.
        self._key = "meter" if "sampledValue" in text else "value"
        return _TOKEN.sub(self._token, self._without_known(text))

    def facts(self, facts: Any) -> Any:
        """Return JSON values without numbers. Signs that JSON escapes become '."""
        text = re.sub(r"\\(u.{4}|.)", "'", json.dumps(facts, ensure_ascii=False))
        return json.loads(self.text(text))

    def _without_known(self, text: str) -> str:
        """Hide all that is known, whatever signs stand in between."""
        normal = _normal(text)
        for form, (kind, _key) in self.known.items():
            if len(form) >= LEAST_WITHIN and form in normal:
                spelt = r"[ :.,/\-_]{0,3}".join(map(re.escape, form))
                # a name is a whole word; a number may stand behind letters
                edge = r"[^\W_]" if form.isalpha() else r"\d"
                whole = rf"(?<!{edge}){spelt}(?!{edge})"
                text = re.sub(whole, self.alias(kind, form), text, flags=re.IGNORECASE)
        return text

    def _token(self, found: re.Match[str]) -> str:
        token, name, value = found.group(0, "name", "value")
        if name is None:
            is_shown = _is_plain(token) and _normal(token) not in self.known
            return token if is_shown or _ALIAS.fullmatch(token) else self._alias(found)
        kind = _kind_of(self._key if name == "value" else name)
        if name == "key":
            self._key = value
        is_count = kind == COUNT and _NUMBER.fullmatch(value)
        if value in KEPT or is_count or _ALIAS.fullmatch(value):
            shown = value
        elif kind == MADE:
            shown = _LONG.sub(self._alias, value)
        elif kind in (PLAIN, COUNT):
            shown = _TOKEN.sub(self._token, value)
        else:
            self.learn(kind, value)
            shown = self.alias(kind, value)
        title = self.alias("word", name) if _normal(name) in self.known else name
        if (title, shown) == (name, value):
            return token
        quote = found["quote"]  # a number becomes a text
        return f"{quote}{title}{quote}:{quote}{shown}{quote}"

    def _alias(self, found: re.Match[str]) -> str:
        if _ADDRESS.search(found[0]):
            return self.alias("host", found[0])
        return self.alias("word" if _WORD.search(found[0]) else "number", found[0])


def _normal(text: str) -> str:
    return "".join(sign.lower()[:1] for sign in text if sign.isalnum())


def _forms(key: str) -> Iterator[str]:
    """Yield how chargers tell the number of one card: also backwards, and in decimal digits."""
    yield key
    if _HEX.fullmatch(key):
        backwards = bytes.fromhex(key)[::-1].hex()
        yield from (backwards, str(int(key, 16)), str(int(backwards, 16)))


@cache
def _kind_of(name: str) -> str:
    """Return what a property of this name has. It counts something only if all its words are
    listed: who knows what a memberSession is?"""
    kinds = {LISTED.get(word.lower(), OTHER) for word in _WORD.findall(name)}
    common = COUNT if {COUNT} <= kinds <= {PLAIN, COUNT} else PLAIN
    personal = min(kinds - {PLAIN, COUNT, OTHER}, default=common)
    return LISTED.get(f"={name.lower()}", personal)


@cache
def _is_plain(token: str) -> bool:
    if _CODE.fullmatch(token):
        return True
    is_short = token.isascii() and sum(map(str.isdigit, token)) <= MOST_DIGITS
    is_listed = all(word.lower() in LISTED for word in _WORD.findall(token))
    return is_short and is_listed and not _ADDRESS.search(token)
