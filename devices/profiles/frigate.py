"""Frigate, a network video recorder that says over MQTT what its cameras see.

Every tracked object becomes one event ``object``, however many updates its recorder publishes: the first message that
is no false positive says it, and one more if it rises to an alert afterwards. Movement, and a picture that is gone, are
states. Pictures themselves are never subscribed to.

Format: https://docs.frigate.video/integrations/mqtt and the recorder's own source (0.12 to 0.18).
"""

from __future__ import annotations

import re
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from devices.gear.jsontext import items, json_table, number, shown, table, word
from devices.gear.messages import AddressBook, Announced, GearDevice, Incoming, Order, Reading, Said, Scalar, takes_none
from devices.gear.profile import Profile
from devices.native import Command
from devices.observation import Refusal

BRIDGE = "bridge"
"""The address of the recorder itself, as a `concentrator`."""
MAX_TOLD = 4096
"""Objects remembered as told. A busy road sees a few hundred an hour."""
MAX_CAMERAS = 512
NO_PICTURE_FPS = 0.1
"""Below this Frigate itself calls a camera unusable."""
_MAX_DETECTIONS = 64
_MAX_NAME = 64
_ALERT = "alert"
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SWITCH: Mapping[str, float] = {"ON": 1.0, "OFF": 0.0}
_AVAILABLE: Mapping[str, bool] = {"online": True, "offline": False, "stopped": False}


@dataclass(frozen=True, slots=True)
class _Sighting:
    """One tracked object, or one of a review's."""

    id: str
    camera: str
    severity: str
    """``alert``, ``detection``, or empty where the recorder has not said."""
    began_ms: int | None
    now_ms: int | None
    data: Mapping[str, Scalar]


class Frigate:
    """One recorder."""

    def __init__(self, base: str, options: Mapping[str, str]) -> None:
        self._base = base
        self._url = options.get("url", "").rstrip("/")
        self._told: OrderedDict[str, tuple[int, int | None]] = OrderedDict()
        """Object → the message that told of it, and the one that told of its rise to an alert."""
        self._reviews: dict[str, str] = {}
        """Camera → the review that it is in, or was in last. Registered cameras only."""
        self._off: dict[str, bool] = {}
        """Cameras that somebody has switched off."""

    def filters(self) -> tuple[str, ...]:
        names = ("available", "+/enabled/state", "stats", "events", "reviews", "+/motion", "+/status/+")
        return tuple(f"{self._base}/{name}" for name in names)

    def receive(self, incoming: Incoming, book: AddressBook) -> Reading:
        levels = incoming.source.removeprefix(f"{self._base}/").split("/")
        if not incoming.source.startswith(f"{self._base}/"):
            raise Refusal(
                "wrong_topic", field="topic", expected=f"{self._base}/…", hint=f"got {shown(incoming.source)}"
            )
        match levels:
            case ["available"]:
                return self._available(incoming, book)
            case ["stats"]:
                return self._stats(json_table(incoming.payload), book)
            case ["events"]:
                return self._event(incoming, book)
            case ["reviews"]:
                return self._review(incoming, book)
            case [camera, "motion"]:
                return self._state(camera, "motion", _switch(incoming), book)
            case [camera, "enabled", "state"]:
                return self._enabled(camera, _switch(incoming))
            case [camera, "status", role]:
                return self._status(camera, role, incoming, book)
        return Reading()

    def order(self, device: GearDevice, command: Command, now_ms: int) -> Order:
        raise takes_none(device, command.command, "a camera behind Frigate is only watched")

    # --- the recorder and its cameras -----------------------------------------------------------------------------

    def _available(self, incoming: Incoming, book: AddressBook) -> Reading:
        text = incoming.payload[:_MAX_NAME].decode("utf-8", "replace").strip()
        there = _AVAILABLE.get(text)
        if there is None:
            raise Refusal("malformed", field="available", expected=", ".join(_AVAILABLE), hint=f"got {shown(text)}")
        # Nobody else speaks for the cameras: with the recorder they are all gone.
        return Reading(said=tuple(Said(device=device, presence=there) for device in book.all()))

    def _enabled(self, camera: str, on: float) -> Reading:
        if camera in self._off or len(self._off) < MAX_CAMERAS:
            self._off[camera] = not on
        return Reading()

    def _status(self, camera: str, role: str, incoming: Incoming, book: AddressBook) -> Reading:
        if role != "detect":
            return Reading()
        text = incoming.payload[:_MAX_NAME].decode("utf-8", "replace").strip()
        if text == "disabled":
            self._enabled(camera, 0.0)
            return Reading()
        if text not in ("online", "offline"):
            raise Refusal(
                "malformed", field="status.detect", expected="online, offline, disabled", hint=f"got {shown(text)}"
            )
        return self._state(camera, "video_lost", float(text == "offline"), book)

    def _state(self, camera: str, key: str, value: float, book: AddressBook) -> Reading:
        devices = _cameras(book, camera)
        if not devices:
            return Reading(announced=(_announced(camera, heard=True),))
        return Reading(said=tuple(Said(device=device, metrics={key: value}) for device in devices))

    def _stats(self, stats: Mapping[str, object], book: AddressBook) -> Reading:
        said: list[Said] = []
        announced: list[Announced] = []
        firmware = word(table(stats.get("service")).get("version"))
        used = table(stats.get("bandwidth_usages"))
        for camera, figures in list(table(stats.get("cameras")).items())[:MAX_CAMERAS]:
            devices = _cameras(book, camera)
            if not devices:
                announced.append(_announced(camera, firmware))
            metrics = self._figures(camera, table(figures), used)
            said += [Said(device=device, metrics=metrics) for device in devices]
        for device in book.at(BRIDGE):
            cameras = float(min(MAX_CAMERAS, len(table(stats.get("cameras")))))
            said.append(
                Said(device=device, metrics={"devices": cameras}, data={"firmware": firmware} if firmware else {})
            )
        return Reading(said=tuple(said), announced=tuple(announced))

    def _figures(self, camera: str, figures: Mapping[str, object], used: Mapping[str, object]) -> dict[str, float]:
        metrics: dict[str, float] = {}
        fps = number(figures.get("camera_fps"))
        if fps is not None:
            metrics["fps"] = fps
            if not self._off.get(camera):
                metrics["video_lost"] = float(fps < NO_PICTURE_FPS)
        # nethogs counts kilobytes a second, sent and received together.
        rate = number(table(used.get(f"{figures.get('ffmpeg_pid')}")).get("bandwidth"))
        if rate is not None:
            metrics["bitrate"] = rate * 8
        return metrics

    # --- what they see --------------------------------------------------------------------------------------------

    def _event(self, incoming: Incoming, book: AddressBook) -> Reading:
        after = _after(json_table(incoming.payload))
        if after.get("false_positive") is True:
            return Reading()
        object_id, camera = _named(after)
        data: dict[str, Scalar] = {}
        if label := word(after.get("label")):
            data["label"] = label
        score = number(after.get("top_score"))
        if score is None:
            score = number(table(after.get("data")).get("top_score"))
        if score is not None:
            data["score"] = round(score, 3)
        if zones := _words(after.get("entered_zones") or after.get("zones")):
            data["zones"] = zones
        data |= self._references(object_id, clip=after.get("has_clip"), snapshot=after.get("has_snapshot"))
        sighting = _Sighting(
            object_id, camera, word(after.get("max_severity")), _ms(after, "start_time"), _ms(after, "frame_time"), data
        )
        return self._sighted([sighting], incoming, book)

    def _review(self, incoming: Incoming, book: AddressBook) -> Reading:
        """A review gathers tracked objects under a severity: what it adds is their rise to an alert."""
        message = json_table(incoming.payload)
        after = _after(message)
        review_id, camera = _named(after)
        severity, about = word(after.get("severity")), table(after.get("data"))
        shared: dict[str, Scalar] = {}
        if labels := _words(about.get("objects")):
            shared["label"] = labels
        if zones := _words(about.get("zones")):
            shared["zones"] = zones
        sightings = [
            _Sighting(one, camera, severity, _ms(after, "start_time"), None, shared | self._references(one, clip=True))
            for one in items(about.get("detections"))[:_MAX_DETECTIONS]
            if isinstance(one, str) and _ID.fullmatch(one)
        ]
        reading = self._sighted(sightings, incoming, book)
        return Reading(
            said=(*reading.said, *self._intrusion(message.get("type"), review_id, camera, severity, book)),
            announced=reading.announced,
        )

    def _intrusion(self, step: object, review_id: str, camera: str, severity: str, book: AddressBook) -> Iterator[Said]:
        """The state ``intrusion`` of cameras whose alerts are one. A recorder has one review of a camera at a time."""
        watched = [device for device in _cameras(book, camera) if device.options.get("intrusion") == _ALERT]
        if not watched:
            return
        earlier_ended = self._reviews.get(camera) != review_id
        self._reviews[camera] = review_id
        for device in watched:
            if earlier_ended:  # its end may never have arrived
                yield Said(device=device, metrics={"intrusion": 0.0})
            if severity == _ALERT:
                yield Said(device=device, metrics={"intrusion": float(step != "end")})

    def _sighted(self, sightings: list[_Sighting], incoming: Incoming, book: AddressBook) -> Reading:
        message = zlib.crc32(incoming.payload)
        said: list[Said] = []
        for sighting in sightings:
            devices = _cameras(book, sighting.camera)
            if not devices:
                return Reading(announced=(_announced(sighting.camera, heard=True),))
            for identity, at_ms in self._news(sighting, message):
                data = dict(sighting.data)
                if sighting.severity:
                    data["severity"] = sighting.severity
                said += [
                    Said(device=device, events=("object",), data=data, identity=identity, observed_at_ms=at_ms)
                    for device in devices
                ]
        return Reading(said=tuple(said))

    def _news(self, sighting: _Sighting, message: int) -> list[tuple[str, int | None]]:
        """Under which identity this is to be told, and when it was; nothing where another message told it.

        The same message again, as after a refusal of the journal, tells it again.
        """
        alert = sighting.severity == _ALERT
        first, risen = self._told.get(sighting.id, (message, None))
        if alert and first != message and risen is None:
            risen = message
        elif alert and first == message:
            risen = first
        self._told[sighting.id] = (first, risen)
        if len(self._told) > MAX_TOLD:
            self._told.popitem(last=False)
        if first == message:
            return [(sighting.id, sighting.began_ms)]
        if alert and risen == message:
            return [(f"{sighting.id}-{_ALERT}", sighting.now_ms)]
        return []

    def _references(self, object_id: str, *, clip: object = None, snapshot: object = None) -> dict[str, Scalar]:
        """Where the recording and the picture are; below the recorder's address where the registry names it."""
        root = f"{self._url}/api/events" if self._url else "events"
        found: dict[str, Scalar] = {"object_id": object_id}
        if clip is True:
            found["clip"] = f"{root}/{object_id}/clip.mp4"
        if snapshot is True:
            found["snapshot"] = f"{root}/{object_id}/snapshot.jpg"
        return found


def _cameras(book: AddressBook, camera: str) -> Sequence[GearDevice]:
    return [device for device in book.at(camera) if device.kind != "concentrator"]


def _after(message: Mapping[str, object]) -> dict[str, object]:
    after = message.get("after")
    if not isinstance(after, dict):
        raise Refusal("malformed", field="after", expected="what is seen now", hint=f"got {shown(after)}")
    return after


def _named(after: Mapping[str, object]) -> tuple[str, str]:
    """The id of an object or a review, and its camera. Raises Refusal."""
    found, camera = after.get("id"), after.get("camera")
    if not isinstance(found, str) or _ID.fullmatch(found) is None:
        raise Refusal(
            "malformed", field="after.id", expected="an id such as 1607123955.475377-mxklsc", hint=f"got {shown(found)}"
        )
    if not isinstance(camera, str) or not 0 < len(camera) <= _MAX_NAME:
        raise Refusal("malformed", field="after.camera", expected="the name of a camera", hint=f"got {shown(camera)}")
    return found, camera


def _switch(incoming: Incoming) -> float:
    text = incoming.payload[:_MAX_NAME].decode("utf-8", "replace").strip()
    if text not in _SWITCH:
        raise Refusal("malformed", field="payload", expected="ON or OFF", hint=f"got {shown(text)}")
    return _SWITCH[text]


def _words(value: object) -> str:
    return ",".join([each for each in items(value)[:16] if isinstance(each, str)])


def _ms(after: Mapping[str, object], key: str) -> int | None:
    seconds = number(after.get(key))
    return None if seconds is None or not 0 <= seconds < 1e11 else round(seconds * 1000)


def _announced(camera: str, firmware: str = "", *, heard: bool = False) -> Announced:
    return Announced(address=camera, kind="camera", name=camera, vendor="Frigate", firmware=firmware, heard=heard)


def _bridge(base: str, options: Mapping[str, str]) -> Frigate:
    url = options.get("url", "")
    if url and not re.fullmatch(r"https?://[^\s?#]+", url):
        raise ValueError(f"url: expected http://… or https://…, got {url!r}")
    return Frigate(base or FRIGATE.base, options)


FRIGATE = Profile(
    key="frigate",
    zh="Frigate 网络录像机",
    en="Frigate network video recorder",
    carrier="mqtt",
    kinds=("camera", "concentrator"),
    commands={},
    models=(
        "any ONVIF or RTSP camera behind Frigate 0.12 to 0.17",
        "Reolink RLC-510A",
        "Hikvision DS-2CD2T47",
        "Dahua",
    ),
    source="https://docs.frigate.video/integrations/mqtt",
    base="frigate",
    options={
        "url": "where people reach the recorder's pages: https://frigate.example; clips and pictures are below it"
    },
    device_options={"intrusion": "alert: a review of severity alert is an intrusion, and urgent"},
    message=_bridge,
)
