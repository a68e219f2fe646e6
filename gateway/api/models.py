"""Shapes of the API that are not records of the core already."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.alarms import Position, Severity
from gateway.api.reads import AlarmRow, DeviceState, OutboxRow, TimelineLine
from gateway.cases.causes import Cause
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
                {"reason": "本人接听电话，误按", "cause": "pressed_by_mistake"},
                {"reason": "等待供水公司关阀", "until_ms": 1790600000000},
                {"reason": "已电话确认修好", "done": True, "way": "电话", "to": "张女士"},
            ]
        },
    )

    reason: Annotated[str, Field(max_length=2000, pattern=NO_NUL)] = ""
    """Why. Required for cancel (unless a cause says it), claim, veto, release, note, suspend, ask_time, grant_time,
    refuse_time, rework, split and reopen."""
    to: Annotated[str, Field(max_length=200, pattern=NO_NUL)] = ""
    """For dispatch and arrive: who (``person:wang``, ``role:maintenance``, or a name in plain text). For call_back and
    rate: who was asked."""
    code: Annotated[str, Field(max_length=32, pattern=NO_NUL)] = ""
    """For take_back: the resident's own code."""
    cause: Cause | None = None
    """For cancel: why the alarm was false."""
    until_ms: Annotated[int, Field(ge=0, le=2**53)] | None = None
    """For suspend and ask_time: until when."""
    into: Annotated[str, Field(max_length=64, pattern=NO_NUL)] = ""
    """For merge: the case that this one becomes part of, by id or number."""
    work: Annotated[str, Field(max_length=64, pattern=NO_NUL)] = ""
    """For split: the type of the work that becomes a case of its own; without it that of this case."""
    key: Annotated[str, Field(max_length=200, pattern=NO_NUL)] = ""
    """For split: sent twice under one key it splits once."""
    done: bool | None = None
    """For call_back: whether it is really done. If not, it is taken up again as a linked case."""
    score: Annotated[int, Field(ge=1, le=5)] | None = None
    """For rate: 1 not at all satisfied … 5 very."""
    by: Annotated[str, Field(max_length=64, pattern=NO_NUL)] = ""
    """For rate: whose word it is, ``residents`` or the id of an organisation; without it that of the caller's own
    organisation, else the residents'."""
    way: Annotated[str, Field(max_length=100, pattern=NO_NUL)] = ""
    """For call_back and rate: by which way it was asked."""
    version: Annotated[int, Field(ge=1, le=2**31)] | None = None
    """The version you saw: your answer is refused (409) if the case has moved on since."""


class ReporterIn(_Shape):
    """Who reported it, as far as they said."""

    name: Annotated[str, Field(max_length=100, pattern=NO_NUL)] = ""
    phone: Annotated[str, Field(max_length=40, pattern=NO_NUL)] = ""
    channel: Annotated[str, Field(max_length=100, pattern=NO_NUL)] = ""
    """By which way in particular: ``12345``, ``kiosk-3``."""


class ReportIn(_Shape):
    """What somebody reports."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "key": "12345-2026-118-77",
                    "work": "well_cover",
                    "source": "hotline",
                    "text": "便道上的井盖碎了一半",
                    "pole": "0272",
                    "reporter": {"name": "张女士", "phone": "000-1380-0001", "channel": "12345"},
                }
            ]
        },
    )

    key: Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]
    """Yours, of this report: posted twice under it, it opens one case."""
    work: Annotated[str, Field(min_length=1, max_length=64, pattern=NO_NUL)]
    """The type of work: see ``GET /api/v1/work-types``."""
    text: Annotated[str, Field(min_length=1, max_length=4000, pattern=NO_NUL)]
    """In the reporter's words."""
    source: Literal["kiosk", "phone", "pole", "hotline", "inspection", "service"] = "phone"
    place: Annotated[str, Field(max_length=64, pattern=NO_NUL)] | None = None
    """The id of a place."""
    pole: Annotated[str, Field(max_length=64, pattern=NO_NUL)] = ""
    """The number on the pole next to it; it says the place as well."""
    position: Position | None = None
    resident: Annotated[str, Field(max_length=64, pattern=NO_NUL)] | None = None
    """The id of the resident whom it concerns."""
    reporter: ReporterIn | None = None
    happened_at_ms: Annotated[int, Field(ge=0, le=2**53)] | None = None
    """When it was seen; now, where left out."""


class WorkTypeOut(_Shape):
    """A type of work that can be reported."""

    id: str
    zh: str
    en: str
    department: str
    severity: Severity
    limits_zh: list[str]
    limits_en: list[str]


class CauseOut(_Shape):
    """Why an alarm can have been false."""

    code: Cause
    zh: str
    en: str


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
    """The newest value of a metric."""

    metric: str
    zh: str
    en: str
    unit: str
    value: float
    at_ms: int


class DeviceDetail(DeviceSummary):
    """A device with its newest readings."""

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
    """The process runs. Whether all is well is another question: `/readyz`."""

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
