"""What simulated gear with one thing to say shares: how a kind's main state is called in actions, compact JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial

from devices.kinds import KINDS
from firmware_sim.device import Action


def switching(kind: str, turn: Callable[[bool, int], None]) -> Mapping[str, Action]:
    """The two actions of a kind's main state, by the events they cause: ``smoke`` and ``smoke_cleared``, ``opened``
    and ``closed`` (``open`` and ``close``, too). ``turn`` is called with on or off, and the time."""
    state = next(iter(KINDS[kind].states.values()))

    def act(on: bool, now_ms: int, args: Mapping[str, object]) -> None:
        turn(on, now_ms)

    names = {state.on or state.key: True, state.off or f"{state.key}_off": False}
    if state.key == "open":
        names |= {"open": True, "close": False}
    if state.on == "switched_on":
        names |= {"switch_on": True, "switch_off": False}
    return {name: partial(act, on) for name, on in names.items()}


def compact(value: object) -> str:
    """JSON without blanks, as small firmware writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
