"""Scenarios: a story as YAML, played on a fleet; and people who answer it through the gateway's public API.

Steps run in their order. Each may wait for a time (``at``, from the start), for a condition (``after``: an earlier
step's id or a state of the story's case), and a little longer (``wait``). A step does one thing: ``do`` something to a
device, to all of a kind or to a place, let a person act on the case (``operator``) or have the gateway ``command`` a
device, or ``expect`` something of a device or a place.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from firmware_sim.kinds import SIMULATED
from firmware_sim.yamlfile import FileError, Loc, Strict, check, key_of, line_of, read_text

SHIPPED = Path(__file__).parent / "scenarios"

STAGES = ("opened", "acknowledged", "dispatched", "arrived", "resolved", "verified", "closed")
"""A case that has come further has been through the stages before."""
LINE_STATES = ("line_armed", "line_committed", "line_answered", "line_failed", "line_vetoed")
CASE_CONDITIONS = (*STAGES, "cancelled", *LINE_STATES)
OperatorAction = Literal[
    "acknowledge", "dispatch", "arrive", "resolve", "verify", "close", "cancel", "release", "veto", "dial_now", "note"
]
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")


def _seconds(value: object) -> object:
    """``5s``, ``2m30s``, ``1h``, or a number of seconds."""
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if match is None or not any(match.groups()):
            raise ValueError(f"expected a duration such as 5s, 2m30s or 1h, got {value!r}")
        hours, minutes, seconds = (float(part or 0) for part in match.groups())
        return hours * 3600 + minutes * 60 + seconds
    return value


Seconds = Annotated[float, BeforeValidator(_seconds), Field(ge=0, le=604_800)]


class Role(Strict):
    """Somebody, or somewhere, of the community that plays in the story."""

    resident: str | None = None
    """This resident; otherwise the first who has all the kinds."""
    kinds: tuple[str, ...] = ()
    around: str | None = None
    """A role above: this one is a place, the smallest around that resident's home with enough devices in it."""
    devices: int = Field(default=1, ge=1)
    """How many are enough."""

    @model_validator(mode="after")
    def _somebody_or_somewhere(self) -> Self:
        if self.around is not None and (self.resident is not None or self.kinds):
            raise ValueError("around makes it a place: leave out resident and kinds")
        return self


class Step(Strict):
    """One step of a story."""

    id: str | None = None
    at: Seconds | None = None
    after: str | None = None
    wait: Seconds = 0.0
    within: Seconds = 120.0
    """How long ``after`` and ``expect`` may take before the story has failed."""
    resident: str | None = None
    """A role of the cast, or a resident's id."""
    kind: str | None = None
    """Which of the resident's devices; without a resident the first of the community."""
    device: str | None = None
    every: str | None = None
    """All devices of this kind."""
    place: str | None = None
    """A role of the cast, or a place's id: with all that lies in it."""
    do: str | None = None
    args: dict[str, Any] = Field(default={}, alias="with")
    """Of ``do`` or ``command``."""
    operator: OperatorAction | None = None
    command: str | None = None
    """What the gateway is to tell the device, at an operator's wish; it must say that it did it."""
    reason: str = ""
    to: str = ""
    """Whom the operator sends, or who arrived."""
    expect: dict[str, Any] | None = None
    """Fields of the device's state, such as ``lamp: green``; of a place ``devices``, ``dark``, ``away``."""

    @model_validator(mode="after")
    def _one_thing_to_one(self) -> Self:
        if sum(x is not None for x in (self.do, self.operator, self.command, self.expect)) != 1:
            raise ValueError("expected exactly one of do, operator, command, expect")
        ways = (self.device, self.resident or self.kind, self.every, self.place)
        given = sum(x is not None for x in ways)
        if self.operator is None and given == 0:
            raise ValueError("expected device, resident, kind, every or place: what is meant")
        if given > 1:
            raise ValueError("expected only one of device, resident with kind, every, place")
        if self.command is not None and (self.every is not None or self.place is not None):
            raise ValueError("command: one device at a time")
        return self


class Scenario(Strict):
    """A story."""

    scenario: str
    about: str = ""
    cast: dict[str, Role] = {}
    steps: tuple[Step, ...] = Field(min_length=1)

    @property
    def needs_people(self) -> bool:
        """Does it need the gateway's API?"""
        return any(step.operator or step.command or step.after in CASE_CONDITIONS for step in self.steps)


def shipped() -> list[str]:
    """The names of the scenarios that come with the simulator."""
    return sorted(file.stem for file in SHIPPED.glob("*.yaml"))


def load_scenario(name: str) -> tuple[Scenario, Script]:
    """A scenario by file or by the name of one that is shipped (``heart-attack``). Raises FileError."""
    path = Path(name)
    if not path.exists() and (SHIPPED / f"{name}.yaml").exists():
        path = SHIPPED / f"{name}.yaml"
    if not path.exists():
        raise FileError(f"{name}: no such file, and no scenario of that name; shipped are {', '.join(shipped())}")
    return parse_scenario(read_text(path), str(path))


def parse_scenario(text: str, name: str) -> tuple[Scenario, Script]:
    """A scenario and where its parts stand in the file. Raises FileError with every fault."""
    scenario, lines = check(Scenario, text, name)
    script = Script(name, lines)
    known: set[str] = set(CASE_CONDITIONS)
    for index, step in enumerate(scenario.steps):
        loc: Loc = ("steps", index)
        if step.after is not None and step.after not in known:
            raise script.fault(
                (*loc, "after"), f"{step.after!r} is neither an earlier step nor one of {', '.join(CASE_CONDITIONS)}"
            )
        if step.id is not None:
            if step.id in known:
                raise script.fault((*loc, "id"), f"{step.id!r} is taken; choose another")
            known.add(step.id)
        for key in ("kind", "every"):
            kind = getattr(step, key)
            if kind is not None and kind not in SIMULATED:
                raise script.fault((*loc, key), f"expected one of {', '.join(sorted(SIMULATED))}")
    for role, wanted in scenario.cast.items():
        for index, kind in enumerate(wanted.kinds):
            if kind not in SIMULATED:
                raise script.fault(("cast", role, "kinds", index), f"expected one of {', '.join(sorted(SIMULATED))}")
    return scenario, script


class Script:
    """Where the parts of a scenario stand in its file, for errors."""

    def __init__(self, name: str, lines: dict[Loc, int]) -> None:
        self.name = name
        self._lines = lines

    def fault(self, loc: Loc, text: str) -> FileError:
        """What is wrong at this place, with file and line; to be raised."""
        return FileError(f"{self.name}:{line_of(loc, self._lines)}: {key_of(loc, self._lines)}: {text}")
