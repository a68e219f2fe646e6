"""What ratings (评价) come to: of organisations, places and people, each party's mean by its weight. Pure.

Who rates whom with which weight is the community's (`evaluation`); the ratings stand in the records of closed cases.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

from gateway.alarms import Frozen
from gateway.cases.figures import Said, Seen
from gateway.registry.directory import CommunityDirectory
from gateway.registry.organisation import HANDLERS, LEVEL, RESIDENTS, Evaluation, Organisation
from gateway.registry.values import Text

LOWEST, HIGHEST = 1, 5
"""Not at all satisfied, very satisfied."""
POOR = 2
"""Ratings up to this one are 差评: not satisfied."""
RESIDENTS_WORDS = Text(zh="居民", en="residents")


class Word(NamedTuple):
    """How satisfied one party was with one piece of work."""

    by: str
    score: int


class _Type(Protocol):
    @property
    def organisation(self) -> str: ...


class Work(Protocol):
    """A case, as far as it says who did it."""

    @property
    def handler(self) -> str:
        """To whom it was given; empty where to nobody."""
        ...

    @property
    def handlers(self) -> tuple[str, ...]:
        """Everybody who has had it, was sent or was there."""
        ...

    @property
    def work(self) -> _Type | None:
        """The type of the work; None for an alarm."""
        ...

    @property
    def place(self) -> str | None:
        """Where it was."""
        ...


class Part(Frozen):
    """What one party says, and how much it counts."""

    by: str
    name: Text
    weight: float
    """Per cent."""
    n: int
    """How many ratings."""
    poor: int
    """How many of them say that they were not satisfied (1 or 2)."""
    mean: float | None
    """From 1 to 5; None where this party has said nothing."""


class Rating(Frozen):
    """What comes of it, from 1 to 5."""

    parts: tuple[Part, ...]
    score: float | None
    """None while a party has said nothing: what is missing is never shared out among the others."""
    least: float | None
    most: float | None
    """Between which two it will lie, whatever the missing parties say; None where nobody has said anything."""

    @property
    def missing(self) -> tuple[Part, ...]:
        """The parties that have said nothing."""
        return tuple(part for part in self.parts if part.mean is None)


class Rated(Frozen):
    """The rating of one organisation, place or person."""

    key: str
    """``organisation:pipes``, ``place:g1-2``, ``person:wang``."""
    name: Text
    closed: int
    """Closed cases that are its work."""
    cases: int
    """Those of them that a word was said about which counts."""
    rating: Rating


class Evaluated(Frozen):
    """One evaluation of the community over a period."""

    id: str
    name: Text
    rows: tuple[Rated, ...]
    """The best first; who has no rating yet last."""
    own: int
    """Ratings of who did the work themselves: left out."""
    others: int
    """Ratings of parties that have no weight in this evaluation: left out."""


def rate(evaluation: Evaluation, words: Iterable[Word], name: Callable[[str], Text]) -> Rating:
    """The rating by all words of a period: each party's mean, by its weight. Words of others do not count."""
    scores: dict[str, list[int]] = {rater.by: [] for rater in evaluation.raters}
    for word in words:
        if word.by in scores:
            scores[word.by].append(word.score)
    parts = tuple(
        Part(
            by=rater.by,
            name=name(rater.by),
            weight=rater.weight,
            n=len(said := scores[rater.by]),
            poor=sum(score <= POOR for score in said),
            mean=math.fsum(said) / len(said) if said else None,
        )
        for rater in evaluation.raters
    )
    if all(part.mean is None for part in parts):
        return Rating(parts=parts, score=None, least=None, most=None)
    least, most = (_total(parts, missing) for missing in (LOWEST, HIGHEST))
    whole = all(part.mean is not None for part in parts)
    return Rating(parts=parts, score=least if whole else None, least=least, most=most)


def _total(parts: Sequence[Part], missing: int) -> float:
    return math.fsum(part.weight * (missing if part.mean is None else part.mean) for part in parts) / 100


def party_of(directory: CommunityDirectory, actor: str) -> str:
    """For whom somebody speaks where nobody says it: for the organisation whose person they are, else for the
    residents. What an operator enters is what a resident said to them."""
    person = actor.removeprefix("person:") if actor.startswith("person:") else ""
    mine = (one.id for one in directory.community.organisations if person and person in one.people)
    return next(mine, RESIDENTS)


def party_name(directory: CommunityDirectory, by: str) -> Text:
    """Whose word it is, for people; the id where nobody of that name is known any more."""
    known = directory.organisation(by)
    return known.name if known is not None else RESIDENTS_WORDS if by == RESIDENTS else Text(zh=by, en=by)


def rates_work(directory: CommunityDirectory, organisation: str, case: Work) -> bool:
    """Whether an organisation has a say about this work: another one did it whom it rates, where it works itself."""
    known = directory.organisation(organisation)
    if known is None or (known.places and not set(known.places) & set(directory.way(case.place))):
        return False
    doers = _workers_of(directory).of(case)
    kinds = {one.kind for id_ in doers if (one := directory.organisation(id_)) is not None}
    return organisation not in doers and any(
        rater.by == organisation and not {*doers, *kinds}.isdisjoint(evaluation.of)
        for evaluation in directory.community.evaluation
        for rater in evaluation.raters
    )


def evaluate(directory: CommunityDirectory, cases: Iterable[Seen]) -> tuple[Evaluated, ...]:
    """Every evaluation of the community, over these cases. Drills, and what was not closed, are in none."""
    if not directory.community.evaluation:
        return ()
    heard = [_heard(directory, case) for case in cases if case.stage == "closed" and not case.drill]
    return tuple(_evaluated(directory, evaluation, heard) for evaluation in directory.community.evaluation)


class _Heard(NamedTuple):
    """A closed case: who did it, and what was said of it."""

    case: Seen
    doers: Sequence[str]
    words: Sequence[Word]
    own: int


@lru_cache(maxsize=2)
def _workers_of(directory: CommunityDirectory) -> _Workers:
    return _Workers(directory)


class _Workers:
    """For which organisations somebody works: as one of its people, or on its roles."""

    def __init__(self, directory: CommunityDirectory) -> None:
        self._of: dict[str, list[str]] = {}
        duties = [duty for roster in directory.community.rosters for duty in roster.duties]
        for one in directory.community.organisations:
            on_roles = (person for duty in duties if duty.role in one.roles for person in duty.everybody)
            for person in dict.fromkeys((*one.people, *on_roles)):
                self._of.setdefault(f"person:{person}", []).append(one.id)

    def of(self, case: Work) -> list[str]:
        """The organisations that did a case; where none of their people had part in it, the one whose work it is."""
        found: dict[str, None] = {}
        for one in (case.handler, *case.handlers):
            if one.startswith("organisation:"):
                found[one.removeprefix("organisation:")] = None
            found |= dict.fromkeys(self._of.get(one, ()))
        if not found and case.work is not None and case.work.organisation:
            found[case.work.organisation] = None
        return list(found)


def _heard(directory: CommunityDirectory, case: Seen) -> _Heard:
    """Of each party the last word of each who spoke for it; nobody rates their own work."""
    doers = _workers_of(directory).of(case)
    last: dict[tuple[str, str], Word] = {}
    own = 0
    for said in case.ratings:
        by = said.by or party_of(directory, said.actor)
        if by in doers or (said.actor.startswith("person:") and said.actor in case.handlers):
            own += 1
        else:
            last[by, _speaker(said)] = Word(by, said.score)
    return _Heard(case, doers, list(last.values()), own)


def _speaker(said: Said) -> str:
    return said.actor if said.actor.startswith("person:") else said.who.strip().casefold()


def _evaluated(directory: CommunityDirectory, evaluation: Evaluation, heard: Sequence[_Heard]) -> Evaluated:
    work = _work_of(directory, evaluation.of, heard)
    rows = [_row(directory, evaluation, key, mine) for key, mine in work.items()]
    looked_at = {one.case.id: one for mine in work.values() for one in mine}.values()
    raters = {rater.by for rater in evaluation.raters}
    return Evaluated(
        id=evaluation.id,
        name=evaluation.name,
        rows=tuple(sorted(rows, key=lambda row: (row.rating.score is None, -(row.rating.score or 0), row.key))),
        own=sum(one.own for one in looked_at),
        others=sum(word.by not in raters for one in looked_at for word in one.words),
    )


def _work_of(
    directory: CommunityDirectory, rated: Sequence[str], heard: Sequence[_Heard]
) -> Mapping[str, Sequence[_Heard]]:
    """The closed cases of each who is rated; an organisation stands here without any, too."""
    known: Sequence[Organisation] = directory.community.organisations
    organisations = [one.id for one in known if one.id in rated or one.kind in rated]
    levels = {of.removeprefix(LEVEL) for of in rated if of.startswith(LEVEL)}
    found: dict[str, list[_Heard]] = {f"organisation:{id_}": [] for id_ in organisations}
    for one in heard:
        for key in dict.fromkeys(
            (
                *(f"organisation:{id_}" for id_ in one.doers if id_ in organisations),
                *_places(directory, one.case.place, levels),
                *(who for who in one.case.handlers if HANDLERS in rated and who.startswith("person:")),
            )
        ):
            found.setdefault(key, []).append(one)
    return found


def _places(directory: CommunityDirectory, place: str | None, levels: set[str]) -> Iterator[str]:
    for id_ in directory.way(place) if levels else ():
        known = directory.place(id_)
        if known is not None and known.level in levels:
            yield f"place:{id_}"


def _row(directory: CommunityDirectory, evaluation: Evaluation, key: str, mine: Sequence[_Heard]) -> Rated:
    raters = {rater.by for rater in evaluation.raters}
    counting = [[word for word in one.words if word.by in raters] for one in mine]
    return Rated(
        key=key,
        name=_name(directory, key),
        closed=len(mine),
        cases=sum(bool(words) for words in counting),
        rating=rate(evaluation, (word for words in counting for word in words), lambda by: party_name(directory, by)),
    )


def _name(directory: CommunityDirectory, key: str) -> Text:
    kind, _, id_ = key.partition(":")
    if kind == "organisation":
        return party_name(directory, id_)
    if kind == "place":
        zh, en = (directory.place_path(id_, language) for language in ("zh", "en"))
        known = directory.place(id_)
        if known is not None and not known.in_address:
            zh, en = (f"{zh}{known.name.zh}", f"{en}, {known.name.en}" if en else known.name.en)
        return Text(zh=zh or id_, en=en or id_)
    person = directory.person(id_)
    return Text(zh=id_, en=id_) if person is None else Text(zh=person.name, en=person.name)
