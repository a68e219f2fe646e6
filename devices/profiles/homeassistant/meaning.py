"""What a part of a device means for a kind: device classes, units, and the words that people use for buttons.

Device classes: https://www.home-assistant.io/integrations/binary_sensor/#device-class and …/sensor/#device-class
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from devices.kind import Kind
from devices.kinds import KINDS
from devices.profiles.homeassistant.discovery import Entity

MAIN_STATE: Mapping[str, str] = {
    **dict.fromkeys(("smoke", "heat", "gas", "co", "leak", "glass_break"), "alarm"),
    **{"contact": "open", "valve": "open", "motion": "occupied", "presence": "occupied"},
    **{"plug": "powered", "siren": "sounding", "sos_button": "pressed", "camera": "motion"},
}
"""The state that a part is about where the registry names the part itself."""

_STATES: Mapping[str, Mapping[str, str]] = {
    "smoke": {"smoke": "alarm"},
    "heat": {"heat": "alarm"},
    "gas": {"gas": "alarm"},
    "carbon_monoxide": {"co": "alarm"},
    "moisture": {"leak": "alarm"},
    "vibration": {"glass_break": "alarm"},
    "door": {"contact": "open"},
    "window": {"contact": "open"},
    "opening": {"contact": "open"},
    "garage_door": {"contact": "open"},
    "motion": {"motion": "occupied", "camera": "motion", "presence": "occupied"},
    "occupancy": {"presence": "occupied", "motion": "occupied"},
    "presence": {"presence": "occupied", "motion": "occupied"},
    "safety": {"sos_button": "pressed"},
}
"""Device class of a binary sensor → kind → state."""
_EVERYWHERE: Mapping[str, str] = {"battery": "battery_low", "tamper": "tampered", "problem": "faulty"}
"""Device class → the state of whatever kind has it."""
_OBJECT_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("sos", "panic", "emergency"), "pressed"),
    **dict.fromkeys(("fall", "fallen", "fall_detected"), "fallen"),
    **dict.fromkeys(("in_bed", "bed_occupancy", "bed"), "in_bed"),
    **dict.fromkeys(("test", "self_test", "testing"), "testing"),
}
"""What a part without a device class is called → state."""

_METRICS: Mapping[str, tuple[str, ...]] = {
    "battery": ("battery",),
    "voltage": ("voltage", "battery_voltage"),
    "signal_strength": ("rssi",),
    "temperature": ("temperature",),
    "humidity": ("humidity",),
    "pressure": ("pressure",),
    "atmospheric_pressure": ("pressure",),
    "illuminance": ("illuminance",),
    "power": ("power",),
    "energy": ("energy",),
    "current": ("current",),
    "frequency": ("frequency",),
    "power_factor": ("power_factor",),
    "carbon_dioxide": ("co2",),
    "carbon_monoxide": ("co",),
    "pm25": ("pm25",),
    "pm10": ("pm10",),
    "volatile_organic_compounds_parts": ("tvoc",),
    "sound_pressure": ("noise",),
    "wind_speed": ("wind_speed",),
    "wind_direction": ("wind_direction",),
    "precipitation": ("rain",),
    "precipitation_intensity": ("rain_rate",),
    "gas": ("volume",),
    "water": ("volume",),
    "volume_flow_rate": ("flow_rate",),
    "distance": ("nearest", "distance"),
    "speed": ("speed",),
}
"""Device class of a sensor → the metrics it may be; the first that the kind has."""
_LINK_UNITS = ("lqi",)

_UNITS: Mapping[str, tuple[str, float, float]] = {
    "%": ("share", 1, 0),
    "%LEL": ("share", 1, 0),
    "V": ("V", 1, 0),
    "mV": ("V", 1e-3, 0),
    "A": ("A", 1, 0),
    "mA": ("A", 1e-3, 0),
    "W": ("W", 1, 0),
    "kW": ("W", 1e3, 0),
    "kWh": ("kWh", 1, 0),
    "Wh": ("kWh", 1e-3, 0),
    "MWh": ("kWh", 1e3, 0),
    "Hz": ("Hz", 1, 0),
    "dBm": ("dBm", 1, 0),
    "dB": ("dB", 1, 0),
    "dBA": ("dB", 1, 0),
    "dB(A)": ("dB", 1, 0),
    "°C": ("°C", 1, 0),
    "°F": ("°C", 1 / 1.8, -32 / 1.8),
    "K": ("°C", 1, -273.15),
    "hPa": ("hPa", 1, 0),
    "mbar": ("hPa", 1, 0),
    "kPa": ("hPa", 10, 0),
    "Pa": ("hPa", 1e-2, 0),
    "mmHg": ("hPa", 1.33322, 0),
    "lx": ("lx", 1, 0),
    "ppm": ("ppm", 1, 0),
    "ppb": ("ppb", 1, 0),
    "µg/m³": ("µg/m³", 1, 0),
    "μg/m³": ("µg/m³", 1, 0),
    "mg/m³": ("µg/m³", 1e3, 0),
    "m": ("m", 1, 0),
    "cm": ("m", 1e-2, 0),
    "mm": ("m", 1e-3, 0),
    "m/s": ("m/s", 1, 0),
    "km/h": ("m/s", 1 / 3.6, 0),
    "mph": ("m/s", 0.44704, 0),
    "mm/h": ("mm/h", 1, 0),
    "m³": ("m³", 1, 0),
    "L": ("m³", 1e-3, 0),
    "ft³": ("m³", 0.0283168, 0),
    "m³/h": ("m³/h", 1, 0),
    "L/h": ("m³/h", 1e-3, 0),
    "L/min": ("m³/h", 0.06, 0),
    "bpm": ("/min", 1, 0),
    "°": ("°", 1, 0),
    "s": ("s", 1, 0),
    "min": ("s", 60, 0),
    "h": ("s", 3600, 0),
    "lqi": ("share", 100 / 255, 0),
}
"""Unit as written → what it measures, and factor and offset to the first unit of that."""
_KIND_UNITS: Mapping[str, tuple[str, float]] = {
    "%": ("share", 1),
    "V": ("V", 1),
    "A": ("A", 1),
    "W": ("W", 1),
    "kW.h": ("kWh", 1),
    "Hz": ("Hz", 1),
    "dB[mW]": ("dBm", 1),
    "dB": ("dB", 1),
    "dB[SPL]": ("dB", 1),
    "Cel": ("°C", 1),
    "hPa": ("hPa", 1),
    "lx": ("lx", 1),
    "[ppm]": ("ppm", 1),
    "[ppb]": ("ppb", 1),
    "ug/m3": ("µg/m³", 1),
    "m": ("m", 1),
    "mm": ("m", 1e-3),
    "m/s": ("m/s", 1),
    "km/h": ("m/s", 1 / 3.6),
    "mm/h": ("mm/h", 1),
    "m3": ("m³", 1),
    "m3/h": ("m³/h", 1),
    "/min": ("/min", 1),
    "deg": ("°", 1),
    "s": ("s", 1),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """A sensor's metric, and how its number becomes one: ``value * factor + offset``."""

    metric: str
    factor: float = 1.0
    offset: float = 0.0


def state_of(entity: Entity, kind: Kind, part: str) -> str | None:
    """Which state of ``kind`` a part that is on or off says; None where it is none of its."""
    if entity.component == "binary_sensor":
        general = _EVERYWHERE.get(entity.device_class)
        if general is not None:
            return general if general in kind.states else None
        named = _STATES.get(entity.device_class, {}).get(kind.key)
        if named is None and not entity.device_class:
            named = next((state for word, state in _OBJECT_WORDS.items() if _ends(entity.object, word)), None)
            named = named if named in kind.states else None
        if named is not None:
            return named if named != MAIN_STATE.get(kind.key) or _is_part(entity, part) else None
        return MAIN_STATE.get(kind.key) if part and entity.object == part else None
    fits = {"switch": ("plug", "valve", "siren"), "valve": ("valve",), "siren": ("siren",)}.get(entity.component, ())
    return MAIN_STATE[kind.key] if kind.key in fits and _is_part(entity, part) else None


def reading_of(entity: Entity, kind: Kind) -> Reading | None:
    """Which metric of ``kind`` a sensor measures. Raises ValueError, naming both units, where they do not meet."""
    if entity.unit in _LINK_UNITS:
        return Reading("link_quality", 100 / 255)
    known = _METRICS.get(entity.device_class, ())
    metric = next((key for key in known if key in kind.metrics), None)
    if metric is None and not known:
        named = (key for key in kind.metrics if _ends(entity.object, key))
        metric = max(named, key=len, default=None)
    if metric is None:
        return None
    factor, offset = _conversion(entity.unit, kind.metrics[metric].unit)
    return Reading(metric, factor, offset)


def _conversion(written: str, unit: str) -> tuple[float, float]:
    if not written:
        return 1.0, 0.0
    source, target = _UNITS.get(written), _KIND_UNITS.get(unit)
    if source is None or target is None or source[0] != target[0]:
        raise ValueError(f"{written} is no {unit}")
    return source[1] / target[1], source[2] / target[1]


def _is_part(entity: Entity, part: str) -> bool:
    """A device of which the registry names no part is all of them."""
    return not part or entity.object == part


def _ends(object_id: str, word: str) -> bool:
    return object_id == word or object_id.endswith(f"_{word}")


_LONG = frozenset(("long", "hold", "held"))
_NOTHING = frozenset(("release", "released", "none", "idle", "arm", "disarm", "exit", "entry"))
"""Words that call nobody: the end of a press, and what keypads say of an alarm system."""
_SERVICES: tuple[tuple[str, frozenset[str]], ...] = (
    ("cancel", _LONG),
    ("housekeeping", frozenset(("triple",))),
    ("drain", frozenset(("double",))),
    ("plumbing", frozenset(("single", "short", "press", "pressed", "click"))),
)


def moment(kind: str, spoken: str) -> str | None:
    """The event of what a button says (``single``, ``button_short_press``); None where it says nothing."""
    words = frozenset(re.split(r"[\W_]+", spoken.lower())) - {""}
    if not words or words & _NOTHING:
        return None
    if kind == "sos_button":
        return "long_press" if words & _LONG else "press"
    if kind == "service_button":
        return next((event for event, known in _SERVICES if words & known), None)
    return None


_GUESSES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("sos_button", "binary_sensor", ("safety",)),
    ("smoke", "binary_sensor", ("smoke",)),
    ("gas", "binary_sensor", ("gas",)),
    ("co", "binary_sensor", ("carbon_monoxide",)),
    ("leak", "binary_sensor", ("moisture",)),
    ("heat", "binary_sensor", ("heat",)),
    ("contact", "binary_sensor", ("door", "window", "opening", "garage_door")),
    ("presence", "binary_sensor", ("occupancy", "presence")),
    ("motion", "binary_sensor", ("motion",)),
    ("glass_break", "binary_sensor", ("vibration",)),
    ("siren", "siren", ()),
    ("valve", "valve", ()),
    ("plug", "switch", ("outlet",)),
    ("plug", "sensor", ("power",)),
    ("meter", "sensor", ("energy", "gas", "water")),
    ("environment", "sensor", ("temperature", "humidity", "carbon_dioxide", "pm25", "atmospheric_pressure")),
)


def guess_kind(entities: Iterable[Entity]) -> str | None:
    """The kind that a device with these parts most probably is; None where they do not tell."""
    found = [(one.component, one.device_class) for one in entities]
    for kind, component, classes in _GUESSES:
        if any(one == component and (not classes or device_class in classes) for one, device_class in found):
            if (kind, component) == ("plug", "sensor") and not any(one == "switch" for one, _ in found):
                return "meter"
            return kind
    return None


def kinds() -> tuple[str, ...]:
    """The kinds that parts of these components can be."""
    silent = ("concentrator", "gateway", "modem", "kiosk", "sign", "tracker", "traffic_counter")
    return tuple(key for key in KINDS if key not in silent)
