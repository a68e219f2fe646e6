"""What announced parts say: states, measures, buttons. Messages as in test_profile_homeassistant."""

from __future__ import annotations

import pytest

from devices.profiles.homeassistant import HOMEASSISTANT
from tests.support.gear import Bench, device
from tests.support.homeassistant import ID, announce, smoke_bench

# --- states -----------------------------------------------------------------------------------------------------------


def test_an_alarm_is_one_event_and_a_kept_one_is_none() -> None:
    bench = smoke_bench()
    assert bench.hear("gear/hall", {"smoke": True}, retained=True).events == []
    assert bench.hear("gear/hall", {"smoke": False}).events == ["smoke_cleared"]
    assert bench.hear("gear/hall", {"smoke": True}).events == ["smoke"]
    assert bench.hear("gear/hall", {"smoke": True}).events == []
    assert bench.hear("gear/hall", {"battery": 3}).events == [], "a message that says nothing of smoke ends nothing"
    assert bench.hear("gear/hall", {"smoke": None}).events == []


def test_a_word_that_was_not_announced_is_explained() -> None:
    bench = Bench(HOMEASSISTANT, device("x", "leak"))
    bench.hear(
        "homeassistant/binary_sensor/x/config",
        {"device_class": "moisture", "state_topic": "x/s", "pl_on": "wet", "pl_off": "dry", "dev": {"ids": "x"}},
    )
    heard = bench.hear("x/s", "damp")
    (fault,) = heard.faults
    assert (fault.field, fault.expected, fault.device) == ("x", "wet or dry, as announced", "leak-1")
    assert bench.hear("x/s", "unavailable").faults == []


def test_all_parts_of_a_topic_are_read_together() -> None:
    bench = smoke_bench()
    for object_id, component, more in [
        ("battery", "sensor", {"device_class": "battery", "unit_of_measurement": "%"}),
        ("battery_low", "binary_sensor", {"device_class": "battery", "payload_on": True, "payload_off": False}),
        ("tamper", "binary_sensor", {"device_class": "tamper", "payload_on": True, "payload_off": False}),
        ("test", "binary_sensor", {"payload_on": True, "payload_off": False}),
        ("linkquality", "sensor", {"unit_of_measurement": "lqi"}),
        ("temperature", "sensor", {"device_class": "temperature", "unit_of_measurement": "°F"}),
    ]:
        template = f"{{{{ value_json.{object_id} }}}}"
        announce(bench, component, object_id, state_topic="gear/hall", value_template=template, **more)
    heard = bench.hear(
        "gear/hall",
        {
            "smoke": True,
            "battery": 87,
            "battery_low": True,
            "tamper": False,
            "test": True,
            "linkquality": 51,
            "temperature": 68.9,
        },
    )
    assert sorted(heard.events) == ["low_battery", "self_test", "smoke"]
    assert heard.metrics == pytest.approx(
        {
            "alarm": 1,
            "battery": 87,
            "battery_low": 1,
            "tampered": 0,
            "testing": 1,
            "link_quality": 20,
            "temperature": 20.5,
        }
    )


def test_two_probes_of_one_detector_are_dry_when_both_are() -> None:
    bench = Bench(HOMEASSISTANT, device("x", "leak"))
    for probe in ("left", "right"):
        bench.hear(
            f"homeassistant/binary_sensor/x_{probe}/config",
            {"device_class": "moisture", "state_topic": f"x/{probe}", "dev": {"ids": "x"}},
        )
    assert bench.hear("x/left", "ON").events == ["leak"]
    assert bench.hear("x/right", "ON").events == []
    assert bench.hear("x/left", "OFF").events == []
    assert bench.hear("x/right", "OFF").events == ["leak_cleared"]


def test_a_part_of_the_address_is_the_object() -> None:
    bench = Bench(HOMEASSISTANT, device("relay#switch_0", "plug", id="a"), device("relay#switch_1", "plug", id="b"))
    for number in (0, 1):
        bench.hear(
            f"homeassistant/switch/relay/switch_{number}/config",
            {"state_topic": f"relay/{number}", "command_topic": f"relay/{number}/set", "dev": {"ids": ["relay"]}},
        )
    assert [one.device for one in bench.hear("relay/1", "ON").observations] == ["b"]
    assert bench.order("a", "switch_on").publications[0].topic == "relay/0/set"


def test_a_part_without_a_device_class_is_what_the_registry_says() -> None:
    bench = Bench(HOMEASSISTANT, device("panel#zone_3", "smoke"))
    bench.hear("homeassistant/binary_sensor/zone_3/config", {"state_topic": "p/3", "dev": {"ids": "panel"}})
    bench.hear("homeassistant/binary_sensor/zone_4/config", {"state_topic": "p/4", "dev": {"ids": "panel"}})
    assert bench.hear("p/3", "ON").events == ["smoke"]
    assert bench.hear("p/4", "ON").events == []


def test_motion_that_never_ends_by_itself_is_told_each_time() -> None:
    bench = Bench(HOMEASSISTANT, device("pir", "motion"))
    bench.hear(
        "homeassistant/binary_sensor/pir/config",
        {"device_class": "motion", "state_topic": "pir", "off_delay": 30, "dev": {"ids": "pir"}},
    )
    assert bench.hear("pir", "ON", retained=True).events == []
    assert bench.hear("pir", "ON").events == ["motion"]
    assert bench.hear("pir", "ON").events == ["motion"]


@pytest.mark.parametrize(
    ("kind", "device_class", "unit", "said", "metric", "value"),
    [
        ("plug", "power", "kW", "1.2", "power", 1200.0),
        ("plug", "voltage", "V", "231", "voltage", 231.0),
        ("contact", "voltage", "mV", "2985", "battery_voltage", 2.985),
        ("meter", "gas", "m³", "4711.2", "volume", 4711.2),
        ("meter", "energy", "Wh", "42500", "energy", 42.5),
        ("environment", "atmospheric_pressure", "kPa", "101.3", "pressure", 1013.0),
        ("environment", "wind_speed", "km/h", "36", "wind_speed", 10.0),
        ("presence", "distance", "cm", "215", "nearest", 2.15),
        ("waste_bin", "distance", "cm", "80", "distance", 800.0),
        ("contact", "signal_strength", "dBm", "-61", "rssi", -61.0),
    ],
)
def test_units_become_those_of_the_kind(
    kind: str, device_class: str, unit: str, said: str, metric: str, value: float
) -> None:
    bench = Bench(HOMEASSISTANT, device("x", kind))
    config = {"device_class": device_class, "unit_of_meas": unit, "stat_t": "x/s", "dev": {"ids": "x"}}
    bench.hear("homeassistant/sensor/x/config", config)
    assert bench.hear("x/s", said).metrics == {metric: pytest.approx(value)}


def test_a_measure_in_no_unit_of_it_is_explained() -> None:
    bench = Bench(HOMEASSISTANT, device("x", "environment"))
    config = {"device_class": "temperature", "unit_of_meas": "hPa", "stat_t": "x/s", "dev": {"ids": "x"}}
    bench.hear("homeassistant/sensor/x/config", config)
    assert [fault.hint[:16] for fault in bench.hear("x/s", "21").faults] == ["hPa is no Cel; c"]
    config["unit_of_meas"] = "°C"
    bench.hear("homeassistant/sensor/x/config", config)
    assert [fault.expected for fault in bench.hear("x/s", "warm").faults] == ["a number"]


def test_a_sensor_is_known_by_its_name_where_it_has_no_class() -> None:
    bench = Bench(HOMEASSISTANT, device("bin", "waste_bin"))
    bench.hear("homeassistant/sensor/bin_fill/config", {"stat_t": "b/f", "unit_of_meas": "%", "dev": {"ids": "bin"}})
    assert bench.hear("b/f", "71").metrics == {"fill": 71.0}


def test_what_only_one_site_knows_stands_in_the_registry() -> None:
    bench = Bench(HOMEASSISTANT, device("x", "presence", metrics='fallen: value_json.posture == "floor"'))
    config = {"device_class": "occupancy", "stat_t": "x/s", "val_tpl": "{{ value_json.seen }}", "dev": {"ids": "x"}}
    bench.hear("homeassistant/binary_sensor/x/config", {**config, "pl_on": "yes", "pl_off": "no"})
    assert bench.hear("x/s", {"seen": "yes", "posture": "floor"}).events == ["entered", "fall"]


# --- buttons ----------------------------------------------------------------------------------------------------------


def test_triggers_of_one_topic_are_told_apart_by_their_payload() -> None:
    """As Zigbee2MQTT announces an emergency button, and Tasmota a plain one."""
    bench = Bench(HOMEASSISTANT, device(ID, "sos_button"))
    for action in ("single", "hold", "release", "arm_all_zones"):
        announce(
            bench,
            "device_automation",
            f"action_{action}",
            automation_type="trigger",
            type="action",
            subtype=action,
            payload=action,
            topic="zigbee2mqtt/bed/action",
        )
    for said, events in [("single", ["press"]), ("hold", ["long_press"]), ("release", []), ("arm_all_zones", [])]:
        assert bench.hear("zigbee2mqtt/bed/action", said).events == events
    assert bench.hear("zigbee2mqtt/bed/action", "single", retained=True).events == []


def test_which_key_of_a_remote_is_meant_is_the_part() -> None:
    bench = Bench(HOMEASSISTANT, device("remote#button_2", "service_button"))
    for number in (1, 2):
        for sort in ("button_short_press", "button_double_press", "button_long_press"):
            bench.hear(
                f"homeassistant/device_automation/remote/{sort}_{number}/config",
                {
                    "automation_type": "trigger",
                    "type": sort,
                    "subtype": f"button_{number}",
                    "payload": sort,
                    "topic": f"remote/{number}",
                    "device": {"identifiers": ["remote"]},
                },
            )
    assert bench.hear("remote/1", "button_short_press").events == []
    assert bench.hear("remote/2", "button_short_press").events == ["plumbing"]
    assert bench.hear("remote/2", "button_double_press").events == ["drain"]
    assert bench.hear("remote/2", "button_long_press").events == ["cancel"]


def test_events_as_documented() -> None:
    bench = Bench(HOMEASSISTANT, device("desk", "sos_button"))
    config = {"state_topic": "desk/event", "event_types": ["press", "hold"], "device": {"identifiers": ["desk"]}}
    bench.hear("homeassistant/event/desk/config", {**config, "device_class": "button"})
    assert bench.hear("desk/event", b'{"event_type": "press", "duration": 0.1}').events == ["press"]
    assert bench.hear("desk/event", b'{"event_type": "hold"}').events == ["long_press"]
    assert bench.hear("desk/event", b"{}").events == []


def test_a_cord_is_a_safety_sensor_or_called_so() -> None:
    bench = Bench(HOMEASSISTANT, device("a", "sos_button", id="a"), device("b", "sos_button", id="b"))
    bench.hear("homeassistant/binary_sensor/a/config", {"dev_cla": "safety", "stat_t": "a", "dev": {"ids": "a"}})
    bench.hear("homeassistant/binary_sensor/b_panic/config", {"stat_t": "b", "dev": {"ids": "b"}})
    assert bench.hear("a", "ON").events == ["press"]
    assert bench.hear("b", "ON").events == ["press"]


def test_what_flows_through_another_relay_is_that_ones() -> None:
    bench = Bench(HOMEASSISTANT, device("twin#relay_1", "plug"))
    for number in (1, 2):
        config = {
            "device_class": "power",
            "stat_t": f"twin/{number}/power",
            "unit_of_meas": "W",
            "dev": {"ids": "twin"},
        }
        bench.hear(f"homeassistant/sensor/relay_{number}_power/config", config)
    assert bench.hear("twin/2/power", "900").metrics == {}
    assert bench.hear("twin/1/power", "41").metrics == {"power": 41.0}
