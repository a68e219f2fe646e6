"""A case as a card shows it: what, who, where, how long, who has it, what comes next, and what one can do."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.alarms import ALARM_TYPES
from gateway.api.context import Context
from gateway.api.rungs import line_reaches_nobody, recipient_in_words, who
from gateway.api.views import case_summary
from gateway.api.words import SEVERITIES, words
from gateway.cases import scene
from gateway.cases.commands import Action
from gateway.cases.human import possible
from gateway.cases.messages import SAID_MOST, done_by_itself
from gateway.cases.model import Case, Stage
from gateway.cases.policy import Rung
from gateway.cases.timing import WORDS
from gateway.cases.wording import ACTIONS, LINE_STATES, STAGES, Words
from gateway.registry.directory import CommunityDirectory

NEXT: dict[Stage, tuple[Action, ...]] = {
    Stage.OPENED: ("acknowledge", "dispatch"),
    Stage.ACKNOWLEDGED: ("dispatch", "arrive"),
    Stage.DISPATCHED: ("arrive",),
    Stage.ARRIVED: ("resolve",),
    Stage.RESOLVED: ("verify",),
    Stage.VERIFIED: ("close",),
    Stage.CLOSED: ("call_back", "rate"),
}
"""What one usually does next: the large buttons."""
REASON_NEEDED: frozenset[Action] = frozenset(("cancel", "veto", "release", "note"))


@dataclass(frozen=True, slots=True)
class Button:
    """Something that can be done about a case."""

    action: Action
    says: Words
    main: bool
    at_once: bool
    """Carried out by one click; all others open the dialog."""


@dataclass(frozen=True, slots=True)
class Step:
    """The next step of the ladder, in words."""

    says: Words
    due_ms: int


@dataclass(frozen=True, slots=True)
class LimitShown:
    """The time limit that runs."""

    says: Words
    due_ms: int
    over: bool


@dataclass(frozen=True, slots=True)
class Card:
    """What a card of the console shows."""

    case: Case
    type: Words
    resident: str
    phone: str
    """The resident's telephone, where a call would not give them away."""
    where: Words
    severity: Words
    stage: Words
    owner: str
    since_ms: int
    step: Step | None
    limit: LimitShown | None
    line: Words
    mock: bool
    """Its emergency line reaches nobody: the case is a drill, or the site's line is."""
    number: str
    also: tuple[Words, ...]
    """What else is alarmed in the same case."""
    said: tuple[Words, ...]
    """What the rules say of it in their own words."""
    measures: tuple[Words, ...]
    """What was done by itself, or was not."""
    buttons: tuple[Button, ...]

    @property
    def life(self) -> bool:
        """Whether it may cost a life."""
        return self.case.ladder.life_safety

    @property
    def unowned(self) -> bool:
        """Whether nobody has taken it."""
        return self.case.stage is Stage.OPENED

    @property
    def burning(self) -> bool:
        """A life may be at stake and nobody has it."""
        return self.life and self.unowned and self.case.open

    @property
    def tone(self) -> str:
        """The card's colour: red while it burns, blue once somebody has it."""
        if not self.case.at_work:
            return "done"
        if not self.unowned:
            return "taken"
        return "burning" if self.life else "waiting"

    @property
    def still_active(self) -> bool:
        """Whether a condition that raised the case still holds."""
        return bool(self.case.still)


def card(context: Context, case: Case) -> Card:
    """A case with everything in words."""
    directory = context.directory()
    summary = case_summary(context, case)
    can = possible(case)
    main = NEXT.get(case.stage, ())
    mock = case.drill or line_reaches_nobody(directory)
    return Card(
        case=case,
        type=Words(summary.type_zh, summary.type_en),
        resident=summary.resident_name,
        phone="" if directory is None or case.duress or not case.open else scene.numbers(case, directory)[0],
        where=Words(summary.place_zh, summary.place_en),
        severity=words(SEVERITIES, case.severity.value),
        stage=words(STAGES, case.stage.value),
        owner=who(directory, case.owner),
        since_ms=case.times.get("triggered", case.times["raised"]),
        step=_next_step(case, directory),
        limit=_limit(context, case),
        line=words(LINE_STATES, case.emergency.state.value),
        mock=mock,
        number=case.emergency.number or "120",
        also=tuple(
            Words(ALARM_TYPES[other].zh, ALARM_TYPES[other].en)
            for other in dict.fromkeys(ref.type for ref in case.alarms)
            if other != case.type
        ),
        said=tuple(Words(*words) for words in case.said[:SAID_MOST]),
        measures=tuple(done_by_itself(case, directory)) if directory is not None else (),
        buttons=tuple(
            Button(action, _says(action, case, mock), action in main, action == "acknowledge")
            for action in sorted(can, key=lambda one: (one not in main, list(ACTIONS).index(one)))
            if not (action == "acknowledge" and case.stage is Stage.ACKNOWLEDGED and not case.ladder.life_safety)
        ),
    )


def rank(one: Card) -> tuple[bool, bool, int, int]:
    """Sort key, the worst first: a life at stake, nobody has it, how severe, how long."""
    severities = list(SEVERITIES)
    return (not one.life, not one.unowned, severities.index(one.case.severity.value), one.since_ms)


def _says(action: Action, case: Case, mock: bool) -> Words:
    """What a button says. Those of the emergency line say themselves whether it reaches anybody."""
    says = words(ACTIONS, action)
    if action in ("dial_now", "veto") and mock:
        return Words(f"{says.zh}（演练）", f"{says.en} (drill)")
    if action == "dial_now":
        return Words(f"{says.zh}（真实拨打）", f"{says.en} (LIVE)")
    if action == "arrive" and case.stage is Stage.ARRIVED:
        return Words("又有人到场", "somebody else arrived")
    return says


def _next_step(case: Case, directory: CommunityDirectory | None) -> Step | None:
    if case.next_at_ms is None:
        return None
    rungs = case.ladder.rungs
    if case.rung >= len(rungs):
        return Step(Words("再次提醒所有人", "everybody is told again"), case.next_at_ms)
    rung = rungs[case.rung]
    if rung.call and not rung.notify:
        return None  # the gate counts down to the call, or says why there is none
    return Step(_tells(rung, case, directory, case.next_at_ms), case.next_at_ms)


def _limit(context: Context, case: Case) -> LimitShown | None:
    running = case.limit
    if running is None:
        return None
    return LimitShown(Words(*WORDS[running.stage]), running.due_at_ms, running.due_at_ms <= context.clock.now_ms())


def _tells(rung: Rung, case: Case, directory: CommunityDirectory | None, at_ms: int) -> Words:
    """Whom a step tells, by name: who is on duty when it is due."""
    zh: list[str] = []
    en: list[str] = []
    for recipient in rung.notify:
        says = recipient_in_words(recipient, directory)
        names = (
            [
                target.name
                for target in directory.resolve(recipient, place=case.place, resident=case.resident, at_ms=at_ms)
            ]
            if directory is not None
            else []
        )
        known = f" {'、'.join(names[:3])}{'…' if len(names) > 3 else ''}" if names and not recipient.person else ""
        zh.append(f"{says.zh}{known}" if names else f"{says.zh}（无人）")
        en.append(says.en)
    return Words("通知" + "、".join(zh), "tell " + ", ".join(part for part in en if part))
