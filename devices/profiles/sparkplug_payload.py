"""The payload of Sparkplug B: metrics with names or aliases, of many types, in Protocol Buffers.

Format: Eclipse Sparkplug 3.0.0, chapter 6, with the schema ``org.eclipse.tahu.protobuf``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from devices.gear.protowire import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    WireError,
    as_double,
    as_float,
    bytes_field,
    double_field,
    fields,
    float_field,
    varint_field,
)
from devices.observation import Refusal

MAX_BYTES = 1_048_576
MAX_METRICS = 5000
"""In one payload, those inside of templates among them."""
MAX_NESTING = 4
MAX_NAME = 256

BOOLEAN, STRING, TEMPLATE = 11, 12, 19
_BITS = {1: 8, 2: 16, 3: 32, 4: 64}
"""Of the signed types Int8 to Int64. Negative ones are sent in two's complement, in 32 bits or in their own."""
_WHOLE = (1, 2, 3, 4, 5, 6, 7, 8, 13)
_TEXTS = (STRING, 14, 15)

Value = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. Of a type that is no number, text or truth (a data set, a file) the value is None."""

    name: str = ""
    alias: int | None = None
    timestamp_ms: int | None = None
    datatype: int = 0
    """0 where it is not said: it was said at birth."""
    is_historical: bool = False
    is_null: bool = False
    value: Value | None = None
    raw: tuple[int, int | bytes] | None = None
    """Number and content of the value's field: what it is depends on the type, which may only be known from birth."""

    def typed(self, datatype: int) -> Metric:
        """The same with the type that was said at birth."""
        return replace(self, datatype=datatype, value=_value(datatype, self.raw, is_null=self.is_null))


@dataclass(slots=True)
class Payload:
    """One message of a node."""

    timestamp_ms: int | None = None
    seq: int | None = None
    metrics: list[Metric] = field(default_factory=list)


def decode(data: bytes) -> Payload:
    """The payload in ``data``; templates are spread out (``template/metric``). Raises Refusal."""
    if len(data) > MAX_BYTES:
        raise Refusal(
            "oversize", field="payload", expected=f"at most {MAX_BYTES} bytes", hint=f"got {len(data)} bytes; split it"
        )
    found = Payload()
    try:
        for number, kind, value in fields(data):
            if number == 1 and kind == VARINT:
                found.timestamp_ms = _number(value)
            elif number == 3 and kind == VARINT:
                found.seq = _number(value)
            elif number == 2 and isinstance(value, bytes):
                for metric in _metrics(value, "", 0):
                    found.metrics.append(metric)
                    if len(found.metrics) > MAX_METRICS:
                        raise Refusal(
                            "oversize",
                            field="metrics",
                            expected=f"at most {MAX_METRICS} metrics in a payload",
                            hint="let the edge node publish fewer of them",
                        )
    except WireError as error:
        raise Refusal("malformed", field="payload", expected="a Sparkplug B payload", hint=f"{error}") from None
    return found


def _metrics(data: bytes, above: str, depth: int) -> Iterator[Metric]:
    """A metric; of a template the metrics in it. Raises WireError."""
    name, alias, timestamp_ms, datatype = "", None, None, 0
    is_historical = is_null = False
    raw: tuple[int, int | bytes] | None = None
    for number, kind, value in fields(data):
        if number == 1 and isinstance(value, bytes):
            name = value[: 4 * MAX_NAME].decode("utf-8", "replace")[:MAX_NAME]
        elif number == 2 and kind == VARINT:
            alias = _number(value)
        elif number == 3 and kind == VARINT:
            timestamp_ms = _number(value)
        elif number == 4 and kind == VARINT:
            datatype = _number(value)
        elif number == 5 and kind == VARINT:
            is_historical = value != 0
        elif number == 7 and kind == VARINT:
            is_null = value != 0
        elif number in _VALUE_FIELDS:
            if kind != _VALUE_FIELDS[number]:
                raise WireError(f"the value of {name[:64] or alias} has wire type {kind}")
            raw = number, value
    name = f"{above}{name}"
    if raw is not None and raw[0] == 18:
        if depth >= MAX_NESTING:
            raise WireError(f"templates are nested deeper than {MAX_NESTING}")
        assert isinstance(raw[1], bytes)
        for number, _, inner in fields(raw[1]):
            if number == 2 and isinstance(inner, bytes):
                yield from _metrics(inner, f"{name}/", depth + 1)
        return
    yield Metric(
        name=name,
        alias=alias,
        timestamp_ms=timestamp_ms,
        datatype=datatype,
        is_historical=is_historical,
        is_null=is_null,
        value=_value(datatype, raw, is_null=is_null),
        raw=raw,
    )


_VALUE_FIELDS = {
    10: VARINT,
    11: VARINT,
    12: FIXED32,
    13: FIXED64,
    14: VARINT,
    15: BYTES,
    16: BYTES,
    17: BYTES,
    18: BYTES,
    19: BYTES,
}


def _value(datatype: int, raw: tuple[int, int | bytes] | None, *, is_null: bool) -> Value | None:
    if raw is None or is_null:
        return None
    number, content = raw
    if isinstance(content, bytes):
        return content[:4096].decode("utf-8", "replace") if number == 15 else None
    if number == 12:
        return as_float(content & 0xFFFFFFFF)
    if number == 13:
        return as_double(content)
    if number == 14 or datatype == BOOLEAN:
        return content != 0
    bits = _BITS.get(datatype)
    if bits is not None:
        content &= (1 << bits) - 1
        return content - (1 << bits) if content >> (bits - 1) else content
    return content


def _number(value: int | bytes) -> int:
    return value if isinstance(value, int) else 0


def encode_command(name: str, value: Value, datatype: int, now_ms: int) -> bytes:
    """The payload of an NCMD or DCMD: one metric. Raises ValueError for a value that is not of this type."""
    said = bytes_field(1, name.encode()) + varint_field(3, now_ms) + varint_field(4, datatype)
    metric = said + _value_field(value, datatype)
    return varint_field(1, now_ms) + bytes_field(2, metric)


def datatype_of(value: Value) -> int:
    """The type of a value whose birth nobody has heard: Boolean, Int64, Double, String."""
    kinds: dict[type, Literal[4, 10, 11, 12]] = {bool: 11, int: 4, float: 10, str: 12}
    return kinds[type(value)]


def _value_field(value: Value, datatype: int) -> bytes:
    if datatype == BOOLEAN and isinstance(value, bool):
        return varint_field(14, value)
    if datatype in _TEXTS and isinstance(value, str):
        return bytes_field(15, value.encode())
    if datatype in (9, 10) and isinstance(value, int | float) and not isinstance(value, bool):
        return float_field(12, value) if datatype == 9 else double_field(13, value)
    if datatype in _WHOLE and not isinstance(value, bool | str) and value == int(value):
        wide = datatype in (4, 8, 13)
        return varint_field(11 if wide else 10, int(value) & ((1 << (64 if wide else 32)) - 1))
    raise ValueError(f"{value!r} is no value of Sparkplug's type {datatype}")
