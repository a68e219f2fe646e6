"""Shapes of the API about how devices come, change and go."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.api.models import ID, NO_NUL
from gateway.registry.away import WHY_MOST
from gateway.registry.care import LONGEST_S, Mode
from gateway.registry.facts import Attributes, Moment
from gateway.registry.model import Device
from gateway.store.forecast import Verdict

Word = Annotated[str, Field(max_length=200, pattern=ID)]
Line = Annotated[str, Field(max_length=200, pattern=NO_NUL)]
Reason = Annotated[str, Field(min_length=1, max_length=2000, pattern=NO_NUL)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


def _example(*examples: dict[str, Any]) -> ConfigDict:
    return ConfigDict(extra="forbid", use_attribute_docstrings=True, json_schema_extra={"examples": list(examples)})


class DeviceChange(_Shape):
    """Fields of a device that are to have another value; null takes a value back. What is left out stays."""

    model_config = _example({"place": "b3-501", "resident": None}, {"status": "active"})

    kind: Word | None = None
    profile: Word | None = None
    bridge: Word | None = None
    address: Word | None = None
    options: dict[str, Line] | None = None
    serial: Line | None = None
    status: Literal["active", "retired"] | None = None
    name: dict[Literal["zh", "en"], Line] | None = None
    place: Word | None = None
    resident: Word | None = None
    supervision_s: int | None = None
    via: Word | None = None
    attributes: Attributes | None = None
    """All of them: what is left out is taken away."""


class Replacement(_Shape):
    """Other hardware for a device."""

    model_config = _example({"address": "sos-7F", "serial": "B2"})

    address: Word
    """What the new hardware calls itself."""
    serial: Line = ""


class Why(_Shape):
    """The reason for what is done; it stands in the device's history."""

    model_config = _example({"reason": "老人搬走"})

    reason: Reason


class Adoption(_Shape):
    """What a person says of a stranger; the rest is proposed."""

    model_config = _example({"place": "b3-501"}, {"place": "b3", "kind": "smoke", "name_zh": "门厅烟感"})

    place: Word
    kind: Word | None = None
    """Where its messages do not tell."""
    resident: Word | None = None
    id: Word | None = None
    """Made of kind and place where it is left out."""
    name_zh: Line = ""
    name_en: Line = ""
    serial: Line = ""


class CareOrder(_Shape):
    """A device is going to be worked on."""

    model_config = _example({"mode": "test", "for_s": 1800, "reason": "年检"})

    mode: Mode
    for_s: int = Field(ge=1, le=max(LONGEST_S.values()))
    """At most 24 h of maintenance, 2 h of test."""
    reason: Reason


class Warned(_Shape):
    """Something that is allowed, and worth a look."""

    entry: str
    field: str
    zh: str
    en: str


class DevicesChanged(_Shape):
    """What was changed."""

    devices: list[Device]
    """As they are now; empty where nothing had to be changed."""
    revision: int
    warnings: list[Warned]


class Attributed(_Shape):
    """What rules may know of a place or a resident from now on."""

    model_config = _example({"attributes": {"armed": True}, "revision": 7, "warnings": []})

    attributes: Attributes
    revision: int
    warnings: list[Warned]


class AwayOrder(_Shape):
    """A resident is not at home, and until when."""

    model_config = _example(
        {"reason": "hospital", "until": "2026-12-05"}, {"reason": "去女儿家", "until": "2026-12-05 18:00"}
    )

    reason: Annotated[str, Field(min_length=1, max_length=WHY_MOST, pattern=NO_NUL)]
    """``hospital``, ``travel``, or other words, on one line."""
    until: Moment
    """A day, which is the last of it, or an instant by the community's clock; at most 90 days ahead."""


class AwayOut(_Shape):
    """A resident who is away: rules over inactivity are not for her meanwhile, all others are."""

    resident: str
    reason: str
    until: str | None
    """As it was said; null where nobody said when it ends (it came with the files, or as a bare attribute)."""
    until_ms: int | None
    """When it ends by itself."""
    by: str
    """Who said it; empty where that is not known."""
    zh: str
    """``住院，至 12-05；…``."""
    en: str


class CandidateOut(_Shape):
    """Gear that spoke, or that its bridge described, and is not registered."""

    bridge: str
    """``native`` for gear of the native protocol."""
    address: str
    profile: str
    kind: str | None
    """What it most probably is."""
    name: str
    vendor: str
    model: str
    firmware: str
    first_ms: int
    last_ms: int
    heard: int
    """How often it spoke itself."""
    last_source: str
    last_payload: str
    dismissed_at_ms: int | None


class NotUnderstood(_Shape):
    """A message that was not understood, or whose sender is not known."""

    received_at_ms: int
    transport: str
    source: str
    reason: str
    field: str
    expected: str
    hint: str
    payload: str


class LifeLine(_Shape):
    """One line of a device's life."""

    at_ms: int
    actor: str
    what: str
    zh: str
    en: str
    detail: dict[str, Any]


class CareOut(_Shape):
    """A device that is being worked on."""

    device: str
    mode: Mode
    since_ms: int
    until_ms: int
    actor: str
    reason: str


class Imported(_Shape):
    """What a table changes, or has changed."""

    dry_run: bool
    rows: int
    added: list[str]
    changed: dict[str, dict[str, list[Any]]]
    """Device → field → before and after."""
    unchanged: int
    revision: int
    warnings: list[Warned]


class FirmwareLine(_Shape):
    """The devices of one kind and model that run the same version."""

    kind: str
    model: str
    firmware: str
    """Empty for devices that have not said."""
    outdated: bool
    """Others of this kind and model run a higher version."""
    devices: list[str]


class BatteryLine(_Shape):
    """What is to be expected of a device's battery and radio link."""

    device: str
    metric: str
    """``battery`` (%) or ``battery_voltage`` (V)."""
    level: float | None
    empty: float
    """The level at which it counts as empty."""
    verdict: Verdict
    days: int
    """How many days the answer rests on."""
    changed_ms: int | None
    """When the battery was changed last."""
    at_ms: int | None
    """When it will be empty."""
    earliest_ms: int | None
    latest_ms: int | None
    """The range of 80 %; without an end where it has none."""
    link: str
    """``rssi`` (dBm) or ``link_quality`` (%); empty where neither is reported."""
    signal: float | None
    signal_change: float | None
    """Against the three weeks before."""


class Batteries(_Shape):
    """All batteries, the most urgent first."""

    lines: list[BatteryLine]
    computed_ms: int
