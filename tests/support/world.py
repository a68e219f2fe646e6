"""The simulated world on a free loopback port, in this event loop, and a small simulated community."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence

from devices.kinds import KINDS
from firmware_sim.community import SimulatedCommunity, SimulatedPlace
from firmware_sim.housing import HOME_RADIO
from firmware_sim.world.app import World
from firmware_sim.world.server import HOST, serving

HOME = (*HOME_RADIO, "presence", "vitals_monitor", "gas", "co", "valve", "siren", "plug")


@contextlib.asynccontextmanager
async def running_world(*, centre_token: str | None = None) -> AsyncIterator[tuple[World, str]]:
    """A world whose log can be read directly, and its URL."""
    world = World(centre_token=centre_token)
    async with serving(world.app) as port:
        yield world, f"http://{HOST}:{port}"


def hamlet(homes: int = 1, kinds: Sequence[str] = tuple(KINDS)) -> SimulatedCommunity:
    """A community with one device of each kind per home: ``sos_button-1`` … of resident ``r1`` at ``door-1`` in the
    ``yard`` …"""
    return SimulatedCommunity(
        "hamlet",
        "Asia/Shanghai",
        tuple(
            SimulatedPlace(f"{kind}-{home}", kind, f"door-{home}", f"r{home}" if kind in HOME else None)
            for home in range(1, homes + 1)
            for kind in kinds
        ),
        parents={f"door-{home}": "yard" for home in range(1, homes + 1)},
    )
