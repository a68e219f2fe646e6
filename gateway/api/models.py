"""Shapes of the API that are not records of the core already."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.api.reads import AlarmRow, DeviceState, OutboxRow, TimelineLine
from gateway.cases.model import Case

NO_NUL = r"^[^\x00]*$"
"""PostgreSQL stores no NUL character."""
ID = r"^[^\x00-\x1f\x7f]{1,200}$"
"""What can be an id of something: no control characters."""


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Decision(_Shape):
    """A person's decision on a case."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"reason": "王师傅已出发", "to": "person:wang", "version": 7},
                {"reason": "本人接听电话，误按"},
            ]
        },
    )

    reason: Annotated[str, Field(max_length=2000, pattern=NO_NUL)] = ""
    """Why. Required for cancel, veto, release and note."""
    to: Annotated[str, Field(max_length=200, pattern=NO_NUL)] = ""
    """For dispatch and arrive: who."""
    version: Annotated[int, Field(ge=1, le=2**31)] | None = None
    """The version you saw: your answer is refused (409) if the case has moved on since."""


class CommandOrder(_Shape):
    """What a device is to do."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"command": "close"}, {"command": "indicate", "args": {"lamp": "green"}}]},
    )

    command: Annotated[str, Field(min_length=1, max_length=64, pattern=NO_NUL)]
    """One of the commands of the device's kind (docs/protocol.md)."""
    args: Annotated[dict[str, str], Field(max_length=16)] = {}


class FieldFault(_Shape):
    """One thing in a request that does not fit."""

    where: str
    """``body.reason``, ``query.limit`` …"""
    expected: str


class Problem(_Shape):
    """Why a request was not carried out."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "code": "already_taken",
                    "zh": "已由 operator:night-desk 受理，谢谢",
                    "en": "already taken by operator:night-desk, thank you",
                    "fields": [],
                }
            ]
        },
    )

    code: str
    """Stable; for programs."""
    zh: str
    en: str
    fields: list[FieldFault] = []
    """For ``invalid_request``: what is wrong where."""


class CaseSummary(_Shape):
    """A case as lists show it."""

    case: Case
    type_zh: str
    type_en: str
    resident_name: str
    place_zh: str
    place_en: str


class CaseDetail(CaseSummary):
    """A case with everything that can be read about it."""

    timeline: list[TimelineLine]
    alarms: list[AlarmRow]
    outbox: list[OutboxRow]


class DeviceSummary(_Shape):
    """A device with its health."""

    id: str
    kind: str
    kind_zh: str
    kind_en: str
    place: str
    place_zh: str
    resident: str | None
    profile: str
    bridge: str | None
    address: str
    """What the hardware calls itself."""
    serial: str
    status: Literal["active", "retired"]
    supervision_s: int
    state: DeviceState | None
    """None for a device that was never heard."""
    silent: bool
    """Not heard for longer than its supervision interval."""


class ReadingOut(_Shape):
    metric: str
    zh: str
    en: str
    unit: str
    value: float
    at_ms: int


class DeviceDetail(DeviceSummary):
    latest: list[ReadingOut]


class Point(_Shape):
    """One reading."""

    at_ms: int
    value: float


class BucketPoint(_Shape):
    """The readings of ``width_s`` seconds from ``at_ms`` on."""

    at_ms: int
    count: int
    mean: float
    low: float
    high: float
    last: float


class Series(_Shape):
    """A metric over time: raw readings, or buckets where ``width_s`` was given."""

    device: str
    metric: str
    unit: str
    """UCUM."""
    points: list[Point] | list[BucketPoint]


class Alive(_Shape):
    status: Literal["ok"] = "ok"


class Readiness(_Shape):
    """Whether alarms can be taken in and decided."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"ready": False, "failed": ["mqtt-urgent"]}]}
    )

    ready: bool
    failed: list[str]
    """Names of the parts that cannot; `GET /api/v1/health` says why."""
    heartbeat: str | None = None
    """Why no heartbeat gets through to the watcher outside; left out while one does, or where there is no watcher."""
