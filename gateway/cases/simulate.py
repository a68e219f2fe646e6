"""What would happen: the case machine under a virtual clock, for any place, resident, type of alarm and instant.

It is the machine itself and no model of it, so what is shown is what will be done. Nothing is sent: every message
counts as delivered at once, the line as answered, and the clock jumps from one deadline to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import count

from gateway.alarms import AlarmChange, AlarmMove, Frozen
from gateway.cases import machine, wording
from gateway.cases.commands import Action, AlarmHeard, Command, DeliveryHeard, HumanAction, Refused, TimerDue
from gateway.cases.directory import Directory
from gateway.cases.effects import (
    DEVICE_CHANNEL,
    DRILL_LINE_CHANNEL,
    LINE_CHANNEL,
    Delivery,
    Effect,
    Send,
    SetTimer,
    StopTimer,
    TimerName,
    Write,
)
from gateway.cases.model import Case
from gateway.cases.policy import Ladder

STEPS_MOST = 5000
ANSWER_AFTER_S = 10
"""In the stories of answers somebody answers so long after they were told."""
_SHOWN = (
    *("rung_empty", "no_address", "quiet_held", "quiet_channel", "rung_passed", "reminder", "rung_again"),
    *("line_disarmed", "line_armed", "line_not_armed", "line_soon", "line_hastened", "line_postponed"),
    *("line_committed", "line_also", "line_withheld", "line_vetoed", "voice_asked", "voice_unasked", "voice_fine"),
    *("fallback", "no_device", "ladder_ended", "lease_expired", "helper_lapsed", "acknowledged", "dispatched"),
    *("coming", "owner_revoked", "window_ended", "alerted_again", "cancelled", "cancel_claimed", "alarm_repeated"),
)
"""Lines of the timeline that belong to the story."""


class Happening(Frozen):
    """One thing that would happen."""

    at_ms: int
    after_s: float
    """Seconds after the alarm."""
    what: str
    """``told``, ``device``, ``line``, or the code of a line of the timeline."""
    zh: str
    en: str
    """What happens, in words."""
    rung: str = ""
    people: tuple[str, ...] = ()
    """Names of those it concerns."""
    channel: str = ""
    purpose: str = ""
    detail: str = ""


class Run(Frozen):
    """One course of things: nobody answers, or somebody does."""

    id: str
    zh: str
    en: str
    happenings: tuple[Happening, ...]


class Simulation(Frozen):
    """Who would be told when by which channel, and what happens at each answer."""

    ladder: str
    life_safety: bool
    at_ms: int
    runs: tuple[Run, ...]
    """The first: nobody answers."""
    reached: tuple[str, ...]
    """Names of the people who are told where nobody answers, in their order."""
    unreachable: tuple[str, ...]
    """Names of people on the ladder who have no way to be told."""
    empty: tuple[str, ...]
    """Rungs with nobody on them."""
    line_after_s: float | None
    """When the machine calls the emergency line where nobody answers; None where it does not."""

    @property
    def reaches_nobody(self) -> bool:
        """Whether a life would be at stake and no person would be told."""
        return self.life_safety and not self.reached


class _World:
    """One case, its timers, and everything that would have been said."""

    def __init__(self, ladder: Ladder, change: AlarmChange, directory: Directory) -> None:
        self.directory = directory
        self.change = change
        self.began_ms = self.now_ms = change.at_ms
        self.timers: dict[TimerName, int] = {}
        self.happenings: list[Happening] = []
        self.keys: set[str] = set()
        self.names: dict[str, str] = {}
        self.told_by: dict[str, tuple[str, int]] = {}
        """Of each rung the first person who was told, and when."""
        moved = machine.open_case(
            case_id="simulation",
            number="simulation",
            change=change,
            ladder=ladder,
            directory=directory,
            now_ms=self.now_ms,
        )
        self.case: Case = moved.case
        self._take(moved.effects)

    def hear(self, command: Command) -> None:
        moved = machine.step(self.case, command, self.directory, self.now_ms)
        self.case = moved.case
        self._take(moved.effects)

    def until(self, end_ms: int) -> None:
        for _ in range(STEPS_MOST):
            if not self.timers or min(self.timers.values()) > end_ms:
                break
            name = min(self.timers, key=lambda timer: self.timers[timer])
            self.now_ms = max(self.now_ms, self.timers.pop(name))
            self.hear(TimerDue(name=name))
        self.now_ms = max(self.now_ms, end_ms)

    def act(self, action: Action, actor: str, reason: str = "") -> None:
        try:
            self.hear(HumanAction(action=action, actor=actor, reason=reason))
        except Refused as refused:
            self._note("refused", refused.zh, refused.en, people=(self._name(actor),))

    def _take(self, effects: Iterable[Effect]) -> None:
        self.names |= {target.person: target.name for target in self.case.told}
        delivered: list[Send] = []
        for effect in effects:
            match effect:
                case Send() if effect.key not in self.keys:
                    self.keys.add(effect.key)
                    self._said(effect)
                    delivered.append(effect)
                case Write() if effect.what in _SHOWN:
                    self._wrote(effect)
                case SetTimer():
                    self.timers[effect.name] = effect.due_at_ms
                case StopTimer():
                    self.timers.pop(effect.name, None)
                case _:
                    pass
        for send in delivered:
            self.hear(DeliveryHeard.of(send, Delivery.DELIVERED))

    def _said(self, send: Send) -> None:
        if send.channel in (LINE_CHANNEL, DRILL_LINE_CHANNEL):
            self._note("line", f"呼叫 {send.to}", f"{send.to} is called", purpose=send.purpose.value)
            return
        if send.channel == DEVICE_CHANNEL:
            args = send.data.get("args")
            said = " ".join(f"{key}={value}" for key, value in args.items()) if isinstance(args, dict) else ""
            zh, en = (self.directory.device_name(send.to, language) for language in ("zh", "en"))
            detail = f"{send.data.get('command')} {said}".strip()
            self._note("device", zh, en, channel=send.channel, purpose=send.purpose.value, detail=detail)
            return
        person = send.person or send.to
        if send.rung is not None:
            self.told_by.setdefault(send.rung, (person, self.now_ms))
        self._note(
            "told",
            send.title,
            send.body.split("\n\n")[-1].split("\n")[0],
            rung=send.rung or "",
            people=(self._name(person),),
            channel=send.channel,
            purpose=send.purpose.value,
        )

    def _wrote(self, line: Write) -> None:
        zh, en = wording.TIMELINE_WORDS[line.what]
        people = line.data.get("people") or [person for key in ("person", "owner") if (person := line.data.get(key))]
        if line.actor.startswith("person:") and not people:
            people = [line.actor]
        names = tuple(self._name(str(person)) for person in people) if isinstance(people, list) else ()
        detail = line.reason
        until = line.data.get("until_ms")
        if isinstance(until, int):
            detail = f"+{(until - self.began_ms) / 1000:g} s"
        self._note(line.what, zh, en, rung=str(line.data.get("rung") or ""), people=names, detail=detail)

    def _name(self, actor: str) -> str:
        person = actor.removeprefix("person:")
        return self.names.get(person, person)

    def _note(
        self,
        what: str,
        zh: str,
        en: str,
        *,
        rung: str = "",
        people: tuple[str, ...] = (),
        channel: str = "",
        purpose: str = "",
        detail: str = "",
    ) -> None:
        self.happenings.append(
            Happening(
                at_ms=self.now_ms,
                after_s=(self.now_ms - self.began_ms) / 1000,
                what=what,
                zh=zh,
                en=en,
                rung=rung,
                people=people,
                channel=channel,
                purpose=purpose,
                detail=detail,
            )
        )


Story = Callable[[_World], None]


def simulate(
    *, ladder: Ladder, change: AlarmChange, directory: Directory, for_s: int | None = None, answers: bool = True
) -> Simulation:
    """Play an alarm: first with nobody who answers, then (``answers``) with each answer that could be given.

    ``for_s``: how long to look ahead; without it, until everybody has been reminded once after the last rung.
    """
    span_s = for_s if for_s is not None else _span_s(ladder)
    nobody = _play(ladder, change, directory, span_s, lambda world: None)
    runs = [Run(id="nobody", zh="无人应答", en="nobody answers", happenings=tuple(nobody.happenings))]
    if answers:
        for id_, zh, en, story in _stories(ladder, nobody):
            world = _play(ladder, change, directory, span_s, story)
            runs.append(Run(id=id_, zh=zh, en=en, happenings=tuple(world.happenings)))
    happened = nobody.happenings
    told = [one for one in happened if one.what == "told" and one.purpose != "rung_empty"]
    calls = [one.after_s for one in happened if one.what == "line" and one.purpose == "emergency_call"]
    return Simulation(
        ladder=ladder.id,
        life_safety=ladder.life_safety,
        at_ms=change.at_ms,
        runs=tuple(runs),
        reached=tuple(dict.fromkeys(name for one in told for name in one.people)),
        unreachable=tuple(dict.fromkeys(name for one in happened if one.what == "no_address" for name in one.people)),
        empty=tuple(dict.fromkeys(one.rung for one in happened if one.what == "rung_empty")),
        line_after_s=calls[0] if calls else None,
    )


def _span_s(ladder: Ladder) -> int:
    longest = max(sum(rung.after_s for rung in rungs) for rungs in (ladder.rungs, *(b.rungs for b in ladder.branches)))
    return longest + (ladder.repeat_s if ladder.life_safety or ladder.loops else 0)


def _play(ladder: Ladder, change: AlarmChange, directory: Directory, span_s: int, story: Story) -> _World:
    world = _World(ladder, change, directory)
    story(world)
    world.until(max(world.now_ms, world.began_ms + span_s * 1000))
    return world


def _stories(ladder: Ladder, nobody: _World) -> Iterator[tuple[str, str, str, Story]]:
    """The answers that could be given, by what happens where nobody answers."""
    number = count(1)
    for rung, (person, at_ms) in nobody.told_by.items():
        name = nobody.names.get(person, person)
        when = at_ms + ANSWER_AFTER_S * 1000
        yield (
            f"accepts-{next(number)}",
            f"{name}（{rung}）{ANSWER_AFTER_S} 秒后受理，此后没有进展",
            f"{name} ({rung}) accepts after {ANSWER_AFTER_S} s and does no more",
            _accepting(person, when),
        )
    if nobody.change.momentary and ladder.cancel_window_s:
        after_s = min(ANSWER_AFTER_S, ladder.cancel_window_s)
        yield (
            "cancel",
            f"本人 {after_s} 秒时在设备上取消",
            f"the resident cancels at the device after {after_s} s",
            _moving(AlarmMove.CANCELLED, after_s),
        )
    if nobody.change.momentary:
        yield "again", "20 秒时再按一次", "the key is pressed again after 20 s", _moving(AlarmMove.REPEATED, 20)
    line = next((one.after_s for one in nobody.happenings if one.what == "line"), None)
    if line is not None and line > 0:
        yield "veto", "呼叫前 1 秒被否决", "a person decides against the call a second before it", _vetoing(line - 1)


def _accepting(person: str, at_ms: int) -> Story:
    def story(world: _World) -> None:
        world.until(at_ms)
        world.act("acknowledge", f"person:{person}")
        lease_s = max(world.case.ladder.lease_s, 60)
        world.until(at_ms + (lease_s + 60) * 1000)

    return story


def _moving(move: AlarmMove, after_s: int) -> Story:
    def story(world: _World) -> None:
        at_ms = world.began_ms + after_s * 1000
        world.until(at_ms)
        change = world.change.model_copy(update={"move": move, "at_ms": at_ms, "observed_at_ms": at_ms})
        world.hear(AlarmHeard(change=change))

    return story


def _vetoing(after_s: float) -> Story:
    def story(world: _World) -> None:
        world.until(world.began_ms + int(after_s * 1000))
        world.act("veto", "operator:control room", "simulation")

    return story
