"""The native decoder: literal vectors, round trips, and no bytes that surprise it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from devices import native
from devices.kind import Kind
from devices.kinds import KINDS
from devices.observation import Channel, Observation, Refusal
from tests.support.native import Ref, channels, counts, kinds, valid_messages

GOLDEN = Path(__file__).parents[1] / "golden" / "native"
NOW = 1_790_000_000_000
ACCEPTED = json.loads((GOLDEN / "accepted.json").read_text(encoding="utf-8"))
REFUSED = json.loads((GOLDEN / "refused.json").read_text(encoding="utf-8"))
encodings: st.SearchStrategy[native.Encoding] = st.sampled_from(["json", "msgpack"])


def payload_of(vector: dict[str, Any]) -> bytes:
    if "payload_hex" in vector:
        return bytes.fromhex(vector["payload_hex"])
    return str(vector["payload"]).encode()


def by_name(vectors: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(vector, id=vector["name"]) for vector in vectors]


@pytest.mark.parametrize("vector", by_name(ACCEPTED))
def test_accepted(vector: dict[str, Any]) -> None:
    decoded = native.decode(
        Ref(**vector["device"]),
        Channel(vector["channel"]),
        payload_of(vector),
        received_at_ms=NOW,
        encoding=vector["encoding"],
    )
    assert decoded.observation == msgspec.convert(vector["observation"], Observation)
    assert [[fault.reason, fault.field] for fault in decoded.faults] == vector["faults"]
    assert all(fault.device == vector["device"]["id"] for fault in decoded.faults)


@pytest.mark.parametrize("vector", by_name(REFUSED))
def test_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as caught:
        native.decode(Ref("d-1", vector["kind"]), Channel(vector["channel"]), payload_of(vector), received_at_ms=NOW)
    refusal = caught.value
    assert (refusal.reason, refusal.field, refusal.device) == (vector["reason"], vector["field"], "d-1")
    assert refusal.expected
    assert refusal.hint


def test_an_oversize_message_is_refused_before_it_is_read() -> None:
    payload = b'{"v":1,"boot":1,"seq":1,"event":"press"' + b" " * native.MAX_MESSAGE_BYTES + b"}"
    with pytest.raises(Refusal, match="oversize"):
        native.decode(Ref("d-1", "sos_button"), Channel.EVENT, payload, received_at_ms=NOW)


@pytest.mark.parametrize("depth", [500, 5_000, 30_000])
def test_a_press_beside_deep_nesting_is_heard(depth: int) -> None:
    payload = b'{"v":1,"boot":1,"seq":1,"event":"press","x":' + b"[" * depth + b"]" * depth + b"}"
    decoded = native.decode(Ref("d-1", "sos_button"), Channel.EVENT, payload, received_at_ms=NOW)
    assert decoded.observation.event == "press"
    assert decoded.observation.message_id == "d-1:1:1"


@given(sent=valid_messages(NOW), encoding=encodings)
def test_what_a_healthy_device_sends_is_understood_whole(
    sent: tuple[Kind, Channel, native.Message], encoding: native.Encoding
) -> None:
    kind, channel, message = sent
    device = Ref("any-device", kind.key)
    decoded = native.decode(device, channel, native.encode(message, encoding), received_at_ms=NOW, encoding=encoding)
    observation = decoded.observation
    assert decoded.faults == ()
    assert observation.message_id == f"any-device:{message.boot}:{message.seq}"
    assert (observation.event, observation.metrics, observation.data) == (message.event, message.metrics, message.data)
    assert observation.observed_at_ms == (NOW if message.t is None else message.t)
    assert observation.lane is channel.lane
    assert not observation.clock_suspect
    assert (observation.waveform is None) == (message.wave is None)
    if observation.waveform is not None and message.wave is not None:
        assert observation.waveform.samples == pytest.approx([s * message.wave.scale for s in message.wave.samples])


@settings(max_examples=300)
@given(payload=st.binary(max_size=300), kind=kinds, channel=channels, encoding=encodings)
def test_no_bytes_raise_anything_but_a_refusal(
    payload: bytes, kind: Kind, channel: Channel, encoding: native.Encoding
) -> None:
    survives(payload, kind, channel, encoding)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
FIELDS = sorted(native.Message.__struct_fields__)


@settings(max_examples=300)
@given(fields=st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), json_values), kind=kinds, channel=channels)
@example(fields={"v": 1, "boot": 1, "seq": 1, "event": "\udc80"}, kind=KINDS["sos_button"], channel=Channel.EVENT)
def test_no_json_raises_anything_but_a_refusal(fields: dict[str, Any], kind: Kind, channel: Channel) -> None:
    survives(json.dumps(fields).encode(), kind, channel, "json")


def survives(payload: bytes, kind: Kind, channel: Channel, encoding: native.Encoding) -> None:
    """Refused with an explanation, or an observation that can be stored and means what the catalogue allows."""
    try:
        decoded = native.decode(Ref("d-1", kind.key), channel, payload, received_at_ms=NOW, encoding=encoding)
    except Refusal as refusal:
        assert refusal.device == "d-1"
        assert refusal.reason and refusal.field and refusal.expected and refusal.hint
        return
    observation = decoded.observation
    assert observation.event is None or observation.event in kind.events
    for key, value in observation.metrics.items():
        assert kind.metrics[key].low <= value <= kind.metrics[key].high
    assert all(math.isfinite(value) for value in observation.data.values() if isinstance(value, float))
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(observation), type=Observation)
    assert stored == observation


@settings(max_examples=300)
@given(broken=st.dictionaries(st.sampled_from([*FIELDS, "later"]), json_values), boot=counts, seq=counts)
@example(broken={"data": [math.inf]}, boot=2**53 - 1, seq=2**53 - 1)
@example(broken={"later": [math.inf]}, boot=1, seq=1)
def test_a_press_is_never_refused_for_a_fault_beside_it(broken: dict[str, Any], boot: int, seq: int) -> None:
    fields = {"v": 1, "boot": boot, "seq": seq, **broken, "event": "press"}
    text = json.dumps(fields)
    decoded = native.decode(Ref("sos-1", "sos_button"), Channel.EVENT, text.encode(), received_at_ms=NOW)
    assert decoded.observation.event == "press"
    if not broken.keys() & {"boot", "seq"}:
        assert decoded.observation.message_id == f"sos-1:{boot}:{seq}"
    if not broken.keys() - {"later"} and "Infinity" not in text and "NaN" not in text:  # these are no JSON
        assert decoded.faults == ()


def test_a_count_of_a_broken_message_is_no_larger_than_a_good_ones() -> None:
    text = json.dumps({"v": 1, "boot": 3, "seq": 2**53, "data": [math.inf], "event": "press"})
    decoded = native.decode(Ref("sos-1", "sos_button"), Channel.EVENT, text.encode(), received_at_ms=NOW)
    assert decoded.observation.message_id == f"sos-1:0:{NOW}"


@given(seed=st.integers(0, 2**32), junk=st.binary(max_size=40))
def test_a_press_in_messagepack_survives_a_broken_field(seed: int, junk: bytes) -> None:
    fields = {"v": 1, "boot": 1, "seq": seed, "event": "press", "metrics": junk, "data": [junk]}
    decoded = native.decode(
        Ref("sos-1", "sos_button"),
        Channel.EVENT,
        msgspec.msgpack.encode(fields),
        received_at_ms=NOW,
        encoding="msgpack",
    )
    assert decoded.observation.message_id == f"sos-1:1:{seed}"
    assert [fault.field for fault in decoded.faults] == ["metrics", "data"]


@given(command=st.text(min_size=1, max_size=64), identity=st.text(min_size=1, max_size=200), encoding=encodings)
def test_commands_round_trip(command: str, identity: str, encoding: native.Encoding) -> None:
    sent = native.Command(v=1, id=identity, command=command, args={"lamp": "green"}, expires=NOW)
    assert native.decode_command(native.encode_command(sent, encoding), encoding) == sent


@given(payload=st.binary(max_size=200), encoding=encodings)
def test_no_bytes_raise_anything_but_a_refusal_as_a_command(payload: bytes, encoding: native.Encoding) -> None:
    try:
        native.decode_command(payload, encoding)
    except Refusal as refusal:
        assert refusal.reason == "malformed"


@given(community=st.text("abc-", min_size=1), device=st.text("xyz.1", min_size=1), channel=channels)
def test_topics_round_trip(community: str, device: str, channel: Channel) -> None:
    assert native.parse_topic(native.topic(community, device, channel), community) == (device, channel)


@given(st.text())
def test_any_other_topic_is_refused(text: str) -> None:
    try:
        device, channel = native.parse_topic(text, "tjh")
    except Refusal as refusal:
        assert refusal.reason == "wrong_topic"
    else:
        assert text == f"anju/v1/tjh/{device}/{channel.value}"
