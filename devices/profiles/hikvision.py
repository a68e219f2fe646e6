"""Hikvision cameras and recorders, by the alerts that they push over HTTP (ISAPI ``EventNotificationAlert``).

The same alert comes as XML, as JSON, or as one part of several beside pictures, in one of three namespaces by the age
of the firmware. A camera says it again each second while it lasts, and often never says that it is over. When nothing
happens it says ``videoloss``, ``inactive``: that is its heartbeat.

Format: Hikvision ISAPI developer guide, "Alarm/event receiving"; alerts as users of the alert stream have published.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from devices.expression.functions import millis
from devices.gear.jsontext import json_table, shown, word
from devices.gear.messages import AddressBook, Announced, GearDevice, Incoming, Order, Reading, Said, Scalar
from devices.gear.multipart import Part, parts_of
from devices.gear.profile import Profile
from devices.gear.xmltext import Element, xml_element
from devices.native import Command
from devices.observation import Refusal

ALIVE_EVERY_MS = 60_000
"""How often a heartbeat is written down; cameras beat every 10 s or faster."""
_BRIEF_MS, _LASTING_MS = 30_000, 600_000
"""After so long without a word a thing is over: an alert is repeated each second; of a fault less often."""
_ALERT = "EventNotificationAlert"
_OFFSET = re.compile(r"([+-])(\d{1,2}):?(\d\d)")
_SHORT_OFFSET = re.compile(r"([+-])(\d):(\d\d)\Z")


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What one type of alert is for a camera."""

    state: str = ""
    moment: str = ""
    """The event of its beginning."""
    over_after_ms: int = 0
    """0: only when the camera says so."""


_MOTION = _Meaning("motion", "motion", _BRIEF_MS)
_INTRUSION = _Meaning("intrusion", "intrusion", _BRIEF_MS)
_LINE = _Meaning("", "line_crossing", _BRIEF_MS)
_SEEN = _Meaning("", "object", _BRIEF_MS)
_TAMPER = _Meaning("tampered", "tamper", _LASTING_MS)
_FAULT = _Meaning("faulty", "fault", _LASTING_MS)
_LOSS = _Meaning("video_lost", "video_loss", 0)

_MEANINGS: Mapping[str, _Meaning] = {
    "vmd": _MOTION,
    "pir": _MOTION,
    "motiondetection": _MOTION,
    "fielddetection": _INTRUSION,
    "regionentrance": _INTRUSION,
    "linedetection": _LINE,
    **dict.fromkeys(
        (
            "regionexiting",
            "loitering",
            "group",
            "rapidmove",
            "parking",
            "unattendedbaggage",
            "attendedbaggage",
            "facedetection",
            "facesnap",
            "humandetection",
            "peopledetection",
            "vehicledetection",
        ),
        _SEEN,
    ),
    "shelteralarm": _TAMPER,
    "tamperdetection": _TAMPER,
    "scenechangedetection": _TAMPER,
    **dict.fromkeys(
        (
            "diskfull",
            "diskerror",
            "diskunformat",
            "nicbroken",
            "ipconflict",
            "illaccess",
            "badvideo",
            "videomismatch",
            "videoexception",
            "recordexception",
            "recordingfailure",
            "defocus",
            "hdbadblock",
            "raidexception",
            "spareexception",
            "poepowerexception",
        ),
        _FAULT,
    ),
    "videoloss": _LOSS,
}
"""By the alert's ``eventType``, in small letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alert:
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
        return self.type == "videoloss" and not self.active


@dataclass(slots=True)
class _Episode:
    """Something that a device keeps saying."""

    meaning: _Meaning
    began: str | None
    """Identity of the alert it began with: pushed again, that one is still the beginning."""
    last_ms: int


class Hikvision:
    """What pushes to one door: a camera, or a recorder with its channels."""

    def __init__(self, base: str, options: Mapping[str, str]) -> None:
        """Raises ValueError that names an option."""
        self._offset_minutes = _minutes(options.get("utc_offset", ""))
        self._lasting: dict[tuple[str, str], _Episode] = {}
        """By device and type of alert."""
        self._alive_ms: dict[str, int] = {}
        """Device → when its heartbeat was last written down."""

    def filters(self) -> tuple[str, ...]:
        return ()

    def receive(self, incoming: Incoming, book: AddressBook) -> Reading:
        alerts: list[_Alert] = []
        faults: list[Refusal] = []
        pictures = 0
        for part in parts_of(incoming.payload, incoming.content_type):
            if part.content_type.startswith(("image/", "video/", "audio/")):
                pictures += 1
                continue
            try:
                alerts += self._alerts(part)
            except Refusal as refusal:
                faults.append(refusal)
        if not alerts:
            raise faults[0] if faults else _no_alert(incoming.payload)
        said: list[Said] = []
        announced: list[Announced] = []
        for alert in alerts:
            devices = _registered(book, alert)
            if not devices:
                announced.append(_stranger(alert))
            for device in devices:
                self._hear(device, alert, pictures, incoming.received_at_ms, said, faults)
        return Reading(said=tuple(said), announced=tuple(announced), faults=tuple(faults))

    def order(self, device: GearDevice, command: Command, now_ms: int) -> Order:
        raise Refusal(
            "unknown_command",
            field="command",
            expected="no command",
            hint=f"{command.command}: a camera that pushes its alerts is only listened to",
            device=device.id,
        )

    # --- what one alert says of one device --------------------------------------------------------------------------

    def _hear(
        self, device: GearDevice, alert: _Alert, pictures: int, now_ms: int, said: list[Said], faults: list[Refusal]
    ) -> None:
        over = self._over(device, alert, now_ms)
        if over:
            said.append(Said(device=device, metrics=over, presence=True))
        if alert.heartbeat:
            alive = self._alive(device, alert, now_ms)
            said.append(Said(device=device, metrics=alive, presence=True, observed_at_ms=alert.at_ms))
            return
        meaning = _MEANINGS.get(alert.type)
        if meaning is None:
            said.append(Said(device=device, presence=True))
            faults.append(_unknown(device, alert))
            return
        begins = self._begins(device, alert, meaning, now_ms)
        data: dict[str, Scalar] = {**alert.data, "alert": alert.type}
        if pictures:
            data["pictures"] = pictures
        if meaning is _FAULT and alert.active:
            data["fault"] = alert.type
        said.append(
            Said(
                device=device,
                metrics={meaning.state: float(meaning.state in self._held(device))} if meaning.state else {},
                events=(meaning.moment,) if begins else (),
                data=data,
                presence=True,
                observed_at_ms=alert.at_ms,
                identity=_identity(alert),
            )
        )

    def _begins(self, device: GearDevice, alert: _Alert, meaning: _Meaning, now_ms: int) -> bool:
        """Whether something begins with this alert; brings up to date what lasts."""
        key, identity = (device.id, alert.type), _identity(alert)
        if not alert.active:
            self._lasting.pop(key, None)
            return False
        episode = self._lasting.get(key)
        if episode is None:
            self._lasting[key] = _Episode(meaning, identity, now_ms)
            return True
        episode.last_ms = now_ms
        return identity is not None and identity == episode.began

    def _held(self, device: GearDevice) -> set[str]:
        """The states of a device that something keeps up."""
        return {episode.meaning.state for (owner, _), episode in self._lasting.items() if owner == device.id}

    def _over(self, device: GearDevice, alert: _Alert, now_ms: int) -> dict[str, float]:
        """What a device has not said again for long enough, and what its heartbeat ends."""
        ended: set[str] = set()
        for key in [key for key in self._lasting if key[0] == device.id]:
            episode = self._lasting[key]
            over_after_ms = episode.meaning.over_after_ms
            back = alert.heartbeat and episode.meaning is _LOSS and _speaks_of(alert, device)
            if back or (over_after_ms and now_ms - episode.last_ms >= over_after_ms):
                del self._lasting[key]
                ended.add(episode.meaning.state)
        return dict.fromkeys(ended - self._held(device) - {""}, 0.0)

    def _alive(self, device: GearDevice, alert: _Alert, now_ms: int) -> dict[str, float]:
        """What is written down for a heartbeat, now and then: nothing goes on but what keeps being said."""
        if 0 <= now_ms - self._alive_ms.get(device.id, -ALIVE_EVERY_MS) < ALIVE_EVERY_MS:
            return {}
        self._alive_ms[device.id] = now_ms
        states = ("motion", "intrusion", "video_lost") if _speaks_of(alert, device) else ("motion", "intrusion")
        held = self._held(device)
        return {state: float(state in held) for state in states}

    # --- from bytes to alerts -------------------------------------------------------------------------------------

    def _alerts(self, part: Part) -> list[_Alert]:
        """The alerts in one part; none in one that is empty. Raises Refusal."""
        body = part.body.strip()
        if not body:
            return []
        if body.startswith(b"{"):
            return [self._from_json(json_table(body))]
        if not body.startswith(b"<"):
            raise _no_alert(body)
        root = xml_element(body)
        found = [self._from_xml(element) for element in root.every(_ALERT)]
        if not found:
            raise Refusal(
                "malformed",
                field=root.name[:64],
                expected=_ALERT,
                hint="let the camera push alarms, not its settings (Network > Advanced > Alarm server)",
            )
        return found

    def _from_xml(self, alert: Element) -> _Alert:
        fields = {child.name: child.text for child in alert.children}
        target = next((one.text for name in ("detectionTarget", "targetType") for one in alert.every(name)), "")
        region = next((one.text for one in alert.every("regionID")), "")
        return self._alert(fields, target, region)

    def _from_json(self, table: Mapping[str, object]) -> _Alert:
        inner = table.get(_ALERT)
        fields = {
            key: value if isinstance(value, str) else f"{value}"
            for key, value in (inner if isinstance(inner, dict) else table).items()
            if isinstance(value, str | int)
        }
        return self._alert(fields, fields.get("detectionTarget", ""), fields.get("regionID", ""))

    def _alert(self, fields: Mapping[str, str], target: str, region: str) -> _Alert:
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
        data = {"target": target, "region": region, "about": fields.get("eventDescription", "")}
        return _Alert(
            type=kind,
            active=state == "active",
            channel=channel[:16],
            mac=fields.get("macAddress", "").strip()[:32],
            ip=fields.get("ipAddress", "").strip()[:64],
            at_ms=_at_ms(fields.get("dateTime", ""), self._offset_minutes),
            count=fields.get("activePostCount", "").strip()[:12],
            data={key: value[:128] for key, value in data.items() if value},
            channel_name=fields.get("channelName", "").strip()[:64],
        )


def _registered(book: AddressBook, alert: _Alert) -> Sequence[GearDevice]:
    """By hardware address, by IP address; or whoever is the only one at this door. Of a recorder, by channel."""
    found: Sequence[GearDevice] = ()
    for address in (alert.mac.lower(), alert.mac.upper(), alert.ip):
        if address and (found := book.at(address)):
            break
    if not found:
        everybody = list(book.all())
        if len({device.address for device in everybody}) == 1:
            found = everybody
    if alert.heartbeat or not alert.channel:
        return found
    return [one for one in found if one.part == alert.channel] or [one for one in found if not one.part]


def _speaks_of(alert: _Alert, device: GearDevice) -> bool:
    """A recorder's heartbeat names one channel, and says nothing of the pictures of the others."""
    return device.part in ("", alert.channel)


def _stranger(alert: _Alert) -> Announced:
    address = alert.mac.lower() or alert.ip or "camera"
    return Announced(
        address=f"{address}#{alert.channel}" if alert.channel else address,
        kind="camera",
        name=alert.channel_name,
        vendor="Hikvision",
        heard=not alert.heartbeat,
    )


def _identity(alert: _Alert) -> str | None:
    """The camera numbers nothing, but no two of its alerts share type, channel, time and count."""
    if alert.at_ms is None:
        return None
    name = f"{alert.type}-{alert.channel}-{alert.at_ms}-{alert.count}-{'active' if alert.active else 'inactive'}"
    return name.replace(":", "_")


def _at_ms(text: str, offset_minutes: int | None) -> int | None:
    """Some firmware writes ``+8:00``; some leaves the offset out."""
    found = millis(_SHORT_OFFSET.sub(r"\g<1>0\2:\3", text.strip()), offset_minutes)
    return None if found is None else int(found)


def _minutes(offset: str) -> int | None:
    if not offset:
        return None
    match = _OFFSET.fullmatch(offset.strip())
    if match is None:
        raise ValueError(f"utc_offset: expected an offset such as +08:00, got {offset!r}")
    sign: Literal[1, -1] = -1 if match[1] == "-" else 1
    return sign * (int(match[2]) * 60 + int(match[3]))


def _unknown(device: GearDevice, alert: _Alert) -> Refusal:
    return Refusal(
        "unknown_event",
        field="eventType",
        expected=f"one of {', '.join(_MEANINGS)}",
        hint=f"got {alert.type}; switch it off in the camera, or wire what it stands for to a device of its own",
        device=device.id,
    )


def _no_alert(payload: bytes) -> Refusal:
    return Refusal(
        "malformed",
        field="payload",
        expected=f"an {_ALERT} in XML or JSON, alone or as one part of several",
        hint=f"got {shown(payload[:80])}",
    )


HIKVISION = Profile(
    key="hikvision",
    zh="海康威视报警推送",
    en="Hikvision alerts over HTTP",
    carrier="http",
    kinds=("camera",),
    commands={},
    models=(
        "Hikvision DS-2CD2xxx network cameras",
        "Hikvision DS-2DE dome cameras",
        "Hikvision DS-76xx, DS-77xx, DS-96xx recorders",
        "HiLook and others of the same firmware",
    ),
    source="Hikvision ISAPI developer guide, EventNotificationAlert",
    spec_only=True,
    options={"utc_offset": "the time zone of cameras that send their time without one, such as +08:00"},
    message=Hikvision,
)
