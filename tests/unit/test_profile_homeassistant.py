"""Home Assistant's MQTT discovery, inbound. Messages: www.home-assistant.io/integrations/mqtt and its component pages,
and what ESPHome, Tasmota, Theengs Gateway, Z-Wave JS UI and Zigbee2MQTT announce by their own documentation."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.gear.messages import Incoming
from devices.observation import Refusal
from devices.profiles.homeassistant import HOMEASSISTANT
from devices.profiles.homeassistant.bridge import MAX_OF_ONE
from tests.support.gear import START_MS, Bench, Book, device
from tests.support.homeassistant import ID, announce, smoke_bench

# --- discovery --------------------------------------------------------------------------------------------------------


def test_the_documented_motion_sensor() -> None:
    """The example of the documentation: a garden sensor, removed again by an empty message."""
    bench = Bench(HOMEASSISTANT, device("01ad", "motion"))
    config = (
        b'{"name":null,"device_class":"motion","state_topic":"homeassistant/binary_sensor/garden/state",'
        b'"unique_id":"motion01ad","device":{"identifiers":["01ad"],"name":"Garden"}}'
    )
    heard = bench.hear("homeassistant/binary_sensor/garden/config", config, retained=True)
    assert (heard.listen, heard.announced) == (("homeassistant/binary_sensor/garden/state",), ())
    assert bench.hear("homeassistant/binary_sensor/garden/state", "ON").events == ["motion"]
    assert bench.hear("homeassistant/binary_sensor/garden/state", "OFF").events == ["motion_cleared"]
    bench.hear("homeassistant/binary_sensor/garden/config", b"")
    assert bench.hear("homeassistant/binary_sensor/garden/state", "ON").observations == []


def test_abbreviations_and_a_base_topic() -> None:
    """The documented switch and sensor with abbreviated names."""
    bench = Bench(HOMEASSISTANT, device("ea334450945afc", "plug"))
    config = {
        "~": "homeassistant/switch/irrigation",
        "cmd_t": "~/set",
        "stat_t": "~/state",
        "avty": [{"t": "~/available", "pl_avail": "yes", "pl_not_avail": "no"}],
        "pl_on": "1",
        "pl_off": "0",
        "dev": {"ids": "ea334450945afc", "name": "Kitchen", "mf": "Bla electronics", "mdl": "xya", "sw": "2.1"},
    }
    heard = bench.hear("homeassistant/switch/irrigation/config", config)
    assert heard.listen == ("homeassistant/switch/irrigation/state", "homeassistant/switch/irrigation/available")
    assert bench.hear("homeassistant/switch/irrigation/available", "yes").events == ["online"]
    assert bench.hear("homeassistant/switch/irrigation/state", "1").events == ["switched_on"]
    order = bench.order("plug-1", "switch_off")
    assert (order.publications[0].topic, order.publications[0].payload) == ("homeassistant/switch/irrigation/set", b"0")
    assert bench.hear("homeassistant/switch/irrigation/state", "0").events == ["switched_off", "command_result"]


def test_a_whole_device_in_one_message() -> None:
    """Device-based discovery, as documented for 2024.12 and later."""
    bench = Bench(HOMEASSISTANT, device("ea334450945afc", "environment"))
    config = {
        "dev": {"ids": "ea334450945afc", "name": "Kitchen", "mf": "Bla electronics", "mdl": "xya", "sw": "1.0"},
        "o": {"name": "bla2mqtt", "sw": "2.1"},
        "cmps": {
            "some_unique_component_id1": {
                "p": "sensor",
                "device_class": "temperature",
                "unit_of_measurement": "°C",
                "value_template": "{{ value_json.temperature}}",
                "unique_id": "temp01ae_t",
            },
            "some_unique_id2": {
                "p": "sensor",
                "device_class": "humidity",
                "unit_of_measurement": "%",
                "value_template": "{{ value_json.humidity}}",
                "unique_id": "temp01ae_h",
            },
            "broken": {"p": "sensor", "device_class": "power", "value_template": "{{ states('x') }}"},
            "gone": {"p": "sensor"},
            "lamp": {"p": "light", "command_topic": "x"},
        },
        "state_topic": "sensorBedroom/state",
        "qos": 2,
    }
    heard = bench.hear("homeassistant/device/ea334450945afc/config", config)
    assert heard.listen == ("sensorBedroom/state",)
    assert [(fault.field, "states" in fault.hint) for fault in heard.faults] == [("broken.value_template", True)]
    said = bench.hear("sensorBedroom/state", {"temperature": 23.20, "humidity": 43.70})
    assert said.metrics == {"temperature": 23.2, "humidity": 43.7}
    assert len(said.observations) == 1, "one message is one observation"


def test_strangers_are_offered_with_what_all_their_parts_tell() -> None:
    bench = Bench(HOMEASSISTANT)
    (first,) = announce(bench, "sensor", "battery", device_class="battery", state_topic="a/b").announced
    assert (first.address, first.kind, first.name, first.vendor, first.model, first.firmware, first.heard) == (
        ID,
        None,
        "hall",
        "Heiman",
        "HS1SA-E",
        "1.2",
        False,
    )
    (second,) = announce(bench, "binary_sensor", "smoke", device_class="smoke", state_topic="a/b").announced
    assert second.kind == "smoke"
    (spoke,) = bench.hear("a/b", "ON").announced
    assert (spoke.kind, spoke.heard) == ("smoke", True)


@pytest.mark.parametrize(
    ("component", "device_class", "kind"),
    [
        ("binary_sensor", "safety", "sos_button"),
        ("binary_sensor", "carbon_monoxide", "co"),
        ("binary_sensor", "moisture", "leak"),
        ("binary_sensor", "garage_door", "contact"),
        ("valve", "gas", "valve"),
        ("siren", "", "siren"),
        ("switch", "outlet", "plug"),
        ("sensor", "energy", "meter"),
        ("sensor", "pm25", "environment"),
        ("light", "", None),
    ],
)
def test_kinds_are_guessed(component: str, device_class: str, kind: str | None) -> None:
    heard = announce(Bench(HOMEASSISTANT), component, "x", device_class=device_class, state_topic="t")
    assert [one.kind for one in heard.announced] == ([kind] if kind or component != "light" else [])


def test_what_anju_itself_announces_is_nobodys() -> None:
    bench = Bench(HOMEASSISTANT)
    heard = announce(bench, "binary_sensor", "sos", state_topic="anju/homeassistant/sos-1/state")
    assert (heard.listen, heard.announced, heard.faults) == ((), (), [])


MALFORMED = ["a\nb", "a\x7fb", "a\ufffe", "a\ufdd0b", "/" * 201]
"""Mosquitto ends the connection of whoever subscribes to one of these."""


@pytest.mark.parametrize("topic", ["zigbee2mqtt/#", "+/state", "", "$SYS/x", "a" * 600, 7, *MALFORMED])
def test_a_topic_that_is_none_or_many_is_refused(topic: object) -> None:
    heard = announce(Bench(HOMEASSISTANT), "binary_sensor", "x", state_topic=topic)
    assert (heard.listen, [fault.reason for fault in heard.faults]) == ((), ["wrong_topic"])


def test_a_device_without_identifiers_is_known_by_its_connection_or_its_object() -> None:
    bench = Bench(HOMEASSISTANT)
    by_mac = bench.hear(
        "homeassistant/switch/x/config", {"command_topic": "c", "device": {"cns": [["mac", "02:5b:26:a8:dc:12"]]}}
    )
    assert by_mac.announced[0].address == "02:5b:26:a8:dc:12"
    assert bench.hear("homeassistant/switch/n/lonely/config", {"command_topic": "c"}).announced[0].address == "lonely"


# --- presence ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "said", "events"),
    [
        ("latest", [("b", "online"), ("d", "offline"), ("b", "online")], ["online", "offline", "online"]),
        ("all", [("b", "online"), ("d", "online"), ("d", "offline")], ["online", "offline"]),
        ("any", [("b", "offline"), ("d", "offline"), ("d", "online")], ["offline", "online"]),
    ],
)
def test_availability_by_several_topics(mode: str, said: list[tuple[str, str]], events: list[str]) -> None:
    topics = [{"topic": "z/b", "value_template": "{{ value_json.state }}"}, {"topic": "z/d"}]
    bench = smoke_bench(availability=topics, availability_mode=mode)
    told: list[str] = []
    for topic, word in said:
        payload = json.dumps({"state": word}) if topic == "b" else word
        told += bench.hear(f"z/{topic}", payload).events
    assert told == events


def test_who_is_there_is_said_with_model_and_firmware() -> None:
    bench = smoke_bench(availability_topic="hall/lwt", payload_available="Online", payload_not_available="Offline")
    (came,) = bench.hear("hall/lwt", "Online", retained=True).observations
    assert (came.event, came.data) == (
        "online",
        {"firmware": "1.2", "model": "Heiman HS1SA-E", "retained": True},
    )
    assert bench.hear("hall/lwt", "resting").observations == []


def test_what_has_not_spoken_for_too_long_is_gone_until_it_speaks() -> None:
    bench = smoke_bench(expire_after=60)
    announce(bench, "sensor", "other", state_topic="clock", device={"identifiers": ["clock"]})
    bench.hear("gear/hall", {"smoke": False})
    assert bench.hear("clock", "1", after_ms=59_000).events == []
    assert bench.hear("clock", "2", after_ms=2_000).events == ["offline"]
    assert bench.hear("clock", "3", after_ms=500_000).events == []
    assert bench.hear("gear/hall", {"smoke": False}).events == ["online"]


# --- commands ---------------------------------------------------------------------------------------------------------


def test_a_valve_in_words_and_one_with_a_position() -> None:
    """Both documented forms."""
    words = Bench(HOMEASSISTANT, device("v", "valve"))
    config = {"command_topic": "v/set", "state_topic": "v/state", "device": {"identifiers": ["v"]}}
    words.hear("homeassistant/valve/v/config", config)
    assert words.hear("v/state", "open").events == ["opened"]
    assert words.hear("v/state", "closing").metrics == {"moving": 1.0}
    order = words.order("valve-1", "close")
    assert (order.publications[0].payload, order.confirm) == (b"CLOSE", {"open": 0.0})
    assert words.hear("v/state", b'{"state": "closed"}').events == ["closed", "command_result"]

    positions = Bench(HOMEASSISTANT, device("v", "valve"))
    positions.hear("homeassistant/valve/v/config", {**config, "reports_position": True, "position_open": 255})
    moving = positions.hear("v/state", b'{"position": 51, "state": "opening"}')
    assert (moving.events, moving.metrics) == ([], {"position": 20.0, "moving": 1.0})
    assert positions.hear("v/state", "51").metrics == {"open": 1.0, "position": 20.0, "moving": 0.0}
    assert positions.hear("v/state", "0").events == ["closed"]
    assert positions.order("valve-1", "open").publications[0].payload == b"255"


def test_a_siren_is_told_tone_volume_and_duration() -> None:
    bench = Bench(HOMEASSISTANT, device("s", "siren"))
    config = {"command_topic": "s/set", "state_topic": "s/state", "available_tones": ["ping", "fire"]}
    bench.hear("homeassistant/siren/s/config", {**config, "device": {"identifiers": ["s"]}})
    order = bench.order("siren-1", "sound", tone="fire", volume="medium", duration_s="60")
    assert json.loads(order.publications[0].payload) == {
        "state": "ON",
        "tone": "fire",
        "duration": 60,
        "volume_level": 0.6,
    }
    assert bench.hear("s/state", b'{"state": "ON", "duration": 60}').events == ["sounding", "command_result"]
    assert bench.order("siren-1", "silence").publications[0].payload == b'{"state": "OFF"}'
    bench.hear(
        "homeassistant/siren/s/config",
        {**config, "command_template": "{{ value | lower }}", "optimistic": True, "device": {"identifiers": ["s"]}},
    )
    order = bench.order("siren-1", "sound")
    assert (order.publications[0].payload, order.confirm) == (b"on", None)


def test_a_gas_valve_may_be_announced_as_a_switch() -> None:
    bench = Bench(HOMEASSISTANT, device("v", "valve"))
    config = {"command_topic": "v/set", "retain": True, "payload_off": "CLOSE", "device": {"identifiers": ["v"]}}
    bench.hear("homeassistant/switch/v/config", config)
    order = bench.order("valve-1", "close")
    (sent,) = order.publications
    assert (sent.payload, sent.retain, order.confirm) == (b"CLOSE", True, None)


def test_a_command_without_a_topic_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        smoke_bench().order("smoke-1", "sound")
    assert (refused.value.reason, refused.value.device) == ("unknown_command", "smoke-1")


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_the_parts_of_one_device_are_bounded_and_room_is_made_by_forgetting() -> None:
    bench = Bench(HOMEASSISTANT)
    for number in range(MAX_OF_ONE):
        assert announce(bench, "sensor", f"s{number}", state_topic=f"t/{number}").faults == []
    assert [fault.reason for fault in announce(bench, "sensor", "more", state_topic="t/x").faults] == ["oversize"]
    bench.hear("homeassistant/sensor/s0/config", b"")
    assert announce(bench, "sensor", "more", state_topic="t/x").faults == []


def test_announcing_again_replaces_what_was_announced() -> None:
    bench = smoke_bench()
    announce(bench, "binary_sensor", "smoke", device_class="smoke", state_topic="other/topic")
    assert bench.hear("gear/hall", {"smoke": True}).observations == []
    assert bench.hear("other/topic", "ON").events == ["smoke"]


LONG = ("device", "identifiers", "state_topic", "value_template", "availability", "topic", "payload_on", "components")
SHORT = ("dev", "ids", "stat_t", "~", "val_tpl", "avty", "t", "cmps", "p", "platform", "off_delay", "expire_after")
KEYS = st.sampled_from((*LONG, *SHORT, "device_class", "event_type", "state", "position", "reports_position"))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(
        ["x/s", "~/s", "ON", "smoke", "{{ value_json.state }}", "{{ states() }}", "sensor", "valve", "x"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=15,
)


@given(
    messages=st.lists(
        st.tuples(
            st.sampled_from(
                [
                    f"homeassistant/{one}/x/config"
                    for one in ("binary_sensor", "sensor", "valve", "siren", "device", "event")
                ]
                + ["x/s", "homeassistant/status", "homeassistant/config"]
            ),
            st.binary(max_size=40) | VALUES.map(lambda value: json.dumps(value).encode()),
        ),
        max_size=6,
    )
)
def test_no_bytes_make_it_raise_anything_but_a_refusal(messages: list[tuple[str, bytes]]) -> None:
    bench = Bench(HOMEASSISTANT)
    book = Book([device("x", kind) for kind in ("smoke", "valve", "siren", "sos_button", "plug", "environment")])
    for topic, payload in messages:
        try:
            bench.gear.receive(Incoming(source=topic, payload=payload, received_at_ms=START_MS), book)
        except Refusal as refusal:
            assert refusal.field
            assert refusal.hint
