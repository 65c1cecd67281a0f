"""A small certificate authority: its root, the server's certificates, and those of chargers.

What this room needs of `cryptography` takes 17 MB and much of the time of a start. The server never
loads it: it calls what is in `apart`, which runs in a process of its own. Commands import the
modules inside their functions.
"""


class AuthorityProblem(Exception):
    """The authority cannot be used. The text says what to do."""


class NoRequest(ValueError):
    """A text is no certificate request that could be read; the text says why."""
