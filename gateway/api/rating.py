"""评价: whose word a rating is. Only parties that there are: a word of nobody would be counted nowhere, in silence."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.api.context import Context
from gateway.api.problem import ApiProblem
from gateway.registry.evaluating import RESIDENTS_WORDS, party_of
from gateway.registry.organisation import RESIDENTS
from gateway.registry.values import Text


def raters(context: Context) -> list[tuple[str, Text]]:
    """Who can rate, by id: the residents, and the community's organisations; those with a weight first."""
    return list(_raters(context))


def _raters(context: Context) -> Iterator[tuple[str, Text]]:
    yield RESIDENTS, RESIDENTS_WORDS
    directory = context.directory()
    if directory is None:
        return
    weighs = {rater.by for evaluation in directory.community.evaluation for rater in evaluation.raters}
    for one in sorted(directory.community.organisations, key=lambda one: one.id not in weighs):
        yield one.id, one.name


def whose_word(context: Context, actor: str, by: str) -> str:
    """For whom ``actor`` rates: as said, else for their own organisation, else for the residents. Raises ApiProblem."""
    known = raters(context)
    if not by:
        directory = context.directory()
        return RESIDENTS if directory is None else party_of(directory, actor)
    if by not in (id_ for id_, _ in known):
        raise ApiProblem(
            409,
            "no_such_rater",
            f"没有评价方“{by}”；可选：{'、'.join(f'{name.zh} {id_}' for id_, name in known)}",
            f"nobody rates as {by!r}; there are {', '.join(id_ for id_, _ in known)}",
        )
    return by
