"""What the people of the demo's past did about each case: who took it, how soon, and how it ended. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.cases.causes import Cause
from gateway.cases.commands import Action, HumanAction
from gateway.cases.model import Case

DESK, CHECKER = "operator:值班员", "operator:核查员"

Plan = tuple[tuple[Action, float], ...]
"""What is done, and how many seconds after the case was opened."""

_FOUND: Final[Plan] = (("dispatch", 55), ("arrive", 410), ("resolve", 1_500), ("verify", 2_400), ("close", 2_700))
_SERVED: Final[Plan] = (("dispatch", 300), ("arrive", 1_700), ("resolve", 3_100), ("verify", 4_500), ("close", 4_700))
LIFE: Final[tuple[Plan, ...]] = (
    (("acknowledge", 16), *_FOUND),
    (("acknowledge", 12), ("cancel", 240)),
    (("acknowledge", 95), ("dispatch", 140), ("arrive", 900), ("resolve", 2_300), ("verify", 3_000), ("close", 3_300)),
    (("acknowledge", 31), *_FOUND),
    (("acknowledge", 9), *_FOUND),
    (("acknowledge", 18), ("cancel", 150)),
    (("acknowledge", 24), *_FOUND),
    (("acknowledge", 13), *_FOUND),
    (("acknowledge", 37), ("cancel", 200)),
    (("acknowledge", 21), *_FOUND),
    (("acknowledge", 11), *_FOUND),
    (("acknowledge", 28), *_FOUND),
    (("acknowledge", 17), ("cancel", 170)),
    (("acknowledge", 19), *_FOUND),
)
"""One of them late, and not in the last day: a new wall is green."""
OTHER: Final[tuple[Plan, ...]] = (
    (("acknowledge", 34), *_SERVED),
    (("acknowledge", 61), *_SERVED),
    (("acknowledge", 48), ("cancel", 900)),
    (("acknowledge", 150), *_SERVED),
    (("acknowledge", 72), *_SERVED),
    (("acknowledge", 29), ("arrive", 2_100), ("resolve", 3_600), ("verify", 5_900), ("close", 6_300)),
    (("acknowledge", 55), *_SERVED),
    (("acknowledge", 40), ("cancel", 600)),
)
"""Of what endangers nobody. Nothing takes longer than two hours: at the end of the past all is over."""

_CAUSES: Final[dict[str, Cause]] = {
    "smoke": "cooking",
    "heat": "cooking",
    "personal_emergency": "pressed_by_mistake",
    "intrusion": "weather",
    "water_leak": "cleaning",
    "tamper": "device_moved",
}


class Deed(NamedTuple):
    """One thing somebody does, when its time has come."""

    at_ms: int
    case_id: str
    action: HumanAction


class Deeds:
    """Deals the plans out in turn: the same cases are handled in the same way every time."""

    def __init__(self) -> None:
        self._turns = {True: 0, False: 0}

    def about(self, case: Case) -> list[Deed]:
        """All that is done about a case that was just opened."""
        life = case.ladder.life_safety
        plans = LIFE if life else OTHER
        plan = plans[self._turns[life] % len(plans)]
        self._turns[life] += 1
        return [
            Deed(case.times["raised"] + round(after_s * 1000), case.id, _action(action, case))
            for action, after_s in plan
        ]


def _action(action: Action, case: Case) -> HumanAction:
    if action == "cancel":
        cause = _CAUSES.get(case.type, "nothing_found")
        return HumanAction(action=action, actor=DESK, reason="已核实 confirmed", cause=cause)
    # Who checks and closes is somebody else than who did it.
    actor = CHECKER if action in ("verify", "close") else DESK
    return HumanAction(action=action, actor=actor, reason="已处理 dealt with")
