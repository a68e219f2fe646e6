"""What Zigbee devices say through Zigbee2MQTT: one test a trap. Payloads: the device pages of www.zigbee2mqtt.io."""

from __future__ import annotations

from typing import Any

import pytest

from devices.observation import Lane
from tests.support.gear import START_MS, device
from tests.support.zigbee2mqtt import bench, binary, entry, enum, numeric

# --- presses --------------------------------------------------------------------------------------------------------


def test_one_press_said_three_times_is_one_call() -> None:
    """With Home Assistant's integration on, a press is said with its word, then empty, then on a topic of its own."""
    z2m = bench(device("bed", "sos_button"))
    heard = z2m.hear("zigbee2mqtt/bed", {"action": "emergency", "battery": 100, "linkquality": 84})
    (press,) = heard.observations
    assert (press.event, press.lane, press.data["action"]) == ("press", Lane.URGENT, "emergency")
    assert press.metrics == {"battery": 100.0, "link_quality": 33.0}
    assert z2m.hear("zigbee2mqtt/bed", {"action": "", "battery": 100}, after_ms=8).events == []
    assert z2m.hear("zigbee2mqtt/bed/action", "emergency", after_ms=3).events == []
    assert z2m.hear("zigbee2mqtt/bed", {"action": "emergency"}, after_ms=4000).events == ["press"], "a second press"


def test_the_topic_of_the_action_alone_is_enough() -> None:
    assert bench(device("bed", "sos_button")).hear("zigbee2mqtt/bed/action", "sos").events == ["press"]


@pytest.mark.parametrize("action", [None, "", "release", "hold_release", "none", 3, ["emergency"]])
def test_an_action_that_says_nothing_calls_nobody(action: object) -> None:
    z2m = bench(device("bed", "sos_button"))
    assert z2m.hear("zigbee2mqtt/bed", {"action": action, "battery": 76}).events == []


def test_a_kept_press_is_an_old_one() -> None:
    z2m = bench(device("bed", "sos_button"))
    heard = z2m.hear("zigbee2mqtt/bed", {"action": "emergency"}, retained=True)
    assert (heard.events, heard.notes) == ([], ["retained_moment"])


@pytest.mark.parametrize(
    ("action", "event"),
    [
        ("single", "press"),
        ("double", "press"),
        ("triple", "press"),
        ("hold", "long_press"),
        ("long_press", "long_press"),
    ],
)
def test_whatever_is_done_to_a_plain_button_that_is_registered_for_emergencies_is_a_call(
    action: str, event: str
) -> None:
    described = [entry("bed", enum("action", "single", "double", "triple", "hold", "long_press", "release"))]
    z2m = bench(device("bed", "sos_button"), described=described)
    assert z2m.hear("zigbee2mqtt/bed", {"action": action}).events == [event]


def test_of_a_key_fob_only_the_key_for_help_calls() -> None:
    described = [entry("fob", enum("action", "emergency", "disarm", "arm_all_zones", "on"))]
    z2m = bench(device("fob", "sos_button"), described=described)
    for other in ("disarm", "arm_all_zones", "on"):
        assert z2m.hear("zigbee2mqtt/fob", {"action": other}).events == []
    assert z2m.hear("zigbee2mqtt/fob", {"action": "emergency"}).events == ["press"]


def test_each_key_of_a_panel_is_a_device_of_its_own() -> None:
    bed = device("panel#1", "sos_button")
    pipes = device("panel#2", "service_button")
    z2m = bench(bed, pipes)
    assert [one.device for one in z2m.hear("zigbee2mqtt/panel", {"action": "1_single"}).observations] == [
        "sos_button-1"
    ]
    assert z2m.hear("zigbee2mqtt/panel", {"action": "2_single"}).events == ["plumbing"]
    assert z2m.hear("zigbee2mqtt/panel", {"action": "double_2"}).events == ["drain"]


def test_which_service_a_key_calls_can_be_chosen() -> None:
    z2m = bench(device("key", "service_button", events='plumbing: action == "quadruple"'))
    assert z2m.hear("zigbee2mqtt/key", {"action": "quadruple"}).events == ["plumbing"]
    assert z2m.hear("zigbee2mqtt/key", {"action": "triple"}).events == ["housekeeping"]
    assert z2m.hear("zigbee2mqtt/key", {"action": "hold"}).events == ["cancel"]
    wrong = bench(device("key", "service_button", events="gardening: true"))
    heard = wrong.hear("zigbee2mqtt/key", {"action": "single", "battery": 50})
    assert [(fault.reason, fault.device) for fault in heard.faults] == [("malformed", "service_button-1")]
    assert heard.events == ["plumbing"], "the rest is kept"


def test_a_state_that_stays_is_one_call() -> None:
    z2m = bench(device("cord", "sos_button"))
    assert z2m.hear("zigbee2mqtt/cord", {"sos": True, "tamper": False}).events == ["press"]
    assert z2m.hear("zigbee2mqtt/cord", {"sos": True, "battery": 81}).events == []
    assert z2m.hear("zigbee2mqtt/cord", {"sos": False}).events == []
    assert z2m.hear("zigbee2mqtt/cord", {"sos": True}).events == ["press"]


def test_a_cord_that_never_says_its_end_can_be_heard_every_time() -> None:
    z2m = bench(device("cord", "sos_button", events="press: sos"))
    for _ in range(3):
        assert z2m.hear("zigbee2mqtt/cord", {"sos": True}).events == ["press"]
        assert z2m.hear("zigbee2mqtt/cord", {"sos": True}, after_ms=400).events == [], "sent twice by the network"
    assert z2m.hear("zigbee2mqtt/cord", {"battery": 80}).events == []


# --- detectors ------------------------------------------------------------------------------------------------------


def test_a_contact_is_open_where_it_says_false_unless_it_declares_otherwise() -> None:
    for described, opened, closed in [
        (None, False, True),
        ([entry("door", binary("contact", False, True))], False, True),
        ([entry("door", binary("contact", True, False))], True, False),  # TERNCY-DC01
        ([entry("door", binary("contact", "ON", "OFF"))], "ON", "OFF"),  # POK003, POK010
    ]:
        z2m = bench(device("door", "contact"), described=described)
        assert z2m.hear("zigbee2mqtt/door", {"contact": closed}).events == []
        assert z2m.hear("zigbee2mqtt/door", {"contact": opened}).events == ["opened"]
        assert z2m.hear("zigbee2mqtt/door", {"contact": closed}).events == ["closed"]


def test_a_value_that_the_device_does_not_declare_is_explained_and_nothing_else_is_lost() -> None:
    z2m = bench(device("door", "contact"), described=[entry("door", binary("contact", "ON", "OFF"))])
    heard = z2m.hear("zigbee2mqtt/door", {"contact": "AJAR", "battery": 40})
    (fault,) = heard.faults
    assert (fault.reason, fault.field, fault.expected) == ("malformed", "contact", "ON or OFF, as the device declares")
    assert "'AJAR'" in fault.hint
    assert heard.metrics == {"battery": 40.0}


def test_a_self_test_is_no_fire_and_is_told_once() -> None:
    z2m = bench(device("smoke", "smoke"))
    z2m.hear("zigbee2mqtt/smoke", {"smoke": False, "test": False})
    heard = z2m.hear("zigbee2mqtt/smoke", {"smoke": False, "test": True, "battery": 100})
    assert heard.events == ["self_test"]
    assert z2m.hear("zigbee2mqtt/smoke", {"smoke": False, "test": True, "battery": 99}).events == []
    both = z2m.hear("zigbee2mqtt/smoke", {"smoke": True, "test": True})
    assert both.events == ["smoke"], "smoke is smoke, whoever pressed the key"


def test_a_detector_that_hangs_is_one_alarm() -> None:
    z2m = bench(device("smoke", "smoke"))
    assert z2m.hear("zigbee2mqtt/smoke", {"smoke": True}).events == ["smoke"]
    for _ in range(50):
        assert z2m.hear("zigbee2mqtt/smoke", {"smoke": True, "battery": 90}).events == []


@pytest.mark.parametrize(("battery", "known"), [(None, {}), ("100.00", {"battery": 100.0}), (0, {"battery": 0.0})])
def test_a_battery_may_be_unknown_or_a_text(battery: object, known: dict[str, float]) -> None:
    heard = bench(device("smoke", "smoke")).hear("zigbee2mqtt/smoke", {"smoke": True, "battery": battery})
    assert heard.events == ["smoke"]
    assert {key: value for key, value in heard.metrics.items() if key == "battery"} == known


def test_a_battery_that_is_no_number_is_explained() -> None:
    heard = bench(device("smoke", "smoke")).hear("zigbee2mqtt/smoke", {"smoke": False, "battery": "full"})
    assert [(fault.field, fault.expected) for fault in heard.faults] == [("battery", "a number")]


def test_carbon_monoxide_in_words() -> None:
    described = [entry("co", binary("carbon_monoxide", "ON", "OFF"), numeric("co", "ppm"))]  # DCR-CO
    z2m = bench(device("co", "co"), described=described)
    assert z2m.hear("zigbee2mqtt/co", {"carbon_monoxide": "OFF", "co": 0}).events == []
    heard = z2m.hear("zigbee2mqtt/co", {"carbon_monoxide": "ON", "co": 340})
    assert (heard.events, heard.metrics["co"]) == (["co"], 340.0)


def test_a_number_of_gas_is_an_alarm_only_where_the_device_says_so() -> None:
    lel = [entry("gas", numeric("gas", "%LEL"), enum("gas_sensor_state", "normal", "alarm"))]  # E04CF-Z10T
    z2m = bench(device("gas", "gas"), described=lel)
    assert z2m.hear("zigbee2mqtt/gas", {"gas": 3, "gas_sensor_state": "normal"}).events == []
    heard = z2m.hear("zigbee2mqtt/gas", {"gas": 14.5, "gas_sensor_state": "alarm"})
    assert (heard.events, heard.metrics["gas"]) == (["gas"], 14.5)


def test_a_gas_meter_is_a_meter() -> None:
    described = [entry("meter", numeric("gas", "m³"))]  # ZHEMI101, MiCASAGasCounter
    meter = bench(device("meter", "meter"), described=described)
    assert meter.hear("zigbee2mqtt/meter", {"gas": 4711.25}).metrics["volume"] == 4711.25
    for about in (described, None):
        heard = bench(device("meter", "gas"), described=about).hear("zigbee2mqtt/meter", {"gas": 4711.25})
        assert heard.events == []
        assert [(fault.field, fault.device) for fault in heard.faults] == [("gas", "gas-1")]
        assert "register a gas meter as a meter" in heard.faults[0].hint


@pytest.mark.parametrize(
    ("payload", "event"),
    [
        ({"fall_status": "fall_alarm"}, "fall"),
        ({"fall_status": "fall_warning"}, None),
        ({"fall_down_status": "fall"}, "fall"),
        ({"fall_down_status": "maybe_fall"}, None),
        ({"status": "falling"}, "entered"),
    ],
)
def test_falls(payload: dict[str, Any], event: str | None) -> None:
    heard = bench(device("radar", "presence")).hear("zigbee2mqtt/radar", payload)
    assert (heard.events[:1] or [None])[0] == event
    if payload.get("status") == "falling":
        assert heard.events == ["entered", "fall"]


def test_a_fall_that_became_unknown_has_not_ended() -> None:
    z2m = bench(device("radar", "presence"))
    assert z2m.hear("zigbee2mqtt/radar", {"fall_status": "fall_alarm"}).events == ["fall"]
    assert z2m.hear("zigbee2mqtt/radar", {"fall_status": "unknown"}).events == []
    assert z2m.hear("zigbee2mqtt/radar", {"fall_status": "normal"}).events == ["fall_cleared"]


def test_two_detectors_in_one_housing_are_two_devices() -> None:
    z2m = bench(device("halo#smoke", "smoke"), device("halo#co", "co"))
    heard = z2m.hear("zigbee2mqtt/halo", {"smoke": False, "carbon_monoxide": True, "co_ppm": 120, "battery": 90})
    assert [(one.device, one.event) for one in heard.observations] == [("smoke-1", None), ("co-1", "co")]


def test_units_of_the_device_become_those_of_the_kind() -> None:
    radar = [entry("radar", binary("presence"), numeric("target_distance", "cm"), numeric("voltage", "mV"))]
    heard = bench(device("radar", "presence"), described=radar).hear(
        "zigbee2mqtt/radar", {"presence": True, "target_distance": 215, "voltage": 2985, "linkquality": 255}
    )
    assert heard.metrics == {"occupied": 1.0, "nearest": 2.15, "battery_voltage": 2.985, "link_quality": 100.0}
    air = [entry("air", numeric("temperature", "°F"), numeric("pressure", "kPa"), numeric("voltage", "V"))]
    heard = bench(device("air", "environment"), described=air).hear(
        "zigbee2mqtt/air", {"temperature": 68.9, "humidity": 44.72, "pressure": 101.3, "voltage": 3}
    )
    assert heard.metrics == pytest.approx(
        {"temperature": 20.5, "humidity": 44.72, "pressure": 1013.0, "battery_voltage": 3.0}
    )


def test_a_plug_is_on_the_mains() -> None:
    described = [
        entry(
            "plug",
            {"type": "switch", "features": [binary("state", "ON", "OFF", access=7)]},
            numeric("power", "W"),
            numeric("energy", "kWh"),
            numeric("voltage", "V"),
            numeric("current", "mA"),
            power_source="Mains (single phase)",
        )
    ]
    for about in (described, None):
        z2m = bench(device("plug", "plug"), described=about)
        current = 5200 if about else 5.2
        heard = z2m.hear(
            "zigbee2mqtt/plug", {"state": "ON", "power": 1196, "energy": 42.5, "voltage": 230, "current": current}
        )
        assert heard.events == ["switched_on"]
        assert heard.metrics == {"powered": 1.0, "power": 1196.0, "energy": 42.5, "voltage": 230.0, "current": 5.2}


def test_both_sockets_of_a_double_one() -> None:
    switches = [
        {"type": "switch", "endpoint": side, "features": [binary("state", "ON", "OFF") | {"property": f"state_{side}"}]}
        for side in ("left", "right")
    ]
    for about in ([entry("twin", *switches)], None):
        z2m = bench(device("twin#left", "plug", id="l"), device("twin#right", "plug", id="r"), described=about)
        heard = z2m.hear("zigbee2mqtt/twin", {"state_left": "ON", "state_right": "OFF"})
        assert [(one.device, one.event) for one in heard.observations] == [("l", "switched_on"), ("r", None)]
        order = z2m.order("r", "switch_on").publications[0]
        assert (order.topic, order.payload) == ("zigbee2mqtt/twin/set", b'{"state_right": "ON"}')


def test_the_devices_own_time_is_believed() -> None:
    z2m = bench(device("door", "contact"))
    iso = z2m.hear("zigbee2mqtt/door", {"contact": False, "last_seen": "2026-09-21T14:13:20.250Z"})
    assert iso.observations[0].observed_at_ms == START_MS + 250
    local = z2m.hear("zigbee2mqtt/door", {"contact": True, "last_seen": "2026-09-21T22:13:21+08:00"})
    assert local.observations[0].observed_at_ms == START_MS + 1000
    epoch = z2m.hear("zigbee2mqtt/door", {"contact": False, "last_seen": START_MS + 2000})
    assert epoch.observations[0].observed_at_ms == START_MS + 2000


def test_a_bridge_that_says_every_attribute_by_itself() -> None:
    z2m = bench(device("hall/door", "contact"), device("kitchen", "smoke"))
    assert z2m.hear("zigbee2mqtt/hall/door/contact", "false").events == ["opened"]
    assert z2m.hear("zigbee2mqtt/hall/door/contact", "true").events == ["closed"]
    assert z2m.hear("zigbee2mqtt/hall/door/battery", "77").metrics == {"battery": 77.0}
    assert z2m.hear("zigbee2mqtt/kitchen/smoke", "true").events == ["smoke"]
