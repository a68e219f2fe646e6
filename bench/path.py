"""(a) From the key to the lamp and to the first notification, idle and under a flood, beside the bare broker."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from bench import town
from bench.broker_roundtrip import measure
from bench.flood import Flood, flood
from bench.press import Buttons, Presses
from bench.report import Figures, Latencies
from bench.system import Reading, System, running
from devices.observation import Lane
from gateway.transports.broker_config import MAX_QUEUED_MESSAGES

Say = Callable[[str], None]


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    presses: int = 200
    """In each phase, one after the other."""
    every_s: float = 0.2
    burst: int = 100
    flood_rate: float = 10_000
    """Readings a second; must be well above what the gateway takes, and the report says whether it was."""
    ramp_s: float = 5.0
    """The flood runs so long before the first press."""

    @property
    def residents(self) -> int:
        return 2 * (self.presses + self.burst)


QUICK = Size(presses=8, burst=8, ramp_s=2.0)


def run(size: Size, say: Say) -> list[Figures]:
    """Measure everything on one gateway. Raises StageError, BrokerDidNotAnswer, FloodError."""
    with Buttons() as buttons, running(town.build(size.residents, buttons.messenger_port)) as system:
        buttons.connect(system.for_devices)
        numbers = iter(range(size.residents))

        def some(count: int) -> list[int]:
            return [next(numbers) for _ in range(count)]

        say("idle: bare broker")
        bare_idle = bare(system, size.presses)
        say(f"idle: {size.presses} presses")
        idle = buttons.press(some(size.presses), size.every_s)
        say(f"idle: {size.burst} presses at once")
        burst_idle = buttons.press(some(size.burst))
        say(f"flood of {size.flood_rate:,.0f} readings/s begins")
        with flood(system.for_devices, town.COMMUNITY, size.flood_rate, size.residents) as under_way:
            before = system.read()
            acked_before = under_way.acked
            time.sleep(size.ramp_s)
            marks = [_mark(system, under_way, before, acked_before)]
            say(f"flood: {size.presses} presses")
            flooded = buttons.press(some(size.presses), size.every_s)
            marks.append(_mark(system, under_way, before, acked_before))
            say("flood: bare broker")
            bare_flooded = bare(system, size.presses)
            say(f"flood: {size.burst} presses at once")
            burst_flooded = buttons.press(some(size.burst))
            marks.append(_mark(system, under_way, before, acked_before))
            under_way.check()
    times = Figures(
        "(a) From the key to the lamp and to the first notification, milliseconds",
        ("what", "idle n", "p50", "p99", "max", "under flood n", "p50", "p99", "max"),
    )
    times.add("bare broker round trip", *bare_idle.cells(), *bare_flooded.cells())
    for name, one, other in (("", idle, flooded), (f"{size.burst} at once: ", burst_idle, burst_flooded)):
        _rows(times, name, one, other)
    times.notes += [
        "bare broker round trip: a message of a press's size, publisher to subscriber, QoS 1, on the same broker; "
        "the floor under everything below",
        "PUBACK: the broker has it. Lamp: the gateway has it on its disk, a case is open, and its command to turn the "
        "lamp green has reached the device. Notified: the relative's messenger (HTTP) has been called",
        f"one press every {size.every_s:g} s, each another resident's; every press opens a case of its own",
    ]
    return [times, _flood_figures(size, before, acked_before, marks)]


def bare(system: System, n: int) -> Latencies:
    """The floor, on the broker under test."""
    broker = system.for_gateway
    return Latencies(measure(broker.host, broker.port, broker.username, broker.password, n))


@dataclass(frozen=True)
class _Mark:
    reading: Reading
    acked: int
    """Readings the broker took from the flood."""
    in_broker: int
    """Taken by the broker since the flood began and not yet on the gateway's disk."""


def _mark(system: System, under_way: Flood, before: Reading, acked_before: int) -> _Mark:
    acked = under_way.acked
    reading = system.read()
    in_broker = acked - acked_before - (reading.accepted[Lane.ROUTINE] - before.accepted[Lane.ROUTINE])
    return _Mark(reading, acked, max(0, in_broker))


def _rows(figures: Figures, name: str, idle: Presses, flooded: Presses) -> None:
    for what, label in (("acknowledged", "PUBACK"), ("lamp", "lamp"), ("told", "notified")):
        figures.add(f"{name}press → {label}", *idle.latencies(what).cells(), *flooded.latencies(what).cells())


def _flood_figures(size: Size, before: Reading, acked_before: int, marks: list[_Mark]) -> Figures:
    figures = Figures(
        f"(a) The flood meanwhile: {size.flood_rate:,.0f} readings/s offered, whatever is taken",
        (
            "since it began",
            "broker took/s",
            "gateway took/s",
            "decided/s",
            "waiting in the broker",
            "waiting for the decider",
            "for the store",
            "gateway CPU",
            "broker CPU",
        ),
    )
    first, acked = before, acked_before
    for mark in marks:
        now = mark.reading
        elapsed = now.at_s - first.at_s
        figures.add(
            f"{now.at_s - before.at_s:.0f} s",
            f"{(mark.acked - acked) / elapsed:,.0f}",
            f"{(now.accepted[Lane.ROUTINE] - first.accepted[Lane.ROUTINE]) / elapsed:,.0f}",
            f"{(now.decided[Lane.ROUTINE] - first.decided[Lane.ROUTINE]) / elapsed:,.0f}",
            f"{mark.in_broker:,}",
            f"{now.decider_lag:,}",
            f"{now.store_lag:,}",
            f"{(now.gateway_cpu_s - first.gateway_cpu_s) / elapsed:.0%}",
            f"{(now.broker_cpu_s - first.broker_cpu_s) / elapsed:.0%}",
        )
        first, acked = now, mark.acked
    backlog = [mark.in_broker + max(mark.reading.decider_lag, mark.reading.store_lag) for mark in marks]
    grew = all(later > earlier for earlier, later in pairwise(backlog))
    figures.notes.append(
        "the backlog grew all the time: the gateway was saturated"
        if grew
        else "the backlog did NOT grow all the time: the gateway was not saturated; offer more with --flood-rate"
    )
    if any(mark.in_broker > MAX_QUEUED_MESSAGES for mark in marks):
        figures.notes.append(
            f"Mosquitto keeps {MAX_QUEUED_MESSAGES:,} for the routine lane; what came beyond was dropped there"
        )
    figures.notes.append("100 % is one core; publishers, broker and gateway share the machine")
    return figures
