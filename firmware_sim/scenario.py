"""Scenarios: a story as YAML, played on a fleet; and people who answer it through the gateway's public API.

Steps run in their order. Each may wait for a time (``at``, from the start), for a condition (``after``: an earlier
step's id or a state of the story's case), and a little longer (``wait``). A step does one thing: ``do`` something to a
device, let a person act on the case (``operator``), or ``expect`` something of a device.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from firmware_sim.community import SimulatedPlace
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
    """Somebody of the community who plays in the story."""

    resident: str | None = None
    """This resident; otherwise the first who has all the kinds."""
    kinds: tuple[str, ...] = ()


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
    do: str | None = None
    args: dict[str, Any] = Field(default={}, alias="with")
    operator: OperatorAction | None = None
    reason: str = ""
    to: str = ""
    """Whom the operator sends, or who arrived."""
    expect: dict[str, Any] | None = None
    """Fields of the device's state, such as ``lamp: green``."""

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if sum(x is not None for x in (self.do, self.operator, self.expect)) != 1:
            raise ValueError("expected exactly one of do, operator, expect")
        if self.operator is None and self.device is None and self.resident is None and self.kind is None:
            raise ValueError("expected device, resident or kind: which device is meant")
        if self.device is not None and (self.resident is not None or self.kind is not None):
            raise ValueError("device says it all: leave out resident and kind")
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
        return any(step.operator or step.after in CASE_CONDITIONS for step in self.steps)


def load_scenario(name: str) -> tuple[Scenario, Script]:
    """A scenario by file or by the name of one that is shipped (``heart-attack``). Raises FileError."""
    path = Path(name)
    if not path.exists() and (SHIPPED / f"{name}.yaml").exists():
        path = SHIPPED / f"{name}.yaml"
    if not path.exists():
        shipped = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.yaml")))
        raise FileError(f"{name}: no such file, and no scenario of that name; shipped are {shipped}")
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
        if step.kind is not None and step.kind not in SIMULATED:
            raise script.fault((*loc, "kind"), f"expected one of {', '.join(sorted(SIMULATED))}")
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
        return FileError(f"{self.name}:{line_of(loc, self._lines)}: {key_of(loc, self._lines)}: {text}")


def casting(
    scenario: Scenario, script: Script, devices: tuple[SimulatedPlace, ...]
) -> tuple[dict[str, str], list[str | None]]:
    """Who plays which role (role -> resident), and the device of each step (None for a person's step).

    Raises FileError where the community has nobody for a role or no device for a step.
    """
    homes: dict[str, dict[str, str]] = {}
    for device in devices:
        if device.resident is not None:
            homes.setdefault(device.resident, {}).setdefault(device.kind, device.id)
    roles: dict[str, str] = {}
    for role, wanted in scenario.cast.items():
        fitting = [
            resident
            for resident, kinds in homes.items()
            if set(wanted.kinds) <= set(kinds)
            and resident not in roles.values()
            and wanted.resident in (None, resident)
        ]
        if not fitting:
            whom = wanted.resident or "resident"
            raise script.fault(("cast", role), f"no {whom} of this fleet has {', '.join(wanted.kinds) or 'a device'}")
        roles[role] = fitting[0]
    return roles, [
        None if step.operator else _device(step, index, roles, homes, devices, script)
        for index, step in enumerate(scenario.steps)
    ]


def _device(
    step: Step,
    index: int,
    roles: dict[str, str],
    homes: dict[str, dict[str, str]],
    devices: tuple[SimulatedPlace, ...],
    script: Script,
) -> str:
    loc: Loc = ("steps", index)
    if step.device is not None:
        if not any(device.id == step.device for device in devices):
            raise script.fault((*loc, "device"), f"{step.device}: no such device in this fleet")
        return step.device
    if step.resident is None:
        found = next((device.id for device in devices if device.kind == step.kind), None)
        if found is None:
            raise script.fault((*loc, "kind"), f"this fleet has no {step.kind}")
        return found
    resident = roles.get(step.resident, step.resident)
    home = homes.get(resident)
    if home is None:
        raise script.fault((*loc, "resident"), f"{step.resident} is no role of the cast and nobody with a device")
    if step.kind is None and len(home) > 1:
        raise script.fault(loc, f"{resident} has several devices: add kind, one of {', '.join(sorted(home))}")
    kind = step.kind or next(iter(home))
    if kind not in home:
        raise script.fault((*loc, "kind"), f"{resident} has no {kind}, but {', '.join(sorted(home))}")
    return home[kind]
