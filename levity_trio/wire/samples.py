"""The gate for SampledValues: all that differ only in their value are validated once.

A charger sends the same few kinds of samples for years, and validating each one took as long as all other work on its
message before the write. So each kind, that is all attributes and their number, is validated only once.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from levity_trio.wire.numbers import is_plain

KINDS_REMEMBERED: Final = 1_000  # beyond that, samples of a new kind are validated each time
FORMAT: Final = 5
"""The place of the format in a kind."""
SIGNED: Final = "SignedData"
GROUPS: Final = ("meterValue", "transactionData")


class SampleGate:
    """Decides whether samples need no closer look.

    `check` validates one sample. Besides the attributes, its result may depend only on whether the value is text and
    blank. A value that is no number is valid, but the closer look counts it.
    """

    def __init__(self, check: Callable[[object], bool]) -> None:
        self._check = check
        self._kinds: set[tuple[object, ...]] = set()

    def passes(self, payload: Mapping[str, Any]) -> bool:
        """Whether all samples of a payload are valid. The payload must have passed its own gate."""
        for group in GROUPS:
            for meter_value in payload.get(group, ()):
                if not all(map(self._knows, meter_value["sampledValue"])):
                    return False
        return True

    def _knows(self, sample: Any) -> bool:
        try:
            kind = _kind(sample)
            value = sample["value"]
            if type(value) is not str or not (is_plain(value) or (kind[FORMAT] == SIGNED and value.strip())):
                return False
            if kind in self._kinds:
                return True
        except (AttributeError, KeyError, TypeError):  # not an object, no value, or an unhashable attribute
            return False
        if not self._check(sample):
            return False
        if len(self._kinds) < KINDS_REMEMBERED:
            self._kinds.add(kind)
        return True


def _kind(sample: Mapping[str, Any]) -> tuple[object, ...]:
    get = sample.get
    return (
        *(get("measurand"), get("unit"), get("context"), get("location")),
        *(get("phase"), get("format"), len(sample)),
    )
