"""The records of the human side: the case, and what it keeps of its alarms, its line and its commands.

Pure: nothing here reads a clock, a file or a network.
"""

from __future__ import annotations

from enum import StrEnum

from gateway.alarms import Frozen, Severity
from gateway.cases.directory import Target
from gateway.cases.policy import Ladder


class Stage(StrEnum):
    """Where the work stands. Terms after GB/T 30428; see docs/cases.md."""

    OPENED = "opened"  # 立案
    ACKNOWLEDGED = "acknowledged"  # 受理
    DISPATCHED = "dispatched"  # 派遣
    ARRIVED = "arrived"  # 到场
    RESOLVED = "resolved"  # 处置完成
    VERIFIED = "verified"  # 核查
    CLOSED = "closed"  # 结案
    CANCELLED = "cancelled"  # 撤销


class LineState(StrEnum):
    """The emergency line of a case: the 120 gate."""

    NONE = "none"
    ARMED = "armed"
    """A rung that calls is ahead; its deadline stands in ``Case.emergency.deadline_ms``."""
    COMMITTED = "committed"
    """The request is in the outbox: from here on it is told, never silently hung up."""
    ANSWERED = "answered"
    FAILED = "failed"
    VETOED = "vetoed"
    """A person decided against the call, with a reason; a new alarm arms it again."""


class Emergency(Frozen):
    state: LineState = LineState.NONE
    number: str | None = None
    deadline_ms: int | None = None
    postponed: bool = False
    """An acknowledgement postpones the call once; only an explicit decision disarms it."""
    reference: str | None = None
    detail: str = ""


class AlarmRef(Frozen):
    """An alarm that this case is about."""

    rule: str
    subject: str
    type: str
    active: bool
    momentary: bool
    zh: str = ""
    en: str = ""
    """What the rule says of it in its own words, as of when it was raised last; empty where it has none."""


class MeasureState(StrEnum):
    """What became of a command that a rule gave by itself."""

    GIVEN = "given"
    UNCONFIRMED = "unconfirmed"
    """The device has not confirmed it in time; it is told again until it does, or until that is given up."""
    DONE = "done"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"
    """The alarm ended before it went out."""
    NOBODY = "nobody"
    """There is no device that can be told."""


class Measure(Frozen):
    """A command that a rule gave a device by itself: shut the gas."""

    key: str
    """Of its row in the outbox; empty where there was nobody to tell."""
    rule: str
    subjects: tuple[str, ...]
    """The alarms of the rule that want it; it is withdrawn with the last of them."""
    command: str
    args: dict[str, str] = {}
    zh: str
    en: str
    """The command in words."""
    device: str | None
    state: MeasureState


class Storm(Frozen):
    """So many alarms of one rule at once that people are told of all of them in one case."""

    rule: str
    count: int
    """How many there were, with those from before that have cases of their own."""
    active: int = 0
    """Of those that joined, the conditions that still hold."""
    lines: int = 0
    """Lines of the timeline written for those that joined; further ones are only counted."""
    within_s: int
    until_ms: int
    """New alarms join until then: the rate has been below the limit for ``within_s``."""


class Case(Frozen):
    """One piece of work (案卷). Immutable: the machine returns the next one."""

    id: str
    number: str
    version: int = 1
    """Grows with every step."""
    changed_in: int = 1
    """The version in which stage or owner last changed: an answer to an older one is stale."""
    type: str
    severity: Severity
    stage: Stage = Stage.OPENED
    device: str | None = None
    """The device whose alarm opened it."""
    place: str | None = None
    resident: str | None = None
    indicators: tuple[str, ...] = ()
    """Devices that were pressed and can tell the resident how things stand (lamp, voice)."""
    explanation: str = ""
    alarms: tuple[AlarmRef, ...] = ()
    ladder: Ladder
    loop: int = 0
    """0 while climbing; then how often everybody has been reminded."""
    rung: int = 0
    """Index of the next rung."""
    next_at_ms: int | None = None
    """When the next rung (or reminder) is due; None while somebody has the case or it is over."""
    owner: str | None = None
    lease_until_ms: int | None = None
    cancel_until_ms: int | None = None
    cancel_claimed: bool = False
    """The resident said after the window that it was a mistake: an operator has to confirm it."""
    pressed_at_ms: int | None = None
    """When the newest press happened, by the device's clock where credible."""
    alerted_at_ms: int | None = None
    """When people were last told that it was raised again or that something was added."""
    late_ms: int = 0
    """The alarm reached the gateway this long after it happened (0 when it came at once)."""
    told: tuple[Target, ...] = ()
    """Everybody who has been told, to be told again when it was a mistake."""
    emergency: Emergency = Emergency()
    measures: tuple[Measure, ...] = ()
    """What rules did by themselves, the newest last."""
    storm: Storm | None = None
    """Set where the case stands for many alarms of one rule."""
    withheld: int = 0
    """How many alarms were held back because one of this case stood."""
    times: dict[str, int] = {}
    """When it was triggered, received, raised, notified, answered, arrived, resolved, verified, closed."""

    @property
    def open(self) -> bool:
        return self.stage not in (Stage.CLOSED, Stage.CANCELLED)

    @property
    def still(self) -> tuple[str, ...]:
        """The types of its alarms whose condition still holds."""
        found = dict.fromkeys(ref.type for ref in self.alarms if ref.active and not ref.momentary)
        if not found and self.storm is not None and self.storm.active:
            return (self.type,)  # of alarms that were only counted
        return tuple(found)

    @property
    def said(self) -> tuple[tuple[str, str], ...]:
        """What the rules say of its alarms in their own words, (zh, en); first of what the case is named after. Of what
        is over only where nothing holds any more."""
        worded = [ref for ref in self.alarms if ref.zh or ref.en]
        worded = [ref for ref in worded if ref.active] or worded
        worded.sort(key=lambda ref: ref.type != self.type)
        return tuple(dict.fromkeys((ref.zh or ref.en, ref.en or ref.zh) for ref in worded))
