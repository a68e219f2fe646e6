"""Which kind a Zigbee device most probably is, by what it exposes. The more it matters, the earlier it is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from devices.profiles.zigbee2mqtt.described import Exposed

Exposes = Mapping[str, Exposed]

SOS_ACTIONS = frozenset(("emergency", "panic", "sos"))
GAS_VOLUME_UNITS = frozenset(("m³", "m3", "L", "l", "ft³"))
"""Units of a meter. A number in one of these is no alarm."""
_AIR = ("co2", "pm25", "pm10", "voc", "tvoc", "total_volatile_organic_compounds", "temperature", "humidity", "pressure")


def guess_kind(exposes: Exposes) -> str | None:
    """None where a kind cannot be told (a plain button may call for help, or for a plumber)."""
    return next((kind for kind, fits in _GUESSES if fits(exposes)), None)


def is_sos_key(exposes: Exposes) -> bool:
    """Whether one of its actions is a call for help by name: then its other keys are none."""
    return any(word in SOS_ACTIONS for word in actions(exposes))


def actions(exposes: Exposes) -> tuple[str, ...]:
    """What a button or remote says it can send."""
    action = exposes.get("action")
    return action.values if action is not None else ()


def _has(*names: str) -> Callable[[Exposes], bool]:
    """Any of these, at any endpoint."""

    def fits(exposes: Exposes) -> bool:
        return any(one.name in names or one.property in names for one in exposes.values())

    return fits


def _alarm_input(name: str) -> Callable[[Exposes], bool]:
    """``carbon_monoxide``, or the two alarm inputs of a zone: ``carbon_monoxide_alarm_1``."""
    return lambda exposes: any(key == name or key.startswith(f"{name}_alarm_") for key in exposes)


def _sos(exposes: Exposes) -> bool:
    return is_sos_key(exposes) or _has("sos", "sos_alarm")(exposes)


def _gas(exposes: Exposes) -> bool:
    gas = exposes.get("gas")
    if gas is not None:
        return gas.type == "binary" or gas.unit not in GAS_VOLUME_UNITS
    return _has("gas_state", "gas_sensor_state")(exposes)


def _falls(exposes: Exposes) -> bool:
    status = exposes.get("status")
    return _has("fall_status", "fall_down_status")(exposes) or (status is not None and "falling" in status.values)


def _siren(exposes: Exposes) -> bool:
    return "co2" not in exposes and (
        _has("warning", "alarm", "alarm_state", "siren")(exposes) or _alarm_input("alarm")(exposes)
    )


def _valve(exposes: Exposes) -> bool:
    state = exposes.get("state")
    says_open = state is not None and "OPEN" in (state.on, state.off)
    return says_open or _has("valve_state", "gas_valve_state", "valve")(exposes)


def _plug(exposes: Exposes) -> bool:
    return _has("state")(exposes) and _has("power", "energy", "current")(exposes)


_GUESSES: tuple[tuple[str, Callable[[Exposes], bool]], ...] = (
    ("sos_button", _sos),
    ("smoke", _alarm_input("smoke")),
    ("gas", _gas),
    ("co", _alarm_input("carbon_monoxide")),
    ("leak", lambda exposes: _alarm_input("water_leak")(exposes) or "water_leakage_state" in exposes),
    ("presence", _falls),
    ("contact", _alarm_input("contact")),
    ("presence", _has("presence")),
    ("motion", _alarm_input("occupancy")),
    ("siren", _siren),
    ("glass_break", _alarm_input("vibration")),
    ("valve", _valve),
    ("plug", _plug),
    ("meter", _has("energy", "gas", "water_consumed", "volume")),
    ("environment", _has(*_AIR)),
)
