"""Anju's own protocol: one versioned message, as JSON over MQTT and as MessagePack on a serial line.

`docs/protocol.md` is the specification for makers of firmware; `docs/protocol.schema.json` is made from here.
Decoding trusts nothing: size, nesting, numbers, names and ranges are checked, and every fault is a `Refusal` that names
the field and what was expected.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

import msgspec

from devices.kind import Kind, Metric
from devices.kinds import KINDS
from devices.observation import Channel, Observation, Refusal, Waveform

PROTOCOL_VERSION = 1
MAX_MESSAGE_BYTES = 65_536
"""An ECG strip of 5,000 samples fits; nothing that is not an attack is larger."""
MAX_CLOCK_AHEAD_MS = 5 * 60_000
"""A device time further in the future than this is a wrong clock, not a fast network."""
MAX_CLOCK_BEHIND_MS = 30 * 86_400_000
"""A device that buffered for longer than a month has a wrong clock."""

COUNT_MAX = 2**53 - 1
Count = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class WireWaveform(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A strip of samples in integer steps: value = sample × ``scale`` in the waveform's unit."""

    name: Name
    rate: Annotated[float, msgspec.Meta(gt=0, le=100_000)]
    scale: Annotated[float, msgspec.Meta(gt=0, le=1000)]
    samples: Annotated[list[Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]], msgspec.Meta(max_length=20_000)]
    lead: Annotated[str, msgspec.Meta(max_length=8)] = ""


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a device sends up. Fields this version does not know are passed over, so that newer firmware is heard."""

    v: int
    """Protocol version, 1."""
    boot: Count
    """Changes at every start of the device (a counter in flash, or random)."""
    seq: Count
    """Grows by one with every new message of this boot; a resend keeps it. (boot, seq) is the message's identity."""
    t: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)] | None = None
    """Device time, ms since the epoch, UTC. Left out where the device has no clock, and in a last will."""
    event: Name | None = None
    metrics: Annotated[dict[Name, float], msgspec.Meta(max_length=64)] = {}
    data: Annotated[
        dict[Name, Annotated[str, msgspec.Meta(max_length=512)] | bool | float], msgspec.Meta(max_length=16)
    ] = {}
    wave: WireWaveform | None = None


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the gateway sends down. The device answers with an event ``command_result`` whose data carry
    ``id`` (this one's), ``ok`` (true or false) and, where false, ``error``. A device obeys an ``id`` once."""

    v: int
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    command: Name
    args: Annotated[dict[Name, str], msgspec.Meta(max_length=16)] = {}
    expires: Count | None = None
    """Ms since the epoch; a device that knows the time ignores the command afterwards."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The observation in a message, and the parts of the message that had to be left out of it."""

    observation: Observation
    faults: tuple[Refusal, ...] = ()


class DeviceRef(Protocol):
    """The part of a registered device that decoding needs."""

    @property
    def id(self) -> str:
        """As in the registry."""
        ...

    @property
    def kind(self) -> str:
        """A key of `devices.kinds.KINDS`."""
        ...


Encoding = Literal["json", "msgpack"]

_json = msgspec.json.Decoder(Message, strict=True)
_msgpack = msgspec.msgpack.Decoder(Message, strict=True)
_fields_json = msgspec.json.Decoder(dict[str, msgspec.Raw])
_fields_msgpack = msgspec.msgpack.Decoder(dict[str, msgspec.Raw])
_command_json = msgspec.json.Decoder(Command, strict=True)
_command_msgpack = msgspec.msgpack.Decoder(Command, strict=True)
_BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not the message asked for."""
_FIELD_TYPES = {field.name: field.type for field in msgspec.structs.fields(Message)}
_WORD_IN_JSON = re.compile(rb'"event"\s*:\s*"([A-Za-z0-9_]{1,64})"')
_NUMBER_IN_JSON = {name: re.compile(rb'"%s"\s*:\s*(\d{1,16})\s*[,}]' % name.encode()) for name in ("boot", "seq")}


def topic(community: str, device: str, channel: Channel) -> str:
    """The topic a device publishes to: ``anju/v1/<community>/<device>/{event,telemetry,status}``."""
    return f"anju/v1/{community}/{device}/{channel.value}"


def command_topic(community: str, device: str) -> str:
    """The topic a device listens to."""
    return f"anju/v1/{community}/{device}/command"


def parse_topic(text: str, community: str) -> tuple[str, Channel]:
    """Device id and channel of an upward topic. Raises Refusal (``wrong_topic``)."""
    levels = text.split("/")
    if len(levels) == 5 and levels[:2] == ["anju", "v1"] and levels[2] == community and levels[3]:
        try:
            return levels[3], Channel(levels[4])
        except ValueError:
            pass
    raise Refusal(
        "wrong_topic",
        field="topic",
        expected=f"anju/v1/{community}/<device>/event|telemetry|status",
        hint=f"got {text[:200]!r}; correct the device's community, id or topic",
    )


def encode(message: Message, encoding: Encoding) -> bytes:
    """Bytes of an upward message."""
    return msgspec.json.encode(message) if encoding == "json" else msgspec.msgpack.encode(message)


def encode_command(command: Command, encoding: Encoding) -> bytes:
    """Bytes of a downward command."""
    return msgspec.json.encode(command) if encoding == "json" else msgspec.msgpack.encode(command)


def decode_command(payload: bytes, encoding: Encoding) -> Command:
    """The command in ``payload`` (for devices and their simulators). Raises Refusal."""
    decoder = _command_json if encoding == "json" else _command_msgpack
    try:
        return decoder.decode(payload)
    except _BROKEN as error:
        raise _malformed(error) from None


def decode(
    device: DeviceRef,
    channel: Channel,
    payload: bytes,
    *,
    received_at_ms: int,
    encoding: Encoding = "json",
    hardware: str | None = None,
) -> Decoded:
    """What one message of ``device`` says.

    ``hardware``: the id in its topics, where that is not the device's own (it was replaced). The identity of a message
    is the hardware's: the next one counts its starts and messages from one again.

    A metric that is unknown or not plausible is left out and reported in ``faults``; the rest is kept. A message that
    says nothing usable raises Refusal. **A press is never refused for a fault beside it**: an event whose other
    fields are broken still becomes an observation, with the fault reported.
    """
    try:
        if len(payload) > MAX_MESSAGE_BYTES:
            raise Refusal(
                "oversize",
                field="payload",
                expected=f"at most {MAX_MESSAGE_BYTES} bytes",
                hint=f"got {len(payload)} bytes; split the message",
            )
        faults: list[Refusal] = []
        try:
            message = (_json if encoding == "json" else _msgpack).decode(payload)
            _check_version(message)
        except (*_BROKEN, Refusal) as error:
            refusal = error if isinstance(error, Refusal) else _malformed(error)
            if channel is not Channel.EVENT:
                raise refusal from None
            message = _salvage(payload, received_at_ms, encoding, refusal, faults)
        observation = _observe(device, channel, message, received_at_ms, faults, hardware or device.id)
    except Refusal as refusal:
        refusal.device = device.id
        raise
    for fault in faults:
        fault.device = device.id
    return Decoded(observation, tuple(faults))


def _check_version(message: Message) -> None:
    if message.v != PROTOCOL_VERSION:
        raise Refusal(
            "bad_version",
            field="v",
            expected=str(PROTOCOL_VERSION),
            hint=f"got {message.v}; update the firmware or the gateway",
        )


def _salvage(
    payload: bytes, received_at_ms: int, encoding: Encoding, refusal: Refusal, faults: list[Refusal]
) -> Message:
    """What a broken urgent message still says, field by field; raises ``refusal`` where it does not say an event."""
    fields: dict[str, Any] = {}
    try:
        raw = (_fields_json if encoding == "json" else _fields_msgpack).decode(payload)
    except _BROKEN:
        faults.append(refusal)
        fields = _scan(payload) if encoding == "json" else {}
    else:
        decode_field = msgspec.json.decode if encoding == "json" else msgspec.msgpack.decode
        for name in [name for name in _FIELD_TYPES if name in raw and name != "v"]:
            try:
                fields[name] = decode_field(raw[name], type=_FIELD_TYPES[name], strict=True)
            except _BROKEN as error:
                faults.append(_malformed(error, name))
        if not faults:  # the fault was the version
            faults.append(refusal)
    if fields.get("event") is None:
        raise refusal
    if "boot" not in fields or "seq" not in fields:
        # Without an identity a repeat cannot be told from a second press: better twice than not at all.
        fields |= {"boot": 0, "seq": received_at_ms}
    return Message(v=PROTOCOL_VERSION, **fields)


def _scan(payload: bytes) -> dict[str, Any]:
    """The event in bytes that are not even JSON (cut off by a small buffer, say), where they name exactly one."""
    if payload.count(b'"event"') != 1 or (word := _WORD_IN_JSON.search(payload)) is None:
        return {}
    fields: dict[str, Any] = {"event": word[1].decode("ascii")}
    for name, pattern in _NUMBER_IN_JSON.items():
        if payload.count(b'"%s"' % name.encode()) == 1 and (found := pattern.search(payload)) is not None:
            number = int(found[1])
            if number <= COUNT_MAX:
                fields[name] = number
    return fields


def _observe(
    device: DeviceRef, channel: Channel, message: Message, received_at_ms: int, faults: list[Refusal], hardware: str
) -> Observation:
    kind = KINDS[device.kind]
    _check_event(kind, channel, message)
    metrics: dict[str, float] = {}
    waveform: Waveform | None = None
    for key, value in message.metrics.items():
        try:
            check_metric(kind, key, value)
            metrics[key] = value
        except Refusal as fault:
            faults.append(fault)
    data = dict(message.data)
    for key, item in message.data.items():
        if isinstance(item, float) and not math.isfinite(item):
            del data[key]
            faults.append(Refusal("out_of_range", field=f"data.{key}", expected="a finite number", hint=f"got {item}"))
    if message.wave is not None:
        try:
            waveform = _waveform(kind, message.wave)
        except Refusal as fault:
            faults.append(fault)
    if message.event is None and not metrics and waveform is None:
        raise faults[0]
    observed_at_ms, suspect = credible_time(message.t, received_at_ms)
    return Observation(
        message_id=f"{hardware}:{message.boot}:{message.seq}",
        device=device.id,
        kind=kind.key,
        lane=channel.lane,
        observed_at_ms=observed_at_ms,
        received_at_ms=received_at_ms,
        metrics=metrics,
        event=message.event,
        data=data,
        waveform=waveform,
        clock_suspect=suspect,
    )


def _malformed(error: Exception, field: str | None = None) -> Refusal:
    text, _, path = str(error).partition(" - at ")
    path = path.replace("`", "")
    path = path.replace("$", field, 1) if field is not None else path.replace("$.", "")
    return Refusal(
        "malformed",
        field=path or field or "payload",
        expected="a message as in docs/protocol.md",
        hint=text[:300] or type(error).__name__,
    )


def _check_event(kind: Kind, channel: Channel, message: Message) -> None:
    allowed: tuple[str, ...]
    if channel is Channel.STATUS:
        allowed = ("online", "offline")
    elif channel is Channel.EVENT:
        allowed = tuple(key for key in kind.events if key not in ("online", "offline"))
    else:
        if message.event is not None:
            raise Refusal(
                "unknown_event",
                field="event",
                expected="no event in telemetry",
                hint="publish events to …/event, where they are urgent",
            )
        if not message.metrics and message.wave is None:
            raise Refusal(
                "malformed", field="metrics", expected="a metric or a waveform", hint="the message says nothing"
            )
        return
    if message.event not in allowed:
        raise Refusal(
            "unknown_event",
            field="event",
            expected=f"one of {', '.join(sorted(allowed))}",
            hint=f"got {message.event!r}, which a {kind.key} does not say on …/{channel.value}",
        )


def check_metric(kind: Kind, key: str, value: float) -> None:
    """Raises Refusal (``unknown_metric``, ``out_of_range``) for what an instrument of ``kind`` cannot report."""
    metric: Metric | None = kind.metrics.get(key)
    if metric is None:
        raise Refusal(
            "unknown_metric",
            field=f"metrics.{key}",
            expected=f"one of {', '.join(sorted(kind.metrics))}",
            hint=f"a {kind.key} has no such metric; check the spelling or the device's kind in the registry",
        )
    if not math.isfinite(value) or not metric.low <= value <= metric.high:
        raise Refusal(
            "out_of_range",
            field=f"metrics.{key}",
            expected=f"{metric.low:g} to {metric.high:g} {metric.unit}",
            hint=f"got {value:g}; wrong unit, broken sensor, or wrong kind in the registry",
        )


def credible_time(t: int | None, received_at_ms: int) -> tuple[int, bool]:
    """A device's own time where it can be believed, else that of receipt; and whether the clock is suspect."""
    if t is None:
        return received_at_ms, False
    if received_at_ms - MAX_CLOCK_BEHIND_MS <= t <= received_at_ms + MAX_CLOCK_AHEAD_MS:
        return t, False
    return received_at_ms, True


def _waveform(kind: Kind, wave: WireWaveform) -> Waveform:
    wave_type = kind.waveforms.get(wave.name)
    if wave_type is None:
        raise Refusal(
            "unknown_metric",
            field="wave.name",
            expected=f"one of {', '.join(sorted(kind.waveforms)) or 'none'}",
            hint=f"a {kind.key} has no waveform {wave.name!r}",
        )
    if not 1 <= len(wave.samples) <= wave_type.samples_max:
        raise Refusal(
            "out_of_range",
            field="wave.samples",
            expected=f"1 to {wave_type.samples_max} samples",
            hint=f"got {len(wave.samples)}; send several strips",
        )
    if wave.rate > wave_type.rate_hz_max:
        raise Refusal(
            "out_of_range",
            field="wave.rate",
            expected=f"at most {wave_type.rate_hz_max:g} Hz",
            hint=f"got {wave.rate:g}",
        )
    low, high = min(wave.samples) * wave.scale, max(wave.samples) * wave.scale
    if low < wave_type.low or high > wave_type.high:
        raise Refusal(
            "out_of_range",
            field="wave.samples",
            expected=f"{wave_type.low:g} to {wave_type.high:g} {wave_type.unit}",
            hint=f"the strip runs from {low:g} to {high:g}; check wave.scale",
        )
    return Waveform(
        name=wave.name,
        lead=wave.lead,
        rate_hz=wave.rate,
        unit=wave_type.unit,
        samples=tuple(sample * wave.scale for sample in wave.samples),
    )
