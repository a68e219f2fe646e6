"""Two gateways on one database, run cycle by cycle: each with a journal and a steady clock of its own."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from devices.observation import Lane, Observation
from gateway.decider.decider import Decider
from gateway.decider.view import Views
from gateway.registry import store as registry_store
from gateway.registry.load import load_community
from gateway.state.leadership import Leadership, NotLeading
from tests.support.deciding import Clocks, DecidingRoom, MemoryJournal
from tests.support.homes import community, write_community


class Side(DecidingRoom):
    """One gateway of the pair: all that a deciding room can do."""

    def __init__(self, engine: sa.Engine, clocks: Clocks, name: str, rank: int) -> None:
        self.engine = engine
        self.clocks = clocks
        self.name = name
        self.rank = rank
        self.journal = MemoryJournal()
        self.steady_s = 0.0
        self.woken = 0
        self.decider = self.restart()

    def restart(self) -> Decider:
        """A new process of this gateway, on its journal."""
        self.leadership = Leadership(
            self.engine,
            self.clocks,
            self.name,
            rank=self.rank,
            url=f"http://{self.name}.example",
            steady=lambda: self.steady_s,
        )
        self.decider = Decider(
            self.engine,
            self.journal,
            self.clocks,
            views=Views(self.engine, self.clocks),
            quarantine=lambda _: None,
            on_change=lambda _: None,
            on_said=self._wake,
            on_view=lambda _: None,
            leadership=self.leadership,
        )
        self.decider._term = self.decider._lead()  # `start` without the thread
        self.decider._reload()
        return self.decider

    def _wake(self) -> None:
        self.woken += 1


class Pair:
    """``pair.press()`` reaches both; ``pair.forward(3)`` lets time pass for both, a cycle each second."""

    def __init__(self, directory: Path, engine: sa.Engine, **life_safety: Any) -> None:
        self.clocks = Clocks()
        self.engine = engine
        found = load_community(write_community(directory / "community.yaml", community(1, **life_safety)))
        registry_store.apply(engine, found, "test", self.clocks.now_ms())
        self.home = Side(engine, self.clocks, "home", 0)
        self.other = Side(engine, self.clocks, "other", 1)
        self._seq = 0

    def press(self, *sides: Side) -> None:
        """The key of sos-1 is pressed, and the broker hands it to both (or to ``sides`` only)."""
        self._seq += 1
        for side in sides or (self.home, self.other):
            side.journal.add(
                Observation(
                    message_id=f"sos-1:1:{self._seq}",
                    device="sos-1",
                    kind="sos_button",
                    lane=Lane.URGENT,
                    observed_at_ms=self.clocks.now_ms(),
                    received_at_ms=self.clocks.now_ms(),
                    event="press",
                )
            )

    def forward(self, seconds: int, *alive: Side) -> None:
        """Time passes for the living; who is not among ``alive`` is dead or asleep."""
        for _ in range(seconds):
            self.clocks.forward(1)
            for side in alive or (self.home, self.other):
                side.steady_s += 1
                with suppress(NotLeading):  # as the decider's thread does
                    side.cycle()
