"""A small certificate authority: its root, the server's certificates, and those of chargers.

This room alone uses `cryptography`, which takes 17 MB and much of the time of a start. Import its modules inside the
functions that need them, never at module level: a server without the authority must not load it. Its functions take
milliseconds and more, and read files, so the server calls them in a thread.
"""


class AuthorityProblem(Exception):
    """The authority cannot be used. The text says what to do."""


class NoRequest(ValueError):
    """A text is no certificate request that could be read; the text says why."""
