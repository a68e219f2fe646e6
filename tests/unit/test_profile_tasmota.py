"""Tasmota: payloads of tasmota.github.io/docs (MQTT, JSON-Status-Responses, Buttons-and-Switches), and the traps."""

from __future__ import annotations

import pytest

from devices.observation import Lane, Refusal
from devices.profiles import PROFILES
from firmware_sim.gear.tasmota import SimTasmota
from firmware_sim.mqtt_device import Broker
from tests.support.gear import START_MS, Bench, device

TASMOTA = PROFILES["tasmota"]

# docs/DeepSleep.md, docs/Rules.md and docs/JSON-Status-Responses.md
STATE = (
    '{"Time":"2019-10-31T11:14:59","Uptime":"0T18:36:12","UptimeSec":66972,"Vcc":3.423,"Heap":28,"SleepMode":"Dynamic",'
    '"Sleep":50,"LoadAvg":19,"MqttCount":6,"POWER":"OFF","Wifi":{"AP":1,"SSId":"Tasmota","BSSId":"00:00:00:00:00:00",'
    '"Channel":13,"RSSI":100,"LinkCount":1,"Downtime":"0T00:00:06"}}'
)
STATE_WITH_SIGNAL = (
    '{"Time":"2021-06-27T15:03:44+02:00","Uptime":"0T00:00:13","UptimeSec":13,"Heap":28,"SleepMode":"Dynamic","Sleep":50,'
    '"LoadAvg":19,"MqttCount":1,"POWER":"ON","Wifi":{"AP":1,"SSId":"DEMOAP","BSSId":"XX:XX:XX:XX:XX:XX","Channel":1,'
    '"Mode":"11n","RSSI":86,"Signal":-57,"LinkCount":1,"Downtime":"0T00:00:07"}}'
)
ENERGY = (
    '{"Time":"2018-02-15T17:37:10","ENERGY":{"TotalStartTime":"2018-11-14T18:39:40","Total":6.294,"Yesterday":5.340,'
    '"Today":0.954,"Period":217,"Power":2635,"ApparentPower":2650,"ReactivePower":282,"Factor":0.99,"Voltage":227,'
    '"Current":11.661}}'
)


def test_a_socket_reports_its_state_and_its_meter() -> None:
    side = Bench(TASMOTA, device("pow1", "plug"))
    heard = side.hear("tele/pow1/STATE", STATE)
    assert heard.metrics == {"link_quality": 100.0, "uptime": 66972.0, "powered": 0.0}
    assert heard.events == []
    assert side.hear("tele/pow1/STATE", STATE_WITH_SIGNAL).metrics["rssi"] == -57.0
    assert side.hear("tele/pow1/SENSOR", ENERGY).metrics == {
        "power": 2635.0, "energy": 6.294, "voltage": 227.0, "current": 11.661,
    }  # fmt: skip


def test_the_same_change_said_twice_is_one() -> None:
    """docs/MQTT.md: stat/…/RESULT → {"POWER":"ON"} and stat/…/POWER → ON."""
    side = Bench(TASMOTA, device("tasmota_switch", "plug"))
    said = [
        side.hear("stat/tasmota_switch/RESULT", '{"POWER":"ON"}', after_ms=10).events,
        side.hear("stat/tasmota_switch/POWER", "ON", after_ms=2).events,
        side.hear("tele/tasmota_switch/STATE", STATE_WITH_SIGNAL).events,
        side.hear("stat/tasmota_switch/RESULT", '{"POWER":"OFF"}').events,
        side.hear("stat/tasmota_switch/POWER", "OFF", after_ms=2).events,
    ]
    assert said == [["switched_on"], [], [], ["switched_off"], []]


def test_each_relay_is_a_device_of_its_own() -> None:
    side = Bench(TASMOTA, device("4ch", "plug"), device("4ch#4", "siren"))
    heard = side.hear("tele/4ch/STATE", '{"POWER1":"OFF","POWER2":"ON","POWER3":"OFF","POWER4":"ON"}')
    assert [(one.device, one.event) for one in heard.observations] == [("plug-1", None), ("siren-1", "sounding")]
    assert [one.device for one in side.hear("stat/4ch/POWER4", "OFF").observations] == ["siren-1"]


@pytest.mark.parametrize("payload", ['{"Switch1":"ON"}', '{"Switch1":{"Action":"ON"}}'])
@pytest.mark.parametrize(
    ("kind", "event"),
    [("contact", "opened"), ("smoke", "smoke"), ("gas", "gas"), ("co", "co"), ("leak", "leak"), ("motion", "motion")],
)
def test_dry_contacts(payload: str, kind: str, event: str) -> None:
    """docs/Buttons-and-Switches.md: SwitchMode 15, and SetOption114."""
    topic = "tele/tasmota/SENSOR" if "Action" not in payload else "stat/tasmota/RESULT"
    side = Bench(TASMOTA, device("tasmota", kind))
    assert side.hear(topic, payload).events == [event]
    assert side.hear(topic, payload).events == []
    assert len(side.hear(topic, payload.replace("ON", "OFF")).events) == 1


def test_a_contact_that_is_wired_the_other_way_round() -> None:
    side = Bench(TASMOTA, device("t", "contact", reverse="yes"))
    assert side.hear("tele/t/SENSOR", '{"Switch1":"OFF"}').events == ["opened"]
    assert side.hear("tele/t/SENSOR", '{"Switch1":"ON"}').events == ["closed"]


def test_buttons() -> None:
    """docs/Buttons-and-Switches.md: SetOption73 1."""
    side = Bench(TASMOTA, device("t", "sos_button"), device("t#2", "service_button"))
    said = {
        action: side.hear("stat/t/RESULT", f'{{"Button1":{{"Action":"{action}"}}}}').events
        for action in ("SINGLE", "DOUBLE", "TRIPLE", "HOLD", "CLEAR")
    }
    assert said == {"SINGLE": ["press"], "DOUBLE": ["press"], "TRIPLE": ["press"], "HOLD": ["long_press"], "CLEAR": []}
    assert side.hear("stat/t/RESULT", '{"Button2":{"Action":"DOUBLE"}}').events == ["drain"]


def test_a_press_in_ones_despair_is_a_press_again_after_a_moment() -> None:
    side = Bench(TASMOTA, device("t", "sos_button"))
    payload = '{"Button1":{"Action":"SINGLE"}}'
    assert [side.hear("stat/t/RESULT", payload, after_ms=ms).events for ms in (0, 200, 1500)] == [
        ["press"],
        [],
        ["press"],
    ]


def test_a_cord_that_pulls_a_switch() -> None:
    side = Bench(TASMOTA, device("t", "sos_button"))
    assert side.hear("tele/t/SENSOR", '{"Switch1":"ON"}').events == ["press"]
    assert side.hear("tele/t/SENSOR", '{"Switch1":"ON"}').events == []


def test_what_the_broker_had_kept_raises_nothing() -> None:
    """SensorRetain and PowerRetain."""
    side = Bench(TASMOTA, device("t", "smoke"), device("t#2", "sos_button"))
    assert side.hear("tele/t/SENSOR", '{"Switch1":"ON"}', retained=True).events == []
    assert side.hear("stat/t/RESULT", '{"Button2":{"Action":"SINGLE"}}', retained=True).events == []
    assert side.hear("tele/t/SENSOR", '{"Switch1":"ON"}').events == ["smoke"], "said live, it burns now"


def test_presence() -> None:
    side = Bench(TASMOTA, device("t", "plug"))
    assert side.hear("tele/t/LWT", "Online").events == ["online"]
    assert side.hear("tele/t/LWT", "Offline").events == ["offline"]


def test_time_counts_where_it_says_which() -> None:
    side = Bench(TASMOTA, device("t", "environment"))
    zoned = '{"Time":"2026-09-21T22:12:00+08:00","AM2301":{"Temperature":21.4,"Humidity":50.1},"TempUnit":"C"}'
    (one,) = side.hear("tele/t/SENSOR", zoned).observations
    assert one.observed_at_ms == START_MS - 80_000
    local = '{"Time":"2026-09-21T22:12:00","DS18B20":{"Id":"030597946B04","Temperature":20.9},"TempUnit":"C"}'
    (one,) = side.hear("tele/t/SENSOR", local).observations
    assert one.observed_at_ms == one.received_at_ms and one.metrics == {"temperature": 20.9}


def test_degrees_that_are_not_celsius_are_left_out() -> None:
    side = Bench(TASMOTA, device("t", "environment"))
    assert side.hear("tele/t/SENSOR", '{"AM2301":{"Temperature":70.5,"Humidity":50},"TempUnit":"F"}').metrics == {
        "humidity": 50.0
    }


def test_a_zigbee_bridge_is_left_to_its_own_profile_and_answers_to_nobody() -> None:
    side = Bench(TASMOTA)
    received = '{"ZbReceived":{"0x7120":{"Device":"0x7120","Power":1,"Endpoint":1,"LinkQuality":229}}}'
    for topic, payload in (("tele/zb/SENSOR", received), ("stat/zb/STATUS8", "{}"), ("stat/zb/POWERONSTATE", "3")):
        heard = side.hear(topic, payload)
        assert (heard.announced, heard.faults, heard.observations) == ((), [], [])


def test_strangers() -> None:
    side = Bench(TASMOTA)
    assert [one.kind for one in side.hear("stat/new/RESULT", '{"Button1":{"Action":"SINGLE"}}').announced] == [
        "sos_button"
    ]
    (described,) = side.hear("tele/new/INFO1", '{"Info1":{"Module":"Athom Plug V2","Version":"14.4.1"}}').announced
    assert (described.heard, described.model, described.firmware) == (False, "Athom Plug V2", "14.4.1")


def test_commands() -> None:
    side = Bench(
        TASMOTA, device("4ch#2", "siren"), device("v", "valve", reverse="yes"), device("p", "plug"), base="home"
    )

    def sent(which: str, command: str, **args: str) -> list[tuple[str, bytes]]:
        return [(one.topic, one.payload) for one in side.order(which, command, **args).publications]

    assert sent("siren-1", "sound", duration_s="30") == [("home/cmnd/4ch/Backlog", b"PulseTime2 130; Power2 ON")]
    assert sent("siren-1", "sound") == [("home/cmnd/4ch/Backlog", b"PulseTime2 160; Power2 ON")]
    assert sent("siren-1", "silence") == [("home/cmnd/4ch/POWER2", b"OFF")]
    assert sent("valve-1", "close") == [("home/cmnd/v/POWER1", b"ON")]
    assert sent("plug-1", "switch_on") == [("home/cmnd/p/POWER1", b"ON")]
    assert side.hear("home/stat/p/RESULT", '{"POWER":"ON"}').events == ["switched_on", "command_result"]


def test_an_alarm_is_urgent_and_a_socket_is_not() -> None:
    side = Bench(TASMOTA, device("t", "smoke"), device("p", "plug"))
    assert side.hear("tele/t/SENSOR", '{"Switch1":"ON"}').observations[0].lane is Lane.URGENT
    assert side.hear("stat/p/POWER", "ON").observations[0].lane is Lane.ROUTINE


def test_what_is_no_json_says_so() -> None:
    with pytest.raises(Refusal, match="malformed") as caught:
        Bench(TASMOTA, device("t", "plug")).hear("tele/t/STATE", STATE[:-20])
    assert caught.value.expected == "JSON"


def test_the_simulated_node_says_the_same_for_the_same_seed() -> None:
    def said(seed: int) -> list[bytes]:
        gear = SimTasmota(Broker("127.0.0.1", 1), seed=seed, clock=lambda: START_MS)
        gear.online = True
        gear.connected(START_MS)
        gear.act("tasmota_smoke", "smoke")
        return [one.payload for one in gear._out]

    assert said(1) == said(1) != said(2)
    assert said(1)[-1] == b'{"Time":"2026-09-21T22:13:20","Switch1":"ON"}'
