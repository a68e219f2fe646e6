"""What happened in an example, step by step: what was said, and what the rule made of it. For people who try a rule."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.rules.examples import Given
from gateway.rules.trial import Outcome, instant_ms


@dataclass(frozen=True, slots=True)
class Step:
    """One line of an example's story: something was said, or the rule decided."""

    at: str
    """As the example writes its times."""
    device: str
    says: str
    """What was said: the event, the metrics. Empty for a decision."""
    move: str
    """``raise``, ``repeat``, ``clear``, ``cancel``; empty for what was said."""
    explanation: str
    zh: str
    en: str
    """The sentence for people; empty where the rule has none."""
    expected: bool
    """Whether the example expects this decision."""


def steps_of(outcome: Outcome) -> list[Step]:
    """The story in the order in which it came to the gateway, decisions after what they were taken on."""
    expected = [(one.move, one.at) for one in outcome.example.expect]
    lines: list[tuple[int, int, Step]] = []
    for given in outcome.example.given:
        late = f" (+{given.late_s:g} s)" if given.late_s else ""
        said = Step(given.at, given.device, f"{_says(given)}{late}", "", "", "", "", False)
        lines.append((instant_ms(given.at) + int(given.late_s * 1000), 0, said))
    for got, change in zip(outcome.got, outcome.changes, strict=True):
        move, at = got
        known = any((move, instant_ms(at)) == (other, instant_ms(when)) for other, when in expected)
        step = Step(at, change.device or "", "", move, change.explanation, change.zh, change.en, known)
        lines.append((change.at_ms, 1, step))
    return [step for _, _, step in sorted(lines, key=lambda line: line[:2])]


def _says(given: Given) -> str:
    said = [given.event] if given.event else []
    said += [f"{name} {value:g}" for name, value in given.metrics.items()]
    return ", ".join(said) or "—"
