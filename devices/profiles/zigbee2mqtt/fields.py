"""From a payload to fields of one meaning: truth where the device's own words say so, numbers in one unit.

`kinds.yaml` reads what comes out. A field that says nothing (null, an empty text, ``unknown``) is left out.
"""

from __future__ import annotations

from collections.abc import Mapping

from devices.expression.functions import number
from devices.gear.jsontext import shown
from devices.observation import Refusal
from devices.profiles.zigbee2mqtt.described import Described, Exposed, Scalar
from devices.profiles.zigbee2mqtt.guess import GAS_VOLUME_UNITS

MAX_FIELDS = 300
_MAX_TEXT = 256

TRUTHS = frozenset(
    (
        *("contact", "smoke", "gas", "carbon_monoxide", "water_leak", "active_water_leak", "occupancy", "presence"),
        *("vibration", "sos", "sos_alarm", "heat", "tamper", "battery_low", "test", "testing", "fault", "fault_alarm"),
        *("end_of_life", "alarm", "siren", "motion", "state", "valve", "valve_state", "gas_valve_state", "moving"),
        *(f"{name}_alarm_{n}" for name in ("smoke", "carbon_monoxide", "water_leak", "occupancy") for n in (1, 2)),
        *(f"{name}_alarm_{n}" for name in ("contact", "vibration", "alarm") for n in (1, 2)),
        "mains_power_connected",
    )
)
"""What is true or false, if the device does not say otherwise."""
_REVERSED = frozenset(("contact",))
"""``contact: false`` is an open door: what a contact is on about."""
_OPENINGS: Mapping[str, bool] = {"OPEN": True, "OPENED": True, "CLOSE": False, "CLOSED": False}
_VALVES = frozenset(("state", "valve", "valve_state", "gas_valve_state"))
_ENUMERATED = frozenset(("fault", "alarm", "state", "test", "valve", "valve_state", "end_of_life"))
"""What is an enumeration on some models."""
_NUMBERS = frozenset(("battery", "linkquality"))
_WORDS: Mapping[str, bool] = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}
_NOTHING = ("", "unknown", "null")

_SCALES: Mapping[str, float] = {
    **{"mV": 1e-3, "cm": 1e-2, "mm": 1e-3, "kPa": 10.0, "Pa": 1e-2, "kW": 1e3, "Wh": 1e-3, "MWh": 1e3},
    **{"mA": 1e-3, "L": 1e-3, "l": 1e-3, "mg/m³": 1e3, "L/h": 1e-3, "l/h": 1e-3, "m³/min": 60.0, "L/min": 0.06},
}
"""Units that differ between models → the factor to the unit that the maps expect (V, m, hPa, W, kWh, A, m³, µg/m³)."""
_LEL_UNITS = ("%LEL", "LEL", "%")
_MAX_BATTERY_V = 60.0
_LEAST_MV = 1000.0


def fields_of(
    payload: Mapping[str, object], about: Described | None, part: str
) -> tuple[dict[str, object], tuple[Refusal, ...]]:
    """The fields of the device, or of one endpoint of it; and what could not be understood."""
    exposes: Mapping[str, Exposed] = about.exposes if about is not None else {}
    found: dict[str, object] = {}
    faults: list[Refusal] = []
    for key, value in list(payload.items())[:MAX_FIELDS]:
        if key == "action":  # `actions` reads it
            continue
        name = _name(key, exposes.get(key), part)
        if value is None or (isinstance(value, str) and value.strip().lower() in _NOTHING):
            continue
        if name in found and name == key:  # the endpoint's own has been taken already
            continue
        try:
            _take(found, name, value, exposes.get(key), about)
        except Refusal as fault:
            faults.append(fault)
    return found, tuple(faults)


def _name(key: str, one: Exposed | None, part: str) -> str:
    """``state_l1`` is the state of the part ``l1``."""
    if part and one is not None and one.endpoint == part:
        return one.name
    if part and one is None and key.endswith(f"_{part}"):
        return key[: -len(part) - 1]
    return key


def _take(found: dict[str, object], name: str, value: object, one: Exposed | None, about: Described | None) -> None:
    numeric = one is not None and one.type == "numeric"
    if name in TRUTHS and not numeric:
        truth = _truth(name, value, one)
        if truth is not None:
            found[name] = truth
            return
    if isinstance(value, bool):
        found[name] = value
    elif isinstance(value, str):
        found[name] = _amount(name, value) if numeric or name in _NUMBERS else value[:_MAX_TEXT]
    elif isinstance(value, int | float):
        _measure(found, name, value, one.unit if one is not None else "", about)


def _truth(name: str, value: object, one: Exposed | None) -> bool | None:
    """Whether it is on, in the device's own words; None for a word of an enumeration. Raises Refusal."""
    if name in _VALVES and isinstance(value, str) and value.upper() in _OPENINGS:
        return _OPENINGS[value.upper()]
    if one is not None and one.type == "binary" and one.on is not None:
        if _same(value, one.on):
            return True
        if _same(value, one.off):
            return False
        raise _undeclared(name, value, f"{_text(one.on)} or {_text(one.off)}, as the device declares")
    truth = _WORDS.get(_text(value).lower()) if isinstance(value, bool | str | int) else None
    if truth is not None and (one is None or isinstance(value, bool)):
        return truth is not (name in _REVERSED)
    if name in _ENUMERATED or (name == "gas" and not isinstance(value, str)):
        return None
    raise _undeclared(name, value, "true or false")


def _amount(name: str, value: str) -> float:
    amount = number(value)
    if amount is None:
        raise _undeclared(name, value, "a number")
    return amount


def _same(value: object, declared: Scalar | None) -> bool:
    return declared is not None and _text(value).lower() == _text(declared).lower()


def _text(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else f"{value}"[:_MAX_TEXT]


def _undeclared(name: str, value: object, expected: str) -> Refusal:
    return Refusal(
        "malformed",
        field=name,
        expected=expected,
        hint=f"got {shown(value)}; interview the device anew in Zigbee2MQTT, or check its model",
    )


def _measure(found: dict[str, object], name: str, value: float, unit: str, about: Described | None) -> None:
    amount = value * _SCALES.get(unit, 1.0)
    if unit == "°F":
        amount = (value - 32) / 1.8
    if name == "voltage":
        battery = unit == "mV" or (about is None and (value >= _LEAST_MV or value <= _MAX_BATTERY_V))
        battery = battery or (about is not None and unit != "mV" and (about.on_battery or "battery" in about.exposes))
        found["battery_volts" if battery else "mains_volts"] = amount * (1e-3 if not unit and value >= _LEAST_MV else 1)
    elif name == "gas":
        if unit in GAS_VOLUME_UNITS:
            found["gas_volume"] = amount
        elif unit in _LEL_UNITS:
            found["gas_level"] = value
        else:
            found["gas_number"] = value
    elif name in ("gas_value", "gas_density", "gas_concentration"):
        found["gas_level" if unit in _LEL_UNITS else name] = value
    elif name == "voc":
        found["tvoc" if unit == "ppb" else "voc_mass"] = amount
    else:
        found[name] = amount
