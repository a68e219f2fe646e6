"""A simulated Hikvision recorder that pushes its alerts over HTTP: channels, alarm inputs, heartbeat, pictures.

Written after the ISAPI developer guide and alerts that users of such cameras published. What goes on is said again each
second with a growing count; only some firmware says that it is over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from firmware_sim.device import Action, ActionError, Args
from firmware_sim.gear.base import GearPart, Link
from firmware_sim.gear.http import HttpGear

MAC = "44:19:b6:6d:24:85"
REPEAT_MS = 1000
HEARTBEAT_MS = 10_000
OFFSET_H = 8
_BOUNDARY = "MIME_boundary"
_PICTURE = bytes.fromhex("ffd8ffe000104a46494600010100000100010000") + b"\r\n--picture\r\n" + bytes.fromhex("ffd9")
_NAMESPACES = {
    "old": ("1.0", "http://www.hikvision.com/ver10/XMLSchema"),
    "newer": ("2.0", "http://www.hikvision.com/ver20/XMLSchema"),
    "newest": ("2.0", "http://www.isapi.org/ver20/XMLSchema"),
}
_STARTS: Mapping[str, str] = {
    "motion": "VMD",
    "intrusion": "fielddetection",
    "line_crossing": "linedetection",
    "tamper": "shelteralarm",
    "video_loss": "videoloss",
    "fault": "diskerror",
}
_ENDS: Mapping[str, str] = {
    "motion_cleared": "VMD",
    "intrusion_cleared": "fielddetection",
    "tamper_cleared": "shelteralarm",
    "video_restored": "videoloss",
    "fault_cleared": "diskerror",
}
_MOMENTS = ("linedetection",)
"""Over as soon as they were said."""


@dataclass(slots=True)
class _Going:
    """Something that goes on at one channel."""

    count: int
    due_ms: int


class SimHikvision(HttpGear):
    """The recorder. Device actions of a channel: ``motion``, ``intrusion``, ``line_crossing``, ``tamper``,
    ``video_loss``, ``fault`` and their ends; of an alarm input (part ``io1``): ``open``, ``close``. The ends take
    ``said`` (true: the firmware says that it is over; else it only falls silent). Of the recorder (``""``):
    ``heartbeat``, ``firmware`` (``generation``: old, newer, newest), ``wrap`` (``how``: plain, form, stream, json),
    ``garble``."""

    profile = "hikvision"

    def __init__(
        self, link: Link, parts: Sequence[GearPart] = (), *, base: str = "", seed: int = 0, clock: Callable[[], int]
    ) -> None:
        super().__init__(link, parts, base=base, seed=seed, clock=clock)
        self._going: dict[tuple[str, str], _Going] = {}
        self._beat_ms = clock()
        self._generation = "newest"
        self._wrap = "plain"

    @classmethod
    def example(cls) -> tuple[GearPart, ...]:
        channels = ("1", "2", "33")
        return (
            *(GearPart(address=MAC, kind="camera", part=channel) for channel in channels),
            GearPart(address=MAC, kind="contact", part="io1"),
        )

    # --- time -------------------------------------------------------------------------------------------------------

    def next_due_ms(self, now_ms: int) -> int | None:
        return min([self._beat_ms, *(going.due_ms for going in self._going.values())])

    def tick(self, now_ms: int) -> None:
        for (part, kind), going in list(self._going.items()):
            if going.due_ms <= now_ms:
                going.count += 1
                going.due_ms = now_ms + REPEAT_MS
                self._alert(part, kind, now_ms, active=True, count=going.count)
        if self._beat_ms <= now_ms:
            self._beat_ms = now_ms + HEARTBEAT_MS
            if not self._going:  # while something goes on, that is what it says
                self._alert("1", "videoloss", now_ms, active=False, count=0)

    # --- the hand of the simulation ---------------------------------------------------------------------------------

    def actions(self, device: str) -> Mapping[str, Action]:
        if not device:
            return {
                "heartbeat": lambda now_ms, args: self._alert("1", "videoloss", now_ms, active=False, count=0),
                "firmware": self._firmware,
                "wrap": self._set_wrap,
                "garble": lambda now_ms, args: self.push(b"<EventNotificationAlert><eventTy", "application/xml"),
            }
        part = self.parts[device].part
        if part.startswith("io"):
            return {"open": self._start(part, "IO"), "close": self._end(part, "IO")}
        return {
            **{name: self._start(part, kind) for name, kind in _STARTS.items()},
            **{name: self._end(part, kind) for name, kind in _ENDS.items()},
        }

    def look(self, device: str) -> Mapping[str, object]:
        part = self.parts[device].part
        return {"going_on": sorted(kind for channel, kind in self._going if channel == part)}

    def _start(self, part: str, kind: str) -> Action:
        def do(now_ms: int, args: Args) -> None:
            if kind not in _MOMENTS:
                self._going[(part, kind)] = _Going(1, now_ms + REPEAT_MS)
            self._alert(part, kind, now_ms, active=True, count=1)

        return do

    def _end(self, part: str, kind: str) -> Action:
        def do(now_ms: int, args: Args) -> None:
            if self._going.pop((part, kind), None) is None:
                raise ActionError(f"{part}: {kind} does not go on")
            if args.get("said", True):
                self._alert(part, kind, now_ms, active=False, count=0)

        return do

    def _firmware(self, now_ms: int, args: Args) -> None:
        generation = str(args.get("generation"))
        if generation not in _NAMESPACES:
            raise ActionError(f"generation: expected one of {', '.join(_NAMESPACES)}, got {generation!r}")
        self._generation = generation

    def _set_wrap(self, now_ms: int, args: Args) -> None:
        how = str(args.get("how"))
        if how not in ("plain", "form", "stream", "json"):
            raise ActionError(f"how: expected plain, form, stream or json, got {how!r}")
        self._wrap = how

    # --- bytes ------------------------------------------------------------------------------------------------------

    def _alert(self, part: str, kind: str, now_ms: int, *, active: bool, count: int) -> None:
        local = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(timezone(timedelta(hours=OFFSET_H)))
        fields = {
            "ipAddress": "192.168.1.64",
            "portNo": "80",
            "protocol": "HTTP",
            "macAddress": MAC,
            "dynChannelID" if part == "33" else "channelID": "1" if part.startswith("io") else part,
            "dateTime": local.isoformat(timespec="seconds"),
            "activePostCount": f"{count}",
            "eventType": kind,
            "eventState": "active" if active else "inactive",
            "eventDescription": f"{kind} alarm",
        }
        if part.startswith("io"):
            fields["inputIOPortID"] = part.removeprefix("io")
        if self._wrap == "json":
            self.push(json.dumps(fields).encode(), "application/json")
            return
        version, namespace = _NAMESPACES[self._generation]
        inner = "\n".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
        xml = f'<EventNotificationAlert version="{version}" xmlns="{namespace}">\n{inner}\n</EventNotificationAlert>\n'
        self._send(xml.encode(), with_picture=active and kind in ("linedetection", "fielddetection"))

    def _send(self, xml: bytes, *, with_picture: bool) -> None:
        if self._wrap == "plain":
            self.push(xml, 'application/xml; charset="UTF-8"')
            return
        if self._wrap == "stream":
            head = f'--boundary\r\nContent-Type: application/xml; charset="UTF-8"\r\nContent-Length: {len(xml)}\r\n\r\n'
            self.push(head.encode() + xml + b"\r\n", "multipart/mixed; boundary=boundary")
            return
        parts = [("linedetection.xml", "application/xml", xml)]
        if with_picture:
            parts.append(("linedetectionPicture.jpg", "image/jpeg", _PICTURE))
        body = b""
        for name, kind, content in parts:
            head = (
                f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
                f"Content-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
            )
            body += head.encode() + content + b"\r\n"
        self.push(body + f"--{_BOUNDARY}--\r\n".encode(), f"multipart/form-data; boundary={_BOUNDARY}")
