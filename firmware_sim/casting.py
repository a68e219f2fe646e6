"""Who and what of a community plays in a story: residents and places for its roles, devices for its steps."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from firmware_sim.community import SimulatedCommunity
from firmware_sim.scenario import Role, Scenario, Script, Step
from firmware_sim.yamlfile import Loc


@dataclass(frozen=True, slots=True)
class Target:
    """What a step is about: devices, or a place; neither for a person's step."""

    devices: tuple[str, ...] = ()
    place: str | None = None


class Cast:
    """A scenario cast in one community. Raises FileError where the community has nobody for a role or no device for a
    step."""

    def __init__(self, scenario: Scenario, script: Script, community: SimulatedCommunity) -> None:
        self._community = community
        self._script = script
        self._homes: dict[str, dict[str, str]] = {}
        self._home_places: dict[str, str] = {}
        for device in community.native:
            if device.resident is not None:
                self._homes.setdefault(device.resident, {}).setdefault(device.kind, device.id)
                self._home_places.setdefault(device.resident, device.place)
        self.residents: dict[str, str] = {}
        """Role → resident."""
        self.places: dict[str, str] = {}
        """Role → place."""
        for role, wanted in scenario.cast.items():
            if wanted.around is None:
                self.residents[role] = self._resident(role, wanted)
            else:
                self.places[role] = self._place(role, wanted)
        self.targets = [self._target(step, ("steps", index)) for index, step in enumerate(scenario.steps)]
        """Of each step."""

    def _resident(self, role: str, wanted: Role) -> str:
        fitting = (
            resident
            for resident, kinds in self._homes.items()
            if set(wanted.kinds) <= set(kinds)
            and resident not in self.residents.values()
            and wanted.resident in (None, resident)
        )
        found = next(fitting, None)
        if found is None:
            whom, what = wanted.resident or "resident", ", ".join(wanted.kinds) or "a device"
            raise self._script.fault(("cast", role), f"no {whom} of this fleet has {what}")
        return found

    def _place(self, role: str, wanted: Role) -> str:
        resident = self.residents.get(str(wanted.around))
        if resident is None:
            raise self._script.fault(("cast", role, "around"), f"{wanted.around!r} is no resident above it in the cast")
        inside: Counter[str] = Counter()
        for device in self._community.native:
            inside.update(self._community.around(device.place))
        around = self._community.around(self._home_places[resident])
        found = next((place for place in around if inside[place] >= wanted.devices), None)
        if found is None:
            raise self._script.fault(("cast", role), f"no place around {resident} has {wanted.devices} devices in it")
        return found

    def _target(self, step: Step, loc: Loc) -> Target:
        if step.place is not None:
            return Target(place=self.places.get(step.place, step.place))
        if step.every is not None:
            found = tuple(device.id for device in self._community.native if device.kind == step.every)
            if not found:
                raise self._script.fault((*loc, "every"), f"this fleet has no {step.every}")
            return Target(found)
        if step.device is not None:
            if not any(device.id == step.device for device in self._community.native):
                raise self._script.fault((*loc, "device"), f"{step.device}: no such device in this fleet")
            return Target((step.device,))
        if step.resident is not None:
            return Target((self._of_resident(step, loc),))
        if step.kind is not None:
            first = next((device.id for device in self._community.native if device.kind == step.kind), None)
            if first is None:
                raise self._script.fault((*loc, "kind"), f"this fleet has no {step.kind}")
            return Target((first,))
        return Target()

    def _of_resident(self, step: Step, loc: Loc) -> str:
        resident = self.residents.get(str(step.resident), str(step.resident))
        home = self._homes.get(resident)
        if home is None:
            what = f"{step.resident} is no role of the cast and nobody with a device"
            raise self._script.fault((*loc, "resident"), what)
        if step.kind is None and len(home) > 1:
            what = f"{resident} has several devices: add kind, one of {', '.join(sorted(home))}"
            raise self._script.fault(loc, what)
        kind = step.kind or next(iter(home))
        if kind not in home:
            raise self._script.fault((*loc, "kind"), f"{resident} has no {kind}, but {', '.join(sorted(home))}")
        return home[kind]
