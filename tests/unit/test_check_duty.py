"""What is wrong with rosters, roles, organisations and evaluations is said with where and what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.registry.load import read_community
from tests.support.homes import community, write_community

Change = Callable[[dict[str, Any]], None]


def grid(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(duty for duty in document["rosters"][0]["duties"] if duty["role"] == "grid_staff")
    return found


def organisation(**more: Any) -> Change:
    def change(document: dict[str, Any]) -> None:
        base = {"id": "pipes", "name": "管道公司", "kind": "contractor", "people": ["grid"]}
        document["organisations"] = [base | more]

    return change


def rated(*raters: dict[str, Any], of: str = "contractor") -> Change:
    def change(document: dict[str, Any]) -> None:
        organisation()(document)
        committee = {"id": "committee", "name": "居委会", "kind": "committee", "people": ["desk"]}
        document["organisations"].append(committee)
        document["evaluation"] = [{"id": "yearly", "name": "年度", "of": [of], "raters": list(raters)}]

    return change


def shifts(*written: dict[str, Any]) -> Change:
    def change(document: dict[str, Any]) -> None:
        duty = grid(document)
        del duty["people"]
        duty["shifts"] = list(written)

    return change


def roster(**more: Any) -> Change:
    return lambda document: document["rosters"][0].update(more)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (shifts({"people": ["grip"]}), "there is no person grip"),
        (shifts({"rotation": {"order": ["grid", ["nobody"]], "from": "2026-01-05"}}), "there is no person nobody"),
        (shifts({"people": ["grid"], "hours": "25:00-26:00"}), "expected hours such as 22:00-06:00"),
        (shifts({"people": ["grid"], "days": ["sunday"]}), "rosters[0].duties[1].shifts[0].days"),
        (roster(required=[{"role": "grid_stuff", "place": "yuan"}]), "did you mean grid_staff?"),
        (roster(required=[{"role": "grid_staff", "place": "moon"}]), "there is no place moon"),
        (roster(handover={"supervisor": "admiral"}), "role admiral is in no roster"),
        (organisation(people=[]), "give people or roles"),
        (organisation(people=["nobody"]), "there is no person nobody"),
        (organisation(roles=["plumber"]), "role plumber is in no roster"),
        (organisation(places=["moon"]), "there is no place moon"),
        (organisation(kind="club"), "organisations[0].kind"),
        (rated({"by": "committee", "weight": 60}, {"by": "residents", "weight": 30}), "the weights make 90"),
        (
            rated({"by": "committee", "weight": 40, "at_least": 50}, {"by": "residents", "weight": 60}),
            "committee weighs 40, and must weigh at least 50",
        ),
        (rated({"by": "committee", "weight": 100}, of="clubs"), "there is no organisation clubs"),
        (rated({"by": "residents", "weight": 100}, of="level:moon"), "no level of a place"),
        (rated({"by": "comittee", "weight": 100}), "did you mean committee?"),
        (rated({"by": "pipes", "weight": 100}, of="pipes"), "pipes rates itself"),
    ],
)
def test_a_fault_is_named(tmp_path: Path, change: Change, expected: str) -> None:
    document = community(1)
    change(document)
    errors = [str(problem) for problem in read_community(write_community(tmp_path / "c.yaml", document)).errors]
    assert any(expected in error for error in errors), errors


@pytest.mark.parametrize("of", ["pipes", "social_organisation", "handlers", "level:楼"])
def test_organisations_people_and_places_can_be_rated(tmp_path: Path, of: str) -> None:
    document = community(1)
    rated({"by": "committee", "weight": 50, "at_least": 50}, {"by": "residents", "weight": 50}, of=of)(document)
    assert read_community(write_community(tmp_path / "c.yaml", document)).errors == ()


def test_work_and_ladders_name_organisations_that_exist(tmp_path: Path) -> None:
    document = community(1)
    organisation()(document)
    document["work"] = [{"id": "pipe", "zh": "水管", "en": "pipe", "organisation": "pipe"}]
    document["ladders"][1]["rungs"][0]["notify"] = [{"organisation": "pips"}]
    errors = [str(problem) for problem in read_community(write_community(tmp_path / "c.yaml", document)).errors]
    assert len(errors) == 2 and all("did you mean pipes?" in error for error in errors), errors
