"""The sections of a community and the model of an entry of each, in the order people write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.cases.handover import Outsider
from gateway.cases.policy import Ladder
from gateway.cases.work import WorkType
from gateway.registry.channels import Channel
from gateway.registry.drills import SelfTest
from gateway.registry.model import Bridge, Device, Person, Place, Resident
from gateway.registry.organisation import Evaluation, Organisation
from gateway.registry.roster import Role, Roster
from gateway.rules.document import RuleDocument

MODELS: Mapping[str, Any] = {
    "places": Place,
    "people": Person,
    "residents": Resident,
    "bridges": Bridge,
    "devices": Device,
    "rules": RuleDocument,
    "ladders": Ladder,
    "work": WorkType,
    "roles": Role,
    "rosters": Roster,
    "organisations": Organisation,
    "evaluation": Evaluation,
    "channels": Channel,
    "hand_over": Outsider,
    "drills": SelfTest,
}
SECTIONS = tuple(MODELS)
"""Lists; they may be spread over files."""
SCALARS = ("anju", "community", "emergency_line")
"""Stand once, in the main file."""
TAGGED = frozenset({"rules", "channels"})
"""Sections whose entries are told apart by a tag, which Pydantic puts in front of its paths."""
