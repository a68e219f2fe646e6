"""ONVIF cameras, by the notifications they push (WS-BaseNotification ``Notify``).

Topics differ by maker; they are compared without prefixes and without regard to large and small letters. A property
``Initialized`` is the state as it is, and no news; ``Changed`` is; ``Deleted`` ends it. What has no property operation
happened in that moment.

Format: ONVIF Core Specification, "Event handling", and the specifications of the services that define the topics.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from devices.expression.functions import millis, truth
from devices.gear.jsontext import shown
from devices.gear.messages import AddressBook, Announced, GearDevice, Incoming, Order, Reading, Said, Scalar, takes_none
from devices.gear.profile import Profile
from devices.gear.xmltext import Element, xml_element
from devices.native import Command
from devices.observation import Refusal

MAX_NOTIFICATIONS = 256
"""In one push; a camera that was cut off sends what it had kept."""
_OPERATIONS = ("Initialized", "Changed", "Deleted", "")
_INPUT = "open"


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What one topic says. Without a state it is a moment: where its value is true, or it has none."""

    state: str = ""
    moment: str = ""
    label: str = ""


_MOTION, _INTRUSION = _Meaning("motion"), _Meaning("intrusion")
_TAMPER, _FAULT, _LOSS = _Meaning("tampered"), _Meaning("faulty"), _Meaning("video_lost")
_LINE = _Meaning(moment="line_crossing")

_TOPICS: Mapping[str, _Meaning] = {
    # Every maker's usual one, and those of older firmware, of Axis and of others.
    "ruleengine/cellmotiondetector/motion": _MOTION,
    "ruleengine/motionregiondetector/motion": _MOTION,
    "ruleengine/videoanalytics/motion": _MOTION,
    "videosource/motionalarm": _MOTION,
    "videoanalytics/motiondetection": _MOTION,
    "videoanalytics/videomotion": _MOTION,
    "cameraapplicationplatform/vmd": _MOTION,
    "ruleengine/fielddetector/objectsinside": _INTRUSION,
    "ruleengine/linedetector/crossed": _LINE,
    "ruleengine/tpsmarteventdetector/tplinecross": _LINE,
    "ruleengine/loiteringdetector/objectisloitering": _Meaning(moment="object", label="loitering"),
    "ruleengine/myruledetector/peopledetect": _Meaning(moment="object", label="person"),
    "ruleengine/myruledetector/vehicledetect": _Meaning(moment="object", label="car"),
    "ruleengine/myruledetector/dogcatdetect": _Meaning(moment="object", label="animal"),
    "ruleengine/myruledetector/facedetect": _Meaning(moment="object", label="face"),
    "ruleengine/myruledetector/visitor": _Meaning(moment="object", label="visitor"),
    "ruleengine/tpsmarteventdetector/tpsmartevent": _Meaning(moment="object"),
    "ruleengine/peopledetector/people": _Meaning(moment="object", label="person"),
    "ruleengine/tamperdetector/tamper": _TAMPER,
    "videosource/globalscenechange": _TAMPER,
    "videosource/imagetooblurry": _TAMPER,
    "videosource/cameratampering": _TAMPER,
    "videosource/signalloss": _LOSS,
    "videosource/videoloss": _LOSS,
    "device/hardwarefailure/storagefailure": _FAULT,
    "device/hardwarefailure/fanfailure": _FAULT,
    "device/hardwarefailure/powersupplyfailure": _FAULT,
    "device/hardwarefailure/temperaturecritical": _FAULT,
    "device/trigger/digitalinput": _Meaning(_INPUT),
    "device/io/port": _Meaning(_INPUT),
}
"""By the topic's path without prefixes; what follows (which service noticed it) does not matter."""

_OF_NO_CONCERN = (
    "audioanalytics/",
    "configuration/",
    "device/network/",
    "device/operationmode/",
    "device/trigger/relay",
    "lightcontrol/",
    "media/",
    "monitoring/",
    "network/",
    "ptzcontroller/",
    "recordingconfig/",
    "recordinghistory/",
    "ruleengine/countaggregation/",
    "userauthentication/",
    "videoencoder/",
    "videosource/connectionfailed",
    "videosource/imagetoobright",  # night and day
    "videosource/imagetoodark",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Notification:
    """One notification message."""

    topic: str
    """Without prefixes, in small letters."""
    operation: str
    at_ms: int | None
    source: Mapping[str, str]
    data: Mapping[str, str]

    @property
    def value(self) -> bool | None:
        """The first of its data that is true or false. An object's number is neither, even 0 or 1."""
        said = [text for name, text in self.data.items() if not name.lower().endswith("id")]
        return next((found for text in said if (found := truth(text)) is not None), None)

    @property
    def identity(self) -> str | None:
        """Nothing numbers it, but no two notifications of a camera share all of this."""
        if self.at_ms is None:
            return None
        parts = (self.topic, self.operation, f"{self.at_ms}", f"{dict(self.source)}", f"{dict(self.data)}")
        return f"onvif-{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:16]}"


class Onvif:
    """What pushes to one door: a camera, or several."""

    def __init__(self, base: str, options: Mapping[str, str]) -> None:
        """It has no options."""

    def filters(self) -> tuple[str, ...]:
        return ()

    def receive(self, incoming: Incoming, book: AddressBook) -> Reading:
        root = xml_element(incoming.payload)
        messages = [
            one for found in root.every("Notify") for one in found.children if one.name == "NotificationMessage"
        ]
        if not messages:
            raise Refusal(
                "malformed",
                field=root.name[:64],
                expected="a SOAP envelope with Notify and NotificationMessage",
                hint="give the camera this address as the consumer of its events, and for nothing else",
            )
        if len(messages) > MAX_NOTIFICATIONS:
            raise Refusal(
                "oversize",
                field="NotificationMessage",
                expected=f"at most {MAX_NOTIFICATIONS} in one push",
                hint=f"got {len(messages)}; subscribe to fewer topics",
            )
        said: list[Said] = []
        announced: dict[str, Announced] = {}
        faults: list[Refusal] = []
        for message in messages:
            try:
                self._hear(_notification(message), incoming.source, book, said, announced)
            except Refusal as refusal:
                faults.append(refusal)
        return Reading(said=tuple(said), announced=tuple(announced.values()), faults=tuple(faults))

    def order(self, device: GearDevice, command: Command, now_ms: int) -> Order:
        raise takes_none(device, command.command, "a camera that pushes its events is only listened to")

    def _hear(
        self,
        notification: _Notification,
        path: str,
        book: AddressBook,
        said: list[Said],
        announced: dict[str, Announced],
    ) -> None:
        """What one notification says of whom it concerns. Raises Refusal."""
        meaning = _meaning(notification.topic)
        is_input = meaning is not None and meaning.state == _INPUT
        cameras, devices = _registered(book, path, notification, is_input=is_input)
        said += [Said(device=one, presence=True) for one in cameras if one not in devices]
        if not devices:
            stranger = _stranger(notification, path, is_input=is_input)
            heard = meaning is not None and notification.operation != "Initialized"
            if heard or not cameras:
                announced[stranger.address] = stranger
            return
        if meaning is None and not notification.topic.startswith(_OF_NO_CONCERN):
            said += [Said(device=one, presence=True) for one in devices]
            raise Refusal(
                "unknown_event",
                field="Topic",
                expected=f"one of {', '.join(_TOPICS)}",
                hint=f"got {shown(notification.topic)}; leave it out of the subscription, or ask for it to be added",
                device=devices[0].id,
            )
        for device in devices:
            said.append(_said(device, notification, meaning or _Meaning()))


def _said(device: GearDevice, notification: _Notification, meaning: _Meaning) -> Said:
    value = False if notification.operation == "Deleted" else notification.value
    metrics: dict[str, float] = {}
    events: tuple[str, ...] = ()
    if meaning.state:
        if value is None:
            raise Refusal(
                "malformed",
                field="Data",
                expected="a SimpleItem that is true or false",
                hint=f"got {shown(dict(notification.data))} for {notification.topic}",
                device=device.id,
            )
        metrics = {meaning.state: float(value)}
    elif meaning.moment and value is not False:
        events = (meaning.moment,)
    data: dict[str, Scalar] = {}
    if metrics or events:
        data["topic"] = notification.topic
        if rule := notification.source.get("Rule"):
            data["rule"] = rule[:64]
        if meaning.label:
            data["label"] = meaning.label
    received = device.options.get("clock") == "receipt"
    return Said(
        device=device,
        metrics=metrics,
        events=events,
        data=data,
        presence=True,
        observed_at_ms=None if received else notification.at_ms,
        identity=notification.identity,
        kept=notification.operation == "Initialized",
    )


def _notification(message: Element) -> _Notification:
    """One ``NotificationMessage``. Raises Refusal."""
    topic = message.said("Topic")
    inner = message.first("Message", "Message") or message.first("Message")
    if not topic or inner is None:
        raise Refusal(
            "malformed",
            field="NotificationMessage",
            expected="Topic and Message",
            hint=f"got {shown(', '.join(child.name for child in message.children))}",
        )
    operation = inner.attributes.get("PropertyOperation", "")
    if operation not in _OPERATIONS:
        raise Refusal(
            "malformed",
            field="PropertyOperation",
            expected="Initialized, Changed or Deleted",
            hint=f"got {shown(operation)}",
        )
    at_ms = millis(inner.attributes.get("UtcTime", ""), 0)
    return _Notification(
        topic="/".join(part.rpartition(":")[2] for part in topic.strip("/").split("/")).lower()[:200],
        operation=operation,
        at_ms=None if at_ms is None else int(at_ms),
        source=_simple_items(inner.first("Source")),
        data=_simple_items(inner.first("Data")),
    )


def _simple_items(parent: Element | None) -> dict[str, str]:
    if parent is None:
        return {}
    found = [one.attributes for one in parent.children if one.name == "SimpleItem"]
    return {one.get("Name", "")[:64]: one.get("Value", "")[:128] for one in found[:16]}


def _meaning(topic: str) -> _Meaning | None:
    return next((row for name, row in _TOPICS.items() if topic == name or topic.startswith(f"{name}/")), None)


def _registered(
    book: AddressBook, path: str, notification: _Notification, *, is_input: bool
) -> tuple[Sequence[GearDevice], Sequence[GearDevice]]:
    """All that are at the camera's address (by the path below the door, or whoever is the only one there); and whom
    this notification is about: by the token of its source, or the camera itself."""
    found = list(book.at(path.strip("/"))) if path.strip("/") else []
    if not found:
        found = list(book.all())
        if len({device.address for device in found}) > 1:
            return (), ()
    tokens = set(notification.source.values())
    cameras = [one for one in found if one.kind == "camera"]
    if is_input:
        return cameras, [one for one in found if one.kind != "camera" and one.part in tokens]
    named = [one for one in cameras if one.part and one.part in tokens]
    return cameras, named or [one for one in cameras if not one.part]


def _stranger(notification: _Notification, path: str, *, is_input: bool) -> Announced:
    """A camera that has a path of its own is offered by that; an input, and a channel without one, by its token."""
    token = next(iter(notification.source.values()), "") if is_input or not path.strip("/") else ""
    address = path.strip("/")[:128] or "camera"
    return Announced(
        address=f"{address}#{token}" if token else address,
        kind="contact" if is_input else "camera",
        name=notification.source.get("Rule", "")[:64],
        heard=notification.operation != "Initialized",
    )


ONVIF = Profile(
    key="onvif",
    zh="ONVIF 事件推送",
    en="ONVIF event notifications over HTTP",
    carrier="http",
    kinds=("camera", "contact"),
    commands={},
    models=(
        "any camera of ONVIF profile S, T or M with basic notification",
        "Axis, Bosch, Dahua, Hanwha, Hikvision, Reolink, TP-Link VIGI, Uniview",
    ),
    source="https://www.onvif.org/specs/core/ONVIF-Core-Specification.pdf",
    spec_only=True,
    device_options={"clock": "receipt: the camera's clock is wrong, the time of receipt counts"},
    message=Onvif,
)
