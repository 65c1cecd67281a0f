"""Secrets become `***` before a log, a command, a configuration or a fact sees them (security whitepaper A01.FR.09).

A secret is the value of a configuration key or of a property that is named like one, a parameter of a URL that is, and
the user:password of a URL.
"""

import re
from typing import Any, Final

import orjson

MASK: Final = "***"
TRIMMED: Final = "\ufeff\0 \t\r\n"  # around a frame: a byte order mark, the end of a string in C

_NAME = re.compile(r"password|secret|token|authorizationkey", re.IGNORECASE)
_USER_INFO = re.compile(r"://[^\s/@\"]*@")
_PARAMETER = re.compile(r"([?&][^\s=&?\"]*=)[^\s&\"]*")
# A property that is named so, and its value. Possessive and with names of a bounded length, so that no text makes it
# slow.
_PROPERTY = re.compile(
    r'("(?=[^"]{0,100}?(?:password|secret|token|authorizationkey))(?:[^"\\]|\\.){0,200}+"\s*+:)'
    r'\s*+(?:"(?:[^"\\]++|\\.)*+"?|[^,}\]]*+)',
    re.IGNORECASE,
)


def has_url(text: str) -> bool:
    """Whether a frame may hold a URL, and so a password in one."""
    return "/" in text and ("://" in text or r":\/" in text)


def masked_url(text: str) -> str:
    """A text with the secrets of the URLs in it masked."""
    return _PARAMETER.sub(_masked_parameter, _USER_INFO.sub(f"://{MASK}@", text))


def masked_value(value: Any) -> Any:
    """A copy of a JSON value with its secrets masked: by property name, by configuration key, in URLs."""
    if isinstance(value, str):  # perhaps JSON itself
        return masked_frame(value) if '"' in value else masked_url(value)
    if isinstance(value, list):
        return [masked_value(item) for item in value]
    if not isinstance(value, dict):
        return value
    names_secret = isinstance(key := value.get("key"), str) and _NAME.search(key)
    return {
        name: MASK if _NAME.search(name) or (names_secret and name == "value") else masked_value(inner)
        for name, inner in value.items()
    }


def masked_fragment(text: str) -> str:
    """A piece of JSON text, perhaps cut off, with what is named like a secret masked."""
    return _PROPERTY.sub(rf'\1"{MASK}"', masked_url(text))


def masked_frame(text: str) -> str:
    """A frame for a log. One that is no JSON is masked as far as its text allows."""
    if not _may_hold_secret(text):
        return text
    try:
        value = orjson.loads(text.strip(TRIMMED))
        told = masked_value(value)
        return text if told == value else orjson.dumps(told).decode()
    except (orjson.JSONDecodeError, TypeError, RecursionError):
        return masked_fragment(text)


def _may_hold_secret(text: str) -> bool:
    """A look at every frame, below a microsecond; with a backslash in it, what it says is not what is written."""
    if "\\" in text or ("/" in text and "://" in text):
        return True
    if not text.isascii():
        return _NAME.search(text) is not None
    lowered = text.lower()
    return "password" in lowered or "secret" in lowered or "token" in lowered or "authorizationkey" in lowered


def _masked_parameter(parameter: re.Match[str]) -> str:
    return f"{parameter[1]}{MASK}" if _NAME.search(parameter[1]) else parameter[0]
