"""Cayenne Low Power Payload: a row of (channel, type, value), big endian. Any node can speak it.

Types and steps as in myDevices' description and its common extensions; names and shape are those of ChirpStack's own
decoder: ``temperatureSensor["3"]``. The lowest channel of a type also has a plain name. What a digital input means
only its owner knows: the option ``metrics`` says it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from devices.profiles.lorawan.codec import MAX_FRAME, Codec, Decoded, Fields


@dataclass(frozen=True, slots=True)
class _Type:
    name: str
    sizes: tuple[int, ...] = (1,)
    divide: tuple[float, ...] = (1,)
    signed: bool = False
    axes: tuple[str, ...] = ()
    """Names of the values where there are several."""
    plain: str = ""
    """How the lowest channel is called without its number."""


_TYPES: Mapping[int, _Type] = {
    0x00: _Type("digitalInput"),
    0x01: _Type("digitalOutput"),
    0x02: _Type("analogInput", (2,), (100,), signed=True),
    0x03: _Type("analogOutput", (2,), (100,), signed=True),
    0x64: _Type("genericSensor", (4,)),
    0x65: _Type("illuminanceSensor", (2,), plain="illuminance"),
    0x66: _Type("presenceSensor", plain="presence"),
    0x67: _Type("temperatureSensor", (2,), (10,), signed=True, plain="temperature"),
    0x68: _Type("humiditySensor", (1,), (2,), plain="humidity"),
    0x71: _Type("accelerometer", (2, 2, 2), (1000, 1000, 1000), signed=True, axes=("x", "y", "z")),
    0x73: _Type("barometer", (2,), (10,), plain="pressure"),
    0x74: _Type("voltage", (2,), (100,)),
    0x75: _Type("current", (2,), (1000,)),
    0x76: _Type("frequency", (4,)),
    0x78: _Type("percentage"),
    0x79: _Type("altitude", (2,), signed=True),
    0x7D: _Type("concentration", (2,), plain="concentration"),
    0x80: _Type("power", (2,), plain="power"),
    0x82: _Type("distance", (4,), (1000,)),
    0x83: _Type("energy", (4,), (1000,), plain="energy"),
    0x84: _Type("direction", (2,)),
    0x86: _Type("gyrometer", (2, 2, 2), (100, 100, 100), signed=True, axes=("x", "y", "z")),
    0x87: _Type("color", (1, 1, 1), (1, 1, 1), axes=("r", "g", "b")),
    0x88: _Type(
        "gpsLocation",
        (3, 3, 3),
        (10_000, 10_000, 100),
        signed=True,
        axes=("latitude", "longitude", "altitude"),
        plain="gps",
    ),
    0x8E: _Type("switch"),
}


def _decode(port: int, data: bytes) -> Decoded:
    out = Decoded()
    if len(data) > MAX_FRAME:
        out.problems.append(f"{len(data)} bytes; a LoRaWAN payload has at most {MAX_FRAME}")
        return out
    by_type: dict[_Type, dict[str, object]] = {}
    at = 0
    while at < len(data):
        if len(data) - at < 2 or (kind := _TYPES.get(data[at + 1])) is None:
            out.problems.append(f"byte {at}: no type {data[at + 1 : at + 2].hex() or '(cut off)'} in Cayenne LPP")
            break
        size = sum(kind.sizes)
        body = data[at + 2 : at + 2 + size]
        if len(body) < size:
            out.problems.append(f"byte {at}: {kind.name} is cut off, {len(body)} of {size} bytes")
            break
        by_type.setdefault(kind, {})[str(data[at])] = _value(kind, body)
        at += 2 + size
    fields: Fields = {}
    for kind, channels in by_type.items():
        fields[kind.name] = channels
        if kind.plain:
            fields[kind.plain] = channels[min(channels, key=int)]
    out.fields = fields
    return out


def _value(kind: _Type, body: bytes) -> object:
    values: list[float] = []
    start = 0
    for size, divide in zip(kind.sizes, kind.divide, strict=True):
        raw = int.from_bytes(body[start : start + size], "big", signed=kind.signed)
        values.append(raw if divide == 1 else raw / divide)
        start += size
    return dict(zip(kind.axes, values, strict=True)) if kind.axes else values[0]


CODECS = (
    Codec(
        key="cayenne",
        model="Cayenne LPP",
        maps="cayenne",
        kinds=(
            "environment",
            "contact",
            "motion",
            "leak",
            "smoke",
            "tracker",
            "meter",
            "waste_bin",
            "sos_button",
            "service_button",
        ),
        decode=_decode,
    ),
)
