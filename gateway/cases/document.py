"""A case as outside systems are told of it: one JSON document, the same for webhooks, CAP and the feed.

Its schema is docs/case-document.schema.json; ``schema`` in it changes when a reader would have to change.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from gateway.alarms import ALARM_TYPES, Frozen
from gateway.cases.model import Case, Stage
from gateway.cases.wording import STAGES

MARK = "演练"
Event = Literal["opened", "updated", "closed", "cancelled"]


class Words(Frozen):
    """The same in both languages."""

    zh: str
    en: str


class Spot(Frozen):
    """Where it is, in WGS-84."""

    lat: float
    lon: float
    of: Words
    """The place these coordinates belong to: it may be the building and not the door."""
    exact: bool
    """Whether they are those of the scene itself."""


class Who(Frozen):
    """The resident; only for receivers that are to know."""

    name: str
    phone: str


class Scene(Frozen):
    """What the registry knows of where a case is."""

    community: str
    community_name: Words
    timezone: str
    place: str | None
    address: Words
    pole: str = ""
    spot: Spot | None = None
    resident: Who | None = None
    call_back: str = ""


class AlarmTold(Frozen):
    """One alarm of the case."""

    type: str
    name: Words
    subject: str
    active: bool
    """It still holds; of a moment (a press), that the case is open."""
    contact_id: int | None


class CaseDocument(Frozen):
    """All that is told of a case. Fields may be added; a reader passes over what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Literal["anju/case/1"] = Field(default="anju/case/1", alias="schema")
    event: Event
    id: str
    number: str
    revision: int
    """Counts from 1 in a case. What has a lower one than the last that was seen is older, however late it comes."""
    revisions_ms: tuple[int, ...]
    """When each revision was made, ms since the epoch."""
    status: Literal["actual", "exercise"]
    """``exercise``: a drill, or a receiver that is not live: nothing is to be done in earnest."""
    mark: str = ""
    """``演练`` for an exercise."""
    community: str
    community_name: Words
    timezone: str
    type: str
    name: Words
    severity: str
    urgency: str
    """As in CAP 1.2, like the next two."""
    cap_severity: str
    certainty: str
    contact_id: int | None
    life_safety: bool
    stage: str
    stage_name: Words
    owner: str | None
    explanation: str
    said: tuple[Words, ...] = ()
    """What the rules say of it in their own words."""
    text: str = ""
    """In the words of who reported it."""
    alarms: tuple[AlarmTold, ...] = ()
    place: str | None
    address: Words
    pole: str = ""
    spot: Spot | None = None
    resident: Who | None = None
    legal_basis: str = ""
    """Why the resident is named."""
    call_back: str = ""
    line: str
    """How the 120 line of the case stands."""
    times: dict[str, int]
    """When it was triggered, received, raised, notified, answered …, ms since the epoch."""

    def as_json(self) -> dict[str, object]:
        """As it is sent."""
        found: dict[str, object] = self.model_dump(mode="json", by_alias=True)
        return found


LEGAL_BASIS = "PIPL Art. 13(4): emergency, to protect life and health"


def type_words(case: Case, type_: str) -> Words:
    """What a type is called: an alarm's by the catalogue, work by its own table."""
    known = ALARM_TYPES.get(type_)
    if known is not None:
        return Words(zh=known.zh, en=known.en)
    if case.work is not None and type_ in (case.work.id, case.type):
        return Words(zh=case.work.zh, en=case.work.en)
    return Words(zh=type_, en=type_)


def document(case: Case, scene: Scene, *, event: Event, live: bool, person: bool) -> CaseDocument:
    """``case`` as it is told outside. ``live``: the receiver acts on it; never for a drill. ``person``: the resident is
    named."""
    known = ALARM_TYPES.get(case.type)
    actual = live and not case.drill
    revisions = case.revisions or (case.times.get("raised", 0),)
    named = scene.resident if person else None
    return CaseDocument(
        event=event,
        id=case.id,
        number=case.number,
        revision=len(revisions),
        revisions_ms=revisions,
        status="actual" if actual else "exercise",
        mark="" if actual else MARK,
        community=scene.community,
        community_name=scene.community_name,
        timezone=scene.timezone,
        type=case.type,
        name=type_words(case, case.type),
        severity=case.severity.value,
        urgency=known.cap_urgency if known is not None else "Unknown",
        cap_severity=known.cap_severity if known is not None else "Unknown",
        certainty=known.cap_certainty if known is not None else "Unknown",
        contact_id=known.contact_id if known is not None else None,
        life_safety=case.ladder.life_safety,
        stage=case.stage.value,
        stage_name=Words(zh=STAGES[case.stage].zh, en=STAGES[case.stage].en),
        owner=case.owner,
        explanation=case.explanation,
        said=tuple(Words(zh=zh, en=en) for zh, en in case.said),
        text=case.text,
        alarms=tuple(
            AlarmTold(
                type=ref.type,
                name=type_words(case, ref.type),
                subject=ref.subject,
                active=ref.active and case.open,
                contact_id=ALARM_TYPES[ref.type].contact_id if ref.type in ALARM_TYPES else None,
            )
            for ref in case.alarms
        ),
        place=scene.place,
        address=scene.address,
        pole=scene.pole,
        spot=scene.spot,
        resident=named,
        legal_basis=LEGAL_BASIS if named is not None else "",
        call_back=scene.call_back,
        line=case.emergency.state.value,
        times=case.times,
    )


def event_of(case: Case) -> Event:
    """What the newest revision of a case is."""
    if case.stage is Stage.CANCELLED:
        return "cancelled"
    if not case.open:
        return "closed"
    return "updated" if len(case.revisions) > 1 else "opened"
