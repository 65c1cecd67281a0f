"""A hook for schemathesis: of the valid requests of an endpoint the first is sent and one of VALID
others, and of all invalid ones one of INVALID. With FULL_SIZE=1 all are sent."""

from __future__ import annotations

from collections import defaultdict
from itertools import count
from typing import Any, Final

import schemathesis
from schemathesis import Case, GenerationMode, HookContext

from tests.sizes import size

VALID: Final = size(1, 5)
INVALID: Final = size(1, 90)
_invalid = count()
_valid: defaultdict[str, count[int]] = defaultdict(count)


@schemathesis.hook
def filter_case(_context: HookContext, case: Case[Any]) -> bool:
    is_invalid = case.meta is not None and case.meta.generation.mode is GenerationMode.NEGATIVE
    if is_invalid:
        return next(_invalid) % INVALID == 0
    return next(_valid[case.operation.label]) % VALID == 0
