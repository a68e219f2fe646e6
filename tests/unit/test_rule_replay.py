"""Live, replayed and restarted engines decide the same; whatever devices say, nothing breaks and moves alternate."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from devices.kinds import KINDS
from devices.observation import Lane, Observation
from gateway.alarms import AlarmChange, AlarmMove
from gateway.rules.engine import Engine, Key
from gateway.rules.library import library_rules
from tests.support.watch_room import HOME, START

RULES = list(library_rules().values())
DEVICES = {device.id: device for device in HOME}
BY_METRIC = {
    "spo2": (0.0, 80.0, 88.0, 91.0, 97.0),
    "pulse": (0.0, 35.0, 70.0, 140.0),
    "systolic": (120.0, 190.0),
    "diastolic": (70.0, 125.0),
    "glucose": (2.5, 3.5, 5.0),
    "temperature": (36.6, 39.5),
    "probe_off": (0.0, 1.0),
    "speed": (5.0, 22.0, 50.0),
    "flow": (0.0, 900.0),
    "occupancy": (5.0, 50.0),
    "battery": (10.0, 20.0, 80.0),
}


@dataclass(frozen=True)
class Spoken:
    after_ms: int
    device: str
    boot: int
    seq: int
    ago_ms: int
    event: str | None
    metrics: dict[str, float]


@dataclass(frozen=True)
class Passed:
    after_ms: int


@dataclass(frozen=True)
class CaseOver:
    """Somebody closes every momentary alarm's case."""


def _spoken(draw: st.DrawFn) -> Spoken:
    device = DEVICES[draw(st.sampled_from(sorted(DEVICES)))]
    kind = KINDS[device.kind]
    metrics = sorted(kind.metrics.keys() & BY_METRIC.keys())
    values = draw(st.fixed_dictionaries({}, optional={key: st.sampled_from(BY_METRIC[key]) for key in metrics}))
    event = draw(st.none() | st.sampled_from(sorted(kind.events)))
    return Spoken(
        after_ms=draw(st.sampled_from((0, 50, 5_000, 60_000, 200_000, 2_000_000))),
        device=device.id,
        boot=draw(st.sampled_from((1, 1, 1, 2))),
        seq=draw(st.integers(0, 60)),
        ago_ms=draw(st.sampled_from((0, 0, 0, 100, 30_000, 4_000_000, -200_000))),
        event=event if event or values else "online",
        metrics={
            key: value for key, value in values.items() if kind.metrics[key].low <= value <= kind.metrics[key].high
        },
    )


@st.composite
def steps(draw: st.DrawFn) -> Spoken | Passed | CaseOver:
    pick = draw(st.integers(0, 9))
    if pick == 0:
        return Passed(draw(st.sampled_from((1_000, 400_000, 4_000_000))))
    return CaseOver() if pick == 1 else _spoken(draw)


class Run:
    """One engine over one history; may be killed and made anew from what it saved."""

    def __init__(self) -> None:
        self.saved: dict[Key, str] = {}
        self.now_ms = START
        self.changes: list[AlarmChange] = []
        self.engine = self._made()

    def _made(self) -> Engine:
        engine = Engine(RULES, DEVICES.get, self.saved)
        engine.watch(DEVICES, self.now_ms)
        self.saved.update(engine.dirty())
        return engine

    def kill(self) -> None:
        self.engine = self._made()

    def take(self, step: Spoken | Passed | CaseOver) -> None:
        match step:
            case Spoken():
                self.now_ms += step.after_ms
                self.changes += self.engine.observe(
                    Observation(
                        message_id=f"{step.device}:{step.boot}:{step.seq}",
                        device=step.device,
                        kind=DEVICES[step.device].kind,
                        lane=Lane.ROUTINE,
                        observed_at_ms=self.now_ms - step.ago_ms,
                        received_at_ms=self.now_ms,
                        metrics=step.metrics,
                        event=step.event,
                    ),
                    self.now_ms,
                )
            case Passed():
                end_ms = self.now_ms + step.after_ms
                while (due := self.engine.next_deadline_ms()) is not None and due <= end_ms:
                    self.now_ms = max(self.now_ms, due)
                    self.changes += self.engine.tick(self.now_ms)
                self.now_ms = end_ms
            case CaseOver():
                for change in self.changes:
                    if change.momentary:
                        self.engine.end_momentary(change.rule, change.subject)
                        self.changes.append(change.model_copy(update={"move": AlarmMove.CLEARED}))
                        break
        self.saved.update(self.engine.dirty())


@given(st.lists(st.tuples(steps(), st.booleans()), max_size=60))
@settings(max_examples=60, deadline=None)
def test_an_engine_that_is_killed_anywhere_decides_as_one_that_never_was(
    history: list[tuple[Spoken | Passed | CaseOver, bool]],
) -> None:
    live, killed, replayed = Run(), Run(), Run()
    for step, killed_here in history:
        live.take(step)
        killed.take(step)
        if killed_here:
            killed.kill()
    for step, _ in history:
        replayed.take(step)
    assert killed.changes == live.changes == replayed.changes
    assert killed.saved == live.saved
    assert not any(reason == "failed" for run in (live, killed) for _, reason in run.engine.skipped)


@given(st.lists(steps(), max_size=80))
@settings(max_examples=150, deadline=None)
def test_an_alarm_is_raised_once_and_ended_once(history: list[Spoken | Passed | CaseOver]) -> None:
    run = Run()
    raised: set[tuple[str, str]] = set()
    for step in history:
        seen = len(run.changes)
        if isinstance(step, CaseOver):
            for rule, subject in sorted(raised):
                run.engine.end_momentary(rule, subject)
            raised = {(rule, subject) for rule, subject in raised if not _momentary(run, rule, subject)}
            continue
        run.take(step)
        for change in run.changes[seen:]:
            key = (change.rule, change.subject)
            match change.move:
                case AlarmMove.RAISED:
                    assert key not in raised
                    raised.add(key)
                case AlarmMove.REPEATED:
                    assert key in raised
                case AlarmMove.CLEARED | AlarmMove.CANCELLED:
                    assert key in raised
                    raised.remove(key)
            assert change.explanation
            assert change.at_ms == run.now_ms or isinstance(step, Passed)
    assert not any(reason == "failed" for _, reason in run.engine.skipped)


def _momentary(run: Run, rule: str, subject: str) -> bool:
    return next(change.momentary for change in run.changes if (change.rule, change.subject) == (rule, subject))


@given(st.lists(st.sampled_from((80.0, 88.0, 91.0, 97.0)), min_size=1, max_size=40), st.integers(1, 5))
@settings(max_examples=150, deadline=None)
def test_duplicates_change_nothing(values: list[float], copies: int) -> None:
    def told(copies: int) -> list[AlarmChange]:
        engine, changes = Engine(RULES, DEVICES.get, {}), []
        for seq, value in enumerate(values):
            at_ms = START + seq * 5000
            observation = Observation(
                message_id=f"monitor:1:{seq}",
                device="monitor",
                kind="vitals_monitor",
                lane=Lane.ROUTINE,
                observed_at_ms=at_ms,
                received_at_ms=at_ms,
                metrics={"spo2": value},
            )
            for _ in range(copies):
                changes += engine.observe(observation, at_ms)
        return changes

    assert told(copies) == told(1)
