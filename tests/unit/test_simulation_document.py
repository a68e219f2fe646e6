"""What docs/simulation.md says is so: kinds with their actions, faults with their defaults, stories, steps."""

from __future__ import annotations

import re

import pytest

from firmware_sim.device import SimDevice
from firmware_sim.faults import IN_THE_DEVICE, ON_THE_WAY, Fault
from firmware_sim.fleet import PLACE_ACTIONS
from firmware_sim.kinds import SIMULATED
from firmware_sim.scenario import Step, shipped
from tests.support.sim import make
from tests.unit.test_docs import table, text

PAGE = "docs/simulation.md"


def own_actions(device: SimDevice) -> set[str]:
    """Those that are neither an event of the kind, nor what every device can."""
    return set(device.actions()) - set(device.kind.events) - {"reboot", "mend"}


def test_every_kind_is_described_with_its_actions() -> None:
    rows = {row[0]: set(re.findall(r"[a-z_]+", row[2])) for row in table(PAGE, "## Kinds 各类设备")}
    assert list(rows) == list(SIMULATED), "in the order of the catalogue"
    assert rows == {kind: own_actions(make(kind)) for kind in SIMULATED}


@pytest.mark.parametrize(("heading", "known"), [("**On the way.**", ON_THE_WAY), ("**In the device.**", IN_THE_DEVICE)])
def test_every_fault_is_described_with_its_default(heading: str, known: tuple[str, ...]) -> None:
    below = text(PAGE).split(heading, 1)[1]
    found = re.search(r"^\|.*\n\|[-| :]+\n((?:\|.*\n)+)", below, re.MULTILINE)
    assert found is not None
    rows = [[cell.strip().strip("`") for cell in line.strip("|\n").split("|")] for line in found[1].splitlines()]
    assert {row[0] for row in rows} == set(known)
    words = {"ten years": 315_576_000.0, "three days": 259_200.0}
    for what, seconds, *_ in rows:
        said = re.match(r"([\d.]+|ten years|three days)", seconds)
        if said is not None:
            default = words.get(said[1]) or float(said[1])
            assert default == Fault(what=what).value, what  # type: ignore[arg-type]  # from the table
        else:
            assert seconds == "–" and Fault(what=what).value == 0.0  # type: ignore[arg-type]  # from the table


def test_every_story_and_every_step_is_described() -> None:
    page = text(PAGE)
    stories = page.split("## Stories 情景")[1].split("## A fleet")[0]
    assert [name for name in shipped() if f"| `{name}` |" not in stories] == []
    told = set(re.findall(r"^\| `([a-z-]+)` \|", stories, re.MULTILINE))
    assert told - {"do", "operator", "command", "expect"} == set(shipped())
    for word in (*PLACE_ACTIONS, "afflict", "cure"):
        assert f"`{word}`" in page
    for key in ("at", "after", "wait", "resident", "kind", "device", "every"):
        assert key in Step.model_fields and f"`{key}`" in stories
