"""What comes of a back-test, as records: the command prints them, the API answers with them.

Instants are milliseconds since the epoch, UTC (``*_ms``). Every list is bounded, and every count counts all.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from gateway.alarms import Severity


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Note(_Record):
    """Something to be known about a result."""

    code: str
    """Stable; for programs."""
    zh: str
    en: str


class BadRow(_Record):
    """A row of a file that could not be used."""

    line: int
    column: str
    found: str
    expected: str


class Span(_Record):
    """A stretch of time, from the first instant to the last."""

    from_ms: int
    until_ms: int


class RuleRef(_Record):
    """A rule that was replayed."""

    id: str
    version: int
    zh: str
    en: str
    type: str
    severity: Severity
    origin: Literal["given", "registry", "library"]


class Alarm(_Record):
    """An alarm, from its raise to its end."""

    rule: str
    rule_version: int
    type: str
    severity: Severity
    subject: str
    subject_zh: str
    subject_en: str
    device: str | None
    place: str | None
    resident: str | None
    momentary: bool
    raised_at_ms: int
    observed_at_ms: int
    """When it happened, by the device's clock where credible."""
    ended_at_ms: int | None
    """None: it stood at the end of the history."""
    end: Literal["cleared", "cancelled", "case_over", "stands"]
    stood_s: float
    """How long, at least."""
    repeats: int
    explanation: str
    zh: str
    en: str
    """By the rule's own wording; empty where it has none."""


class DayCount(_Record):
    """How many alarms a day had."""

    date: str
    """Local to the community: ``2026-10-08``."""
    alarms: int


class Count(_Record):
    """How many alarms something had."""

    id: str
    zh: str
    en: str
    alarms: int


class Summary(_Record):
    """All alarms of the given rules together."""

    alarms: int
    repeats: int
    open_at_end: int
    subjects: int
    """So many different subjects had one."""
    days: float
    """The length of the history."""
    alarms_per_day: float
    most_on_one_day: int
    median_stood_s: float
    longest_stood_s: float


class Comparison(_Record):
    """The given rules beside others.

    Two alarms agree when they overlap in time, are of the same rule or type, and about the same subject or device.
    """

    against: Literal["rules_in_force", "really_raised"]
    rules: list[RuleRef]
    """Those replayed; empty for what was really raised."""
    alarms: int
    """Of the others."""
    both: int
    """Alarms of the given rules that one of the others agrees with."""
    only_new: int
    """Alarms of the given rules that none of the others agrees with."""
    only_current: int
    """Alarms of the others that none of the given rules agrees with."""
    only_new_alarms: list[Alarm]
    only_current_alarms: list[Alarm]


class Expectation(_Record):
    """What was asked with ``--fail-on``."""

    text: str
    value: float
    broken: bool


class Result(_Record):
    """What a back-test came to."""

    format: Literal[1] = 1
    """Of this record; grows when a key changes its meaning or goes."""
    rules: list[RuleRef]
    source: str
    timezone: str
    from_ms: int
    until_ms: int
    """The history that was looked at; from the first word heard."""
    observations: int
    devices: int
    """So many were heard."""
    summary: Summary
    days: list[DayCount]
    subjects: list[Count]
    devices_most: list[Count]
    rules_most: list[Count]
    alarms: list[Alarm]
    """In the order in which they were raised."""
    alarms_left_out: int
    """So many more were counted, and are not listed."""
    comparisons: list[Comparison]
    skipped: dict[str, dict[str, int]]
    """Rule → why → how many observations it did not consider."""
    outages: list[Span]
    """Nobody was heard: taken as time in which the gateway did not run."""
    rows: int
    """Of a file."""
    bad_rows: int
    bad: list[BadRow]
    notes: list[Note]
    expectations: list[Expectation]
    took_s: float
    observations_per_s: float


class Progress(_Record):
    """How far a back-test has come."""

    stage: Literal["waiting", "reading", "deciding", "done"] = "waiting"
    share: float = 0.0
    """0 to 1."""
    observations: int = 0
    at_ms: int | None = None
    """The time reached in the history."""
    observations_per_s: float = 0.0
