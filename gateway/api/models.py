"""Shapes of the API that are not records of the core already."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from gateway.api.reads import AlarmRow, DeviceState, OutboxRow, TimelineLine
from gateway.cases.model import Case


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


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

    reason: Annotated[str, Field(max_length=2000)] = ""
    """Why. Required for cancel, veto, release and note."""
    to: Annotated[str, Field(max_length=200)] = ""
    """For dispatch and arrive: who."""
    version: int | None = None
    """The version you saw: your answer is refused (409) if the case has moved on since."""


class Problem(_Shape):
    """Why a request was not carried out."""

    code: str
    zh: str
    en: str


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


class Series(_Shape):
    """A metric over time: raw readings, or buckets where ``width_s`` was given."""

    device: str
    metric: str
    unit: str
    points: list[dict[str, Any]]
