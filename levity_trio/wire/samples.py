"""The gate for SampledValues: what is known of one is known of all that differ in their value only.

A charger sends the same few kinds of samples for years, and reading each closely took as long as everything else that
is done to its message before it is stored. So a kind (all its attributes, and how many there are) is looked at once.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

KINDS_REMEMBERED: Final = 1_000  # beyond, a new kind is looked at each time
GROUPS: Final = ("meterValue", "transactionData")


class SampleGate:
    """Tells whether samples need no closer look.

    `check` is that look; besides a sample's attributes it may depend on its value's type and blankness alone.
    """

    def __init__(self, check: Callable[[object], bool]) -> None:
        self._check = check
        self._kinds: set[tuple[object, ...]] = set()

    def passes(self, payload: Mapping[str, Any]) -> bool:
        """Whether all samples of a payload pass that has passed its own gate."""
        for group in GROUPS:
            for meter_value in payload.get(group, ()):
                if not all(map(self._knows, meter_value["sampledValue"])):
                    return False
        return True

    def _knows(self, sample: Any) -> bool:
        try:
            kind = _kind(sample)
            if kind in self._kinds:
                return type(sample["value"]) is str and not sample["value"].isspace() and sample["value"] != ""
        except (AttributeError, KeyError, TypeError):  # no object, no value, an attribute that is no text
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
