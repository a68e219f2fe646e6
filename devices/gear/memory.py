"""From what gear says to observations: a state that changed is an event, a state said again is not.

Off-the-shelf gear repeats everything it knows with every message, brokers repeat what they kept at every reconnect, and
one press is often published three times. Native firmware numbers its messages, so none of this is needed there.

The rules, each for a reason seen in the field:

* A state (`Kind.states`) is an event when it **changes** from what is remembered. What is remembered outlives a restart
  (the gateway restores it from what it has on disk), so that a smoke alarm of last week, said again, is no alarm.
* A state never heard before is an event when it is 1 and comes **live**. Kept by a broker (``retained``) it may be long
  over: it becomes a measurement and no event, and it is not taken for known: said live afterwards, it is an event.
* A moment (a press) counts **live** only, and once within `SAME_PRESS_MS`: one press arrives as ``emergency``, then
  as ``""``, then on another topic. The same again after that is a second press.
* Where the gear numbers its presses (`PRESSES`), the number decides: the same is the same press, however long ago;
  another is a press that was missed, even if a broker kept it.
* What the journal **refused** was not heard: `Memory.doubt` makes the next message of the device say it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from devices.gear.messages import Said, Scalar
from devices.kind import PRESSES, Kind
from devices.kinds import KINDS
from devices.native import check_metric, credible_time
from devices.observation import Lane, Observation, Refusal

SAME_PRESS_MS = 1500
"""One press said several times arrives within a second; nobody presses twice for two reasons in so short a time."""
REDELIVERED_MS = 600_000
"""A broker that marks a message as sent before may do so after both were restarted."""
COMMAND_KEPT_MS = 3_600_000
_PRESENCE = "@online"
_PRESENCE_EVENTS = ("online", "offline")
_DOUBTFUL = -1.0
_KEPT = -2.0
_MAX_DATA = 16
_MAX_TEXT = 512


@dataclass(slots=True)
class Memory:
    """What is remembered of one device. One thread at a time."""

    states: dict[str, float] = field(default_factory=dict)
    """State → 0 or 1 as heard last; `_DOUBTFUL` where what was heard is not on disk; `_KEPT` where somebody had kept a
    1 of which nothing else is known."""
    moments: dict[str, int] = field(default_factory=dict)
    """Event → when it was last taken."""
    commands: dict[str, tuple[dict[str, float], int]] = field(default_factory=dict)
    """Id of a command sent → the metrics that confirm it, and until when."""
    last_unique: int = 0

    def recall(self, states: Mapping[str, float], *, online: bool) -> None:
        """Take in the states as they were kept, before `restore`."""
        self.states |= {**states, _PRESENCE: float(online)}

    def restore(self, observation: Observation) -> None:
        """Take in an observation that is on disk, oldest first."""
        known = known_by(observation)
        for key in observation.metrics.keys() & KINDS[observation.kind].remembered:
            if key in known:
                self.states[key] = known[key]
            else:
                self.states.setdefault(key, _KEPT)
        if observation.event in ("online", "offline"):
            self.states[_PRESENCE] = float(observation.event == "online")
        elif observation.event is not None:
            self.moments[observation.event] = observation.received_at_ms

    def doubt(self, refused: Observation) -> None:
        """An observation was not written down: what it said is news when it is said again.

        Without an event it said nothing new, and nothing else is in doubt: otherwise, while the disk has room for
        events alone, each state that stands would be one again and again.
        """
        event, kind = refused.event, KINDS[refused.kind]
        if event is None:
            return
        self.moments.pop(event, None)
        changed = {key for key, state in kind.states.items() if event in (state.on, state.off)}
        changed |= {_PRESENCE} if event in _PRESENCE_EVENTS else refused.metrics.keys() & {PRESSES.key}
        self.states |= {key: _DOUBTFUL for key in changed if key in self.states}

    def expect(self, command_id: str, confirm: Mapping[str, float], now_ms: int) -> None:
        """A command was sent; a report that shows ``confirm`` is its answer. Again for the same id: once."""
        for old in [key for key, (_, until_ms) in self.commands.items() if until_ms < now_ms]:
            del self.commands[old]
        self.commands[command_id] = (dict(confirm), now_ms + COMMAND_KEPT_MS)

    def forget_command(self, command_id: str) -> None:
        """Nobody waits for its answer any more."""
        self.commands.pop(command_id, None)


@dataclass(slots=True)
class Observed:
    """What became of one `Said`."""

    observations: list[Observation]
    """In the order in which they are to be written; empty where nothing new was said."""
    faults: list[Refusal]
    notes: list[str]
    """Why something said made no observation: ``same_press``, ``retained_moment``."""


def known_by(observation: Observation) -> dict[str, float]:
    """What is known for sure of a device's states by an observation that is on disk, beside what was known before."""
    kind = KINDS[observation.kind]
    known = {key: value for key, value in observation.metrics.items() if key in kind.remembered}
    if observation.data.get("retained") is not True:
        return known
    return {key: value for key, value in known.items() if not _hearsay(kind, key, value, observation.event)}


def _hearsay(kind: Kind, key: str, value: float, event: str | None = None) -> bool:
    """Whether a state that somebody had kept is in doubt: it may be long over, and was told to nobody."""
    return value == 1 and key in kind.states and kind.states[key].on not in (None, event)


def observe(
    said: Said,
    memory: Memory,
    *,
    received_at_ms: int,
    retained: bool,
    redelivered: bool,
    may_have_waited: bool = False,
) -> Observed:
    """The observations in ``said``; ``memory`` is brought up to date. Never raises for what was said."""
    kind = KINDS[said.device.kind]
    retained = retained or said.kept
    out = Observed([], [], [])
    metrics = _metrics(said, kind, out)
    events: list[str] = []
    for event in said.events:
        if _is_news(event, said, metrics, memory, kind, out, received_at_ms, retained, redelivered):
            events.append(event)
    before = dict(memory.states)
    changed: dict[str, str] = {}
    for key in [key for key in metrics if key in kind.states]:
        event_of_change = _change(kind, key, metrics[key], before.get(key), retained)
        if event_of_change is not None:
            changed[key] = event_of_change
            events += [event_of_change] if event_of_change not in events else []
    for key in metrics.keys() & kind.remembered:
        in_doubt = retained and before.get(key, _KEPT) == _KEPT and _hearsay(kind, key, metrics[key])
        memory.states[key] = _KEPT if in_doubt else metrics[key]
    data = _data(said, out)
    if retained:
        data["retained"] = True
    builder = _Builder(said, memory, kind, received_at_ms, out, may_have_waited or retained)
    presence = _presence(said, memory, before)
    if presence is not None:
        builder.add(presence, Lane.ROUTINE, {}, data)
    # Everything measured goes with the first event: a rule sees the reading that belongs to the press. But a state goes
    # with the event of its change: written down without that, it would be known, and the event, said again, no news.
    later = {key for key, event in changed.items() if event != events[0]}
    rest = {key: value for key, value in metrics.items() if key not in later}
    for event in events:
        lane = Lane.ROUTINE if kind.events[event].routine else Lane.URGENT
        own = {key: metrics[key] for key in changed if key in later and changed[key] == event}
        builder.add(event, lane, rest | own, data)
        rest = {}
    if rest or said.waveform is not None or (said.alive and not out.observations):
        builder.add(None, Lane.ROUTINE, rest, data if not events and presence is None else {}, said.waveform)
    for answer_id, ok, error in _answers(said, memory, metrics, retained, received_at_ms):
        result: dict[str, Scalar] = {"id": answer_id, "ok": ok}
        if error:
            result["error"] = error[:_MAX_TEXT]
        builder.add("command_result", Lane.URGENT, {}, result)
    return out


class _Builder:
    """Makes the observations of one `Said`, each with an id of its own."""

    def __init__(
        self, said: Said, memory: Memory, kind: Kind, received_at_ms: int, out: Observed, may_have_waited: bool
    ) -> None:
        self._said, self._memory, self._kind = said, memory, kind
        self._received_at_ms = received_at_ms
        self._observations = out.observations
        self._observed_at_ms, self._suspect = credible_time(said.observed_at_ms, received_at_ms)
        self._may_have_waited = may_have_waited and (said.observed_at_ms is None or self._suspect)

    def add(
        self,
        event: str | None,
        lane: Lane,
        metrics: Mapping[str, float],
        data: Mapping[str, Scalar],
        waveform: object = None,
    ) -> None:
        observation = Observation(
            message_id=self._message_id(event),
            device=self._said.device.id,
            kind=self._kind.key,
            lane=lane,
            observed_at_ms=self._observed_at_ms,
            received_at_ms=self._received_at_ms,
            metrics=dict(metrics),
            event=event,
            data=dict(data),
            clock_suspect=self._suspect,
            may_have_waited=self._may_have_waited,
        )
        if waveform is not None:
            observation = msgspec.structs.replace(observation, waveform=self._said.waveform)
        self._observations.append(observation)

    def _message_id(self, event: str | None) -> str:
        device, identity = self._said.device.id, self._said.identity
        if identity is None:
            # Nothing to tell a repeat by: an own number, which grows with the time of receipt over restarts too.
            self._memory.last_unique = max(self._memory.last_unique + 1, self._received_at_ms * 1000)
            return f"{device}:gear:{self._memory.last_unique}"
        # Whether presence is news depends on what came before: it must not move the ids of what is said beside it, or
        # the same press, delivered again, would be another one.
        if event in _PRESENCE_EVENTS:
            return f"{device}:{identity}+{event}"
        nth = sum(one.event not in _PRESENCE_EVENTS for one in self._observations)
        return f"{device}:{identity}" if nth == 0 else f"{device}:{identity}+{nth}"


def _metrics(said: Said, kind: Kind, out: Observed) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for key, value in said.metrics.items():
        try:
            check_metric(kind, key, value)
            if key in kind.states and value not in (0, 1):
                raise Refusal(
                    "out_of_range", field=f"metrics.{key}", expected="0 or 1", hint=f"got {value:g}; {key} is a state"
                )
        except Refusal as fault:
            fault.device = said.device.id
            out.faults.append(fault)
        else:
            metrics[key] = float(value)
    return metrics


def _data(said: Said, out: Observed) -> dict[str, Scalar]:
    data: dict[str, Scalar] = {}
    for key, item in said.data.items():
        if len(data) >= _MAX_DATA - 1:  # one is kept for `retained`
            out.notes.append("data_left_out")
            break
        data[key[:64]] = item[:_MAX_TEXT] if isinstance(item, str) else item
    return data


def _is_news(
    event: str,
    said: Said,
    metrics: Mapping[str, float],
    memory: Memory,
    kind: Kind,
    out: Observed,
    received_at_ms: int,
    retained: bool,
    redelivered: bool,
) -> bool:
    if event not in kind.events:
        out.faults.append(
            Refusal(
                "unknown_event",
                field="event",
                expected=f"one of {', '.join(sorted(kind.events))}",
                hint=f"got {event!r}, which a {kind.key} does not say; check the device's kind in the registry",
                device=said.device.id,
            )
        )
        return False
    number, known = metrics.get(PRESSES.key), memory.states.get(PRESSES.key)
    if number is not None and number == known:
        out.notes.append("same_press")
        return False
    missed = number is not None and known is not None
    if retained and not missed:
        out.notes.append("retained_moment")
        return False
    if said.identity is None and number is None:
        window_ms = REDELIVERED_MS if redelivered else SAME_PRESS_MS
        last_ms = memory.moments.get(event)
        if last_ms is not None and 0 <= received_at_ms - last_ms < window_ms:
            out.notes.append("same_press")
            return False
    memory.moments[event] = received_at_ms
    return True


def _change(kind: Kind, key: str, value: float, known: float | None, retained: bool) -> str | None:
    state = kind.states[key]
    event = state.on if value else state.off
    if known is None:  # never heard of before
        return event if value and not retained else None
    if known == _KEPT and retained:
        return None
    return event if value != known else None


def _presence(said: Said, memory: Memory, before: Mapping[str, float]) -> str | None:
    if said.presence is None or before.get(_PRESENCE) == float(said.presence):
        return None
    memory.states[_PRESENCE] = float(said.presence)
    return "online" if said.presence else "offline"


def _answers(
    said: Said, memory: Memory, metrics: Mapping[str, float], retained: bool, received_at_ms: int
) -> Iterable[tuple[str, bool, str]]:
    for answer in said.answers:
        memory.forget_command(answer.id)
        yield answer.id, answer.ok, answer.error
    if retained:
        return  # the state before the command
    for command_id, (confirm, until_ms) in list(memory.commands.items()):
        if confirm and until_ms >= received_at_ms and all(metrics.get(k) == v for k, v in confirm.items()):
            memory.forget_command(command_id)
            yield command_id, True, ""
