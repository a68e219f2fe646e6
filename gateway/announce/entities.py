"""What a kind of device is to a home assistant: its metrics, states, moments and commands as entities.

Made from the kind's own table, so that a new kind needs nothing here. Words and units are those of Home Assistant's
MQTT integration (https://www.home-assistant.io/integrations/mqtt/).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache

from devices.kind import Kind, Metric
from devices.kinds import KINDS

HEALTH_KINDS = ("vitals_monitor", "presence", "medication_box")
"""What they say is about somebody's body or whereabouts."""
COMMANDED: Mapping[str, tuple[str, str, str, str]] = {
    # Kind → component, its state, and the commands that bring it about and end it.
    "valve": ("valve", "open", "open", "close"),
    "plug": ("switch", "powered", "switch_on", "switch_off"),
    "siren": ("siren", "sounding", "sound", "silence"),
}
_NOT_SHOWN = ("uptime",)
_UNSAID_EVENTS = ("online", "offline", "command_result")

_UNITS: Mapping[str, str | None] = {
    "1": None,
    "Cel": "°C",
    "dB[mW]": "dBm",
    "dB[SPL]": "dB",
    "kW.h": "kWh",
    "m3/h": "m³/h",
    "m3": "m³",
    "[ppm]": "ppm",
    "[ppb]": "ppb",
    "ug/m3": "µg/m³",
    "deg": "°",
    "mm[Hg]": "mmHg",
    "/min": "1/min",
    "/h": "1/h",
    "/s": "1/s",
    "kbit/s": "kbit/s",
}
"""UCUM → the sign that people know; others are the same."""
_CLASSES: Mapping[tuple[str, str], str] = {
    # Home Assistant knows a class by what is measured, and takes it in certain units only.
    ("temperature", "Cel"): "temperature",
    ("supply_temperature", "Cel"): "temperature",
    ("return_temperature", "Cel"): "temperature",
    ("humidity", "%"): "humidity",
    ("battery", "%"): "battery",
    ("battery_voltage", "V"): "voltage",
    ("voltage", "V"): "voltage",
    ("current", "A"): "current",
    ("power", "W"): "power",
    ("energy", "kW.h"): "energy",
    ("power_factor", "1"): "power_factor",
    ("frequency", "Hz"): "frequency",
    ("volume", "m3"): "volume",
    ("flow_rate", "m3/h"): "volume_flow_rate",
    ("rssi", "dB[mW]"): "signal_strength",
    ("snr", "dB"): "signal_strength",
    ("illuminance", "lx"): "illuminance",
    ("pressure", "hPa"): "atmospheric_pressure",
    ("co2", "[ppm]"): "carbon_dioxide",
    ("co", "[ppm]"): "carbon_monoxide",
    ("pm25", "ug/m3"): "pm25",
    ("pm10", "ug/m3"): "pm10",
    ("tvoc", "[ppb]"): "volatile_organic_compounds_parts",
    ("noise", "dB[SPL]"): "sound_pressure",
    ("wind_speed", "m/s"): "wind_speed",
    ("rain_rate", "mm/h"): "precipitation_intensity",
    ("rain", "mm"): "precipitation",
    ("distance", "mm"): "distance",
    ("nearest", "m"): "distance",
    ("speed", "km/h"): "speed",
}
_GROWING = ("energy", "volume", "rain")
"""Readings of counters."""
_ABOUT_ITSELF = ("battery", "battery_voltage", "rssi", "snr", "link_quality")
_STATE_CLASSES: Mapping[tuple[str, str] | str, str] = {
    "battery_low": "battery",
    "tampered": "tamper",
    "faulty": "problem",
    "mains_lost": "problem",
    "video_lost": "problem",
    "stuck": "problem",
    "moving": "moving",
    "full": "problem",
    "lid_open": "opening",
    "motion": "motion",
    "fallen": "safety",
    "sounding": "sound",
    "powered": "power",
    ("contact", "open"): "opening",
    ("valve", "open"): "opening",
    ("smoke", "alarm"): "smoke",
    ("co", "alarm"): "carbon_monoxide",
    ("gas", "alarm"): "gas",
    ("heat", "alarm"): "heat",
    ("leak", "alarm"): "moisture",
    ("waste_bin", "alarm"): "heat",
    ("motion", "occupied"): "motion",
    ("presence", "occupied"): "occupancy",
    ("presence", "in_bed"): "occupancy",
    ("camera", "intrusion"): "safety",
}


@dataclass(frozen=True, slots=True)
class Entity:
    """One part of a device, as its discovery message describes it; topics are added by who publishes."""

    component: str
    key: str
    fields: Mapping[str, object]


@cache
def entities(kind: str, commanded: bool) -> tuple[Entity, ...]:
    """All parts of a device of this kind. ``commanded``: it may be switched from there, too."""
    known = KINDS[kind]
    switched = COMMANDED.get(kind) if commanded else None
    found = [_state(known, key) for key in known.states if switched is None or key != switched[1]]
    measured = [metric for key, metric in known.metrics.items() if key not in known.states and key not in _NOT_SHOWN]
    found += [_sensor(metric) for metric in measured]
    moments = _moments(known)
    if moments:
        fields: dict[str, object] = {"name": "事件 event", "event_types": list(moments)}
        if kind in ("sos_button", "service_button"):
            fields["device_class"] = "button"
        found.append(Entity("event", "event", fields))
    if switched is not None:
        found.append(_switch(known, *switched))
    return tuple(found)


def _moments(kind: Kind) -> tuple[str, ...]:
    """The events that no state says."""
    said = {event for state in kind.states.values() for event in (state.on, state.off)}
    return tuple(key for key in kind.events if key not in said and key not in _UNSAID_EVENTS)


def _state(kind: Kind, key: str) -> Entity:
    state = kind.states[key]
    fields: dict[str, object] = {
        "name": f"{state.zh} {state.en}",
        "value_template": value_template(key),
        "payload_on": "1",
        "payload_off": "0",
    }
    device_class = _STATE_CLASSES.get((kind.key, key)) or _STATE_CLASSES.get(key)
    if device_class is not None:
        fields["device_class"] = device_class
    if device_class in ("battery", "tamper") or key == "faulty":
        fields["entity_category"] = "diagnostic"
    return Entity("binary_sensor", key, fields)


def _sensor(metric: Metric) -> Entity:
    fields: dict[str, object] = {
        "name": f"{metric.zh} {metric.en}",
        "value_template": value_template(metric.key),
        "state_class": "total_increasing" if metric.key in _GROWING else "measurement",
    }
    unit = _UNITS.get(metric.unit, metric.unit)
    if unit is not None:
        fields["unit_of_measurement"] = unit
    device_class = _CLASSES.get((metric.key, metric.unit))
    if device_class is not None:
        fields["device_class"] = device_class
    if metric.key in _ABOUT_ITSELF:
        fields["entity_category"] = "diagnostic"
    return Entity("sensor", metric.key, fields)


def _switch(kind: Kind, component: str, state: str, on: str, off: str) -> Entity:
    row = kind.states[state]
    fields: dict[str, object] = {"name": f"{row.zh} {row.en}"}
    if component == "valve":
        fields |= {
            "value_template": _words(state, "open", "closed"),
            "payload_open": on,
            "payload_close": off,
            "payload_stop": None,
            "reports_position": False,
        }
    elif component == "switch":
        fields |= {
            "value_template": value_template(state),
            "payload_on": on,
            "payload_off": off,
            "state_on": "1",
            "state_off": "0",
        }
    else:
        fields |= {
            "state_value_template": value_template(state),
            "payload_on": on,
            "payload_off": off,
            "state_on": "1",
            "state_off": "0",
            "support_duration": False,
            "support_volume_set": False,
            "command_template": "{{ value }}",
        }
    return Entity(component, state, fields)


def value_template(key: str) -> str:
    """The value of a metric in a state message; None, which a home assistant knows as unknown, where there is none."""
    return f"{{{{ value_json['metrics']['{key}'] | default(None) }}}}"


def _words(key: str, on: str, off: str) -> str:
    return f"{{{{ {{1: '{on}', 0: '{off}'}}.get(value_json['metrics']['{key}'] | default(None)) }}}}"


def commands_of(kind: str) -> Collection[str]:
    """What a device of this kind may be told from there."""
    row = COMMANDED.get(kind)
    return () if row is None else row[2:]
