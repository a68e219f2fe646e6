"""The past of a community: what its devices said in the days before now, told at once, in the order of time.

The last day is lived by the very firmware that lives on afterwards, reporting every ten minutes at most. Of the days
before there is what happened: keys pressed, smoke in a kitchen, a bin that was full.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from devices.native import encode
from devices.observation import Channel
from firmware_sim.community import SimulatedCommunity
from firmware_sim.device import SimDevice
from firmware_sim.housing import housed
from firmware_sim.kinds import SIMULATED

HOUR_MS: Final = 3_600_000
LIVED_MS: Final = 24 * HOUR_MS
"""So long devices have lived, up to now."""
REPORTING_S: Final = 600.0
"""So often a device reports, or more rarely where it always does."""
COUNTING_S: Final = 240.0
"""The same of traffic counters: between two reports that are further apart nobody knows how the road flowed."""


class Happening(NamedTuple):
    """Something that happened, and what ended it."""

    hours_ago: float
    kind: str
    event: str
    over: str = ""
    """The action that ended it; none for what is over in a moment."""
    after_s: float = 0.0


WEEK: Final[tuple[Happening, ...]] = (
    Happening(163.2, "sos_button", "press"),
    Happening(158.9, "service_button", "plumbing"),
    Happening(151.4, "smoke", "smoke", "smoke_cleared", 420),
    Happening(148.3, "kiosk", "call_staff"),
    Happening(143.6, "camera", "line_crossing"),
    Happening(139.1, "waste_bin", "full", "collected", 9_000),
    Happening(122.5, "leak", "leak", "leak_cleared", 2_400),
    Happening(117.3, "contact", "tamper", "mend", 9_000),
    Happening(112.6, "sos_button", "press"),
    Happening(96.1, "gas", "gas", "gas_cleared", 1_260),
    Happening(91.5, "smoke", "self_test"),
    Happening(90.2, "glass_break", "glass_break", "glass_break_cleared", 60),
    Happening(85.7, "presence", "fall", "fall_cleared", 640),
    Happening(80.3, "smoke", "fault", "mend", 13_000),
    Happening(76.8, "sos_button", "press", "cancel", 45),
    Happening(70.4, "kiosk", "problem_report"),
    Happening(66.2, "camera", "intrusion", "intrusion_cleared", 300),
    Happening(57.0, "traffic_counter", "wrong_way"),
    Happening(45.9, "smoke", "smoke", "smoke_cleared", 300),
    Happening(36.8, "service_button", "housekeeping"),
    Happening(31.4, "camera", "video_loss", "video_restored", 5_400),
    Happening(28.1, "sos_button", "press"),
    Happening(21.6, "service_button", "plumbing"),
    Happening(18.7, "sos_button", "press", "cancel", 55),
    Happening(15.3, "heat", "heat", "heat_cleared", 500),
    Happening(12.2, "waste_bin", "full", "collected", 6_500),
    Happening(9.4, "kiosk", "call_staff"),
    Happening(7.1, "leak", "leak", "leak_cleared", 1_500),
    Happening(6.0, "gas", "self_test"),
    Happening(4.6, "sos_button", "press"),
    Happening(3.3, "service_button", "drain"),
)
"""What happened, whichever day of the week it is. A device of the kind, another one each time."""


class Told(NamedTuple):
    """One message of the past, as its device sent it."""

    at_ms: int
    hardware: str
    channel: Channel
    payload: bytes
    """JSON of the native protocol."""


def past(community: SimulatedCommunity, until_ms: int, *, seed: int = 1) -> Iterator[Told]:
    """What the native devices of ``community`` said in the week up to ``until_ms``, in the order of time.

    The same community, instant and seed tell the same. Of kinds that the community does not have nothing happened.
    """
    devices = list(_devices(community, seed))
    due: list[tuple[int, int, SimDevice, str]] = []
    for number, (at_ms, device, event) in enumerate(_happenings(devices, until_ms, seed)):
        due.append((at_ms, number, device, event))
    begun_ms = until_ms - LIVED_MS
    heapq.heapify(due)
    pushed = len(due)
    for device in devices:
        pushed += 1
        heapq.heappush(due, (begun_ms, pushed, device, "begin"))
    while due and due[0][0] <= until_ms:
        at_ms, _, device, event = heapq.heappop(due)
        if event == "begin":
            device.power_on(at_ms)
            device.connected(at_ms)
        elif event:
            if not device.powered:
                device.power_on(at_ms)
                device.take()
            device.act(event, at_ms, {})
        else:
            device.tick(at_ms)
        for out in device.take():
            if out.message.wave is None:
                yield Told(at_ms, device.hardware, out.channel, encode(out.message, "json"))
        if at_ms < begun_ms:
            device.power_off(at_ms)  # of the days before, only what happened
        elif not event or event == "begin":
            pushed += 1
            heapq.heappush(due, (max(at_ms + 1, device.next_due_ms), pushed, device, ""))


def _devices(community: SimulatedCommunity, seed: int) -> Iterator[SimDevice]:
    for place, setting in housed(community, seed=seed, rate=1.0):
        made = SIMULATED[place.kind]
        often_s = COUNTING_S if place.kind == "traffic_counter" else REPORTING_S
        yield made(place.id, replace(setting, sparing=max(1.0, often_s / made.heartbeat_s)))


def _happenings(devices: list[SimDevice], until_ms: int, seed: int) -> Iterator[tuple[int, SimDevice, str]]:
    """Each event with its instant and its device; what ends something comes from the same device."""
    dice = random.Random(f"{seed}/past")
    by_kind: dict[str, list[SimDevice]] = {}
    for device in devices:
        by_kind.setdefault(device.kind_key, []).append(device)
    for found in by_kind.values():
        dice.shuffle(found)
    turns: dict[str, int] = {}
    for one in WEEK:
        if one.kind not in by_kind:
            continue
        turn = turns[one.kind] = turns.get(one.kind, -1) + 1
        device = by_kind[one.kind][turn % len(by_kind[one.kind])]
        at_ms = until_ms - round(one.hours_ago * HOUR_MS)
        yield at_ms, device, one.event
        if one.over:
            yield at_ms + round(one.after_s * 1000), device, one.over
