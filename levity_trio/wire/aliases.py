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
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

WORDS: Final = Path(__file__).with_name("plain_words.txt").read_text(encoding="ascii").splitlines()
"""Words that name nobody. A property with one of some kind in its name has something personal, or
with + counts something; one that is listed behind = has what a maker named."""
LISTED: Final = {word: kind for word, _, kind in (line.partition(" ") for line in WORDS)}
PLAIN, COUNT, OTHER, MADE = "", "+", "?", "made"
"""Kinds of properties that have nothing personal; those of the others come behind OTHER."""
LEAST: Final = 3
"""Characters of the shortest name that is looked for in other properties."""
LEAST_WITHIN: Final = 5
"""Characters of the shortest name that is looked for within other words."""
ALIAS: Final = r"<(?:car|card|charger|host|name|phone|place|secret|serial|word)-\d+>"
_WORD: Final = re.compile(r"L[123]|[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_HEX: Final = re.compile(r"(?:[0-9a-f]{2}){4,10}")
_NUMBER: Final = re.compile(r"[+-]?\d{1,12}(\.\d+)?")
_KEPT: Final = re.compile(rf"|\*{{3}}|true|false|null|{ALIAS}")
"""What is no name, whatever the property."""
_TIME: Final = r"20\d\d-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:?\d\d)?"
_CODE: Final = re.compile(
    r"[A-Za-z]|SoC|NaN|k?Wh?|k?VA|k?varh?|[A-Za-z]?-?\d{1,3}[A-Za-z]{0,2}|0[xX][0-9A-Fa-f]{1,4}|L\d-(N|L\d)"
    rf"|{_TIME}|{ALIAS}"
)
"""Errors, amperes, phases, times and what is hidden already."""
_ADDRESS: Final = r"@|://|::|(?:[0-9A-Fa-f]{2}[:-]){5}"
_STRANGE: Final = re.compile(
    rf"[^\x00-\x7f]|(?:\d\D*){{5}}|(?:\d+\.){{3}}\d|{_ADDRESS}|(?i:\.(?:local|lan|home|box|com|net|org|de|at|ch|eu|me)\b)"
)
"""What is in no plain word: more digits than a code has, and addresses."""
_LONG: Final = re.compile(
    rf"(?<!\S)\S*(?:{_ADDRESS})\S*|(?<![0-9A-Fa-f])(?!20[23]\d)(?=\w*\d)[0-9A-Fa-f]{{9,}}"
)
"""What no maker names so: addresses and long numbers, which do not begin with a year."""
_LATE_KEY: Final = re.compile(
    r'((?<!\\)\\*+"value\\*"\s*:[^{}]{0,999}),(\s*\\*"key\\*"\s*:\s*\\*"[^"\\]*\\*")'
)
_BYTES: Final = (
    r"\b(?:0[xX])?[0-9A-Fa-f]{1,3}"
    r'(?:\\*"?[ ,:;|_-]{1,2}\\*"?(?:0[xX])?[0-9A-Fa-f]{1,3}){3,}\b'
)
_TOKEN: Final = re.compile(
    rf"{_TIME}|{ALIAS}|{_BYTES}"
    r"|(?<!\w)(?=(?:[ ()/+-]{0,3}\d){7})[+(]{0,2}\d[\d ()/-]{5,30}\d\b"  # a long number, as printed
    # a property, or what a text tells so
    r'|(?P<head>(?:(?P<quote>(?<!\\)\\*+")|\b(?=(?i:card|key|password|passwd|phone|pin|psk|puk|pwd|rfid'
    r"|ssid|tag|token|uid|user|vin)(?:\s*[:=]|\s+\d)))"
    r"(?P<name>[A-Za-z_-]{1,40})(?(quote)(?P=quote)\s*:|\s*[:=]?)\s*(?(quote)(?P=quote)?))"
    rf'(?P<value>(?<=")(?:[^"\\]|\\/)*|(?<!")(?:{_BYTES}|[-+.\w]+))'
    r"|\w+:(?:\\?/){2}[^\s\"'\\]+"
    r"|[^\s,;=\"'(){}\[\]<>|/\\]+"
)


class Aliases:
    """The aliases of one file. Names, each behind its kind, and what frames tell to be one, are
    hidden wherever they stand. `given` has the aliases of each kind."""

    def __init__(self, names: Iterable[tuple[str, str]] = (), frames: Iterable[str] = ()) -> None:
        self.given = defaultdict[str, dict[str, str]](dict)
        self._known: dict[str, tuple[str, str]] = {}
        for kind, name in names:
            self._learn(kind, name)
        # What one frame tells to be a card is hidden in those before it, too.
        for frame in frames:
            self.text(frame)
        self.given.clear()

    def _learn(self, kind: str, name: str) -> None:
        """Know a name; what may be a card also backwards, and as a number."""
        key = _normal(name)
        forms = [key]
        if _HEX.fullmatch(key):
            backwards = bytes.fromhex(key)[::-1].hex()
            forms += backwards, str(int(key, 16)), str(int(backwards, 16))
        for form in forms:
            if len(form) >= LEAST and form not in LISTED:
                self._known.setdefault(form, (kind, key))

    def _alias(self, name: str, kind: str = "word") -> str:
        """Return the alias of a name; the kind counts if it is not known."""
        key = _normal(name)
        kind, key = self._known.get(key, (kind, key or name))
        given = self.given[kind]
        return given.setdefault(key, f"<{kind}-{len(given) + 1}>")

    def text(self, text: str) -> str:
        """Return a text or a frame; in it, a key comes before its value."""
        # The values of samples count; those of a configuration are what their keys say.
        self._key = "meter" if "sampledValue" in text else "value"
        return _TOKEN.sub(self._token, _LATE_KEY.sub(r"\2,\1", self._without_known(text)))

    def facts(self, facts: Any) -> Any:
        """Return JSON values without numbers. Signs that JSON escapes become '."""
        text = re.sub(r"\\(u.{4}|.)", "'", json.dumps(facts, ensure_ascii=False))
        return json.loads(self.text(text))

    def _without_known(self, text: str) -> str:
        """Hide all that is known, whatever signs stand in between."""
        normal = _normal(text)
        for form in self._known:
            if len(form) >= LEAST_WITHIN and form in normal:
                # a name is a whole word; a number may stand behind letters
                edge = r"[^\W_]" if form.isalpha() else r"\d"
                spelt = r"[ :.,/\-_]{0,3}".join(form)
                whole = rf"(?i)(?<!{edge}){spelt}(?!{edge})"
                text = re.sub(whole, self._alias(form), text)
        return text

    def _token(self, found: re.Match[str]) -> str:
        head, name, value = found.group("head", "name", "value")
        if name is None or _normal(name) in self._known:
            is_shown = _is_plain(found[0]) and _normal(found[0]) not in self._known
            return found[0] if is_shown else self._alias(found[0])
        kind = _kind_of(self._key if name == "value" else name)
        if name == "key":
            self._key = value
        if _KEPT.fullmatch(value) or (kind == COUNT and _NUMBER.fullmatch(value)):
            return found[0]
        if kind == MADE:
            return head + _LONG.sub(lambda long: self._alias(long[0]), value)
        if kind <= OTHER:
            return head + _TOKEN.sub(self._token, value)
        self._learn(kind, value)
        return head + self._alias(value, kind)


def _normal(text: str) -> str:
    return re.sub(r"[\W_]", "", text).lower()


def _kind_of(name: str) -> str:
    """Return what a property of this name has. It counts something only if all its words are
    listed: who knows what a memberSession is?"""
    kinds = [LISTED.get(word.lower(), OTHER) for word in _WORD.findall(name)]
    return LISTED.get(f"={name.lower()}") or max(kinds, default=PLAIN)


def _is_plain(token: str) -> bool:
    is_listed = all(word.lower() in LISTED for word in _WORD.findall(token))
    return bool(_CODE.fullmatch(token)) or (is_listed and not _STRANGE.search(token))
