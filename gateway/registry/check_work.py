"""Does the table of work hold together: does its ladder exist, does somebody hold its roles, does its clock run?"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from gateway.cases.work import WorkType
from gateway.registry.check_duty import Missing
from gateway.registry.finding import Finding
from gateway.registry.model import Community
from gateway.registry.problem import Path, did_you_mean


def roles_of(row: WorkType) -> dict[str, str]:
    """The roles that a row tells, by its keys."""
    return {key: role for key in ("role", "backup", "supervisor") if (role := getattr(row, key))}


def work(community: Community, missing: Missing, roles: Collection[str]) -> Iterator[Finding]:
    """``roles``: those that somebody ever holds; empty where that cannot be judged."""
    ladders = {ladder.id: ladder for ladder in community.ladders}
    claimed: dict[str, int] = {}
    for index, row in enumerate(community.work):
        if not row.enabled:
            continue
        if row.ladder is not None:
            yield from missing("ladders", row.ladder, "work", index, ("ladder",))
            ladder = ladders.get(row.ladder)
            for stage, limit in row.limits.given:
                if ladder is not None and ladder.life_safety and limit.working:
                    message = f"{ladder.id} is for life safety, which has no office hours; give minutes, hours or days"
                    where: Path = ("limits", stage.value)
                    yield Finding(level="error", section="work", index=index, path=where, message=message)
        for key, role in roles_of(row).items():
            if roles and role not in roles:
                message = f"role {role} is in no roster, so nobody hears of this work{did_you_mean(role, roles)}"
                yield Finding(level="warning", section="work", index=index, path=(key,), message=message)
        for position, alarm in enumerate(row.alarms):
            first = claimed.setdefault(alarm, index)
            if first != index:
                message = f"{alarm} belongs to two types of work; leave it in one; the first stands at"
                place: Path = ("alarms", position)
                yield Finding(level="error", section="work", index=index, path=place, message=message, first=first)
