"""What one message says of one device: all of its parts that share the message's topic, read together."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from devices.expression.functions import number
from devices.gear.jsontext import MAX_BYTES, shown, table
from devices.gear.messages import GearDevice, Said
from devices.gear.ownmap import laid_over, own_map
from devices.kinds import KINDS
from devices.observation import Refusal
from devices.profiles.homeassistant.discovery import Entity
from devices.profiles.homeassistant.meaning import MAIN_STATE, moment, reading_of, state_of
from devices.profiles.homeassistant.template import Template

Value = float | str | bool | None
_UNKNOWN = ("", "none", "unknown", "unavailable", "null")
_BUTTONS = ("event", "device_automation")
_OF_ONE_RELAY = ("power", "energy", "current")
"""What a strip of sockets measures for each; the object of a measure begins with that of its socket."""


@dataclass(frozen=True, slots=True)
class Payload:
    """One message, read once for all who share its topic."""

    text: str
    json: object

    def value(self, template: Template | None) -> Value:
        """The payload as a template, or nobody, has changed it; None where it is unknown."""
        return self.text if template is None else template.evaluate(self.text, self.json)


def read(raw: bytes) -> Payload:
    """Raises Refusal where it is too large."""
    if len(raw) > MAX_BYTES:
        hint = f"got {len(raw)} bytes"
        raise Refusal("oversize", field="payload", expected=f"at most {MAX_BYTES} bytes", hint=hint)
    try:
        decoded: object = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        decoded = None
    return Payload(raw.decode("utf-8", "replace"), decoded)


def is_word(value: Value, word: str) -> bool:
    """Whether a value is the word of a configuration. Truth has one word, however it is written."""
    if value is None:
        return False
    if isinstance(value, bool):
        return word.lower() == ("true" if value else "false")
    if isinstance(value, float):
        return number(word) == value
    return value == word or (value.lower() in ("true", "false") and value.lower() == word.lower())


def concerns(entity: Entity, device: GearDevice) -> bool:
    """Whether a part says anything of a device of this kind."""
    kind = KINDS[device.kind]
    if entity.component in _BUTTONS:
        return moment(device.kind, "press") is not None and _is_key(entity, device)
    if entity.component != "sensor":
        return state_of(entity, kind, device.part) is not None
    try:
        return reading_of(entity, kind) is not None
    except ValueError:
        return False


@dataclass(slots=True)
class Heard:
    """What a message says of one device, part by part."""

    device: GearDevice
    payload: Payload
    metrics: dict[str, float] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    faults: list[Refusal] = field(default_factory=list)
    presence: bool | None = None

    def take(self, entity: Entity, on: bool | None, others_on: bool) -> None:
        """Read the message as ``entity`` says it. ``on``: what `on_or_off` made of it; ``others_on``: whether another
        part of the device that says the same is on."""
        try:
            if entity.component in _BUTTONS:
                self._button(entity)
            elif entity.component == "sensor":
                self._sensor(entity)
            elif entity.component == "valve" and state_of(entity, KINDS[self.device.kind], self.device.part):
                self._valve(entity, on)
            elif on is not None:
                self._switched(entity, on, others_on)
        except Refusal as refusal:
            self.refused(refusal)

    def said(self) -> Said:
        """All that was gathered, with what the device's own map takes from the message."""
        said = Said(device=self.device, metrics=self.metrics, events=tuple(self.events), presence=self.presence)
        try:
            own = own_map(self.device)
        except Refusal as refusal:
            self.refused(refusal)
            return said
        if own is None:
            return said
        extra, faults = own.said(self.device, {"value": self.payload.text, "value_json": self.payload.json})
        self.faults += faults
        return laid_over(said, extra)

    def refused(self, refusal: Refusal) -> None:
        """A part of the message cannot be used."""
        refusal.device = self.device.id
        self.faults.append(refusal)

    def _sensor(self, entity: Entity) -> None:
        try:
            reading = reading_of(entity, KINDS[self.device.kind])
        except ValueError as error:
            hint = f"{error}; correct unit_of_measurement at the device, or its kind in the registry"
            raise Refusal("malformed", field=entity.object, expected="a unit of this measure", hint=hint) from None
        value = self.payload.value(entity.template)
        if reading is None or _unknown(value) or self._is_another_relays(entity, reading.metric):
            return
        amount = None if isinstance(value, bool) else number(value)
        if amount is None:
            raise Refusal("malformed", field=entity.object, expected="a number", hint=f"got {shown(value)}")
        self.metrics[reading.metric] = round(amount * reading.factor + reading.offset, 6)

    def _is_another_relays(self, entity: Entity, metric: str) -> bool:
        part = self.device.part
        return bool(part) and metric in _OF_ONE_RELAY and not entity.object.startswith(part)

    def _switched(self, entity: Entity, on: bool, others_on: bool) -> None:
        kind = KINDS[self.device.kind]
        state = state_of(entity, kind, self.device.part)
        if state is None:
            return
        event = kind.states[state].on
        if entity.momentary and event is not None:
            self.events += [event] if on else []
            return
        self.metrics[state] = float(on or (others_on and state == MAIN_STATE.get(kind.key)))

    def _valve(self, entity: Entity, on: bool | None) -> None:
        self.metrics["moving"] = float(_moves(entity, self.payload))
        if on is not None:
            self.metrics["open"] = float(on)
        position = _position_of(entity, self.payload)
        if position is not None:
            self.metrics["position"] = position

    def _button(self, entity: Entity) -> None:
        if not _is_key(entity, self.device):
            return
        value = self.payload.value(entity.template)
        if entity.component == "event":
            inner = table(read((value if isinstance(value, str) else "").encode()).json)
            spoken = inner.get("event_type", "")
        elif value is None or (entity.words["payload"] and not is_word(value, entity.words["payload"])):
            return  # another trigger of the same topic
        else:
            spoken = f"{entity.words['type']} {entity.words['subtype']}"
        event = moment(self.device.kind, spoken) if isinstance(spoken, str) else None
        if event is not None and event not in self.events:
            self.events.append(event)


def on_or_off(entity: Entity, payload: Payload) -> bool | None:
    """Whether a part is on (open, sounding), in its own words; None where the message does not say.

    Raises Refusal for a word that it has not announced.
    """
    if entity.component in _BUTTONS or entity.component == "sensor":
        return None
    value = payload.value(entity.template)
    if entity.component == "valve":
        return _open(entity, payload, value)
    if entity.component == "siren" and isinstance(value, str):
        value = _inner(value, "state", value)
    if _unknown(value):
        return None
    on, off = ("payload_on", "payload_off") if entity.component == "binary_sensor" else ("state_on", "state_off")
    if is_word(value, entity.words[on]):
        return True
    if is_word(value, entity.words[off]):
        return False
    raise _no_word(entity, value, entity.words[on], entity.words[off])


def _open(entity: Entity, payload: Payload, value: Value) -> bool | None:
    if _moves(entity, payload):
        return None
    word = _inner(value, "state", value) if isinstance(value, str) else value
    position = _position_of(entity, payload)
    if position is not None:
        return position > 0
    if is_word(word, entity.words["state_open"]):
        return True
    if is_word(word, entity.words["state_closed"]):
        return False
    if _unknown(word):
        return None
    raise _no_word(entity, word, entity.words["state_open"], entity.words["state_closed"])


def _moves(entity: Entity, payload: Payload) -> bool:
    value = payload.value(entity.template)
    word = _inner(value, "state", value) if isinstance(value, str) else value
    return isinstance(word, str) and word in (entity.words["state_opening"], entity.words["state_closing"])


def _position_of(entity: Entity, payload: Payload) -> float | None:
    """How far a valve is open, in percent, where it reports that."""
    value = payload.value(entity.template)
    if not entity.positional or value is None or isinstance(value, bool):
        return None
    position = number(_inner(value, "position", value) if isinstance(value, str) else value)
    if position is None:
        return None
    span = (entity.open_at - entity.closed_at) or 1.0
    return round(min(100.0, max(0.0, (position - entity.closed_at) / span * 100)), 3)


def _inner(value: str, key: str, otherwise: Value) -> Value:
    """What a text that is a JSON object holds at ``key``; the text itself where it is none."""
    inner = table(read(value.encode()).json)
    found = inner.get(key) if inner else otherwise
    return float(found) if isinstance(found, int) and not isinstance(found, bool) else found  # type: ignore[return-value]


def _is_key(entity: Entity, device: GearDevice) -> bool:
    """Whether it is the key that the registry means: a part is an object, or a trigger's ``subtype``."""
    return device.part in ("", entity.object, entity.words.get("subtype", ""))


def _unknown(value: object) -> bool:
    return value is None or (isinstance(value, str) and value.strip().lower() in _UNKNOWN)


def _no_word(entity: Entity, value: object, on: str, off: str) -> Refusal:
    return Refusal(
        "malformed",
        field=entity.object,
        expected=f"{on} or {off}, as announced",
        hint=f"got {shown(value)}; correct the payloads or the value_template that the device announces",
    )
