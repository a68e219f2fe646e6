"""What a step of the case machine leads to: what is said, timers, lines of the timeline. Pure data."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from gateway.alarms import Frozen, Kept


class TimerName(StrEnum):
    """A case's durable timers: at most one of each, and setting it anew replaces it."""

    LADDER = "ladder"
    LEASE = "lease"
    LINE = "line"
    """The 120 gate: armed, counting down, called."""
    LIMIT = "limit"
    """The time limit of a stage: its warning, its end; the end of a suspension."""
    BESIDE = "beside"
    """What is due beside the ladder: branches, repeats, helpers, messages that wait."""


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
    LINE_SOON = "line_soon"
    """The countdown before the call has begun."""
    LINE_STAGE = "line_stage"
    """How the call goes on: a vehicle, its arrival, the hospital."""
    COMING = "coming"
    """Somebody of a branch is coming; whoever has the case still has it."""
    RUNG_EMPTY = "rung_empty"
    """To the supervisor: a rung had nobody on it."""
    DURESS = "duress"
    ASSIGNED = "assigned"
    """To whoever is sent."""
    LIMIT_NEAR = "limit_near"
    OVERDUE = "overdue"
    TIME_ASKED = "time_asked"
    TIME_ANSWERED = "time_answered"
    RESUMED = "resumed"
    REWORK = "rework"
    MERGED = "merged"
    INDICATE = "indicate"
    SOUND = "sound"
    """A command that a rung of the ladder gives."""
    ACTION = "action"
    """A command that a rule gives by itself."""
    ACTION_FAILED = "action_failed"
    ACTION_DONE = "action_done"
    ON_DUTY = "on_duty"
    """To whoever comes on duty; it belongs to no case."""
    HANDED_OVER = "handed_over"
    """To whoever comes on duty and has to confirm what they take over."""
    NOT_CONFIRMED = "not_confirmed"
    """To the supervisor: nobody has confirmed it."""
    BY_HAND = "by_hand"
    """A command that a person gave a device; it belongs to no case."""
    LOGIN_CODE = "login_code"
    """To somebody who logs in to their own page; it belongs to no case."""
    DRILL_OVER = "drill_over"
    DRILL_REPORT = "drill_report"
    """How a drill went; it belongs to no case."""
    HAND_OVER = "hand_over"
    """To an outside system: an alarm receiving centre, a platform. Never to a person."""
    EMERGENCY_CALL = "emergency_call"
    EMERGENCY_UPDATE = "emergency_update"
    """Something new of a case that the line was called for."""
    EMERGENCY_CANCEL = "emergency_cancel"


DEVICE_CHANNEL = "device"


LINE_CHANNEL = "emergency_line"
DRILL_LINE_CHANNEL = "emergency_drill"
"""The line of drills at a site whose own line dials: built without the ability to."""
OWN_CHANNELS = (DEVICE_CHANNEL, LINE_CHANNEL, DRILL_LINE_CHANNEL)
"""Ways out that are the house's own; no channel of the registry bears their names."""


class Spoken(Frozen):
    """What is said aloud where the channel is a telephone call."""

    text: str
    language: Literal["zh", "en"] = "zh"


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
    say: Spoken | None = None
    """The same in the few words of a call; None where nothing is said aloud."""
    data: dict[str, object] = {}
    """Channel-specific: the command with its args, or the EmergencyCard."""
    give_up_after_s: int = 3600
    detail: tuple[str, str] = ("", "")
    """The sentence that only this message holds, in both languages: the person's next address is told it as well."""
    drill: bool = False
    """Of a drill: what is real goes first, and it bears the mark."""


class SetTimer(Frozen):
    """Wake the case at this instant."""

    name: TimerName
    due_at_ms: int


class StopTimer(Frozen):
    """The timer is not needed any more; nothing where it does not run."""

    name: TimerName


class WithdrawUnsent(Frozen):
    """Take back what is in the outbox and has not gone out."""

    reason: str
    only: tuple[Purpose, ...] = ()
    """Only what is said for these purposes; empty for everything but the emergency line."""
    keys: tuple[str, ...] = ()
    """Of that only these messages; empty for all."""
    rungs: tuple[str, ...] = ()
    """Of that only what these rungs of the ladder said; empty for all."""


class Write(Frozen):
    """A line of the timeline."""

    actor: str
    """``system``, ``rule:<id>``, ``device:<id>``, ``person:<id>``, ``operator:<token name>``."""
    what: str
    """A stable code: ``opened``, ``told``, ``acknowledged`` …; the page words it."""
    reason: Kept = ""
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
