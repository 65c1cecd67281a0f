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
# A property that is named so, and its value. Possessive, so that no text makes it slow.
_PROPERTY = re.compile(
    r'("(?=[^"]*?(?:password|secret|token|authorizationkey))(?:[^"\\]++|\\.)*+"\s*+:)'
    r'\s*+(?:"(?:[^"\\]++|\\.)*+"?|[^,}\]]*+)',
    re.IGNORECASE,
)


def has_url(text: str | bytes) -> bool:
    """Whether a frame may hold a URL, and so a password in one."""
    return "://" in text if isinstance(text, str) else b"://" in text


def masked_url(text: str) -> str:
    """A text with the secrets of the URLs in it masked."""
    return _PARAMETER.sub(_masked_parameter, _USER_INFO.sub(f"://{MASK}@", text))


def masked(value: Any) -> Any:
    """A copy of a JSON value with its secrets masked: by property name, by configuration key, in URLs."""
    if isinstance(value, str):
        return masked_url(value)
    if isinstance(value, list):
        return [masked(item) for item in value]
    if not isinstance(value, dict):
        return value
    names_secret = isinstance(key := value.get("key"), str) and _NAME.search(key)
    return {
        name: MASK if _NAME.search(name) or (names_secret and name == "value") else masked(inner)
        for name, inner in value.items()
    }


def masked_fragment(text: str) -> str:
    """A piece of JSON text, perhaps cut off, with what is named like a secret masked."""
    return _PROPERTY.sub(rf'\1"{MASK}"', masked_url(text))


def masked_frame(text: str | bytes) -> str:
    """A frame for a log. One that is no JSON is masked as far as its text allows."""
    readable = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    if "://" not in readable and not _NAME.search(readable):
        return readable
    try:
        return orjson.dumps(masked(orjson.loads(readable.strip(TRIMMED)))).decode()
    except (orjson.JSONDecodeError, TypeError, RecursionError):
        return masked_fragment(readable)


def _masked_parameter(parameter: re.Match[str]) -> str:
    return f"{parameter[1]}{MASK}" if _NAME.search(parameter[1]) else parameter[0]
