"""Masking: secrets become `***` before they reach a log, a command, a configuration or a fact
(whitepaper A01.FR.09).

A secret is the value of a configuration key, of a property or of a URL parameter whose name
suggests a secret, and the user:password of a URL; so is the path of a URL at which chargers send
and fetch files, a token, and the one-time code of a user.
"""

import re
from typing import Any, Final

import orjson

MASK: Final = "***"
MAX_CONTAINERS: Final = 20_000
"""Lists and objects of a frame that is parsed. Frames of readings within the default of
--max-message-bytes have fewer; parsing and masking hundreds of thousands takes a second, for which
nobody else is served."""
LONGEST_KEY: Final = 500
"""Characters of a configuration key that is looked at; OCPP 1.6 has 50."""
KEY: Final = '"key"'
"""With this a frame has configuration keys, of which each may name a secret."""
TRIMMED: Final = (
    "\ufeff\0 \t\r\n"  # around a frame: a byte order mark, the NUL of a C string, white space
)

_NAME = re.compile(r"password|secret|token|authorizationkey", re.IGNORECASE)
# Chargers have configuration keys of their own for passwords, PINs, SIM cards and the like (seen:
# G_CardPin, G_Authentication, apnInfo). The long names are found within a word, too. A short one is
# a word of its own: the name pingInterval has no PIN.
_LONG_NAME = re.compile(
    rf"{_NAME.pattern}|passwd|passphrase|passcode|credential|authentication|private_?key",
    re.IGNORECASE,
)
_SHORT_NAMES: Final = frozenset(
    ("pin", "pins", "simpin", "pass", "pwd", "psk", "apn", "apns", "apninfo")
)
_WORD = re.compile(r"[A-Z]+(?:s(?![a-z])|(?![a-z]))|[A-Z]?[a-z]+")
"""One word of a name, which is split at case, digits and punctuation."""
_KEY_OF_PIECE = re.compile(r'"key"\s*+:\s*+"([^"]{0,200})"')
_VALUE_OF_PIECE = re.compile(r'("value"\s*+:)\s*+(?:"(?:[^"\\]++|\\.)*+"?|[^,}\]]*+)', re.DOTALL)
_PIECE = re.compile(r"[^{}]++")
_USER_INFO = re.compile(r"://[^\s/@\"]*@")
_FILE = re.compile(r"/f/[a-z2-7]{32}")
# Our tokens and one-time codes, wherever they stand; in a URL as it was sent, an underscore may be
# escaped.
_CODE = re.compile(r"(?:invite|levity)(?:_|%5[Ff])[0-9]{1,18}(?:_|%5[Ff])[A-Za-z0-9_%-]+")
_KEY_OF_URL = re.compile(r"key|auth|pass|pwd|appid|credential|sig(?:nature)?=", re.IGNORECASE)
"""Names of parameters by which services know who asks, beside those that name any secret."""
_PARAMETER = re.compile(r"([?&;][^\s=&?;\"]*=)[^\s&;\"]*")
_NAMED_PART = re.compile(
    r"(?i:(/(?:(?:access|auth|api)[_-]?)?(?:token|secret|password|key)/))[^\s/?\"]+"
)
# A property with such a name, and its value. The quantifiers are possessive and names bounded, so
# that no text makes matching slow.
_PROPERTY = re.compile(
    r'("(?=[^"]{0,100}?(?:password|secret|token|authorizationkey))(?:[^"\\]|\\.){0,200}+"\s*+:)'
    r'\s*+(?:"(?:[^"\\]++|\\.)*+"?|[^,}\]]*+)',
    re.IGNORECASE,
)


def has_url(text: str) -> bool:
    """Whether a frame may contain a URL, and so a password in one."""
    return "/" in text and ("://" in text or r":\/" in text)


def is_too_wide(text: str) -> bool:
    """Whether a frame may have more than MAX_CONTAINERS lists and objects. Those in texts count
    too."""
    return len(text) > MAX_CONTAINERS and text.count("[") + text.count("{") > MAX_CONTAINERS


def masked_url(text: str) -> str:
    """Return the text with the secrets of its URLs masked."""
    text = _CODE.sub(MASK, _FILE.sub(f"/f/{MASK}", _USER_INFO.sub(f"://{MASK}@", text)))
    text = _NAMED_PART.sub(rf"\1{MASK}", text)
    return _PARAMETER.sub(_masked_parameter, text)


def is_secret_key(key: str) -> bool:
    """Whether a configuration key is one for a secret, by its name. Of the standard keys only
    AuthorizationKey is.

    One that is longer than any name counts as one, unread.
    """
    return (
        len(key) > LONGEST_KEY
        or _LONG_NAME.search(key) is not None
        or not _SHORT_NAMES.isdisjoint(map(str.lower, _WORD.findall(key)))
    )


def masked_value(value: Any) -> Any:
    """Return a copy of a JSON value with its secrets masked: by property name, by configuration
    key, in URLs."""
    if isinstance(value, str):  # which may be JSON itself
        return masked_frame(value) if '"' in value else masked_url(value)
    if isinstance(value, list):
        return [masked_value(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    names_secret = isinstance(key := value.get("key"), str) and is_secret_key(key)
    return {
        name: MASK
        if _NAME.search(name) or (names_secret and name == "value")
        else masked_value(inner)
        for name, inner in value.items()
    }


def masked_fragment(text: str) -> str:
    """Return a piece of JSON text, perhaps truncated, with its secrets masked by the names of
    properties and keys."""
    masked = _PROPERTY.sub(rf'\1"{MASK}"', masked_url(text))
    return _PIECE.sub(_masked_piece, masked) if KEY in masked else masked


def _masked_piece(piece: re.Match[str]) -> str:
    key = _KEY_OF_PIECE.search(piece[0])
    # an escape may hide the name
    is_secret = key is not None and ("\\" in key[1] or is_secret_key(key[1]))
    return _VALUE_OF_PIECE.sub(rf'\1"{MASK}"', piece[0]) if is_secret else piece[0]


def masked_frame(text: str) -> str:
    """Return a frame with its secrets masked. One that is not JSON, or too wide, is masked by its
    text alone."""
    if not may_hold_secret(text):
        return text
    if is_too_wide(text):
        return masked_fragment(text)
    try:
        value = orjson.loads(text.strip(TRIMMED))
        masked = masked_value(value)
        return text if masked == value else orjson.dumps(masked).decode()
    except (orjson.JSONDecodeError, TypeError, RecursionError):
        return masked_fragment(text)


def may_hold_secret(text: str) -> bool:
    """A quick test of every frame, below a microsecond. A backslash may hide a name, so such a
    frame is parsed."""
    if (
        "\\" in text
        or KEY in text
        or "levity_" in text
        or "invite_" in text
        or ("/" in text and "://" in text)
    ):
        return True
    if not text.isascii():
        return _NAME.search(text) is not None
    lowered = text.lower()
    return (
        "password" in lowered
        or "secret" in lowered
        or "token" in lowered
        or "authorizationkey" in lowered
    )


def _masked_parameter(parameter: re.Match[str]) -> str:
    is_secret = _NAME.search(parameter[1]) or _KEY_OF_URL.search(parameter[1])
    return f"{parameter[1]}{MASK}" if is_secret else parameter[0]
