"""The clock of a case: the limit of its stage starts, is near, is over; it stands while the case is suspended.

`follow` is called at the end of every step and makes limit and timer fit what the case has become, so that no action
can forget either. Life safety runs on the wall clock and is never suspended.
"""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.cases.directory import Target
from gateway.cases.effects import Purpose, SetTimer, StopTimer, TimerName
from gateway.cases.limits import WARN_AT, Limit, LimitStage, Pause, RunningLimit, due_at
from gateway.cases.model import Case, Stage
from gateway.cases.policy import Recipient
from gateway.cases.report import Suspension
from gateway.cases.turn import Turn

AGAIN = Limit(amount=1, unit="working_days")
"""What is past its limit is told again so often."""
_RUNS: dict[Stage, tuple[LimitStage, ...]] = {
    Stage.OPENED: (LimitStage.ACCEPT,),
    Stage.ACKNOWLEDGED: (LimitStage.DISPATCH, LimitStage.HANDLE),
    Stage.DISPATCHED: (LimitStage.HANDLE,),
    Stage.ARRIVED: (LimitStage.HANDLE,),
    Stage.RESOLVED: (LimitStage.VERIFY, LimitStage.CLOSE),
    Stage.VERIFIED: (LimitStage.CLOSE,),
}
"""What has to be done in each stage: the first of these that the type of work has a limit for."""
WORDS: dict[LimitStage, tuple[str, str]] = {
    LimitStage.ACCEPT: ("受理", "to be taken"),
    LimitStage.DISPATCH: ("派遣", "to be sent out"),
    LimitStage.HANDLE: ("处置", "to be done"),
    LimitStage.VERIFY: ("核查", "to be checked"),
    LimitStage.CLOSE: ("结案", "to be closed"),
}


def limit_of(case: Case) -> tuple[LimitStage, Limit] | None:
    """The limit that holds in the case's stage; None where nothing limits it."""
    if case.work is None or not case.open:
        return None
    for stage in _RUNS[case.stage]:
        limit = case.work.limits.of(stage)
        if limit is not None:
            return stage, limit.on_wall if case.ladder.life_safety else limit
    return None


def leased(case: Case, stage: Stage) -> bool:
    """Whether who has the case in ``stage`` has it as a lease. Ordinary work with a limit is watched by that instead: a
    hole in the road takes longer than any lease."""
    return case.ladder.life_safety or limit_of(case.model_copy(update={"stage": stage})) is None


def follow(turn: Turn) -> None:
    """Make limit and timer fit the case as it has become."""
    case = turn.case
    if case.work is None and case.limit is None and case.suspended is None and case.limit_at_ms is None:
        return
    if not case.open and (case.suspended is not None or case.asked is not None):
        end_suspension(turn)
        turn.become(asked=None)
    wanted = limit_of(case)
    if wanted is None:
        turn.become(limit=None, asked=None)
    elif case.limit is None or case.limit.stage is not wanted[0]:
        began = RunningLimit(
            stage=wanted[0], limit=wanted[1], started_at_ms=turn.now_ms, due_at_ms=turn.now_ms, warn_at_ms=turn.now_ms
        )
        turn.become(limit=_counted(turn, began), asked=None)
    case = turn.case
    if case.suspended is not None:
        at_ms: int | None = case.suspended.until_ms
    else:
        at_ms = case.limit.next_ms if case.limit is not None else None
    if at_ms != case.limit_at_ms:
        turn.become(limit_at_ms=at_ms)
        if at_ms is None:
            turn.effect(StopTimer(name=TimerName.LIMIT))
        else:
            turn.effect(SetTimer(name=TimerName.LIMIT, due_at_ms=at_ms))


def due(turn: Turn) -> None:
    """The timer has fired: the suspension is over, the limit is near, or it is over. `follow` sets it again."""
    case = turn.case
    turn.become(limit_at_ms=None)
    if case.suspended is not None:
        if case.suspended.until_ms <= turn.now_ms:
            resume(turn, "system", case.suspended.reason)
        return
    running = case.limit
    if running is None or running.next_ms > turn.now_ms:
        return
    until = _instant(turn, running.due_at_ms)
    zh, en = WORDS[running.stage]
    if running.due_at_ms > turn.now_ms:
        turn.become(limit=running.model_copy(update={"warned": True}))
        turn.write("system", "limit_near", stage=running.stage.value, due_at_ms=running.due_at_ms)
        turn.tell(
            handlers(turn),
            Purpose.LIMIT_NEAR,
            occasion=f"{case.version}:limit-near",
            detail=(f"{zh}时限：{until}", f"{en} by {until}"),
        )
        return
    calendar = turn.directory.calendar
    again = AGAIN.on_wall if case.ladder.life_safety else AGAIN
    turn.become(
        limit=running.model_copy(
            update={
                "warned": True,
                "overdue": running.overdue + 1,
                "again_at_ms": due_at(again, turn.now_ms, (), calendar),
            }
        )
    )
    people = {target.person: target for target in (*handlers(turn), *supervisors(turn))}
    turn.write(
        "system",
        "limit_over",
        stage=running.stage.value,
        due_at_ms=running.due_at_ms,
        people=list(people),
        times=running.overdue + 1,
    )
    turn.tell(
        people.values(),
        Purpose.OVERDUE,
        occasion=f"{case.version}:overdue",
        detail=(f"{zh}时限已于 {until} 到期", f"{en} by {until}, which is over"),
    )


def suspend(turn: Turn, actor: str, reason: str, until_ms: int) -> None:
    """挂账: it cannot be done now. Its clock stands, and it comes back by itself."""
    turn.write(actor, "suspended", reason, until_ms=until_ms)
    turn.become(suspended=Suspension(since_ms=turn.now_ms, until_ms=until_ms, reason=reason, actor=actor))
    turn.stop_lease()


def resume(turn: Turn, actor: str, reason: str) -> None:
    """The suspension is over, by somebody's word or because its time has come."""
    end_suspension(turn)
    turn.write(actor, "resumed", reason)
    case = turn.case
    if case.stage in (Stage.ACKNOWLEDGED, Stage.DISPATCHED) and leased(case, case.stage):
        turn.set_lease(case.ladder.lease_s if case.stage is Stage.ACKNOWLEDGED else case.ladder.on_the_way_s)
    turn.tell(
        [target for target in handlers(turn) if f"person:{target.person}" != actor],
        Purpose.RESUMED,
        occasion=f"{case.version}:resumed",
    )


def end_suspension(turn: Turn) -> None:
    """The clock goes on, where it stood."""
    case = turn.case
    if case.suspended is None:
        return
    old = case.suspended
    pause = Pause(from_ms=old.since_ms, until_ms=max(old.since_ms, turn.now_ms), reason=old.reason, actor=old.actor)
    turn.become(suspended=None, pauses=(*case.pauses, pause))
    running = case.limit
    if running is not None:
        if running.extended_to_ms is not None:
            stood = pause.until_ms - pause.from_ms
            running = running.model_copy(update={"extended_to_ms": running.extended_to_ms + stood})
        turn.become(limit=_counted(turn, running))


def extend(turn: Turn, until_ms: int) -> None:
    """More time is granted: the limit ends then, and is warned of anew."""
    running = turn.case.limit
    assert running is not None
    more = {"extended_from_ms": turn.now_ms, "extended_to_ms": until_ms, "warned": False, "overdue": 0}
    turn.become(limit=_counted(turn, running.model_copy(update={**more, "again_at_ms": None})))


def moved(turn: Turn, by_ms: int) -> None:
    """The wall clock was set: what has begun began at another instant. What people named by its date stays."""
    case = turn.case
    if case.suspended is not None:
        since_ms = case.suspended.since_ms + by_ms
        turn.become(suspended=case.suspended.model_copy(update={"since_ms": since_ms}))
    shifted = tuple(
        pause.model_copy(update={"from_ms": pause.from_ms + by_ms, "until_ms": pause.until_ms + by_ms})
        for pause in case.pauses
    )
    turn.become(pauses=shifted)
    if case.limit is not None:
        began_ms = case.limit.started_at_ms + by_ms
        turn.become(limit=_counted(turn, case.limit.model_copy(update={"started_at_ms": began_ms})))


def began_later(case: Case, now_ms: int) -> bool:
    """Whether the limit began in the future: the clock was ahead then, and has been set back unnoticed."""
    return case.limit is not None and case.limit.started_at_ms > now_ms


def repair(turn: Turn) -> None:
    """The timer was lost, or is that of a clock that was ahead: count from now where it has not begun yet."""
    running = turn.case.limit
    if running is not None and running.started_at_ms > turn.now_ms:
        turn.become(limit=_counted(turn, running.model_copy(update={"started_at_ms": turn.now_ms})))
    turn.become(limit_at_ms=None)  # `follow` sets it again


def handlers(turn: Turn) -> list[Target]:
    """Whom a limit concerns: who has the case and to whom it was given; where that is nobody one can tell, those who
    hold the role."""
    case = turn.case
    named = [one for one in (case.owner or "", case.handler) if one.startswith(("person:", "role:", "organisation:"))]
    found: dict[str, Target] = {}
    for one in named:
        for target in assigned(turn, one):
            found.setdefault(target.person, target)
    if not any(target.addresses for target in found.values()) and case.work is not None and case.work.role:
        return list(_resolve(turn, Recipient(role=case.work.role)))
    if not found and case.work is not None and case.work.organisation:
        return list(_resolve(turn, Recipient(organisation=case.work.organisation)))
    return list(found.values())


def supervisors(turn: Turn) -> list[Target]:
    """Who decides about time, and hears that it is over."""
    work = turn.case.work
    return list(_resolve(turn, Recipient(role=work.supervisor))) if work is not None and work.supervisor else []


def assigned(turn: Turn, to: str) -> list[Target]:
    """The people behind ``person:<id>``, ``role:<name>`` or ``organisation:<id>``; nobody behind plain text."""
    kind, _, name = to.partition(":")
    if not name or kind not in ("person", "role", "organisation"):
        return []
    recipient = Recipient.model_validate({kind: name})
    return list(_resolve(turn, recipient))


def _resolve(turn: Turn, recipient: Recipient) -> list[Target]:
    case = turn.case
    return turn.resolve(recipient, place=case.place, resident=case.resident)


def _counted(turn: Turn, running: RunningLimit) -> RunningLimit:
    """The limit with its instants, by the pauses there have been."""
    calendar, pauses = turn.directory.calendar, turn.case.pauses
    if running.extended_to_ms is not None and running.extended_from_ms is not None:
        due_ms = running.extended_to_ms
        warn_ms = running.extended_from_ms + round((due_ms - running.extended_from_ms) * WARN_AT)
    else:
        due_ms = due_at(running.limit, running.started_at_ms, pauses, calendar)
        warn_ms = due_at(running.limit, running.started_at_ms, pauses, calendar, share=WARN_AT)
    again_ms = running.again_at_ms
    if again_ms is not None:
        again_ms = max(again_ms, turn.now_ms)
    return running.model_copy(update={"due_at_ms": due_ms, "warn_at_ms": warn_ms, "again_at_ms": again_ms})


def _instant(turn: Turn, at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(turn.directory.calendar.zone).strftime("%m-%d %H:%M")
