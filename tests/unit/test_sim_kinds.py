"""Simulated firmware: reproducible, always well-formed, and shaped like the real thing."""

from __future__ import annotations

from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.kinds import KINDS
from devices.native import Command, encode
from devices.observation import Channel
from firmware_sim.device import ActionError
from firmware_sim.kinds import SIMULATED
from firmware_sim.kinds.sos_button import SosButton
from firmware_sim.kinds.vitals_monitor import VitalsMonitor
from firmware_sim.setting import Setting
from tests.support.sim import DAWN, HOUR, heard, live, make


def test_every_kind_of_the_catalogue_has_firmware() -> None:
    assert set(SIMULATED) == set(KINDS)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_same_seed_same_life(kind: str) -> None:
    def life(seed: int) -> list[bytes]:
        device = make(kind, seed)
        device.connected(DAWN)
        return [encode(out.message, "json") for _, out in live(device, DAWN, DAWN + 12 * HOUR)]

    assert life(7) == life(7)
    assert life(7) != life(8)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    seed=st.integers(0, 2**32),
    start=st.integers(DAWN, DAWN + 400 * 24 * HOUR),
    rate=st.sampled_from([0.5, 1.0, 60.0]),
    acts=st.lists(st.integers(0, 30), max_size=6),
)
def test_everything_said_is_accepted_without_a_fault(
    kind: str, seed: int, start: int, rate: float, acts: list[int]
) -> None:
    device = SIMULATED[kind](f"{kind}-1", Setting(seed=seed, rate=rate, resident="r"))
    device.power_on(start)
    device.last_will()
    device.connected(start)
    said = live(device, start, start + HOUR // 4)
    now = start + HOUR // 4
    names = sorted(device.actions())
    for act in acts:
        name = names[act % len(names)]
        device.act(name, now, {"vitals": {"pulse": 400, "spo2": -3}, "over_s": 5} if name == "set" else {})
        said += live(device, now, now + 30_000)
        now += 30_000
    seen: dict[tuple[int, int], int] = {}
    for at_ms, out in said:
        assert not heard(device, out, at_ms).faults
        seen[out.key] = seen.get(out.key, 0) + 1
    assert set(seen.values()) == {1}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_heard_within_supervision_even_when_two_reports_are_lost(kind: str) -> None:
    device = make(kind)
    times = [at for at, out in live(device, DAWN, DAWN + 24 * HOUR) if out.channel is Channel.TELEMETRY]
    gaps = [b - a for a, b in zip([DAWN, *times], times, strict=False)]
    assert max(gaps) * 2 < KINDS[kind].supervision_s * 1000


def test_restart_changes_boot_and_restarts_seq() -> None:
    device = make("contact")
    device.connected(DAWN)
    first = device.boot
    assert device.seq == 1
    device.power_on(DAWN)  # twice in one millisecond: still another boot
    assert device.boot > first
    assert device.seq == 0


def test_will_has_an_identity_of_its_own() -> None:
    device = make("sos_button")
    assert isinstance(device, SosButton)
    will = device.last_will()
    device.connected(DAWN)
    device.press(DAWN)
    keys = [(will.boot, will.seq), *(out.key for out in device.take())]
    assert len(set(keys)) == 3
    assert will.event == "offline"
    assert will.t is None


def test_birth_tells_firmware_and_battery() -> None:
    device = make("sos_button")
    device.connected(DAWN)
    (birth,) = device.take()
    assert birth.channel is Channel.STATUS
    assert birth.message.event == "online"
    assert birth.message.data["firmware"] == device.firmware
    assert 0 <= birth.message.metrics["battery"] <= 100


def test_battery_drains_and_says_once_that_it_is_low() -> None:
    device = make("sos_button", rate=2000.0)  # 365 days pass in 4.4 hours
    said = live(device, DAWN, DAWN + 9 * HOUR)
    levels = [out.message.metrics["battery"] for _, out in said if "battery" in out.message.metrics]
    assert levels == sorted(levels, reverse=True)
    assert levels[-1] < levels[0]
    assert sum(out.message.event == "low_battery" for _, out in said) == 1


# --- keys --------------------------------------------------------------------------------------------------------


def indicate(command_id: str, **args: str) -> Command:
    return Command(v=1, id=command_id, command="indicate", args=args)


@pytest.fixture
def button() -> SosButton:
    device = make("sos_button")
    assert isinstance(device, SosButton)
    return device


def test_lamp_amber_green_blue(button: SosButton) -> None:
    press = button.press(DAWN)
    assert button.lamp == "amber"
    button.acknowledged(press, durable=False)
    assert button.lamp == "amber", "a broker's PUBACK is not the gateway's disk"
    assert list(button.acked) == [(press.message.boot, press.message.seq, "press")]
    button.command(indicate("a", lamp="green", voice="received"), DAWN)
    assert (button.lamp, button.voice) == ("green", "received")
    button.command(indicate("b", lamp="blue", voice="help_is_coming"), DAWN)
    assert (button.lamp, button.voice) == ("blue", "help_is_coming")


def test_lamp_green_when_the_acknowledgement_comes_from_disk(button: SosButton) -> None:
    first, second = button.press(DAWN), button.long_press(DAWN)
    button.acknowledged(first, durable=True)
    assert button.lamp == "amber", "one press is still on its way"
    button.acknowledged(second, durable=True)
    assert button.lamp == "green"


def test_late_acknowledgement_does_not_turn_blue_back(button: SosButton) -> None:
    press = button.press(DAWN)
    button.command(indicate("a", lamp="blue"), DAWN)
    button.acknowledged(press, durable=True)
    assert button.lamp == "blue"


def test_command_is_obeyed_once_and_answered_each_time(button: SosButton) -> None:
    button.command(indicate("a", lamp="green"), DAWN)
    button.command(indicate("b", lamp="blue"), DAWN)
    button.command(indicate("a", lamp="green"), DAWN)  # delivered again by the broker
    assert button.lamp == "blue"
    results = [out.message for out in button.take()]
    assert [message.event for message in results] == ["command_result"] * 3
    assert [message.data for message in results] == [{"id": i, "ok": True} for i in ("a", "b", "a")]
    assert len({message.seq for message in results}) == 3


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (indicate("x", lamp="purple"), "unknown argument lamp=purple"),
        (Command(v=1, id="x", command="open"), "unknown command open"),
        (Command(v=2, id="x", command="indicate"), "version 2"),
        (Command(v=1, id="x", command="indicate", expires=DAWN - 1), "expired"),
    ],
)
def test_command_that_cannot_be_obeyed_says_why(button: SosButton, command: Command, error: str) -> None:
    button.command(command, DAWN)
    (answer,) = button.take()
    assert answer.message.data["ok"] is False
    assert error in str(answer.message.data["error"])
    assert button.lamp == "off"


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_kind_obeys_what_it_does_not_know(kind: str) -> None:
    device = make(kind)
    device.command(Command(v=1, id="x", command="self_destruct"), DAWN)
    (answer,) = device.take()[-1:]
    assert answer.message.data["ok"] is False and "unknown command" in str(answer.message.data["error"])


def test_actions_refuse_with_what_is_possible(button: SosButton) -> None:
    with pytest.raises(ActionError, match="cannot 'explode'; it can cancel, fall"):
        button.act("explode", DAWN, {})
    with pytest.raises(ActionError, match="vitals: expected a mapping of pulse"):
        make("vitals_monitor").act("set", DAWN, {"vitals": {"mood": 3}})


# --- signals -----------------------------------------------------------------------------------------------------


def r_peaks(samples: tuple[float, ...], rate: float) -> list[int]:
    """A plain detector: local maxima above 60 % of the strip's highest, at least 200 ms apart."""
    level, peaks = 0.6 * max(samples), list[int]()
    for i in range(1, len(samples) - 1):
        if samples[i] >= level and samples[i - 1] < samples[i] >= samples[i + 1]:
            if peaks and i - peaks[-1] < 0.2 * rate:
                if samples[i] > samples[peaks[-1]]:
                    peaks[-1] = i
            else:
                peaks.append(i)
    return peaks


@pytest.mark.parametrize("rate", [45, 60, 72, 100, 140])
@pytest.mark.parametrize("pattern", ["normal", "st_elevation"])
def test_ecg_has_the_heart_rate_it_was_asked_for(rate: int, pattern: str) -> None:
    monitor = make("vitals_monitor", seed=rate)
    assert isinstance(monitor, VitalsMonitor)
    monitor.body.set({"pulse": rate}, DAWN, 0)
    monitor.cardiac_pattern(DAWN, {"pattern": pattern})
    observation = heard(monitor, monitor.take()[0], DAWN).observation
    wave = observation.waveform
    assert wave is not None
    assert (len(wave.samples), wave.rate_hz, wave.unit) == (2500, 250.0, "mV")
    peaks = r_peaks(wave.samples, wave.rate_hz)
    found = 60 * wave.rate_hz * (len(peaks) - 1) / (peaks[-1] - peaks[0])
    assert found == pytest.approx(observation.metrics["pulse"], abs=2)
    assert all(abs(sample / 0.005 - round(sample / 0.005)) < 1e-6 for sample in wave.samples), "5 µV steps"


def test_ecg_beats_have_p_q_r_s_t_in_order() -> None:
    monitor = make("vitals_monitor", seed=3)
    assert isinstance(monitor, VitalsMonitor)
    monitor.body.set({"pulse": 60}, DAWN, 0)
    monitor.strip(DAWN)
    wave = heard(monitor, monitor.take()[0], DAWN).observation.waveform
    assert wave is not None
    peaks = r_peaks(wave.samples, wave.rate_hz)[1:-1]
    around = [mean(wave.samples[peak + i] for peak in peaks) for i in range(-100, 120)]  # averaged beat, R at 100
    p, q, s, t = around[45:80], around[80:98], around[102:120], around[140:200]
    assert around[100] > 0.8
    assert min(q) < -0.05 < max(p)
    assert min(s) < min(q), "S is deeper than Q"
    assert 0.1 < max(p) < max(t) < 0.7


def test_two_monitors_of_one_resident_measure_one_body() -> None:
    def pulse(device_id: str, resident: str) -> float:
        monitor = VitalsMonitor(device_id, Setting(seed=4, resident=resident))
        monitor.power_on(DAWN)
        return mean(monitor.measure(DAWN + minute * 60_000)["pulse"] for minute in range(600))

    assert pulse("one", "wang") == pytest.approx(pulse("two", "wang"), abs=2.0)


def test_blood_pressure_dips_at_night() -> None:
    monitor = make("vitals_monitor", seed=5)
    assert isinstance(monitor, VitalsMonitor)
    midnight = 1_790_006_400_000  # 00:00 in Shanghai
    night = mean(monitor.body.read("systolic", midnight + day * 24 * HOUR + 3 * HOUR) for day in range(20))
    morning = mean(monitor.body.read("systolic", midnight + day * 24 * HOUR + 9 * HOUR) for day in range(20, 40))
    assert morning - night > 12


def test_vitals_follow_the_scenario_and_are_watched_closely() -> None:
    monitor = make("vitals_monitor")
    monitor.act("set", DAWN, {"vitals": {"spo2": 84, "pulse": 130}, "over_s": 20})
    said = [out.message.metrics for _, out in live(monitor, DAWN, DAWN + 40_000)]
    values = [metrics["spo2"] for metrics in said if "spo2" in metrics]
    assert len(values) >= 15
    assert values[0] > 90
    assert values[-1] == pytest.approx(84, abs=2)


def test_probe_off_reads_zero_and_says_so() -> None:
    monitor = make("vitals_monitor")
    monitor.act("probe_off", DAWN, {})
    metrics = monitor.take()[-1].message.metrics
    assert (metrics["spo2"], metrics["pulse"], metrics["probe_off"]) == (0, 0, 1)


def test_traffic_counters_tell_of_their_lanes_and_classes() -> None:
    counter = make("traffic_counter", seed=3)
    day = [out.message.metrics for _, out in live(counter, DAWN, DAWN + 24 * HOUR) if "flow" in out.message.metrics]
    lanes = counter.road.lanes  # type: ignore[attr-defined]  # a TrafficCounter
    for metrics in day:
        by_lane = [metrics[f"flow_lane{lane}"] for lane in range(1, lanes + 1)]
        assert sum(by_lane) == pytest.approx(metrics["flow"], abs=lanes)
        counted = sum(metrics[f"count_{kind}"] for kind in ("car", "bus", "truck", "motorcycle"))
        assert counted * 60 == pytest.approx(metrics["flow"], abs=1)
        assert ("speed" in metrics) == (counted > 0), "an empty road has no speed"


def test_incident_slows_the_road() -> None:
    counter = make("traffic_counter", seed=2)
    before = counter.measure(DAWN + 10 * HOUR)
    counter.act("incident", DAWN + 10 * HOUR + 60_000, {"severity": 0.9})
    after = counter.take()[-1].message.metrics
    assert after["speed"] < before["speed"] / 2
    assert after["occupancy"] > before["occupancy"]


def test_kiosks_are_used_by_day() -> None:
    kiosk = make("kiosk")
    by_hour: dict[int, float] = {}
    for at_ms, out in live(kiosk, DAWN, DAWN + 2 * 24 * HOUR):
        hour = int(at_ms / HOUR + 8) % 24
        by_hour[hour] = by_hour.get(hour, 0) + out.message.metrics["clicks"]
        assert out.message.metrics["searches"] <= out.message.metrics["clicks"]
    assert 100 < sum(by_hour.values()) / 2 < 450
    assert by_hour[9] > 10 * by_hour.get(3, 0)


def test_smoke_alarms_once_reports_often_and_clears() -> None:
    detector = make("smoke")
    detector.act("smoke", DAWN, {"obscuration": 0.5})
    detector.act("smoke", DAWN + 1000, {"obscuration": 0.8})
    said = live(detector, DAWN + 1000, DAWN + 61_000)
    detector.act("smoke_cleared", DAWN + 61_000, {})
    said += live(detector, DAWN + 61_000, DAWN + 121_000)
    events = [out.message.event for _, out in said if out.message.event]
    assert events == ["smoke", "smoke_cleared"]
    assert sum(out.message.metrics.get("obscuration", 0) > 0.5 for _, out in said) >= 5
