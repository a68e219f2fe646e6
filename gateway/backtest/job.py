"""One back-test: a history read once, through the rules to be tried and the rules in force, side by side."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from zoneinfo import ZoneInfo

from gateway.backtest.alarms import KEPT, Book, Episode, compare
from gateway.backtest.expectations import judge
from gateway.backtest.model import Comparison, Count, DayCount, Note, Progress, Result, Span, Summary
from gateway.backtest.plan import OUTAGE_LEAST_S, Plan, rule_ref, usual_outage_ms
from gateway.backtest.span import day_of
from gateway.registry.directory import CommunityDirectory
from gateway.rules.document import ConditionRule, RuleDocument, ThresholdRule
from gateway.rules.engine import Engine
from gateway.rules.forms import DeviceInfo, KnownDevice, subject_of
from gateway.rules.replay import Replay

OUTAGES_SHOWN = 100
COUNTS_SHOWN = 100
LOOK_EVERY = 512
"""Observations between two looks at the clock."""
TELL_EVERY_S = 0.2
DAY_MS = 86_400_000

Really = Callable[[int, int], "list[Episode] | None"]
"""What was really raised between two instants; None where nobody can tell."""


class Cancelled(Exception):
    """Somebody ended the back-test."""


class Backtest:
    """``Backtest(plan).run()``; from another thread `cancel`."""

    def __init__(
        self, plan: Plan, *, on_progress: Callable[[Progress], None] = lambda _: None, really: Really | None = None
    ) -> None:
        self._plan = plan
        self._on_progress = on_progress
        self._really = really
        self._cancelled = threading.Event()
        self._began_s = self._told_s = 0.0
        self._observations = 0
        self._first_ms: int | None = None
        self._now_ms: int | None = None
        self._outages: list[Span] = []
        self._heard: dict[str, KnownDevice] = {}

    def cancel(self) -> None:
        """End `run` soon, with `Cancelled`. From any thread."""
        self._cancelled.set()

    def run(self) -> Result:
        """Read the history to its end. Raises Cancelled, HistoryError, RuleError."""
        plan = self._plan
        self._began_s = self._told_s = time.monotonic()
        plan.history.findings.step = self._look
        new = Side(plan, plan.rules, self._heard)
        sides = [new]
        if plan.current:
            sides.append(Side(plan, [rule for rule, _ in plan.current], self._heard))
        self._decide(sides)
        until_ms = self._end(sides)
        from_ms = until_ms if self._first_ms is None else max(self._first_ms, plan.within.asked_ms or 0)
        self._tell("done", 1.0)
        return self._result(new, sides[-1] if plan.current else None, from_ms, until_ms)

    def _decide(self, sides: Sequence[Side]) -> None:
        plan = self._plan
        devices, kinds = plan.devices, plan.kinds
        least_ms = min(OUTAGE_LEAST_S * 1000, plan.outage_ms or OUTAGE_LEAST_S * 1000)
        heard = self._heard
        last_ms = 0
        for observation in plan.history.observations():
            at_ms = observation.received_at_ms
            if last_ms == 0:
                self._first_ms = at_ms
                for side in sides:
                    side.begin(at_ms)
            elif at_ms - last_ms > least_ms:
                outage_ms = self._outage_ms()
                if outage_ms is not None and at_ms - last_ms > outage_ms:
                    self._was_off(sides, last_ms, at_ms)
            last_ms = at_ms
            self._observations += 1
            if not self._observations % LOOK_EVERY:
                self._now_ms = at_ms
                self._look()
            if devices is not None and observation.device not in devices:
                continue
            if observation.device not in heard:
                heard[observation.device] = KnownDevice(observation.device, observation.kind)
            if kinds is not None and observation.kind not in kinds:
                continue
            for side in sides:
                if changes := side.replay.feed(observation):
                    side.book.take(changes)
        self._now_ms = last_ms or None

    def _outage_ms(self) -> int | None:
        plan = self._plan
        return usual_outage_ms(plan.directory, frozenset(self._heard)) if plan.outage_by_heard else plan.outage_ms

    def _was_off(self, sides: Sequence[Side], from_ms: int, until_ms: int) -> None:
        if len(self._outages) < OUTAGES_SHOWN:
            self._outages.append(Span(from_ms=from_ms, until_ms=until_ms))
        for side in sides:
            side.book.take(side.replay.was_off(from_ms, until_ms))

    def _end(self, sides: Sequence[Side]) -> int:
        """Let time go on to the end that was asked for, unless the gateway did not run then."""
        plan, last_ms = self._plan, self._now_ms
        asked_ms = plan.within.until_ms
        if last_ms is None:
            return asked_ms or 0
        until_ms = last_ms if asked_ms is None else max(asked_ms, last_ms)
        outage_ms = self._outage_ms()
        if outage_ms is not None and until_ms - last_ms > outage_ms:
            self._outages.append(Span(from_ms=last_ms, until_ms=until_ms))
            until_ms = last_ms
        for side in sides:
            side.book.take(side.replay.finish(until_ms))
        return until_ms

    # --- how far ---

    def _look(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled
        if time.monotonic() - self._told_s < TELL_EVERY_S:
            return
        read = self._plan.history.share_read
        if read is not None and not self._observations:
            self._tell("reading", read / 2)
            return
        share, first_ms, now_ms = 0.0, self._first_ms, self._now_ms
        until_ms = self._plan.within.until_ms
        if first_ms is not None and now_ms is not None and until_ms is not None and until_ms > first_ms:
            share = min(1.0, max(0.0, (now_ms - first_ms) / (until_ms - first_ms)))
        self._tell("deciding", share if read is None else 0.5 + share / 2)

    def _tell(self, stage: str, share: float) -> None:
        now_s = time.monotonic()
        self._told_s = now_s
        rate = self._observations / max(1e-3, now_s - self._began_s)
        self._on_progress(
            Progress.model_validate(
                {
                    "stage": stage,
                    "share": share,
                    "observations": self._observations,
                    "at_ms": self._now_ms,
                    "observations_per_s": round(rate, 1),
                }
            )
        )

    # --- what it came to ---

    def _result(self, new: Side, current: Side | None, from_ms: int, until_ms: int) -> Result:
        plan, book, names = self._plan, new.book, new.names
        findings = plan.history.findings
        zone = plan.zone
        days = _days(book.episodes, from_ms, until_ms, zone) if self._observations else []
        length_days = max(0, until_ms - from_ms) / DAY_MS
        median_s, longest_s = book.stood_s(until_ms)
        took_s = time.monotonic() - self._began_s
        shown = book.episodes[: plan.alarms_shown]
        names_of = {rule.id: (rule.zh, rule.en) for rule in plan.rules}
        result = Result(
            rules=[rule_ref(rule, "given") for rule in plan.rules],
            source=plan.history.name,
            timezone=zone.key,
            from_ms=from_ms,
            until_ms=until_ms,
            observations=self._observations,
            devices=len(self._heard),
            summary=Summary(
                alarms=book.raised,
                repeats=book.repeats,
                open_at_end=book.open,
                subjects=len(book.by_subject),
                days=round(length_days, 4),
                # Of less than a day the alarms are what they are: an hour with one is not a day with 24.
                alarms_per_day=round(book.raised / max(1.0, length_days), 3),
                most_on_one_day=max((day.alarms for day in days), default=0),
                median_stood_s=round(median_s, 3),
                longest_stood_s=round(longest_s, 3),
            ),
            days=days,
            subjects=_counts(book.by_subject, names),
            devices_most=_counts(book.by_device, lambda device: names(f"device:{device}")),
            rules_most=_counts(book.by_rule, lambda rule: names_of.get(rule, (rule, rule))),
            alarms=[episode.alarm(names, until_ms) for episode in shown],
            alarms_left_out=book.raised - len(shown),
            comparisons=self._comparisons(new, current, from_ms, until_ms),
            skipped=_skipped(new.replay.engine),
            outages=self._outages,
            rows=findings.rows,
            bad_rows=findings.bad_rows,
            bad=findings.bad,
            notes=[*plan.notes, *plan.history.notes(), *self._notes(new)],
            expectations=[],
            took_s=round(took_s, 3),
            observations_per_s=round(self._observations / max(1e-3, took_s), 1),
        )
        return result.model_copy(update={"expectations": judge(result, plan.fail_on)}) if plan.fail_on else result

    def _comparisons(self, new: Side, current: Side | None, from_ms: int, until_ms: int) -> list[Comparison]:
        found = []
        if current is not None:
            rules = [rule_ref(rule, origin) for rule, origin in self._plan.current]
            theirs = current.book
            found.append(compare(new.book, theirs, until_ms, new.names, against="rules_in_force", rules=rules))
        really = None if self._really is None else self._really(from_ms, until_ms)
        if really is not None:
            found.append(
                compare(new.book, Book(episodes=really), until_ms, new.names, against="really_raised", rules=[])
            )
        return found

    def _notes(self, new: Side) -> list[Note]:
        notes = []
        if not self._observations:
            notes.append(Note(code="nothing_heard", zh="该时段没有任何数据", en="nothing at all was said in this time"))
        failed = sum(count for (_, why), count in new.replay.engine.skipped.items() if why == "failed")
        if failed:
            notes.append(
                Note(
                    code="rule_failed",
                    zh=f"规则程序出错 {failed} 次，请上报",
                    en=f"a rule's code failed {failed} times: report this as a defect",
                )
            )
        for rule in self._plan.rules if self._observations else ():
            if not new.considered(rule):
                notes.append(
                    Note(
                        code="rule_saw_nothing",
                        zh=f"规则 {rule.id} 没有用到其中任何数据：请核对 kinds、where、设备属性",
                        en=f"rule {rule.id} took nothing of what was said: no device and no reading is what its kinds, "
                        "its where (with the devices' attributes in the registry) and its inputs ask for",
                    )
                )
        if new.book.raised > KEPT:
            notes.append(
                Note(
                    code="too_many_alarms",
                    zh=f"报警超过 {KEPT} 条：比较与时长只看最早的这些",
                    en=f"more than {KEPT} alarms: comparisons and durations go by the first of them",
                )
            )
        if any(rule.inhibited_by is not None for rule in self._plan.rules):
            notes.append(
                Note(
                    code="inhibition_not_counted",
                    zh="此处按规则本身计数：因其他报警而暂不通知的（inhibited_by）也计入",
                    en="counted as the rules raise them, with what other alarms would hold back (inhibited_by)",
                )
            )
        return notes


class Side:
    """One set of rules over the history."""

    def __init__(self, plan: Plan, rules: Sequence[RuleDocument], heard: Mapping[str, KnownDevice]) -> None:
        """``heard``: who was heard so far, for where there is no registry. Raises RuleError."""
        self._directory = plan.directory
        self._heard = heard
        self._devices = plan.devices
        self.replay = Replay(Engine(rules, self._device, {}, plan.zone), cases_last_ms=plan.cases_last_ms)
        self.book = Book(plan.within.asked_ms or 0)

    def begin(self, at_ms: int) -> None:
        """Time begins, with the first word that is heard."""
        if self._directory is not None:
            watched = self._directory.devices
            self.replay.engine.watch((d for d in watched if self._devices is None or d in self._devices), at_ms)
        self.replay.engine.started(at_ms)

    def considered(self, rule: RuleDocument) -> bool:
        """Whether ``rule`` took anything of the history; also for forms of which nobody could tell."""
        if self.book.by_rule[rule.id] or any(one.change.rule == rule.id for one in self.book.earlier):
            return True
        engine = self.replay.engine
        heard = [info for device in self._heard if (info := self._device(device)) is not None]
        if isinstance(rule, ConditionRule):
            return any(engine.state((rule.id, subject_of(rule, info))) is not None for info in heard)
        if isinstance(rule, ThresholdRule):
            return any(info.kind in rule.kinds and engine.applies(rule, info) for info in heard)
        return True

    def _device(self, device: str) -> DeviceInfo | None:
        return self._heard.get(device) if self._directory is None else self._directory.ruled(device)

    def names(self, subject: str) -> tuple[str, str]:
        """A subject as people call it."""
        return names_in(self._directory, subject)


def names_in(directory: CommunityDirectory | None, subject: str) -> tuple[str, str]:
    """What people call ``device:…``, ``resident:…`` or ``place:…``, in both languages."""
    sort, _, id_ = subject.partition(":")
    if directory is None:
        return id_, id_
    if sort == "resident":
        name = directory.resident_name(id_)
        return name, name
    place = directory.device(id_) if sort == "device" else None
    where = place.place if place is not None else id_
    paths = directory.place_path(where, "zh"), directory.place_path(where, "en")
    if sort != "device":
        return paths[0] or id_, paths[1] or id_
    zh, en = directory.device_name(id_, "zh"), directory.device_name(id_, "en")
    return f"{paths[0]} {zh}".strip(), ", ".join(part for part in (paths[1], en) if part)


def _counts(counted: Counter[str], names: Callable[[str], tuple[str, str]]) -> list[Count]:
    most = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:COUNTS_SHOWN]
    found = []
    for id_, alarms in most:
        zh, en = names(id_)
        found.append(Count(id=id_, zh=zh, en=en, alarms=alarms))
    return found


def _days(episodes: Sequence[Episode], from_ms: int, until_ms: int, zone: ZoneInfo) -> list[DayCount]:
    """Every day of the history with its alarms, also those without any."""
    counted = Counter(day_of(episode.from_ms, zone) for episode in episodes)
    dates = {day_of(at_ms, zone) for at_ms in range(from_ms, until_ms, DAY_MS // 2)} | {day_of(until_ms, zone)}
    return [DayCount(date=date, alarms=counted[date]) for date in sorted(dates | counted.keys())]


def _skipped(engine: Engine) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for (rule, why), count in sorted(engine.skipped.items()):
        found.setdefault(rule, {})[why] = count
    return found
