"""What is hidden of a device that is being worked on, and what never is. Pure: time and messages are arguments.

``maintenance``: alarms about the device itself (it is opened, unplugged, without battery) raise nothing. What it says
of people and of fire is told as ever.

``test``: a walk test. Nothing the device says is told to anybody; all of it is in its history.

In doubt an alarm is told. Nobody can see from here whether a key was pressed by a technician or by somebody in need, so
only what certainly happened while the work was under way belongs to it.
"""

from __future__ import annotations

from devices.observation import Observation
from gateway.alarms import AlarmChange, AlarmMove
from gateway.registry.care import LATE_MS, Care, Mode

TECHNICAL = frozenset(
    {
        "device_fault",
        "device_silent",
        "tamper",
        "low_battery",
        "path_lost",
        "power_lost",
        "sensor_doubtful",
        "clock_wrong",
        "signal_weak",
    }
)
"""Types of alarm about a device and not about what it watches: whoever works on it brings them about."""
CLOCK_RIGHT_MS = 10_000
"""A clock that is not further off tells the time of a late message well enough."""


def belongs(care: Care, observation: Observation) -> bool:
    """Whether what was observed happened under ``care``, and certainly so.

    Nothing happens after it was received, so a clock that is ahead is corrected. A clock that is behind cannot be told
    from a message that was long under way: what seems to be from before the work is from before it. What arrives when
    the work is over belongs to it only by a clock that was right when it began. What a broker may have kept for any
    time belongs to no work.
    """
    happened_ms = min(observation.observed_at_ms, observation.received_at_ms)
    if observation.may_have_waited or not care.since_ms <= happened_ms < care.until_ms:
        return False
    if observation.received_at_ms < care.until_ms:
        return True
    offset_ms = care.clock_offset_ms
    clock_right = offset_ms is not None and abs(offset_ms) <= CLOCK_RIGHT_MS and not observation.clock_suspect
    return clock_right and observation.received_at_ms < care.until_ms + LATE_MS


def hides(mode: Mode, change: AlarmChange) -> bool:
    """Whether nobody is told of ``change``, which happened under a care of this mode.

    That something is over is always heard. That somebody takes an alarm back is not, during a test: it is the
    technician who presses, and the alarm of before may be a person's.
    """
    if change.move is AlarmMove.CLEARED:
        return False
    if mode == "test":
        return True
    return change.move is not AlarmMove.CANCELLED and change.type in TECHNICAL
