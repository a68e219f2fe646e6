"""Zigbee2MQTT itself: names, starts, presence, what it describes, commands, bounds.

Payloads: www.zigbee2mqtt.io/guide/usage/mqtt_topics_and_messages.html; the order of a start is that of Zigbee2MQTT 2.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.gear.messages import Incoming
from devices.observation import Refusal
from devices.profiles.zigbee2mqtt import ZIGBEE2MQTT
from devices.profiles.zigbee2mqtt.described import MAX_DEVICES
from tests.support.gear import START_MS, Bench, Book, device
from tests.support.zigbee2mqtt import IEEE, bench, binary, entry, enum, numeric

# --- names, starts, presence ----------------------------------------------------------------------------------------


def test_names_hold_slashes_and_the_base_is_what_the_registry_says() -> None:
    z2m = bench(device("三号楼/2单元/501/烟感", "smoke"), base="home/zigbee")
    assert z2m.hear("home/zigbee/三号楼/2单元/501/烟感", {"smoke": True}).events == ["smoke"]
    assert z2m.hear("home/zigbee/三号楼/2单元/501/烟感/availability", {"state": "online"}).events == ["online"]
    assert z2m.gear.filters()[-1] == "home/zigbee/#"
    with pytest.raises(Refusal, match="wrong_topic"):
        z2m.hear("zigbee2mqtt/x", {})
    for base in ("zigbee2mqtt/#", "/zigbee2mqtt", "a/+"):
        with pytest.raises(ValueError, match="base"):
            Bench(ZIGBEE2MQTT, base=base)


def test_availability_comes_as_a_word_or_as_an_object() -> None:
    described = [entry("door", binary("contact", False, True))]
    z2m = bench(device("door", "contact"), described=described)
    came = z2m.hear("zigbee2mqtt/door/availability", "online")
    assert came.observations[0].event == "online"
    assert came.observations[0].data == {"firmware": "1.0.3", "model": "Maker M-1"}
    assert z2m.hear("zigbee2mqtt/door/availability", {"state": "offline"}).events == ["offline"]
    assert z2m.hear("zigbee2mqtt/door/availability", b"").events == []
    with pytest.raises(Refusal, match="online or offline"):
        z2m.hear("zigbee2mqtt/door/availability", "asleep")


def test_a_device_is_known_by_its_name_and_by_its_address_and_survives_a_new_name() -> None:
    for address in ("old name", IEEE):
        z2m = bench(device(address, "smoke"), described=[entry("old name", binary("smoke"))])
        assert z2m.hear("zigbee2mqtt/old name", {"smoke": True}).events == ["smoke"]
        renamed = z2m.hear("zigbee2mqtt/bridge/devices", [entry("kitchen/smoke", binary("smoke"))])
        assert renamed.announced == (), "it is registered"
        assert z2m.hear("zigbee2mqtt/old name", b"", retained=True).observations == []
        assert z2m.hear("zigbee2mqtt/kitchen/smoke", {"smoke": False}).events == ["smoke_cleared"]
        assert z2m.hear("zigbee2mqtt/kitchen/smoke/availability", "online").events == ["online"]


def test_a_name_that_another_device_takes_over_is_that_ones() -> None:
    other = "0x00124b0099999999"
    z2m = bench(device("hall", "smoke"), described=[entry("hall", binary("smoke"))])
    z2m.hear(
        "zigbee2mqtt/bridge/devices", [entry("attic", binary("smoke")), entry("hall", binary("smoke"), ieee=other)]
    )
    assert z2m.hear("zigbee2mqtt/attic", {"smoke": True}).events == []
    assert z2m.hear("zigbee2mqtt/hall", {"smoke": True}).events == ["smoke"]


def test_states_kept_by_the_broker_raise_nothing_that_is_long_over() -> None:
    z2m = bench(device("smoke", "smoke"), device("door", "contact"))
    assert z2m.hear("zigbee2mqtt/smoke", {"smoke": True, "battery": 90}, retained=True).events == []
    assert z2m.hear("zigbee2mqtt/door", {"contact": False}, retained=True).events == []


def start(z2m: Bench, *, config: dict[str, Any] | None = None) -> None:
    """What a bridge says at its start, before its cache."""
    z2m.hear("zigbee2mqtt/bridge/state", {"state": "online"})
    z2m.hear("zigbee2mqtt/bridge/info", {"version": "2.5.1", "config": {"advanced": config or {}}}, after_ms=300)
    z2m.hear("zigbee2mqtt/bridge/devices", [entry("smoke", binary("smoke"))], after_ms=10)


def test_the_cache_of_a_bridge_that_starts_raises_nothing_that_is_long_over() -> None:
    z2m = bench(device("smoke", "smoke"))
    start(z2m)
    cached = {"smoke": True, "battery": 61, "last_seen": "2026-09-03T08:00:00+08:00"}
    assert z2m.hear("zigbee2mqtt/smoke", cached, after_ms=100).events == []
    assert z2m.hear("zigbee2mqtt/smoke", {"smoke": False}).events == ["smoke_cleared"]
    assert z2m.hear("zigbee2mqtt/smoke", {"smoke": True}).events == ["smoke"]


def test_what_changed_while_nobody_listened_is_told_by_the_cache() -> None:
    z2m = bench(device("smoke", "smoke"))
    z2m.hear("zigbee2mqtt/smoke", {"smoke": False})
    start(z2m)
    assert z2m.hear("zigbee2mqtt/smoke", {"smoke": True}, after_ms=100).events == ["smoke"]


@pytest.mark.parametrize("why", ["reconnected", "no cache", "seen now", "second message", "much later"])
def test_after_a_start_what_is_live_is_heard(why: str) -> None:
    z2m = bench(device("smoke", "smoke"))
    if why == "reconnected":  # it says that it is there, and does not describe itself anew
        z2m.hear("zigbee2mqtt/bridge/state", {"state": "online"})
    else:
        start(z2m, config={"cache_state_send_on_startup": False} if why == "no cache" else None)
    if why == "second message":
        z2m.hear("zigbee2mqtt/smoke", {"battery": 90}, after_ms=50)
    payload: dict[str, Any] = {"smoke": True}
    if why == "seen now":
        payload["last_seen"] = z2m.now_ms + 1000
    assert z2m.hear("zigbee2mqtt/smoke", payload, after_ms=120_000 if why == "much later" else 1000).events == ["smoke"]


def test_a_press_right_after_a_start_is_a_press() -> None:
    z2m = bench(device("bed", "sos_button"))
    start(z2m)
    assert z2m.hear("zigbee2mqtt/bed", {"action": "emergency"}, after_ms=100).events == ["press"]


# --- the bridge -----------------------------------------------------------------------------------------------------


def test_the_bridge_itself_is_a_concentrator() -> None:
    z2m = bench(device("bridge", "concentrator"))
    assert z2m.hear("zigbee2mqtt/bridge/state", "online", retained=True).events == ["online"]
    info = z2m.hear("zigbee2mqtt/bridge/info", {"version": "2.5.1", "permit_join": True})
    assert info.metrics == {"joining": 1.0}
    assert info.observations[0].data == {"model": "Zigbee2MQTT", "firmware": "2.5.1"}
    assert z2m.hear("zigbee2mqtt/bridge/devices", [entry("a"), entry("b", ieee="0x2")]).metrics == {"devices": 2.0}
    health = {
        "response_time": 1,
        "process": {"uptime_sec": 2053460, "memory_used_mb": 80.43},
        "mqtt": {"connected": True},
    }
    assert z2m.hear("zigbee2mqtt/bridge/health", health).metrics == {"uptime": 2053460.0}
    assert not z2m.hear("zigbee2mqtt/bridge/health", health, retained=True).observations, "that was some time ago"
    assert z2m.hear("zigbee2mqtt/bridge/state", {"state": "offline"}).events == ["offline"]


def test_devices_that_nobody_registered_are_offered() -> None:
    listed = [
        {
            "ieee_address": "0x00124b00120144ae",
            "type": "Coordinator",
            "friendly_name": "Coordinator",
            "definition": None,
        },
        entry("0x00158d00018255df", binary("smoke"), ieee="0x00158d00018255df"),
        entry("gone", binary("smoke"), ieee="0x3", disabled=True),
        entry("mine", binary("smoke")),
        {"ieee_address": "0x00169a00022256da", "type": "Router", "friendly_name": "my_sensor", "definition": None},
    ]
    heard = bench(device("mine", "smoke")).hear("zigbee2mqtt/bridge/devices", listed, retained=True)
    assert [(one.address, one.kind, one.vendor, one.model, one.firmware, one.heard) for one in heard.announced] == [
        ("0x00158d00018255df", "smoke", "Maker", "M-1", "1.0.3", False),
        ("0x00169a00022256da", None, "", "", "", False),
    ]


def test_a_device_that_joins_is_offered_at_once() -> None:
    z2m = bench(device("bridge", "concentrator"))
    joined = (
        b'{"type":"device_joined","data":{"friendly_name":"0x90fd9ffffe6494fc","ieee_address":"0x90fd9ffffe6494fc"}}'
    )
    heard = z2m.hear("zigbee2mqtt/bridge/event", joined)
    assert (heard.events, heard.announced[0].address) == (["device_joined"], "0x90fd9ffffe6494fc")
    interviewed = (
        b'{"type":"device_interview","data":{"friendly_name":"0x90fd9ffffe6494fc","status":"successful",'
        b'"ieee_address":"0x90fd9ffffe6494fc","supported":true,"definition":{"model":"LED1624G9","vendor":"IKEA",'
        b'"description":"TRADFRI LED bulb E14/E26/E27 600 lumen, dimmable, color, opal white"}}}'
    )
    (offered,) = z2m.hear("zigbee2mqtt/bridge/event", interviewed).announced
    assert (offered.vendor, offered.model) == ("IKEA", "LED1624G9")
    failed = b'{"type":"device_interview","data":{"friendly_name":"x","status":"failed","ieee_address":"0x1"}}'
    assert z2m.hear("zigbee2mqtt/bridge/event", failed).announced == ()
    left = b'{"type":"device_leave","data":{"ieee_address":"0x90fd9ffffe6494fc","friendly_name":"my_bulb"}}'
    assert z2m.hear("zigbee2mqtt/bridge/event", left).events == ["device_left"]


def test_a_stranger_who_speaks_is_announced_as_heard() -> None:
    z2m = bench(described=[entry("lamp", binary("smoke"))])
    (known,) = z2m.hear("zigbee2mqtt/lamp", {"smoke": True}).announced
    assert (known.address, known.kind, known.heard) == (IEEE, "smoke", True)
    (unknown,) = z2m.hear("zigbee2mqtt/somebody", {"state": "ON"}).announced
    assert (unknown.address, unknown.kind, unknown.heard) == ("somebody", None, True)


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("bridge/logging", b'{"level": "info", "message": "Zigbee: allowing new devices to join."}'),
        ("bridge/response/permit_join", b'{"data":{"value":true},"status":"ok"}'),
        ("bridge/definitions", b"{}"),
        ("my_group", b'{"state": "ON"}'),
        ("door/set", b'{"state": "ON"}'),
        ("door/set/state", b"ON"),
        ("door/l1/set", b'{"state": "ON"}'),
        ("stranger/get", b'{"state": ""}'),
        ("stranger", b""),
    ],
)
def test_what_concerns_no_device_is_passed_over(topic: str, payload: bytes) -> None:
    z2m = bench(device("door", "contact"))
    z2m.hear("zigbee2mqtt/bridge/groups", [{"id": 1, "friendly_name": "my_group", "members": []}], retained=True)
    heard = z2m.hear(f"zigbee2mqtt/{topic}", payload)
    assert (heard.observations, heard.announced, heard.faults) == ([], (), [])


# --- commands -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exposes", "closed", "opened"),
    [
        ([{"type": "switch", "features": [binary("state", "ON", "OFF", access=7)]}], "OFF", "ON"),
        ([binary("state", "OPEN", "CLOSE", access=7)], "CLOSE", "OPEN"),
        ([enum("state", "OPEN", "CLOSE", "STOP")], "CLOSE", "OPEN"),
        ([], "OFF", "ON"),
    ],
)
def test_a_valve_is_closed_in_its_own_words_and_confirms_it(exposes: list[Any], closed: str, opened: str) -> None:
    described = [entry("kitchen/valve", *exposes)] if exposes else None
    z2m = bench(device("kitchen/valve" if not exposes else IEEE, "valve"), described=described)
    z2m.hear("zigbee2mqtt/kitchen/valve", {"state": opened})
    order = z2m.order("valve-1", "close")
    (sent,) = order.publications
    assert (sent.topic, json.loads(sent.payload)) == ("zigbee2mqtt/kitchen/valve/set", {"state": closed})
    assert order.confirm == {"open": 0.0}
    done = z2m.hear("zigbee2mqtt/kitchen/valve", {"state": closed})
    assert done.events == ["closed", "command_result"]
    assert done.observations[-1].data == {"id": "c-close", "ok": True}


def test_a_command_that_failed_is_told_by_the_bridges_log() -> None:
    z2m = bench(device("valve", "valve"))
    z2m.order("valve-1", "close")
    message = "Publish 'set' 'state' to 'valve' failed: 'Error: ZCL command 0x1/1 genOnOff.off failed (Timeout)'"
    heard = z2m.hear("zigbee2mqtt/bridge/logging", {"level": "error", "message": message, "namespace": "z2m"})
    (answer,) = heard.observations
    assert (answer.event, answer.data["ok"], answer.data["id"]) == ("command_result", False, "c-close")
    assert "Timeout" in str(answer.data["error"])
    z2m.order("valve-1", "close")
    assert "command_result" in z2m.hear("zigbee2mqtt/valve", {"state": "OFF"}).events
    assert z2m.hear("zigbee2mqtt/bridge/logging", {"level": "error", "message": message}).observations == [], (
        "done is done"
    )
    assert z2m.hear("zigbee2mqtt/bridge/logging", {"level": "error", "message": message}).observations == []


def test_sirens_are_told_in_their_own_words() -> None:
    composite = {"type": "composite", "name": "warning", "property": "warning", "access": 2, "features": [enum("mode")]}
    warned = bench(device("siren", "siren"), described=[entry("siren", composite)])
    order = warned.order("siren-1", "sound", tone="fire", volume="low", duration_s="60", lamp="off")
    assert json.loads(order.publications[0].payload) == {
        "warning": {"mode": "fire", "level": "low", "strobe": False, "duration": 60}
    }
    assert order.confirm is None, "it tells nothing"
    assert json.loads(warned.order("siren-1", "silence").publications[0].payload)["warning"]["mode"] == "stop"
    with pytest.raises(Refusal, match="chime"):
        warned.order("siren-1", "sound", tone="chime")

    switched = [
        entry(
            "siren", binary("alarm", access=7), enum("volume", "low", "medium", "high"), numeric("duration", access=7)
        )
    ]
    neo = bench(device("siren", "siren"), described=switched)
    order = neo.order("siren-1", "sound", volume="high", duration_s="30")
    assert json.loads(order.publications[0].payload) == {"alarm": True, "volume": "high", "duration": 30}
    assert order.confirm == {"sounding": 1.0}
    assert neo.hear("zigbee2mqtt/siren", {"alarm": True}).events == ["sounding", "command_result"]

    words = [entry("siren", enum("alarm", "alarm_sound", "alarm_light", "alarm_sound_light", "normal"))]  # ZG-229Z
    tuya = bench(device("siren", "siren"), described=words)
    assert json.loads(tuya.order("siren-1", "sound").publications[0].payload) == {"alarm": "alarm_sound_light"}
    assert json.loads(tuya.order("siren-1", "silence").publications[0].payload) == {"alarm": "normal"}
    assert tuya.hear("zigbee2mqtt/siren", {"alarm": "alarm_sound_light"}).events == ["sounding", "command_result"]
    assert tuya.hear("zigbee2mqtt/siren", {"alarm": "normal"}).events == ["silenced", "command_result"]


def test_what_a_device_cannot_do_is_refused() -> None:
    z2m = bench(
        device("door", "contact"), device("siren", "siren"), described=[entry("siren", numeric("battery", "%"))]
    )
    for device_id, command in [("contact-1", "open"), ("siren-1", "sound"), ("siren-1", "say")]:
        with pytest.raises(Refusal) as refused:
            z2m.order(device_id, command)
        assert (refused.value.reason, refused.value.device) == ("unknown_command", device_id)


# --- bounds ---------------------------------------------------------------------------------------------------------


def test_what_is_remembered_of_devices_is_bounded() -> None:
    z2m = bench()
    heard = z2m.hear("zigbee2mqtt/bridge/devices", [entry(f"d{n}", ieee=f"0x{n:016x}") for n in range(MAX_DEVICES + 1)])
    assert len(heard.announced) == MAX_DEVICES
    assert [fault.reason for fault in heard.faults] == ["oversize"]


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("bridge/devices", b"{}"),
        ("bridge/devices", b"["),
        ("bridge/state", b"maybe"),
        ("bridge/info", b"7"),
        ("door", b"open"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(topic: str, payload: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        bench(device("door", "contact")).hear(f"zigbee2mqtt/{topic}", payload)
    assert refused.value.reason == "malformed"
    assert refused.value.hint


TOPICS = (
    *(f"bridge/{about}" for about in ("devices", "info", "state", "event", "groups", "logging")),
    *("door", "door/availability", "door/action", "door/x/y", "door/set", "other", "/", "门"),
)
WORDS = st.sampled_from(
    "ieee_address friendly_name definition exposes features property name type binary value_on value_off values unit "
    f"endpoint action contact smoke gas state voltage battery last_seen ON OFF door {IEEE} m³ emergency level error "
    "message config".split()
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=20,
)


@given(
    messages=st.lists(
        st.tuples(
            st.sampled_from(TOPICS),
            st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()),
            st.booleans(),
        ),
        max_size=6,
    )
)
def test_no_bytes_make_it_raise_anything_but_a_refusal(messages: list[tuple[str, bytes, bool]]) -> None:
    z2m = bench(device("door", "contact"), described=[entry("door", binary("contact", False, True))])
    book = Book([device("door", kind) for kind in ("contact", "sos_button", "gas", "valve", "siren", "presence")])
    for topic, payload, retained in messages:
        incoming = Incoming(source=f"zigbee2mqtt/{topic}", payload=payload, received_at_ms=START_MS, retained=retained)
        try:
            z2m.gear.receive(incoming, book)
        except Refusal as refusal:
            assert refusal.field
            assert refusal.hint
