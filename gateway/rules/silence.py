"""Rules over silence: a supervised device that is not heard in time. Decided by ticks, ended by the next word."""

from __future__ import annotations

from gateway.alarms import AlarmMove, Evidence
from gateway.rules.document import SilenceRule
from gateway.rules.forms import DeviceInfo, Step, change, raised_by, subject_of, supervision_s
from gateway.rules.say import as_age, said
from gateway.rules.states import SilenceState, Track


def interval_ms(rule: SilenceRule, device: DeviceInfo) -> int:
    """How long ``device`` may be silent under ``rule``."""
    return int(supervision_s(device) * rule.intervals * 1000)


def step_silent(rule: SilenceRule, state: SilenceState, track: Track, device: DeviceInfo, now_ms: int) -> Step:
    """The deadline of ``device`` has passed."""
    if device.id in state.holders:
        return Step(state)
    raised = state.raised or raised_by(rule, device)
    allowed = f"it must be heard every {interval_ms(rule, device) // 1000} s"
    silent_s = max(0, now_ms - (track.heard_at_ms or track.counted_from_ms)) // 1000
    told = change(
        AlarmMove.RAISED if state.raised is None else AlarmMove.REPEATED,
        rule.id,
        subject_of(rule, device),
        raised,
        f"not heard for {silent_s} s; {allowed}" if track.heard_at_ms else f"never heard in {silent_s} s; {allowed}",
        device=device.id,
        now_ms=now_ms,
        observed_at_ms=now_ms,
        evidence=_last_heard(track, device),
        words=said(rule, {"silent": as_age(silent_s)}),
    )
    return Step(SilenceState(raised=raised, holders=(*state.holders, device.id)), (told,))


def step_heard(
    rule: SilenceRule, state: SilenceState, before: Track | None, after: Track, device: DeviceInfo, now_ms: int
) -> Step:
    """``device`` has been heard."""
    if device.id not in state.holders or state.raised is None:
        return Step(state)
    holders = tuple(holder for holder in state.holders if holder != device.id)
    if holders:
        return Step(SilenceState(raised=state.raised, holders=holders), notes=("others_still_hold",))
    silent_from = before.heard_at_ms if before is not None else 0
    told = change(
        AlarmMove.CLEARED,
        rule.id,
        subject_of(rule, device),
        state.raised,
        f"heard again after {max(0, after.heard_at_ms - silent_from) // 1000} s"
        if silent_from
        else "heard for the first time",
        device=device.id,
        now_ms=now_ms,
        observed_at_ms=after.heard_observed_ms,
        evidence=_last_heard(after, device),
    )
    return Step(SilenceState(ended_ms=after.heard_at_ms if rule.rest_s else 0), (told,))


def _last_heard(track: Track, device: DeviceInfo) -> tuple[Evidence, ...]:
    if not track.heard_at_ms:
        return ()
    return (
        Evidence(
            message_id=track.heard_id,
            device=device.id,
            observed_at_ms=track.heard_observed_ms,
            received_at_ms=track.heard_at_ms,
        ),
    )
