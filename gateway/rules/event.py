"""Rules over events: something happened, and it is told at once. Nothing here ever waits."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from devices.kind import EventType
from devices.kinds import KINDS
from devices.observation import Observation
from gateway.alarms import AlarmChange, AlarmMove, Evidence, Severity
from gateway.rules.document import EventRule
from gateway.rules.forms import DeviceInfo, Step, change, raised_by, subject_of
from gateway.rules.say import as_value, said
from gateway.rules.schedule import in_force
from gateway.rules.states import EventState, Raised, provably_before

TEXT_MOST = 200
_REMEMBERED = 16
"""Message ids kept per subject: a resend comes within a few messages, older ones are known to the journal."""


def step_event(
    rule: EventRule, state: EventState, observation: Observation, device: DeviceInfo, now_ms: int, zone: ZoneInfo
) -> Step:
    """What ``observation`` (one of the rule's events) does to the alarm about its subject.

    - An event raises; the same again while raised repeats (a second press is a second cry for help).
    - A clear event ends the alarm when the last device that held it is clear.
    - A cancel event takes it back: from any device of the resident, else only from a device that raised it.
    - Order is by sequence number, never by clock. A cancel or clear that was sent before the newest event does not end
      it; an event that was sent before an end already heard is raised and ended at once, so that it is seen.
    """
    message_id, event = observation.message_id, observation.event
    if any(message_id == seen for seen, _ in state.recent):
        return Step(state, notes=("duplicate",))
    ends = event in rule.clear_events or event in rule.cancel_events
    recent = (*state.recent, (message_id, ends))[-_REMEMBERED:]
    overtaken = any(provably_before(message_id, seen) for seen, ended in state.recent if ended != ends)
    if ends:
        return _end(rule, state, observation, device, now_ms, recent, overtaken)
    if not in_force(rule.hours, rule.days, observation.observed_at_ms, zone):
        return Step(state, notes=("outside_hours",))
    if state.raised is None and state.ended_ms and observation.observed_at_ms < state.ended_ms + rule.rest_s * 1000:
        return Step(state, notes=("resting",))

    raised = state.raised or raised_by(rule, device)
    move = AlarmMove.RAISED if state.raised is None else AlarmMove.REPEATED
    changes = [_told(move, rule, raised, observation, device, now_ms)]
    # What is over already is told, but does not hold the alarm.
    holders = state.holders if overtaken or device.id in state.holders else (*state.holders, device.id)
    if overtaken and state.raised is None:
        end = AlarmMove.CLEARED if rule.clear_events else AlarmMove.CANCELLED
        changes.append(_told(end, rule, raised, observation, device, now_ms, "; its end was heard before it"))
        return Step(EventState(recent=recent, ended_ms=_ended(rule, observation)), tuple(changes))
    return Step(EventState(raised=raised, holders=holders, recent=recent), tuple(changes))


def _end(
    rule: EventRule,
    state: EventState,
    observation: Observation,
    device: DeviceInfo,
    now_ms: int,
    recent: tuple[tuple[str, bool], ...],
    overtaken: bool,
) -> Step:
    kept = EventState(raised=state.raised, holders=state.holders, recent=recent, ended_ms=state.ended_ms)
    if state.raised is None:
        return Step(kept, notes=("nothing_to_end",))
    if overtaken:
        return Step(kept, notes=("overtaken",))
    cancels = observation.event in rule.cancel_events
    if cancels and subject_of(rule, device).startswith("resident:"):
        left: tuple[str, ...] = ()
    elif device.id in state.holders:
        left = tuple(holder for holder in state.holders if holder != device.id)
    else:
        return Step(kept, notes=("ended_by_another_device",))
    if left:
        return Step(EventState(raised=state.raised, holders=left, recent=recent), notes=("others_still_hold",))
    move = AlarmMove.CANCELLED if cancels else AlarmMove.CLEARED
    told = _told(move, rule, state.raised, observation, device, now_ms)
    code = observation.data.get("code")
    if cancels and isinstance(code, str | int):
        told = told.model_copy(update={"code": str(code)[:32]})
    return Step(EventState(recent=recent, ended_ms=_ended(rule, observation)), (told,))


def _ended(rule: EventRule, observation: Observation) -> int:
    return observation.observed_at_ms if rule.rest_s else 0


def _told(
    move: AlarmMove,
    rule: EventRule,
    raised: Raised,
    observation: Observation,
    device: DeviceInfo,
    now_ms: int,
    addition: str = "",
) -> AlarmChange:
    row = KINDS[device.kind].events.get(observation.event or "")
    words = f"{row.zh} {row.en} ({row.key})" if row else str(observation.event)
    if text := _in_their_words(observation):
        words += f"：“{text}”"
    evidence = Evidence(
        message_id=observation.message_id,
        device=observation.device,
        observed_at_ms=observation.observed_at_ms,
        received_at_ms=observation.received_at_ms,
        event=observation.event,
        metrics=observation.metrics,
        clock_suspect=observation.clock_suspect,
    )
    return change(
        move,
        rule.id,
        subject_of(rule, device),
        raised,
        words + addition,
        device=device.id,
        now_ms=now_ms,
        observed_at_ms=observation.observed_at_ms,
        evidence=(evidence,),
        words=_words(rule, row, observation) if move in (AlarmMove.RAISED, AlarmMove.REPEATED) else ("", ""),
    )


def _words(rule: EventRule, row: EventType | None, observation: Observation) -> tuple[str, str]:
    """What people are told of it: the rule's own words; of a service without any, which one is wanted. With what was
    typed at the device: whoever is sent has to know what for."""
    if rule.say is None and row is not None and rule.raises.severity is Severity.SERVICE:
        zh, en = row.zh, row.en
    else:
        zh, en = said(rule, {key: as_value(value) for key, value in observation.metrics.items()})
    text = _in_their_words(observation)
    if not text:
        return zh, en
    return (f"{zh}：“{text}”", f"{en}: “{text}”") if zh or en else (f"“{text}”", f"“{text}”")


def _in_their_words(observation: Observation) -> str:
    """What somebody typed at the device, such as a problem at a kiosk; one line of it."""
    text = observation.data.get("text")
    return " ".join(text.split())[:TEXT_MOST] if isinstance(text, str) else ""
