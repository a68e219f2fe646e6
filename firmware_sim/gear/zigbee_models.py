"""Real Zigbee models as Zigbee2MQTT describes them: what each exposes, in whose words, and how its states are said.

Written after the device pages of www.zigbee2mqtt.io.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Feature = dict[str, Any]
Value = str | float | bool | None

STATE, SET, GET = 1, 2, 4


def binary(name: str, on: Value = True, off: Value = False, access: int = STATE) -> Feature:
    """A feature of two values, and what stands for each."""
    return {
        "type": "binary",
        "name": name,
        "label": name.capitalize(),
        "property": name,
        "access": access,
        "value_on": on,
        "value_off": off,
    }


def numeric(name: str, unit: str = "", access: int = STATE) -> Feature:
    """A feature that is a number."""
    made: Feature = {
        "type": "numeric",
        "name": name,
        "label": name.capitalize(),
        "property": name,
        "access": access,
        "unit": unit,
    }
    return made if unit else {key: value for key, value in made.items() if key != "unit"}


def enum(name: str, *values: str, access: int = STATE) -> Feature:
    """A feature that is one of these words."""
    return {
        "type": "enum",
        "name": name,
        "label": name.capitalize(),
        "property": name,
        "access": access,
        "values": list(values),
    }


def switch() -> Feature:
    """A relay, as Zigbee2MQTT wraps its state."""
    return {"type": "switch", "features": [binary("state", "ON", "OFF", STATE | SET | GET)]}


def warning() -> Feature:
    """What a siren can be told to do."""
    modes = ("stop", "burglar", "fire", "emergency", "police_panic", "fire_panic", "emergency_panic")
    features = [
        enum("mode", *modes, access=SET),
        enum("level", "low", "medium", "high", "very_high", access=SET),
        binary("strobe", access=SET),
        numeric("duration", "s", access=SET),
    ]
    return {"type": "composite", "name": "warning", "property": "warning", "access": SET, "features": features}


BATTERY = (numeric("battery", "%"), numeric("voltage", "mV"), binary("battery_low"))
LINK = numeric("linkquality", "lqi")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model. ``happens`` are its actions: name → the properties as they are then."""

    vendor: str
    model: str
    about: str
    exposes: tuple[Feature, ...]
    rest: Mapping[str, Value] = field(default_factory=dict)
    """Its properties while nothing happens."""
    happens: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    presses: Mapping[str, str] = field(default_factory=dict)
    """Its actions that are no state: name → the word of ``action``."""
    on_battery: bool = True


def _alarm(event: str, name: str, on: Value = True, off: Value = False) -> dict[str, dict[str, Value]]:
    return {event: {name: on}, f"{event}_cleared": {name: off}}


def _detector(vendor: str, model: str, about: str, event: str, name: str, *more: Feature, **words: Value) -> Model:
    on, off = words.get("on", True), words.get("off", False)
    test = {"self_test": {"test": True}, "self_test_over": {"test": False}}
    exposes = (binary(name, on, off), binary("test"), binary("tamper"), *more, *BATTERY)
    rest = {name: off, "test": False, "tamper": False}
    return Model(
        vendor=vendor,
        model=model,
        about=about,
        exposes=exposes,
        rest=rest,
        happens={**_alarm(event, name, on, off), **test},
    )


def _contact(vendor: str, model: str, about: str, opened: Value, closed: Value) -> Model:
    return Model(
        vendor=vendor,
        model=model,
        about=about,
        exposes=(binary("contact", opened, closed), *BATTERY),
        rest={"contact": closed},
        happens={"open": {"contact": opened}, "close": {"contact": closed}},
    )


MODELS: Mapping[str, tuple[Model, ...]] = {
    "sos_button": (
        Model(
            vendor="Tuya",
            model="TS0215A_sos",
            about="SOS button",
            exposes=(enum("action", "emergency"), *BATTERY),
            presses={"press": "emergency"},
        ),
        Model(
            vendor="Feibit",
            model="SEB01ZB",
            about="SOS button",
            exposes=(binary("sos"), binary("tamper"), *BATTERY),
            rest={"sos": False, "tamper": False},
            happens={"press": {"sos": True}, "let_go": {"sos": False}},
        ),
        Model(
            vendor="Aqara",
            model="WXKG11LM",
            about="Wireless mini switch",
            exposes=(enum("action", "single", "double", "hold", "release"), *BATTERY),
            presses={"press": "single", "double_press": "double", "long_press": "hold", "release": "release"},
        ),
    ),
    "service_button": (
        Model(
            vendor="Aqara",
            model="WXKG11LM",
            about="Wireless mini switch",
            exposes=(enum("action", "single", "double", "triple", "hold", "release"), *BATTERY),
            presses={"plumbing": "single", "drain": "double", "housekeeping": "triple", "cancel": "hold"},
        ),
    ),
    "contact": (
        _contact("Aqara", "MCCGQ11LM", "Door and window sensor", False, True),
        _contact("TERNCY", "TERNCY-DC01", "Temperature & contact sensor", True, False),
        _contact("PushOk Hardware", "POK003", "Water level and temperature sensor", "ON", "OFF"),
    ),
    "motion": (
        Model(
            vendor="Aqara",
            model="RTCGQ11LM",
            about="Motion sensor",
            exposes=(binary("occupancy"), numeric("illuminance", "lx"), *BATTERY),
            rest={"occupancy": False, "illuminance": 120},
            happens=_alarm("motion", "occupancy"),
        ),
    ),
    "presence": (
        Model(
            vendor="Tuya",
            model="MIR-HE200-TY_fall",
            about="Human presence sensor with fall function",
            exposes=(
                binary("presence"),
                enum("fall_down_status", "none", "maybe_fall", "fall"),
                numeric("illuminance", "lx"),
            ),
            rest={"presence": False, "fall_down_status": "none", "illuminance": 40},
            happens={
                "enter": {"presence": True},
                "leave": {"presence": False},
                "stumble": {"fall_down_status": "maybe_fall"},
                "fall": {"presence": True, "fall_down_status": "fall"},
                "get_up": {"fall_down_status": "none"},
            },
            on_battery=False,
        ),
        Model(
            vendor="Aqara",
            model="FP1E",
            about="Presence sensor",
            exposes=(binary("presence"), numeric("target_distance", "m")),
            rest={"presence": False, "target_distance": 0},
            happens={"enter": {"presence": True, "target_distance": 2.35}, "leave": {"presence": False}},
            on_battery=False,
        ),
    ),
    "smoke": (_detector("Heiman", "HS1SA-E", "Smart smoke alarm", "smoke", "smoke"),),
    "heat": (
        _detector("Schneider Electric", "W599001", "Wiser smoke alarm", "heat", "heat", numeric("temperature", "°C")),
    ),
    "gas": (
        _detector("Heiman", "HS1CG-E", "Combustible gas sensor", "gas", "gas"),
        Model(
            vendor="Lincukoo",
            model="E04CF-Z10T",
            about="Smart gas and CO sensor",
            exposes=(numeric("gas", "%LEL"), numeric("co", "ppm"), enum("gas_sensor_state", "normal", "alarm")),
            rest={"gas": 0, "co": 0, "gas_sensor_state": "normal"},
            happens={
                "gas": {"gas": 16, "gas_sensor_state": "alarm"},
                "gas_cleared": {"gas": 1, "gas_sensor_state": "normal"},
            },
            on_battery=False,
        ),
    ),
    "co": (
        _detector("Heiman", "HS1CA-E", "Smart carbon monoxide alarm", "co", "carbon_monoxide"),
        _detector("Frient", "DCR-CO", "CO alarm", "co", "carbon_monoxide", numeric("co", "ppm"), on="ON", off="OFF"),
    ),
    "leak": (_detector("Aqara", "SJCGQ11LM", "Water leak sensor", "leak", "water_leak"),),
    "glass_break": (
        Model(
            vendor="Aqara",
            model="DJT11LM",
            about="Vibration sensor",
            exposes=(binary("vibration"), numeric("strength"), *BATTERY),
            rest={"vibration": False},
            happens=_alarm("glass_break", "vibration"),
        ),
    ),
    "siren": (
        Model(
            vendor="NEO",
            model="NAS-AB02B2",
            about="Alarm",
            exposes=(
                binary("alarm", access=STATE | SET),
                enum("volume", "low", "medium", "high", access=STATE | SET),
                numeric("duration", "s", access=STATE | SET),
                *BATTERY,
            ),
            rest={"alarm": False, "volume": "medium", "duration": 10},
            happens={"sounding": {"alarm": True}, "silenced": {"alarm": False}},
        ),
        Model(vendor="Heiman", model="HS2WD-E", about="Smart siren", exposes=(warning(), *BATTERY)),
    ),
    "valve": (
        Model(
            vendor="Aqara",
            model="VC-X01D",
            about="Valve controller T1",
            exposes=(switch(), *BATTERY),
            rest={"state": "ON"},
            happens={"open": {"state": "ON"}, "close": {"state": "OFF"}},
        ),
    ),
    "plug": (
        Model(
            vendor="Tuya",
            model="TS011F_plug_1",
            about="Smart plug (with power monitoring)",
            exposes=(
                switch(),
                numeric("power", "W"),
                numeric("current", "A"),
                numeric("voltage", "V"),
                numeric("energy", "kWh"),
            ),
            rest={"state": "ON", "power": 41, "current": 0.19, "voltage": 229, "energy": 12.34},
            happens={"switched_on": {"state": "ON", "power": 41}, "switched_off": {"state": "OFF", "power": 0}},
            on_battery=False,
        ),
    ),
    "environment": (
        Model(
            vendor="Aqara",
            model="WSDCGQ11LM",
            about="Temperature and humidity sensor",
            exposes=(numeric("temperature", "°C"), numeric("humidity", "%"), numeric("pressure", "hPa"), *BATTERY),
            rest={"temperature": 21.6, "humidity": 44.7, "pressure": 1013.2},
        ),
    ),
    "meter": (
        Model(
            vendor="Custom devices (DiY)",
            model="MiCASAGasCounter",
            about="Zigbee Gas counter",
            exposes=(numeric("gas", "m³"), *BATTERY),
            rest={"gas": 4711.25},
        ),
    ),
}
"""Kind → the models that can be it."""
