"""Which outside systems are told of a case, and what: an alarm receiving centre, a district platform, a hotline.

Pure: the case before and after a step, who is to be told by the registry, and what the registry knows of the place. An
outside system is told once when the case opens (or becomes one that is its business), when the stage, severity or
alarms change, and how it ended; whatever else goes on in the case is nobody's business outside.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple, Self

from pydantic import Field, field_validator, model_validator

from gateway.alarms import ALARM_TYPES, Frozen, Severity
from gateway.cases.document import Event, Scene, document
from gateway.cases.effects import Effect, Purpose, Send
from gateway.cases.model import AlarmRef, Case, Stage

REVISIONS_MOST = 200
"""A case that changes more often is told no further changes but its end: somebody plays with a switch."""
GIVE_UP_S = 86_400
NEW, RESTORE, STILL = 1, 3, 6
CANCELLED_CODE, TEST_CODE = 406, 601


class Zone(Frozen):
    """How an alarm receiving centre calls a device."""

    zone: int = Field(ge=0, le=999)
    partition: int = Field(default=0, ge=0, le=99)


class Outsider(Frozen):
    """An outside system that is told of cases, by a channel of type ``cap``, ``dc09`` or ``webhook``."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    channel: str
    to: str = Field(default="", max_length=200)
    """The address within the channel. Of ``dc09`` the account of whatever is not under ``accounts``; the channel's own
    where it is left out."""
    mode: Literal["drill", "live"] = "drill"
    """``drill``: everything is marked as an exercise (CAP ``Exercise``, Contact ID 601), and no alarm leaves the house.
    ``live`` once the other side has agreed to it in writing."""
    types: tuple[str, ...] = ()
    """Of which types of alarm (or of reported work); all where none is given."""
    severities: tuple[Severity, ...] = ()
    """Of which severities; all where none is given."""
    places: tuple[str, ...] = ()
    """Only what is at these places or inside them; everywhere where none is given."""
    person: bool = False
    """Whether the resident is named, with the telephone number. Off: the door, and nobody's name."""
    accounts: dict[str, str] = {}
    """Of ``dc09``: place → account. The nearest up the place tree counts."""
    zones: dict[str, Zone] = {}
    """Of ``dc09``: device → ``{zone, partition}``. Any other device has a zone made from its id (docs/handover.md)."""

    @field_validator("accounts")
    @classmethod
    def _hexadecimal(cls, value: dict[str, str]) -> dict[str, str]:
        for account in value.values():
            if not 3 <= len(account) <= 16 or set(account) - set("0123456789ABCDEFabcdef"):
                raise ValueError(f"account {account!r}: expected 3 to 16 hexadecimal digits")
        return value

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if len(set(self.types)) != len(self.types):
            raise ValueError("types: each once")
        return self

    def zone_of(self, device: str | None) -> Zone:
        """The zone of a device: its own, else one made from its id; 0 for none."""
        if device is None:
            return Zone(zone=0)
        return self.zones.get(device) or Zone(zone=1 + zlib.crc32(device.encode()) % 999)


class Receiver(NamedTuple):
    """A hand-over as it is in force for one case."""

    rule: Outsider
    contact_id: bool
    """Its channel speaks Contact ID, and not documents."""
    account: str
    """Empty: the channel's own."""


def hand_over(
    before: Case | None, after: Case, receivers: Sequence[Receiver], scene: Callable[[], Scene], now_ms: int
) -> tuple[Case, tuple[Effect, ...]]:
    """The case with its revision counted, and what is to be said outside because of this step."""
    if before is not None and not before.open:
        return after, ()
    if before is not None and _public(before) == _public(after):
        return after, ()
    over = not after.open
    if len(after.revisions) >= REVISIONS_MOST and not over:
        return after, ()
    after = after.model_copy(update={"revisions": (*after.revisions, now_ms)})
    effects: list[Effect] = []
    handed = dict(after.handed)
    for receiver in receivers:
        first = receiver.rule.id not in handed
        if first and (over or not _concerned(receiver.rule, after)):
            continue
        event: Event = "opened" if first else _event(after)
        sends = list(_sends(receiver, before, after, scene, event, handed.get(receiver.rule.id, ()), now_ms))
        effects += sends
        if sends or first:
            handed[receiver.rule.id] = tuple(send.key for send in sends)
    return after.model_copy(update={"handed": handed}), tuple(effects)


def _public(case: Case) -> tuple[object, ...]:
    """What outside systems are told of: a change of it is a new revision."""
    alarms = tuple((ref.rule, ref.subject, ref.type, ref.active) for ref in case.alarms)
    return case.stage, case.severity, case.type, alarms, case.pressed_at_ms, case.emergency.state.called


def _concerned(rule: Outsider, case: Case) -> bool:
    types = {case.type, *(ref.type for ref in case.alarms)}
    return (not rule.types or not types.isdisjoint(rule.types)) and (
        not rule.severities or case.severity in rule.severities
    )


def _event(case: Case) -> Event:
    if case.open:
        return "updated"
    return "cancelled" if case.stage is Stage.CANCELLED else "closed"


def _sends(
    receiver: Receiver,
    before: Case | None,
    case: Case,
    scene: Callable[[], Scene],
    event: Event,
    earlier: tuple[str, ...],
    now_ms: int,
) -> Iterator[Send]:
    rule, revision = receiver.rule, len(case.revisions)
    stem = f"{case.id}:hand_over:{rule.id}:{revision}"
    urgent = case.ladder.life_safety and event != "updated"
    title = f"{event} · {case.number}"
    common = {"channel": rule.channel, "purpose": Purpose.HAND_OVER, "urgent": urgent, "give_up_after_s": GIVE_UP_S}
    if not receiver.contact_id:
        told = document(case, scene(), event=event, live=rule.mode == "live", person=rule.person)
        yield Send(key=stem, to=rule.to, title=title, data={"document": told.as_json()}, **common)
        return
    live = rule.mode == "live" and not case.drill
    for qualifier, code, zone in _signals(rule, None if event == "opened" else before, case, event, live):
        signal = {
            "qualifier": qualifier,
            "code": code,
            "zone": zone.zone,
            "partition": zone.partition,
            "at_ms": now_ms,
            "after": list(earlier),
        }
        key = f"{stem}:{qualifier}{code:03d}:{zone.partition:02d}:{zone.zone:03d}"
        yield Send(key=key, to=receiver.account, title=title, data=signal, **common)


def _signals(rule: Outsider, before: Case | None, case: Case, event: Event, live: bool) -> list[tuple[int, int, Zone]]:
    """What a receiving centre is told, in Contact ID; each once. An exercise is one test and nothing else."""
    if not live:
        return [(NEW, TEST_CODE, rule.zone_of(case.device))] if event == "opened" else []
    known = {(ref.rule, ref.subject): ref for ref in before.alarms} if before is not None else {}
    again = before is not None and before.pressed_at_ms != case.pressed_at_ms
    found: list[tuple[int, int, Zone]] = []
    if event == "cancelled":
        found.append((NEW, CANCELLED_CODE, rule.zone_of(case.device)))
    for ref in case.alarms:
        code = ALARM_TYPES[ref.type].contact_id if ref.type in ALARM_TYPES else None
        if code is None:
            continue
        was = known.get((ref.rule, ref.subject))
        qualifier = _qualifier(was, ref, over=not case.open, again=again)
        if qualifier is not None:
            found.append((qualifier, code, rule.zone_of(_device(ref, case))))
    return list(dict.fromkeys(found))


def _qualifier(was: AlarmRef | None, ref: AlarmRef, *, over: bool, again: bool) -> int | None:
    held = was is not None and was.active
    if over or not ref.active:
        return RESTORE if held else None
    if not held or (again and ref.momentary):
        return NEW
    return STILL


def _device(ref: AlarmRef, case: Case) -> str | None:
    kind, _, name = ref.subject.partition(":")
    return name if kind == "device" else case.device
