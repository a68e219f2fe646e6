"""How the decider is doing, and what it changed; for those who watch it."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

from devices.observation import Lane

WAITED_MOST = 20_000
"""Of so many messages at most it is known how long they waited."""


@dataclass(frozen=True)
class Changed:
    """What a transaction changed, for streams and caches."""

    cases: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()


@dataclass
class Health:
    """How the decider is doing; read by /readyz and the metrics."""

    trouble: str | None = None
    """Why it cannot decide at present, in words; None when all is well."""
    trouble_since_ms: int | None = None
    undecidable: int = 0
    """Observations, timers and deliveries on which the code failed: to be looked at by an engineer. An observation is
    kept in quarantine, a timer is tried again."""
    repaired: int = 0
    """Timers that the auditor found missing and set again. Each one is a defect."""
    repaired_ms: int | None = None
    """When it last did."""
    audited: float = field(default_factory=time.monotonic)
    """`time.monotonic` when the auditor had last looked, and set again what was lost."""
    drill_trouble: str | None = None
    """Which self-tests have failed or were missed the last time; empty where none, None while it is not known."""
    registry: str | None = None
    """Why the newest registry cannot be used; the one before it stays in force."""
    left_out: tuple[str, ...] = ()
    """Rules that cannot be used by this version, and why: the others rule without them."""
    beat: float = field(default_factory=time.monotonic)
    """`time.monotonic` when the thread was last seen at work."""
    decided: dict[str, int] = field(default_factory=lambda: {lane.value: 0 for lane in Lane})
    waited_ms: dict[str, deque[int]] = field(
        default_factory=lambda: {lane.value: deque(maxlen=WAITED_MOST) for lane in Lane}
    )
    """From receipt to the commit of the decision, of what was decided last; who looks at it takes it away."""
    cycles: int = 0

    def take_waited(self, lane: Lane) -> list[int]:
        """How long what was decided since the last call had waited, in ms. From any thread."""
        waited = self.waited_ms[lane.value]
        return [waited.popleft() for _ in range(len(waited))]
