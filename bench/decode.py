"""Decoding by itself: what one message of each profile costs, beside the native protocol, in one thread.

``python -m bench.decode [SECONDS]`` takes the payloads that the profiles' pages show (docs/devices), and for each
profile measures bytes → what is news (`receive` and `observe`). Seconds are of processor time. A line's profile is fed
its bytes in pieces as they come, and measured per byte.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence

from rich.console import Console

from bench.report import Figures, print_figures
from devices import native
from devices.gear.memory import Memory, observe
from devices.gear.messages import GearDevice, Incoming
from devices.native import Message
from devices.observation import Channel
from devices.profiles import PROFILES
from gateway.rules.forms import KnownDevice
from tests.support.pages import PAGES, PageTry, tries

NOW_MS = 1_790_000_000_000
PIECE = 32
"""Bytes that a line hands over at once, more or less."""


class _Book:
    def __init__(self, device: GearDevice) -> None:
        self._device = device

    def at(self, address: str) -> Sequence[GearDevice]:
        return (self._device,) if address == self._device.address else ()

    def all(self) -> Iterable[GearDevice]:
        return (self._device,)


def figures(seconds: float, say: Callable[[str], None]) -> list[Figures]:
    """A table for messages, and one for lines."""
    messages = Figures(
        "(e) Decoding by itself: payload → observations, one thread, per message",
        ("profile", "payload bytes", "µs", "messages per processor second"),
        notes=["payloads: those of docs/devices; native: a press with battery and signal; `python -m bench.decode`"],
    )
    lines = Figures(
        "(e) Decoding of lines, one thread",
        ("profile", "baud", "ns per byte", "share of a core at full speed, %"),
        notes=["full speed: a line that never rests"],
    )
    cost = _native(seconds)
    messages.add("native (JSON)", str(len(PRESS)), f"{cost * 1e6:.1f}", f"{1 / cost:,.0f}")
    for key, profile in sorted(PROFILES.items()):
        page = PAGES / f"{key}.md"
        samples = list(tries(page)) if page.exists() else []
        if not samples:
            continue
        say(key)
        if profile.message is not None:
            cost = sum(_message(one, seconds / len(samples)) for one in samples) / len(samples)
            size = sum(len(one.payload) for one in samples) // len(samples)
            messages.add(key, str(size), f"{cost * 1e6:.1f}", f"{1 / cost:,.0f}")
        elif profile.stream is not None and profile.serial is not None:
            cost = _stream(max(samples, key=lambda one: len(one.payload)), seconds)
            share = cost * profile.serial.baud / 10 * 100
            lines.add(key, f"{profile.serial.baud:,}", f"{cost * 1e9:,.0f}", f"{share:.2f}")
    return [messages, lines]


PRESS = native.encode(
    Message(v=1, boot=1_790_000_000_123, seq=42, t=NOW_MS, event="press", metrics={"battery": 87.0, "rssi": -61.0}),
    "json",
)


def _native(seconds: float) -> float:
    device = KnownDevice("sos-1", "sos_button")
    return _timed(lambda n: native.decode(device, Channel.EVENT, PRESS, received_at_ms=NOW_MS + n), seconds)


def _message(one: PageTry, seconds: float) -> float:
    """Processor seconds for one message of a page, with everything new forgotten in between only by its own rules."""
    what = one.attempt()
    make = what.profile.message
    assert make is not None
    gear = make(what.base or what.profile.base, what.bridge_options)
    address, _, part = what.address.partition("#")
    book = _Book(GearDevice(id="bench", kind=one.kind, address=address or "1", part=part, options=what.options))
    memory = Memory()

    def work(number: int) -> None:
        at_ms = NOW_MS + number * 2000
        incoming = Incoming(source=what.topic, payload=what.payload, received_at_ms=at_ms, retained=what.retained)
        for said in gear.receive(incoming, book).said:
            observe(said, memory, received_at_ms=at_ms, retained=what.retained, redelivered=False)

    return _timed(work, seconds)


def _stream(one: PageTry, seconds: float) -> float:
    """Processor seconds for one byte of a line."""
    what = one.attempt()
    make = what.profile.stream
    assert make is not None
    gear = make(what.bridge_options)
    gear.opened(0)
    book = _Book(GearDevice(id="bench", kind=one.kind, address=what.address or "1", options=what.options))
    memory = Memory()
    pieces = [what.payload[at : at + PIECE] for at in range(0, len(what.payload), PIECE)]

    def work(number: int) -> None:
        at_ms = number * 100
        for piece in pieces:
            for said in gear.feed(piece, at_ms, NOW_MS + at_ms, book).said:
                observe(said, memory, received_at_ms=NOW_MS + at_ms, retained=False, redelivered=False)
        for said in gear.due(at_ms, NOW_MS + at_ms, book)[1].said:
            observe(said, memory, received_at_ms=NOW_MS + at_ms, retained=False, redelivered=False)

    return _timed(work, seconds) / max(1, len(what.payload))


def _timed(work: Callable[[int], object], seconds: float) -> float:
    """Processor seconds of one call, from as many as fit into ``seconds``."""
    work(0)
    done, begun = 0, time.process_time()
    while (spent := time.process_time() - begun) < seconds:
        for _ in range(20):
            done += 1
            work(done)
    return spent / max(1, done)


if __name__ == "__main__":
    console = Console(width=120)
    found = figures(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0, lambda text: None)
    print_figures(console, found)
