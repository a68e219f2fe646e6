"""rtl_433: recordings of merbanan/rtl_433_tests, fields of its decoders, and the traps."""

from __future__ import annotations

import json

import pytest

from devices.profiles import PROFILES
from firmware_sim.gear.rtl_433 import SimRtl433
from firmware_sim.mqtt_device import Broker
from tests.support.gear import START_MS, Bench, Heard, device

RTL433 = PROFILES["rtl-433"]
TOPIC = "rtl_433/pi/events"

# tests/honeywell/2Gig-DW10/g001_344.975M_250k.json: one opening of a door, the times of its six copies
OPENED = (
    '{"time": "@0.085432s", "model": "Honeywell-Security", "id": 73942, "channel": 10, "event": 160, "state": "open", '
    '"contact_open": 1, "reed_open": 1, "alarm": 0, "tamper": 0, "battery_ok": 1, "heartbeat": 0, "mic": "CRC"}'
)
OPENED_MS = (85, 214, 343, 472, 601, 730)
# tests/interlogix/06/motion_319.5M_250k.json: the times of eight copies; from first to last two and a half seconds
EIGHT_MS = (287, 698, 1090, 1461, 1793, 2044, 2436, 2788)


def copies(side: Bench, line: str, times_ms: tuple[int, ...]) -> list[Heard]:
    """The copies of one transmission as they come in; level and time differ."""
    said, before_ms = [], 0
    for number, at_ms in enumerate(times_ms):
        fields = json.loads(line) | {
            "time": f"@{at_ms / 1000:.6f}s",
            "rssi": -9.1 - number / 10,
            "snr": 18.2,
            "noise": -27.3,
        }
        said.append(side.hear(TOPIC, json.dumps(fields), after_ms=at_ms - before_ms))
        before_ms = at_ms
    return said


def test_one_opening_comes_six_times_and_is_one() -> None:
    side = Bench(RTL433, device("Honeywell-Security/73942", "contact"))
    heard = copies(side, OPENED, OPENED_MS)
    assert [one.events for one in heard] == [["opened"], [], [], [], [], []]
    assert heard[0].metrics == {"open": 1.0, "tampered": 0.0, "battery_low": 0.0}
    assert sum(len(one.observations) for one in heard) <= 2


def test_a_key_that_is_heard_for_longer_than_a_second_and_a_half_is_one_press() -> None:
    """tests/generic_remote/01/gfile001.json, with the spread of the longest recording."""
    side = Bench(RTL433, device("Generic-Remote/5069", "sos_button", press="192"))
    line = '{"time": "@0.257012s", "model": "Generic-Remote", "id": 5069, "cmd": 192, "tristate": "0Z01101Z1000"}'
    heard = copies(side, line, EIGHT_MS)
    assert [one.events for one in heard] == [["press"], *[[]] * 7]
    assert sum(len(one.observations) for one in heard) == 1
    assert side.hear(TOPIC, line, after_ms=5000).events == ["press"]


def test_another_key_of_the_same_remote_is_no_press() -> None:
    side = Bench(RTL433, device("Generic-Remote/5069", "sos_button", press="192", cancel="3"))
    for cmd, events in ((12, []), (3, ["cancel"]), (192, ["press"])):
        assert side.hear(TOPIC, {"model": "Generic-Remote", "id": 5069, "cmd": cmd}).events == events


def test_a_pendant_of_one_key_needs_no_code() -> None:
    side = Bench(RTL433, device("Akhan-100F14/0x1a2b3", "sos_button", press="any"))
    assert side.hear(TOPIC, {"model": "Akhan-100F14", "id": "0x1a2b3", "data": "0x4 (Mute)"}).events == ["press"]


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "X10-Security", "code": "88", "event": "KR15 PANIC"},
        {"model": "X10-Security", "code": "98", "event": "KR15 PANIC-3SECOND"},
        {"model": "X10-Security", "code": "26", "event": "KR18 PANIC"},
        {"model": "Interlogix-Security", "subtype": "panic", "battery_ok": 1, "switch1": "CLOSED"},
    ],
)
def test_panic_buttons(fields: dict[str, object]) -> None:
    side = Bench(RTL433, device(f"{fields['model']}/f58e", "sos_button"))
    assert side.hear(TOPIC, fields | {"id": "f58e"}).events == ["press"]


@pytest.mark.parametrize(
    ("model", "shut", "opened"),
    [
        # tests/dsc/01/gfile001.json
        ("DSC-Security", {"closed": 1, "event": 1, "status": 131}, {"closed": 0, "event": 1, "status": 129}),
        # tests/x10_sec/x10_sec-DS10A-closex5-openx5.250k.json, and as it is called today
        ("X10 Security", {"event": "DS10A DOOR/WINDOW CLOSED"}, {"event": "DS10A DOOR/WINDOW OPEN"}),
        ("X10-Security", {"event": "DOOR/WINDOW CLOSED"}, {"event": "DOOR/WINDOW OPEN"}),
        ("Interlogix-Security", {"subtype": "contact", "switch1": "CLOSED"}, {"subtype": "contact", "switch1": "OPEN"}),
        ("SimpliSafe-Sensor", {"state": 2, "extradata": "Contact Closed"}, {"state": 1, "extradata": "Contact Open"}),
        ("Kerui-Security", {"cmd": "0x7", "opened": 0, "state": "close"}, {"cmd": "0xe", "opened": 1, "state": "open"}),
        # tests/honeywell/RE208/g011_344.975M_250k.json: an older rtl_433
        ("Honeywell-Security", {"state": "closed", "heartbeat": "no"}, {"state": "open", "heartbeat": "no"}),
        ("JCHENG-Contact", {"closed": 1, "battery_ok": 1}, {"closed": 0, "battery_ok": 1}),
    ],
)
def test_doors_in_the_words_of_each_decoder(model: str, shut: dict[str, object], opened: dict[str, object]) -> None:
    side = Bench(RTL433, device(f"{model}/7", "contact"))
    said = [side.hear(TOPIC, {"model": model, "id": 7, **fields}).events for fields in (shut, opened, opened, shut)]
    assert said == [[], ["opened"], [], ["closed"]]


def test_a_kind_of_door_sensor_that_says_only_that_it_opened() -> None:
    side = Bench(RTL433, device("Govee-Contact/9", "contact"))
    for _ in range(2):
        assert side.hear(TOPIC, {"model": "Govee-Contact", "id": 9, "event": "Open"}).events == ["opened"]


def test_smoke_is_said_and_never_taken_back() -> None:
    """tests/smoke_gs558/01/gfile001.json; learn is the pairing of two detectors."""
    side = Bench(RTL433, device("Smoke-GS558/3403", "smoke"))
    line = {"model": "Smoke-GS558", "id": 3403, "unit": 12, "learn": 0, "code": "c1a96c"}
    assert side.hear(TOPIC, line | {"learn": 1}).events == []
    assert side.hear(TOPIC, line).events == ["smoke"]
    assert side.hear(TOPIC, line, after_ms=60_000).events == ["smoke"]


def test_leaks_and_movement() -> None:
    side = Bench(RTL433, device("Govee-Water/1", "leak"), device("Kerui-Security/0x2", "leak", id="k"),
                 device("Kerui-Security/0x3", "motion"), device("X10-Security/a1", "motion", id="x"))  # fmt: skip
    wet = {"model": "Govee-Water", "id": 1, "event": "Water Leak", "detect_wet": 1}
    dry = {
        "model": "Govee-Water",
        "id": 1,
        "event": "Battery Report",
        "battery_ok": 0.9,
        "battery_mV": 2840,
        "detect_wet": 0,
    }
    assert [side.hear(TOPIC, line).events for line in (dry, wet, dry)] == [[], ["leak"], ["leak_cleared"]]
    assert side.hear(TOPIC, dry).metrics == {"battery_low": 0.0, "battery": 90.0, "battery_voltage": 2.84, "alarm": 0.0}
    assert side.hear(TOPIC, {"model": "Kerui-Security", "id": "0x2", "water": 1, "state": "water"}).events == ["leak"]
    assert side.hear(TOPIC, {"model": "Kerui-Security", "id": "0x3", "motion": 1}).events == ["motion"]
    said = [side.hear(TOPIC, {"model": "X10-Security", "id": "a1", "event": event}).events
            for event in ("MOTION TRIPPED", "MOTION READY")]  # fmt: skip
    assert said == [["motion"], ["motion_cleared"]]


def test_batteries() -> None:
    side = Bench(RTL433, device("Nexus-TH/188", "environment"))
    line = {"model": "Nexus-TH", "id": 188, "channel": 1, "temperature_C": 21.3, "humidity": 47}
    assert side.hear(TOPIC, line | {"battery_ok": 1}).metrics == {
        "battery_low": 0.0, "temperature": 21.3, "humidity": 47.0,
    }  # fmt: skip  # 1 says no more than that it is not low
    assert side.hear(TOPIC, line | {"battery_ok": 0}).events == ["low_battery"]


def test_weather_in_its_own_units() -> None:
    side = Bench(RTL433, device("Acurite-5n1/3", "environment"))
    line = {
        "model": "Acurite-5n1",
        "id": 3,
        "temperature_F": 68.0,
        "wind_avg_km_h": 18.0,
        "wind_dir_deg": 270,
        "rain_in": 1.0,
    }
    assert side.hear(TOPIC, line).metrics == {
        "temperature": 20.0, "wind_speed": 5.0, "wind_direction": 270.0, "rain": 25.4,
    }  # fmt: skip


def test_two_channels_of_one_sensor_and_one_that_has_nothing_but_a_channel() -> None:
    side = Bench(RTL433, device("Nexus-TH/188#2", "environment"), device("Old-TH/3", "environment", id="old"))
    line = {"model": "Nexus-TH", "id": 188, "channel": 2, "temperature_C": 5.0}
    assert [one.device for one in side.hear(TOPIC, line).observations] == ["environment-1"]
    assert side.hear(TOPIC, line | {"channel": 1}).announced[0].address == "Nexus-TH/188#1"
    assert [
        one.device for one in side.hear(TOPIC, {"model": "Old-TH", "channel": 3, "temperature_C": 4}).observations
    ] == ["old"]


@pytest.mark.parametrize(
    "time", ["2026-09-21T14:13:10+0000", "1790000000", "1790000000.250000", "2026-09-21T22:13:10+08:00"]
)
def test_time_counts_where_it_says_which(time: str) -> None:
    side = Bench(RTL433, device("Nexus-TH/188", "environment"))
    (one,) = side.hear(TOPIC, {"time": time, "model": "Nexus-TH", "id": 188, "temperature_C": 5.0}).observations
    assert one.observed_at_ms != one.received_at_ms and not one.clock_suspect
    (one,) = side.hear(
        TOPIC, {"time": "2026-09-21 22:13:10", "model": "Nexus-TH", "id": 188, "humidity": 5}
    ).observations
    assert one.observed_at_ms == one.received_at_ms


def test_the_receiver_itself() -> None:
    side = Bench(RTL433, device("pi", "concentrator"))
    assert side.hear("rtl_433/pi/availability", "online", retained=True).events == ["online"]
    assert side.hear("rtl_433/pi/availability", "offline").events == ["offline"]
    heard = side.hear(TOPIC, {"enabled": 212, "frames": {"count": 31}})
    assert (heard.observations, heard.announced, heard.faults) == ([], (), [])


def test_strangers() -> None:
    side = Bench(RTL433)
    (one,) = side.hear(TOPIC, OPENED).announced
    assert (one.address, one.kind, one.model) == ("Honeywell-Security/73942", "contact", "Honeywell-Security")


def test_the_simulated_receiver_says_the_same_for_the_same_seed() -> None:
    def said(seed: int) -> list[bytes]:
        gear = SimRtl433(Broker("127.0.0.1", 1), seed=seed, clock=lambda: START_MS)
        gear.online = True
        gear.act("Honeywell-Security/73942", "open")
        return [one.payload for one in gear._out]

    assert said(1) == said(1) != said(2)
    assert len(said(1)) == 6 and len(set(said(1))) == 6  # time and level of each copy are its own
