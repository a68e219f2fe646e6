"""The records of the human side: the case, and what it keeps of its alarms, its line and its commands.

Pure: nothing here reads a clock, a file or a network.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from gateway.alarms import Frozen, Position, Severity
from gateway.cases.causes import Cause
from gateway.cases.directory import Target
from gateway.cases.drill import DrillOrder
from gateway.cases.effects import Purpose
from gateway.cases.limits import Pause, RunningLimit
from gateway.cases.policy import Ladder
from gateway.cases.report import CallBack, Link, Rating, Reporter, Source, Suspension, TimeAsked
from gateway.cases.work import WorkType


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
    MERGED = "merged"  # 并入另一案卷


HELD = (Stage.ACKNOWLEDGED, Stage.DISPATCHED, Stage.ARRIVED)
"""Somebody has it."""
AT_WORK = (Stage.OPENED, *HELD)
"""Not done yet: people are still told that something has to be done."""


class LineState(StrEnum):
    """The emergency line of a case: the 120 gate."""

    NONE = "none"
    """No line: the ladder calls none, or the alarm is too old for a machine's call."""
    DISARMED = "disarmed"
    """A call is ahead, and it is not yet near."""
    ARMED = "armed"
    """The call is near; its deadline stands in ``Case.emergency.deadline_ms``."""
    COUNTDOWN = "countdown"
    """The last seconds, which the resident hears."""
    COMMITTED = "committed"
    """The request is in the outbox: from here on it is told, never silently hung up."""
    DIALLING = "dialling"
    """A first attempt has not got through, and it is tried again, or by the other way."""
    ANSWERED = "answered"
    FAILED = "failed"
    VETOED = "vetoed"
    """A person decided against the call, with a reason; a new alarm arms it again."""

    @property
    def ahead(self) -> bool:
        """Whether the call may still come, and can still be vetoed."""
        return self in (LineState.DISARMED, LineState.ARMED, LineState.COUNTDOWN)

    @property
    def called(self) -> bool:
        """Whether the line has been called, or is being called."""
        return self in (LineState.COMMITTED, LineState.DIALLING, LineState.ANSWERED)


class VoiceCheck(StrEnum):
    """Whether the resident was asked by the device's voice, and what they said."""

    NONE = "none"
    ASKED = "asked"
    FINE = "fine"
    """They said at the device that all is well: a machine does not call."""


class OtherCall(Frozen):
    """A call to another line beside the first: the fire brigade for smoke beside a press."""

    number: str
    reference: str
    state: LineState = LineState.COMMITTED
    detail: str = ""


class Emergency(Frozen):
    """How it stands with the emergency line of a case."""

    state: LineState = LineState.NONE
    number: str | None = None
    deadline_ms: int | None = None
    """When the machine calls; None while somebody has the case, and where no call is ahead."""
    arm_s: int | None = None
    """So long before the deadline it is armed; None: from the start."""
    countdown_s: int = 0
    postponed: bool = False
    """An acknowledgement postpones the call once; only an explicit decision disarms it."""
    again: bool = False
    """The key was pressed again, or a further danger has joined."""
    hurried: bool = False
    """It waits for no rung any more."""
    reference: str | None = None
    detail: str = ""
    path: int = 0
    """By which of the site's ways to the line it is called: 0 the first, 1 the other one."""
    voice: VoiceCheck = VoiceCheck.NONE
    also: tuple[OtherCall, ...] = ()
    centre: str = ""
    """The centre's own number of the call, once it answered."""

    @property
    def next_ms(self) -> int | None:
        """When the gate moves next: it is armed, the countdown begins, or the line is called."""
        if self.deadline_ms is None or not self.state.ahead:
            return None
        if self.state is LineState.DISARMED:
            return self.deadline_ms - (self.arm_s or 0) * 1000
        if self.state is LineState.ARMED:
            return self.deadline_ms - self.countdown_s * 1000
        return self.deadline_ms


class Helper(Frozen):
    """Somebody who says that they are coming, beside whoever has the case."""

    actor: str
    branch: str = ""
    """The branch of the ladder that this silences; empty for one of the ladder itself, which it does not."""
    since_ms: int
    until_ms: int


class Item(Frozen):
    """Something that is due beside the ladder's own clock."""

    what: Literal["rung", "repeat", "branch", "helper", "held"]
    """A rung that tells all; a rung's repeat; the next rung of a branch; a helper's lease; a message that waits till
    somebody's quiet hours are over."""
    at_ms: int
    name: str
    """The rung, the branch, the helper, or the person."""
    left: int = 0
    """Repeats still to come."""
    purpose: Purpose = Purpose.ALARM
    occasion: str = ""
    rung: str | None = None
    detail: tuple[str, str] = ("", "")


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


class Scene(Frozen):
    """What the registry said of place, resident and device when the case opened: kept for as long as it is open, and of
    use once one of them is removed. Holds health data and keys: it leaves the gateway by nothing but the card."""

    place: str | None
    resident: str | None
    path: tuple[str, str]
    """The address in words, Chinese and English."""
    device_name: tuple[str, str]
    resident_name: str
    phone: str
    """The resident's."""
    card: dict[str, Any] = {}
    """Of the EmergencyCard what is of the place and of the resident; empty where no line may be called."""


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
    planned_ms: int | None = None
    """When it would be due had nothing been late: what follows is counted from there, lateness does not add up."""
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
    branch_of: dict[str, str] = {}
    """Of those who were told by a branch of the ladder and not by itself, the branch."""
    branches: dict[str, int] = {}
    """Of each branch the index of its next rung."""
    helpers: tuple[Helper, ...] = ()
    agenda: tuple[Item, ...] = ()
    """What is due beside the ladder's own clock."""
    beside_at_ms: int | None = None
    """When the first of it is due."""
    unreached: tuple[str, ...] = ()
    """Of those who were told the people whom no way has reached so far."""
    fell_back: bool = False
    """The ladder's fallback has taken over."""
    drill: bool = False
    """It is a drill: nothing of it may ever reach a line that is no drill itself."""
    drill_of: DrillOrder | None = None
    """The drill it belongs to: whom it tells, and when it is over."""
    spared: tuple[str, ...] = ()
    """Whom a real alarm would have told and the drill has not."""
    duress: bool = False
    """The resident took it back under duress: the devices stay silent, and it goes on."""
    emergency: Emergency = Emergency()
    scene: Scene | None = None
    """See `gateway.cases.scene`; None once it is over."""
    measures: tuple[Measure, ...] = ()
    """What rules did by themselves, the newest last."""
    storm: Storm | None = None
    """Set where the case stands for many alarms of one rule."""
    withheld: int = 0
    """How many alarms were held back because one of this case stood."""
    source: Source = Source.ALARM
    work: WorkType | None = None
    """What kind of work it is, with its limits; None for an alarm that no type of work stands for."""
    text: str = ""
    """In the reporter's words."""
    reporter: Reporter | None = None
    position: Position | None = None
    """Where it is, where the reporter said so by coordinates."""
    pole: str = ""
    """The number of the pole that the reporter read out."""
    episode: int = 1
    """2 and more: it follows a case that was over and was not done after all."""
    links: tuple[Link, ...] = ()
    handler: str = ""
    """To whom it was given: a person (``person:wang``), a role (``role:maintenance``), a contractor, in plain text."""
    handlers: tuple[str, ...] = ()
    """Everybody who has had it, was sent or was there: none of them checks it (核查)."""
    limit: RunningLimit | None = None
    """The limit of the stage it is in."""
    limit_at_ms: int | None = None
    """When there is something to do about the limit, or the suspension ends."""
    suspended: Suspension | None = None
    pauses: tuple[Pause, ...] = ()
    """The suspensions that are over."""
    asked: TimeAsked | None = None
    """More time was asked for, and nobody has decided yet."""
    reworks: int = 0
    """How often a check sent it back."""
    cause: Cause | None = None
    """Why it was a false alarm."""
    call_backs: tuple[CallBack, ...] = ()
    ratings: tuple[Rating, ...] = ()
    revisions: tuple[int, ...] = ()
    """When what outside systems are told of it changed; the first is its opening."""
    handed: dict[str, tuple[str, ...]] = {}
    """Outside system → the messages it was told last."""
    times: dict[str, int] = {}
    """When it was triggered, received, raised, notified, answered, arrived, resolved, verified, closed."""

    @property
    def open(self) -> bool:
        """Whether it is not over yet."""
        return self.stage not in (Stage.CLOSED, Stage.CANCELLED, Stage.MERGED)

    @property
    def shown(self) -> Case:
        """The case as programs and files outside get it: without what it keeps of its scene for helpers."""
        return self.model_copy(update={"scene": None})

    @property
    def at_work(self) -> bool:
        """Whether it is open and not done yet: of what comes to a case that is done, nobody is told any more."""
        return self.stage in AT_WORK

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
