"""Gives every native device of a community its setting: its home, its spot, what is behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from firmware_sim.community import SimulatedCommunity, SimulatedPlace
from firmware_sim.household import Household
from firmware_sim.setting import SOMEWHERE, Setting
from firmware_sim.signals.home import Home
from firmware_sim.spot import spot_of

HOME_RADIO = (
    "sos_button",
    "service_button",
    "contact",
    "glass_break",
    "motion",
    "medication_box",
    "smoke",
    "heat",
    "leak",
)
"""Kinds on a battery that sit behind a field bus in a building; the others have a network of their own."""


def housed(community: SimulatedCommunity, *, seed: int, rate: float) -> Iterator[tuple[SimulatedPlace, Setting]]:
    """Each native device with its setting. Devices of one resident, or else of one place, share a household."""
    households: dict[str, Household] = {}
    carried = _carried(community)
    for device in community.native:
        whose = device.resident or device.place
        if whose not in households:
            households[whose] = Household(Home(f"{seed}/{whose}", community.timezone))
        yield (
            device,
            Setting(
                seed=seed,
                zone=community.timezone,
                rate=rate,
                resident=device.resident,
                hardware=device.address,
                spot=spot_of(device.id, device.name),
                household=households[whose],
                behind=carried[device.place] if device.kind == "concentrator" else 0,
                position=community.position(device.place) or SOMEWHERE,
            ),
        )


def _carried(community: SimulatedCommunity) -> Counter[str]:
    """Place → how many radio devices there are in it."""
    found: Counter[str] = Counter()
    for device in community.native:
        if device.kind in HOME_RADIO:
            found.update(community.around(device.place))
    return found
