"""What rules tell cases: an alarm was raised, repeated or cleared; and the catalogue of alarm types.

Pure vocabulary between two rooms that do not know each other. The catalogue carries what an alarm receiving
centre or a CAP message needs (SIA Contact ID code; CAP 1.2 urgency, severity, certainty) and the wording people read.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Severity(StrEnum):
    """How bad it is, in the order people must be reached."""

    EMERGENCY = "emergency"
    """A life may be at stake."""
    URGENT = "urgent"
    """Somebody must look within the hour."""
    SERVICE = "service"
    """Work to be done in working time."""
    NOTICE = "notice"
    """To be seen, not to be woken for."""


class Frozen(BaseModel):
    """Base of immutable records: unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


Kept = Annotated[str, AfterValidator(lambda text: text.replace("\0", "\ufffd"))]
"""Text as people and devices give it, with the one character that PostgreSQL does not keep made visible."""


class Position(Frozen):
    """Coordinates with their datum, which is never guessed."""

    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)
    datum: Literal["WGS-84", "GCJ-02"]


class AlarmType(Frozen):
    """One kind of trouble, as people and other systems name it."""

    key: str
    zh: str
    en: str
    contact_id: int | None
    cap_urgency: str
    cap_severity: str
    cap_certainty: str
    life_safety: bool = False


def _types(*rows: AlarmType) -> Mapping[str, AlarmType]:
    return MappingProxyType({row.key: row for row in rows})


def _row(
    key: str, zh: str, en: str, contact_id: int | None, cap: tuple[str, str, str], life_safety: bool = False
) -> AlarmType:
    return AlarmType(
        key=key,
        zh=zh,
        en=en,
        contact_id=contact_id,
        cap_urgency=cap[0],
        cap_severity=cap[1],
        cap_certainty=cap[2],
        life_safety=life_safety,
    )


_NOW = ("Immediate", "Severe", "Observed")
_LIKELY = ("Immediate", "Severe", "Likely")
_SOON = ("Expected", "Moderate", "Observed")
_MINOR = ("Future", "Minor", "Observed")
_PERHAPS = ("Immediate", "Severe", "Possible")
"""Concluded from what was not seen."""

ALARM_TYPES: Mapping[str, AlarmType] = _types(
    _row("personal_emergency", "紧急呼救", "personal emergency", 101, _NOW, True),
    _row("medical", "医疗急救", "medical emergency", 100, _LIKELY, True),
    _row("fall", "跌倒", "fall", 101, _LIKELY, True),
    _row("vitals_critical", "生命体征危急", "critical vital signs", 100, _LIKELY, True),
    _row("vitals_abnormal", "生命体征异常", "abnormal vital signs", 100, _SOON),
    _row("health_trend", "健康趋势", "health trend", 641, _MINOR),
    _row("smoke", "烟雾", "smoke", 111, _NOW, True),
    _row("heat", "高温", "heat", 114, _NOW, True),
    _row("gas", "燃气泄漏", "gas leak", 151, _NOW, True),
    _row("co", "一氧化碳", "carbon monoxide", 162, _NOW, True),
    _row("inactivity", "居家无活动", "no sign of life at home", 654, _PERHAPS),
    _row("no_return", "外出未归", "not come home", 102, _PERHAPS),
    _row("night_wandering", "夜间外出", "gone out at night", 134, _PERHAPS),
    _row("bed_left", "夜间离床未归", "not back in bed", 102, _PERHAPS),
    _row("door_open", "入户门未关", "front door left open", 134, _SOON),
    _row("window_open", "外出未关窗", "window left open", 134, _MINOR),
    _row("water_leak", "漏水", "water leak", 154, _SOON),
    _row("valve_fault", "阀门未动作", "valve did not move", 380, _SOON),
    _row("intrusion", "入侵", "intrusion", 130, _LIKELY),
    _row("tamper", "设备防拆", "tamper", 383, _SOON),
    _row("service_request", "生活服务", "service request", 616, _MINOR),
    _row("medication_missed", "漏服药", "medication missed", 641, _MINOR),
    _row("staff_call", "呼叫工作人员", "call for staff", 616, _SOON),
    _row("problem_report", "居民上报", "problem report", 616, _MINOR),
    _row("traffic_congestion", "交通拥堵", "traffic congestion", 150, _MINOR),
    _row("traffic_incident", "疑似交通事件", "traffic incident", 150, ("Immediate", "Moderate", "Possible")),
    _row("wrong_way", "车辆逆行", "vehicle the wrong way", 150, _LIKELY),
    _row("bin_fire", "垃圾桶起火", "fire in a waste bin", 110, _LIKELY),
    _row("bin_hot", "垃圾桶温度异常", "waste bin too warm", 158, ("Expected", "Moderate", "Possible")),
    _row("bin_full", "垃圾桶满溢", "waste bin full", 150, _MINOR),
    _row("power_lost", "市电断开", "mains lost", 301, _SOON),
    _row("path_lost", "通信中断", "communication lost", 350, _SOON),
    _row("device_silent", "设备失联", "device silent", 354, _SOON),
    _row("device_fault", "设备故障", "device fault", 380, _SOON),
    _row("sensor_doubtful", "数据存疑", "readings in doubt", 380, _MINOR),
    _row("clock_wrong", "设备时钟错误", "device clock wrong", 626, _MINOR),
    _row("signal_weak", "信号弱", "weak signal", 380, _MINOR),
    _row("undecidable", "无法判断的报警", "alarm that could not be judged", 380, _LIKELY),
    _row("low_battery", "电量低", "low battery", 384, _MINOR),
    _row("alarm_storm", "报警风暴", "alarm storm", 140, _SOON),
)


class AlarmMove(StrEnum):
    """What happened to an alarm. Each decision has a name."""

    RAISED = "raised"
    REPEATED = "repeated"
    """The condition was met again while the alarm was already raised: a second press."""
    CLEARED = "cleared"
    """The condition no longer holds."""
    CANCELLED = "cancelled"
    """The resident says at the device that it was a mistake."""


class Evidence(Frozen):
    """One observation a decision was taken on, kept with the decision so that it can be explained for ever."""

    message_id: str
    device: str
    observed_at_ms: int
    received_at_ms: int
    event: str | None = None
    metrics: dict[str, float] = {}
    clock_suspect: bool = False


class ConditionValue(Frozen):
    """One part of a rule's condition, as it stood when the decision was taken."""

    text: str
    """As it is written in the rule: ``spo2 < 90``."""
    holds: bool | None
    """None: not known, because something it needs was not said."""
    values: str = ""
    """What it was made of: ``spo2 88``."""


class AlarmChange(Frozen):
    """A rule's decision about one subject. Key of the alarm: (rule, subject); it cannot be raised twice."""

    move: AlarmMove
    rule: str
    rule_version: int
    subject: str
    """``device:<id>``, ``resident:<id>`` or ``place:<id>``."""
    type: str
    """A key of `ALARM_TYPES`."""
    severity: Severity
    ladder: str
    at_ms: int
    """When the gateway decided."""
    observed_at_ms: int
    """When it happened, by the device's clock where credible."""
    device: str | None
    place: str | None
    resident: str | None
    momentary: bool
    """True for an event (a press): it ends with its case. False for a condition (a limit): it ends when it clears."""
    explanation: str
    """The condition with its values, as a sentence: ``spo2 88 < 90 in 2 of 3 readings``."""
    evidence: tuple[Evidence, ...] = ()
    conditions: tuple[ConditionValue, ...] = ()
    zh: str = ""
    en: str = ""
    """The same for people who are told, by the rule's own wording; empty where it has none."""
    code: str = ""
    """Of a cancel: the code that was given with it, where the device has keys for one."""
    shadow: bool = False
    """The rule is being tried out: this is counted, and nobody is told."""
    slow_ms: int = 0
    """By how much the device's clock is known to be slow: of what looks late so much was never under way."""

    @property
    def late_ms(self) -> int:
        """How long it was under way; below 0 where the device's clock is ahead."""
        return self.at_ms - self.observed_at_ms - self.slow_ms
