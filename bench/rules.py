"""The rules engine by itself: how fast, how large, and whether what an observation does not concern costs anything.

``python -m bench.rules [SECONDS]`` prints: observations per second for 10, 1,000 and 10,000 devices under 50 rules
(healthy, and everybody ill all the time) and with windows; for 10 to 1,000 rules of which few concern an observation;
memory per device and rule; the time to load rules and to come back after a restart; and another rule engine for Python
beside it, where it is installed (``pip install rule-engine``). One thread, no database; seconds are
of processor time, so that a busy machine does not show.
"""

from __future__ import annotations

import gc
import random
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import TypeAdapter

from bench.rule_peers import peers
from devices.observation import Lane, Observation
from gateway.rules.document import RuleDocument
from gateway.rules.engine import Engine
from gateway.rules.forms import KnownDevice
from gateway.rules.library import library_rules

BASE_MS = 1_790_000_000_000
MIX = ("vitals_monitor", "sos_button", "contact", "smoke", "traffic_counter", "kiosk", "camera", "vitals_monitor")
HEALTHY: dict[str, dict[str, float]] = {
    "vitals_monitor": {"pulse": 70.0, "spo2": 97.0, "respiration": 16.0, "battery": 80.0},
    "traffic_counter": {"flow": 400.0, "occupancy": 8.0, "speed": 45.0},
    "smoke": {"obscuration": 0.01, "temperature": 21.0, "battery": 90.0},
    "kiosk": {"clicks": 3.0, "temperature": 30.0},
    "camera": {"fps": 25.0, "bitrate": 4000.0},
}
SICK: dict[str, dict[str, float]] = {
    "vitals_monitor": {"pulse": 150.0, "spo2": 80.0, "battery": 10.0},
    "traffic_counter": {"flow": 900.0, "occupancy": 60.0, "speed": 8.0},
}
_adapter: TypeAdapter[RuleDocument] = TypeAdapter(RuleDocument)


def devices_of(count: int) -> dict[str, KnownDevice]:
    """``count`` devices of the usual mixture, four to a home."""
    return {f"d{n}": KnownDevice(f"d{n}", MIX[n % len(MIX)], f"place-{n // 4}", f"r{n // 4}") for n in range(count)}


def history_of(devices: dict[str, KnownDevice], length: int, *, worst: bool = False) -> list[Observation]:
    """Readings in random order of device; with ``worst`` everybody falls ill and recovers again and again."""
    draw = random.Random(1)
    names = list(devices)
    made = []
    for seq in range(length):
        device = devices[names[draw.randrange(len(names))]]
        healthy = not worst or (seq // len(names)) % 4 >= 2
        metrics = (HEALTHY if healthy else {**HEALTHY, **SICK}).get(device.kind, {"battery": 80.0})
        made.append(
            Observation(
                message_id=f"{device.id}:1:{seq}",
                device=device.id,
                kind=device.kind,
                lane=Lane.ROUTINE,
                observed_at_ms=BASE_MS + seq * 10,
                received_at_ms=BASE_MS + seq * 10 + 3,
                metrics=metrics,
            )
        )
    return made


def rule(**parts: Any) -> RuleDocument:
    """A rule of the bench, from what it does not share with the others."""
    usual = {
        "version": 1,
        "zh": "测",
        "en": "bench",
        "raises": {"type": "device_fault", "severity": "notice", "ladder": "m"},
    }
    return _adapter.validate_python({**usual, **parts})


def fifty() -> list[RuleDocument]:
    """Fifty rules over single readings: the library's first, and variations of them for the rest."""
    simple = [one for one in library_rules().values() if one.form != "condition"][:50]
    return simple + [
        rule(id=f"more-{n}", form="threshold", kinds=["vitals_monitor"], when=f"pulse > {150 + n}")
        for n in range(50 - len(simple))
    ]


def windowed() -> list[RuleDocument]:
    """Eight rules of which each reading of a monitor or a counter moves four windows."""
    pulse = {"pulse": {"kinds": ["vitals_monitor"], "metric": "pulse"}}
    spo2 = {"spo2": {"kinds": ["vitals_monitor"], "metric": "spo2"}}
    speed = {"speed": {"kinds": ["traffic_counter"], "metric": "speed"}}
    flow = {"flow": {"kinds": ["traffic_counter"], "metric": "flow"}}
    said = [
        (pulse, "mean(pulse, 10 * minutes) > 130"),
        (pulse, "change(pulse, 30 * minutes) > 60"),
        (spo2, "lowest(spo2, 5 * minutes) < 70 and count(spo2, 5 * minutes) > 3"),
        (spo2, "mean(spo2, 1 * hours) < 85"),
        (speed, "mean(speed, 5 * minutes) < 10"),
        (speed, "highest(speed, 15 * minutes) < 12"),
        (flow, "mean(flow, 1 * hours) > 1500"),
        (flow, "distinct(flow, 6 * hours) == 1 and count(flow, 6 * hours) > 100000"),
    ]
    return [
        rule(id=f"window-{n}", form="condition", subject="device", inputs=inputs, when=when)
        for n, (inputs, when) in enumerate(said)
    ]


def unrelated(count: int) -> list[RuleDocument]:
    """Rules over the temperature of kiosks, half of them with a window: none of them concerns any other device."""
    made = []
    for n in range(count):
        if n % 2:
            inputs = {"t": {"kinds": ["kiosk"], "metric": "temperature"}}
            made.append(rule(id=f"k-{n}", form="condition", inputs=inputs, when=f"mean(t, 1 * hours) > {60 + n % 30}"))
        else:
            made.append(rule(id=f"k-{n}", form="threshold", kinds=["kiosk"], when=f"temperature > {60 + n % 30}"))
    return made


def rate(
    rules: Sequence[RuleDocument], devices: dict[str, KnownDevice], seconds: float, *, worst: bool = False
) -> tuple[float, int]:
    """Observations per second with the bodies to save, and alarms moved. Played anew until time is up."""
    history = history_of(devices, 20_000, worst=worst)
    done = moved = 0
    elapsed = 0.0
    while elapsed < seconds:
        engine = Engine(rules, devices.get, {})
        engine.watch(devices, BASE_MS)
        gc.collect()
        started = time.process_time()
        for observation in history:
            moved += len(engine.observe(observation, observation.received_at_ms))
            done += 1
            if done % 256 == 0:
                engine.dirty()
        elapsed += time.process_time() - started
    return done / elapsed, moved


def memory(rules: Sequence[RuleDocument], count: int, *, idle: bool) -> float:
    """Bytes that ``count`` devices hold in the engine, each; ``idle``: only watched, nothing said yet."""
    devices = devices_of(count)
    history = [] if idle else history_of(devices, count * 12)
    engine = Engine(rules, devices.get, {})
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    engine.watch(devices, BASE_MS)
    for observation in history:
        engine.observe(observation, observation.received_at_ms)
    engine.dirty()
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / count


def restart(rules: Sequence[RuleDocument], count: int) -> tuple[int, float]:
    """How many states there are after a while, and the seconds to come back with them."""
    devices = devices_of(count)
    engine = Engine(rules, devices.get, {})
    engine.watch(devices, BASE_MS)
    for observation in history_of(devices, count * 6):
        engine.observe(observation, observation.received_at_ms)
    bodies = engine.dirty()
    started = time.process_time()
    again = Engine(rules, devices.get, bodies)
    again.watch(devices, BASE_MS + count * 60)
    again.started(BASE_MS + count * 60)
    return len(bodies), time.process_time() - started


def _load_seconds(make: Callable[[], list[RuleDocument]]) -> float:
    started = time.process_time()
    Engine(make(), lambda _: None, {})
    return time.process_time() - started


def main() -> None:
    """Print the tables."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    out = sys.stdout.write
    single, windows = fifty(), windowed()
    out(f"{len(single)} rules over single readings; {len(windows)} rules with windows\n")
    out(f"{'devices':>8} {'healthy obs/s':>14} {'all ill obs/s':>14} {'alarms moved':>13} {'windows obs/s':>14}\n")
    for count in (10, 1_000, 10_000):
        devices = devices_of(count)
        healthy, _ = rate(single, devices, seconds)
        ill, moved = rate(single, devices, seconds, worst=True)
        wide, _ = rate(windows, devices, seconds)
        out(f"{count:>8} {healthy:>14,.0f} {ill:>14,.0f} {moved:>13,} {wide:>14,.0f}\n")
    out(f"\n{'rules':>8} {'of them concern it':>19} {'healthy obs/s, 1,000 devices without kiosks':>45}\n")
    others = {name: device for name, device in devices_of(1_000).items() if device.kind != "kiosk"}
    for total in (10, 100, 1_000):
        found, _ = rate([*single[:10], *unrelated(total - 10)], others, seconds)
        out(f"{total:>8} {10:>19} {found:>45,.0f}\n")
    whole = list(library_rules().values())
    out("\nbytes of memory per device, 2,000 devices\n")
    out(f"  watched, nothing said, the library's {len(whole)} rules   {memory(whole, 2_000, idle=True):>8,.0f}\n")
    out(f"  healthy, {len(single)} rules over single readings       {memory(single, 2_000, idle=False):>8,.0f}\n")
    out(f"  healthy, {len(windows)} rules with windows               {memory(windows, 2_000, idle=False):>8,.0f}\n")
    out(f"\nload 1,000 rules from documents   {_load_seconds(lambda: unrelated(1_000)):.2f} s\n")
    states, again = restart([*single, *windows], 10_000)
    out(f"come back with {states:,} states of 10,000 devices   {again:.2f} s\n")
    peers(out, history_of(devices_of(1_000), 5_000), seconds)


if __name__ == "__main__":
    main()
