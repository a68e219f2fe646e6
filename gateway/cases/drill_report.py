"""How a drill went: when each step went out, what was delivered by which channel, who answered after how long, and
whether the way from the alarm to people works. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from gateway.alarms import Frozen
from gateway.cases.effects import Purpose
from gateway.cases.model import Case, LineState
from gateway.cases.wording import DRILL_MARKS, LINE_STATES, Words

Status = Literal["pending", "sending", "delivered", "failed", "withdrawn"]


class Line(NamedTuple):
    """A line of the timeline, as far as it is asked."""

    at_ms: int
    actor: str
    what: str
    reason: str
    data: dict[str, object]


class Sent(Frozen):
    """One message to a person, and what became of it."""

    person: str
    rung: str | None = None
    channel: str
    purpose: Purpose
    status: Status
    at_ms: int
    ended_ms: int | None = None
    detail: str = ""


class Step(Frozen):
    """A rung that went out."""

    rung: str
    at_ms: int
    people: tuple[str, ...] = ()
    empty: bool = False


class CaseReport(Frozen):
    """One case of a drill."""

    case: str
    number: str
    opened_ms: int
    steps: tuple[Step, ...]
    sent: tuple[Sent, ...]
    spared: tuple[str, ...]
    """Whom a real alarm would have told as well."""
    answered_by: str | None = None
    answered_after_s: float | None = None
    line: LineState = LineState.NONE
    line_note: str = ""


class DrillReport(Frozen):
    """How a drill went as a whole."""

    passed: bool
    why: tuple[Words, ...]
    """Why it has not passed; empty where it has."""
    cases: tuple[CaseReport, ...] = ()
    made_ms: int

    def words(self, name: Words) -> tuple[Words, Words]:
        """Title and body of the message to those who get the report, marked as all of a drill is."""
        verdict = Words("通过", "passed") if self.passed else Words("未通过", "FAILED")
        title = Words(
            f"{DRILL_MARKS.zh}演练报告 · {name.zh}：{verdict.zh}", f"{DRILL_MARKS.en} Report · {name.en}: {verdict.en}"
        )
        lines = [*self.why, *(line for case in self.cases for line in _summary(case))]
        return title, Words("\n".join(one.zh for one in lines), "\n".join(one.en for one in lines))


def report_of_case(case: Case, lines: Sequence[Line], sent: Iterable[Sent]) -> CaseReport:
    """What the case, its timeline and the outbox say of how it went."""
    opened_ms = case.times["raised"]
    empty = {str(line.data.get("rung")) for line in lines if line.what == "rung_empty"}
    steps = tuple(
        Step(
            rung=str(line.data.get("rung")),
            at_ms=line.at_ms,
            people=_people(line),
            empty=str(line.data.get("rung")) in empty,
        )
        for line in lines
        if line.what == "rung"
    )
    taken = next((line for line in lines if line.actor != "system" and line.what in _TAKEN), None)
    held = next((line.reason for line in lines if line.what == "line_withheld"), "")
    return CaseReport(
        case=case.id,
        number=case.number,
        opened_ms=opened_ms,
        steps=steps,
        sent=tuple(sorted(sent, key=lambda one: (one.at_ms, one.person, one.channel))),
        spared=case.spared,
        answered_by=None if taken is None else taken.actor,
        answered_after_s=None if taken is None else (taken.at_ms - opened_ms) / 1000,
        line=case.emergency.state,
        line_note=held or case.emergency.detail,
    )


_TAKEN = ("acknowledged", "dispatched", "arrived", "coming")


def _people(line: Line) -> tuple[str, ...]:
    people = line.data.get("people")
    return tuple(map(str, people)) if isinstance(people, list | tuple) else ()


def judge(
    cases: Sequence[CaseReport], *, answered_within_s: int | None, unused: Iterable[str], now_ms: int
) -> DrillReport:
    """``unused``: keys that were to be pressed, and were not."""
    why = [Words(f"按键 {key} 没有按下", f"key {key} was not pressed") for key in unused]
    if not cases and not why:
        why.append(Words("没有打开案卷", "no case was opened"))
    for case in cases:
        why += _trouble(case, answered_within_s)
    return DrillReport(passed=not why, why=tuple(dict.fromkeys(why)), cases=tuple(cases), made_ms=now_ms)


def missed(why: Words, now_ms: int) -> DrillReport:
    """The report of a self-test that was not carried out."""
    return DrillReport(passed=False, why=(why,), made_ms=now_ms)


def _trouble(case: CaseReport, answered_within_s: int | None) -> Iterator[Words]:
    within, after = answered_within_s, case.answered_after_s
    if within is not None and (after is None or after > within):
        zh = "无人应答" if after is None else f"{after:.0f} 秒后才应答"
        en = "nobody has answered" if after is None else f"answered only after {after:.0f} s"
        yield Words(f"{case.number}：{zh}（应在 {within} 秒内）", f"{case.number}: {en} (expected within {within} s)")
    for step in case.steps:
        if step.empty:
            yield Words(f"步骤 {step.rung} 没有人", f"step {step.rung} has nobody")
    if not case.steps:
        yield Words(f"{case.number}：没有走到任何步骤", f"{case.number}: no step of the ladder went out")
    asked = [one for one in case.sent if one.status != "withdrawn"]
    for person in dict.fromkeys(one.person for one in asked):
        mine = [one for one in asked if one.person == person]
        if not any(one.status == "delivered" for one in mine):
            said = next((one.detail for one in mine if one.detail), "")
            yield Words(f"未能通知到 {person}：{said}", f"{person} was not reached: {said}")
    for channel in dict.fromkeys(one.channel for one in asked):
        mine = [one for one in asked if one.channel == channel]
        failed = [one for one in mine if one.status == "failed"]
        if failed and not any(one.status == "delivered" for one in mine):
            said = failed[0].detail
            yield Words(f"渠道 {channel} 没有送达任何消息：{said}", f"channel {channel} delivered nothing: {said}")
    if case.line is LineState.FAILED:
        yield Words(f"演练线路未接通：{case.line_note}", f"the line of drills was not reached: {case.line_note}")


def _summary(case: CaseReport) -> Iterator[Words]:
    for step in case.steps:
        mine = [one for one in case.sent if one.rung == step.rung and one.purpose is Purpose.ALARM]
        delivered = {one.person for one in mine if one.status == "delivered"}
        after = (step.at_ms - case.opened_ms) // 1000
        yield Words(
            f"{case.number} {step.rung}：{after} 秒，送达 {len(delivered)}/{len(step.people)} 人",
            f"{case.number} {step.rung}: after {after} s, reached {len(delivered)} of {len(step.people)}",
        )
    if case.answered_by is not None and case.answered_after_s is not None:
        yield Words(
            f"{case.answered_by} 在 {case.answered_after_s:.0f} 秒后应答",
            f"{case.answered_by} answered after {case.answered_after_s:.0f} s",
        )
    if case.spared:
        people = len(case.spared)
        yield Words(f"按演练规定未通知 {people} 人", f"{people} people were not told, as this drill wants it")
    if case.line is not LineState.NONE:
        state = LINE_STATES[case.line.value]
        note = f"（{case.line_note}）" if case.line_note else ""
        yield Words(f"演练线路：{state.zh}{note}", f"line of drills: {state.en} {case.line_note}".strip())
