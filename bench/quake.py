"""(f) An earthquake: a thousand keys at once, beside a few hundred calls for service, over channels with and without a
pace of their own. How long until the last first notification leaves, and does what costs lives go first?
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench import town
from bench.press import Buttons, Presses
from bench.report import Figures
from bench.system import running

Say = Callable[[str], None]


@dataclass(frozen=True)
class Size:
    """How much happens at once."""

    presses: int = 1000
    services: int = 300
    """Calls for service, said just before."""
    per_minute: int = 600
    """The pace of the channel that has one."""
    within_s: float = 400.0


QUICK = Size(presses=20, services=6, per_minute=30, within_s=60.0)


def run(size: Size, say: Say) -> list[Figures]:
    """Measure both. Raises StageError, BrokerDidNotAnswer."""
    figures = Figures(
        f"(f) {size.presses:,} emergency keys and {size.services:,} service keys at once",
        ("channel", "lamps", "last lamp", "told", "half told", "last life told", "services before it", "most in 60 s"),
    )
    for name, per_minute in (("as many as there are", None), (f"{size.per_minute}/min", size.per_minute)):
        say(f"{name}: {size.presses} presses")
        lives, services, arrivals = _once(size, per_minute)
        figures.add(name, *_row(lives, services, arrivals))
    figures.notes += [
        "times in seconds from the first emergency press; every press opens a case of its own and tells a relative",
        "services before it: of the calls for service, which were made first, how many were told before the last "
        "relative of an emergency (0 is best; those that were told before the first emergency press do not count)",
        "most in 60 s: the most notifications that left within any minute; never above the pace",
    ]
    return [figures]


def _once(size: Size, per_minute: int | None) -> tuple[Presses, Presses, list[tuple[float, int]]]:
    homes = size.presses + size.services
    with Buttons() as buttons:
        community = town.build(homes, buttons.messenger_port, services=True, per_minute=per_minute)
        with running(community) as system:
            buttons.connect(system.for_devices)
            services = buttons.press(range(size.presses, homes), key=town.service_key, wait=False)
            lives = buttons.press(range(size.presses), within_s=size.within_s)
            return lives, services, list(buttons.arrivals)


def _row(lives: Presses, services: Presses, arrivals: list[tuple[float, int]]) -> tuple[str, ...]:
    began = min(press.pressed for press in lives.of.values())
    lamps = sorted(press.lamp - began for press in lives.of.values() if press.lamp is not None)
    told = sorted(press.told - began for press in lives.of.values() if press.told is not None)
    last = told[-1] if told else 0.0
    between = (press.told for press in services.of.values() if press.told is not None and press.told > began)
    before = sum(at - began < last for at in between)
    return (
        f"{len(lamps)}/{len(lives.of)}",
        f"{lamps[-1]:.1f}" if lamps else "–",
        f"{len(told)}/{len(lives.of)}",
        f"{told[len(told) // 2]:.1f}" if told else "–",
        f"{last:.1f}",
        str(before),
        str(_most_in_a_minute([at for at, _ in arrivals])),
    )


def _most_in_a_minute(instants: list[float]) -> int:
    ordered, start, most = sorted(instants), 0, 0
    for index, at in enumerate(ordered):
        while at - ordered[start] >= 60.0:
            start += 1
        most = max(most, index - start + 1)
    return most
