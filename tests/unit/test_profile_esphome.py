"""ESPHome: topics and payloads of esphome.io/components/mqtt, and the traps. No recording was to be had."""

from __future__ import annotations

import pytest

from devices.observation import Refusal
from devices.profiles import PROFILES
from firmware_sim.gear.esphome import SimEsphome
from firmware_sim.mqtt_device import Broker
from tests.support.gear import START_MS, Bench, device

ESPHOME = PROFILES["esphome"]


@pytest.mark.parametrize(
    ("kind", "on", "off"),
    [
        ("contact", "opened", "closed"), ("motion", "motion", "motion_cleared"), ("presence", "entered", "left"),
        ("smoke", "smoke", "smoke_cleared"), ("heat", "heat", "heat_cleared"), ("gas", "gas", "gas_cleared"),
        ("co", "co", "co_cleared"), ("leak", "leak", "leak_cleared"),
        ("glass_break", "glass_break", "glass_break_cleared"),
    ],
)  # fmt: skip
def test_binary_sensors(kind: str, on: str, off: str) -> None:
    side = Bench(ESPHOME, device("hall#front", kind))
    topic = "hall/binary_sensor/front/state"
    assert [side.hear(topic, word).events for word in ("OFF", "ON", "ON", "OFF")] == [[], [on], [], [off]]


def test_states_that_the_broker_kept_raise_nothing() -> None:
    """Every state is retained unless retain: false is written."""
    side = Bench(ESPHOME, device("hall#smoke", "smoke"))
    assert side.hear("hall/binary_sensor/smoke/state", "ON", retained=True).events == []
    assert side.hear("hall/binary_sensor/smoke/state", "ON").events == ["smoke"], "said live, it burns now"


def test_each_entity_is_a_part_and_its_neighbours_are_strangers() -> None:
    side = Bench(ESPHOME, device("hall#front", "contact"))
    heard = side.hear("hall/binary_sensor/back/state", "ON")
    assert heard.events == []
    assert [(one.address, one.kind, one.name) for one in heard.announced] == [("hall#back", "contact", "back")]


def test_a_node_with_one_thing_needs_no_part() -> None:
    assert Bench(ESPHOME, device("hall", "leak")).hear("hall/binary_sensor/whatever/state", "ON").events == ["leak"]


def test_buttons_by_events_and_as_binary_sensors() -> None:
    side = Bench(ESPHOME, device("bed#key", "sos_button"), device("bed#service", "service_button"))
    assert side.hear("bed/event/key/state", '{"event_type":"press"}').events == ["press"]
    assert side.hear("bed/event/key/state", '{"event_type":"long_press"}').events == ["long_press"]
    assert side.hear("bed/event/service/state", '{"event_type":"double_press"}').events == ["drain"]
    assert [side.hear("bed/binary_sensor/key/state", word).events for word in ("ON", "OFF", "ON")] == [
        ["press"],
        [],
        ["press"],
    ]


def test_sensors_are_found_by_the_names_that_the_registry_gives() -> None:
    side = Bench(
        ESPHOME,
        device("yard", "environment", temperature="outside_temperature"),
        device("yard#d", "contact", battery="cell"),
    )
    said = {
        name: side.hear(f"yard/sensor/{name}/state", value).metrics
        for name, value in (
            ("outside_temperature", "21.40"), ("temperature", "40.00"), ("humidity", "55.2"), ("cell", "81"),
            ("wifi_signal", "-61"), ("uptime", "3600"),
        )
    }  # fmt: skip
    assert said == {
        "outside_temperature": {"temperature": 21.4}, "temperature": {}, "humidity": {"humidity": 55.2},
        "cell": {"battery": 81.0}, "wifi_signal": {"rssi": -61.0}, "uptime": {"uptime": 3600.0},
    }  # fmt: skip


def test_a_sensor_that_does_not_know_is_no_fault() -> None:
    side = Bench(ESPHOME, device("yard", "environment"))
    heard = side.hear("yard/sensor/temperature/state", "nan")
    assert (heard.observations, heard.faults) == ([], [])


def test_presence() -> None:
    side = Bench(ESPHOME, device("hall#front", "contact"), base="home")
    assert side.hear("home/hall/status", "online", retained=True).events == ["online"]
    assert side.hear("home/hall/status", "offline").events == ["offline"]


def test_sockets_and_valves() -> None:
    side = Bench(ESPHOME, device("s#relay", "plug"), device("v#gas", "valve"))
    assert side.hear("s/switch/relay/state", "ON").events == ["switched_on"]
    assert side.hear("s/sensor/power/state", "35.2").metrics == {"power": 35.2}
    (order,) = side.order("valve-1", "close").publications
    assert (order.topic, order.payload) == ("v/valve/gas/command", b"CLOSE")
    heard = [side.hear("v/valve/gas/state", word) for word in ("open", "closing", "closed")]
    assert [one.events for one in heard] == [["opened"], [], ["closed", "command_result"]]
    assert [one.metrics.get("moving") for one in heard] == [0, 1, 0]
    assert side.hear("v/valve/gas/position/state", "0").metrics == {"position": 0.0}


def test_a_command_needs_to_know_which_entity() -> None:
    with pytest.raises(Refusal, match="unknown_command") as caught:
        Bench(ESPHOME, device("s", "plug")).order("plug-1", "switch_on")
    assert "complete the device's address" in caught.value.hint


def test_the_simulated_node_says_the_same_for_the_same_seed() -> None:
    def said(seed: int) -> list[bytes]:
        gear = SimEsphome(Broker("127.0.0.1", 1), seed=seed, clock=lambda: START_MS)
        gear.online = True
        gear.connected(START_MS)
        gear.act("node-502#bed_key", "press")
        return [one.payload for one in gear._out]

    assert said(1) == said(1) != said(2)
    assert said(1)[-1] == b'{"event_type":"press"}'
