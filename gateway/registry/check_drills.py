"""Do self-tests hold together: does all exist that they name, and can they find out what they are to find out?"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from gateway.cases.policy import Ladder, Recipient
from gateway.registry.check_duty import Missing
from gateway.registry.finding import Finding
from gateway.registry.model import Community
from gateway.registry.problem import did_you_mean


def drills(community: Community, missing: Missing, roles: Collection[str]) -> Iterator[Finding]:
    """``roles``: those that somebody ever holds; empty where that cannot be judged."""
    ladders = {ladder.id: ladder for ladder in community.ladders}
    for index, test in enumerate(community.drills):
        yield from missing("ladders", test.ladder, "drills", index, ("ladder",))
        for key, section in (("device", "devices"), ("resident", "residents"), ("place", "places")):
            wanted = getattr(test, key)
            if wanted is not None:
                yield from missing(section, wanted, "drills", index, (key,))
        for person, stand_in in test.instead.items():
            for one in (person, stand_in):
                yield from missing("people", one, "drills", index, ("instead", person))
        for number, recipient in enumerate(test.report_to):
            yield from _reported_to(index, number, recipient, missing, roles)
        ladder = ladders.get(test.ladder)
        if ladder is not None and test.tell == "staff" and not any(map(_staff, _everybody(ladder))):
            message = f"{ladder.id} tells no staff, so this self-test tells nobody; give tell: everybody or instead"
            yield Finding(level="warning", section="drills", index=index, path=("tell",), message=message)


def _everybody(ladder: Ladder) -> Iterator[Recipient]:
    for rung in ladder.every_rung:
        yield from rung.notify


def _staff(recipient: Recipient) -> bool:
    return not (recipient.family or recipient.neighbours or recipient.doctor)


def _reported_to(
    index: int, number: int, recipient: Recipient, missing: Missing, roles: Collection[str]
) -> Iterator[Finding]:
    path = ("report_to", number)
    if recipient.person is not None:
        yield from missing("people", recipient.person, "drills", index, (*path, "person"))
    if recipient.organisation is not None:
        yield from missing("organisations", recipient.organisation, "drills", index, (*path, "organisation"))
    if recipient.role is not None and roles and recipient.role not in roles:
        message = (
            f"role {recipient.role} is in no roster, so nobody gets the report{did_you_mean(recipient.role, roles)}"
        )
        yield Finding(level="warning", section="drills", index=index, path=(*path, "role"), message=message)
