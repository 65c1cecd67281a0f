"""Spares memory: what libraries import, but nothing here uses, is left out while they are
imported."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from inspect import iscoroutinefunction
from types import ModuleType

StandIns = Mapping[str, Mapping[str, object] | None]
ASYNCIO: StandIns = {"asyncio": {"iscoroutinefunction": iscoroutinefunction}}
"""1.4 MB: structlog names it for methods that nobody calls, and Starlette uses this one
function."""


@contextmanager
def spared(stand_ins: StandIns) -> Iterator[None]:
    """Inside the block, let an import of one of these modules find a stand-in with these
    attributes, or (None) nothing.

    A module that was imported before is the module itself; one that is imported later is, too.
    """
    absent = {name: names for name, names in stand_ins.items() if name not in sys.modules}
    for name, names in absent.items():
        # None stops its import, as importlib documents
        module = None if names is None else ModuleType(name)
        vars(module).update(names or {}) if module else None
        sys.modules[name] = module  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
