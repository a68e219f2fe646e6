"""Within which time how many alarms are to be answered, and where these numbers are from."""

from __future__ import annotations

from typing import Final, NamedTuple


class Target(NamedTuple):
    """At least ``share`` (0 to 1) within ``within_s`` seconds."""

    within_s: int
    share: float


LIFE: Final = (Target(60, 0.975), Target(180, 0.99))
"""TSA / BS 8591: 97.5 % of alarms answered within 60 s, 99 % within 180 s."""
OTHER: Final = (Target(90, 0.80), Target(180, 0.985))
"""EN 50518, alarms that are neither hold-up nor fire."""
ON_SITE: Final = (Target(45 * 60, 0.90), Target(60 * 60, 1.0))
"""What one British provider promises."""
ANSWER_S: Final = 180
"""An alarm for life safety that nobody has taken for so long is overdue."""
