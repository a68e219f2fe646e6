"""Shapes of the API about rules."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.registry.rule_history import What
from gateway.rules.document import RuleDocument

RuleState = Literal["on", "trying", "off"]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class RuleFault(_Shape):
    """Something wrong with a rule, or worth a look."""

    level: Literal["error", "warning"]
    line: int | None
    """Of the text; null where there is none."""
    column: int | None
    """In the expression at `key`, where known."""
    key: str
    """`when`, `raises.ladder`, `examples[0]` …; empty for the whole."""
    zh: str
    """The kind of fault."""
    en: str
    """What was expected, what was found, what to do."""


class WouldHave(_Shape):
    """What a rule that is tried out would have done."""

    raised: int
    cleared: int
    subjects: int
    """So many people, places or devices."""


class RuleSummary(_Shape):
    """A rule as lists show it."""

    id: str
    version: int
    zh: str
    en: str
    form: Literal["event", "threshold", "silence", "condition"]
    kinds: list[str]
    subject: Literal["device", "resident", "place"]
    enabled: bool
    shadow: bool
    state: RuleState
    """`on`; `trying`: it decides and is counted, nobody is told; `off`."""
    origin: Literal["file", "desk"]
    """`desk`: made or changed at the running gateway; applying files keeps it."""
    type: str
    """The alarm that it raises."""
    type_zh: str
    type_en: str
    severity: str
    ladder: str
    raised_day: int
    """Alarms raised in the last 24 hours."""
    raised_week: int
    would_have_day: WouldHave | None
    """While it was tried out, in the last 24 hours; null where it decided nothing then."""
    would_have_week: WouldHave | None
    skipped: dict[str, int]
    """What it could not decide or left out since the gateway started, by reason; `failed`: a defect."""


class RuleLifeLine(_Shape):
    """One line of a rule's history."""

    id: int
    version: int
    at_ms: int
    actor: str
    what: What
    zh: str
    en: str
    summary: str
    """What differs from before."""
    document: dict[str, Any]
    """The rule from then on; of one that was deleted, as it was last."""


class RuleDetail(RuleSummary):
    """A rule with its whole text."""

    document: RuleDocument
    text: str
    """The same as YAML, to be edited: without what is left out anyway, and without `enabled` and `shadow`."""
    history: list[RuleLifeLine]
    """The newest lines; `GET …/history` has all."""


class RuleChanged(_Shape):
    """What was done to a rule."""

    id: str
    version: int | None
    """Null for one that was deleted."""
    what: What | None
    """Null where nothing had to be changed."""
    state: RuleState | None
    revision: int
    """The revision of the registry that holds now."""
    warnings: list[RuleFault]


class Restoration(_Shape):
    """Which earlier text is to be in force again."""

    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=True, json_schema_extra={"examples": [{"version": 2, "based_on": 3}]}
    )

    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    based_on: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    """The version you saw: refused (409) where another one is in force."""


class Validated(_Shape):
    """Whether a rule can be used here."""

    valid: bool
    """It can; there may be warnings."""
    id: str
    text: str
    """As it would be written; empty where it cannot be read."""
    problems: list[RuleFault]


class TriedStep(_Shape):
    """One line of an example's story."""

    at: str
    device: str
    says: str
    """What was said; empty for a decision."""
    move: Literal["", "raise", "repeat", "clear", "cancel"]
    """What the rule decided; empty for what was said."""
    explanation: str
    zh: str
    en: str
    expected: bool
    """Whether the example expects this decision."""


class TriedExample(_Shape):
    """One example of a rule, as it went."""

    name: str
    passed: bool
    problem: str
    """Empty where it came as expected."""
    steps: list[TriedStep]


class Tried(_Shape):
    """What came of a rule's examples."""

    passed: bool
    """There is nothing wrong with the rule, and every example came as expected."""
    problems: list[RuleFault]
    examples: list[TriedExample]


class LibraryRule(_Shape):
    """A rule of the library."""

    id: str
    zh: str
    en: str
    form: Literal["event", "threshold", "silence", "condition"]
    kinds: list[str]
    type: str
    type_zh: str
    type_en: str
    severity: str
    ladder: str
    in_use: bool
    """A rule of this id is registered here."""
    text: str
    """YAML."""
