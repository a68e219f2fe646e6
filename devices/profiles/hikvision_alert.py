"""One alert of a Hikvision camera or recorder, whatever it is wrapped in: XML of any namespace, or JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from devices.expression.functions import millis
from devices.gear.jsontext import json_table, shown, word
from devices.gear.messages import Scalar
from devices.gear.multipart import Part
from devices.gear.xmltext import Element, xml_element
from devices.observation import Refusal

_ALERT = "EventNotificationAlert"
_OFFSET = re.compile(r"([+-])(\d{1,2}):?(\d\d)")
_SHORT_OFFSET = re.compile(r"([+-])(\d):(\d\d)\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert, whatever it was wrapped in."""

    type: str
    active: bool
    channel: str
    """Empty where it speaks of the whole device."""
    mac: str
    ip: str
    at_ms: int | None
    count: str
    data: Mapping[str, Scalar]
    channel_name: str

    @property
    def heartbeat(self) -> bool:
        """Whether it only says that the camera is there: "no video loss", sent all the time."""
        return self.type == "videoloss" and not self.active

    @property
    def identity(self) -> str | None:
        """The camera numbers nothing, but no two of its alerts share type, channel, time and count."""
        if self.at_ms is None:
            return None
        name = f"{self.type}-{self.channel}-{self.at_ms}-{self.count}-{'active' if self.active else 'inactive'}"
        return name.replace(":", "_")


def alerts_in(part: Part, offset_minutes: int | None) -> list[Alert]:
    """The alerts in one part; none in one that is empty. Raises Refusal."""
    body = part.body.strip()
    if not body:
        return []
    if body.startswith(b"{"):
        return [_from_json(json_table(body), offset_minutes)]
    if not body.startswith(b"<"):
        raise no_alert(body)
    root = xml_element(body)
    found = [_from_xml(element, offset_minutes) for element in root.every(_ALERT)]
    if not found:
        raise Refusal(
            "malformed",
            field=root.name[:64],
            expected=_ALERT,
            hint="let the camera push alarms, not its settings (Network > Advanced > Alarm server)",
        )
    return found


def _from_xml(alert: Element, offset_minutes: int | None) -> Alert:
    fields = {child.name: child.text for child in alert.children}
    target = next((one.text for name in ("detectionTarget", "targetType") for one in alert.every(name)), "")
    region = next((one.text for one in alert.every("regionID")), "")
    return _alert(fields, target, region, offset_minutes)


def _from_json(table: Mapping[str, object], offset_minutes: int | None) -> Alert:
    inner = table.get(_ALERT)
    fields = {
        key: value if isinstance(value, str) else f"{value}"
        for key, value in (inner if isinstance(inner, dict) else table).items()
        if isinstance(value, str | int)
    }
    return _alert(fields, fields.get("detectionTarget", ""), fields.get("regionID", ""), offset_minutes)


def _alert(fields: Mapping[str, str], target: str, region: str, offset_minutes: int | None) -> Alert:
    kind = word(fields.get("eventType", "").strip().lower(), 64)
    if not kind:
        raise Refusal("malformed", field="eventType", expected="the type of an alert", hint="it is not there")
    state = fields.get("eventState", "active").strip().lower()
    if state not in ("active", "inactive"):
        raise Refusal("malformed", field="eventState", expected="active or inactive", hint=f"got {shown(state)}")
    channel = next(
        (text for name in ("channelID", "dynChannelID") if (text := fields.get(name, "").strip()) not in ("", "0")),
        "",
    )
    if kind == "io":
        port = fields.get("inputIOPortID") or fields.get("dynInputIOPortID") or channel
        channel = f"io{port.strip()}"
    data = {"target": target, "region": region, "about": fields.get("eventDescription", "")}
    return Alert(
        type=kind,
        active=state == "active",
        channel=channel[:16],
        mac=fields.get("macAddress", "").strip()[:32],
        ip=fields.get("ipAddress", "").strip()[:64],
        at_ms=_at_ms(fields.get("dateTime", ""), offset_minutes),
        count=fields.get("activePostCount", "").strip()[:12],
        data={key: value[:128] for key, value in data.items() if value},
        channel_name=fields.get("channelName", "").strip()[:64],
    )


def utc_offset(offset: str) -> int | None:
    """The minutes of an offset such as +08:00; None for none. Raises ValueError."""
    if not offset:
        return None
    match = _OFFSET.fullmatch(offset.strip())
    if match is None:
        raise ValueError(f"utc_offset: expected an offset such as +08:00, got {offset!r}")
    sign: Literal[1, -1] = -1 if match[1] == "-" else 1
    return sign * (int(match[2]) * 60 + int(match[3]))


def _at_ms(text: str, offset_minutes: int | None) -> int | None:
    """Some firmware writes ``+8:00``; some leaves the offset out."""
    found = millis(_SHORT_OFFSET.sub(r"\g<1>0\2:\3", text.strip()), offset_minutes)
    return None if found is None else int(found)


def no_alert(payload: bytes) -> Refusal:
    """The refusal of bytes that hold no alert."""
    return Refusal(
        "malformed",
        field="payload",
        expected=f"an {_ALERT} in XML or JSON, alone or as one part of several",
        hint=f"got {shown(payload[:80])}",
    )
