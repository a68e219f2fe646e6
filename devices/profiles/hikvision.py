"""Hikvision cameras and recorders, by the alerts that they push over HTTP (ISAPI ``EventNotificationAlert``).

The same alert comes as XML, as JSON, or as one part of several beside pictures, in one of three namespaces by the age
of the firmware. A camera says it again each second while it lasts, and often never says that it is over. When nothing
happens it says ``videoloss``, ``inactive``: that is its heartbeat.

Format: Hikvision ISAPI developer guide, "Alarm/event receiving"; alerts as users of the alert stream have published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from devices.gear.messages import AddressBook, Announced, GearDevice, Incoming, Order, Reading, Said, Scalar, takes_none
from devices.gear.multipart import parts_of
from devices.gear.profile import Profile
from devices.native import Command
from devices.observation import Refusal
from devices.profiles.hikvision_alert import Alert, alerts_in, no_alert, utc_offset

ALIVE_EVERY_MS = 60_000
"""How often a heartbeat is written down; cameras beat every 10 s or faster."""
_BRIEF_MS, _LASTING_MS = 30_000, 600_000
"""After so long without a word a thing is over: an alert is repeated each second; of a fault less often."""


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
_INPUT = _Meaning("open", "opened", _BRIEF_MS)
"""A contact on an alarm input of the camera: a device of its own, of kind `contact`, with the part ``io1``."""

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
    "io": _INPUT,
}
"""By the alert's ``eventType``, in small letters."""


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
        self._offset_minutes = utc_offset(options.get("utc_offset", ""))
        self._lasting: dict[tuple[str, str], _Episode] = {}
        """By device and type of alert."""
        self._alive_ms: dict[str, int] = {}
        """Device → when its heartbeat was last written down."""

    def filters(self) -> tuple[str, ...]:
        return ()

    def receive(self, incoming: Incoming, book: AddressBook) -> Reading:
        alerts: list[Alert] = []
        faults: list[Refusal] = []
        pictures = 0
        for part in parts_of(incoming.payload, incoming.content_type):
            if part.content_type.startswith(("image/", "video/", "audio/")):
                pictures += 1
                continue
            try:
                alerts += alerts_in(part, self._offset_minutes)
            except Refusal as refusal:
                faults.append(refusal)
        if not alerts:
            raise faults[0] if faults else no_alert(incoming.payload)
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
        raise takes_none(device, command.command, "a camera that pushes its alerts is only listened to")

    # --- what one alert says of one device --------------------------------------------------------------------------

    def _hear(
        self, device: GearDevice, alert: Alert, pictures: int, now_ms: int, said: list[Said], faults: list[Refusal]
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
                identity=alert.identity,
            )
        )

    def _begins(self, device: GearDevice, alert: Alert, meaning: _Meaning, now_ms: int) -> bool:
        """Whether something begins with this alert; brings up to date what lasts."""
        key, identity = (device.id, alert.type), alert.identity
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

    def _over(self, device: GearDevice, alert: Alert, now_ms: int) -> dict[str, float]:
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

    def _alive(self, device: GearDevice, alert: Alert, now_ms: int) -> dict[str, float]:
        """What is written down for a heartbeat, now and then: nothing goes on but what keeps being said."""
        if 0 <= now_ms - self._alive_ms.get(device.id, -ALIVE_EVERY_MS) < ALIVE_EVERY_MS:
            return {}
        self._alive_ms[device.id] = now_ms
        if device.kind != "camera":
            return {}
        states = ("motion", "intrusion", "video_lost") if _speaks_of(alert, device) else ("motion", "intrusion")
        held = self._held(device)
        return {state: float(state in held) for state in states}


def _registered(book: AddressBook, alert: Alert) -> Sequence[GearDevice]:
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
    named = [one for one in found if one.part == alert.channel]
    return named if named or alert.type == "io" else [one for one in found if not one.part]


def _speaks_of(alert: Alert, device: GearDevice) -> bool:
    """A recorder's heartbeat names one channel, and says nothing of the pictures of the others."""
    return device.part in ("", alert.channel)


def _stranger(alert: Alert) -> Announced:
    address = alert.mac.lower() or alert.ip or "camera"
    return Announced(
        address=f"{address}#{alert.channel}" if alert.channel else address,
        kind="contact" if alert.type == "io" else "camera",
        name=alert.channel_name,
        vendor="Hikvision",
        heard=not alert.heartbeat,
    )


def _unknown(device: GearDevice, alert: Alert) -> Refusal:
    return Refusal(
        "unknown_event",
        field="eventType",
        expected=f"one of {', '.join(_MEANINGS)}",
        hint=f"got {alert.type}; switch this alert off in the camera, or ask for it to be added",
        device=device.id,
    )


HIKVISION = Profile(
    key="hikvision",
    zh="海康威视报警推送",
    en="Hikvision alerts over HTTP",
    carrier="http",
    kinds=("camera", "contact"),
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
