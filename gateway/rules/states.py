"""What rules remember, as immutable records that are saved as JSON with the decision they led to.

Two kinds of memory: one `Track` per device (when it was last heard, its newest reading), and one state per rule and
subject. A subject's alarm is raised while at least one device holds it: smoke is over when the last detector says so.
"""

from __future__ import annotations

import msgspec

from devices.observation import Observation
from gateway.alarms import Evidence
from gateway.rules.memory import InputState, PairState

EMPTY = "{}"
"""Body of a state with nothing to remember."""
TRACK = "@device"
"""Stands in place of a rule's id in the key of a `Track`; no rule's id can begin with ``@``."""


class Raised(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was raised, kept so that it ends under the same name even where the rule has changed or gone."""

    version: int
    type: str
    severity: str
    ladder: str
    momentary: bool = False
    place: str | None = None
    resident: str | None = None
    shadow: bool = False


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """Common to all forms: the alarm about one subject."""

    raised: Raised | None = None
    holders: tuple[str, ...] = ()
    """Devices for which the condition holds now; the alarm is raised while there is one."""
    ended_ms: int = 0
    """When it ended last, by when it happened; kept where the rule asks for a rest after it."""


class EventState(State, frozen=True, omit_defaults=True, tag="event"):
    """Of an event rule: what it raised, and what it has heard."""

    recent: tuple[tuple[str, bool], ...] = ()
    """The last message ids considered, oldest first, and whether each ended (cleared, cancelled) something."""


class Reading(msgspec.Struct, frozen=True, omit_defaults=True):
    """One reading that counted, reduced to the metrics its rule names."""

    message_id: str
    observed_at_ms: int
    received_at_ms: int
    metrics: dict[str, float]
    counts: bool
    """Whether it speaks for the change that is waited for: for raising, or for clearing while raised."""
    clock_suspect: bool = False

    def evidence(self, device: str) -> Evidence:
        """What it adds to the reasons of an alarm."""
        return Evidence(
            message_id=self.message_id,
            device=device,
            observed_at_ms=self.observed_at_ms,
            received_at_ms=self.received_at_ms,
            metrics=self.metrics,
            clock_suspect=self.clock_suspect,
        )


class Window(msgspec.Struct, frozen=True, omit_defaults=True):
    """The readings of one device since the last change, in the order they happened. Trimmed at the front of what
    does not count, so that a healthy resident costs no memory and no write."""

    readings: tuple[Reading, ...] = ()
    run: int = 0
    """For ``for_s``: how many readings the unbroken run has (``readings`` keeps its first and its last ones)."""
    overtaken: int = 0
    """Readings not considered because newer ones had been."""
    floor_id: str = ""
    floor_ms: int = 0
    """The reading of the last change: what happened before it says nothing any more."""


class ThresholdState(State, frozen=True, omit_defaults=True, tag="threshold"):
    """Of a threshold rule: the readings that count, by device."""

    condition: str = ""
    """Which condition the windows were counted for; another one starts them anew."""
    windows: dict[str, Window] = {}


class SilenceState(State, frozen=True, omit_defaults=True, tag="silence"):
    """Of a rule over silence: whether it raised. Its deadlines come from the devices' tracks."""


class ConditionState(State, frozen=True, omit_defaults=True, tag="condition"):
    """Of a condition rule: what its inputs said, and when it is looked at again."""

    condition: str = ""
    """Which condition the inputs were remembered for; another one starts anew."""
    inputs: dict[str, InputState] = {}
    pairs: dict[str, PairState] = {}
    at_ms: int = 0
    """The latest instant that was looked at, or at which something happened."""
    since_ms: int = 0
    """Since when it has held without a break; 0 where it does not."""
    held: bool = False
    """Whether it held when it was looked at last."""
    wake_ms: int = 0
    """When time alone may change something; 0 where it cannot."""
    device: str = ""
    """The device that spoke last."""


SLOW_STRETCH_MS = 600_000
SLOW_LEAST_MS = 60_000
"""Less may be the way: a radio that says everything once a minute."""


class Track(msgspec.Struct, frozen=True, omit_defaults=True, tag="track"):
    """When one device was heard."""

    counted_from_ms: int
    """Silence is counted from here: when it was last heard or registered, without the time nobody listened."""
    heard_at_ms: int = 0
    """When it was last heard, by the gateway's clock; 0 for never."""
    heard_id: str = ""
    heard_observed_ms: int = 0
    newest_id: str = ""
    """The newest message with metrics, and when it happened."""
    newest_ms: int = 0
    boots: tuple[str, ...] = ()
    """The device's last starts, newest last: tells a restart from a straggler of an earlier one."""
    hardware: str = ""
    """Who was heard: see `forms.DeviceInfo.hardware`. Empty where it was not kept yet."""
    late_from_ms: int = 0
    late_low_ms: int = 0
    late_before_ms: int = -1
    """How late its words came at least since ``late_from_ms``, and in the stretch before; -1 where there was none."""

    @property
    def slow_ms(self) -> int:
        """How far its clock is behind, for certain: so late was every word of two stretches of `SLOW_STRETCH_MS`.

        A backlog comes in within moments, and its last words are not late; a slow clock is late with every word.
        """
        least = min(self.late_low_ms, self.late_before_ms)
        return least if least >= SLOW_LEAST_MS else 0


AnyState = EventState | ThresholdState | SilenceState | ConditionState | Track
_decoder: msgspec.json.Decoder[AnyState] = msgspec.json.Decoder(AnyState)
_encoder = msgspec.json.Encoder()


def is_empty(state: State) -> bool:
    """Whether there is nothing to remember."""
    if isinstance(state, ThresholdState):
        return state.raised is None and not state.windows and not state.ended_ms
    return state in (EventState(), SilenceState(), ConditionState())


def encode(state: State | Track) -> str:
    """The body to save."""
    return EMPTY if isinstance(state, State) and is_empty(state) else _encoder.encode(state).decode()


def decode(body: str) -> AnyState | None:
    """The state in a saved body; None for an empty one. Raises ValueError for what this version cannot read."""
    return None if body == EMPTY else _decoder.decode(body)


def _identity(message_id: str) -> tuple[str, int | None]:
    """Boot and sequence number in ``device:boot:seq``; (…, None) where the id is of another shape."""
    head, _, seq = message_id.rpartition(":")
    return head.rpartition(":")[2], int(seq) if head and seq.isascii() and seq.isdigit() else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def before(first_id: str, first_ms: int, second_id: str, second_ms: int) -> bool:
    """Whether one message of a device happened before another.

    The sequence number within one start of the device decides; only across starts does the device's clock, which
    may have been set in between.
    """
    first_boot, first_seq = _identity(first_id)
    second_boot, second_seq = _identity(second_id)
    if first_boot == second_boot and first_seq is not None and second_seq is not None:
        return first_seq < second_seq
    return first_ms < second_ms


def provably_before(first_id: str, second_id: str) -> bool:
    """As `before`, without trusting any clock: same device, same start, smaller sequence number."""
    first_head, _, first_seq = first_id.rpartition(":")
    second_head, _, second_seq = second_id.rpartition(":")
    return (
        first_head == second_head != ""
        and first_seq.isdigit()
        and second_seq.isdigit()
        and int(first_seq) < int(second_seq)
    )


def is_straggler(track: Track | None, observation: Observation) -> bool:
    """Whether a newer message with metrics of this device has been considered already."""
    if track is None or not track.newest_id:
        return False
    head, _, number = observation.message_id.rpartition(":")
    newest_head, _, newest_number = track.newest_id.rpartition(":")
    if head == newest_head != "" and _is_number(number) and _is_number(newest_number):
        return int(number) < int(newest_number)
    boot, seq = _identity(observation.message_id)
    newest_boot, _ = _identity(track.newest_id)
    if seq is not None and boot != newest_boot:
        return boot in track.boots  # a start not seen before is newer, whatever the device's clock says
    return before(observation.message_id, observation.observed_at_ms, track.newest_id, track.newest_ms)


def heard(track: Track | None, observation: Observation, now_ms: int, straggler: bool) -> Track:
    """The track after ``observation``. A message from the future of a stepped clock counts as heard now."""
    at_ms = min(observation.received_at_ms, now_ms)
    late_from_ms, low_ms, before_ms = _lateness(track, at_ms, observation.late_by_ms)
    newest_id, newest_ms = ("", 0) if track is None else (track.newest_id, track.newest_ms)
    boots: tuple[str, ...] = () if track is None else track.boots
    if observation.metrics and not straggler:
        same_start = newest_id.rpartition(":")[0] == observation.message_id.rpartition(":")[0] != ""
        newest_id, newest_ms = observation.message_id, observation.observed_at_ms
        if not boots or not same_start:
            boot = _identity(newest_id)[0]
            if boot not in boots:
                boots = (*boots, boot)[-3:]
    if track is not None and at_ms < track.heard_at_ms:
        # A straggler of the other lane: somebody has spoken since.
        return msgspec.structs.replace(
            track,
            newest_id=newest_id,
            newest_ms=newest_ms,
            boots=boots,
            late_from_ms=late_from_ms,
            late_low_ms=low_ms,
            late_before_ms=before_ms,
        )
    return Track(
        counted_from_ms=at_ms if track is None else max(at_ms, track.counted_from_ms),
        heard_at_ms=at_ms,
        heard_id=observation.message_id,
        heard_observed_ms=observation.observed_at_ms,
        newest_id=newest_id,
        newest_ms=newest_ms,
        boots=boots,
        hardware="" if track is None else track.hardware,
        late_from_ms=late_from_ms,
        late_low_ms=low_ms,
        late_before_ms=before_ms,
    )


def _lateness(track: Track | None, at_ms: int, late_ms: int) -> tuple[int, int, int]:
    if track is None or not track.late_from_ms:
        return at_ms, late_ms, -1
    if abs(at_ms - track.late_from_ms) >= SLOW_STRETCH_MS:
        return at_ms, late_ms, track.late_low_ms
    return track.late_from_ms, min(track.late_low_ms, late_ms), track.late_before_ms
