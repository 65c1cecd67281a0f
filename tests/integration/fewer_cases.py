"""A hook for schemathesis: every valid request is sent, and one of SHARE invalid ones."""

from __future__ import annotations

from itertools import count
from typing import Any, Final

import schemathesis
from schemathesis import Case, GenerationMode, HookContext

from tests.sizes import size

SHARE: Final = size(1, 36)
_numbers = count()


@schemathesis.hook
def filter_case(_context: HookContext, case: Case[Any]) -> bool:
    is_invalid = case.meta is not None and case.meta.generation.mode is GenerationMode.NEGATIVE
    return not is_invalid or next(_numbers) % SHARE == 0
