"""The specification, held against the code: its examples, its numbers, and the golden frames."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from cobs import cobs

from devices import serial_frames, serial_sender, serial_timing
from devices.observation import Channel
from devices.serial_codec import FrameReader, crc16, encode, pack
from devices.serial_frames import (
    Ack,
    CommandAck,
    CommandFrame,
    CommandStatus,
    Data,
    Frame,
    FrameType,
    Hello,
    HelloAck,
    Nak,
    NakReason,
    Ping,
    Pong,
)

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/protocol-serial.md").read_text(encoding="utf-8")
GOLDEN = json.loads((ROOT / "tests/golden/serial/frames.json").read_text(encoding="utf-8"))["frames"]
EXAMPLES = re.findall(r"```frame\n(.+?)```", DOCUMENT, re.DOTALL)
TYPES: dict[str, type[Frame]] = {
    kind.__name__.removesuffix("Frame"): kind
    for kind in (Hello, HelloAck, Data, Ack, Nak, CommandFrame, CommandAck, Ping, Pong)
}


def frame_of(name: str, fields: dict[str, Any]) -> Frame:
    made: dict[str, Any] = {
        key: int(value) if key in ("boot", "seq", "depth") else value for key, value in fields.items()
    }
    if "channel" in made:
        made["channel"] = Channel(made["channel"])
    if "payload" in made and isinstance(made["payload"], str):
        made["payload"] = bytes.fromhex(made["payload"])
    if "reason" in made:
        made["reason"] = NakReason[made["reason"]]
    if "status" in made:
        made["status"] = CommandStatus[made["status"]]
    return TYPES[name](**made)


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: f"{row['type']}-{row['fields']['seq']}")
def test_golden_frames(row: dict[str, Any]) -> None:
    wire = bytes.fromhex(row["wire"])
    frame = frame_of(row["type"], row["fields"])
    assert encode(frame) == wire
    assert FrameReader().feed(wire) == [frame]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.split("\n")[0])
def test_worked_examples(example: str) -> None:
    said, rest = example.split("\n", 1)
    parts = dict(re.findall(r"^(raw|crc|wire) +((?:[0-9A-F]{2}\s+)+)", rest, re.MULTILINE))
    raw, crc, wire = (bytes.fromhex(parts[part]) for part in ("raw", "crc", "wire"))
    assert crc16(raw) == int.from_bytes(crc, "big")
    assert wire == b"\x00" + cobs.encode(raw + crc) + b"\x00"
    (frame,) = FrameReader().feed(wire)
    assert not isinstance(frame, Exception), frame
    assert pack(frame) == raw
    assert encode(frame) == wire
    name, *pairs = shlex.split(said)
    fields: dict[str, Any] = dict(pair.split("=", 1) for pair in pairs)
    if isinstance(frame, Data | CommandFrame):
        fields["payload"] = frame.payload
    assert frame == frame_of(name, fields)


def test_every_type_of_frame_has_an_example_and_a_golden_frame() -> None:
    assert {example.split()[0] for example in EXAMPLES} == set(TYPES)
    assert {row["type"] for row in GOLDEN} == set(TYPES)


def test_the_tables_of_the_document_are_those_of_the_code() -> None:
    types = dict(re.findall(r"^\| `(\w\w)` \| ([A-Z_]+) \| (?:up|down) \|", DOCUMENT, re.MULTILINE))
    assert {int(code, 16): name for code, name in types.items()} == {kind.value: kind.name for kind in FrameType}
    ways = dict(re.findall(r"^\| `(\w\w)` \| [A-Z_]+ \| (up|down) \|", DOCUMENT, re.MULTILINE))
    assert all((way == "up") == bool(int(code, 16) % 2) for code, way in ways.items())
    coded = re.findall(r"^\| `(\w\w)` ([A-Z_]+) \|", DOCUMENT, re.MULTILINE)
    assert [(int(code, 16), name) for code, name in coded] == [
        *((reason.value, reason.name) for reason in NakReason),
        *((status.value, status.name) for status in CommandStatus),
    ]


def test_the_numbers_of_the_document_are_those_of_the_code() -> None:
    for number, unit in (
        (serial_frames.MAX_PAYLOAD_BYTES, "bytes"),
        (serial_frames.MAX_FRAME_BYTES, "bytes"),
        (serial_frames.READ_LIMIT_BYTES, "bytes"),
    ):
        assert f"{number:,} {unit}" in DOCUMENT
    assert f"| PING every | {serial_timing.PING_EVERY_MS / 1000:g} s |" in DOCUMENT
    assert f"| silent after | {serial_timing.SILENT_AFTER_MS / 1000:g} s |" in DOCUMENT
    assert f"| resend after | {serial_timing.RESEND_BASE_MS / 1000:g} s + wire time |" in DOCUMENT
    assert f"| resend at most after | {serial_timing.RESEND_MAX_MS / 1000:g} s |" in DOCUMENT
    assert f"| BAD_VERSION again after | {serial_sender.BAD_VERSION_RETRY_MS / 1000:g} s |" in DOCUMENT
    assert f"At most {serial_sender.WINDOW_FRAMES} unacknowledged frames of events" in DOCUMENT
    assert f"{crc16(b'123456789'):04X}" == "D64E"
    assert "`D64E`" in DOCUMENT
