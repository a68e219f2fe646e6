"""The rules engine by itself: observations per second, and what rules cost that an observation does not concern.

``python -m bench.rules [SECONDS]`` prints a table for 10, 1,000 and 10,000 devices under the whole library (steady: all
healthy; worst: everybody falls ill and recovers all the time), with and without the bodies to save, and then a growing
number of rules over other metrics beside the library. One thread, no database; seconds are of processor time, so that
a busy machine does not show.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence

from pydantic import TypeAdapter

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


def _devices(count: int) -> dict[str, KnownDevice]:
    return {f"d{n}": KnownDevice(f"d{n}", MIX[n % len(MIX)], f"place-{n // 4}", f"r{n // 4}") for n in range(count)}


def _history(devices: dict[str, KnownDevice], length: int, worst: bool) -> list[Observation]:
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


def rate(rules: Sequence[RuleDocument], count: int, seconds: float, *, worst: bool, saving: bool) -> tuple[float, int]:
    """Observations per second, and alarms moved; the history is played again with new message ids until time is up."""
    devices = _devices(count)
    engine = Engine(rules, devices.get, {})
    engine.watch(devices, BASE_MS)
    history = _history(devices, 20_000, worst)
    done = moved = 0
    started = time.process_time()
    while True:
        for observation in history:
            moved += len(engine.observe(observation, observation.received_at_ms))
            done += 1
            if saving and done % 256 == 0:
                engine.dirty()
        elapsed = time.process_time() - started
        if elapsed >= seconds:
            return done / elapsed, moved
        engine = Engine(rules, devices.get, {})
        engine.watch(devices, BASE_MS)


def _unrelated(count: int) -> list[RuleDocument]:
    """Rules over the temperature of kiosks: none of them concerns a vitals monitor."""
    adapter: TypeAdapter[RuleDocument] = TypeAdapter(RuleDocument)
    return [
        adapter.validate_python(
            {
                "id": f"kiosk-{n}",
                "version": 1,
                "zh": "机温",
                "en": "kiosk temperature",
                "form": "threshold",
                "kinds": ["kiosk"],
                "when": f"temperature > {60 + n % 30}",
                "raises": {"type": "device_fault", "severity": "notice", "ladder": "maintenance"},
            }
        )
        for n in range(count)
    ]


def main() -> None:
    """Print the tables."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    rules = list(library_rules().values())
    out = sys.stdout.write
    out(f"library: {len(rules)} rules\n")
    out(f"{'devices':>8} {'steady obs/s':>14} {'and saved':>12} {'worst and saved':>16} {'alarms moved':>13}\n")
    for count in (10, 1_000, 10_000):
        steady, _ = rate(rules, count, seconds, worst=False, saving=False)
        saved, _ = rate(rules, count, seconds, worst=False, saving=True)
        worst, moved = rate(rules, count, seconds, worst=True, saving=True)
        out(f"{count:>8} {steady:>14,.0f} {saved:>12,.0f} {worst:>16,.0f} {moved:>13,}\n")
    out(f"\n{'unrelated rules':>16} {'steady obs/s at 1,000 devices without kiosks':>46}\n")
    for extra in (0, 10, 100, 1_000):
        steady_rate = _without_kiosks([*rules, *_unrelated(extra)], seconds)
        out(f"{extra:>16} {steady_rate:>46,.0f}\n")


def _without_kiosks(rules: Sequence[RuleDocument], seconds: float) -> float:
    devices = {name: device for name, device in _devices(1_000).items() if device.kind != "kiosk"}
    history = _history(devices, 20_000, worst=False)
    done, started = 0, time.process_time()
    while (elapsed := time.process_time() - started) < seconds:
        engine = Engine(rules, devices.get, {})
        for observation in history:
            engine.observe(observation, observation.received_at_ms)
        done += len(history)
    return done / elapsed


if __name__ == "__main__":
    main()
