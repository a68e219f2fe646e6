"""What the three forms of rules share: the subject of a decision, and the record of an alarm that moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from devices.kinds import KINDS
from gateway.alarms import AlarmChange, AlarmMove, Evidence, Severity
from gateway.rules.document import EventRule, RuleDocument
from gateway.rules.states import Raised, State


class DeviceInfo(Protocol):
    """The part of a registered device that rules need."""

    @property
    def id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def place(self) -> str | None: ...
    @property
    def resident(self) -> str | None: ...
    @property
    def supervision_s(self) -> int | None:
        """The longest healthy silence; None for the kind's own."""
        ...

    @property
    def hardware(self) -> str:
        """What does the work; another value is other hardware, which holds nothing of what the old one did."""
        ...


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """A device as rules see it."""

    id: str
    kind: str
    place: str | None = None
    resident: str | None = None
    supervision_s: int | None = None
    hardware: str = ""


def supervision_s(device: DeviceInfo) -> int:
    """The longest healthy silence of ``device`` in seconds."""
    return KINDS[device.kind].supervision_s if device.supervision_s is None else device.supervision_s


def subject_of(rule: RuleDocument, device: DeviceInfo) -> str:
    """Whom an alarm of ``rule`` about ``device`` is about: resident, else place, else the device itself."""
    if rule.subject == "resident" and device.resident is not None:
        return f"resident:{device.resident}"
    if rule.subject != "device" and device.place is not None:
        return f"place:{device.place}"
    return f"device:{device.id}"


def raised_by(rule: RuleDocument, device: DeviceInfo) -> Raised:
    """What ``rule`` raises for ``device``."""
    return Raised(
        version=rule.version,
        type=rule.raises.type,
        severity=rule.raises.severity.value,
        ladder=rule.raises.ladder,
        momentary=isinstance(rule, EventRule) and rule.momentary,
        place=device.place,
        resident=device.resident,
    )


class Step(NamedTuple):
    """What one step came to."""

    state: State
    changes: tuple[AlarmChange, ...] = ()
    notes: tuple[str, ...] = ()
    """Why something was not considered: ``duplicate``, ``overtaken``, ``division_by_zero`` … Counted per rule."""


def change(
    move: AlarmMove,
    rule_id: str,
    subject: str,
    raised: Raised,
    explanation: str,
    *,
    device: str | None,
    now_ms: int,
    observed_at_ms: int,
    evidence: tuple[Evidence, ...] = (),
) -> AlarmChange:
    """The record of an alarm that moved."""
    return AlarmChange(
        move=move,
        rule=rule_id,
        rule_version=raised.version,
        subject=subject,
        type=raised.type,
        severity=Severity(raised.severity),
        ladder=raised.ladder,
        at_ms=now_ms,
        observed_at_ms=observed_at_ms,
        device=device,
        place=raised.place,
        resident=raised.resident,
        momentary=raised.momentary,
        explanation=explanation,
        evidence=evidence,
    )
