"""What ratings come to, beside what was reckoned by hand: weights, missing parties, own work, places and people."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cases.figures import Seen, seen
from gateway.registry.directory import CommunityDirectory
from gateway.registry.evaluating import Rated, Word, evaluate, party_of, rate, rates_work
from gateway.registry.model import Community
from gateway.registry.organisation import Evaluation
from gateway.registry.values import Text
from tests.support.homes import community

HALF = ({"by": "committee", "weight": 50, "at_least": 50}, {"by": "residents", "weight": 50})
ALL = ("contractor", "social_organisation", "handlers", "level:楼")


def town(*of: str) -> CommunityDirectory:
    document = community(2)
    document["organisations"] = [
        {"id": "committee", "name": "居委会", "kind": "committee", "people": ["chief"], "places": ["yuan"]},
        {"id": "pipes", "name": "管道公司", "kind": "contractor", "people": ["grid"]},
        {"id": "club", "name": "助老会", "kind": "social_organisation", "roles": ["doctor"]},
    ]
    document["evaluation"] = [{"id": "yearly", "name": "年度", "of": list(of or ALL), "raters": list(HALF)}]
    document["rules"] = []
    return CommunityDirectory(Community.model_validate(document))


def said(score: int, by: str = "residents", *, who: str = "", actor: str = "operator:desk") -> dict[str, Any]:
    return {"at_ms": 1, "actor": actor, "score": score, "by": by, "who": who}


def case(number: int, *ratings: dict[str, Any], **more: Any) -> Seen:
    record = {
        "id": f"c{number}",
        "number": f"2026-{number:06}",
        **{"type": "pipe", "severity": "service", "stage": "closed", "ladder": {}, "place": "door-1"},
        **{"work": {"id": "pipe", "zh": "水管", "en": "pipe", "organisation": "pipes"}, "times": {"raised": 1}},
        "ratings": list(ratings),
    }
    return seen(json.dumps(record | more))


def rows(*cases: Seen, of: tuple[str, ...] = ALL) -> dict[str, Rated]:
    (found,) = evaluate(town(*of), cases)
    return {row.key: row for row in found.rows}


def test_half_the_say_is_half_the_rating() -> None:
    found = rows(
        case(1, said(5), said(4, "committee")),
        case(2, said(2), said(5, "committee")),
        case(3),
        case(4, said(5), drill=True),
        case(5, said(5), stage="resolved"),
    )["organisation:pipes"]
    assert found.rating.score == pytest.approx(0.5 * 4.5 + 0.5 * 3.5)
    assert (found.closed, found.cases) == (3, 2), "neither the drill nor what is not over"
    parts = {part.by: (part.n, part.mean, part.poor, part.name.zh) for part in found.rating.parts}
    assert parts == {"committee": (2, 4.5, 0, "居委会"), "residents": (2, 3.5, 1, "居民")}


def test_a_missing_say_is_shown_and_never_shared_out() -> None:
    found = rows(case(1, said(4)))
    pipes = found["organisation:pipes"].rating
    assert pipes.score is None and [part.by for part in pipes.missing] == ["committee"]
    assert (pipes.least, pipes.most) == (0.5 * 4 + 0.5 * 1, 0.5 * 4 + 0.5 * 5)
    nobody = found["organisation:club"]
    assert (nobody.closed, nobody.rating.score, nobody.rating.least) == (0, None, None)


def test_nobody_rates_their_own_work_and_one_person_says_it_once() -> None:
    (found,) = evaluate(
        town("contractor"),
        [
            case(1, said(5, "pipes"), said(5, "residents", actor="person:grid"), handlers=["person:grid"]),
            case(2, said(1, who="张女士"), said(4, who="张女士 "), said(2, who="王先生"), said(3, "club")),
        ],
    )
    (pipes,) = found.rows
    residents = next(part for part in pipes.rating.parts if part.by == "residents")
    assert (residents.n, residents.mean) == (2, 3.0), "her last word, and his"
    assert (found.own, found.others) == (2, 1)


def test_it_counts_for_who_did_it_for_its_place_and_for_its_people() -> None:
    found = rows(
        case(1, said(5), handlers=["person:grid", "operator:desk"]),
        case(2, said(1), handler="organisation:club", handlers=["organisation:club"], place="door-2"),
        case(3, said(3), work=None, place=None),
    )
    assert (found["organisation:pipes"].cases, found["organisation:club"].cases) == (1, 1)
    assert (found["place:b-1"].closed, found["place:b-1"].name.zh) == (2, "试验院3号楼")
    assert found["person:grid"].name.zh == "网格员"
    assert [key for key in found if key.startswith("person:")] == ["person:grid"], "an operator's token is nobody"


def test_for_whom_somebody_speaks() -> None:
    directory = town()
    assert party_of(directory, "person:chief") == "committee"
    assert party_of(directory, "person:daughter-1") == party_of(directory, "operator:desk") == "residents"
    assert rows(case(1, said(5, "", actor="person:chief"), said(4, "")))["organisation:pipes"].rating.score == 4.5
    assert rates_work(directory, "committee", case(1))
    assert not rates_work(directory, "committee", case(1, place=None)), "it works elsewhere"
    assert not rates_work(directory, "pipes", case(1)) and not rates_work(directory, "club", case(1))


_scores = st.lists(st.integers(1, 5), max_size=6)


@given(_scores, _scores, st.integers(1, 99))
def test_a_rating_lies_between_what_was_said(one: list[int], other: list[int], weight: int) -> None:
    raters = [{"by": "a", "weight": weight}, {"by": "b", "weight": 100 - weight}]
    evaluation = Evaluation.model_validate({"id": "y", "name": "年度", "of": ["contractor"], "raters": raters})
    words = [Word("a", score) for score in one] + [Word("b", score) for score in other]
    found = rate(evaluation, words, lambda by: Text(zh=by, en=by))
    assert (found.score is None) == (not one or not other)
    if found.score is not None:
        assert min(one + other) - 1e-9 <= found.score <= max(one + other) + 1e-9
    assert (found.least is None) == (not one and not other)
    if found.least is not None and found.most is not None:
        assert 1 - 1e-9 <= found.least <= (found.score or found.least) <= found.most <= 5 + 1e-9
