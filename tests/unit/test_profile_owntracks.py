"""OwnTracks: messages of owntracks.org/booklet/tech/json, and the traps."""

from __future__ import annotations

import json

import pytest

from devices.observation import Refusal
from devices.profiles import PROFILES
from firmware_sim.gear.owntracks import SimOwnTracks
from firmware_sim.mqtt_device import Broker
from tests.support.gear import START_MS, Bench, device

OWNTRACKS = PROFILES["owntracks"]
TOPIC = "owntracks/wang/phone"
TST = START_MS // 1000


def phone() -> Bench:
    return Bench(OWNTRACKS, device("wang/phone", "tracker"))


def location(**more: object) -> str:
    return json.dumps({"_type": "location", "lat": 39.9335, "lon": 116.4615, "tst": TST, "tid": "wp"} | more)


def test_a_position_with_its_own_time() -> None:
    side = phone()
    (online, fix) = side.hear(
        TOPIC, location(acc=9, alt=46, batt=81, bs=1, cog=270, conn="m", t="p", vel=12)
    ).observations
    assert (online.event, fix.event) == ("online", "fix_gained")
    assert fix.metrics == {
        "latitude": 39.9335, "longitude": 116.4615, "altitude": 46.0, "speed": 12.0, "course": 270.0, "battery": 81.0,
        "fix": 1.0,
    }  # fmt: skip
    assert fix.observed_at_ms == START_MS and fix.message_id == f"tracker-1:location-{TST}-p"


def test_what_is_zero_is_left_out_and_what_is_unknown_is_below_zero() -> None:
    """booklet: acc, alt, cog, vac, vel are only added if they are not zero; some telephones always say 0 for alt."""
    side = phone()
    assert side.hear(TOPIC, location()).metrics["speed"] == 0
    heard = side.hear(TOPIC, location(tst=TST + 1, vel=-1, alt=0))
    assert "speed" not in heard.metrics and "altitude" not in heard.metrics and heard.faults == []


def test_the_same_position_again_is_the_same_message() -> None:
    side = phone()
    side.hear(TOPIC, location(t="p"))
    assert side.hear(TOPIC, location(t="p")).observations == []


def test_a_position_that_the_broker_kept_says_nothing_of_now() -> None:
    side = phone()
    heard = side.hear(TOPIC, location(), retained=True)
    assert heard.events == [] and heard.metrics["latitude"] == 39.9335
    assert side.hear(TOPIC, location(tst=TST + 60)).events == ["online", "fix_gained"]


def test_positions_that_waited_for_a_network_come_with_their_time() -> None:
    side = phone()
    side.hear(TOPIC, location())
    late = side.hear(TOPIC, location(tst=TST - 7200)).observations[0]
    assert late.observed_at_ms == START_MS - 7_200_000 and not late.clock_suspect


def test_the_last_will() -> None:
    side = phone()
    side.hear(TOPIC, location())
    assert side.hear(TOPIC, f'{{"_type":"lwt","tst":{TST - 100_000}}}').events == ["offline"]
    assert side.hear(TOPIC, location(tst=TST + 1)).events == ["online"]


def test_regions() -> None:
    side = phone()
    said = {
        "_type": "transition", "wtst": 1480000000, "lat": 39.93, "lon": 116.46, "tst": TST, "acc": 12, "tid": "wp",
        "event": "enter", "desc": "居委会", "t": "c",
    }  # fmt: skip
    (entered,) = side.hear(f"{TOPIC}/event", said).observations
    assert entered.data == {"region": "居委会", "transition": "enter"}
    assert entered.metrics == {"latitude": 39.93, "longitude": 116.46}


def test_a_tracker_that_lost_the_satellites_says_where_it_was_last() -> None:
    """booklet, Greenwich: t "l" is the last known position when the device lost its fix."""
    side = phone()
    side.hear(TOPIC, location(t="t"))
    assert side.hear(TOPIC, location(tst=TST + 1, t="l")).events == ["fix_lost"]
    assert side.hear(TOPIC, location(tst=TST + 2, t="t")).events == ["fix_gained"]


def test_other_messages_are_passed_over_and_encrypted_ones_are_kept_with_the_reason() -> None:
    side = phone()
    for kind in ("card", "waypoint", "steps", "cmd", "status"):
        assert side.hear(TOPIC, {"_type": kind, "tst": TST}).observations == []
    with pytest.raises(Refusal, match="malformed"):
        side.hear(TOPIC, {"_type": "encrypted", "data": "bm90aGluZw=="})


def test_strangers() -> None:
    (one,) = Bench(OWNTRACKS).hear(TOPIC, location()).announced
    assert (one.address, one.kind, one.name) == ("wang/phone", "tracker", "wp")


def test_the_simulated_telephone_says_the_same_for_the_same_seed() -> None:
    def said(seed: int) -> list[bytes]:
        gear = SimOwnTracks(Broker("127.0.0.1", 1), seed=seed, clock=lambda: START_MS)
        gear.online = True
        gear.connected(START_MS)
        gear.act("wang/phone", "cover")
        gear.act("wang/phone", "report")
        gear.act("wang/phone", "uncover")
        return [one.payload for one in gear._out]

    assert said(1) == said(1) != said(2)
    assert [json.loads(one)["t"] for one in said(1)] == ["p", "p", "u"]
