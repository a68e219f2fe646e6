"""Milesight's nodes, by model. Channel tables as in the maker's user guides and its public decoders for ChirpStack.

A channel means something else in another model (03 00 is a magnet, a leak or a PIR), so each model has its own table.
All use port 85 for commands.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from devices.profiles.lorawan.codec import Codec, Decoded, Downlink
from devices.profiles.lorawan.tlv import Item, Row, Rows, Words, decode

PORT = 85

_DOOR: Words = {0: "close", 1: "open"}
_LEAK: Words = {0: "normal", 1: "leak"}
_TRIGGER: Words = {0: "normal", 1: "trigger"}
_TILT: Words = {0: "normal", 1: "tilt"}
_ON: Words = {0: "off", 1: "on"}
_ALARM: Words = {0: "normal", 1: "alarm"}


def _u(name: str, size: int = 1, divide: float = 1, words: Words | None = None) -> Item:
    return Item(name, size, divide, words=words)


def _i(name: str, size: int = 2, divide: float = 1) -> Item:
    return Item(name, size, divide, signed=True)


def _pass(size: int) -> Item:
    return Item("", size)


def _row(*items: Item) -> Row:
    return Row(items)


def _kept(*items: Item) -> Row:
    """A channel of what the node had kept."""
    return Row((_u("timestamp", 4), *items), history=True)


_COMMON: Rows = {
    (0x01, 0x75): _row(_u("battery")),
    (0xFF, 0x01): _row(_pass(1)),  # version of the protocol
    (0xFF, 0x08): _row(Item("sn", 6, form="hex")),
    (0xFF, 0x09): _row(Item("hardware_version", 2, form="version")),
    (0xFF, 0x0A): _row(Item("firmware_version", 2, form="version")),
    (0xFF, 0x0B): _row(_pass(1)),  # it was switched on
    (0xFF, 0x0F): _row(_pass(1)),  # LoRaWAN class
    (0xFF, 0x16): _row(Item("sn", 8, form="hex")),
    (0xFF, 0xFE): _row(_pass(1)),  # it was reset
    (0xFF, 0xFF): _row(_pass(2)),  # version of the thing model
    # Answers to settings: interval, restart, status, lamp, buzzer, double press.
    **{
        (channel, setting): _row(_pass(size))
        for channel in (0xFE, 0xFF)
        for setting, size in ((0x03, 2), (0x10, 1), (0x28, 1), (0x2F, 1), (0x3E, 1), (0x74, 1))
    },
}
_TEMPERATURE, _HUMIDITY = _i("temperature", 2, 10), _u("humidity", 1, 2)
_CLIMATE: Rows = {(0x03, 0x67): _row(_TEMPERATURE), (0x04, 0x68): _row(_HUMIDITY)}
_THRESHOLD: Words = {0: "threshold_alarm_release", 1: "threshold_alarm"}
_BIN: Rows = {
    (0x03, 0x67): _row(_TEMPERATURE),
    (0x04, 0x82): _row(_u("distance", 2)),
    (0x05, 0x00): _row(_u("position", words=_TILT)),
    (0x83, 0x67): _row(_TEMPERATURE, _u("temperature_alarm", words=_THRESHOLD)),
    (0x84, 0x82): _row(_u("distance", 2), _u("distance_alarm", words=_THRESHOLD)),
}
_LIGHT = _row(_u("illumination", 2), _u("infrared_and_visible", 2), _u("infrared", 2))
_PLUG: Rows = {
    (0x03, 0x74): _row(_u("voltage", 2, 10)),
    (0x04, 0x80): _row(_u("active_power", 4)),
    (0x05, 0x81): _row(_u("power_factor")),
    (0x06, 0x83): _row(_u("power_consumption", 4)),
    (0x07, 0xC9): _row(_u("current", 2)),
    # Bit 0 is the relay; the others tell which settings are on.
    (0x08, 0x70): _row(_u("socket_status", words={n: "on" if n & 1 else "off" for n in range(256)})),
}
_VALVES: Rows = {
    # 255: a command was taken; it says nothing of where the valve is.
    (0x03, 0x01): _row(_u("valve_1", words={**_DOOR, 0xFF: None})),
    (0x04, 0xC8): _row(_u("valve_1_pulse", 4)),
    (0x05, 0x01): _row(_u("valve_2", words={**_DOOR, 0xFF: None})),
    (0x06, 0xC8): _row(_u("valve_2_pulse", 4)),
    (0x07, 0x01): _row(_u("gpio_1", words=_ON)),
    (0x08, 0x01): _row(_u("gpio_2", words=_ON)),
    (0x09, 0x7B): _row(_u("pressure", 2)),
    (0xFE, 0x1D): _row(_pass(9)),  # the command, said back
    (0xFF, 0x1D): _row(_pass(9)),
    (0x20, 0xCE): _kept(_pass(5)),
    (0x21, 0xCE): _kept(_u("pressure", 2)),
}
_DETECTION: Words = {0: "normal", 1: "vacant", 2: "in_bed", 3: "out_of_bed", 4: "fall"}
_TARGET: Words = {0: "normal", 1: "motionless", 2: "abnormal", 3: "lying_down"}
_ALARM_TYPE: Words = {
    0: "fall",
    1: "motionless",
    2: "dwell",
    3: "out_of_bed",
    4: "occupied",
    5: "vacant",
    6: "bradypnea",
    7: "tachypnea",
}
_ALARM_STATUS: Words = {
    # The maker's documents disagree whether a triggered alarm is 0 or 1: both count, so that no fall is lost.
    0: "alarm_triggered",
    1: "alarm_triggered",
    2: "alarm_deactivated",
    3: "alarm_ignored",
    4: "respiratory_status",
}
_RADAR_ALARM = (
    _u("alarm_id", 2),
    _u("alarm_type", words=_ALARM_TYPE),
    _u("alarm_status", words=_ALARM_STATUS),
    _pass(1),
)
_RADAR: Rows = {
    (0x03, 0xF8): _row(_u("detection_status", words=_DETECTION), _u("target_status", words=_TARGET), _pass(4)),
    (0x04, 0xF9): _row(_pass(4)),
    (0x05, 0xFA): _row(_pass(8)),
    (0x06, 0xFB): Row(_RADAR_ALARM, named_by="alarm_type"),
    (0x07, 0xB0): _row(_u("detection_status", words=_DETECTION), _u("target_status", words=_TARGET), _pass(6)),
    (0x08, 0xB1): _row(_pass(1), _u("respiratory_rate", 2, 100)),
    (0x09, 0xB2): _row(_pass(6)),
    (0x0A, 0xB3): _row(_pass(5)),
    (0x0B, 0xB4): _row(_pass(9)),
    (0x0C, 0xB4): _row(_pass(9)),
    (0x20, 0xCE): Row((_u("timestamp", 4), *_RADAR_ALARM), history=True, named_by="alarm_type"),
}
_PEOPLE: Rows = {
    (0x04, 0xC9): _row(_u("people_count_all"), _pass(3)),
    (0x05, 0xCC): _row(_u("people_in", 2), _u("people_out", 2)),
    (0x06, 0xCD): _row(_u("people_count_max")),
    (0x07, 0xD5): _row(_pass(8)),
    (0x08, 0xD5): _row(_pass(8)),
    **{(channel, 0xDA): _row(_pass(8)) for channel in (0x09, 0x0A, 0x0B, 0x0C)},
    (0x0D, 0xCC): _row(_u("people_total_in", 2), _u("people_total_out", 2)),
    (0x0E, 0xE4): _row(_pass(5)),
    (0x0F, 0x85): _row(_pass(4)),
    (0x10, 0xF7): _row(_u("line_in", 2), _u("line_out", 2)),
    (0xFF, 0x1F): _row(Item("firmware_version", 4, form="dotted")),
}


def _air(number: int, name: str, size: int = 2, divide: float = 1, kind: int = 0x7D) -> Rows:
    return {(number, kind): _row(_u(name, size, divide))}


_PRESSURE = _air(0x09, "pressure", divide=10, kind=0x73)
_PIR = _u("pir", words={0: "idle", 1: "trigger"})
# The same channel is an index, or ug/m3, by the setting of the node; only the AM107 says ppb.
_VOC_INDEX = {**_air(0x08, "tvoc_index", divide=100), **_air(0x08, "tvoc_ugm3", kind=0xE6)}
_AM300: Rows = {
    **_CLIMATE,
    (0x05, 0x00): _row(_PIR),
    (0x06, 0xCB): _row(_u("light_level")),
    **_air(0x07, "co2"),
    **_VOC_INDEX,
    **_PRESSURE,
    (0x0E, 0x01): _row(_pass(1)),  # its buzzer
}
_AM300_KEPT = (
    _TEMPERATURE,
    _u("humidity", 2, 2),
    _PIR,
    _u("light_level"),
    _u("co2", 2),
    _pass(2),
    _u("pressure", 2, 10),
)
_AM319_KEPT = (*_AM300_KEPT, _u("pm2_5", 2), _u("pm10", 2), _u("hcho", 2, 100))


def _valve_task(valve: int, opened: bool) -> bytes:
    """Move valve 0 or 1 at once (sequence 0), without a limit by time or by pulses."""
    return bytes([0xFF, 0x1D, (opened << 5) | valve, 0x00, *bytes(7)])


_VALVE_COMMANDS = {
    (f"{valve + 1}", command): Downlink(port=PORT, data=_valve_task(valve, opened), confirm={"open": opened})
    for valve in (0, 1)
    for command, opened in (("open", True), ("close", False))
}
_GAS_VALVE_COMMANDS = {
    ("", command): Downlink(port=PORT, data=bytes([0x06, 0x00, opened, 0xFF]), confirm={"open": opened})
    for command, opened in (("open", True), ("close", False))
}
_PLUG_COMMANDS = {
    ("", command): Downlink(port=PORT, data=bytes([0x08, powered, 0xFF, 0xFF]), confirm={"powered": powered})
    for command, powered in (("switch_on", True), ("switch_off", False))
}


def _by_rows(rows: Rows, port: int, data: bytes) -> Decoded:
    return decode(rows, data)


def _model(
    model: str, kinds: tuple[str, ...], rows: Rows, downlinks: Mapping[tuple[str, str], Downlink] | None = None
) -> Codec:
    return Codec(
        key=model.lower(),
        model=f"Milesight {model}",
        maps="milesight",
        kinds=kinds,
        decode=partial(_by_rows, {**_COMMON, **rows}),
        downlinks=downlinks or {},
    )


def _leak(channel: int, *kept: Item) -> Rows:
    leak = _u("leakage_status", words=_LEAK)
    return {(channel, 0x00): _row(leak), (0x20, 0xCE): _kept(*kept, leak)}


_MAGNET = _u("magnet_status", words=_DOOR)

CODECS = (
    _model(
        "WS101",
        ("sos_button", "service_button"),
        {(0xFF, 0x2E): _row(_u("press", words={1: "short", 2: "long", 3: "double"}))},
    ),
    _model("WS202", ("motion",), {(0x03, 0x00): _row(_u("pir", words=_TRIGGER)), (0x04, 0x00): _row(_pass(1))}),
    _model(
        "WS301",
        ("contact",),
        {
            (0x03, 0x00): _row(_MAGNET),
            (0x04, 0x00): _row(_u("tamper_status", words={0: "installed", 1: "uninstalled"})),
        },
    ),
    _model("WS303", ("leak",), {(0x03, 0x00): _row(_u("leakage_status", words=_LEAK))}),
    _model("WS523", ("plug",), _PLUG, _PLUG_COMMANDS),
    _model("WS525", ("plug",), _PLUG, _PLUG_COMMANDS),
    _model("EM300-TH", ("environment",), {**_CLIMATE, (0x20, 0xCE): _kept(_TEMPERATURE, _HUMIDITY, _pass(1))}),
    _model(
        "EM300-MCS",
        ("contact",),
        {**_CLIMATE, (0x06, 0x00): _row(_MAGNET), (0x20, 0xCE): _kept(_TEMPERATURE, _HUMIDITY, _MAGNET)},
    ),
    _model("EM300-SLD", ("leak",), {**_CLIMATE, **_leak(0x05, _TEMPERATURE, _HUMIDITY)}),
    _model("EM300-ZLD", ("leak",), {**_CLIMATE, **_leak(0x05, _TEMPERATURE, _HUMIDITY)}),
    _model("EM300-MLD", ("leak",), _leak(0x05, _pass(3))),
    _model(
        "EM310-UDL",
        ("waste_bin",),
        {(0x03, 0x82): _row(_u("distance", 2)), (0x04, 0x00): _row(_u("position", words=_TILT))},
    ),
    _model("EM400-TLD", ("waste_bin",), _BIN),
    _model("EM400-MUD", ("waste_bin",), _BIN),
    _model("EM400-UDL", ("waste_bin",), _BIN),
    _model("AM102", ("environment",), {**_CLIMATE, (0x20, 0xCE): _kept(_TEMPERATURE, _HUMIDITY)}),
    _model(
        "AM103",
        ("environment",),
        {**_CLIMATE, **_air(0x07, "co2"), (0x20, 0xCE): _kept(_TEMPERATURE, _HUMIDITY, _u("co2", 2))},
    ),
    _model("AM104", ("environment",), {**_CLIMATE, (0x05, 0x6A): _row(_u("activity", 2)), (0x06, 0x65): _LIGHT}),
    _model(
        "AM107",
        ("environment",),
        {
            **_CLIMATE,
            (0x05, 0x6A): _row(_u("activity", 2)),
            (0x06, 0x65): _LIGHT,
            **_air(0x07, "co2"),
            **_air(0x08, "tvoc_ppb"),
            **_PRESSURE,
        },
    ),
    _model(
        "AM307",
        ("environment",),
        {**_AM300, (0x20, 0xCE): _kept(*_AM300_KEPT), (0x21, 0xCE): _kept(*_AM300_KEPT)},
    ),
    _model(
        "AM319",
        ("environment",),
        {
            **_AM300,
            **_air(0x0A, "hcho", divide=100),
            **_air(0x0B, "pm2_5"),
            **_air(0x0C, "pm10"),
            (0x20, 0xCE): _kept(*_AM319_KEPT),
            (0x21, 0xCE): _kept(*_AM319_KEPT),
        },
    ),
    _model("VS121", ("traffic_counter",), _PEOPLE),
    _model(
        "VS370",
        ("presence",),
        {(0x03, 0x00): _row(_u("occupancy", words={0: "vacant", 1: "occupied"})), (0x04, 0x00): _row(_pass(1))},
    ),
    _model("VS373", ("presence",), _RADAR),
    _model(
        "GS101",
        ("gas", "valve"),
        {
            (0x05, 0x8E): _row(_u("gas_status", words=_ALARM)),
            (0x06, 0x01): _row(_u("valve_status", words=_ON)),
            (0x07, 0x01): _row(_u("relay_output_status", words=_ON)),
            (0x08, 0x90): _row(_u("life_remain", 4)),
            (0xFF, 0x3F): _row(
                _u(
                    "alarm",
                    words={
                        0: "power off",
                        1: "power on",
                        2: "device fault",
                        3: "device fault recovered",
                        4: "device will be invalid soon",
                        5: "device invalid",
                    },
                )
            ),
        },
        _GAS_VALVE_COMMANDS,
    ),
    _model("UC511", ("valve",), _VALVES, _VALVE_COMMANDS),
    _model("UC512", ("valve",), _VALVES, _VALVE_COMMANDS),
)
