"""Shelly Gen1: topics of shelly-api-docs.shelly.cloud/gen1 and recordings of its users, and the traps."""

from __future__ import annotations

import json

import pytest

from devices.profiles import PROFILES
from firmware_sim.gear.shelly_gen1 import SimShellyGen1
from firmware_sim.mqtt_device import Broker
from tests.support.gear import START_MS, Bench, device

GEN1 = PROFILES["shelly-gen1"]
BUTTON = "shellies/shellybutton1-485519F00C7B/input_event/0"


def button() -> Bench:
    return Bench(GEN1, device("shellybutton1-485519F00C7B", "sos_button"))


@pytest.mark.parametrize(
    ("push", "event"), [("S", "press"), ("SS", "press"), ("SSS", "press"), ("L", "long_press"), ("SL", "long_press")]
)
def test_pushes(push: str, event: str) -> None:
    """Recorded from a Button1: {"event":"S","event_cnt":2}."""
    assert button().hear(BUTTON, f'{{"event":"{push}","event_cnt":2}}').events == [event]


def test_the_last_push_again_every_half_minute_is_no_push() -> None:
    """mqtt_update_period: 30 s, as it comes from the factory."""
    side = button()
    said = [side.hear(BUTTON, '{"event":"S","event_cnt":2}', after_ms=30_000).events for _ in range(4)]
    assert said == [["press"], [], [], []]
    assert side.hear(BUTTON, '{"event":"S","event_cnt":3}').events == ["press"]


def test_a_push_after_a_power_cut_is_never_taken_for_an_old_one() -> None:
    """The count begins anew, so the same count comes again."""
    side = button()
    side.hear(BUTTON, '{"event":"S","event_cnt":1}')
    assert side.hear(BUTTON, '{"event":"","event_cnt":0}').events == []
    assert side.hear(BUTTON, '{"event":"S","event_cnt":1}').events == ["press"]


def test_what_the_broker_kept_stays_over_when_the_button_says_it_again() -> None:
    side = button()
    assert side.hear(BUTTON, '{"event":"S","event_cnt":7}', retained=True).events == []
    assert side.hear(BUTTON, '{"event":"S","event_cnt":7}', after_ms=30_000).events == []
    assert side.hear(BUTTON, '{"event":"S","event_cnt":8}').events == ["press"]


def test_a_restart_of_the_gateway_makes_no_new_press_where_the_broker_keeps() -> None:
    side = button()
    side.hear(BUTTON, '{"event":"S","event_cnt":7}')
    side.restart(GEN1)
    assert side.hear(BUTTON, '{"event":"S","event_cnt":7}', retained=True).events == []
    assert side.hear(BUTTON, '{"event":"S","event_cnt":7}', after_ms=30_000).events == []


def test_a_press_that_could_not_be_written_down_is_heard_when_it_is_said_again() -> None:
    side = button()
    first = side.hear(BUTTON, '{"event":"S","event_cnt":7}').observations[0]
    assert first.event == "press"
    side.memories["sos_button-1"].doubt(first)  # the journal had refused it
    again = side.hear(BUTTON, '{"event":"S","event_cnt":7}', after_ms=30_000).observations[0]
    assert again.event == "press"


def test_the_state_of_an_input_is_a_press_only_where_a_cord_holds_it() -> None:
    topic = "shellies/shellyuni-1/input/0"
    assert Bench(GEN1, device("shellyuni-1", "sos_button")).hear(topic, "1").events == []
    side = Bench(GEN1, device("shellyuni-1", "sos_button", input="switch"))
    assert [side.hear(topic, value).events for value in ("1", "1", "0", "1")] == [["press"], [], [], ["press"]]


@pytest.mark.parametrize(
    ("kind", "name", "values", "events"),
    [
        ("contact", "state", ("close", "open", "open", "close"), ["opened", "closed"]),
        ("smoke", "smoke", ("false", "true", "true", "false"), ["smoke", "smoke_cleared"]),
        ("leak", "flood", ("false", "true", "false"), ["leak", "leak_cleared"]),
        ("gas", "gas", ("none", "mild", "heavy", "none"), ["gas", "gas_cleared"]),
        ("gas", "gas", ("none", "test", "none"), []),
        ("gas", "gas", ("mild", "unknown", "mild"), ["gas"]),
    ],
)
def test_detectors(kind: str, name: str, values: tuple[str, ...], events: list[str]) -> None:
    side = Bench(GEN1, device("d", kind))
    assert [event for value in values for event in side.hear(f"shellies/d/sensor/{name}", value).events] == events


def test_a_self_test_of_a_gas_detector_and_its_fault() -> None:
    side = Bench(GEN1, device("g", "gas"))
    assert side.hear("shellies/g/sensor/self_test", "running").events == ["self_test"]
    assert side.hear("shellies/g/sensor/operation", "normal").metrics == {"faulty": 0.0}
    assert side.hear("shellies/g/sensor/operation", "fault").events == ["fault"]
    assert side.hear("shellies/g/sensor/operation", "warmup").metrics == {}
    assert side.hear("shellies/g/sensor/concentration", "12").metrics == {}


def test_movement() -> None:
    """Recorded from a Shelly Motion; its timestamp is that of the last movement."""
    side = Bench(GEN1, device("shellymotionsensor-60A423976594", "motion"))
    topic = "shellies/shellymotionsensor-60A423976594/status"
    heard = side.hear(topic, '{"motion":true,"timestamp":1614416952,"active":true,"vibration":true,"lux":303,"bat":87}')
    assert heard.events == ["motion", "tamper"] or heard.events == ["tamper", "motion"]
    assert heard.metrics == {"battery": 87.0, "occupied": 1.0, "illuminance": 303.0, "tampered": 1.0}
    assert heard.observations[0].observed_at_ms == heard.observations[0].received_at_ms


def test_battery_and_climate() -> None:
    side = Bench(GEN1, device("h", "environment"))
    said = {name: side.hear(f"shellies/h/sensor/{name}", value).metrics for name, value in (
        ("temperature", "20.75"), ("humidity", "48.50"), ("battery", "98"), ("error", "0"),
    )}  # fmt: skip
    assert said == {
        "temperature": {"temperature": 20.75},
        "humidity": {"humidity": 48.5},
        "battery": {"battery": 98.0},
        "error": {},
    }


def test_a_socket() -> None:
    side = Bench(GEN1, device("shellyplug-s-C18B12", "plug"))
    topic = "shellies/shellyplug-s-C18B12"
    assert side.hear(f"{topic}/relay/0", "on").events == ["switched_on"]
    assert side.hear(f"{topic}/relay/0/power", "14.28").metrics == {"power": 14.28}
    assert side.hear(f"{topic}/temperature", "31.20").metrics == {"temperature": 31.2}
    assert side.hear(f"{topic}/relay/0/energy", "1200").observations == []
    assert side.hear(f"{topic}/relay/0", "overpower").events == ["fault"]
    assert side.order("plug-1", "switch_off").publications[0].topic == f"{topic}/relay/0/command"


def test_a_gas_valve() -> None:
    side = Bench(GEN1, device("shellygas-1", "valve"))
    (order,) = side.order("valve-1", "close").publications
    assert (order.topic, order.payload) == ("shellies/shellygas-1/valve/0/command", b"close")
    said = [
        side.hear("shellies/shellygas-1/valve/0/state", word).events
        for word in ("opened", "closing", "closed", "failure")
    ]
    assert said == [["opened"], [], ["closed", "command_result"], ["fault"]]


def test_strangers_describe_themselves() -> None:
    announce = (
        '{"id":"shellydw2-73C75E","model":"SHDW-2","mac":"98CDAC73C75E","ip":"192.168.1.9","new_fw":false,'
        '"fw_ver":"20230913-112316/v1.14.0-gcb84623"}'
    )
    (one,) = Bench(GEN1).hear("shellies/announce", announce).announced
    assert (one.address, one.kind, one.model, one.heard) == ("shellydw2-73C75E", "contact", "SHDW-2", False)


def test_presence() -> None:
    side = Bench(GEN1, device("p", "plug"))
    assert [side.hear("shellies/p/online", word).events for word in ("true", "true", "false")] == [
        ["online"],
        [],
        ["offline"],
    ]


def test_the_simulated_gear_says_the_same_for_the_same_seed() -> None:
    def said(seed: int) -> list[tuple[str, bytes]]:
        gear = SimShellyGen1(Broker("127.0.0.1", 1), seed=seed, clock=lambda: START_MS)
        gear.online = True
        gear.connected(START_MS)
        gear.act("shellybutton1-485519F00C7B", "press")
        gear.act("", "update")
        return [(one.topic, one.payload) for one in gear._out]

    assert said(1) == said(1) != said(2)
    presses = [json.loads(payload) for topic, payload in said(1) if topic == BUTTON]
    assert presses == [{"event": "", "event_cnt": 0}, {"event": "S", "event_cnt": 1}, {"event": "S", "event_cnt": 1}]
