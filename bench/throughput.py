"""(b) Readings a second from the broker through journal, rules and store, at rising rates, beside the bare broker."""

from __future__ import annotations

import multiprocessing
import threading
import time
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized

import paho.mqtt.client as paho
import psutil
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from bench import town
from bench.broker_roundtrip import BrokerDidNotAnswer
from bench.flood import flood
from bench.path import Say
from bench.report import Figures
from bench.system import BrokerAddress, System, cpu_s, running
from devices.observation import Lane

DEVICES = 300
BEHIND_S = 2.0
"""A rate is sustained while what is under way stays below so many seconds' worth of it."""
FAILED_ENOUGH = 2
"""So many rates in a row that were not kept up with end the climb: one may be an accident of the machine."""
SHORT_OF = 0.95
"""Less than this share of a rate taken by the broker: the publishers or the broker are at their end."""
BARE = "bare"
"""A community nobody serves: what is published there goes past the gateway."""


@dataclass(frozen=True)
class Steps:
    rates: tuple[int, ...] = (250, 500, 1000, 1500, 2000, 3000, 4000, 6000, 8000, 12_000, 16_000, 24_000)
    settle_s: float = 3.0
    """Each rate runs so long before it is measured."""
    measure_s: float = 10.0


QUICK = Steps(rates=(100, 200), settle_s=0.5, measure_s=1.5)


def run(steps: Steps, say: Say) -> list[Figures]:
    """Climb until the gateway, and then the bare broker, no longer keeps up. Raises as `path.run`."""
    with running(town.build(DEVICES, messenger_port=9)) as system:
        return [_gateway(system, steps, say), _bare(system, steps, say)]


def _gateway(system: System, steps: Steps, say: Say) -> Figures:
    figures = Figures(
        f"(b) Readings a second from {DEVICES} monitors (4 metrics each), broker → journal → rules and store",
        (
            "offered/s",
            "broker took",
            "on disk",
            "decided",
            "behind: broker",
            "decider",
            "store",
            "gateway CPU",
            "broker CPU",
            "gateway memory",
            "kept up",
        ),
    )
    best, failed = 0.0, 0
    for rate in steps.rates:
        say(f"{rate:,} readings/s")
        with flood(system.for_devices, town.COMMUNITY, rate, DEVICES) as under_way:
            start_acked, start = under_way.acked, system.read()
            time.sleep(steps.settle_s)
            first_acked, first = under_way.acked, system.read()
            time.sleep(steps.measure_s)
            under_way.check()
            acked, last = under_way.acked, system.read()
        elapsed = last.at_s - first.at_s
        taken = (acked - first_acked) / elapsed
        on_disk = (last.accepted[Lane.ROUTINE] - first.accepted[Lane.ROUTINE]) / elapsed
        in_broker = max(0, acked - start_acked - (last.accepted[Lane.ROUTINE] - start.accepted[Lane.ROUTINE]))
        behind = in_broker + max(last.decider_lag, last.store_lag)
        kept_up = behind <= BEHIND_S * rate and taken >= SHORT_OF * rate
        figures.add(
            f"{rate:,}",
            f"{taken:,.0f}",
            f"{on_disk:,.0f}",
            f"{(last.decided[Lane.ROUTINE] - first.decided[Lane.ROUTINE]) / elapsed:,.0f}",
            f"{in_broker:,}",
            f"{last.decider_lag:,}",
            f"{last.store_lag:,}",
            f"{(last.gateway_cpu_s - first.gateway_cpu_s) / elapsed:.0%}",
            f"{(last.broker_cpu_s - first.broker_cpu_s) / elapsed:.0%}",
            f"{last.gateway_rss / 2**20:.0f} MB",
            "yes" if kept_up else "no",
        )
        _drain(system)
        failed = 0 if kept_up else failed + 1
        best = taken if kept_up else best
        if failed == FAILED_ENOUGH:
            break
    figures.notes += [
        f"highest rate kept up with: {best:,.0f} readings/s ({best * 4:,.0f} points/s in the store)",
        f"kept up: at the end of the step no more than {BEHIND_S:g} s' worth was under way, and the broker took all",
        "100 % is one core; publishers, broker and gateway share the machine",
    ]
    return figures


def _drain(system: System, within_s: float = 60.0) -> None:
    """Each rate begins with nothing under way."""
    deadline = time.monotonic() + within_s
    before = -1
    while time.monotonic() < deadline:
        reading = system.read()
        accepted = reading.accepted[Lane.ROUTINE]
        if accepted == before and not reading.decider_lag and not reading.store_lag:
            return
        before = accepted
        time.sleep(0.25)


def _bare(system: System, steps: Steps, say: Say) -> Figures:
    """The same publishers at the same broker; a plain subscriber that acknowledges at once and does nothing else."""
    figures = Figures(
        "(b) The same publishers and the bare broker, to a paho subscriber that acknowledges and does nothing",
        ("offered/s", "broker took", "received", "behind", "subscriber CPU", "broker CPU", "kept up"),
    )
    best, failed = 0.0, 0
    with _subscriber(system.for_gateway) as (received, subscriber):
        for rate in steps.rates:
            say(f"bare broker, {rate:,} readings/s")
            with flood(system.for_devices, BARE, rate, DEVICES) as under_way:
                start = received.value
                time.sleep(steps.settle_s)
                began, acked, got = time.monotonic(), under_way.acked, received.value
                broker_cpu, own_cpu = system.broker_cpu_s(), cpu_s(subscriber)
                time.sleep(steps.measure_s)
                under_way.check()
                elapsed = time.monotonic() - began
                taken, rate_in = (under_way.acked - acked) / elapsed, (received.value - got) / elapsed
                behind = max(0, under_way.acked - (received.value - start))
                broker_share = (system.broker_cpu_s() - broker_cpu) / elapsed
                own_share = (cpu_s(subscriber) - own_cpu) / elapsed
            kept_up = behind <= BEHIND_S * rate and taken >= SHORT_OF * rate
            figures.add(
                f"{rate:,}",
                f"{taken:,.0f}",
                f"{rate_in:,.0f}",
                f"{behind:,}",
                f"{own_share:.0%}",
                f"{broker_share:.0%}",
                "yes" if kept_up else "no",
            )
            _wait_still(received)
            failed = 0 if kept_up else failed + 1
            best = taken if kept_up else best
            if failed == FAILED_ENOUGH:
                break
    figures.notes.append(f"highest rate kept up with: {best:,.0f} readings/s")
    return figures


def _wait_still(received: Synchronized[int]) -> None:
    before = -1
    while before != received.value:
        before = received.value
        time.sleep(0.25)


class _subscriber:
    """A subscriber in a process of its own; yields its counter and its process."""

    def __init__(self, broker: BrokerAddress) -> None:
        context = multiprocessing.get_context("spawn")
        self._received = context.Value("q", 0)
        self._ready, self._stop = context.Event(), context.Event()
        self._process = context.Process(
            target=subscribe, args=(broker, self._received, self._ready, self._stop), daemon=True
        )

    def __enter__(self) -> tuple[Synchronized[int], psutil.Process]:
        self._process.start()
        if not self._ready.wait(15):
            raise BrokerDidNotAnswer("the bare subscriber was not let in")
        return self._received, psutil.Process(self._process.pid)

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._process.join(timeout=10)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()


def subscribe(
    broker: BrokerAddress, received: Synchronized[int], ready: threading.Event, stop: threading.Event
) -> None:
    """Count what comes; runs until ``stop``."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="bench-bare", protocol=MQTTProtocolVersion.MQTTv311)
    client.username_pw_set(broker.username, broker.password)
    count = 0

    def message(*_: object) -> None:
        nonlocal count
        count += 1
        received.value = count

    client.on_connect = lambda *_: client.subscribe(f"anju/v1/{BARE}/#", 1) and None
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = message
    client.connect(broker.host, broker.port)
    client.loop_start()
    stop.wait()
    client.disconnect()
    client.loop_stop()
