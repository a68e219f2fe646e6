"""What is wrong with a device itself: each does what it says, by the seed, and is counted."""

from __future__ import annotations

from collections import Counter

import pytest

from devices.observation import Channel, Refusal
from firmware_sim.afflictions import afflict
from firmware_sim.device import SimDevice
from firmware_sim.faults import IN_THE_DEVICE, Fault
from firmware_sim.fleet import TWINS, Fleet
from firmware_sim.kinds import SIMULATED
from firmware_sim.mqtt_device import Broker
from firmware_sim.setting import Setting
from tests.support.sim import DAWN, HOUR, events, heard, live, readings
from tests.support.world import hamlet

DAY = 24 * HOUR


def ill(kind: str, *faults: Fault, seed: int = 1) -> tuple[SimDevice, Counter[str]]:
    device, tally = SIMULATED[kind](f"{kind}-1", Setting(seed=seed)), Counter[str]()
    afflict(device, faults, seed, tally)
    device.power_on(DAWN)
    return device, tally


def lived(kind: str, fault: Fault, hours: float, seed: int = 1) -> list[tuple[int, object]]:
    device, _ = ill(kind, fault, seed=seed)
    return [(at, out.message) for at, out in live(device, DAWN, DAWN + round(hours * HOUR))]


@pytest.mark.parametrize("what", [what for what in IN_THE_DEVICE if what not in TWINS])
def test_the_same_seed_is_ill_in_the_same_way(what: str) -> None:
    seconds = {"babble": 5.0, "brown_out": 600.0}.get(what)
    fault = Fault(what=what, seconds=seconds)  # type: ignore[arg-type]  # the test's own list
    assert lived("environment", fault, 2) == lived("environment", fault, 2)
    assert lived("environment", fault, 2) != lived("environment", fault, 2, seed=2)


def test_old_battery_looks_well_restarts_when_it_sends_and_is_dead() -> None:
    device, tally = ill("sos_button", Fault(what="battery_sag", seconds=7 * 86_400))
    said = live(device, DAWN, DAWN + 8 * DAY)
    shown, volts = readings(said, "battery"), readings(said, "battery_voltage")
    assert shown[0] > 80 and shown[len(shown) // 2] > 50, "it looks well for most of the time"
    assert volts == sorted(volts, reverse=True) and volts[-1] < 2.35 < volts[0]
    assert device.starts > 3, "it restarts when it sends"
    assert not device.powered and device.next_due_ms > DAWN + 1000 * DAY
    assert tally["battery_sag"] == device.starts


def test_battery_that_is_not_there_does_not_sag() -> None:
    device, tally = ill("camera", Fault(what="battery_sag"))
    live(device, DAWN, DAWN + HOUR)
    assert device.starts == 1 and not tally


def test_brown_out_starts_again_and_again_with_another_boot() -> None:
    device, tally = ill("kiosk", Fault(what="brown_out", seconds=4))
    boots = []
    now = DAWN
    while now < DAWN + 60_000:
        boots.append(device.boot)
        now = device.next_due_ms
        device.tick(now)
    assert 8 < len(set(boots)) < 30
    assert tally["brown_out"] == device.starts


def test_stuck_sensor_repeats_itself_and_everything_else_lives() -> None:
    device, tally = ill("environment", Fault(what="stuck_sensor", seconds=3600))
    said = live(device, DAWN, DAWN + DAY)
    before = [at for at, _ in said if at < DAWN + HOUR]
    temperatures = readings(said, "temperature")
    assert len(set(temperatures[: len(before)])) > 3
    assert len(set(temperatures[len(before) :])) == 1
    assert len(set(readings(said, "uptime"))) > 200
    assert tally["stuck_sensor"] > 200


def test_drift_leaves_the_range_and_is_refused_there() -> None:
    device, tally = ill("heat", Fault(what="drift", seconds=HOUR / 1000))
    said = live(device, DAWN, DAWN + 24 * HOUR)
    faulty, reasons = 0, set[str]()
    for at, out in said:
        try:
            faults = heard(device, out, at).faults
        except Refusal as refusal:
            faults = (refusal,)
        faulty += bool(faults)
        reasons |= {fault.reason for fault in faults}
    assert 0 < faulty < len(said)
    assert reasons == {"out_of_range"}
    assert tally["drift"] > 50
    first = readings(said, "temperature")[:6]
    assert 5 < max(first) - min(first) < 60, "slowly"


def test_wrong_clock_is_years_off_and_steps() -> None:
    device, tally = ill("smoke", Fault(what="clock_wrong", every_s=600))
    said = live(device, DAWN, DAWN + 12 * HOUR)
    errors = {round((out.message.t or 0) - at, -3) for at, out in said}
    assert len(errors) > 10
    assert max(abs(error) for error in errors) > 365 * DAY
    assert all(abs(error) <= 10.1 * 365.25 * DAY for error in errors)
    assert all(heard(device, out, at).observation.clock_suspect for at, out in said)
    assert tally["clock_wrong"] > 30


def test_lost_flash_says_other_things_under_the_same_numbers() -> None:
    device, tally = ill("contact", Fault(what="lost_flash", seconds=600))
    said: list[tuple[tuple[int, int], str | None]] = []
    now = DAWN
    while now < DAWN + 4 * HOUR:
        starts = device.starts
        device.connected(now)
        while device.starts == starts and now < DAWN + 4 * HOUR:
            now = device.next_due_ms
            device.tick(now)
        said += [(out.key, str(out.message)) for out in device.take()]
    by_key: dict[tuple[int, int], set[str | None]] = {}
    for key, message in said:
        by_key.setdefault(key, set()).add(message)
    assert len({boot for boot, _ in by_key}) == 1
    assert any(len(messages) > 5 for messages in by_key.values())
    assert tally["lost_flash"] == device.starts > 10
    device.connected(now)
    birth = device.take()[-1]
    assert not str(birth.message.data["firmware"]).isprintable()
    assert not heard(device, birth, now).faults, "garbage, but not a malformed message"


def test_replay_says_old_messages_again_as_they_were() -> None:
    device, tally = ill("contact", Fault(what="replay", seconds=3 * 86_400, probability=0.5))
    said = live(device, DAWN, DAWN + 6 * DAY)
    first: dict[tuple[int, int], tuple[int, object]] = {}
    again = []
    for at, out in said:
        if out.key in first:
            again.append((at - first[out.key][0], out.message == first[out.key][1]))
        else:
            first[out.key] = at, out.message
    assert len(again) == tally["replay"] > 20
    assert all(same and 3 * DAY <= late < 3 * DAY + 60_000 for late, same in again)
    assert len(again) < len(first)


def test_babbling_idiot_says_hundreds_a_second() -> None:
    device, tally = ill("smoke", Fault(what="babble"))
    said = live(device, DAWN, DAWN + 10_000)
    assert 1900 < len(said) < 2100
    assert {out.channel for _, out in said} == {Channel.TELEMETRY}
    crying, _ = ill("smoke", Fault(what="babble", channels=(Channel.EVENT,)))
    assert set(events(live(crying, DAWN, DAWN + 10_000))) == {"smoke"}
    assert tally["babble"] > 1900


def test_two_devices_of_one_id_are_two_with_lives_of_their_own() -> None:
    faults = [Fault(what="duplicate_id", devices=("smoke-1",)), Fault(what="duplicate_client", kinds=("contact",))]
    fleet = Fleet(hamlet(2), broker=Broker("127.0.0.1", 1), faults=faults)
    assert sorted(link.device.id for link in fleet.twins) == ["contact-1", "contact-2", "smoke-1"]
    for twin in fleet.twins:
        assert twin.device.boot != fleet.devices[twin.device.id].boot
    assert fleet.totals()["faults"] == {"duplicate_id": 1, "duplicate_client": 2}
    assert fleet.totals()["devices"] == len(hamlet(2).devices), "an id is counted once"
