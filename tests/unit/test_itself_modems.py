"""The gateway's modems as devices: what rules see of them, and what is not told because nobody knows it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from devices.gear.memory import Memory
from devices.observation import Observation
from gateway.itself.modems import ModemWatcher, states
from gateway.journal.entry import Done, Outcome, Quarantined
from gateway.outbox.modem.health import ModemHealth, ModemState
from gateway.receipts import Receipts
from gateway.registry.model import Device
from tests.support.outbox import START_MS, HandClock


def health(state: ModemState, **fields: object) -> ModemHealth:
    given: dict[str, object] = {"name": "m1", "port": "/dev/x", "state": state, "zh": "中", "en": "why", "since_ms": 0}
    return ModemHealth.model_validate(given | fields)


@dataclass
class Sink:
    """A journal that takes everything."""

    taken: list[Observation] = field(default_factory=list)

    def submit(self, observation: Observation, done: Done) -> None:
        self.taken.append(observation)
        done(Outcome.STORED)

    def quarantine(self, item: Quarantined, done: Done) -> None:
        raise AssertionError(item)


@dataclass
class Watched:
    sink: Sink
    clock: HandClock
    watcher: ModemWatcher
    now: list[ModemHealth]
    steady: list[int]

    def after(self, seconds: float, state: ModemHealth) -> list[Observation]:
        """What is said at a look so much later."""
        self.now[0] = state
        self.steady[0] += int(seconds * 1000)
        self.clock.ms += int(seconds * 1000)
        before = len(self.sink.taken)
        self.watcher.look()
        return self.sink.taken[before:]


@pytest.fixture
def watched() -> Watched:
    sink, clock, steady, now = Sink(), HandClock(START_MS), [0], [health(ModemState.STARTING)]
    device = Device(id="m1", kind="modem", place="hall")
    watcher = ModemWatcher(
        lambda: now, lambda: {"m1": device}, sink, Receipts(sink), {"m1": Memory()}, clock, lambda: steady[0]
    )
    return Watched(sink, clock, watcher, now, steady)


READY = health(ModemState.READY, signal_dbm=-71, operator="CHINA MOBILE")


def test_ready_is_told_at_once_with_signal_and_operator(watched: Watched) -> None:
    assert watched.after(0, health(ModemState.STARTING)) == []
    said = watched.after(5, READY)
    metrics = {key: value for one in said for key, value in one.metrics.items()}
    assert (metrics["registered"], metrics["sim_ready"], metrics["rssi"]) == (1, 1, -71)
    assert said[0].device == "m1"


def test_what_is_lost_is_told_after_ten_seconds_with_its_event(watched: Watched) -> None:
    watched.after(0, READY)
    lost = health(ModemState.SEARCHING)
    assert watched.after(5, lost) == []
    assert watched.after(5, lost) == []
    said = watched.after(5, lost)
    assert "registration_lost" in [one.event for one in said]
    back = watched.after(5, READY)
    assert "registered" in [one.event for one in back]


def test_a_sim_that_is_pulled_is_its_own_event(watched: Watched) -> None:
    watched.after(0, READY)
    watched.after(5, health(ModemState.NO_SIM))
    assert "sim_missing" in [one.event for one in watched.after(11, health(ModemState.NO_SIM))]


def test_one_that_hangs_is_faulty_and_nothing_else_is_claimed(watched: Watched) -> None:
    watched.after(0, READY)
    watched.after(5, health(ModemState.SILENT))
    said = watched.after(11, health(ModemState.SILENT))
    assert "fault" in [one.event for one in said]
    assert all("registered" not in one.metrics for one in said)


def test_the_same_is_said_once_a_minute(watched: Watched) -> None:
    watched.after(0, READY)
    assert watched.after(30, READY) == []
    assert watched.after(31, READY)


def test_a_short_reset_is_nobodys_news(watched: Watched) -> None:
    watched.after(0, READY)
    assert watched.after(5, health(ModemState.SILENT)) == []
    assert all(one.event is None for one in watched.after(4, READY))


def test_a_modem_that_is_no_device_is_not_told(watched: Watched) -> None:
    assert watched.after(0, READY.model_copy(update={"name": "other"})) == []


@pytest.mark.parametrize("state", list(ModemState))
def test_every_state_has_its_meaning(state: ModemState) -> None:
    found = states(health(state))
    assert (found == {}) == (state is ModemState.STARTING)
    assert set(found) <= {"faulty", "registered", "sim_ready"}
