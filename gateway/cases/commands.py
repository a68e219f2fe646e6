"""What can happen to a case: alarms, timers, answers of people, reports of deliveries."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.alarms import AlarmChange, Frozen
from gateway.cases.causes import Cause
from gateway.cases.directory import Target
from gateway.cases.effects import Delivery, Purpose, Send, TimerName


class Order(Frozen):
    """What a rule wants done when its alarm is raised: one command, and who there is to be told."""

    command: str
    args: dict[str, str] = {}
    zh: str
    en: str
    """The command in words."""
    devices: tuple[str, ...] = ()
    unable: tuple[str, ...] = ()
    """Devices that should do it and cannot be told."""


class AlarmHeard(Frozen):
    """A rule moved an alarm of this case: joined it, repeated it, cleared it, or the resident took it back."""

    change: AlarmChange
    orders: tuple[Order, ...] = ()


class StormJoined(Frozen):
    """One more alarm of the storm that this case stands for. People have been told."""

    change: AlarmChange
    orders: tuple[Order, ...] = ()
    until_ms: int
    """Until when the storm lasts by this alarm, at the least."""


class AlarmWithheld(Frozen):
    """Another alarm is held back because one of this case stands."""

    change: AlarmChange


class VoiceAnswered(Frozen):
    """The resident was asked whether all is well, and says at the device that it is."""

    device: str


class TimerDue(Frozen):
    """A durable timer of the case has come to its time."""

    name: TimerName


class TimerLost(Frozen):
    """The auditor found that this timer is missing, or so far ahead that the clock must have been set back."""

    name: TimerName


class ClockStepped(Frozen):
    """The wall clock was set: what is due moves with it, so that the step neither fires nor postpones anything."""

    by_ms: int


class DeliveryHeard(Frozen):
    """What became of something this case sent."""

    key: str
    channel: str
    purpose: Purpose
    delivery: Delivery
    person: str | None = None
    rung: str | None = None
    told: tuple[str, str] = ("", "")
    """The sentence that only this message held."""
    detail: str = ""
    """How that came, in words."""
    reference: str | None = None

    @classmethod
    def of(cls, send: Send, delivery: Delivery, detail: str = "", reference: str | None = None) -> DeliveryHeard:
        """What became of ``send``."""
        return cls(
            key=send.key,
            channel=send.channel,
            purpose=send.purpose,
            delivery=delivery,
            person=send.person,
            rung=send.rung,
            told=send.detail,
            detail=detail,
            reference=reference,
        )


Action = Literal[
    "acknowledge",
    "dispatch",
    "arrive",
    "resolve",
    "verify",
    "close",
    "cancel",
    "release",
    "pass_on",
    "claim",
    "come",
    "veto",
    "dial_now",
    "take_back",
    "line_sent",
    "line_arrived",
    "line_hospital",
    "line_update",
    "suspend",
    "resume",
    "ask_time",
    "grant_time",
    "refuse_time",
    "rework",
    "merge",
    "split",
    "reopen",
    "call_back",
    "rate",
    "note",
]


class HumanAction(Frozen):
    """A person decides. ``actor`` is who, as the timeline will say it (``operator:night-desk``)."""

    action: Action
    actor: str
    reason: str = Field(default="", max_length=2000)
    """Why; required where the action takes something away from the resident (cancel, veto, release) and for a note."""
    to: str = Field(default="", max_length=200)
    """Whom: who is dispatched, who arrived (``ambulance``, ``person:wang``)."""
    code: str = Field(default="", max_length=32)
    """The resident's own code, for taking an alarm back where no device proves that it is them."""
    cause: Cause | None = None
    """Of ``cancel``: why the alarm was false."""
    until_ms: int | None = None
    """Of ``suspend`` and ``ask_time``: until when."""
    into: str = Field(default="", max_length=64)
    """Of ``merge``: the case that this one becomes part of, by id or number."""
    work: str = Field(default="", max_length=64)
    """Of ``split``: the type of the work that becomes a case of its own; without it, the type of this one."""
    key: str = Field(default="", max_length=200)
    """Of ``split``: what is sent twice under one key splits once."""
    done: bool | None = None
    """Of ``call_back``: whether it is really done."""
    score: int | None = Field(default=None, ge=1, le=5)
    """Of ``rate``: 1 not at all satisfied … 5 very."""
    by: str = Field(default="", max_length=64)
    """Of ``rate``: whose word it is, ``residents`` or the id of an organisation."""
    way: str = Field(default="", max_length=100)
    """Of ``call_back`` and ``rate``: by which way it was asked."""
    version: int | None = None
    """The case's version that the person saw. An answer to an older stage is stale and refused."""
    via: str = Field(default="", max_length=64)
    """By which way it came, for the timeline: ``link``, ``page``, a channel's id; empty for console and API."""
    answer: int | None = None
    """The answer it was taken from, by its row: carried out once, whatever crashes in between."""


class DutyPassed(Frozen):
    """Somebody comes on duty instead of others, for the role and place that this case is in the care of."""

    role: str
    place: str
    outgoing: tuple[str, ...]
    """Ids of the people who were on duty and are no more."""
    incoming: Target


class DrillOver(Frozen):
    """The drill that this case belongs to is over."""

    reason: str


Command = (
    AlarmHeard
    | StormJoined
    | AlarmWithheld
    | VoiceAnswered
    | TimerDue
    | TimerLost
    | ClockStepped
    | DeliveryHeard
    | HumanAction
    | DutyPassed
    | DrillOver
)


class Refused(Exception):
    """The case machine does not do this now. ``code`` is stable; the texts say what to do instead."""

    def __init__(self, code: str, zh: str, en: str) -> None:
        super().__init__(f"{code}: {en}")
        self.code = code
        self.zh = zh
        self.en = en
