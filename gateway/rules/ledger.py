"""Everything the rules remember, and what of it has changed since it was last saved."""

from __future__ import annotations

from collections.abc import Mapping, Set

from gateway.rules.states import (
    EMPTY,
    TRACK,
    ConditionState,
    EventState,
    SilenceState,
    State,
    ThresholdState,
    Track,
    decode,
    encode,
    is_empty,
)

Key = tuple[str, str]
"""(rule, subject); a device's track stands under (``@device``, ``device:<id>``)."""

_NOBODY: frozenset[str] = frozenset()
_NOTHING: frozenset[Key] = frozenset()


class Ledger:
    """States by rule and subject, tracks by device."""

    def __init__(self, bodies: Mapping[Key, str]) -> None:
        """Raises ValueError for a body that cannot be read."""
        self.states: dict[Key, State] = {}
        self.tracks: dict[str, Track] = {}
        self._dirty: set[Key] = set()
        self._engaged: dict[str, set[str]] = {}
        for key, body in bodies.items():
            self._load(key, body)

    def _load(self, key: Key, body: str) -> None:
        try:
            state = decode(body)
        except ValueError as error:
            raise ValueError(
                f"the saved state of rule {key[0]} about {key[1]} cannot be read ({error}); "
                "it was written by another version: run that one, or delete the row"
            ) from error
        if isinstance(state, Track):
            self.tracks[key[1].removeprefix("device:")] = state
        elif state is not None:
            self.states[key] = state
            self._engage(key, None, state)

    def dirty(self, later: Set[Key] = _NOTHING) -> dict[Key, str]:
        """What changed since the last call, as bodies to save. ``{}`` is a state with nothing to remember.

        ``later``: these are left for a further call.
        """
        changed = {key: self._body(key) for key in self._dirty - later}
        self._dirty &= later
        return changed

    def _body(self, key: Key) -> str:
        state: State | Track | None
        state = self.tracks.get(key[1].removeprefix("device:")) if key[0] == TRACK else self.states.get(key)
        return EMPTY if state is None else encode(state)

    def put(self, key: Key, state: State) -> None:
        """Remember ``state``; one with nothing to remember is forgotten."""
        before = self.states.get(key)
        if is_empty(state):
            self.states.pop(key, None)
        else:
            self.states[key] = state
        self._engage(key, before, state)
        self._dirty.add(key)

    def pop(self, key: Key) -> State:
        """Forget a state. Raises KeyError."""
        state = self.states.pop(key)
        self._engage(key, state, None)
        self._dirty.add(key)
        return state

    def put_track(self, device: str, track: Track) -> None:
        """Remember when a device was heard."""
        self.tracks[device] = track
        self._dirty.add((TRACK, f"device:{device}"))

    def pop_track(self, device: str) -> None:
        """Forget a device. Raises KeyError."""
        del self.tracks[device]
        self._dirty.add((TRACK, f"device:{device}"))

    # which threshold rules remember something of a device: for the others one look at the reading is enough

    def engaged(self, device: str) -> set[str] | frozenset[str]:
        """The threshold rules whose states name this device."""
        return self._engaged.get(device, _NOBODY)

    def _engage(self, key: Key, before: State | None, after: State | None) -> None:
        if not isinstance(before, ThresholdState) and not isinstance(after, ThresholdState):
            return
        old, new = _named(before), _named(after)
        for device in old - new:
            rules = self._engaged.get(device)
            if rules is not None:
                rules.discard(key[0])
                if not rules:
                    del self._engaged[device]
        for device in new - old:
            self._engaged.setdefault(device, set()).add(key[0])

    # typed

    def event(self, key: Key) -> EventState:
        """The state of an event rule; a new one where there is none, or one of another form."""
        state = self.states.get(key)
        return state if isinstance(state, EventState) else EventState()

    def threshold(self, key: Key, condition: str) -> ThresholdState:
        """The state of a threshold rule; a new one for ``condition`` where there is none, or one of another form."""
        state = self.states.get(key)
        return state if isinstance(state, ThresholdState) else ThresholdState(condition=condition)

    def silence(self, key: Key) -> SilenceState:
        """The state of a rule over silence; a new one where there is none, or one of another form."""
        state = self.states.get(key)
        return state if isinstance(state, SilenceState) else SilenceState()

    def condition(self, key: Key, condition: str) -> ConditionState:
        """The state of a condition rule; a new one for ``condition`` where there is none, or one of another form."""
        state = self.states.get(key)
        return state if isinstance(state, ConditionState) else ConditionState(condition=condition)


def _named(state: State | None) -> set[str]:
    return {*state.windows, *state.holders} if isinstance(state, ThresholdState) else set()
