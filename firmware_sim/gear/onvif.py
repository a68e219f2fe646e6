"""A simulated ONVIF camera that pushes Notify messages, in the words of one of three makers.

Written after the ONVIF Core Specification ("Event handling") and topics that makers' firmware uses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from xml.sax.saxutils import quoteattr

from firmware_sim.device import Action, ActionError, Args
from firmware_sim.gear.base import GearPart, Link
from firmware_sim.gear.http import HttpGear

_WORDS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    # Maker → what happens → its topic, and the name of the value.
    "usual": {
        "motion": ("tns1:RuleEngine/CellMotionDetector/Motion", "IsMotion"),
        "tamper": ("tns1:VideoSource/GlobalSceneChange/ImagingService", "State"),
        "intrusion": ("tns1:RuleEngine/FieldDetector/ObjectsInside", "IsInside"),
        "video_loss": ("tns1:VideoSource/SignalLoss", "State"),
    },
    "older": {
        "motion": ("tns1:VideoSource/MotionAlarm", "State"),
        "tamper": ("tns1:VideoSource/GlobalSceneChange/AnalyticsService", "State"),
        "intrusion": ("tns1:RuleEngine/FieldDetector/ObjectsInside", "IsInside"),
        "video_loss": ("tns1:VideoSource/SignalLoss", "State"),
    },
    "axis": {
        "motion": ("tnsaxis:CameraApplicationPlatform/VMD/Camera1ProfileANY", "active"),
        "tamper": ("tns1:RuleEngine/TamperDetector/Tamper", "IsTamper"),
        "intrusion": ("tns1:RuleEngine/FieldDetector/ObjectsInside", "IsInside"),
        "video_loss": ("tns1:VideoSource/SignalLoss", "State"),
    },
}
_ENDS: Mapping[str, str] = {
    "motion_cleared": "motion",
    "tamper_cleared": "tamper",
    "intrusion_cleared": "intrusion",
    "video_restored": "video_loss",
}
_INPUT = "tns1:Device/Trigger/DigitalInput"
_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2" xmlns:tns1="http://www.onvif.org/ver10/topics"'
    ' xmlns:tnsaxis="http://www.axis.com/2009/event/topics" xmlns:tt="http://www.onvif.org/ver10/schema">'
    "<SOAP-ENV:Body><wsnt:Notify>"
)
_FOOT = "</wsnt:Notify></SOAP-ENV:Body></SOAP-ENV:Envelope>"


class SimOnvif(HttpGear):
    """The cameras; each pushes below the door under its own name. Device actions of a camera: ``motion``, ``tamper``,
    ``intrusion``, ``video_loss`` and their ends, ``line_crossing``, ``subscribe`` (the states as they are:
    Initialized), ``repeat``, ``speak`` (``maker``: usual, older, axis; whose words it uses); of a digital input (the
    part is its token): ``open``, ``close``."""

    profile = "onvif"

    def __init__(
        self, link: Link, parts: Sequence[GearPart] = (), *, base: str = "", seed: int = 0, clock: Callable[[], int]
    ) -> None:
        super().__init__(link, parts, base=base, seed=seed, clock=clock)
        self._maker = dict.fromkeys(self.parts, "usual")
        self._on: dict[str, dict[str, bool]] = {name: {} for name in self.parts}
        self._objects = 0
        self._last: dict[str, bytes] = {}

    @classmethod
    def example(cls) -> tuple[GearPart, ...]:
        return (
            GearPart(address="gate", kind="camera"),
            GearPart(address="gate", kind="contact", part="DIGIT_INPUT_000"),
            GearPart(address="yard", kind="camera"),
            GearPart(address="pole-12", kind="camera"),
        )

    def actions(self, device: str) -> Mapping[str, Action]:
        if not device:
            return {"garble": lambda now_ms, args: self.push(b"<SOAP-ENV:Envelope>", "application/soap+xml")}
        part = self.parts[device]
        if part.kind == "contact":
            return {"open": self._input(part, True), "close": self._input(part, False)}
        return {
            **{name: self._set(part, name, True) for name in _WORDS["usual"]},
            **{end: self._set(part, name, False) for end, name in _ENDS.items()},
            "line_crossing": lambda now_ms, args: self._crossed(part, now_ms),
            "subscribe": lambda now_ms, args: self._subscribed(part, now_ms),
            "repeat": lambda now_ms, args: self._repeat(part),
            "speak": lambda now_ms, args: self._speak_as(part, args),
        }

    def look(self, device: str) -> Mapping[str, object]:
        return {"on": dict(self._on[device])}

    def _speak_as(self, part: GearPart, args: Args) -> None:
        maker = str(args.get("maker"))
        if maker not in _WORDS:
            raise ActionError(f"maker: expected one of {', '.join(_WORDS)}, got {maker!r}")
        self._maker[part.name] = maker

    def _set(self, part: GearPart, name: str, value: bool) -> Action:
        def do(now_ms: int, args: Args) -> None:
            self._on[part.name][name] = value
            self._notify(part, [self._state(part, name, now_ms, "Changed")])

        return do

    def _input(self, part: GearPart, value: bool) -> Action:
        def do(now_ms: int, args: Args) -> None:
            self._on[part.name]["open"] = value
            said = self._message(_INPUT, {"InputToken": part.part}, {"LogicalState": value}, now_ms, "Changed")
            self._notify(part, [said])

        return do

    def _crossed(self, part: GearPart, now_ms: int) -> None:
        source = {"VideoSourceConfigurationToken": "1", "Rule": "gate line"}
        said = self._message(
            "tns1:RuleEngine/LineDetector/Crossed", source, {"ObjectId": self._objects}, now_ms, operation=""
        )
        self._objects += 1
        self._notify(part, [said])

    def _subscribed(self, part: GearPart, now_ms: int) -> None:
        self._notify(part, [self._state(part, name, now_ms, "Initialized") for name in _WORDS["usual"]])

    def _repeat(self, part: GearPart) -> None:
        if part.name not in self._last:
            raise ActionError(f"{part.name}: has said nothing yet")
        self.push(self._last[part.name], "application/soap+xml; charset=utf-8", path=part.address)

    # --- bytes ------------------------------------------------------------------------------------------------------

    def _state(self, part: GearPart, name: str, now_ms: int, operation: str) -> str:
        topic, item = _WORDS[self._maker[part.name]][name]
        source = {"VideoSourceConfigurationToken": "1", "Rule": f"{name} rule"}
        return self._message(topic, source, {item: self._on[part.name].get(name, False)}, now_ms, operation)

    def _message(
        self, topic: str, source: Mapping[str, str], data: Mapping[str, object], now_ms: int, operation: str
    ) -> str:
        def items(values: Mapping[str, object]) -> str:
            said = {
                name: str(value).lower() if isinstance(value, bool) else f"{value}" for name, value in values.items()
            }
            return "".join(f'<tt:SimpleItem Name="{name}" Value={quoteattr(text)}/>' for name, text in said.items())

        at = datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        property_ = f' PropertyOperation="{operation}"' if operation else ""
        return (
            '<wsnt:NotificationMessage><wsnt:Topic Dialect="http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet">'
            f'{topic}</wsnt:Topic><wsnt:Message><tt:Message UtcTime="{at}"{property_}><tt:Source>{items(source)}'
            f"</tt:Source><tt:Data>{items(data)}</tt:Data></tt:Message></wsnt:Message></wsnt:NotificationMessage>"
        )

    def _notify(self, part: GearPart, messages: Sequence[str]) -> None:
        self._last[part.name] = f"{_HEAD}{''.join(messages)}{_FOOT}".encode()
        self._repeat(part)


def _written(value: object) -> str:
    """As XML Schema writes it: ``true`` and ``false`` are small."""
    return f"{value}".lower() if isinstance(value, bool) else f"{value}"
