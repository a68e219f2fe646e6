"""ChirpStack: what its events become. Bytes of nodes: the examples of Milesight's user guides (as printed beside its
public decoders), of Dragino's manuals and of myDevices' description of Cayenne LPP. Events: the server's own
integration.proto, in its JSON form."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.gear.messages import Incoming
from devices.native import Command
from devices.observation import Lane, Refusal
from devices.profiles.chirpstack import CHIRPSTACK, MAX_COMMANDS
from devices.profiles.lorawan import CODECS, MAPS
from tests.support.gear import START_MS, Bench, Book, Heard, device

EUI = "24e124535b316056"
APPLICATION = "17c82e96-be03-4f38-aef3-f83d48582d97"
_ids = iter(range(10**9))


def message(data: str | None = None, **more: Any) -> dict[str, Any]:
    """An ``up`` event as the server writes it; ``data`` in hexadecimal."""
    return {
        "deduplicationId": f"3ac7e3c4-4401-4b8d-9386-{next(_ids):012d}",
        "time": "2026-09-21T14:13:25.775023242+00:00",
        "deviceInfo": {
            "tenantId": "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
            "tenantName": "ChirpStack",
            "applicationId": APPLICATION,
            "applicationName": "Anju",
            "deviceProfileId": "14855bf7-d10d-4aee-b618-ebfcb64dc7ad",
            "deviceProfileName": "Milesight WS301",
            "deviceName": "door of flat 501",
            "devEui": EUI,
            "deviceClassEnabled": "CLASS_A",
            "tags": {},
        },
        "devAddr": "00189440",
        "adr": True,
        "dr": 1,
        "fCnt": 10,
        "fPort": 85,
        "confirmed": False,
        "data": "" if data is None else base64.b64encode(bytes.fromhex(data.replace(" ", ""))).decode(),
        "rxInfo": [
            {"gatewayId": "0016c001f153a14c", "uplinkId": 4217106255, "rssi": -36, "snr": 10.5, "context": "E3OWOQ=="}
        ],
        "txInfo": {"frequency": 867100000, "modulation": {"lora": {"bandwidth": 125000, "spreadingFactor": 11}}},
        **more,
    }


def topic(event: str = "up", eui: str = EUI) -> str:
    return f"application/{APPLICATION}/device/{eui}/event/{event}"


def bench(kind: str, codec: str = "", *, part: str = "", **options: str) -> Bench:
    if codec:
        options["codec"] = codec
    return Bench(CHIRPSTACK, device(f"{EUI}#{part}" if part else EUI, kind, id="d", **options))


def up(gear: Bench, data: str | None = None, **more: Any) -> Heard:
    return gear.hear(topic(), message(data, **more))


# --- the nodes' bytes, as their makers print them -----------------------------------------------------------------

PRINTED = [
    # kind, codec, part, bytes, what must be among the metrics, events
    ("sos_button", "WS101", "", "017510 FF2E01", {"battery": 16}, ["press"]),
    ("sos_button", "WS101", "", "FF2E02", {}, ["long_press"]),
    ("sos_button", "WS101", "", "FF2E03", {}, ["press"]),
    ("service_button", "WS101", "", "FF2E01", {}, ["plumbing"]),
    ("service_button", "WS101", "", "FF2E03", {}, ["drain"]),
    ("service_button", "WS101", "", "FF2E02", {}, ["cancel"]),
    ("motion", "WS202", "", "017510 030001 040000", {"battery": 16, "occupied": 1}, ["motion"]),
    ("contact", "WS301", "", "017564 030001 040001", {"open": 1, "tampered": 1}, ["opened", "tamper"]),
    ("contact", "WS301", "", "030000 040000", {"open": 0, "tampered": 0}, []),
    ("leak", "WS303", "", "017564 030001", {"alarm": 1}, ["leak"]),
    ("leak", "WS303", "", "017564 030000", {"alarm": 0}, []),
    ("contact", "EM300-MCS", "", "01755C 03673401 046865 060001", {"temperature": 30.8, "open": 1}, ["opened"]),
    ("leak", "EM300-SLD", "", "01755C 03673401 046865 050000", {"temperature": 30.8, "alarm": 0}, []),
    ("leak", "EM300-ZLD", "", "050001", {"alarm": 1}, ["leak"]),
    ("leak", "EM300-MLD", "", "01755C 050000", {"battery": 92, "alarm": 0}, []),
    ("environment", "EM300-TH", "", "01755C 03673401 046865", {"temperature": 30.8, "humidity": 50.5}, []),
    ("waste_bin", "EM310-UDL", "", "01755C 03824408 040001", {"distance": 2116, "tilted": 1}, ["tilted"]),
    (
        "waste_bin",
        "EM400-TLD",
        "",
        "01755C 03670101 04824408 050001",
        {"battery": 92, "temperature": 25.7, "distance": 2116, "tilted": 1},
        ["tilted"],
    ),
    ("waste_bin", "EM400-MUD", "", "8367e80001 8482410601", {"temperature": 23.2, "distance": 1601}, []),
    ("environment", "AM102", "", "017564 03671801 04686D", {"temperature": 28.0, "humidity": 54.5}, []),
    ("environment", "AM103", "", "017564 03671801 04686D 077DC501", {"co2": 453}, []),
    (
        "environment",
        "AM107",
        "",
        "01755C 03673401 046865 056A4900 06651C0079001400 077DE704 087D0700 09733F27",
        {"co2": 1255, "tvoc": 7, "pressure": 1004.7, "illuminance": 28},
        [],
    ),
    (
        "environment",
        "AM319",
        "",
        "0367EE00 04687C 050001 06CB02 077DA803 087D2500 09736627 0A7D0700 0B7D2000 0C7D3000",
        {"temperature": 23.8, "humidity": 62, "co2": 936, "pressure": 1008.6, "pm25": 32, "pm10": 48},
        [],
    ),
    ("traffic_counter", "VS121", "", "05CC02000100", {"count_in": 2, "count_out": 1}, []),
    ("presence", "VS370", "", "017564030001040000", {"battery": 100, "occupied": 1}, ["entered"]),
    (
        "plug",
        "WS523",
        "",
        "087001 05812C 07C94A00 03743009 068309660000 048007000000",
        {"powered": 1, "current": 0.074, "voltage": 235.2, "energy": 26.121, "power": 7},
        ["switched_on"],
    ),
    ("valve", "UC511", "1", "01755C 030100 04C805000000", {"battery": 92, "open": 0}, []),
    ("valve", "UC511", "2", "030100 050101", {"open": 1}, ["opened"]),
    ("gas", "GS101", "", "058E01 060101", {"alarm": 1}, ["gas"]),
    ("valve", "GS101", "", "058E01 060100", {"open": 0}, []),
    ("contact", "LDS02", "", "8BB8 01 000005 000003 00", {"battery_voltage": 3.0, "open": 1}, ["opened"]),
    ("leak", "LWL02", "", "4BB8 02 000001 000000 00", {"battery_voltage": 3.0, "alarm": 1}, ["leak"]),
    ("environment", "cayenne", "", "03 67 01 10 05 67 00 FF", {"temperature": 27.2}, []),
    ("environment", "cayenne", "", "01 67 FF D7", {"temperature": -4.1}, []),
    (
        "tracker",
        "cayenne",
        "",
        "01 88 06 76 5F F2 96 0A 00 03 E8",
        {"latitude": 42.3519, "longitude": -87.9094, "altitude": 10.0},
        [],
    ),
]


@pytest.mark.parametrize(("kind", "codec", "part", "data", "metrics", "events"), PRINTED)
def test_bytes_as_the_makers_print_them(
    kind: str, codec: str, part: str, data: str, metrics: dict[str, float], events: list[str]
) -> None:
    heard = up(bench(kind, codec, part=part), data)
    assert not heard.faults
    assert heard.metrics == heard.metrics | {key: pytest.approx(value) for key, value in metrics.items()}
    assert [event for event in heard.events if event != "online"] == events


def test_dragino_s_other_layouts_say_door_leak_press_and_battery() -> None:
    door = bench("contact", "LDS03A", part="2")
    opened = bytes([0x00, 0, 0, 1, 0, 0, 0]) + (START_MS // 1000).to_bytes(4, "big") + bytes([0x01, 0, 0, 2, 0, 0, 0])
    assert "opened" in up(door, opened.hex(), fPort=2).events
    assert up(door, "0A010001FF0BB8", fPort=5).metrics["battery_voltage"] == 3.0
    leak = up(bench("leak", "WL03A-LB"), "03 000001 000000 66A85E2E", fPort=2)
    assert "leak" in leak.events
    press = up(bench("sos_button", "PB01"), "0C50 00 01 00FA 01C2", fPort=2)
    assert "press" in press.events
    assert press.metrics["battery_voltage"] == pytest.approx(3.152)
    rest = up(bench("sos_button", "PB01"), "0C50 00 00 00FA 01C2", fPort=2)
    assert rest.events == ["online"]


def test_a_mode_that_does_not_watch_the_door_says_nothing_of_it() -> None:
    heard = up(bench("contact", "LDS02"), "8BB8 02 000001 000000 00")
    assert "open" not in heard.metrics
    assert heard.metrics["battery_voltage"] == 3.0


def test_every_codec_has_a_map_for_each_of_its_kinds() -> None:
    for codec in CODECS.values():
        assert set(codec.kinds) <= set(MAPS[codec.maps]), codec.key
        assert set(codec.kinds) <= set(CHIRPSTACK.kinds), codec.key


# --- what stands around the bytes -----------------------------------------------------------------------------------


def test_an_uplink_has_the_server_s_time_and_name_and_the_best_gateway_s_signal() -> None:
    weak = {"gatewayId": "0016c001f153a14c", "rssi": -110, "snr": -7.2}
    strong = {"gatewayId": "0016c001f153a14d", "rssi": -80, "snr": 9.0}
    said = message("FF2E01", rxInfo=[weak, strong, {"gatewayId": "junk"}, 3])
    heard = bench("sos_button", "WS101").hear(topic(), said)
    _, press = heard.observations
    assert press.message_id == f"d:{said['deduplicationId']}"
    assert press.observed_at_ms == 1_790_000_005_775
    assert press.lane is Lane.URGENT
    assert press.metrics == {"rssi": -80, "snr": 9.0}
    assert press.data == {"pressed": "short", "f_cnt": 10, "gateway": "0016c001f153a14d"}


def test_a_signal_as_strong_as_the_noise_has_no_snr_in_the_json_and_is_zero() -> None:
    heard = up(bench("leak", "WS303"), "030000", rxInfo=[{"gatewayId": "0016c001f153a14c", "rssi": -120}])
    assert heard.metrics["snr"] == 0


def test_the_same_uplink_delivered_twice_is_one_press_and_the_next_one_is_another() -> None:
    gear, said = bench("sos_button", "WS101"), message("FF2E01")
    events = [event for _ in range(2) for event in gear.hear(topic(), said, after_ms=0).events]
    assert events == ["online", "press"]
    assert gear.hear(topic(), message("FF2E01"), after_ms=100).events == ["press"]


def test_a_state_said_again_is_no_event() -> None:
    gear = bench("leak", "WS303")
    assert "leak" in up(gear, "030001").events
    assert up(gear, "030001").events == []
    assert up(gear, "030000").events == ["leak_cleared"]


def test_an_uplink_without_bytes_only_says_that_the_node_is_there() -> None:
    heard = up(bench("leak", "WS303"), None, fPort=0)
    assert heard.events == ["online"] and not heard.faults


def test_status_tells_the_battery_and_mains_have_none() -> None:
    gear = bench("leak", "WS303")
    status = {"margin": 7, "externalPowerSource": False, "batteryLevelUnavailable": False, "batteryLevel": 75.3}
    base = {key: message()[key] for key in ("deduplicationId", "time", "deviceInfo")}
    assert gear.hear(topic("status"), base | status).metrics == {"battery": 75.3}
    # Zeros may be left out of the JSON: a battery level that is not there is 0.
    assert gear.hear(topic("status"), base | {"margin": 7, "deduplicationId": "b"}).metrics == {"battery": 0}
    for nothing in ({"externalPowerSource": True}, {"batteryLevelUnavailable": True}):
        assert gear.hear(topic("status"), base | status | nothing).metrics == {}


def test_a_join_shares_its_name_with_the_uplink_it_came_in_and_hides_nothing() -> None:
    gear, said = bench("contact", "WS301"), message("030001")
    assert gear.hear(topic("join"), {key: said[key] for key in ("deduplicationId", "time", "deviceInfo")}).events == [
        "online"
    ]
    assert gear.hear(topic(), said).events == ["opened"]


@pytest.mark.parametrize("event", ["txack", "location", "integration"])
def test_what_concerns_nobody(event: str) -> None:
    heard = bench("contact", "WS301").hear(topic(event), message())
    assert not heard.observations and not heard.faults and not heard.announced


# --- decoded by the server ---------------------------------------------------------------------------------------


def test_an_object_of_the_maker_s_decoder_goes_through_the_same_table() -> None:
    old = up(bench("contact", "WS301"), None, object={"battery": 100, "door": "open", "install": "no"})
    assert old.events == ["online", "opened", "tamper"]
    nested = up(bench("sos_button", "WS101"), None, object={"button_event": {"status": "long press", "msgid": 1}})
    assert nested.events == ["online", "long_press"]
    dragino = up(bench("contact", "LDS02"), None, object={"BatV": 2.9, "door_open_status": 1})
    assert dragino.events == ["online", "opened"] and dragino.metrics["battery_voltage"] == 2.9


def test_an_object_that_knows_less_than_the_bytes_hides_no_press() -> None:
    assert "press" in up(bench("sos_button", "WS101"), "017510 FF2E01", object={"battery": 16}).events


def test_without_a_codec_the_object_s_fields_count_by_name_and_by_the_device_s_options() -> None:
    named = up(bench("environment"), "00", object={"temperature": 21.5, "humidity": 40, "unknown": "x"})
    assert named.metrics == named.metrics | {"temperature": 21.5, "humidity": 40}
    gear = bench("contact", metrics='open: Status == "OPEN"\nbattery: Volt / 3.6 * 100')
    heard = up(gear, "00", object={"Status": "OPEN", "Volt": 1.8})
    assert "opened" in heard.events and heard.metrics["battery"] == 50


def test_options_count_before_the_codec_and_say_which_service_a_button_calls() -> None:
    gear = bench("service_button", "WS101", events='housekeeping: press == "double"\ndrain: press == "never"')
    assert up(gear, "FF2E03").events == ["online", "housekeeping"]
    assert up(gear, "FF2E01").events == ["plumbing"], "what the options do not name is as it was"
    both = bench("sos_button", "WS101", events="low_battery: battery < 20")
    assert up(both, "017510 FF2E01").events == ["online", "press", "low_battery"], "no option hides a press"
    inverted = bench("contact", "cayenne", metrics='open: digitalInput["1"] == 0')
    assert "opened" in up(inverted, "01 00 00").events


def test_a_wrong_option_names_itself_and_the_node_is_still_there() -> None:
    for options, field in (({"metrics": "open Status"}, "metrics"), ({"events": "pressed: x == 1"}, "pressed")):
        heard = up(bench("contact", "WS301", **options), "030001")
        assert heard.events == ["online"]
        assert field in heard.faults[0].field and heard.faults[0].device == "d"
    heard = up(bench("contact", "WS999"), "030001")
    assert heard.faults[0].field == "options: codec" and "WS999" in heard.faults[0].hint
    heard = up(bench("smoke", "WS301"), "030001")
    assert "contact" in heard.faults[0].hint


def test_bytes_that_nobody_can_read_are_kept_with_the_reason() -> None:
    (fault,) = up(bench("contact"), "030001").faults
    assert fault.reason == "malformed" and "codec" in fault.hint and fault.device == "d"
    (fault,) = bench("contact", "WS301").hear(topic(), message() | {"data": "%%%"}).faults
    assert "base64" in fault.hint


# --- traps of the formats ---------------------------------------------------------------------------------------


def test_a_channel_the_table_does_not_know_ends_the_reading_and_what_stood_before_it_counts() -> None:
    heard = up(bench("contact", "WS301"), "017564 030001 7700FF 040001")
    assert "opened" in heard.events and "tampered" not in heard.metrics
    assert "byte 6" in heard.faults[0].hint and "7700" in heard.faults[0].hint


def test_a_value_the_table_does_not_know_is_neither_open_nor_closed() -> None:
    heard = up(bench("contact", "WS301"), "030007")
    assert "open" not in heard.metrics
    assert "magnet_status is 7" in heard.faults[0].hint


def test_a_cut_off_channel_is_reported() -> None:
    heard = up(bench("waste_bin", "EM400-TLD"), "01755C 048244")
    assert heard.metrics["battery"] == 92
    assert "cut off" in heard.faults[0].hint


def test_a_valve_s_word_that_it_took_a_command_does_not_say_where_it_is() -> None:
    heard = up(bench("valve", "UC511", part="1"), "0301FF")
    assert "open" not in heard.metrics and not heard.faults


def test_the_relay_bit_of_a_plug_is_not_confused_by_its_other_bits() -> None:
    assert up(bench("plug", "WS523"), "087011").metrics["powered"] == 1
    assert up(bench("plug", "WS523"), "087010").metrics["powered"] == 0


def test_a_fall_is_not_hidden_by_a_second_alarm_in_the_same_uplink() -> None:
    gear = bench("presence", "VS373")
    heard = up(gear, "06FB0100000100 06FB0200020100")
    assert "fall" in heard.events
    assert "fall_cleared" in up(gear, "06FB0100000200").events


def test_the_two_readings_of_a_radar_s_alarm_both_count() -> None:
    assert "fall" in up(bench("presence", "VS373"), "06FB0100000000").events
    assert "fall" in up(bench("presence", "VS373"), "03F8040005000500").events


def test_power_and_age_of_a_gas_detector_are_no_word_on_its_fault() -> None:
    gear = bench("gas", "GS101")
    assert "fault" in up(gear, "FF3F02").events
    assert "faulty" not in up(gear, "FF3F01").metrics
    assert up(gear, "FF3F03").metrics["faulty"] == 0


# --- what a node had kept -------------------------------------------------------------------------------------------


def kept(at_ms: int, leak: bool) -> str:
    return "20CE" + (at_ms // 1000).to_bytes(4, "little").hex() + "1001" + "5D" + f"{leak:02x}"


def test_a_leak_that_nobody_heard_is_told_late_and_its_end_follows() -> None:
    gear = bench("leak", "EM300-SLD")
    up(gear, "050000", time="2026-09-21T10:00:00Z")
    late = START_MS - 1_800_000
    heard = up(gear, kept(late, True) + "050000", time="2026-09-21T14:13:25Z")
    assert heard.events == ["leak", "leak_cleared"]
    assert heard.observations[0].observed_at_ms == late
    assert heard.observations[0].data["kept"] is True


def test_a_record_that_comes_after_the_node_was_heard_again_is_told_too() -> None:
    gear = bench("leak", "EM300-SLD")
    up(gear, "050000", time="2026-09-21T14:13:25Z")
    assert up(gear, kept(START_MS - 7_200_000, True), time="2026-09-21T14:13:30Z").events == ["leak"]
    ended = up(gear, kept(START_MS - 3_600_000, False), time="2026-09-21T14:13:35Z")
    assert ended.events == ["leak_cleared"] and ended.metrics["temperature"] == 27.2


def test_a_leak_whose_end_was_never_recorded_ends_with_the_next_live_word() -> None:
    gear = bench("leak", "EM300-SLD")
    up(gear, "050000", time="2026-09-21T14:13:25Z")
    assert up(gear, kept(START_MS - 7_200_000, True), time="2026-09-21T14:13:30Z").events == ["leak"]
    assert up(gear, "050000", time="2026-09-21T14:23:30Z").events == ["leak_cleared"]
    assert up(gear, "050000", time="2026-09-21T14:33:30Z").events == []


def test_what_was_heard_at_the_time_is_no_news_though_the_node_heard_no_answer() -> None:
    gear = bench("leak", "EM300-SLD")
    assert "leak" in up(gear, "050001", time="2026-09-21T14:13:25Z").events
    up(gear, "050000", time="2026-09-21T14:15:25Z")
    heard = up(gear, kept(START_MS + 5000, True), time="2026-09-21T14:16:00Z")
    assert heard.events == [] and heard.metrics["temperature"] == 27.2
    assert up(gear, "050000", time="2026-09-21T14:26:00Z").events == []


def test_a_node_without_a_clock_does_not_lose_its_leak() -> None:
    gear = bench("leak", "EM300-SLD")
    up(gear, "050000", time="2026-09-21T14:13:25Z")
    heard = up(gear, kept(86_400_000, True) + "050000", time="2026-09-21T14:14:00Z")
    assert heard.events == ["leak", "leak_cleared"]


def test_a_press_from_a_button_s_log_counts_unless_the_network_had_confirmed_it() -> None:
    at = (START_MS // 1000 - 600).to_bytes(4, "big").hex()
    entry = "00FA 01C2 00FA {:02x}" + at
    unconfirmed, confirmed = entry.format(0x81), entry.format(0x01)
    assert "press" in up(bench("sos_button", "PB01"), unconfirmed, fPort=3).events
    assert up(bench("sos_button", "PB01"), confirmed, fPort=3).events == ["online"]


# --- strangers ------------------------------------------------------------------------------------------------------


def test_a_stranger_is_announced_with_the_kind_its_profile_s_name_tells() -> None:
    heard = Bench(CHIRPSTACK).hear(topic(), message("030001"))
    (stranger,) = heard.announced
    assert (stranger.address, stranger.kind, stranger.vendor, stranger.model) == (EUI, "contact", "Milesight", "WS301")
    assert stranger.name == "door of flat 501" and stranger.heard
    assert not Bench(CHIRPSTACK).hear(topic("join"), message()).announced[0].heard


def test_the_label_s_large_letters_are_the_same_address() -> None:
    gear = Bench(CHIRPSTACK, device(EUI.upper(), "contact", id="d", codec="WS301"))
    assert "opened" in up(gear, "030001").events


# --- commands ---------------------------------------------------------------------------------------------------------


def test_a_valve_is_shut_and_its_position_answers() -> None:
    gear = bench("valve", "UC511", part="1")
    up(gear, "030101")
    order = gear.order("d", "close")
    (sent,) = order.publications
    body = json.loads(sent.payload)
    assert sent.topic == f"application/{APPLICATION}/device/{EUI}/command/down"
    assert (body["devEui"], body["fPort"], body["confirmed"]) == (EUI, 85, True)
    assert base64.b64decode(body["data"]).hex() == "ff1d0000" + "00" * 7
    assert order.confirm == {"open": 0}
    heard = up(gear, "030100")
    assert heard.events == ["closed", "command_result"]
    assert heard.observations[-1].data == {"id": "c-close", "ok": True}


@pytest.mark.parametrize(
    ("kind", "codec", "part", "command", "data"),
    [
        ("valve", "UC511", "2", "open", "ff1d2100" + "00" * 7),
        ("valve", "GS101", "", "close", "060000ff"),
        ("valve", "GS101", "valve", "open", "060001ff"),
        ("plug", "WS523", "", "switch_on", "0801ffff"),
        ("plug", "WS523", "", "switch_off", "0800ffff"),
    ],
)
def test_commands_in_the_makers_bytes(kind: str, codec: str, part: str, command: str, data: str) -> None:
    gear = bench(kind, codec, part=part)
    up(gear, None)
    (sent,) = gear.order("d", command).publications
    assert base64.b64decode(json.loads(sent.payload)["data"]).hex() == data


def test_the_same_command_is_the_same_item_of_the_queue_and_it_expires() -> None:
    gear = bench("valve", "GS101")
    up(gear, None)
    node = gear.book.devices[0]
    command = Command(v=1, id="one", command="close", expires=1_790_000_060_000)
    first, again = (json.loads(gear.gear.order(node, command, START_MS).publications[0].payload) for _ in range(2))
    assert first == again
    assert first["expiresAt"] == "2026-09-21T14:14:20.000Z"
    other = Command(v=1, id="two", command="close")
    assert json.loads(gear.gear.order(node, other, START_MS).publications[0].payload)["id"] != first["id"]


def test_a_node_that_does_not_acknowledge_answers_no_and_an_acknowledgement_alone_is_not_yes() -> None:
    gear = bench("valve", "GS101")
    up(gear, None)
    item = json.loads(gear.order("d", "close").publications[0].payload)["id"]
    base = {key: message()[key] for key in ("deduplicationId", "time", "deviceInfo")}
    assert gear.hear(topic("ack"), base | {"queueItemId": item, "acknowledged": True}).events == []
    heard = gear.hear(topic("ack"), base | {"queueItemId": item, "acknowledged": False})
    (answer,) = heard.observations
    assert answer.event == "command_result"
    assert answer.data["id"] == "c-close" and answer.data["ok"] is False and answer.data["error"]


def test_a_command_that_the_server_gave_up_is_answered_from_its_log() -> None:
    gear = bench("valve", "GS101")
    up(gear, None)
    item = json.loads(gear.order("d", "close").publications[0].payload)["id"]
    line = {
        "level": "ERROR",
        "code": "EXPIRED",
        "description": "Device queue-item discarded because it has expired",
        "context": {"queue_item_id": item},
    }
    (answer,) = gear.hear(topic("log"), line).observations
    assert answer.data["ok"] is False and "expired" in str(answer.data["error"])


def test_warnings_of_the_server_are_kept_with_advice_and_repeats_are_not() -> None:
    gear = bench("contact", "WS301")
    line = {"level": "ERROR", "code": "UPLINK_F_CNT_RESET", "description": "Frame-counter reset", "context": {}}
    (fault,) = gear.hear(topic("log"), line).faults
    assert fault.reason == "gear_error" and "join" in fault.hint and fault.device == "d"
    assert not gear.hear(topic("log"), line | {"code": "UPLINK_F_CNT_RETRANSMISSION"}).faults
    assert not gear.hear(topic("log"), line | {"level": "INFO"}).faults


def test_what_a_node_cannot_do_is_refused_with_the_reason() -> None:
    gear = bench("valve", "UC511")
    up(gear, None)
    with pytest.raises(Refusal, match="#1 or #2"):
        gear.order("d", "close")
    with pytest.raises(Refusal, match="cannot do it"):
        bench("valve", "WS301").order("d", "close")
    with pytest.raises(Refusal, match=r"base of the bridge"):
        bench("valve", "GS101").order("d", "close")
    named = Bench(CHIRPSTACK, device(EUI, "valve", id="d", codec="GS101"), base="application/abc")
    assert named.order("d", "close").publications[0].topic == f"application/abc/device/{EUI}/command/down"


def test_remembered_commands_are_bounded() -> None:
    gear = bench("valve", "GS101")
    up(gear, None)
    for number in range(MAX_COMMANDS + 50):
        gear.gear.order(gear.book.devices[0], Command(v=1, id=f"{number}", command="close"), START_MS)
    assert len(gear.gear._commands) == MAX_COMMANDS  # type: ignore[attr-defined]


# --- anything ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "topic", ["application/x/device/y/up", "application/x/y/z/device/y/event/up", "", "a/b/c/d/e/f"]
)
def test_another_topic_is_refused(topic: str) -> None:
    with pytest.raises(Refusal, match="wrong_topic"):
        bench("contact", "WS301").hear(topic, message())


@given(port=st.integers(0, 255), data=st.binary(max_size=300))
def test_no_bytes_make_a_codec_raise(port: int, data: bytes) -> None:
    for codec in CODECS.values():
        decoded = codec.decode(port, data)
        assert len(decoded.fields) <= 300 and len(decoded.history) <= 300


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=10,
)


@given(
    event=st.sampled_from(["up", "join", "status", "ack", "log", "txack"]) | st.text(max_size=10),
    changes=st.dictionaries(
        st.sampled_from(
            [
                "deduplicationId",
                "time",
                "deviceInfo",
                "fCnt",
                "fPort",
                "data",
                "object",
                "rxInfo",
                "batteryLevel",
                "level",
            ]
        ),
        _JSON,
    ),
    raw=st.none() | st.binary(max_size=100),
    codec=st.sampled_from(["", *CODECS]),
)
def test_no_message_makes_it_raise_anything_but_a_refusal(
    event: str, changes: dict[str, Any], raw: bytes | None, codec: str
) -> None:
    payload = raw if raw is not None else json.dumps(message("030001") | changes).encode()
    book = Book([device(EUI, CODECS[codec].kinds[0] if codec else "contact", codec=codec)])
    gear = bench("contact", "WS301").gear
    try:
        gear.receive(Incoming(source=topic(event), payload=payload, received_at_ms=START_MS), book)
    except Refusal as refusal:
        assert refusal.field and refusal.hint
