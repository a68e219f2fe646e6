"""Plays a scenario on a running fleet, step by step, and says what happened."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from firmware_sim.casting import Cast, Target
from firmware_sim.device import ActionError
from firmware_sim.fleet import PLACE_ACTIONS, Fleet
from firmware_sim.people import ApiError, People
from firmware_sim.scenario import CASE_CONDITIONS, STAGES, Scenario, Script, Step
from firmware_sim.yamlfile import FileError

log = logging.getLogger(__name__)

POLL_S = 0.1


class StoryError(Exception):
    """The story did not go as it is written: which step, what was expected, what was found."""


class Player:
    """One scenario on one fleet. Raises FileError where the fleet cannot cast it."""

    def __init__(
        self,
        scenario: Scenario,
        script: Script,
        fleet: Fleet,
        *,
        people: People | None = None,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        if scenario.needs_people and people is None:
            raise FileError(f"{script.name}: this scenario has people in it: give --api URL and --token-file FILE")
        self._cast = Cast(scenario, script, fleet.community)
        self._scenario = scenario
        self._script = script
        self._fleet = fleet
        self._people = people
        self._tell = tell
        self._case: dict[str, Any] | None = None
        self._before: dict[str, int] = {}
        self._done: set[str] = set()
        for index, (step, target) in enumerate(zip(scenario.steps, self._cast.targets, strict=True)):
            known = PLACE_ACTIONS if target.place else [name for one in target.devices[:1] for name in _can(fleet, one)]
            if step.do is not None and step.do not in known:
                what = target.place or target.devices[0]
                raise script.fault(("steps", index, "do"), f"{what} cannot {step.do!r}; it can {', '.join(known)}")

    async def play(self) -> None:
        """Play to the end. Raises StoryError at the first step that fails."""
        if self._people is not None:
            await self._note_older_cases()
        start = time.monotonic()
        for index, (step, target) in enumerate(zip(self._scenario.steps, self._cast.targets, strict=True)):
            if step.at is not None:
                await asyncio.sleep(max(0.0, start + step.at - time.monotonic()))
            try:
                await self._step(step, target)
            except (ActionError, ApiError, StoryError) as error:
                where = self._script.fault(("steps", index), str(error))
                raise StoryError(str(where)) from None
            if step.id is not None:
                self._done.add(step.id)

    async def _step(self, step: Step, target: Target) -> None:
        if step.after in CASE_CONDITIONS:
            await self._until_case(step.after, step.within)
        await asyncio.sleep(step.wait)
        what = target.place or ", ".join(target.devices[:3]) + (" …" if len(target.devices) > 3 else "")
        if step.do is not None:
            if target.place is not None:
                self._fleet.act_at(target.place, step.do)
            for device in target.devices:
                self._fleet.act(device, step.do, step.args)
            self._tell(f"{what}: {step.do}{f' {step.args}' if step.args else ''}")
        elif step.expect is not None:
            await self._until_state(target, step.expect, step.within)
            self._tell(f"{what}: {step.expect} as expected")
        elif step.command is not None:
            assert self._people is not None
            await self._people.command(target.devices[0], step.command, step.args)
            self._tell(f"{what}: done as commanded, {step.command}{f' {step.args}' if step.args else ''}")
        elif step.operator is not None:
            await self._until_case("opened", step.within)
            assert self._people is not None and self._case is not None
            self._case = await self._people.act(self._case["id"], step.operator, reason=step.reason, to=step.to)
            self._tell(f"case {self._case['number']}: {step.operator}")

    async def _note_older_cases(self) -> None:
        """Cases that were open before the story began are the story's only if it moves them on."""
        while (case := await self._look()) is not None:
            self._before[case["id"]] = case["version"]

    async def _look(self) -> dict[str, Any] | None:
        assert self._people is not None
        devices = {device for target in self._cast.targets for device in target.devices}
        return await self._people.find(residents=self._cast.residents.values(), devices=devices, known=self._before)

    async def _until_case(self, condition: str, within_s: float) -> None:
        assert self._people is not None
        deadline = time.monotonic() + within_s
        while True:
            self._case = await self._look() if self._case is None else await self._people.case(self._case["id"])
            if self._case is not None and holds(condition, self._case):
                return
            if time.monotonic() > deadline:
                state = "there is no case" if self._case is None else f"the case is {_describe(self._case)}"
                raise StoryError(f"not {condition} within {within_s:g} s: {state}")
            await asyncio.sleep(POLL_S)

    async def _until_state(self, target: Target, wanted: dict[str, Any], within_s: float) -> None:
        deadline = time.monotonic() + within_s
        for what in (target.place,) if target.place is not None else target.devices:
            look = self._fleet.state_at if target.place is not None else self._fleet.state
            while True:
                state = look(what)
                if all(state.get(key) == value for key, value in wanted.items()):
                    break
                if time.monotonic() > deadline:
                    found = {key: state.get(key, "no such field") for key in wanted}
                    raise StoryError(f"{what}: expected {wanted} within {within_s:g} s, found {found}")
                await asyncio.sleep(POLL_S)


def holds(condition: str, case: dict[str, Any]) -> bool:
    """Has the case come so far?"""
    if condition.startswith("line_"):
        return bool(case["emergency"]["state"] == condition.removeprefix("line_"))
    stage = case["stage"]
    if stage == "cancelled" or condition == "cancelled":
        return bool(stage == condition) or (stage == "cancelled" and condition == "opened")
    return STAGES.index(stage) >= STAGES.index(condition)


def _can(fleet: Fleet, device: str) -> list[str]:
    found = fleet.state(device)["actions"]
    assert isinstance(found, list)
    return found


def _describe(case: dict[str, Any]) -> str:
    return f"{case['stage']}, the line {case['emergency']['state']}"
