"""What is known of one Sparkplug edge node: its session, the names and types of its births, its last number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from devices.profiles.sparkplug_payload import Metric, Payload

BD_SEQ = "bdSeq"
"""The metric by which a death and the birth of the same session know each other."""


@dataclass(slots=True)
class Node:
    """One edge node. Devices by name; the node itself is the empty one."""

    born: bool = False
    bd_seq: int | None = None
    asked_ms: int | None = None
    """When it was last asked for its births."""
    _seq: int | None = None
    _aliases: dict[str, dict[int, tuple[str, int]]] = field(default_factory=dict)
    """Device → alias → name and type."""
    _types: dict[str, dict[str, int]] = field(default_factory=dict)
    """Device → name → type."""

    @property
    def size(self) -> int:
        """How many metrics it has named."""
        return sum(len(types) for types in self._types.values())

    def names(self, device: str) -> Iterable[str]:
        """The metrics a device of the node named at its birth."""
        return self._types.get(device, {})

    def type_of(self, device: str, name: str) -> int | None:
        """As said at birth; None for a metric that was not in it."""
        return self._types.get(device, {}).get(name)

    def count(self, seq: int | None, *, is_birth: bool, redelivered: bool) -> bool:
        """Take note of a message's number; whether messages before it are missing, or the node's birth is."""
        before, self._seq = self._seq, seq if seq is not None else self._seq
        if is_birth:
            return False
        if not self.born:
            return True
        if before is None or seq is None or seq == (before + 1) % 256:
            return False
        return not (redelivered and seq == before)

    def birth(self, device: str, payload: Payload) -> None:
        """What is said from now on is named by this. With the node's own birth all its devices are unborn."""
        if not device:
            self._aliases.clear()
            self._types.clear()
            self.born = True
            self.bd_seq = session_of(payload)
        self._aliases[device] = {
            metric.alias: (metric.name, metric.datatype) for metric in payload.metrics if metric.alias is not None
        }
        self._types[device] = {metric.name: metric.datatype for metric in payload.metrics}

    def named(self, device: str, metrics: Iterable[Metric]) -> tuple[list[Metric], list[int]]:
        """The metrics with names and types, and the aliases that no birth has named (-1: neither name nor alias)."""
        aliases, types = self._aliases.get(device, {}), self._types.get(device, {})
        found: list[Metric] = []
        nameless: list[int] = []
        for metric in metrics:
            name, born_as = metric.name, 0
            if not name and metric.alias is not None:
                name, born_as = aliases.get(metric.alias, ("", 0))
            if not name:
                nameless.append(metric.alias if metric.alias is not None else -1)
                continue
            datatype = metric.datatype or born_as or types.get(name, 0)
            typed = metric if datatype == metric.datatype else metric.typed(datatype)
            found.append(typed if typed.name == name else replace(typed, name=name))
        return found, nameless


def session_of(payload: Payload) -> int | None:
    """The number of the session that a birth begins or a death ends."""
    for metric in payload.metrics:
        if metric.name == BD_SEQ and isinstance(metric.value, int) and not isinstance(metric.value, bool):
            return metric.value
    return None
