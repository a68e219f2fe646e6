"""What the forms of rules share: the subject of a decision, and the record of an alarm that moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, Protocol

from devices.kinds import KINDS
from gateway.alarms import AlarmChange, AlarmMove, ConditionValue, Evidence, Severity
from gateway.rules.document import ConditionRule, EventRule, RuleDocument
from gateway.rules.states import Raised, State

Fact = float | bool | str
Facts = Mapping[str, Fact]
NO_FACTS: Facts = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Limit:
    """A resident's own limit (a doctor's order), in place of a rule's default for as long as it is valid."""

    name: str
    value: float
    from_ms: int | None = None
    until_ms: int | None = None

    def valid(self, at_ms: int) -> bool:
        """Whether it holds at that instant: from ``from_ms`` on, before ``until_ms``."""
        return (self.from_ms is None or self.from_ms <= at_ms) and (self.until_ms is None or at_ms < self.until_ms)


class DeviceInfo(Protocol):
    """The part of a registered device that rules need."""

    @property
    def id(self) -> str:
        """The registry's id."""
        ...

    @property
    def kind(self) -> str:
        """A key of `devices.kinds.KINDS`."""
        ...

    @property
    def place(self) -> str | None:
        """Where it stands; None where that is not known."""
        ...

    @property
    def resident(self) -> str | None:
        """Whom it serves; None for nobody in particular."""
        ...

    @property
    def supervision_s(self) -> int | None:
        """The longest healthy silence; None for the kind's own."""
        ...

    @property
    def hardware(self) -> str:
        """What does the work; another value is other hardware, which holds nothing of what the old one did."""
        ...

    @property
    def via(self) -> str | None:
        """The device that carries it: what this one says goes through there, and is silent with it."""
        ...

    @property
    def facts(self) -> Facts:
        """What is known of it, its place and its resident, by dotted name: ``device.role``, ``resident.birth_year``."""
        ...

    @property
    def limits(self) -> Sequence[Limit]:
        """The resident's own limits."""
        ...


Devices = Callable[[str], "DeviceInfo | None"]
"""The registered device of an id; None for one that is not registered."""


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """A device as rules see it."""

    id: str
    kind: str
    place: str | None = None
    resident: str | None = None
    supervision_s: int | None = None
    hardware: str = ""
    via: str | None = None
    facts: Facts = field(default_factory=lambda: NO_FACTS)
    limits: Sequence[Limit] = ()


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
        momentary=isinstance(rule, EventRule | ConditionRule) and rule.momentary,
        place=device.place,
        resident=device.resident,
        shadow=rule.shadow,
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
    conditions: tuple[ConditionValue, ...] = (),
    words: tuple[str, str] = ("", ""),
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
        conditions=conditions,
        zh=words[0],
        en=words[1],
        shadow=raised.shadow,
    )
