"""The records of the human side: case, ladder, recipient, target, and the effects a decision has.

Pure: nothing here reads a clock, a file or a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal, Protocol, Self

from pydantic import Field, model_validator

from gateway.alarms import Frozen, Severity

EMERGENCY_NUMBERS = ("120", "119", "110")


class Recipient(Frozen):
    """Whom a rung tells. Exactly one field is set; people are resolved when the rung is due, not before."""

    role: str | None = None
    """A roster role: whoever is on duty for the case's place."""
    family: bool = False
    """The resident's own contacts, in the order the resident gave."""
    person: str | None = None
    """One person by id."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum((self.role is not None, self.family, self.person is not None)) != 1:
            raise ValueError("give exactly one of role, family: true, person")
        return self

    def __str__(self) -> str:
        return f"role {self.role}" if self.role else f"person {self.person}" if self.person else "family"


class Rung(Frozen):
    """One step of a ladder."""

    id: str
    after_s: int = Field(ge=0, le=86_400)
    """Seconds after the rung before it went out (after the case opened, for the first)."""
    notify: tuple[Recipient, ...] = ()
    call: Literal["120", "119", "110"] | None = None
    """The public emergency line this rung calls; only on ladders for life safety."""

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not self.notify and self.call is None:
            raise ValueError("a rung must notify somebody or call a line")
        return self


class Ladder(Frozen):
    """The escalation policy of a case, snapshotted into it when it opens."""

    id: str
    life_safety: bool = False
    cancel_window_s: int = Field(default=0, ge=0, le=300)
    """For so long after opening, the resident may take the alarm back at the device without anybody's leave."""
    lease_s: int = Field(default=180, ge=10, le=86_400)
    """An acknowledgement is a lease: without progress for so long the ladder goes on, and the owner is told."""
    on_the_way_s: int = Field(default=900, ge=10, le=86_400)
    """The lease once somebody has been dispatched."""
    repeat_s: int = Field(default=60, ge=10, le=86_400)
    """After the last rung the people are told again this often, until somebody takes it (life safety), else never."""
    rungs: tuple[Rung, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _lines_only_for_life_safety(self) -> Self:
        if len({rung.id for rung in self.rungs}) != len(self.rungs):
            raise ValueError("rung ids must differ")
        if not self.life_safety and any(rung.call for rung in self.rungs):
            raise ValueError("only a ladder with life_safety: true may call an emergency line")
        return self


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


class Address(Frozen):
    """One way to reach somebody: a channel of the registry, and the address within it."""

    channel: str
    to: str


class Target(Frozen):
    """A person as resolved from a recipient, with the ways to reach them in their order of preference."""

    person: str
    name: str
    language: Literal["zh", "en"] = "zh"
    addresses: tuple[Address, ...] = ()


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


class TimerName(StrEnum):
    LADDER = "ladder"
    LEASE = "lease"


class Purpose(StrEnum):
    """Why something is said."""

    ALARM = "alarm"
    REMINDER = "reminder"
    CANCELLED = "cancelled"
    TAKEN = "taken"
    ARRIVED = "arrived"
    RESOLVED = "resolved"
    OWNER_SILENT = "owner_silent"
    CANCEL_CLAIM = "cancel_claim"
    LINE_FAILED = "line_failed"
    LINE_IS_DRILL = "line_is_drill"
    INDICATE = "indicate"
    ACTION = "action"
    """A command that a rule gives by itself."""
    ACTION_FAILED = "action_failed"
    ACTION_DONE = "action_done"
    BY_HAND = "by_hand"
    """A command that a person gave a device; it belongs to no case."""
    EMERGENCY_CALL = "emergency_call"
    EMERGENCY_CANCEL = "emergency_cancel"


DEVICE_CHANNEL = "device"
LINE_CHANNEL = "emergency_line"


class Send(Frozen):
    """Put one message into the outbox. ``key`` makes it idempotent: the same key is never sent as a second thing."""

    key: str
    channel: str
    """A channel id of the registry, or ``device`` (a command), or ``emergency_line``."""
    to: str
    purpose: Purpose
    person: str | None = None
    rung: str | None = None
    urgent: bool = False
    title: str = ""
    body: str = ""
    data: dict[str, object] = {}
    """Channel-specific: the command with its args, or the EmergencyCard."""
    give_up_after_s: int = 3600


class SetTimer(Frozen):
    name: TimerName
    due_at_ms: int


class StopTimer(Frozen):
    name: TimerName


class WithdrawUnsent(Frozen):
    """Take back what is in the outbox and has not gone out."""

    reason: str
    only: tuple[Purpose, ...] = ()
    """Only what is said for these purposes; empty for everything but the emergency line."""
    keys: tuple[str, ...] = ()
    """Of that only these messages; empty for all."""


class Write(Frozen):
    """A line of the timeline."""

    actor: str
    """``system``, ``rule:<id>``, ``device:<id>``, ``person:<id>``, ``operator:<token name>``."""
    what: str
    """A stable code: ``opened``, ``told``, ``acknowledged`` …; the page words it."""
    reason: str = ""
    data: dict[str, object] = {}


class EndMomentaryAlarms(Frozen):
    """The case is over: its momentary alarms (presses) end with it, so that a new press opens a new case."""


Effect = Send | SetTimer | StopTimer | WithdrawUnsent | Write | EndMomentaryAlarms


class Delivery(StrEnum):
    """What became of an outbox row, as the case hears it."""

    DELIVERED = "delivered"
    TROUBLE = "trouble"
    """The first attempt failed; it is being retried, and the next address of the person is tried now."""
    GAVE_UP = "gave_up"
    WITHDRAWN = "withdrawn"


class Directory(Protocol):
    """Who and where, at an instant: an immutable view of the registry that the machine asks. No I/O."""

    def resolve(self, recipient: Recipient, *, place: str | None, resident: str | None, at_ms: int) -> Sequence[Target]:
        """The people a recipient stands for now; empty when nobody is on duty or known."""
        ...

    def place_path(self, place: str | None, language: str) -> str:
        """The address in words, from the largest place down to the door; an empty string for None."""
        ...

    def device_name(self, device: str | None, language: str) -> str: ...

    def resident_name(self, resident: str | None) -> str: ...

    def numbers(self, resident: str | None) -> tuple[str, str]:
        """The resident's telephone and the control room's; empty strings where they are not known."""
        ...

    def obeys(self, device: str, command: str) -> bool:
        """Whether a device of this kind knows a command."""
        ...

    def emergency_card(
        self, *, case_number: str, complaint: str, place: str | None, resident: str | None, source: str, at_ms: int
    ) -> dict[str, object]:
        """The EmergencyCard's registry part: who, where, history, key, meeting point (see docs/emergency-card.md).

        ``at_ms`` is now, for the patient's age."""
        ...

    @property
    def line_mode(self) -> Literal["drill"]:
        """How the emergency line is configured. ``drill`` never reaches the public network."""
        ...
