"""Shelly Gen2 and later: frames of shelly-api-docs.shelly.cloud/gen2 and recordings of its users, and the traps."""

from __future__ import annotations

import json

from devices.profiles import PROFILES
from firmware_sim.gear.shelly import SimShelly
from firmware_sim.mqtt_device import Broker
from tests.support.gear import START_MS, Bench, device

SHELLY = PROFILES["shelly"]
MINI = "shelly1minig3-54320464a1d0"
TS = START_MS / 1000


def frame(method: str, source: str = MINI, **params: object) -> str:
    return json.dumps({"src": source, "dst": f"{source}/events", "method": method, "params": params})


def test_a_relay_that_was_switched() -> None:
    """Recorded from a Shelly 1 Mini Gen3."""
    side = Bench(SHELLY, device(MINI, "plug"))
    said = (
        '{"src":"shelly1minig3-54320464a1d0","dst":"shelly1minig3-54320464a1d0/events","method":"NotifyStatus","params":'
        '{"ts":1736603810.49,"switch:0":{"id":0,"output":true,"source":"HTTP_in"}}}'
    )
    heard = side.hear(f"{MINI}/events/rpc", said)
    assert (heard.events, heard.metrics) == (["switched_on"], {"powered": 1.0, "faulty": 0.0})
    cloud = frame("NotifyStatus", ts=1736604020.06, cloud={"connected": True})
    assert side.hear(f"{MINI}/events/rpc", cloud).observations == []


def test_measurements_of_a_socket_in_the_units_of_its_kind() -> None:
    """shelly-api-docs, Switch: aenergy in watt-hours, temperature as tC."""
    side = Bench(SHELLY, device("plug", "plug"))
    status = {"id": 0, "output": True, "apower": 8.9, "voltage": 237.5, "current": 0.063, "aenergy": {"total": 6532.0},
              "temperature": {"tC": 56.3, "tF": 133.4}}  # fmt: skip
    heard = side.hear("plug/events/rpc", frame("NotifyStatus", "plug", **{"switch:0": status}))
    assert heard.metrics == {
        "powered": 1.0, "power": 8.9, "voltage": 237.5, "current": 0.063, "energy": 6.532, "temperature": 56.3,
        "faulty": 0.0,
    }  # fmt: skip


def test_an_error_of_a_relay_is_a_fault_until_it_is_on_again() -> None:
    side = Bench(SHELLY, device("p", "plug"))
    said = [
        side.hear("p/events/rpc", frame("NotifyStatus", "p", **{"switch:0": {"id": 0, **status}})).events
        for status in (
            {"output": False, "errors": ["overpower"]},
            {"apower": 0.0},
            {"output": True},
            {"output": False, "errors": ["overtemp"]},
        )
    ]
    assert said == [["fault"], [], ["switched_on"], ["switched_off", "fault"]]


def test_everything_of_a_sleeping_sensor_at_once() -> None:
    """Recorded from a Shelly Plus H&T."""
    side = Bench(SHELLY, device("shellyplusht-b8d61a8b17cc", "environment"))
    said = frame(
        "NotifyFullStatus", "shellyplusht-b8d61a8b17cc", ts=1680962879.62, ble={}, cloud={"connected": False},
        **{
            "devicepower:0": {"id": 0, "battery": {"V": 0.43, "percent": 0}, "external": {"present": True}},
            "humidity:0": {"id": 0, "rh": 42.2}, "mqtt": {"connected": True},
            "sys": {"mac": "B8D61A8B17CC", "time": None, "unixtime": None, "uptime": 3},
            "temperature:0": {"id": 0, "tC": 19.8, "tF": 67.6}, "wifi": {"ssid": "winos", "rssi": -48},
        },
    )  # fmt: skip
    assert side.hear("shellyplusht-b8d61a8b17cc/events/rpc", said).metrics == {
        "battery": 0.0, "battery_voltage": 0.43, "rssi": -48.0, "uptime": 3.0, "temperature": 19.8, "humidity": 42.2,
    }  # fmt: skip


def test_a_push_is_a_press_and_its_edges_are_none() -> None:
    side = Bench(SHELLY, device("i4", "sos_button"), device("i4#1", "service_button"))

    def push(number: int, event: str, ts: float) -> list[str]:
        one = {"component": f"input:{number}", "id": number, "event": event, "ts": ts}
        return side.hear("i4/events/rpc", frame("NotifyEvent", "i4", ts=ts, events=[one])).events

    assert [push(0, event, TS) for event in ("btn_down", "btn_up", "single_push")] == [[], [], ["press"]]
    assert push(0, "single_push", TS) == []  # the same message again
    assert push(0, "single_push", TS + 4) == ["press"]
    assert push(0, "long_push", TS + 8) == ["long_press"]
    assert [push(1, event, TS) for event in ("single_push", "double_push", "triple_push", "long_push")] == [
        ["plumbing"], ["drain"], ["housekeeping"], ["cancel"],
    ]  # fmt: skip


def test_a_push_before_its_clock_is_set_is_never_lost() -> None:
    """Without a time server ts is null, or counts from the start: the same after every start."""
    side = Bench(SHELLY, device("i4", "sos_button"))
    for ts in (None, 3.5, 3.5):
        one = {"component": "input:0", "id": 0, "event": "single_push", "ts": ts}
        heard = side.hear("i4/events/rpc", frame("NotifyEvent", "i4", ts=ts, events=[one]))
        assert heard.events == ["press"]
        assert heard.observations[0].observed_at_ms == heard.observations[0].received_at_ms


def test_a_button_by_bluetooth() -> None:
    """shelly-api-docs, BTHomeDevice: {"component":"bthomedevice:202","id":202,"event":"single_push","idx":1,"ts":…}."""
    side = Bench(SHELLY, device("gw#202", "sos_button"))
    one = {"component": "bthomedevice:202", "id": 202, "event": "single_push", "idx": 1, "ts": TS}
    assert side.hear("gw/events/rpc", frame("NotifyEvent", "gw", ts=TS, events=[one])).events == ["press"]
    status = {"bthomedevice:202": {"id": 202, "rssi": -70, "battery": 90}}
    assert side.hear("gw/events/rpc", frame("NotifyStatus", "gw", ts=TS, **status)).metrics == {
        "battery": 90.0,
        "rssi": -70.0,
    }


def test_doors() -> None:
    side = Bench(
        SHELLY, device("uni", "contact"), device("uni#100", "contact", id="other", reverse="yes"),
        device("gw#203", "contact", id="blu"),
    )  # fmt: skip
    closed = frame(
        "NotifyStatus", "uni", **{"input:0": {"id": 0, "state": True}, "input:100": {"id": 100, "state": False}}
    )
    opened = frame(
        "NotifyStatus", "uni", **{"input:0": {"id": 0, "state": False}, "input:100": {"id": 100, "state": True}}
    )
    assert side.hear("uni/events/rpc", closed).events == []
    assert [one.event for one in side.hear("uni/events/rpc", opened).observations] == ["opened", "opened"]
    window = frame("NotifyStatus", "gw", **{"bthomesensor:203": {"id": 203, "value": True}})
    assert side.hear("gw/events/rpc", window).events == ["opened"]


def test_smoke_flood_and_their_end() -> None:
    """shelly-api-docs, Smoke and Flood: alarm, mute."""
    side = Bench(SHELLY, device("s", "smoke"), device("f", "leak"))
    for name, who, events in (("smoke:0", "s", ["smoke", "smoke_cleared"]), ("flood:0", "f", ["leak", "leak_cleared"])):
        said = [
            side.hear(f"{who}/events/rpc", frame("NotifyStatus", who, **{name: {"id": 0, **status}})).events
            for status in ({"alarm": True, "mute": False}, {"mute": True}, {"alarm": False})
        ]
        assert [event for each in said for event in each] == events


def test_a_cord_on_an_input_that_holds() -> None:
    side = Bench(SHELLY, device("i4", "sos_button", input="switch"))
    pulled = frame("NotifyStatus", "i4", **{"input:0": {"id": 0, "state": True}})
    assert [side.hear("i4/events/rpc", pulled).events for _ in range(3)] == [["press"], [], []]


def test_presence_and_status_topics() -> None:
    side = Bench(SHELLY, device("p", "plug"), base="home")
    assert side.hear("home/p/online", "true", retained=True).events == ["online"]
    assert side.hear("home/p/online", "false").events == ["offline"]
    assert side.hear("home/p/status/switch:0", '{"id":0,"source":"HTTP","output":true}').events == ["switched_on"]
    heard = side.hear("home/p/status/wifi", '{"rssi":-60}')
    assert (heard.observations, heard.faults) == ([], [])


def test_a_command_is_answered_by_its_id_and_by_what_changed() -> None:
    """shelly-api-docs, RPC Protocol: the answer comes on <src>/rpc."""
    side = Bench(SHELLY, device("v#1", "valve"), device("s", "siren"), base="home")
    (close,) = side.order("valve-1", "close").publications
    assert close.topic == "home/v/rpc"
    assert json.loads(close.payload) == {
        "id": "c-close", "src": "home/anju-gear", "method": "Switch.Set", "params": {"id": 1, "on": False},
    }  # fmt: skip
    answer = {"id": "c-close", "src": "v", "dst": "home/anju-gear", "result": {"was_on": False}}
    (done,) = side.hear("home/anju-gear/rpc", answer).observations
    assert (done.event, done.data) == ("command_result", {"id": "c-close", "ok": True})
    (sound,) = side.order("siren-1", "sound", duration_s="180").publications
    assert json.loads(sound.payload)["params"] == {"id": 0, "on": True, "toggle_after": 180}
    refused = {"id": "c-sound", "src": "s", "error": {"code": -105, "message": "Argument 'id', value 0 not found!"}}
    (no,) = side.hear("home/anju-gear/rpc", refused).observations
    assert no.data == {"id": "c-sound", "ok": False, "error": "Argument 'id', value 0 not found!"}


def test_a_valve_that_is_shut_while_the_relay_is_on() -> None:
    side = Bench(SHELLY, device("v", "valve", reverse="yes"))
    assert json.loads(side.order("valve-1", "close").publications[0].payload)["params"] == {"id": 0, "on": True}
    said = frame("NotifyStatus", "v", **{"switch:0": {"id": 0, "output": True}})
    assert side.hear("v/events/rpc", said).metrics["open"] == 0


def test_strangers() -> None:
    side = Bench(SHELLY)
    said = frame("NotifyStatus", "shellyplussmoke-80646fd3a1b4", **{"smoke:0": {"id": 0, "alarm": False}})
    (one,) = side.hear("shellyplussmoke-80646fd3a1b4/events/rpc", said).announced
    assert (one.address, one.kind, one.vendor, one.model) == (
        "shellyplussmoke-80646fd3a1b4", "smoke", "Shelly", "shellyplussmoke",
    )  # fmt: skip


def test_the_simulated_shelly_says_the_same_for_the_same_seed() -> None:
    def said(seed: int) -> list[bytes]:
        gear = SimShelly(Broker("127.0.0.1", 1), seed=seed, clock=lambda: START_MS)
        gear.online = True
        gear.connected(START_MS)
        gear.act("shellyplusi4-a8032abe41fc#0", "press")
        return [one.payload for one in gear._out]

    assert said(1) == said(1) != said(2)
    assert [json.loads(one)["params"]["events"][0]["event"] for one in said(1)[-3:]] == [
        "btn_down",
        "btn_up",
        "single_push",
    ]
