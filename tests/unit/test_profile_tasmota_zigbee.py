"""Zigbee behind Tasmota: payloads of tasmota.github.io/docs/Zigbee and recordings of its users, and the traps."""

from __future__ import annotations

import json

import pytest

from devices.profiles import PROFILES
from firmware_sim.gear.tasmota_zigbee import SimTasmotaZigbee
from firmware_sim.mqtt_device import Broker
from tests.support.gear import START_MS, Bench, device

ZIGBEE = PROFILES["tasmota-zigbee"]
SENSOR = "tele/zigbee/SENSOR"


def received(**said: object) -> str:
    return json.dumps({"ZbReceived": {"0x8F20": {"Device": "0x8F20", **said, "Endpoint": 1, "LinkQuality": 88}}})


def test_contact_1_is_open() -> None:
    """The opposite of Zigbee2MQTT. A recording: an opened TS0203, its zone status 0x0001."""
    side = Bench(ZIGBEE, device("0xAA75", "contact"))
    opened = (
        '{"ZbReceived":{"0xAA75":{"Device":"0xAA75","0500?00":"010000010000","ZoneStatusChange":1,'
        '"ZoneStatusChangeZone":1,"Contact":1,"Endpoint":1,"LinkQuality":165}}}'
    )
    heard = side.hear(SENSOR, opened)
    assert heard.events == ["opened"]
    assert heard.metrics["link_quality"] == pytest.approx(64.96, abs=0.01)
    closed = (
        opened.replace("010000010000", "000000010000").replace(":1,", ":0,", 1).replace('"Contact":1', '"Contact":0')
    )
    assert side.hear(SENSOR, closed).events == ["closed"]


def test_movement() -> None:
    """A recording of an RH3040: "0500<00" as key, Occupancy."""
    side = Bench(ZIGBEE, device("0x221C", "motion"))
    moving = (
        '{"ZbReceived":{"0x221C":{"Device":"0x221C","0500<00":"010000010000","ZoneStatusChange":1,'
        '"ZoneStatusChangeZone":1,"Occupancy":1,"Endpoint":1,"LinkQuality":173}}}'
    )
    assert side.hear(SENSOR, moving).events == ["motion"]


@pytest.mark.parametrize(
    ("kind", "word", "events"),
    [
        ("smoke", "Fire", ["smoke", "smoke_cleared"]),
        ("leak", "Water", ["leak", "leak_cleared"]),
        ("co", "CO", ["co", "co_cleared"]),
        ("gas", "CO", ["gas", "gas_cleared"]),
        ("glass_break", "GlassBreak", ["glass_break", "glass_break_cleared"]),
    ],
)
def test_alarms(kind: str, word: str, events: list[str]) -> None:
    """docs/Zigbee.md, attributes 0x0500/FFF1 to FFF9."""
    side = Bench(ZIGBEE, device("0x8F20", kind))
    assert [event for value in (1, 1, 0) for event in side.hear(SENSOR, received(**{word: value})).events] == events


def test_bits_of_the_zone_beside_the_alarm() -> None:
    """Zigbee Cluster Library, table 8-5: tamper 0x0004, battery 0x0008, trouble 0x0040, test 0x0100."""
    side = Bench(ZIGBEE, device("0x8F20", "smoke"))
    assert side.hear(SENSOR, received(ZoneStatusChange=0x0004, Fire=0)).events == ["tamper"]
    assert side.hear(SENSOR, received(ZoneStatusChange=0x000C, Fire=0)).events == ["low_battery"]
    assert side.hear(SENSOR, received(ZoneStatusChange=0x004C, Fire=0)).events == ["fault"]
    heard = side.hear(SENSOR, received(ZoneStatusChange=0x014C, Fire=0))
    assert heard.events == ["self_test"] and heard.metrics["alarm"] == 0  # a test is no fire


def test_buttons() -> None:
    side = Bench(ZIGBEE, device("0x8F20", "sos_button"))
    assert side.hear(SENSOR, received(**{"0501!02": ""})).events == ["press"]  # IAS ACE, emergency: TS0215A
    assert side.hear(SENSOR, received(**{"0006!FD": "00"})).events == ["press"]
    assert side.hear(SENSOR, received(**{"0006!FD": "02"})).events == ["long_press"]
    assert side.hear(SENSOR, received(**{"0006!FD": "02"}), after_ms=300).events == []
    assert side.hear(SENSOR, received(PersonalAlarm=1)).events == ["press"]


def test_climate_and_battery() -> None:
    """docs/Zigbee.md: an Aqara climate sensor, by short address, by name as key, and under a topic of its own."""
    said = (
        '"Voltage": 2.995, "Battery": 98, "Temperature": 21.01, "Humidity": 53.68, "Pressure": 1004.04, '
        '"PressureUnit": "hPa", "Endpoint": 1, "LinkQuality": 88}}}'
    )
    expected = {"battery": 98.0, "battery_voltage": 2.995, "temperature": 21.01, "humidity": 53.68, "pressure": 1004.04}
    for topic, beginning in (
        (SENSOR, '{"ZbReceived": {"0x8F20": {"Name": "Kitchen", '),
        (SENSOR, '{"ZbReceived": {"Kitchen": {"Device": "0x8F20", '),
        ("tele/zigbee/8F20/SENSOR", '{"ZbReceived": {"Kitchen": {"Device": "0x8F20", '),
    ):
        side = Bench(ZIGBEE, device("Kitchen", "environment"))
        metrics = side.hear(topic, beginning + said).metrics
        assert {key: metrics[key] for key in expected} == expected
        side = Bench(ZIGBEE, device("0x8F20", "environment"))
        assert side.hear(topic, beginning + said).metrics["temperature"] == 21.01


def test_sockets_in_all_their_spellings() -> None:
    """docs/Zigbee.md: "Power":1 and "Power":true; 2 is "toggle", which a remote says."""
    side = Bench(ZIGBEE, device("0x8F20", "plug"))
    said = [side.hear(SENSOR, received(Power=value)).events for value in (0, 1, True, False, 2)]
    assert said == [[], ["switched_on"], [], ["switched_off"], []]


def test_a_device_with_two_endpoints() -> None:
    side = Bench(ZIGBEE, device("0x8F20#2", "plug"), device("other", "plug", id="other"))
    assert side.hear(SENSOR, received(Power=1)).announced[0].address == "0x8F20#1"
    second = received(Power=1).replace('"Endpoint": 1', '"Endpoint": 2')
    assert [one.device for one in side.hear(SENSOR, second).observations] == ["plug-1"]


def test_a_device_that_names_no_endpoint_is_all_of_them() -> None:
    side = Bench(ZIGBEE, device("Plug", "plug"))
    osram = '{"ZbReceived":{"0x8959":{"Device":"0x8959","Name":"Plug","Power":1,"Endpoint":3,"LinkQuality":147}}}'
    assert side.hear(SENSOR, osram).events == ["switched_on"]


def test_the_coordinator_and_what_it_says_of_itself() -> None:
    side = Bench(ZIGBEE, device("bridge", "concentrator"))
    assert side.hear("tele/zigbee/LWT", "Online").events == ["online"]
    assert side.hear("tele/zigbee/STATE", '{"UptimeSec":13,"Wifi":{"RSSI":86,"Signal":-57}}').metrics == {
        "uptime": 13.0,
        "rssi": -57.0,
    }
    state = '{"ZbState":{"Status":30,"IEEEAddr":"0x00158D00036B50AE","ShortAddr":"0x8F20","PowerSource":false}}'
    for topic in ("tele/zigbee/RESULT", SENSOR):
        heard = side.hear(topic, state)
        assert (heard.observations, heard.announced, heard.faults) == ([], (), [])
    assert side.hear("tele/zigbee/LWT", "Offline").events == ["offline"]


def test_strangers_with_what_the_coordinator_knows_of_them() -> None:
    """docs/Zigbee.md, ZbInfo."""
    side = Bench(ZIGBEE)
    info = (
        '{"ZbInfo":{"0x8959":{"Device":"0x8959","Name":"Plug","IEEEAddr":"0x7CB03EAA0A0292DD","ModelId":"Plug 01",'
        '"Manufacturer":"OSRAM","Endpoints":[3],"Power":0,"Reachable":false,"LinkQuality":147}}}'
    )
    (one,) = side.hear(SENSOR, info).announced
    assert (one.address, one.kind, one.vendor, one.model, one.heard) == ("Plug", "plug", "OSRAM", "Plug 01", False)
    assert side.hear(SENSOR, received(Contact=0)).announced[0].kind == "contact"


def test_commands() -> None:
    """docs/Zigbee.md: cmnd/…/ZbSend, {"Device":"0x1234","Send":{"Power":0}}; endpoint 0 is the device's first."""
    side = Bench(ZIGBEE, device("Ventil 1", "valve"), device("0x8F20#2", "plug"), base="zb7")
    (close,) = side.order("valve-1", "close").publications
    assert close.topic == "cmnd/zb7/ZbSend"
    assert json.loads(close.payload) == {"Device": "Ventil 1", "Endpoint": 0, "Send": {"Power": 0}}
    (on,) = side.order("plug-1", "switch_on").publications
    assert json.loads(on.payload) == {"Device": "0x8F20", "Endpoint": 2, "Send": {"Power": 1}}


def test_the_simulated_coordinator_says_the_same_for_the_same_seed() -> None:
    def said(seed: int) -> list[bytes]:
        gear = SimTasmotaZigbee(Broker("127.0.0.1", 1), seed=seed, clock=lambda: START_MS)
        gear.online = True
        gear.connected(START_MS)
        gear.act("501_contact", "open")
        return [one.payload for one in gear._out]

    assert said(1) == said(1) != said(2)
    assert b'"0500<00":"010000010000","ZoneStatusChange":1,"ZoneStatusChangeZone":1,"Contact":1,' in said(1)[-1]
