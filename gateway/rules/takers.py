"""Which inputs of which conditions an observation can move: worked out once for every shape of message.

Many rules look at the same thing (a pulse that is really there): what an observation gives to inputs of the same words
is worked out once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from devices.kinds import KINDS
from devices.observation import Observation
from gateway.rules.compiled import CompiledInput, Condition
from gateway.rules.env import Env

_SHAPES_KEPT = 4096


class Takers:
    """The inputs of all conditions by what can move them."""

    def __init__(self, conditions: Iterable[Condition]) -> None:
        self._by_kind: dict[str, list[tuple[Condition, list[tuple[str, int]]]]] = {}
        self._inputs: list[CompiledInput] = []
        """One for each that is worded differently."""
        self._shapes: dict[
            tuple[str, str | None, frozenset[str]], tuple[tuple[Condition, tuple[tuple[str, int], ...]], ...]
        ] = {}
        slots: dict[str, int] = {}
        for condition in conditions:
            by_kind: dict[str, list[tuple[str, int]]] = {}
            for name, one in condition.inputs.items():
                words = one.spec.model_dump_json(exclude={"hours", "max_age_s", "link"})
                if words not in slots:
                    slots[words] = len(self._inputs)
                    self._inputs.append(one)
                for kind in one.spec.kinds:
                    by_kind.setdefault(kind, []).append((name, slots[words]))
            for kind, names in by_kind.items():
                self._by_kind.setdefault(kind, []).append((condition, names))

    def concerns(self, kind: str) -> bool:
        """Whether any condition looks at devices of this kind."""
        return kind in self._by_kind

    def of_kind(self, kind: str) -> Iterator[tuple[Condition, list[str]]]:
        """The conditions that look at devices of this kind, with their inputs."""
        for condition, names in self._by_kind.get(kind, ()):
            yield condition, [name for name, _ in names]

    def of(self, observation: Observation, env: Env) -> Iterator[tuple[Condition, dict[str, float]]]:
        """The conditions that take something of ``observation``, and what each of their inputs takes."""
        values: dict[int, float | None] = {}
        for condition, names in self._shape(observation):
            taken: dict[str, float] = {}
            for name, slot in names:
                if slot in values:
                    value = values[slot]
                else:
                    value = values[slot] = self._inputs[slot].takes(observation, env)
                if value is not None:
                    taken[name] = value
            if taken:
                yield condition, taken

    def _shape(self, observation: Observation) -> tuple[tuple[Condition, tuple[tuple[str, int], ...]], ...]:
        shape = observation.kind, observation.event, frozenset(observation.metrics)
        found = self._shapes.get(shape)
        if found is None:
            fitting = (
                (condition, tuple((name, slot) for name, slot in names if _can_take(self._inputs[slot], *shape)))
                for condition, names in self._by_kind.get(shape[0], ())
            )
            found = tuple((condition, names) for condition, names in fitting if names)
            if len(self._shapes) >= _SHAPES_KEPT:
                self._shapes.clear()
            self._shapes[shape] = found
        return found


def _can_take(one: CompiledInput, kind: str, event: str | None, metrics: frozenset[str]) -> bool:
    """Whether a message of this shape can give anything to an input. Facts may still say no."""
    spec = one.spec
    if spec.metric is not None:
        return spec.metric in metrics
    if spec.state is not None:
        row = KINDS[kind].states[spec.state]
        return row.key in metrics or (event is not None and event in (row.on, row.off))
    if event is not None and event in spec.events:
        return True
    reading = one.reading
    return reading is not None and (not reading.metrics or not reading.metrics.isdisjoint(metrics))
