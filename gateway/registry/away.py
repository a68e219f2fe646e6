"""A resident who is not at home: in hospital, travelling. Said with a reason and an end, so that it is never forgotten.

It stands among the resident's attributes, so rules go by it (`resident.away`), replays know it, and revisions of the
registry tell who said it. The end is taken by the decider (`gateway.decider.absences`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from gateway.cases.wording import Words
from gateway.registry import store
from gateway.registry.desk import Edit, Plan, Refused, find_resident, with_attributes
from gateway.registry.facts import AWAY, end_ms, moment_of
from gateway.registry.fault import Fault
from gateway.registry.fields import ADAPTERS
from gateway.registry.model import Community, Resident
from gateway.rules.forms import Fact

LONGEST_DAYS = 90
WHY_MOST = 60
ITSELF = "system"
"""Who ends what is over by its date."""
WHY: Mapping[str, Words] = MappingProxyType(
    {"hospital": Words("住院", "in hospital"), "travel": Words("外出", "travelling")}
)
"""Reasons that have words in both languages; any other words stand as they were said."""
MEANWHILE = Words(
    "此间不看有无活动；紧急按钮、体征、烟雾、燃气照常",
    "inactivity is not watched meanwhile; emergency keys, vital signs, smoke and gas are, as ever",
)


@dataclass(frozen=True, slots=True)
class Absence:
    """A resident who is away."""

    resident: str
    why: str
    until: str
    """A day, which is the last of it, or an instant by the community's clock; empty where nobody said one."""
    until_ms: int | None
    """Not included. None: it does not end by itself."""
    by: str
    """Who said it: ``operator:…``, ``person:…``; empty where it came with the files or bare attributes."""

    @property
    def briefly(self) -> Words:
        """``住院，至 12-05``."""
        why = WHY.get(self.why, Words(self.why or "不在家", self.why or "away"))
        if self.until_ms is None:
            return Words(f"{why.zh}，未写明到哪天", f"{why.en}, nobody said until when")
        at = datetime.fromisoformat(self.until)
        hour = f" {at:%H:%M}" if "T" in self.until else ""
        return Words(f"{why.zh}，至 {at:%m-%d}{hour}", f"{why.en} until {at.day} {at:%b}{hour}")

    @property
    def says(self) -> Words:
        """``住院，至 12-05；此间不看有无活动 …``."""
        zh, en = self.briefly
        return Words(f"{zh}；{MEANWHILE.zh}", f"{en}; {MEANWHILE.en}")


def absence_of(resident: Resident, zone: ZoneInfo) -> Absence | None:
    """The resident's absence; None for one who is at home as far as anybody said."""
    given = resident.attributes
    if given.get("away") is not True:
        return None
    until = moment_of(given.get("away_until")) or ""
    return Absence(
        resident=resident.id,
        why=str(given.get("away_why", "")),
        until=until,
        until_ms=end_ms(until, zone) if until else None,
        by=str(given.get("away_by", "")),
    )


def absences(community: Community) -> list[Absence]:
    """Everybody who is away; first those without an end, then those that end first."""
    zone = ZoneInfo(community.community.timezone)
    found = (absence_of(resident, zone) for resident in community.residents)
    return sorted(filter(None, found), key=lambda one: (one.until_ms or 0, one.resident))


def say(resident_id: str, *, why: str, until: str, by: str, now_ms: int) -> Plan:
    """She is away from now until then; said again, the last word holds. ``until``: as `facts.Moment`."""

    def plan(community: Community) -> Sequence[Edit]:
        before = find_resident(community, resident_id)
        zone = ZoneInfo(community.community.timezone)
        said, moment = why.strip(), _end(resident_id, until, zone, now_ms)
        if not said or len(said) > WHY_MOST:
            raise _refused(resident_id, "reason", f"say why, in at most {WHY_MOST} characters")
        away: dict[str, Fact] = {"away": True, "away_why": said, "away_until": moment, "away_by": by}
        return [Edit(before, with_attributes(before, {**before.attributes, **away}), "away", {})]

    return plan


def back(resident_id: str) -> Plan:
    """She is at home again: from now on she is watched as before. Where she was not away, nothing changes."""

    def plan(community: Community) -> Sequence[Edit]:
        before = find_resident(community, resident_id)
        return [Edit(before, _without(before), "back", {})]

    return plan


def ended(community: Community, now_ms: int) -> Iterator[Absence]:
    """The absences that are over by their date."""
    return (one for one in absences(community) if one.until_ms is not None and one.until_ms <= now_ms)


def end_by_date(connection: sa.Connection, absence: Absence, zone: ZoneInfo, now_ms: int) -> None:
    """The day has come: the resident is at home again, in the caller's transaction. Nothing where somebody was faster,
    or gave it another end: so it ends once, however often it is asked."""
    store.lock(connection)
    key = ("residents", absence.resident)
    found = store.row(connection, key)
    if found is None:
        return
    body, origin = found
    before: Resident = ADAPTERS["residents"].validate_json(body)
    now = absence_of(before, zone)
    if now is None or now.until_ms is None or now.until_ms > now_ms:
        return
    edit = Edit(before, _without(before), "back", {})
    store.replace_rows(connection, [key], {key: edit.after.model_dump_json()}, edit.origin(origin))
    why = f" ({now.why})" if now.why else ""
    summary = f"residents ~1 ({absence.resident}: away{why} ended by its date, {now.until})"
    store.write_revision(connection, ITSELF, summary, now_ms)


def _without(resident: Resident) -> Resident:
    return with_attributes(resident, {name: fact for name, fact in resident.attributes.items() if name not in AWAY})


def _end(resident_id: str, text: str, zone: ZoneInfo, now_ms: int) -> str:
    moment = moment_of(text)
    if moment is None:
        en = f"expected a day or an instant such as 2026-12-05 or 2026-12-05 14:00, got {text[:40]!r}"
        raise _refused(resident_id, "until", en)
    until_ms = end_ms(moment, zone)
    if "T" in moment:  # one of another zone is kept by the community's clock, as people read it
        moment = datetime.fromtimestamp(until_ms / 1000, UTC).astimezone(zone).replace(tzinfo=None).isoformat()
    if until_ms <= now_ms:
        raise _refused(resident_id, "until", f"{moment} is over; give a time to come")
    last = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(zone).date() + timedelta(days=LONGEST_DAYS)
    if until_ms > end_ms(last.isoformat(), zone):
        en = f"expected at most {LONGEST_DAYS} days, until {last}; say it again when the time comes"
        raise _refused(resident_id, "until", en)
    return moment


def _refused(resident_id: str, field: str, en: str) -> Refused:
    return Refused(Fault(resident_id, field, en))
