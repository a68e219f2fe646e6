"""The devices of one home tell one story: motion, door, bed and medicine agree, also when the story takes a turn."""

from __future__ import annotations

from itertools import pairwise

import pytest

from devices.kinds import KINDS
from devices.native import Command
from firmware_sim.device import SimDevice
from firmware_sim.household import Household
from firmware_sim.kinds.medication_box import GRACE_MS
from firmware_sim.kinds.motion import BLIND_MS
from firmware_sim.kinds.valve import TRAVEL_S, Valve
from firmware_sim.signals.home import Home
from firmware_sim.spot import Spot, spot_of
from tests.support.sim import DAWN, HOUR, events, live, make, readings

ZONE = "Asia/Shanghai"
DAY = 24 * HOUR


def home_of(*kinds: str, resident: str = "wang", **setting: object) -> dict[str, SimDevice]:
    """Devices that share a household, each where a community hangs it."""
    household = Household(Home(f"1/{resident}", ZONE))
    return {kind: make(kind, resident=resident, household=household, **setting) for kind in kinds}


# --- where things hang


@pytest.mark.parametrize(
    ("texts", "spot"),
    [
        (("motion-bath-0007", ""), Spot(room="bathroom", door="bathroom")),
        (("m-1", "卧室人体雷达 bedroom radar"), Spot(room="bedroom", variant="bed")),
        (("door-0001", "入户门磁 front door contact"), Spot(door="entrance")),
        (("w-3", "阳台窗磁 window contact"), Spot(door="window")),
        (("v-1", "厨房燃气阀 gas valve, kitchen"), Spot(room="kitchen", medium="gas")),
        (("v-2", "进户水阀 water valve"), Spot(medium="water")),
        (("sos-2", "卫生间拉绳 bathroom cord"), Spot(room="bathroom", door="bathroom", variant="cord")),
        (("x", ""), Spot()),
    ],
)
def test_names_say_where_a_device_hangs(texts: tuple[str, str], spot: Spot) -> None:
    assert spot_of(*texts) == spot


# --- the day


@pytest.mark.parametrize("rate", [1.0, 30.0])
def test_motion_follows_the_resident_through_the_rooms(rate: float) -> None:
    motion = make("motion", spot=Spot(room="kitchen"), resident="wang", rate=rate)
    home = motion.household.home
    said = live(motion, DAWN, DAWN + round(2 * DAY / rate))
    changes = [(motion.life_ms(at), out.message.event) for at, out in said if out.message.event]
    assert len(changes) > 8
    assert [event for _, event in changes] == (["motion", "motion_cleared"] * len(changes))[: len(changes)]
    slack = round(20 * rate)
    for at, event in changes:
        seen = home.movements("kitchen", at - BLIND_MS - slack, at + 1)
        if event == "motion":
            assert seen and seen[-1] >= at - slack, "somebody moves just then"
        else:
            assert seen and seen[-1] <= at - BLIND_MS + slack, "nobody has moved for a while"


def test_bed_radar_and_bedroom_motion_never_contradict_each_other() -> None:
    home = home_of("presence", "motion", spot=Spot(room="bedroom"))
    radar, motion = home["presence"], home["motion"]
    for minute in range(0, 3 * 24 * 60, 5):
        now = DAWN + minute * 60_000
        for device in home.values():
            live(device, now - 300_000, now)
        moment = radar.household.at(now)
        assert ("in_bed" in radar.standing) == (moment.in_bed and moment.room == "bedroom")
        assert ("occupied" in radar.standing) == (moment.room == "bedroom")
        if "in_bed" in radar.standing and radar.household.home.stays(now, now + 1)[0].from_ms < now - BLIND_MS:
            assert "occupied" not in motion.standing, "who sleeps does not move"


def test_radar_breathes_with_who_lies_still() -> None:
    radar = make("presence", resident="wang")
    nights = [out.message.metrics for _, out in live(radar, DAWN, DAWN + DAY) if out.message.metrics.get("in_bed")]
    reports = [metrics for metrics in nights if "targets" in metrics]
    assert len(reports) > 200
    assert all(8 <= metrics["respiration"] <= 26 and 40 <= metrics["heart_rate"] <= 110 for metrics in reports)
    assert all(metrics["target1_speed"] == 0 for metrics in reports)


def test_medicine_is_taken_when_the_home_says_so_and_missed_when_it_is_forgotten() -> None:
    box = make("medication_box", resident="zhao")
    home = box.household.home
    said = [(at, out.message) for at, out in live(box, DAWN, DAWN + 26 * DAY)]
    taken = [at for at, message in said if message.event == "dose_taken"]
    missed = [at for at, message in said if message.event == "dose_missed"]
    doses = home.doses(DAWN + 1, DAWN + 25 * DAY)
    in_time = [d for d in doses if d.taken_ms is not None and d.taken_ms <= d.due_ms + GRACE_MS]
    late = [d for d in doses if d not in in_time]
    assert len(in_time) > 15
    assert {d.taken_ms for d in in_time} <= set(taken)
    assert {d.due_ms + GRACE_MS for d in late} <= set(missed)
    left = [message.metrics["doses_left"] for _, message in said if message.event == "dose_taken"]
    assert all(later in (before - 1, 27) for before, later in pairwise(left)), "counted, and refilled"


def test_two_contacts_of_one_home_open_with_their_own_doors() -> None:
    front = make("contact", device_id="door-front", spot=spot_of("front door"), resident="wang")
    window = make("contact", device_id="window-1", spot=spot_of("window"), resident="wang")
    opened = {
        device.id: [at for at, out in live(device, DAWN, DAWN + 2 * DAY) if out.message.event == "opened"]
        for device in (front, window)
    }
    home = front.household.home
    assert opened["door-front"] == [o.from_ms for o in home.openings("entrance", DAWN + 1, DAWN + 2 * DAY)]
    assert opened["window-1"] == [o.from_ms for o in home.openings("window", DAWN + 1, DAWN + 2 * DAY)]


# --- turns


def test_who_fell_lies_where_the_radar_sees_them_and_nothing_else_moves() -> None:
    household = Household(Home("1/wang", ZONE))
    radar = make("presence", spot=Spot(room="bedroom"), household=household)
    motion = make("motion", spot=Spot(room="kitchen"), household=household)
    contact = make("contact", household=household)
    box = make("medication_box", household=household)
    evening = DAWN + DAY
    for device in (radar, motion, contact, box):
        live(device, DAWN, evening)
    radar.act("fall", evening, {})
    lying = live(radar, evening, evening + 12 * HOUR)
    assert "fall" in events(lying) and "fall_cleared" not in events(lying) and "left" not in events(lying)
    assert set(readings(lying, "fallen")) == {1.0}
    assert set(readings(lying, "target1_speed")) == {0.0}
    assert events(live(motion, evening, evening + 12 * HOUR)) in ([], ["motion_cleared"])
    assert events(live(contact, evening, evening + 12 * HOUR)) in ([], ["closed"])
    assert "dose_taken" not in events(live(box, evening, evening + 12 * HOUR)), "who lies there takes no medicine"
    radar.act("fall_cleared", evening + 12 * HOUR, {})
    assert "fall_cleared" in events(live(radar, evening + 12 * HOUR, evening + 13 * HOUR))
    assert "motion" in events(live(motion, evening + 12 * HOUR, evening + 36 * HOUR)), "the day goes on"


def close_command(id_: str = "c1", command: str = "close") -> Command:
    return Command(v=1, id=id_, command=command)


def test_gas_rises_alarms_and_goes_when_the_valve_is_shut() -> None:
    home = home_of("gas", "valve", spot=Spot(room="kitchen", medium="gas"))
    gas, valve = home["gas"], home["valve"]
    gas.act("leak", DAWN, {"steady": 60, "tau_s": 120})
    before = live(gas, DAWN, DAWN + 60_000)
    assert events(before) == ["gas"]
    raised_at = next(at for at, out in before if out.message.event == "gas")
    assert 15_000 < raised_at - DAWN < 20_000, "8 % of 60 % at a time constant of 120 s: after 17 s"
    levels = readings(before, "gas")
    assert len(levels) > 4 and levels == sorted(levels)
    valve.command(close_command(), DAWN + 60_000)
    shutting = live(valve, DAWN + 60_000, DAWN + 70_000)
    assert events(shutting) == ["closed", "command_result"]
    assert "gas" in gas.household.shut
    gas.act("open_window", DAWN + 70_000, {"tau_s": 60})
    after = live(gas, DAWN + 70_000, DAWN + 400_000)
    assert events(after) == ["gas_cleared"]
    assert readings(after, "gas")[-1] < 5


def test_water_leak_ends_some_time_after_the_water_is_shut() -> None:
    household = Household(Home("1/wang", ZONE))
    leak = make("leak", household=household)
    valve = make("valve", spot=Spot(medium="water"), household=household)
    leak.act("leak", DAWN, {})
    assert events(live(leak, DAWN, DAWN + 300_000)) == ["leak"]
    valve.command(close_command(), DAWN + 300_000)
    live(valve, DAWN + 300_000, DAWN + 310_000)
    assert events(live(leak, DAWN + 310_000, DAWN + 400_000)) == ["leak_cleared"]


# --- the valve


@pytest.fixture
def valve() -> Valve:
    device = make("valve", spot=Spot(medium="gas"))
    assert isinstance(device, Valve)
    return device


def test_a_valve_answers_when_it_has_moved_and_not_before(valve: Valve) -> None:
    valve.command(close_command(), DAWN)
    assert valve.take() == []
    assert {"moving", "open"} <= valve.standing
    assert 45 <= valve.position(DAWN + round(TRAVEL_S * 500)) <= 55
    valve.command(close_command(), DAWN + 1000)  # the gateway asks again, with the same id
    said = live(valve, DAWN, DAWN + 10_000)
    results = [out.message.data for _, out in said if out.message.event == "command_result"]
    assert results == [{"id": "c1", "ok": True}]
    assert (valve.position(DAWN + 10_000), valve.standing) == (0.0, set())
    valve.command(close_command(), DAWN + 11_000)
    assert [out.message.data for out in valve.take()] == [{"id": "c1", "ok": True}], "answered each time, obeyed once"


def test_a_second_order_for_the_same_is_answered_with_the_first(valve: Valve) -> None:
    valve.command(close_command("c1"), DAWN)
    valve.command(close_command("c2"), DAWN + 1000)
    said = live(valve, DAWN, DAWN + 10_000)
    assert [out.message.data for _, out in said if out.message.event == "command_result"] == [
        {"id": "c1", "ok": True},
        {"id": "c2", "ok": True},
    ]
    assert events(said).count("closed") == 1


def test_a_later_order_takes_the_place_of_one_under_way(valve: Valve) -> None:
    valve.command(close_command("c1"), DAWN)
    valve.command(close_command("c2", "open"), DAWN + 2000)
    said = live(valve, DAWN, DAWN + 10_000)
    results = {str(out.message.data["id"]): out.message.data["ok"] for _, out in said if out.message.data}
    assert results == {"c1": False, "c2": True}
    assert valve.position(DAWN + 10_000) == 100.0
    assert "gas" not in valve.household.shut


def test_a_jammed_valve_says_so_and_is_not_shut(valve: Valve) -> None:
    valve.act("jam", DAWN, {"at": 40})
    valve.command(close_command(), DAWN)
    said = live(valve, DAWN, DAWN + 20_000)
    assert events(said) == ["stuck", "command_result"]
    (result,) = (out.message.data for _, out in said if out.message.event == "command_result")
    assert (result["ok"], result["error"]) == (False, "stuck at 40 %")
    assert valve.household.shut == set() and valve.standing == {"open", "stuck"}
    valve.act("free", DAWN + 20_000, {})
    valve.command(close_command("c2"), DAWN + 21_000)
    assert events(live(valve, DAWN + 21_000, DAWN + 40_000)) == ["stuck_cleared", "closed", "command_result"]


def test_somebody_turns_the_valve_by_hand_while_it_moves(valve: Valve) -> None:
    valve.command(close_command(), DAWN)
    valve.act("open", DAWN + 3000, {})
    said = live(valve, DAWN, DAWN + 10_000)
    assert "manual_operation" in events(said)
    (result,) = (out.message.data for _, out in said if out.message.event == "command_result")
    assert result["ok"] is False
    assert valve.position(DAWN + 10_000) == 100.0


def test_a_valve_that_loses_power_stands_where_it_was(valve: Valve) -> None:
    valve.command(close_command(), DAWN)
    valve.power_off(DAWN + 3000)
    assert valve.next_due_ms > DAWN + DAY
    valve.power_on(DAWN + 600_000)
    assert valve.position(DAWN + 600_000) == pytest.approx(50, abs=1)
    assert "moving" not in valve.standing and "open" in valve.standing
    valve.command(close_command(), DAWN + 601_000)  # it was never answered, so the gateway asks again
    assert events(live(valve, DAWN + 601_000, DAWN + 610_000))[-2:] == ["closed", "command_result"]


# --- sirens, sockets, signs


def test_siren_sounds_for_as_long_as_it_is_told() -> None:
    siren = make("siren", rate=100.0)
    siren.command(Command(v=1, id="a", command="sound", args={"tone": "fire", "duration_s": "30"}), DAWN)
    assert (siren.state()["tone"], "sounding" in siren.standing) == ("fire", True)
    said = live(siren, DAWN, DAWN + 29_000)
    assert "silenced" not in events(said), "by the clock, however fast life runs"
    assert "silenced" in events(live(siren, DAWN + 29_000, DAWN + 31_000))
    siren.command(Command(v=1, id="b", command="say", args={"voice": "gas_leave_now"}), DAWN + 40_000)
    assert siren.state()["voice"] == "gas_leave_now"


def test_socket_counts_what_it_gives_and_gives_nothing_when_it_is_off() -> None:
    plug = make("plug", resident="wang", spot=Spot(room="living_room"))
    said = live(plug, DAWN, DAWN + 2 * DAY)
    energy, power = readings(said, "energy"), readings(said, "power")
    assert energy == sorted(energy) and energy[-1] > energy[0]
    assert max(power) > 50 > min(power)
    plug.command(Command(v=1, id="a", command="switch_off"), DAWN + 2 * DAY)
    off = live(plug, DAWN + 2 * DAY, DAWN + 2 * DAY + HOUR)
    assert "switched_off" in events(off)
    assert set(readings(off, "power")) == {0.0} and set(readings(off, "powered")) == {0.0}


def test_sign_shows_what_it_is_told_until_it_is_cleared_or_restarted() -> None:
    sign = make("sign")
    sign.command(Command(v=1, id="a", command="show", args={"level": "severe", "pictogram": "congestion"}), DAWN)
    assert sign.state()["shown"] == {"level": "severe", "pictogram": "congestion", "brightness": "auto"}
    assert readings(live(sign, DAWN, DAWN + 120_000), "showing")[-1] == 1.0
    sign.power_on(DAWN + 200_000)
    assert readings(live(sign, DAWN + 200_000, DAWN + 320_000), "showing")[-1] == 0.0


@pytest.mark.parametrize("kind", sorted(key for key, kind in KINDS.items() if kind.commands))
def test_every_command_of_the_catalogue_is_obeyed(kind: str) -> None:
    for number, command in enumerate(KINDS[kind].commands.values()):
        device = make(kind)
        args = {name: values[0] for name, values in command.args.items()}
        device.command(Command(v=1, id=f"c{number}", command=command.key, args=args), DAWN)
        results = [
            out.message.data for _, out in live(device, DAWN, DAWN + 30_000) if out.message.event == "command_result"
        ]
        assert results == [{"id": f"c{number}", "ok": True}], command.key
