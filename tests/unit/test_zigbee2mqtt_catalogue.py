"""Every Zigbee model that can call for help: its kind is guessed, and its alarm and its end become the right events.

The definitions of the repository are described in our own words after the device pages of www.zigbee2mqtt.io; the whole
catalogue (zigbee-herdsman-converters) is read where it is at hand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from devices.gear.messages import Announced, GearDevice
from devices.profiles.zigbee2mqtt import ZIGBEE2MQTT
from tests.support.gear import Bench
from tests.support.recordings import recording

Definition = dict[str, Any]

OWN: list[Definition] = json.loads(
    (Path(__file__).parents[1] / "golden" / "zigbee2mqtt" / "definitions.json").read_text(encoding="utf-8")
)
KINDS_OF = {
    "sos": {"sos_button"},
    "smoke": {"smoke"},
    "gas": {"gas", "meter"},
    "co": {"co"},
    "leak": {"leak"},
    "fall": {"presence", "contact"},
    "contact": {"contact"},
    "presence": {"presence"},
    "occupancy": {"motion", "presence"},
    "siren": {"siren"},
    "vibration": {"glass_break"},
}
"""The kinds that a tag of the catalogue may mean."""
NOT_BY_TAG = {
    "SR-ZG9060B-CS": "co",  # tagged as a siren; it says carbon_monoxide_alarm_1, and is sold as a detector
    "Netuya_CO2_Smart_Box": "environment",  # tagged as a siren; it measures the air, and beeps
}
GRAVEST = ("sos", "smoke", "gas", "co", "leak")
"""What a device that is several things must be offered as."""
EVENTS = {
    "smoke": ("smoke", "smoke_cleared"),
    "gas": ("gas", "gas_cleared"),
    "co": ("co", "co_cleared"),
    "leak": ("leak", "leak_cleared"),
    "contact": ("opened", "closed"),
    "presence": ("entered", "left"),
    "motion": ("motion", "motion_cleared"),
    "siren": ("sounding", "silenced"),
    "glass_break": ("glass_break", "glass_break_cleared"),
}
PROPERTIES = {
    "smoke": ("smoke",),
    "gas": ("gas",),
    "co": ("carbon_monoxide",),
    "leak": ("water_leak",),
    "contact": ("contact",),
    "presence": ("presence",),
    "motion": ("occupancy",),
    "siren": ("alarm", "alarm_alarm_1"),
    "glass_break": ("vibration",),
}
ADDRESS = "0x00124b0014d2b0a1"


def everything() -> list[Definition]:
    catalogue = recording("zigbee2mqtt_catalogue/safety_devices.json")
    return OWN + (catalogue["devices"] if catalogue else [])


def as_exposed(one: dict[str, Any]) -> dict[str, Any]:
    """A property in the words of ``bridge/devices``."""
    feature = {"type": one["type"], "name": one["property"], "property": one["property"], "access": 7}
    if one["type"] == "binary":
        feature |= {"value_on": one["on"], "value_off": one["off"]}
    return feature | {key: one[key] for key in ("values", "unit") if one.get(key)}


def bridge_devices(definition: Definition) -> list[dict[str, Any]]:
    return [
        {"ieee_address": "0x0000000000000001", "type": "Coordinator", "friendly_name": "Coordinator"},
        {
            "ieee_address": ADDRESS,
            "type": "EndDevice",
            "friendly_name": "hall/it",
            "supported": True,
            "disabled": False,
            "software_build_id": "1.0.3",
            "definition": {
                "vendor": definition["vendor"],
                "model": definition["model"],
                "description": definition["description"],
                "exposes": [as_exposed(one) for one in definition["exposes"]],
            },
        },
    ]


def described(definition: Definition, *devices: GearDevice) -> tuple[Bench, tuple[Announced, ...]]:
    bench = Bench(ZIGBEE2MQTT, *devices)
    return bench, bench.hear("zigbee2mqtt/bridge/devices", bridge_devices(definition), retained=True).announced


def exposed(definition: Definition, *names: str) -> dict[str, Any] | None:
    return next((one for name in names for one in definition["exposes"] if one["property"] == name), None)


def test_the_vectors_cover_every_trap_that_is_known() -> None:
    models = {one["model"] for one in OWN}
    assert len(OWN) >= 25
    assert {"TERNCY-DC01", "POK003", "ZHEMI101", "E04CF-Z10T", "DCR-CO", "PB206", "ZG-229Z", "FDS315"} <= models


@pytest.mark.parametrize("definition", everything(), ids=lambda one: one["model"])
def test_its_kind_is_guessed_as_it_is_tagged(definition: Definition) -> None:
    _, (one,) = described(definition)
    assert (one.address, one.vendor, one.model, one.firmware) == (
        ADDRESS,
        definition["vendor"],
        definition["model"],
        "1.0.3",
    )
    assert definition["description"] in one.name
    tags = [tag for tag in definition["tags"] if tag in KINDS_OF]
    if definition["model"] in NOT_BY_TAG:
        assert one.kind == NOT_BY_TAG[definition["model"]]
        return
    assert one.kind in set().union(*(KINDS_OF[tag] for tag in tags))
    if any(tag in GRAVEST for tag in tags):
        assert one.kind in set().union(*(KINDS_OF[tag] for tag in tags if tag in GRAVEST))


def as_each_kind() -> list[tuple[Definition, str]]:
    """Each definition as each kind that it is tagged as: one housing may be a smoke and a carbon monoxide detector."""
    pairs = []
    for definition in everything():
        kinds = {
            "motion" if tag == "occupancy" else sorted(KINDS_OF[tag])[0]
            for tag in definition["tags"]
            if tag in KINDS_OF
        }
        pairs += [(definition, kind) for kind in sorted(kinds)]
    return pairs


def the_alarm(definition: Definition, kind: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The payloads of the alarm and of its end, after what is exposed; None where the model cannot say it."""
    one = exposed(definition, *PROPERTIES[kind])
    if kind == "gas" and exposed(definition, "gas_sensor_state"):
        return {"gas": 12, "gas_sensor_state": "alarm"}, {"gas": 0, "gas_sensor_state": "normal"}
    if one is None or one["type"] == "numeric":
        return None
    if one["type"] == "enum":
        return {one["property"]: one["values"][0]}, {one["property"]: one["values"][-1]}
    second = exposed(definition, one["property"].replace("_alarm_1", "_alarm_2"))
    both = {second["property"]: second["off"]} if second is not None else {}  # a zone has two inputs, and says both
    return both | {one["property"]: one["on"]}, both | {one["property"]: one["off"]}


@pytest.mark.parametrize(
    ("definition", "kind"),
    [(definition, kind) for definition, kind in as_each_kind() if kind in EVENTS and the_alarm(definition, kind)],
    ids=lambda one: one if isinstance(one, str) else one["model"],
)
def test_its_alarm_is_one_event_and_so_is_its_end(definition: Definition, kind: str) -> None:
    bench, _ = described(definition, GearDevice(id="it", kind=kind, address=ADDRESS, part="one-of-two"))
    payloads = the_alarm(definition, kind)
    assert payloads is not None
    alarm, clear = payloads
    raised, ended = EVENTS[kind]
    assert bench.hear("zigbee2mqtt/hall/it", {**clear, "linkquality": 84}).events == []
    heard = bench.hear("zigbee2mqtt/hall/it", {**alarm, "linkquality": 84, "battery": None})
    assert (heard.events, heard.faults) == ([raised], [])
    assert bench.hear("zigbee2mqtt/hall/it", {**alarm, "linkquality": 80, "battery": "100.00"}).events == []
    assert bench.hear("zigbee2mqtt/hall/it", clear).events == [ended]


@pytest.mark.parametrize(
    "definition", [one for one in everything() if "sos" in one["tags"]], ids=lambda one: one["model"]
)
def test_its_call_is_one_press(definition: Definition) -> None:
    bench, _ = described(definition, GearDevice(id="it", kind="sos_button", address="hall/it"))
    action = exposed(definition, "action")
    calls = [word for word in (action or {}).get("values", ()) if word in ("emergency", "panic", "sos")]
    for word in calls:
        assert bench.hear("zigbee2mqtt/hall/it", {"action": word, "battery": 88}).events == ["press"]
        assert bench.hear("zigbee2mqtt/hall/it", {"action": ""}, after_ms=20).events == []
        assert bench.hear("zigbee2mqtt/hall/it/action", word, after_ms=20).events == []
    for word in (action or {}).get("values", ()):
        if word not in calls:
            assert bench.hear("zigbee2mqtt/hall/it", {"action": word}).events == [], word
    for name in ("sos", "sos_alarm"):
        if exposed(definition, name):
            assert bench.hear("zigbee2mqtt/hall/it", {name: False}).events == []
            assert bench.hear("zigbee2mqtt/hall/it", {name: True}).events == ["press"]
            assert bench.hear("zigbee2mqtt/hall/it", {name: True, "battery": 70}).events == []
            assert bench.hear("zigbee2mqtt/hall/it", {name: False}).events == []
            calls.append(name)
    assert calls, "an emergency button that cannot call"


@pytest.mark.parametrize(
    ("definition", "kind"),
    [(one, kind) for one, kind in as_each_kind() if kind in EVENTS or kind == "sos_button"],
    ids=lambda one: one if isinstance(one, str) else one["model"],
)
def test_a_weak_battery_and_an_opened_housing_are_told(definition: Definition, kind: str) -> None:
    bench, _ = described(definition, GearDevice(id="it", kind=kind, address=ADDRESS))
    told = {"battery_low": "low_battery", "tamper": "tamper"}
    if kind == "presence":  # a radar knows of no housing
        del told["tamper"]
    for name, event in told.items():
        one = exposed(definition, name)
        if one is not None:
            assert bench.hear("zigbee2mqtt/hall/it", {name: one["on"]}).events == [event]
            assert bench.hear("zigbee2mqtt/hall/it", {name: one["off"]}).events == []


@pytest.mark.parametrize(
    "definition", [one for one in everything() if "fall" in one["tags"]], ids=lambda one: one["model"]
)
def test_a_fall_is_told(definition: Definition) -> None:
    words = {"fall_status": "fall_alarm", "fall_down_status": "fall", "status": "falling"}
    bench, _ = described(definition, GearDevice(id="it", kind="presence", address=ADDRESS))
    for name, word in words.items():
        one = exposed(definition, name)
        if one is None or word not in one["values"]:
            continue
        harmless = next(value for value in one["values"] if value not in (word, "unknown"))
        assert "fall" not in bench.hear("zigbee2mqtt/hall/it", {name: harmless}).events
        assert "fall" in bench.hear("zigbee2mqtt/hall/it", {name: word}).events
        assert "fall_cleared" in bench.hear("zigbee2mqtt/hall/it", {name: harmless}).events
        return
    assert exposed(definition, "contact"), "it is the fall of a thing, told by an accelerometer"
