"""A community whose ladders run faster, so that a story of minutes can be watched in one. Only `anju demo` uses it."""

from __future__ import annotations

from gateway.cases.policy import Branch, Dial, Ladder, Rung
from gateway.registry.model import Community

_LEAST_S = 10
"""The model's lower bound for leases and repeats."""


def faster(community: Community, factor: float) -> Community:
    """Divide every ladder time by ``factor``, never below what the model allows; a wait stays at least one second.

    Raises ValueError for a factor below 1.
    """
    if not factor >= 1:
        raise ValueError(f"expected a factor of at least 1, found {factor}")

    def at_least(least: int, seconds: int) -> int:
        return 0 if seconds == 0 else min(seconds, max(least, round(seconds / factor)))

    def rung(slow: Rung) -> Rung:
        changes: dict[str, object] = {"after_s": at_least(1, slow.after_s)}
        changes["countdown_s"] = at_least(1, slow.countdown_s)
        if slow.arm_s is not None:
            changes["arm_s"] = at_least(1, slow.arm_s)
        if slow.repeat is not None:
            every_s = at_least(_LEAST_S, slow.repeat.every_s)
            changes["repeat"] = slow.repeat.model_copy(update={"every_s": every_s})
        return slow.model_copy(update=changes)

    def branch(slow: Branch) -> Branch:
        return slow.model_copy(update={"rungs": tuple(rung(one) for one in slow.rungs)})

    def dial(slow: Dial) -> Dial:
        return slow if slow.within_s is None else slow.model_copy(update={"within_s": at_least(1, slow.within_s)})

    def ladder(slow: Ladder) -> Ladder:
        return slow.model_copy(
            update={
                "cancel_window_s": at_least(1, slow.cancel_window_s),
                "lease_s": at_least(_LEAST_S, slow.lease_s),
                "on_the_way_s": at_least(_LEAST_S, slow.on_the_way_s),
                "repeat_s": at_least(_LEAST_S, slow.repeat_s),
                "rungs": tuple(rung(slow_rung) for slow_rung in slow.rungs),
                "branches": tuple(branch(one) for one in slow.branches),
                "lines": tuple(dial(one) for one in slow.lines),
            }
        )

    return community.model_copy(update={"ladders": tuple(ladder(slow) for slow in community.ladders)})
