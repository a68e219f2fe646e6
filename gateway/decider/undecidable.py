"""What the code fails on: people are told that something was said, and judge themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devices.observation import Observation
from gateway.alarms import ALARM_TYPES, AlarmChange, AlarmMove, Evidence, Severity
from gateway.cases import machine
from gateway.cases.commands import AlarmHeard
from gateway.cases.policy import Ladder
from gateway.decider import case_rows
from gateway.decider.care import hides
from gateway.registry.care import Care

if TYPE_CHECKING:
    from gateway.decider.decision import Decision


def tell(decision: Decision, observation: Observation) -> None:
    """The rules' code fails on something urgent: people are told that something was said, and judge themselves.

    The ladder is one for life safety, where there is one, without its emergency line: what was said is not known
    to be an emergency.
    """
    device = decision.view.directory.device(observation.device)
    subject = f"device:{observation.device}"
    ladder = _ladder(decision)
    change = AlarmChange(
        move=AlarmMove.RAISED,
        rule="undecidable",
        rule_version=1,
        subject=subject,
        type="undecidable",
        severity=Severity.URGENT,
        ladder=ladder.id,
        at_ms=decision.now_ms,
        observed_at_ms=observation.observed_at_ms,
        device=observation.device,
        place=device.place if device is not None else None,
        resident=device.resident if device is not None else None,
        momentary=True,
        explanation=f"{observation.kind}: {observation.event}",
        evidence=(
            Evidence(
                message_id=observation.message_id,
                device=observation.device,
                observed_at_ms=observation.observed_at_ms,
                received_at_ms=observation.received_at_ms,
                event=observation.event,
                metrics=observation.metrics,
                clock_suspect=observation.clock_suspect,
            ),
        ),
    )
    _told(decision, change, ladder)


def tell_untold(decision: Decision, change: AlarmChange, care: Care | None = None) -> None:
    """The code fails on telling of an alarm that the rules remember as raised: as in `tell`."""
    if change.shadow or change.move not in (AlarmMove.RAISED, AlarmMove.REPEATED):
        return
    if care is not None and hides(care.mode, change):
        return
    ladder = _ladder(decision)
    instead = {"rule": "undecidable", "rule_version": 1, "type": "undecidable", "severity": Severity.URGENT}
    words = {"explanation": f"{change.rule}: {change.explanation}", "zh": "", "en": ""}
    more = {"ladder": ladder.id, "momentary": True, "move": AlarmMove.RAISED}
    _told(decision, change.model_copy(update=instead | words | more), ladder)


def concerns_life(decision: Decision, rule: str) -> bool:
    """Whether what a rule in force tells may concern a life."""
    known = decision.view.rules.rule(rule)
    if known is None or known.shadow:
        return False
    return known.raises.severity is Severity.EMERGENCY or ALARM_TYPES[known.raises.type].life_safety


def _ladder(decision: Decision) -> Ladder:
    ladders = sorted(decision.view.ladders.values(), key=lambda ladder: (not ladder.life_safety, ladder.id))
    rungs = tuple(rung for rung in ladders[0].rungs if rung.call is None)
    quiet = {"cancel_window_s": 0, "lines": (), "fallback": None}
    return ladders[0].model_copy(update={"rungs": rungs or ladders[0].rungs[:1]} | quiet)


def _told(decision: Decision, change: AlarmChange, ladder: Ladder) -> None:
    case_id, case = decision.told(change.rule, change.subject)
    if case is not None and case.at_work:
        decision.apply(case, machine.step(case, AlarmHeard(change=change), decision.view.directory, decision.now_ms))
        return
    if case_id is not None:
        case_rows.close_alarm(decision.connection, change.rule, change.subject, decision.now_ms)
    decision.open(change, ladder)
