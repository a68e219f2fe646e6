"""Drills carried out: self-tests that are due, drills ordered by hand, their ends and reports. Presses are
`press_drills`.

Everything is a row before it happens (`drill_rows`), so that a restart goes on where it was; only the gateway that
decides carries them out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from gateway.alarms import AlarmChange, AlarmMove, Severity
from gateway.cases.commands import DrillOver
from gateway.cases.drill_report import DrillReport, judge, missed
from gateway.cases.effects import Purpose
from gateway.cases.model import AT_WORK, Case
from gateway.cases.policy import Ladder
from gateway.cases.wording import Words
from gateway.decider import drill_rows, duty
from gateway.decider.decision import Decision
from gateway.decider.drill_rows import Drill, Subject
from gateway.decider.press_drills import open_case
from gateway.decider.view import View
from gateway.registry.drills import SelfTest
from gateway.registry.duty_words import Said
from gateway.state import tables as t
from gateway.state.db import reading

log = logging.getLogger(__name__)

START_WITHIN_MS = 30 * 60_000
"""A self-test that could not begin for so long was missed: people expect it at its time."""
SETTLED_WITHIN_MS = 120_000
"""The report waits so long for what is still on its way."""
MISSED_MOST = 31
"""Of the self-tests missed in one outage so many of the newest are reported one by one."""
_AT_WORK = [stage.value for stage in AT_WORK]
Step = tuple[str, Callable[[Decision], None]]


class Watch:
    """When there is something to do. Used by the decider's thread alone."""

    def __init__(self) -> None:
        self._looked_for: tuple[int, int | None] | None = None
        """The registry's revision that was looked by, and when the next self-test is due by it."""

    def due(self, engine: sa.Engine, view: View, now_ms: int) -> bool:
        """Whether a self-test is due, or a drill under way wants something."""
        if self._looked_for is None or self._looked_for[0] != view.revision:
            return True
        if self._looked_for[1] is not None and now_ms >= self._looked_for[1]:
            return True
        with reading(engine) as connection:
            drills = drill_rows.unfinished(connection)
            return any(_wants(connection, drill, now_ms) for drill in drills)

    def looked(self, view: View, now_ms: int) -> None:
        """What `steps` did up to ``now_ms`` is committed."""
        zone = _zone(view)
        ahead = (next(test.when.between(now_ms, now_ms + 8 * 86_400_000, zone), None) for test in _tests(view))
        self._looked_for = view.revision, min((at for at in ahead if at is not None), default=None)


def trouble(connection: sa.Connection, view: View) -> str:
    """Which self-tests have failed or were missed the last time; empty where all went well."""
    last = drill_rows.last_finished(connection, (test.id for test in _tests(view)))
    bad = [drill for drill in last if drill.report is not None and not drill.report.passed]
    return "; ".join(f"{drill.en}: {drill.report.why[0].en}" for drill in bad if drill.report is not None)


def steps(decision: Decision) -> Iterator[Step]:
    """What is to be done now, each step apart from the others."""
    yield "which self-tests are due", schedule
    for drill in drill_rows.unfinished(decision.connection):
        if _wants(decision.connection, drill, decision.now_ms):
            yield f"drill {drill.id}", partial(_go_on, id_=drill.id)
    yield "cases of drills that are over", _end_orphans


def _tests(view: View) -> list[SelfTest]:
    return [test for test in view.directory.community.drills if test.enabled]


def _zone(view: View) -> ZoneInfo:
    return ZoneInfo(view.timezone)


def _wants(connection: sa.Connection, drill: Drill, now_ms: int) -> bool:
    if drill.state != "running":
        return True
    if drill.end_asked_by is not None or now_ms >= drill.ends_at_ms:
        return True
    return not drill.waiting and not _open(connection, drill.cases)


def _open(connection: sa.Connection, cases: Iterable[str]) -> bool:
    mine = sa.and_(t.cases.c.id.in_(list(cases)), t.cases.c.open)
    there: bool = connection.execute(sa.select(sa.exists().where(mine))).scalar_one()
    return there


# the schedule


def schedule(decision: Decision) -> None:
    """Order the self-tests that are due, and report those that were missed."""
    connection, now_ms = decision.connection, decision.now_ms
    zone, tests = _zone(decision.view), _tests(decision.view)
    before = drill_rows.looked(connection)
    drill_rows.forget(connection, before.keys() - {test.id for test in tests})
    for test in tests:
        since_ms = min(before.get(test.id, now_ms), now_ms)
        instants = list(test.when.between(since_ms, now_ms, zone))[-MISSED_MOST:]
        for at_ms in instants:
            drill = _of_test(test, at_ms, now_ms)
            if at_ms != instants[-1] or now_ms - at_ms > START_WITHIN_MS:
                _miss(decision, drill, Words("网关当时没有运行", "the gateway was not running"))
            else:
                drill_rows.add(connection, drill)
        if instants or test.id not in before or before[test.id] > now_ms:
            drill_rows.note_looked(connection, test.id, now_ms)


def _of_test(test: SelfTest, at_ms: int, now_ms: int) -> Drill:
    return Drill(
        id=f"{test.id}-{at_ms}",
        test=test.id,
        zh=test.name.zh,
        en=test.name.in_language("en"),
        reason="定期自检 scheduled self-test",
        actor="system",
        ordered_ms=now_ms,
        due_ms=at_ms,
        ends_at_ms=at_ms + test.lasts_s * 1000,
        lasts_s=test.lasts_s,
        alarm=test.alarm,
        ladder=test.ladder,
        subjects=(Subject(device=test.device, resident=test.resident, place=test.place),),
        tell=test.tell,
        instead=test.instead,
        answered_within_s=test.answered_within_s,
        report_to=test.report_to,
    )


def _miss(decision: Decision, drill: Drill, why: Words) -> None:
    over = {"state": "missed", "ended_ms": decision.now_ms, "ended_by": "system"}
    done = drill.model_copy(update=over | {"report": missed(why, decision.now_ms)})
    if drill_rows.add(decision.connection, done):
        _tell(decision, done)
    elif drill.state == "ordered" and drill_rows.load(decision.connection, drill.id) == drill:
        drill_rows.save(decision.connection, done)
        _tell(decision, done)


# from order to report


def _go_on(decision: Decision, id_: str) -> None:
    drill = drill_rows.load(decision.connection, id_)
    if drill is None:
        return
    if drill.state == "ordered" and drill.end_asked_by is None:
        _begin(decision, drill)
    elif drill.state in ("ordered", "running"):
        _end(decision, drill)
    elif drill.state == "ending":
        _report(decision, drill)


def _begin(decision: Decision, drill: Drill) -> None:
    now_ms, view = decision.now_ms, decision.view
    if drill.test is not None and _emergency(decision.connection):
        if now_ms - drill.due_ms > START_WITHIN_MS:
            why = Words("当时有真实的紧急案卷", "there was a real emergency at the time")
            _miss(decision, drill, why)
        return  # what is real goes first; perhaps it is over in time
    ladder = view.ladders.get(drill.ladder)
    at_once = [subject for subject in drill.subjects if not subject.press]
    if at_once and ladder is None:
        why = Words(f"没有升级流程 {drill.ladder}", f"there is no ladder {drill.ladder}")
        _miss(decision, drill, why)
        return
    ends_at_ms = now_ms + drill.lasts_s * 1000
    drill = drill.model_copy(update={"state": "running", "begun_ms": now_ms, "ends_at_ms": ends_at_ms})
    cases = []
    for number, subject in enumerate(at_once, 1):
        assert ladder is not None
        cases.append(open_case(decision, drill, _change(decision, drill, subject, ladder, number), ladder).id)
    drill_rows.save(decision.connection, drill.model_copy(update={"cases": tuple(cases)}))


def _emergency(connection: sa.Connection) -> bool:
    """Whether people are at work on a real alarm for life safety."""
    query = sa.select(t.cases.c.body).where(t.cases.c.open, t.cases.c.stage.in_(_AT_WORK))
    life = query.where(t.cases.c.body.contains('"life_safety":true', autoescape=True))
    return any(not Case.model_validate_json(body).drill for body in connection.execute(life).scalars())


def _change(decision: Decision, drill: Drill, subject: Subject, ladder: Ladder, number: int) -> AlarmChange:
    directory, now_ms = decision.view.directory, decision.now_ms
    device = directory.device(subject.device or "")
    resident = subject.resident or (device.resident if device is not None else None)
    place = subject.place or (device.place if device is not None else None)
    if place is None and resident is not None:
        place = directory.home_of(resident)
    rules = (rule for rule in directory.community.rules if rule.raises.type == drill.alarm)
    rule = next((rule for rule in rules if rule.raises.ladder == ladder.id), None)
    usual = Severity.EMERGENCY if ladder.life_safety else Severity.SERVICE
    return AlarmChange(
        move=AlarmMove.RAISED,
        rule="drill",
        rule_version=1,
        subject=f"drill:{drill.id}:{number}",
        type=drill.alarm,
        severity=rule.raises.severity if rule is not None else usual,
        ladder=ladder.id,
        at_ms=now_ms,
        observed_at_ms=now_ms,
        device=subject.device,
        place=place,
        resident=resident,
        momentary=True,
        explanation=f"{drill.zh} {drill.en}",
    )


def _end(decision: Decision, drill: Drill) -> None:
    by = drill.end_asked_by or "system"
    reason = "演练提前结束 the drill was ended" if drill.end_asked_by else "演练时间已到 the drill is over"
    for case_id in drill.cases:
        decision.drill_over(case_id, DrillOver(reason=reason))
    over = {"state": "ending", "ended_ms": decision.now_ms, "ended_by": by}
    drill_rows.save(decision.connection, drill.model_copy(update=over))


def _report(decision: Decision, drill: Drill) -> None:
    now_ms = decision.now_ms
    if drill_rows.unsettled(decision.connection, drill) and now_ms - (drill.ended_ms or 0) < SETTLED_WITHIN_MS:
        return
    found = judge(
        drill_rows.reports(decision.connection, drill),
        answered_within_s=drill.answered_within_s,
        unused=drill.waiting,
        now_ms=now_ms,
    )
    done = drill.model_copy(update={"state": "ended", "report": found})
    drill_rows.save(decision.connection, done)
    _tell(decision, done)


def _tell(decision: Decision, drill: Drill) -> None:
    directory = decision.view.directory
    report: DrillReport | None = drill.report
    if report is None:
        return
    title, body = report.words(Words(drill.zh, drill.en))
    place = _place(decision, drill.subjects[0])
    found = {
        target.person: target
        for recipient in drill.report_to
        for target in directory.resolve(recipient, place=place, resident=None, at_ms=decision.now_ms)
    }
    for target in found.values():
        english = target.language == "en"
        said = Said(title.en, f"{body.en}\n\n{body.zh}") if english else Said(title.zh, f"{body.zh}\n\n{body.en}")
        occasion = f"drill-report:{drill.id}"
        duty.say(decision, occasion, target, Purpose.DRILL_REPORT, said, urgent=False, drill=True)


def _place(decision: Decision, subject: Subject) -> str | None:
    device = decision.view.directory.device(subject.device or "")
    if device is not None:
        return device.place
    return subject.place or decision.view.directory.home_of(subject.resident or "")


def _end_orphans(decision: Decision) -> None:
    """Whatever became of a drill: none of its cases outlasts it."""
    running = {drill.id for drill in drill_rows.unfinished(decision.connection, "ordered", "running")}
    for case in drill_rows.open_cases(decision.connection):
        if case.drill_of is not None and case.drill_of.id not in running:
            decision.drill_over(case.id, DrillOver(reason="演练已结束 the drill is over"))


def move(connection: sa.Connection, by_ms: int) -> None:
    """The wall clock was set: what runs ends as much later."""
    for drill in drill_rows.unfinished(connection, "running"):
        locked = drill_rows.load(connection, drill.id)
        if locked is not None:
            drill_rows.save(connection, locked.model_copy(update={"ends_at_ms": locked.ends_at_ms + by_ms}))
