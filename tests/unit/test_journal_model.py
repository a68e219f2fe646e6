"""The journal against a model: no sequence of submits, repeats, reads, cursors, trims and restarts tells them apart."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from devices.observation import Lane, Observation
from gateway.journal.entry import Outcome
from tests.support.eventually import eventually
from tests.support.journal import HOUR, HandClock, Room, open_room, press, reading

KEEP_HOURS = 2
READERS = ("decider", "store")
lanes = st.sampled_from(list(Lane))


class JournalAgainstModel(RuleBasedStateMachine):
    sent = Bundle("sent")

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="anju-journal-"))
        self.stack = ExitStack()
        self.stack.enter_context(patch("gateway.journal.writer.IDLE_S", 0.01))
        self.clock = HandClock()
        self.number = 0
        self.stored: dict[Lane, list[Observation]] = {lane: [] for lane in Lane}
        """Everything ever stored; its index + 1 is its rank."""
        self.trimmed: dict[Lane, int] = dict.fromkeys(Lane, 0)
        self.positions: dict[Lane, list[int]] = {lane: [] for lane in Lane}
        self.cursors: dict[Lane, dict[str, int]] = {lane: {} for lane in Lane}

    @initialize()
    def begin(self) -> None:
        self.open()

    def open(self) -> None:
        self.opened = ExitStack()
        self.room: Room = self.opened.enter_context(open_room(self.root, self.clock, keep_hours=KEEP_HOURS))

    @rule(target=sent, lane=lanes, count=st.integers(1, 30))
    def submit(self, lane: Lane, count: int) -> object:
        make = press if lane is Lane.URGENT else reading
        batch = [make(self.number + n, at=self.clock.at) for n in range(count)]
        self.number += count
        assert self.room.send_all(batch) == [Outcome.STORED] * count
        self.stored[lane] += batch
        self.positions[lane] += [e.position for e in self.room.journal.tail(lane, count)]
        return multiple(*batch[:2])

    @rule(observation=sent)
    def submit_again(self, observation: Observation) -> None:
        lane = observation.lane
        outcome = self.room.send(observation)
        if observation in self.stored[lane][self.trimmed[lane] :]:
            assert outcome is Outcome.DUPLICATE
        else:  # trimmed long ago: the journal no longer knows it, the decider still does
            assert outcome is Outcome.STORED
            self.stored[lane].append(observation)
            self.positions[lane].append(self.room.journal.last_position(lane))

    @rule(lane=lanes, share=st.floats(0, 1), limit=st.integers(1, 40))
    def read(self, lane: Lane, share: float, limit: int) -> None:
        index = int(share * len(self.stored[lane]))
        after = self.positions[lane][index - 1] if index else 0
        expected = list(zip(self.positions[lane], self.stored[lane], strict=True))[max(index, self.trimmed[lane]) :]
        found = self.room.journal.read(lane, after, limit)
        assert [(entry.position, entry.observation) for entry in found] == expected[:limit]

    @rule(lane=lanes, reader=st.sampled_from(READERS), share=st.floats(0, 1))
    def set_cursor(self, lane: Lane, reader: str, share: float) -> None:
        index = int(share * len(self.stored[lane]))
        position = self.positions[lane][index - 1] if index else 0
        self.room.journal.set_cursor(reader, lane, position)
        self.cursors[lane][reader] = position
        self.settle()

    @rule(hours=st.sampled_from([1, 3]))
    def time_passes(self, hours: int) -> None:
        self.clock.at += hours * HOUR
        self.settle()

    @rule()
    def restart(self) -> None:
        self.opened.close()
        self.open()
        for lane, cursors in self.cursors.items():  # readers register again, as they do at every start
            for reader, position in cursors.items():
                self.room.journal.set_cursor(reader, lane, position)

    def settle(self) -> None:
        """Trim the model, and wait until the journal has trimmed as much."""
        before = self.clock.at - KEEP_HOURS * HOUR
        for lane in Lane:
            read_by_all = min(self.cursors[lane].values(), default=0)
            while (
                self.trimmed[lane] < len(self.stored[lane])
                and self.positions[lane][self.trimmed[lane]] <= read_by_all
                and self.stored[lane][self.trimmed[lane]].received_at_ms < before
            ):
                self.trimmed[lane] += 1
            rows = len(self.stored[lane]) - self.trimmed[lane]
            eventually(
                lambda lane=lane, rows=rows: self.room.journal.stats().lanes[lane].totals.rows == rows,  # type: ignore[misc]  # mypy cannot infer bound defaults
                5,
                f"{lane} at {rows} rows",
            )

    @invariant()
    def positions_only_grow(self) -> None:
        for positions in self.positions.values():
            assert positions == sorted(set(positions))

    def teardown(self) -> None:
        if hasattr(self, "opened"):
            self.opened.close()
        self.stack.close()
        shutil.rmtree(self.root)


TestJournalAgainstModel = JournalAgainstModel.TestCase
TestJournalAgainstModel.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
